//! Embeddings from a provider and from a custom embedder.

use std::time::{Duration, Instant};

use agentgen_runtime::axum::Router;
use agentgen_runtime::documents::{EmbedFuture, Embedder, Embeddings, Purpose};
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::{Secret, Settings, Store};
use serde_json::{Value, json};

use crate::document_fixture::{
    documents_app_on, post_json, put_documents, put_sample_documents, registry, search_ids,
};
use crate::http_client::{get, post, request, send};
use crate::store_fixture::{postgres_store, sqlite_store};

fn settings(server: &MockServer) -> Settings {
    let mut settings = server.settings(ProviderKind::OpenAi);
    settings.embeddings = Embeddings {
        model: "mock:small".to_owned(),
        ..Embeddings::default()
    };
    settings.providers.get_mut("mock").unwrap().api_key = Some(Secret::new("sk-hush"));
    settings
}

async fn app_on_mock_server() -> (MockServer, Router) {
    let server = MockServer::start().await.unwrap();
    let app = registry().into_router(settings(&server)).unwrap();
    (server, app)
}

const TEXTS: &str = r#"{"texts": ["the sea", "bread"]}"#;

#[tokio::test]
async fn embeddings_use_the_openai_format() {
    let (server, app) = app_on_mock_server().await;
    put_sample_documents(&app).await;
    let found = post_json(
        &app,
        "/search",
        json!({ "query": "spring tides at full moon" }),
    )
    .await;
    assert_eq!(found["hits"][0]["id"], "tides#1");
    assert_eq!(found["model"], "mock:small");
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].path, "/v1/embeddings");
    assert_eq!(requests[0].header("authorization"), "Bearer sk-hush");
    let body = &requests[0].body;
    assert_eq!(body["model"], "small");
    assert_eq!(body["encoding_format"], "float");
    assert_eq!(body.get("dimensions"), None);
    let first = "Tides\n\nThe moon pulls the water of the oceans.";
    let second = "Tides\nSpring tides\n\nAt full moon the sea rises highest.";
    assert_eq!(
        (&body["input"][0], &body["input"][1]),
        (&json!(first), &json!(second)),
        "what a passage stands under is embedded with it"
    );
    assert_eq!(
        requests[1].body["input"],
        json!(["spring tides at full moon"])
    );
}

#[tokio::test]
async fn vectors_are_ordered_by_index_and_normalised() {
    let (server, app) = app_on_mock_server().await;
    let answer = json!({ "data": [
        { "index": 1, "embedding": [0, -5] }, { "index": 0, "embedding": [3, 4] } ] });
    server.push_embedding(Script::replay(200, "application/json", answer.to_string()));
    let answer = post(&app, "/embed", TEXTS).await.json();
    assert_eq!(answer["vectors"], json!([[0.6, 0.8], [0.0, -1.0]]));
    assert_eq!(answer["dimensions"], 2);
}

#[tokio::test]
async fn texts_are_embedded_in_batches() {
    let (server, app) = app_on_mock_server().await;
    let texts = (0..150).map(|n| format!("text {n}")).collect::<Vec<_>>();
    let answer = post_json(&app, "/embed", json!({ "texts": texts })).await;
    assert_eq!(answer["vectors"].as_array().unwrap().len(), 150);
    let requests = server.requests();
    let sizes = requests
        .iter()
        .map(|request| request.body["input"].as_array().unwrap().len());
    assert_eq!(sizes.collect::<Vec<_>>(), [64, 64, 22]);
    let last = post_json(&app, "/embed", json!({ "text": "text 149" })).await;
    assert_eq!(
        last["vector"], answer["vectors"][149],
        "the order is that of the texts"
    );
}

