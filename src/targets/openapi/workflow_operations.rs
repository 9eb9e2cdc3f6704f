//! The template variables of the operations that start workflows.

use std::collections::BTreeMap;

use heck::ToUpperCamelCase;
use serde_json::{Value as Json, json};

use crate::agent::{Agent, find_agent};
use crate::contract::endpoint::INVOKE_NAME;
use crate::contract::workflow_contract::{OnFailure, Workflow};
use crate::schema::sample::example;
use crate::targets::openapi::components::{extract_component, register_definitions};
use crate::targets::openapi::error_responses::shared_response;

/// The template variables of the workflows of all `agents`; the schemas that they refer to are added to `components`.
pub fn workflows_context(agents: &[Agent], components: &mut Vec<(String, Json)>) -> Vec<Json> {
    let mut all: Vec<(&Agent, &Workflow)> = agents
        .iter()
        .flat_map(|agent| agent.service.workflows.iter().map(move |own| (agent, own)))
        .collect();
    all.sort_by(|(_, left), (_, right)| left.slug.cmp(&right.slug));
    all.into_iter()
        .map(|(agent, workflow)| context(workflow, agent, agents, components))
        .collect()
}

fn context(
    workflow: &Workflow,
    agent: &Agent,
    agents: &[Agent],
    components: &mut Vec<(String, Json)>,
) -> Json {
    let operation_id = workflow.operation_id();
    let input = &workflow.input.json;
    let name = format!("{}Request", operation_id.to_upper_camel_case());
    let definitions = register_definitions(&name, input, components);
    let mut described = input.clone();
    if let Some(map) = described.as_object_mut()
        && !map.contains_key("description")
        && !map.contains_key("$ref")
    {
        let description = format!("What the workflow {} is given.", workflow.name);
        map.insert("description".to_owned(), json!(description));
    }
    let schema = extract_component(&name, &described, &definitions, components);
    let mut request = json!({
        "description": format!("What the workflow {} is given.", workflow.name),
        "schema": schema,
    });
    if let Some(value) = example(input) {
        request["examples"] = json!({ "sample": { "summary": "A sample", "value": value } });
    }
    json!({
        "name": workflow.slug.as_str(),
        "path": format!("/v1/workflows/{}/runs", workflow.slug),
        "operation_id": operation_id,
        "summary": format!("Start the workflow {}", workflow.name),
        "description": description(workflow, agent),
        "request": request,
        "errors": errors(workflow, agents),
    })
}

fn description(workflow: &Workflow, agent: &Agent) -> String {
    let steps: Vec<String> = workflow
        .steps
        .iter()
        .map(|step| format!("`{}`", step.id))
        .collect();
    let mut text = format!(
        "Starts a run of the workflow {} of {} and answers at once; the run goes on by itself. Its steps are {}.",
        workflow.name,
        agent.spec.name,
        steps.join(", ")
    );
    if !workflow.roles.is_empty() {
        let roles = workflow.roles.join(", ");
        text.push_str(&format!("\n\nNeeds one of the roles {roles}."));
    }
    text
}

/// The problem responses of the operation, by status.
fn errors(workflow: &Workflow, agents: &[Agent]) -> Vec<Json> {
    let mut errors = BTreeMap::from([
        (400, "BadRequest"),
        (401, "Unauthorized"),
        (406, "NotAcceptable"),
        (408, "RequestTimeout"),
        (409, "Conflict"),
        (413, "ContentTooLarge"),
        (415, "UnsupportedMediaType"),
        (421, "MisdirectedRequest"),
        (422, "UnprocessableContent"),
        (429, "TooManyRequests"),
        (500, "InternalServerError"),
        (503, "ServiceUnavailable"),
    ]);
    if needs_role(workflow, agents) {
        errors.insert(403, "Forbidden");
    }
    errors
        .into_iter()
        .map(|(status, name)| shared_response(name, &status.to_string(), &workflow.input.json))
        .collect()
}

/// Whether starting it needs a role: its own, or one of the endpoints that its steps call.
fn needs_role(workflow: &Workflow, agents: &[Agent]) -> bool {
    let guarded = |name: &str, endpoint: &str| {
        let endpoints = find_agent(agents, name).map(|agent| agent.service.endpoints.iter());
        endpoints.into_iter().flatten().any(|other| {
            let same = other.name == endpoint
                || (endpoint == INVOKE_NAME && other.method_name.as_str() == endpoint);
            same && !other.roles.is_empty()
        })
    };
    let asks = workflow.steps.iter().any(|step| {
        let fallback = match &step.on_failure {
            OnFailure::Fallback(name) => guarded(&name.text, INVOKE_NAME),
            _ => false,
        };
        fallback || guarded(&step.agent.text, step.endpoint_name())
    });
    asks || !workflow.roles.is_empty()
}
