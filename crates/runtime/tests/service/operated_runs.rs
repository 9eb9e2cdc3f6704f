//! Runs that are paused, resumed, retried, restarted and deleted.

use std::time::{Duration, SystemTime};

use agentgen_runtime::auth::Auth;
use agentgen_runtime::schema::DateTime;
use agentgen_runtime::workflow::{
    Change, ClaimOutcome, Journal, JournaledRun, NewRun, PauseOutcome, ResumeOutcome, RunLease,
    RunQuery, RunState, RunStatus, StepKind, StepSpec, Template, WorkflowEvent, WorkflowLimits,
};
use agentgen_runtime::{Settings, Store};
use serde_json::{Value, json};

use crate::http_client::{TestResponse, eventually, get, post, request, send};
use crate::journals::{create, new_uuid, run_of};
use crate::store_fixture::on_each_store;
use crate::workflow_fixture::{STEP, WorkflowApp, step, step_report, step_statuses, workflow};

const LONG: Duration = Duration::from_secs(60);

fn lease(owner: &str) -> RunLease {
    RunLease {
        owner: owner.to_owned(),
        ttl: LONG,
    }
}

/// Ends `run`, of which `owner` has the lease, and which has no event.
async fn end(journal: &dyn Journal, run: &NewRun, owner: &str, status: RunStatus) {
    let change = Change {
        id: new_uuid(),
        run: run.id,
        owner: owner.to_owned(),
        first_event: 1,
        events: vec![WorkflowEvent::Finished {
            run_id: run.id,
            status,
            error: None,
        }],
        state: Some(RunState {
            status,
            error: None,
            resumptions: 0,
            keep: Some(LONG),
        }),
    };
    assert!(journal.write(&change).await.unwrap());
}

async fn stored(journal: &dyn Journal, run: &NewRun) -> JournaledRun {
    journal.run(run.id, &run.subject).await.unwrap().unwrap()
}

#[tokio::test]
async fn nobody_claims_a_paused_run_until_it_is_resumed_or_cancelled() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let journal = &*store.journal();
        let ann = lease("ann");
        let (waiting, leased) = (run_of("play", "eve"), run_of("play", "eve"));
        create(journal, &waiting, None).await;
        create(journal, &leased, Some(&ann)).await;
        let paused = journal.request_pause(waiting.id).await.unwrap();
        assert_eq!(paused, PauseOutcome::Paused);
        assert_eq!(stored(journal, &waiting).await.status, RunStatus::Paused);
        let claimed = journal.claim(waiting.id, &ann).await.unwrap();
        assert_eq!(claimed, ClaimOutcome::Paused);
        assert_eq!(journal.waiting_runs().await.unwrap(), []);

        // The owner of the other one is asked, and does it.
        let paused = journal.request_pause(leased.id).await.unwrap();
        assert_eq!(paused, PauseOutcome::Requested);
        assert!(journal.renew(leased.id, &ann).await.unwrap().unwrap().pause);
        assert!(!journal.pause(leased.id, "bob").await.unwrap());
        assert!(journal.pause(leased.id, "ann").await.unwrap());
        assert_eq!(journal.renew(leased.id, &ann).await.unwrap(), None);
        assert!(!journal.pause(leased.id, "ann").await.unwrap());

        let resumed = journal.resume(waiting.id).await.unwrap();
        assert_eq!(resumed, ResumeOutcome::Resumed);
        let resumed = journal.resume(waiting.id).await.unwrap();
        assert_eq!(resumed, ResumeOutcome::NotPaused);
        assert_eq!(stored(journal, &waiting).await.status, RunStatus::Queued);
        let claimed = journal.claim(waiting.id, &ann).await.unwrap();
        assert!(matches!(claimed, ClaimOutcome::Claimed(_)), "{claimed:?}");
        assert!(journal.request_cancel(leased.id).await.unwrap());
        let claimed = journal.claim(leased.id, &ann).await.unwrap();
        assert!(matches!(claimed, ClaimOutcome::Claimed(_)), "{claimed:?}");

        end(journal, &leased, "ann", RunStatus::Cancelled).await;
        let late = journal.request_pause(leased.id).await.unwrap();
        assert_eq!(late, PauseOutcome::Finished);
        let late = journal.resume(leased.id).await.unwrap();
        assert_eq!(late, ResumeOutcome::Finished);
    })
    .await;
}

