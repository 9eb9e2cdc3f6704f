//! The scheduler: which steps of a run start, which are skipped, and when the run ends.
//!
//! Invariant: a pure function of the workflow and the reports of its steps.
//!
//! A step starts when enough of the steps it needs have succeeded. With [`Join::All`], a needed step also counts if its
//! own condition was false, if it failed under `on_failure: skip`, or if a person decided so: its output is then null. A step is skipped when too
//! few of its needs can still succeed, and so are in turn the steps that need it. If that would happen because of a failed
//! step that the workflow does not tolerate, the run fails instead.

use crate::spec::workflow_spec::{Join, OnFailure, StepSpec, WorkflowSpec};
use crate::workflow::execution::evaluation::{Scope, is_truthy};
use crate::workflow::run_report::{RunStatus, SkipReason, StepReport, StepStatus};

/// What to do next with a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Start and skip these steps. If there are none of either, wait for the running ones.
    Continue {
        /// The indices of steps to start.
        start: Vec<usize>,
        /// The indices of steps that never start, and why.
        skip: Vec<(usize, SkipReason)>,
    },
    /// Finish the run with this status and error.
    Finish(RunStatus, Option<String>),
}

/// Decides what to do next with a run of `spec`. `scope.steps` are the reports of all its steps, in the same order.
pub(crate) fn next(spec: &WorkflowSpec, scope: Scope<'_>) -> Decision {
    if let Some(finish) = finish_after_failure(spec, scope.steps) {
        return finish;
    }
    let mut steps = scope.steps.to_vec();
    let running = scope.steps.iter();
    let running = running.filter(|step| step.status == StepStatus::Running);
    let limit = spec.concurrency.map_or(usize::MAX, |limit| limit as usize);
    let mut free = limit.saturating_sub(running.count());
    let (mut start, mut skip) = (Vec::new(), Vec::new());
    // A step comes after those it needs, so that one pass sees every skip.
    for (index, step) in spec.steps.iter().enumerate() {
        if steps[index].status != StepStatus::Pending {
            continue;
        }
        let reason = match readiness(spec, step, &steps) {
            Readiness::Waiting => continue,
            Readiness::Unreachable => Some(SkipReason::Needs),
            Readiness::Ready => {
                let condition = step.when.as_ref();
                let is_met = condition.is_none_or(|condition| is_truthy(condition, scope));
                (!is_met).then_some(SkipReason::Condition)
            }
        };
        if let Some(reason) = reason {
            steps[index].status = StepStatus::Skipped;
            steps[index].skipped = Some(reason);
            skip.push((index, reason));
        } else if free > 0 {
            free -= 1;
            start.push(index);
        }
    }
    let is_over = steps.iter().all(|step| step.status.is_over());
    if is_over && skip.is_empty() {
        finish(spec, &steps)
    } else {
        Decision::Continue { start, skip }
    }
}

/// The end of a run whose steps have all ended.
fn finish(spec: &WorkflowSpec, steps: &[StepReport]) -> Decision {
    let failed = spec.steps.iter().zip(steps).filter(|(spec, step)| {
        // Units of it failed.
        let is_partial = step.status == StepStatus::Succeeded
            && step.error.is_some()
            && spec.on_failure == OnFailure::Skip;
        step.status == StepStatus::Failed
            || step.skipped == Some(SkipReason::Decision)
            || is_partial
    });
    let failed = failed.map(|(_, step)| format!("`{}`", step.step));
    let failed = failed.collect::<Vec<_>>().join(", ");
    if failed.is_empty() {
        return Decision::Finish(RunStatus::Completed, None);
    }
    let error = format!("it went on without what failed: {failed}");
    Decision::Finish(RunStatus::CompletedWithFailures, Some(error))
}

