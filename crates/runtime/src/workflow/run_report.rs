//! The report of a workflow run: as JSON, and typed, with its steps as fields and their outputs parsed.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::AgentError;
use crate::error::problem::Problem;
use crate::event::agent_event::Usage;
use crate::event::pending_action::PendingAction;
use crate::schema::{DateTime, Uuid, Violation};
use crate::spec::workflow_spec::StepSpec;

/// A run of a workflow, as far as it has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "WorkflowRunReport", example = json!({
    "run_id": "01936f2e-7b1c-7000-8000-000000000004",
    "workflow": "release",
    "status": "queued",
    "created_at": "2026-01-01T12:00:00Z",
    "attempts": 1,
    "usage": { "input_tokens": 0, "output_tokens": 0 },
    "steps": [],
}))]
pub struct RunReport {
    /// Identifies the run.
    pub run_id: Uuid,
    /// The run that it is a step of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Uuid>,
    /// The workflow's name.
    pub workflow: String,
    /// How the run stands.
    pub status: RunStatus,
    /// Why it did not complete, or what it continued without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was started, in UTC to the millisecond.
    pub created_at: DateTime,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime>,
    /// How often it was tried: 1, and once more for each retry.
    pub attempts: u32,
    /// The run whose input it repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarted_from: Option<Uuid>,
    /// The workflow whose schedule started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// What all its steps used.
    pub usage: Usage,
    /// Its steps, in the order in which the workflow lists them.
    pub steps: Vec<StepReport>,
    /// What it waits for now: answers, events and moments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<PendingAction>,
}

/// How a run stands. It has ended when it is neither queued nor running, neither waiting nor paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "WorkflowRunStatus", example = Self::Running)]
pub enum RunStatus {
    /// It waits to begin.
    Queued,
    /// It is in progress.
    Running,
    /// It waits for an answer, an event or a moment, and is not executed meanwhile.
    Waiting,
    /// It was paused, and continues when it is resumed.
    Paused,
    /// It ended, and no step failed.
    Completed,
    /// It ended, and a step failed that it could continue without.
    CompletedWithFailures,
    /// A step failed that it could not continue without, or its time was up.
    Failed,
    /// A step failed, and the person who was asked stopped the run.
    Escalated,
    /// Its owner cancelled it.
    Cancelled,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(example = json!({
    "step": "plan",
    "agent": "architect",
    "endpoint": "invoke",
    "status": "succeeded",
    "output": "Done.",
    "attempts": 1,
    "usage": { "input_tokens": 12, "output_tokens": 2 },
}))]
pub struct StepReport {
    /// The step's id. Of a unit, which is the call for one item or the subtask of a plan, it is that of its step with the unit's own:
    /// `build[3]`, `work[schema]`. Units stand behind their step.
    pub step: String,
    /// The name of its agent. A step that waits has none, and a plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The endpoint of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// How the step stands.
    pub status: StepStatus,
    /// Of a subtask: the ids of the units that come first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// Why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<SkipReason>,
    /// The result: the text of `invoke`, the answer of any other endpoint or of a person, what came with an event; null where
    /// there is none.
    #[serde(default)]
    #[schemars(required)]
    pub output: Value,
    /// Why the last attempt failed. With a fallback, it stands beside the fallback's output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
    /// The name of the agent that was asked instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// The model that answered last; left out where code did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How often its agent was called since it last began.
    pub attempts: u32,
    /// When it last began, in UTC to the millisecond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<DateTime>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime>,
    /// What it used since it last began, as far as that is reported: all attempts and the fallback, also where they
    /// failed.
    pub usage: Usage,
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum StepStatus {
    /// It waits for other steps, or for a free slot.
    Pending,
    /// It is in progress.
    Running,
    /// It waits for an answer, an event or a moment: `actions` of the run says which.
    Waiting,
    /// It has an output.
    Succeeded,
    /// It has none, for the reason in `error`.
    Failed,
    /// It never began.
    Skipped,
    /// It was stopped when the run ended.
    Cancelled,
}

/// Why a step never began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum SkipReason {
    /// Its condition is false.
    Condition,
    /// Too few of the steps it needs can still succeed.
    Needs,
    /// It failed, and a person decided that the run continues without it.
    Decision,
    /// The run ended before.
    RunEnded,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(example = json!({ "status": 502, "detail": "The model did not answer." }))]
