//! Summaries and descriptions of operations.

use agentgen_schema::Handler;
use serde_json::json;

use crate::agent::Agent;
use crate::agent::operation::Operation;
use crate::contract::endpoint::Endpoint;
use crate::schema::sample::example;
use crate::spec::example_blocks::shorten;
use crate::targets::openapi::runtime_contract::event_types;

/// What the operation does, in a few words.
pub fn summary(agent: &Agent, operation: &Operation<'_>) -> String {
    match operation.endpoint {
        None => format!("Ask {}", agent.spec.name),
        Some(endpoint) => match (&endpoint.summary, &endpoint.description) {
            (Some(summary), _) => summary.clone(),
            (None, Some(description)) => {
                let first = description.split(". ").next().unwrap_or(description);
                shorten(first.trim_end_matches('.'), 120)
            }
            (None, None) => format!("Call {} of {}", endpoint.name, agent.spec.name),
        },
    }
}

/// Markdown: what the operation does, who answers, the roles it needs, and where its events are.
pub fn description(agent: &Agent, operation: &Operation<'_>) -> String {
    let mut paragraphs = paragraphs(operation);
    paragraphs.extend(operation.stream_route(agent).map(|route| {
        format!(
            "Under `Accept: text/event-stream` the answer is the events of `{}`: see `{} {}`.",
            route.id,
            operation.method.as_str(),
            route.path
        )
    }));
    paragraphs.join("\n\n")
}

/// As [`description`], for the operation that answers with the events.
pub fn stream_description(operation: &Operation<'_>) -> String {
    let mut paragraphs = paragraphs(operation);
    paragraphs.push(events(operation));
    paragraphs.push(format!(
        "`{} {}` answers with the same events under `Accept: text/event-stream`.",
        operation.method.as_str(),
        operation.path
    ));
    paragraphs.join("\n\n")
}

fn paragraphs(operation: &Operation<'_>) -> Vec<String> {
    let mut paragraphs = vec![operation.description.clone()];
    if let Some(endpoint) = operation.endpoint {
        paragraphs.extend(answer(endpoint));
    }
    if !operation.roles.is_empty() {
        let roles = operation.roles.join(", ");
        paragraphs.push(format!("Needs one of the roles {roles}."));
    }
    paragraphs
}

/// Where the answer comes from, unless it comes from the model alone.
fn answer(endpoint: &Endpoint) -> Option<String> {
    match (endpoint.handler, &endpoint.retrieve) {
        (Handler::Search, _) => Some(
            "No language model is asked: the answer is the passages of the agent's documents that are nearest to the query."
                .to_owned(),
        ),
        (Handler::Embed, _) => {
            Some("No language model is asked: the answer is made by the embedding model.".to_owned())
        }
        (_, Some(retrieve)) => {
            let count = match retrieve.limit {
                1 => "the passage of the agent's documents that is".to_owned(),
                limit => format!("up to {limit} passages of the agent's documents that are"),
            };
            Some(format!("The model is given {count} nearest to `{}`.", retrieve.query))
        }
        _ => None,
    }
}

/// Which server-sent events the answer consists of.
fn events(operation: &Operation<'_>) -> String {
    let endpoint = operation.endpoint;
    if matches!(handler(operation), Handler::Search | Handler::Embed) {
        "The answer is two server-sent events: `run.started`, and \
         `run.completed` with the whole answer, or `run.failed` with a problem document."
            .to_owned()
    } else {
        let retrieved = match endpoint.and_then(|own| own.retrieve.as_ref()) {
            Some(_) => "`passages.retrieved`, ",
            None => "",
        };
        let between: Vec<String> = event_types("AgentEvent")
            .filter(|event| !ONCE.contains(event))
            .map(|event| format!("`{event}`"))
            .collect();
        format!(
            "The run is answered as server-sent events: `run.started`, {retrieved}any number of {}, and at the end `run.completed` with the whole answer, or `run.failed` with a problem \
             document. Skip events of other types: later versions add some.",
            between.join(", ")
        )
    }
}

fn handler(operation: &Operation<'_>) -> Handler {
    operation
        .endpoint
        .map_or(Handler::Model, |endpoint| endpoint.handler)
}

/// The events that have their place in a stream; all others may come any number of times.
const ONCE: [&str; 4] = [
    "run.started",
    "passages.retrieved",
    "run.completed",
    "run.failed",
];

/// A stream as it comes over the wire: its last event has what the JSON answer has.
pub fn event_sample(agent: &Agent, operation: &Operation<'_>) -> String {
    let handler = handler(operation);
    let usage = match handler {
        Handler::Model => json!({ "input_tokens": 12, "output_tokens": 2 }),
        Handler::Code | Handler::Search | Handler::Embed => {
            json!({ "input_tokens": 0, "output_tokens": 0 })
        }
    };
    let model = match handler {
        Handler::Model => agent.model().unwrap_or("sonnet"),
        Handler::Code | Handler::Search | Handler::Embed => "code",
    };
    let slug = agent.spec.slug.as_str();
    let output = match operation.endpoint {
        None => json!({
            "output": "Done.",
            "run_id": RUN_ID,
            "agent": slug,
            "model": model,
            "session_id": "01936f2e-7b1c-7000-8000-000000000002",
            "stop_reason": "end_turn",
            "usage": usage,
        }),
        Some(endpoint) => example(&endpoint.output.json).unwrap_or_default(),
    };
    // The text of a model, or what a handler sends as it goes.
    let delta = match (handler, operation.endpoint) {
        (Handler::Search | Handler::Embed, _) => None,
        (Handler::Model, Some(_)) => Some(output.to_string()),
        (Handler::Model, None) | (Handler::Code, _) => Some("Done.".to_owned()),
    };
    let mut events =
        vec![json!({ "type": "run.started", "run_id": RUN_ID, "agent": slug, "model": model })];
    events.extend(delta.map(|text| json!({ "type": "output.delta", "text": text })));
    events.push(json!({
        "type": "run.completed",
        "run_id": RUN_ID,
        "stop_reason": "end_turn",
        "usage": usage,
        "output": output,
    }));
    let events: Vec<String> = (1..)
        .zip(&events)
        .map(|(id, event)| {
            let name = event["type"].as_str().unwrap_or_default();
            format!("id: {id}\nevent: {name}\ndata: {event}\n\n")
        })
        .collect();
    events.concat()
}

/// The run of the sample.
const RUN_ID: &str = "01936f2e-7b1c-7000-8000-000000000001";
