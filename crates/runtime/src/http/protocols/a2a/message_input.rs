//! What a message means: the endpoint that it is for and its input, or the answer to a question.

use std::sync::Arc;

use a2a::{A2AError, Message, PartContent, SendMessageRequest};
use agentgen_schema::{MAX_SESSION_ID_LENGTH, SESSION_ID_PATTERN};
use serde_json::{Value, json};

use crate::error::AgentError;
use crate::event::pending_action::{ActionKind, PendingAction};
use crate::http::calls::MountedEndpoint;
use crate::http::protocols::a2a::Exchange;
use crate::http::protocols::a2a::a2a_error::{Refusal, invalid};
use crate::schema::{Uuid, Validator};
use crate::spec::endpoint_spec::SessionUse;
use crate::spec::workflow_spec::INVOKE;

/// The member of the metadata that names a skill.
const SKILL: &str = "skill";
/// The member of the metadata that names the question that a message answers.
const ACTION: &str = "action";

/// The id of the skill that an endpoint is.
pub(super) fn skill_id(endpoint: &MountedEndpoint) -> &'static str {
    let spec = endpoint.handler.spec;
    match spec.name {
        INVOKE => endpoint.agent.slug,
        _ => spec.operation_id,
    }
}

/// The endpoint that a request is for: that of the skill in its metadata, or `invoke` of the agent in the path.
pub(super) fn endpoint<'a>(
    exchange: &'a Exchange,
    request: &SendMessageRequest,
) -> Result<&'a Arc<MountedEndpoint>, Refusal> {
    let skill = metadata(request, SKILL)?;
    let mut endpoints = exchange.endpoints();
    let found = match (skill, exchange.agent) {
        (Some(skill), _) => endpoints.find(|endpoint| skill_id(endpoint) == skill),
        (None, Some(_)) => endpoints.find(|endpoint| endpoint.handler.spec.name == INVOKE),
        (None, None) if exchange.served.agents.len() == 1 => {
            endpoints.find(|endpoint| endpoint.handler.spec.name == INVOKE)
        }
        (None, None) => None,
    };
    found.ok_or_else(|| {
        let skills: Vec<_> = exchange.endpoints().map(|of| skill_id(of)).collect();
        let wrong = match skill {
            Some(_) => "there is no such skill",
            None => "the message needs `metadata.skill`",
        };
        invalid(format!("{wrong}; the skills are {}", skills.join(", ")))
    })
}

/// The text under `name` in the metadata of the message, or of its request.
fn metadata<'a>(request: &'a SendMessageRequest, name: &str) -> Result<Option<&'a str>, Refusal> {
    let maps = [&request.message.metadata, &request.metadata];
    let value = maps.into_iter().flatten().find_map(|map| map.get(name));
    match value {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(format!("`metadata.{name}` must be a text"))),
    }
}

/// The input of `endpoint` that `message` is, in the conversation `context`.
pub(super) fn input(
    endpoint: &MountedEndpoint,
    message: &Message,
    context: &str,
) -> Result<Value, Refusal> {
    check_context(context)?;
    let spec = endpoint.handler.spec;
    if spec.name == INVOKE {
        return Ok(json!({ "input": text(message)?, "session_id": context }));
    }
    let mut input = match &*message.parts {
        [part] => match &part.content {
            PartContent::Data(data) if data.is_object() => data.clone(),
            _ => return Err(needs_data(endpoint)),
        },
        _ => return Err(needs_data(endpoint)),
    };
    if spec.session != SessionUse::None && input.get("session_id").is_none() {
        input["session_id"] = json!(context);
    }
    Ok(input)
}

/// A context is a conversation, and its id that of one.
fn check_context(context: &str) -> Result<(), Refusal> {
    let mut validator = Validator::default();
    validator.at("message", |v| {
        v.at("contextId", |v| {
            v.length(context, Some(1), Some(MAX_SESSION_ID_LENGTH as u64));
            v.pattern(context, SESSION_ID_PATTERN);
        });
    });
    let violations = validator.into_violations();
    match violations.is_empty() {
        true => Ok(()),
        false => Err(AgentError::Invalid(violations).into()),
    }
}

fn needs_data(endpoint: &MountedEndpoint) -> Refusal {
    let skill = skill_id(endpoint);
    invalid(format!(
        "the skill `{skill}` takes one data part, whose `data` is an object under its input schema"
    ))
}

/// The parts of a message as one text; data is written as JSON.
fn text(message: &Message) -> Result<String, Refusal> {
    let texts = message.parts.iter().map(|part| match &part.content {
        PartContent::Text(text) => Ok(text.clone()),
        PartContent::Data(data) => Ok(data.to_string()),
        PartContent::Raw(_) | PartContent::Url(_) => {
            Err(A2AError::content_type_not_supported().into())
        }
    });
    Ok(texts.collect::<Result<Vec<_>, Refusal>>()?.join("\n"))
}

/// Which of the questions `actions` a message answers, and the answer: a data part as it is; of a text, what it means for the question.
pub(super) fn answer(
    actions: &[PendingAction],
    request: &SendMessageRequest,
) -> Result<(Uuid, Value), Refusal> {
    let mut open = actions.iter().filter(|action| action.kind.is_answered());
    let action = match metadata(request, ACTION)? {
        Some(id) => open.find(|action| action.id.to_string() == id),
        None => open.next(),
    };
    let action = action.ok_or_else(|| invalid("the task does not wait for this answer"))?;
    let message = &request.message;
    if let [part] = &*message.parts
        && let PartContent::Data(data) = &part.content
    {
        return Ok((action.id, data.clone()));
    }
    let text = text(message)?;
    let has_answer = |schema: &Value| schema["properties"].get("answer").is_some();
    let value = match action.kind {
        ActionKind::Approval => json!({ "approved": is_yes(&text)? }),
        _ if action.schema.as_ref().is_some_and(has_answer) => json!({ "answer": text }),
        _ => json!(text),
    };
    Ok((action.id, value))
}

fn is_yes(text: &str) -> Result<bool, Refusal> {
    match &*text.trim().to_lowercase() {
        "yes" | "approve" | "approved" | "true" => Ok(true),
        "no" | "deny" | "denied" | "reject" | "rejected" | "false" => Ok(false),
        _ => Err(invalid(
            "an approval is answered with `yes` or `no`, or with a data part such as {\"approved\": false, \"reason\": \"...\"}",
        )),
    }
}
