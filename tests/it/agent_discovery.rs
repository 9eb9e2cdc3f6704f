//! Where agents are found that nobody has named, and what is left out.

use std::fs;
use std::path::Path;

use agentgen_build::inspect::load_named;
use agentgen_build::{Code, Config, Diagnostic, Project, Severity, generate, load};
use tempfile::TempDir;

fn folder(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let name = file.rsplit('/').next().unwrap();
        let name = name.split('.').next().unwrap();
        let text = match name {
            "README" => "# About\n".to_owned(),
            _ => format!("---\nname: {name}\ndescription: Does one thing.\n---\nIn {file}.\n"),
        };
        fs::write(path, text).unwrap();
    }
    folder
}

fn read(root: &Path, agents: &[&str]) -> Project {
    load(
        root,
        Config {
            agents: agents.iter().map(|entry| (*entry).to_owned()).collect(),
            ..Config::default()
        },
    )
}

fn paths(project: &Project) -> Vec<&str> {
    project.sources.iter().map(|source| source.path()).collect()
}

fn lines(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics.iter().map(ToString::to_string).collect()
}

#[test]
fn without_configuration_it_is_agents_else_those_of_claude() {
    let both = folder(&["agents/a.md", ".claude/agents/b.md", ".github/agents/c.md"]);
    assert_eq!(paths(&read(both.path(), &[])), ["agents/a.md"]);
    let claude = folder(&[".claude/agents/b.md", "docs/c.md"]);
    let project = read(claude.path(), &[]);
    assert_eq!(paths(&project), [".claude/agents/b.md"]);
    assert_eq!(lines(&project.diagnostics), [""; 0]);
    // A folder of that name that holds something else does not count.
    let code = folder(&["agents/README.md", ".claude/agents/b.md"]);
    fs::write(code.path().join("agents/main.py"), "pass\n").unwrap();
    assert_eq!(paths(&read(code.path(), &[])), [".claude/agents/b.md"]);
    let notes = folder(&["agents/README.md"]);
    assert_eq!(paths(&read(notes.path(), &[])), ["agents/README.md"]);
}

#[test]
fn where_neither_is_there_the_error_names_what_is() {
    let root = folder(&[
        ".github/agents/planner.agent.md",
        "my agents/x.md",
        "docs/y.md",
    ]);
    let project = read(root.path(), &[]);
    assert_eq!(
        lines(&project.diagnostics),
        [
            "agents: error[AG091]: there is no such folder, and no `.claude/agents` either \
          (there are agents in `.github/agents`, `my agents`: pass `--agents .github/agents --agents 'my agents'`, \
          or write `agents = [\".github/agents\", \"my agents\"]` in agentgen.toml)"
        ]
    );
    let nothing = folder(&["README.md"]);
    assert_eq!(
        lines(&read(nothing.path(), &[]).diagnostics),
        [
            "agents: error[AG091]: there is no such folder, and no `.claude/agents` either \
          (create it with one Markdown file per agent, or name another one in `agents`)"
        ]
    );
}

#[test]
fn a_repository_is_searched_for_its_folders() {
    let root = folder(&[
        "README.md",
        "repo/README.md",
        "repo/.claude/agents/helper.md",
        "repo/.claude/commands/deploy.md",
        "repo/.github/agents/planner.agent.md",
        "repo/plugins/b/agents/tester.md",
        "repo/plugins/a/agents/writer.md",
        "repo/plugins/a/skills/x/SKILL.md",
        "repo/docs/guide.md",
    ]);
    let project = read(root.path(), &["repo"]);
    assert_eq!(
        paths(&project),
        [
            "repo/.claude/agents/helper.md",
            "repo/.github/agents/planner.agent.md",
            "repo/plugins/a/agents/writer.md",
            "repo/plugins/b/agents/tester.md",
        ]
    );
    assert_eq!(
        project.found_folders,
        [
            "repo/.claude/agents",
            "repo/plugins/a/agents",
            "repo/plugins/b/agents",
            "repo/.github/agents",
        ]
    );
    assert_eq!(lines(&project.diagnostics), [""; 0]);
    assert_eq!(paths(&read(&root.path().join("repo"), &["."])).len(), 4);
    let elsewhere = tempfile::tempdir().unwrap();
    let config = Config {
        agents: vec![root.path().join("repo").to_str().unwrap().to_owned()],
        ..Config::default()
    };
    assert_eq!(load_named(elsewhere.path(), config).sources.len(), 4);
}

