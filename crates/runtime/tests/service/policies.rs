//! The policies of agents: retries, fallbacks, circuit breakers, budgets and deadlines.

use std::time::{Duration, Instant};

use agentgen_runtime::axum::Router;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::Policy;
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::{Service, Settings};
use serde_json::{Value, json};

use crate::event_assertions::{assert_lines_of_types, event_types, find_event, find_events};
use crate::http_client::{get, post};
use crate::mock_model::{
    KINDS, NO_RETRIES, agent, agent_app, desk_app, desk_with, invoke, mock_server, registry_of,
    stream_events,
};

const INVOKE: &str = "/v1/agents/desk/invoke";
const HI: &str = r#"{"input":"hi"}"#;
const COOLDOWN: Duration = Duration::from_millis(300);

/// The decisions of the `policy.applied` events.
fn decisions(events: &[(String, Value)]) -> Vec<&str> {
    let applied = find_events(events, "policy.applied").into_iter();
    applied
        .map(|event| event["policy"].as_str().unwrap())
        .collect()
}

async fn is_counted(app: &Router, policy: &str) -> bool {
    let text = get(app, "/metrics").await.text;
    text.contains(&format!(
        "agentgen_policies_applied_total{{agent=\"desk\",policy=\"{policy}\"}}"
    ))
}

/// Settings in which `haiku` is a second model of the mock server.
fn with_haiku(server: &MockServer, kind: ProviderKind) -> Settings {
    let mut settings = server.settings(kind);
    settings
        .models
        .insert("haiku".to_owned(), "mock:small".to_owned());
    settings
}

#[tokio::test]
async fn a_model_is_called_three_times_by_default_and_as_often_as_attempts_says() {
    let attempts = |retry_attempts| Policy {
        retry_attempts,
        ..Policy::DEFAULT
    };
    let cases = [
        (Policy::DEFAULT, 3),
        (attempts(0), 1),
        (attempts(1), 1),
        (attempts(2), 2),
        (attempts(5), 5),
    ];
    for (policy, calls) in cases {
        let policy = Policy {
            retry_backoff_ms: 1,
            ..policy
        };
        for failure in [Script::error(503, "busy"), Script::text(" ")] {
            let server = mock_server([]).await;
            server.always(failure);
            let app = agent_app(desk_with(policy), server.settings(ProviderKind::OpenAi));
            let answer = invoke(&app, "hi").await;
            assert!(
                [502, 503].contains(&answer.status.as_u16()),
                "{}",
                answer.text
            );
            assert_eq!(server.requests().len(), calls);
        }
    }
}

#[tokio::test]
async fn an_empty_answer_is_a_failure_also_when_retries_run_out() {
    for path in [INVOKE, "/chat"] {
        for empty in ["", " \n"] {
            let server = mock_server([]).await;
            server.always(Script::text(empty).usage(7, 0));
            let app = desk_app(&server, ProviderKind::OpenAi);
            let body = if path == INVOKE {
                HI
            } else {
                r#"{"message":"hi"}"#
            };
            let problem = post(&app, path, body).await.problem(502);
            assert_eq!(problem["detail"], "the model's answer is empty");
        }
    }
}

#[tokio::test]
async fn a_retry_event_follows_run_started_and_is_counted() {
    for kind in KINDS {
        let policy = Policy {
            retry_attempts: 2,
            retry_backoff_ms: 1,
            ..Policy::DEFAULT
        };
        let server = mock_server([Script::error(529, "busy"), Script::text("now")]).await;
        let app = agent_app(desk_with(policy), server.settings(kind));
        let events = stream_events(&app, INVOKE, HI).await;
        assert_lines_of_types(
            &event_types(&events),
            &[
                "run.started",
                "policy.applied",
                "output.delta",
                "run.completed",
            ],
        );
        let applied = find_event(&events, "policy.applied");
        assert_eq!(applied["policy"], "retry");
        let detail = applied["detail"].as_str().unwrap();
        assert!(detail.contains("overloaded"), "{detail}");
        assert!(!detail.contains("busy"), "the provider's words stay inside");
        assert!(is_counted(&app, "retry").await);
    }
}

