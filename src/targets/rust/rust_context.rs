//! What the templates of Rust code are given.

use serde::Serialize;

use crate::contract::endpoint::Handler;
use crate::schema::Schema;
use crate::schema::sample::example;
use crate::targets::rust::endpoint_types::{EndpointTypes, endpoint_types, prompted};
use crate::targets::rust::rust_agent::{
    RustAgent, RustDocuments, RustEndpoint, RustParameter, RustRate, RustRetrieve,
};
use crate::targets::rust::rust_item::RustType;
use crate::targets::rust::rust_limits::{LIMITS, Limit, limits};
use crate::targets::rust::workflow_function::RustWorkflow;
use crate::text::ident::Ident;
use crate::text::rust_literal::{code_span, doc};

/// What the template of the registry is given.
#[derive(Debug, Clone, Serialize)]
pub struct Registry<'a> {
    /// All agents, in the order of the modules.
    pub agents: Vec<RegistryEntry<'a>>,
    /// Whether an agent must be given a handler.
    pub code: bool,
}

/// An agent in the registry.
#[derive(Debug, Clone, Serialize)]
pub struct RegistryEntry<'a> {
    /// The name as the author wrote it.
    pub name: &'a str,
    /// The module.
    pub module: &'a Ident,
    /// The trait.
    pub type_name: &'a Ident,
    /// The struct that answers from the prompt.
    pub prompted: String,
    /// Whether the agent must be given a handler.
    pub code: bool,
    /// The statics of its workflows.
    pub workflows: Vec<&'a Ident>,
    /// One sentence of Markdown about the handler.
    pub doc: String,
    /// One sentence of Markdown about the module.
    pub module_doc: String,
}

/// What the template of the registry is given, for `agents`.
pub fn registry<'a>(agents: &'a [RustAgent<'_>]) -> Registry<'a> {
    let mut entries: Vec<RegistryEntry<'a>> = agents
        .iter()
        .map(|agent| RegistryEntry {
            name: agent.name,
            module: &agent.module,
            type_name: &agent.type_name,
            prompted: prompted(&agent.type_name).to_owned(),
            code: has_code(agent),
            workflows: agent
                .workflows
                .iter()
                .map(|workflow| &workflow.constant)
                .collect(),
            doc: format!("The handler of {}.", code_span(agent.name)),
            module_doc: format!("The agent {}.", code_span(agent.name)),
        })
        .collect();
    entries.sort_by(|left, right| left.module.cmp(right.module));
    Registry {
        code: entries.iter().any(|entry| entry.code),
        agents: entries,
    }
}

/// What the template of an agent's module is given.
#[derive(Debug, Clone, Serialize)]
pub struct Module<'a> {
    /// The name as the author wrote it.
    pub name: &'a str,
    /// The name as it stands in paths.
    pub slug: &'a str,
    /// The module.
    pub module: &'a Ident,
    /// The trait.
    pub type_name: &'a Ident,
    /// The struct that answers from the prompt.
    pub prompted: String,
    /// Whether an endpoint must be written by hand.
    pub code: bool,
    /// What the agent is for, in one line.
    pub summary: &'a str,
    /// The situations of its examples.
    pub examples: &'a [String],
    /// The name as Markdown.
    pub name_doc: String,
    /// One sentence of Markdown.
    pub doc: String,
    /// The path of the prompt, relative to the module.
    pub prompt_path: &'a str,
    /// SHA-256 of the prompt in hexadecimal digits.
    pub prompt_sha256: &'a str,
    /// The model asked for.
    pub model: Option<&'a str>,
    /// The tools it may use; none where nothing is restricted.
    pub tools: Option<&'a [String]>,
    /// The slugs of the agents it may hand over to.
    pub agents: &'a [String],
    /// The documents it looks things up in.
    pub documents: Option<RustDocuments<'a>>,
    /// The limits that are not the default.
    pub policy: Vec<Limit>,
    /// Whether every limit is among them.
    pub policy_complete: bool,
    /// The endpoints.
    pub endpoints: Vec<Endpoint<'a>>,
    /// The workflows.
    pub workflows: &'a [RustWorkflow],
    /// The types of requests and answers.
    pub types: Vec<RustType>,
}