#[tokio::test]
async fn a_finished_run_is_retried_once_and_waits_its_turn() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let journal = &*store.journal();
        let ann = lease("ann");
        let run = run_of("play", "eve");
        create(journal, &run, Some(&ann)).await;
        let open = stored(journal, &run).await;
        assert!(!journal.retry(&open).await.unwrap(), "it has not ended");
        assert!(journal.request_cancel(run.id).await.unwrap());
        end(journal, &run, "ann", RunStatus::Failed).await;
        let ended = stored(journal, &run).await;
        assert!(journal.retry(&ended).await.unwrap());
        assert!(!journal.retry(&ended).await.unwrap());

        let retried = stored(journal, &run).await;
        assert_eq!(retried.status, RunStatus::Queued);
        assert_eq!((retried.attempts, retried.event_count), (2, 2));
        assert_eq!(retried.ended_at, None);
        assert!(!retried.cancel_requested);
        let events = journal.events(run.id, 1, 10).await.unwrap();
        assert_eq!(events, [(2, ended.retried())]);
        let claimed = journal.claim(run.id, &ann).await.unwrap();
        assert!(matches!(claimed, ClaimOutcome::Claimed(_)), "{claimed:?}");
    })
    .await;
}

#[tokio::test]
async fn only_finished_runs_that_match_are_deleted() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let journal = &*store.journal();
        let ann = lease("ann");
        let mut runs = Vec::new();
        for (workflow, subject, status) in [
            ("play", "eve", Some(RunStatus::Failed)),
            ("play", "eve", Some(RunStatus::Completed)),
            ("other", "eve", Some(RunStatus::Failed)),
            ("play", "bob", Some(RunStatus::Failed)),
            ("play", "eve", None),
        ] {
            let run = run_of(workflow, subject);
            create(journal, &run, Some(&ann)).await;
            if let Some(status) = status {
                end(journal, &run, "ann", status).await;
            }
            runs.push(run);
        }
        let statuses = [RunStatus::Failed, RunStatus::Running, RunStatus::Queued];
        let query = RunQuery {
            subject: "eve",
            workflow: Some("play"),
            statuses: &statuses,
            before: Some(SystemTime::now() + LONG),
            ..RunQuery::default()
        };
        let since = Some(SystemTime::now() + LONG);
        let later = RunQuery { since, ..query };
        assert_eq!(journal.delete_finished(&later, 10).await.unwrap(), 0);
        assert_eq!(journal.delete_finished(&query, 10).await.unwrap(), 1);
        let mut left = Vec::new();
        for run in &runs {
            let found = journal.run(run.id, &run.subject).await.unwrap();
            left.push(found.is_some());
        }
        assert_eq!(left, [false, true, true, true, true]);
        let all = RunQuery {
            statuses: &[RunStatus::Failed, RunStatus::Completed],
            workflow: None,
            ..query
        };
        assert_eq!(journal.delete_finished(&all, 1).await.unwrap(), 1);
        assert_eq!(journal.delete_finished(&all, 10).await.unwrap(), 1);
    })
    .await;
}

/// Asks for `what` of the run at `location`.
async fn ask(app: &WorkflowApp, location: &str, what: &str) -> TestResponse {
    post(&app.app, &format!("{location}/{what}"), "").await
}

