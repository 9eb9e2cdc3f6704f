//! What every run of a service works with, whether an HTTP request or a workflow started it.

use std::sync::Arc;
use std::time::Duration;

use crate::documents::document_index::DocumentIndex;
use crate::engine::circuit_breaker::CircuitBreakers;
use crate::engine::circuit_breaker::Outages;
use crate::engine::tools::Tools;
use crate::model::Provider;
use crate::run::endpoint_schemas::EndpointSchemas;
use crate::run::shutdown::Shutdown;
use crate::session::conversations::Sessions;
use crate::spec::prompt::LoadedPrompt;
use crate::telemetry::metrics::Metrics;

/// The resources of a service, made once at start and shared by all its runs. Knows no HTTP.
pub(crate) struct Resources {
    /// Sends model requests for all agents.
    pub(crate) provider: Arc<dyn Provider>,
    /// The prompts of agents that were loaded. They are there for as long as a run has the resources.
    #[expect(dead_code, reason = "it only has to be there")]
    pub(crate) prompts: Vec<Arc<LoadedPrompt>>,
    /// The schemas of all endpoints.
    pub(crate) schemas: EndpointSchemas,
    /// The tools that models may call.
    pub(crate) tools: Tools,
    /// The models that failed several times in a row.
    pub(crate) outages: Arc<Outages>,
    /// One circuit breaker for each model.
    pub(crate) breakers: Arc<CircuitBreakers>,
    /// The metrics of the service.
    pub(crate) metrics: Arc<Metrics>,
    /// The conversations of callers. Workflow steps do not use them.
    pub(crate) sessions: Arc<Sessions>,
    /// The documents of all agents, with their embedder.
    pub(crate) documents: Arc<DocumentIndex>,
    /// The time limit of a run whose endpoint and agent set none.
    pub(crate) timeout: Duration,
    /// Says when new work is refused and when running work has to stop.
    pub(crate) shutdown: Shutdown,
}
