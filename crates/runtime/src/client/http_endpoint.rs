//! One operation of a provider's API: sends requests, and turns what fails into a [`ProviderError`].

use std::error::Error;
use std::io::{self, ErrorKind};
use std::iter;
use std::time::{Duration, SystemTime};

use reqwest::header::{self, HeaderMap};
use reqwest::{Client, Response, StatusCode, Url};
use serde_json::Value;

use crate::client::error_response::{
    Failure, ProviderMessage, ResponseError, error_text, retry_after,
};
use crate::client::key_redaction::redact_keys;
use crate::error::provider_error::{ProviderError, ProviderErrorKind};

/// For a JSON answer; a stream has no limit as a whole.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
const MAX_LOGGED_CHARS: usize = 300;

/// A response with a status that is no success.
#[derive(Debug)]
pub(crate) struct ErrorResponse {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    pub(crate) error: ResponseError,
}

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

    /// Sends `body` until the head of the response has come.
    ///
    /// # Errors
    /// Why there is no response, already logged.
    pub(crate) async fn send(&self, body: &Value) -> Result<Response, ProviderError> {
        self.try_send(body)
            .await?
            .map_err(|refusal| self.refused(&refusal))
    }

    /// As [`HttpEndpoint::send`], with an error response as a value: the caller may know what to do about it.
    ///
    /// # Errors
    /// Why there is no response at all, already logged.
    pub(crate) async fn try_send(
        &self,
        body: &Value,
    ) -> Result<Result<Response, ErrorResponse>, ProviderError> {
        let body = body.to_string();
        let response = self.with_idle_timeout(self.request(&body)).await?;
        let status = response.status();
        if status.is_success() {
            return Ok(Ok(response));
        }
        let headers = response.headers().clone();
        // The status decides what failed; the body only adds the provider's message, and may be missing or no JSON.
        let body = self.read_body(response).await.unwrap_or_default();
        let message = error_text(&String::from_utf8_lossy(&body));
        Ok(Err(ErrorResponse {
            status,
            headers,
            error: ResponseError::of_status(status, message),
        }))
    }

    /// Sends a request, and once more if its connection ended before the response began: servers close idle connections
    /// while a request is on its way, and llama.cpp closes one after each stream without saying so.
    async fn request(&self, body: &str) -> Result<Response, reqwest::Error> {
        let send = || {
            let request = self.client.post(self.url.clone());
            let request = request.headers(self.headers.clone());
            let request = request.header(header::CONTENT_TYPE, "application/json");
            request.body(body.to_owned()).send()
        };
        match send().await {
            Err(error) if is_closed_connection(&error) => send().await,
            sent => sent,
        }
    }

    /// Logs an error response, and returns it without the provider's message.
    pub(crate) fn refused(&self, response: &ErrorResponse) -> ProviderError {
        let context = Some((response.status, &response.headers));
        self.provider_error(&response.error, context)
    }

    pub(crate) async fn next_bytes(
        &self,
        response: &mut Response,
    ) -> Result<Option<Vec<u8>>, ProviderError> {
        let bytes = self.with_idle_timeout(response.chunk()).await?;
        Ok(bytes.map(|bytes| bytes.to_vec()))
    }

    pub(crate) async fn read_body(&self, mut response: Response) -> Result<Vec<u8>, ProviderError> {
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
        Err(self.provider_error(&ResponseError::failed(kind, reason), None))
    }

    /// Logs a failure, and returns it without the provider's message.
    pub(crate) fn provider_error(
        &self,
        error: &ResponseError,
        response: Option<(StatusCode, &HeaderMap)>,
    ) -> ProviderError {
        let provider = &*self.provider;
        let ProviderMessage { code, message, .. } = &error.message;
        let request_id = response.and_then(|(_, headers)| {
            let names = ["request-id", "x-request-id"];
            let id = names.iter().find_map(|name| headers.get(*name));
            id.and_then(|id| id.to_str().ok())
        });
        // A refusal that gets here came where no answer is read, as of embeddings.
        let kind = match error.failure {
            Failure::Call(kind) => kind,
            Failure::Refusal => ProviderErrorKind::Rejected,
        };
        let message = self.loggable(message);
        tracing::warn!(
            provider,
            kind = kind.as_str(),
            status = response.map(|(status, _)| status.as_u16()),
            code,
            message,
            provider_request_id = request_id,
            "the provider failed"
        );
        if kind == ProviderErrorKind::Denied {
            tracing::warn!(
                "the provider does not accept the key: check providers.{provider}.api_key"
            );
        }
        ProviderError {
            provider: provider.to_owned(),
            kind,
            retry_after: response.and_then(|(_, headers)| retry_after(headers, SystemTime::now())),
        }
    }

    /// The provider's own words for the log: one line of limited length, without keys.
    pub(crate) fn loggable(&self, message: &str) -> String {
        let secrets = self.headers.values().filter(|value| value.is_sensitive());
        let secrets = secrets.filter_map(|value| value.to_str().ok());
        let text = redact_keys(
            message,
            secrets.map(|text| text.trim_start_matches("Bearer ")),
        );
        let mut shown = text.chars().take(MAX_LOGGED_CHARS).collect::<String>();
        if shown.len() < text.len() {
            shown.push('…');
        }
        shown
    }
}

/// Whether an established connection ended before the head of the response.
fn is_closed_connection(error: &reqwest::Error) -> bool {
    let is_end = |cause: &(dyn Error + 'static)| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let is_reset = matches!(io, Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
        let http = cause.downcast_ref::<hyper::Error>();
        is_reset || http.is_some_and(hyper::Error::is_incomplete_message)
    };
    !error.is_connect() && causes(error).any(is_end)
}

/// The innermost source of an error: the outer ones repeat the address.
fn root_cause(error: &reqwest::Error) -> String {
    causes(error)
        .last()
        .map_or_else(String::new, |cause| cause.to_string())
}

/// An error and its sources, the innermost last.
fn causes<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error as &(dyn Error + 'static)), |&cause| {
        cause.source()
    })
}
