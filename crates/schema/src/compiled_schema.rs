//! A compiled schema, or a part of one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use serde_json::Value;

use crate::compiler::compile_error::CompileError;
use crate::compiler::rules::{Node, NodeId, Rules};
use crate::compiler::{Nodes, compile};
use crate::evaluator::{is_valid, violations};
use crate::validator::{Validator, Violation};

/// A compiled JSON Schema. It is cheap to clone, and so are its parts, which share it.
#[derive(Clone)]
pub struct Schema {
    document: Arc<Document>,
    node: NodeId,
}

struct Document {
    source: Value,
    nodes: Nodes,
}

/// How schemas are compiled.
///
/// ```
/// use agentgen_schema::CompileOptions;
/// use serde_json::json;
///
/// let schema = CompileOptions::default()
///     .check_formats(false)
///     .compile(&json!({ "format": "date" }))?;
/// assert!(schema.is_valid(&json!("tomorrow")));
/// # Ok::<(), agentgen_schema::CompileError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileOptions {
    checks_formats: bool,
}

impl Default for CompileOptions {
    fn default() -> Self {
        Self {
            checks_formats: true,
        }
    }
}

impl CompileOptions {
    /// Whether `format` is an assertion, as it is by default, or an annotation.
    #[must_use]
    pub const fn check_formats(mut self, checks_formats: bool) -> Self {
        self.checks_formats = checks_formats;
        self
    }

    /// Compiles `document`, a schema.
    ///
    /// # Errors
    /// The first thing in the schema that is wrong or not supported, and where it is.
    pub fn compile(self, document: &Value) -> Result<Schema, CompileError> {
        let nodes = compile(document, self.checks_formats)?;
        let source = document.clone();
        Ok(Schema {
            document: Arc::new(Document { source, nodes }),
            node: NodeId(0),
        })
    }
}

impl Schema {
    /// Compiles `document`, a schema; `format` is an assertion.
    ///
    /// # Errors
    /// The first thing in the schema that is wrong or not supported, and where it is.
    pub fn compile(document: &Value) -> Result<Self, CompileError> {
        CompileOptions::default().compile(document)
    }

    /// Options to compile with.
    #[must_use]
    pub fn options() -> CompileOptions {
        CompileOptions::default()
    }

    /// Whether `value` is valid. This stops at the first violation.
    #[must_use]
    pub fn is_valid(&self, value: &Value) -> bool {
        is_valid(&self.document.nodes.nodes, self.node, value)
    }

    /// Everything that is wrong with `value`, up to 100 violations; none where it is valid.
    #[must_use]
    pub fn violations(&self, value: &Value) -> Vec<Violation> {
        violations(&self.document.nodes.nodes, self.node, value)
    }

    /// The JSON of this schema.
    #[must_use]
    pub fn source(&self) -> &Value {
        let pointer = &self.document.nodes.pointers[self.node.0];
        // Every pointer was taken from this document.
        let document = &self.document.source;
        document.pointer(pointer).unwrap_or(document)
    }

    /// The JSON of the whole document, whose `$defs` this schema may refer to.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document.source
    }

    /// What this schema stands for, if it is a `$ref`: the target of the last one. Otherwise the schema itself.
    #[must_use]
    pub fn resolved(&self) -> Self {
        let mut schema = self.clone();
        while let Some(target) = schema.rules().and_then(|rules| rules.references.first()) {
            schema = schema.part(*target);
        }
        schema
    }

    /// The schema at a JSON Pointer that starts here: `/oneOf/0`. `None` where no schema is.
    #[must_use]
    pub fn at(&self, pointer: &str) -> Option<Self> {
        let nodes = &self.document.nodes;
        let pointer = format!("{}{pointer}", nodes.pointers[self.node.0]);
        let id = nodes.by_pointer.get(&pointer)?;
        Some(self.part(*id))
    }

    /// The schema of the property `name`, where `properties` names it; a `$ref` is followed first.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<Self> {
        let schema = self.resolved();
        let id = *schema.rules()?.object.properties.get(name)?;
        Some(schema.part(id))
    }

    /// The names of the properties that `properties` lists, in the order of the source; a `$ref` is followed first.
    #[must_use]
    pub fn property_names(&self) -> Vec<String> {
        let schema = self.resolved();
        let properties = schema.source().get("properties").and_then(Value::as_object);
        properties.map_or_else(Vec::new, |names| names.keys().cloned().collect())
    }

    /// Whether `required` names the property `name`; a `$ref` is followed first.
    #[must_use]
    pub fn requires(&self, name: &str) -> bool {
        let schema = self.resolved();
        let required = schema.rules().map(|rules| &rules.object.required);
        required.is_some_and(|names| names.iter().any(|required| required == name))
    }

    /// The schema under `items`; a `$ref` is followed first.
    #[must_use]
    pub fn items(&self) -> Option<Self> {
        let schema = self.resolved();
        let id = schema.rules()?.array.rest?;
        Some(schema.part(id))
    }

    fn part(&self, node: NodeId) -> Self {
        Self {
            document: Arc::clone(&self.document),
            node,
        }
    }

    fn rules(&self) -> Option<&Rules> {
        match &self.document.nodes.nodes[self.node.0] {
            Node::Rules(rules) => Some(rules),
            Node::Everything | Node::Nothing => None,
        }
    }
}

impl Validator {
    /// Checks `value`, written as JSON, against a JSON Schema: what the type of the value does not say. A schema that does
    /// not compile lets nothing through.
    pub fn schema<T: Serialize + ?Sized>(&mut self, value: &T, schema: &'static str) {
        let Some(schema) = compiled(schema) else {
            return self.fail("can't be checked");
        };
        let Ok(value) = serde_json::to_value(value) else {
            return self.fail("is no JSON");
        };
        for violation in schema.violations(&value) {
            self.fail_within(violation);
        }
    }
}

/// The schemas of generated types, compiled when they are used for the first time.
fn compiled(text: &'static str) -> Option<Schema> {
    static CACHE: Mutex<BTreeMap<&'static str, Option<Schema>>> = Mutex::new(BTreeMap::new());
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    let entry = cache.entry(text).or_insert_with(|| {
        let document = serde_json::from_str(text).ok()?;
        Schema::compile(&document).ok()
    });
    entry.clone()
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schema").field(self.source()).finish()
    }
}
