//! The command in somebody's repository: agents are found, referred to, and never read or written outside.

use crate::command_folder::{FIRST, Folder, SECOND};

fn read(folder: &Folder, name: &str) -> String {
    std::fs::read_to_string(folder.path(name)).unwrap()
}

const REPOSITORY: [(&str, &str); 4] = [
    ("company/README.md", "# Company\n"),
    ("company/.claude/agents/first.md", FIRST),
    ("company/.claude/agents/notes.md", "# Notes\n"),
    ("company/.github/agents/second.agent.md", SECOND),
];

#[test]
fn check_finds_the_agents_of_a_repository() {
    let folder = Folder::new(&REPOSITORY);
    let run = folder.run_in("company", &["list"]).expect(0);
    let rows: Vec<&str> = run.stdout.lines().skip(1).collect();
    assert_eq!(rows, ["first  1          .claude/agents/first.md"]);
    for (place, agents) in [("company", "."), ("", "company")] {
        let run = folder
            .run_in(place, &["list", "--agents", agents])
            .expect(0);
        assert_eq!(run.stdout.lines().count(), 3, "{}", run.stdout);
        let prefix = if place.is_empty() { "company/" } else { "" };
        let note =
            format!("note: found agents in `{prefix}.claude/agents`, `{prefix}.github/agents`\n");
        assert!(run.stderr.contains(&note), "{}", run.stderr);
    }
    let absolute = folder.path("company");
    let absolute = absolute.to_str().unwrap();
    folder.write("away/x", "");
    let run = folder
        .run_in("away", &["list", "--agents", absolute])
        .expect(0);
    assert_eq!(run.stdout.lines().count(), 3, "{}", run.stdout);
}

