//! What comes of a step that fails.

use agentgen_schema::vocabulary;

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::text::did_you_mean::did_you_mean;
use crate::yaml::node::Node;
use crate::yaml::yaml_settings::{self, Name, name};

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

pub(super) fn on_failure(node: &Node, report: &mut Report) -> Option<OnFailure> {
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
