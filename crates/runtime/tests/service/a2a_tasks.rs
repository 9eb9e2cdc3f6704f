//! Agents that are asked by the Agent2Agent protocol: messages, tasks, streams and questions, in 1.0 and 0.3.

use std::sync::Arc;
use std::time::Duration;

use agentgen_runtime::Settings;
use agentgen_runtime::axum::Router;
use serde_json::{Value, json};

use crate::desk_service::{app, app_on};
use crate::http_client::{TestResponse, get, post, request, send};
use crate::stub_providers::{ConversationEcho, FailingProvider, HangingProvider, SlowAnswer};

pub const DESK: &str = "/a2a/desk";

/// Calls a method at `path`, as a client of 1.0.
pub async fn call(app: &Router, path: &str, method: &str, params: Value) -> TestResponse {
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
    let headers = [("content-type", "application/json"), ("a2a-version", "1.0")];
    send(app, request("POST", path, &headers, &body.to_string())).await
}

/// The result of a method.
pub async fn result(app: &Router, method: &str, params: Value) -> Value {
    let answer = call(app, DESK, method, params).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let answer = answer.json();
    assert_eq!(answer["jsonrpc"], "2.0");
    assert_eq!(answer["id"], 7);
    assert!(answer.get("error").is_none(), "{answer}");
    answer["result"].clone()
}

/// The error of a method.
#[track_caller]
pub fn error_of(answer: &TestResponse, code: i64) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let error = answer.json()["error"].clone();
    assert_eq!(error["code"], code, "{}", answer.text);
    assert_eq!(answer.json()["id"], 7);
    error
}

pub async fn error(app: &Router, method: &str, params: Value, code: i64) -> Value {
    error_of(&call(app, DESK, method, params).await, code)
}

/// A message of a user, with these parts.
pub fn message(parts: Value) -> Value {
    json!({ "message": { "messageId": "m1", "role": "ROLE_USER", "parts": parts } })
}

pub fn says(text: &str) -> Value {
    message(json!([{ "text": text }]))
}

/// The same, to a task.
pub fn to_task(task: &Value, parts: Value) -> Value {
    let mut params = message(parts);
    params["message"]["taskId"] = task["id"].clone();
    params["message"]["contextId"] = task["contextId"].clone();
    params
}

/// The data of the events of a stream.
pub fn datas(text: &str) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The text that the artifact events among `events` add up to.
pub fn artifact_text(events: &[Value]) -> String {
    let mut text = String::new();
    for update in events
        .iter()
        .filter_map(|event| event.get("artifactUpdate"))
    {
        if update["append"] == false {
            text.clear();
        }
        text += update["artifact"]["parts"][0]["text"].as_str().unwrap();
    }
    text
}

#[tokio::test]
async fn a_message_is_a_task_with_the_output_as_its_artifact() {
    let app = app();
    let sent = result(&app, "SendMessage", says("hello")).await;
    let task = &sent["task"];
    assert_eq!(task["status"]["state"], "TASK_STATE_COMPLETED");
    assert!(task["status"]["timestamp"].is_string());
    let output = "[echo] desk received 5 characters: hello";
    assert_eq!(task["artifacts"][0]["parts"][0]["text"], output);
    let history = &task["history"];
    assert_eq!(history[0]["messageId"], "m1");
    assert_eq!(history[0]["parts"], json!([{ "text": "hello" }]));
    assert_eq!(history[0]["taskId"], task["id"]);

    let got = result(&app, "GetTask", json!({ "id": task["id"] })).await;
    assert_eq!(got, *task);
    let params = json!({ "id": task["id"], "historyLength": 0 });
    let got = result(&app, "GetTask", params).await;
    assert!(got.get("history").is_none(), "{got}");

    let listed = result(&app, "ListTasks", json!({})).await;
    assert_eq!(listed["totalSize"], 1);
    assert_eq!(listed["nextPageToken"], "");
    assert_eq!(listed["tasks"][0]["id"], task["id"]);
    assert!(listed["tasks"][0].get("artifacts").is_none(), "{listed}");
    // It is a run like others.
    let listed = get(&app, "/v1/agents/desk/sessions").await.json();
    assert!(
        listed
            .to_string()
            .contains(task["contextId"].as_str().unwrap())
    );
}

