//! Tools and prompts of a service's MCP server: what they are, and what calls of them come to.

use std::time::Duration;

use agentgen_runtime::settings::Settings;
use agentgen_runtime::spec::EndpointSpec;
use agentgen_runtime::{Registry, RunContext, Service};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::agents::desk;
use crate::desk_service::{app, app_on, registry};
use crate::http_client::{eventually, get};
use crate::mcp_client::{McpClient, messages};
use crate::stub_providers::{FailingProvider, HangingProvider};
use crate::workflow_fixture::{STEP, WorkflowApp, diamond, step, workflow};

fn tool<'a>(list: &'a Value, name: &str) -> &'a Value {
    let mut tools = list["tools"].as_array().unwrap().iter();
    tools.find(|tool| tool["name"] == name).unwrap()
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

#[tokio::test]
async fn agents_and_endpoints_are_tools_with_their_schemas() {
    let app = app();
    for client in McpClient::both() {
        let list = client.ask(&app, "tools/list", json!({})).await;
        let desk = tool(&list, "desk");
        assert_eq!(
            desk["description"],
            "Answers the questions of a library's readers."
        );
        let chat = tool(&list, "desk_chat");
        assert_eq!(chat["inputSchema"]["type"], "object");
        assert_eq!(chat["inputSchema"]["required"], json!(["message"]));
        assert_eq!(chat["outputSchema"]["required"], json!(["mood", "reply"]));
        assert_eq!(chat.get("annotations"), None);
        let hints = &tool(&list, "desk_search")["annotations"];
        assert_eq!(*hints, json!({ "readOnlyHint": true }));
    }
    // What operates the service is no tool.
    let tools = McpClient::stateless().tools(&app).await;
    assert_eq!(tools, ["desk", "desk_chat", "desk_search"]);
}

#[tokio::test]
async fn a_call_gives_what_the_endpoint_answers_as_text_and_as_structured_content() {
    let app = app();
    for client in McpClient::both() {
        let result = client.call(&app, "desk", json!({ "input": "hello" })).await;
        let output = &result["structuredContent"];
        assert_eq!(output["output"], "[echo] desk received 5 characters: hello");
        assert_eq!(
            serde_json::from_str::<Value>(text(&result)).unwrap(),
            *output
        );
        assert_eq!(result["isError"], false);
        let kind = result.get("resultType").and_then(Value::as_str);
        assert_eq!(kind, client.is_stateless().then_some("complete"));
    }
    let client = McpClient::stateless();
    let arguments = json!({ "shelf": 7, "query": "maps", "tags": ["red"] });
    let result = client.call(&app, "desk_search", arguments).await;
    assert_eq!(
        result["structuredContent"]["hits"],
        json!(["7:maps", "red"])
    );
}

