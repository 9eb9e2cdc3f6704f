//! The schemas of `invoke`, the endpoint that every agent has: text in, text out.

use std::sync::{Arc, LazyLock};

use agentgen_schema::{MAX_SESSION_ID_LENGTH, SESSION_ID_PATTERN};
use serde_json::{Value as Json, json};

use crate::contract::endpoint::INVOKE_NAME;
use crate::diagnostics::Report;
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::schema::{self, Role, Schema};
use crate::yaml::node::Node;

/// What the built-in `invoke` takes and answers.
pub struct InvokeSchemas {
    /// The schema of the request.
    pub input: Schema,
    /// The schema of the answer.
    pub output: Schema,
}

/// The schemas of the built-in `invoke`, read once.
pub static INVOKE_SCHEMAS: LazyLock<InvokeSchemas> = LazyLock::new(|| {
    let source = Arc::new(Source::new(INVOKE_NAME, String::new()));
    let mut report = Report::new(&source);
    let mut read = |json, role| {
        let node = Node::from_json(&json, Span::default());
        schema::read(&node, &mut report, role).expect("the built-in schemas are valid")
    };
    InvokeSchemas {
        input: read(input_schema(), Role::Input),
        output: read(output_schema(), Role::Output),
    }
});

/// The JSON Schema of what the built-in `invoke` takes.
pub(crate) fn input_schema() -> Json {
    json!({
        "type": "object",
        "description": "What an agent is asked.",
        "additionalProperties": false,
        "required": ["input"],
        "properties": {
            "input": {
                "type": "string",
                "description": "The task, in the user's words.",
                "minLength": 1,
                "maxLength": 100_000,
            },
            "session_id": {
                "type": "string",
                "description": "The conversation to go on with, as an earlier answer named it, or any id of the caller's choice, \
                                which begins a conversation when it is first used.",
                "minLength": 1,
                "maxLength": MAX_SESSION_ID_LENGTH,
                "pattern": SESSION_ID_PATTERN,
            },
        },
    })
}

/// The JSON Schema of what the built-in `invoke` answers.
pub(crate) fn output_schema() -> Json {
    json!({
        "type": "object",
        "description": "What an agent answered.",
        "required": ["output", "run_id", "agent", "model", "session_id", "stop_reason", "usage"],
        "properties": {
            "output": { "type": "string", "description": "The agent's answer." },
            "run_id": { "type": "string", "format": "uuid", "description": "Identifies the run." },
            "agent": { "type": "string", "description": "The agent that ran." },
            "model": { "type": "string", "description": "The model that ran the agent." },
            "session_id": {
                "type": "string",
                "description": "The conversation that the answer belongs to.",
                "minLength": 1,
                "maxLength": MAX_SESSION_ID_LENGTH,
            },
            "stop_reason": {
                "type": "string",
                "description": "Why the agent stopped.",
                "enum": ["end_turn", "max_tokens", "max_turns", "refusal"],
            },
            "usage": {
                "type": "object",
                "description": "What the run used.",
                "required": ["input_tokens", "output_tokens"],
                "properties": {
                    "input_tokens": {
                        "type": "integer",
                        "description": "Tokens of the prompt and the conversation.",
                        "minimum": 0,
                    },
                    "output_tokens": {
                        "type": "integer",
                        "description": "Tokens of the answer.",
                        "minimum": 0,
                    },
                },
            },
        },
    })
}
