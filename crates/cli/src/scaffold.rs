//! A whole project around agents: a crate that builds, passes its tests and serves at once.
//!
//! Invariant: a project is written completely or not at all, and nothing that exists is touched.

pub mod agent_references;
pub mod atomic_dir;
pub mod file_change;
pub mod handler_edit;
pub mod import_agents;
pub mod lockfile;
pub mod package_name;
pub mod project_record;
pub mod project_update;
pub mod stub_writer;
pub mod three_way_merge;
pub mod vendor;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use toml::Value;

use crate::scaffold::atomic_dir::ExistingFiles;
use crate::scaffold::project_record::{FileRecord, ProjectRecord, RECORD_PATH};
use crate::scaffold::vendor::{BUILD_CRATE, RUNTIME_CRATE, VERSION};
use agentgen_build::inspect::{CONFIG_SCHEMA, SERVICE_SCHEMA, Templates, has_errors, operations};
use agentgen_build::{Agent, Artifact, Config, Diagnostic, Project, Source, generate, stubs};

/// The Rust version of images and CI; at least the `rust-version` of every dependency.
const RUST_IMAGE: &str = "1.95.0";
/// The dependencies of a project besides agentgen's own crates.
const CRATES: [&str; 4] = ["mimalloc", "serde", "serde_json", "tokio"];
/// What a build of agentgen's crates needs of a checkout.
const CHECKOUT_FOLDERS: [&str; 5] = ["crates", "openapi", "schemas", "src", "templates"];

/// The files that are made of a template of another name.
const RENAMED: [(&str, &str); 5] = [
    ("dockerignore", ".dockerignore"),
    ("gitignore", ".gitignore"),
    ("vscode.json", ".vscode/settings.json"),
    ("workflows/ci.yml", ".github/workflows/ci.yml"),
    ("README.md", "README.md"),
];
/// The files that are made of a template of the same name.
const PLAIN: [&str; 10] = [
    "Cargo.toml",
    "Dockerfile",
    "agentgen.toml",
    "build.rs",
    "deploy/kubernetes-sqlite.yaml",
    "deploy/kubernetes.yaml",
    "service.toml",
    "src/lib.rs",
    "src/main.rs",
    "tests/service.rs",
];
/// The examples in a project of sample agents: an update leaves them alone.
const EXAMPLES: [&str; 5] = [
    "agents/librarian.md",
    "agents/proofreader.md",
    "src/agents/librarian.rs",
    "src/tools.rs",
    "tests/librarian.rs",
];

/// Where a project gets agentgen's own crates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// What its folder has already.
    pub existing: ExistingFiles,
    /// Where the agents are, relative to the project, if they are read there and not copied.
    pub references: Vec<String>,
}

/// What the files of a project are filled with. It is recorded, so that an update fills them with the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectFacts {
    /// The name of the package.
    pub name: String,
    /// Where it gets agentgen's crates.
    pub origin: Origin,
    /// Whether its agents are the samples, which come with examples of a handler, a tool and a test.
    pub samples: bool,
    /// The path of the first `invoke` endpoint, for examples.
    pub invoke: Option<String>,
    /// Where the agents are, relative to the project, if they are not in `agents/`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
}

