//! The MCP server of a service: what it says of itself, what it demands of a request, and who is let in.

use agentgen_runtime::auth::Auth;
use agentgen_runtime::axum::Router;
use agentgen_runtime::settings::{Protocol, Rates};
use agentgen_runtime::spec::Rate;
use agentgen_runtime::{Registry, Settings, serve_on};
use serde_json::{Value, json};

use crate::desk_service::{app, registry};
use crate::http_client::{TestResponse, get, request, send};
use crate::mcp_client::{McpClient, with_header};
use crate::server_lifecycle::{listener, read_to_end_of_stream, send_request};
use crate::waiting_runs::{SECRET, TestCaller};
use crate::workflow_fixture::{STEP, WorkflowApp, workflow};

fn guarded(settings: Settings) -> Router {
    let settings = Settings {
        auth: Some(Auth::hs256(SECRET.as_bytes()).unwrap()),
        ..settings
    };
    registry().into_router(settings).unwrap()
}

#[track_caller]
fn assert_error(answer: &TestResponse, status: u16, code: i32) -> Value {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    let answer = answer.json();
    assert_eq!(answer["jsonrpc"], "2.0");
    assert_eq!(answer["error"]["code"], code, "{answer}");
    answer
}

#[tokio::test]
async fn a_client_of_2026_07_28_discovers_the_server_without_a_handshake() {
    let document = r#"{"info":{"title":"Library","version":"3"}}"#;
    let app = Registry::new(document)
        .into_router(Settings::default())
        .unwrap();
    let client = McpClient::stateless();
    let result = client.ask(&app, "server/discover", json!({})).await;
    assert_eq!(result["supportedVersions"][0], "2026-07-28");
    assert_eq!(result["resultType"], "complete");
    assert_eq!(result["capabilities"]["tools"], json!({}));
    assert!(result["ttlMs"].is_u64());
    assert_eq!(result["cacheScope"], "private");
    let info = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!(*info, json!({ "name": "Library", "version": "3" }));
}

#[tokio::test]
async fn a_client_of_2025_11_25_begins_with_a_handshake_and_needs_no_session() {
    let app = app();
    let client = McpClient::with_handshake();
    for (asked, given) in [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2024-11-05", "2025-11-25"),
        ("2099-01-01", "2025-11-25"),
    ] {
        let params = json!({
            "protocolVersion": asked,
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        });
        let answer = client.send(&app, "initialize", params).await;
        let result = &answer.json()["result"];
        assert_eq!(result["protocolVersion"], given, "{result}");
        assert_eq!(result["capabilities"]["prompts"], json!({}));
        assert_eq!(answer.header("mcp-session-id"), "");
    }
    assert_eq!(client.ask(&app, "ping", json!({})).await, json!({}));
    let note = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let json = [("content-type", "application/json")];
    let answer = send(&app, request("POST", "/mcp", &json, note)).await;
    assert_eq!((answer.status.as_u16(), &*answer.text), (202, ""));
    for method in ["GET", "DELETE"] {
        let answer = send(&app, request(method, "/mcp", &[], "")).await;
        assert_error(&answer, 405, -32600);
        assert_eq!(answer.header("allow"), "POST, OPTIONS");
    }
    let result = client.ask(&app, "tools/list", json!({})).await;
    for member in ["resultType", "ttlMs", "cacheScope"] {
        assert_eq!(result.get(member), None);
    }
}

#[tokio::test]
async fn a_request_of_2026_07_28_says_the_same_in_its_headers_and_in_its_body() {
    let app = app();
    let client = McpClient::stateless();
    let call = || {
        let params = json!({ "name": "desk", "arguments": { "input": "hello" } });
        client.request("tools/call", params)
    };
    assert_eq!(send(&app, call()).await.status, 200);
    for (header, value) in [
        ("mcp-protocol-version", ""),
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-method", ""),
        ("mcp-method", "tools/list"),
        ("mcp-method", "Tools/call"),
        ("mcp-name", ""),
        ("mcp-name", "desk_search"),
    ] {
        let answer = send(&app, with_header(call(), header, value)).await;
        let answer = assert_error(&answer, 400, -32020);
        assert_eq!(answer["id"], 7);
    }
    let encoded = with_header(call(), "mcp-name", "=?base64?ZGVzaw==?=");
    assert_eq!(send(&app, encoded).await.status, 200);
    let mut twice = call();
    let name = "desk".parse().unwrap();
    twice.headers_mut().append("mcp-name", name);
    assert_error(&send(&app, twice).await, 400, -32020);
}

