//! The units of a step: calls that only the run knows, one for each item of a list or each subtask of a plan.
//!
//! Invariant: which units a step has follows from the workflow, the run's input and the outputs of the steps before it. So a process that
//! resumes a run finds the same ones, and those that have an output keep it.

use serde_json::{Value, json};

use crate::event::agent_event::Usage;
use crate::event::usage_meter::Meter;
use crate::spec::workflow_spec::{INVOKE, StepKind, StepSpec};
use crate::workflow::execution::evaluation::{Item, Scope, evaluate, is_truthy, to_text};
use crate::workflow::execution::executor_units::skip;
use crate::workflow::execution::step_task::StepTask;
use crate::workflow::execution::subtask_plan::{Subtask, read_plan};
use crate::workflow::run_report::{SkipReason, StepError, StepReport, StepStatus, unit_id};

/// The most items of a list for which a step calls its agent.
pub(crate) const MAX_ITEMS: usize = 1000;

/// The units of a step that runs.
pub(crate) struct StepUnits {
    units: Vec<Unit>,
    concurrency: usize,
    /// Whether the step succeeds without the units that fail.
    goes_on: bool,
}

struct Unit {
    report: StepReport,
    meter: Meter,
    call: (&'static str, &'static str),
    work: Work,
    /// Whether its own condition is true.
    is_wanted: bool,
}

enum Work {
    Item(Item),
    Subtask(Subtask),
}

/// What is to be done about the units of a step.
pub(crate) enum UnitsDecision {
    /// Start these.
    Start(Vec<usize>),
    /// All have ended; this is the step's output, and what failed on the way.
    Succeed(Value, Option<StepError>),
    /// One failed that the step can't go on without.
    Fail(StepError),
}

impl StepUnits {
    /// The units of `step`, which starts; `None` for a step that has none. `kept` are the reports of those that have ended already.
    ///
    /// # Errors
    /// Why there are none.
    pub(crate) fn of(
        step: &'static StepSpec,
        scope: Scope<'_>,
        goes_on: bool,
        mut kept: impl FnMut(&str) -> Option<StepReport>,
    ) -> Option<Result<Self, StepError>> {
        let (units, concurrency) = match &step.kind {
            StepKind::ForEach {
                agent,
                endpoint,
                items,
                when,
                concurrency,
            } => {
                let items = match items_of(&evaluate(items, scope)) {
                    Ok(items) => items,
                    Err(error) => return Some(Err(error)),
                };
                let units = items.into_iter().enumerate().map(|(index, value)| {
                    let item = Item::new(value, index);
                    let id = unit_id(step.id, &index.to_string());
                    let mut unit = Unit::new(id, (agent, endpoint), Work::Item(item));
                    let scope = unit.scope(scope);
                    unit.is_wanted = when.as_ref().is_none_or(|when| is_truthy(when, scope));
                    unit
                });
                (units.collect::<Vec<_>>(), *concurrency)
            }
            StepKind::Plan {
                subtasks,
                agents,
                max,
                concurrency,
                ..
            } => {
                let plan = match read_plan(&evaluate(subtasks, scope), agents, *max) {
                    Ok(plan) => plan,
                    Err(reason) => return Some(Err(refused(reason))),
                };
                let units = plan.into_iter().map(|subtask| {
                    let needs = subtask.depends_on.iter();
                    let needs = needs.map(|id| unit_id(step.id, id)).collect();
                    let (id, agent) = (unit_id(step.id, &subtask.id), subtask.agent);
                    let mut unit = Unit::new(id, (agent, INVOKE), Work::Subtask(subtask));
                    unit.report.needs = needs;
                    unit
                });
                (units.collect(), *concurrency)
            }
            _ => return None,
        };
        let mut units = units;
        for unit in &mut units {
            if let Some(report) = kept(&unit.report.step) {
                unit.report = report;
            }
        }
        Some(Ok(Self {
            units,
            concurrency: concurrency.max(1) as usize,
            goes_on,
        }))
    }

    /// The reports of all of them, in their order.
    pub(crate) fn reports(&self) -> impl Iterator<Item = &StepReport> {
        self.units.iter().map(|unit| &unit.report)
    }

    pub(crate) fn report_mut(&mut self, unit: usize) -> &mut StepReport {
        &mut self.units[unit].report
    }

    /// The index of the unit with this id.
    pub(crate) fn position(&self, id: &str) -> Option<usize> {
        self.reports().position(|report| report.step == id)
    }

    /// Counts the usage of a unit anew.
    pub(crate) fn reset_meter(&mut self, unit: usize) {
        self.units[unit].meter = Meter::default();
    }

    pub(crate) fn meter(&self, unit: usize) -> &Meter {
        &self.units[unit].meter
    }

