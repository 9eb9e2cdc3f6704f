//! What happens to the output folder: only what has to, and nothing of anyone else's.

mod interrupted_runs;
mod output_locks;
mod output_scopes;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use agentgen_build::inspect::{Manifest, sha256_hex as sha256};
use agentgen_build::{Artifact, Code, Diagnostic, Options, Scope, apply, plan};
use tempfile::TempDir;

const FORCE: Options = Options {
    force: true,
    scope: Scope::All,
};

struct Output {
    root: TempDir,
}

impl Output {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
        }
    }

    /// Plans and applies; the answer is the plan in words.
    fn write(&self, files: &[(&str, &str)]) -> Result<Vec<String>, Vec<Diagnostic>> {
        self.write_with(files, Options::default())
    }

    fn write_with(
        &self,
        files: &[(&str, &str)],
        options: Options,
    ) -> Result<Vec<String>, Vec<Diagnostic>> {
        let artifacts = artifacts(files);
        let plan = plan(self.root.path(), "out", &artifacts, &options)?;
        let words = plan
            .changes
            .iter()
            .map(|change| format!("{} {}", change.kind.as_str(), change.path))
            .collect();
        apply(&plan)?;
        Ok(words)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("out").join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn edit(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Every file and folder below the output folder, and the content of the files.
    fn tree(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        collect(&self.path(""), "", &mut found);
        found.sort();
        found
    }

    fn names(&self) -> Vec<String> {
        self.tree().into_iter().map(|(name, _)| name).collect()
    }

    fn manifest(&self) -> Manifest {
        Manifest::parse(&self.read("manifest.json")).unwrap()
    }
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            found.push((format!("{name}/"), String::new()));
            collect(&entry.path(), &format!("{name}/"), found);
        } else {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            found.push((name, text));
        }
    }
}

fn artifacts(files: &[(&str, &str)]) -> Vec<Artifact> {
    files
        .iter()
        .map(|(path, text)| Artifact {
            path: (*path).to_owned(),
            bytes: text.as_bytes().to_vec(),
        })
        .collect()
}

fn messages(result: Result<Vec<String>, Vec<Diagnostic>>) -> Vec<String> {
    result
        .unwrap_err()
        .into_iter()
        .map(|diagnostic| format!("{}: {}", diagnostic.path, diagnostic.message))
        .collect()
}

fn set_modified(path: &Path, time: SystemTime) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

#[test]
fn creates_and_then_has_nothing_to_do() {
    let output = Output::new();
    let files = [("a/x.md", "x"), ("b.yaml", "b")];
    assert_eq!(
        output.write(&files).unwrap(),
        ["create a/x.md", "create b.yaml", "create manifest.json"]
    );
    assert_eq!(output.names(), ["a/", "a/x.md", "b.yaml", "manifest.json"]);
    let manifest = output.manifest();
    assert_eq!(manifest.files["a/x.md"], sha256(b"x"));
    assert_eq!(manifest.files.len(), 2);
    assert_eq!(
        output.write(&files).unwrap(),
        [
            "unchanged a/x.md",
            "unchanged b.yaml",
            "unchanged manifest.json"
        ]
    );
}

#[test]
fn unchanged_files_keep_their_modification_time() {
    let output = Output::new();
    output.write(&[("a", "1"), ("b", "1")]).unwrap();
    let past = SystemTime::now() - Duration::from_secs(1000);
    for name in ["a", "b", "manifest.json"] {
        set_modified(&output.path(name), past);
    }
    let time = |name: &str| fs::metadata(output.path(name)).unwrap().modified().unwrap();
    let before = time("a");
    output.write(&[("a", "1"), ("b", "1")]).unwrap();
    assert_eq!(time("manifest.json"), before);
    output.write(&[("a", "1"), ("b", "2")]).unwrap();
    assert_eq!(time("a"), before);
    assert!(time("b") > before);
    assert!(time("manifest.json") > before);
}

