//! The Chat Completions API of OpenAI, which many other servers offer too, each in its own way:
//! <https://platform.openai.com/docs/api-reference/chat-streaming>; and its Responses API:
//! <https://platform.openai.com/docs/api-reference/responses-streaming>.
//!
//! Invariant: nothing that a server sends is lost in silence. It is text, thoughts, a tool call, usage, metadata that goes
//! back, or an error.

pub(crate) mod answer_text;
pub(crate) mod openai_decoder;
pub(crate) mod openai_reasoning;
pub(crate) mod openai_request;
pub(crate) mod responses_decoder;
pub(crate) mod responses_request;
pub(crate) mod thinking_tags;
pub(crate) mod tool_call_pieces;
pub(crate) mod written_calls;