#[tokio::test]
async fn dimensions_are_requested_and_part_of_the_model_name() {
    let server = MockServer::start().await.unwrap();
    let mut settings = settings(&server);
    settings.embeddings.dimensions = Some(32);
    let app = registry().into_router(settings).unwrap();
    let answer = post(&app, "/embed", TEXTS).await.json();
    assert_eq!(server.requests()[0].body["dimensions"], 32);
    assert_eq!(
        (&answer["dimensions"], &answer["model"]),
        (&json!(32), &json!("mock:small/32"))
    );
    let short = json!({ "data": [{ "embedding": [1] }, { "embedding": [1] }] });
    server.push_embedding(Script::replay(200, "application/json", short.to_string()));
    post(&app, "/embed", TEXTS).await.problem(502);
}

#[tokio::test]
async fn only_transient_embedding_errors_are_retried() {
    let (server, app) = app_on_mock_server().await;
    server.push_embedding(Script::error(429, "slow down").header("retry-after-ms", "20"));
    server.push_embedding(Script::error(503, "overloaded").header("retry-after-ms", "20"));
    let answer = post(&app, "/embed", TEXTS).await;
    assert_eq!((answer.status.as_u16(), server.requests().len()), (200, 3));

    for (status, expected) in [(401, 502), (400, 502), (404, 502)] {
        let before = server.requests().len();
        server.push_embedding(Script::error(status, "sk-hush is wrong"));
        let answer = post(&app, "/embed", TEXTS).await;
        answer.problem(expected);
        assert!(!answer.text.contains("sk-hush"), "{}", answer.text);
        assert_eq!(server.requests().len(), before + 1, "{status}");
    }
    // A Retry-After beyond the deadline is not awaited.
    server.push_embedding(Script::error(429, "tomorrow").retry_after(3600));
    let start = Instant::now();
    let answer = post(&app, "/embed", TEXTS).await;
    answer.problem(503);
    assert_eq!(answer.header("retry-after"), "3600");
    assert!(start.elapsed() < Duration::from_secs(2));
    let metrics = get(&app, "/metrics").await.text;
    let denied = r#"agentgen_embedding_errors_total{kind="denied",model="mock:small"} 1"#;
    assert!(metrics.contains(denied), "{metrics}");
}

#[tokio::test]
async fn invalid_embedding_responses_are_errors() {
    let (server, app) = app_on_mock_server().await;
    for nonsense in [
        "no JSON",
        "{}",
        r#"{"data": [{"embedding": [1]}]}"#,
        r#"{"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [1]}]}"#,
        r#"{"data": [{"index": 0, "embedding": [1]}, {"index": 7, "embedding": [1]}]}"#,
        r#"{"data": [{"embedding": [1]}, {"embedding": [1, 2]}]}"#,
        r#"{"data": [{"embedding": [1]}, {"embedding": ["x"]}]}"#,
        r#"{"data": [{"embedding": []}, {"embedding": []}]}"#,
        r#"{"data": [{"embedding": [NaN]}, {"embedding": [1]}]}"#,
        r#"{"data": [{"embedding": [1e300, 1]}, {"embedding": [1, 1]}]}"#,
        r#"{"data": [{"embedding": [null]}, {"embedding": [1]}]}"#,
    ] {
        // Malformed responses are retried: four attempts.
        for _ in 0..4 {
            let script = Script::replay(200, "application/json", nonsense);
            server.push_embedding(script.header("retry-after-ms", "1"));
        }
        let answer = post(&app, "/embed", TEXTS).await;
        answer.problem(502);
    }
}

#[tokio::test]
async fn documents_without_embeddings_are_not_stored() {
    let (server, app) = app_on_mock_server().await;
    server.push_embedding(Script::error(400, "no"));
    put_documents(&app, json!([{ "id": "a", "text": "x" }]))
        .await
        .problem(502);
    get(&app, "/v1/agents/reader/documents/a")
        .await
        .problem(404);
    let echoed = post_json(&app, "/search", json!({ "query": "x" })).await;
    assert_eq!(echoed["total"], 0);
}

