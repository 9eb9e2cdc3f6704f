//! The JSON Schema of the service block says what the reader says.

use std::fs;
use std::path::Path;

use agentgen_build::inspect::{SERVICE_SCHEMA as SCHEMA, agent_schema, has_errors};
use agentgen_build::{Project, Source, check};
use serde_json::Value;

/// Whether the schema takes `block`, and whether the reader does; it is the contract of the agent `keys`, beside `mute`.
fn taken(validator: &jsonschema::Validator, block: &str) -> (bool, bool) {
    let value = serde_yaml::from_str::<Value>(block).unwrap();
    let agent =
        |name: &str| format!("---\nname: {name}\ndescription: Keeps {name}.\n---\nDo it.\n");
    let sources = [
        ("agents/keys.md", agent("keys")),
        ("agents/keys.service.yaml", block.to_owned()),
        ("agents/mute.md", agent("mute")),
    ];
    let project = Project {
        sources: sources
            .map(|(path, text)| Source::from_bytes(path, text.into_bytes()).unwrap())
            .to_vec(),
        ..Project::default()
    };
    let read = !has_errors(&check(&project).diagnostics);
    (validator.is_valid(&value), read)
}

fn validator() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

#[test]
fn what_is_read_is_valid_and_what_is_not_is_not() {
    let validator = validator();
    let step = |step: &str| format!("workflows: {{ w: [a: mute, b: {step}] }}\n");
    let workflow = |workflow: &str| format!("workflows: {{ w: {workflow} }}\n");
    let endpoint = |endpoint: &str| format!("endpoints: {{ e: {endpoint} }}\n");
    let error =
        |error: &str| endpoint(&format!("{{ handler: code, errors: {{ gone: {error} }} }}"));
    let taken_both = [
        endpoint("{ summary: Asks, deprecated: true, tags: [a], operation_id: ' ask.it-2 ' }"),
        endpoint("{ headers: { X-Tenant: string }, status: 202 }"),
        endpoint("{ handler: code, status: 204, errors: {} }"),
        error("{ status: 410 }"),
        error(
            "{ status: 599, title: Gone, description: It is., type: /gone, members: { at: string } }",
        ),
        step("mute"),
        step("{ agent: ' mute ' }"),
        step("{ agent: mute, needs: [] }"),
        step("{ agent: mute, timeout: ' 5 min ', retry: {} }"),
        step("{ agent: mute, timeout: 36525d, retry: 4294967295 }"),
        step("{ agent: mute, retry: { backoff: 1s } }"),
        step("{ agent: mute, retry: 0 }"),
        "retry: 0\n".to_owned(),
        "retry: 4294967295\n".to_owned(),
        "retry: { attempts: 1, backoff: 1s }\n".to_owned(),
        step("{ agent: mute, join: ' any ' }"),
        step("{ agent: mute, join: \"quorum\\t01\" }"),
        step("{ agent: mute, join: { quorum: 1 } }"),
        step("{ agent: mute, on_failure: 'stop ' }"),
        step("{ agent: mute, on_failure: 'fallback  keys' }"),
        step("{ agent: mute, on_failure: { fallback: keys } }"),
        step("{ agent: mute, when: true }"),
        step("{ agent: mute, when: \"a.output == 'x'\" }"),
        step("{ agent: mute, endpoint: invoke, with: { input: \"{{ a.output }}\" } }"),
        workflow("[parallel: [a: mute, parallel-too: mute]]"),
        workflow("{ steps: [a: mute], concurrency: 1, roles: [], timeout: 1ms }"),
        workflow("{ steps: [a: mute], input: { goal: string } }"),
        "workflows: {}\n".to_owned(),
        "service: { workflows: { w: [a: mute] } }\n".to_owned(),
        "{}\n".to_owned(),
        "null\n".to_owned(),
    ];
    let taken_neither = [
        endpoint("{ summary: [] }"),
        endpoint("{ deprecated: 1 }"),
        endpoint("{ tags: a }"),
        endpoint("{ operation_id: a b }"),
        endpoint("{ operation_id: 1a }"),
        endpoint("{ headers: [] }"),
        endpoint("{ status: 206 }"),
        endpoint("{ errors: [] }"),
        error("{}"),
        error("{ status: 401 }"),
        error("{ status: 399 }"),
        error("{ status: 600 }"),
        error("{ status: 410, body: string }"),
        error("{ status: 410, title: 5 }"),
        step("5"),
        step("{}"),
        step("null"),
        step("{ agent: mute, needs: a }"),
        step("{ agent: mute, timeout: 0s }"),
        step("{ agent: mute, timeout: 30 }"),
        step("{ agent: mute, retry: -1 }"),
        step("{ agent: mute, retry: none }"),
        "retry: -1\n".to_owned(),
        "retry: none\n".to_owned(),
        "retry: { attempts: 0 }\n".to_owned(),
        step("{ agent: mute, retry: 4294967296 }"),
        step("{ agent: mute, join: quorum }"),
        step("{ agent: mute, join: quorum 0 }"),
        step("{ agent: mute, on_failure: fallback }"),
        step("{ agent: mute, on_failure: { skip: true } }"),
        step("{ agent: mute, when: 5 }"),
        step("{ agent: mute, when: ' ' }"),
        step("{ agent: mute, with: [] }"),
        step("{ agent: mute, unless: x }"),
        workflow("[]"),
        workflow("{}"),
        workflow("[{ a: mute, b: mute }]"),
        workflow("[parallel: []]"),
        workflow("[parallel: mute]"),
        workflow("[{ parallel: [a: mute], join: any }]"),
        workflow("[parallel: [parallel: [a: mute]]]"),
        workflow("[parallel: [parallel: mute]]"),
        workflow("{ steps: [a: mute], concurrency: 0 }"),
        "workflows: { '---': [a: mute] }\n".to_owned(),
        "workflows: { 編集: [a: mute] }\n".to_owned(),
        "workflows: []\n".to_owned(),
        "[]\n".to_owned(),
    ];
    for (blocks, expected) in [(&taken_both[..], true), (&taken_neither[..], false)] {
        for block in blocks {
            assert_eq!(taken(&validator, block), (expected, expected), "{block}");
        }
    }
}

