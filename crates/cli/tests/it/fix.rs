//! Frontmatter that is not valid YAML is written as valid YAML, and everything else stays.

use std::sync::Arc;

use agentgen_build::Source;
use agentgen_build::inspect::{Document, Reading, Report, fix, read_frontmatter};
use serde_json::json;

fn read(bytes: &[u8]) -> (Arc<Source>, Document) {
    let source = Source::from_bytes("agents/x.md", bytes.to_vec()).unwrap();
    match read_frontmatter(&mut Report::new(&source), false) {
        Reading::Agent(document) => (source, document),
        other => panic!("{other:?}"),
    }
}

fn fixed(text: &str) -> Option<String> {
    let (source, document) = read(text.as_bytes());
    fix(&source, &document)
}

/// Fixes the text, and holds that the values stay and that a second run finds nothing to do.
#[track_caller]
fn expect(before: &str, after: &str) {
    let text = fixed(before).unwrap();
    assert_eq!(text, after);
    let values = |text: &str| read(text.as_bytes()).1.frontmatter.to_json();
    assert_eq!(values(&text), values(before));
    assert!(!read(text.as_bytes()).1.repaired);
    assert_eq!(fixed(&text), None);
}

#[test]
fn values_and_their_order_stay() {
    expect(
        "---\nname: x\ndescription: One: two\nzeta: 1\nalpha: true\ntools: [Read, Write]\nmodel:\n---\n# Body \n\ttext",
        "---\nname: x\ndescription: 'One: two'\nzeta: 1\nalpha: true\ntools: [Read, Write]\nmodel:\n---\n# Body \n\ttext",
    );
}

#[test]
fn literal_line_breaks_become_line_breaks() {
    let text = "---\ndescription: One: two\\n<example>\\nuser: Hi\\n</example>\n---\n";
    expect(
        text,
        "---\ndescription: |-\n  One: two\n  <example>\n  user: Hi\n  </example>\n---\n",
    );
}

#[test]
fn text_that_looks_like_something_else_stays_text() {
    let text = "---\na: 'true'\nb: '3'\nc: \"---\"\nd: ' x '\ne: \"x\\ty\\r\\n\"\nf: '# x'\ng: 'null'\nh: yes\ndescription: y: z\n---\n";
    let (_, document) = read(text.as_bytes());
    let (_, again) = read(fixed(text).unwrap().as_bytes());
    assert!(!again.repaired);
    assert_eq!(
        again.frontmatter.to_json(),
        json!({"a": "true", "b": "3", "c": "---", "d": " x ", "e": "x\ty\r\n", "f": "# x", "g": "null",
               "h": "yes", "description": "y: z"})
    );
    assert_eq!(again.frontmatter.to_json(), document.frontmatter.to_json());
}

#[test]
fn what_is_around_the_frontmatter_is_written_plainly() {
    let plain = "---\nname: 'a: b'\n---\nBody\n";
    expect("\u{feff}\n\n--- \nname: a: b\n----\nBody\n", plain);
    expect("```md\n---\nname: a: b\n---\nBody\n```\n", plain);
    expect("---\nname: a: b\n---", "---\nname: 'a: b'\n---\n");
}

#[test]
fn line_ends_stay() {
    expect(
        "---\r\nname: a: b\r\n---\r\nBody\n\rmore",
        "---\r\nname: 'a: b'\r\n---\r\nBody\n\rmore",
    );
}

#[test]
fn what_is_valid_is_left_alone() {
    assert_eq!(fixed("---\n# a comment\nname:   x\n----\nBody"), None);
}

#[test]
fn comments_and_other_entries_stay_as_they_are() {
    expect(
        "---\n# first\nname:   x # why\ndescription: One: two\n\n# second\n'model': \"opus\"\ntools: Read: all\n\nservice:\n    timeout:   3s\n---\nBody",
        "---\n# first\nname:   x # why\ndescription: 'One: two'\n\n# second\n'model': \"opus\"\ntools: 'Read: all'\n\nservice:\n    timeout:   3s\n---\nBody",
    );
}

#[test]
fn values_that_start_with_a_quoted_phrase_keep_their_quotes() {
    expect(
        "---\ndescription: \"Fast\" reviewer for \"Go\"\nvibe: \"A\", then b\n---\n",
        "---\ndescription: '\"Fast\" reviewer for \"Go\"'\nvibe: '\"A\", then b'\n---\n",
    );
}