    /// Skips those whose condition is false; returns their reports.
    pub(crate) fn skip_unneeded(&mut self) -> impl Iterator<Item = StepReport> {
        let units = self.units.iter_mut();
        let unneeded = units.filter(|unit| !unit.is_wanted && !unit.report.status.is_over());
        unneeded.map(|unit| {
            skip(&mut unit.report, SkipReason::Condition);
            unit.report.clone()
        })
    }

    /// What they used.
    pub(crate) fn usage(&self) -> Usage {
        let used = self.reports().map(|report| report.usage);
        used.fold(Usage::default(), Usage::plus)
    }

    /// What to do next; `limit` is how many of them may be under way.
    pub(crate) fn next(&self, limit: usize) -> UnitsDecision {
        let count = |status| {
            self.reports()
                .filter(|report| report.status == status)
                .count()
        };
        let running = count(StepStatus::Running);
        let failed = |report: &&StepReport| report.status == StepStatus::Failed;
        let first_failed = self.reports().find(failed);
        if let Some(failed) = first_failed.filter(|_| !self.goes_on) {
            return match running {
                0 => UnitsDecision::Fail(error_of(failed)),
                // What is under way is paid for, and is there if the step begins again.
                _ => UnitsDecision::Start(Vec::new()),
            };
        }
        if self.reports().all(|report| report.status.is_over()) {
            let failed = self.reports().filter(failed);
            let failed = failed.map(|report| format!("`{}`", report.step));
            let failed = failed.collect::<Vec<_>>().join(", ");
            let error = first_failed.map(|first| StepError {
                detail: format!("it went on without what failed: {failed}"),
                ..error_of(first)
            });
            return UnitsDecision::Succeed(self.output(), error);
        }
        let free = self.concurrency.min(limit).saturating_sub(running);
        let is_ready = |index: &usize| {
            let report = &self.units[*index].report;
            report.status == StepStatus::Pending && report.needs.iter().all(|id| self.is_over(id))
        };
        UnitsDecision::Start((0..self.units.len()).filter(is_ready).take(free).collect())
    }

    fn is_over(&self, id: &str) -> bool {
        self.reports()
            .any(|report| report.step == id && report.status.is_over())
    }

    /// The task of a unit that starts now.
    pub(crate) fn task(&self, unit: usize, step: &'static StepSpec, scope: Scope<'_>) -> StepTask {
        let Unit {
            report, call, work, ..
        } = &self.units[unit];
        match work {
            Work::Item(_) => {
                let scope = self.units[unit].scope(scope);
                StepTask::for_call(step, report.step.clone(), *call, scope)
            }
            Work::Subtask(subtask) => {
                let mut text = to_text(&subtask.input);
                let ids = subtask.depends_on.iter().zip(&report.needs);
                for (name, id) in ids {
                    let needed = self.reports().find(|needed| needed.step == *id);
                    if let Some(needed) = needed.filter(|needed| !needed.output.is_null()) {
                        text.push_str(&format!("\n\n## {name}\n\n{}", to_text(&needed.output)));
                    }
                }
                StepTask::for_text(step, report.step.clone(), *call, text)
            }
        }
    }

    /// The output of the step. Where a unit gave none, it has null.
    fn output(&self) -> Value {
        let outputs = self.units.iter().map(|unit| match &unit.work {
            Work::Item(_) => unit.report.output.clone(),
            Work::Subtask(subtask) => json!({
                "id": subtask.id,
                "agent": subtask.agent,
                "output": match &unit.report.output {
                    Value::Null => Value::Null,
                    output => Value::String(to_text(output)),
                },
            }),
        });
        outputs.collect()
    }

    /// The reports of all of them, in their order.
    pub(crate) fn into_reports(self) -> impl Iterator<Item = StepReport> {
        self.units.into_iter().map(|unit| unit.report)
    }
}

impl Unit {
    fn new(id: String, call: (&'static str, &'static str), work: Work) -> Self {
        Self {
            report: StepReport::of(&id, Some(call)),
            meter: Meter::default(),
            call,
            work,
            is_wanted: true,
        }
    }

    fn scope<'a>(&'a self, scope: Scope<'a>) -> Scope<'a> {
        let item = match &self.work {
            Work::Item(item) => Some(item),
            Work::Subtask(_) => None,
        };
        Scope { item, ..scope }
    }
}

fn items_of(value: &Value) -> Result<Vec<Value>, StepError> {
    let items = match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.clone(),
        _ => return Err(refused("`for_each` is given no list".to_owned())),
    };
    match items.len() {
        0..=MAX_ITEMS => Ok(items),
        count => Err(refused(format!(
            "`for_each` takes up to {MAX_ITEMS} items, and these are {count}"
        ))),
    }
}

fn refused(detail: String) -> StepError {
    StepError::new(422, detail)
}

/// The error of a step because of its unit that failed.
fn error_of(failed: &StepReport) -> StepError {
    let error = failed.error.clone();
    let error = error.unwrap_or_else(|| StepError::new(500, "it has no output"));
    StepError {
        detail: format!("`{}` failed: {}", failed.step, error.detail),
        ..error
    }
}