#[test]
fn the_contracts_of_the_projects_own_agents_are_valid() {
    let validator = validator();
    let mut contracts = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("agents")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let frontmatter = text.split("---\n").nth(1).unwrap();
        let contract = serde_yaml::from_str::<Value>(frontmatter).unwrap()["service"].take();
        let wrong: Vec<String> = validator
            .iter_errors(&contract)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{}: {wrong:?}", path.display());
        contracts += usize::from(contract.is_object());
    }
    assert!(contracts > 3, "{contracts}");
}

/// The frontmatter of the project's own agents fits the schema of agent files, and typical mistakes don't.
#[test]
fn agent_files_fit_the_schema_of_their_frontmatter() {
    let schema: Value = serde_json::from_str(&agent_schema()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("agents");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let Some((frontmatter, _)) = text
            .strip_prefix("---\n")
            .and_then(|text| text.split_once("\n---\n"))
        else {
            continue;
        };
        let Ok(value) = serde_yaml::from_str::<Value>(frontmatter) else {
            continue;
        };
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{}", path.display());
        count += 1;
    }
    assert!(count > 5, "{count}");
    for wrong in [
        "permissionMode: sometimes",
        "background: perhaps",
        "maxTurns: [3]",
        "hooks: none",
        "service: { endpoint: {} }",
        "service: { endpoints: { ask: { method: fetch } } }",
    ] {
        let value: Value = serde_yaml::from_str(wrong).unwrap();
        assert!(!validator.is_valid(&value), "{wrong}");
    }
    for right in [
        "name: a",
        "tools:",
        "own: { kept: true }",
        "model: [opus, haiku]",
        "tools: { write: false }",
    ] {
        let value: Value = serde_yaml::from_str(right).unwrap();
        assert!(validator.is_valid(&value), "{right}");
    }
}
