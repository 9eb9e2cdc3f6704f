//! The statements about workflow runs. Each is whole, so that the database can be asked how it would find the rows.
//!
//! Invariant: no statement reads more rows than it is about, however many runs the database has. `ended_at IS NULL` is
//! written in three ways, so that one index of unfinished runs fits where they are found by workflow, another one where
//! they are found by subject, and none where a run is found by its id: planners take such an index for small, and would
//! read all of it.

/// The columns of a run.
macro_rules! columns {
    () => {
        "id, workflow, definition, subject, input, roles, status, error, created_at, {now} AS now, ended_at, \
         cancel_requested, pause_requested, restarted_from, resumptions, parent"
    };
}

macro_rules! insert_run {
    ($status:literal, $parent:literal, $($lease_and_round:expr),*) => {
        concat!(
            "INSERT INTO workflow_runs (id, workflow, definition, subject, input, roles, status, error, cancel_requested, \
             created_at, idempotency_key, restarted_from, parent, lease_owner, lease_expires_at, round) \
             SELECT $1, $2, $3, $4, $5, $6, ",
            $status,
            ", 'null', 0, {now}, $7, $8, ",
            $parent,
            ", ",
            $($lease_and_round,)*
            " ON CONFLICT (subject, workflow, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING \
             RETURNING created_at",
        )
    };
}

/// Locks the run until the change is committed, so that nobody can claim it between. Adds nothing if the owner has lost
/// the run; a change with a number that is taken is a conflict. `ON CONFLICT` would be a record more in PostgreSQL's log for
/// each change. A run that has ended has no owner.
macro_rules! add_change {
    () => {
        "INSERT INTO workflow_changes (run, number, change, written_at, events) \
         SELECT id, $3, $4, {now}, $5 FROM workflow_runs \
         WHERE id = $1 AND lease_owner = $2 {lock}"
    };
}

/// The round after that of the last waiting run of the workflow `$2` and the subject `$4`, or the current one of the workflow with
/// the definition `$3` if that is later.
macro_rules! next_round {
    () => {
        "(SELECT COALESCE(MAX(round), 0) FROM (\
         SELECT round + 1 AS round FROM (SELECT round FROM workflow_runs WHERE subject = $4 AND workflow = $2 \
         AND COALESCE(ended_at, 0) = 0 AND wake_at IS NULL AND lease_owner IS NULL ORDER BY round DESC LIMIT 1) AS own \
         UNION ALL SELECT round FROM (SELECT round FROM workflow_runs WHERE workflow = $2 AND definition = $3 \
         AND resumptions = 0 AND ended_at IS NULL AND wake_at IS NULL AND lease_owner IS NULL AND status = '\"queued\"' \
         ORDER BY round LIMIT 1) AS first) AS rounds)"
    };
}
pub(super) use next_round;

/// It is running from the start: to change what an index has costs an entry in each of them.
pub(super) const CREATE_LEASED: &str =
    insert_run!("'\"running\"'", "$11", "$9, {now} + $10, 0 WHERE TRUE");
/// Nothing is stored if `$9` runs of the subject wait.
pub(super) const CREATE_WAITING: &str = insert_run!(
    "'\"queued\"'",
    "$10",
    "NULL, NULL, ",
    next_round!(),
    " WHERE (SELECT COUNT(*) FROM (SELECT 1 FROM workflow_runs WHERE subject = $4 AND COALESCE(ended_at, 0) = 0 \
     AND wake_at IS NULL AND lease_owner IS NULL LIMIT $9) AS waiting) < $9"
);
pub(super) const RUN_WITH_KEY: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM workflow_runs WHERE subject = $1 AND workflow = $2 AND idempotency_key = $3"
);
pub(super) const RUN: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM workflow_runs WHERE id = $1 AND subject = $2"
);
/// In the order of the index `workflow_runs_by_subject`. `$3` and `$4` are the last run of the page before.
pub(super) const LIST: &str = "SELECT id, parent, workflow, status, error, created_at, ended_at FROM workflow_runs \
     WHERE subject = $1 AND created_at >= $2 AND (created_at, id) < ($3, $4) \
     AND ($5 IS NULL OR workflow = $5) ORDER BY created_at DESC, id DESC LIMIT $6";
