//! Prompt bundles: the prompt, byte for byte, and everything there is to know about its agent.

use agentgen_schema::Handler;
use serde_json::{Map, Value as Json, json};

use crate::agent::operation;
use crate::agent::{Agent, find_slug};
use crate::contract::Policy;
use crate::contract::workflow_contract::{OnFailure, Step, StepKind, Workflow};
use crate::contract::workflow_step::Call;
use crate::diagnostics::Diagnostic;
use crate::output::artifact::Artifact;
use crate::targets::template_engine::Templates;
use crate::text::escaped_json;
use crate::text::measures::sha256_hex;
use crate::text::measures::token_count;
use crate::text::outline;

/// The JSON Schema (2020-12) of `bundle.json`.
pub const SCHEMA: &str = include_str!("../../schemas/bundle.schema.json");

/// The version of the bundle's format; a change that readers have to know of raises it.
const FORMAT: u32 = 1;

/// Keys of the frontmatter that have a place of their own in a bundle.
const OWN_KEYS: &[&str] = &["name", "description", "model", "tools", "service"];

/// The two files of `agent`'s bundle: `prompt.md` and `bundle.json`.
///
/// # Errors
///
/// What was wrong with the templates.
pub fn render(
    agent: &Agent,
    agents: &[Agent],
    templates: &Templates,
) -> Result<Vec<Artifact>, Diagnostic> {
    let slug = &agent.spec.slug;
    if templates.are_built_in() {
        // What the built-in templates make of them, without making a copy of each for the template.
        let bundle = escaped_json::pretty(&bundle(agent, agents)) + "\n";
        return Ok(files(slug.as_str(), agent.spec.prompt().to_owned(), bundle));
    }
    let prompt = templates.render(
        "prompts/prompt.md.tera",
        &json!({ "prompt": agent.spec.prompt() }),
    )?;
    let bundle = templates.render(
        "prompts/bundle.json.tera",
        &json!({ "bundle": bundle(agent, agents) }),
    )?;
    if let Err(error) = serde_json::from_str::<Json>(&bundle) {
        let message = format!("what the template makes is not JSON: {error}");
        return Err(templates
            .bad_output("prompts/bundle.json.tera", message)
            .help("put every value through the filter `json`"));
    }
    Ok(files(slug.as_str(), prompt, bundle))
}

fn files(slug: &str, prompt: String, bundle: String) -> Vec<Artifact> {
    let file = |name: &str, text: String| Artifact {
        path: format!("prompts/{slug}/{name}"),
        bytes: text.into_bytes(),
    };
    vec![file("bundle.json", bundle), file("prompt.md", prompt)]
}

/// Everything about `agent` as one JSON value, described by `schemas/bundle.schema.json`.
pub fn bundle(agent: &Agent, agents: &[Agent]) -> Json {
    let spec = &agent.spec;
    let prompt = spec.prompt();
    let others: Map<String, Json> = spec
        .frontmatter
        .entries()
        .unwrap_or_default()
        .iter()
        .filter(|entry| !OWN_KEYS.contains(&entry.key.as_str()))
        // In a Markdown file the body is the prompt.
        .filter(|entry| entry.key != "prompt" || spec.body_line().is_some())
        .map(|entry| (entry.key.clone(), entry.value.to_json()))
        .collect();
    json!({
        "format": FORMAT,
        "name": spec.name,
        "slug": spec.slug.as_str(),
        "summary": spec.summary,
        "description": spec.description,
        "examples": spec.examples,
        "model": agent.model(),
        "tools": spec.tools.allowed,
        "denied_tools": spec.tools.denied,
        "metadata": others,
        "prompt": {
            "file": "prompt.md",
            "sha256": sha256_hex(prompt.as_bytes()),
            "bytes": prompt.len(),
            "words": prompt.split_whitespace().count(),
            "tokens": token_count(prompt),
            "outline": outline::headings(prompt),
        },
        "source": {
            "file": spec.source.path().rsplit('/').next(),
            "body_line": spec.body_line(),
            "repaired": spec.repaired,
        },
        "endpoints": operation::all(agent).iter().map(|operation| json!({
            "name": operation.name,
            "method": operation.method.as_str().to_ascii_lowercase(),
            "path": operation.path,
            "operation_id": operation.id,
            "description": operation.description,
            "handler": operation.endpoint.map_or(Handler::Model, |endpoint| endpoint.handler).as_str(),
            "retrieve": operation.endpoint.and_then(|endpoint| endpoint.retrieve.as_ref())
                .map(|retrieve| json!({ "query": retrieve.query, "limit": retrieve.limit })),
            "stream": operation.stream,
            "roles": operation.roles,
            "rate": operation.endpoint.and_then(|endpoint| endpoint.rate),
            "timeout_ms": operation.endpoint.and_then(|endpoint| endpoint.timeout_ms),
            "input": operation.input_schema(),
            "output": operation.output_schema(),
        })).collect::<Vec<_>>(),
        "policy": policy(&agent.service.policy),
        "agents": agent.handoffs(agents)
            .map(|other| other.spec.slug.as_str())
            .collect::<Vec<_>>(),
        "documents": agent.service.documents.as_ref().map(|documents| json!({
            "collection": documents.collection.as_str(),
            "roles": documents.roles,
        })),
        "workflows": agent.service.workflows.iter()
            .map(|workflow| workflow_json(workflow, agents))
            .collect::<Vec<_>>(),
        "frontmatter": spec.frontmatter.to_json(),
    })
}

