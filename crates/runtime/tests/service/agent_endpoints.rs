//! The endpoints of an agent and of the service, and the format of their responses.

use agentgen_runtime::{Registry, Service, Settings};
use serde_json::json;

use crate::agents::desk;
use crate::desk_service::{DeskHandler, app, app_on, registry};
use crate::http_client::{get, post, request, send};
use crate::stub_providers::{FailingProvider, FixedAnswer};

#[tokio::test]
async fn invoke_returns_the_echo_and_names_the_model() {
    let answer = post(
        &app(),
        "/v1/agents/desk/invoke",
        r#"{"input":"Do you have Dune?"}"#,
    )
    .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let json = answer.json();
    assert_eq!(
        json["output"],
        "[echo] desk received 17 characters: Do you have Dune?"
    );
    assert_eq!(json["agent"], "desk");
    assert_eq!(json["model"], "echo");
    assert_eq!(json["stop_reason"], "end_turn");
    // A token is estimated as 4 bytes: 35 bytes of prompt and 17 of input; 53 bytes of answer.
    assert_eq!(
        json["usage"],
        json!({"input_tokens": 13, "output_tokens": 14})
    );
    assert_eq!(json["run_id"].as_str().unwrap().len(), 36);
    assert_eq!(json["run_id"].as_str().unwrap().as_bytes()[14], b'7');
    assert_eq!(json["session_id"].as_str().unwrap().len(), 36);
}

#[test]
fn a_registry_lists_endpoints_with_their_agents() {
    let registry = registry();
    let endpoints = registry.endpoints();
    let named = endpoints.map(|(agent, endpoint)| (agent.slug, endpoint.operation_id));
    assert_eq!(
        named.collect::<Vec<_>>(),
        [
            ("desk", "invokeDesk"),
            ("desk", "chatDesk"),
            ("desk", "searchDesk")
        ]
    );
}

