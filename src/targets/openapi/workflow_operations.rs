//! The template variables of the operations that start workflows.

use heck::ToUpperCamelCase;
use serde_json::{Value as Json, json};

use crate::agent::{Agent, find_agent, operation};
use crate::contract::endpoint::INVOKE_NAME;
use crate::contract::workflow_contract::Workflow;
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
        "description": description(workflow, agent, agents),
        "request": request,
        "errors": errors(workflow),
    })
}

fn description(workflow: &Workflow, agent: &Agent, agents: &[Agent]) -> String {
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
    let lists = role_lists(workflow, agents);
    let lists: Vec<String> = lists
        .iter()
        .map(|roles| format!("one of the roles {}", roles.join(", ")))
        .collect();
    if !lists.is_empty() {
        text.push_str(&format!("\n\nNeeds {}.", lists.join(", and ")));
    }
    text
}

/// The problem responses of the operation, by status.
fn errors(workflow: &Workflow) -> Vec<Json> {
    let errors = [
        (400, "BadRequest"),
        (401, "Unauthorized"),
        (403, "Forbidden"),
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
    ];
    errors
        .into_iter()
        .map(|(status, name)| shared_response(name, &status.to_string(), &workflow.input.json))
        .collect()
}

/// The lists of roles of which a caller needs one each: those of the workflow, and of the endpoints that its steps call.
fn role_lists<'a>(workflow: &'a Workflow, agents: &'a [Agent]) -> Vec<&'a [String]> {
    let mut lists = vec![workflow.roles.as_slice()];
    let mut add = |name: &str, endpoint: &str| {
        let operations = find_agent(agents, name).map(operation::all);
        let called = operations.into_iter().flatten().find(|operation| {
            let method_name = operation.endpoint.map(|own| own.method_name.as_str());
            operation.name == endpoint
                || (endpoint == INVOKE_NAME && method_name == Some(INVOKE_NAME))
        });
        lists.extend(called.map(|operation| operation.roles));
    };
    for step in &workflow.steps {
        if let Some(call) = step.call() {
            add(&call.agent.text, call.endpoint_name());
        }
        let called = usize::from(step.call().is_some());
        for name in step.agents().skip(called) {
            add(&name.text, INVOKE_NAME);
        }
    }
    lists.retain(|roles| !roles.is_empty());
    lists.sort();
    lists.dedup();
    lists
}
