//! The list of what runs ask: whose questions a caller sees, their order, pages, and what is no longer open.

use agentgen_runtime::auth::Auth;
use agentgen_runtime::axum::Router;
use agentgen_runtime::workflow::{StepKind, StepSpec, Template, WorkflowSpec};
use agentgen_runtime::{Settings, Store};
use serde_json::Value;
use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::http_client::get;
use crate::store_fixture::{TestStore, on_each_store, postgres_store, sqlite_store};
use crate::waiting_runs::{SECRET, TestCaller};
use crate::workflow_fixture::{STEP, WorkflowApp, workflow};

const ACTIONS: &str = "/v1/actions";

fn ask(id: &'static str, roles: &'static [&'static str], timeout_ms: Option<u64>) -> StepSpec {
    StepSpec {
        id,
        kind: StepKind::Ask {
            // A text in PostgreSQL can't hold what this becomes in JSON.
            prompt: Template::Text(&[Template::Json(r#""\\\u0000 So?""#)]),
            answer_schema: r#"{"type":"object"}"#,
            roles,
        },
        timeout_ms,
        ..STEP
    }
}

/// Asks its caller, and everybody who audits or owns.
fn spec() -> WorkflowSpec {
    workflow(vec![
        ask("own", &[], None),
        ask("audit", &["100%", "owner"], None),
    ])
}

fn with_tokens(spec: WorkflowSpec, store: Store) -> Router {
    let settings = Settings {
        auth: Some(Auth::hs256(SECRET.as_bytes()).unwrap()),
        ..Settings::default()
    };
    WorkflowApp::with_store(spec, store, settings).app
}

/// Starts a run that waits; gives its path and its report.
async fn start(app: &Router, caller: &TestCaller) -> (String, Value) {
    let body = r#"{"topic":"ducks"}"#;
    let started = caller.post(app, "/v1/workflows/play/runs", body).await;
    let location = started.header("location").to_owned();
    let report = caller.report(app, &location, "waiting").await;
    (location, report)
}

/// What is listed, as the run and the step.
fn listed(list: &Value) -> Vec<(String, String)> {
    let actions = list["actions"].as_array().unwrap().iter();
    let pairs = actions.map(|listed| {
        let run = format!("/v1/runs/{}", listed["run_id"].as_str().unwrap());
        (run, listed["action"]["step"].as_str().unwrap().to_owned())
    });
    pairs.collect()
}

async fn list(app: &Router, caller: &TestCaller) -> Vec<(String, String)> {
    listed(&caller.get(app, ACTIONS).await.json())
}

fn pair(run: &str, step: &str) -> (String, String) {
    (run.to_owned(), step.to_owned())
}

#[tokio::test]
async fn a_caller_lists_the_questions_that_it_may_answer_and_no_other() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let app = &with_tokens(spec(), store.clone());
        let ann = TestCaller::new("ann", "user");
        // The name of a subject is no role, and the other way round.
        let eve = TestCaller::new("role:owner", "subject:ann");
        let bob = TestCaller::with_roles("bob", &["owner", "100%"]);
        assert_eq!(list(app, &ann).await, []);
        let (first, report) = start(app, &ann).await;
        let (second, _) = start(app, &eve).await;
        let page = ann.get(app, ACTIONS).await.json();
        assert_eq!(listed(&page), [pair(&first, "own")]);
        assert_eq!(page["actions"][0]["workflow"], "play");
        let actions = report["actions"].as_array().unwrap();
        assert!(actions.contains(&page["actions"][0]["action"]), "{page}");
        assert_eq!(list(app, &eve).await, [pair(&second, "own")]);
        let of_others = [pair(&second, "audit"), pair(&first, "audit")];
        assert_eq!(list(app, &bob).await, of_others);
        for role in ["owner", "100%"] {
            let caller = TestCaller::new("carl", role);
            assert_eq!(list(app, &caller).await, of_others, "{role}");
        }
        for role in ["own", "roles", "100%25", "owner\0", ""] {
            let caller = TestCaller::new("carl", role);
            assert_eq!(list(app, &caller).await, [], "{role}");
        }
        // Where nobody authenticates, no role restricts anybody.
        let open = WorkflowApp::with_store(spec(), store, Settings::default()).app;
        assert_eq!(listed(&get(&open, ACTIONS).await.json()), of_others);

        // Page by page, each question once.
        let page = bob.get(app, "/v1/actions?limit=1").await.json();
        assert_eq!(listed(&page), of_others[..1]);
        let cursor = page["next_cursor"].as_str().unwrap();
        let path = format!("/v1/actions?limit=1&cursor={cursor}");
        let page = bob.get(app, &path).await.json();
        assert_eq!(listed(&page), of_others[1..]);
        assert_eq!(page["next_cursor"], Value::Null);

        // What each of them lists, it may answer. What is answered or called off is not asked any more.
        let page = bob.get(app, ACTIONS).await.json();
        let id = page["actions"][1]["action"]["id"].as_str().unwrap();
        let answered = bob.post(app, &format!("{first}/actions/{id}"), "{}").await;
        assert_eq!(answered.status, 202, "{}", answered.text);
        assert_eq!(list(app, &bob).await, of_others[..1]);
        let cancelled = eve.post(app, &format!("{second}/cancel"), "").await;
        assert_eq!(cancelled.status, 202, "{}", cancelled.text);
        eve.report(app, &second, "cancelled").await;
        assert_eq!(list(app, &eve).await, []);
        assert_eq!(list(app, &bob).await, []);
        assert_eq!(list(app, &ann).await, [pair(&first, "own")]);
    })
    .await;
}

#[tokio::test]
async fn a_question_that_has_expired_is_not_listed() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let spec = workflow(vec![
            ask("short", &[], Some(1_500)),
            ask("long", &[], Some(60_000)),
        ]);
        let app = &with_tokens(spec, store);
        let ann = TestCaller::new("ann", "user");
        let (run, _) = start(app, &ann).await;
        let both = [pair(&run, "long"), pair(&run, "short")];
        let mut now = list(app, &ann).await;
        now.sort();
        assert_eq!(now, both);
        // The run fails with the step.
        ann.report(app, &run, "failed").await;
        assert_eq!(list(app, &ann).await, []);
    })
    .await;
}

