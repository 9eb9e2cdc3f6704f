//! Reads a corpus of public agent files and holds the readings against the expected ones.
//!
//! `AGENTGEN_CORPUS` names a folder with `agents/` and `expected.json`, `AGENTGEN_SEEDS` one with the
//! five reference agents. Without them there is nothing to test; under CI that is a failure.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::frontmatter::repair;
use crate::frontmatter::rewrite::fix;
use crate::frontmatter::split::{Split, split};
use crate::frontmatter::{self, Document, Reading};
use crate::yaml::{self, Once};
use serde_json::{Value as Json, json};

/// How many files the corpus has at least.
const FILES: usize = 211;

fn folder(variable: &str) -> Option<PathBuf> {
    match std::env::var_os(variable) {
        Some(folder) => {
            let folder = PathBuf::from(folder);
            assert!(
                folder.is_dir(),
                "{variable} names no folder: {}",
                folder.display()
            );
            Some(folder)
        }
        None => {
            assert!(std::env::var_os("CI").is_none(), "{variable} is not set");
            eprintln!("not run: {variable} is not set");
            None
        }
    }
}

fn source(path: &Path) -> Arc<Source> {
    Source::from_bytes(&path.display().to_string(), std::fs::read(path).unwrap()).unwrap()
}

fn trimmed(value: &Json) -> Json {
    match value {
        Json::String(text) => json!(text.trim_end()),
        Json::Array(items) => items.iter().map(trimmed).collect(),
        Json::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), trimmed(value)))
            .collect(),
        value => value.clone(),
    }
}

fn body_bytes(source: &Source, document: &Document) -> usize {
    source.text()[document.body.clone()]
        .replace("\r\n", "\n")
        .replace('\r', "\n")
        .len()
}

fn notes(report: Report) -> Vec<&'static str> {
    let mut notes: Vec<&str> = report
        .into_diagnostics()
        .iter()
        .filter_map(|diagnostic| match diagnostic.code {
            Code::LiteralLineBreaks => Some("N-BSN"),
            Code::LineEnds => Some("W-CR"),
            Code::OddClosing => Some("W-ODD-CLOSE"),
            _ => None,
        })
        .collect();
    notes.sort_unstable();
    notes
}

/// What was read of a file, in the shape of `expected.json`.
fn reading(path: &Path) -> Json {
    let source = source(path);
    let mut report = Report::new(&source);
    match frontmatter::read(&mut report, false) {
        Reading::Agent(document) => json!({
            "body_bytes": body_bytes(&source, &document),
            "frontmatter": trimmed(&document.frontmatter.to_json()),
            "notes": notes(report),
            "repaired": document.repaired,
        }),
        Reading::NoFrontmatter => json!({ "unreadable": "E-NO-FRONTMATTER" }),
        Reading::Unreadable => json!({ "unreadable": report.into_diagnostics()[0].code.as_str() }),
    }
}

