//! Chat completions: the answer of an agent, or the chunks of it.

use axum::response::Response;
use axum::response::sse;
use serde_json::{Map, Value, json};

use crate::error::AgentError;
use crate::event::agent_event::{AgentEvent, StopReason, Usage};
use crate::http::api_error::ApiError;
use crate::http::calls::agent_call::{AgentCall, Answer, Waits};
use crate::http::protocols::openai_api::Call;
use crate::http::protocols::openai_api::chat_request;
use crate::http::protocols::openai_api::openai_errors::error_body;
use crate::http::protocols::openai_api::request_members::arguments;
use crate::http::protocols::openai_api::responses_output::Outcome;
use crate::http::protocols::openai_api::responses_output::unix_seconds;
use crate::http::responses::json_response;
use crate::http::sse_response;
use crate::model::ToolCall;
use crate::run::run_input::Input;

/// Answers a request. Nobody can be asked in a chat: what needs a person is denied.
pub(super) async fn respond(
    call: Call<'_>,
    members: Map<String, Value>,
) -> Result<Response, ApiError> {
    let state = &*call.served.state;
    let request = chat_request::read(members, |name| {
        state
            .resources
            .tools
            .is_taken(call.endpoint.agent.slug, name)
    })?;
    let model = call.endpoint.agent.slug;
    let agent_call = AgentCall {
        state,
        endpoint: call.endpoint,
        caller: call.caller,
        parts: call.parts,
        input: Input::text(json!({ "input": request.asked.input }).to_string()),
        conversation: Some(request.asked.conversation),
        waits: Waits::Never,
    };
    if request.stream {
        let mut chunks = Chunks {
            model,
            include_usage: request.include_usage,
            head: json!({}),
            has_text: false,
        };
        let run = agent_call.events().await?;
        let write = move |event| chunks.write(event).into_iter().map(data).collect();
        return Ok(sse_response::respond_as(run, write).await);
    }
    match agent_call.answer().await? {
        Answer::Output(reply) => {
            let output = serde_json::from_str(&reply.value).map_err(AgentError::internal)?;
            Ok(json_response(&completion(model, Outcome::of(&output))))
        }
        Answer::Waiting(..) => Err(AgentError::internal("a chat waits for a person").into()),
    }
}

fn data(data: Value) -> sse::Event {
    match data {
        // The end of a stream.
        Value::Null => sse::Event::default().data("[DONE]"),
        data => sse::Event::default().data(data.to_string()),
    }
}

fn completion(model: &str, outcome: Outcome) -> Value {
    let mut message = json!({ "role": "assistant", "content": outcome.text, "refusal": null });
    if !outcome.calls.is_empty() {
        if outcome.text.is_empty() {
            message["content"] = Value::Null;
        }
        message["tool_calls"] = outcome.calls.iter().map(call_json).collect();
    }
    json!({
        "id": format!("chatcmpl-{}", outcome.run_id),
        "object": "chat.completion",
        "created": unix_seconds(),
        "model": model,
        "choices": [{
            "index": 0,
            "message": message,
            "logprobs": null,
            "finish_reason": finish_reason(&outcome),
        }],
        "usage": usage(outcome.usage),
    })
}

fn call_json(call: &ToolCall) -> Value {
    json!({
        "id": call.id,
        "type": "function",
        "function": { "name": call.name, "arguments": arguments(call) },
    })
}

fn finish_reason(outcome: &Outcome) -> &'static str {
    match outcome.stop_reason {
        _ if !outcome.calls.is_empty() => "tool_calls",
        StopReason::EndTurn => "stop",
        StopReason::MaxTokens | StopReason::MaxTurns => "length",
        StopReason::Refusal => "content_filter",
    }
}

fn usage(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total(),
    })
}

/// Makes chunks of the events of a run.
struct Chunks {
    model: &'static str,
    include_usage: bool,
    /// What all chunks have in common, once the run has begun.
    head: Value,
    has_text: bool,
}

impl Chunks {
    /// The chunks for an event; `null` is the end.
    fn write(&mut self, event: Option<AgentEvent>) -> Vec<Value> {
        match event {
            Some(AgentEvent::Started { run_id, .. }) => {
                self.head = json!({
                    "id": format!("chatcmpl-{run_id}"),
                    "object": "chat.completion.chunk",
                    "created": unix_seconds(),
                    "model": self.model,
                });
                vec![self.chunk(json!({ "role": "assistant", "content": "" }), None)]
            }
            Some(AgentEvent::Delta { text }) => {
                self.has_text = true;
                vec![self.chunk(json!({ "content": text }), None)]
            }
            Some(AgentEvent::Completed { output, .. }) => self.end(Outcome::of(&output)),
            Some(AgentEvent::Failed { problem, .. }) => vec![error_body(&problem)],
            _ => Vec::new(),
        }
    }

    fn end(&self, outcome: Outcome) -> Vec<Value> {
        let mut chunks = Vec::new();
        if !self.has_text && !outcome.text.is_empty() {
            chunks.push(self.chunk(json!({ "content": outcome.text }), None));
        }
        if !outcome.calls.is_empty() {
            let calls = outcome.calls.iter().enumerate().map(|(index, call)| {
                let mut call = call_json(call);
                call["index"] = index.into();
                call
            });
            let calls = calls.collect::<Value>();
            chunks.push(self.chunk(json!({ "tool_calls": calls }), None));
        }
        chunks.push(self.chunk(json!({}), Some(finish_reason(&outcome))));
        if self.include_usage {
            let mut last = self.head.clone();
            last["choices"] = json!([]);
            last["usage"] = usage(outcome.usage);
            chunks.push(last);
        }
        chunks.push(Value::Null);
        chunks
    }

    fn chunk(&self, delta: Value, finish_reason: Option<&str>) -> Value {
        let mut chunk = self.head.clone();
        chunk["choices"] = json!([{
            "index": 0,
            "delta": delta,
            "logprobs": null,
            "finish_reason": finish_reason,
        }]);
        if self.include_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    }
}
