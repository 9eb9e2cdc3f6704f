//! Parameters of requests: headers, unknown query parameters, and the statuses of answers.

use agentgen_runtime::axum::Router;
use agentgen_runtime::schema::{Validate, Validator};
use agentgen_runtime::spec::{
    AgentSpec, EndpointSpec, Method, Parameter, ParameterKind, ParameterLocation,
};
use agentgen_runtime::{Registry, Reply, Service, Settings};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::agents::desk;
use crate::http_client::{get, post, request, send};

/// Any object.
#[derive(Serialize, Deserialize)]
struct Any(Map<String, Value>);

impl Validate for Any {
    fn validate(&self, _: &mut Validator) {}
}

static SPEC: AgentSpec = AgentSpec {
    slug: "post",
    ..desk::SPEC
};

const fn header(name: &'static str, kind: ParameterKind) -> Parameter {
    Parameter {
        name,
        location: ParameterLocation::Header,
        kind,
    }
}

static PARAMETERS: &[Parameter] = &[
    header("X-Tenant", ParameterKind::String),
    header("X-Sizes", ParameterKind::Integers),
    Parameter {
        name: "limit",
        location: ParameterLocation::Query,
        kind: ParameterKind::Integer,
    },
];

const BASE: EndpointSpec = EndpointSpec {
    operation_id: "listPost",
    path: "/post",
    method: Method::Get,
    roles: &[],
    stream: false,
    rate: None,
    parameters: PARAMETERS,
    output_schema: r#"{"type":"object"}"#,
    ..desk::SEARCH
};

/// A service that answers with the input it has read.
fn mirror(spec: &'static EndpointSpec) -> Router {
    let service =
        Service::new(&SPEC).endpoint(spec, |_, input: Any| async { Ok(Reply::from(input)) });
    let settings = Settings {
        cors_origins: vec!["https://app.example".to_owned()],
        ..Settings::default()
    };
    Registry::new("{}")
        .service(service)
        .into_router(settings)
        .unwrap()
}

#[tokio::test]
async fn headers_are_read_by_type_whatever_their_case() {
    static CLOSED: EndpointSpec = EndpointSpec {
        input_schema: r#"{"type":"object","properties":{"X-Tenant":{"type":"string"},"X-Sizes":{"type":"array","items":{"type":"integer"}},"limit":{"type":"integer"}},"required":["X-Tenant"],"additionalProperties":false}"#,
        ..BASE
    };
    let app = mirror(&CLOSED);
    let call = async |headers: &[(&str, &str)]| {
        send(&app, request("GET", "/post?limit=2", headers, "")).await
    };
    let read = call(&[("x-tenant", "north"), ("X-SIZES", "1, 2"), ("x-sizes", "3")]).await;
    let expected = json!({ "X-Tenant": "north", "X-Sizes": [1, 2, 3], "limit": 2 });
    assert_eq!(read.json(), expected);
    assert_eq!(call(&[("x-tenant", "")]).await.json()["X-Tenant"], "");
    let wrong = call(&[("x-sizes", "1, two")]).await;
    assert_eq!(wrong.pointers(), ["/X-Sizes"]);
    assert_eq!(call(&[]).await.pointers(), ["/X-Tenant"]);
    let twice = call(&[("x-tenant", "north"), ("x-tenant", "south")]).await;
    assert_eq!(twice.pointers(), ["/X-Tenant"]);
    let latin = request("GET", "/post", &[], "");
    let (mut parts, body) = latin.into_parts();
    let value = agentgen_runtime::axum::http::HeaderValue::from_bytes(b"\xff").unwrap();
    parts.headers.insert("x-tenant", value);
    let latin = send(
        &app,
        agentgen_runtime::axum::http::Request::from_parts(parts, body),
    )
    .await;
    assert_eq!(latin.json()["errors"][0]["detail"], "must be text in UTF-8");
    // A query parameter does not stand for a header.
    let query = get(&app, "/post?X-Tenant=north").await;
    assert_eq!(query.pointers(), ["/X-Tenant"]);
}

