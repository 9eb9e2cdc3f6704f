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
            &[
                "7:7 AG046 the step `a` calls no agent; name one under `agent`, or what it waits for under `ask`, `wait_for` or `wait`",
            ],
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

#[test]
fn steps_that_wait() {
    assert_diagnostics(&[
        (
            r#"workflows:
  w:
  - a: keys
  - b: { ask: "Go on with {{ a.output }}?", answer: { yes: boolean }, roles: [admin], timeout: 2d, on_timeout: skip }
  - c: { wait: 10m, when: b.output.yes }
  - d: { wait_for: payment.received, output: { amount: number }, timeout: 1d }
  - e: { agent: keys, when: d.output.amount > 3 and c.output == null, with: { input: "Got {{ d.output.amount }}." } }"#,
            &[
                "note keys.md:6:5 AG074 the Arazzo document leaves out `w`: it can't say that a workflow waits; the service runs it all the same; only other engines that read the document lack it",
            ],
        ),
        (
            r#"workflows:
  w:
  - a: { ask: "Go on with {{ b.output }}?", answers: {} }
  - b: { ask: [] }
  - c: { wait: 5 }
  - d: { wait_for: a/b, on_timeout: later }
  - e: { wait: 5m, timeout: 3m }
  - f: { ask: x, wait: 5m }
  - g: { ask: x, answer: string }"#,
            &[
                "note keys.md:6:5 AG074 the Arazzo document leaves out `w`: it can't say that a workflow waits; the service runs it all the same; only other engines that read the document lack it",
                "7:32 AG046 there is no step `b` in this workflow; name `input` or a step",
                "7:47 AG026 there is no setting `answers`; did you mean `answer`?",
                "8:17 AG045 `ask` is a list; it takes text",
                "9:18 AG045 `wait` is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`",
                "10:22 AG046 an event can't be named `a/b`; use up to 64 letters, digits, `.`, `_` and `-`, the first one a letter or digit: `payment.received`",
                "10:39 AG045 `later` is not a value of `on_timeout`; it takes `stop` or `skip`",
                "11:22 AG026 there is no setting `timeout`; the settings are wait, needs, join, when",
                "12:20 AG026 there is no setting `wait`; the settings are ask, answer, roles, timeout, on_timeout, needs, join, when",
                "13:28 AG050 the input is text, and a request is an object; make it a property of an object",
            ],
        ),
        (
            r#"endpoints:
  split: { input: { task: string }, output: { subtasks(array): { id: string, agent: string, input: string, depends_on?(array): string }, count: integer } }
workflows:
  w:
    input: { names(array): { first: string, age: integer }, index: integer }
    steps:
    - split: { agent: keys, endpoint: split, with: { task: x } }
    - each: { agent: keys, for_each: input.names, concurrency: 100, when: item.age > 3, with: { input: "{{ index }} {{ item.first }}" }, on_failure: skip }
    - build: { plan: { from: split.output.subtasks, agents: [keys], max: 200, concurrency: 1 }, needs: [split], timeout: 1m, retry: 2 }
    - all: { agent: keys, for_each: build.output, needs: [build, each], when: each.output != null, with: { input: "{{ item.id }} {{ item.output }}" } }"#,
            &[
                "note keys.md:8:5 AG075 the Arazzo document leaves out `w`: it can't say how many calls a step makes where only the run knows; the service runs it all the same; only other engines that read the document lack it",
            ],
        ),
        (
            r#"workflows:
  v Small:
    input: { text: string }
    steps: [a: keys]
  w:
    steps:
    - a: { workflow: v small, with: { text: "{{ input.input }}" }, timeout: 1h, on_failure: escalate }
    - b: { workflow: w }
    - c: { workflow: v-smal, when: a.output.anything == 1 }
    - d: { workflow: v-small, retry: 3 }
    - e: { workflow: v-small, with: { text: 4 }, on_failure: { fallback: keys } }"#,
            &[
                "note keys.md:9:5 AG074 the Arazzo document leaves out `w`: it can't say that a workflow waits; the service runs it all the same; only other engines that read the document lack it",
                "12:24 AG046 the workflow `w` runs itself; a run would start runs without end: take the step out",
                "13:24 AG046 there is no workflow `v-smal` in this project; did you mean `v Small`?",
                "14:9 AG046 the step `d` has no `with`, and its workflow doesn't take what the run is given; say under `with` what it is given",
                "14:33 AG026 there is no setting `retry`; the settings are workflow, with, timeout, on_failure, needs, join, when",
                "15:47 AG046 `text` takes text, and this is the number 4; change the value, or the schema of one of the two",
                "15:64 AG045 this is not for a workflow; it takes `skip`, `stop` or `escalate`",
            ],
        ),
        (
            r#"endpoints:
  split: { input: { task: string }, output: { subtasks(array): { id: string, agent: string }, count: integer } }
workflows:
  w:
    input: { names(array): { first: string }, text: string }
    steps:
    - a: { agent: keys, for_each: input.text, with: { input: "{{ item }}" } }
    - b: { agent: keys, for_each: input.names, concurrency: 101, with: { input: "{{ item.last }} {{ index.x }}" } }
    - c: { agent: keys, concurrency: 2, with: { input: "{{ item }}" } }
    - d: { agent: keys, endpoint: split, with: { task: x } }
    - e: { plan: { from: d.output.count, agents: [keys, nobody], max: 201 } }
    - f: { plan: { from: d.output.subtasks } }
    - g: { plan: 4, endpoint: split }
    - h[1]: keys
    - i: { agent: keys, endpoint: split, for_each: input.names }"#,
            &[
                "note keys.md:8:5 AG075 the Arazzo document leaves out `w`: it can't say how many calls a step makes where only the run knows; the service runs it all the same; only other engines that read the document lack it",
                "11:37 AG046 `for_each` takes a list, and this is text; name a list in the input or in the output of a step before",
                "12:63 AG045 101 is too large; it can be 100 at most",
                "12:92 AG046 there is no `last` in what is an object; the properties are first",
                "12:109 AG046 an index has no members; `item` is what stands there",
                "13:40 AG046 `concurrency` is about the items of `for_each`, which is not there; say how many steps run at once with `concurrency` of the workflow",
                "13:62 AG046 there is no step `item` in this workflow; put it in quotes if it is text",
                "15:28 AG046 this is no plan but a whole number; a plan is a list of objects with `id`, `agent`, `input` and `depends_on`",
                "15:59 AG044 there is no agent `nobody` in this project; add its file, or take the name out",
                "15:73 AG045 201 is too large; it can be 200 at most",
                "16:20 AG046 the plan has no `agents`; write `plan: { from: split.output.subtasks, agents: [architect] }`",
                "17:20 AG045 `plan` is the number 4; it takes a mapping with from, agents, max, concurrency",
                "17:23 AG026 there is no setting `endpoint`; the settings are plan, needs, join, when, timeout, retry, on_failure",
                "18:9 AG046 a step can't be named `h[1]`; brackets at its end name one of the calls of a step, such as `build[3]`",
                "19:9 AG046 the step `i` has no `with`, and `split` of `keys` doesn't take such items; say under `with` what it is given",
            ],
        ),
        (
            r#"workflows:
  w:
  - a: { ask: Who?, answer: { name: string } }
  - b: { agent: keys, when: a.output.nam == 'x' }"#,
            &[
                "note keys.md:6:5 AG074 the Arazzo document leaves out `w`: it can't say that a workflow waits; the service runs it all the same; only other engines that read the document lack it",
                "8:40 AG046 there is no `nam` in what is an object; did you mean `name`?",
            ],
        ),
    ]);
}

