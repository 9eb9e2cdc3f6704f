//! `/metrics` at an address of its own, which needs no token: the network decides who reaches it.

use std::future::{pending, ready};
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::error::problem::Problem;
use crate::error::start_error::StartError;
use crate::http::api::system_api::metrics_route;
use crate::http::layers::{HostPolicy, with_request_context};
use crate::server::listener::{ConnectionLimits, listen};
use crate::settings::Settings;
use crate::telemetry::metrics::Metrics;

/// The setting.
pub(super) const METRICS_ADDRESS: &str = "metrics.address";
/// What a connection may cost. Few programs read metrics, each of them every few seconds.
const LIMITS: ConnectionLimits = ConnectionLimits {
    head: Duration::from_secs(10),
    idle: Duration::from_secs(75),
    write: Duration::from_secs(30),
    max_connections: 64,
    share: 1.0,
};

/// Listens at the address that the settings have for metrics, if any.
///
/// # Errors
/// A [`StartError::Setting`] if that is not possible.
pub(super) async fn bind(settings: &Settings) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = &settings.metrics_address else {
        return Ok(None);
    };
    let bound = TcpListener::bind(address).await;
    let bound = bound
        .map_err(|error| StartError::setting(METRICS_ADDRESS, format!("`{address}`: {error}")))?;
    if let Ok(address) = bound.local_addr() {
        tracing::info!(%address, "metrics are served at metrics.address");
    }
    Ok(Some(bound))
}

/// Serves `metrics` at `listener`, if there is one, until the tasks are dropped.
pub(super) fn serve(listener: Option<TcpListener>, metrics: &Arc<Metrics>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if let Some(listener) = listener {
        let hosts = hosts(listener.local_addr().ok());
        let context = move |request: Request, next: Next| async move {
            with_request_context(
                hosts,
                None,
                |_| None,
                request,
                async |request| next.run(request).await,
            )
            .await
        };
        let router: Router = metrics_route(Arc::clone(metrics))
            .fallback(|| ready(Problem::new(404, "there is nothing here").into_response()))
            .layer(from_fn(context));
        let router = Arc::new(RwLock::new(router));
        let metrics = Arc::clone(metrics);
        tasks.spawn(async move {
            listen(listener, router, LIMITS, metrics, pending(), ready(())).await;
        });
    }
    tasks
}

/// A web page must not read the metrics of its visitor's machine.
fn hosts(address: Option<SocketAddr>) -> HostPolicy {
    if address.is_some_and(|address| address.ip().to_canonical().is_loopback()) {
        HostPolicy::Loopback
    } else {
        HostPolicy::Any
    }
}
