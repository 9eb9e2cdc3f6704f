//! What is told of the runs of workflows: reports and events.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::events::{PolicyKind, Usage};
use super::problem::Violation;
use super::values::{DateTime, JsonValue, Uuid};

/// A run of a workflow, as it is answered when it is started or called off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowRun {
    /// Identifies the run.
    pub run_id: Uuid,
    /// The workflow's name.
    pub workflow: String,
    /// How the run stands.
    pub status: RunStatus,
}

/// How far a run of a workflow has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// What it waits for now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<PendingAction>,
}

/// Something that a run waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingAction {
    /// Identifies the action.
    pub id: Uuid,
    /// The step that waits.
    pub step: String,
    /// What it waits for.
    pub kind: ActionKind,
    /// The question, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The event's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The run that it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Uuid>,
    /// JSON Schema of the answer, or of what is sent with the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<JsonValue>,
    /// The roles of which the person who answers needs one. Empty: the caller that started the run answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The tool call that it is about: an approval, or a question of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call: Option<PendingToolCall>,
    /// When the run no longer waits; of a timer, when it is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime>,
}

/// The call of a tool that waits for a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingToolCall {
    /// Identifies the call, as `tool.started` does.
    pub call_id: String,
    /// The name of the agent whose model calls the tool.
    pub agent: String,
    /// The tool.
    pub tool: String,
    /// The tool's input, as the model wrote it.
    pub arguments: JsonValue,
    /// Whether the call was approved before and may have run: the service ended while it was under way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_have_run: bool,
}

/// What a run waits for.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// A person's word whether a tool may be called.
    Approval,
    /// The answer of a person.
    Question,
    /// An event that somebody sends to the run.
    Event,
    /// A moment.
    Timer,
    /// The end of a run that the step has started.
    Run,
    /// One of a later version of the service.
    #[serde(other)]
    Unknown,
}

/// How a pending action ended.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionOutcome {
    /// A person answered.
    Answered,
    /// The event came.
    Received,
    /// The time is up.
    Elapsed,
    /// The run that it waited for ended.
    Ended,
    /// Nothing came in time.
    Expired,
    /// The run ended before.
    Cancelled,
    /// One of a later version of the service.
    #[serde(other)]
    Unknown,
}

/// How a run stands. It has ended when it is neither queued nor running, neither waiting nor paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