#[tokio::test]
async fn documents_of_another_embedding_model_must_be_put_again() {
    let (server, store) = (MockServer::start().await.unwrap(), Store::memory());
    let hashing = documents_app_on(&store);
    put_sample_documents(&hashing).await;
    let other = registry()
        .store(store)
        .into_router(settings(&server))
        .unwrap();
    let query = json!({ "query": "bread" });
    // A partial result would look complete, so the search is an error.
    for (path, body) in [
        ("/search", &query),
        ("/chat", &json!({ "message": "bread" })),
    ] {
        let refused = post(&other, path, &body.to_string()).await.problem(503);
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains("`shelf` has documents that another model than `mock:small/64`"));
    }
    put_documents(&other, json!([{ "id": "bread", "text": "bread" }])).await;
    post(&other, "/search", &query.to_string())
        .await
        .problem(503);
    for left in ["tides", "ebbe", "docs%2Fships.md"] {
        let path = format!("/v1/agents/reader/documents/{left}");
        assert_eq!(
            send(&other, request("DELETE", &path, &[], "")).await.status,
            204
        );
    }
    assert_eq!(search_ids(&other, query.clone()).await, ["bread#0"]);
    post(&hashing, "/search", &query.to_string())
        .await
        .problem(503);
}

#[tokio::test]
async fn a_change_of_the_embedding_model_is_noticed_by_other_processes() {
    for test_store in [Some(sqlite_store()), postgres_store().await]
        .into_iter()
        .flatten()
    {
        let old = documents_app_on(&test_store.open().await);
        put_sample_documents(&old).await;
        let query = json!({ "query": "bread" });
        let found = search_ids(&old, query.clone()).await;
        assert_eq!(found[0], "bread#0");
        // A process of the next version, with the same model but smaller vectors, puts one document again.
        let mut settings = Settings::default();
        settings.embeddings.dimensions = Some(512);
        let new = registry().store(test_store.open().await);
        let new = new.into_router(settings).unwrap();
        put_documents(&new, json!([{ "id": "bread", "text": "bread" }])).await;
        for (app, model) in [(&old, "hashing-2048"), (&new, "hashing-512")] {
            let refused = post(app, "/search", &query.to_string()).await.problem(503);
            let detail = refused["detail"].as_str().unwrap();
            assert!(
                detail.contains(&format!("another model than `{model}`")),
                "{detail}"
            );
        }
        put_sample_documents(&new).await;
        assert!(!search_ids(&new, query.clone()).await.is_empty());
        post(&old, "/search", &query.to_string()).await.problem(503);
        drop((old, new));
        test_store.remove().await;
    }
}

#[tokio::test]
async fn vectors_of_different_models_under_one_alias_are_not_compared() {
    let (server, app) = app_on_mock_server().await;
    put_sample_documents(&app).await;
    let query = json!({ "query": "bread" });
    assert_eq!(search_ids(&app, query.clone()).await[0], "bread#0");
    let other = || {
        let answer = json!({ "data": [{ "embedding": [3, 4] }] }).to_string();
        server.push_embedding(Script::replay(200, "application/json", answer));
    };
    other();
    let refused = post(&app, "/search", &query.to_string()).await.problem(503);
    let detail = refused["detail"].as_str().unwrap();
    assert!(
        detail.contains("another model than `mock:small/2`"),
        "{detail}"
    );
    assert_eq!(search_ids(&app, query.clone()).await[0], "bread#0");
    other();
    put_documents(&app, json!([{ "id": "salt", "text": "salt" }])).await;
    post(&app, "/search", &query.to_string()).await.problem(503);
    put_documents(&app, json!([{ "id": "salt", "text": "salt" }])).await;
    assert_eq!(search_ids(&app, query).await[0], "bread#0");
}

