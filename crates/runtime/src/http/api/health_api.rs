//! `/readyz`: whether the service can do its work, with the result of each check.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use tokio::sync::Mutex;

use crate::auth::Auth;
use crate::documents::document_store::DocumentStore;
use crate::engine::circuit_breaker::Outage;
use crate::error::problem::Problem;
use crate::error::store_error::StoreError;
use crate::future::BoxFuture;
use crate::http::responses::json_response;
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

/// The service is ready, and this was checked.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Readiness", example = json!({ "status": "ready", "checks": [] }))]
pub(super) struct ReadinessReport {
    /// Every check that has to succeed did.
    #[schemars(extend("enum" = ["ready"]))]
    pub(super) status: &'static str,
    /// What was checked.
    pub(super) checks: Vec<ReadinessCheck>,
}

/// One thing that was checked.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({ "name": "store", "status": "ok" }))]
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

    /// 200 if every check but the queue succeeds, 503 with a problem document if not. Both list the checks.
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
        if is_ready {
            let status = "ready";
            return json_response(&ReadinessReport { status, checks });
        }
        let mut problem = Problem::new(503, "the service is not ready");
        problem.members.insert("checks".to_owned(), json!(checks));
        problem.into_response()
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
