//! Names of operations and components that collide.

use std::collections::BTreeSet;
use std::path::Path;

use agentgen_build::{Config, OpenapiFormat, OpenapiVersion, Project, Source, generate, load};
use serde_json::Value;

use super::{VERSIONS, build, built};

#[test]
fn names_that_collide_in_one_agent_are_numbered() {
    let text = "---
name: twin
description: Has two of everything.
service:
  endpoints:
    x:
      input:
        type: object
        properties: { a: { $ref: '#/$defs/some-thing' }, b: { $ref: '#/$defs/some_thing2' }, c: { $ref: '#/$defs/some_thing' } }
        $defs:
          some-thing: { type: object, properties: { a: { type: string } } }
          some_thing2: { type: object, properties: { b: { type: string } } }
          some_thing: { type: object, properties: { c: { type: string } } }
---
Answer twice.
";
    let fragment = built(&[("agents/twin.md", text)], OpenapiVersion::V3_1)("openapi/twin.json");
    let schemas = &fragment["components"]["schemas"];
    for name in ["a", "b", "c"] {
        let target = schemas["TwinXRequest"]["properties"][name]["$ref"]
            .as_str()
            .unwrap();
        let component = fragment.pointer(target.strip_prefix('#').unwrap()).unwrap();
        assert!(
            component["properties"].get(name).is_some(),
            "{name}: {schemas:#}"
        );
    }
}

#[test]
fn names_that_collide_across_agents_are_errors() {
    let agent = |name: &str, endpoint: &str, property: &str| {
        format!(
            "---\nname: {name}\ndescription: One of two.\nservice:\n  endpoints:\n    {endpoint}:\n      \
             input: {{ {property}: string }}\n---\nAnswer.\n"
        )
    };
    let messages_of = |files: &[(&str, &str)]| -> Vec<String> {
        let generation = build(files, OpenapiVersion::V3_1, OpenapiFormat::Yaml);
        assert_eq!(generation.artifacts, []);
        generation
            .diagnostics
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    // `ask` + `big-cat` and `ask-big` + `cat`: one operation.
    let (one, two) = (agent("big-cat", "ask", "a"), agent("cat", "ask-big", "a"));
    let messages = messages_of(&[("agents/big-cat.md", &one), ("agents/cat.md", &two)]);
    assert_eq!(messages.len(), 1, "{messages:?}");
    for part in [
        "AG072",
        "agents/cat.md:2:",
        "agents/big-cat.md",
        "askBigCat",
    ] {
        assert!(messages[0].contains(part), "{part}: {messages:?}");
    }
    // `cat` + `big-ask` and `cat-big` + `ask`: one component, with other contents.
    let (one, two) = (agent("cat", "big-ask", "a"), agent("cat-big", "ask", "b"));
    let messages = messages_of(&[("agents/cat.md", &one), ("agents/cat-big.md", &two)]);
    assert!(!messages.is_empty());
    for message in &messages {
        for part in [
            "AG072",
            "agents/cat-big.md:2:",
            "agents/cat.md",
            "CatBigAsk",
        ] {
            assert!(message.contains(part), "{part}: {messages:?}");
        }
    }
    // The service's own operation.
    let own = agent("agents", "list", "a");
    let messages = messages_of(&[("agents/agents.md", &own)]);
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(
        messages[0].contains("the service itself both have the operation `listAgents`"),
        "{messages:?}"
    );
}

const PLANNER: &str = r##"---
name: travel-planner
description: Plans journeys.
service:
  endpoints:
    plan:
      path: /plans/{pace}
      input:
        pace(enum): [slow, fast]
        season?(enum): [summer, winter]
        stops(array):
          city: string
          stay(enum): [hotel, tent]
        party?(object):
          adults: integer
      output:
        type: object
        required: [legs, best]
        properties:
          legs:
            type: array
            items:
              type: object
              required: [by]
              properties:
                by: { type: string, enum: [train, boat] }
                next: { anyOf: [{ $ref: "#/$defs/Place" }, { type: "null" }] }
          prices:
            type: object
            additionalProperties: { type: object, properties: { amount: { type: number } } }
          mood: { type: [string, "null"], enum: [good, bad, null] }
          best:
            oneOf:
            - { type: object, required: [kind], properties: { kind: { const: sun }, hours: { type: integer } } }
            - { type: object, required: [kind], properties: { kind: { const: snow } } }
            discriminator: { propertyName: kind }
        $defs:
          Place: { type: object, properties: { size: { enum: [small, large] } } }
---
Plan.
"##;

/// Each object, enum and choice has a name, which is that of the Rust type behind the name of the agent.
#[test]
fn parts_of_schemas_have_the_names_of_their_rust_types() {
    let source = Source::from_bytes("agents/travel-planner.md", PLANNER.as_bytes().to_vec());
    let generation = generate(&Project {
        config: Config::default(),
        sources: vec![source.unwrap()],
        ..Project::default()
    });
    assert!(
        generation.diagnostics.is_empty(),
        "{:?}",
        generation.diagnostics
    );
    let file = |path: &str| {
        let found = generation.artifacts.iter().find(|file| file.path == path);
        String::from_utf8(found.unwrap().bytes.clone()).unwrap()
    };
    let rust = file("rust/travel_planner.rs");
    let rust_types: BTreeSet<&str> = ["pub struct ", "pub enum "]
        .iter()
        .flat_map(|keyword| rust.split(keyword).skip(1))
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next().unwrap())
        .collect();
    let document: Value = serde_json::from_str(&file("rust/openapi.json")).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let names: BTreeSet<&str> = schemas
        .keys()
        .filter_map(|name| name.strip_prefix("TravelPlanner"))
        .collect();
    let expected = [
        "PlanRequest",
        "PlanRequestPace",
        "PlanRequestParty",
        "PlanRequestSeason",
        "PlanRequestStopsItem",
        "PlanRequestStopsItemStay",
        "PlanResponse",
        "PlanResponseBest",
        "PlanResponseBestSnow",
        "PlanResponseBestSun",
        "PlanResponseLegsItem",
        "PlanResponseLegsItemBy",
        "PlanResponseMood",
        "PlanResponsePlace",
        "PlanResponsePlaceSize",
        "PlanResponsePricesValue",
    ];
    assert_eq!(names, BTreeSet::from(expected));
    let missing: Vec<_> = names.difference(&rust_types).collect();
    assert!(
        missing.is_empty(),
        "{missing:?} are not among {rust_types:?}"
    );
    // Nothing is left inline.
    for (name, schema) in schemas
        .iter()
        .filter(|(name, _)| name.starts_with("TravelPlanner"))
    {
        let mut inline = Vec::new();
        for (property, schema) in schema["properties"].as_object().into_iter().flatten() {
            if schema.get("properties").is_some() || schema.get("enum").is_some() {
                inline.push(property);
            }
        }
        assert!(inline.is_empty(), "{name}: {inline:?}");
    }
}

