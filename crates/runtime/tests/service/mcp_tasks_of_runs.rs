//! Runs of workflows as tasks of the MCP server of a service.

use std::time::Duration;

use agentgen_runtime::auth::Auth;
use agentgen_runtime::axum::Router;
use agentgen_runtime::{Settings, Store};
use serde_json::{Value, json};

use crate::mcp_client::{McpClient, knows_tasks};
use crate::store_fixture::on_each_store;
use crate::waiting_runs::{SECRET, SHIP, TestCaller, asks};
use crate::workflow_fixture::{WorkflowApp, diamond, step, workflow};

fn client() -> McpClient {
    McpClient::stateless().capable(knows_tasks())
}

/// Starts a run, and returns its id.
async fn start(client: &McpClient, app: &Router) -> Value {
    let arguments = json!({ "topic": "ducks" });
    let task = client.call(app, "workflow_play", arguments).await;
    assert_eq!(task["resultType"], "task", "{task}");
    assert_eq!(task["status"], "working");
    assert!(task["ttlMs"].is_u64() && task["pollIntervalMs"].is_u64());
    assert_eq!(task.get("result"), None);
    task["taskId"].clone()
}

/// The task once it has this status.
async fn settled(client: &McpClient, app: &Router, id: &Value, status: &str) -> Value {
    let mut task = Value::Null;
    for _ in 0..1000 {
        task = client.ask(app, "tasks/get", json!({ "taskId": id })).await;
        assert_eq!(task["resultType"], "complete");
        if task["status"] == status {
            return task;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the task does not become {status}: {task}")
}

#[tokio::test]
async fn a_workflow_is_a_task_for_a_client_that_knows_tasks() {
    let app = WorkflowApp::new(diamond()).app;
    let client = client();
    let discovered = client.ask(&app, "server/discover", json!({})).await;
    let extensions = &discovered["capabilities"]["extensions"];
    assert_eq!(extensions["io.modelcontextprotocol/tasks"], json!({}));
    let id = start(&client, &app).await;
    let task = settled(&client, &app, &id, "completed").await;
    assert_eq!(task["taskId"], id);
    let report = &task["result"]["structuredContent"];
    assert_eq!(report["status"], "completed");
    assert_eq!(task["result"]["isError"], false);
    assert!(task["lastUpdatedAt"].as_str() >= task["createdAt"].as_str());

    let app = WorkflowApp::new(workflow(vec![step("a", &[], "fail")])).app;
    let id = start(&client, &app).await;
    let task = settled(&client, &app, &id, "completed").await;
    assert_eq!(task["result"]["isError"], true, "{task}");
}

#[tokio::test]
async fn a_task_is_cancelled_and_whoever_starts_it_leaves_it_running() {
    let app = WorkflowApp::new(workflow(vec![step("a", &[], "hang")])).app;
    let client = client();
    let id = start(&client, &app).await;
    let params = json!({ "taskId": id });
    let task = client.ask(&app, "tasks/get", params.clone()).await;
    assert_eq!(task["status"], "working");
    for _ in 0..2 {
        let answer = client.ask(&app, "tasks/cancel", params.clone()).await;
        assert_eq!(answer, json!({ "resultType": "complete" }));
        settled(&client, &app, &id, "cancelled").await;
    }
}

#[tokio::test]
async fn a_question_of_a_task_is_answered_also_in_another_process() {
    on_each_store(async |store| {
        let app = |store| {
            let spec = workflow(vec![asks(&[], None), SHIP]);
            WorkflowApp::with_store(spec, store, Settings::default()).app
        };
        let client = client();
        let opened = store.open().await;
        let first = app(opened.clone());
        let id = start(&client, &first).await;
        let task = settled(&client, &first, &id, "input_required").await;
        drop(first);
        let app = app(match store.is_shared() {
            true => store.open().await,
            false => opened,
        });
        let requests = task["inputRequests"].as_object().unwrap();
        let (action, request) = requests.iter().next().unwrap();
        assert_eq!(request["params"]["message"], "Release ducks?");
        let update = |content: Value| {
            let response = json!({ "action": "accept", "content": content });
            json!({ "taskId": id, "inputResponses": { action: response } })
        };
        for content in [json!({ "approved": 1 }), json!({ "approved": true })] {
            let answer = client.ask(&app, "tasks/update", update(content)).await;
            assert_eq!(answer, json!({ "resultType": "complete" }));
        }
        let task = settled(&client, &app, &id, "completed").await;
        let steps = &task["result"]["structuredContent"]["steps"];
        assert_eq!(steps[0]["output"], json!({ "approved": true }));
    })
    .await;
}

#[tokio::test]
async fn tasks_are_for_those_who_started_them_and_know_them() {
    let settings = Settings {
        auth: Some(Auth::hs256(SECRET.as_bytes()).unwrap()),
        ..Settings::default()
    };
    let spec = workflow(vec![step("a", &[], "hang")]);
    let app = WorkflowApp::with_store(spec, Store::memory(), settings).app;
    let of = |client: McpClient, name| {
        let caller = TestCaller::new(name, "user");
        client.authorized(caller.authorization())
    };
    let ann = of(client(), "ann");
    let id = start(&ann, &app).await;
    let code = async |client: &McpClient, method: &str, id: &Value| {
        let params = json!({ "taskId": id, "inputResponses": {} });
        let answer = client.send(&app, method, params).await;
        let code = answer.json()["error"]["code"].clone();
        (answer.status.as_u16(), code)
    };
    let bob = of(client(), "bob");
    let without = of(McpClient::stateless(), "ann");
    let old = of(McpClient::with_handshake(), "ann");
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        assert_eq!(code(&bob, method, &id).await, (200, json!(-32602)));
        assert_eq!(code(&ann, method, &json!("x")).await, (200, json!(-32602)));
        assert_eq!(code(&without, method, &id).await, (400, json!(-32021)));
        assert_eq!(code(&old, method, &id).await, (200, json!(-32601)));
    }
    for method in ["tasks/result", "tasks/list"] {
        assert_eq!(code(&ann, method, &id).await, (404, json!(-32601)));
    }
    assert_eq!(
        ann.ask(&app, "tasks/get", json!({ "taskId": id })).await["status"],
        "working"
    );
}
