//! Builds of an output folder that do again only what has to be done: nothing where nothing changed, else the files of the agents
//! that changed and of those that name them, and the files over all agents.
//!
//! Invariant: what is remembered decides only what is not done. It may be deleted at any time. A file is taken as unchanged if its
//! stamp says so, or its content: a generated file that somebody edited is a conflict, and one that is gone is written again.
//!
//! Invariant: a build that finds an error writes nothing, and remembers nothing.

pub mod build_state;
pub mod changed_agents;
pub mod dependencies;
pub mod prompt_edits;
pub mod saved_diagnostic;
pub mod verification;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::agent::Agent;
use crate::agent::agent_index::AgentIndex;
use crate::diagnostics::code::Code;
use crate::diagnostics::source::Source;
use crate::diagnostics::{Diagnostic, Severity, has_errors};
use crate::generate::{Checked, Renderer, add_found, all_found, checked};
use crate::incremental::build_state::{BuildState, StateFiles};
use crate::incremental::changed_agents::make;
use crate::incremental::dependencies::{settings_hash, surroundings_hash};
use crate::incremental::prompt_edits::PromptEdits;
use crate::incremental::saved_diagnostic::{SavedDiagnostics, Texts};
use crate::incremental::verification::{
    Stamp, Verification, known_folders, known_input, known_output, stamp,
};
use crate::output::apply::apply;
use crate::output::manifest;
use crate::output::plan::{Options, Plan, Scope};
use crate::output::planner::{Planner, Seen};
use crate::parallel::in_parallel;
use crate::project::Project;
use crate::project::discover::ProjectFiles;
use crate::targets::openapi::merged_document::Part;
use crate::text::measures::sha256_hex;

/// A build of the output folder of a project.
pub struct Build<'a> {
    root: &'a Path,
    files: ProjectFiles,
    options: &'a Options,
    /// None where only a part of the output is built, of which nothing is remembered.
    memory: Option<StateFiles>,
    /// The build before, where it had the same settings and templates.
    before: Option<Before>,
}

/// What is remembered of the build before.
pub(crate) struct Before {
    state: BuildState,
    verification: Verification,
    /// Whether what only diagnostics depend on is as it was.
    is_same: bool,
}

/// What came of a build.
pub struct Built<'a> {
    /// Everything worth saying, sorted by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// What was read of the project.
    pub reading: ReadCounts,
    /// The agents, without texts of which only their own files are made; none where nothing but prompts changed.
    pub agents: Vec<Agent>,
    /// The project without its sources, unless there is an error.
    pub project: Project,
    /// What has to happen in the output folder; none where there is an error.
    pub plan: Option<Plan<'a>>,
    next: Option<Next>,
}

/// What is remembered once a plan was carried out.
pub(crate) struct Next {
    memory: StateFiles,
    state: BuildState,
    /// The parts of the agents, where they are not those of the last build.
    parts: Option<Vec<Part>>,
}

/// Why an agent is skipped that another one takes the name of.
const LEFT_OUT: &str = "left out";

/// What was read of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadCounts {
    /// How many agents.
    pub agents: usize,
    /// How many of them had frontmatter that is not valid YAML.
    pub repaired: usize,
    /// The files that are no agents, sorted by path, and why in a few words.
    pub skipped: Vec<(String, String)>,
}

impl<'a> Build<'a> {
    /// A build of the project at `root` with `files`, found under an [`OutputLock`](crate::OutputLock). What is remembered is in
    /// the folder `memory`, which several projects may share; with none, everything is done.
    pub fn new(
        root: &'a Path,
        files: ProjectFiles,
        options: &'a Options,
        memory: Option<&Path>,
    ) -> Self {
        let out = root.join(&files.found.config.out);
        let memory = memory.filter(|_| options.scope == Scope::All);
        let memory = memory.map(|folder| StateFiles::new(folder, &out));
        Self {
            before: memory
                .as_ref()
                .and_then(|memory| before(memory, &files, &out)),
            memory,
            root,
            files,
            options,
        }
    }

