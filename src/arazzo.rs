//! The workflows of a project as an [Arazzo 1.1](https://spec.openapis.org/arazzo/v1.1.0.html) document: each step
//! as a call of an operation in the OpenAPI document.
//!
//! Arazzo has no conditions for steps; a step's `when` stands in `x-when`, as it is written. Nor can it say that two
//! calls may overlap: `dependsOn` tells which ones may.

use serde_json::{Map, Value as Json, json};

use crate::agent::Agent;
use crate::artifact::Artifact;
use crate::code::Code;
use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::operation;
use crate::setting::Name;
use crate::slug::Slug;
use crate::target::openapi;
use crate::template::Templates;
use crate::workflow::{OnFailure, Step, Workflow};

const TEMPLATE: &str = "openapi/arazzo.yaml.tera";

/// The seconds before a failed step is tried again, where the spec does not say how many.
const RETRY_AFTER: u32 = 1;

/// The document of all workflows of `agents`, beside the merged OpenAPI document; none where there is no workflow.
///
/// # Errors
///
/// A step whose agent can't be called, and what was wrong with the template or with what it made.
pub fn render(
    agents: &[Agent],
    config: &Config,
    templates: &Templates,
) -> Result<Option<Artifact>, Diagnostic> {
    let mut workflows = Vec::new();
    for agent in agents {
        for workflow in &agent.service.workflows {
            workflows.push(workflow_context(workflow, agent, agents)?);
        }
    }
    if workflows.is_empty() {
        return Ok(None);
    }
    let settings = &config.openapi;
    let extension = settings.format.extension();
    let context = json!({
        "title": settings.title,
        "api_version": settings.api_version,
        "openapi_url": format!("./openapi.{extension}"),
        "workflows": workflows,
    });
    let document = openapi::parse(&templates.render(TEMPLATE, &context)?, TEMPLATE, templates)?;
    for key in ["arazzo", "info", "sourceDescriptions", "workflows"] {
        if document.get(key).is_none() {
            let message = format!("what the template makes has no `{key}`");
            return Err(templates
                .bad_output(TEMPLATE, message)
                .help("an Arazzo document has arazzo, info, sourceDescriptions and workflows"));
        }
    }
    Ok(Some(Artifact {
        path: format!("arazzo.{extension}"),
        bytes: openapi::text(&document, settings.format).into_bytes(),
    }))
}

fn workflow_context(
    workflow: &Workflow,
    agent: &Agent,
    agents: &[Agent],
) -> Result<Json, Diagnostic> {
    let ids = Ids::new(&workflow.steps);
    let mut steps = Vec::new();
    for (index, step) in workflow.steps.iter().enumerate() {
        let next = workflow.steps.get(index + 1).map(|next| ids.get(&next.id));
        let call = operation_id(&step.agent, agent, agents)?;
        let mut context = json!({
            "id": ids.get(&step.id),
            "description": format!("Asks {}.", step.agent.text),
            "operation_id": call,
            "depends_on": step.needs.iter().map(|need| ids.reference(need)).collect::<Vec<_>>(),
            "payload": payload(step, &ids),
            "when": step.when,
            "timeout_ms": step.timeout_ms,
            "on_success": [],
            "on_failure": on_failure(step, next, &ids),
            "output": "$response.body#/output",
        });
        let OnFailure::Fallback(other) = &step.on_failure else {
            steps.push(context);
            continue;
        };
        let mut fallback = context.clone();
        fallback["id"] = json!(ids.fallback(&step.id));
        fallback["description"] = json!(format!("Asks {} where {} fails.", other.text, step.id));
        fallback["operation_id"] = json!(operation_id(other, agent, agents)?);
        fallback["on_failure"] = json!([{ "name": "stop", "type": "end" }]);
        // The fallback stands behind its step, and a success goes past it.
        context["on_success"] = json!([go_on(next)]);
        steps.extend([context, fallback]);
    }
    Ok(json!({
        "id": Slug::new(&workflow.name).map_or_else(|_| workflow.name.clone(), |slug| slug.to_string()),
        "summary": format!("The workflow {} of {}.", workflow.name, agent.spec.name),
        "input_schema": input_schema(),
        "steps": steps,
        "outputs": outputs(&workflow.steps, &ids),
    }))
}

/// The JSON Schema of what a workflow is given.
fn input_schema() -> Json {
    let mut schema = operation::invoke_input();
    schema["description"] = json!("What a run is given.");
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.retain(|name, _| name == "input");
    }
    schema
}

/// The operation that asks the agent called `name` in plain words.
fn operation_id(name: &Name, owner: &Agent, agents: &[Agent]) -> Result<String, Diagnostic> {
    let agent = agents
        .iter()
        .find(|agent| agent.spec.slug.as_str() == name.text || agent.spec.name == name.text);
    let operations = agent.map(operation::all).unwrap_or_default();
    let invoke = operations.iter().find(|call| call.name == "invoke");
    invoke.map(|call| call.id.clone()).ok_or_else(|| {
        let message = format!("`{}` can't be asked: it has no `invoke`", name.text);
        Diagnostic::error(Code::BadWorkflow, "", message)
            .at(&owner.service.source, name.span)
            .help("take `invoke: false` out of its contract")
    })
}

/// What the step's operation is given: the inputs of the step, or else the run's input and what came before.
fn payload(step: &Step, ids: &Ids<'_>) -> Json {
    match &step.with {
        Some(with) => fill(with, ids),
        None => {
            let before = step
                .needs
                .iter()
                .map(|need| format!("{{{}.outputs.output}}", ids.reference(need)));
            let parts: Vec<String> = std::iter::once("{$inputs.input}".to_owned())
                .chain(before)
                .collect();
            json!({ "input": parts.join("\n\n") })
        }
    }
}

