//! Runs that wait for a person, by the MCP server of a service: what the client is asked, and what its answers do.

use agentgen_runtime::auth::Auth;
use agentgen_runtime::axum::Router;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::ToolPolicy;
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::{Settings, Store};
use serde_json::{Value, json};

use crate::http_client::{get, post};
use crate::mcp_client::{McpClient, asks_its_user, messages};
use crate::mock_model::{mock_server, registry_of};
use crate::store_fixture::on_each_store;
use crate::tool_approvals::{ASKING, Shelf, asking, shelve, with_tools};
use crate::waiting_runs::{SECRET, SHIP, TestCaller, asks};
use crate::workflow_fixture::{WorkflowApp, workflow};

fn app_of(tools: ToolPolicy, shelf: &Shelf, store: Store, settings: Settings) -> Router {
    let registry = with_tools(registry_of(asking(tools)), shelf).store(store);
    registry.into_router(settings).unwrap()
}

/// A service whose model plays `scripts`.
async fn service(
    tools: ToolPolicy,
    scripts: impl IntoIterator<Item = Script>,
) -> (Router, MockServer, Shelf) {
    let server = mock_server(scripts).await;
    let shelf = Shelf::default();
    let settings = server.settings(ProviderKind::OpenAi);
    let app = app_of(tools, &shelf, Store::memory(), settings);
    (app, server, shelf)
}

fn asking_client() -> McpClient {
    McpClient::stateless().capable(asks_its_user())
}

/// The parameters of the call that is made again, with an answer to what `asked` asks.
fn answered(asked: &Value, answer: &Value) -> Value {
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let requests = asked["inputRequests"].as_object().unwrap();
    let responses = requests.keys().map(|id| (id.clone(), answer.clone()));
    json!({
        "name": "desk",
        "arguments": { "input": "Shelve." },
        "inputResponses": responses.collect::<serde_json::Map<_, _>>(),
        "requestState": asked["requestState"],
    })
}

fn accept(content: Value) -> Value {
    json!({ "action": "accept", "content": content })
}

async fn begin(client: &McpClient, app: &Router) -> Value {
    client
        .call(app, "desk", json!({ "input": "Shelve." }))
        .await
}

