//! The command as its users meet it: arguments, exit status, what is on stdout and what on stderr.

use std::fs;
use std::path::Path;

use crate::command_folder::{FIRST, Folder, Run, SECOND, collect, finish};
use serde_json::Value;

impl Folder {
    /// The path of a generated file of the agent `first`.
    pub fn a_generated_file(&self) -> String {
        let names = self.names("generated");
        let name = names
            .iter()
            .find(|name| name.starts_with("prompts/first") && name.ends_with(".md"));
        format!("generated/{}", name.unwrap())
    }
}

#[test]
fn usage() {
    let folder = Folder::new(&[]);
    let run = folder.run(&[]).expect(2);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("Usage: agentgen"), "{}", run.stderr);
    for wrong in [
        &["bild"][..],
        &["build", "--nope"],
        &["build", "--openapi", "4"],
        &["build", "--check", "--force"],
        &["build", "--check", "--dry-run"],
        &["build", "--format", "xml"],
        &["build", "--target", "java"],
        &["show"],
        &["templates"],
    ] {
        assert_eq!(folder.run(wrong).expect(2).stdout, "", "{wrong:?}");
    }
    assert!(folder.run(&["--help"]).expect(0).stdout.contains("build"));
    let version = format!("agentgen {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(folder.run(&["--version"]).expect(0).stdout, version);
    assert_eq!(folder.names(""), [""; 0]);
}

#[test]
fn builds_and_then_has_nothing_to_do() {
    let folder = Folder::two_agents();
    let run = folder.run(&["build"]).expect(0);
    assert_eq!(run.stdout, "");
    let names = folder.names("generated");
    let count = names.len() - 1;
    assert!(names.contains(&"manifest.json".to_owned()));
    assert!(names.iter().any(|name| name.contains("second")));
    // The note about servers comes with the new document, and not again.
    let lines: Vec<&str> = run.stderr.lines().collect();
    let [created, note, read] = lines[..] else {
        panic!("{}", run.stderr);
    };
    assert_eq!(created, format!("generated: {count} created"));
    assert!(note.starts_with("note: openapi.yaml names no server but `/`;"));
    assert_eq!(read, "2 agents read; no errors, no warnings");
    let before = folder.files("generated");
    let run = folder.run(&["build"]).expect(0);
    assert_eq!(run.stdout, "");
    assert_eq!(
        run.stderr,
        format!("generated is up to date ({count} files)\n2 agents read; no errors, no warnings\n")
    );
    assert_eq!(folder.files("generated"), before);

    fs::remove_file(folder.path("agents/second.md")).unwrap();
    let run = folder.run(&["build"]).expect(0);
    assert!(run.stderr.contains(" deleted"), "{}", run.stderr);
    let names = folder.names("generated");
    assert!(!names.iter().any(|name| name.contains("second")));
}

#[test]
fn one_broken_spec_stops_everything() {
    let folder = Folder::two_agents();
    folder.run(&["build"]).expect(0);
    let before = folder.files("generated");
    fs::remove_file(folder.path("agents/second.md")).unwrap();
    folder.write("agents/first.md", &format!("{FIRST}More.\n"));
    folder.write("agents/a.md", "one\n\0");
    folder.write("agents/b.md", "\0");
    let run = folder.run(&["build", "--agents", "agents", "--agents", "agents/*.md"]);
    assert_eq!(
        run.expect(1).stderr,
        "\
error[AG003]: line 2 contains a NUL byte
--> agents/a.md
 = help: the file is not text; remove the byte or the file

error[AG003]: line 1 contains a NUL byte
--> agents/b.md
 = help: the file is not text; remove the byte or the file

run `agentgen explain AG003` for an example and its fix
error: 1 agent read; 2 errors; nothing was written
"
    );
    assert_eq!(folder.files("generated"), before);
    for arguments in [
        &["build", "--force"][..],
        &["build", "--check"],
        &["build", "--dry-run"],
        &["build", "--only", "first"],
        &["check"],
    ] {
        let run = folder.run(arguments).expect(1);
        assert_eq!(run.stderr.matches("agents/a.md").count(), 1);
        assert_eq!(folder.files("generated"), before, "{arguments:?}");
    }
}

