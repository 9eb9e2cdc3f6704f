//! Handoffs: tasks that a model delegates to other agents.

use agentgen_runtime::axum::Router;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::{AgentSpec, Policy};
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::tools::{ToolContext, tool};
use agentgen_runtime::{Registry, Service};
use serde_json::{Value, json};

use crate::event_assertions::{assert_lines_of_types, event_types, find_event};
use crate::http_client::get;
use crate::mock_model::{
    KINDS, NO_RETRIES, agent, invoke, mock_server, offered_tools, registry_of, stream_events,
};

const INVOKE: &str = "/v1/agents/desk/invoke";

/// The agent `desk`, which may hand off to `agents`.
fn desk(agents: &'static [&'static str], policy: Policy) -> &'static AgentSpec {
    agent(|agent| {
        agent.agents = agents;
        agent.policy = policy;
    })
}

/// Another agent, which may hand off to `agents`.
fn other_agent(slug: &'static str, agents: &'static [&'static str]) -> &'static AgentSpec {
    agent(|agent| {
        agent.name = slug;
        agent.slug = slug;
        agent.summary = "Cooks meals.";
        agent.prompt = agentgen_runtime::spec::Prompt::new("You cook.");
        agent.agents = agents;
        agent.policy = NO_RETRIES;
    })
}

fn handoff_app(
    server: &MockServer,
    kind: ProviderKind,
    first: &'static AgentSpec,
    others: &[&'static AgentSpec],
) -> Router {
    let add =
        |registry: Registry, agent: &&'static AgentSpec| registry.service(Service::new(agent));
    let registry = others.iter().fold(registry_of(first), add);
    registry.into_router(server.settings(kind)).unwrap()
}

fn handoff_call(slug: &str, task: &str) -> Script {
    Script::tool_call(format!("hand_over_to_{slug}"), &json!({ "task": task }))
}

#[tokio::test]
async fn a_handoff_runs_another_agent_and_returns_its_answer() {
    for kind in KINDS {
        let server = mock_server([
            handoff_call("cook", "Make a soup.").usage(10, 5),
            Script::text("Onion soup.").usage(7, 3),
            Script::text("There is soup.").usage(20, 6),
        ])
        .await;
        // `desk` names an unknown agent, and `cook` one that already has the task.
        let first = desk(&["captain", "cook"], NO_RETRIES);
        let app = handoff_app(&server, kind, first, &[other_agent("cook", &["desk"])]);
        let events = stream_events(&app, INVOKE, r#"{"input":"I am hungry"}"#).await;
        assert_lines_of_types(
            &event_types(&events),
            &[
                "run.started",
                "handoff.started",
                "handoff.completed",
                "output.delta",
                "run.completed",
            ],
        );
        let started = find_event(&events, "handoff.started");
        let completed = find_event(&events, "handoff.completed");
        assert_eq!(
            (&started["from"], &started["to"]),
            (&json!("desk"), &json!("cook"))
        );
        assert_eq!(started["call_id"], completed["call_id"]);
        assert_eq!(completed["is_error"], false);
        let last = find_event(&events, "run.completed");
        assert_eq!(last["output"]["output"], "There is soup.");
        assert_eq!(
            last["usage"],
            json!({"input_tokens": 37, "output_tokens": 14})
        );

        let requests = server.requests();
        assert_eq!(offered_tools(&requests[0].body), ["hand_over_to_cook"]);
        let inner = requests[1].body.to_string();
        assert!(
            inner.contains("You cook.") && inner.contains("Make a soup."),
            "{inner}"
        );
        assert!(!inner.contains("hungry"), "{inner}");
        assert!(offered_tools(&requests[1].body).is_empty(), "{inner}");
        assert!(requests[2].body.to_string().contains("Onion soup."));
        let metrics = get(&app, "/metrics").await.text;
        let counted = r#"agentgen_handoffs_total{from="desk",outcome="completed",to="cook"} 1"#;
        assert!(metrics.contains(counted), "{metrics}");
    }
}

#[tokio::test]
async fn handoffs_are_limited_in_depth_and_do_not_cycle() {
    const ALL: &[&str] = &["desk", "a", "b", "c", "d", "e"];
    let chain = ["a", "b", "c", "d"].map(|slug| handoff_call(slug, "go on"));
    let scripts = chain
        .into_iter()
        .chain(["d", "c", "b", "a", "desk"].map(Script::text));
    let server = mock_server(scripts).await;
    let others = ["a", "b", "c", "d", "e"].map(|slug| other_agent(slug, ALL));
    let app = handoff_app(
        &server,
        ProviderKind::OpenAi,
        desk(ALL, NO_RETRIES),
        &others,
    );
    let events = stream_events(&app, INVOKE, r#"{"input":"hi"}"#).await;
    let started = events.iter().filter(|(name, _)| name == "handoff.started");
    let hands = started.map(|(_, event)| event["to"].as_str().unwrap());
    assert_eq!(hands.collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    assert_eq!(events.last().unwrap().1["output"]["output"], "desk");
    let requests = server.requests();
    let tools = |index: usize| {
        offered_tools(&requests[index].body)
            .join(" ")
            .replace("hand_over_to_", "")
    };
    assert_eq!(tools(0), "a b c d e");
    assert_eq!(tools(1), "b c d e");
    assert_eq!(tools(3), "d e");
    assert_eq!(tools(4), "");
}

#[tokio::test]
async fn a_failed_handoff_is_reported_to_the_calling_model() {
    let calls =
        handoff_call("cook", "").then_tool_call("hand_over_to_baker", &json!({"task": "Bake."}));
    let server = mock_server([
        calls,
        handoff_call("cook", "Make a soup."),
        Script::error(400, "the stove is cold"),
        Script::text("No soup today."),
    ])
    .await;
    let first = desk(&["cook"], NO_RETRIES);
    let others = [other_agent("cook", &[]), other_agent("baker", &[])];
    let app = handoff_app(&server, ProviderKind::OpenAi, first, &others);
    let events = stream_events(&app, INVOKE, r#"{"input":"hi"}"#).await;
    let failed = events.iter().filter(|(_, event)| event["is_error"] == true);
    let failed = failed.map(|(name, _)| &**name).collect::<Vec<_>>();
    // `baker` exists, but `desk` may not hand off to it.
    assert_eq!(
        failed,
        ["handoff.completed", "tool.completed", "handoff.completed"]
    );
    assert_eq!(
        events.last().unwrap().1["output"]["output"],
        "No soup today."
    );
    let body = server.requests()[1].body.to_string();
    assert!(
        body.contains("denied") && body.contains("must be a text"),
        "{body}"
    );
    let metrics = get(&app, "/metrics").await.text;
    let counted = r#"agentgen_handoffs_total{from="desk",outcome="failed",to="cook"} 2"#;
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn usage_of_handoffs_counts_against_the_budget() {
    let server = mock_server([
        handoff_call("cook", "Make a soup.").usage(5, 5),
        Script::text("Onion soup.").usage(10, 10),
    ])
    .await;
    let policy = Policy {
        budget_tokens: Some(25),
        ..NO_RETRIES
    };
    let app = handoff_app(
        &server,
        ProviderKind::OpenAi,
        desk(&["cook"], policy),
        &[other_agent("cook", &[])],
    );
    let problem = invoke(&app, "hi").await.problem(502);
    assert!(
        problem["detail"].as_str().unwrap().contains("25 tokens"),
        "{problem}"
    );
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn an_answer_with_many_handoffs_ends_with_its_budget() {
    let mut asks = Script::text("").usage(5, 5);
    for _ in 0..30 {
        asks = asks.then_tool_call("hand_over_to_cook", &json!({"task": "Make a soup."}));
    }
    let server = mock_server([asks]).await;
    server.always(Script::text("Onion soup.").usage(5, 5));
    let policy = Policy {
        budget_tokens: Some(40),
        ..NO_RETRIES
    };
    let cook = other_agent("cook", &[]);
    let app = handoff_app(
        &server,
        ProviderKind::OpenAi,
        desk(&["cook"], policy),
        &[cook],
    );
    let problem = invoke(&app, "hi").await.problem(502);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("40 tokens"), "{problem}");
    // At most 8 run at a time; the others find that the budget is used up.
    let requests = server.requests().len();
    assert!((4..=1 + 8 + 3).contains(&requests), "{requests}");
}

#[tokio::test]
async fn long_handoff_tool_names_are_truncated_and_reserved() {
    const LONG: [&str; 2] = [
        "the-cook-of-the-ship-that-sails-around-the-world-in-eighty-days",
        "the-cook-of-the-ship-that-sails-around-the-world-in-eighty-week",
    ];
    let server = mock_server([Script::text("Hello.")]).await;
    let others = LONG.map(|slug| other_agent(slug, &[]));
    let app = handoff_app(
        &server,
        ProviderKind::OpenAi,
        desk(&LONG, NO_RETRIES),
        &others,
    );
    assert_eq!(invoke(&app, "hi").await.status, 200);
    let names = offered_tools(&server.requests()[0].body);
    assert!(names.iter().all(|name| name.len() == 64), "{names:?}");
    assert_ne!(names[0], names[1]);

    let taken = |_: ToolContext, _: Value| async { Ok(Value::Null) };
    let registry = registry_of(desk(&[], NO_RETRIES));
    let registry = registry.tool(tool("hand_over_to_cook", "Cooks.", taken));
    let refused = registry.into_router(server.settings(ProviderKind::OpenAi));
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("reserved by the runtime")
    );
}
