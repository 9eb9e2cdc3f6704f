//! The constants that a service consists of: the fields of the runtime's `AgentSpec`, `EndpointSpec` and `ErrorSpec`.

use std::sync::LazyLock;

use agentgen_schema::{Handler, Method};
use serde::Serialize;
use serde_json::Value as Json;

use crate::agent::invoke::INVOKE_SCHEMAS;
use crate::agent::operation::Operation;
use crate::agent::{Agent, find_slug};
use crate::contract::document_collection::Documents;
use crate::contract::endpoint_error::EndpointError;
use crate::contract::parameter::Parameter;
use crate::contract::retrieve::Retrieve;
use crate::schema::sample::example;
use crate::spec::example_blocks::Example;
use crate::spec::tool_list::Tool;
use crate::targets::served::endpoint_shape::{HitShape, SessionUse, hit_shape, session_use};
use crate::text::measures::sha256_hex;
use crate::yaml::yaml_settings::Rate;

/// The fields of the runtime's `AgentSpec`, without the prompt and the policy.
#[derive(Debug, Serialize)]
pub(crate) struct AgentConstants<'a> {
    /// The name as the author wrote it.
    name: &'a str,
    /// The name in paths.
    slug: &'a str,
    /// What the agent is for, in one line.
    summary: &'a str,
    /// The situations of its examples.
    examples: Vec<String>,
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
    /// The roles of which a caller needs one for the agent itself.
    roles: &'a [String],
    /// The documents it searches.
    documents: Option<&'a Documents>,
}

/// The fields of the runtime's `EndpointSpec`, without the errors.
#[derive(Debug, Serialize)]
pub(crate) struct EndpointConstants<'a> {
    /// The name as the author wrote it.
    pub(crate) name: &'a str,
    /// The name in the OpenAPI document.
    operation_id: String,
    /// A variant of the runtime's `Method`.
    http_method: Method,
    /// The path.
    path: String,
    /// The status of an answer.
    status: u16,
    /// Whether it offers server-sent events too.
    stream: bool,
    /// A variant of the runtime's `Handler`.
    pub(crate) handler: Handler,
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

/// The fields of the runtime's `ErrorSpec`.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorConstants<'a> {
    /// The code of the problem document.
    code: &'a str,
    /// The status.
    status: u16,
    /// The type of the problem document.
    problem_type: &'a str,
    /// The title of the problem document.
    title: &'a str,
    /// The detail of the problem document.
    detail: &'a str,
}