/// An endpoint in the context of a template.
#[derive(Debug, Clone, Serialize)]
pub struct Endpoint<'a> {
    /// The name as the author wrote it.
    pub name: &'a str,
    /// The method of the trait.
    pub method: &'a Ident,
    /// The static that describes the endpoint.
    pub constant: String,
    /// The name in the OpenAPI document.
    pub operation_id: &'a str,
    /// The variant of the runtime's `Method`.
    pub http_method: String,
    /// The path.
    pub path: &'a str,
    /// Whether it is offered as server-sent events too.
    pub stream: bool,
    /// Whether it must be written by hand.
    pub code: bool,
    /// The variant of the runtime's `Handler`.
    pub handler: &'static str,
    /// The method of the runtime's `RunContext` that answers what is not written by hand.
    pub answer: &'static str,
    /// Which passages the model is given with a request.
    pub retrieve: Option<RustRetrieve<'a>>,
    /// Whether it is the endpoint every agent has.
    pub builtin_invoke: bool,
    /// The roles of which a caller needs one.
    pub roles: &'a [String],
    /// Method and path as Markdown.
    pub route_doc: String,
    /// One sentence of Markdown.
    pub doc: String,
    /// The type of the request.
    pub request: String,
    /// The type of the answer.
    pub response: String,
    /// What is read from the path and the query.
    pub parameters: &'a [RustParameter<'a>],
    /// JSON Schema of the request.
    pub input_schema: String,
    /// JSON Schema of the answer.
    pub output_schema: String,
    /// A JSON value that is valid as the answer; `null` where none can be made up.
    pub output_example: String,
    /// How many requests a caller may make.
    pub rate: Option<RustRate>,
    /// The longest a run may take, in milliseconds.
    pub timeout_ms: Option<u64>,
}

/// What the template of an agent's module is given, for `agent`.
pub fn module<'a>(agent: &'a RustAgent<'_>) -> Module<'a> {
    let prompted = prompted(&agent.type_name).to_owned();
    let declared = agent
        .endpoints
        .iter()
        .filter(|endpoint| !endpoint.builtin_invoke)
        .map(|endpoint| (endpoint.name, endpoint.input, endpoint.output));
    let (declared, types) = endpoint_types(&agent.type_name, declared);
    let mut declared = declared.into_iter();
    let endpoints = agent
        .endpoints
        .iter()
        .map(|endpoint| {
            let runtime = |name| format!("::agentgen_runtime::{name}");
            let invoke = || EndpointTypes {
                request: runtime("InvokeRequest"),
                response: runtime("InvokeResponse"),
            };
            let own = (!endpoint.builtin_invoke).then(|| declared.next());
            endpoint_context(endpoint, own.flatten().unwrap_or_else(invoke))
        })
        .collect();
    let policy = limits(&agent.policy);
    let summary = doc(agent.summary);
    Module {
        name: agent.name,
        slug: agent.slug,
        module: &agent.module,
        type_name: &agent.type_name,
        prompted,
        code: has_code(agent),
        summary: agent.summary,
        examples: agent.examples,
        name_doc: code_span(agent.name),
        doc: if summary.is_empty() {
            code_span(agent.name)
        } else {
            summary
        },
        prompt_path: agent.prompt_path,
        prompt_sha256: agent.prompt_sha256,
        model: agent.model,
        tools: agent.tools,
        agents: agent.agents,
        documents: agent.documents,
        policy_complete: policy.len() == LIMITS,
        policy,
        endpoints,
        workflows: agent.workflows,
        types,
    }
}

fn endpoint_context<'a>(endpoint: &'a RustEndpoint<'_>, types: EndpointTypes) -> Endpoint<'a> {
    let mut constant = endpoint.const_ident.clone();
    if constant.as_str() == "SPEC" {
        constant = constant.with_underscore();
    }
    let empty = Schema::empty_object();
    let null = serde_json::json!({ "type": "null" });
    let output = endpoint.output.map_or(&null, |schema| &schema.json);
    let route = code_span(&format!("{} {}", endpoint.http_method, endpoint.path));
    let description = endpoint
        .description
        .map(doc)
        .filter(|text| !text.is_empty());
    Endpoint {
        name: endpoint.name,
        method: &endpoint.method_ident,
        constant: constant.to_string(),
        operation_id: endpoint.operation_id,
        http_method: variant(endpoint.http_method),
        path: endpoint.path,
        stream: endpoint.stream,
        code: endpoint.handler == Handler::Code,
        handler: match endpoint.handler {
            Handler::Model => "Model",
            Handler::Code => "Code",
            Handler::Search => "Search",
            Handler::Embed => "Embed",
        },
        answer: match endpoint.handler {
            Handler::Search => "search",
            Handler::Embed => "embed",
            Handler::Model | Handler::Code => "run",
        },
        retrieve: endpoint.retrieve,
        builtin_invoke: endpoint.builtin_invoke,
        roles: endpoint.roles,
        doc: description.unwrap_or_else(|| format!("Answers {route}.")),
        route_doc: route,
        request: types.request,
        response: types.response,
        parameters: &endpoint.parameters,
        input_schema: endpoint
            .input
            .map_or(&empty.json, |schema| &schema.json)
            .to_string(),
        output_schema: output.to_string(),
        output_example: example(output).unwrap_or_default().to_string(),
        rate: endpoint.rate,
        timeout_ms: endpoint.timeout_ms,
    }
}

fn has_code(agent: &RustAgent<'_>) -> bool {
    let mut endpoints = agent.endpoints.iter();
    endpoints.any(|endpoint| endpoint.handler == Handler::Code)
}

/// `POST` becomes `Post`.
fn variant(http_method: &str) -> String {
    let (first, rest) = http_method.split_at(http_method.len().min(1));
    format!(
        "{}{}",
        first.to_ascii_uppercase(),
        rest.to_ascii_lowercase()
    )
}
