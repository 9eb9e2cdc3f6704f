//! Answers in free text as servers with OpenAI's API send them. Each case is a public report, or of the same kind.

use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::testing::Script;
use serde_json::{Value, json};

use crate::mock_model::{invoke, mock_server, output_text, stream_events};
use crate::wire_cases::{
    DONE, Outcome, TWICE, app, check, data, delta, end, events, finish, hello, text,
};

use Outcome::{Fails, Passes, Text};

const HELLO: Outcome = Text("Hello.", "end_turn");
const INVOKE: &str = "/v1/agents/desk/invoke";

fn whole(message: Value, reason: Value) -> Value {
    json!({
        "choices": [{ "index": 0, "message": message, "finish_reason": reason }],
        "usage": { "prompt_tokens": 7, "completion_tokens": 5 },
    })
}

fn replay(content_type: &str, body: impl Into<Vec<u8>>) -> Script {
    Script::replay(200, content_type, body)
}

#[tokio::test]
async fn every_finish_reason_is_classified() {
    let half = || text("half an ans");
    let with = |reason: &str| events(&[half(), finish(reason), DONE.to_owned()]);
    let done = |outcome: &'static str| Text("half an ans", outcome);
    let mut cases = Vec::new();
    for reason in [
        "stop",
        "STOP",
        "end_turn",
        "eos",
        "eos_token",
        "stop_sequence",
        "COMPLETE",
    ] {
        cases.push((reason, with(reason), done("end_turn")));
    }
    for reason in [
        "length",
        "max_tokens",
        "MAX_TOKENS",
        "model_length",
        "token_limit",
    ] {
        cases.push((reason, with(reason), done("max_tokens")));
    }
    for reason in [
        "content_filter",
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "content_filter: SAFETY",
        "guardrail_intervened",
        "sensitive",
        "refusal",
    ] {
        cases.push((reason, with(reason), done("refusal")));
    }
    for reason in [
        "error",
        "abort",
        "MALFORMED_FUNCTION_CALL",
        "function_call_filter: MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "OTHER",
        "FINISH_REASON_UNSPECIFIED",
        "insufficient_system_resource",
        "network_error",
        "time_limit",
        "cancelled",
        "tool_calls",
        "function_call",
        "a reason of next year",
    ] {
        cases.push((reason, with(reason), Passes));
    }
    let same = |reason: &str| json!({ "choices": [{ "delta": { "content": "ab" }, "finish_reason": reason }] });
    cases.extend([
        // Ollama and SGLang send `""` in place of `null`.
        (
            "empty until length",
            events(&[data(&same("")), finish("length"), DONE.to_owned()]),
            Text("ab", "max_tokens"),
        ),
        ("empty and cut", events(&[data(&same(""))]), Passes),
        (
            "null as a text",
            events(&[data(&same("null")), end()]),
            Text("ab", "end_turn"),
        ),
        ("missing and cut", events(&[half()]), Passes),
        (
            "missing before the end",
            events(&[half(), DONE.to_owned()]),
            done("end_turn"),
        ),
        (
            "missing in a whole answer",
            replay(
                "application/json",
                whole(json!({"content": "Hello."}), Value::Null).to_string(),
            ),
            HELLO,
        ),
        (
            "bad, then good",
            events(&[half(), finish("error"), end()]),
            Passes,
        ),
        (
            "no reason after the answer",
            events(&[half(), end(), finish("error")]),
            done("end_turn"),
        ),
    ]);
    check(ProviderKind::OpenAi, cases).await;
}

