//! The citations of an answer: which there may be, and what becomes of those that a model made.

use serde_json::{Map, Value, json};

use crate::documents::Passage;
use crate::schema::shape::resolved;

/// The property of an output schema that holds citations.
pub(crate) const CITATIONS: &str = "citations";
/// How much of a passage is quoted where nobody chose the words, in characters.
const LONGEST_QUOTE: usize = 160;

/// An output schema that says which passages may be cited; the root is no reference. `None` if it has no citations.
pub(crate) fn narrowed(schema: &Value, passages: &[Passage]) -> Option<Value> {
    let form = Form::of(schema)?;
    let ids = passages.iter().map(Passage::id).collect::<Vec<_>>();
    let mut citations = form.citations.clone();
    if ids.is_empty() {
        citations.insert("maxItems".to_owned(), 0.into());
        citations.shift_remove("minItems");
    } else {
        let choice = json!({ "type": "string", "enum": ids });
        let mut items = form.items.clone();
        match form.fields {
            Some(fields) => {
                let mut fields = fields.clone();
                fields.insert("id".to_owned(), choice);
                items.insert("properties".to_owned(), fields.into());
                citations.insert("items".to_owned(), items.into());
            }
            None => {
                citations.insert("items".to_owned(), choice);
            }
        }
    }
    let mut root = resolved(schema, schema).as_object()?.clone();
    if let Some(Value::Object(properties)) = root.get_mut("properties") {
        properties.insert(CITATIONS.to_owned(), citations.into());
    }
    if let Some(definitions) = schema.get("$defs") {
        root.insert("$defs".to_owned(), definitions.clone());
    }
    Some(root.into())
}

/// Checks the citations of an answer, gives them the titles of their passages, and takes away quotes that are none.
///
/// # Errors
/// What is wrong, for the model: a passage is cited that was not given.
pub(crate) fn settle(
    schema: &Value,
    passages: &[Passage],
    answer: &mut Value,
) -> Result<(), String> {
    let (Some(form), Some(citations)) = (Form::of(schema), answer.get_mut(CITATIONS)) else {
        return Ok(());
    };
    for (index, citation) in citations.as_array_mut().into_iter().flatten().enumerate() {
        let (id, place) = match form.fields {
            Some(_) => (&citation["id"], "/id"),
            None => (&*citation, ""),
        };
        let Some(id) = id.as_str().map(str::to_owned) else {
            // What has another shape does not fit the schema, which is said elsewhere.
            continue;
        };
        let Some(passage) = passages.iter().find(|passage| passage.id() == id) else {
            return Err(format!(
                "/{CITATIONS}/{index}{place}: `{id}` is no id of a passage that was given"
            ));
        };
        let (Some(fields), Value::Object(citation)) = (form.fields, citation) else {
            continue;
        };
        // A title is a passage's or, where there has to be one, its document's name; never one that the model made up.
        match &passage.title {
            Some(title) if fields.contains_key("title") => {
                citation.insert("title".to_owned(), title.as_str().into());
            }
            None if form.requires("title") => {
                let name = passage.document.id.as_str();
                citation.insert("title".to_owned(), name.into());
            }
            Some(_) => {}
            None => {
                citation.shift_remove("title");
            }
        }
        let quote = citation.get("quote").and_then(Value::as_str);
        let is_quote = quote.is_none_or(|quote| plain(&passage.text).contains(&plain(quote)));
        if !is_quote && !form.requires("quote") {
            citation.shift_remove("quote");
        } else if !is_quote {
            return Err(format!(
                "/{CITATIONS}/{index}/quote: these words do not stand in the passage `{id}`"
            ));
        }
    }
    Ok(())
}

/// Citations of the first of the passages, made without a model; `example` has what else a citation needs. `None` if
/// the schema has no citations, or some that can't be made up.
pub(crate) fn made_up(
    schema: &Value,
    passages: &[Passage],
    example: Option<&Value>,
) -> Option<Value> {
    let form = Form::of(schema)?;
    let most = form.citations.get("maxItems").and_then(Value::as_u64);
    let most = usize::try_from(most.unwrap_or(3)).unwrap_or(3).min(3);
    let cited = passages.iter().take(most).map(|passage| {
        let Some(fields) = form.fields else {
            return Some(passage.id().into());
        };
        let example = example.and_then(|example| example[0].as_object());
        let mut citation = example.cloned().unwrap_or_default();
        citation.insert("id".to_owned(), passage.id().into());
        if let Some(quote) = fields.get("quote") {
            let most = resolved(schema, quote)["maxLength"].as_u64();
            let most = most.and_then(|most| usize::try_from(most).ok());
            let most = most.unwrap_or(LONGEST_QUOTE).min(LONGEST_QUOTE);
            let quote = passage.text.chars().take(most).collect::<String>();
            citation.insert("quote".to_owned(), quote.into());
        }
        if let (Some(title), true) = (&passage.title, fields.contains_key("title")) {
            citation.insert("title".to_owned(), title.as_str().into());
        }
        let is_whole = form.required().all(|key| citation.contains_key(key));
        is_whole.then_some(Value::Object(citation))
    });
    cited.collect::<Option<Vec<_>>>().map(Value::from)
}

/// How an output schema writes citations.
struct Form<'a> {
    citations: &'a Map<String, Value>,
    items: &'a Map<String, Value>,
    /// The properties of a citation that is an object with an id; `None` if the ids themselves are the citations.
    fields: Option<&'a Map<String, Value>>,
}

impl<'a> Form<'a> {
    /// `None` if there are no citations, or what is called so is something else.
    fn of(schema: &'a Value) -> Option<Self> {
        let root = resolved(schema, schema);
        let citations = resolved(schema, root.get("properties")?.get(CITATIONS)?);
        let items = resolved(schema, citations.get("items")?);
        let is_text = |schema: &Value| schema["type"] == "string";
        let fields = match items.get("properties").and_then(Value::as_object) {
            Some(fields) if is_text(resolved(schema, fields.get("id")?)) => Some(fields),
            None if is_text(items) => None,
            _ => return None,
        };
        Some(Self {
            citations: citations.as_object()?,
            items: items.as_object()?,
            fields,
        })
    }

    fn required(&self) -> impl Iterator<Item = &'a str> {
        let required = self.items.get("required").and_then(Value::as_array);
        required.into_iter().flatten().filter_map(Value::as_str)
    }

    fn requires(&self, key: &str) -> bool {
        self.required().any(|required| required == key)
    }
}

/// A text in which every space is one space.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