#[test]
fn one_hidden_folder_is_enough() {
    for hidden in [
        ".claude/agents",
        ".github/agents",
        ".github/chatmodes",
        ".opencode/agent",
        ".gemini/agents",
    ] {
        let file = format!("repo/{hidden}/helper.md");
        let root = folder(&[&file]);
        assert_eq!(paths(&read(root.path(), &["repo"])), [file], "{hidden}");
    }
}

#[test]
fn other_folders_of_a_repository_are_named() {
    let root = folder(&[
        "repo/.claude/agents/helper.md",
        "repo/categories/core/api.md",
        "repo/categories/core/ui.md",
        "repo/tests/fixtures/x.md",
    ]);
    let project = read(root.path(), &["repo"]);
    assert_eq!(paths(&project), ["repo/.claude/agents/helper.md"]);
    assert_eq!(
        lines(&project.diagnostics),
        [
            "repo: warning[AG097]: of this repository, only the agents in `repo/.claude/agents` are read \
          (there are agents in `repo/categories/core`: pass `--agents repo/categories/core`, \
          or write `agents = [\"repo/categories/core\"]` in agentgen.toml, to read them too)"
        ]
    );
}

#[test]
fn of_many_other_folders_the_one_above_is_named() {
    let mut files = vec!["repo/.claude/agents/helper.md".to_owned()];
    for name in ["a", "b", "c", "d", "e"] {
        files.push(format!("repo/categories/{name}/{name}-agent.md"));
        files.push(format!("repo/plugins/{name}/workers/{name}-worker.md"));
    }
    let names: Vec<&str> = files.iter().map(String::as_str).collect();
    let root = folder(&names);
    let project = read(root.path(), &["repo"]);
    let [line] = lines(&project.diagnostics).try_into().unwrap();
    assert!(
        line.ends_with(
            "(there are agents in 10 folders below `repo/categories`, `repo/plugins`: \
             pass `--agents repo/categories --agents repo/plugins`, \
             or write `agents = [\"repo/categories\", \"repo/plugins\"]` in agentgen.toml, to read them too)"
        ),
        "{line}"
    );
    // What is advised reads them all and nothing else.
    let advised = ["repo", "repo/categories", "repo/plugins"];
    assert_eq!(paths(&read(root.path(), &advised)).len(), 11);
    // A folder that would bring along what is no agent is not advised.
    let command = root.path().join("repo/plugins/a/commands/run.md");
    fs::create_dir_all(command.parent().unwrap()).unwrap();
    fs::write(command, "---\nallowed-tools: Bash\n---\nRun it.\n").unwrap();
    let [line] = lines(&read(root.path(), &["repo"]).diagnostics)
        .try_into()
        .unwrap();
    assert!(
        line.contains("`repo/categories`, `repo/plugins/a/workers`, `repo/plugins/b/workers`"),
        "{line}"
    );
    assert!(!line.contains("`repo/plugins`"), "{line}");
}

#[test]
fn a_folder_of_agents_is_no_repository() {
    let root = folder(&[
        "agents/agents/a.md",
        "agents/core/b.md",
        "team/agents/a.md",
        "team/b.md",
        "plain/core/b.md",
    ]);
    for entry in ["agents", "team", "plain"] {
        let project = read(root.path(), &[entry]);
        assert_eq!(project.found_folders, [""; 0], "{entry}");
    }
    assert_eq!(
        paths(&read(root.path(), &["team"])),
        ["team/agents/a.md", "team/b.md"]
    );
}

#[test]
fn hidden_folders_are_named_where_nothing_else_is_there() {
    let root = folder(&["team/.config/agents/a.md", "team/README.txt"]);
    let project = read(root.path(), &["team"]);
    assert_eq!(
        lines(&project.diagnostics),
        [
            "team: error[AG092]: there are no agents here (hidden folders are passed over; there are agents in \
          `team/.config/agents`: pass `--agents team/.config/agents`, \
          or write `agents = [\"team/.config/agents\"]` in agentgen.toml)"
        ]
    );
}

