//! The official test suite of JSON Schema: every case gives the right answer, or its schema is refused by name.
//!
//! ```text
//! AGENTGEN_JSON_SCHEMA_SUITE=path/to/json-schema-test-suite cargo test -p agentgen-schema --test json_schema_suite -- --nocapture
//! ```
#![allow(clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use agentgen_schema::{CompileErrorKind, CompileOptions, Format, Schema, vocabulary};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Case {
    description: String,
    schema: Value,
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    description: String,
    data: Value,
    valid: bool,
}

/// What became of the cases of one file.
#[derive(Default)]
struct Tally {
    passed: usize,
    /// How many cases were refused, by what was refused.
    refused: BTreeMap<String, usize>,
    wrong: Vec<String>,
}

/// Formats are annotations in the suite, and assertions in its folder `optional/format`.
const FORMAT_FOLDER: &str = "optional/format";

#[test]
fn every_case_is_right_or_refused_by_name() {
    let Some(folder) = suite() else {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "the JSON Schema test suite is missing: set AGENTGEN_JSON_SCHEMA_SUITE"
        );
        println!(
            "skipped: no JSON Schema test suite; set AGENTGEN_JSON_SCHEMA_SUITE to its folder"
        );
        return;
    };
    let mut tallies = BTreeMap::new();
    for file in files(&folder) {
        let name = file.strip_prefix(&folder).expect("a file of the suite");
        let name = name.with_extension("").to_string_lossy().into_owned();
        tallies.insert(name.clone(), run(&file, name.starts_with(FORMAT_FOLDER)));
    }
    print_table(&tallies);
    let wrong: Vec<&String> = tallies.values().flat_map(|tally| &tally.wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    // A file that is named after an accepted keyword tests it, so some of its cases must compile.
    let untested: Vec<&&str> = vocabulary::ACCEPTED
        .iter()
        .filter(|keyword| {
            tallies
                .get(**keyword)
                .is_some_and(|tally| tally.passed == 0)
        })
        .collect();
    assert!(untested.is_empty(), "no case compiles: {untested:?}");
    let files = vocabulary::ACCEPTED
        .iter()
        .filter(|keyword| tallies.contains_key(**keyword));
    assert!(files.count() >= 32, "files of keywords are missing");
}

fn suite() -> Option<PathBuf> {
    let beside =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/json-schema-test-suite");
    let given = std::env::var_os("AGENTGEN_JSON_SCHEMA_SUITE").map(PathBuf::from);
    [given, Some(beside)]
        .into_iter()
        .flatten()
        .map(|root| root.join("tests/draft2020-12"))
        .find(|folder| folder.is_dir())
}

/// The files of the suite; of those in `optional/format`, the ones whose format is checked.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for name in ["", "optional", FORMAT_FOLDER] {
        let entries = fs::read_dir(folder.join(name)).expect("a folder of the suite");
        for entry in entries {
            let path = entry.expect("a file").path();
            let stem = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            let is_checked = name != FORMAT_FOLDER || Format::from_name(stem).is_some();
            if is_checked
                && path
                    .extension()
                    .is_some_and(|extension| extension == "json")
            {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn run(file: &Path, checks_formats: bool) -> Tally {
    let text = fs::read_to_string(file).expect("a file of the suite");
    let cases: Vec<Case> = serde_json::from_str(&text).expect("the format of the suite");
    let mut tally = Tally::default();
    for case in cases {
        let options = CompileOptions::default().check_formats(checks_formats);
        match options.compile(&case.schema) {
            Ok(schema) => {
                let wrong = wrong_answers(&schema, &case);
                tally.passed += usize::from(wrong.is_empty());
                tally.wrong.extend(wrong);
            }
            Err(error) => match refused(&error.kind) {
                Some(name) if error.to_string().contains(&name) => {
                    *tally.refused.entry(name).or_default() += 1;
                }
                _ => tally.wrong.push(format!("{}: {error}", case.description)),
            },
        }
    }
    tally
}

fn wrong_answers(schema: &Schema, case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    for test in case
        .tests
        .iter()
        .filter(|test| !needs_idna(&case.schema, test))
    {
        let violations = schema.violations(&test.data);
        if schema.is_valid(&test.data) != test.valid || violations.is_empty() != test.valid {
            wrong.push(format!(
                "{}: {}: {violations:?}",
                case.description, test.description
            ));
        }
    }
    wrong
}

/// Whether a test needs the Unicode tables of IDNA 2008: labels that start with `xn--` are not decoded.
fn needs_idna(schema: &Value, test: &Test) -> bool {
    let label = test.data.as_str().unwrap_or_default().to_ascii_lowercase();
    schema["format"] == "hostname" && label.starts_with("xn--") && !test.valid
}

/// What a schema is refused for: a keyword that is not accepted, a dialect, a reference or a pattern.
fn refused(kind: &CompileErrorKind) -> Option<String> {
    match kind {
        CompileErrorKind::UnsupportedKeyword(keyword) => {
            let is_accepted = vocabulary::ACCEPTED.contains(&keyword.as_str());
            (!is_accepted).then(|| keyword.clone())
        }
        CompileErrorKind::UnsupportedDialect(name)
        | CompileErrorKind::UnsupportedDynamicReference(name)
        | CompileErrorKind::ExternalReference(name) => Some(name.clone()),
        CompileErrorKind::UnsupportedPattern(error) => Some(error.pattern().to_owned()),
        _ => None,
    }
}

fn print_table(tallies: &BTreeMap<String, Tally>) {
    println!("{:40} {:>6} {:>7}", "file", "passed", "refused");
    let mut names = BTreeSet::new();
    let (mut passed, mut refused) = (0, 0);
    for (file, tally) in tallies {
        let count: usize = tally.refused.values().sum();
        let list: Vec<&str> = tally.refused.keys().map(String::as_str).collect();
        println!(
            "{file:40} {:>6} {count:>7}  {}",
            tally.passed,
            list.join(" ")
        );
        passed += tally.passed;
        refused += count;
        names.extend(list);
    }
    println!(
        "{:40} {passed:>6} {refused:>7}  {} names",
        "all",
        names.len()
    );
}
