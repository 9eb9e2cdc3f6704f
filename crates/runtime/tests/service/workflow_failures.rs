//! Failed steps, timeouts, and cancelled runs.

use std::time::Duration;

use agentgen_runtime::Settings;
use agentgen_runtime::workflow::{Join, OnFailure, StepSpec, Template};
use serde_json::{Value, json};

use crate::http_client::{get, post};
use crate::run_events::event_lines;
use crate::store_fixture::on_each_store;
use crate::workflow_fixture::{
    STEP, WorkflowApp, diamond, step, step_report, step_statuses, workflow,
};

#[tokio::test]
async fn a_step_is_retried_for_transient_failures_only() {
    let tried = |order| StepSpec {
        attempts: 3,
        on_failure: OnFailure::Skip,
        ..step("a", &[], order)
    };
    for (order, attempts, status) in [
        ("flaky 2", 3, "succeeded"),
        ("fail", 3, "failed"),
        ("refuse", 1, "failed"),
        ("panic", 3, "failed"),
    ] {
        let service = WorkflowApp::new(workflow(vec![tried(order)]));
        let report = service.run_to_end().await;
        assert_eq!(step_report(&report, "a")["attempts"], attempts, "{report}");
        assert_eq!(step_statuses(&report), [status]);
        assert_eq!(service.inputs().len(), attempts);
        let metrics = get(&service.app, "/metrics").await.text;
        let counted = format!(
            "agentgen_workflow_steps_total{{status=\"{status}\",step=\"a\",workflow=\"play\"}} 1"
        );
        assert!(metrics.contains(&counted), "{metrics}");
        if order == "flaky 2" {
            let counted = "agentgen_workflow_decisions_total{decision=\"retry\",step=\"a\",workflow=\"play\"} 2";
            assert!(metrics.contains(counted), "{metrics}");
        }
    }
}

