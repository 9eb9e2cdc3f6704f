//! Workflows in a contract: their shape and the names of their steps.

use super::assert_diagnostics;

#[test]
fn workflows() {
    assert_diagnostics(&[
        (
            "workflows: []",
            &["5:14 AG045 `workflows` is a list; it takes a mapping of names to lists of steps"],
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
            &["6:8 AG046 the workflow `w` is text; it takes a list of steps: `- plan: architect`"],
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
            &["7:17 AG046 `parallel` has no steps; it takes a list of steps"],
        ),
        (
            r#"workflows:
  w:
  - a: keys
  - a: keys
  - b: kees"#,
            &[
                "8:7 AG046 the step `a` is defined twice; give each step an id of its own",
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
            &["7:7 AG046 the step `a` calls no agent; name one under `agent`"],
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
                "10:34 AG045 `timeout` is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`",
                "10:44 AG045 `retry` is text; it takes the number of attempts, or a mapping with attempts, backoff",
                "10:56 AG045 `with` is a number; it takes a mapping of inputs to values",
                "10:65 AG045 `when` is the number 5; it takes text",
            ],
        ),
    ]);
}
