//! One call of an operation: its request, and what is made of the response.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION,
};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::connection::Client;
use super::event_stream::EventStream;
use super::problem::{ClientError, DeclaredError, NoDeclaredError, Problem};
use super::values::JsonValue;

/// What is generated of an operation.
#[derive(Debug)]
pub struct Operation {
    pub(crate) method: Method,
    /// Segments; `{name}` is a property of the request.
    pub(crate) path: &'static str,
    /// The properties of the request that are headers.
    pub(crate) headers: &'static [&'static str],
    /// The path of the operation that answers with events; empty where there is none.
    pub(crate) stream_path: &'static str,
}

/// A call that answers with JSON.
#[derive(Debug)]
pub enum Json {}

/// A call that answers with JSON or with events.
#[derive(Debug)]
pub enum JsonOrEvents {}

/// A call of an operation. Awaited, it sends the request and gives the answer, a `T`; `E` has the errors that the operation
/// declares.
#[must_use = "a call is sent when it is awaited"]
#[derive(Debug)]
pub struct Call<T, E = NoDeclaredError, K = Json> {
    client: Client,
    request: Result<Parts, String>,
    timeout: Option<Duration>,
    /// Whether the answer is about a run, and not that of an agent.
    is_about_run: bool,
    answer: PhantomData<fn() -> (T, E, K)>,
}

/// A request before it is sent.
struct Parts {
    method: Method,
    url: Url,
    stream_url: Url,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

/// Its body may hold a secret.
impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("method", &self.method)
            .field("url", &self.url.as_str())
            .finish_non_exhaustive()
    }
}

impl<T, E, K> Call<T, E, K> {
    /// A call of `operation` with `request`, whose properties go where the operation wants them.
    pub(crate) fn new(client: &Client, operation: &Operation, request: &impl Serialize) -> Self {
        Self {
            request: parts(client, operation, request),
            timeout: client.timeout,
            client: client.clone(),
            is_about_run: ["/v1/runs", "/v1/workflows"]
                .iter()
                .any(|start| operation.path.starts_with(start)),
            answer: PhantomData,
        }
    }

    /// Sends the header `Idempotency-Key`: a further call with the same key gets the first one's answer.
    pub fn idempotency_key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// Sends one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let added = self.request.and_then(|mut parts| {
            let header = HeaderName::try_from(name)
                .map_err(|_| format!("`{name}` can't be the name of a header"))?;
            parts.headers.insert(header, header_value(name, value)?);
            Ok(parts)
        });
        self.request = added;
        self
    }

    /// The longest this call may take, in place of the client's time.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl<T: DeserializeOwned, E: DeclaredError, K> Call<T, E, K> {
    /// Sends the request and gives the answer, as awaiting the call does.
    ///
    /// # Errors
    /// The service's problem, or what happened on the way.
    pub async fn send(self) -> Result<T, ClientError<E>> {
        let parts = self.request.map_err(ClientError::Request)?;
        let request = parts.request(&self.client, parts.url.clone(), "application/json");
        let request = match self.timeout {
            Some(timeout) => request.timeout(timeout),
            None => request,
        };
        let response = succeeded(request.send().await?).await?;
        let location = response.headers().get(LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        let names_run = location.is_some_and(|location| location.starts_with("/v1/runs/"));
        if response.status() == StatusCode::ACCEPTED && names_run && !self.is_about_run {
            let report = read_json(response).await?;
            return Err(ClientError::Waiting(Box::new(report)));
        }
        read_json(response).await
    }
}

impl<T: DeserializeOwned, E: DeclaredError> Call<T, E, JsonOrEvents> {
    /// Sends the request and gives the events of the run as they come. To drop the stream ends the run.
    ///
    /// # Errors
    /// The service's problem, or what happened on the way.
    pub async fn stream(self) -> Result<EventStream<T, E>, ClientError<E>> {
        let parts = self.request.map_err(ClientError::Request)?;
        let request = parts.request(&self.client, parts.stream_url.clone(), "text/event-stream");
        let response = in_time(self.timeout, request.send()).await??;
        Ok(EventStream::new(succeeded(response).await?, self.timeout))
    }
}

impl<T, E, K> IntoFuture for Call<T, E, K>
where
    T: DeserializeOwned + Send + 'static,
    E: DeclaredError + Send + 'static,
    K: 'static,
{
    type Output = Result<T, ClientError<E>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl Parts {
    fn request(&self, client: &Client, url: Url, accept: &'static str) -> reqwest::RequestBuilder {
        let mut request = client.http.request(self.method.clone(), url);
        request = request.headers(self.headers.clone()).header(ACCEPT, accept);
        if let Some(authorization) = &client.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(body) = &self.body {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone());
        }
        request
    }
}

/// What comes of `future` within `timeout`.
pub(crate) async fn in_time<T, E>(
    timeout: Option<Duration>,
    future: impl Future<Output = T>,
) -> Result<T, ClientError<E>> {
    match timeout {
        Some(timeout) => {
            let timed = tokio::time::timeout(timeout, future).await;
            timed.map_err(|_| ClientError::TimedOut)
        }
        None => Ok(future.await),
    }
}

