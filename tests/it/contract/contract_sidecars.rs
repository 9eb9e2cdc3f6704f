//! Contracts in files of their own: `agents/NAME.service.yaml` beside `agents/NAME.md`.

use super::diagnostics;

#[test]
fn a_contract_is_in_one_place() {
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
        diagnostics(&files),
        [
            "a.md:4:1 AG040 the contract is in two places; keep it here or in `agents/a.service.yaml`"
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
        diagnostics(&files),
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
        diagnostics(&files),
        [
            r#"a.service.yaml:7:20 AG050 there is no type "strin"; the types are array, boolean, integer, null, number, object, string"#,
            "note a.service.yaml:8:13 AG052 the object names no properties; any are allowed; say what it is with `type`",
            "a.service.yaml:8:36 AG050 `allOf` is a list; it must be a list of schemas, at least one",
            "a.service.yaml:9:10 AG044 there is no agent `b` in this project; add its file, or take the name out",
            "a.service.yaml:10:1 AG026 there is no setting `rat`; did you mean `rate`?"
        ]
    );
}

#[test]
fn a_sidecar_may_have_the_key_service() {
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
        diagnostics(&files),
        [
            "a.service.yaml:2:12 AG045 `timeout` is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`"
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
        diagnostics(&files),
        [
            "a.service.yaml:1:12 AG006 the bracket that opens here is never closed; close it with `]`"
        ]
    );
}

#[test]
fn errors_of_every_file_are_reported_together() {
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
        diagnostics(&files),
        [
            "a.md:5:9 AG045 `rate` is not a rate; write requests per `second`, `minute`, `hour` or `day`, such as `60/minute`",
            "a.md:7:16 AG042 the path `bad` does not start with `/`; write `/bad`",
            "a.md:7:29 AG042 `gett` is not an HTTP method of endpoints; did you mean `get`?",
            "a.md:8:17 AG050 the input is text, and a request is an object; make it a property of an object",
            r#"a.md:8:41 AG050 there is no type "strin"; the types are any, boolean, integer, null, number, string"#,
            "a.md:9:12 AG044 there is no agent `nobody` in this project; add its file, or take the name out",
            "a.md:11:8 AG046 the workflow `w` has no steps; it takes a list of steps: `- plan: architect`",
            "b.md:4:1 AG040 the contract is in two places; keep it here or in `agents/b.service.yml`"
        ]
    );
}

const AGENT: (&str, &str) = (
    "agents/a.md",
    "---\nname: a\ndescription: Keeps a.\n---\nDo.\n",
);

#[test]
fn a_contract_may_be_json() {
    let json = "{\"service\": {\"endpoints\": {\"x\": {\n  \"method\": \"gett\"}}}}";
    assert_eq!(
        diagnostics(&[AGENT, ("agents/a.service.json", json)]).len(),
        1
    );
    assert!(
        diagnostics(&[AGENT, ("agents/a.service.json", json)])[0]
            .starts_with("a.service.json:2:13 AG0"),
        "{:?}",
        diagnostics(&[AGENT, ("agents/a.service.json", json)])
    );
    let fine = "{\"rate\": \"5/second\"}";
    assert_eq!(
        diagnostics(&[AGENT, ("agents/a.service.json", fine)]),
        Vec::<String>::new()
    );
    let broken = diagnostics(&[AGENT, ("agents/a.service.json", "{\"rate\": 5/second}")]);
    assert!(
        broken[0].starts_with("a.service.json:1:11 AG006 this is not JSON: expected `,` or `}`"),
        "{broken:?}"
    );
}

#[test]
fn two_files_are_not_one_contract() {
    let json = ("agents/a.service.json", "{\"rate\": \"5/second\"}");
    let yaml = ("agents/a.service.yaml", "rate: 5/second\n");
    let yml = ("agents/a.service.yml", "rate: 5/second\n");
    assert_eq!(
        diagnostics(&[AGENT, json, yaml]),
        [
            "a.service.yaml:1:1 AG040 the contract is in two files; keep it here or in `agents/a.service.json`"
        ]
    );
    assert_eq!(
        diagnostics(&[AGENT, yaml, yml]),
        [
            "a.service.yml:1:1 AG040 the contract is in two files; keep it here or in `agents/a.service.yaml`"
        ]
    );
}
