//! `agentgen new` in a folder that is there: a fresh repository, an empty mount point; and the quick start as people paste it.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::command_folder::Folder;

/// What a repository of a code host starts with.
const REPOSITORY: [(&str, &str); 5] = [
    (".git/HEAD", "ref: refs/heads/main\n"),
    (".gitignore", "*.log\ntarget/"),
    ("LICENSE", "Mine.\n"),
    ("README.md", "# Mine\n"),
    (".gitattributes", "* text=auto\n"),
];

#[test]
fn a_fresh_repository_becomes_a_project_and_keeps_its_files() {
    let folder = Folder::new(&REPOSITORY.map(|(name, text)| (name, text)));
    let run = folder.run(&["new", ".", "--name", "desk"]).expect(0);
    assert!(run.stdout.starts_with("cd .\n"), "{}", run.stdout);
    for note in ["your README.md stays", ".gitignore got the lines"] {
        assert!(run.stderr.contains(note), "{}", run.stderr);
    }
    let read = |name: &str| fs::read_to_string(folder.path(name)).unwrap();
    for (name, text) in REPOSITORY.iter().filter(|(name, _)| *name != ".gitignore") {
        assert_eq!(read(name), *text, "{name}");
    }
    let ignored = read(".gitignore");
    let expected = "*.log\ntarget/\n/generated\n/data\n/agentgen.db*\n.env\n";
    assert_eq!(ignored, expected);
    assert!(read("Cargo.toml").contains("name = \"desk\""));
    assert!(
        !folder
            .names("")
            .iter()
            .any(|name| name.contains(".agentgen-new"))
    );
    // An update leaves the user's own files alone.
    folder.run(&["update", "--check"]).expect(0);
    // A second time, it is a project.
    let again = folder.run(&["new", "."]).expect(1);
    assert!(
        again.stderr.contains("the folder is not empty"),
        "{}",
        again.stderr
    );
}

#[test]
fn every_spelling_of_a_readme_and_a_licence_is_let_be() {
    for (files, kept) in [
        (&["readme.rst", "COPYING"][..], "readme.rst"),
        (&["README", "LICENSE-MIT", "LICENSE-APACHE"], "README"),
        (&["ReadMe.txt", "Licence.md", "lost+found/x"], "ReadMe.txt"),
    ] {
        let files: Vec<_> = files.iter().map(|name| (*name, "mine\n")).collect();
        let folder = Folder::new(&files);
        folder.run(&["new", ".", "--name", "desk"]).expect(0);
        assert!(
            !folder.names("").contains(&"README.md".to_owned()),
            "{kept}"
        );
        for (name, text) in files {
            assert_eq!(fs::read_to_string(folder.path(name)).unwrap(), text);
        }
    }
    let folder = Folder::new(&[
        ("README.md", ""),
        ("src/lib.rs", ""),
        ("a", ""),
        ("b", ""),
        ("c", ""),
    ]);
    let before = folder.tree("");
    let run = folder.run(&["new", "."]).expect(1);
    assert!(
        run.stderr.contains("it has `a`, `b`, `c` and 1 more"),
        "{}",
        run.stderr
    );
    assert_eq!(folder.tree(""), before);
}

/// Nothing may be written beside the folder: it may be a mount point, and its parent may belong to somebody else.
#[cfg(unix)]
#[test]
fn nothing_is_written_beside_a_folder_that_is_there() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new(&[("parent/other", "")]);
    fs::create_dir(folder.path("parent/mine")).unwrap();
    let set = |mode| fs::set_permissions(folder.path("parent"), fs::Permissions::from_mode(mode));
    set(0o555).unwrap();
    let run = folder.run_in("parent/mine", &["new", "."]);
    set(0o755).unwrap();
    run.expect(0);
    assert!(folder.path("parent/mine/Cargo.toml").is_file());
    assert_eq!(
        folder
            .tree("parent")
            .iter()
            .filter(|(name, _)| !name.starts_with("mine/"))
            .count(),
        1
    );
}

/// As root, permissions don't stop anybody; a mount point does.
#[cfg(target_os = "linux")]
#[test]
fn an_empty_mount_point_is_filled() {
    let folder = Folder::new(&[]);
    fs::create_dir(folder.path("mount")).unwrap();
    // In namespaces of its own, anybody may mount.
    let script = "mount -t tmpfs none mount && cd mount && \"$0\" new . --name desk && test -f Cargo.toml && ls -A";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(env!("CARGO_BIN_EXE_agentgen"))
        .current_dir(folder.path(""))
        .output();
    let Ok(output) = output else {
        println!("left out: there is no `unshare` here");
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    if said.starts_with("unshare:") || said.contains("mount: ") {
        println!("left out: {said}");
        return;
    }
    assert!(output.status.success(), "{said}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains(".agentgen-new"));
}

/// The commands of a pasted block are read by the shell one after the other: none of them may read the rest of the block.
#[cfg(unix)]
#[test]
fn the_quick_start_can_be_pasted_as_a_block() {
    let root = crate::embedded_sources::root_of_workspace();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let block = readme
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .find(|block| block.contains("agentgen new "))
        .unwrap();
    // The build takes minutes, and the installation has been done.
    let words: Vec<String> = block
        .lines()
        .map(|line| match line.starts_with("cargo ") {
            true => format!("echo \"$PWD: {line}\""),
            false => line.to_owned(),
        })
        .collect();
    let folder = Folder::new(&[]);
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_agentgen"));
    let path = std::env::var("PATH").unwrap();
    let mut shell = Command::new("bash")
        .current_dir(folder.path(""))
        .env(
            "PATH",
            format!("{}:{path}", binary.parent().unwrap().display()),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = shell.stdin.take().unwrap();
    stdin
        .write_all((words.join("\n") + "\n").as_bytes())
        .unwrap();
    drop(stdin);
    let output = shell.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    for command in ["support: cargo test", "support: cargo run"] {
        assert!(stdout.contains(command), "{stdout}\n{said}");
    }
    assert!(folder.path("support/Cargo.toml").is_file());
}
