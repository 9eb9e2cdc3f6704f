//! `agentgen add`

use std::fs;
use std::path::{Path, PathBuf};

use crate::scaffold;
use agentgen_build::inspect::{
    STUB_MODULE, default_folder, has_errors, path_inside, reason, relative, write_file,
};
use agentgen_build::{Code, Diagnostic, generate};
use clap::Args;

use crate::commands::project_files::project_change::slug_of;
use crate::configuration::project_arguments::{Inputs, Settings};
use crate::scaffold::stub_writer::write_missing;
use crate::terminal::diagnostic_report::{self, Format};
use crate::terminal::json_output::Document;
use crate::terminal::{Status, eprint_line, print};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the agent
    name: String,
    /// When to use the agent, in one or two sentences
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// What to print
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

/// The folder of stubs in a project whose settings name none.
const STUBS: &str = "src/agents";

/// Writes the agent's file and, in a project that has handlers, its stub.
pub fn run(arguments: &Arguments) -> Result<Status, Status> {
    let format = arguments.format;
    let mut settings = Settings::read(&Inputs::default(), None, format)?;
    let refuse = |diagnostics: Vec<Diagnostic>| {
        let status = Status::of(&diagnostics);
        diagnostic_report::refuse(diagnostics, format, status)
    };
    let one = |diagnostic| refuse(vec![diagnostic]);
    let name = arguments.name.trim();
    let slug = slug_of(name).map_err(one)?;
    let folder = folder(&mut settings).map_err(one)?;
    settings.config.stubs = stubs(&settings);
    let root = settings.root.clone();
    let path = format!("{folder}/{slug}.md");
    let taken = |ending: &str| {
        let path = format!("{folder}/{slug}.{ending}");
        let there = fs::symlink_metadata(root.join(&path)).is_ok();
        there.then(|| Diagnostic::error(Code::Taken, path, "this file exists"))
    };
    if let Some(diagnostic) = ["md", "yaml", "yml"].into_iter().find_map(taken) {
        return Err(one(diagnostic.help("give the agent another name")));
    }
    let description = match &arguments.description {
        Some(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        None => format!("Describe here when to use {name}."),
    };
    let text = scaffold::agent(slug.as_str(), &description).map_err(one)?;
    let absolute = root.join(&path);
    if !settings.config.allow_outside {
        path_inside(&root, &absolute).map_err(one)?;
    }
    write_file(&absolute, text.as_bytes()).map_err(|error| {
        let message = format!("the file can't be written: {}", reason(&error));
        one(Diagnostic::error(Code::Io, &path, message))
    })?;
    let project = settings.load();
    let generation = generate(&project);
    let mut diagnostics = generation.diagnostics;
    if has_errors(&diagnostics) {
        // Leave the project as it was rather than with an agent that fails the build.
        let _ = fs::remove_file(&absolute);
        return Err(refuse(diagnostics));
    }
    diagnostics.retain(|diagnostic| diagnostic.path == path);
    let mut written = vec![path];
    if let Some(folder) = &settings.config.stubs {
        let own = &project.templates;
        let agents = &generation.agents;
        written.extend(write_missing(&root, folder, agents, own, &mut diagnostics));
    }
    let status = Status::of(&diagnostics);
    if format == Format::Json {
        let paths = written.iter().map(String::as_str);
        let document = Document::new(&diagnostics, "written").with_created(paths);
        return print(&document.text()).map(|()| status);
    }
    diagnostic_report::draw(&diagnostics);
    for path in &written {
        eprint_line(&format!("wrote {path}"));
    }
    Ok(status)
}

/// The first folder of agents. Without settings, the project is the nearest package that has agents.
fn folder(settings: &mut Settings) -> Result<String, Diagnostic> {
    let has_settings = settings.root.join("agentgen.toml").is_file();
    if !has_settings {
        let found: Option<PathBuf> = settings
            .root
            .ancestors()
            .find(|folder| folder.join(default_folder(folder)).is_dir())
            .map(Path::to_path_buf);
        settings.root = found.ok_or_else(|| {
            Diagnostic::error(
                Code::NotFound,
                "agents",
                "there is no such folder here or above",
            )
            .help("run this in a project, or create the folder")
        })?;
    }
    let is_folder =
        |entry: &&String| !entry.contains(['*', '?']) && !settings.root.join(entry).is_file();
    let named = settings.config.agents.iter();
    let mut named = named.filter(|entry| !entry.starts_with('!')).peekable();
    let folder = match named.peek() {
        None => Some(default_folder(&settings.root)),
        Some(_) => named.find(is_folder).map(String::as_str),
    };
    let folder = folder.ok_or_else(|| {
        Diagnostic::error(Code::BadConfig, "agentgen.toml", "`agents` names no folder")
            .help("name a folder there, for new agents to lie in")
    })?;
    Ok(relative(&settings.root, &settings.root.join(folder)))
}

/// The folder of stubs: what the settings say, or the one that `new` makes, if it is there.
fn stubs(settings: &Settings) -> Option<String> {
    let there = settings.root.join(STUBS).join(STUB_MODULE).is_file();
    let usual = there.then(|| STUBS.to_owned());
    settings.config.stubs.clone().or(usual)
}
