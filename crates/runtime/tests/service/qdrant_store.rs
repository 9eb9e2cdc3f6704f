//! Documents in Qdrant. The common contract is tested in `document_stores.rs`.

use std::sync::{Arc, Mutex};

use agentgen_runtime::axum::http::StatusCode;
use agentgen_runtime::axum::response::IntoResponse;
use agentgen_runtime::axum::{self, Json, Router, routing};
use agentgen_runtime::documents::{
    DocumentStore, DocumentsSettings, EmbeddedDocument, EmbeddedPassage, Embeddings, PassageQuery,
    Qdrant,
};
use agentgen_runtime::{Secret, Settings};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::document_fixture::{post_json, put_documents, registry, search_ids};
use crate::http_client::{get, post, request, send};

fn documents_settings(url: &str, key: Option<&str>) -> DocumentsSettings {
    DocumentsSettings {
        url: url.to_owned(),
        api_key: key.map(Secret::new),
    }
}

fn documents_app_at(documents: DocumentsSettings) -> Router {
    let settings = Settings {
        documents: Some(documents),
        ..Settings::default()
    };
    registry().into_router(settings).unwrap()
}

fn documents_check(ready: &Value) -> &Value {
    let mut checks = ready["checks"].as_array().unwrap().iter();
    checks.find(|check| check["name"] == "documents").unwrap()
}

