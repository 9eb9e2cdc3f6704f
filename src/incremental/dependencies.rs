//! What generated files depend on, as hashes.

use std::path::Path;

use hmac_sha256::Hash;

use crate::agent::Agent;
use crate::agent::agent_index::AgentIndex;
use crate::incremental::build_state::KnownAgent;
use crate::parallel::in_parallel;
use crate::project::Project;
use crate::project::file_stamp::FileStamp;
use crate::text::measures::hex;

/// Collects values into a hash: no two lists of values have the same.
struct Hasher(Hash);

impl Hasher {
    fn new() -> Self {
        Self(Hash::new())
    }

    fn add(&mut self, value: impl AsRef<[u8]>) -> &mut Self {
        let value = value.as_ref();
        self.0.update((value.len() as u64).to_le_bytes());
        self.0.update(value);
        self
    }

    fn finish(&self) -> String {
        hex(&self.0.finalize())
    }
}

/// The hash of what each generated file may depend on: the settings, the templates, and agentgen itself.
pub fn settings_hash(project: &Project) -> String {
    let mut hasher = Hasher::new();
    hasher.add(env!("CARGO_PKG_VERSION"));
    // Of one version there are several builds while somebody works on agentgen.
    let program = std::env::current_exe().ok();
    let program = program.and_then(|path| FileStamp::of_target(Path::new(&path)).ok());
    hasher.add(format!("{program:?}"));
    hasher.add(format!("{:?}", project.config));
    for template in &project.templates {
        hasher.add(&template.name).add(template.source.text());
    }
    hasher.finish()
}

/// The hash of what else diagnostics may depend on, besides the agents.
pub fn surroundings_hash(project: &Project) -> String {
    let mut hasher = Hasher::new();
    hasher.add(format!("{:?}", project.found_folders));
    hasher.add(format!("{:?}", project.other_template_files));
    for diagnostic in &project.diagnostics {
        hasher.add(format!("{diagnostic:?}"));
    }
    if let Some(handlers) = &project.handlers {
        hasher.add(handlers.module.text());
        for (name, source) in &handlers.handlers {
            hasher.add(name).add(source.text());
        }
    }
    hasher.finish()
}

/// The hashes of agents.
pub struct Dependencies<'a> {
    agents: &'a [Agent],
    settings: &'a str,
    index: &'a AgentIndex<'a>,
    /// Of each agent, the hash of its head: where it is, its name in paths, its frontmatter and its contract.
    heads: Vec<String>,
}

/// The hash of all that other agents and the files over all agents may depend on, of `agent`: its prompt is in its own files alone.
fn head_hash(agent: &Agent) -> String {
    let (spec, contract) = (&agent.spec, &agent.service.source);
    let mut hasher = Hasher::new();
    hasher.add(spec.slug.as_str()).add(spec.source.path());
    hasher.add(spec.head()).add(contract.path());
    hasher.add([u8::from(agent.asks)]);
    if contract.path() != spec.source.path() {
        hasher.add(contract.text());
    }
    hasher.finish()
}

impl<'a> Dependencies<'a> {
    /// Those among `agents`, all of which are in `index`.
    pub fn new(settings: &'a str, agents: &'a [Agent], index: &'a AgentIndex<'a>) -> Self {
        Self {
            agents,
            settings,
            index,
            heads: in_parallel(agents, head_hash),
        }
    }

    /// The hash of the head of the agent at `place`.
    pub fn head(&self, place: usize) -> &str {
        &self.heads[place]
    }

    /// The hash of everything that the own files of the agent at `place` depend on; `text` is the hash of its file.
    pub fn key(&self, place: usize, text: &str) -> String {
        let mut hasher = Hasher::new();
        hasher.add(self.settings).add(&self.heads[place]).add(text);
        for other in self.index.named(&self.agents[place]) {
            hasher.add(&self.heads[other]);
        }
        hasher.finish()
    }
}

/// The hash of everything that the files over all `agents` depend on.
pub fn shared_hash(settings: &str, agents: &[KnownAgent]) -> String {
    let mut hasher = Hasher::new();
    hasher.add(settings);
    for agent in agents {
        hasher.add(&agent.head).add(&agent.part);
    }
    hasher.finish()
}
