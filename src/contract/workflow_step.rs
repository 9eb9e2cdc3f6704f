//! One step of a workflow: a call of an agent, many of them, or something that the run waits for.
//!
//! Invariant: a step that was read has all that its kind needs; what is missing is reported.

mod awaited_step;
pub(crate) mod step_failure;
pub(crate) mod step_order;
mod unit_steps;

use serde_json::Value as Json;

use crate::contract::endpoint::INVOKE_NAME;
use crate::contract::workflow_step::awaited_step::{WAIT_KEYS, read_wait};
use crate::contract::workflow_step::step_failure::on_failure;
use crate::contract::workflow_step::step_order::{check_join, read_order};
use crate::contract::workflow_step::unit_steps::{
    PLAN, read_concurrency, read_for_each, read_plan_step,
};
use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::expression::Expression;
use crate::expression::input_template::{self, InputTemplate};
use crate::schema::Schema;
use crate::text::ident::Ident;
use crate::yaml::node::{Entry, Node, Value};
use crate::yaml::yaml_settings::{self, Name, name};

pub use crate::contract::workflow_step::awaited_step::{Ask, WaitFor};
pub use crate::contract::workflow_step::step_failure::OnFailure;
pub use crate::contract::workflow_step::step_order::Join;
pub use crate::contract::workflow_step::unit_steps::{ForEach, Plan};

/// One step of a workflow: a call of an agent, or something that the run waits for.
#[derive(Debug, Clone)]
pub struct Step {
    /// The key of the step, unique in its workflow.
    pub id: String,
    /// What it does.
    pub kind: StepKind,
    /// The ids of the steps that come first. Without a span of their own they have that of the step.
    pub needs: Vec<Name>,
    /// How many of those have to succeed.
    pub join: Join,
    /// The condition, as it is written.
    pub when: Option<String>,
    /// The condition, understood.
    pub condition: Option<Expression>,
    /// The inputs, as they are written.
    pub with: Option<Json>,
    /// The inputs with their holes, understood: an object.
    pub inputs: Option<InputTemplate>,
    /// How long one attempt may take, in milliseconds; of a question or an event, how long the run waits for it.
    pub timeout_ms: Option<u64>,
    /// How often it is tried, as far as it is written; see [`Step::attempts`].
    pub attempts: Option<u32>,
    /// The pause before the second attempt, in milliseconds, as far as it is written.
    pub backoff_ms: Option<u64>,
    /// What comes of a failure.
    pub on_failure: OnFailure,
    /// The place of the id in the source.
    pub span: Span,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum StepKind {
    /// It calls an agent, once or for each item of a list.
    Call(Call),
    /// It carries out a plan.
    Plan(Plan),
    /// It runs another workflow.
    Workflow(Name),
    /// It asks a person.
    Ask(Ask),
    /// It waits for an event.
    WaitFor(WaitFor),
    /// It lets so many milliseconds pass.
    Wait(u64),
}

/// A call of an agent.
#[derive(Debug, Clone)]
pub struct Call {
    /// The agent.
    pub agent: Name,
    /// The endpoint of the agent; none for `invoke`.
    pub endpoint: Option<Name>,
    /// The list for each item of which it is called.
    pub for_each: Option<ForEach>,
}

/// How often a step is tried that is to be tried again and doesn't say how often.
pub const RETRY_ATTEMPTS: u32 = 3;

/// The pause before a step is tried again that doesn't say how long, in milliseconds.
pub const RETRY_BACKOFF_MS: u64 = 500;

impl Step {
    /// The agent that it calls; none where it waits for something.
    pub fn call(&self) -> Option<&Call> {
        match &self.kind {
            StepKind::Call(call) => Some(call),
            StepKind::Plan(_)
            | StepKind::Workflow(_)
            | StepKind::Ask(_)
            | StepKind::WaitFor(_)
            | StepKind::Wait(_) => None,
        }
    }

    /// Every agent that it may call, its fallback among them.
    pub fn agents(&self) -> impl Iterator<Item = &Name> {
        let planned = match &self.kind {
            StepKind::Plan(plan) => plan.agents.as_slice(),
            _ => &[],
        };
        let fallback = match &self.on_failure {
            OnFailure::Fallback(name) => Some(name),
            _ => None,
        };
        let called = self.call().map(|call| &call.agent);
        called.into_iter().chain(planned).chain(fallback)
    }

