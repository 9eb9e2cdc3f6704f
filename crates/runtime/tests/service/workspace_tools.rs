//! Tools on the files of a workspace, and what they do for those who may use them.

use std::fs;
use std::time::{Duration, SystemTime};

use agentgen_runtime::Settings;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::testing::Script;
use agentgen_runtime::tools::{ToolContext, tool};
use agentgen_runtime::workspace::WorkspaceSettings;
use serde_json::json;

use crate::mock_model::{agent, invoke, mock_server, offered_tools, registry_of};
use crate::workspace_fixture::{Desk, Folders, last_result, names};

#[derive(serde::Deserialize, agentgen_runtime::schemars::JsonSchema)]
struct Nothing {}

const READING: [&str; 3] = ["Glob", "Grep", "Read"];
const ALL: [&str; 6] = ["Edit", "Glob", "Grep", "MultiEdit", "Read", "Write"];

#[tokio::test]
async fn agents_get_the_tools_that_settings_and_their_lists_admit() {
    let folders = Folders::new();
    let (read, write) = (folders.settings(false), folders.settings(true));
    let no_one: &[&str] = &[];
    for (workspace, tools, denied, expected) in [
        (None, None, no_one, no_one),
        (None, Some(&["Read", "TodoWrite"][..]), &[], &["TodoWrite"]),
        (Some(&read), None, &[], &READING),
        (Some(&write), None, &[], &ALL),
        (
            Some(&write),
            None,
            &["Write", "edit", "MultiEdit"],
            &READING,
        ),
        (Some(&write), Some(&["Read", "Bash"]), &[], &["Read"]),
        (Some(&write), Some(&["books"]), &[], &[]),
    ] {
        let desk = agent(|agent| {
            agent.tools = tools;
            agent.denied_tools = denied;
        });
        let desk = Desk::of(desk, workspace.cloned()).await;
        desk.model.push(Script::text("ok"));
        assert_eq!(invoke(&desk.app, "go").await.status, 200);
        let offered = offered_tools(&desk.model.requests()[0].body);
        assert_eq!(offered, expected, "{tools:?} {denied:?}");
    }
    // What was not offered is refused.
    let desk = Desk::new(read).await;
    for tool in ["Write", "TodoWrite"] {
        let text = desk.refused(tool, json!({})).await;
        assert_eq!(text, "denied: this agent has no such tool");
    }
}

#[tokio::test]
async fn a_tool_of_the_program_goes_before_one_of_the_workspace() {
    let folders = Folders::new();
    let model = mock_server([
        Script::text("").then_tool_call("Read", &json!({})),
        Script::text("ok"),
    ])
    .await;
    let own = |_: ToolContext, _: Nothing| async { Ok("the program's own") };
    let own = tool("Read", "Reads.", own);
    let settings = Settings {
        workspace: Some(folders.settings(false)),
        ..model.settings(ProviderKind::Anthropic)
    };
    let app = registry_of(agent(|_| {})).tool(own).into_router(settings);
    assert_eq!(invoke(&app.unwrap(), "go").await.status, 200);
    let body = &model.requests()[1].body;
    assert_eq!(last_result(body).0, "the program's own");
    assert_eq!(offered_tools(body), READING);
}

