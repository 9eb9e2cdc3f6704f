//! Brings a schema that was written for another dialect, or by another program, into the one form that is read:
//! JSON Schema 2020-12 whose references lead to `$defs` at the top, without `nullable` and with `allOf` merged.
//!
//! Every step keeps what the schema means: the values that are valid stay the same.

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::schema::canonical::ONE_SCHEMA;
use crate::schema::parse::definitions::{Definitions, is_plain_id};
use crate::schema::parse::keywords::{is_annotation, wrong_kind};
use crate::yaml::node::{Entry, Node, Value};

/// The schema in `node` in the form that is read, and whether nothing is wrong with it; what is wrong is in `report`. None
/// where it can't be read at all.
pub fn normalize(node: &Node, report: &mut Report) -> Option<(Node, bool)> {
    let Some(entries) = node.entries() else {
        return Some((node.clone(), true));
    };
    let legacy = dialect(node, report)?;
    let definitions = Definitions::collect(node, report)?;
    let mut normalizer = Normalizer {
        report,
        definitions,
        legacy,
        good: true,
        budget: MAX_MERGED,
        own_base: false,
        depth: 0,
    };
    let top = normalizer.object(entries, node.span, true);
    let defs = normalizer.all_definitions();
    let Value::Map(mut keywords) = top.value else {
        return Some((top, normalizer.good));
    };
    if let Some(defs) = defs {
        keywords.push(defs);
    }
    Some((map(keywords, node.span), normalizer.good))
}

/// The most keywords that merging copies; what is beyond stays unmerged, and is checked at run time alone.
const MAX_MERGED: usize = 100_000;

/// The most definitions that are merged into each other; the next one stays a reference, which is followed at run time.
const MAX_DEPTH: usize = 64;

/// Reads one schema after the other.
pub struct Normalizer<'n, 'r> {
    /// Where everything that is wrong goes.
    pub report: &'r mut Report,
    /// What references lead to.
    pub definitions: Definitions<'n>,
    /// Whether a `$ref` hides what is beside it, as it did before 2019-09.
    legacy: bool,
    /// Whether nothing is wrong.
    pub good: bool,
    /// How many keywords may still be merged.
    pub budget: usize,
    /// Whether the schema that is read is inside of one with an `$id`, where `#` means that one.
    own_base: bool,
    /// How many definitions are being made, each for the one before.
    depth: usize,
}

/// Whether a `$ref` hides what is beside it in the dialect that `node` names; none for an unknown one.
fn dialect(node: &Node, report: &mut Report) -> Option<bool> {
    let Some(named) = node.get("$schema") else {
        return Some(false);
    };
    let name = named.as_str().unwrap_or_default();
    let name = name.trim_end_matches('#').trim_start_matches("http");
    let name = name.trim_start_matches('s').trim_start_matches("://");
    match name {
        "json-schema.org/draft/2020-12/schema"
        | "json-schema.org/draft/2019-09/schema"
        | "json-schema.org/schema" => Some(false),
        "json-schema.org/draft-07/schema"
        | "json-schema.org/draft-06/schema"
        | "json-schema.org/draft-04/schema" => Some(true),
        // schemars names the schema of a schema object.
        name if name.starts_with("spec.openapis.org/oas/3.0/") => Some(true),
        name if name.starts_with("spec.openapis.org/oas/3.") => Some(false),
        _ => {
            report
                .error(Code::UnsupportedSchema, named.span, "the schema is in another dialect")
                .advise("leave `$schema` out, or name JSON Schema 2020-12, 2019-09, draft-07, draft-06, draft-04 or OpenAPI 3");
            None
        }
    }
}

impl Normalizer<'_, '_> {
    /// The schema in `node` in the form that is read.
    pub fn schema(&mut self, node: &Node) -> Node {
        match &node.value {
            Value::Map(entries) => self.object(entries, node.span, false),
            _ => node.clone(),
        }
    }

    /// The definitions in the form that is read, as the entry `$defs`; none where there are none.
    fn all_definitions(&mut self) -> Option<Entry> {
        let mut entries = Vec::new();
        let mut index = 0;
        // Reading one may find more of them.
        while let Some((name, key_span)) = self.definitions.name(index) {
            let value = self.definition(&name)?;
            entries.push(entry(&name, value, key_span));
            index += 1;
        }
        let span = entries.first()?.key_span;
        Some(entry("$defs", map(entries, span), span))
    }

