//! What commands that change a project have in common: they show a diff, ask, write, and bring the generated files up to
//! date.

use std::collections::BTreeMap;

use agentgen_build::inspect::{MANIFEST_NAME, Slug, has_errors, printable};
use agentgen_build::{ChangeKind, Code, Diagnostic, Options, Scope, apply, generate, plan};
use clap::Args;

use crate::configuration::project_arguments::Settings;
use crate::scaffold::file_change::{FileChange, apply_changes, unified_diff};
use crate::scaffold::project_record::{RECORD_PATH, VENDOR};
use crate::terminal::diagnostic_report::{self, Format};
use crate::terminal::json_output::Document;
use crate::terminal::plural::plural;
use crate::terminal::{Status, confirm, eprint_line, print};

/// How a change is made.
#[derive(Debug, Clone, Args)]
pub struct ChangeArguments {
    /// Make the changes without asking; needed where there is no terminal
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Show the changes and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// What to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// The form in paths of the `name` that an agent is to get.
pub fn slug_of(name: &str) -> Result<Slug, Diagnostic> {
    let unusable = |message: &str, help: &str| {
        Err(Diagnostic::error(Code::NameUnusable, printable(name), message).help(help))
    };
    if name.contains(['/', '\\']) || name.ends_with(".md") {
        let help = "give the name alone, as in `librarian`; the file is named after it";
        return unusable("this is a path, not the name of an agent", help);
    }
    if name.contains(char::is_control) {
        return unusable("the name has a character that can't be seen", "remove it");
    }
    Slug::new(name).or_else(|_| {
        let help = "use the letters a to z, digits and hyphens, 64 at most";
        unusable("no file or route can be named like that", help)
    })
}

/// Shows `changes` as a diff and makes them in the project, if the user agrees. `notes` are said before the question.
/// The answer is whether they were made.
pub fn change_project(
    settings: &Settings,
    changes: &[FileChange],
    diagnostics: &[Diagnostic],
    notes: &[String],
    arguments: &ChangeArguments,
) -> Result<bool, Status> {
    let json = arguments.format == Format::Json;
    let document = |word: &str| {
        let outlines: Vec<_> = changes.iter().flat_map(outline).collect();
        let document = Document::new(diagnostics, word).with_changes(outlines);
        print(&document.text())
    };
    let shown: Vec<FileChange> = changes.iter().filter(is_shown).cloned().collect();
    if !json {
        print(&unified_diff(&shown))?;
        for (name, count) in vendored(changes) {
            let files = plural(count, "file");
            eprint_line(&format!("{VENDOR}{name}: {files} of agentgen's sources"));
        }
        diagnostic_report::draw(diagnostics);
        for note in notes {
            eprint_line(&format!("note: {note}"));
        }
    }
    let count = changes
        .iter()
        .filter(|change| change.path() != RECORD_PATH)
        .count();
    let files = plural(count, "file");
    if arguments.dry_run {
        if json {
            document("planned")?;
        } else {
            eprint_line(&format!("{files} to change (dry run: nothing was written)"));
        }
        return Ok(false);
    }
    if !arguments.yes {
        let answer = match json {
            true => None,
            false => confirm(&format!("change {files}?")),
        };
        let why = match answer {
            Some(true) => None,
            Some(false) => Some("nothing was written"),
            None => Some(
                "nothing was written: there is no terminal to ask on; `--yes` writes without asking",
            ),
        };
        if let Some(why) = why {
            if json {
                document("planned")?;
            }
            eprint_line(why);
            return Err(Status::Refused);
        }
    }
    apply_changes(&settings.root, changes).map_err(|diagnostic| {
        let status = match Status::of(std::slice::from_ref(&diagnostic)) {
            Status::Fine => Status::Refused,
            status => status,
        };
        diagnostic_report::refuse(vec![diagnostic], arguments.format, status)
    })?;
    if json {
        document("written")?;
    } else {
        for change in &shown {
            eprint_line(&past(change));
        }
    }
    Ok(true)
}

/// Whether the diff shows the change: not the record of what agentgen wrote, and not its own sources.
fn is_shown(change: &&FileChange) -> bool {
    change.path() != RECORD_PATH && !change.path().starts_with(VENDOR)
}

/// How many files change in each crate below `vendor/`.
fn vendored(changes: &[FileChange]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for change in changes {
        let below = change.path().strip_prefix(VENDOR);
        if let Some((name, _)) = below.and_then(|path| path.split_once('/')) {
            *counts.entry(name).or_insert(0) += 1;
        }
    }
    counts
}

/// Brings the folder of generated files up to date, if there is one. What stands in the way is said.
pub fn rebuild(settings: &Settings, format: Format) -> Result<Status, Status> {
    let out = settings.root.join(&settings.config.out);
    if !out.join(MANIFEST_NAME).is_file() {
        return Ok(Status::Fine);
    }
    let generation = generate(&settings.load());
    let mut diagnostics = generation.diagnostics;
    diagnostics.retain(|diagnostic| has_errors(std::slice::from_ref(diagnostic)));
    let options = Options {
        force: false,
        scope: Scope::All,
    };
    if diagnostics.is_empty() {
        match plan(
            &settings.root,
            &settings.config.out,
            &generation.artifacts,
            &options,
        ) {
            Ok(plan) => match apply(&plan) {
                Ok(()) => {
                    let changed = plan.count(|kind| kind != ChangeKind::Unchanged);
                    if format != Format::Json && changed > 0 {
                        let files = plural(changed, "file");
                        eprint_line(&format!("{}: {files} brought up to date", plan.name));
                    }
                }
                Err(problems) => diagnostics = problems,
            },
            Err(problems) => diagnostics = problems,
        }
    }
    if diagnostics.is_empty() {
        return Ok(Status::Fine);
    }
    let status = Status::of(&diagnostics);
    if format != Format::Json {
        diagnostic_report::draw(&diagnostics);
    }
    eprint_line("the generated files are out of date: run `agentgen build`");
    Ok(status)
}

/// The change as the JSON document lists it: a rename is a deletion and a creation.
fn outline(change: &FileChange) -> Vec<(&str, &str)> {
    let before = change.before.as_ref().map(|(path, _)| path.as_str());
    match (change.verb(), before) {
        ("rename", Some(before)) => vec![(before, "delete"), (change.path(), "create")],
        (verb, _) => vec![(change.path(), verb)],
    }
}

/// `updated src/agents/mod.rs`
fn past(change: &FileChange) -> String {
    let path = change.path();
    match (change.verb(), &change.before) {
        ("rename", Some((before, _))) => format!("renamed {before} to {path}"),
        (verb, _) => format!("{verb}d {path}"),
    }
}