#[tokio::test]
async fn parameters_are_read_as_a_body_is() {
    static CLOSED: EndpointSpec = EndpointSpec {
        input_schema: r#"{"type":"object","properties":{"limit":{"type":"integer","format":"uint64","minimum":0},"text":{"type":"string"}},"additionalProperties":false}"#,
        parameters: &[
            Parameter {
                name: "limit",
                location: ParameterLocation::Query,
                kind: ParameterKind::Integer,
            },
            Parameter {
                name: "text",
                location: ParameterLocation::Query,
                kind: ParameterKind::String,
            },
        ],
        ..BASE
    };
    let app = mirror(&CLOSED);
    for (query, read) in [
        ("limit=7", json!({ "limit": 7 })),
        ("limit=7.0", json!({ "limit": 7 })),
        ("limit=7e2", json!({ "limit": 700 })),
        ("limit=18446744073709551615", json!({ "limit": u64::MAX })),
        ("&&text=%C3%A4%25+%2B=&", json!({ "text": "ä% +=" })),
        ("text", json!({ "text": "" })),
    ] {
        let found = get(&app, &format!("/post?{query}")).await;
        assert_eq!(found.json(), read, "{query}");
    }
    for wrong in ["7.5", "1e30", "%5B7%5D", "null", "18446744073709551616", ""] {
        let found = get(&app, &format!("/post?limit={wrong}")).await;
        let errors = &found.problem(422)["errors"];
        let integer = json!([{"detail": "must be an integer", "pointer": "/limit"}]);
        assert_eq!(*errors, integer, "{wrong}");
    }
    let negative = get(&app, "/post?limit=-1").await;
    assert_eq!(negative.pointers(), ["/limit"]);
    for query in ["text=%FF", "text=a&%C3=a", "text=%C3%28"] {
        let wrong = get(&app, &format!("/post?{query}")).await;
        let detail = &wrong.problem(400)["detail"];
        assert_eq!(detail, "the query is not valid UTF-8", "{query}");
    }
}

#[tokio::test]
async fn pages_may_send_the_headers_of_endpoints() {
    static CLOSED: EndpointSpec = EndpointSpec {
        input_schema: r#"{"type":"object"}"#,
        ..BASE
    };
    let headers = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "x-tenant"),
    ];
    let preflight = send(&mirror(&CLOSED), request("OPTIONS", "/post", &headers, "")).await;
    let allowed = preflight.header("access-control-allow-headers");
    assert!(
        allowed.ends_with(", last-event-id, x-sizes, x-tenant"),
        "{allowed}"
    );
}

#[tokio::test]
async fn an_open_input_takes_query_parameters_that_it_does_not_name() {
    static NUMBERS: EndpointSpec = EndpointSpec {
        input_schema: r#"{"type":"object","properties":{"limit":{"type":"integer"}},"additionalProperties":{"type":"integer"}}"#,
        ..BASE
    };
    let app = mirror(&NUMBERS);
    assert_eq!(
        get(&app, "/post?limit=1&more=2").await.json(),
        json!({ "limit": 1, "more": 2 })
    );
    assert_eq!(get(&app, "/post?more=two").await.pointers(), ["/more"]);
    static ANY: EndpointSpec = EndpointSpec {
        input_schema: r#"{"type":"object","additionalProperties":true}"#,
        ..BASE
    };
    let read = get(&mirror(&ANY), "/post?utm=a&tag=b&tag=c").await;
    assert_eq!(read.json(), json!({ "utm": "a", "tag": ["b", "c"] }));
    // Of an open body the query is no part.
    static BODY: EndpointSpec = EndpointSpec {
        method: Method::Post,
        parameters: &[],
        ..ANY_INPUT
    };
    let read = post(&mirror(&BODY), "/post?utm=a", r#"{"b":1}"#).await;
    assert_eq!(read.json(), json!({ "b": 1 }));
}

const ANY_INPUT: EndpointSpec = EndpointSpec {
    input_schema: r#"{"type":"object","additionalProperties":true}"#,
    ..BASE
};

#[tokio::test]
async fn one_of_several_closed_objects_is_closed() {
    static EITHER: EndpointSpec = EndpointSpec {
        method: Method::Post,
        parameters: &[],
        input_schema: r##"{"oneOf":[{"$ref":"#/$defs/A"},{"type":"object","properties":{"b":{}},"additionalProperties":false}],"$defs":{"A":{"type":"object","properties":{"a":{}},"required":["a"],"additionalProperties":false}}}"##,
        ..BASE
    };
    let app = mirror(&EITHER);
    assert_eq!(
        post(&app, "/post?x=1", r#"{"a":1}"#).await.pointers(),
        ["/x"]
    );
    assert_eq!(
        post(&app, "/post", r#"{"a":1}"#).await.json(),
        json!({ "a": 1 })
    );
}

#[tokio::test]
async fn answers_have_the_status_of_their_endpoint() {
    static CREATED: EndpointSpec = EndpointSpec {
        status: 201,
        ..ANY_INPUT
    };
    let created = get(&mirror(&CREATED), "/post?a=1").await;
    assert_eq!(
        (created.status.as_u16(), created.json()),
        (201, json!({ "a": "1" }))
    );
    static EMPTY: EndpointSpec = EndpointSpec {
        status: 204,
        ..ANY_INPUT
    };
    let empty = get(&mirror(&EMPTY), "/post").await;
    assert_eq!((empty.status.as_u16(), empty.text.as_str()), (204, ""));
    assert_eq!(empty.header("content-type"), "");
    static ERROR: EndpointSpec = EndpointSpec {
        status: 500,
        ..ANY_INPUT
    };
    let service =
        Service::new(&SPEC).endpoint(&ERROR, |_, input: Any| async { Ok(Reply::from(input)) });
    let error = Registry::new("{}")
        .service(service)
        .into_router(Settings::default())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "endpoint `listPost`: 500 is not the status of an answer"
    );
}