/// Every file of the project, sorted by path.
///
/// # Errors
///
/// The errors of a build of the agents.
pub fn render(scaffold: &Scaffold) -> Result<Vec<Artifact>, Vec<Diagnostic>> {
    let samples = scaffold.agents.is_empty();
    let mut facts = ProjectFacts {
        name: scaffold.name.clone(),
        origin: scaffold.origin.clone(),
        samples,
        invoke: None,
        references: scaffold.references.clone(),
    };
    let mut files = match samples {
        true => rendered(EXAMPLES.map(|path| (path, path)), &facts).map_err(single)?,
        false => scaffold.agents.clone(),
    };
    if !samples {
        for file in &mut files {
            file.path = format!("agents/{}", file.path);
        }
    }
    let agents = read(&files)?;
    if !facts.references.is_empty() {
        files.clear();
    }
    facts.invoke = invoke(&agents);
    let stubs = stubs(&agents, &[], |_| None).map_err(single)?;
    for mut file in stubs.files {
        file.path = format!("src/agents/{}", file.path);
        // The example is there already.
        if files.iter().all(|other| other.path != file.path) {
            files.push(file);
        }
    }
    files.extend(project_files(&facts).map_err(single)?);
    if facts.origin == Origin::Vendored {
        files.extend(vendored_files());
    }
    let mut record = ProjectRecord::of(facts, &files);
    keep_existing(&mut files, &mut record, &scaffold.existing);
    files.push(text_file(RECORD_PATH, record.to_json()));
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Leaves out the README where there is one, and puts what a `.gitignore` lacks behind what it has.
fn keep_existing(files: &mut Vec<Artifact>, record: &mut ProjectRecord, existing: &ExistingFiles) {
    let mut own = |path: &str| record.files.insert(path.to_owned(), FileRecord::Own);
    if existing.readme.is_some() {
        own("README.md");
        files.retain(|file| file.path != "README.md");
    }
    if let Some(text) = &existing.gitignore {
        own(".gitignore");
        for file in &mut *files {
            if file.path == ".gitignore" {
                let lines = String::from_utf8_lossy(&file.bytes).into_owned();
                file.bytes = with_missing_lines(text, &lines).into_bytes();
            }
        }
        files.retain(|file| file.path != ".gitignore" || file.bytes != text.as_bytes());
    }
}

/// `text` with those of `lines` that it lacks at its end.
fn with_missing_lines(text: &str, lines: &str) -> String {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let has = |line: &str| {
        let bare = |line: &str| line.trim().trim_matches('/').to_owned();
        text.lines().any(|other| bare(other) == bare(line))
    };
    let missing: Vec<&str> = lines.lines().filter(|line| !has(line)).collect();
    if missing.is_empty() {
        return text.to_owned();
    }
    let mut merged = text.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        merged.push_str(end);
    }
    for line in missing {
        merged.push_str(line);
        merged.push_str(end);
    }
    merged
}

/// The files around the agents, which an update keeps up to date, without the vendored sources.
///
/// # Errors
///
/// The error in a template.
pub fn project_files(facts: &ProjectFacts) -> Result<Vec<Artifact>, Diagnostic> {
    let named = PLAIN.iter().map(|name| (*name, *name));
    let mut files = rendered(named.chain(RENAMED), facts)?;
    for (name, schema) in [("service", SERVICE_SCHEMA), ("config", CONFIG_SCHEMA)] {
        let path = format!(".vscode/{name}.schema.json");
        files.push(text_file(&path, schema.to_owned()));
    }
    if facts.origin != Origin::Registry {
        let lock = lockfile::text_for(&facts.name);
        files.push(text_file("Cargo.lock", lock));
    }
    Ok(files)
}

/// Whether the user's changes of the file are merged with those of an update: it is made of a template.
pub fn is_merged(path: &str) -> bool {
    PLAIN.contains(&path) || RENAMED.iter().any(|(_, renamed)| *renamed == path)
}

/// The sources of agentgen's crates, below `vendor/`.
pub fn vendored_files() -> Vec<Artifact> {
    let mut files = vendor::files();
    for file in &mut files {
        file.path = format!("vendor/{}", file.path);
    }
    files
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

/// Templates, each with the path of its file, filled with `facts`.
fn rendered<'a>(
    templates: impl IntoIterator<Item = (&'a str, &'a str)>,
    facts: &ProjectFacts,
) -> Result<Vec<Artifact>, Diagnostic> {
    let engine = Templates::new(&[])?;
    let context = context(facts);
    templates
        .into_iter()
        .map(|(template, path)| {
            let text = engine.render(&format!("project/{template}.tera"), &context)?;
            Ok(text_file(path, text))
        })
        .collect()
}

/// The agents as a build of the project reads them.
fn read(files: &[Artifact]) -> Result<Vec<Agent>, Vec<Diagnostic>> {
    let mut sources = Vec::new();
    let files = files.iter().filter(|file| file.path.starts_with("agents/"));
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

/// The path of the first `invoke` endpoint that an agent has without declaring it.
pub fn invoke(agents: &[Agent]) -> Option<String> {
    agents.iter().find_map(|agent| {
        let mut operations = operations(agent).into_iter();
        let plain = operations.find(|operation| operation.endpoint.is_none());
        plain.map(|operation| operation.path)
    })
}

#[derive(Serialize)]
struct Context<'a> {
    name: &'a str,
    /// The name as Rust writes it.
    lib: String,
    /// The name as Kubernetes and image registries take it.
    label: String,
    title: String,
    /// Where the agents are.
    agent_paths: Vec<&'a str>,
    /// The same as TOML; none where they are in `agents/`.
    references: Option<String>,
    outside: bool,
    /// The path of the first `invoke` endpoint.
    invoke: Option<&'a str>,
    samples: bool,
    vendored: bool,
    registry: bool,
    lock: bool,
    checkout: Option<Checkout>,
    /// The version of agentgen.
    version: &'a str,
    rust_version: String,
    rust_image: &'a str,
    runtime_dependency: String,
    test_dependency: String,
    build_dependency: String,
    versions: Json,
}

