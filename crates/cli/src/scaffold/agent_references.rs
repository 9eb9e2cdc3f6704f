//! Where an agent is named outside of its own file: by other agents, in prompts and in the user's code.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use agentgen_build::inspect::relative;
use agentgen_build::{Agent, Code, Diagnostic, Severity, Source, Span};

/// A place where a contract names an agent.
#[derive(Debug, Clone)]
pub struct Reference {
    /// The file.
    pub source: Arc<Source>,
    /// The place of the name.
    pub span: Span,
    /// The name as it was read.
    pub text: String,
}

/// The places where the contracts of `agents` name `agent`: handoffs, fallbacks and steps of workflows. Each place is
/// there once, in the order of files and places.
pub fn references(agents: &[Agent], agent: &Agent) -> Vec<Reference> {
    let names = [agent.spec.slug.as_str(), agent.spec.name.as_str()];
    let mut found = Vec::new();
    for other in agents {
        let service = &other.service;
        let mut written: Vec<_> = service.agents.iter().collect();
        written.extend(&service.policy.fallbacks);
        for step in service.workflows.iter().flat_map(|flow| &flow.steps) {
            written.extend(step.agents());
        }
        let meant = written
            .into_iter()
            .filter(|name| names.contains(&name.text.as_str()));
        found.extend(meant.map(|name| Reference {
            source: Arc::clone(&service.source),
            span: name.span,
            text: name.text.clone(),
        }));
    }
    found.sort_by(|a, b| (a.source.path(), a.span).cmp(&(b.source.path(), b.span)));
    found.dedup_by(|a, b| a.source.path() == b.source.path() && a.span == b.span);
    found
}

/// The places in the files `sources` that name the agent in running text, as `path:line`. Those of `known` are left out.
pub fn mentions(sources: &[Arc<Source>], agent: &Agent, known: &[Reference]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for name in [agent.spec.slug.as_str(), agent.spec.name.as_str()] {
            for (at, _) in source.text().match_indices(name) {
                let is_known = known.iter().any(|reference| {
                    let span = reference.span;
                    reference.source.path() == source.path()
                        && (span.start..=span.end).contains(&at)
                });
                if !is_known && is_whole_word(source.text(), at, name.len()) {
                    let line = source.location(at).line;
                    found.push((source.path().to_owned(), line));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    found
        .into_iter()
        .map(|(path, line)| format!("{path}:{line}"))
        .collect()
}

/// Warnings for the places in the user's Rust code that name the module `module`, besides the files `own`.
pub fn mentions_in_code(root: &Path, module: &str, own: &[String]) -> Vec<Diagnostic> {
    let mut files = Vec::new();
    for folder in ["src", "tests", "examples", "benches"] {
        rust_files(&root.join(folder), &mut files);
    }
    files.sort();
    let mut warnings = Vec::new();
    for path in files {
        let name = relative(root, &path);
        let Some(text) = fs::read_to_string(&path)
            .ok()
            .filter(|_| !own.contains(&name))
        else {
            continue;
        };
        let source = Arc::new(Source::new(&name, text));
        for prefix in ["generated::", "agents::"] {
            let path = format!("{prefix}{module}");
            for (at, _) in source.text().match_indices(&path) {
                if !is_whole_word(source.text(), at + prefix.len(), module.len()) {
                    continue;
                }
                let span = Span::new(at, at + path.len());
                let message = format!("`{path}` is named here");
                warnings.push(
                    Diagnostic::error(Code::UnknownAgent, "", message)
                        .with_severity(Severity::Warning)
                        .at(&source, span)
                        .help("change this code by hand"),
                );
            }
        }
    }
    warnings
}

fn is_whole_word(text: &str, at: usize, length: usize) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || "-_".contains(c);
    let before = text[..at].chars().next_back();
    let after = text[at + length..].chars().next();
    !before.is_some_and(is_word) && !after.is_some_and(is_word)
}

fn rust_files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        // A link to a folder may lead in a circle.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => rust_files(&path, found),
            Ok(_) if path.extension().is_some_and(|ending| ending == "rs") => found.push(path),
            _ => {}
        }
    }
}