/// The same of one status, in the order of the index `workflow_runs_by_status`.
pub(super) const LIST_WITH_STATUS: &str = "SELECT id, parent, workflow, status, error, created_at, ended_at FROM workflow_runs \
     WHERE subject = $1 AND status = $7 AND created_at >= $2 AND (created_at, id) < ($3, $4) \
     AND ($5 IS NULL OR workflow = $5) ORDER BY created_at DESC, id DESC LIMIT $6";
/// Skips the rows that another process claims at the same moment, so that both find runs. A lease that has expired is one
/// of an owner that died.
pub(super) const CLAIM_UNOWNED: &str = concat!(
    "WITH free AS MATERIALIZED (SELECT id FROM workflow_runs \
     WHERE workflow = $3 AND definition = $4 AND ended_at IS NULL AND wake_at IS NULL \
     AND (lease_owner IS NULL OR lease_expires_at <= {now}) \
     AND resumptions + CASE WHEN COALESCE(lease_owner, $1) = $1 THEN 0 ELSE 1 END BETWEEN $5 AND $6 \
     ORDER BY resumptions, round, created_at, id LIMIT $7 {skip_locked}) \
     UPDATE workflow_runs \
     SET resumptions = resumptions + CASE WHEN COALESCE(lease_owner, $1) = $1 THEN 0 ELSE 1 END, \
     lease_owner = $1, lease_expires_at = {now} + $2 WHERE id IN (SELECT id FROM free) RETURNING round, ",
    columns!()
);
pub(super) const CLAIM: &str = concat!(
    "UPDATE workflow_runs \
     SET resumptions = resumptions + CASE WHEN COALESCE(lease_owner, $1) = $1 THEN 0 ELSE 1 END, \
     lease_owner = $1, lease_expires_at = {now} + $2, wake_at = NULL \
     WHERE id = $3 AND COALESCE(ended_at, -1) < 0 AND (lease_owner IS NULL OR lease_expires_at <= {now}) \
     AND (status <> '\"paused\"' OR cancel_requested = 1) RETURNING ",
    columns!()
);
pub(super) const LEASE: &str = "SELECT status, ended_at, lease_expires_at - {now} AS lease_left FROM workflow_runs WHERE id = $1";
pub(super) const RENEW: &str = "UPDATE workflow_runs SET lease_expires_at = {now} + $3 \
     WHERE id = $1 AND lease_owner = $2 RETURNING cancel_requested, pause_requested";
pub(super) const RELEASE: &str = "UPDATE workflow_runs SET lease_owner = NULL, lease_expires_at = NULL \
     WHERE id = $1 AND lease_owner = $2";
pub(super) const ADD_CHANGE: &str = add_change!();
/// Both in one statement, for a database that can.
pub(super) const ADD_CHANGE_AND_SET_STATE: &str = concat!(
    "WITH added AS (",
    add_change!(),
    " RETURNING run) UPDATE workflow_runs SET status = $6, error = $7, resumptions = $8, expires_at = NULL \
     FROM added WHERE id = added.run"
);
pub(super) const ADD_CHANGE_AND_END: &str = concat!(
    "WITH added AS (",
    add_change!(),
    " RETURNING run) UPDATE workflow_runs SET status = $6, error = $7, resumptions = $8, \
     ended_at = {now}, expires_at = {now} + $9, lease_owner = NULL, lease_expires_at = NULL \
     FROM added WHERE id = added.run"
);
pub(super) const FIND_CHANGE: &str =
    "SELECT change FROM workflow_changes WHERE run = $1 AND number = $2";
