//! `agentgen new`

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use crate::scaffold::atomic_dir::{PlaceError, check, place};
use crate::scaffold::import_agents::{Carried, carry};
use crate::scaffold::package_name;
use crate::scaffold::vendor;
use crate::scaffold::{self, Origin, Scaffold};
use agentgen_build::diagnostics::code::Code;
use agentgen_build::diagnostics::{Diagnostic, Severity, has_errors};
use agentgen_build::output::artifact::Artifact;
use agentgen_build::project::discover::reason;
use agentgen_build::text::printable::printable;
use clap::Args;

use crate::terminal::diagnostic_report::{self, Format};
use crate::terminal::json_output::Document;
use crate::terminal::plural::plural;
use crate::terminal::{Status, print, say};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder of the project; it must not be there, or be empty
    path: PathBuf,
    /// Agent file, or folder of agents, to start from; may be given again [default: sample agents]
    #[arg(long, value_name = "FILE|DIR")]
    from: Vec<String>,
    /// Name of the package [default: that of the folder]
    #[arg(long)]
    name: Option<String>,
    /// Copy the sources of agentgen's crates into the project, for images and builds without them
    #[arg(long)]
    vendor: bool,
    /// Ask nothing
    #[arg(long, short)]
    yes: bool,
    /// What to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

/// Makes the project, all of it or nothing.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    let format = arguments.format;
    let path = &arguments.path;
    let shown = printable(&path.to_string_lossy());
    check(path).map_err(|error| refuse_place(&shown, &error, format))?;
    let asks = !arguments.yes && io::stdin().is_terminal() && io::stderr().is_terminal();
    let name = name(arguments, asks).map_err(|why| {
        let diagnostic = Diagnostic::error(Code::NameUnusable, &shown, why);
        diagnostic_report::refuse(vec![diagnostic], format, Status::Usage)
    })?;
    let mut from = arguments.from.clone();
    if from.is_empty() && asks {
        let question = "Agents to start from, a file or a folder (nothing: two samples)";
        from.extend(ask(question, "").filter(|answer| !answer.is_empty()));
    }
    let Carried {
        files: agents,
        diagnostics,
    } = carried(&from)?;
    if has_errors(&diagnostics) {
        let status = Status::of(&diagnostics);
        return Err(diagnostic_report::refuse(diagnostics, format, status));
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
    };
    let files = scaffold::render(&scaffold).map_err(|mut errors| {
        errors.retain(|diagnostic| diagnostic.severity == Severity::Error);
        let status = Status::of(&errors);
        diagnostic_report::refuse(errors, format, status)
    })?;
    place(path, &files).map_err(|error| refuse_place(&shown, &error, format))?;
    finish(&scaffold, path, &files, &diagnostics, format)
}

fn carried(from: &[String]) -> Result<Carried, Status> {
    if from.is_empty() {
        return Ok(Carried::default());
    }
    let current = std::env::current_dir().map_err(|error| {
        say(&format!("error: there is no current folder: {error}"));
        Status::Io
    })?;
    Ok(carry(&current, from))
}

/// The name of the package: as it was given, as the user says, or as the folder is called.
fn name(arguments: &Arguments, asks: bool) -> Result<String, String> {
    if let Some(name) = &arguments.name {
        return package_name::check(name).map(|()| name.clone());
    }
    let absolute = std::path::absolute(&arguments.path).unwrap_or_else(|_| arguments.path.clone());
    // `..` has no name of its own, the folder it leads to has.
    let absolute = absolute.canonicalize().unwrap_or(absolute);
    let folder = absolute.file_name().unwrap_or_default().to_string_lossy();
    let default = package_name::for_folder(&folder);
    if !asks {
        return default;
    }
    loop {
        let answer = ask("Name of the package", default.as_deref().unwrap_or(""));
        let Some(answer) = answer.filter(|answer| !answer.is_empty()) else {
            return default;
        };
        match package_name::check(&answer) {
            Ok(()) => return Ok(answer),
            Err(why) => say(&printable(&why)),
        }
    }
}

/// What the user answers on the terminal; the default where that is nothing, none where there is no more input.
fn ask(question: &str, default: &str) -> Option<String> {
    say(&match default {
        "" => format!("{question}:"),
        _ => format!("{question} [{default}]:"),
    });
    let mut answer = String::new();
    match io::stdin().read_line(&mut answer) {
        Ok(0) | Err(_) => None,
        Ok(_) if answer.trim().is_empty() => Some(default.to_owned()),
        Ok(_) => Some(answer.trim().to_owned()),
    }
}

fn refuse_place(shown: &str, error: &PlaceError, format: Format) -> Status {
    let (diagnostic, status) = match error {
        PlaceError::Taken(why) => (
            Diagnostic::error(Code::Taken, shown, *why)
                .help("name a folder that is not there, or an empty one"),
            Status::Refused,
        ),
        PlaceError::Io(path, error) => {
            let path = printable(&path.to_string_lossy());
            let message = format!("the project can't be written: {}", reason(error));
            (Diagnostic::error(Code::Io, path, message), Status::Io)
        }
    };
    diagnostic_report::refuse(vec![diagnostic], format, status)
}

fn finish(
    scaffold: &Scaffold,
    path: &Path,
    files: &[Artifact],
    diagnostics: &[Diagnostic],
    format: Format,
) -> Result<Status, Status> {
    if format == Format::Json {
        let paths = files.iter().map(|file| file.path.as_str());
        let document = Document::new(diagnostics, "written").with_created(paths);
        return print(&document.text()).map(|()| Status::Fine);
    }
    diagnostic_report::draw(diagnostics);
    let shown = path.to_string_lossy();
    let count = plural(files.len(), "file");
    let name = &scaffold.name;
    say(&format!(
        "{}: the package `{name}`, {count}",
        printable(&shown)
    ));
    match &scaffold.origin {
        Origin::Checkout(root) => say(&format!(
            "note: it depends on the checkout at {}; with `--vendor` it could be built without it",
            printable(&root.to_string_lossy())
        )),
        Origin::Registry => say("note: it has no Cargo.lock yet; `cargo test` makes it"),
        Origin::Vendored => {}
    }
    let commands = format!("cd {}\ncargo test\ncargo run\n", quoted(&shown));
    print(&commands).map(|()| Status::Fine)
}

/// `text` as a word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) && !text.starts_with('-') {
        return text.to_owned();
    }
    let text = text.replace('\'', r"'\''");
    match text.starts_with('-') {
        true => format!("-- '{text}'"),
        false => format!("'{text}'"),
    }
}
