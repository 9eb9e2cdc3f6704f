//! The service block of one agent: endpoints, parameters, documents, policies, workflows.
//!
//! Invariant: this folder looks at one agent at a time; what needs a second agent is in [`check`](crate::check) or
//! [`agent`](crate::agent). It imports `schema`, `expression` and `yaml`.

pub mod document_collection;
pub mod embed_contract;
pub mod endpoint;
pub mod endpoint_error;
pub mod endpoint_path;
pub mod lookup_contract;
pub mod parameter;
pub mod request_header;
pub mod retrieve;
pub mod search_contract;
pub mod service_size;
pub mod workflow_contract;
pub mod workflow_order;
pub mod workflow_step;

use std::sync::Arc;

use crate::contract::document_collection::Documents;
use crate::contract::endpoint::{Endpoint, INVOKE_NAME};
use crate::contract::workflow_contract::Workflow;
use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::source::Source;
use crate::frontmatter::misplaced_keys::SERVICE_KEYS;
use crate::spec::tool_policy::{self, ToolPolicy};
use crate::text::slug::Slug;
use crate::yaml::node::{Entry, Node};
use crate::yaml::yaml_settings::{self, Name, Rate};

pub use agentgen_schema::{Handler, Method, ParameterKind, ParameterLocation};

/// The JSON Schema (2020-12) of the service block and of `<agent>.service.yaml`, for editors.
pub const SCHEMA: &str = include_str!("../schemas/service.schema.json");

/// The HTTP contract of an agent.
#[derive(Debug, Clone)]
pub struct Service {
    /// The file that contains the block.
    pub source: Arc<Source>,
    /// The operations, in the order of the file.
    pub endpoints: Vec<Endpoint>,
    /// Whether `POST /v1/agents/<slug>/invoke` is served; an endpoint named `invoke` takes its place.
    pub invoke: bool,
    /// The roles of which a caller needs one for the agent itself: for `invoke`, and for its answer in place of another agent or as
    /// a handoff; empty for everyone. Unless the file states them, they are those that all endpoints share.
    pub roles: Vec<String>,
    /// Whether the file states the roles of `invoke`, if only that it has none.
    pub states_roles: bool,
    /// The model or alias; it goes before the frontmatter's.
    pub model: Option<Name>,
    /// How runs are bounded and what they fall back to.
    pub policy: Policy,
    /// The agents this one may hand over to.
    pub agents: Vec<Name>,
    /// The documents it looks things up in: those it names, or its own where an endpoint needs some.
    pub documents: Option<Documents>,
    /// The workflows, in the order of the file.
    pub workflows: Vec<Workflow>,
}

/// How runs are bounded and what they fall back to.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Models or agents to try when the model fails, in order.
    pub fallbacks: Vec<Name>,
    /// The attempts with one model in all, before the next is tried.
    pub retry_attempts: Option<u32>,
    /// How long to wait before the first retry, in milliseconds.
    pub retry_backoff_ms: Option<u64>,
    /// After how many failures in a row a model is left alone.
    pub breaker_failures: Option<u32>,
    /// For how long, in milliseconds.
    pub breaker_cooldown_ms: Option<u64>,
    /// How long a run may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// How many tokens a run may use.
    pub budget_tokens: Option<u64>,
    /// How many turns a run may take.
    pub budget_turns: Option<u32>,
    /// How often a caller may ask.
    pub rate: Option<Rate>,
    /// How many tokens of a conversation's history are sent.
    pub history_tokens: Option<u64>,
    /// How long a conversation is kept, in milliseconds.
    pub session_ttl_ms: Option<u64>,
    /// What its tools may not do without a person.
    pub tools: ToolPolicy,
}

impl Service {
    /// The contract of an agent without a service block.
    pub fn none(source: &Arc<Source>) -> Self {
        Self {
            source: Arc::clone(source),
            endpoints: Vec::new(),
            invoke: true,
            roles: Vec::new(),
            states_roles: false,
            model: None,
            policy: Policy::default(),
            agents: Vec::new(),
            documents: None,
            workflows: Vec::new(),
        }
    }
}

