//! What is read out of a description and a body: examples, summary, outline, tools.

#![allow(clippy::unwrap_used)]

use crate::diagnostics::span::Span;
use crate::spec::example_blocks::{Example, parse, shorten};
use crate::spec::tool_list;
use crate::text::outline::headings;
use crate::yaml::node::{Node, Value};
use serde_json::json;

fn example(context: &str, user: &str, assistant: &str, commentary: &str) -> Example {
    let part = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Example {
        context: part(context),
        user: part(user),
        assistant: part(assistant),
        commentary: part(commentary),
    }
}

#[test]
fn examples_on_lines_of_their_own() {
    let read = parse(
        "Use it to sail. Examples:\n\n<example>\nContext: A storm comes.\nuser: \"Which sail?\"\n\
         assistant: \"The small one.\"\n<commentary>\nWind matters.\n</commentary>\n</example>\n\n\
         <example>\nuser: \"And now?\"\nassistant: \"Wait.\"\nassistant: \"Now go.\"\n</example>",
    );
    assert_eq!(read.summary, "Use it to sail.");
    assert_eq!(
        read.examples,
        [
            example(
                "A storm comes.",
                "Which sail?",
                "The small one.",
                "Wind matters."
            ),
            example("", "And now?", "Wait.\nNow go.", ""),
        ]
    );
}

#[test]
fn examples_on_one_line_escaped_and_unclosed() {
    let one = "Sails. Examples: <example>Context: A storm. user: 'Which sail?' assistant: 'The small one' \
               <commentary>Wind.</commentary></example>";
    let escaped = one.replace('<', "&lt;").replace('>', "&gt;");
    let unclosed = one.replace("</example>", "");
    for text in [one, &escaped, &unclosed] {
        let read = parse(text);
        assert_eq!(read.summary, "Sails.", "{text}");
        assert_eq!(
            read.examples,
            [example("A storm.", "Which sail?", "The small one", "Wind.")],
            "{text}"
        );
    }
}

#[test]
fn a_description_that_is_only_examples_has_no_summary() {
    let read = parse("Examples:\n<example>\nuser: hello\n</example>");
    assert_eq!(read.summary, "");
    assert_eq!(read.examples, [example("", "hello", "", "")]);
}

#[test]
fn words_around_examples_stay() {
    let read = parse("Before.\n- <example>user: a</example>\nAfter: all of it.");
    assert_eq!(read.summary, "Before. After: all of it.");
    let bare = parse("No examples: none at all.");
    assert_eq!(bare.summary, "No examples: none at all.");
    assert!(bare.examples.is_empty());
}

#[test]
fn texts_are_cut_between_words() {
    assert_eq!(shorten("one two three", 13), "one two three");
    assert_eq!(shorten("one two three", 12), "one two…");
    assert_eq!(shorten("one, two three", 6), "one…");
    assert_eq!(shorten("äöü äöü", 5), "äöü…");
}

#[test]
fn headings_have_levels_and_lines() {
    let body = "# One `code`\r\n\r\ntext\r\n\r\n```\n# none\n```\n\nTwo\n===\n\n### Three *em*\n    # code\n";
    let found: Vec<(u8, usize, String)> = headings(body)
        .into_iter()
        .map(|heading| (heading.level, heading.line, heading.text))
        .collect();
    assert_eq!(
        found,
        [
            (1, 1, "One code".to_owned()),
            (1, 9, "Two".to_owned()),
            (3, 12, "Three em".to_owned()),
        ]
    );
}

#[test]
fn tools_in_every_form() {
    let read = |json| {
        let tools = tool_list::parse(&Node::from_json(&json, Span::default()));
        tools.map(|tools| {
            let entries = tools.into_iter().map(|(tool, _)| tool.entry);
            entries.collect::<Vec<_>>()
        })
    };
    let expected = Some(vec![
        "Read".to_owned(),
        "Bash(git diff:*, git log:*)".to_owned(),
        "mcp__db__query".to_owned(),
    ]);
    assert_eq!(
        read(json!("Read, Bash(git diff:*, git log:*), mcp__db__query")),
        expected
    );
    assert_eq!(
        read(json!([
            "Read",
            "Bash(git diff:*, git log:*)",
            "mcp__db__query"
        ])),
        expected
    );
    assert_eq!(
        read(json!({ "Read": true, "Edit": false })),
        Some(vec!["Read".to_owned()])
    );
    assert_eq!(read(json!("")), Some(Vec::new()));
    assert_eq!(read(json!(3)), None);
    assert_eq!(read(json!([{}])), None);
    assert_eq!(read(json!(null)), None);

    let node = Node {
        value: Value::String("Bash(git diff:*), mcp__db__query, mcp__all".to_owned()),
        span: Span::default(),
    };
    let parsed = tool_list::parse(&node).unwrap_or_default();
    assert_eq!(parsed[0].0.name, "Bash");
    assert_eq!(parsed[0].0.arguments, ["git diff:*"]);
    assert_eq!(parsed[1].0.mcp_server.as_deref(), Some("db"));
    assert_eq!(parsed[1].0.mcp_tool.as_deref(), Some("query"));
    assert_eq!(parsed[2].0.mcp_server.as_deref(), Some("all"));
    assert_eq!(parsed[2].0.mcp_tool, None);
    let built_in = |entry: &str| {
        let node = Node::from_json(&json!([entry]), Span::default());
        tool_list::parse(&node).unwrap_or_default()[0]
            .0
            .is_built_in()
    };
    for entry in [
        "Agent",
        "Bash",
        "Bash(git diff:*)",
        "Edit",
        "Glob",
        "Grep",
        "LS",
        "MultiEdit",
        "NotebookEdit",
        "Read",
        "Skill",
        "Task",
        "TodoWrite",
        "WebFetch",
        "WebSearch",
        "Write",
    ] {
        assert!(built_in(entry), "{entry}");
    }
    for entry in ["bash", "Reads", "find_book", "mcp__db__query", "*"] {
        assert!(!built_in(entry), "{entry}");
    }
}
