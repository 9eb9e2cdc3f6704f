//! MCP servers whose lists and results are not what they should be.

use agentgen_runtime::mcp::McpServerSettings;
use agentgen_runtime::testing::Script;
use serde_json::{Value, json};

use crate::mcp_fixture::{McpServer, app, degraded, model_that_calls, plain_tool, result};
use crate::mock_model::{agent, invoke, mock_server, offered_tools};
use crate::provider_log::CapturedLog;

/// The tools that a model is offered of a server that lists `tools`, and the log.
async fn offered(tools: Value) -> (Vec<Value>, String) {
    let log = CapturedLog::default();
    let _guard = log.capture(tracing::Level::WARN);
    let server = McpServer::start(tools).await;
    let model = mock_server([Script::text("ok")]).await;
    let app = app(&model, agent(|_| {}), [("db", server.settings())]);
    assert_eq!(invoke(&app, "go").await.status, 200);
    assert_eq!(degraded(&app).await, None);
    let tools = model.requests()[0].body["tools"].clone();
    (tools.as_array().cloned().unwrap_or_default(), log.text())
}

#[tokio::test]
async fn schemas_that_can_not_be_used_become_those_of_an_object() {
    let large = json!({ "type": "object", "description": "x".repeat(10 << 20) });
    let schemas = [
        json!({ "type": "object", "properties": { "a": { "$ref": "#/nowhere" } } }),
        json!({ "type": "object", "properties": { "a": { "pattern": "(" } } }),
        json!({ "type": "string" }),
        json!({}),
        large,
    ];
    let tools = schemas.iter().enumerate();
    let tools = tools.map(|(n, schema)| json!({ "name": format!("t{n}"), "inputSchema": schema }));
    let (offered, log) = offered(tools.collect()).await;
    assert_eq!(offered.len(), schemas.len());
    for tool in offered {
        let any = json!({ "type": "object", "properties": {} });
        assert_eq!(tool["input_schema"], any, "{}", tool["name"]);
    }
    // One line for each reason.
    assert_eq!(log.matches("can't be used as they are").count(), 3, "{log}");
}

#[tokio::test]
async fn names_that_models_refuse_or_that_come_twice_are_left_out() {
    let tools = ["a.b", "a_b", "", "ä/ö", &"x".repeat(60)].map(plain_tool);
    let (offered, log) = offered(tools.into_iter().collect()).await;
    let names: Vec<_> = offered.iter().map(|tool| tool["name"].as_str()).collect();
    assert_eq!(names, [Some("mcp__db_____"), Some("mcp__db__a_b")]);
    for reason in ["same name", "is empty", "more than 64 bytes"] {
        assert!(log.contains(reason), "{log}");
    }
}

#[tokio::test]
async fn a_list_without_an_end_is_read_up_to_a_limit() {
    let many = (0..5_000).map(|n| plain_tool(&format!("t{n}")));
    let (offered_of_many, log) = offered(many.collect()).await;
    assert_eq!(offered_of_many.len(), 500);
    assert_eq!(log.matches("can't be used as they are").count(), 1, "{log}");
    let wordy = (0..40).map(|n| {
        let schema = json!({ "type": "object", "description": "x".repeat(100 << 10) });
        json!({ "name": format!("t{n}"), "inputSchema": schema })
    });
    let (wordy, _) = offered(wordy.collect()).await;
    assert!((5..=10).contains(&wordy.len()), "{}", wordy.len());
    // Pages that lead to further pages.
    let (endless, _) = offered(Value::Null).await;
    assert_eq!(endless.len(), 1);
}

