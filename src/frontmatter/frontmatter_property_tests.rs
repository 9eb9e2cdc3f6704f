//! Random and hostile frontmatter: no panic, spans within the text, no long run time.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::diagnostics::Report;
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::frontmatter::frontmatter_tests::read_bytes;
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
            if taken >= Duration::from_secs(1) {
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