fn policy(policy: &Policy) -> Json {
    json!({
        "fallbacks": policy.fallbacks.iter().map(|name| &name.text).collect::<Vec<_>>(),
        "retry_attempts": policy.retry_attempts,
        "retry_backoff_ms": policy.retry_backoff_ms,
        "breaker_failures": policy.breaker_failures,
        "breaker_cooldown_ms": policy.breaker_cooldown_ms,
        "timeout_ms": policy.timeout_ms,
        "budget_tokens": policy.budget_tokens,
        "budget_turns": policy.budget_turns,
        "rate": policy.rate,
        "history_tokens": policy.history_tokens,
        "session_ttl_ms": policy.session_ttl_ms,
        "tools": policy.tools.asks().then(|| json!({
            "approve": policy.tools.patterns().collect::<Vec<_>>(),
            "roles": policy.tools.roles,
            "timeout_ms": policy.tools.timeout_ms,
            "ask_user": policy.tools.ask_user,
        })),
    })
}

/// What a step waits for that calls no agent.
fn waits_for(step: &Step) -> Option<Json> {
    match &step.kind {
        StepKind::Call(_) | StepKind::Plan(_) => None,
        StepKind::Ask(ask) => Some(json!({
            "ask": ask.prompt_text,
            "answer": ask.answer.json,
            "roles": ask.roles,
        })),
        StepKind::WaitFor(wait) => Some(json!({
            "event": wait.event,
            "output": wait.payload.json,
        })),
        StepKind::Wait(ms) => Some(json!({ "duration_ms": ms })),
        StepKind::Workflow(name) => Some(json!({ "workflow": name.text })),
    }
}

fn workflow_json(workflow: &Workflow, agents: &[Agent]) -> Json {
    let slug = |name: &str| find_slug(agents, name).map(|slug| slug.to_string());
    json!({
        "name": workflow.name,
        "slug": workflow.slug.as_str(),
        "operation_id": workflow.operation_id(),
        "input": workflow.input.json,
        "roles": workflow.roles,
        "concurrency": workflow.concurrency,
        "timeout_ms": workflow.timeout_ms,
        "schedule": workflow.schedule.as_ref().map(|schedule| json!({
            "cron": schedule.cron,
            "zone": schedule.zone,
            "missed": schedule.missed.as_str(),
            "input": schedule.input,
        })),
        "steps": workflow.steps.iter().map(|step| json!({
            "id": step.id,
            "agent": step.call().map(|call| slug(&call.agent.text)),
            "endpoint": step.call().map(Call::endpoint_name),
            "for_each": step.for_each().map(|each| json!({
                "items": each.items_text,
                "concurrency": each.concurrency,
            })),
            "plan": match &step.kind {
                StepKind::Plan(plan) => Some(json!({
                    "from": plan.from_text,
                    "agents": plan.agents.iter().map(|name| slug(&name.text)).collect::<Vec<_>>(),
                    "max": plan.max,
                    "concurrency": plan.concurrency,
                })),
                _ => None,
            },
            "waits_for": waits_for(step),
            "needs": step.needs.iter().map(|need| &need.text).collect::<Vec<_>>(),
            "join": step.join.kind().as_str(),
            "quorum": step.join.quorum(),
            "when": step.when,
            "with": step.with,
            "timeout_ms": step.timeout_ms,
            "attempts": step.attempts,
            "backoff_ms": step.backoff_ms,
            "on_failure": step.on_failure.kind().as_str(),
            "fallback": match &step.on_failure {
                OnFailure::Fallback(name) => slug(&name.text),
                _ => None,
            },
        })).collect::<Vec<_>>(),
    })
}