/// Waits until the run at `location` has the status `status`; returns its report.
async fn with_status(app: &WorkflowApp, location: &str, status: &str) -> Value {
    for _ in 0..1500 {
        let report = get(&app.app, location).await.json();
        if report["status"] == status {
            return report;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let report = get(&app.app, location).await.text;
    panic!("the run at {location} is never {status}: {report}")
}

#[tokio::test]
async fn a_paused_run_finishes_its_steps_and_begins_no_other_until_it_is_resumed() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let steps = vec![step("a", &[], "wait 1500"), step("b", &["a"], "so")];
        let limits = WorkflowLimits {
            runs: 1,
            ..WorkflowLimits::default()
        };
        let settings = Settings {
            workflows: limits,
            ..Settings::default()
        };
        let app = WorkflowApp::with_store(workflow(steps), store, settings);
        let location = app.start_run().await;
        assert!(eventually(|| !app.inputs().is_empty()).await);
        let answer = ask(&app, &location, "pause").await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        assert_eq!(answer.header("location"), location);
        let report = with_status(&app, &location, "paused").await;
        assert_eq!(step_statuses(&report), ["succeeded", "pending"]);
        let again = ask(&app, &location, "pause").await;
        assert_eq!(again.json()["status"], "paused");

        // It holds no slot: the only one is free for another run.
        let other = app.start_run().await;
        assert_eq!(app.final_report(&other).await["status"], "completed");
        let waiting = ask(&app, &other, "resume").await.problem(409);
        assert_eq!(waiting["detail"], "the run is over");
        assert_eq!(app.inputs().len(), 3);

        let resumed = ask(&app, &location, "resume").await;
        assert_eq!(resumed.status, 202, "{}", resumed.text);
        let report = app.final_report(&location).await;
        assert_eq!(report["status"], "completed");
        assert_eq!(app.inputs(), ["wait 1500", "wait 1500", "so", "so"]);
    })
    .await;
}

#[tokio::test]
async fn a_paused_run_stays_paused_over_a_restart_and_can_be_cancelled() {
    on_each_store(async |test_store| {
        let steps = || workflow(vec![step("a", &[], "wait 1500"), step("b", &["a"], "so")]);
        let store = test_store.open().await;
        let app = WorkflowApp::with_store(steps(), store, Settings::default());
        let location = app.start_run().await;
        assert!(eventually(|| !app.inputs().is_empty()).await);
        ask(&app, &location, "pause").await;
        with_status(&app, &location, "paused").await;
        drop(app);
        // A store in memory ends with its service.
        let store = test_store.open().await;
        let app = WorkflowApp::with_store(steps(), store, Settings::default());
        if get(&app.app, &location).await.status == 404 {
            return;
        }
        // The supervisor begins with the first run.
        let other = app.start_run().await;
        app.final_report(&other).await;
        with_status(&app, &location, "paused").await;
        assert_eq!(ask(&app, &location, "cancel").await.status, 202);
        let report = app.final_report(&location).await;
        assert_eq!(report["status"], "cancelled");
        assert_eq!(step_statuses(&report), ["succeeded", "skipped"]);
    })
    .await;
}

#[tokio::test]
async fn what_happens_to_a_paused_run_that_waits_takes_effect_when_it_is_resumed() {
    on_each_store(async |test_store| {
        let question = StepSpec {
            id: "confirm",
            kind: StepKind::Ask {
                prompt: Template::Json("\"Go on?\""),
                answer_schema: r#"{"type":"object"}"#,
                roles: &[],
            },
            ..STEP
        };
        let timer = StepSpec {
            id: "settle",
            kind: StepKind::Wait { duration_ms: 1_500 },
            ..STEP
        };
        let app = WorkflowApp::with_store(
            workflow(vec![question, timer]),
            test_store.open().await,
            Settings::default(),
        );
        let location = app.start_run().await;
        let report = with_status(&app, &location, "waiting").await;
        assert_eq!(
            ask(&app, &location, "pause").await.json()["status"],
            "paused"
        );
        let action = report["actions"][0]["id"].as_str().unwrap();
        let answered = post(&app.app, &format!("{location}/actions/{action}"), "{}").await;
        assert_eq!(answered.status, 202, "{}", answered.text);
        tokio::time::sleep(Duration::from_millis(2_800)).await;
        let report = get(&app.app, &location).await.json();
        assert_eq!(report["status"], "paused");
        assert_eq!(step_statuses(&report), ["waiting", "waiting"]);
        assert_eq!(ask(&app, &location, "resume").await.status, 202);
        let report = app.final_report(&location).await;
        assert_eq!(step_statuses(&report), ["succeeded", "succeeded"]);
    })
    .await;
}

