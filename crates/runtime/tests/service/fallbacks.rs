//! Fallbacks: a turn stays with the model or agent that answered.

use std::sync::{Arc, Mutex};

use agentgen_runtime::axum::Router;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::{AgentSpec, Policy};
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::tools::{ToolContext, ToolError, tool};
use agentgen_runtime::{Service, Settings};
use serde_json::json;

use crate::event_assertions::{event_types, find_event, find_events};
use crate::mock_model::{
    KINDS, NO_RETRIES, agent, conversation, invoke, mock_server, offered_tools, registry_of,
    stream_events, system_message,
};

#[derive(serde::Deserialize, agentgen_runtime::schemars::JsonSchema)]
struct Empty {}

/// The agents for which the tools were called.
type Callers = Arc<Mutex<Vec<&'static str>>>;

/// `desk` and `others` with the tools `books` and `maps`; `haiku` is a second model.
fn app(
    server: &MockServer,
    kind: ProviderKind,
    desk: &'static AgentSpec,
    others: &[&'static AgentSpec],
) -> (Router, Callers) {
    let callers = Callers::default();
    let mut registry = registry_of(desk);
    for other in others {
        registry = registry.service(Service::new(other));
    }
    for name in ["books", "maps"] {
        let callers = Arc::clone(&callers);
        let call = move |cx: ToolContext, _: Empty| {
            callers.lock().unwrap().push(cx.agent);
            async { Ok::<_, ToolError>("done") }
        };
        registry = registry.tool(tool(name, "Does something.", call));
    }
    let mut settings: Settings = server.settings(kind);
    let haiku = ("haiku".to_owned(), "mock:small".to_owned());
    settings.models.extend([haiku]);
    (registry.into_router(settings).unwrap(), callers)
}

fn desk(fallbacks: &'static [&'static str]) -> &'static AgentSpec {
    agent(|agent| {
        agent.tools = Some(&["maps"]);
        agent.policy = Policy {
            fallbacks,
            ..NO_RETRIES
        };
    })
}

fn clerk() -> &'static AgentSpec {
    agent(|agent| {
        agent.slug = "clerk";
        agent.prompt = agentgen_runtime::spec::Prompt::new("You are the clerk.");
        agent.tools = Some(&["books"]);
        agent.agents = &["cook", "desk"];
        agent.policy = NO_RETRIES;
    })
}

fn cook() -> &'static AgentSpec {
    agent(|agent| {
        agent.slug = "cook";
        agent.prompt = agentgen_runtime::spec::Prompt::new("You cook.");
        agent.policy = NO_RETRIES;
    })
}

