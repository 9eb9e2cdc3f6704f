//! Steps of many calls while they are executed: their units start, end, and make the output of the step.
//!
//! Invariant: a unit that has an output is never called again, whatever becomes of its step and of its process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::engine::tool_questions::ToolQuestion;
use crate::schema::DateTime;
use crate::spec::workflow_spec::{OnFailure, StepKind, WorkflowSpec};
use crate::unix_time::now;
use crate::workflow::execution::evaluation::{Scope, evaluate, is_truthy};
use crate::workflow::execution::executor::{Executor, TaskKey};
use crate::workflow::execution::policy_events::failure_policy;
use crate::workflow::execution::step_task::{StepTask, correction_of};
use crate::workflow::execution::step_units::{StepUnits, UnitsDecision};
use crate::workflow::execution::subtask_plan::read_plan;
use crate::workflow::journal::JournaledRun;
use crate::workflow::run_report::{
    PlannedSubtask, SkipReason, StepError, StepReport, StepStatus, step_of,
};
use crate::workflow::workflow_event::WorkflowEvent;

impl Executor {
    /// Starts the step at `index` if it is one of many calls; says whether it is. One that has no units ends at once.
    pub(super) fn start_units(&mut self, index: usize) -> bool {
        let run = Arc::clone(&self.run);
        let step = &run.spec.steps[index];
        let kept_units = &mut self.kept_units;
        let scope = Scope::of(&run.input, &self.steps);
        let goes_on = step.on_failure == OnFailure::Skip;
        let units = StepUnits::of(step, scope, goes_on, |id| kept_units.remove(id));
        let Some(units) = units else {
            return false;
        };
        let report = &mut self.steps[index];
        report.status = StepStatus::Running;
        report.attempts = 1;
        report.error = None;
        report.began_at = Some(DateTime::from(now()));
        match (&step.kind, &units) {
            (StepKind::Plan { .. }, Ok(units)) => {
                let subtasks = units.reports().map(|unit| PlannedSubtask {
                    step: unit.step.clone(),
                    agent: unit.agent.clone().unwrap_or_default(),
                    needs: unit.needs.clone(),
                });
                self.events.push(WorkflowEvent::PlanStarted {
                    step: step.id.to_owned(),
                    subtasks: subtasks.collect(),
                });
            }
            _ => {
                if let Some((agent, endpoint)) = step.call() {
                    self.events.push(WorkflowEvent::StepStarted {
                        step: step.id.to_owned(),
                        agent: agent.to_owned(),
                        endpoint: endpoint.to_owned(),
                    });
                }
            }
        }
        match units {
            Ok(mut units) => {
                let skipped = units.skip_unneeded();
                let skipped = skipped.map(|report| WorkflowEvent::StepFinished { report });
                self.events.extend(skipped);
                self.units.insert(index, units);
            }
            Err(error) => self.end_units(index, Err(error)),
        }
        true
    }

    /// Starts the units that can start and ends the steps whose units have. Says whether a step has ended.
    pub(super) fn advance_units(&mut self, tasks: &mut Vec<(TaskKey, StepTask)>) -> bool {
        let run = Arc::clone(&self.run);
        let limit = run
            .spec
            .concurrency
            .map_or(usize::MAX, |limit| limit as usize);
        let mut has_ended = false;
        let indices = self.units.keys().copied().collect::<Vec<_>>();
        for index in indices {
            let Some(units) = self.units.get_mut(&index) else {
                continue;
            };
            match units.next(limit) {
                UnitsDecision::Start(start) => {
                    let step = &run.spec.steps[index];
                    let scope = Scope::of(&run.input, &self.steps);
                    for unit in start {
                        let task = units.task(unit, step, scope);
                        let report = units.report_mut(unit);
                        report.status = StepStatus::Running;
                        let key = TaskKey {
                            step: index,
                            unit: Some(unit),
                        };
                        // It continues after a question.
                        if report.began_at.is_some() {
                            units.reset_meter(unit);
                            tasks.push((key, task));
                            continue;
                        }
                        report.attempts = 1;
                        report.began_at = Some(DateTime::from(now()));
                        let (agent, endpoint) = task.call;
                        self.events.push(WorkflowEvent::StepStarted {
                            step: report.step.clone(),
                            agent: agent.to_owned(),
                            endpoint: endpoint.to_owned(),
                        });
                        tasks.push((key, task));
                    }
                }
                UnitsDecision::Succeed(output, error) => {
                    has_ended = true;
                    self.steps[index].error = error;
                    self.end_units(index, Ok(output));
                }
                UnitsDecision::Fail(error) => {
                    has_ended = true;
                    self.end_units(index, Err(error));
                }
            }
        }
        has_ended
    }

