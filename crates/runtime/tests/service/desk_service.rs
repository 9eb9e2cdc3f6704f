//! The service that most tests call: the agent `desk` with its handler.

use agentgen_runtime::axum::Router;
use agentgen_runtime::model::Provider;
use agentgen_runtime::{AgentError, Registry, RunContext, Settings};

use crate::agents::desk::{Desk, SearchRequest, SearchResponse};
use crate::agents::{self, Handlers};

/// Returns hits for a query. Some queries cause failures: `panic`, `blocks`, `unwritten`, `slow`, `broken`.
pub struct DeskHandler;

impl Desk for DeskHandler {
    async fn search(
        &self,
        cx: &RunContext,
        request: SearchRequest,
    ) -> Result<SearchResponse, AgentError> {
        match request.query.as_str() {
            "panic" => panic!("a shelf fell over"),
            "unwritten" => Err(AgentError::not_implemented("search")),
            "blocks" => {
                std::thread::sleep(std::time::Duration::from_secs(60));
                Err(AgentError::internal("slept"))
            }
            "slow" => std::future::pending().await,
            "broken" => Err(AgentError::internal("password=hunter2")),
            "who" => Ok(SearchResponse {
                hits: vec![cx.subject().to_owned()],
            }),
            _ => {
                let mut hits = vec![format!("{}:{}", request.shelf, request.query)];
                hits.extend(request.tags);
                hits.extend(request.all.then(|| "all".to_owned()));
                Ok(SearchResponse { hits })
            }
        }
    }
}

/// The handlers of all test agents.
struct DeskHandlers;

impl Handlers for DeskHandlers {
    fn desk(&self) -> impl Desk {
        DeskHandler
    }
}

/// All agents of the tests.
pub fn registry() -> Registry {
    agents::registry(&DeskHandlers)
}

/// The service with its defaults.
pub fn app() -> Router {
    registry().into_router(Settings::default()).unwrap()
}

/// The service with another provider.
pub fn app_on(provider: impl Provider) -> Router {
    registry()
        .provider(provider)
        .into_router(Settings::default())
        .unwrap()
}
