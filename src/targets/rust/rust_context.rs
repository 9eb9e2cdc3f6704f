//! What the templates of Rust code read.

use agentgen_schema::{Handler, Method, stream_path};
use serde::Serialize;

use crate::agent::invoke::INVOKE_SCHEMAS;
use crate::agent::operation::{self, Operation};
use crate::agent::{Agent, find_slug};
use crate::contract::document_collection::Documents;
use crate::contract::endpoint_error::EndpointError;
use crate::contract::parameter::Parameter;
use crate::contract::retrieve::Retrieve;
use crate::schema::sample::example;
use crate::spec::example_blocks::Example;
use crate::spec::tool_list::Tool;
use crate::targets::rust::endpoint_shape::{HitShape, SessionUse, hit_shape, session_use};
use crate::targets::rust::endpoint_types::{EndpointTypes, endpoint_types, prompted};
use crate::targets::rust::rust_item::RustType;
use crate::targets::rust::rust_paths::{RustPaths, SERVICE};
use crate::targets::rust::workflow_function::{RustWorkflow, workflows};
use crate::text::ident::Ident;
use crate::text::measures::sha256_hex;
use crate::text::rust_literal::{code_span, doc, option, str_slice};
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
        agents: entries,
    }
}

/// What the template of an agent's module reads.
#[derive(Debug, Serialize)]
pub(crate) struct ModuleContext<'a> {
    /// The name as the author wrote it.
    name: &'a str,
    /// The name in paths.
    slug: &'a str,
    /// The module.
    module: &'a Ident,
    /// The trait.
    type_name: &'a Ident,
    /// The struct that answers from the prompt.
    prompted: &'static str,
    /// Whether an endpoint must be written by hand.
    code: bool,
    /// What the agent is for, in one line.
    summary: &'a str,
    /// The situations of its examples.
    examples: Vec<String>,
    /// The name as Markdown.
    name_doc: String,
    /// One sentence of Markdown.
    doc: String,
    /// The path of the prompt, relative to the module.
    prompt_path: String,
    /// SHA-256 of the prompt, in hexadecimal digits.
    prompt_sha256: String,
    /// The model or alias.
    model: Option<&'a str>,
    /// The names of the tools it may use; none allows all.
    tools: Option<Vec<String>>,
    /// The names of the tools it may not use.
    denied_tools: Vec<String>,
    /// The slugs of the agents it may hand over to.
    agents: Vec<&'a str>,
    /// The documents it searches.
    documents: Option<&'a Documents>,
    /// The limits that are not the default.
    policy: Vec<Limit>,
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
    /// The name as the author wrote it.
    pub(crate) name: &'a str,
    /// The method of the trait.
    pub(crate) method: Ident,
    /// The static that describes the endpoint.
    constant: Ident,
    /// The name in the OpenAPI document.
    operation_id: String,
    /// A variant of the runtime's `Method`.
    http_method: Method,
    /// The path.
    path: String,
    /// Whether it offers server-sent events too.
    stream: bool,
    /// The path of the operation that answers with events alone.
    stream_path: Option<String>,
    /// Whether it must be written by hand.
    pub(crate) code: bool,
    /// A variant of the runtime's `Handler`.
    pub(crate) handler: Handler,
    /// The method of the runtime's `RunContext` that answers what is not written by hand.
    answer: &'static str,
    /// Which passages the model is given with a request.
    retrieve: Option<&'a Retrieve>,
    /// A variant of the runtime's `SessionUse`.
    session: SessionUse,
    /// What a search answers with.
    hits: Option<HitShape>,
    /// Whether it is the endpoint that every agent has.
    builtin_invoke: bool,
    /// The roles of which a caller needs one.
    roles: &'a [String],
    /// Method and path as Markdown.
    pub(crate) route_doc: String,
    /// One sentence of Markdown.
    pub(crate) doc: String,
    /// The type of the request.
    pub(crate) request: String,
    /// The type of the answer.
    pub(crate) response: String,
    /// The status of an answer.
    status: u16,
    /// The errors that its handler can return.
    errors: Vec<ErrorContext<'a>>,
    /// The enum of those errors.
    error_type: Option<String>,
    /// One sentence of Markdown about that enum.
    error_doc: String,
    /// What is read from the path, the query and the headers.
    parameters: &'a [Parameter],
    /// JSON Schema of the request.
    input_schema: String,
    /// JSON Schema of the answer.
    output_schema: String,
    /// A JSON value that is valid as the answer; `null` where none can be made up.
    output_example: String,
    /// How many requests a caller may make.
    rate: Option<Rate>,
    /// The longest a run may take, in milliseconds.
    timeout_ms: Option<u64>,
}

/// A declared error in the context of a template.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorContext<'a> {
    /// The code of the problem document.
    code: &'a str,
    /// The variant of the enum.
    variant: &'a Ident,
    /// The status.
    status: u16,
    /// The type of the problem document.
    problem_type: &'a str,
    /// The title of the problem document.
    title: &'a str,
    /// The detail of the problem document.
    detail: &'a str,
    /// One sentence of Markdown.
    doc: String,
    /// The type of the additional members.
    members: Option<String>,
}

