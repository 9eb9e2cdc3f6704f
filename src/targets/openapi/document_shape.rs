//! Documents that differ only in their texts are rendered and parsed once.
//!
//! The built-in templates put each text through the filter `json`, into a place of its own, and never choose by one. So the document of
//! a context is that of the same context with marks in the place of texts, and then each mark replaced by its text.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value as Json};

/// How a mark begins, and how it ends.
const BEGIN: &str = "TextMark";
const END: char = 'x';
/// So many shapes are kept.
const MAX_SHAPES: usize = 256;

/// Documents with marks, by the contexts with marks that they were made of.
#[derive(Debug, Default)]
pub struct Shapes(Mutex<BTreeMap<String, Arc<Json>>>);

impl Shapes {
    /// The document that `render` makes of `context`; it is not asked again for a context that differs only in its texts.
    ///
    /// # Errors
    ///
    /// Those of `render`.
    pub fn render<E>(
        &self,
        context: &Json,
        render: impl Fn(&Json) -> Result<Json, E>,
    ) -> Result<Json, E> {
        let mut texts = Vec::new();
        let marked = mark(context, &mut texts);
        if texts.iter().any(|text| text.contains(BEGIN)) {
            return render(context);
        }
        let key = marked.to_string();
        let known = self.shapes().get(&key).cloned();
        let shape = match known {
            Some(shape) => shape,
            None => {
                let shape = Arc::new(render(&marked)?);
                let mut shapes = self.shapes();
                if shapes.len() < MAX_SHAPES {
                    shapes.insert(key, Arc::clone(&shape));
                }
                shape
            }
        };
        Ok(fill(&shape, &texts))
    }

    fn shapes(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Json>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `value` with a mark in the place of each text, which is added to `texts`.
fn mark<'a>(value: &'a Json, texts: &mut Vec<&'a str>) -> Json {
    match value {
        Json::String(text) => {
            texts.push(text);
            Json::from(format!("{BEGIN}{}{END}", texts.len() - 1))
        }
        Json::Array(items) => items.iter().map(|item| mark(item, texts)).collect(),
        Json::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), mark(value, texts)))
            .collect::<Map<_, _>>()
            .into(),
        value => value.clone(),
    }
}

/// `value` with the texts in the place of their marks.
fn fill(value: &Json, texts: &[&str]) -> Json {
    match value {
        Json::String(text) => Json::from(filled(text, texts)),
        Json::Array(items) => items.iter().map(|item| fill(item, texts)).collect(),
        Json::Object(map) => map
            .iter()
            .map(|(key, value)| (filled(key, texts), fill(value, texts)))
            .collect::<Map<_, _>>()
            .into(),
        value => value.clone(),
    }
}

fn filled(text: &str, texts: &[&str]) -> String {
    let mut parts = text.split(BEGIN);
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let marked = part.split_once(END);
        let found = marked.and_then(|(number, rest)| {
            let at: usize = number.parse().ok()?;
            Some((texts.get(at)?, rest))
        });
        match found {
            Some((text, rest)) => {
                filled.push_str(text);
                filled.push_str(rest);
            }
            None => {
                filled.push_str(BEGIN);
                filled.push_str(part);
            }
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::{Value as Json, json};

    use super::Shapes;

    #[test]
    fn texts_take_the_places_of_their_marks() {
        let shapes = Shapes::default();
        let count = Cell::new(0);
        let render = |context: &Json| -> Result<Json, ()> {
            count.set(count.get() + 1);
            let name = context["name"].as_str().unwrap_or_default();
            Ok(
                json!({ format!("/{name}/x"): [name, 1, format!("{name}{name}!")], "n": context["n"] }),
            )
        };
        for name in ["a", "", "TextMark", "TextMark0x", "x\n", "x9x"] {
            for n in [1, 2] {
                let context = json!({ "name": name, "n": n });
                assert_eq!(shapes.render(&context, render), render(&context), "{name}");
            }
        }
        // Two shapes, and the two contexts with a text that looks like a mark; each is rendered by the test too.
        assert_eq!(count.get(), 12 + 2 + 4);
    }
}
