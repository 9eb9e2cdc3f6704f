//! The types of what an agent's endpoints take and answer.

use crate::schema::Schema;
use crate::targets::rust::rust_item::{Names, RustType};
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
}

/// The endpoint's name, what it takes and what it answers.
pub type Schemas<'a> = (&'a str, &'a Schema, &'a Schema);

/// The struct that answers every endpoint of the agent from its prompt.
pub fn prompted(type_name: &Ident) -> &'static str {
    match type_name.as_str() {
        "Prompted" => "PromptedHandler",
        _ => "Prompted",
    }
}

/// The types of the declared `endpoints` of the agent whose trait is `type_name`, in their order, and all that these
/// are made of. The same endpoints always get the same names.
pub fn endpoint_types<'a>(
    type_name: &Ident,
    endpoints: impl IntoIterator<Item = Schemas<'a>>,
) -> (Vec<EndpointTypes>, Vec<RustType>) {
    let mut names = Names::default();
    names.reserve(type_name.as_str());
    names.reserve(prompted(type_name));
    let mut all = Vec::new();
    let mut root = |endpoint: &str, schema: &Schema, suffix: &str, about: &str| {
        let name = Ident::camel(&format!("{endpoint} {suffix}"));
        let about = format!("The {about} of {}.", code_span(endpoint));
        let types = name.map_or_else(Vec::new, |name| {
            types(schema, name.as_str(), &about, &mut names)
        });
        let root = types.first().map(|ty| ty.name.clone());
        all.extend(types);
        root.unwrap_or_else(|| "()".to_owned())
    };
    let endpoints = endpoints
        .into_iter()
        .map(|(name, input, output)| EndpointTypes {
            request: root(name, input, "request", "request"),
            response: root(name, output, "response", "answer"),
        })
        .collect();
    (endpoints, all)
}
