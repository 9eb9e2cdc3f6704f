//! The sources of the two crates that a generated project stands on, as they were when this one was built.
//!
//! `embed/` holds links to the other one: cargo leaves a package inside a package out of what it publishes, and follows
//! links. A link for every file and folder of `runtime/` that a build needs belongs there.

use std::path::Path;

use include_dir::{Dir, include_dir};
use toml::{Table, Value};

use crate::artifact::Artifact;
use crate::template::BUILTIN;

/// The version of both crates.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What the build script of a generated project depends on.
pub const BUILD_CRATE: &str = "agentgen-build";
/// What a generated project depends on.
pub const RUNTIME_CRATE: &str = "agentgen-runtime";

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/embed");
static SOURCES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/src");
static SCHEMAS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/schemas");
const LICENSES: [(&str, &str); 2] = [
    ("LICENSE-APACHE", include_str!("../LICENSE-APACHE")),
    ("LICENSE-MIT", include_str!("../LICENSE-MIT")),
];

/// The manifest of the workspace, which is that of `agentgen-build` too.
const WORKSPACE: &str = "workspace.toml";
/// The manifest of `agentgen-runtime`.
const RUNTIME: &str = "runtime/manifest.toml";

/// What only the command line needs.
const CLI: &str = "cli";

/// The checkout that this binary was built in, if it is still there and still has this version.
pub fn checkout() -> Option<&'static Path> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_version = |path: &Path, text: &str| {
        std::fs::read_to_string(path).is_ok_and(|found| {
            let version = |text: &str| {
                let table: Table = toml::from_str(text).ok()?;
                let version = table.get("workspace")?.get("package")?.get("version")?;
                version.as_str().map(str::to_owned)
            };
            version(&found).is_some() && version(&found) == version(text)
        })
    };
    let stands = is_version(&root.join("Cargo.toml"), embedded(WORKSPACE))
        && root.join("runtime").join("Cargo.toml").is_file();
    stands.then_some(root)
}

