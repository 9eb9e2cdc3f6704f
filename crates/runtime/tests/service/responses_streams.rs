//! Answers of OpenAI's Responses API, also from other servers.

use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::testing::Script;
use serde_json::{Value, json};

use crate::mock_model::{mock_server, output_text, stream_events};
use crate::wire_cases::{
    DONE, Outcome, TWICE, app, check, data, event, events, item, message_item, response,
    response_end,
};

use Outcome::{Fails, Passes, Text};

const KIND: ProviderKind = ProviderKind::OpenAiResponses;
const HELLO: Outcome = Text("Hello.", "end_turn");

fn completed() -> String {
    response_end("completed", json!({}))
}

#[tokio::test]
async fn every_end_is_classified() {
    let half = || message_item(0, "half an ans");
    let with = |end: String| events(&[half(), end]);
    let incomplete = |reason: Value| with(response_end("incomplete", reason));
    let because = |reason: &str| incomplete(json!({ "incomplete_details": { "reason": reason } }));
    let failed = |code: &str| {
        with(response_end(
            "failed",
            json!({ "error": { "code": code, "message": "m" } }),
        ))
    };
    let done = |reason: &'static str| Text("half an ans", reason);
    let cases = vec![
        ("completed", with(completed()), done("end_turn")),
        ("limit", because("max_output_tokens"), done("max_tokens")),
        ("filter", because("content_filter"), done("refusal")),
        ("no details", incomplete(json!({})), done("max_tokens")),
        ("a reason of next year", because("of next year"), Passes),
        ("failed", failed("server_error"), Passes),
        ("failed, too often", failed("rate_limit_exceeded"), Passes),
        ("failed, of next year", failed("error_of_next_year"), Passes),
        (
            "failed, without error",
            with(response_end("failed", json!({ "error": null }))),
            Passes,
        ),
        ("failed, denied", failed("insufficient_quota"), Fails(502)),
        ("failed, rejected", failed("invalid_prompt"), Fails(502)),
        ("failed, policy", failed("bio_policy"), done("refusal")),
        (
            "cancelled",
            with(response_end("cancelled", json!({}))),
            Passes,
        ),
        ("no end", events(&[half()]), Passes),
        ("[DONE] in place of the end", with(DONE.to_owned()), Passes),
        ("nothing", events(&[completed()]), Passes),
        ("an empty text", response(&[message_item(0, "")]), Passes),
        ("space", response(&[message_item(0, " \n")]), Passes),
        (
            "thoughts alone",
            response(&[item(
                0,
                &json!({ "type": "reasoning", "id": "rs", "summary": [{ "type": "summary_text", "text": "hm" }] }),
                &[],
            )]),
            Passes,
        ),
        ("always nothing", events(&[completed()]), Fails(502)),
    ];
    check(KIND, cases).await;
}

#[tokio::test]
async fn every_error_in_a_stream_is_read() {
    let bare = |code: Value| {
        event(
            json!({ "code": code, "message": "m", "param": null }),
            "error",
        )
    };
    let of = |code: &str| events(&[message_item(0, "half"), bare(code.into())]);
    let cases = vec![
        ("server error", of("server_error"), Passes),
        ("rate limit", of("rate_limit_exceeded"), Passes),
        ("no code", events(&[bare(Value::Null)]), Passes),
        ("denied", of("invalid_api_key"), Fails(502)),
        ("rejected", of("invalid_prompt"), Fails(502)),
        ("too long", of("context_length_exceeded"), Fails(413)),
        (
            "in an object",
            events(&[event(
                json!({ "error": { "type": "server_error", "code": null, "message": "m" } }),
                "error",
            )]),
            Passes,
        ),
        (
            "without a name",
            events(&[data(
                &json!({ "type": "error", "code": "server_error", "message": "m" }),
            )]),
            Passes,
        ),
        (
            "of a gateway",
            events(&[
                message_item(0, "half"),
                data(&json!({ "error": { "message": "m", "code": 502 } })),
            ]),
            Passes,
        ),
        (
            "no JSON",
            events(&[message_item(0, "half"), "data: {\"type\"\n\n".to_owned()]),
            Passes,
        ),
        (
            "page",
            Script::replay(200, "text/html", "<html>Login</html>"),
            Fails(502),
        ),
        (
            "document",
            Script::replay(
                200,
                "application/json",
                r#"{"error":{"code":"server_error","message":"m"}}"#,
            ),
            Passes,
        ),
        (
            "another document",
            Script::replay(
                200,
                "application/json",
                r#"{"object":"response","status":"completed"}"#,
            ),
            Passes,
        ),
    ];
    check(KIND, cases).await;
}