#[tokio::test]
async fn hits_below_the_minimum_score_are_omitted() {
    let found = async |min_score: Option<f64>| {
        let mut settings = Settings::default();
        settings.embeddings.min_score = min_score;
        let app = registry().into_router(settings).unwrap();
        put_sample_documents(&app).await;
        let query = json!({ "query": "the moon over the water", "limit": 50 });
        let found = post_json(&app, "/search", query).await;
        let hits = found["hits"].as_array().unwrap();
        assert_eq!(found["total"], hits.len());
        let scores = hits.iter().map(|hit| hit["score"].as_f64().unwrap());
        scores.collect::<Vec<_>>()
    };
    let all = found(Some(0.0)).await;
    let usual = found(None).await;
    assert!(usual.iter().all(|score| *score >= 0.06), "{usual:?}");
    assert!(
        all.len() > usual.len() && usual.len() > 1,
        "{all:?} {usual:?}"
    );
    assert_eq!(found(Some(usual[0])).await, usual[..1]);
    assert!(found(Some(1.0)).await.is_empty());
}

#[tokio::test]
async fn empty_queries_are_not_embedded() {
    let (server, app) = app_on_mock_server().await;
    put_sample_documents(&app).await;
    let before = server.requests().len();
    let found = post_json(&app, "/search", json!({ "query": " \n" })).await;
    assert_eq!((&found["hits"], &found["total"]), (&json!([]), &json!(0)));
    assert_eq!(server.requests().len(), before);
}

#[tokio::test]
async fn long_queries_are_truncated() {
    let (server, app) = app_on_mock_server().await;
    put_sample_documents(&app).await;
    let long = format!("bread {}", "é".repeat(10_000));
    assert_eq!(
        search_ids(&app, json!({ "query": long })).await[0],
        "bread#0"
    );
    let input = server.requests().pop().unwrap().body["input"][0].clone();
    let beginning = long.chars().take(4_000).collect::<String>();
    assert_eq!(input, beginning);
}

/// Embeds texts by whether they contain one word.
struct Salt;

impl Embedder for Salt {
    fn model(&self) -> &str {
        "salt"
    }

    fn dimensions(&self) -> Option<u32> {
        Some(2)
    }

    fn embed<'a>(&'a self, texts: &'a [String], purpose: Purpose) -> EmbedFuture<'a> {
        let vector = move |text: &String| match text.contains("salt") {
            true if purpose == Purpose::Query => vec![0.6, 0.8],
            true => vec![1.0, 0.0],
            false => vec![0.0, 0.0],
        };
        Box::pin(async move { Ok(texts.iter().map(vector).collect()) })
    }
}

#[tokio::test]
async fn a_custom_embedder_can_be_registered() {
    let app = registry()
        .embedder(Salt)
        .into_router(Settings::default())
        .unwrap();
    put_documents(
        &app,
        json!([{ "id": "a", "text": "salt" }, { "id": "b", "text": "pepper" }]),
    )
    .await;
    let found = post_json(&app, "/search", json!({ "query": "salt" })).await;
    assert_eq!(found["model"], "salt");
    assert_eq!(found["total"], 1);
    let score = found["hits"][0]["score"].as_f64().unwrap();
    assert!(
        (score - 0.6).abs() < 1e-6,
        "documents and queries are embedded differently: {score}"
    );
    let none = post_json(&app, "/search", json!({ "query": "pepper" })).await;
    assert_eq!(none["hits"], Value::Array(Vec::new()));
}

fn startup_error(embeddings: Embeddings) -> String {
    let settings = Settings {
        embeddings,
        ..Settings::default()
    };
    registry().into_router(settings).unwrap_err().to_string()
}

#[test]
fn invalid_embedding_settings_are_reported_at_startup() {
    let named = |model: &str| Embeddings {
        model: model.to_owned(),
        ..Embeddings::default()
    };
    assert!(startup_error(named("hash")).starts_with("embeddings.model: must be `hashing` or"));
    assert!(startup_error(named("acme:e5")).contains("there is no provider `acme`"));
    let dimensions = Embeddings {
        dimensions: Some(9000),
        ..Embeddings::default()
    };
    assert!(startup_error(dimensions).starts_with("embeddings.dimensions: must be between 1 and"));
    for score in [-0.1, 1.5, f64::NAN] {
        let min_score = Embeddings {
            min_score: Some(score),
            ..Embeddings::default()
        };
        assert_eq!(
            startup_error(min_score),
            "embeddings.min_score: must be between 0 and 1"
        );
    }
}
