//! Steps that run another workflow, as a run of its own.

use std::time::Duration;

use agentgen_runtime::workflow::{
    Expression, OnFailure, StepKind, StepSpec, Template, WorkflowLimits, WorkflowSpec,
};
use agentgen_runtime::{Registry, Settings};
use serde_json::{Value, json};

use crate::http_client::{get, post};
use crate::store_fixture::on_each_store;
use crate::workflow_fixture::{
    RecordedInputs, STEP, WorkflowApp, registry_of, step, step_report, workflow,
};

/// Runs the workflow `inner`.
pub const INNER: StepSpec = StepSpec {
    id: "child",
    kind: StepKind::Workflow { workflow: "inner" },
    ..STEP
};

/// The agents, the workflow `play` of `outer` steps, and the workflow `inner`.
pub fn nested(outer: Vec<StepSpec>, inner: Vec<StepSpec>) -> Registry {
    let inner = WorkflowSpec {
        name: "inner",
        operation_id: "runInner",
        ..workflow(inner)
    };
    registry_of(workflow(outer), &RecordedInputs::default()).workflow(Box::leak(Box::new(inner)))
}

fn app(outer: Vec<StepSpec>, inner: Vec<StepSpec>) -> WorkflowApp {
    WorkflowApp::from_registry(nested(outer, inner), Settings::default())
}