/// `value` with its holes as runtime expressions. A hole that is more than a path stays as it is written: Arazzo
/// computes nothing.
fn fill(value: &Json, ids: &Ids<'_>) -> Json {
    match value {
        Json::String(text) => json!(fill_text(text, ids)),
        Json::Array(items) => items.iter().map(|item| fill(item, ids)).collect(),
        Json::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), fill(value, ids)))
            .collect::<Map<_, _>>()
            .into(),
        value => value.clone(),
    }
}

fn fill_text(text: &str, ids: &Ids<'_>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, hole, after)) = split_hole(rest) {
        filled.push_str(before);
        match runtime_expression(hole.trim(), ids) {
            // A text that is one hole alone keeps the type of the value.
            Some(expression) if before.is_empty() && after.is_empty() && filled.is_empty() => {
                return expression;
            }
            Some(expression) => filled.push_str(&format!("{{{expression}}}")),
            None => filled.push_str(&format!("{{{{{hole}}}}}")),
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// The text before the first hole, what is in it, and the text behind it.
fn split_hole(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (hole, after) = rest.split_once("}}")?;
    Some((before, hole, after))
}

/// `input.goal` or `steps.plan.output.risk` as Arazzo has it; the word `steps` may be left out.
fn runtime_expression(path: &str, ids: &Ids<'_>) -> Option<String> {
    let names: Vec<&str> = path.split('.').collect();
    let is_name = |name: &&str| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        !name.is_empty() && name.chars().all(is_part)
    };
    if !names.iter().all(is_name) {
        return None;
    }
    let (base, members) = match names.as_slice() {
        ["input", name, members @ ..] => (format!("$inputs.{name}"), members),
        ["steps", id, "output", members @ ..] | [id, "output", members @ ..] if ids.has(id) => {
            (format!("{}.outputs.output", ids.reference(id)), members)
        }
        _ => return None,
    };
    match members {
        [] => Some(base),
        members => Some(format!("{base}#/{}", members.join("/"))),
    }
}

fn on_failure(step: &Step, next: Option<&str>, ids: &Ids<'_>) -> Vec<Json> {
    let mut actions = Vec::new();
    // Without a number, `on_failure: retry` means one more attempt.
    let attempts = match (step.attempts, &step.on_failure) {
        (Some(attempts), _) => attempts,
        (None, OnFailure::Retry) => 2,
        (None, _) => 1,
    };
    if attempts > 1 {
        actions.push(json!({
            "name": "retry",
            "type": "retry",
            "retryAfter": RETRY_AFTER,
            "retryLimit": attempts - 1,
        }));
    }
    actions.push(match &step.on_failure {
        OnFailure::Stop | OnFailure::Retry => json!({ "name": "stop", "type": "end" }),
        OnFailure::Escalate => json!({ "name": "escalate", "type": "end" }),
        OnFailure::Skip => {
            let mut skip = go_on(next);
            skip["name"] = json!("skip");
            skip
        }
        OnFailure::Fallback(_) => {
            json!({ "name": "fallback", "type": "goto", "stepId": ids.fallback(&step.id) })
        }
    });
    actions
}

/// The action that goes to the step `next`, or ends the workflow behind its last one.
fn go_on(next: Option<&str>) -> Json {
    match next {
        Some(next) => json!({ "name": "go-on", "type": "goto", "stepId": next }),
        None => json!({ "name": "go-on", "type": "end" }),
    }
}

/// What comes of the workflow: the outputs of the steps that no other needs.
fn outputs(steps: &[Step], ids: &Ids<'_>) -> Map<String, Json> {
    steps
        .iter()
        .filter(|step| !steps.iter().any(|other| other.needs.contains(&step.id)))
        .map(|step| {
            let output = format!("{}.outputs.output", ids.reference(&step.id));
            (ids.get(&step.id).to_owned(), json!(output))
        })
        .collect()
}

/// The ids of a workflow's steps in Arazzo, where they are made of ASCII letters, digits, `_` and `-`.
struct Ids<'a>(Vec<(&'a str, String)>);

impl<'a> Ids<'a> {
    fn new(steps: &'a [Step]) -> Self {
        let is_plain = |id: &str| {
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            !id.is_empty() && id.chars().all(is_part)
        };
        let mut ids: Vec<(&str, String)> = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let mut id = step.id.clone();
            if !is_plain(&id) {
                id = format!("step-{}", index + 1);
                while steps.iter().any(|other| other.id == id) {
                    id.push('_');
                }
            }
            ids.push((&step.id, id));
        }
        Self(ids)
    }

    fn has(&self, id: &str) -> bool {
        self.0.iter().any(|(own, _)| *own == id)
    }

    fn get<'b>(&'b self, id: &'b str) -> &'b str {
        let found = self.0.iter().find(|(own, _)| *own == id);
        found.map_or(id, |(_, plain)| plain)
    }

    fn reference(&self, id: &str) -> String {
        format!("$steps.{}", self.get(id))
    }

    /// The id of the step that stands in where `id` fails.
    fn fallback(&self, id: &str) -> String {
        let mut fallback = format!("{}-fallback", self.get(id));
        while self.0.iter().any(|(_, plain)| *plain == fallback) {
            fallback.push('_');
        }
        fallback
    }
}
