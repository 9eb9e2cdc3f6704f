//! What a search is narrowed to.

use serde_json::Value;

use crate::documents::DocumentHead;
use crate::schema::formats::DateTime;

/// What a document has to fulfil for its passages to be found.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// It was changed after this moment. One that does not say when it was changed does not fulfil it.
    UpdatedAfter(DateTime),
    /// It was changed before this moment.
    UpdatedBefore(DateTime),
    /// What it has under this name is one of these values: texts, numbers, and true or false. Of a list, one of its
    /// entries is. The names are `document` (its id), `title`, `language`, and those of its metadata.
    OneOf(String, Vec<Value>),
}

impl Condition {
    /// Whether a document fulfils it.
    #[must_use]
    pub fn admits(&self, document: &DocumentHead) -> bool {
        match self {
            Self::UpdatedAfter(moment) => document.updated_at.is_some_and(|at| at > *moment),
            Self::UpdatedBefore(moment) => document.updated_at.is_some_and(|at| at < *moment),
            Self::OneOf(name, values) => {
                let text = |own: Option<&str>| {
                    own.is_some_and(|own| values.iter().any(|value| value.as_str() == Some(own)))
                };
                match name.as_str() {
                    "document" => text(Some(&document.id)),
                    "title" => text(document.title.as_deref()),
                    "language" => text(document.language.as_deref()),
                    _ => document.metadata.get(name).is_some_and(|own| {
                        let own = own
                            .as_array()
                            .map_or(std::slice::from_ref(own), Vec::as_slice);
                        let is_asked = |own| values.iter().any(|value| is_same(own, value));
                        own.iter().any(is_asked)
                    }),
                }
            }
        }
    }
}

/// JSON's numbers are the same if they mean the same: 5 and 5.0.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}