/// The run that the run at `location` waits for, once it waits for one.
async fn child_of(app: &WorkflowApp, location: &str) -> String {
    for _ in 0..1500 {
        let report = get(&app.app, location).await.json();
        let child = report["actions"][0]["run"].as_str();
        let child = child.map(|child| format!("/v1/runs/{child}"));
        if let Some(child) = child
            && get(&app.app, &child).await.status == 200
        {
            assert_eq!(report["actions"][0]["kind"], "run");
            return child;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the run does not wait for another one")
}

#[tokio::test]
async fn a_run_waits_for_the_run_that_its_step_started_and_takes_its_last_output() {
    on_each_store(async |test_store| {
        let child = StepSpec {
            with: Some(Template::Object(&[(
                "topic",
                Template::Value(Expression::Path(&["steps", "first", "output"])),
            )])),
            needs: &["first"],
            ..INNER
        };
        let last = StepSpec {
            id: "last",
            needs: &["child"],
            ..STEP
        };
        let inner = vec![
            STEP,
            StepSpec {
                id: "b",
                needs: &["a"],
                ..step("b", &["a"], "wait 120")
            },
        ];
        let outer = vec![step("first", &[], "wait 1"), child, last];
        let registry = nested(outer, inner).store(test_store.open().await);
        let app = WorkflowApp::from_registry(registry, Settings::default());
        let location = app.start_run().await;
        let child = child_of(&app, &location).await;
        let report = app.final_report(&location).await;
        assert_eq!(report["status"], "completed", "{report}");
        assert_eq!(step_report(&report, "child")["output"], "did: wait 120");
        assert_eq!(report.get("parent"), None);
        let inner = get(&app.app, &child).await.json();
        assert_eq!(inner["status"], "completed");
        assert_eq!(inner["workflow"], "inner");
        assert_eq!(inner["parent"], report["run_id"]);
        assert_eq!(step_report(&inner, "a")["output"], "did: did: wait 1");
        let list = get(&app.app, "/v1/runs").await.json();
        let runs = list["runs"].as_array().unwrap();
        let parents = runs.iter().map(|run| (&run["workflow"], &run["parent"]));
        assert_eq!(
            parents.collect::<Vec<_>>(),
            [
                (&json!("inner"), &report["run_id"]),
                (&json!("play"), &Value::Null)
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn a_run_that_waits_for_another_one_holds_no_slot() {
    let settings = Settings {
        workflows: WorkflowLimits {
            runs: 1,
            ..WorkflowLimits::default()
        },
        ..Settings::default()
    };
    let registry = nested(vec![INNER], vec![step("a", &[], "wait 30")]);
    let app = WorkflowApp::from_registry(registry, settings);
    let mut locations = Vec::new();
    for _ in 0..3 {
        locations.push(app.start_run().await);
    }
    for location in locations {
        let report = app.final_report(&location).await;
        assert_eq!(report["status"], "completed", "{report}");
    }
}

#[tokio::test]
async fn a_run_that_is_cancelled_or_late_cancels_the_run_that_it_waits_for() {
    let app = app(vec![INNER], vec![step("a", &[], "hang")]);
    let location = app.start_run().await;
    let child = child_of(&app, &location).await;
    let answer = post(&app.app, &format!("{location}/cancel"), "").await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(app.final_report(&location).await["status"], "cancelled");
    assert_eq!(app.final_report(&child).await["status"], "cancelled");

    let late = StepSpec {
        timeout_ms: Some(1300),
        ..INNER
    };
    let app = self::app(vec![late], vec![step("a", &[], "hang")]);
    let location = app.start_run().await;
    let child = child_of(&app, &location).await;
    let report = app.final_report(&location).await;
    assert_eq!(report["status"], "failed");
    let error = &step_report(&report, "child")["error"];
    assert_eq!(error["detail"], "the run did not end in time");
    assert_eq!(app.final_report(&child).await["status"], "cancelled");
}

/// Waits until the run at `location` has this status.
async fn with_status(app: &WorkflowApp, location: &str, status: &str) -> Value {
    for _ in 0..1500 {
        let report = get(&app.app, location).await.json();
        if report["status"] == status {
            return report;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{}", get(&app.app, location).await.text)
}

#[tokio::test]
async fn a_run_is_paused_and_resumed_with_the_runs_that_it_waits_for() {
    on_each_store(async |test_store| {
        let middle = WorkflowSpec {
            name: "middle",
            operation_id: "runMiddle",
            ..workflow(vec![INNER])
        };
        let outer = StepSpec {
            id: "outer",
            kind: StepKind::Workflow { workflow: "middle" },
            ..STEP
        };
        let inner = vec![step("a", &[], "wait 900"), step("b", &["a"], "so")];
        let registry = nested(vec![outer, step("own", &["outer"], "last")], inner);
        let registry = registry.workflow(Box::leak(Box::new(middle)));
        let registry = registry.store(test_store.open().await);
        let app = WorkflowApp::from_registry(registry, Settings::default());
        let location = app.start_run().await;
        let child = child_of(&app, &location).await;
        let grandchild = child_of(&app, &child).await;
        let paused = post(&app.app, &format!("{location}/pause"), "").await;
        assert_eq!(paused.status, 202, "{}", paused.text);
        for run in [&location, &child, &grandchild] {
            with_status(&app, run, "paused").await;
        }
        let report = get(&app.app, &grandchild).await.json();
        assert_eq!(step_report(&report, "b")["status"], "pending");
        let resumed = post(&app.app, &format!("{location}/resume"), "").await;
        assert_eq!(resumed.status, 202, "{}", resumed.text);
        for run in [&location, &child, &grandchild] {
            assert_eq!(app.final_report(run).await["status"], "completed");
        }
    })
    .await;
}

#[tokio::test]
async fn a_retried_run_starts_the_run_of_its_failed_step_again() {
    let inner = vec![step("a", &[], "flaky 1")];
    let app = app(
        vec![
            step("first", &[], "so"),
            StepSpec {
                needs: &["first"],
                ..INNER
            },
        ],
        inner,
    );
    let location = app.start_run().await;
    let failed = app.final_report(&location).await;
    assert_eq!(failed["status"], "failed", "{failed}");
    let retried = post(&app.app, &format!("{location}/retry"), "").await;
    assert_eq!(retried.status, 202, "{}", retried.text);
    let report = app.final_report(&location).await;
    assert_eq!(report["status"], "completed", "{report}");
    let same = step_report(&failed, "first");
    assert_eq!(step_report(&report, "first"), same);
    let list = get(&app.app, "/v1/runs?workflow=inner").await.json();
    let runs = list["runs"].as_array().unwrap().iter();
    let statuses = runs.map(|run| run["status"].as_str().unwrap());
    assert_eq!(statuses.collect::<Vec<_>>(), ["completed", "failed"]);
}

#[tokio::test]
async fn a_run_that_fails_or_can_not_start_fails_the_step_that_waits_for_it() {
    let skipped = StepSpec {
        on_failure: OnFailure::Skip,
        ..INNER
    };
    let app = app(vec![skipped], vec![step("a", &[], "refuse")]);
    let location = app.start_run().await;
    let report = app.final_report(&location).await;
    assert_eq!(report["status"], "completed_with_failures");
    let error = &step_report(&report, "child")["error"];
    assert_eq!(error["status"], 424);
    let detail = error["detail"].as_str().unwrap();
    assert!(
        detail.ends_with("of `inner` ended as failed: the step `a` failed"),
        "{detail}"
    );

    let wrong = StepSpec {
        with: Some(Template::Json("{}")),
        ..INNER
    };
    let app = self::app(vec![wrong], vec![STEP]);
    let location = app.start_run().await;
    let report = app.final_report(&location).await;
    assert_eq!(report["status"], "failed");
    let error = &step_report(&report, "child")["error"];
    assert_eq!(error["status"], 422);
    assert_eq!(error["errors"][0]["pointer"], "/topic");
    let list = get(&app.app, "/v1/runs").await.json();
    assert_eq!(list["runs"].as_array().unwrap().len(), 1);
}

#[test]
fn a_workflow_that_leads_back_to_itself_does_not_start() {
    let again = StepSpec {
        id: "again",
        kind: StepKind::Workflow { workflow: "play" },
        ..STEP
    };
    let error = nested(vec![INNER], vec![again]).into_router(Settings::default());
    let error = error.expect_err("a workflow that never ends");
    assert!(error.to_string().contains("it runs itself"), "{error}");
}
