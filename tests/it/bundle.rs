//! Prompt bundles: valid by their schema, complete, and with the prompt byte for byte.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use agentgen_build::inspect::BUNDLE_SCHEMA as SCHEMA;
use agentgen_build::load;
use agentgen_build::{Config, Generation, Project, Source, generate};
use serde_json::{Value as Json, json};

fn of(sources: Vec<Arc<Source>>) -> Generation {
    generate(&Project {
        sources,
        ..Project::default()
    })
}

fn one(path: &str, text: &str) -> Generation {
    of(vec![Source::from_bytes(path, text.into()).unwrap()])
}

fn file<'a>(generation: &'a Generation, path: &str) -> &'a [u8] {
    let found = generation.artifacts.iter().find(|file| file.path == path);
    let diagnostics = &generation.diagnostics;
    &found
        .unwrap_or_else(|| panic!("no {path}: {diagnostics:?}"))
        .bytes
}

fn bundles(generation: &Generation) -> Vec<Json> {
    let bundles = generation
        .artifacts
        .iter()
        .filter(|file| file.path.ends_with("bundle.json"));
    bundles
        .map(|file| serde_json::from_slice(&file.bytes).unwrap())
        .collect()
}

fn assert_valid(bundle: &Json) {
    static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let schema: Json = serde_json::from_str(SCHEMA).unwrap();
        jsonschema::validator_for(&schema).unwrap()
    });
    let wrong: Vec<String> = VALIDATOR
        .iter_errors(bundle)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{}: {wrong:?}", bundle["name"]);
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push(path);
        }
    }
}

#[test]
fn the_projects_own_bundles_are_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let generation = generate(&load(root, Config::default()));
    let bundles = bundles(&generation);
    assert_eq!(bundles.len(), 15);
    bundles.iter().for_each(assert_valid);
    let orchestrator = bundles
        .iter()
        .find(|bundle| bundle["name"] == "orchestrator")
        .unwrap();
    assert_eq!(orchestrator["agents"].as_array().unwrap().len(), 10);
    assert_eq!(orchestrator["workflows"].as_array().unwrap().len(), 8);
}

#[test]
fn bundles_of_public_files_are_valid() {
    let mut files = Vec::new();
    for variable in ["AGENTGEN_CORPUS", "AGENTGEN_SEEDS"] {
        match std::env::var_os(variable) {
            Some(folder) => files_below(Path::new(&folder), &mut files),
            None => eprintln!("not run: {variable} is not set"),
        }
    }
    for path in files {
        let source = Source::from_bytes("agents/agent.md", std::fs::read(&path).unwrap()).unwrap();
        for bundle in bundles(&of(vec![source])) {
            assert_valid(&bundle);
        }
    }
}

#[test]
fn nothing_of_the_frontmatter_is_lost() {
    let text = "---\nzeta: 1\nname: A b\ntools: Read, Bash(git diff:*, git log:*)\nalpha: {b: [1, 2.5, null], a: yes}\n\
                description: Does it.\nmodel: sonnet\nmcp-servers: {x: {y: true}}\n---\n# One\n\ntwo three\n";
    let bundle = bundles(&one("agents/a.md", text)).remove(0);
    assert_valid(&bundle);
    let keys: Vec<&String> = bundle["frontmatter"].as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "zeta",
            "name",
            "tools",
            "alpha",
            "description",
            "model",
            "mcp-servers"
        ]
    );
    assert_eq!(
        bundle["metadata"],
        json!({ "zeta": 1, "alpha": { "b": [1, 2.5, null], "a": "yes" }, "mcp-servers": { "x": { "y": true } } })
    );
    assert_eq!(bundle["slug"], "a-b");
    assert_eq!(
        bundle["tools"][1]["arguments"],
        json!(["git diff:*", "git log:*"])
    );
    assert_eq!(
        bundle["prompt"],
        json!({
            "file": "prompt.md",
            "sha256": "4139b760dfb03be75293bfeb40fb83b8db02a16e6b08a564b5a12ece2606f0e6",
            "bytes": 17,
            "words": 4,
            "tokens": bundle["prompt"]["tokens"],
            "outline": [{ "level": 1, "line": 1, "text": "One" }],
        })
    );
}

#[test]
fn the_prompt_is_the_body_byte_for_byte() {
    let bodies = [
        "",
        "no end",
        "\n\n  blank around \n\n\n",
        "lines\r\nof\r\nwindows\r\n",
        "old\rmac\r",
        "{{ x }} {% raw %} {# c #} \u{202e} \u{feff} */ \"## `é🚀`",
        &"x".repeat(1_000_000),
    ];
    for body in bodies {
        let generation = one("agents/a.md", &format!("---\nname: a\n---\n{body}"));
        assert!(
            file(&generation, "prompts/a/prompt.md") == body.as_bytes(),
            "{:.40}",
            body
        );
    }
    let yaml = one("agents/y.yaml", "name: y\nprompt: |\n  first\n   second\n");
    assert_eq!(file(&yaml, "prompts/y/prompt.md"), b"first\n second\n");
    assert_valid(&bundles(&yaml)[0]);
}

