//! The agents that are served: read from the disk, checked, and made a document for the runtime.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use agentgen_build::inspect::has_errors;
use agentgen_build::{
    Agent, Diagnostic, Project, ServedDocuments, ServedMemory, Severity, Source, serve,
};
use agentgen_runtime::{AgentDiagnostic, AgentLoader, Registry, StartError};

use crate::configuration::project_arguments::{Inputs, Settings};
use crate::configuration::project_watch::ProjectWatch;
use crate::terminal::diagnostic_report::{self, Format};
use crate::terminal::plural::plural;
use crate::terminal::{Status, eprint_line};

/// Agents as they are on the disk.
pub struct ServedAgents {
    inputs: Inputs,
    /// What is watched besides the agents; none where nothing is.
    watches: Option<Vec<PathBuf>>,
    watch: Option<ProjectWatch>,
    /// What was made of them last.
    memory: ServedMemory,
    /// The diagnostics that were shown: only new ones are shown after a change.
    shown: Vec<String>,
    /// The files as they were read last without an error, by path.
    good: BTreeMap<String, Arc<Source>>,
}

/// What was read.
pub struct ReadAgents {
    /// What the runtime is told, with those that `stay`; none where there is an error in files that were never without one.
    pub documents: Option<ServedDocuments>,
    /// The files with errors, in whose place the document has what was read of them last without one.
    pub stay: Vec<String>,
    pub agents: Vec<Agent>,
    /// What is wrong with the files, for the console.
    pub diagnostics: Vec<AgentDiagnostic>,
    /// Where the agents are, as the project names it.
    pub place: String,
    pub status: Status,
}

impl ServedAgents {
    /// Those at `paths`, or those that `agentgen build` would find.
    pub fn new(paths: &[String]) -> Self {
        Self {
            inputs: Inputs {
                agents: paths.to_vec(),
                ..Inputs::default()
            },
            watches: None,
            watch: None,
            memory: ServedMemory::default(),
            shown: Vec::new(),
            good: BTreeMap::new(),
        }
    }

    /// Watches them from the next [`read`](Self::read) on, and what is below the folders `more`.
    pub fn watching(self, more: &[PathBuf]) -> Self {
        Self {
            watches: Some(more.to_vec()),
            ..self
        }
    }

    /// Waits until something changes. Returns what, as far as the system says.
    pub fn wait(&self) -> BTreeSet<PathBuf> {
        match &self.watch {
            Some(watch) => watch.wait(),
            None => loop {
                std::thread::park();
            },
        }
    }

    /// Reads and checks them. Diagnostics that were not shown yet are shown now.
    ///
    /// # Errors
    ///
    /// The exit status for settings that are wrong, after the reason was reported.
    pub fn read(&mut self) -> Result<ReadAgents, Status> {
        let settings = Settings::read(&self.inputs, None, Format::Text)?;
        let files = settings.find();
        if let Some(more) = &self.watches {
            // What changes while they are read is noticed after that.
            let watch = ProjectWatch::of(&settings, &files, more, self.watch.take());
            self.watch = watch
                .inspect_err(|error| eprint_line(&format!("changes are not noticed: {error}")))
                .ok();
        }
        let mut project = files.read();
        let mut served = serve(&project, &mut self.memory);
        diagnostic_report::deduplicate(&mut served.diagnostics);
        self.show(&served.diagnostics);
        let mut read = ReadAgents {
            documents: None,
            stay: Vec::new(),
            agents: Vec::new(),
            diagnostics: Vec::new(),
            place: place(&project),
            status: Status::of(&served.diagnostics),
        };
        let diagnostics = std::mem::take(&mut served.diagnostics);
        if has_errors(&diagnostics) && !self.good.is_empty() {
            read.stay = self.restore(&mut project, &diagnostics);
            served = serve(&project, &mut self.memory);
        }
        let diagnostics = diagnostics.iter();
        read.diagnostics = diagnostics
            .map(|one| shown_in_console(one, &served.agents))
            .collect();
        if served.documents.is_some() {
            let sources = project.sources.into_iter();
            self.good = sources
                .map(|source| (source.path().to_owned(), source))
                .collect();
        }
        read.documents = served.documents;
        read.agents = served.agents;
        Ok(read)
    }

    /// Puts what was read last without an error in the place of files with `diagnostics` that are errors; a file that was never without one is
    /// left out. Returns the paths.
    fn restore(&self, project: &mut Project, diagnostics: &[Diagnostic]) -> Vec<String> {
        let is_error = |one: &&Diagnostic| one.severity == Severity::Error;
        let broken = diagnostics.iter().filter(is_error);
        let broken: BTreeSet<&str> = broken.map(|one| one.path.as_str()).collect();
        let sources = std::mem::take(&mut project.sources);
        let sources =
            sources
                .into_iter()
                .filter_map(|source| match broken.contains(source.path()) {
                    true => self.good.get(source.path()).cloned(),
                    false => Some(source),
                });
        project.sources = sources.collect();
        project
            .diagnostics
            .retain(|one| one.severity != Severity::Error);
        broken.into_iter().map(str::to_owned).collect()
    }

    fn show(&mut self, diagnostics: &[Diagnostic]) {
        let texts = diagnostics.iter().map(ToString::to_string);
        let texts: Vec<String> = texts.collect();
        let is_new = |one: &&Diagnostic| {
            one.severity == Severity::Error || !self.shown.contains(&one.to_string())
        };
        let new: Vec<Diagnostic> = diagnostics.iter().filter(is_new).cloned().collect();
        diagnostic_report::draw(&new);
        self.shown = texts;
    }
}

fn shown_in_console(diagnostic: &Diagnostic, agents: &[Agent]) -> AgentDiagnostic {
    let is_of = |agent: &&Agent| {
        let (spec, service) = (&agent.spec.source, &agent.service.source);
        [spec.path(), service.path()].contains(&diagnostic.path.as_str())
    };
    AgentDiagnostic {
        severity: diagnostic.severity.as_str(),
        code: diagnostic.code.to_string(),
        message: diagnostic.message.clone(),
        file: diagnostic.path.clone(),
        line: diagnostic.location().map(|location| location.line),
        agent: agents
            .iter()
            .find(is_of)
            .map(|agent| agent.spec.slug.to_string()),
    }
}

/// `15 agents of agents`
pub fn count_words(read: &ReadAgents) -> String {
    format!("{} of {}", plural(read.agents.len(), "agent"), read.place)
}

fn place(project: &Project) -> String {
    let folders = if project.found_folders.is_empty() {
        &project.config.agents
    } else {
        &project.found_folders
    };
    folders.join(", ")
}

/// The agents of `documents`.
///
/// # Errors
///
/// Documents that the runtime does not understand.
pub fn load(loader: &mut AgentLoader, documents: &ServedDocuments) -> Result<Registry, StartError> {
    let arazzo = documents.arazzo.as_deref();
    loader.load(&documents.openapi, arazzo, &documents.agents)
}

/// Reports why agents can't be served.
pub fn refused(error: &StartError) {
    eprint_line(&format!("{}: {error}", diagnostic_report::red("error")));
}