#[tokio::test]
async fn a_retried_run_continues_from_its_failed_steps_with_the_outputs_of_the_others() {
    on_each_store(async |test_store| {
        let steps = vec![
            step("a", &[], "so"),
            step("b", &["a"], "flaky 1"),
            step("c", &["b"], "last"),
        ];
        let app = WorkflowApp::with_store(
            workflow(steps),
            test_store.open().await,
            Settings::default(),
        );
        let location = app.start_run().await;
        let failed = app.final_report(&location).await;
        assert_eq!(failed["status"], "failed");
        assert_eq!(failed["attempts"], 1);
        let last = app.events(&location).await.last().unwrap().0;

        // Of two who ask at once, one is let through.
        let (one, two) = tokio::join!(ask(&app, &location, "retry"), ask(&app, &location, "retry"));
        let mut answers = [one.status, two.status];
        answers.sort_unstable();
        assert_eq!(answers, [202, 409]);
        let report = app.final_report(&location).await;
        assert_eq!(report["status"], "completed");
        assert_eq!(report["run_id"], failed["run_id"]);
        assert_eq!(report["attempts"], 2);
        assert_eq!(app.inputs(), ["so", "flaky 1", "flaky 1", "last"]);
        assert_eq!(step_report(&report, "a"), step_report(&failed, "a"));

        // A reader of all events hears of one end, and one who heard of the first end of what follows.
        let events = app.events(&location).await;
        let ends = events.iter();
        let ends = ends.filter(|(_, event)| event["type"] == "run.finished");
        assert_eq!(ends.count(), 1);
        assert!(events.iter().any(|(number, event)| *number == last + 1
            && *event == json!({"type": "run.retried", "run_id": report["run_id"], "attempt": 2})));
        let problem = ask(&app, &location, "retry").await.problem(409);
        assert_eq!(problem["detail"], "the run completed; it can be restarted");
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_run_can_be_retried_and_gets_its_time_limit_anew() {
    let mut spec = workflow(vec![step("a", &[], "wait 700")]);
    spec.timeout_ms = Some(1_500);
    let app = WorkflowApp::new(spec);
    let location = app.start_run().await;
    assert!(eventually(|| !app.inputs().is_empty()).await);
    let early = ask(&app, &location, "retry").await.problem(409);
    assert_eq!(early["detail"], "the run is not over");
    ask(&app, &location, "cancel").await;
    let report = app.final_report(&location).await;
    assert_eq!(report["status"], "cancelled");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(ask(&app, &location, "retry").await.status, 202);
    let report = app.final_report(&location).await;
    assert_eq!(report["status"], "completed", "{report}");
}

#[tokio::test]
async fn a_run_of_another_definition_is_restarted_but_not_retried() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let fails = workflow(vec![step("a", &[], "fail")]);
        let app = WorkflowApp::with_store(fails, store, Settings::default());
        let location = app.start_run().await;
        let failed = app.final_report(&location).await;
        assert_eq!(failed["status"], "failed");
        drop(app);
        let store = test_store.open().await;
        let works = workflow(vec![step("a", &[], "so")]);
        let app = WorkflowApp::with_store(works, store, Settings::default());
        if get(&app.app, &location).await.status == 404 {
            return;
        }
        let problem = ask(&app, &location, "retry").await.problem(409);
        assert_eq!(
            problem["detail"],
            "the workflow has another definition now; the run can be restarted"
        );
        // The key makes it one run, also for a service that starts later.
        let restart = async |app: &WorkflowApp, key: &str| {
            let headers = [("idempotency-key", key)];
            let path = format!("{location}/restart");
            send(&app.app, request("POST", &path, &headers, "")).await
        };
        let answer = restart(&app, "again").await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        let restarted = answer.header("location").to_owned();
        assert_ne!(restarted, location);
        let report = app.final_report(&restarted).await;
        assert_eq!(report["status"], "completed");
        assert_eq!(report["restarted_from"], failed["run_id"]);
        drop(app);
        let store = test_store.open().await;
        let works = workflow(vec![step("a", &[], "so")]);
        let app = WorkflowApp::with_store(works, store, Settings::default());
        let repeated = restart(&app, "again").await;
        assert_eq!(repeated.header("location"), restarted);
        // The same key for a start is another request.
        let headers = [
            ("idempotency-key", "again"),
            ("content-type", "application/json"),
        ];
        let body = r#"{"topic":"geese"}"#;
        let start = request("POST", "/v1/workflows/play/runs", &headers, body);
        send(&app.app, start).await.problem(422);
        assert_ne!(restart(&app, "other").await.header("location"), restarted);
    })
    .await;
}

