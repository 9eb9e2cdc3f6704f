//! The order of a workflow's steps: every one behind those it needs.

use crate::code::Code;
use crate::diagnostic::Report;
use crate::nearest::nearest;
use crate::workflow_step::Step;

/// Whether every step has an id of its own; what is wrong with ids is reported, among it that two of them make one name.
pub fn check_ids(steps: &[Step], report: &mut Report) -> bool {
    let mut unique = true;
    for (index, step) in steps.iter().enumerate() {
        if steps[..index].iter().any(|other| other.id == step.id) {
            let message = format!("the step `{}` stands twice", step.id);
            report
                .error(Code::BadWorkflow, step.span, message)
                .advise("give each step an id of its own");
            unique = false;
        } else if let Some(field) = step.field()
            && let Some(twin) = steps[..index]
                .iter()
                .find(|other| other.field().as_ref() == Some(&field))
        {
            let message = format!(
                "the steps `{}` and `{}` are both the field `{field}` in Rust",
                twin.id, step.id
            );
            report
                .error(Code::BadWorkflow, step.span, message)
                .advise("rename one of them");
        }
        for need in &step.needs {
            if steps.iter().any(|other| other.id == *need) {
                continue;
            }
            let message = format!(
                "the step `{}` needs `{need}`, which is no step here",
                step.id
            );
            let diagnostic = report.error(Code::BadWorkflow, step.span, message);
            match nearest(need, steps.iter().map(|other| other.id.as_str())) {
                Some(near) => diagnostic.advise(format!("did you mean `{near}`?")),
                None => diagnostic.advise("name steps of the same workflow"),
            }
        }
    }
    unique
}

/// The steps with every one behind those it needs, otherwise in their order. A cycle is reported; its
/// steps come last.
pub fn in_order(mut waiting: Vec<Step>, report: &mut Report) -> Vec<Step> {
    let mut ordered: Vec<Step> = Vec::new();
    while !waiting.is_empty() {
        let ready = waiting
            .iter()
            .position(|step| !waiting.iter().any(|other| step.needs.contains(&other.id)));
        let Some(ready) = ready else {
            report_cycle(&waiting, report);
            ordered.append(&mut waiting);
            break;
        };
        ordered.push(waiting.remove(ready));
    }
    ordered
}

/// Reports the steps of `waiting` that wait for each other, without those that only wait for them.
fn report_cycle(waiting: &[Step], report: &mut Report) {
    let mut cycle: Vec<&Step> = waiting.iter().collect();
    while let Some(last) = cycle
        .iter()
        .position(|step| !cycle.iter().any(|other| other.needs.contains(&step.id)))
    {
        cycle.remove(last);
    }
    let [first, rest @ ..] = cycle.as_slice() else {
        return;
    };
    let message = if rest.is_empty() {
        format!("the step `{}` waits for itself", first.id)
    } else {
        let ids: Vec<&str> = cycle.iter().map(|step| step.id.as_str()).collect();
        format!("the steps {} wait for each other", ids.join(", "))
    };
    report
        .error(Code::BadWorkflow, first.span, message)
        .advise("take out one of their `needs`");
}
