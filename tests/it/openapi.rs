//! OpenAPI documents: their text, what they refer to, and how fragments become one.

mod openapi_components;
mod openapi_documents;
mod openapi_endpoints;
mod openapi_names;
mod openapi_retrieval;
mod openapi_workflows;

use agentgen_build::{
    Config, Generation, OpenapiFormat, OpenapiVersion, Project, Source, Target, generate,
};
use serde_json::Value;

pub(crate) const VERSIONS: [(OpenapiVersion, &str); 3] = [
    (OpenapiVersion::V3_0, "3.0.3"),
    (OpenapiVersion::V3_1, "3.1.2"),
    (OpenapiVersion::V3_2, "3.2.0"),
];

pub(crate) const CLERK: &str = r##"---
name: clerk
description: |
  Keeps the register. "Quoted": with a colon.

  <example>
  Context: A day is asked for.
  user: "What came in on 2024-01-01?"
  assistant: "yes"
  </example>
service:
  invoke: { roles: [] }
  endpoints:
    file:
      path: /register/{number}
      method: put
      description: Files an entry. Nothing else changes.
      input:
        type: object
        required: [number, entry]
        properties:
          number: { type: integer, minimum: 1, description: The number. }
          entry: { $ref: "#/$defs/Entry", description: What is filed. }
          above: { anyOf: [{ $ref: "#/$defs/Entry" }, { type: "null" }] }
          weight: { type: [number, "null"], exclusiveMinimum: 0 }
          mark: { type: [string, "null"], enum: ["no", "1e3", null] }
          only: { const: "012" }
          nothing: { type: "null" }
        $defs:
          Entry:
            oneOf: [{ $ref: "#/$defs/Letter" }, { $ref: "#/$defs/Parcel" }]
            discriminator: { propertyName: kind }
          Letter: { type: object, required: [kind], properties: { kind: { const: letter } } }
          Parcel: { type: object, required: [kind], properties: { kind: { const: parcel }, holds: { type: array, items: { $ref: "#/$defs/Entry" } } } }
      output: { type: string, description: The receipt., examples: ["2024-01-01"] }
      roles: [clerk]
      rate: 5/second
    list:
      path: /register
      method: get
      input: { type: object, properties: { tag: { type: array, items: { type: string } } } }
      output: { type: array, items: { type: string, format: uuid } }
---
Keep the register.
"##;

pub(crate) const PORTER: &str = "---
name: porter
description: Opens doors.
---
Open doors.
";

pub(crate) fn build(
    files: &[(&str, &str)],
    version: OpenapiVersion,
    format: OpenapiFormat,
) -> Generation {
    let mut config = Config {
        targets: vec![Target::Openapi],
        ..Config::default()
    };
    config.openapi.version = version;
    config.openapi.format = format;
    let sources = files
        .iter()
        .map(|(path, text)| Source::from_bytes(path, text.as_bytes().to_vec()).unwrap())
        .collect();
    generate(&Project {
        config,
        sources,
        ..Project::default()
    })
}

/// The documents generated from `files` without diagnostics, as JSON, by path.
pub(crate) fn built(files: &[(&str, &str)], version: OpenapiVersion) -> impl Fn(&str) -> Value {
    let generation = build(files, version, OpenapiFormat::Json);
    assert!(
        generation.diagnostics.is_empty(),
        "{:?}",
        generation.diagnostics
    );
    move |path| {
        let found = generation.artifacts.iter().find(|file| file.path == path);
        serde_json::from_slice(&found.unwrap().bytes).unwrap()
    }
}

/// Every document with its path, of the project of both agents.
pub(crate) fn texts(version: OpenapiVersion, format: OpenapiFormat) -> Vec<(String, String)> {
    let files = [("agents/clerk.md", CLERK), ("agents/porter.md", PORTER)];
    let generation = build(&files, version, format);
    assert!(
        generation.diagnostics.is_empty(),
        "{:?}",
        generation.diagnostics
    );
    let documents = generation
        .artifacts
        .into_iter()
        .filter(|artifact| artifact.path.starts_with("openapi"));
    documents
        .map(|artifact| (artifact.path, String::from_utf8(artifact.bytes).unwrap()))
        .collect()
}

pub(crate) fn documents(version: OpenapiVersion) -> Vec<(String, Value)> {
    let texts = texts(version, OpenapiFormat::Json);
    assert_eq!(texts.len(), 3);
    texts
        .into_iter()
        .map(|(path, text)| (path, serde_json::from_str(&text).unwrap()))
        .collect()
}

/// Calls `see` with every object of a document.
pub(crate) fn walk<'a>(value: &'a Value, see: &mut impl FnMut(&'a serde_json::Map<String, Value>)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, see)),
        Value::Object(map) => {
            see(map);
            map.values().for_each(|value| walk(value, see));
        }
        _ => {}
    }
}

/// The method, path and operation of everything in a document.
pub(crate) fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            found.push((method.as_str(), path.as_str(), operation));
        }
    }
    found
}