#[tokio::test]
async fn every_error_in_a_stream_is_read() {
    let only = |document: Value| events(&[data(&document)]);
    let error = |error: Value| only(json!({ "error": error }));
    let mut cases = vec![
        (
            "text code",
            error(json!({"message": "m", "code": "503"})),
            Passes,
        ),
        (
            "text code 500 of LiteLLM",
            error(json!({"message": "m", "type": "None", "param": "None", "code": "500"})),
            Passes,
        ),
        (
            "null code",
            error(json!({"message": "m", "type": null, "code": null})),
            Passes,
        ),
        (
            "number",
            error(json!({"message": "m", "code": 502})),
            Passes,
        ),
        ("text", error(json!("the model runner has stopped")), Passes),
        (
            "type of Anthropic",
            error(json!({"message": "m", "type": "overloaded_error"})),
            Passes,
        ),
        (
            "type of Moonshot",
            error(json!({"message": "m", "type": "engine_overloaded_error"})),
            Passes,
        ),
        (
            "type of vLLM",
            error(json!({"message": "m", "type": "InternalServerError", "code": 500})),
            Passes,
        ),
        (
            "rate limit",
            error(json!({"message": "m", "type": "rate_limit_error"})),
            Passes,
        ),
        (
            "status of Google",
            error(json!({"message": "m", "status": "UNAVAILABLE"})),
            Passes,
        ),
        (
            "list of Google",
            only(json!([{"error": {"code": 503, "message": "m"}}])),
            Passes,
        ),
        (
            "FastChat",
            only(json!({"object": "error", "message": "CUDA out of memory", "code": 50002})),
            Passes,
        ),
        (
            "FastAPI",
            only(json!({"detail": "Internal Server Error"})),
            Passes,
        ),
        (
            "FastAPI with places",
            only(json!({"detail": [{"loc": ["x"], "msg": "m"}]})),
            Passes,
        ),
        ("proxy", only(json!({"message": "no upstream"})), Passes),
        (
            "problem document",
            only(json!({"title": "Bad Gateway", "status": 502})),
            Passes,
        ),
        (
            "Cloudflare",
            only(json!({"success": false, "errors": [{"code": 10000, "message": "m"}]})),
            Passes,
        ),
        (
            "in the choice",
            only(
                json!({"choices": [{"error": {"code": 502, "message": "m"}, "finish_reason": "error"}]}),
            ),
            Passes,
        ),
        (
            "beside choices of OpenRouter",
            only(
                json!({"error": {"code": "server_error", "message": "m"}, "choices": [{"delta": {"content": ""}, "finish_reason": "error"}]}),
            ),
            Passes,
        ),
        (
            "quota",
            error(json!({"message": "m", "type": "insufficient_quota", "code": 429})),
            Fails(502),
        ),
        (
            "invalid key",
            error(json!({"message": "m", "code": "invalid_api_key"})),
            Fails(502),
        ),
        (
            "rejected",
            error(json!({"message": "m", "type": "invalid_request_error"})),
            Fails(502),
        ),
        (
            "context",
            error(json!({"message": "m", "code": "context_length_exceeded"})),
            Fails(413),
        ),
        (
            "no such model",
            error(json!({"message": "m", "code": 404})),
            Fails(502),
        ),
        (
            "filter",
            error(json!({"message": "m", "code": "content_filter"})),
            Text("", "refusal"),
        ),
        (
            "no error",
            events(&[
                data(&json!({"error": null, "choices": []})),
                text("Hello."),
                end(),
            ]),
            HELLO,
        ),
        (
            "empty error",
            events(&[
                data(&json!({"error": {}, "choices": []})),
                text("Hello."),
                end(),
            ]),
            HELLO,
        ),
    ];
    for (name, body) in [
        (
            "named event with an object",
            "event: error\ndata: {\"message\":\"m\",\"code\":503}\n\n",
        ),
        (
            "named event with a text",
            "event: error\ndata: upstream connect error\n\n",
        ),
        ("named event without words", "event: error\ndata: {}\n\n"),
        (
            "named event with one line end",
            "event: error\ndata: {\"message\":\"m\"}",
        ),
        (
            "field of llama.cpp",
            "error: {\"code\":500,\"message\":\"m\"}\n\n",
        ),
    ] {
        cases.push((name, replay("text/event-stream", body), Passes));
        // Half an answer is no answer. It was read in one piece, so that the caller has seen nothing of it.
        cases.push((
            name,
            replay("text/event-stream", text("half") + body + DONE),
            Passes,
        ));
    }
    check(ProviderKind::OpenAi, cases).await;
}

