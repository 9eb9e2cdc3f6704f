//! Random and hostile frontmatter: no panic, spans within the text, no long run time.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::diagnostics::code::Code;
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::diagnostics::{Diagnostic, Report};
use crate::frontmatter::frontmatter_tests::read_bytes;
use crate::frontmatter::rewrite::fix;
use crate::frontmatter::{self, Reading};
use crate::spec::{example_blocks, tool_list};
use crate::yaml::node::Node;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// Frontmatter as large as it may be, made to be slow, is answered at once.
#[test]
fn hostile_frontmatter_takes_no_time() {
    let mut slow: Vec<String> = Vec::new();
    for piece in [
        "[",
        "{",
        "- ",
        "? ",
        "[a: ",
        "<a>",
        "<a></a>",
        "#\n",
        "a:\n",
        "a: b: c\n",
        "- a: b: c\n",
        "\"",
        "x\n",
        "&a ",
        "\\n",
        "a: [\n",
    ] {
        for head in ["", "a: ", "a: b: c\nd: ", "a: b: c\nd:\n", "x\n"] {
            let filling = piece.repeat((64 * 1024 - head.len()) / piece.len());
            let text = format!("---\n{head}{filling}\n---\n");
            let start = Instant::now();
            let _ = read_bytes(text.as_bytes());
            let taken = start.elapsed();
            if taken >= Duration::from_secs(3) {
                slow.push(format!("{head:?} {piece:?}: {taken:?}"));
            }
        }
    }
    assert!(slow.is_empty(), "{slow:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn never_panics_on_any_text(before in "[ \n`~]{0,4}", yaml in "\\PC{0,60}", more in any::<String>()) {
        assert_spans(&format!("{before}---\n{yaml}\n{more}\n---\n{more}"));
    }

    #[test]
    fn never_panics_on_what_looks_like_frontmatter(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "name", "description", "tools", "é", "🚀", ": ", ":", "\n", "\r", "\r\n", " ", "  ", "\t",
                "- ", "-", "\"", "'", "[", "]", "{", "}", ",", "#", " # ", "|", ">", "|2-", "&a ", "*a", "!t ",
                "<example>", "</example>", "Context: ", "\\n", "\\", "---", "...", "\u{3000}", "\u{85}", "?", "a",
            ]),
            0..40,
        ),
    ) {
        assert_spans(&format!("---\n{}\n---\nBody", pieces.concat()));
    }

    #[test]
    fn quoted_yaml_reads_back(map in prop::collection::btree_map("[a-z]{1,8}", any::<String>(), 0..6)) {
        let yaml: String = map
            .iter()
            .map(|(key, text)| format!("\"{key}\": {}\n", quoted(text)))
            .collect();
        let read = read_bytes(format!("---\n{yaml}---\nBody").as_bytes()).ok().unwrap();
        let expected: serde_json::Map<String, Json> = map
            .into_iter()
            .map(|(key, text)| {
                let text = if key == "description" { text.replace("\\n", "\n") } else { text };
                (key, json!(text))
            })
            .collect();
        prop_assert_eq!(read.frontmatter, Json::Object(expected));
        prop_assert!(!read.repaired);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4096) })]

    /// Valid frontmatter is left alone; what is repaired is valid when it is fixed, with the same values and the same body; and
    /// a service block is read as it is or not at all.
    #[test]
    fn fixing_keeps_what_was_read(
        lines in prop::collection::vec(frontmatter_line(), 1..8),
        end in prop::sample::select(vec!["\n", "\r\n"]),
        body in "[ a-z#\n\r\t-]{0,20}",
    ) {
        assert_fix(&lines, end, &body);
    }
}

/// A line of frontmatter, sound or not.
fn frontmatter_line() -> impl Strategy<Value = String> {
    let indent = prop::sample::select(vec!["", "", "", "", " ", "  ", "    ", "\t", "\u{a0}"]);
    let head = prop::sample::select(vec![
        "name: ",
        "description: ",
        "description: ",
        "description: ",
        "model: ",
        "tools: ",
        "service:",
        "service:\n  endpoints:\n    a:\n      path: ",
        "other: ",
        "when to use: ",
        "Examples:",
        "<example>",
        "</example>",
        "Context: ",
        "- ",
        "endpoints:",
        "# ",
        "",
        "name:",
        "description: |",
        "hooks:\n  Stop:\n    - ",
    ]);
    let value = prop::collection::vec(
        prop::sample::select(vec![
            "a", "word ", "x: y", "\"", "'", "\"A\" ", " # b", "[a, b", "]", "{", "}", "*", "\\n",
            "\\", "é", "3", ": ", "|", "true", "<b>",
        ]),
        0..5,
    );
    (indent, head, value)
        .prop_map(|(indent, head, value)| format!("{indent}{head}{}", value.concat()))
}

fn assert_fix(lines: &[String], end: &str, body: &str) {
    let yaml = lines.join("\n").replace('\n', end);
    let text = format!("---{end}{yaml}{end}---{end}{body}");
    let source = Arc::new(Source::new("x.md", text.clone()));
    let mut report = Report::new(&source);
    let reading = frontmatter::read(&mut report, false);
    let Reading::Agent(document) = reading else {
        assert!(report.has_errors(), "no word about {text:?}");
        return;
    };
    let fixed = fix(&source, &document);
    if !document.repaired {
        assert_eq!(fixed, None, "{text:?}");
        return;
    }
    let Some(fixed) = fixed else {
        let diagnostics = report.into_diagnostics();
        let is_twice = |diagnostic: &Diagnostic| diagnostic.code == Code::DuplicateKey;
        assert!(
            diagnostics.iter().any(is_twice),
            "not fixed: {text:?} {document:?}"
        );
        return;
    };
    let again = Arc::new(Source::new("x.md", fixed.clone()));
    let Reading::Agent(read) = frontmatter::read(&mut Report::new(&again), true) else {
        panic!("{text:?} is fixed to {fixed:?}");
    };
    assert!(!read.repaired, "{fixed:?}");
    assert_eq!(
        read.frontmatter.to_json(),
        document.frontmatter.to_json(),
        "{text:?}"
    );
    assert_eq!(fixed[read.body.clone()], text[document.body.clone()]);
    for entry in document.frontmatter.entries().unwrap() {
        let written = &text[entry.key_span.start..];
        let first = written.lines().next().unwrap_or_default();
        let block = entry.key == "service" && first.trim_end() == "service:";
        assert!(
            !block || entry.value.as_str().is_none_or(|text| !text.contains(": ")),
            "structure became text in {text:?}"
        );
        // In quotes or in a block scalar, a line that looks like an entry is text.
        let name = entry.key == "name" && !first.contains(['"', '\'', '|', '>']);
        assert!(
            !name
                || entry
                    .value
                    .as_str()
                    .is_none_or(|text| !text.contains('\n') || !text.contains(": ")),
            "an entry became a part of the name of {text:?}"
        );
    }
}

fn assert_spans(text: &str) {
    let source = Arc::new(Source::new("x.md", text.to_owned()));
    let mut report = Report::new(&source);
    if let Reading::Agent(document) = frontmatter::read(&mut report, false) {
        assert_node_spans(&document.frontmatter, text);
        assert!(text.get(document.body.clone()).is_some());
        if let Some(description) = document
            .frontmatter
            .get("description")
            .and_then(Node::as_str)
        {
            example_blocks::parse(description);
        }
        if let Some(tools) = document.frontmatter.get("tools") {
            tool_list::parse(tools);
        }
    }
    for diagnostic in report.into_diagnostics() {
        let span = diagnostic.span.unwrap();
        assert!(span.start <= text.len(), "{diagnostic} in {text:?}");
        assert!(
            text.is_char_boundary(span.start),
            "{diagnostic} in {text:?}"
        );
    }
}

fn assert_node_spans(node: &Node, text: &str) {
    let within = |span: Span| {
        assert!(
            text.get(span.start..span.end).is_some(),
            "{span:?} in {text:?}"
        );
    };
    within(node.span);
    for entry in node.entries().unwrap_or_default() {
        within(entry.key_span);
        assert_node_spans(&entry.value, text);
    }
    for item in node.items().unwrap_or_default() {
        assert_node_spans(item, text);
    }
}

/// `text` in double quotes, all but letters and digits of ASCII as escapes.
fn quoted(text: &str) -> String {
    let inner: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_string()
            } else {
                format!("\\U{:08x}", u32::from(c))
            }
        })
        .collect();
    format!("\"{inner}\"")
}