#[tokio::test]
async fn read_numbers_lines_and_says_where_it_stops() {
    let folders = Folders::new();
    folders.write("a.txt", "one\r\ntwo\nthree");
    folders.write("empty.txt", "");
    folders.write("image.png", b"\x89PNG\0\0");
    folders.write("latin.txt", b"caf\xe9\n");
    folders.write("long.txt", "x".repeat(5000));
    let many: String = (1..=3000).map(|line| format!("{line}\n")).collect();
    folders.write("many.txt", many);
    let desk = Desk::new(folders.settings(false)).await;
    let read = async |input| desk.ok("Read", input).await;
    let text = read(json!({ "file_path": "a.txt" })).await;
    assert_eq!(text, "     1\tone\n     2\ttwo\n     3\tthree");
    let text = read(json!({ "file_path": "./a.txt", "offset": 2, "limit": 1 })).await;
    assert_eq!(
        text,
        "     2\ttwo\n[cut off: the file has 3 lines; go on with `offset` 3]"
    );
    let text = read(json!({ "file_path": "a.txt", "offset": 9 })).await;
    assert_eq!(text, "[the file has 3 lines]");
    assert_eq!(
        read(json!({ "file_path": "empty.txt" })).await,
        "[the file is empty]"
    );
    let text = read(json!({ "file_path": "many.txt" })).await;
    assert!(text.contains("\n  2000\t2000\n["), "{text}");
    assert!(
        text.ends_with("3000 lines; go on with `offset` 2001]"),
        "{text}"
    );
    let text = read(json!({ "file_path": "latin.txt" })).await;
    assert!(
        text.contains("caf\u{fffd}\n[the file is not valid UTF-8"),
        "{text}"
    );
    let text = read(json!({ "file_path": "long.txt" })).await;
    assert!(text.ends_with("x [cut off]") && text.len() < 2100, "{text}");
    for (path, part) in [
        ("image.png", "is binary"),
        ("none.txt", "there is no file `none.txt`"),
        ("a.txt/b", "no folder"),
        (".", "that of a folder"),
    ] {
        let text = desk.refused("Read", json!({ "file_path": path })).await;
        assert!(text.contains(part), "{text}");
    }
    let text = desk.refused("Read", json!({ "path": "a.txt" })).await;
    assert!(text.contains("the input does not fit"), "{text}");
}

#[tokio::test]
async fn results_and_files_have_limits() {
    let folders = Folders::new();
    folders.write("big.txt", "match\n".repeat(4000));
    folders.write("huge.txt", "match\n".repeat(20_000));
    let settings = WorkspaceSettings {
        result_bytes: 4096,
        file_bytes: 50_000,
        ..folders.settings(true)
    };
    let desk = Desk::new(settings).await;
    let text = desk.ok("Read", json!({ "file_path": "big.txt" })).await;
    assert!(text.len() < 4200 && text.contains("[cut off"), "{text}");
    let input = json!({ "pattern": "match", "output_mode": "content" });
    let text = desk.ok("Grep", input).await;
    assert!(text.len() < 4200 && text.contains("[cut off"), "{text}");
    let text = desk.ok("Grep", json!({ "pattern": "match" })).await;
    assert_eq!(
        text,
        "big.txt\n[1 files are too large and were not searched]"
    );
    for (tool, input) in [
        ("Read", json!({ "file_path": "huge.txt" })),
        (
            "Edit",
            json!({ "file_path": "huge.txt", "old_string": "a", "new_string": "b" }),
        ),
        (
            "Write",
            json!({ "file_path": "new.txt", "content": "x".repeat(50_001) }),
        ),
        (
            "Edit",
            json!({ "file_path": "big.txt", "old_string": "match", "new_string": "x".repeat(100), "replace_all": true }),
        ),
    ] {
        let text = desk.refused(tool, input).await;
        assert!(text.contains("50000"), "{text}");
    }
    assert_eq!(names(&folders.repo()), ["big.txt", "huge.txt"]);
    // The time of a search.
    let settings = WorkspaceSettings {
        search_timeout: Duration::from_nanos(1),
        ..folders.settings(false)
    };
    let desk = Desk::new(settings).await;
    for (tool, input) in [
        ("Grep", json!({ "pattern": "match" })),
        ("Grep", json!({ "pattern": "match", "path": "big.txt" })),
        ("Glob", json!({ "pattern": "**" })),
    ] {
        let text = desk.ok(tool, input).await;
        assert!(
            text.contains("[stopped: the time of a search is over"),
            "{text}"
        );
    }
}

