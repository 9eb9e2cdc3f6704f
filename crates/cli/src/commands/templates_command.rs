//! `agentgen templates`

use std::path::PathBuf;

use agentgen_build::inspect::{BUILTIN, reason, write_file};
use clap::Subcommand;
use include_dir::Dir;

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
    for (path, bytes) in templates(&BUILTIN) {
        let target = folder.join(path);
        let present = std::fs::symlink_metadata(&target).is_ok();
        if present && std::fs::read(&target).is_ok_and(|found| found == bytes) {
            unchanged += 1;
        } else if present && !force {
            conflicts.push(target);
        } else {
            write_file(&target, bytes).map_err(|error| {
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
const PROJECT: &str = "project";

/// The templates below `dir` that a project can replace, sorted by path.
fn templates(dir: &'static Dir<'static>) -> Vec<(&'static str, &'static [u8])> {
    let mut found = Vec::new();
    let mut folders = vec![dir];
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs().filter(|dir| dir.path() != PROJECT));
        found.extend(folder.files().filter_map(|file| {
            let path = file.path().to_str()?;
            path.ends_with(".tera").then(|| (path, file.contents()))
        }));
    }
    found.sort_unstable();
    found
}
