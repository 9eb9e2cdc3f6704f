//! The workflows of a project as an [Arazzo 1.1](https://spec.openapis.org/arazzo/v1.1.0.html) document: each step
//! as a call of an operation in the OpenAPI document.
//!
//! Arazzo has no conditions for steps; a step's `when` stands in `x-when`, as it is written, and a `join` of less than
//! all in `x-join`. Nor can it say that two calls may overlap: `dependsOn` tells which ones may.

use serde_json::{Map, Value as Json, json};

use crate::agent::Agent;
use crate::artifact::Artifact;
use crate::code::Code;
use crate::config::Config;
use crate::diagnostic::Diagnostic;
use crate::operation;
use crate::setting::Name;
use crate::target::openapi;
use crate::template::Templates;
use crate::workflow::{Join, OnFailure, Step, Workflow};

const TEMPLATE: &str = "openapi/arazzo.yaml.tera";

/// The endpoint of a step that names none.
const INVOKE: &str = "invoke";

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
        let endpoint = step.endpoint.as_ref().map_or(INVOKE, |name| &name.text);
        let call = operation_id(&step.agent, endpoint, agent, agents)?;
        let output = match endpoint {
            INVOKE => "$response.body#/output",
            _ => "$response.body",
        };
        let mut context = json!({
            "id": ids.get(&step.id),
            "description": format!("Asks {}.", step.agent.text),
            "operation_id": call,
            "depends_on": step.needs.iter().map(|need| ids.reference(need)).collect::<Vec<_>>(),
            "payload": payload(step, workflow, &ids),
            "when": step.when,
            "join": join(step.join),
            "timeout_ms": step.timeout_ms,
            "on_success": [],
            "on_failure": on_failure(step, next, &ids),
            "output": output,
        });
        let OnFailure::Fallback(other) = &step.on_failure else {
            steps.push(context);
            continue;
        };
        let mut fallback = context.clone();
        fallback["id"] = json!(ids.fallback(&step.id));
        fallback["description"] = json!(format!("Asks {} where {} fails.", other.text, step.id));
        fallback["operation_id"] = json!(operation_id(other, INVOKE, agent, agents)?);
        fallback["output"] = json!("$response.body#/output");
        fallback["on_failure"] = json!([{ "name": "stop", "type": "end" }]);
        // The fallback stands behind its step, and a success goes past it.
        context["on_success"] = json!([go_on(next)]);
        steps.extend([context, fallback]);
    }
    Ok(json!({
        "id": workflow.slug.as_str(),
        "summary": format!("The workflow {} of {}.", workflow.name, agent.spec.name),
        "input_schema": workflow.input.json,
        "steps": steps,
        "outputs": outputs(&workflow.steps, &ids),
    }))
}

/// How many of the needed steps have to succeed, where that is not all of them.
fn join(join: Join) -> Option<Json> {
    match join {
        Join::All => None,
        Join::Any => Some(json!("any")),
        Join::Quorum(steps) => Some(json!({ "quorum": steps })),
    }
}

/// The operation of `endpoint` of the agent called `name`.
fn operation_id(
    name: &Name,
    endpoint: &str,
    owner: &Agent,
    agents: &[Agent],
) -> Result<String, Diagnostic> {
    let agent = agents
        .iter()
        .find(|agent| agent.spec.slug.as_str() == name.text || agent.spec.name == name.text);
    let operations = agent.map(operation::all).unwrap_or_default();
    let asked = operations.iter().find(|call| call.name == endpoint);
    asked.map(|call| call.id.clone()).ok_or_else(|| {
        let message = format!("`{}` can't be asked: it has no `{endpoint}`", name.text);
        Diagnostic::error(Code::BadWorkflow, "", message)
            .at(&owner.service.source, name.span)
            .help("take `invoke: false` out of its contract")
    })
}

/// What the step's operation is given: the inputs of the step, or else the run's input and what came before.
fn payload(step: &Step, workflow: &Workflow, ids: &Ids<'_>) -> Json {
    match (&step.with, &step.endpoint) {
        (Some(with), _) => fill(with, ids),
        (None, Some(endpoint)) if endpoint.text != INVOKE => {
            let properties = workflow.input.json.get("properties");
            let names = properties.and_then(Json::as_object).into_iter().flatten();
            names
                .map(|(name, _)| (name.clone(), json!(format!("$inputs.{name}"))))
                .collect::<Map<_, _>>()
                .into()
        }
        (None, _) => {
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
    let attempts = step.attempts();
    if attempts > 1 {
        actions.push(json!({
            "name": "retry",
            "type": "retry",
            // In seconds.
            "retryAfter": step.backoff_ms() as f64 / 1000.0,
            "retryLimit": attempts - 1,
        }));
    }
    actions.push(match &step.on_failure {
        OnFailure::Stop | OnFailure::Retry => json!({ "name": "stop", "type": "end" }),
        OnFailure::Escalate => json!({ "name": "escalate", "type": "end" }),
        OnFailure::Skip | OnFailure::Join => {
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
