//! OpenAPI documents: their text, what they refer to, and how fragments become one.
//!
//! `AGENTGEN_UPDATE_SNAPSHOTS=1 cargo test --test openapi` writes the expected texts anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use agentgen_build::{
    Config, Generation, OpenapiFormat, OpenapiVersion, Project, Source, Target, generate,
};
use serde_json::{Value, json};

const VERSIONS: [(OpenapiVersion, &str); 3] = [
    (OpenapiVersion::V3_0, "3.0.3"),
    (OpenapiVersion::V3_1, "3.1.2"),
    (OpenapiVersion::V3_2, "3.2.0"),
];

const CLERK: &str = r##"---
name: clerk
description: |
  Keeps the register. "Quoted": with a colon.

  <example>
  Context: A day is asked for.
  user: "What came in on 2024-01-01?"
  assistant: "yes"
  </example>
service:
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

const PORTER: &str = "---
name: porter
description: Opens doors.
---
Open doors.
";

fn build(files: &[(&str, &str)], version: OpenapiVersion, format: OpenapiFormat) -> Generation {
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

/// The documents that come of `files` without a word, in JSON, by their paths.
fn built(files: &[(&str, &str)], version: OpenapiVersion) -> impl Fn(&str) -> Value {
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
fn texts(version: OpenapiVersion, format: OpenapiFormat) -> Vec<(String, String)> {
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

fn documents(version: OpenapiVersion) -> Vec<(String, Value)> {
    let texts = texts(version, OpenapiFormat::Json);
    assert_eq!(texts.len(), 3);
    texts
        .into_iter()
        .map(|(path, text)| (path, serde_json::from_str(&text).unwrap()))
        .collect()
}

/// Calls `see` with every object of a document.
fn walk<'a>(value: &'a Value, see: &mut impl FnMut(&'a serde_json::Map<String, Value>)) {
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
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            found.push((method.as_str(), path.as_str(), operation));
        }
    }
    found
}

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
fn documents_hold_the_components_they_use_and_no_others() {
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
fn the_merged_document_has_every_operation_once() {
    for (version, _) in VERSIONS {
        let documents = documents(version);
        let (merged, fragments): (Vec<_>, Vec<_>) = documents
            .iter()
            .partition(|(path, _)| path == "openapi.json");
        let merged = &merged[0].1;
        let of_fragments: Vec<_> = fragments.iter().flat_map(|(_, f)| operations(f)).collect();
        let of_merged = operations(merged);
        assert_eq!(of_fragments.len(), 4);
        for operation in &of_fragments {
            assert!(of_merged.contains(operation), "{operation:?}");
        }
        let ids: BTreeSet<&str> = of_merged
            .iter()
            .map(|(_, _, operation)| operation["operationId"].as_str().unwrap())
            .collect();
        assert_eq!(ids.len(), of_merged.len());
        let paths: Vec<&String> = merged["paths"].as_object().unwrap().keys().collect();
        let ends = [
            "/v1/agents/clerk/invoke",
            "/register/{number}",
            "/register",
            "/v1/agents/porter/invoke",
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
            let known = ["int32", "int64"].map(|format| Some(format.to_owned()));
            assert!(formats.is_subset(&known.into()), "{path}: {formats:?}");
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
            let media = &body["content"]["application/json"];
            assert!(media.get("examples").is_some(), "{path}");
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
fn version_3_0_has_no_word_of_3_1() {
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
            // Without a type beside it, `nullable` means nothing.
            assert!(
                !map.contains_key("nullable") || map.contains_key("type"),
                "{path}: {map:?}"
            );
            assert!(map.get("required") != Some(&json!([])), "{path}: {map:?}");
        });
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

#[test]
fn a_stream_of_3_2_lists_every_event() {
    let file = built(&[("agents/clerk.md", CLERK)], OpenapiVersion::V3_2);
    let schemas = file("openapi.json")["components"]["schemas"].clone();
    let mapping = schemas["AgentEvent"]["discriminator"]["mapping"].as_object();
    let types: Vec<&String> = mapping.unwrap().keys().collect();
    assert_eq!(
        schemas["AgentStreamItem"]["properties"]["event"]["enum"],
        json!(types)
    );
    assert!(types.iter().any(|name| *name == "passages.retrieved"));
}

#[test]
fn names_that_meet_in_one_agent_are_numbered() {
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
fn names_that_meet_across_agents_are_errors() {
    let agent = |name: &str, endpoint: &str, property: &str| {
        format!(
            "---\nname: {name}\ndescription: One of two.\nservice:\n  endpoints:\n    {endpoint}:\n      \
             input: {{ {property}: string }}\n---\nAnswer.\n"
        )
    };
    let said = |files: &[(&str, &str)]| -> Vec<String> {
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
    let messages = said(&[("agents/big-cat.md", &one), ("agents/cat.md", &two)]);
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
    let messages = said(&[("agents/cat.md", &one), ("agents/cat-big.md", &two)]);
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
    let messages = said(&[("agents/agents.md", &own)]);
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(
        messages[0].contains("the service itself both have the operation `listAgents`"),
        "{messages:?}"
    );
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

#[test]
fn workflows_are_started_followed_and_called_off() {
    const WORKER: &str = "---
name: worker
description: Works.
service:
  endpoints:
    check: { roles: [auditor], input: { text: string } }
  workflows:
    up: [a: worker]
    Down All:
      input: { goal: string }
      steps:
      - a: { agent: worker, endpoint: check, with: { text: '{{ input.goal }}' } }
---
Work.
";
    let files = [("agents/worker.md", WORKER)];
    for (version, _) in VERSIONS {
        let file = built(&files, version);
        let document = file("openapi.json");
        let ids: Vec<(&str, &str, &str)> = operations(&document)
            .into_iter()
            .filter(|(_, path, _)| path.contains("/runs") || path.contains("/workflows"))
            .map(|(method, path, operation)| {
                (method, path, operation["operationId"].as_str().unwrap())
            })
            .collect();
        assert_eq!(
            ids,
            [
                ("post", "/v1/workflows/down-all/runs", "startDownAll"),
                ("post", "/v1/workflows/up/runs", "startUp"),
                ("get", "/v1/runs/{run_id}", "getRun"),
                ("post", "/v1/runs/{run_id}/cancel", "cancelRun"),
                ("get", "/v1/runs/{run_id}/events", "listRunEvents"),
            ]
        );
        let start = |name: &str| &document["paths"][format!("/v1/workflows/{name}/runs")]["post"];
        let responses = |name: &str| -> Vec<String> {
            let map = start(name)["responses"].as_object().unwrap();
            map.keys().cloned().collect()
        };
        let every = [
            "202", "400", "401", "406", "408", "409", "413", "415", "421", "422", "429", "500",
            "503",
        ];
        assert_eq!(responses("up"), every);
        // What a step asks has a role, and the workflow is no way around it.
        assert!(responses("down-all").contains(&"403".to_owned()));
        assert!(start("up")["responses"]["202"]["headers"]["Location"].is_object());
        let schemas = &document["components"]["schemas"];
        let required = |name: &str| &schemas[name]["required"];
        assert_eq!(required("StartUpRequest"), &json!(["input"]));
        assert_eq!(required("StartDownAllRequest"), &json!(["goal"]));
        // The fragment of the agent and a document without workflows have none of it.
        let fragment = file("openapi/worker.json");
        assert!(fragment["paths"].get("/v1/runs/{run_id}").is_none());
        let plain = build(
            &[("agents/porter.md", PORTER)],
            version,
            OpenapiFormat::Json,
        );
        let plain = plain
            .artifacts
            .iter()
            .find(|file| file.path == "openapi.json");
        let plain = String::from_utf8(plain.unwrap().bytes.clone()).unwrap();
        assert!(!plain.contains("Workflow") && !plain.contains("/v1/runs"));
    }
}

#[test]
fn documents_searches_and_embeddings_are_told_as_they_are() {
    const READER: &str = "---
name: reader
description: Reads.
service:
  documents: { collection: shelf, roles: [keeper, owner] }
  endpoints:
    find: { path: /find, handler: search, stream: true }
    embed: { path: /embed, handler: embed }
    ask: { path: /ask, retrieve: input, stream: true, output: { answer: string } }
---
Read.
";
    const GUEST: &str = "---
name: guest
description: Asks.
service: { documents: { roles: [] } }
---
Ask.
";
    for (version, _) in VERSIONS {
        let files = [
            ("agents/guest.md", GUEST),
            ("agents/porter.md", PORTER),
            ("agents/reader.md", READER),
        ];
        let file = built(&files, version);
        let document = file("openapi.json");
        let fragment = file("openapi/reader.json");
        let statuses = |path: &str, method: &str| -> Vec<String> {
            let operation = &document["paths"][path][method];
            assert_eq!(operation, &fragment["paths"][path][method], "{path}");
            let map = operation["responses"].as_object().unwrap();
            map.keys().cloned().collect()
        };
        let own = "/v1/agents/reader/documents";
        let one = "/v1/agents/reader/documents/{document}";
        assert_eq!(
            statuses(own, "get"),
            [
                "200", "400", "401", "403", "406", "421", "422", "429", "500", "503"
            ]
        );
        assert_eq!(
            statuses(own, "post"),
            [
                "200", "400", "401", "403", "406", "408", "409", "413", "415", "421", "422", "429",
                "500", "502", "503", "504"
            ]
        );
        assert_eq!(
            statuses(one, "get"),
            [
                "200", "400", "401", "403", "404", "406", "421", "429", "500", "503"
            ]
        );
        assert_eq!(
            statuses(one, "delete"),
            [
                "204", "400", "401", "403", "404", "421", "429", "500", "503"
            ]
        );
        let said = |path: &str, method: &str| {
            let operation = &document["paths"][path][method];
            operation["description"].as_str().unwrap().to_owned()
        };
        let roles = "Needs one of the roles keeper, owner.";
        for (path, method) in [(own, "get"), (own, "post"), (one, "get"), (one, "delete")] {
            assert!(said(path, method).ends_with(roles), "{method} {path}");
        }
        // Everyone may, and who has no documents has no such operation.
        let open = &document["paths"]["/v1/agents/guest/documents"]["get"];
        assert!(open["responses"].get("403").is_none());
        assert!(!open["description"].as_str().unwrap().contains("roles"));
        assert!(
            document["paths"]
                .get("/v1/agents/porter/documents")
                .is_none()
        );
        assert!(
            file("openapi/porter.json")["components"]["schemas"]
                .get("Document")
                .is_none()
        );

        // The answers have the form that is taken where nothing is said.
        for (path, name) in [("/find", "Find"), ("/embed", "Embed")] {
            assert!(
                said(path, "post").contains("No language model is asked"),
                "{path}"
            );
            let of = statuses(path, "post");
            assert!(of.contains(&"502".to_owned()) && !of.contains(&"501".to_owned()));
            let schemas = &document["components"]["schemas"];
            let required = match name {
                "Find" => json!(["hits", "total"]),
                _ => json!(["vectors", "model", "dimensions"]),
            };
            assert_eq!(
                schemas[format!("Reader{name}Response")]["required"],
                required
            );
        }
        assert!(!said("/find", "post").contains("output.delta"));
        assert!(said("/ask", "post").contains("up to 5 passages"));
        assert!(said("/ask", "post").contains("`run.started`, `passages.retrieved`, "));
        assert!(!said("/v1/agents/porter/invoke", "post").contains("passages"));
        let event = &document["components"]["schemas"]["PassagesRetrievedEvent"];
        assert_eq!(event["required"], json!(["type", "run_id", "passages"]));
    }
}
