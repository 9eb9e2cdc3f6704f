//! What a mock server answers once.

use std::time::Duration;

use serde_json::Value;

use crate::event::agent_event::{StopReason, Usage};

/// One answer of a [`MockServer`](super::MockServer): what happens, in order. An answer ends properly unless it is cut,
/// hangs or is malformed.
#[derive(Debug, Clone)]
pub struct Script {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) content: Content,
}

#[derive(Debug, Clone)]
pub(super) enum Content {
    /// Nothing is answered, not even a status.
    Silence,
    /// These bytes.
    Bytes(Vec<u8>),
    /// An error document with this text.
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
    /// As it should.
    #[default]
    Proper,
    /// The connection breaks.
    Cut,
    /// Nothing more comes.
    Hang,
    /// The body ends, though the answer does not.
    Short,
    /// An event comes that is not JSON.
    Malformed,
    /// The provider says that it is overloaded, within the stream.
    Overloaded,
}

impl Script {
    /// A model's answer in one piece of text; the empty text is an answer without any.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::pieces([text.into()])
    }

    /// A model's answer in these pieces of text.
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

    /// A model's answer that has a tool called.
    #[must_use]
    pub fn tool_call(name: impl Into<String>, arguments: &Value) -> Self {
        Self::text("").then_tool_call(name, arguments)
    }

    /// An error of the provider: an HTTP status, and a document in the provider's format that says `message`.
    #[must_use]
    pub fn error(status: u16, message: impl Into<String>) -> Self {
        Self::of(status, Content::Error(message.into()))
    }

    /// These bytes, whatever the request was: a recorded answer.
    #[must_use]
    pub fn replay(status: u16, content_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self::of(status, Content::Bytes(bytes.into())).header("content-type", content_type)
    }

    /// The request is taken, and nothing is answered.
    #[must_use]
    pub fn silence() -> Self {
        Self::of(200, Content::Silence)
    }

    /// With one more piece of text at the end.
    #[must_use]
    pub fn then_text(self, text: impl Into<String>) -> Self {
        self.then(Act::Text(text.into()))
    }

    /// With a tool call at the end.
    #[must_use]
    pub fn then_tool_call(self, name: impl Into<String>, arguments: &Value) -> Self {
        self.then_unreadable_call(name, arguments.to_string())
    }

    /// With a tool call at the end whose input may be no JSON.
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

    /// With a pause at the end of what is there so far.
    #[must_use]
    pub fn pause(self, duration: Duration) -> Self {
        self.then(Act::Pause(duration))
    }

    /// With so many tokens read and written; without this, the answer does not say.
    #[must_use]
    pub fn usage(self, input_tokens: u64, output_tokens: u64) -> Self {
        self.answering(|answer| {
            answer.usage = Some(Usage {
                input_tokens,
                output_tokens,
            });
        })
    }

    /// With another reason to stop than that there is nothing more to say.
    #[must_use]
    pub fn stop_reason(self, stop_reason: StopReason) -> Self {
        self.answering(|answer| answer.stop_reason = stop_reason)
    }

    /// After which the connection breaks.
    #[must_use]
    pub fn cut(self) -> Self {
        self.answering(|answer| answer.end = End::Cut)
    }

    /// After which nothing more comes, while the connection stays.
    #[must_use]
    pub fn hang(self) -> Self {
        self.answering(|answer| answer.end = End::Hang)
    }

    /// After which the body ends in good order, though the answer is not complete.
    #[must_use]
    pub fn end_early(self) -> Self {
        self.answering(|answer| answer.end = End::Short)
    }

    /// After which comes an event that is not JSON.
    #[must_use]
    pub fn malformed(self) -> Self {
        self.answering(|answer| answer.end = End::Malformed)
    }

    /// After which the provider says that it is overloaded.
    #[must_use]
    pub fn overloaded(self) -> Self {
        self.answering(|answer| answer.end = End::Overloaded)
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With `Retry-After`, in seconds.
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
        self.answering(|answer| answer.acts.push(act))
    }

    /// What only an answer has is no business of anything else.
    fn answering(mut self, change: impl FnOnce(&mut Answer)) -> Self {
        if let Content::Answer(answer) = &mut self.content {
            change(answer);
        }
        self
    }
}
