//! Pictures of agents and workflows, as the command prints them.
//!
//! `AGENTGEN_UPDATE_SNAPSHOTS=1 cargo test -p cargo-agentgen graph` writes the expected pictures anew.

#[allow(dead_code)]
use std::fs;
use std::path::Path;

use crate::command_folder::Folder;

/// A name full of what the three languages would read as their own.
const NASTY: &str = r#"R&D "x"] --> <b>\N;end`#é"#;

const BAKER: &str = r#"---
name: baker
description: Bakes what is asked for, with help.
service:
  agents: [miller, r-and-d-x-b-n-end-e]
  workflows:
    bread:
      - plan: baker
      - parallel:
          - flour: { agent: miller, retry: 3, timeout: 90s }
          - water: { agent: r-and-d-x-b-n-end-e, on_failure: skip }
      - bake:
          agent: baker
          when: '"</text> --> ]" != plan.output'
          on_failure: { fallback: miller }
      - serve: { agent: baker, timeout: 1500ms, on_failure: escalate }
    alone:
      - only: baker
---
You bake.
"#;

const MILLER: &str = "---\nname: miller\ndescription: Grinds corn.\n---\nYou grind.\n";

fn bakery() -> Folder {
    let nasty =
        format!("---\nname: '{NASTY}'\ndescription: Has an awkward name.\n---\nYou are awkward.\n");
    Folder::new(&[
        ("agents/baker.md", BAKER),
        ("agents/miller.md", MILLER),
        ("agents/nasty.md", &nasty),
    ])
}

fn picture(folder: &Folder, arguments: &[&str]) -> String {
    let arguments = [&["graph"], arguments].concat();
    folder.run(&arguments).expect(0).stdout
}

