//! The sources of the crates that a generated project compiles, as they were when this binary was built.
//!
//! `embed/` holds a folder for each crate, with links to its manifest, its sources and whatever they include. Cargo
//! leaves a package inside a package out of what it publishes, so each manifest is linked as `manifest.toml`; cargo
//! follows links. A new file or folder that a build of such a crate needs has to be linked there.

use std::path::Path;

use include_dir::{Dir, include_dir};
use toml::{Table, Value};

use agentgen_build::Artifact;

/// The version of all crates.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What the build script of a generated project depends on.
pub const BUILD_CRATE: &str = "agentgen-build";
/// What a generated project depends on.
pub const RUNTIME_CRATE: &str = "agentgen-runtime";

/// One folder for each crate, and the licences.
static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/embed");
const LICENSES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];
/// A `Cargo.toml` below `embed/`.
const MANIFEST: &str = "manifest.toml";
/// The manifest of the workspace, which is that of `agentgen-build` too.
const WORKSPACE: &str = "agentgen-build/manifest.toml";

/// The checkout that this binary was built in, if it is still there and still has this version.
pub fn checkout() -> Option<&'static Path> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.parent()?;
    let version = |text: &str| {
        let table: Table = toml::from_str(text).ok()?;
        let version = table.get("workspace")?.get("package")?.get("version")?;
        version.as_str().map(str::to_owned)
    };
    let found = std::fs::read_to_string(root.join("Cargo.toml")).ok()?;
    (version(&found)? == VERSION).then_some(root)
}

/// The folder of the crate `name` in a checkout, relative to its root: `agentgen-runtime` in `crates/runtime`.
pub fn checkout_folder(name: &str) -> String {
    if name == BUILD_CRATE {
        return ".".to_owned();
    }
    format!("crates/{}", name.trim_start_matches("agentgen-"))
}

/// The files of all crates, with paths relative to `vendor/`; each crate has a folder of its name.
pub fn files() -> Vec<Artifact> {
    let mut files = Vec::new();
    for folder in EMBEDDED.dirs() {
        let name = folder.path().to_string_lossy();
        for file in all(folder) {
            // The templates of `agentgen new` are the command line's, and unit tests need what only tests depend on.
            let unused = format!("{name}/templates/project/");
            let is_unused = file.path.starts_with(&unused) || file.path.ends_with("_tests.rs");
            if file.path != format!("{name}/{MANIFEST}") && !is_unused {
                files.push(file);
            }
        }
        let manifest = manifest(&name).to_string();
        files.push(text_file(format!("{name}/Cargo.toml"), &manifest));
        for license in LICENSES {
            files.push(text_file(format!("{name}/{license}"), embedded(license)));
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The manifest of the crate `name`, on its own: what it has from the workspace is written out, the other crates are its
/// neighbours, and what only tests need is left out.
pub fn manifest(name: &str) -> Table {
    let parse = |path: &str| -> Table {
        toml::from_str(embedded(path)).expect("the manifests of this workspace are valid")
    };
    let workspace = parse(WORKSPACE);
    let inherited = workspace.get("workspace").and_then(Value::as_table);
    let mut manifest = parse(&format!("{name}/{MANIFEST}"));
    for key in ["dev-dependencies", "lints", "workspace"] {
        manifest.remove(key);
    }
    if let Some(package) = manifest.get_mut("package").and_then(Value::as_table_mut) {
        package.remove("readme");
        let shared = inherited.and_then(|inherited| inherited.get("package"));
        resolve(package, shared.and_then(Value::as_table));
    }
    if let Some(dependencies) = manifest
        .get_mut("dependencies")
        .and_then(Value::as_table_mut)
    {
        let shared = inherited.and_then(|inherited| inherited.get("dependencies"));
        resolve(dependencies, shared.and_then(Value::as_table));
        for (name, dependency) in dependencies {
            if let Some(path) = dependency.get_mut("path") {
                *path = Value::String(format!("../{name}"));
            }
        }
    }
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

fn embedded(path: &str) -> &'static str {
    let file = EMBEDDED.get_file(path);
    file.and_then(|file| file.contents_utf8())
        .expect("the file is linked in embed/")
}

fn text_file(path: String, text: &str) -> Artifact {
    Artifact {
        path,
        bytes: text.as_bytes().to_vec(),
    }
}

/// The files below `dir`, by their paths below `embed/`.
fn all(dir: &Dir<'_>) -> Vec<Artifact> {
    let mut found = Vec::new();
    let mut folders = vec![dir.clone()];
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs().cloned());
        for file in folder.files() {
            found.push(Artifact {
                path: file.path().to_string_lossy().replace('\\', "/"),
                bytes: file.contents().to_vec(),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{BUILD_CRATE, EMBEDDED, RUNTIME_CRATE, VERSION, files, manifest};

    const CRATES: [&str; 4] = [
        BUILD_CRATE,
        "agentgen-ranking",
        RUNTIME_CRATE,
        "agentgen-schema",
    ];

    #[test]
    fn the_manifests_stand_alone() {
        for name in CRATES {
            let manifest = manifest(name);
            let text = toml::to_string(&manifest).unwrap_or_default();
            assert!(!text.contains("workspace = true"), "{text}");
            assert_eq!(manifest["package"]["name"].as_str(), Some(name));
            assert_eq!(manifest["package"]["version"].as_str(), Some(VERSION));
            assert!(manifest.get("dev-dependencies").is_none());
        }
        let build = manifest(BUILD_CRATE);
        assert!(build["dependencies"].get("clap").is_none());
        assert!(build["dependencies"].get("tera").is_some());
    }

    #[test]
    fn the_sources_are_those_of_all_crates() {
        let files = files();
        let has = |path: &str| files.iter().any(|file| file.path == path);
        assert!(has("agentgen-build/src/lib.rs"));
        assert!(has("agentgen-build/templates/rust/agent.rs.tera"));
        assert!(has("agentgen-build/openapi/schemas.json"));
        assert!(has("agentgen-build/Cargo.toml"));
        assert!(has("agentgen-runtime/src/lib.rs"));
        assert!(has("agentgen-runtime/Cargo.toml"));
        assert_eq!(EMBEDDED.dirs().count(), CRATES.len());
        let unused = ["/tests/", "/templates/project/", "/scaffold"];
        for file in &files {
            assert!(
                !unused.iter().any(|part| file.path.contains(part)),
                "{}",
                file.path
            );
        }
    }
}
