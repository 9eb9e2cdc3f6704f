//! Writes `openapi/schemas.json`, the OpenAPI components of the runtime's types, from the types, and compares both.
//!
//! `AGENTGEN_UPDATE_SNAPSHOTS=1 cargo test -p agentgen-runtime --lib openapi` writes the file.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use agentgen_schema::Schema as Compiled;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::auth::issuer::TokenResponse;
use crate::documents::{Document, DocumentHead, DocumentSummary};
use crate::error::problem::Problem;
use crate::event::agent_event::AgentEvent;
use crate::http::api::agent_selection::{RouteRequest, RouteResponse, RoutedAgent};
use crate::http::api::documents_api::{
    DocumentList, DocumentsPut, DocumentsRequest, ListedDocument, PutDocument, StoredDocument,
};
use crate::http::api::health_api::{ReadinessCheck, ReadinessReport};
use crate::http::api::own_paths;
use crate::http::api::sessions_api::{Session, SessionList, SessionMessage, SessionMessageList};
use crate::http::api::system_api::{AgentList, AgentSummary, Health};
use crate::http::api::workflow_api::WorkflowRun;
use crate::http::api::workflow_api::run_actions::ActionList;
use crate::http::api::workflow_api::run_list::{RunList, RunsDeleted};
use crate::model::{Message, Role};
use crate::run::reply::{InvokeRequest, InvokeResponse};
use crate::schema::new_uuid_v7;
use crate::session::session_store::{MessageStatus, PastMessage, SessionFacts};
use crate::workflow::run_report::{RunReport, RunStatus};
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
    responses.subschema_for::<ActionList>();
    responses.subschema_for::<AgentEvent>();
    responses.subschema_for::<AgentList>();
    responses.subschema_for::<DocumentList>();
    responses.subschema_for::<DocumentsPut>();
    responses.subschema_for::<Health>();
    responses.subschema_for::<InvokeResponse>();
    responses.subschema_for::<ReadinessReport>();
    responses.subschema_for::<RouteResponse>();
    responses.subschema_for::<RunList>();
    responses.subschema_for::<RunsDeleted>();
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
    let enums = extract_enums(&mut components);
    components.extend(enums);
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

