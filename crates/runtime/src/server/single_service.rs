//! One agent's endpoints as a router, for a program that serves the rest itself.

use axum::Router;
use axum::middleware::{Next, from_fn};

use crate::error::start_error::StartError;
use crate::http::layers::{HostPolicy, with_request_context};
use crate::run::bound_service::Service;
use crate::server::assembly::{Overrides, api_state, assemble};
use crate::server::mount::{mount, routes};
use crate::settings::Settings;
use crate::store::Store;

impl Service {
    /// The agent's endpoints alone, to be merged into a router of your own: with the settings of the environment, with
    /// sessions in memory and without tools. Callers need a token if the environment sets up authentication. What
    /// listens, and to whom, is yours to decide. If the service can't start, that is logged, and the router has no
    /// routes.
    pub fn into_router(self) -> Router {
        let router = Settings::from_env().and_then(|settings| router(self, &settings));
        let router = router.unwrap_or_else(|error| {
            tracing::error!(%error, "the agent can't be served");
            Router::new()
        });
        router.layer(from_fn(|request, next: Next| {
            let next = async |request| next.run(request).await;
            with_request_context(HostPolicy::Any, None, |_| None, request, next)
        }))
    }
}

fn router(service: Service, settings: &Settings) -> Result<Router, StartError> {
    let services = vec![service];
    let store = Store::memory();
    let assembled = assemble(settings, &store, &services, Overrides::default(), None)?;
    let state = api_state(settings, &store, &assembled.resources)?;
    let agents = mount(services, None, &state)?;
    routes(Router::new(), &agents, &state)
}
