//! Executes one run: schedules its steps, journals what they do, and ends the run.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::error::AgentError;
use crate::error::problem::Problem;
use crate::event::agent_event::{PolicyKind, Usage};
use crate::event::usage_meter::Meter;
use crate::schema::DateTime;
use crate::spec::workflow_spec::StepKind;
use crate::unix_time::now;
use crate::workflow::execution::evaluation::Scope;
use crate::workflow::execution::executor_units::{journaled_units, skip};
use crate::workflow::execution::policy_events::policy_applied;
use crate::workflow::execution::run_handle::{RunHandle, Stop};
use crate::workflow::execution::schedule::{Decision, next};
use crate::workflow::execution::step_task::{StepProgress, StepTask, run_step};
use crate::workflow::execution::step_units::StepUnits;
use crate::workflow::journal::{JournaledRun, RunState};
use crate::workflow::leases::RunPermits;
use crate::workflow::run_report::{RunStatus, SkipReason, StepError, StepReport, StepStatus};
use crate::workflow::waiting::inbox::Suspension;
use crate::workflow::waiting::open_actions::{OpenActions, action_of};
use crate::workflow::workflow_event::WorkflowEvent;
use crate::workflow::workflow_service::RunChanges;

/// The state of a run while this process executes it.
pub(super) struct Executor {
    pub(super) run: Arc<RunHandle>,
    /// The reports of all steps, in the workflow's order.
    pub(super) steps: Vec<StepReport>,
    /// The usage of each step in this process.
    pub(super) meters: Vec<Meter>,
    /// The units of the steps of many calls that run, by the index of the step.
    pub(super) units: BTreeMap<usize, StepUnits>,
    /// The units that have ended or wait, of steps that have not ended, by id: they are not called again.
    pub(super) kept_units: BTreeMap<String, StepReport>,
    /// The units that ran, or were to run, when an earlier process ended, by id: readers of the run know of them.
    pub(super) interrupted_units: BTreeMap<String, StepReport>,
    /// The running calls; each task returns whose it is, and how it stands.
    tasks: JoinSet<(TaskKey, StepProgress)>,
    /// Whether turns of its steps may be stored: an earlier process executed the run, or a step has waited.
    pub(super) may_have_turns: bool,
    /// What it waits for.
    pub(super) actions: OpenActions,
    /// What the journal does not have yet: events, and how the run stands after them if that changes.
    pub(super) events: Vec<WorkflowEvent>,
    state: Option<RunState>,
    /// See [`JournaledRun::resumptions`].
    resumptions: u32,
    /// `None` for a run that only has to be ended.
    permits: Option<RunPermits>,
    /// Whether no further step begins, because the run is to be paused.
    is_pausing: bool,
    /// An end from outside the schedule: a cancellation, the deadline or a deadlock.
    forced_end: Option<(RunStatus, Option<String>)>,
}

/// A call that runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct TaskKey {
    /// The index of the step.
    pub(super) step: usize,
    /// The index of its unit; `None` for a step that is a single call.
    pub(super) unit: Option<usize>,
}

/// Why the execution of a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExecutionEnd {
    /// The run is finished.
    Finished,
    /// The service shuts down, and the lease is released.
    Released,
    /// The run only waits, and is suspended.
    Waiting(Suspension),
    /// No step runs, and the run is paused.
    Paused,
    /// Another process has the lease, or this one terminates and could not write the last change.
    LeaseLost,
}

/// The longest time that a run waits for in its slot: suspended, it is woken no sooner.
const SHORT_WAIT: Duration = Duration::from_secs(1);
/// The pause before the inbox of a run is read again that could not be read.
const INBOX_RETRY: Duration = Duration::from_secs(1);

