//! Drives a run to its end: has steps begin, writes down what came of them, and ends it when it is over.

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
use crate::schema::formats::DateTime;
use crate::spec::workflow_spec::{OnFailure, StepSpec};
use crate::workflow::expression::Known;
use crate::workflow::journal::{Change, JournaledRun};
use crate::workflow::readiness::is_spared;
use crate::workflow::run_handle::Going;
use crate::workflow::run_report::{RunStatus, SkipReason, StepReport, StepStatus};
use crate::workflow::schedule::{Next, next};
use crate::workflow::step_task::{Task, perform};
use crate::workflow::workflow_event::WorkflowEvent;
use crate::workflow::workflow_service::now;

/// A run under way, and its steps.
struct Driven {
    going: Arc<Going>,
    steps: Vec<StepReport>,
    /// What each step takes in this process.
    meters: Vec<Meter>,
    tasks: JoinSet<(usize, StepReport)>,
    /// What has happened and is not written down yet.
    change: Change,
    /// How the run ends, whatever its steps say.
    over: Option<(RunStatus, Option<String>)>,
}

/// Why a run is not driven any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// It is over.
    Over,
    /// The service stops, and anybody may go on with it at once.
    GivenBack,
    /// Another process goes on with it, or this one ends and could not write that down.
    Lost,
}

/// Drives `run`, which this process holds, until it is over, the service stops or another process has taken it.
pub(crate) async fn drive(
    going: Arc<Going>,
    run: JournaledRun,
    mut cancel: watch::Receiver<bool>,
) -> Left {
    let mut driven = Driven::new(going, run);
    let going = Arc::clone(&driven.going);
    let shutdown = &going.runs.resources.shutdown;
    let mut left = Left::GivenBack;
    loop {
        let drains = shutdown.is_draining();
        let tasks = driven.advance(drains);
        if !driven.write().await {
            driven.tasks.shutdown().await;
            left = Left::Lost;
            break;
        }
        if driven.change.ended.is_some() {
            return Left::Over;
        }
        let is_stuck = tasks.is_empty() && driven.change.steps.is_empty();
        driven.change = going.change();
        driven.begin(tasks);
        if driven.tasks.is_empty() {
            if drains {
                break;
            }
            if is_stuck {
                let detail = "none of its steps can begin".to_owned();
                driven.over = Some((RunStatus::Failed, Some(detail)));
            }
            continue;
        }
        tokio::select! {
            Some(joined) = driven.tasks.join_next() => {
                driven.finished(joined);
                while let Some(joined) = driven.tasks.try_join_next() {
                    driven.finished(joined);
                }
            }
            () = called_off(&mut cancel) => {
                driven.over = Some((RunStatus::Cancelled, None));
            }
            () = late(going.deadline) => {
                let most = going.spec.timeout_ms.unwrap_or_default();
                let detail = format!("the run took longer than {most} ms");
                driven.change.events.push(applied(None, PolicyKind::Deadline, &detail));
                driven.over = Some((RunStatus::Failed, Some(detail)));
            }
            () = shutdown.draining(), if !drains => {}
            () = shutdown.terminated() => {
                driven.tasks.shutdown().await;
                break;
            }
        }
    }
    // Somebody goes on with it: this process at its next start, or another one.
    let released = going
        .runs
        .journal
        .release(going.id, &going.runs.lease.owner);
    if let Err(error) = released.await {
        tracing::warn!(run_id = %going.id, %error, "a run can't be given back");
    }
    left
}

/// When the run of which `created_at` is known has to end.
pub(crate) fn deadline(created_at: SystemTime, timeout_ms: Option<u64>) -> Option<Instant> {
    let end = created_at.checked_add(Duration::from_millis(timeout_ms?))?;
    let left = end.duration_since(SystemTime::now()).unwrap_or_default();
    Instant::now().checked_add(left)
}

