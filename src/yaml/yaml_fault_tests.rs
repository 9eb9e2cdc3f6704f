//! What is said of texts that are not YAML, and of JSON in YAML.

#![allow(clippy::unwrap_used)]

use crate::diagnostics::Report;
use crate::diagnostics::source::Source;
use crate::yaml::{self, Once, YamlError, yaml_fault};
use serde_json::{Value as Json, json};

fn read(text: &str) -> Result<Json, String> {
    let source = Source::from_bytes("a.service.yaml", text.as_bytes().to_vec()).unwrap();
    let mut report = Report::new(&source);
    match yaml::parse(0..source.text().len(), Once::Nothing, &mut report) {
        Ok(node) => Ok(node.to_json()),
        Err(YamlError::Syntax(stop)) => {
            let fault = yaml_fault::find(&source, 0..source.text().len(), stop);
            let place = source.location(fault.span.start);
            Err(format!(
                "{}:{}: {} ({})",
                place.line, place.column, fault.message, fault.help
            ))
        }
        Err(YamlError::Refused) => Err(report.into_diagnostics()[0].to_string()),
    }
}

#[track_caller]
fn refused(cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (text, expected) in cases {
        match read(text) {
            Err(found) if found == *expected => {}
            found => wrong.push(format!("{text:?}\n  {found:?}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn faults_in_a_service_block() {
    refused(&[
        (
            "endpoints:\n\ta:\n\t\tpath: /x\n",
            "2:1: line 2 is indented with a tab; YAML needs spaces (write two spaces for each tab, and indent the lines of one block alike)",
        ),
        (
            "endpoints:\n  a:\n    path: /x\n     method: get\n",
            "4:6: `method` is indented by one space too many: 5 instead of 4 (indent it like `path` in line 3)",
        ),
        (
            "endpoints:\n  a:\n    path: /x\n   method: get\n",
            "4:4: `method` is indented by one space too few: 3 instead of 4 (indent it like `path` in line 3)",
        ),
        (
            "endpoints:\n  a:\n    output:\n    - {$ref: '#/a'#/b}\n",
            "4:22: what is in these brackets is not a list or a mapping (put each text in them that holds `: `, `,` or a quote in quotes)",
        ),
        (
            "endpoints:\n  a:\n    description: Note: this\n",
            "3:22: `: ` inside a value needs quotes (put the whole value in quotes)",
        ),
        (
            "endpoints:\n  a:\n    description: Some text\n      goes on: here\n",
            "4:14: `: ` inside a value needs quotes (put the whole value in quotes)",
        ),
        (
            "endpoints:\n  a:\n    description: Some text\n      goes on here: and on\n",
            "4:19: `: ` inside a value needs quotes (put the whole value in quotes)",
        ),
        (
            "endpoints:\n  a:\n    description: |\n        Four\n      two\n    path: /x\n",
            "5:7: line 5 is indented less than the text it belongs to: 6 instead of 8 (indent all lines of the text at least as far as its first one)",
        ),
        (
            "endpoints:\n  a:\n    description: \"a\" b\n",
            "3:22: the value continues after its closing quote (put all of it in quotes, and write `\\\"` for a quote inside)",
        ),
        (
            "endpoints:\n  a:\n    description: 'it's\n    path: /x\n",
            "3:22: the value continues after its closing quote (put all of it in quotes, and write `''` for a quote inside)",
        ),
        (
            "input:\n  \"имя\"?: string\n",
            "2:8: the key continues after its closing quote (put all of it in quotes, and write `\\\"` for a quote inside)",
        ),
        (
            "input: {q: string, 'имя' ?: string, r: string}\n",
            "1:26: the key continues after its closing quote (put all of it in quotes, and write `''` for a quote inside)",
        ),
        (
            "roles: [\"a\" b, c]\n",
            "1:13: the value continues after its closing quote (put all of it in quotes, and write `\\\"` for a quote inside)",
        ),
        (
            "endpoints:\n  a:\n    input: {q: string\n    path: /x\n",
            "3:12: the brace that opens here is never closed (close it with `}`)",
        ),
        (
            "endpoints:\n  a:\n    input: {q: string} x\n",
            "3:24: the value continues after its closing bracket (put the whole value in quotes if it is text)",
        ),
        (
            "endpoints:\n  a:\n    roles: [a, b\n",
            "3:12: the bracket that opens here is never closed (close it with `]`)",
        ),
        (
            "endpoints:\n  a:\n    path: @x\n",
            "3:11: a value that starts with `@` needs quotes (put the whole value in quotes)",
        ),
        (
            "endpoints:\n  a:\n    path: /x\n    - b\n",
            "4:5: line 4 can't be a part of what is above it (don't mix `key: value` lines and `- ` items in one block)",
        ),
        (
            "endpoints:\n  a:\n    path: \"\\d\"\n",
            "3:12: `\\d` means nothing inside double quotes (write `\\\\d`, or put the value in single quotes)",
        ),
        (
            "endpoints:\n  a: \"\\ud83d\"\n",
            "2:7: `\\ud83d` is half of a character (write both halves, or the character itself)",
        ),
        (
            "a: 1\n---\nb: 2\n",
            "2:1: a second document starts here (keep one in the file)",
        ),
        (
            "a: 1\nb\n",
            "2:1: line 2 is neither `key: value` nor a part of the text above it (indent it if it continues that text; else start it with a key and a colon)",
        ),
        (
            "a: 1\nb:2\n",
            "2:1: a space is missing behind `b:` (write `b: ...`)",
        ),
        (
            "a: \u{7}\n",
            "1:4: the control character U+0007 can't be in YAML (delete it)",
        ),
        (
            "a: 1\n\u{3000}\nb: [\n",
            "3:4: the bracket that opens here is never closed (close it with `]`)",
        ),
        (
            "{\"a\": 1, \"b\": [}\n",
            "1:1: the brace that opens here is never closed (close it with `}`)",
        ),
        (
            "- a\n - b: c\n- d\n",
            "2:2: the item is indented by one space too many: 1 instead of 0 (indent it like the item in line 1)",
        ),
        (
            "a:\n  - b: 1\n     c: 2\n",
            "3:6: `c` is indented by one space too many: 5 instead of 4 (indent it like `b` in line 2)",
        ),
        (
            "a:\n  - b: 1\n   c: 2\n",
            "3:4: `c` is indented by one space too few: 3 instead of 4 (indent it like `b` in line 2)",
        ),
        (
            "\"a\" : 1\n 'b': 2\n",
            "2:2: `'b'` is indented by one space too many: 1 instead of 0 (indent it like `\"a\"` in line 1)",
        ),
    ]);
}

#[test]
fn characters_in_two_escapes() {
    assert_eq!(
        read(
            "{\"a\": \"x\\ud83d\\ude00y\", \"\\uD83D\\uDE00\": ['\\ud83d\\ude00', \\uDBFF\\uDFFF]}"
        )
        .unwrap(),
        json!({"a": "x😀y", "😀": ["\\ud83d\\ude00", "\\uDBFF\\uDFFF"]})
    );
    assert_eq!(
        read("a: \\ud83d\\ude00 # \\ud83d\\ude00\nb: \"\\u00e9\\ud83d\\udc4d\\u00e9\"\n").unwrap(),
        json!({"a": "\\ud83d\\ude00", "b": "é👍é"})
    );
}