#[tokio::test]
async fn a_result_that_breaks_the_promise_of_the_server_is_refused() {
    let schema = json!({ "type": "object", "properties": { "rows": { "type": "array" } } });
    let mut tool = plain_tool("promised");
    tool["outputSchema"] = schema.clone();
    let mut kept = plain_tool("structured");
    kept["outputSchema"] = schema;
    let mut lying = plain_tool("two");
    lying["outputSchema"] = json!({ "type": 5 });
    let server = McpServer::start(json!([tool, kept, lying])).await;
    for (tool, expected) in [
        ("promised", None),
        ("structured", Some(r#"{"rows":[1]}"#)),
        ("two", Some("a\nb")),
    ] {
        let model = model_that_calls(&format!("mcp__db__{tool}"), &json!({})).await;
        let app = app(&model, agent(|_| {}), [("db", server.settings())]);
        assert_eq!(invoke(&app, "go").await.status, 200);
        let (text, is_error) = result(&model);
        match expected {
            Some(expected) => assert_eq!((text.as_str(), is_error), (expected, false)),
            None => assert!(
                is_error && text.contains("does not fit the schema") && text.contains("/rows"),
                "{text}"
            ),
        }
    }
}

#[tokio::test]
async fn a_result_over_http_that_is_too_long_is_refused() {
    let server = McpServer::start(json!([plain_tool("huge"), plain_tool("echo")])).await;
    let model = mock_server([
        Script::tool_call("mcp__db__huge", &json!({})),
        Script::text("ok"),
        Script::tool_call("mcp__db__echo", &json!({})),
        Script::text("ok"),
    ])
    .await;
    let settings = McpServerSettings {
        call_timeout: std::time::Duration::from_secs(30),
        ..server.settings()
    };
    let app = app(&model, agent(|_| {}), [("db", settings)]);
    assert_eq!(invoke(&app, "go").await.status, 200);
    let (text, is_error) = result(&model);
    assert!(is_error && text.len() < 1000, "{}", text.len());
    assert_eq!(degraded(&app).await.as_deref(), Some("db"));
    // It is of use again.
    assert_eq!(invoke(&app, "go").await.status, 200);
    assert_eq!(degraded(&app).await, None);
}

#[tokio::test]
async fn a_server_that_floods_over_http_loses_its_connection() {
    let server = McpServer::start(json!([plain_tool("floods"), plain_tool("echo")])).await;
    let model = mock_server([
        Script::tool_call("mcp__db__floods", &json!({})),
        Script::text("ok"),
        Script::tool_call("mcp__db__echo", &json!({})),
        Script::text("ok"),
    ])
    .await;
    let app = app(&model, agent(|_| {}), [("db", server.settings())]);
    assert_eq!(invoke(&app, "go").await.status, 200);
    let flood = "the MCP server `db` sends too many messages that nobody asked for";
    assert_eq!(result(&model), (flood.to_owned(), true));
    assert_eq!(degraded(&app).await.as_deref(), Some("db"));
    assert_eq!(invoke(&app, "go").await.status, 200);
    assert_eq!(degraded(&app).await, None);
}

#[tokio::test]
async fn a_schema_that_the_provider_refuses_is_simplified_once() {
    let schema = json!({ "type": "object", "properties": {
        "when": { "type": "string", "format": "date-time", "pattern": "Z$", "description": "Start" },
        "of": { "$ref": "#/$defs/of" },
    }, "required": ["when"], "$defs": { "of": { "type": ["null", "integer"] } } });
    let simple = json!({ "type": "object", "properties": {
        "when": { "description": "Start", "type": "string" },
        "of": { "type": "integer" },
    }, "required": ["when"] });
    let log = CapturedLog::default();
    let _guard = log.capture(tracing::Level::WARN);
    let tools = json!([{ "name": "echo", "description": "Says it.", "inputSchema": schema }]);
    let server = McpServer::start(tools).await;
    let refusal = "tools.0.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12";
    let model = mock_server([
        Script::error(400, refusal),
        Script::tool_call("mcp__db__echo", &json!({ "when": "today" })),
        Script::text("ok"),
        Script::text("ok"),
    ])
    .await;
    let app = app(&model, agent(|_| {}), [("db", server.settings())]);
    assert_eq!(invoke(&app, "go").await.status, 200);
    assert_eq!(invoke(&app, "go").await.status, 200);
    let requests = model.requests();
    let schemas = requests
        .iter()
        .map(|request| &request.body["tools"][0]["input_schema"]);
    let schemas: Vec<_> = schemas.collect();
    assert_eq!(schemas[0]["properties"]["when"]["pattern"], "Z$");
    assert_eq!(schemas[1..], [&simple, &simple, &simple]);
    assert_eq!(
        log.text()
            .matches("schemas of tools are simplified")
            .count(),
        1
    );
    // The input is checked with the schema of the server.
    assert!(server.asked("tools/call").is_empty());
    assert_eq!(offered_tools(&requests[3].body), ["mcp__db__echo"]);
}
