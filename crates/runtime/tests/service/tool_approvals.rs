//! Models that have to wait for a person: tool calls that somebody approves, and questions of the model.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use agentgen_runtime::auth::Auth;
use agentgen_runtime::axum::Router;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::{AgentSpec, EndpointSpec, Policy, ToolPolicy};
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::tools::{ToolContext, ToolError, tool};
use agentgen_runtime::workflow::{Expression, StepKind, StepSpec, WorkflowSpec};
use agentgen_runtime::{Registry, RunContext, Service, Settings, schemars};
use serde_json::{Value, json};

use crate::agents::desk;
use crate::event_assertions::{find_event, find_events};
use crate::http_client::{TestResponse, get, post, request, send};
use crate::mock_model::{
    NO_RETRIES, agent, conversation, invoke, mock_server, offered_tools, output_text, parse_events,
    registry_of,
};
use crate::store_fixture::on_each_store;
use crate::waiting_runs::{SECRET, TestCaller};
use crate::workflow_fixture::{STEP, workflow};

/// Nothing waits until it is asked.
pub const ASKING: ToolPolicy = ToolPolicy {
    approve: &["shelve"],
    ..ToolPolicy::DEFAULT
};
const INVOKE: &str = "/v1/agents/desk/invoke";

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Shelve {
    book: String,
}

/// The books that a tool was called with.
pub type Shelf = Arc<Mutex<Vec<String>>>;

/// The agent `desk` with this policy for its tools.
pub fn asking(tools: ToolPolicy) -> &'static AgentSpec {
    agent(|agent| {
        agent.policy = Policy {
            tools,
            ..NO_RETRIES
        };
    })
}

/// `registry` with the tools `shelve`, which notes its books, and `look`.
pub fn with_tools(registry: Registry, shelf: &Shelf) -> Registry {
    let shelf = Arc::clone(shelf);
    let shelve = move |_: ToolContext, input: Shelve| {
        let shelf = Arc::clone(&shelf);
        async move {
            shelf.lock().unwrap().push(input.book.clone());
            Ok::<_, ToolError>(format!("shelved {}", input.book))
        }
    };
    let look = |_: ToolContext, input: Shelve| async move {
        Ok::<_, ToolError>(format!("{} is red", input.book))
    };
    registry
        .tool(tool("shelve", "Puts a book on the shelf.", shelve))
        .tool(tool("look", "Looks at a book.", look))
}

/// A service of `agent` and a model that plays `scripts`.
async fn service(
    agent: &'static AgentSpec,
    scripts: impl IntoIterator<Item = Script>,
) -> (Router, MockServer, Shelf) {
    let server = mock_server(scripts).await;
    let shelf = Shelf::default();
    let registry = with_tools(registry_of(agent), &shelf);
    let app = registry.into_router(server.settings(ProviderKind::OpenAi));
    (app.unwrap(), server, shelf)
}

pub fn shelve(book: &str) -> Script {
    Script::tool_call("shelve", &json!({ "book": book }))
}

/// The action that the report in `response` waits for, and its path.
fn action(response: &TestResponse) -> (Value, String) {
    assert_eq!(response.status, 202, "{}", response.text);
    let report = response.json();
    let action = report["actions"][0].clone();
    let path = format!(
        "/v1/runs/{}/actions/{}",
        report["run_id"].as_str().unwrap(),
        action["id"].as_str().unwrap()
    );
    (action, path)
}

