//! Tools of MCP servers.

use std::collections::BTreeMap;
use std::time::Duration;

use agentgen_runtime::mcp::{McpServerSettings, McpTransport};
use agentgen_runtime::testing::Script;
use serde_json::{Value, json};

use crate::http_client::{eventually, get};
use crate::mcp_fixture::{McpServer, app, model_that_calls, plain_tool, result};
#[cfg(unix)]
use crate::mcp_shell_server::ShellServer;
use crate::mock_model::{agent, invoke, mock_server, offered_tools};

/// What the model gets of a call of `tool` of the server `db`.
async fn called(server: &McpServer, tool: &str, input: &Value) -> (String, bool) {
    let model = model_that_calls(&format!("mcp__db__{tool}"), input).await;
    let app = app(&model, agent(|_| {}), [("db", server.settings())]);
    assert_eq!(invoke(&app, "go").await.status, 200);
    result(&model)
}

fn all_tools() -> Value {
    [
        "echo",
        "two",
        "structured",
        "picture",
        "fails",
        "long",
        "hangs",
    ]
    .map(plain_tool)
    .into_iter()
    .collect()
}

#[tokio::test]
async fn an_agent_calls_the_tools_that_its_list_admits() {
    let server = McpServer::start(all_tools()).await;
    for (tools, denied, expected) in [
        (None, &[][..], 7),
        (Some(&["mcp__db__echo"][..]), &[], 1),
        (Some(&["mcp__db__*"]), &[], 7),
        (
            Some(&["mcp__db__*"]),
            &["mcp__db__long", "mcp__db__hangs"],
            5,
        ),
        (Some(&["mcp__db__*"]), &["mcp__*"], 0),
        (Some(&["books"]), &[], 0),
    ] {
        let model = mock_server([Script::text("ok")]).await;
        let agent = agent(|agent| {
            agent.tools = tools;
            agent.denied_tools = denied;
        });
        let app = app(&model, agent, [("db", server.settings())]);
        assert_eq!(invoke(&app, "go").await.status, 200);
        let offered = offered_tools(&model.requests()[0].body);
        assert_eq!(offered.len(), expected, "{tools:?} {denied:?} {offered:?}");
    }
    // A tool that is denied is refused, whatever the model says.
    let model = model_that_calls("mcp__db__long", &json!({})).await;
    let denied = agent(|agent| agent.denied_tools = &["mcp__db__long"]);
    let app = app(&model, denied, [("db", server.settings())]);
    assert_eq!(invoke(&app, "go").await.status, 200);
    assert_eq!(
        result(&model),
        ("denied: this agent has no such tool".to_owned(), true)
    );
    assert!(server.asked("tools/call").is_empty());
}

#[tokio::test]
async fn a_server_of_which_an_agent_may_use_nothing_is_left_alone() {
    let server = McpServer::start(all_tools()).await;
    let model = mock_server([Script::text("ok")]).await;
    let books = agent(|agent| agent.tools = Some(&["books", "mcp__other__x"]));
    let app = app(&model, books, [("db", server.settings())]);
    assert_eq!(invoke(&app, "go").await.status, 200);
    assert!(server.asked("initialize").is_empty());
}

#[tokio::test]
async fn results_reach_the_model_in_a_form_that_it_reads() {
    let server = McpServer::start(all_tools()).await;
    let input = json!({ "sql": "select 1", "limit": 3 });
    let (text, is_error) = called(&server, "echo", &input).await;
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), input);
    assert!(!is_error);
    let none = json!({});
    assert_eq!(called(&server, "two", &none).await.0, "a\nb");
    assert_eq!(
        called(&server, "structured", &none).await.0,
        r#"{"rows":[1]}"#
    );
    let picture: Value = serde_json::from_str(&called(&server, "picture", &none).await.0).unwrap();
    assert_eq!(
        picture,
        json!([
            { "type": "text", "text": "look" },
            { "type": "image", "media_type": "image/png", "bytes": 3 },
            { "type": "resource", "uri": "file:///a.txt", "text": "inside" },
        ])
    );
    assert_eq!(
        called(&server, "fails", &none).await,
        ("there is no such table".to_owned(), true)
    );
    let (long, _) = called(&server, "long", &none).await;
    assert!(long.len() < 263_000, "{}", long.len());
    assert!(long.ends_with("[cut off: the result has 600000 bytes]"));
}

