//! Reading frontmatter: delimiters, encodings, limits, and what is refused.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use crate::diagnostics::source::{MAX_FILE_BYTES, Source};
use crate::diagnostics::{Diagnostic, Report};
use crate::frontmatter::{self, Reading};
use crate::yaml::node::Node;
use serde_json::{Value as Json, json};

/// What was read of a file.
pub(super) struct Read {
    pub(super) frontmatter: Json,
    pub(super) node: Node,
    pub(super) body: String,
    pub(super) repaired: bool,
    pub(super) diagnostics: Vec<String>,
    pub(super) source: Arc<Source>,
}

/// `AG005 warning 2:14`
fn line(diagnostic: &Diagnostic) -> String {
    let place = diagnostic.location().map_or_else(String::new, |place| {
        format!(" {}:{}", place.line, place.column)
    });
    format!(
        "{} {}{place}",
        diagnostic.code,
        diagnostic.severity.as_str()
    )
}

pub(super) fn read_bytes(bytes: &[u8]) -> Result<Read, Vec<String>> {
    let source = Source::from_bytes("agents/x.md", bytes.to_vec())
        .map_err(|error| vec![format!("{} error", error.code())])?;
    let mut report = Report::new(&source);
    let reading = frontmatter::read(&mut report, false);
    let diagnostics: Vec<String> = report.into_diagnostics().iter().map(line).collect();
    match reading {
        Reading::Agent(document) => Ok(Read {
            frontmatter: document.frontmatter.to_json(),
            body: source.text()[document.body.clone()].to_owned(),
            node: document.frontmatter,
            repaired: document.repaired,
            diagnostics,
            source,
        }),
        Reading::NoFrontmatter => {
            assert!(diagnostics.is_empty(), "{diagnostics:?}");
            Err(vec!["no frontmatter".to_owned()])
        }
        Reading::Unreadable => Err(diagnostics),
    }
}

/// Asserts the values and diagnostics read of `text`.
#[track_caller]
pub(super) fn expect(text: &str, frontmatter: Json, diagnostics: &[&str]) -> Read {
    let read = read_bytes(text.as_bytes()).unwrap_or_else(|found| panic!("{found:?}"));
    assert_eq!(read.frontmatter, frontmatter);
    assert_eq!(read.diagnostics, diagnostics);
    read
}

/// The frontmatter `yaml` around a body that must come out as it is.
#[track_caller]
pub(super) fn expect_of(yaml: &str, frontmatter: Json, diagnostics: &[&str]) -> Read {
    let body = "# Role\n\n  Keep *this*. \n";
    let read = expect(
        &format!("---\n{yaml}\n---\n{body}"),
        frontmatter,
        diagnostics,
    );
    assert_eq!(read.body, body);
    read
}

#[track_caller]
pub(super) fn refused(bytes: impl AsRef<[u8]>, expected: &[&str]) {
    match read_bytes(bytes.as_ref()) {
        Ok(read) => panic!("it was read: {}", read.frontmatter),
        Err(found) => assert_eq!(found, expected),
    }
}

pub(super) fn place(read: &Read, node: &Node) -> (usize, usize) {
    let location = read.source.location(node.span.start);
    (location.line, location.column)
}