#[tokio::test]
async fn a_conversation_continues_by_its_id() {
    let app = registry().into_router(Settings::default()).unwrap();
    let client = McpClient::stateless();
    let first = client.call(&app, "desk", json!({ "input": "one" })).await;
    let session = &first["structuredContent"]["session_id"];
    let arguments = json!({ "input": "two", "session_id": session });
    let second = client.call(&app, "desk", arguments).await;
    assert_eq!(second["structuredContent"]["session_id"], *session);
    let session = session.as_str().unwrap();
    let path = format!("/v1/agents/desk/sessions/{session}/messages");
    let messages = get(&app, &path).await.json();
    assert_eq!(messages["messages"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn what_is_wrong_with_arguments_is_a_result_that_a_model_can_read() {
    let app = app();
    for client in McpClient::both() {
        let wrong = json!({ "message": "", "labels": ["RED"] });
        let result = client.call(&app, "desk_chat", wrong).await;
        assert_eq!(result["isError"], true);
        assert_eq!(result.get("structuredContent"), None);
        let text = text(&result);
        assert!(text.contains("\n/message: "), "{text}");
        assert!(text.contains("\n/labels/0: "), "{text}");
        let params = json!({ "name": "desk_cry", "arguments": {} });
        let answer = client.send(&app, "tools/call", params).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["error"]["code"], -32602);
        let none = client.send(&app, "tools/call", json!({})).await;
        assert_eq!(none.json()["error"]["code"], -32602);
    }
}

#[tokio::test]
async fn a_run_that_fails_is_a_result_and_tells_nothing_of_its_inside() {
    let client = McpClient::stateless();
    let failing = app_on(FailingProvider(&[]));
    let result = client
        .call(&failing, "desk", json!({ "input": "hi" }))
        .await;
    assert_eq!(result["isError"], true, "{result}");
    let app = app();
    for (query, said) in [
        ("slow", "the answer took longer than 200 ms"),
        ("unwritten", "search is not implemented yet"),
        ("broken", "the service failed"),
    ] {
        let arguments = json!({ "shelf": 1, "query": query });
        let result = client.call(&app, "desk_search", arguments).await;
        assert_eq!(result["isError"], true, "{result}");
        let text = text(&result);
        assert!(text.contains(said) && !text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn an_endpoint_without_an_answer_and_one_whose_answer_is_a_list_are_tools() {
    static GONE: EndpointSpec = EndpointSpec {
        name: "forget",
        operation_id: "forgetDesk",
        path: "/forget",
        status: 204,
        roles: &[],
        stream: false,
        input_schema: r#"{"additionalProperties":true}"#,
        ..desk::CHAT
    };
    static LIST: EndpointSpec = EndpointSpec {
        name: "list",
        operation_id: "listDesk",
        path: "/list",
        status: 200,
        output_schema: r#"{"type":"array","items":{"type":"integer"}}"#,
        ..GONE
    };
    let document = r#"{"paths":{"/list":{"post":{"operationId":"listDesk","summary":"Lists.","description":"It lists all of them."}}}}"#;
    let nothing = |_: RunContext, _: agentgen_runtime::schema::JsonValue| async { Ok(().into()) };
    let list =
        |_: RunContext, _: agentgen_runtime::schema::JsonValue| async { Ok(vec![1, 2].into()) };
    let service = Service::new(&desk::SPEC)
        .endpoint(&GONE, nothing)
        .endpoint(&LIST, list);
    let app = Registry::new(document)
        .service(service)
        .into_router(Settings::default())
        .unwrap();
    for client in McpClient::both() {
        let tools = client.ask(&app, "tools/list", json!({})).await;
        let forget = tool(&tools, "desk_forget");
        assert_eq!(forget["inputSchema"]["type"], "object");
        assert_eq!(forget.get("outputSchema"), None);
        assert_eq!(
            tool(&tools, "desk_list")["description"],
            "Lists.\n\nIt lists all of them."
        );
        let is_listed = tool(&tools, "desk_list").get("outputSchema").is_some();
        // Up to 2025-11-25 a structured result is an object.
        assert_eq!(is_listed, client.is_stateless());
        let result = client.call(&app, "desk_list", json!({})).await;
        assert_eq!(text(&result), "[1,2]");
        let structured = result.get("structuredContent").cloned();
        assert_eq!(structured, client.is_stateless().then(|| json!([1, 2])));
        let result = client.call(&app, "desk_forget", json!({})).await;
        assert_eq!(result["isError"], false, "{result}");
    }
}

#[tokio::test]
async fn a_client_hears_of_progress_and_gets_the_result_last() {
    let app = app();
    for client in McpClient::both() {
        let client = client.with_progress();
        let params = json!({ "name": "desk", "arguments": { "input": "some words" } });
        let answer = client.send(&app, "tools/call", params).await;
        let messages = messages(&answer);
        let (last, notes) = messages.split_last().unwrap();
        assert!(notes.len() >= 2, "{notes:?}");
        let mut before = 0.0;
        for note in notes {
            assert_eq!(note["method"], "notifications/progress");
            assert_eq!(note["params"]["progressToken"], "token-1");
            let progress = note["params"]["progress"].as_f64().unwrap();
            assert!(progress > before);
            before = progress;
        }
        assert_eq!(notes[0]["params"]["message"], "desk has begun");
        assert_eq!(last["id"], 7);
        let output = &last["result"]["structuredContent"]["output"];
        assert!(output.as_str().unwrap().ends_with("some words"), "{last}");
    }
    let client = McpClient::stateless().with_progress();
    let wrong = json!({ "name": "desk", "arguments": { "input": "" } });
    let answer = client.send(&app, "tools/call", wrong).await;
    assert_eq!(answer.json()["result"]["isError"], true);
    let failing = app_on(FailingProvider(&["one "]));
    let params = json!({ "name": "desk", "arguments": { "input": "hi" } });
    let answer = client.send(&failing, "tools/call", params).await;
    let messages = messages(&answer);
    assert_eq!(messages.last().unwrap()["result"]["isError"], true);
}

#[tokio::test]
async fn the_run_of_an_agent_ends_when_its_client_leaves() {
    let provider = HangingProvider::default();
    let app = app_on(provider.clone());
    let client = McpClient::stateless();
    let params = json!({ "name": "desk", "arguments": { "input": "hi" } });
    let call = client.send(&app, "tools/call", params.clone());
    let waited = tokio::time::timeout(Duration::from_millis(50), call).await;
    assert!(waited.is_err());
    assert!(eventually(|| provider.in_flight() == 0).await);

    let request = client.with_progress().request("tools/call", params);
    let response = app.clone().oneshot(request).await.unwrap();
    assert!(eventually(|| provider.in_flight() == 1).await);
    drop(response);
    assert!(eventually(|| provider.in_flight() == 0).await);
}

#[tokio::test]
async fn a_workflow_is_a_tool_whose_result_is_the_report_of_its_run() {
    let app = WorkflowApp::new(diamond()).app;
    for client in McpClient::both() {
        let list = client.ask(&app, "tools/list", json!({})).await;
        let play = tool(&list, "workflow_play");
        assert_eq!(play["inputSchema"]["required"], json!(["topic"]));
        assert_eq!(play["outputSchema"]["type"], "object");
        let arguments = json!({ "topic": "ducks" });
        let result = client.call(&app, "workflow_play", arguments.clone()).await;
        let report = &result["structuredContent"];
        assert_eq!(report["status"], "completed", "{result}");
        assert_eq!(result["isError"], false);
        assert_eq!(report["steps"].as_array().unwrap().len(), 4);

        let client = client.with_progress();
        let params = json!({ "name": "workflow_play", "arguments": arguments });
        let answer = client.send(&app, "tools/call", params).await;
        let messages = messages(&answer);
        let (last, notes) = messages.split_last().unwrap();
        let said = |text: &str| notes.iter().any(|note| note["params"]["message"] == text);
        assert!(
            said("left: worker has begun") && said("join: succeeded"),
            "{notes:?}"
        );
        assert_eq!(last["result"]["structuredContent"]["status"], "completed");
        let wrong = client
            .call(&app, "workflow_play", json!({ "topic": 1 }))
            .await;
        assert!(text(&wrong).contains("/topic: "), "{wrong}");
    }
    let app = WorkflowApp::new(workflow(vec![step("a", &[], "fail")])).app;
    let client = McpClient::stateless();
    let result = client
        .call(&app, "workflow_play", json!({ "topic": "x" }))
        .await;
    assert_eq!(result["isError"], true);
    assert_eq!(result["structuredContent"]["status"], "failed");
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_workflow_run_from_2026_07_28_on() {
    for client in McpClient::both() {
        let app = WorkflowApp::new(workflow(vec![step("a", &[], "hang"), STEP_B])).app;
        let params = json!({ "name": "workflow_play", "arguments": { "topic": "x" } });
        let call = client.send(&app, "tools/call", params);
        let waited = tokio::time::timeout(Duration::from_millis(300), call).await;
        assert!(waited.is_err());
        let expected = match client.is_stateless() {
            true => "cancelled",
            false => "running",
        };
        let mut status = Value::Null;
        for _ in 0..200 {
            status = get(&app, "/v1/runs").await.json()["runs"][0]["status"].take();
            if status == expected {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(status, expected);
    }
}

const STEP_B: agentgen_runtime::workflow::StepSpec = agentgen_runtime::workflow::StepSpec {
    id: "b",
    needs: &["a"],
    ..STEP
};

#[tokio::test]
async fn the_prompts_of_agents_are_prompts() {
    let app = app();
    for client in McpClient::both() {
        let list = client.ask(&app, "prompts/list", json!({})).await;
        assert_eq!(list["prompts"][0]["name"], "desk");
        let prompt = json!({ "name": "desk", "arguments": { "input": "Where is it?" } });
        let result = client.ask(&app, "prompts/get", prompt).await;
        let messages = result["messages"].as_array().unwrap();
        assert_eq!(
            messages[0]["content"]["text"],
            "You work at the desk of a library.\n"
        );
        assert_eq!(messages[1]["content"]["text"], "Where is it?");
        for wrong in [
            json!({ "name": "nobody" }),
            json!({ "name": "desk", "arguments": { "mood": "calm" } }),
        ] {
            let answer = client.send(&app, "prompts/get", wrong).await;
            assert_eq!(answer.json()["error"]["code"], -32602);
        }
    }
}