    /// The definition `name` in the form that is read; none while that form is being made, and too deep below others.
    pub fn definition(&mut self, name: &str) -> Option<Node> {
        if let Some(done) = self.definitions.done(name) {
            return Some(done.clone());
        }
        if self.depth == MAX_DEPTH {
            return None;
        }
        let raw = self.definitions.begin(name)?;
        let own_base = std::mem::take(&mut self.own_base);
        self.depth += 1;
        let node = self.schema(raw);
        self.depth -= 1;
        self.own_base = own_base;
        self.definitions.finish(name, node.clone());
        Some(node)
    }

    fn object(&mut self, entries: &[Entry], span: Span, top: bool) -> Node {
        let mut own: Vec<Entry> = Vec::new();
        let has = |key: &str| entries.iter().any(|entry| entry.key == key);
        let tuple = entries
            .iter()
            .any(|entry| entry.key == "items" && entry.value.items().is_some());
        let is_base =
            |entry: &Entry| entry.key == "$id" && entry.value.as_str().is_some_and(is_plain_id);
        let outer_base = self.own_base;
        self.own_base |= !top && entries.iter().any(is_base);
        let mut nullable = None;
        for entry in entries {
            let with = |key: &str, value: Node| Entry {
                key: key.to_owned(),
                key_span: entry.key_span,
                value,
            };
            match (entry.key.as_str(), &entry.value.value) {
                ("$defs" | "definitions", Value::Map(_)) => {}
                ("components", Value::Map(_)) if top => {}
                ("$schema" | "$anchor" | "xml" | "externalDocs" | "contentSchema", _) => {}
                ("$id" | "id", Value::String(_)) if top => {}
                ("$id", Value::String(id)) if id.starts_with('#') || is_plain_id(id) => {}
                ("discriminator", _) if !has("oneOf") && !has("anyOf") => {}
                // The constants of the objects say the same.
                ("discriminator", Value::Map(parts)) => {
                    let mut parts = parts.clone();
                    parts.retain(|part| part.key != "mapping");
                    own.push(with("discriminator", map(parts, entry.value.span)));
                }
                ("nullable", Value::Bool(value)) => {
                    nullable = value.then_some(entry);
                }
                ("nullable", _) => {
                    wrong_kind("nullable", &entry.value, "true or false", self.report);
                    self.good = false;
                }
                ("$ref", Value::String(text)) if self.own_base && text.starts_with('#') => {
                    let message =
                        format!("{text:?} is inside of a schema with an `$id`, which it starts at");
                    self.report
                        .error(Code::UnsupportedSchema, entry.value.span, message)
                        .advise("leave that `$id` out, and write `#/$defs/NAME`");
                    self.good = false;
                    own.push(entry.clone());
                }
                ("$ref", Value::String(text)) => {
                    match self
                        .definitions
                        .resolve(text, entry.value.span, self.report)
                    {
                        Some(name) => {
                            let text = Value::String(format!("#/$defs/{name}"));
                            own.push(with("$ref", node(text, entry.value.span)));
                        }
                        None => {
                            self.good = false;
                            own.push(entry.clone());
                        }
                    }
                }
                ("$ref", _) => {
                    let expected = "text such as `#/$defs/NAME`";
                    wrong_kind("$ref", &entry.value, expected, self.report);
                    self.good = false;
                    own.push(entry.clone());
                }
                ("properties" | "patternProperties" | "dependentSchemas", Value::Map(parts)) => {
                    let parts = self.parts(parts);
                    own.push(with(&entry.key, map(parts, entry.value.span)));
                }
                ("items", Value::List(items)) => {
                    let items = items.iter().map(|item| self.schema(item)).collect();
                    own.push(with(
                        "prefixItems",
                        node(Value::List(items), entry.value.span),
                    ));
                }
                ("additionalItems", _) if tuple => {
                    let value = self.schema(&entry.value);
                    own.push(with("items", value));
                }
                ("additionalItems", _) => {}
                (keyword, Value::Map(_)) if ONE_SCHEMA.contains(&keyword) => {
                    let value = self.schema(&entry.value);
                    own.push(with(&entry.key, value));
                }
                ("allOf" | "anyOf" | "oneOf" | "prefixItems", Value::List(items)) => {
                    let items = items.iter().map(|item| self.schema(item)).collect();
                    own.push(with(&entry.key, node(Value::List(items), entry.value.span)));
                }
                ("dependencies", Value::Map(parts)) => {
                    let (names, schemas): (Vec<_>, Vec<_>) = parts
                        .iter()
                        .cloned()
                        .partition(|part| part.value.items().is_some());
                    let schemas = self.parts(&schemas);
                    for (key, parts) in
                        [("dependentRequired", names), ("dependentSchemas", schemas)]
                    {
                        if !parts.is_empty() {
                            own.push(with(key, map(parts, entry.value.span)));
                        }
                    }
                }
                _ => own.push(entry.clone()),
            }
        }
        self.own_base = outer_base;
        for (flag, bound) in [
            ("exclusiveMinimum", "minimum"),
            ("exclusiveMaximum", "maximum"),
        ] {
            self.flag_to_bound(&mut own, flag, bound);
        }
        self.free_reference(&mut own, span);
        self.merge_all_of(&mut own, span);
        self.share_type(&mut own);
        match nullable {
            Some(entry) => self.or_null(own, entry, span),
            None => map(own, span),
        }
    }

