//! One step of a workflow.

use std::sync::Arc;

use agentgen_schema::vocabulary;
use serde_json::Value as Json;

use crate::contract::endpoint::INVOKE_NAME;
use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::expression::input_template::{self, InputTemplate};
use crate::expression::parser::parse;
use crate::expression::{Expression, Kind};
use crate::text::did_you_mean::did_you_mean;
use crate::text::ident::Ident;
use crate::yaml::node::{Entry, Node, Value};
use crate::yaml::yaml_scalar::Scalar;
use crate::yaml::yaml_settings::{self, Name};

/// One step of a workflow: a call of an agent.
#[derive(Debug, Clone)]
pub struct Step {
    /// The key of the step, unique in its workflow.
    pub id: String,
    /// The agent.
    pub agent: Name,
    /// The endpoint of the agent; none for `invoke`.
    pub endpoint: Option<Name>,
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
    /// How long one attempt may take, in milliseconds.
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

/// What comes of a step that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnFailure {
    /// The workflow ends.
    Stop,
    /// The step is tried again, three times in all unless it says otherwise; then the workflow ends.
    Retry,
    /// The workflow continues without it.
    Skip,
    /// A person decides.
    Escalate,
    /// The steps that need it decide, as `on_failure` is not set: the workflow ends once one of them can't begin any more.
    Join,
    /// Another agent is called.
    Fallback(Name),
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

vocabulary! {
    /// The words of [`OnFailure`].
    pub enum OnFailureKind {
        /// The step is tried again.
        Retry = "retry",
        /// The workflow continues without the step.
        Skip = "skip",
        /// The workflow ends.
        Stop = "stop",
        /// A person decides.
        Escalate = "escalate",
        /// Another agent is called.
        Fallback = "fallback",
        /// The steps that need this one decide. It is the default and has no word in a service block.
        Join = "join",
    }
}

vocabulary! {
    /// The words of [`Join`].
    pub enum JoinKind {
        /// All needed steps have to succeed.
        All = "all",
        /// One needed step has to succeed.
        Any = "any",
        /// A number of needed steps has to succeed.
        Quorum = "quorum",
    }
}

impl OnFailure {
    /// The word for it.
    pub fn kind(&self) -> OnFailureKind {
        match self {
            Self::Stop => OnFailureKind::Stop,
            Self::Retry => OnFailureKind::Retry,
            Self::Skip => OnFailureKind::Skip,
            Self::Escalate => OnFailureKind::Escalate,
            Self::Join => OnFailureKind::Join,
            Self::Fallback(_) => OnFailureKind::Fallback,
        }
    }
}

impl Join {
    /// The word for it.
    pub fn kind(self) -> JoinKind {
        match self {
            Self::All => JoinKind::All,
            Self::Any => JoinKind::Any,
            Self::Quorum(_) => JoinKind::Quorum,
        }
    }