#[test]
fn check_says_and_writes_nothing() {
    let folder = Folder::two_agents();
    let run = folder.run(&["check"]).expect(0);
    assert_eq!(run.stdout, "");
    assert_eq!(run.stderr, "2 agents read; no errors, no warnings\n");
    assert!(!folder.path("generated").exists());
    folder.write("agents/a.md", "\0");
    let json = folder.run(&["check", "--format", "json"]).expect(1).json();
    let found = &json["diagnostics"][0];
    assert_eq!(found["severity"], "error");
    assert_eq!(found["code"], "AG003");
    assert_eq!(found["path"], "agents/a.md");
    assert_eq!(found["line"], Value::Null);
    assert_eq!(json["summary"]["status"], "checked");
    assert_eq!(json["summary"]["errors"], 1);
    assert_eq!(json["changes"], Value::Array(Vec::new()));
}

#[test]
fn models_are_checked_against_the_settings_of_the_service() {
    let agent = "---\nname: desk\ndescription: Answers.\nmodel: opus\n---\nPrompt.\n";
    let echo = "[models]\ndefault = \"echo\"\n";
    let folder = Folder::new(&[("agents/desk.md", agent), ("service.toml", echo)]);
    let run = folder.run(&["check"]).expect(0);
    assert!(!run.stderr.contains("AG027"), "{}", run.stderr);
    let model = "[models]\ndefault = \"anthropic:claude-sonnet-4-5\"\n";
    let folder = Folder::new(&[("agents/desk.md", agent), ("service.toml", model)]);
    let run = folder.run(&["check"]).expect(0);
    let warning = "warning[AG027]: service.toml does not say which model `opus` is";
    assert!(run.stderr.contains(warning), "{}", run.stderr);
}

#[test]
fn tools_that_no_service_has_are_noted_and_nothing_more() {
    let text = "---\nname: first\ndescription: Does it.\ntools: Read, find_book, Bash(ls), Bash(cat)\n---\nPrompt.\n";
    let folder = Folder::new(&[("agents/first.md", text)]);
    for arguments in [&["check", "--strict"][..], &["build", "--strict"][..]] {
        let run = folder.run(arguments).expect(0);
        let said = "note[AG028]: a service can't run `Read`, `Bash`\n";
        assert!(run.stderr.contains(said), "{}", run.stderr);
        assert!(run.stderr.contains("agents/first.md:4:8"), "{}", run.stderr);
    }
    let without = text.replace("Read, find_book, Bash(ls), Bash(cat)", "find_book");
    folder.write("agents/first.md", &without);
    let run = folder.run(&["check"]).expect(0);
    assert!(!run.stderr.contains("AG028"), "{}", run.stderr);
}

#[test]
fn no_agents() {
    let folder = Folder::new(&[]);
    assert_eq!(
        folder.run(&["build"]).expect(1).stderr,
        "\
error[AG091]: there is no such folder, and no `.claude/agents` either
--> agents
 = help: create it with one Markdown file per agent, or name another one in `agents`

run `agentgen explain AG091` for an example and its fix
error: 0 agents read; 1 error; nothing was written
"
    );
    fs::create_dir(folder.path("agents")).unwrap();
    let run = folder.run(&["build"]).expect(1);
    assert!(
        run.stderr
            .starts_with("error[AG092]: there are no agents here\n--> agents\n")
    );
    assert_eq!(folder.names(""), [""; 0]);
}

#[test]
fn json_tells_the_same() {
    let folder = Folder::two_agents();
    let status = |run: Run| run.json()["summary"]["status"].clone();
    let run = folder
        .run(&["build", "--dry-run", "--format", "json"])
        .expect(0);
    assert_eq!(run.stderr, "");
    assert_eq!(status(run), "planned");
    assert!(!folder.path("generated").exists());
    let json = folder.run(&["build", "--format", "json"]).expect(0).json();
    assert_eq!(json["summary"]["status"], "written");
    let changes = json["changes"].as_array().unwrap();
    let names: Vec<String> = folder
        .names("generated")
        .iter()
        .map(|name| format!("generated/{name}"))
        .collect();
    let mut told: Vec<&str> = changes
        .iter()
        .map(|change| change["path"].as_str().unwrap())
        .collect();
    assert_eq!(told.last(), Some(&"generated/manifest.json"));
    told.sort_unstable();
    assert_eq!(told, names);
    assert!(changes.iter().all(|change| change["kind"] == "create"));
    assert_eq!(json["summary"]["create"], names.len() - 1);
    let run = folder.run(&["build", "--format", "json"]).expect(0);
    assert_eq!(status(run), "unchanged");
    let file = folder.a_generated_file();
    folder.write(&file, "by hand");
    let json = folder.run(&["build", "--format", "json"]).expect(1).json();
    assert_eq!(json["summary"]["status"], "refused");
    assert_eq!(json["summary"]["conflict"], 1);
    assert_eq!(json["diagnostics"][0]["path"], file.as_str());
    let json = folder
        .run(&["build", "--check", "--format", "json"])
        .expect(1)
        .json();
    assert_eq!(json["summary"]["conflict"], 1);
}

