//! The definitions of a schema: what its references lead to, wherever in the schema that is.

use std::collections::BTreeMap;

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::schema::parse::keywords::wrong_kind;
use crate::schema::parse::normalize::names;
use crate::yaml::node::{Node, Value};

/// So many definitions are named where one is missing.
const MAX_LISTED: usize = 20;

/// The definitions of one schema, in the order of the source; those that stand elsewhere than under `$defs` get a name
/// when the first reference to them is read.
pub struct Definitions<'n> {
    root: &'n Node,
    /// The `$id` of the whole schema.
    id: String,
    all: Vec<Definition<'n>>,
    by_name: BTreeMap<String, usize>,
    by_pointer: BTreeMap<String, usize>,
    /// Where the schemas are that have an `$anchor` (`#name`) or an `$id` (`name`); made when it is first needed.
    named: Option<BTreeMap<String, String>>,
}

struct Definition<'n> {
    name: String,
    key_span: Span,
    raw: &'n Node,
    state: State,
}

enum State {
    Raw,
    /// Its form is being made.
    Open,
    Done(Node),
}

impl<'n> Definitions<'n> {
    /// The definitions under `$defs`, `definitions` and OpenAPI's `components.schemas` of `root`.
    pub fn collect(root: &'n Node, report: &mut Report) -> Option<Self> {
        let id = ["$id", "id"]
            .into_iter()
            .find_map(|key| root.get(key)?.as_str());
        let mut definitions = Self {
            root,
            id: id.unwrap_or_default().trim_end_matches('#').to_owned(),
            all: Vec::new(),
            by_name: BTreeMap::new(),
            by_pointer: BTreeMap::new(),
            named: None,
        };
        let schemas = root.get("components").and_then(|part| part.get("schemas"));
        let containers = [
            ("$defs", root.get("$defs")),
            ("definitions", root.get("definitions")),
            ("components/schemas", schemas),
        ];
        for (path, container) in containers {
            let Some(container) = container else { continue };
            let Some(entries) = container.entries() else {
                wrong_kind(path, container, "a mapping of names to schemas", report);
                return None;
            };
            for entry in entries {
                let mut pointer = format!("/{path}");
                agentgen_schema::push_key(&mut pointer, &entry.key);
                definitions.add(pointer, &entry.key, entry.key_span, &entry.value);
            }
        }
        Some(definitions)
    }

    fn add(&mut self, pointer: String, wish: &str, key_span: Span, raw: &'n Node) -> usize {
        let name = self.free_name(wish);
        let index = self.all.len();
        self.by_name.insert(name.clone(), index);
        self.by_pointer.insert(pointer, index);
        self.all.push(Definition {
            name,
            key_span,
            raw,
            state: State::Raw,
        });
        index
    }

    /// A name that no definition has, made of characters that OpenAPI allows in the name of a component.
    fn free_name(&self, wish: &str) -> String {
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let mut name: String = wish
            .chars()
            .map(|c| if valid(c) { c } else { '_' })
            .collect();
        if !name.contains(|c: char| c.is_ascii_alphanumeric()) {
            name = "Schema".to_owned();
        }
        let numbered = (2..).map(|number| format!("{name}{number}"));
        let mut candidates = std::iter::once(name.clone()).chain(numbered);
        candidates
            .find(|name| !self.by_name.contains_key(name))
            .unwrap_or(name)
    }

    /// The name and the place of the definition number `index`.
    pub fn name(&self, index: usize) -> Option<(String, Span)> {
        let definition = self.all.get(index)?;
        Some((definition.name.clone(), definition.key_span))
    }

    /// The definition `name` in the form that is read, if that was made.
    pub fn done(&self, name: &str) -> Option<&Node> {
        match &self.all[*self.by_name.get(name)?].state {
            State::Done(node) => Some(node),
            State::Raw | State::Open => None,
        }
    }