/// The end of a run that one of its failed steps ends.
fn finish_after_failure(spec: &WorkflowSpec, steps: &[StepReport]) -> Option<Decision> {
    let is_failed = |index: &usize| steps[*index].status == StepStatus::Failed;
    let mut failed = (0..steps.len()).filter(is_failed);
    failed.find_map(|index| {
        let step = &spec.steps[index];
        let id = step.id;
        let failed = format!("the step `{id}` failed");
        let (status, error) = match step.on_failure {
            OnFailure::Skip => return None,
            OnFailure::Stop => (RunStatus::Failed, failed),
            OnFailure::Escalate => {
                let error = format!("{failed}, and the run was stopped");
                (RunStatus::Escalated, error)
            }
            OnFailure::Join | OnFailure::Fallback(_) => match failure_impact(spec, index, steps) {
                FailureImpact::Tolerated => return None,
                FailureImpact::Blocks(other) => {
                    let error = format!("{failed}, and too few others can succeed for `{other}`");
                    (RunStatus::Failed, error)
                }
                FailureImpact::FailsRun if step.on_failure == OnFailure::Join => {
                    (RunStatus::Failed, failed)
                }
                FailureImpact::FailsRun => (
                    RunStatus::Failed,
                    format!("{failed}, and so did its fallback"),
                ),
            },
        };
        Some(Decision::Finish(status, Some(error)))
    })
}

/// Whether a step can start, as far as the steps it needs decide.
enum Readiness {
    /// It can start now.
    Ready,
    /// It may still become ready.
    Waiting,
    /// It can never start: too few of its needs can still succeed.
    Unreachable,
}

fn readiness(spec: &WorkflowSpec, step: &StepSpec, steps: &[StepReport]) -> Readiness {
    let (mut succeeded, mut tolerated, mut unfinished) = (0_usize, 0, 0);
    for need in step.needs {
        let Some(index) = spec.steps.iter().position(|other| other.id == *need) else {
            continue;
        };
        let report = &steps[index];
        match report.status {
            StepStatus::Succeeded => succeeded += 1,
            StepStatus::Pending | StepStatus::Running | StepStatus::Waiting => unfinished += 1,
            StepStatus::Failed if spec.steps[index].on_failure == OnFailure::Skip => tolerated += 1,
            StepStatus::Skipped if is_tolerated_skip(report) => tolerated += 1,
            StepStatus::Failed | StepStatus::Skipped | StepStatus::Cancelled => {}
        }
    }
    let needed = match step.join {
        Join::All => {
            succeeded += tolerated;
            step.needs.len()
        }
        Join::Any => step.needs.len().min(1),
        Join::Quorum(count) => count as usize,
    };
    if succeeded >= needed {
        Readiness::Ready
    } else if succeeded + unfinished >= needed {
        Readiness::Waiting
    } else {
        Readiness::Unreachable
    }
}

/// Whether a step counts for those that need it although it was skipped.
fn is_tolerated_skip(report: &StepReport) -> bool {
    matches!(
        report.skipped,
        Some(SkipReason::Condition | SkipReason::Decision)
    )
}

/// What the failure of a step does to the steps that need it.
enum FailureImpact {
    /// All of them can start without it, or did.
    Tolerated,
    /// This step can never start.
    Blocks(&'static str),
    /// One of them needs all its steps, or no step needs this one.
    FailsRun,
}

fn failure_impact(spec: &WorkflowSpec, index: usize, steps: &[StepReport]) -> FailureImpact {
    let id = spec.steps[index].id;
    let dependents = spec.steps.iter().zip(steps);
    let dependents = dependents.filter(|(step, _)| step.needs.contains(&id));
    let mut impact = FailureImpact::FailsRun;
    for (step, report) in dependents {
        if step.join == Join::All {
            return FailureImpact::FailsRun;
        }
        let is_unreachable = matches!(readiness(spec, step, steps), Readiness::Unreachable);
        if report.status == StepStatus::Pending && is_unreachable {
            return FailureImpact::Blocks(step.id);
        }
        impact = FailureImpact::Tolerated;
    }
    impact
}

/// Whether every step that needs the one at `index`, and there is one, can begin without it or did.
pub(crate) fn is_tolerated(spec: &WorkflowSpec, index: usize, steps: &[StepReport]) -> bool {
    matches!(failure_impact(spec, index, steps), FailureImpact::Tolerated)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Decision, next};
    use crate::spec::workflow_spec::tests::STEP;
    use crate::spec::workflow_spec::{Expression, Join, OnFailure, StepSpec, WorkflowSpec};
    use crate::workflow::execution::evaluation::Scope;
    use crate::workflow::run_report::{RunStatus, SkipReason, StepReport, StepStatus};

