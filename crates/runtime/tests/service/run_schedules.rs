//! Runs that schedules start: exactly one for each moment, whichever processes are there, and whoever may see them.

use std::time::{Duration, SystemTime};

use agentgen_runtime::auth::Auth;
use agentgen_runtime::schema::DateTime;
use agentgen_runtime::workflow::{
    DueSchedule, Journal, Missed, RunQuery, ScheduleSpec, WorkflowSpec,
};
use agentgen_runtime::{Settings, Store};
use serde_json::{Value, json};

use crate::http_client::{request, send};
use crate::store_fixture::on_each_store;
use crate::workflow_fixture::{RecordedInputs, WorkflowApp, registry_of, step, workflow};

/// Due in the first second of a year, and in no test.
const YEARLY: ScheduleSpec = ScheduleSpec {
    cron: "0 0 1 1 *",
    zone: "Europe/Berlin",
    missed: Missed::One,
    input: r#"{"topic":"ducks"}"#,
};

fn scheduled(schedule: ScheduleSpec) -> WorkflowSpec {
    WorkflowSpec {
        schedule: Some(schedule),
        ..workflow(vec![step("a", &[], "so")])
    }
}

fn moment(text: &str) -> SystemTime {
    text.parse::<DateTime>().unwrap().into()
}

/// The idempotent starts of the schedule, oldest first, once `count` are there and have ended.
async fn started(journal: &dyn Journal, count: usize) -> Vec<agentgen_runtime::workflow::RunFacts> {
    let query = RunQuery {
        subject: "schedule:play",
        ..RunQuery::default()
    };
    for _ in 0..1_000 {
        let mut runs = journal.list(&query, 100).await.unwrap();
        if runs.len() >= count && runs.iter().all(|run| run.status.is_over()) {
            runs.reverse();
            return runs;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!(
        "the runs of the schedule don't start: {:?}",
        journal.list(&query, 100).await
    )
}

/// A service of `spec`. What a router is made of begins to look after runs with the first one.
async fn service(spec: WorkflowSpec, store: Store) -> WorkflowApp {
    let app = WorkflowApp::with_store(spec, store, Settings::default());
    app.run_to_end().await;
    app
}

/// Long enough for a service to look at its schedules more than once.
const WHILE: Duration = Duration::from_millis(2_500);

#[tokio::test]
async fn a_schedule_is_due_until_one_process_says_when_the_next_run_is() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let journal = store.journal();
        let (first, next) = (
            moment("2026-01-01T00:00:00Z"),
            moment("2026-01-02T00:00:00Z"),
        );
        let now = journal.now().await.unwrap();
        assert!(now > first);
        for (workflow, definition, at) in [
            ("play", "daily", first),
            // The same schedule goes on as it is.
            ("play", "daily", next),
            ("later", "daily", now + Duration::from_secs(60)),
        ] {
            journal
                .declare_schedule(workflow, definition, at)
                .await
                .unwrap();
        }
        let due = journal.due_schedules().await.unwrap();
        let expected = DueSchedule {
            workflow: "play".to_owned(),
            definition: "daily".to_owned(),
            due_at: first,
            now: due[0].now,
        };
        assert_eq!(due, [expected]);
        assert!(journal.advance_schedule(&due[0], next).await.unwrap());
        assert!(!journal.advance_schedule(&due[0], next).await.unwrap());
        let due = journal.due_schedules().await.unwrap();
        assert_eq!(due[0].due_at, next);
        // Another schedule begins anew.
        journal
            .declare_schedule("play", "hourly", first)
            .await
            .unwrap();
        assert!(!journal.advance_schedule(&due[0], first).await.unwrap());
        assert_eq!(journal.due_schedules().await.unwrap()[0].due_at, first);
        journal.end_schedule("play").await.unwrap();
        assert_eq!(journal.due_schedules().await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn missed_runs_start_as_the_schedule_says_and_once_for_all_processes() {
    let year = DateTime::from(SystemTime::now()).to_string()[..4].parse::<usize>();
    for (missed, expected) in [
        (Missed::Skip, 0),
        (Missed::One, 1),
        // The first of January of 2024 and of each year since.
        (Missed::All, year.unwrap() - 2023),
    ] {
        on_each_store(async |test_store| {
            let store = test_store.open().await;
            let journal = store.journal();
            let spec = scheduled(ScheduleSpec { missed, ..YEARLY });
            let mut apps = Vec::new();
            for _ in 0..3 {
                apps.push(service(spec, store.clone()).await);
            }
            // All of them are there when it is due.
            let first = moment("2023-12-31T23:00:00Z");
            for definition in ["another", "0 0 1 1 * Europe/Berlin"] {
                let declared = journal.declare_schedule("play", definition, first).await;
                declared.unwrap();
            }
            let runs = started(&*journal, expected).await;
            tokio::time::sleep(WHILE).await;
            assert_eq!(started(&*journal, expected).await, runs);
            assert_eq!(runs.len(), expected, "{missed}");
            // Each of them had a run of its own, too.
            let inputs = apps.iter().map(|app| app.inputs().len());
            assert_eq!(inputs.sum::<usize>(), expected + apps.len());
            assert_eq!(journal.due_schedules().await.unwrap(), []);
        })
        .await;
    }
}

#[tokio::test]
async fn a_run_that_is_due_now_starts_whatever_becomes_of_missed_ones() {
    let store = Store::memory();
    let journal = store.journal();
    let each_minute = ScheduleSpec {
        cron: "* * * * *",
        zone: "UTC",
        missed: Missed::Skip,
        ..YEARLY
    };
    let long_ago = moment("2026-01-01T00:00:00Z");
    journal
        .declare_schedule("play", "* * * * * UTC", long_ago)
        .await
        .unwrap();
    let _app = service(scheduled(each_minute), store).await;
    // The last full minute is less than a minute ago.
    assert_eq!(started(&*journal, 1).await.len(), 1);
}

#[tokio::test]
async fn a_schedule_that_is_gone_or_another_one_starts_nothing() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let journal = store.journal();
        let past = moment("2026-01-01T00:00:00Z");
        journal
            .declare_schedule("play", "* * * * * UTC", past)
            .await
            .unwrap();
        let app = service(scheduled(YEARLY), store.clone()).await;
        tokio::time::sleep(WHILE).await;
        assert_eq!(app.inputs().len(), 1);
        assert_eq!(journal.due_schedules().await.unwrap(), []);
        drop(app);
        journal
            .declare_schedule("play", "* * * * * UTC", past)
            .await
            .unwrap();
        let unscheduled = workflow(vec![step("a", &[], "so")]);
        let app = service(unscheduled, store.clone()).await;
        tokio::time::sleep(WHILE).await;
        assert_eq!(app.inputs().len(), 1);
        assert_eq!(journal.due_schedules().await.unwrap(), []);
    })
    .await;
}

