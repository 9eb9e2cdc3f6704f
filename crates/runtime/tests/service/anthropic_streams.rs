//! Answers in Anthropic's protocol, also from gateways. Each case is a public report, or of the same kind.

use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::testing::Script;
use serde_json::{Value, json};

use crate::mock_model::{invoke, mock_server};
use crate::wire_cases::{
    Outcome, TWICE, app, block, check, event, events, message, message_end, message_start,
    text_block, tool_block,
};

use Outcome::{Fails, Passes, Text};

const KIND: ProviderKind = ProviderKind::Anthropic;
const HELLO: Outcome = Text("Hello.", "end_turn");

#[tokio::test]
async fn every_stop_reason_is_classified() {
    let with = |reason: &str| message(&[text_block(0, "half an ans")], reason);
    let done = |reason: &'static str| Text("half an ans", reason);
    let cases = vec![
        ("end_turn", with("end_turn"), done("end_turn")),
        ("stop_sequence", with("stop_sequence"), done("end_turn")),
        ("max_tokens", with("max_tokens"), done("max_tokens")),
        (
            "model_context_window_exceeded",
            with("model_context_window_exceeded"),
            done("max_tokens"),
        ),
        ("refusal", with("refusal"), done("refusal")),
        (
            "refusal without text",
            message(&[], "refusal"),
            Text("", "refusal"),
        ),
        ("tool_use without a call", with("tool_use"), Passes),
        ("error of a gateway", with("error"), Passes),
        (
            "a reason of next year",
            with("a reason of next year"),
            Passes,
        ),
        (
            "null",
            events(&[
                message_start(),
                text_block(0, "half an ans"),
                message_end(Value::Null),
            ]),
            done("end_turn"),
        ),
        (
            "no end",
            events(&[message_start(), text_block(0, "half an ans")]),
            Passes,
        ),
        ("nothing", message(&[], "end_turn"), Passes),
        (
            "an empty text",
            message(&[text_block(0, "")], "end_turn"),
            Passes,
        ),
        ("always nothing", message(&[], "end_turn"), Fails(502)),
    ];
    check(KIND, cases).await;
}

