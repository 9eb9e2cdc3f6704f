//! One ill file after the other: what is read of it, and what is said about it.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::diagnostics::source::{MAX_FILE_BYTES, Source};
use crate::diagnostics::{Diagnostic, Report};
use crate::frontmatter::{self, Reading};
use crate::spec::{example_blocks, tool_list};
use crate::yaml::node::Node;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

/// What was read of a file.
struct Read {
    frontmatter: Json,
    node: Node,
    body: String,
    repaired: bool,
    said: Vec<String>,
    source: Arc<Source>,
}

/// `AG005 warning 2:14`
fn said(diagnostic: &Diagnostic) -> String {
    let place = diagnostic.location().map_or_else(String::new, |place| {
        format!(" {}:{}", place.line, place.column)
    });
    format!(
        "{} {}{place}",
        diagnostic.code,
        diagnostic.severity.as_str()
    )
}

fn read_bytes(bytes: &[u8]) -> Result<Read, Vec<String>> {
    let source = Source::from_bytes("agents/x.md", bytes.to_vec())
        .map_err(|error| vec![format!("{} error", error.code())])?;
    let mut report = Report::new(&source);
    let reading = frontmatter::read(&mut report, false);
    let said: Vec<String> = report.into_diagnostics().iter().map(said).collect();
    match reading {
        Reading::Agent(document) => Ok(Read {
            frontmatter: document.frontmatter.to_json(),
            body: source.text()[document.body.clone()].to_owned(),
            node: document.frontmatter,
            repaired: document.repaired,
            said,
            source,
        }),
        Reading::NoFrontmatter => {
            assert!(said.is_empty(), "{said:?}");
            Err(vec!["no frontmatter".to_owned()])
        }
        Reading::Unreadable => Err(said),
    }
}

/// Reads the text, and holds values and diagnostics against what is expected.
#[track_caller]
fn expect(text: &str, frontmatter: Json, said: &[&str]) -> Read {
    let read = read_bytes(text.as_bytes()).unwrap_or_else(|said| panic!("{said:?}"));
    assert_eq!(read.frontmatter, frontmatter);
    assert_eq!(read.said, said);
    read
}

/// The frontmatter `yaml` around a body that must come out as it is.
#[track_caller]
fn expect_of(yaml: &str, frontmatter: Json, said: &[&str]) -> Read {
    let body = "# Role\n\n  Keep *this*. \n";
    let read = expect(&format!("---\n{yaml}\n---\n{body}"), frontmatter, said);
    assert_eq!(read.body, body);
    read
}

#[track_caller]
fn refused(bytes: impl AsRef<[u8]>, expected: &[&str]) {
    match read_bytes(bytes.as_ref()) {
        Ok(read) => panic!("it was read: {}", read.frontmatter),
        Err(said) => assert_eq!(said, expected),
    }
}

fn place(read: &Read, node: &Node) -> (usize, usize) {
    let location = read.source.location(node.span.start);
    (location.line, location.column)
}

#[test]
fn what_is_well_is_not_repaired() {
    let read = expect_of(
        "name: a\nturns: 3\nbackground: true\nyes: yes\nnone: ~\nsince: 2024-05-01\nratio: 0.5",
        json!({"name": "a", "turns": 3, "background": true, "yes": "yes", "none": null,
               "since": "2024-05-01", "ratio": 0.5}),
        &[],
    );
    assert!(!read.repaired);
    let keys: Vec<&str> = read
        .node
        .entries()
        .unwrap()
        .iter()
        .map(|entry| entry.key.as_str())
        .collect();
    assert_eq!(
        keys,
        [
            "name",
            "turns",
            "background",
            "yes",
            "none",
            "since",
            "ratio"
        ]
    );
}

#[test]
fn colons_in_a_plain_value() {
    let read = expect_of(
        "name: a\ndescription: Plan: then act. See https://example.org/#top: it helps\nmodel: opus",
        json!({"name": "a", "description": "Plan: then act. See https://example.org/#top: it helps",
               "model": "opus"}),
        &["AG005 warning 3:18"],
    );
    assert!(read.repaired);
    let description = read.node.get("description").unwrap();
    assert_eq!(place(&read, description), (3, 14));
}

#[test]
fn hashes_in_repaired_values() {
    expect_of(
        "description: Knows C # and: more\nmodel: opus: fast # for now\nmaxTurns: 3 # few\nbackground: true",
        json!({"description": "Knows C # and: more", "model": "opus: fast", "maxTurns": 3,
               "background": true}),
        &["AG005 warning 3:12"],
    );
}