/// Executes `run`, whose lease this process has, until it finishes or only waits, the service shuts down or the lease is lost. Returns the
/// permits, which are the run's until its lease has ended too.
pub(crate) async fn execute(
    handle: Arc<RunHandle>,
    journaled: JournaledRun,
    permits: Option<RunPermits>,
    mut stop: watch::Receiver<Stop>,
) -> (ExecutionEnd, Option<RunPermits>) {
    let mut executor = Executor::new(handle, journaled, permits);
    let run = Arc::clone(&executor.run);
    let shutdown = &run.service.resources.shutdown;
    let mut end = ExecutionEnd::Released;
    loop {
        let is_draining = shutdown.is_draining();
        // Before the inbox is read, so that nothing that is sent after that is missed.
        let waits = !executor.actions.is_empty();
        let changes = waits.then(|| run.service.subscribe(run.id));
        let mut inbox_failed = false;
        if waits && let Err(error) = executor.read_inbox().await {
            tracing::warn!(run_id = %run.id, %error, "what was sent to a run can't be read now");
            inbox_failed = true;
        }
        let holds = is_draining || executor.is_pausing;
        let tasks = executor.advance(holds).await;
        let deadlocked = tasks.is_empty() && executor.events.is_empty();
        let state = executor.state.as_ref();
        let is_finished = state.is_some_and(|state| state.keep.is_some());
        if !executor.write(&mut stop).await {
            executor.tasks.shutdown().await;
            end = ExecutionEnd::LeaseLost;
            break;
        }
        if is_finished {
            end = ExecutionEnd::Finished;
            break;
        }
        // Steps run only after the journal knows that they started.
        executor.spawn(tasks);
        if executor.is_pausing && executor.tasks.is_empty() {
            end = ExecutionEnd::Paused;
            break;
        }
        if executor.actions.is_unread() && !inbox_failed {
            continue;
        }
        let next_moment = executor.actions.next_moment();
        let next_moment = next_moment.map(|moment| run.time_until(moment));
        if executor.tasks.is_empty() && !executor.actions.is_empty() && !inbox_failed {
            let suspension = executor.suspension();
            let left = suspension.until.map(|moment| run.time_until(moment));
            // One that ends in a moment is worth no suspension.
            if is_draining || left.is_none_or(|left| left > SHORT_WAIT) {
                end = ExecutionEnd::Waiting(suspension);
                break;
            }
        } else if executor.tasks.is_empty() && !inbox_failed {
            if is_draining {
                break;
            }
            if deadlocked {
                let detail = "none of its steps can begin".to_owned();
                executor.forced_end = Some((RunStatus::Failed, Some(detail)));
            }
            continue;
        }
        tokio::select! {
            Some(joined) = executor.tasks.join_next(), if !executor.tasks.is_empty() => {
                executor.on_step_end(joined);
                while let Some(joined) = executor.tasks.try_join_next() {
                    executor.on_step_end(joined);
                }
            }
            () = changed(changes), if !inbox_failed => {}
            () = tokio::time::sleep(INBOX_RETRY), if inbox_failed => {}
            () = elapsed(next_moment) => {}
            reason = stopped(&mut stop, executor.is_pausing) => {
                if reason == Stop::Pause {
                    executor.is_pausing = true;
                    continue;
                }
                if reason == Stop::LeaseLost {
                    tracing::warn!(run_id = %run.id, "another process has taken a run over; its steps are stopped here");
                    executor.tasks.shutdown().await;
                    end = ExecutionEnd::LeaseLost;
                    break;
                }
                executor.forced_end = Some((RunStatus::Cancelled, None));
            }
            () = deadline_reached(run.deadline) => {
                let limit = run.spec.timeout_ms.unwrap_or_default();
                let detail = format!("the run took longer than {limit} ms");
                let event = policy_applied(None, PolicyKind::Deadline, &detail);
                executor.events.push(event);
                executor.forced_end = Some((RunStatus::Failed, Some(detail)));
            }
            () = shutdown.draining(), if !is_draining => {}
            () = shutdown.terminated() => {
                executor.tasks.shutdown().await;
                break;
            }
        }
    }
    (end, executor.permits)
}

/// When a run that is as old as `age` has to end.
pub(crate) fn deadline(age: Duration, timeout_ms: Option<u64>) -> Option<Instant> {
    let left = Duration::from_millis(timeout_ms?).saturating_sub(age);
    Instant::now().checked_add(left)
}

