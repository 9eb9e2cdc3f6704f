//! What a run waits for while it is executed: questions, events and moments, and what comes of them.
//!
//! Invariant: a step that waits ends once, and the journal is told how before anything follows from it.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::engine::tool_questions::ToolQuestion;
use crate::error::store_error::StoreError;
use crate::event::pending_action::{ActionKind, ActionOutcome, PendingAction};
use crate::schema::DateTime;
use crate::spec::workflow_spec::{OnFailure, StepSpec};
use crate::unix_time::now;
use crate::workflow::execution::executor::{Executor, failure_policy};
use crate::workflow::execution::schedule::is_tolerated;
use crate::workflow::execution::step_task::INVOKE;
use crate::workflow::run_report::{SkipReason, StepError, StepReport, StepStatus};
use crate::workflow::waiting::inbox::Suspension;
use crate::workflow::waiting::open_actions::{Resolution, decision, escalation};
use crate::workflow::workflow_event::WorkflowEvent;

impl Executor {
    /// Adds the end of a step to what is written next, and what its failure does. Of one that escalates, a person decides first.
    pub(super) fn settle_step(&mut self, index: usize) {
        let spec = self.run.spec;
        let step = &spec.steps[index];
        let error = self.steps[index].error.clone();
        if self.steps[index].status == StepStatus::Failed
            && step.on_failure == OnFailure::Escalate
            && let Some(error) = error
        {
            self.steps[index].usage = self.meters[index].usage();
            self.events.push(failure_policy(step, false));
            let question = escalation(step.id, &error, &self.output_schema(step));
            let report = self.steps[index].clone();
            return self.wait_for(index, question, Some(report));
        }
        self.finish_step(index);
        if self.steps[index].status == StepStatus::Failed {
            let is_tolerated = is_tolerated(spec, index, &self.steps);
            self.events.push(failure_policy(step, is_tolerated));
        }
    }

    /// The schema of what a step gives to those behind it: of `invoke` a text, of any other endpoint its answer.
    fn output_schema(&self, step: &StepSpec) -> Value {
        let call = step.call().filter(|(_, endpoint)| *endpoint != INVOKE);
        let target = call.and_then(|call| self.run.service.targets.get(&call));
        let schema = target.map(|target| target.mounted.spec.output_schema);
        let schema = schema.and_then(|schema| serde_json::from_str(schema).ok());
        schema.unwrap_or_else(|| json!({ "type": "string" }))
    }

    /// Lets a step wait for `action`; `report` is that of a step that has failed.
    pub(super) fn wait_for(
        &mut self,
        index: usize,
        action: PendingAction,
        report: Option<StepReport>,
    ) {
        self.steps[index].status = StepStatus::Waiting;
        self.actions.add(action.clone());
        self.events
            .push(WorkflowEvent::ActionRequired { action, report });
    }

    /// Lets a step wait until `questions` of its models are answered.
    pub(super) fn wait_for_turn(&mut self, index: usize, questions: Vec<ToolQuestion>) {
        self.set_progress();
        self.may_have_turns = true;
        let report = self.steps[index].clone();
        for question in questions {
            // One that was open before is told once.
            if !self.actions.contains(question.id) {
                let action = question.into_action(&report.step);
                self.wait_for(index, action, Some(report.clone()));
            }
        }
        self.steps[index].status = StepStatus::Waiting;
    }

    /// How long the run can be left alone.
    pub(super) fn suspension(&self) -> Suspension {
        let deadline = self.run.deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            self.run.clock.now() + left
        });
        let moments = [self.actions.next_moment(), deadline];
        Suspension {
            until: moments.into_iter().flatten().min(),
            inbox_count: self.actions.inbox_count(),
        }
    }

    /// Reads what was sent to the run, and what time it is, and ends the steps that waited for that.
    pub(super) async fn read_inbox(&mut self) -> Result<(), StoreError> {
        let run = Arc::clone(&self.run);
        let inbox = run.service.journal.inbox(run.id).await?;
        for (action, resolution) in self.actions.resolved(&inbox) {
            // Once it is closed nobody can answer it, and what was answered before is in the inbox the next time.
            if action.kind.is_answered()
                && resolution == Resolution::Expired
                && !run.service.journal.expire_action(run.id, action.id).await?
            {
                continue;
            }
            self.actions.remove(action.id);
            self.on_resolved(action, resolution);
        }
        Ok(())
    }

    /// Ends a step that waited for `action`.
    fn on_resolved(&mut self, action: PendingAction, resolution: Resolution) {
        let (outcome, by, event_number, value) = match resolution {
            Resolution::Answered { value, by } => {
                (ActionOutcome::Answered, Some(by), None, Some(value))
            }
            Resolution::Received {
                payload,
                number,
                by,
            } => {
                let outcome = ActionOutcome::Received;
                (outcome, Some(by), Some(number), Some(payload))
            }
            Resolution::Elapsed => (ActionOutcome::Elapsed, None, None, Some(Value::Null)),
            Resolution::Expired => (ActionOutcome::Expired, None, None, None),
        };
        self.events.push(WorkflowEvent::ActionResolved {
            action: action.id,
            step: action.step.clone(),
            outcome,
            by,
            event_number,
        });
        let index = self.steps.iter().position(|step| step.step == action.step);
        let Some(index) = index else {
            return;
        };
        self.set_progress();
        if action.tool_call.is_some() {
            // The turn reads the answers when the step continues.
            if !self.actions.has_of(&action.step) {
                self.steps[index].status = StepStatus::Pending;
            }
            return;
        }
        let is_escalated = self.run.spec.steps[index].call().is_some();
        let report = &mut self.steps[index];
        report.ended_at = Some(DateTime::from(now()));
        match value {
            Some(value) if is_escalated => return self.on_decision(index, value),
            Some(value) => {
                report.status = StepStatus::Succeeded;
                report.output = value;
            }
            None => {
                report.status = StepStatus::Failed;
                let detail = match action.kind {
                    ActionKind::Event => "the event did not come in time",
                    ActionKind::Approval | ActionKind::Question | ActionKind::Timer => {
                        "nobody answered in time"
                    }
                };
                report.error = Some(StepError::new(408, detail));
            }
        }
        self.settle_step(index);
    }

    /// Does what a person decided about a step that failed.
    fn on_decision(&mut self, index: usize, mut answer: Value) {
        let report = &mut self.steps[index];
        match answer["decision"].as_str() {
            Some(decision::RETRY) => {
                *report = StepReport::pending(&self.run.spec.steps[index]);
                return;
            }
            Some(decision::SKIP) => {
                report.status = StepStatus::Skipped;
                report.skipped = Some(SkipReason::Decision);
            }
            Some(decision::ANSWER) => {
                report.status = StepStatus::Succeeded;
                report.output = answer["output"].take();
            }
            _ => report.status = StepStatus::Failed,
        }
        let report = report.clone();
        self.events.push(WorkflowEvent::StepFinished { report });
    }

    /// Ends what the run waits for, because the run ends.
    pub(super) fn cancel_actions(&mut self) {
        for action in self.actions.take() {
            self.events.push(cancelled(action));
        }
    }
}

/// The event that says that a run no longer waits for `action`, because it ends.
pub(crate) fn cancelled(action: PendingAction) -> WorkflowEvent {
    WorkflowEvent::ActionResolved {
        action: action.id,
        step: action.step,
        outcome: ActionOutcome::Cancelled,
        by: None,
        event_number: None,
    }
}
