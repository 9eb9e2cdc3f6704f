//! The documents of an agent: put, list, read and delete them.

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
use crate::future::off_worker;
use crate::http::admission::admit;
use crate::http::api_error::ApiError;
use crate::http::calls::api_state::ApiState;
use crate::http::content_negotiation::accept_json;
use crate::http::idempotency::Operation;
use crate::http::layers::rate_limits::with_rate_headers;
use crate::http::pagination::{Page, decode_text, encode_text, invalid_cursor};
use crate::http::raw_request::{self, RawRequest};
use crate::http::request_reader::{read_body, read_query};
use crate::http::responses::{json_response, json_text_response, other_method};
use crate::run::run_input::Input;
use crate::schema::{DateTime, Schema as CompiledSchema, Validate, Validator, new_uuid_v7};
use crate::spec::agent_spec::DocumentsSpec;

const DOCUMENTS: &str = "/v1/agents/{agent}/documents";
const DOCUMENT: &str = "/v1/agents/{agent}/documents/{document}";
/// The paths that no endpoint may have.
pub(crate) const PATHS: [&str; 2] = [DOCUMENTS, DOCUMENT];

/// The schema of a put request. `Validate` checks the limits.
static PUT_SCHEMA: LazyLock<CompiledSchema> = LazyLock::new(|| {
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
    let schema = json!({
        "type": "object",
        "properties": { "documents": { "type": "array", "items": document } },
        "required": ["documents"],
        "additionalProperties": false,
    });
    CompiledSchema::compile(&schema).expect("the schema is a constant")
});
/// The most documents that one request puts.
const MAX_DOCUMENTS: u64 = 64;
/// The limits of a document, in characters; of its metadata, in members.
const MAX_TITLE: u64 = 500;
const MAX_TEXT: u64 = 500_000;
const MAX_METADATA: u64 = 32;
const MAX_METADATA_TEXT: u64 = 1_000;
/// A text with something in it but blanks.
const TEXT: &str = r"[^\s\u0085]";

/// The agents of a service by slug; `None` for those without documents.
pub(crate) type Agents = BTreeMap<&'static str, Option<DocumentsSpec>>;

/// Documents to be found.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = json!({
    "documents": [{ "id": "handbook/keys", "title": "Keys", "text": "Keys are rotated every thirty days." }],
}))]
pub(super) struct DocumentsRequest {
    /// The documents; where an id stands twice, the last one counts.
    #[schemars(length(min = 1, max = MAX_DOCUMENTS))]
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
    #[schemars(with = "Option<String>", length(min = 1, max = MAX_TITLE))]
    title: Option<String>,
    /// All of it: plain text or Markdown.
    #[schemars(length(min = 1, max = MAX_TEXT), regex(pattern = TEXT))]
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
        { "type": "string", "maxLength": MAX_METADATA_TEXT, "description": "A text." },
        { "type": "number", "description": "A number." },
        { "type": "boolean", "description": "True or false." },
    ]);
    let list = json!({
        "type": "array",
        "description": "Several of them.",
        "maxItems": MAX_METADATA,
        "items": { "description": "One of them.", "anyOf": scalars },
    });
    let alternatives = scalars.as_array().into_iter().flatten().chain([&list]);
    json_schema!({
        "type": "object",
        "maxProperties": MAX_METADATA,
        "additionalProperties": {
            "description": "A text, a number, true or false, or a list of such.",
            "anyOf": alternatives.collect::<Vec<_>>(),
        },
    })
}

