//! The documents of an agent over HTTP: put them, see which there are, and away with them.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::auth::claims::Caller;
use crate::documents::{
    Document, DocumentHead, DocumentSummary, ID_PATTERN, LANGUAGE_PATTERN, LONGEST_ID,
    LONGEST_LANGUAGE,
};
use crate::error::AgentError;
use crate::error::problem::Problem;
use crate::http::any_method::{self, Asked};
use crate::http::api::agent_api::{admit, not_allowed, options};
use crate::http::api::api_state::ApiState;
use crate::http::content_negotiation::wanted;
use crate::http::layers::rate_limits::within;
use crate::http::pagination::{Page, spelled, text_of, wrong};
use crate::http::request_reader::read_body;
use crate::http::responses::{self, problem, written_json};
use crate::run::run_input::Input;
use crate::schema::formats::DateTime;
use crate::schema::new_uuid_v7;
use crate::schema::validate::{Validate, Validator};
use crate::spec::agent_spec::DocumentsSpec;

const ALL: &str = "/v1/agents/{agent}/documents";
const ONE: &str = "/v1/agents/{agent}/documents/{document}";
/// The paths that no endpoint may have.
pub(crate) const PATHS: [&str; 2] = [ALL, ONE];

/// The shape of what is put: its limits are checked when it has that.
static SHAPE: LazyLock<Value> = LazyLock::new(|| {
    let text = json!({ "type": "string" });
    let document = json!({
        "type": "object",
        "properties": {
            "id": text, "title": text, "text": text, "language": text, "updated_at": text,
            "metadata": { "type": "object" },
        },
        "required": ["text"],
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "properties": { "documents": { "type": "array", "items": document } },
        "required": ["documents"],
        "additionalProperties": false,
    })
});
/// How many documents one request puts at most.
const MOST_DOCUMENTS: u64 = 64;
/// Limits of what a document holds, in characters and members.
const LONGEST_TITLE: u64 = 500;
const LONGEST_TEXT: u64 = 500_000;
const MOST_METADATA: u64 = 32;
const LONGEST_METADATA: u64 = 1_000;
/// A text with something in it but blanks.
const TEXT: &str = r"[^\s\u0085]";

/// The agents of a service: those with documents have something.
pub(crate) type Agents = BTreeMap<&'static str, Option<DocumentsSpec>>;

/// Documents to be found.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = json!({
    "documents": [{ "id": "handbook/keys", "title": "Keys", "text": "Keys are rotated every thirty days." }],
}))]
pub(super) struct DocumentsRequest {
    /// The documents; where an id stands twice, the last one counts.
    #[schemars(length(min = 1, max = MOST_DOCUMENTS))]
    documents: Vec<DocumentInput>,
}

/// A document to be found.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = json!({
    "id": "handbook/keys", "title": "Keys", "text": "Keys are rotated every thirty days.",
}))]
pub(super) struct DocumentInput {
    /// Identifies the document in its collection; without one, the document gets one.
    #[serde(default, deserialize_with = "crate::codegen::present")]
    #[schemars(with = "Option<String>", length(max = LONGEST_ID), regex(pattern = ID_PATTERN))]
    id: Option<String>,
    /// The title.
    #[serde(default, deserialize_with = "crate::codegen::present")]
    #[schemars(with = "Option<String>", length(min = 1, max = LONGEST_TITLE))]
    title: Option<String>,
    /// All of it: plain text or Markdown.
    #[schemars(length(min = 1, max = LONGEST_TEXT), regex(pattern = TEXT))]
    text: String,
    /// The language it is written in, as in BCP 47.
    #[serde(default, deserialize_with = "crate::codegen::present")]
    #[schemars(
        with = "Option<String>",
        length(max = LONGEST_LANGUAGE),
        regex(pattern = LANGUAGE_PATTERN)
    )]
    language: Option<String>,
    /// When it was last changed.
    #[serde(default, deserialize_with = "crate::codegen::present")]
    #[schemars(with = "Option<DateTime>")]
    updated_at: Option<DateTime>,
    /// Other properties; searches may filter by them.
    #[serde(default)]
    #[schemars(schema_with = "metadata_schema")]
    metadata: Map<String, Value>,
}

