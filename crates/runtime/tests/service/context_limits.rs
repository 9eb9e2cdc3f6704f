//! Requests that are longer than the model's context, in the words of many servers.

use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::Policy;
use agentgen_runtime::testing::Script;
use serde_json::{Value, json};

use crate::mock_model::{invoke, mock_server, stream_events};
use crate::wire_cases::{
    DONE, TWICE, app, data, event, events, finish, hello, message, message_start, text, text_block,
};

const TYPE: &str = "urn:problem:context_length_exceeded";

fn document(status: u16, body: &Value) -> Script {
    Script::replay(status, "application/json", body.to_string())
}

/// An error of OpenAI's form without a code.
fn says(status: u16, message: &str) -> Script {
    let error = json!({ "message": message, "type": "invalid_request_error", "code": null });
    document(status, &json!({ "error": error }))
}

/// Answers of servers whose model can't read the whole request.
fn answers() -> Vec<(&'static str, ProviderKind, Script)> {
    use ProviderKind::{Anthropic, OpenAi};
    let coded = |status, code: &str| {
        let error = json!({ "message": "m", "type": "invalid_request_error", "code": code });
        document(status, &json!({ "error": error }))
    };
    let anthropic = |status, kind: &str, message: &str| {
        let error = json!({ "type": kind, "message": message });
        document(status, &json!({ "type": "error", "error": error }))
    };
    let llama = json!({ "code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": 5000, "n_ctx": 4096,
        "message": "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it" });
    let gemini = json!([{ "error": { "code": 400, "status": "INVALID_ARGUMENT",
        "message": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)." } }]);
    vec![
        ("OpenAI", OpenAi, coded(400, "context_length_exceeded")),
        (
            "OpenAI's text",
            OpenAi,
            coded(400, "string_above_max_length"),
        ),
        ("GitHub", OpenAi, coded(413, "tokens_limit_reached")),
        (
            "nginx",
            OpenAi,
            Script::replay(
                413,
                "text/html",
                "<html>413 Request Entity Too Large</html>",
            ),
        ),
        (
            "vLLM",
            OpenAi,
            says(
                400,
                "This model's maximum context length is 4096 tokens. However, you requested 0 output tokens and your prompt contains at least 4097 input tokens.",
            ),
        ),
        (
            "vLLM, older",
            OpenAi,
            document(
                400,
                &json!({"object": "error", "type": "BadRequestError", "code": 400,
            "message": "The prompt (total length 5000) is too long to fit into the model (context length 4096)."}),
            ),
        ),
        (
            "SGLang",
            OpenAi,
            says(
                400,
                "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
            ),
        ),
        (
            "llama.cpp",
            OpenAi,
            document(400, &json!({ "error": llama })),
        ),
        (
            "LM Studio",
            OpenAi,
            document(
                400,
                &json!({"error": "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens"}),
            ),
        ),
        ("Gemini", OpenAi, document(400, &gemini)),
        (
            "xAI",
            OpenAi,
            says(
                400,
                "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
            ),
        ),
        (
            "Groq",
            OpenAi,
            says(
                400,
                "Please reduce the length of the messages or completion.",
            ),
        ),
        (
            "Groq's minute",
            OpenAi,
            document(
                413,
                &json!({"error": {"message": "Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 7000", "type": "tokens", "code": "rate_limit_exceeded"}}),
            ),
        ),
        (
            "OpenAI's minute",
            OpenAi,
            document(
                429,
                &json!({"error": {"message": "Request too large for gpt-4o in organization o on tokens per min (TPM): Limit 30000, Requested 35000.", "type": "tokens", "code": "rate_limit_exceeded"}}),
            ),
        ),
        (
            "Mistral",
            OpenAi,
            document(
                400,
                &json!({"object": "error", "message": "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length", "type": "invalid_request_error", "code": "3051"}),
            ),
        ),
        (
            "Moonshot",
            OpenAi,
            says(
                400,
                "Invalid request: Your request exceeded model token limit: 8192",
            ),
        ),
        (
            "DashScope",
            OpenAi,
            says(400, "Range of input length should be [1, 30720]"),
        ),
        (
            "Bedrock",
            OpenAi,
            document(
                400,
                &json!({"message": "Input is too long for requested model."}),
            ),
        ),
        (
            "LiteLLM",
            OpenAi,
            document(
                500,
                &json!({"error": {"message": "litellm.ContextWindowExceededError: m", "type": null, "code": "500"}}),
            ),
        ),
        (
            "in a stream",
            OpenAi,
            events(&[data(
                &json!({"error": {"message": "the request exceeds the available context size", "code": 400}}),
            )]),
        ),
        (
            "after a text that no caller saw",
            OpenAi,
            events(&[
                text("a"),
                data(&json!({"error": {"message": "m", "code": "context_length_exceeded"}})),
            ]),
        ),
        (
            "a full context without a text",
            OpenAi,
            events(&[finish("model_context_window_exceeded"), DONE.to_owned()]),
        ),
        (
            "Anthropic",
            Anthropic,
            anthropic(
                400,
                "invalid_request_error",
                "prompt is too long: 200082 tokens > 199999 maximum",
            ),
        ),
        (
            "Anthropic with the answer",
            Anthropic,
            anthropic(
                400,
                "invalid_request_error",
                "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length or `max_tokens` and try again",
            ),
        ),
        (
            "Anthropic's body",
            Anthropic,
            anthropic(413, "request_too_large", "Request exceeds the maximum size"),
        ),
        (
            "Anthropic in a stream",
            Anthropic,
            events(&[
                message_start(),
                event(
                    json!({"error": {"type": "invalid_request_error", "message": "prompt is too long: 2 tokens > 1 maximum"}}),
                    "error",
                ),
            ]),
        ),
        (
            "Anthropic, full",
            Anthropic,
            message(&[], "model_context_window_exceeded"),
        ),
    ]
}

/// A policy that shows each further call.
const POLICY: Policy = Policy {
    breaker_failures: 1,
    breaker_cooldown_ms: 60_000,
    ..TWICE
};

#[tokio::test]
async fn a_request_that_is_too_long_for_the_model_gets_413_and_is_not_repeated() {
    for (name, kind, script) in answers() {
        let good = match kind {
            ProviderKind::Anthropic => message(&[text_block(0, "Hello.")], "end_turn"),
            _ => hello(),
        };
        let server = mock_server([script, good]).await;
        let app = app(&server, kind, POLICY, |_| {});
        let answer = invoke(&app, "hi").await;
        assert_eq!(answer.status, 413, "{name}: {}", answer.text);
        let problem = answer.json();
        assert_eq!(problem["type"], TYPE, "{name}");
        assert_eq!(problem["title"], "Context Length Exceeded", "{name}");
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains("longer than the model can read"),
            "{name}: {problem}"
        );
        assert_eq!(server.requests().len(), 1, "{name}: asked again");
        // The breaker is still closed.
        assert_eq!(invoke(&app, "hi").await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn the_fallback_may_read_more() {
    let policy = Policy {
        fallbacks: &["haiku"],
        ..POLICY
    };
    let server = mock_server([
        says(400, "prompt is too long: 9 tokens > 8 maximum"),
        hello(),
    ])
    .await;
    let app = app(&server, ProviderKind::OpenAi, policy, |settings| {
        settings
            .models
            .insert("haiku".to_owned(), "mock:large".to_owned());
    });
    let answer = invoke(&app, "hi").await.json();
    assert_eq!(answer["output"], "Hello.");
    assert_eq!(answer["model"], "mock:large");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_stream_ends_with_the_type_of_the_problem() {
    // What the tool answers is too long.
    let server = mock_server([
        Script::tool_call("books", &json!({ "number": 1 })),
        says(400, "prompt is too long: 9 tokens > 8 maximum"),
    ])
    .await;
    let app = app(&server, ProviderKind::OpenAi, POLICY, |_| {});
    let received = stream_events(&app, "/v1/agents/desk/invoke", r#"{"input":"hi"}"#).await;
    let (name, failed) = received.last().unwrap();
    assert_eq!(name, "run.failed");
    assert!(failed.to_string().contains(TYPE), "{failed}");
    assert!(failed.to_string().contains("413"), "{failed}");
}

#[tokio::test]
async fn a_full_context_after_a_text_cuts_the_answer_off() {
    let half = [
        text("half"),
        finish("model_context_window_exceeded"),
        DONE.to_owned(),
    ];
    let server = mock_server([events(&half)]).await;
    let answer = invoke(&app(&server, ProviderKind::OpenAi, TWICE, |_| {}), "hi").await;
    assert_eq!(answer.json()["output"], "half");
    assert_eq!(answer.json()["stop_reason"], "max_tokens");
}

#[tokio::test]
async fn other_refusals_stay_what_they_are() {
    let limited = json!({"error": {"message": "Rate limit reached: your prompt is too long for this minute", "code": "rate_limit_exceeded"}});
    for (script, status) in [
        (says(400, "the model `m` does not exist"), 502),
        (says(401, "prompt is too long"), 502),
        (document(429, &limited), 503),
    ] {
        let server = mock_server([]).await;
        server.always(script);
        let answer = invoke(&app(&server, ProviderKind::OpenAi, TWICE, |_| {}), "hi").await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(answer.json()["type"], "about:blank");
    }
}
