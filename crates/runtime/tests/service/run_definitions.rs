//! Runs and processes of different definitions of one workflow, and what steps may put out.

use std::time::Duration;

use agentgen_runtime::workflow::{OnFailure, StepSpec, WorkflowLimits, WorkflowSpec};
use agentgen_runtime::{Settings, Store};

use crate::http_client::{eventually, get, post};
use crate::store_fixture::on_each_store;
use crate::workflow_fixture::{
    RecordedInputs, WorkflowApp, registry_of, step, step_report, step_statuses, workflow,
};

/// Settings that allow one run at a time.
fn one_at_a_time() -> Settings {
    Settings {
        workflows: WorkflowLimits {
            runs: 1,
            lease: Duration::from_millis(300),
            ..WorkflowLimits::default()
        },
        ..Settings::default()
    }
}

/// Starts two runs of a first definition, of which the second one waits, and then a process with another definition.
async fn with_another_definition(
    store: &Store,
    other: WorkflowSpec,
) -> (WorkflowApp, String, String, WorkflowApp) {
    let first = workflow(vec![step("a", &[], "hang")]);
    let first = WorkflowApp::with_store(first, store.clone(), one_at_a_time());
    let running = first.start_run().await;
    let waiting = first.start_run().await;
    assert!(eventually(|| first.inputs().len() == 1).await);
    let second = WorkflowApp::with_store(other, store.clone(), one_at_a_time());
    // A run of its own definition comes to its end, so that it has looked for runs.
    assert_eq!(second.run_to_end().await["status"], "completed");
    (first, running, waiting, second)
}

#[tokio::test]
async fn a_run_is_executed_only_by_processes_with_its_definition() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let other = workflow(vec![step("b", &[], "so"), step("a", &["b"], "so")]);
        let (first, running, waiting, second) = with_another_definition(&store, other).await;
        assert_eq!(second.inputs(), ["so", "so"]);
        let report = get(&second.app, &waiting).await.json();
        assert_eq!(report["status"], "queued", "{report}");
        let counted = "agentgen_workflow_other_definitions{workflow=\"play\"} 1\n";
        let is_counted = async || get(&second.app, "/metrics").await.text.contains(counted);
        for _ in 0..500 {
            if is_counted().await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(is_counted().await);

        // Any process cancels it at once.
        post(&second.app, &format!("{waiting}/cancel"), "").await;
        let report = get(&second.app, &waiting).await.json();
        assert_eq!(report["status"], "cancelled", "{report}");
        assert!(!report["ended_at"].is_null());
        let events = second.events(&waiting).await;
        assert_eq!(events.last().unwrap().1["type"], "run.finished");
        post(&first.app, &format!("{running}/cancel"), "").await;
        assert_eq!(first.final_report(&running).await["status"], "cancelled");
    })
    .await;
}

#[tokio::test]
async fn a_run_whose_workflow_is_gone_is_cancelled_at_once() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let other = WorkflowSpec {
            name: "play",
            ..workflow(vec![step("z", &[], "so")])
        };
        let (first, running, waiting, second) = with_another_definition(&store, other).await;
        let renamed = WorkflowSpec {
            name: "performance",
            operation_id: "runPerformance",
            ..workflow(vec![step("a", &[], "hang")])
        };
        let registry = registry_of(renamed, &RecordedInputs::default()).store(store.clone());
        let third = WorkflowApp::from_registry(registry, one_at_a_time());
        let answer = post(&third.app, &format!("{waiting}/cancel"), "").await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        let report = get(&third.app, &waiting).await.json();
        assert_eq!(report["status"], "cancelled", "{report}");
        post(&first.app, &format!("{running}/cancel"), "").await;
        first.final_report(&running).await;
        drop(second);
    })
    .await;
}

#[tokio::test]
async fn settings_of_steps_are_no_part_of_the_definition() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let spec = workflow(vec![step("a", &[], "hang")]);
        let first = WorkflowApp::with_store(spec, store.clone(), one_at_a_time());
        first.start_run().await;
        let waiting = first.start_run().await;
        let retrying = StepSpec {
            attempts: 3,
            backoff_ms: 7,
            timeout_ms: Some(50),
            ..step("a", &[], "hang")
        };
        let spec = WorkflowSpec {
            concurrency: Some(1),
            timeout_ms: Some(60_000),
            ..workflow(vec![retrying])
        };
        let second = WorkflowApp::with_store(spec, store, Settings::default());
        // Its supervisor starts with the first run.
        second.start_run().await;
        let report = second.final_report(&waiting).await;
        assert_eq!(step_report(&report, "a")["attempts"], 3, "{report}");
    })
    .await;
}

#[tokio::test]
async fn a_step_with_a_too_large_output_fails() {
    let settings = Settings {
        workflows: WorkflowLimits {
            output_bytes: 300,
            ..WorkflowLimits::default()
        },
        ..Settings::default()
    };
    let small = step("a", &[], "so");
    let large = StepSpec {
        attempts: 3,
        on_failure: OnFailure::Skip,
        ..step("b", &[], &"long ".repeat(100))
    };
    let service = WorkflowApp::with_store(workflow(vec![small, large]), Store::memory(), settings);
    let report = service.run_to_end().await;
    assert_eq!(step_statuses(&report), ["succeeded", "failed"]);
    let failed = step_report(&report, "b");
    assert_eq!(failed["error"]["status"], 413);
    let detail = failed["error"]["detail"].as_str().unwrap();
    assert!(
        detail.ends_with("limits.output_bytes allows 300"),
        "{detail}"
    );
    assert_eq!(failed["attempts"], 1, "another attempt would not help");
}

#[tokio::test]
async fn handlers_learn_the_key_of_their_step() {
    let steps = vec![step("a", &[], "key"), step("b", &["a"], "key")];
    let service = WorkflowApp::new(workflow(steps));
    let report = service.run_to_end().await;
    let run = report["run_id"].as_str().unwrap();
    for id in ["a", "b"] {
        let output = &step_report(&report, id)["output"];
        assert_eq!(*output, format!("did: {run}/{id}"));
    }
    let path = "/v1/agents/worker/invoke";
    let answer = post(&service.app, path, r#"{"input":"key"}"#).await;
    assert_eq!(answer.json()["output"], "did: none");
}
