//! Which steps of a run begin now: a function of the graph and of how its steps stand.
//!
//! A step begins when enough of the steps it needs have succeeded. With [`Join::All`] a needed step may also be one that
//! the workflow says it can do without: its own condition was false, or it failed and is to be skipped then. The step
//! goes on without that output, which is null. Where too few can succeed any more, the step is skipped, and that is
//! nothing a further step can do without: such a skip goes on through the graph. Where that is for want of a step that
//! nobody said the workflow can do without, the run fails instead.

use crate::spec::workflow_spec::{OnFailure, WorkflowSpec};
use crate::workflow::expression::{Known, holds};
use crate::workflow::readiness::{Meaning, Needs, means, needs};
use crate::workflow::run_report::{RunStatus, SkipReason, StepReport, StepStatus};

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// These steps begin, and these never will; with none of either, those under way are waited for.
    Go {
        /// Their places in the list of steps.
        begin: Vec<usize>,
        /// Theirs, and why.
        skip: Vec<(usize, SkipReason)>,
    },
    /// The run is over.
    End(RunStatus, Option<String>),
}

/// What comes next in a run of `spec` whose steps stand as in `known`, in the same order.
pub(crate) fn next(spec: &WorkflowSpec, known: Known<'_>) -> Next {
    if let Some(end) = stopped(spec, known.steps) {
        return end;
    }
    let mut steps = known.steps.to_vec();
    let under_way = of(known.steps, StepStatus::Running);
    let most = spec.concurrency.map_or(usize::MAX, |most| most as usize);
    let mut room = most.saturating_sub(under_way);
    let (mut begin, mut skip) = (Vec::new(), Vec::new());
    // Every step stands behind those it needs, so that one pass sees every skip.
    for (index, step) in spec.steps.iter().enumerate() {
        if steps[index].status != StepStatus::Pending {
            continue;
        }
        let reason = match needs(spec, step, &steps) {
            Needs::Open => continue,
            Needs::Missed => Some(SkipReason::Needs),
            Needs::Met => {
                let condition = step.when.as_ref();
                let is_met = condition.is_none_or(|condition| holds(condition, known));
                (!is_met).then_some(SkipReason::Condition)
            }
        };
        if let Some(reason) = reason {
            steps[index].status = StepStatus::Skipped;
            steps[index].skipped = Some(reason);
            skip.push((index, reason));
        } else if room > 0 {
            room -= 1;
            begin.push(index);
        }
    }
    let is_over = steps.iter().all(|step| step.status.is_over());
    match is_over && skip.is_empty() {
        true => ended(&steps),
        false => Next::Go { begin, skip },
    }
}

/// The end of a run whose steps are all over, and none of which ends it by itself.
fn ended(steps: &[StepReport]) -> Next {
    let failed = steps
        .iter()
        .filter(|step| step.status == StepStatus::Failed);
    let failed = failed.map(|step| format!("`{}`", step.step));
    let failed = failed.collect::<Vec<_>>().join(", ");
    match failed.is_empty() {
        true => Next::End(RunStatus::Completed, None),
        false => {
            let told = format!("it went on without what failed: {failed}");
            Next::End(RunStatus::CompletedWithFailures, Some(told))
        }
    }
}

/// The end that a failed step brings about.
fn stopped(spec: &WorkflowSpec, steps: &[StepReport]) -> Option<Next> {
    let is_failed = |index: &usize| steps[*index].status == StepStatus::Failed;
    let mut failed = (0..steps.len()).filter(is_failed);
    failed.find_map(|index| {
        let step = &spec.steps[index];
        let id = step.id;
        let failed = format!("the step `{id}` failed");
        let (status, told) = match step.on_failure {
            OnFailure::Skip => return None,
            OnFailure::Stop => (RunStatus::Failed, failed),
            OnFailure::Escalate => {
                let told = format!("{failed}, and a person has to look at it");
                (RunStatus::Escalated, told)
            }
            OnFailure::Join | OnFailure::Fallback(_) => match means(spec, index, steps) {
                Meaning::Spared => return None,
                Meaning::Missed(other) => {
                    let told = format!("{failed}, and too few others can succeed for `{other}`");
                    (RunStatus::Failed, told)
                }
                Meaning::Failed if step.on_failure == OnFailure::Join => {
                    (RunStatus::Failed, failed)
                }
                Meaning::Failed => (
                    RunStatus::Failed,
                    format!("{failed}, and so did its fallback"),
                ),
            },
        };
        Some(Next::End(status, Some(told)))
    })
}

fn of(steps: &[StepReport], status: StepStatus) -> usize {
    steps.iter().filter(|step| step.status == status).count()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Next, next};
    use crate::spec::workflow_spec::tests::STEP;
    use crate::spec::workflow_spec::{Expression, Join, OnFailure, StepSpec, WorkflowSpec};
    use crate::workflow::expression::Known;
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

    fn next_of(spec: &WorkflowSpec, statuses: &[StepStatus]) -> Next {
        let steps = spec.steps.iter().zip(statuses).map(|(step, status)| {
            let mut report = StepReport::pending(step);
            report.status = *status;
            report
        });
        let steps = steps.collect::<Vec<_>>();
        next(
            spec,
            Known {
                input: &Value::Null,
                steps: &steps,
            },
        )
    }

    fn begins(indices: &[usize]) -> Next {
        Next::Go {
            begin: indices.to_vec(),
            skip: Vec::new(),
        }
    }

    /// The end of a run that went on without these.
    fn without(failed: &str) -> Next {
        let told = format!("it went on without what failed: {failed}");
        Next::End(RunStatus::CompletedWithFailures, Some(told))
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
            let skipped = Next::Go {
                begin: Vec::new(),
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
                matches!(&ended, Next::End(ended, Some(told)) if *ended == status && told.contains("`b`")),
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
                assert!(matches!(ended, Next::End(RunStatus::Failed, Some(_))));
            }
            let spec = joined(Join::Quorum(2), on_failure);
            let ended = next_of(&spec, &[Running, Failed, Pending]);
            assert!(matches!(ended, Next::End(RunStatus::Failed, Some(_))));
        }
        for join in [Join::Any, Join::Quorum(1)] {
            let ended = next_of(&joined(join, OnFailure::Stop), &[Running, Failed, Pending]);
            assert!(matches!(ended, Next::End(RunStatus::Failed, Some(_))));
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
        let expected = Next::Go {
            begin: vec![1],
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
        assert_eq!(ended, Next::End(RunStatus::Completed, None));
        let ended = next_of(&spec, &[Failed, Succeeded, Succeeded]);
        assert_eq!(ended, without("`a`"));
        let ended = next_of(
            &joined(Join::Any, OnFailure::Skip),
            &[Failed, Succeeded, Failed],
        );
        assert!(matches!(ended, Next::End(RunStatus::Failed, Some(_))));
        let ended = next_of(
            &joined(Join::Any, OnFailure::Skip),
            &[Failed, Failed, Skipped],
        );
        assert_eq!(ended, without("`a`, `b`"));
    }
}
