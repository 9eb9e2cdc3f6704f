//! Runs that wait: for a person's answer, for an event, for a moment.

use std::time::Duration;

use agentgen_runtime::auth::Auth;
use agentgen_runtime::axum::Router;
use agentgen_runtime::workflow::{
    Expression, OnFailure, StepKind, StepSpec, Template, WorkflowLimits, WorkflowSpec,
};
use agentgen_runtime::{Settings, Store};
use serde_json::{Value, json};

use crate::http_client::{TestResponse, get, post, request, send};
use crate::store_fixture::on_each_store;
use crate::workflow_fixture::{STEP, WorkflowApp, step, step_report, step_statuses, workflow};

const APPROVAL: &str = r#"{"type":"object","required":["approved"],"properties":{"approved":{"type":"boolean"}},"additionalProperties":false}"#;
const PAYMENT: &str = r#"{"type":"object","required":["amount"],"properties":{"amount":{"type":"number","minimum":1}}}"#;

/// Asks whether to release, of anybody with one of `roles`.
pub fn asks(roles: &'static [&'static str], timeout_ms: Option<u64>) -> StepSpec {
    StepSpec {
        id: "confirm",
        kind: StepKind::Ask {
            prompt: Template::Text(&[
                Template::Json("\"Release \""),
                Template::Value(Expression::Path(&["input", "topic"])),
                Template::Json("\"?\""),
            ]),
            answer_schema: APPROVAL,
            roles,
        },
        timeout_ms,
        ..STEP
    }
}

pub fn waits_for_payment(timeout_ms: Option<u64>) -> StepSpec {
    StepSpec {
        id: "paid",
        kind: StepKind::WaitFor {
            event: "payment.received",
            payload_schema: PAYMENT,
        },
        timeout_ms,
        ..STEP
    }
}

fn pause(duration_ms: u64) -> StepSpec {
    StepSpec {
        id: "settle",
        kind: StepKind::Wait { duration_ms },
        ..STEP
    }
}

/// Ships what was approved.
pub const SHIP: StepSpec = StepSpec {
    id: "ship",
    needs: &["confirm"],
    when: Some(Expression::Path(&[
        "steps", "confirm", "output", "approved",
    ])),
    ..STEP
};

/// Waits until the run at `location` waits; returns its report.
async fn waiting(app: &Router, location: &str) -> Value {
    for _ in 0..1500 {
        let report = get(app, location).await.json();
        match report["status"].as_str().unwrap() {
            "queued" | "running" => tokio::time::sleep(Duration::from_millis(10)).await,
            "waiting" => return report,
            _ => panic!("the run does not wait: {report}"),
        }
    }
    let report = get(app, location).await.text;
    panic!("the run at {location} goes on for ever: {report}")
}

/// The path of the first thing that a run waits for.
fn action_path(location: &str, report: &Value) -> String {
    let id = report["actions"][0]["id"].as_str().unwrap();
    format!("{location}/actions/{id}")
}

