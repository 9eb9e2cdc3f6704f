//! Search and embed over HTTP.

use std::io::Write;
use std::time::Instant;

use agentgen_runtime::documents::{
    Document, DocumentHead, DocumentStore, EmbeddedDocument, EmbeddedPassage, MemoryDocuments,
    PassageQuery,
};
use serde_json::{Map, Value, json};

use crate::document_fixture::{
    documents_app, documents_app_on, post_json, put_documents, put_sample_documents, search_ids,
};
use crate::http_client::post;
use crate::store_fixture::sqlite_store;

#[tokio::test]
async fn hits_are_ordered_by_score_with_the_fields_of_the_schema() {
    let app = documents_app();
    put_sample_documents(&app).await;
    let found = post_json(
        &app,
        "/search",
        json!({ "query": "spring tides at full moon" }),
    )
    .await;
    let hits = found["hits"].as_array().unwrap();
    let first = &hits[0];
    assert_eq!(first["id"], "tides#1");
    assert_eq!(first["title"], "Tides", "it is the document's");
    assert_eq!(first["heading"], "Spring tides");
    assert_eq!(first["text"], "At full moon the sea rises highest.");
    assert_eq!(first["document"], "tides");
    assert_eq!(first["language"], "en");
    assert_eq!(first["updated_at"], "2026-03-01T00:00:00Z");
    assert_eq!(first["topic"], "sea");
    assert_eq!(first["year"], 1998);
    assert_eq!(first.get("draft"), None, "the schema has no room for it");
    let scores = hits.iter().map(|hit| hit["score"].as_f64().unwrap());
    let scores = scores.collect::<Vec<_>>();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    assert!(scores.iter().all(|score| *score > 0.0 && *score <= 1.0));
    assert_eq!(found["model"], "hashing-2048");
    assert_eq!(found["total"], hits.len());
    let ships = hits.iter().find(|hit| hit["document"] == "docs/ships.md");
    assert_eq!(ships.unwrap().get("title"), None, "it has none");

    let exact = "Flour, yeast and patience make a loaf of bread.";
    let found = post_json(
        &app,
        "/search",
        json!({ "query": format!("Bread\n\n{exact}") }),
    )
    .await;
    assert_eq!(found["hits"][0]["id"], "bread#0");
    assert!(
        found["hits"][0]["score"].as_f64().unwrap() > 0.999,
        "{found}"
    );
}

#[tokio::test]
async fn a_limit_truncates_the_hits_but_not_the_total() {
    let app = documents_app();
    let many = (0..60).map(|n| json!({ "id": format!("d{n:02}"), "text": "the same words" }));
    put_documents(&app, many.collect()).await;
    let search = async |limit: Value| {
        let found = post_json(
            &app,
            "/search",
            json!({ "query": "same words", "limit": limit }),
        )
        .await;
        assert_eq!(found["total"], 60);
        found["hits"].as_array().unwrap().len()
    };
    assert_eq!(search(json!(3)).await, 3);
    assert_eq!(search(Value::Null).await, 10);
    assert_eq!(
        search(json!(1000)).await,
        60,
        "what a schema allows is its own affair"
    );
    assert_eq!(search(json!(0)).await, 0);
    let first = search_ids(&app, json!({ "query": "same words", "limit": 2 })).await;
    assert_eq!(
        first,
        ["d00#0", "d01#0"],
        "equals stand in the order of their ids"
    );
}