#[test]
fn a_comment_behind_a_value_does_not_change_its_kind() {
    expect_of(
        "description: One: two\nmaxTurns: 3 \t# few\ntools: [Read, Write] # both\ncolor: \"red\" # warm",
        json!({"description": "One: two", "maxTurns": 3, "tools": ["Read", "Write"], "color": "red"}),
        &["AG005 warning 2:17"],
    );
}

#[test]
fn values_that_start_with_a_star() {
    expect_of(
        "name: a\ndescription: **Guard** of the gate\ntools: *",
        json!({"name": "a", "description": "**Guard** of the gate", "tools": "*"}),
        &["AG005 warning 3:15"],
    );
}

#[test]
fn quotes_that_do_not_close() {
    expect_of(
        "name: a\ndescription: \"Reads all of it\nmodel: opus",
        json!({"name": "a", "description": "Reads all of it", "model": "opus"}),
        &["AG005 warning 5:1"],
    );
}

#[test]
fn quotes_in_quotes() {
    expect_of(
        "name: a\ndescription: \"Says \"yes\" to: all\"\nvibe: 'It's fine'",
        json!({"name": "a", "description": "Says \"yes\" to: all", "vibe": "It's fine"}),
        &["AG005 warning 3:21"],
    );
}

#[test]
fn quoted_values_keep_their_escapes_in_a_repaired_file() {
    expect_of(
        "\"name\": \"a\\tb\" # tab\n'model': 'it''s'\ndescription: x: y",
        json!({"name": "a\tb", "model": "it's", "description": "x: y"}),
        &["AG005 warning 4:15"],
    );
}

#[test]
fn crlf_is_a_line_end_and_stays_in_the_body() {
    let read = expect(
        "---\r\nname: a\r\ndescription: |\r\n  One\r\n  two\r\n---\r\nBody\r\nmore\r\n",
        json!({"name": "a", "description": "One\ntwo\n"}),
        &["AG011 note 1:4"],
    );
    assert_eq!(read.body, "Body\r\nmore\r\n");
}

#[test]
fn bare_carriage_returns_too() {
    let read = expect(
        "---\rname: a\rdescription: x: y\r---\rBody\r",
        json!({"name": "a", "description": "x: y"}),
        &["AG011 note 1:4", "AG005 warning 3:15"],
    );
    assert_eq!(read.body, "Body\r");
}

#[test]
fn a_byte_order_mark_is_dropped() {
    let read = expect(
        "\u{feff}---\nname: a\n---\n\u{feff}Body",
        json!({"name": "a"}),
        &[],
    );
    assert_eq!(read.body, "\u{feff}Body");
}

#[test]
fn unusual_closing_lines() {
    let read = expect(
        "---\nname: a\n---- \nBody",
        json!({"name": "a"}),
        &["AG012 note 3:1"],
    );
    assert_eq!(read.body, "Body");
    let read = expect(
        "--- \nname: a\n...\n---\nBody",
        json!({"name": "a"}),
        &["AG012 note 3:1"],
    );
    assert_eq!(read.body, "---\nBody");
}

#[test]
fn a_code_fence_around_the_file() {
    let read = expect(
        "```markdown\n---\nname: a\n---\nBody\n\n```js\n1\n```\nEnd\n```\n",
        json!({"name": "a"}),
        &[],
    );
    assert_eq!(read.body, "Body\n\n```js\n1\n```\nEnd\n");
    let read = expect(
        "\n~~~~\n\n---\nname: a\n---\nBody\n~~~~",
        json!({"name": "a"}),
        &[],
    );
    assert_eq!(read.body, "Body\n");
}

#[test]
fn blank_lines_in_front() {
    let read = expect(
        "\n \t\n---\nname: a: b\n---\n\nBody",
        json!({"name": "a: b"}),
        &["AG005 warning 4:8"],
    );
    assert_eq!(read.body, "\nBody");
}

#[test]
fn the_whole_frontmatter_indented() {
    expect_of(
        "  name: a\n  description: x: y\n  hooks:\n    Stop:\n      - go",
        json!({"name": "a", "description": "x: y", "hooks": {"Stop": ["go"]}}),
        &["AG005 warning 3:17"],
    );
    expect_of(
        "\tname: a\n\u{3000}\n\tdescription: x: y",
        json!({"name": "a", "description": "x: y"}),
        &["AG005 warning 2:1"],
    );
}

