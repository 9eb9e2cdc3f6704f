//! The operations of an agent as they are served: the declared endpoints, and `invoke`.

use agentgen_schema::{Handler, Method, stream_path};
use heck::{ToLowerCamelCase, ToUpperCamelCase};
use serde_json::{Value as Json, json};

use crate::agent::Agent;
use crate::agent::invoke::{self, INVOKE_SCHEMAS};
use crate::contract::endpoint::{Endpoint, INVOKE_NAME};

/// One operation of an agent.
#[derive(Debug, Clone)]
pub struct Operation<'a> {
    /// The name of the endpoint; `invoke` for the one every agent has.
    pub name: &'a str,
    /// The operation's id, unique in the project: the author's, or verb and agent, such as `chatLibrarian`.
    pub id: String,
    /// The HTTP method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// What it does: one or more sentences.
    pub description: String,
    /// Whether it is offered as server-sent events too.
    pub stream: bool,
    /// The roles of which a caller needs one; empty for everyone.
    pub roles: &'a [String],
    /// The declared endpoint; none for the built-in `invoke`.
    pub endpoint: Option<&'a Endpoint>,
}

/// The operations of `agent`: `invoke` first, then the endpoints in the order of the file.
pub fn all(agent: &Agent) -> Vec<Operation<'_>> {
    let mut operations = Vec::new();
    let name = &agent.spec.name;
    if agent.service.invoke {
        operations.push(Operation {
            name: INVOKE_NAME,
            id: id(INVOKE_NAME, agent),
            method: Method::Post,
            path: format!("/v1/agents/{}/invoke", agent.spec.slug),
            description: format!("Asks {name} in plain words and answers with all it says."),
            stream: true,
            roles: &agent.service.roles,
            endpoint: None,
        });
    }
    operations.extend(agent.service.endpoints.iter().map(|endpoint| Operation {
        name: &endpoint.name,
        id: match &endpoint.operation_id {
            Some(id) => id.text.clone(),
            None => id(&endpoint.name, agent),
        },
        method: endpoint.method,
        path: endpoint.path.clone(),
        description: match &endpoint.description {
            Some(description) => description.clone(),
            None => match &endpoint.summary {
                Some(summary) => summary.clone(),
                None => format!("The endpoint {} of {name}.", endpoint.name),
            },
        },
        stream: endpoint.stream,
        roles: &endpoint.roles,
        endpoint: Some(endpoint),
    }));
    operations
}

/// Where the events of an operation are served: under an id and at a path of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRoute {
    /// The id of the operation that answers with events: `streamLibrarian` for `invokeLibrarian`, `streamChatLibrarian` for
    /// `chatLibrarian`.
    pub id: String,
    /// The path; the method is that of the operation.
    pub path: String,
}

impl Operation<'_> {
    /// Whether it searches documents, and calls no model.
    pub fn is_search(&self) -> bool {
        let handler = self.endpoint.map(|endpoint| endpoint.handler);
        handler == Some(Handler::Search)
    }

    /// Where the events of this operation of `agent` are served; none if it has no events.
    pub fn stream_route(&self, agent: &Agent) -> Option<StreamRoute> {
        let id = match self.endpoint {
            None => id("stream", agent),
            Some(_) => format!("stream{}", self.id.to_upper_camel_case()),
        };
        self.stream.then(|| StreamRoute {
            id,
            path: stream_path(&self.path),
        })
    }

    /// The JSON Schema of what the operation takes.
    pub fn input_schema(&self) -> Json {
        match self.endpoint {
            Some(endpoint) => endpoint.input.json.clone(),
            None => invoke::input_schema(),
        }
    }

    /// The JSON Schema of what the operation answers.
    pub fn output_schema(&self) -> Json {
        match self.endpoint {
            Some(endpoint) => endpoint.output.json.clone(),
            None => invoke::output_schema(),
        }
    }

    /// The HTTP status of an answer.
    pub fn status(&self) -> u16 {
        self.endpoint.map_or(200, |endpoint| endpoint.status)
    }

    /// Whether a model answers.
    pub fn asks_model(&self) -> bool {
        self.endpoint
            .is_none_or(|endpoint| endpoint.handler == Handler::Model)
    }

    /// Whether the operation continues a conversation that the request names.
    pub fn has_session(&self) -> bool {
        let input = match self.endpoint {
            Some(endpoint) => &endpoint.input.json,
            None => &INVOKE_SCHEMAS.input.json,
        };
        let id = input["properties"].get("session_id");
        let is_text = |schema: &Json| {
            schema["type"] == "string" || schema["type"] == json!(["string", "null"])
        };
        self.asks_model() && id.is_some_and(is_text)
    }
}

/// The id of the operation of `agent` that `verb` names.
pub(crate) fn id(verb: &str, agent: &Agent) -> String {
    format!(
        "{}{}",
        verb.to_lower_camel_case(),
        agent.spec.slug.as_str().to_upper_camel_case()
    )
}