#[test]
fn reads_every_file_as_expected() {
    let Some(corpus) = folder("AGENTGEN_CORPUS") else {
        return;
    };
    let expected = std::fs::read_to_string(corpus.join("expected.json")).unwrap();
    let expected: BTreeMap<String, Json> = serde_json::from_str(&expected).unwrap();
    assert!(
        expected.len() >= FILES,
        "only {} files are expected",
        expected.len()
    );
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    for (name, expected) in &expected {
        let read = reading(&corpus.join("agents").join(name));
        let mut wanted = expected.clone();
        if let Some(frontmatter) = wanted.get_mut("frontmatter") {
            *frontmatter = trimmed(frontmatter);
        }
        let kind = match (&read["unreadable"], &read["repaired"]) {
            (Json::String(_), _) => "refused",
            (_, Json::Bool(true)) => "repaired",
            _ => "as they are",
        };
        *counts.entry(kind).or_insert(0) += 1;
        for key in [
            "unreadable",
            "repaired",
            "body_bytes",
            "notes",
            "frontmatter",
        ] {
            if read[key] != wanted[key] {
                wrong.push(format!(
                    "{name}: {key}\n  read     {}\n  expected {}",
                    read[key], wanted[key]
                ));
            }
        }
    }
    eprintln!("{} files: {counts:?}", expected.len());
    assert!(
        wrong.is_empty(),
        "{} wrong readings:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_repair_reader_agrees_where_strict_parsing_succeeds() {
    let Some(corpus) = folder("AGENTGEN_CORPUS") else {
        return;
    };
    let expected = std::fs::read_to_string(corpus.join("expected.json")).unwrap();
    let expected: BTreeMap<String, Json> = serde_json::from_str(&expected).unwrap();
    let mut compared = 0;
    let mut wrong = Vec::new();
    for name in expected.keys() {
        let source = source(&corpus.join("agents").join(name));
        let mut report = Report::new(&source);
        let Split::Parts { yaml, .. } = split(source.text()) else {
            continue;
        };
        let Ok(strict) = yaml::parse(yaml.clone(), Once::Nothing, &mut report) else {
            continue;
        };
        compared += 1;
        let strict = trimmed(&strict.to_json());
        match repair::read(yaml, Span::default(), &mut report) {
            Ok(repaired) if trimmed(&repaired.node.to_json()) == strict => {}
            Ok(repaired) => wrong.push(format!(
                "{name}\n  strict   {strict}\n  repaired {}",
                repaired.node.to_json()
            )),
            Err(fault) => wrong.push(format!("{name}: refused: {fault:?}")),
        }
    }
    assert!(compared > 100, "only {compared} files are strict YAML");
    assert!(
        wrong.is_empty(),
        "{} of {compared} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn reads_the_seeds() {
    let Some(seeds) = folder("AGENTGEN_SEEDS") else {
        return;
    };
    let expected = [
        ("backend-api-architect", 1084, true),
        ("fastapi-backend-developer", 1258, false),
        ("fastapi-backend-expert", 1172, true),
        ("fastapi-orchestrator", 3262, true),
        ("orchestrator", 357, false),
    ];
    for (name, length, repaired) in expected {
        let source = source(&seeds.join(format!("{name}.md")));
        let mut report = Report::new(&source);
        let Reading::Agent(document) = frontmatter::read(&mut report, false) else {
            panic!("{name} was not read");
        };
        assert_eq!(
            document.frontmatter.get("name").unwrap().as_str(),
            Some(name)
        );
        assert_eq!(document.repaired, repaired, "{name}");
        let description = document
            .frontmatter
            .get("description")
            .unwrap()
            .as_str()
            .unwrap();
        // A literal `\n` is two characters of the file and one of the value.
        let written = description.chars().count() + description.matches('\n').count();
        assert_eq!(written, length, "{name}");
        assert!(document.frontmatter.get("model").is_some(), "{name}");
    }
}

#[test]
fn what_was_repaired_can_be_fixed() {
    let Some(corpus) = folder("AGENTGEN_CORPUS") else {
        return;
    };
    let expected = std::fs::read_to_string(corpus.join("expected.json")).unwrap();
    let expected: BTreeMap<String, Json> = serde_json::from_str(&expected).unwrap();
    let mut fixed = 0;
    for name in expected.keys() {
        let before = source(&corpus.join("agents").join(name));
        let Reading::Agent(document) = frontmatter::read(&mut Report::new(&before), false) else {
            continue;
        };
        let Some(text) = fix(&before, &document) else {
            assert!(!document.repaired, "{name} is not fixed");
            continue;
        };
        fixed += 1;
        let after = Arc::new(Source::new(name, text));
        let mut report = Report::new(&after);
        let Reading::Agent(again) = frontmatter::read(&mut report, true) else {
            panic!("{name} is not read again");
        };
        assert!(!again.repaired, "{name}");
        assert_eq!(
            again.frontmatter.to_json(),
            document.frontmatter.to_json(),
            "{name}"
        );
        assert_eq!(
            after.text()[again.body.clone()],
            before.text()[document.body.clone()],
            "{name}"
        );
        assert_eq!(fix(&after, &again), None, "{name}");
    }
    assert!(fixed > 40, "only {fixed} files had to be fixed");
}
