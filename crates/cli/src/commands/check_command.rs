//! `agentgen check`

use std::path::Path;
use std::sync::Arc;

use agentgen_build::inspect::{
    Document as Frontmatter, Reading, Report, byte_order_mark, fix, read_frontmatter, replace_file,
};
use agentgen_build::{Diagnostic, Project, Source, generate};
use clap::Args;

use crate::configuration::project_arguments::{Inputs, Settings};
use crate::terminal::diagnostic_report::{self, ReportFormat};
use crate::terminal::json_output::Document;
use crate::terminal::plural::plural;
use crate::terminal::read_summary::ReadSummary;
use crate::terminal::{Status, confirm, eprint_line, print, terminal_diff};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    inputs: Inputs,
    /// What to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: ReportFormat,
    /// Show how invalid frontmatter is written as valid YAML with the same values, and ask whether to write it
    #[arg(long)]
    fix: bool,
    /// Write without asking
    #[arg(long, short, requires = "fix")]
    yes: bool,
}

/// Generates in memory and reports all diagnostics. With `--fix`, agent files are rewritten first: those whose values are
/// certain, after a diff and a question.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    let settings = Settings::read(&arguments.inputs, None, arguments.format)?;
    let mut project = settings.load();
    let mut fixed = Fixed::default();
    if arguments.fix {
        fixed = fix_all(&settings.root, &project, arguments)?;
        if !fixed.paths.is_empty() {
            project = settings.load();
        }
    }
    let generation = generate(&project);
    let mut diagnostics = generation.diagnostics;
    let reading = ReadSummary::new(&project.sources, &generation.agents, &diagnostics);
    diagnostics.append(&mut fixed.failures);
    diagnostic_report::deduplicate(&mut diagnostics);
    let mut status = Status::of(&diagnostics);
    if fixed.refused {
        status = status.max(Status::Refused);
    }
    let document = || {
        let document = Document::new(&diagnostics, "checked").with_reading(&reading);
        document.with_rewritten(&fixed.paths)
    };
    if let Some(text) = arguments.format.document(&diagnostics, document) {
        return print(&text).map(|()| status);
    }
    diagnostic_report::report(&diagnostics, arguments.format)?;
    for path in &fixed.paths {
        eprint_line(&format!("fixed {path}"));
    }
    for path in &fixed.left {
        eprint_line(&format!(
            "{path} was not rewritten, because that would lose a value: remove the key that is there twice first"
        ));
    }
    reading.print(&diagnostics);
    Ok(status)
}

/// The result of `--fix`.
#[derive(Default)]
struct Fixed {
    /// The rewritten files.
    paths: Vec<String>,
    /// Whether nothing was written because nobody said yes.
    refused: bool,
    /// Files that need a repair and have none that keeps all values.
    left: Vec<String>,
    /// Errors of files that could not be written.
    failures: Vec<Diagnostic>,
}

/// A file and its new content.
struct Rewrite<'a> {
    path: &'a str,
    old: String,
    new: String,
}

fn fix_all(root: &Path, project: &Project, arguments: &Arguments) -> Result<Fixed, Status> {
    let mut fixed = Fixed::default();
    let mut rewrites = Vec::new();
    for source in &project.sources {
        let Some(document) = repaired(source) else {
            continue;
        };
        let Some(new) = fix(source, &document) else {
            fixed.left.push(source.path().to_owned());
            continue;
        };
        let mark = byte_order_mark(&root.join(source.path()));
        rewrites.push(Rewrite {
            path: source.path(),
            old: format!("{mark}{}", source.text()),
            new: format!("{mark}{new}"),
        });
    }
    if rewrites.is_empty() {
        return Ok(fixed);
    }
    for Rewrite { path, old, new } in &rewrites {
        let diff = terminal_diff::of_file(path, Some(old), new);
        match arguments.format {
            ReportFormat::Text => print(&terminal_diff::coloured(&diff))?,
            // Stdout is one document.
            _ => eprint_line(terminal_diff::coloured(&diff).trim_end()),
        }
    }
    let question = format!("write {}?", plural(rewrites.len(), "file"));
    if !arguments.yes {
        match confirm(&question) {
            Some(true) => {}
            Some(false) => fixed.refused = true,
            None => {
                eprint_line(
                    "nothing was written: there is no terminal to ask on; `--yes` writes without asking",
                );
                fixed.refused = true;
            }
        }
    }
    if fixed.refused {
        return Ok(fixed);
    }
    for Rewrite { path, old, new } in rewrites {
        match replace_file(root, &root.join(path), Some(old.as_bytes()), new.as_bytes()) {
            Ok(()) => fixed.paths.push(path.to_owned()),
            Err(failure) => fixed.failures.push(failure),
        }
    }
    Ok(fixed)
}

/// What is read of a Markdown file whose frontmatter is not valid YAML.
fn repaired(source: &Arc<Source>) -> Option<Frontmatter> {
    if !source.path().ends_with(".md") {
        return None;
    }
    match read_frontmatter(&mut Report::new(source), false) {
        Reading::Agent(document) => document.repaired.then_some(document),
        Reading::NoFrontmatter | Reading::Unreadable => None,
    }
}
