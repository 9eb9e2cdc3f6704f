//! The workflows of a project as an [Arazzo 1.1](https://spec.openapis.org/arazzo/v1.1.0.html) document: each step
//! as a call of an operation in the OpenAPI document.
//!
//! Arazzo has no conditions for steps. The step before chooses by the criteria of its `onSuccess` which step follows, and so
//! leaves out those whose `when` is false; before a first step with a condition comes one that asks whether the service is
//! alive. A `when` that criteria can't say is in `x-when`, and a `join` of less than all in `x-join`. Nor can Arazzo say that
//! two calls may overlap: `dependsOn` tells which ones may. Workflows that wait for somebody are not in it.

pub mod arazzo_conditions;
pub mod arazzo_ids;
pub mod arazzo_request;

use serde_json::{Map, Value as Json, json};

use crate::agent::operation::{self, Operation};
use crate::agent::{Agent, find_agent};
use crate::contract::endpoint::{INVOKE_NAME, NO_CONTENT};
use crate::contract::workflow_contract::{Join, OnFailure, Step, Workflow};
use crate::diagnostics::code::Code;
use crate::diagnostics::{Diagnostic, Severity};
use crate::output::artifact::Artifact;
use crate::project::config::{Config, Openapi, OpenapiFormat};
use crate::targets::openapi;
use crate::targets::openapi::arazzo::arazzo_conditions::{
    Alternatives, MAX_ALTERNATIVES, MemberOutput, Scope, criteria, is_always_there, member_outputs,
};
use crate::targets::openapi::arazzo::arazzo_ids::Ids;
use crate::targets::openapi::arazzo::arazzo_request::Request;
use crate::targets::template_engine::Templates;
use crate::yaml::yaml_settings::Name;

const TEMPLATE: &str = "openapi/arazzo.yaml.tera";

/// The document of all workflows.
pub struct Document {
    /// The file beside the merged OpenAPI document, with the same extension.
    pub artifact: Artifact,
    /// The document that the service serves, beside `/openapi.json`.
    pub served: String,
    /// That it can't say some conditions.
    pub note: Option<Diagnostic>,
}

/// The document of all workflows of `agents` that call agents alone; none where there is no such workflow.
///
/// # Errors
///
/// A step whose agent does not exist, or a template that fails or writes no Arazzo document.
pub fn render(
    agents: &[Agent],
    config: &Config,
    templates: &Templates,
) -> Result<Option<Document>, Diagnostic> {
    let mut workflows = Vec::new();
    let mut unsaid = Vec::new();
    for agent in agents {
        for workflow in agent
            .service
            .workflows
            .iter()
            .filter(|one| !one.waits() && !one.has_units())
        {
            let mut context = workflow_context(workflow, agent, agents, &mut unsaid)?;
            let place = format!("#/workflows/{}/inputs", workflows.len());
            context["input_schema"] = placed(&workflow.input.json, &place);
            workflows.push(context);
        }
    }
    if workflows.is_empty() {
        return Ok(None);
    }
    let format = config.openapi.format;
    let text = |beside: OpenapiFormat| {
        let document = document(&workflows, beside, &config.openapi, templates)?;
        Ok(openapi::text(&document, beside))
    };
    Ok(Some(Document {
        artifact: Artifact {
            path: format!("arazzo.{}", format.as_str()),
            bytes: text(format)?.into_bytes(),
        },
        served: text(OpenapiFormat::Json)?,
        note: note_of(&unsaid),
    }))
}

/// A step whose condition Arazzo can't say.
struct Unsaid<'a> {
    agent: &'a Agent,
    workflow: &'a Workflow,
    step: &'a Step,
}

/// The most steps that a note names.
const MAX_NAMED: usize = 5;

