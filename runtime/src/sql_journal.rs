//! Runs of workflows in a database: the same statements for SQLite and PostgreSQL.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::AssertSqlSafe;

use crate::error::AgentError;
use crate::formats::Uuid;
use crate::journal::{Change, Hold, Journal, JournaledRun};
#[cfg(feature = "postgres")]
use crate::postgres::PostgresStore;
use crate::run_report::{RunEvent, StepReport};
use crate::session_store::Stored;
use crate::sql::{failed, millis, moment, now, plain, unplain};
#[cfg(feature = "sqlite")]
use crate::sqlite::SqliteStore;

const BEGIN: &str = "INSERT INTO workflow_runs \
     (id, workflow, subject, input, roles, status, error, events, cancelled, created_at, holder, held_until) \
     VALUES ($1, $2, $3, $4, $5, $6, 'null', 0, 0, $7, $8, $9)";
/// What a run is read from.
const COLUMNS: &str =
    "id, workflow, subject, input, roles, status, error, created_at, ended_at, cancelled";
/// Said twice, since PostgreSQL finds the rows before it is their turn, and looks at the outer condition again then.
const CLAIM: &str = "UPDATE workflow_runs SET holder = $1, held_until = $2 \
     WHERE ended_at IS NULL AND (holder IS NULL OR held_until <= $3) AND id IN \
     (SELECT id FROM workflow_runs WHERE workflow = $4 AND ended_at IS NULL \
     AND (holder IS NULL OR held_until <= $3) ORDER BY created_at, id LIMIT $5) RETURNING ";
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

type Row = (
    String,
    String,
    String,
    String,
    String,
    String,
    String,
    i64,
    Option<i64>,
    i64,
);

fn run_of(row: Row) -> Result<JournaledRun, AgentError> {
    let (id, workflow, subject, input, roles, status, error, created_at, ended_at, cancelled) = row;
    Ok(JournaledRun {
        id: id.parse().map_err(AgentError::internal)?,
        workflow,
        subject: unplain(&subject),
        roles: read(&roles)?,
        input: read(&input)?,
        status: read(&status)?,
        error: read(&error)?,
        created_at: moment(created_at),
        ended_at: ended_at.map(moment),
        cancelled: cancelled != 0,
        steps: Vec::new(),
    })
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T, AgentError> {
    serde_json::from_str(json).map_err(AgentError::internal)
}

fn written(value: &impl Serialize) -> Result<String, AgentError> {
    serde_json::to_string(value).map_err(AgentError::internal)
}

fn until(hold: &Hold) -> i64 {
    let lasts = i64::try_from(hold.lasts.as_millis()).unwrap_or(i64::MAX);
    now().saturating_add(lasts)
}

fn signed(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

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
            ) -> Stored<'a, ()> {
                Box::pin(async move {
                    sqlx::query(BEGIN)
                        .bind(run.id.to_string())
                        .bind(&run.workflow)
                        .bind(plain(&run.subject))
                        .bind(written(&run.input)?)
                        .bind(written(&run.roles)?)
                        .bind(written(&run.status)?)
                        .bind(millis(run.created_at))
                        .bind(hold.map(|hold| &hold.holder))
                        .bind(hold.map(until))
                        .execute(&self.write)
                        .await
                        .map_err(failed)?;
                    Ok(())
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
            ) -> Stored<'_, Vec<(u64, RunEvent)>> {
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
                Box::pin(async move {
                    let gone = sqlx::query(PURGE)
                        .bind(now())
                        .bind(i64::from(most))
                        .execute(&self.write)
                        .await
                        .map_err(failed)?;
                    Ok(gone.rows_affected())
                })
            }
        }
    };
}

#[cfg(feature = "sqlite")]
journal!(SqliteStore);
#[cfg(feature = "postgres")]
journal!(PostgresStore);
