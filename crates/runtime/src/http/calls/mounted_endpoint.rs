//! Endpoints that are served, and who may call them.

use std::sync::Arc;

use axum::http::request::Parts;

use crate::auth::claims::Caller;
use crate::error::AgentError;
use crate::http::admission::{admit, require_role};
use crate::http::api_error::{ApiError, Denied};
use crate::http::calls::api_state::ApiState;
use crate::http::layers::rate_limiter::{Limiter, RateStatus};
use crate::run::bound_service::BoundHandler;
use crate::run::run_input::Input;
use crate::schema::Schema;
use crate::spec::agent_spec::AgentSpec;
use crate::telemetry::endpoint_metrics::EndpointMetrics;
use crate::workflow::workflow_service::WorkflowService;

/// An endpoint that is served.
pub(crate) struct MountedEndpoint {
    /// Its agent.
    pub(crate) agent: &'static AgentSpec,
    /// Its spec and its handler.
    pub(crate) handler: BoundHandler,
    /// The schema of its requests.
    pub(crate) input_schema: Schema,
    /// Its rate limiter: its own, or the one that the agent's other endpoints share.
    pub(crate) limiter: Option<Arc<Limiter>>,
    /// Its metrics.
    pub(crate) metrics: Arc<EndpointMetrics>,
    /// Where runs are; `None` in a router of one agent.
    pub(crate) runs: Option<Arc<WorkflowService>>,
    /// Whether an answer may have to wait for a person. Each call of it is a run then.
    pub(crate) may_wait: bool,
}

/// An agent that is served, with its endpoints.
#[allow(
    dead_code,
    reason = "for protocols that a program may be built without"
)]
#[derive(Clone)]
pub(crate) struct MountedAgent {
    pub(crate) agent: &'static AgentSpec,
    pub(crate) endpoints: Vec<Arc<MountedEndpoint>>,
}

impl MountedEndpoint {
    /// The caller that `parts` authenticate, and what is left of the rates. The protocol answers with the headers of the rates, and
    /// with 429 where they are used up: see [`with_rate_headers`](crate::http::layers::rate_limits::with_rate_headers).
    ///
    /// # Errors
    /// 401 and 403.
    pub(crate) async fn admit(
        &self,
        state: &ApiState,
        parts: &Parts,
    ) -> Result<(Caller, Option<RateStatus>), Denied> {
        let caller = admit(state.auth.as_ref(), &parts.headers, &[]).await?;
        let status = self.admit_caller(state, parts, &caller)?;
        Ok((caller, status))
    }

    /// As [`admit`](Self::admit), for a caller that is authenticated.
    ///
    /// # Errors
    /// 403.
    pub(crate) fn admit_caller(
        &self,
        state: &ApiState,
        parts: &Parts,
        caller: &Caller,
    ) -> Result<Option<RateStatus>, Denied> {
        require_role(caller, self.handler.spec.roles)?;
        let (limiter, slug) = (self.limiter.as_deref(), self.agent.slug);
        Ok(state.limits.check_endpoint(caller, parts, limiter, slug))
    }

    /// Checks an input before anything runs.
    ///
    /// # Errors
    /// 422 with everything that is wrong with it.
    pub(crate) async fn check_input(&self, input: &mut Input) -> Result<(), ApiError> {
        let schema = self.input_schema.clone();
        let violations = input.inspect(move |json| schema.violations(json)).await?;
        match violations.is_empty() {
            true => Ok(()),
            false => Err(AgentError::Invalid(violations).into()),
        }
    }
}