async fn called_off(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|cancel| *cancel).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn late(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

impl Driven {
    fn new(going: Arc<Going>, run: JournaledRun) -> Self {
        let mut change = going.change();
        let run_id = going.id;
        change.events.push(match run.status {
            RunStatus::Queued => WorkflowEvent::Started {
                run_id,
                workflow: going.spec.name.to_owned(),
            },
            _ => WorkflowEvent::Resumed { run_id },
        });
        let meters = going.spec.steps.iter().map(|_| Meter::default());
        let steps = going.spec.steps.iter().map(|spec| {
            let kept = run.steps.iter().find(|kept| kept.step == spec.id);
            // What was under way when its process ended begins again.
            match kept.filter(|kept| kept.status.is_over()) {
                Some(kept) => kept.clone(),
                None => StepReport::pending(spec),
            }
        });
        Self {
            steps: steps.collect(),
            meters: meters.collect(),
            going,
            tasks: JoinSet::new(),
            change,
            over: run.cancel_requested.then_some((RunStatus::Cancelled, None)),
        }
    }

    /// Goes on as far as it goes without waiting, and gives the tasks that begin once that is written down.
    fn advance(&mut self, drains: bool) -> Vec<(usize, Task)> {
        let going = Arc::clone(&self.going);
        let input = &going.input;
        let next = match self.over.take() {
            Some((status, error)) => Next::End(status, error),
            None => {
                let steps = &self.steps;
                next(going.spec, Known { input, steps })
            }
        };
        match next {
            Next::Go { .. } if drains => Vec::new(),
            Next::Go { begin, skip } => {
                for (index, reason) in skip {
                    self.skip(index, reason);
                }
                let steps = &self.steps;
                let known = Known { input, steps };
                let task = |index: usize| (index, Task::new(&going.spec.steps[index], known));
                let tasks = begin.into_iter().map(task).collect::<Vec<_>>();
                for (index, task) in &tasks {
                    let report = &mut self.steps[*index];
                    report.status = StepStatus::Running;
                    report.attempts = 1;
                    report.began_at = Some(moment());
                    self.change.steps.push(report.clone());
                    self.change.events.push(WorkflowEvent::StepStarted {
                        step: report.step.clone(),
                        agent: task.step.agent.to_owned(),
                        endpoint: task.step.endpoint.to_owned(),
                    });
                }
                tasks
            }
            Next::End(status, error) => {
                self.end(status, error);
                Vec::new()
            }
        }
    }

    fn begin(&mut self, tasks: Vec<(usize, Task)>) {
        for (index, task) in tasks {
            let going = Arc::clone(&self.going);
            let (report, meter) = (self.steps[index].clone(), self.meters[index].clone());
            self.tasks.spawn(async move {
                let mut panicked = report.clone();
                let performed = AssertUnwindSafe(perform(&going, task, report, &meter));
                let report = performed.catch_unwind().await.unwrap_or_else(|_| {
                    let error = AgentError::internal("the handler panicked").to_problem();
                    panicked.status = StepStatus::Failed;
                    panicked.error = Some(Problem::into(error));
                    panicked.ended_at = Some(moment());
                    panicked
                });
                (index, report)
            });
        }
    }

    fn finished(&mut self, joined: Result<(usize, StepReport), tokio::task::JoinError>) {
        match joined {
            Ok((index, report)) => {
                let is_failed = report.status == StepStatus::Failed;
                self.steps[index] = report;
                self.over(index);
                if is_failed {
                    let spec = self.going.spec;
                    let is_spared = is_spared(spec, index, &self.steps);
                    let decided = failed(&spec.steps[index], is_spared);
                    self.change.events.push(decided);
                }
            }
            Err(error) => tracing::error!(%error, "a step was lost"),
        }
    }

    fn skip(&mut self, index: usize, reason: SkipReason) {
        let report = &mut self.steps[index];
        report.status = StepStatus::Skipped;
        report.skipped = Some(reason);
        report.ended_at = Some(moment());
        self.over(index);
    }

    /// Has it written down and told that a step is over.
    fn over(&mut self, index: usize) {
        self.steps[index].usage = self.meters[index].usage();
        let report = self.steps[index].clone();
        // A step that begins and ends between two changes stands in the second one only once.
        self.change.steps.retain(|step| step.step != report.step);
        self.change.steps.push(report.clone());
        self.change
            .events
            .push(WorkflowEvent::StepFinished { report });
    }

    fn end(&mut self, status: RunStatus, error: Option<String>) {
        // Nothing of a run may go on once it says that it is over.
        self.tasks.abort_all();
        for index in 0..self.steps.len() {
            match self.steps[index].status {
                StepStatus::Running => {
                    if let Some(tried) = self.going.tried().remove(&*self.steps[index].step) {
                        self.steps[index] = tried;
                    }
                    self.steps[index].status = StepStatus::Cancelled;
                    self.steps[index].ended_at = Some(moment());
                    self.over(index);
                }
                StepStatus::Pending => self.skip(index, SkipReason::RunEnded),
                _ => {}
            }
        }
        let ended_at = now();
        self.change.status = status;
        self.change.error.clone_from(&error);
        self.change.ended = Some((ended_at, ended_at + self.going.runs.keep));
        self.change.events.push(WorkflowEvent::Finished {
            run_id: self.going.id,
            status,
            error,
        });
    }

    /// Writes down what has happened, and says whether the run is still this process's to go on with.
    async fn write(&mut self) -> bool {
        if self.change.ended.is_some() {
            self.tasks.shutdown().await;
        }
        if self.change.events.is_empty() {
            return true;
        }
        let going = &self.going;
        let is_held = tokio::select! {
            is_held = going.write_at_last(&mut self.change) => is_held,
            () = going.runs.resources.shutdown.terminated() => false,
        };
        if !is_held {
            tracing::warn!(run_id = %going.id, "a run is left to another process, or the next start");
            return false;
        }
        let metrics = &going.runs.resources.metrics;
        let (workflow, run_id) = (going.spec.name, going.id);
        for step in self
            .change
            .steps
            .iter()
            .filter(|step| step.status.is_over())
        {
            metrics.step_ended(workflow, &step.step, step.status.as_str());
            let (step, status) = (&step.step, step.status.as_str());
            tracing::info!(%run_id, workflow, step, status, "step ended");
        }
        if self.change.ended.is_some() {
            let status = self.change.status.as_str();
            metrics.workflow_ended(workflow, status);
            tracing::info!(%run_id, workflow, status, "workflow run ended");
        }
        true
    }
}

/// What is decided about a step that has failed for good; `is_spared` if those that need it can do without.
fn failed(step: &StepSpec, is_spared: bool) -> WorkflowEvent {
    let (policy, detail) = match step.on_failure {
        OnFailure::Skip => (PolicyKind::Skip, "the run goes on without its output"),
        OnFailure::Join | OnFailure::Fallback(_) if is_spared => {
            let detail = "what needs it needs not all, and can still begin without it";
            (PolicyKind::Skip, detail)
        }
        OnFailure::Stop | OnFailure::Join => (PolicyKind::Stop, "it failed, and so the run does"),
        OnFailure::Fallback(_) => (PolicyKind::Stop, "it failed, and so did its fallback"),
        OnFailure::Escalate => (PolicyKind::Escalate, "the run ends, and waits for a person"),
    };
    applied(Some(step.id), policy, detail)
}

fn applied(step: Option<&str>, policy: PolicyKind, detail: &str) -> WorkflowEvent {
    WorkflowEvent::PolicyApplied {
        step: step.map(str::to_owned),
        policy,
        model: None,
        detail: detail.to_owned(),
    }
}

/// This moment, to the millisecond.
fn moment() -> DateTime {
    DateTime::from(now())
}
