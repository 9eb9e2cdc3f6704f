//! OpenAPI documents: a fragment for each agent, and all of them merged.

pub mod arazzo;
pub mod components;
pub mod descriptions;
pub mod document;
pub mod document_shape;
pub mod error_responses;
pub mod fragment_document;
pub mod merged_document;
pub mod openapi_yaml;
pub mod operations;
pub mod runtime_contract;
pub mod versions;
pub mod workflow_operations;

#[cfg(test)]
mod openapi_yaml_tests;

use serde_json::{Map, Value as Json, json};

use crate::agent::Agent;
use crate::agent::operation;
use crate::diagnostics::Diagnostic;
use crate::diagnostics::code::Code;
use crate::output::artifact::Artifact;
use crate::project::config::{Config, Openapi, OpenapiFormat};
use crate::spec::example_blocks::shorten;
use crate::targets::openapi::document::{canonical, prune};
use crate::targets::openapi::fragment_document::shortened;
use crate::targets::openapi::merged_document::{Conflict, MergedDocument, Part, merge};
use crate::targets::openapi::operations::{named_examples, operation_contexts};
use crate::targets::openapi::runtime_contract::{
    add_paths, components, document_paths, run_paths, service_paths,
};
use crate::targets::openapi::versions::convert;
use crate::targets::openapi::workflow_operations::workflows_context;
use crate::targets::template_engine::Templates;
use crate::text::escaped_json;

/// What is made of one agent.
pub struct Fragment {
    /// The file of the agent's own document.
    pub artifact: Artifact,
    /// What it adds to the document of the service.
    pub part: Part,
}

/// The document of one agent.
///
/// # Errors
///
/// A template that fails, or whose output is no OpenAPI document.
pub fn fragment(
    agent: &Agent,
    config: &Config,
    templates: &Templates,
) -> Result<Fragment, Diagnostic> {
    let openapi = &config.openapi;
    let document = fragment_document(agent, openapi, templates)?;
    let part = Part::of(&document, openapi.version);
    let document = prune(shortened(document), components());
    let extension = openapi.format.as_str();
    Ok(Fragment {
        artifact: Artifact {
            path: format!("openapi/{}.{extension}", agent.spec.slug),
            bytes: text(&convert(document, openapi.version), openapi.format).into_bytes(),
        },
        part,
    })
}

/// What one agent adds to the document of the service.
///
/// # Errors
///
/// As [`fragment`].
pub fn part(agent: &Agent, config: &Config, templates: &Templates) -> Result<Part, Diagnostic> {
    let document = fragment_document(agent, &config.openapi, templates)?;
    Ok(Part::of(&document, config.openapi.version))
}

/// The document of one agent in version 3.1, with all components that the template has.
fn fragment_document(
    agent: &Agent,
    openapi: &Openapi,
    templates: &Templates,
) -> Result<Json, Diagnostic> {
    let context = context(agent, openapi);
    let render = |context: &Json| document("openapi/fragment.yaml.tera", context, templates);
    // What users write in templates may depend on texts, and is always parsed.
    let mut document = match agent.service.endpoints.is_empty() && templates.are_built_in() {
        true => templates.shapes.render(&context, render)?,
        false => render(&context)?,
    };
    add_paths(&mut document, document_paths(agent));
    Ok(canonical(document))
}

/// What the service itself says in its document: its head, its own operations, and those that start workflows of `agents`.
///
/// # Errors
///
/// A template that fails, or whose output is no OpenAPI document.
pub fn service(
    agents: &[Agent],
    config: &Config,
    templates: &Templates,
) -> Result<Json, Diagnostic> {
    let context = service_context(agents, &config.openapi);
    let mut service = document("openapi/service.yaml.tera", &context, templates)?;
    add_paths(&mut service, own_paths(agents));
    Ok(canonical(service))
}

/// The document of the service: its own part, and those of the agents (in the order of `agents`).
///
/// # Errors
///
/// Every component or operation name that two agents both use.
pub fn merged<'a>(
    service: &'a Json,
    parts: &[&'a Part],
    agents: &[Agent],
    config: &Config,
) -> Result<MergedDocument<'a>, Vec<Diagnostic>> {
    merge(service, parts, components(), config.openapi.version).map_err(|conflicts| {
        let conflicts = conflicts.iter();
        conflicts
            .map(|conflict| collision(conflict, agents))
            .collect()
    })
}

/// The diagnostic for a name that an agent shares with another one, or with the service.
fn collision(conflict: &Conflict, agents: &[Agent]) -> Diagnostic {
    let second = &agents[conflict.second];
    let message = match conflict.first.map(|first| &agents[first].spec) {
        Some(first) => format!(
            "`{}` and `{}` of {} both have the {}",
            second.spec.name,
            first.name,
            first.source.path(),
            conflict.what
        ),
        None => format!(
            "`{}` and the service itself both have the {}",
            second.spec.name, conflict.what
        ),
    };
    Diagnostic::error(Code::ComponentCollision, "", message)
        .at(&second.spec.source, second.spec.name_span)
        .help("rename the agent or the endpoint of one of them")
}

/// `document` in the syntax `format`.
pub fn text(document: &Json, format: OpenapiFormat) -> String {
    match format {
        OpenapiFormat::Yaml => openapi_yaml::write(document),
        OpenapiFormat::Json => format!("{}\n", escaped_json::pretty(document)),
    }
}