    fn parts(&mut self, parts: &[Entry]) -> Vec<Entry> {
        let parts = parts
            .iter()
            .map(|part| entry(&part.key, self.schema(&part.value), part.key_span));
        parts.collect()
    }

    /// `exclusiveMinimum: true` beside a `minimum`, as draft-04 and OpenAPI 3.0 have it.
    fn flag_to_bound(&mut self, own: &mut Vec<Entry>, flag: &str, bound: &str) {
        let Some(index) = own.iter().position(|entry| entry.key == flag) else {
            return;
        };
        let Value::Bool(excludes) = own[index].value.value else {
            return;
        };
        let mut flag_entry = own.remove(index);
        if !excludes {
            return;
        }
        match take(own, bound) {
            Some(entry) => {
                flag_entry.value = entry.value;
                own.push(flag_entry);
            }
            None => {
                let message = format!("`{flag}` is true, and there is no `{bound}`");
                self.report
                    .error(Code::BadSchema, flag_entry.key_span, message)
                    .advise(format!("write the bound itself: `{flag}: 1`"));
                self.good = false;
            }
        }
    }

    /// What stands beside a `$ref` and is no annotation counts too; before 2019-09 it did not.
    fn free_reference(&mut self, own: &mut Vec<Entry>, span: Span) {
        let beside = |entry: &Entry| entry.key != "$ref" && !is_annotation(&entry.key);
        let Some(index) = own.iter().position(|entry| entry.key == "$ref") else {
            return;
        };
        let Some(first) = own.iter().find(|entry| beside(entry)) else {
            return;
        };
        if self.legacy {
            let message = format!(
                "`{}` has no effect beside `$ref` in this dialect",
                first.key
            );
            self.report
                .note(Code::UnsupportedSchema, first.key_span, message)
                .advise("leave it out, or leave `$schema` out to let it count");
            own.retain(|entry| !beside(entry));
            return;
        }
        let reference = own.remove(index);
        let part = map(vec![reference.clone()], span);
        match own.iter_mut().find(|entry| entry.key == "allOf") {
            Some(Entry {
                value:
                    Node {
                        value: Value::List(parts),
                        ..
                    },
                ..
            }) => parts.insert(0, part),
            _ => own.push(Entry {
                key: "allOf".to_owned(),
                key_span: reference.key_span,
                value: node(Value::List(vec![part]), span),
            }),
        }
    }

