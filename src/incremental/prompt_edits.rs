//! Agents of which nothing but the prompt was edited since the build before: only they are read, and the agents that they name.
//!
//! Invariant: this holds back where anything else may have changed. What is below the frontmatter of an agent is in its own files
//! alone, and no check over several agents looks at it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::agent::Agent;
use crate::agent::agent_index::AgentIndex;
use crate::agent::agent_reader::read_all;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::source::Source;
use crate::incremental::LEFT_OUT;
use crate::incremental::build_state::{BuildState, KnownFile};
use crate::incremental::dependencies::Dependencies;
use crate::incremental::verification::{Stamp, Verification, known_input, stamp};
use crate::project::Project;
use crate::project::discover::read;

/// Agents with other prompts than before.
pub struct PromptEdits {
    /// These agents, and those that they name, sorted by slug.
    pub agents: Vec<Agent>,
    /// What is new of each of them.
    pub edits: Vec<PromptEdit>,
    /// What there is to say about them alone.
    pub diagnostics: Vec<Diagnostic>,
}

/// An agent with another prompt than before.
pub struct PromptEdit {
    /// Its place among the agents of the build before.
    pub place: usize,
    /// Its place among those that were read.
    pub read_as: usize,
    /// The place of its file among the inputs.
    pub input: usize,
    /// Its file.
    pub file: KnownFile,
    /// The hash of what its own files depend on.
    pub key: String,
}

/// A source, and the stamp that its file had before it was read.
type Read = (Arc<Source>, Option<Stamp>);

impl PromptEdits {
    /// The agents of the build of `state` that have another prompt now; none where more than that has changed, or nothing.
    /// `verification` says which of the files `specs` are others, and `project` has the settings.
    pub fn read(
        state: &BuildState,
        verification: &Verification,
        specs: &[(String, PathBuf)],
        project: &Project,
    ) -> Option<Self> {
        let inputs = verification.inputs.as_ref()?;
        // Whether an agent is left out without a word depends on all of its text.
        let is_left_out = state.skipped.iter().any(|(_, why)| why == LEFT_OUT);
        if is_left_out || !verification.is_output_as_it_was() {
            return None;
        }
        let is_edited = |place: &usize| {
            let own = state.agents[*place].inputs.first();
            own.is_some_and(|input| inputs[*input].is_none())
        };
        let edited: Vec<usize> = (0..state.agents.len()).filter(is_edited).collect();
        let changed = inputs.iter().filter(|input| input.is_none()).count();
        if edited.is_empty() || edited.len() != changed {
            return None;
        }
        let named = edited.iter().flat_map(|place| &state.agents[*place].named);
        let mut places: Vec<usize> = named.chain(&edited).copied().collect();
        places.sort_unstable();
        places.dedup();
        let files = places.iter().flat_map(|place| &state.agents[*place].inputs);
        let mut files: Vec<usize> = files.copied().collect();
        files.sort_unstable();
        let files = files.into_iter().map(|file| {
            let (name, path) = &specs[file];
            let before = stamp(path);
            Some((read(path, name).ok()?, before))
        });
        let files = files.collect::<Option<Vec<Read>>>()?;
        let sources: Vec<Arc<Source>> =
            files.iter().map(|(source, _)| Arc::clone(source)).collect();
        let (mut own, mut others) = (Vec::new(), Vec::new());
        let agents = read_all(&sources, &[], project.config.strict, &mut own, &mut others);
        if !others.is_empty() || agents.len() != places.len() {
            return None;
        }
        let index = AgentIndex::new(&agents);
        let dependencies = Dependencies::new(&state.settings, &agents, &index);
        let mut edits = Vec::new();
        for (read_as, place) in places.into_iter().enumerate() {
            let known = &state.agents[place];
            if dependencies.head(read_as) != known.head {
                return None;
            }
            if is_edited(&place) {
                let input = *known.inputs.first()?;
                let of_name = |(source, _): &&Read| source.path() == specs[input].0;
                let (source, stamp) = files.iter().find(of_name)?;
                let file = known_input(source, *stamp);
                edits.push(PromptEdit {
                    key: dependencies.key(read_as, &file.hash),
                    place,
                    read_as,
                    input,
                    file,
                });
            }
        }
        own.retain(|diagnostic| edits.iter().any(|edit| edit.file.name == diagnostic.path));
        Some(Self {
            diagnostics: own,
            agents,
            edits,
        })
    }

    /// Whether the file at `path` is that of an agent with another prompt.
    pub fn is_of_edited(&self, path: &str) -> bool {
        self.edits.iter().any(|edit| edit.file.name == path)
    }
}
