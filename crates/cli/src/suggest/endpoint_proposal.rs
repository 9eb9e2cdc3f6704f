//! Proposes endpoints for the routes and the answer format of a body.

use heck::ToSnakeCase;

use crate::suggest::proposal::Proposal;
use crate::suggest::reading::document_hints;
use crate::suggest::reading::text_sample::Shape;
use crate::suggest::yaml_lines::{YamlLine, scalar};
use crate::suggest::{Findings, Output, Property, Route};
use agentgen_build::Agent;
use agentgen_build::inspect::{
    Endpoint, Ident, documents_path, path_error, path_parameters, path_shape,
};

/// Adds an endpoint for each route that `agent`, one of `agents`, does not serve yet, and one that answers in the
/// form that the body asks for.
pub fn add_endpoints(
    findings: &Findings,
    agent: &Agent,
    agents: &[Agent],
    proposal: &mut Proposal,
) {
    let mut taken = Taken::new(agent, agents);
    for route in &findings.routes {
        add_route(route, findings.retrieval, &mut taken, proposal);
    }
    if !taken.code.is_empty() {
        proposal.notes.push(format!(
            "{} with `handler: code`: you write what answers.",
            taken.code.join(", ")
        ));
    }
    if !taken.looked_up.is_empty() {
        proposal.notes.push(format!(
            "{} from the agent's documents: put them at `{}`, and say under `documents` who may.",
            taken.looked_up.join(", "),
            documents_path(&agent.spec.slug)
        ));
    }
    if let Some(output) = &findings.output {
        add_output(output, &taken, proposal);
    }
}

/// What endpoints there are already.
struct Taken<'a> {
    agent: &'a Agent,
    agents: &'a [Agent],
    /// The methods and paths of those that are proposed.
    proposed: Vec<(&'static str, String)>,
    names: Vec<Ident>,
    /// The names of those that are proposed and that code answers.
    code: Vec<String>,
    /// What is proposed that documents are needed for.
    looked_up: Vec<String>,
}

impl<'a> Taken<'a> {
    fn new(agent: &'a Agent, agents: &'a [Agent]) -> Self {
        let endpoints = agent.service.endpoints.iter();
        Self {
            agent,
            agents,
            proposed: Vec::new(),
            names: endpoints.map(|own| own.method_name.clone()).collect(),
            code: Vec::new(),
            looked_up: Vec::new(),
        }
    }

    /// The endpoint, and its agent, that a route `path` conflicts with: one of the same method (any, where the
    /// route names none), or one whose path differs only in the names of parameters.
    fn clash(&self, method: Option<&str>, path: &str) -> Option<(&'a Agent, &'a Endpoint)> {
        let shape = path_shape(path);
        self.agents
            .iter()
            .flat_map(|agent| agent.service.endpoints.iter().map(move |own| (agent, own)))
            .filter(|(_, own)| path_shape(&own.path) == shape)
            .find(|(_, own)| {
                own.path != path || method.is_none_or(|method| method == own.method.as_str())
            })
    }
}

/// The last segments of paths that code answers, not a model.
const CODE: [&str; 18] = [
    "auth",
    "embed",
    "embeddings",
    "health",
    "healthcheck",
    "healthz",
    "login",
    "logout",
    "metrics",
    "ping",
    "refresh",
    "register",
    "search",
    "status",
    "token",
    "upload",
    "version",
    "webhook",
];

/// Those of [`CODE`] that are read with GET and report the state of the service.
const STATE: [&str; 6] = [
    "health",
    "healthcheck",
    "healthz",
    "ping",
    "status",
    "version",
];

