//! `agentgen new`

use std::path::{Path, PathBuf};

use crate::scaffold::atomic_dir::{CreateDirError, check_is_free, create_dir_atomically};
use crate::scaffold::import_agents::{Imported, import_agents};
use crate::scaffold::package_name::{NameError, check_package_name, package_name_for};
use crate::scaffold::vendor;
use crate::scaffold::{self, Origin, Scaffold, lead_outside, shell_word};
use agentgen_build::inspect::{has_errors, list, printable, reason, relative};
use agentgen_build::{Artifact, Code, Diagnostic, Severity};
use clap::Args;

use crate::terminal::diagnostic_report::{self, Format};
use crate::terminal::json_output::Document;
use crate::terminal::plural::plural;
use crate::terminal::{Status, eprint_line, print};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder to create; it may exist if it holds nothing but .git, README, LICENSE and .gitignore
    path: PathBuf,
    /// Agent file, folder of agents or repository to copy agents from; may be repeated [default: two samples]
    #[arg(long, value_name = "FILE|DIR")]
    from: Vec<String>,
    /// Read the agents of `--from` where they are, at each build, instead of copying them
    #[arg(long, requires = "from")]
    reference: bool,
    /// Name of the Cargo package [default: the name of the folder]
    #[arg(long)]
    name: Option<String>,
    /// Copy the sources of agentgen's crates into the project, so that it builds in containers and on other machines
    #[arg(long)]
    vendor: bool,
    /// What to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

/// Creates the project completely or not at all. Asks nothing, so that it can be pasted with other commands.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    let format = arguments.format;
    let path = &arguments.path;
    let shown = printable(&path.to_string_lossy());
    let existing = check_is_free(path).map_err(|error| refuse_folder(&shown, &error, format))?;
    let name = name(arguments).map_err(|why| {
        let diagnostic = Diagnostic::error(Code::NameUnusable, &shown, why.to_string());
        diagnostic_report::refuse(vec![diagnostic], format, Status::Usage)
    })?;
    let mut imported = import(&arguments.from)?;
    let agents = std::mem::take(&mut imported.files);
    let diagnostics = std::mem::take(&mut imported.diagnostics);
    if has_errors(&diagnostics) {
        return Err(imported.reading.refuse(diagnostics, format));
    }
    let origin = match vendor::checkout() {
        _ if arguments.vendor => Origin::Vendored,
        Some(root) => Origin::Checkout(root.to_path_buf()),
        None => Origin::Registry,
    };
    let scaffold = Scaffold {
        name,
        origin,
        agents,
        existing,
        references: references(arguments),
    };
    let files = scaffold::render(&scaffold).map_err(|mut errors| {
        errors.retain(|diagnostic| diagnostic.severity == Severity::Error);
        let status = Status::of(&errors);
        diagnostic_report::refuse(errors, format, status)
    })?;
    create_dir_atomically(path, &files).map_err(|error| refuse_folder(&shown, &error, format))?;
    finish(&scaffold, &imported, path, &files, &diagnostics, format)
}

fn import(from: &[String]) -> Result<Imported, Status> {
    if from.is_empty() {
        return Ok(Imported::default());
    }
    let current = std::env::current_dir().map_err(|error| {
        eprint_line(&format!("error: there is no current folder: {error}"));
        Status::Io
    })?;
    Ok(import_agents(&current, from))
}

/// The paths of the agents that are not copied, relative to the project.
fn references(arguments: &Arguments) -> Vec<String> {
    let project = real(&arguments.path);
    let from = arguments.from.iter().filter(|_| arguments.reference);
    from.map(|entry| match entry.strip_prefix('!') {
        Some(left_out) => format!("!{}", relative(&project, &real(Path::new(left_out)))),
        None => relative(&project, &real(Path::new(entry))),
    })
    .collect()
}

