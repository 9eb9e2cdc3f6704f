//! The lending desk over HTTP: statuses, headers, declared errors, unknown parameters.

#![allow(clippy::unwrap_used)]

use agentgen_example_service::{Handlers, agents};
use agentgen_runtime::axum::Router;
use agentgen_runtime::axum::body::{Body, to_bytes};
use agentgen_runtime::axum::http::{Request, StatusCode, header};
use agentgen_runtime::{Settings, Workflows};
use serde_json::{Value, json};
use tower::ServiceExt;

fn app() -> Router {
    agents::registry(&Handlers)
        .into_router(Settings::default())
        .unwrap()
}

/// The status and the JSON of an answer; null for one without a body.
async fn call(
    app: &Router,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<Value>,
) -> (u16, Value) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if body.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let response = app
        .clone()
        .oneshot(request.body(body).unwrap())
        .await
        .unwrap();
    let (status, content) = (
        response.status(),
        response.headers().get(header::CONTENT_TYPE).cloned(),
    );
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    if status == StatusCode::NO_CONTENT {
        assert!(bytes.is_empty() && content.is_none(), "{content:?}");
        return (204, Value::Null);
    }
    (status.as_u16(), serde_json::from_slice(&bytes).unwrap())
}

async fn lend(app: &Router, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    call(app, "PUT", path, headers, Some(json!({ "reader": "Ann" }))).await
}

