//! Mistakes in contracts: each is told once, at its place, with what to do.

use std::sync::Arc;

use agentgen_build::{Diagnostic, Project, Severity, Source, check};

/// What is said of a project with these files, each as `severity place code message; help`.
fn said_of(files: &[(&str, &str)]) -> Vec<String> {
    let mut sources: Vec<Arc<Source>> = files
        .iter()
        .map(|(path, text)| Source::from_bytes(path, text.as_bytes().to_vec()).unwrap())
        .collect();
    sources.sort_by(|a, b| a.path().cmp(b.path()));
    let project = Project {
        sources,
        ..Project::default()
    };
    let said = |diagnostic: &Diagnostic| {
        let place = diagnostic.location().map_or(String::new(), |location| {
            format!("{}:{}", location.line, location.column)
        });
        let severity = match diagnostic.severity {
            Severity::Error => "",
            other => &format!("{} ", other.as_str()),
        };
        format!(
            "{severity}{}:{place} {} {}; {}",
            diagnostic.path.trim_start_matches("agents/"),
            diagnostic.code,
            diagnostic.message,
            diagnostic.help.as_deref().unwrap_or_default()
        )
    };
    check(&project).diagnostics.iter().map(said).collect()
}

/// A spec with this service block, whose first line is line 5 of the file and stands in column 3.
fn spec(name: &str, block: &str) -> String {
    let mut text = format!("---\nname: {name}\ndescription: Keeps {name}.\nservice:\n");
    for line in block.lines() {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str("---\nDo what is asked.\n");
    text
}

fn assert_said(cases: &[(&str, &[&str])]) {
    for (block, expected) in cases {
        let said = said_of(&[("agents/keys.md", &spec("keys", block))]);
        let said: Vec<&str> = said
            .iter()
            .map(|line| line.trim_start_matches("keys.md:"))
            .collect();
        assert_eq!(said, *expected, "\n{block}");
    }
}

#[test]
fn unknown_keys_are_errors() {
    assert_said(&[
        (
            "endpoint: {}",
            &["5:3 AG026 the setting `endpoint` is not known; did you mean `endpoints`?"],
        ),
        (
            "color: red",
            &[
                "5:3 AG026 the setting `color` is not known; known here are endpoints, invoke, model, fallbacks, retry, breaker, timeout, budget, rate, session, agents, workflows, documents",
            ],
        ),
        (
            r#"endpoints:
  chat: { pth: /a }"#,
            &["6:13 AG026 the setting `pth` is not known; did you mean `path`?"],
        ),
        (
            r#"endpoints:
  chat: { inputs: { a: string }, respnse: 1 }"#,
            &[
                "6:13 AG026 the setting `inputs` is not known; did you mean `input`?",
                "6:36 AG026 the setting `respnse` is not known; known here are path, method, description, input, output, stream, roles, rate, timeout, handler, retrieve",
            ],
        ),
        (
            "retry: { atempts: 2 }",
            &["5:12 AG026 the setting `atempts` is not known; did you mean `attempts`?"],
        ),
        (
            "breaker: { cooldwn: 5s }",
            &["5:14 AG026 the setting `cooldwn` is not known; did you mean `cooldown`?"],
        ),
        (
            "budget: { token: 5 }",
            &["5:13 AG026 the setting `token` is not known; did you mean `tokens`?"],
        ),
        (
            "session: { tll: 7d }",
            &["5:14 AG026 the setting `tll` is not known; did you mean `ttl`?"],
        ),
        (
            r#"workflows:
  w:
  - a: { agnt: keys }"#,
            &["7:12 AG026 the setting `agnt` is not known; did you mean `agent`?"],
        ),
    ]);
}

#[test]
fn methods_and_handlers() {
    assert_said(&[
        (
            r#"endpoints:
  a: { method: gett }"#,
            &["6:18 AG042 `gett` is not an HTTP method of endpoints; did you mean `get`?"],
        ),
        (
            r#"endpoints:
  a: { method: trace }"#,
            &[
                "6:18 AG042 `trace` is not an HTTP method of endpoints; it takes `get`, `post`, `put`, `patch` or `delete`",
            ],
        ),
        (
            r#"endpoints:
  a: { method: 5 }"#,
            &["6:18 AG045 this is a number; it takes text"],
        ),
        (
            r#"endpoints:
  a: { handler: cod }"#,
            &["6:19 AG042 there is no handler `cod`; did you mean `code`?"],
        ),
        (
            r#"endpoints:
  a: { handler: robot }"#,
            &[
                "6:19 AG042 there is no handler `robot`; it takes `model`, `code`, `search` or `embed`",
            ],
        ),
        (
            r#"endpoints:
  a: 5"#,
            &[
                "6:8 AG045 this is a number; it takes a mapping with path, method, description, input, output, stream, roles, rate, timeout, handler, retrieve",
            ],
        ),
        (
            r#"endpoints:
  "🚀": {}"#,
            &[
                "6:5 AG042 an endpoint can't be named like that; start with a letter; use letters, digits, `-` and `_`",
            ],
        ),
        (
            "endpoints: [chat]",
            &["5:14 AG045 `endpoints` holds a list; it takes a mapping of names to endpoints"],
        ),
        (
            "yes",
            &[
                "warning keys.md:5:3 AG025 `service` holds text; it takes a mapping; the value is kept as it is",
                "5:3 AG045 this is text; it takes a mapping with endpoints, invoke, model, fallbacks, retry, breaker, timeout, budget, rate, session, agents, workflows, documents",
            ],
        ),
    ]);
}

#[test]
fn paths() {
    assert_said(&[
        (
            r#"endpoints:
  a: { path: chat }"#,
            &["6:16 AG042 the path `chat` does not start with `/`; write `/chat`"],
        ),
        (
            r#"endpoints:
  a: { path: / }"#,
            &[
                "6:16 AG042 the path `/` has an empty segment; write the segments with one `/` in front of each",
            ],
        ),
        (
            r#"endpoints:
  a: { path: /a/ }"#,
            &[
                "6:16 AG042 the path `/a/` has an empty segment; write the segments with one `/` in front of each",
            ],
        ),
        (
            r#"endpoints:
  a: { path: /a//b }"#,
            &[
                "6:16 AG042 the path `/a//b` has an empty segment; write the segments with one `/` in front of each",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/a b" }"#,
            &[
                "6:16 AG042 the segment `a b` can't stand in a path; use letters, digits, `-`, `.`, `_`, `~`, or a parameter as in `/items/{id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/a/{}" }"#,
            &[
                "6:16 AG042 the segment `{}` can't stand in a path; use letters, digits, `-`, `.`, `_`, `~`, or a parameter as in `/items/{id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/a/{b}c" }"#,
            &[
                "6:16 AG042 the segment `{b}c` can't stand in a path; use letters, digits, `-`, `.`, `_`, `~`, or a parameter as in `/items/{id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/a/{b c}" }"#,
            &[
                "6:16 AG042 the segment `{b c}` can't stand in a path; use letters, digits, `-`, `.`, `_`, `~`, or a parameter as in `/items/{id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/{a}/{a}" }"#,
            &["6:16 AG042 the parameter `a` stands twice in the path; give each a name of its own"],
        ),
        (
            r#"endpoints:
  a: { path: /a/../b }"#,
            &[
                "6:16 AG042 the segment `..` can't stand in a path; use letters, digits, `-`, `.`, `_`, `~`, or a parameter as in `/items/{id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: /./b }"#,
            &[
                "6:16 AG042 the segment `.` can't stand in a path; use letters, digits, `-`, `.`, `_`, `~`, or a parameter as in `/items/{id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: /ä }"#,
            &[
                "6:16 AG042 the segment `ä` can't stand in a path; use letters, digits, `-`, `.`, `_`, `~`, or a parameter as in `/items/{id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/a?b=c" }"#,
            &[
                "6:16 AG042 the segment `a?b=c` can't stand in a path; use letters, digits, `-`, `.`, `_`, `~`, or a parameter as in `/items/{id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/a#b" }"#,
            &[
                "6:16 AG042 the segment `a#b` can't stand in a path; use letters, digits, `-`, `.`, `_`, `~`, or a parameter as in `/items/{id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: /a%20b }"#,
            &[
                "6:16 AG042 the segment `a%20b` can't stand in a path; use letters, digits, `-`, `.`, `_`, `~`, or a parameter as in `/items/{id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/*rest" }"#,
            &[
                "6:16 AG042 the segment `*rest` can't stand in a path; use letters, digits, `-`, `.`, `_`, `~`, or a parameter as in `/items/{id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: 5 }"#,
            &["6:16 AG045 this is a number; it takes text"],
        ),
    ]);
}

#[test]
fn paths_of_the_service() {
    assert_said(&[
        (
            r#"endpoints:
  a: { path: /healthz, input: { id?: string } }"#,
            &["6:16 AG042 the service itself answers `/healthz`; choose another path"],
        ),
        (
            r#"endpoints:
  a: { path: /openapi.json, input: { id?: string } }"#,
            &["6:16 AG042 the service itself answers `/openapi.json`; choose another path"],
        ),
        (
            r#"endpoints:
  a: { path: /v1/agents, input: { id?: string } }"#,
            &["6:16 AG042 the service itself answers `/v1/agents`; choose another path"],
        ),
        (
            r#"endpoints:
  a: { path: /v1/agents/keys/other, input: { id?: string } }"#,
            &["6:16 AG042 the service itself answers `/v1/agents/keys/other`; choose another path"],
        ),
        (
            r#"endpoints:
  a: { path: /v1/sessions/x, input: { id?: string } }"#,
            &["6:16 AG042 the service itself answers `/v1/sessions/x`; choose another path"],
        ),
        (
            r#"endpoints:
  a: { path: /docs, input: { id?: string } }"#,
            &["6:16 AG042 the service itself answers `/docs`; choose another path"],
        ),
        (
            r#"endpoints:
  a: { path: /docs/a, input: { id?: string } }"#,
            &["6:16 AG042 the service itself answers `/docs/a`; choose another path"],
        ),
        (
            r#"endpoints:
  a: { path: /metrics, input: { id?: string } }"#,
            &["6:16 AG042 the service itself answers `/metrics`; choose another path"],
        ),
        (
            r#"endpoints:
  a: { path: /auth/login, input: { id?: string } }"#,
            &["6:16 AG042 the service itself answers `/auth/login`; choose another path"],
        ),
    ]);
}

#[test]
fn parameters() {
    assert_said(&[
        (
            r#"endpoints:
  a: { path: "/p/{id}", input: { name: string } }"#,
            &[
                "6:5 AG042 the input has no property for the path's `{id}`; add `id` to the endpoint's `input`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/p/{id}" }"#,
            &[
                "6:5 AG042 the input has no property for the path's `{id}`; add `id` to the endpoint's `input`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/p/{id}", input: { id?: string } }"#,
            &[
                "6:36 AG042 `id` stands in the path and is optional; a part of the path is always there: make the property required",
            ],
        ),
        (
            r#"endpoints:
  a:
    path: "/p/{id}"
    input:
      "id(array)": string"#,
            &[
                "9:9 AG042 `id` can't stand in the path; there is room for texts, numbers, truth values and, in the query, lists of them",
            ],
        ),
        (
            r#"endpoints:
  a:
    method: get
    input:
      type: object
      properties:
        deep: { type: object, properties: { a: { type: string } } }
        many: { type: array, items: { type: array, items: { type: string } } }
        fine: { type: array, items: { type: integer } }"#,
            &[
                "11:11 AG042 `deep` can't stand in the query; there is room for texts, numbers, truth values and, in the query, lists of them",
                "12:11 AG042 `many` can't stand in the query; there is room for texts, numbers, truth values and, in the query, lists of them",
            ],
        ),
        (
            r#"endpoints:
  a:
    method: delete
    input: { type: object, additionalProperties: { type: string } }"#,
            &[
                "8:14 AG042 this input can't stand in the query of a DELETE request; make it an object with named properties, or take another method",
            ],
        ),
    ]);
}

#[test]
fn routes_meet() {
    assert_said(&[
        (
            r#"endpoints:
  a: { path: /x }
  b: { path: /x }"#,
            &["7:5 AG043 POST /x is the route of `a` of `keys` too; give one of them another path"],
        ),
        (
            r#"endpoints:
  a: { path: /x }
  b: { path: /x, method: get }"#,
            &[],
        ),
        (
            r#"endpoints:
  a: { path: "/x/{a}", input: { a: string } }
  b: { path: "/x/{b}", method: get, input: { b: string } }"#,
            &[
                "7:5 AG043 /x/{b} and the /x/{a} of `a` of `keys` differ only in the names of parameters; give one of them another path",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/x/{a}", input: { a: string } }
  b: { path: "/x/{b}", input: { b: string } }"#,
            &[
                "7:5 AG043 POST /x/{b} is the route of `a` of `keys` too; give one of them another path",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/x/{a}", method: get, input: { a: string } }
  b: { path: /x/b, method: get }"#,
            &[],
        ),
        (
            r#"endpoints:
  same-name: {}
  same_name: {}"#,
            &[
                "7:5 AG043 `same-name` and `same_name` are both named `same_name` in Rust; rename one of them",
            ],
        ),
    ]);
}

#[test]
fn settings() {
    assert_said(&[
        (
            "rate: 5",
            &[
                "5:9 AG045 this is not a rate; write requests per `second`, `minute`, `hour` or `day`, such as `60/minute`",
            ],
        ),
        (
            "rate: 0/minute",
            &[
                "5:9 AG045 this is not a rate; write requests per `second`, `minute`, `hour` or `day`, such as `60/minute`",
            ],
        ),
        (
            "rate: 5/week",
            &[
                "5:9 AG045 this is not a rate; write requests per `second`, `minute`, `hour` or `day`, such as `60/minute`",
            ],
        ),
        (
            "timeout: 30",
            &[
                "5:12 AG045 this is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`",
            ],
        ),
        (
            "timeout: soon",
            &[
                "5:12 AG045 this is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`",
            ],
        ),
        (
            "timeout: 0s",
            &["5:12 AG045 the duration is zero; write a number above zero"],
        ),
        (
            "timeout: 36526d",
            &["5:12 AG045 the duration is too long; it can be a hundred years at most: `36525d`"],
        ),
        (
            "timeout: 99999999999999999999s",
            &["5:12 AG045 the duration is too long; it can be a hundred years at most: `36525d`"],
        ),
        (
            "timeout: 1.5s",
            &[
                "5:12 AG045 this is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`",
            ],
        ),
        (
            "retry: { attempts: 0, backoff: 500 }",
            &[
                "5:22 AG045 this is a number; it takes a whole number above zero",
                "5:34 AG045 this is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`",
            ],
        ),
        (
            "retry: 3",
            &["5:10 AG045 this is a number; it takes a mapping with attempts, backoff"],
        ),
        (
            "breaker: { failures: -1, cooldown: later }",
            &[
                "5:24 AG045 this is a number; it takes a whole number above zero",
                "5:38 AG045 this is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`",
            ],
        ),
        (
            "budget: { tokens: 1.5, turns: 4294967296 }",
            &[
                "5:21 AG045 this is a number; it takes a whole number above zero",
                "5:33 AG045 the number is too large; it can be 4294967295 at most",
            ],
        ),
        (
            "session: { history_tokens: many, ttl: 7 days }",
            &[
                "5:30 AG045 this is text; it takes a whole number above zero",
                "5:41 AG045 this is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`",
            ],
        ),
        (
            "invoke: perhaps",
            &["5:11 AG045 this is text; it takes `true` or `false`"],
        ),
        ("model: 5", &["5:10 AG045 this is a number; it takes text"]),
        (
            "agents: keys",
            &["5:11 AG045 this is text; it takes a list of names: `[one, two]`"],
        ),
        (
            "agents: [keys, keys]",
            &[
                "warning keys.md:5:12 AG045 `keys` is the agent itself; it is never asked in its own place: take the name out",
                "warning keys.md:5:18 AG045 `keys` stands here twice; once is enough",
            ],
        ),
        (
            "fallbacks: haiku",
            &["5:14 AG045 this is text; it takes a list of names: `[one, two]`"],
        ),
        (
            r#"endpoints:
  a: { stream: maybe, roles: admin, rate: 5/fortnight, timeout: 5, description: [a] }"#,
            &[
                "6:18 AG045 this is text; it takes `true` or `false`",
                "6:32 AG045 this is text; it takes a list of names: `[one, two]`",
                "6:45 AG045 this is not a rate; write requests per `second`, `minute`, `hour` or `day`, such as `60/minute`",
                "6:67 AG045 this is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`",
                "6:83 AG045 this is a list; it takes text",
            ],
        ),
    ]);
}

#[test]
fn agents_that_are_not_there() {
    assert_said(&[
        (
            "agents: [keyz, nobody-at-all, keys]",
            &[
                "5:12 AG044 there is no agent `keyz` in this project; did you mean `keys`?",
                "5:18 AG044 there is no agent `nobody-at-all` in this project; add its file, or take the name out",
                "warning keys.md:5:33 AG045 `keys` is the agent itself; it is never asked in its own place: take the name out",
            ],
        ),
        (
            "fallbacks: [haiku, 'openai:gpt', kyes, unknown-model]",
            &[
                "5:36 AG044 `kyes` is neither an agent of this project nor a model; did you mean `keys`?",
                "5:42 AG044 `unknown-model` is neither an agent of this project nor a model; models are sonnet, opus, haiku, fable, inherit, `provider:model`, full ids, and the aliases under [models]",
            ],
        ),
        (
            r#"workflows:
  w:
  - a: kees
  - b: { agent: nobody }
  - c: { agent: keys, on_failure: fallback kes }
  - d: { agent: keys, on_failure: { fallback: nobody } }"#,
            &[
                "7:10 AG044 there is no agent `kees` in this project; did you mean `keys`?",
                "8:19 AG044 there is no agent `nobody` in this project; add its file, or take the name out",
                "9:37 AG044 there is no agent `kes` in this project; did you mean `keys`?",
                "10:49 AG044 there is no agent `nobody` in this project; add its file, or take the name out",
            ],
        ),
    ]);
}

#[test]
fn workflows() {
    assert_said(&[
        (
            "workflows: []",
            &["5:14 AG045 `workflows` holds a list; it takes a mapping of names to lists of steps"],
        ),
        (
            r#"workflows:
  w: []"#,
            &[
                "6:8 AG046 the workflow `w` has no steps; it takes a list of steps: `- plan: architect`",
            ],
        ),
        (
            r#"workflows:
  w: text"#,
            &[
                "6:8 AG046 the workflow `w` holds text; it takes a list of steps: `- plan: architect`",
            ],
        ),
        (
            r#"workflows:
  '?!': [a: keys]"#,
            &[
                "6:5 AG046 a workflow can't be named like that; use the letters a to z, digits and hyphens, 64 at most",
            ],
        ),
        (
            r#"workflows:
  w:
  - {}
  - a: keys
    b: keys
  - text"#,
            &[
                "7:7 AG046 this is not a step; write `id: agent`, `id: {agent: …}` or `parallel: [steps]`",
                "8:7 AG046 this is not a step; write `id: agent`, `id: {agent: …}` or `parallel: [steps]`",
                "10:7 AG046 this is not a step; write `id: agent`, `id: {agent: …}` or `parallel: [steps]`",
            ],
        ),
        (
            r#"workflows:
  w:
  - parallel: []
  - a: keys"#,
            &["7:17 AG046 `parallel` holds no steps; it takes a list of steps"],
        ),
        (
            r#"workflows:
  w:
  - a: keys
  - a: keys
  - b: kees"#,
            &[
                "8:7 AG046 the step `a` stands twice; give each step an id of its own",
                "9:10 AG044 there is no agent `kees` in this project; did you mean `keys`?",
            ],
        ),
        (
            r#"workflows:
  w:
  - plan: keys
  - b: { agent: keys, needs: [plam, other] }"#,
            &[
                "8:33 AG046 the step `b` needs `plam`, which is no step here; did you mean `plan`?",
                "8:39 AG046 the step `b` needs `other`, which is no step here; name steps of the same workflow",
            ],
        ),
        (
            r#"workflows:
  w:
  - a: { agent: keys, needs: [b] }
  - b: { agent: kees, needs: [a] }
  - c: keys"#,
            &[
                "7:33 AG046 the steps a, b wait for each other; take out one of their `needs`",
                "8:19 AG044 there is no agent `kees` in this project; did you mean `keys`?",
            ],
        ),
        (
            r#"workflows:
  w:
  - a: { agent: keys, needs: [a] }"#,
            &["7:33 AG046 the step `a` waits for itself; take out one of their `needs`"],
        ),
        (
            r#"workflows:
  up: [a: keys]
  Up: [a: keys]"#,
            &["7:5 AG046 `up` and `Up` share one route; rename one of them"],
        ),
        (
            r#"workflows:
  w:
  - a: { needs: [] }"#,
            &["7:7 AG046 the step `a` asks no agent; name one under `agent`"],
        ),
        (
            r#"workflows:
  w:
  - a: { agent: keys, on_failure: retri }
  - b: { agent: keys, on_failure: explode }
  - c: { agent: keys, on_failure: { agent: keys } }
  - d: { agent: keys, timeout: 5, retry: none, with: 3, when: 5 }"#,
            &[
                "7:37 AG045 `retri` is not a value of `on_failure`; did you mean `retry`?",
                "8:37 AG045 `explode` is not a value of `on_failure`; it takes `retry`, `skip`, `stop`, `escalate` or `fallback: agent`",
                "9:37 AG045 this is not a value of `on_failure`; it takes `retry`, `skip`, `stop`, `escalate` or `fallback: agent`",
                "10:34 AG045 this is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`",
                "10:44 AG045 this is text; it takes a whole number above zero",
                "10:56 AG045 `with` holds a number; it takes a mapping of inputs to values",
                "10:65 AG045 this is a number; it takes text",
            ],
        ),
    ]);
}

#[test]
fn schemas() {
    assert_said(&[
        (
            r#"endpoints:
  a: { input: { type: object, properties: { b: { type: strin } } } }"#,
            &[
                r#"6:58 AG050 there is no type "strin"; the types are array, boolean, integer, null, number, object, string"#,
            ],
        ),
        (
            r#"endpoints:
  a: { input: string }"#,
            &[
                "6:17 AG050 the input is text, and a request is an object; make it a property of an object",
            ],
        ),
        (
            r#"endpoints:
  a: { input: }"#,
            &["6:15 AG050 the schema is empty; write its properties, or leave the key out"],
        ),
        (
            r##"endpoints:
  a:
    input:
      type: object
      properties:
        b: { type: string, minLenght: 1 }
        c: { allOf: [] }
      required: [d]
    output:
      type: object
      properties:
        e: { $ref: "#/$defs/none" }"##,
            &[
                "10:30 AG051 `minLenght` is no keyword of JSON Schema; did you mean `minLength`?",
                "11:16 AG051 no type is made of `allOf`; write the properties of all its parts into one object",
                r#"12:20 AG050 `required` names "d", and there is no such property; describe it under `properties`, or remove it here"#,
                r#"16:22 AG050 there is no definition "none"; this schema has no `$defs`"#,
            ],
        ),
    ]);
}

#[test]
fn routes_of_two_agents_meet() {
    let files = [
        (
            "agents/a.md",
            r#"---
name: a
description: Keeps a.
service:
  endpoints:
    x: { path: /same }
---
Do what is asked.
"#,
        ),
        (
            "agents/b.md",
            r#"---
name: b
description: Keeps b.
service:
  endpoints:
    y: { path: /same }
    z: { path: "/p/{q}", method: get, input: { q: string } }
---
Do what is asked.
"#,
        ),
        (
            "agents/c.md",
            r#"---
name: c
description: Keeps c.
service:
  endpoints:
    z: { path: "/p/{r}", method: put, input: { r: string } }
---
Do what is asked.
"#,
        ),
    ];
    assert_eq!(
        said_of(&files),
        [
            "b.md:6:5 AG043 POST /same is the route of `x` of `a` too; give one of them another path",
            "c.md:6:5 AG043 /p/{r} and the /p/{q} of `z` of `b` differ only in the names of parameters; give one of them another path"
        ]
    );
}

#[test]
fn a_contract_stands_in_one_place() {
    let files = [
        (
            "agents/a.md",
            r#"---
name: a
description: Keeps a.
service:
  rate: 5/second
---
Do what is asked.
"#,
        ),
        (
            "agents/a.service.yaml",
            r#"rate: 5/second
"#,
        ),
    ];
    assert_eq!(
        said_of(&files),
        [
            "a.md:4:1 AG040 the contract stands in two places; keep it here or in `agents/a.service.yaml`"
        ]
    );
}

#[test]
fn a_contract_belongs_to_an_agent() {
    let files = [
        (
            "agents/a.md",
            r#"---
name: a
description: Keeps a.
---
Do.
"#,
        ),
        (
            "agents/b.service.yaml",
            r#"rate: 5/second
"#,
        ),
    ];
    assert_eq!(
        said_of(&files),
        [
            "b.service.yaml:1:1 AG041 this contract belongs to no agent; it belongs to `agents/b.md`, which is not there"
        ]
    );
}

#[test]
fn a_sidecar_has_positions_of_its_own() {
    let files = [
        (
            "agents/a.md",
            r#"---
name: a
description: Keeps a.
---
Do.
"#,
        ),
        (
            "agents/a.service.yaml",
            r#"# The contract.
endpoints:
  x:
    input:
      type: object
      properties:
        b: { type: strin }
    output: { type: object, allOf: [] }
agents: [b]
rat: 5/second
"#,
        ),
    ];
    assert_eq!(
        said_of(&files),
        [
            r#"a.service.yaml:7:20 AG050 there is no type "strin"; the types are array, boolean, integer, null, number, object, string"#,
            "note a.service.yaml:8:13 AG052 the object names no properties; any are allowed; say what it is with `type`, if it is known",
            "a.service.yaml:8:29 AG051 no type is made of `allOf`; write the properties of all its parts into one object",
            "a.service.yaml:9:10 AG044 there is no agent `b` in this project; did you mean `a`?",
            "a.service.yaml:10:1 AG026 the setting `rat` is not known; did you mean `rate`?"
        ]
    );
}

#[test]
fn a_sidecar_may_say_service() {
    let files = [
        (
            "agents/a.md",
            r#"---
name: a
description: Keeps a.
---
Do.
"#,
        ),
        (
            "agents/a.service.yaml",
            r#"service:
  timeout: soon
"#,
        ),
    ];
    assert_eq!(
        said_of(&files),
        [
            "a.service.yaml:2:12 AG045 this is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`"
        ]
    );
}

#[test]
fn a_sidecar_that_is_no_yaml() {
    let files = [
        (
            "agents/a.md",
            r#"---
name: a
description: Keeps a.
---
Do.
"#,
        ),
        (
            "agents/a.service.yaml",
            r#"endpoints: [
"#,
        ),
    ];
    assert_eq!(
        said_of(&files),
        [
            "a.service.yaml:2:1 AG006 this is not YAML: did not find expected node content; text with `: ` or ` #` in it needs quotes"
        ]
    );
}

#[test]
fn errors_of_every_file_are_told_together() {
    let files = [
        (
            "agents/a.md",
            r#"---
name: a
description: Keeps a.
service:
  rate: 5
  endpoints:
    x: { path: bad, method: gett }
    y: { input: string, output: { type: strin } }
  agents: [nobody]
  workflows:
    w: []
---
Do what is asked.
"#,
        ),
        (
            "agents/b.md",
            r#"---
name: b
description: Keeps b.
service:
  timeout: 5
---
Do what is asked.
"#,
        ),
        (
            "agents/b.service.yml",
            r#"{}
"#,
        ),
    ];
    assert_eq!(
        said_of(&files),
        [
            "a.md:5:9 AG045 this is not a rate; write requests per `second`, `minute`, `hour` or `day`, such as `60/minute`",
            "a.md:7:16 AG042 the path `bad` does not start with `/`; write `/bad`",
            "a.md:7:29 AG042 `gett` is not an HTTP method of endpoints; did you mean `get`?",
            "a.md:8:17 AG050 the input is text, and a request is an object; make it a property of an object",
            r#"a.md:8:41 AG050 there is no type "strin"; the types are any, boolean, integer, null, number, string"#,
            "a.md:9:12 AG044 there is no agent `nobody` in this project; add its file, or take the name out",
            "a.md:11:8 AG046 the workflow `w` has no steps; it takes a list of steps: `- plan: architect`",
            "b.md:4:1 AG040 the contract stands in two places; keep it here or in `agents/b.service.yml`"
        ]
    );
}