#[test]
fn drift_is_shown_as_a_diff() {
    let folder = Folder::two_agents();
    let run = folder.run(&["build", "--check"]).expect(1);
    assert!(run.stdout.contains("--- /dev/null\n+++ b/generated/"));
    assert!(run.stdout.contains("+You answer first.\n"));
    assert!(!folder.path("generated").exists());
    folder.run(&["build"]).expect(0);
    let run = folder.run(&["build", "--check"]).expect(0);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.starts_with("generated is up to date\n"));

    let file = folder.a_generated_file();
    let text = fs::read_to_string(folder.path(&file)).unwrap();
    folder.write(&file, &text.replace("You answer first.", "By hand."));
    let before = folder.files("generated");
    let run = folder
        .run(&[
            "build",
            "--check",
            "--agents",
            "agents",
            "--out",
            "./generated",
        ])
        .expect(1);
    assert!(
        run.stdout
            .starts_with(&format!("--- a/{file}\n+++ b/{file}\n@@ "))
    );
    assert!(run.stdout.contains("-By hand.\n+You answer first.\n"));
    assert_eq!(
        run.stderr.lines().last().unwrap(),
        "error: 1 file in generated is out of date; \
         run `agentgen build --agents agents --out ./generated`"
    );
    assert_eq!(folder.files("generated"), before);
    folder.write(&file, &text);

    fs::remove_file(folder.path("generated/manifest.json")).unwrap();
    let run = folder.run(&["build", "--check"]).expect(1);
    assert_eq!(run.stdout, "generated/manifest.json: out of date\n");
    folder.run(&["build"]).expect(0);

    fs::remove_file(folder.path("agents/second.md")).unwrap();
    let run = folder.run(&["build", "--check"]).expect(1);
    assert!(run.stdout.contains("\n+++ /dev/null\n"), "{}", run.stdout);
    assert!(run.stdout.contains("-You answer second.\n"));
}

#[test]
fn a_dry_run_lists() {
    let folder = Folder::two_agents();
    let run = folder.run(&["build", "--dry-run"]).expect(0);
    assert!(
        run.stdout
            .lines()
            .all(|line| line.starts_with("create   generated/"))
    );
    assert!(
        run.stderr
            .contains(" created (dry run: nothing was written)\n2 agents read")
    );
    assert!(!folder.path("generated").exists());
    folder.run(&["build"]).expect(0);
    let run = folder.run(&["build", "--dry-run"]).expect(0);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("nothing to do"));
    fs::remove_file(folder.path("agents/second.md")).unwrap();
    let file = folder.a_generated_file();
    folder.write(&file, "by hand");
    let before = folder.files("generated");
    let run = folder.run(&["build", "--dry-run"]).expect(1);
    assert!(run.stdout.contains("delete   generated/"), "{}", run.stdout);
    assert!(run.stdout.contains(&format!("conflict {file}\n")));
    assert_eq!(folder.files("generated"), before);
}

#[test]
fn an_edit_by_hand_is_overwritten_only_by_force() {
    let folder = Folder::two_agents();
    folder.run(&["build"]).expect(0);
    let file = folder.a_generated_file();
    let good = fs::read(folder.path(&file)).unwrap();
    folder.write(&file, "by hand");
    assert_eq!(
        folder.run(&["build"]).expect(1).stderr,
        format!(
            "\
error[AG093]: the generated file was edited by hand
--> {file}
 = help: make the change in the agent's file or in a template, then overwrite this file with `--force`

run `agentgen explain AG093` for an example and its fix
error: 2 agents read; 1 error; nothing was written
"
        )
    );
    assert_eq!(fs::read(folder.path(&file)).unwrap(), b"by hand");
    folder.run(&["build", "--force"]).expect(0);
    assert_eq!(fs::read(folder.path(&file)).unwrap(), good);
}