/// A small repository.
fn repository() -> Folders {
    let folders = Folders::new();
    for (path, text) in [
        (".gitignore", "target/\n*.log\n/local.txt\n"),
        (".git/config", "needle\n"),
        (".github/workflows/ci.yml", "needle: 1\n"),
        ("local.txt", "needle\n"),
        ("debug.log", "needle\n"),
        ("target/out.rs", "needle\n"),
        ("src/main.rs", "fn main() {\n    needle();\n}\n"),
        ("src/lib/.gitignore", "!keep.log\nown.rs\n"),
        ("src/lib/keep.log", "needle\n"),
        ("src/lib/own.rs", "needle\n"),
        ("src/lib/util.rs", "// Needle\nfn needle() {}\n"),
        ("src/local.txt", "nothing\n"),
        ("web/app.ts", "needle();\nneedle();\n"),
        ("binary.bin", "needle\0"),
    ] {
        folders.write(path, text);
    }
    let start = SystemTime::now() - Duration::from_secs(1000);
    for (age, path) in ["src/main.rs", "web/app.ts", "src/lib/util.rs"]
        .iter()
        .enumerate()
    {
        let file = fs::File::options()
            .append(true)
            .open(folders.repo().join(path));
        let time = start - Duration::from_secs(10 * age as u64);
        file.unwrap().set_modified(time).unwrap();
    }
    folders
}

#[tokio::test]
async fn glob_lists_the_files_that_were_changed_last_first() {
    let folders = repository();
    let desk = Desk::new(folders.settings(false)).await;
    for (pattern, path, expected) in [
        ("**/*.rs", None, "src/main.rs\nsrc/lib/util.rs"),
        (
            "*.{rs,ts}",
            None,
            "src/main.rs\nweb/app.ts\nsrc/lib/util.rs",
        ),
        ("./src/*.rs", None, "src/main.rs"),
        ("*.rs", Some("src/lib"), "src/lib/util.rs"),
        ("lib/*.rs", Some("src"), "src/lib/util.rs"),
        ("**/*.log", None, "src/lib/keep.log"),
        ("local.txt", None, "src/local.txt"),
        ("target/**", None, "[no files found]"),
        ("**/config", None, "[no files found]"),
        ("**/*.yml", None, "[no files found]"),
        (".github/**/*.yml", None, ".github/workflows/ci.yml"),
        (".git/**", None, "[no files found]"),
    ] {
        let text = desk
            .ok("Glob", json!({ "pattern": pattern, "path": path }))
            .await;
        assert_eq!(text, expected, "{pattern} {path:?}");
    }
    for (pattern, path) in [("[", "."), ("**", "none"), ("**", "src/main.rs"), ("", ".")] {
        desk.refused("Glob", json!({ "pattern": pattern, "path": path }))
            .await;
    }
}

