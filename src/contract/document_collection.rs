//! The documents that an agent looks things up in.

use agentgen_schema::Handler;
use heck::ToKebabCase;
use serde::Serialize;

use crate::contract::endpoint::Endpoint;
use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::text::slug::Slug;
use crate::yaml::node::{Entry, Node};
use crate::yaml::yaml_settings;

/// Where an agent's documents are, and who may see and change whole ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Documents {
    /// The collection they are kept in. Agents that name the same one share it.
    pub collection: Slug,
    /// The roles of which a caller needs one to list, read, add and remove documents; empty for everyone.
    pub roles: Vec<String>,
}

impl Documents {
    /// The documents of the agent `slug` that says nothing about them: its own collection, kept by `admin`.
    pub fn of(slug: &Slug) -> Self {
        Self {
            collection: slug.clone(),
            roles: vec!["admin".to_owned()],
        }
    }
}

const KEYS: &[&str] = &["collection", "roles"];

/// Reads the name of a collection, or the mapping of a collection and roles, in `node`, for the agent `slug`.
pub fn read(node: &Node, slug: &Slug, report: &mut Report) -> Option<Documents> {
    let mut documents = Documents::of(slug);
    if node.as_str().is_some() {
        documents.collection = collection(node, report)?;
        return Some(documents);
    }
    if node.entries().is_none() {
        let message = yaml_settings::found(node, report);
        report.error(Code::BadSetting, node.span, message).advise(
            "it takes the name of a collection, or `{ collection: handbook, roles: [admin] }`",
        );
        return None;
    }
    for Entry { key, value, .. } in yaml_settings::allowed_entries(node, KEYS, report) {
        match key.as_str() {
            "collection" => documents.collection = collection(value, report)?,
            _ => {
                let names = yaml_settings::names(value, report).into_iter();
                documents.roles = names.map(|name| name.text).collect();
            }
        }
    }
    Some(documents)
}

/// The name of a collection, which is written as agents are in paths.
fn collection(node: &Node, report: &mut Report) -> Option<Slug> {
    let text = yaml_settings::text(node, report)?;
    let slug = Slug::new(text).ok();
    if slug.as_ref().is_some_and(|slug| slug.as_str() == text) {
        return slug;
    }
    let message = format!("`{text}` can't be the name of a collection");
    let diagnostic = report.error(Code::BadSetting, node.span, message);
    match slug {
        Some(near) => diagnostic.advise(format!("did you mean `{near}`?")),
        None => diagnostic.advise("use up to 64 of a to z, 0 to 9 and single hyphens"),
    }
    None
}

/// Whether one of `endpoints` looks something up.
pub fn are_needed(endpoints: &[Endpoint]) -> bool {
    endpoints
        .iter()
        .any(|endpoint| endpoint.handler == Handler::Search || endpoint.retrieve.is_some())
}

/// Reports `endpoints` that share a path or an operation name with the documents of the agent `slug`.
pub fn check_names(endpoints: &[Endpoint], slug: &Slug, report: &mut Report) {
    let own = path(slug);
    for endpoint in endpoints {
        let (message, advice) = if endpoint.path == own {
            (
                format!("the agent's documents are served at `{own}`"),
                "give the endpoint a `path`, or rename it",
            )
        } else if OPERATIONS.contains(&endpoint.name.to_kebab_case().as_str()) {
            (
                format!(
                    "`{}` is an operation on the agent's documents",
                    endpoint.name
                ),
                "rename the endpoint",
            )
        } else {
            continue;
        };
        report
            .error(Code::EndpointCollision, endpoint.span, message)
            .advise(advice);
    }
}

/// The operations that put, list, get and delete documents.
pub const OPERATIONS: [&str; 4] = [
    "put-documents",
    "list-documents",
    "get-document",
    "delete-document",
];

/// Where the documents of the agent `slug` are served.
pub fn path(slug: &Slug) -> String {
    format!("/v1/agents/{slug}/documents")
}