#[test]
fn a_schedule_that_can_not_be_followed_keeps_the_service_from_starting() {
    for (schedule, reason) in [
        (
            ScheduleSpec {
                cron: "0 0 30 2 *",
                ..YEARLY
            },
            "no such day",
        ),
        (
            ScheduleSpec {
                zone: "Europe/Atlantis",
                ..YEARLY
            },
            "no time zone `Europe/Atlantis`",
        ),
        (
            ScheduleSpec {
                input: "{}",
                ..YEARLY
            },
            "the input of its schedule: /topic",
        ),
    ] {
        let registry = registry_of(scheduled(schedule), &RecordedInputs::default());
        let error = registry.into_router(Settings::default()).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[tokio::test]
async fn who_may_start_a_workflow_sees_and_operates_the_runs_of_its_schedule() {
    let secret = b"a-secret-of-thirty-two-bytes-12345678";
    let settings = Settings {
        auth: Some(Auth::hs256(secret).unwrap()),
        ..Settings::default()
    };
    let store = Store::memory();
    let journal = store.journal();
    let past = moment("2025-12-31T23:00:00Z");
    journal
        .declare_schedule("play", "0 0 1 1 * Europe/Berlin", past)
        .await
        .unwrap();
    let spec = WorkflowSpec {
        roles: &["planner"],
        ..scheduled(YEARLY)
    };
    let app = WorkflowApp::with_store(spec, store, settings);
    let ask_with = async |role: &str, method: &str, path: &str, body: &str| {
        let exp = jsonwebtoken::get_current_timestamp() + 60;
        let key = jsonwebtoken::EncodingKey::from_secret(secret);
        let claims = json!({ "sub": "ann", "exp": exp, "roles": [role] });
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", &*bearer),
            ("content-type", "application/json"),
        ];
        send(&app.app, request(method, path, &headers, body)).await
    };
    let ask = async |role: &str, method: &str, path: &str| ask_with(role, method, path, "").await;
    let runs = "/v1/workflows/play/runs";
    let own = ask_with("planner", "POST", runs, r#"{"topic":"geese"}"#).await;
    assert_eq!(own.status, 202, "{}", own.text);
    let run = started(&*journal, 1).await.remove(0);
    let path = format!("/v1/runs/{}", run.id);
    ask("guest", "GET", &path).await.problem(404);
    ask("guest", "GET", "/v1/runs?schedule=play")
        .await
        .problem(403);
    let report = ask("planner", "GET", &path).await.json();
    assert_eq!(
        (&report["status"], &report["schedule"]),
        (&json!("completed"), &json!("play"))
    );
    let list = ask("planner", "GET", "/v1/runs?schedule=play").await.json();
    assert_eq!(list["runs"][0]["schedule"], "play");
    let listed = ask("planner", "GET", "/v1/runs").await.json();
    assert_eq!(listed["runs"].as_array().unwrap().len(), 1);
    assert_eq!(listed["runs"][0].get("schedule"), None);
    let events = ask("planner", "GET", &format!("{path}/events")).await;
    assert!(events.text.contains("run.finished"), "{}", events.text);
    ask("planner", "POST", &format!("{path}/retry"))
        .await
        .problem(409);
    // A restart is the caller's own run.
    let restarted = ask("planner", "POST", &format!("{path}/restart")).await;
    let own = ask("planner", "GET", restarted.header("location"))
        .await
        .json();
    assert_eq!(own["restarted_from"], run.id.to_string());
    assert_eq!(own["schedule"], Value::Null);
}
