//! Workflow runs in a database.

use std::time::SystemTime;

use sqlx::AssertSqlSafe;

use crate::error::store_error::StoreError;
use crate::future::BoxFuture;
use crate::schema::Uuid;
use crate::store::sql_database::{Executor, Row, query};
use crate::store::sql_store::SqlStore;
use crate::store::sql_values::{
    escape_nul, expires_after, from_json, now, signed, to_json, unescape_nul, unsigned,
};
use crate::unix_time::{from_millis, to_millis};
use crate::workflow::journal::{Change, ClaimOutcome, Journal, JournaledRun, RunLease};
use crate::workflow::workflow_event::WorkflowEvent;

/// The columns that [`read_run`] needs.
const COLUMNS: &str =
    "id, workflow, subject, input, roles, status, error, created_at, ended_at, cancel_requested";
const CREATE: &str = "INSERT INTO workflow_runs \
     (id, workflow, subject, input, roles, status, error, event_count, cancel_requested, created_at, \
     owner, lease_expires_at, idempotency_key) VALUES ($1, $2, $3, $4, $5, $6, 'null', 0, 0, $7, $8, $9, $10) \
     ON CONFLICT (subject, workflow, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING";
const WITH_KEY: &str =
    "FROM workflow_runs WHERE subject = $1 AND workflow = $2 AND idempotency_key = $3";
/// The outer condition repeats the inner one: PostgreSQL selects the rows before it locks them, and checks only the
/// outer condition again once it has the lock.
const CLAIM_UNOWNED: &str = "UPDATE workflow_runs SET owner = $1, lease_expires_at = $2 \
     WHERE ended_at IS NULL AND (owner IS NULL OR lease_expires_at <= $3) AND id IN \
     (SELECT id FROM workflow_runs WHERE workflow = $4 AND ended_at IS NULL \
     AND (owner IS NULL OR lease_expires_at <= $3) ORDER BY created_at, id LIMIT $5) RETURNING ";
const CLAIM: &str = "UPDATE workflow_runs SET owner = $1, lease_expires_at = $2 \
     WHERE id = $4 AND ended_at IS NULL AND (owner IS NULL OR lease_expires_at <= $3) RETURNING ";
const LEASE: &str = "SELECT ended_at, lease_expires_at FROM workflow_runs WHERE id = $1";
const RENEW: &str = "UPDATE workflow_runs SET lease_expires_at = $3 \
     WHERE id = $1 AND owner = $2 RETURNING cancel_requested";
const RELEASE: &str = "UPDATE workflow_runs SET owner = NULL, lease_expires_at = NULL \
     WHERE id = $1 AND owner = $2";
/// Locks the run until the transaction ends, so that its events are numbered without gaps.
const CHANGE: &str = "UPDATE workflow_runs SET event_count = event_count + $3, status = $4, error = $5 \
     WHERE id = $1 AND owner = $2 AND ended_at IS NULL RETURNING event_count";
const END: &str = "UPDATE workflow_runs \
     SET ended_at = $2, expires_at = $3, owner = NULL, lease_expires_at = NULL WHERE id = $1";
/// Changes no row if the step has ended.
const PUT_STEP: &str = "INSERT INTO workflow_steps (run, step, ended, body) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (run, step) DO UPDATE SET ended = excluded.ended, body = excluded.body \
     WHERE workflow_steps.ended = 0";
const ADD_EVENT: &str = "INSERT INTO workflow_events (run, number, body) VALUES ($1, $2, $3)";
const STEPS: &str = "SELECT body FROM workflow_steps WHERE run = $1";
const EVENTS: &str = "SELECT number, body FROM workflow_events \
     WHERE run = $1 AND number > $2 ORDER BY number LIMIT $3";
const REQUEST_CANCEL: &str =
    "UPDATE workflow_runs SET cancel_requested = 1 WHERE id = $1 AND ended_at IS NULL";
const PURGE: &str = "DELETE FROM workflow_runs WHERE id IN \
     (SELECT id FROM workflow_runs WHERE expires_at <= $1 LIMIT $2)";

