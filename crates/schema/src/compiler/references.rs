//! What the references of a document can mean: its `$id`s, its anchors, and JSON Pointers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::compiler::MAX_DEPTH;
use crate::compiler::compile_error::{CompileError, CompileErrorKind};
use crate::compiler::vocabulary::{Shape, shape};
use crate::formats::uri;
use crate::validator::push_key;

/// The identifiers of a document, each with the JSON Pointer of its schema.
#[derive(Debug, Default)]
pub(crate) struct Identifiers {
    /// The schemas with an `$id`, and the whole document: their pointers by their URIs.
    resources: BTreeMap<String, String>,
    /// The pointers of anchors by the URI of their resource and their name.
    anchors: BTreeMap<(String, String), String>,
    /// The names of dynamic anchors by their resource.
    dynamic: BTreeSet<(String, String)>,
}

impl Identifiers {
    /// Collects the identifiers of all schemas in `document`. Those in annotations and in values are none.
    pub(crate) fn collect(document: &Value) -> Result<Self, CompileError> {
        let mut identifiers = Self::default();
        identifiers.resources.insert(String::new(), String::new());
        identifiers.visit(document, "", "", 0)?;
        Ok(identifiers)
    }

    fn visit(
        &mut self,
        schema: &Value,
        pointer: &str,
        base: &str,
        depth: usize,
    ) -> Result<(), CompileError> {
        let Value::Object(keywords) = schema else {
            return Ok(());
        };
        if depth > MAX_DEPTH {
            return Err(CompileErrorKind::TooDeep.at(pointer));
        }
        let text = |keyword: &str| keywords.get(keyword).and_then(Value::as_str);
        let own_base = text("$id").map(|id| uri::resolve(base, id.trim_end_matches('#')));
        if let Some(uri) = &own_base {
            let replaced = self.resources.insert(uri.clone(), pointer.to_owned());
            is_new(
                replaced.filter(|other| other != pointer),
                uri,
                pointer,
                "$id",
            )?;
        }
        let base = own_base.as_deref().unwrap_or(base);
        for keyword in ["$anchor", "$dynamicAnchor"] {
            if let Some(name) = text(keyword) {
                let key = (base.to_owned(), name.to_owned());
                if keyword == "$dynamicAnchor" {
                    self.dynamic.insert(key.clone());
                }
                let replaced = self.anchors.insert(key, pointer.to_owned());
                is_new(replaced, name, pointer, keyword)?;
            }
        }
        for (keyword, value) in keywords {
            for (part, schema) in subschemas(keyword, value) {
                self.visit(schema, &format!("{pointer}{part}"), base, depth + 1)?;
            }
        }
        Ok(())
    }

    /// The pointer to the schema that `reference` means at `pointer`.
    pub(crate) fn resolve(
        &self,
        reference: &str,
        pointer: &str,
    ) -> Result<String, CompileErrorKind> {
        let (uri, fragment) = self.absolute(reference, pointer);
        let Some(resource) = self.resources.get(&uri) else {
            return Err(CompileErrorKind::ExternalReference(reference.to_owned()));
        };
        if fragment.is_empty() || fragment.starts_with('/') {
            return Ok(format!("{resource}{fragment}"));
        }
        let anchor = self.anchors.get(&(uri, fragment));
        anchor
            .cloned()
            .ok_or_else(|| CompileErrorKind::UnresolvedReference(reference.to_owned()))
    }

    /// As [`Self::resolve`], for `$dynamicRef`. It is a `$ref`, unless it ends with a dynamic anchor that several
    /// resources have: then the path of the evaluation chooses among them, and that is not supported.
    pub(crate) fn resolve_dynamic(
        &self,
        reference: &str,
        pointer: &str,
    ) -> Result<String, CompileErrorKind> {
        let key = self.absolute(reference, pointer);
        let same_name = self.dynamic.iter().filter(|(_, name)| *name == key.1);
        if self.dynamic.contains(&key) && same_name.count() > 1 {
            let reference = reference.to_owned();
            return Err(CompileErrorKind::UnsupportedDynamicReference(reference));
        }
        self.resolve(reference, pointer)
    }

    /// The URI of the resource that `reference` means at `pointer`, and the fragment without percent escapes.
    fn absolute(&self, reference: &str, pointer: &str) -> (String, String) {
        let (reference, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let base = self.base(pointer);
        let uri = if reference.is_empty() {
            base.to_owned()
        } else {
            uri::resolve(base, reference)
        };
        (uri, percent_decoded(fragment))
    }

    /// The URI of the innermost resource that holds `pointer`.
    fn base(&self, pointer: &str) -> &str {
        let holds = |resource: &str| {
            pointer
                .strip_prefix(resource)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.resources
            .iter()
            .filter(|(_, resource)| holds(resource))
            // The document's own `$id` is preferred to no URI.
            .max_by_key(|(uri, resource)| (resource.len(), !uri.is_empty()))
            .map_or("", |(uri, _)| uri)
    }
}

/// The schemas in the value of a keyword, each with the JSON Pointer that leads to it.
fn subschemas<'v>(keyword: &str, value: &'v Value) -> Vec<(String, &'v Value)> {
    let mut own = String::new();
    push_key(&mut own, keyword);
    let inner = |key: &str| {
        let mut pointer = own.clone();
        push_key(&mut pointer, key);
        pointer
    };
    match (shape(keyword), value) {
        (Some(Shape::Schema), schema) => vec![(own, schema)],
        (Some(Shape::Schemas), Value::Array(schemas)) => schemas
            .iter()
            .enumerate()
            .map(|(index, schema)| (inner(&index.to_string()), schema))
            .collect(),
        (Some(Shape::SchemasByName), Value::Object(schemas)) => schemas
            .iter()
            .map(|(name, schema)| (inner(name), schema))
            .collect(),
        _ => Vec::new(),
    }
}

fn is_new(
    replaced: Option<String>,
    name: &str,
    pointer: &str,
    keyword: &str,
) -> Result<(), CompileError> {
    match replaced {
        None => Ok(()),
        Some(_) => {
            let kind = CompileErrorKind::DuplicateIdentifier(name.to_owned());
            Err(kind.at(format!("{pointer}/{keyword}")))
        }
    }
}

/// `%25` becomes `%`; what is no escape stays as it is.
fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let Some((byte, rest)) = bytes.split_first() {
        let escape = (*byte == b'%').then(|| rest.split_at_checked(2)).flatten();
        let code = escape.and_then(|(digits, after)| {
            let digits = std::str::from_utf8(digits).ok()?;
            let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            let code = u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
            Some((code, after))
        });
        let (byte, after) = code.unwrap_or((*byte, rest));
        decoded.push(byte);
        bytes = after;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded() {
        assert_eq!(percent_decoded("/a%25b%2"), "/a%b%2");
        assert_eq!(percent_decoded("/%C3%A9%zz"), "/é%zz");
    }
}
