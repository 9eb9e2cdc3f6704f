//! `agentgen check --fix`: the diff, the question, and what becomes of the files.

use std::fs;
use std::process::{Command, Stdio};

use crate::command_folder::Folder;
use serde_json::json;

const BROKEN: &str = "---\n# kept\nname: ill\ndescription: Is: ill.\n---\nYou are ill.\n";
const FIXED: &str = "---\n# kept\nname: ill\ndescription: 'Is: ill.'\n---\nYou are ill.\n";
const WELL: &str = "---\n# kept\nname: well\ndescription: Is well.\n---\nYou are well.\n";
/// A contract with a tab in it.
const TAB: &str =
    "---\nname: tab\ndescription: d\nservice:\n  endpoints:\n    go:\n\t  path: /x\n---\nYou go.\n";

fn ill_and_well() -> Folder {
    Folder::new(&[("agents/ill.md", BROKEN), ("agents/well.md", WELL)])
}

fn text(folder: &Folder, name: &str) -> String {
    fs::read_to_string(folder.path(name)).unwrap()
}

#[test]
fn without_a_terminal_and_without_yes_nothing_is_written() {
    let folder = ill_and_well();
    let run = folder.run(&["check", "--fix"]).expect(1);
    assert_eq!(
        run.stdout,
        "--- a/agents/ill.md\n+++ b/agents/ill.md\n@@ -1,6 +1,6 @@\n ---\n # kept\n name: ill\n\
         -description: Is: ill.\n+description: 'Is: ill.'\n ---\n You are ill.\n"
    );
    assert!(
        run.stderr.contains("`--yes` writes without asking"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("AG005"), "{}", run.stderr);
    assert_eq!(text(&folder, "agents/ill.md"), BROKEN);
}

#[test]
fn yes_writes_and_a_second_run_has_nothing_to_do() {
    let folder = ill_and_well();
    for arguments in [&["check", "--fix", "--yes"][..], &["check", "--fix", "-y"]] {
        folder.write("agents/ill.md", BROKEN);
        let run = folder.run(arguments).expect(0);
        assert!(
            run.stdout.contains("+description: 'Is: ill.'"),
            "{}",
            run.stdout
        );
        assert!(run.stderr.contains("fixed agents/ill.md"), "{}", run.stderr);
        assert!(!run.stderr.contains("AG005"), "{}", run.stderr);
        assert_eq!(text(&folder, "agents/ill.md"), FIXED);
        assert_eq!(text(&folder, "agents/well.md"), WELL);
        assert_eq!(folder.names("agents").len(), 2);
    }
    let run = folder.run(&["check", "--fix"]).expect(0);
    assert_eq!(run.stdout, "");
    assert!(!run.stderr.contains("fixed "), "{}", run.stderr);
    folder.run(&["check", "--yes"]).expect(2);
}

#[test]
fn the_json_document_names_what_was_written() {
    let folder = ill_and_well();
    let run = folder
        .run(&["check", "--fix", "--format", "json"])
        .expect(1);
    assert_eq!(run.json()["changes"], json!([]));
    assert!(
        run.stderr.contains("+description: 'Is: ill.'"),
        "{}",
        run.stderr
    );
    let run = folder
        .run(&["check", "--fix", "--yes", "--format", "json"])
        .expect(0);
    let document = run.json();
    assert_eq!(
        document["changes"],
        json!([{"path": "agents/ill.md", "kind": "update"}])
    );
    assert_eq!(document["summary"]["update"], 1);
    assert!(!run.stdout.contains("AG005"), "{}", run.stdout);
}

#[test]
fn a_guess_is_an_error_and_is_never_written() {
    let folder = Folder::new(&[
        ("agents/ill.md", BROKEN),
        ("agents/tab.md", TAB),
        (
            "agents/lost.md",
            "---\nname: lost\nmodel: sonnet\n  endpoints:\n    go:\n      path: /y\n---\nYou go.\n",
        ),
        (
            "agents/name.md",
            "---\nname: name\n description: one blank\n---\nYou go.\n",
        ),
    ]);
    let before: Vec<String> = ["tab", "lost", "name"]
        .map(|name| text(&folder, &format!("agents/{name}.md")))
        .into();
    let run = folder.run(&["check", "--fix", "--yes"]).expect(1);
    assert_eq!(text(&folder, "agents/ill.md"), FIXED);
    let after: Vec<String> = ["tab", "lost", "name"]
        .map(|name| text(&folder, &format!("agents/{name}.md")))
        .into();
    assert_eq!(after, before);
    for message in [
        "line 7 is indented with a tab; YAML needs spaces",
        "`endpoints` belongs under `service:`",
        "`description` is indented by one space too many: 1 instead of 0",
    ] {
        assert_eq!(run.stderr.matches(message).count(), 1, "{}", run.stderr);
    }
    assert_eq!(run.stderr.matches("error[AG").count(), 3, "{}", run.stderr);
    folder.run(&["build"]).expect(1);
}

#[test]
fn a_byte_order_mark_and_line_ends_stay() {
    let folder = Folder::new(&[]);
    let broken = format!("\u{feff}{}", BROKEN.replace('\n', "\r\n"));
    folder.write("agents/ill.md", &broken);
    folder.run(&["check", "--fix", "--yes"]).expect(0);
    let fixed = format!("\u{feff}{}", FIXED.replace('\n', "\r\n"));
    assert_eq!(text(&folder, "agents/ill.md"), fixed);
}

#[test]
fn a_file_that_would_lose_a_value_is_left_alone() {
    let twice = "---\n\tname: ill\n\tdescription: One.\n\tdescription: Two.\n---\nBody\n";
    let folder = Folder::new(&[("agents/ill.md", twice)]);
    let run = folder.run(&["check", "--fix", "--yes"]).expect(0);
    assert_eq!(text(&folder, "agents/ill.md"), twice);
    let line = "agents/ill.md was not rewritten, because that would lose a value";
    assert!(run.stderr.contains(line), "{}", run.stderr);
}

#[cfg(unix)]
#[test]
fn mode_and_hard_links_stay() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let folder = ill_and_well();
    let ill = folder.path("agents/ill.md");
    fs::set_permissions(&ill, fs::Permissions::from_mode(0o640)).unwrap();
    folder.run(&["check", "--fix", "--yes"]).expect(0);
    assert_eq!(fs::metadata(&ill).unwrap().mode() & 0o777, 0o640);
    assert_eq!(text(&folder, "agents/ill.md"), FIXED);

    folder.write("agents/ill.md", BROKEN);
    let other = folder.path("other.txt");
    fs::hard_link(&ill, &other).unwrap();
    folder.run(&["check", "--fix", "--yes"]).expect(0);
    assert_eq!(fs::read_to_string(&other).unwrap(), FIXED);
    assert_eq!(
        fs::metadata(&ill).unwrap().ino(),
        fs::metadata(&other).unwrap().ino()
    );
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link_and_never_leads_out_of_the_project() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new(&[
        ("project/agents/well.md", WELL),
        ("project/kept/ill.md", BROKEN),
        ("outer/ill.md", BROKEN),
    ]);
    let project = folder.path("project");
    let run = |arguments: &[&str]| folder.run_in("project", arguments);
    symlink("../kept/ill.md", project.join("agents/ill.md")).unwrap();
    run(&["check", "--fix", "--yes"]).expect(0);
    assert!(
        fs::symlink_metadata(project.join("agents/ill.md"))
            .unwrap()
            .is_symlink()
    );
    assert_eq!(text(&folder, "project/kept/ill.md"), FIXED);

    fs::remove_file(project.join("agents/ill.md")).unwrap();
    symlink("../../outer", project.join("agents/outer")).unwrap();
    for arguments in [
        &["check", "--fix", "--yes"][..],
        &["check", "--fix", "--yes", "--allow-outside"],
    ] {
        let run = run(arguments).expect(1);
        assert!(run.stderr.contains("outer"), "{}", run.stderr);
        assert_eq!(text(&folder, "outer/ill.md"), BROKEN);
    }
}

#[test]
fn parallel_runs_write_each_file_its_own_text() {
    let folder = Folder::new(&[]);
    let name = |index: usize| format!("agents/a{index}.md");
    for index in 0..60 {
        folder.write(&name(index), &BROKEN.replace("ill", &format!("ill{index}")));
    }
    let children: Vec<_> = (0..4)
        .map(|_| {
            Command::new(env!("CARGO_BIN_EXE_agentgen"))
                .args(["check", "--fix", "--yes"])
                .current_dir(folder.path(""))
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
    }
    for index in 0..60 {
        assert_eq!(
            text(&folder, &name(index)),
            FIXED.replace("ill", &format!("ill{index}"))
        );
    }
    assert_eq!(folder.names("agents").len(), 60);
}
