//! What the words of model servers mean: the reasons why an answer ended, and the codes, types and statuses of errors.
//!
//! Invariant: one table for all protocols and servers. A word that it does not have is no success.

use crate::error::provider_error::ProviderErrorKind::{
    self, Broken, ContextLengthExceeded, Denied, Overloaded, RateLimited, Rejected, TimedOut,
    Unreachable,
};

/// What a word says of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The answer is complete.
    Finished,
    /// The answer ends with tool calls.
    ToolCalls,
    /// The answer is cut off at a limit of tokens.
    Truncated,
    /// The answer is cut off at the end of the model's context.
    ContextFull,
    /// The model, or a filter of its server, declined.
    Refused,
    /// The server waits to be asked to go on.
    Paused,
    /// The call failed.
    Failed(ProviderErrorKind),
}

use Outcome::{ContextFull, Failed, Finished, Paused, Refused, ToolCalls, Truncated};

/// Words in snake case, whatever the case of the server.
#[rustfmt::skip]
const WORDS: &[(Outcome, &[&str])] = &[
    (Finished, &[
        "stop", "end_turn", "stop_sequence", "eos", "eos_token", "end", "complete", "completed",
    ]),
    (ToolCalls, &["tool_calls", "tool_call", "tool_use", "function_call"]),
    (Truncated, &[
        "length", "max_tokens", "max_output_tokens", "model_length", "token_limit", "max_length",
        "incomplete", "max_messages",
    ]),
    (ContextFull, &["model_context_window_exceeded"]),
    (Refused, &[
        "content_filter", "content_filtered", "content_policy_violation", "responsible_ai_policy_violation",
        "refusal", "safety", "recitation", "blocklist", "prohibited_content", "spii", "image_safety", "language",
        "guardrail_intervened", "sensitive", "data_inspection_failed", "bio_policy", "cyber_policy",
        "misalignment_policy_violation", "image_content_policy_violation",
    ]),
    (Paused, &["pause_turn"]),
    (Failed(Broken), &[
        "error", "abort", "aborted", "cancelled", "canceled", "other", "finish_reason_unspecified",
        "malformed_function_call", "malformed_tool_call", "malformed_tool_use", "malformed_model_output",
        "malformed_response", "unexpected_tool_call", "too_many_tool_calls", "missing_thought_signature",
        "tool_use_failed", "json_validate_failed", "load", "unload",
    ]),
    (Failed(Overloaded), &[
        "insufficient_system_resource", "network_error", "overloaded", "overloaded_error", "engine_overloaded",
        "engine_overloaded_error", "server_error", "server_overloaded", "internal", "internal_error",
        "internal_server_error", "api_error", "service_unavailable", "service_unavailable_error", "unavailable",
        "upstream_error", "model_overloaded", "bad_gateway", "provider_error",
    ]),
    (Failed(RateLimited), &[
        "rate_limit", "rate_limit_error", "rate_limit_exceeded", "rate_limit_reached_error", "rate_limited",
        "too_many_requests", "throttling", "throttling_exception", "resource_exhausted", "requests_limit_exceeded", "tokens_limit_exceeded",
    ]),
    (Failed(TimedOut), &[
        "timeout", "timeout_error", "time_limit", "deadline_exceeded", "request_timeout", "gateway_timeout",
    ]),
    (Failed(Unreachable), &["connection_error", "api_connection_error"]),
    (Failed(Denied), &[
        "authentication_error", "invalid_api_key", "invalid_authentication_error", "unauthorized", "unauthenticated",
        "permission_error", "permission_denied", "forbidden", "access_denied", "billing_error",
        "billing_hard_limit_reached", "insufficient_quota", "insufficient_balance", "exceeded_current_quota_error",
        "payment_required", "account_deactivated",
    ]),
    (Failed(ContextLengthExceeded), &[
        "context_length_exceeded", "context_length_error", "context_window_exceeded", "context_window_exceeded_error",
        "exceed_context_size_error", "request_too_large", "request_too_large_error", "prompt_too_long", "input_too_long",
        "tokens_limit_reached", "model_max_prompt_tokens_exceeded", "string_above_max_length",
    ]),
    (Failed(Rejected), &[
        "invalid_request", "invalid_request_error", "invalid_argument", "bad_request", "bad_request_error",
        "failed_precondition", "unprocessable_entity", "unprocessable_entity_error", "validation_error", "invalid_prompt",
        "not_found", "not_found_error", "model_not_found", "model_not_found_error",
        "unsupported_parameter", "unsupported_value", "unknown_parameter", "unknown_url", "not_supported_error",
        "unimplemented",
    ]),
];

