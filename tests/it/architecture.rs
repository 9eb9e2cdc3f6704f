//! Which file may name what: the rules of ARCHITECTURE.md, read from the token trees of the sources.
//!
//! Every rule has a list of exceptions. It must shrink to nothing: an exception that no longer applies fails the test too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The folders of agentgen-build, bottom up: a folder imports only itself and those before it.
const BUILD_ORDER: [&str; 18] = [
    "text",
    "parallel",
    "diagnostics",
    "yaml",
    "project",
    "frontmatter",
    "schema",
    "expression",
    "spec",
    "contract",
    "agent",
    "check",
    "output",
    "targets",
    "generate",
    "served_project",
    "incremental",
    "build_script",
];

/// The folders of the runtime that work without HTTP.
const WITHOUT_HTTP: [&str; 5] = ["workflow", "store", "engine", "session", "documents"];

#[test]
fn folders_of_the_generator_import_only_earlier_folders() {
    let rank = |folder: &str| BUILD_ORDER.iter().position(|name| *name == folder);
    let mut broken = BTreeSet::new();
    for file in sources("src") {
        let Some(own) = rank(file.folder()) else {
            assert_eq!(file.path, "src/lib.rs", "add the folder to BUILD_ORDER");
            continue;
        };
        for path in &file.paths {
            if path[0] == "crate" && rank(&path[1]).is_some_and(|other| other > own) {
                broken.insert(format!("{} imports {}", file.path, path[1]));
            }
        }
    }
    assert_exceptions(&broken, &[]);
}

#[test]
fn only_the_http_layers_name_axum() {
    let mut broken = BTreeSet::new();
    for file in sources("crates/runtime/src") {
        let may = ["http", "server", "testing", "lib"].contains(&file.folder());
        if !may && file.paths.iter().any(|path| path[0] == "axum") {
            broken.insert(file.path);
        }
    }
    assert_exceptions(&broken, &[]);
}

#[test]
fn engine_workflows_and_stores_do_not_import_http() {
    let mut broken = BTreeSet::new();
    for file in sources("crates/runtime/src") {
        if !WITHOUT_HTTP.contains(&file.folder()) {
            continue;
        }
        for path in &file.paths {
            let is_http_crate = ["axum", "http", "hyper"].contains(&path[0].as_str());
            let is_http_folder = path[0] == "crate" && ["http", "server"].contains(&&*path[1]);
            if is_http_crate || is_http_folder || path.iter().any(|name| name == "StatusCode") {
                broken.insert(file.path.clone());
            }
        }
    }
    assert_exceptions(&broken, &["crates/runtime/src/documents/qdrant_wire.rs"]);
}

#[test]
fn only_the_server_imports_the_settings() {
    let mut broken = BTreeSet::new();
    for file in sources("crates/runtime/src") {
        let may = ["server", "settings", "testing", "lib"].contains(&file.folder());
        let imports = |path: &Vec<String>| path[0] == "crate" && path[1] == "settings";
        if !may && file.paths.iter().any(imports) {
            broken.insert(file.path);
        }
    }
    assert_exceptions(&broken, &[]);
}

#[test]
fn one_reader_and_one_writer_name_the_yaml_crates() {
    let writer = "src/targets/openapi/openapi_yaml.rs";
    let mut broken = BTreeSet::new();
    for file in packages() {
        let names = |path: &Vec<String>| path[0] == "serde_yaml" || path[0] == "granit_parser";
        let may = file.path.starts_with("src/yaml") || file.path == writer;
        if !may && file.paths.iter().any(names) {
            broken.insert(file.path);
        }
    }
    assert_exceptions(&broken, &["src/frontmatter/rewrite.rs"]);
}

#[test]
fn only_the_terminal_folder_prints() {
    let mut broken = BTreeSet::new();
    for file in sources("crates/cli/src") {
        let prints = |path: &Vec<String>| {
            let name = &path[path.len() - 1];
            ["anstream", "stdout", "stderr"]
                .iter()
                .any(|word| *word == path[0] || word == name)
        };
        let macros = ["print!", "println!", "eprint!", "eprintln!", "dbg!"];
        let has_macro = macros.iter().any(|name| file.macros.contains(*name));
        if file.folder() != "terminal" && (has_macro || file.paths.iter().any(prints)) {
            broken.insert(file.path);
        }
    }
    assert_exceptions(&broken, &[]);
}

