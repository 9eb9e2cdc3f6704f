//! `agentgen check`

use std::fs;
use std::path::Path;
use std::sync::Arc;

use agentgen_build::inspect::{Reading, Report, fix, read_frontmatter, reason, write_file};
use agentgen_build::{Code, Diagnostic, Project, Source, generate};
use clap::Args;

use crate::configuration::project_arguments::{Inputs, Settings};
use crate::terminal::diagnostic_report::{self, Format, red, yellow};
use crate::terminal::json_output::Document;
use crate::terminal::plural::{Counts, plural};
use crate::terminal::{Status, eprint_line, print};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    inputs: Inputs,
    /// What to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Rewrite invalid frontmatter as valid YAML with the same values; comments in it are lost
    #[arg(long)]
    fix: bool,
}

/// Generates in memory and reports all diagnostics. With `--fix`, agent files are rewritten first.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    let settings = Settings::read(&arguments.inputs, None, arguments.format)?;
    let mut project = settings.load();
    let mut fixed = Fixed::default();
    if arguments.fix {
        fixed = fix_all(&settings.root, &project);
        if !fixed.paths.is_empty() {
            project = settings.load();
        }
    }
    let mut diagnostics = generate(&project).diagnostics;
    diagnostics.append(&mut fixed.failures);
    diagnostic_report::deduplicate(&mut diagnostics);
    let status = Status::of(&diagnostics);
    if arguments.format == Format::Json {
        let document = Document::new(&diagnostics, "checked").with_rewritten(&fixed.paths);
        return print(&document.text()).map(|()| status);
    }
    diagnostic_report::draw(&diagnostics);
    for path in &fixed.paths {
        eprint_line(&format!("fixed {path}"));
    }
    let counts = Counts::of(&diagnostics);
    let files = plural(project.sources.len(), "file");
    let summary = counts
        .words()
        .unwrap_or_else(|| "nothing to say".to_owned());
    let line = format!("{files} checked: {summary}");
    if counts.errors > 0 {
        eprint_line(&format!("{}: {line}", red("error")));
    } else if counts.warnings > 0 {
        eprint_line(&format!("{}: {line}", yellow("warning")));
    } else {
        eprint_line(&line);
    }
    Ok(status)
}

/// The result of `--fix`.
#[derive(Default)]
struct Fixed {
    /// The rewritten files.
    paths: Vec<String>,
    /// Errors of files that could not be written.
    failures: Vec<Diagnostic>,
}

fn fix_all(root: &Path, project: &Project) -> Fixed {
    let mut fixed = Fixed::default();
    for source in &project.sources {
        let Some(text) = fixed_text(source) else {
            continue;
        };
        // A link stays a link: the file it leads to is the one to rewrite.
        let written = fs::canonicalize(root.join(source.path()))
            .and_then(|path| write_file(&path, text.as_bytes()));
        match written {
            Ok(()) => fixed.paths.push(source.path().to_owned()),
            Err(error) => {
                let message = format!("the file can't be written: {}", reason(&error));
                let failure = Diagnostic::error(Code::Io, source.path(), message);
                fixed.failures.push(failure);
            }
        }
    }
    fixed
}

/// The new text of a Markdown file that can be fixed.
fn fixed_text(source: &Arc<Source>) -> Option<String> {
    if !source.path().ends_with(".md") {
        return None;
    }
    match read_frontmatter(&mut Report::new(source), false) {
        Reading::Agent(document) => fix(source, &document),
        Reading::NoFrontmatter | Reading::Unreadable => None,
    }
}