/// The schema of metadata, with the limits of what is put.
fn metadata_schema(_: &mut SchemaGenerator) -> Schema {
    let scalars = json!([
        { "type": "string", "maxLength": LONGEST_METADATA, "description": "A text." },
        { "type": "number", "description": "A number." },
        { "type": "boolean", "description": "True or false." },
    ]);
    let list = json!({
        "type": "array",
        "description": "Several of them.",
        "maxItems": MOST_METADATA,
        "items": { "description": "One of them.", "anyOf": scalars },
    });
    let alternatives = scalars.as_array().into_iter().flatten().chain([&list]);
    json_schema!({
        "type": "object",
        "maxProperties": MOST_METADATA,
        "additionalProperties": {
            "description": "A text, a number, true or false, or a list of such.",
            "anyOf": alternatives.collect::<Vec<_>>(),
        },
    })
}

impl Validate for DocumentsRequest {
    fn validate(&self, v: &mut Validator) {
        v.at("documents", |v| {
            v.items(self.documents.len(), Some(1), Some(MOST_DOCUMENTS));
            for (index, document) in self.documents.iter().enumerate() {
                v.index(index, |v| document.validate(v));
            }
        });
    }
}

impl Validate for DocumentInput {
    fn validate(&self, v: &mut Validator) {
        if let Some(id) = &self.id {
            v.at("id", |v| {
                v.length(id, Some(1), Some(LONGEST_ID as u64));
                v.pattern(id, ID_PATTERN);
            });
        }
        if let Some(title) = &self.title {
            v.at("title", |v| v.length(title, Some(1), Some(LONGEST_TITLE)));
        }
        v.at("text", |v| {
            v.length(&self.text, Some(1), Some(LONGEST_TEXT));
            if self.text.chars().all(is_blank) {
                v.fail("has to have something in it but blanks");
            }
        });
        if let Some(language) = &self.language {
            v.at("language", |v| {
                v.length(language, None, Some(LONGEST_LANGUAGE));
                v.pattern(language, LANGUAGE_PATTERN);
            });
        }
        v.at("metadata", |v| {
            v.properties(self.metadata.len(), None, Some(MOST_METADATA));
            for (name, value) in &self.metadata {
                v.at(name, |v| match value {
                    Value::Array(values) => {
                        v.items(values.len(), None, Some(MOST_METADATA));
                        for (index, value) in values.iter().enumerate() {
                            v.index(index, |v| scalar(value, v));
                        }
                    }
                    value => scalar(value, v),
                });
            }
        });
    }
}

/// The blanks of Unicode, and the one that JavaScript takes for one, as the contract's pattern says.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{feff}'
}

fn scalar(value: &Value, v: &mut Validator) {
    match value {
        Value::String(text) => v.length(text, None, Some(LONGEST_METADATA)),
        Value::Number(_) | Value::Bool(_) => {}
        _ => v.fail("must be a string, a number, true or false, or a list of such"),
    }
}

impl From<DocumentInput> for Document {
    fn from(input: DocumentInput) -> Self {
        Self {
            head: DocumentHead {
                id: input.id.unwrap_or_else(|| new_uuid_v7().to_string()),
                title: input.title,
                language: input.language,
                updated_at: input.updated_at,
                metadata: input.metadata,
            },
            text: input.text,
        }
    }
}

/// A document without its text.
#[derive(Serialize, JsonSchema)]
#[schemars(
    rename = "DocumentSummary",
    example = json!({ "id": "handbook/keys", "title": "Keys", "passages": 1 })
)]
pub(super) struct ListedDocument {
    /// Identifies the document in its collection.
    #[schemars(length(max = LONGEST_ID), regex(pattern = ID_PATTERN))]
    id: String,
    /// The title.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// The language it is written in, as in BCP 47.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = LONGEST_LANGUAGE), regex(pattern = LANGUAGE_PATTERN))]
    language: Option<String>,
    /// When it was last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<DateTime>,
    /// How many passages it is split into.
    #[schemars(range(min = 1))]
    passages: u32,
}

