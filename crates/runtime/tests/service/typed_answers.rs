//! Structured output: answers that must match a schema.

use agentgen_runtime::event::StopReason;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::schema::JsonValue;
use agentgen_runtime::schemars;
use agentgen_runtime::spec::{EndpointSpec, Policy};
use agentgen_runtime::testing::Script;
use agentgen_runtime::tools::{ToolContext, tool};
use agentgen_runtime::{Registry, RunContext, Service};
use serde_json::{Value, json};

use crate::agents::desk;
use crate::http_client::post;
use crate::mock_model::{
    KINDS, agent, agent_app, conversation, desk_app, desk_with, mock_server, output_text,
    registry_of, stream_events, system_message,
};

const ASK: &str = r#"{"message":"Are you busy?"}"#;
const GOOD: &str = r#"{"mood":"calm","reply":"No."}"#;

fn schema() -> Value {
    serde_json::from_str(desk::CHAT.output_schema).unwrap()
}

#[tokio::test]
async fn the_output_schema_is_sent_to_the_model_and_enforced() {
    for kind in KINDS {
        let server = mock_server([Script::pieces([&GOOD[..9], &GOOD[9..]]).usage(5, 7)]).await;
        let app = desk_app(&server, kind);
        let events = stream_events(&app, "/chat", ASK).await;
        assert_eq!(output_text(&events), GOOD);
        let (name, last) = events.last().unwrap();
        assert_eq!(name, "run.completed");
        assert_eq!(last["output"], json!({"mood": "calm", "reply": "No."}));
        assert_eq!(last["usage"]["output_tokens"], 7);
        let sent = &server.requests()[0].body;
        match kind {
            ProviderKind::Anthropic => {
                assert_eq!(
                    sent["tool_choice"],
                    json!({"type": "tool", "name": "final_answer"})
                );
                assert_eq!(sent["tools"][0]["input_schema"], schema());
            }
            ProviderKind::OpenAi => {
                assert_eq!(
                    sent["response_format"],
                    json!({
                        "type": "json_schema",
                        "json_schema": {"name": "chatDesk", "schema": schema(), "strict": false},
                    })
                );
            }
            ProviderKind::OpenAiResponses => {
                let format = json!({"type": "json_schema", "name": "chatDesk", "schema": schema(), "strict": false});
                assert_eq!(sent["text"], json!({ "format": format }));
            }
        }
        let system = system_message(sent);
        assert!(system.starts_with("You work at the desk of a library.\n\n"));
        assert!(system.contains(desk::CHAT.output_schema));
    }
}

