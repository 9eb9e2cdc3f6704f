//! Runs that were cut off or failed, and what the next run makes of it.

use std::fs;

use agentgen_build::inspect::sha256_hex as sha256;
use agentgen_build::{Code, Diagnostic, Options, apply, plan};

use super::{Output, artifacts};

/// Writes `files` and fails at `blocked`, where a folder appears after the plan was made. Afterwards that is as it was.
fn fail(output: &Output, files: &[(&str, &str)], blocked: &str) -> Vec<Diagnostic> {
    let artifacts = artifacts(files);
    let plan = plan(output.root.path(), "out", &artifacts, &Options::default()).unwrap();
    let path = output.path(blocked);
    let before = fs::read(&path);
    let _ = fs::remove_file(&path);
    fs::create_dir_all(path.join("full")).unwrap();
    let problems = apply(&plan).unwrap_err();
    fs::remove_dir_all(&path).unwrap();
    if let Ok(bytes) = before {
        fs::write(&path, bytes).unwrap();
    }
    problems
}

#[test]
fn a_failure_in_the_middle_can_be_made_good() {
    let output = Output::new();
    let old = [("a/1", "old"), ("b/2", "old"), ("c/3", "old")];
    output.write(&old).unwrap();
    let new = [("a/1", "new"), ("b/2", "new"), ("d/4", "new")];
    let problems = fail(&output, &new, "b/2");
    assert_eq!(problems[0].code, Code::Io);
    assert_eq!(problems[0].path, "out/b/2");
    assert_eq!(
        (output.read("a/1"), output.read("b/2"), output.read("c/3")),
        ("new".to_owned(), "old".to_owned(), "old".to_owned())
    );
    assert_eq!(output.manifest().files["a/1"], sha256(b"old"));

    // The specs have changed again before the next run, which fails too.
    let newer = [("a/1", "newer"), ("b/2", "newer"), ("d/4", "newer")];
    fail(&output, &newer, "b/2");
    assert_eq!(output.read("a/1"), "newer");

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
    let new = [("a/1", "new"), ("b/2", "new")];
    fail(&output, &new, "b/2");
    output.edit("a/1", "by hand");
    assert_eq!(output.write(&new).unwrap_err()[0].path, "out/a/1");
}

/// What a power failure leaves of a file that was not on the disk yet.
#[test]
fn an_empty_file_is_written_again() {
    let output = Output::new();
    output.write(&[("a", "1"), ("b", "1")]).unwrap();
    output.edit("a", "");
    output.edit("mine", "");
    assert_eq!(
        output.write(&[("a", "1"), ("b", "1")]).unwrap(),
        ["update a", "unchanged b", "unchanged manifest.json"]
    );
    output.write(&[("mine", "1")]).unwrap_err();
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
                output.edit(".agentgen-tmp-1-2", "ne");
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
fn what_a_run_left_that_was_cut_off_goes() {
    let output = Output::new();
    let files = [("a/b/1", "1"), ("c", "1")];
    output.write(&files).unwrap();
    // It had only begun to write its record.
    output.edit(".agentgen-tmp-7-0", "{");
    output.write(&files).unwrap();
    assert_eq!(
        output.names(),
        ["a/", "a/b/", "a/b/1", "c", "manifest.json"]
    );
    // It was writing the first file of a new folder, and the specs have changed back since.
    let pending = Output::new();
    pending
        .write(&[("a/b/1", "1"), ("c", "1"), ("d/e/2", "2")])
        .unwrap();
    output.edit("manifest.json.pending", &pending.read("manifest.json"));
    fs::create_dir_all(output.path("d/e")).unwrap();
    output.edit("d/e/.agentgen-tmp-7-3", "2");
    output.write(&files).unwrap();
    assert_eq!(
        output.names(),
        ["a/", "a/b/", "a/b/1", "c", "manifest.json"]
    );
}

/// The second run fails before it writes the file that the first one wrote.
#[test]
fn two_failures_one_after_the_other_can_be_made_good() {
    let output = Output::new();
    output.write(&[("a/1", "old"), ("b/2", "old")]).unwrap();
    fail(&output, &[("a/1", "new"), ("b/2", "new")], "b/2");

    let newer = [("0/0", "newer"), ("a/1", "newer"), ("b/2", "newer")];
    let problems = fail(&output, &newer, "0/0");
    assert_eq!(problems[0].path, "out/0/0");
    assert_eq!(output.manifest().files["a/1"], sha256(b"new"));

    let newest = [("a/1", "newest"), ("b/2", "newest")];
    output.write(&newest).unwrap();
    assert_eq!(output.read("a/1"), "newest");
}
