//! The report of a run whose steps are fields and whose outputs have their types.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::AgentError;
use crate::event::agent_event::Usage;
use crate::schema::formats::{DateTime, Uuid};
use crate::workflow::run_report::{
    RunReport, RunStatus, SkipReason, StepError, StepReport, StepStatus,
};

/// A run of a workflow that is over; `S` has a field for each of its steps.
#[derive(Debug, Clone, PartialEq)]
pub struct TypedReport<S> {
    /// The run.
    pub run_id: Uuid,
    /// The workflow's name.
    pub workflow: String,
    /// How it ended.
    pub status: RunStatus,
    /// Why it did not complete, in words.
    pub error: Option<String>,
    /// When it was asked for, in UTC to the millisecond.
    pub created_at: DateTime,
    /// When it was over.
    pub ended_at: Option<DateTime>,
    /// What all its steps took, as far as they succeeded.
    pub usage: Usage,
    /// Its steps.
    pub steps: S,
}

/// What came of one step of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct StepOutcome<T> {
    /// Its id.
    pub step: String,
    /// The slug of its agent.
    pub agent: String,
    /// The endpoint's name.
    pub endpoint: String,
    /// How it stands.
    pub status: StepStatus,
    /// Why it was skipped.
    pub skipped: Option<SkipReason>,
    /// What came out; there is one if and only if it succeeded.
    pub output: Option<T>,
    /// What the last attempt failed of. With a fallback it stands beside the fallback's output.
    pub error: Option<StepError>,
    /// The slug of the agent that was asked instead.
    pub fallback: Option<String>,
    /// The model that answered last; none if code did.
    pub model: Option<String>,
    /// How often its agent was asked since it last began.
    pub attempts: u32,
    /// When it last began, in UTC to the millisecond.
    pub began_at: Option<DateTime>,
    /// When it was over.
    pub ended_at: Option<DateTime>,
    /// What the answer took.
    pub usage: Usage,
}

/// The output of a step that another agent stands in for when its own one fails.
#[derive(Debug, Clone, PartialEq)]
pub enum StepAnswer<T, F> {
    /// The step's own agent answered.
    Own(T),
    /// The other agent did.
    Fallback(F),
}

/// What the output of a step can be read as: whatever can be read from JSON, and a [`StepAnswer`] of two such types.
pub trait StepOutput: Sized {
    /// Reads `output`, which another agent than the step's own one gave where `by_fallback` says so.
    ///
    /// # Errors
    /// What keeps it from being read.
    fn read(output: Value, by_fallback: bool) -> serde_json::Result<Self>;
}

/// The steps of a workflow as fields. What is generated of a workflow implements it.
pub trait TypedSteps: Sized {
    /// Takes each step out of `reports`.
    ///
    /// # Errors
    /// 500 for a step that is not among them, and for an output that is not of its type.
    fn read(reports: &mut StepReports) -> Result<Self, AgentError>;
}

/// The reports of a run's steps, to be taken out one by one.
#[derive(Debug)]
pub struct StepReports(Vec<StepReport>);

impl StepReports {
    /// Takes the step `step`.
    ///
    /// # Errors
    /// 500 if it is not there any more, or never was, and if its output is no `T`: the run is then one of another workflow,
    /// or of this one as it was in an earlier program.
    pub fn take<T: StepOutput>(&mut self, step: &str) -> Result<StepOutcome<T>, AgentError> {
        let index = self.0.iter().position(|report| report.step == step);
        let missing = || format!("the step `{step}` is not in the report");
        let index = index.ok_or_else(|| AgentError::internal(missing()))?;
        let report = self.0.swap_remove(index);
        // Nothing is an output too, so that it is the status that tells whether there is one.
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

    /// The same report, its outputs in their types.
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