    /// How many steps have to succeed, where it is a quorum.
    pub fn quorum(self) -> Option<u32> {
        match self {
            Self::Quorum(count) => Some(count),
            Self::All | Self::Any => None,
        }
    }
}

/// How often a step is tried that is to be tried again and doesn't say how often.
pub const RETRY_ATTEMPTS: u32 = 3;

/// The pause before a step is tried again that doesn't say how long, in milliseconds.
pub const RETRY_BACKOFF_MS: u64 = 500;

impl Step {
    /// The name of the endpoint that it asks.
    pub fn endpoint_name(&self) -> &str {
        self.endpoint
            .as_ref()
            .map_or(INVOKE_NAME, |name| &name.text)
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

const STEP_KEYS: &[&str] = &[
    "agent",
    "endpoint",
    "needs",
    "join",
    "when",
    "with",
    "timeout",
    "retry",
    "on_failure",
];

/// Reads `{id: agent}` or `{id: {agent: …, …}}`.
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
    let mut step = Step {
        id: entry.key.clone(),
        agent: Name {
            text: String::new(),
            span: entry.value.span,
        },
        endpoint: None,
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
        step.agent = name(&entry.value, report)?;
        return Some(step);
    }
    let entries = yaml_settings::allowed_entries(&entry.value, STEP_KEYS, report);
    let mut join_span = entry.value.span;
    // An unknown key may be a misspelt `agent`.
    let all_allowed = entry.value.entries().map(<[Entry]>::len) == Some(entries.len());
    for Entry { key, value, .. } in entries {
        match key.as_str() {
            "agent" => step.agent = name(value, report)?,
            "endpoint" => step.endpoint = name(value, report),
            "join" => {
                join_span = value.span;
                step.join = join(value, report).unwrap_or(Join::All);
            }
            "needs" => step.needs = yaml_settings::names(value, report),
            "when" => {
                if let Value::Bool(boolean) = value.value {
                    step.when = Some(boolean.to_string());
                    step.condition = Some(Expression {
                        kind: Kind::Boolean(boolean),
                        span: value.span,
                    });
                    continue;
                }
                step.when = yaml_settings::text(value, report).map(str::to_owned);
                let source = Arc::clone(report.source());
                if step.when.is_some()
                    && let Some(scalar) = Scalar::new(value, &source)
                {
                    step.condition = parse(&scalar, report);
                }
            }
            "with" => {
                step.with = Some(value.to_json());
                match value.value {
                    Value::Map(_) => step.inputs = input_template::read(value, report),
                    _ => report
                        .error(
                            Code::BadSetting,
                            value.span,
                            format!("`with` is {}", value.kind()),
                        )
                        .advise("it takes a mapping of inputs to values"),
                }
            }
            "timeout" => step.timeout_ms = yaml_settings::duration_ms(value, report),
            "retry" => {
                let retry = yaml_settings::retry(value, report);
                let attempts = value.entries().map(|_| RETRY_ATTEMPTS);
                step.attempts = retry.attempts.or(attempts);
                step.backoff_ms = retry.backoff_ms;
            }
            _ => step.on_failure = on_failure(value, report).unwrap_or(OnFailure::Stop),
        }
    }
    check_join(&step, join_span, report);
    if step.agent.text.is_empty() {
        if all_allowed {
            let message = format!("the step `{}` calls no agent", step.id);
            report
                .error(Code::BadWorkflow, step.span, message)
                .advise("name one under `agent`");
        }
        return None;
    }
    Some(step)
}

fn name(node: &Node, report: &mut Report) -> Option<Name> {
    yaml_settings::text(node, report).map(|text| Name {
        text: text.to_owned(),
        span: node.span,
    })
}

/// Reads `all`, `any`, `quorum N` or `{quorum: N}`.
fn join(node: &Node, report: &mut Report) -> Option<Join> {
    let read = match node.entries() {
        Some([entry]) if entry.key == JoinKind::Quorum.as_str() => {
            return yaml_settings::small_count(&entry.value, report).map(Join::Quorum);
        }
        Some(_) => None,
        None => {
            let text = yaml_settings::text(node, report)?;
            let (word, count) = match text.split_once(char::is_whitespace) {
                Some((word, count)) => (word, Some(count.trim())),
                None => (text, None),
            };
            match (JoinKind::parse(word), count) {
                (Some(JoinKind::All), None) => Some(Join::All),
                (Some(JoinKind::Any), None) => Some(Join::Any),
                (Some(JoinKind::Quorum), Some(count)) => {
                    let count = count.parse().ok().filter(|count| *count > 0);
                    count.map(Join::Quorum)
                }
                _ => None,
            }
        }
    };
    if read.is_none() {
        report
            .error(Code::BadSetting, node.span, "this is not a value of `join`")
            .advise("write `all`, `any` or `quorum N`, where N is a whole number above zero");
    }
    read
}

/// Checks that so many steps as have to succeed are needed at all.
fn check_join(step: &Step, span: Span, report: &mut Report) {
    let least = match step.join {
        Join::All => 0,
        Join::Any => 1,
        Join::Quorum(count) => count as usize,
    };
    let needed = step.needs.len();
    if least > needed {
        let message = format!(
            "the step `{}` waits for {least} of the steps it needs, which are {needed}",
            step.id
        );
        report
            .error(Code::BadWorkflow, span, message)
            .advise("name more of them under `needs`, or wait for fewer");
    }
}

/// The place of `word` at the end of the plain text at `span`; `span` where the text is quoted or folded.
fn last_word(span: Span, word: &str, report: &Report) -> Span {
    let raw = report.source().text().get(span.start..span.end);
    let before = raw.and_then(|raw| raw.trim_end().strip_suffix(word));
    match before {
        Some(before) if before.starts_with(char::is_alphabetic) => Span {
            start: span.start + before.len(),
            end: span.start + before.len() + word.len(),
        },
        _ => span,
    }
}

fn on_failure(node: &Node, report: &mut Report) -> Option<OnFailure> {
    const OTHERWISE: &str = "it takes `retry`, `skip`, `stop`, `escalate` or `fallback: agent`";
    if let Some(entries) = node.entries() {
        if let [entry] = entries
            && entry.key == OnFailureKind::Fallback.as_str()
        {
            return name(&entry.value, report).map(OnFailure::Fallback);
        }
        report
            .error(
                Code::BadSetting,
                node.span,
                "this is not a value of `on_failure`",
            )
            .advise(OTHERWISE);
        return None;
    }
    let text = yaml_settings::text(node, report)?;
    let (word, agent) = match text.split_once(char::is_whitespace) {
        Some((word, agent)) => (word, Some(agent.trim())),
        None => (text, None),
    };
    match (OnFailureKind::parse(word), agent) {
        (Some(OnFailureKind::Retry), None) => Some(OnFailure::Retry),
        (Some(OnFailureKind::Skip), None) => Some(OnFailure::Skip),
        (Some(OnFailureKind::Stop), None) => Some(OnFailure::Stop),
        (Some(OnFailureKind::Escalate), None) => Some(OnFailure::Escalate),
        (Some(OnFailureKind::Fallback), Some(agent)) => Some(OnFailure::Fallback(Name {
            text: agent.to_owned(),
            span: last_word(node.span, agent, report),
        })),
        _ => {
            let message = format!("`{text}` is not a value of `on_failure`");
            let candidates = OnFailureKind::ALL.map(OnFailureKind::as_str);
            let candidates = candidates.into_iter().filter(|word| *word != "join");
            report
                .error(Code::BadSetting, node.span, message)
                .advise(did_you_mean(text, candidates, OTHERWISE));
            None
        }
    }
}
