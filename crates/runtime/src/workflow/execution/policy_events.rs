//! The events that say which policy applies to a step that failed, or to the run.

use crate::event::agent_event::PolicyKind;
use crate::spec::workflow_spec::{OnFailure, StepSpec};
use crate::workflow::workflow_event::WorkflowEvent;

/// The event that says which policy applies to a failed step. `is_tolerated`: the steps that need it can do without it.
/// `id` is that of the step or of its unit.
pub(super) fn failure_policy(id: &str, step: &StepSpec, is_tolerated: bool) -> WorkflowEvent {
    let (policy, detail) = match step.on_failure {
        OnFailure::Skip => (PolicyKind::Skip, "the run goes on without its output"),
        OnFailure::Join | OnFailure::Fallback(_) if is_tolerated => {
            let detail = "what needs it needs not all, and can still begin without it";
            (PolicyKind::Skip, detail)
        }
        OnFailure::Stop | OnFailure::Join => (PolicyKind::Stop, "it failed, and so the run does"),
        OnFailure::Fallback(_) => (PolicyKind::Stop, "it failed, and so did its fallback"),
        OnFailure::Escalate => {
            let detail = "a person decides how the run continues";
            (PolicyKind::Escalate, detail)
        }
    };
    policy_applied(Some(id), policy, detail)
}

/// The event that says that `policy` applies to `step`, or to the run.
pub(super) fn policy_applied(
    step: Option<&str>,
    policy: PolicyKind,
    detail: &str,
) -> WorkflowEvent {
    WorkflowEvent::PolicyApplied {
        step: step.map(str::to_owned),
        policy,
        model: None,
        detail: detail.to_owned(),
    }
}
