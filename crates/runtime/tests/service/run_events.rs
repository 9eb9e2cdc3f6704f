//! The events of workflow runs: their order, their replay, and the policy decisions among them.

use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::{AgentSpec, Policy};
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::workflow::{OnFailure, StepKind, StepSpec, WorkflowSpec};
use agentgen_runtime::{Registry, Service, Settings, Store};
use serde_json::{Value, json};

use crate::event_assertions::{assert_lines_of_types, find_event, find_events, lines_of_types};
use crate::http_client::{get, request, send};
use crate::mock_model::{NO_RETRIES, agent, desk_with, mock_server, registry_of};
use crate::store_fixture::on_each_store;
use crate::workflow_fixture::{STEP, WorkflowApp, diamond, parse_run_events, step, workflow};

/// A step that calls `desk`.
pub const ASKS: StepSpec = StepSpec {
    kind: StepKind::Call {
        agent: "desk",
        endpoint: "invoke",
    },
    ..STEP
};

/// One line per event: its type, its step, and its policy.
pub fn event_lines(events: &[(u64, Value)]) -> Vec<String> {
    let word = |event: &Value, key: &str| {
        let text = event[key].as_str().or(event["report"][key].as_str());
        text.map(|text| format!(" {text}")).unwrap_or_default()
    };
    let event = |(_, event): &(u64, Value)| {
        let name = event["type"].as_str().unwrap();
        format!("{name}{}{}", word(event, "step"), word(event, "policy"))
    };
    events.iter().map(event).collect()
}

async fn wait_for_metric(service: &WorkflowApp, line: &str) {
    let metrics = get(&service.app, "/metrics").await.text;
    assert!(metrics.contains(line), "{line} is not in\n{metrics}");
}

#[tokio::test]
async fn run_events_are_streamed_live_and_resumed_from_last_event_id() {
    on_each_store(async |test_store| {
        let service =
            WorkflowApp::with_store(diamond(), test_store.open().await, Settings::default());
        let location = service.start_run().await;
        // Read live, until the run ends.
        let live = service.events(&location).await;
        let names = event_lines(&live);
        let ends = [
            "run.started",
            "step.started",
            "step.finished",
            "run.finished",
        ];
        let names = lines_of_types(&names, &ends);
        assert_eq!(
            names[..3],
            ["run.started", "step.started plan", "step.finished plan"]
        );
        assert_eq!(
            names[7..],
            ["step.started join", "step.finished join", "run.finished"]
        );
        assert_eq!(find_event(&live, "run.finished")["status"], "completed");
        assert_resumable(&service, &location, &live).await;
        let path = format!("{location}/events");
        let wrong = request("GET", &path, &[("last-event-id", "x")], "");
        send(&service.app, wrong).await.problem(400);
    })
    .await;
}

/// Checks that a client that reconnects with `Last-Event-ID` gets exactly the later events.
async fn assert_resumable(service: &WorkflowApp, location: &str, live: &[(u64, Value)]) {
    let numbers = live.iter().map(|(id, _)| *id).collect::<Vec<_>>();
    assert_eq!(numbers, (1..=live.len() as u64).collect::<Vec<_>>());
    let path = format!("{location}/events");
    let from = async |after: usize| {
        let headers = [("last-event-id", &*after.to_string())];
        send(&service.app, request("GET", &path, &headers, "")).await
    };
    for after in 0..live.len() {
        assert_eq!(
            parse_run_events(&from(after).await.text),
            live[after..],
            "{after}"
        );
    }
    let nothing = from(live.len()).await;
    assert_eq!(nothing.status, 204);
    assert_eq!(nothing.header("content-type"), "text/event-stream");
}

/// A service whose `desk` falls back to the model `haiku`.
fn falls_back(
    server: &MockServer,
    policy: Policy,
    spec: WorkflowSpec,
    store: Store,
) -> WorkflowApp {
    let policy = Policy {
        fallbacks: &["haiku"],
        ..policy
    };
    let mut settings = server.settings(ProviderKind::Anthropic);
    let haiku = ("haiku".to_owned(), "mock:small".to_owned());
    settings.models.extend([haiku]);
    let registry = crate::workflow_fixture::registry_of(spec, &Default::default());
    WorkflowApp::from_registry(
        with_desk(registry, desk_with(policy)).store(store),
        settings,
    )
}

