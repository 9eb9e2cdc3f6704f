//! `agentgen update`: what the user did not touch is replaced, what was changed is merged, and nothing is written unseen.

use std::fs;

use serde_json::{Value, json};

use crate::command_folder::Folder;

const RECORD: &str = "desk/.agentgen/project.json";

/// A project as an older version would have written it: its Dockerfile and its README had other texts.
fn older_project(arguments: &[&str]) -> Folder {
    let folder = Folder::new(&[]);
    folder
        .run(&[&["new", "desk"], arguments].concat())
        .expect(0);
    let mut record = read_record(&folder);
    record["version"] = json!("0.0.1");
    for (name, new, old) in [
        ("Dockerfile", "EXPOSE 8080\n", "EXPOSE 80\n"),
        ("README.md", "## Deploy\n", "## Deployment\n"),
        ("README.md", "cargo test\n", "cargo test --all\n"),
    ] {
        let path = format!("desk/{name}");
        let text = fs::read_to_string(folder.path(&path)).unwrap();
        assert!(text.contains(new), "{name}");
        let text = text.replacen(new, old, 1);
        record["files"][name] = json!({ "text": text });
        folder.write(&path, &text);
    }
    folder.write(RECORD, &record.to_string());
    folder
}

fn read_record(folder: &Folder) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.path(RECORD)).unwrap()).unwrap()
}

fn text(folder: &Folder, name: &str) -> String {
    fs::read_to_string(folder.path(&format!("desk/{name}"))).unwrap()
}

#[test]
fn a_new_project_is_up_to_date() {
    let folder = Folder::new(&[]);
    for arguments in [&["new", "desk"][..], &["new", "whole", "--vendor"]] {
        folder.run(arguments).expect(0);
        let before = folder.tree(arguments[1]);
        for update in [
            &["update"][..],
            &["update", "--check"],
            &["update", "--yes"],
        ] {
            let run = folder.run_in(arguments[1], update).expect(0);
            assert!(run.stderr.contains("up to date"), "{}", run.stderr);
        }
        assert_eq!(folder.tree(arguments[1]), before);
    }
}

