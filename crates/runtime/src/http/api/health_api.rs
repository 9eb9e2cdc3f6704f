//! `/readyz`: whether the service can do its work, with the result of each check.

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
use crate::http::responses::{KeepBody, json_response};
use crate::run::shutdown::Shutdown;
use crate::session::session_store::SessionStore;
use crate::workflow::queue::Queue;

/// How long the store may take to answer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a result is reused, so that requests can't keep the store busy.
const RESULT_TTL: Duration = Duration::from_secs(1);

/// The parts of a service that `/readyz` checks.
pub(crate) struct Readiness {
    store: Arc<dyn SessionStore>,
    outage: Arc<Outage>,
    auth: Option<Auth>,
    shutdown: Shutdown,
    queue: Option<Arc<dyn Queue>>,
    store_result: CachedResult,
    /// A store for documents only, if there is one.
    documents: Option<Arc<dyn DocumentStore>>,
    documents_result: CachedResult,
}

/// When a store was checked last, and whether it answered.
type CachedResult = Mutex<Option<(Instant, bool)>>;

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
    pub(super) name: &'static str,
    /// The result. What is `degraded` does not make the service unready.
    #[schemars(extend("enum" = ["ok", "degraded", "failed"]))]
    pub(super) status: &'static str,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<&'static str>,
}

impl Readiness {
    /// Checks `store`, the provider, the keys of `auth`, the shutdown signal and `queue`.
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
            store_result: Mutex::default(),
            documents: None,
            documents_result: Mutex::default(),
        }
    }

    /// Checks a store for documents only, too.
    pub(crate) fn with_documents(mut self, documents: Option<Arc<dyn DocumentStore>>) -> Self {
        self.documents = documents;
        self
    }

    /// 200 if every check but the queue succeeds, 503 if not. The body lists the checks.
    pub(crate) async fn respond(&self) -> Response {
        let mut checks = vec![
            check(
                "store",
                answers("the store", &self.store_result, self.store.check()).await,
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
            let cached = &self.documents_result;
            checks.push(check(
                "documents",
                answers("the document store", cached, documents.check()).await,
                "the document store does not answer",
            ));
        }
        let is_ready = checks.iter().all(|check| check.detail.is_none());
        if let Some(queue) = &self.queue {
            checks.push(queue_check(queue.is_reachable()));
        }
        let status = if is_ready { "ready" } else { "unready" };
        let mut response = json_response(&ReadinessReport { status, checks });
        if !is_ready {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response.extensions_mut().insert(KeepBody);
        }
        response
    }
}

/// Whether a store answers `check`; a result younger than [`RESULT_TTL`] is reused.
async fn answers(
    name: &'static str,
    cached: &CachedResult,
    check: BoxFuture<'_, Result<(), StoreError>>,
) -> bool {
    let mut cached = cached.lock().await;
    if let Some((when, answers)) = *cached
        && when.elapsed() < RESULT_TTL
    {
        return answers;
    }
    let answers = match tokio::time::timeout(CHECK_TIMEOUT, check).await {
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
    *cached = Some((Instant::now(), answers));
    answers
}

/// Without the queue, runs start later, from the store. So the service stays ready.
fn queue_check(is_reachable: bool) -> ReadinessCheck {
    let detail = "the queue can't be reached; runs are taken from the store";
    ReadinessCheck {
        name: "queue",
        status: if is_reachable { "ok" } else { "degraded" },
        detail: (!is_reachable).then_some(detail),
    }
}

fn check(name: &'static str, succeeded: bool, detail: &'static str) -> ReadinessCheck {
    ReadinessCheck {
        name,
        status: if succeeded { "ok" } else { "failed" },
        detail: (!succeeded).then_some(detail),
    }
}
