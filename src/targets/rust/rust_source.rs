//! Agents and their contracts as the Rust target takes them.

use crate::agent::invoke::INVOKE;
use crate::agent::operation::{self, Operation};
use crate::agent::{Agent, resolve};
use crate::contract::endpoint::Handler;
use crate::contract::parameter::{Kind, Location};
use crate::diagnostics::Diagnostic;
use crate::output::artifact::Artifact;
use crate::spec::example_blocks::Example;
use crate::targets::rust::rust_agent::{
    RustAgent, RustDocuments, RustEndpoint, RustParameter, RustPolicy, RustRate, RustRetrieve,
};
use crate::targets::rust::workflow_function::{RustWorkflow, workflows};
use crate::targets::rust::{self, RenderError};
use crate::targets::template_engine::Templates;
use crate::text::ident::Ident;
use crate::text::sha256;
use crate::yaml::yaml_settings::Rate;

/// The module of `agent`.
///
/// # Errors
///
/// What was wrong with the templates or with what they made.
pub fn module(
    agent: &Agent,
    agents: &[Agent],
    templates: &Templates,
) -> Result<Artifact, Diagnostic> {
    let owned = Owned::new(agent, agents);
    rust::module(&owned.view(), |name, context| {
        templates.render(name, context)
    })
    .map_err(|error| diagnostic(error, templates))
}

/// The registry over all `agents`.
///
/// # Errors
///
/// What was wrong with the template or with what it made.
pub fn registry(agents: &[Agent], templates: &Templates) -> Result<Artifact, Diagnostic> {
    let owned: Vec<Owned<'_>> = agents
        .iter()
        .map(|agent| Owned::new(agent, agents))
        .collect();
    let views: Vec<RustAgent<'_>> = owned.iter().map(Owned::view).collect();
    rust::registry(&views, |name, context| templates.render(name, context))
        .map_err(|error| diagnostic(error, templates))
}

/// Calls `make` with what the template of the module of `agent` is given.
pub fn with_context<T>(
    agent: &Agent,
    make: impl FnOnce(&crate::targets::rust::rust_context::Module<'_>) -> T,
) -> T {
    let owned = Owned::new(agent, &[]);
    make(&crate::targets::rust::rust_context::module(&owned.view()))
}

fn diagnostic(error: RenderError<Diagnostic>, templates: &Templates) -> Diagnostic {
    match error {
        RenderError::Template { error, .. } => error,
        RenderError::Syntax {
            template,
            path,
            error,
        } => {
            let start = error.span().start();
            let message = format!(
                "what the template makes of {path} is not Rust: {error} (line {} of what it makes)",
                start.line
            );
            templates
                .bad_output(template, message)
                .help("put texts through the filter `rust_str`")
        }
    }
}

/// What a view of an agent borrows besides the agent.
struct Owned<'a> {
    agent: &'a Agent,
    prompt_path: String,
    prompt_sha256: String,
    examples: Vec<String>,
    tools: Option<Vec<String>>,
    handover: Vec<String>,
    fallbacks: Option<Vec<String>>,
    operations: Vec<Operation<'a>>,
    workflows: Vec<RustWorkflow>,
}

impl<'a> Owned<'a> {
    fn new(agent: &'a Agent, agents: &[Agent]) -> Self {
        let spec = &agent.spec;
        let fallbacks: Vec<String> = agent
            .service
            .policy
            .fallbacks
            .iter()
            .map(|name| match resolve(agents, &name.text) {
                Some(slug) => slug.to_string(),
                None => name.text.clone(),
            })
            .collect();
        Self {
            agent,
            prompt_path: format!("../prompts/{}/prompt.md", spec.slug),
            prompt_sha256: sha256::hex(spec.prompt().as_bytes()),
            examples: spec
                .examples
                .iter()
                .map(Example::situation)
                .filter(|situation| !situation.is_empty())
                .collect(),
            tools: spec
                .tools
                .as_ref()
                .map(|tools| tools.iter().map(|tool| tool.entry.clone()).collect()),
            handover: agent
                .service
                .agents
                .iter()
                .filter_map(|name| resolve(agents, &name.text))
                .map(|slug| slug.to_string())
                .collect(),
            fallbacks: (!fallbacks.is_empty()).then_some(fallbacks),
            operations: operation::all(agent),
            workflows: workflows(agent, agents),
        }
    }

