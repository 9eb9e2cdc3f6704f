//! Runs the eight workflows of the repository's orchestrator: on `echo`, on a slow model, and on a failing model.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use agentgen_runtime::event::Usage;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::schema::DateTime;
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::workflow::{OnFailure, StepSpec, WorkflowSpec};
use agentgen_runtime::workflow::{RunReport, RunStatus, SkipReason, StepReport, StepStatus};
use agentgen_runtime::{Settings, Workflows};
use serde_json::json;

use crate::agents::orchestrator::workflows as patterns;

/// What the build script compiled from the agents of the repository.
mod agents {
    include!(concat!(env!("OUT_DIR"), "/orchestra/rust/mod.rs"));
}

static PATTERNS: [&WorkflowSpec; 8] = [
    &patterns::FULL_STACK_FEATURE,
    &patterns::DATABASE_SCHEMA_CHANGE,
    &patterns::NEW_MICROSERVICE,
    &patterns::CHATKIT_INTEGRATION,
    &patterns::BILINGUAL_INTERFACE,
    &patterns::STATELESS_VALIDATION,
    &patterns::CONVERSATION_HISTORY,
    &patterns::CONTAINERISE,
];

/// The pause before each answer of the slow model.
const PAUSE: Duration = Duration::from_millis(50);
/// The usage of each answer.
const ANSWER_USAGE: Usage = Usage {
    input_tokens: 12,
    output_tokens: 3,
    estimated: false,
};

/// Runs `spec` to its end.
async fn run(spec: &'static WorkflowSpec, settings: Settings) -> RunReport {
    let workflows = Workflows::default();
    let registry = agents::registry(&agents::Prompted).workflows(&workflows);
    let _app = registry.into_router(settings).unwrap();
    let input = json!({"input": "A list that several people can edit."});
    let run = workflows.start(spec, input, "ann").await.unwrap();
    loop {
        let report = workflows.report(run, "ann").await.unwrap().unwrap();
        if report.status.is_over() {
            return report;
        }
        // What escalates is stopped.
        for action in report.actions {
            let stop = json!({"decision": "stop"});
            let answered = workflows.answer(run, action.id, &stop, "ann").await;
            answered.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn step_report<'a>(report: &'a RunReport, step: &str) -> &'a StepReport {
    report
        .steps
        .iter()
        .find(|found| found.step == step)
        .unwrap()
}

fn step_times(report: &StepReport) -> (DateTime, DateTime) {
    (report.began_at.unwrap(), report.ended_at.unwrap())
}

/// The steps that were not skipped, each with its specification.
fn executed_steps<'a>(
    spec: &'static WorkflowSpec,
    report: &'a RunReport,
) -> Vec<(&'static StepSpec, &'a StepReport)> {
    let ids = report.steps.iter().map(|step| step.step.as_str());
    let expected = spec.steps.iter().map(|step| step.id);
    assert!(ids.eq(expected), "{report:?}");
    let steps = spec.steps.iter().zip(&report.steps);
    let executed = steps.filter(|(_, step)| step.status != StepStatus::Skipped);
    executed.collect()
}

/// Checks the report of a run without failures, except for its outputs. Returns how many steps were executed.
fn assert_complete(spec: &'static WorkflowSpec, report: &RunReport, model: &str) -> usize {
    assert_eq!(report.status, RunStatus::Completed, "{report:?}");
    assert_eq!(
        (report.workflow.as_str(), &report.error),
        (spec.name, &None)
    );
    let executed = executed_steps(spec, report);
    for (step, result) in &executed {
        assert_eq!(result.status, StepStatus::Succeeded, "{result:?}");
        assert_eq!(
            result.agent.as_deref().zip(result.endpoint.as_deref()),
            step.call()
        );
        assert_eq!(
            (result.attempts, &result.error, &result.fallback),
            (1, &None, &None)
        );
        assert_eq!(result.model.as_deref(), Some(model));
        assert!(result.output.as_str().is_some_and(|text| !text.is_empty()));
        let (began, ended) = step_times(result);
        assert!(report.created_at <= began && began <= ended, "{result:?}");
        assert!(ended <= report.ended_at.unwrap(), "{result:?}");
    }
    let skipped = report.steps.iter().filter(|step| step.skipped.is_some());
    for step in skipped {
        assert_eq!(step.skipped, Some(SkipReason::Condition), "{step:?}");
    }
    let usage = report.steps.iter().map(|step| step.usage);
    assert_eq!(report.usage, usage.fold(Usage::default(), Usage::plus));
    executed.len()
}

/// Checks that no step starts before the steps it needs have ended.
fn assert_in_order(spec: &'static WorkflowSpec, report: &RunReport) {
    for (step, result) in executed_steps(spec, report) {
        for need in step.needs {
            let need = step_report(report, need);
            if need.status != StepStatus::Skipped {
                assert!(
                    step_times(need).1 <= step_times(result).0,
                    "{need:?} and {result:?}"
                );
            }
        }
    }
}

