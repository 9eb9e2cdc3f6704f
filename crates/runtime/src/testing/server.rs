//! The mock server.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::script::{Content, Script};
use super::wire::{self, Part, Wire};
use crate::embedding::hashing_embedder::HashingEmbedder;
use crate::embedding::{Embedder, Purpose};
use crate::model::dialects::Dialect;
use crate::model::provider_settings::{ProviderKind, ProviderSettings};
use crate::server::registry::Registry;
use crate::settings::Settings;

/// The model names that agents use; the server answers for all of them.
const MODEL_NAMES: [&str; 4] = ["default", "sonnet", "opus", "haiku"];

/// The path of the Embeddings operation.
const EMBEDDINGS: &str = "/v1/embeddings";

/// A server at 127.0.0.1 with the Messages API of Anthropic at `/v1/messages`, the Chat Completions API of OpenAI at
/// `/v1/chat/completions`, its Responses API at `/v1/responses`, and embeddings at `/v1/embeddings`, made by [`HashingEmbedder`](crate::documents::HashingEmbedder).
/// Dropping it stops it.
#[derive(Debug)]
pub struct MockServer {
    address: SocketAddr,
    state: Arc<ServerState>,
    task: JoinHandle<()>,
}

/// A request that the server received.
#[derive(Debug, Clone)]
pub struct Received {
    /// The path.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null if it is not JSON.
    pub body: Value,
}

impl Received {
    /// The value of a header, empty if it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct ServerState {
    scripts: Mutex<VecDeque<Script>>,
    default_script: Mutex<Option<Script>>,
    embeddings: Mutex<VecDeque<Script>>,
    received: Mutex<Vec<Received>>,
    in_flight: AtomicUsize,
}

impl MockServer {
    /// Starts a server on a free port.
    ///
    /// # Errors
    /// The operating system has no free port.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::<ServerState>::default();
        let router = Router::new()
            .fallback(respond)
            .with_state(Arc::clone(&state));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            state,
            task,
        })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The default settings, with this server as the provider `mock` for all model names.
    #[must_use]
    pub fn settings(&self, kind: ProviderKind) -> Settings {
        let dialect = match kind {
            ProviderKind::Anthropic => Dialect::ANTHROPIC,
            ProviderKind::OpenAi => Dialect::OPENAI_COMPATIBLE,
            ProviderKind::OpenAiResponses => Dialect::OPENAI_COMPATIBLE.with_responses(),
        };
        let provider = ProviderSettings {
            base_url: Some(self.base_url()),
            timeout: Duration::from_secs(10),
            ..ProviderSettings::new(dialect)
        };
        let model = |name: &str| (name.to_owned(), "mock:model".to_owned());
        Settings {
            models: MODEL_NAMES.into_iter().map(model).collect(),
            providers: BTreeMap::from([("mock".to_owned(), provider)]),
            ..Settings::default()
        }
    }

    /// As [`MockServer::settings`], for the model names of all agents in `registry`, whatever they are.
    #[must_use]
    pub fn settings_for(&self, registry: &Registry, kind: ProviderKind) -> Settings {
        let mut settings = self.settings(kind);
        let agents: Vec<_> = registry.endpoints().map(|(agent, _)| agent).collect();
        for agent in &agents {
            let fallbacks = agent.policy.fallbacks.iter().copied();
            for name in agent.model.into_iter().chain(fallbacks) {
                // A fallback may be an agent.
                if agents
                    .iter()
                    .all(|other| other.slug != name && other.name != name)
                {
                    let model = "mock:model".to_owned();
                    settings.models.entry(name.to_owned()).or_insert(model);
                }
            }
        }
        settings
    }

    /// Queues `script` as the answer to one request.
    pub fn push(&self, script: Script) {
        lock(&self.state.scripts).push_back(script);
    }

    /// Answers requests with `script` when the queue is empty. Without it they get status 500.
    pub fn always(&self, script: Script) {
        *lock(&self.state.default_script) = Some(script);
    }

    /// Queues `script` as the response to one embedding request: an error, silence or a recording. When the queue is empty,
    /// texts are embedded.
    pub fn push_embedding(&self, script: Script) {
        lock(&self.state.embeddings).push_back(script);
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        lock(&self.state.received).clone()
    }

    /// The number of responses being sent. It drops when a client disconnects.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.state.in_flight.load(Ordering::SeqCst)
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Counts a response as in flight until it is dropped.
struct InFlight(Arc<ServerState>);

