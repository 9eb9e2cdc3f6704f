//! The Arazzo document: what stands in it, and whether others read it.
//!
//! `AGENTGEN_UPDATE_SNAPSHOTS=1 cargo test --test arazzo` writes the expected document anew.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use agentgen_build::config::{Config, OpenapiFormat};
use agentgen_build::discover;
use agentgen_build::generate::{Generation, generate};
use agentgen_build::openapi_text;
use agentgen_build::project::{Project, UserTemplate};
use agentgen_build::source::Source;
use roas_arazzo::v1_1::Description;
use roas_arazzo::validation::Validate;
use serde_json::{Value, json};

const BAKER: &str = r#"---
name: baker
description: Bakes what is asked for.
service:
  workflows:
    bread:
      - plan: baker
      - parallel:
          - flour: { agent: miller, retry: 3, timeout: 90s }
          - water: { agent: miller, on_failure: skip }
      - bake:
          agent: baker
          when: 'flour.output != ""'
          with: { input: "{{ plan.output }}: {{flour.output}}, {{ input.input }}" }
          on_failure: { fallback: miller }
      - serve: { agent: baker, with: { input: "{{ steps.bake.output }}" }, on_failure: escalate }
---
You bake.
"#;

const MILLER: &str = "---\nname: miller\ndescription: Grinds corn.\n---\nYou grind.\n";

fn project(files: &[(&str, &str)]) -> Project {
    let sources = files
        .iter()
        .map(|(path, text)| Source::from_bytes(path, text.as_bytes().to_vec()).unwrap())
        .collect();
    Project {
        sources,
        ..Project::default()
    }
}

fn bakery() -> Project {
    project(&[("agents/baker.md", BAKER), ("agents/miller.md", MILLER)])
}

fn text(generation: &Generation, path: &str) -> Option<String> {
    let artifact = generation.artifacts.iter().find(|file| file.path == path)?;
    Some(String::from_utf8(artifact.bytes.clone()).unwrap())
}

#[track_caller]
fn yaml(generation: &Generation, path: &str) -> Value {
    let text = text(generation, path);
    let text = text.unwrap_or_else(|| panic!("no {path}: {:#?}", generation.diagnostics));
    openapi_text::read(&text).unwrap()
}

/// Every text in `value`, with those in keys left out.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(map) => map.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

/// Reads the document with a model of Arazzo 1.1 that is not ours, and follows what it refers to.
#[track_caller]
fn judge(generation: &Generation) -> Value {
    let document = yaml(generation, "arazzo.yaml");
    let description: Description = serde_json::from_value(document.clone()).unwrap();
    description.validate(Default::default()).unwrap();
    let openapi = yaml(generation, "openapi.yaml");
    let mut operations = BTreeSet::new();
    for item in openapi["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            operations.extend(operation["operationId"].as_str());
        }
    }
    for workflow in document["workflows"].as_array().unwrap() {
        let mut before: Vec<String> = Vec::new();
        let steps = workflow["steps"].as_array().unwrap();
        let ids: Vec<&str> = steps
            .iter()
            .filter_map(|step| step["stepId"].as_str())
            .collect();
        for step in steps {
            let id = step["stepId"].as_str().unwrap();
            let operation = step["operationId"].as_str().unwrap();
            assert!(operations.contains(operation), "{operation} of {id}");
            let mut found = Vec::new();
            texts(&step["requestBody"], &mut found);
            let needs = step.get("dependsOn").and_then(Value::as_array);
            for need in needs.into_iter().flatten() {
                found.push(need.as_str().unwrap().to_owned());
            }
            for text in found {
                for reference in text.split("$steps.").skip(1) {
                    let end =
                        reference.find(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c));
                    let name = &reference[..end.unwrap_or(reference.len())];
                    assert!(
                        before.iter().any(|known| known == name),
                        "{name} before {id}"
                    );
                }
            }
            for action in [&step["onFailure"], &step["onSuccess"]] {
                for action in action.as_array().into_iter().flatten() {
                    if let Some(target) = action.get("stepId") {
                        assert!(ids.contains(&target.as_str().unwrap()), "{target} of {id}");
                    }
                }
            }
            before.push(id.to_owned());
        }
        for output in workflow["outputs"].as_object().unwrap().values() {
            let name = output.as_str().unwrap().split('.').nth(1).unwrap();
            assert!(ids.contains(&name), "{output}");
        }
    }
    document
}