#[test]
fn only_writes_one_agent() {
    let folder = Folder::two_agents();
    let run = folder.run(&["build", "--only", "First"]).expect(0);
    let left = "left alone: 4 files of other agents, 4 of them missing or out of date: `agentgen build` writes all\n";
    assert!(run.stderr.contains(left), "{}", run.stderr);
    let names = folder.names("generated");
    assert!(names.iter().any(|name| name.contains("first")), "{names:?}");
    assert!(
        !names.iter().any(|name| name.contains("second")),
        "{names:?}"
    );
    folder.run(&["build"]).expect(0);
    let before = folder.files("generated");
    fs::remove_file(folder.path("agents/second.md")).unwrap();
    folder.run(&["build", "--only", "first"]).expect(0);
    let own = |files: Vec<(String, Vec<u8>)>| -> Vec<(String, Vec<u8>)> {
        let mut files = files;
        files.retain(|(name, _)| name.contains("second"));
        files
    };
    assert_eq!(
        own(folder.files("generated")),
        own(before),
        "nothing is deleted"
    );
    folder.run(&["build"]).expect(0);
    assert_eq!(
        own(folder.files("generated")),
        [],
        "the manifest still knew the files"
    );
    assert_eq!(
        folder.run(&["build", "--only", "frist"]).expect(1).stderr,
        "\
error[AG044]: there is no such agent
--> frist
 = help: did you mean `first`?

run `agentgen explain AG044` for an example and its fix
error: 1 agent read; 1 error; nothing was written
"
    );
}

#[test]
fn settings_are_found_upward() {
    let folder = Folder::new(&[
        (
            "agentgen.toml",
            "agents = [\"specs/*.md\"]\nout = \"gen\"\n",
        ),
        ("specs/first.md", FIRST),
        ("specs/deep/second.md", SECOND),
        (
            "sub/deeper/third.md",
            "---\nname: third\ndescription: x\n---\nHi.\n",
        ),
    ]);
    folder.run_in("sub/deeper", &["build"]).expect(0);
    let names = folder.names("gen");
    assert!(names.iter().any(|name| name.contains("first")));
    assert!(!names.iter().any(|name| name.contains("second")));
    assert_eq!(folder.names("sub"), ["deeper/third.md"]);

    // Arguments are relative to where the command runs.
    folder
        .run_in("sub", &["build", "--agents", "deeper", "--out", "../gen2"])
        .expect(0);
    let names = folder.names("gen2");
    assert!(names.iter().any(|name| name.contains("third")), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("first")));
}

#[test]
fn wrong_settings_are_wrong_usage() {
    let folder = Folder::two_agents();
    folder.write(
        "agentgen.toml",
        "agent = [\"agents\"]\n[openapi]\nversion = \"3.3\"\n",
    );
    for command in ["build", "check", "list"] {
        assert_eq!(
            folder.run(&[command]).expect(2).stderr,
            "\
error[AG090]: unknown key `agent`
 --> agentgen.toml:1:1
  |
1 | agent = [\"agents\"]
  | ^^^^^
  |
  = help: did you mean `agents`?

error[AG090]: `3.3` can't be chosen here
 --> agentgen.toml:3:11
  |
3 | version = \"3.3\"
  |           ^^^^^
  |
  = help: choose one of `3.0`, `3.1`, `3.2`

run `agentgen explain AG090` for an example and its fix
error: 2 errors; nothing was written
"
        );
    }
    let json = folder.run(&["build", "--format", "json"]).expect(2).json();
    assert_eq!(json["diagnostics"][1]["line"], 3);
    assert_eq!(json["diagnostics"][1]["column"], 11);
}

#[test]
fn long_lines_are_cut() {
    let folder = Folder::two_agents();
    folder.write(
        "agentgen.toml",
        &format!(
            "out = [\"{}\", 1, \"{}\"]\n",
            "é".repeat(4000),
            "x".repeat(4000)
        ),
    );
    let run = folder.run(&["check"]).expect(2);
    assert!(run.stderr.contains("agentgen.toml:1:7"));
    for line in run.stderr.lines() {
        assert!(line.chars().count() < 250, "{line}");
    }
}

#[test]
fn colours_follow_the_terminal() {
    let folder = Folder::new(&[]);
    assert!(!folder.run(&["check"]).stderr.contains('\u{1b}'));
    let mut command = folder.command_in("", &["check"]);
    command.env("CLICOLOR_FORCE", "1");
    assert!(finish(command).stderr.contains("\u{1b}["));
    let mut command = folder.command_in("", &["check"]);
    command.env("NO_COLOR", "1");
    assert!(!finish(command).stderr.contains('\u{1b}'));
}

#[cfg(unix)]
#[test]
fn names_can_not_write_to_the_terminal() {
    let folder = Folder::two_agents();
    folder.write("agents/\u{1b}[2J\n.md", "\0");
    let run = folder.run(&["check"]).expect(1);
    assert!(
        run.stderr.contains(r"agents/\u{1b}[2J\n.md"),
        "{}",
        run.stderr
    );
}

#[test]
fn lists_and_shows() {
    let folder = Folder::two_agents();
    let run = folder.run(&["list"]).expect(0);
    assert_eq!(run.stderr, "");
    let lines: Vec<&str> = run.stdout.lines().collect();
    let cells = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(lines.len(), 3);
    assert_eq!(cells(lines[0]), ["NAME", "ENDPOINTS", "FILE"]);
    assert_eq!(cells(lines[1]), ["first", "1", "agents/first.md"]);
    let json = folder.run(&["list", "--format", "json"]).expect(0).json();
    assert_eq!(json[1]["name"], "second");
    assert_eq!(json[1]["path"], "agents/second.md");

    let by_name = folder.run(&["show", "first", "--format", "json"]).expect(0);
    let by_path = folder
        .run(&["show", "agents/first.md", "--format", "json"])
        .expect(0);
    assert!(by_name.stdout.contains("first"));
    assert_eq!(by_name.stdout, by_path.stdout);
    let run = folder.run(&["show", "frist"]).expect(1);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("did you mean `first`?"));
    folder.write("broken.md", "\0");
    let run = folder.run(&["show", "broken.md"]).expect(1);
    assert!(run.stderr.contains("broken.md"));
    assert!(!folder.path("generated").exists());
}

