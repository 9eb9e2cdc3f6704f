//! Workflows run through the functions that are generated of them.

mod agents {
    agentgen_runtime::include_agents!("../flows");
}

use agentgen_runtime::axum::Router;
use agentgen_runtime::{AgentError, RunContext, Settings, Workflows};
use agentgen_runtime::workflow::{RunReport, RunStatus, SkipReason, StepAnswer, StepReport, StepStatus, TypedReport};
use agents::critic::{
    CountRequest, CountResponse, Critic, InvokeRequest, InvokeRequestTone, InvokeResponse, ReviewRequest,
    ReviewResponse, ReviewResponseVerdict,
};
use agents::writer::workflows::{
    PUBLISH, PublishInput, PublishInputTone, PublishReport, PublishSteps, _13, _122, async_, publish, publish_input,
};
use agents::writer::workflows::{_1Input, AsyncInput, PublishInputInput, _12Input};
use agents::writer::{DraftResponse, StampRequest, StampResponse, Writer};

struct Own;

impl Writer for Own {
    async fn stamp(&self, _: &RunContext, _: StampRequest) -> Result<StampResponse, AgentError> {
        Ok(StampResponse(()))
    }
}

impl Critic for Own {
    async fn review(&self, _: &RunContext, request: ReviewRequest) -> Result<ReviewResponse, AgentError> {
        if request.text == "storms" {
            return Err(AgentError::conflict("not on a day like this"));
        }
        Ok(ReviewResponse {
            verdict: ReviewResponseVerdict::Good,
            notes: vec![request.text],
        })
    }

    async fn count(&self, _: &RunContext, request: CountRequest) -> Result<CountResponse, AgentError> {
        match request.text.as_str() {
            "storms" => Err(AgentError::conflict("who could count them")),
            text => Ok(CountResponse(text.len() as i64 / request.per.unwrap_or(1))),
        }
    }

    async fn invoke(&self, _: &RunContext, request: InvokeRequest) -> Result<InvokeResponse, AgentError> {
        let output = (request.tone == Some(InvokeRequestTone::Cold)).then_some(request.input);
        Ok(InvokeResponse { output: output.filter(|text| text != "storms") })
    }
}

impl agents::Handlers for Own {
    fn critic(&self) -> impl Critic {
        Self
    }

    fn writer(&self) -> impl Writer {
        Self
    }
}

/// The router has to be held for as long as workflows are run.
fn service() -> (Router, Workflows) {
    let workflows = Workflows::default();
    let registry = agents::registry(&Own).workflows(&workflows);
    (registry.into_router(Settings::default()).unwrap(), workflows)
}

fn about(topic: &str) -> PublishInput {
    PublishInput { topic: topic.to_owned(), loud: None, tone: Some(PublishInputTone::Warm), per: None }
}

#[tokio::test]
async fn outputs_have_the_types_of_the_endpoints() {
    let (_router, workflows) = service();
    let input = PublishInput { loud: Some(true), ..about("ducks") };
    let report: PublishReport = publish(&workflows, input, "ann").await.unwrap();
    assert_eq!((report.status, report.error), (RunStatus::Completed, None));
    assert_eq!(report.workflow, "publish");
    assert!(report.ended_at >= Some(report.created_at));
    assert!(report.usage.output_tokens > 0);
    let PublishSteps { draft, shout, review, count, free, stamp } = report.steps;
    let drafted: DraftResponse = draft.output.unwrap();
    assert!(!drafted.title.is_empty());
    assert_eq!((draft.agent.as_deref(), draft.endpoint.as_deref(), draft.attempts), (Some("writer"), Some("draft"), 1));
    assert!(draft.model.is_some() && draft.began_at <= draft.ended_at && draft.usage.output_tokens > 0);
    let shouted: String = shout.output.unwrap();
    assert!(shouted.contains("ducks"), "{shouted}");
    let reviewed = ReviewResponse { verdict: ReviewResponseVerdict::Good, notes: vec!["ducks".to_owned()] };
    assert_eq!(review.output, Some(StepAnswer::Own(reviewed)));
    assert_eq!((review.fallback, review.error), (None, None));
    // What the run was not given is not handed on as null, which `count` takes none of.
    assert_eq!(count.output, Some(CountResponse(5)));
    assert_eq!(free.output, Some(Some("ducks".to_owned())));
    assert_eq!((stamp.output, stamp.model), (Some(StampResponse(())), None));
}