pub struct StepError {
    /// The HTTP status that the endpoint would have answered with.
    #[schemars(range(min = 400, max = 599))]
    pub status: u16,
    /// What went wrong.
    pub detail: String,
    /// The kind of problem, as a URI. Left out where the status says it all.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "uri-reference"))]
    pub kind: Option<String>,
    /// Identifies the kind of problem among those that the endpoint declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Everything that is wrong with the step's request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Violation>,
}

impl RunStatus {
    /// The status as it is written in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::CompletedWithFailures => "completed_with_failures",
            Self::Failed => "failed",
            Self::Escalated => "escalated",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_over(self) -> bool {
        !matches!(
            self,
            Self::Queued | Self::Running | Self::Waiting | Self::Paused
        )
    }
}

impl StepStatus {
    /// The status as it is written in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::Running | Self::Waiting)
    }
}

impl StepReport {
    /// A step that has not begun.
    pub(crate) fn pending(spec: &StepSpec) -> Self {
        Self::of(spec.id, spec.call())
    }

    /// Whether it stays as it is when its run is retried. Every other step is pending again.
    pub(crate) fn is_kept(&self) -> bool {
        let skipped = matches!(
            self.skipped,
            Some(SkipReason::Condition | SkipReason::Decision)
        );
        self.status == StepStatus::Succeeded || self.status == StepStatus::Skipped && skipped
    }

    /// The step `step`, which has not begun; `call` is the agent and the endpoint that it calls.
    pub(crate) fn of(step: &str, call: Option<(&str, &str)>) -> Self {
        Self {
            step: step.to_owned(),
            agent: call.map(|(agent, _)| agent.to_owned()),
            endpoint: call.map(|(_, endpoint)| endpoint.to_owned()),
            status: StepStatus::Pending,
            needs: Vec::new(),
            skipped: None,
            output: Value::Null,
            error: None,
            fallback: None,
            model: None,
            attempts: 0,
            began_at: None,
            ended_at: None,
            usage: Usage::default(),
        }
    }
}

impl StepError {
    /// An error of this status, and what went wrong.
    pub(crate) fn new(status: u16, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            kind: None,
            code: None,
            errors: Vec::new(),
        }
    }
}

/// The id of the unit `unit` of a step.
pub(crate) fn unit_id(step: &str, unit: &str) -> String {
    format!("{step}[{unit}]")
}

/// The id of the step that `id` is the id of, or the id of a unit of.
pub(crate) fn step_of(id: &str) -> &str {
    match id.split_once('[') {
        Some((step, unit)) if unit.ends_with(']') => step,
        _ => id,
    }
}

/// What is told of a subtask of a plan before it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(example = json!({ "step": "work[api]", "agent": "architect", "needs": ["work[schema]"] }))]
pub struct PlannedSubtask {
    /// The id of the unit in events and reports.
    pub step: String,
    /// The name of its agent.
    pub agent: String,
    /// The ids of the units that come first.
    pub needs: Vec<String>,
}

/// What came of a subtask of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubtaskOutput {
    /// Its id in the plan.
    pub id: String,
    /// The slug of its agent.
    pub agent: String,
    /// What the agent answered; `None` if it failed and the run continued without.
    pub output: Option<String>,
}

impl From<Problem> for StepError {
    fn from(problem: Problem) -> Self {
        let kind = Some(problem.kind);
        Self {
            kind: kind.filter(|kind| kind != "about:blank"),
            code: problem.code,
            errors: problem.errors,
            ..Self::new(problem.status, problem.detail)
        }
    }
}

/// The report of a finished run; `S` has a field for each step.
#[derive(Debug, Clone, PartialEq)]
pub struct TypedReport<S> {
    /// The run's id.
    pub run_id: Uuid,
    /// The workflow's name.
    pub workflow: String,
    /// The status.
    pub status: RunStatus,
    /// Why it did not complete, or what it completed without.
    pub error: Option<String>,
    /// When it was started, in UTC to the millisecond.
    pub created_at: DateTime,
    /// When it was over.
    pub ended_at: Option<DateTime>,
    /// How often it was tried: 1, and once more for each retry.
    pub attempts: u32,
    /// The run whose input it repeats.
    pub restarted_from: Option<Uuid>,
    /// The workflow whose schedule started it.
    pub schedule: Option<String>,
    /// The usage of all its steps.
    pub usage: Usage,
    /// The steps.
    pub steps: S,
    /// What it waits for now.
    pub actions: Vec<PendingAction>,
}

