//! A whole project around agents: a crate that builds, passes its tests and serves at once.
//!
//! Invariant: a project is written completely or not at all, and nothing that exists is touched.

pub mod atomic_dir;
pub mod import_agents;
pub mod lockfile;
pub mod package_name;
pub mod stub_writer;
pub mod vendor;

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Value as Json, json};
use toml::Value;

use crate::configuration::config_file;
use crate::scaffold::vendor::{BUILD_CRATE, RUNTIME_CRATE, VERSION};
use agentgen_build::inspect::{SERVICE_SCHEMA, Templates, has_errors, operations};
use agentgen_build::{Agent, Artifact, Config, Diagnostic, Project, Source, generate, stubs};

/// The Rust version of images and CI; at least the `rust-version` of every dependency.
const RUST_IMAGE: &str = "1.95.0";
/// The dependencies of a project besides agentgen's own crates.
const CRATES: [&str; 6] = [
    "futures-util",
    "jsonwebtoken",
    "mimalloc",
    "serde",
    "serde_json",
    "tokio",
];

/// The files that are made of a template of another name.
const RENAMED: [(&str, &str); 5] = [
    ("dockerignore", ".dockerignore"),
    ("gitignore", ".gitignore"),
    ("vscode.json", ".vscode/settings.json"),
    ("workflows/ci.yml", ".github/workflows/ci.yml"),
    ("README.md", "README.md"),
];
/// The files that are made of a template of the same name.
const PLAIN: [&str; 11] = [
    "Cargo.toml",
    "Dockerfile",
    "agentgen.toml",
    "build.rs",
    "deploy/kubernetes.yaml",
    "service.toml",
    "src/lib.rs",
    "src/main.rs",
    "tests/document/mod.rs",
    "tests/service.rs",
    "tests/support/mod.rs",
];
/// The sample agents of a project without `--from`.
const SAMPLES: [&str; 2] = ["librarian.md", "proofreader.md"];

/// Where a project gets agentgen's own crates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A checkout, by its path.
    Checkout(PathBuf),
    /// A registry, by the exact version.
    Registry,
    /// The sources that are embedded in this binary, copied to `vendor/`.
    Vendored,
}

/// The input of a new project.
#[derive(Debug, Clone)]
pub struct Scaffold {
    /// The name of the package.
    pub name: String,
    /// Where it gets agentgen's crates.
    pub origin: Origin,
    /// The agent files, by their paths below `agents/`; without any there are samples.
    pub agents: Vec<Artifact>,
}

