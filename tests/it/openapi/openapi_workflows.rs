//! The operations that start, follow and cancel runs of workflows.

use agentgen_build::OpenapiFormat;
use serde_json::json;

use super::{PORTER, VERSIONS, build, built, operations};

#[test]
fn workflow_runs_can_be_started_followed_and_cancelled() {
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
    let files = [("agents/worker.md", WORKER)];
    for (version, _) in VERSIONS {
        let file = built(&files, version);
        let document = file("openapi.json");
        let ids: Vec<(&str, &str, &str)> = operations(&document)
            .into_iter()
            .filter(|(_, path, _)| path.contains("/runs") || path.contains("/workflows"))
            .map(|(method, path, operation)| {
                (method, path, operation["operationId"].as_str().unwrap())
            })
            .collect();
        assert_eq!(
            ids,
            [
                ("post", "/v1/workflows/down-all/runs", "startDownAll"),
                ("post", "/v1/workflows/up/runs", "startUp"),
                ("get", "/v1/runs/{run_id}", "getRun"),
                ("post", "/v1/runs/{run_id}/cancel", "cancelRun"),
                ("get", "/v1/runs/{run_id}/events", "listRunEvents"),
            ]
        );
        let start = |name: &str| &document["paths"][format!("/v1/workflows/{name}/runs")]["post"];
        let responses = |name: &str| -> Vec<String> {
            let map = start(name)["responses"].as_object().unwrap();
            map.keys().cloned().collect()
        };
        let every = [
            "202", "400", "401", "406", "408", "409", "413", "415", "421", "422", "429", "500",
            "503",
        ];
        assert_eq!(responses("up"), every);
        // What a step asks has a role, and the workflow is no way around it.
        assert!(responses("down-all").contains(&"403".to_owned()));
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
