//! What a workflow is: steps over agents, as the generator wrote them down.

pub use agentgen_schema::Comparison;

/// Named steps over agents: a graph without cycles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WorkflowSpec {
    /// Its name, unique over all agents: the one in its path, `/v1/workflows/{name}/runs`.
    pub name: &'static str,
    /// The name of its operation in the OpenAPI document.
    pub operation_id: &'static str,
    /// The slug of the agent in whose file it stands.
    pub agent: &'static str,
    /// JSON Schema of what a run is given.
    pub input_schema: &'static str,
    /// The roles of which a caller needs one; empty admits every caller.
    pub roles: &'static [&'static str],
    /// How many steps may be under way at once; `None` sets no limit.
    pub concurrency: Option<u32>,
    /// The longest a run may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// The steps, each behind those it needs.
    pub steps: &'static [StepSpec],
}

/// One step: an agent that is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepSpec {
    /// Its id, unique in its workflow.
    pub id: &'static str,
    /// The slug of the agent.
    pub agent: &'static str,
    /// The endpoint's name; `invoke` is the one that takes and gives free text.
    pub endpoint: &'static str,
    /// The ids of the steps that come first.
    pub needs: &'static [&'static str],
    /// How many of those have to succeed.
    pub join: Join,
    /// The condition; where it is false, the step is skipped.
    pub when: Option<Expression>,
    /// The request; `None`: for `invoke` the run's input and the outputs of the needed steps, as text, and for any other
    /// endpoint the run's input.
    pub with: Option<Template>,
    /// The longest one attempt may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// How often it is tried at the most; at least 1.
    pub attempts: u32,
    /// The pause before the second attempt, in milliseconds; it doubles with each further one.
    pub backoff_ms: u64,
    /// What comes of a failure after the last attempt.
    pub on_failure: OnFailure,
}

/// How many of the needed steps have to succeed before a step begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// All of them.
    All,
    /// One of them.
    Any,
    /// So many of them.
    Quorum(u32),
}

/// What comes of a step that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The run fails; what is under way is dropped.
    Stop,
    /// The run goes on without the step's output.
    Skip,
    /// The run ends and waits for a person: its status says so.
    Escalate,
    /// The steps that need it decide: the run goes on for as long as each of them, by its `join`, can still begin without
    /// it. If one can't, or one needs all, the run fails.
    Join,
    /// Another agent is asked, through its `invoke`: it is told the text under `input` of the step's request, or where there
    /// is none the whole request as text.
    Fallback(&'static str),
}

/// What is known when a step is about to begin: always a value, since a place where nothing stands is null.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Expression {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(&'static str),
    /// A place: `input`, `steps.<id>.output` or `steps.<id>.status`, and members from there.
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

/// A value with holes that earlier outputs fill.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Template {
    /// JSON as it stands.
    Json(&'static str),
    /// The value of an expression.
    Value(Expression),
    /// A text made of pieces; values that are no text stand in it as JSON.
    Text(&'static [Template]),
    /// An object.
    Object(&'static [(&'static str, Template)]),
    /// A list.
    List(&'static [Template]),
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Join, OnFailure, StepSpec};

    /// A step without anything special about it.
    pub(crate) const STEP: StepSpec = StepSpec {
        id: "a",
        agent: "desk",
        endpoint: "invoke",
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