/// What the template of the module of `agent` reads; it names others of `agents`.
pub(crate) fn module_context<'a>(agent: &'a Agent, agents: &'a [Agent]) -> ModuleContext<'a> {
    let (spec, service) = (&agent.spec, &agent.service);
    let (endpoints, types) = endpoint_contexts(agent, &SERVICE);
    let policy = limits(agent, agents);
    let summary = doc(&spec.summary);
    ModuleContext {
        name: &spec.name,
        slug: spec.slug.as_str(),
        module: &agent.module,
        type_name: &agent.type_name,
        prompted: prompted(&agent.type_name),
        code: has_code(agent),
        summary: &spec.summary,
        examples: spec
            .examples
            .iter()
            .map(Example::situation)
            .filter(|situation| !situation.is_empty())
            .collect(),
        name_doc: code_span(&spec.name),
        doc: if summary.is_empty() {
            code_span(&spec.name)
        } else {
            summary
        },
        prompt_path: format!("../prompts/{}/prompt.md", spec.slug),
        prompt_sha256: sha256_hex(spec.prompt().as_bytes()),
        model: agent.model(),
        tools: spec
            .tools
            .allowed
            .as_ref()
            .map(|tools| tools.iter().map(allowed_name).collect()),
        denied_tools: denied_names(spec.tools.denied.iter()),
        agents: agent
            .handoffs(agents)
            .map(|other| other.spec.slug.as_str())
            .collect(),
        documents: service.documents.as_ref(),
        policy_complete: policy.iter().all(|(_, value)| value.is_some()),
        policy: policy
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| Limit { name, value }))
            .collect(),
        endpoints,
        workflows: workflows(agent, agents, &SERVICE),
        types,
        paths: &SERVICE,
    }
}

/// The name of a tool that is allowed. One that is meant only for some arguments keeps them, so that the runtime allows nothing.
fn allowed_name(tool: &Tool) -> String {
    if tool.is_partial() {
        tool.entry.clone()
    } else {
        tool.pattern()
    }
}

/// The names of tools that are denied. A denial of handoffs to some agents is left out: those agents are not listed.
fn denied_names<'a>(tools: impl Iterator<Item = &'a Tool>) -> Vec<String> {
    tools
        .filter(|tool| !(tool.starts_agents() && tool.is_partial()))
        .map(Tool::pattern)
        .collect()
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
    let (input, output) = match endpoint {
        Some(endpoint) => (&endpoint.input.json, &endpoint.output.json),
        None => (&INVOKE_SCHEMAS.input.json, &INVOKE_SCHEMAS.output.json),
    };
    let handler = endpoint.map_or(Handler::Model, |endpoint| endpoint.handler);
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
    Some(EndpointContext {
        name: operation.name,
        method: Ident::snake(operation.name)?,
        constant,
        http_method: operation.method,
        stream: operation.stream,
        stream_path: operation.stream.then(|| stream_path(&operation.path)),
        code: handler == Handler::Code,
        handler,
        answer: match handler {
            Handler::Search => "search",
            Handler::Embed => "embed",
            Handler::Model | Handler::Code => "run",
        },
        retrieve: endpoint.and_then(|endpoint| endpoint.retrieve.as_ref()),
        session: session_use(input, output),
        hits: match handler {
            Handler::Search => hit_shape(input, output),
            Handler::Model | Handler::Code | Handler::Embed => None,
        },
        builtin_invoke: endpoint.is_none(),
        roles: endpoint.map_or(&[], |endpoint| &endpoint.roles),
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
        status: operation.status(),
        errors: errors
            .map(|(error, members)| error_context(error, members))
            .collect(),
        error_type: error_types.map(|types| types.name),
        error_doc: format!("The errors that {} declares.", code_span(operation.name)),
        parameters: endpoint.map_or(&[], |endpoint| &endpoint.parameters),
        input_schema: input.to_string(),
        output_schema: output.to_string(),
        output_example: example(output).unwrap_or_default().to_string(),
        rate: endpoint.and_then(|endpoint| endpoint.rate),
        timeout_ms: endpoint.and_then(|endpoint| endpoint.timeout_ms),
        operation_id: operation.id,
        path: operation.path,
    })
}

fn error_context(error: &EndpointError, members: Option<String>) -> ErrorContext<'_> {
    let description = doc(&error.description);
    ErrorContext {
        code: &error.code,
        variant: &error.variant,
        status: error.status,
        problem_type: &error.problem_type,
        title: &error.title,
        detail: &error.description,
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
struct Limit {
    /// The field of the runtime's `Policy`.
    name: &'static str,
    /// The value as Rust.
    value: String,
}

/// Every field of the runtime's `Policy`, in its order, and the value as Rust where it is not the default.
fn limits(agent: &Agent, agents: &[Agent]) -> [(&'static str, Option<String>); 11] {
    let policy = &agent.service.policy;
    let fallbacks: Vec<&str> = policy
        .fallbacks
        .iter()
        .map(|name| find_slug(agents, &name.text).map_or(name.text.as_str(), |slug| slug.as_str()))
        .collect();
    let plain = |value: Option<u64>| value.map(|value| value.to_string());
    let some = |value: Option<u64>| value.map(|value| option(Some(value)));
    let rate = policy.rate.map(|Rate { requests, seconds }| {
        option(Some(format!(
            "::agentgen_runtime::spec::Rate {{ requests: {requests}, seconds: {seconds} }}"
        )))
    });
    let session_ttl_seconds = policy.session_ttl_ms.map(|ttl| ttl.div_ceil(1000));
    [
        (
            "fallbacks",
            (!fallbacks.is_empty()).then(|| str_slice(&fallbacks)),
        ),
        (
            "retry_attempts",
            plain(policy.retry_attempts.map(u64::from)),
        ),
        ("retry_backoff_ms", plain(policy.retry_backoff_ms)),
        (
            "breaker_failures",
            plain(policy.breaker_failures.map(u64::from)),
        ),
        ("breaker_cooldown_ms", plain(policy.breaker_cooldown_ms)),
        ("timeout_ms", some(policy.timeout_ms)),
        ("budget_tokens", some(policy.budget_tokens)),
        ("budget_turns", some(policy.budget_turns.map(u64::from))),
        ("rate", rate),
        ("history_tokens", some(policy.history_tokens)),
        ("session_ttl_seconds", some(session_ttl_seconds)),
    ]
}