async fn answer(app: &Router, path: &str, body: Value) {
    let answer = post(app, path, &body.to_string()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
}

/// The report of the run at `location` once it waits for something else than `answered`, or has ended.
async fn settled(app: &Router, location: &str, answered: &str) -> Value {
    for _ in 0..1000 {
        let report = get(app, location).await.json();
        let actions = report["actions"].as_array().into_iter().flatten();
        let mut ids = actions.map(|action| action["id"].as_str().unwrap());
        match report["status"].as_str().unwrap() {
            "queued" | "running" => {}
            // Its row is read before its events.
            "waiting" if report.get("actions").is_none() => {}
            _ if ids.any(|id| answered.ends_with(id)) => {}
            _ => return report,
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the run at {location} goes on for ever")
}

#[tokio::test]
async fn a_call_is_made_after_it_was_approved_and_the_run_continues_where_it_was() {
    on_each_store(async |store| {
        let scripts = [
            shelve("Maps").usage(10, 1),
            Script::text("It is on the shelf.").usage(20, 2),
        ];
        let server = mock_server(scripts).await;
        let shelf = Shelf::default();
        let registry = with_tools(registry_of(asking(ASKING)), &shelf).store(store.open().await);
        let app = registry.into_router(server.settings(ProviderKind::OpenAi));
        let app = app.unwrap();
        let waiting = invoke(&app, "Shelve the maps.").await;
        let (action, path) = action(&waiting);
        let location = waiting.header("location").to_owned();
        assert_eq!(waiting.json()["status"], "waiting");
        assert_eq!(action["kind"], "approval");
        assert_eq!(
            action["prompt"],
            "`desk` wants to call the tool `shelve`. May it?"
        );
        let call = &action["tool_call"];
        assert_eq!(call["tool"], "shelve");
        assert_eq!(call["agent"], "desk");
        assert_eq!(call["arguments"], json!({ "book": "Maps" }));
        assert_eq!(*shelf.lock().unwrap(), [""; 0]);
        post(&app, &path, "{}").await.problem(422);

        answer(&app, &path, json!({ "approved": true })).await;
        let report = settled(&app, &location, &path).await;
        assert_eq!(report["status"], "completed", "{report}");
        assert_eq!(*shelf.lock().unwrap(), ["Maps"]);
        let output = &report["steps"][0]["output"];
        assert_eq!(output["output"], "It is on the shelf.");
        let usage = json!({ "input_tokens": 30, "output_tokens": 3 });
        assert_eq!(output["usage"], usage);
        assert_eq!(report["usage"], usage);
        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        let body = requests[1].body.to_string();
        assert!(body.contains("shelved Maps"), "{body}");
        // The conversation has one question and one answer.
        let session = output["session_id"].as_str().unwrap();
        let messages = format!("/v1/agents/desk/sessions/{session}/messages");
        let messages = get(&app, &messages).await.json();
        assert_eq!(
            messages["messages"].as_array().unwrap().len(),
            2,
            "{messages}"
        );
        post(&app, &path, r#"{"approved":true}"#).await.problem(409);
    })
    .await;
}

#[tokio::test]
async fn a_refusal_is_the_result_of_the_call() {
    for (body, result) in [
        (json!({ "approved": false }), "error: denied by the user"),
        (
            json!({ "approved": false, "reason": "It is lent." }),
            "error: denied by the user: It is lent.",
        ),
    ] {
        let scripts = [shelve("Maps"), Script::text("Then not.")];
        let (app, server, shelf) = service(asking(ASKING), scripts).await;
        let waiting = invoke(&app, "Shelve the maps.").await;
        let (_, path) = action(&waiting);
        answer(&app, &path, body).await;
        let report = settled(&app, waiting.header("location"), &path).await;
        assert_eq!(report["steps"][0]["output"]["output"], "Then not.");
        assert!(shelf.lock().unwrap().is_empty());
        let requests = server.requests();
        let last = conversation(&requests[1].body).last().unwrap().clone();
        assert_eq!(last["content"], result);
    }
}

#[tokio::test]
async fn an_approval_that_nobody_gives_in_time_is_a_refusal() {
    let tools = ToolPolicy {
        timeout_ms: Some(1300),
        ..ASKING
    };
    let scripts = [shelve("Maps"), Script::text("Nobody is there.")];
    let (app, server, shelf) = service(asking(tools), scripts).await;
    let waiting = invoke(&app, "Shelve the maps.").await;
    let (_, path) = action(&waiting);
    let report = settled(&app, waiting.header("location"), &path).await;
    assert_eq!(report["steps"][0]["output"]["output"], "Nobody is there.");
    assert!(shelf.lock().unwrap().is_empty());
    let body = server.requests()[1].body.to_string();
    assert!(body.contains("denied: nobody answered in time"), "{body}");
    post(&app, &path, r#"{"approved":true}"#).await.problem(410);
}

#[tokio::test]
async fn of_several_calls_those_that_need_nobody_are_made_once_and_the_others_are_all_asked_about()
{
    let calls = shelve("Maps")
        .then_tool_call("look", &json!({ "book": "Tides" }))
        .then_tool_call("shelve", &json!({ "book": "Tides" }));
    let (app, server, shelf) = service(asking(ASKING), [calls, Script::text("Done.")]).await;
    let waiting = invoke(&app, "Shelve both.").await;
    let report = waiting.json();
    let actions = report["actions"].as_array().unwrap();
    let books: Vec<_> = actions
        .iter()
        .map(|action| action["tool_call"]["arguments"]["book"].as_str().unwrap())
        .collect();
    assert_eq!(books, ["Maps", "Tides"]);
    let path = |index: usize| {
        let id = actions[index]["id"].as_str().unwrap();
        format!("{}/actions/{id}", waiting.header("location"))
    };
    answer(&app, &path(1), json!({ "approved": false })).await;
    let report = settled(&app, waiting.header("location"), &path(1)).await;
    assert_eq!(report["status"], "waiting", "{report}");
    answer(&app, &path(0), json!({ "approved": true })).await;
    let report = settled(&app, waiting.header("location"), &path(0)).await;
    assert_eq!(report["steps"][0]["output"]["output"], "Done.", "{report}");
    assert_eq!(*shelf.lock().unwrap(), ["Maps"]);
    let requests = server.requests();
    let results = conversation(&requests[1].body).iter().rev().take(3);
    let results: Vec<_> = results
        .map(|item| item["content"].as_str().unwrap())
        .collect();
    assert_eq!(
        results,
        ["error: denied by the user", "Tides is red", "shelved Maps"]
    );
}

#[tokio::test]
async fn nobody_is_asked_about_a_call_that_can_not_be_made() {
    let tools = ToolPolicy {
        approve: &["*"],
        ..ToolPolicy::DEFAULT
    };
    let agent = agent(|agent| {
        agent.policy = Policy {
            tools,
            ..NO_RETRIES
        };
        agent.denied_tools = &["look"];
    });
    let scripts = [
        Script::tool_call("shelve", &json!({ "shelf": 3 })),
        Script::tool_call("burn", &json!({})),
        Script::tool_call("look", &json!({ "book": "Maps" })),
        Script::text("I can't."),
    ];
    let (app, server, _) = service(agent, scripts).await;
    let done = invoke(&app, "Burn it.").await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(done.json()["output"], "I can't.");
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_model_asks_its_user() {
    let tools = ToolPolicy {
        ask_user: true,
        ..ToolPolicy::DEFAULT
    };
    let question = json!({ "question": "Which colour?", "options": ["red", "blue"] });
    let scripts = [
        Script::tool_call("ask_user", &question),
        Script::tool_call("ask_user", &json!({ "question": "How many?" })),
        Script::text("Two red ones."),
    ];
    let (app, server, _) = service(asking(tools), scripts).await;
    let waiting = invoke(&app, "Order books.").await;
    let (first, path) = action(&waiting);
    assert_eq!(first["kind"], "question");
    assert_eq!(first["prompt"], "Which colour?");
    assert!(offered_tools(&server.requests()[0].body).contains(&"ask_user".to_owned()));
    post(&app, &path, r#"{"answer":"green"}"#)
        .await
        .problem(422);
    answer(&app, &path, json!({ "answer": "red" })).await;
    let location = waiting.header("location").to_owned();
    let report = settled(&app, &location, &path).await;
    let second = &report["actions"][0];
    assert_eq!(second["prompt"], "How many?", "{report}");
    let path = format!("{location}/actions/{}", second["id"].as_str().unwrap());
    answer(&app, &path, json!({ "answer": "two" })).await;
    let report = settled(&app, &location, &path).await;
    assert_eq!(report["steps"][0]["output"]["output"], "Two red ones.");
    let requests = server.requests();
    let last = conversation(&requests[2].body).last().unwrap().clone();
    assert_eq!(last["content"], "two");
}

#[tokio::test]
async fn who_approves_has_the_role_and_whoever_started_the_run_reads_it() {
    let tools = ToolPolicy {
        roles: &["librarian"],
        ..ASKING
    };
    let server = mock_server([shelve("Maps"), Script::text("Done.")]).await;
    let settings = Settings {
        auth: Some(Auth::hs256(SECRET.as_bytes()).unwrap()),
        ..server.settings(ProviderKind::OpenAi)
    };
    let shelf = Shelf::default();
    let registry = with_tools(registry_of(asking(tools)), &shelf);
    let app = registry.into_router(settings).unwrap();
    let (ann, bob) = (
        TestCaller::new("ann", "user"),
        TestCaller::new("bob", "librarian"),
    );
    let waiting = ann.post(&app, INVOKE, r#"{"input":"Shelve."}"#).await;
    let (_, path) = action(&waiting);
    let yes = r#"{"approved":true}"#;
    ann.post(&app, &path, yes).await.problem(403);
    let answered = bob.post(&app, &path, yes).await;
    assert_eq!(answered.status, 202, "{}", answered.text);
    let location = waiting.header("location").to_owned();
    ann.report(&app, &location, "completed").await;
    assert_eq!(*shelf.lock().unwrap(), ["Maps"]);
    bob.get(&app, &location).await.problem(404);
}

#[tokio::test]
async fn respond_async_is_answered_at_once_and_a_key_finds_the_run_again() {
    let (app, _server, _) = service(asking(ASKING), [Script::text("At once.")]).await;
    let headers = [
        ("content-type", "application/json"),
        ("prefer", "wait=5, Respond-Async"),
        ("idempotency-key", "one"),
    ];
    let body = r#"{"input":"Hello."}"#;
    let started = send(&app, request("POST", INVOKE, &headers, body)).await;
    assert_eq!(started.status, 202, "{}", started.text);
    assert_eq!(started.header("preference-applied"), "respond-async");
    let location = started.header("location").to_owned();
    let report = settled(&app, &location, "").await;
    assert_eq!(report["workflow"], "agent.run");
    assert_eq!(report["steps"][0]["agent"], "desk");
    assert_eq!(report["steps"][0]["endpoint"], "invoke");
    assert_eq!(report["steps"][0]["output"]["output"], "At once.");
    let again = send(&app, request("POST", INVOKE, &headers, body)).await;
    assert_eq!(again.header("location"), location);
    let other = r#"{"input":"Something else."}"#;
    send(&app, request("POST", INVOKE, &headers, other))
        .await
        .problem(422);
    let list = get(&app, "/v1/runs?workflow=agent.run").await.json();
    assert_eq!(list["runs"].as_array().unwrap().len(), 1, "{list}");
    post(&app, "/v1/workflows/agent.run/runs", "{}")
        .await
        .problem(404);
}

#[tokio::test]
async fn a_stream_tells_what_it_waits_for_and_goes_on() {
    let scripts = [
        Script::text("I shelve it. ").then_tool_call("shelve", &json!({ "book": "Maps" })),
        Script::pieces(["It is ", "on the shelf."]),
    ];
    let (app, _server, shelf) = service(asking(ASKING), scripts).await;
    let headers = [
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
    ];
    let body = r#"{"input":"Shelve the maps."}"#;
    let stream = tokio::spawn({
        let app = app.clone();
        async move { send(&app, request("POST", INVOKE, &headers, body)).await }
    });
    let run = loop {
        let runs = get(&app, "/v1/runs?status=waiting").await.json();
        match runs["runs"][0]["run_id"].as_str() {
            Some(run) => break run.to_owned(),
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    let report = get(&app, &format!("/v1/runs/{run}")).await.json();
    let id = report["actions"][0]["id"].as_str().unwrap();
    let path = format!("/v1/runs/{run}/actions/{id}");
    answer(&app, &path, json!({ "approved": true })).await;
    let stream = stream.await.unwrap();
    assert_eq!(stream.status, 200, "{}", stream.text);
    let events = parse_events(&stream.text);
    assert_eq!(find_events(&events, "run.started").len(), 1, "{events:?}");
    assert_eq!(events[0].1["run_id"], *run);
    assert_eq!(find_event(&events, "action.required")["action"]["id"], *id);
    assert_eq!(
        find_event(&events, "action.resolved")["outcome"],
        "answered"
    );
    assert_eq!(output_text(&events), "I shelve it. \n\nIt is on the shelf.");
    let last = &events.last().unwrap().1;
    assert_eq!(last["type"], "run.completed");
    assert_eq!(last["output"]["run_id"], *run);
    assert_eq!(*shelf.lock().unwrap(), ["Maps"]);
}

#[tokio::test]
async fn a_failure_has_the_status_that_it_would_have_without_a_run() {
    let (app, _server, _) = service(asking(ASKING), [Script::error(401, "no")]).await;
    let failed = invoke(&app, "Hello.").await;
    let (direct, _other, _) =
        service(asking(ToolPolicy::DEFAULT), [Script::error(401, "no")]).await;
    let direct = invoke(&direct, "Hello.").await;
    let (problem, expected) = (failed.json(), direct.json());
    assert_eq!(failed.status, direct.status, "{problem}");
    for member in ["type", "title", "detail", "instance"] {
        assert_eq!(problem[member], expected[member], "{member}");
    }
    let (app, _server, _) = service(asking(ASKING), []).await;
    invoke(&app, "").await.problem(422);
    let runs = get(&app, "/v1/runs").await.json();
    assert_eq!(runs["runs"], json!([]));
}

#[tokio::test]
async fn a_typed_answer_continues_after_an_approval_with_what_was_there() {
    let typed = |script: Script| async move {
        let (app, server, shelf) = service(asking(ASKING), [shelve("Maps"), script]).await;
        let waiting = post(&app, "/chat", r#"{"message":"Shelve the maps."}"#).await;
        let (_, path) = action(&waiting);
        answer(&app, &path, json!({ "approved": true })).await;
        let report = settled(&app, waiting.header("location"), &path).await;
        assert_eq!(shelf.lock().unwrap().len(), 1);
        (report, server)
    };
    let (report, server) = typed(Script::text(r#"{"mood":"calm","reply":"Done."}"#)).await;
    assert_eq!(report["steps"][0]["output"]["reply"], "Done.", "{report}");
    let (first, second) = (&server.requests()[0].body, &server.requests()[1].body);
    let shared = conversation(first).len();
    assert_eq!(conversation(first), &conversation(second)[..shared]);
}

#[tokio::test]
async fn a_handler_that_is_called_again_repeats_no_turn_that_has_ended() {
    let agent = asking(ASKING);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let handler = move |cx: RunContext, request: agentgen_runtime::InvokeRequest| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            let first = agentgen_runtime::InvokeRequest::new("Look at it.");
            let first = cx.invoke(agent, first).await?;
            let mut second = cx.invoke(agent, request).await?;
            second.value.output = format!("{} {}", first.value.output, second.value.output);
            Ok(second)
        }
    };
    let scripts = [
        Script::text("It is red.").usage(1, 1),
        shelve("Maps").usage(1, 1),
        Script::text("It is shelved.").usage(1, 1),
    ];
    let server = mock_server(scripts).await;
    let shelf = Shelf::default();
    let registry =
        Registry::new("{}").service(Service::new(agent).endpoint(&desk::INVOKE, handler));
    let app = with_tools(registry, &shelf)
        .into_router(server.settings(ProviderKind::OpenAi))
        .unwrap();
    let waiting = invoke(&app, "Shelve the maps.").await;
    let (_, path) = action(&waiting);
    answer(&app, &path, json!({ "approved": true })).await;
    let report = settled(&app, waiting.header("location"), &path).await;
    let output = &report["steps"][0]["output"]["output"];
    assert_eq!(output, "It is red. It is shelved.", "{report}");
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    assert_eq!(server.requests().len(), 3);
    let usage = json!({ "input_tokens": 3, "output_tokens": 3 });
    assert_eq!(report["usage"], usage);
}

/// Calls `desk` for each of the books, one after the other.
fn shelving() -> WorkflowSpec {
    let each = StepSpec {
        id: "shelve",
        kind: StepKind::ForEach {
            agent: "desk",
            endpoint: "invoke",
            items: Expression::Path(&["input", "books"]),
            when: None,
            concurrency: 1,
        },
        ..STEP
    };
    WorkflowSpec {
        input_schema: r#"{"type":"object"}"#,
        ..workflow(vec![each])
    }
}

#[tokio::test]
async fn each_item_of_a_list_waits_for_its_own_approval() {
    on_each_store(async |store| {
        let scripts = [
            shelve("Maps"),
            shelve("Tides"),
            Script::text("Maps are there."),
            Script::text("Tides are there."),
        ];
        let server = mock_server(scripts).await;
        let shelf = Shelf::default();
        let registry = with_tools(registry_of(asking(ASKING)), &shelf)
            .workflow(Box::leak(Box::new(shelving())))
            .store(store.open().await);
        let app = registry.into_router(server.settings(ProviderKind::OpenAi));
        let app = app.unwrap();
        let books = r#"{"books":["Maps","Tides"]}"#;
        let started = post(&app, "/v1/workflows/play/runs", books).await;
        assert_eq!(started.status, 202, "{}", started.text);
        let location = started.header("location").to_owned();
        let mut report = settled(&app, &location, "").await;
        let actions = report["actions"].as_array().unwrap().clone();
        let steps: Vec<_> = actions.iter().map(|action| &action["step"]).collect();
        assert_eq!(steps, ["shelve[0]", "shelve[1]"], "{report}");
        for (number, action) in actions.iter().enumerate() {
            assert_eq!(shelf.lock().unwrap().len(), number);
            let path = format!("{location}/actions/{}", action["id"].as_str().unwrap());
            answer(&app, &path, json!({ "approved": true })).await;
            report = settled(&app, &location, &path).await;
        }
        assert_eq!(report["status"], "completed", "{report}");
        let output = json!(["Maps are there.", "Tides are there."]);
        assert_eq!(report["steps"][0]["output"], output, "{report}");
        assert_eq!(*shelf.lock().unwrap(), ["Maps", "Tides"]);
    })
    .await;
}

#[tokio::test]
async fn a_run_is_started_again_by_whoever_has_the_role_of_its_endpoint() {
    let agent = asking(ASKING);
    let invoke = EndpointSpec {
        roles: &["librarian"],
        ..desk::INVOKE
    };
    let handler = move |cx: RunContext, request| async move { cx.invoke(agent, request).await };
    let service = Service::new(agent).endpoint(Box::leak(Box::new(invoke)), handler);
    let server = mock_server([Script::error(401, "no"), Script::text("Again.")]).await;
    let settings = Settings {
        auth: Some(Auth::hs256(SECRET.as_bytes()).unwrap()),
        ..server.settings(ProviderKind::OpenAi)
    };
    let registry = Registry::new("{}").service(service);
    let app = registry.into_router(settings).unwrap();
    let (ann, demoted) = (
        TestCaller::new("ann", "librarian"),
        TestCaller::new("ann", "user"),
    );
    let body = r#"{"input":"Hello."}"#;
    assert_eq!(ann.post(&app, INVOKE, body).await.status, 502);
    let runs = ann.get(&app, "/v1/runs").await.json();
    let location = format!("/v1/runs/{}", runs["runs"][0]["run_id"].as_str().unwrap());
    for operation in ["retry", "restart"] {
        let path = format!("{location}/{operation}");
        demoted.post(&app, &path, "").await.problem(403);
    }
    let retried = ann.post(&app, &format!("{location}/retry"), "").await;
    assert_eq!(retried.status, 202, "{}", retried.text);
    ann.report(&app, &location, "completed").await;
}
