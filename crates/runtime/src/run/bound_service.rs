//! An agent with the handlers of its endpoints.

use std::sync::Arc;
use std::{fmt, io};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::AgentError;
use crate::future::{BoxFuture, MOST_BYTES_AT_ONCE, off_worker};
use crate::run::reply::Reply;
use crate::run::run_context::RunContext;
use crate::run::run_input::Input;
use crate::schema::{Schema, Validate};
use crate::spec::agent_spec::AgentSpec;
use crate::spec::endpoint_spec::EndpointSpec;
use crate::spec::prompt::LoadedPrompt;

/// An agent and the handlers of its endpoints.
pub struct Service {
    pub(crate) agent: &'static AgentSpec,
    pub(crate) endpoints: Vec<BoundHandler>,
    /// The prompt of an agent that was loaded, which is to be kept for as long as the agent runs.
    pub(crate) prompt: Option<Arc<LoadedPrompt>>,
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
pub(crate) type Call = Arc<
    dyn Fn(RunContext, Input, &Schema) -> BoxFuture<'static, Result<HandlerFuture, AgentError>>
        + Send
        + Sync,
>;

/// A handler at work; its answer is written as JSON.
pub(crate) type HandlerFuture = BoxFuture<'static, Result<Reply<String>, AgentError>>;

impl Service {
    /// An agent without endpoints.
    #[must_use]
    pub fn new(agent: &'static AgentSpec) -> Self {
        Self {
            agent,
            endpoints: Vec::new(),
            prompt: None,
        }
    }

    /// Has `handler` answer the endpoint.
    #[must_use]
    pub fn endpoint<H, F, Req, Res>(mut self, spec: &'static EndpointSpec, handler: H) -> Self
    where
        H: Fn(RunContext, Req) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply<Res>, AgentError>> + Send + 'static,
        Req: DeserializeOwned + Validate + Send + 'static,
        Res: Serialize + Send + 'static,
    {
        let handler = Arc::new(handler);
        let call: Call = Arc::new(move |cx: RunContext, input: Input, schema: &Schema| {
            let (handler, schema) = (Arc::clone(&handler), schema.clone());
            Box::pin(async move {
                let answer = handler(cx, input.typed::<Req>(&schema).await?);
                let answer: HandlerFuture = Box::pin(async move { json(answer.await?).await });
                Ok(answer)
            })
        });
        self.endpoints.push(BoundHandler { spec, call });
        self
    }

    /// Has `call` answer the endpoint.
    pub(crate) fn untyped_endpoint(
        mut self,
        spec: &'static EndpointSpec,
        call: impl Fn(
            RunContext,
            Input,
            &Schema,
        ) -> BoxFuture<'static, Result<HandlerFuture, AgentError>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let call: Call = Arc::new(call);
        self.endpoints.push(BoundHandler { spec, call });
        self
    }

    /// The endpoints.
    pub(crate) fn specs(&self) -> impl Iterator<Item = &'static EndpointSpec> {
        self.endpoints.iter().map(|handler| handler.spec)
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("agent", &self.agent.slug)
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for BoundHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BoundHandler")
            .field(&self.spec.operation_id)
            .finish()
    }
}

/// A text that may be written on an async worker. It refuses to get longer than [`MOST_BYTES_AT_ONCE`].
struct ShortText(Vec<u8>);

impl io::Write for ShortText {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST_BYTES_AT_ONCE {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a reply as JSON. How long it gets shows while it is written.
pub(crate) async fn json<T: Serialize + Send + 'static>(
    reply: Reply<T>,
) -> Result<Reply<String>, AgentError> {
    let mut buffer = ShortText(Vec::with_capacity(256));
    let written = serde_json::to_writer(&mut buffer, &reply.value);
    let Reply {
        value,
        usage,
        model,
        stop_reason,
    } = reply;
    let text = match written {
        Ok(()) => String::from_utf8(buffer.0).map_err(AgentError::internal),
        Err(error) if error.is_io() => {
            let write = move || serde_json::to_string(&value).map_err(AgentError::internal);
            off_worker(usize::MAX, write).await
        }
        Err(error) => Err(AgentError::internal(error)),
    };
    Ok(Reply {
        value: text?,
        usage,
        model,
        stop_reason,
    })
}