/// The run in a row, without its steps.
fn read_run(row: &Row) -> Result<JournaledRun, StoreError> {
    Ok(JournaledRun {
        id: row.text("id")?.parse().map_err(StoreError::internal)?,
        workflow: row.text("workflow")?,
        subject: unescape_nul(&row.text("subject")?),
        roles: from_json(&row.text("roles")?)?,
        input: from_json(&row.text("input")?)?,
        status: from_json(&row.text("status")?)?,
        error: from_json(&row.text("error")?)?,
        created_at: from_millis(row.integer("created_at")?),
        ended_at: row.optional_integer("ended_at")?.map(from_millis),
        cancel_requested: row.integer("cancel_requested")? != 0,
        steps: Vec::new(),
    })
}

/// The run in a row, with the steps that `executor` finds.
async fn read_run_with_steps(
    row: &Row,
    executor: Executor<'_>,
) -> Result<JournaledRun, StoreError> {
    let mut run = read_run(row)?;
    let rows = query(STEPS)
        .bind(run.id.to_string())
        .fetch_all(executor)
        .await?;
    for row in rows {
        run.steps.push(from_json(&row.text("body")?)?);
    }
    Ok(run)
}

impl Journal for SqlStore {
    fn create<'a>(
        &'a self,
        run: &'a JournaledRun,
        lease: Option<&'a RunLease>,
        idempotency_key: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Option<JournaledRun>, StoreError>> {
        Box::pin(async move {
            let created = query(CREATE)
                .bind(run.id.to_string())
                .bind(&run.workflow)
                .bind(escape_nul(&run.subject))
                .bind(to_json(&run.input)?)
                .bind(to_json(&run.roles)?)
                .bind(to_json(&run.status)?)
                .bind(to_millis(run.created_at))
                .bind(lease.map(|lease| &*lease.owner))
                .bind(lease.map(|lease| expires_after(lease.ttl)))
                .bind(idempotency_key)
                .execute(self.database.write())
                .await?;
            if created > 0 {
                return Ok(None);
            }
            let earlier = query(AssertSqlSafe(format!("SELECT {COLUMNS} {WITH_KEY}")))
                .bind(escape_nul(&run.subject))
                .bind(&run.workflow)
                .bind(idempotency_key)
                .fetch_optional(self.database.write())
                .await?;
            // It may have been purged between the two statements.
            let purged = || StoreError::unavailable("an earlier run has just expired");
            let earlier = earlier.ok_or_else(purged)?;
            let earlier = read_run_with_steps(&earlier, self.database.write()).await?;
            Ok(Some(earlier))
        })
    }

