//! Executes one run: schedules its steps, journals what they do, and ends the run.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::error::AgentError;
use crate::error::problem::Problem;
use crate::event::agent_event::PolicyKind;
use crate::event::usage_meter::Meter;
use crate::schema::DateTime;
use crate::spec::workflow_spec::{OnFailure, StepSpec};
use crate::unix_time::now;
use crate::workflow::evaluation::Scope;
use crate::workflow::journal::{Change, JournaledRun};
use crate::workflow::run_handle::RunHandle;
use crate::workflow::run_report::{RunStatus, SkipReason, StepReport, StepStatus};
use crate::workflow::schedule::{Decision, is_tolerated, next};
use crate::workflow::step_task::{StepTask, run_step};
use crate::workflow::workflow_event::WorkflowEvent;

/// The state of a run while this process executes it.
struct Executor {
    run: Arc<RunHandle>,
    /// The reports of all steps, in the workflow's order.
    steps: Vec<StepReport>,
    /// The usage of each step in this process.
    meters: Vec<Meter>,
    /// The running steps; each task returns its index and report.
    tasks: JoinSet<(usize, StepReport)>,
    /// What the journal does not have yet.
    change: Change,
    /// An end from outside the schedule: a cancellation, the deadline or a deadlock.
    forced_end: Option<(RunStatus, Option<String>)>,
}

/// Why the execution of a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExecutionEnd {
    /// The run is finished.
    Finished,
    /// The service shuts down, and the lease is released.
    Released,
    /// Another process has the lease, or this one terminates and could not write the last change.
    LeaseLost,
}

/// Executes `run`, whose lease this process has, until it finishes, the service shuts down or the lease is lost.
pub(crate) async fn execute(
    handle: Arc<RunHandle>,
    journaled: JournaledRun,
    mut cancel: watch::Receiver<bool>,
) -> ExecutionEnd {
    let mut executor = Executor::new(handle, journaled);
    let run = Arc::clone(&executor.run);
    let shutdown = &run.service.resources.shutdown;
    let mut end = ExecutionEnd::Released;
    loop {
        let is_draining = shutdown.is_draining();
        let tasks = executor.advance(is_draining).await;
        if !executor.write().await {
            executor.tasks.shutdown().await;
            end = ExecutionEnd::LeaseLost;
            break;
        }
        if executor.change.ended.is_some() {
            return ExecutionEnd::Finished;
        }
        let deadlocked = tasks.is_empty() && executor.change.steps.is_empty();
        executor.change = run.change();
        // Steps run only after the journal knows that they started.
        executor.spawn(tasks);
        if executor.tasks.is_empty() {
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
            Some(joined) = executor.tasks.join_next() => {
                executor.on_step_end(joined);
                while let Some(joined) = executor.tasks.try_join_next() {
                    executor.on_step_end(joined);
                }
            }
            () = cancelled(&mut cancel) => {
                executor.forced_end = Some((RunStatus::Cancelled, None));
            }
            () = deadline_reached(run.deadline) => {
                let limit = run.spec.timeout_ms.unwrap_or_default();
                let detail = format!("the run took longer than {limit} ms");
                let event = policy_applied(None, PolicyKind::Deadline, &detail);
                executor.change.events.push(event);
                executor.forced_end = Some((RunStatus::Failed, Some(detail)));
            }
            () = shutdown.draining(), if !is_draining => {}
            () = shutdown.terminated() => {
                executor.tasks.shutdown().await;
                break;
            }
        }
    }
    // Another process resumes the run, or this one after its next start.
    let owner = &run.service.lease.owner;
    if let Err(error) = run.service.journal.release(run.id, owner).await {
        tracing::warn!(run_id = %run.id, %error, "the lease of a run can't be released");
    }
    end
}

/// When a run that was created at `created_at` has to end.
pub(crate) fn deadline(created_at: SystemTime, timeout_ms: Option<u64>) -> Option<Instant> {
    let end = created_at.checked_add(Duration::from_millis(timeout_ms?))?;
    let left = end.duration_since(SystemTime::now()).unwrap_or_default();
    Instant::now().checked_add(left)
}

