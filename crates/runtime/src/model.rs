//! Model providers: a conversation in, a stream of text and tool calls out. Anthropic Messages, OpenAI Chat Completions
//! and Responses, and `echo`.
//!
//! Invariant: no type of a vendor's protocol leaves its file.

mod answer_end;
mod answer_tool;
pub(crate) mod anthropic;
mod anthropic_decoder;
pub(crate) mod catalog;
mod chunk_stream;
pub(crate) mod dialects;
pub(crate) mod echo;
pub(crate) mod openai;
pub(crate) mod provider_settings;
mod reported_usage;
mod request_adaptation;
pub(crate) mod user_message;

pub use self::catalog::Models;
pub use self::dialects::{Dialect, StructuredOutput, SystemRole};
pub use self::echo::Echo;
pub use self::provider_settings::{ProviderKind, ProviderSettings, RequestSettings};
pub use crate::error::provider_error::{ProviderError, ProviderErrorKind};

use std::borrow::Cow;
use std::pin::Pin;

use futures_util::Stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::documents::grounding::Grounding;
use crate::error::AgentError;
use crate::event::agent_event::{StopReason, Usage};
use crate::schema::Schema;
use crate::spec::agent_spec::AgentSpec;
use crate::spec::endpoint_spec::EndpointSpec;

/// Calls a model.
pub trait Provider: Send + Sync + 'static {
    /// The full name of the model that answers for `model`, as in `anthropic:claude-sonnet-4-5`. `None` is the default.
    fn model(&self, model: Option<&str>) -> String;

    /// Streams the answer to `request`. The last chunk is [`Chunk::Done`]; an error ends the stream. Dropping the stream
    /// stops the model. A provider neither retries nor calls tools: the engine does.
    fn answer(&self, request: &ModelRequest) -> ChunkStream;
}

/// The chunks of one answer.
pub type ChunkStream = Pin<Box<dyn Stream<Item = Result<Chunk, AgentError>> + Send>>;

/// What a provider answers.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// The agent whose prompt is the system message.
    pub agent: &'static AgentSpec,
    /// The endpoint whose output schema the answer must fit; `None` for free text, and for a schema of the caller's.
    pub endpoint: Option<&'static EndpointSpec>,
    /// The schema of the answer, compiled: the endpoint's, or the caller's.
    pub output_schema: Option<Schema>,
    /// As [`AgentSpec::model`]; a fallback replaces it.
    pub model: Option<&'static str>,
    /// The conversation. The last message is the one to answer, and contains the passages to answer from.
    pub messages: Vec<Message>,
    /// Those passages, and the message without them; `None` without retrieval.
    pub grounding: Option<Grounding>,
    /// The conversation's id, if the answer contains it. It overrides what the model writes there.
    pub session_id: Option<String>,
    /// What the model has done about the last message so far, in order.
    pub steps: Vec<Step>,
    /// The tools that the model may call.
    pub tools: Vec<ToolDefinition>,
    /// The limit of output tokens; `None` leaves it to the provider.
    pub max_tokens: Option<u64>,
}

/// The tool whose input is the answer, for providers without another way to demand a schema.
pub(crate) const ANSWER_TOOL: &str = "final_answer";
/// The longest tool name that all providers accept, in bytes.
pub(crate) const MAX_TOOL_NAME: usize = 64;

/// A piece of an answer.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    /// More text.
    Text(String),
    /// More of the model's thoughts. They are no part of the answer.
    Reasoning(String),
    /// The text so far was thoughts, and is no part of the answer: some models mark only the end of their thoughts.
    TextWasReasoning,
    /// A tool call, to be made once the answer has ended.
    ToolCall(ToolCall),
    /// What the call took so far: totals, which replace those of an earlier chunk.
    Usage(Usage),
    /// What the provider wants back with the results of this answer's tool calls, at most once.
    Metadata(ProviderMetadata),
    /// The end.
    Done {
        /// Why the model stopped. After tool calls it is [`StopReason::EndTurn`].
        stop_reason: StopReason,
        /// Zeros if the provider does not report usage.
        usage: Usage,
    },
}

/// Members of an answer that only its provider understands, such as signed thoughts. They go back verbatim, to the model
/// that wrote them, and only within the turn.
pub type ProviderMetadata = Map<String, Value>;

/// A message of a conversation, as sessions store it. Tool calls are not stored: they end with their turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// Who wrote it.
    pub role: Role,
    /// The text.
    pub text: String,
}

