//! Whether the service is ready: `/readyz`, with what was checked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tokio::sync::Mutex;

use crate::auth::Auth;
use crate::outage::Outage;
use crate::respond::{Finished, json};
use crate::run::Drain;
use crate::session_store::SessionStore;

/// How long the store may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// For how long the store's answer holds, so that nobody can keep it busy by asking.
const HOLDS: Duration = Duration::from_secs(1);

/// What has to be well for a service to be ready.
pub(crate) struct Readiness {
    store: Arc<dyn SessionStore>,
    outage: Arc<Outage>,
    auth: Option<Auth>,
    drain: Drain,
    asked: Mutex<Option<(Instant, bool)>>,
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    checks: [Check; 4],
}

#[derive(Serialize)]
struct Check {
    name: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

impl Readiness {
    /// Readiness of a service that keeps its conversations in `store`.
    pub(crate) fn new(
        store: Arc<dyn SessionStore>,
        outage: Arc<Outage>,
        auth: Option<Auth>,
        drain: Drain,
    ) -> Self {
        Self {
            store,
            outage,
            auth,
            drain,
            asked: Mutex::default(),
        }
    }

    /// 200 if everything is well, 503 if not; the body says what was looked at.
    pub(crate) async fn respond(&self) -> Response {
        let checks = [
            check(
                "store",
                self.store_answers().await,
                "the store does not answer",
            ),
            check(
                "provider",
                !self.outage.is_known(),
                "the provider failed several times in a row",
            ),
            check(
                "authentication",
                self.auth.as_ref().is_none_or(Auth::is_ready),
                "there are no keys to check tokens with yet",
            ),
            check("shutdown", !self.drain.begun(), "the service is stopping"),
        ];
        let is_ready = checks.iter().all(|check| check.detail.is_none());
        let status = if is_ready { "ready" } else { "unready" };
        let mut response = json(&Report { status, checks });
        if !is_ready {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response.extensions_mut().insert(Finished);
        }
        response
    }

    async fn store_answers(&self) -> bool {
        let mut asked = self.asked.lock().await;
        if let Some((when, answers)) = *asked
            && when.elapsed() < HOLDS
        {
            return answers;
        }
        let answers = match tokio::time::timeout(PATIENCE, self.store.check()).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!(%error, "the store does not answer");
                false
            }
            Err(_) => {
                tracing::error!("the store does not answer in time");
                false
            }
        };
        *asked = Some((Instant::now(), answers));
        answers
    }
}

fn check(name: &'static str, is_well: bool, detail: &'static str) -> Check {
    Check {
        name,
        status: if is_well { "ok" } else { "failed" },
        detail: (!is_well).then_some(detail),
    }
}