/// The absolute path of `path` without links, as far as it is there.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut folders = absolute.ancestors();
    let there = folders.find_map(|folder| Some((folder, folder.canonicalize().ok()?)));
    match there {
        Some((folder, real)) => real.join(absolute.strip_prefix(folder).unwrap_or(&absolute)),
        None => absolute,
    }
}

/// The name of the package: `--name`, or one made from the folder's name.
fn name(arguments: &Arguments) -> Result<String, NameError> {
    if let Some(name) = &arguments.name {
        return check_package_name(name).map(|()| name.clone());
    }
    let absolute = std::path::absolute(&arguments.path).unwrap_or_else(|_| arguments.path.clone());
    // `..` has no name of its own, the folder it leads to has.
    let absolute = absolute.canonicalize().unwrap_or(absolute);
    let folder = absolute.file_name().unwrap_or_default().to_string_lossy();
    package_name_for(&folder)
}

fn refuse_folder(shown: &str, error: &CreateDirError, format: Format) -> Status {
    let (diagnostic, status) = match error {
        CreateDirError::Occupied(why) => (
            Diagnostic::error(Code::Taken, shown, why)
                .help("name a folder that is not there, or one that holds nothing but .git, README, LICENSE and .gitignore"),
            Status::Refused,
        ),
        CreateDirError::Io(path, error) => {
            let path = printable(&path.to_string_lossy());
            let message = format!("the project can't be written: {}", reason(error));
            (Diagnostic::error(Code::Io, path, message), Status::Io)
        }
    };
    diagnostic_report::refuse(vec![diagnostic], format, status)
}

fn finish(
    scaffold: &Scaffold,
    imported: &Imported,
    path: &Path,
    files: &[Artifact],
    diagnostics: &[Diagnostic],
    format: Format,
) -> Result<Status, Status> {
    // Without `--from`, nobody has to be told about the samples.
    let has_read = !scaffold.agents.is_empty();
    if format == Format::Json {
        let paths = files.iter().map(|file| file.path.as_str());
        let mut document = Document::new(diagnostics, "written").with_created(paths);
        if has_read {
            document = document.with_reading(&imported.reading);
        }
        return print(&document.text()).map(|()| Status::Fine);
    }
    diagnostic_report::draw(diagnostics);
    if has_read {
        let verb = if scaffold.references.is_empty() {
            "copied"
        } else {
            "referred to"
        };
        let mut line = format!("{verb} {}", plural(imported.reading.agents(), "agent"));
        if !imported.found_folders.is_empty() {
            line.push_str(&format!(", found in {}", list(&imported.found_folders)));
        }
        eprint_line(&line);
    }
    if lead_outside(&scaffold.references) {
        eprint_line(
            "note: a Docker build does not see agents outside the project; copy them for that",
        );
    }
    let shown = path.to_string_lossy();
    let count = plural(files.len(), "file");
    let name = &scaffold.name;
    eprint_line(&format!(
        "{}: the package `{name}`, {count}",
        printable(&shown)
    ));
    if let Some(name) = &scaffold.existing.readme {
        eprint_line(&format!("note: your {} stays as it is", printable(name)));
    }
    if scaffold.existing.gitignore.is_some() && files.iter().any(|file| file.path == ".gitignore") {
        eprint_line("note: .gitignore got the lines that it lacked");
    }
    match &scaffold.origin {
        Origin::Checkout(root) => eprint_line(&format!(
            "note: it depends on the agentgen checkout at {}; `agentgen update --vendor` lets it build on other machines",
            printable(&root.to_string_lossy())
        )),
        Origin::Registry => eprint_line("note: `cargo test` creates its Cargo.lock"),
        Origin::Vendored => {}
    }
    if has_read {
        imported.reading.print(diagnostics);
    }
    let commands = format!("cd {}\ncargo test\ncargo run\n", quoted(&shown));
    print(&commands).map(|()| Status::Fine)
}

/// `path` as the argument of `cd`.
fn quoted(path: &str) -> String {
    let word = shell_word(path);
    match path.starts_with('-') {
        true => format!("-- {word}"),
        false => word,
    }
}
