//! What the templates of Rust code read.

use agentgen_schema::{Handler, stream_path};
use serde::Serialize;

use crate::agent::Agent;
use crate::agent::operation::{self, Operation};
use crate::contract::endpoint_error::EndpointError;
use crate::targets::rust::endpoint_types::{EndpointTypes, endpoint_types, prompted};
use crate::targets::rust::rust_item::RustType;
use crate::targets::rust::rust_paths::{RustPaths, SERVICE};
use crate::targets::rust::workflow_function::{RustWorkflow, workflows};
use crate::targets::served::service_constants::{
    AgentConstants, EndpointConstants, ErrorConstants, Limit, ToolLimits, limits,
};
use crate::text::ident::Ident;
use crate::text::rust_literal::{code_span, doc, literal, option, str_slice};
use crate::yaml::yaml_settings::Rate;

/// What the template of the registry reads.
#[derive(Debug, Serialize)]
pub(crate) struct RegistryContext<'a> {
    /// The version of agentgen, which must be that of the runtime.
    version: &'static str,
    /// All agents, in the order of the modules.
    agents: Vec<RegistryEntry<'a>>,
    /// Whether an agent must be given a handler.
    code: bool,
    /// Whether there is an Arazzo document.
    has_arazzo: bool,
}

/// An agent in the registry.
#[derive(Debug, Serialize)]
struct RegistryEntry<'a> {
    /// The name as the author wrote it.
    name: &'a str,
    /// The module.
    module: &'a Ident,
    /// The trait.
    type_name: &'a Ident,
    /// The struct that answers from the prompt.
    prompted: &'static str,
    /// Whether the agent must be given a handler.
    code: bool,
    /// The statics of its workflows.
    workflows: Vec<Ident>,
    /// One sentence of Markdown about the handler.
    doc: String,
    /// One sentence of Markdown about the module.
    module_doc: String,
}

/// What the template of the registry over `agents` reads.
pub(crate) fn registry_context(agents: &[Agent]) -> RegistryContext<'_> {
    let mut entries: Vec<RegistryEntry<'_>> = agents
        .iter()
        .map(|agent| RegistryEntry {
            name: &agent.spec.name,
            module: &agent.module,
            type_name: &agent.type_name,
            prompted: prompted(&agent.type_name),
            code: has_code(agent),
            workflows: agent
                .service
                .workflows
                .iter()
                .filter_map(|workflow| Ident::constant(workflow.slug.as_str()))
                .collect(),
            doc: format!("The handler of {}.", code_span(&agent.spec.name)),
            module_doc: format!("The agent {}.", code_span(&agent.spec.name)),
        })
        .collect();
    entries.sort_by(|left, right| left.module.cmp(right.module));
    RegistryContext {
        version: env!("CARGO_PKG_VERSION"),
        code: entries.iter().any(|entry| entry.code),
        has_arazzo: agents.iter().any(|agent| {
            let mut workflows = agent.service.workflows.iter();
            workflows.any(|workflow| !workflow.waits() && !workflow.has_units())
        }),
        agents: entries,
    }
}

/// What the template of an agent's module reads.
#[derive(Debug, Serialize)]
pub(crate) struct ModuleContext<'a> {
    /// The fields of the runtime's `AgentSpec`.
    #[serde(flatten)]
    constants: AgentConstants<'a>,
    /// The module.
    module: &'a Ident,
    /// The trait.
    type_name: &'a Ident,
    /// The struct that answers from the prompt.
    prompted: &'static str,
    /// Whether an endpoint must be written by hand.
    code: bool,
    /// The name as Markdown.
    name_doc: String,
    /// One sentence of Markdown.
    doc: String,
    /// The path of the prompt, relative to the module.
    prompt_path: String,
    /// The limits that are not the default.
    policy: Vec<RustLimit>,
    /// Whether every limit is among them.
    policy_complete: bool,
    /// The endpoints, `invoke` first.
    endpoints: Vec<EndpointContext<'a>>,
    /// The workflows.
    workflows: Vec<RustWorkflow>,
    /// The types of requests and answers.
    types: Vec<RustType>,
    /// Where they find what is not of their module.
    paths: &'static RustPaths,
}

/// An endpoint in the context of a template.
#[derive(Debug, Serialize)]
pub(crate) struct EndpointContext<'a> {
    /// The fields of the runtime's `EndpointSpec`.
    #[serde(flatten)]
    pub(crate) constants: EndpointConstants<'a>,
    /// The method of the trait.
    pub(crate) method: Ident,
    /// The static that describes the endpoint.
    constant: Ident,
    /// The path of the operation that answers with events alone.
    stream_path: Option<String>,
    /// Whether it must be written by hand.
    pub(crate) code: bool,
    /// The method of the runtime's `RunContext` that answers what is not written by hand.
    answer: &'static str,
    /// Method and path as Markdown.
    pub(crate) route_doc: String,
    /// One sentence of Markdown.
    pub(crate) doc: String,
    /// The type of the request.
    pub(crate) request: String,
    /// The type of the answer.
    pub(crate) response: String,
    /// The errors that its handler can return.
    errors: Vec<ErrorContext<'a>>,
    /// The enum of those errors.
    error_type: Option<String>,
    /// One sentence of Markdown about that enum.
    error_doc: String,
}

/// A declared error in the context of a template.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorContext<'a> {
    /// The fields of the runtime's `ErrorSpec`.
    #[serde(flatten)]
    constants: ErrorConstants<'a>,
    /// The variant of the enum.
    variant: &'a Ident,
    /// One sentence of Markdown.
    doc: String,
    /// The type of the additional members.
    members: Option<String>,
}

