//! What a run waits for while it is executed: questions, events and moments, and what comes of them.
//!
//! Invariant: a step that waits ends once, and the journal is told how before anything follows from it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::engine::tool_questions::ToolQuestion;
use crate::error::AgentError;
use crate::error::store_error::StoreError;
use crate::event::pending_action::{ActionKind, ActionOutcome, PendingAction};
use crate::schema::DateTime;
use crate::schema::Uuid;
use crate::spec::workflow_spec::{INVOKE, OnFailure, StepKind, StepSpec};
use crate::unix_time::now;
use crate::workflow::execution::evaluation::{Scope, fill};
use crate::workflow::execution::executor::Executor;
use crate::workflow::execution::policy_events::failure_policy;
use crate::workflow::execution::schedule::is_tolerated;
use crate::workflow::execution::step_task::without_nulls;
use crate::workflow::journal::JournaledRun;
use crate::workflow::leases::cancel_child;
use crate::workflow::run_operations::pause_child;
use crate::workflow::run_report::{RunStatus, SkipReason, StepError, StepReport, StepStatus};
use crate::workflow::run_start::start_child;
use crate::workflow::waiting::inbox::Suspension;
use crate::workflow::waiting::open_actions::{Resolution, decision, escalation};
use crate::workflow::workflow_event::WorkflowEvent;
use crate::workflow::workflow_service::WorkflowService;

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
            self.steps[index].usage = self.usage_of(index);
            self.events.push(failure_policy(step.id, step, false));
            let question = escalation(step.id, &error, &self.output_schema(step));
            let report = self.steps[index].clone();
            return self.wait_for(index, question, Some(report));
        }
        self.finish_step(index);
        if self.steps[index].status == StepStatus::Failed {
            let is_tolerated = is_tolerated(spec, index, &self.steps);
            self.events
                .push(failure_policy(step.id, step, is_tolerated));
        }
    }

    /// The schema of what a step gives to those behind it: of `invoke` a text, of any other endpoint its answer.
    fn output_schema(&self, step: &StepSpec) -> Value {
        match step.kind {
            StepKind::ForEach { .. } | StepKind::Plan { .. } => return json!({ "type": "array" }),
            StepKind::Workflow { .. } => return json!({}),
            _ => {}
        }
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
        self.require(action, report);
    }

    /// Lets a step wait until `questions` of its models are answered.
    pub(super) fn wait_for_turn(&mut self, index: usize, questions: Vec<ToolQuestion>) {
        self.set_progress();
        self.may_have_turns = true;
        let report = self.steps[index].clone();
        self.require_answers(&report, questions);
        self.steps[index].status = StepStatus::Waiting;
    }

    /// Lets the run wait for the answers to `questions` of the step or unit with this report.
    pub(super) fn require_answers(&mut self, report: &StepReport, questions: Vec<ToolQuestion>) {
        for question in questions {
            // One that was open before is announced once.
            if !self.actions.contains(question.id) {
                let action = question.into_action(&report.step);
                self.require(action, Some(report.clone()));
            }
        }
    }

    fn require(&mut self, action: PendingAction, report: Option<StepReport>) {
        self.actions.add(action.clone());
        self.events
            .push(WorkflowEvent::ActionRequired { action, report });
    }

    /// How long the run can be left alone.
    pub(super) fn suspension(&self) -> Suspension {
        let deadline = self.run.deadline.map(|deadline| {
            let left = deadline.saturating_duration_since(Instant::now());
            self.run.clock.now() + left
        });
        // Whoever ends a run wakes the one that waits for it. This is for a process that dies between the two.
        let has_children = !self.actions.runs().is_empty();
        let poll = has_children.then(|| self.run.clock.now() + CHILD_POLL);
        let moments = [self.actions.next_moment(), deadline, poll];
        Suspension {
            until: moments.into_iter().flatten().min(),
            inbox_count: self.actions.inbox_count(),
        }
    }

    /// Reads what was sent to the run, and what time it is, and ends the steps that waited for that.
    pub(super) async fn read_inbox(&mut self) -> Result<(), StoreError> {
        let run = Arc::clone(&self.run);
        let inbox = run.service.journal.inbox(run.id).await?;
        // After the inbox: a run that ends later is told there.
        self.read_children().await?;
        for (action, resolution) in self.actions.resolved(&inbox) {
            // Once it is closed nobody can answer it, and what was answered before is in the inbox the next time.
            if action.kind.is_answered()
                && resolution == Resolution::Expired
                && !run.service.journal.expire_action(run.id, action.id).await?
            {
                continue;
            }
            if let (Some(child), Resolution::Expired) = (action.run, &resolution) {
                cancel_child(&run.service, child).await;
            }
            self.actions.remove(action.id);
            self.on_resolved(action, resolution);
        }
        Ok(())
    }

    /// Ends a step that waited for `action`.
    fn on_resolved(&mut self, action: PendingAction, resolution: Resolution) {
        let mut error = None;
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
            Resolution::Ended(Ok(output)) => (ActionOutcome::Ended, None, None, Some(output)),
            Resolution::Ended(Err(reason)) => {
                error = Some(reason);
                (ActionOutcome::Ended, None, None, None)
            }
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
        if action.tool_call.is_some() {
            self.set_progress();
            // The turn reads the answers when the step, or its unit, continues.
            match index {
                _ if self.actions.has_of(&action.step) => {}
                Some(index) => self.steps[index].status = StepStatus::Pending,
                None => self.continue_unit(&action.step),
            }
            return;
        }
        let Some(index) = index else {
            return;
        };
        self.set_progress();
        let is_escalated = is_escalation(&self.run.spec.steps[index], &action);
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
                let in_time = || {
                    let detail = match action.kind {
                        ActionKind::Event => "the event did not come in time",
                        ActionKind::Run => "the run did not end in time",
                        ActionKind::Approval | ActionKind::Question | ActionKind::Timer => {
                            "nobody answered in time"
                        }
                    };
                    StepError::new(408, detail)
                };
                report.error = Some(error.unwrap_or_else(in_time));
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
    pub(super) async fn cancel_actions(&mut self) {
        for action in self.actions.take() {
            if let Some(child) = action.run {
                cancel_child(&self.run.service, child).await;
            }
            self.events.push(cancelled(action));
        }
    }

    /// Starts the runs that steps wait for, and ends the steps whose runs have ended.
    async fn read_children(&mut self) -> Result<(), StoreError> {
        let run = Arc::clone(&self.run);
        for action in self.actions.runs() {
            let Some(child) = action.run else {
                continue;
            };
            let found = run.service.journal.run(child, &run.caller.subject).await?;
            let ended = match found {
                Some(found) if found.status.is_over() => output_of(&run.service, found),
                Some(_) => continue,
                None => match self.start_child(&action.step, child).await {
                    Ok(_) => {
                        self.pause_if_asked(child).await?;
                        continue;
                    }
                    Err(error) => {
                        let problem = error.to_problem();
                        if problem.status == 503 {
                            return Err(StoreError::unavailable(problem.detail));
                        }
                        Err(problem.into())
                    }
                },
            };
            self.actions.remove(action.id);
            self.on_resolved(action, Resolution::Ended(ended));
        }
        Ok(())
    }

    /// Pauses the run `child`, which has just been started, if this one is to be paused: whoever asked did not find it.
    async fn pause_if_asked(&self, child: Uuid) -> Result<(), StoreError> {
        let (service, subject) = (&self.run.service, &self.run.caller.subject);
        let own = service.journal.run(self.run.id, subject).await?;
        if own.is_some_and(|own| own.pause_requested) {
            let paused = pause_child(service, child, subject).await;
            paused.map_err(|error| StoreError::unavailable(error.to_string()))?;
        }
        Ok(())
    }

    /// Starts the run `child`, which the step waits for. Its input is the step's `with`, or else that of this run.
    async fn start_child(&self, step: &str, child: Uuid) -> Result<JournaledRun, AgentError> {
        let run = &self.run;
        let step = run.spec.steps.iter().find(|spec| spec.id == step);
        let Some((step, StepKind::Workflow { workflow })) = step.map(|step| (step, step.kind))
        else {
            return Err(AgentError::internal(
                "a step that waits for a run is none of a workflow",
            ));
        };
        let spec = run.service.specs.get(workflow).copied();
        let spec = spec.ok_or_else(|| AgentError::internal(format!("no workflow `{workflow}`")))?;
        let scope = Scope::of(&run.input, &self.steps);
        let input = match &step.with {
            Some(template) => fill(template, scope),
            None => run.input.clone(),
        };
        let input = match run.service.input_schemas.get(spec.name) {
            Some(schema) => without_nulls(&input, schema),
            None => input,
        };
        start_child(
            &run.service,
            spec,
            input,
            run.caller.clone(),
            (child, run.id),
        )
        .await
    }
}