#[tokio::test]
async fn a_retry_of_the_schema_repair_call_is_an_event() {
    let policy = Policy {
        retry_attempts: 2,
        retry_backoff_ms: 1,
        ..Policy::DEFAULT
    };
    for kind in KINDS {
        let server = mock_server([
            Script::text(r#"{"mood":"calm"}"#),
            Script::error(529, "busy"),
            Script::text(r#"{"mood":"calm","reply":"No."}"#),
        ])
        .await;
        let app = agent_app(desk_with(policy), server.settings(kind));
        let events = stream_events(&app, "/chat", r#"{"message":"Are you busy?"}"#).await;
        assert_eq!(decisions(&events), ["retry"]);
        assert_eq!(
            find_event(&events, "run.completed")["output"]["reply"],
            "No."
        );
        assert!(is_counted(&app, "retry").await);
    }
}

#[tokio::test]
async fn a_run_that_fails_before_its_first_event_is_a_plain_error_response() {
    let policy = Policy {
        retry_attempts: 2,
        retry_backoff_ms: 1,
        ..Policy::DEFAULT
    };
    let server = mock_server([]).await;
    server.always(Script::error(503, "busy"));
    let app = agent_app(desk_with(policy), server.settings(ProviderKind::OpenAi));
    let headers = [
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
    ];
    let request = crate::http_client::request("POST", INVOKE, &headers, HI);
    crate::http_client::send(&app, request).await.problem(503);
    assert!(is_counted(&app, "retry").await);
}

#[tokio::test]
async fn a_failed_model_falls_back_to_another_model() {
    let policy = Policy {
        fallbacks: &["haiku"],
        ..NO_RETRIES
    };
    for kind in KINDS {
        for failure in [
            Script::error(529, "busy"),
            Script::error(401, "no"),
            Script::text(""),
            Script::text("half").malformed(),
        ] {
            let server = mock_server([failure, Script::text("small talk")]).await;
            let app = agent_app(desk_with(policy), with_haiku(&server, kind));
            let answer = invoke(&app, "hi").await.json();
            assert_eq!(answer["output"], "small talk");
            assert_eq!(answer["model"], "mock:small");
            assert_eq!(server.requests()[1].body["model"], "small");
            assert!(is_counted(&app, "fallback").await);
        }
    }
}

#[tokio::test]
async fn a_model_timeout_falls_back_to_another_model() {
    let policy = Policy {
        fallbacks: &["haiku"],
        ..NO_RETRIES
    };
    for kind in KINDS {
        let server = mock_server([Script::silence(), Script::text("small talk")]).await;
        let mut settings = with_haiku(&server, kind);
        settings.providers.get_mut("mock").unwrap().timeout = Duration::from_millis(200);
        let app = agent_app(desk_with(policy), settings);
        let events = stream_events(&app, INVOKE, HI).await;
        assert_eq!(decisions(&events), ["fallback"]);
        assert_eq!(find_event(&events, "run.started")["model"], "mock:small");
    }
}

#[tokio::test]
async fn a_fallback_agent_uses_its_own_prompt() {
    let policy = Policy {
        fallbacks: &["clerk"],
        ..NO_RETRIES
    };
    let clerk = agent(|agent| {
        agent.slug = "clerk";
        agent.prompt = agentgen_runtime::spec::Prompt::new("You are the clerk.");
    });
    let server = mock_server([Script::error(503, "busy"), Script::text("The clerk, yes?")]).await;
    let app = registry_of(desk_with(policy))
        .service(Service::new(clerk))
        .into_router(server.settings(ProviderKind::Anthropic))
        .unwrap();
    assert_eq!(invoke(&app, "hi").await.json()["output"], "The clerk, yes?");
    assert_eq!(server.requests()[1].body["system"], "You are the clerk.");
}

#[tokio::test]
async fn an_unresolved_fallback_is_a_startup_error() {
    let policy = Policy {
        fallbacks: &["spare"],
        ..NO_RETRIES
    };
    let server = mock_server([]).await;
    let error = registry_of(desk_with(policy))
        .into_router(server.settings(ProviderKind::Anthropic))
        .err()
        .unwrap();
    assert!(error.to_string().contains("models.spare"), "{error}");
}

#[tokio::test]
async fn an_interrupted_answer_is_retried_unless_it_was_streamed() {
    let policy = Policy {
        retry_attempts: 2,
        retry_backoff_ms: 1,
        ..Policy::DEFAULT
    };
    for kind in KINDS {
        for broken in [
            Script::pieces(["one ", "two"]).cut(),
            Script::text("one ").end_early(),
            Script::text("one ").malformed(),
        ] {
            let server = mock_server([broken.clone(), Script::text("whole"), broken]).await;
            let app = agent_app(desk_with(policy), server.settings(kind));
            assert_eq!(invoke(&app, "hi").await.json()["output"], "whole");
            let events = stream_events(&app, INVOKE, HI).await;
            assert_eq!(events.last().unwrap().0, "run.failed");
            assert_eq!(server.requests().len(), 3);
        }
    }
}

#[tokio::test]
async fn a_circuit_breaker_opens_half_opens_and_closes() {
    let policy = Policy {
        breaker_failures: 2,
        breaker_cooldown_ms: COOLDOWN.as_millis() as u64,
        ..NO_RETRIES
    };
    for kind in KINDS {
        let server = mock_server([]).await;
        server.always(Script::error(503, "busy"));
        let app = agent_app(desk_with(policy), server.settings(kind));
        for _ in 0..4 {
            invoke(&app, "hi").await.problem(503);
        }
        assert_eq!(server.requests().len(), 2, "the others were not made");
        assert!(is_counted(&app, "breaker").await);

        tokio::time::sleep(COOLDOWN).await;
        invoke(&app, "hi").await.problem(503);
        invoke(&app, "hi").await.problem(503);
        assert_eq!(server.requests().len(), 3, "one tried, and failed");

        tokio::time::sleep(COOLDOWN).await;
        server.always(Script::text("back"));
        for _ in 0..3 {
            assert_eq!(invoke(&app, "hi").await.json()["output"], "back");
        }
        assert_eq!(server.requests().len(), 6);
    }
}

/// An answer that begins after `pause`.
fn silent_first(pause: Duration) -> Script {
    Script::text("").pause(pause).then_text("back")
}

#[tokio::test]
async fn a_breaker_closes_when_its_trial_call_begins_to_answer() {
    let policy = Policy {
        breaker_failures: 2,
        breaker_cooldown_ms: 20,
        ..NO_RETRIES
    };
    for kind in KINDS {
        let busy = || Script::error(503, "busy");
        let slow = Script::text("back").pause(Duration::from_millis(900));
        let server = mock_server([busy(), busy(), slow.then_text(".")]).await;
        server.always(Script::text("now"));
        let app = agent_app(desk_with(policy), server.settings(kind));
        for _ in 0..2 {
            invoke(&app, "hi").await.problem(503);
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
        let start = Instant::now();
        let other = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let answer = invoke(&app, "hi").await.json();
            assert_eq!(answer["output"], "now");
            start.elapsed()
        };
        let (trial, answered) = tokio::join!(invoke(&app, "hi"), other);
        assert_eq!(trial.json()["output"], "back.");
        assert!(answered < Duration::from_millis(900), "{answered:?}");
    }
}

#[tokio::test]
async fn a_breaker_opens_again_if_its_trial_answer_breaks_off() {
    let policy = Policy {
        breaker_failures: 3,
        breaker_cooldown_ms: 300,
        ..NO_RETRIES
    };
    let busy = || Script::error(503, "busy");
    let broken = Script::text("back").end_early();
    let server = mock_server([busy(), busy(), busy(), broken, Script::text("now")]).await;
    let app = agent_app(desk_with(policy), server.settings(ProviderKind::OpenAi));
    for _ in 0..3 {
        invoke(&app, "hi").await.problem(503);
    }
    tokio::time::sleep(Duration::from_millis(350)).await;
    invoke(&app, "hi").await.problem(502);
    let problem = invoke(&app, "hi").await.problem(503);
    assert_eq!(problem["detail"], "the model failed too often just now");
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_half_open_breaker_allows_one_trial_call() {
    let policy = Policy {
        breaker_failures: 1,
        breaker_cooldown_ms: COOLDOWN.as_millis() as u64,
        ..NO_RETRIES
    };
    let server = mock_server([Script::error(503, "busy")]).await;
    server.always(silent_first(Duration::from_millis(100)));
    let app = agent_app(desk_with(policy), server.settings(ProviderKind::OpenAi));
    invoke(&app, "hi").await.problem(503);
    tokio::time::sleep(COOLDOWN).await;
    let calls = (0..8).map(|_| invoke(&app, "hi"));
    let answers = futures_util::future::join_all(calls).await;
    let through = answers.iter().filter(|answer| answer.status == 200);
    assert_eq!(through.count(), 1);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_slow_trial_call_blocks_other_calls() {
    let policy = Policy {
        breaker_failures: 1,
        breaker_cooldown_ms: 20,
        ..NO_RETRIES
    };
    let server = mock_server([Script::error(503, "busy")]).await;
    server.always(silent_first(Duration::from_millis(800)));
    let app = agent_app(desk_with(policy), server.settings(ProviderKind::OpenAi));
    invoke(&app, "hi").await.problem(503);
    tokio::time::sleep(Duration::from_millis(40)).await;
    // The client of the trial call disconnects, so that the next call is the trial.
    let gone = tokio::time::timeout(Duration::from_millis(400), invoke(&app, "hi"));
    assert!(gone.await.is_err());
    assert_eq!(server.requests().len(), 2);
    let waits = async |ms| {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        invoke(&app, "hi").await.status.as_u16()
    };
    let answers = tokio::join!(waits(0), waits(60), waits(120), waits(200));
    assert_eq!(answers, (200, 503, 503, 503));
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_run_timeout_counts_as_a_failure_of_the_model() {
    let policy = Policy {
        timeout_ms: Some(100),
        breaker_failures: 2,
        breaker_cooldown_ms: 60_000,
        ..NO_RETRIES
    };
    for kind in KINDS {
        let server = mock_server([]).await;
        server.always(Script::silence());
        let app = agent_app(desk_with(policy), server.settings(kind));
        for status in [504, 504, 503] {
            invoke(&app, "hi").await.problem(status);
        }
        assert_eq!(server.requests().len(), 2, "the third was not made");
        assert!(is_counted(&app, "deadline").await && is_counted(&app, "breaker").await);
        // A timeout set by the agent does not affect readiness.
        assert_eq!(get(&app, "/readyz").await.status, 200);
    }
}

#[tokio::test]
async fn rejected_requests_do_not_open_the_breaker() {
    let policy = Policy {
        breaker_failures: 1,
        breaker_cooldown_ms: 60_000,
        ..NO_RETRIES
    };
    let server = mock_server([Script::error(400, "no"), Script::text("fine")]).await;
    let app = agent_app(desk_with(policy), server.settings(ProviderKind::OpenAi));
    invoke(&app, "hi").await.problem(502);
    assert_eq!(invoke(&app, "hi").await.json()["output"], "fine");
}

#[tokio::test]
async fn an_exhausted_budget_ends_a_run_with_its_partial_output() {
    let turns = Policy {
        budget_turns: Some(2),
        ..NO_RETRIES
    };
    let tokens = Policy {
        budget_tokens: Some(100),
        ..NO_RETRIES
    };
    for (policy, reason) in [(turns, "max_turns"), (tokens, "max_tokens")] {
        let server = mock_server([]).await;
        let looks = Script::text("Let me look.").then_tool_call("nothing", &json!({}));
        server.always(looks.usage(30, 20));
        let app = agent_app(desk_with(policy), server.settings(ProviderKind::Anthropic));
        let answer = invoke(&app, "hi").await.json();
        assert_eq!(answer["output"], "Let me look.\n\nLet me look.");
        assert_eq!(answer["stop_reason"], reason);
        assert_eq!(server.requests().len(), 2);
        assert!(is_counted(&app, "budget").await);
    }
}

#[tokio::test]
async fn an_exceeded_deadline_is_counted() {
    let policy = Policy {
        timeout_ms: Some(100),
        ..NO_RETRIES
    };
    let server = mock_server([Script::silence()]).await;
    let app = agent_app(desk_with(policy), server.settings(ProviderKind::Anthropic));
    invoke(&app, "hi").await.problem(504);
    assert!(is_counted(&app, "deadline").await);
}