pub(super) const SET_STATE: &str = "UPDATE workflow_runs SET status = $2, error = $3, resumptions = $4, expires_at = NULL WHERE id = $1";
pub(super) const END: &str = "UPDATE workflow_runs SET status = $2, error = $3, resumptions = $4, \
     ended_at = {now}, expires_at = {now} + $5, lease_owner = NULL, lease_expires_at = NULL WHERE id = $1";
pub(super) const CHANGES: &str =
    "SELECT written_at, events FROM workflow_changes WHERE run = $1 ORDER BY number";
/// Begins with the change that holds the event `$2`.
pub(super) const EVENTS: &str = "SELECT number, events FROM workflow_changes WHERE run = $1 AND number >= \
     COALESCE((SELECT MAX(number) FROM workflow_changes WHERE run = $1 AND number <= $2), 0) \
     ORDER BY number LIMIT $3";
/// Nobody waits for what a run waits for that is to be cancelled.
pub(super) const REQUEST_CANCEL: &str = "UPDATE workflow_runs SET cancel_requested = 1, wake_at = NULL \
     WHERE id = $1 AND COALESCE(ended_at, -1) < 0";
pub(super) const PURGE: &str = "DELETE FROM workflow_runs WHERE id IN \
     (SELECT id FROM workflow_runs WHERE expires_at <= {now} \
     AND (lease_owner IS NULL OR lease_expires_at <= {now}) ORDER BY expires_at LIMIT $1)";
pub(super) const WAITING: &str = "SELECT workflow, definition, COUNT(*) AS count FROM workflow_runs \
     WHERE ended_at IS NULL AND wake_at IS NULL AND (lease_owner IS NULL OR lease_expires_at <= {now}) \
     GROUP BY workflow, definition ORDER BY workflow, definition";
pub(super) const ADOPT: &str = "UPDATE workflow_runs SET definition = $2 \
     WHERE workflow = $1 AND definition = '' AND ended_at IS NULL AND wake_at IS NULL";
pub(super) const EXPIRE_WAITING: &str = "UPDATE workflow_runs SET expires_at = {now} + $3 \
     WHERE workflow = $1 AND definition = $2 AND ended_at IS NULL AND wake_at IS NULL AND expires_at IS NULL \
     AND (lease_owner IS NULL OR lease_expires_at <= {now})";

#[cfg(all(test, feature = "postgres", feature = "sqlite"))]
mod tests {
    use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

    use super::*;
    use crate::error::store_error::StoreError;
    use crate::store::sql_database::query;
    use crate::store::sql_journal::operation_statements::*;
    use crate::store::sql_journal::stored_schedules::*;
    use crate::store::sql_journal::waiting_statements::*;
    use crate::store::sql_store::SqlStore;
    use crate::store::{postgres, sqlite};

