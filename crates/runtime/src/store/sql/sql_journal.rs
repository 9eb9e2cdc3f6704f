//! Runs of workflows in a database: the same statements for SQLite and PostgreSQL.

use std::time::SystemTime;

use sqlx::AssertSqlSafe;

use crate::error::AgentError;
use crate::schema::formats::Uuid;
use crate::session::session_store::Stored;
#[cfg(feature = "postgres")]
use crate::store::sql::postgres::PostgresStore;
use crate::store::sql::run_row::{COLUMNS, Row, read, run_of, signed, until, written};
#[cfg(feature = "sqlite")]
use crate::store::sql::sqlite::SqliteStore;
use crate::store::sql::{failed, millis, moment, now, plain, purged};
use crate::workflow::journal::{Change, Hold, Journal, JournaledRun, Take};
use crate::workflow::run_report::StepReport;
use crate::workflow::workflow_event::WorkflowEvent;

const BEGIN: &str = "INSERT INTO workflow_runs \
     (id, workflow, subject, input, roles, status, error, events, cancelled, created_at, holder, held_until, \
     idempotency_key) VALUES ($1, $2, $3, $4, $5, $6, 'null', 0, 0, $7, $8, $9, $10) \
     ON CONFLICT (subject, workflow, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING";
const EARLIER: &str =
    "FROM workflow_runs WHERE subject = $1 AND workflow = $2 AND idempotency_key = $3";
/// Said twice, since PostgreSQL finds the rows before it is their turn, and looks at the outer condition again then.
const CLAIM: &str = "UPDATE workflow_runs SET holder = $1, held_until = $2 \
     WHERE ended_at IS NULL AND (holder IS NULL OR held_until <= $3) AND id IN \
     (SELECT id FROM workflow_runs WHERE workflow = $4 AND ended_at IS NULL \
     AND (holder IS NULL OR held_until <= $3) ORDER BY created_at, id LIMIT $5) RETURNING ";
const TAKE: &str = "UPDATE workflow_runs SET holder = $1, held_until = $2 \
     WHERE id = $4 AND ended_at IS NULL AND (holder IS NULL OR held_until <= $3) RETURNING ";
const STANDS: &str = "SELECT ended_at, held_until FROM workflow_runs WHERE id = $1";
const RENEW: &str = "UPDATE workflow_runs SET held_until = $3 \
     WHERE id = $1 AND holder = $2 RETURNING cancelled";
const RELEASE: &str = "UPDATE workflow_runs SET holder = NULL, held_until = NULL \
     WHERE id = $1 AND holder = $2";
/// Locks the run until the end of the change, so that its events have their numbers one after the other.
const CHANGE: &str = "UPDATE workflow_runs SET events = events + $3, status = $4, error = $5 \
     WHERE id = $1 AND holder = $2 AND ended_at IS NULL RETURNING events";
const END: &str = "UPDATE workflow_runs \
     SET ended_at = $2, expires_at = $3, holder = NULL, held_until = NULL WHERE id = $1";
/// A step that is over stays as it is.
const STEP: &str = "INSERT INTO workflow_steps (run, step, ended, body) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (run, step) DO UPDATE SET ended = excluded.ended, body = excluded.body \
     WHERE workflow_steps.ended = 0";
const EVENT: &str = "INSERT INTO workflow_events (run, number, body) VALUES ($1, $2, $3)";
const STEPS: &str = "SELECT body FROM workflow_steps WHERE run = $1";
const EVENTS: &str = "SELECT number, body FROM workflow_events \
     WHERE run = $1 AND number > $2 ORDER BY number LIMIT $3";
const CANCEL: &str = "UPDATE workflow_runs SET cancelled = 1 WHERE id = $1 AND ended_at IS NULL";
const PURGE: &str = "DELETE FROM workflow_runs WHERE id IN \
     (SELECT id FROM workflow_runs WHERE expires_at <= $1 LIMIT $2)";

/// Reads the steps of a run into it.
macro_rules! with_steps {
    ($run:expr, $database:expr) => {
        let bodies = sqlx::query_scalar::<_, String>(STEPS)
            .bind($run.id.to_string())
            .fetch_all($database)
            .await
            .map_err(failed)?;
        let steps = bodies.iter().map(|body| read::<StepReport>(body));
        $run.steps = steps.collect::<Result<_, _>>()?;
    };
}

