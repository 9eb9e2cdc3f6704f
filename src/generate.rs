//! The pure core: a project in, artifacts and diagnostics out.

use std::sync::{Mutex, PoisonError};

use crate::agent::agent_index::AgentIndex;
use crate::agent::{Agent, agent_reader};
use crate::check::{
    agent_checks, handler_check, model_check, role_check, tool_check, workflow_check,
};
use crate::diagnostics::code::Code;
use crate::diagnostics::{Diagnostic, Severity, has_errors};
use crate::output::artifact::{Artifact, Content};
use crate::parallel::in_parallel;
use crate::project::Project;
use crate::project::config::{Config, OpenapiFormat, Target};
use crate::targets::openapi::arazzo;
use crate::targets::openapi::merged_document::Part;
use crate::targets::template_engine::Templates;
use crate::targets::{agent_cards, openapi, prompts, rust, rust_client, template_overrides};

/// What came of a project.
#[derive(Debug, Clone, Default)]
pub struct Generation {
    /// The generated files, sorted by path; none when a diagnostic is an error.
    pub artifacts: Vec<Artifact>,
    /// The agents, sorted by slug; those that could be read, when a diagnostic is an error.
    pub agents: Vec<Agent>,
    /// Everything worth saying, sorted by file and place, each thing once.
    pub diagnostics: Vec<Diagnostic>,
}

/// What was read of a project and checked.
pub(crate) struct Checked {
    /// The agents that could be read, sorted by slug.
    pub(crate) agents: Vec<Agent>,
    /// What there is to say about one agent, whatever the others are.
    pub(crate) own: Vec<Diagnostic>,
    /// What else there is to say.
    pub(crate) others: Vec<Diagnostic>,
}

/// Reads and checks everything in `project` and generates nothing.
pub fn check(project: &Project) -> Generation {
    let Checked {
        agents,
        own,
        others,
    } = checked(project);
    Generation {
        artifacts: Vec::new(),
        agents,
        diagnostics: all_found(own, others, &project.config),
    }
}

/// Reads and checks everything in `project`.
///
/// Invariant: no check over several agents looks at what is below the frontmatter of one.
pub(crate) fn checked(project: &Project) -> Checked {
    let config = &project.config;
    let mut own = Vec::new();
    let mut others = project.diagnostics.clone();
    let agents = agent_reader::read_all(
        &project.sources,
        &project.found_folders,
        config.strict,
        &mut own,
        &mut others,
    );
    agent_checks::check_agents(&agents, config, &mut others);
    model_check::check_models(&agents, config, &mut others);
    workflow_check::check_workflows(&agents, &mut others);
    role_check::check_roles(&agents, &mut others);
    tool_check::check_tools(&agents, config, &mut others);
    others.extend(template_overrides::check(project));
    let is_fine = !has_errors(&own) && !has_errors(&others);
    if agents.is_empty() && is_fine {
        let folders = config.agents.join(", ");
        others.push(
            Diagnostic::error(Code::NoAgents, folders, "there are no agents here")
                .help("an agent is a Markdown file that starts with a line `---`"),
        );
    }
    // Of an agent that can't be read, nobody knows whether it is gone.
    if let Some(handlers) = &project.handlers
        && is_fine
        && !agents.is_empty()
    {
        handler_check::check_handlers(&agents, handlers, &mut others);
    }
    Checked {
        agents,
        own,
        others,
    }
}

/// Everything that was found, sorted, with errors for what the project denies.
pub(crate) fn all_found(
    own: Vec<Diagnostic>,
    others: Vec<Diagnostic>,
    config: &Config,
) -> Vec<Diagnostic> {
    let mut diagnostics = own;
    diagnostics.extend(others);
    deny(&mut diagnostics, config);
    sorted(diagnostics)
}

/// Generates everything `project` asks for. Reads nothing and writes nothing but memory.
pub fn generate(project: &Project) -> Generation {
    let mut generation = check(project);
    if has_errors(&generation.diagnostics) {
        return generation;
    }
    let (artifacts, found) = match render(project, &generation.agents) {
        Ok((artifacts, note)) => (artifacts, Vec::from_iter(note)),
        Err(diagnostics) => (Vec::new(), diagnostics),
    };
    add_found(&mut generation.diagnostics, found, &project.config);
    if !has_errors(&generation.diagnostics) {
        generation.artifacts = artifacts;
    }
    generation
}

/// Adds what was `found` while rendering, which is errors where the project denies it.
pub(crate) fn add_found(
    diagnostics: &mut Vec<Diagnostic>,
    mut found: Vec<Diagnostic>,
    config: &Config,
) {
    deny(&mut found, config);
    diagnostics.extend(found);
    *diagnostics = sorted(std::mem::take(diagnostics));
}

/// Makes errors of what the project denies.
fn deny(diagnostics: &mut [Diagnostic], config: &Config) {
    for diagnostic in diagnostics {
        if config.deny.contains(&diagnostic.code) {
            diagnostic.severity = Severity::Error;
        }
    }
}

/// A project without errors, ready to be rendered: the files of each agent, and then those that name all of them.
pub(crate) struct Renderer<'a> {
    config: &'a Config,
    templates: Templates,
}

/// What is made of one agent.
pub(crate) struct AgentOutput {
    /// Its files.
    pub(crate) artifacts: Vec<Artifact>,
    /// What it adds to the documents of the service.
    pub(crate) part: Part,
}

impl<'a> Renderer<'a> {
    /// A renderer of the agents of `project`.
    ///
    /// # Errors
    ///
    /// What is wrong with a template of the user's.
    pub(crate) fn new(project: &'a Project) -> Result<Self, Diagnostic> {
        Ok(Self {
            config: &project.config,
            templates: Templates::new(&project.templates)?,
        })
    }

