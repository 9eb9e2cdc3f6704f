//! Named steps over agents.

use serde_json::Value as Json;

use crate::code::Code;
use crate::diagnostic::Report;
use crate::nearest::nearest;
use crate::node::{Entry, Node, Value};
use crate::setting::{self, Name};
use crate::slug::Slug;
use crate::span::Span;

/// Named steps over agents, as a graph without cycles.
#[derive(Debug, Clone)]
pub struct Workflow {
    /// The key in the service block.
    pub name: String,
    /// The steps, each behind those it needs.
    pub steps: Vec<Step>,
    /// Where the name stands.
    pub span: Span,
}

/// One step of a workflow: an agent that is asked.
#[derive(Debug, Clone)]
pub struct Step {
    /// The key of the step, unique in its workflow.
    pub id: String,
    /// The agent.
    pub agent: Name,
    /// The ids of the steps that come first.
    pub needs: Vec<String>,
    /// The condition, as it is written.
    pub when: Option<String>,
    /// The inputs, as they are written.
    pub with: Option<Json>,
    /// How long it may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// How often it is tried.
    pub attempts: Option<u32>,
    /// What comes of a failure.
    pub on_failure: OnFailure,
    /// Where the id stands.
    pub span: Span,
}

/// What comes of a step that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnFailure {
    /// The workflow ends.
    Stop,
    /// The step is tried again.
    Retry,
    /// The workflow goes on without it.
    Skip,
    /// A person is asked.
    Escalate,
    /// Another agent is asked.
    Fallback(Name),
}

const STEP_KEYS: &[&str] = &[
    "agent",
    "needs",
    "when",
    "with",
    "timeout",
    "retry",
    "on_failure",
];

/// Reads the workflows in the mapping in `node`.
pub fn read_all(node: &Node, report: &mut Report) -> Vec<Workflow> {
    let Some(entries) = node.entries() else {
        report
            .error(
                Code::BadSetting,
                node.span,
                format!("`workflows` holds {}", node.kind()),
            )
            .advise("it takes a mapping of names to lists of steps");
        return Vec::new();
    };
    let mut workflows: Vec<Workflow> = Vec::new();
    for entry in entries {
        let Some(workflow) = read(entry, report) else {
            continue;
        };
        let same = |other: &&Workflow| Slug::new(&other.name) == Slug::new(&workflow.name);
        if let Some(twin) = workflows.iter().find(same) {
            let message = format!("`{}` and `{}` share one route", twin.name, workflow.name);
            report
                .error(Code::BadWorkflow, workflow.span, message)
                .advise("rename one of them");
        }
        workflows.push(workflow);
    }
    workflows
}

fn read(entry: &Entry, report: &mut Report) -> Option<Workflow> {
    if Slug::new(&entry.key).is_err() {
        report
            .error(
                Code::BadWorkflow,
                entry.key_span,
                "a workflow can't be named like that",
            )
            .advise("use the letters a to z, digits and hyphens, 64 at most");
        return None;
    }
    let Some(items) = entry.value.items().filter(|items| !items.is_empty()) else {
        let message = match entry.value.items() {
            Some(_) => format!("the workflow `{}` has no steps", entry.key),
            None => format!("the workflow `{}` holds {}", entry.key, entry.value.kind()),
        };
        report
            .error(Code::BadWorkflow, entry.value.span, message)
            .advise("it takes a list of steps: `- plan: architect`");
        return None;
    };
    let mut steps: Vec<Step> = Vec::new();
    let mut before: Vec<String> = Vec::new();
    for item in items {
        let group = match item.get("parallel") {
            Some(parallel) => match parallel.items().filter(|group| !group.is_empty()) {
                Some(group) => group,
                None => {
                    report
                        .error(
                            Code::BadWorkflow,
                            parallel.span,
                            "`parallel` holds no steps",
                        )
                        .advise("it takes a list of steps");
                    continue;
                }
            },
            None => std::slice::from_ref(item),
        };
        let read: Vec<Step> = group
            .iter()
            .filter_map(|step| read_step(step, &before, report))
            .collect();
        if !read.is_empty() {
            before = read.iter().map(|step| step.id.clone()).collect();
        }
        steps.extend(read);
    }
    // With the same id on two steps, there is no saying which one others wait for.
    if check_ids(&steps, report) {
        steps = in_order(steps, report);
    }
    Some(Workflow {
        name: entry.key.clone(),
        steps,
        span: entry.key_span,
    })
}