#[test]
fn a_project_with_the_files_of_this_version_is_not_asked_about() {
    let folder = Folder::new(&[]);
    folder.run(&["new", "desk"]).expect(0);
    let mut record = read_record(&folder);
    record["version"] = json!("0.0.1");
    folder.write(RECORD, &record.to_string());
    for arguments in [
        &["update", "--check"][..],
        &["update", "--dry-run"],
        &["update"],
    ] {
        let run = folder.run_in("desk", arguments).expect(0);
        assert!(run.stderr.contains("up to date"), "{}", run.stderr);
    }
    let record = read_record(&folder);
    assert_eq!(record["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn files_that_nobody_touched_are_replaced_after_a_diff() {
    let folder = older_project(&[]);
    let before = folder.tree("desk");
    for arguments in [
        &["update", "--check"][..],
        &["update", "--dry-run"],
        &["update"],
    ] {
        let run = folder.run_in("desk", arguments);
        let status = match arguments.last() {
            Some(&"--dry-run") => 0,
            _ => 1,
        };
        assert_eq!(run.status, status, "{arguments:?}: {}", run.stderr);
        for line in ["-EXPOSE 80\n+EXPOSE 8080\n", "-## Deployment\n+## Deploy\n"] {
            assert!(run.stdout.contains(line), "{}", run.stdout);
        }
        assert!(!run.stdout.contains("project.json"), "{}", run.stdout);
        assert_eq!(folder.tree("desk"), before);
    }
    folder.run_in("desk", &["update", "--yes"]).expect(0);
    assert!(text(&folder, "Dockerfile").contains("EXPOSE 8080\n"));
    assert_eq!(read_record(&folder)["version"], env!("CARGO_PKG_VERSION"));
    folder.run_in("desk", &["update", "--check"]).expect(0);
}

#[test]
fn what_the_user_changed_is_merged_or_left_with_the_new_version_beside_it() {
    let folder = older_project(&[]);
    let dockerfile = text(&folder, "Dockerfile") + "LABEL mine=1\n";
    folder.write("desk/Dockerfile", &dockerfile);
    let readme = text(&folder, "README.md").replace("## Deployment\n", "## How we deploy\n");
    folder.write("desk/README.md", &readme);
    fs::remove_file(folder.path("desk/deploy/kubernetes.yaml")).unwrap();
    folder.write("desk/src/tools.rs", "// Mine.\n");
    let manifest = text(&folder, "Cargo.toml").replace("[dev-dep", "url = \"2\"\n\n[dev-dep");
    folder.write("desk/Cargo.toml", &manifest);

    let run = folder.run_in("desk", &["update", "--yes"]).expect(0);
    assert_eq!(
        text(&folder, "Dockerfile"),
        dockerfile.replace("EXPOSE 80\n", "EXPOSE 8080\n")
    );
    assert_eq!(text(&folder, "README.md"), readme);
    assert!(text(&folder, "README.md.new").contains("## Deploy\n"));
    assert!(
        run.stderr.contains("the new version is in README.md.new")
            || run.stderr.contains("The new version is in README.md.new"),
        "{}",
        run.stderr
    );
    assert!(
        !folder.path("desk/deploy/kubernetes.yaml").exists(),
        "it was deleted on purpose"
    );
    assert_eq!(text(&folder, "src/tools.rs"), "// Mine.\n");
    assert_eq!(text(&folder, "Cargo.toml"), manifest);
    // It is proposed once.
    folder.run_in("desk", &["update", "--check"]).expect(0);
    folder
        .run_in("desk", &["update", "--force", "--yes"])
        .expect(0);
    assert!(text(&folder, "README.md").contains("## Deploy\n"));
}

#[test]
fn a_file_that_is_no_longer_written_goes_unless_it_was_changed() {
    let folder = Folder::new(&[]);
    folder.run(&["new", "desk"]).expect(0);
    let mut record = read_record(&folder);
    for name in ["tests/support/mod.rs", "tests/document/mod.rs"] {
        record["files"][name] = json!({ "text": "// Old.\n" });
        folder.write(&format!("desk/{name}"), "// Old.\n");
    }
    folder.write("desk/tests/document/mod.rs", "// Mine.\n");
    folder.write(RECORD, &record.to_string());
    // The templates of such files are those of tests, which are merged.
    let run = folder.run_in("desk", &["update", "--yes"]).expect(0);
    assert!(!folder.path("desk/tests/support").exists());
    assert_eq!(text(&folder, "tests/document/mod.rs"), "// Mine.\n");
    assert!(
        run.stderr.contains("tests/document/mod.rs stays"),
        "{}",
        run.stderr
    );
}

#[test]
fn line_ends_of_windows_are_no_change() {
    let folder = older_project(&[]);
    let windows = text(&folder, "Dockerfile").replace('\n', "\r\n");
    folder.write("desk/Dockerfile", &windows);
    folder.run_in("desk", &["update", "--yes"]).expect(0);
    assert_eq!(
        text(&folder, "Dockerfile"),
        windows.replace("EXPOSE 80\r", "EXPOSE 8080\r")
    );
}

#[test]
fn vendored_sources_are_replaced_unless_they_were_edited() {
    let folder = Folder::new(&[]);
    folder.run(&["new", "desk", "--vendor"]).expect(0);
    // The sources of an older version: one file had another text, one is gone now.
    let library = "vendor/agentgen-ranking/src/lib.rs";
    let new = text(&folder, library);
    folder.write(&format!("desk/{library}"), "// Old.\n");
    folder.write("desk/vendor/agentgen-ranking/src/gone.rs", "");
    let run = folder.run_in("desk", &["update", "--yes"]).expect(1);
    assert!(
        run.stderr.contains("vendor/agentgen-ranking"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("changed by hand"), "{}", run.stderr);
    assert_eq!(text(&folder, library), "// Old.\n");
    let run = folder
        .run_in("desk", &["update", "--yes", "--force"])
        .expect(0);
    assert!(
        run.stderr.contains("vendor/agentgen-ranking: 2 files"),
        "{}",
        run.stderr
    );
    assert_eq!(text(&folder, library), new);
    assert!(
        !folder
            .path("desk/vendor/agentgen-ranking/src/gone.rs")
            .exists()
    );
}

#[test]
fn a_project_gets_the_sources_of_its_crates_later() {
    let folder = Folder::new(&[]);
    folder.run(&["new", "desk"]).expect(0);
    folder.run(&["new", "vendored/desk", "--vendor"]).expect(0);
    folder
        .run_in("desk", &["update", "--vendor", "--yes"])
        .expect(0);
    assert_eq!(folder.files("desk"), folder.files("vendored/desk"));
}

#[test]
fn a_project_without_a_record_gets_a_diff_only() {
    let folder = older_project(&[]);
    fs::remove_file(folder.path(RECORD)).unwrap();
    let before = folder.tree("desk");
    let run = folder.run_in("desk", &["update", "--yes"]).expect(1);
    assert!(
        run.stdout.contains("-EXPOSE 80\n+EXPOSE 8080\n"),
        "{}",
        run.stdout
    );
    assert!(
        run.stderr.contains("agentgen update --force"),
        "{}",
        run.stderr
    );
    assert_eq!(folder.tree("desk"), before);
    folder
        .run_in("desk", &["update", "--yes", "--force"])
        .expect(0);
    folder.run_in("desk", &["update", "--check"]).expect(0);
    assert!(folder.path(RECORD).is_file());
}

#[test]
fn what_is_not_a_project_or_newer_is_refused() {
    let folder = Folder::new(&[("agents/a.md", ""), ("broken/.agentgen/project.json", "{")]);
    let run = folder.run(&["update"]).expect(1);
    assert!(
        run.stderr.contains("run this in a project"),
        "{}",
        run.stderr
    );
    let run = folder.run_in("broken", &["update"]).expect(1);
    assert!(
        run.stderr.contains("not a record of agentgen"),
        "{}",
        run.stderr
    );
    folder.run(&["new", "desk"]).expect(0);
    let mut record = read_record(&folder);
    record["version"] = json!("99.0.0");
    folder.write(RECORD, &record.to_string());
    let run = folder.run_in("desk", &["update", "--yes"]).expect(1);
    assert!(run.stderr.contains("99.0.0"), "{}", run.stderr);
}
