//! The documents of an agent over HTTP.

use agentgen_runtime::Settings;
use agentgen_runtime::auth::Auth;
use agentgen_runtime::axum::Router;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use crate::document_fixture::{
    DOCUMENTS, documents_app, post_json, put_documents, put_sample_documents, registry, search_ids,
};
use crate::http_client::{TestResponse, get, post, request, send};

async fn delete(app: &Router, path: &str) -> TestResponse {
    send(app, request("DELETE", path, &[], "")).await
}

#[tokio::test]
async fn a_document_is_returned_as_it_was_put() {
    let app = documents_app();
    put_sample_documents(&app).await;
    let response = get(&app, &format!("{DOCUMENTS}/tides")).await;
    assert_eq!(response.status, 200);
    let whole = json!({
        "id": "tides", "title": "Tides", "language": "en", "updated_at": "2026-03-01T00:00:00Z",
        "metadata": { "topic": "sea", "year": 1998, "draft": false },
        "text": "The moon pulls the water of the oceans.\n\n# Spring tides\n\nAt full moon the sea rises highest.",
        "passages": 2,
    });
    assert_eq!(response.json(), whole);
    let slash = get(&app, &format!("{DOCUMENTS}/docs%2Fships.md"))
        .await
        .json();
    assert_eq!(slash["id"], "docs/ships.md");
    assert_eq!(slash["metadata"], json!({}));
    assert_eq!(slash.get("title"), None);

    let answer = put_documents(&app, json!([{ "text": "Nameless." }]))
        .await
        .json();
    let id = answer["documents"][0]["id"].as_str().unwrap();
    assert_eq!(id.len(), 36, "{id}");
    assert_eq!(
        get(&app, &format!("{DOCUMENTS}/{id}")).await.json()["text"],
        "Nameless."
    );
    let head = send(&app, request("HEAD", &format!("{DOCUMENTS}/{id}"), &[], "")).await;
    assert_eq!(head.status, 200);
}

#[tokio::test]
async fn putting_a_document_again_replaces_it() {
    let app = documents_app();
    put_sample_documents(&app).await;
    let new = json!([{ "id": "tides", "text": "About mountains." }]);
    assert_eq!(
        put_documents(&app, new.clone()).await.json()["documents"][0]["passages"],
        1
    );
    assert_eq!(put_documents(&app, new).await.status, 200);
    let found = search_ids(&app, json!({ "query": "spring tides at full moon" })).await;
    assert!(!found.contains(&"tides#1".to_owned()), "{found:?}");
    assert_eq!(
        search_ids(&app, json!({ "query": "mountains" })).await[0],
        "tides#0"
    );
    let twice =
        json!([{ "id": "x", "text": "One valley." }, { "id": "x", "text": "Another valley." }]);
    put_documents(&app, twice).await;
    assert_eq!(
        get(&app, &format!("{DOCUMENTS}/x")).await.json()["text"],
        "Another valley."
    );
}

