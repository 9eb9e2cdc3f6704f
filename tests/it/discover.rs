//! Which files a project is made of.

use std::fs;
use std::path::Path;

use agentgen_build::inspect::relative;
use agentgen_build::{Code, Config, Project, Severity, load};
use tempfile::TempDir;

fn folder(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    folder
}

fn with_agents(agents: &[&str]) -> Config {
    Config {
        agents: agents.iter().map(|entry| (*entry).to_owned()).collect(),
        ..Config::default()
    }
}

fn paths(project: &Project) -> Vec<&str> {
    project.sources.iter().map(|source| source.path()).collect()
}

fn diagnostics(project: &Project) -> Vec<String> {
    project
        .diagnostics
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn reads_folders_sorted() {
    let root = folder(&[
        "agents/b.md",
        "agents/a.service.yaml",
        "agents/a.md",
        "agents/B.yml",
        "agents/sub/deep/c.yaml",
        "agents/notes.txt",
        "agents/.hidden.md",
        "agents/.git/x.md",
        "elsewhere/x.md",
    ]);
    let project = load(root.path(), Config::default());
    assert_eq!(
        paths(&project),
        [
            "agents/B.yml",
            "agents/a.md",
            "agents/a.service.yaml",
            "agents/b.md",
            "agents/sub/deep/c.yaml"
        ]
    );
    assert_eq!(project.sources[1].text(), "agents/a.md");
    assert_eq!(diagnostics(&project), [""; 0]);
}

#[test]
fn leaves_out_the_output_folder() {
    let root = folder(&["a.md", "generated/prompts/a/prompt.md", "sub/b.md"]);
    let project = load(root.path(), with_agents(&["."]));
    assert_eq!(paths(&project), ["a.md", "sub/b.md"]);
    let config = Config {
        out: "sub".to_owned(),
        ..with_agents(&["sub"])
    };
    let project = load(root.path(), config);
    assert_eq!(project.diagnostics[0].code, Code::BadConfig);
}

#[test]
fn reads_patterns_and_files_once() {
    let root = folder(&[
        ".claude/agents/a.md",
        "x/agents/b.md",
        "x/agents/b.txt",
        "x/y/agents/c.md",
        "x/y/d.md",
    ]);
    let config = with_agents(&[
        ".claude/agents/*.md",
        "x/**/agents/*",
        "x/agents",
        "x/agents/b.md",
        "x/y/d.md",
    ]);
    let project = load(root.path(), config);
    assert_eq!(
        paths(&project),
        [
            ".claude/agents/a.md",
            "x/agents/b.md",
            "x/y/agents/c.md",
            "x/y/d.md"
        ]
    );
    assert_eq!(diagnostics(&project), [""; 0]);
}

#[test]
fn files_outside_have_relative_paths() {
    let root = folder(&["shared/agents/a.md", "project/x"]);
    let outside = |agents: &str| Config {
        allow_outside: true,
        ..with_agents(&[agents])
    };
    let project = load(&root.path().join("project"), outside("../shared/agents"));
    assert_eq!(paths(&project), ["../shared/agents/a.md"]);
    let absolute = root.path().join("shared/agents");
    let config = outside(absolute.to_str().unwrap());
    let project = load(&root.path().join("project"), config);
    assert_eq!(paths(&project), ["../shared/agents/a.md"]);
    assert_eq!(
        relative(Path::new("/a/b/c"), Path::new("/a/x/../y/d")),
        "../../y/d"
    );
    assert_eq!(relative(Path::new("/a"), Path::new("/a/.")), ".");
}

#[test]
fn says_what_is_missing_or_empty() {
    let root = folder(&["empty/notes.txt", "full/a.md"]);
    let project = load(root.path(), with_agents(&["nowhere", "empty"]));
    let found: Vec<_> = project
        .diagnostics
        .iter()
        .map(|diagnostic| {
            (
                diagnostic.severity,
                diagnostic.code,
                diagnostic.path.as_str(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (Severity::Error, Code::NotFound, "nowhere"),
            (Severity::Error, Code::NoAgents, "empty")
        ]
    );
    let project = load(root.path(), with_agents(&["full", "empty", "full/*.yaml"]));
    let found: Vec<_> = project
        .diagnostics
        .iter()
        .map(|diagnostic| (diagnostic.severity, diagnostic.path.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (Severity::Warning, "empty"),
            (Severity::Warning, "full/*.yaml")
        ]
    );
}

#[test]
fn what_can_not_be_read_does_not_stop_the_others() {
    let root = folder(&["agents/a.md", "agents/z.md"]);
    fs::write(root.path().join("agents/large.md"), vec![b'x'; 2_000_000]).unwrap();
    fs::write(root.path().join("agents/odd.md"), [b'a', b'\n', 0xff]).unwrap();
    let project = load(root.path(), Config::default());
    assert_eq!(paths(&project), ["agents/a.md", "agents/z.md"]);
    let codes: Vec<Code> = project
        .diagnostics
        .iter()
        .map(|diagnostic| diagnostic.code)
        .collect();
    assert_eq!(codes, [Code::TooLarge, Code::NotText]);
    assert!(diagnostics(&project)[0].contains("2000000 bytes"));
}

#[cfg(unix)]
#[test]
fn links_come_to_an_end() {
    use std::os::unix::fs::symlink;

    let root = folder(&["agents/real/a.md", "outside/b.md"]);
    let agents = root.path().join("agents");
    symlink("..", agents.join("real/up")).unwrap();
    symlink("real", agents.join("also")).unwrap();
    symlink("../outside", agents.join("linked")).unwrap();
    symlink("gone.md", agents.join("dangling.md")).unwrap();
    symlink("self.md", agents.join("self.md")).unwrap();
    let project = load(root.path(), Config::default());
    assert_eq!(paths(&project), ["agents/linked/b.md", "agents/real/a.md"]);
    let found: Vec<_> = project
        .diagnostics
        .iter()
        .map(|diagnostic| (diagnostic.code, diagnostic.path.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (Code::Io, "agents/dangling.md"),
            (Code::Io, "agents/self.md")
        ]
    );
}

#[test]
fn templates_are_known_below_their_folder() {
    let root = folder(&[
        "agents/a.md",
        "templates/rust/agent.rs.tera",
        "templates/readme.md",
        "templates/a.tera",
    ]);
    fs::write(root.path().join("templates/b.tera"), [0xff]).unwrap();
    let project = load(root.path(), Config::default());
    let names: Vec<&str> = project
        .templates
        .iter()
        .map(|template| template.name.as_str())
        .collect();
    assert_eq!(names, ["a.tera", "rust/agent.rs.tera"]);
    assert_eq!(project.diagnostics[0].path, "templates/b.tera");
}

#[test]
fn every_folder_of_the_settings_is_inside_the_project() {
    let root = folder(&["agents/a.md", "project/agents/a.md", "project/x"]);
    let project = root.path().join("project");
    let other = root.path().join("agents");
    let defaults = Config::default;
    let other = other.to_str().unwrap();
    let outside = [
        (with_agents(&["../agents"]), "../agents"),
        (with_agents(&["agents", "../agents/*.md"]), "../agents"),
        (with_agents(&["../agents/a.md"]), "../agents/a.md"),
        (with_agents(&[other]), "../agents"),
        (
            Config {
                out: "../out".to_owned(),
                ..defaults()
            },
            "../out",
        ),
        (
            Config {
                out: other.to_owned(),
                ..defaults()
            },
            "../agents",
        ),
        (
            Config {
                stubs: Some("../stubs".to_owned()),
                ..defaults()
            },
            "../stubs",
        ),
        (
            Config {
                templates: "../agents".to_owned(),
                ..defaults()
            },
            "../agents",
        ),
    ];
    for (config, path) in outside {
        let read = load(&project, config.clone());
        let found: Vec<_> = read
            .diagnostics
            .iter()
            .map(|diagnostic| (diagnostic.code, diagnostic.path.as_str()))
            .collect();
        assert_eq!(found, [(Code::OutsideProject, path)], "{config:?}");
        let allowed = Config {
            allow_outside: true,
            ..config
        };
        assert_eq!(diagnostics(&load(&project, allowed)), [""; 0]);
    }
}

#[cfg(unix)]
#[test]
fn links_out_of_the_project_are_errors_that_name_both_ends() {
    use std::os::unix::fs::symlink;

    let root = folder(&["project/agents/a.md", "project/inside/c.md", "out/b.md"]);
    let agents = root.path().join("project/agents");
    symlink("../../out/b.md", agents.join("file.md")).unwrap();
    symlink("../../out", agents.join("folder")).unwrap();
    symlink("../../out/gone.md", agents.join("gone.md")).unwrap();
    symlink("../inside", agents.join("near")).unwrap();
    symlink("/", agents.join("root")).unwrap();
    symlink("../../out/b.txt", agents.join("not-an-agent.txt")).unwrap();
    symlink("../out", root.path().join("project/generated")).unwrap();
    let load = |allow_outside| {
        let config = Config {
            agents: vec!["agents".to_owned()],
            allow_outside,
            ..Config::default()
        };
        load(&root.path().join("project"), config)
    };
    let project = load(false);
    assert_eq!(paths(&project), ["agents/a.md", "agents/near/c.md"]);
    let ends: Vec<_> = project
        .diagnostics
        .iter()
        .map(|diagnostic| {
            let end = diagnostic.message.split('`').nth(1).unwrap();
            assert_eq!(diagnostic.code, Code::OutsideProject);
            (diagnostic.path.as_str(), Path::new(end).file_name())
        })
        .collect();
    assert_eq!(
        ends,
        [
            ("agents/file.md", Some("b.md".as_ref())),
            ("agents/folder", Some("out".as_ref())),
            ("agents/gone.md", Some("gone.md".as_ref())),
            ("agents/root", None),
            ("generated", Some("out".as_ref())),
        ]
    );
    fs::remove_file(agents.join("root")).unwrap();
    fs::remove_file(agents.join("folder")).unwrap();
    let project = load(true);
    assert_eq!(
        paths(&project),
        ["agents/a.md", "agents/file.md", "agents/near/c.md"]
    );
}