#[tokio::test]
async fn an_invalid_answer_is_requested_once_more() {
    for kind in KINDS {
        for (bad, why) in [
            (r#"{"mood":"angry","reply":"No."}"#, "mood"),
            (r#"{"mood":"calm"}"#, "reply"),
            ("I am not busy.", "not JSON"),
        ] {
            let server = mock_server([
                Script::text(bad).usage(10, 1),
                Script::text(GOOD).usage(20, 2),
            ])
            .await;
            let events = stream_events(&desk_app(&server, kind), "/chat", ASK).await;
            assert_eq!(
                output_text(&events),
                bad,
                "the second answer is not streamed"
            );
            let (_, last) = events.last().unwrap();
            assert_eq!(last["output"]["mood"], "calm");
            assert_eq!(
                last["usage"],
                json!({"input_tokens": 30, "output_tokens": 3})
            );
            let sent = server.requests();
            assert_eq!(sent.len(), 2);
            let messages = conversation(&sent[1].body);
            let [.., answer, objection] = messages else {
                panic!("{messages:?}")
            };
            assert_eq!(answer["role"], "assistant");
            let shown = answer["content"].as_str().unwrap();
            assert_eq!(shown, bad);
            assert_eq!(objection["role"], "user");
            assert!(
                objection["content"].as_str().unwrap().contains(why),
                "{objection}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_is_checked_against_the_schema_and_not_only_by_its_type() {
    static COUNT: EndpointSpec = EndpointSpec {
        output_schema: r#"{"type":"object","required":["count"],"properties":{"count":{"type":"integer","minimum":2}}}"#,
        ..desk::CHAT
    };
    let count = |cx: RunContext, request: JsonValue| async move {
        cx.run::<_, JsonValue>(&desk::SPEC, &COUNT, request).await
    };
    for kind in KINDS {
        let answers = [r#"{"count":1}"#, r#"{"count":2.0}"#];
        let server = mock_server(answers.map(Script::text)).await;
        let app = Registry::new("{}")
            .service(Service::new(&desk::SPEC).endpoint(&COUNT, count))
            .into_router(server.settings(kind))
            .unwrap();
        assert_eq!(post(&app, "/chat", ASK).await.json(), json!({"count": 2}));
        let correction = server.requests()[1].body.to_string();
        assert!(
            correction.contains("/count: must be at least 2"),
            "{correction}"
        );
    }
}

#[tokio::test]
async fn two_invalid_answers_are_a_502() {
    for kind in KINDS {
        let server = mock_server([]).await;
        server.always(Script::text(r#"{"mood":"secret"}"#));
        let answer = post(&desk_app(&server, kind), "/chat", ASK).await;
        answer.problem(502);
        assert!(!answer.text.contains("secret"));
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn truncated_and_refused_answers_are_not_requested_again() {
    for kind in KINDS {
        for (reason, expected) in [
            (StopReason::MaxTokens, "cut off"),
            (StopReason::Refusal, "declined"),
        ] {
            let server = mock_server([Script::text(r#"{"mood":"ca"#).stop_reason(reason)]).await;
            let problem = post(&desk_app(&server, kind), "/chat", ASK)
                .await
                .problem(502);
            assert!(
                problem["detail"].as_str().unwrap().contains(expected),
                "{problem}"
            );
            assert_eq!(server.requests().len(), 1);
        }
    }
}

#[tokio::test]
async fn the_second_request_counts_against_the_budget() {
    let bad = || Script::text("busy").usage(40, 20);
    for (policy, sent) in [
        (
            Policy {
                budget_turns: Some(1),
                ..Policy::DEFAULT
            },
            1,
        ),
        (
            Policy {
                budget_turns: Some(2),
                ..Policy::DEFAULT
            },
            2,
        ),
        (
            Policy {
                budget_tokens: Some(60),
                ..Policy::DEFAULT
            },
            1,
        ),
        (
            Policy {
                budget_tokens: Some(61),
                ..Policy::DEFAULT
            },
            2,
        ),
    ] {
        let server = mock_server([bad(), Script::text(GOOD)]).await;
        let settings = server.settings(ProviderKind::OpenAi);
        let answer = post(&agent_app(desk_with(policy), settings), "/chat", ASK).await;
        assert_eq!(server.requests().len(), sent);
        assert_eq!(answer.status.as_u16(), if sent == 2 { 200 } else { 502 });
    }
}

#[tokio::test]
async fn a_code_fence_around_the_answer_is_accepted() {
    for fenced in [
        format!("```json\n{GOOD}\n```"),
        format!("\n```\n{GOOD}\n```\n"),
        format!("  {GOOD}\n"),
    ] {
        let server = mock_server([Script::text(fenced)]).await;
        let answer = post(&desk_app(&server, ProviderKind::OpenAi), "/chat", ASK).await;
        assert_eq!(answer.json()["mood"], "calm");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_text_answer_is_accepted_despite_tool_choice() {
    let event = |data: Value| {
        format!(
            "event: {}\ndata: {data}\n\n",
            data["type"].as_str().unwrap()
        )
    };
    let body = [
        json!({"type": "message_start", "message": {"usage": {"input_tokens": 1, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": GOOD}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}),
        json!({"type": "message_stop"}),
    ];
    let body = body.map(event).concat();
    let server = mock_server([Script::replay(200, "text/event-stream", body)]).await;
    let answer = post(&desk_app(&server, ProviderKind::Anthropic), "/chat", ASK).await;
    assert_eq!(answer.json()["mood"], "calm");
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

#[tokio::test]
async fn tools_can_be_called_before_the_structured_answer() {
    for kind in KINDS {
        let queue = tool(
            "queue",
            "Says how many wait.",
            |_: ToolContext, _: Nothing| async { Ok(0) },
        );
        let server =
            mock_server([Script::tool_call("queue", &json!({})), Script::text(GOOD)]).await;
        let registry = registry_of(agent(|_| {})).tool(queue);
        let app = registry.into_router(server.settings(kind)).unwrap();
        let events = stream_events(&app, "/chat", ASK).await;
        assert_eq!(output_text(&events), GOOD);
        assert_eq!(events.last().unwrap().1["output"]["reply"], "No.");
        if kind == ProviderKind::Anthropic {
            let sent = &server.requests()[0].body;
            let any = json!({"type": "any", "disable_parallel_tool_use": true});
            assert_eq!(sent["tool_choice"], any);
            let names = sent["tools"]
                .as_array()
                .unwrap()
                .iter()
                .map(|tool| &tool["name"]);
            assert_eq!(names.collect::<Vec<_>>(), ["queue", "final_answer"]);
        }
    }
}
