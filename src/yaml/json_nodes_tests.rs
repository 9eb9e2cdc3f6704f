#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use crate::diagnostics::Report;
use crate::diagnostics::source::Source;
use crate::yaml::json_nodes::read;
use crate::yaml::node::Node;

fn read_text(text: &str) -> (Option<Node>, Vec<String>) {
    let source = Source::from_bytes("x.json", text.as_bytes().to_vec()).unwrap();
    let mut report = Report::new(&Arc::clone(&source));
    let node = read(&mut report);
    let problems = report.into_diagnostics();
    let problems = problems.iter().map(ToString::to_string).collect();
    (node, problems)
}

#[test]
fn values_are_those_of_json() {
    let text =
        "{\r\n\t\"a\": [1, -2.5e3, true, null, \"x\\/\\ud83d\\ude00\\\"\"],\"b\":{}, \"c\": []}\n";
    let (node, problems) = read_text(text);
    let expected: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(node.unwrap().to_json(), expected);
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn places_are_those_of_the_file() {
    let (node, _) = read_text("{\n  \"a\": {\"b\": 12}\n}");
    let node = node.unwrap();
    let a = node.entry("a").unwrap();
    assert_eq!((a.key_span.start, a.key_span.end), (4, 7));
    let b = a.value.get("b").unwrap();
    assert_eq!((b.span.start, b.span.end), (15, 17));
}

#[test]
fn what_is_no_json_is_an_error_at_its_place() {
    for (text, expected) in [
        (
            "",
            "1:1: error[AG006]: this is not JSON: expected a value, but here the file ends",
        ),
        (
            "{",
            "1:2: error[AG006]: this is not JSON: expected a key in double quotes, but here the file ends",
        ),
        (
            "{\"a\": 1,}",
            "1:9: error[AG006]: this is not JSON: expected a key in double quotes, but here there is `}`",
        ),
        (
            "{\"a\" 1}",
            "1:6: error[AG006]: this is not JSON: expected `:`, but here there is `1`",
        ),
        (
            "{\"a\": 1\n\"b\": 2}",
            "2:1: error[AG006]: this is not JSON: expected `,` or `}`",
        ),
        (
            "{\"a\": 'x'}",
            "1:7: error[AG006]: this is not JSON: expected a value",
        ),
        (
            "{\n// a comment\n}",
            "2:1: error[AG006]: this is not JSON: expected a key",
        ),
        (
            "{\"a\": \"x\n\"}",
            "1:7: error[AG006]: this is not JSON: the string has no end",
        ),
        (
            "{\"a\": \"x\\q\"}",
            "1:10: error[AG006]: this is not JSON: invalid escape",
        ),
        (
            "{\"a\": 01}",
            "1:7: error[AG006]: this is not JSON: invalid number",
        ),
        (
            "{\"a\": 1e999}",
            "1:7: error[AG006]: this is not JSON: number out of range",
        ),
        (
            "{\"a\": NaN}",
            "1:7: error[AG006]: this is not JSON: expected a value",
        ),
        (
            "{} {}",
            "1:4: error[AG006]: this is not JSON: expected the end of the file",
        ),
        ("[]", "1:1: error[AG006]: the file is a list"),
    ] {
        let (node, problems) = read_text(text);
        assert!(node.is_none(), "{text:?}");
        let expected = format!("x.json:{expected}");
        assert!(problems[0].starts_with(&expected), "{text:?}: {problems:?}");
    }
    let deep = format!("{{\"a\": {}{}}}", "[".repeat(80), "]".repeat(80));
    assert!(
        read_text(&deep).1[0].contains("AG008"),
        "{:?}",
        read_text(&deep).1
    );
    let (node, problems) = read_text("{\"a\": 1, \"a\": 2}");
    assert_eq!(node.unwrap().to_json(), serde_json::json!({ "a": 2 }));
    assert!(
        problems[0].contains("the key `a` is defined twice"),
        "{problems:?}"
    );
}
