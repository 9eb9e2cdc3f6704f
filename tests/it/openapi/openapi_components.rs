//! The components of documents and the schemas in them.

use std::collections::BTreeSet;

use agentgen_build::{OpenapiFormat, OpenapiVersion};
use serde_json::{Value, json};

use super::{VERSIONS, build, documents, walk};

#[test]
fn documents_have_the_components_they_use_and_no_others() {
    for (version, number) in VERSIONS {
        for (path, document) in documents(version) {
            assert_eq!(document["openapi"], number, "{path}");
            let mut used = BTreeSet::from(["/components/securitySchemes/bearerAuth".to_owned()]);
            walk(&document, &mut |map| {
                if let Some(Value::String(target)) = map.get("$ref") {
                    used.insert(target.strip_prefix('#').unwrap().to_owned());
                }
            });
            for pointer in &used {
                assert!(document.pointer(pointer).is_some(), "{path}: {pointer}");
            }
            for (section, entries) in document["components"].as_object().unwrap() {
                let names: Vec<&String> = entries.as_object().unwrap().keys().collect();
                assert!(names.is_sorted(), "{path}: {names:?}");
                for name in names {
                    let pointer = format!("/components/{section}/{name}");
                    assert!(used.contains(&pointer), "{path}: nothing uses {pointer}");
                }
            }
        }
    }
}

#[test]
fn every_integer_says_how_wide_it_is() {
    for (version, _) in VERSIONS {
        for (path, document) in documents(version) {
            let mut formats = BTreeSet::new();
            walk(&document, &mut |map| {
                if map.get("type").is_some_and(|kind| kind == "integer") {
                    formats.insert(map.get("format").and_then(Value::as_str).map(str::to_owned));
                }
            });
            let widths = ["int32", "int64"].map(|format| Some(format.to_owned()));
            assert!(formats.is_subset(&widths.into()), "{path}: {formats:?}");
        }
    }
}

#[test]
fn an_integer_without_a_format_has_64_bits() {
    let agent = r#"---
name: counter
description: Counts.
service:
  endpoints:
    count:
      path: /count/{from}
      input:
        type: object
        required: [from]
        properties:
          from: { type: integer }
          steps: { type: array, items: { type: integer, minimum: 1 } }
          until: { type: [integer, "null"] }
          narrow: { type: integer, format: int32 }
          ratio: { type: number }
      output: { type: integer }
---
Count.
"#;
    for (version, _) in VERSIONS {
        let generation = build(
            &[("agents/counter.md", agent)],
            version,
            OpenapiFormat::Json,
        );
        let mut artifacts = generation.artifacts.into_iter();
        let document = artifacts.find(|artifact| artifact.path == "openapi.json");
        let document = serde_json::from_slice::<Value>(&document.unwrap().bytes).unwrap();
        let operation = &document["paths"]["/count/{from}"]["post"];
        assert_eq!(operation["parameters"][0]["schema"]["format"], "int64");
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["CounterCountResponse"]["format"], "int64");
        let properties = &schemas["CounterCountRequest"]["properties"];
        assert_eq!(properties["steps"]["items"]["format"], "int64");
        assert_eq!(properties["until"]["format"], "int64");
        assert_eq!(properties["narrow"]["format"], "int32");
        assert_eq!(properties["ratio"]["format"], Value::Null);
    }
}

#[test]
fn discriminators_map_every_alternative() {
    let documents = documents(OpenapiVersion::V3_1);
    let (_, merged) = documents
        .iter()
        .find(|(path, _)| path == "openapi.json")
        .unwrap();
    let entry = &merged["components"]["schemas"]["ClerkFileRequestEntry"];
    assert_eq!(
        entry["discriminator"]["mapping"],
        json!({
            "letter": "#/components/schemas/ClerkFileRequestLetter",
            "parcel": "#/components/schemas/ClerkFileRequestParcel",
        })
    );
}

/// What JSON Schema says beyond types, in each version of OpenAPI.
#[test]
fn odd_schemas_are_written_as_the_version_has_them() {
    let agent = include_str!("../../fixtures/pasted/odd.md");
    for (version, _) in VERSIONS {
        let generation = build(&[("agents/pasted.md", agent)], version, OpenapiFormat::Json);
        let found = generation
            .artifacts
            .iter()
            .find(|file| file.path == "openapi.json");
        let document: Value = serde_json::from_slice(&found.unwrap().bytes).unwrap();
        let old = version == OpenapiVersion::V3_0;
        walk(&document["components"]["schemas"], &mut |map| {
            let target = map.get("$ref").and_then(Value::as_str);
            if let Some(target) = target {
                let pointer = target.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{target}");
            }
            if old {
                assert!(!map.get("type").is_some_and(Value::is_array), "{map:?}");
            }
        });
        let odd = &document["components"]["schemas"]["PastedOddRequest"]["properties"];
        if old {
            assert_eq!(odd["keyed"], json!({ "type": "object" }));
            assert_eq!(odd["pair"]["items"], json!({}));
            assert_eq!(odd["pair"]["minItems"], 2);
            assert_eq!(odd["wide"]["exclusiveMinimum"], true);
            let kinds = &odd["either"]["allOf"][0]["anyOf"];
            assert_eq!(kinds.as_array().map(Vec::len), Some(3), "{}", odd["either"]);
        } else {
            let keyed = json!({ "^x-": { "type": "integer", "format": "int64" } });
            assert_eq!(odd["keyed"]["patternProperties"], keyed);
            let part = &odd["pair"]["prefixItems"][1]["$ref"];
            assert_eq!(*part, "#/components/schemas/PastedOddRequestLoop");
            assert_eq!(odd["wide"]["exclusiveMinimum"], 0);
            assert_eq!(odd["either"]["type"], json!(["string", "integer", "array"]));
            assert_eq!(odd["sort"]["oneOf"][0]["description"], "Upwards.");
        }
    }
}
