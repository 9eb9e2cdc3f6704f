//! The list of a caller's workflow runs: whose they are, their order, what narrows them down, and pages.

use std::time::Duration;

use agentgen_runtime::schema::DateTime;
use agentgen_runtime::workflow::{Journal, NewRun, RunQuery, RunStatus};
use agentgen_runtime::{Settings, Store};

use crate::http_client::{TestResponse, get};
use crate::journals::{create, run_of};
use crate::store_fixture::on_each_store;
use crate::workflow_fixture::{WorkflowApp, diamond};

/// Long enough for two runs to have different times of creation.
const TICK: Duration = Duration::from_millis(3);

async fn start(journal: &dyn Journal, run: NewRun) -> String {
    create(journal, &run, None).await;
    tokio::time::sleep(TICK).await;
    run.id.to_string()
}

fn ids(answer: &TestResponse) -> Vec<String> {
    let list = answer.json();
    let runs = list["runs"].as_array().unwrap().iter();
    runs.map(|run| run["run_id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_caller_lists_its_own_runs_and_the_newest_first() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let journal = store.journal();
        let mut started = Vec::new();
        for workflow in ["play", "other", "play", "play", "other"] {
            started.push(start(&*journal, run_of(workflow, "anonymous")).await);
            start(&*journal, run_of(workflow, "ann")).await;
        }
        started.reverse();
        let app = WorkflowApp::with_store(diamond(), store, Settings::default()).app;
        let all = get(&app, "/v1/runs").await;
        assert_eq!(ids(&all), started);
        let newest = &all.json()["runs"][0];
        assert_eq!(newest["workflow"], "other");
        assert_eq!(newest["status"], "queued");
        assert!(newest.get("ended_at").is_none() && newest.get("steps").is_none());

        // Page by page, each run once.
        let mut paged = Vec::new();
        let mut path = "/v1/runs?limit=2".to_owned();
        loop {
            let page = get(&app, &path).await;
            paged.extend(ids(&page));
            let Some(cursor) = page.json()["next_cursor"].as_str().map(str::to_owned) else {
                break;
            };
            path = format!("/v1/runs?limit=2&cursor={cursor}");
        }
        assert_eq!(paged, started);

        let of_play = get(&app, "/v1/runs?workflow=play&status=queued").await;
        let expected = [&started[1], &started[2], &started[4]];
        assert_eq!(ids(&of_play).iter().collect::<Vec<_>>(), expected);
        let cut = get(&app, "/v1/runs?workflow=play&limit=1").await.json();
        let cursor = cut["next_cursor"].as_str().unwrap();
        let rest = get(&app, &format!("/v1/runs?workflow=play&cursor={cursor}")).await;
        assert_eq!(ids(&rest).iter().collect::<Vec<_>>(), expected[1..]);
        let several = get(&app, "/v1/runs?status=queued&status=failed&limit=3").await;
        assert_eq!(ids(&several), started[..3]);
        for none in ["workflow=nobody", "status=running", "workflow=%00"] {
            let answer = get(&app, &format!("/v1/runs?{none}")).await;
            assert_eq!(ids(&answer), Vec::<String>::new(), "{none}");
        }
        let second = all.json()["runs"][1]["created_at"]
            .as_str()
            .unwrap()
            .to_owned();
        let since = get(&app, &format!("/v1/runs?since={second}")).await;
        assert_eq!(ids(&since), started[..2]);
        let before = get(&app, &format!("/v1/runs?before={second}")).await;
        assert_eq!(ids(&before), started[2..]);
        let cut = get(&app, &format!("/v1/runs?before={second}&limit=1")).await;
        let cursor = cut.json()["next_cursor"].as_str().unwrap().to_owned();
        let rest = get(&app, &format!("/v1/runs?before={second}&cursor={cursor}")).await;
        assert_eq!(ids(&rest), started[3..]);
    })
    .await;
}

#[tokio::test]
async fn the_list_shows_how_runs_ended() {
    on_each_store(async |test_store| {
        let store = test_store.open().await;
        let service = WorkflowApp::with_store(diamond(), store, Settings::default());
        let report = service.run_to_end().await;
        let list = get(&service.app, "/v1/runs?status=completed").await.json();
        let listed = &list["runs"][0];
        for member in ["run_id", "workflow", "status", "created_at", "ended_at"] {
            assert_eq!(listed[member], report[member], "{member}");
        }
        assert_eq!(list["next_cursor"], serde_json::Value::Null);
    })
    .await;
}

#[tokio::test]
async fn what_no_list_has_is_refused() {
    let service = WorkflowApp::new(diamond());
    for (query, pointer) in [
        ("cursor=1", "/cursor"),
        (
            "cursor=0191e2b1c3d401936f2e7b1c7000800000000000000g",
            "/cursor",
        ),
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("since=yesterday", "/since"),
        ("before=0", "/before"),
        ("status=done", "/status/0"),
        ("status=failed&status=done", "/status/1"),
        ("agent=desk", "/agent"),
    ] {
        let answer = get(&service.app, &format!("/v1/runs?{query}")).await;
        assert_eq!(answer.pointers(), [pointer], "{query}");
    }
    let of_nobody = get(&service.app, "/v1/runs?schedule=nobody").await;
    assert_eq!(of_nobody.json()["runs"], serde_json::json!([]));
}

#[tokio::test]
async fn a_time_of_creation_that_was_shown_finds_its_run() {
    let store = Store::memory();
    let journal = store.journal();
    let run = run_of("play", "ann");
    create(&*journal, &run, None).await;
    let query = RunQuery {
        subject: "ann",
        ..RunQuery::default()
    };
    let facts = journal.list(&query, 10).await.unwrap();
    let moment = DateTime::from(facts[0].created_at);
    let since = Some(std::time::SystemTime::from(moment));
    let again = RunQuery { since, ..query };
    assert_eq!(journal.list(&again, 10).await.unwrap(), facts);
    assert_eq!(facts[0].status, RunStatus::Queued);
}
