//! The Arazzo document: its content, and whether other readers accept it.
//!
//! `AGENTGEN_UPDATE_SNAPSHOTS=1 cargo test --test it arazzo` writes the expected document anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use agentgen_build::load;
use agentgen_build::{
    Config, Generation, OpenapiFormat, Project, Source, Target, UserTemplate, generate,
};
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
    serde_yaml::from_str::<Value>(&text).unwrap()
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

/// The name of a parameter, and its location.
fn place_of(parameter: &Value) -> (Option<&str>, Option<&str>) {
    (parameter["name"].as_str(), parameter["in"].as_str())
}

/// Reads the document with a model of Arazzo 1.1 that is not ours, and follows what it refers to.
#[track_caller]
fn judge(generation: &Generation) -> Value {
    let document = yaml(generation, "arazzo.yaml");
    let description: Description = serde_json::from_value(document.clone()).unwrap();
    description.validate(Default::default()).unwrap();
    let openapi = yaml(generation, "openapi.yaml");
    let mut operations = BTreeMap::new();
    for item in openapi["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            operations.insert(operation["operationId"].as_str().unwrap(), operation);
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
            let operation = operations[step["operationId"].as_str().unwrap()];
            let has_body = operation.get("requestBody").is_some();
            assert_eq!(step.get("requestBody").is_some(), has_body, "{id}");
            let given = step.get("parameters").and_then(Value::as_array);
            let given: BTreeSet<_> = given.into_iter().flatten().map(place_of).collect();
            let declared = operation.get("parameters").and_then(Value::as_array);
            let declared = declared.into_iter().flatten();
            let (needed, all): (BTreeSet<_>, BTreeSet<_>) = (
                declared
                    .clone()
                    .filter(|one| one["required"] == true)
                    .map(place_of)
                    .collect(),
                declared.map(place_of).collect(),
            );
            assert!(
                needed.is_subset(&given) && given.is_subset(&all),
                "{id}: {given:?}"
            );
            let mut found = Vec::new();
            texts(&step["requestBody"], &mut found);
            texts(&step["parameters"], &mut found);
            let needs = step.get("dependsOn").and_then(Value::as_array);
            for need in needs.into_iter().flatten() {
                // Of a step of the same workflow, `dependsOn` names the bare id.
                assert!(
                    before.iter().any(|other| other == need),
                    "{need} before {id}"
                );
            }
            for text in found {
                for reference in text.split("$steps.").skip(1) {
                    let end =
                        reference.find(|c: char| !c.is_ascii_alphanumeric() && !"_-".contains(c));
                    let name = &reference[..end.unwrap_or(reference.len())];
                    assert!(
                        before.iter().any(|other| other == name),
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
    let generation = generate(&load(root, Config::default()));
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
    // A condition on the step that has just answered reads its output.
    let validation = workflows
        .iter()
        .find(|workflow| workflow["workflowId"] == "stateless-validation");
    let audit = &validation.unwrap()["steps"][0];
    assert_eq!(
        audit["onSuccess"][0]["criteria"],
        json!([{ "context": "$steps.audit.outputs.output", "condition": "violation", "type": "regex" }])
    );
}

const SHELVES: &str = r##"---
name: shelves
description: Knows the shelves.
service:
  endpoints:
    find:
      path: /shelves/{shelf}
      method: get
      input: { shelf: string, limit?: integer, words?(array): string }
      output: { titles(array): string }
    put:
      path: /shelves/{shelf}/books
      input: { shelf: string, title: string }
      output: { place: string }
  workflows:
    tidy:
      input:
        type: object
        required: [shelf]
        properties:
          shelf: { $ref: "#/$defs/name" }
          limit: { type: integer }
        $defs: { name: { type: string, minLength: 1 } }
      steps:
      - find: { agent: shelves, endpoint: find }
      - more: { agent: shelves, endpoint: find, needs: [], with: { shelf: "{{ input.shelf }}", words: [a, "{{ input.shelf }}"] } }
      - größer: { agent: shelves, endpoint: put, with: { shelf: "{{ input.shelf }}", title: "{{ more.output.titles.0 }}!" }, on_failure: fallback shelves }
      - tell: { agent: shelves, needs: [größer, find], with: { input: "{{ größer.output.place }}" } }
      - tell_all: { agent: shelves, needs: [größer, find] }
---
You know the shelves.
"##;

/// Inputs in the path and the query are parameters, the others are the body; a fallback gets all of them as text.
#[test]
fn gives_an_operation_what_it_takes_where_it_takes_it() {
    let generation = generate(&project(&[("agents/shelves.md", SHELVES)]));
    let document = judge(&generation);
    // References are found from the root of the document.
    let name = document["workflows"][0]["inputs"]["properties"]["shelf"]["$ref"].as_str();
    let pointer = name.unwrap().strip_prefix('#').unwrap();
    assert_eq!(document.pointer(pointer).unwrap()["minLength"], 1);
    let steps = document["workflows"][0]["steps"].as_array().unwrap();
    let step = |id: &str| steps.iter().find(|step| step["stepId"] == id).unwrap();
    assert_eq!(
        step("find")["parameters"],
        json!([
            { "name": "shelf", "in": "path", "value": "$inputs.shelf" },
            { "name": "limit", "in": "query", "value": "$inputs.limit" },
        ])
    );
    assert_eq!(
        step("more")["parameters"][1],
        json!({ "name": "words", "in": "query", "value": ["a", "$inputs.shelf"] })
    );
    let put = step("step-3");
    assert_eq!(put["dependsOn"], json!(["more"]));
    assert_eq!(
        put["parameters"],
        json!([{ "name": "shelf", "in": "path", "value": "$inputs.shelf" }])
    );
    assert_eq!(
        put["requestBody"]["payload"],
        json!({ "title": "{$steps.more.outputs.output#/titles/0}!" })
    );
    let fallback = step("step-3-fallback");
    assert_eq!(fallback["operationId"], "invokeShelves");
    assert_eq!(
        fallback["requestBody"]["payload"],
        json!({ "input": "shelf: {$inputs.shelf}\ntitle: {$steps.more.outputs.output#/titles/0}!" })
    );
    assert_eq!(
        step("tell")["requestBody"]["payload"]["input"],
        "$steps.step-3.outputs.output#/place"
    );
    assert_eq!(
        step("tell_all")["requestBody"]["payload"]["input"],
        "shelf: {$inputs.shelf}\nlimit: {$inputs.limit}\n\n## größer\n\n{$steps.step-3.outputs.output}\n\n## find\n\n{$steps.find.outputs.output}"
    );
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
    let messages: Vec<String> = generation
        .diagnostics
        .iter()
        .map(ToString::to_string)
        .collect();
    let messages = messages.join("\n");
    assert!(messages.contains("agents/baker.md:9:"), "{messages}");
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

const PORTER: &str = r#"---
name: porter
description: Carries boxes.
service:
  endpoints:
    carry:
      path: /boxes/{box-id}
      headers: { X-Floor: integer }
      input: { box-id: integer, note: string }
      output: { number: integer }
      status: 201
      handler: code
    drop: { path: "/boxes/{box-id}", method: delete, input: { box-id: integer }, status: 204, handler: code }
  workflows:
    move:
      input: { box: integer }
      steps:
      - up: { agent: porter, endpoint: carry, with: { box-id: "{{ input.box }}", note: fragile, X-Floor: 2 } }
      - off: { agent: porter, endpoint: drop, with: { box-id: "{{ input.box }}" } }
---
Carry.
"#;

#[test]
fn steps_send_headers_and_wait_for_the_status_of_their_endpoint() {
    let generation = generate(&project(&[("agents/porter.md", PORTER)]));
    let workflow = &yaml(&generation, "arazzo.yaml")["workflows"][0];
    let (up, off) = (&workflow["steps"][0], &workflow["steps"][1]);
    let places: Vec<_> = up["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .map(place_of)
        .collect();
    assert_eq!(
        places,
        [
            (Some("box-id"), Some("path")),
            (Some("X-Floor"), Some("header"))
        ]
    );
    assert_eq!(up["requestBody"]["payload"], json!({ "note": "fragile" }));
    assert_eq!(up["successCriteria"][0]["condition"], "$statusCode == 201");
    assert_eq!(off["successCriteria"][0]["condition"], "$statusCode == 204");
    // An answer without a body gives nothing to the steps behind.
    assert!(off["outputs"].is_null(), "{off}");
    assert_eq!(workflow["outputs"], json!({}));
}

const AUDITOR: &str = r##"---
name: auditor
description: Audits.
service:
  endpoints:
    grade:
      path: /grade
      input: { text: string }
      output: { risk(enum): [low, high], score: integer, passed: boolean, found(array): string }
  workflows:
    audit:
      input: { input: string, deep: boolean }
      steps:
      - grade: { agent: auditor, endpoint: grade, with: { text: "{{ input.input }}" } }
      - repair: { agent: auditor, when: "grade.output.risk == 'high' and grade.output.score < 3.5" }
      - report: { agent: auditor, when: "not (repair.output contains 'it''s (done)') or input.deep" }
      - list: { agent: auditor, when: "grade.output.found contains 'leak'", on_failure: skip }
      - hush: { agent: auditor, when: "not (grade.output.found contains 'noise')" }
      - praise: { agent: auditor, when: "grade.output.passed" }
      - close: { agent: auditor, when: "praise.status == 'succeeded'" }
      - tell: { agent: auditor, when: "grade.output.score != 1 && true", on_failure: { fallback: auditor } }
    first:
    - start: { agent: auditor, when: "input.input == 'go'" }
    - end: auditor
    either:
      input: { input: string, tags(array): string }
      steps:
      - begin: { agent: auditor, when: "input.tags contains 'it''s'" }
      - end: { agent: auditor, when: "not (input.tags contains 'b')" }
---
You audit.
"##;

/// A step says which one follows: the first whose condition holds, or the next one without a condition.
#[test]
fn conditions_are_criteria_of_the_step_before() {
    let generation = generate(&project(&[("agents/auditor.md", AUDITOR)]));
    let document = judge(&generation);
    let steps = document["workflows"][0]["steps"].as_array().unwrap();
    let step = |id: &str| steps.iter().find(|step| step["stepId"] == id).unwrap();
    let actions = |step: &Value, key: &str| -> Vec<(String, Value)> {
        let actions = step[key].as_array().into_iter().flatten();
        let target = |action: &Value| action["stepId"].as_str().unwrap_or("").to_owned();
        actions
            .map(|action| (target(action), action["criteria"].clone()))
            .collect()
    };
    let to = |id: &str, criteria: Value| (id.to_owned(), criteria);
    let passed = json!([{ "condition": "$steps.grade.outputs.output_passed == true" }]);
    let contains = |text: &str| {
        let condition = format!("$..[?(@ == '{text}')]");
        let context = "$steps.grade.outputs.output_found";
        json!([{ "context": context, "condition": condition, "type": "jsonpath" }])
    };
    let noise = &contains("noise")[0];
    let deep = json!([{ "condition": "$inputs.deep == true" }]);
    // The parts that conditions read are outputs of their own.
    assert_eq!(
        step("grade")["outputs"],
        json!({
            "output": "$response.body",
            "output_risk": "$response.body#/risk",
            "output_score": "$response.body#/score",
            "output_found": "$response.body#/found",
            "output_passed": "$response.body#/passed",
        })
    );
    assert_eq!(
        actions(step("grade"), "onSuccess"),
        [
            to(
                "repair",
                json!([
                    { "context": "$steps.grade.outputs.output_risk", "condition": "^high$", "type": "regex" },
                    { "condition": "$steps.grade.outputs.output_score < 3.5" },
                ])
            ),
            // Where the repair was left out, its output is null, and the report is due.
            to("report", Value::Null),
        ]
    );
    assert_eq!(
        actions(step("repair"), "onSuccess"),
        [
            to(
                "report",
                json!([{
                    "context": "$steps.repair.outputs.output",
                    "condition": "^(?![\\s\\S]*it's \\(done\\))",
                    "type": "regex",
                }])
            ),
            to("report", deep),
            to("list", contains("leak")),
            // JSONPath has no way to say that nothing is found: where something is, the step is left out.
            to("praise", json!([noise, passed[0]])),
            to("close", contains("noise")),
            to("hush", Value::Null),
        ]
    );
    assert_eq!(
        actions(step("hush"), "onSuccess"),
        [to("praise", passed.clone()), to("close", Value::Null)]
    );
    // A step that failed and is skipped chooses as well.
    assert_eq!(
        actions(step("list"), "onFailure"),
        [
            to("praise", json!([noise, passed[0]])),
            to("close", contains("noise")),
            to("hush", Value::Null),
        ]
    );
    let score = json!([{ "condition": "$steps.grade.outputs.output_score != 1" }]);
    assert_eq!(
        actions(step("close"), "onSuccess"),
        [to("tell", score), to("", Value::Null)]
    );
    // How a step ended has no expression in Arazzo.
    let condition = "praise.status == 'succeeded'";
    assert_eq!(step("close")["x-when"], condition);
    let description = step("close")["description"].as_str().unwrap();
    let said = format!("Only where `{condition}`, which Arazzo can't say.");
    assert!(description.ends_with(&said), "{description}");
    for said in ["repair", "report", "list", "hush", "praise", "tell"] {
        assert!(step(said).get("x-when").is_none(), "{said}");
    }
    // A step that may be left out can't be waited for.
    assert_eq!(step("report")["dependsOn"], json!(["grade"]));
    assert_eq!(step("tell")["dependsOn"], json!(["close"]));
    let input = step("report")["requestBody"]["payload"]["input"].to_string();
    assert!(!input.contains("$steps.repair"), "{input}");
    let description = step("report")["description"].as_str().unwrap();
    assert!(description.ends_with("Without the output of `repair`, which may be left out."));
    let outputs = document["workflows"][0]["outputs"].as_object().unwrap();
    let outputs: Vec<&String> = outputs.keys().collect();
    // Neither `tell` nor its fallback need to have run.
    assert_eq!(outputs, ["close"]);
    // Before a first step that may be left out comes one that chooses.
    let begin = &document["workflows"][1]["steps"][0];
    assert_eq!(
        (&begin["stepId"], &begin["operationId"]),
        (&json!("begin"), &json!("getLiveness"))
    );
    let go = json!([{ "context": "$inputs.input", "condition": "^go$", "type": "regex" }]);
    assert_eq!(
        actions(begin, "onSuccess"),
        [to("start", go), to("end", Value::Null)]
    );
    let end = &document["workflows"][1]["steps"][2];
    assert!(end["dependsOn"].is_null(), "{end}");
    // Engines disagree about quotes in a JSONPath.
    let steps = document["workflows"][2]["steps"].as_array().unwrap();
    assert!(steps[0]["x-when"].is_string(), "{steps:#?}");
    let b =
        json!([{ "context": "$inputs.tags", "condition": "$..[?(@ == 'b')]", "type": "jsonpath" }]);
    assert_eq!(
        actions(&steps[0], "onSuccess"),
        [to("", b), to("end", Value::Null)]
    );
}

/// One note names the steps that other engines run in any case, and is an error where the project denies it.
#[test]
fn a_condition_that_arazzo_can_not_say_is_noted() {
    let noted = |project: &Project| {
        let mut diagnostics = generate(project).diagnostics;
        diagnostics.retain(|diagnostic| diagnostic.code.as_str() == "AG073");
        diagnostics
    };
    let mut both = project(&[("agents/auditor.md", AUDITOR)]);
    let notes = noted(&both);
    let [note] = &notes[..] else {
        panic!("{notes:#?}")
    };
    assert_eq!(note.severity.as_str(), "note");
    assert_eq!(
        note.message,
        "other engines run `audit.close`, `either.begin` in any case: Arazzo can't say the `when`"
    );
    let line = note.location().unwrap().line;
    assert!(AUDITOR.lines().nth(line - 1).unwrap().contains("- close:"));
    // Without the document, nobody else reads the conditions.
    both.config.targets = vec![Target::Rust];
    assert!(noted(&both).is_empty());
    both.config = Config::default();
    both.config.deny.push(note.code);
    assert!(generate(&both).artifacts.is_empty());
    assert_eq!(noted(&both)[0].severity.as_str(), "error");
    // Of many, the first ones are named.
    let steps: String = (0..7)
        .map(|n| format!("    - s{n}: {{ agent: auditor, when: \"start.status == 'failed'\" }}\n"))
        .collect();
    let text = AUDITOR.replace("    - end: auditor\n", &steps);
    let notes = noted(&project(&[("agents/auditor.md", &text)]));
    assert_eq!(notes.len(), 1);
    let named = "`first.s2`, `first.s3` and 4 more in any case";
    assert!(notes[0].message.contains(named), "{}", notes[0].message);
}