#[tokio::test]
async fn a_declared_endpoint_returns_exactly_its_output() {
    let answer = post(&app(), "/chat", r#"{"message":"hi"}"#).await;
    assert_eq!(answer.status, 200);
    let text = "[echo] desk received 2 characters: hi";
    assert_eq!(
        answer.json(),
        json!({"mood": "busy", "reply": text, "sure": 0.5})
    );
}

#[tokio::test]
async fn the_echo_is_truncated_to_fit_the_schema() {
    let body = json!({"message": "x".repeat(500)}).to_string();
    let reply = post(&app(), "/chat", &body).await.json()["reply"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(reply.chars().count(), 60);
    assert!(reply.starts_with("[echo] desk received 500 characters: xxx") && reply.ends_with('…'));
}

#[tokio::test]
async fn an_answer_that_violates_the_output_schema_is_a_502() {
    for text in [
        "no JSON",
        r#"{"mood":"calm"}"#,
        r#"{"mood":"wild","reply":""}"#,
    ] {
        let app = app_on(FixedAnswer(text.into()));
        post(&app, "/chat", r#"{"message":"hi"}"#)
            .await
            .problem(502);
    }
    let long = json!({"mood": "calm", "reply": "x".repeat(61)}).to_string();
    let app = app_on(FixedAnswer(long));
    post(&app, "/chat", r#"{"message":"hi"}"#)
        .await
        .problem(502);
    let app = app_on(FailingProvider(&["half"]));
    post(&app, "/chat", r#"{"message":"hi"}"#)
        .await
        .problem(503);
}

#[tokio::test]
async fn service_endpoints_describe_the_service() {
    let app = app();
    assert_eq!(get(&app, "/healthz").await.json(), json!({"status": "ok"}));
    assert_eq!(
        get(&app, "/openapi.json").await.json(),
        json!({"openapi": "3.1.2"})
    );
    get(&app, "/arazzo.json").await.problem(404);
    let description = "Answers the questions of a library's readers.";
    let listed =
        json!({"agents": [{"name": "desk", "description": description, "model": "sonnet"}]});
    assert_eq!(get(&app, "/v1/agents").await.json(), listed);
    let head = send(&app, request("HEAD", "/healthz", &[], "")).await;
    assert_eq!(head.status, 200);
    let options = send(&app, request("OPTIONS", "/v1/agents", &[], "")).await;
    assert_eq!(
        (options.status.as_u16(), options.header("allow")),
        (204, "GET, HEAD, OPTIONS")
    );
    let deleted = send(&app, request("DELETE", "/healthz", &[], "")).await;
    deleted.problem(405);
    assert_eq!(deleted.header("allow"), "GET, HEAD, OPTIONS");
}

#[tokio::test]
async fn a_valid_request_id_is_preserved() {
    let app = app();
    let id = |id: &'static str| request("GET", "/nowhere", &[("x-request-id", id)], "");
    let accepted = send(&app, id("trace-42/a")).await;
    assert_eq!(accepted.header("x-request-id"), "trace-42/a");
    assert_eq!(accepted.problem(404)["requestId"], "trace-42/a");
    let long = String::leak("x".repeat(129));
    for bad in ["", "two words", "tab\there", long] {
        let given = send(&app, id(bad)).await;
        assert_eq!(given.header("x-request-id").len(), 36, "{bad:?}");
    }
    assert_ne!(
        get(&app, "/healthz").await.header("x-request-id"),
        get(&app, "/healthz").await.header("x-request-id")
    );
}

#[tokio::test]
async fn an_agent_router_can_be_merged_into_another() {
    let mine = agentgen_runtime::axum::Router::new()
        .route(
            "/mine",
            agentgen_runtime::axum::routing::get(|| async { "mine" }),
        )
        .merge(desk::router(DeskHandler));
    assert_eq!(get(&mine, "/mine").await.text, "mine");
    assert_eq!(
        post(&mine, "/chat", r#"{"message":"hi"}"#).await.status,
        200
    );
    get(&mine, "/chat").await.problem(405);
}

/// The error of a registry that fails to start.
fn refusal(registry: Registry) -> String {
    registry
        .into_router(Settings::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn invalid_registries_are_rejected_at_startup() {
    let twice = registry().service(desk::service(DeskHandler));
    assert_eq!(refusal(twice), "agent `desk` is registered twice");
    assert!(refusal(Registry::new("{")).starts_with("the OpenAPI document is not valid JSON"));
    let arazzo = Registry::new("{}").arazzo("{");
    assert!(refusal(arazzo).starts_with("the Arazzo document is not valid JSON"));
    assert!(refusal(with_path("/chat")).contains("POST /chat is taken"));
    assert!(refusal(with_path("/chat/stream")).contains("POST /chat/stream is taken"));
    for bad in [
        "chat",
        "/{",
        "/:id",
        "/*rest",
        "/{shelf}{more}",
        "/healthz",
        "/auth/token",
        "/auth/refresh",
        "/shelves/{other}/search",
        "",
    ] {
        assert!(
            refusal(with_path(bad)).starts_with("endpoint `other`: "),
            "{bad}"
        );
    }
    let _ = with_path("/fine/{id}")
        .into_router(Settings::default())
        .unwrap();
}

/// The agents of the tests, and one whose endpoint is at `path`.
fn with_path(path: &'static str) -> Registry {
    let agent = Box::leak(Box::new(agentgen_runtime::spec::AgentSpec {
        slug: "other",
        ..desk::SPEC
    }));
    let endpoint = agentgen_runtime::spec::EndpointSpec {
        operation_id: "other",
        path,
        ..desk::CHAT
    };
    let service = Service::new(agent).endpoint(
        Box::leak(Box::new(endpoint)),
        |_, _: agentgen_runtime::schema::JsonValue| async { Ok(().into()) },
    );
    registry().service(service)
}

#[test]
fn a_zero_rate_is_rejected_at_startup() {
    let rate = Some(agentgen_runtime::spec::Rate {
        requests: 0,
        seconds: 60,
    });
    let endpoint = agentgen_runtime::spec::EndpointSpec {
        path: "/none",
        rate,
        ..desk::CHAT
    };
    let agent = Box::leak(Box::new(agentgen_runtime::spec::AgentSpec {
        slug: "other",
        ..desk::SPEC
    }));
    let service = Service::new(agent).endpoint(
        Box::leak(Box::new(endpoint)),
        |_, _: agentgen_runtime::schema::JsonValue| async { Ok(().into()) },
    );
    assert!(refusal(registry().service(service)).contains("admits nothing"));
}

#[tokio::test]
async fn head_runs_nothing() {
    let app = app();
    let head = async |path: &str| send(&app, request("HEAD", path, &[], "")).await;
    // The handler would panic.
    let fine = head("/shelves/1/search?query=panic").await;
    assert_eq!((fine.status.as_u16(), fine.text.as_str()), (200, ""));
    assert_eq!(fine.header("content-type"), "application/json");
    assert!(!fine.headers.contains_key("content-length"));
    let metrics = get(&app, "/metrics").await.text;
    assert!(!metrics.contains(
        "agentgen_runs_total{agent=\"desk\",endpoint=\"search\",outcome=\"completed\"} 1"
    ));
    assert!(
        !metrics.contains(
            "agentgen_runs_total{agent=\"desk\",endpoint=\"search\",outcome=\"failed\"} 1"
        )
    );
}
