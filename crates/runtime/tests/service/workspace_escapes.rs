//! Attempts to reach what is outside of the workspace, or what is no file.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use agentgen_runtime::testing::Script;
use serde_json::{Value, json};

use crate::mock_model::{conversation, invoke};
use crate::workspace_fixture::{Desk, Folders, names};

/// The call of each tool with a path.
fn calls(path: &str) -> [(&'static str, Value); 6] {
    let edit = json!({ "old_string": "OUTSIDE", "new_string": "CHANGED" });
    [
        ("Read", json!({ "file_path": path })),
        ("Glob", json!({ "pattern": "**", "path": path })),
        (
            "Grep",
            json!({ "pattern": ".", "path": path, "output_mode": "content" }),
        ),
        ("Write", json!({ "file_path": path, "content": "CHANGED" })),
        (
            "Edit",
            json!({ "file_path": path, "old_string": "OUTSIDE", "new_string": "CHANGED" }),
        ),
        ("MultiEdit", json!({ "file_path": path, "edits": [edit] })),
    ]
}

/// Folders with links of all kinds from the workspace to the outside, and with things that are no files.
fn folders() -> Folders {
    let folders = Folders::new();
    folders.write("a/b.txt", "inside\n");
    let (repo, outside) = (folders.repo(), folders.outside());
    let link = |target: &str, name: &str| symlink(target, repo.join(name)).unwrap();
    link("../outside/secret.txt", "file-link");
    link("../outside", "folder-link");
    link(outside.to_str().unwrap(), "absolute-link");
    link("a/../../outside", "winding-link");
    link("folder-link", "second-link");
    link("../outside/new.txt", "dangling-link");
    link("/proc/self/root", "root-link");
    link("/dev/zero", "zero");
    link("/dev/stdin", "stdin");
    link("loop", "loop");
    let made = Command::new("mkfifo").arg(repo.join("pipe")).status();
    assert!(made.unwrap().success());
    UnixListener::bind(repo.join("socket")).unwrap();
    folders
}

#[tokio::test]
async fn no_path_leads_out_of_the_workspace() {
    let folders = folders();
    let desk = Desk::new(folders.settings(true)).await;
    let before = names(&folders.repo());
    let outside = folders.outside();
    let outside = outside.to_str().unwrap();
    let inside = folders.repo().join("a/b.txt");
    let (long_name, long_path) = ("x".repeat(300), "x/".repeat(3000));
    let escapes = [
        "../outside/secret.txt",
        "..",
        "a/../../outside/secret.txt",
        "a/../a/b.txt",
        "./../outside",
        "/etc/passwd",
        "//etc/passwd",
        outside,
        // One that is inside is none that the operator's settings speak of.
        inside.to_str().unwrap(),
        "~/.ssh/id_rsa",
        "file:///etc/passwd",
        "C:\\Windows\\win.ini",
        "C:/Windows/win.ini",
        "\\\\?\\C:\\x",
        "..\\outside\\secret.txt",
        "file-link",
        "folder-link",
        "folder-link/secret.txt",
        "absolute-link/secret.txt",
        "winding-link/secret.txt",
        "second-link/secret.txt",
        "dangling-link",
        "root-link/etc/passwd",
        "zero",
        "stdin",
        "loop",
        "loop/x",
        "pipe",
        "socket",
        "a/b.txt/../../../outside",
        "a\0b",
        "../outside/secret.txt\0.txt",
        "a\n../outside",
        &long_name,
        &long_path,
    ];
    for path in escapes {
        for (tool, input) in calls(path) {
            let (text, is_error) = desk.call(tool, input).await;
            assert!(is_error, "{tool} {path:?}: {text}");
            assert!(!text.contains("OUTSIDE"), "{tool} {path:?}: {text}");
            // The model learns no path of the machine but the one it wrote.
            assert!(!text.replace(path, "").contains(outside), "{tool}: {text}");
        }
    }
    folders.assert_outside_is_as_it_was();
    assert_eq!(names(&folders.repo()), before);
    assert_eq!(folders.text("a/b.txt"), "inside\n");
}

#[tokio::test]
async fn names_that_look_like_ways_out_are_only_names() {
    let folders = Folders::new();
    let desk = Desk::new(folders.settings(true)).await;
    // Full-width dots and slashes, a one-dot leader twice, percent signs, dots of no meaning.
    for (index, name) in [
        "\u{ff0e}\u{ff0e}/secret.txt",
        "\u{ff0e}\u{ff0e}\u{ff0f}secret.txt",
        "\u{2024}\u{2024}/secret.txt",
        "..%2foutside",
        "%2e%2e/secret.txt",
        ".../secret.txt",
        "..  /secret.txt",
    ]
    .into_iter()
    .enumerate()
    {
        desk.refused("Read", json!({ "file_path": name })).await;
        let content = format!("{index}");
        desk.ok("Write", json!({ "file_path": name, "content": content }))
            .await;
        let text = desk.ok("Read", json!({ "file_path": name })).await;
        assert_eq!(text, format!("     1\t{index}"));
    }
    folders.assert_outside_is_as_it_was();
}

#[tokio::test]
async fn another_spelling_of_a_name_is_another_file() {
    let folders = Folders::new();
    let (composed, decomposed) = ("caf\u{e9}.txt", "cafe\u{301}.txt");
    folders.write(composed, "composed");
    folders.write("README.md", "upper");
    let desk = Desk::new(folders.settings(true)).await;
    for (name, other) in [(decomposed, composed), ("readme.md", "README.md")] {
        let before = folders.text(other);
        // Where the file system takes both for one name, the call is refused; else they are two files.
        let (text, is_error) = desk
            .call("Write", json!({ "file_path": name, "content": "new" }))
            .await;
        assert!(!is_error || text.contains("another spelling"), "{text}");
        assert_eq!(folders.text(other), before);
    }
}

#[tokio::test]
async fn searches_follow_no_link_and_wait_for_nothing() {
    let folders = folders();
    let desk = Desk::new(folders.settings(false)).await;
    let found = desk.ok("Glob", json!({ "pattern": "**" })).await;
    assert_eq!(found, "a/b.txt");
    let input = json!({ "pattern": "", "output_mode": "content" });
    assert_eq!(desk.ok("Grep", input).await, "a/b.txt:1:inside");
    for pattern in ["../**", "/etc/*", "a/../../outside/*", "folder-link/*"] {
        let (text, _) = desk.call("Glob", json!({ "pattern": pattern })).await;
        assert!(!text.contains("secret"), "{pattern}: {text}");
        let input = json!({ "pattern": ".", "glob": pattern, "output_mode": "content" });
        let (text, _) = desk.call("Grep", input).await;
        assert!(!text.contains("OUTSIDE"), "{pattern}: {text}");
    }
}

#[tokio::test]
async fn links_inside_are_read_and_never_written_through() {
    let folders = Folders::new();
    folders.write("AGENTS.md", "agents\n");
    folders.write("docs/a.md", "a\n");
    symlink("AGENTS.md", folders.repo().join("CLAUDE.md")).unwrap();
    symlink("docs", folders.repo().join("pages")).unwrap();
    let desk = Desk::new(folders.settings(true)).await;
    for path in ["CLAUDE.md", "pages/a.md"] {
        desk.ok("Read", json!({ "file_path": path })).await;
        for (tool, input) in calls(path).into_iter().skip(3) {
            let text = desk.refused(tool, input).await;
            assert!(text.contains("is a link"), "{tool}: {text}");
        }
    }
    assert_eq!(folders.text("AGENTS.md"), "agents\n");
    assert_eq!(
        names(&folders.repo()),
        ["AGENTS.md", "CLAUDE.md", "docs", "pages"]
    );
}

#[tokio::test]
async fn what_programs_of_version_control_run_is_not_written() {
    let folders = Folders::new();
    folders.write(".git/config", "[core]\n");
    folders.write(".git/hooks/pre-commit", "#!/bin/sh\n");
    folders.write("sub/.gitignore", "x\n");
    symlink(".git", folders.repo().join("link")).unwrap();
    let desk = Desk::new(folders.settings(true)).await;
    for path in [
        ".git/config",
        ".git/hooks/post-commit",
        ".git/hooks/pre-commit",
        "./.git//config",
        ".GIT/hooks/post-commit",
        "link/hooks/post-commit",
        "sub/.git/hooks/post-commit",
        "sub/.git",
        ".hg/hgrc",
        "new/.jj/repo/config",
    ] {
        for (tool, input) in calls(path).into_iter().skip(3) {
            desk.refused(tool, input).await;
        }
    }
    assert_eq!(names(&folders.repo()), [".git", "link", "sub"]);
    assert_eq!(names(&folders.repo().join(".git/hooks")), ["pre-commit"]);
    assert_eq!(folders.text(".git/config"), "[core]\n");
    desk.ok(
        "Write",
        json!({ "file_path": "sub/.gitignore", "content": "y\n" }),
    )
    .await;
}

/// Until `is_over`, a link to the outside takes the place of a folder, `swap`, and of a file, `swap.txt`, and is replaced again.
fn swap(repo: &Path, is_over: &AtomicBool) -> u32 {
    let rename = |from: &str, to: &str| {
        while fs::rename(repo.join(from), repo.join(to)).is_err() {
            // `Write` makes folders that are missing.
            let _ = fs::remove_dir_all(repo.join(to));
        }
    };
    let take_place = |made: std::io::Result<()>| {
        if made.is_ok() {
            fs::rename(repo.join("next.txt"), repo.join("swap.txt")).unwrap();
        }
        // There still, if both were the same file.
        let _ = fs::remove_file(repo.join("next.txt"));
    };
    let mut swaps = 0;
    while !is_over.load(Ordering::Relaxed) {
        rename("swap", "real");
        rename("link", "swap");
        rename("swap", "link");
        rename("real", "swap");
        for _ in 0..8 {
            take_place(symlink("../outside/secret.txt", repo.join("next.txt")));
            take_place(fs::hard_link(
                repo.join("inside.txt"),
                repo.join("next.txt"),
            ));
        }
        swaps += 1;
    }
    swaps
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_appears_between_check_and_use_leads_nowhere() {
    let folders = Folders::new();
    folders.write("swap/secret.txt", "inside\n");
    folders.write("inside.txt", "inside\n");
    folders.write("swap.txt", "inside\n");
    let repo = folders.repo();
    symlink("../outside", repo.join("link")).unwrap();
    let desk = Desk::new(folders.settings(true)).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let swaps = {
        let is_over = Arc::clone(&is_over);
        std::thread::spawn(move || swap(&repo, &is_over))
    };
    let mut succeeded = 0;
    for _ in 0..30 {
        // All at once.
        let mut script = Script::text("");
        for path in ["swap/secret.txt", "swap.txt", "swap/new/x.txt"] {
            for (tool, input) in calls(path) {
                script = script.then_tool_call(tool, &input);
            }
        }
        for path in ["swap", "."] {
            for (tool, input) in calls(path).into_iter().take(3) {
                script = script.then_tool_call(tool, &input);
            }
        }
        for path in ["swap/secret.txt", "swap.txt"].repeat(20) {
            let input = json!({ "file_path": path });
            script = script.then_tool_call("Read", &input);
            let input = json!({ "pattern": ".", "path": path, "output_mode": "content" });
            script = script.then_tool_call("Grep", &input);
        }
        desk.model.push(script);
        desk.model.push(Script::text("ok"));
        assert_eq!(invoke(&desk.app, "go").await.status, 200);
        let requests = desk.model.requests();
        let last = conversation(&requests.last().unwrap().body).last().unwrap();
        for result in last["content"].as_array().unwrap() {
            let text = result["content"].as_str().unwrap();
            assert!(!text.contains("OUTSIDE"), "{text}");
            succeeded += usize::from(result["is_error"] != true);
        }
        folders.assert_outside_is_as_it_was();
    }
    is_over.store(true, Ordering::Relaxed);
    // Both were at work for long enough.
    assert!(swaps.join().unwrap() > 10);
    assert!(succeeded > 30, "{succeeded}");
}