/// A page of documents.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({ "documents": [], "next_cursor": null }))]
pub(super) struct DocumentList {
    /// The documents.
    pub(super) documents: Vec<ListedDocument>,
    /// Where the next page begins; null if this is the last one.
    pub(super) next_cursor: Option<String>,
}

/// The stored documents.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({ "documents": [{ "id": "handbook/keys", "passages": 1 }] }))]
pub(super) struct DocumentsPut {
    /// Each document of the request, in its order.
    pub(super) documents: Vec<PutDocument>,
}

/// A stored document.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({ "id": "handbook/keys", "passages": 1 }))]
pub(super) struct PutDocument {
    /// Identifies the document in its collection.
    #[schemars(length(max = LONGEST_ID), regex(pattern = ID_PATTERN))]
    pub(super) id: String,
    /// How many passages it is split into.
    #[schemars(range(min = 1))]
    pub(super) passages: usize,
}

impl From<DocumentSummary> for ListedDocument {
    fn from(DocumentSummary { head, passages }: DocumentSummary) -> Self {
        Self {
            id: head.id,
            title: head.title,
            language: head.language,
            updated_at: head.updated_at,
            passages,
        }
    }
}

/// A document, as it was put.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Document", example = json!({
    "id": "handbook/keys",
    "title": "Keys",
    "text": "Keys are rotated every thirty days.",
    "metadata": {},
    "passages": 1,
}))]
pub(super) struct StoredDocument {
    #[serde(flatten)]
    pub(super) document: Document,
    /// How many passages it is split into.
    #[schemars(range(min = 1))]
    pub(super) passages: u32,
}

/// The routes of the documents of `agents`; none if no agent has documents.
pub(crate) fn routes(agents: Agents, state: Arc<ApiState>) -> Router {
    if agents.values().all(Option::is_none) {
        return Router::new();
    }
    let agents = Arc::new(agents);
    any_method::routes(PATHS, move |asked, body| {
        let (agents, state) = (Arc::clone(&agents), Arc::clone(&state));
        async move { answer(&agents, &state, &asked, body).await }
    })
}

async fn answer(agents: &Agents, state: &ApiState, asked: &Asked, body: Body) -> Response {
    let (method, headers) = (&asked.parts.method, &asked.parts.headers);
    let (allow, changes) = match asked.path {
        ONE => ("GET, HEAD, DELETE, OPTIONS", Method::DELETE),
        _ => ("GET, HEAD, POST, OPTIONS", Method::POST),
    };
    if *method == Method::OPTIONS {
        return options(allow);
    }
    if *method != changes && *method != Method::GET && *method != Method::HEAD {
        return not_allowed(allow);
    }
    let agent = asked.parameters.get("agent").map_or("", String::as_str);
    let documents = agents.get(agent).copied();
    let roles = documents.flatten().map_or(&[][..], |known| known.roles);
    let caller = match admit(state.auth.as_ref(), headers, roles).await {
        Ok(caller) => caller,
        Err(response) => return *response,
    };
    let standing = state.limits.check(&caller, &asked.parts);
    within(standing, &state.resources.metrics, async {
        if *method != Method::DELETE && wanted(headers, false).is_none() {
            let detail = "this can be answered as application/json only";
            return problem(Problem::new(406, detail));
        }
        let missing = |detail: String| problem(Problem::new(404, detail));
        let collection = match documents {
            Some(Some(known)) => known.collection,
            Some(None) => return missing(format!("the agent `{agent}` has no documents")),
            None => return missing(format!("there is no agent `{agent}`")),
        };
        let answering = async {
            match asked.path {
                ONE if *method == Method::DELETE => delete(state, collection, asked).await,
                ONE => one(state, collection, asked).await,
                _ if *method == Method::POST => put(state, collection, &caller, asked, body).await,
                _ => list(state, collection, asked).await,
            }
        };
        let told = match tokio::time::timeout(state.resources.timeout, answering).await {
            Ok(told) => told,
            Err(_) => Err(told(AgentError::TimedOut(
                "the request took too long".to_owned(),
            ))),
        };
        told.unwrap_or_else(|document| problem(*document))
    })
    .await
}

