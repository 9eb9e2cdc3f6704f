//! `agentgen update`

use std::fs;
use std::path::{Path, PathBuf};

use agentgen_build::inspect::{printable, reason};
use agentgen_build::{Code, Diagnostic, check};
use clap::Args;
use toml::Table;

use crate::commands::project_files::project_change::{ChangeArguments, change_project, rebuild};
use crate::configuration::project_arguments::{Inputs, Settings};
use crate::scaffold::file_change::apply_changes;
use crate::scaffold::project_record::{ProjectRecord, RECORD_PATH};
use crate::scaffold::project_update::{ProjectUpdate, plan_update};
use crate::scaffold::vendor::{RUNTIME_CRATE, VERSION, checkout};
use crate::scaffold::{Origin, ProjectFacts, invoke};
use crate::terminal::{Status, diagnostic_report, eprint_line};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Write nothing; exit with 1 if a file is out of date
    #[arg(long, conflicts_with_all = ["yes", "dry_run"])]
    check: bool,
    /// Take the new version of files that you changed, too
    #[arg(long)]
    force: bool,
    /// Copy the sources of agentgen's crates into the project, so that it builds in containers and on other machines
    #[arg(long)]
    vendor: bool,
    #[command(flatten)]
    change: ChangeArguments,
}

/// Brings what `agentgen new` wrote up to date: a file that the user did not change is replaced, one that was changed is merged.
/// The agents, the handlers and the examples stay as they are.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    let format = arguments.change.format;
    let settings = Settings::read(&Inputs::default(), None, format)?;
    let root = settings.root.clone();
    let refuse = |diagnostics: Vec<Diagnostic>| {
        let status = Status::of(&diagnostics).max(Status::Refused);
        diagnostic_report::refuse(diagnostics, format, status)
    };
    let one = |diagnostic| refuse(vec![diagnostic]);
    let record = ProjectRecord::read(&root).map_err(one)?;
    if let Some(record) = &record
        && is_newer(&record.version, VERSION)
    {
        let message = format!(
            "the project has files of agentgen {}, which is newer than this one ({VERSION})",
            printable(&record.version)
        );
        return Err(one(Diagnostic::error(
            Code::BadConfig,
            RECORD_PATH,
            message,
        )
        .help("install that version, or a newer one")));
    }
    let mut facts = match &record {
        Some(record) => record.facts.clone(),
        None => guessed_facts(&settings).map_err(one)?,
    };
    if arguments.vendor {
        facts.origin = Origin::Vendored;
    } else if let (Origin::Checkout(path), Some(here)) = (&mut facts.origin, checkout()) {
        *path = here.to_path_buf();
    }
    // Without a record, the diff is that of all files.
    let force = arguments.force || record.is_none();
    let update = plan_update(&root, record.as_ref(), &facts, force).map_err(refuse)?;
    let known = record.is_some();
    finish(&settings, &update, known, arguments)
}

fn finish(
    settings: &Settings,
    update: &ProjectUpdate,
    known: bool,
    arguments: &Arguments,
) -> Result<Status, Status> {
    let change = &arguments.change;
    let out_of_date = update
        .changes
        .iter()
        .any(|change| change.path() != RECORD_PATH);
    let writes = !arguments.check && !change.dry_run;
    let is_current = known && !out_of_date && update.notes.is_empty();
    if update.changes.is_empty() || is_current {
        // The record alone changes where no file is different in this version: there is nothing to show or to ask.
        if writes {
            apply_changes(&settings.root, &update.changes).map_err(|failure| {
                diagnostic_report::refuse(vec![failure], change.format, Status::Io)
            })?;
        }
        eprint_line(&format!(
            "the project is up to date with agentgen {VERSION}"
        ));
        return Ok(Status::Fine);
    }
    if !known && !arguments.force {
        let shown = ChangeArguments {
            dry_run: true,
            yes: false,
            ..change.clone()
        };
        let notes = [format!(
            "without {RECORD_PATH}, agentgen can't tell your changes from its own: take what you want from this diff (`agentgen update > \
             update.diff`, edit it, `git apply update.diff`), or let `agentgen update --force` write all of it"
        )];
        change_project(settings, &update.changes, &[], &notes, &shown)?;
        return Ok(Status::Refused);
    }
    if arguments.check {
        let shown = ChangeArguments {
            dry_run: true,
            ..change.clone()
        };
        change_project(settings, &update.changes, &[], &update.notes, &shown)?;
        return Ok(match out_of_date {
            true => Status::Refused,
            false => Status::Fine,
        });
    }
    if !change_project(settings, &update.changes, &[], &update.notes, change)? {
        return Ok(Status::Fine);
    }
    rebuild(settings, change.format)
}

/// What can be told of a project that has no record.
fn guessed_facts(settings: &Settings) -> Result<ProjectFacts, Diagnostic> {
    const MANIFEST: &str = "Cargo.toml";
    let wrong = |message: String| {
        Diagnostic::error(Code::NotFound, MANIFEST, message)
            .help("run this in a project of `agentgen new`")
    };
    let root = &settings.root;
    let text = fs::read_to_string(root.join(MANIFEST))
        .map_err(|error| wrong(format!("the file can't be read: {}", reason(&error))))?;
    let manifest: Table = toml::from_str(&text)
        .map_err(|error| wrong(format!("this is not a manifest: {}", error.message())))?;
    let name = manifest
        .get("package")
        .and_then(|package| package.get("name"));
    let name = name.and_then(toml::Value::as_str);
    let name = name.ok_or_else(|| wrong("the package has no name".to_owned()))?;
    let runtime = manifest
        .get("dependencies")
        .and_then(|dependencies| dependencies.get(RUNTIME_CRATE))
        .ok_or_else(|| wrong(format!("the package does not depend on {RUNTIME_CRATE}")))?;
    let origin = match runtime.get("path").and_then(toml::Value::as_str) {
        Some(path) if Path::new(path).starts_with("vendor") => Origin::Vendored,
        Some(path) => {
            let crates = root.join(path);
            // `crates/runtime` of the checkout.
            let top = crates.ancestors().nth(2).map(Path::to_path_buf);
            Origin::Checkout(top.unwrap_or_else(|| PathBuf::from(path)))
        }
        None => Origin::Registry,
    };
    let mut project = settings.load();
    project.handlers = None;
    Ok(ProjectFacts {
        name: name.to_owned(),
        origin,
        samples: root.join("src/tools.rs").is_file() && root.join("agents/librarian.md").is_file(),
        invoke: invoke(&check(&project).agents),
        references: match settings.config.agents.as_slice() {
            [folder] if folder == "agents" => Vec::new(),
            entries => entries.to_vec(),
        },
    })
}

/// Whether the version `one` is newer than `other`.
fn is_newer(one: &str, other: &str) -> bool {
    let numbers = |version: &str| -> Vec<u64> {
        let plain = version.split(['-', '+']).next().unwrap_or_default();
        plain
            .split('.')
            .map(|part| part.parse().unwrap_or_default())
            .collect()
    };
    numbers(one) > numbers(other)
}

#[cfg(test)]
mod tests {
    use super::is_newer;

    #[test]
    fn versions_are_compared_by_number() {
        assert!(is_newer("0.10.0", "0.9.9") && is_newer("1.0.0", "0.1.0"));
        assert!(!is_newer("0.1.0", "0.1.0") && !is_newer("0.1.0", "0.2.0"));
        assert!(!is_newer("nonsense", "0.1.0"));
    }
}
