//! Methods, handlers, parameters and schemas of endpoints.

use super::assert_diagnostics;

#[test]
fn methods_and_handlers() {
    assert_diagnostics(&[
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
            &["6:18 AG045 `method` is the number 5; it takes text"],
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
                "6:8 AG045 `a` is the number 5; it takes a mapping with path, method, summary, description, deprecated, tags, operation_id, headers, input, output, status, errors, stream, roles, rate, timeout, handler, retrieve",
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
            &["5:14 AG045 `endpoints` is a list; it takes a mapping of names to endpoints"],
        ),
        (
            "yes",
            &[
                "warning keys.md:5:3 AG025 `service` is text; it takes a mapping; the value is kept as it is",
                "5:3 AG045 `service` is text; it takes a mapping with endpoints, invoke, model, fallbacks, retry, breaker, timeout, budget, rate, session, agents, workflows, documents, tools",
            ],
        ),
    ]);
}

#[test]
fn parameters() {
    assert_diagnostics(&[
        (
            r#"endpoints:
  a: { path: "/p/{id}", input: { name: string } }"#,
            &[
                "6:20 AG042 the input has no property for the path's `{id}`; add `id` to the endpoint's `input`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/p/{id}" }"#,
            &[
                "6:20 AG042 the input has no property for the path's `{id}`; add `id` to the endpoint's `input`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/p/{id}", input: { id?: string } }"#,
            &[
                "6:36 AG042 `id` is in the path and is optional; a part of the path is always there: make the property required",
            ],
        ),
        (
            r#"endpoints:
  a:
    path: "/p/{id}"
    input:
      "id(array)": string"#,
            &[
                "9:9 AG042 `id` can't be in the path; there is room for texts, numbers, truth values and, in the query and in headers, lists of them",
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
                "11:11 AG042 `deep` can't be in the query; there is room for texts, numbers, truth values and, in the query and in headers, lists of them",
                "12:11 AG042 `many` can't be in the query; there is room for texts, numbers, truth values and, in the query and in headers, lists of them",
            ],
        ),
        (
            r#"endpoints:
  a:
    method: delete
    input: { type: object, additionalProperties: { type: string } }"#,
            &[
                "8:14 AG042 this input can't be in the query of a DELETE request; make it an object with named properties, or take another method",
            ],
        ),
    ]);
}

#[test]
fn schemas() {
    assert_diagnostics(&[
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
        c: { type: string, allOf: [] }
      required: [d]
    output:
      type: object
      properties:
        e: { $ref: "#/$defs/none" }"##,
            &[
                "10:30 AG051 `minLenght` is no keyword of JSON Schema; did you mean `minLength`?",
                "11:37 AG050 `allOf` is a list; it must be a list of schemas, at least one",
                r#"12:20 AG050 `required` names "d", and there is no such property; describe it under `properties`, or remove it here"#,
                r#"16:22 AG050 there is no definition "none"; this schema has no `$defs`"#,
            ],
        ),
    ]);
}
