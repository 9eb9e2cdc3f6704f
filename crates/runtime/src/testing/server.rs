//! A model server on this machine.

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
use crate::model::provider_settings::{ProviderKind, ProviderSettings};
use crate::settings::Settings;

/// The names that agents have for models; the server answers for all of them.
const NAMES: [&str; 4] = ["default", "sonnet", "opus", "haiku"];

/// Where texts are embedded.
const EMBEDDINGS: &str = "/v1/embeddings";

/// A server at 127.0.0.1 that speaks the Messages API of Anthropic at `/v1/messages` and the Chat Completions API of
/// OpenAI at `/v1/chat/completions`, and embeds texts at `/v1/embeddings` by their words, as
/// [`HashingEmbedder`](crate::documents::HashingEmbedder) does. It goes away when it is dropped.
#[derive(Debug)]
pub struct MockServer {
    address: SocketAddr,
    stage: Arc<Stage>,
    task: JoinHandle<()>,
}

/// A request that the server got.
#[derive(Debug, Clone)]
pub struct Received {
    /// The path.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null where it was not JSON.
    pub body: Value,
}

impl Received {
    /// The text of a header, empty if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

#[derive(Debug, Default)]
struct Stage {
    scripts: Mutex<VecDeque<Script>>,
    otherwise: Mutex<Option<Script>>,
    embeddings: Mutex<VecDeque<Script>>,
    received: Mutex<Vec<Received>>,
    under_way: AtomicUsize,
}

impl MockServer {
    /// A server at a free port.
    ///
    /// # Errors
    /// The operating system has none.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let stage = Arc::<Stage>::default();
        let router = Router::new()
            .fallback(perform)
            .with_state(Arc::clone(&stage));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            stage,
            task,
        })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The default settings, with this server as the provider `mock` behind all names that agents have for models.
    #[must_use]
    pub fn settings(&self, kind: ProviderKind) -> Settings {
        let provider = ProviderSettings {
            kind,
            base_url: Some(self.base_url()),
            api_key: None,
            timeout: Duration::from_secs(10),
        };
        let model = |name: &str| (name.to_owned(), "mock:model".to_owned());
        Settings {
            models: NAMES.into_iter().map(model).collect(),
            providers: BTreeMap::from([("mock".to_owned(), provider)]),
            ..Settings::default()
        }
    }

    /// Answers one more request with `script`, after those that were pushed before.
    pub fn push(&self, script: Script) {
        held(&self.stage.scripts).push_back(script);
    }

    /// Answers every request with `script` for which nothing was pushed. Without this, those get an error 500.
    pub fn always(&self, script: Script) {
        *held(&self.stage.otherwise) = Some(script);
    }

    /// Answers one more request for embeddings with `script`, which is an error, a silence or a recorded answer; those
    /// for which nothing was pushed are embedded.
    pub fn push_embedding(&self, script: Script) {
        held(&self.stage.embeddings).push_back(script);
    }

    /// What was asked so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        held(&self.stage.received).clone()
    }

    /// How many answers are under way: a caller who goes away ends theirs.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.stage.under_way.load(Ordering::SeqCst)
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Counts as under way until it is dropped.
struct UnderWay(Arc<Stage>);

impl UnderWay {
    fn new(stage: Arc<Stage>) -> Self {
        stage.under_way.fetch_add(1, Ordering::SeqCst);
        Self(stage)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn perform(State(stage): State<Arc<Stage>>, request: Request) -> Response {
    let under_way = UnderWay::new(Arc::clone(&stage));
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let body = serde_json::from_slice::<Value>(&bytes).unwrap_or_default();
    let path = parts.uri.path().to_owned();
    let wire = match &*path {
        "/v1/messages" => Wire::Anthropic,
        "/v1/chat/completions" | EMBEDDINGS => Wire::OpenAi,
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let embeds = path == EMBEDDINGS;
    held(&stage.received).push(Received {
        path,
        headers: parts.headers,
        body: body.clone(),
    });
    let script = if embeds {
        let pushed = held(&stage.embeddings).pop_front();
        match pushed {
            Some(script) => script,
            None => embedded(&body).await,
        }
    } else {
        let pushed = held(&stage.scripts).pop_front();
        let script = pushed.or_else(|| held(&stage.otherwise).clone());
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
            (Some("text/event-stream"), streamed(parts, under_way))
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

/// The embeddings that a request asks for. The last one comes first, since their `index` says where they belong.
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

fn streamed(parts: Vec<Part>, under_way: UnderWay) -> Body {
    let parts = stream::iter(parts).filter_map(|part| async move {
        match part {
            Part::Bytes(bytes) => Some(Ok(bytes)),
            Part::Pause(duration) => {
                tokio::time::sleep(duration).await;
                None
            }
            Part::Hang => std::future::pending().await,
            Part::Cut => {
                // What was written before is to arrive first.
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some(Err(std::io::Error::other("cut")))
            }
        }
    });
    Body::from_stream(parts.map(move |part| {
        let _ = &under_way;
        part
    }))
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
