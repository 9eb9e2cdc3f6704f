//! The usage of runs, including failed ones: in reports, events and budgets.

use agentgen_runtime::Service;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::{AgentSpec, Policy};
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::workflow::{OnFailure, StepSpec, WorkflowSpec};
use serde_json::{Value, json};

use crate::http_client::get;
use crate::mock_model::{KINDS, agent, desk_app, invoke, mock_server, registry_of, stream_events};
use crate::workflow_fixture::{STEP, WorkflowApp, step, step_report, workflow};

/// A step that calls `desk`.
const ASKS: StepSpec = StepSpec {
    agent: "desk",
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
        retry_attempts: 1,
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
        ..Policy::DEFAULT
    };
    for (policy, is_spent) in [(Policy::DEFAULT, false), (policy, true)] {
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
            assert_eq!(server.requests().len(), 4);
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
        let desk = desk(Policy::DEFAULT);
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
        let report = stage(&server, desk(Policy::DEFAULT), spec)
            .run_to_end()
            .await;
        assert_eq!(step_report(&report, "a")["status"], status, "{report}");
        assert_eq!(
            step_report(&report, "a")["usage"],
            tokens(12, 8),
            "{report}"
        );
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