#[test]
fn draws_a_project_in_three_languages() {
    let folder = bakery();
    for (language, extension) in [("mermaid", "mmd"), ("dot", "dot"), ("svg", "svg")] {
        let text = picture(&folder, &["--format", language]);
        let name = format!("bakery.{extension}");
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/snapshots")
            .join(name);
        if std::env::var_os("AGENTGEN_UPDATE_SNAPSHOTS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap();
        assert_eq!(text, expected, "{language}");
    }
}

#[test]
fn mermaid_is_the_language_without_a_word() {
    let folder = bakery();
    let text = picture(&folder, &["bread"]);
    assert_eq!(text, picture(&folder, &["bread", "--format", "mermaid"]));
    assert!(text.starts_with("flowchart TB\n"), "{text}");
}

#[test]
fn draws_the_same_bytes_every_time() {
    let folder = Folder::new(&[]);
    let agents = concat!(env!("CARGO_MANIFEST_DIR"), "/../../agents");
    for language in ["mermaid", "dot", "svg"] {
        let arguments = ["--agents", agents, "--format", language];
        let first = picture(&folder, &arguments);
        for _ in 0..5 {
            assert_eq!(picture(&folder, &arguments), first, "{language}");
        }
    }
}

#[test]
fn an_svg_is_xml_with_the_names_as_they_are() {
    let svg = picture(&bakery(), &["--format", "svg"]);
    let document = roxmltree::Document::parse(&svg).unwrap();
    let root = document.root_element();
    let title = root.first_element_child().unwrap();
    assert_eq!(title.tag_name().name(), "title");
    assert_eq!(title.text(), Some("Agents and workflows"));
    assert_eq!(root.attribute("role"), Some("img"));
    assert_eq!(root.attribute("aria-labelledby"), title.attribute("id"));
    let texts: Vec<&str> = document
        .descendants()
        .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")))
        .filter_map(|node| node.text())
        .collect();
    for text in [NASTY, r#"when "</text> --> ]" != plan.output"#, "a person"] {
        assert!(texts.contains(&text), "{text}: {texts:#?}");
    }
}

#[test]
fn steps_side_by_side_share_a_row_of_the_svg() {
    let svg = picture(&bakery(), &["bread", "--format", "svg"]);
    let document = roxmltree::Document::parse(&svg).unwrap();
    let number = |node: roxmltree::Node<'_, '_>, name: &str| -> f64 {
        node.attribute(name).unwrap().parse().unwrap()
    };
    let boxes: Vec<(f64, f64, f64, f64)> = document
        .descendants()
        .filter(|node| node.attribute("class") == Some("step"))
        .map(|node| {
            let (x, y) = (number(node, "x"), number(node, "y"));
            (x, x + number(node, "width"), y, y + number(node, "height"))
        })
        .collect();
    let [plan, flour, water, bake, serve] = boxes.as_slice() else {
        panic!("five steps: {boxes:?}");
    };
    let below = |upper: &(f64, f64, f64, f64), lower: &(f64, f64, f64, f64)| upper.3 < lower.2;
    assert!(below(plan, flour) && below(plan, water), "{boxes:?}");
    assert!(below(flour, bake) && below(water, bake), "{boxes:?}");
    assert!(below(bake, serve), "{boxes:?}");
    assert!(!below(flour, water) && !below(water, flour), "{boxes:?}");
    assert!(flour.1 < water.0 || water.1 < flour.0, "{boxes:?}");
}

#[test]
fn a_name_chooses_an_agent_or_a_workflow() {
    let folder = bakery();
    let bread = picture(&folder, &["bread"]);
    assert!(bread.contains("Workflow bread") && !bread.contains("Workflow alone"));
    let baker = picture(&folder, &["baker"]);
    for part in [
        "The agent baker",
        "miller",
        "Workflow bread",
        "Workflow alone",
    ] {
        assert!(baker.contains(part), "{part}: {baker}");
    }
    let miller = picture(&folder, &["miller"]);
    assert!(!miller.contains("baker"), "{miller}");
}

#[test]
fn a_workflow_is_found_by_its_name_and_by_that_in_its_path() {
    let agent =
        "---\nname: a\ndescription: A.\nservice: { workflows: { Two Words: [one: a] } }\n---\nA.\n";
    let folder = Folder::new(&[("agents/a.md", agent)]);
    let by_name = picture(&folder, &["Two Words"]);
    assert!(by_name.contains("Workflow Two Words"), "{by_name}");
    assert_eq!(picture(&folder, &["two-words"]), by_name);
}

#[test]
fn a_schedule_is_drawn_and_shown() {
    let agent = "---\nname: a\ndescription: A.\nservice:\n  workflows:\n    w:\n      schedule: { cron: 0 7 * * mon-fri, zone: \
        Europe/Berlin, input: { input: x } }\n      steps: [one: a]\n---\nA.\n";
    let folder = Folder::new(&[("agents/a.md", agent)]);
    let when = "0 7 * * mon-fri Europe/Berlin";
    let drawn = picture(&folder, &["w"]);
    assert!(drawn.contains("Workflow w, at 0 7"), "{drawn}");
    let shown = folder.run(&["show", "a"]).expect(0).stdout;
    assert!(
        shown.contains("SCHEDULE") && shown.contains(when),
        "{shown}"
    );
}

#[test]
fn a_name_that_is_not_there() {
    let run = bakery().run(&["graph", "braed"]).expect(1);
    assert_eq!(run.stdout, "");
    assert!(
        run.stderr.contains("did you mean `bread`?"),
        "{}",
        run.stderr
    );
}

#[test]
fn nothing_is_drawn_of_specs_that_are_wrong() {
    let cycle = BAKER.replace("- only: baker", "- only: { agent: baker, needs: [only] }");
    let folder = Folder::new(&[("agents/baker.md", &cycle)]);
    let run = folder.run(&["graph"]).expect(1);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("waits for itself"), "{}", run.stderr);
}

#[test]
fn what_no_document_may_hold_is_in_no_picture() {
    let folder = Folder::new(&[(
        "agents/a.md",
        "---\nname: \"a \\uFFFE\\uFFFF\\e\\x7F\\x9B b\"\ndescription: Has an awkward name.\n---\nYou are awkward.\n",
    )]);
    for format in ["svg", "dot", "mermaid"] {
        let picture = picture(&folder, &["--format", format]);
        let is_odd = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
        let odd = picture.chars().find(|c| *c != '\n' && is_odd(*c));
        assert_eq!(odd, None, "{picture}");
        assert!(!picture.contains("#6553"), "{picture}");
    }
}
