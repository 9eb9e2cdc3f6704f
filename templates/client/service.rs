//! The operations that every service has: conversations, documents, tokens, and whether it is ready.

use std::fmt;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use super::call::{Call, Operation};
use super::connection::Client;
use super::values::{DateTime, JsonValue};

const fn operation(method: Method, path: &'static str) -> Operation {
    Operation {
        method,
        path,
        headers: &[],
        stream_path: "",
    }
}

impl Client {
    /// Whether the service is ready. One that is not is a problem of status 503.
    pub fn readiness(&self) -> Call<Readiness> {
        Call::new(self, &operation(Method::GET, "/readyz"), &())
    }

    /// Tokens for the client `id`, which `secret` proves. A service that issues none answers 404.
    pub fn issue_token(&self, id: &str, secret: &str) -> Call<TokenResponse> {
        let request =
            json!({ "grant_type": "client_credentials", "client_id": id, "client_secret": secret });
        Call::new(self, &operation(Method::POST, "/auth/token"), &request)
    }

    /// The next tokens for a refresh token of the client `id`, which `secret` proves. The token is used up by that.
    pub fn refresh_token(
        &self,
        id: &str,
        secret: &str,
        refresh_token: &str,
    ) -> Call<TokenResponse> {
        let request =
            json!({ "refresh_token": refresh_token, "client_id": id, "client_secret": secret });
        Call::new(self, &operation(Method::POST, "/auth/refresh"), &request)
    }

    /// The caller's conversations with an agent, by its name in paths, such as `code-reviewer`.
    pub fn sessions(&self, agent: &str) -> Sessions {
        Sessions {
            client: self.clone(),
            agent: agent.to_owned(),
        }
    }

    /// The documents of an agent, by its name in paths, such as `code-reviewer`.
    pub fn documents(&self, agent: &str) -> Documents {
        Documents {
            client: self.clone(),
            agent: agent.to_owned(),
        }
    }
}

/// The service is ready, and this was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// `ready`, or `degraded`: a check says what can't be used.
    pub status: String,
    /// What was checked.
    pub checks: Vec<ReadinessCheck>,
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadinessCheck {
    /// What was checked, such as `store`.
    pub name: String,
    /// The model that was checked, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The MCP server that was checked, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// `ok`, `degraded` or `failed`.
    pub status: String,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// An access token, and a refresh token for the next one. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenResponse {
    /// For [`Client::with_bearer_token`].
    pub access_token: String,
    /// `Bearer`.
    pub token_type: String,
    /// For how many seconds the access token is valid.
    pub expires_in: u64,
    /// Gets the next tokens, once.
    pub refresh_token: String,
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

/// Which part of a list is wanted. The default is its beginning, in pages of the service's length.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The `next_cursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The most entries of the page, up to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// The path parameters of an operation, and the page that it lists.
#[derive(Serialize)]
struct Listed<'a> {
    agent: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(flatten)]
    page: &'a Page,
}

/// The caller's conversations with an agent.
#[derive(Debug, Clone)]
pub struct Sessions {
    client: Client,
    agent: String,
}

const SESSIONS: &str = "/v1/agents/{agent}/sessions";
const SESSION: &str = "/v1/agents/{agent}/sessions/{session_id}";
const MESSAGES: &str = "/v1/agents/{agent}/sessions/{session_id}/messages";

impl Sessions {
    /// The conversations, the newest first.
    pub fn list(&self, page: &Page) -> Call<SessionList> {
        self.listed(SESSIONS, None, page)
    }

    /// What was said in a conversation, the oldest message first.
    pub fn messages(&self, session_id: &str, page: &Page) -> Call<SessionMessageList> {
        self.listed(MESSAGES, Some(session_id), page)
    }

    /// How long a conversation is, and when it expires.
    pub fn get(&self, session_id: &str) -> Call<Session> {
        self.listed(SESSION, Some(session_id), &Page::default())
    }

    /// Deletes a conversation and everything that was said in it.
    pub fn delete(&self, session_id: &str) -> Call<()> {
        let request = json!({ "agent": self.agent, "session_id": session_id });
        Call::new(&self.client, &operation(Method::DELETE, SESSION), &request)
    }