macro_rules! journal {
    ($store:ty) => {
        impl Journal for $store {
            fn begin<'a>(
                &'a self,
                run: &'a JournaledRun,
                hold: Option<&'a Hold>,
                key: Option<&'a str>,
            ) -> Stored<'a, Option<JournaledRun>> {
                Box::pin(async move {
                    let kept = sqlx::query(BEGIN)
                        .bind(run.id.to_string())
                        .bind(&run.workflow)
                        .bind(plain(&run.subject))
                        .bind(written(&run.input)?)
                        .bind(written(&run.roles)?)
                        .bind(written(&run.status)?)
                        .bind(millis(run.created_at))
                        .bind(hold.map(|hold| &hold.holder))
                        .bind(hold.map(until))
                        .bind(key)
                        .execute(&self.write)
                        .await
                        .map_err(failed)?;
                    if kept.rows_affected() > 0 {
                        return Ok(None);
                    }
                    let statement = AssertSqlSafe(format!("SELECT {COLUMNS} {EARLIER}"));
                    let earlier = sqlx::query_as::<_, Row>(statement)
                        .bind(plain(&run.subject))
                        .bind(&run.workflow)
                        .bind(key)
                        .fetch_optional(&self.write)
                        .await
                        .map_err(failed)?;
                    // It may have been forgotten between the two statements.
                    let gone = || AgentError::unavailable("an earlier run has just expired");
                    let mut earlier = run_of(earlier.ok_or_else(gone)?)?;
                    with_steps!(earlier, &self.write);
                    Ok(Some(earlier))
                })
            }

            fn claim<'a>(
                &'a self,
                workflow: &'a str,
                hold: &'a Hold,
                most: u32,
            ) -> Stored<'a, Vec<JournaledRun>> {
                Box::pin(async move {
                    let statement = AssertSqlSafe(format!("{CLAIM}{COLUMNS}"));
                    let rows = sqlx::query_as::<_, Row>(statement)
                        .bind(&hold.holder)
                        .bind(until(hold))
                        .bind(now())
                        .bind(workflow)
                        .bind(i64::from(most))
                        .fetch_all(&self.write)
                        .await
                        .map_err(failed)?;
                    let mut runs = Vec::new();
                    for row in rows {
                        let mut run = run_of(row)?;
                        // What is held is written by nobody else, but a read may be of a moment before it was.
                        with_steps!(run, &self.write);
                        runs.push(run);
                    }
                    runs.sort_by_key(|run| (run.created_at, run.id));
                    Ok(runs)
                })
            }

            fn take<'a>(&'a self, run: Uuid, hold: &'a Hold) -> Stored<'a, Take> {
                Box::pin(async move {
                    let statement = AssertSqlSafe(format!("{TAKE}{COLUMNS}"));
                    let row = sqlx::query_as::<_, Row>(statement)
                        .bind(&hold.holder)
                        .bind(until(hold))
                        .bind(now())
                        .bind(run.to_string())
                        .fetch_optional(&self.write)
                        .await
                        .map_err(failed)?;
                    if let Some(row) = row {
                        let mut run = run_of(row)?;
                        with_steps!(run, &self.write);
                        return Ok(Take::Taken(Box::new(run)));
                    }
                    let stands = sqlx::query_as::<_, (Option<i64>, Option<i64>)>(STANDS)
                        .bind(run.to_string())
                        .fetch_optional(&self.write)
                        .await
                        .map_err(failed)?;
                    Ok(match stands {
                        None => Take::Missing,
                        Some((Some(_), _)) => Take::Over,
                        // Given back between the two statements, it is free from now on.
                        Some((None, until)) => {
                            Take::Held(until.map_or_else(SystemTime::now, moment))
                        }
                    })
                })
            }

            fn renew<'a>(&'a self, run: Uuid, hold: &'a Hold) -> Stored<'a, Option<bool>> {
                Box::pin(async move {
                    let cancelled = sqlx::query_scalar::<_, i64>(RENEW)
                        .bind(run.to_string())
                        .bind(&hold.holder)
                        .bind(until(hold))
                        .fetch_optional(&self.write)
                        .await
                        .map_err(failed)?;
                    Ok(cancelled.map(|cancelled| cancelled != 0))
                })
            }

            fn release<'a>(&'a self, run: Uuid, holder: &'a str) -> Stored<'a, ()> {
                Box::pin(async move {
                    sqlx::query(RELEASE)
                        .bind(run.to_string())
                        .bind(holder)
                        .execute(&self.write)
                        .await
                        .map_err(failed)?;
                    Ok(())
                })
            }

            fn write<'a>(&'a self, change: &'a Change) -> Stored<'a, bool> {
                Box::pin(async move {
                    let id = change.run.to_string();
                    let count = signed(change.events.len());
                    // Dropped before its commit, it leaves nothing behind.
                    let mut transaction = self.begin().await.map_err(failed)?;
                    let events = sqlx::query_scalar::<_, i64>(CHANGE)
                        .bind(&id)
                        .bind(&change.holder)
                        .bind(count)
                        .bind(written(&change.status)?)
                        .bind(written(&change.error)?)
                        .fetch_optional(&mut *transaction)
                        .await
                        .map_err(failed)?;
                    let Some(events) = events else {
                        return Ok(false);
                    };
                    for step in &change.steps {
                        let kept = sqlx::query(STEP)
                            .bind(&id)
                            .bind(&step.step)
                            .bind(i64::from(step.status.is_over()))
                            .bind(written(step)?)
                            .execute(&mut *transaction)
                            .await
                            .map_err(failed)?;
                        if kept.rows_affected() == 0 {
                            return Ok(false);
                        }
                    }
                    for (number, event) in (events - count + 1..).zip(&change.events) {
                        sqlx::query(EVENT)
                            .bind(&id)
                            .bind(number)
                            .bind(written(event)?)
                            .execute(&mut *transaction)
                            .await
                            .map_err(failed)?;
                    }
                    if let Some((ended_at, expires_at)) = change.ended {
                        sqlx::query(END)
                            .bind(&id)
                            .bind(millis(ended_at))
                            .bind(millis(expires_at))
                            .execute(&mut *transaction)
                            .await
                            .map_err(failed)?;
                    }
                    transaction.commit().await.map_err(failed)?;
                    Ok(true)
                })
            }

            fn run<'a>(&'a self, run: Uuid, subject: &'a str) -> Stored<'a, Option<JournaledRun>> {
                Box::pin(async move {
                    let find = "FROM workflow_runs WHERE id = $1 AND subject = $2";
                    let statement = AssertSqlSafe(format!("SELECT {COLUMNS} {find}"));
                    let row = sqlx::query_as::<_, Row>(statement)
                        .bind(run.to_string())
                        .bind(plain(subject))
                        .fetch_optional(&self.read)
                        .await
                        .map_err(failed)?;
                    let Some(row) = row else {
                        return Ok(None);
                    };
                    let mut run = run_of(row)?;
                    with_steps!(run, &self.read);
                    Ok(Some(run))
                })
            }

            fn events(
                &self,
                run: Uuid,
                after: u64,
                limit: u32,
            ) -> Stored<'_, Vec<(u64, WorkflowEvent)>> {
                Box::pin(async move {
                    let rows = sqlx::query_as::<_, (i64, String)>(EVENTS)
                        .bind(run.to_string())
                        .bind(signed(after))
                        .bind(i64::from(limit))
                        .fetch_all(&self.read)
                        .await
                        .map_err(failed)?;
                    let event = |(number, body): &(i64, String)| {
                        Ok((u64::try_from(*number).unwrap_or(0), read(body)?))
                    };
                    rows.iter().map(event).collect()
                })
            }

            fn cancel(&self, run: Uuid) -> Stored<'_, bool> {
                Box::pin(async move {
                    let changed = sqlx::query(CANCEL)
                        .bind(run.to_string())
                        .execute(&self.write)
                        .await
                        .map_err(failed)?;
                    Ok(changed.rows_affected() > 0)
                })
            }

            fn purge_runs(&self, most: u32) -> Stored<'_, u64> {
                Box::pin(async move { purged!(self, PURGE, most) })
            }
        }
    };
}

#[cfg(feature = "sqlite")]
journal!(SqliteStore);
#[cfg(feature = "postgres")]
journal!(PostgresStore);
