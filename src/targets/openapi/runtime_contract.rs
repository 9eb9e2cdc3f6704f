//! The runtime's own operations and components, as every service serves them.
//!
//! They are kept in `crates/runtime/openapi`, beside the Rust types that they describe, and are embedded here.

use std::sync::LazyLock;

use serde_json::{Map, Value as Json, json};

use crate::agent::Agent;
use crate::agent::operation;
use crate::targets::openapi::document::canonical;
use crate::targets::openapi::openapi_yaml;

type Object = Map<String, Json>;

static SERVICE_PATHS: LazyLock<Object> =
    LazyLock::new(|| object(include_str!("../../../openapi/service_paths.yaml")));
static RUN_PATHS: LazyLock<Object> =
    LazyLock::new(|| object(include_str!("../../../openapi/run_paths.yaml")));
static DOCUMENT_PATHS: LazyLock<Object> =
    LazyLock::new(|| object(include_str!("../../../openapi/document_paths.yaml")));
static COMPONENTS: LazyLock<Json> = LazyLock::new(|| {
    let mut components = object(include_str!("../../../openapi/shared_components.yaml"));
    if let Some(Json::Object(schemas)) = components.get_mut("schemas") {
        schemas.extend(object(include_str!("../../../openapi/schemas.json")));
    }
    canonical(json!({ "components": components }))["components"].take()
});

/// Reads an embedded file; JSON is YAML too.
fn object(text: &str) -> Object {
    match openapi_yaml::read(text) {
        Ok(Json::Object(map)) => map,
        _ => panic!("the embedded OpenAPI files are objects"),
    }
}

/// The components that all documents share, by section and name, in canonical order.
pub fn components() -> &'static Json {
    &COMPONENTS
}

/// The types of the events in the schema component `name`, such as `AgentEvent`, in the order of the Rust enum.
pub fn event_types(name: &str) -> impl Iterator<Item = &'static str> {
    let mapping = &COMPONENTS["schemas"][name]["discriminator"]["mapping"];
    let types = mapping.as_object().into_iter().flat_map(Map::keys);
    types.map(String::as_str)
}

/// The paths of a service; `agent_list` is an example of what `GET /v1/agents` answers, `agent` the slug of one.
pub fn service_paths(agent_list: &Json, agent: &str) -> Object {
    let mut paths = SERVICE_PATHS.clone();
    paths["/v1/agents"]["get"]["responses"]["200"]["content"]["application/json"]["example"] =
        agent_list.clone();
    for operation in operations(&mut paths) {
        let parameters = operation.get_mut("parameters").and_then(Json::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            if parameter["name"] == "agent" {
                parameter["example"] = json!(agent);
            }
        }
    }
    paths
}

/// The paths of workflow runs, for a service with workflows.
pub fn run_paths() -> Object {
    RUN_PATHS.clone()
}

/// The paths of the documents of `agent`, if it has any.
pub fn document_paths(agent: &Agent) -> Object {
    let Some(documents) = &agent.service.documents else {
        return Object::new();
    };
    let mut paths: Object = DOCUMENT_PATHS
        .iter()
        .map(|(path, item)| {
            (
                path.replace("{agent}", agent.spec.slug.as_str()),
                item.clone(),
            )
        })
        .collect();
    for operation in operations(&mut paths) {
        let id = operation["operationId"].as_str().unwrap_or_default();
        operation["operationId"] = json!(operation::id(id, agent));
        operation["tags"] = json!([agent.spec.slug.as_str()]);
        for key in ["summary", "description"] {
            let text = operation[key].as_str().unwrap_or_default();
            let text = text
                .replace("{agent}", &agent.spec.name)
                .replace("{collection}", documents.collection.as_str());
            operation[key] = json!(text);
        }
        if let Json::String(description) = &mut operation["description"]
            && !documents.roles.is_empty()
        {
            let roles = documents.roles.join(", ");
            description.push_str(&format!("\n\nNeeds one of the roles {roles}."));
        }
    }
    paths
}

/// Adds `paths` to those of `document`, whose own operations stay as they are.
pub fn add_paths(document: &mut Json, paths: Object) {
    let Some(Json::Object(own)) = document.get_mut("paths") else {
        return;
    };
    for (path, item) in paths {
        match (own.get_mut(&path), item) {
            (Some(Json::Object(own)), Json::Object(item)) => {
                for (method, operation) in item {
                    own.entry(method).or_insert(operation);
                }
            }
            (_, item) => {
                own.insert(path, item);
            }
        }
    }
}

fn operations(paths: &mut Object) -> impl Iterator<Item = &mut Json> {
    paths
        .values_mut()
        .filter_map(Json::as_object_mut)
        .flat_map(Object::values_mut)
}