#[tokio::test]
async fn an_input_that_does_not_fit_is_not_sent() {
    let schema = json!({ "type": "object", "required": ["id"], "properties": { "id": { "type": "integer" } } });
    let tools = json!([{ "name": "echo", "inputSchema": schema }]);
    let server = McpServer::start(tools).await;
    let (text, is_error) = called(&server, "echo", &json!({ "id": "x" })).await;
    assert!(is_error && text.contains("/id"), "{text}");
    assert!(server.asked("tools/call").is_empty());
    let (text, _) = called(&server, "echo", &json!({ "id": 3.0 })).await;
    assert_eq!(text, r#"{"id":3}"#);
}

#[tokio::test]
async fn a_schema_that_can_not_be_used_is_replaced() {
    let tools = json!([
        { "name": "echo", "inputSchema": { "type": "object", "properties": { "a": { "$ref": "#/nowhere" } } } },
        { "name": "two", "inputSchema": { "type": "string" } },
        { "name": "x".repeat(60), "inputSchema": { "type": "object" } },
    ]);
    let server = McpServer::start(tools).await;
    let model = mock_server([Script::text("ok")]).await;
    let app = app(&model, agent(|_| {}), [("db", server.settings())]);
    assert_eq!(invoke(&app, "go").await.status, 200);
    let request = &model.requests()[0].body;
    assert_eq!(offered_tools(request), ["mcp__db__echo", "mcp__db__two"]);
    for tool in request["tools"].as_array().unwrap() {
        let any = json!({ "type": "object", "properties": {} });
        assert_eq!(tool["input_schema"], any);
    }
}

#[tokio::test]
async fn a_tool_that_hangs_ends_with_its_time_and_with_the_run() {
    let server = McpServer::start(all_tools()).await;
    let model = model_that_calls("mcp__db__hangs", &json!({})).await;
    let settings = McpServerSettings {
        call_timeout: Duration::from_millis(200),
        ..server.settings()
    };
    let slow = app(&model, agent(|_| {}), [("db", settings)]);
    assert_eq!(invoke(&slow, "go").await.status, 200);
    let expected = "the tool did not answer within 200ms".to_owned();
    assert_eq!(result(&model), (expected, true));
    assert!(eventually(|| server.asked("notifications/cancelled").len() == 1).await);

    let model = model_that_calls("mcp__db__hangs", &json!({})).await;
    let short = agent(|agent| agent.policy.timeout_ms = Some(2_000));
    let short = app(&model, short, [("db", server.settings())]);
    assert_eq!(invoke(&short, "go").await.status, 504);
    assert!(eventually(|| server.asked("notifications/cancelled").len() == 2).await);
}

#[tokio::test]
async fn a_server_that_is_away_is_told_to_the_model_and_in_readyz() {
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", gone.local_addr().unwrap());
    drop(gone);
    let away = McpServerSettings::new(McpTransport::Http {
        url,
        headers: BTreeMap::new(),
    });
    let model = model_that_calls("mcp__db__query", &json!({})).await;
    let named = agent(|agent| agent.tools = Some(&["mcp__db__query", "mcp__db__*"]));
    let app = app(&model, named, [("db", away)]);
    let ready = get(&app, "/readyz").await.json();
    assert_eq!(ready["status"], "ready");
    assert_eq!(invoke(&app, "go").await.status, 200);
    assert_eq!(offered_tools(&model.requests()[0].body), ["mcp__db__query"]);
    let (text, is_error) = result(&model);
    assert!(
        is_error && text.contains("the MCP server `db` can't be used"),
        "{text}"
    );
    let ready = get(&app, "/readyz").await.json();
    assert_eq!(ready["status"], "degraded");
    let mut checks = ready["checks"].as_array().unwrap().iter();
    let check = checks.find(|check| check["name"] == "mcp").unwrap();
    assert_eq!(check["server"], "db");
}

#[tokio::test]
async fn a_server_that_wants_a_login_is_explained() {
    let server = McpServer::start(all_tools()).await;
    let model = model_that_calls("mcp__db__echo", &json!({})).await;
    let settings = McpServerSettings::new(McpTransport::Http {
        url: server.url.clone(),
        headers: BTreeMap::new(),
    });
    let named = agent(|agent| agent.tools = Some(&["mcp__db__echo"]));
    let app = app(&model, named, [("db", settings)]);
    assert_eq!(invoke(&app, "go").await.status, 200);
    let (text, is_error) = result(&model);
    assert!(is_error && text.contains("asks for a login"), "{text}");
    assert!(text.contains("mcp.servers.db.headers"), "{text}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_gets_its_own_environment_only() {
    let program = ShellServer::new();
    let model = model_that_calls("mcp__sh__env", &json!({})).await;
    let app = app(&model, agent(|_| {}), [("sh", program.settings(""))]);
    assert_eq!(invoke(&app, "go").await.status, 200);
    let (text, _) = result(&model);
    assert!(
        text.contains("TOKEN=[redacted] ") && text.contains("PATH="),
        "{text}"
    );
    assert!(!text.contains("CARGO"), "{text}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_is_told_its_roots() {
    let program = ShellServer::new();
    for (roots, expected) in [
        (vec![], r#""roots":[]"#),
        (
            vec!["file:///srv/a%20b".to_owned()],
            r#""roots":[{"uri":"file:///srv/a%20b"}]"#,
        ),
    ] {
        let model = model_that_calls("mcp__sh__roots", &json!({})).await;
        let settings = McpServerSettings {
            roots,
            ..program.settings("")
        };
        let app = app(&model, agent(|_| {}), [("sh", settings)]);
        assert_eq!(invoke(&app, "go").await.status, 200);
        let (text, _) = result(&model);
        assert!(text.contains(expected), "{text}");
    }
    // Whoever has roots says so.
    let received = program.noted("received");
    let mut greetings = received
        .lines()
        .filter(|line| line.contains(r#""initialize""#));
    assert!(!greetings.next().unwrap().contains("roots"), "{received}");
    assert!(greetings.next().unwrap().contains("roots"), "{received}");
}
