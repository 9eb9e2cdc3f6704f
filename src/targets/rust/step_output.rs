//! The Rust types of what the steps of workflows give.

use std::collections::BTreeMap;

use crate::agent::{Agent, find_agent};
use crate::contract::endpoint::{Endpoint, INVOKE_NAME};
use crate::contract::workflow_contract::{OnFailure, Step};
use crate::schema::schema_type::Type;
use crate::targets::rust::endpoint_types::{EndpointTypes, endpoint_types};
use crate::targets::rust::rust_paths::RustPaths;
use crate::targets::rust::rust_types::{option_of, scalar, vec_of};

/// The types of the endpoints of agents, by slug, computed once per agent.
#[derive(Debug)]
pub struct EndpointTypeCache<'a> {
    types: BTreeMap<&'a str, Vec<EndpointTypes>>,
    paths: &'static RustPaths,
}

impl<'a> EndpointTypeCache<'a> {
    /// Nothing is computed yet; `paths` are those of the module that names the types.
    pub fn new(paths: &'static RustPaths) -> Self {
        Self {
            types: BTreeMap::new(),
            paths,
        }
    }

    /// The type of the output of `step`, which calls an agent, as the module `workflows` of `owner` calls it. None where an agent is not there,
    /// which is an error before anything is generated.
    pub fn output(&mut self, step: &Step, owner: &Agent, agents: &'a [Agent]) -> Option<String> {
        let call = step.call()?;
        let target = find_agent(agents, &call.agent.text)?;
        let own = self.answer(target, call.endpoint_name(), owner);
        let other = match &step.on_failure {
            OnFailure::Fallback(other) => {
                let other = find_agent(agents, &other.text)?;
                Some(self.answer(other, INVOKE_NAME, owner))
            }
            _ => None,
        };
        if call.for_each.is_some() {
            // Which of the items the fallback gave, the output doesn't say.
            let item = match other.is_some_and(|other| other != own) {
                true => self.paths.json(),
                false if step.has_gaps() => option_of(&own),
                false => own,
            };
            return Some(vec_of(&item));
        }
        let Some(other) = other else {
            return Some(own);
        };
        Some(format!(
            "{}::StepAnswer<{own}, {other}>",
            self.paths.workflow
        ))
    }

    /// The type of what an endpoint gives to the steps behind: the answer, or of `invoke` the output in it.
    fn answer(&mut self, agent: &'a Agent, name: &str, owner: &Agent) -> String {
        let Some(endpoint) = declared(agent, name) else {
            return "::std::string::String".to_owned();
        };
        if name == INVOKE_NAME {
            return output_of_invoke(endpoint, self.paths);
        }
        let endpoints = &agent.service.endpoints;
        let cached = self.types.entry(agent.spec.slug.as_str());
        let types =
            cached.or_insert_with(|| endpoint_types(&agent.type_name, endpoints, self.paths).0);
        let index = endpoints.iter().position(|other| other.name == name);
        let Some(types) = index.and_then(|index| types.get(index)) else {
            return self.paths.json();
        };
        match types.response.as_str() {
            "()" => "()".to_owned(),
            name if agent.spec.slug == owner.spec.slug => format!("super::{name}"),
            name => format!("super::super::{}::{name}", agent.module),
        }
    }
}

/// The endpoint `name` of `agent`; none is the `invoke` that an agent has without a word.
fn declared<'a>(agent: &'a Agent, name: &str) -> Option<&'a Endpoint> {
    let mut endpoints = agent.service.endpoints.iter();
    endpoints.find(|endpoint| endpoint.name == name)
}

/// The type of the property `output` of an answer, which takes no type of the agent's module to say; any JSON otherwise.
fn output_of_invoke(endpoint: &Endpoint, paths: &RustPaths) -> String {
    let schema = &endpoint.output;
    let Type::Object(object) = schema.resolve(&schema.ty) else {
        return paths.json();
    };
    let Some(field) = object.fields.iter().find(|field| field.name == "output") else {
        return paths.json();
    };
    let (ty, nullable) = match schema.resolve(&field.ty) {
        Type::Nullable(ty) => (schema.resolve(ty), true),
        ty => (ty, false),
    };
    match scalar(ty, paths) {
        Some(path) if nullable || !field.required => option_of(&path),
        Some(path) => path,
        None => paths.json(),
    }
}