#[tokio::test]
async fn documents_are_listed_in_pages_and_can_be_deleted() {
    let app = documents_app();
    put_sample_documents(&app).await;
    let (mut ids, mut path) = (Vec::new(), format!("{DOCUMENTS}?limit=3"));
    loop {
        let page = get(&app, &path).await.json();
        let listed = page["documents"].as_array().unwrap().iter();
        ids.extend(listed.map(|one| one["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("{DOCUMENTS}?limit=3&cursor={next}");
    }
    assert_eq!(ids, ["bread", "docs/ships.md", "ebbe", "tides"]);
    let listed = get(&app, DOCUMENTS).await.json();
    let first = json!({ "id": "bread", "title": "Bread", "language": "en",
        "updated_at": "2026-05-01T00:00:00Z", "passages": 1 });
    assert_eq!(listed["documents"][0], first);
    assert_eq!(listed["next_cursor"], Value::Null);

    let path = format!("{DOCUMENTS}/docs%2Fships.md");
    let gone = delete(&app, &path).await;
    assert_eq!((gone.status.as_u16(), &*gone.text), (204, ""));
    delete(&app, &path).await.problem(404);
    get(&app, &path).await.problem(404);
    assert!(
        !search_ids(&app, json!({ "query": "ships" }))
            .await
            .contains(&"docs/ships.md#0".to_owned())
    );
    for wrong in [
        "limit=0",
        "limit=101",
        "limit=x",
        "cursor=x",
        "cursor=00",
        "cursor=6",
    ] {
        get(&app, &format!("{DOCUMENTS}?{wrong}"))
            .await
            .problem(422);
    }
}

#[tokio::test]
async fn long_texts_are_split_at_headings_and_paragraphs() {
    let app = documents_app();
    let paragraph = "A sentence about whales. ".repeat(30);
    let code = format!("```\n# no heading\n\n{}```", "let x = 1;\n".repeat(10));
    let text = format!(
        "# Whales\n\n{paragraph}\n\n{paragraph}\n\n{paragraph}\n\n## Code ##\n\n{code}\n\n### Long\n\n{}",
        "word ".repeat(1000)
    );
    let answer = put_documents(&app, json!([{ "id": "w", "title": "All", "text": text }])).await;
    assert_eq!(answer.json()["documents"][0]["passages"], 7);
    let all = json!({ "query": "sentence whales let heading word", "limit": 50 });
    let mut passages = post_json(&app, "/search", all).await["hits"]
        .as_array()
        .unwrap()
        .clone();
    passages.sort_by_key(|hit| hit["id"].as_str().unwrap().to_owned());
    let titles = passages.iter().map(|hit| hit["heading"].as_str().unwrap());
    let titles = titles.collect::<Vec<_>>();
    assert_eq!(
        titles,
        ["Whales", "Whales", "Code", "Long", "Long", "Long", "Long"]
    );
    let texts = passages.iter().map(|hit| hit["text"].as_str().unwrap());
    let texts = texts.collect::<Vec<_>>();
    assert_eq!(
        texts[0],
        format!("{}\n\n{}", paragraph.trim_end(), paragraph.trim_end())
    );
    assert_eq!(texts[2], code);
    assert!(texts.iter().all(|text| text.chars().count() <= 1600));
    assert_eq!(texts[3..].join(" "), "word ".repeat(1000).trim_end());

    let only = put_documents(
        &app,
        json!([{ "id": "h", "text": "# One\n\n## Two" }, { "id": "s", "text": "é".repeat(4000) }]),
    );
    let only = only.await.json();
    assert_eq!(
        only["documents"][0]["passages"], 1,
        "headings alone are a text too"
    );
    assert_eq!(only["documents"][1]["passages"], 3);
}

#[tokio::test]
async fn invalid_documents_are_rejected_with_pointers_and_nothing_is_stored() {
    let app = documents_app();
    for (document, pointer) in [
        (json!({}), "/documents/0/text"),
        (json!({ "text": " \n" }), "/documents/0/text"),
        (
            json!({ "text": "\u{a0}\u{85}\u{3000}" }),
            "/documents/0/text",
        ),
        (json!({ "text": "x", "id": "../x" }), "/documents/0/id"),
        (json!({ "text": "x", "id": "a#b" }), "/documents/0/id"),
        (
            json!({ "text": "x", "id": "a".repeat(201) }),
            "/documents/0/id",
        ),
        (json!({ "text": "x", "title": "" }), "/documents/0/title"),
        (
            json!({ "text": "x", "language": "en_GB" }),
            "/documents/0/language",
        ),
        (
            json!({ "text": "x", "updated_at": "today" }),
            "/documents/0/updated_at",
        ),
        (
            json!({ "text": "x", "metadata": { "a": [1, [2]] } }),
            "/documents/0/metadata/a/1",
        ),
        (
            json!({ "text": "x", "metadata": { "a": vec![1; 33] } }),
            "/documents/0/metadata/a",
        ),
        (
            json!({ "text": "x", "metadata": { "a": {} } }),
            "/documents/0/metadata/a",
        ),
        (
            json!({ "text": "x", "metadata": { "a": null } }),
            "/documents/0/metadata/a",
        ),
        (
            json!({ "text": "x", "colour": "red" }),
            "/documents/0/colour",
        ),
    ] {
        let answer = put_documents(&app, json!([document])).await;
        assert_eq!(answer.pointers(), [pointer], "{document}");
    }
    let good = json!({ "id": "good", "text": "fine" });
    let answer = put_documents(&app, json!([good, { "id": "bad", "text": "" }])).await;
    assert!(answer.pointers().contains(&"/documents/1/text".to_owned()));
    get(&app, &format!("{DOCUMENTS}/good")).await.problem(404);
    assert_eq!(
        put_documents(&app, json!([])).await.pointers(),
        ["/documents"]
    );
    let many = (0..65).map(|_| good.clone()).collect::<Value>();
    assert_eq!(put_documents(&app, many).await.pointers(), ["/documents"]);
    let headings = json!([{ "id": "many", "text": "# a\nb\n".repeat(8_193) }]);
    assert_eq!(
        put_documents(&app, headings).await.pointers(),
        ["/documents"]
    );
    get(&app, &format!("{DOCUMENTS}/many")).await.problem(404);
    post(&app, DOCUMENTS, "{").await.problem(400);
    send(
        &app,
        request("POST", DOCUMENTS, &[("content-type", "text/plain")], "x"),
    )
    .await
    .problem(415);
    let large = json!({ "documents": [{ "text": "x".repeat(1 << 20) }] }).to_string();
    post(&app, DOCUMENTS, &large).await.problem(413);
}

#[tokio::test]
async fn only_agents_with_documents_have_document_endpoints() {
    let app = documents_app();
    put_sample_documents(&app).await;
    let porter = get(&app, "/v1/agents/porter/documents").await.problem(404);
    assert_eq!(porter["detail"], "the agent `porter` has no documents");
    get(&app, "/v1/agents/nobody/documents").await.problem(404);
    let shared = get(&app, "/v1/agents/colleague/documents").await.json();
    assert_eq!(
        shared["documents"].as_array().unwrap().len(),
        4,
        "they share them"
    );
    let other = crate::desk_service::app();
    get(&other, "/v1/agents/desk/documents").await.problem(404);
    let wrong = send(&app, request("PUT", DOCUMENTS, &[], "")).await;
    wrong.problem(405);
    assert_eq!(wrong.header("allow"), "GET, HEAD, POST, OPTIONS");
    let options = send(&app, request("OPTIONS", &format!("{DOCUMENTS}/x"), &[], "")).await;
    assert_eq!(options.header("allow"), "GET, HEAD, DELETE, OPTIONS");
    let html = [("accept", "text/html")];
    send(&app, request("GET", DOCUMENTS, &html, ""))
        .await
        .problem(406);
}

#[tokio::test]
async fn a_document_request_with_an_idempotency_key_is_executed_once() {
    let app = documents_app();
    let body = json!({ "documents": [{ "text": "Once." }] }).to_string();
    let headers = [
        ("content-type", "application/json"),
        ("idempotency-key", "k"),
    ];
    let first = send(&app, request("POST", DOCUMENTS, &headers, &body)).await;
    let again = send(&app, request("POST", DOCUMENTS, &headers, &body)).await;
    assert_eq!((first.status.as_u16(), &first.text), (200, &again.text));
    let listed = get(&app, DOCUMENTS).await.json();
    assert_eq!(listed["documents"].as_array().unwrap().len(), 1);
    let other = json!({ "documents": [{ "text": "Twice." }] }).to_string();
    send(&app, request("POST", DOCUMENTS, &headers, &other))
        .await
        .problem(422);
    // The same body for another collection is another request.
    let archive = "/v1/agents/archivist/documents";
    let elsewhere = send(&app, request("POST", archive, &headers, &body)).await;
    assert_ne!(elsewhere.text, first.text);
    let listed = get(&app, archive).await.json();
    assert_eq!(listed["documents"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn document_endpoints_require_one_of_their_roles() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let settings = Settings {
        auth: Auth::hs256(SECRET.as_bytes()),
        ..Settings::default()
    };
    let app = registry().into_router(settings).unwrap();
    let as_one = async |roles: &[&str], method: &str, path: &str| {
        let claims = json!({ "sub": "ada", "roles": roles,
            "exp": jsonwebtoken::get_current_timestamp() + 60 });
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let token = jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap();
        let authorization = format!("Bearer {token}");
        let headers = [
            ("content-type", "application/json"),
            ("authorization", &*authorization),
        ];
        let body = json!({ "documents": [{ "id": "a", "text": "x" }] }).to_string();
        let body = if method == "POST" { &*body } else { "" };
        send(&app, request(method, path, &headers, body)).await
    };
    let one = format!("{DOCUMENTS}/a");
    post(&app, DOCUMENTS, "{}").await.problem(401);
    for (method, path) in [
        ("POST", DOCUMENTS),
        ("GET", DOCUMENTS),
        ("GET", &one),
        ("DELETE", &one),
    ] {
        let refused = as_one(&["reader"], method, path).await;
        let problem = refused.problem(403);
        assert_eq!(problem["detail"], "this needs one of the roles librarian");
        let status = as_one(&["librarian"], method, path).await.status.as_u16();
        assert!(status == 200 || status == 204, "{method} {path} {status}");
    }
    let open = as_one(&[], "GET", "/v1/agents/colleague/documents").await;
    assert_eq!(open.status, 200, "no roles admit everybody");
}