impl<'a> AgentConstants<'a> {
    /// Those of `agent`, which names others of `agents`.
    pub(crate) fn of(agent: &'a Agent, agents: &'a [Agent]) -> Self {
        let spec = &agent.spec;
        Self {
            name: &spec.name,
            slug: spec.slug.as_str(),
            summary: &spec.summary,
            examples: spec
                .examples
                .iter()
                .map(Example::situation)
                .filter(|situation| !situation.is_empty())
                .collect(),
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
            roles: &agent.service.roles,
            documents: agent.service.documents.as_ref(),
        }
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

/// What the schemas of an endpoint decide.
#[derive(Clone)]
struct SchemaConstants {
    session: SessionUse,
    input: String,
    output: String,
    output_example: String,
}

/// Those of the endpoint that every agent has.
static INVOKE: LazyLock<SchemaConstants> =
    LazyLock::new(|| SchemaConstants::of(&INVOKE_SCHEMAS.input.json, &INVOKE_SCHEMAS.output.json));

impl SchemaConstants {
    fn of(input: &Json, output: &Json) -> Self {
        Self {
            session: session_use(input, output),
            input: input.to_string(),
            output: output.to_string(),
            output_example: example(output).unwrap_or_default().to_string(),
        }
    }
}

impl<'a> EndpointConstants<'a> {
    /// Those of `operation`.
    pub(crate) fn of(operation: Operation<'a>) -> Self {
        let endpoint = operation.endpoint;
        let schemas = match endpoint {
            Some(endpoint) => SchemaConstants::of(&endpoint.input.json, &endpoint.output.json),
            None => INVOKE.clone(),
        };
        let handler = endpoint.map_or(Handler::Model, |endpoint| endpoint.handler);
        Self {
            name: operation.name,
            http_method: operation.method,
            status: operation.status(),
            stream: operation.stream,
            handler,
            retrieve: endpoint.and_then(|endpoint| endpoint.retrieve.as_ref()),
            session: schemas.session,
            hits: endpoint.and_then(|endpoint| match handler {
                Handler::Search => hit_shape(&endpoint.input.json, &endpoint.output.json),
                Handler::Model | Handler::Code | Handler::Embed => None,
            }),
            builtin_invoke: endpoint.is_none(),
            roles: operation.roles,
            parameters: endpoint.map_or(&[], |endpoint| &endpoint.parameters),
            input_schema: schemas.input,
            output_schema: schemas.output,
            output_example: schemas.output_example,
            rate: endpoint.and_then(|endpoint| endpoint.rate),
            timeout_ms: endpoint.and_then(|endpoint| endpoint.timeout_ms),
            operation_id: operation.id,
            path: operation.path,
        }
    }
}

impl<'a> ErrorConstants<'a> {
    /// Those of `error`.
    pub(crate) fn of(error: &'a EndpointError) -> Self {
        Self {
            code: &error.code,
            status: error.status,
            problem_type: &error.problem_type,
            title: &error.title,
            detail: &error.description,
        }
    }
}

/// The value of a limit.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Limit {
    /// Models and agents.
    Names(Vec<String>),
    /// A number that is always set.
    Number(u64),
    /// A number that limits something; without it, there is no limit.
    Most(u64),
    /// So many requests per time.
    Rate(Rate),
    /// What tools may not do without a person.
    Tools(ToolLimits),
    /// A text.
    Text(String),
}

/// The fields of the runtime's `ToolPolicy`.
#[derive(Debug, Serialize)]
pub(crate) struct ToolLimits {
    pub(crate) approve: Vec<String>,
    pub(crate) roles: Vec<String>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) ask_user: bool,
}

/// Every field of the runtime's `Policy`, in its order, and the value where it is not the default.
pub(crate) fn limits(agent: &Agent, agents: &[Agent]) -> [(&'static str, Option<Limit>); 13] {
    let policy = &agent.service.policy;
    let fallbacks = policy.fallbacks.iter().map(|name| {
        find_slug(agents, &name.text).map_or_else(|| name.text.clone(), ToString::to_string)
    });
    let fallbacks: Vec<String> = fallbacks.collect();
    let number = |value: Option<u64>| value.map(Limit::Number);
    let most = |value: Option<u64>| value.map(Limit::Most);
    let tools = policy.tools.asks().then(|| {
        Limit::Tools(ToolLimits {
            approve: policy.tools.patterns().collect(),
            roles: policy.tools.roles.clone(),
            timeout_ms: policy.tools.timeout_ms,
            ask_user: policy.tools.ask_user,
        })
    });
    let mcp_servers = agent.spec.mcp_servers.as_ref();
    let mcp_servers = mcp_servers.map(|servers| servers.json.clone());
    let session_ttl_seconds = policy.session_ttl_ms.map(|ttl| ttl.div_ceil(1000));
    [
        (
            "fallbacks",
            (!fallbacks.is_empty()).then_some(Limit::Names(fallbacks)),
        ),
        (
            "retry_attempts",
            number(policy.retry_attempts.map(u64::from)),
        ),
        ("retry_backoff_ms", number(policy.retry_backoff_ms)),
        (
            "breaker_failures",
            number(policy.breaker_failures.map(u64::from)),
        ),
        ("breaker_cooldown_ms", number(policy.breaker_cooldown_ms)),
        ("timeout_ms", most(policy.timeout_ms)),
        ("budget_tokens", most(policy.budget_tokens)),
        ("budget_turns", most(policy.budget_turns.map(u64::from))),
        ("rate", policy.rate.map(Limit::Rate)),
        ("history_tokens", most(policy.history_tokens)),
        ("session_ttl_seconds", most(session_ttl_seconds)),
        ("tools", tools),
        ("mcp_servers", mcp_servers.map(Limit::Text)),
    ]
}
