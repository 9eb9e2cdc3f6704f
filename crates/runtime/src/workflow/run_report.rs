//! What is told of a run of a workflow when it is asked for: how it stands, and each of its steps.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::problem::Problem;
use crate::event::agent_event::Usage;
use crate::schema::formats::{DateTime, Uuid};
use crate::schema::validate::Violation;
use crate::spec::workflow_spec::StepSpec;

/// A run of a workflow, as far as it has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// The run.
    pub run_id: Uuid,
    /// The workflow's name.
    pub workflow: String,
    /// How it stands.
    pub status: RunStatus,
    /// Why it did not complete, or what it went on without, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was asked for, in UTC to the millisecond.
    pub created_at: DateTime,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime>,
    /// What all its steps took.
    pub usage: Usage,
    /// Its steps, in the order in which the workflow lists them.
    pub steps: Vec<StepReport>,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It is yet to begin.
    Queued,
    /// It is under way.
    Running,
    /// It is over, and no step failed.
    Completed,
    /// It came to its end, and a step failed on the way that it could go on without.
    CompletedWithFailures,
    /// A step failed that it could not go on without, or time was up.
    Failed,
    /// A step failed that a person has to look at.
    Escalated,
    /// Its owner called it off.
    Cancelled,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// Its id.
    pub step: String,
    /// The slug of its agent.
    pub agent: String,
    /// The endpoint's name.
    pub endpoint: String,
    /// How it stands.
    pub status: StepStatus,
    /// Why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<SkipReason>,
    /// What came out: the text of `invoke`, the answer of any other endpoint; null if there is none.
    #[serde(default)]
    pub output: Value,
    /// What the last attempt failed of. With a fallback it stands beside the fallback's output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StepError>,
    /// The slug of the agent that was asked instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// The model that answered last; none if code did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How often its agent was asked since it last began.
    pub attempts: u32,
    /// When it last began, in UTC to the millisecond.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_at: Option<DateTime>,
    /// When it was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime>,
    /// What it took since it last began, as far as that is known: all attempts and the fallback, whatever came of them.
    pub usage: Usage,
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// It waits for others, or for its turn.
    Pending,
    /// It is under way.
    Running,
    /// There is an output.
    Succeeded,
    /// There is none, for what `error` says.
    Failed,
    /// It never began.
    Skipped,
    /// It was dropped when the run ended.
    Cancelled,
}

/// Why a step never began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Its condition is false.
    Condition,
    /// Too few of the steps it needs can succeed any more.
    Needs,
    /// The run was over before.
    RunEnded,
}

/// Why a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepError {
    /// The HTTP status that the endpoint would have answered with.
    pub status: u16,
    /// What went wrong.
    pub detail: String,
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
        !matches!(self, Self::Queued | Self::Running)
    }
}

impl StepStatus {
    /// The status as it is written in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

impl StepReport {
    /// A step that has not begun.
    pub(crate) fn pending(spec: &StepSpec) -> Self {
        Self {
            step: spec.id.to_owned(),
            agent: spec.agent.to_owned(),
            endpoint: spec.endpoint.to_owned(),
            status: StepStatus::Pending,
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

impl From<Problem> for StepError {
    fn from(problem: Problem) -> Self {
        Self {
            status: problem.status,
            detail: problem.detail,
            errors: problem.errors,
        }
    }
}
