//! The order of a workflow's steps: every one behind those it needs.

use crate::contract::workflow_step::Step;
use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::text::did_you_mean::did_you_mean;

/// Whether every step has an id of its own; what is wrong with ids is reported, among it that two of them make one name.
pub fn check_ids(steps: &[Step], report: &mut Report) -> bool {
    let mut unique = true;
    for (index, step) in steps.iter().enumerate() {
        if steps[..index].iter().any(|other| other.id == step.id) {
            let message = format!("the step `{}` is defined twice", step.id);
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
        if step.id.ends_with(']') && step.id.contains('[') {
            let message = format!("a step can't be named `{}`", step.id);
            report
                .error(Code::BadWorkflow, step.span, message)
                .advise("brackets at its end name one of the calls of a step, such as `build[3]`");
        }
        for need in &step.needs {
            if steps.iter().any(|other| other.id == need.text) {
                continue;
            }
            let message = format!(
                "the step `{}` needs `{}`, which is no step here",
                step.id, need.text
            );
            let candidates = steps.iter().map(|other| other.id.as_str());
            let otherwise = "name steps of the same workflow";
            report
                .error(Code::BadWorkflow, need.span, message)
                .advise(did_you_mean(&need.text, candidates, otherwise));
        }
    }
    unique
}

/// The steps with every one behind those it needs, otherwise in their order. Cycles are reported; their
/// steps come last.
pub fn in_order(mut waiting: Vec<Step>, report: &mut Report) -> Vec<Step> {
    let mut ordered: Vec<Step> = Vec::new();
    while !waiting.is_empty() {
        let ready = waiting
            .iter()
            .position(|step| !waiting.iter().any(|other| step.waits_for(&other.id)));
        let Some(ready) = ready else {
            report_cycles(&waiting, report);
            ordered.append(&mut waiting);
            break;
        };
        ordered.push(waiting.remove(ready));
    }
    ordered
}

/// Reports the cycles among the steps of `waiting`, each where one of its steps needs another.
fn report_cycles(waiting: &[Step], report: &mut Report) {
    let mut left: Vec<&Step> = waiting.iter().collect();
    while let Some(cycle) = take_cycle(&mut left) {
        let ids: Vec<&str> = cycle.iter().map(|step| step.id.as_str()).collect();
        let Some(need) = cycle
            .iter()
            .flat_map(|step| &step.needs)
            .find(|need| ids.contains(&need.text.as_str()))
        else {
            return;
        };
        let message = match ids.as_slice() {
            [id] => format!("the step `{id}` waits for itself"),
            ids => format!("the steps {} wait for each other", ids.join(", ")),
        };
        report
            .error(Code::BadWorkflow, need.span, message)
            .advise("take out one of their `needs`");
    }
}

/// Takes the steps of one cycle out of `left`, in their order. None where there is no cycle.
fn take_cycle<'a>(left: &mut Vec<&'a Step>) -> Option<Vec<&'a Step>> {
    // What waits for nothing that is left is in no cycle.
    while let Some(free) = left
        .iter()
        .position(|step| !left.iter().any(|other| step.waits_for(&other.id)))
    {
        left.remove(free);
    }
    let mut path = vec![*left.first()?];
    let cycle = loop {
        let last = path.last()?;
        let next = left.iter().find(|other| last.waits_for(&other.id))?;
        match path.iter().position(|step| step.id == next.id) {
            Some(start) => break path.split_off(start),
            None => path.push(next),
        }
    };
    let is_in = |step: &&Step| cycle.iter().any(|other| other.id == step.id);
    let (cycle, rest) = left.drain(..).partition(is_in);
    *left = rest;
    Some(cycle)
}
