//! Outbound HTTP: requests to a provider and its answers, whole or as server-sent events.
//!
//! Invariant: it knows no model; errors carry the provider's message without secrets and cut to a limit.

pub(crate) mod error_response;
pub(crate) mod sse_decoder;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::stream;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};
use serde_json::Value;

use crate::client::error_response::{Complaint, Failure, complaint, fault, retry_after};
use crate::client::sse_decoder::EventReader;
use crate::error::AgentError;
use crate::error::provider_error::{ProviderError, ProviderFault};
use crate::model::{Chunk, ChunkStream};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(10);
/// How much of an answer is read that is not a stream, in bytes.
const LARGEST_ANSWER: usize = 8 * 1024 * 1024;
/// How much of a provider's own words is logged, in characters.
const LONGEST_MESSAGE: usize = 300;

/// An operation of a provider.
pub(crate) struct Upstream {
    /// The provider's name in the settings.
    pub(crate) provider: String,
    /// The client, which keeps its connections.
    pub(crate) client: Client,
    /// Where to post.
    pub(crate) url: Url,
    /// What to show: the key among it, marked as sensitive.
    pub(crate) headers: HeaderMap,
    /// How long the provider may be silent.
    pub(crate) patience: Duration,
}

/// Turns the provider's words into chunks.
pub(crate) trait Decoder: Send + 'static {
    /// Reads the data of one event.
    ///
    /// # Errors
    /// What the provider says against the request, and data that can't be read.
    fn event(&mut self, data: &str, chunks: &mut VecDeque<Chunk>) -> Result<(), Failure>;

    /// Reads an answer that came as one JSON document, though a stream was asked for.
    ///
    /// # Errors
    /// As for an event.
    fn whole(&mut self, answer: &Value, chunks: &mut VecDeque<Chunk>) -> Result<(), Failure>;

    /// Takes the end of the stream; whether the answer is complete.
    fn end(&mut self, chunks: &mut VecDeque<Chunk>) -> bool;
}