#[test]
fn deletes_what_is_not_generated_any_more() {
    let output = Output::new();
    output
        .write(&[("a/b/c.md", "c"), ("a/d.md", "d"), ("e.md", "e")])
        .unwrap();
    output.edit("a/mine.txt", "mine");
    assert_eq!(
        output.write(&[("e.md", "e")]).unwrap(),
        [
            "delete a/b/c.md",
            "delete a/d.md",
            "unchanged e.md",
            "update manifest.json"
        ]
    );
    assert_eq!(
        output.names(),
        ["a/", "a/mine.txt", "e.md", "manifest.json"]
    );
}

#[test]
fn leaves_foreign_files_alone() {
    let output = Output::new();
    output.write(&[("a.md", "a")]).unwrap();
    output.edit("mine.md", "mine");
    output.write(&[("b.md", "b")]).unwrap();
    assert_eq!(output.names(), ["b.md", "manifest.json", "mine.md"]);
    assert_eq!(output.read("mine.md"), "mine");
}

#[test]
fn a_foreign_file_in_the_way_stops_everything() {
    let output = Output::new();
    fs::create_dir(output.path("")).unwrap();
    output.edit("b.md", "mine");
    let files = [("a.md", "a"), ("b.md", "b")];
    let before = output.tree();
    assert_eq!(
        messages(output.write(&files)),
        ["out/b.md: a file that agentgen did not write is where a generated file must go"]
    );
    assert_eq!(output.tree(), before);
    output.write_with(&files, FORCE).unwrap();
    assert_eq!(output.read("b.md"), "b");
}

#[test]
fn a_file_that_is_already_right_is_taken_over() {
    let output = Output::new();
    fs::create_dir(output.path("")).unwrap();
    output.edit("a.md", "a");
    assert_eq!(
        output.write(&[("a.md", "a")]).unwrap(),
        ["unchanged a.md", "create manifest.json"]
    );
    output.write(&[]).unwrap();
    assert_eq!(output.names(), ["manifest.json"]);
}

#[test]
fn an_edit_by_hand_stops_everything() {
    let output = Output::new();
    output.write(&[("a.md", "1"), ("b.md", "1")]).unwrap();
    output.edit("b.md", "by hand");
    let before = output.tree();
    let new = [("a.md", "2"), ("b.md", "2"), ("c.md", "2")];
    let problems = output.write(&new).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].code, Code::Conflict);
    assert_eq!(problems[0].path, "out/b.md");
    assert_eq!(output.tree(), before);
    output.write_with(&new, FORCE).unwrap();
    assert_eq!(output.read("b.md"), "2");
    output.edit("b.md", "3");
    assert_eq!(
        output.write(&[("b.md", "3")]).unwrap(),
        [
            "delete a.md",
            "unchanged b.md",
            "delete c.md",
            "update manifest.json"
        ]
    );
}

#[test]
fn an_edited_orphan_stays_and_is_the_users() {
    let output = Output::new();
    output.write(&[("a.md", "1"), ("b.md", "1")]).unwrap();
    output.edit("a.md", "by hand");
    assert_eq!(
        output.write_with(&[("b.md", "1")], FORCE).unwrap(),
        ["keep a.md", "unchanged b.md", "update manifest.json"]
    );
    assert_eq!(output.read("a.md"), "by hand");
    assert!(!output.manifest().files.contains_key("a.md"));
    assert_eq!(
        output.write(&[("b.md", "1")]).unwrap(),
        ["unchanged b.md", "unchanged manifest.json"]
    );
}

#[test]
fn changed_line_ends_are_not_an_edit() {
    let output = Output::new();
    output
        .write(&[("a.md", "1\n2\n"), ("b.md", "1\n")])
        .unwrap();
    output.edit("a.md", "1\r\n2\r\n");
    output.edit("b.md", "1\r\n");
    assert_eq!(
        output.write(&[("a.md", "1\n3\n")]).unwrap(),
        ["update a.md", "delete b.md", "update manifest.json"]
    );
    assert_eq!(output.read("a.md"), "1\n3\n");
}

#[test]
fn paths_that_leave_the_folder_are_refused() {
    for path in ["../a", "/a", "a/../../b", "a\\b", "C:a", "", "a//b"] {
        let output = Output::new();
        let problems = output.write_with(&[(path, "x")], FORCE).unwrap_err();
        assert_eq!(problems[0].code, Code::NameUnusable, "{path}");
        assert!(!output.path("").exists());
    }
}