#[test]
fn examples_over_many_lines() {
    let description = "Judges code. Examples:\n<example>\nContext: A change is done.\n\
                       user: \"Is it good?\"\nassistant: \"I'll ask the judge.\"\n<commentary>\n\
                       It wants a judgement: use it.\n</commentary>\n</example>";
    let read = expect_of(
        &format!("name: judge\ndescription: {description}\nmodel: opus"),
        json!({"name": "judge", "description": description, "model": "opus"}),
        &["AG005 warning 3:35"],
    );
    let parsed = example_blocks::parse(read.frontmatter["description"].as_str().unwrap());
    assert_eq!(parsed.summary, "Judges code.");
    assert_eq!(
        serde_json::to_value(&parsed.examples).unwrap(),
        json!([{"context": "A change is done.", "user": "Is it good?",
                "assistant": "I'll ask the judge.",
                "commentary": "It wants a judgement: use it."}])
    );
}

#[test]
fn an_example_that_is_never_closed_ends_at_a_known_key() {
    expect_of(
        "name: a\ndescription: Helps: <example>\nContext: one\nuser: two\nmodel: opus\nother: x",
        json!({"name": "a", "description": "Helps: <example>\nContext: one\nuser: two",
               "model": "opus", "other": "x"}),
        &["AG005 warning 3:19"],
    );
}

#[test]
fn literal_line_breaks() {
    let read = expect_of(
        "name: a\ndescription: Helps.\\n<example>\\nuser: Hi\\nassistant: Ho\\n</example>",
        json!({"name": "a",
               "description": "Helps.\n<example>\nuser: Hi\nassistant: Ho\n</example>"}),
        &["AG005 warning 3:37", "AG013 note 3:14"],
    );
    let parsed = example_blocks::parse(read.frontmatter["description"].as_str().unwrap());
    assert_eq!(parsed.summary, "Helps.");
    assert_eq!(parsed.examples.len(), 1);
    assert_eq!(parsed.examples[0].user.as_deref(), Some("Hi"));
    assert_eq!(parsed.examples[0].assistant.as_deref(), Some("Ho"));
    expect_of(
        "vibe: one\\ntwo\ndescription: one\\ntwo",
        json!({"vibe": "one\\ntwo", "description": "one\ntwo"}),
        &["AG013 note 3:14"],
    );
}

#[test]
fn escaped_examples() {
    let description = "Helps. &lt;example&gt;user: Hi assistant: Ho&lt;/example&gt;";
    let read = expect_of(
        &format!("description: {description}"),
        json!({"description": description}),
        &["AG005 warning 2:40"],
    );
    let parsed = example_blocks::parse(read.frontmatter["description"].as_str().unwrap());
    assert_eq!(parsed.summary, "Helps.");
    assert_eq!(parsed.examples[0].user.as_deref(), Some("Hi"));
    assert_eq!(parsed.examples[0].assistant.as_deref(), Some("Ho"));
}

#[test]
fn tools_in_every_shape() {
    let entries = |yaml: &str| {
        let read = read_bytes(format!("---\n{yaml}\n---\n").as_bytes())
            .ok()
            .unwrap();
        let found = tool_list::parse(read.node.get("tools").unwrap());
        found.map(|tools| {
            tools
                .into_iter()
                .map(|(tool, _)| tool.entry)
                .collect::<Vec<_>>()
        })
    };
    let expected = Some(vec![
        "Bash(git diff:*, git log:*)".to_owned(),
        "mcp__db__query".to_owned(),
    ]);
    assert_eq!(
        entries("tools: Bash(git diff:*, git log:*), mcp__db__query"),
        expected
    );
    assert_eq!(
        entries("tools:\n- Bash(git diff:*, git log:*)\n- mcp__db__query"),
        expected
    );
    assert_eq!(
        entries("tools: [\"Bash(git diff:*, git log:*)\", mcp__db__query]"),
        expected
    );
    assert_eq!(
        entries("tools: [Bash(git diff:*, git log:*), mcp__db__query: x\n"),
        Some(vec![
            "Bash(git diff:*, git log:*)".to_owned(),
            "mcp__db__query: x".to_owned()
        ])
    );
    assert_eq!(
        entries("tools:\n  Read: true\n  Write: false"),
        Some(vec!["Read".to_owned()])
    );
    assert_eq!(entries("tools:"), None);
    assert_eq!(entries("tools: ''"), Some(Vec::new()));
}

