//! The operations on an agent's documents, as the OpenAPI template is given them.

use serde_json::{Value as Json, json};

use crate::agent::Agent;
use crate::agent::operation;
use crate::contract::document_collection::{self, OPERATIONS};

/// What the template is given of the documents of `agent`; null where it has none.
pub fn documents_context(agent: &Agent) -> Json {
    let Some(documents) = &agent.service.documents else {
        return Json::Null;
    };
    let slug = &agent.spec.slug;
    let needs = match documents.roles.is_empty() {
        true => String::new(),
        false => format!("\n\nNeeds one of the roles {}.", documents.roles.join(", ")),
    };
    let [put_id, list_id, get_id, delete_id] = OPERATIONS.map(|verb| operation::id(verb, agent));
    json!({
        "path": document_collection::path(slug),
        "put_id": put_id,
        "list_id": list_id,
        "get_id": get_id,
        "delete_id": delete_id,
        "collection": documents.collection.as_str(),
        "needs": needs,
        "has_roles": !documents.roles.is_empty(),
    })
}