#[tokio::test]
async fn a_context_is_a_conversation() {
    let app = app_on(ConversationEcho);
    let first = result(&app, "SendMessage", says("one")).await;
    let context = &first["task"]["contextId"];
    let mut params = says("two");
    params["message"]["contextId"] = context.clone();
    let second = result(&app, "SendMessage", params).await;
    assert_eq!(second["task"]["contextId"], *context);
    assert_ne!(second["task"]["id"], first["task"]["id"]);
    let text = second["task"]["artifacts"][0]["parts"][0]["text"].as_str();
    assert!(text.unwrap().contains("User=one"), "{second}");

    let listed = result(&app, "ListTasks", json!({ "contextId": context })).await;
    assert_eq!(listed["totalSize"], 2);
    let listed = result(&app, "ListTasks", json!({ "contextId": "other" })).await;
    assert_eq!(listed["totalSize"], 0);
    let mut params = says("three");
    params["message"]["contextId"] = json!("not/a session");
    error(&app, "SendMessage", params, -32602).await;
}

#[tokio::test]
async fn a_list_has_pages() {
    let app = app();
    let mut sent = Vec::new();
    for text in ["one", "two", "three"] {
        let task = result(&app, "SendMessage", says(text)).await;
        sent.push(task["task"]["id"].clone());
        // Times of creation are to the millisecond.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    sent.reverse();
    let first = result(&app, "ListTasks", json!({ "pageSize": 2 })).await;
    assert_eq!(first["totalSize"], 3);
    let token = &first["nextPageToken"];
    let params = json!({ "pageSize": 2, "pageToken": token, "includeArtifacts": true });
    let second = result(&app, "ListTasks", params).await;
    assert_eq!(second["nextPageToken"], "");
    let tasks = [&first, &second].map(|page| page["tasks"].as_array().unwrap().clone());
    let ids: Vec<_> = tasks
        .iter()
        .flatten()
        .map(|task| task["id"].clone())
        .collect();
    assert_eq!(ids, sent);
    assert!(tasks[1][0]["artifacts"].is_array());
    let params = json!({ "status": "TASK_STATE_WORKING" });
    assert_eq!(result(&app, "ListTasks", params).await["totalSize"], 0);
    error(&app, "ListTasks", json!({ "pageSize": 101 }), -32602).await;
    error(&app, "ListTasks", json!({ "pageToken": "x" }), -32602).await;
}

#[tokio::test]
async fn a_stream_has_the_task_its_text_and_its_end() {
    let app = app();
    let answer = call(
        &app,
        DESK,
        "SendStreamingMessage",
        says("some words to tell"),
    )
    .await;
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let events = datas(&answer.text);
    assert!(events.iter().all(|event| event["id"] == 7), "{events:?}");
    let events: Vec<_> = events.iter().map(|event| event["result"].clone()).collect();
    let task = &events[0]["task"];
    assert!(task["id"].is_string(), "{events:?}");
    let pieces = events
        .iter()
        .filter(|event| event.get("artifactUpdate").is_some());
    assert!(pieces.count() > 1, "{events:?}");
    let last = &events.last().unwrap()["statusUpdate"];
    assert_eq!(last["status"]["state"], "TASK_STATE_COMPLETED");
    assert_eq!(last["taskId"], task["id"]);
    assert_eq!(last["contextId"], task["contextId"]);
    let got = result(&app, "GetTask", json!({ "id": task["id"] })).await;
    assert_eq!(
        got["artifacts"][0]["parts"][0]["text"],
        artifact_text(&events)
    );
    // A task that has ended has no events.
    error(&app, "SubscribeToTask", json!({ "id": task["id"] }), -32004).await;
}

#[tokio::test]
async fn other_endpoints_are_skills_that_take_and_give_data() {
    let app = app();
    let mut params = message(json!([{ "data": { "message": "hello" } }]));
    params["metadata"] = json!({ "skill": "chatDesk" });
    let sent = result(&app, "SendMessage", params.clone()).await;
    let part = &sent["task"]["artifacts"][0]["parts"][0];
    assert_eq!(part["mediaType"], "application/json");
    assert_eq!(part["data"]["mood"], "busy");
    let answer = call(&app, DESK, "SendStreamingMessage", params.clone()).await;
    let events = datas(&answer.text);
    let artifact = events
        .iter()
        .find_map(|event| event["result"].get("artifactUpdate"));
    assert_eq!(
        artifact.unwrap()["artifact"]["parts"][0]["data"],
        part["data"]
    );

    params["message"]["parts"][0]["data"] = json!({ "message": "", "shelf": 1 });
    let refused = error(&app, "SendMessage", params.clone(), -32602).await;
    let text = refused.to_string();
    assert!(
        text.contains("/message") && text.contains("/shelf"),
        "{text}"
    );
    params["message"]["parts"] = json!([{ "text": "hello" }]);
    error(&app, "SendMessage", params.clone(), -32602).await;
    params["metadata"] = json!({ "skill": "nothing" });
    let refused = error(&app, "SendMessage", params, -32602).await;
    assert!(refused["message"].as_str().unwrap().contains("chatDesk"));

    let mut params = message(json!([{ "data": { "shelf": 3, "query": "maps" } }]));
    params["message"]["metadata"] = json!({ "skill": "searchDesk" });
    let sent = result(&app, "SendMessage", params).await;
    let part = &sent["task"]["artifacts"][0]["parts"][0];
    assert_eq!(part["data"]["hits"], json!(["3:maps"]));
}

#[tokio::test]
async fn a_run_that_fails_is_a_failed_task() {
    let app = app_on(FailingProvider(&["one "]));
    let sent = result(&app, "SendMessage", says("hello")).await;
    let status = &sent["task"]["status"];
    assert_eq!(status["state"], "TASK_STATE_FAILED");
    assert_eq!(status["message"]["role"], "ROLE_AGENT");
    assert!(status["message"]["parts"][0]["text"].is_string(), "{sent}");
    assert!(sent["task"].get("artifacts").is_none());
    let answer = call(&app, DESK, "SendStreamingMessage", says("hello")).await;
    let last = datas(&answer.text).pop().unwrap();
    let state = &last["result"]["statusUpdate"]["status"]["state"];
    assert_eq!(state, "TASK_STATE_FAILED");
}

#[tokio::test]
async fn a_task_that_is_not_awaited_is_followed_and_cancelled() {
    let app = app_on(HangingProvider(Arc::default()));
    let mut params = says("hello");
    params["configuration"] = json!({ "returnImmediately": true });
    let sent = result(&app, "SendMessage", params).await;
    let id = sent["task"]["id"].clone();
    let state = &sent["task"]["status"]["state"];
    assert!(["TASK_STATE_SUBMITTED", "TASK_STATE_WORKING"].contains(&state.as_str().unwrap()));
    error(
        &app,
        "SendMessage",
        to_task(&sent["task"], json!([{ "text": "more" }])),
        -32004,
    )
    .await;
    let follower = {
        let (app, id) = (app.clone(), id.clone());
        tokio::spawn(async move { call(&app, DESK, "SubscribeToTask", json!({ "id": id })).await })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    let cancelled = result(&app, "CancelTask", json!({ "id": id })).await;
    assert_eq!(cancelled["status"]["state"], "TASK_STATE_CANCELED");
    let events = datas(&follower.await.unwrap().text);
    assert_eq!(events[0]["result"]["task"]["id"], id);
    let last = events.last().unwrap();
    assert_eq!(
        last["result"]["statusUpdate"]["status"]["state"],
        "TASK_STATE_CANCELED"
    );
    error(&app, "CancelTask", json!({ "id": id }), -32002).await;
    error(
        &app,
        "SendMessage",
        to_task(&cancelled, json!([{ "text": "more" }])),
        -32004,
    )
    .await;
}

#[tokio::test]
async fn a_task_goes_on_when_its_reader_leaves() {
    let app = app_on(SlowAnswer(Duration::from_millis(200)));
    let stream = call(&app, DESK, "SendStreamingMessage", says("hello"));
    let left = tokio::time::timeout(Duration::from_millis(50), stream).await;
    assert!(left.is_err());
    for _ in 0..300 {
        let listed = result(
            &app,
            "ListTasks",
            json!({ "status": "TASK_STATE_COMPLETED" }),
        )
        .await;
        if listed["totalSize"] == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the task has ended with its reader");
}

#[tokio::test]
async fn errors_are_those_of_the_protocol() {
    let app = app();
    let unknown = json!({ "id": "00000000-0000-7000-8000-000000000000" });
    for method in ["GetTask", "CancelTask", "SubscribeToTask"] {
        let error = error(&app, method, unknown.clone(), -32001).await;
        let info = error["data"].as_array().unwrap().last().unwrap();
        assert_eq!(info["reason"], "TASK_NOT_FOUND");
        assert_eq!(info["domain"], "a2a-protocol.org");
    }
    error(&app, "GetTask", json!({ "id": "x" }), -32001).await;
    error(&app, "GetTask", json!({}), -32602).await;
    error(&app, "Fly", json!({}), -32601).await;
    let push = json!({ "taskId": "x", "url": "https://example.com/hook" });
    error(
        &app,
        "CreateTaskPushNotificationConfig",
        push.clone(),
        -32003,
    )
    .await;
    error(&app, "tasks/pushNotificationConfig/set", json!({}), -32003).await;
    let mut params = says("hello");
    params["configuration"] = json!({ "taskPushNotificationConfig": push });
    error(&app, "SendMessage", params, -32003).await;
    let file = message(json!([{ "url": "https://example.com/a.pdf" }]));
    error(&app, "SendMessage", file, -32005).await;
    error(&app, "SendMessage", message(json!([])), -32602).await;
    let mut own = says("hello");
    own["message"]["role"] = json!("ROLE_AGENT");
    error(&app, "SendMessage", own, -32602).await;

    for (body, code) in [
        ("{", -32700),
        ("[]", -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"GetTask"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"GetTask"}"#, -32600),
    ] {
        let answer = post(&app, DESK, body).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["error"]["code"], code, "{}", answer.text);
        assert!(answer.json()["id"].is_null());
    }
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "SendMessage", "params": says("x") });
    let headers = [("content-type", "application/json"), ("a2a-version", "2.0")];
    let answer = send(&app, request("POST", DESK, &headers, &body.to_string())).await;
    error_of(&answer, -32009);
}

