//! Denied tools and handoffs: neither offered to a model nor run when it names them.

use agentgen_runtime::Service;
use agentgen_runtime::axum::Router;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::{AgentSpec, Policy};
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::tools::{ToolContext, ToolError, tool};
use serde_json::{Value, json};

use crate::mock_model::{
    KINDS, NO_RETRIES, agent, conversation, invoke, mock_server, offered_tools, registry_of,
};

#[derive(serde::Deserialize, agentgen_runtime::schemars::JsonSchema)]
struct Empty {}

const TOOLS: [&str; 4] = ["books", "erase", "mcp__shop__buy", "mcp__shop__list"];

/// `desk` and `others` in a service with [`TOOLS`], each of which answers `done`.
fn app(
    server: &MockServer,
    kind: ProviderKind,
    desk: &'static AgentSpec,
    others: &[&'static AgentSpec],
) -> Router {
    let mut registry = registry_of(desk);
    for other in others {
        registry = registry.service(Service::new(other));
    }
    for name in TOOLS {
        let call = |_: ToolContext, _: Empty| async { Ok::<_, ToolError>("done") };
        registry = registry.tool(tool(name, "Does something.", call));
    }
    registry.into_router(server.settings(kind)).unwrap()
}

/// Whether the first tool call was denied, from the request that answers it.
fn was_denied(body: &Value) -> bool {
    let text = Value::from(conversation(body)).to_string();
    assert_ne!(text.contains("denied"), text.contains("done"), "{text}");
    text.contains("denied")
}

#[tokio::test]
async fn a_denied_tool_is_neither_offered_nor_run() {
    type Case = (
        Option<&'static [&'static str]>,
        &'static [&'static str],
        &'static [&'static str],
    );
    let cases: [Case; 12] = [
        (None, &[], &TOOLS),
        (
            None,
            &["erase"],
            &["books", "mcp__shop__buy", "mcp__shop__list"],
        ),
        (
            None,
            &["Erase", "Write"],
            &["books", "mcp__shop__buy", "mcp__shop__list"],
        ),
        // The arguments of a call are not looked into: the whole tool is denied.
        (
            None,
            &["erase(books:*)"],
            &["books", "mcp__shop__buy", "mcp__shop__list"],
        ),
        (None, &["mcp__shop__*"], &["books", "erase"]),
        (None, &["mcp__*"], &["books", "erase"]),
        (None, &["*__buy", "e*a*e"], &["books", "mcp__shop__list"]),
        (None, &["*"], &[]),
        (Some(&["books", "erase"]), &["erase"], &["books"]),
        (Some(&["*"]), &["erase", "mcp__*"], &["books"]),
        (Some(&["erase"]), &["erase"], &[]),
        (
            Some(&["mcp__shop__*"]),
            &["mcp__shop__buy"],
            &["mcp__shop__list"],
        ),
    ];
    for kind in KINDS {
        for (tools, denied_tools, wanted) in cases {
            for name in TOOLS {
                let server =
                    mock_server([Script::tool_call(name, &json!({})), Script::text("So.")]).await;
                let desk = agent(|agent| {
                    agent.tools = tools;
                    agent.denied_tools = denied_tools;
                });
                let app = app(&server, kind, desk, &[]);
                assert_eq!(invoke(&app, "hi").await.json()["output"], "So.");
                let requests = server.requests();
                assert_eq!(
                    offered_tools(&requests[0].body),
                    wanted,
                    "{tools:?} {denied_tools:?}"
                );
                assert_eq!(
                    was_denied(&requests[1].body),
                    !wanted.contains(&name),
                    "{name} of {tools:?}, {denied_tools:?} denied"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_fallback_agent_uses_its_own_tools_except_those_denied_to_the_agent_that_was_asked() {
    for name in TOOLS {
        let server = mock_server([
            Script::error(503, "busy"),
            Script::tool_call(name, &json!({})),
            Script::text("So."),
        ])
        .await;
        let desk = agent(|agent| {
            agent.tools = Some(&["mcp__shop__buy"]);
            agent.denied_tools = &["erase"];
            agent.policy = Policy {
                fallbacks: &["clerk"],
                ..NO_RETRIES
            };
        });
        let clerk = agent(|agent| {
            agent.slug = "clerk";
            agent.tools = Some(&["books", "erase", "mcp__shop__*"]);
            agent.denied_tools = &["mcp__shop__buy"];
        });
        let app = app(&server, ProviderKind::OpenAi, desk, &[clerk]);
        assert_eq!(invoke(&app, "hi").await.json()["output"], "So.");
        let requests = server.requests();
        assert_eq!(
            offered_tools(&requests[1].body),
            ["books", "mcp__shop__list"]
        );
        let may = ["books", "mcp__shop__list"].contains(&name);
        assert_eq!(was_denied(&requests[2].body), !may, "{name}");
    }
}

#[tokio::test]
async fn a_fallback_agent_hands_off_to_its_own_agents_unless_that_is_denied() {
    let cases: [(&[&str], &[&str]); 4] = [
        (&[], &["hand_over_to_cook"]),
        (&["Task"], &[]),
        (&["hand_over_to_cook"], &[]),
        (&["hand_over_to_baker"], &["hand_over_to_cook"]),
    ];
    for (denied_tools, wanted) in cases {
        for callee in ["cook", "baker"] {
            let name = format!("hand_over_to_{callee}");
            let handoff = Script::tool_call(&name, &json!({"task": "Make a soup."}));
            let server = mock_server([Script::error(503, "busy"), handoff]).await;
            server.always(Script::text("done"));
            let desk = agent(|agent| {
                agent.agents = &["baker"];
                agent.denied_tools = denied_tools;
                agent.policy = Policy {
                    fallbacks: &["clerk"],
                    ..NO_RETRIES
                };
            });
            let clerk = agent(|agent| {
                agent.slug = "clerk";
                agent.agents = &["cook"];
            });
            let others = ["cook", "baker"].map(|slug| agent(|agent| agent.slug = slug));
            let app = app(
                &server,
                ProviderKind::OpenAi,
                desk,
                &[clerk, others[0], others[1]],
            );
            assert_eq!(invoke(&app, "hi").await.status, 200);
            let requests = server.requests();
            let handoffs: Vec<String> = offered_tools(&requests[1].body)
                .into_iter()
                .filter(|name| name.starts_with("hand_over_to_"))
                .collect();
            assert_eq!(handoffs, wanted, "{denied_tools:?}");
            let last = &requests[requests.len() - 1].body;
            assert_eq!(was_denied(last), !wanted.contains(&&*name), "{name}");
        }
    }
}

#[tokio::test]
async fn an_agent_that_receives_a_task_keeps_its_own_restrictions() {
    for name in TOOLS {
        let server = mock_server([
            Script::tool_call("hand_over_to_cook", &json!({"task": "Make a soup."})),
            Script::tool_call(name, &json!({})),
            Script::text("Onion soup."),
            Script::text("So."),
        ])
        .await;
        let desk = agent(|agent| agent.agents = &["cook"]);
        let cook = agent(|agent| {
            agent.slug = "cook";
            agent.denied_tools = &["erase", "mcp__shop__*"];
        });
        let app = app(&server, ProviderKind::Anthropic, desk, &[cook]);
        assert_eq!(invoke(&app, "hi").await.json()["output"], "So.");
        let requests = server.requests();
        assert_eq!(offered_tools(&requests[1].body), ["books"]);
        assert_eq!(was_denied(&requests[2].body), name != "books");
    }
}

#[tokio::test]
async fn handoffs_can_be_denied() {
    let cases: [(&[&str], &[&str]); 5] = [
        (&[], &["hand_over_to_cook", "hand_over_to_baker"]),
        (&["Task"], &[]),
        (&["agent"], &[]),
        (&["*"], &[]),
        (&["hand_over_to_cook"], &["hand_over_to_baker"]),
    ];
    for (denied_tools, wanted) in cases {
        let handoff = Script::tool_call("hand_over_to_cook", &json!({"task": "Make a soup."}));
        let server = mock_server([handoff, Script::text("done"), Script::text("So.")]).await;
        let desk = agent(|agent| {
            agent.agents = &["cook", "baker"];
            agent.denied_tools = denied_tools;
        });
        let others = ["cook", "baker"].map(|slug| agent(|agent| agent.slug = slug));
        let app = app(&server, ProviderKind::OpenAi, desk, &others);
        assert_eq!(invoke(&app, "hi").await.status, 200);
        let requests = server.requests();
        let handoffs: Vec<String> = offered_tools(&requests[0].body)
            .into_iter()
            .filter(|name| name.starts_with("hand_over_to_"))
            .collect();
        assert_eq!(handoffs, wanted, "{denied_tools:?}");
        let last = &requests[requests.len() - 1].body;
        assert_eq!(was_denied(last), !wanted.contains(&"hand_over_to_cook"));
    }
}