#[test]
fn hidden_folders_with_agents_are_noted_beside_others() {
    let folder = folder(&["agents/a.md", "agents/.drafts/b.md", "agents/.git/c.md"]);
    let project = read(folder.path(), &["agents"]);
    assert_eq!(paths(&project), ["agents/a.md"]);
    assert_eq!(
        lines(&project.diagnostics),
        [
            "agents/.drafts: note[AG097]: hidden folders are passed over: `agents/.drafts` (there are agents in `agents/.drafts`: pass `--agents agents/.drafts`, or write `agents = [\"agents/.drafts\"]` in agentgen.toml, to read them too)"
        ]
    );
}

#[test]
fn other_endings_of_markdown_are_named() {
    let folder = folder(&[
        "agents/a.md",
        "agents/B.MD",
        "agents/c.markdown",
        "agents/node_modules/x/d.md",
    ]);
    let project = read(folder.path(), &["agents"]);
    assert_eq!(paths(&project), ["agents/a.md"]);
    let told = |path: &str| {
        format!(
            "{path}: warning[AG001]: the file is left out: its name does not end in `.md` (rename it; names of agents end in `.md`, in small letters)"
        )
    };
    assert_eq!(
        lines(&project.diagnostics),
        [told("agents/B.MD"), told("agents/c.markdown")]
    );
}

#[test]
fn a_folder_that_is_not_there_names_those_that_are() {
    let folder = folder(&["agents/a.md"]);
    let project = read(folder.path(), &["agent"]);
    let lines = lines(&project.diagnostics);
    assert!(
        lines[0].starts_with(
            "agent: error[AG091]: there is no such folder (there are agents in `agents`: pass"
        ),
        "{lines:?}"
    );
}

#[test]
fn a_pattern_takes_the_contracts_of_its_agents_along() {
    let folder = folder(&[
        "agents/a.md",
        "agents/a.service.yaml",
        "agents/b.service.json",
    ]);
    let project = read(folder.path(), &["agents/a*.md"]);
    assert_eq!(paths(&project), ["agents/a.md", "agents/a.service.yaml"]);
}

#[test]
fn of_two_folders_that_were_found_the_first_keeps_the_name() {
    let root = folder(&[
        "repo/plugins/a/agents/reviewer.md",
        "repo/plugins/b/agents/reviewer.md",
        "repo/plugins/b/agents/tester.md",
        "repo/plugins/c/agents/tester.md",
    ]);
    let same = fs::read(root.path().join("repo/plugins/b/agents/tester.md")).unwrap();
    fs::write(root.path().join("repo/plugins/c/agents/tester.md"), same).unwrap();
    let generation = generate(&read(root.path(), &["repo"]));
    let found: Vec<&str> = generation
        .agents
        .iter()
        .map(|agent| agent.spec.source.path())
        .collect();
    assert_eq!(
        found,
        [
            "repo/plugins/a/agents/reviewer.md",
            "repo/plugins/b/agents/tester.md"
        ]
    );
    let help = "(to choose the folders yourself, name them with `--agents` or under `agents` in agentgen.toml)";
    assert_eq!(
        lines(&generation.diagnostics),
        [
            format!(
                "repo/plugins/b/agents: warning[AG022]: left out, because `repo/plugins/a/agents` has agents of \
                 these names: `reviewer` {help}"
            ),
            format!(
                "repo/plugins/c/agents: note[AG022]: left out, because `repo/plugins/b/agents` has agents of \
                 these names: `tester` {help}"
            ),
        ]
    );
    // Folders that somebody named are all meant.
    let named = read(
        root.path(),
        &["repo/plugins/a/agents", "repo/plugins/b/agents"],
    );
    let codes: Vec<_> = generate(&named)
        .diagnostics
        .iter()
        .map(|diagnostic| (diagnostic.severity, diagnostic.code))
        .collect();
    assert_eq!(codes, [(Severity::Error, Code::NameCollision)]);
}

