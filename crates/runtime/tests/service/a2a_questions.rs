//! Questions that agents ask those who call them by the Agent2Agent protocol, and their answers.

use std::time::Duration;

use agentgen_runtime::Registry;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::schemars;
use agentgen_runtime::spec::{Policy, ToolPolicy};
use agentgen_runtime::testing::Script;
use agentgen_runtime::tools::{ToolContext, ToolError, tool};
use serde_json::json;

use crate::a2a_tasks::{DESK, artifact_text, call, datas, error, result, says, to_task};
use crate::mock_model::{NO_RETRIES, agent, mock_server, registry_of};
use crate::store_fixture::on_each_store;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Shelve {
    book: String,
}

/// The agent `desk`, whose model may ask and whose tool `shelve` is approved.
fn asking() -> Registry {
    let policy = Policy {
        tools: ToolPolicy {
            approve: &["shelve"],
            ask_user: true,
            ..ToolPolicy::DEFAULT
        },
        ..NO_RETRIES
    };
    let shelve =
        async |_: ToolContext, input: Shelve| Ok::<_, ToolError>(format!("shelved {}", input.book));
    registry_of(agent(|agent| agent.policy = policy)).tool(tool(
        "shelve",
        "Puts a book on the shelf.",
        shelve,
    ))
}

fn shelve(book: &str) -> Script {
    Script::tool_call("shelve", &json!({ "book": book }))
}

#[tokio::test]
async fn a_question_is_answered_by_a_message_also_in_another_process() {
    on_each_store(async |store| {
        let scripts = [
            Script::tool_call("ask_user", &json!({ "question": "Which book?" })),
            shelve("Maps"),
            Script::text("It is on the shelf."),
        ];
        let server = mock_server(scripts).await;
        let open = async || {
            let registry = asking().store(store.open().await);
            registry
                .into_router(server.settings(ProviderKind::OpenAi))
                .unwrap()
        };
        let mut app = open().await;
        let sent = result(&app, "SendMessage", says("Shelve a book.")).await;
        let task = sent["task"].clone();
        let status = &task["status"];
        assert_eq!(status["state"], "TASK_STATE_INPUT_REQUIRED");
        let parts = &status["message"]["parts"];
        assert_eq!(parts[0]["text"], "Which book?");
        assert_eq!(parts[1]["data"]["kind"], "question");
        assert_eq!(status["message"]["taskId"], task["id"]);
        if store.is_shared() {
            drop(app);
            app = open().await;
        }
        let got = result(&app, "GetTask", json!({ "id": task["id"] })).await;
        assert_eq!(got, task);
        let params = to_task(&task, json!([{ "text": "Maps" }]));
        let answered = result(&app, "SendMessage", params).await;
        let status = &answered["task"]["status"];
        assert_eq!(answered["task"]["id"], task["id"]);
        assert_eq!(status["state"], "TASK_STATE_INPUT_REQUIRED", "{answered}");
        let action = &status["message"]["parts"][1]["data"];
        assert_eq!(action["tool_call"]["tool"], "shelve");

        let wrong = to_task(&task, json!([{ "text": "perhaps" }]));
        error(&app, "SendMessage", wrong, -32602).await;
        let mut wrong = to_task(&task, json!([{ "text": "yes" }]));
        wrong["message"]["contextId"] = json!("other");
        error(&app, "SendMessage", wrong, -32602).await;
        let mut wrong = to_task(&task, json!([{ "text": "yes" }]));
        wrong["metadata"] = json!({ "action": "00000000-0000-7000-8000-000000000000" });
        error(&app, "SendMessage", wrong, -32602).await;
        let wrong = to_task(&task, json!([{ "data": { "approved": 1 } }]));
        error(&app, "SendMessage", wrong, -32602).await;

        let mut params = to_task(&task, json!([{ "data": { "approved": true } }]));
        params["metadata"] = json!({ "action": action["id"] });
        let stream = call(&app, DESK, "SendStreamingMessage", params).await;
        let events = datas(&stream.text);
        let events: Vec<_> = events.iter().map(|event| event["result"].clone()).collect();
        assert_eq!(events[0]["task"]["status"]["state"], "TASK_STATE_WORKING");
        assert_eq!(artifact_text(&events), "It is on the shelf.");
        let last = &events.last().unwrap()["statusUpdate"]["status"]["state"];
        assert_eq!(last, "TASK_STATE_COMPLETED");
        let bodies = server.requests();
        assert!(bodies[2].body.to_string().contains("shelved Maps"));
    })
    .await;
}

#[tokio::test]
async fn a_stream_ends_with_the_questions_and_another_one_goes_on() {
    let scripts = [
        shelve("Maps").then_tool_call("shelve", &json!({ "book": "Tides" })),
        Script::text("Both are."),
    ];
    let server = mock_server(scripts).await;
    let app = asking()
        .into_router(server.settings(ProviderKind::OpenAi))
        .unwrap();
    let stream = call(&app, DESK, "SendStreamingMessage", says("Shelve both.")).await;
    let events = datas(&stream.text);
    let task = events[0]["result"]["task"].clone();
    let last = &events.last().unwrap()["result"]["statusUpdate"]["status"];
    assert_eq!(last["state"], "TASK_STATE_INPUT_REQUIRED");
    // The text, and both questions.
    assert_eq!(last["message"]["parts"].as_array().unwrap().len(), 3);
    let follower = {
        let (app, id) = (app.clone(), task["id"].clone());
        tokio::spawn(async move { call(&app, DESK, "SubscribeToTask", json!({ "id": id })).await })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    let params = to_task(&task, json!([{ "text": "yes" }]));
    let first = call(&app, DESK, "SendStreamingMessage", params).await;
    let events = datas(&first.text);
    let last = &events.last().unwrap()["result"]["statusUpdate"]["status"];
    assert_eq!(last["state"], "TASK_STATE_INPUT_REQUIRED", "{events:?}");
    assert_eq!(last["message"]["parts"].as_array().unwrap().len(), 2);
    let params = to_task(&task, json!([{ "text": "no" }]));
    let done = result(&app, "SendMessage", params).await;
    assert_eq!(done["task"]["status"]["state"], "TASK_STATE_COMPLETED");
    let events = datas(&follower.await.unwrap().text);
    let state = &events[0]["result"]["task"]["status"]["state"];
    assert_eq!(state, "TASK_STATE_INPUT_REQUIRED");
    let last = &events.last().unwrap()["result"]["statusUpdate"]["status"];
    assert_eq!(last["state"], "TASK_STATE_COMPLETED", "{events:?}");
}