#[test]
fn paths_that_meet_are_refused() {
    for files in [
        [("a/X.md", ""), ("a/x.md", "")],
        [("Ä", ""), ("ä", "")],
        [("a", ""), ("a/b", "")],
        [("Manifest.json", ""), ("b", "")],
    ] {
        let output = Output::new();
        let problems = output.write_with(&files, FORCE).unwrap_err();
        assert_eq!(problems[0].code, Code::NameCollision, "{files:?}");
        assert!(!output.path("").exists());
    }
}

#[test]
fn a_name_may_change_its_case() {
    let output = Output::new();
    output.write(&[("a/X.md", "x")]).unwrap();
    output.write(&[("a/x.md", "x")]).unwrap();
    assert_eq!(output.names(), ["a/", "a/x.md", "manifest.json"]);
    assert_eq!(
        output.write(&[("a/x.md", "x")]).unwrap(),
        ["unchanged a/x.md", "unchanged manifest.json"]
    );
}

#[test]
fn a_broken_manifest_stops_everything() {
    for text in [
        "{",
        "{}",
        "<<<<<<< ours",
        r#"{"version": 9, "files": {}}"#,
        r#"{"version": 1, "files": {"../victim": "0"}}"#,
    ] {
        let output = Output::new();
        output.write(&[("a.md", "1")]).unwrap();
        fs::write(output.root.path().join("victim"), "").unwrap();
        output.edit("manifest.json", text);
        let problems = output.write(&[("a.md", "2")]).unwrap_err();
        assert_eq!(problems[0].code, Code::Conflict);
        assert_eq!(problems[0].path, "out/manifest.json");
        assert!(problems[0].help.as_ref().unwrap().contains("--force"));
        assert_eq!(output.read("a.md"), "1");
        output.write_with(&[("a.md", "2")], FORCE).unwrap();
        assert_eq!(output.read("a.md"), "2");
        assert!(output.root.path().join("victim").exists());
    }
}

#[test]
fn a_manifest_can_not_delete_outside() {
    let output = Output::new();
    output.write(&[("a.md", "1")]).unwrap();
    let victim = output.root.path().join("victim");
    fs::write(&victim, "v").unwrap();
    let hash = sha256(b"v");
    for path in ["../victim", victim.to_str().unwrap()] {
        let text = format!(r#"{{"version": 1, "files": {{"{path}": "{hash}"}}}}"#);
        output.edit("manifest.json", &text);
        output.write(&[("a.md", "1")]).unwrap_err();
        output.write_with(&[("a.md", "1")], FORCE).unwrap();
        assert!(victim.exists());
    }
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    use std::os::unix::fs::symlink;

    let output = Output::new();
    let outside = output.root.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("a.md"), "1").unwrap();
    output.write(&[("in/a.md", "1"), ("b.md", "1")]).unwrap();
    fs::remove_dir_all(output.path("in")).unwrap();
    symlink(&outside, output.path("in")).unwrap();
    let problems = output
        .write_with(&[("in/a.md", "2"), ("b.md", "1")], FORCE)
        .unwrap_err();
    assert_eq!(problems[0].path, "out/in/a.md");
    // As an orphan it would have the right content, but it is not our file.
    output.write(&[("b.md", "1")]).unwrap();
    assert_eq!(fs::read_to_string(outside.join("a.md")).unwrap(), "1");

    fs::remove_file(output.path("b.md")).unwrap();
    symlink(outside.join("a.md"), output.path("b.md")).unwrap();
    output.write(&[("b.md", "2")]).unwrap_err();
    output.write_with(&[("b.md", "2")], FORCE).unwrap();
    assert_eq!(fs::read_to_string(outside.join("a.md")).unwrap(), "1");
    assert!(!output.path("b.md").is_symlink());
    assert_eq!(output.read("b.md"), "2");
}

#[test]
fn a_folder_in_the_way_is_never_removed() {
    let output = Output::new();
    fs::create_dir_all(output.path("a.md/mine")).unwrap();
    let problems = output.write_with(&[("a.md", "1")], FORCE).unwrap_err();
    assert_eq!(problems[0].code, Code::Conflict);
    assert!(output.path("a.md/mine").exists());
}