    /// The files of `agent` alone. `named` are those of all agents that it names, in their order.
    ///
    /// # Errors
    ///
    /// What is wrong with a template.
    pub(crate) fn agent(&self, agent: &Agent, named: &[Agent]) -> Result<AgentOutput, Diagnostic> {
        let templates = &self.templates;
        let mut artifacts = Vec::new();
        let fragment = openapi::fragment(agent, self.config, templates)?;
        for target in self.config.targets() {
            match target {
                Target::Prompts => artifacts.extend(prompts::render(agent, named, templates)?),
                Target::Rust => {
                    // The module includes the prompt's file.
                    if !self.config.targets.contains(&Target::Prompts) {
                        artifacts.extend(prompts::render(agent, named, templates)?);
                    }
                    artifacts.push(rust::module(agent, named, templates)?);
                }
                Target::Openapi => artifacts.push(fragment.artifact.clone()),
                Target::Client => artifacts.push(rust_client::module(agent, named, templates)?),
                Target::A2a => {
                    let url = agent_cards::base_url(&self.config.openapi)?;
                    artifacts.push(agent_cards::card(agent, &self.config.openapi, &url));
                }
            }
        }
        Ok(AgentOutput {
            artifacts,
            part: fragment.part,
        })
    }

    /// Gives `receive` the files that name all `agents`, several at a time: their paths, and what writes their contents piece by piece.
    /// `parts` are those of all agents, in their order. The answer is what there is to note.
    ///
    /// # Errors
    ///
    /// What is wrong with a template, and names that several agents have.
    pub(crate) fn shared(
        &self,
        agents: &[Agent],
        parts: &[&Part],
        receive: &(dyn Fn(String, &Content<'_>) + Sync),
    ) -> Result<Option<Diagnostic>, Vec<Diagnostic>> {
        let one = |diagnostic: Diagnostic| vec![diagnostic];
        let templates = &self.templates;
        let service = openapi::service(agents, self.config, templates).map_err(one)?;
        let merged = openapi::merged(&service, parts, agents, self.config)?;
        let arazzo = arazzo::render(agents, self.config, templates).map_err(one)?;
        let file = |artifact: Artifact| {
            let Artifact { path, bytes } = artifact;
            receive(path, &|write| write(&bytes));
        };
        let mut documents = Vec::new();
        let mut note = None;
        for target in self.config.targets() {
            match target {
                Target::Prompts | Target::A2a => {}
                Target::Rust => {
                    file(rust::registry(agents, templates).map_err(one)?);
                    documents.push(("rust/openapi.json".to_owned(), OpenapiFormat::Json));
                    if let Some(document) = &arazzo {
                        file(Artifact {
                            path: "rust/arazzo.json".to_owned(),
                            bytes: document.served.clone().into_bytes(),
                        });
                    }
                }
                Target::Openapi => {
                    let format = self.config.openapi.format;
                    documents.push((format!("openapi.{}", format.as_str()), format));
                    if let Some(document) = &arazzo {
                        file(document.artifact.clone());
                        note.clone_from(&document.note);
                    }
                }
                Target::Client => {
                    let files = rust_client::shared(agents, templates).map_err(one)?;
                    files.into_iter().for_each(file);
                }
            }
        }
        let merged = &merged;
        std::thread::scope(|scope| {
            for (path, format) in documents {
                scope.spawn(move || {
                    receive(path, &|write| {
                        merged.write(format, &mut |piece| write(piece.as_bytes()));
                    });
                });
            }
        });
        Ok(note)
    }
}

fn render(
    project: &Project,
    agents: &[Agent],
) -> Result<(Vec<Artifact>, Option<Diagnostic>), Vec<Diagnostic>> {
    let renderer = Renderer::new(project).map_err(|diagnostic| vec![diagnostic])?;
    let mut artifacts = Vec::new();
    let mut parts = Vec::new();
    let mut diagnostics = Vec::new();
    let index = AgentIndex::new(agents);
    for output in in_parallel(agents, |agent| {
        renderer.agent(agent, &index.copies_of_named(agent))
    }) {
        match output {
            Ok(output) => {
                artifacts.extend(output.artifacts);
                parts.push(output.part);
            }
            Err(diagnostic) => diagnostics.push(diagnostic),
        }
    }
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    let shared = Mutex::new(Vec::new());
    let note = renderer.shared(
        agents,
        &parts.iter().collect::<Vec<_>>(),
        &|path, content| {
            let mut bytes = Vec::new();
            content(&mut |piece| bytes.extend_from_slice(piece));
            let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.push(Artifact { path, bytes });
        },
    )?;
    artifacts.extend(shared.into_inner().unwrap_or_else(PoisonError::into_inner));
    artifacts.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((artifacts, note))
}

/// The diagnostics by file and place; duplicates at one place are removed.
pub(crate) fn sorted(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    fn key(d: &Diagnostic) -> (&str, Option<usize>, Code, &str) {
        (&d.path, d.span.map(|span| span.start), d.code, &d.message)
    }
    diagnostics.sort_by(|a, b| key(a).cmp(&key(b)));
    diagnostics.dedup_by(|a, b| {
        // A broken template fails for every agent: once is enough.
        let one_cause = matches!(a.code, Code::BadTemplate | Code::BadOutput);
        let same = a.path == b.path && a.span == b.span && a.code == b.code;
        same && (one_cause || a.message == b.message)
    });
    diagnostics
}