    /// The list for each item of which it calls its agent.
    pub fn for_each(&self) -> Option<&ForEach> {
        self.call().and_then(|call| call.for_each.as_ref())
    }

    /// The condition of the step itself, not of the items of its list.
    pub fn own_condition(&self) -> Option<&Expression> {
        let filters = self.for_each().is_some_and(|each| each.filters);
        self.condition.as_ref().filter(|_| !filters)
    }

    /// The condition of the items of its list.
    pub fn item_condition(&self) -> Option<&Expression> {
        let filters = self.for_each().is_some_and(|each| each.filters);
        self.condition.as_ref().filter(|_| filters)
    }

    /// Whether only the run knows how many calls it makes.
    pub fn has_units(&self) -> bool {
        self.for_each().is_some() || matches!(self.kind, StepKind::Plan(_))
    }

    /// Whether some of its units may give nothing while it succeeds.
    pub fn has_gaps(&self) -> bool {
        self.on_failure == OnFailure::Skip || self.for_each().is_some_and(|each| each.filters)
    }

    /// The schema of the answer, or of what comes with the event, that it waits for.
    pub fn awaited(&self) -> Option<&Schema> {
        match &self.kind {
            StepKind::Ask(ask) => Some(&ask.answer),
            StepKind::WaitFor(wait) => Some(&wait.payload),
            StepKind::Call(_) | StepKind::Plan(_) | StepKind::Workflow(_) | StepKind::Wait(_) => {
                None
            }
        }
    }

    /// What it waits for, in words, such as `the event paid`; none where it calls agents.
    pub fn waits_for_what(&self) -> Option<String> {
        match &self.kind {
            StepKind::Call(_) | StepKind::Plan(_) => None,
            StepKind::Workflow(name) => Some(format!("a run of {}", name.text)),
            StepKind::Ask(ask) if ask.roles.is_empty() => Some("an answer".to_owned()),
            StepKind::Ask(ask) => Some(format!("an answer of {}", ask.roles.join(" or "))),
            StepKind::WaitFor(wait) => Some(format!("the event {}", wait.event)),
            StepKind::Wait(ms) => Some(format_duration(*ms)),
        }
    }

    /// The field of its outcome in Rust; none where the id has no ASCII letter or digit.
    pub fn field(&self) -> Option<Ident> {
        Ident::snake(&self.id)
    }

    /// Whether the step `id` has to come first.
    pub fn waits_for(&self, id: &str) -> bool {
        self.needs.iter().any(|need| need.text == id)
    }

    /// How often it is tried at the most: as written, else three times where `on_failure` is `retry`,
    /// else once.
    pub fn attempts(&self) -> u32 {
        let tries = match self.on_failure {
            OnFailure::Retry => RETRY_ATTEMPTS,
            _ => 1,
        };
        self.attempts.unwrap_or(tries)
    }

    /// The pause before the second attempt, in milliseconds.
    pub fn backoff_ms(&self) -> u64 {
        self.backoff_ms.unwrap_or(RETRY_BACKOFF_MS)
    }
}

impl Call {
    /// The name of the endpoint that it calls.
    pub fn endpoint_name(&self) -> &str {
        self.endpoint
            .as_ref()
            .map_or(INVOKE_NAME, |name| &name.text)
    }
}

/// A duration as it can be written in a service block, in its largest whole unit: `2d`, `90s`, `1500ms`.
pub fn format_duration(ms: u64) -> String {
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1000, "s"),
    ];
    let unit = units
        .into_iter()
        .find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit));
    match unit {
        Some((unit, name)) => format!("{}{name}", ms / unit),
        None => format!("{ms}ms"),
    }
}

const STEP_KEYS: &[&str] = &[
    "agent",
    "endpoint",
    "for_each",
    "concurrency",
    "needs",
    "join",
    "when",
    "with",
    "timeout",
    "retry",
    "on_failure",
];