/// Waits until the executor has to stop; says why. It may be pausing already.
async fn stopped(stop: &mut watch::Receiver<Stop>, is_pausing: bool) -> Stop {
    let known = if is_pausing { Stop::Pause } else { Stop::No };
    let stopped = stop.wait_for(|stop| *stop > known).await;
    let reason = stopped.ok().map(|reason| *reason);
    match reason {
        Some(reason) => reason,
        None => std::future::pending().await,
    }
}

/// Waits until the lease is lost.
async fn lease_lost(stop: &mut watch::Receiver<Stop>) {
    if stop
        .wait_for(|stop| *stop == Stop::LeaseLost)
        .await
        .is_err()
    {
        std::future::pending::<()>().await;
    }
}

/// Waits until the run may have changed; forever for one that waits for nothing.
async fn changed(changes: Option<RunChanges<'_>>) {
    match changes {
        Some(changes) => changes.wait().await,
        None => std::future::pending().await,
    }
}

/// Waits for `time`; forever for none.
async fn elapsed(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

async fn deadline_reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

impl Executor {
    fn new(run: Arc<RunHandle>, journaled: JournaledRun, permits: Option<RunPermits>) -> Self {
        let run_id = run.id;
        let event = match journaled.event_count {
            0 => WorkflowEvent::Started {
                run_id,
                workflow: run.spec.name.to_owned(),
            },
            _ => WorkflowEvent::Resumed { run_id },
        };
        let meters = run.spec.steps.iter().map(|_| Meter::default());
        let steps = run.spec.steps.iter().map(|spec| {
            let journaled = journaled.steps.iter().find(|step| step.step == spec.id);
            // A step that was running when its process ended starts again, with its fallback if it was there already. One that waits
            // goes on waiting.
            let goes_on =
                |step: &StepReport| step.status.is_over() || step.status == StepStatus::Waiting;
            // Of one whose plan was refused, the reason is still to be told.
            let is_refused = |step: &StepReport| {
                let is_plan = matches!(spec.kind, StepKind::Plan { .. });
                is_plan && step.status == StepStatus::Pending && step.error.is_some()
            };
            match journaled {
                Some(step) if goes_on(step) || is_refused(step) => step.clone(),
                Some(step) if step.status == StepStatus::Running && step.fallback.is_some() => {
                    StepReport {
                        status: StepStatus::Pending,
                        ..step.clone()
                    }
                }
                _ => StepReport::pending(spec),
            }
        });
        let (kept, interrupted) = journaled_units(run.spec, &journaled);
        let cancelled = (RunStatus::Cancelled, None);
        let max_resumptions = run.service.max_resumptions;
        if journaled.resumptions > 0 {
            run.service
                .resources
                .metrics
                .workflow_resumed(run.spec.name);
        }
        let mut executor = Self {
            steps: steps.collect(),
            meters: meters.collect(),
            units: BTreeMap::new(),
            kept_units: kept,
            interrupted_units: interrupted,
            run,
            tasks: JoinSet::new(),
            may_have_turns: journaled.event_count > 0,
            actions: OpenActions::of(&journaled),
            events: vec![event],
            state: Some(RunState {
                status: RunStatus::Running,
                error: None,
                resumptions: journaled.resumptions,
                keep: None,
            }),
            resumptions: journaled.resumptions,
            permits,
            is_pausing: journaled.pause_requested,
            forced_end: journaled.cancel_requested.then_some(cancelled),
        };
        if journaled.resumptions > max_resumptions && !journaled.cancel_requested {
            executor.give_up(journaled);
        }
        executor
    }

    /// Fails a run whose processes died again and again, and the steps that ran then.
    fn give_up(&mut self, journaled: JournaledRun) {
        let times = journaled.resumptions;
        let running = journaled.steps.into_iter();
        let running = running
            .filter(|step| step.status == StepStatus::Running)
            .collect::<Vec<_>>();
        let detail = match running.is_empty() {
            true => format!("its process ended {times} times before a step began"),
            false => {
                let steps = running.iter().map(|step| format!("`{}`", step.step));
                let steps = steps.collect::<Vec<_>>().join(", ");
                format!("its process ended {times} times while {steps} ran")
            }
        };
        tracing::error!(run_id = %self.run.id, workflow = self.run.spec.name, detail, "a run is not resumed again");
        for report in running {
            let index = self.steps.iter().position(|step| step.step == report.step);
            let report = StepReport {
                status: StepStatus::Failed,
                ended_at: Some(DateTime::from(now())),
                error: Some(StepError::new(
                    500,
                    format!("its process ended {times} times while it ran"),
                )),
                ..report
            };
            self.interrupted_units.remove(&report.step);
            match index {
                Some(index) => {
                    self.steps[index] = report;
                    self.finish_step(index);
                }
                None => self.events.push(WorkflowEvent::StepFinished { report }),
            }
        }
        let event = policy_applied(None, PolicyKind::Stop, &detail);
        self.events.push(event);
        self.forced_end = Some((RunStatus::Failed, Some(detail)));
    }

    /// Schedules as far as possible without waiting for a step to end, or begins nothing while it `holds`. Returns the tasks to spawn once the change is
    /// written.
    async fn advance(&mut self, holds: bool) -> Vec<(TaskKey, StepTask)> {
        let mut tasks = Vec::new();
        // A step whose units have ended may let others start.
        while self.advance_steps(holds, &mut tasks).await {}
        tasks
    }

    /// Starts, skips and ends steps. Says whether a step has ended meanwhile.
    async fn advance_steps(&mut self, holds: bool, tasks: &mut Vec<(TaskKey, StepTask)>) -> bool {
        let run = Arc::clone(&self.run);
        let input = &run.input;
        let decision = match self.forced_end.take() {
            Some((status, error)) => Decision::Finish(status, error),
            None => next(run.spec, Scope::of(input, &self.steps)),
        };
        match decision {
            Decision::Continue { .. } if holds => false,
            Decision::Continue { start, skip } => {
                for (index, reason) in skip {
                    self.skip_step(index, reason);
                }
                let mut has_ended = false;
                for index in start {
                    let step = &run.spec.steps[index];
                    let scope = Scope::of(input, &self.steps);
                    if let Some(task) = StepTask::new(&run.service, run.spec, step, scope) {
                        let report = &mut self.steps[index];
                        report.status = StepStatus::Running;
                        let key = TaskKey {
                            step: index,
                            unit: None,
                        };
                        // It continues after a question.
                        if report.began_at.is_some() {
                            self.meters[index] = Meter::default();
                            tasks.push((key, task));
                            continue;
                        }
                        report.attempts = 1;
                        report.began_at = Some(DateTime::from(now()));
                        let (agent, endpoint) = task.call;
                        report.agent = Some(agent.to_owned());
                        report.endpoint = Some(endpoint.to_owned());
                        self.events.push(WorkflowEvent::StepStarted {
                            step: report.step.clone(),
                            agent: agent.to_owned(),
                            endpoint: endpoint.to_owned(),
                        });
                        tasks.push((key, task));
                    } else if let Some(action) = action_of(step, scope, run.clock.now()) {
                        self.steps[index].began_at = Some(DateTime::from(now()));
                        self.wait_for(index, action, None);
                    } else {
                        self.start_units(index);
                        has_ended |= self.steps[index].status != StepStatus::Running;
                    }
                }
                self.advance_units(tasks) || has_ended
            }
            Decision::Finish(status, error) => {
                self.finish_run(status, error).await;
                tasks.clear();
                false
            }
        }
    }

    fn spawn(&mut self, tasks: Vec<(TaskKey, StepTask)>) {
        for (key, task) in tasks {
            let run = Arc::clone(&self.run);
            let (report, meter) = match (key.unit, self.units.get_mut(&key.step)) {
                (Some(unit), Some(units)) => {
                    (units.report_mut(unit).clone(), units.meter(unit).clone())
                }
                _ => (self.steps[key.step].clone(), self.meters[key.step].clone()),
            };
            let has_turns = self.may_have_turns;
            self.tasks.spawn(async move {
                let mut panicked = report.clone();
                let step = run_step(&run, task, report, &meter, has_turns);
                let progress = AssertUnwindSafe(step).catch_unwind().await;
                let progress = progress.unwrap_or_else(|_| {
                    let error = AgentError::internal("the handler panicked").to_problem();
                    panicked.status = StepStatus::Failed;
                    panicked.error = Some(Problem::into(error));
                    panicked.ended_at = Some(DateTime::from(now()));
                    StepProgress::Ended(panicked)
                });
                (key, progress)
            });
        }
    }

    fn on_step_end(&mut self, joined: Result<(TaskKey, StepProgress), tokio::task::JoinError>) {
        match joined {
            Ok((TaskKey { step, unit }, StepProgress::Waiting(report, questions))) => match unit {
                Some(unit) => self.wait_for_unit(step, unit, report, questions),
                None => {
                    self.steps[step] = report;
                    self.wait_for_turn(step, questions);
                }
            },
            Ok((TaskKey { step, unit }, StepProgress::Ended(report))) => {
                self.set_progress();
                match unit {
                    Some(unit) => self.on_unit_end(step, unit, report),
                    None => {
                        self.steps[step] = report;
                        self.settle_step(step);
                        self.check_plans(step);
                    }
                }
            }
            Err(error) => tracing::error!(%error, "the task of a step was aborted"),
        }
    }

    fn skip_step(&mut self, index: usize, reason: SkipReason) {
        skip(&mut self.steps[index], reason);
        self.finish_step(index);
    }

    /// Adds the final report of a step to what is written next.
    pub(super) fn finish_step(&mut self, index: usize) {
        self.steps[index].usage = self.usage_of(index);
        let report = self.steps[index].clone();
        self.events.push(WorkflowEvent::StepFinished { report });
    }

    /// What a step, and its units, used in this process.
    pub(super) fn usage_of(&self, index: usize) -> Usage {
        match self.units.get(&index) {
            Some(units) => units.usage(),
            None => self.meters[index].usage(),
        }
    }

    /// A step has finished: from now on, the resumptions are counted anew.
    pub(super) fn set_progress(&mut self) {
        if self.permits.as_mut().is_some_and(RunPermits::end_probation) {
            self.run.service.slot_freed.notify_one();
        }
        if std::mem::take(&mut self.resumptions) > 0 {
            self.state = Some(RunState {
                status: RunStatus::Running,
                error: None,
                resumptions: 0,
                keep: None,
            });
        }
    }

    async fn finish_run(&mut self, status: RunStatus, error: Option<String>) {
        // No step may have an effect after the run has finished. Model calls that are cut off count their usage now.
        self.tasks.shutdown().await;
        self.cancel_actions().await;
        self.cancel_units();
        for index in 0..self.steps.len() {
            match self.steps[index].status {
                StepStatus::Running | StepStatus::Waiting => {
                    let progress = self.run.step_progress().remove(&*self.steps[index].step);
                    if let Some(progress) = progress {
                        self.steps[index] = progress;
                    }
                    self.steps[index].status = StepStatus::Cancelled;
                    self.steps[index].ended_at = Some(DateTime::from(now()));
                    self.finish_step(index);
                }
                StepStatus::Pending => self.skip_step(index, SkipReason::RunEnded),
                _ => {}
            }
        }
        self.state = Some(RunState {
            status,
            error: error.clone(),
            resumptions: self.resumptions,
            keep: Some(self.run.service.retention),
        });
        self.events.push(WorkflowEvent::Finished {
            run_id: self.run.id,
            status,
            error,
        });
    }

    /// Writes what the journal does not have yet. Returns whether this process may go on: it still has the lease, and
    /// does not terminate.
    async fn write(&mut self, stop: &mut watch::Receiver<Stop>) -> bool {
        let (events, state) = (std::mem::take(&mut self.events), self.state.take());
        if events.is_empty() {
            return true;
        }
        let run = &self.run;
        let has_lease = tokio::select! {
            has_lease = run.write_with_retry(events, state) => has_lease,
            () = lease_lost(stop) => false,
            () = run.service.resources.shutdown.terminated() => false,
        };
        if !has_lease {
            tracing::warn!(run_id = %run.id, "a run is left to another process, or to the next start");
        }
        has_lease
    }
}
