//! Whole documents: their text, their operations, and the version they are in.
//!
//! `AGENTGEN_UPDATE_SNAPSHOTS=1 cargo test --test it openapi` writes the expected texts anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use agentgen_build::{OpenapiFormat, OpenapiVersion};
use serde_json::{Value, json};

use super::{VERSIONS, documents, operations, texts, walk};

#[test]
fn fragments_have_the_expected_text() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    for (version, number) in VERSIONS {
        for (path, text) in texts(version, OpenapiFormat::Yaml) {
            if path != "openapi/clerk.yaml" {
                continue;
            }
            let file = folder.join(format!("clerk-{number}.yaml"));
            if std::env::var_os("AGENTGEN_UPDATE_SNAPSHOTS").is_some() {
                fs::write(&file, &text).unwrap();
            }
            let expected = fs::read_to_string(&file).unwrap().replace("\r\n", "\n");
            assert!(
                text == expected,
                "{} is not what is generated; set AGENTGEN_UPDATE_SNAPSHOTS to write it anew",
                file.display()
            );
        }
    }
}

#[test]
fn the_merged_document_has_every_operation_once() {
    for (version, _) in VERSIONS {
        let documents = documents(version);
        let (merged, fragments): (Vec<_>, Vec<_>) = documents
            .iter()
            .partition(|(path, _)| path == "openapi.json");
        let merged = &merged[0].1;
        let of_fragments: Vec<_> = fragments.iter().flat_map(|(_, f)| operations(f)).collect();
        let of_merged = operations(merged);
        assert_eq!(of_fragments.len(), 6);
        // In the document of an agent, responses that are not its own are short.
        let without_responses = |operation: &Value| {
            let mut operation = operation.clone();
            operation.as_object_mut().unwrap().remove("responses");
            operation
        };
        for (method, path, operation) in &of_fragments {
            let same = of_merged
                .iter()
                .find(|(other_method, other_path, _)| (other_method, other_path) == (method, path));
            let (_, _, merged) = same.unwrap();
            assert_eq!(without_responses(merged), without_responses(operation));
        }
        let ids: BTreeSet<&str> = of_merged
            .iter()
            .map(|(_, _, operation)| operation["operationId"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), of_merged.len());
        let paths: Vec<&String> = merged["paths"].as_object().unwrap().keys().collect();
        let ends = [
            "/v1/agents/clerk/invoke",
            "/v1/agents/clerk/invoke/stream",
            "/register/{number}",
            "/register",
            "/v1/agents/porter/invoke",
            "/v1/agents/porter/invoke/stream",
        ];
        assert!(
            paths
                .iter()
                .rev()
                .zip(ends.iter().rev())
                .all(|(a, b)| *a == b),
            "{paths:?}"
        );
        for (_, path, operation) in of_merged {
            let statuses: Vec<&String> =
                operation["responses"].as_object().unwrap().keys().collect();
            assert!(statuses.is_sorted(), "{path}: {statuses:?}");
        }
    }
}

/// The document of an agent names in short what all agents have in common, and is valid without any other.
#[test]
fn the_document_of_an_agent_is_short_and_complete() {
    for (version, _) in VERSIONS {
        for (path, document) in documents(version) {
            if path == "openapi.json" {
                continue;
            }
            walk(&document, &mut |map| {
                let target = map.get("$ref").and_then(Value::as_str);
                if let Some(pointer) = target.and_then(|target| target.strip_prefix('#')) {
                    assert!(document.pointer(pointer).is_some(), "{path}: {pointer}");
                } else {
                    assert_eq!(target, None, "{path}");
                }
            });
            let invoke = path
                .replace("openapi/", "/v1/agents/")
                .replace(".json", "/invoke");
            let responses = document["paths"][&invoke]["post"]["responses"]
                .as_object()
                .unwrap();
            let statuses: Vec<&String> = responses.keys().collect();
            assert_eq!(statuses, ["200", "4XX", "5XX"]);
            assert_eq!(
                responses["4XX"]["$ref"],
                "#/components/responses/ServiceProblem"
            );
            let components = &document["components"];
            assert_eq!(components["responses"].as_object().unwrap().len(), 1);
            assert!(components["schemas"].get("AgentEvent").is_none(), "{path}");
            let lines = serde_json::to_string_pretty(&document)
                .unwrap()
                .lines()
                .count();
            assert!(
                path.contains("clerk") || lines < 460,
                "{path} has {lines} lines"
            );
        }
    }
}

#[test]
fn every_parameter_and_request_shows_an_example() {
    let documents = documents(OpenapiVersion::V3_1);
    let operations_of = |document| operations(document).into_iter().map(move |o| (document, o));
    for (document, (_, path, operation)) in documents.iter().flat_map(|(_, d)| operations_of(d)) {
        for key in ["summary", "description"] {
            assert!(
                operation[key].as_str().is_some_and(|text| !text.is_empty()),
                "{path}"
            );
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let shared = parameter["$ref"]
                .as_str()
                .and_then(|target| target.strip_prefix('#'));
            let parameter = shared.map_or(Some(parameter), |pointer| document.pointer(pointer));
            assert!(
                parameter.is_some_and(|parameter| parameter.get("example").is_some()),
                "{path}: {parameter:?}"
            );
        }
        if let Some(body) = operation.get("requestBody") {
            let media = body["content"].as_object().unwrap().values();
            assert_eq!(media.len(), 1, "{path}: generators read one type of a body");
            assert!(
                media
                    .into_iter()
                    .all(|media| media.get("examples").is_some()),
                "{path}"
            );
        }
    }
}

#[test]
fn yaml_and_json_are_the_same_values() {
    for (version, _) in VERSIONS {
        let yaml = texts(version, OpenapiFormat::Yaml);
        let json = documents(version);
        for ((path, yaml), (_, json)) in yaml.iter().zip(&json) {
            assert_eq!(
                serde_yaml::from_str::<Value>(yaml).unwrap(),
                *json,
                "{path}"
            );
        }
    }
}

#[test]
fn version_3_0_has_no_keyword_of_3_1() {
    for (path, document) in documents(OpenapiVersion::V3_0) {
        walk(&document, &mut |map| {
            for key in [
                "const",
                "$defs",
                "contentMediaType",
                "contentEncoding",
                "itemSchema",
                "identifier",
            ] {
                assert!(!map.contains_key(key), "{path}: {key} in {map:?}");
            }
            let kind = map.get("type");
            assert!(!kind.is_some_and(Value::is_array), "{path}: {map:?}");
            assert_ne!(kind, Some(&json!("null")), "{path}: {map:?}");
            assert!(
                !map.get("examples").is_some_and(Value::is_array),
                "{path}: {map:?}"
            );
            assert!(
                !map.get("exclusiveMinimum").is_some_and(Value::is_number),
                "{path}: {map:?}"
            );
            assert!(
                map.len() == 1 || !map.contains_key("$ref"),
                "{path}: {map:?}"
            );
            // Without a type beside it, `nullable` has no effect.
            assert!(
                !map.contains_key("nullable") || map.contains_key("type"),
                "{path}: {map:?}"
            );
            assert!(map.get("required") != Some(&json!([])), "{path}: {map:?}");
        });
    }
}

#[test]
fn the_same_project_gives_the_same_bytes() {
    for (version, _) in VERSIONS {
        for format in [OpenapiFormat::Yaml, OpenapiFormat::Json] {
            let first = texts(version, format);
            for _ in 0..5 {
                assert_eq!(texts(version, format), first);
            }
        }
    }
}
