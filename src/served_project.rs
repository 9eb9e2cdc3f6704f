//! A project as the runtime serves it without compiling, made again whenever a file changes.
//!
//! Invariant: what is remembered changes no byte of what is made. Of an agent whose texts, and those of the agents it names, are the
//! same, nothing is rendered again.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agent::Agent;
use crate::agent::agent_index::AgentIndex;
use crate::diagnostics::source::Source;
use crate::diagnostics::{Diagnostic, has_errors};
use crate::generate::{Generation, check, sorted};
use crate::parallel::in_parallel;
use crate::project::Project;
use crate::project::config::{Config, OpenapiFormat};
use crate::targets::openapi;
use crate::targets::openapi::arazzo;
use crate::targets::openapi::merged_document::Part;
use crate::targets::served::served_agent::agent_document;
use crate::targets::template_engine::Templates;

/// A project as the runtime serves it without compiling.
#[derive(Debug, Clone, Default)]
pub struct ServedProject {
    /// The documents for the runtime's `AgentLoader`; none when a diagnostic is an error.
    pub documents: Option<ServedDocuments>,
    /// The agents, sorted by slug; those that could be read, when a diagnostic is an error.
    pub agents: Vec<Agent>,
    /// Everything worth saying, sorted by file and place, each thing once.
    pub diagnostics: Vec<Diagnostic>,
}

/// What the runtime is told of the agents of a project, as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServedDocuments {
    /// The OpenAPI document of the service.
    pub openapi: Arc<str>,
    /// The Arazzo document of its workflows, if there are some.
    pub arazzo: Option<Arc<str>>,
    /// A document of each agent, in the order of the registry of generated Rust.
    pub agents: Vec<Arc<str>>,
}

/// What was made of a project last.
#[derive(Debug, Default)]
pub struct ServedMemory {
    config: Config,
    templates: Vec<(String, Arc<Source>)>,
    /// By slug.
    agents: BTreeMap<String, ServedAgent>,
    shared: Option<Shared>,
}

/// What is made of an agent, and what it is made of.
#[derive(Debug, Clone)]
struct ServedAgent {
    /// Its own texts, and those of the agents it names.
    texts: Vec<AgentTexts>,
    /// What it adds to the OpenAPI document.
    part: Arc<Part>,
    document: Arc<str>,
}

/// The files of an agent.
#[derive(Debug, Clone)]
struct AgentTexts {
    slug: String,
    asks: bool,
    spec: Arc<Source>,
    contract: Arc<Source>,
}

/// What is made of all agents, and what it is made of.
#[derive(Debug)]
struct Shared {
    inputs: Vec<SharedInput>,
    openapi: Arc<str>,
    arazzo: Option<Arc<str>>,
}

/// What the documents of all agents have of one: the text of its prompt is in none of them.
#[derive(Debug)]
struct SharedInput {
    slug: String,
    path: String,
    head: String,
    contract: Arc<Source>,
    part: Arc<Part>,
}

/// Makes of `project` what the runtime serves without compiling. Reads nothing and writes nothing but `memory`, which may be that of
/// any project.
pub fn serve(project: &Project, memory: &mut ServedMemory) -> ServedProject {
    let Generation {
        agents,
        mut diagnostics,
        ..
    } = check(project);
    let mut documents = None;
    if !has_errors(&diagnostics) {
        match render(project, &agents, memory) {
            Ok(made) => documents = Some(made),
            Err(found) => diagnostics.extend(found),
        }
    }
    ServedProject {
        documents,
        agents,
        diagnostics: sorted(diagnostics),
    }
}

