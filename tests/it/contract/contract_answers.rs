//! Statuses of answers, and the errors that endpoints declare.

use super::assert_diagnostics;

#[test]
fn statuses() {
    assert_diagnostics(&[
        (
            r#"endpoints:
  a: { status: 201 }
  b: { status: 202, stream: true }
  c: { status: 204, handler: code }"#,
            &[],
        ),
        (
            r#"endpoints:
  a: { status: 301 }
  b: { status: "201" }
  c: { status: 409, handler: code }"#,
            &[
                "6:18 AG042 this is not the status of an answer; it takes 200, 201 (created), 202 (accepted) or 204 (no content); statuses of errors are under `errors`",
                "7:18 AG042 this is not the status of an answer; it takes 200, 201 (created), 202 (accepted) or 204 (no content); statuses of errors are under `errors`",
                "8:18 AG042 this is not the status of an answer; it takes 200, 201 (created), 202 (accepted) or 204 (no content); statuses of errors are under `errors`",
            ],
        ),
        (
            r#"endpoints:
  a: { status: 204, handler: code, output: { done: boolean } }"#,
            &[
                "6:38 AG042 an answer of status 204 has no body, and this one has an `output`; leave `output` out, or take `status: 200`",
            ],
        ),
        (
            r#"endpoints:
  a: { status: 204, handler: code, stream: true }"#,
            &[
                "6:38 AG042 an answer of status 204 has no body, and this one is a `stream`; leave `stream` out, or take `status: 200`",
            ],
        ),
        (
            r#"endpoints:
  a: { status: 204 }"#,
            &[
                "6:10 AG042 `status: 204` with `handler: model`: its answer would be thrown away; take `status: 200`, or answer the endpoint in Rust (`handler: code`)",
            ],
        ),
    ]);
}

#[test]
fn errors() {
    assert_diagnostics(&[
        (
            r#"endpoints:
  a:
    handler: code
    errors:
      sold-out: { status: 409, title: Gone, type: "https://example.com/sold-out", members: { left: integer } }
      other: { status: 409, description: Something else. }"#,
            &[],
        ),
        (
            r#"endpoints:
  a: { errors: { gone: { status: 410 } } }"#,
            &[
                "6:10 AG042 `errors` with `handler: model`: it can return none of them; answer the endpoint in Rust (`handler: code`), or leave `errors` out",
            ],
        ),
        (
            r#"endpoints:
  a: { handler: code, errors: { gone: {}, "1": { status: 400 }, old: { status: 401 }, new: { status: 200 }, odd: { status: "400" } } }"#,
            &[
                "6:35 AG042 the error `gone` has no status; add its HTTP status, as in `status: 409`",
                "6:45 AG042 an error can't have the code `1`; start with a letter; use letters, digits, `-` and `_`, as in `out_of_stock`",
                "6:82 AG042 a handler can't answer 401: the service answers it before a handler runs; take another status, such as 403, 404, 409 or 422",
                "6:104 AG042 200 is not the status of an error; it takes a number from 400 to 599",
                "6:126 AG042 `status` is text; it takes a number from 400 to 599",
            ],
        ),
        (
            r#"endpoints:
  a: { handler: code, errors: { sold-out: { status: 400 }, sold_out: { status: 409 } } }"#,
            &[
                "6:62 AG043 `sold-out` and `sold_out` are both named `SoldOut` in Rust; rename one of them",
            ],
        ),
        (
            r#"endpoints:
  a: { handler: code, errors: { gone: { status: 410, members: { detail: string } }, old: { status: 410, members: string } } }"#,
            &[
                "6:67 AG042 every problem document has the member `detail` already; give the member another name",
                "6:116 AG042 the members of a problem document have names; write an object with named properties: `{ sku: string }`",
            ],
        ),
        (
            r#"endpoints:
  a: { handler: code, errors: { gone: { status: 410, type: "not a uri", body: string } } }"#,
            &[
                "6:62 AG042 `not a uri` is not a URI; write a URI that names the kind of problem: `https://example.com/problems/sold-out`",
                "6:75 AG026 there is no setting `body`; the settings are status, description, title, type, members",
            ],
        ),
        (
            r#"endpoints:
  a: { handler: code, errors: [gone] }"#,
            &[
                "6:33 AG045 `errors` is a list; it takes a mapping of codes to errors: `{ sold_out: { status: 409 } }`",
            ],
        ),
    ]);
}