impl RunStatus {
    /// Whether nothing more will happen.
    pub fn is_over(self) -> bool {
        !matches!(
            self,
            Self::Queued | Self::Running | Self::Waiting | Self::Paused
        )
    }
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    pub output: JsonValue,
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
    /// What it used since it last began, as far as that is reported.
    pub usage: Usage,
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepError {
    /// The HTTP status that the endpoint would have answered with.
    pub status: u16,
    /// What went wrong.
    pub detail: String,
    /// The kind of problem, as a URI. None where the status says it all.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Identifies the kind of problem among those that the endpoint declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Everything that is wrong with the step's request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Violation>,
}

/// What happens in a run of a workflow.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum WorkflowEvent {
    /// The run has begun.
    #[serde(rename = "run.started")]
    Started {
        /// Identifies the run.
        run_id: Uuid,
        /// The workflow's name.
        workflow: String,
    },
    /// The run continues: the process that it was in has ended, or what it waited for is there.
    #[serde(rename = "run.resumed")]
    Resumed {
        /// Identifies the run.
        run_id: Uuid,
    },
    /// The run has failed or was cancelled, and is tried again: the steps that did not succeed are pending.
    #[serde(rename = "run.retried")]
    Retried {
        /// Identifies the run.
        run_id: Uuid,
        /// The number of the attempt that begins, from 2.
        attempt: u32,
    },
    /// A step has begun.
    #[serde(rename = "step.started")]
    StepStarted {
        /// The step.
        step: String,
        /// The name of its agent.
        agent: String,
        /// The endpoint of the agent.
        endpoint: String,
    },
    /// An attempt failed; there will be another one.
    #[serde(rename = "step.retried")]
    StepRetried {
        /// The step.
        step: String,
        /// The number of the attempt that failed, from 1.
        attempt: u32,
        /// The pause before the next attempt, in milliseconds.
        pause_ms: u64,
        /// Why it failed.
        error: StepError,
    },
    /// The last attempt failed; another agent is asked.
    #[serde(rename = "step.fallback")]
    StepFallback {
        /// The step.
        step: String,
        /// The name of the other agent.
        agent: String,
        /// Why the last attempt failed.
        error: StepError,
    },
    /// A policy decided how a step, or the run, continues.
    #[serde(rename = "policy.applied")]
    PolicyApplied {
        /// The step; left out where the decision is about the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<String>,
        /// Which policy.
        policy: PolicyKind,
        /// The model that the decision is about; left out where it is about none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        model: Option<String>,
        /// What was decided, and why.
        detail: String,
    },
    /// An agent that works on a step hands a task over to another one.
    #[serde(rename = "handoff.started")]
    HandoffStarted {
        /// The step.
        step: String,
        /// Identifies the call among those of the step that are in progress.
        call_id: String,
        /// The name of the agent that hands the task over.
        from: String,
        /// The name of the agent that takes it.
        to: String,
    },
    /// A task came back from the agent that took it.
    #[serde(rename = "handoff.completed")]
    HandoffCompleted {
        /// The step.
        step: String,
        /// Identifies the call, as `handoff.started` did.
        call_id: String,
        /// The name of the agent that handed the task over.
        from: String,
        /// The name of the agent that took it.
        to: String,
        /// Whether it failed.
        is_error: bool,
    },
    /// A step begins to carry out a plan.
    #[serde(rename = "plan.started")]
    PlanStarted {
        /// The step.
        step: String,
        /// The subtasks, in the order of the plan. Each of them is a unit of the step.
        subtasks: Vec<PlannedSubtask>,
    },
    /// A plan can't be carried out; the step that made it begins again, once.
    #[serde(rename = "plan.refused")]
    PlanRefused {
        /// The step that would carry it out.
        step: String,
        /// The step that made it.
        source: String,
        /// What is wrong with it.
        error: StepError,
    },
    /// A step has ended.
    #[serde(rename = "step.finished")]
    StepFinished {
        /// Everything that is reported about the step.
        report: StepReport,
    },
    /// The run waits for something before a step can continue.
    #[serde(rename = "action.required")]
    ActionRequired {
        /// What it waits for.
        action: PendingAction,
        /// For a question about a step that failed: the step as it is now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<StepReport>,
    },
    /// The run no longer waits for something.
    #[serde(rename = "action.resolved")]
    ActionResolved {
        /// Identifies the action.
        action: Uuid,
        /// The step that waited.
        step: String,
        /// How it ended.
        outcome: ActionOutcome,
        /// Who answered, or sent the event.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// The number of the event among those that were sent to the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        event_number: Option<u64>,
    },
    /// The run has ended; the last event.
    #[serde(rename = "run.finished")]
    Finished {
        /// Identifies the run.
        run_id: Uuid,
        /// How it ended.
        status: RunStatus,
        /// Why it did not complete.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// An event of a later version of the service.
    #[serde(other, rename = "unknown")]
    Unknown,
}

/// The report of a run; `S` has a field for each step.
#[derive(Debug, Clone, PartialEq)]
pub struct TypedReport<S> {
    /// Identifies the run.
    pub run_id: Uuid,
    /// The workflow's name.
    pub workflow: String,
    /// How the run stands.
    pub status: RunStatus,
    /// Why it did not complete, or what it continued without.
    pub error: Option<String>,
    /// When it was started, in UTC to the millisecond.
    pub created_at: DateTime,
    /// When it ended.
    pub ended_at: Option<DateTime>,
    /// How often it was tried: 1, and once more for each retry.
    pub attempts: u32,
    /// The run whose input it repeats.
    pub restarted_from: Option<Uuid>,
    /// The workflow whose schedule started it.
    pub schedule: Option<String>,
    /// What all its steps used.
    pub usage: Usage,
    /// Its steps.
    pub steps: S,
    /// What it waits for now.
    pub actions: Vec<PendingAction>,
}

/// The report of one step, whose output is a `T`.
#[derive(Debug, Clone, PartialEq)]
pub struct StepOutcome<T> {
    /// The step's id.
    pub step: String,
    /// The name of its agent; none where the step waits.
    pub agent: Option<String>,
    /// The endpoint of the agent.
    pub endpoint: Option<String>,
    /// How the step stands.
    pub status: StepStatus,
    /// Why it was skipped.
    pub skipped: Option<SkipReason>,
    /// The output, if and only if the step succeeded.
    pub output: Option<T>,
    /// Why the last attempt failed. A step whose fallback succeeded has both an error and an output.
    pub error: Option<StepError>,
    /// The name of the agent that was asked instead.
    pub fallback: Option<String>,
    /// The model that answered last; none where code did.
    pub model: Option<String>,
    /// How often its agent was called since it last began.
    pub attempts: u32,
    /// When it last began, in UTC to the millisecond.
    pub began_at: Option<DateTime>,
    /// When it ended.
    pub ended_at: Option<DateTime>,
    /// What it used.
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

/// What the output of a step can be read as.
pub trait StepOutput: Sized {
    /// Reads `output`; `by_fallback` says whether the fallback agent gave it.
    fn read(output: JsonValue, by_fallback: bool) -> serde_json::Result<Self>;
}

impl<T: DeserializeOwned> StepOutput for T {
    fn read(output: JsonValue, _: bool) -> serde_json::Result<Self> {
        serde_json::from_value(output)
    }
}

impl<T: DeserializeOwned, F: DeserializeOwned> StepOutput for StepAnswer<T, F> {
    fn read(output: JsonValue, by_fallback: bool) -> serde_json::Result<Self> {
        if by_fallback {
            serde_json::from_value(output).map(Self::Fallback)
        } else {
            serde_json::from_value(output).map(Self::Own)
        }
    }
}

/// The steps of a workflow as fields. Generated code implements it.
pub trait TypedSteps: Sized {
    /// Takes each step out of `reports`; an error says which one is not as expected.
    fn read(reports: &mut StepReports) -> Result<Self, String>;
}

/// What is told of a subtask of a plan before it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// The reports of a run's steps, taken out one by one.
#[derive(Debug)]
pub struct StepReports(pub(crate) Vec<StepReport>);

impl StepReports {
    /// Takes the step `step`, whose output is a `T`.
    pub(crate) fn take<T: StepOutput>(&mut self, step: &str) -> Result<StepOutcome<T>, String> {
        let index = self.0.iter().position(|report| report.step == step);
        let index = index.ok_or_else(|| format!("the step `{step}` is not in the report"))?;
        let report = self.0.swap_remove(index);
        // The output may be null, so that only the status says whether there is one.
        let output = match report.status {
            StepStatus::Succeeded => {
                let read = T::read(report.output, report.fallback.is_some());
                Some(read.map_err(|error| {
                    format!("the output of the step `{step}` is not of its type: {error}")
                })?)
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