fn document(name: &str, context: &Json, templates: &Templates) -> Result<Json, Diagnostic> {
    let text = templates.render(name, context)?;
    let document: Json = parse(&text, name, templates)?;
    for key in ["openapi", "info", "paths", "components"] {
        if document.get(key).is_none() {
            let message = format!("what the template makes has no `{key}`");
            return Err(templates
                .bad_output(name, message)
                .help("an OpenAPI document has openapi, info, paths and components"));
        }
    }
    Ok(document)
}

/// Parses the output of the template `name`.
///
/// # Errors
///
/// The output is not YAML.
pub fn parse(text: &str, name: &str, templates: &Templates) -> Result<Json, Diagnostic> {
    openapi_yaml::read(text).map_err(|error| {
        templates
            .bad_output(
                name,
                format!("what the template makes is not YAML: {error}"),
            )
            .help("put every value through the filter `json`")
    })
}

/// The variables that both templates get from the settings.
fn base_context(openapi: &Openapi) -> Map<String, Json> {
    let servers: Vec<Json> = openapi
        .servers
        .iter()
        .map(|url| {
            let description = match url.as_str() {
                "/" => "The service that serves this document.",
                _ => "A server of this API.",
            };
            json!({ "url": url, "description": description })
        })
        .collect();
    let mut context = Map::new();
    context.insert("openapi".to_owned(), json!("3.1.2"));
    context.insert("title".to_owned(), json!(openapi.title));
    context.insert("api_version".to_owned(), json!(openapi.api_version));
    context.insert("servers".to_owned(), json!(servers));
    let license = openapi.license.as_ref();
    let license = license.map(|id| json!({ "name": id, "identifier": id }));
    context.insert("license".to_owned(), json!(license));
    context
}

fn service_context(agents: &[Agent], openapi: &Openapi) -> Json {
    let mut context = base_context(openapi);
    let names: Vec<&str> = agents
        .iter()
        .map(|agent| agent.spec.name.as_str())
        .collect();
    let count = match agents {
        [_] => "1 agent, behind its own endpoints.".to_owned(),
        _ => format!("{} agents, each behind its own endpoints.", agents.len()),
    };
    context.insert("summary".to_owned(), json!(count));
    let description = format!("The agents {}.", shorten(&names.join(", "), 400));
    context.insert("description".to_owned(), json!(description));
    let mut components = Vec::new();
    let workflows = workflows_context(agents, &mut components);
    context.insert("workflows".to_owned(), json!(workflows));
    context.insert("schemas".to_owned(), schemas(components));
    Json::Object(context)
}

/// The paths of the runtime itself in a service of `agents`.
fn own_paths(agents: &[Agent]) -> Map<String, Json> {
    let list: Vec<Json> = agents
        .iter()
        .take(3)
        .map(|agent| {
            json!({
                "name": agent.spec.slug.as_str(),
                "description": shorten(&agent.spec.summary, 200),
                "model": agent.model(),
            })
        })
        .collect();
    let first = agents.first().map(|agent| agent.spec.slug.as_str());
    let mut paths = service_paths(&json!({ "agents": list }), first.unwrap_or("librarian"));
    let has_runs = |agent: &Agent| agent.asks || !agent.service.workflows.is_empty();
    if agents.iter().any(has_runs) {
        paths.extend(run_paths());
    }
    paths
}

/// Components in the form that the templates write.
fn schemas(components: Vec<(String, Json)>) -> Json {
    components
        .into_iter()
        .map(|(name, schema)| json!({ "name": name, "schema": schema }))
        .collect()
}

fn context(agent: &Agent, openapi: &Openapi) -> Json {
    let spec = &agent.spec;
    let mut components: Vec<(String, Json)> = Vec::new();
    let mut paths: Vec<(String, Vec<Json>)> = Vec::new();
    let mut tags = vec![json!({ "name": spec.slug.as_str(), "description": spec.summary })];
    for operation in operation::all(agent) {
        for tag in operations::tags(agent, &operation) {
            if tags.iter().all(|known| known["name"] != tag) {
                tags.push(
                    json!({ "name": tag, "description": format!("The operations tagged {tag}.") }),
                );
            }
        }
        for (path, context) in operation_contexts(agent, &operation, &mut components) {
            match paths.iter_mut().find(|(known, _)| *known == path) {
                Some((_, operations)) => operations.push(context),
                None => paths.push((path, vec![context])),
            }
        }
    }
    let mut context = base_context(openapi);
    context.insert(
        "agent".to_owned(),
        json!({
            "name": spec.name,
            "slug": spec.slug.as_str(),
            "summary": spec.summary,
            "short_summary": shorten(&spec.summary, 120),
            "model": agent.model(),
        }),
    );
    context.insert("tags".to_owned(), json!(tags));
    context.insert(
        "paths".to_owned(),
        paths
            .into_iter()
            .map(|(path, operations)| json!({ "path": path, "operations": operations }))
            .collect(),
    );
    context.insert("schemas".to_owned(), schemas(components));
    context.insert(
        "examples".to_owned(),
        named_examples(agent)
            .into_iter()
            .map(|(name, example)| json!({ "name": name, "example": example }))
            .collect(),
    );
    Json::Object(context)
}
