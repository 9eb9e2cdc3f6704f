//! `agentgen templates`

use std::path::PathBuf;

use agentgen_build::inspect::{BUILTIN, reason, write_file};
use clap::Subcommand;

use crate::configuration::project_arguments::{Inputs, Settings};
use crate::terminal::diagnostic_report::{Format, red};
use crate::terminal::plural::plural;
use crate::terminal::{Status, eprint_line};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write the built-in templates to a folder, to edit them there
    Export {
        /// The folder [default: the project's templates folder]
        dir: Option<PathBuf>,
        /// Overwrite existing templates that differ
        #[arg(long)]
        force: bool,
    },
}

/// Runs the subcommand.
pub fn run(command: &Command) -> Result<Status, Status> {
    let Command::Export { dir, force } = command;
    let folder = match dir {
        Some(dir) => dir.clone(),
        None => {
            let settings = Settings::read(&Inputs::default(), None, Format::Text)?;
            settings.root.join(&settings.config.templates)
        }
    };
    let (mut written, mut unchanged) = (0, 0);
    let mut conflicts = Vec::new();
    for (path, text) in templates() {
        let target = folder.join(path);
        let present = std::fs::symlink_metadata(&target).is_ok();
        if present && std::fs::read(&target).is_ok_and(|found| found == text.as_bytes()) {
            unchanged += 1;
        } else if present && !force {
            conflicts.push(target);
        } else {
            write_file(&target, text.as_bytes()).map_err(|error| {
                let reason = reason(&error);
                eprint_line(&format!(
                    "{}: {}: the template can't be written: {reason}",
                    red("error"),
                    target.display()
                ));
                Status::Io
            })?;
            written += 1;
        }
    }
    for path in &conflicts {
        eprint_line(&format!(
            "{}: {}: the file differs from the built-in template and was not overwritten",
            red("error"),
            path.display()
        ));
    }
    let written = plural(written, "template");
    let folder = folder.display();
    eprint_line(&format!(
        "{folder}: {written} written, {unchanged} unchanged"
    ));
    if conflicts.is_empty() {
        return Ok(Status::Fine);
    }
    eprint_line("use `--force` to overwrite them");
    Ok(Status::Refused)
}

/// The folder of the templates of `new` and `add`, which a project can't replace.
const PROJECT: &str = "project/";

/// The templates that a project can replace, sorted by path.
fn templates() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let all = BUILTIN.iter();
    all.filter(|(path, _)| !path.starts_with(PROJECT))
}
