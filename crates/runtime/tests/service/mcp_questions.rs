//! Tools of MCP servers that ask a person while they are called.

use std::time::Duration;

use agentgen_runtime::axum::Router;
use agentgen_runtime::mcp::McpServerSettings;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::{AgentSpec, Policy, ToolPolicy};
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::{Settings, Store};
use serde_json::{Value, json};

use crate::http_client::{TestResponse, get, post};
use crate::mcp_fixture::{McpServer, app, model_that_calls, plain_tool, result};
use crate::mcp_shell_server::ShellServer;
use crate::mock_model::{NO_RETRIES, agent, invoke, mock_server, registry_of};
use crate::store_fixture::on_each_store;

/// An agent whose model, and whose tools, may ask whoever started the run.
fn asking(approve: &'static [&'static str]) -> &'static AgentSpec {
    agent(|agent| {
        agent.policy = Policy {
            tools: ToolPolicy {
                approve,
                ask_user: true,
                ..ToolPolicy::DEFAULT
            },
            ..NO_RETRIES
        };
    })
}

fn service(
    model: &MockServer,
    agent: &'static AgentSpec,
    server: McpServerSettings,
    store: Store,
) -> Router {
    let settings = Settings {
        mcp_servers: [("db".to_owned(), server)].into(),
        ..model.settings(ProviderKind::Anthropic)
    };
    let registry = registry_of(agent).store(store);
    registry.into_router(settings).unwrap()
}

/// The path of the run that a request was answered with.
fn run_of(answer: &TestResponse) -> String {
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.header("location").to_owned()
}

