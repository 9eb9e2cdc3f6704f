//! Model providers: a conversation in, a stream of text and tool calls out. Anthropic Messages, OpenAI Chat Completions, and
//! `echo`.
//!
//! Invariant: no type of a vendor's protocol leaves its file.

pub(crate) mod anthropic;
pub(crate) mod catalog;
pub(crate) mod echo;
pub(crate) mod openai;
pub(crate) mod provider_settings;
pub(crate) mod user_message;

pub use self::catalog::Models;
pub use self::echo::Echo;
pub use self::provider_settings::{ProviderKind, ProviderSettings};
pub use crate::error::provider_error::{ProviderError, ProviderFault};

use std::borrow::Cow;
use std::pin::Pin;

use futures_util::Stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::documents::grounding::Retrieved;
use crate::error::AgentError;
use crate::event::agent_event::{StopReason, Usage};
use crate::schema::shape::resolved;
use crate::spec::agent_spec::AgentSpec;
use crate::spec::endpoint_spec::EndpointSpec;

/// Something that answers in place of an agent.
pub trait Provider: Send + Sync + 'static {
    /// The model that answers when an agent asks for `model`.
    fn model(&self, model: Option<&str>) -> String;

    /// Answers `request` piece by piece. The last chunk is [`Chunk::Done`]; an error ends the stream.
    /// Dropping the stream stops the model. The engine tries a call that fails before its first chunk again, and has
    /// the tools called: a provider does neither.
    fn answer(&self, request: &ModelRequest) -> ChunkStream;
}

/// The chunks of one answer.
pub type ChunkStream = Pin<Box<dyn Stream<Item = Result<Chunk, AgentError>> + Send>>;

/// Everything a provider needs to answer.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// The agent that answers.
    pub agent: &'static AgentSpec,
    /// The endpoint whose output schema the answer must fit; `None` asks for free text.
    pub endpoint: Option<&'static EndpointSpec>,
    /// The model asked for, as [`AgentSpec::model`] has it.
    pub model: Option<&'static str>,
    /// The conversation; its last message is the one to answer, with the passages to answer from.
    pub messages: Vec<Message>,
    /// Those passages, and what was asked without them; `None` where nothing is looked up.
    pub retrieved: Option<Retrieved>,
    /// The id of the conversation, where the answer has a place for it: it stands there, whatever a model says.
    pub session_id: Option<String>,
    /// What the model did about that message so far, in order.
    pub steps: Vec<Step>,
    /// The tools it may have called.
    pub tools: Vec<ToolDefinition>,
    /// The most tokens the answer may have; `None` leaves it to the provider.
    pub max_tokens: Option<u64>,
}

/// The name of the tool whose input is the answer, where a provider has no other way to impose a schema.
pub(crate) const ANSWER: &str = "final_answer";
/// The longest name of a tool that all providers take.
pub(crate) const LONGEST_NAME: usize = 64;

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    /// Some more text.
    Text(String),
    /// The model wants a tool called, once it has ended.
    ToolCall(ToolCall),
    /// The end.
    Done {
        /// Why it ends. Tool calls before it show that it ends for their results.
        stop_reason: StopReason,
        /// What it took; zeros where the provider does not say.
        usage: Usage,
    },
}

/// What one side said in a conversation. This is also what a session keeps: the tools that were called on the way to
/// an answer are forgotten with the turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub text: String,
}

/// A side of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The caller.
    User,
    /// The agent.
    Assistant,
}

impl Role {
    /// The name that providers and stored conversations have for it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One thing a model did before it came to its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It had tools called.
    Called {
        /// What it said before; may be empty.
        text: String,
        /// The calls, at least one.
        calls: Vec<ToolCall>,
        /// What came out: one result for each call, in the same order.
        results: Vec<ToolResult>,
    },
    /// It gave an answer that does not fit the output schema.
    Refused {
        /// The answer.
        text: String,
        /// What it is told of it.
        objection: String,
    },
}

/// A tool as a model is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolDefinition {
    /// Its name.
    pub name: String,
    /// What it does, and when to use it.
    pub description: String,
    /// JSON Schema of its input: an object.
    pub input_schema: Value,
}

/// A model's wish to have a tool called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// What the result is matched with; unique within an answer.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The input. A text where the model wrote something that is not JSON.
    pub arguments: Value,
}

/// What came out of a tool call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResult {
    /// What the model is told: JSON, or the text of an error.
    pub text: String,
    /// Whether the tool failed or was denied.
    pub is_error: bool,
}

impl ModelRequest {
    /// What `agent` is asked by `messages`, with its prompt as the system message and without tools.
    #[must_use]
    pub fn new(agent: &'static AgentSpec, messages: Vec<Message>) -> Self {
        Self {
            agent,
            endpoint: None,
            model: agent.model,
            messages,
            retrieved: None,
            session_id: None,
            steps: Vec::new(),
            tools: Vec::new(),
            max_tokens: None,
        }
    }

    /// The system message: the agent's prompt, what the passages are, and what an answer must look like.
    #[must_use]
    pub fn system(&self) -> Cow<'static, str> {
        let prompt = self.agent.prompt;
        let Some(endpoint) = self.endpoint else {
            return Cow::Borrowed(prompt);
        };
        let (mut passages, mut schema) = (String::new(), Cow::Borrowed(endpoint.output_schema));
        if let Some(retrieved) = &self.retrieved {
            passages = format!("\n\n{}", retrieved.instructions().trim_end());
            if let Some(narrowed) = retrieved.output_schema() {
                schema = Cow::Owned(narrowed.to_string());
            }
        }
        Cow::Owned(format!(
            "{prompt}{passages}\n\n# The form of the answer\n\nThe answer is one JSON value that is valid under this JSON Schema, \
             with nothing before or after it:\n\n{schema}\n"
        ))
    }

    /// The output schema, if there is one and it describes an object: only those can be imposed on a model.
    /// Its root is no reference.
    pub(crate) fn object_schema(&self) -> Option<Value> {
        let narrowed = self.retrieved.as_ref().and_then(Retrieved::output_schema);
        let schema = match narrowed {
            Some(schema) => Cow::Borrowed(schema),
            None => Cow::Owned(serde_json::from_str(self.endpoint?.output_schema).ok()?),
        };
        let root = resolved(&schema, &schema);
        let mut object = root.as_object()?.clone();
        if object.get("type").and_then(Value::as_str) != Some("object") {
            return None;
        }
        if let Some(definitions) = schema.get("$defs") {
            object.insert("$defs".to_owned(), definitions.clone());
        }
        Some(Value::Object(object))
    }
}

/// How many tokens a text of so many bytes is taken for: a quarter, rounded up. No tokenizer is asked.
#[must_use]
pub const fn estimated_tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}
