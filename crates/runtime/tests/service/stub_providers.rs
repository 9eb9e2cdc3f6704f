//! Providers with a fixed behaviour.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agentgen_runtime::AgentError;
use agentgen_runtime::event::{StopReason, Usage};
use agentgen_runtime::model::{Chunk, ChunkStream, Message, ModelRequest, Provider};
use futures_util::{StreamExt, stream};

/// A provider that always returns the same text.
pub struct FixedAnswer(pub String);

impl Provider for FixedAnswer {
    fn model(&self, _: Option<&str>) -> String {
        "says".to_owned()
    }

    fn answer(&self, _: &ModelRequest) -> ChunkStream {
        let done = Chunk::Done {
            stop_reason: StopReason::EndTurn,
            usage: Usage::default(),
        };
        let text = Chunk::Text(self.0.clone());
        Box::pin(stream::iter([Ok(text), Ok(done)]))
    }
}

/// A provider that begins to answer after some time.
pub struct SlowAnswer(pub Duration);

impl Provider for SlowAnswer {
    fn model(&self, _: Option<&str>) -> String {
        "thinks".to_owned()
    }

    fn answer(&self, request: &ModelRequest) -> ChunkStream {
        let answer = FixedAnswer("at last".to_owned()).answer(request);
        let pause = tokio::time::sleep(self.0);
        let late = async move {
            pause.await;
            answer
        };
        Box::pin(stream::once(late).flatten())
    }
}

/// A provider that returns all messages of the request.
pub struct ConversationEcho;

impl Provider for ConversationEcho {
    fn model(&self, _: Option<&str>) -> String {
        "recalls".to_owned()
    }

    fn answer(&self, request: &ModelRequest) -> ChunkStream {
        let line = |message: &Message| format!("{:?}={}", message.role, message.text);
        let text = request
            .messages
            .iter()
            .map(line)
            .collect::<Vec<_>>()
            .join("|");
        let done = Chunk::Done {
            stop_reason: StopReason::EndTurn,
            usage: Usage::default(),
        };
        Box::pin(stream::iter([Ok(Chunk::Text(text)), Ok(done)]))
    }
}

/// A provider that streams some words and then fails.
pub struct FailingProvider(pub &'static [&'static str]);

impl Provider for FailingProvider {
    fn model(&self, _: Option<&str>) -> String {
        "fails".to_owned()
    }

    fn answer(&self, _: &ModelRequest) -> ChunkStream {
        let texts = self
            .0
            .iter()
            .map(|text| Ok(Chunk::Text((*text).to_owned())));
        let failure = Err(AgentError::unavailable("the model is overloaded"));
        Box::pin(stream::iter(texts.chain([failure]).collect::<Vec<_>>()))
    }
}

/// A provider that streams one word and never ends. Counts its active calls.
#[derive(Clone, Default)]
pub struct HangingProvider(pub Arc<AtomicUsize>);

impl HangingProvider {
    pub fn in_flight(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

struct ActiveCall(Arc<AtomicUsize>);

impl Drop for ActiveCall {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Provider for HangingProvider {
    fn model(&self, _: Option<&str>) -> String {
        "hangs".to_owned()
    }

    fn answer(&self, _: &ModelRequest) -> ChunkStream {
        self.0.fetch_add(1, Ordering::SeqCst);
        let under_way = ActiveCall(Arc::clone(&self.0));
        let word = stream::iter([Ok(Chunk::Text("hold ".to_owned()))]);
        Box::pin(word.chain(stream::pending()).map(move |chunk| {
            let _ = &under_way;
            chunk
        }))
    }
}
