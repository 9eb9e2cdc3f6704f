//! Frontmatter that is no YAML is written as YAML, and everything else stays.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use agentgen_build::Source;
use agentgen_build::inspect::{Document, Reading, Report, fix, read_frontmatter};
use serde_json::{Value as Json, json};

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
        "---\nname: x\ndescription: 'One: two'\nzeta: 1\nalpha: true\ntools:\n- Read\n- Write\nmodel: null\n---\n# Body \n\ttext",
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
fn check_fixes_files_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let agents = folder.path().join("agents");
    fs::create_dir(&agents).unwrap();
    let valid = "---\n# kept\nname: good\ndescription: Is well.\n---\nYou are well.\n";
    fs::write(agents.join("good.md"), valid).unwrap();
    fs::write(
        agents.join("ill.md"),
        "---\nname: ill\ndescription: Is: ill.\n---\nYou are ill.\n",
    )
    .unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_agentgen"))
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let text = |name: &str| fs::read_to_string(agents.join(name)).unwrap();

    let (_, stderr) = run(&["check"]);
    assert!(stderr.contains("AG005"), "{stderr}");
    let (stdout, _) = run(&["check", "--fix", "--format", "json"]);
    let document: Json = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        document["changes"],
        json!([{"path": "agents/ill.md", "kind": "update"}])
    );
    assert_eq!(document["summary"]["update"], 1);
    assert!(!stdout.contains("AG005"), "{stdout}");
    let fixed = "---\nname: ill\ndescription: 'Is: ill.'\n---\nYou are ill.\n";
    assert_eq!(text("ill.md"), fixed);
    assert_eq!(text("good.md"), valid);
    assert_eq!(fs::read_dir(&agents).unwrap().count(), 2);

    let (_, stderr) = run(&["check", "--fix"]);
    assert!(!stderr.contains("fixed "), "{stderr}");
    assert_eq!(text("ill.md"), fixed);

    fs::write(
        agents.join("ill.md"),
        "---\nname: ill\ndescription: Is: ill.\n---\nYou are ill.\n",
    )
    .unwrap();
    let (_, stderr) = run(&["check", "--fix"]);
    assert!(stderr.contains("fixed agents/ill.md"), "{stderr}");
    assert_eq!(text("ill.md"), fixed);
}