#[tokio::test]
async fn filters_exclude_documents_that_do_not_match() {
    let app = documents_app();
    put_sample_documents(&app).await;
    let search = async |filter: Value| {
        let mut body = json!({ "query": "sea moon tide Mond bread water" });
        body.as_object_mut()
            .unwrap()
            .extend(filter.as_object().unwrap().clone());
        let mut found = search_ids(&app, body).await;
        found.sort();
        found
    };
    let all = ["bread#0", "docs/ships.md#0", "ebbe#0", "tides#0", "tides#1"];
    assert_eq!(search(json!({})).await, all);
    assert_eq!(search(json!({ "language": null, "topic": [] })).await, all);
    assert_eq!(search(json!({ "language": "de" })).await, ["ebbe#0"]);
    assert_eq!(
        search(json!({ "topic": ["sea"] })).await,
        ["ebbe#0", "tides#0", "tides#1"]
    );
    assert_eq!(
        search(json!({ "topic": ["kitchen", "garden"] })).await,
        ["bread#0"]
    );
    assert_eq!(search(json!({ "year": 2004 })).await, ["bread#0"]);
    assert_eq!(search(json!({ "draft": true })).await, ["ebbe#0"]);
    assert_eq!(search(json!({ "document": "bread" })).await, ["bread#0"]);
    assert_eq!(
        search(json!({ "title": "Tides" })).await,
        ["tides#0", "tides#1"]
    );
    let april = "2026-04-01T02:00:00+02:00";
    assert_eq!(search(json!({ "updated_after": april })).await, ["bread#0"]);
    assert_eq!(
        search(json!({ "updated_before": april })).await,
        ["tides#0", "tides#1"]
    );
    let exactly = "2026-05-01T00:00:00Z";
    assert!(search(json!({ "updated_after": exactly })).await.is_empty());
    let none = json!({ "topic": ["sea"], "language": "fr" });
    assert!(search(none).await.is_empty());
    let wrong = json!({ "query": "sea", "updated_after": "yesterday" }).to_string();
    assert_eq!(
        post(&app, "/search", &wrong).await.pointers(),
        ["/updated_after"]
    );
}

#[tokio::test]
async fn passages_without_required_hit_fields_are_omitted() {
    let app = documents_app();
    put_sample_documents(&app).await;
    let found = post_json(&app, "/titles", json!({ "query": "sea tide Mond" })).await;
    let titles = found["hits"].as_array().unwrap().iter();
    let titles = titles.map(|hit| hit["title"].as_str().unwrap());
    let mut titles = titles.collect::<Vec<_>>();
    titles.sort_unstable();
    assert!(
        titles.iter().all(|title| *title == "Tides") && titles.len() == 2,
        "{titles:?}"
    );
    let untitled = search_ids(&app, json!({ "query": "sea tide Mond" })).await;
    assert!(untitled.contains(&"ebbe#0".to_owned()), "{untitled:?}");
}

#[tokio::test]
async fn embeddings_are_deterministic_and_normalised() {
    let app = documents_app();
    let texts = json!({ "texts": ["the sea", "a loaf of bread", "the seas", "the sea"] });
    let first = post_json(&app, "/embed", texts.clone()).await;
    assert_eq!(first, post_json(&documents_app(), "/embed", texts).await);
    assert_eq!(first["model"], "hashing-2048");
    assert_eq!(first["dimensions"], 2048);
    let vectors = first["vectors"].as_array().unwrap().iter();
    let vectors = vectors.map(|vector| {
        let numbers = vector.as_array().unwrap().iter();
        numbers.map(|n| n.as_f64().unwrap()).collect::<Vec<_>>()
    });
    let vectors = vectors.collect::<Vec<_>>();
    let dot = |a: usize, b: usize| -> f64 {
        let pairs = vectors[a].iter().zip(&vectors[b]);
        pairs.map(|(a, b)| a * b).sum()
    };
    assert!((dot(0, 0) - 1.0).abs() < 1e-5, "{}", dot(0, 0));
    assert_eq!(vectors[0], vectors[3]);
    assert!(
        dot(0, 2) > 0.9 && dot(0, 1) < 0.5,
        "{} {}",
        dot(0, 2),
        dot(0, 1)
    );

    let one = post_json(
        &app,
        "/embed",
        json!({ "text": "the sea", "purpose": "query" }),
    )
    .await;
    assert_eq!(one["vector"], first["vectors"][0]);
    assert_eq!(one.get("vectors"), None);
    let nothing = post_json(&app, "/embed", json!({ "texts": [] })).await;
    assert_eq!(nothing["vectors"], json!([]));
}

