//! MCP servers that agent files define.

use agentgen_runtime::axum::Router;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::{AgentSpec, Policy};
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::{Service, Settings, StartError};
use serde_json::{Value, json};

use crate::mcp_fixture::{McpServer, model_that_calls, plain_tool, result};
use crate::mock_model::{NO_RETRIES, agent, invoke, mock_server, offered_tools, registry_of};

/// The definition of `server` as the server `db`. The value of a variable that nobody has set is its default.
fn definition(server: &McpServer) -> Value {
    json!({ "db": { "type": "http", "url": server.url, "headers": { "authorization": "${NOBODY_SETS_THIS:-Bearer hush}" } } })
}

fn defining(servers: &Value) -> &'static AgentSpec {
    let text: &'static str = Box::leak(servers.to_string().into_boxed_str());
    agent(|agent| {
        agent.policy = Policy {
            mcp_servers: text,
            ..NO_RETRIES
        };
    })
}

fn settings(model: &MockServer, mcp_inline: bool) -> Settings {
    Settings {
        mcp_inline,
        ..model.settings(ProviderKind::Anthropic)
    }
}

fn start(agent: &'static AgentSpec, settings: Settings) -> Result<Router, StartError> {
    registry_of(agent).into_router(settings)
}

#[tokio::test]
async fn an_agent_has_the_servers_that_its_file_defines_if_the_settings_say_so() {
    let server = McpServer::start(json!([plain_tool("echo")])).await;
    let spec = defining(&definition(&server));
    let model = model_that_calls("mcp__db__echo", &json!({ "n": 1 })).await;
    let app = start(spec, settings(&model, true)).unwrap();
    assert_eq!(invoke(&app, "go").await.status, 200);
    assert_eq!(result(&model), (r#"{"n":1}"#.to_owned(), false));

    let model = model_that_calls("mcp__db__echo", &json!({})).await;
    let app = start(spec, settings(&model, false)).unwrap();
    assert_eq!(invoke(&app, "go").await.status, 200);
    assert!(model.requests()[0].body.get("tools").is_none());
    let denied = "denied: this agent has no such tool".to_owned();
    assert_eq!(result(&model), (denied, true));
    assert_eq!(server.asked("tools/call").len(), 1);
}

#[tokio::test]
async fn the_servers_of_one_agent_are_not_those_of_another() {
    let (own, others) = (
        McpServer::start(json!([plain_tool("echo")])).await,
        McpServer::start(json!([plain_tool("fails"), plain_tool("long")])).await,
    );
    let mut other = *defining(&definition(&others));
    other.slug = "other";
    let other: &'static AgentSpec = Box::leak(Box::new(other));
    let model = mock_server([Script::text("ok"), Script::text("ok")]).await;
    for (spec, offered) in [
        (defining(&definition(&own)), &["mcp__db__echo"][..]),
        (agent(|_| {}), &[]),
    ] {
        let registry = registry_of(spec).service(Service::new(other));
        let app = registry.into_router(settings(&model, true)).unwrap();
        assert_eq!(invoke(&app, "go").await.status, 200);
        let request = model.requests().pop().unwrap();
        match offered {
            [] => assert!(request.body.get("tools").is_none()),
            offered => assert_eq!(offered_tools(&request.body), offered),
        }
    }
    assert!(others.asked("initialize").is_empty());
}

#[tokio::test]
async fn the_servers_of_an_agent_go_before_those_of_the_settings() {
    let own = McpServer::start(json!([plain_tool("echo")])).await;
    let shared = McpServer::start(json!([plain_tool("long")])).await;
    let model = mock_server([Script::text("ok")]).await;
    let settings = Settings {
        mcp_servers: [("db".to_owned(), shared.settings())].into(),
        ..settings(&model, true)
    };
    let app = start(defining(&definition(&own)), settings).unwrap();
    assert_eq!(invoke(&app, "go").await.status, 200);
    assert_eq!(offered_tools(&model.requests()[0].body), ["mcp__db__echo"]);
}

#[tokio::test]
async fn a_definition_that_can_not_be_used_keeps_the_service_from_starting() {
    let model = mock_server([]).await;
    for (definition, expected) in [
        (
            json!({ "db": { "command": "${NOBODY_SETS_THIS}" } }),
            "the agent `desk`: `db`: the environment has no variable `NOBODY_SETS_THIS`",
        ),
        (
            json!({ "db": { "command": ["hush-hush"] } }),
            "a key has a value of another kind",
        ),
        (
            json!({ "db": { "url": "http://example.com/hush", "headers": { "a": "hush-hush" } } }),
            "`db`: the address",
        ),
        (json!({ "db": {} }), "needs either `command` or `url`"),
    ] {
        let error = start(defining(&definition), settings(&model, true));
        let error = error.expect_err("it can't be used").to_string();
        assert!(
            error.contains("mcp.inline") && error.contains(expected),
            "{error}"
        );
        assert!(!error.contains("hush-hush"), "{error}");
    }
}
