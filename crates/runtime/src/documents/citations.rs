//! Citations in answers: restricts the output schema to the passages at hand, then checks and completes what the model
//! cited.
//!
//! Example: an output schema with `citations: [{ id, title?, quote? }]` or `citations: [string]`.

use std::fmt;

use serde_json::{Value, json};

use crate::documents::Passage;
use crate::schema::Schema;

/// The property of the output schema.
pub(crate) const CITATIONS: &str = "citations";
/// The length of a quote that is made without a model, in characters.
const MAX_MADE_QUOTE: usize = 160;

/// Why the citations of an answer are wrong. Its text goes back to the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CitationError {
    /// The id is not that of a given passage. `pointer` is a JSON Pointer into the answer.
    UnknownPassage { pointer: String, id: String },
    /// The passage does not contain the quote.
    Misquoted { pointer: String, id: String },
}

impl fmt::Display for CitationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownPassage { pointer, id } => {
                write!(f, "{pointer}: `{id}` is no id of a passage that was given")
            }
            Self::Misquoted { pointer, id } => {
                write!(
                    f,
                    "{pointer}: the passage `{id}` does not contain these words"
                )
            }
        }
    }
}

/// The output schema with the ids of `passages` as the only ones that can be cited. The root is not a `$ref`. `None` if the
/// schema has no citations.
pub(crate) fn restrict_to_passages(schema: &Schema, passages: &[Passage]) -> Option<Value> {
    let shape = CitationShape::of(schema)?;
    let ids = passages.iter().map(Passage::id).collect::<Vec<_>>();
    let mut citations = shape.citations.source().as_object()?.clone();
    if ids.is_empty() {
        citations.insert("maxItems".to_owned(), 0.into());
        citations.shift_remove("minItems");
    } else {
        let choice = json!({ "type": "string", "enum": ids });
        let items = if shape.is_object {
            let mut items = shape.items.source().clone();
            items["properties"]["id"] = choice;
            items
        } else {
            choice
        };
        citations.insert("items".to_owned(), items);
    }
    let mut root = schema.resolved().source().as_object()?.clone();
    if let Some(Value::Object(properties)) = root.get_mut("properties") {
        properties.insert(CITATIONS.to_owned(), citations.into());
    }
    if let Some(definitions) = schema.document().get("$defs") {
        root.insert("$defs".to_owned(), definitions.clone());
    }
    Some(root.into())
}

/// Checks the citations of an answer, sets their titles, and removes optional quotes that the passage does not contain.
///
/// # Errors
/// A citation of a passage that is not in `passages`, or a required quote that the passage does not contain.
pub(crate) fn resolve_citations(
    schema: &Schema,
    passages: &[Passage],
    answer: &mut Value,
) -> Result<(), CitationError> {
    let (Some(shape), Some(citations)) = (CitationShape::of(schema), answer.get_mut(CITATIONS))
    else {
        return Ok(());
    };
    for (index, citation) in citations.as_array_mut().into_iter().flatten().enumerate() {
        let (id, suffix) = if shape.is_object {
            (&citation["id"], "/id")
        } else {
            (&*citation, "")
        };
        let Some(id) = id.as_str().map(str::to_owned) else {
            // Another type does not fit the schema, which is reported when the value is parsed.
            continue;
        };
        let Some(passage) = passages.iter().find(|passage| passage.id() == id) else {
            let pointer = format!("/{CITATIONS}/{index}{suffix}");
            return Err(CitationError::UnknownPassage { pointer, id });
        };
        let Value::Object(citation) = citation else {
            continue;
        };
        // The title is the passage's. Without one, a required title is the document's id, never the model's invention.
        match &passage.title {
            Some(title) if shape.has("title") => {
                citation.insert("title".to_owned(), title.as_str().into());
            }
            None if shape.items.requires("title") => {
                let name = passage.document.id.as_str();
                citation.insert("title".to_owned(), name.into());
            }
            Some(_) => {}
            None => {
                citation.shift_remove("title");
            }
        }
        let quote = citation.get("quote").and_then(Value::as_str);
        let is_quote = quote
            .is_none_or(|quote| normalize_spaces(&passage.text).contains(&normalize_spaces(quote)));
        if !is_quote && !shape.items.requires("quote") {
            citation.shift_remove("quote");
        } else if !is_quote {
            let pointer = format!("/{CITATIONS}/{index}/quote");
            return Err(CitationError::Misquoted { pointer, id });
        }
    }
    Ok(())
}

/// Citations of the first passages, for [`Echo`](crate::model::echo::Echo). Other required properties are copied from
/// `example`. `None` if the schema has no citations, or if a required property is missing from the example.
pub(crate) fn sample_citations(
    schema: &Schema,
    passages: &[Passage],
    example: Option<&Value>,
) -> Option<Value> {
    let shape = CitationShape::of(schema)?;
    let max = shape.citations.source()["maxItems"].as_u64();
    let count = usize::try_from(max.unwrap_or(3)).unwrap_or(3).min(3);
    let cited = passages.iter().take(count).map(|passage| {
        if !shape.is_object {
            return Some(passage.id().into());
        }
        let example = example.and_then(|example| example[0].as_object());
        let mut citation = example.cloned().unwrap_or_default();
        citation.insert("id".to_owned(), passage.id().into());
        if let Some(quote) = shape.items.property("quote") {
            let max = quote.resolved().source()["maxLength"].as_u64();
            let max = max.and_then(|max| usize::try_from(max).ok());
            let max = max.unwrap_or(MAX_MADE_QUOTE).min(MAX_MADE_QUOTE);
            let quote = passage.text.chars().take(max).collect::<String>();
            citation.insert("quote".to_owned(), quote.into());
        }
        if let (Some(title), true) = (&passage.title, shape.has("title")) {
            citation.insert("title".to_owned(), title.as_str().into());
        }
        let is_complete = shape.required().all(|key| citation.contains_key(key));
        is_complete.then_some(Value::Object(citation))
    });
    cited.collect::<Option<Vec<_>>>().map(Value::from)
}

/// The citations of an output schema.
struct CitationShape {
    /// The schema of the array.
    citations: Schema,
    /// The schema of one citation.
    items: Schema,
    /// Whether a citation is an object with an `id`, and not the id itself.
    is_object: bool,
}

impl CitationShape {
    /// `None` if the property `citations` is missing or has another shape.
    fn of(schema: &Schema) -> Option<Self> {
        let citations = schema.property(CITATIONS)?.resolved();
        let items = citations.items()?.resolved();
        let is_object = items.source().get("properties").is_some();
        let id = if is_object {
            items.property("id")?.resolved()
        } else {
            items.clone()
        };
        let is_text = id.source()["type"] == "string";
        is_text.then_some(Self {
            citations,
            items,
            is_object,
        })
    }

    /// Whether a citation is an object with this property.
    fn has(&self, key: &str) -> bool {
        self.items.property(key).is_some()
    }

    fn required(&self) -> impl Iterator<Item = &str> {
        let required = self.items.source()["required"].as_array();
        required.into_iter().flatten().filter_map(Value::as_str)
    }
}

/// The text with every run of white space as one space.
fn normalize_spaces(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
