//! Leases of runs: whose clock they follow, and what a process does that has lost one.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use agentgen_runtime::Settings;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::Policy;
use agentgen_runtime::testing::Script;
use agentgen_runtime::workflow::{ClaimOutcome, RunFilter, RunLease, Start, WorkflowLimits};
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::http_client::{eventually, get};
use crate::journals::{WAITING, run_of};
use crate::mock_model::{desk_with, mock_server};
use crate::queue_delivery::start_run;
use crate::queue_fixture::{serve, test_queue};
use crate::run_events::{ASKS, with_desk};
use crate::store_fixture::{TestStore, postgres_store};
use crate::workflow_fixture::{WorkflowApp, parse_run_events, registry_of, step, workflow};

async fn execute(test_store: &TestStore, sql: &str) {
    let mut connection = PgConnection::connect(&test_store.url).await.unwrap();
    let statement = sqlx::AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(statement)
        .execute(&mut connection)
        .await
        .unwrap();
}

#[tokio::test]
async fn leases_follow_the_clock_of_the_database() {
    let Some(mut test_store) = postgres_store().await else {
        return;
    };
    // The functions of the schema come before those of the server.
    let schema = test_store.url.rsplit('=').next().unwrap().to_owned();
    test_store.url.push_str(",pg_catalog");
    let set_clock = async |minutes: u32| {
        let sql = format!(
            "CREATE OR REPLACE FUNCTION {schema}.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE \
             AS $$ SELECT pg_catalog.clock_timestamp() + interval '{minutes} minutes' $$"
        );
        execute(&test_store, &sql).await;
    };
    set_clock(60).await;
    let store = test_store.open().await;
    let journal = store.journal();
    let minute = |owner: &str| RunLease {
        owner: owner.to_owned(),
        ttl: Duration::from_secs(60),
    };
    let run = run_of("play", "ann");
    journal
        .create(&run, Start::Leased(&minute("ann")))
        .await
        .unwrap();
    let left = match journal.claim(run.id, &minute("bob")).await.unwrap() {
        ClaimOutcome::Leased(left) => left,
        other => panic!("{other:?}"),
    };
    assert!(left <= Duration::from_secs(60), "{left:?}");
    let stored = journal.run(run.id, "ann").await.unwrap().unwrap();
    assert!(stored.age < Duration::from_secs(60), "{stored:?}");
    set_clock(62).await;
    assert!(matches!(
        journal.claim(run.id, &minute("bob")).await.unwrap(),
        ClaimOutcome::Claimed(_)
    ));
    assert_eq!(journal.renew(run.id, &minute("ann")).await.unwrap(), None);
    drop((journal, store));
    test_store.remove().await;
}

#[tokio::test]
async fn a_claim_passes_over_the_run_that_another_process_claims() {
    let Some(test_store) = postgres_store().await else {
        return;
    };
    let store = test_store.open().await;
    let journal = store.journal();
    let (first, second) = (run_of("play", "ann"), run_of("play", "ann"));
    for run in [&first, &second] {
        journal.create(run, WAITING).await.unwrap();
    }
    // The other process has not committed yet.
    let mut connection = PgConnection::connect(&test_store.url).await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    sqlx::query("UPDATE workflow_runs SET lease_owner = 'another' WHERE id = $1")
        .bind(first.id.to_string())
        .execute(&mut *transaction)
        .await
        .unwrap();
    let filter = RunFilter {
        workflow: &first.workflow,
        definition: &first.definition,
        resumptions: 0..=0,
    };
    let lease = RunLease {
        owner: "bob".to_owned(),
        ttl: Duration::from_secs(60),
    };
    let claimed = journal.claim_unowned(&filter, &lease, 1).await.unwrap();
    assert_eq!(claimed[0].id, second.id);
    transaction.rollback().await.unwrap();
    drop((journal, store));
    test_store.remove().await;
}

#[tokio::test]
async fn a_process_that_has_lost_a_run_stops_its_model_call() {
    let Some(test_store) = postgres_store().await else {
        return;
    };
    let server = mock_server([Script::silence()]).await;
    let registry = registry_of(workflow(vec![ASKS]), &Default::default());
    let registry = with_desk(registry, desk_with(Policy::DEFAULT));
    let settings = Settings {
        workflows: WorkflowLimits {
            lease: Duration::from_millis(300),
            ..WorkflowLimits::default()
        },
        ..server.settings(ProviderKind::Anthropic)
    };
    let store = test_store.open().await;
    let service = WorkflowApp::from_registry(registry.store(store), settings);
    let run = service.start_run().await;
    assert!(eventually(|| server.in_flight() == 1).await);
    let steal =
        "UPDATE workflow_runs SET lease_owner = 'another', lease_expires_at = 32503680000000";
    execute(&test_store, steal).await;
    assert!(eventually(|| server.in_flight() == 0).await);
    let report = get(&service.app, &run).await.json();
    assert_eq!(report["status"], "running", "{report}");
    drop(service);
    test_store.remove().await;
}

/// Reads the events of a run until the stream ends. Says when that was.
async fn events_until_the_end(
    address: SocketAddr,
    path: String,
) -> (Vec<(u64, Value)>, SystemTime) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    (parse_run_events(&answer), SystemTime::now())
}

#[tokio::test]
async fn who_follows_a_run_before_it_starts_learns_of_its_end_at_once() {
    let Some(queue) = test_queue().await else {
        return;
    };
    let mut settings = queue.settings(Duration::from_secs(60));
    settings.workflows.runs = 1;
    let steps = vec![step("a", &[], "wait 150")];
    let service = serve(workflow(steps), settings).await;
    // Each run waits for the one before it, while somebody already follows it.
    let mut followers = Vec::new();
    for _ in 0..12 {
        let location = start_run(&service).await;
        let events = events_until_the_end(service.address, format!("{location}/events"));
        followers.push((location, tokio::spawn(events)));
    }
    let store = queue.store.open().await;
    let mut lateness = Vec::new();
    for (location, follower) in followers {
        let (events, end) = follower.await.unwrap();
        assert_eq!(events.last().unwrap().1["type"], "run.finished");
        let id = location.rsplit('/').next().unwrap().parse().unwrap();
        let run = store.journal().run(id, "anonymous").await.unwrap().unwrap();
        let late = end
            .duration_since(run.ended_at.unwrap())
            .unwrap_or_default();
        lateness.push(late);
    }
    // A follower that has to look for changes by itself does so every 500 ms: half of them would be later than 250 ms. A
    // busy machine may delay some.
    let late = lateness.iter().filter(|late| late.as_millis() > 250);
    assert!(late.count() <= 3, "{lateness:?}");
    drop(store);
    service.stop().await;
    queue.remove().await;
}