/// Waits until the run asks something else than `before`, or has ended.
async fn next(app: &Router, run: &str, before: &Value) -> Value {
    for _ in 0..1500 {
        let report = get(app, run).await.json();
        let id = &report["actions"][0]["id"];
        match report["status"].as_str().unwrap() {
            "waiting" if id.is_string() && id != before => return report,
            "queued" | "running" | "waiting" => {}
            _ => return report,
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{}", get(app, run).await.text)
}

async fn answer(app: &Router, run: &str, report: &Value, answer: &Value) -> TestResponse {
    let id = report["actions"][0]["id"].as_str().unwrap();
    post(app, &format!("{run}/actions/{id}"), &answer.to_string()).await
}

#[tokio::test]
async fn a_question_of_a_tool_waits_for_whoever_started_the_run_also_over_a_restart() {
    on_each_store(async |test_store| {
        let shell = ShellServer::new();
        let model = model_that_calls("mcp__db__asks", &json!({})).await;
        let store = test_store.open().await;
        let spec = asking(&[]);
        let mut app = service(&model, spec, shell.settings(""), store.clone());
        let run = run_of(&invoke(&app, "go").await);
        let first = get(&app, &run).await.json();
        let action = &first["actions"][0];
        assert_eq!(action["kind"], "question");
        assert_eq!(
            action["prompt"],
            "The tool `mcp__db__asks` asks: Which color, [redacted]?"
        );
        assert_eq!(action["tool_call"]["tool"], "mcp__db__asks");
        let content = &action["schema"]["properties"]["content"];
        assert_eq!(content["required"], json!(["color"]));
        let listed = get(&app, "/v1/actions").await.json();
        assert_eq!(listed["actions"][0]["action"], *action);
        // The server was told to stop.
        assert!(
            shell
                .eventually(|| shell.noted("cancelled") == "color\n")
                .await
        );
        for wrong in [
            json!({}),
            json!({"action": "accept"}),
            json!({"action": "accept", "content": {"color": 1}}),
            json!({"action": "perhaps"}),
        ] {
            assert_eq!(
                answer(&app, &run, &first, &wrong).await.status,
                422,
                "{wrong}"
            );
        }
        if test_store.is_shared() {
            drop(app);
            let store = test_store.open().await;
            app = service(&model, spec, shell.settings(""), store);
        }
        let red = json!({"action": "accept", "content": {"color": "red"}});
        assert_eq!(answer(&app, &run, &first, &red).await.status, 202);
        // The first question gets its answer again, and the second one is asked.
        let second = next(&app, &run, &action["id"]).await;
        let prompt = second["actions"][0]["prompt"].as_str().unwrap();
        assert!(prompt.ends_with("Which size, [redacted]?"), "{second}");
        let declined = answer(&app, &run, &second, &json!({"action": "decline"})).await;
        assert_eq!(declined.status, 202, "{}", declined.text);
        let report = next(&app, &run, &second["actions"][0]["id"]).await;
        assert_eq!(report["status"], "completed", "{report}");
        let (text, is_error) = result(&model);
        assert!(!is_error && text.contains("color:red"), "{text}");
        assert!(text.contains("action:decline"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn a_tool_that_wants_input_gets_it_with_the_next_call() {
    for is_new in [true, false] {
        let tools = json!([plain_tool("wants")]);
        let server = match is_new {
            true => McpServer::start_new(tools).await,
            false => McpServer::start(tools).await,
        };
        let model = model_that_calls("mcp__db__wants", &json!({ "n": 1 })).await;
        // A call that was approved is approved once.
        let approve: &[&str] = if is_new { &["mcp__db__wants"] } else { &[] };
        let spec = asking(approve);
        let app = service(&model, spec, server.settings(), Store::memory());
        let run = run_of(&invoke(&app, "go").await);
        let mut report = get(&app, &run).await.json();
        if is_new {
            assert_eq!(report["actions"][0]["kind"], "approval");
            answer(&app, &run, &report, &json!({"approved": true})).await;
            report = next(&app, &run, &report["actions"][0]["id"]).await;
        }
        let prompt = report["actions"][0]["prompt"].as_str().unwrap();
        assert!(
            prompt.ends_with("asks: Which color, [redacted]?"),
            "{prompt}"
        );
        let blue = json!({"action": "accept", "content": {"color": "blue"}});
        assert_eq!(answer(&app, &run, &report, &blue).await.status, 202);
        let report = next(&app, &run, &report["actions"][0]["id"]).await;
        assert_eq!(report["status"], "completed", "{report}");
        let calls = server.asked("tools/call");
        assert_eq!(calls.len(), 2);
        let again = &calls[1]["params"];
        assert_eq!(again["arguments"], json!({ "n": 1 }));
        assert_eq!(again["requestState"], "s1");
        assert_eq!(again["inputResponses"], json!({ "first": blue }));
    }
}

#[tokio::test]
async fn where_nobody_can_be_asked_a_question_is_declined_and_the_model_is_told() {
    let nobody = "Nobody can be asked here, so it was declined.)";
    let shell = ShellServer::new();
    let server = McpServer::start(json!([plain_tool("wants")])).await;
    for (tool, settings, said) in [
        ("asks", shell.settings(""), "action:decline action:decline"),
        ("wants", server.settings(), "\"action\":\"decline\""),
    ] {
        let model = model_that_calls(&format!("mcp__db__{tool}"), &json!({})).await;
        let app = app(&model, agent(|_| {}), [("db", settings)]);
        assert_eq!(invoke(&app, "go").await.status, 200);
        let (text, is_error) = result(&model);
        assert!(!is_error && text.contains(said), "{text}");
        assert!(text.ends_with(nobody), "{text}");
    }
}

#[tokio::test]
async fn a_question_that_opens_an_address_is_declined() {
    let shell = ShellServer::new();
    let model = model_that_calls("mcp__db__opens", &json!({})).await;
    let app = service(&model, asking(&[]), shell.settings(""), Store::memory());
    assert_eq!(invoke(&app, "go").await.status, 200);
    let (text, _) = result(&model);
    assert!(text.starts_with("decline\n\n(the tool asked"), "{text}");
    assert!(text.contains("an address"), "{text}");
}

#[tokio::test]
async fn a_question_that_may_be_that_of_another_caller_is_asked_of_nobody() {
    let shell = ShellServer::new();
    let model = mock_server([
        Script::tool_call("mcp__db__hang", &json!({})),
        Script::text("ok"),
        Script::tool_call("mcp__db__asks", &json!({})),
        Script::text("ok"),
        Script::tool_call("mcp__db__asks", &json!({})),
    ])
    .await;
    let settings = McpServerSettings {
        call_timeout: Duration::from_millis(500),
        ..shell.settings("")
    };
    let app = service(&model, asking(&[]), settings, Store::memory());
    // A call that was left may still be under way.
    assert_eq!(invoke(&app, "go").await.status, 200);
    assert_eq!(invoke(&app, "go").await.status, 200);
    let requests = model.requests();
    let text = requests[3].body.to_string();
    assert!(text.contains("Call the tool again"), "{text}");
    // The server was started anew, so that no other call is under way.
    let run = run_of(&invoke(&app, "go").await);
    let report = get(&app, &run).await.json();
    assert_eq!(report["actions"][0]["kind"], "question", "{report}");
    assert_eq!(shell.starts(), 2);
}