#[tokio::test]
async fn finished_runs_are_deleted_by_their_status_and_age() {
    let app = WorkflowApp::new(workflow(vec![step("a", &[], "fail")]));
    let location = app.start_run().await;
    app.final_report(&location).await;
    let delete = async |query: &str| {
        let path = format!("/v1/runs{query}");
        send(&app.app, request("DELETE", &path, &[], "")).await
    };
    assert_eq!(delete("").await.pointers(), ["/before"]);
    let before = delete("?before=2020-01-01T00:00:00Z").await.json();
    assert_eq!(before, json!({"deleted": 0, "has_more": false}));
    let moment = DateTime::from(SystemTime::now() + LONG);
    let completed = delete(&format!("?before={moment}&status=completed&status=running")).await;
    assert_eq!(completed.json()["deleted"], 0);
    let failed = delete(&format!("?before={moment}&status=failed")).await;
    assert_eq!(failed.json()["deleted"], 1, "{}", failed.text);
    get(&app.app, &location).await.problem(404);
}

#[tokio::test]
async fn others_can_do_nothing_with_a_run() {
    let secret = b"a-secret-of-thirty-two-bytes-12345678";
    let settings = Settings {
        auth: Some(Auth::hs256(secret).unwrap()),
        ..Settings::default()
    };
    let spec = workflow(vec![step("a", &[], "fail")]);
    let app = WorkflowApp::with_store(spec, Store::memory(), settings);
    let ask = async |subject: &str, method: &str, path: &str, body: &str| {
        let exp = jsonwebtoken::get_current_timestamp() + 60;
        let key = jsonwebtoken::EncodingKey::from_secret(secret);
        let claims = json!({ "sub": subject, "exp": exp });
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", &*bearer),
            ("content-type", "application/json"),
        ];
        send(&app.app, request(method, path, &headers, body)).await
    };
    let path = "/v1/workflows/play/runs";
    let started = ask("ann", "POST", path, r#"{"topic":"ducks"}"#).await;
    let location = started.header("location").to_owned();
    for _ in 0..500 {
        let report = ask("ann", "GET", &location, "").await.json();
        if report["status"] == "failed" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for what in ["pause", "resume", "retry", "restart"] {
        let path = format!("{location}/{what}");
        ask("bob", "POST", &path, "").await.problem(404);
    }
    let moment = DateTime::from(SystemTime::now() + LONG);
    let path = format!("/v1/runs?before={moment}");
    let deleted = ask("bob", "DELETE", &path, "").await.json();
    assert_eq!(deleted["deleted"], 0);
    let deleted = ask("ann", "DELETE", &path, "").await.json();
    assert_eq!(deleted["deleted"], 1);
}
