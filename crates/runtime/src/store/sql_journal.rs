//! Workflow runs in a database.
//!
//! Invariant: what a method of a journal does, it does in one transaction.

mod journal_statements;
mod operated_runs;
mod operation_statements;
mod stored_schedules;
mod stored_turns;
mod waiting_runs;
mod waiting_statements;

use std::time::Duration;

use crate::error::store_error::StoreError;
use crate::future::BoxFuture;
use crate::schema::Uuid;
use crate::store::sql_database::{Executor, Query, Row, query};
use crate::store::sql_journal::journal_statements::{
    ADD_CHANGE, ADD_CHANGE_AND_END, ADD_CHANGE_AND_SET_STATE, ADOPT, CHANGES, CLAIM, CLAIM_UNOWNED,
    CREATE_LEASED, CREATE_WAITING, END, EVENTS, EXPIRE_WAITING, FIND_CHANGE, LEASE, PURGE, RELEASE,
    RENEW, REQUEST_CANCEL, RUN, RUN_WITH_KEY, SET_STATE, WAITING,
};
use crate::store::sql_store::SqlStore;
use crate::store::sql_values::{escape_nul, from_json, signed, to_json, unescape_nul, unsigned};
use crate::unix_time::{duration_millis, from_millis};
use crate::workflow::journal::StoredTurn;
use crate::workflow::journal::run_requests::{PauseOutcome, ResumeOutcome, RunRequests};
use crate::workflow::journal::{
    Change, ClaimOutcome, CreateOutcome, Journal, JournaledRun, NewRun, RunFacts, RunFilter,
    RunLease, RunQuery, RunState, Start, WaitingRuns,
};
use crate::workflow::run_report::RunStatus;
use crate::workflow::waiting::inbox::{
    Answer, AnswerOutcome, Inbox, NewEvent, OpenQuestion, QuestionQuery, SendOutcome, StoredAction,
    SuspendOutcome, Suspension,
};
use crate::workflow::workflow_event::WorkflowEvent;

/// The run in a row, without its steps.
fn read_run(row: &Row) -> Result<JournaledRun, StoreError> {
    let created_at = row.integer("created_at")?;
    Ok(JournaledRun {
        id: row.text("id")?.parse().map_err(StoreError::internal)?,
        parent: read_run_id(row, "parent")?,
        workflow: row.text("workflow")?,
        definition: row.text("definition")?,
        subject: unescape_nul(&row.text("subject")?),
        roles: from_json(&row.text("roles")?)?,
        input: from_json(&row.text("input")?)?,
        status: from_json(&row.text("status")?)?,
        error: from_json(&row.text("error")?)?,
        created_at: from_millis(created_at),
        age: Duration::from_millis(unsigned(row.integer("now")? - created_at)),
        ended_at: row.optional_integer("ended_at")?.map(from_millis),
        cancel_requested: row.integer("cancel_requested")? != 0,
        pause_requested: row.integer("pause_requested")? != 0,
        restarted_from: read_run_id(row, "restarted_from")?,
        attempts: 1,
        retried_at: None,
        resumptions: u32::try_from(row.integer("resumptions")?).unwrap_or(u32::MAX),
        event_count: 0,
        steps: Vec::new(),
        actions: Vec::new(),
        received_events: Vec::new(),
    })
}

/// The id of another run in a row, if there is one.
fn read_run_id(row: &Row, column: &str) -> Result<Option<Uuid>, StoreError> {
    let id = row.optional_text(column)?;
    let id = id.map(|id| id.parse().map_err(StoreError::internal));
    id.transpose()
}

/// The run in a row, with the steps that `executor` finds.
async fn read_run_with_steps(
    row: &Row,
    executor: Executor<'_>,
) -> Result<JournaledRun, StoreError> {
    let mut run = read_run(row)?;
    let rows = query(CHANGES)
        .bind(run.id.to_string())
        .fetch_all(executor)
        .await?;
    for row in rows {
        let written_at = from_millis(row.integer("written_at")?);
        for event in from_json::<Vec<WorkflowEvent>>(&row.text("events")?)? {
            run.apply(&event, written_at);
        }
    }
    Ok(run)
}