#[tokio::test]
async fn grep_finds_files_lines_and_counts() {
    let folders = repository();
    let desk = Desk::new(folders.settings(false)).await;
    for (input, expected) in [
        (
            json!({ "pattern": "needle" }),
            "src/lib/keep.log\nsrc/lib/util.rs\nsrc/main.rs\nweb/app.ts",
        ),
        (
            json!({ "pattern": "needle", "head_limit": 1, "offset": 1, "type": "rust" }),
            "src/main.rs",
        ),
        (
            json!({ "pattern": "needle", "output_mode": "count", "path": "web" }),
            "web/app.ts:2",
        ),
        (
            json!({ "pattern": "^\\s+needle", "output_mode": "content" }),
            "src/main.rs:2:    needle();",
        ),
        (
            json!({ "pattern": "needle", "output_mode": "content", "-n": false, "glob": "*.ts" }),
            "web/app.ts:needle();\nweb/app.ts:needle();",
        ),
        (
            json!({ "pattern": "NEEDLE", "output_mode": "content", "-i": true, "type": "rust", "-A": 1, "-B": 1 }),
            "src/lib/util.rs:1:// Needle\nsrc/lib/util.rs:2:fn needle() {}\n--\n\
             src/main.rs-1-fn main() {\nsrc/main.rs:2:    needle();\nsrc/main.rs-3-}",
        ),
        (
            json!({ "pattern": "main.*needle", "multiline": true, "output_mode": "content", "path": "src/main.rs" }),
            "src/main.rs:1:fn main() {\nsrc/main.rs:2:    needle();",
        ),
        (
            json!({ "pattern": "needle", "glob": "src/** !*.log" }),
            "src/lib/util.rs\nsrc/main.rs",
        ),
        (
            json!({ "pattern": "needle", "glob": ".github/**" }),
            ".github/workflows/ci.yml",
        ),
        (json!({ "pattern": "nowhere" }), "[nothing found]"),
    ] {
        let text = desk.ok("Grep", input.clone()).await;
        let text = text.split("\n[cut off").next().unwrap();
        assert_eq!(text, expected, "{input}");
    }
    for (input, part) in [
        (json!({ "pattern": "(" }), "the pattern can't be used"),
        (json!({ "pattern": "x", "type": "klingon" }), "klingon"),
        (
            json!({ "pattern": "x", "path": "none" }),
            "there is no folder `none`",
        ),
        (
            json!({ "pattern": "(\\w{500}){500}" }),
            "the pattern can't be used",
        ),
        (
            json!({ "pattern": "x", "output_mode": "all" }),
            "/output_mode",
        ),
    ] {
        let text = desk.refused("Grep", input).await;
        assert!(text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn write_and_edit_change_whole_files() {
    let folders = Folders::new();
    folders.write("a.txt", "one two one\n");
    let desk = Desk::new(folders.settings(true)).await;
    let text = desk
        .ok(
            "Write",
            json!({ "file_path": "new/deep/b.txt", "content": "b\n" }),
        )
        .await;
    assert_eq!(text, "`new/deep/b.txt` is new: 1 lines");
    assert_eq!(folders.text("new/deep/b.txt"), "b\n");
    desk.ok(
        "Write",
        json!({ "file_path": "new/deep/b.txt", "content": "c" }),
    )
    .await;
    assert_eq!(folders.text("new/deep/b.txt"), "c");
    let edit = |old: &str, new: &str| json!({ "file_path": "a.txt", "old_string": old, "new_string": new });
    let text = desk.refused("Edit", edit("one", "1")).await;
    assert!(text.contains("2 times"), "{text}");
    desk.ok("Edit", edit("two", "2")).await;
    let mut all = edit("one", "1");
    all["replace_all"] = json!(true);
    let text = desk.ok("Edit", all).await;
    assert_eq!(text, "`a.txt` was changed in 2 places");
    assert_eq!(folders.text("a.txt"), "1 2 1\n");
    // One that is not possible undoes the others.
    let edits = |last: &str| {
        let edits = [("2", "two"), ("two", "three"), (last, "x")];
        let edits = edits.map(|(old, new)| json!({ "old_string": old, "new_string": new }));
        json!({ "file_path": "a.txt", "edits": edits })
    };
    let text = desk.refused("MultiEdit", edits("nowhere")).await;
    assert_eq!(
        text,
        "edit 3 of 3: `old_string` is not in the file; `a.txt` was not changed"
    );
    assert_eq!(folders.text("a.txt"), "1 2 1\n");
    desk.ok("MultiEdit", edits("three")).await;
    assert_eq!(folders.text("a.txt"), "1 x 1\n");
    let new = json!({ "file_path": "c.txt", "old_string": "", "new_string": "c\n" });
    assert_eq!(desk.ok("Edit", new).await, "`c.txt` is new");
    // Nothing else is left behind.
    assert_eq!(names(&folders.repo()), ["a.txt", "c.txt", "new"]);
}

#[tokio::test]
async fn edits_of_one_answer_do_not_lose_each_other() {
    let folders = Folders::new();
    folders.write("a.txt", "0 1 2 3 4 5 6 7 8 9\n");
    let desk = Desk::new(folders.settings(true)).await;
    let mut script = Script::text("");
    for digit in 0..10 {
        let edit =
            json!({ "file_path": "a.txt", "old_string": digit.to_string(), "new_string": "x" });
        script = script.then_tool_call("Edit", &edit);
    }
    desk.model.push(script);
    desk.model.push(Script::text("ok"));
    assert_eq!(invoke(&desk.app, "go").await.status, 200);
    assert_eq!(folders.text("a.txt"), "x x x x x x x x x x\n");
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_keeps_its_mode_and_a_read_only_one_its_text() {
    use std::os::unix::fs::PermissionsExt;
    let folders = Folders::new();
    folders.write("run.sh", "echo 1\n");
    folders.write("fixed.txt", "fixed\n");
    let mode = |path: &str, mode| {
        let path = folders.repo().join(path);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("run.sh", 0o750);
    mode("fixed.txt", 0o444);
    let desk = Desk::new(folders.settings(true)).await;
    desk.ok(
        "Write",
        json!({ "file_path": "run.sh", "content": "echo 2\n" }),
    )
    .await;
    let metadata = fs::metadata(folders.repo().join("run.sh")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o750);
    assert_eq!(folders.text("run.sh"), "echo 2\n");
    let text = desk
        .refused("Write", json!({ "file_path": "fixed.txt", "content": "" }))
        .await;
    assert_eq!(text, "`fixed.txt` is read-only");
    assert_eq!(folders.text("fixed.txt"), "fixed\n");
}

#[tokio::test]
async fn a_list_is_replaced_as_a_whole_and_ends_with_its_run() {
    let desk = agent(|agent| agent.tools = Some(&["TodoWrite"]));
    let desk = Desk::of(desk, None).await;
    let todo = |content: &str, status: &str| json!({ "content": content, "status": status, "activeForm": format!("Doing {content}") });
    let list = |todos: &[serde_json::Value]| json!({ "todos": todos });
    let first = list(&[
        todo("a", "completed"),
        todo("b", "in_progress"),
        todo("c", "pending"),
    ]);
    let second = list(&[todo("b", "completed")]);
    desk.model
        .push(Script::text("").then_tool_call("TodoWrite", &first));
    desk.model
        .push(Script::text("").then_tool_call("TodoWrite", &second));
    desk.model.push(Script::text("ok"));
    assert_eq!(invoke(&desk.app, "go").await.status, 200);
    let requests = desk.model.requests();
    assert_eq!(
        last_result(&requests[1].body).0,
        "The list has 3 items: 1 completed, 1 in progress, 1 pending. Now: Doing b."
    );
    assert_eq!(
        last_result(&requests[2].body).0,
        "The list has 1 items: 1 completed, 0 in progress, 0 pending. No longer there, and not completed: c."
    );
    // Another run has another list.
    let text = desk.ok("TodoWrite", list(&[])).await;
    assert_eq!(
        text,
        "The list has 0 items: 0 completed, 0 in progress, 0 pending."
    );
    for wrong in [
        todo("", "pending"),
        todo("a", "done"),
        json!({ "content": "a" }),
    ] {
        let text = desk.refused("TodoWrite", list(&[wrong])).await;
        assert!(text.contains("the input does not fit"), "{text}");
    }
}

#[test]
fn a_workspace_that_can_not_be_used_is_an_error_at_the_start() {
    let folders = Folders::new();
    folders.write("file.txt", "");
    let repo = folders.repo();
    let repo = repo.display();
    for (text, part) in [
        (format!("root = \"{repo}/none\""), "none` can't be opened"),
        (format!("root = \"{repo}/file.txt\""), "is no folder"),
        (
            "write = true".to_owned(),
            "is of no use without workspace.root",
        ),
        (
            format!("root = \"{repo}\"\nresult_bytes = 10"),
            "must be 4096 at least",
        ),
        (
            format!("root = \"{repo}\"\nfile_bytes = 0"),
            "must be 1 at least",
        ),
        (
            format!("root = \"{repo}\"\nsearch_timeout = \"0s\""),
            "must be longer",
        ),
    ] {
        let text = format!("[workspace]\n{text}\n");
        let error = Settings::from_text("service.toml", &text, |_| Ok(None)).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("service.toml: workspace."), "{error}");
        assert!(error.contains(part), "{error}");
    }
    let text = format!("[workspace]\nroot = \"{repo}\"\nwrite = true\n");
    let settings = Settings::from_text("service.toml", &text, |_| Ok(None)).unwrap();
    assert_eq!(settings.workspace, Some(folders.settings(true)));
    // Also where a program makes the settings itself.
    let settings = Settings {
        workspace: Some(WorkspaceSettings::new("no/such/folder")),
        ..Settings::default()
    };
    let error = registry_of(agent(|_| {}))
        .into_router(settings)
        .unwrap_err();
    assert!(error.to_string().starts_with("workspace.root: "), "{error}");
}
