//! `agentgen suggest` on agents that others wrote.
//!
//! `AGENTGEN_SEEDS` and `AGENTGEN_CORPUS` name the folders of the reference agents and of public agent files; without them these
//! tests print that they were not run.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command_folder::{Folder, collect};
use crate::suggest::agent;
use serde_json::Value;

fn folder(variable: &str) -> Option<PathBuf> {
    let folder = std::env::var_os(variable).map(PathBuf::from);
    if folder.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{variable} is not set");
        eprintln!("not run: {variable} is not set");
    }
    folder
}

#[test]
fn the_reference_agents_are_read_whole() {
    let Some(seeds) = folder("AGENTGEN_SEEDS") else {
        return;
    };
    let read = |name: &str| fs::read_to_string(seeds.join(name)).unwrap();
    let text = read("orchestrator.md");
    let alone = Folder::new(&[("agents/orchestrator.md", &text)]);
    let findings = &alone.findings("orchestrator")["findings"];
    let list = |key: &str| findings[key].as_array().unwrap();
    let names_of = |items: &[Value], key: &str| -> Vec<String> {
        let names = items
            .iter()
            .map(|item| item[key].as_str().unwrap().to_owned());
        names.collect()
    };
    let specialists = names_of(list("specialists"), "name");
    assert_eq!(
        specialists,
        [
            "backend-specialist",
            "database-migration-specialist",
            "frontend-specialist",
            "api-integration-specialist",
            "cloudops-engineer",
            "deployment-engineer",
            "dapr-event-specialist",
            "architect",
            "spec-kit-architect",
            "python-cli",
        ]
    );
    let groups: Vec<&Vec<Value>> = list("workflows")
        .iter()
        .map(|workflow| workflow["groups"].as_array().unwrap())
        .collect();
    let parallel: Vec<(usize, usize)> = groups
        .iter()
        .enumerate()
        .flat_map(|(index, groups)| {
            let groups = groups.iter().filter(|group| group["parallel"] == true);
            groups.map(move |group| (index + 1, group["steps"].as_array().unwrap().len()))
        })
        .collect();
    assert_eq!(parallel, [(1, 2), (3, 2), (4, 2), (8, 3)]);
    let counts: Vec<usize> = groups.iter().map(|groups| groups.len()).collect();
    assert_eq!(counts, [5, 5, 5, 6, 2, 3, 2, 5]);
    assert_eq!(
        names_of(findings["output"]["properties"].as_array().unwrap(), "name"),
        [
            "agents_invoked",
            "integration_points",
            "final_status",
            "deliverables",
            "next_steps"
        ]
    );
    let diff = alone.run(&["suggest", "orchestrator"]).expect(0).stdout;
    for name in &specialists {
        let line = format!("+  #   - {name}\n");
        assert!(diff.contains(&line), "{line}");
    }
    assert_eq!(diff.matches("- parallel:").count(), 4);
    alone.apply(&diff);
    alone.run(&["check"]).expect(0);

    let whole = Folder::new(&[("agents/orchestrator.md", &text)]);
    for name in &specialists {
        whole.write(&format!("agents/{name}.md"), &agent(name));
    }
    whole.apply(&whole.run(&["suggest", "orchestrator"]).expect(0).stdout);
    let checked = whole
        .run(&["show", "orchestrator", "--format", "json"])
        .expect(0);
    let shown: Value = serde_json::from_str(&checked.stdout).unwrap();
    let workflows = shown["workflows"].as_array().map(Vec::len);
    assert_eq!(workflows, Some(8));
    whole.run(&["check"]).expect(0);

    let text = read("fastapi-orchestrator.md");
    let alone = Folder::new(&[("agents/fastapi-orchestrator.md", &text)]);
    let run = alone.run(&["suggest", "fastapi-orchestrator"]).expect(0);
    for path in ["/chat", "/search", "/embed", "/health", "/auth"] {
        assert!(run.stdout.contains(&format!("path: {path}\n")), "{path}");
    }
    assert!(run.stderr.contains("found 5 routes\n"), "{}", run.stderr);
    alone.apply(&run.stdout);
    alone.run(&["check"]).expect(0);
    let shown = alone
        .run(&["show", "fastapi-orchestrator", "--format", "json"])
        .expect(0);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    let answers: Vec<(&str, &str, bool)> = shown["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap();
            (text("path"), text("handler"), one["retrieve"].is_object())
        })
        .collect();
    assert_eq!(
        answers[1..],
        [
            ("/chat", "model", true),
            ("/search", "search", false),
            ("/embed", "embed", false),
            ("/health", "code", false),
            ("/auth", "code", false),
        ]
    );
    assert_eq!(shown["documents"]["collection"], "fastapi-orchestrator");
    let chat = &shown["endpoints"][1]["output"]["properties"];
    for property in ["output", "session_id", "citations"] {
        assert!(chat.get(property).is_some(), "{property}: {chat}");
    }
}

#[test]
fn no_public_agent_gets_a_block_that_check_refuses() {
    let Some(corpus) = folder("AGENTGEN_CORPUS") else {
        return;
    };
    let mut files = Vec::new();
    collect(&corpus.join("agents"), "", &mut files);
    files.retain(|(name, _)| name.ends_with(".md"));
    assert!(files.len() >= 211, "only {} files", files.len());
    let (mut proposed, mut with_others) = (0, 0);
    for (name, bytes) in files {
        let text = String::from_utf8(bytes).unwrap();
        let file = Path::new(&name).file_name().unwrap().to_str().unwrap();
        let path = format!("agents/{file}");
        let folder = Folder::new(&[(&path, &text)]);
        let run = folder.run(&["suggest", &path, "--format", "json"]);
        if run.status != 0 {
            folder.run(&["check"]).expect(1);
            continue;
        }
        let found: Value = serde_json::from_str(&run.stdout).unwrap();
        let Some(diff) = found["diff"].as_str() else {
            continue;
        };
        proposed += 1;
        folder.apply(diff);
        folder.run(&["check"]).expect(0);
        let missing = found["missing"].as_array().unwrap();
        if missing.is_empty() {
            continue;
        }
        with_others += 1;
        folder.write(&path, &text);
        for name in missing.iter().map(|name| name.as_str().unwrap()) {
            folder.write(&format!("agents/{name}.md"), &agent(name));
        }
        folder.apply(&folder.run(&["suggest", &path]).expect(0).stdout);
        folder.run(&["check"]).expect(0);
    }
    assert!(
        proposed >= 30 && with_others >= 1,
        "{proposed} {with_others}"
    );
}