#[test]
fn an_exclamation_mark_leaves_out() {
    let root = folder(&[
        "agents/a.md",
        "agents/draft-b.md",
        "agents/external/c.md",
        "agents/external/deep/d.md",
        "agents/e.md",
    ]);
    fs::write(
        root.path().join("agents/e.service.yaml"),
        "rate: 7/minute\n",
    )
    .unwrap();
    for (left_out, expected) in [
        (
            vec!["!agents/external", "!agents/e.md"],
            vec!["agents/a.md", "agents/draft-b.md"],
        ),
        (
            vec!["!agents/external/**", "!agents/draft-*", "!./agents/e.md"],
            vec!["agents/a.md"],
        ),
        (
            vec!["!**/deep", "!agents/*.md"],
            vec!["agents/external/c.md"],
        ),
    ] {
        // With and without the folder itself.
        for agents in [vec!["agents"], vec![]] {
            let entries: Vec<&str> = left_out.iter().chain(&agents).copied().collect();
            let project = read(root.path(), &entries);
            assert_eq!(paths(&project), expected, "{entries:?}");
            assert_eq!(lines(&project.diagnostics), [""; 0]);
        }
    }
    let project = read(root.path(), &["agents", "!agents/externl"]);
    assert_eq!(
        lines(&project.diagnostics),
        [
            "!agents/externl: warning[AG091]: no agent file is left out by this \
          (name a file, a folder or a pattern relative to agentgen.toml, or remove the entry)"
        ]
    );
}

#[cfg(unix)]
#[test]
fn links_inside_a_repository_are_followed_and_others_are_not() {
    use std::os::unix::fs::symlink;

    let root = folder(&[
        "repo/shared/a.md",
        "repo/.claude/agents/b.md",
        "other/c.md",
        "here/x.md",
    ]);
    let agents = root.path().join("repo/.claude/agents");
    symlink("../../shared/a.md", agents.join("a.md")).unwrap();
    symlink("../../../other/c.md", agents.join("c.md")).unwrap();
    fs::create_dir(root.path().join("repo/.git")).unwrap();
    for entry in ["../repo", "../repo/.claude/agents"] {
        let config = Config {
            agents: vec![entry.to_owned()],
            ..Config::default()
        };
        let project = load_named(&root.path().join("here"), config);
        let expected = ["../repo/.claude/agents/a.md", "../repo/.claude/agents/b.md"];
        assert_eq!(paths(&project), expected, "{entry}");
        let outside: Vec<_> = project.diagnostics.iter().collect();
        assert_eq!(outside[0].code, Code::OutsideProject);
        assert_eq!(outside[0].path, "../repo/.claude/agents/c.md");
    }
}

#[test]
fn agents_of_codex_are_named_once() {
    let root = folder(&["repo/agents/a.md", "bare/.claude/agents/b.md"]);
    for file in ["repo/.codex/agents/x.toml", "repo/.codex/agents/y.toml"] {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "name = 'x'\n").unwrap();
    }
    let note = |path: &str| {
        format!(
            "{path}.codex/agents/x.toml: note[AG097]: 2 agents of Codex are not read (to serve one, put its `name` and `description` \
             into the frontmatter of a `.md` file, and its `developer_instructions` below)"
        )
    };
    let repo = root.path().join("repo");
    assert_eq!(lines(&read(&repo, &[]).diagnostics), [note("")]);
    let below = read(root.path(), &["repo", "repo/agents", "bare"]);
    assert_eq!(lines(&below.diagnostics), [note("repo/")]);
    let left_out = read(&repo, &["agents", "!.codex"]);
    assert_eq!(lines(&left_out.diagnostics), [""; 0]);
    let bare = read(&root.path().join("bare"), &[]);
    assert_eq!(lines(&bare.diagnostics), [""; 0]);
}

#[test]
fn many_folders_are_taken_together_in_one_walk() {
    let mut files = Vec::new();
    for project in 0..500 {
        let above = format!("x/g{}/p{project}", project % 10);
        files.push(format!("{above}/a/agents/a{project}.md"));
        files.push(format!("{above}/b/agents/b{project}.md"));
        if project % 2 == 1 {
            files.push(format!("{above}/notes/n{project}.md"));
        }
    }
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let root = folder(&files);
    // Only frontmatter: no agent, but what would be read as one.
    for project in (1..500).step_by(2) {
        let note = format!("x/g{}/p{project}/notes/n{project}.md", project % 10);
        fs::write(root.path().join(note), "---\ntitle: x\n---\n").unwrap();
    }
    let start = std::time::Instant::now();
    let project = read(root.path(), &["nowhere"]);
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    let help = project.diagnostics[0].help.as_ref().unwrap();
    assert!(
        help.contains("1000 folders below `x/g0`, `x/g1/p1/a/agents`"),
        "{help}"
    );
}