    /// Ends a step whose units have ended.
    fn end_units(&mut self, index: usize, output: Result<Value, StepError>) {
        let limit = self.run.service.max_output_bytes;
        let output = output.and_then(|output| match output.to_string().len() {
            bytes if bytes > limit => Err(StepError::new(
                413,
                format!(
                    "the outputs together have {bytes} bytes; limits.output_bytes allows {limit}"
                ),
            )),
            _ => Ok(output),
        });
        let report = &mut self.steps[index];
        report.ended_at = Some(DateTime::from(now()));
        match output {
            Ok(output) => {
                report.status = StepStatus::Succeeded;
                report.output = output;
            }
            Err(error) => {
                report.status = StepStatus::Failed;
                report.error = Some(error);
            }
        }
        self.settle_step(index);
        let has_failed = self.steps[index].status != StepStatus::Succeeded;
        let units = self.units.remove(&index).filter(|_| has_failed);
        for mut report in units.into_iter().flat_map(StepUnits::into_reports) {
            let is_known = self.is_known(index, &report.step);
            match report.status {
                // Where a person has the step begin again.
                StepStatus::Succeeded => {
                    self.kept_units.insert(report.step.clone(), report);
                }
                StepStatus::Pending if is_known => {
                    skip(&mut report, SkipReason::Needs);
                    self.events.push(WorkflowEvent::StepFinished { report });
                }
                _ => {}
            }
        }
    }

    /// Whether readers of the run know of the unit `id` of a step before it begins.
    fn is_known(&self, index: usize, id: &str) -> bool {
        let is_plan = matches!(self.run.spec.steps[index].kind, StepKind::Plan { .. });
        is_plan || self.interrupted_units.contains_key(id)
    }

    /// A unit of the step at `index` has ended.
    pub(super) fn on_unit_end(&mut self, index: usize, unit: usize, mut report: StepReport) {
        let step = &self.run.spec.steps[index];
        let Some(units) = self.units.get_mut(&index) else {
            return;
        };
        report.usage = units.meter(unit).usage();
        report.needs = std::mem::take(&mut units.report_mut(unit).needs);
        *units.report_mut(unit) = report.clone();
        let has_failed = report.status == StepStatus::Failed;
        let id = report.step.clone();
        self.events.push(WorkflowEvent::StepFinished { report });
        if has_failed && step.on_failure == OnFailure::Skip {
            self.events.push(failure_policy(&id, step, false));
        }
    }

    /// Lets a unit wait until `questions` of its models are answered.
    pub(super) fn wait_for_unit(
        &mut self,
        index: usize,
        unit: usize,
        mut report: StepReport,
        questions: Vec<ToolQuestion>,
    ) {
        self.set_progress();
        self.may_have_turns = true;
        let Some(units) = self.units.get_mut(&index) else {
            return;
        };
        report.needs = std::mem::take(&mut units.report_mut(unit).needs);
        report.status = StepStatus::Waiting;
        *units.report_mut(unit) = report.clone();
        self.require_answers(&report, questions);
    }

    /// Lets the unit with this id continue, whose questions are answered.
    pub(super) fn continue_unit(&mut self, id: &str) {
        for units in self.units.values_mut() {
            if let Some(unit) = units.position(id) {
                units.report_mut(unit).status = StepStatus::Pending;
            }
        }
        // Its step has not started again in this process.
        if let Some(kept) = self.kept_units.get_mut(id) {
            kept.status = StepStatus::Pending;
        }
    }

