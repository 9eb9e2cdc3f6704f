//! The protocols by which a service is called: its own API, and those of other programs.
//!
//! Each adapter maps requests to [`AgentCall`](crate::http::calls::agent_call::AgentCall)s and to runs, and their events and pending
//! actions to what its protocol says.
//!
//! Invariant: an adapter authenticates, limits and executes nothing itself; what a caller may do, and whose data is theirs, is the same
//! in every protocol.

#[cfg(feature = "a2a")]
pub(crate) mod a2a;
#[cfg(feature = "openai")]
mod caller_messages;
#[cfg(feature = "mcp-server")]
pub(crate) mod mcp_adapter;
#[cfg(feature = "openai")]
mod openai_api;

use std::sync::Arc;

use axum::Router;
use serde_json::Value;

use crate::error::start_error::{SettingError, StartError};
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
        /// OpenAI's Chat Completions and Responses: agents are models.
        OpenAi = "openai",
        /// The Model Context Protocol: agents, endpoints and workflows are tools.
        Mcp = "mcp",
        /// The Agent2Agent protocol, 1.0 and 0.3.
        A2a = "a2a",
    }
}

/// How a protocol is spoken.
struct Adapter {
    protocol: Protocol,
    /// The paths that no endpoint may have.
    paths: &'static [&'static str],
    /// Its routes, or what it can't offer of a service.
    routes: fn(&Served) -> Result<Router, StartError>,
    /// The form of errors at a path, if it is one of its own and has one.
    error_form: fn(&str) -> Option<ErrorForm>,
}

/// Those of the protocols that this program was built with.
const ADAPTERS: &[Adapter] = &[
    #[cfg(feature = "openai")]
    openai_api::ADAPTER,
    #[cfg(feature = "mcp-server")]
    mcp_adapter::ADAPTER,
    #[cfg(feature = "a2a")]
    a2a::ADAPTER,
];

impl Protocol {
    /// Those that this program was built with.
    pub(crate) fn built() -> Vec<Self> {
        let all = Self::ALL.into_iter();
        all.filter(|protocol| protocol.missing_feature().is_none())
            .collect()
    }

    /// The feature of this crate that is missing for it, if one is.
    pub(crate) const fn missing_feature(self) -> Option<&'static str> {
        match self {
            Self::OpenAi if !cfg!(feature = "openai") => Some("openai"),
            Self::Mcp if !cfg!(feature = "mcp-server") => Some("mcp-server"),
            Self::A2a if !cfg!(feature = "a2a") => Some("a2a"),
            Self::Native | Self::OpenAi | Self::Mcp | Self::A2a => None,
        }
    }

    /// Whether any call of an endpoint by it is a run in the journal.
    const fn runs_agents(self) -> bool {
        matches!(self, Self::A2a)
    }
}

/// Whether any call of an endpoint may be a run in the journal.
pub(crate) fn run_agents(protocols: &[Protocol]) -> bool {
    protocols.iter().any(|protocol| protocol.runs_agents())
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

#[allow(
    dead_code,
    reason = "for protocols that a program may be built without"
)]
impl Served {
    /// What the service is called.
    fn title(&self) -> &str {
        self.document["info"]["title"].as_str().unwrap_or("agents")
    }

    /// The version of its API.
    fn version(&self) -> &str {
        self.document["info"]["version"].as_str().unwrap_or("0.0.0")
    }
}

/// The paths of all protocols but the service's own, which no endpoint may have.
pub(crate) fn paths() -> impl Iterator<Item = &'static str> {
    let adapters = ADAPTERS.iter();
    adapters.flat_map(|adapter| adapter.paths.iter().copied())
}

/// The form of errors at `path`, if it is a path of a protocol that has one.
pub(crate) fn error_form(path: &str) -> Option<ErrorForm> {
    let mut adapters = ADAPTERS.iter();
    adapters.find_map(|adapter| (adapter.error_form)(path))
}

/// The routes of `protocols`, other than the service's own.
///
/// # Errors
/// A protocol that this program was built without, and what an adapter can't offer of this service.
pub(crate) fn routes(protocols: &[Protocol], served: &Served) -> Result<Router, StartError> {
    let mut router = Router::new();
    for protocol in protocols {
        if let Some(feature) = protocol.missing_feature() {
            // A program may bring settings of its own.
            return Err(SettingError::missing_feature("expose", feature).into());
        }
        for adapter in ADAPTERS {
            if adapter.protocol == *protocol {
                router = router.merge((adapter.routes)(served)?);
            }
        }
    }
    Ok(router)
}