/// The note about all of the steps `unsaid`, at the first one.
fn note_of(unsaid: &[Unsaid<'_>]) -> Option<Diagnostic> {
    let first = unsaid.first()?;
    let names: Vec<String> = unsaid
        .iter()
        .map(|one| format!("{}.{}", one.workflow.name, one.step.id))
        .collect();
    let quoted = |name: &String| format!("`{name}`");
    let named: Vec<String> = names.iter().take(MAX_NAMED).map(quoted).collect();
    let more = match names.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = named.join(", ");
    let message =
        format!("other engines run {named}{more} in any case: Arazzo can't say the `when`");
    let span = first.step.condition.as_ref()?.span;
    let mut note = Diagnostic::error(Code::UnsaidCondition, "", message)
        .with_severity(Severity::Note)
        .at(&first.agent.service.source, span)
        .help("compare plain inputs and outputs of steps, such as `test.output.passed == true`, not `status`");
    note.subjects = names;
    Some(note)
}

/// The document that names the OpenAPI document in the format `beside` as its source.
fn document(
    workflows: &[Json],
    beside: OpenapiFormat,
    settings: &Openapi,
    templates: &Templates,
) -> Result<Json, Diagnostic> {
    let context = json!({
        "title": settings.title,
        "api_version": settings.api_version,
        "openapi_url": format!("./openapi.{}", beside.as_str()),
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
    Ok(document)
}

fn workflow_context<'a>(
    workflow: &'a Workflow,
    agent: &'a Agent,
    agents: &[Agent],
    all_unsaid: &mut Vec<Unsaid<'a>>,
) -> Result<Json, Diagnostic> {
    let ids = Ids::new(&workflow.steps);
    let mut calls = Vec::new();
    for step in &workflow.steps {
        if let Some(call) = step.call() {
            calls.push(operation(&call.agent, call.endpoint_name(), agent, agents)?);
        }
    }
    let flow = Flow::new(workflow, &calls, &ids);
    let mut steps: Vec<Json> = flow.opening().into_iter().collect();
    for (index, (step, call)) in workflow.steps.iter().zip(&calls).enumerate() {
        let id = ids.get(&step.id);
        let asked = step.call().map_or("", |call| &call.agent.text);
        let mut description = match id == step.id {
            true => format!("Asks {}.", asked),
            false => format!("{}: asks {}.", step.id, asked),
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
            all_unsaid.push(Unsaid {
                agent,
                workflow,
                step,
            });
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
            "on_success": flow.after(index, Some(id)),
            "on_failure": on_failure(step, flow.after(index, None), &ids),
        });
        let may_be_absent = |id: &str| flow.may_be_absent(id);
        let request = arazzo_request::of_step(step, workflow, call.endpoint, &ids, &may_be_absent);
        asks(&mut context, request, call);
        flow.add_outputs(&mut context, &step.id, call);
        let OnFailure::Fallback(other) = &step.on_failure else {
            steps.push(context);
            continue;
        };
        let call = operation(other, INVOKE_NAME, agent, agents)?;
        let request =
            arazzo_request::of_fallback(step, workflow, call.endpoint, &ids, &may_be_absent);
        let mut fallback = context.clone();
        let id = ids.fallback(&step.id);
        fallback["on_success"] = json!(flow.after(index, Some(&id)));
        fallback["id"] = json!(id);
        fallback["description"] = json!(format!("Asks {} where {} fails.", other.text, step.id));
        fallback["on_failure"] = json!([{ "name": "stop", "type": "end" }]);
        asks(&mut fallback, request, &call);
        flow.add_outputs(&mut fallback, &step.id, &call);
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
    /// The parts of outputs that conditions read.
    members: Vec<MemberOutput>,
    /// Of each step, whether its condition is that of an action before it.
    said: Vec<bool>,
    /// Of each step, the ids of those that it needs. One that may be left out stands for those that it needs itself.
    dependencies: Vec<Vec<&'a str>>,
}

impl<'a> Flow<'a> {
    fn new(workflow: &'a Workflow, calls: &[Operation<'_>], ids: &'a Ids<'a>) -> Self {
        let outputs = workflow.steps.iter().zip(calls);
        let outputs: Vec<(String, Json)> = outputs
            .map(|(step, call)| (step.id.clone(), output_schema(call)))
            .collect();
        let mut flow = Self {
            workflow,
            ids,
            members: member_outputs(&workflow.steps, &outputs),
            outputs,
            said: Vec::new(),
            dependencies: Vec::new(),
        };
        // The actions that leave out steps one after another are a product.
        let mut product = 1;
        for index in 0..workflow.steps.len() {
            let said = match (
                flow.criteria(index, true, None, &[]),
                flow.criteria(index, false, None, &[]),
            ) {
                (Some(_), _) => true,
                (None, Some(otherwise)) => {
                    product *= otherwise.len();
                    product <= MAX_ALTERNATIVES
                }
                (None, None) => false,
            };
            if !said {
                product = 1;
            }
            flow.said.push(said);
        }
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

    /// The criteria under which the step `index` runs, or under which it does not, as `runs` says, after the step `current`
    /// and without the steps `absent`; none for a step without a condition, or whose condition Arazzo can't say.
    fn criteria(
        &self,
        index: usize,
        runs: bool,
        current: Option<(&str, &str)>,
        absent: &[&str],
    ) -> Option<Alternatives> {
        let step = self.workflow.steps.get(index)?;
        let scope = Scope {
            ids: self.ids,
            input: &self.workflow.input.json,
            outputs: &self.outputs,
            members: &self.members,
            current,
            absent,
        };
        criteria(step.condition.as_ref()?, runs, &scope)
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

    /// The step before a first step that may be left out.
    fn opening(&self) -> Option<Json> {
        let actions = self.choice(0, None, &[])?;
        let ids = self
            .workflow
            .steps
            .iter()
            .map(|step| self.ids.get(&step.id));
        let ids: Vec<&str> = ids.collect();
        let mut id = "begin".to_owned();
        while ids.contains(&id.as_str()) {
            id.push('_');
        }
        Some(json!({
            "id": id,
            "description": "Asks whether the service is alive, and chooses the first step.",
            "operation_id": "getLiveness",
            "depends_on": [],
            "timeout_ms": null,
            "when": null,
            "join": null,
            "parameters": [],
            "payload": null,
            "status": 200,
            "outputs": null,
            "on_success": actions,
            "on_failure": [{ "name": "stop", "type": "end" }],
        }))
    }

    /// The actions that choose what follows the step `index`. None where what follows is the next step in any case. `answered`
    /// is the step in Arazzo that has its output, none where it failed.
    fn after(&self, index: usize, answered: Option<&str>) -> Vec<Json> {
        let id = self.workflow.steps[index].id.as_str();
        let chosen = match answered {
            Some(step) => self.choice(index + 1, Some((id, step)), &[]),
            None => self.choice(index + 1, None, &[id]),
        };
        match (chosen, answered) {
            (Some(actions), _) => actions,
            (None, Some(_)) => Vec::new(),
            (None, None) => vec![self.go_on(index + 1, "skip")],
        }
    }

    /// The actions that choose the step `next` or one after it: the first whose criteria hold counts, and the last one has no
    /// criteria. None where it is `next` in any case.
    fn choice(
        &self,
        next: usize,
        current: Option<(&str, &str)>,
        absent: &[&str],
    ) -> Option<Vec<Json>> {
        if !*self.said.get(next)? {
            return None;
        }
        let step = &self.workflow.steps[next];
        let without = || {
            let absent = [absent, &[step.id.as_str()]].concat();
            let actions = self.choice(next + 1, current, &absent);
            actions.unwrap_or_else(|| vec![self.go_on(next + 1, "go-on")])
        };
        if let Some(alternatives) = self.criteria(next, true, current, absent) {
            if alternatives.iter().any(Vec::is_empty) {
                return None;
            }
            let id = self.ids.get(&step.id);
            let actions = (1..).zip(alternatives).map(|(number, criteria)| {
                json!({ "name": format!("{id}-{number}"), "type": "goto", "stepId": id, "criteria": criteria })
            });
            return Some(actions.chain(without()).collect());
        }
        // What can't be said of the step is said of the others: where its condition is false.
        let otherwise = self.criteria(next, false, current, absent)?;
        if otherwise.is_empty() {
            return None;
        }
        if otherwise.iter().any(Vec::is_empty) {
            return Some(without());
        }
        let mut actions = Vec::new();
        for (number, criteria) in (1..).zip(&otherwise) {
            for mut action in without() {
                let own = action["criteria"].as_array().cloned().unwrap_or_default();
                action["criteria"] = json!([&criteria[..], &own].concat());
                let name = action["name"].as_str().unwrap_or_default();
                action["name"] = json!(format!(
                    "without-{}-{number}-{name}",
                    self.ids.get(&step.id)
                ));
                actions.push(action);
            }
        }
        actions.push(self.go_on(next, "go-on"));
        Some(actions)
    }

    /// Adds the outputs of the step `id` to the template variables of a step that answers for it with the operation `call`.
    fn add_outputs(&self, context: &mut Json, id: &str, call: &Operation<'_>) {
        let Some(output) = context["output"].as_str() else {
            context["outputs"] = Json::Null;
            return;
        };
        let mut outputs = Map::from_iter([("output".to_owned(), json!(output))]);
        let schema = output_schema(call);
        let members = self.members.iter().filter(|member| member.step == id);
        for member in members.filter(|member| is_always_there(&schema, &member.path)) {
            let separator = if output.contains('#') { "" } else { "#" };
            let pointer = member.path.join("/");
            let place = format!("{output}{separator}/{pointer}");
            outputs.insert(member.name.clone(), json!(place));
        }
        context["outputs"] = json!(outputs);
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

/// The schema of what a step that calls `call` hands on.
fn output_schema(call: &Operation<'_>) -> Json {
    let schema = call.output_schema();
    match call.name {
        INVOKE_NAME => schema["properties"]["output"].clone(),
        _ => schema,
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
