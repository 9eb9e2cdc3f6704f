//! The usage of runs, including failed ones: in reports, events and budgets.

use std::time::Duration;

use agentgen_runtime::Service;
use agentgen_runtime::axum::Router;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::{AgentSpec, Policy};
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::workflow::{OnFailure, StepKind, StepSpec, WorkflowSpec};
use serde_json::{Value, json};

use crate::http_client::get;
use crate::mock_model::{
    KINDS, NO_RETRIES, agent, agent_app, desk_app, desk_with, invoke, mock_server, registry_of,
    stream_events,
};
use crate::provider_log::CapturedLog;
use crate::workflow_fixture::{STEP, WorkflowApp, step, step_report, workflow};

/// A step that calls `desk`.
const ASKS: StepSpec = StepSpec {
    kind: StepKind::Call {
        agent: "desk",
        endpoint: "invoke",
    },
    on_failure: OnFailure::Skip,
    ..STEP
};

/// An answer with 7 input and 3 output tokens that calls an unknown tool.
fn unknown_tool_call() -> Script {
    Script::text("Let me look.")
        .then_tool_call("nothing", &json!({}))
        .usage(7, 3)
}

fn tokens(input: u64, output: u64) -> Value {
    json!({"input_tokens": input, "output_tokens": output})
}

fn desk(policy: Policy) -> &'static AgentSpec {
    agent(|agent| {
        agent.agents = &["cook"];
        agent.policy = policy;
    })
}

/// A workflow with the agent `desk`, which may hand off to the agent `cook`.
fn stage(server: &MockServer, desk: &'static AgentSpec, spec: WorkflowSpec) -> WorkflowApp {
    let cook = agent(|agent| {
        agent.name = "cook";
        agent.slug = "cook";
    });
    let registry = registry_of(desk)
        .service(Service::new(cook))
        .workflow(Box::leak(Box::new(spec)));
    WorkflowApp::from_registry(registry, server.settings(ProviderKind::Anthropic))
}

fn handoff_call() -> Script {
    Script::tool_call("hand_over_to_cook", &json!({"task": "Make a soup."})).usage(5, 5)
}

