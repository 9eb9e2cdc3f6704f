//! The eight workflows of the repository's orchestrator, run to their ends: on `echo`, on a model that takes its time, and
//! on one that fails.

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

/// How long the slow model thinks.
const THINKS: Duration = Duration::from_millis(50);
/// What each of its answers takes.
const TAKES: Usage = Usage {
    input_tokens: 12,
    output_tokens: 3,
};

/// Runs `spec` to its end.
async fn run(spec: &'static WorkflowSpec, settings: Settings) -> RunReport {
    let workflows = Workflows::default();
    let registry = agents::registry(&agents::Prompted).workflows(&workflows);
    let _app = registry.into_router(settings).unwrap();
    let input = json!({"input": "A list that several people can edit."});
    workflows.run(spec, input, "ann").await.unwrap()
}

fn of<'a>(report: &'a RunReport, step: &str) -> &'a StepReport {
    report
        .steps
        .iter()
        .find(|found| found.step == step)
        .unwrap()
}

fn times(report: &StepReport) -> (DateTime, DateTime) {
    (report.began_at.unwrap(), report.ended_at.unwrap())
}

/// The steps that ran, each with what it was to be.
fn ran<'a>(
    spec: &'static WorkflowSpec,
    report: &'a RunReport,
) -> Vec<(&'static StepSpec, &'a StepReport)> {
    let ids = report.steps.iter().map(|step| step.step.as_str());
    let expected = spec.steps.iter().map(|step| step.id);
    assert!(ids.eq(expected), "{report:?}");
    let steps = spec.steps.iter().zip(&report.steps);
    let ran = steps.filter(|(_, step)| step.status != StepStatus::Skipped);
    ran.collect()
}

/// All that the report of a run says in which nothing failed, but for outputs; gives how many steps ran.
fn is_complete(spec: &'static WorkflowSpec, report: &RunReport, model: &str) -> usize {
    assert_eq!(report.status, RunStatus::Completed, "{report:?}");
    assert_eq!(
        (report.workflow.as_str(), &report.error),
        (spec.name, &None)
    );
    let ran = ran(spec, report);
    for (step, told) in &ran {
        assert_eq!(told.status, StepStatus::Succeeded, "{told:?}");
        assert_eq!(
            (told.agent.as_str(), told.endpoint.as_str()),
            (step.agent, "invoke")
        );
        assert_eq!(
            (told.attempts, &told.error, &told.fallback),
            (1, &None, &None)
        );
        assert_eq!(told.model.as_deref(), Some(model));
        assert!(told.output.as_str().is_some_and(|text| !text.is_empty()));
        let (began, ended) = times(told);
        assert!(report.created_at <= began && began <= ended, "{told:?}");
        assert!(ended <= report.ended_at.unwrap(), "{told:?}");
    }
    let skipped = report.steps.iter().filter(|step| step.skipped.is_some());
    for step in skipped {
        assert_eq!(step.skipped, Some(SkipReason::Condition), "{step:?}");
    }
    let usage = report.steps.iter().map(|step| step.usage);
    assert_eq!(report.usage, usage.fold(Usage::default(), Usage::plus));
    ran.len()
}

/// No step begins before those it needs are over.
fn is_in_order(spec: &'static WorkflowSpec, report: &RunReport) {
    for (step, told) in ran(spec, report) {
        for need in step.needs {
            let need = of(report, need);
            if need.status != StepStatus::Skipped {
                assert!(times(need).1 <= times(told).0, "{need:?} and {told:?}");
            }
        }
    }
}

/// Every two steps that wait for the same others are under way at the same time; gives how many pairs there are.
fn overlaps(spec: &'static WorkflowSpec, report: &RunReport) -> usize {
    let ran = ran(spec, report);
    let mut pairs = 0;
    for (index, (left, one)) in ran.iter().enumerate() {
        for (right, other) in &ran[index + 1..] {
            if left.needs == right.needs {
                let (one, other) = (times(one), times(other));
                let both = one.0 < other.1 && other.0 < one.1;
                assert!(both, "{} and {} of {report:?}", left.id, right.id);
                pairs += 1;
            }
        }
    }
    pairs
}

