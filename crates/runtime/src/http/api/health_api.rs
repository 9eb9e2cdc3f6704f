//! Whether the service is ready: `/readyz`, with what was checked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Mutex;

use crate::auth::Auth;
use crate::documents::document_store::DocumentStore;
use crate::engine::circuit_breaker::Outage;
use crate::error::store_error::StoreError;
use crate::future::BoxFuture;
use crate::http::responses::{Finished, json};
use crate::run::shutdown::Shutdown;
use crate::session::session_store::SessionStore;
use crate::workflow::queue::Queue;

/// How long the store may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// For how long the store's answer holds, so that nobody can keep it busy by asking.
const HOLDS: Duration = Duration::from_secs(1);

/// What has to be well for a service to be ready.
pub(crate) struct Readiness {
    store: Arc<dyn SessionStore>,
    outage: Arc<Outage>,
    auth: Option<Auth>,
    shutdown: Shutdown,
    queue: Option<Arc<dyn Queue>>,
    asked: Mutex<Option<(Instant, bool)>>,
    /// A store of documents alone, and whether it answered.
    documents: Option<Arc<dyn DocumentStore>>,
    documents_asked: Mutex<Option<(Instant, bool)>>,
}

/// Whether the service is ready, and what was checked.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Readiness", example = serde_json::json!({ "status": "ready", "checks": [] }))]
pub(super) struct ReadinessReport {
    /// Whether every check that has to succeed did.
    #[schemars(extend("enum" = ["ready", "unready"]))]
    pub(super) status: &'static str,
    /// What was checked.
    pub(super) checks: Vec<ReadinessCheck>,
}

/// One thing that was checked.
#[derive(Serialize, JsonSchema)]
#[schemars(example = serde_json::json!({ "name": "store", "status": "ok" }))]
pub(super) struct ReadinessCheck {
    /// What was checked.
    name: &'static str,
    /// The result. What is `degraded` does not make the service unready.
    #[schemars(extend("enum" = ["ok", "degraded", "failed"]))]
    status: &'static str,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

impl Readiness {
    /// Readiness of a service that keeps its conversations in `store`, and has its runs handed out by `queue`, if any.
    pub(crate) fn new(
        store: Arc<dyn SessionStore>,
        outage: Arc<Outage>,
        auth: Option<Auth>,
        shutdown: Shutdown,
        queue: Option<Arc<dyn Queue>>,
    ) -> Self {
        Self {
            store,
            outage,
            auth,
            shutdown,
            queue,
            asked: Mutex::default(),
            documents: None,
            documents_asked: Mutex::default(),
        }
    }

    /// With a store that keeps the documents and nothing else.
    pub(crate) fn with_documents(mut self, documents: Option<Arc<dyn DocumentStore>>) -> Self {
        self.documents = documents;
        self
    }

    /// 200 if everything is well, 503 if not; the body says what was looked at.
    pub(crate) async fn respond(&self) -> Response {
        let mut checks = vec![
            check(
                "store",
                answers("the store", &self.asked, self.store.check()).await,
                "the store does not answer",
            ),
            check(
                "provider",
                !self.outage.is_ongoing(),
                "the provider failed several times in a row",
            ),
            check(
                "authentication",
                self.auth.as_ref().is_none_or(Auth::is_ready),
                "there are no keys to check tokens with yet",
            ),
            check(
                "shutdown",
                !self.shutdown.is_draining(),
                "the service is stopping",
            ),
        ];
        if let Some(documents) = &self.documents {
            let asked = &self.documents_asked;
            checks.push(check(
                "documents",
                answers("the document store", asked, documents.check()).await,
                "the document store does not answer",
            ));
        }
        let is_ready = checks.iter().all(|check| check.detail.is_none());
        if let Some(queue) = &self.queue {
            checks.push(queue_check(queue.is_reachable()));
        }
        let status = if is_ready { "ready" } else { "unready" };
        let mut response = json(&ReadinessReport { status, checks });
        if !is_ready {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response.extensions_mut().insert(Finished);
        }
        response
    }
}

/// Whether a store answers to `check`, if it was not asked just now.
async fn answers(
    name: &'static str,
    asked: &Mutex<Option<(Instant, bool)>>,
    check: BoxFuture<'_, Result<(), StoreError>>,
) -> bool {
    let mut asked = asked.lock().await;
    if let Some((when, answers)) = *asked
        && when.elapsed() < HOLDS
    {
        return answers;
    }
    let answers = match tokio::time::timeout(PATIENCE, check).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(%error, "{name} does not answer");
            false
        }
        Err(_) => {
            tracing::error!("{name} does not answer in time");
            false
        }
    };
    *asked = Some((Instant::now(), answers));
    answers
}

/// Runs go on without the queue, only later: that is no reason to send callers elsewhere.
fn queue_check(is_reachable: bool) -> ReadinessCheck {
    let detail = "the queue can't be reached; runs are taken from the store";
    ReadinessCheck {
        name: "queue",
        status: if is_reachable { "ok" } else { "degraded" },
        detail: (!is_reachable).then_some(detail),
    }
}

fn check(name: &'static str, is_well: bool, detail: &'static str) -> ReadinessCheck {
    ReadinessCheck {
        name,
        status: if is_well { "ok" } else { "failed" },
        detail: (!is_well).then_some(detail),
    }
}
