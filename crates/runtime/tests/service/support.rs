//! What the tests share: the agent's handler, other providers, and a client without a socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agentgen_runtime::axum::Router;
use agentgen_runtime::axum::body::{Body, to_bytes};
use agentgen_runtime::axum::http::{HeaderMap, Request, StatusCode};
use agentgen_runtime::event::{StopReason, Usage};
use agentgen_runtime::model::{Chunk, ChunkStream, Message, ModelRequest, Provider};
use agentgen_runtime::schema::DateTime;
use agentgen_runtime::{AgentError, Registry, RunContext, Settings};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tower::ServiceExt;

use crate::agents::desk::{Desk, SearchRequest, SearchResponse};
use crate::agents::{self, Handlers};

/// A desk that finds what it is asked for, unless the query is the name of a misfortune.
pub struct Librarian;

impl Desk for Librarian {
    async fn search(
        &self,
        cx: &RunContext,
        request: SearchRequest,
    ) -> Result<SearchResponse, AgentError> {
        match request.query.as_str() {
            "panic" => panic!("a shelf fell over"),
            "unwritten" => Err(AgentError::not_implemented("search")),
            "slow" => std::future::pending().await,
            "broken" => Err(AgentError::internal("password=hunter2")),
            "who" => Ok(SearchResponse {
                hits: vec![cx.subject().to_owned()],
            }),
            _ => {
                let mut hits = vec![format!("{}:{}", request.shelf, request.query)];
                hits.extend(request.tags);
                hits.extend(request.all.then(|| "all".to_owned()));
                Ok(SearchResponse { hits })
            }
        }
    }
}

/// Who answers for the agents of the tests.
struct Staff;

impl Handlers for Staff {
    fn desk(&self) -> impl Desk {
        Librarian
    }
}

/// The moment that an answer tells. Texts of moments sort otherwise: a fraction that is nought is left out.
pub fn moment(told: &Value) -> DateTime {
    told.as_str().unwrap().parse().unwrap()
}

/// All agents of the tests.
pub fn registry() -> Registry {
    agents::registry(&Staff)
}

/// The service with its defaults.
pub fn app() -> Router {
    registry().into_router(Settings::default()).unwrap()
}

/// The service with another provider.
pub fn app_on(provider: impl Provider) -> Router {
    registry()
        .provider(provider)
        .into_router(Settings::default())
        .unwrap()
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The problem document; every one has these members.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["type"], "about:blank");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["title"], self.status.canonical_reason().unwrap());
        assert_eq!(problem["requestId"], self.header("x-request-id"));
        assert!(problem["instance"].as_str().unwrap().starts_with('/'));
        assert!(!problem["detail"].as_str().unwrap().is_empty());
        problem
    }

    /// The pointers of a 422, in order.
    #[track_caller]
    pub fn pointers(&self) -> Vec<String> {
        let problem = self.problem(422);
        let errors = problem["errors"].as_array().unwrap().iter();
        errors
            .map(|error| error["pointer"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// A request with headers and a body.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

pub async fn send(app: &Router, request: Request<Body>) -> Answer {
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Answer {
        status: parts.status,
        headers: parts.headers,
        text,
    }
}

pub async fn post(app: &Router, path: &str, body: &str) -> Answer {
    send(
        app,
        request("POST", path, &[("content-type", "application/json")], body),
    )
    .await
}

pub async fn get(app: &Router, path: &str) -> Answer {
    send(app, request("GET", path, &[], "")).await
}

/// The kinds of `events`, in order.
pub fn kinds<N>(events: &[(N, Value)]) -> Vec<&str> {
    let kinds = events.iter().map(|(_, event)| event["type"].as_str());
    kinds.map(Option::unwrap).collect()
}

/// The first of the `events` of a kind.
#[track_caller]
pub fn find<'a, N>(events: &'a [(N, Value)], kind: &str) -> &'a Value {
    let found = find_all(events, kind).into_iter().next();
    found.unwrap_or_else(|| panic!("no {kind} among {:?}", kinds(events)))
}

/// All `events` of a kind, in order.
pub fn find_all<'a, N>(events: &'a [(N, Value)], kind: &str) -> Vec<&'a Value> {
    let events = events.iter().map(|(_, event)| event);
    events.filter(|event| event["type"] == kind).collect()
}

/// Compares `lines`, each of which begins with the kind of an event, with `expected`: only the kinds that `expected`
/// names, so that a new kind of event changes no test of others.
#[track_caller]
pub fn assert_outline(lines: &[impl AsRef<str>], expected: &[impl AsRef<str>]) {
    let expected: Vec<&str> = expected.iter().map(AsRef::as_ref).collect();
    let named: Vec<&str> = expected.iter().map(|line| kind_of(line)).collect();
    assert_eq!(outline(lines, &named), expected);
}

/// The lines that begin with one of `kinds`.
pub fn outline<'a>(lines: &'a [impl AsRef<str>], kinds: &[&str]) -> Vec<&'a str> {
    let lines = lines.iter().map(AsRef::as_ref);
    lines
        .filter(|line| kinds.contains(&kind_of(line)))
        .collect()
}

fn kind_of(line: &str) -> &str {
    line.split(' ').next().unwrap_or(line)
}

/// Waits until `is_so`, for two seconds at most.
pub async fn eventually(is_so: impl Fn() -> bool) -> bool {
    for _ in 0..200 {
        if is_so() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    is_so()
}

/// A provider that always says the same.
pub struct Says(pub String);

impl Provider for Says {
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

/// A provider that says the whole conversation it was given.
pub struct Recalls;

impl Provider for Recalls {
    fn model(&self, _: Option<&str>) -> String {
        "recalls".to_owned()
    }

    fn answer(&self, request: &ModelRequest) -> ChunkStream {
        let said = |message: &Message| format!("{:?}={}", message.role, message.text);
        let text = request
            .messages
            .iter()
            .map(said)
            .collect::<Vec<_>>()
            .join("|");
        let done = Chunk::Done {
            stop_reason: StopReason::EndTurn,
            usage: Usage::default(),
        };
        Box::pin(stream::iter([Ok(Chunk::Text(text)), Ok(done)]))
    }
}

/// A provider that says some words and then fails.
pub struct Fails(pub &'static [&'static str]);

impl Provider for Fails {
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

/// A provider that says one word and never ends; it counts how many of its answers are under way.
#[derive(Clone, Default)]
pub struct Hangs(pub Arc<AtomicUsize>);

impl Hangs {
    pub fn under_way(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Provider for Hangs {
    fn model(&self, _: Option<&str>) -> String {
        "hangs".to_owned()
    }

    fn answer(&self, _: &ModelRequest) -> ChunkStream {
        self.0.fetch_add(1, Ordering::SeqCst);
        let under_way = UnderWay(Arc::clone(&self.0));
        let word = stream::iter([Ok(Chunk::Text("hold ".to_owned()))]);
        Box::pin(word.chain(stream::pending()).map(move |chunk| {
            let _ = &under_way;
            chunk
        }))
    }
}
