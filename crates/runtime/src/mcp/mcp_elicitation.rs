//! What a server asks a person while one of its tools is called: `elicitation/create`, and `input_required` of 2026-07-28.
//!
//! Invariant: a question is only asked of the person for whom the tool is called. A server of 2025-11-25 does not say in which call it
//! asks, so that it is declined while several are under way or one was left without an answer. After that its calls take turns, and
//! one that was left ends with its connection.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rmcp::ErrorData;
use rmcp::model::{
    ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema, ErrorCode,
    InputRequest as Asked, InputRequiredResult, InputResponses,
};
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use crate::engine::tool_inputs::{ACCEPT, DECLINE, InputRequest, ToolInputs};
use crate::mcp::mcp_log::Words;
use crate::mcp::mcp_result::redact;
use crate::schema::Schema;

/// The longest question, in bytes.
const MAX_MESSAGE: usize = 4 << 10;
/// The largest schema of an answer, in bytes.
const MAX_SCHEMA: usize = 32 << 10;
/// How often a call may be called off to ask, and how often a server may want more without a question.
pub(super) const MAX_ROUNDS: u32 = 10;

/// Why a question was not asked, for the model.
const NOBODY: &str =
    "the tool asked the user something. Nobody can be asked here, so it was declined";
const BY_ADDRESS: &str = "the tool asked the user to open an address, which this service does not do, so it was declined";
const NOT_VALID: &str =
    "the tool asked the user something in a form that can't be shown, so it was declined";
const AMBIGUOUS: &str = "the server of the tool asked a user something while several calls were under way, so it was declined. Call the tool \
                         again";

/// The calls of one server that are under way, and what it asks in them.
#[derive(Default)]
pub(super) struct Elicitations {
    calls: Mutex<BTreeMap<u64, OpenCall>>,
    next: AtomicU64,
    has_asked: AtomicBool,
    /// Whether a call was left without an answer: the server may still be at it, and ask.
    has_left: AtomicBool,
}

struct OpenCall {
    /// The answers that people have given, in the order of the questions; `None` if nobody can be asked.
    given: Option<VecDeque<InputRequest>>,
    /// Those that the server has been given.
    used: Vec<InputRequest>,
    /// Takes the questions, with one that nobody has answered.
    ask: Option<oneshot::Sender<Vec<InputRequest>>>,
    /// What the model has to be told besides the result.
    notes: Vec<&'static str>,
    /// Ends with the call.
    ended: watch::Sender<()>,
}

/// A call that is under way, until it is dropped.
pub(super) struct Asking {
    elicitations: Arc<Elicitations>,
    number: u64,
    /// Whether the server has answered the call.
    pub(super) is_answered: bool,
    asked: oneshot::Receiver<Vec<InputRequest>>,
}

impl Elicitations {
    /// Whether the server asks in a way that does not say which call it is about.
    pub(super) fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }

    /// Whether a call was left without an answer since the last time.
    pub(super) fn take_left(&self) -> bool {
        self.has_left.swap(false, Ordering::Relaxed)
    }

    /// Notes a call that begins. `inputs` is what people said to what it asked; `None` if nobody can be asked.
    pub(super) fn begin(self: &Arc<Self>, inputs: Option<&ToolInputs>) -> Asking {
        let (ask, asked) = oneshot::channel();
        let call = OpenCall {
            given: inputs.map(|inputs| match inputs.is_retry {
                true => VecDeque::new(),
                false => inputs.requests.iter().cloned().collect(),
            }),
            used: Vec::new(),
            ask: Some(ask),
            notes: Vec::new(),
            ended: watch::Sender::new(()),
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.calls().insert(number, call);
        Asking {
            elicitations: Arc::clone(self),
            number,
            is_answered: false,
            asked,
        }
    }

    /// What the server gets for a question. One that a person has to answer ends the call in which it came.
    pub(super) async fn answer(
        &self,
        params: ElicitRequestParams,
        words: &Words,
    ) -> Result<ElicitResult, ErrorData> {
        self.has_asked.store(true, Ordering::Relaxed);
        let request = read(params, words);
        let mut ended = {
            let mut calls = self.calls();
            let is_one = calls.len() == 1 && !self.has_left.load(Ordering::Relaxed);
            if !is_one {
                tracing::warn!(
                    server = words.server(),
                    "an MCP server asked something, and it is not certain in which call; it was declined, and calls take turns from now on"
                );
                calls
                    .values_mut()
                    .for_each(|call| call.notes.push(AMBIGUOUS));
            }
            let Some(call) = calls.values_mut().next().filter(|_| is_one) else {
                return Ok(ElicitResult::new(ElicitationAction::Decline));
            };
            let mut declined = |note| {
                call.notes.push(note);
                Ok(ElicitResult::new(ElicitationAction::Decline))
            };
            let request = match request {
                Ok(request) => request,
                Err(note) => return declined(note),
            };
            let Some(given) = &mut call.given else {
                return declined(NOBODY);
            };
            let is_same = |given: &mut InputRequest| {
                given.message == request.message && given.schema == request.schema
            };
            if let Some(answered) = given.pop_front_if(is_same) {
                let result = answered.answer.as_ref().map(result_of);
                call.used.push(answered);
                return Ok(result.unwrap_or(ElicitResult::new(ElicitationAction::Cancel)));
            }
            let mut requests = call.used.clone();
            requests.push(request);
            if let Some(ask) = call.ask.take() {
                // Fails if the call has just ended.
                let _ = ask.send(requests);
            }
            call.ended.subscribe()
        };
        // The call is called off, so that the server has no use for an answer.
        let _ = ended.changed().await;
        Err(ErrorData::new(
            ErrorCode::INTERNAL_ERROR,
            "the call is made again once somebody has answered",
            None,
        ))
    }

    fn calls(&self) -> MutexGuard<'_, BTreeMap<u64, OpenCall>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asking {
    /// Waits until a person has to answer; gives all that was asked in the call.
    pub(super) async fn asked(&mut self) -> Vec<InputRequest> {
        match (&mut self.asked).await {
            Ok(requests) => requests,
            Err(_) => std::future::pending().await,
        }
    }

    /// What the model has to be told besides the result.
    pub(super) fn notes(&self) -> Vec<&'static str> {
        let calls = self.elicitations.calls();
        calls
            .get(&self.number)
            .map_or(Vec::new(), |call| call.notes.clone())
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        // Before the call is gone, so that nothing is taken for a question of another one.
        if !self.is_answered {
            self.elicitations.has_left.store(true, Ordering::Relaxed);
        }
        self.elicitations.calls().remove(&self.number);
    }
}