#[tokio::test]
async fn text_is_read_wherever_it_stands() {
    let empty = json!({ "type": "message", "id": "m", "role": "assistant", "content": [] });
    let part = |text: &str| json!({ "type": "output_text", "text": text, "annotations": [] });
    let full = |text: &str| json!({ "type": "message", "id": "m", "role": "assistant", "content": [part(text)] });
    let delta = |text: &str| {
        event(
            json!({ "item_id": "m", "output_index": 0, "content_index": 0, "delta": text }),
            "response.output_text.delta",
        )
    };
    let done = |text: &str| {
        event(
            json!({ "item_id": "m", "output_index": 0, "content_index": 0, "text": text }),
            "response.output_text.done",
        )
    };
    let whole = json!({ "object": "response", "status": "completed", "error": null, "output": [full("Hello.")] });
    let document = |document: &Value| Script::replay(200, "application/json", document.to_string());
    let halves = |half: &str| {
        format!(
            "data: {{\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":\"{half}\"}}\n\n"
        )
    };
    let good = delta("Hello.") + &completed();
    let cases = vec![
        (
            "deltas",
            response(&[item(0, &empty, &[delta("Hel"), delta("lo.")])]),
            HELLO,
        ),
        (
            "deltas, then all of it again",
            response(&[item(
                0,
                &full("Hello."),
                &[delta("Hel"), delta("lo."), done("Hello.")],
            )]),
            HELLO,
        ),
        (
            "no deltas",
            response(&[item(0, &empty, &[done("Hello.")])]),
            HELLO,
        ),
        (
            "a delta is missing",
            response(&[item(0, &full("Hello."), &[delta("Hel")])]),
            HELLO,
        ),
        (
            "the item alone",
            response(&[item(0, &full("Hello."), &[])]),
            HELLO,
        ),
        (
            "the end alone",
            events(&[response_end(
                "completed",
                json!({ "output": [full("Hello.")] }),
            )]),
            HELLO,
        ),
        (
            "deltas and the end",
            events(&[
                delta("Hel"),
                delta("lo."),
                response_end("completed", json!({ "output": [full("Hello.")] })),
            ]),
            HELLO,
        ),
        ("no items", events(std::slice::from_ref(&good)), HELLO),
        (
            "no places",
            events(&[good
                .replace("\"output_index\":0,", "")
                .replace("\"content_index\":0,", "")]),
            HELLO,
        ),
        (
            "names of events alone",
            events(&[good.replace(",\"type\":\"response.output_text.delta\"", "")]),
            HELLO,
        ),
        (
            "types alone",
            events(&[good.replace("event: ", ": ")]),
            HELLO,
        ),
        (
            "two parts",
            response(&[item(
                0,
                &json!({ "type": "message", "content": [part("Hel"), part("lo.")] }),
                &[],
            )]),
            HELLO,
        ),
        (
            "two messages",
            response(&[message_item(0, "I look."), message_item(1, "Hello.")]),
            Text("I look.\n\nHello.", "end_turn"),
        ),
        ("a document", document(&whole), HELLO),
        (
            "a document without a status",
            document(&json!({ "output": [full("Hello.")] })),
            HELLO,
        ),
        (
            "keep-alives and events of next year",
            events(&[
                ": keep-alive\n\n".to_owned(),
                event(
                    json!({ "response": { "status": "in_progress", "error": null } }),
                    "response.created",
                ),
                event(json!({}), "keepalive"),
                event(
                    json!({ "delta": "x", "output_index": 0 }),
                    "response.next_year.delta",
                ),
                item(0, &json!({ "type": "next_year_call", "id": "n" }), &[]),
                message_item(1, "Hello."),
                completed(),
                DONE.to_owned(),
            ]),
            HELLO,
        ),
        (
            "thoughts",
            response(&[
                item(
                    0,
                    &json!({ "type": "reasoning", "id": "rs", "summary": [] }),
                    &[event(
                        json!({ "output_index": 0, "summary_index": 0, "delta": "hm" }),
                        "response.reasoning_summary_text.delta",
                    )],
                ),
                item(
                    1,
                    &json!({ "type": "reasoning", "id": "rs2", "summary": [], "content": [{ "type": "reasoning_text", "text": "hm" }] }),
                    &[event(
                        json!({ "output_index": 1, "content_index": 0, "delta": "h" }),
                        "response.reasoning_text.delta",
                    )],
                ),
                message_item(2, "Hello."),
            ]),
            HELLO,
        ),
        (
            "think tags",
            response(&[message_item(0, "<think>hm</think>Hello.")]),
            HELLO,
        ),
        (
            "a refusal without deltas",
            response(&[item(
                0,
                &json!({ "type": "message", "content": [{ "type": "refusal", "refusal": "No." }] }),
                &[],
            )]),
            Text("No.", "refusal"),
        ),
        (
            "halves of a character",
            events(&[halves("\\ud83d"), halves("\\ude00"), completed()]),
            Text("😀", "end_turn"),
        ),
        (
            "usage of another answer",
            events(&[
                delta("Hello."),
                response_end("completed", json!({ "usage": null })),
            ]),
            HELLO,
        ),
    ];
    check(KIND, cases).await;
}

#[tokio::test]
async fn pieces_are_streamed_with_usage_at_the_end() {
    let server = mock_server([Script::pieces(["Hel", "lo."]).usage(9, 2)]).await;
    let app = app(&server, KIND, TWICE, |_| {});
    let events = stream_events(&app, "/v1/agents/desk/invoke", r#"{"input":"hi"}"#).await;
    assert_eq!(output_text(&events), "Hello.");
    let last = &events.last().unwrap().1;
    assert_eq!(
        last["usage"],
        json!({"input_tokens": 9, "output_tokens": 2})
    );
}