/// Where `schema`, at `place`, has an object or an enum that is no component: generators of clients invent names for those.
/// The parts of an `allOf` are merged, and an enum of one value is a constant.
fn unnamed(schema: &Value, place: &str, is_named: bool, found: &mut Vec<String>) {
    if !is_named {
        let has_properties = schema.get("properties").is_some_and(Value::is_object);
        let values = schema.get("enum").and_then(Value::as_array);
        if has_properties || values.is_some_and(|values| values.len() > 1) {
            found.push(place.to_owned());
        }
    }
    match schema {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let is_merged = place.ends_with("/allOf");
                unnamed(item, &format!("{place}/{index}"), is_merged, found);
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                let place = format!("{place}/{key}");
                match (key.as_str(), value) {
                    ("example" | "examples" | "default" | "const" | "enum", _) => {}
                    ("properties" | "schemas", Value::Object(named)) => {
                        for (name, schema) in named {
                            let is_named = place == "#/components/schemas";
                            unnamed(schema, &format!("{place}/{name}"), is_named, found);
                        }
                    }
                    _ => unnamed(value, &place, false, found),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn every_object_and_enum_of_a_document_has_a_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (version, _) in VERSIONS {
        let mut config = Config::default();
        config.openapi.version = version;
        config.openapi.format = OpenapiFormat::Json;
        let generation = generate(&load(root, config));
        let files = generation.artifacts.iter();
        let documents = files.filter(|file| file.path.starts_with("openapi"));
        let mut count = 0;
        for file in documents {
            let document: Value = serde_json::from_slice(&file.bytes).unwrap();
            let mut found = Vec::new();
            unnamed(&document, "#", false, &mut found);
            assert_eq!(found, Vec::<String>::new(), "{}", file.path);
            count += 1;
        }
        assert!(count > 10, "{count}");
    }
}