async fn cancelled(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|cancel| *cancel).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn deadline_reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

impl Executor {
    fn new(run: Arc<RunHandle>, journaled: JournaledRun) -> Self {
        let mut change = run.change();
        let run_id = run.id;
        change.events.push(match journaled.status {
            RunStatus::Queued => WorkflowEvent::Started {
                run_id,
                workflow: run.spec.name.to_owned(),
            },
            _ => WorkflowEvent::Resumed { run_id },
        });
        let meters = run.spec.steps.iter().map(|_| Meter::default());
        let steps = run.spec.steps.iter().map(|spec| {
            let journaled = journaled.steps.iter().find(|step| step.step == spec.id);
            // A step that was running when its process ended starts again.
            match journaled.filter(|step| step.status.is_over()) {
                Some(step) => step.clone(),
                None => StepReport::pending(spec),
            }
        });
        let cancelled = (RunStatus::Cancelled, None);
        Self {
            steps: steps.collect(),
            meters: meters.collect(),
            run,
            tasks: JoinSet::new(),
            change,
            forced_end: journaled.cancel_requested.then_some(cancelled),
        }
    }

    /// Schedules as far as possible without waiting for a step to end. Returns the tasks to spawn once the change is
    /// written.
    async fn advance(&mut self, is_draining: bool) -> Vec<(usize, StepTask)> {
        let run = Arc::clone(&self.run);
        let input = &run.input;
        let decision = match self.forced_end.take() {
            Some((status, error)) => Decision::Finish(status, error),
            None => {
                let steps = &self.steps;
                next(run.spec, Scope { input, steps })
            }
        };
        match decision {
            Decision::Continue { .. } if is_draining => Vec::new(),
            Decision::Continue { start, skip } => {
                for (index, reason) in skip {
                    self.skip_step(index, reason);
                }
                let steps = &self.steps;
                let scope = Scope { input, steps };
                let task = |index: usize| (index, StepTask::new(&run.spec.steps[index], scope));
                let tasks = start.into_iter().map(task).collect::<Vec<_>>();
                for (index, task) in &tasks {
                    let report = &mut self.steps[*index];
                    report.status = StepStatus::Running;
                    report.attempts = 1;
                    report.began_at = Some(DateTime::from(now()));
                    self.change.steps.push(report.clone());
                    self.change.events.push(WorkflowEvent::StepStarted {
                        step: report.step.clone(),
                        agent: task.step.agent.to_owned(),
                        endpoint: task.step.endpoint.to_owned(),
                    });
                }
                tasks
            }
            Decision::Finish(status, error) => {
                self.finish_run(status, error).await;
                Vec::new()
            }
        }
    }

    fn spawn(&mut self, tasks: Vec<(usize, StepTask)>) {
        for (index, task) in tasks {
            let run = Arc::clone(&self.run);
            let (report, meter) = (self.steps[index].clone(), self.meters[index].clone());
            self.tasks.spawn(async move {
                let mut panicked = report.clone();
                let step = AssertUnwindSafe(run_step(&run, task, report, &meter));
                let report = step.catch_unwind().await.unwrap_or_else(|_| {
                    let error = AgentError::internal("the handler panicked").to_problem();
                    panicked.status = StepStatus::Failed;
                    panicked.error = Some(Problem::into(error));
                    panicked.ended_at = Some(DateTime::from(now()));
                    panicked
                });
                (index, report)
            });
        }
    }

    fn on_step_end(&mut self, joined: Result<(usize, StepReport), tokio::task::JoinError>) {
        match joined {
            Ok((index, report)) => {
                let has_failed = report.status == StepStatus::Failed;
                self.steps[index] = report;
                self.finish_step(index);
                if has_failed {
                    let spec = self.run.spec;
                    let is_tolerated = is_tolerated(spec, index, &self.steps);
                    let event = failure_policy(&spec.steps[index], is_tolerated);
                    self.change.events.push(event);
                }
            }
            Err(error) => tracing::error!(%error, "the task of a step was aborted"),
        }
    }

