//! Databases of earlier versions: their runs are still there, and go on.

use agentgen_runtime::workflow::{ClaimOutcome, RunLease, StepStatus};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqlSafeStr, SqliteConnection};

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
        ttl: std::time::Duration::from_secs(60),
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
