//! Workflows: what is read, and what can never work is told at its place.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use crate::contract::workflow_contract::{Join, OnFailure, Step};
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::diagnostics::{Report, Severity};
use crate::expression::Expression;
use crate::expression::parser::parse;
use crate::generate::check;
use crate::project::Project;
use crate::yaml::node::{Node, Value};
use crate::yaml::yaml_scalar::Scalar;
use proptest::prelude::*;

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

/// What is said of these workflows, the lines counted from the first of them, and the columns from its indentation.
fn said(workflows: &str) -> Vec<String> {
    let first = HEAD.lines().count();
    let generation = check(&project(workflows));
    let said = generation.diagnostics.iter().map(|diagnostic| {
        let place = diagnostic.location().unwrap();
        format!(
            "{}:{} {}; {}",
            place.line - first,
            place.column - 4,
            diagnostic.message,
            diagnostic.help.as_deref().unwrap_or_default()
        )
    });
    said.collect()
}

/// What is said of a workflow whose step `p` asks `plan` and whose step `q` is `step`.
fn said_of(step: &str) -> Vec<String> {
    let workflow = format!(
        "w:\n  input: {{ topic: string, n?: integer }}\n  steps:\n  - p: {{ agent: keys, endpoint: plan, with: {{ goal: x }} }}\n  - q: {{ agent: keys, {step} }}"
    );
    let offset = "  - q: { agent: keys, ".len();
    let said = said(&workflow);
    let said = said.iter().map(|said| {
        let (place, text) = said.split_once(' ').unwrap();
        let column: usize = place.strip_prefix("5:").unwrap().parse().unwrap();
        format!("{} {text}", column as isize - offset as isize)
    });
    said.collect()
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
fn a_join_says_what_the_failure_of_a_step_means_that_says_nothing() {
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
fn mistakes_in_the_shape_are_told() {
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
            "1:6 the setting `stps` is not known; did you mean `steps`?",
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
            "1:54 this is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`",
        ),
        (
            "w: [{ parallel: [a: keys, b: keys], join: any }, c: keys]",
            "1:37 `join` can't stand beside `parallel`; say of each step in the group what it does, and how they `join` at the step behind",
        ),
        (
            "w: [parallel: [a: keys, parallel: [b: keys, c: keys]]]",
            "1:25 `parallel` stands in `parallel`; put its steps into the outer one, and say under `needs` what waits for what",
        ),
        (
            "w: [a: { agent: keys, endpoint: plan, with: '{{ input }}' }]",
            "1:45 `with` holds text; it takes a mapping of inputs to values",
        ),
        (
            "w: [a: { agent: keys, on_failure: fallback keys }]",
            "1:35 where the step `a` fails, the same agent is asked again; name another agent, or write `on_failure: retry`",
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
            "1:35 the agent `mute` has no endpoint `invoke`; it has nod",
        ),
        (
            "w: [a: { agent: keys, endpoint: plan }]",
            "1:5 the step `a` has no `with`, and `plan` of `keys` doesn't take what the run is given; say under `with` what it is given",
        ),
    ] {
        assert_eq!(said(workflows), [expected], "{workflows}");
    }
    let cycles = "w: [a: { agent: keys, needs: [c] }, b: keys, c: { agent: keys, needs: [b] }, d: { agent: keys, needs: [e, a] }, e: keys, f: keys]";
    assert_eq!(
        said(cycles),
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
fn what_can_be_meant_is_let_through() {
    for step in [
        r#"when: "p.output.risk == 'high'""#,
        r#"when: "steps.p.output.risk != 'low' and not (p.output.score < 0.5)""#,
        r#"when: "p.status == 'succeeded' || !p.output.note""#,
        r#"when: "'b' in p.output.summary or p.output.summary contains input.topic""#,
        r#"when: "input.n > -1.5e3 && input.n <= 3""#,
        r#"when: "p.output == null or p.output.parts == null or input.topic == null""#,
        r#"when: "p.output.parts.0.name == 'x'""#,
        r#"when: "p.output.parts.0.anything.at.all == 3""#,
        r#"when: "p.output.note == 'x' or p.output.note < 'y'""#,
        "when: true",
        r#"when: "p.output.summary == 'it''s' or p.output.summary == '''' or p.output.summary == ''""#,
        r#"when: "p.output.score < 1e30 and input.n > -9007199254740991""#,
        r#"with: { input: "{{ p.output.summary }}" }"#,
        // What the condition speaks of is looked at there.
        r#"when: p.output.note, with: { input: "{{ p.output.note }}" }"#,
        r#"when: "p.output.note != null", with: { input: "{{ p.output.note }}" }"#,
        r#"with: { input: "{{ p.output }} and {{ p.output.score }}, {{ '{{ }}' }}" }"#,
        r#"endpoint: plan, with: { goal: "a", count: "{{ input.n }}", tags: ["{{ input.topic }}"] }"#,
        // A text may be a date.
        r#"endpoint: plan, with: { goal: "a", when: "{{ p.output.summary }}" }"#,
        r#"endpoint: sort, with: { by: { kind: size, n: 3 }, pair: [a, "{{ p.output.risk }}"] }"#,
    ] {
        assert_eq!(said_of(step), [""; 0], "{step}");
    }
}

#[test]
fn what_may_as_well_not_fit_is_a_warning_at_its_place() {
    let advice = "the step fails then: change one of the two schemas, or say under `when` what has to be there";
    for (step, expected) in [
        (
            r#"with: { input: "{{ p.output.note }}" }"#,
            "16 `input` takes text, and this may be missing",
        ),
        (
            r#"endpoint: plan, with: { goal: "a", count: "{{ p.output.score }}" }"#,
            "43 `count` takes a whole number, and this may have a fraction",
        ),
        (
            r#"endpoint: sort, with: { by: { kind: size, n: "{{ input.n }}" } }"#,
            "46 `by.n` takes a whole number, and this may be missing",
        ),
        (
            r#"endpoint: plan, when: "input.n > 1", with: { goal: "{{ p.output.note }}" }"#,
            "52 `goal` takes text, and this may be missing",
        ),
    ] {
        assert_eq!(said_of(step), [format!("{expected}; {advice}")], "{step}");
    }
}

#[test]
fn what_can_never_be_valid_is_told_at_its_place() {
    let (mut found, mut meant) = (Vec::new(), Vec::new());
    for (step, expected) in [
        // Conditions.
        (
            r#"when: "p.output.risk == 'hihg'""#,
            r#"8 one of "low", "high" is never the text "hihg"; did you mean "high"?"#,
        ),
        (
            r#"when: "p.output.score == 'a'""#,
            r#"8 a number is never the text "a"; compare it with a value that it can have"#,
        ),
        (
            r#"when: "input.n == 9007199254740992""#,
            "19 `9007199254740992` has more digits than are compared; compare such numbers as texts, or write about how large it is, such as `1e18`",
        ),
        (
            r#"when: "p.output.risk == 'it''s'""#,
            r#"8 one of "low", "high" is never the text "it's"; compare it with a value that it can have"#,
        ),
        (
            r#"when: "p.output.score == 2""#,
            "8 a number of at least 0 and of at most 1 is never the number 2; compare it with a value that it can have",
        ),
        (
            r#"when: "p.output.summary > 3""#,
            "8 text is never less or more than the number 3; numbers are compared with numbers, and texts with texts",
        ),
        (
            r#"when: "true and 3 in p.output.summary""#,
            "17 the number 3 never stands in text; what it stands in is a list of such values, or a text that holds a text",
        ),
        (
            r#"when: "p.output.parts contains 'x'""#,
            r#"8 the text "x" never stands in a list; what it stands in is a list of such values, or a text that holds a text"#,
        ),
        (
            r#"when: "p.status == 'done'""#,
            r#"8 one of "pending", "running", "succeeded", "failed", "skipped", "cancelled" is never the text "done"; compare it with a value that it can have"#,
        ),
        // Places.
        (
            r#"when: "p.output.rsk == 'low'""#,
            "17 there is no `rsk` in what is an object; did you mean `risk`?",
        ),
        (
            r#"when: "p.output.risk.level == 'low'""#,
            r#"22 there is no `level` in what is one of "low", "high"; take the value itself"#,
        ),
        (
            r#"when: "input.topics == 'low'""#,
            "14 there is no `topics` in what is an object; did you mean `topic`?",
        ),
        (
            r#"when: "p.result""#,
            "10 a step has no `result`; write `p.output` or `p.status`",
        ),
        (
            r#"when: "p.status.code""#,
            "17 a status has no members; write `p.output` or `p.status`",
        ),
        (
            r#"when: "p""#,
            "8 `p` is a step, not a value; write `p.output` or `p.status`",
        ),
        (
            r#"when: "steps""#,
            "8 `steps` alone is no value; write `steps.NAME.output` or `steps.NAME.status`",
        ),
        (
            r#"when: "p.output.risk == high""#,
            "25 there is no step `high` in this workflow; put it in quotes if it is text",
        ),
        (
            r#"when: "q.output == 'a'""#,
            "8 the step `q` speaks of itself; add `needs: [q]` to a step before it or to `q`",
        ),
        (
            r#"needs: [], when: "p.output""#,
            "19 the step `p` may not be over yet; add `needs: [p]` to a step before it or to `q`",
        ),
        // Inputs.
        (
            r#"with: { input: "{{ p.output.score }}" }"#,
            "16 `input` takes text, and this is a number; change the value, or the schema of one of the two",
        ),
        (
            r#"with: { input: 3 }"#,
            "16 `input` takes text, and this is the number 3; change the value, or the schema of one of the two",
        ),
        (
            r#"with: { input: "" }"#,
            r#"16 `input` takes text of at least 1 characters and of at most 100000 characters, and this is the text ""; change the value, or the schema of one of the two"#,
        ),
        (
            r#"with: { inptu: "x", input: "y" }"#,
            "9 there is no input `inptu`; did you mean `input`?",
        ),
        (
            r#"with: { session_id: "x" }"#,
            "7 `input` is missing; it takes text",
        ),
        (
            r#"endpoint: plan, with: { goal: x, count: "{{ input.topic }}" }"#,
            "41 `count` takes a whole number, and this is text; change the value, or the schema of one of the two",
        ),
        (
            r#"endpoint: plan, with: { goal: x, count: 1.5 }"#,
            "41 `count` takes a whole number, and this is the number 1.5; change the value, or the schema of one of the two",
        ),
        (
            r#"endpoint: plan, with: { goal: x, when: "2026-02-30" }"#,
            r#"40 `when` takes a date, and this is the text "2026-02-30"; change the value, or the schema of one of the two"#,
        ),
        (
            r#"endpoint: plan, with: { goal: x, tags: ["a", "{{ input.n }}"] }"#,
            "46 `tags.1` takes text, and this is a whole number; change the value, or the schema of one of the two",
        ),
        (
            r#"endpoint: plan, with: { goal: [x] }"#,
            "31 `goal` takes text, and this is a list of 1 item; change the value, or the schema of one of the two",
        ),
        (
            r#"endpoint: plan, with: { goal: { x: y } }"#,
            "31 `goal` takes text, and this is an object; change the value, or the schema of one of the two",
        ),
        (
            r#"endpoint: sort, with: { by: { kind: size, n: "{{ input.topic }}" } }"#,
            "46 `by.n` takes a whole number, and this is text; change the value, or the schema of one of the two",
        ),
        (
            r#"endpoint: sort, with: { by: { kind: size } }"#,
            "29 `by.n` is missing; it takes a whole number",
        ),
        (
            r#"endpoint: sort, with: { by: { kind: name }, top: "{{ p.output.score }}" }"#,
            "50 `top` takes a whole number of at least 2, and this is a number of at least 0 and of at most 1; change the value, or the schema of one of the two",
        ),
        (
            r#"endpoint: sort, with: { by: { kind: name }, pair: [a] }"#,
            "51 `pair` takes a list of at least 2 items and of at most 2 items, and this is a list of 1 item; change the value, or the schema of one of the two",
        ),
        // No form of `by` is a plan, which is closed and has no `kind`.
        (
            r#"endpoint: sort, with: { by: "{{ p.output }}" }"#,
            "29 `by` takes an object with a `kind`, and this is an object; change the value, or the schema of one of the two",
        ),
        // What is no expression.
        (
            r#"when: "p.output.risk = 'low'""#,
            "22 `=` has no meaning here; write `==`",
        ),
        (
            r#"when: "{{ p.output }}""#,
            "8 `{` has no meaning here; write the expression without braces",
        ),
        (
            r#"when: "p.output and""#,
            "20 the end stands where a value is expected; values are `input.member`, `step.output`, `step.status`, texts in quotes, numbers, true, false and null",
        ),
        (
            r#"when: "p.output p.status""#,
            "17 `p.status` stands where `and` is expected; join two conditions with `and` or `or`",
        ),
        (
            r#"when: "(p.output""#,
            "17 the end stands where `)` is expected; close the parenthesis",
        ),
        (
            r#"when: "1 < input.n < 3""#,
            "20 two comparisons stand in a row; join them with `and`",
        ),
        (
            r#"when: "p.output.risk == 'low""#,
            "25 the text has no end; close it with '",
        ),
        (
            r#"when: "p..risk""#,
            "9 a dot without a name behind it; write `step.output.member`",
        ),
        (
            r#"when: "input.n == 01""#,
            "19 `01` is no number; put text in quotes",
        ),
        (
            r#"with: { input: "Say {{ p.output.risk" }"#,
            "37 the end stands where `}}` is expected; close the hole with `}}`",
        ),
    ] {
        found.push((step, said_of(step).join("\n")));
        meant.push((step, expected.to_owned()));
    }
    let wrong: Vec<_> = found.iter().filter(|case| !meant.contains(case)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn places_inside_of_texts_are_exact_in_every_style_of_yaml() {
    for (text, place) in [
        ("p.output.zap", "5:32"),
        ("\"p.output.zap\"", "5:33"),
        ("'p.output.zap'", "5:33"),
        ("'''its'' == p.output.zap'", "5:44"),
        ("\"\\\"it\\\" == p.output.zap\"", "5:43"),
        ("\"\\u0022it\\x22 == p.output.zap\"", "5:49"),
        ("'\"ü\" == p.output.zap'", "5:40"),
        (">-\n      true and\n      p.output.zap", "7:16"),
        ("|\n      true and\n\n        p.output.zap", "8:18"),
        ("\"true and  \n      p.output.zap\"", "6:16"),
        ("true and\n      p.output.zap", "6:16"),
    ] {
        let workflow = format!(
            "w:\n- p: {{ agent: keys, endpoint: plan, with: {{ goal: x }} }}\n- q:\n    agent: keys\n    when:             {text}"
        );
        let said = said(&workflow);
        assert_eq!(said.len(), 1, "{text}: {said:?}");
        assert!(
            said[0].starts_with(&format!("{place} there is no `zap`")),
            "{text}: {said:?}"
        );
    }
}

#[test]
fn an_output_that_may_be_missing_may_be_null() {
    let check = |step: &str| {
        said(&format!(
            "w:\n- p: {{ agent: keys, endpoint: plan, with: {{ goal: x }}, {step} }}\n- q: {{ agent: keys, when: \"p.output.risk == 'low' and p.output.score == 'a'\" }}"
        ))
    };
    // That it may be null as well makes a text no number.
    for step in [
        "when: input.input == 'x'",
        "on_failure: skip",
        "on_failure: stop",
    ] {
        assert_eq!(check(step).len(), 1, "{step}");
    }
    // Only of what may be missing itself.
    let check = |first: &str, last: &str| {
        said(&format!(
            "w:\n- p: {{ agent: keys, {first} }}\n- o: {{ agent: keys, when: input.input }}\n- q: {{ agent: keys, endpoint: plan, {last}, with: {{ goal: x, maybe: \"{{{{ p.output }}}}\" }} }}"
        ))
    };
    assert_eq!(check("on_failure: stop", "needs: [o]").len(), 1);
    assert_eq!(check("on_failure: skip", "needs: [o]"), [""; 0]);
    assert_eq!(check("when: input.input", "needs: [o]"), [""; 0]);
    assert_eq!(
        check("on_failure: stop", "needs: [o, p], join: any"),
        [""; 0]
    );
    // What a fallback says is text.
    let said = said(
        "w:\n- p: { agent: keys, endpoint: plan, with: { goal: x }, on_failure: fallback keys }\n- q: { agent: keys, with: { input: \"{{ p.output }}\" } }",
    );
    assert_eq!(said, [""; 0]);
}

fn expression(text: &str) -> Option<Expression> {
    let source = Arc::new(Source::new("a.yaml", text.to_owned()));
    let node = Node {
        value: Value::String(text.to_owned()),
        span: Span::new(0, text.len()),
    };
    let scalar = Scalar::new(&node, &source)?;
    let mut report = Report::new(&source);
    let read = parse(&scalar, &mut report);
    let said = report.into_diagnostics();
    assert_eq!(said.len(), usize::from(read.is_none()), "{text}: {said:?}");
    for diagnostic in said {
        let span = diagnostic.span.unwrap();
        assert!(span.end <= text.len() && text.is_char_boundary(span.start));
    }
    read
}

#[test]
fn expressions_are_not_nested_without_end() {
    let nested = |depth: usize| format!("{}true{}", "(".repeat(depth), ")".repeat(depth));
    assert!(expression(&nested(32)).is_some());
    assert!(expression(&nested(33)).is_none());
    assert!(expression(&nested(100_000)).is_none());
    assert!(expression(&format!("{}true", "!".repeat(100_000))).is_none());
    assert!(expression(&format!("{}true", "not ".repeat(100_000))).is_none());
    assert!(expression(&vec!["true"; 10_000].join(" and ")).is_some());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[a-z.'\"(){}<>=!&| 0-9ü\\-]{0,40}") {
        expression(&text);
    }

    #[test]
    fn any_words_are_read_or_refused(
        words in proptest::collection::vec(
            prop_oneof![
                Just("p.output"), Just("input.a"), Just("=="), Just("<"), Just("in"), Just("contains"),
                Just("and"), Just("or"), Just("not"), Just("!"), Just("("), Just(")"), Just("'x'"),
                Just("1"), Just("null"), Just("true"), Just("}}"),
            ],
            0..12,
        )
    ) {
        expression(&words.join(" "));
    }
}

/// What is said of a step of the agent `a` that is `step`, where the `invoke` of `b` takes `input`; the columns are counted
/// from the step.
fn said_of_fallback(input: &str, step: &str) -> Vec<String> {
    let a = format!(
        "---\nname: a\ndescription: A.\nservice:\n  endpoints: {{ plan: {{ input: {{ goal: string }}, output: {{ n: integer }} }} }}\n  workflows:\n    w:\n      input: {{ goal: string }}\n      steps:\n      - s: {step}\n---\nA.\n"
    );
    let b = format!(
        "---\nname: b\ndescription: B.\nservice:\n  endpoints:\n    invoke:\n      path: /b\n      input: {input}\n---\nB.\n"
    );
    let source = |(path, text): (&str, String)| Source::from_bytes(path, text.into()).unwrap();
    let generation = check(&Project {
        sources: [("agents/a.md", a), ("agents/b.md", b)].map(source).into(),
        ..Project::default()
    });
    // What is open in the schema of `b` is noted there.
    let errors = generation
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error);
    let said = errors.map(|diagnostic| {
        let place = diagnostic.location().unwrap();
        let place_of = (diagnostic.path.as_str(), place.line);
        assert_eq!(place_of, ("agents/a.md", 10), "{diagnostic:?}");
        format!("{} {}", place.column as isize - 12, diagnostic.message)
    });
    said.collect()
}

#[test]
fn what_a_fallback_can_never_be_asked_is_told_at_its_name() {
    let plan = "{ agent: a, endpoint: plan, on_failure: { fallback: b } }";
    let tone = r#"{ agent: a, with: { input: "{{ input.goal }}" }, on_failure: { fallback: b } }"#;
    let fixed = r#"{ agent: a, with: { input: loud }, on_failure: { fallback: b } }"#;
    // What fits: one text, whatever else may be said.
    for input in [
        "{ input: string, tone?: string }",
        "{ type: object }",
        "{ input: any }",
        r#"{ type: object, required: [input], properties: { input: { enum: [loud, low] } } }"#,
    ] {
        for step in [plan, tone, fixed] {
            assert_eq!(said_of_fallback(input, step), [""; 0], "{input} {step}");
        }
    }
    let asked = "where the step `s` fails, `b` is asked with";
    for (input, step, column, what) in [
        (
            "{ input: integer }",
            plan,
            52,
            "text as its `input`, and its `invoke` takes a whole number",
        ),
        (
            "{ input: string, tone: string }",
            tone,
            73,
            "one text as its `input`, and its `invoke` takes `tone` too: text",
        ),
        (
            "{ goal: string }",
            plan,
            52,
            "text as its `input`, and its `invoke` takes none",
        ),
        (
            r#"{ type: object, required: [input], properties: { input: { enum: [high, low] } } }"#,
            fixed,
            59,
            r#"the text "loud" as its `input`, and its `invoke` takes one of "high", "low""#,
        ),
    ] {
        assert_eq!(
            said_of_fallback(input, step),
            [format!("{column} {asked} {what}")]
        );
    }
}

#[test]
fn a_step_without_with_is_given_what_the_run_is_given() {
    // `plan` takes what a run is given, as it is.
    assert_eq!(
        said_of_fallback("{ input: string }", "{ agent: a, endpoint: plan }"),
        [""; 0]
    );
    let workflow =
        "w:\n  input: { topic: string }\n  steps:\n  - p: { agent: keys, endpoint: plan }";
    assert_eq!(
        said(workflow),
        [
            "4:5 the step `p` has no `with`, and `plan` of `keys` doesn't take what the run is given; say under `with` what it is given"
        ]
    );
}

#[test]
fn two_steps_never_become_one_field() {
    assert_eq!(
        said("w: [\"a b\": keys, a-b: keys]"),
        ["1:18 the steps `a b` and `a-b` are both the field `a_b` in Rust; rename one of them"]
    );
    assert_eq!(
        said("w: [type: keys, type_: keys]"),
        [
            "1:17 the steps `type` and `type_` are both the field `type_` in Rust; rename one of them"
        ]
    );
    assert_eq!(said("w: [计划: keys, 步骤: keys, step: keys]"), [""; 0]);
}