    fn skip_step(&mut self, index: usize, reason: SkipReason) {
        let report = &mut self.steps[index];
        report.status = StepStatus::Skipped;
        report.skipped = Some(reason);
        report.ended_at = Some(DateTime::from(now()));
        self.finish_step(index);
    }

    /// Adds the final report of a step to the change.
    fn finish_step(&mut self, index: usize) {
        self.steps[index].usage = self.meters[index].usage();
        let report = self.steps[index].clone();
        // A change has at most one report of a step, also if the step started since the last one.
        self.change.steps.retain(|step| step.step != report.step);
        self.change.steps.push(report.clone());
        self.change
            .events
            .push(WorkflowEvent::StepFinished { report });
    }

    async fn finish_run(&mut self, status: RunStatus, error: Option<String>) {
        // No step may have an effect after the run has finished. Model calls that are cut off count their usage now.
        self.tasks.shutdown().await;
        for index in 0..self.steps.len() {
            match self.steps[index].status {
                StepStatus::Running => {
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
        let ended_at = now();
        self.change.status = status;
        self.change.error.clone_from(&error);
        self.change.ended = Some((ended_at, ended_at + self.run.service.retention));
        self.change.events.push(WorkflowEvent::Finished {
            run_id: self.run.id,
            status,
            error,
        });
    }

    /// Writes the change. Returns whether this process may go on: it still has the lease, and does not terminate.
    async fn write(&mut self) -> bool {
        if self.change.events.is_empty() {
            return true;
        }
        let run = &self.run;
        let has_lease = tokio::select! {
            has_lease = run.write_with_retry(&mut self.change) => has_lease,
            () = run.service.resources.shutdown.terminated() => false,
        };
        if !has_lease {
            tracing::warn!(run_id = %run.id, "a run is left to another process, or to the next start");
            return false;
        }
        self.record();
        true
    }

    /// Counts and logs what the change ended.
    fn record(&self) {
        let metrics = &self.run.service.resources.metrics;
        let (workflow, run_id) = (self.run.spec.name, self.run.id);
        let ended = self.change.steps.iter();
        for report in ended.filter(|step| step.status.is_over()) {
            let (step, status) = (&report.step, report.status.as_str());
            metrics.step_ended(workflow, step, status);
            tracing::info!(%run_id, workflow, step, status, "step ended");
        }
        if self.change.ended.is_some() {
            let status = self.change.status.as_str();
            metrics.workflow_ended(workflow, status);
            tracing::info!(%run_id, workflow, status, "workflow run ended");
        }
    }
}

/// The event that says which policy applies to a failed step. `is_tolerated`: the steps that need it can do without it.
fn failure_policy(step: &StepSpec, is_tolerated: bool) -> WorkflowEvent {
    let (policy, detail) = match step.on_failure {
        OnFailure::Skip => (PolicyKind::Skip, "the run goes on without its output"),
        OnFailure::Join | OnFailure::Fallback(_) if is_tolerated => {
            let detail = "what needs it needs not all, and can still begin without it";
            (PolicyKind::Skip, detail)
        }
        OnFailure::Stop | OnFailure::Join => (PolicyKind::Stop, "it failed, and so the run does"),
        OnFailure::Fallback(_) => (PolicyKind::Stop, "it failed, and so did its fallback"),
        OnFailure::Escalate => (PolicyKind::Escalate, "the run ends, and waits for a person"),
    };
    policy_applied(Some(step.id), policy, detail)
}

fn policy_applied(step: Option<&str>, policy: PolicyKind, detail: &str) -> WorkflowEvent {
    WorkflowEvent::PolicyApplied {
        step: step.map(str::to_owned),
        policy,
        model: None,
        detail: detail.to_owned(),
    }
}