/// Reads `{id: agent}` or `{id: {agent: …, …}}`.
fn read_step(node: &Node, before: &[String], report: &mut Report) -> Option<Step> {
    let entry = match node.entries() {
        Some([entry]) => entry,
        _ => {
            report
                .error(Code::BadWorkflow, node.span, "this is no step")
                .advise("write `id: agent`, `id: {agent: …}` or `parallel: [steps]`");
            return None;
        }
    };
    let mut step = Step {
        id: entry.key.clone(),
        agent: Name {
            text: String::new(),
            span: entry.value.span,
        },
        needs: before.to_vec(),
        when: None,
        with: None,
        timeout_ms: None,
        attempts: None,
        on_failure: OnFailure::Stop,
        span: entry.key_span,
    };
    if entry.value.as_str().is_some() {
        step.agent = name(&entry.value, report)?;
        return Some(step);
    }
    let known = setting::known_entries(&entry.value, STEP_KEYS, report);
    // A key that is not known may well have been meant to name the agent.
    let all_known = entry.value.entries().map(<[Entry]>::len) == Some(known.len());
    for Entry { key, value, .. } in known {
        match key.as_str() {
            "agent" => step.agent = name(value, report)?,
            "needs" => {
                step.needs = setting::names(value, report)
                    .into_iter()
                    .map(|name| name.text)
                    .collect();
            }
            "when" => step.when = setting::text(value, report).map(str::to_owned),
            "with" => match value.value {
                Value::Map(_) => step.with = Some(value.to_json()),
                _ => report
                    .error(
                        Code::BadSetting,
                        value.span,
                        format!("`with` holds {}", value.kind()),
                    )
                    .advise("it takes a mapping of inputs to values"),
            },
            "timeout" => step.timeout_ms = setting::duration_ms(value, report),
            "retry" => step.attempts = attempts(value, report),
            _ => step.on_failure = on_failure(value, report).unwrap_or(OnFailure::Stop),
        }
    }
    if step.agent.text.is_empty() {
        if all_known {
            let message = format!("the step `{}` asks no agent", step.id);
            report
                .error(Code::BadWorkflow, step.span, message)
                .advise("name one under `agent`");
        }
        return None;
    }
    Some(step)
}

fn name(node: &Node, report: &mut Report) -> Option<Name> {
    setting::text(node, report).map(|text| Name {
        text: text.to_owned(),
        span: node.span,
    })
}

fn attempts(node: &Node, report: &mut Report) -> Option<u32> {
    match node.value {
        Value::Map(_) => setting::known_entries(node, &["attempts", "backoff"], report)
            .into_iter()
            .find(|entry| entry.key == "attempts")
            .and_then(|entry| setting::small_count(&entry.value, report)),
        _ => setting::small_count(node, report),
    }
}

fn on_failure(node: &Node, report: &mut Report) -> Option<OnFailure> {
    if let Some(entries) = node.entries() {
        if let [entry] = entries
            && entry.key == "fallback"
        {
            return name(&entry.value, report).map(OnFailure::Fallback);
        }
        report
            .error(Code::BadSetting, node.span, "this is no way to fail")
            .advise("write `fallback: agent`, or one of retry, skip, stop, escalate");
        return None;
    }
    let text = setting::text(node, report)?;
    match text.split_once(' ') {
        None if text == "stop" => Some(OnFailure::Stop),
        None if text == "retry" => Some(OnFailure::Retry),
        None if text == "skip" => Some(OnFailure::Skip),
        None if text == "escalate" => Some(OnFailure::Escalate),
        Some(("fallback", agent)) => Some(OnFailure::Fallback(Name {
            text: agent.trim().to_owned(),
            span: node.span,
        })),
        _ => {
            let message = format!("`{text}` is no way to fail");
            let diagnostic = report.error(Code::BadSetting, node.span, message);
            match nearest(text, ["retry", "skip", "stop", "escalate"]) {
                Some(near) => diagnostic.advise(format!("did you mean `{near}`?")),
                None => {
                    diagnostic.advise("it takes retry, skip, stop, escalate or `fallback: agent`");
                }
            }
            None
        }
    }
}

/// Whether every step has an id of its own; what is wrong with ids is reported.
fn check_ids(steps: &[Step], report: &mut Report) -> bool {
    let mut unique = true;
    for (index, step) in steps.iter().enumerate() {
        if steps[..index].iter().any(|other| other.id == step.id) {
            let message = format!("the step `{}` stands twice", step.id);
            report
                .error(Code::BadWorkflow, step.span, message)
                .advise("give each step an id of its own");
            unique = false;
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
fn in_order(mut waiting: Vec<Step>, report: &mut Report) -> Vec<Step> {
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