#[tokio::test]
async fn what_a_response_is_its_first_bytes_say() {
    let good = text("Hello.") + &end();
    let document = whole(
        json!({"role": "assistant", "content": "Hello."}),
        "stop".into(),
    )
    .to_string();
    let lines = good.replace("data: ", "").replace("[DONE]\n\n", "");
    let error = r#"{"error":{"message":"m","type":"server_error","code":503}}"#;
    let mut cases = vec![];
    for kind in [
        "application/json",
        "text/event-stream",
        "text/plain",
        "application/octet-stream",
    ] {
        cases.extend([
            (kind, replay(kind, good.clone()), HELLO),
            (kind, replay(kind, document.clone()), HELLO),
            (kind, replay(kind, format!("\u{feff} \n{document}")), HELLO),
            (kind, replay(kind, lines.clone()), HELLO),
            (kind, replay(kind, error), Passes),
            (kind, replay(kind, format!("[{error}]")), Passes),
            (
                kind,
                replay(kind, "<html><body>Login</body></html>"),
                Fails(502),
            ),
            (kind, replay(kind, "upstream connect error"), Fails(502)),
            (kind, replay(kind, " "), Fails(502)),
        ]);
    }
    cases.push((
        "error page",
        Script::replay(502, "text/html", "<h1>502 Bad Gateway</h1>"),
        Fails(503),
    ));
    check(ProviderKind::OpenAi, cases).await;
}

#[tokio::test]
async fn bent_event_streams_are_read() {
    let good = text("Hel") + &text("lo.") + &end();
    let cases = [
        ("CRLF", good.replace('\n', "\r\n")),
        ("CR", good.replace('\n', "\r")),
        ("no space", good.replace("data: ", "data:")),
        ("BOM", format!("\u{feff}{good}")),
        (
            "comments",
            format!(": OPENROUTER PROCESSING\n\n: ping\n\n{good}"),
        ),
        ("no blank lines", good.replace("\n\n", "\n")),
        ("no blank lines, CRLF", good.replace("\n\n", "\r\n")),
        (
            "names without blank lines",
            good.replace("data: ", "event: chunk\ndata: ")
                .replace("\n\n", "\n"),
        ),
        ("no line end at the end", good.trim_end().to_owned()),
        (
            "no [DONE], and no blank line",
            text("Hello.") + finish("stop").trim_end(),
        ),
        ("spaces around [DONE]", good.replace("[DONE]", " [DONE] ")),
        (
            "ids and retries",
            good.replace("data: ", "id: 1\nretry: 5\ndata: "),
        ),
        ("empty data", format!("data:\n\ndata: \n\n{good}")),
        (
            "an object over lines",
            good.replace("{\"choices\"", "{\ndata: \"choices\""),
        ),
    ];
    let cases = cases.map(|(name, body)| (name, replay("text/event-stream", body), HELLO));
    check(ProviderKind::OpenAi, cases.into()).await;
}

