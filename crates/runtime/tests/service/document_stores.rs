//! The contract of document stores, tested on every implementation.

use std::io::Write;
use std::sync::Arc;

use agentgen_runtime::Secret;
use agentgen_runtime::documents::{
    Condition, Document, DocumentHead, DocumentStore, DocumentsSettings, EmbeddedDocument,
    EmbeddedPassage, PassageQuery, Qdrant, SearchResult,
};
use serde_json::{Map, Value, json};

use crate::store_fixture::on_each_store;

/// Runs a test on each kind of store, with its own collection.
async fn on_each_document_store(test: impl AsyncFn(Arc<dyn DocumentStore>, &str)) {
    let collection = format!("test-{}", uuid::Uuid::new_v4());
    on_each_store(async |test_store| test(test_store.open().await.documents(), &collection).await)
        .await;
    match qdrant() {
        Some(store) => test(store, &collection).await,
        None => {
            let message = "skipped: tests on Qdrant, because AGENTGEN_TEST_QDRANT is not set\n";
            std::io::stdout().write_all(message.as_bytes()).unwrap();
        }
    }
}

fn qdrant() -> Option<Arc<dyn DocumentStore>> {
    let url = std::env::var("AGENTGEN_TEST_QDRANT").ok()?;
    let api_key = std::env::var("AGENTGEN_TEST_QDRANT_KEY").ok();
    let api_key = api_key.map(Secret::new);
    Some(Arc::new(
        Qdrant::open(&DocumentsSettings { url, api_key }).unwrap(),
    ))
}

/// A document with a passage for each text. The vectors are scaled to length 1.
fn document(id: &str, passages: &[(&str, [f32; 3])]) -> EmbeddedDocument {
    let passage = |(text, vector): &(&str, [f32; 3])| EmbeddedPassage {
        title: Some(format!("About {text}")),
        text: (*text).to_owned(),
        vector: normalised(*vector),
    };
    EmbeddedDocument {
        document: Document {
            head: DocumentHead {
                id: id.to_owned(),
                title: None,
                language: None,
                updated_at: None,
                metadata: Map::new(),
            },
            text: format!("all of {id}"),
        },
        model: "a".to_owned(),
        passages: passages.iter().map(passage).collect(),
    }
}

fn normalised(vector: [f32; 3]) -> Vec<f32> {
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    vector.iter().map(|x| x / length).collect()
}

fn query_near(vector: [f32; 3], limit: u32) -> PassageQuery {
    PassageQuery {
        model: "a".to_owned(),
        vector: normalised(vector),
        filter: Vec::new(),
        min_score: 0.0,
        limit,
        count: true,
    }
}

fn ids(found: &SearchResult) -> Vec<String> {
    found.passages.iter().map(|passage| passage.id()).collect()
}

