//! Agents with documents, written as the generator writes them, with endpoints for search, embed and chat.

use agentgen_runtime::axum::Router;
use agentgen_runtime::schema::{Validate, Validator};
use agentgen_runtime::spec::{
    AgentSpec, DocumentsSpec, EndpointSpec, Handler, HitShape, Method, Policy, Retrieve, SessionUse,
};
use agentgen_runtime::{Registry, RunContext, Service, Settings, Store};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::http_client::{TestResponse, post, request, send};

/// The agent `reader`. Its documents require the role `librarian`.
pub static READER: AgentSpec = AgentSpec {
    name: "reader",
    slug: "reader",
    summary: "Reads for others.",
    examples: &[],
    prompt: agentgen_runtime::spec::Prompt::new("You read for others.\n"),
    prompt_sha256: "",
    model: None,
    tools: None,
    denied_tools: &[],
    agents: &[],
    roles: &[],
    documents: Some(DocumentsSpec {
        collection: "shelf",
        roles: &["librarian"],
    }),
    policy: Policy::DEFAULT,
};

/// An agent that shares the documents of `reader`.
pub static COLLEAGUE: AgentSpec = AgentSpec {
    name: "colleague",
    slug: "colleague",
    documents: Some(DocumentsSpec {
        collection: "shelf",
        roles: &[],
    }),
    ..READER
};

/// An agent with its own documents.
pub static ARCHIVIST: AgentSpec = AgentSpec {
    name: "archivist",
    slug: "archivist",
    documents: Some(DocumentsSpec {
        collection: "archive",
        roles: &[],
    }),
    ..READER
};

/// An agent without documents.
pub static PORTER: AgentSpec = AgentSpec {
    name: "porter",
    slug: "porter",
    documents: None,
    ..READER
};

const SEARCH: EndpointSpec = EndpointSpec {
    name: "search",
    operation_id: "searchReader",
    method: Method::Post,
    path: "/search",
    status: 200,
    errors: &[],
    stream: false,
    handler: Handler::Search,
    retrieve: None,
    session: SessionUse::None,
    hits: Some(HitShape {
        properties: &[
            "id",
            "score",
            "text",
            "title",
            "heading",
            "document",
            "language",
            "updated_at",
            "topic",
            "year",
        ],
        total: true,
        model: true,
        default_limit: 10,
    }),
    roles: &[],
    parameters: &[],
    input_schema: r#"{"type":"object","properties":{"query":{"type":"string"},"limit":{"type":"integer","maximum":50},"language":{"type":["string","null"]},"topic":{"type":"array","items":{"type":"string"}},"year":{"type":"number"},"draft":{"type":"boolean"},"updated_after":{"type":"string","format":"date-time"},"updated_before":{"type":"string","format":"date-time"}},"required":["query"]}"#,
    output_schema: r##"{"type":"object","properties":{"hits":{"type":"array","items":{"$ref":"#/$defs/Hit"}},"total":{"type":"integer"},"model":{"type":"string"}},"required":["hits","total"],"$defs":{"Hit":{"type":"object","properties":{"id":{"type":"string"},"score":{"type":"number"},"text":{"type":"string"},"title":{"type":"string"},"heading":{"type":"string"},"document":{"type":"string"},"language":{"type":"string"},"updated_at":{"type":"string","format":"date-time"},"topic":{"type":"string"},"year":{"type":"integer"}},"required":["id","score","text"]}}}"##,
    output_example: r#"{"hits":[],"total":0}"#,
    rate: None,
    timeout_ms: None,
};

/// A search whose hits require a title.
const TITLES: EndpointSpec = EndpointSpec {
    name: "titles",
    operation_id: "titlesReader",
    path: "/titles",
    hits: Some(HitShape {
        properties: &["title"],
        total: false,
        model: false,
        default_limit: 10,
    }),
    input_schema: r#"{"type":"object","properties":{"query":{"type":"string"}},"required":["query"]}"#,
    output_schema: r#"{"type":"object","properties":{"hits":{"type":"array","items":{"type":"object","properties":{"title":{"type":"string"}},"required":["title"]}}},"required":["hits"]}"#,
    output_example: r#"{"hits":[]}"#,
    ..SEARCH
};

