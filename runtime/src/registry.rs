//! All agents of a service, and the routes they make.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::http::Uri;
use axum::routing::any;

use crate::cors::{self, Origins};
use crate::echo::Echo;
use crate::endpoint::{EndpointSpec, ParameterLocation};
use crate::gate::{self, Gate};
use crate::health::Readiness;
use crate::idempotency::Answers;
use crate::memory::MemorySessions;
use crate::metrics::Metrics;
use crate::outage::Outage;
use crate::problem::Problem;
use crate::provider::Provider;
use crate::rate::Limiter;
use crate::respond::{Hosts, frame, problem};
use crate::router::{Limits, Live, Methods, Shared, answer};
use crate::run::Drain;
use crate::service::Service;
use crate::session::{SessionStore, Sessions};
use crate::settings::Settings;
use crate::spec::Rate;
use crate::start::StartError;
use crate::system::{self, System};

/// All agents of a service.
pub struct Registry {
    openapi: &'static str,
    services: Vec<Service>,
    provider: Arc<dyn Provider>,
    sessions: Arc<dyn SessionStore>,
}

impl Registry {
    /// A registry without agents; `openapi` is the JSON document that describes them.
    #[must_use]
    pub fn new(openapi: &'static str) -> Self {
        Self {
            openapi,
            services: Vec::new(),
            provider: Arc::new(Echo),
            sessions: Arc::new(MemorySessions::default()),
        }
    }

    /// With one more agent.
    #[must_use]
    pub fn service(mut self, service: Service) -> Self {
        self.services.push(service);
        self
    }

    /// With another provider than [`Echo`].
    #[must_use]
    pub fn provider(mut self, provider: impl Provider) -> Self {
        self.provider = Arc::new(provider);
        self
    }

    /// With the sessions kept somewhere else than in memory.
    #[must_use]
    pub fn sessions(mut self, store: impl SessionStore) -> Self {
        self.sessions = Arc::new(store);
        self
    }

    /// Everything the service answers, without a socket.
    ///
    /// # Errors
    /// A broken OpenAPI document, an agent registered twice, an endpoint whose path can't be or is taken.
    pub fn into_router(self, settings: Settings) -> Result<Router, StartError> {
        self.build(settings, Hosts::Any).map(|(router, _)| router)
    }

    /// As [`Registry::into_router`], and the means to end what is running.
    pub(crate) fn build(
        self,
        settings: Settings,
        hosts: Hosts,
    ) -> Result<(Router, Drain), StartError> {
        let origins = Origins::new(&settings.cors_origins)
            .map_err(|detail| StartError::setting("cors.origins", detail))?;
        let slugs = self
            .services
            .iter()
            .map(|service| service.agent.slug)
            .collect::<BTreeSet<_>>();
        let slugs = Arc::new(slugs);
        let drain = Drain::new();
        let outage = Arc::new(Outage::default());
        let metrics = Arc::new(Metrics::new());
        let system = System::new(
            self.openapi,
            &self.services,
            settings.auth.clone(),
            Readiness::new(
                Arc::clone(&self.sessions),
                Arc::clone(&outage),
                drain.clone(),
            ),
            settings.metrics.then(|| Arc::clone(&metrics)),
            settings.docs,
        )?;
        let gate = Gate::new(
            settings.concurrency,
            common("address", settings.rates.address)?,
            settings.trusted_proxies,
            Arc::clone(&metrics),
            drain.clone(),
        );
        let shared = Shared {
            provider: self.provider,
            outage,
            metrics,
            limits: limits(&settings)?,
            sessions: Arc::new(Sessions::new(self.sessions)),
            answers: Answers::default(),
            auth: settings.auth,
            body_limit: settings.body_limit,
            timeout: settings.timeout,
            drain: drain.clone(),
        };
        let mut router = mount(system::routes(system), self.services, Arc::new(shared))?
            .fallback(move |uri: Uri| ready(problem(missing(&slugs, uri.path()))))
            .layer(axum::middleware::from_fn_with_state(
                Arc::new(gate),
                gate::pass,
            ));
        if !origins.is_empty() {
            router = router.layer(axum::middleware::from_fn_with_state(
                Arc::new(origins),
                cors::allow,
            ));
        }
        let router = router.layer(axum::middleware::from_fn_with_state(hosts, frame));
        Ok((router, drain))
    }
}

