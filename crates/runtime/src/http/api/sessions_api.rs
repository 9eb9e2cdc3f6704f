//! The sessions of a caller: list them, read their messages, delete them.
//!
//! Two agents may have sessions with the same id, so the agent is part of the path.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agentgen_schema::MAX_SESSION_ID_LENGTH;
use axum::Router;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::http::admission::admit;
use crate::http::api_error::ApiError;
use crate::http::calls::api_state::ApiState;
use crate::http::content_negotiation::accept_json;
use crate::http::layers::rate_limits::with_rate_headers;
use crate::http::pagination::{Page, decode_number, decode_text, encode_text, invalid_cursor};
use crate::http::raw_request::{self, RawRequest};
use crate::http::responses::{json_response, other_method};
use crate::model::Message;
use crate::schema::DateTime;
use crate::session::conversations::no_such_session;
use crate::session::session_store::{MessageStatus, PastMessage, SessionFacts, SessionKey};

const SESSIONS: &str = "/v1/agents/{agent}/sessions";
const SESSION: &str = "/v1/agents/{agent}/sessions/{session_id}";
const MESSAGES: &str = "/v1/agents/{agent}/sessions/{session_id}/messages";
/// The paths that no endpoint may have.
pub(crate) const PATHS: [&str; 3] = [SESSIONS, SESSION, MESSAGES];

/// A conversation of the caller with an agent.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({
    "id": "01936f2e-7b1c-7000-8000-000000000002",
    "agent": "librarian",
    "message_count": 2,
    "created_at": "2026-01-01T12:00:00Z",
    "updated_at": "2026-01-01T12:00:00Z",
    "expires_at": "2026-01-02T12:00:00Z",
}))]
pub(super) struct Session {
    /// Identifies the conversation among the caller's with this agent.
    id: String,
    /// The name of the agent.
    agent: String,
    /// How many messages are stored.
    message_count: u64,
    /// When its first turn ended.
    created_at: DateTime,
    /// When its last turn ended.
    updated_at: DateTime,
    /// When it is deleted, if it does not continue.
    expires_at: DateTime,
}

/// A page of conversations.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({ "sessions": [], "next_cursor": null }))]
pub(super) struct SessionList {
    /// The conversations, the newest first.
    pub(super) sessions: Vec<Session>,
    /// Where the next page begins; null if this is the last one.
    pub(super) next_cursor: Option<String>,
}

/// A message of a conversation.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({
    "role": "user", "text": "Which books are overdue?", "status": "completed", "created_at": "2026-01-01T12:00:00Z",
}))]
pub(super) struct SessionMessage {
    #[serde(flatten)]
    message: Message,
    /// What became of its turn. The service stopped in the middle of one that is `interrupted`: nothing answered the message.
    status: MessageStatus,
    /// When the turn ended that the message belongs to, or when it began if it was interrupted.
    created_at: DateTime,
}

/// A page of messages.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({ "messages": [], "next_cursor": null }))]
pub(super) struct SessionMessageList {
    /// The messages, the oldest first.
    pub(super) messages: Vec<SessionMessage>,
    /// Where the next page begins; null if this is the last one.
    pub(super) next_cursor: Option<String>,
}

/// The routes of the sessions with the agents of these slugs.
pub(crate) fn routes(agents: Arc<BTreeSet<&'static str>>, state: Arc<ApiState>) -> Router {
    raw_request::routes(PATHS, move |request, _| {
        let (agents, state) = (Arc::clone(&agents), Arc::clone(&state));
        async move { handle(&agents, &state, request).await.into_response() }
    })
}

async fn handle(
    agents: &BTreeSet<&'static str>,
    state: &ApiState,
    request: RawRequest,
) -> Result<Response, ApiError> {
    let (method, headers) = (&request.parts.method, &request.parts.headers);
    let allow = match request.path {
        SESSION => "GET, HEAD, DELETE, OPTIONS",
        _ => "GET, HEAD, OPTIONS",
    };
    let deletes = *method == Method::DELETE && request.path == SESSION;
    if !deletes && *method != Method::GET && *method != Method::HEAD {
        return Ok(other_method(method, allow));
    }
    let caller = admit(state.auth.as_ref(), headers, &[]).await?;
    let status = state.limits.check(&caller, &request.parts);
    let response = with_rate_headers(status, &state.resources.metrics, async {
        let response = handle_sessions(agents, state, caller.subject, &request, deletes);
        response.await.into_response()
    });
    Ok(response.await)
}