    fn view(&self) -> RustAgent<'_> {
        let spec = &self.agent.spec;
        let policy = &self.agent.service.policy;
        let documents = &self.agent.service.documents;
        RustAgent {
            name: &spec.name,
            slug: spec.slug.as_str(),
            module: self.agent.module.clone(),
            type_name: self.agent.type_name.clone(),
            summary: &spec.summary,
            examples: &self.examples,
            spec_path: spec.source.path(),
            prompt_path: &self.prompt_path,
            prompt_sha256: &self.prompt_sha256,
            model: self.agent.model(),
            tools: self.tools.as_deref(),
            agents: &self.handover,
            documents: documents.as_ref().map(|documents| RustDocuments {
                collection: documents.collection.as_str(),
                roles: &documents.roles,
            }),
            policy: RustPolicy {
                fallbacks: self.fallbacks.as_deref(),
                retry_attempts: policy.retry_attempts,
                retry_backoff_ms: policy.retry_backoff_ms,
                breaker_failures: policy.breaker_failures,
                breaker_cooldown_ms: policy.breaker_cooldown_ms,
                timeout_ms: policy.timeout_ms,
                budget_tokens: policy.budget_tokens,
                budget_turns: policy.budget_turns,
                rate: policy.rate.map(rate),
                history_tokens: policy.history_tokens,
                session_ttl_seconds: policy.session_ttl_ms.map(|ttl| ttl.div_ceil(1000)),
            },
            endpoints: self.operations.iter().filter_map(endpoint).collect(),
            workflows: &self.workflows,
        }
    }
}

fn rate(rate: Rate) -> RustRate {
    RustRate {
        requests: rate.requests,
        seconds: rate.seconds,
    }
}

fn endpoint<'a>(operation: &'a Operation<'_>) -> Option<RustEndpoint<'a>> {
    let endpoint = operation.endpoint;
    let (input, output) = match endpoint {
        Some(endpoint) => (Some(&endpoint.input), Some(&endpoint.output)),
        None => (INVOKE.0.as_ref(), INVOKE.1.as_ref()),
    };
    Some(RustEndpoint {
        name: operation.name,
        method_ident: Ident::snake(operation.name)?,
        const_ident: Ident::constant(operation.name)?,
        operation_id: &operation.id,
        http_method: operation.method.name(),
        path: &operation.path,
        stream: operation.stream,
        handler: endpoint.map_or(Handler::Model, |endpoint| endpoint.handler),
        retrieve: endpoint
            .and_then(|endpoint| endpoint.retrieve.as_ref())
            .map(|retrieve| RustRetrieve {
                query: &retrieve.query,
                limit: retrieve.limit,
            }),
        roles: endpoint.map_or(&[], |endpoint| &endpoint.roles),
        description: Some(&operation.description),
        input,
        output,
        parameters: endpoint
            .iter()
            .flat_map(|endpoint| &endpoint.parameters)
            .map(|parameter| RustParameter {
                name: &parameter.name,
                location: match parameter.location {
                    Location::Path => "Path",
                    Location::Query => "Query",
                },
                kind: kind(parameter.kind),
            })
            .collect(),
        rate: endpoint.and_then(|endpoint| endpoint.rate).map(rate),
        timeout_ms: endpoint.and_then(|endpoint| endpoint.timeout_ms),
        builtin_invoke: endpoint.is_none(),
    })
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "String",
        Kind::Integer => "Integer",
        Kind::Number => "Number",
        Kind::Boolean => "Boolean",
        Kind::Strings => "Strings",
        Kind::Integers => "Integers",
        Kind::Numbers => "Numbers",
        Kind::Booleans => "Booleans",
    }
}