#[tokio::test]
async fn text_is_read_from_every_form_of_content() {
    let parts = |parts: Value| delta(json!({ "content": parts }));
    let thought = json!({"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]});
    let part = |text: &str| json!({"type": "text", "text": text});
    let halves = |key: &str| {
        let half = |half: &str| {
            format!("data: {{\"choices\":[{{\"delta\":{{\"{key}\":\"{half}\"}}}}]}}\n\n")
        };
        half("a \\ud83d") + &half("\\ude00 b")
    };
    let cases = [
        ("parts", vec![parts(json!([thought])), parts(json!([part("Hel")])), parts(json!([part("lo.")])), end()], "Hello."),
        ("parts, then text", vec![parts(json!([thought])), parts(json!([part("Hel")])), text("lo."), end()], "Hello."),
        ("thought and text in one", vec![parts(json!([thought, part("Hello.")])), end()], "Hello."),
        ("texts in a list", vec![parts(json!(["Hel", "lo."])), end()], "Hello."),
        ("one part", vec![parts(part("Hello.")), end()], "Hello."),
        ("output_text", vec![parts(json!([{"type": "output_text", "text": "Hello."}])), end()], "Hello."),
        ("message in place of delta", vec![data(&json!({"choices": [{"message": {"content": "Hello."}}]})), end()], "Hello."),
        ("empty delta beside a message", vec![data(&json!({"choices": [{"delta": {}, "message": {"content": "Hello."}}]})), end()], "Hello."),
        ("text of the old API", vec![data(&json!({"choices": [{"text": "Hello."}]})), end()], "Hello."),
        ("nulls", vec![data(&json!({"choices": null})), delta(Value::Null), delta(json!({"content": null, "tool_calls": null, "function_call": null})), text("Hello."), end()], "Hello."),
        ("filter results of Azure", vec![data(&json!({"choices": [], "prompt_filter_results": [{}]})), text("Hello."), end()], "Hello."),
        ("reasoning members", vec![delta(json!({"reasoning_content": "hm", "content": null})), delta(json!({"reasoning": "hm"})), delta(json!({"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]})), text("Hello."), end()], "Hello."),
        ("think tags", "<think>\nhm <b>\n</think>\n\nHello.".chars().map(|c| text(&c.to_string())).chain([end()]).collect(), "Hello."),
        ("think tags in one chunk", vec![text("<think>hm</think>Hello."), end()], "Hello."),
        ("empty thoughts", vec![text("<think>\n\n</think>\n\nHello."), end()], "Hello."),
        ("tags of Mistral", vec![text("[THINK]hm"), text("[/THINK]Hello."), end()], "Hello."),
        ("closing tag alone", vec![text("I reason.\n</th"), text("ink>\n\nHello."), end()], "Hello."),
        ("a tag as text", vec![text("Write `<think>` first."), end()], "Write `<think>` first."),
        ("halves of a character", vec![halves("content"), end()], "a 😀 b"),
        ("half a character", vec!["data: {\"choices\":[{\"delta\":{\"content\":\"a\\ud83d\"}}]}\n\n".to_owned(), end()], "a\u{fffd}"),
        ("numbers that JSON lacks", vec!["data: {\"choices\":[{\"logprob\":NaN,\"score\":-Infinity,\"delta\":{\"content\":\"Hello.\"}}]}\n\n".to_owned(), end()], "Hello."),
        ("huge", vec![text(&"x".repeat(2_000_000)), end()], ""),
    ];
    for (name, parts, wanted) in cases {
        let server = mock_server([events(&parts)]).await;
        let answer = invoke(&app(&server, ProviderKind::OpenAi, TWICE, |_| {}), "hi").await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
        let output = answer.json()["output"].as_str().unwrap().to_owned();
        let is_same = if name == "huge" {
            output.len() == 2_000_000
        } else {
            output == wanted
        };
        assert!(is_same, "{name}: {output:?}");
        assert_eq!(server.requests().len(), 1, "{name}");
    }
    let endless = events(&[text(&"x".repeat(9_000_000)), end()]);
    check(
        ProviderKind::OpenAi,
        vec![("larger than 8 MiB", endless, Fails(502))],
    )
    .await;
}

#[tokio::test]
async fn an_answer_without_text_is_a_failure() {
    let cases = vec![
        ("nothing", events(&[DONE.to_owned()]), Passes),
        ("a reason alone", events(&[end()]), Passes),
        ("space", events(&[text(" \n"), end()]), Passes),
        (
            "thoughts alone",
            events(&[
                delta(json!({"reasoning_content": "The answer is 4."})),
                end(),
            ]),
            Passes,
        ),
        (
            "tags alone",
            events(&[text("<think>The answer is 4.</think>"), end()]),
            Passes,
        ),
        (
            "thoughts without end",
            events(&[text("<think>The answer"), end()]),
            Passes,
        ),
        (
            "thoughts until the limit",
            events(&[text("<think>The answer"), finish("length")]),
            Passes,
        ),
        ("always nothing", events(&[end()]), Fails(502)),
        (
            "always thoughts",
            events(&[delta(json!({"reasoning": "hm"})), end()]),
            Fails(502),
        ),
    ];
    check(ProviderKind::OpenAi, cases).await;
}

#[tokio::test]
async fn usage_is_read_wherever_it_stands() {
    let usage = json!({"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12});
    let stop = |member: &str, value: Value| {
        let mut chunk = json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }] });
        chunk[member] = value;
        data(&chunk)
    };
    let in_choice =
        json!({ "choices": [{ "delta": {}, "finish_reason": "stop", "usage": usage }] });
    let early = json!({ "choices": [{ "delta": {"content": "!"} }], "usage": {"prompt_tokens": 7, "completion_tokens": 2} });
    for (name, last) in [
        (
            "last chunk",
            finish("stop") + &data(&json!({"choices": [], "usage": usage})),
        ),
        ("finish chunk", stop("usage", usage.clone())),
        ("choice", data(&in_choice)),
        ("Groq", stop("x_groq", json!({"usage": usage}))),
        (
            "floats",
            stop(
                "usage",
                json!({"prompt_tokens": 7.0, "completion_tokens": 5.0}),
            ),
        ),
        (
            "texts",
            stop(
                "usage",
                json!({"prompt_tokens": "7", "completion_tokens": "5"}),
            ),
        ),
        (
            "names of Anthropic",
            stop("usage", json!({"input_tokens": 7, "output_tokens": 5})),
        ),
        (
            "names of Gemini",
            stop(
                "usageMetadata",
                json!({"promptTokenCount": 7, "candidatesTokenCount": 5}),
            ),
        ),
        (
            "llama.cpp",
            stop(
                "timings",
                json!({"prompt_n": 7, "predicted_n": 5, "prompt_ms": 4.2}),
            ),
        ),
        (
            "Ollama",
            data(
                &json!({"choices": [{"delta": {}, "finish_reason": "stop"}], "prompt_eval_count": 7, "eval_count": 5}),
            ),
        ),
        ("every chunk", data(&early) + &stop("usage", usage.clone())),
        (
            "null afterwards",
            stop("usage", usage.clone()) + &data(&json!({"choices": [], "usage": null})),
        ),
        (
            "after nothing",
            finish("stop")
                + &data(&json!({"choices": [], "usage": usage}))
                + &data(
                    &json!({"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}}),
                ),
        ),
    ] {
        let server = mock_server([events(&[text("Hello."), last, DONE.to_owned()])]).await;
        let answer = invoke(&app(&server, ProviderKind::OpenAi, TWICE, |_| {}), "hi").await;
        let wanted = json!({"input_tokens": 7, "output_tokens": 5});
        assert_eq!(answer.json()["usage"], wanted, "{name}");
    }
}

#[tokio::test]
async fn thoughts_are_not_streamed_to_callers() {
    let server = mock_server([
        events(&[
            text("<think>secret"),
            text(" plan</think>"),
            text("Hello."),
            end(),
        ]),
        events(&[text("A secret plan.\n</think>\n"), text("Hello."), end()]),
        events(&[
            text("A secret plan.\n"),
            text("</think>\n"),
            text("Hello."),
            end(),
        ]),
    ])
    .await;
    let app = app(&server, ProviderKind::OpenAi, TWICE, |_| {});
    let body = r#"{"input":"hi"}"#;
    let events = stream_events(&app, INVOKE, body).await;
    assert_eq!(output_text(&events), "Hello.");
    // Without an opening tag, the first answer can't be known for thoughts before it was sent.
    let events = stream_events(&app, INVOKE, body).await;
    assert_eq!(events.last().unwrap().1["output"]["output"], "Hello.");
    // The next one can.
    let events = stream_events(&app, INVOKE, body).await;
    assert_eq!(output_text(&events), "Hello.");
}

#[tokio::test]
async fn half_an_answer_that_was_streamed_ends_in_a_failure() {
    let pause = std::time::Duration::from_millis(200);
    let half = || Script::text("half an ans").pause(pause);
    for script in [half().overloaded(), half().end_early(), half().malformed()] {
        let server = mock_server([script, hello()]).await;
        let app = app(&server, ProviderKind::OpenAi, TWICE, |_| {});
        let events = stream_events(&app, INVOKE, r#"{"input":"hi"}"#).await;
        assert_eq!(output_text(&events), "half an ans");
        assert_eq!(events.last().unwrap().0, "run.failed");
        assert_eq!(server.requests().len(), 1);
    }
}