#[tokio::test]
async fn a_request_of_2026_07_28_without_its_metadata_is_refused() {
    let app = app();
    let send_meta = async |meta: Value, header: &str| {
        let params = json!({ "_meta": meta });
        let body =
            json!({ "jsonrpc": "2.0", "id": 7, "method": "server/discover", "params": params });
        let headers = [
            ("content-type", "application/json"),
            ("mcp-protocol-version", header),
            ("mcp-method", "server/discover"),
        ];
        send(&app, request("POST", "/mcp", &headers, &body.to_string())).await
    };
    let version = "io.modelcontextprotocol/protocolVersion";
    let capabilities = "io.modelcontextprotocol/clientCapabilities";
    let whole = json!({ version: "2026-07-28", capabilities: {} });
    assert_eq!(send_meta(whole, "2026-07-28").await.status, 200);
    for meta in [
        json!({}),
        json!({ version: "2026-07-28" }),
        json!({ capabilities: {} }),
        json!({ version: 1, capabilities: {} }),
    ] {
        assert_error(&send_meta(meta, "2026-07-28").await, 400, -32602);
    }
    let unknown = json!({ version: "2099-01-01", capabilities: {} });
    let answer = send_meta(unknown.clone(), "2099-01-01").await;
    let error = assert_error(&answer, 400, -32022);
    assert_eq!(error["error"]["data"]["requested"], "2099-01-01");
    assert_eq!(error["error"]["data"]["supported"][0], "2026-07-28");
    assert_error(&send_meta(unknown, "2026-07-28").await, 400, -32020);
}

#[tokio::test]
async fn methods_of_another_revision_and_unknown_ones_are_not_found() {
    let app = app();
    for method in ["initialize", "ping", "logging/setLevel", "no/method"] {
        let answer = McpClient::stateless().send(&app, method, json!({})).await;
        assert_error(&answer, 404, -32601);
    }
    for method in ["logging/setLevel", "resources/list", "no/method"] {
        let client = McpClient::with_handshake();
        let answer = client.send(&app, method, json!({})).await;
        assert_error(&answer, 200, -32601);
    }
    let client = McpClient::with_handshake();
    let of_old = client.request("ping", json!({}));
    let answer = send(
        &app,
        with_header(of_old, "mcp-protocol-version", "2024-01-01"),
    )
    .await;
    assert_error(&answer, 400, -32022);
}

#[tokio::test]
async fn what_is_no_message_is_refused() {
    let app = app();
    let json = [("content-type", "application/json")];
    for (body, code) in [
        ("{", -32700),
        ("[]", -32600),
        ("7", -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, -32600),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
            -32600,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":1}}"#,
            -32600,
        ),
    ] {
        let answer = send(&app, request("POST", "/mcp", &json, body)).await;
        let error = assert_error(&answer, 400, code);
        assert_ne!(error.get("id"), Some(&Value::Null), "{error}");
    }
    let plain = [("content-type", "text/plain")];
    let answer = send(&app, request("POST", "/mcp", &plain, "{}")).await;
    let error = assert_error(&answer, 415, -32600);
    assert_eq!(error["error"]["data"]["status"], 415);
    for client in McpClient::both() {
        let page = json!({ "cursor": "next" });
        let answer = client.send(&app, "tools/list", page).await;
        assert_error(&answer, 200, -32602);
    }
}

#[tokio::test]
async fn whoever_shows_no_token_is_told_where_tokens_come_from() {
    let auth = Auth::hs256(SECRET.as_bytes()).unwrap();
    let named = auth.clone().issuer("https://login.example");
    let with = |auth: Auth| {
        let settings = Settings {
            auth: Some(auth),
            ..Settings::default()
        };
        registry().into_router(settings).unwrap()
    };
    let app = with(named.clone());
    let host = [("host", "agents.example")];
    let answer = send(&app, request("POST", "/mcp", &host, "{}")).await;
    assert_error(&answer, 401, -32600);
    let challenge = answer.header("www-authenticate");
    let place = "http://agents.example/.well-known/oauth-protected-resource/mcp";
    assert_eq!(challenge, format!("Bearer resource_metadata=\"{place}\""));
    let wrong = [("host", "agents.example"), ("authorization", "Bearer x")];
    let answer = send(&app, request("POST", "/mcp", &wrong, "{}")).await;
    let challenge = answer.header("www-authenticate");
    assert!(
        challenge.contains("\", resource_metadata=\""),
        "{challenge}"
    );

    for path in ["", "/mcp"] {
        let path = format!("/.well-known/oauth-protected-resource{path}");
        let answer = send(&app, request("GET", &path, &host, "")).await;
        let metadata = answer.json();
        assert_eq!(metadata["resource"], "http://agents.example/mcp");
        assert_eq!(
            metadata["authorization_servers"],
            json!(["https://login.example"])
        );
    }
    let path = "/.well-known/oauth-protected-resource";
    let audience = "https://agents.example/mcp";
    let app = with(named.audience(audience));
    assert_eq!(get(&app, path).await.json()["resource"], audience);
    for app in [
        with(auth.clone()),
        with(auth.issuer("us")),
        crate::desk_service::app(),
    ] {
        assert_eq!(get(&app, path).await.status, 404);
    }
}