/// A client that all providers of a service share. It follows no redirect: the key is for one address.
pub(crate) fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .connect_timeout(CONNECT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("agentgen/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// A header's value that is never shown.
pub(crate) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Posts `body`, and has `decoder` read what comes back. Nothing is sent before the stream is asked for its first
/// chunk, and dropping it closes the connection.
pub(crate) fn ask(upstream: Arc<Upstream>, body: Value, decoder: impl Decoder) -> ChunkStream {
    let asking = Asking {
        upstream,
        state: State::Asked(body),
        decoder,
        chunks: VecDeque::new(),
    };
    Box::pin(stream::try_unfold(asking, |mut asking| async move {
        let chunk = asking.next().await.map_err(AgentError::from)?;
        Ok(chunk.map(|chunk| (chunk, asking)))
    }))
}

/// A call under way.
struct Asking<D> {
    upstream: Arc<Upstream>,
    state: State,
    decoder: D,
    chunks: VecDeque<Chunk>,
}

enum State {
    Asked(Value),
    Reading(Response, EventReader),
    Over,
}

impl<D: Decoder> Asking<D> {
    async fn next(&mut self) -> Result<Option<Chunk>, ProviderError> {
        loop {
            if let Some(chunk) = self.chunks.pop_front() {
                if matches!(chunk, Chunk::Done { .. }) {
                    self.state = State::Over;
                }
                return Ok(Some(chunk));
            }
            match std::mem::replace(&mut self.state, State::Over) {
                State::Asked(body) => {
                    let response = self.upstream.send(&body).await?;
                    if is_json(response.headers()) {
                        self.whole(response).await?;
                    } else {
                        self.state = State::Reading(response, EventReader::default());
                    }
                }
                State::Reading(response, events) => self.read(response, events).await?,
                State::Over => return Ok(None),
            }
        }
    }

    async fn read(
        &mut self,
        mut response: Response,
        mut events: EventReader,
    ) -> Result<(), ProviderError> {
        let upstream = &self.upstream;
        let failed = |failure: &Failure| upstream.failed(failure, None, &HeaderMap::new());
        match upstream.piece(&mut response).await? {
            Some(bytes) => {
                if events.feed(&bytes).is_err() {
                    return Err(failed(&Failure::broken("an event without end")));
                }
                while let Some(data) = events.next() {
                    self.decoder
                        .event(&data, &mut self.chunks)
                        .map_err(|failure| failed(&failure))?;
                }
                self.state = State::Reading(response, events);
            }
            None if self.decoder.end(&mut self.chunks) => {}
            None => return Err(failed(&Failure::broken("the stream ends too early"))),
        }
        Ok(())
    }

    async fn whole(&mut self, response: Response) -> Result<(), ProviderError> {
        let bytes = self.upstream.body(response).await?;
        let read = serde_json::from_slice::<Value>(&bytes)
            .map_err(|_| Failure::broken("no JSON"))
            .and_then(|answer| self.decoder.whole(&answer, &mut self.chunks));
        read.map_err(|failure| self.upstream.failed(&failure, None, &HeaderMap::new()))
    }
}

impl Upstream {
    /// Posts `body`, and reads the one JSON document that comes back.
    ///
    /// # Errors
    /// What the provider says against the request, and an answer that can't be read.
    pub(crate) async fn post(&self, body: &Value) -> Result<Value, ProviderError> {
        let response = self.send(body).await?;
        let bytes = self.body(response).await?;
        serde_json::from_slice(&bytes).map_err(|_| {
            let failure = Failure::broken("no JSON");
            self.failed(&failure, None, &HeaderMap::new())
        })
    }

    async fn send(&self, body: &Value) -> Result<Response, ProviderError> {
        let request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.to_string());
        let response = self.patiently(request.send()).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let headers = response.headers().clone();
        // The status says what is wrong; a body that can't be read changes nothing about it.
        let body = self.body(response).await.unwrap_or_default();
        let complaint =
            serde_json::from_slice(&body).map_or_else(|_| Complaint::default(), complaint);
        let failure = Failure {
            fault: fault(status, &complaint.kind),
            complaint,
        };
        Err(self.failed(&failure, Some(status), &headers))
    }

    async fn piece(&self, response: &mut Response) -> Result<Option<Vec<u8>>, ProviderError> {
        let piece = self.patiently(response.chunk()).await?;
        Ok(piece.map(|bytes| bytes.to_vec()))
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, ProviderError> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece(&mut response).await? {
            body.extend(piece);
            if body.len() > LARGEST_ANSWER {
                let failure = Failure::broken("an answer without end");
                return Err(self.failed(&failure, None, &HeaderMap::new()));
            }
        }
        Ok(body)
    }

    async fn patiently<T>(
        &self,
        answer: impl Future<Output = Result<T, reqwest::Error>>,
    ) -> Result<T, ProviderError> {
        let (fault, why) = match tokio::time::timeout(self.patience, answer).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) if error.is_connect() => (ProviderFault::Unreachable, cause(&error)),
            Ok(Err(error)) if error.is_timeout() => (ProviderFault::TimedOut, cause(&error)),
            Ok(Err(error)) => (ProviderFault::Broken, cause(&error)),
            Err(silence) => (ProviderFault::TimedOut, silence.to_string()),
        };
        let failure = Failure {
            fault,
            ..Failure::broken(why)
        };
        Err(self.failed(&failure, None, &HeaderMap::new()))
    }

    /// Logs a failure, and makes an error of it. The provider's own words may repeat what it was sent, so that only
    /// those see them who ask for that.
    pub(crate) fn failed(
        &self,
        failure: &Failure,
        status: Option<StatusCode>,
        headers: &HeaderMap,
    ) -> ProviderError {
        let provider = &*self.provider;
        let fault = failure.fault.as_str();
        let Complaint { kind, message } = &failure.complaint;
        let status = status.map(|status| status.as_u16());
        let id = ["request-id", "x-request-id"];
        let id = id.iter().find_map(|name| headers.get(*name)?.to_str().ok());
        tracing::warn!(
            provider,
            fault,
            status,
            kind,
            provider_request_id = id,
            "the provider failed"
        );
        if failure.fault == ProviderFault::Denied {
            tracing::warn!(
                "the provider does not accept the key: look at providers.{provider}.api_key"
            );
        } else if !message.is_empty() {
            let message = self.without_key(message);
            let message = message.chars().take(LONGEST_MESSAGE).collect::<String>();
            tracing::debug!(provider, message, "the provider's own words");
        }
        ProviderError {
            provider: provider.to_owned(),
            fault: failure.fault,
            retry_after: retry_after(headers, SystemTime::now()),
        }
    }

    fn without_key(&self, text: &str) -> String {
        let shown = self.headers.values().filter(|value| value.is_sensitive());
        let keys = shown.filter_map(|value| value.to_str().ok());
        keys.fold(text.to_owned(), |text, key| {
            text.replace(key.trim_start_matches("Bearer "), "[redacted]")
        })
    }
}

/// What is at the bottom of an error: the outer ones repeat the address.
fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.trim_start().starts_with("application/json"))
}
