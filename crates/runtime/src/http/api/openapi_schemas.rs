//! Writes `openapi/schemas.json`, the OpenAPI components of the runtime's types, from the types, and compares both.
//!
//! `AGENTGEN_UPDATE_SNAPSHOTS=1 cargo test -p agentgen-runtime --lib openapi` writes the file.

use std::fs;
use std::path::Path;

use agentgen_schema::Schema as Compiled;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::auth::issuer::TokenResponse;
use crate::event::agent_event::AgentEvent;
use crate::http::api::agent_selection::{RouteRequest, RouteResponse};
use crate::http::api::documents_api::{
    DocumentList, DocumentsPut, DocumentsRequest, StoredDocument,
};
use crate::http::api::health_api::ReadinessReport;
use crate::http::api::sessions_api::{SessionList, SessionMessageList};
use crate::http::api::system_api::{AgentList, Health};
use crate::http::api::workflow_api::WorkflowRun;
use crate::run::reply::{InvokeRequest, InvokeResponse};
use crate::workflow::run_report::RunReport;
use crate::workflow::workflow_event::WorkflowEvent;

const FILE: &str = "openapi/schemas.json";
const SCHEMAS: &str = "#/components/schemas/";

/// Every component, by name: types that refer to others bring those along.
fn components() -> Map<String, Value> {
    let mut requests = generator(SchemaSettings::for_deserialize);
    requests.subschema_for::<InvokeRequest>();
    requests.subschema_for::<RouteRequest>();
    requests.subschema_for::<DocumentsRequest>();
    let mut responses = generator(SchemaSettings::for_serialize);
    responses.subschema_for::<AgentEvent>();
    responses.subschema_for::<AgentList>();
    responses.subschema_for::<DocumentList>();
    responses.subschema_for::<DocumentsPut>();
    responses.subschema_for::<Health>();
    responses.subschema_for::<InvokeResponse>();
    responses.subschema_for::<ReadinessReport>();
    responses.subschema_for::<RouteResponse>();
    responses.subschema_for::<RunReport>();
    responses.subschema_for::<SessionList>();
    responses.subschema_for::<SessionMessageList>();
    responses.subschema_for::<StoredDocument>();
    responses.subschema_for::<TokenResponse>();
    responses.subschema_for::<WorkflowEvent>();
    responses.subschema_for::<WorkflowRun>();
    let mut components = requests.take_definitions(true);
    components.extend(responses.take_definitions(true));
    for name in ["AgentEvent", "WorkflowEvent"] {
        let variants = extract_variants(&mut components[name]);
        components.extend(variants);
    }
    components.values_mut().for_each(simplify);
    components.sort_keys();
    components
}

fn generator(contract: fn(SchemaSettings) -> SchemaSettings) -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    contract(settings).into_generator()
}

/// Makes each alternative of a tagged enum a component: `tool.started` becomes `ToolStartedEvent`, unless the variant
/// has a title.
fn extract_variants(schema: &mut Value) -> Map<String, Value> {
    let mut components = Map::new();
    let mut mapping = Map::new();
    for alternative in schema["oneOf"].as_array_mut().unwrap() {
        let tag = alternative["properties"]["type"]["const"].as_str().unwrap();
        let tag = tag.to_owned();
        let title = alternative.as_object_mut().unwrap().remove("title");
        let name = match title {
            Some(title) => title.as_str().unwrap().to_owned(),
            None => format!(
                "{}Event",
                tag.split('.').map(capitalized).collect::<String>()
            ),
        };
        alternative["properties"]["type"]["description"] = json!("The kind of event.");
        let reference = format!("{SCHEMAS}{name}");
        mapping.insert(tag, json!(reference));
        let variant = std::mem::replace(alternative, json!({ "$ref": reference }));
        assert!(components.insert(name, variant).is_none());
    }
    schema["discriminator"] = json!({ "propertyName": "type", "mapping": mapping });
    components
}

fn capitalized(word: &str) -> String {
    word[..1].to_uppercase() + &word[1..]
}

