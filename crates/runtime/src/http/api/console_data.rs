//! What the console shows of agents and workflows, as JSON for its page alone.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use crate::model::{Provider, estimated_tokens};
use crate::run::bound_service::Service;
use crate::spec::agent_spec::{AgentSpec, Policy, Rate};
use crate::spec::endpoint_spec::{EndpointSpec, SessionUse};
use crate::spec::workflow_spec::{Join, OnFailure, StepKind, StepSpec, WorkflowSpec};

/// What is wrong with the files that the agents of a running service are read from. All clones share one list, which the
/// console shows.
#[derive(Debug, Clone, Default)]
pub struct AgentDiagnostics(Arc<RwLock<Vec<AgentDiagnostic>>>);

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AgentDiagnostic {
    /// `error`, `warning` or `note`.
    pub severity: &'static str,
    /// The code, such as `AG005`.
    pub code: String,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The file, as a user would name it.
    pub file: String,
    /// The line in the file, from 1.
    pub line: Option<usize>,
    /// The slug of the agent that the file describes, if that is known.
    pub agent: Option<String>,
}

impl AgentDiagnostics {
    /// Replaces the whole list.
    pub fn set(&self, diagnostics: Vec<AgentDiagnostic>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = diagnostics;
    }

    /// The list.
    pub(crate) fn get(&self) -> Vec<AgentDiagnostic> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// An agent, with its endpoints.
pub(super) struct ShownAgent {
    pub(super) agent: &'static AgentSpec,
    endpoints: Vec<&'static EndpointSpec>,
}

impl ShownAgent {
    pub(super) fn new(service: &Service) -> Self {
        Self {
            agent: service.agent,
            endpoints: service.specs().collect(),
        }
    }
}

/// An agent in the list of all.
pub(super) fn agent_summary(shown: &ShownAgent, provider: &dyn Provider) -> Value {
    let agent = shown.agent;
    let operations = shown.endpoints.iter().map(|spec| spec.operation_id);
    json!({
        "name": agent.slug,
        "description": agent.summary,
        "model": agent.model,
        "answered_by": provider.model(agent.model),
        "tokens": estimated_tokens(agent.prompt.len()),
        "prompt_sha256": agent.prompt_sha256,
        "operations": operations.collect::<Vec<_>>(),
    })
}

/// All of an agent. Its prompt is in it.
pub(super) fn agent_detail(shown: &ShownAgent, provider: &dyn Provider) -> Value {
    let AgentSpec {
        name,
        slug,
        summary,
        examples,
        prompt,
        prompt_sha256,
        model,
        tools,
        denied_tools,
        agents,
        documents,
        policy,
        ..
    } = shown.agent;
    let documents = documents.as_ref();
    let endpoints = shown.endpoints.iter();
    json!({
        "name": slug,
        "title": name,
        "description": summary,
        "examples": examples,
        "prompt": prompt.text(),
        "prompt_sha256": prompt_sha256,
        "tokens": estimated_tokens(prompt.len()),
        "model": model,
        "answered_by": provider.model(*model),
        "tools": tools,
        "denied_tools": denied_tools,
        "agents": agents,
        "documents": documents.map(|documents| json!({
            "collection": documents.collection,
            "roles": documents.roles,
        })),
        "policy": policy_data(policy),
        "endpoints": endpoints.map(|spec| endpoint(spec)).collect::<Vec<_>>(),
    })
}

fn rate(rate: Option<Rate>) -> Value {
    let rate = rate.map(|rate| json!({ "requests": rate.requests, "seconds": rate.seconds }));
    rate.unwrap_or_default()
}

fn policy_data(policy: &Policy) -> Value {
    json!({
        "fallbacks": policy.fallbacks,
        "retry_attempts": policy.retry_attempts,
        "retry_backoff_ms": policy.retry_backoff_ms,
        "breaker_failures": policy.breaker_failures,
        "breaker_cooldown_ms": policy.breaker_cooldown_ms,
        "timeout_ms": policy.timeout_ms,
        "budget_tokens": policy.budget_tokens,
        "budget_turns": policy.budget_turns,
        "rate": rate(policy.rate),
        "history_tokens": policy.history_tokens,
        "session_ttl_seconds": policy.session_ttl_seconds,
    })
}

fn endpoint(spec: &EndpointSpec) -> Value {
    let session = match spec.session {
        SessionUse::None => "none",
        SessionUse::Input => "input",
        SessionUse::InputAndOutput => "input_and_output",
    };
    let errors = spec
        .errors
        .iter()
        .map(|error| json!({ "code": error.code, "status": error.status, "title": error.title }));
    json!({
        "name": spec.name,
        "operation_id": spec.operation_id,
        "method": spec.method.as_str(),
        "path": spec.path,
        "status": spec.status,
        "stream": spec.stream,
        "handler": spec.handler.as_str(),
        "session": session,
        "roles": spec.roles,
        "rate": rate(spec.rate),
        "timeout_ms": spec.timeout_ms,
        "errors": errors.collect::<Vec<_>>(),
    })
}

/// A workflow and its steps.
pub(super) fn workflow(spec: &WorkflowSpec) -> Value {
    json!({
        "name": spec.name,
        "operation_id": spec.operation_id,
        "agent": spec.agent,
        "roles": spec.roles,
        "concurrency": spec.concurrency,
        "timeout_ms": spec.timeout_ms,
        "steps": spec.steps.iter().map(step).collect::<Vec<_>>(),
    })
}

/// What a step that calls no agent waits for, in words.
fn waits_for(step: &StepSpec) -> Option<String> {
    match step.kind {
        StepKind::Call { .. }
        | StepKind::AgentRun
        | StepKind::ForEach { .. }
        | StepKind::Plan { .. } => None,
        StepKind::Workflow { workflow } => Some(format!("a run of {workflow}")),
        StepKind::Ask { roles: [], .. } => Some("an answer".to_owned()),
        StepKind::Ask { roles, .. } => Some(format!("an answer of {}", roles.join(" or "))),
        StepKind::WaitFor { event, .. } => Some(format!("the event {event}")),
        StepKind::Wait { duration_ms } => {
            let duration = humantime::format_duration(Duration::from_millis(duration_ms));
            Some(duration.to_string())
        }
    }
}

fn step(step: &StepSpec) -> Value {
    let join = match step.join {
        Join::All => "all".to_owned(),
        Join::Any => "any".to_owned(),
        Join::Quorum(count) => format!("quorum {count}"),
    };
    let on_failure = match step.on_failure {
        OnFailure::Stop => "stop".to_owned(),
        OnFailure::Skip => "skip".to_owned(),
        OnFailure::Escalate => "escalate".to_owned(),
        OnFailure::Join => "join".to_owned(),
        OnFailure::Fallback(agent) => format!("fallback {agent}"),
    };
    json!({
        "id": step.id,
        "agent": step.call().map(|(agent, _)| agent),
        "endpoint": step.call().map(|(_, endpoint)| endpoint),
        "waits_for": waits_for(step),
        "for_each": match &step.kind {
            StepKind::ForEach { items, .. } => Some(items.to_string()),
            _ => None,
        },
        "plan": match &step.kind {
            StepKind::Plan { subtasks, agents, .. } => Some(json!({
                "from": subtasks.to_string(), "agents": agents,
            })),
            _ => None,
        },
        "needs": step.needs,
        "join": join,
        "when": step.when.as_ref().map(ToString::to_string),
        "attempts": step.attempts,
        "backoff_ms": step.backoff_ms,
        "timeout_ms": step.timeout_ms,
        "on_failure": on_failure,
    })
}
