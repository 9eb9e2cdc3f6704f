//! The handlers of an agent that was loaded: what the default bodies of generated code do, on JSON.
//!
//! Invariant: a request is valid under the endpoint's input schema before anything runs, and an answer under its output schema. Both
//! have the shape that generated types give them.

use std::sync::Arc;

use agentgen_schema::Handler;
use serde_json::Value;

use crate::error::AgentError;
use crate::run::bound_service::{HandlerFuture, Service, json};
use crate::run::document_access::schema_mismatch;
use crate::run::reply::InvokeRequest;
use crate::run::run_context::RunContext;
use crate::run::run_input::Input;
use crate::schema::Schema;
use crate::spec::agent_document::{LoadedAgent, LoadedEndpoint};
use crate::spec::agent_spec::AgentSpec;
use crate::spec::endpoint_spec::EndpointSpec;
use crate::spec::value_shape::{Misfit, ValueShape};

/// The agent with handlers that need no code. An endpoint that is answered by code answers 501 and says how to add it.
pub(crate) fn loaded_service(agent: &LoadedAgent) -> Service {
    let spec = agent.spec;
    let mut service = Service::new(spec);
    service.prompt = Some(Arc::clone(&agent.prompt));
    for endpoint in &agent.endpoints {
        service = if endpoint.is_builtin_invoke {
            service.endpoint(
                endpoint.spec,
                move |cx: RunContext, request: InvokeRequest| async move {
                    cx.invoke(spec, request).await
                },
            )
        } else {
            let endpoint = endpoint.clone();
            service.untyped_endpoint(endpoint.spec, move |cx, input, schema| {
                Box::pin(answer(spec, endpoint.clone(), cx, input, schema.clone()))
            })
        };
    }
    service
}

async fn answer(
    agent: &'static AgentSpec,
    endpoint: LoadedEndpoint,
    cx: RunContext,
    input: Input,
    schema: Schema,
) -> Result<HandlerFuture, AgentError> {
    let spec = endpoint.spec;
    let request = input.shaped(&schema, &endpoint.input).await?;
    let output = endpoint.output;
    Ok(Box::pin(async move {
        let reply = match spec.handler {
            Handler::Model => {
                let reply = cx.run::<_, Value>(agent, spec, request).await?;
                let value = shaped(&output, &reply.value)?;
                reply.map(|_| value)
            }
            Handler::Search => {
                let parse = parse_with(&cx, spec, output)?;
                cx.search_as(agent, spec, request, parse).await?
            }
            Handler::Embed => {
                let parse = parse_with(&cx, spec, output)?;
                cx.embed_as(spec, &request, parse).await?
            }
            Handler::Code => return Err(needs_code(agent, spec)),
        };
        json(reply).await
    }))
}

fn needs_code(agent: &AgentSpec, endpoint: &EndpointSpec) -> AgentError {
    let (method, path) = (endpoint.method.as_str(), endpoint.path);
    AgentError::NotImplemented(format!(
        "{method} {path} of {} is answered by code (`handler: code`), and this service has none; \
         `agentgen new PATH --from AGENTS` makes a project to write it in",
        agent.name
    ))
}

/// What makes an answer of JSON that fits the output schema of `endpoint`.
fn parse_with(
    cx: &RunContext,
    endpoint: &EndpointSpec,
    shape: Arc<ValueShape>,
) -> Result<impl Fn(Value) -> Result<Value, AgentError> + Send + use<>, AgentError> {
    let schema = cx.0.resources.schemas.output(endpoint);
    let schema = schema.map_err(AgentError::internal)?;
    Ok(move |answer: Value| {
        let violations = schema.violations(&answer);
        if !violations.is_empty() {
            return Err(schema_mismatch(AgentError::Invalid(violations)));
        }
        shaped(&shape, &answer)
    })
}

fn shaped(shape: &ValueShape, answer: &Value) -> Result<Value, AgentError> {
    let shaped = shape.apply(answer);
    shaped.map_err(|Misfit { pointer, detail }| schema_mismatch(format!("{pointer}: {detail}")))
}