fn bind_state(query: Query, state: &RunState) -> Result<Query, StoreError> {
    let query = query
        .bind(to_json(&state.status)?)
        .bind(to_json(&state.error)?)
        .bind(state.resumptions);
    Ok(match state.keep {
        None => query,
        Some(keep) => query.bind(duration_millis(keep)),
    })
}

impl Journal for SqlStore {
    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.probe_write())
    }

    fn create<'a>(
        &'a self,
        run: &'a NewRun,
        start: Start<'a>,
    ) -> BoxFuture<'a, Result<CreateOutcome, StoreError>> {
        Box::pin(async move {
            let key = run.idempotency_key.as_deref();
            let statement = match start {
                Start::Leased(_) => CREATE_LEASED,
                Start::Waiting { .. } => CREATE_WAITING,
            };
            let restarted_from = run.restarted_from.map(|id| id.to_string());
            let create = self
                .database
                .query(statement)
                .bind(run.id.to_string())
                .bind(&run.workflow)
                .bind(&run.definition)
                .bind(escape_nul(&run.subject))
                .bind(to_json(&run.input)?)
                .bind(to_json(&run.roles)?)
                .bind(key)
                .bind(restarted_from.as_deref());
            let create = match start {
                Start::Leased(lease) => create.bind(&lease.owner).bind(duration_millis(lease.ttl)),
                Start::Waiting { limit } => create.bind(limit),
            };
            let parent = run.parent.map(|parent| parent.to_string());
            let create = create.bind(parent.as_deref());
            let created = create.fetch_optional(self.database.write()).await?;
            if let Some(row) = created {
                let created_at = from_millis(row.integer("created_at")?);
                let created = JournaledRun::new(run, start, created_at);
                return Ok(CreateOutcome::Created(Box::new(created)));
            }
            let earlier = self
                .database
                .query(RUN_WITH_KEY)
                .bind(escape_nul(&run.subject))
                .bind(&run.workflow)
                .bind(key)
                .fetch_optional(self.database.write())
                .await?;
            match (earlier, start) {
                (Some(earlier), _) => {
                    let earlier = read_run_with_steps(&earlier, self.database.write()).await?;
                    Ok(CreateOutcome::Existing(Box::new(earlier)))
                }
                (None, Start::Waiting { .. }) => Ok(CreateOutcome::TooManyWaiting),
                // It was purged between the two statements.
                (None, Start::Leased(_)) => {
                    Err(StoreError::unavailable("an earlier run has just expired"))
                }
            }
        })
    }

    fn claim_unowned<'a>(
        &'a self,
        filter: &'a RunFilter<'a>,
        lease: &'a RunLease,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<JournaledRun>, StoreError>> {
        Box::pin(async move {
            let rows = self
                .database
                .query(CLAIM_UNOWNED)
                .bind(&lease.owner)
                .bind(duration_millis(lease.ttl))
                .bind(filter.workflow)
                .bind(filter.definition)
                .bind(*filter.resumptions.start())
                .bind(*filter.resumptions.end())
                .bind(limit)
                .fetch_all(self.database.write())
                .await?;
            let mut claimed = Vec::new();
            for row in rows {
                // A reading connection may not see the last write of the previous owner yet.
                let run = read_run_with_steps(&row, self.database.write()).await?;
                claimed.push((row.integer("round")?, run));
            }
            claimed.sort_by_key(|(round, run)| (*round, run.created_at, run.id));
            Ok(claimed.into_iter().map(|(_, run)| run).collect())
        })
    }

    fn claim<'a>(
        &'a self,
        run: Uuid,
        lease: &'a RunLease,
    ) -> BoxFuture<'a, Result<ClaimOutcome, StoreError>> {
        Box::pin(async move {
            let row = self
                .database
                .query(CLAIM)
                .bind(&lease.owner)
                .bind(duration_millis(lease.ttl))
                .bind(run.to_string())
                .fetch_optional(self.database.write())
                .await?;
            if let Some(row) = row {
                let run = read_run_with_steps(&row, self.database.write()).await?;
                return Ok(ClaimOutcome::Claimed(Box::new(run)));
            }
            let row = self
                .database
                .query(LEASE)
                .bind(run.to_string())
                .fetch_optional(self.database.write())
                .await?;
            let Some(row) = row else {
                return Ok(ClaimOutcome::NotFound);
            };
            if row.optional_integer("ended_at")?.is_some() {
                return Ok(ClaimOutcome::Finished);
            }
            if from_json::<RunStatus>(&row.text("status")?)? == RunStatus::Paused {
                return Ok(ClaimOutcome::Paused);
            }
            // A run that was released between the two statements can be claimed from now on.
            let left = row.optional_integer("lease_left")?.unwrap_or(0);
            Ok(ClaimOutcome::Leased(Duration::from_millis(unsigned(left))))
        })
    }

    fn renew<'a>(
        &'a self,
        run: Uuid,
        lease: &'a RunLease,
    ) -> BoxFuture<'a, Result<Option<RunRequests>, StoreError>> {
        Box::pin(async move {
            let row = self
                .database
                .query(RENEW)
                .bind(run.to_string())
                .bind(&lease.owner)
                .bind(duration_millis(lease.ttl))
                .fetch_optional(self.database.write())
                .await?;
            let requests = |row: &Row| {
                Ok(RunRequests {
                    cancel: row.integer("cancel_requested")? != 0,
                    pause: row.integer("pause_requested")? != 0,
                })
            };
            row.as_ref().map(requests).transpose()
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

    fn suspend<'a>(
        &'a self,
        run: Uuid,
        owner: &'a str,
        suspension: &'a Suspension,
    ) -> BoxFuture<'a, Result<SuspendOutcome, StoreError>> {
        Box::pin(waiting_runs::suspend(
            &self.database,
            run,
            owner,
            suspension,
        ))
    }

    fn wake_due(&self, limit: u32) -> BoxFuture<'_, Result<Vec<Uuid>, StoreError>> {
        Box::pin(waiting_runs::wake_due(&self.database, limit))
    }

    fn inbox(&self, run: Uuid) -> BoxFuture<'_, Result<Inbox, StoreError>> {
        Box::pin(waiting_runs::inbox(&self.database, run))
    }

    fn action(
        &self,
        run: Uuid,
        action: Uuid,
    ) -> BoxFuture<'_, Result<Option<StoredAction>, StoreError>> {
        Box::pin(waiting_runs::action(&self.database, run, action))
    }

    fn open_questions<'a>(
        &'a self,
        query: &'a QuestionQuery<'a>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<OpenQuestion>, StoreError>> {
        Box::pin(waiting_runs::open_questions(&self.database, query, limit))
    }

    fn answer<'a>(
        &'a self,
        run: Uuid,
        answer: &'a Answer,
    ) -> BoxFuture<'a, Result<AnswerOutcome, StoreError>> {
        Box::pin(waiting_runs::answer(&self.database, run, answer))
    }

    fn expire_action(&self, run: Uuid, action: Uuid) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(waiting_runs::expire_action(&self.database, run, action))
    }

    fn send_event<'a>(
        &'a self,
        run: Uuid,
        event: &'a NewEvent,
        limit: u32,
    ) -> BoxFuture<'a, Result<SendOutcome, StoreError>> {
        Box::pin(waiting_runs::send_event(&self.database, run, event, limit))
    }

    fn save_turn<'a>(
        &'a self,
        run: Uuid,
        owner: &'a str,
        turn: &'a StoredTurn,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(stored_turns::save_turn(&self.database, run, owner, turn))
    }

    fn turns<'a>(
        &'a self,
        run: Uuid,
        step: &'a str,
    ) -> BoxFuture<'a, Result<Vec<StoredTurn>, StoreError>> {
        Box::pin(stored_turns::turns(&self.database, run, step))
    }

    fn forget_turns<'a>(
        &'a self,
        run: Uuid,
        step: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(stored_turns::forget_turns(&self.database, run, step))
    }

    fn write<'a>(&'a self, change: &'a Change) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let id = change.run.to_string();
            let first = signed(change.first_event);
            let add = |statement| {
                Ok::<_, StoreError>(
                    self.database
                        .query(statement)
                        .bind(&id)
                        .bind(&change.owner)
                        .bind(first)
                        .bind(change.id.as_bytes().to_vec())
                        .bind(to_json(&change.events)?),
                )
            };
            let has_questions = waiting_runs::has_questions(&change.events);
            let added = match &change.state {
                None if !has_questions => add(ADD_CHANGE)?.execute(self.database.write()).await,
                Some(state) if !has_questions && self.database.writes_in_queries() => {
                    let statement = match state.keep {
                        None => ADD_CHANGE_AND_SET_STATE,
                        Some(_) => ADD_CHANGE_AND_END,
                    };
                    let write = bind_state(add(statement)?, state)?;
                    write.execute(self.database.write()).await
                }
                state => {
                    let mut transaction = self.database.begin().await?;
                    let added = add(ADD_CHANGE)?.execute(transaction.executor()).await;
                    if matches!(added, Ok(1..)) {
                        if let Some(state) = state {
                            let statement = match state.keep {
                                None => SET_STATE,
                                Some(_) => END,
                            };
                            let set = self.database.query(statement).bind(&id);
                            bind_state(set, state)?
                                .execute(transaction.executor())
                                .await?;
                        }
                        let (run, events) = (change.run, &change.events);
                        let (database, within) = (&self.database, &mut transaction);
                        waiting_runs::write_questions(run, events, database, within).await?;
                        transaction.commit().await?;
                    }
                    added
                }
            };
            match added {
                Ok(1..) => return Ok(true),
                Ok(0) | Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
            // Either another process has the run, or this change was written before and its caller did not learn of it.
            let row = query(FIND_CHANGE)
                .bind(&id)
                .bind(first)
                .fetch_optional(self.database.write())
                .await?;
            let written = row.map(|row| row.optional_bytes("change")).transpose()?;
            Ok(written.flatten().as_deref() == Some(&change.id.as_bytes()[..]))
        })
    }

    fn run<'a>(
        &'a self,
        run: Uuid,
        subject: &'a str,
    ) -> BoxFuture<'a, Result<Option<JournaledRun>, StoreError>> {
        Box::pin(async move {
            let row = self
                .database
                .query(RUN)
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

    fn list<'a>(
        &'a self,
        query: &'a RunQuery<'a>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<RunFacts>, StoreError>> {
        Box::pin(operated_runs::list(&self.database, query, limit))
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
                .bind(signed(after).saturating_add(1))
                .bind(limit)
                .fetch_all(self.database.read())
                .await?;
            let mut events = Vec::new();
            for row in rows {
                let first = unsigned(row.integer("number")?);
                let written = from_json::<Vec<WorkflowEvent>>(&row.text("events")?)?;
                events.extend((first..).zip(written).filter(|(number, _)| *number > after));
            }
            events.truncate(limit as usize);
            Ok(events)
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

    fn request_pause(&self, run: Uuid) -> BoxFuture<'_, Result<PauseOutcome, StoreError>> {
        Box::pin(operated_runs::request_pause(&self.database, run))
    }

    fn pause<'a>(&'a self, run: Uuid, owner: &'a str) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(operated_runs::pause(&self.database, run, owner))
    }

    fn resume(&self, run: Uuid) -> BoxFuture<'_, Result<ResumeOutcome, StoreError>> {
        Box::pin(operated_runs::resume(&self.database, run))
    }

    fn retry<'a>(&'a self, run: &'a JournaledRun) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(operated_runs::retry(&self.database, run))
    }

    fn waiting_runs(&self) -> BoxFuture<'_, Result<Vec<WaitingRuns>, StoreError>> {
        Box::pin(async move {
            let rows = self.database.query(WAITING);
            let rows = rows.fetch_all(self.database.read()).await?;
            let waiting = rows.iter().map(|row| {
                Ok(WaitingRuns {
                    workflow: row.text("workflow")?,
                    definition: row.text("definition")?,
                    count: unsigned(row.integer("count")?),
                })
            });
            waiting.collect()
        })
    }

    fn adopt_runs<'a>(
        &'a self,
        workflow: &'a str,
        definition: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            query(ADOPT)
                .bind(workflow)
                .bind(definition)
                .execute(self.database.write())
                .await?;
            Ok(())
        })
    }

    fn expire_waiting_runs<'a>(
        &'a self,
        workflow: &'a str,
        definition: &'a str,
        keep: Duration,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.database
                .query(EXPIRE_WAITING)
                .bind(workflow)
                .bind(definition)
                .bind(duration_millis(keep))
                .execute(self.database.write())
                .await?;
            Ok(())
        })
    }

    fn delete_finished<'a>(
        &'a self,
        query: &'a RunQuery<'a>,
        limit: u32,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(operated_runs::delete_finished(&self.database, query, limit))
    }

    fn purge_runs(&self, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(self.database.purge(PURGE, limit))
    }
}
