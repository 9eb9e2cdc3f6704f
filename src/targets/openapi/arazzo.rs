//! The workflows of a project as an [Arazzo 1.1](https://spec.openapis.org/arazzo/v1.1.0.html) document: each step
//! as a call of an operation in the OpenAPI document.
//!
//! Arazzo has no conditions for steps. The step before chooses by the criteria of its `onSuccess` which step follows, and so
//! leaves out those whose `when` is false. A `when` that criteria can't say, such as that of the first step, is in `x-when`, and
//! a `join` of less than all in `x-join`. Nor can Arazzo say that two calls may overlap: `dependsOn` tells which ones may.

use serde_json::{Map, Value as Json, json};

use crate::agent::operation::{self, Operation};
use crate::agent::{Agent, find_agent};
use crate::contract::endpoint::{INVOKE_NAME, NO_CONTENT};
use crate::contract::workflow_contract::{Join, OnFailure, Step, Workflow};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::code::Code;
use crate::output::artifact::Artifact;
use crate::project::config::Config;
use crate::targets::openapi;
use crate::targets::openapi::arazzo_conditions::{Alternatives, Scope, criteria};
use crate::targets::openapi::arazzo_ids::Ids;
use crate::targets::openapi::arazzo_request::{self, Request};
use crate::targets::template_engine::Templates;
use crate::yaml::yaml_settings::Name;

const TEMPLATE: &str = "openapi/arazzo.yaml.tera";

/// The document of all workflows of `agents`, beside the merged OpenAPI document; none where there is no workflow.
///
/// # Errors
///
/// A step whose agent does not exist, or a template that fails or writes no Arazzo document.
pub fn render(
    agents: &[Agent],
    config: &Config,
    templates: &Templates,
) -> Result<Option<Artifact>, Diagnostic> {
    let mut workflows = Vec::new();
    for agent in agents {
        for workflow in &agent.service.workflows {
            let mut context = workflow_context(workflow, agent, agents)?;
            let place = format!("#/workflows/{}/inputs", workflows.len());
            context["input_schema"] = placed(&workflow.input.json, &place);
            workflows.push(context);
        }
    }
    if workflows.is_empty() {
        return Ok(None);
    }
    let settings = &config.openapi;
    let extension = settings.format.as_str();
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
    let mut calls = Vec::new();
    for step in &workflow.steps {
        calls.push(operation(&step.agent, step.endpoint_name(), agent, agents)?);
    }
    let flow = Flow::new(workflow, &calls, &ids);
    let mut steps = Vec::new();
    for (index, (step, call)) in workflow.steps.iter().zip(&calls).enumerate() {
        let id = ids.get(&step.id);
        let mut description = match id == step.id {
            true => format!("Asks {}.", step.agent.text),
            false => format!("{}: asks {}.", step.id, step.agent.text),
        };
        let absent: Vec<String> = step
            .needs
            .iter()
            .map(|need| need.text.as_str())
            .filter(|need| step.with.is_none() && flow.may_be_absent(need))
            .map(|need| format!("`{need}`"))
            .collect();
        if !absent.is_empty() {
            let which = format!(
                " Without the output of {}, which may be left out.",
                absent.join(", ")
            );
            description.push_str(&which);
        }
        let unsaid = step.when.as_ref().filter(|_| !flow.said[index]);
        if let Some(condition) = unsaid {
            let which = format!(" Only where `{condition}`, which Arazzo can't say.");
            description.push_str(&which);
        }
        let mut context = json!({
            "id": id,
            "description": description,
            "depends_on": flow.dependencies[index],
            "when": unsaid,
            "join": join(step.join),
            "timeout_ms": step.timeout_ms,
            "on_success": flow.after(index, Some(&answer(call, id))),
            "on_failure": on_failure(step, flow.after(index, None), &ids),
        });
        let may_be_absent = |id: &str| flow.may_be_absent(id);
        let request = arazzo_request::of_step(step, workflow, call.endpoint, &ids, &may_be_absent);
        asks(&mut context, request, call);
        let OnFailure::Fallback(other) = &step.on_failure else {
            steps.push(context);
            continue;
        };
        let call = operation(other, INVOKE_NAME, agent, agents)?;
        let request =
            arazzo_request::of_fallback(step, workflow, call.endpoint, &ids, &may_be_absent);
        let mut fallback = context.clone();
        let id = ids.fallback(&step.id);
        fallback["on_success"] = json!(flow.after(index, Some(&answer(&call, &id))));
        fallback["id"] = json!(id);
        fallback["description"] = json!(format!("Asks {} where {} fails.", other.text, step.id));
        fallback["on_failure"] = json!([{ "name": "stop", "type": "end" }]);
        asks(&mut fallback, request, &call);
        // The fallback comes right after its step; a success skips it.
        if context["on_success"] == json!([]) {
            context["on_success"] = json!([flow.go_on(index + 1, "go-on")]);
        }
        steps.extend([context, fallback]);
    }
    let outputs = flow.workflow_outputs(&steps);
    Ok(json!({
        "id": workflow.slug.as_str(),
        "summary": format!("The workflow {} of {}.", workflow.name, agent.spec.name),
        "steps": steps,
        "outputs": outputs,
    }))
}