#[tokio::test]
async fn what_no_page_has_is_refused() {
    let app = WorkflowApp::new(spec()).app;
    for (query, pointer) in [
        ("cursor=1", "/cursor"),
        ("cursor=01936f2e7b1c7000800000000000000g", "/cursor"),
        ("cursor=01936F2E7B1C70008000000000000005", "/cursor"),
        ("cursor=", "/cursor"),
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("status=open", "/status"),
    ] {
        let answer = get(&app, &format!("{ACTIONS}?{query}")).await;
        assert_eq!(answer.pointers(), [pointer], "{query}");
    }
}

/// What a database of the version before questions were listed has of it: nothing.
const UNDO: &str =
    "DROP TABLE workflow_question_answerers; DELETE FROM _sqlx_migrations WHERE version >= 17";

async fn check_old_questions(test_store: TestStore, undo: impl AsyncFn(&str)) {
    let ann = TestCaller::new("ann", "user");
    let bob = TestCaller::with_roles("bob", &["owner", "100%"]);
    let app = with_tokens(spec(), test_store.open().await);
    let (run, _) = start(&app, &ann).await;
    drop(app);
    undo(&test_store.url).await;
    let app = &with_tokens(spec(), test_store.open().await);
    assert_eq!(list(app, &ann).await, [pair(&run, "own")]);
    assert_eq!(list(app, &bob).await, [pair(&run, "audit")]);
    let auditor = TestCaller::new("carl", "100%");
    assert_eq!(list(app, &auditor).await, [pair(&run, "audit")]);
    test_store.remove().await;
}

#[tokio::test]
async fn what_runs_asked_before_an_update_is_listed() {
    check_old_questions(sqlite_store(), async |url| {
        let url = format!("sqlite://{}", url.strip_prefix("sqlite:").unwrap());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(UNDO).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    })
    .await;
    let Some(test_store) = postgres_store().await else {
        return;
    };
    check_old_questions(test_store, async |url| {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(UNDO).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    })
    .await;
}
