//! Diagnostics as a SARIF 2.1.0 log, which code scanning services read.

use std::collections::BTreeSet;

use agentgen_build::inspect::{json_text, printable};
use agentgen_build::{Code, Diagnostic, Location, Severity};
use serde_json::{Value, json};

use crate::terminal::explanation::{explanation, paragraph, title};
use crate::terminal::report_root;

/// The log: one run, with a rule for each code that occurs. Columns count characters.
pub fn log(diagnostics: &[Diagnostic]) -> String {
    let codes: BTreeSet<Code> = diagnostics.iter().map(|one| one.code).collect();
    let codes: Vec<Code> = codes.into_iter().collect();
    let rules: Vec<Value> = codes.iter().map(|code| rule(*code)).collect();
    let results: Vec<Value> = diagnostics.iter().map(|one| result(one, &codes)).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "agentgen",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    format!("{}\n", json_text(&log))
}

fn rule(code: Code) -> Value {
    json!({
        "id": code.as_str(),
        "name": format!("{code:?}"),
        "shortDescription": { "text": title(code) },
        "fullDescription": { "text": paragraph(code) },
        "help": {
            "text": format!("{}\n\nRun `agentgen explain {code}` for an example and its fix.", paragraph(code)),
            "markdown": explanation(code),
        },
    })
}

fn result(diagnostic: &Diagnostic, codes: &[Code]) -> Value {
    let level = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let text = match &diagnostic.help {
        Some(help) => format!("{} ({help})", diagnostic.message),
        None => diagnostic.message.clone(),
    };
    let region = diagnostic.location().zip(diagnostic.end_location());
    let related = diagnostic.related.iter().map(|related| {
        let region = Some((related.location(), related.end_location()));
        let mut location = location(related.source.path(), region);
        location["message"] = json!({ "text": printable(&related.message) });
        location
    });
    let mut result = json!({
        "ruleId": diagnostic.code.as_str(),
        "ruleIndex": codes.iter().position(|code| *code == diagnostic.code),
        "level": level,
        "message": { "text": printable(&text) },
        "locations": [location(&diagnostic.path, region)],
    });
    let related: Vec<Value> = related.collect();
    if !related.is_empty() {
        result["relatedLocations"] = Value::Array(related);
    }
    result
}

fn location(path: &str, region: Option<(Location, Location)>) -> Value {
    let path = report_root::from_repository(path);
    let mut physical = json!({
        "artifactLocation": { "uri": uri(&path), "uriBaseId": "%SRCROOT%" },
    });
    if let Some((start, end)) = region {
        physical["region"] = json!({
            "startLine": start.line,
            "startColumn": start.column,
            "endLine": end.line,
            "endColumn": end.column,
        });
    }
    json!({ "physicalLocation": physical })
}

/// `path` as a relative reference.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