/// Checks the details of the `policy.applied` events with these indexes.
#[track_caller]
fn assert_policy_details(live: &[(u64, Value)], expected: &[(usize, &str)]) {
    let applied = find_events(live, "policy.applied");
    for (index, expected) in expected {
        let detail = applied[*index]["detail"].as_str().unwrap();
        assert!(detail.contains(expected), "{detail}");
    }
}

#[tokio::test]
async fn policy_decisions_within_a_step_are_events_of_the_run_on_every_store() {
    on_each_store(async |test_store| {
        let busy = || Script::error(529, "busy");
        // Two failures open the breaker, and the fallback model answers. The second step finds it open.
        let answers = ["small talk", "more of it"].map(Script::text);
        let server = mock_server([busy(), busy()].into_iter().chain(answers)).await;
        let policy = Policy {
            retry_attempts: 2,
            retry_backoff_ms: 1,
            breaker_failures: 2,
            breaker_cooldown_ms: 60_000,
            ..Policy::DEFAULT
        };
        let second = StepSpec {
            id: "b",
            needs: &["a"],
            ..ASKS
        };
        let spec = workflow(vec![ASKS, second]);
        let service = falls_back(&server, policy, spec, test_store.open().await);
        let location = service.start_run().await;
        let live = service.events(&location).await;
        assert_lines_of_types(
            &event_lines(&live),
            &[
                "run.started",
                "step.started a",
                "policy.applied a retry",
                "policy.applied a breaker",
                "policy.applied a fallback",
                "step.finished a",
                "step.started b",
                "policy.applied b breaker",
                "policy.applied b fallback",
                "step.finished b",
                "run.finished",
            ],
        );
        let applied = find_events(&live, "policy.applied");
        assert_eq!(applied[0]["model"], "mock:model");
        assert_eq!(applied[2]["model"], "mock:small");
        assert_policy_details(&live, &[(1, "no calls for 60000 ms"), (3, "ms more")]);
        let all = json!(live).to_string();
        assert!(!all.contains("busy"), "the provider's words stay inside");
        assert_resumable(&service, &location, &live).await;
        for (policy, count) in [("retry", 1), ("breaker", 2), ("fallback", 2)] {
            let line = format!(
                "agentgen_policies_applied_total{{agent=\"desk\",policy=\"{policy}\"}} {count}\n"
            );
            wait_for_metric(&service, &line).await;
        }
    })
    .await;
}

#[tokio::test]
async fn circuit_breaker_transitions_within_a_step_are_events_of_the_run() {
    let answers = ["small talk", "back"].map(Script::text);
    let server = mock_server([Script::error(529, "busy")].into_iter().chain(answers)).await;
    let policy = Policy {
        breaker_failures: 1,
        breaker_cooldown_ms: 1,
        ..NO_RETRIES
    };
    let last = StepSpec {
        id: "b",
        needs: &["pause"],
        ..ASKS
    };
    let spec = workflow(vec![ASKS, step("pause", &["a"], "wait 20"), last]);
    let service = falls_back(&server, policy, spec, Store::memory());
    let live = service.events(&service.start_run().await).await;
    assert_lines_of_types(
        &event_lines(&live),
        &[
            "step.started a",
            "policy.applied a breaker",
            "policy.applied a fallback",
            "step.finished a",
            "step.started pause",
            "step.finished pause",
            "step.started b",
            "policy.applied b breaker",
            "policy.applied b breaker",
            "step.finished b",
            "run.finished",
        ],
    );
    assert_policy_details(&live, &[(2, "probes whether"), (3, "answers again")]);
}

/// `registry` with `desk`, beside the agents that execute commands.
pub fn with_desk(registry: Registry, desk: &'static AgentSpec) -> Registry {
    let invoke = move |cx: agentgen_runtime::RunContext, request| async move {
        cx.invoke(desk, request).await
    };
    registry.service(Service::new(desk).endpoint(&crate::agents::desk::INVOKE, invoke))
}