#[test]
fn without_agents_the_error_says_what_to_write() {
    let folder = Folder::new(&[("repo/.github/agents/second.agent.md", SECOND)]);
    let run = folder.run_in("repo", &["check"]).expect(1);
    for words in [
        "pass `--agents .github/agents`",
        "`agents = [\".github/agents\"]` in agentgen.toml",
    ] {
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
    let arguments = ["check", "--agents", ".github/agents"];
    folder.run_in("repo", &arguments).expect(0);
}

#[test]
fn new_copies_what_it_finds_in_a_repository_and_counts() {
    let folder = Folder::new(&REPOSITORY);
    folder.write(
        "company/plugins/a/agents/lead.md",
        &FIRST.replace("first", "lead"),
    );
    folder.write(
        "company/plugins/b/agents/lead.md",
        &FIRST.replace("first", "chief"),
    );
    let run = folder.run(&["new", "desk", "--from", "company"]).expect(0);
    assert_eq!(
        folder.names("desk/agents"),
        ["b/lead.md", "first.md", "lead.md", "second.agent.md"]
    );
    let line = "copied 4 agents, found in `company/.claude/agents`, `company/plugins/a/agents`, \
                `company/plugins/b/agents` and 1 more folder\n";
    assert!(run.stderr.contains(line), "{}", run.stderr);
    folder.run_in("desk", &["build"]).expect(0);
}

#[test]
fn new_can_refer_to_agents_instead_of_copying_them() {
    let folder = Folder::new(&REPOSITORY);
    let from = [
        "new",
        "work/desk",
        "--from",
        "company/.claude/agents",
        "--reference",
    ];
    let run = folder.run(&from).expect(0);
    assert!(
        run.stderr.contains("referred to 1 agent\n"),
        "{}",
        run.stderr
    );
    assert!(!folder.path("work/desk/agents").exists());
    let settings = read(&folder, "work/desk/agentgen.toml");
    let expected = "agents = [\"../../company/.claude/agents\"]\nallow_outside = true\n";
    assert!(settings.contains(expected), "{settings}");
    folder.run_in("work/desk", &["build"]).expect(0);
    // A change in the repository is a change of the project.
    folder.write(
        "company/.claude/agents/third.md",
        &FIRST.replace("first", "third"),
    );
    let run = folder.run_in("work/desk", &["list"]).expect(0);
    assert_eq!(run.stdout.lines().count(), 3, "{}", run.stdout);
    folder.run(&["new", "alone", "--reference"]).expect(2);
}

#[test]
fn nothing_is_written_outside_of_the_project() {
    let folder = Folder::new(&[("p/agents/first.md", FIRST), ("victim/x", "")]);
    let before = folder.tree("victim");
    let absolute = folder.path("victim");
    let absolute = absolute.to_str().unwrap().to_owned();
    let settings = [
        "out = \"../victim\"\n".to_owned(),
        format!("out = {absolute:?}\n"),
        "stubs = \"../victim\"\n".to_owned(),
        "agents = [\"agents\", \"../victim\"]\n".to_owned(),
        "templates = \"../victim\"\n".to_owned(),
    ];
    for text in &settings {
        folder.write("p/agentgen.toml", text);
        let run = folder.run_in("p", &["build"]).expect(1);
        assert!(run.stderr.contains("error[AG096]"), "{text}{}", run.stderr);
        assert!(
            run.stderr.contains(&format!("`{absolute}`")),
            "{}",
            run.stderr
        );
        assert_eq!(folder.tree("victim"), before, "{text}");
        assert!(!folder.path("p/generated").exists(), "{text}");
    }
    folder.write("p/agentgen.toml", "");
    folder
        .run_in("p", &["build", "--out", "../victim"])
        .expect(1);
    assert_eq!(folder.tree("victim"), before);
    let allowed = ["build", "--out", "../victim", "--allow-outside"];
    folder.run_in("p", &allowed).expect(0);
    assert!(folder.path("victim/openapi.yaml").exists());
    folder.write(
        "p/agentgen.toml",
        "out = \"../other\"\nallow_outside = true\n",
    );
    folder.run_in("p", &["build"]).expect(0);
    assert!(folder.path("other/openapi.yaml").exists());
}

#[cfg(unix)]
#[test]
fn links_do_not_lead_out_of_the_project() {
    use std::os::unix::fs::symlink;

    let folder = Folder::new(&[
        ("p/agents/first.md", FIRST),
        (
            "out/private.md",
            "---\nname: private\ndescription: a: b: c\n---\nhunter2\n",
        ),
        ("away/mod.rs", ""),
    ]);
    let before = (folder.tree("out"), folder.tree("away"));
    symlink("../../out/private.md", folder.path("p/agents/x.md")).unwrap();
    for arguments in [&["build"][..], &["check"], &["check", "--fix"], &["list"]] {
        let run = folder.run_in("p", arguments).expect(1);
        assert!(run.stderr.contains("agents/x.md"), "{}", run.stderr);
        assert!(!run.stderr.contains("hunter2") && !run.stdout.contains("hunter2"));
    }
    assert_eq!(folder.tree("out"), before.0);
    assert!(!folder.path("p/generated").exists());
    std::fs::remove_file(folder.path("p/agents/x.md")).unwrap();

    symlink("../away", folder.path("p/generated")).unwrap();
    let run = folder.run_in("p", &["build"]).expect(1);
    assert!(run.stderr.contains("error[AG096]"), "{}", run.stderr);
    std::fs::remove_file(folder.path("p/generated")).unwrap();

    std::fs::create_dir(folder.path("p/src")).unwrap();
    symlink("../../away", folder.path("p/src/agents")).unwrap();
    folder.run_in("p", &["add", "poet"]).expect(1);
    assert!(!folder.path("p/agents/poet.md").exists());
    assert_eq!(folder.tree("away"), before.1);
    std::fs::remove_file(folder.path("p/src/agents")).unwrap();
    std::fs::remove_dir_all(folder.path("p/agents")).unwrap();

    // A linked folder inside the project is as good as any other; a link to everything costs nothing.
    folder.write("p/shared/first.md", FIRST);
    symlink("shared", folder.path("p/agents")).unwrap();
    folder.run_in("p", &["list"]).expect(0);
    symlink("/", folder.path("p/shared/root")).unwrap();
    let started = std::time::Instant::now();
    let run = folder.run_in("p", &["check"]).expect(1);
    assert!(run.stderr.contains("leads to `/`"), "{}", run.stderr);
    assert!(started.elapsed().as_secs() < 20);
}

#[test]
fn settings_of_a_folder_above_are_named_once() {
    let folder = Folder::two_agents();
    folder.write("agentgen.toml", "");
    folder.write("sub/x", "");
    let note = "note: the settings are those of ../agentgen.toml\n";
    let run = folder.run_in("sub", &["check"]).expect(0);
    assert_eq!(run.stderr.matches(note).count(), 1, "{}", run.stderr);
    let run = folder.run(&["check"]).expect(0);
    assert!(!run.stderr.contains("the settings are"), "{}", run.stderr);
}