#[test]
fn files_have_unique_names() {
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in packages() {
        let name = file.path.rsplit('/').next().unwrap_or_default().to_owned();
        if name != "lib.rs" && name != "main.rs" {
            files.entry(name).or_default().push(file.path);
        }
    }
    let broken = files.into_values().filter(|paths| paths.len() > 1);
    assert_exceptions(
        &broken.map(|paths| paths.join(" and ")).collect(),
        &[
            "crates/runtime/src/server.rs and crates/runtime/src/testing/server.rs",
            "src/schema.rs and crates/runtime/src/schema.rs",
            "src/spec.rs and crates/runtime/src/spec.rs",
        ],
    );
}

#[test]
fn files_have_at_most_600_lines() {
    let mut folders = vec!["src".to_owned(), "tests".to_owned()];
    for name in crates() {
        folders.push(format!("crates/{name}/src"));
        folders.push(format!("crates/{name}/tests"));
    }
    let mut broken = BTreeSet::new();
    for folder in folders {
        for name in rust_files(&folder) {
            let path = format!("{folder}/{name}");
            if fs::read_to_string(root().join(&path))
                .unwrap()
                .lines()
                .count()
                > 600
            {
                broken.insert(path);
            }
        }
    }
    assert_exceptions(&broken, &[]);
}

#[test]
fn sources_are_not_stubs() {
    let mut broken = BTreeSet::new();
    for file in packages() {
        let is_folder_page = root().join(file.path.trim_end_matches(".rs")).is_dir();
        let is_root = ["lib", "main"].contains(&file.folder());
        if file.lines < 15 && !is_folder_page && !is_root {
            broken.insert(file.path);
        }
    }
    assert_exceptions(&broken, &[]);
}

#[test]
fn folders_have_3_to_14_files() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for file in packages() {
        let (folder, _) = file.path.rsplit_once('/').unwrap();
        if !folder.ends_with("src") {
            *counts.entry(folder.to_owned()).or_default() += 1;
        }
    }
    counts.retain(|_, count| !(3..=14).contains(count));
    let broken = counts.into_keys().collect();
    assert_exceptions(&broken, &[]);
}

/// ARCHITECTURE.md names files and folders by their paths, below the repository or below a package's `src/`.
#[test]
fn the_architecture_page_names_what_exists() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let bases = ["", "src", "crates/runtime/src", "crates/cli/src"];
    let mut missing = BTreeSet::new();
    for word in text.split('`').skip(1).step_by(2) {
        let is_path = word.contains('/') && !word.contains([' ', '<', '*', ':']);
        if is_path
            && !bases
                .iter()
                .any(|base| root().join(base).join(word).exists())
        {
            missing.insert(word.to_owned());
        }
    }
    assert_exceptions(&missing, &[]);
}

/// Fails where `broken` and the exceptions differ.
#[track_caller]
fn assert_exceptions(broken: &BTreeSet<String>, exceptions: &[&str]) {
    let exceptions: BTreeSet<String> = exceptions.iter().map(ToString::to_string).collect();
    let new: Vec<&String> = broken.difference(&exceptions).collect();
    let stale: Vec<&String> = exceptions.difference(broken).collect();
    assert!(
        new.is_empty() && stale.is_empty(),
        "these break the rule: {new:#?}\nthese exceptions are no longer needed, delete them: {stale:#?}"
    );
}

/// One source file, without its `#[cfg(test)]` modules; files of unit tests are left out.
struct SourceFile {
    /// Relative to the repository, such as `src/yaml/node.rs`.
    path: String,
    /// The modules of the file below its package, such as `["yaml", "node"]`.
    modules: Vec<String>,
    lines: usize,
    /// Every path of more than one name, with `use` groups expanded and `super` resolved.
    paths: Vec<Vec<String>>,
    /// Every macro that is called, such as `println!`.
    macros: BTreeSet<String>,
}

