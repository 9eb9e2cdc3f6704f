//! `agentgen remove` and `agentgen rename`, and what `check` and `build` say of handlers whose agent is gone.

use std::fs;

use serde_json::Value;

use crate::command_folder::{FIRST, Folder};

const CHIEF: &str = "\
---
name: chief
description: Leads the others.
service:
  agents: [poet, \"reader\"]
  fallbacks: [ 'poet' ]  # the poet is always there
  workflows:
    write:
      - draft: poet
      - read: { agent: reader, on_failure: { fallback: poet } }
      - again: { agent: reader, on_failure: fallback poet }
---
Ask the poet for a draft.
";

fn agent(name: &str) -> String {
    FIRST.replace("first", name)
}

/// A project with the agents `chief`, `poet` and `reader`; the poet has a contract of its own.
fn project() -> Folder {
    let folder = Folder::new(&[
        ("from/chief.md", CHIEF),
        ("from/poet.md", &agent("poet")),
        ("from/poet.service.yaml", "rate: 60/minute\n"),
        ("from/reader.md", &agent("reader")),
    ]);
    folder.run(&["new", "desk", "--from", "from"]).expect(0);
    folder
}

impl Folder {
    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }
}

#[test]
fn a_handler_without_its_agent_is_reported_by_check_and_build() {
    let folder = project();
    fs::remove_file(folder.path("desk/agents/reader.md")).unwrap();
    let chief = CHIEF.replace(", \"reader\"", "");
    let chief = chief.lines().filter(|line| !line.contains("reader"));
    let chief: Vec<&str> = chief.collect();
    folder.write("desk/agents/chief.md", &(chief.join("\n") + "\n"));
    for command in ["check", "build"] {
        let run = folder.run_in("desk", &[command]).expect(1);
        for words in [
            "error[AG098]: `reader` is the handler of an agent that is not there",
            "src/agents/mod.rs:6:9",
            "run `agentgen remove reader`",
        ] {
            assert!(run.stderr.contains(words), "{command}: {}", run.stderr);
        }
    }
    folder
        .run_in("desk", &["remove", "reader", "--yes"])
        .expect(0);
    assert!(!folder.text("desk/src/agents/mod.rs").contains("reader"));
    folder.run_in("desk", &["check"]).expect(0);
    folder.run_in("desk", &["build"]).expect(0);
}

#[test]
fn another_selection_of_agents_says_nothing_of_handlers() {
    let folder = project();
    let only = ["check", "--agents", "agents/reader.md"];
    folder.run_in("desk", &only).expect(0);
    folder
        .run_in("desk", &["new", "../other", "--from", "agents/reader.md"])
        .expect(0);
}

#[test]
fn an_agent_that_others_need_is_not_removed() {
    let folder = project();
    let before = folder.tree("desk");
    let run = folder
        .run_in("desk", &["remove", "poet", "--yes"])
        .expect(1);
    for place in [
        "chief.md:5:12",
        "chief.md:6:16",
        "chief.md:9:16",
        "chief.md:10:56",
    ] {
        assert!(run.stderr.contains(place), "{place}:\n{}", run.stderr);
    }
    assert_eq!(folder.tree("desk"), before);
    let run = folder
        .run_in("desk", &["remove", "poet", "--force", "--yes"])
        .expect(0);
    assert!(run.stderr.contains("warning[AG044]"), "{}", run.stderr);
    assert!(!folder.has("desk/agents/poet.md"));
}

