//! The typed report of a run: its steps are fields, and their outputs are parsed.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::AgentError;
use crate::event::agent_event::Usage;
use crate::schema::formats::{DateTime, Uuid};
use crate::workflow::run_report::{
    RunReport, RunStatus, SkipReason, StepError, StepReport, StepStatus,
};

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
    /// The usage of all its steps.
    pub usage: Usage,
    /// The steps.
    pub steps: S,
}

/// The typed report of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepOutcome<T> {
    /// The step's id.
    pub step: String,
    /// The slug of the agent.
    pub agent: String,
    /// The endpoint's name.
    pub endpoint: String,
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
        match by_fallback {
            true => serde_json::from_value(output).map(Self::Fallback),
            false => serde_json::from_value(output).map(Self::Own),
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
            usage: report.usage,
            steps: S::read(&mut reports)?,
        })
    }
}