    /// The outcome where nothing has to be done; else this build.
    ///
    /// # Errors
    ///
    /// Something has to be done.
    pub fn up_to_date(mut self) -> Result<Built<'a>, Box<Self>> {
        let before = self.before.take();
        let is_done = |before: &Before| before.is_same && before.verification.is_all_as_it_was();
        match before {
            Some(mut before) if is_done(&before) => {
                let Some(diagnostics) = self.said(&before.state) else {
                    return Err(Box::new(self));
                };
                if before.verification.renew(&mut before.state)
                    && let Some(memory) = &self.memory
                {
                    // Else the next build looks at contents again.
                    let _ = memory.write(&before.state, None);
                }
                let out = &self.files.found.config.out;
                let paths = before.state.outputs().map(|file| file.name.clone());
                Ok(Built {
                    diagnostics,
                    plan: Some(Plan::unchanged(self.root, out, paths.collect())),
                    reading: ReadCounts::remembered(&before.state),
                    agents: Vec::new(),
                    project: self.files.found,
                    next: None,
                })
            }
            before => {
                self.before = before;
                Err(Box::new(self))
            }
        }
    }

    /// What the build of `state` said.
    fn said(&self, state: &BuildState) -> Option<Vec<Diagnostic>> {
        let mut texts = Texts::new(self.root);
        let mut others = state.others.restored(&mut texts)?;
        others.extend(state.note.restored(&mut texts)?);
        let own = state.own.restored(&mut texts)?;
        Some(all_found(own, others, &self.files.found.config))
    }

    /// The project, for a build that keeps everything in memory.
    pub fn read(self) -> Project {
        self.files.read()
    }

    /// Does what has to be done, up to the plan, and calls `progress` with how many agents of how many are done. What has to be
    /// written is on the disk then, in a folder inside of the output folder.
    pub fn run(mut self, progress: &(dyn Fn(usize, usize) + Sync)) -> Built<'a> {
        if let Some(built) = self.with_edited_prompts() {
            return built;
        }
        let stamps = in_parallel(&self.files.specs, |(_, path)| stamp(path));
        let names = self.files.specs.iter().map(|(name, _)| name.clone());
        let stamps: BTreeMap<String, Option<Stamp>> = names.zip(stamps).collect();
        let surroundings = surroundings_hash(&self.files.found);
        let project = self.files.read();
        let Checked {
            agents,
            own,
            others,
        } = checked(&project);
        let saved = [&own, &others].map(SavedDiagnostics::new);
        let diagnostics = all_found(own, others, &project.config);
        let mut built = Built {
            reading: ReadCounts::new(&project.sources, &agents, &diagnostics),
            diagnostics,
            agents,
            project,
            plan: None,
            next: None,
        };
        if has_errors(&built.diagnostics) {
            return built;
        }
        let inputs = in_parallel(&built.project.sources, |source| {
            known_input(source, stamps.get(source.path()).copied().flatten())
        });
        // From here on only the agents hold the texts of files, and give them back as they are rendered.
        built.project.sources.clear();
        let texts = &mut Texts::new(self.root);
        let lines = saved.each_ref().map(|saved| saved.restored(texts));
        if let [Some(own), Some(others)] = lines {
            built.diagnostics = all_found(own, others, &built.project.config);
        }
        let made = make(
            self.root,
            self.options,
            self.memory,
            self.before,
            inputs,
            (&built.project, &mut built.agents),
            progress,
        );
        let found = match made {
            Ok((plan, note, next)) => {
                built.plan = Some(plan);
                built.next = next;
                note
            }
            Err(found) => found,
        };
        if let Some(next) = &mut built.next {
            let state = &mut next.state;
            state.surroundings = surroundings;
            [state.own, state.others] = saved;
            state.note = SavedDiagnostics::new(&found);
            state.repaired = built.reading.repaired;
            state.skipped.clone_from(&built.reading.skipped);
        }
        add_found(&mut built.diagnostics, found, &built.project.config);
        if has_errors(&built.diagnostics) {
            built.plan = None;
        }
        built
    }

    /// The outcome where nothing but prompts was edited since the build before.
    fn with_edited_prompts(&mut self) -> Option<Built<'a>> {
        let before = self.before.as_ref().filter(|before| before.is_same)?;
        let (state, verification) = (&before.state, &before.verification);
        let project = &self.files.found;
        let edits = PromptEdits::read(state, verification, &self.files.specs, project)?;
        let renderer = Renderer::new(project).ok()?;
        let planner = Planner::new(self.root, &project.config.out, self.options).ok()?;
        let names = AgentIndex::new(&edits.agents);
        for edit in &edits.edits {
            let agent = &edits.agents[edit.read_as];
            let output = renderer.agent(agent, &names.copies_of_named(agent)).ok()?;
            let known = &state.agents[edit.place];
            let paths = output.artifacts.iter().map(|artifact| &artifact.path);
            let is_as_known = paths.eq(known.files.iter().map(|file| &file.name))
                && sha256_hex(output.part.to_line().as_bytes()) == known.part;
            if !is_as_known {
                return None;
            }
            for artifact in &output.artifacts {
                planner.stage(artifact);
            }
        }
        let mut stamps = verification.outputs.iter();
        let is_edited = |place| edits.edits.iter().any(|edit| edit.place == place);
        let own = state.agents.iter().enumerate().flat_map(|(place, agent)| {
            let is_kept = !is_edited(place);
            agent.files.iter().map(move |file| (file, is_kept))
        });
        for (file, is_kept) in own.chain(state.shared_files.iter().map(|file| (file, true))) {
            let (stamp, settled) = (*stamps.next()?)?;
            if is_kept {
                planner.keep(&file.name, &file.hash, Seen::OnDisk(stamp, settled));
            }
        }
        let plan = planner.finish().ok()?;
        let mut texts = Texts::new(self.root);
        let mut own = state.own.restored(&mut texts)?;
        own.retain(|diagnostic| !edits.is_of_edited(&diagnostic.path));
        own.extend(edits.diagnostics.iter().cloned());
        let saved = SavedDiagnostics::new(&own);
        let mut others = state.others.restored(&mut texts)?;
        others.extend(state.note.restored(&mut texts)?);
        let diagnostics = all_found(own, others, &project.config);
        if has_errors(&diagnostics) {
            return None;
        }
        let Before {
            mut state,
            verification,
            ..
        } = self.before.take()?;
        verification.renew(&mut state);
        for edit in edits.edits {
            state.agents[edit.place].key = edit.key;
            state.inputs[edit.input] = edit.file;
        }
        state.own = saved;
        Some(Built {
            diagnostics,
            reading: ReadCounts::remembered(&state),
            agents: Vec::new(),
            project: std::mem::take(&mut self.files.found),
            plan: Some(plan),
            next: self.memory.take().map(|memory| Next {
                memory,
                state,
                parts: None,
            }),
        })
    }
}