#[test]
fn an_agent_goes_with_its_contract_its_handler_and_what_was_generated() {
    let folder = project();
    folder.run_in("desk", &["build"]).expect(0);
    fs::remove_file(folder.path("desk/agents/chief.md")).unwrap();
    folder
        .run_in("desk", &["remove", "chief", "--yes"])
        .expect(0);
    let before = folder.tree("desk");

    let dry = folder
        .run_in("desk", &["remove", "poet", "--dry-run"])
        .expect(0);
    for line in [
        "--- a/agents/poet.md\n+++ /dev/null\n",
        "--- a/agents/poet.service.yaml\n+++ /dev/null\n",
        "--- a/src/agents/poet.rs\n+++ /dev/null\n",
        "-pub mod poet;\n",
    ] {
        assert!(dry.stdout.contains(line), "{}", dry.stdout);
    }
    // Without a terminal nobody can be asked.
    let silent = folder.run_in("desk", &["remove", "poet"]).expect(1);
    assert!(
        silent.stderr.contains("`--yes` writes without asking"),
        "{}",
        silent.stderr
    );
    assert_eq!(folder.tree("desk"), before);

    folder
        .run_in("desk", &["remove", "Poet", "--yes"])
        .expect(1);
    let run = folder
        .run_in("desk", &["remove", "poet", "--yes", "--format", "json"])
        .expect(0);
    assert_eq!(run.json()["summary"]["delete"], 3);
    for gone in [
        "agents/poet.md",
        "agents/poet.service.yaml",
        "src/agents/poet.rs",
        "generated/rust/poet.rs",
    ] {
        assert!(!folder.has(&format!("desk/{gone}")), "{gone}");
    }
    folder.run_in("desk", &["build", "--check"]).expect(0);
    let modules = folder.text("desk/src/agents/mod.rs");
    assert!(
        modules.contains("pub mod reader;") && !modules.contains("poet"),
        "{modules}"
    );
}