    fn listed<T>(&self, path: &'static str, session_id: Option<&str>, page: &Page) -> Call<T> {
        let request = Listed {
            agent: &self.agent,
            session_id,
            page,
        };
        Call::new(&self.client, &operation(Method::GET, path), &request)
    }
}

/// A page of conversations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionList {
    /// The conversations, the newest first.
    pub sessions: Vec<Session>,
    /// Where the next page begins; none if this is the last one.
    pub next_cursor: Option<String>,
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Identifies it among the caller's with this agent.
    pub id: String,
    /// The name of the agent.
    pub agent: String,
    /// How many messages are stored.
    pub message_count: u64,
    /// When its first turn ended.
    pub created_at: DateTime,
    /// When its last turn ended.
    pub updated_at: DateTime,
    /// When it is deleted, if it does not continue.
    pub expires_at: DateTime,
}

/// A page of messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionMessageList {
    /// The messages, the oldest first.
    pub messages: Vec<SessionMessage>,
    /// Where the next page begins; none if this is the last one.
    pub next_cursor: Option<String>,
}

/// A message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionMessage {
    /// `user` or `assistant`.
    pub role: String,
    /// The text.
    pub text: String,
    /// `completed`, or `interrupted` if the service stopped before it answered.
    pub status: String,
    /// When the turn ended that it belongs to, or when it began if it was interrupted.
    pub created_at: DateTime,
}

/// The documents that an agent looks things up in.
#[derive(Debug, Clone)]
pub struct Documents {
    client: Client,
    agent: String,
}

const DOCUMENTS: &str = "/v1/agents/{agent}/documents";
const DOCUMENT: &str = "/v1/agents/{agent}/documents/{document}";

impl Documents {
    /// The documents, without their texts.
    pub fn list(&self, page: &Page) -> Call<DocumentList> {
        let request = Listed {
            agent: &self.agent,
            session_id: None,
            page,
        };
        Call::new(&self.client, &operation(Method::GET, DOCUMENTS), &request)
    }

    /// Puts up to 64 documents, or none where there is a problem. One with the id of another takes its place.
    pub fn put(&self, documents: &[DocumentInput]) -> Call<DocumentsPut> {
        let request = json!({ "agent": self.agent, "documents": documents });
        Call::new(&self.client, &operation(Method::POST, DOCUMENTS), &request)
    }

    /// A whole document, as it was put.
    pub fn get(&self, id: &str) -> Call<Document> {
        Call::new(
            &self.client,
            &operation(Method::GET, DOCUMENT),
            &self.document(id),
        )
    }

    /// Deletes a document with all its passages.
    pub fn delete(&self, id: &str) -> Call<()> {
        Call::new(
            &self.client,
            &operation(Method::DELETE, DOCUMENT),
            &self.document(id),
        )
    }

    fn document(&self, id: &str) -> JsonValue {
        json!({ "agent": self.agent, "document": id })
    }
}

/// A document to be found. Only the text is required.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DocumentInput {
    /// Identifies it in its collection; without one, it gets one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// All of it: plain text or Markdown.
    pub text: String,
    /// The language it is written in: a tag of BCP 47, such as `de-CH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// When the author last changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<DateTime>,
    /// Other properties: strings, numbers, booleans, and arrays of them.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, JsonValue>,
}

/// A document, as it was put.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Identifies it in its collection.
    pub id: String,
    /// The title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// All of it.
    pub text: String,
    /// The language it is written in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// When the author last changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<DateTime>,
    /// Other properties.
    pub metadata: Map<String, JsonValue>,
    /// How many passages it is split into.
    pub passages: u64,
}

/// A page of documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentList {
    /// The documents.
    pub documents: Vec<DocumentSummary>,
    /// Where the next page begins; none if this is the last one.
    pub next_cursor: Option<String>,
}

/// A document without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentSummary {
    /// Identifies it in its collection.
    pub id: String,
    /// The title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The language it is written in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// When the author last changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<DateTime>,
    /// How many passages it is split into.
    pub passages: u64,
}

/// The documents that were put, in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentsPut {
    /// Each of them.
    pub documents: Vec<PutDocument>,
}

/// A document that was put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutDocument {
    /// Identifies it in its collection.
    pub id: String,
    /// How many passages it is split into.
    pub passages: u64,
}