    fn workflow(steps: Vec<StepSpec>, concurrency: Option<u32>) -> WorkflowSpec {
        WorkflowSpec {
            name: "w",
            operation_id: "w",
            agent: "desk",
            input_schema: "{}",
            roles: &[],
            concurrency,
            timeout_ms: None,
            schedule: None,
            steps: steps.leak(),
        }
    }

    /// `a` and `b`, and `c` that needs both.
    fn joined(join: Join, on_failure: OnFailure) -> WorkflowSpec {
        let first = StepSpec { on_failure, ..STEP };
        let second = StepSpec { id: "b", ..first };
        let third = StepSpec {
            id: "c",
            needs: &["a", "b"],
            join,
            ..STEP
        };
        workflow(vec![first, second, third], None)
    }

    fn next_of(spec: &WorkflowSpec, statuses: &[StepStatus]) -> Decision {
        let steps = spec.steps.iter().zip(statuses).map(|(step, status)| {
            let mut report = StepReport::pending(step);
            report.status = *status;
            report
        });
        let steps = steps.collect::<Vec<_>>();
        next(spec, Scope::of(&Value::Null, &steps))
    }

    fn begins(indices: &[usize]) -> Decision {
        Decision::Continue {
            start: indices.to_vec(),
            skip: Vec::new(),
        }
    }

    /// The end of a run that went on without these.
    fn without(failed: &str) -> Decision {
        let error = format!("it went on without what failed: {failed}");
        Decision::Finish(RunStatus::CompletedWithFailures, Some(error))
    }

    use StepStatus::{Failed, Pending, Running, Skipped, Succeeded};

    #[test]
    fn a_join_waits_for_as_many_as_it_says() {
        for (join, one, none) in [
            (Join::All, begins(&[]), false),
            (Join::Any, begins(&[2]), false),
            (Join::Quorum(2), begins(&[]), false),
            (Join::Quorum(1), begins(&[2]), false),
            (Join::Quorum(0), begins(&[2]), true),
        ] {
            let spec = joined(join, OnFailure::Skip);
            assert_eq!(
                next_of(&spec, &[Succeeded, Running, Pending]),
                one,
                "{join:?}"
            );
            let both = next_of(&spec, &[Succeeded, Succeeded, Pending]);
            assert_eq!(both, begins(&[2]), "{join:?}");
            let expected = if none { begins(&[2]) } else { begins(&[]) };
            assert_eq!(next_of(&spec, &[Running, Running, Pending]), expected);
        }
    }

    #[test]
    fn a_failure_is_gone_on_without_only_where_the_workflow_says_so() {
        let spec = joined(Join::All, OnFailure::Skip);
        let begun = next_of(&spec, &[Failed, Succeeded, Pending]);
        assert_eq!(begun, begins(&[2]));
        for join in [Join::Any, Join::Quorum(1)] {
            let spec = joined(join, OnFailure::Skip);
            let skipped = Decision::Continue {
                start: Vec::new(),
                skip: vec![(2, SkipReason::Needs)],
            };
            assert_eq!(next_of(&spec, &[Failed, Failed, Pending]), skipped);
        }
        for (on_failure, status) in [
            (OnFailure::Stop, RunStatus::Failed),
            (OnFailure::Join, RunStatus::Failed),
            (OnFailure::Fallback("other"), RunStatus::Failed),
            (OnFailure::Escalate, RunStatus::Escalated),
        ] {
            let spec = joined(Join::All, on_failure);
            let ended = next_of(&spec, &[Running, Failed, Pending]);
            assert!(
                matches!(&ended, Decision::Finish(ended, Some(error)) if *ended == status && error.contains("`b`")),
                "{ended:?}"
            );
        }
    }

