//! `agentgen explain`: every explanation is there, and its example and its fix do what it says.
//!
//! `AGENTGEN_UPDATE_SNAPSHOTS=1 cargo test -p cargo-agentgen explain` writes `docs/src/diagnostics.md`.

use std::collections::BTreeSet;
use std::process::Command;

use crate::command_folder::{Folder, assert_generated_section, finish};

/// What one example or one fix does to a folder: files to write, then commands to run.
#[derive(Default)]
struct Script {
    files: Vec<(String, String)>,
    commands: Vec<String>,
}

#[test]
fn examples_trigger_their_code_alone_and_fixes_remove_it() {
    let folder = Folder::new(&[]);
    let list = folder.run(&["explain"]).expect(0).stdout;
    for code in list
        .lines()
        .filter_map(|line| line.split_whitespace().next())
    {
        let text = folder.run(&["explain", code]).expect(0).stdout;
        let (example, fix) = text
            .split_once("\n## Example\n")
            .and_then(|(_, rest)| rest.split_once("\n## Fix\n"))
            .unwrap_or_else(|| panic!("{code} needs `## Example` and `## Fix`"));
        let (mut example, mut fix) = (script(example), script(fix));
        if example.commands.is_empty() {
            example.commands.push("agentgen check".to_owned());
        }
        if fix.commands.is_empty() {
            fix.commands.extend(example.commands.last().cloned());
        }
        let project = Folder::new(&[]);
        let found = codes_of(&project, &example);
        assert_eq!(
            found,
            BTreeSet::from([code.to_owned()]),
            "the example of {code}"
        );
        assert_eq!(
            codes_of(&project, &fix),
            BTreeSet::new(),
            "the fix of {code}"
        );
    }
}

#[test]
fn a_code_is_found_in_any_case_and_an_unknown_one_is_refused() {
    let folder = Folder::new(&[]);
    let text = folder.run(&["explain", "ag045"]).expect(0).stdout;
    assert!(
        text.starts_with("# AG045: The setting has a value"),
        "{text}"
    );
    let run = folder.run(&["explain", "AG999"]).expect(2);
    assert!(
        run.stderr.contains("there is no code `AG999`"),
        "{}",
        run.stderr
    );
}

#[test]
fn diagnostics_end_with_the_command_that_explains_them() {
    let folder = Folder::new(&[("agents/a.md", "---\nname: a\n---\nYou are a.\n")]);
    let run = folder.run(&["check"]).expect(0);
    let hint = "run `agentgen explain AG023`";
    assert_eq!(run.stderr.matches(hint).count(), 1, "{}", run.stderr);
}

#[test]
fn the_page_of_the_book_is_the_explanations() {
    let folder = Folder::new(&[]);
    let list = folder.run(&["explain"]).expect(0).stdout;
    let mut page = String::new();
    for code in list
        .lines()
        .filter_map(|line| line.split_whitespace().next())
    {
        let text = folder.run(&["explain", code]).expect(0).stdout;
        let mut in_code = false;
        page.push('\n');
        for line in text.lines() {
            in_code ^= line.starts_with("```");
            let is_heading = line.starts_with('#') && !in_code;
            page.push_str(if is_heading { "#" } else { "" });
            page.push_str(line);
            page.push('\n');
        }
    }
    assert_generated_section("docs/src/diagnostics.md", "diagnostics", &page);
}

/// Reads the blocks of code in `text`: a block below a line such as "`agents/poet.md`" is that file, and the lines of a
/// `console` block that start with `$ ` are commands.
fn script(text: &str) -> Script {
    let mut script = Script::default();
    let mut name = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if language == "console" {
                let commands = block.iter().filter_map(|line| line.strip_prefix("$ "));
                script.commands.extend(commands.map(str::to_owned));
            } else {
                let name = name
                    .take()
                    .expect("the name of the file stands above the block");
                script.files.push((name, block.join("\n") + "\n"));
            }
        } else if let Some(inner) = line
            .strip_prefix('`')
            .and_then(|rest| rest.strip_suffix('`'))
        {
            name = Some(inner.to_owned());
        }
    }
    script
}

/// Runs `script` in `project`; answers the codes of the diagnostics of its last command.
fn codes_of(project: &Folder, script: &Script) -> BTreeSet<String> {
    for (name, text) in &script.files {
        project.write(name, text);
    }
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_agentgen"));
    let folder = binary.parent().unwrap().to_str().unwrap();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let mut stderr = String::new();
    for command in &script.commands {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", command])
            .current_dir(project.path(""))
            .env("PATH", &path);
        stderr = finish(shell).stderr;
    }
    let marked = stderr.split("[AG").skip(1);
    let numbers = marked.filter_map(|rest| rest.split_once(']'));
    numbers.map(|(number, _)| format!("AG{number}")).collect()
}
