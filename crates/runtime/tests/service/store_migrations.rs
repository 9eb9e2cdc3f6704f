//! Databases of earlier versions: their runs are still there, and go on.

use std::time::Duration;

use agentgen_runtime::workflow::{ClaimOutcome, RunLease, StepStatus, SuspendOutcome, Suspension};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqlSafeStr, SqliteConnection};

use crate::journals::{create, run_of};
use crate::store_fixture::{TestStore, postgres_store, sqlite_store};

/// The migrations of version 0.1.0 before runs were stored as changes.
macro_rules! first_migrations {
    ($database:literal) => {
        [
            include_str!(concat!(
                "../../migrations/",
                $database,
                "/0001_refresh_tokens.sql"
            )),
            include_str!(concat!(
                "../../migrations/",
                $database,
                "/0002_sessions.sql"
            )),
            include_str!(concat!(
                "../../migrations/",
                $database,
                "/0003_workflow_runs.sql"
            )),
            include_str!(concat!(
                "../../migrations/",
                $database,
                "/0004_documents.sql"
            )),
            include_str!(concat!(
                "../../migrations/",
                $database,
                "/0005_workflow_run_keys.sql"
            )),
        ]
    };
}

/// A run whose first step has finished, and whose process died during the second one.
const OLD_RUN: &str = r#"
    INSERT INTO workflow_runs (id, workflow, subject, input, roles, status, error, event_count, cancel_requested,
        created_at, owner, lease_expires_at)
    VALUES ('01936f2e-7b1c-7000-8000-000000000004', 'play', 'ann', '{"topic":"ducks"}', '[]', '"running"', 'null', 4, 0,
        1790000000123, 'gone', 1790000000500);
    INSERT INTO workflow_steps (run, step, ended, body) VALUES
        ('01936f2e-7b1c-7000-8000-000000000004', 'a', 1, '{"step":"a","agent":"worker","endpoint":"invoke","status":"succeeded","output":"did","attempts":1,"usage":{"input_tokens":2,"output_tokens":1}}'),
        ('01936f2e-7b1c-7000-8000-000000000004', 'b', 0, '{"step":"b","agent":"worker","endpoint":"invoke","status":"running","output":null,"attempts":1,"usage":{"input_tokens":0,"output_tokens":0}}');
    INSERT INTO workflow_events (run, number, body) VALUES
        ('01936f2e-7b1c-7000-8000-000000000004', 1, '{"type":"run.started","run_id":"01936f2e-7b1c-7000-8000-000000000004","workflow":"play"}'),
        ('01936f2e-7b1c-7000-8000-000000000004', 2, '{"type":"step.started","step":"a","agent":"worker","endpoint":"invoke"}'),
        ('01936f2e-7b1c-7000-8000-000000000004', 3, '{"type":"step.finished","report":{"step":"a","agent":"worker","endpoint":"invoke","status":"succeeded","output":"did","attempts":1,"usage":{"input_tokens":2,"output_tokens":1}}}'),
        ('01936f2e-7b1c-7000-8000-000000000004', 4, '{"type":"step.started","step":"b","agent":"worker","endpoint":"invoke"}');
"#;