#[tokio::test]
async fn budget_and_handoff_decisions_within_a_step_are_events_of_the_run() {
    let cook = agent(|agent| {
        agent.name = "cook";
        agent.slug = "cook";
    });
    let desk = agent(|agent| {
        agent.agents = &["cook"];
        agent.policy = Policy {
            budget_turns: Some(1),
            ..NO_RETRIES
        };
    });
    let asks = json!({"task": "Make a soup."});
    let server = mock_server([
        Script::text("I will ask.").then_tool_call("hand_over_to_cook", &asks),
        Script::error(400, "the stove is cold"),
    ])
    .await;
    let registry = registry_of(desk)
        .service(Service::new(cook))
        .workflow(Box::leak(Box::new(workflow(vec![ASKS]))));
    let service = WorkflowApp::from_registry(registry, server.settings(ProviderKind::OpenAi));
    let live = service.events(&service.start_run().await).await;
    assert_lines_of_types(
        &event_lines(&live),
        &[
            "run.started",
            "step.started a",
            "handoff.started a",
            "handoff.completed a",
            "policy.applied a budget",
            "step.finished a",
            "run.finished",
        ],
    );
    let started = find_event(&live, "handoff.started");
    let call = started["call_id"].clone();
    let from = json!({"type": "handoff.started", "step": "a", "call_id": call, "from": "desk", "to": "cook"});
    assert_eq!(*started, from);
    assert_eq!(find_event(&live, "handoff.completed")["is_error"], true);
    assert_eq!(
        find_event(&live, "step.finished")["report"]["output"],
        "I will ask."
    );
}

#[tokio::test]
async fn a_last_event_id_that_was_never_sent_is_a_400() {
    let service = WorkflowApp::new(workflow(vec![step("a", &[], "hang")]));
    let location = service.start_run().await;
    let path = format!("{location}/events");
    let from = async |id: &str| {
        send(
            &service.app,
            request("GET", &path, &[("last-event-id", id)], ""),
        )
        .await
    };
    for wrong in ["99", "-1", "+0", "1 ", "1.0", "0000000000000000000"] {
        from(wrong).await.problem(400);
    }
    crate::http_client::post(&service.app, &format!("{location}/cancel"), "").await;
    // An empty or zero id returns all events.
    for first in ["", "0"] {
        let all = parse_run_events(&from(first).await.text);
        assert_eq!(event_lines(&all).last().unwrap(), "run.finished", "{first}");
        assert_eq!(all[0].0, 1, "{first}");
    }
}

#[tokio::test]
async fn failure_decisions_of_a_workflow_follow_the_failure_and_are_counted() {
    for (on_failure, decisions) in [
        (OnFailure::Skip, &["skip"][..]),
        (OnFailure::Stop, &["stop"]),
        (OnFailure::Fallback("helper"), &["fallback", "stop"]),
    ] {
        let fails = StepSpec {
            on_failure,
            ..step("a", &[], "refuse")
        };
        let service = WorkflowApp::new(workflow(vec![fails]));
        let live = service.events(&service.start_run().await).await;
        let mut expected = vec!["run.started".to_owned(), "step.started a".to_owned()];
        if decisions.len() == 2 {
            expected.push("step.fallback a".to_owned());
        }
        expected.push("step.finished a".to_owned());
        expected.push(format!("policy.applied a {}", decisions.last().unwrap()));
        expected.push("run.finished".to_owned());
        assert_lines_of_types(&event_lines(&live), &expected);
        for decision in decisions {
            let line = format!(
                "agentgen_workflow_decisions_total{{decision=\"{decision}\",step=\"a\",workflow=\"play\"}} 1\n"
            );
            wait_for_metric(&service, &line).await;
        }
    }
}

#[tokio::test]
async fn expired_attempt_and_run_timeouts_are_events() {
    let late = StepSpec {
        timeout_ms: Some(50),
        attempts: 2,
        on_failure: OnFailure::Skip,
        ..step("a", &[], "hang")
    };
    let service = WorkflowApp::new(workflow(vec![late]));
    let live = service.events(&service.start_run().await).await;
    assert_lines_of_types(
        &event_lines(&live),
        &[
            "policy.applied a deadline",
            "step.retried a",
            "policy.applied a deadline",
            "step.finished a",
            "policy.applied a skip",
            "run.finished",
        ],
    );
    wait_for_metric(
        &service,
        "agentgen_policies_applied_total{agent=\"worker\",policy=\"deadline\"} 2\n",
    )
    .await;

    let mut short = workflow(vec![step("a", &[], "hang")]);
    short.timeout_ms = Some(80);
    let service = WorkflowApp::new(short);
    let live = service.events(&service.start_run().await).await;
    assert_lines_of_types(
        &event_lines(&live),
        &["policy.applied deadline", "step.finished a", "run.finished"],
    );
    assert_eq!(
        find_event(&live, "policy.applied")["detail"],
        "the run took longer than 80 ms"
    );
    assert_eq!(
        find_event(&live, "step.finished")["report"]["status"],
        "cancelled"
    );
    wait_for_metric(
        &service,
        "agentgen_workflow_decisions_total{decision=\"deadline\",step=\"\",workflow=\"play\"} 1\n",
    )
    .await;
}