#[test]
fn a_handler_that_the_user_wrote_is_kept() {
    let folder = project();
    let mine = folder.text("desk/src/agents/reader.rs") + "// Mine.\n";
    folder.write("desk/src/agents/reader.rs", &mine);
    folder.write("desk/src/extra.rs", "use crate::generated::reader;\n");
    let run = folder
        .run_in("desk", &["remove", "reader", "--yes", "--force"])
        .expect(0);
    assert_eq!(folder.text("desk/src/agents/reader.rs"), mine);
    assert!(
        run.stderr.contains("src/agents/reader.rs stays"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("src/extra.rs:1:12"), "{}", run.stderr);
}

#[test]
fn the_examples_of_a_sample_agent_go_with_it() {
    let folder = Folder::new(&[]);
    folder.run(&["new", "desk"]).expect(0);
    folder
        .run_in("desk", &["remove", "librarian", "--yes"])
        .expect(0);
    for gone in [
        "agents/librarian.md",
        "src/agents/librarian.rs",
        "tests/librarian.rs",
    ] {
        assert!(!folder.has(&format!("desk/{gone}")), "{gone}");
    }
    assert!(folder.has("desk/src/tools.rs"));
    folder.run_in("desk", &["check"]).expect(0);
}

#[test]
fn the_last_agent_stays_and_an_unknown_one_is_named() {
    let folder = Folder::new(&[("agents/first.md", FIRST)]);
    let run = folder.run(&["remove", "first", "--yes"]).expect(1);
    assert!(
        run.stderr.contains("there are no agents here"),
        "{}",
        run.stderr
    );
    let run = folder.run(&["remove", "frist", "--yes"]).expect(1);
    assert!(
        run.stderr.contains("there is no agent `frist`"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("did you mean `first`?"),
        "{}",
        run.stderr
    );
    let run = folder.run(&["rename", "nobody", "x", "--yes"]).expect(1);
    assert!(
        run.stderr.contains("there is no agent `nobody`"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_rename_changes_the_agent_its_handler_and_everything_that_names_it() {
    let folder = project();
    folder.run_in("desk", &["build"]).expect(0);
    let before = folder.tree("desk");
    let dry = folder
        .run_in("desk", &["rename", "poet", "bard", "--dry-run"])
        .expect(0);
    assert!(
        dry.stdout
            .contains("rename from agents/poet.md\nrename to agents/bard.md\n")
    );
    assert_eq!(folder.tree("desk"), before);

    let run = folder
        .run_in("desk", &["rename", "poet", "bard", "--yes"])
        .expect(0);
    let chief = CHIEF
        .replace("[poet, ", "[bard, ")
        .replace("'poet'", "'bard'")
        .replace("draft: poet", "draft: bard")
        .replace("fallback: poet", "fallback: bard")
        .replace("fallback poet", "fallback bard");
    assert_eq!(folder.text("desk/agents/chief.md"), chief);
    // Prose is the author's.
    assert!(
        run.stderr
            .contains("agents/chief.md:6, agents/chief.md:13; that text stays"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("/v1/agents/bard"), "{}", run.stderr);
    assert_eq!(
        folder.text("desk/agents/bard.md"),
        agent("poet").replace("name: poet", "name: bard")
    );
    assert_eq!(
        folder.text("desk/agents/bard.service.yaml"),
        "rate: 60/minute\n"
    );
    for gone in [
        "agents/poet.md",
        "agents/poet.service.yaml",
        "src/agents/poet.rs",
        "generated/rust/poet.rs",
    ] {
        assert!(!folder.has(&format!("desk/{gone}")), "{gone}");
    }
    let modules = folder.text("desk/src/agents/mod.rs");
    assert!(
        modules.contains("// agentgen: modules\npub mod bard;\npub mod chief;\n"),
        "{modules}"
    );
    assert!(
        modules.contains(
            "fn bard(&self) -> impl crate::generated::bard::Bard {\n        bard::Handler\n"
        ),
        "{modules}"
    );
    assert!(
        folder
            .text("desk/src/agents/bard.rs")
            .contains("impl contract::Bard for Handler {}")
    );
    folder.run_in("desk", &["check"]).expect(0);
    folder.run_in("desk", &["build", "--check"]).expect(0);
}

#[test]
fn a_rename_keeps_the_bytes_around_the_name() {
    let windows =
        "\u{feff}---\r\nname:   \"poet\"   # who\r\ndescription: Writes.\r\n---\r\npoet\r\n";
    let folder = Folder::new(&[
        ("agents/poet.agent.md", windows),
        ("agents/second.md", &agent("second")),
    ]);
    let new = ["rename", "poet", "Night Bard", "--yes"];
    folder.run(&new).expect(0);
    let moved = folder
        .names("agents")
        .into_iter()
        .find(|name| name.starts_with("night-bard."));
    let text = folder.text(&format!("agents/{}", moved.unwrap()));
    assert_eq!(text, windows.replace("\"poet\"", "\"Night Bard\""));
    // A file that is not named after its agent keeps its name.
    folder.write("agents/other.md", &agent("third"));
    folder
        .run(&["rename", "third", "fourth", "--yes"])
        .expect(0);
    assert_eq!(
        folder.text("agents/other.md"),
        agent("third").replace("name: third", "name: fourth")
    );
}

#[test]
fn a_rename_to_a_name_that_is_taken_or_unusable_changes_nothing() {
    let folder = project();
    folder.write("desk/agents/bard.yaml.md", "no agent");
    let before = folder.tree("desk");
    for (new, words) in [
        ("reader", "this agent is called `reader` already"),
        ("Reader", "this agent is called `reader` already"),
        ("poet", "called `poet` already"),
        ("\u{1f980}", "no file or route can be named like that"),
    ] {
        let run = folder
            .run_in("desk", &["rename", "poet", new, "--yes"])
            .expect(1);
        assert!(run.stderr.contains(words), "{new}: {}", run.stderr);
    }
    assert_eq!(folder.tree("desk"), before);
    folder.write("desk/agents/bard.md", "# A note, not an agent.\n");
    let run = folder
        .run_in("desk", &["rename", "poet", "bard", "--yes"])
        .expect(1);
    assert!(run.stderr.contains("agents/bard.md"), "{}", run.stderr);
    assert_eq!(folder.text("desk/agents/poet.md"), agent("poet"));
}

#[test]
fn what_the_user_wrote_into_a_handler_moves_with_it() {
    let folder = Folder::new(&[]);
    folder.run(&["new", "desk"]).expect(0);
    let run = folder
        .run_in(
            "desk",
            &[
                "rename",
                "librarian",
                "archivist",
                "--yes",
                "--format",
                "json",
            ],
        )
        .expect(0);
    let document: Value = run.json();
    assert_eq!(document["summary"]["status"], "written");
    let handler = folder.text("desk/src/agents/archivist.rs");
    for line in [
        "use crate::generated::archivist as contract;",
        "impl contract::Archivist for Handler {",
        "request: contract::ShelfRequest,",
        "match tools::titles(&request.shelf) {",
    ] {
        assert!(handler.contains(line), "{handler}");
    }
    folder.run_in("desk", &["check"]).expect(0);
}

#[test]
fn a_path_is_no_name() {
    let folder = project();
    let before = folder.tree("");
    for name in [
        "agents/poet.md",
        "../poet",
        "sub\\poet",
        "editor.md",
        "a\nb",
    ] {
        for command in [&["add"][..], &["rename", "poet"]] {
            let arguments = [command, &[name]].concat();
            let run = folder.run_in("desk", &arguments).expect(1);
            assert!(run.stderr.contains("error[AG021]"), "{}", run.stderr);
        }
    }
    assert_eq!(folder.tree(""), before);
}