impl Validate for DocumentsRequest {
    fn validate(&self, v: &mut Validator) {
        v.at("documents", |v| {
            v.items(self.documents.len(), Some(1), Some(MAX_DOCUMENTS));
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
            v.at("title", |v| v.length(title, Some(1), Some(MAX_TITLE)));
        }
        v.at("text", |v| {
            v.length(&self.text, Some(1), Some(MAX_TEXT));
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
            v.properties(self.metadata.len(), None, Some(MAX_METADATA));
            for (name, value) in &self.metadata {
                v.at(name, |v| match value {
                    Value::Array(values) => {
                        v.items(values.len(), None, Some(MAX_METADATA));
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
        Value::String(text) => v.length(text, None, Some(MAX_METADATA_TEXT)),
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
    raw_request::routes(PATHS, move |request, body| {
        let (agents, state) = (Arc::clone(&agents), Arc::clone(&state));
        async move {
            let response = handle(&agents, &state, request, body).await;
            response.into_response()
        }
    })
}

async fn handle(
    agents: &Agents,
    state: &ApiState,
    request: RawRequest,
    body: Body,
) -> Result<Response, ApiError> {
    let (method, headers) = (&request.parts.method, &request.parts.headers);
    let (allow, writes) = match request.path {
        DOCUMENT => ("GET, HEAD, DELETE, OPTIONS", Method::DELETE),
        _ => ("GET, HEAD, POST, OPTIONS", Method::POST),
    };
    if *method != writes && *method != Method::GET && *method != Method::HEAD {
        return Ok(other_method(method, allow));
    }
    let documents = agents.get(request.parameter("agent")).copied();
    let roles = documents.flatten().map_or(&[][..], |spec| spec.roles);
    let caller = admit(state.auth.as_ref(), headers, roles).await?;
    let resources = &state.resources;
    let status = state.limits.check(&caller, &request.parts);
    let response = with_rate_headers(status, &resources.metrics, async {
        let response = handle_collection(state, documents, &caller, &request, body);
        match tokio::time::timeout(resources.timeout, response).await {
            Ok(response) => response.into_response(),
            Err(_) => {
                let detail = "the request took too long".to_owned();
                ApiError::from(AgentError::TimedOut(detail)).into_response()
            }
        }
    });
    Ok(response.await)
}

/// A request for the documents of an agent; `documents` is `None` if there is no such agent.
async fn handle_collection(
    state: &ApiState,
    documents: Option<Option<DocumentsSpec>>,
    caller: &Caller,
    request: &RawRequest,
    body: Body,
) -> Result<Response, ApiError> {
    let method = &request.parts.method;
    if *method != Method::DELETE {
        accept_json(&request.parts.headers)?;
    }
    let agent = request.parameter("agent");
    let spec = documents
        .ok_or_else(|| ApiError::not_found(format!("there is no agent `{agent}`")))?
        .ok_or_else(|| ApiError::not_found(format!("the agent `{agent}` has no documents")))?;
    let collection = spec.collection;
    match request.path {
        DOCUMENT if *method == Method::DELETE => delete(state, collection, request).await,
        DOCUMENT => get(state, collection, request).await,
        _ if *method == Method::POST => put(state, collection, caller, request, body).await,
        _ => list(state, collection, request).await,
    }
}

async fn put(
    state: &ApiState,
    collection: &'static str,
    caller: &Caller,
    request: &RawRequest,
    body: Body,
) -> Result<Response, ApiError> {
    let headers = &request.parts.headers;
    read_query(&[], &request.parts.uri)?;
    let input = read_body(headers, body, state.body_limit).await?;
    // The same key may be used for two collections.
    let operation = Operation {
        besides: Value::Null,
        keys: &state.idempotency_keys,
        shutdown: &state.resources.shutdown,
        name: format!("putDocuments {collection}"),
        timeout: state.resources.timeout,
    };
    let resources = Arc::clone(&state.resources);
    let put = async move |input: Input| {
        let DocumentsRequest { documents } = input.typed(&PUT_SCHEMA).await?;
        let documents = documents.into_iter().map(Document::from);
        let documents = documents.collect::<Vec<_>>();
        let ids = documents.iter().map(|document| document.head.id.clone());
        let ids = ids.collect::<Vec<_>>();
        let counts = resources.documents.put(collection, documents).await?;
        let put = ids.iter().zip(counts);
        let documents = put.map(|(id, passages)| PutDocument {
            id: id.clone(),
            passages,
        });
        let documents = documents.collect();
        Ok(serde_json::to_string(&DocumentsPut { documents }).map_err(AgentError::internal)?)
    };
    let response = operation.get_or_run(&request.parts, &caller.subject, input, put);
    Ok(json_text_response(response.await?))
}

async fn list(
    state: &ApiState,
    collection: &str,
    request: &RawRequest,
) -> Result<Response, ApiError> {
    let page = Page::read(&request.parts.uri)?;
    let after = page.cursor.as_deref().map(read_cursor).transpose()?;
    let store = &state.resources.documents.store;
    let documents = store.list(collection, after.as_deref(), page.limit + 1);
    let (documents, next_cursor) = page.cut(documents.await?, |last| encode_text(&last.head.id));
    let documents = documents.into_iter().map(ListedDocument::from);
    Ok(json_response(&DocumentList {
        documents: documents.collect(),
        next_cursor,
    }))
}

async fn get(
    state: &ApiState,
    collection: &str,
    request: &RawRequest,
) -> Result<Response, ApiError> {
    let id = read_id(request)?;
    let found = state.resources.documents.store.document(collection, id);
    let (document, passages) = found.await?.ok_or_else(no_such_document)?;
    let bytes = document.text.len();
    let respond = move || json_response(&StoredDocument { document, passages });
    Ok(off_worker(bytes, respond).await)
}

async fn delete(
    state: &ApiState,
    collection: &str,
    request: &RawRequest,
) -> Result<Response, ApiError> {
    let id = read_id(request)?;
    let deleted = state.resources.documents.store.delete(collection, id);
    if !deleted.await? {
        return Err(no_such_document());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The id in the path, if a document can have it.
fn read_id(request: &RawRequest) -> Result<&str, ApiError> {
    let id = request.parameter("document");
    is_id(id).then_some(id).ok_or_else(no_such_document)
}

/// The id of the last document of the page before.
fn read_cursor(cursor: &str) -> Result<String, ApiError> {
    let id = decode_text(cursor)?;
    is_id(&id).then_some(id).ok_or_else(invalid_cursor)
}

fn is_id(id: &str) -> bool {
    let mut validator = Validator::default();
    validator.pattern(id, ID_PATTERN);
    id.len() <= LONGEST_ID && validator.into_violations().is_empty()
}

fn no_such_document() -> ApiError {
    AgentError::not_found("there is no such document").into()
}