/// Every file of the project, sorted by path.
///
/// # Errors
///
/// The errors of a build of the agents.
pub fn render(scaffold: &Scaffold) -> Result<Vec<Artifact>, Vec<Diagnostic>> {
    let templates = Templates::new(&[]).map_err(single)?;
    let mut files = agent_files(scaffold, &templates)?;
    let agents = read(&files)?;
    let context = context(scaffold, &agents);
    let named = PLAIN.iter().map(|name| (*name, *name));
    for (template, path) in named.chain(RENAMED) {
        let text = templates.render(&format!("project/{template}.tera"), &context);
        files.push(text_file(path, text.map_err(single)?));
    }
    let stubs = stubs(&agents, &[], |_| None).map_err(single)?;
    for mut file in stubs.files {
        file.path = format!("src/agents/{}", file.path);
        files.push(file);
    }
    for (name, schema) in [("service", SERVICE_SCHEMA), ("config", config_file::SCHEMA)] {
        let path = format!(".vscode/{name}.schema.json");
        files.push(text_file(&path, schema.to_owned()));
    }
    if scaffold.origin == Origin::Vendored {
        for mut file in vendor::files() {
            file.path = format!("vendor/{}", file.path);
            files.push(file);
        }
    }
    if scaffold.origin != Origin::Registry {
        let lock = lockfile::text_for(&scaffold.name);
        files.push(text_file("Cargo.lock", lock));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// The text of the file of a new agent.
///
/// # Errors
///
/// The error in the template.
pub fn agent(name: &str, description: &str) -> Result<String, Diagnostic> {
    let context = json!({ "name": name, "description": description });
    Templates::new(&[])?.render("project/agents/added.md.tera", &context)
}

fn agent_files(
    scaffold: &Scaffold,
    templates: &Templates,
) -> Result<Vec<Artifact>, Vec<Diagnostic>> {
    let mut files = Vec::new();
    for file in &scaffold.agents {
        let mut file = file.clone();
        file.path = format!("agents/{}", file.path);
        files.push(file);
    }
    if files.is_empty() {
        for name in SAMPLES {
            let text = templates.render(&format!("project/agents/{name}.tera"), &json!({}));
            files.push(text_file(&format!("agents/{name}"), text.map_err(single)?));
        }
    }
    Ok(files)
}

/// The agents as a build of the project reads them.
fn read(files: &[Artifact]) -> Result<Vec<Agent>, Vec<Diagnostic>> {
    let mut sources = Vec::new();
    for file in files {
        let source = Source::from_bytes(&file.path, file.bytes.clone());
        sources.push(source.map_err(|error| {
            let diagnostic = Diagnostic::error(error.code(), &file.path, error.to_string());
            single(diagnostic.help(error.help()))
        })?);
    }
    sources.sort_by(|a, b| a.path().cmp(b.path()));
    let generation = generate(&Project {
        config: Config::default(),
        sources,
        ..Project::default()
    });
    if has_errors(&generation.diagnostics) {
        return Err(generation.diagnostics);
    }
    Ok(generation.agents)
}

#[derive(Serialize)]
struct Context<'a> {
    name: &'a str,
    /// The name as Rust writes it.
    lib: String,
    /// The name as Kubernetes and image registries take it.
    label: String,
    title: String,
    agents: Vec<&'a str>,
    /// The path of the first `invoke` endpoint.
    invoke: Option<String>,
    vendored: bool,
    registry: bool,
    lock: bool,
    rust_version: String,
    rust_image: &'a str,
    runtime_dependency: String,
    build_dependency: String,
    versions: Json,
}

fn context<'a>(scaffold: &'a Scaffold, agents: &'a [Agent]) -> Context<'a> {
    let name = scaffold.name.as_str();
    let invoke = agents.iter().find_map(|agent| {
        let operations = operations(agent);
        let plain = operations
            .into_iter()
            .find(|operation| operation.endpoint.is_none());
        plain.map(|operation| operation.path)
    });
    let versions = CRATES.map(|name| {
        let version = lockfile::version(name).unwrap_or_default();
        (name.replace('-', "_"), Json::from(version))
    });
    Context {
        name,
        lib: name.replace('-', "_"),
        label: name.to_ascii_lowercase().replace('_', "-"),
        title: title(name),
        agents: agents
            .iter()
            .map(|agent| agent.spec.slug.as_str())
            .collect(),
        invoke,
        vendored: scaffold.origin == Origin::Vendored,
        registry: scaffold.origin == Origin::Registry,
        lock: scaffold.origin != Origin::Registry,
        rust_version: rust_version(),
        rust_image: RUST_IMAGE,
        runtime_dependency: dependency(RUNTIME_CRATE, &scaffold.origin),
        build_dependency: dependency(BUILD_CRATE, &scaffold.origin),
        versions: Json::Object(versions.into_iter().collect()),
    }
}

/// The line of the manifest that asks for one of agentgen's crates.
fn dependency(name: &str, origin: &Origin) -> String {
    let place = match origin {
        Origin::Checkout(root) => {
            let path = root.join(vendor::checkout_folder(name));
            let path = Value::String(path.to_string_lossy().into_owned());
            format!("path = {path}")
        }
        Origin::Registry => format!("version = \"={VERSION}\""),
        Origin::Vendored => format!("path = \"vendor/{name}\""),
    };
    format!("{name} = {{ {place} }}")
}

/// The newer `rust-version` of the two crates.
fn rust_version() -> String {
    let versions = [BUILD_CRATE, RUNTIME_CRATE].map(|name| {
        let manifest = vendor::manifest(name);
        let version = manifest.get("package").and_then(|p| p.get("rust-version"));
        version.and_then(Value::as_str).unwrap_or("").to_owned()
    });
    let numbers = |version: &String| -> Vec<u64> {
        let parts = version.split('.');
        parts.map(|part| part.parse().unwrap_or_default()).collect()
    };
    versions.into_iter().max_by_key(numbers).unwrap_or_default()
}

/// `support-desk` as a title: `Support desk`.
fn title(name: &str) -> String {
    let words = name.replace(['-', '_'], " ");
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => words,
    }
}

fn text_file(path: &str, text: String) -> Artifact {
    Artifact {
        path: path.to_owned(),
        bytes: text.into_bytes(),
    }
}

fn single(diagnostic: Diagnostic) -> Vec<Diagnostic> {
    vec![diagnostic]
}
