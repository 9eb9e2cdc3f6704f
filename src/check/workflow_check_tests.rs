//! Workflows: what is read, and mistakes in their shape.

#![allow(clippy::unwrap_used)]

use crate::contract::workflow_contract::{Join, OnFailure, Step};
use crate::diagnostics::source::Source;
use crate::generate::check;
use crate::project::Project;

/// An agent with an endpoint that takes and gives something, a path, and an agent without `invoke`.
const HEAD: &str = r##"---
name: keys
description: Keeps keys.
service:
  endpoints:
    plan:
      input:
        type: object
        required: [goal]
        properties:
          goal: { type: string }
          count: { type: integer }
          tags: { type: array, items: { type: string } }
          when: { type: string, format: date }
          maybe: { type: [integer, "null"] }
      output:
        type: object
        additionalProperties: false
        required: [risk, score, summary, parts]
        properties:
          risk: { enum: [low, high] }
          score: { type: number, minimum: 0, maximum: 1 }
          summary: { type: string, maxLength: 80 }
          parts: { type: array, minItems: 1, items: { $ref: "#/$defs/part" } }
          note: { type: [string, "null"] }
        $defs:
          part: { type: object, required: [name], properties: { name: { type: string } } }
    sort:
      input:
        type: object
        required: [by]
        properties:
          by: { oneOf: [{ type: object, required: [kind, n], properties: { kind: { const: size }, n: { type: integer } } }, { type: object, required: [kind], properties: { kind: { const: name } } }] }
          top: { type: integer, minimum: 2 }
          pair: { type: array, minItems: 2, maxItems: 2, items: { type: string } }
      output: { type: array, items: { type: integer } }
  workflows:
"##;

const MUTE: &str = "---\nname: mute\ndescription: Says nothing.\nservice:\n  invoke: false\n  endpoints: { nod: {} }\n---\nNod.\n";

fn project(workflows: &str) -> Project {
    let mut keys = HEAD.to_owned();
    for line in workflows.trim_matches('\n').lines() {
        keys.push_str(&format!("    {line}\n"));
    }
    keys.push_str("---\nDo what is asked.\n");
    let source = |path: &str, text: String| Source::from_bytes(path, text.into_bytes()).unwrap();
    Project {
        sources: vec![
            source("agents/keys.md", keys),
            source("agents/mute.md", MUTE.to_owned()),
        ],
        ..Project::default()
    }
}

/// The diagnostics of these workflows, with lines counted from the first of them, and the columns from its indentation.
pub(super) fn diagnostics(workflows: &str) -> Vec<String> {
    let first = HEAD.lines().count();
    let generation = check(&project(workflows));
    let found = generation.diagnostics.iter().map(|diagnostic| {
        let place = diagnostic.location().unwrap();
        format!(
            "{}:{} {}; {}",
            place.line - first,
            place.column - 4,
            diagnostic.message,
            diagnostic.help.as_deref().unwrap_or_default()
        )
    });
    found.collect()
}

/// The diagnostics of a workflow whose step `p` calls `plan` and whose step `q` is `step`.
pub(super) fn step_diagnostics(step: &str) -> Vec<String> {
    let workflow = format!(
        "w:\n  input: {{ topic: string, n?: integer }}\n  steps:\n  - p: {{ agent: keys, endpoint: plan, with: {{ goal: x }} }}\n  - q: {{ agent: keys, {step} }}"
    );
    let offset = "  - q: { agent: keys, ".len();
    let found = diagnostics(&workflow);
    let found = found.iter().map(|line| {
        let (place, text) = line.split_once(' ').unwrap();
        let column: usize = place.strip_prefix("5:").unwrap().parse().unwrap();
        format!("{} {text}", column as isize - offset as isize)
    });
    found.collect()
}

fn steps(workflows: &str) -> Vec<Step> {
    let generation = check(&project(workflows));
    assert!(
        generation.diagnostics.is_empty(),
        "{:?}",
        generation.diagnostics
    );
    generation.agents[0].service.workflows[0].steps.clone()
}