/// Reads `{id: agent}`, `{id: {agent: …, …}}` or a step that waits.
pub fn read_step(node: &Node, before: &[String], report: &mut Report) -> Option<Step> {
    let entry = match node.entries() {
        Some([entry]) => entry,
        _ => {
            report
                .error(Code::BadWorkflow, node.span, "this is not a step")
                .advise("write `id: agent`, `id: {agent: …}` or `parallel: [steps]`");
            return None;
        }
    };
    let mut call = Call {
        agent: Name {
            text: String::new(),
            span: entry.value.span,
        },
        endpoint: None,
        for_each: None,
    };
    let mut step = Step {
        id: entry.key.clone(),
        kind: StepKind::Call(call.clone()),
        needs: before
            .iter()
            .map(|id| Name {
                text: id.clone(),
                span: entry.key_span,
            })
            .collect(),
        join: Join::All,
        when: None,
        condition: None,
        with: None,
        inputs: None,
        timeout_ms: None,
        attempts: None,
        backoff_ms: None,
        on_failure: OnFailure::Join,
        span: entry.key_span,
    };
    if entry.value.as_str().is_some() {
        step.kind = StepKind::Call(Call {
            agent: name(&entry.value, report)?,
            endpoint: None,
            for_each: None,
        });
        return Some(step);
    }
    let waits = WAIT_KEYS
        .iter()
        .find(|(key, _)| entry.value.get(key).is_some());
    if let Some((key, others)) = waits {
        return read_wait(step, key, others, &entry.value, report);
    }
    if entry.value.get(PLAN).is_some() {
        return read_plan_step(step, &entry.value, report);
    }
    let (mut items, mut concurrency) = (None, None);
    let entries = yaml_settings::allowed_entries(&entry.value, STEP_KEYS, report);
    // An unknown key may be a misspelt `agent`.
    let all_allowed = entry.value.entries().map(<[Entry]>::len) == Some(entries.len());
    for Entry { key, value, .. } in entries {
        match key.as_str() {
            "agent" => call.agent = name(value, report)?,
            "endpoint" => call.endpoint = name(value, report),
            "needs" | "join" | "when" => read_order(&mut step, key, value, report),
            "with" => read_with(&mut step, value, report),
            "timeout" => step.timeout_ms = yaml_settings::duration_ms(value, report),
            "retry" => read_retry(&mut step, value, report),
            "for_each" => items = Some(value),
            "concurrency" => concurrency = Some(value),
            _ => step.on_failure = on_failure(value, report).unwrap_or(OnFailure::Stop),
        }
    }
    check_join(&step, &entry.value, report);
    if call.agent.text.is_empty() {
        if all_allowed {
            let message = format!("the step `{}` calls no agent", step.id);
            report.error(Code::BadWorkflow, step.span, message).advise(
                "name one under `agent`, or what it waits for under `ask`, `wait_for` or `wait`",
            );
        }
        return None;
    }
    match (items, concurrency) {
        (Some(items), concurrency) => {
            let concurrency = concurrency.and_then(|count| read_concurrency(count, report));
            call.for_each = Some(read_for_each(&mut step, items, concurrency, report)?);
        }
        (None, Some(count)) => report
            .error(
                Code::BadWorkflow,
                count.span,
                "`concurrency` is about the items of `for_each`, which is not there",
            )
            .advise("say how many steps run at once with `concurrency` of the workflow"),
        (None, None) => {}
    }
    step.kind = StepKind::Call(call);
    Some(step)
}

fn read_with(step: &mut Step, node: &Node, report: &mut Report) {
    step.with = Some(node.to_json());
    match node.value {
        Value::Map(_) => step.inputs = input_template::read(node, report),
        _ => report
            .error(
                Code::BadSetting,
                node.span,
                format!("`with` is {}", node.kind()),
            )
            .advise("it takes a mapping of inputs to values"),
    }
}

fn read_retry(step: &mut Step, node: &Node, report: &mut Report) {
    let retry = yaml_settings::retry(node, report);
    let attempts = node.entries().map(|_| RETRY_ATTEMPTS);
    step.attempts = retry.attempts.or(attempts);
    step.backoff_ms = retry.backoff_ms;
}
