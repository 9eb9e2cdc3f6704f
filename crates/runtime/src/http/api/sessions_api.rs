//! The sessions of a caller over HTTP: which there are, what was said in them, and away with them.
//!
//! A session belongs to an agent, whose invocations name it by an id that another agent's session may have too. So the
//! agent is part of the path.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::auth::Auth;
use crate::error::AgentError;
use crate::error::problem::Problem;
use crate::http::any_method::{self, Asked};
use crate::http::api::agent_api::{admit, not_allowed, options};
use crate::http::content_negotiation::wanted;
use crate::http::layers::rate_limits::{Limits, within};
use crate::http::pagination::{Page, hexadecimal, spelled, text_of, wrong};
use crate::http::responses::{self, problem};
use crate::model::Message;
use crate::schema::formats::DateTime;
use crate::session::conversations::{LONGEST_SESSION_ID, Sessions, no_such_session};
use crate::session::session_store::{PastMessage, SessionFacts, SessionKey};
use crate::telemetry::metrics::Metrics;

const LIST: &str = "/v1/agents/{agent}/sessions";
const ONE: &str = "/v1/agents/{agent}/sessions/{session_id}";
const MESSAGES: &str = "/v1/agents/{agent}/sessions/{session_id}/messages";
/// The paths that no endpoint may have.
pub(crate) const PATHS: [&str; 3] = [LIST, ONE, MESSAGES];

/// What the routes need to know of the service.
pub(crate) struct Served {
    /// The slugs of the agents.
    pub(crate) agents: Arc<BTreeSet<&'static str>>,
    /// How callers prove who they are.
    pub(crate) auth: Option<Auth>,
    /// How often one subject may call.
    pub(crate) limits: Arc<Limits>,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// The sessions.
    pub(crate) sessions: Arc<Sessions>,
}

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
    "role": "user", "text": "Which books are overdue?", "created_at": "2026-01-01T12:00:00Z",
}))]
pub(super) struct SessionMessage {
    #[serde(flatten)]
    message: Message,
    /// When the turn ended that the message belongs to.
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

/// The routes of the sessions.
pub(crate) fn routes(served: Served) -> Router {
    let served = Arc::new(served);
    any_method::routes(PATHS, move |asked, _| {
        let served = Arc::clone(&served);
        async move { answer(&served, &asked).await }
    })
}

async fn answer(served: &Served, asked: &Asked) -> Response {
    let (method, headers) = (&asked.parts.method, &asked.parts.headers);
    let allow = match asked.path {
        ONE => "GET, HEAD, DELETE, OPTIONS",
        _ => "GET, HEAD, OPTIONS",
    };
    let deletes = *method == Method::DELETE && asked.path == ONE;
    if *method == Method::OPTIONS {
        return options(allow);
    }
    if !deletes && *method != Method::GET && *method != Method::HEAD {
        return not_allowed(allow);
    }
    let caller = match admit(served.auth.as_ref(), headers, &[]).await {
        Ok(caller) => caller,
        Err(response) => return *response,
    };
    let standing = served.limits.check(&caller, &asked.parts);
    within(standing, &served.metrics, async {
        if !deletes && wanted(headers, false).is_none() {
            let detail = "this can be answered as application/json only";
            return problem(Problem::new(406, detail));
        }
        let told = match asked.path {
            LIST => list(served, caller.subject, asked).await,
            MESSAGES => messages(served, caller.subject, asked).await,
            _ if deletes => delete(served, caller.subject, asked).await,
            _ => one(served, caller.subject, asked).await,
        };
        told.unwrap_or_else(|document| problem(*document))
    })
    .await
}

type Answered = Result<Response, Box<Problem>>;

async fn list(served: &Served, subject: String, asked: &Asked) -> Answered {
    let key = key(served, subject, asked)?;
    let page = Page::read(&asked.parts.uri)?;
    let after = page.cursor.as_deref().map(session_place).transpose()?;
    let store = served.sessions.store();
    let after = after.as_ref().map(|(moment, id)| (*moment, id.as_str()));
    let listed = store.list(&key.subject, &key.agent, after, page.limit + 1);
    let (listed, next) = page.cut(listed.await.map_err(told)?, session_cursor);
    let sessions = listed.into_iter().map(Session::from).collect();
    Ok(responses::json(&SessionList {
        sessions,
        next_cursor: next,
    }))
}

async fn one(served: &Served, subject: String, asked: &Asked) -> Answered {
    let key = key(served, subject, asked)?;
    let facts = served.sessions.store().facts(&key).await.map_err(told)?;
    let facts = facts.ok_or_else(|| told(no_such_session()))?;
    Ok(responses::json(&Session::from(facts)))
}

async fn messages(served: &Served, subject: String, asked: &Asked) -> Answered {
    let key = key(served, subject, asked)?;
    let page = Page::read(&asked.parts.uri)?;
    let after = page.cursor.as_deref().map(message_place).transpose()?;
    let store = served.sessions.store();
    let found = store.messages(&key, after.unwrap_or(0), page.limit + 1);
    let found = found.await.map_err(told)?;
    let found = found.ok_or_else(|| told(no_such_session()))?;
    let (found, next) = page.cut(found, |last| format!("{:016x}", last.number));
    let messages = found.into_iter().map(SessionMessage::from).collect();
    Ok(responses::json(&SessionMessageList {
        messages,
        next_cursor: next,
    }))
}

async fn delete(served: &Served, subject: String, asked: &Asked) -> Answered {
    let key = key(served, subject, asked)?;
    served.sessions.delete(key).await.map_err(told)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The session, or where it would be in a list. Another caller's session has another key, and so is never met.
fn key(served: &Served, subject: String, asked: &Asked) -> Result<SessionKey, Box<Problem>> {
    let of_path = |name| asked.parameters.get(name).cloned().unwrap_or_default();
    let (agent, id) = (of_path("agent"), of_path("session_id"));
    if !served.agents.contains(agent.as_str()) {
        let detail = format!("there is no agent `{agent}`");
        return Err(Box::new(Problem::new(404, detail)));
    }
    if id.chars().count() > LONGEST_SESSION_ID {
        return Err(told(no_such_session()));
    }
    Ok(SessionKey { subject, agent, id })
}

fn told(error: impl Into<AgentError>) -> Box<Problem> {
    any_method::told("sessions", error)
}

/// How many digits of a cursor tell a moment: milliseconds, up to the year 10889.
const MOMENT_DIGITS: usize = 12;
/// How many digits tell an id at the most: two for a byte, and four bytes for a character.
const MOST_DIGITS: usize = 2 * 4 * LONGEST_SESSION_ID;

/// When a session began, and its id, in hexadecimal digits.
fn session_cursor(facts: &SessionFacts) -> String {
    let since = facts.created_at.duration_since(UNIX_EPOCH);
    let moment = format!("{:012x}", since.unwrap_or_default().as_millis());
    moment + &spelled(&facts.id)
}

fn session_place(cursor: &str) -> Result<(SystemTime, String), Box<Problem>> {
    let place = cursor.split_at_checked(MOMENT_DIGITS);
    let fits = |(_, id): &(&str, &str)| id.len() <= MOST_DIGITS;
    let (moment, id) = place.filter(fits).ok_or_else(wrong)?;
    let moment = UNIX_EPOCH + Duration::from_millis(hexadecimal(moment)?);
    Ok((moment, text_of(id)?))
}

fn message_place(cursor: &str) -> Result<u64, Box<Problem>> {
    match cursor.len() {
        16 => hexadecimal(cursor),
        _ => Err(wrong()),
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
            created_at: DateTime::from(past.created_at),
        }
    }
}