#[tokio::test]
async fn an_unreachable_document_store_makes_the_service_not_ready() {
    // Nothing listens on the port after its listener is dropped.
    let gone = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let app = documents_app_at(documents_settings(&format!("http://{gone}"), None));
    let unready = get(&app, "/readyz").await;
    assert_eq!(unready.status, 503);
    let check = json!({ "name": "documents", "status": "failed",
        "detail": "the document store does not answer" });
    assert_eq!(*documents_check(&unready.json()), check);
    let search = post(&app, "/search", r#"{"query": "x"}"#).await;
    assert_eq!(
        search.problem(503)["detail"],
        "the document store can't be used now"
    );
    put_documents(&app, json!([{ "text": "x" }]))
        .await
        .problem(503);
    assert_eq!(get(&app, "/livez").await.status, 200);
}

#[tokio::test]
async fn document_store_errors_are_logged_and_not_returned() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let refuses = |request: axum::extract::Request| async move {
        match request.headers().get("api-key").map(|key| key.as_bytes()) {
            Some(b"sk-hush") => (StatusCode::FORBIDDEN, r#"{"status":{"error":"not yours"}}"#),
            _ => (StatusCode::IM_A_TEAPOT, "no key"),
        }
        .into_response()
    };
    tokio::spawn(axum::serve(listener, Router::new().fallback(refuses)).into_future());
    let documents = documents_settings(&url, Some("sk-hush"));
    let app = documents_app_at(documents);
    let answer = post(&app, "/search", r#"{"query": "x"}"#).await;
    answer.problem(503);
    assert_eq!(answer.header("retry-after"), "5");
    let hidden = ["403", "sk-hush", "not yours"];
    assert!(
        !hidden.iter().any(|text| answer.text.contains(text)),
        "{}",
        answer.text
    );
    // What the server does not understand is a fault of the service.
    let app = documents_app_at(documents_settings(&url, None));
    let answer = post(&app, "/search", r#"{"query": "x"}"#).await;
    answer.problem(500);
    assert!(!answer.text.contains("418"), "{}", answer.text);
}

#[tokio::test]
async fn indexes_that_a_collection_lacks_are_created() {
    let created = Arc::new(Mutex::new(Vec::new()));
    let (seen, listener) = (
        Arc::clone(&created),
        TcpListener::bind("127.0.0.1:0").await.unwrap(),
    );
    let url = format!("http://{}", listener.local_addr().unwrap());
    // The process that created the collection ended after two of its indexes.
    let info = json!({ "result": {
        "config": { "params": { "vectors": { "size": 1, "distance": "Cosine" } } },
        "payload_schema": { "document": {}, "number": {} },
    } });
    let index = async move |Json(body): Json<Value>| {
        seen.lock()
            .unwrap()
            .push(body["field_name"].as_str().unwrap().to_owned());
        Json(json!({ "result": {} }))
    };
    let server = Router::new()
        .route("/collections/shelf", routing::get(Json(info)))
        .route("/collections/shelf/index", routing::put(index))
        .fallback(async || Json(json!({ "result": {} })));
    tokio::spawn(axum::serve(listener, server).into_future());
    let store = Qdrant::open(&documents_settings(&url, None)).unwrap();
    let head = json!({ "id": "a", "updated_at": "2026-01-01T00:00:00Z", "text": "x" });
    let document = EmbeddedDocument {
        document: serde_json::from_value(head).unwrap(),
        model: "m".to_owned(),
        passages: vec![EmbeddedPassage {
            title: None,
            text: "x".to_owned(),
            vector: vec![1.0],
        }],
    };
    store.put("shelf", vec![document]).await.unwrap();
    let created = created.lock().unwrap();
    assert_eq!(*created, ["model", "head.language", "head.updated_at"]);
}

#[test]
fn an_invalid_qdrant_url_is_reported_at_startup() {
    for (url, expected) in [
        ("qdrant:6333", "is not an address like"),
        ("ftp://host", "is not an address like"),
        (
            "http://me:hunter2@host:6333",
            "must not contain a name or password",
        ),
        ("http://host/?a=b", "must end with its path"),
    ] {
        let error = Qdrant::open(&documents_settings(url, None))
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.starts_with("documents.url: ") && error.contains(expected),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }
}

/// The URL of the Qdrant server, if one is configured.
fn server() -> Option<DocumentsSettings> {
    let url = std::env::var("AGENTGEN_TEST_QDRANT").ok()?;
    let key = std::env::var("AGENTGEN_TEST_QDRANT_KEY").ok();
    Some(documents_settings(&url, key.as_deref()))
}

#[tokio::test]
async fn a_service_stores_its_documents_in_qdrant() {
    let Some(documents) = server() else { return };
    let app = documents_app_at(documents.clone());
    let lake = json!({ "id": "test/lake", "title": "Lakes", "metadata": { "topic": "water" },
        "text": "A lake lies still.\n\n# Floods\n\nA lake may rise." });
    assert_eq!(put_documents(&app, json!([lake])).await.status, 200);
    let query =
        json!({ "query": "the flood of a lake", "document": "test/lake", "topic": ["water"] });
    assert_eq!(
        search_ids(&app, query.clone()).await,
        ["test/lake#1", "test/lake#0"]
    );
    let answer = post_json(
        &app,
        "/chat",
        json!({ "message": "Floods: a lake may rise." }),
    )
    .await;
    assert_eq!(answer["citations"][0]["id"], "test/lake#1");
    let ready = get(&app, "/readyz").await.json();
    assert_eq!(documents_check(&ready)["status"], "ok");

    // The collection has 2,048 dimensions.
    let settings = Settings {
        documents: Some(documents.clone()),
        embeddings: Embeddings {
            dimensions: Some(32),
            ..Embeddings::default()
        },
        ..Settings::default()
    };
    let other = registry().into_router(settings).unwrap();
    put_documents(&other, json!([{ "text": "x" }]))
        .await
        .problem(500);
    let small = PassageQuery {
        model: "hashing-32".to_owned(),
        vector: vec![1.0; 32],
        filter: Vec::new(),
        min_score: 0.0,
        limit: 1,
        count: false,
    };
    let store = Qdrant::open(&documents).unwrap();
    let error = store.search("shelf", &small).await.unwrap_err().to_string();
    assert!(
        error.contains("`shelf` in the document store has 2048 dimensions"),
        "{error}"
    );
    assert!(
        error.contains("embeddings.model gives vectors of 32"),
        "{error}"
    );

    let path = "/v1/agents/reader/documents/test%2Flake";
    assert_eq!(
        send(&app, request("DELETE", path, &[], "")).await.status,
        204
    );
    assert!(search_ids(&app, query).await.is_empty());
}