    /// Every statement, with the types of its parameters: `t` for a text, `i` for an integer, `b` for bytes. Three are
    /// what deleting a run does to what it has.
    const ALL: &[(&str, &str)] = &[
        (CREATE_LEASED, "tttttttttit"),
        (CREATE_WAITING, "ttttttttit"),
        (RUN_WITH_KEY, "ttt"),
        (RUN, "tt"),
        (LIST, "tiitti"),
        (LIST_WITH_STATUS, "tiittit"),
        (CLAIM_UNOWNED, "tittiii"),
        (CLAIM, "tit"),
        (LEASE, "t"),
        (RENEW, "tti"),
        (RELEASE, "tt"),
        (ADD_CHANGE, "ttibt"),
        (ADD_CHANGE_AND_SET_STATE, "ttibttti"),
        (ADD_CHANGE_AND_END, "ttibtttii"),
        (FIND_CHANGE, "ti"),
        (SET_STATE, "ttti"),
        (END, "tttii"),
        (CHANGES, "t"),
        (EVENTS, "tii"),
        (REQUEST_CANCEL, "t"),
        (PURGE, ""),
        (WAITING, ""),
        (ADOPT, "tt"),
        (EXPIRE_WAITING, "tti"),
        ("DELETE FROM workflow_changes WHERE run = $1", "t"),
        ("DELETE FROM workflow_questions WHERE run = $1", "t"),
        ("DELETE FROM workflow_sent_events WHERE run = $1", "t"),
        (ADD_QUESTION, "ttti"),
        (CLOSE_QUESTION, "t"),
        (ADD_ANSWERER, "tt"),
        (ADD_OWNER, "tt"),
        (REMOVE_ANSWERERS, "t"),
        (OPEN_QUESTIONS, "tti"),
        (EXPIRE_QUESTION, "tt"),
        (QUESTION, "tt"),
        (ANSWER, "tttt"),
        (ANSWERS, "t"),
        (SEND, "t"),
        (ADD_EVENT, "tttti"),
        (SENT_EVENTS, "t"),
        (INBOX, "t"),
        (SUSPEND, "ttii"),
        (OWNED, "tt"),
        (WAKE_DUE, ""),
        (REQUEST_PAUSE, "t"),
        (PAUSE, "tt"),
        (RESUME, "t"),
        (RETRY, "tttti"),
        (ADD_RETRY, "tibt"),
        (DELETE_FINISHED, "ttiit"),
        (DECLARE_SCHEDULE, "tti"),
        (END_SCHEDULE, "t"),
        (ADVANCE_SCHEDULE, "ttii"),
    ];

    /// Adds finished runs with the numbers from `first` to `last`, or waiting ones, of three changes and a question each. `empty` is how
    /// the database writes no bytes.
    async fn fill(
        store: &SqlStore,
        empty: &str,
        first: u32,
        last: u32,
        ended_at: &str,
    ) -> Result<(), StoreError> {
        let numbers = format!(
            "WITH RECURSIVE numbers (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})"
        );
        let runs = format!(
            "INSERT INTO workflow_runs (id, workflow, definition, subject, input, roles, status, error, \
             cancel_requested, created_at, idempotency_key, ended_at, expires_at, round) \
             {numbers} SELECT 'run' || n, 'play', 'today', 'ann' || (n % 50), '{{}}', '[]', '\"completed\"', 'null', 0, n, \
             'key' || n, {ended_at}, {ended_at} + 9000000000000, n FROM numbers"
        );
        let changes = format!(
            "INSERT INTO workflow_changes (run, number, change, written_at, events) \
             {numbers} SELECT 'run' || n, number, {empty}, n, '[]' FROM numbers \
             CROSS JOIN (SELECT 1 AS number UNION ALL SELECT 3 UNION ALL SELECT 5) AS three"
        );
        let questions = format!(
            "INSERT INTO workflow_questions (id, run, body, closed_at) \
             {numbers} SELECT 'question' || n, 'run' || n, '{{}}', {ended_at} FROM numbers"
        );
        let answerers = format!(
            "INSERT INTO workflow_question_answerers (answerer, question) \
             {numbers} SELECT 'subject:ann' || (n % 50), 'question' || n FROM numbers"
        );
        for statement in [runs, changes, questions, answerers] {
            let fill = query(AssertSqlSafe(statement));
            fill.execute(store.database.write()).await?;
        }
        Ok(())
    }

    /// Whether `step` of a plan reads what may be read as a whole: the unfinished runs, once a minute.
    fn is_small(statement: &str, step: &str) -> bool {
        statement == WAITING && step.contains("workflow_runs_open")
    }