fn add_route(
    found: &Route,
    retrieval: Option<usize>,
    taken: &mut Taken<'_>,
    proposal: &mut Proposal,
) {
    let Route { path, line, .. } = found;
    if let Some(error) = path_error(path) {
        let note = format!("{path} (line {line}) can't be an endpoint: {}.", error.0);
        proposal.notes.push(note);
        return;
    }
    let literal: Vec<String> = path
        .split('/')
        .filter(|segment| !segment.is_empty() && !segment.starts_with('{'))
        .map(str::to_snake_case)
        .collect();
    let last = literal.last().map_or("", String::as_str);
    let is_state = STATE.contains(&last);
    let default = if is_state { "GET" } else { "POST" };
    let method = found.method.unwrap_or(default);
    // What has parameters tells how one thing is, not the service.
    let is_state = is_state && path_parameters(path).next().is_none();
    if let Some((owner, endpoint)) = taken.clash(found.method, path) {
        if owner.spec.slug != taken.agent.spec.slug || endpoint.path != *path {
            proposal.notes.push(format!(
                "{path} (line {line}) is left out: `{}` of `{}` is served at {} {}.",
                endpoint.name, owner.spec.name, endpoint.method, endpoint.path
            ));
        }
        return;
    }
    let shape = path_shape(path);
    let mut proposed = taken.proposed.iter();
    let twin =
        proposed.find(|(other, at)| path_shape(at) == shape && (*other == method || at != path));
    if let Some((other, at)) = twin {
        proposal.notes.push(format!(
            "{path} (line {line}) is left out: it can't be told from {other} {at}."
        ));
        return;
    }
    let verb = method.to_ascii_lowercase();
    let names = [
        last.to_owned(),
        format!("{verb}_{last}"),
        format!("{verb}_{}", literal.join("_")),
    ];
    let named = names.into_iter().find_map(|name| {
        let ident = Ident::snake(&name)?;
        let free = !taken.names.contains(&ident) && name != "invoke" && !name.starts_with('_');
        free.then_some((name, ident))
    });
    let Some((name, ident)) = named else {
        let note = format!("{path} (line {line}) is left out: there is no name left for it.");
        proposal.notes.push(note);
        return;
    };
    let mut below = vec![YamlLine::leaf(format!("path: {path}"))];
    if method != "POST" {
        below.push(YamlLine::leaf(format!("method: {verb}")));
    }
    if let Some(lookup) = document_hints::lookup(last, method, path) {
        below.extend(lookup);
        if last == "search" {
            taken.looked_up.push(format!("`{name}` answers"));
        }
    } else if let Some(line) =
        retrieval.filter(|_| has_body(method) && document_hints::is_question(last))
    {
        below.extend(document_hints::conversation(path));
        taken
            .looked_up
            .push(format!("`{name}` retrieves (line {line})"));
    } else {
        below.extend(contract(path, method, is_state));
        if CODE.contains(&last) {
            below.push(YamlLine::leaf("handler: code"));
            taken.code.push(format!("`{name}`"));
        }
    }
    taken.proposed.push((method, path.clone()));
    taken.names.push(ident);
    proposal
        .endpoints
        .push(YamlLine::new(format!("{}:", scalar(&name)), below));
}

fn has_body(method: &str) -> bool {
    !matches!(method, "GET" | "DELETE")
}

/// What an endpoint at `path` takes and answers, where that is not what it is without a word.
fn contract(path: &str, method: &str, is_state: bool) -> Vec<YamlLine> {
    let mut below = Vec::new();
    let mut input = document_hints::from_path(path);
    if is_state && input.is_empty() {
        below.push(YamlLine::leaf("input: {}"));
    } else if !input.is_empty() {
        if has_body(method) && !path_parameters(path).any(|name| name == "input") {
            input.push(YamlLine::leaf("input: string, what the agent is asked"));
        }
        below.push(YamlLine::new("input:", input));
    }
    if is_state {
        let output = YamlLine::leaf("status: string, how the service is");
        below.push(YamlLine::new("output:", vec![output]));
    }
    below
}

fn add_output(output: &Output, taken: &Taken<'_>, proposal: &mut Proposal) {
    let endpoints = &taken.agent.service.endpoints;
    if endpoints
        .iter()
        .any(|endpoint| endpoint.method_name.as_str() == "report")
    {
        return;
    }
    let free = |name: &&&str| Ident::snake(name).is_some_and(|name| !taken.names.contains(&name));
    let Some(name) = ["report", "structured_report"].iter().find(free) else {
        return;
    };
    let line = output.line;
    let description = format!(
        "Answers in the form that the prompt asks for under {:?}.",
        output.title
    );
    let below = vec![
        YamlLine::leaf(format!("description: {}", scalar(&description))),
        YamlLine::new("output:", properties(&output.properties)),
    ];
    proposal.notes.push(format!(
        "the answer of `{name}` has the form on line {line}; a model fills it in as JSON, so see whether the prompt should say so."
    ));
    proposal
        .endpoints
        .push(YamlLine::new(format!("{name}:"), below));
}

/// `properties` in Picoschema.
fn properties(properties: &[Property]) -> Vec<YamlLine> {
    properties
        .iter()
        .map(|property| match &property.shape {
            Shape::Scalar(kind) => {
                let suffix = if property.many { "(array)" } else { "" };
                let key = scalar(&format!("{}{suffix}", property.name));
                let value = match property.description.as_str() {
                    "" => (*kind).to_owned(),
                    text => scalar(&format!("{kind}, {text}")),
                };
                YamlLine::leaf(format!("{key}: {value}"))
            }
            Shape::Enum(choices) => {
                let description = match property.description.as_str() {
                    "" => String::new(),
                    text => format!(", {}", text.replace(['(', ')'], "")),
                };
                let key = scalar(&format!("{}(enum{description})", property.name));
                let choices: Vec<String> = choices.iter().map(|choice| scalar(choice)).collect();
                YamlLine::leaf(format!("{key}: [{}]", choices.join(", ")))
            }
            Shape::Object(below) => {
                let suffix = if property.many { "(array)" } else { "(object)" };
                let key = scalar(&format!("{}{suffix}", property.name));
                YamlLine::new(format!("{key}:"), self::properties(below))
            }
        })
        .collect()
}