/// The build before, where it had the settings and templates of the project with `files`.
fn before(memory: &StateFiles, files: &ProjectFiles, out: &Path) -> Option<Before> {
    let state = memory.read()?;
    (state.settings == settings_hash(&files.found)).then(|| Before {
        is_same: state.surroundings == surroundings_hash(&files.found),
        verification: Verification::new(&state, &files.specs, out),
        state,
    })
}

impl<'a> Built<'a> {
    /// What was planned otherwise, of which nothing is remembered.
    pub fn planned(plan: Plan<'a>) -> Self {
        Self {
            diagnostics: Vec::new(),
            reading: ReadCounts::default(),
            agents: Vec::new(),
            project: Project::default(),
            plan: Some(plan),
            next: None,
        }
    }

    /// Carries out the plan and remembers it; with a conflict in the plan, nothing is written.
    ///
    /// # Errors
    ///
    /// Those of [`apply`].
    pub fn apply(&mut self) -> Result<(), Vec<Diagnostic>> {
        let Some(plan) = &self.plan else {
            return Ok(());
        };
        apply(plan)?;
        let Some(Next {
            memory,
            mut state,
            parts,
        }) = self.next.take()
        else {
            return Ok(());
        };
        let hash = sha256_hex(plan.manifest_text.as_bytes());
        state.manifest = Some(known_output(plan, manifest::FILE_NAME, &hash));
        for file in state.outputs_mut() {
            let hash = plan.manifest.files.get(&file.name);
            *file = known_output(plan, &file.name, hash.map_or("", String::as_str));
        }
        // Those of the build before are as they were.
        if state.folders.is_empty() {
            let paths = state.outputs().map(|file| file.name.as_str());
            state.folders = known_folders(&plan.out, paths);
        }
        // The next build takes longer where this fails.
        let _ = memory.write(&state, parts);
        Ok(())
    }
}

impl ReadCounts {
    /// What the build of `state` read.
    fn remembered(state: &BuildState) -> Self {
        Self {
            agents: state.agents.len(),
            repaired: state.repaired,
            skipped: state.skipped.clone(),
        }
    }

    /// What became of `sources`: `agents` were read from them, and `diagnostics` say why not more.
    pub fn new(sources: &[Arc<Source>], agents: &[Agent], diagnostics: &[Diagnostic]) -> Self {
        let used: BTreeSet<&str> = agents
            .iter()
            .flat_map(|agent| [agent.spec.source.path(), agent.service.source.path()])
            .collect();
        let paths = |wanted: &dyn Fn(&Diagnostic) -> bool| -> BTreeSet<&str> {
            let wanted = diagnostics.iter().filter(|diagnostic| wanted(diagnostic));
            wanted.map(|diagnostic| diagnostic.path.as_str()).collect()
        };
        let broken = paths(&|diagnostic| diagnostic.severity == Severity::Error);
        let pages = paths(&|diagnostic| diagnostic.code == Code::NoFrontmatter);
        let reason = |path: &str| match broken.contains(path) {
            true => "with errors",
            false if pages.contains(path) => "no frontmatter",
            false => LEFT_OUT,
        };
        let skipped = sources.iter().map(|source| source.path());
        let skipped = skipped.filter(|path| !used.contains(path));
        Self {
            agents: agents.len(),
            repaired: agents.iter().filter(|agent| agent.spec.repaired).count(),
            skipped: skipped
                .map(|path| (path.to_owned(), reason(path).to_owned()))
                .collect(),
        }
    }
}