    #[tokio::test]
    async fn no_statement_scans_a_table_of_sqlite() {
        let folder = std::env::temp_dir().join(format!("agentgen-{}", uuid::Uuid::new_v4()));
        let store = sqlite::open(&folder.join("plans.db")).await.unwrap();
        fill(&store, "X''", 1, 20_000, "n").await.unwrap();
        fill(&store, "X''", 20_001, 20_200, "NULL").await.unwrap();
        for (statement, _) in ALL {
            if statement.contains("WITH added") {
                continue;
            }
            let explain = format!("EXPLAIN QUERY PLAN {statement}").replace("{limit}", "5");
            let explain = store.database.query(&explain);
            let rows = explain.fetch_all(store.database.write()).await.unwrap();
            let plan = rows.iter().map(|row| row.text("detail").unwrap());
            let plan = plan.collect::<Vec<_>>();
            let is_scan = |step: &String| step.starts_with("SCAN workflow_");
            let reads_all = |step: &String| is_scan(step) && !is_small(statement, step);
            assert!(!plan.iter().any(reads_all), "{statement}\n{plan:#?}");
        }
        drop(store);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn no_statement_scans_a_table_of_postgres() {
        let named = std::env::var("AGENTGEN_TEST_POSTGRES").ok();
        let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        let usual = is_ci.then(|| "postgres://postgres@127.0.0.1:5432/test".to_owned());
        let Some(url) = named.or(usual) else {
            return;
        };
        let schema = format!("test_{}", uuid::Uuid::new_v4().simple());
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let run = async |connection: &mut PgConnection, statement: String| {
            let statement = sqlx::raw_sql(AssertSqlSafe(statement));
            statement.fetch_all(connection).await.unwrap()
        };
        run(&mut connection, format!("CREATE SCHEMA {schema}")).await;
        run(&mut connection, format!("SET search_path = {schema}")).await;
        let join = if url.contains('?') { '&' } else { '?' };
        let options = format!("{url}{join}options[search_path]={schema}");
        let store = postgres::open(options.parse().unwrap()).await.unwrap();
        fill(&store, "''::bytea", 1, 20_000, "n").await.unwrap();
        // What the planner knows is always old: here, that every run has ended.
        let analyze = "ANALYZE workflow_runs; ANALYZE workflow_changes";
        run(&mut connection, analyze.to_owned()).await;
        fill(&store, "''::bytea", 20_001, 20_200, "NULL::bigint")
            .await
            .unwrap();
        // A statement that is prepared once is planned for its parameters or, later, for any.
        for mode in ["force_custom_plan", "force_generic_plan"] {
            run(&mut connection, format!("SET plan_cache_mode = {mode}")).await;
            for (statement, parameters) in ALL {
                let of = |names: [&str; 3]| {
                    let names = parameters.chars().map(|kind| match kind {
                        't' => names[0],
                        'i' => names[1],
                        _ => names[2],
                    });
                    match names.collect::<Vec<_>>().join(", ") {
                        none if none.is_empty() => none,
                        some => format!("({some})"),
                    }
                };
                let (types, values) = (of(["text", "bigint", "bytea"]), of(["'run7'", "1", "''"]));
                // To find many of so few rows, reading all of them is right.
                let sql = match *statement {
                    PURGE | WAKE_DUE => store.database.limited_sql(statement, 5),
                    statement => store.database.sql(statement).replace("{limit}", "5"),
                };
                run(&mut connection, format!("PREPARE plan {types} AS {sql}")).await;
                let explain = format!("EXPLAIN EXECUTE plan {values}");
                let plan = run(&mut connection, explain).await;
                let plan = plan.iter().map(|row| row.get::<String, _>(0));
                let plan = plan.collect::<Vec<_>>();
                let reads_all = plan.iter().enumerate().any(|(line, step)| {
                    let condition = plan.get(line + 1).map_or("", |next| next.trim());
                    step.contains("Scan")
                        && step.contains(" on workflow_")
                        && !condition.starts_with("Index Cond:")
                        && !condition.starts_with("Recheck Cond:")
                        && !is_small(statement, step)
                });
                assert!(!reads_all, "{statement}\n{plan:#?}");
                run(&mut connection, "DEALLOCATE plan".to_owned()).await;
            }
        }
        drop(store);
        run(&mut connection, format!("DROP SCHEMA {schema} CASCADE")).await;
    }
}
