//! Runs for a part of the output.

use agentgen_build::inspect::sha256_hex as sha256;
use agentgen_build::{Options, Scope, Target, apply, plan};

use super::{Output, artifacts};

/// Only these files.
fn only(paths: &[&str]) -> Options {
    Options {
        force: false,
        scope: Scope::Files(paths.iter().map(|path| (*path).to_owned()).collect()),
    }
}

#[test]
fn chosen_files_leave_all_others_alone() {
    let output = Output::new();
    output
        .write(&[
            ("a.md", "1"),
            ("b.md", "1"),
            ("gone.md", "1"),
            ("same.md", "1"),
        ])
        .unwrap();
    output.edit("b.md", "by hand");
    let new = artifacts(&[
        ("a.md", "2"),
        ("b.md", "2"),
        ("new.md", "2"),
        ("same.md", "1"),
    ]);
    let plan = plan(output.root.path(), "out", &new, &only(&["a.md"])).unwrap();
    let words: Vec<(&str, &str)> = plan
        .changes
        .iter()
        .map(|change| (change.kind.as_str(), change.path.as_str()))
        .collect();
    assert_eq!(words, [("update", "a.md"), ("update", "manifest.json")]);
    assert_eq!(plan.left_alone, ["b.md", "new.md", "same.md", "gone.md"]);
    assert_eq!(plan.outdated, ["b.md", "new.md"]);
    apply(&plan).unwrap();
    assert_eq!(output.manifest().files["b.md"], sha256(b"1"));
    assert_eq!(output.manifest().files["gone.md"], sha256(b"1"));

    // The next run for everything knows them all.
    let all = [
        ("a.md", "2"),
        ("b.md", "2"),
        ("new.md", "2"),
        ("same.md", "1"),
    ];
    let problems = output.write(&all).unwrap_err();
    assert_eq!(problems[0].path, "out/b.md");
    output.edit("b.md", "1");
    assert_eq!(
        output.write(&all).unwrap(),
        [
            "unchanged a.md",
            "update b.md",
            "delete gone.md",
            "create new.md",
            "unchanged same.md",
            "update manifest.json"
        ]
    );
}

#[test]
fn a_target_deletes_nothing_that_another_one_generates() {
    let all = [
        ("openapi.yaml", "1"),
        ("prompts/a/prompt.md", "1"),
        ("prompts/b/prompt.md", "1"),
        ("rust/a.rs", "1"),
        ("rust/b.rs", "1"),
    ];
    let prompt = ("prompts/a/prompt.md", "1");
    let rust = ("rust/a.rs", "1");
    for (chosen, files, deleted) in [
        (Target::Prompts, vec![prompt], vec![]),
        (Target::Rust, vec![prompt, rust], vec!["rust/b.rs"]),
        (Target::Openapi, vec![], vec!["openapi.yaml"]),
    ] {
        let output = Output::new();
        output.write(&all).unwrap();
        let others = Target::ALL.into_iter().filter(|target| *target != chosen);
        let options = Options {
            force: true,
            scope: Scope::Targets {
                chosen: vec![chosen],
                others: others.collect(),
            },
        };
        output.write_with(&files, options).unwrap();
        let left: Vec<&str> = all.iter().map(|(path, _)| *path).collect();
        for path in left {
            let is_there = !deleted.contains(&path);
            assert_eq!(output.path(path).exists(), is_there, "{chosen:?}: {path}");
            let is_listed = output.manifest().files.contains_key(path);
            assert_eq!(is_listed, is_there, "{chosen:?}: {path}");
        }
        // A run for everything finds nothing that it would not know.
        let words = output.write(&[prompt, rust]).unwrap();
        assert!(
            !words.iter().any(|word| word.starts_with("keep")),
            "{words:?}"
        );
        assert_eq!(output.manifest().files.len(), 2);
    }
}