#[tokio::test]
async fn they_run_in_order_on_echo() {
    let mut steps = 0;
    for spec in PATTERNS {
        let report = run(spec, Settings::default()).await;
        steps += is_complete(spec, &report, "echo");
        is_in_order(spec, &report);
    }
    // All of them: what `echo` says of the audit names a violation.
    let all = PATTERNS.iter().map(|spec| spec.steps.len()).sum::<usize>();
    assert_eq!(steps, all);
}

#[tokio::test]
async fn they_run_in_order_and_side_by_side_on_a_model_that_takes_its_time() {
    let server = MockServer::start().await.unwrap();
    let usage = (TAKES.input_tokens, TAKES.output_tokens);
    server.always(Script::text("Done.").pause(THINKS).usage(usage.0, usage.1));
    let (mut steps, mut pairs) = (0, 0);
    for (spec, kind) in PATTERNS.into_iter().zip(
        [ProviderKind::Anthropic, ProviderKind::OpenAi]
            .into_iter()
            .cycle(),
    ) {
        let report = run(spec, server.settings(kind)).await;
        steps += is_complete(spec, &report, "mock:model");
        is_in_order(spec, &report);
        pairs += overlaps(spec, &report);
        for (_, step) in ran(spec, &report) {
            assert_eq!((&step.output, step.usage), (&json!("Done."), TAKES));
        }
    }
    assert_eq!(server.requests().len(), steps);
    // Two steps three times, and three steps once.
    assert_eq!(pairs, 6);
    // The model found nothing to repair.
    let all = PATTERNS.iter().map(|spec| spec.steps.len()).sum::<usize>();
    assert_eq!(steps, all - 1);
}

/// A run of `spec` in which the models of the first `well` steps answer, and every call after that is refused.
async fn broken(spec: &'static WorkflowSpec, well: usize) -> RunReport {
    let server = MockServer::start().await.unwrap();
    for _ in 0..well {
        server.push(Script::text("Done.").usage(12, 3));
    }
    server.always(Script::error(400, "out of order"));
    run(spec, server.settings(ProviderKind::Anthropic)).await
}

#[tokio::test]
async fn a_failure_in_part_is_told_and_nothing_of_it_hidden() {
    // The steps that make images smaller can be done without, and the one that rolls them out can't.
    let spec = &patterns::CONTAINERISE;
    let report = broken(spec, 3).await;
    assert_eq!(report.status, RunStatus::Escalated, "{report:?}");
    let told = report.error.as_deref().unwrap();
    assert!(told.contains("`deploy`"), "{told}");
    for (step, told) in ran(spec, &report) {
        if ["images", "publish", "validate"].contains(&step.id) {
            assert_eq!(told.status, StepStatus::Succeeded, "{told:?}");
            assert_eq!((&told.output, told.usage), (&json!("Done."), TAKES));
        } else {
            assert_eq!(told.status, StepStatus::Failed, "{told:?}");
            assert_eq!(told.error.as_ref().unwrap().status, 502, "{told:?}");
            assert_eq!(told.output, json!(null));
            let skips = step.on_failure == OnFailure::Skip;
            assert_eq!(skips, step.id.starts_with("trim_"), "{told:?}");
        }
    }
    is_in_order(spec, &report);
    let took = |steps: u64| (steps * TAKES.input_tokens, steps * TAKES.output_tokens);
    assert_eq!(
        (report.usage.input_tokens, report.usage.output_tokens),
        took(3)
    );

    // What comes behind a step that stops the run is left out, and says so.
    let spec = &patterns::DATABASE_SCHEMA_CHANGE;
    let report = broken(spec, 1).await;
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

    // Another agent was asked in place of one that failed, and failed too.
    let spec = &patterns::BILINGUAL_INTERFACE;
    let report = broken(spec, 1).await;
    assert_eq!(report.status, RunStatus::Failed, "{report:?}");
    let rehearse = of(&report, "rehearse");
    assert_eq!(
        rehearse.fallback.as_deref(),
        Some("api-integration-specialist")
    );
    assert_eq!(rehearse.status, StepStatus::Failed);
}
