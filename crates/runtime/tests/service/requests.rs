//! Reading and validating requests, and the problem documents for invalid ones.

use agentgen_runtime::axum::Router;
use agentgen_runtime::schema::{Validate, Validator};
use agentgen_runtime::spec::EndpointSpec;
use agentgen_runtime::{Reply, Service, Settings, StartError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::agents::desk;
use crate::desk_service::{app, registry};
use crate::http_client::{get, post, request, send};

#[tokio::test]
async fn path_and_query_parameters_are_parsed_by_type() {
    let app = app();
    let found = get(
        &app,
        "/shelves/7/search?query=a%20b%2Bc&tags=x&tags=y&all=true&utm=1",
    )
    .await;
    assert_eq!(found.json(), json!({"hits": ["7:a b+c", "x", "y", "all"]}));
    let all = get(&app, "/shelves/seven/search?query=a&query=b&all=maybe").await;
    assert_eq!(all.pointers(), ["/shelf", "/query", "/all"]);
    let missing = get(&app, "/shelves/7/search").await;
    assert_eq!(
        missing.problem(422)["errors"][0]["detail"],
        "missing field `query`"
    );
}

#[tokio::test]
async fn every_violation_is_reported_with_its_pointer() {
    let body = r#"{"message":"","labels":["ok","NO","ok","a/b"]}"#;
    let answer = post(&app(), "/chat", body).await;
    assert_eq!(
        answer.pointers(),
        ["/message", "/labels/2", "/labels/1", "/labels/3"]
    );
    assert_eq!(answer.problem(422)["instance"], "/chat");
}

#[tokio::test]
async fn every_wrong_type_is_reported_with_its_pointer() {
    let app = app();
    for (body, expected) in [
        ("{}", json!([["/message", "is required"]])),
        ("[]", json!([["", "must be an object"]])),
        (
            r#"{"massage":1,"labels":["a",5,null],"session_id":null}"#,
            json!([
                ["/message", "is required"],
                ["/massage", "is not known here"],
                ["/labels/1", "must be a string"],
                ["/labels/2", "must be a string"],
                ["/session_id", "must be a string"],
            ]),
        ),
    ] {
        let problem = post(&app, "/chat", body).await.problem(422);
        let errors = problem["errors"].as_array().unwrap().iter();
        let pairs = errors.map(|error| json!([error["pointer"], error["detail"]]));
        assert_eq!(
            pairs.collect::<Vec<_>>(),
            *expected.as_array().unwrap(),
            "{body}"
        );
    }
}

#[tokio::test]
async fn errors_that_the_schema_does_not_cover_are_reported_by_the_type() {
    // The schema of invoke in these tests only requires an object.
    let app = app();
    let invoke = "/v1/agents/desk/invoke";
    for (body, pointer, detail) in [
        ("{}", "", "missing field `input`"),
        (
            r#"{"input":5}"#,
            "/input",
            "invalid type: integer `5`, expected a string",
        ),
        (
            r#"{"input":"a","session_id":null}"#,
            "/session_id",
            "invalid type: null, expected a string",
        ),
        (
            r#"{"input":""}"#,
            "/input",
            "has 0, and must have at least 1 character",
        ),
    ] {
        let problem = post(&app, invoke, body).await.problem(422);
        assert_eq!(
            problem["errors"],
            json!([{"detail": detail, "pointer": pointer}]),
            "{body}"
        );
    }
    let unknown = post(&app, invoke, r#"{"input":"a","sessionid":"b"}"#).await;
    assert!(
        unknown.problem(422)["errors"][0]["detail"]
            .as_str()
            .unwrap()
            .contains("sessionid")
    );
}

#[tokio::test]
async fn malformed_json_is_a_400_with_its_position() {
    let app = app();
    let answer = post(&app, "/chat", "{\n  \"message\": oops}").await;
    let problem = answer.problem(400);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .ends_with("at line 2 column 14"),
        "{problem}"
    );
    post(&app, "/chat", "").await.problem(400);
    post(&app, "/chat", &"[".repeat(100_000)).await.problem(400);
    let latin = request("POST", "/chat", &[("content-type", "application/json")], "");
    let latin =
        latin.map(|_| agentgen_runtime::axum::body::Body::from(&b"{\"message\":\"\xff\"}"[..]));
    send(&app, latin).await.problem(400);
}

#[tokio::test]
async fn other_content_types_are_rejected() {
    let app = app();
    let body = r#"{"message":"hi"}"#;
    let with = |headers: &[(&str, &str)]| request("POST", "/chat", headers, body);
    send(&app, with(&[])).await.problem(415);
    for bad in [
        "text/plain",
        "application/json; charset=latin1",
        "application/jsonp",
        "json",
    ] {
        send(&app, with(&[("content-type", bad)]))
            .await
            .problem(415);
    }
    for good in ["application/json; charset=\"UTF-8\"", "Application/JSON"] {
        assert_eq!(
            send(&app, with(&[("content-type", good)])).await.status,
            200,
            "{good}"
        );
    }
    let zipped = with(&[
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
    ]);
    send(&app, zipped).await.problem(415);
    let nothing = send(&app, request("POST", "/chat", &[], "")).await;
    assert_eq!(nothing.pointers(), ["/message"]);
}

#[tokio::test]
async fn a_large_body_is_a_413() {
    let app = app();
    let largest = json!({"message": "x".repeat(1024 * 1024 - 14)}).to_string();
    assert_eq!(largest.len(), 1024 * 1024);
    assert_eq!(post(&app, "/chat", &largest).await.status, 200);
    post(&app, "/chat", &format!("{largest} "))
        .await
        .problem(413);
    let json = [
        ("content-type", "application/json"),
        ("content-length", "1048577"),
    ];
    send(&app, request("POST", "/chat", &json, "{}"))
        .await
        .problem(413);
}

#[tokio::test]
async fn an_unknown_path_is_a_404() {
    let app = app();
    for path in [
        "/",
        "/chat/",
        "/v1/agents/",
        "/v1/agents/desk",
        "/v1/agents/desk/../desk/invoke",
    ] {
        assert_eq!(get(&app, path).await.problem(404)["instance"], path);
    }
    let nobody = post(&app, "/v1/agents/nobody/invoke", "{}")
        .await
        .problem(404);
    assert_eq!(nobody["detail"], "there is no agent `nobody`");
}

#[tokio::test]
async fn a_wrong_method_is_a_405_with_allow() {
    let app = app();
    let wrong = get(&app, "/chat").await;
    wrong.problem(405);
    assert_eq!(wrong.header("allow"), "POST, OPTIONS");
    let wrong = post(&app, "/shelves/1/search", "{}").await;
    wrong.problem(405);
    assert_eq!(wrong.header("allow"), "GET, HEAD, OPTIONS");
    let options = send(&app, request("OPTIONS", "/chat", &[], "")).await;
    assert_eq!(
        (options.status.as_u16(), options.header("allow")),
        (204, "POST, OPTIONS")
    );
    send(&app, request("BREW", "/chat", &[], ""))
        .await
        .problem(405);
}

#[tokio::test]
async fn the_accept_header_selects_json_or_a_stream() {
    let app = app();
    let accepting = |path: &str, accept: &str| {
        let headers = [("content-type", "application/json"), ("accept", accept)];
        request(
            if path == "/chat" { "POST" } else { "GET" },
            path,
            &headers,
            r#"{"message":"hi"}"#,
        )
    };
    for (accept, form) in [
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("text/event-stream", "text/event-stream"),
        ("text/*;q=0.9, application/json;q=0.1", "text/event-stream"),
        ("application/json, text/event-stream", "application/json"),
        ("text/event-stream;q=0.5, */*", "application/json"),
        ("application/json;q=0, */*", "text/event-stream"),
    ] {
        let answer = send(&app, accepting("/chat", accept)).await;
        assert_eq!(answer.header("content-type"), form, "{accept}");
    }
    for bad in ["text/html", "application/json;q=0", "nonsense"] {
        send(&app, accepting("/chat", bad)).await.problem(406);
    }
    let search = "/shelves/1/search?query=a";
    send(&app, accepting(search, "text/event-stream"))
        .await
        .problem(406);
}

#[tokio::test]
async fn the_events_of_an_endpoint_have_a_path_of_their_own() {
    let app = app();
    let asked = |headers: &[(&str, &str)]| {
        let headers = [&[("content-type", "application/json")], headers].concat();
        request("POST", "/chat/stream", &headers, r#"{"message":"hi"}"#)
    };
    for accept in [
        &[][..],
        &[("accept", "*/*")],
        &[("accept", "text/event-stream")],
    ] {
        let answer = send(&app, asked(accept)).await;
        assert_eq!(answer.status, 200, "{accept:?}");
        assert_eq!(answer.header("content-type"), "text/event-stream");
        assert!(answer.text.contains("event: run.completed"));
    }
    let json = send(&app, asked(&[("accept", "application/json")])).await;
    assert_eq!(
        json.problem(406)["detail"],
        "this can be answered as text/event-stream only"
    );
    let invalid = post(&app, "/chat/stream", r#"{"message":5}"#).await;
    assert_eq!(invalid.pointers(), ["/message"]);
    let get = send(&app, request("GET", "/chat/stream", &[], "")).await;
    get.problem(405);
    assert_eq!(get.header("allow"), "POST, OPTIONS");
    // An endpoint without events has none there either.
    let search = send(
        &app,
        request("GET", "/shelves/1/search/stream?query=a", &[], ""),
    )
    .await;
    search.problem(404);
}

#[tokio::test]
async fn the_length_of_an_input_is_limited() {
    let body_of_length = |length: usize| format!(r#"{{"input":"{}"}}"#, "é".repeat(length));
    let fits = post(&app(), "/v1/agents/desk/invoke", &body_of_length(100_000)).await;
    assert_eq!(fits.status, 200);
    let longer = post(&app(), "/v1/agents/desk/invoke", &body_of_length(100_001)).await;
    assert_eq!(longer.pointers(), ["/input"]);
}

/// The request type of `/order`, written as the generator writes it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    copies: i64,
    #[serde(default)]
    parts: Vec<Part>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    page: i64,
}

impl Validate for Order {
    fn validate(&self, _: &mut Validator) {}
}

/// A service that responds with the order it has read.
fn orders() -> Router {
    static SPEC: agentgen_runtime::spec::AgentSpec = agentgen_runtime::spec::AgentSpec {
        slug: "press",
        ..desk::SPEC
    };
    static ORDER: EndpointSpec = EndpointSpec {
        operation_id: "orderPress",
        path: "/order",
        roles: &[],
        input_schema: r##"{"type":"object","properties":{"copies":{"type":"integer"},"parts":{"type":"array","items":{"$ref":"#/$defs/Part"}}},"required":["copies"],"additionalProperties":false,"$defs":{"Part":{"type":"object","properties":{"page":{"type":"integer"}},"required":["page"],"additionalProperties":false}}}"##,
        ..desk::CHAT
    };
    let press =
        Service::new(&SPEC).endpoint(&ORDER, |_, order: Order| async { Ok(Reply::from(order)) });
    let registry = registry().service(press);
    registry.into_router(Settings::default()).unwrap()
}

#[tokio::test]
async fn integers_may_have_a_zero_fraction_or_an_exponent() {
    let app = orders();
    let read = post(
        &app,
        "/order",
        r#"{"copies":16.0,"parts":[{"page":1e3},{"page":-0.0}]}"#,
    )
    .await;
    assert_eq!(read.status, 200, "{}", read.text);
    let order = json!({"copies": 16, "parts": [{"page": 1000}, {"page": 0}]});
    assert_eq!(read.json(), order);
    let long = r#"{"copies":3932918386228938.0,"parts":[]}"#;
    let read = post(&app, "/order", long).await.json();
    assert_eq!(read["copies"], 3_932_918_386_228_938_i64);
    let integer = "must be an integer";
    let at_most = "must be at most 9223372036854775807";
    let at_least = "must be at least -9223372036854775808";
    for (body, pointer, detail) in [
        (r#"{"copies":16.5}"#, "/copies", integer),
        (r#"{"copies":9223372036854775808}"#, "/copies", at_most),
        (r#"{"copies":1e19}"#, "/copies", at_most),
        (r#"{"copies":-1e19}"#, "/copies", at_least),
        (
            r#"{"copies":1,"parts":[{"page":1},{"page":0.1}]}"#,
            "/parts/1/page",
            integer,
        ),
    ] {
        let errors = &post(&app, "/order", body).await.problem(422)["errors"];
        assert_eq!(
            *errors,
            json!([{"detail": detail, "pointer": pointer}]),
            "{body}"
        );
    }
}

#[test]
fn a_schema_that_does_not_compile_keeps_the_service_from_starting() {
    static CHAT: EndpointSpec = EndpointSpec {
        output_schema: r#"{"type":"objekt"}"#,
        ..desk::CHAT
    };
    let desk = Service::new(&desk::SPEC).endpoint(&CHAT, |_, order: Order| async move {
        Ok(Reply::from(order))
    });
    let registry = agentgen_runtime::Registry::new("{}").service(desk);
    let error = registry.into_router(Settings::default()).unwrap_err();
    let StartError::Schema {
        operation_id,
        detail,
    } = error
    else {
        panic!("{error}");
    };
    assert_eq!(operation_id, desk::CHAT.operation_id);
    assert!(
        detail.starts_with("the output schema does not compile: /type: `type` must be"),
        "{detail}"
    );
}

#[tokio::test]
async fn an_array_is_not_accepted_as_an_object() {
    let app = orders();
    for (body, pointers) in [
        ("[16,[]]", &[""][..]),
        (r#"{"copies":16,"parts":[[1]]}"#, &["/parts/0"]),
        (
            r#"{"copies":16,"parts":[{"page":1},[2],[3]]}"#,
            &["/parts/1", "/parts/2"],
        ),
    ] {
        let answer = post(&app, "/order", body).await;
        assert_eq!(answer.pointers(), pointers, "{body}");
        let problem = answer.json();
        let errors = problem["errors"].as_array().unwrap();
        let is_object = |error: &Value| error["detail"] == "must be an object";
        assert!(errors.iter().all(is_object), "{problem}");
    }
}