#[tokio::test]
async fn a_client_asks_its_user_and_another_process_continues_the_run() {
    on_each_store(async |store| {
        let scripts = [shelve("Maps"), Script::text("It is on the shelf.")];
        let server = mock_server(scripts).await;
        let shelf = Shelf::default();
        let settings = server.settings(ProviderKind::OpenAi);
        let first = store.open().await;
        let app = app_of(ASKING, &shelf, first.clone(), settings.clone());
        let client = asking_client();
        let asked = begin(&client, &app).await;
        let requests = asked["inputRequests"].as_object().unwrap();
        let (_, question) = requests.iter().next().unwrap();
        assert_eq!(question["method"], "elicitation/create");
        let params = &question["params"];
        assert_eq!(params["mode"], "form");
        let message = params["message"].as_str().unwrap();
        assert!(
            message.starts_with("`desk` wants to call the tool `shelve`"),
            "{message}"
        );
        assert!(message.contains(r#"{"book":"Maps"}"#), "{message}");
        let schema = &params["requestedSchema"];
        assert_eq!(schema["properties"]["approved"]["type"], "boolean");
        assert_eq!(schema.get("additionalProperties"), None);
        assert_eq!(*shelf.lock().unwrap(), [""; 0]);

        drop(app);
        let second = match store.is_shared() {
            true => store.open().await,
            false => first,
        };
        let app = app_of(ASKING, &shelf, second, settings);
        let yes = accept(json!({ "approved": true }));
        let result = client.ask(&app, "tools/call", answered(&asked, &yes)).await;
        assert_eq!(
            result["structuredContent"]["output"], "It is on the shelf.",
            "{result}"
        );
        assert_eq!(*shelf.lock().unwrap(), ["Maps"]);
        // Once more gives the same.
        let again = client.ask(&app, "tools/call", answered(&asked, &yes)).await;
        assert_eq!(again["structuredContent"], result["structuredContent"]);
        assert_eq!(server.requests().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_state_is_worth_nothing_to_others_and_in_other_calls() {
    let server = mock_server([shelve("Maps"), Script::text("Done.")]).await;
    let settings = Settings {
        auth: Some(Auth::hs256(SECRET.as_bytes()).unwrap()),
        ..server.settings(ProviderKind::OpenAi)
    };
    let shelf = Shelf::default();
    let app = app_of(ASKING, &shelf, Store::memory(), settings);
    let client = |name| {
        let caller = TestCaller::new(name, "user");
        asking_client().authorized(caller.authorization())
    };
    let (ann, bob) = (client("ann"), client("bob"));
    let asked = begin(&ann, &app).await;
    let right = answered(&asked, &accept(json!({ "approved": true })));
    let refused = async |client: &McpClient, params: Value| {
        let answer = client.send(&app, "tools/call", params).await.json();
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    };
    refused(&bob, right.clone()).await;
    for (member, wrong) in [
        (
            "requestState",
            json!("0190a1b2-0000-7000-8000-000000000000"),
        ),
        ("requestState", json!("anything")),
        ("arguments", json!({ "input": "Shelve more." })),
        ("name", json!("desk_chat")),
        ("inputResponses", json!({ "x": 1 })),
    ] {
        let mut params = right.clone();
        params[member] = wrong;
        if member == "inputResponses" {
            let id = asked["inputRequests"].as_object().unwrap().keys().next();
            params[member] = json!({ id.unwrap(): { "action": "perhaps" } });
        }
        refused(&ann, params).await;
    }
    assert!(shelf.lock().unwrap().is_empty());
    let result = ann.ask(&app, "tools/call", right).await;
    assert_eq!(result["isError"], false, "{result}");
    assert_eq!(*shelf.lock().unwrap(), ["Maps"]);
}

#[tokio::test]
async fn what_is_missing_or_does_not_fit_is_asked_again() {
    let (app, _server, shelf) = service(ASKING, [shelve("Maps"), Script::text("Done.")]).await;
    let client = asking_client();
    let asked = begin(&client, &app).await;
    let mut nothing = answered(&asked, &Value::Null);
    nothing["inputResponses"] = json!({ "nobody-asked": accept(json!({})) });
    let wrong = answered(&asked, &accept(json!({ "approved": "maybe" })));
    for params in [nothing, wrong] {
        let again = client.ask(&app, "tools/call", params).await;
        assert_eq!(again["inputRequests"], asked["inputRequests"]);
    }
    assert!(shelf.lock().unwrap().is_empty());
}

#[tokio::test]
async fn whoever_declines_denies_the_call_and_whoever_cancels_ends_the_run() {
    let scripts = [shelve("Maps"), Script::text("Then not.")];
    let (app, _server, shelf) = service(ASKING, scripts).await;
    let client = asking_client();
    let asked = begin(&client, &app).await;
    let params = answered(&asked, &json!({ "action": "decline" }));
    let result = client.ask(&app, "tools/call", params).await;
    assert_eq!(result["structuredContent"]["output"], "Then not.");

    let (app, _server, _) = service(ASKING, [shelve("Maps")]).await;
    let asked = begin(&client, &app).await;
    let params = answered(&asked, &json!({ "action": "cancel" }));
    let result = client.ask(&app, "tools/call", params).await;
    assert_eq!(result["isError"], true, "{result}");
    assert_eq!(result["content"][0]["text"], "the run was cancelled");
    assert!(shelf.lock().unwrap().is_empty());
}

#[tokio::test]
async fn one_question_may_follow_another() {
    let tools = ToolPolicy {
        ask_user: true,
        ..ToolPolicy::DEFAULT
    };
    let scripts = [
        Script::tool_call(
            "ask_user",
            &json!({ "question": "Which?", "options": ["red", "blue"] }),
        ),
        Script::tool_call("ask_user", &json!({ "question": "How many?" })),
        Script::text("Two red ones."),
    ];
    let (app, _server, _) = service(tools, scripts).await;
    let client = asking_client().with_progress();
    let last = async |params: Value| {
        let answer = client.send(&app, "tools/call", params).await;
        messages(&answer).pop().unwrap()["result"].take()
    };
    let call = json!({ "name": "desk", "arguments": { "input": "Shelve." } });
    let first = last(call).await;
    let question = |asked: &Value| {
        let requests = asked["inputRequests"].as_object().unwrap();
        requests.values().next().unwrap()["params"].clone()
    };
    assert_eq!(question(&first)["message"], "Which?");
    let options = &question(&first)["requestedSchema"]["properties"]["answer"]["enum"];
    assert_eq!(*options, json!(["red", "blue"]));
    let second = last(answered(&first, &accept(json!({ "answer": "red" })))).await;
    assert_eq!(question(&second)["message"], "How many?", "{second}");
    assert_eq!(second["requestState"], first["requestState"]);
    let result = last(answered(&second, &accept(json!({ "answer": "two" })))).await;
    assert_eq!(result["structuredContent"]["output"], "Two red ones.");
}

#[tokio::test]
async fn a_client_that_can_not_ask_is_told_where_the_question_is_answered() {
    for client in McpClient::both() {
        let scripts = [shelve("Maps"), Script::text("Done.")];
        let (app, _server, shelf) = service(ASKING, scripts).await;
        let result = begin(&client, &app).await;
        assert_eq!(result["isError"], true);
        let text = result["content"][0]["text"].as_str().unwrap();
        let (_, path) = text.split_once("POST ").unwrap();
        let (path, _) = path.split_once(".\n").unwrap();
        let answer = post(&app, path, r#"{"approved":true}"#).await;
        assert_eq!(answer.status, 202, "{text}");
        let (run, _) = path.split_once("/actions/").unwrap();
        assert!(text.ends_with(&format!("{run}.")), "{text}");
        let mut output = Value::Null;
        for _ in 0..500 {
            output = get(&app, run).await.json()["steps"][0]["output"]["output"].take();
            if !output.is_null() {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(output, "Done.");
        assert_eq!(*shelf.lock().unwrap(), ["Maps"]);
    }
}

#[tokio::test]
async fn a_question_of_a_workflow_is_for_those_with_its_role() {
    let settings = || Settings {
        auth: Some(Auth::hs256(SECRET.as_bytes()).unwrap()),
        ..Settings::default()
    };
    let client = |role| {
        let caller = TestCaller::new("ann", role);
        asking_client().authorized(caller.authorization())
    };
    let arguments = json!({ "topic": "ducks" });
    for (role, may_answer) in [("admin", true), ("user", false)] {
        let spec = workflow(vec![asks(&["admin"], None), SHIP]);
        let app = WorkflowApp::with_store(spec, Store::memory(), settings()).app;
        let client = client(role);
        let result = client.call(&app, "workflow_play", arguments.clone()).await;
        if !may_answer {
            assert_eq!(result["structuredContent"]["status"], "waiting");
            let text = result["content"][0]["text"].as_str().unwrap();
            assert!(text.contains("Release ducks?"), "{text}");
            continue;
        }
        let mut params = answered(&result, &accept(json!({ "approved": true })));
        params["name"] = json!("workflow_play");
        params["arguments"] = arguments.clone();
        let result = client.ask(&app, "tools/call", params).await;
        assert_eq!(
            result["structuredContent"]["status"], "completed",
            "{result}"
        );
    }
}