#[tokio::test]
async fn a_failed_stream_reports_its_usage() {
    for kind in KINDS {
        let server = mock_server([
            unknown_tool_call(),
            unknown_tool_call(),
            Script::error(400, "no"),
        ])
        .await;
        let app = desk_app(&server, kind);
        let events = stream_events(&app, "/v1/agents/desk/invoke", r#"{"input":"hi"}"#).await;
        let (name, last) = events.last().unwrap();
        assert_eq!(name, "run.failed");
        assert_eq!(last["usage"], tokens(14, 6));
    }
}

#[tokio::test]
async fn usage_of_a_retried_empty_answer_is_counted() {
    let policy = Policy {
        retry_attempts: 2,
        retry_backoff_ms: 1,
        ..Policy::DEFAULT
    };
    let server = mock_server([
        Script::text("").usage(7, 0),
        Script::text("Well.").usage(8, 2),
    ])
    .await;
    let service = stage(&server, desk(policy), workflow(vec![ASKS]));
    assert_eq!(
        invoke(&service.app, "hi").await.json()["usage"],
        tokens(15, 2)
    );
}

#[tokio::test]
async fn usage_of_a_failed_handoff_counts_for_the_run_and_its_budget() {
    let policy = Policy {
        budget_tokens: Some(26),
        ..NO_RETRIES
    };
    for (policy, is_spent) in [(NO_RETRIES, false), (policy, true)] {
        let server = mock_server([
            handoff_call(),
            // `cook` is called twice; the third call fails.
            unknown_tool_call(),
            unknown_tool_call(),
            Script::error(400, "the stove is cold"),
            Script::text("No soup today.").usage(20, 6),
        ])
        .await;
        let service = stage(&server, desk(policy), workflow(vec![ASKS]));
        let answer = invoke(&service.app, "hi").await;
        if is_spent {
            let problem = answer.problem(502);
            assert!(problem["detail"].as_str().unwrap().contains("26 tokens"));
            // What `desk` has left is the budget of `cook`, too: the third call of `cook` is not made.
            assert_eq!(server.requests().len(), 3);
        } else {
            assert_eq!(answer.json()["usage"], tokens(39, 17));
        }
    }
}

#[tokio::test]
async fn the_usage_of_a_step_includes_all_attempts() {
    let twice = StepSpec {
        attempts: 2,
        ..ASKS
    };
    for (last, status) in [
        (Script::error(503, "busy"), "failed"),
        (Script::text("Well.").usage(20, 6), "succeeded"),
    ] {
        let server = mock_server([
            unknown_tool_call(),
            Script::error(503, "busy"),
            unknown_tool_call(),
            last,
        ])
        .await;
        let desk = desk(NO_RETRIES);
        let service = stage(&server, desk, workflow(vec![twice]));
        let report = service.run_to_end().await;
        let took = if status == "failed" {
            tokens(14, 6)
        } else {
            tokens(34, 12)
        };
        assert_eq!(step_report(&report, "a")["status"], status, "{report}");
        assert_eq!(step_report(&report, "a")["usage"], took);
        assert_eq!(report["usage"], took);
        let counted = took["input_tokens"].to_string();
        let line = format!(
            "agentgen_tokens_total{{agent=\"desk\",kind=\"input\",model=\"mock:model\"}} {counted}\n"
        );
        let metrics = get(&service.app, "/metrics").await.text;
        assert!(metrics.contains(&line), "{metrics}");
    }
}

#[tokio::test]
async fn usage_before_a_timeout_is_counted() {
    let late = StepSpec {
        timeout_ms: Some(300),
        ..ASKS
    };
    let mut short = workflow(vec![ASKS]);
    short.timeout_ms = Some(300);
    for (spec, status) in [(workflow(vec![late]), "failed"), (short, "cancelled")] {
        // `cook` hangs on the second call.
        let server = mock_server([handoff_call(), unknown_tool_call(), Script::silence()]).await;
        let report = stage(&server, desk(NO_RETRIES), spec).run_to_end().await;
        assert_eq!(step_report(&report, "a")["status"], status, "{report}");
        let usage = &step_report(&report, "a")["usage"];
        // The call that hangs has read its prompt.
        assert!(usage["input_tokens"].as_u64().unwrap() > 12, "{report}");
        assert_eq!(usage["output_tokens"], 8);
        assert_eq!(usage["estimated"], true);
    }
}

#[tokio::test]
async fn usage_reported_by_a_handler_is_counted() {
    // The worker reports 2 and 1 tokens without a model. Its first attempt fails without usage.
    let flaky = StepSpec {
        attempts: 2,
        ..step("a", &[], "flaky 1")
    };
    let report = WorkflowApp::new(workflow(vec![flaky])).run_to_end().await;
    assert_eq!(step_report(&report, "a")["attempts"], 2);
    assert_eq!(step_report(&report, "a")["usage"], tokens(2, 1));
}

/// The usage of `desk` and `mock:model` in the metrics: input and output tokens, and those of both that are estimated.
async fn counted_tokens(app: &Router) -> (u64, u64, u64) {
    let metrics = get(app, "/metrics").await.text;
    let count = |name: &str, kind: &str| {
        let start = format!("{name}{{agent=\"desk\",kind=\"{kind}\",model=\"mock:model\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&start));
        line.map_or(0, |number| number.parse().unwrap())
    };
    let total = |kind| count("agentgen_tokens_total", kind);
    let estimated = |kind| count("agentgen_estimated_tokens_total", kind);
    let both = estimated("input") + estimated("output");
    (total("input"), total("output"), both)
}

/// A long prompt, so that estimates are not small.
fn ask() -> String {
    "How many books are there? ".repeat(40)
}

/// How an answer ends early, and whether it is the caller who ends it.
fn early_ends() -> Vec<(&'static str, Script)> {
    let begun = || Script::text("There are very many of them. ".repeat(8));
    vec![
        ("cut", begun().cut()),
        ("ended", begun().end_early()),
        ("malformed", begun().malformed()),
        ("overloaded", begun().overloaded()),
        ("timed out", begun().hang()),
        ("cancelled", begun().hang()),
    ]
}

#[tokio::test]
async fn a_run_that_ends_early_is_counted_with_an_estimate_under_its_model() {
    let policy = Policy {
        timeout_ms: Some(700),
        ..NO_RETRIES
    };
    for kind in KINDS {
        for (end, script) in early_ends() {
            let log = CapturedLog::default();
            let guard = log.capture(tracing::Level::INFO);
            let server = mock_server([script]).await;
            let app = agent_app(desk_with(policy), server.settings(kind));
            let question = ask();
            let asked = invoke(&app, &question);
            if end == "cancelled" {
                let gone = tokio::time::timeout(Duration::from_millis(350), asked).await;
                assert!(gone.is_err());
            } else {
                assert!(asked.await.status.is_server_error());
            }
            drop(guard);
            let (input, output, estimated) = counted_tokens(&app).await;
            // A token is about four bytes: 1,040 of the question and more of the prompt; 232 of the answer.
            assert!(
                input >= 260 && (50..90).contains(&output),
                "{end}: {input}, {output}"
            );
            assert_eq!(estimated, input + output, "{end}");
            let text = log.text();
            let ended = text
                .lines()
                .find(|line| line.contains("run ended"))
                .unwrap();
            for part in [
                "model=\"mock:model\"".to_owned(),
                format!("input_tokens={input}"),
                format!("output_tokens={output}"),
                "estimated=true".to_owned(),
            ] {
                assert!(ended.contains(&part), "{end}: {part} is not in {ended}");
            }
        }
    }
}

#[tokio::test]
async fn the_event_of_a_failed_run_has_its_estimated_usage() {
    for kind in KINDS {
        let server = mock_server([Script::text("There are many.").cut()]).await;
        let app = desk_app(&server, kind);
        let body = json!({"input": ask()}).to_string();
        let events = stream_events(&app, "/v1/agents/desk/invoke", &body).await;
        let (name, last) = events.last().unwrap();
        assert_eq!(name, "run.failed");
        assert!(
            last["usage"]["input_tokens"].as_u64().unwrap() >= 260,
            "{last}"
        );
        assert_eq!(last["usage"]["output_tokens"], 4);
        assert_eq!(last["usage"]["estimated"], true);
    }
}

#[tokio::test]
async fn usage_of_failed_attempts_counts_for_the_run_and_its_budget() {
    let twice = Policy {
        retry_attempts: 2,
        retry_backoff_ms: 1,
        budget_tokens: Some(560),
        ..Policy::DEFAULT
    };
    let server = mock_server([
        Script::text("There are many.").cut(),
        unknown_tool_call().usage(300, 3),
        Script::text("So."),
    ])
    .await;
    let app = agent_app(desk_with(twice), server.settings(ProviderKind::OpenAi));
    let answer = invoke(&app, &ask()).await.json();
    assert_eq!(answer["stop_reason"], "max_tokens");
    assert_eq!(answer["usage"]["estimated"], true);
    assert!(
        answer["usage"]["input_tokens"].as_u64().unwrap() >= 560,
        "{answer}"
    );
    assert_eq!(server.requests().len(), 2, "the budget is used up");
}

#[tokio::test]
async fn refused_calls_cost_nothing_and_reported_usage_is_not_estimated() {
    let server = mock_server([
        Script::error(503, "busy"),
        Script::error(400, "no"),
        Script::text("So.").usage(20, 6),
    ])
    .await;
    let app = desk_app(&server, ProviderKind::OpenAi);
    for status in [503, 502] {
        invoke(&app, &ask()).await.problem(status);
        assert_eq!(counted_tokens(&app).await, (0, 0, 0));
    }
    assert_eq!(invoke(&app, "hi").await.json()["usage"], tokens(20, 6));
    assert_eq!(counted_tokens(&app).await, (20, 6, 0));
}
