//! Who reaches agents by the Agent2Agent protocol, and what their cards say.

use agentgen_runtime::auth::Auth;
use agentgen_runtime::axum::Router;
use agentgen_runtime::settings::Rates;
use agentgen_runtime::spec::Rate;
use agentgen_runtime::{RunContext, Service, Settings};
use serde_json::{Value, json};

use crate::a2a_tasks::{error_of, message, says};
use crate::agents::desk;
use crate::desk_service::{app, registry};
use crate::http_client::{get, request, send};
use crate::mock_model::agent;
use crate::stub_providers::ConversationEcho;
use crate::waiting_runs::{SECRET, TestCaller};

const CARD: &str = "/.well-known/agent-card.json";
const DESK: &str = "/a2a/desk";

fn secured(settings: Settings) -> Settings {
    Settings {
        auth: Some(Auth::hs256(SECRET.as_bytes()).unwrap()),
        ..settings
    }
}

fn secured_app(settings: Settings) -> Router {
    let registry = registry().provider(ConversationEcho);
    registry.into_router(secured(settings)).unwrap()
}

fn body(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }).to_string()
}

#[tokio::test]
async fn a_card_says_what_an_agent_is_for_and_nothing_of_its_prompt() {
    let settings = Settings {
        trusted_proxies: 1,
        ..Settings::default()
    };
    let app = registry().into_router(settings).unwrap();
    let headers = [("host", "api.example:8443"), ("x-forwarded-proto", "https")];
    let answer = send(
        &app,
        request("GET", "/a2a/desk/.well-known/agent-card.json", &headers, ""),
    )
    .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    let card = answer.json();
    assert_eq!(card["name"], "desk");
    assert_eq!(
        card["description"],
        "Answers the questions of a library's readers."
    );
    let url = "https://api.example:8443/a2a/desk";
    assert_eq!(
        card["supportedInterfaces"],
        json!([
            { "url": url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0" },
            { "url": url, "protocolBinding": "HTTP+JSON", "protocolVersion": "1.0" },
            { "url": url, "protocolBinding": "JSONRPC", "protocolVersion": "0.3" },
        ])
    );
    assert_eq!(card["url"], url);
    assert_eq!(card["protocolVersion"], "0.3.0");
    assert_eq!(card["capabilities"]["streaming"], true);
    assert_eq!(card["capabilities"]["pushNotifications"], false);
    assert!(card.get("securitySchemes").is_none());
    let skills = card["skills"].as_array().unwrap();
    let ids: Vec<_> = skills
        .iter()
        .map(|skill| skill["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["desk", "chatDesk", "searchDesk"]);
    assert_eq!(skills[0]["examples"], json!(desk::SPEC.examples));
    assert_eq!(skills[0]["tags"], json!(["desk"]));
    assert!(!answer.text.contains("You work at"), "{}", answer.text);

    let etag = answer.header("etag").to_owned();
    let known = [headers[0], headers[1], ("if-none-match", &*etag)];
    let again = send(
        &app,
        request("GET", "/a2a/desk/.well-known/agent-card.json", &known, ""),
    )
    .await;
    assert_eq!(again.status, 304);
    assert_eq!(again.header("etag"), etag);
    assert!(again.text.is_empty());
    // The only agent is the service.
    let own = send(&app, request("GET", CARD, &headers, "")).await;
    assert_eq!(own.text, answer.text);
    assert_eq!(
        get(&app, "/a2a/nobody/.well-known/agent-card.json")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_service_of_several_agents_has_a_card_whose_skills_they_are() {
    let clerk = agent(|agent| {
        agent.name = "clerk";
        agent.slug = "clerk";
        agent.roles = &["staff"];
    });
    let invoke = move |cx: RunContext, request| async move { cx.invoke(clerk, request).await };
    let endpoint = Box::leak(Box::new(agentgen_runtime::spec::EndpointSpec {
        operation_id: "invokeClerk",
        path: "/v1/agents/clerk/invoke",
        roles: &["staff"],
        ..desk::INVOKE
    }));
    let registry = registry().service(Service::new(clerk).endpoint(endpoint, invoke));
    let app = registry.into_router(secured(Settings::default())).unwrap();
    let card = get(&app, CARD).await.json();
    assert_eq!(
        card["supportedInterfaces"][0]["url"],
        "http://localhost/a2a"
    );
    let skills = card["skills"].as_array().unwrap().iter();
    let ids: Vec<_> = skills.map(|skill| skill["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["desk", "chatDesk", "searchDesk", "clerk"]);
    let scheme = &card["securitySchemes"]["bearer"];
    assert_eq!(scheme["httpAuthSecurityScheme"]["scheme"], "bearer");
    assert_eq!(
        card["securityRequirements"],
        json!([{ "schemes": { "bearer": { "list": [] } } }])
    );

    let (ann, bob) = (
        TestCaller::new("ann", "user"),
        TestCaller::new("bob", "staff"),
    );
    let extended = body("GetExtendedAgentCard", &json!({}));
    let of_ann = ann.post(&app, "/a2a", &extended).await.text;
    assert!(
        of_ann.contains("chatDesk") && !of_ann.contains("clerk"),
        "{of_ann}"
    );
    let of_bob = bob.post(&app, "/a2a", &extended).await.text;
    assert!(
        of_bob.contains("clerk") && !of_bob.contains("chatDesk"),
        "{of_bob}"
    );

    let mut params = says("hello");
    let refused = ann.post(&app, "/a2a", &body("SendMessage", &params)).await;
    let error = error_of(&refused, -32602);
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("metadata.skill")
    );
    params["metadata"] = json!({ "skill": "clerk" });
    let refused = ann.post(&app, "/a2a", &body("SendMessage", &params)).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    let sent = bob
        .post(&app, "/a2a", &body("SendMessage", &params))
        .await
        .json();
    let task = &sent["result"]["task"];
    assert_eq!(task["status"]["state"], "TASK_STATE_COMPLETED", "{sent}");
    // A task is one of its agent.
    let get = body("GetTask", &json!({ "id": task["id"] }));
    assert_eq!(
        bob.post(&app, "/a2a/clerk", &get).await.json()["result"],
        *task
    );
    error_of(&bob.post(&app, DESK, &get).await, -32001);
}

#[tokio::test]
async fn callers_need_a_token_and_the_role_of_the_skill() {
    let app = secured_app(Settings::default());
    for path in [DESK, "/a2a", "/a2a/desk/message:send"] {
        let answer = send(&app, request("POST", path, &[], "{}")).await;
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        assert_eq!(answer.header("content-type"), "application/json");
        let error = &answer.json()["error"];
        assert!(error["message"].is_string(), "{}", answer.text);
    }
    let guest = TestCaller::new("ann", "guest");
    let mut params = message(json!([{ "data": { "message": "hello" } }]));
    params["metadata"] = json!({ "skill": "chatDesk" });
    let refused = guest.post(&app, DESK, &body("SendMessage", &params)).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["error"]["code"], -32600);
    let refused = guest
        .post(&app, "/a2a/desk/message:send", &params.to_string())
        .await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["error"]["status"], "PERMISSION_DENIED");
    let served = guest
        .post(&app, DESK, &body("SendMessage", &says("hello")))
        .await;
    assert_eq!(served.status, 200);
}

#[tokio::test]
async fn nobody_sees_or_continues_the_tasks_and_contexts_of_others() {
    let app = secured_app(Settings::default());
    let (ann, eve) = (
        TestCaller::new("ann", "user"),
        TestCaller::new("eve", "user"),
    );
    let sent = ann
        .post(&app, DESK, &body("SendMessage", &says("a secret")))
        .await
        .json();
    let task = &sent["result"]["task"];
    for method in ["GetTask", "CancelTask", "SubscribeToTask"] {
        let id = json!({ "id": task["id"] });
        error_of(&eve.post(&app, DESK, &body(method, &id)).await, -32001);
    }
    let mut params = says("more");
    params["message"]["taskId"] = task["id"].clone();
    error_of(
        &eve.post(&app, DESK, &body("SendMessage", &params)).await,
        -32001,
    );
    let listed = eve
        .post(&app, DESK, &body("ListTasks", &json!({})))
        .await
        .json();
    assert_eq!(listed["result"]["totalSize"], 0);
    let mut params = says("what was that?");
    params["message"]["contextId"] = task["contextId"].clone();
    let answer = eve
        .post(&app, DESK, &body("SendMessage", &params))
        .await
        .text;
    assert!(
        answer.contains("what was that") && !answer.contains("secret"),
        "{answer}"
    );
    let answer = ann
        .post(&app, DESK, &body("SendMessage", &params))
        .await
        .text;
    assert!(answer.contains("a secret"), "{answer}");
}

#[tokio::test]
async fn rates_and_limits_are_those_of_the_service() {
    let app = secured_app(Settings {
        body_limit: 500,
        rates: Rates {
            subject: Some(Rate {
                requests: 2,
                seconds: 3_600,
            }),
            ..Rates::default()
        },
        ..Settings::default()
    });
    let ann = TestCaller::new("ann", "user");
    let long = says(&"x".repeat(600));
    let refused = ann.post(&app, DESK, &body("SendMessage", &long)).await;
    assert_eq!(refused.status, 413);
    assert_eq!(refused.json()["error"]["code"], -32600);
    for method in ["SendMessage", "ListTasks"] {
        let answer = ann.post(&app, DESK, &body(method, &says("hello"))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(!answer.header("ratelimit").is_empty());
    }
    let refused = ann
        .post(&app, DESK, &body("SendMessage", &says("hello")))
        .await;
    assert_eq!(refused.status, 429);
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(refused.json()["jsonrpc"], "2.0");
    let other = TestCaller::new("eve", "user");
    let served = other
        .post(&app, DESK, &body("SendMessage", &says("hello")))
        .await;
    assert_eq!(served.status, 200);
}

#[tokio::test]
async fn other_methods_are_refused() {
    let app = app();
    for (method, path, allow) in [
        ("GET", DESK, "POST, OPTIONS"),
        ("POST", CARD, "GET, HEAD, OPTIONS"),
        ("DELETE", "/a2a/desk/tasks/x", "GET, HEAD, POST, OPTIONS"),
    ] {
        let answer = send(&app, request(method, path, &[], "")).await;
        assert_eq!(answer.status, 405, "{path}");
        assert_eq!(answer.header("allow"), allow);
    }
}
