//! How the command prints: many diagnostics of one kind, colours.

use crate::command_folder::{Folder, finish};

/// A folder of `count` agents with tools that a service can't run and frontmatter that needs repair.
fn noisy(count: usize) -> Folder {
    let folder = Folder::new(&[]);
    for index in 0..count {
        let tool = if index % 2 == 0 { "Bash" } else { "Edit" };
        let text = format!(
            "---\nname: a{index:02}\ndescription: Helps: a lot.\ntools: Read, {tool}\n---\nPrompt.\n"
        );
        folder.write(&format!("agents/a{index:02}.md"), &text);
    }
    folder
}

#[test]
fn many_diagnostics_of_one_kind_are_shown_as_one() {
    let folder = noisy(5);
    let stderr = folder.run(&["check"]).expect(0).stderr;
    assert!(
        stderr.starts_with(
            "\
note[AG028]: 5 agents list tools that a service can't run: Read, Bash, Edit

warning[AG005]: 5 files have frontmatter that is not valid YAML; it was repaired in memory
 |
 = in: agents/a00.md:3, agents/a01.md:3, agents/a02.md:3, agents/a03.md:3, agents/a04.md:3
 = help: `agentgen check --fix` writes it as valid YAML with the same values

5 warnings, 5 notes in groups; `--verbose` shows each
run `agentgen explain AG005` for an example and its fix
"
        ),
        "{stderr}"
    );
    for verbose in ["--verbose", "-v"] {
        let stderr = folder.run(&["check", verbose]).expect(0).stderr;
        assert_eq!(stderr.matches("note[AG028]").count(), 5, "{stderr}");
        assert_eq!(stderr.matches("warning[AG005]").count(), 5, "{stderr}");
        assert!(!stderr.contains("in groups"), "{stderr}");
    }
    // Programs are told everything.
    let json = folder.run(&["check", "--format", "json"]).expect(0).json();
    assert_eq!(json["diagnostics"].as_array().unwrap().len(), 10);
    // The other commands that report group too.
    assert_eq!(
        folder
            .run(&["build"])
            .expect(0)
            .stderr
            .matches("[AG0")
            .count(),
        2
    );
}

#[test]
fn a_long_list_is_cut_and_says_so() {
    let stderr = noisy(60).run(&["check"]).expect(0).stderr;
    assert!(stderr.contains("agents/a39.md:3 and 20 more\n"), "{stderr}");
    assert!(stderr.lines().all(|line| line.len() < 120), "{stderr}");
}

#[test]
fn a_single_note_is_shown_in_full() {
    let stderr = noisy(1).run(&["check"]).expect(0).stderr;
    assert!(
        stderr.contains("note[AG028]: a service can't run `Read`, `Bash`"),
        "{stderr}"
    );
    assert!(!stderr.contains("in groups"), "{stderr}");
}

#[test]
fn colours_follow_the_argument_then_the_environment() {
    let folder = noisy(5);
    let coloured = |arguments: &[&str], environment: &[(&str, &str)]| {
        let mut command = folder.command_in("", arguments);
        command.envs(environment.iter().copied());
        finish(command).stderr.contains('\u{1b}')
    };
    let (none, force) = (("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1"));
    assert!(!coloured(&["check"], &[]));
    assert!(coloured(&["check"], &[force]));
    assert!(!coloured(&["check"], &[none]));
    assert!(coloured(&["check", "--color", "always"], &[none]));
    assert!(!coloured(&["check", "--color", "never"], &[force]));
    assert!(coloured(&["--color=always", "check"], &[]));
}

#[test]
fn many_errors_on_one_very_long_line_are_drawn_shortly() {
    let keys: String = (0..300).map(|index| format!("foo{index}: 1, ")).collect();
    let folder = Folder::two_agents();
    let line = format!("endpoints: {{ go: {{ {keys} }} }}\n");
    folder.write("agents/first.service.yaml", &line);
    let run = folder.run(&["check"]).expect(1);
    let place = "agents/first.service.yaml:1:20";
    assert!(run.stderr.contains(place), "{}", run.stderr);
    assert!(
        run.stderr.contains("here: foo0: 1, foo1: 1"),
        "{}",
        run.stderr
    );
    let more = "100 errors more; `--verbose` shows each";
    assert!(run.stderr.contains(more), "{}", run.stderr);
    let all = folder.run(&["check", "--verbose"]).expect(1).stderr;
    assert!(
        all.contains("`foo299`") && !all.contains(" more; "),
        "{all}"
    );
}
