//! The operations that start, follow and cancel runs of workflows.

use std::fs;
use std::path::Path;

use agentgen_build::{OpenapiFormat, OpenapiVersion};
use serde_json::{Value, json};

use super::{PORTER, VERSIONS, build, built, operations};

const WORKER: &str = "---
name: worker
description: Works.
service:
  endpoints:
    check: { roles: [auditor], input: { text: string } }
  workflows:
    up: [a: worker]
    Down All:
      input: { goal: string }
      steps:
      - a: { agent: worker, endpoint: check, with: { text: '{{ input.goal }}' } }
---
Work.
";

#[test]
fn workflow_runs_can_be_started_followed_and_cancelled() {
    let files = [("agents/worker.md", WORKER)];
    for (version, _) in VERSIONS {
        let file = built(&files, version);
        let document = file("openapi.json");
        let ids: Vec<(&str, &str, &str)> = operations(&document)
            .into_iter()
            .filter(|(_, path, _)| {
                ["/runs", "/workflows", "/actions"]
                    .iter()
                    .any(|part| path.contains(part))
            })
            .map(|(method, path, operation)| {
                (method, path, operation["operationId"].as_str().unwrap())
            })
            .collect();
        assert_eq!(
            ids,
            [
                ("post", "/v1/workflows/down-all/runs", "startDownAll"),
                ("post", "/v1/workflows/up/runs", "startUp"),
                ("get", "/v1/runs", "listRuns"),
                ("delete", "/v1/runs", "deleteRuns"),
                ("get", "/v1/actions", "listActions"),
                ("get", "/v1/runs/{run_id}", "getRun"),
                ("get", "/v1/runs/{run_id}/actions/{action_id}", "getAction"),
                (
                    "post",
                    "/v1/runs/{run_id}/actions/{action_id}",
                    "answerAction"
                ),
                ("post", "/v1/runs/{run_id}/events/{event}", "sendRunEvent"),
                ("post", "/v1/runs/{run_id}/cancel", "cancelRun"),
                ("post", "/v1/runs/{run_id}/pause", "pauseRun"),
                ("post", "/v1/runs/{run_id}/resume", "resumeRun"),
                ("post", "/v1/runs/{run_id}/retry", "retryRun"),
                ("post", "/v1/runs/{run_id}/restart", "restartRun"),
                ("get", "/v1/runs/{run_id}/events", "listRunEvents"),
            ]
        );
        let start = |name: &str| &document["paths"][format!("/v1/workflows/{name}/runs")]["post"];
        let responses = |name: &str| -> Vec<String> {
            let map = start(name)["responses"].as_object().unwrap();
            map.keys().cloned().collect()
        };
        let every = [
            "202", "400", "401", "403", "406", "408", "409", "413", "415", "421", "422", "429",
            "500", "503",
        ];
        assert_eq!(responses("up"), every);
        // What a step asks has a role, and the workflow is no way around it.
        for name in ["up", "down-all"] {
            let description = start(name)["description"].as_str().unwrap();
            assert!(
                description.ends_with("Needs one of the roles auditor."),
                "{description}"
            );
        }
        assert!(start("up")["responses"]["202"]["headers"]["Location"].is_object());
        let schemas = &document["components"]["schemas"];
        let required = |name: &str| &schemas[name]["required"];
        assert_eq!(required("StartUpRequest"), &json!(["input"]));
        assert_eq!(required("StartDownAllRequest"), &json!(["goal"]));
        // The fragment of the agent and a document without workflows have none of it.
        let fragment = file("openapi/worker.json");
        assert!(fragment["paths"].get("/v1/runs/{run_id}").is_none());
        let plain = build(
            &[("agents/porter.md", PORTER)],
            version,
            OpenapiFormat::Json,
        );
        let plain = plain
            .artifacts
            .iter()
            .find(|file| file.path == "openapi.json");
        let plain = String::from_utf8(plain.unwrap().bytes.clone()).unwrap();
        assert!(!plain.contains("Workflow") && !plain.contains("/v1/runs"));
    }
}

/// Of both streams: what 3.2 allows as the name of an event is what tells the documents apart, and that is what
/// `openapi/schemas.json` has from the Rust types that the runtime sends (a test of the runtime compares those).
#[test]
fn a_stream_of_3_2_allows_the_events_that_the_runtime_sends() {
    let document = built(&[("agents/worker.md", WORKER)], OpenapiVersion::V3_2)("openapi.json");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/runtime/openapi/schemas.json");
    let sent: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mapping = |schemas: &Value, name: &str| -> Vec<String> {
        let mapping = schemas[name]["discriminator"]["mapping"].as_object();
        mapping.unwrap().keys().cloned().collect()
    };
    let schemas = &document["components"]["schemas"];
    for (events, item) in [
        ("AgentEvent", "AgentStreamItem"),
        ("WorkflowEvent", "WorkflowStreamItem"),
    ] {
        let types = mapping(&sent, events);
        assert!(types.len() > 5, "{types:?}");
        assert_eq!(mapping(schemas, events), types, "{events}");
        let name = format!("{item}Event");
        let reference = format!("#/components/schemas/{name}");
        assert_eq!(schemas[item]["properties"]["event"]["$ref"], reference);
        assert_eq!(schemas[&name]["enum"], json!(types), "{name}");
    }
}