/// Reads the service block in `node` of the agent `slug`; the report is on the file that contains it.
pub fn read(node: &Node, slug: &Slug, report: &mut Report) -> Service {
    let mut service = Service::none(report.source());
    if !service_size::check(node, report) {
        return service;
    }
    for Entry { key, value, .. } in yaml_settings::allowed_entries(node, SERVICE_KEYS, report) {
        let policy = &mut service.policy;
        match key.as_str() {
            "endpoints" => service.endpoints = endpoint::read_all(value, slug, report),
            "invoke" => read_invoke(value, &mut service, report),
            "model" => {
                service.model = yaml_settings::text(value, report).map(|text| Name {
                    text: text.to_owned(),
                    span: value.span,
                });
            }
            "fallbacks" => policy.fallbacks = yaml_settings::names(value, report),
            "timeout" => policy.timeout_ms = yaml_settings::duration_ms(value, report),
            "rate" => policy.rate = yaml_settings::rate(value, report),
            "agents" => service.agents = yaml_settings::names(value, report),
            "workflows" => service.workflows = workflow_contract::read_all(value, report),
            "tools" => policy.tools = tool_policy::read(value, report),
            "documents" => service.documents = document_collection::read(value, slug, report),
            "retry" => {
                let retry = yaml_settings::retry(value, report);
                policy.retry_attempts = retry.attempts;
                policy.retry_backoff_ms = retry.backoff_ms;
            }
            "breaker" => {
                for Entry { key, value, .. } in
                    yaml_settings::allowed_entries(value, &["failures", "cooldown"], report)
                {
                    match key.as_str() {
                        "failures" => {
                            policy.breaker_failures = yaml_settings::small_count(value, report)
                        }
                        _ => policy.breaker_cooldown_ms = yaml_settings::duration_ms(value, report),
                    }
                }
            }
            "budget" => {
                for Entry { key, value, .. } in
                    yaml_settings::allowed_entries(value, &["tokens", "turns"], report)
                {
                    match key.as_str() {
                        "tokens" => policy.budget_tokens = yaml_settings::count(value, report),
                        _ => policy.budget_turns = yaml_settings::small_count(value, report),
                    }
                }
            }
            _ => {
                for Entry { key, value, .. } in
                    yaml_settings::allowed_entries(value, &["history_tokens", "ttl"], report)
                {
                    match key.as_str() {
                        "history_tokens" => {
                            policy.history_tokens = yaml_settings::count(value, report)
                        }
                        _ => policy.session_ttl_ms = yaml_settings::duration_ms(value, report),
                    }
                }
            }
        }
    }
    settle_invoke(&mut service);
    if service.documents.is_none() && document_collection::are_needed(&service.endpoints) {
        service.documents = Some(Documents::of(slug));
    }
    if service.documents.is_some() {
        document_collection::check_names(&service.endpoints, slug, report);
    }
    service
}

/// Reads whether `invoke` is served, or the mapping of its roles.
fn read_invoke(node: &Node, service: &mut Service, report: &mut Report) {
    let Some(entries) = node.entries() else {
        service.invoke = yaml_settings::truth(node, report).unwrap_or(true);
        return;
    };
    if entries.is_empty() {
        let message = "`invoke` is an empty mapping";
        report
            .error(Code::BadSetting, node.span, message)
            .advise("it takes `true`, `false` or `{ roles: [clerk] }`");
    }
    for Entry { value, .. } in yaml_settings::allowed_entries(node, &["roles"], report) {
        let roles = yaml_settings::names(value, report).into_iter();
        service.roles = roles.map(|role| role.text).collect();
        service.states_roles = true;
    }
}

/// An endpoint named `invoke` takes the place of the built-in one, with its roles. Roles that nothing states are those that
/// all endpoints share.
fn settle_invoke(service: &mut Service) {
    let mut endpoints = service.endpoints.iter();
    if let Some(own) = endpoints.find(|endpoint| endpoint.method_name.as_str() == INVOKE_NAME) {
        service.invoke = false;
        service.roles.clone_from(&own.roles);
        service.states_roles = true;
    } else if !service.states_roles
        && let Some((first, others)) = service.endpoints.split_first()
    {
        let is_shared = |role: &&String| others.iter().all(|other| other.roles.contains(role));
        service.roles = first.roles.iter().filter(is_shared).cloned().collect();
    }
}