#[test]
fn a_workflow_is_a_list_of_steps_or_a_mapping_with_limits() {
    let generation = check(&project(
        r#"
Plain List: [p: keys]
limited:
  input: { topic: string }
  roles: [user, admin]
  concurrency: 2
  timeout: 10m
  steps:
  - p: { agent: keys, with: { input: "{{ input.topic }}" } }
"#,
    ));
    assert!(
        generation.diagnostics.is_empty(),
        "{:?}",
        generation.diagnostics
    );
    let [plain, limited] = generation.agents[0].service.workflows.as_slice() else {
        panic!("two workflows");
    };
    assert_eq!(plain.slug.as_str(), "plain-list");
    assert_eq!(plain.operation_id(), "startPlainList");
    assert_eq!(plain.input.json["required"], serde_json::json!(["input"]));
    assert_eq!(
        plain.input.json["properties"]["input"]["maxLength"],
        100_000
    );
    assert_eq!(limited.input.json["required"], serde_json::json!(["topic"]));
    assert_eq!(limited.roles, ["user", "admin"]);
    assert_eq!(limited.concurrency, Some(2));
    assert_eq!(limited.timeout_ms, Some(600_000));
}

#[test]
fn steps_join_and_are_tried_again() {
    let steps = steps(
        r#"
w:
- parallel: [{ a: keys }, { b: { agent: keys, retry: 4 } }, { c: { agent: keys, on_failure: retry } }]
- d: { agent: keys, join: quorum 2, retry: { attempts: 2, backoff: 1s } }
- e: { agent: keys, needs: [a, b], join: { quorum: 1 }, on_failure: retry, retry: { backoff: 2s } }
- f: { agent: keys, join: any }
"#,
    );
    let read: Vec<(&str, Join, u32, u64)> = steps
        .iter()
        .map(|step| {
            (
                step.id.as_str(),
                step.join,
                step.attempts(),
                step.backoff_ms(),
            )
        })
        .collect();
    assert_eq!(
        read,
        [
            ("a", Join::All, 1, 500),
            ("b", Join::All, 4, 500),
            ("c", Join::All, 3, 500),
            ("d", Join::Quorum(2), 2, 1_000),
            ("e", Join::Quorum(1), 3, 2_000),
            ("f", Join::Any, 1, 500),
        ]
    );
}

#[test]
fn a_join_decides_on_failure_of_steps_that_do_not() {
    let steps = steps(
        r#"
w:
- parallel: [{ a: keys }, { b: { agent: keys, on_failure: stop } }, { c: { agent: keys, on_failure: retry } }]
- d: { agent: keys, join: any }
- e: { agent: keys, needs: [d], join: any }
- f: { agent: keys, needs: [d] }
- g: { agent: keys, needs: [e] }
"#,
    );
    let read: Vec<&OnFailure> = steps.iter().map(|step| &step.on_failure).collect();
    use OnFailure::{Join, Retry, Stop};
    assert_eq!(read, [&Join, &Stop, &Retry, &Stop, &Stop, &Stop, &Stop]);
}

