//! What stands between the engine and a model: text in, a stream of text out.

use std::pin::Pin;

use futures_util::Stream;
use serde::{Deserialize, Serialize};

use crate::endpoint::EndpointSpec;
use crate::error::AgentError;
use crate::event::{StopReason, Usage};
use crate::spec::AgentSpec;

/// Something that answers in place of an agent.
pub trait Provider: Send + Sync + 'static {
    /// The model that answers when an agent asks for `model`.
    fn model(&self, model: Option<&str>) -> String;

    /// Answers `request` piece by piece. The last chunk is [`Chunk::Done`]; an error ends the stream.
    /// Dropping the stream stops the model.
    fn answer(&self, request: ModelRequest) -> ChunkStream;
}

/// The chunks of one answer.
pub type ChunkStream = Pin<Box<dyn Stream<Item = Result<Chunk, AgentError>> + Send>>;

/// Everything a provider needs to answer.
#[derive(Debug, Clone)]
pub struct ModelRequest {
    /// The agent: its prompt is the system message.
    pub agent: &'static AgentSpec,
    /// The endpoint whose output schema the answer must fit; `None` asks for free text.
    pub endpoint: Option<&'static EndpointSpec>,
    /// The conversation; its last message is the one to answer.
    pub messages: Vec<Message>,
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    /// Some more text.
    Text(String),
    /// The end.
    Done {
        /// Why it ends.
        stop_reason: StopReason,
        /// What it took.
        usage: Usage,
    },
}

/// What one side said in a conversation.
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

/// How many tokens a text of so many bytes is taken for: a quarter, rounded up. No tokenizer is asked.
#[must_use]
pub const fn estimated_tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}
