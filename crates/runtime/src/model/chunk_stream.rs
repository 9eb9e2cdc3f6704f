//! A provider's answer as a stream of chunks, decoded from JSON or server-sent events.
//!
//! What a response is, its first bytes say: its content type is wrong too often.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::stream;
use reqwest::Response;
use serde_json::Value;

use crate::client::HttpEndpoint;
use crate::client::error_response::{Failure, ResponseError};
use crate::client::lenient_json;
use crate::client::sse_decoder::{SseDecoder, SseEvent};
use crate::error::AgentError;
use crate::error::provider_error::ProviderError;
use crate::event::agent_event::{StopReason, Usage};
use crate::model::request_adaptation::{MAX_CHANGES, ModelMemory};
use crate::model::{Chunk, ChunkStream};

/// How often a server that pauses is asked to go on.
const MAX_CONTINUATIONS: usize = 4;
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
/// The longest stream of events: ten times what the longest answers of today take.
const MAX_STREAM_BYTES: usize = 512 * 1024 * 1024;
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Turns a provider's protocol into chunks.
pub(crate) trait Decoder: Send + 'static {
    /// Decodes one event.
    ///
    /// # Errors
    /// An error of the provider, data that does not follow the protocol, and an answer that ended badly.
    fn event(
        &mut self,
        event: &SseEvent,
        chunks: &mut VecDeque<Chunk>,
    ) -> Result<(), ResponseError>;

    /// Decodes a JSON answer, from a server that does not stream although it was asked to.
    ///
    /// # Errors
    /// As [`Decoder::event`].
    fn body(&mut self, answer: &Value, chunks: &mut VecDeque<Chunk>) -> Result<(), ResponseError>;

    /// Handles the end of the stream. Returns whether the answer is complete.
    ///
    /// # Errors
    /// An answer that ended badly.
    fn end(&mut self, chunks: &mut VecDeque<Chunk>) -> Result<bool, ResponseError>;

    /// The message to send so that a server goes on that paused in its answer.
    fn take_continuation(&mut self) -> Option<Value> {
        None
    }

    /// Ends an answer whose server pauses too often.
    fn give_up(&mut self, _: &mut VecDeque<Chunk>) {}
}

/// Posts `body` and streams the decoded answer. The request is sent when the stream is first polled; dropping the stream
/// closes the connection. `memory` knows what the model's server refuses.
pub(crate) fn stream_chunks(
    endpoint: Arc<HttpEndpoint>,
    mut body: Value,
    decoder: impl Decoder,
    memory: Arc<ModelMemory>,
) -> ChunkStream {
    memory.apply(&mut body);
    let reader = ChunkReader {
        endpoint,
        body,
        memory,
        changes: 0,
        continuations: 0,
        state: State::Unsent,
        decoder,
        received: 0,
        chunks: VecDeque::new(),
        usage: Usage::default(),
    };
    Box::pin(stream::try_unfold(reader, |mut reader| async move {
        let chunk = reader.next().await.map_err(AgentError::from)?;
        Ok(chunk.map(|chunk| (chunk, reader)))
    }))
}

struct ChunkReader<D> {
    endpoint: Arc<HttpEndpoint>,
    body: Value,
    memory: Arc<ModelMemory>,
    /// How often the request was changed because the server refused it.
    changes: usize,
    continuations: usize,
    state: State,
    decoder: D,
    /// How many bytes of events have come.
    received: usize,
    /// Decoded, and not yet returned.
    chunks: VecDeque<Chunk>,
    /// What the call took so far.
    usage: Usage,
}

enum State {
    Unsent,
    /// The first bytes of the response: not yet enough to say what it is.
    Opening(Response, Vec<u8>),
    Events(Response, SseDecoder),
    Document(Response, Vec<u8>),
    Finished,
}

/// What a response is.
enum Format {
    Events,
    Document,
    Page,
}

impl<D: Decoder> ChunkReader<D> {
    async fn next(&mut self) -> Result<Option<Chunk>, ProviderError> {
        loop {
            if let Some(chunk) = self.chunks.pop_front() {
                match &chunk {
                    Chunk::Usage(usage) => self.usage = *usage,
                    Chunk::Done { .. } => self.state = State::Finished,
                    _ => {}
                }
                return Ok(Some(chunk));
            }
            match std::mem::replace(&mut self.state, State::Finished) {
                State::Unsent => self.send().await?,
                State::Opening(response, bytes) => self.open(response, bytes).await?,
                State::Events(response, events) => self.read_events(response, events).await?,
                State::Document(response, bytes) => self.read_document(response, bytes).await?,
                State::Finished => return Ok(None),
            }
        }
    }

    /// Sends the request. What the server refuses is left out, once for each thing.
    async fn send(&mut self) -> Result<(), ProviderError> {
        match self.endpoint.try_send(&self.body).await? {
            Ok(response) => self.state = State::Opening(response, Vec::new()),
            Err(refusal) => {
                if self.changes < MAX_CHANGES
                    && self.memory.adapt(&self.endpoint, &mut self.body, &refusal)
                {
                    self.changes += 1;
                    self.state = State::Unsent;
                    return Ok(());
                }
                if refusal.error.failure == Failure::Refusal {
                    self.decline();
                    return Ok(());
                }
                return Err(self.endpoint.refused(&refusal));
            }
        }
        Ok(())
    }