/// Turns what schemars writes into what OpenAPI documents of this project look like.
fn simplify(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else {
        return;
    };
    // Enums whose values have documentation.
    let values = map.get("oneOf").and_then(Value::as_array).and_then(|all| {
        let values = all.iter().map(|one| match one.get("enum") {
            Some(values) => values.as_array().cloned(),
            None => one.get("const").map(|value| vec![value.clone()]),
        });
        values.collect::<Option<Vec<_>>>()
    });
    if let Some(values) = values {
        map.remove("oneOf");
        map.insert("type".to_owned(), json!("string"));
        map.insert("enum".to_owned(), json!(values.concat()));
    }
    // OpenAPI has two widths of integers, with signs.
    let format = match map.get("format").and_then(Value::as_str) {
        Some("uint8" | "uint16") => Some("int32"),
        Some("uint32" | "uint64" | "uint") => Some("int64"),
        _ => None,
    };
    if let Some(format) = format {
        map.insert("format".to_owned(), json!(format));
    }
    if let Some(Value::String(text)) = map.get_mut("description") {
        *text = text
            .replace("\n\n", "\u{0}")
            .replace('\n', " ")
            .replace('\u{0}', "\n\n");
    }
    // A reference stands alone.
    if map.contains_key("$ref") {
        map.retain(|key, _| key == "$ref");
    }
    if map.get("default").is_some_and(|value| !value.is_number()) {
        map.remove("default");
    }
    let required = map.get("required").cloned().unwrap_or_default();
    let required = required
        .as_array()
        .into_iter()
        .flatten()
        .collect::<Vec<_>>();
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        for (name, property) in properties.iter_mut() {
            if !required.iter().any(|required| *required == name) {
                without_null(property);
            }
            simplify(property);
        }
        // The tag comes first.
        if let Some(tag) = properties.shift_remove("type") {
            properties.shift_insert(0, "type".to_owned(), tag);
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = map.get_mut(key) {
            simplify(inner);
        }
    }
}

/// What is left out where there is no value is never null.
fn without_null(property: &mut Value) {
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|kind| kind != "null");
        property["type"] = types[0].take();
    }
    let null = json!({ "type": "null" });
    if let Some(Value::Array(alternatives)) = property.get_mut("anyOf") {
        alternatives.retain(|alternative| *alternative != null);
        if let [Value::Object(only)] = &mut alternatives[..] {
            let only = std::mem::take(only);
            property.as_object_mut().unwrap().remove("anyOf");
            property.as_object_mut().unwrap().extend(only);
        }
    }
}

#[test]
fn openapi_schemas_are_those_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let text = format!("{:#}\n", Value::Object(components()));
    if std::env::var_os("AGENTGEN_UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap() == text,
        "{FILE} differs from the types; set AGENTGEN_UPDATE_SNAPSHOTS=1 to write it"
    );
}

/// The schema of the component `name`, with all components that it may refer to.
fn compiled(name: &str) -> Compiled {
    let text = Value::Object(components()).to_string();
    let hand_written = json!({ "DocumentValue": {} });
    let mut definitions: Map<String, Value> =
        serde_json::from_str(&text.replace(SCHEMAS, "#/$defs/")).unwrap();
    definitions.extend(hand_written.as_object().unwrap().clone());
    for definition in definitions.values_mut() {
        definition.as_object_mut().unwrap().remove("discriminator");
    }
    let schema = json!({ "$ref": format!("#/$defs/{name}"), "$defs": definitions });
    Compiled::compile(&schema).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_component_has_a_description_and_a_valid_example() {
    for (name, component) in components() {
        assert!(component["description"].is_string(), "{name}");
        let examples = component["examples"].as_array();
        for example in examples.unwrap_or_else(|| panic!("{name} has no example")) {
            assert_eq!(compiled(&name).violations(example), [], "{name}");
        }
    }
}

/// Reads the examples of `component` as `T` and writes them again: nothing is added, lost or renamed.
fn round_trip<T: DeserializeOwned + Serialize>(component: &Value) {
    for example in component["examples"].as_array().unwrap() {
        let value: T = serde_json::from_value(example.clone()).unwrap();
        assert_eq!(serde_json::to_value(&value).unwrap(), *example);
    }
}

#[test]
fn openapi_examples_of_events_are_events() {
    let components = components();
    for (name, read) in [
        ("AgentEvent", round_trip::<AgentEvent> as fn(&Value)),
        ("WorkflowEvent", round_trip::<WorkflowEvent>),
    ] {
        read(&components[name]);
        for variant in components[name]["oneOf"].as_array().unwrap() {
            let variant = variant["$ref"].as_str().unwrap();
            read(&components[variant.trim_start_matches(SCHEMAS)]);
        }
    }
}
