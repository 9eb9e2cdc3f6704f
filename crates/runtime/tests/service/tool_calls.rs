//! Tool calls of models.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use agentgen_runtime::event::StopReason;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::Policy;
use agentgen_runtime::testing::Script;
use agentgen_runtime::tools::{ToolContext, ToolError, tool};
use agentgen_runtime::{Registry, Settings, schemars};
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::event_assertions::{assert_lines_of_types, event_types, find_event};
use crate::http_client::{eventually, post};
use crate::mock_model::{
    KINDS, NO_RETRIES, agent, conversation, desk_with, invoke, mock_server, output_text,
    registry_of, stream_events,
};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Shelf {
    /// The number on the shelf.
    number: u32,
}

fn with_tools(registry: Registry) -> Registry {
    let books = |_: ToolContext, shelf: Shelf| async move {
        match shelf.number {
            4 => Ok(json!({"books": ["Maps", "Tides"]})),
            13 => panic!("the shelf fell over"),
            number => Err(ToolError::new(format!("there is no shelf {number}"))),
        }
    };
    let who = |cx: ToolContext, _: Value| async move {
        assert_eq!(cx.agent, "desk");
        Ok(cx.subject)
    };
    registry
        .tool(tool("books", "Lists the books of a shelf.", books))
        .tool(tool::<Empty, _, _, _>(
            "who",
            "Says who asks.",
            move |cx, _| who(cx, Value::Null),
        ))
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Empty {}

const INVOKE: &str = "/v1/agents/desk/invoke";

#[tokio::test]
async fn a_tool_is_called_and_its_result_is_sent_to_the_model() {
    for kind in KINDS {
        let server = mock_server([
            Script::text("Let me look.")
                .then_tool_call("books", &json!({"number": 4}))
                .usage(10, 5),
            Script::pieces(["Maps ", "and Tides."]).usage(20, 6),
        ])
        .await;
        let app = with_tools(registry_of(agent(|_| {})))
            .into_router(server.settings(kind))
            .unwrap();
        let events = stream_events(&app, INVOKE, r#"{"input":"What is on shelf 4?"}"#).await;
        assert_lines_of_types(
            &event_types(&events),
            &[
                "run.started",
                "output.delta",
                "tool.started",
                "tool.completed",
                "output.delta",
                "output.delta",
                "run.completed",
            ],
        );
        let started = find_event(&events, "tool.started");
        let completed = find_event(&events, "tool.completed");
        assert_eq!(started["tool"], "books");
        assert_eq!(started["arguments"], json!({"number": 4}));
        assert_eq!(started["call_id"], completed["call_id"]);
        assert_eq!(completed["is_error"], false);
        assert!(
            !completed.to_string().contains("Tides"),
            "results are for the model"
        );
        let last = find_event(&events, "run.completed");
        assert_eq!(
            last["usage"],
            json!({"input_tokens": 30, "output_tokens": 11})
        );
        assert_eq!(last["output"]["output"], output_text(&events));
        assert_eq!(output_text(&events), "Let me look.\n\nMaps and Tides.");

        let requests = server.requests();
        let (first, second) = (&requests[0].body, &requests[1].body);
        assert_eq!(first["tools"].as_array().unwrap().len(), 2);
        assert_eq!(first["tools"], second["tools"]);
        let tool = &first["tools"][0];
        let messages = conversation(second);
        let result = r#"{"books":["Maps","Tides"]}"#;
        let schema = match kind {
            ProviderKind::Anthropic => {
                let [_, called, answered] = messages else {
                    panic!("{messages:?}")
                };
                assert_eq!(
                    called["content"][0],
                    json!({"type": "text", "text": "Let me look."})
                );
                let call = &called["content"][1];
                assert_eq!(
                    (&call["name"], &call["input"]),
                    (&json!("books"), &json!({"number": 4}))
                );
                assert_eq!(answered["role"], "user");
                assert_eq!(
                    answered["content"][0],
                    json!({
                        "type": "tool_result", "tool_use_id": call["id"], "content": result, "is_error": false,
                    })
                );
                assert_eq!(tool["name"], "books");
                &tool["input_schema"]
            }
            ProviderKind::OpenAi => {
                let [_, _, called, answered] = messages else {
                    panic!("{messages:?}")
                };
                assert_eq!(called["content"], "Let me look.");
                let call = &called["tool_calls"][0];
                assert_eq!(
                    call["function"],
                    json!({"name": "books", "arguments": r#"{"number":4}"#})
                );
                assert_eq!(
                    answered,
                    &json!({"role": "tool", "tool_call_id": call["id"], "content": result})
                );
                assert_eq!(tool["function"]["name"], "books");
                &tool["function"]["parameters"]
            }
            ProviderKind::OpenAiResponses => {
                let [_, said, called, answered] = messages else {
                    panic!("{messages:?}")
                };
                assert_eq!(said["content"][0]["text"], "Let me look.");
                assert_eq!(said["id"], "msg_mock_0", "items go back as they are");
                assert_eq!(
                    (&called["name"], &called["arguments"]),
                    (&json!("books"), &json!(r#"{"number":4}"#))
                );
                assert_eq!(
                    answered,
                    &json!({"type": "function_call_output", "call_id": called["call_id"], "output": result})
                );
                assert_eq!(
                    (&tool["name"], &tool["strict"]),
                    (&json!("books"), &json!(false))
                );
                &tool["parameters"]
            }
        };
        assert_eq!(
            schema["properties"]["number"]["description"],
            "The number on the shelf."
        );
        assert_eq!(schema["required"], json!(["number"]));
    }
}

#[tokio::test]
async fn tool_errors_are_sent_to_the_model() {
    for kind in KINDS {
        let calls = Script::tool_call("books", &json!({"number": 5}))
            .then_tool_call("books", &json!({"number": "four"}))
            .then_unreadable_call("books", "{\"number\":")
            .then_tool_call("Bash", &json!({"command": "ls"}))
            .then_tool_call("who", &json!({}));
        let server = mock_server([calls, Script::text("Sorry.")]).await;
        let app = with_tools(registry_of(agent(|_| {})))
            .into_router(server.settings(kind))
            .unwrap();
        let events = stream_events(&app, INVOKE, r#"{"input":"hi"}"#).await;
        let errors = events.iter().filter(|(name, _)| name == "tool.completed");
        assert_eq!(
            errors.filter(|(_, data)| data["is_error"] == true).count(),
            4
        );
        let body = &server.requests()[1].body;
        let messages = conversation(body);
        let results = match kind {
            ProviderKind::Anthropic => messages[2]["content"].as_array().unwrap().clone(),
            ProviderKind::OpenAi => messages[3..].to_vec(),
            ProviderKind::OpenAiResponses => messages[6..].to_vec(),
        };
        let results = results
            .iter()
            .map(|result| result["content"].as_str().or(result["output"].as_str()))
            .map(Option::unwrap)
            .collect::<Vec<_>>();
        assert_eq!(results.len(), 5);
        let error = |kind| match kind {
            ProviderKind::Anthropic => "",
            ProviderKind::OpenAi | ProviderKind::OpenAiResponses => "error: ",
        };
        let error = error(kind);
        assert_eq!(results[0], format!("{error}there is no shelf 5"));
        assert!(
            results[1].contains("does not fit: /number: must be an integer"),
            "{}",
            results[1]
        );
        assert!(results[2].contains("does not fit"), "{}", results[2]);
        assert!(
            results[3].starts_with(&format!("{error}denied")),
            "{}",
            results[3]
        );
        assert_eq!(results[4], "anonymous");
    }
}

#[tokio::test]
async fn tool_calls_with_duplicate_ids_are_distinguished() {
    let call = |id: &str, number: u32| {
        let function = json!({"name": "books", "arguments": json!({"number": number}).to_string()});
        let call = json!({"index": 0, "id": id, "type": "function", "function": function});
        let data = json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]});
        format!("data: {data}\n\n")
    };
    let body = call("a", 4) + &call("b", 5) + "data: [DONE]\n\n";
    let server = mock_server([
        Script::replay(200, "text/event-stream", body),
        Script::text("Done."),
    ])
    .await;
    let registry = with_tools(registry_of(agent(|_| {})));
    let app = registry
        .into_router(server.settings(ProviderKind::OpenAi))
        .unwrap();
    assert_eq!(invoke(&app, "hi").await.json()["output"], "Done.");
    let messages = &server.requests()[1].body["messages"];
    assert_eq!(messages[3]["content"], r#"{"books":["Maps","Tides"]}"#);
    assert_eq!(messages[4]["content"], "error: there is no shelf 5");
}

#[tokio::test]
async fn an_agent_can_call_only_the_tools_it_lists() {
    for (allowed, offered) in [
        (None, vec!["books", "who"]),
        (Some(&["books", "Read", "Bash(ls)"][..]), vec!["books"]),
        (Some(&["*"][..]), vec!["books", "who"]),
        (Some(&["books(4)"][..]), vec![]),
        (Some(&[][..]), vec![]),
    ] {
        let server = mock_server([Script::tool_call("who", &json!({})), Script::text("So.")]).await;
        let desk = agent(|agent| agent.tools = allowed);
        let app = with_tools(registry_of(desk))
            .into_router(server.settings(ProviderKind::Anthropic))
            .unwrap();
        assert_eq!(invoke(&app, "hi").await.status, 200);
        let requests = server.requests();
        let tools = requests[0].body["tools"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let names = tools
            .iter()
            .map(|tool| tool["name"].as_str().unwrap())
            .collect::<Vec<_>>();
        assert_eq!(names, offered);
        let denied = requests[1].body["messages"][2]["content"][0]["is_error"].clone();
        assert_eq!(denied, !offered.contains(&"who"), "{allowed:?}");
    }
}

#[tokio::test]
async fn the_number_of_tool_rounds_is_limited() {
    for (policy, most) in [
        (
            Policy {
                budget_turns: Some(3),
                ..NO_RETRIES
            },
            3,
        ),
        (NO_RETRIES, 16),
        (
            Policy {
                budget_tokens: Some(100),
                ..NO_RETRIES
            },
            2,
        ),
    ] {
        let server = mock_server([]).await;
        server.always(Script::tool_call("who", &json!({})).usage(40, 20));
        let registry = with_tools(registry_of(desk_with(policy)));
        let app = registry
            .into_router(server.settings(ProviderKind::OpenAi))
            .unwrap();
        invoke(&app, "hi").await.problem(502);
        assert_eq!(server.requests().len(), most);
    }
}

#[tokio::test]
async fn a_truncated_tool_call_is_not_executed() {
    let cut = Script::text("I will")
        .then_unreadable_call("who", "{")
        .stop_reason(StopReason::MaxTokens);
    for kind in KINDS {
        let server = mock_server([cut.clone()]).await;
        let app = with_tools(registry_of(agent(|_| {})))
            .into_router(server.settings(kind))
            .unwrap();
        let answer = invoke(&app, "hi").await.json();
        assert_eq!(
            (&answer["output"], &answer["stop_reason"]),
            (&json!("I will"), &json!("max_tokens"))
        );
    }
}

#[tokio::test]
async fn tools_are_cancelled_with_their_run_and_panics_are_contained() {
    let running = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&running);
    let stuck = tool("stuck", "Never ends.", move |_: ToolContext, _: Empty| {
        counted.fetch_add(1, Ordering::SeqCst);
        let guard = Guard(Arc::clone(&counted));
        async move {
            let _guard = guard;
            std::future::pending::<Result<(), ToolError>>().await
        }
    });
    let server = mock_server([
        Script::tool_call("stuck", &json!({})),
        Script::tool_call("books", &json!({"number": 13})),
        Script::text("Still here."),
    ])
    .await;
    let policy = Policy {
        timeout_ms: Some(400),
        ..NO_RETRIES
    };
    let registry = with_tools(registry_of(desk_with(policy))).tool(stuck);
    let app = registry
        .into_router(server.settings(ProviderKind::Anthropic))
        .unwrap();
    invoke(&app, "hi").await.problem(504);
    assert!(eventually(|| running.load(Ordering::SeqCst) == 0).await);
    let problem = invoke(&app, "hi").await.problem(500);
    assert!(!problem.to_string().contains("fell over"));
    assert_eq!(invoke(&app, "hi").await.json()["output"], "Still here.");
}

struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn at_most_eight_tool_calls_of_one_answer_run_at_a_time() {
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (count, highest) = (Arc::clone(&running), Arc::clone(&most));
    let nap = tool("nap", "Takes a while.", move |_: ToolContext, _: Empty| {
        let (count, highest) = (Arc::clone(&count), Arc::clone(&highest));
        async move {
            highest.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let _guard = Guard(count);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok("awake")
        }
    });
    let mut asks = Script::text("");
    for _ in 0..30 {
        asks = asks.then_tool_call("nap", &json!({}));
    }
    let server = mock_server([asks, Script::text("So.")]).await;
    let app = registry_of(desk_with(NO_RETRIES))
        .tool(nap)
        .into_router(server.settings(ProviderKind::OpenAi))
        .unwrap();
    assert_eq!(invoke(&app, "hi").await.json()["output"], "So.");
    assert_eq!(most.load(Ordering::SeqCst), 8);
    let answered = server.requests()[1].body["messages"].to_string();
    assert_eq!(answered.matches("awake").count(), 30);
}

#[tokio::test]
async fn tool_calls_of_one_answer_run_concurrently() {
    let together = Arc::new(Barrier::new(3));
    let nap = tool(
        "nap",
        "Waits for two others.",
        move |_: ToolContext, _: Empty| {
            let together = Arc::clone(&together);
            async move {
                together.wait().await;
                Ok("awake")
            }
        },
    );
    let call = |script: Script| script.then_tool_call("nap", &json!({}));
    let server = mock_server([call(call(call(Script::text("")))), Script::text("rested")]).await;
    let app = registry_of(agent(|_| {}))
        .tool(nap)
        .into_router(server.settings(ProviderKind::Anthropic))
        .unwrap();
    assert_eq!(invoke(&app, "hi").await.json()["output"], "rested");
}

#[tokio::test]
async fn sessions_store_messages_but_not_tool_calls() {
    let server = mock_server([
        Script::tool_call("who", &json!({})),
        Script::text("You are anonymous."),
        Script::text("As I said."),
    ])
    .await;
    let app = with_tools(registry_of(agent(|_| {})))
        .into_router(server.settings(ProviderKind::OpenAi))
        .unwrap();
    let first = invoke(&app, "Who am I?").await.json();
    let again = json!({"input": "Who?", "session_id": first["session_id"]}).to_string();
    assert_eq!(post(&app, INVOKE, &again).await.status, 200);
    let requests = server.requests();
    let messages = requests[2].body["messages"].as_array().unwrap();
    let messages = messages[1..]
        .iter()
        .map(|message| message["content"].as_str().unwrap())
        .collect::<Vec<_>>();
    assert_eq!(messages, ["Who am I?", "You are anonymous.", "Who?"]);
}

#[test]
fn invalid_tools_are_reported_at_startup() {
    let named = |name: &str| {
        tool(name, "Does it.", |_: ToolContext, _: Empty| async {
            Ok(())
        })
    };
    let list = tool(
        "list",
        "Takes a list.",
        |_: ToolContext, _: Vec<u8>| async { Ok(()) },
    );
    let registry = || registry_of(agent(|_| {}));
    let long = "x".repeat(65);
    for (registry, wanted) in [
        (
            registry().tool(named("no spaces")),
            "tool `no spaces`: a name has",
        ),
        (registry().tool(named("")), "tool ``: a name has"),
        (registry().tool(named(&long)), "tool `xxx"),
        (
            registry().tool(named("final_answer")),
            "tool `final_answer`: the name is reserved",
        ),
        (
            registry().tool(named("twice")).tool(named("twice")),
            "tool `twice`: is registered twice",
        ),
        (
            registry().tool(list),
            "tool `list`: its input is not an object",
        ),
    ] {
        let error = registry
            .into_router(Settings::default())
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(wanted), "{error}");
    }
}
