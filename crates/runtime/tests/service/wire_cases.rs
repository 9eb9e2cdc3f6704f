//! Builds what model servers send, and asks `desk` for what it makes of it.

use agentgen_runtime::axum::Router;
use agentgen_runtime::model::{Dialect, ProviderKind};
use agentgen_runtime::spec::Policy;
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::tools::{ToolContext, ToolError, tool};
use agentgen_runtime::{Settings, schemars};
use serde_json::{Value, json};

use crate::mock_model::{desk_with, invoke, mock_server, registry_of};

/// The end of OpenAI's streams.
pub const DONE: &str = "data: [DONE]\n\n";
/// An answer that fits `/chat`.
pub const GOOD: &str = r#"{"mood":"calm","reply":"Come in."}"#;
/// Two tries, and a pause that tests don't notice.
pub const TWICE: Policy = Policy {
    retry_attempts: 2,
    retry_backoff_ms: 1,
    ..Policy::DEFAULT
};

/// What becomes of an answer.
#[derive(Debug, Clone, Copy)]
pub enum Outcome {
    /// This text, and this stop reason.
    Text(&'static str, &'static str),
    /// A failure that passes: the second call succeeds.
    Passes,
    /// This status, whatever the number of calls.
    Fails(u16),
}

/// An event with JSON.
pub fn data(document: &Value) -> String {
    format!("data: {document}\n\n")
}

/// A chunk of OpenAI's protocol with a delta.
pub fn delta(delta: Value) -> String {
    data(&json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] }))
}

/// A piece of text.
pub fn text(text: &str) -> String {
    delta(json!({ "content": text }))
}

/// The chunk with the finish reason.
pub fn finish(reason: &str) -> String {
    data(&json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] }))
}

/// A chunk with pieces of tool calls.
pub fn calls(calls: Value) -> String {
    delta(json!({ "tool_calls": calls }))
}

/// The end of a good answer.
pub fn end() -> String {
    finish("stop") + DONE
}

/// An item of OpenAI's Responses API, as it begins and with these events, in an answer where it has the place `index`.
pub fn item(index: u32, item: &Value, parts: &[String]) -> String {
    let at = |kind: &str| event(json!({ "output_index": index, "item": item }), kind);
    [
        at("response.output_item.added"),
        parts.concat(),
        at("response.output_item.done"),
    ]
    .concat()
}

/// A message of the Responses API with a piece of text.
pub fn message_item(index: u32, text: &str) -> String {
    let delta = json!({ "output_index": index, "content_index": 0, "delta": text });
    item(
        index,
        &json!({ "type": "message", "id": format!("msg_{index}"), "role": "assistant", "content": [] }),
        &[event(delta, "response.output_text.delta")],
    )
}

/// A call in the Responses API.
pub fn call_item(index: u32, name: &str, arguments: &str) -> String {
    let call = json!({
        "type": "function_call", "id": format!("fc_{index}"), "call_id": format!("call_{index}"), "name": name,
        "arguments": arguments, "status": "completed",
    });
    item(index, &call, &[])
}

/// The last event of the Responses API with this status, and what the answer has beside it.
pub fn response_end(status: &str, mut response: Value) -> String {
    response["status"] = status.into();
    response["object"] = "response".into();
    event(
        json!({ "response": response }),
        &format!("response.{status}"),
    )
}

/// A stream of the Responses API with these items, which ends well.
pub fn response(items: &[String]) -> Script {
    events(&[items.concat(), response_end("completed", json!({}))])
}

/// A response with these events.
pub fn events(parts: &[String]) -> Script {
    Script::replay(200, "text/event-stream", parts.concat())
}

/// A good answer.
pub fn hello() -> Script {
    events(&[text("Hello."), end()])
}

/// An event of Anthropic's protocol.
pub fn event(mut document: Value, kind: &str) -> String {
    document["type"] = kind.into();
    format!("event: {kind}\ndata: {document}\n\n")
}

/// The first event of Anthropic's streams.
pub fn message_start() -> String {
    let message =
        json!({ "id": "msg", "content": [], "usage": { "input_tokens": 9, "output_tokens": 1 } });
    event(json!({ "message": message }), "message_start")
}