    #[test]
    fn steps_that_need_some_of_others_decide_whether_a_failure_can_be_gone_on_without() {
        for on_failure in [OnFailure::Join, OnFailure::Fallback("other")] {
            for join in [Join::Any, Join::Quorum(1)] {
                let spec = joined(join, on_failure);
                let waits = next_of(&spec, &[Running, Failed, Pending]);
                assert_eq!(waits, begins(&[]), "{join:?}");
                assert_eq!(next_of(&spec, &[Succeeded, Failed, Pending]), begins(&[2]));
                let begun = next_of(&spec, &[Succeeded, Failed, Running]);
                assert_eq!(begun, begins(&[]));
                let ended = next_of(&spec, &[Succeeded, Failed, Succeeded]);
                assert_eq!(ended, without("`b`"));
                let ended = next_of(&spec, &[Failed, Failed, Pending]);
                assert!(matches!(
                    ended,
                    Decision::Finish(RunStatus::Failed, Some(_))
                ));
            }
            let spec = joined(Join::Quorum(2), on_failure);
            let ended = next_of(&spec, &[Running, Failed, Pending]);
            assert!(matches!(
                ended,
                Decision::Finish(RunStatus::Failed, Some(_))
            ));
        }
        for join in [Join::Any, Join::Quorum(1)] {
            let ended = next_of(&joined(join, OnFailure::Stop), &[Running, Failed, Pending]);
            assert!(matches!(
                ended,
                Decision::Finish(RunStatus::Failed, Some(_))
            ));
        }
    }

    #[test]
    fn a_skip_goes_on_through_the_graph_unless_a_condition_meant_it() {
        let never = StepSpec {
            when: Some(Expression::Boolean(false)),
            ..STEP
        };
        let all = StepSpec {
            id: "b",
            needs: &["a"],
            ..STEP
        };
        let any = StepSpec {
            id: "c",
            needs: &["a"],
            join: Join::Any,
            ..STEP
        };
        let after = StepSpec {
            id: "d",
            needs: &["c"],
            ..STEP
        };
        let spec = workflow(vec![never, all, any, after], None);
        let expected = Decision::Continue {
            start: vec![1],
            skip: vec![
                (0, SkipReason::Condition),
                (2, SkipReason::Needs),
                (3, SkipReason::Needs),
            ],
        };
        assert_eq!(next_of(&spec, &[Pending; 4]), expected);
    }

    #[test]
    fn no_more_steps_are_under_way_than_may_be() {
        let ids = ["a", "b", "c", "d"];
        let steps = ids.map(|id| StepSpec { id, ..STEP }).to_vec();
        let spec = workflow(steps, Some(2));
        assert_eq!(next_of(&spec, &[Pending; 4]), begins(&[0, 1]));
        let one = [Succeeded, Running, Pending, Pending];
        assert_eq!(next_of(&spec, &one), begins(&[2]));
        let two = [Succeeded, Running, Running, Pending];
        assert_eq!(next_of(&spec, &two), begins(&[]));
    }

    #[test]
    fn a_run_without_anything_left_to_do_is_over_and_says_what_failed() {
        let spec = joined(Join::All, OnFailure::Skip);
        let ended = next_of(&spec, &[Succeeded; 3]);
        assert_eq!(ended, Decision::Finish(RunStatus::Completed, None));
        let ended = next_of(&spec, &[Failed, Succeeded, Succeeded]);
        assert_eq!(ended, without("`a`"));
        let ended = next_of(
            &joined(Join::Any, OnFailure::Skip),
            &[Failed, Succeeded, Failed],
        );
        assert!(matches!(
            ended,
            Decision::Finish(RunStatus::Failed, Some(_))
        ));
        let ended = next_of(
            &joined(Join::Any, OnFailure::Skip),
            &[Failed, Failed, Skipped],
        );
        assert_eq!(ended, without("`a`, `b`"));
    }
}