#[tokio::test]
async fn documents_are_stored_and_replaced_with_their_passages() {
    on_each_document_store(async |store, collection| {
        assert_eq!(store.document(collection, "a").await.unwrap(), None);
        assert!(store.list(collection, None, 10).await.unwrap().is_empty());
        assert!(!store.delete(collection, "a").await.unwrap());
        let mut first = document("a", &[("x", [1.0, 0.0, 0.0]), ("y", [0.0, 1.0, 0.0])]);
        let head = &mut first.document.head;
        head.title = Some("A \0 title".to_owned());
        head.language = Some("de-AT".to_owned());
        head.updated_at = Some("2026-11-21T10:00:00.25+01:00".parse().unwrap());
        let metadata =
            json!({ "a.b": "dotted", "n": 5, "f": 2.5, "yes": true, "l": ["x", 1, false], "none": [] });
        head.metadata = metadata.as_object().unwrap().clone();
        first.document.text = "one \0 %00 🦀 'quoted' \u{1b}".to_owned();
        let stored = first.document.clone();
        store.put(collection, vec![first]).await.unwrap();
        let found = store.document(collection, "a").await.unwrap();
        assert_eq!(found, Some((stored.clone(), 2)));
        let listed = store.list(collection, None, 10).await.unwrap();
        assert_eq!((listed.len(), listed[0].passages), (1, 2));
        assert_eq!(listed[0].head, stored.head);
        let found = store
            .search(collection, &query_near([1.0, 0.1, 0.0], 1))
            .await
            .unwrap();
        let passage = &found.passages[0];
        assert_eq!(passage.document, stored.head);
        assert_eq!(
            (passage.id(), passage.text.as_str()),
            ("a#0".to_owned(), "x")
        );
        assert_eq!(passage.title.as_deref(), Some("About x"));

        let (a, b) = (
            document("a", &[("z", [0.0, 1.0, 0.0])]),
            document("b", &[("w", [1.0, 0.0, 0.0])]),
        );
        store.put(collection, vec![a, b]).await.unwrap();
        let found = store
            .search(collection, &query_near([1.0, 1.1, 0.0], 10))
            .await
            .unwrap();
        assert_eq!(
            ids(&found),
            ["a#0", "b#0"],
            "nothing of the old one is found"
        );
        assert_eq!(found.passages[0].text, "z");
        assert!(store.delete(collection, "a").await.unwrap());
        assert!(!store.delete(collection, "a").await.unwrap());
        assert_eq!(store.document(collection, "a").await.unwrap(), None);
        let found = store
            .search(collection, &query_near([1.0, 1.1, 0.0], 10))
            .await
            .unwrap();
        assert_eq!(ids(&found), ["b#0"]);
        let other = format!("{collection}-other");
        assert_eq!(store.document(&other, "b").await.unwrap(), None);
        let found = store
            .search(&other, &query_near([1.0, 1.0, 0.0], 10))
            .await
            .unwrap();
        assert_eq!(
            ids(&found),
            Vec::<String>::new(),
            "another collection has nothing of it"
        );
        assert_eq!(found.total, Some(0));
        store.check().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_document_may_have_more_passages_than_one_batch() {
    on_each_document_store(async |store, collection| {
        let many = [("t", [1.0, 0.0, 0.0]); 600];
        let documents = vec![
            document("a", &many[..200]),
            document("b", &many),
            document("c", &many[..1]),
        ];
        store.put(collection, documents).await.unwrap();
        let query = query_near([1.0, 0.0, 0.0], 1);
        let found = store.search(collection, &query).await.unwrap();
        assert_eq!(found.total, Some(801));
        let few = vec![document("b", &many[..2])];
        store.put(collection, few).await.unwrap();
        let found = store.search(collection, &query).await.unwrap();
        assert_eq!(found.total, Some(203));
    })
    .await;
}

#[tokio::test]
async fn a_search_returns_the_nearest_and_counts_positive_scores() {
    on_each_document_store(async |store, collection| {
        let documents = (0..30_u8).map(|n| {
            let x = f32::from(n) / 10.0 - 1.0;
            document(
                &format!("d{n:02}"),
                &[("t", [x, 1.0, 0.0]), ("u", [x, 0.0, 1.0])],
            )
        });
        store.put(collection, documents.collect()).await.unwrap();
        let found = store
            .search(collection, &query_near([1.0, 0.0, 0.0], 3))
            .await
            .unwrap();
        assert_eq!(ids(&found)[..2], ["d29#0", "d29#1"]);
        let scores = found
            .passages
            .iter()
            .map(|passage| passage.score)
            .collect::<Vec<_>>();
        let cosine = 1.9 / (1.9_f64 * 1.9 + 1.0).sqrt();
        assert!((scores[0] - cosine).abs() < 1e-5, "{scores:?}");
        assert!(scores.is_sorted_by(|a, b| a >= b));
        // At 10 is 0, and before it less.
        assert_eq!(found.total, Some(2 * 19));
        let all = store
            .search(collection, &query_near([1.0, 0.0, 0.0], 100))
            .await
            .unwrap();
        assert_eq!((all.passages.len(), all.total), (38, Some(38)));
        let near = PassageQuery {
            min_score: 0.75,
            ..query_near([1.0, 0.0, 0.0], 3)
        };
        let found = store.search(collection, &near).await.unwrap();
        // From 22 on: 1.2 / sqrt(1.2 * 1.2 + 1) is 0.768, and of 21 it is 0.740.
        assert_eq!((found.passages.len(), found.total), (3, Some(2 * 8)));
        let uncounted = PassageQuery {
            count: false,
            ..query_near([1.0, 0.0, 0.0], 0)
        };
        let none = store.search(collection, &uncounted).await.unwrap();
        assert_eq!(none, SearchResult::default());
        let nothing = store
            .search(collection, &query_near([-1.0, 0.0, -9.0], 1))
            .await
            .unwrap();
        assert_eq!(ids(&nothing), ["d00#0"]);
    })
    .await;
}

#[tokio::test]
async fn filters_are_the_same_in_every_store() {
    on_each_document_store(async |store, collection| {
        let with = |id: &str, metadata: Value, updated_at: Option<&str>| {
            let mut one = document(id, &[("t", [1.0, 0.0, 0.0])]);
            one.document.head.metadata = metadata.as_object().unwrap().clone();
            one.document.head.updated_at = updated_at.map(|moment| moment.parse().unwrap());
            one
        };
        let mut titled = with("titled", json!({}), None);
        titled.document.head.title = Some("A title".to_owned());
        titled.document.head.language = Some("en".to_owned());
        store
            .put(
                collection,
                vec![
                    titled,
                    with(
                        "five",
                        json!({ "n": 5, "a.b": "x" }),
                        Some("2026-01-01T00:00:00Z"),
                    ),
                    with(
                        "fraction",
                        json!({ "n": 2.5, "yes": true }),
                        Some("2026-06-01T12:00:00.5Z"),
                    ),
                    with(
                        "text",
                        json!({ "n": "5", "yes": false, "a.b": "y", "tags": ["x", 7, "y"] }),
                        Some("2027-01-01T00:00:00Z"),
                    ),
                ],
            )
            .await
            .unwrap();
        let search = async |filter: Vec<Condition>| {
            let query = PassageQuery {
                filter,
                ..query_near([1.0, 0.0, 0.0], 10)
            };
            let found = store.search(collection, &query).await.unwrap();
            assert_eq!(found.total, Some(found.passages.len() as u64));
            found
                .passages
                .into_iter()
                .map(|passage| passage.document.id)
                .collect::<Vec<_>>()
        };
        let one_of = |name: &str, values: Value| {
            Condition::OneOf(name.to_owned(), values.as_array().unwrap().clone())
        };
        let moment = |text: &str| text.parse().unwrap();
        assert_eq!(search(vec![one_of("n", json!([5]))]).await, ["five"]);
        assert_eq!(search(vec![one_of("n", json!([5.0]))]).await, ["five"]);
        assert_eq!(search(vec![one_of("n", json!(["5"]))]).await, ["text"]);
        assert_eq!(
            search(vec![one_of("n", json!([2.5, "5"]))]).await,
            ["fraction", "text"]
        );
        assert_eq!(
            search(vec![one_of("yes", json!([true]))]).await,
            ["fraction"]
        );
        assert_eq!(
            search(vec![one_of("a.b", json!(["x", "z"]))]).await,
            ["five"]
        );
        for tag in [json!(["x"]), json!([7.0]), json!(["z", "y"])] {
            assert_eq!(search(vec![one_of("tags", tag)]).await, ["text"]);
        }
        assert!(search(vec![one_of("tags", json!(["z"]))]).await.is_empty());
        assert_eq!(
            search(vec![one_of("title", json!(["A title"]))]).await,
            ["titled"]
        );
        assert_eq!(
            search(vec![one_of("language", json!(["en", "de"]))]).await,
            ["titled"]
        );
        assert_eq!(
            search(vec![one_of("document", json!(["five", "text"]))]).await,
            ["five", "text"]
        );
        assert!(
            search(vec![one_of("nothing", json!(["x"]))])
                .await
                .is_empty()
        );
        assert!(search(vec![one_of("n", json!([]))]).await.is_empty());
        let june = "2026-06-01T12:00:00.5Z";
        assert_eq!(
            search(vec![Condition::UpdatedAfter(moment(june))]).await,
            ["text"]
        );
        assert_eq!(
            search(vec![Condition::UpdatedBefore(moment(june))]).await,
            ["five"]
        );
        let may = moment("2026-05-31T23:00:00-01:00");
        let both = vec![
            Condition::UpdatedAfter(may),
            one_of("yes", json!([false, true])),
        ];
        assert_eq!(search(both).await, ["fraction", "text"]);
    })
    .await;
}

#[tokio::test]
async fn passages_of_another_embedding_model_are_not_found_and_this_is_said() {
    on_each_document_store(async |store, collection| {
        let query = query_near([1.0, 0.0, 0.0], 9);
        let search = async || store.search(collection, &query).await.unwrap();
        assert!(!search().await.has_other_models);
        let mut other = document("b", &[("t", [1.0, 0.0, 0.0])]);
        other.model = "b".to_owned();
        store
            .put(collection, vec![document("a", &[("t", [1.0, 0.0, 0.0])])])
            .await
            .unwrap();
        assert!(!search().await.has_other_models);
        store.put(collection, vec![other]).await.unwrap();
        let found = search().await;
        assert!(found.has_other_models);
        assert_eq!(
            (ids(&found), found.total),
            (vec!["a#0".to_owned()], Some(1))
        );
        store.delete(collection, "b").await.unwrap();
        assert!(!search().await.has_other_models);
    })
    .await;
}

#[tokio::test]
async fn pages_contain_every_document_once() {
    on_each_document_store(async |store, collection| {
        let documents = (0..7).map(|n| document(&format!("d{n}"), &[("t", [1.0, 0.0, 0.0]); 2]));
        store.put(collection, documents.collect()).await.unwrap();
        let (mut listed, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = store.list(collection, after.as_deref(), 3).await.unwrap();
            let Some(last) = page.last() else { break };
            assert!(page.len() <= 3);
            after = Some(last.head.id.clone());
            listed.extend(page.into_iter().map(|facts| facts.head.id));
            // Deletions between pages skip no document.
            store
                .delete(collection, after.as_deref().unwrap())
                .await
                .unwrap();
        }
        listed.sort();
        assert_eq!(listed, ["d0", "d1", "d2", "d3", "d4", "d5", "d6"]);
    })
    .await;
}
