//! What a workflow is: steps over agents, as the generator wrote them down.

pub use agentgen_schema::{Comparison, Missed};
use serde::Serialize;

/// Named steps over agents: a graph without cycles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WorkflowSpec {
    /// Its name, unique over all agents: the one in its path, `/v1/workflows/{name}/runs`.
    pub name: &'static str,
    /// The name of its operation in the OpenAPI document.
    pub operation_id: &'static str,
    /// The slug of the agent in whose file it stands.
    pub agent: &'static str,
    /// JSON Schema of a run's input.
    pub input_schema: &'static str,
    /// The roles of which a caller needs one; empty admits every caller.
    pub roles: &'static [&'static str],
    /// The most steps at a time; `None` sets no limit.
    pub concurrency: Option<u32>,
    /// The longest a run may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// When it starts by itself.
    pub schedule: Option<ScheduleSpec>,
    /// The steps, each behind those it needs.
    pub steps: &'static [StepSpec],
}

/// When a workflow starts by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleSpec {
    /// When runs are due: `minute hour day-of-month month day-of-week`.
    pub cron: &'static str,
    /// The name of the time zone whose clock that is, such as `Europe/Berlin`.
    pub zone: &'static str,
    /// What becomes of the moments at which no process was there.
    pub missed: Missed,
    /// The input of its runs: JSON that is valid under the workflow's input schema.
    pub input: &'static str,
}

/// One step: a call of an agent, or something that the run waits for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepSpec {
    /// Its id, unique in its workflow.
    pub id: &'static str,
    /// What it does.
    pub kind: StepKind,
    /// The ids of the steps that come first.
    pub needs: &'static [&'static str],
    /// How many of those have to succeed.
    pub join: Join,
    /// The condition; where it is false, the step is skipped.
    pub when: Option<Expression>,
    /// The request; `None`: for `invoke` the run's input and the outputs of the needed steps, as text, and for any other
    /// endpoint the run's input.
    pub with: Option<Template>,
    /// The longest one attempt may take, in milliseconds; of a question or an event, how long the run waits for it.
    pub timeout_ms: Option<u64>,
    /// The most attempts; at least 1.
    pub attempts: u32,
    /// The pause before the second attempt, in milliseconds; it doubles with each further one.
    pub backoff_ms: u64,
    /// What a failure of the last attempt does.
    pub on_failure: OnFailure,
}

/// The endpoint that takes and gives free text.
pub(crate) const INVOKE: &str = "invoke";

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// It calls an endpoint of an agent.
    Call {
        /// The slug of the agent.
        agent: &'static str,
        /// The endpoint's name; `invoke` has free text as its input and output.
        endpoint: &'static str,
    },
    /// It calls an endpoint once for each item of a list. Its output is the list of the outputs, in the order of the items.
    ForEach {
        /// The slug of the agent.
        agent: &'static str,
        /// The endpoint's name.
        endpoint: &'static str,
        /// The list; null is an empty one. In the request, `item` and `index` are the item and its place.
        items: Expression,
        /// The condition of an item; where it is false, the item is skipped.
        when: Option<Expression>,
        /// The most items at a time.
        concurrency: u32,
    },
    /// It carries out a plan that a step before made: calls `invoke` of an agent for each subtask, behind those on which
    /// it depends. Its output is the list of the subtasks, each with its output.
    Plan {
        /// The list of subtasks.
        subtasks: Expression,
        /// The step that made it, which makes it once more if it is refused.
        source: Option<&'static str>,
        /// The slugs of the agents that may be asked.
        agents: &'static [&'static str],
        /// The most subtasks.
        max: u32,
        /// The most subtasks at a time.
        concurrency: u32,
    },
    /// It runs another workflow, as a run of its own. Its output is that of the workflow's last step.
    Workflow {
        /// The workflow's name.
        workflow: &'static str,
    },
    /// It asks a person. Its output is the answer.
    Ask {
        /// The question, as a text.
        prompt: Template,
        /// JSON Schema of the answer.
        answer_schema: &'static str,
        /// The roles of which the person needs one; empty: the caller that started the run.
        roles: &'static [&'static str],
    },
    /// It waits for an event that somebody sends to the run. Its output is what was sent.
    WaitFor {
        /// The event's name.
        event: &'static str,
        /// JSON Schema of what is sent.
        payload_schema: &'static str,
    },
    /// It calls the endpoint that the run's input names: the step of the run of an agent, which no program declares.
    #[doc(hidden)]
    AgentRun,
    /// It lets time pass. Its output is null.
    Wait {
        /// How long, in milliseconds.
        duration_ms: u64,
    },
}