#[test]
fn mistakes_in_the_shape_are_reported() {
    for (workflows, expected) in [
        (
            "w: { steps: [] }",
            "1:13 the workflow `w` has no steps; it takes a list of steps: `- plan: architect`",
        ),
        (
            "w: { timeout: 1m }",
            "1:4 the workflow `w` has no steps; it takes a list of steps: `- plan: architect`",
        ),
        (
            "w: { stps: [], steps: [p: keys] }",
            "1:6 there is no setting `stps`; did you mean `steps`?",
        ),
        (
            "w: { input: string, steps: [p: keys] }",
            "1:13 the input is text, and a request is an object; make it a property of an object",
        ),
        (
            "w: [a: keys, b: { agent: keys, join: quorum 2 }]",
            "1:38 the step `b` waits for 2 of the steps it needs, which are 1; name more of them under `needs`, or wait for fewer",
        ),
        (
            "w: [b: { agent: keys, join: any }]",
            "1:29 the step `b` waits for 1 of the steps it needs, which are 0; name more of them under `needs`, or wait for fewer",
        ),
        (
            "w: [a: keys, b: { agent: keys, join: most }]",
            "1:38 this is not a value of `join`; write `all`, `any` or `quorum N`, where N is a whole number above zero",
        ),
        (
            "w: [a: { agent: keys, retry: { attempts: 2, backoff: 1 } }]",
            "1:54 `backoff` is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`",
        ),
        (
            "w: [{ parallel: [a: keys, b: keys], join: any }, c: keys]",
            "1:37 `join` can't be used with `parallel`; say of each step in the group what it does, and how they `join` at the step behind",
        ),
        (
            "w: [parallel: [a: keys, parallel: [b: keys, c: keys]]]",
            "1:25 `parallel` is nested in `parallel`; put its steps into the outer one, and say under `needs` what waits for what",
        ),
        (
            "w: [a: { agent: keys, endpoint: plan, with: '{{ input }}' }]",
            "1:45 `with` is text; it takes a mapping of inputs to values",
        ),
        (
            "w: [a: { agent: keys, on_failure: fallback keys }]",
            "1:44 where the step `a` fails, the same agent is called again; name another agent, or write `on_failure: retry`",
        ),
        (
            "w: [a: { agent: keys, endpoint: plam }]",
            "1:33 the agent `keys` has no endpoint `plam`; did you mean `plan`?",
        ),
        (
            "w: [a: mute]",
            "1:8 the agent `mute` has no endpoint `invoke`; it has nod",
        ),
        (
            "w: [a: { agent: keys, on_failure: fallback mute }]",
            "1:44 the agent `mute` has no endpoint `invoke`; it has nod",
        ),
        (
            "w: [a: { agent: keys, endpoint: plan }]",
            "1:5 the step `a` has no `with`, and `plan` of `keys` doesn't take what the run is given; say under `with` what it is given",
        ),
    ] {
        assert_eq!(diagnostics(workflows), [expected], "{workflows}");
    }
    let cycles = "w: [a: { agent: keys, needs: [c] }, b: keys, c: { agent: keys, needs: [b] }, d: { agent: keys, needs: [e, a] }, e: keys, f: keys]";
    assert_eq!(
        diagnostics(cycles),
        [
            "1:31 the steps a, b, c wait for each other; take out one of their `needs`",
            "1:104 the steps d, e wait for each other; take out one of their `needs`",
        ]
    );
    let first =
        "---\nname: a\ndescription: A.\nservice: { workflows: { Up Down: [a: a] } }\n---\nA.\n";
    let second =
        "---\nname: b\ndescription: B.\nservice: { workflows: { up-down: [b: b] } }\n---\nB.\n";
    let sources = [("agents/a.md", first), ("agents/b.md", second)];
    let project = Project {
        sources: sources
            .map(|(path, text)| Source::from_bytes(path, text.as_bytes().to_vec()).unwrap())
            .to_vec(),
        ..Project::default()
    };
    let generation = check(&project);
    let messages: Vec<&str> = generation
        .diagnostics
        .iter()
        .map(|d| d.message.as_str())
        .collect();
    assert_eq!(messages, ["`up-down` is the name of a workflow of `a` too"]);
}

#[test]
fn two_steps_never_become_one_field() {
    assert_eq!(
        diagnostics("w: [\"a b\": keys, a-b: keys]"),
        ["1:18 the steps `a b` and `a-b` are both the field `a_b` in Rust; rename one of them"]
    );
    assert_eq!(
        diagnostics("w: [type: keys, type_: keys]"),
        [
            "1:17 the steps `type` and `type_` are both the field `type_` in Rust; rename one of them"
        ]
    );
    assert_eq!(
        diagnostics("w: [计划: keys, 步骤: keys, step: keys]"),
        [""; 0]
    );
}
