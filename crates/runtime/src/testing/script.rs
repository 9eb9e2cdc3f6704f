//! One scripted answer of the mock server.

use std::time::Duration;

use serde_json::Value;

use crate::event::agent_event::{StopReason, Usage};

/// One answer of a [`MockServer`](super::MockServer), in order. It is complete unless it is cut, hangs or is malformed.
#[derive(Debug, Clone)]
pub struct Script {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) content: Content,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    /// No response, not even a status.
    Silence,
    /// A body as it is.
    Bytes(Vec<u8>),
    /// An error document with this message.
    Error(String),
    /// A stream of a model's answer.
    Answer(Answer),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    pub(super) acts: Vec<Act>,
    pub(super) usage: Option<Usage>,
    pub(super) stop_reason: StopReason,
    pub(super) end: End,
}

#[derive(Debug, Clone)]
pub(super) enum Act {
    Text(String),
    ToolCall { name: String, arguments: String },
    Pause(Duration),
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum End {
    /// Complete.
    #[default]
    Proper,
    /// The connection breaks.
    Cut,
    /// The connection stays open, and nothing more is sent.
    Hang,
    /// The body ends before the answer is complete.
    Short,
    /// An event is sent that is not JSON.
    Malformed,
    /// An error event reports that the provider is overloaded.
    Overloaded,
}

impl Script {
    /// An answer with one piece of text; an empty text is an empty answer.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::pieces([text.into()])
    }

    /// An answer with these pieces of text.
    #[must_use]
    pub fn pieces<T: Into<String>>(pieces: impl IntoIterator<Item = T>) -> Self {
        let pieces = pieces.into_iter().map(Into::into);
        let pieces = pieces.filter(|piece: &String| !piece.is_empty());
        Self::of(
            200,
            Content::Answer(Answer {
                acts: pieces.map(Act::Text).collect(),
                ..Answer::default()
            }),
        )
    }

    /// An answer that calls a tool.
    #[must_use]
    pub fn tool_call(name: impl Into<String>, arguments: &Value) -> Self {
        Self::text("").then_tool_call(name, arguments)
    }

    /// An error response with this status and message.
    #[must_use]
    pub fn error(status: u16, message: impl Into<String>) -> Self {
        Self::of(status, Content::Error(message.into()))
    }

    /// A recorded response, in the format that it was recorded in.
    #[must_use]
    pub fn replay(status: u16, content_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self::of(status, Content::Bytes(bytes.into())).header("content-type", content_type)
    }

    /// No response.
    #[must_use]
    pub fn silence() -> Self {
        Self::of(200, Content::Silence)
    }

    /// Adds a piece of text.
    #[must_use]
    pub fn then_text(self, text: impl Into<String>) -> Self {
        self.then(Act::Text(text.into()))
    }

    /// Adds a tool call.
    #[must_use]
    pub fn then_tool_call(self, name: impl Into<String>, arguments: &Value) -> Self {
        self.then_unreadable_call(name, arguments.to_string())
    }

    /// Adds a tool call whose arguments may be invalid JSON.
    #[must_use]
    pub fn then_unreadable_call(
        self,
        name: impl Into<String>,
        arguments: impl Into<String>,
    ) -> Self {
        self.then(Act::ToolCall {
            name: name.into(),
            arguments: arguments.into(),
        })
    }

    /// Adds a pause.
    #[must_use]
    pub fn pause(self, duration: Duration) -> Self {
        self.then(Act::Pause(duration))
    }

    /// Sets the usage; without it, the answer reports none.
    #[must_use]
    pub fn usage(self, input_tokens: u64, output_tokens: u64) -> Self {
        self.edit(|answer| {
            answer.usage = Some(Usage {
                input_tokens,
                output_tokens,
                ..Usage::default()
            });
        })
    }

    /// Sets the stop reason; the default is the end of the turn.
    #[must_use]
    pub fn stop_reason(self, stop_reason: StopReason) -> Self {
        self.edit(|answer| answer.stop_reason = stop_reason)
    }

    /// Ends with a broken connection.
    #[must_use]
    pub fn cut(self) -> Self {
        self.edit(|answer| answer.end = End::Cut)
    }

    /// Ends with an open connection on which nothing more is sent.
    #[must_use]
    pub fn hang(self) -> Self {
        self.edit(|answer| answer.end = End::Hang)
    }

    /// Ends the body before the answer is complete.
    #[must_use]
    pub fn end_early(self) -> Self {
        self.edit(|answer| answer.end = End::Short)
    }

    /// Ends with an event that is not JSON.
    #[must_use]
    pub fn malformed(self) -> Self {
        self.edit(|answer| answer.end = End::Malformed)
    }

    /// Ends with an error event: the provider is overloaded.
    #[must_use]
    pub fn overloaded(self) -> Self {
        self.edit(|answer| answer.end = End::Overloaded)
    }

    /// Adds a response header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds `Retry-After`, in seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header("retry-after", &seconds.to_string())
    }

    fn of(status: u16, content: Content) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content,
        }
    }

    fn then(self, act: Act) -> Self {
        self.edit(|answer| answer.acts.push(act))
    }

    /// Changes an answer; errors, recordings and silence have nothing to change.
    fn edit(mut self, change: impl FnOnce(&mut Answer)) -> Self {
        if let Content::Answer(answer) = &mut self.content {
            change(answer);
        }
        self
    }
}
