//! Steps that wait: for a person's answer, for an event, for a moment, for another run.

use serde_json::json;

use crate::contract::workflow_step::step_failure::{OnFailure, OnFailureKind, on_failure};
use crate::contract::workflow_step::step_order::{check_join, read_order};
use crate::contract::workflow_step::{Step, StepKind, read_with};
use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::expression::input_template::{self, InputTemplate};
use crate::schema::{self, Role, Schema};
use crate::text::did_you_mean::did_you_mean;
use crate::yaml::node::{Entry, Node};
use crate::yaml::yaml_settings::{self, name};

/// A question to a person.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The question, as it is written.
    pub prompt_text: String,
    /// The question, understood: a text, with holes.
    pub prompt: InputTemplate,
    /// What the answer is.
    pub answer: Schema,
    /// The roles of which the person needs one; empty: whoever started the run.
    pub roles: Vec<String>,
}

/// An event that somebody sends to a run.
#[derive(Debug, Clone)]
pub struct WaitFor {
    /// Its name.
    pub event: String,
    /// What is sent with it.
    pub payload: Schema,
}

/// The keys that say what a step waits for, each with the other keys of such a step. All of them take [`ORDER_KEYS`].
pub(super) const WAIT_KEYS: &[(&str, &[&str])] = &[
    (ASK, &["answer", "roles", "timeout", "on_timeout"]),
    (WAIT_FOR, &["output", "timeout", "on_timeout"]),
    (WAIT, &[]),
    (WORKFLOW, &["with", "timeout", "on_failure"]),
];
const ASK: &str = "ask";
const WAIT_FOR: &str = "wait_for";
const WAIT: &str = "wait";
const WORKFLOW: &str = "workflow";
const ORDER_KEYS: &[&str] = &["needs", "join", "when"];

/// Reads a step that waits for what `key` says; `others` are the other keys of such a step.
pub(super) fn read_wait(
    mut step: Step,
    key: &str,
    others: &[&str],
    node: &Node,
    report: &mut Report,
) -> Option<Step> {
    let keys = [&[key], others, ORDER_KEYS].concat();
    let (mut subject, mut schema, mut roles) = (None, None, Vec::new());
    for Entry {
        key: own_key,
        value,
        ..
    } in yaml_settings::allowed_entries(node, &keys, report)
    {
        match own_key.as_str() {
            "needs" | "join" | "when" => read_order(&mut step, own_key, value, report),
            "answer" | "output" => schema = Some(schema::read(value, report, Role::Input)?),
            "roles" => {
                let names = yaml_settings::names(value, report).into_iter();
                roles = names.map(|name| name.text).collect();
            }
            "timeout" => step.timeout_ms = yaml_settings::duration_ms(value, report),
            "with" => read_with(&mut step, value, report),
            "on_failure" => step.on_failure = without_calls(value, report),
            "on_timeout" => step.on_failure = on_timeout(value, report).unwrap_or(OnFailure::Stop),
            _ => subject = Some(value),
        }
    }
    check_join(&step, node, report);
    let subject = subject?;
    step.kind = match key {
        ASK => StepKind::Ask(Ask {
            prompt_text: yaml_settings::text(subject, report)?.to_owned(),
            prompt: input_template::read(subject, report)?,
            answer: match schema {
                Some(schema) => schema,
                None => schema::read(&default_answer(subject.span), report, Role::Input)?,
            },
            roles,
        }),
        WAIT_FOR => StepKind::WaitFor(WaitFor {
            event: event_name(subject, report)?,
            payload: match schema {
                Some(schema) => schema,
                None => schema::read(&any_object(subject.span), report, Role::Input)?,
            },
        }),
        WORKFLOW => StepKind::Workflow(name(subject, report)?),
        _ => StepKind::Wait(yaml_settings::duration_ms(subject, report)?),
    };
    Some(step)
}

/// The longest name of an event, in characters.
const LONGEST_EVENT: usize = 64;

/// Reads the name of an event, which is a segment of a path.
fn event_name(node: &Node, report: &mut Report) -> Option<String> {
    let name = yaml_settings::text(node, report)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if begins_well && name.chars().all(is_plain) && name.len() <= LONGEST_EVENT {
        return Some(name.to_owned());
    }
    report
        .error(Code::BadWorkflow, node.span, format!("an event can't be named `{name}`"))
        .advise("use up to 64 letters, digits, `.`, `_` and `-`, the first one a letter or digit: `payment.received`");
    None
}

/// Reads what comes of a failure where there is no call that could be made again or by another agent.
fn without_calls(node: &Node, report: &mut Report) -> OnFailure {
    match on_failure(node, report) {
        Some(OnFailure::Retry | OnFailure::Fallback(_)) => {
            report
                .error(Code::BadSetting, node.span, "this is not for a workflow")
                .advise("it takes `skip`, `stop` or `escalate`");
            OnFailure::Stop
        }
        Some(other) => other,
        None => OnFailure::Stop,
    }
}

fn on_timeout(node: &Node, report: &mut Report) -> Option<OnFailure> {
    let text = yaml_settings::text(node, report)?;
    match OnFailureKind::parse(text) {
        Some(OnFailureKind::Stop) => Some(OnFailure::Stop),
        Some(OnFailureKind::Skip) => Some(OnFailure::Skip),
        _ => {
            let message = format!("`{text}` is not a value of `on_timeout`");
            let candidates = [OnFailureKind::Stop, OnFailureKind::Skip];
            let candidates = candidates.map(OnFailureKind::as_str);
            report
                .error(Code::BadSetting, node.span, message)
                .advise(did_you_mean(text, candidates, "it takes `stop` or `skip`"));
            None
        }
    }
}

/// What a person answers where the step doesn't say: a text.
fn default_answer(span: Span) -> Node {
    let answer = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["answer"],
        "properties": {
            "answer": {
                "type": "string",
                "description": "The answer, in the person's words.",
                "minLength": 1,
                "maxLength": 100_000,
            },
        },
    });
    Node::from_json(&answer, span)
}

/// What is sent with an event where the step doesn't say.
fn any_object(span: Span) -> Node {
    let object = json!({ "type": "object", "additionalProperties": true });
    Node::from_json(&object, span)
}