/// What the template of the module of `agent` reads; it names others of `agents`.
pub(crate) fn module_context<'a>(agent: &'a Agent, agents: &'a [Agent]) -> ModuleContext<'a> {
    let spec = &agent.spec;
    let (endpoints, types) = endpoint_contexts(agent, &SERVICE);
    let policy = limits(agent, agents).map(|(name, value)| (name, value.map(Limit::rust)));
    let summary = doc(&spec.summary);
    ModuleContext {
        constants: AgentConstants::of(agent, agents),
        module: &agent.module,
        type_name: &agent.type_name,
        prompted: prompted(&agent.type_name),
        code: has_code(agent),
        name_doc: code_span(&spec.name),
        doc: if summary.is_empty() {
            code_span(&spec.name)
        } else {
            summary
        },
        prompt_path: format!("../prompts/{}/prompt.md", spec.slug),
        policy_complete: policy.iter().all(|(_, value)| value.is_some()),
        policy: policy
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| RustLimit { name, value }))
            .collect(),
        endpoints,
        workflows: workflows(agent, agents, &SERVICE),
        types,
        paths: &SERVICE,
    }
}

/// The endpoints of `agent`, `invoke` first, and the types of what they take and answer, for a module with `paths`.
pub(crate) fn endpoint_contexts<'a>(
    agent: &'a Agent,
    paths: &'static RustPaths,
) -> (Vec<EndpointContext<'a>>, Vec<RustType>) {
    let (declared, types) = endpoint_types(&agent.type_name, &agent.service.endpoints, paths);
    let mut declared = declared.into_iter();
    let contexts = operation::all(agent).into_iter().filter_map(|operation| {
        let types = operation.endpoint.and_then(|_| declared.next());
        endpoint_context(operation, types.unwrap_or_else(|| invoke_types(paths)))
    });
    (contexts.collect(), types)
}

/// The types of the built-in `invoke`, which are not the agent's own.
fn invoke_types(paths: &RustPaths) -> EndpointTypes {
    EndpointTypes {
        request: format!("{}::InvokeRequest", paths.invoke),
        response: format!("{}::InvokeResponse", paths.invoke),
        errors: None,
    }
}

fn endpoint_context(operation: Operation<'_>, types: EndpointTypes) -> Option<EndpointContext<'_>> {
    let endpoint = operation.endpoint;
    let mut constant = Ident::constant(operation.name)?;
    // The static of the agent itself is called `SPEC`.
    if constant.as_str() == "SPEC" {
        constant = constant.with_underscore();
    }
    let route = code_span(&format!("{} {}", operation.method, operation.path));
    let error_types = types.errors;
    let errors = endpoint.map_or(&[][..], |endpoint| &endpoint.errors);
    let members = error_types.iter().flat_map(|types| types.members.clone());
    let errors = errors.iter().zip(members);
    let description = doc(&operation.description);
    let stream_path = operation.stream.then(|| stream_path(&operation.path));
    let name = operation.name;
    let constants = EndpointConstants::of(operation);
    Some(EndpointContext {
        method: Ident::snake(name)?,
        constant,
        stream_path,
        code: constants.handler == Handler::Code,
        answer: match constants.handler {
            Handler::Search => "search",
            Handler::Embed => "embed",
            Handler::Model | Handler::Code => "run",
        },
        doc: match (
            description.is_empty(),
            endpoint.is_some_and(|own| own.deprecated),
        ) {
            (true, false) => format!("Answers {route}."),
            (true, true) => format!("Deprecated. Answers {route}."),
            (false, false) => description,
            (false, true) => format!("Deprecated. {description}"),
        },
        route_doc: route,
        request: types.request,
        response: types.response,
        errors: errors
            .map(|(error, members)| error_context(error, members))
            .collect(),
        error_type: error_types.map(|types| types.name),
        error_doc: format!("The errors that {} declares.", code_span(name)),
        constants,
    })
}

fn error_context(error: &EndpointError, members: Option<String>) -> ErrorContext<'_> {
    let description = doc(&error.description);
    ErrorContext {
        constants: ErrorConstants::of(error),
        variant: &error.variant,
        doc: format!("{}: {description}", error.status),
        members,
    }
}

fn has_code(agent: &Agent) -> bool {
    let mut endpoints = agent.service.endpoints.iter();
    endpoints.any(|endpoint| endpoint.handler == Handler::Code)
}

/// A limit of an agent.
#[derive(Debug, Serialize)]
struct RustLimit {
    /// The field of the runtime's `Policy`.
    name: &'static str,
    /// The value as Rust.
    value: String,
}

impl Limit {
    /// The value as Rust.
    fn rust(self) -> String {
        match self {
            Self::Names(names) => str_slice(&names),
            Self::Number(number) => number.to_string(),
            Self::Most(number) => option(Some(number)),
            Self::Rate(Rate { requests, seconds }) => option(Some(format!(
                "::agentgen_runtime::spec::Rate {{ requests: {requests}, seconds: {seconds} }}"
            ))),
            Self::Tools(ToolLimits {
                approve,
                roles,
                timeout_ms,
                ask_user,
            }) => format!(
                "::agentgen_runtime::spec::ToolPolicy {{ approve: {}, roles: {}, timeout_ms: {}, ask_user: {ask_user} }}",
                str_slice(&approve),
                str_slice(&roles),
                option(timeout_ms)
            ),
            Self::Text(text) => literal(&text),
        }
    }
}