#[tokio::test]
async fn requests_that_a_generated_schema_excludes_are_a_500() {
    let app = documents_app();
    for (path, body) in [
        ("/search", json!({ "limit": 3 })),
        ("/search", json!("sea")),
        ("/embed", json!({ "texts": 5 })),
        ("/porter/search", json!({ "query": "sea" })),
    ] {
        let answer = post(&app, path, &body.to_string()).await;
        answer.problem(500);
    }
}

#[tokio::test]
async fn two_processes_on_one_file_share_documents() {
    let test_store = sqlite_store();
    let (one, other) = (test_store.open().await, test_store.open().await);
    let (one, other) = (documents_app_on(&one), documents_app_on(&other));
    let search = json!({ "query": "lighthouse keeper" });
    assert!(search_ids(&other, search.clone()).await.is_empty());
    put_documents(
        &one,
        json!([{ "id": "a", "text": "The lighthouse keeper sleeps." }]),
    )
    .await;
    assert_eq!(search_ids(&other, search.clone()).await, ["a#0"]);
    put_documents(
        &other,
        json!([{ "id": "a", "text": "Nobody is there." },
                       { "id": "b", "text": "A keeper of bees." }]),
    )
    .await;
    assert_eq!(search_ids(&one, search.clone()).await, ["b#0"]);
    let gone = crate::http_client::request("DELETE", "/v1/agents/reader/documents/b", &[], "");
    assert_eq!(crate::http_client::send(&one, gone).await.status, 204);
    assert!(search_ids(&other, search).await.is_empty());
    drop((one, other));
    test_store.remove().await;
}

/// Measures too: `AGENTGEN_SEARCH_DOCUMENTS=5000` searches 50,000 passages. Add
/// `--config 'profile.dev.package.agentgen-runtime.opt-level=3'` and `-- --nocapture exact_search` to see the time.
#[tokio::test]
async fn exact_search_over_many_passages_ranks_the_identical_vector_first() {
    const PASSAGES: u32 = 10;
    const SIZE: usize = 768;
    let documents: u32 =
        std::env::var("AGENTGEN_SEARCH_DOCUMENTS").map_or(500, |text| text.parse().unwrap());
    let mut state = 1_u64;
    let mut random = || {
        // The constants of Knuth's MMIX.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let mut vector = || {
        let mut vector = (0..SIZE).map(|_| random()).collect::<Vec<_>>();
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|x| *x /= length);
        vector
    };
    let store = MemoryDocuments::default();
    let mut sample = Vec::new();
    for number in 0..documents {
        let passages = (0..PASSAGES).map(|_| EmbeddedPassage {
            title: None,
            text: "some text".to_owned(),
            vector: vector(),
        });
        let passages = passages.collect::<Vec<_>>();
        if number % documents.div_ceil(20) == 0 {
            sample.push((format!("d{number}#3"), passages[3].vector.clone()));
        }
        let head = DocumentHead {
            id: format!("d{number}"),
            title: None,
            language: None,
            updated_at: None,
            metadata: Map::new(),
        };
        let document = EmbeddedDocument {
            document: Document {
                head,
                text: String::new(),
            },
            model: "m".to_owned(),
            passages,
        };
        store.put("c", vec![document]).await.unwrap();
    }
    let mut times = Vec::new();
    for (id, vector) in sample {
        let query = PassageQuery {
            model: "m".to_owned(),
            vector,
            filter: Vec::new(),
            min_score: 0.0,
            limit: 10,
            count: true,
        };
        let start = Instant::now();
        let found = store.search("c", &query).await.unwrap();
        times.push(start.elapsed());
        assert_eq!((found.passages[0].id(), found.passages.len()), (id, 10));
    }
    times.sort();
    let (middle, last) = (times[times.len() / 2], times[times.len() - 1]);
    let message = format!(
        "exact search, {} x {SIZE}: median {middle:?}, slowest of {} {last:?}\n",
        documents * PASSAGES,
        times.len()
    );
    std::io::stdout().write_all(message.as_bytes()).unwrap();
}