#[test]
fn valid_yaml_is_not_repaired() {
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
fn a_value_cut_by_a_comment() {
    let read = expect_of(
        "name: a # fine\ndescription: Use C # and more",
        json!({"name": "a", "description": "Use C"}),
        &["AG010 warning 3:20"],
    );
    assert!(!read.repaired);
}

#[test]
fn duplicate_keys() {
    expect_of(
        "name: a\nmodel: opus\nname: b",
        json!({"name": "b", "model": "opus"}),
        &["AG009 warning 4:1"],
    );
    expect_of(
        "name: a\ndescription: x: y\nname: b\nmetadata:\n  sessions: true\n  sessions: false",
        json!({"name": "b", "description": "x: y", "metadata": {"sessions": false}}),
        &[
            "AG009 warning 4:1",
            "AG009 warning 7:3",
            "AG005 warning 3:15",
        ],
    );
}

#[test]
fn restrictions_that_are_there_twice() {
    for twice in [
        "tools: Read\ntools: Read, Bash",
        "tools: [Read]\ntools:",
        "disallowedTools: Bash\ndisallowedTools: Write",
        "disallowed-tools: Bash\ndisallowed-tools: []",
        "permission: {bash: deny}\npermission: {edit: deny}",
        "maxTurns: 3\nmaxTurns: 30",
        "service: {roles: [a]}\nservice: {sessions: true}",
    ] {
        refused(
            format!("---\nname: a\n{twice}\n---\n"),
            &["AG009 error 4:1"],
        );
        // The same where the frontmatter is no valid YAML.
        refused(
            format!("---\nname: a\n{twice}\ndescription: x: y\n---\n"),
            &["AG009 error 4:1"],
        );
    }
    refused(
        "---\nname: a\nservice:\n  endpoints:\n    x: {roles: [a]}\n    x: {}\n---\n",
        &["AG009 error 6:5"],
    );
    expect_of(
        "name: a\ntools: Read\ntools: Read\nmetadata: {a: 1, a: 2}",
        json!({"name": "a", "tools": "Read", "metadata": {"a": 2}}),
        &["AG009 warning 4:1", "AG009 warning 5:18"],
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
    assert!(read_bytes(nested(63).as_bytes()).is_ok());
    refused(nested(64), &["AG008 error 2:67"]);
    refused(
        nested(64).replace("---\na", "---\nb: c: d\na"),
        &["AG008 error 3:67"],
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
    refused("---\nname: a\n ---\nBody\n", &["AG002 error 3:1"]);
    refused("---\nname: a\n\t---\nBody\n", &["AG002 error 3:1"]);
    refused("---\n- a\n- b\n---\n", &["AG006 error 2:1"]);
    refused("---\njust words\n---\n", &["AG006 error 2:1"]);
    refused(
        "---\n# why\njust words\nname: a: b\n---\n",
        &["AG006 error 3:1"],
    );
    refused("", &["no frontmatter"]);
    for text in ["---\n---\nBody", "---\n\n# nothing\n---\nBody"] {
        let read = expect(text, json!({}), &[]);
        assert_eq!(read.body, "Body");
    }
}

#[test]
fn frontmatter_that_starts_too_late() {
    let agent = "---\nname: a\ndescription: d\n---\nBody\n";
    for (above, place) in [
        ("<!-- generated, do not edit -->\n", "2:1"),
        ("<!-- generated\n\n---\nname: no\n---\n-->\n\n", "8:1"),
        ("# Planner\n\nPlans.\n", "4:1"),
        ("// made by a tool\n", "2:1"),
        ("```yaml\n---\nname: no\n---\n```\n", "6:1"),
        (&format!("<!--\n{}-->\n", "licence\n".repeat(60)), "63:1"),
    ] {
        refused(
            format!("{above}{agent}"),
            &[&format!("AG001 warning {place}")],
        );
    }
    // Behind nothing but a comment, any key of an agent will do.
    refused(
        "<!-- made -->\n---\ntools: Read\n---\nBody\n",
        &["AG001 warning 2:1"],
    );
    let indented = agent.replace('\n', "\n    ");
    refused(format!("\n    {indented}"), &["AG001 warning 2:1"]);
    refused(format!("\u{200b}{agent}"), &["AG001 warning 1:1"]);
    let message = |text: &str| {
        let source = Source::from_bytes("a.md", text.as_bytes().to_vec()).unwrap();
        let mut report = Report::new(&source);
        frontmatter::read(&mut report, false);
        report.into_diagnostics()[0].message.clone()
    };
    assert_eq!(
        message(&format!("<!-- made -->\n{agent}")),
        "the frontmatter starts at line 2; it must be the first thing in the file"
    );
    assert_eq!(
        message(&format!("\n    {indented}")),
        "the frontmatter starts at line 2 and is indented; it must start in the first column"
    );
}

#[test]
fn a_first_line_that_is_not_three_hyphens() {
    let told = |text: &str| {
        let source = Source::from_bytes("a.md", text.as_bytes().to_vec()).unwrap();
        let mut report = Report::new(&source);
        frontmatter::read(&mut report, false);
        report.into_diagnostics()[0].to_string()
    };
    for opening in ["--- # agent", "---yaml", "----", "\u{2014}", "--"] {
        assert_eq!(
            told(&format!("{opening}\nname: a\ndescription: d\n---\nBody\n")),
            format!(
                "a.md:1:1: warning[AG001]: the frontmatter starts with the line `{opening}`; it must be `---` alone (write `---` in its place; until then the file is left out)"
            )
        );
    }
    assert_eq!(
        told("+++\nname = \"a\"\n+++\nBody\n"),
        "a.md:1:1: warning[AG001]: the frontmatter is TOML, which is not read (write it as `key: value` lines between two lines `---`; until then the file is left out)"
    );
}

#[test]
fn what_only_looks_like_late_frontmatter() {
    for text in [
        "# Notes\n\n---\n\nSome text: more\n\n---\nEnd\n",
        "# Format\n\n```yaml\n---\nname: a\ndescription: d\n---\n```\n",
        "Write it so:\n\n    ---\n    name: a\n    ---\n",
        "<!--\n---\nname: a\n---\n-->\n",
        "One\n\n---\nname: a\n",
        "One\n---\nkey: value\n---\n",
        "------\nNote: text\n------\n",
        "One\n--- # agent\nname: a\n---\n",
    ] {
        refused(text, &["no frontmatter"]);
    }
}

#[test]
fn whole_files_of_yaml() {
    let read = |text: &str| {
        let source = Source::from_bytes("agents/x.yaml", text.as_bytes().to_vec()).unwrap();
        let mut report = Report::new(&source);
        let node = frontmatter::read_yaml(&mut report);
        let diagnostics: Vec<String> = report.into_diagnostics().iter().map(line).collect();
        (node.map(|node| node.to_json()), diagnostics)
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
