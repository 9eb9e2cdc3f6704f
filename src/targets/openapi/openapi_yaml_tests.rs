//! YAML is written so that every reader reads the same values.

#![allow(clippy::unwrap_used)]

use serde_json::json;

use crate::targets::openapi::openapi_yaml;

#[test]
fn yaml_quotes_what_some_reader_takes_for_something_else() {
    let words = [
        "y",
        "No",
        "ON",
        "null",
        "~",
        "012",
        "0o17",
        "0x1F",
        "1e3",
        "1_000",
        ".5",
        "+1",
        ".inf",
        "12:30:45",
        "2024-01-01",
        "=",
        "<<",
        "-",
        "",
        " a",
        "a ",
        "a:",
        "a: b",
        "a #b",
        "#a",
        "&a",
        "*a",
        "!a",
        "%a",
        "@a",
        "`a`",
        "{a}",
        "[a]",
        "'a'",
        "\"a\"",
        "|",
        ">",
        "? a",
        "--- a",
        "...",
        "a\tb",
    ];
    for word in words {
        let text = openapi_yaml::write(&json!({ word: word }));
        let line = text.trim_end();
        assert!(
            line.starts_with(['\'', '"']) && line.ends_with(['\'', '"']),
            "{text}"
        );
        assert_eq!(
            openapi_yaml::read(&text).unwrap(),
            json!({ word: word }),
            "{text}"
        );
    }
    let awkward = json!({
        "plain": ["a", "a-b", "application/json", "it's", "$ref", "/a/{b}", "日本 🚀"],
        "lines": ["a\nb", "a\nb\n", "a\n\n  b", " a\nb", "a\nb\n\n", "\n", "a \nb", "a\r\nb", "a\tb\nc"],
        "hidden": ["\u{0}", "\u{85}", "\u{a0}", "\u{2028}", "\u{202e}", "\u{feff}", "\u{7f}\u{9f}", "\u{e0001}"],
        "numbers": [0, -1, 0.01, 1e21, 1.5e-9, u64::MAX, i64::MIN],
        "nested": [[], {}, [[1], [[2]]], { "a": [{ "b": [] }], "c": {} }],
        "nothing": [null, true, false],
    });
    let text = openapi_yaml::write(&awkward);
    assert_eq!(openapi_yaml::read(&text).unwrap(), awkward, "{text}");
    assert!(text.contains("- 1.0e+21\n- 1.5e-9\n"), "{text}");
    assert!(text.contains("- |-\n  a\n  b\n"), "{text}");
    let long = json!({ "k".repeat(2_000): { "a": 1 } });
    let text = openapi_yaml::write(&long);
    assert!(text.starts_with("? k"), "{text}");
    assert_eq!(openapi_yaml::read(&text).unwrap(), long);
}
