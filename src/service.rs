//! The service block of an agent: its HTTP contract.

use std::sync::Arc;

use crate::diagnostic::Report;
use crate::documents::{self, Documents};
use crate::endpoint::{self, Endpoint, INVOKE_NAME};
use crate::node::{Entry, Node};
use crate::setting::{self, Name, Rate};
use crate::slug::Slug;
use crate::source::Source;
use crate::workflow::{self, Workflow};

/// The JSON Schema (2020-12) of the service block and of `<agent>.service.yaml`, for editors.
pub const SCHEMA: &str = include_str!("../schemas/service.schema.json");

/// The HTTP contract of an agent.
#[derive(Debug, Clone)]
pub struct Service {
    /// The file the block stands in.
    pub source: Arc<Source>,
    /// The operations, in the order of the file.
    pub endpoints: Vec<Endpoint>,
    /// Whether `POST /v1/agents/<slug>/invoke` is served; an endpoint named `invoke` takes its place.
    pub invoke: bool,
    /// The model or alias; it goes before the frontmatter's.
    pub model: Option<String>,
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
    /// How often a model is asked before the next is tried.
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
}

const KEYS: &[&str] = &[
    "endpoints",
    "invoke",
    "model",
    "fallbacks",
    "retry",
    "breaker",
    "timeout",
    "budget",
    "rate",
    "session",
    "agents",
    "workflows",
    "documents",
];

impl Service {
    /// The contract of an agent without a service block.
    pub fn none(source: &Arc<Source>) -> Self {
        Self {
            source: Arc::clone(source),
            endpoints: Vec::new(),
            invoke: true,
            model: None,
            policy: Policy::default(),
            agents: Vec::new(),
            documents: None,
            workflows: Vec::new(),
        }
    }
}

/// Reads the service block in `node` of the agent `slug`; the report is on the file it stands in.
pub fn read(node: &Node, slug: &Slug, report: &mut Report) -> Service {
    let mut service = Service::none(report.source());
    for Entry { key, value, .. } in setting::known_entries(node, KEYS, report) {
        let policy = &mut service.policy;
        match key.as_str() {
            "endpoints" => service.endpoints = endpoint::read_all(value, slug, report),
            "invoke" => service.invoke = setting::truth(value, report).unwrap_or(true),
            "model" => service.model = setting::text(value, report).map(str::to_owned),
            "fallbacks" => policy.fallbacks = setting::names(value, report),
            "timeout" => policy.timeout_ms = setting::duration_ms(value, report),
            "rate" => policy.rate = setting::rate(value, report),
            "agents" => service.agents = setting::names(value, report),
            "workflows" => service.workflows = workflow::read_all(value, report),
            "documents" => service.documents = documents::read(value, slug, report),
            "retry" => {
                for Entry { key, value, .. } in
                    setting::known_entries(value, &["attempts", "backoff"], report)
                {
                    match key.as_str() {
                        "attempts" => policy.retry_attempts = setting::small_count(value, report),
                        _ => policy.retry_backoff_ms = setting::duration_ms(value, report),
                    }
                }
            }
            "breaker" => {
                for Entry { key, value, .. } in
                    setting::known_entries(value, &["failures", "cooldown"], report)
                {
                    match key.as_str() {
                        "failures" => policy.breaker_failures = setting::small_count(value, report),
                        _ => policy.breaker_cooldown_ms = setting::duration_ms(value, report),
                    }
                }
            }
            "budget" => {
                for Entry { key, value, .. } in
                    setting::known_entries(value, &["tokens", "turns"], report)
                {
                    match key.as_str() {
                        "tokens" => policy.budget_tokens = setting::count(value, report),
                        _ => policy.budget_turns = setting::small_count(value, report),
                    }
                }
            }
            _ => {
                for Entry { key, value, .. } in
                    setting::known_entries(value, &["history_tokens", "ttl"], report)
                {
                    match key.as_str() {
                        "history_tokens" => policy.history_tokens = setting::count(value, report),
                        _ => policy.session_ttl_ms = setting::duration_ms(value, report),
                    }
                }
            }
        }
    }
    if service
        .endpoints
        .iter()
        .any(|endpoint| endpoint.method_name.as_str() == INVOKE_NAME)
    {
        service.invoke = false;
    }
    if service.documents.is_none() && documents::are_needed(&service.endpoints) {
        service.documents = Some(Documents::of(slug));
    }
    if service.documents.is_some() {
        documents::check_names(&service.endpoints, slug, report);
    }
    service
}