#[tokio::test]
async fn every_error_in_a_stream_is_read() {
    let named = |error: Value| event(json!({ "error": error }), "error");
    let of = |kind: &str| events(&[named(json!({ "type": kind, "message": "m" }))]);
    let after = |error: String| events(&[message_start(), text_block(0, "half"), error]);
    let cases = vec![
        ("overloaded", of("overloaded_error"), Passes),
        ("api error", of("api_error"), Passes),
        ("rate limit", of("rate_limit_error"), Passes),
        ("timeout", of("timeout_error"), Passes),
        ("of next year", of("error_of_next_year"), Passes),
        ("rejected", of("invalid_request_error"), Fails(502)),
        ("denied", of("authentication_error"), Fails(502)),
        ("billing", of("billing_error"), Fails(502)),
        (
            "after half",
            after(named(json!({ "type": "overloaded_error", "message": "m" }))),
            Passes,
        ),
        (
            "named, without a type",
            after("event: error\ndata: {\"message\":\"m\"}\n\n".to_owned()),
            Passes,
        ),
        (
            "named, as text",
            after("event: error\ndata: upstream timed out\n\n".to_owned()),
            Passes,
        ),
        (
            "bare object",
            after("data: {\"error\":{\"message\":\"m\",\"code\":502}}\n\n".to_owned()),
            Passes,
        ),
        (
            "FastAPI",
            after("data: {\"detail\":\"Internal Server Error\"}\n\n".to_owned()),
            Passes,
        ),
        (
            "document",
            Script::replay(
                200,
                "text/event-stream",
                r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
            ),
            Passes,
        ),
        (
            "document of a proxy",
            Script::replay(200, "application/json", r#"{"message":"no upstream"}"#),
            Passes,
        ),
        (
            "page",
            Script::replay(200, "text/html", "<html>Login</html>"),
            Fails(502),
        ),
    ];
    check(KIND, cases).await;
}

#[tokio::test]
async fn streams_and_documents_are_read_in_every_form() {
    let good = message_start() + &text_block(0, "Hello.") + &message_end("end_turn".into());
    let document = json!({ "type": "message", "content": [{ "type": "text", "text": "Hello." }], "stop_reason": "end_turn" });
    let replay = |kind: &str, body: String| Script::replay(200, kind, body);
    let thinking = block(
        0,
        json!({"type": "thinking", "thinking": "", "signature": ""}),
        &[
            json!({"type": "thinking_delta", "thinking": "hm"}),
            json!({"type": "signature_delta", "signature": "S"}),
        ],
    );
    let halves = |half: &str| {
        format!(
            "data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{half}\"}}}}\n\n"
        )
    };
    let cases = vec![
        (
            "events as JSON",
            replay("application/json", good.clone()),
            HELLO,
        ),
        (
            "a document as events",
            replay("text/event-stream", document.to_string()),
            HELLO,
        ),
        (
            "content as a text",
            replay(
                "application/json",
                json!({"content": "Hello.", "stop_reason": "end_turn"}).to_string(),
            ),
            HELLO,
        ),
        (
            "no blank lines",
            replay("text/event-stream", good.replace("\n\n", "\n")),
            HELLO,
        ),
        (
            "no line end at the end",
            replay("text/event-stream", good.trim_end().to_owned()),
            HELLO,
        ),
        (
            "no index",
            replay(
                "text/event-stream",
                good.replace("\"index\":0,", "").replace(",\"index\":0", ""),
            ),
            HELLO,
        ),
        (
            "pings and events of next year",
            events(&[
                message_start(),
                event(json!({}), "ping"),
                event(json!({"x": 1}), "next_year"),
                block(
                    0,
                    json!({"type": "next_year"}),
                    &[json!({"type": "x_delta", "x": 1})],
                ),
                text_block(1, "Hello."),
                message_end("end_turn".into()),
            ]),
            HELLO,
        ),
        (
            "thoughts",
            message(
                &[
                    thinking,
                    block(1, json!({"type": "redacted_thinking", "data": "x"}), &[]),
                    text_block(2, "Hello."),
                ],
                "end_turn",
            ),
            HELLO,
        ),
        (
            "server tools",
            message(
                &[
                    block(
                        0,
                        json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}),
                        &[json!({"type": "input_json_delta", "partial_json": "{}"})],
                    ),
                    block(
                        1,
                        json!({"type": "web_search_tool_result", "content": []}),
                        &[],
                    ),
                    text_block(2, "Hello."),
                ],
                "end_turn",
            ),
            HELLO,
        ),
        (
            "halves of a character",
            events(&[
                message_start(),
                event(
                    json!({"index": 0, "content_block": {"type": "text", "text": ""}}),
                    "content_block_start",
                ),
                halves("\\ud83d"),
                halves("\\ude00"),
                message_end("end_turn".into()),
            ]),
            Text("😀", "end_turn"),
        ),
    ];
    check(KIND, cases).await;
}

/// The messages that went back after `script`, which called tools.
async fn sent_back(script: Script) -> Vec<Value> {
    let good = message(&[text_block(0, "Hello.")], "end_turn");
    let server = mock_server([script, good]).await;
    let answer = invoke(&app(&server, KIND, TWICE, |_| {}), "hi").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let requests = server.requests();
    assert_eq!(requests.len(), 2, "no tool was called");
    requests[1].body["messages"].as_array().unwrap()[1..].to_vec()
}

