//! Agents as `agentgen-build` writes them for a service that was not compiled, and the constants that they become.
//!
//! Invariant: the constants equal those of the generated code of the same agent.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, de};

use crate::spec::agent_spec::{AgentSpec, DocumentsSpec, Policy, Rate, ToolPolicy};
use crate::spec::constant_pool::{Pool, text, texts};
use crate::spec::endpoint_spec::{
    EndpointSpec, ErrorSpec, Handler, HitShape, Method, Parameter, ParameterKind,
    ParameterLocation, Retrieve, SessionUse,
};
use crate::spec::prompt::LoadedPrompt;
use crate::spec::value_shape::ValueShape;
use crate::spec::workflow_document::WorkflowDocument;
use crate::spec::workflow_spec::WorkflowSpec;

/// An agent as it is written down.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AgentDocument {
    pub(crate) version: String,
    name: String,
    slug: String,
    summary: String,
    examples: Vec<String>,
    prompt: String,
    prompt_sha256: String,
    model: Option<String>,
    tools: Option<Vec<String>>,
    denied_tools: Vec<String>,
    agents: Vec<String>,
    roles: Vec<String>,
    documents: Option<DocumentsDocument>,
    policy: PolicyDocument,
    endpoints: Vec<EndpointDocument>,
    workflows: Vec<WorkflowDocument>,
}

#[derive(Debug, Clone, Deserialize)]
struct DocumentsDocument {
    collection: String,
    roles: Vec<String>,
}