    /// Cancels the units that run and skips those that have not begun, because the run ends.
    pub(super) fn cancel_units(&mut self) {
        let mut all = std::mem::take(&mut self.units);
        for (index, units) in &mut all {
            for unit in 0..units.reports().count() {
                let usage = units.meter(unit).usage();
                let report = units.report_mut(unit);
                let is_known = self.is_known(*index, &report.step);
                self.interrupted_units.remove(&report.step);
                match report.status {
                    StepStatus::Running | StepStatus::Waiting => {
                        if let Some(progress) = self.run.step_progress().remove(&report.step) {
                            *report = progress;
                        }
                        report.status = StepStatus::Cancelled;
                        report.usage = usage;
                        report.ended_at = Some(DateTime::from(now()));
                    }
                    StepStatus::Pending if is_known => skip(report, SkipReason::RunEnded),
                    _ => continue,
                }
                let report = report.clone();
                self.events.push(WorkflowEvent::StepFinished { report });
            }
        }
        // The steps are told what they used.
        self.units = all;
        // Those of steps that have not begun again.
        for (_, mut report) in std::mem::take(&mut self.interrupted_units) {
            let mut steps = self.steps.iter();
            if steps.any(|step| step.step == step_of(&report.step) && !step.status.is_over()) {
                report.status = StepStatus::Cancelled;
                report.ended_at = Some(DateTime::from(now()));
                self.events.push(WorkflowEvent::StepFinished { report });
            }
        }
    }

    /// Sends the plan that the step at `index` made back to it, once, if it can't be carried out.
    pub(super) fn check_plans(&mut self, index: usize) {
        let run = Arc::clone(&self.run);
        let maker = &run.spec.steps[index];
        if self.steps[index].status != StepStatus::Succeeded {
            return;
        }
        for (other, step) in run.spec.steps.iter().enumerate() {
            let StepKind::Plan {
                subtasks,
                source: Some(source),
                agents,
                max,
                ..
            } = &step.kind
            else {
                continue;
            };
            let report = &self.steps[other];
            let was_refused = report.error.is_some();
            if *source != maker.id || report.status != StepStatus::Pending || was_refused {
                continue;
            }
            let scope = Scope::of(&run.input, &self.steps);
            let is_wanted = step.when.as_ref().is_none_or(|when| is_truthy(when, scope));
            let plan = read_plan(&evaluate(subtasks, scope), agents, *max);
            let (Err(reason), true) = (plan, is_wanted) else {
                continue;
            };
            let error = StepError::new(422, reason);
            // Whether the reason has a place in the request, only the request shows.
            self.steps[other].error = Some(error.clone());
            let scope = Scope::of(&run.input, &self.steps);
            if correction_of(run.spec, maker, scope).is_none() {
                self.steps[other].error = None;
                continue;
            }
            self.steps[index] = StepReport::pending(maker);
            self.events.push(WorkflowEvent::PlanRefused {
                step: step.id.to_owned(),
                source: maker.id.to_owned(),
                error,
            });
            return;
        }
    }
}

/// Ends a step or unit that never begins.
pub(super) fn skip(report: &mut StepReport, reason: SkipReason) {
    report.status = StepStatus::Skipped;
    report.skipped = Some(reason);
    report.ended_at = Some(DateTime::from(now()));
}

/// The units of the steps that have not ended, by id: those that have ended and are not called again, and those that have not.
pub(super) fn journaled_units(
    spec: &WorkflowSpec,
    run: &JournaledRun,
) -> (BTreeMap<String, StepReport>, BTreeMap<String, StepReport>) {
    let (mut kept, mut interrupted) = (BTreeMap::new(), BTreeMap::new());
    let over = run.steps.iter().filter(|step| step.status.is_over());
    let over = over.map(|step| &*step.step).collect::<BTreeSet<_>>();
    for unit in &run.steps {
        let id = step_of(&unit.step);
        let Some(step) = spec.steps.iter().find(|step| step.id == id) else {
            continue;
        };
        if id == unit.step || over.contains(id) {
            continue;
        }
        let keeps = match unit.status {
            StepStatus::Succeeded | StepStatus::Waiting => true,
            StepStatus::Skipped => unit.skipped == Some(SkipReason::Condition),
            StepStatus::Failed => step.on_failure == OnFailure::Skip,
            _ => false,
        };
        if keeps {
            kept.insert(unit.step.clone(), unit.clone());
        } else if !unit.status.is_over() {
            interrupted.insert(unit.step.clone(), unit.clone());
        }
    }
    (kept, interrupted)
}