#[tokio::test]
async fn http_has_the_same_operations() {
    let app = app();
    let sent = post(&app, "/a2a/desk/message:send", &says("hello").to_string()).await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    let task = sent.json()["task"].clone();
    let path = format!("/a2a/desk/tasks/{}", task["id"].as_str().unwrap());
    assert_eq!(get(&app, &path).await.json(), task);
    let short = get(&app, &format!("{path}?historyLength=0")).await.json();
    assert!(short.get("history").is_none(), "{short}");
    let listed = get(&app, "/a2a/desk/tasks?pageSize=5&includeArtifacts=true").await;
    assert_eq!(listed.json()["tasks"][0]["artifacts"], task["artifacts"]);
    let stream = post(&app, "/a2a/desk/message:stream", &says("hello").to_string()).await;
    let events = datas(&stream.text);
    let last = &events.last().unwrap()["statusUpdate"]["status"]["state"];
    assert_eq!(last, "TASK_STATE_COMPLETED");
    assert_eq!(
        artifact_text(&events),
        "[echo] desk received 5 characters: hello"
    );

    let assert_error = |answer: TestResponse, status: u16, reason: &str| {
        assert_eq!(answer.status, status, "{}", answer.text);
        let error = &answer.json()["error"];
        assert_eq!(error["code"], status);
        let details = error["details"].as_array().unwrap();
        assert_eq!(details.last().unwrap()["reason"], reason, "{error}");
    };
    let unknown = "/a2a/desk/tasks/00000000-0000-7000-8000-000000000000";
    assert_error(get(&app, unknown).await, 404, "TASK_NOT_FOUND");
    let cancelled = post(&app, &format!("{path}:cancel"), "{}").await;
    assert_error(cancelled, 400, "TASK_NOT_CANCELABLE");
    let followed = post(&app, &format!("{path}:subscribe"), "").await;
    assert_error(followed, 400, "UNSUPPORTED_OPERATION");
    let configs = get(&app, &format!("{path}/pushNotificationConfigs")).await;
    assert_error(configs, 400, "PUSH_NOTIFICATION_NOT_SUPPORTED");
    let wrong = post(&app, "/a2a/desk/message:send", "{}").await;
    assert_error(wrong, 400, "INVALID_PARAMS");
    assert_error(get(&app, "/a2a/nobody/tasks").await, 404, "NOT_FOUND");
    assert_error(
        get(&app, "/a2a/desk/tasks?pageSize=x").await,
        400,
        "INVALID_PARAMS",
    );
}