/// A content block that begins as `block`, with deltas.
pub fn block(index: u32, block: Value, deltas: &[Value]) -> String {
    let start = json!({ "index": index, "content_block": block });
    let deltas = deltas.iter().map(|delta| {
        event(
            json!({ "index": index, "delta": delta }),
            "content_block_delta",
        )
    });
    event(start, "content_block_start")
        + &deltas.collect::<String>()
        + &event(json!({ "index": index }), "content_block_stop")
}

/// A text block.
pub fn text_block(index: u32, text: &str) -> String {
    let delta = json!({ "type": "text_delta", "text": text });
    block(index, json!({ "type": "text", "text": "" }), &[delta])
}

/// A tool call with its input as JSON.
pub fn tool_block(index: u32, name: &str, input: &str) -> String {
    let id = format!("toolu_{index}");
    let start = json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
    let delta = json!({ "type": "input_json_delta", "partial_json": input });
    block(index, start, &[delta])
}

/// The last events of Anthropic's streams.
pub fn message_end(reason: Value) -> String {
    let end = json!({ "delta": { "stop_reason": reason }, "usage": { "output_tokens": 5 } });
    event(end, "message_delta") + &event(json!({}), "message_stop")
}

/// A stream of Anthropic's protocol with these blocks.
pub fn message(blocks: &[String], reason: &str) -> Script {
    events(&[message_start(), blocks.concat(), message_end(reason.into())])
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Shelf {
    /// The number on the shelf.
    number: Option<u32>,
}

/// `desk` with the tool `books`, on settings of `server` after `change`.
pub fn app(
    server: &MockServer,
    kind: ProviderKind,
    policy: Policy,
    change: impl FnOnce(&mut Settings),
) -> Router {
    let books = tool(
        "books",
        "Lists the books of a shelf.",
        |_: ToolContext, shelf: Shelf| async move {
            Ok::<_, ToolError>(format!("books of {}", shelf.number.unwrap_or_default()))
        },
    );
    let mut settings = server.settings(kind);
    change(&mut settings);
    registry_of(desk_with(policy))
        .tool(books)
        .into_router(settings)
        .unwrap()
}

/// `desk` on a server of this dialect.
pub fn dialect_app(server: &MockServer, dialect: &str) -> Router {
    let dialect = Dialect::named(dialect).unwrap();
    app(server, dialect.kind(), TWICE, |settings| {
        let provider = settings.providers.get_mut("mock").unwrap();
        provider.dialect = dialect;
    })
}

/// Checks what becomes of each answer in free text. The name of a case says which server sends it.
pub async fn check(kind: ProviderKind, cases: Vec<(&str, Script, Outcome)>) {
    for (name, script, outcome) in cases {
        let good = match kind {
            ProviderKind::Anthropic => message(&[text_block(0, "Hello.")], "end_turn"),
            ProviderKind::OpenAi => hello(),
            ProviderKind::OpenAiResponses => response(&[message_item(0, "Hello.")]),
        };
        let server = match outcome {
            Outcome::Fails(_) => mock_server([]).await,
            Outcome::Text(..) | Outcome::Passes => mock_server([script.clone(), good]).await,
        };
        server.always(script);
        let answer = invoke(&app(&server, kind, TWICE, |_| {}), "hi").await;
        let shown = &answer.text;
        match outcome {
            Outcome::Text(text, stop_reason) => {
                assert_eq!(answer.status, 200, "{name}: {shown}");
                let answer = answer.json();
                assert_eq!(answer["output"], text, "{name}");
                assert_eq!(answer["stop_reason"], stop_reason, "{name}");
                assert_eq!(server.requests().len(), 1, "{name}: asked more than once");
            }
            Outcome::Passes => {
                assert_eq!(answer.status, 200, "{name}: {shown}");
                assert_eq!(answer.json()["output"], "Hello.", "{name}");
                assert_eq!(server.requests().len(), 2, "{name}: not asked again");
            }
            Outcome::Fails(status) => assert_eq!(answer.status, status, "{name}: {shown}"),
        }
    }
}