#[tokio::test]
async fn an_optional_value_is_handed_on_where_it_is_given() {
    let (_router, workflows) = service();
    let input = PublishInput { per: Some(2), ..about("ducks") };
    let report = publish(&workflows, input, "ann").await.unwrap();
    assert_eq!(report.steps.count.output, Some(CountResponse(2)));
}

#[tokio::test]
async fn skipped_and_failed_steps_and_fallbacks_are_told() {
    let (_router, workflows) = service();
    let report = publish(&workflows, about("storms"), "ann").await.unwrap();
    assert_eq!(report.status, RunStatus::CompletedWithFailures);
    let steps = report.steps;
    assert_eq!((steps.shout.status, steps.shout.skipped), (StepStatus::Skipped, Some(SkipReason::Condition)));
    assert_eq!((steps.shout.output, steps.shout.attempts), (None, 0));
    assert_eq!((steps.count.status, steps.count.output), (StepStatus::Failed, None));
    let error = steps.count.error.unwrap();
    assert_eq!((error.status, error.detail.as_str()), (409, "who could count them"));
    assert_eq!((steps.review.status, steps.review.fallback.as_deref()), (StepStatus::Succeeded, Some("writer")));
    assert_eq!(steps.review.error.map(|error| error.status), Some(409));
    let Some(StepAnswer::Fallback(answer)) = steps.review.output else {
        panic!("the fallback answers");
    };
    let answer: String = answer;
    assert!(answer.contains("storms"), "{answer}");
    // It succeeded, and said nothing.
    assert_eq!((steps.free.status, steps.free.output), (StepStatus::Succeeded, Some(None)));
}

#[tokio::test]
async fn names_keep_their_meaning() {
    let (_router, workflows) = service();
    let text = || "ducks".to_owned();
    // `_1` and `_12` are the statics of the workflows of these names.
    let report = _13(&workflows, _1Input { input: text() }, "ann").await.unwrap();
    assert!(report.steps.type_.output.unwrap().contains("ducks"));
    let report = _122(&workflows, _12Input { input: text() }, "ann").await.unwrap();
    let ids = [
        report.steps.self_.step,
        report.steps.in_.step,
        report.steps.step2.step,
        report.steps.step3.step,
        report.steps.step.step,
    ];
    assert_eq!(ids, ["self", "in \"##", "计划", "步骤", "step"]);
    let report = publish_input(&workflows, PublishInputInput { input: text() }, "ann").await.unwrap();
    assert_eq!(report.status, RunStatus::Completed);
    let report = async_(&workflows, AsyncInput { input: text() }, "ann").await.unwrap();
    let answer: agents::writer::WorkflowsReportResponse = report.steps.workflows.output.unwrap();
    assert!(!answer.output.is_empty());
}

#[tokio::test]
async fn what_is_no_run_of_the_workflow_is_an_error() {
    let (router, workflows) = service();
    let refused = publish_input(&workflows, PublishInputInput { input: String::new() }, "ann").await;
    let Err(AgentError::Invalid(violations)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(violations[0].pointer, "/input");
    drop(router);
    let error = publish(&workflows, about("ducks"), "ann").await.unwrap_err();
    assert_eq!(error.to_problem().status, 503);
}

#[tokio::test]
async fn any_report_can_be_given_its_types() {
    let (_router, workflows) = service();
    let input = serde_json::json!({ "topic": "ducks" });
    let report: RunReport = workflows.run(&PUBLISH, input, "ann").await.unwrap();
    let typed: PublishReport = report.clone().try_into().unwrap();
    assert_eq!(typed.steps.count.output, Some(CountResponse(5)));
    let with = |change: fn(&mut Vec<StepReport>)| {
        let mut report = report.clone();
        change(&mut report.steps);
        TypedReport::<PublishSteps>::try_from(report)
    };
    assert!(with(|steps| steps.reverse()).is_ok());
    assert!(with(|steps| drop(steps.pop())).is_err());
    assert!(with(|steps| steps[0].output = "prose".into()).is_err());
    assert!(with(|steps| steps[0].step = "drafts".to_owned()).is_err());
}