#[test]
fn schedules() {
    let fine = "workflows:
  w:
    schedule: { cron: 0 7 * * 1-5, zone: Europe/Berlin, missed: all, input: { input: x } }
    steps: [a: keys]";
    assert_diagnostics(&[
        (fine, &[]),
        (
            r#"workflows:
  w:
    schedule: { cron: 0 7 30 2 *, input: { input: x } }
    steps: [a: keys]
  x:
    schedule: { zone: Europe Berlin }
    steps: [a: keys]
  y:
    schedule: { missed: al, cron: 0 7 * * * }
    steps: [a: keys]
  z:
    schedule: { input: { input: x } }
    steps: [a: keys]"#,
            &[
                "7:25 AG030 the schedule can't be followed: there is no such day in any month; an example is `cron: 0 7 * * mon-fri`, for 7:00 on workdays",
                "10:25 AG030 this is no time zone; name one as the IANA database does, such as `zone: Europe/Berlin`",
                "13:27 AG030 missed runs can't be `al`; did you mean `all`?",
                "16:17 AG030 the schedule has no `cron`; an example is `cron: 0 7 * * mon-fri`, for 7:00 on workdays",
            ],
        ),
        (
            r#"workflows:
  w:
    schedule: { cron: 0 7 * * *, input: { input: 5 } }
    steps: [a: keys]
  x:
    schedule: { cron: 0 7 * * * }
    input: { topic: string }
    steps: [a: { agent: keys, with: { input: "{{ input.topic }}" } }]"#,
            &[
                "7:52 AG031 the input of the schedule: /input: must be a string; write what a run is given under `input` of `schedule`",
                "10:17 AG031 the input of the schedule: /topic: is required; write what a run is given under `input` of `schedule`",
            ],
        ),
    ]);
}
