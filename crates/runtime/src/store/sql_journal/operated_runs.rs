//! Runs that callers pause, resume, retry and delete.

use sqlx::AssertSqlSafe;

use crate::error::store_error::StoreError;
use crate::schema::{Uuid, new_uuid_v4};
use crate::store::sql_database::{Database, query};
use crate::store::sql_journal::journal_statements::LEASE;
use crate::store::sql_journal::operation_statements::{
    ADD_RETRY, DELETE_FINISHED, PAUSE, REQUEST_PAUSE, RESUME, RETRY,
};
use crate::store::sql_values::{escape_nul, from_json, signed, to_json};
use crate::unix_time::to_millis;
use crate::workflow::journal::run_requests::{PauseOutcome, ResumeOutcome};
use crate::workflow::journal::{JournaledRun, RunQuery};
use crate::workflow::run_report::RunStatus;

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