#[tokio::test]
async fn roles_decide_what_is_listed_and_what_may_be_called() {
    let app = guarded(Settings::default());
    for client in McpClient::both() {
        let (guest, user) = (
            TestCaller::new("ann", "guest"),
            TestCaller::new("bob", "user"),
        );
        let client = client.authorized(guest.authorization());
        assert_eq!(client.tools(&app).await, ["desk", "desk_search"]);
        let params = json!({ "name": "desk_chat", "arguments": { "message": "hi" } });
        let answer = client.send(&app, "tools/call", params.clone()).await;
        assert_error(&answer, 403, -32600);
        let client = client.authorized(user.authorization());
        let tools = client.tools(&app).await;
        assert_eq!(tools, ["desk", "desk_chat", "desk_search"]);
        client.ask(&app, "tools/call", params).await;
    }
}

#[tokio::test]
async fn a_workflow_is_listed_for_those_who_may_call_all_of_it() {
    let spec = agentgen_runtime::workflow::WorkflowSpec {
        roles: &["manager"],
        ..workflow(vec![STEP])
    };
    let settings = Settings {
        auth: Some(Auth::hs256(SECRET.as_bytes()).unwrap()),
        ..Settings::default()
    };
    let app = WorkflowApp::with_store(spec, agentgen_runtime::Store::memory(), settings).app;
    let client = |role| {
        let caller = TestCaller::new("ann", role);
        McpClient::stateless().authorized(caller.authorization())
    };
    let guest = client("guest");
    assert_eq!(guest.tools(&app).await, ["worker", "helper"]);
    let params = json!({ "name": "workflow_play", "arguments": { "topic": "ducks" } });
    let answer = guest.send(&app, "tools/call", params).await;
    assert_error(&answer, 403, -32600);
    let manager = client("manager");
    let tools = manager.tools(&app).await;
    assert_eq!(tools, ["worker", "helper", "workflow_play"]);
}

#[tokio::test]
async fn calls_count_against_the_rates_of_their_endpoints() {
    let client = McpClient::stateless();
    let app = app();
    let params = json!({ "name": "desk_search", "arguments": { "shelf": 1, "query": "a" } });
    for _ in 0..3 {
        let answer = client.send(&app, "tools/call", params.clone()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(!answer.header("ratelimit-policy").is_empty());
    }
    let answer = client.send(&app, "tools/call", params).await;
    assert_error(&answer, 429, -32600);
    assert!(!answer.header("retry-after").is_empty());
    let rates = Rates {
        subject: Some(Rate {
            requests: 1,
            seconds: 60,
        }),
        ..Rates::default()
    };
    let app = guarded(Settings {
        rates,
        ..Settings::default()
    });
    let ann = TestCaller::new("ann", "user");
    let client = client.authorized(ann.authorization());
    client.ask(&app, "tools/list", json!({})).await;
    let answer = client.send(&app, "prompts/list", json!({})).await;
    assert_error(&answer, 429, -32600);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_in_the_form_of_the_protocol() {
    let settings = Settings {
        body_limit: 300,
        ..Settings::default()
    };
    let app = registry().into_router(settings).unwrap();
    let long = json!({ "name": "desk", "arguments": { "input": "x".repeat(300) } });
    let answer = McpClient::stateless().send(&app, "tools/call", long).await;
    assert_error(&answer, 413, -32600);
}

#[tokio::test]
async fn pages_of_other_sites_and_other_names_of_this_machine_are_refused() {
    let (listener, address) = listener("127.0.0.1:0").await;
    let forever = std::future::pending();
    tokio::spawn(serve_on(listener, registry(), Settings::default(), forever));
    let body = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
    for (headers, status) in [
        ("Host: localhost", 200),
        ("Host: evil.example", 421),
        ("Host: localhost\r\nOrigin: http://evil.example", 403),
    ] {
        let head = format!(
            "POST /mcp HTTP/1.1\r\n{headers}\r\nContent-Type: application/json\r\nConnection: close"
        );
        let answer = read_to_end_of_stream(send_request(address, &head, body).await).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(answer.contains("\"jsonrpc\":\"2.0\""), "{answer}");
    }
}

#[tokio::test]
async fn a_service_that_does_not_expose_the_protocol_has_nothing_there() {
    let settings = Settings {
        expose: vec![Protocol::Native],
        ..Settings::default()
    };
    let app = registry().into_router(settings).unwrap();
    let answer = McpClient::stateless()
        .send(&app, "tools/list", json!({}))
        .await;
    assert_eq!(answer.status, 404);
    let settings = Settings {
        expose: vec![Protocol::Mcp],
        ..Settings::default()
    };
    let app = registry().into_router(settings).unwrap();
    assert_eq!(get(&app, "/v1/agents/desk/invoke").await.status, 404);
    let client = McpClient::stateless();
    client.call(&app, "desk", json!({ "input": "hi" })).await;
}
