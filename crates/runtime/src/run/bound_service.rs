//! An agent with the handlers of its endpoints.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::AgentError;
use crate::future::BoxFuture;
use crate::run::reply::Reply;
use crate::run::run_context::RunContext;
use crate::run::run_input::Input;
use crate::schema::{Schema, Validate};
use crate::spec::agent_spec::AgentSpec;
use crate::spec::endpoint_spec::EndpointSpec;

/// An agent and the handlers of its endpoints.
#[derive(Debug)]
pub struct Service {
    pub(crate) agent: &'static AgentSpec,
    pub(crate) endpoints: Vec<BoundHandler>,
}

/// An endpoint and its handler.
#[derive(Clone)]
pub(crate) struct BoundHandler {
    /// The endpoint.
    pub(crate) spec: &'static EndpointSpec,
    /// Reads the request JSON, and answers it.
    pub(crate) call: Call,
}

/// A handler whose types are erased. It refuses a request that is invalid under the input schema before anything runs.
pub(crate) type Call =
    Arc<dyn Fn(RunContext, Input, &Schema) -> Result<HandlerFuture, AgentError> + Send + Sync>;

/// A handler at work; its answer is written as JSON.
pub(crate) type HandlerFuture = BoxFuture<'static, Result<Reply<String>, AgentError>>;

impl Service {
    /// An agent without endpoints.
    #[must_use]
    pub fn new(agent: &'static AgentSpec) -> Self {
        Self {
            agent,
            endpoints: Vec::new(),
        }
    }

    /// Has `handler` answer the endpoint.
    #[must_use]
    pub fn endpoint<H, F, Req, Res>(mut self, spec: &'static EndpointSpec, handler: H) -> Self
    where
        H: Fn(RunContext, Req) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply<Res>, AgentError>> + Send + 'static,
        Req: DeserializeOwned + Validate + 'static,
        Res: Serialize + 'static,
    {
        let call = Arc::new(
            move |cx: RunContext,
                  input: Input,
                  schema: &Schema|
                  -> Result<HandlerFuture, AgentError> {
                let answer = handler(cx, input.typed::<Req>(schema)?);
                Ok(Box::pin(async move { json(answer.await?) }))
            },
        );
        self.endpoints.push(BoundHandler { spec, call });
        self
    }

    /// The endpoints.
    pub(crate) fn specs(&self) -> impl Iterator<Item = &'static EndpointSpec> {
        self.endpoints.iter().map(|handler| handler.spec)
    }
}

impl fmt::Debug for BoundHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BoundHandler")
            .field(&self.spec.operation_id)
            .finish()
    }
}

fn json<T: Serialize>(reply: Reply<T>) -> Result<Reply<String>, AgentError> {
    let text = serde_json::to_string(&reply.value).map_err(AgentError::internal)?;
    Ok(reply.map(|_| text))
}
