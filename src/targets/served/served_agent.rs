//! The document itself: an agent with its endpoints and workflows.

use std::sync::LazyLock;

use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::agent::invoke::INVOKE_SCHEMAS;
use crate::agent::operation::{self, Operation};
use crate::agent::{Agent, find_agent};
use crate::contract::workflow_contract::{Join, OnFailure, Step, StepKind, Workflow, is_joined};
use crate::expression::input_template::{InputTemplate, Segment, TemplateKind};
use crate::expression::{Expression, Kind};
use crate::targets::served::service_constants::{
    AgentConstants, EndpointConstants, ErrorConstants, limits,
};
use crate::targets::served::type_shape::value_shape;
use crate::text::slug::Slug;

#[derive(Debug, Serialize)]
struct AgentDocument<'a> {
    /// The version of agentgen, which must be that of the runtime.
    version: &'static str,
    #[serde(flatten)]
    constants: AgentConstants<'a>,
    prompt: &'a str,
    /// The limits that are not the default.
    policy: Json,
    endpoints: Vec<EndpointDocument<'a>>,
    workflows: Vec<Json>,
}

#[derive(Debug, Serialize)]
struct EndpointDocument<'a> {
    #[serde(flatten)]
    constants: EndpointConstants<'a>,
    errors: Vec<ErrorConstants<'a>>,
    input_shape: Json,
    output_shape: Json,
}

/// The shapes of the endpoint that every agent has.
static INVOKE_SHAPES: LazyLock<(Json, Json)> = LazyLock::new(|| {
    let (input, output) = (&INVOKE_SCHEMAS.input, &INVOKE_SCHEMAS.output);
    (value_shape(input), value_shape(output))
});

/// The document of `agent`, one of `agents`, as JSON.
pub(crate) fn agent_document(agent: &Agent, agents: &[Agent]) -> String {
    let set = limits(agent, agents).into_iter();
    let set: Map<String, Json> = set
        .filter_map(|(name, value)| Some((name.to_owned(), json!(value?))))
        .collect();
    let document = AgentDocument {
        version: env!("CARGO_PKG_VERSION"),
        constants: AgentConstants::of(agent, agents),
        prompt: agent.spec.prompt(),
        policy: Json::Object(set),
        endpoints: operation::all(agent).into_iter().map(endpoint).collect(),
        workflows: agent
            .service
            .workflows
            .iter()
            .filter_map(|one| workflow(one, agent, agents))
            .collect(),
    };
    serde_json::to_string(&document).expect("all keys are texts")
}