/// The checkout that a project depends on.
#[derive(Serialize)]
struct Checkout {
    /// Its path, as a word of a shell.
    word: String,
    /// The folder it is in, as a word of a shell.
    parent: String,
    /// The arguments of the `COPY` instructions that put it into an image.
    copies: Vec<String>,
}

fn context(facts: &ProjectFacts) -> Context<'_> {
    let name = facts.name.as_str();
    let versions = CRATES.map(|name| {
        let version = lockfile::version(name).unwrap_or_default();
        (name.replace('-', "_"), Json::from(version))
    });
    let origin = &facts.origin;
    Context {
        name,
        lib: name.replace('-', "_"),
        label: name.to_ascii_lowercase().replace('_', "-"),
        title: title(name),
        agent_paths: agent_paths(facts),
        references: (!facts.references.is_empty())
            .then(|| Value::from(facts.references.clone()).to_string()),
        outside: lead_outside(&facts.references),
        invoke: facts.invoke.as_deref(),
        samples: facts.samples,
        vendored: *origin == Origin::Vendored,
        registry: *origin == Origin::Registry,
        lock: *origin != Origin::Registry,
        checkout: match origin {
            Origin::Checkout(path) => Some(checkout(path)),
            Origin::Registry | Origin::Vendored => None,
        },
        version: VERSION,
        rust_version: rust_version(),
        rust_image: RUST_IMAGE,
        runtime_dependency: dependency(RUNTIME_CRATE, origin, ", default-features = false"),
        test_dependency: dependency(
            RUNTIME_CRATE,
            origin,
            ", default-features = false, features = [\"testing\"]",
        ),
        build_dependency: dependency(BUILD_CRATE, origin, ""),
        versions: Json::Object(versions.into_iter().collect()),
    }
}

/// Where the agents are, relative to the project.
fn agent_paths(facts: &ProjectFacts) -> Vec<&str> {
    match facts.references.as_slice() {
        [] => vec!["agents"],
        references => references.iter().map(String::as_str).collect(),
    }
}

/// Whether one of the paths, which are relative to a project, leads out of it.
pub fn lead_outside(references: &[String]) -> bool {
    let is_outside = |path: &String| Path::new(path).is_absolute() || path.starts_with("..");
    references.iter().any(is_outside)
}

fn checkout(path: &Path) -> Checkout {
    let text = path.to_string_lossy();
    let copy = |from: &[&str], to: &str| {
        let words: Vec<&str> = from.iter().copied().chain([to]).collect();
        // Words with blanks need the form of a JSON array.
        match words.iter().any(|word| word.contains(char::is_whitespace)) {
            true => Json::from(words).to_string(),
            false => words.join(" "),
        }
    };
    let mut copies = vec![copy(
        &["Cargo.toml", "Cargo.lock", "build.rs"],
        &format!("{text}/"),
    )];
    let folders = CHECKOUT_FOLDERS.iter();
    copies.extend(folders.map(|folder| copy(&[folder], &format!("{text}/{folder}"))));
    let parent = path.parent().unwrap_or(path).to_string_lossy();
    Checkout {
        word: shell_word(&text),
        parent: shell_word(&parent),
        copies,
    }
}

/// The line of the manifest that asks for one of agentgen's crates.
fn dependency(name: &str, origin: &Origin, features: &str) -> String {
    let place = match origin {
        Origin::Checkout(root) => {
            let path = root.join(vendor::checkout_folder(name));
            let path = Value::String(path.to_string_lossy().into_owned());
            format!("path = {path}")
        }
        Origin::Registry => format!("version = \"={VERSION}\""),
        Origin::Vendored => format!("path = \"vendor/{name}\""),
    };
    format!("{name} = {{ {place}{features} }}")
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

/// `text` as a word of a shell.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
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

#[cfg(test)]
mod tests {
    use super::with_missing_lines;

    #[test]
    fn only_missing_lines_are_added() {
        let ours = "/target\n/data\n.env\n";
        assert_eq!(with_missing_lines("", ours), ours);
        assert_eq!(
            with_missing_lines("target/\n*.log", ours),
            "target/\n*.log\n/data\n.env\n"
        );
        assert_eq!(
            with_missing_lines("a\r\n.env\r\n", ours),
            "a\r\n.env\r\n/target\r\n/data\r\n"
        );
        assert_eq!(
            with_missing_lines(".env\ndata\ntarget", ours),
            ".env\ndata\ntarget"
        );
    }
}