impl Service {
    /// The agent's endpoints alone, to be merged into a router of your own; `provider`, sessions and settings are the
    /// defaults, and callers are asked for a token if the environment says so. What listens, and to whom, is yours
    /// to decide. If the service can't start, that is logged, and the router answers nothing.
    pub fn into_router(self) -> Router {
        let built = Settings::from_env().and_then(|settings| {
            let shared = Shared {
                provider: Arc::new(Echo),
                outage: Arc::default(),
                metrics: Arc::new(Metrics::new()),
                limits: limits(&settings)?,
                sessions: Arc::new(Sessions::new(Arc::new(MemorySessions::default()))),
                answers: Answers::default(),
                auth: settings.auth,
                body_limit: settings.body_limit,
                timeout: settings.timeout,
                drain: Drain::new(),
            };
            mount(Router::new(), vec![self], Arc::new(shared))
        });
        let router = built.unwrap_or_else(|error| {
            tracing::error!(%error, "the agent can't be served");
            Router::new()
        });
        router.layer(axum::middleware::from_fn_with_state(Hosts::Any, frame))
    }
}

/// Adds the endpoints of `services` to `router`. axum panics on a path it can't take, so everything is tried before.
fn mount(
    mut router: Router,
    services: Vec<Service>,
    shared: Arc<Shared>,
) -> Result<Router, StartError> {
    let mut probe = matchit::Router::new();
    for path in system::PATHS {
        probe.insert(path, ()).map_err(|error| wrong(path, error))?;
    }
    let mut slugs = BTreeSet::new();
    let mut paths = BTreeMap::<&'static str, Methods>::new();
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
        for mounted in service.endpoints {
            let spec = mounted.spec;
            check_path(spec)?;
            if !paths.contains_key(spec.path) {
                probe
                    .insert(spec.path, ())
                    .map_err(|error| wrong(spec.operation_id, error))?;
            }
            let own = spec
                .rate
                .map(|rate| limiter(spec.operation_id, rate))
                .transpose()?;
            let limiter = own.or_else(|| common.clone());
            let live = Live {
                agent,
                mounted,
                limiter,
            };
            if paths
                .entry(spec.path)
                .or_default()
                .insert(spec.method, live)
                .is_some()
            {
                let detail = format!("{} {} is taken", spec.method.as_str(), spec.path);
                return Err(wrong(spec.operation_id, detail));
            }
        }
    }
    for (path, methods) in paths {
        let (shared, methods) = (Arc::clone(&shared), Arc::new(methods));
        let handler = move |path: Result<RawPathParams, RawPathParamsRejection>,
                            request: Request| {
            answer(Arc::clone(&shared), Arc::clone(&methods), path, request)
        };
        router = router.route(path, any(handler));
    }
    Ok(router)
}

fn missing(slugs: &BTreeSet<&str>, path: &str) -> Problem {
    let rest = path.strip_prefix("/v1/agents/").unwrap_or_default();
    match rest.split('/').next() {
        Some(slug) if !slug.is_empty() && !slugs.contains(slug) => {
            Problem::new(404, format!("there is no agent `{slug}`"))
        }
        _ => Problem::new(404, "there is nothing here"),
    }
}

/// The limits that the operator sets for all endpoints.
fn limits(settings: &Settings) -> Result<Limits, StartError> {
    Ok(Limits {
        subject: common("subject", settings.rates.subject)?,
        agent: common("agent", settings.rates.agent)?,
        proxies: settings.trusted_proxies,
    })
}

fn common(name: &'static str, rate: Option<Rate>) -> Result<Option<Limiter>, StartError> {
    let limiter = |rate| {
        Limiter::new(name, rate)
            .ok_or_else(|| StartError::setting(format!("rate.{name}"), "admits nothing"))
    };
    rate.map(limiter).transpose()
}

fn limiter(name: &'static str, rate: Rate) -> Result<Arc<Limiter>, StartError> {
    let limiter = Limiter::new("default", rate).ok_or_else(|| {
        let Rate { requests, seconds } = rate;
        wrong(
            name,
            format!("a rate of {requests} requests in {seconds} seconds admits nothing"),
        )
    })?;
    Ok(Arc::new(limiter))
}

fn check_path(spec: &EndpointSpec) -> Result<(), StartError> {
    let path = spec.path;
    if !path.starts_with('/') {
        return Err(wrong(
            spec.operation_id,
            format!("the path `{path}` does not begin with /"),
        ));
    }
    if path
        .split('/')
        .any(|segment| segment.starts_with([':', '*']))
    {
        let detail = format!("a segment of the path `{path}` begins with : or *");
        return Err(wrong(spec.operation_id, detail));
    }
    let of_path = |location| location == ParameterLocation::Path;
    let missing = spec.parameters.iter().find(|parameter| {
        of_path(parameter.location) && !path.contains(&format!("{{{}}}", parameter.name))
    });
    match missing {
        Some(parameter) => {
            let detail = format!("the path `{path}` has no parameter {{{}}}", parameter.name);
            Err(wrong(spec.operation_id, detail))
        }
        None => Ok(()),
    }
}

fn wrong(operation_id: &'static str, detail: impl ToString) -> StartError {
    StartError::Endpoint {
        operation_id,
        detail: detail.to_string(),
    }
}
