//! The quality of keyword search: questions about a small handbook, and unrelated queries.

use std::collections::BTreeSet;
use std::io::Write;

use agentgen_runtime::axum::Router;
use serde_json::{Value, json};

use crate::document_fixture::{documents_app, post_json, put_documents};

const DOCUMENTS: &str = include_str!("../fixtures/handbook/documents.md");
const QUESTIONS: &str = include_str!("../fixtures/handbook/questions.txt");
const UNRELATED: &str = include_str!("../fixtures/handbook/unrelated_queries.txt");

/// The ids and the texts of the documents.
fn documents() -> Vec<(&'static str, &'static str)> {
    let parts = DOCUMENTS.split("=== ").skip(1);
    parts.map(|part| part.split_once('\n').unwrap()).collect()
}

async fn handbook() -> Router {
    let app = documents_app();
    let documents = documents();
    let documents = documents
        .iter()
        .map(|(id, text)| json!({ "id": id, "text": text }));
    assert_eq!(put_documents(&app, documents.collect()).await.status, 200);
    app
}

/// The document ids of the hits, best first.
async fn found(app: &Router, query: &str) -> Vec<String> {
    let found = post_json(app, "/search", json!({ "query": query, "limit": 50 })).await;
    let hits = found["hits"].as_array().unwrap();
    assert_eq!(found["total"], hits.len());
    let mut met = BTreeSet::new();
    let documents = hits
        .iter()
        .map(|hit| hit["document"].as_str().unwrap().to_owned());
    documents.filter(|id| met.insert(id.clone())).collect()
}

#[tokio::test]
async fn questions_find_the_document_that_answers_them() {
    let app = handbook().await;
    let (mut first, mut among_three, mut all) = (0, 0, 0);
    for line in QUESTIONS.lines() {
        let (wanted, question) = line.split_once(" | ").unwrap();
        let found = found(&app, question).await;
        let place = found.iter().position(|id| id == wanted);
        assert!(place.is_some(), "{question}: {found:?}");
        all += 1;
        first += usize::from(place == Some(0));
        among_three += usize::from(place < Some(3));
    }
    let message =
        format!("handbook: {first} of {all} first, {among_three} among the first three\n");
    std::io::stdout().write_all(message.as_bytes()).unwrap();
    assert!(
        first * 100 >= all * 90 && among_three * 100 >= all * 95,
        "{message}"
    );
}

#[tokio::test]
async fn words_are_found_in_scripts_without_spaces() {
    let app = documents_app();
    let documents = json!([
        { "id": "keys", "text": "密钥每三十天轮换一次，旧密钥在两天后失效。请把新密钥交给值班工程师。" },
        { "id": "books", "text": "図書館は月曜日に休みます。本は二週間借りられます。" },
        { "id": "trains", "text": "기차는 아침마다 서울에서 출발합니다." },
    ]);
    assert_eq!(put_documents(&app, documents).await.status, 200);
    for (query, wanted) in [
        ("轮换", Some("keys")),
        ("多久轮换密钥？", Some("keys")),
        ("図書館はいつ休みですか", Some("books")),
        ("서울 기차", Some("trains")),
        ("天气预报", None),
    ] {
        let found = found(&app, query).await;
        assert_eq!(found.first().map(String::as_str), wanted, "{query}");
    }
}

#[tokio::test]
async fn unrelated_documents_are_not_found() {
    let app = handbook().await;
    let (mut nothing, mut hits, mut all) = (0, 0, 0);
    for query in UNRELATED.lines() {
        let found = found(&app, query).await;
        all += 1;
        nothing += usize::from(found.is_empty());
        hits += found.len();
    }
    let message =
        format!("unrelated queries: {nothing} of {all} find nothing, {hits} documents in all\n");
    std::io::stdout().write_all(message.as_bytes()).unwrap();
    assert!(nothing * 100 >= all * 40, "{message}");
    assert!(found(&app, "??? !!!").await.is_empty());
    // Random words. The generator has the constants of Knuth's MMIX.
    let (mut state, mut nothing) = (1_u64, 0);
    for _ in 0..100 {
        let letters = (0..8).map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            char::from(b'a' + ((state >> 40) % 26) as u8)
        });
        let word = letters.collect::<String>();
        nothing += usize::from(found(&app, &word).await.is_empty());
    }
    let message = format!("{nothing} of 100 random words find nothing\n");
    std::io::stdout().write_all(message.as_bytes()).unwrap();
    assert!(nothing >= 75, "{message}");
}

/// Passages of maximum length, joined from several documents. One word in two hundred is enough to find them.
#[tokio::test]
async fn a_single_word_finds_a_long_passage() {
    let app = documents_app();
    let mut paragraphs = vec![String::new()];
    for (_, text) in documents() {
        let text = text.replace(['#', '\n'], " ");
        let last = paragraphs.last_mut().unwrap();
        if last.len() + text.len() > 1_600 {
            paragraphs.push(text);
        } else {
            last.push_str(&text);
        }
    }
    let put_all = paragraphs.iter().enumerate();
    let put_all = put_all.map(|(n, text)| json!({ "id": format!("p{n}"), "text": text }));
    let answer = put_documents(&app, put_all.collect::<Value>()).await.json();
    let counts = answer["documents"].as_array().unwrap();
    assert!(counts.iter().all(|one| one["passages"] == 1), "{answer}");
    for word in [
        "certificate",
        "snapshot",
        "escalator",
        "fridge",
        "rollback",
        "Urlaub",
        "licence",
    ] {
        let holds = |text: &String| text.to_lowercase().contains(&word.to_lowercase());
        let found = found(&app, word).await;
        match paragraphs.iter().position(holds) {
            Some(at) => assert_eq!(found[0], format!("p{at}"), "{word}: {found:?}"),
            None => assert!(found.len() < 2, "{word}: {found:?}"),
        }
    }
}
