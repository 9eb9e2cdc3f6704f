//! Prompts that change while the service runs, during development: `agentgen dev` writes a file with those of all agents.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::server::registry::Registry;
use crate::spec::prompt::{Prompt, replace};

/// The pause between two looks at the file.
const PAUSE: Duration = Duration::from_millis(40);

/// Has the prompts in the file at `path`, by the slugs of agents, stand in place of those of `registry`, now and whenever the file
/// changes.
pub(super) fn follow(path: PathBuf, registry: &Registry) {
    let agents = registry.agents();
    let prompts = agents.map(|agent| (agent.slug, agent.prompt));
    let prompts = prompts.collect::<BTreeMap<_, _>>();
    tracing::warn!(path = %path.display(), "the prompts are those of this file: this is for development");
    let mut last = read(&path, &prompts, &[]);
    let following = thread::Builder::new().name("prompts".to_owned());
    let following = following.spawn(move || {
        loop {
            thread::sleep(PAUSE);
            last = read(&path, &prompts, &last);
        }
    });
    if let Err(error) = following {
        tracing::error!(%error, "changes of prompts are not noticed");
    }
}

/// Reads the file, unless it has the text `last`. Returns its text. A file that is not there, or half written, changes nothing.
fn read(path: &Path, prompts: &BTreeMap<&str, Prompt>, last: &[u8]) -> Vec<u8> {
    let Ok(text) = std::fs::read(path) else {
        return last.to_vec();
    };
    if text != last
        && let Ok(new) = serde_json::from_slice::<BTreeMap<String, String>>(&text)
    {
        for (slug, new) in new {
            if let Some(prompt) = prompts.get(&*slug) {
                replace(*prompt, &new);
            }
        }
    }
    text
}
