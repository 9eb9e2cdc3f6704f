//! A provider's answer as a stream of chunks, decoded from JSON or server-sent events.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::stream;
use reqwest::Response;
use reqwest::header::{self, HeaderMap};
use serde_json::Value;

use crate::client::HttpEndpoint;
use crate::client::error_response::ResponseError;
use crate::client::sse_decoder::SseDecoder;
use crate::error::AgentError;
use crate::error::provider_error::ProviderError;
use crate::model::{Chunk, ChunkStream};

/// Turns a provider's protocol into chunks.
pub(crate) trait Decoder: Send + 'static {
    /// Decodes the data of one event.
    ///
    /// # Errors
    /// An error event of the provider, and data that does not follow the protocol.
    fn event(&mut self, data: &str, chunks: &mut VecDeque<Chunk>) -> Result<(), ResponseError>;

    /// Decodes a JSON answer, from a server that does not stream although it was asked to.
    ///
    /// # Errors
    /// As [`Decoder::event`].
    fn body(&mut self, answer: &Value, chunks: &mut VecDeque<Chunk>) -> Result<(), ResponseError>;

    /// Handles the end of the stream. Returns whether the answer is complete.
    fn end(&mut self, chunks: &mut VecDeque<Chunk>) -> bool;
}

/// Posts `body` and streams the decoded answer. The request is sent when the stream is first polled; dropping the stream
/// closes the connection.
pub(crate) fn stream_chunks(
    endpoint: Arc<HttpEndpoint>,
    body: Value,
    decoder: impl Decoder,
) -> ChunkStream {
    let reader = ChunkReader {
        endpoint,
        state: State::Unsent(body),
        decoder,
        chunks: VecDeque::new(),
    };
    Box::pin(stream::try_unfold(reader, |mut reader| async move {
        let chunk = reader.next().await.map_err(AgentError::from)?;
        Ok(chunk.map(|chunk| (chunk, reader)))
    }))
}

struct ChunkReader<D> {
    endpoint: Arc<HttpEndpoint>,
    state: State,
    decoder: D,
    /// Decoded, and not yet returned.
    chunks: VecDeque<Chunk>,
}

enum State {
    Unsent(Value),
    Reading(Response, SseDecoder),
    Finished,
}

impl<D: Decoder> ChunkReader<D> {
    async fn next(&mut self) -> Result<Option<Chunk>, ProviderError> {
        loop {
            if let Some(chunk) = self.chunks.pop_front() {
                if matches!(chunk, Chunk::Done { .. }) {
                    self.state = State::Finished;
                }
                return Ok(Some(chunk));
            }
            match std::mem::replace(&mut self.state, State::Finished) {
                State::Unsent(body) => {
                    let response = self.endpoint.send(&body).await?;
                    if is_json(response.headers()) {
                        self.read_body(response).await?;
                    } else {
                        self.state = State::Reading(response, SseDecoder::default());
                    }
                }
                State::Reading(response, events) => self.read_events(response, events).await?,
                State::Finished => return Ok(None),
            }
        }
    }

    async fn read_events(
        &mut self,
        mut response: Response,
        mut events: SseDecoder,
    ) -> Result<(), ProviderError> {
        let endpoint = &self.endpoint;
        match endpoint.next_bytes(&mut response).await? {
            Some(bytes) => {
                if events.feed(&bytes).is_err() {
                    return Err(endpoint.malformed("an event without end"));
                }
                while let Some(data) = events.next() {
                    self.decoder
                        .event(&data, &mut self.chunks)
                        .map_err(|error| endpoint.provider_error(&error, None))?;
                }
                self.state = State::Reading(response, events);
            }
            None if self.decoder.end(&mut self.chunks) => {}
            None => return Err(endpoint.malformed("the stream ends too early")),
        }
        Ok(())
    }

    async fn read_body(&mut self, response: Response) -> Result<(), ProviderError> {
        let bytes = self.endpoint.read_body(response).await?;
        let answer = self.endpoint.parse(&bytes)?;
        self.decoder
            .body(&answer, &mut self.chunks)
            .map_err(|error| self.endpoint.provider_error(&error, None))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim_start().starts_with("application/json"))
}