#[test]
fn lists_that_are_not_yaml() {
    let read = expect_of(
        "description: x: y\ntools:\n- Read # all\n- \"a\\tb\"\n- Bash: run: go\n  on\n- 3\ntriggers: [a, b: c: d, (e, f)]\nargument-hint: [file] [mode]",
        json!({"description": "x: y", "tools": ["Read", "a\tb", "Bash: run: go on", 3],
               "triggers": ["a", "b: c: d", "(e, f)"], "argument-hint": "[file] [mode]"}),
        &["AG005 warning 2:15"],
    );
    let tools = read.node.get("tools").unwrap().items().unwrap();
    assert_eq!(place(&read, &tools[0]), (4, 3));
    assert_eq!(place(&read, &tools[2]), (6, 1));
}

#[test]
fn lines_that_are_not_indented() {
    expect_of(
        "name: a\ndescription: Writes\nplain prose, and\n\nmore: of it\nmodel: opus",
        json!({"name": "a", "description": "Writes\nplain prose, and\n\nmore: of it", "model": "opus"}),
        &["AG005 warning 6:1"],
    );
    expect_of(
        "name: a: b\ndescription: Does\n  - this\n  - that\nmodel: opus\n  and more",
        json!({"name": "a: b", "description": "Does - this - that", "model": "opus and more"}),
        &["AG005 warning 2:8"],
    );
    expect_of(
        "name: a\ndescription: Does:\n- this\n- that: too",
        json!({"name": "a", "description": "Does:\n- this\n- that: too"}),
        &["AG005 warning 3:18"],
    );
}

#[test]
fn block_scalars_in_a_repaired_file() {
    expect_of(
        "name: a: b\ndescription: |\n  One\n\n    two\n  # three\nprompt: >-\n  folded\n  text\nvibe: |- # why\n  v",
        json!({"name": "a: b", "description": "One\n\n  two\n# three\n", "prompt": "folded text",
               "vibe": "v"}),
        &["AG005 warning 2:8"],
    );
    expect_of(
        "description: |\n  One\nnot indented: so: far\n  two\nmodel: opus",
        json!({"description": "One\nnot indented: so: far\ntwo\n", "model": "opus"}),
        &["AG005 warning 4:17"],
    );
}

#[test]
fn a_value_cut_by_a_comment() {
    let read = expect_of(
        "name: a # fine\ndescription: Use C # and more",
        json!({"name": "a", "description": "Use C"}),
        &["AG010 warning 3:20"],
    );
    assert!(!read.repaired);
}

#[test]
fn keys_that_stand_twice() {
    expect_of(
        "name: a\nmodel: opus\nname: b",
        json!({"name": "b", "model": "opus"}),
        &["AG009 warning 4:1"],
    );
    expect_of(
        "name: a\ndescription: x: y\nname: b\nservice:\n  sessions: true\n  sessions: false",
        json!({"name": "b", "description": "x: y", "service": {"sessions": false}}),
        &[
            "AG009 warning 4:1",
            "AG009 warning 7:3",
            "AG005 warning 3:15",
        ],
    );
}

#[test]
fn anchors_aliases_and_tags() {
    refused("---\nname: &n a\nb: *n\n---\n", &["AG007 error 2:10"]);
    refused("---\nname: !!str a\n---\n", &["AG007 error 2:13"]);
    refused(
        "---\nname: a: b\nservice:\n  x: &n a\n  y: *n\n---\n",
        &["AG007 error 4:9"],
    );
}

#[test]
fn too_deep() {
    let nested =
        |depth: usize| format!("---\na: {}{}\n---\n", "[".repeat(depth), "]".repeat(depth));
    assert!(read_bytes(nested(31).as_bytes()).is_ok());
    refused(nested(32), &["AG008 error 2:35"]);
    refused(
        nested(32).replace("---\na", "---\nb: c: d\na"),
        &["AG008 error 3:35"],
    );
}

#[test]
fn too_large() {
    let yaml = |length: usize| format!("---\nname: {}\n---\n", "a".repeat(length - 7));
    assert!(read_bytes(yaml(64 * 1024).as_bytes()).is_ok());
    refused(yaml(64 * 1024 + 1), &["AG004 error 2:1"]);
    let head = "---\na: b\n---\n";
    let filled = format!("{head}{}", " ".repeat(MAX_FILE_BYTES - head.len()));
    assert!(read_bytes(filled.as_bytes()).is_ok());
    refused(vec![b'a'; MAX_FILE_BYTES + 1], &["AG004 error"]);
}

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

#[test]
fn not_text() {
    refused(b"---\nname: a\0\n---\n", &["AG003 error"]);
    refused(b"---\nname: \xff\n---\n", &["AG003 error"]);
    refused(b"\xff\xfe-\0-\0-\0\n\0", &["AG003 error"]);
    refused(b"\xfe\xff\0-\0-\0-\0\n", &["AG003 error"]);
    let message = Source::from_bytes("x.md", b"---\r\nname: \xff".to_vec())
        .unwrap_err()
        .to_string();
    assert_eq!(message, "line 2 is not UTF-8 (byte 11 of the file)");
}

