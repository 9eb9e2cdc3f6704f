//! What a person is asked before a model continues: whether a tool may be called, what the model itself asks with `ask_user`, and what a
//! tool asks.

use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::engine::tool_inputs::{InputRequest, answer_schema};
use crate::engine::tools::{ToolError, input_schema};
use crate::event::pending_action::{ActionKind, PendingAction, PendingToolCall};
use crate::model::{ToolCall, ToolDefinition, ToolResult};
use crate::schema::{DateTime, Uuid, new_uuid_v7};
use crate::spec::agent_spec::AgentSpec;

/// The tool with which a model asks its caller.
const ASK_USER: &str = "ask_user";

/// The input of `ask_user`.
#[derive(Deserialize, JsonSchema)]
struct AskUserInput {
    /// The question, with everything that the person needs to know to answer it.
    #[schemars(length(min = 1, max = 4000))]
    question: String,
    /// The answers to choose from. Leave it out where any text is an answer.
    #[serde(default)]
    #[schemars(length(max = 20))]
    options: Vec<String>,
}

/// A question about a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToolQuestion {
    pub(crate) id: Uuid,
    pub(crate) kind: QuestionKind,
    /// The question, in words.
    pub(crate) prompt: String,
    /// JSON Schema of the answer.
    pub(crate) schema: Value,
    /// The roles of which the person needs one; empty: the caller that started the run.
    pub(crate) roles: Vec<String>,
    pub(crate) expires_at: Option<DateTime>,
    pub(crate) call: PendingToolCall,
}

impl ToolQuestion {
    /// What the run waits for at `step`.
    pub(crate) fn into_action(self, step: &str) -> PendingAction {
        PendingAction {
            id: self.id,
            step: step.to_owned(),
            kind: match self.kind {
                QuestionKind::Approval => ActionKind::Approval,
                QuestionKind::Answer | QuestionKind::Input => ActionKind::Question,
            },
            prompt: Some(self.prompt),
            event: None,
            run: None,
            schema: Some(self.schema),
            roles: self.roles,
            tool_call: Some(self.call),
            expires_at: self.expires_at,
        }
    }
}

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum QuestionKind {
    /// Whether the tool may be called.
    Approval,
    /// What the model wants to know.
    Answer,
    /// What the tool wants to know.
    Input,
}

/// What a model is told of `ask_user`.
pub(crate) fn ask_user() -> ToolDefinition {
    let description = "Asks the user a question and gives back the answer. Use it when you need a decision or a fact that only the \
                       user has. It may take a while until the answer comes.";
    ToolDefinition {
        name: ASK_USER.to_owned(),
        description: description.to_owned(),
        input_schema: input_schema::<AskUserInput>(),
    }
}

/// The question whether the model of `agent` may make `call`, asked at `now`.
pub(crate) fn approval(
    agent: &AgentSpec,
    call: &ToolCall,
    may_have_run: bool,
    now: SystemTime,
) -> ToolQuestion {
    let (name, tool) = (agent.slug, &call.name);
    let before = match may_have_run {
        true => {
            " The call was approved before and may have run: the service ended while it was under way."
        }
        false => "",
    };
    ToolQuestion {
        kind: QuestionKind::Approval,
        prompt: format!("`{name}` wants to call the tool `{tool}`.{before} May it?"),
        schema: json!({
            "type": "object",
            "required": ["approved"],
            "additionalProperties": false,
            "properties": {
                "approved": { "type": "boolean", "description": "Whether the tool is called." },
                "reason": {
                    "type": "string",
                    "maxLength": 4000,
                    "description": "Why not, for the model.",
                },
            },
        }),
        roles: agent
            .policy
            .tools
            .roles
            .iter()
            .map(|role| (*role).to_owned())
            .collect(),
        call: PendingToolCall {
            may_have_run,
            ..pending(agent, call)
        },
        ..question(agent, call, now)
    }
}

/// What the model of `agent` asks with the call `call` of `ask_user`, at `now`.
///
/// # Errors
/// An input that does not fit its schema.
pub(crate) fn from_model(
    agent: &AgentSpec,
    call: &ToolCall,
    now: SystemTime,
) -> Result<ToolQuestion, ToolError> {
    let AskUserInput { question, options } = serde_json::from_value(call.arguments.clone())
        .map_err(|error| ToolError::new(format!("the input does not fit: {error}")))?;
    let mut answer = json!({ "type": "string", "maxLength": 32_000 });
    if !options.is_empty() {
        answer = json!({ "enum": options });
    }
    Ok(ToolQuestion {
        prompt: question,
        schema: json!({
            "type": "object",
            "required": ["answer"],
            "additionalProperties": false,
            "properties": { "answer": answer },
        }),
        ..self::question(agent, call, now)
    })
}

/// What the tool asks that the model of `agent` calls with `call`, at `now`.
pub(crate) fn from_tool(
    agent: &AgentSpec,
    call: &ToolCall,
    request: &InputRequest,
    now: SystemTime,
) -> ToolQuestion {
    let (tool, message) = (&call.name, &request.message);
    ToolQuestion {
        kind: QuestionKind::Input,
        prompt: format!("The tool `{tool}` asks: {message}"),
        schema: answer_schema(&request.schema),
        ..question(agent, call, now)
    }
}

/// What all questions have in common.
fn question(agent: &AgentSpec, call: &ToolCall, now: SystemTime) -> ToolQuestion {
    let timeout = agent.policy.tools.timeout_ms.map(Duration::from_millis);
    ToolQuestion {
        id: new_uuid_v7(),
        kind: QuestionKind::Answer,
        prompt: String::new(),
        schema: Value::Null,
        roles: Vec::new(),
        expires_at: timeout.map(|timeout| DateTime::from(now + timeout)),
        call: pending(agent, call),
    }
}

fn pending(agent: &AgentSpec, call: &ToolCall) -> PendingToolCall {
    PendingToolCall {
        call_id: call.id.clone(),
        agent: agent.slug.to_owned(),
        tool: call.name.clone(),
        arguments: call.arguments.clone(),
        may_have_run: false,
    }
}

/// What the answer `value` to a question does.
pub(crate) enum Verdict {
    /// The tool is called.
    Call,
    /// The model gets this in place of a result of the tool.
    Result(ToolResult),
}

/// What `value`, which is valid under the schema of a question of this kind, does. `None`: nobody answered in time.
pub(crate) fn verdict(kind: QuestionKind, value: Option<&Value>) -> Verdict {
    let refused = |text: String| Verdict::Result(ToolResult::text(text, true));
    match (kind, value) {
        (_, None) => refused("denied: nobody answered in time".to_owned()),
        (QuestionKind::Input, Some(_)) => Verdict::Call,
        (QuestionKind::Approval, Some(value)) if value["approved"] == true => Verdict::Call,
        (QuestionKind::Approval, Some(value)) => refused(match value["reason"].as_str() {
            Some(reason) => format!("denied by the user: {reason}"),
            None => "denied by the user".to_owned(),
        }),
        (QuestionKind::Answer, Some(value)) => {
            let answer = match &value["answer"] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            Verdict::Result(ToolResult::text(answer, false))
        }
    }
}
