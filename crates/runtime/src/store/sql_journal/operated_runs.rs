//! Runs that callers list, pause, resume, retry and delete.

use std::cmp::Reverse;

use sqlx::AssertSqlSafe;

use crate::error::store_error::StoreError;
use crate::schema::{Uuid, new_uuid_v4};
use crate::store::sql_database::{Database, Row, query};
use crate::store::sql_journal::journal_statements::{LEASE, LIST, LIST_WITH_STATUS};
use crate::store::sql_journal::operation_statements::{
    ADD_RETRY, DELETE_FINISHED, PAUSE, REQUEST_PAUSE, RESUME, RETRY,
};
use crate::store::sql_journal::read_run_id;
use crate::store::sql_values::{escape_nul, from_json, signed, to_json};
use crate::unix_time::{from_millis, to_millis};
use crate::workflow::journal::run_requests::{PauseOutcome, ResumeOutcome};
use crate::workflow::journal::{JournaledRun, RunFacts, RunQuery};
use crate::workflow::run_report::RunStatus;

/// See [`Journal::list`](crate::workflow::Journal::list).
pub(super) async fn list(
    database: &Database,
    filter: &RunQuery<'_>,
    limit: u32,
) -> Result<Vec<RunFacts>, StoreError> {
    let workflow = filter.workflow.map(escape_nul);
    // No run is `before` and has the empty id.
    let before = (filter.before.map_or(i64::MAX, to_millis), String::new());
    let after = filter.after.map(|(at, id)| (to_millis(at), id.to_string()));
    let (until, id) = after.map_or(before.clone(), |after| after.min(before));
    let list = |statement| {
        database
            .query(statement)
            .bind(escape_nul(filter.subject))
            .bind(filter.since.map_or(0, to_millis))
            .bind(until)
            .bind(id.as_str())
            .bind(workflow.as_deref())
            .bind(limit)
    };
    let mut queries = Vec::new();
    for status in filter.statuses {
        queries.push(list(LIST_WITH_STATUS).bind(to_json(status)?));
    }
    if queries.is_empty() {
        queries.push(list(LIST));
    }
    let mut found = Vec::new();
    for query in queries {
        let rows = query.fetch_all(database.read()).await?;
        for row in &rows {
            found.push(read_facts(row)?);
        }
    }
    // Each query gives its newest ones, so that the newest of all are among them.
    found.sort_unstable_by_key(|run| Reverse((run.created_at, run.id)));
    found.truncate(limit as usize);
    Ok(found)
}

/// What a list tells of the run in a row.
fn read_facts(row: &Row) -> Result<RunFacts, StoreError> {
    Ok(RunFacts {
        id: row.text("id")?.parse().map_err(StoreError::internal)?,
        parent: read_run_id(row, "parent")?,
        workflow: row.text("workflow")?,
        status: from_json(&row.text("status")?)?,
        error: from_json(&row.text("error")?)?,
        created_at: from_millis(row.integer("created_at")?),
        ended_at: row.optional_integer("ended_at")?.map(from_millis),
    })
}

/// See [`Journal::request_pause`](crate::workflow::Journal::request_pause).
pub(super) async fn request_pause(
    database: &Database,
    run: Uuid,
) -> Result<PauseOutcome, StoreError> {
    let row = database
        .query(REQUEST_PAUSE)
        .bind(run.to_string())
        .fetch_optional(database.write())
        .await?;
    let status = row.map(|row| from_json(&row.text("status")?)).transpose()?;
    Ok(match status {
        Some(RunStatus::Paused) => PauseOutcome::Paused,
        Some(_) => PauseOutcome::Requested,
        None => PauseOutcome::Finished,
    })
}

/// See [`Journal::pause`](crate::workflow::Journal::pause).
pub(super) async fn pause(database: &Database, run: Uuid, owner: &str) -> Result<bool, StoreError> {
    let paused = query(PAUSE)
        .bind(run.to_string())
        .bind(owner)
        .execute(database.write())
        .await?;
    Ok(paused > 0)
}

/// See [`Journal::resume`](crate::workflow::Journal::resume).
pub(super) async fn resume(database: &Database, run: Uuid) -> Result<ResumeOutcome, StoreError> {
    let resume = query(RESUME).bind(run.to_string());
    if resume.execute(database.write()).await? > 0 {
        return Ok(ResumeOutcome::Resumed);
    }
    let row = database
        .query(LEASE)
        .bind(run.to_string())
        .fetch_optional(database.write())
        .await?;
    let ended_at = row
        .map(|row| row.optional_integer("ended_at"))
        .transpose()?;
    Ok(match ended_at {
        Some(None) => ResumeOutcome::NotPaused,
        Some(Some(_)) | None => ResumeOutcome::Finished,
    })
}

/// See [`Journal::retry`](crate::workflow::Journal::retry).
pub(super) async fn retry(database: &Database, run: &JournaledRun) -> Result<bool, StoreError> {
    let Some(ended_at) = run.ended_at else {
        return Ok(false);
    };
    let mut transaction = database.begin().await?;
    let retried = query(RETRY)
        .bind(run.id.to_string())
        .bind(&run.workflow)
        .bind(&run.definition)
        .bind(escape_nul(&run.subject))
        .bind(to_millis(ended_at))
        .execute(transaction.executor())
        .await?;
    if retried == 0 {
        return Ok(false);
    }
    let added = database
        .query(ADD_RETRY)
        .bind(run.id.to_string())
        .bind(signed(run.event_count + 1))
        .bind(new_uuid_v4().as_bytes().to_vec())
        .bind(to_json(&[run.retried()])?)
        .execute(transaction.executor())
        .await?;
    if added > 0 {
        transaction.commit().await?;
    }
    Ok(added > 0)
}

/// See [`Journal::delete_finished`](crate::workflow::Journal::delete_finished).
pub(super) async fn delete_finished(
    database: &Database,
    filter: &RunQuery<'_>,
    limit: u32,
) -> Result<u64, StoreError> {
    let mut deleted = 0;
    for status in filter.statuses {
        let left = u64::from(limit) - deleted;
        if left == 0 {
            break;
        }
        let sql = database.sql(DELETE_FINISHED);
        let sql = sql.replace("{limit}", &left.to_string());
        deleted += query(AssertSqlSafe(sql))
            .bind(escape_nul(filter.subject))
            .bind(to_json(status)?)
            .bind(filter.since.map_or(0, to_millis))
            .bind(filter.before.map_or(i64::MAX, to_millis))
            .bind(filter.workflow.map(escape_nul).as_deref())
            .execute(database.write())
            .await?;
    }
    Ok(deleted)
}
