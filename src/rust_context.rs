//! What the templates of Rust code are given.

use std::fmt;

use serde::Serialize;

use crate::ident::Ident;
use crate::rust_agent::{RustAgent, RustEndpoint, RustParameter, RustPolicy, RustRate};
use crate::rust_text::{code_span, doc, literal};
use crate::rust_type::{Names, RustType};
use crate::rust_types::types;
use crate::rust_workflow::RustWorkflow;
use crate::schema::Schema;
use crate::schema_example::example;

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
            prompted: prompted(agent),
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

/// A limit of an agent.
#[derive(Debug, Clone, Serialize)]
pub struct Limit {
    /// The field of the runtime's `Policy`.
    pub name: &'static str,
    /// The value as Rust.
    pub value: String,
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
    let prompted = prompted(agent);
    let mut names = Names::default();
    names.reserve(agent.type_name.as_str());
    names.reserve(&prompted);
    let mut types = Vec::new();
    let endpoints = agent
        .endpoints
        .iter()
        .map(|endpoint| endpoint_context(endpoint, &mut names, &mut types))
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
        policy_complete: policy.len() == LIMITS,
        policy,
        endpoints,
        workflows: agent.workflows,
        types,
    }
}

fn endpoint_context<'a>(
    endpoint: &'a RustEndpoint<'_>,
    names: &mut Names,
    all: &mut Vec<RustType>,
) -> Endpoint<'a> {
    let mut constant = endpoint.const_ident.clone();
    if constant.as_str() == "SPEC" {
        constant = constant.with_underscore();
    }
    let name = code_span(endpoint.name);
    let mut named = |schema: Option<&Schema>, suffix: &str, about: String| {
        let schema = schema?;
        let name = Ident::camel(&format!("{} {suffix}", endpoint.name))?;
        let types = types(schema, name.as_str(), &about, names);
        let root = types.first().map(|ty| ty.name.clone());
        all.extend(types);
        root
    };
    let empty = Schema::empty_object();
    let (request, response) = if endpoint.builtin_invoke {
        let runtime = |name| format!("::agentgen_runtime::{name}");
        (runtime("InvokeRequest"), runtime("InvokeResponse"))
    } else {
        let input = endpoint.input.unwrap_or(&empty);
        let request = named(Some(input), "request", format!("The request of {name}."));
        let response = named(
            endpoint.output,
            "response",
            format!("The answer of {name}."),
        );
        let unit = || "()".to_owned();
        (request.unwrap_or_else(unit), response.unwrap_or_else(unit))
    };
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
        code: endpoint.code,
        builtin_invoke: endpoint.builtin_invoke,
        roles: endpoint.roles,
        doc: description.unwrap_or_else(|| format!("Answers {route}.")),
        route_doc: route,
        request,
        response,
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
    agent.endpoints.iter().any(|endpoint| endpoint.code)
}

fn prompted(agent: &RustAgent<'_>) -> String {
    let taken = agent.type_name.as_str() == "Prompted";
    if taken { "PromptedHandler" } else { "Prompted" }.to_owned()
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

/// How many fields the runtime's `Policy` has.
const LIMITS: usize = 11;

fn limits(policy: &RustPolicy<'_>) -> Vec<Limit> {
    fn some(value: impl fmt::Display) -> String {
        format!("::core::option::Option::Some({value})")
    }
    let fallbacks = policy.fallbacks.map(|models| {
        let models: Vec<String> = models.iter().map(|model| literal(model)).collect();
        format!("&[{}]", models.join(", "))
    });
    let rate = policy.rate.map(|rate| {
        let RustRate { requests, seconds } = rate;
        some(format!(
            "::agentgen_runtime::Rate {{ requests: {requests}, seconds: {seconds} }}"
        ))
    });
    let limits: [(&'static str, Option<String>); LIMITS] = [
        ("fallbacks", fallbacks),
        (
            "retry_attempts",
            policy.retry_attempts.map(|value| value.to_string()),
        ),
        (
            "retry_backoff_ms",
            policy.retry_backoff_ms.map(|value| value.to_string()),
        ),
        (
            "breaker_failures",
            policy.breaker_failures.map(|value| value.to_string()),
        ),
        (
            "breaker_cooldown_ms",
            policy.breaker_cooldown_ms.map(|value| value.to_string()),
        ),
        ("timeout_ms", policy.timeout_ms.map(some)),
        ("budget_tokens", policy.budget_tokens.map(some)),
        ("budget_turns", policy.budget_turns.map(some)),
        ("rate", rate),
        ("history_tokens", policy.history_tokens.map(some)),
        ("session_ttl_seconds", policy.session_ttl_seconds.map(some)),
    ];
    limits
        .into_iter()
        .filter_map(|(name, value)| {
            Some(Limit {
                name,
                value: value?,
            })
        })
        .collect()
}