#[test]
fn describes_the_steps_as_calls() {
    let generation = generate(&bakery());
    judge(&generation);
    let text = text(&generation, "arazzo.yaml").unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/bakery.arazzo.yaml");
    if std::env::var_os("AGENTGEN_UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(&path).unwrap());
}

#[test]
fn describes_the_eight_workflows_of_the_orchestrator() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let generation = generate(&discover::load(root, Config::default()));
    let document = judge(&generation);
    let workflows = document["workflows"].as_array().unwrap();
    let ids: Vec<&str> = workflows
        .iter()
        .map(|workflow| workflow["workflowId"].as_str().unwrap())
        .collect();
    for id in [
        "full-stack-feature",
        "database-schema-change",
        "new-microservice",
        "chatkit-integration",
        "bilingual-interface",
        "stateless-validation",
        "conversation-history",
        "containerise",
    ] {
        assert!(ids.contains(&id), "{id}: {ids:?}");
    }
}

#[test]
fn is_json_where_the_openapi_document_is() {
    let mut project = bakery();
    project.config.openapi.format = OpenapiFormat::Json;
    let generation = generate(&project);
    assert_eq!(text(&generation, "arazzo.yaml"), None);
    let document: Value = serde_json::from_str(&text(&generation, "arazzo.json").unwrap()).unwrap();
    assert_eq!(document["sourceDescriptions"][0]["url"], "./openapi.json");
    assert!(text(&generation, "openapi.json").is_some());
}

#[test]
fn is_not_there_without_workflows() {
    let generation = generate(&project(&[("agents/miller.md", MILLER)]));
    assert!(text(&generation, "openapi.yaml").is_some());
    assert_eq!(text(&generation, "arazzo.yaml"), None);
}

#[test]
fn an_agent_that_is_not_served_is_an_error_at_the_step() {
    let closed = MILLER.replacen("\n---", "\nservice: { invoke: false }\n---", 1);
    let generation = generate(&project(&[
        ("agents/baker.md", BAKER),
        ("agents/miller.md", &closed),
    ]));
    let told: Vec<String> = generation
        .diagnostics
        .iter()
        .map(ToString::to_string)
        .collect();
    let told = told.join("\n");
    assert!(told.contains("agents/baker.md:9:"), "{told}");
    assert!(generation.artifacts.is_empty());
}

#[test]
fn a_template_takes_the_place_of_the_built_in_one() {
    let template = |text: &str| {
        let mut project = bakery();
        let path = "templates/openapi/arazzo.yaml.tera";
        project.templates = vec![UserTemplate {
            name: "openapi/arazzo.yaml.tera".to_owned(),
            source: Source::from_bytes(path, text.as_bytes().to_vec()).unwrap(),
        }];
        generate(&project)
    };
    let own = "{% extends \"builtin/openapi/arazzo.yaml.tera\" %}";
    assert_eq!(judge(&template(own))["arazzo"], json!("1.1.0"));
    for wrong in ["arazzo: [1", "arazzo: 1.1.0"] {
        let generation = template(wrong);
        assert!(generation.artifacts.is_empty(), "{wrong}");
        assert!(
            generation
                .diagnostics
                .iter()
                .any(|diagnostic| diagnostic.path.ends_with("arazzo.yaml.tera")),
            "{:#?}",
            generation.diagnostics
        );
    }
}
