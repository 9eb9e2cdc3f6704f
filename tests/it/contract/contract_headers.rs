//! Request headers of endpoints, and what the API documentation says of endpoints.

use super::{assert_diagnostics, diagnostics};

#[test]
fn headers_are_properties_of_the_input() {
    assert_diagnostics(&[
        (
            r#"endpoints:
  a:
    headers: { X-Tenant: string, "If-Match?": string, "X-Tag?(array)": string }
    input: { text: string }"#,
            &[],
        ),
        (
            r#"endpoints:
  a:
    method: get
    headers: { type: object, properties: { X-Level: { type: integer, minimum: 1 } }, required: [X-Level] }
    input: { type: object, properties: { text: { type: string } } }"#,
            &[],
        ),
        (
            r#"endpoints:
  a:
    headers: { X-Tenant: string }
    input: { type: object, required: [text], properties: { text: { type: string } } }"#,
            &[],
        ),
        (
            r#"endpoints:
  a: { headers: { X-Tenant: string } }"#,
            &[],
        ),
    ]);
}

#[test]
fn headers_that_cannot_be_input() {
    assert_diagnostics(&[
        (
            r#"endpoints:
  a: { headers: { authorization: string } }"#,
            &[
                "6:21 AG042 the header `authorization` can't be an input of an endpoint; leave it out: the service checks it: a handler asks `RunContext` for the caller",
            ],
        ),
        (
            r#"endpoints:
  a: { headers: { Idempotency-Key: string, Content-Type: string } }"#,
            &[
                "6:21 AG042 the header `Idempotency-Key` can't be an input of an endpoint; leave it out: the service itself repeats answers by it",
                "6:46 AG042 the header `Content-Type` can't be an input of an endpoint; leave it out: the service reads the body by it",
            ],
        ),
        (
            r#"endpoints:
  a: { headers: { "X Tenant": string } }"#,
            &[
                "6:21 AG042 a header can't be named `X Tenant`; start with a letter; use letters, digits, `-` and `_`",
            ],
        ),
        (
            r#"endpoints:
  a: { headers: { X-Tenant: string, x-tenant: string } }"#,
            &[
                "6:39 AG042 `X-Tenant` and `x-tenant` are the same header; leave one of them out: the case of letters makes no difference",
            ],
        ),
        (
            r#"endpoints:
  a: { headers: { X-Tenant: string }, input: { x-tenant: string } }"#,
            &[
                "6:21 AG042 `X-Tenant` is a property of the input and a header; leave one of them out: a header is a property of the input already",
            ],
        ),
        (
            r#"endpoints:
  a: { headers: { X-Tenant: { deep: string } } }"#,
            &[
                "6:21 AG042 `X-Tenant` can't be in the header; there is room for texts, numbers, truth values and, in the query and in headers, lists of them",
            ],
        ),
        (
            r#"endpoints:
  a: { headers: { (*): string } }"#,
            &["6:26 AG042 headers have to be named; list each header that the endpoint takes"],
        ),
        (
            r#"endpoints:
  a: { headers: string }"#,
            &[
                "6:19 AG045 `headers` is text; it takes a mapping of header names to types: `{ X-Tenant: string, If-Match?: string }`",
            ],
        ),
        (
            r##"endpoints:
  a:
    headers: { X-Tenant: string }
    input: { $ref: "#/$defs/In", $defs: { In: { type: object, properties: { a: { type: string } } } } }"##,
            &[
                "8:14 AG042 `headers` become properties of the input, and this input names none; write the input as an object with `properties`",
            ],
        ),
    ]);
}

#[test]
fn what_the_documentation_says() {
    assert_diagnostics(&[
        (
            r#"endpoints:
  a: { summary: Asks, deprecated: true, tags: [one, two], operation_id: ask.it_now-2 }"#,
            &[],
        ),
        (
            r#"endpoints:
  a: { summary: '', tags: [' '] }"#,
            &[
                "6:19 AG045 `summary` is an empty text; it takes text",
                "6:30 AG045 an item of `tags` is an empty text; it takes text",
            ],
        ),
        (
            r#"endpoints:
  a: { deprecated: maybe, tags: one, summary: [] }"#,
            &[
                "6:22 AG045 `deprecated` is text; it takes `true` or `false`",
                "6:35 AG045 `tags` is text; it takes a list of names: `[one, two]`",
                "6:49 AG045 `summary` is a list; it takes text",
            ],
        ),
        (
            r#"endpoints:
  a: { operation_id: ask it }"#,
            &[
                "6:24 AG042 an operation can't have the id `ask it`; start with a letter or `_`; use letters, digits, `_`, `-` and `.`, as in `listBooks`",
            ],
        ),
    ]);
}

#[test]
fn operation_ids_are_unique_in_the_project() {
    assert_diagnostics(&[
        (
            r#"endpoints:
  a: { operation_id: ask }
  b: { operation_id: ask }"#,
            &[
                "7:24 AG043 `ask` is the operation id of `a` of `keys` too; give one of them another `operation_id`",
            ],
        ),
        (
            r#"endpoints:
  a: { operation_id: bKeys }
  b: {}"#,
            &[
                "6:24 AG043 `bKeys` is the operation id of `b` of `keys` too; give one of them another `operation_id`",
            ],
        ),
        (
            r#"endpoints:
  a: { operation_id: startWork }
workflows:
  work: [x: keys]"#,
            &[
                "6:24 AG043 `startWork` is the operation id of the workflow `work` of `keys` too; give one of them another `operation_id`",
            ],
        ),
        (
            r#"endpoints:
  stream: {}"#,
            &[
                "6:5 AG043 `streamKeys` is the operation id of the events of `invoke` of `keys` too; give one of them another `operation_id`",
            ],
        ),
        (
            r#"endpoints:
  ask: { stream: true }
  other: { operation_id: streamAskKeys }"#,
            &[
                "7:28 AG043 `streamAskKeys` is the operation id of the events of `ask` of `keys` too; give one of them another `operation_id`",
            ],
        ),
    ]);
    let agent = |name: &str| {
        format!(
            "---\nname: {name}\ndescription: Keeps {name}.\nservice: {{ endpoints: {{ go: {{ operation_id: go }} }} }}\n---\nDo it.\n"
        )
    };
    assert_eq!(
        diagnostics(&[("agents/a.md", &agent("a")), ("agents/b.md", &agent("b"))]),
        [
            "b.md:4:45 AG043 `go` is the operation id of `go` of `a` in agents/a.md too; give one of them another `operation_id`"
        ]
    );
}
