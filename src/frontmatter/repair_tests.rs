//! Frontmatter that is not YAML: what the repair reads, and the place that it reports.

#![allow(clippy::unwrap_used)]

use crate::diagnostics::Report;
use crate::diagnostics::source::Source;
use crate::frontmatter;
use crate::frontmatter::frontmatter_tests::{expect_of, place, read_bytes};
use crate::spec::{example_blocks, tool_list};
use serde_json::json;

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
        &["AG005 warning 3:14"],
    );
}

#[test]
fn quotes_that_do_not_close() {
    expect_of(
        "name: a\ndescription: \"Reads all of it\nmodel: opus",
        json!({"name": "a", "description": "Reads all of it", "model": "opus"}),
        &["AG005 warning 3:14"],
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
fn the_whole_frontmatter_indented() {
    expect_of(
        "  name: a\n  description: x: y\n  hooks:\n    Stop:\n      - go",
        json!({"name": "a", "description": "x: y", "hooks": {"Stop": ["go"]}}),
        &["AG005 warning 3:17"],
    );
    expect_of(
        "\tname: a\n\u{3000}\n\tdescription: x: y",
        json!({"name": "a", "description": "x: y"}),
        &["AG005 warning 3:1"],
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
        &["AG005 warning 4:1"],
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
        &["AG005 warning 4:1"],
    );
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

/// Asserts the description that is read of this line, between a name and a model.
#[track_caller]
fn described(value: &str, description: &str) {
    let yaml = format!("name: a\ndescription: {value}\nmodel: opus");
    let read = read_bytes(format!("---\n{yaml}\n---\n").as_bytes())
        .ok()
        .unwrap();
    let expected = json!({"name": "a", "description": description, "model": "opus"});
    assert_eq!(read.frontmatter, expected);
    assert_eq!(read.diagnostics.len(), 1, "{:?}", read.diagnostics);
    assert!(
        read.diagnostics[0].starts_with("AG005 warning 3:"),
        "{:?}",
        read.diagnostics
    );
}

#[test]
fn a_value_that_starts_with_a_quoted_phrase_keeps_all_its_quotes() {
    for value in [
        "\"Learn then Build\" — helps to understand: step by step",
        "\"Fast\" reviewer for \"Go\"",
        "\"A\" and \"B\": both",
        "\"A\", 'B' and C",
        "\"quoted\" then: more",
        "'single' then more",
        "'single' and \"double\"",
        "'A' or 'B'",
        "\"A\" é",
        "'œ' ‘é’",
        "\"\" is empty: so",
        "\"A\" (\"B\")",
        "\"one\" \"two\"",
        "'It's done' when asked: now",
    ] {
        described(value, value);
    }
}

#[test]
fn an_item_that_starts_with_a_quoted_phrase_keeps_all_its_quotes() {
    for yaml in [
        "name: a\ntags:\n  - \"Fast\" and \"good\"\n  - 'one' of: two\n  - \"plain\"",
        "name: a\ntags: [\"Fast\" and \"good\", 'one' of: two, \"plain\"]",
    ] {
        let read = read_bytes(format!("---\n{yaml}\n---\nBody\n").as_bytes()).unwrap();
        assert_eq!(
            read.frontmatter["tags"],
            json!(["\"Fast\" and \"good\"", "'one' of: two", "plain"])
        );
    }
}

#[test]
fn each_of_two_entries_with_one_key_keeps_its_own_text() {
    let text = "---\nname: a\ndescription: one: two\ndescription: three: four\n---\nBody\n";
    let source = Source::from_bytes("x.md", text.as_bytes().to_vec()).unwrap();
    let mut report = Report::new(&source);
    let frontmatter::Reading::Agent(document) = frontmatter::read(&mut report, false) else {
        panic!("it is not read");
    };
    assert_eq!(
        frontmatter::rewrite::fix(&source, &document).unwrap(),
        "---\nname: a\ndescription: 'one: two'\ndescription: 'three: four'\n---\nBody\n"
    );
}

#[test]
fn unusual_line_breaks_are_written_as_escapes() {
    let text = "---\nname: a\ndescription: one: a\u{2028}b\n---\nBody\n";
    let source = Source::from_bytes("x.md", text.as_bytes().to_vec()).unwrap();
    let mut report = Report::new(&source);
    let frontmatter::Reading::Agent(document) = frontmatter::read(&mut report, false) else {
        panic!("it is not read");
    };
    assert_eq!(
        frontmatter::rewrite::fix(&source, &document).unwrap(),
        "---\nname: a\n\"description\": \"one: a\\u2028b\"\n---\nBody\n"
    );
}

#[test]
fn characters_and_tabs_are_named_at_their_place() {
    let told = |yaml: &str| {
        let source =
            Source::from_bytes("x.md", format!("---\n{yaml}\n---\nBody\n").into_bytes()).unwrap();
        let mut report = Report::new(&source);
        frontmatter::read(&mut report, false);
        let found = report.into_diagnostics();
        let line = found[0].to_string();
        line.split("; `").next().unwrap().to_owned()
    };
    for (yaml, wanted) in [
        (
            "description: one\u{2028}two",
            "x.md:2:17: warning[AG005]: an unusual line break (U+2028) is in the text; YAML may end the line there",
        ),
        (
            "description: |\n  one\u{85}two",
            "x.md:3:6: warning[AG005]: an unusual line break (U+0085) is in the text; YAML may end the line there",
        ),
        (
            "description: one\u{ffff}two",
            "x.md:2:17: warning[AG005]: the character U+FFFF can't be in YAML",
        ),
        (
            "name: a\n\t\ndescription: d",
            "x.md:3:1: warning[AG005]: line 3 holds a tab and nothing else",
        ),
        (
            "name: a\n\t# why\ndescription: d",
            "x.md:3:1: warning[AG005]: line 3 is indented with a tab; YAML needs spaces",
        ),
        (
            "description: ? unsure",
            "x.md:2:14: warning[AG005]: a value that starts with `?` needs quotes",
        ),
        (
            "description: `code` first",
            "x.md:2:14: warning[AG005]: a value that starts with a backtick needs quotes",
        ),
    ] {
        assert_eq!(told(yaml), wanted);
    }
}

#[test]
fn quotes_around_the_whole_value_go() {
    for (value, text) in [
        ("\"Says \"yes\" to: all\"", "Says \"yes\" to: all"),
        ("'It's fine'", "It's fine"),
        ("'Handles users' data: all'", "Handles users' data: all"),
        ("\"For 12\" screens: all\"", "For 12\" screens: all"),
        (
            "\"Asks (\"why\") and \"how\"\"",
            "Asks (\"why\") and \"how\"",
        ),
    ] {
        described(value, text);
    }
}

#[test]
fn typographic_quotes_are_text() {
    expect_of(
        "name: a\ndescription: “Fast” reviewer: for ‘Go’\ntools: [“Read”, Grep: x: y]",
        json!({"name": "a", "description": "“Fast” reviewer: for ‘Go’", "tools": ["“Read”", "Grep: x: y"]}),
        &["AG005 warning 3:29"],
    );
}

#[test]
fn examples_at_the_start_of_a_line_stay_in_the_description() {
    for label in ["Examples:", "Example:", "Example: one", "Context: a draft"] {
        let description =
            format!("Edits text: all.\n\n{label}\n<example>\nuser: \"Hi\"\n</example>");
        expect_of(
            &format!("name: a\ndescription: {description}\nmodel: opus"),
            json!({"name": "a", "description": description, "model": "opus"}),
            &["AG005 warning 3:24"],
        );
    }
    expect_of(
        "name: a\ndescription: Edits: all.\nContext: one\nuser: two\nassistant: three\nmodel: opus",
        json!({"name": "a", "model": "opus",
               "description": "Edits: all.\nContext: one\nuser: two\nassistant: three"}),
        &["AG005 warning 3:19"],
    );
}

#[test]
fn a_key_of_several_words() {
    expect_of(
        "name: a\ndescription: One: two\nwhen to use: always\nmodel: opus",
        json!({"name": "a", "description": "One: two", "when to use": "always", "model": "opus"}),
        &["AG005 warning 3:17"],
    );
    expect_of(
        "name: a\ndescription: One: two\nand it goes on: here\nand here\nmodel: opus",
        json!({"name": "a", "description": "One: two and it goes on: here and here", "model": "opus"}),
        &["AG005 warning 3:17"],
    );
}

#[test]
fn what_was_read_is_said() {
    let message = |yaml: &str| {
        let text = format!("---\n{yaml}\n---\nBody\n");
        let source = Source::from_bytes("x.md", text.into_bytes()).unwrap();
        let mut report = Report::new(&source);
        frontmatter::read(&mut report, false);
        let found = report.into_diagnostics();
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].message.clone()
    };
    assert_eq!(
        message("name: a\ndescription: Plan: then act"),
        "`: ` inside a value needs quotes; `description` was read as the text “Plan: then act”"
    );
    assert_eq!(
        message("name: a\ndescription: Checks code\n\nafter each change, always."),
        "the text of `description` continues in line 5 without indentation; `description` was read as the text “Checks code\\nafter each change, always.”"
    );
    assert_eq!(
        message("description: d\ntools: [Read, Grep"),
        "the bracket that opens here is never closed; `tools` was read as a list of 2 items"
    );
    assert_eq!(
        message("tools:\n\t- Read\n\t- Grep"),
        "line 3 is indented with a tab; YAML needs spaces; `tools` was read as a list of 2 items"
    );
    assert_eq!(
        message("model: \"a\\db\""),
        "`\\d` means nothing inside double quotes; `model` was read as the text “a\\db”"
    );
}