/// Makes each enum in a property a component, so that no generator of clients invents a name: the property `status` of
/// `StepReport` becomes `StepReportStatus`. One of a single value is a constant.
fn extract_enums(components: &mut Map<String, Value>) -> Map<String, Value> {
    let mut enums = Map::new();
    for (component, schema) in components {
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (name, property) in properties.into_iter().flatten() {
            let Some([first, _, ..]) = property["enum"].as_array().map(Vec::as_slice) else {
                continue;
            };
            let first = first.clone();
            let name = format!("{component}{}", capitalized(name));
            let mut schema =
                std::mem::replace(property, json!({ "$ref": format!("{SCHEMAS}{name}") }));
            schema["examples"] = json!([first]);
            assert!(enums.insert(name, schema).is_none());
        }
    }
    enums
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

/// Reads `value` as `T` and writes it again: nothing is added, lost or renamed, and the component allows it.
fn assert_round_trip<T: DeserializeOwned + Serialize>(name: &str, value: &Value) {
    let typed: T = serde_json::from_value(value.clone()).unwrap();
    let written = serde_json::to_value(&typed).unwrap();
    assert_eq!(written, *value, "{name}");
    assert_eq!(compiled(name).violations(&written), [], "{name}");
}

#[test]
fn openapi_examples_of_events_are_events() {
    let components = components();
    for (name, assert_round_trip) in [
        (
            "AgentEvent",
            assert_round_trip::<AgentEvent> as fn(&str, &Value),
        ),
        ("WorkflowEvent", assert_round_trip::<WorkflowEvent>),
    ] {
        let variants = components[name]["oneOf"].as_array().unwrap().iter();
        let variants = variants.map(|variant| &variant["$ref"].as_str().unwrap()[SCHEMAS.len()..]);
        for variant in variants.chain([name]) {
            assert_round_trip(variant, &components[variant]["examples"][0]);
        }
    }
}

#[test]
fn openapi_schemas_allow_what_is_written() {
    let error = json!({
        "status": 422, "detail": "no", "errors": [{ "detail": "must not be empty", "pointer": "/input" }],
    });
    let at = "2026-01-01T12:00:00Z";
    let report = json!({
        "run_id": "01936f2e-7b1c-7000-8000-000000000004",
        "workflow": "release",
        "status": "completed_with_failures",
        "error": "a step failed",
        "created_at": at,
        "ended_at": at,
        "attempts": 2,
        "restarted_from": "01936f2e-7b1c-7000-8000-000000000005",
        "schedule": "release",
        "usage": { "input_tokens": 1, "output_tokens": 2 },
        "steps": [{
            "step": "plan",
            "agent": "architect",
            "endpoint": "invoke",
            "status": "skipped",
            "skipped": "run_ended",
            "output": null,
            "error": error,
            "fallback": "librarian",
            "model": "echo",
            "attempts": 2,
            "began_at": at,
            "ended_at": at,
            "usage": { "input_tokens": 1, "output_tokens": 2 },
        }],
    });
    assert_round_trip::<RunReport>("WorkflowRunReport", &report);
    let components = components();
    assert_round_trip::<InvokeRequest>(
        "InvokeRequest",
        &components["InvokeRequest"]["examples"][0],
    );
    assert_round_trip::<InvokeResponse>(
        "InvokeResponse",
        &components["InvokeResponse"]["examples"][0],
    );
    let mut problem = Problem::new(422, "the request is not valid");
    problem.errors = serde_json::from_value(error["errors"].clone()).unwrap();
    assert_allowed("Problem", &problem);
    let head = DocumentHead {
        id: "handbook/keys".to_owned(),
        title: Some("Keys".to_owned()),
        language: Some("en".to_owned()),
        updated_at: at.parse().ok(),
        metadata: Map::new(),
    };
    let document = Document {
        head: head.clone(),
        text: "Keys are rotated every thirty days.".to_owned(),
    };
    let passages = 1;
    let listed = ListedDocument::from(DocumentSummary { head, passages });
    assert_allowed("Document", &StoredDocument { document, passages });
    assert_allowed(
        "DocumentList",
        &DocumentList {
            documents: vec![listed],
            next_cursor: None,
        },
    );
    let id = "handbook/keys".to_owned();
    let documents = vec![PutDocument { id, passages: 1 }];
    assert_allowed("DocumentsPut", &DocumentsPut { documents });
    let session = SessionFacts {
        id: "s".to_owned(),
        agent: "librarian".to_owned(),
        messages: 2,
        created_at: UNIX_EPOCH,
        updated_at: UNIX_EPOCH,
        expires_at: UNIX_EPOCH,
    };
    assert_allowed(
        "SessionList",
        &SessionList {
            sessions: vec![Session::from(session)],
            next_cursor: Some("00".to_owned()),
        },
    );
    let message = PastMessage {
        number: 1,
        message: Message {
            role: Role::Assistant,
            text: "Yes.".to_owned(),
        },
        status: MessageStatus::Interrupted,
        created_at: UNIX_EPOCH,
    };
    assert_allowed(
        "SessionMessageList",
        &SessionMessageList {
            messages: vec![SessionMessage::from(message)],
            next_cursor: None,
        },
    );
    let check = ReadinessCheck {
        name: "models",
        model: Some("openai:gpt-5".to_owned()),
        server: Some("files".to_owned()),
        status: "degraded",
        detail: Some("the model failed several times in a row"),
    };
    assert_allowed(
        "Readiness",
        &ReadinessReport {
            status: "degraded",
            checks: vec![check],
        },
    );
    assert_allowed("Health", &Health { status: "ok" });
    let agent = AgentSummary {
        name: "librarian",
        description: "Finds books.",
        model: None,
    };
    assert_allowed(
        "AgentList",
        &AgentList {
            agents: vec![agent],
        },
    );
    let agent = RoutedAgent {
        agent: "librarian".to_owned(),
        score: None,
        path: None,
    };
    assert_allowed(
        "RouteResponse",
        &RouteResponse {
            agents: vec![agent],
            by: "model",
        },
    );
    assert_allowed(
        "TokenResponse",
        &TokenResponse {
            access_token: "aaaa".to_owned(),
            token_type: "Bearer",
            expires_in: 900,
            refresh_token: "dddd".to_owned(),
        },
    );
    assert_allowed(
        "WorkflowRunsDeleted",
        &RunsDeleted {
            deleted: 1000,
            has_more: true,
        },
    );
    assert_allowed(
        "WorkflowRun",
        &WorkflowRun {
            run_id: new_uuid_v7(),
            workflow: "release".to_owned(),
            status: RunStatus::Queued,
        },
    );
}

/// What is written of `value` is valid under the component `name`.
fn assert_allowed(name: &str, value: &impl Serialize) {
    let written = serde_json::to_value(value).unwrap();
    assert_eq!(compiled(name).violations(&written), [], "{name}");
}

/// The paths that are served and described elsewhere: starting a workflow has an operation for each workflow.
const OTHER_PATHS: [&str; 14] = [
    "/",
    "/arazzo.json",
    "/console/agents/{agent}",
    "/console/app.js",
    "/console/icon.svg",
    "/console/runs/{run_id}",
    "/console/service",
    "/console/style.css",
    "/docs",
    "/docs/app.js",
    "/docs/icon.svg",
    "/docs/style.css",
    "/openapi.json",
    "/v1/workflows/{name}/runs",
];

#[test]
fn openapi_paths_are_those_that_are_served() {
    let files = [
        include_str!("../../../openapi/document_paths.yaml"),
        include_str!("../../../openapi/run_paths.yaml"),
        include_str!("../../../openapi/service_paths.yaml"),
    ];
    let described = files.iter().flat_map(|text| text.lines());
    let described = described.filter(|line| line.starts_with('/'));
    let described: BTreeSet<&str> = described
        .map(|line| line.trim_end_matches(':'))
        .chain(OTHER_PATHS)
        .collect();
    assert_eq!(described, own_paths().collect());
}

#[test]
fn openapi_events_are_in_the_book() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/http-api.md");
    let text = fs::read_to_string(page).unwrap();
    for name in ["AgentEvent", "WorkflowEvent"] {
        let mapping = components()[name]["discriminator"]["mapping"].clone();
        for event in mapping.as_object().unwrap().keys() {
            assert!(text.contains(&format!("`{event}`")), "{event}");
        }
    }
}

#[test]
fn openapi_examples_have_the_titles_that_are_sent() {
    let files = [
        include_str!("../../../openapi/shared_components.yaml"),
        include_str!("../../../openapi/service_paths.yaml"),
        include_str!("../../../openapi/document_paths.yaml"),
    ];
    let text = files.concat().replace("\n          ", ", ");
    let mut statuses = BTreeSet::new();
    for example in text.split("title: ").skip(1) {
        let Some((title, rest)) = example.split_once(", status: ") else {
            continue;
        };
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let Ok(status) = digits.parse::<u16>() else {
            continue;
        };
        assert_eq!(title, Problem::new(status, "").title, "{status}");
        statuses.insert(status);
    }
    assert!(
        [401, 413, 422, 503]
            .iter()
            .all(|status| statuses.contains(status)),
        "{statuses:?}"
    );
}