    /// A `type` beside `oneOf` or `anyOf` belongs into each alternative, unless those say the same.
    fn share_type(&mut self, own: &mut Vec<Entry>) {
        let alone = own.iter().all(|entry| {
            matches!(
                entry.key.as_str(),
                "type" | "oneOf" | "anyOf" | "discriminator"
            ) || is_annotation(&entry.key)
        });
        let unions = own
            .iter()
            .filter(|entry| matches!(entry.key.as_str(), "oneOf" | "anyOf"));
        if !alone || unions.count() != 1 {
            return;
        }
        let Some(position) = own.iter().position(|entry| entry.key == "type") else {
            return;
        };
        let kind = own[position].clone();
        let allowed = names(&kind.value);
        let union = own
            .iter_mut()
            .find(|entry| matches!(entry.key.as_str(), "oneOf" | "anyOf"));
        let Some(Value::List(parts)) = union.map(|entry| &mut entry.value.value) else {
            return;
        };
        let fits = |kinds: &[String]| {
            kinds.iter().all(|kind| {
                allowed.contains(kind)
                    || (kind == "integer" && allowed.iter().any(|name| name == "number"))
            })
        };
        let mut shared = Vec::new();
        for part in parts.iter() {
            match self.definitions.kinds(part, 0) {
                Some(kinds) if fits(&kinds) => shared.push(part.clone()),
                None => match &part.value {
                    Value::Map(entries) if !entries.iter().any(|entry| entry.key == "$ref") => {
                        let mut entries = entries.clone();
                        entries.push(kind.clone());
                        shared.push(map(entries, part.span));
                    }
                    _ => return,
                },
                Some(_) => return,
            }
        }
        *parts = shared;
        own.remove(position);
    }

    /// The schema of the keywords `own`, or null.
    fn or_null(&mut self, mut own: Vec<Entry>, nullable: &Entry, span: Span) -> Node {
        let null = || node(Value::String("null".to_owned()), nullable.value.span);
        let has = |own: &[Entry], keys: &[&str]| {
            own.iter().any(|entry| keys.contains(&entry.key.as_str()))
        };
        let combined = ["$ref", "allOf", "anyOf", "oneOf", "not", "if"];
        if has(&own, &combined) || (has(&own, &["properties"]) && !has(&own, &["type"])) {
            if !has(&own, &["type"]) {
                self.report
                    .note(Code::UnsupportedSchema, nullable.key_span, "`nullable` stands without a `type`, where OpenAPI 3.0 gives it no effect; it is read as: or null")
                    .advise("write `anyOf: [SCHEMA, { type: \"null\" }]`");
            }
            let (outer, inner): (Vec<_>, Vec<_>) =
                own.into_iter().partition(|entry| is_annotation(&entry.key));
            let null = map(
                vec![entry("type", null(), nullable.key_span)],
                nullable.value.span,
            );
            let list = Value::List(vec![map(inner, span), null]);
            own = outer;
            own.push(entry("anyOf", node(list, span), nullable.key_span));
            return map(own, span);
        }
        for entry in &mut own {
            let values = match entry.key.as_str() {
                "type" if names(&entry.value).iter().any(|name| name == "null") => continue,
                "type" | "const" => vec![entry.value.clone()],
                "enum" => entry.value.items().unwrap_or_default().to_vec(),
                _ => continue,
            };
            let values = match (entry.key.as_str(), &entry.value.value) {
                ("type", Value::List(names)) => names.clone(),
                _ => values,
            };
            let is_type = entry.key == "type";
            if !is_type && values.iter().any(|value| value.value == Value::Null) {
                continue;
            }
            if !is_type {
                self.report
                    .note(Code::UnsupportedSchema, nullable.key_span, format!("`nullable` is beside `{}` without null, where OpenAPI 3.0 gives it no effect; it is read as: or null", entry.key))
                    .advise("add null to the values");
            }
            let mut values = values;
            values.push(if is_type {
                null()
            } else {
                node(Value::Null, nullable.value.span)
            });
            if entry.key == "const" {
                entry.key = "enum".to_owned();
            }
            entry.value = node(Value::List(values), entry.value.span);
        }
        map(own, span)
    }
}

/// The texts in `node`: itself, or its items.
pub fn names(node: &Node) -> Vec<String> {
    let single = std::slice::from_ref(node);
    let items = node.items().unwrap_or(single).iter();
    items.filter_map(Node::as_str).map(str::to_owned).collect()
}

/// Takes the entry `key` out of `entries`.
pub fn take(entries: &mut Vec<Entry>, key: &str) -> Option<Entry> {
    let index = entries.iter().position(|entry| entry.key == key)?;
    Some(entries.remove(index))
}

/// The entry `key` at `key_span`.
pub fn entry(key: &str, value: Node, key_span: Span) -> Entry {
    Entry {
        key: key.to_owned(),
        key_span,
        value,
    }
}

/// A node at `span`.
pub fn node(value: Value, span: Span) -> Node {
    Node { value, span }
}

/// A mapping at `span`.
pub fn map(entries: Vec<Entry>, span: Span) -> Node {
    node(Value::Map(entries), span)
}
