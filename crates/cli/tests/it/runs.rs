//! `agentgen runs`: the runs of a service, from the command line.

use serde_json::{Value, json};

use crate::command_folder::Folder;
use crate::serve::{DESK, Serving, agentgen, serve};

/// Runs `agentgen runs` on the service; gives the exit status and what it printed and told.
fn runs(folder: &Folder, service: &Serving, arguments: &[&str]) -> (Option<i32>, String, String) {
    let service = ["--service", &service.url];
    let arguments = [&["runs"], arguments, &service].concat();
    let output = agentgen(folder, &arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn json_of(folder: &Folder, service: &Serving, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--format", "json"]].concat();
    let (status, printed, told) = runs(folder, service, &arguments);
    assert_eq!(status, Some(0), "{told}");
    serde_json::from_str(&printed).unwrap()
}

#[test]
fn runs_are_listed_shown_restarted_and_deleted() {
    let folder = Folder::new(&[("agents/desk.md", DESK)]);
    let service = serve(&folder);
    let (_, run) = service.post("/v1/workflows/twice/runs", json!({"input": "Go"}));
    let id = run["run_id"].as_str().unwrap();
    let has_ended = || service.get(&format!("/v1/runs/{id}")).1["status"] == "completed";
    service.until(has_ended);

    let (status, table, _) = runs(&folder, &service, &["list", "--workflow", "twice"]);
    assert_eq!(status, Some(0));
    let lines = table.lines().collect::<Vec<_>>();
    assert_eq!(lines.len(), 2, "{table}");
    assert!(lines[0].starts_with("RUN"), "{table}");
    assert!(
        lines[1].contains(id) && lines[1].contains("completed"),
        "{table}"
    );
    let none = json_of(
        &folder,
        &service,
        &["list", "--status", "failed", "--status", "queued"],
    );
    assert_eq!(none, json!([]));

    let (_, shown, _) = runs(&folder, &service, &["show", id]);
    assert!(
        shown.contains("two") && shown.contains("succeeded"),
        "{shown}"
    );
    let restarted = json_of(&folder, &service, &["restart", id]);
    let second = restarted["run_id"].as_str().unwrap();
    assert_eq!(
        json_of(&folder, &service, &["show", second])["restarted_from"],
        id
    );
    service.until(|| service.get(&format!("/v1/runs/{second}")).1["status"] == "completed");
    let limited = json_of(&folder, &service, &["list", "--limit", "1"]);
    assert_eq!(limited[0]["run_id"], second);
    assert_eq!(limited.as_array().unwrap().len(), 1);

    let (_, none, _) = runs(&folder, &service, &["purge", "--older-than", "1h"]);
    assert_eq!(none, "0 runs deleted\n");
    let (_, both, _) = runs(&folder, &service, &["purge", "--older-than", "0s"]);
    assert_eq!(both, "2 runs deleted\n");
}

#[test]
fn what_the_service_refuses_is_told_with_its_reason() {
    let folder = Folder::new(&[("agents/desk.md", DESK)]);
    let service = serve(&folder);
    let (_, run) = service.post("/v1/workflows/twice/runs", json!({"input": "Go"}));
    let id = run["run_id"].as_str().unwrap();
    service.until(|| service.get(&format!("/v1/runs/{id}")).1["status"] == "completed");
    for (what, reason) in [
        ("retry", "the run completed; it can be restarted"),
        ("pause", "the run is over"),
        ("resume", "the run is over"),
        ("cancel", "the run is over"),
    ] {
        let (status, printed, told) = runs(&folder, &service, &[what, id]);
        assert_eq!((status, &*printed), (Some(2), ""), "{what}");
        assert!(told.contains(&format!("409: {reason}")), "{what}: {told}");
    }
    let (status, _, told) = runs(&folder, &service, &["show", "../agents"]);
    assert_eq!(status, Some(2));
    assert!(told.contains("the id of a run"), "{told}");
    let (status, _, told) = runs(&folder, &service, &["purge"]);
    assert_eq!(status, Some(2));
    assert!(told.contains("--older-than"), "{told}");
}

/// Asks before it releases.
const RELEASE: &str = "---
name: release
description: Releases.
service:
  workflows:
    ship:
      steps:
        - confirm: { ask: \"Release {{ input.input }}?\", roles: [admin], timeout: 1h }
---
Hello.
";

#[test]
fn what_runs_ask_is_listed() {
    let folder = Folder::new(&[("agents/release.md", RELEASE)]);
    let service = serve(&folder);
    assert_eq!(json_of(&folder, &service, &["actions"]), json!([]));
    let mut ids = Vec::new();
    for input in ["one", "two"] {
        let (_, run) = service.post("/v1/workflows/ship/runs", json!({"input": input}));
        let id = run["run_id"].as_str().unwrap().to_owned();
        service.until(|| service.get(&format!("/v1/runs/{id}")).1["status"] == "waiting");
        ids.push(id);
    }
    let (status, table, _) = runs(&folder, &service, &["actions"]);
    assert_eq!(status, Some(0));
    let lines = table.lines().collect::<Vec<_>>();
    assert_eq!(lines.len(), 3, "{table}");
    for cell in [&*ids[1], "ship", "question", "admin", "Release two?"] {
        assert!(lines[1].contains(cell), "{table}");
    }
    let newest = json_of(&folder, &service, &["actions", "--limit", "1"]);
    assert_eq!(newest.as_array().unwrap().len(), 1);
    assert_eq!(newest[0]["run_id"], *ids[1]);
}