/// The limits that are not the default.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyDocument {
    fallbacks: Option<Vec<String>>,
    retry_attempts: Option<u32>,
    retry_backoff_ms: Option<u64>,
    breaker_failures: Option<u32>,
    breaker_cooldown_ms: Option<u64>,
    timeout_ms: Option<u64>,
    budget_tokens: Option<u64>,
    budget_turns: Option<u32>,
    rate: Option<RateDocument>,
    history_tokens: Option<u64>,
    session_ttl_seconds: Option<u64>,
    tools: Option<ToolPolicyDocument>,
    mcp_servers: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolPolicyDocument {
    approve: Vec<String>,
    roles: Vec<String>,
    timeout_ms: Option<u64>,
    ask_user: bool,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct RateDocument {
    requests: u32,
    seconds: u32,
}

#[derive(Debug, Clone, Deserialize)]
struct EndpointDocument {
    name: String,
    operation_id: String,
    #[serde(deserialize_with = "variant")]
    http_method: Method,
    path: String,
    status: u16,
    stream: bool,
    #[serde(deserialize_with = "variant")]
    handler: Handler,
    retrieve: Option<RetrieveDocument>,
    session: SessionDocument,
    hits: Option<HitsDocument>,
    builtin_invoke: bool,
    roles: Vec<String>,
    parameters: Vec<ParameterDocument>,
    input_schema: String,
    output_schema: String,
    output_example: String,
    rate: Option<RateDocument>,
    timeout_ms: Option<u64>,
    errors: Vec<ErrorDocument>,
    #[serde(deserialize_with = "shared")]
    input_shape: Arc<ValueShape>,
    #[serde(deserialize_with = "shared")]
    output_shape: Arc<ValueShape>,
}

#[derive(Debug, Clone, Deserialize)]
struct RetrieveDocument {
    query: String,
    limit: u32,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum SessionDocument {
    None,
    Input,
    InputAndOutput,
}

#[derive(Debug, Clone, Deserialize)]
struct HitsDocument {
    properties: Vec<String>,
    total: bool,
    model: bool,
    default_limit: u32,
}

#[derive(Debug, Clone, Deserialize)]
struct ParameterDocument {
    name: String,
    #[serde(deserialize_with = "variant")]
    location: ParameterLocation,
    #[serde(deserialize_with = "variant")]
    kind: ParameterKind,
}

#[derive(Debug, Clone, Deserialize)]
struct ErrorDocument {
    code: String,
    status: u16,
    problem_type: String,
    title: String,
    detail: String,
}

fn shared<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<ValueShape>, D::Error> {
    ValueShape::deserialize(deserializer).map(Arc::new)
}

/// A vocabulary whose values are written as their variants.
trait Vocabulary: Sized + Copy + 'static {
    const VALUES: &'static [Self];
}

macro_rules! vocabularies {
    ($($name:ty),+) => {
        $(impl Vocabulary for $name {
            const VALUES: &'static [Self] = &Self::ALL;
        })+
    };
}

vocabularies!(Method, Handler, ParameterLocation, ParameterKind);

fn variant<'de, D: Deserializer<'de>, V: Vocabulary + std::fmt::Debug>(
    deserializer: D,
) -> Result<V, D::Error> {
    let name = String::deserialize(deserializer)?;
    let mut values = V::VALUES.iter();
    let found = values.find(|value| format!("{value:?}") == name);
    found
        .copied()
        .ok_or_else(|| de::Error::custom(format!("`{name}` is no value")))
}

/// An agent that was loaded: its constants, and what they don't say.
#[derive(Clone)]
pub(crate) struct LoadedAgent {
    pub(crate) spec: &'static AgentSpec,
    pub(crate) prompt: Arc<LoadedPrompt>,
    pub(crate) endpoints: Vec<LoadedEndpoint>,
    pub(crate) workflows: Vec<&'static WorkflowSpec>,
}

/// An endpoint of an agent that was loaded.
#[derive(Clone)]
pub(crate) struct LoadedEndpoint {
    pub(crate) spec: &'static EndpointSpec,
    /// Whether it is the endpoint that every agent has.
    pub(crate) is_builtin_invoke: bool,
    pub(crate) input: Arc<ValueShape>,
    pub(crate) output: Arc<ValueShape>,
}

impl AgentDocument {
    /// The agent. Its `AgentSpec` is a new constant; everything below it is one of the pool.
    pub(crate) fn load(&self) -> LoadedAgent {
        let prompt = LoadedPrompt::new(&self.prompt);
        let spec = AgentSpec {
            name: text(&self.name),
            slug: text(&self.slug),
            summary: text(&self.summary),
            examples: texts(&self.examples),
            prompt: prompt.prompt(),
            prompt_sha256: text(&self.prompt_sha256),
            model: self.model.as_deref().map(text),
            tools: self.tools.as_deref().map(texts),
            denied_tools: texts(&self.denied_tools),
            agents: texts(&self.agents),
            roles: texts(&self.roles),
            documents: self.documents.as_ref().map(|documents| DocumentsSpec {
                collection: text(&documents.collection),
                roles: texts(&documents.roles),
            }),
            policy: self.policy.constant(),
        };
        LoadedAgent {
            spec: Box::leak(Box::new(spec)),
            prompt: Arc::new(prompt),
            endpoints: self.endpoints.iter().map(EndpointDocument::load).collect(),
            workflows: self
                .workflows
                .iter()
                .map(WorkflowDocument::constant)
                .collect(),
        }
    }
}

impl PolicyDocument {
    fn constant(&self) -> Policy {
        let default = Policy::DEFAULT;
        Policy {
            fallbacks: texts(self.fallbacks.as_deref().unwrap_or_default()),
            retry_attempts: self.retry_attempts.unwrap_or(default.retry_attempts),
            retry_backoff_ms: self.retry_backoff_ms.unwrap_or(default.retry_backoff_ms),
            breaker_failures: self.breaker_failures.unwrap_or(default.breaker_failures),
            breaker_cooldown_ms: self
                .breaker_cooldown_ms
                .unwrap_or(default.breaker_cooldown_ms),
            timeout_ms: self.timeout_ms,
            budget_tokens: self.budget_tokens,
            budget_turns: self.budget_turns,
            rate: self.rate.map(Rate::from),
            history_tokens: self.history_tokens,
            session_ttl_seconds: self.session_ttl_seconds,
            tools: self
                .tools
                .as_ref()
                .map_or(default.tools, |tools| ToolPolicy {
                    approve: texts(&tools.approve),
                    roles: texts(&tools.roles),
                    timeout_ms: tools.timeout_ms,
                    ask_user: tools.ask_user,
                }),
            mcp_servers: self.mcp_servers.as_deref().map_or("", text),
        }
    }
}

impl From<RateDocument> for Rate {
    fn from(RateDocument { requests, seconds }: RateDocument) -> Self {
        Self { requests, seconds }
    }
}

impl EndpointDocument {
    fn load(&self) -> LoadedEndpoint {
        static ENDPOINTS: Pool<EndpointSpec> = Pool::new();
        let operation_id = text(&self.operation_id);
        let spec = EndpointSpec {
            name: text(&self.name),
            operation_id,
            method: self.http_method,
            path: text(&self.path),
            status: self.status,
            errors: errors(&self.errors, operation_id),
            stream: self.stream,
            handler: self.handler,
            retrieve: self.retrieve.as_ref().map(|retrieve| Retrieve {
                query: text(&retrieve.query),
                limit: retrieve.limit,
            }),
            session: match self.session {
                SessionDocument::None => SessionUse::None,
                SessionDocument::Input => SessionUse::Input,
                SessionDocument::InputAndOutput => SessionUse::InputAndOutput,
            },
            hits: self.hits.as_ref().map(|hits| HitShape {
                properties: texts(&hits.properties),
                total: hits.total,
                model: hits.model,
                default_limit: hits.default_limit,
            }),
            roles: texts(&self.roles),
            parameters: parameters(&self.parameters, operation_id),
            input_schema: text(&self.input_schema),
            output_schema: text(&self.output_schema),
            output_example: text(&self.output_example),
            rate: self.rate.map(Rate::from),
            timeout_ms: self.timeout_ms,
        };
        LoadedEndpoint {
            spec: ENDPOINTS.constant(operation_id, Box::new(spec)),
            is_builtin_invoke: self.builtin_invoke,
            input: Arc::clone(&self.input_shape),
            output: Arc::clone(&self.output_shape),
        }
    }
}

fn errors(errors: &[ErrorDocument], key: &'static str) -> &'static [ErrorSpec] {
    static ERRORS: Pool<[ErrorSpec]> = Pool::new();
    let errors = errors.iter().map(|error| ErrorSpec {
        code: text(&error.code),
        status: error.status,
        problem_type: text(&error.problem_type),
        title: text(&error.title),
        detail: text(&error.detail),
    });
    ERRORS.constant(key, errors.collect())
}

fn parameters(parameters: &[ParameterDocument], key: &'static str) -> &'static [Parameter] {
    static PARAMETERS: Pool<[Parameter]> = Pool::new();
    let parameters = parameters.iter().map(|parameter| Parameter {
        name: text(&parameter.name),
        location: parameter.location,
        kind: parameter.kind,
    });
    PARAMETERS.constant(key, parameters.collect())
}
