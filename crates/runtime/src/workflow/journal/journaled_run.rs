//! A run as a journal stores it: made from its events.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::event::agent_event::Usage;
use crate::event::pending_action::PendingAction;
use crate::schema::{DateTime, Uuid};
use crate::spec::workflow_spec::INVOKE;
use crate::workflow::journal::schedule_store::schedule_of;
use crate::workflow::journal::{NewRun, Start};
use crate::workflow::run_report::{RunReport, RunStatus, StepReport, StepStatus, step_of};
use crate::workflow::workflow_event::WorkflowEvent;

/// A run as the journal stores it.
#[derive(Debug, Clone, PartialEq)]
pub struct JournaledRun {
    /// The run's id.
    pub id: Uuid,
    /// The run that it is a step of.
    pub parent: Option<Uuid>,
    /// The workflow's name.
    pub workflow: String,
    /// The digest of the workflow's definition.
    pub definition: String,
    /// The subject that started the run; nobody else can see it.
    pub subject: String,
    /// The subject's roles when it started the run, with which steps run. `None` is not restricted by roles.
    pub roles: Option<Vec<String>>,
    /// The input, valid under the workflow's input schema.
    pub input: Value,
    /// The status.
    pub status: RunStatus,
    /// Why the run did not complete, or what it completed without.
    pub error: Option<String>,
    /// When the run was started, to the millisecond.
    pub created_at: SystemTime,
    /// How long ago that was when the run was read.
    pub age: Duration,
    /// When the run finished, to the millisecond.
    pub ended_at: Option<SystemTime>,
    /// Whether the owner has to cancel the run.
    pub cancel_requested: bool,
    /// Whether the owner has to pause the run.
    pub pause_requested: bool,
    /// The run whose input it repeats.
    pub restarted_from: Option<Uuid>,
    /// How often it was tried: 1, and once more for each retry.
    pub attempts: u32,
    /// When it was last retried.
    pub retried_at: Option<SystemTime>,
    /// How often a process resumed the run after the one that executed it died, since a step last finished.
    pub resumptions: u32,
    /// The number of its events.
    pub event_count: u64,
    /// The steps that are no longer pending, in the order in which they began.
    pub steps: Vec<StepReport>,
    /// What it waits for.
    pub actions: Vec<PendingAction>,
    /// The numbers of the events that its steps have received.
    pub received_events: Vec<u64>,
}

impl JournaledRun {
    /// The run of `new`, created at `created_at` to begin as `start` says.
    pub(crate) fn new(new: &NewRun, start: Start<'_>, created_at: SystemTime) -> Self {
        Self {
            id: new.id,
            parent: new.parent,
            workflow: new.workflow.clone(),
            definition: new.definition.clone(),
            subject: new.subject.clone(),
            roles: new.roles.clone(),
            input: new.input.clone(),
            status: match start {
                Start::Leased(_) => RunStatus::Running,
                Start::Waiting { .. } => RunStatus::Queued,
            },
            error: None,
            created_at,
            age: Duration::ZERO,
            ended_at: None,
            cancel_requested: false,
            pause_requested: false,
            restarted_from: new.restarted_from,
            attempts: 1,
            retried_at: None,
            resumptions: 0,
            event_count: 0,
            steps: Vec::new(),
            actions: Vec::new(),
            received_events: Vec::new(),
        }
    }