async fn handle_sessions(
    agents: &BTreeSet<&'static str>,
    state: &ApiState,
    subject: String,
    request: &RawRequest,
    deletes: bool,
) -> Result<Response, ApiError> {
    if !deletes {
        accept_json(&request.parts.headers)?;
    }
    let key = read_key(agents, subject, request)?;
    match request.path {
        SESSIONS => list(state, &key, request).await,
        MESSAGES => messages(state, &key, request).await,
        _ if deletes => delete(state, key).await,
        _ => get(state, &key).await,
    }
}

async fn list(
    state: &ApiState,
    key: &SessionKey,
    request: &RawRequest,
) -> Result<Response, ApiError> {
    let page = Page::read(&request.parts.uri)?;
    let after = page.cursor.as_deref();
    let after = after.map(read_session_cursor).transpose()?;
    let after = after.as_ref().map(|(time, id)| (*time, id.as_str()));
    let store = state.resources.sessions.store();
    let sessions = store.list(&key.subject, &key.agent, after, page.limit + 1);
    let (sessions, next_cursor) = page.cut(sessions.await?, session_cursor);
    let sessions = sessions.into_iter().map(Session::from);
    Ok(json_response(&SessionList {
        sessions: sessions.collect(),
        next_cursor,
    }))
}

async fn get(state: &ApiState, key: &SessionKey) -> Result<Response, ApiError> {
    let facts = state.resources.sessions.store().facts(key).await?;
    let facts = facts.ok_or_else(no_such_session)?;
    Ok(json_response(&Session::from(facts)))
}

async fn messages(
    state: &ApiState,
    key: &SessionKey,
    request: &RawRequest,
) -> Result<Response, ApiError> {
    let page = Page::read(&request.parts.uri)?;
    let after = page.cursor.as_deref();
    let after = after.map(read_message_cursor).transpose()?;
    let store = state.resources.sessions.store();
    let messages = store.messages(key, after.unwrap_or(0), page.limit + 1);
    let messages = messages.await?.ok_or_else(no_such_session)?;
    let (messages, next_cursor) = page.cut(messages, |last| format!("{:016x}", last.number));
    let messages = messages.into_iter().map(SessionMessage::from);
    Ok(json_response(&SessionMessageList {
        messages: messages.collect(),
        next_cursor,
    }))
}

async fn delete(state: &ApiState, key: SessionKey) -> Result<Response, ApiError> {
    state.resources.sessions.delete(key).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The key of the session in the path; its id is empty for the list. The subject is part of the key, so one caller never
/// reaches the session of another.
fn read_key(
    agents: &BTreeSet<&'static str>,
    subject: String,
    request: &RawRequest,
) -> Result<SessionKey, ApiError> {
    let agent = request.parameter("agent").to_owned();
    let id = request.parameter("session_id").to_owned();
    if !agents.contains(agent.as_str()) {
        return Err(ApiError::not_found(format!("there is no agent `{agent}`")));
    }
    if id.chars().count() > MAX_SESSION_ID_LENGTH {
        return Err(no_such_session().into());
    }
    Ok(SessionKey { subject, agent, id })
}

/// The digits of a cursor that are a time: milliseconds, up to the year 10889.
const TIME_DIGITS: usize = 12;
/// The most digits of an id: two for a byte, and four bytes for a character.
const MAX_ID_DIGITS: usize = 2 * 4 * MAX_SESSION_ID_LENGTH;

/// The creation time and the id of a session, in hexadecimal digits.
fn session_cursor(facts: &SessionFacts) -> String {
    let since = facts.created_at.duration_since(UNIX_EPOCH);
    let time = format!("{:012x}", since.unwrap_or_default().as_millis());
    time + &encode_text(&facts.id)
}

fn read_session_cursor(cursor: &str) -> Result<(SystemTime, String), ApiError> {
    let parts = cursor.split_at_checked(TIME_DIGITS);
    let fits = |(_, id): &(&str, &str)| id.len() <= MAX_ID_DIGITS;
    let (time, id) = parts.filter(fits).ok_or_else(invalid_cursor)?;
    let time = UNIX_EPOCH + Duration::from_millis(decode_number(time)?);
    Ok((time, decode_text(id)?))
}

fn read_message_cursor(cursor: &str) -> Result<u64, ApiError> {
    match cursor.len() {
        16 => decode_number(cursor),
        _ => Err(invalid_cursor()),
    }
}

impl From<SessionFacts> for Session {
    fn from(facts: SessionFacts) -> Self {
        Self {
            id: facts.id,
            agent: facts.agent,
            message_count: facts.messages,
            created_at: DateTime::from(facts.created_at),
            updated_at: DateTime::from(facts.updated_at),
            expires_at: DateTime::from(facts.expires_at),
        }
    }
}

impl From<PastMessage> for SessionMessage {
    fn from(past: PastMessage) -> Self {
        Self {
            message: past.message,
            status: past.status,
            created_at: DateTime::from(past.created_at),
        }
    }
}
