//! Mistakes in contracts: each is reported once, at its place, with what to do.

mod contract_answers;
mod contract_endpoints;
mod contract_headers;
mod contract_paths;
mod contract_roles;
mod contract_settings;
mod contract_sidecars;
mod contract_workflows;

use std::sync::Arc;

use agentgen_build::{Diagnostic, Project, Severity, Source, check};

pub(crate) fn assert_diagnostics(cases: &[(&str, &[&str])]) {
    for (block, expected) in cases {
        let found = diagnostics(&[("agents/keys.md", &spec("keys", block))]);
        let found: Vec<&str> = found
            .iter()
            .map(|line| line.trim_start_matches("keys.md:"))
            .collect();
        assert_eq!(found, *expected, "\n{block}");
    }
}

/// The diagnostics of a project with these files, each as `severity place code message; help`.
pub(crate) fn diagnostics(files: &[(&str, &str)]) -> Vec<String> {
    let mut sources: Vec<Arc<Source>> = files
        .iter()
        .map(|(path, text)| Source::from_bytes(path, text.as_bytes().to_vec()).unwrap())
        .collect();
    sources.sort_by(|a, b| a.path().cmp(b.path()));
    let project = Project {
        sources,
        ..Project::default()
    };
    let line = |diagnostic: &Diagnostic| {
        let place = diagnostic.location().map_or(String::new(), |location| {
            format!("{}:{}", location.line, location.column)
        });
        let severity = match diagnostic.severity {
            Severity::Error => "",
            other => &format!("{} ", other.as_str()),
        };
        format!(
            "{severity}{}:{place} {} {}; {}",
            diagnostic.path.trim_start_matches("agents/"),
            diagnostic.code,
            diagnostic.message,
            diagnostic.help.as_deref().unwrap_or_default()
        )
    };
    check(&project).diagnostics.iter().map(line).collect()
}

/// An agent file with this service block, which starts in line 5, column 3.
fn spec(name: &str, block: &str) -> String {
    let mut text = format!("---\nname: {name}\ndescription: Keeps {name}.\nservice:\n");
    for line in block.lines() {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str("---\nDo what is asked.\n");
    text
}
