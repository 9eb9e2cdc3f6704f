//! A model server that answers at once: with a call of the tool `shelf`, and when it has the result, with a sentence. It speaks
//! Chat Completions, as a stream of events or not.

use std::io;

use axum::Json;
use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

async fn complete(Json(request): Json<Value>) -> Response {
    let messages = request["messages"].as_array();
    let has_result = messages
        .and_then(|messages| messages.last())
        .is_some_and(|message| message["role"] == "tool");
    let call = json!({ "name": "shelf", "arguments": "{\"number\": 4}" });
    let call = json!([{ "index": 0, "id": "call_1", "type": "function", "function": call }]);
    let (message, reason) = if has_result {
        let text = "The maps are on shelf 4.";
        (json!({ "role": "assistant", "content": text }), "stop")
    } else {
        let message = json!({ "role": "assistant", "content": null, "tool_calls": call });
        (message, "tool_calls")
    };
    let usage = json!({ "prompt_tokens": 20, "completion_tokens": 8, "total_tokens": 28 });
    let answer = |object: &str, choice: Value, usage: Value| {
        json!({
            "id": "chatcmpl-1", "object": object, "created": 1, "model": request["model"],
            "choices": choice, "usage": usage,
        })
    };
    if request["stream"] != true {
        let choice = json!([{ "index": 0, "message": message, "finish_reason": reason }]);
        return Json(answer("chat.completion", choice, usage)).into_response();
    }
    let object = "chat.completion.chunk";
    let first = json!([{ "index": 0, "delta": message, "finish_reason": null }]);
    let last = json!([{ "index": 0, "delta": {}, "finish_reason": reason }]);
    let events = [
        answer(object, first, Value::Null),
        answer(object, last, Value::Null),
        answer(object, json!([]), usage),
    ];
    let mut body: String = events
        .iter()
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    body.push_str("data: [DONE]\n\n");
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

fn main() -> io::Result<()> {
    // One thread: the other processor is for who calls.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        let router = Router::new().route("/v1/chat/completions", post(complete));
        axum::serve(listener, router).await
    })
}