    fn claim_unowned<'a>(
        &'a self,
        workflow: &'a str,
        lease: &'a RunLease,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<JournaledRun>, StoreError>> {
        Box::pin(async move {
            let rows = query(AssertSqlSafe(format!("{CLAIM_UNOWNED}{COLUMNS}")))
                .bind(&lease.owner)
                .bind(expires_after(lease.ttl))
                .bind(now())
                .bind(workflow)
                .bind(limit)
                .fetch_all(self.database.write())
                .await?;
            let mut runs = Vec::new();
            for row in rows {
                // A reading connection may not see the last write of the previous owner yet.
                runs.push(read_run_with_steps(&row, self.database.write()).await?);
            }
            runs.sort_by_key(|run| (run.created_at, run.id));
            Ok(runs)
        })
    }

    fn claim<'a>(
        &'a self,
        run: Uuid,
        lease: &'a RunLease,
    ) -> BoxFuture<'a, Result<ClaimOutcome, StoreError>> {
        Box::pin(async move {
            let row = query(AssertSqlSafe(format!("{CLAIM}{COLUMNS}")))
                .bind(&lease.owner)
                .bind(expires_after(lease.ttl))
                .bind(now())
                .bind(run.to_string())
                .fetch_optional(self.database.write())
                .await?;
            if let Some(row) = row {
                let run = read_run_with_steps(&row, self.database.write()).await?;
                return Ok(ClaimOutcome::Claimed(Box::new(run)));
            }
            let row = query(LEASE)
                .bind(run.to_string())
                .fetch_optional(self.database.write())
                .await?;
            let Some(row) = row else {
                return Ok(ClaimOutcome::NotFound);
            };
            if row.optional_integer("ended_at")?.is_some() {
                return Ok(ClaimOutcome::Finished);
            }
            // A run that was released between the two statements can be claimed from now on.
            let until = row.optional_integer("lease_expires_at")?;
            let until = until.map_or_else(SystemTime::now, from_millis);
            Ok(ClaimOutcome::LeasedUntil(until))
        })
    }

    fn renew<'a>(
        &'a self,
        run: Uuid,
        lease: &'a RunLease,
    ) -> BoxFuture<'a, Result<Option<bool>, StoreError>> {
        Box::pin(async move {
            let row = query(RENEW)
                .bind(run.to_string())
                .bind(&lease.owner)
                .bind(expires_after(lease.ttl))
                .fetch_optional(self.database.write())
                .await?;
            row.map(|row| Ok(row.integer("cancel_requested")? != 0))
                .transpose()
        })
    }

    fn release<'a>(&'a self, run: Uuid, owner: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            query(RELEASE)
                .bind(run.to_string())
                .bind(owner)
                .execute(self.database.write())
                .await?;
            Ok(())
        })
    }

    fn write<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let id = change.run.to_string();
            let added = signed(change.events.len());
            let mut transaction = self.database.begin().await?;
            let row = query(CHANGE)
                .bind(&id)
                .bind(&change.owner)
                .bind(added)
                .bind(to_json(&change.status)?)
                .bind(to_json(&change.error)?)
                .fetch_optional(transaction.executor())
                .await?;
            let Some(row) = row else {
                return Ok(false);
            };
            for step in &change.steps {
                let written = query(PUT_STEP)
                    .bind(&id)
                    .bind(&step.step)
                    .bind(i64::from(step.status.is_over()))
                    .bind(to_json(step)?)
                    .execute(transaction.executor())
                    .await?;
                if written == 0 {
                    return Ok(false);
                }
            }
            let first = row.integer("event_count")? - added + 1;
            for (number, event) in (first..).zip(&change.events) {
                query(ADD_EVENT)
                    .bind(&id)
                    .bind(number)
                    .bind(to_json(event)?)
                    .execute(transaction.executor())
                    .await?;
            }
            if let Some((ended_at, expires_at)) = change.ended {
                query(END)
                    .bind(&id)
                    .bind(to_millis(ended_at))
                    .bind(to_millis(expires_at))
                    .execute(transaction.executor())
                    .await?;
            }
            transaction.commit().await?;
            Ok(true)
        })
    }

    fn run<'a>(
        &'a self,
        run: Uuid,
        subject: &'a str,
    ) -> BoxFuture<'a, Result<Option<JournaledRun>, StoreError>> {
        Box::pin(async move {
            let find = "FROM workflow_runs WHERE id = $1 AND subject = $2";
            let row = query(AssertSqlSafe(format!("SELECT {COLUMNS} {find}")))
                .bind(run.to_string())
                .bind(escape_nul(subject))
                .fetch_optional(self.database.read())
                .await?;
            let Some(row) = row else {
                return Ok(None);
            };
            let run = read_run_with_steps(&row, self.database.read()).await?;
            Ok(Some(run))
        })
    }

    fn events(
        &self,
        run: Uuid,
        after: u64,
        limit: u32,
    ) -> BoxFuture<'_, Result<Vec<(u64, WorkflowEvent)>, StoreError>> {
        Box::pin(async move {
            let rows = query(EVENTS)
                .bind(run.to_string())
                .bind(signed(after))
                .bind(limit)
                .fetch_all(self.database.read())
                .await?;
            let event = |row: &Row| {
                let number = unsigned(row.integer("number")?);
                Ok((number, from_json(&row.text("body")?)?))
            };
            rows.iter().map(event).collect()
        })
    }

    fn request_cancel(&self, run: Uuid) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let changed = query(REQUEST_CANCEL)
                .bind(run.to_string())
                .execute(self.database.write())
                .await?;
            Ok(changed > 0)
        })
    }

    fn purge_runs(&self, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.database.purge(PURGE, limit))
    }
}
