//! The protocols by which a service is called: its own API, and those of other programs.
//!
//! Each adapter maps requests to [`AgentCall`](crate::http::calls::agent_call::AgentCall)s and to runs, and their events and pending
//! actions to what its protocol says.
//!
//! Invariant: an adapter authenticates, limits and executes nothing itself; what a caller may do, and whose data is theirs, is the same
//! in every protocol.

use std::sync::Arc;

use axum::Router;

use crate::error::start_error::StartError;
use crate::http::calls::api_state::ApiState;
use crate::http::calls::mounted_endpoint::MountedAgent;
use crate::http::layers::ErrorForm;
use crate::workflow::workflow_service::WorkflowService;

agentgen_schema::vocabulary! {
    /// A protocol by which a service is called.
    #[non_exhaustive]
    pub enum Protocol {
        /// Its own API, which its OpenAPI document describes.
        Native = "native",
    }
}

/// What adapters know of a service.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) agents: Arc<[MountedAgent]>,
    pub(crate) runs: Arc<WorkflowService>,
    pub(crate) state: Arc<ApiState>,
}

/// The paths of all protocols but the service's own, which no endpoint may have.
pub(crate) fn paths() -> impl Iterator<Item = &'static str> {
    std::iter::empty()
}

/// The form of errors at `path`, if it is a path of a protocol that has one.
pub(crate) fn error_form(_path: &str) -> Option<ErrorForm> {
    None
}

/// The routes of `protocols`, other than the service's own.
///
/// # Errors
/// What an adapter can't offer of this service.
pub(crate) fn routes(protocols: &[Protocol], _served: &Served) -> Result<Router, StartError> {
    let router = Router::new();
    for protocol in protocols {
        match protocol {
            Protocol::Native => {}
        }
    }
    Ok(router)
}