#[test]
fn frontmatter_that_is_none() {
    refused("---\nname: a\n", &["AG002 error 1:1"]);
    refused("\n\n---\nname: a\n", &["AG002 error 3:1"]);
    refused("---\n- a\n- b\n---\n", &["AG006 error 2:1"]);
    refused("---\njust words\n---\n", &["AG006 error 2:1"]);
    refused(
        "---\n# why\njust words\nname: a: b\n---\n",
        &["AG006 error 3:1"],
    );
    refused("# Notes\n\n---\nname: a\n---\n", &["no frontmatter"]);
    refused("", &["no frontmatter"]);
    refused(" ---\nname: a\n---\n", &["no frontmatter"]);
    for text in ["---\n---\nBody", "---\n\n# nothing\n---\nBody"] {
        let read = expect(text, json!({}), &[]);
        assert_eq!(read.body, "Body");
    }
}

#[test]
fn comments_between_entries() {
    expect_of(
        "# first: one\nname: a: b\n# second: two\n\n# third\ndescription: x\n# last",
        json!({"name": "a: b", "description": "x"}),
        &["AG005 warning 3:8"],
    );
    expect_of(
        "name: a: b\ndescription: One\n# Heading\nmore text\nmodel: opus",
        json!({"name": "a: b", "description": "One\n# Heading\nmore text", "model": "opus"}),
        &["AG005 warning 2:8"],
    );
}

#[test]
fn places_in_a_service_block_of_a_repaired_file() {
    let read = expect_of(
        "name: a\ndescription: x: y\nservice:\n  endpoints:\n    - route: POST /a\n      limit: 3 # few\nmodel: opus",
        json!({"name": "a", "description": "x: y",
               "service": {"endpoints": [{"route": "POST /a", "limit": 3}]}, "model": "opus"}),
        &["AG005 warning 3:15"],
    );
    let endpoints = read.node.get("service").unwrap().get("endpoints").unwrap();
    let endpoint = &endpoints.items().unwrap()[0];
    assert_eq!(place(&read, endpoint.get("route").unwrap()), (6, 14));
    assert_eq!(place(&read, endpoint.get("limit").unwrap()), (7, 14));
}

#[test]
fn whole_files_of_yaml() {
    let read = |text: &str| {
        let source = Source::from_bytes("agents/x.yaml", text.as_bytes().to_vec()).unwrap();
        let mut report = Report::new(&source);
        let node = frontmatter::read_yaml(&mut report);
        let said: Vec<String> = report.into_diagnostics().iter().map(said).collect();
        (node.map(|node| node.to_json()), said)
    };
    assert_eq!(
        read("name: a\nprompt: |\n  Do: it\n  well\n"),
        (
            Some(json!({"name": "a", "prompt": "Do: it\nwell\n"})),
            vec![]
        )
    );
    assert_eq!(
        read("name: a: b\n"),
        (None, vec!["AG006 error 1:8".to_owned()])
    );
    assert_eq!(read("- a\n"), (None, vec!["AG006 error 1:1".to_owned()]));
    assert_eq!(
        read("a: &x 1\nb: *x\n"),
        (None, vec!["AG007 error 1:7".to_owned()])
    );
    assert_eq!(read("# nothing\n"), (Some(json!({})), vec![]));
}

fn hold_places(node: &Node, text: &str) {
    let within = |span: crate::diagnostics::span::Span| {
        assert!(
            text.get(span.start..span.end).is_some(),
            "{span:?} in {text:?}"
        );
    };
    within(node.span);
    for entry in node.entries().unwrap_or_default() {
        within(entry.key_span);
        hold_places(&entry.value, text);
    }
    for item in node.items().unwrap_or_default() {
        hold_places(item, text);
    }
}

fn hold(text: &str) {
    let source = Arc::new(Source::new("x.md", text.to_owned()));
    let mut report = Report::new(&source);
    if let Reading::Agent(document) = frontmatter::read(&mut report, false) {
        hold_places(&document.frontmatter, text);
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

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn never_panics_on_any_text(before in "[ \n`~]{0,4}", yaml in "\\PC{0,60}", more in any::<String>()) {
        hold(&format!("{before}---\n{yaml}\n{more}\n---\n{more}"));
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
        hold(&format!("---\n{}\n---\nBody", pieces.concat()));
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