/// The order of a workflow's steps: one after another, where each says which one follows.
struct Flow<'a> {
    workflow: &'a Workflow,
    ids: &'a Ids<'a>,
    /// The schemas of the steps' outputs, by id.
    outputs: Vec<(String, Json)>,
    /// Of each step, whether its condition is that of an action before it.
    said: Vec<bool>,
    /// Of each step, the ids of those that it needs. One that may be left out stands for those that it needs itself.
    dependencies: Vec<Vec<&'a str>>,
}

impl<'a> Flow<'a> {
    fn new(workflow: &'a Workflow, calls: &[Operation<'_>], ids: &'a Ids<'a>) -> Self {
        let outputs = workflow.steps.iter().zip(calls).map(|(step, call)| {
            let schema = call.output_schema();
            let output = match call.name {
                INVOKE_NAME => schema["properties"]["output"].clone(),
                _ => schema,
            };
            (step.id.clone(), output)
        });
        let mut flow = Self {
            workflow,
            ids,
            outputs: outputs.collect(),
            said: Vec::new(),
            dependencies: Vec::new(),
        };
        let steps = 0..workflow.steps.len();
        let said = steps.map(|index| flow.criteria(index, None, &[]).is_some());
        flow.said = said.collect();
        for step in &workflow.steps {
            let found = flow.dependencies_of(step);
            flow.dependencies.push(found);
        }
        flow
    }

    /// The dependencies of `step`, from those of the steps before it.
    fn dependencies_of(&self, step: &'a Step) -> Vec<&'a str> {
        let mut found = Vec::new();
        for need in &step.needs {
            let ids = match self.position(&need.text) {
                Some(other) if self.said[other] && other < self.dependencies.len() => {
                    self.dependencies[other].clone()
                }
                _ => vec![self.ids.get(&need.text)],
            };
            for id in ids {
                if !found.contains(&id) {
                    found.push(id);
                }
            }
        }
        found
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.workflow.steps.iter().position(|step| step.id == id)
    }

    /// The criteria under which the step `index` runs, where the response of the step `current` is at hand and the steps
    /// `absent` were left out; none for a step without a condition, or whose condition Arazzo can't say.
    fn criteria(
        &self,
        index: usize,
        current: Option<(&str, &str)>,
        absent: &[&str],
    ) -> Option<Alternatives> {
        // Nothing comes before the first step that could leave it out.
        let step = self.workflow.steps.get(index).filter(|_| index > 0)?;
        let scope = Scope {
            ids: self.ids,
            input: &self.workflow.input.json,
            outputs: &self.outputs,
            current,
            absent,
        };
        criteria(step.condition.as_ref()?, &scope)
    }

    /// Whether the step `id` is left out where its condition does not hold. Engines fail at a reference to what it says.
    fn may_be_absent(&self, id: &str) -> bool {
        self.position(id).is_some_and(|index| self.said[index])
    }

    /// The workflow's outputs: those of the steps that no later one needs, as far as `contexts` has one for them. Engines stop at
    /// an output of a step that did not run, so neither a step with a condition nor a fallback is among them.
    fn workflow_outputs(&self, contexts: &[Json]) -> Map<String, Json> {
        let runs = |index: &usize| !self.said[*index];
        let steps: Vec<usize> = (0..self.workflow.steps.len()).filter(runs).collect();
        let needed: Vec<&str> = steps
            .iter()
            .flat_map(|index| self.dependencies[*index].iter().copied())
            .collect();
        let has_output = |step: &Step| {
            let id = self.ids.get(&step.id);
            contexts
                .iter()
                .any(|context| context["id"] == id && !context["output"].is_null())
        };
        steps
            .iter()
            .map(|index| &self.workflow.steps[*index])
            .filter(|step| !needed.contains(&self.ids.get(&step.id)))
            .filter(|step| has_output(step))
            .map(|step| {
                let id = self.ids.get(&step.id).to_owned();
                (id, json!(self.ids.output(&step.id)))
            })
            .collect()
    }

    /// The actions that choose what follows the step `index`: the first whose criteria hold counts. None where what follows is
    /// the next step in any case. `answer` is the runtime expression for its output, none where it failed.
    fn after(&self, index: usize, answer: Option<&str>) -> Vec<Json> {
        let id = self.workflow.steps[index].id.as_str();
        let current = answer.map(|answer| (id, answer));
        let mut actions = Vec::new();
        let mut next = index + 1;
        let mut absent: Vec<&str> = Vec::new();
        while let Some(alternatives) = self.criteria(next, current, &absent) {
            let step = &self.workflow.steps[next];
            let id = self.ids.get(&step.id);
            if alternatives.iter().any(Vec::is_empty) {
                break;
            }
            for (number, criteria) in (1..).zip(alternatives) {
                let mut action =
                    json!({ "name": format!("{id}-{number}"), "type": "goto", "stepId": id });
                action["criteria"] = json!(criteria);
                actions.push(action);
            }
            absent.push(&step.id);
            next += 1;
        }
        if next > index + 1 || answer.is_none() {
            let name = if answer.is_some() { "go-on" } else { "skip" };
            actions.push(self.go_on(next, name));
        }
        actions
    }

    /// The action that continues with the step `next`, or ends the workflow after the last one.
    fn go_on(&self, next: usize, name: &str) -> Json {
        match self.workflow.steps.get(next) {
            Some(next) => {
                json!({ "name": name, "type": "goto", "stepId": self.ids.get(&next.id) })
            }
            None => json!({ "name": name, "type": "end" }),
        }
    }
}

