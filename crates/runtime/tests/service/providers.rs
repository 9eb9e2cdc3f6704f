//! Calls of providers: requests, streamed answers, and failures.

use std::time::{Duration, Instant};

use agentgen_runtime::event::StopReason;
use agentgen_runtime::model::{ProviderError, ProviderErrorKind, ProviderKind};
use agentgen_runtime::spec::Policy;
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::{AgentError, Secret, Settings};
use serde_json::json;
use tower::ServiceExt;

use crate::event_assertions::{assert_lines_of_types, event_types, find_event};
use crate::http_client::{eventually, post, request, send};
use crate::mock_model::{
    KINDS, NO_RETRIES, agent_app, desk_app, desk_with, invoke, mock_server, output_text,
    stream_events, unreachable_provider,
};

const INVOKE: &str = "/v1/agents/desk/invoke";

fn settings_with_timeout(server: &MockServer, kind: ProviderKind, timeout: Duration) -> Settings {
    let mut settings = server.settings(kind);
    settings.providers.get_mut("mock").unwrap().timeout = timeout;
    settings
}

#[tokio::test]
async fn an_answer_is_streamed_with_usage_and_stop_reason() {
    for kind in KINDS {
        let script = Script::pieces(["The maps ", "are on ", "shelf 4."]).usage(31, 9);
        let server = mock_server([script.clone(), script.stop_reason(StopReason::MaxTokens)]).await;
        let app = desk_app(&server, kind);
        let events = stream_events(&app, INVOKE, r#"{"input":"Where are the maps?"}"#).await;
        let expected = [
            "run.started",
            "output.delta",
            "output.delta",
            "output.delta",
            "run.completed",
        ];
        assert_lines_of_types(&event_types(&events), &expected);
        assert_eq!(find_event(&events, "run.started")["model"], "mock:model");
        assert_eq!(output_text(&events), "The maps are on shelf 4.");
        let completed = find_event(&events, "run.completed");
        assert_eq!(
            completed["usage"],
            json!({"input_tokens": 31, "output_tokens": 9})
        );
        assert_eq!(completed["stop_reason"], "end_turn");
        assert_eq!(completed["output"]["output"], "The maps are on shelf 4.");
        let cut = invoke(&app, "Again.").await.json();
        assert_eq!(cut["stop_reason"], "max_tokens");
    }
}

#[tokio::test]
async fn chunks_are_forwarded_as_they_arrive() {
    for kind in KINDS {
        let server = mock_server([Script::text("at once").hang()]).await;
        let app = desk_app(&server, kind);
        let headers = [
            ("content-type", "application/json"),
            ("accept", "text/event-stream"),
        ];
        let request = request("POST", INVOKE, &headers, r#"{"input":"hi"}"#);
        let response = app.oneshot(request).await.unwrap();
        let mut body = response.into_body().into_data_stream();
        let mut seen = String::new();
        while !seen.contains("at once") {
            let piece = futures_util::StreamExt::next(&mut body)
                .await
                .unwrap()
                .unwrap();
            seen.push_str(std::str::from_utf8(&piece).unwrap());
        }
        assert_eq!(server.in_flight(), 1);
    }
}

#[tokio::test]
async fn a_client_disconnect_cancels_the_provider_call() {
    for kind in KINDS {
        for script in [Script::text("word").hang(), Script::silence()] {
            let server = mock_server([script]).await;
            let app = desk_app(&server, kind);
            let json = [("content-type", "application/json")];
            let request = request("POST", INVOKE, &json, r#"{"input":"hi"}"#);
            let waiting = tokio::spawn(async move { send(&app, request).await });
            assert!(eventually(|| server.in_flight() == 1).await);
            waiting.abort();
            assert!(eventually(|| server.in_flight() == 0).await);
        }
    }
}

#[tokio::test]
async fn the_conversation_and_the_prompt_are_sent_in_each_format() {
    for kind in KINDS {
        let server = mock_server([Script::text("On shelf 4."), Script::text("Yes.")]).await;
        let app = desk_app(&server, kind);
        let first = invoke(&app, "Where are the maps?").await.json();
        let body = json!({"input": "Sure?", "session_id": first["session_id"]});
        assert_eq!(post(&app, INVOKE, &body.to_string()).await.status, 200);
        let request = &server.requests()[1];
        let system = "You work at the desk of a library.\n";
        let conversation = [
            json!({"role": "user", "content": "Where are the maps?"}),
            json!({"role": "assistant", "content": "On shelf 4."}),
            json!({"role": "user", "content": "Sure?"}),
        ];
        match kind {
            ProviderKind::Anthropic => {
                assert_eq!(request.path, "/v1/messages");
                assert_eq!(request.header("anthropic-version"), "2023-06-01");
                assert_eq!(request.body["system"], system);
                assert_eq!(request.body["messages"], json!(conversation));
                assert!(request.body["max_tokens"].as_u64().unwrap() > 0);
            }
            ProviderKind::OpenAi => {
                assert_eq!(request.path, "/v1/chat/completions");
                let messages = request.body["messages"].as_array().unwrap();
                assert_eq!(messages[0], json!({"role": "system", "content": system}));
                assert_eq!(messages[1..], conversation);
                assert_eq!(
                    request.body["stream_options"],
                    json!({"include_usage": true})
                );
                assert!(request.body.get("max_tokens").is_none());
            }
            ProviderKind::OpenAiResponses => {
                assert_eq!(request.path, "/v1/responses");
                assert_eq!(request.body["instructions"], system);
                assert_eq!(request.body["input"], json!(conversation));
                assert_eq!(request.body["store"], false);
                assert!(request.body.get("max_output_tokens").is_none());
                assert!(request.body.get("text").is_none());
            }
        }
        assert_eq!(request.body["model"], "model");
        assert_eq!(request.body["stream"], true);
        assert!(
            request.body.get("tools").is_none() && request.body.get("response_format").is_none()
        );
    }
}

#[tokio::test]
async fn api_keys_are_sent_per_vendor_and_never_returned() {
    for kind in KINDS {
        let server = mock_server([Script::error(401, "the key sk-hidden is wrong")]).await;
        let mut settings = server.settings(kind);
        let provider = settings.providers.get_mut("mock").unwrap();
        provider.api_key = Some(Secret::new("sk-hidden"));
        assert!(!format!("{settings:?}").contains("sk-hidden"));
        let app = agent_app(desk_with(NO_RETRIES), settings);
        let answer = invoke(&app, "hi").await;
        let problem = answer.problem(502);
        assert_eq!(
            problem["detail"],
            "the model's provider does not accept the service"
        );
        assert!(!answer.text.contains("sk-"));
        let request = &server.requests()[0];
        match kind {
            ProviderKind::Anthropic => assert_eq!(request.header("x-api-key"), "sk-hidden"),
            ProviderKind::OpenAi | ProviderKind::OpenAiResponses => {
                assert_eq!(request.header("authorization"), "Bearer sk-hidden");
            }
        }
    }
}

#[tokio::test]
async fn provider_statuses_map_to_service_statuses() {
    let cases = [
        (400, 502, ""),
        (401, 502, ""),
        (403, 502, ""),
        (404, 502, ""),
        (408, 504, ""),
        (409, 503, "7"),
        (429, 503, "7"),
        (500, 503, "7"),
        (503, 503, "7"),
        (529, 503, "7"),
        (302, 502, ""),
    ];
    for kind in KINDS {
        for (theirs, ours, retry_after) in cases {
            let server = mock_server([Script::error(theirs, "no").retry_after(7)]).await;
            let answer = invoke(&desk_app(&server, kind), "hi").await;
            answer.problem(ours);
            assert_eq!(answer.header("retry-after"), retry_after, "{theirs}");
            assert_eq!(server.requests().len(), 1);
        }
        let server = mock_server([Script::error(429, "no")]).await;
        let answer = invoke(&desk_app(&server, kind), "hi").await;
        assert_eq!(answer.header("retry-after"), "5");
    }
    let spent =
        r#"{"error":{"message":"pay","type":"insufficient_quota","code":"insufficient_quota"}}"#;
    let server = mock_server([Script::replay(429, "application/json", spent)]).await;
    invoke(&desk_app(&server, ProviderKind::OpenAi), "hi")
        .await
        .problem(502);
}

#[tokio::test]
async fn malformed_provider_answers_map_to_service_statuses() {
    let word = || Script::text("word");
    for kind in KINDS {
        let cases = [
            (word().cut(), 502),
            (word().end_early(), 502),
            (word().malformed(), 502),
            (word().overloaded(), 503),
            (word().hang(), 504),
            (Script::silence(), 504),
            (Script::replay(200, "application/json", "{"), 502),
            (Script::replay(200, "application/json", "{}"), 502),
            (Script::replay(200, "text/event-stream", ""), 502),
            (Script::replay(200, "text/html", "<p>hello</p>"), 502),
        ];
        for (script, status) in cases {
            let server = mock_server([script.clone()]).await;
            let patience = if status == 504 { 300 } else { 10_000 };
            let settings = settings_with_timeout(&server, kind, Duration::from_millis(patience));
            let app = agent_app(desk_with(NO_RETRIES), settings);
            let answer = invoke(&app, "hi").await;
            assert_eq!(
                answer.status.as_u16(),
                status,
                "{kind:?} {script:?} {}",
                answer.text
            );
        }
        let gone = unreachable_provider(kind).await;
        let app = agent_app(desk_with(NO_RETRIES), gone);
        let problem = invoke(&app, "hi").await.problem(503);
        assert_eq!(problem["detail"], "the model's provider can't be reached");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_midway_ends_with_an_error_event() {
    for kind in KINDS {
        let policy = Policy {
            retry_attempts: 4,
            ..Policy::DEFAULT
        };
        let server = mock_server([Script::pieces(["one ", "two"]).cut()]).await;
        let app = agent_app(desk_with(policy), server.settings(kind));
        let events = stream_events(&app, INVOKE, r#"{"input":"hi"}"#).await;
        assert_eq!(output_text(&events), "one two");
        let (name, last) = events.last().unwrap();
        assert_eq!(
            (&**name, &last["problem"]["status"]),
            ("run.failed", &json!(502))
        );
        assert_eq!(server.requests().len(), 1, "what began is not tried again");
    }
}

#[tokio::test]
async fn pauses_below_the_timeout_are_tolerated() {
    for kind in KINDS {
        let pause = Duration::from_millis(600);
        let script = Script::text("slow")
            .pause(pause)
            .then_text(" but ")
            .pause(pause)
            .then_text("sure");
        let server = mock_server([script]).await;
        let app = agent_app(
            desk_with(NO_RETRIES),
            settings_with_timeout(&server, kind, Duration::from_millis(1100)),
        );
        assert_eq!(invoke(&app, "hi").await.json()["output"], "slow but sure");
    }
}

#[tokio::test]
async fn failures_before_the_first_chunk_are_retried_per_policy() {
    let policy = Policy {
        retry_attempts: 3,
        retry_backoff_ms: 1,
        ..Policy::DEFAULT
    };
    for kind in KINDS {
        let server = mock_server([
            Script::error(529, "busy"),
            Script::text("").overloaded(),
            Script::text("at last"),
        ])
        .await;
        let app = agent_app(desk_with(policy), server.settings(kind));
        assert_eq!(invoke(&app, "hi").await.json()["output"], "at last");
        assert_eq!(server.requests().len(), 3);

        server.always(Script::error(503, "busy"));
        invoke(&app, "hi").await.problem(503);
        assert_eq!(server.requests().len(), 6, "one call and two more");

        server.always(Script::error(400, "no"));
        invoke(&app, "hi").await.problem(502);
        assert_eq!(
            server.requests().len(),
            7,
            "what is refused is not tried again"
        );
    }
}

#[tokio::test]
async fn retry_after_is_obeyed_within_the_deadline_or_forwarded() {
    for kind in KINDS {
        let policy = Policy {
            retry_attempts: 2,
            retry_backoff_ms: 1,
            timeout_ms: Some(5_000),
            ..Policy::DEFAULT
        };
        let server = mock_server([
            Script::error(429, "busy").retry_after(1),
            Script::text("now"),
        ])
        .await;
        let app = agent_app(desk_with(policy), server.settings(kind));
        let start = Instant::now();
        assert_eq!(invoke(&app, "hi").await.json()["output"], "now");
        assert!(start.elapsed() >= Duration::from_secs(1));

        server.push(Script::error(429, "busy").retry_after(60));
        let start = Instant::now();
        let answer = invoke(&app, "hi").await;
        answer.problem(503);
        assert_eq!(answer.header("retry-after"), "60");
        assert!(start.elapsed() < Duration::from_secs(4));
        assert_eq!(server.requests().len(), 3);
    }
}

#[tokio::test]
async fn deviating_openai_compatible_servers_are_supported() {
    let chunk = |delta: &str, rest: &str| {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta}{rest}}}]}}\r\n\r\n")
    };
    let unmarked = chunk(r#"{"content":"no [DONE], no usage"}"#, "")
        + &chunk("{}", r#","finish_reason":"stop""#);
    let declined = chunk(r#"{"refusal":"I can't."}"#, "")
        + &chunk("{}", r#","finish_reason":"stop""#)
        + "data: [DONE]\n\n";
    let whole = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"all at once"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
    let reasoning = chunk(r#"{"reasoning_content":"hm","content":null}"#, "")
        + &chunk(r#"{"content":"thought"}"#, r#","finish_reason":"length""#)
        + "data: [DONE]\n\n";
    let cases = [
        (
            "text/event-stream",
            unmarked,
            "no [DONE], no usage",
            "end_turn",
            None,
        ),
        ("text/event-stream", declined, "I can't.", "refusal", None),
        (
            "application/json",
            whole.to_owned(),
            "all at once",
            "end_turn",
            Some(4),
        ),
        (
            "text/event-stream",
            reasoning,
            "thought",
            "max_tokens",
            None,
        ),
    ];
    for (kind, body, text, reason, written) in cases {
        let server = mock_server([Script::replay(200, kind, body)]).await;
        let answer = invoke(&desk_app(&server, ProviderKind::OpenAi), "hi")
            .await
            .json();
        assert_eq!(answer["output"], text);
        assert_eq!(answer["stop_reason"], reason);
        let usage = &answer["usage"];
        match written {
            Some(tokens) => assert_eq!(usage["output_tokens"], tokens),
            None => assert_eq!(usage["estimated"], true),
        }
    }
    let whole = r#"{"type":"message","content":[{"type":"text","text":"all at once"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":4}}"#;
    let server = mock_server([Script::replay(200, "application/json", whole)]).await;
    let answer = invoke(&desk_app(&server, ProviderKind::Anthropic), "hi")
        .await
        .json();
    assert_eq!(
        (&answer["output"], &answer["usage"]["input_tokens"]),
        (&json!("all at once"), &json!(3))
    );
    for (error, status) in [
        (r#"{"error":{"message":"no such model","code":404}}"#, 502),
        (r#"{"error":"nothing here"}"#, 503),
    ] {
        for (kind, body) in [
            ("application/json", error.to_owned()),
            ("text/event-stream", format!("data: {error}\n\n")),
        ] {
            let server = mock_server([Script::replay(200, kind, body)]).await;
            let answer = invoke(&desk_app(&server, ProviderKind::OpenAi), "hi").await;
            answer.problem(status);
        }
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for kind in KINDS {
        let elsewhere = mock_server([]).await;
        let server = mock_server([]).await;
        let path = match kind {
            ProviderKind::Anthropic => "/v1/messages",
            ProviderKind::OpenAi => "/v1/chat/completions",
            ProviderKind::OpenAiResponses => "/v1/responses",
        };
        let there = format!("{}{path}", elsewhere.base_url());
        server.push(Script::error(307, "over there").header("location", &there));
        invoke(&desk_app(&server, kind), "hi").await.problem(502);
        assert!(elsewhere.requests().is_empty());
    }
}

#[tokio::test]
async fn base_urls_may_include_a_version() {
    for kind in KINDS {
        for tail in ["", "/", "/v1", "/v1/"] {
            let server = mock_server([Script::text("here")]).await;
            let mut settings = server.settings(kind);
            let provider = settings.providers.get_mut("mock").unwrap();
            provider.base_url = Some(format!("{}{tail}", server.base_url()));
            let app = agent_app(desk_with(NO_RETRIES), settings);
            assert_eq!(invoke(&app, "hi").await.json()["output"], "here", "{tail}");
        }
    }
}

#[tokio::test]
async fn a_token_budget_limits_max_tokens() {
    for kind in KINDS {
        let policy = Policy {
            budget_tokens: Some(500),
            ..NO_RETRIES
        };
        let server = mock_server([Script::text("short")]).await;
        let app = agent_app(desk_with(policy), server.settings(kind));
        assert_eq!(invoke(&app, "hi").await.status, 200);
        let limit = match kind {
            ProviderKind::Anthropic | ProviderKind::OpenAi => "max_tokens",
            ProviderKind::OpenAiResponses => "max_output_tokens",
        };
        assert_eq!(server.requests()[0].body[limit], 500);
    }
}

#[test]
fn error_kinds_are_distinguishable() {
    let names = ProviderErrorKind::ALL.map(ProviderErrorKind::as_str);
    assert_eq!(names.len(), std::collections::BTreeSet::from(names).len());
    for fault in ProviderErrorKind::ALL {
        let error = AgentError::from(ProviderError::new("anthropic", fault));
        assert_eq!(error.provider_error_kind(), Some(fault));
        assert_eq!(error.status(), fault.status());
        assert_eq!(
            error.to_problem().retry_after.is_some(),
            fault.status() == 503
        );
    }
    assert_eq!(AgentError::unavailable("x").provider_error_kind(), None);
}
