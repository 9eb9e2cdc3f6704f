//! `/readyz`: whether the service can do its work, with the result of each check.
//!
//! Invariant: only what every request needs makes the service unready. The rest is `degraded`: a load balancer that took all
//! replicas away because of one model would take away all other agents, too.

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::auth::Auth;
use crate::documents::document_store::DocumentStore;
use crate::error::problem::Problem;
use crate::error::store_error::StoreError;
use crate::http::responses::json_response;
use crate::run::resources::Resources;
use crate::session::session_store::SessionStore;
use crate::workflow::journal::Journal;
use crate::workflow::queue::Queue;

/// How long a store may take to answer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a result is reused, so that requests can't keep the store busy.
const RESULT_TTL: Duration = Duration::from_secs(1);
/// The status of a check without which the service is not ready.
const FAILED: &str = "failed";
/// The status of a check without which a part of the service can't be used.
const DEGRADED: &str = "degraded";
/// `Retry-After` of a service that is not ready.
const RETRY_SECONDS: u64 = 5;

/// The parts of a service that `/readyz` checks.
pub(crate) struct Readiness {
    pub(crate) resources: Arc<Resources>,
    pub(crate) sessions: Arc<dyn SessionStore>,
    pub(crate) journal: Arc<dyn Journal>,
    /// A store for documents only, if there is one.
    pub(crate) documents: Option<Arc<dyn DocumentStore>>,
    pub(crate) auth: Option<Auth>,
    pub(crate) queue: Option<Arc<dyn Queue>>,
    pub(crate) results: CachedResults,
}

/// The last results of the checks that ask stores.
#[derive(Default)]
pub(crate) struct CachedResults {
    store: CachedResult,
    documents: CachedResult,
}

/// When a store was checked last, and whether it answered.
type CachedResult = Mutex<Option<(Instant, bool)>>;

/// The service is ready, and this was checked.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Readiness", example = json!({ "status": "ready", "checks": [] }))]
pub(super) struct ReadinessReport {
    /// `ready`, or `degraded`: the service can do its work but for what a check says.
    #[schemars(extend("enum" = ["ready", "degraded"]))]
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
    /// The model that was checked, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<String>,
    /// The MCP server that was checked, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<String>,
    /// The result. What is `degraded` does not make the service unready.
    #[schemars(extend("enum" = ["ok", "degraded", "failed"]))]
    pub(super) status: &'static str,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<&'static str>,
}

impl Readiness {
    /// 200 if no check failed, 503 with a problem document if one did. Both list the checks.
    pub(crate) async fn respond(&self) -> Response {
        let stores = async {
            self.sessions.check().await?;
            self.journal.check().await
        };
        let store = is_usable("store", &self.results.store, stores).await;
        let has_keys = self.auth.as_ref().is_none_or(Auth::is_ready);
        let is_running = !self.resources.shutdown.is_draining();
        let mut checks = vec![
            check("store", store, FAILED, "the store can't be written to"),
            check(
                "authentication",
                has_keys,
                FAILED,
                "there are no keys to check tokens with yet",
            ),
            check("shutdown", is_running, FAILED, "the service is stopping"),
        ];
        if let Some(documents) = &self.documents {
            let cached = &self.results.documents;
            let usable = is_usable("document store", cached, documents.check()).await;
            let detail = "the document store does not answer";
            checks.push(check("documents", usable, FAILED, detail));
        }
        if let Some(queue) = &self.queue {
            // Without the queue, runs start later, from the store.
            let detail = "the queue can't be reached; runs are taken from the store";
            checks.push(check("queue", queue.is_reachable(), DEGRADED, detail));
        }
        checks.extend(self.models());
        checks.extend(self.mcp_servers());
        if checks.iter().any(|check| check.status == FAILED) {
            let mut problem = Problem::new(503, "the service is not ready");
            problem.members.insert("checks".to_owned(), json!(checks));
            problem.retry_after = Some(RETRY_SECONDS);
            return problem.into_response();
        }
        let is_degraded = checks.iter().any(|check| check.status == DEGRADED);
        let status = if is_degraded { DEGRADED } else { "ready" };
        json_response(&ReadinessReport { status, checks })
    }

    /// A check for each MCP server that can't be used, or one for all of them; none without any.
    fn mcp_servers(&self) -> Vec<ReadinessCheck> {
        let Some(remote) = self.resources.tools.remote() else {
            return Vec::new();
        };
        let detail = "the MCP server can't be used; agents are without its tools";
        let down = remote.health().into_iter().filter(|(_, is_up)| !is_up);
        let down = down.map(|(server, _)| ReadinessCheck {
            server: Some(server),
            ..check("mcp", false, DEGRADED, detail)
        });
        let mut checks: Vec<ReadinessCheck> = down.collect();
        if checks.is_empty() {
            checks.push(check("mcp", true, DEGRADED, ""));
        }
        checks
    }

    /// A check for each model that is down, or one for all of them.
    fn models(&self) -> Vec<ReadinessCheck> {
        let Resources {
            breakers, outages, ..
        } = &*self.resources;
        let mut down = outages.ongoing();
        down.extend(breakers.open());
        down.sort_unstable();
        down.dedup();
        if down.is_empty() {
            return vec![check("models", true, DEGRADED, "")];
        }
        let models = down.into_iter().map(|model| ReadinessCheck {
            model: Some(model),
            ..check(
                "models",
                false,
                DEGRADED,
                "the model failed several times in a row",
            )
        });
        models.collect()
    }
}

/// Whether `check` of a store succeeds in time; a result younger than [`RESULT_TTL`] is reused.
async fn is_usable(
    name: &'static str,
    cached: &CachedResult,
    check: impl Future<Output = Result<(), StoreError>>,
) -> bool {
    let mut cached = cached.lock().await;
    if let Some((when, is_usable)) = *cached
        && when.elapsed() < RESULT_TTL
    {
        return is_usable;
    }
    let is_usable = match tokio::time::timeout(CHECK_TIMEOUT, check).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::error!(%error, "the {name} can't be used");
            false
        }
        Err(_) => {
            tracing::error!("the {name} does not answer in time");
            false
        }
    };
    *cached = Some((Instant::now(), is_usable));
    is_usable
}

/// A check; one that does not succeed has the status `otherwise`.
fn check(
    name: &'static str,
    succeeded: bool,
    otherwise: &'static str,
    detail: &'static str,
) -> ReadinessCheck {
    ReadinessCheck {
        name,
        model: None,
        server: None,
        status: if succeeded { "ok" } else { otherwise },
        detail: (!succeeded).then_some(detail),
    }
}