const EMBED: EndpointSpec = EndpointSpec {
    name: "embed",
    operation_id: "embedReader",
    path: "/embed",
    handler: Handler::Embed,
    hits: None,
    input_schema: r#"{"type":"object","properties":{"texts":{"type":"array","items":{"type":"string"}},"text":{"type":"string"},"purpose":{"enum":["document","query"]}}}"#,
    output_schema: r#"{"type":"object","properties":{"vectors":{},"vector":{},"model":{"type":"string"},"dimensions":{"type":"integer"}}}"#,
    output_example: r#"{"vectors":[]}"#,
    ..SEARCH
};

const CHAT: EndpointSpec = EndpointSpec {
    name: "chat",
    operation_id: "chatReader",
    path: "/chat",
    stream: true,
    handler: Handler::Model,
    retrieve: Some(Retrieve {
        query: "message",
        limit: 2,
    }),
    session: SessionUse::Input,
    hits: None,
    input_schema: r#"{"type":"object","properties":{"message":{"type":"string"},"session_id":{"type":"string"}},"required":["message"]}"#,
    output_schema: r##"{"type":"object","properties":{"reply":{"type":"string"},"citations":{"type":"array","items":{"$ref":"#/$defs/Citation"}}},"required":["reply","citations"],"$defs":{"Citation":{"type":"object","properties":{"id":{"type":"string"},"title":{"type":"string"},"quote":{"type":"string","maxLength":40}},"required":["id"]}}}"##,
    output_example: r#"{"reply":"a text","citations":[{"id":"an id"}]}"#,
    ..SEARCH
};

/// A chat whose citations are ids.
const ASK: EndpointSpec = EndpointSpec {
    name: "ask",
    operation_id: "askReader",
    path: "/ask",
    output_schema: r#"{"type":"object","properties":{"reply":{"type":"string"},"citations":{"type":"array","items":{"type":"string"}}},"required":["reply"]}"#,
    output_example: r#"{"reply":"a text"}"#,
    ..CHAT
};

static SEARCH_AT: EndpointSpec = SEARCH;
static TITLES_AT: EndpointSpec = TITLES;
static EMBED_AT: EndpointSpec = EMBED;
static CHAT_AT: EndpointSpec = CHAT;
static ASK_AT: EndpointSpec = ASK;
static PORTER_SEARCH: EndpointSpec = EndpointSpec {
    operation_id: "searchPorter",
    path: "/porter/search",
    ..SEARCH
};

/// Any JSON value; nothing is validated.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct AnyJson(Value);

impl Validate for AnyJson {
    fn validate(&self, _: &mut Validator) {}
}

#[derive(Serialize, Deserialize)]
pub struct Hits<T> {
    hits: Vec<T>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    total: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
}

impl<T> Validate for Hits<T> {
    fn validate(&self, _: &mut Validator) {}
}

#[derive(Serialize, Deserialize)]
struct TitledHit {
    title: String,
}

#[derive(Serialize, Deserialize)]
struct ChatReply {
    reply: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    citations: Option<Vec<Value>>,
}

impl Validate for ChatReply {
    fn validate(&self, _: &mut Validator) {}
}

async fn search<T: Serialize + DeserializeOwned + Send>(
    cx: RunContext,
    (agent, endpoint): (&'static AgentSpec, &'static EndpointSpec),
    request: AnyJson,
) -> Result<agentgen_runtime::Reply<Hits<T>>, agentgen_runtime::AgentError> {
    cx.search(agent, endpoint, request).await
}