fn endpoint(operation: Operation<'_>) -> EndpointDocument<'_> {
    let (input_shape, output_shape) = match operation.endpoint {
        Some(endpoint) => (value_shape(&endpoint.input), value_shape(&endpoint.output)),
        None => INVOKE_SHAPES.clone(),
    };
    let errors = operation.endpoint.map_or(&[][..], |own| &own.errors);
    EndpointDocument {
        constants: EndpointConstants::of(operation),
        errors: errors.iter().map(ErrorConstants::of).collect(),
        input_shape,
        output_shape,
    }
}

/// None where an agent is not there, which is an error before anything is generated.
fn workflow(workflow: &Workflow, agent: &Agent, agents: &[Agent]) -> Option<Json> {
    let steps = workflow.steps.iter();
    let steps = steps.map(|one| step(one, workflow, agents));
    let steps: Vec<Json> = steps.collect::<Option<_>>()?;
    Some(json!({
        "name": workflow.slug.as_str(),
        "operation_id": workflow.operation_id(),
        "agent": agent.spec.slug.as_str(),
        "input_schema": workflow.input.json.to_string(),
        "roles": workflow.roles,
        "concurrency": workflow.concurrency,
        "timeout_ms": workflow.timeout_ms,
        "schedule": workflow.schedule.as_ref().map(|schedule| json!({
            "cron": schedule.cron,
            "zone": schedule.zone,
            "missed": schedule.missed.as_str(),
            "input": schedule.input.to_string(),
        })),
        "steps": steps,
    }))
}

fn step(step: &Step, workflow: &Workflow, agents: &[Agent]) -> Option<Json> {
    let needs: Vec<&str> = step.needs.iter().map(|need| need.text.as_str()).collect();
    let join = match step.join {
        Join::All => json!("all"),
        Join::Any => json!("any"),
        Join::Quorum(count) => json!({ "quorum": count }),
    };
    let on_failure = match &step.on_failure {
        // Tried in vain, it has failed as any other.
        OnFailure::Retry if is_joined(step, &workflow.steps) => json!("join"),
        OnFailure::Join => json!("join"),
        OnFailure::Stop | OnFailure::Retry => json!("stop"),
        OnFailure::Skip => json!("skip"),
        OnFailure::Escalate => json!("escalate"),
        OnFailure::Fallback(name) => {
            json!({ "fallback": find_agent(agents, &name.text)?.spec.slug.as_str() })
        }
    };
    Some(json!({
        "id": step.id,
        "kind": kind(step, agents)?,
        "needs": needs,
        "join": join,
        "when": step.own_condition().map(expression),
        "with": step.inputs.as_ref().map(template),
        "timeout_ms": step.timeout_ms,
        "attempts": step.attempts(),
        "backoff_ms": step.backoff_ms(),
        "on_failure": on_failure,
    }))
}

/// What the step does; none where an agent is not there.
fn kind(step: &Step, agents: &[Agent]) -> Option<Json> {
    Some(match &step.kind {
        StepKind::Call(call) => {
            let slug = find_agent(agents, &call.agent.text)?.spec.slug.as_str();
            let endpoint = call.endpoint_name();
            match &call.for_each {
                None => json!({ "call": { "agent": slug, "endpoint": endpoint } }),
                Some(each) => json!({ "for_each": {
                    "agent": slug,
                    "endpoint": endpoint,
                    "items": expression(&each.items),
                    "when": step.item_condition().map(expression),
                    "concurrency": each.concurrency,
                } }),
            }
        }
        StepKind::Plan(plan) => {
            let slugs = plan.agents.iter().map(|name| {
                let agent = find_agent(agents, &name.text)?;
                Some(agent.spec.slug.as_str())
            });
            json!({ "plan": {
                "subtasks": expression(&plan.from),
                "source": plan.source().map(|name| &name.text),
                "agents": slugs.collect::<Option<Vec<_>>>()?,
                "max": plan.max,
                "concurrency": plan.concurrency,
            } })
        }
        StepKind::Ask(ask) => json!({ "ask": {
            "prompt": template(&ask.prompt),
            "answer_schema": ask.answer.json.to_string(),
            "roles": ask.roles,
        } }),
        StepKind::WaitFor(wait) => json!({ "wait_for": {
            "event": wait.event,
            "payload_schema": wait.payload.json.to_string(),
        } }),
        StepKind::Workflow(name) => {
            let slug = Slug::new(&name.text).ok()?;
            json!({ "workflow": { "workflow": slug.as_str() } })
        }
        StepKind::Wait(ms) => json!({ "wait": { "duration_ms": ms } }),
    })
}

fn expression(expression: &Expression) -> Json {
    let many = |parts: &[Expression]| parts.iter().map(self::expression).collect::<Vec<Json>>();
    match &expression.kind {
        Kind::Null => json!("null"),
        Kind::Boolean(boolean) => json!({ "boolean": boolean }),
        Kind::Number(number) => json!({ "number": number }),
        Kind::Text(text) => json!({ "text": text }),
        Kind::Path(path) => {
            let names: Vec<&str> = path.iter().map(|name| name.text.as_str()).collect();
            json!({ "path": names })
        }
        Kind::Not(inner) => json!({ "not": self::expression(inner) }),
        Kind::All(parts) => json!({ "all": many(parts) }),
        Kind::Any(parts) => json!({ "any": many(parts) }),
        Kind::Compare(comparison, sides) => {
            let [left, right] = &**sides;
            let sides = (self::expression(left), self::expression(right));
            json!({ "compare": [comparison.as_str(), sides.0, sides.1] })
        }
    }
}

fn template(template: &InputTemplate) -> Json {
    let literal = |json: &Json| json!({ "json": json.to_string() });
    if let Some(json) = template.to_json() {
        return literal(&json);
    }
    match &template.kind {
        TemplateKind::Json(json) => literal(json),
        TemplateKind::Value(value) => json!({ "value": expression(value) }),
        TemplateKind::Text(pieces) => {
            let pieces = pieces.iter().map(|piece| match piece {
                Segment::Text(text) => literal(&Json::from(text.as_str())),
                Segment::Value(value) => json!({ "value": expression(value) }),
            });
            json!({ "text": pieces.collect::<Vec<_>>() })
        }
        TemplateKind::Object(members) => {
            let members = members.iter();
            let members = members.map(|(name, value)| json!([name.text, self::template(value)]));
            json!({ "object": members.collect::<Vec<_>>() })
        }
        TemplateKind::List(items) => {
            json!({ "list": items.iter().map(self::template).collect::<Vec<_>>() })
        }
    }
}