fn migrator(migrations: [&'static str; 5]) -> Migrator {
    let migrations = (1..).zip(migrations).map(|(version, sql)| {
        let kind = MigrationType::Simple;
        Migration::new(version, "".into(), kind, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// Several processes open the store at once. The run is there, and can be claimed.
async fn check(test_store: TestStore) {
    let (first, second) = tokio::join!(test_store.open(), test_store.open());
    let journal = second.journal();
    let id = "01936f2e-7b1c-7000-8000-000000000004".parse().unwrap();
    let run = journal.run(id, "ann").await.unwrap().unwrap();
    let steps = run.steps.iter().map(|step| (&*step.step, step.status));
    let expected = [("a", StepStatus::Succeeded), ("b", StepStatus::Running)];
    assert_eq!(steps.collect::<Vec<_>>(), expected);
    assert_eq!(run.steps[0].output, "did");
    let events = first.journal().events(id, 2, 10).await.unwrap();
    let numbers = events.iter().map(|(number, _)| *number);
    assert_eq!(numbers.collect::<Vec<_>>(), [3, 4]);
    let lease = RunLease {
        owner: "ann".to_owned(),
        ttl: Duration::from_secs(60),
    };
    let ClaimOutcome::Claimed(claimed) = journal.claim(id, &lease).await.unwrap() else {
        panic!("its process is gone");
    };
    assert_eq!((claimed.event_count, claimed.resumptions), (4, 1));
    drop((first, second, journal));
    test_store.remove().await;
}

#[tokio::test]
async fn runs_of_an_earlier_version_are_migrated() {
    let test_store = sqlite_store();
    let path = test_store.url.strip_prefix("sqlite:").unwrap();
    std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
    let url = format!("sqlite://{path}?mode=rwc");
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let migrations = migrator(first_migrations!("sqlite"));
    migrations.run(&mut connection).await.unwrap();
    let old = AssertSqlSafe(OLD_RUN);
    sqlx::raw_sql(old).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    check(test_store).await;

    let Some(test_store) = postgres_store().await else {
        return;
    };
    let mut connection = PgConnection::connect(&test_store.url).await.unwrap();
    let migrations = migrator(first_migrations!("postgres"));
    migrations.run(&mut connection).await.unwrap();
    let old = AssertSqlSafe(OLD_RUN);
    sqlx::raw_sql(old).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    check(test_store).await;
}

/// What a program from before 0012 does with runs of a definition that it does not know: it marks those that have no owner, and deletes
/// what is marked. Here, at once.
const OLD_CLEANING: &str = "
    UPDATE workflow_runs SET expires_at = 1 WHERE workflow = 'play' AND definition = 'of today' AND ended_at IS NULL
        AND expires_at IS NULL AND lease_owner IS NULL;
    DELETE FROM workflow_runs WHERE id IN (SELECT id FROM workflow_runs WHERE expires_at <= 2 AND lease_owner IS NULL);
";

/// A run that is queued is deleted by a program from before, as one of a workflow that is gone; one that waits for an answer stays.
async fn check_that_waiting_runs_stay(
    test_store: TestStore,
    clean: impl AsyncFn(&str, &'static str),
) {
    let store = test_store.open().await;
    let journal = &*store.journal();
    let ann = RunLease {
        owner: "ann".to_owned(),
        ttl: Duration::from_secs(60),
    };
    let queued = run_of("play", "ann");
    create(journal, &queued, None).await;
    let waiting = run_of("play", "ann");
    create(journal, &waiting, Some(&ann)).await;
    let suspension = Suspension {
        until: None,
        inbox_count: 0,
    };
    let suspended = journal.suspend(waiting.id, "ann", &suspension).await;
    assert_eq!(suspended.unwrap(), SuspendOutcome::Suspended);
    clean(&test_store.url, OLD_CLEANING).await;
    assert_eq!(journal.run(queued.id, "ann").await.unwrap(), None);
    assert!(journal.run(waiting.id, "ann").await.unwrap().is_some());
    let ClaimOutcome::Claimed(_) = journal.claim(waiting.id, &ann).await.unwrap() else {
        panic!("it can be resumed");
    };
    drop(store);
    test_store.remove().await;
}

#[tokio::test]
async fn a_program_from_before_runs_could_wait_deletes_none_that_waits() {
    check_that_waiting_runs_stay(sqlite_store(), async |url, sql| {
        let url = format!("sqlite://{}", url.strip_prefix("sqlite:").unwrap());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    })
    .await;
    let Some(test_store) = postgres_store().await else {
        return;
    };
    check_that_waiting_runs_stay(test_store, async |url, sql| {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    })
    .await;
}