#[tokio::test]
async fn clients_of_0_3_are_answered_in_its_words() {
    let app = app();
    let body = |method: &str, params: Value| {
        json!({ "jsonrpc": "2.0", "id": "a", "method": method, "params": params }).to_string()
    };
    let params = json!({ "message": {
        "kind": "message", "messageId": "m1", "role": "user", "parts": [{ "kind": "text", "text": "hello" }],
    }});
    let sent = post(&app, DESK, &body("message/send", params.clone()))
        .await
        .json();
    assert_eq!(sent["id"], "a");
    let task = &sent["result"];
    assert_eq!(task["kind"], "task");
    assert_eq!(task["status"]["state"], "completed");
    let output = "[echo] desk received 5 characters: hello";
    assert_eq!(
        task["artifacts"][0]["parts"],
        json!([{ "kind": "text", "text": output }])
    );
    assert_eq!(task["history"][0]["role"], "user");
    assert_eq!(task["history"][0]["parts"], params["message"]["parts"]);
    let got = post(&app, DESK, &body("tasks/get", json!({ "id": task["id"] }))).await;
    assert_eq!(got.json()["result"], *task);
    let stream = post(&app, DESK, &body("message/stream", params.clone())).await;
    let events = datas(&stream.text);
    assert_eq!(events[0]["result"]["kind"], "task");
    let last = &events.last().unwrap()["result"];
    assert_eq!(last["kind"], "status-update");
    assert_eq!(last["final"], true);
    assert_eq!(last["status"]["state"], "completed");
    let update = events
        .iter()
        .find(|event| event["result"]["kind"] == "artifact-update");
    let part = &update.unwrap()["result"]["artifact"]["parts"][0];
    assert_eq!(part["kind"], "text");

    let hanging = app_on(HangingProvider(Arc::default()));
    let mut params = params;
    params["configuration"] = json!({ "blocking": false });
    let sent = post(&hanging, DESK, &body("message/send", params))
        .await
        .json();
    let id = json!({ "id": sent["result"]["id"] });
    let cancelled = post(&hanging, DESK, &body("tasks/cancel", id.clone()))
        .await
        .json();
    assert_eq!(cancelled["result"]["status"]["state"], "canceled");
    let again = post(&hanging, DESK, &body("tasks/cancel", id)).await.json();
    assert_eq!(again["error"]["code"], -32002);
}

#[tokio::test]
async fn a_service_can_do_without_the_protocol() {
    use agentgen_runtime::settings::Protocol;
    let settings = Settings {
        expose: vec![Protocol::Native],
        ..Settings::default()
    };
    let app = crate::desk_service::registry()
        .into_router(settings)
        .unwrap();
    assert_eq!(get(&app, "/.well-known/agent-card.json").await.status, 404);
    assert_eq!(post(&app, DESK, "{}").await.status, 404);
}
