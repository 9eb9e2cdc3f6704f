//! The roles of agents: which agents answer in the place of others, or get tasks from them, depends on the caller.

use agentgen_runtime::auth::Auth;
use agentgen_runtime::axum::Router;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::{AgentSpec, Policy, Prompt};
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::{Service, Settings};
use serde_json::{Value, json};

use crate::http_client::{TestResponse, request, send};
use crate::mock_model::{
    NO_RETRIES, agent, mock_server, offered_tools, registry_of, system_message,
};

const SECRET: &str = "a-secret-of-thirty-two-bytes-12345678";

/// `Authorization` of a caller with `roles`.
fn bearer(roles: &[&str]) -> String {
    let exp = jsonwebtoken::get_current_timestamp() + 60;
    let claims = json!({ "sub": "ann", "exp": exp, "roles": roles });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key);
    format!("Bearer {}", token.unwrap())
}

/// An agent that answers callers with one of `roles`.
fn guarded(slug: &'static str, roles: &'static [&'static str]) -> &'static AgentSpec {
    agent(|agent| {
        agent.slug = slug;
        agent.prompt = Prompt::new(slug);
        agent.roles = roles;
        agent.policy = NO_RETRIES;
    })
}

/// `desk` and two agents that it may hand tasks to; callers authenticate if `auth` says so.
fn app(server: &MockServer, policy: Policy, auth: bool) -> Router {
    let desk = agent(|agent| {
        agent.agents = &["cook", "treasurer"];
        agent.policy = policy;
    });
    let registry = registry_of(desk)
        .service(Service::new(guarded("cook", &[])))
        .service(Service::new(guarded("treasurer", &["admin", "auditor"])));
    let settings = Settings {
        auth: auth.then(|| Auth::hs256(SECRET.as_bytes()).unwrap()),
        console: Some(true),
        ..server.settings(ProviderKind::OpenAi)
    };
    registry.into_router(settings).unwrap()
}

async fn invoke(app: &Router, authorization: &str) -> TestResponse {
    let headers = [
        ("content-type", "application/json"),
        ("authorization", authorization),
    ];
    let body = r#"{"input":"hello"}"#;
    send(
        app,
        request("POST", "/v1/agents/desk/invoke", &headers, body),
    )
    .await
}

#[tokio::test]
async fn a_model_is_not_offered_agents_whose_roles_the_caller_lacks() {
    for (roles, auth, is_offered) in [
        (&["user"][..], true, false),
        (&[], true, false),
        (&["user", "auditor"], true, true),
        // Nobody authenticates, and so roles restrict nobody.
        (&[], false, true),
    ] {
        let server = mock_server([Script::text("Good day.")]).await;
        let app = app(&server, NO_RETRIES, auth);
        assert_eq!(invoke(&app, &bearer(roles)).await.status, 200);
        let mut offered = vec!["hand_over_to_cook"];
        offered.extend(is_offered.then_some("hand_over_to_treasurer"));
        assert_eq!(
            offered_tools(&server.requests()[0].body),
            offered,
            "{roles:?}"
        );
    }
}

#[tokio::test]
async fn a_handoff_to_an_agent_whose_roles_the_caller_lacks_reaches_nobody() {
    let pay = || Script::tool_call("hand_over_to_treasurer", &json!({ "task": "Pay me." }));
    let server = mock_server([pay(), Script::text("I can't.")]).await;
    let app_of_user = app(&server, NO_RETRIES, true);
    assert_eq!(invoke(&app_of_user, &bearer(&["user"])).await.status, 200);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert!(
        requests
            .iter()
            .all(|request| system_message(&request.body) != "treasurer")
    );

    let scripts = [pay(), Script::text("Paid."), Script::text("Done.")];
    let server = mock_server(scripts).await;
    let app_of_admin = app(&server, NO_RETRIES, true);
    assert_eq!(invoke(&app_of_admin, &bearer(&["admin"])).await.status, 200);
    assert_eq!(system_message(&server.requests()[1].body), "treasurer");
}

#[tokio::test]
async fn the_console_shows_a_prompt_to_those_who_may_ask_the_agent() {
    let server = mock_server([]).await;
    let app = app(&server, NO_RETRIES, true);
    for (agent, roles, status) in [
        ("treasurer", &["user"][..], 403),
        ("treasurer", &["admin"], 200),
        ("cook", &["user"], 200),
    ] {
        let authorization = bearer(roles);
        let headers = [("authorization", authorization.as_str())];
        let path = format!("/console/agents/{agent}");
        let answer = send(&app, request("GET", &path, &headers, "")).await;
        assert_eq!(answer.status, status, "{agent} {roles:?}");
    }
}

#[tokio::test]
async fn a_fallback_whose_roles_the_caller_lacks_is_passed_over() {
    const POLICY: Policy = Policy {
        fallbacks: &["treasurer", "cook"],
        ..NO_RETRIES
    };
    for (role, second) in [("user", "cook"), ("admin", "treasurer")] {
        let server = mock_server([Script::error(500, "broken"), Script::text("Good day.")]).await;
        let app = app(&server, POLICY, true);
        assert_eq!(invoke(&app, &bearer(&[role])).await.status, 200);
        assert_eq!(system_message(&server.requests()[1].body), second);
    }
    // Without another one, the first failure is the answer.
    const ALONE: Policy = Policy {
        fallbacks: &["treasurer"],
        ..NO_RETRIES
    };
    let server = mock_server([Script::error(500, "broken")]).await;
    let answer: Value = invoke(&app(&server, ALONE, true), &bearer(&["user"]))
        .await
        .problem(503);
    assert_eq!(answer["detail"], "the model's provider is overloaded");
    assert_eq!(server.requests().len(), 1);
}