    /// Applies the next event, which was written at `written_at`: events are all that a journal stores about steps.
    pub fn apply(&mut self, event: &WorkflowEvent, written_at: SystemTime) {
        self.event_count += 1;
        match event {
            WorkflowEvent::StepStarted {
                step,
                agent,
                endpoint,
            } => {
                let needs = self.step(step).map(|report| report.needs.clone());
                self.put_step(StepReport {
                    status: StepStatus::Running,
                    needs: needs.unwrap_or_default(),
                    attempts: 1,
                    began_at: Some(DateTime::from(written_at)),
                    ..StepReport::of(step, Some((agent, endpoint)))
                });
            }
            WorkflowEvent::StepRetried {
                step,
                attempt,
                error,
                ..
            } => {
                if let Some(report) = self.step(step) {
                    report.attempts = *attempt;
                    report.error = Some(error.clone());
                }
            }
            WorkflowEvent::StepFallback { step, agent, error } => {
                if let Some(report) = self.step(step) {
                    report.fallback = Some(agent.clone());
                    report.error = Some(error.clone());
                }
            }
            WorkflowEvent::StepFinished { report } => self.put_step(report.clone()),
            WorkflowEvent::PlanStarted { step, subtasks } => {
                self.put_step(StepReport {
                    status: StepStatus::Running,
                    attempts: 1,
                    began_at: Some(DateTime::from(written_at)),
                    ..StepReport::of(step, None)
                });
                for subtask in subtasks {
                    let known = self.step(&subtask.step);
                    if known.is_none_or(|report| !report.status.is_over()) {
                        self.put_step(StepReport {
                            needs: subtask.needs.clone(),
                            ..StepReport::of(&subtask.step, Some((&subtask.agent, INVOKE)))
                        });
                    }
                }
            }
            WorkflowEvent::PlanRefused {
                step,
                source,
                error,
            } => {
                self.put_step(StepReport {
                    error: Some(error.clone()),
                    ..StepReport::of(step, None)
                });
                if let Some(report) = self.step(source) {
                    report.status = StepStatus::Pending;
                }
            }
            WorkflowEvent::ActionRequired { action, report } => {
                let report = report.clone().unwrap_or_else(|| StepReport {
                    began_at: Some(DateTime::from(written_at)),
                    ..StepReport::of(&action.step, None)
                });
                self.put_step(StepReport {
                    status: StepStatus::Waiting,
                    ..report
                });
                self.actions.push(action.clone());
            }
            WorkflowEvent::ActionResolved {
                action,
                step,
                event_number,
                ..
            } => {
                let resolved = self.actions.iter().find(|open| open.id == *action);
                let is_of_a_turn = resolved.is_some_and(|open| open.tool_call.is_some());
                self.actions.retain(|open| open.id != *action);
                self.received_events.extend(*event_number);
                let is_open = self.actions.iter().any(|open| open.step == *step);
                if let Some(report) = self.step(step) {
                    report.status = match is_of_a_turn {
                        // The turn continues when all its questions are answered.
                        true if is_open => StepStatus::Waiting,
                        true => StepStatus::Running,
                        // What it is now, the next event says.
                        false => StepStatus::Pending,
                    };
                }
            }
            WorkflowEvent::Retried { attempt, .. } => {
                self.attempts = *attempt;
                self.retried_at = Some(written_at);
                self.steps.retain(StepReport::is_kept);
            }
            WorkflowEvent::Started { .. }
            | WorkflowEvent::Resumed { .. }
            | WorkflowEvent::PolicyApplied { .. }
            | WorkflowEvent::HandoffStarted { .. }
            | WorkflowEvent::HandoffCompleted { .. }
            | WorkflowEvent::Finished { .. } => {}
        }
    }

    fn step(&mut self, id: &str) -> Option<&mut StepReport> {
        self.steps.iter_mut().find(|report| report.step == id)
    }

    fn put_step(&mut self, report: StepReport) {
        match self.step(&report.step) {
            Some(step) => *step = report,
            None => self.steps.push(report),
        }
    }

    /// The report of the run. `pending` are the reports of all steps in the workflow's order; those that the journal
    /// has take their place, and the units of each stand behind it.
    pub(crate) fn report(self, pending: impl IntoIterator<Item = StepReport>) -> RunReport {
        let (units, journaled) = self.steps.into_iter().partition::<Vec<_>, _>(is_unit);
        let (mut steps, mut usage) = (Vec::new(), Usage::default());
        for pending in pending.into_iter().filter(|step| !is_unit(step)) {
            let found = journaled.iter().find(|step| step.step == pending.step);
            let mut report = found.cloned().unwrap_or(pending);
            let units = units
                .iter()
                .filter(|unit| step_of(&unit.step) == report.step);
            let units = units.cloned().collect::<Vec<_>>();
            if !report.status.is_over() {
                let used = units.iter().map(|unit| unit.usage);
                report.usage = used.fold(report.usage, Usage::plus);
            }
            usage = usage.plus(report.usage);
            steps.push(report);
            steps.extend(units);
        }
        let actions = self.actions;
        RunReport {
            run_id: self.id,
            parent: self.parent,
            workflow: self.workflow,
            status: self.status,
            error: self.error,
            created_at: DateTime::from(self.created_at),
            ended_at: self.ended_at.map(DateTime::from),
            attempts: self.attempts,
            restarted_from: self.restarted_from,
            schedule: schedule_of(&self.subject).map(str::to_owned),
            usage,
            steps,
            actions,
        }
    }

    /// The event with which the run continues after its end.
    #[must_use]
    pub fn retried(&self) -> WorkflowEvent {
        WorkflowEvent::Retried {
            run_id: self.id,
            attempt: self.attempts + 1,
        }
    }

    /// How long ago its last attempt began when the run was read.
    pub(crate) fn attempt_age(&self) -> Duration {
        let age = |retried_at| self.read_at().duration_since(retried_at);
        let age = self.retried_at.map(|at| age(at).unwrap_or_default());
        age.unwrap_or(self.age)
    }

    /// The time on the journal's clock when the run was read.
    pub(crate) fn read_at(&self) -> SystemTime {
        self.created_at + self.age
    }
}

fn is_unit(report: &StepReport) -> bool {
    step_of(&report.step) != report.step
}