    /// The definition `name` as it was written, whose form is now made; none where that was begun before.
    pub fn begin(&mut self, name: &str) -> Option<&'n Node> {
        let definition = &mut self.all[*self.by_name.get(name)?];
        match definition.state {
            State::Raw => {
                definition.state = State::Open;
                Some(definition.raw)
            }
            State::Open | State::Done(_) => None,
        }
    }

    /// Keeps the form of the definition `name`.
    pub fn finish(&mut self, name: &str, node: Node) {
        if let Some(index) = self.by_name.get(name) {
            self.all[*index].state = State::Done(node);
        }
    }

    /// The name of the definition that the reference `text` at `span` leads to; none where it leads nowhere.
    pub fn resolve(&mut self, text: &str, span: Span, report: &mut Report) -> Option<String> {
        let (document, fragment) = text.split_once('#').unwrap_or((text, ""));
        let local = document.is_empty() || document == self.id;
        let pointer = match decoded(fragment) {
            pointer if local && (pointer.is_empty() || pointer.starts_with('/')) => Some(pointer),
            anchor if local => self.named(&format!("#{anchor}")),
            _ if is_plain_id(text) => self.named(text),
            _ => None,
        };
        if let Some(pointer) = &pointer {
            if let Some(index) = self.by_pointer.get(pointer) {
                return Some(self.all[*index].name.clone());
            }
            // A reference that was read before.
            let name = pointer.strip_prefix("/$defs/");
            if let Some(name) = name.filter(|name| self.by_name.contains_key(*name)) {
                return Some(name.to_owned());
            }
            if let Some(raw) = node_at(self.root, pointer) {
                let last = pointer.rsplit('/').next().unwrap_or_default();
                let title = raw.get("title").and_then(Node::as_str).unwrap_or("Root");
                let wish = if pointer.is_empty() { title } else { last };
                let index = self.add(pointer.clone(), wish, raw.span, raw);
                return Some(self.all[index].name.clone());
            }
        }
        if !local {
            let message = format!("{text:?} refers to something outside of this schema");
            report.error(Code::UnsupportedSchema, span, message).advise(
                "copy what is meant to `$defs` at the top of this schema, and write `#/$defs/NAME`",
            );
            return None;
        }
        let missing = pointer.as_deref().unwrap_or(fragment);
        let (message, advice) = if let Some(name) = missing.strip_prefix("/components/schemas/") {
            let message =
                format!("{text:?} refers to an OpenAPI document, and this is a schema alone");
            (
                message,
                format!(
                    "copy {name:?} to `$defs` at the top of this schema, and write `#/$defs/{name}`"
                ),
            )
        } else {
            let name = missing.rsplit('/').next().unwrap_or_default();
            let names: Vec<&str> = self
                .all
                .iter()
                .map(|definition| definition.name.as_str())
                .collect();
            let advice = match names.as_slice() {
                [] => "this schema has no `$defs`".to_owned(),
                names if names.len() > MAX_LISTED => {
                    let more = names.len() - MAX_LISTED;
                    let first = names[..MAX_LISTED].join(", ");
                    format!("the definitions are {first} and {more} more")
                }
                names => format!("the definitions are {}", names.join(", ")),
            };
            (format!("there is no definition {name:?}"), advice)
        };
        report.error(Code::BadSchema, span, message).advise(advice);
        None
    }

    /// The pointer to the schema that has the `$anchor` or the `$id` `name`.
    fn named(&mut self, name: &str) -> Option<String> {
        let named = self.named.get_or_insert_with(|| named_schemas(self.root));
        named.get(name).cloned()
    }

    /// The kinds of values that `node`, in either form, plainly allows; none where it does not say.
    pub fn kinds(&self, node: &Node, depth: usize) -> Option<Vec<String>> {
        let mut kinds = self.plain_kinds(node, depth)?;
        if node
            .get("nullable")
            .is_some_and(|node| node.value == Value::Bool(true))
        {
            kinds.push("null".to_owned());
        }
        Some(kinds)
    }

    fn plain_kinds(&self, node: &Node, depth: usize) -> Option<Vec<String>> {
        if depth > 32 {
            return None;
        }
        if let Some(kind) = node.get("type") {
            return Some(names(kind));
        }
        if let Some(reference) = node.get("$ref").and_then(Node::as_str) {
            let pointer = decoded(reference.split_once('#')?.1);
            let index = self
                .by_pointer
                .get(&pointer)
                .or_else(|| self.by_name.get(pointer.strip_prefix("/$defs/")?))?;
            return self.kinds(self.all[*index].raw, depth + 1);
        }
        if node.get("properties").is_some() {
            return Some(vec!["object".to_owned()]);
        }
        let values = match (node.get("const"), node.get("enum")) {
            (Some(value), _) => Some(std::slice::from_ref(value)),
            (None, Some(values)) => values.items(),
            _ => None,
        };
        if let Some(values) = values {
            return Some(
                values
                    .iter()
                    .map(|value| kind_of(value).to_owned())
                    .collect(),
            );
        }
        let parts = node.get("allOf").and_then(Node::items)?;
        parts.iter().find_map(|part| self.kinds(part, depth + 1))
    }
}

/// The name of the type that `value` is of.
pub fn kind_of(value: &Node) -> &'static str {
    match &value.value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.as_f64().is_some_and(|number| number.fract() == 0.0) => {
            "integer"
        }
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
    }
}

/// Whether `id` is one name, so that a reference to it leads to the schema with this `$id` whatever the base is.
pub fn is_plain_id(id: &str) -> bool {
    !id.is_empty() && !id.contains(['/', ':', '#', '?', '.'])
}

/// The pointers to the schemas in `root` that have an `$anchor` (as `#name`) or a plain `$id`.
fn named_schemas(root: &Node) -> BTreeMap<String, String> {
    let mut named = BTreeMap::new();
    let mut open = vec![(String::new(), root)];
    while let Some((pointer, node)) = open.pop() {
        let text = |key: &str| node.get(key).and_then(Node::as_str);
        let anchor = text("$anchor").map(|name| format!("#{name}"));
        let id = text("$id").or(text("id"));
        let id = id.filter(|id| id.starts_with('#') || is_plain_id(id));
        for name in anchor.into_iter().chain(id.map(str::to_owned)) {
            named.entry(name).or_insert_with(|| pointer.clone());
        }
        let below = |key: &str| {
            let mut pointer = pointer.clone();
            agentgen_schema::push_key(&mut pointer, key);
            pointer
        };
        match &node.value {
            Value::Map(entries) => {
                // What stands in a value is no schema.
                let values = ["const", "enum", "default", "example", "examples"];
                let schemas = entries
                    .iter()
                    .filter(|entry| !values.contains(&entry.key.as_str()));
                open.extend(schemas.map(|entry| (below(&entry.key), &entry.value)));
            }
            Value::List(items) => {
                let items = items.iter().enumerate();
                open.extend(items.map(|(index, item)| (below(&index.to_string()), item)));
            }
            _ => {}
        }
    }
    named
}

fn node_at<'n>(root: &'n Node, pointer: &str) -> Option<&'n Node> {
    let mut keys = pointer.split('/').skip(1);
    keys.try_fold(root, |node, key| {
        let key = key.replace("~1", "/").replace("~0", "~");
        match node.items() {
            Some(items) => items.get(key.parse::<usize>().ok()?),
            None => node.get(&key),
        }
    })
}

/// `text` with its percent escapes decoded; what is no escape stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code.filter(|_| *byte == b'%') {
            Some(code) => {
                bytes.push(code);
                rest = &after[2..];
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