/// The longest time after which a run that waits for another one looks for it.
const CHILD_POLL: Duration = Duration::from_secs(30);

/// Whether a person is asked what becomes of the step, which failed.
fn is_escalation(step: &StepSpec, action: &PendingAction) -> bool {
    let is_question = action.kind == ActionKind::Question;
    is_question && !matches!(step.kind, StepKind::Ask { .. })
}

/// What the step gives that waited for `child`: the output of its last step.
fn output_of(service: &WorkflowService, child: JournaledRun) -> Result<Value, StepError> {
    let last = service.specs.get(&*child.workflow);
    let last = last.and_then(|spec| spec.steps.last());
    let succeeded = matches!(
        child.status,
        RunStatus::Completed | RunStatus::CompletedWithFailures
    );
    if !succeeded {
        let (id, workflow, status) = (child.id, &child.workflow, child.status.as_str());
        let why = child
            .error
            .map_or(String::new(), |error| format!(": {error}"));
        let detail = format!("the run {id} of `{workflow}` ended as {status}{why}");
        return Err(StepError::new(424, detail));
    }
    let mut steps = child.steps.into_iter();
    let step = steps.find(|step| last.is_some_and(|last| last.id == step.step));
    Ok(step.map_or(Value::Null, |step| step.output))
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