/// The pointers and details of the errors of a 422.
fn errors((status, problem): (u16, Value)) -> Vec<(String, String)> {
    assert_eq!(status, 422, "{problem}");
    let errors = problem["errors"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    errors
        .map(|error| (text(&error["pointer"]), text(&error["detail"])))
        .collect()
}

#[tokio::test]
async fn an_answer_has_the_status_of_its_endpoint_and_its_headers_are_input() {
    let app = app();
    let (status, loan) = lend(
        &app,
        "/books/3/loan",
        &[("x-BRANCH", "north"), ("x-days", "7")],
    )
    .await;
    assert_eq!(
        (status, loan),
        (201, json!({ "book": 3, "branch": "north", "days": 7 }))
    );
    let (status, body) = call(&app, "DELETE", "/books/3/loan", &[], None).await;
    assert_eq!((status, body), (204, Value::Null));
}

#[tokio::test]
async fn a_declared_error_is_the_document_that_the_contract_describes() {
    let app = app();
    lend(
        &app,
        "/books/3/loan",
        &[("x-branch", "north"), ("x-request-id", "first")],
    )
    .await;
    let branch = [("x-branch", "south"), ("x-request-id", "second")];
    let (status, problem) = lend(&app, "/books/3/loan", &branch).await;
    assert_eq!(status, 409);
    assert_eq!(
        problem,
        json!({
            "type": "urn:problem:already_lent",
            "title": "Already lent",
            "status": 409,
            "detail": "Somebody else has the book.",
            "instance": "/books/3/loan",
            "requestId": "second",
            "code": "already_lent",
            "branch": "north",
            "days": 28,
        })
    );
    let (status, problem) = lend(&app, "/books/9/loan", &branch).await;
    assert_eq!(status, 404);
    assert_eq!(problem["code"], "no_such_book");
    assert_eq!(problem["detail"], "there is no book 9");
    let (status, problem) = call(&app, "DELETE", "/books/1/loan", &[], None).await;
    assert_eq!(status, 404);
    assert_eq!(problem["title"], "Nothing to give back");
}

#[tokio::test]
async fn what_is_wrong_with_a_header_names_the_header() {
    let app = app();
    let missing = errors(lend(&app, "/books/1/loan", &[]).await);
    assert_eq!(
        missing,
        [("/X-Branch".to_owned(), "is required".to_owned())]
    );
    let headers = [("x-branch", "north"), ("x-days", "many")];
    let wrong = errors(lend(&app, "/books/1/loan", &headers).await);
    assert_eq!(
        wrong,
        [("/X-Days".to_owned(), "must be an integer".to_owned())]
    );
    let headers = [("x-branch", "north"), ("x-branch", "south")];
    let twice = errors(lend(&app, "/books/1/loan", &headers).await);
    assert_eq!(
        twice,
        [("/X-Branch".to_owned(), "is there more than once".to_owned())]
    );
    let body = json!({ "reader": "Ann", "X-Branch": "north" });
    let inside = errors(call(&app, "PUT", "/books/1/loan", &[], Some(body)).await);
    assert_eq!(inside[0].0, "/X-Branch");
}

#[tokio::test]
async fn unknown_query_parameters_are_refused_like_unknown_members() {
    let app = app();
    for (method, path, pointer) in [
        ("GET", "/loans?limt=5", "/limt"),
        ("GET", "/loans?limit[]=5", "/limit[]"),
        ("GET", "/loans?branch=north&utm_source=x", "/utm_source"),
        ("GET", "/loans?a%2Fb=1&a%2Fb=2", "/a~1b"),
        ("DELETE", "/books/1/loan?force", "/force"),
        ("POST", "/v1/agents/proofreader/invoke?foo=1", "/foo"),
        ("POST", "/v1/route?foo=1", "/foo"),
        ("POST", "/v1/workflows/renew/runs?foo=1", "/foo"),
        ("GET", "/v1/agents/proofreader/sessions?limt=5", "/limt"),
    ] {
        let body = (method == "POST").then(|| json!({ "input": "a" }));
        let found = errors(call(&app, method, path, &[], body).await);
        let expected = (pointer.to_owned(), "is not known here".to_owned());
        assert_eq!(found, [expected], "{path}");
    }
    let (status, loans) = call(&app, "GET", "/loans?branch=north&limit=5", &[], None).await;
    assert_eq!((status, loans), (200, json!({ "books": [] })));
}

#[tokio::test]
async fn a_workflow_calls_them_with_headers_as_input() {
    let workflows = Workflows::default();
    let app = agents::registry(&Handlers)
        .workflows(&workflows)
        .into_router(Settings::default())
        .unwrap();
    lend(&app, "/books/2/loan", &[("x-branch", "south")]).await;
    let input = agents::lending_desk::workflows::RenewInput {
        book: 2,
        reader: "Ann".to_owned(),
    };
    let report = agents::lending_desk::workflows::renew(&workflows, input, "ann")
        .await
        .unwrap();
    assert_eq!(report.steps.back.output, Some(()));
    let again = report.steps.again.output.unwrap();
    assert_eq!((again.branch.as_str(), again.days), ("north", 7));
}

#[tokio::test]
async fn the_workflows_are_served_beside_the_operations_that_they_call() {
    let app = app();
    let (status, arazzo) = call(&app, "GET", "/arazzo.json", &[], None).await;
    assert_eq!(status, 200);
    assert_eq!(
        arazzo,
        serde_json::from_str::<Value>(agents::ARAZZO_JSON).unwrap()
    );
    // Relative to /arazzo.json.
    assert_eq!(arazzo["sourceDescriptions"][0]["url"], "./openapi.json");
    let (_, openapi) = call(&app, "GET", "/openapi.json", &[], None).await;
    let items = openapi["paths"].as_object().unwrap().values();
    let operations: Vec<&Value> = items
        .flat_map(|item| item.as_object().unwrap().values())
        .map(|operation| &operation["operationId"])
        .collect();
    let steps = arazzo["workflows"][0]["steps"].as_array().unwrap();
    assert!(!steps.is_empty());
    for step in steps {
        assert!(operations.contains(&&step["operationId"]), "{step}");
    }
}

#[test]
fn the_document_describes_all_of_it() {
    let api: Value = serde_json::from_str(agents::OPENAPI_JSON).unwrap();
    let lend = &api["paths"]["/books/{book-id}/loan"]["put"];
    assert_eq!(lend["operationId"], "lendBook");
    assert_eq!(lend["summary"], "Lend a book");
    assert_eq!(lend["tags"], json!(["loans"]));
    let places: Vec<String> = lend["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|own| format!("{} {} {}", own["in"], own["name"], own["required"]))
        .collect();
    assert_eq!(
        places,
        [
            r#""path" "book-id" true"#,
            r#""header" "X-Branch" true"#,
            r#""header" "X-Days" false"#
        ]
    );
    assert!(lend["responses"]["200"].is_null());
    assert!(lend["responses"]["201"]["content"]["application/json"]["schema"].is_object());
    let conflict = &lend["responses"]["409"]["content"]["application/problem+json"];
    assert_eq!(
        conflict["schema"]["$ref"],
        "#/components/schemas/LendingDeskLendAlreadyLentProblem"
    );
    let example = &conflict["examples"]["already_lent"]["value"];
    assert_eq!(example["code"], "already_lent");
    assert!(
        example["branch"].is_string() && example["days"].is_number(),
        "{example}"
    );
    let give_back = &api["paths"]["/books/{book-id}/loan"]["delete"];
    assert!(give_back["responses"]["204"]["content"].is_null());
    assert_eq!(api["paths"]["/loans"]["get"]["deprecated"], true);
    let tags: Vec<&Value> = api["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| &tag["name"])
        .collect();
    assert_eq!(
        tags.iter().filter(|tag| **tag == "loans").count(),
        1,
        "{tags:?}"
    );
}
