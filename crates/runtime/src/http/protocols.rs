//! The protocols by which a service is called: its own API, and those of other programs.
//!
//! Each adapter maps requests to [`AgentCall`](crate::http::calls::agent_call::AgentCall)s and to runs, and their events and pending
//! actions to what its protocol says.
//!
//! Invariant: an adapter authenticates, limits and executes nothing itself; what a caller may do, and whose data is theirs, is the same
//! in every protocol.

#[cfg(feature = "mcp-server")]
mod mcp_adapter;

use std::sync::Arc;

use axum::Router;
use serde_json::Value;

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
        /// The Model Context Protocol: agents, endpoints and workflows are tools.
        Mcp = "mcp",
    }
}

impl Protocol {
    /// Whether this program speaks it: each has a cargo feature.
    pub(crate) const fn is_built(self) -> bool {
        match self {
            Self::Native => true,
            Self::Mcp => cfg!(feature = "mcp-server"),
        }
    }

    /// Those that this program speaks.
    pub(crate) fn built() -> Vec<Self> {
        let all = Self::ALL.into_iter();
        all.filter(|protocol| protocol.is_built()).collect()
    }
}

/// What adapters know of a service.
#[allow(
    dead_code,
    reason = "for protocols that a program may be built without"
)]
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) agents: Arc<[MountedAgent]>,
    pub(crate) runs: Arc<WorkflowService>,
    pub(crate) state: Arc<ApiState>,
    /// The OpenAPI document.
    pub(crate) document: Arc<Value>,
}

/// The paths of all protocols but the service's own, which no endpoint may have.
pub(crate) fn paths() -> impl Iterator<Item = &'static str> {
    #[cfg(feature = "mcp-server")]
    let mcp = mcp_adapter::PATHS;
    #[cfg(not(feature = "mcp-server"))]
    let mcp: [&str; 0] = [];
    mcp.into_iter()
}

/// The form of errors at `path`, if it is a path of a protocol that has one.
pub(crate) fn error_form(path: &str) -> Option<ErrorForm> {
    match path {
        #[cfg(feature = "mcp-server")]
        mcp_adapter::MCP => Some(mcp_adapter::error_form),
        _ => None,
    }
}

/// The routes of `protocols`, other than the service's own.
///
/// # Errors
/// What an adapter can't offer of this service.
pub(crate) fn routes(protocols: &[Protocol], served: &Served) -> Result<Router, StartError> {
    #[cfg(not(feature = "mcp-server"))]
    let _ = served;
    let mut router = Router::new();
    for protocol in protocols {
        router = match protocol {
            Protocol::Native => router,
            #[cfg(feature = "mcp-server")]
            Protocol::Mcp => router.merge(mcp_adapter::routes(served)?),
            #[allow(unreachable_patterns, reason = "where all of them are built")]
            _ => return Err(not_built(*protocol)),
        };
    }
    Ok(router)
}

/// The error for a protocol that this program was built without.
pub(crate) fn not_built(protocol: Protocol) -> StartError {
    let word = protocol.as_str();
    let detail = format!("this program was built without the protocol `{word}`");
    StartError::setting("expose", detail)
}
