//! Mounts the endpoints of agents. A path that axum would panic at is a [`StartError`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use agentgen_schema::stream_path;
use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::routing::any;

use crate::engine::fallbacks::Answerer;
use crate::error::problem::Problem;
use crate::error::start_error::StartError;
use crate::http::api;
use crate::http::api::agent_api::{Methods, Route, handle};
use crate::http::calls::api_state::ApiState;
use crate::http::calls::mounted_endpoint::{MountedAgent, MountedEndpoint};
use crate::http::content_negotiation::Offer;
use crate::http::layers::rate_limiter::Limiter;
use crate::http::protocols;
use crate::run::bound_service::Service;
use crate::spec::agent_spec::{AgentSpec, Rate};
use crate::spec::endpoint_spec::{EndpointSpec, Handler, ParameterLocation};
use crate::telemetry::endpoint_metrics::EndpointMetrics;
use crate::workflow::workflow_service::WorkflowService;

/// The endpoints of `services`, agent by agent; `runs` has the runs of those that may have to wait for a person.
pub(crate) fn mount(
    services: Vec<Service>,
    runs: Option<&Arc<WorkflowService>>,
    state: &ApiState,
) -> Result<Vec<MountedAgent>, StartError> {
    let mut slugs = BTreeSet::new();
    let mut agents = Vec::new();
    for service in services {
        let agent = service.agent;
        if !slugs.insert(agent.slug) {
            return Err(StartError::Agent(agent.slug));
        }
        let common = agent
            .policy
            .rate
            .map(|rate| limiter(agent.slug, rate))
            .transpose()?;
        let mut endpoints = Vec::new();
        for handler in service.endpoints {
            let spec = handler.spec;
            check_spec(spec)?;
            let own = spec
                .rate
                .map(|rate| limiter(spec.operation_id, rate))
                .transpose()?;
            let limiter = own.or_else(|| common.clone());
            let metrics = EndpointMetrics::new(&state.resources.metrics, agent.slug, spec.name);
            endpoints.push(Arc::new(MountedEndpoint {
                agent,
                input_schema: state.resources.schemas.input(spec)?,
                runs: runs.cloned(),
                may_wait: may_wait(agent, spec, state),
                handler,
                limiter,
                metrics: Arc::new(metrics),
            }));
        }
        agents.push(MountedAgent { agent, endpoints });
    }
    Ok(agents)
}

/// Adds the endpoints of `agents` to `router`, each at its paths. axum panics on an invalid or conflicting path, so matchit tries
/// each one first.
pub(crate) fn routes(
    mut router: Router,
    agents: &[MountedAgent],
    state: &Arc<ApiState>,
) -> Result<Router, StartError> {
    let mut probe = matchit::Router::new();
    for path in api::own_paths().chain(protocols::paths()) {
        probe
            .insert(path, ())
            .map_err(|error| endpoint_error(path, error))?;
    }
    let mut paths = BTreeMap::<String, Methods>::new();
    for endpoint in agents.iter().flat_map(|agent| &agent.endpoints) {
        let spec = endpoint.handler.spec;
        for (path, offer) in offers(spec) {
            if !paths.contains_key(&path) {
                probe
                    .insert(&path, ())
                    .map_err(|error| endpoint_error(spec.operation_id, error))?;
            }
            let endpoint = Arc::clone(endpoint);
            let route = Route { endpoint, offer };
            let methods = paths.entry(path.clone()).or_default();
            if methods.insert(spec.method, route).is_some() {
                let detail = format!("{} {path} is taken", spec.method.as_str());
                return Err(endpoint_error(spec.operation_id, detail));
            }
        }
    }
    for (path, methods) in paths {
        let (state, methods) = (Arc::clone(state), Arc::new(methods));
        let handler = move |path: Result<RawPathParams, RawPathParamsRejection>,
                            request: Request| {
            handle(Arc::clone(&state), Arc::clone(&methods), path, request)
        };
        router = router.route(&path, any(handler));
    }
    Ok(router)
}

/// Whether an answer of the endpoint may have to wait for a person.
fn may_wait(agent: &'static AgentSpec, spec: &EndpointSpec, state: &ApiState) -> bool {
    let answerer = Answerer {
        agent,
        replaced: None,
    };
    spec.handler != Handler::Search && state.resources.tools.handoff_targets.asks(answerer)
}

/// The paths of an endpoint, and what each offers.
fn offers(spec: &EndpointSpec) -> Vec<(String, Offer)> {
    let path = spec.path.to_owned();
    if spec.stream {
        let events = stream_path(spec.path);
        vec![(path, Offer::JsonOrEvents), (events, Offer::Events)]
    } else {
        vec![(path, Offer::Json)]
    }
}

fn limiter(name: &'static str, rate: Rate) -> Result<Arc<Limiter>, StartError> {
    let limiter = Limiter::new("default", rate).ok_or_else(|| {
        let Rate { requests, seconds } = rate;
        endpoint_error(
            name,
            format!("a rate of {requests} requests in {seconds} seconds admits nothing"),
        )
    })?;
    Ok(Arc::new(limiter))
}

fn check_spec(spec: &EndpointSpec) -> Result<(), StartError> {
    let path = spec.path;
    if !path.starts_with('/') {
        return Err(endpoint_error(
            spec.operation_id,
            format!("the path `{path}` does not begin with /"),
        ));
    }
    if path
        .split('/')
        .any(|segment| segment.starts_with([':', '*']))
    {
        let detail = format!("a segment of the path `{path}` begins with : or *");
        return Err(endpoint_error(spec.operation_id, detail));
    }
    if !matches!(spec.status, 200 | 201 | 202 | 204) {
        let detail = format!("{} is not the status of an answer", spec.status);
        return Err(endpoint_error(spec.operation_id, detail));
    }
    let of_path = |location| location == ParameterLocation::Path;
    let missing = spec.parameters.iter().find(|parameter| {
        of_path(parameter.location) && !path.contains(&format!("{{{}}}", parameter.name))
    });
    match missing {
        Some(parameter) => {
            let detail = format!("the path `{path}` has no parameter {{{}}}", parameter.name);
            Err(endpoint_error(spec.operation_id, detail))
        }
        None => Ok(()),
    }
}

fn endpoint_error(operation_id: &'static str, detail: impl ToString) -> StartError {
    StartError::Endpoint {
        operation_id,
        detail: detail.to_string(),
    }
}

/// The response for a path without a route.
pub(crate) fn not_found(slugs: &BTreeSet<&str>, path: &str) -> Problem {
    let rest = path.strip_prefix("/v1/agents/").unwrap_or_default();
    match rest.split('/').next() {
        Some(slug) if !slug.is_empty() && !slugs.contains(slug) => {
            Problem::new(404, format!("there is no agent `{slug}`"))
        }
        _ => Problem::new(404, "there is nothing here"),
    }
}