#[test]
fn a_workflow_is_told_with_everything_its_file_says() {
    let text = r#"---
name: a
service:
  endpoints: { plan: { input: { goal: string } } }
  workflows:
    Plain One: [first: a]
    limited:
      input: { topic: string }
      roles: [keeper]
      concurrency: 2
      timeout: 10m
      schedule: { cron: 0 7 * * mon-fri, zone: Europe/Berlin, input: { topic: ducks } }
      steps:
      - parallel: [{ x: a }, { y: a }]
      - z:
          agent: a
          endpoint: plan
          join: quorum 1
          when: x.status == 'succeeded'
          with: { goal: "{{ x.output }}" }
          timeout: 1s
          retry: { attempts: 2, backoff: 250ms }
          on_failure: { fallback: a }
---
A.
"#;
    let bundle = bundles(&one("agents/a.md", text)).remove(0);
    assert_valid(&bundle);
    let [plain, limited] = bundle["workflows"].as_array().unwrap().as_slice() else {
        panic!("two workflows: {bundle}");
    };
    assert_eq!(plain["input"]["required"], json!(["input"]));
    assert_eq!(
        (&plain["name"], &plain["slug"], &plain["operation_id"]),
        (
            &json!("Plain One"),
            &json!("plain-one"),
            &json!("startPlainOne")
        )
    );
    for key in ["concurrency", "timeout_ms", "schedule"] {
        assert_eq!(plain[key], Json::Null, "{key}");
    }
    let step = json!({
        "id": "first", "agent": "a", "endpoint": "invoke", "for_each": null, "plan": null, "waits_for": null, "needs": [], "join": "all", "quorum": null, "when": null,
        "with": null, "timeout_ms": null, "attempts": null, "backoff_ms": null, "on_failure": "stop", "fallback": null,
    });
    assert_eq!(plain["steps"], json!([step]));
    assert_eq!(limited["input"]["required"], json!(["topic"]));
    assert_eq!(limited["roles"], json!(["keeper"]));
    assert_eq!(limited["concurrency"], 2);
    assert_eq!(limited["timeout_ms"], 600_000);
    let schedule = json!({
        "cron": "0 7 * * mon-fri", "zone": "Europe/Berlin", "missed": "one", "input": { "topic": "ducks" },
    });
    assert_eq!(limited["schedule"], schedule);
    let step = json!({
        "id": "z", "agent": "a", "endpoint": "plan", "for_each": null, "plan": null, "waits_for": null, "needs": ["x", "y"], "join": "quorum", "quorum": 1,
        "when": "x.status == 'succeeded'", "with": { "goal": "{{ x.output }}" }, "timeout_ms": 1_000, "attempts": 2,
        "backoff_ms": 250, "on_failure": "fallback", "fallback": "a",
    });
    assert_eq!(limited["steps"][2], step);
}

#[test]
fn a_prompt_key_beside_a_body_is_kept_and_noted_once() {
    let generation = one(
        "agents/poet.md",
        "---\nname: poet\ndescription: Writes.\nprompt: Write prose.\ncolor: red\n---\nWrite poems.\n",
    );
    assert_eq!(
        file(&generation, "prompts/poet/prompt.md"),
        b"Write poems.\n"
    );
    let bundle = &bundles(&generation)[0];
    assert_valid(bundle);
    assert_eq!(bundle["metadata"]["prompt"], "Write prose.");
    let lines: Vec<String> = generation
        .diagnostics
        .iter()
        .map(ToString::to_string)
        .collect();
    let about: Vec<&String> = lines
        .iter()
        .filter(|line| line.contains("`prompt`"))
        .collect();
    assert_eq!(
        about,
        [
            "agents/poet.md:4:1: note[AG036]: `prompt` has no effect in a Markdown file: the prompt is the text below the frontmatter \
          (move its text there, or remove the key; it is kept in the bundle)"
        ]
    );
    // In a YAML file it is the prompt.
    let generation = one(
        "agents/poet.yaml",
        "name: poet\ndescription: Writes.\nprompt: Write prose.\n",
    );
    assert_eq!(file(&generation, "prompts/poet/prompt.md"), b"Write prose.");
    assert_eq!(bundles(&generation)[0]["metadata"], json!({}));
    assert_eq!(generation.diagnostics.len(), 0);
}