/// `response`, unless it is an error.
pub(crate) async fn succeeded<E: DeclaredError>(
    response: Response,
) -> Result<Response, ClientError<E>> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    if !status.is_client_error() && !status.is_server_error() {
        return Err(ClientError::Answer {
            status: status.as_u16(),
            detail: "it is neither an answer nor an error".to_owned(),
        });
    }
    let retry_after = response.headers().get("retry-after");
    let retry_after = retry_after
        .and_then(|value| value.to_str().ok())
        .and_then(|seconds| seconds.trim().parse().ok());
    let body = response.bytes().await?;
    let body = String::from_utf8_lossy(&body);
    Err(ClientError::of(Problem::read(status, retry_after, &body)))
}

/// The answer in `response`; one without a body is read as null.
async fn read_json<T: DeserializeOwned, E>(response: Response) -> Result<T, ClientError<E>> {
    let status = response.status();
    let body = response.bytes().await?;
    let is_empty = status == StatusCode::NO_CONTENT || body.is_empty();
    let body: &[u8] = if is_empty { b"null" } else { &body };
    serde_json::from_slice(body).map_err(|error| ClientError::Answer {
        status: status.as_u16(),
        detail: error.to_string(),
    })
}

fn parts(
    client: &Client,
    operation: &Operation,
    request: &impl Serialize,
) -> Result<Parts, String> {
    let unlike = |error| format!("it can't be written as JSON: {error}");
    let mut value = serde_json::to_value(request).map_err(unlike)?;
    let mut fields = match &mut value {
        JsonValue::Object(fields) => Some(fields),
        _ => None,
    };
    let path = match operation.stream_path {
        "" => operation.path,
        path => path,
    };
    let mut stream_url = url(&client.base, path, fields.as_deref())?;
    let mut url = url(&client.base, operation.path, fields.as_deref())?;
    let mut headers = HeaderMap::new();
    if let Some(fields) = &mut fields {
        for name in path_parameters(operation.path) {
            fields.remove(name);
        }
        for name in operation.headers {
            let value = fields.remove(*name).unwrap_or_default();
            let header = HeaderName::try_from(*name).map_err(|error| error.to_string())?;
            for text in header_texts(name, &value)? {
                headers.append(header.clone(), header_value(name, &text)?);
            }
        }
    }
    let has_body = matches!(operation.method.as_str(), "POST" | "PUT" | "PATCH");
    let mut body = None;
    if has_body {
        body = Some(serde_json::to_vec(&value).map_err(unlike)?);
    } else if let JsonValue::Object(fields) = &value {
        for (name, value) in fields {
            for text in texts(name, value)? {
                url.query_pairs_mut().append_pair(name, &text);
                stream_url.query_pairs_mut().append_pair(name, &text);
            }
        }
    }
    Ok(Parts {
        method: operation.method.clone(),
        url,
        stream_url,
        headers,
        body,
    })
}

/// The names of the parameters in `path`.
fn path_parameters(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/').filter_map(parameter)
}

fn parameter(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// `path` below `base`, with the parameters that `fields` give.
pub(crate) fn url(
    base: &Url,
    path: &str,
    fields: Option<&serde_json::Map<String, JsonValue>>,
) -> Result<Url, String> {
    let mut url = base.clone();
    let mut segments = url
        .path_segments_mut()
        .map_err(|()| format!("{base} can't have a path"))?;
    segments.pop_if_empty();
    for segment in path.split('/').skip(1) {
        let Some(name) = parameter(segment) else {
            segments.push(segment);
            continue;
        };
        let value = fields.and_then(|fields| fields.get(name));
        let texts = texts(name, value.unwrap_or_default())?;
        match texts.as_slice() {
            // A URL can't have such segments: `..` leads elsewhere.
            [text] if !matches!(text.as_str(), "" | "." | "..") => segments.push(text),
            _ => {
                return Err(format!(
                    "`{name}` is in the path, and must be neither empty nor `.` or `..`"
                ));
            }
        };
    }
    drop(segments);
    Ok(url)
}

/// What is written for `value` in an address or a header: nothing for null, and a text for each item of a list.
fn texts(name: &str, value: &JsonValue) -> Result<Vec<String>, String> {
    let one = |value: &JsonValue| match value {
        JsonValue::String(text) => Ok(text.clone()),
        JsonValue::Number(_) | JsonValue::Bool(_) => Ok(value.to_string()),
        _ => Err(format!(
            "`{name}` can only be a text, a number or a truth value, or a list of them"
        )),
    };
    match value {
        JsonValue::Null => Ok(Vec::new()),
        JsonValue::Array(items) => items.iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}

/// The same for a header, where a comma would part an item of a list.
fn header_texts(name: &str, value: &JsonValue) -> Result<Vec<String>, String> {
    let texts = texts(name, value)?;
    let parted = |text: &String| text.is_empty() || text.contains(',');
    if value.is_array() && texts.iter().any(parted) {
        return Err(format!(
            "an item of `{name}`, which is a header, can't be empty or have a comma"
        ));
    }
    Ok(texts)
}

fn header_value(name: &str, text: &str) -> Result<HeaderValue, String> {
    if text.trim_matches([' ', '\t']) != text {
        return Err(format!(
            "`{name}` is a header, which can't begin or end with a blank"
        ));
    }
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| {
        format!("`{name}` is a header, which can't have line breaks or control characters")
    })
}
