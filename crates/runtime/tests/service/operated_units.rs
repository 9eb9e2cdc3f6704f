//! Steps of many calls in runs that are paused, resumed and retried.

use std::time::Duration;

use agentgen_runtime::workflow::StepSpec;
use serde_json::{Value, json};

use crate::http_client::{eventually, get, post};
use crate::many_calls::{any_input, for_each, planning, planning_workflow, soup_plan, start};
use crate::workflow_fixture::{STEP, WorkflowApp, step_report};

async fn ask(app: &WorkflowApp, location: &str, what: &str) {
    let answer = post(&app.app, &format!("{location}/{what}"), "").await;
    assert_eq!(answer.status, 202, "{}", answer.text);
}

async fn paused(app: &WorkflowApp, location: &str) -> Value {
    for _ in 0..1500 {
        let report = get(&app.app, location).await.json();
        if report["status"] == "paused" {
            return report;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{}", get(&app.app, location).await.text)
}

/// How often an agent was given an input that begins so: a subtask is also given what came of others.
fn times(app: &WorkflowApp, input: &str) -> usize {
    app.inputs()
        .iter()
        .filter(|given| given.starts_with(input))
        .count()
}

#[tokio::test]
async fn a_list_that_is_paused_finishes_the_items_that_run_and_begins_the_others_when_it_is_resumed()
 {
    let app = WorkflowApp::new(any_input(vec![for_each(1)]));
    let orders = ["wait 600", "wait 1", "wait 2"];
    let location = start(&app, json!({ "orders": orders })).await;
    assert!(eventually(|| !app.inputs().is_empty()).await);
    ask(&app, &location, "pause").await;
    let report = paused(&app, &location).await;
    assert_eq!(step_report(&report, "work[0]")["status"], "succeeded");
    assert_eq!(app.inputs(), ["wait 600"]);
    ask(&app, &location, "resume").await;
    let report = app.final_report(&location).await;
    assert_eq!(report["status"], "completed", "{report}");
    assert_eq!(app.inputs(), orders);
}

#[tokio::test]
async fn a_plan_that_is_paused_finishes_the_subtasks_that_run_and_begins_the_others_when_it_is_resumed()
 {
    let mut plan = soup_plan();
    for (subtask, input) in [(1, "wait 600"), (2, "wait 601")] {
        plan[subtask]["input"] = json!(input);
    }
    let (app, asked) = planning(planning_workflow(), vec![plan]);
    let location = start(&app, json!({ "task": "Soup." })).await;
    assert!(eventually(|| app.inputs().len() == 2).await);
    ask(&app, &location, "pause").await;
    let report = paused(&app, &location).await;
    for subtask in ["build[boil]", "build[lay]"] {
        assert_eq!(step_report(&report, subtask)["status"], "succeeded");
    }
    assert_eq!(times(&app, "wait 3"), 0);
    ask(&app, &location, "resume").await;
    let report = app.final_report(&location).await;
    assert_eq!(report["status"], "completed", "{report}");
    for input in ["wait 600", "wait 601", "wait 3"] {
        assert_eq!(times(&app, input), 1, "{input}");
    }
    assert_eq!(asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_list_that_failed_is_retried_and_what_comes_behind_it_begins() {
    let last = StepSpec {
        id: "last",
        needs: &["work"],
        ..STEP
    };
    let app = WorkflowApp::new(any_input(vec![for_each(1), last]));
    let input = json!({ "orders": ["so", "flaky 1", "wait 2"], "topic": "ducks" });
    let location = start(&app, input).await;
    let failed = app.final_report(&location).await;
    assert_eq!(failed["status"], "failed", "{failed}");
    ask(&app, &location, "retry").await;
    let report = app.final_report(&location).await;
    assert_eq!(report["status"], "completed", "{report}");
    let outputs = json!(["did: so", "did: flaky 1", "did: wait 2"]);
    assert_eq!(step_report(&report, "work")["output"], outputs);
    assert_eq!(times(&app, "flaky 1"), 2);
    assert_eq!(step_report(&report, "last")["status"], "succeeded");
}

#[tokio::test]
async fn a_plan_that_failed_is_retried_without_being_planned_again() {
    let mut plan = soup_plan();
    plan[1]["input"] = json!("flaky 1");
    let (app, asked) = planning(planning_workflow(), vec![plan]);
    let location = start(&app, json!({ "task": "Soup." })).await;
    let failed = app.final_report(&location).await;
    assert_eq!(failed["status"], "failed", "{failed}");
    ask(&app, &location, "retry").await;
    let report = app.final_report(&location).await;
    assert_eq!(report["status"], "completed", "{report}");
    assert_eq!(asked.lock().unwrap().len(), 1);
    assert_eq!(times(&app, "flaky 1"), 2);
    assert_eq!(times(&app, "wait 3"), 1);
}
