//! Makes a registry of the documents that `agentgen-build` writes of a project: agents that were not compiled.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::start_error::StartError;
use crate::run::loaded_service::loaded_service;
use crate::server::registry::Registry;
use crate::spec::agent_document::{AgentDocument, LoadedAgent};

/// Loads agents that were not compiled, for a program that serves a folder of them. It remembers those that it loaded last, so
/// that one that did not change is the same after another load.
#[derive(Default)]
pub struct AgentLoader {
    /// By document.
    last: BTreeMap<Arc<str>, LoadedAgent>,
}

impl AgentLoader {
    /// The agents that the documents `agents` describe, in this order, with the `openapi` and `arazzo` documents of their service.
    /// `agentgen_build::serve` makes them of a project. The default bodies of generated code answer; an endpoint that is answered
    /// by code answers 501.
    ///
    /// # Errors
    /// A document that this version does not understand.
    pub fn load(
        &mut self,
        openapi: &str,
        arazzo: Option<&str>,
        agents: &[Arc<str>],
    ) -> Result<Registry, StartError> {
        let mut registry = Registry::new(openapi.to_owned());
        if let Some(arazzo) = arazzo {
            registry = registry.arazzo(arazzo.to_owned());
        }
        let mut loaded = BTreeMap::new();
        let mut workflows = Vec::new();
        for document in agents {
            let agent = match self.last.get(document) {
                Some(same) => same.clone(),
                None => load_agent(document)?,
            };
            registry = registry.service(loaded_service(&agent));
            workflows.extend(agent.workflows.iter().copied());
            loaded.insert(Arc::clone(document), agent);
        }
        self.last = loaded;
        Ok(workflows.into_iter().fold(registry, Registry::workflow))
    }
}

fn load_agent(document: &str) -> Result<LoadedAgent, StartError> {
    let document = serde_json::from_str::<AgentDocument>(document);
    let document = document.map_err(StartError::Agents)?;
    let (theirs, own) = (&document.version, env!("CARGO_PKG_VERSION"));
    if theirs != own {
        let detail = format!("the agents are written for agentgen {theirs}, and this is {own}");
        return Err(StartError::Agents(serde::de::Error::custom(detail)));
    }
    Ok(document.load())
}