/// Checks that steps with the same `needs` overlap in time. Returns the number of such pairs.
fn assert_parallel(spec: &'static WorkflowSpec, report: &RunReport) -> usize {
    let executed = executed_steps(spec, report);
    let mut pairs = 0;
    for (index, (left, one)) in executed.iter().enumerate() {
        for (right, other) in &executed[index + 1..] {
            if left.needs == right.needs {
                let (one, other) = (step_times(one), step_times(other));
                let both = one.0 < other.1 && other.0 < one.1;
                assert!(both, "{} and {} of {report:?}", left.id, right.id);
                pairs += 1;
            }
        }
    }
    pairs
}

#[tokio::test]
async fn workflows_run_in_order_on_echo() {
    let mut steps = 0;
    for spec in PATTERNS {
        let report = run(spec, Settings::default()).await;
        steps += assert_complete(spec, &report, "echo");
        assert_in_order(spec, &report);
    }
    // Every step is executed, because the audit on `echo` reports a violation.
    let all = PATTERNS.iter().map(|spec| spec.steps.len()).sum::<usize>();
    assert_eq!(steps, all);
}

#[tokio::test]
async fn workflows_run_in_order_and_in_parallel_on_a_slow_model() {
    let server = MockServer::start().await.unwrap();
    let usage = (ANSWER_USAGE.input_tokens, ANSWER_USAGE.output_tokens);
    server.always(Script::text("Done.").pause(PAUSE).usage(usage.0, usage.1));
    let (mut steps, mut pairs) = (0, 0);
    for (spec, kind) in PATTERNS.into_iter().zip(
        [ProviderKind::Anthropic, ProviderKind::OpenAi]
            .into_iter()
            .cycle(),
    ) {
        let report = run(spec, server.settings(kind)).await;
        steps += assert_complete(spec, &report, "mock:model");
        assert_in_order(spec, &report);
        pairs += assert_parallel(spec, &report);
        for (_, step) in executed_steps(spec, &report) {
            assert_eq!((&step.output, step.usage), (&json!("Done."), ANSWER_USAGE));
        }
    }
    assert_eq!(server.requests().len(), steps);
    // Two steps three times, and three steps once.
    assert_eq!(pairs, 6);
    // The repair step is skipped, because the model reports no violation.
    let all = PATTERNS.iter().map(|spec| spec.steps.len()).sum::<usize>();
    assert_eq!(steps, all - 1);
}

/// A run of `spec` whose first `successes` model calls succeed. All later calls fail.
async fn run_with_failures(spec: &'static WorkflowSpec, successes: usize) -> RunReport {
    let server = MockServer::start().await.unwrap();
    for _ in 0..successes {
        server.push(Script::text("Done.").usage(12, 3));
    }
    server.always(Script::error(400, "out of order"));
    run(spec, server.settings(ProviderKind::Anthropic)).await
}

#[tokio::test]
async fn a_partial_failure_is_reported_completely() {
    // The steps that trim images may be skipped; a failed `deploy` escalates.
    let spec = &patterns::CONTAINERISE;
    let report = run_with_failures(spec, 3).await;
    assert_eq!(report.status, RunStatus::Escalated, "{report:?}");
    let error = report.error.as_deref().unwrap();
    assert!(error.contains("`deploy`"), "{error}");
    for (step, result) in executed_steps(spec, &report) {
        if ["images", "publish", "validate"].contains(&step.id) {
            assert_eq!(result.status, StepStatus::Succeeded, "{result:?}");
            assert_eq!(
                (&result.output, result.usage),
                (&json!("Done."), ANSWER_USAGE)
            );
        } else {
            assert_eq!(result.status, StepStatus::Failed, "{result:?}");
            assert_eq!(result.error.as_ref().unwrap().status, 502, "{result:?}");
            assert_eq!(result.output, json!(null));
            let skips = step.on_failure == OnFailure::Skip;
            assert_eq!(skips, step.id.starts_with("trim_"), "{result:?}");
        }
    }
    assert_in_order(spec, &report);
    let usage_of = |steps: u64| {
        (
            steps * ANSWER_USAGE.input_tokens,
            steps * ANSWER_USAGE.output_tokens,
        )
    };
    assert_eq!(
        (report.usage.input_tokens, report.usage.output_tokens),
        usage_of(3)
    );

    // The steps after a step that stops the run are skipped as `run_ended`.
    let spec = &patterns::DATABASE_SCHEMA_CHANGE;
    let report = run_with_failures(spec, 1).await;
    assert_eq!(report.status, RunStatus::Failed, "{report:?}");
    let statuses = report.steps.iter().map(|step| (step.status, step.skipped));
    let never = (StepStatus::Skipped, Some(SkipReason::RunEnded));
    assert_eq!(
        statuses.collect::<Vec<_>>(),
        [
            (StepStatus::Succeeded, None),
            (StepStatus::Failed, None),
            never,
            never,
            never,
        ]
    );

    // The fallback agent of a failed step fails too.
    let spec = &patterns::BILINGUAL_INTERFACE;
    let report = run_with_failures(spec, 1).await;
    assert_eq!(report.status, RunStatus::Failed, "{report:?}");
    let rehearse = step_report(&report, "rehearse");
    assert_eq!(
        rehearse.fallback.as_deref(),
        Some("api-integration-specialist")
    );
    assert_eq!(rehearse.status, StepStatus::Failed);
}