type Answered = Result<Response, Box<Problem>>;

async fn put(
    state: &ApiState,
    collection: &'static str,
    caller: &Caller,
    asked: &Asked,
    body: Body,
) -> Answered {
    let headers = &asked.parts.headers;
    let input = read_body(headers, body, state.body_limit).await?;
    // What is put into two collections is not the same request.
    let operation = format!("putDocuments {collection}");
    let answer = async |input: Input| {
        let DocumentsRequest { documents } = input.typed(&SHAPE)?;
        let documents = documents.into_iter().map(Document::from);
        let documents = documents.collect::<Vec<_>>();
        let ids = documents.iter().map(|document| document.head.id.clone());
        let ids = ids.collect::<Vec<_>>();
        let put = state.resources.documents.put(collection, documents).await;
        let counts = put.map_err(told)?;
        let put = ids.iter().zip(counts);
        let documents = put
            .map(|(id, passages)| PutDocument {
                id: id.clone(),
                passages,
            })
            .collect();
        serde_json::to_string(&DocumentsPut { documents })
            .map_err(|error| told(AgentError::internal(error.to_string())))
    };
    let answers = &state.answers;
    let answer = answers.once(headers, &caller.subject, operation, input, answer);
    Ok(written_json(answer.await?))
}

async fn list(state: &ApiState, collection: &str, asked: &Asked) -> Answered {
    let page = Page::read(&asked.parts.uri)?;
    let after = page.cursor.as_deref().map(place).transpose()?;
    let store = &state.resources.documents.store;
    let listed = store.list(collection, after.as_deref(), page.limit + 1);
    let (listed, next) = page.cut(listed.await.map_err(told)?, |last| spelled(&last.head.id));
    let documents = listed.into_iter().map(ListedDocument::from).collect();
    Ok(responses::json(&DocumentList {
        documents,
        next_cursor: next,
    }))
}

async fn one(state: &ApiState, collection: &str, asked: &Asked) -> Answered {
    let id = id(asked)?;
    let found = state
        .resources
        .documents
        .store
        .document(collection, id)
        .await;
    let (document, passages) = found.map_err(told)?.ok_or_else(no_such_document)?;
    Ok(responses::json(&StoredDocument { document, passages }))
}

async fn delete(state: &ApiState, collection: &str, asked: &Asked) -> Answered {
    let id = id(asked)?;
    match state.resources.documents.store.delete(collection, id).await {
        Ok(true) => Ok(StatusCode::NO_CONTENT.into_response()),
        Ok(false) => Err(no_such_document()),
        Err(error) => Err(told(error)),
    }
}

/// The id in the path, if a document can have it.
fn id(asked: &Asked) -> Result<&str, Box<Problem>> {
    let id = asked.parameters.get("document").map_or("", String::as_str);
    is_id(id).then_some(id).ok_or_else(no_such_document)
}

/// The id that a cursor goes on behind.
fn place(cursor: &str) -> Result<String, Box<Problem>> {
    let id = text_of(cursor)?;
    is_id(&id).then_some(id).ok_or_else(wrong)
}

fn is_id(id: &str) -> bool {
    let mut validator = Validator::default();
    validator.pattern(id, ID_PATTERN);
    id.len() <= LONGEST_ID && validator.into_violations().is_empty()
}

fn no_such_document() -> Box<Problem> {
    told(AgentError::not_found("there is no such document"))
}

fn told(error: impl Into<AgentError>) -> Box<Problem> {
    any_method::told("documents", error)
}
