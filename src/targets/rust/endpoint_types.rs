//! The types of what an agent's endpoints take and answer.

use crate::contract::endpoint::{Endpoint, NO_CONTENT};
use crate::schema::Schema;
use crate::targets::rust::rust_item::{Names, RustType};
use crate::targets::rust::rust_paths::RustPaths;
use crate::targets::rust::rust_types::types;
use crate::text::ident::Ident;
use crate::text::rust_literal::code_span;

/// The types of one endpoint, as they are called in the module of its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointTypes {
    /// The type of the request.
    pub request: String,
    /// The type of the answer.
    pub response: String,
    /// The types of its declared errors.
    pub errors: Option<ErrorTypes>,
}

/// The types of the errors that an endpoint declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorTypes {
    /// The enum of all of them.
    pub name: String,
    /// The type of the additional members of each, in the order of the endpoint.
    pub members: Vec<Option<String>>,
}

/// The struct that answers every endpoint of the agent from its prompt.
pub fn prompted(type_name: &Ident) -> &'static str {
    match type_name.as_str() {
        "Prompted" => "PromptedHandler",
        _ => "Prompted",
    }
}

/// The types of the declared `endpoints` of the agent whose trait is `type_name`, in their order, and all that these
/// are made of, with `paths`. The same endpoints always get the same names.
pub fn endpoint_types(
    type_name: &Ident,
    endpoints: &[Endpoint],
    paths: &'static RustPaths,
) -> (Vec<EndpointTypes>, Vec<RustType>) {
    let mut names = Names::default();
    names.reserve(type_name.as_str());
    names.reserve(prompted(type_name));
    let mut all = Vec::new();
    let mut root = |name: &str, schema: &Schema, about: &str, names: &mut Names| {
        let types = Ident::camel(name).map_or_else(Vec::new, |name| {
            types(schema, name.as_str(), about, names, paths)
        });
        let root = types.first().map(|ty| ty.name.clone());
        all.extend(types);
        root.unwrap_or_else(|| "()".to_owned())
    };
    let mut found: Vec<EndpointTypes> = Vec::new();
    for Endpoint {
        name,
        input,
        output,
        status,
        ..
    } in endpoints
    {
        let span = code_span(name);
        let about = format!("The request of {span}.");
        let request = root(&format!("{name} request"), input, &about, &mut names);
        let about = format!("The answer of {span}.");
        let response = match *status {
            NO_CONTENT => "()".to_owned(),
            _ => root(&format!("{name} response"), output, &about, &mut names),
        };
        found.push(EndpointTypes {
            request,
            response,
            errors: None,
        });
    }
    // They come last: a new error changes no other name.
    for (types, endpoint) in found.iter_mut().zip(endpoints) {
        let Endpoint { name, errors, .. } = endpoint;
        let enum_name = Ident::camel(&format!("{name} error"));
        let Some(enum_name) = enum_name.filter(|_| !errors.is_empty()) else {
            continue;
        };
        let enum_name = names.take(enum_name.as_str());
        let members = errors.iter().map(|error| {
            let about = format!(
                "What the problem document of {} has besides.",
                code_span(&error.code)
            );
            let schema = error.members.as_ref()?;
            Some(root(
                &format!("{name} {}", error.code),
                schema,
                &about,
                &mut names,
            ))
        });
        types.errors = Some(ErrorTypes {
            members: members.collect(),
            name: enum_name,
        });
    }
    (found, all)
}