/// The files of both crates, by their paths below the folder they are to lie in. Their manifests need no workspace,
/// and the command line is left out.
pub fn files() -> Vec<Artifact> {
    let mut files = Vec::new();
    let own = |path: &str| !path.starts_with("cli/") && path != "main.rs";
    collect(&SOURCES, "agentgen-build/src", &own, &mut files);
    let used = |path: &str| !path.starts_with("project/");
    collect(&BUILTIN, "agentgen-build/templates", &used, &mut files);
    collect(&SCHEMAS, "agentgen-build/schemas", &|_| true, &mut files);
    if let Some(runtime) = EMBEDDED.get_dir("runtime") {
        let below = |path: &str| path != RUNTIME;
        for mut file in all(runtime, &below) {
            file.path = format!("agentgen-{}", file.path);
            files.push(file);
        }
    }
    for name in [BUILD_CRATE, RUNTIME_CRATE] {
        let manifest = toml::to_string(&manifest(name)).unwrap_or_default();
        let mut texts = vec![("Cargo.toml", manifest.as_str())];
        texts.extend(LICENSES);
        for (file, text) in texts {
            files.push(Artifact {
                path: format!("{name}/{file}"),
                bytes: text.as_bytes().to_vec(),
            });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The manifest of one of the two crates, on its own: what it has from the workspace is written out, and what only
/// tests and the command line need is left out.
pub fn manifest(name: &str) -> Table {
    let workspace: Table = toml::from_str(embedded(WORKSPACE)).unwrap_or_default();
    let inherited = workspace.get("workspace").and_then(Value::as_table);
    let inherited = inherited.cloned().unwrap_or_default();
    let mut manifest = match name {
        BUILD_CRATE => workspace,
        _ => toml::from_str(embedded(RUNTIME)).unwrap_or_default(),
    };
    for key in ["bin", "dev-dependencies", "lints", "workspace"] {
        manifest.remove(key);
    }
    if let Some(package) = manifest.get_mut("package").and_then(Value::as_table_mut) {
        for key in ["default-run", "readme"] {
            package.remove(key);
        }
        let shared = inherited.get("package").and_then(Value::as_table);
        resolve(package, shared);
    }
    for key in ["dependencies", "build-dependencies"] {
        let shared = inherited.get("dependencies").and_then(Value::as_table);
        if let Some(dependencies) = manifest.get_mut(key).and_then(Value::as_table_mut) {
            resolve(dependencies, shared);
        }
    }
    without_cli(&mut manifest);
    manifest
}

/// Puts what the workspace says in the place of `{ workspace = true }`.
fn resolve(table: &mut Table, shared: Option<&Table>) {
    for (key, value) in table {
        let Some(own) = value.as_table_mut() else {
            continue;
        };
        if own.remove("workspace").is_none() {
            continue;
        }
        let mut own = std::mem::take(own);
        let shared = shared.and_then(|shared| shared.get(key)).cloned();
        *value = match shared {
            Some(plain) if own.is_empty() => plain,
            Some(Value::Table(mut inner)) => {
                inner.extend(own);
                Value::Table(inner)
            }
            Some(version) => {
                own.insert("version".to_owned(), version);
                Value::Table(own)
            }
            None => Value::Table(own),
        };
    }
}

/// Takes the feature `cli` out, with the dependencies that only it needs.
fn without_cli(manifest: &mut Table) {
    let Some(features) = manifest.get_mut("features").and_then(Value::as_table_mut) else {
        return;
    };
    let Some(Value::Array(gone)) = features.remove(CLI) else {
        return;
    };
    if let Some(Value::Array(default)) = features.get_mut("default") {
        default.retain(|feature| feature.as_str() != Some(CLI));
    }
    let dependencies = manifest
        .get_mut("dependencies")
        .and_then(Value::as_table_mut);
    if let Some(dependencies) = dependencies {
        for name in gone.iter().filter_map(Value::as_str) {
            dependencies.remove(name.trim_start_matches("dep:"));
        }
    }
    // The sources still ask for the feature.
    let known = "cfg(feature, values(\"cli\"))".to_owned();
    let mut lint = Table::new();
    lint.insert("level".to_owned(), "warn".into());
    lint.insert("check-cfg".to_owned(), Value::Array(vec![known.into()]));
    let mut rust = Table::new();
    rust.insert("unexpected_cfgs".to_owned(), lint.into());
    let mut lints = Table::new();
    lints.insert("rust".to_owned(), rust.into());
    manifest.insert("lints".to_owned(), lints.into());
}

fn embedded(path: &str) -> &'static str {
    let file = EMBEDDED.get_file(path);
    file.and_then(|file| file.contents_utf8())
        .unwrap_or_default()
}

fn collect(dir: &Dir<'_>, folder: &str, wanted: &dyn Fn(&str) -> bool, files: &mut Vec<Artifact>) {
    for mut file in all(dir, wanted) {
        file.path = format!("{folder}/{}", file.path);
        files.push(file);
    }
}

/// The files below `dir` whose path is wanted.
fn all(dir: &Dir<'_>, wanted: &dyn Fn(&str) -> bool) -> Vec<Artifact> {
    let mut found = Vec::new();
    let mut folders = vec![dir];
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        for file in folder.files() {
            let path = file.path().to_string_lossy().replace('\\', "/");
            if wanted(&path) {
                found.push(Artifact {
                    path,
                    bytes: file.contents().to_vec(),
                });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{BUILD_CRATE, RUNTIME_CRATE, VERSION, files, manifest};

    #[test]
    fn the_manifests_stand_alone() {
        for name in [BUILD_CRATE, RUNTIME_CRATE] {
            let manifest = manifest(name);
            let text = toml::to_string(&manifest).unwrap_or_default();
            assert!(!text.contains("workspace"), "{text}");
            assert_eq!(manifest["package"]["name"].as_str(), Some(name));
            assert_eq!(manifest["package"]["version"].as_str(), Some(VERSION));
            assert!(manifest.get("dev-dependencies").is_none());
        }
        let build = manifest(BUILD_CRATE);
        assert!(build["dependencies"].get("clap").is_none());
        assert!(build["dependencies"].get("tera").is_some());
    }

    #[test]
    fn the_sources_are_those_of_both_libraries() {
        let files = files();
        let has = |path: &str| files.iter().any(|file| file.path == path);
        assert!(has("agentgen-build/src/lib.rs"));
        assert!(has("agentgen-build/templates/rust/agent.rs.tera"));
        assert!(has("agentgen-build/Cargo.toml"));
        assert!(has("agentgen-runtime/src/lib.rs"));
        assert!(has("agentgen-runtime/Cargo.toml"));
        assert!(!files.iter().any(|file| file.path.contains("/cli/")));
    }
}