/// What servers write where no code says that a request is longer than the model's context, in lower case.
#[rustfmt::skip]
const CONTEXT_PHRASES: &[&str] = &[
    // Anthropic, Bedrock, Fireworks, vLLM.
    "prompt is too long", "prompt too long", "input is too long", "prompt (total length", "exceed context limit",
    "request exceeds the maximum size",
    // OpenAI and most that follow it, SGLang, Mistral, Ollama, LM Studio.
    "maximum context length", "exceeds the context window", "exceeds the context length", "exceeds context length",
    "context length exceeded", "longer than the model's context length", "greater than the context length",
    "context length of only", "context_length_exceeded", "context window exceeds", "contextwindowexceeded",
    // llama.cpp.
    "exceeds the available context size", "context size has been exceeded", "exceed_context_size",
    // Gemini, xAI, Moonshot, Zhipu, DashScope, Cohere, Text Generation Inference.
    "input token count", "exceeds the maximum number of tokens", "maximum number of input tokens", "maximum prompt length",
    "max input token limit", "model token limit", "more than max tokens allowed", "prompt exceeds max length",
    "range of input length should be", "exceeds the model's max", "`inputs` must have less than", "`inputs` tokens",
    // Groq.
    "reduce the length of the", EXCEEDS_RATE,
];
/// What OpenAI and Groq write where one request has more tokens than the account has in a minute.
const EXCEEDS_RATE: &str = "request too large for";

/// Whether the message of an error says that a request is longer than the model's context.
pub(crate) fn exceeds_context(message: &str) -> bool {
    let message = message.to_lowercase();
    CONTEXT_PHRASES
        .iter()
        .any(|phrase| message.contains(phrase))
}

/// Whether the message of an error says that a single request is above a limit for many.
pub(crate) fn exceeds_rate(message: &str) -> bool {
    message.to_lowercase().contains(EXCEEDS_RATE)
}

/// What `word` means. Some servers write a sentence around the word.
pub(crate) fn outcome(word: &str) -> Option<Outcome> {
    find(word).or_else(|| {
        word.split(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c))
            .filter(|part| part.len() < word.len())
            .filter_map(find)
            .next_back()
    })
}

fn find(word: &str) -> Option<Outcome> {
    let matching = |words: &&[&str]| words.iter().any(|known| is_same(known, word));
    let row = WORDS.iter().find(|(_, words)| matching(words));
    row.map(|(outcome, _)| *outcome)
}

/// `internal_server_error`, `InternalServerError` and `INTERNAL-SERVER-ERROR` are the same word.
fn is_same(known: &str, word: &str) -> bool {
    let letters = |text: &str| {
        let letters = text.chars().filter(char::is_ascii_alphanumeric);
        letters.map(|c| c.to_ascii_lowercase()).collect::<Vec<_>>()
    };
    // Most words differ in their first letter.
    let first = |text: &str| text.chars().find(char::is_ascii_alphanumeric);
    let is_near = match (first(known), first(word)) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(&b),
        _ => false,
    };
    is_near && letters(known) == letters(word)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Outcome, WORDS, outcome};
    use crate::error::provider_error::ProviderErrorKind;

    #[test]
    fn words_are_found_in_any_case_and_in_sentences() {
        let broken = Some(Outcome::Failed(ProviderErrorKind::Broken));
        let overloaded = Some(Outcome::Failed(ProviderErrorKind::Overloaded));
        for (word, wanted) in [
            ("stop", Some(Outcome::Finished)),
            ("STOP", Some(Outcome::Finished)),
            ("MAX_TOKENS", Some(Outcome::Truncated)),
            ("InternalServerError", overloaded),
            ("Internal Server Error", overloaded),
            ("function_call_filter: MALFORMED_FUNCTION_CALL", broken),
            ("FinishReason.SAFETY", Some(Outcome::Refused)),
            ("", None),
            ("None", None),
            ("a new reason", None),
        ] {
            assert_eq!(outcome(word), wanted, "{word}");
        }
    }

    #[test]
    fn each_word_has_one_meaning() {
        let words = WORDS.iter().flat_map(|(_, words)| *words);
        let mut seen = BTreeSet::new();
        for word in words {
            assert!(seen.insert(word.replace('_', "")), "{word}");
        }
    }
}