    async fn open(
        &mut self,
        mut response: Response,
        mut bytes: Vec<u8>,
    ) -> Result<(), ProviderError> {
        let Some(more) = self.endpoint.next_bytes(&mut response).await? else {
            return Err(self.endpoint.malformed("an empty response"));
        };
        bytes.extend(more);
        match format(&bytes) {
            None if bytes.len() > MAX_BODY_BYTES => {
                return Err(self.endpoint.malformed("an answer without end"));
            }
            None => self.state = State::Opening(response, bytes),
            Some(Format::Page) => {
                return Err(self
                    .endpoint
                    .malformed("a page of HTML in place of an answer"));
            }
            Some(Format::Document) => self.state = State::Document(response, bytes),
            Some(Format::Events) => {
                let mut events = SseDecoder::default();
                self.decode(&mut events, &bytes)?;
                self.go_on(State::Events(response, events));
            }
        }
        Ok(())
    }

    async fn read_events(
        &mut self,
        mut response: Response,
        mut events: SseDecoder,
    ) -> Result<(), ProviderError> {
        match self.endpoint.next_bytes(&mut response).await? {
            Some(bytes) => {
                self.decode(&mut events, &bytes)?;
                self.go_on(State::Events(response, events));
                Ok(())
            }
            None => {
                events.end();
                self.decode(&mut events, &[])?;
                self.end()
            }
        }
    }

    fn decode(&mut self, events: &mut SseDecoder, bytes: &[u8]) -> Result<(), ProviderError> {
        self.received += bytes.len();
        if events.feed(bytes).is_err() || self.received > MAX_STREAM_BYTES {
            return Err(self.endpoint.malformed("an event without end"));
        }
        while let Some(event) = events.next_event() {
            if self.decode_event(&event)? {
                break;
            }
        }
        Ok(())
    }

    /// Returns whether the answer is complete.
    fn decode_event(&mut self, event: &SseEvent) -> Result<bool, ProviderError> {
        let decoded = self.decoder.event(event, &mut self.chunks);
        self.check(decoded)?;
        Ok(self.is_done())
    }

    async fn read_document(
        &mut self,
        mut response: Response,
        mut bytes: Vec<u8>,
    ) -> Result<(), ProviderError> {
        while let Some(more) = self.endpoint.next_bytes(&mut response).await? {
            bytes.extend(more);
            if bytes.len() > MAX_BODY_BYTES {
                return Err(self.endpoint.malformed("an answer without end"));
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_start_matches('\u{feff}').trim();
        if let Some(answer) = lenient_json::parse(text) {
            let decoded = self.decoder.body(&answer, &mut self.chunks);
            self.check(decoded)?;
            self.go_on(State::Finished);
            return Ok(());
        }
        // A line for each chunk.
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let event = SseEvent {
                name: String::new(),
                data: line.to_owned(),
            };
            if self.decode_event(&event)? {
                return Ok(());
            }
        }
        self.end()
    }

    fn end(&mut self) -> Result<(), ProviderError> {
        if self.is_done() {
            return Ok(());
        }
        match self.decoder.end(&mut self.chunks) {
            Ok(true) => {
                self.go_on(State::Finished);
                Ok(())
            }
            Ok(false) => Err(self.endpoint.malformed("the stream ends too early")),
            Err(error) => self.check(Err(error)),
        }
    }

    /// Whether the end of the answer is decoded.
    fn is_done(&self) -> bool {
        matches!(self.chunks.back(), Some(Chunk::Done { .. }))
    }

    /// The next state is `state`, unless the server paused: then it is asked to go on.
    fn go_on(&mut self, state: State) {
        let Some(message) = self.decoder.take_continuation() else {
            self.state = state;
            return;
        };
        if self.continuations == MAX_CONTINUATIONS {
            self.decoder.give_up(&mut self.chunks);
            return;
        }
        self.continuations += 1;
        if let Some(Value::Array(messages)) = self.body.get_mut("messages") {
            messages.push(message);
        }
        self.state = State::Unsent;
    }

    /// An error of the decoder is logged and ends the stream; a refusal ends the answer.
    fn check(&mut self, decoded: Result<(), ResponseError>) -> Result<(), ProviderError> {
        match decoded {
            Ok(()) => Ok(()),
            Err(error) if error.failure == Failure::Refusal => {
                self.decline();
                Ok(())
            }
            Err(error) => Err(self.endpoint.provider_error(&error, None)),
        }
    }

    fn decline(&mut self) {
        let decoded = self.chunks.iter().rev().find_map(|chunk| match chunk {
            Chunk::Usage(usage) => Some(*usage),
            _ => None,
        });
        self.chunks.push_back(Chunk::Done {
            stop_reason: StopReason::Refusal,
            usage: decoded.unwrap_or(self.usage),
        });
    }
}

/// What a response is that begins with `bytes`; `None` if they are only space.
fn format(bytes: &[u8]) -> Option<Format> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace())? {
        b'{' | b'[' => Some(Format::Document),
        b'<' => Some(Format::Page),
        _ => Some(Format::Events),
    }
}