#[tokio::test]
async fn a_step_input_is_sent_as_json_and_to_a_fallback_as_text() {
    for (with, inputs) in [
        (r#"{"topic":"ducks"}"#, r#"{"topic":"ducks"}"#),
        (r#"{"input":5,"loud":true}"#, r#"{"input":5,"loud":true}"#),
        (r#"{"input":"say it","loud":true}"#, "say it"),
    ] {
        let step = StepSpec {
            with: Some(Template::Json(with)),
            on_failure: OnFailure::Fallback("helper"),
            ..STEP
        };
        let service = WorkflowApp::new(workflow(vec![step]));
        let report = service.run_to_end().await;
        // The agent of the step accepts an object with a text `input` only.
        assert_eq!(step_report(&report, "a")["error"]["status"], 422, "{with}");
        assert_eq!(service.inputs(), [inputs.to_owned()], "{with}");
        assert_eq!(report["status"], "completed", "{with}");
    }
}

/// A failing step, a parallel one, and one that needs the failing step.
async fn failing(on_failure: OnFailure, order: &str) -> (Value, Vec<String>) {
    let first = StepSpec {
        on_failure,
        ..step("first", &[], order)
    };
    let steps = vec![
        first,
        step("beside", &[], "wait 100"),
        step("after", &["first"], "wait 1"),
    ];
    let service = WorkflowApp::new(workflow(steps));
    (service.run_to_end().await, service.inputs())
}

#[tokio::test]
async fn on_failure_selects_what_a_failed_step_causes() {
    let (report, _) = failing(OnFailure::Stop, "refuse").await;
    assert_eq!(report["status"], "failed");
    assert_eq!(step_statuses(&report), ["failed", "cancelled", "skipped"]);
    assert_eq!(report["error"], "the step `first` failed");
    let error = &step_report(&report, "first")["error"];
    assert_eq!(*error, json!({"status": 400, "detail": "out of order"}));
    assert_eq!(step_report(&report, "after")["skipped"], "run_ended");

    let (report, _) = failing(OnFailure::Skip, "refuse").await;
    assert_eq!(report["status"], "completed_with_failures");
    assert_eq!(report["error"], "it went on without what failed: `first`");
    assert_eq!(step_statuses(&report), ["failed", "succeeded", "succeeded"]);

    let (report, inputs) = failing(OnFailure::Fallback("helper"), "flaky 1").await;
    assert_eq!(report["status"], "completed");
    assert_eq!(step_statuses(&report), ["succeeded"; 3]);
    let first = step_report(&report, "first");
    assert_eq!(
        (&first["fallback"], &first["agent"]),
        (&json!("helper"), &json!("worker"))
    );
    assert_eq!(first["output"], "did: flaky 1");
    assert_eq!(first["error"]["status"], 503);
    assert_eq!(inputs.iter().filter(|order| *order == "flaky 1").count(), 2);

    let (report, _) = failing(OnFailure::Fallback("helper"), "refuse").await;
    assert_eq!(report["status"], "failed");
    assert_eq!(step_statuses(&report)[0], "failed");
}

#[tokio::test]
async fn a_running_or_cancelled_step_reports_its_attempts() {
    let tries = StepSpec {
        attempts: 3,
        backoff_ms: 1,
        ..step("a", &[], "flaky 1")
    };
    let hangs = StepSpec {
        attempts: 2,
        timeout_ms: Some(100),
        backoff_ms: 60_000,
        ..step("b", &["a"], "hang")
    };
    let service = WorkflowApp::new(workflow(vec![tries, hangs]));
    let location = service.start_run().await;
    let seen = async |error: bool| loop {
        let report = get(&service.app, &location).await.json();
        let b = step_report(&report, "b");
        if b["status"] == "running" && b["error"].is_object() == error {
            return report;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let report = seen(false).await;
    let a = step_report(&report, "a");
    assert_eq!((&a["attempts"], &a["error"]), (&json!(2), &Value::Null));
    assert_eq!(step_report(&report, "b")["attempts"], 1);
    seen(true).await;
    post(&service.app, &format!("{location}/cancel"), "").await;
    let report = service.final_report(&location).await;
    let b = step_report(&report, "b");
    assert_eq!(
        (&b["status"], &b["attempts"]),
        (&json!("cancelled"), &json!(1))
    );
    assert_eq!(b["error"]["status"], 504);
}

/// `a`, which fails, and `b`, and `c`, which needs both with `join`.
async fn joined(join: Join, on_failure: OnFailure, second: &str) -> (Value, Vec<String>) {
    let first = StepSpec {
        on_failure,
        ..step("a", &[], "refuse")
    };
    let second = StepSpec {
        on_failure: OnFailure::Join,
        ..step("b", &[], second)
    };
    let third = StepSpec {
        join,
        ..step("c", &["a", "b"], "so")
    };
    let service = WorkflowApp::new(workflow(vec![first, second, third]));
    let location = service.start_run().await;
    let report = service.final_report(&location).await;
    (report, event_lines(&service.events(&location).await))
}

#[tokio::test]
async fn a_failure_that_a_join_tolerates_does_not_end_the_run() {
    for join in [Join::Any, Join::Quorum(1)] {
        for on_failure in [OnFailure::Join, OnFailure::Fallback("helper")] {
            let (report, events) = joined(join, on_failure, "wait 50").await;
            assert_eq!(report["status"], "completed_with_failures", "{report}");
            assert_eq!(step_statuses(&report), ["failed", "succeeded", "succeeded"]);
            assert!(events.contains(&"policy.applied a skip".to_owned()));
        }
        let (report, events) = joined(join, OnFailure::Join, "refuse").await;
        assert_eq!(report["status"], "failed", "{report}");
        assert_eq!(step_statuses(&report), ["failed", "failed", "skipped"]);
        let error = "the step `a` failed, and too few others can succeed for `c`";
        assert_eq!(report["error"], error);
        let stops = |event: &&String| event.ends_with(" stop");
        assert_eq!(events.iter().filter(stops).count(), 1, "{events:?}");
        let (report, _) = joined(join, OnFailure::Stop, "wait 50").await;
        assert_eq!(step_statuses(&report), ["failed", "cancelled", "skipped"]);
    }
    for join in [Join::All, Join::Quorum(2)] {
        let (report, _) = joined(join, OnFailure::Join, "wait 50").await;
        assert_eq!(report["status"], "failed", "{report}");
        let error = report["error"].as_str().unwrap();
        assert!(error.starts_with("the step `a` failed"), "{error}");
        assert_eq!(step_statuses(&report), ["failed", "cancelled", "skipped"]);
    }
}

#[tokio::test]
async fn step_and_run_timeouts_are_enforced() {
    let late = StepSpec {
        timeout_ms: Some(50),
        on_failure: OnFailure::Skip,
        ..step("a", &[], "hang")
    };
    let report = WorkflowApp::new(workflow(vec![late])).run_to_end().await;
    assert_eq!(
        step_report(&report, "a")["error"]["status"],
        504,
        "{report}"
    );
    assert_eq!(report["status"], "completed_with_failures");

    let mut short = workflow(vec![step("a", &[], "hang"), step("b", &["a"], "x")]);
    short.timeout_ms = Some(80);
    let report = WorkflowApp::new(short).run_to_end().await;
    assert_eq!(report["status"], "failed", "{report}");
    assert_eq!(report["error"], "the run took longer than 80 ms");
    assert_eq!(step_statuses(&report), ["cancelled", "skipped"]);
}

#[tokio::test]
async fn a_run_can_be_cancelled_on_every_store() {
    on_each_store(async |test_store| {
        let spec = workflow(vec![step("a", &[], "hang"), step("b", &["a"], "x")]);
        let service = WorkflowApp::with_store(spec, test_store.open().await, Settings::default());
        let location = service.start_run().await;
        let answer = post(&service.app, &format!("{location}/cancel"), "").await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        let report = service.final_report(&location).await;
        assert_eq!(report["status"], "cancelled");
        assert_eq!(step_report(&report, "b")["status"], "skipped", "{report}");
        // Cancelling is idempotent, and a finished run stays unchanged.
        let again = post(&service.app, &format!("{location}/cancel"), "").await;
        assert_eq!(again.status, 202);
    })
    .await;
    let service = WorkflowApp::new(diamond());
    let location = service.start_run().await;
    service.final_report(&location).await;
    let answer = post(&service.app, &format!("{location}/cancel"), "").await;
    answer.problem(409);
}