#[tokio::test]
async fn a_question_is_answered_once_and_its_answer_is_the_output() {
    let app = WorkflowApp::new(workflow(vec![asks(&[], None), SHIP]));
    let location = app.start_run().await;
    let report = waiting(&app.app, &location).await;
    assert_eq!(step_statuses(&report), ["waiting", "pending"]);
    let action = &report["actions"][0];
    assert_eq!(action["kind"], "question");
    assert_eq!(action["step"], "confirm");
    assert_eq!(action["prompt"], "Release ducks?");
    assert_eq!(action["schema"]["required"], json!(["approved"]));
    let path = action_path(&location, &report);
    assert_eq!(get(&app.app, &path).await.json(), *action);

    let problem = post(&app.app, &path, r#"{"approved":"yes"}"#).await;
    let problem = problem.problem(422);
    assert_eq!(problem["errors"][0]["pointer"], "/approved");
    let answer = post(&app.app, &path, r#"{"approved":true}"#).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(answer.header("location"), location);
    post(&app.app, &path, r#"{"approved":false}"#)
        .await
        .problem(409);

    let report = app.final_report(&location).await;
    assert_eq!(report["status"], "completed");
    assert_eq!(step_statuses(&report), ["succeeded"; 2]);
    let confirm = step_report(&report, "confirm");
    assert_eq!(confirm["output"], json!({"approved": true}));
    assert_eq!(confirm.get("agent"), None);
    assert_eq!(report.get("actions"), None);
    let events = app.events(&location).await;
    let events = events.iter().map(|(_, event)| {
        let step = event["step"].as_str().or(event["action"]["step"].as_str());
        let step = step.or(event["report"]["step"].as_str()).unwrap_or("");
        format!("{} {step}", event["type"].as_str().unwrap())
    });
    assert_eq!(
        events.collect::<Vec<_>>(),
        [
            "run.started ",
            "action.required confirm",
            "run.resumed ",
            "action.resolved confirm",
            "step.finished confirm",
            "step.started ship",
            "step.finished ship",
            "run.finished ",
        ]
    );
    let missing = format!("{location}/actions/01936f2e-7b1c-7000-8000-000000000009");
    post(&app.app, &missing, "{}").await.problem(404);
    get(&app.app, &format!("{location}/actions/x"))
        .await
        .problem(404);
}

#[tokio::test]
async fn a_question_that_nobody_answers_in_time_fails_its_step() {
    for (on_failure, status) in [
        (OnFailure::Stop, "failed"),
        (OnFailure::Skip, "completed_with_failures"),
    ] {
        let question = StepSpec {
            on_failure,
            ..asks(&[], Some(1200))
        };
        let app = WorkflowApp::new(workflow(vec![question]));
        let location = app.start_run().await;
        let report = waiting(&app.app, &location).await;
        assert!(report["actions"][0]["expires_at"].is_string(), "{report}");
        let path = action_path(&location, &report);
        let report = app.final_report(&location).await;
        assert_eq!(report["status"], status);
        let error = &step_report(&report, "confirm")["error"];
        assert_eq!(
            *error,
            json!({"status": 408, "detail": "nobody answered in time"})
        );
        post(&app.app, &path, r#"{"approved":true}"#)
            .await
            .problem(410);
    }
}

#[tokio::test]
async fn an_event_is_received_whether_it_comes_before_the_step_or_after() {
    let first = step("first", &[], "wait 300");
    let paid = StepSpec {
        needs: &["first"],
        ..waits_for_payment(None)
    };
    let again = StepSpec {
        id: "again",
        needs: &["paid"],
        ..waits_for_payment(None)
    };
    let app = WorkflowApp::new(workflow(vec![first, paid, again]));
    let location = app.start_run().await;
    let path = format!("{location}/events/payment.received");
    let sent = post(&app.app, &path, r#"{"amount":12.5}"#).await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    post(&app.app, &path, r#"{"amount":0}"#).await.problem(422);
    let large = json!({"amount": 1, "note": "x".repeat(70_000)}).to_string();
    post(&app.app, &path, &large).await.problem(413);
    post(&app.app, &format!("{location}/events/payment.lost"), "{}")
        .await
        .problem(404);
    let report = waiting(&app.app, &location).await;
    assert_eq!(
        step_statuses(&report),
        ["succeeded", "succeeded", "waiting"]
    );
    assert_eq!(step_report(&report, "paid")["output"]["amount"], 12.5);
    assert_eq!(report["actions"][0]["event"], "payment.received");
    let sent = post(&app.app, &path, r#"{"amount":3}"#).await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    let report = app.final_report(&location).await;
    assert_eq!(report["status"], "completed");
    assert_eq!(step_report(&report, "again")["output"]["amount"], 3);
    post(&app.app, &path, r#"{"amount":3}"#).await.problem(409);
}

#[tokio::test]
async fn an_event_is_kept_while_the_run_waits_for_something_else() {
    on_each_store(async |test_store| {
        let paid = StepSpec {
            needs: &["confirm"],
            ..waits_for_payment(None)
        };
        let spec = workflow(vec![asks(&[], None), paid]);
        let store = test_store.open().await;
        let app = WorkflowApp::with_store(spec, store, Settings::default());
        let location = app.start_run().await;
        let report = waiting(&app.app, &location).await;
        let event = format!("{location}/events/payment.received");
        let sent = post(&app.app, &event, r#"{"amount":2}"#).await;
        assert_eq!(sent.status, 202, "{}", sent.text);
        let action = action_path(&location, &report);
        let answered = post(&app.app, &action, r#"{"approved":true}"#).await;
        assert_eq!(answered.status, 202, "{}", answered.text);
        let report = app.final_report(&location).await;
        assert_eq!(report["status"], "completed", "{report}");
        assert_eq!(step_report(&report, "paid")["output"]["amount"], 2);
    })
    .await;
}

#[tokio::test]
async fn a_timer_ends_by_itself_and_the_run_holds_no_slot_meanwhile() {
    let settings = Settings {
        workflows: WorkflowLimits {
            runs: 1,
            ..WorkflowLimits::default()
        },
        ..Settings::default()
    };
    let spec = workflow(vec![
        pause(1500),
        StepSpec {
            needs: &["settle"],
            ..step("ship", &[], "wait 1")
        },
    ]);
    let app = WorkflowApp::with_store(spec, Store::memory(), settings);
    let locations = [app.start_run().await, app.start_run().await];
    // Both wait although one process may execute one run.
    for location in &locations {
        let report = waiting(&app.app, location).await;
        assert_eq!(report["actions"][0]["kind"], "timer");
    }
    for location in &locations {
        let report = app.final_report(location).await;
        assert_eq!(report["status"], "completed");
        assert_eq!(step_report(&report, "settle")["output"], Value::Null);
    }
}

#[tokio::test]
async fn the_time_limit_of_a_run_ends_it_while_it_waits() {
    let spec = WorkflowSpec {
        timeout_ms: Some(1500),
        ..workflow(vec![asks(&[], None), SHIP])
    };
    let app = WorkflowApp::new(spec);
    let location = app.start_run().await;
    let report = waiting(&app.app, &location).await;
    let path = action_path(&location, &report);
    let report = app.final_report(&location).await;
    assert_eq!(report["status"], "failed");
    assert_eq!(report["error"], "the run took longer than 1500 ms");
    assert_eq!(step_statuses(&report), ["cancelled", "skipped"]);
    post(&app.app, &path, r#"{"approved":true}"#)
        .await
        .problem(409);
}

#[tokio::test]
async fn a_run_that_waits_can_be_cancelled_and_its_question_is_closed() {
    let app = WorkflowApp::new(workflow(vec![asks(&[], None), SHIP]));
    let location = app.start_run().await;
    let report = waiting(&app.app, &location).await;
    let path = action_path(&location, &report);
    let cancelled = post(&app.app, &format!("{location}/cancel"), "").await;
    assert_eq!(cancelled.status, 202);
    let report = app.final_report(&location).await;
    assert_eq!(report["status"], "cancelled");
    assert_eq!(step_statuses(&report), ["cancelled", "skipped"]);
    post(&app.app, &path, r#"{"approved":true}"#)
        .await
        .problem(409);
}

/// The only step of a run that escalates, once it waits, and the path of its question.
async fn escalated(order: &str) -> (WorkflowApp, String, String) {
    let first = StepSpec {
        on_failure: OnFailure::Escalate,
        ..step("first", &[], order)
    };
    let after = step("after", &["first"], "wait 1");
    let app = WorkflowApp::new(workflow(vec![first, after]));
    let location = app.start_run().await;
    let report = waiting(&app.app, &location).await;
    let first = step_report(&report, "first");
    assert_eq!(first["status"], "waiting");
    assert_eq!(first["error"]["detail"], "out of order");
    let prompt = "The step `first` failed: out of order. How does the run continue?";
    assert_eq!(report["actions"][0]["prompt"], prompt);
    let path = action_path(&location, &report);
    (app, location, path)
}

#[tokio::test]
async fn a_person_decides_how_a_run_continues_after_a_step_that_escalates() {
    for (order, answer, status, first) in [
        (
            "flaky 1",
            json!({"decision": "retry"}),
            "completed",
            "succeeded",
        ),
        (
            "refuse",
            json!({"decision": "skip"}),
            "completed_with_failures",
            "skipped",
        ),
        (
            "refuse",
            json!({"decision": "answer", "output": "by hand"}),
            "completed",
            "succeeded",
        ),
        ("refuse", json!({"decision": "stop"}), "escalated", "failed"),
    ] {
        let (app, location, path) = escalated(order).await;
        let wrong = json!({"decision": "answer", "output": 7}).to_string();
        post(&app.app, &path, &wrong).await.problem(422);
        let answered = post(&app.app, &path, &answer.to_string()).await;
        assert_eq!(answered.status, 202, "{}", answered.text);
        let report = app.final_report(&location).await;
        assert_eq!(report["status"], status, "{report}");
        assert_eq!(step_report(&report, "first")["status"], first);
        let output = &step_report(&report, "first")["output"];
        match &*answer["decision"].to_string() {
            "\"answer\"" => assert_eq!(output, "by hand"),
            "\"retry\"" => assert_eq!(output, "did: flaky 1"),
            _ => assert!(output.is_null()),
        }
        let after = if answer["decision"] == "stop" {
            "skipped"
        } else {
            "succeeded"
        };
        assert_eq!(step_report(&report, "after")["status"], after);
    }
}

pub const SECRET: &str = "a-secret-of-thirty-two-bytes-12345678";

/// A caller with a token.
pub struct TestCaller(String);

impl TestCaller {
    pub fn new(subject: &str, role: &str) -> Self {
        Self::with_roles(subject, &[role])
    }

    pub fn with_roles(subject: &str, roles: &[&str]) -> Self {
        let exp = jsonwebtoken::get_current_timestamp() + 60;
        let claims = json!({ "sub": subject, "exp": exp, "roles": roles });
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key);
        Self(format!("Bearer {}", token.unwrap()))
    }

    /// The header that shows its token.
    pub fn authorization(&self) -> &str {
        &self.0
    }

    pub async fn get(&self, app: &Router, path: &str) -> TestResponse {
        let headers = [("authorization", &*self.0)];
        send(app, request("GET", path, &headers, "")).await
    }

    pub async fn post(&self, app: &Router, path: &str, body: &str) -> TestResponse {
        let headers = [
            ("authorization", &*self.0),
            ("content-type", "application/json"),
        ];
        send(app, request("POST", path, &headers, body)).await
    }

    /// Waits until the run at `location` has this status; returns its report.
    pub async fn report(&self, app: &Router, location: &str, status: &str) -> Value {
        for _ in 0..1500 {
            let report = self.get(app, location).await.json();
            if report["status"] == status {
                return report;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the run at {location} is never {status}")
    }
}

#[tokio::test]
async fn only_who_has_a_role_of_the_question_answers_it() {
    let spec = workflow(vec![asks(&["admin", "owner"], None), SHIP]);
    let settings = Settings {
        auth: Some(Auth::hs256(SECRET.as_bytes()).unwrap()),
        ..Settings::default()
    };
    let app = WorkflowApp::with_store(spec, Store::memory(), settings);
    let app = &app.app;
    let ann = TestCaller::new("ann", "user");
    let eve = TestCaller::new("eve", "user");
    let admin = TestCaller::new("bob", "admin");
    let runs = "/v1/workflows/play/runs";
    let started = ann.post(app, runs, r#"{"topic":"ducks"}"#).await;
    assert_eq!(started.status, 202, "{}", started.text);
    let location = started.header("location").to_owned();
    let report = ann.report(app, &location, "waiting").await;
    let path = action_path(&location, &report);
    let approved = r#"{"approved":true}"#;
    // The run's own subject sees the question, and that it needs a role; others don't see anything.
    assert_eq!(ann.get(app, &path).await.status, 200);
    ann.post(app, &path, approved).await.problem(403);
    eve.post(app, &path, approved).await.problem(404);
    eve.get(app, &path).await.problem(404);
    admin.get(app, &location).await.problem(404);
    assert_eq!(admin.get(app, &path).await.status, 200);
    let answered = admin.post(app, &path, approved).await;
    assert_eq!(answered.status, 202, "{}", answered.text);
    ann.report(app, &location, "completed").await;
    let events = ann.get(app, &format!("{location}/events")).await;
    assert!(events.text.contains(r#""by":"bob""#), "{}", events.text);
}

#[tokio::test]
async fn another_process_resumes_a_run_that_waited_when_this_one_ended() {
    on_each_store(async |test_store| {
        if !test_store.is_shared() {
            return;
        }
        let spec = || {
            let paid = StepSpec {
                needs: &["confirm"],
                ..waits_for_payment(None)
            };
            let settle = StepSpec {
                needs: &["paid"],
                ..pause(4_000)
            };
            let ship = StepSpec {
                needs: &["settle"],
                ..step("ship", &[], "wait 1")
            };
            workflow(vec![asks(&[], Some(60_000)), paid, settle, ship])
        };
        let open = async || {
            let store = test_store.open().await;
            WorkflowApp::with_store(spec(), store, Settings::default())
        };
        let app = open().await;
        let location = app.start_run().await;
        let report = waiting(&app.app, &location).await;
        drop(app);

        let app = open().await;
        let again = waiting(&app.app, &location).await;
        assert_eq!(again["actions"], report["actions"]);
        let path = action_path(&location, &report);
        let answers = ["true", "false", "true"].map(|approved| {
            let (app, path) = (app.app.clone(), path.clone());
            tokio::spawn(async move {
                let body = format!(r#"{{"approved":{approved}}}"#);
                post(&app, &path, &body).await.status.as_u16()
            })
        });
        let mut statuses = Vec::new();
        for answer in answers {
            statuses.push(answer.await.unwrap());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [202, 409, 409]);
        let mut report = waiting(&app.app, &location).await;
        while report["actions"][0]["kind"] != "event" {
            report = waiting(&app.app, &location).await;
        }
        drop(app);

        let app = open().await;
        let path = format!("{location}/events/payment.received");
        let sent = post(&app.app, &path, r#"{"amount":2}"#).await;
        assert_eq!(sent.status, 202, "{}", sent.text);
        let mut report = waiting(&app.app, &location).await;
        while report["actions"][0]["kind"] != "timer" {
            report = waiting(&app.app, &location).await;
        }
        drop(app);

        let app = open().await;
        // A process looks for runs whose time has come as soon as it has one of its own.
        app.start_run().await;
        let report = app.final_report(&location).await;
        assert_eq!(report["status"], "completed", "{report}");
        assert_eq!(step_statuses(&report), ["succeeded"; 4]);
    })
    .await;
}