fn render(
    project: &Project,
    agents: &[Agent],
    memory: &mut ServedMemory,
) -> Result<ServedDocuments, Vec<Diagnostic>> {
    memory.forget_unless_of(project);
    let config = &project.config;
    let templates = Templates::new(&project.templates).map_err(|error| vec![error])?;
    let index = AgentIndex::new(agents);
    let made = in_parallel(agents, |agent| {
        let named = index.named(agent).into_iter().map(|at| &agents[at]);
        let texts = std::iter::once(agent).chain(named).map(AgentTexts::of);
        let texts: Vec<AgentTexts> = texts.collect();
        let last = memory.agents.get(agent.spec.slug.as_str());
        if let Some(last) = last.filter(|last| last.texts == texts) {
            return Ok(last.clone());
        }
        let part = openapi::part(agent, config, &templates)?;
        // A part that is equal is the same, so that the documents of all agents are.
        let same = last.filter(|last| *last.part == part);
        Ok(ServedAgent {
            texts,
            part: same.map_or_else(|| Arc::new(part), |last| Arc::clone(&last.part)),
            document: agent_document(agent, agents).into(),
        })
    });
    let mut parts = Vec::new();
    let mut diagnostics = Vec::new();
    for made in made {
        match made {
            Ok(made) => parts.push(made),
            Err(diagnostic) => diagnostics.push(diagnostic),
        }
    }
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    let shared = match memory
        .shared
        .take()
        .filter(|last| last.is_of(agents, &parts))
    {
        Some(shared) => shared,
        None => render_shared(agents, &parts, config, &templates)?,
    };
    let mut ordered: Vec<(&Agent, &ServedAgent)> = agents.iter().zip(&parts).collect();
    ordered.sort_by(|left, right| left.0.module.cmp(&right.0.module));
    let documents = ServedDocuments {
        openapi: Arc::clone(&shared.openapi),
        arazzo: shared.arazzo.clone(),
        agents: ordered
            .into_iter()
            .map(|(_, made)| Arc::clone(&made.document))
            .collect(),
    };
    let slugs = agents.iter().map(|agent| agent.spec.slug.to_string());
    memory.agents = slugs.zip(parts).collect();
    memory.shared = Some(shared);
    Ok(documents)
}

fn render_shared(
    agents: &[Agent],
    made: &[ServedAgent],
    config: &Config,
    templates: &Templates,
) -> Result<Shared, Vec<Diagnostic>> {
    let one = |diagnostic: Diagnostic| vec![diagnostic];
    let service = openapi::service(agents, config, templates).map_err(one)?;
    let parts: Vec<&Part> = made.iter().map(|made| &*made.part).collect();
    let merged = openapi::merged(&service, &parts, agents, config)?;
    let arazzo = arazzo::render(agents, config, templates).map_err(one)?;
    let inputs = agents.iter().zip(made);
    Ok(Shared {
        inputs: inputs.map(SharedInput::of).collect(),
        openapi: merged.text(OpenapiFormat::Json).into(),
        arazzo: arazzo.map(|arazzo| arazzo.served.into()),
    })
}

impl ServedMemory {
    /// Forgets what was made with other settings or templates.
    fn forget_unless_of(&mut self, project: &Project) {
        let templates = project.templates.iter();
        let templates = templates.map(|one| (one.name.clone(), Arc::clone(&one.source)));
        let templates: Vec<(String, Arc<Source>)> = templates.collect();
        let is_same = self.config == project.config
            && self.templates.len() == templates.len()
            && std::iter::zip(&self.templates, &templates)
                .all(|(last, now)| last.0 == now.0 && is_same_text(&last.1, &now.1));
        if !is_same {
            *self = Self {
                config: project.config.clone(),
                templates,
                ..Self::default()
            };
        }
    }
}

impl AgentTexts {
    fn of(agent: &Agent) -> Self {
        Self {
            slug: agent.spec.slug.to_string(),
            asks: agent.asks,
            spec: Arc::clone(&agent.spec.source),
            contract: Arc::clone(&agent.service.source),
        }
    }
}

impl PartialEq for AgentTexts {
    fn eq(&self, other: &Self) -> bool {
        self.slug == other.slug
            && self.asks == other.asks
            && is_same_text(&self.spec, &other.spec)
            && is_same_text(&self.contract, &other.contract)
    }
}

fn is_same_text(one: &Arc<Source>, other: &Arc<Source>) -> bool {
    Arc::ptr_eq(one, other) || (one.path() == other.path() && one.text() == other.text())
}

impl SharedInput {
    fn of((agent, made): (&Agent, &ServedAgent)) -> Self {
        Self {
            slug: agent.spec.slug.to_string(),
            path: agent.spec.source.path().to_owned(),
            head: agent.spec.head().to_owned(),
            contract: Arc::clone(&agent.service.source),
            part: Arc::clone(&made.part),
        }
    }

    fn is_of(&self, agent: &Agent, made: &ServedAgent) -> bool {
        let (spec, contract) = (&agent.spec, &agent.service.source);
        // A contract in the file of the agent is in its head.
        let has_contract = match contract.path() == spec.source.path() {
            true => self.contract.path() == spec.source.path(),
            false => is_same_text(&self.contract, contract),
        };
        has_contract
            && self.slug == spec.slug.as_str()
            && self.path == spec.source.path()
            && self.head == spec.head()
            && Arc::ptr_eq(&self.part, &made.part)
    }
}

impl Shared {
    /// Whether the same would be made of `agents`.
    fn is_of(&self, agents: &[Agent], made: &[ServedAgent]) -> bool {
        let mut inputs = self.inputs.iter().zip(agents.iter().zip(made));
        self.inputs.len() == agents.len()
            && inputs.all(|(input, (agent, made))| input.is_of(agent, made))
    }
}