/// How many of the needed steps have to succeed before a step begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Join {
    /// All of them.
    All,
    /// One of them.
    Any,
    /// So many of them.
    Quorum(u32),
}

/// What the failure of a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// The run fails; its other steps are cancelled.
    Stop,
    /// The run continues without the step's output.
    Skip,
    /// The caller that started the run is asked how it continues: retry, skip, answer or stop.
    Escalate,
    /// The steps that need it decide: the run continues while each of them, by its `join`, can still start without it. If
    /// one can't, the run fails.
    Join,
    /// The `invoke` endpoint of another agent runs instead. Its input is the text under `input` of the step's request, or
    /// else the whole request as text.
    Fallback(&'static str),
}

/// An expression over the run's input and the steps before, and in a step for each item over that. It always has a value: a missing member is null.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expression {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(&'static str),
    /// A path: `input`, `steps.<id>.output`, `steps.<id>.status`, `item` or `index`, and members below them.
    Path(&'static [&'static str]),
    /// Is false or null or empty.
    Not(&'static Expression),
    /// All are true.
    All(&'static [Expression]),
    /// One is true.
    Any(&'static [Expression]),
    /// Two values compared; of two kinds, they are unequal and neither is less.
    Compare(Comparison, &'static Expression, &'static Expression),
}

/// A value with expressions in it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    /// Literal JSON.
    Json(&'static str),
    /// The value of an expression.
    Value(Expression),
    /// A text made of parts; values that are no texts are written as JSON.
    Text(&'static [Template]),
    /// An object.
    Object(&'static [(&'static str, Template)]),
    /// A list.
    List(&'static [Template]),
}

impl StepSpec {
    /// The agent and the endpoint that it calls, once or for each item; `None` where it calls none, or those of a plan.
    #[must_use]
    pub const fn call(&self) -> Option<(&'static str, &'static str)> {
        match self.kind {
            StepKind::Call { agent, endpoint }
            | StepKind::ForEach {
                agent, endpoint, ..
            } => Some((agent, endpoint)),
            StepKind::AgentRun
            | StepKind::Plan { .. }
            | StepKind::Workflow { .. }
            | StepKind::Ask { .. }
            | StepKind::WaitFor { .. }
            | StepKind::Wait { .. } => None,
        }
    }

    /// Whether the run is suspended while this is all that it does.
    pub(crate) const fn waits(&self) -> bool {
        match self.kind {
            StepKind::Call { .. }
            | StepKind::AgentRun
            | StepKind::ForEach { .. }
            | StepKind::Plan { .. } => false,
            StepKind::Workflow { .. }
            | StepKind::Ask { .. }
            | StepKind::WaitFor { .. }
            | StepKind::Wait { .. } => true,
        }
    }

    /// Every agent and endpoint that it may call, its fallback among them.
    pub(crate) fn targets(&self) -> Vec<(&'static str, &'static str)> {
        let agents = match self.kind {
            StepKind::Plan { agents, .. } => agents,
            _ => &[],
        };
        let fallback = match self.on_failure {
            OnFailure::Fallback(agent) => Some(agent),
            _ => None,
        };
        let invoked = agents.iter().copied().chain(fallback);
        let invoked = invoked.map(|agent| (agent, INVOKE));
        self.call().into_iter().chain(invoked).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Join, OnFailure, StepKind, StepSpec};

    /// A step with every setting at its default.
    pub(crate) const STEP: StepSpec = StepSpec {
        id: "a",
        kind: StepKind::Call {
            agent: "desk",
            endpoint: "invoke",
        },
        needs: &[],
        join: Join::All,
        when: None,
        with: None,
        timeout_ms: None,
        attempts: 1,
        backoff_ms: 0,
        on_failure: OnFailure::Stop,
    };
}