/// What has to be given to a server that wants `required`: what nobody has to be asked is answered already. What the model has to be told
/// is added to `notes`.
///
/// # Errors
/// What this service can't give, for the model.
pub(super) fn required(
    required: InputRequiredResult,
    roots: &Value,
    can_ask: bool,
    words: &Words,
    notes: &mut Vec<&'static str>,
) -> Result<ToolInputs, &'static str> {
    let mut requests = Vec::new();
    for (key, asked) in required.input_requests.unwrap_or_default() {
        let declined = |answer: Value| InputRequest {
            key: key.clone(),
            message: String::new(),
            schema: Value::Bool(true),
            answer: Some(answer),
        };
        requests.push(match asked {
            Asked::Elicitation(elicit) => match read(elicit.params, words) {
                Ok(request) if can_ask => InputRequest { key, ..request },
                refused => {
                    notes.push(refused.err().unwrap_or(NOBODY));
                    declined(serde_json::json!({ "action": DECLINE }))
                }
            },
            Asked::ListRoots(_) => declined(roots.clone()),
            _ => return Err("the tool asks for something that this service can't give"),
        });
    }
    Ok(ToolInputs {
        requests,
        is_retry: true,
        state: required.request_state,
        rounds: 0,
    })
}

/// The answers in `inputs`, as a server wants them with the call.
pub(super) fn responses(inputs: &ToolInputs) -> InputResponses {
    let requests = inputs.requests.iter();
    let responses = requests.filter_map(|request| {
        let answer = request.answer.as_ref()?;
        let response = match answer.get("action") {
            Some(_) => serde_json::to_value(result_of(answer)).ok()?,
            None => answer.clone(),
        };
        Some((request.key.clone(), response))
    });
    responses.collect()
}

/// The question in `params`, without secrets.
fn read(params: ElicitRequestParams, words: &Words) -> Result<InputRequest, &'static str> {
    let ElicitRequestParams::FormElicitationParams {
        message,
        requested_schema,
        ..
    } = params
    else {
        return Err(BY_ADDRESS);
    };
    let schema = schema_of(&requested_schema, words).ok_or(NOT_VALID)?;
    Ok(InputRequest {
        key: String::new(),
        message: words.long(&message, MAX_MESSAGE),
        schema,
        answer: None,
    })
}

/// The schema of an answer, if it can be used.
fn schema_of(schema: &ElicitationSchema, words: &Words) -> Option<Value> {
    let mut schema = serde_json::to_value(schema).ok()?;
    redact(&mut schema, words.secrets());
    schema.as_object_mut()?.shift_remove("$schema");
    let is_small = schema.to_string().len() <= MAX_SCHEMA;
    (is_small && Schema::compile(&schema).is_ok()).then_some(schema)
}

/// What a person said, as the protocol has it.
fn result_of(answer: &Value) -> ElicitResult {
    match answer["action"].as_str() {
        Some(ACCEPT) => {
            ElicitResult::new(ElicitationAction::Accept).with_content(answer["content"].clone())
        }
        Some(DECLINE) => ElicitResult::new(ElicitationAction::Decline),
        _ => ElicitResult::new(ElicitationAction::Cancel),
    }
}