/// The runtime expression for the output of the step `id` in the actions after it. Redocly and arazzo-runner have set its
/// outputs by then; only Redocly has the response too, or reads members of outputs.
fn answer(call: &Operation<'_>, id: &str) -> String {
    match call.name {
        INVOKE_NAME => format!("$steps.{id}.outputs.output"),
        _ => "$response.body".to_owned(),
    }
}

/// A schema for the place `place` of a document: its own `$ref`s are rewritten to start at the document's root.
fn placed(schema: &Json, place: &str) -> Json {
    let Some(map) = schema.as_object() else {
        return schema.clone();
    };
    let each = |(key, value): (&String, &Json)| (key.clone(), placed(value, place));
    let members = map.iter().map(|(key, value)| {
        let value = match (key.as_str(), value) {
            ("$ref", Json::String(target)) => match target.strip_prefix('#') {
                Some(inner) => json!(format!("{place}{inner}")),
                None => value.clone(),
            },
            ("properties" | "$defs", Json::Object(schemas)) => {
                Json::Object(schemas.iter().map(each).collect())
            }
            ("oneOf" | "anyOf" | "allOf" | "prefixItems", Json::Array(schemas)) => {
                schemas.iter().map(|schema| placed(schema, place)).collect()
            }
            ("items" | "additionalProperties", _) => placed(value, place),
            _ => value.clone(),
        };
        (key.clone(), value)
    });
    Json::Object(members.collect())
}

/// Adds `request` to the template variables of a step that calls the operation `call`.
fn asks(step: &mut Json, request: Request, call: &Operation<'_>) {
    step["operation_id"] = json!(call.id);
    step["parameters"] = json!(request.parameters);
    step["payload"] = json!(request.payload);
    step["status"] = json!(call.status());
    step["output"] = match call.name {
        INVOKE_NAME => json!("$response.body#/output"),
        _ if call.status() == NO_CONTENT => Json::Null,
        _ => json!("$response.body"),
    };
}

/// How many of the needed steps have to succeed, where that is not all of them.
fn join(join: Join) -> Option<Json> {
    match join {
        Join::All => None,
        Join::Any => Some(json!("any")),
        Join::Quorum(steps) => Some(json!({ "quorum": steps })),
    }
}

/// The operation of `endpoint` of the agent with the name `name`.
fn operation<'a>(
    name: &Name,
    endpoint: &str,
    owner: &Agent,
    agents: &'a [Agent],
) -> Result<Operation<'a>, Diagnostic> {
    let operations = find_agent(agents, &name.text)
        .map(operation::all)
        .unwrap_or_default();
    let operation = operations.into_iter().find(|call| call.name == endpoint);
    operation.ok_or_else(|| {
        let message = format!("`{}` can't be called: it has no `{endpoint}`", name.text);
        Diagnostic::error(Code::BadWorkflow, "", message)
            .at(&owner.service.source, name.span)
            .help("take `invoke: false` out of its contract")
    })
}

/// The actions after a failure; `skip` are those that go on without the step.
fn on_failure(step: &Step, skip: Vec<Json>, ids: &Ids<'_>) -> Vec<Json> {
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
    match &step.on_failure {
        OnFailure::Stop | OnFailure::Retry => {
            actions.push(json!({ "name": "stop", "type": "end" }));
        }
        OnFailure::Escalate => actions.push(json!({ "name": "escalate", "type": "end" })),
        OnFailure::Skip | OnFailure::Join => actions.extend(skip),
        OnFailure::Fallback(_) => actions
            .push(json!({ "name": "fallback", "type": "goto", "stepId": ids.fallback(&step.id) })),
    }
    actions
}