/// The author of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Role {
    /// The caller.
    User,
    /// The agent.
    Assistant,
}

impl Role {
    /// The name in provider protocols and stored conversations.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// Something that a model did before its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// It called tools.
    ToolCalls {
        /// The model that called them, as `provider:model`.
        model: String,
        /// The text before the calls; may be empty.
        text: String,
        /// The calls, at least one.
        calls: Vec<ToolCall>,
        /// One result for each call, in the same order.
        results: Vec<ToolResult>,
        /// What that model wants back with the results.
        metadata: ProviderMetadata,
    },
    /// Its answer did not fit the output schema.
    SchemaMismatch {
        /// The answer.
        text: String,
        /// The message that asks for a corrected answer.
        correction: String,
    },
}

/// A tool, as described to a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolDefinition {
    /// Its name.
    pub name: String,
    /// What the tool does, and when to use it.
    pub description: String,
    /// JSON Schema of the input, of type `object`.
    pub input_schema: Value,
}

/// A tool call that a model asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Connects the result with the call; unique within an answer.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The input; a JSON string if the model wrote invalid JSON.
    pub arguments: Value,
    /// Further members of the call. They go back to the model that wrote them.
    pub metadata: ProviderMetadata,
}

/// The result of a tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResult {
    /// JSON, or the text of an error.
    pub text: String,
    /// Whether the tool failed, or may not be called by this agent.
    pub is_error: bool,
    /// Pictures for models that see. The text describes them for the others.
    pub images: Vec<Image>,
}

/// A picture that a tool gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// `image/png`, `image/jpeg`, `image/gif` or `image/webp`.
    pub media_type: Cow<'static, str>,
    /// The bytes, in Base64.
    pub data: String,
}

impl ToolResult {
    /// A result without pictures.
    #[must_use]
    pub const fn text(text: String, is_error: bool) -> Self {
        Self {
            text,
            is_error,
            images: Vec::new(),
        }
    }
}

impl ModelRequest {
    /// A request to `agent` in free text and without tools.
    #[must_use]
    pub fn new(agent: &'static AgentSpec, messages: Vec<Message>) -> Self {
        Self {
            agent,
            endpoint: None,
            output_schema: None,
            model: agent.model,
            messages,
            grounding: None,
            session_id: None,
            steps: Vec::new(),
            tools: Vec::new(),
            max_tokens: None,
        }
    }

    /// The system message: the prompt, the instructions for passages, and the output schema.
    #[must_use]
    pub fn system(&self) -> Cow<'static, str> {
        let prompt = self.agent.prompt.text();
        let mut schema: Cow<'_, str> = match (self.endpoint, &self.output_schema) {
            (Some(endpoint), _) => Cow::Borrowed(endpoint.output_schema),
            (None, Some(schema)) => Cow::Owned(schema.resolved().document().to_string()),
            (None, None) => return prompt,
        };
        let mut passages = String::new();
        if let Some(grounding) = &self.grounding {
            passages = format!("\n\n{}", grounding.instructions().trim_end());
            if let Some(narrowed) = grounding.output_schema() {
                schema = Cow::Owned(narrowed.to_string());
            }
        }
        Cow::Owned(format!(
            "{prompt}{passages}\n\n# The form of the answer\n\nThe answer is one JSON value that is valid under this JSON Schema, \
             with nothing before or after it:\n\n{schema}\n"
        ))
    }

    /// The name of the output schema, for providers that want one.
    pub(crate) fn output_name(&self) -> &'static str {
        self.endpoint
            .map_or("answer", |endpoint| endpoint.operation_id)
    }

    /// The output schema, if it describes an object: providers accept no other. The root is not a `$ref`.
    pub(crate) fn object_schema(&self) -> Option<Value> {
        let resolved = self.output_schema.as_ref()?.resolved();
        let narrowed = self.grounding.as_ref().and_then(Grounding::output_schema);
        let root = narrowed.unwrap_or(resolved.source());
        let mut object = root.as_object()?.clone();
        if object.get("type").and_then(Value::as_str) != Some("object") {
            return None;
        }
        if let Some(definitions) = resolved.document().get("$defs") {
            object.insert("$defs".to_owned(), definitions.clone());
        }
        Some(Value::Object(object))
    }
}

/// An estimate of the tokens in a text: a quarter of its bytes, rounded up.
#[must_use]
pub const fn estimated_tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}