impl SourceFile {
    /// The folder or root file that it belongs to: `yaml` for `src/yaml.rs` and `src/yaml/node.rs`.
    fn folder(&self) -> &str {
        &self.modules[0]
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The sources of every package.
fn packages() -> Vec<SourceFile> {
    let mut files = sources("src");
    for name in crates() {
        files.extend(sources(&format!("crates/{name}/src")));
    }
    files
}

/// The names of the folders in `crates/`, sorted.
fn crates() -> Vec<String> {
    let entries = fs::read_dir(root().join("crates")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The sources in `folder`, without the files of unit tests.
fn sources(folder: &str) -> Vec<SourceFile> {
    rust_files(folder)
        .into_iter()
        .filter(|name| !name.ends_with("_tests.rs"))
        .map(|name| source_file(folder, &name))
        .collect()
}

/// The Rust files in and below `folder`, sorted, relative to it; none where there is no such folder.
fn rust_files(folder: &str) -> Vec<String> {
    let mut names = Vec::new();
    collect(&root().join(folder), "", &mut names);
    names.sort();
    names
}

fn collect(folder: &Path, prefix: &str, names: &mut Vec<String>) {
    for entry in folder.read_dir().into_iter().flatten() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{name}/"), names);
        } else if name.ends_with(".rs") {
            names.push(name);
        }
    }
}

fn source_file(folder: &str, name: &str) -> SourceFile {
    let path = format!("{folder}/{name}");
    let text = fs::read_to_string(root().join(&path)).unwrap();
    let tokens: TokenStream = text.parse().unwrap();
    let modules = name.trim_end_matches(".rs").split('/').map(str::to_owned);
    let mut file = SourceFile {
        path,
        modules: modules.collect(),
        lines: text.lines().count(),
        paths: Vec::new(),
        macros: BTreeSet::new(),
    };
    read_tokens(&tokens.into_iter().collect::<Vec<_>>(), &mut file);
    file
}

/// Reads the paths and macros in `tokens` and in the groups below them.
fn read_tokens(tokens: &[TokenTree], file: &mut SourceFile) {
    let mut index = 0;
    while index < tokens.len() {
        if let Some(after) = test_module_end(&tokens[index..]) {
            index += after;
            continue;
        }
        match &tokens[index] {
            TokenTree::Ident(name) => {
                if is_punct(tokens.get(index + 1), '!') && !is_punct(tokens.get(index + 2), '=') {
                    file.macros.insert(format!("{name}!"));
                }
                index = read_path(tokens, index, &[], file);
            }
            TokenTree::Group(group) => {
                read_tokens(&group.stream().into_iter().collect::<Vec<_>>(), file);
                index += 1;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => index += 1,
        }
    }
}

/// Reads the path that begins at `index`; answers the index behind it.
fn read_path(
    tokens: &[TokenTree],
    mut index: usize,
    before: &[String],
    file: &mut SourceFile,
) -> usize {
    let mut path = before.to_vec();
    loop {
        match &tokens[index] {
            TokenTree::Ident(name) => path.push(name.to_string()),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let mut at = 0;
                while at < inner.len() {
                    at = match inner[at] {
                        TokenTree::Ident(_) => read_path(&inner, at, &path, file),
                        _ => at + 1,
                    };
                }
                return index + 1;
            }
            _ => break,
        }
        index += 1;
        if !(is_punct(tokens.get(index), ':') && is_punct(tokens.get(index + 1), ':'))
            || index + 2 >= tokens.len()
        {
            break;
        }
        index += 2;
    }
    if path.len() > 1 {
        file.paths.push(resolved(&file.modules, path));
    }
    index
}

/// `super::x` and `self::x` as `crate::..`.
fn resolved(modules: &[String], path: Vec<String>) -> Vec<String> {
    let up = path.iter().take_while(|name| *name == "super").count();
    let own = usize::from(path[0] == "self");
    if up + own == 0 || up > modules.len() {
        return path;
    }
    let base = &modules[..modules.len() - up];
    let root = std::iter::once("crate".to_owned());
    root.chain(base.iter().cloned())
        .chain(path[up + own..].iter().cloned())
        .collect()
}

/// The number of tokens of a `#[cfg(test)] mod name { .. }` at the start of `tokens`.
fn test_module_end(tokens: &[TokenTree]) -> Option<usize> {
    let [hash, attribute, module, _, TokenTree::Group(_), ..] = tokens else {
        return None;
    };
    let is_test = attribute.to_string().replace(' ', "") == "[cfg(test)]";
    (is_punct(Some(hash), '#') && is_test && module.to_string() == "mod").then_some(5)
}

fn is_punct(token: Option<&TokenTree>, character: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}
