//! Paths of endpoints, and routes that collide.

use super::{assert_diagnostics, diagnostics};

#[test]
fn paths() {
    assert_diagnostics(&[
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
  a: { path: //a }"#,
            &[
                "6:16 AG042 the path `//a` has an empty segment; write the segments with one `/` in front of each",
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
                "6:16 AG042 the segment `a b` is not allowed in a path; use letters, digits, `-`, `.`, `_`, `~`, or a parameter as in `/items/{id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/a/{}" }"#,
            &[
                "6:16 AG042 a parameter of a path can't be named ``; start with a letter or `_`; letters, digits, `_`, `-` and `.` may follow, as in `/items/{item-id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/a/{b}c" }"#,
            &[
                "6:16 AG042 the segment `{b}c` is only partly a parameter; make the parameter a segment of its own, as in `/items/{id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/a/{b c}" }"#,
            &[
                "6:16 AG042 a parameter of a path can't be named `b c`; start with a letter or `_`; letters, digits, `_`, `-` and `.` may follow, as in `/items/{item-id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/a/{*rest}", input: { rest: string } }"#,
            &[
                "6:16 AG042 a parameter of a path can't be named `*rest`; start with a letter or `_`; letters, digits, `_`, `-` and `.` may follow, as in `/items/{item-id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/a/{item-id}/{item.key}", method: get, input: { item-id: integer, item.key: string } }"#,
            &[],
        ),
        (
            r#"endpoints:
  a: { path: "/a/{item-id}", input: { item_id: integer } }"#,
            &[
                "6:20 AG042 the input has no property for the path's `{item-id}`; did you mean `item_id`?",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/{a}/{a}" }"#,
            &["6:16 AG042 the parameter `a` is twice in the path; give each a name of its own"],
        ),
        (
            r#"endpoints:
  a: { path: /a/../b }"#,
            &[
                "6:16 AG042 the segment `..` is not allowed in a path; use letters, digits, `-`, `.`, `_`, `~`, or a parameter as in `/items/{id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: /./b }"#,
            &[
                "6:16 AG042 the segment `.` is not allowed in a path; use letters, digits, `-`, `.`, `_`, `~`, or a parameter as in `/items/{id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: /ä }"#,
            &[
                "6:16 AG042 the segment `ä` is not allowed in a path; use letters, digits, `-`, `.`, `_`, `~`, or a parameter as in `/items/{id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/a?b=c" }"#,
            &[
                "6:16 AG042 the segment `a?b=c` is not allowed in a path; use letters, digits, `-`, `.`, `_`, `~`, or a parameter as in `/items/{id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/a#b" }"#,
            &[
                "6:16 AG042 the segment `a#b` is not allowed in a path; use letters, digits, `-`, `.`, `_`, `~`, or a parameter as in `/items/{id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: /a%20b }"#,
            &[
                "6:16 AG042 the segment `a%20b` is not allowed in a path; use letters, digits, `-`, `.`, `_`, `~`, or a parameter as in `/items/{id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/*rest" }"#,
            &[
                "6:16 AG042 the segment `*rest` is not allowed in a path; use letters, digits, `-`, `.`, `_`, `~`, or a parameter as in `/items/{id}`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: 5 }"#,
            &["6:16 AG045 `path` is the number 5; it takes text"],
        ),
    ]);
}

#[test]
fn paths_of_the_service() {
    assert_diagnostics(&[
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
fn routes_of_events_collide() {
    assert_diagnostics(&[
        (
            r#"endpoints:
  a: { path: /x, stream: true }
  b: { path: /x/stream }"#,
            &[
                "7:16 AG043 POST /x/stream is the route of the events of `a` of `keys` (agents/keys.md:6) too; give one of them another path, or remove `stream`: its events have the path of the endpoint and `/stream`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: /x/stream, method: get }
  b: { path: /x, stream: true }"#,
            &[],
        ),
        (
            r#"endpoints:
  a: { path: "/x/{a}/stream", input: { a: string } }
  b: { path: "/x/{b}", stream: true, method: put, input: { b: string } }"#,
            &[
                "7:16 AG043 /x/{b}/stream and the /x/{a}/stream of `a` of `keys` (agents/keys.md:6) differ only in the names of parameters; give one of them another path, or remove `stream`: its events have the path of the endpoint and `/stream`",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/x/{a}", method: get, input: { a: string } }
  b: { path: /x, stream: true }
  c: { path: "/y/{c}", method: get, input: { c: integer } }
  d: { path: /y, stream: true }"#,
            &[
                "note keys.md:6:16 AG043 the path /x/stream leads to the events of `b` of `keys` (agents/keys.md:7), so `stream` as a `a` of /x/{a} does not arrive; if `stream` is such a value, give one of them another path",
            ],
        ),
    ]);
}

#[test]
fn routes_collide() {
    assert_diagnostics(&[
        (
            r#"endpoints:
  a: { path: /x }
  b: { path: /x }"#,
            &[
                "7:16 AG043 POST /x is the route of `a` of `keys` (agents/keys.md:6) too; give one of them another path",
            ],
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
                "7:16 AG043 /x/{b} and the /x/{a} of `a` of `keys` (agents/keys.md:6) differ only in the names of parameters; give one of them another path",
            ],
        ),
        (
            r#"endpoints:
  a: { path: "/x/{a}", input: { a: string } }
  b: { path: "/x/{b}", input: { b: string } }"#,
            &[
                "7:16 AG043 POST /x/{b} is the route of `a` of `keys` (agents/keys.md:6) too; give one of them another path",
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
fn routes_of_two_agents_collide() {
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
        diagnostics(&files),
        [
            "b.md:6:16 AG043 POST /same is the route of `x` of `a` (agents/a.md:6) too; give one of them another path",
            "c.md:6:16 AG043 /p/{r} and the /p/{q} of `z` of `b` (agents/b.md:7) differ only in the names of parameters; give one of them another path"
        ]
    );
}
