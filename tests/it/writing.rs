//! What happens to the output folder: only what has to, and nothing of anyone else's.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use agentgen_build::inspect::{Manifest, sha256_hex as sha256};
use agentgen_build::{Artifact, Code, Diagnostic, Options, Scope, Target, apply, plan};
use tempfile::TempDir;

const FORCE: Options = Options {
    force: true,
    scope: Scope::All,
};
const PARTIAL: Options = Options {
    force: false,
    scope: Scope::Files,
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
fn a_part_deletes_nothing() {
    let output = Output::new();
    output.write(&[("a.md", "1"), ("b.md", "1")]).unwrap();
    output.edit("b.md", "by hand");
    assert_eq!(
        output.write_with(&[("a.md", "2")], PARTIAL).unwrap(),
        ["update a.md", "update manifest.json"]
    );
    assert_eq!(output.manifest().files["b.md"], sha256(b"1"));
    let problems = output.write(&[("a.md", "2"), ("b.md", "2")]).unwrap_err();
    assert_eq!(problems[0].path, "out/b.md");
}

#[test]
fn a_target_deletes_its_own_files_only() {
    let output = Output::new();
    output
        .write(&[
            ("openapi.yaml", "1"),
            ("prompts/a/prompt.md", "1"),
            ("rust/a.rs", "1"),
            ("rust/b.rs", "1"),
        ])
        .unwrap();
    let options = Options {
        scope: Scope::Targets(vec![Target::Rust]),
        ..Options::default()
    };
    assert_eq!(
        output
            .write_with(&[("prompts/a/prompt.md", "1"), ("rust/a.rs", "2")], options)
            .unwrap(),
        [
            "unchanged prompts/a/prompt.md",
            "update rust/a.rs",
            "delete rust/b.rs",
            "update manifest.json"
        ]
    );
    assert_eq!(output.manifest().files["openapi.yaml"], sha256(b"1"));
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

/// Makes every write into the folder fail, also for a superuser: the temporary file can't be made.
fn block(output: &Output, folder: &str) -> PathBuf {
    let path = output.path(folder).join(".agentgen-tmp");
    fs::create_dir_all(path.join("full")).unwrap();
    path
}

#[test]
fn a_failure_in_the_middle_can_be_made_good() {
    let output = Output::new();
    let old = [("a/1", "old"), ("b/2", "old"), ("c/3", "old")];
    output.write(&old).unwrap();
    let blocked = block(&output, "b");
    let new = [("a/1", "new"), ("b/2", "new"), ("d/4", "new")];
    let problems = output.write(&new).unwrap_err();
    assert_eq!(problems[0].code, Code::Io);
    assert_eq!(problems[0].path, "out/b/2");
    assert_eq!(
        (output.read("a/1"), output.read("b/2"), output.read("c/3")),
        ("new".to_owned(), "old".to_owned(), "old".to_owned())
    );
    assert_eq!(output.manifest().files["a/1"], sha256(b"old"));

    // The specs have changed again before the next run, which fails too.
    let newer = [("a/1", "newer"), ("b/2", "newer"), ("d/4", "newer")];
    output.write(&newer).unwrap_err();
    assert_eq!(output.read("a/1"), "newer");
    fs::remove_dir_all(&blocked).unwrap();

    let newest = [("a/1", "newest"), ("b/2", "newest")];
    assert_eq!(
        output.write(&newest).unwrap(),
        [
            "update a/1",
            "update b/2",
            "delete c/3",
            "update manifest.json"
        ]
    );
    assert_eq!(
        output.names(),
        ["a/", "a/1", "b/", "b/2", "manifest.json"],
        "nothing of the runs that failed is left"
    );
}

#[test]
fn an_edit_after_a_failure_is_still_seen() {
    let output = Output::new();
    output.write(&[("a/1", "old"), ("b/2", "old")]).unwrap();
    let blocked = block(&output, "b");
    let new = [("a/1", "new"), ("b/2", "new")];
    output.write(&new).unwrap_err();
    fs::remove_dir_all(&blocked).unwrap();
    output.edit("a/1", "by hand");
    assert_eq!(output.write(&new).unwrap_err()[0].path, "out/a/1");
}

/// Every state a run can be cut off in, made by hand: after any number of steps the next run must end where an
/// undisturbed one ends, whether or not the specs have changed meanwhile.
#[test]
fn a_run_can_be_cut_off_anywhere() {
    let old = [("a", "old"), ("b", "old"), ("gone", "old")];
    let new = [("a", "new"), ("b", "new"), ("c", "new")];
    let other = [("a", "other"), ("c", "other")];
    for then in [&new[..], &other[..], &old[..]] {
        let expected = Output::new();
        expected.write(then).unwrap();
        for steps in 0_usize..=6 {
            let output = Output::new();
            output.write(&old).unwrap();
            let reference = Output::new();
            reference.write(&new).unwrap();
            let manifest = reference.read("manifest.json");
            let pending = match steps {
                0 => &manifest[..manifest.len() / 2],
                _ => &manifest,
            };
            output.edit("manifest.json.pending", pending);
            for (path, text) in new.iter().take(steps.saturating_sub(1)) {
                output.edit(path, text);
            }
            if steps == 2 {
                output.edit(".agentgen-tmp", "ne");
            }
            if steps > 4 {
                fs::remove_file(output.path("gone")).unwrap();
            }
            if steps > 5 {
                output.edit("manifest.json", &manifest);
            }
            output.write(then).unwrap();
            assert_eq!(
                output.tree(),
                expected.tree(),
                "cut off after {steps} steps"
            );
        }
    }
}

#[test]
fn two_runs_do_not_write_at_once() {
    let output = Output::new();
    output.write(&[("a", "1")]).unwrap();
    let pending = fs::File::create(output.path("manifest.json.pending")).unwrap();
    pending.lock().unwrap();
    assert_eq!(
        messages(output.write(&[("a", "2")])),
        ["out: another run of agentgen is writing here"]
    );
    assert_eq!(output.read("a"), "1");
    drop(pending);
    output.write(&[("a", "2")]).unwrap();
    assert_eq!(output.names(), ["a", "manifest.json"]);
}

/// The second run fails before it writes the file that the first one wrote.
#[test]
fn two_failures_one_after_the_other_can_be_made_good() {
    let output = Output::new();
    output.write(&[("a/1", "old"), ("b/2", "old")]).unwrap();
    let blocked = block(&output, "b");
    output.write(&[("a/1", "new"), ("b/2", "new")]).unwrap_err();
    fs::remove_dir_all(&blocked).unwrap();

    let blocked = block(&output, "0");
    let newer = [("0/0", "newer"), ("a/1", "newer"), ("b/2", "newer")];
    let problems = output.write(&newer).unwrap_err();
    assert_eq!(problems[0].path, "out/0/0");
    assert_eq!(output.manifest().files["a/1"], sha256(b"new"));
    fs::remove_dir_all(&blocked).unwrap();

    let newest = [("a/1", "newest"), ("b/2", "newest")];
    output.write(&newest).unwrap();
    assert_eq!(output.read("a/1"), "newest");
}