/// The services of all agents in this file.
pub fn registry() -> Registry {
    let found = |at| move |cx, request: AnyJson| search::<Value>(cx, at, request);
    let titles = |cx, request: AnyJson| search::<TitledHit>(cx, (&READER, &TITLES_AT), request);
    let embed = |cx: RunContext, request: AnyJson| async move {
        cx.embed::<_, AnyJson>(&READER, &EMBED_AT, request).await
    };
    let chat = |endpoint: &'static EndpointSpec| {
        move |cx: RunContext, request: AnyJson| async move {
            cx.run::<_, ChatReply>(&READER, endpoint, request).await
        }
    };
    let reader = Service::new(&READER)
        .endpoint(&SEARCH_AT, found((&READER, &SEARCH_AT)))
        .endpoint(&TITLES_AT, titles)
        .endpoint(&EMBED_AT, embed)
        .endpoint(&CHAT_AT, chat(&CHAT_AT))
        .endpoint(&ASK_AT, chat(&ASK_AT));
    let porter = Service::new(&PORTER).endpoint(&PORTER_SEARCH, found((&PORTER, &PORTER_SEARCH)));
    Registry::new("{}")
        .service(reader)
        .service(Service::new(&COLLEAGUE))
        .service(Service::new(&ARCHIVIST))
        .service(porter)
}

/// The router of these agents with default settings.
pub fn documents_app() -> Router {
    registry().into_router(Settings::default()).unwrap()
}

/// The router of these agents on `store`.
pub fn documents_app_on(store: &Store) -> Router {
    registry()
        .store(store.clone())
        .into_router(Settings::default())
        .unwrap()
}

pub const DOCUMENTS: &str = "/v1/agents/reader/documents";

/// Puts documents into the collection of `reader`.
#[track_caller]
pub fn put_documents(app: &Router, documents: Value) -> impl Future<Output = TestResponse> {
    let (app, body) = (app.clone(), json!({ "documents": documents }).to_string());
    async move { post(&app, DOCUMENTS, &body).await }
}

/// Posts JSON and returns the body of a 200 response.
pub async fn post_json(app: &Router, path: &str, body: Value) -> Value {
    let answer = post(app, path, &body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

/// Searches and returns the ids of the hits.
pub async fn search_ids(app: &Router, body: Value) -> Vec<String> {
    let found = post_json(app, "/search", body).await;
    let hits = found["hits"].as_array().unwrap().iter();
    hits.map(|hit| hit["id"].as_str().unwrap().to_owned())
        .collect()
}

/// The data of all events of a stream.
pub async fn stream_events(app: &Router, path: &str, body: Value) -> Vec<Value> {
    let headers = [
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
    ];
    let answer = send(app, request("POST", path, &headers, &body.to_string())).await;
    let data = answer
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

/// Puts four sample documents.
pub async fn put_sample_documents(app: &Router) {
    let documents = json!([
        { "id": "tides", "title": "Tides", "language": "en", "updated_at": "2026-03-01T00:00:00Z",
          "metadata": { "topic": "sea", "year": 1998, "draft": false },
          "text": "The moon pulls the water of the oceans.\n\n# Spring tides\n\nAt full moon the sea rises highest." },
        { "id": "bread", "title": "Bread", "language": "en", "updated_at": "2026-05-01T00:00:00Z",
          "metadata": { "topic": "kitchen", "year": 2004.0 }, "text": "Flour, yeast and patience make a loaf of bread." },
        { "id": "ebbe", "language": "de", "metadata": { "topic": "sea", "draft": true },
          "text": "Ebbe und Flut kommen vom Mond." },
        { "id": "docs/ships.md", "text": "Ships leave the harbour with the high tide of the sea." },
    ]);
    let answer = put_documents(app, documents).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let expected = json!({ "documents": [
        { "id": "tides", "passages": 2 }, { "id": "bread", "passages": 1 },
        { "id": "ebbe", "passages": 1 }, { "id": "docs/ships.md", "passages": 1 },
    ] });
    assert_eq!(answer.json(), expected);
}
