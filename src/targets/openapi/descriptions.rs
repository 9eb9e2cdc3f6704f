//! Summaries and descriptions of operations.

use agentgen_schema::Handler;

use crate::agent::Agent;
use crate::agent::operation::Operation;
use crate::contract::endpoint::Endpoint;
use crate::spec::example_blocks::shorten;
use crate::targets::openapi::runtime_contract::event_types;

/// What the operation does, in a few words.
pub fn summary(agent: &Agent, operation: &Operation<'_>) -> String {
    match operation.endpoint {
        None => format!("Ask {}", agent.spec.name),
        Some(endpoint) => match &endpoint.description {
            Some(description) => {
                let first = description.split(". ").next().unwrap_or(description);
                shorten(first.trim_end_matches('.'), 120)
            }
            None => format!("Call {} of {}", endpoint.name, agent.spec.name),
        },
    }
}

/// Markdown: what the operation does, who answers, the roles it needs, and its events.
pub fn description(operation: &Operation<'_>) -> String {
    let mut paragraphs = vec![operation.description.clone()];
    if let Some(endpoint) = operation.endpoint {
        paragraphs.extend(answer(endpoint));
        if !endpoint.roles.is_empty() {
            let roles = endpoint.roles.join(", ");
            paragraphs.push(format!("Needs one of the roles {roles}."));
        }
    }
    if operation.stream {
        paragraphs.extend(stream(operation.endpoint));
    }
    paragraphs.join("\n\n")
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

/// The answer as server-sent events.
fn stream(endpoint: Option<&Endpoint>) -> Vec<String> {
    if endpoint.is_some_and(|own| matches!(own.handler, Handler::Search | Handler::Embed)) {
        return vec![
            "Under `Accept: text/event-stream` the answer is two server-sent events: `run.started`, and \
             `run.completed` with the whole answer, or `run.failed` with a problem document."
                .to_owned(),
        ];
    }
    let retrieved = match endpoint.and_then(|own| own.retrieve.as_ref()) {
        Some(_) => "`passages.retrieved`, ",
        None => "",
    };
    let between: Vec<String> = event_types("AgentEvent")
        .filter(|event| !ONCE.contains(event))
        .map(|event| format!("`{event}`"))
        .collect();
    vec![
        format!(
            "Under `Accept: text/event-stream` the run is answered as server-sent events: `run.started`, {retrieved}any \
             number of {}, and at the end `run.completed` with the whole answer, or `run.failed` with a problem \
             document. Skip events of other types: later versions add some.",
            between.join(", ")
        ),
        EVENTS.to_owned(),
    ]
}

/// The events that have their place in a stream; all others may come any number of times.
const ONCE: [&str; 4] = [
    "run.started",
    "passages.retrieved",
    "run.completed",
    "run.failed",
];

/// A stream as it comes over the wire.
const EVENTS: &str = "```text\nid: 1\nevent: run.started\n\
    data: {\"type\":\"run.started\",\"run_id\":\"01936f2e-7b1c-7000-8000-000000000001\",\"agent\":\"…\",\"model\":\"…\"}\n\n\
    id: 2\nevent: output.delta\ndata: {\"type\":\"output.delta\",\"text\":\"…\"}\n\n\
    id: 3\nevent: run.completed\n\
    data: {\"type\":\"run.completed\",\"run_id\":\"01936f2e-7b1c-7000-8000-000000000001\",\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":12,\"output_tokens\":2},\"output\":\"…\"}\n```";