#[test]
fn shows_workflows_and_whom_an_agent_hands_over_to() {
    let folder = Folder::two_agents();
    let contract = "agents: [second]\nworkflows:\n  Big Deal: [a: first, parallel: [b: first, c: second]]\n  small: [a: first]\n";
    folder.write("agents/first.service.yaml", contract);
    let shown = folder.run(&["show", "first"]).expect(0).stdout;
    let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = shown.lines().map(squeezed).collect();
    for line in [
        "hands to second",
        "ENDPOINT ROUTE HANDLER EVENTS",
        "invoke POST /v1/agents/first/invoke model yes",
        "WORKFLOW ROUTE STEPS",
        "Big Deal POST /v1/workflows/big-deal/runs a (first), b (first), c (second)",
        "small POST /v1/workflows/small/runs a (first)",
    ] {
        assert!(lines.iter().any(|shown| shown == line), "{line}: {shown}");
    }
    // What is wrong with the contract is wrong with the agent.
    folder.write(
        "agents/first.service.yaml",
        "workflows: { w: [a: frist] }\n",
    );
    let run = folder.run(&["show", "first"]).expect(1);
    assert_eq!(run.stdout, "");
    assert!(
        run.stderr.contains("agents/first.service.yaml:1:21"),
        "{}",
        run.stderr
    );
    folder.run(&["show", "second"]).expect(0);
}

#[test]
fn exports_the_built_in_templates() {
    let folder = Folder::new(&[]);
    folder.run(&["templates", "export", "mine"]).expect(0);
    let mut expected = Vec::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates");
    collect(&source, "", &mut expected);
    // What only `new` and `add` render is not a project's to replace.
    expected.retain(|(name, _)| name.ends_with(".tera") && !name.starts_with("project/"));
    expected.sort();
    assert_eq!(folder.files("mine"), expected);
    for (name, _) in &expected {
        folder.write(&format!("mine/{name}"), "changed");
    }
    let run = folder.run(&["templates", "export", "mine"]);
    if !expected.is_empty() {
        let run = run.expect(1);
        assert!(run.stderr.contains("was not overwritten"));
        assert!(
            folder
                .files("mine")
                .iter()
                .all(|(_, text)| text == b"changed")
        );
    }
    folder
        .run(&["templates", "export", "mine", "--force"])
        .expect(0);
    assert_eq!(folder.files("mine"), expected);
    folder.run(&["templates", "export"]).expect(0);
    assert_eq!(folder.files("templates"), expected);
}

#[test]
fn prints_the_schema_of_the_settings() {
    let run = Folder::new(&[]).run(&["schema", "config"]).expect(0);
    assert_eq!(run.json()["title"], "agentgen.toml");
}

#[test]
fn completes_for_shells() {
    let folder = Folder::new(&[]);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let run = folder.run(&["completions", shell]).expect(0);
        assert!(run.stdout.contains("dry-run"), "{shell}");
    }
}