impl InFlight {
    fn new(state: Arc<ServerState>) -> Self {
        state.in_flight.fetch_add(1, Ordering::SeqCst);
        Self(state)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn respond(State(state): State<Arc<ServerState>>, request: Request) -> Response {
    let in_flight = InFlight::new(Arc::clone(&state));
    let (parts, body) = request.into_parts();
    let body = match to_bytes(body, usize::MAX).await {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        Err(_) => return StatusCode::BAD_REQUEST.into_response(),
    };
    let path = parts.uri.path().to_owned();
    let wire = match &*path {
        "/v1/messages" => Wire::Anthropic,
        "/v1/chat/completions" | EMBEDDINGS => Wire::OpenAi,
        "/v1/responses" => Wire::OpenAiResponses,
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let embeds = path == EMBEDDINGS;
    lock(&state.received).push(Received {
        path,
        headers: parts.headers,
        body: body.clone(),
    });
    let script = if embeds {
        let pushed = lock(&state.embeddings).pop_front();
        match pushed {
            Some(script) => script,
            None => embedded(&body).await,
        }
    } else {
        let pushed = lock(&state.scripts).pop_front();
        let script = pushed.or_else(|| lock(&state.default_script).clone());
        script.unwrap_or_else(|| Script::error(500, "the mock server has no script left"))
    };
    let (kind, body) = match script.content {
        Content::Silence => std::future::pending().await,
        Content::Bytes(bytes) => (None, Body::from(bytes)),
        Content::Error(message) => {
            let document = wire::error(wire, script.status, &message);
            (Some("application/json"), Body::from(document.to_string()))
        }
        Content::Answer(answer) => {
            let parts = wire::parts(wire, &answer, &body);
            (Some("text/event-stream"), streamed(parts, in_flight))
        }
    };
    let status = StatusCode::from_u16(script.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::builder().status(status);
    for (name, value) in &script.headers {
        response = response.header(name, value);
    }
    if let Some(kind) = kind {
        response = response.header("content-type", kind);
    }
    response
        .body(body)
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// The embeddings of a request, the last one first: clients must order them by `index`.
async fn embedded(body: &Value) -> Script {
    let texts = body["input"].as_array().into_iter().flatten();
    let texts = texts.filter_map(|text| text.as_str().map(str::to_owned));
    let texts = texts.collect::<Vec<_>>();
    let dimensions = body["dimensions"].as_u64().unwrap_or(64);
    let embedder = HashingEmbedder::new(u32::try_from(dimensions).unwrap_or(64));
    let vectors = embedder.embed(&texts, Purpose::Document).await;
    let data = vectors.unwrap_or_default().into_iter().enumerate().rev();
    let data = data.map(
        |(index, vector)| json!({ "object": "embedding", "index": index, "embedding": vector }),
    );
    let answer = json!({
        "object": "list", "data": data.collect::<Vec<_>>(), "model": body["model"],
        "usage": { "prompt_tokens": 1, "total_tokens": 1 },
    });
    Script::replay(200, "application/json", answer.to_string())
}

fn streamed(parts: Vec<Part>, in_flight: InFlight) -> Body {
    let parts = stream::iter(parts).filter_map(|part| async move {
        match part {
            Part::Bytes(bytes) => Some(Ok(bytes)),
            Part::Pause(duration) => {
                tokio::time::sleep(duration).await;
                None
            }
            Part::Hang => std::future::pending().await,
            Part::Cut => {
                // Time for the bytes before it to arrive.
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some(Err(std::io::Error::other("cut")))
            }
        }
    });
    Body::from_stream(parts.map(move |part| {
        let _ = &in_flight;
        part
    }))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
