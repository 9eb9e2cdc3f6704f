//! Routing: a model or the ranking selects the agent for a request.

use std::time::Duration;

use agentgen_runtime::auth::Auth;
use agentgen_runtime::axum::Router;
use agentgen_runtime::event::StopReason;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::settings::Rates;
use agentgen_runtime::spec::{AgentSpec, Policy, Rate};
use agentgen_runtime::testing::Script;
use agentgen_runtime::{Registry, RunContext, Service, Settings};
use serde_json::{Value, json};

use crate::agents::desk;
use crate::http_client::{TestResponse, get, post, request, send};
use crate::mock_model::{KINDS, agent, mock_server};

const ROUTE: &str = "/v1/route";

/// The agent `cook`.
fn cook() -> &'static AgentSpec {
    agent(|agent| {
        agent.name = "Cook";
        agent.slug = "cook";
        agent.summary = "Cooks meals.";
        agent.examples = &["Guests come. What soup do you serve?"];
        agent.prompt = agentgen_runtime::spec::Prompt::new("You cook.");
        agent.policy = Policy::DEFAULT;
    })
}

/// The agents `desk` and `cook`. Only `desk` has an `invoke` endpoint.
fn two_agents() -> Registry {
    let invoke = |cx: RunContext, request| async move { cx.invoke(&desk::SPEC, request).await };
    Registry::new("{}")
        .service(Service::new(&desk::SPEC).endpoint(&desk::INVOKE, invoke))
        .service(Service::new(cook()))
}

fn app(settings: Settings) -> Router {
    two_agents().into_router(settings).unwrap()
}

async fn route(app: &Router, body: &Value) -> TestResponse {
    post(app, ROUTE, &body.to_string()).await
}

#[tokio::test]
async fn agents_are_selected_by_ranking_without_a_model() {
    let app = app(Settings::default());
    let answer = route(&app, &json!({"text": "Which novels are about a tide?"})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let selection = answer.json();
    assert_eq!(selection["by"], "ranking");
    assert_eq!(selection["agents"].as_array().unwrap().len(), 1);
    assert_eq!(selection["agents"][0]["agent"], "desk");
    assert_eq!(selection["agents"][0]["path"], "/v1/agents/desk/invoke");
    assert!(selection["agents"][0]["score"].as_f64().unwrap() > 0.0);

    let both = json!({"text": "soups and meals for the readers of a library"});
    let selection = route(&app, &both).await.json();
    assert_eq!(selection["agents"].as_array().unwrap().len(), 2);
    let one = json!({"text": both["text"], "limit": 1});
    let limited = route(&app, &one).await.json();
    assert_eq!(limited["agents"], json!([selection["agents"][0]]));
    let none = route(&app, &json!({"text": "quantum"})).await.json();
    assert_eq!(none, json!({"agents": [], "by": "ranking"}));
}

#[tokio::test]
async fn agents_are_selected_by_a_configured_model() {
    for kind in KINDS {
        let chosen = r#"{"agents":["cook","desk","cook"]}"#;
        let script = match kind {
            ProviderKind::Anthropic => {
                Script::tool_call("final_answer", &serde_json::from_str(chosen).unwrap())
            }
            ProviderKind::OpenAi | ProviderKind::OpenAiResponses => Script::text(chosen),
        };
        let server = mock_server([script]).await;
        let app = app(server.settings(kind));
        let selection = route(&app, &json!({"text": "Where is the novel?"})).await;
        assert_eq!(
            selection.json(),
            json!({
                "agents": [{"agent": "cook"}, {"agent": "desk", "path": "/v1/agents/desk/invoke"}],
                "by": "model",
            })
        );
        let body = server.requests()[0].body.to_string();
        for expected in [
            "Cooks meals.",
            "What soup do you serve?",
            "Where is the novel?",
        ] {
            assert!(body.contains(expected), "{body}");
        }
        let metrics = get(&app, "/metrics").await.text;
        assert!(
            metrics.contains(r#"agentgen_agent_selections_total{by="model"} 1"#),
            "{metrics}"
        );
    }
}

#[tokio::test]
async fn the_ranking_is_used_when_the_model_selects_no_agent() {
    let stranger = Script::text(r#"{"agents":["cook","captain"]}"#);
    let refusal = Script::text("I can't say.").stop_reason(StopReason::Refusal);
    let failures = [
        vec![stranger],
        vec![refusal],
        vec![Script::text("").hang()],
        vec![Script::error(500, "no")],
        vec![Script::text("the cook"), Script::text("the cook")],
    ];
    for scripts in failures {
        let server = mock_server(scripts).await;
        let mut settings = server.settings(ProviderKind::OpenAi);
        settings.timeout = Duration::from_millis(500);
        let app = app(settings);
        let selection = route(&app, &json!({"text": "Cook a soup"})).await.json();
        assert_eq!(selection["by"], "ranking");
        assert_eq!(selection["agents"][0]["agent"], "cook");
        let metrics = get(&app, "/metrics").await.text;
        assert!(
            metrics.contains(r#"agentgen_agent_selections_total{by="ranking"} 1"#),
            "{metrics}"
        );
    }
}

#[tokio::test]
async fn invalid_routing_requests_are_rejected() {
    let app = app(Settings::default());
    for (body, pointer) in [
        (json!({"text": ""}), "/text"),
        (json!({}), ""),
        (json!({"text": "soup", "limit": 0}), "/limit"),
        (json!({"text": "soup", "limit": 21}), "/limit"),
        (json!({"text": "soup", "limit": "two"}), "/limit"),
    ] {
        let answer = route(&app, &body).await;
        answer.problem(422);
        assert_eq!(answer.pointers(), [pointer], "{body}");
    }
    route(&app, &json!({"text": "soup", "more": 1}))
        .await
        .problem(422);
    post(&app, ROUTE, "{").await.problem(400);
    let refused = get(&app, ROUTE).await;
    refused.problem(405);
    assert_eq!(refused.header("allow"), "POST, OPTIONS");
    let options = send(&app, request("OPTIONS", ROUTE, &[], "")).await;
    assert_eq!(
        (options.status.as_u16(), options.header("allow")),
        (204, "POST, OPTIONS")
    );
    let headers = [
        ("content-type", "application/json"),
        ("accept", "text/html"),
    ];
    let html = request("POST", ROUTE, &headers, r#"{"text":"soup"}"#);
    send(&app, html).await.problem(406);
}

#[tokio::test]
async fn unauthenticated_callers_are_rejected() {
    let settings = Settings {
        auth: Auth::hs256(&[b'x'; 32]),
        ..Settings::default()
    };
    let refused = route(&app(settings), &json!({"text": "soup"})).await;
    refused.problem(401);
    assert_eq!(refused.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn rate_limits_apply_to_routing() {
    let settings = Settings {
        rates: Rates {
            subject: Some(Rate {
                requests: 1,
                seconds: 60,
            }),
            ..Rates::default()
        },
        ..Settings::default()
    };
    let app = app(settings);
    let soup = json!({"text": "soup"});
    assert_eq!(route(&app, &soup).await.status, 200);
    route(&app, &soup).await.problem(429);
}
