//! Why an answer ended, in the server's word, and what follows from it.

use crate::client::error_response::ResponseError;
use crate::client::server_words::{Outcome, outcome};
use crate::error::provider_error::ProviderErrorKind;
use crate::event::agent_event::StopReason;

/// A longer reason is a message in the wrong place.
const MAX_REASON_CHARS: usize = 64;

/// The reason that a server gives for the end of an answer.
#[derive(Debug)]
pub(crate) struct AnswerEnd {
    pub(crate) outcome: Outcome,
    reason: String,
}

impl AnswerEnd {
    /// The end with this `reason`; one that is not known is a failure.
    pub(crate) fn new(reason: &str) -> Self {
        let unknown = Outcome::Failed(ProviderErrorKind::Broken);
        Self {
            outcome: outcome(reason).unwrap_or(unknown),
            reason: reason.to_owned(),
        }
    }
}

/// Why an answer stopped that ended as `end` says, and has a text or tool calls or not.
///
/// # Errors
/// An answer that ended badly, whose tool calls are missing, or that the model's context had no room for.
pub(crate) fn stop_reason(
    end: Option<&AnswerEnd>,
    has_text: bool,
    has_calls: bool,
) -> Result<StopReason, ResponseError> {
    let Some(end) = end else {
        return Ok(StopReason::EndTurn);
    };
    match end.outcome {
        Outcome::Failed(kind) => {
            let reason = end.reason.chars().take(MAX_REASON_CHARS);
            let reason = format!("the answer ended with `{}`", reason.collect::<String>());
            Err(ResponseError::failed(kind, reason))
        }
        Outcome::ToolCalls if !has_calls => Err(ResponseError::malformed(
            "a tool call is announced and missing",
        )),
        Outcome::ContextFull if !has_text && !has_calls => Err(ResponseError::failed(
            ProviderErrorKind::ContextLengthExceeded,
            "the context is full before the answer begins",
        )),
        Outcome::Refused => Ok(StopReason::Refusal),
        Outcome::Truncated | Outcome::ContextFull | Outcome::Paused => Ok(StopReason::MaxTokens),
        Outcome::Finished | Outcome::ToolCalls => Ok(StopReason::EndTurn),
    }
}