fn models(server: &MockServer) -> Vec<String> {
    let requests = server.requests();
    let models = requests
        .iter()
        .map(|request| request.body["model"].as_str());
    models.map(|model| model.unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_turn_stays_with_the_model_that_answered() {
    for kind in KINDS {
        let server = mock_server([
            Script::error(503, "busy"),
            Script::tool_call("maps", &json!({})),
            Script::tool_call("maps", &json!({})),
            Script::text("So."),
        ])
        .await;
        let (app, callers) = app(&server, kind, desk(&["haiku"]), &[]);
        let answer = invoke(&app, "hi").await.json();
        assert_eq!(
            (&answer["output"], &answer["model"]),
            (&json!("So."), &json!("mock:small"))
        );
        assert_eq!(models(&server), ["model", "small", "small", "small"]);
        assert_eq!(*callers.lock().unwrap(), ["desk", "desk"]);
    }
}

#[tokio::test]
async fn a_turn_stays_with_the_agent_that_answered_and_uses_its_tools() {
    for kind in KINDS {
        let server = mock_server([
            Script::error(503, "busy"),
            Script::tool_call("books", &json!({})),
            Script::tool_call("hand_over_to_cook", &json!({"task": "Make a soup."})),
            Script::text("Onion soup."),
            Script::text("So."),
        ])
        .await;
        let (app, callers) = app(&server, kind, desk(&["clerk"]), &[clerk(), cook()]);
        assert_eq!(invoke(&app, "hi").await.json()["output"], "So.");
        let requests = server.requests();
        assert_eq!(requests.len(), 5);
        assert_eq!(offered_tools(&requests[0].body), ["maps"]);
        // `desk` has had the task, so that it is not handed back.
        let tools = ["books", "hand_over_to_cook"];
        let system = |index: usize| system_message(&requests[index].body);
        let said = |index: usize| json!(conversation(&requests[index].body)).to_string();
        for index in [1, 2, 4] {
            assert_eq!(offered_tools(&requests[index].body), tools);
            assert_eq!(system(index), "You are the clerk.");
        }
        assert_eq!(system(3), "You cook.");
        assert!(said(2).contains("done"));
        assert!(said(4).contains("Onion soup."));
        assert_eq!(*callers.lock().unwrap(), ["clerk"]);
    }
}

#[tokio::test]
async fn the_next_fallback_answers_if_the_first_one_fails_later() {
    let server = mock_server([
        Script::error(503, "busy"),
        Script::tool_call("books", &json!({})),
        Script::error(503, "busy"),
        Script::tool_call("maps", &json!({})),
        Script::error(503, "busy"),
    ])
    .await;
    let desk = desk(&["clerk", "haiku"]);
    let (app, callers) = app(&server, ProviderKind::OpenAi, desk, &[clerk(), cook()]);
    invoke(&app, "hi").await.problem(503);
    // `haiku` answers for `desk`, with the tools of `desk`. No model is asked again.
    let requests = server.requests();
    assert_eq!(
        models(&server),
        ["model", "model", "model", "small", "small"]
    );
    assert_eq!(offered_tools(&requests[3].body), ["maps"]);
    assert_eq!(*callers.lock().unwrap(), ["clerk", "desk"]);
}

#[tokio::test]
async fn the_correction_of_an_answer_stays_with_who_answered_and_shows_in_the_stream() {
    for kind in KINDS {
        let server = mock_server([
            Script::error(503, "busy"),
            Script::text(r#"{"mood":"calm"}"#),
            Script::tool_call("hand_over_to_cook", &json!({"task": "Make a soup."})),
            Script::text("Onion soup."),
            Script::error(503, "busy"),
            Script::text(r#"{"mood":"calm","reply":"Soup."}"#),
        ])
        .await;
        let desk = desk(&["clerk", "haiku"]);
        let (app, _) = app(&server, kind, desk, &[clerk(), cook()]);
        let events = stream_events(&app, "/chat", r#"{"message":"Hungry?"}"#).await;
        let kinds = event_types(&events);
        let kinds: Vec<_> = kinds
            .into_iter()
            .filter(|kind| *kind != "output.delta")
            .collect();
        assert_eq!(
            kinds,
            [
                "run.started",
                "policy.applied",
                "handoff.started",
                "handoff.completed",
                "policy.applied",
                "run.completed"
            ]
        );
        let from = &find_event(&events, "handoff.started")["from"];
        assert_eq!(from, "clerk");
        let applied = find_events(&events, "policy.applied");
        assert!(applied.iter().all(|event| event["policy"] == "fallback"));
        let output = &find_event(&events, "run.completed")["output"];
        assert_eq!(output["reply"], "Soup.");
        assert_eq!(models(&server)[5], "small");
    }
}

#[tokio::test]
async fn the_budget_of_the_agent_that_was_asked_holds_for_its_fallback() {
    let server = mock_server([Script::error(503, "busy")]).await;
    server.always(Script::text("Hm.").then_tool_call("books", &json!({})));
    let desk = agent(|agent| {
        agent.policy = Policy {
            fallbacks: &["clerk"],
            budget_turns: Some(2),
            ..NO_RETRIES
        };
    });
    let (app, _) = app(&server, ProviderKind::OpenAi, desk, &[clerk(), cook()]);
    let answer = invoke(&app, "hi").await.json();
    assert_eq!(answer["stop_reason"], "max_turns");
    assert_eq!(server.requests().len(), 3);
}
