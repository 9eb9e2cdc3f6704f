//! How the needs of a step stand, and what the failure of a step means to those that need it.

use crate::spec::workflow_spec::{Join, OnFailure, StepSpec, WorkflowSpec};
use crate::workflow::run_report::{SkipReason, StepReport, StepStatus};

/// How the needs of a step stand.
pub(crate) enum Needs {
    Met,
    /// They may still be met.
    Open,
    Missed,
}

pub(crate) fn needs(spec: &WorkflowSpec, step: &StepSpec, steps: &[StepReport]) -> Needs {
    let (mut succeeded, mut spared, mut open) = (0_usize, 0, 0);
    for need in step.needs {
        let Some(index) = spec.steps.iter().position(|other| other.id == *need) else {
            continue;
        };
        let report = &steps[index];
        match report.status {
            StepStatus::Succeeded => succeeded += 1,
            StepStatus::Pending | StepStatus::Running => open += 1,
            StepStatus::Failed if spec.steps[index].on_failure == OnFailure::Skip => spared += 1,
            StepStatus::Skipped if report.skipped == Some(SkipReason::Condition) => spared += 1,
            StepStatus::Failed | StepStatus::Skipped | StepStatus::Cancelled => {}
        }
    }
    let needed = match step.join {
        Join::All => {
            succeeded += spared;
            step.needs.len()
        }
        Join::Any => step.needs.len().min(1),
        Join::Quorum(most) => most as usize,
    };
    if succeeded >= needed {
        Needs::Met
    } else if succeeded + open >= needed {
        Needs::Open
    } else {
        Needs::Missed
    }
}

/// What the failure of a step means to those that need it.
pub(crate) enum Meaning {
    /// They can begin without it, or did.
    Spared,
    /// This one can't.
    Missed(&'static str),
    /// One needs all, or there is none.
    Failed,
}

pub(crate) fn means(spec: &WorkflowSpec, index: usize, steps: &[StepReport]) -> Meaning {
    let id = spec.steps[index].id;
    let needing = spec.steps.iter().zip(steps);
    let needing = needing.filter(|(step, _)| step.needs.contains(&id));
    let mut meaning = Meaning::Failed;
    for (step, report) in needing {
        if step.join == Join::All {
            return Meaning::Failed;
        }
        let is_missed = matches!(needs(spec, step, steps), Needs::Missed);
        if report.status == StepStatus::Pending && is_missed {
            return Meaning::Missed(step.id);
        }
        meaning = Meaning::Spared;
    }
    meaning
}

/// Whether every step that needs the one at `index`, and there is one, can begin without it or did.
pub(crate) fn is_spared(spec: &WorkflowSpec, index: usize, steps: &[StepReport]) -> bool {
    matches!(means(spec, index, steps), Meaning::Spared)
}
