//! Renders the agents that changed, and the files over all agents where these depend on what changed.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::agent::Agent;
use crate::agent::agent_index::AgentIndex;
use crate::diagnostics::Diagnostic;
use crate::generate::Renderer;
use crate::incremental::build_state::{BuildState, KnownAgent, KnownFile, StateFiles};
use crate::incremental::dependencies::{Dependencies, settings_hash, shared_hash};
use crate::incremental::saved_diagnostic::Texts;
use crate::incremental::verification::Remembered;
use crate::incremental::{Before, Next};
use crate::output::plan::{Options, Plan};
use crate::output::planner::Planner;
use crate::parallel::in_parallel;
use crate::project::Project;
use crate::targets::openapi::merged_document::Part;
use crate::text::measures::sha256_hex;

/// A plan, what there is to note, and what to remember once the plan was carried out.
pub(crate) type Planned<'a> = (Plan<'a>, Vec<Diagnostic>, Option<Next>);

/// An agent whose files are as they should be on the disk, or ready to be written.
enum Made {
    /// It was made before; with its place then.
    Before(usize),
    /// The paths of its files, and its part as a line.
    Now(Vec<String>, Box<str>),
}

/// After each of so many shares of the agents, those that were rendered give back their texts.
const ROUNDS: usize = 16;

/// Makes the files of a project without errors. `inputs` are its agents' files, sorted by name. Agents that were rendered, and that
/// no other one names, give back their texts.
///
/// # Errors
///
/// What is wrong with a template, and what makes a plan impossible.
pub(crate) fn make<'a>(
    root: &Path,
    options: &Options,
    memory: Option<StateFiles>,
    before: Option<Before>,
    inputs: Vec<KnownFile>,
    (project, agents): (&Project, &mut [Agent]),
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Planned<'a>, Vec<Diagnostic>> {
    let one = |diagnostic: Diagnostic| vec![diagnostic];
    let renderer = Renderer::new(project).map_err(one)?;
    let planner = Planner::new(root, &project.config.out, options).map_err(one)?;
    let mut next = BuildState::new(settings_hash(project));
    next.agents = known_agents(agents, &next.settings, &inputs);
    next.inputs = inputs;
    let is_named: BTreeSet<usize> = next
        .agents
        .iter()
        .flat_map(|agent| agent.named.clone())
        .collect();
    let remembered = before
        .as_ref()
        .map(|before| Remembered::new(&before.state, &before.verification));
    let before = before.as_ref().map(|before| &before.state);
    let named = |known: &KnownAgent, agents: &[Agent]| -> Vec<Agent> {
        let places = known.named.iter();
        places.map(|place| agents[*place].clone()).collect()
    };
    let (done, all) = (AtomicUsize::new(0), agents.len());
    let places: Vec<usize> = (0..all).collect();
    let (mut made, mut problems) = (Vec::new(), Vec::new());
    for round in places.chunks(all.div_ceil(ROUNDS).max(1)) {
        let outputs = in_parallel(round, |place| {
            let (agent, known) = (&agents[*place], &next.agents[*place]);
            let kept = remembered
                .as_ref()
                .and_then(|remembered| remembered.agent(&known.slug, &known.key));
            let made = match kept {
                Some((at, files)) => {
                    for (file, seen) in files {
                        planner.keep(&file.name, &file.hash, seen);
                    }
                    Made::Before(at)
                }
                None => {
                    let output = renderer.agent(agent, &named(known, agents))?;
                    for artifact in &output.artifacts {
                        planner.stage(artifact);
                    }
                    let paths = output.artifacts.into_iter().map(|artifact| artifact.path);
                    Made::Now(paths.collect(), output.part.to_line().into_boxed_str())
                }
            };
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, all);
            Ok::<_, Diagnostic>(made)
        });
        for (place, output) in round.iter().zip(outputs) {
            let known = &mut next.agents[*place];
            match &output {
                Ok(Made::Before(at)) => {
                    if let Some(before) = before.map(|before| &before.agents[*at]) {
                        known.files.clone_from(&before.files);
                        known.part.clone_from(&before.part);
                    }
                }
                Ok(Made::Now(paths, part)) => {
                    known.files = paths.iter().cloned().map(KnownFile::named).collect();
                    known.part = sha256_hex(part.as_bytes());
                    if !is_named.contains(place) {
                        agents[*place].forget_texts();
                    }
                }
                Err(_) => {}
            }
            match output {
                Ok(output) => made.push(output),
                Err(diagnostic) => problems.push(diagnostic),
            }
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    next.shared = shared_hash(&next.settings, &next.agents);
    let kept = remembered
        .as_ref()
        .and_then(|remembered| remembered.shared(&next.shared));
    let mut parts = None;
    let note = match (kept, before) {
        (Some(kept), Some(before)) => {
            for (file, seen) in kept {
                planner.keep(&file.name, &file.hash, seen);
                next.shared_files.push(file.clone());
            }
            next = next.with_parts_of(before);
            let saved = before.note.restored(&mut Texts::new(root));
            saved.unwrap_or_default()
        }
        _ => {
            let lines = memory.as_ref().zip(before);
            let lines = lines.and_then(|(memory, before)| memory.read_parts(before));
            let all = made.into_iter().enumerate().map(|(place, made)| {
                let known = match made {
                    Made::Now(_, line) => Part::from_line(&line),
                    Made::Before(at) => lines.as_ref().and_then(|lines| lines.part(at)),
                };
                match known {
                    Some(part) => Ok(part),
                    None => {
                        let named = named(&next.agents[place], agents);
                        Ok(renderer.agent(&agents[place], &named)?.part)
                    }
                }
            });
            let all = all.collect::<Result<Vec<Part>, _>>().map_err(one)?;
            let paths = Mutex::new(BTreeSet::new());
            let borrowed: Vec<&Part> = all.iter().collect();
            let note = renderer.shared(agents, &borrowed, &|path, content| {
                planner.stage_pieces(&path, content);
                let mut paths = paths.lock().unwrap_or_else(PoisonError::into_inner);
                paths.insert(path);
            })?;
            let paths = paths.into_inner().unwrap_or_else(PoisonError::into_inner);
            next.shared_files = paths.into_iter().map(KnownFile::named).collect();
            if memory.is_some() {
                parts = Some(all);
            }
            Vec::from_iter(note)
        }
    };
    let plan = planner.finish()?;
    let next = memory.map(|memory| Next {
        memory,
        state: next,
        parts,
    });
    Ok((plan, note, next))
}

/// The agents, of whose files nothing is known yet.
fn known_agents(agents: &[Agent], settings: &str, inputs: &[KnownFile]) -> Vec<KnownAgent> {
    let names = AgentIndex::new(agents);
    let dependencies = Dependencies::new(settings, agents, &names);
    let input = |path: &str| {
        inputs
            .binary_search_by(|input| input.name.as_str().cmp(path))
            .ok()
    };
    let places: Vec<usize> = (0..agents.len()).collect();
    in_parallel(&places, |place| {
        let agent = &agents[*place];
        let paths = [agent.spec.source.path(), agent.service.source.path()];
        let mut own: Vec<usize> = paths.into_iter().filter_map(input).collect();
        own.dedup();
        let text = own.first().map_or("", |own| inputs[*own].hash.as_str());
        KnownAgent {
            slug: agent.spec.slug.to_string(),
            head: dependencies.head(*place).to_owned(),
            key: dependencies.key(*place, text),
            part: String::new(),
            inputs: own,
            named: names.named(agent),
            files: Vec::new(),
        }
    })
}