#[tokio::test]
async fn interleaved_blocks_are_kept_apart() {
    let start = |index: u32, block: Value| {
        event(
            json!({ "index": index, "content_block": block }),
            "content_block_start",
        )
    };
    let delta = |index: u32, delta: Value| {
        event(
            json!({ "index": index, "delta": delta }),
            "content_block_delta",
        )
    };
    let stop = |index: u32| event(json!({ "index": index }), "content_block_stop");
    let call = |id: &str| json!({ "type": "tool_use", "id": id, "name": "books", "input": {} });
    let input = |text: &str| json!({ "type": "input_json_delta", "partial_json": text });
    let parts = [
        message_start(),
        start(0, call("a")),
        start(1, json!({ "type": "text", "text": "" })),
        start(2, call("b")),
        delta(0, input("{\"number\"")),
        delta(2, input("{\"number\"")),
        delta(1, json!({ "type": "text_delta", "text": "I look." })),
        delta(0, input(":1}")),
        stop(1),
        delta(2, input(":2}")),
        stop(0),
        stop(2),
        message_end("tool_use".into()),
    ];
    let messages = sent_back(events(&parts)).await;
    let content = messages[0]["content"].as_array().unwrap();
    let inputs = content.iter().filter(|block| block["type"] == "tool_use");
    let inputs = inputs.map(|block| block["input"]["number"].as_u64().unwrap());
    assert_eq!(inputs.collect::<Vec<_>>(), [1, 2]);
    assert_eq!(messages[1]["content"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn thoughts_go_back_with_their_signatures_and_in_order() {
    let thinking = |index: u32, text: &str| {
        let deltas = [
            json!({"type": "thinking_delta", "thinking": text}),
            json!({"type": "signature_delta", "signature": "SIG"}),
        ];
        block(
            index,
            json!({"type": "thinking", "thinking": "", "signature": ""}),
            &deltas,
        )
    };
    let redacted = json!({"type": "redacted_thinking", "data": "x"});
    let blocks = [
        thinking(0, "hm"),
        block(1, redacted.clone(), &[]),
        block(
            2,
            json!({"type": "text", "text": "", "citations": null}),
            &[json!({"type": "text_delta", "text": "I look."})],
        ),
        thinking(3, "and"),
        tool_block(4, "books", r#"{"number":1}"#),
    ];
    let messages = sent_back(message(&blocks, "tool_use")).await;
    let wanted = json!([
        {"type": "thinking", "thinking": "hm", "signature": "SIG"},
        redacted,
        {"type": "text", "text": "I look."},
        {"type": "thinking", "thinking": "and", "signature": "SIG"},
        {"type": "tool_use", "id": "toolu_4", "name": "books", "input": {"number": 1}},
    ]);
    assert_eq!(messages[0], json!({"role": "assistant", "content": wanted}));
    assert_eq!(messages[1]["content"][0]["tool_use_id"], "toolu_4");
}

#[tokio::test]
async fn a_server_that_pauses_is_asked_to_go_on() {
    let search = || {
        block(
            1,
            json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}),
            &[],
        )
    };
    let paused = || message(&[text_block(0, "I search. "), search()], "pause_turn");
    let server = mock_server([paused(), message(&[text_block(0, "Hello.")], "end_turn")]).await;
    let answer = invoke(&app(&server, KIND, TWICE, |_| {}), "hi")
        .await
        .json();
    assert_eq!(answer["output"], "I search. Hello.");
    assert_eq!(answer["stop_reason"], "end_turn");
    assert_eq!(
        answer["usage"],
        json!({"input_tokens": 18, "output_tokens": 10})
    );
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    let last = requests[1].body["messages"]
        .as_array()
        .unwrap()
        .last()
        .unwrap();
    assert_eq!(
        (&last["role"], &last["content"][1]["id"]),
        (&json!("assistant"), &json!("s"))
    );

    // One that only pauses has not answered.
    server.always(paused());
    let answer = invoke(&app(&server, KIND, TWICE, |_| {}), "hi")
        .await
        .json();
    assert_eq!(answer["stop_reason"], "max_tokens");
    assert_eq!(server.requests().len(), 2 + 5);
}