/// The typed report of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepOutcome<T> {
    /// The step's id.
    pub step: String,
    /// The slug of the agent; `None` for a step that waits.
    pub agent: Option<String>,
    /// The endpoint's name.
    pub endpoint: Option<String>,
    /// The status.
    pub status: StepStatus,
    /// Why it was skipped.
    pub skipped: Option<SkipReason>,
    /// The output; `Some` if and only if the step succeeded.
    pub output: Option<T>,
    /// Why the last attempt failed. A step whose fallback succeeded has both an error and an output.
    pub error: Option<StepError>,
    /// The slug of the fallback agent, if it was called.
    pub fallback: Option<String>,
    /// The model that answered; `None` if code did.
    pub model: Option<String>,
    /// The number of attempts since the step last started.
    pub attempts: u32,
    /// When it last started, in UTC to the millisecond.
    pub began_at: Option<DateTime>,
    /// When it was over.
    pub ended_at: Option<DateTime>,
    /// The tokens used.
    pub usage: Usage,
}

/// The output of a step with a fallback agent.
#[derive(Debug, Clone, PartialEq)]
pub enum StepAnswer<T, F> {
    /// The step's agent answered.
    Own(T),
    /// The fallback agent answered.
    Fallback(F),
}

/// A type that the output of a step can be parsed as: every type with `DeserializeOwned`, and a [`StepAnswer`] of two such
/// types.
pub trait StepOutput: Sized {
    /// Parses `output`; `by_fallback` says whether the fallback agent gave it.
    ///
    /// # Errors
    /// What serde says.
    fn read(output: Value, by_fallback: bool) -> serde_json::Result<Self>;
}

/// The steps of a workflow as fields. Generated code implements it.
pub trait TypedSteps: Sized {
    /// Takes each step out of `reports`.
    ///
    /// # Errors
    /// 500 for a step that is missing, and for an output that is not of its type.
    fn read(reports: &mut StepReports) -> Result<Self, AgentError>;
}

/// The reports of a run's steps, taken out one by one.
#[derive(Debug)]
pub struct StepReports(Vec<StepReport>);

impl StepReports {
    /// Takes the step `step`.
    ///
    /// # Errors
    /// 500 if the step is missing or its output is no `T`: the run belongs to another workflow, or to another version of
    /// this one.
    pub fn take<T: StepOutput>(&mut self, step: &str) -> Result<StepOutcome<T>, AgentError> {
        let index = self.0.iter().position(|report| report.step == step);
        let missing = || format!("the step `{step}` is not in the report");
        let index = index.ok_or_else(|| AgentError::internal(missing()))?;
        let report = self.0.swap_remove(index);
        // The output may be null, so that only the status says whether there is one.
        let output = match report.status {
            StepStatus::Succeeded => {
                let read = T::read(report.output, report.fallback.is_some());
                let unlike =
                    |error| format!("the output of the step `{step}` is not of its type: {error}");
                Some(read.map_err(|error| AgentError::internal(unlike(error)))?)
            }
            _ => None,
        };
        Ok(StepOutcome {
            step: report.step,
            agent: report.agent,
            endpoint: report.endpoint,
            status: report.status,
            skipped: report.skipped,
            output,
            error: report.error,
            fallback: report.fallback,
            model: report.model,
            attempts: report.attempts,
            began_at: report.began_at,
            ended_at: report.ended_at,
            usage: report.usage,
        })
    }
}

impl<T: DeserializeOwned> StepOutput for T {
    fn read(output: Value, _: bool) -> serde_json::Result<Self> {
        serde_json::from_value(output)
    }
}

impl<T: DeserializeOwned, F: DeserializeOwned> StepOutput for StepAnswer<T, F> {
    fn read(output: Value, by_fallback: bool) -> serde_json::Result<Self> {
        if by_fallback {
            serde_json::from_value(output).map(Self::Fallback)
        } else {
            serde_json::from_value(output).map(Self::Own)
        }
    }
}

impl<S: TypedSteps> TryFrom<RunReport> for TypedReport<S> {
    type Error = AgentError;

    /// The same report with parsed outputs.
    fn try_from(report: RunReport) -> Result<Self, AgentError> {
        let mut reports = StepReports(report.steps);
        Ok(Self {
            run_id: report.run_id,
            workflow: report.workflow,
            status: report.status,
            error: report.error,
            created_at: report.created_at,
            ended_at: report.ended_at,
            attempts: report.attempts,
            restarted_from: report.restarted_from,
            schedule: report.schedule,
            usage: report.usage,
            steps: S::read(&mut reports)?,
            actions: report.actions,
        })
    }
}
