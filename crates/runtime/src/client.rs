//! HTTP client for model providers: one JSON request, and the answer as JSON or as server-sent events.
//!
//! Invariant: errors and logs never contain a key. The provider's own message is logged at debug level only, cut to a
//! limit, since it may quote the prompt.

pub(crate) mod error_response;
pub(crate) mod sse_decoder;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::stream;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};
use serde_json::Value;

use crate::client::error_response::{
    ProviderMessage, ResponseError, kind_of_status, parse_error_body, retry_after,
};
use crate::client::sse_decoder::SseDecoder;
use crate::error::AgentError;
use crate::error::provider_error::{ProviderError, ProviderErrorKind};
use crate::model::{Chunk, ChunkStream};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For a JSON answer; a stream has no limit as a whole.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
const MAX_LOGGED_CHARS: usize = 300;

/// One operation of a provider's API.
pub(crate) struct HttpEndpoint {
    /// The provider's name in the settings.
    pub(crate) provider: String,
    pub(crate) client: Client,
    pub(crate) url: Url,
    /// Sent with every request. The key is among them, marked as sensitive.
    pub(crate) headers: HeaderMap,
    /// The longest wait for the response head or for the next bytes of a body.
    pub(crate) idle_timeout: Duration,
}

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

/// The client that all providers of a service share. It follows no redirects, so that a key reaches one address only.
pub(crate) fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("agentgen/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// A header value that logs redact; `None` if `text` can't be a header value.
pub(crate) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
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

impl HttpEndpoint {
    /// Posts `body`, and parses the JSON answer.
    ///
    /// # Errors
    /// Why there is no answer, already logged.
    pub(crate) async fn post(&self, body: &Value) -> Result<Value, ProviderError> {
        let response = self.send(body).await?;
        let bytes = self.read_body(response).await?;
        self.parse(&bytes)
    }

    /// A [`ProviderErrorKind::Broken`] error for an answer that does not follow the protocol. Logs `reason`, which must
    /// not quote the answer.
    pub(crate) fn malformed(&self, reason: &str) -> ProviderError {
        self.provider_error(&ResponseError::malformed(reason), None)
    }

    async fn send(&self, body: &Value) -> Result<Response, ProviderError> {
        let request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.to_string());
        let response = self.with_idle_timeout(request.send()).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let headers = response.headers().clone();
        // The status decides what failed; the body only adds the provider's message, and may be missing or no JSON.
        let message = match self.read_body(response).await {
            Ok(body) => serde_json::from_slice(&body).map_or_else(
                |_| ProviderMessage::default(),
                |body: Value| parse_error_body(&body),
            ),
            Err(_) => ProviderMessage::default(),
        };
        let error = ResponseError {
            kind: kind_of_status(status, &message.code),
            message,
        };
        Err(self.provider_error(&error, Some((status, &headers))))
    }

    async fn next_bytes(&self, response: &mut Response) -> Result<Option<Vec<u8>>, ProviderError> {
        let bytes = self.with_idle_timeout(response.chunk()).await?;
        Ok(bytes.map(|bytes| bytes.to_vec()))
    }

    async fn read_body(&self, mut response: Response) -> Result<Vec<u8>, ProviderError> {
        let mut body = Vec::new();
        while let Some(bytes) = self.next_bytes(&mut response).await? {
            body.extend(bytes);
            if body.len() > MAX_BODY_BYTES {
                return Err(self.malformed("an answer without end"));
            }
        }
        Ok(body)
    }

    fn parse(&self, bytes: &[u8]) -> Result<Value, ProviderError> {
        serde_json::from_slice(bytes).map_err(|_| self.malformed("no JSON"))
    }

    async fn with_idle_timeout<T>(
        &self,
        response: impl Future<Output = Result<T, reqwest::Error>>,
    ) -> Result<T, ProviderError> {
        let (kind, reason) = match tokio::time::timeout(self.idle_timeout, response).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(error)) => {
                let kind = if error.is_connect() {
                    ProviderErrorKind::Unreachable
                } else if error.is_timeout() {
                    ProviderErrorKind::TimedOut
                } else {
                    ProviderErrorKind::Broken
                };
                (kind, root_cause(&error))
            }
            Err(elapsed) => (ProviderErrorKind::TimedOut, elapsed.to_string()),
        };
        let error = ResponseError {
            kind,
            ..ResponseError::malformed(reason)
        };
        Err(self.provider_error(&error, None))
    }

    /// Logs a failure, and returns it without the provider's message.
    fn provider_error(
        &self,
        error: &ResponseError,
        response: Option<(StatusCode, &HeaderMap)>,
    ) -> ProviderError {
        let provider = &*self.provider;
        let ProviderMessage { code, message } = &error.message;
        let request_id = response.and_then(|(_, headers)| {
            let names = ["request-id", "x-request-id"];
            let id = names.iter().find_map(|name| headers.get(*name));
            id.and_then(|id| id.to_str().ok())
        });
        tracing::warn!(
            provider,
            kind = error.kind.as_str(),
            status = response.map(|(status, _)| status.as_u16()),
            code,
            provider_request_id = request_id,
            "the provider failed"
        );
        if error.kind == ProviderErrorKind::Denied {
            tracing::warn!(
                "the provider does not accept the key: check providers.{provider}.api_key"
            );
        } else if !message.is_empty() {
            let message = self.redact_keys(message);
            let message = message.chars().take(MAX_LOGGED_CHARS).collect::<String>();
            tracing::debug!(provider, message, "the provider's error message");
        }
        ProviderError {
            provider: provider.to_owned(),
            kind: error.kind,
            retry_after: response.and_then(|(_, headers)| retry_after(headers, SystemTime::now())),
        }
    }

    fn redact_keys(&self, text: &str) -> String {
        let secrets = self.headers.values().filter(|value| value.is_sensitive());
        let secrets = secrets.filter_map(|value| value.to_str().ok());
        secrets.fold(text.to_owned(), |text, secret| {
            text.replace(secret.trim_start_matches("Bearer "), "[redacted]")
        })
    }
}

/// The innermost source of an error: the outer ones repeat the address.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.trim_start().starts_with("application/json"))
}
