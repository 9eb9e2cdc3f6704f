//! Turns the JSON of a schema into a table of nodes, one for each subschema.
//!
//! Invariant: every keyword is implemented or refused by name ([`mod@vocabulary`]); a schema that compiled can't fail at run time.

pub(crate) mod compile_error;
pub(crate) mod pattern;
pub(crate) mod references;
pub(crate) mod rules;
pub mod vocabulary;

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value};

use crate::compiler::compile_error::{CompileError, CompileErrorKind};
use crate::compiler::pattern::Pattern;
use crate::compiler::references::Identifiers;
use crate::compiler::rules::{
    ArrayRules, Choices, Condition, Contains, Node, NodeId, ObjectRules, Rules, StringRules, Type,
};
use crate::compiler::vocabulary::{count, shape};
use crate::evaluator::equality::equal;
use crate::evaluator::numbers::ExactNumber;
use crate::formats::Format;
use crate::validator::{Bounds, push_key};

/// How deeply subschemas may be nested: what `serde_json` reads by default.
pub(crate) const MAX_DEPTH: usize = 128;
/// The dialect, as `$schema` names it.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The compiled nodes of a document. The first one is the whole document.
#[derive(Debug)]
pub(crate) struct Nodes {
    pub(crate) nodes: Vec<Node>,
    /// Where each node is in the document.
    pub(crate) pointers: Vec<String>,
    pub(crate) by_pointer: BTreeMap<String, NodeId>,
}

/// Compiles `document` and everything that it refers to.
pub(crate) fn compile(document: &Value, checks_formats: bool) -> Result<Nodes, CompileError> {
    let mut compiler = Compiler {
        document,
        checks_formats,
        identifiers: Identifiers::collect(document)?,
        output: Nodes {
            nodes: Vec::new(),
            pointers: Vec::new(),
            by_pointer: BTreeMap::new(),
        },
        references: VecDeque::new(),
    };
    compiler.schema(document, "", 0)?;
    while let Some(reference) = compiler.references.pop_front() {
        compiler.link(reference)?;
    }
    refuse_circles(&compiler.output)?;
    Ok(compiler.output)
}

struct Compiler<'d> {
    document: &'d Value,
    checks_formats: bool,
    identifiers: Identifiers,
    output: Nodes,
    /// The references that are still to be followed: a queue instead of a recursion.
    references: VecDeque<Reference>,
}

struct Reference {
    owner: NodeId,
    /// What the keyword says.
    text: String,
    /// Where the keyword is.
    pointer: String,
    is_dynamic: bool,
}

/// One schema while it is compiled.
struct Part<'d> {
    keywords: &'d Map<String, Value>,
    pointer: &'d str,
    depth: usize,
}

impl Part<'_> {
    fn count(&self, keyword: &str) -> Option<u64> {
        self.keywords.get(keyword).and_then(count)
    }

    fn number(&self, keyword: &str) -> Option<ExactNumber> {
        match self.keywords.get(keyword) {
            Some(Value::Number(number)) => Some(number.into()),
            _ => None,
        }
    }

    fn text(&self, keyword: &str) -> Option<&str> {
        self.keywords.get(keyword).and_then(Value::as_str)
    }

    fn at(&self, keyword: &str) -> String {
        let mut pointer = self.pointer.to_owned();
        push_key(&mut pointer, keyword);
        pointer
    }
}

impl Compiler<'_> {
    /// Compiles the schema at `pointer`, unless that was done before.
    fn schema(
        &mut self,
        schema: &Value,
        pointer: &str,
        depth: usize,
    ) -> Result<NodeId, CompileError> {
        if let Some(id) = self.output.by_pointer.get(pointer) {
            return Ok(*id);
        }
        let id = NodeId(self.output.nodes.len());
        self.output.by_pointer.insert(pointer.to_owned(), id);
        self.output.pointers.push(pointer.to_owned());
        self.output.nodes.push(Node::Everything);
        self.output.nodes[id.0] = match schema {
            Value::Bool(true) => Node::Everything,
            Value::Bool(false) => Node::Nothing,
            Value::Object(_) if depth > MAX_DEPTH => {
                return Err(CompileErrorKind::TooDeep.at(pointer));
            }
            Value::Object(keywords) => Node::Rules(Box::new(self.rules(
                id,
                &Part {
                    keywords,
                    pointer,
                    depth,
                },
            )?)),
            _ => return Err(CompileErrorKind::NotASchema.at(pointer)),
        };
        Ok(id)
    }

    fn rules(&mut self, id: NodeId, part: &Part<'_>) -> Result<Rules, CompileError> {
        self.check_keywords(part)?;
        for (keyword, is_dynamic) in [("$ref", false), ("$dynamicRef", true)] {
            if let Some(text) = part.text(keyword) {
                self.references.push_back(Reference {
                    owner: id,
                    text: text.to_owned(),
                    pointer: part.at(keyword),
                    is_dynamic,
                });
            }
        }
        // Nothing refers to these yet, but they must be correct all the same.
        self.schemas_by_name(part, "$defs")?;
        self.subschema(part, "contentSchema")?;
        let test = self.subschema(part, "if")?;
        let then = self.subschema(part, "then")?;
        let otherwise = self.subschema(part, "else")?;
        Ok(Rules {
            types: types(part),
            choices: choices(part),
            number: self.number_rules(part),
            string: self.string_rules(part)?,
            array: self.array_rules(part)?,
            object: self.object_rules(part)?,
            references: Vec::new(),
            all_of: self.schemas(part, "allOf")?,
            any_of: self.schemas(part, "anyOf")?,
            one_of: self.schemas(part, "oneOf")?,
            not: self.subschema(part, "not")?,
            condition: test.map(|test| Condition {
                test,
                then,
                otherwise,
            }),
        })
    }

    /// Refuses unknown keywords, and values of the wrong kind.
    fn check_keywords(&self, part: &Part<'_>) -> Result<(), CompileError> {
        for (keyword, value) in part.keywords {
            if keyword.starts_with("x-") {
                continue;
            }
            let Some(shape) = shape(keyword) else {
                let kind = CompileErrorKind::UnsupportedKeyword(keyword.clone());
                return Err(kind.at(part.at(keyword)));
            };
            if let Some(expected) = shape.mismatch(value) {
                let kind = CompileErrorKind::InvalidKeyword {
                    keyword: keyword.clone(),
                    expected,
                };
                return Err(kind.at(part.at(keyword)));
            }
        }
        if let Some(dialect) = part.text("$schema")
            && dialect.trim_end_matches('#') != DIALECT
        {
            let kind = CompileErrorKind::UnsupportedDialect(dialect.to_owned());
            return Err(kind.at(part.at("$schema")));
        }
        if part
            .text("$id")
            .is_some_and(|id| id.trim_end_matches('#').contains('#'))
        {
            let kind = CompileErrorKind::InvalidKeyword {
                keyword: "$id".to_owned(),
                expected: "a URI reference without a fragment",
            };
            return Err(kind.at(part.at("$id")));
        }
        Ok(())
    }

    fn number_rules(&self, part: &Part<'_>) -> Bounds<ExactNumber> {
        let mut bounds = Bounds {
            minimum: part.number("minimum"),
            maximum: part.number("maximum"),
            exclusive_minimum: part.number("exclusiveMinimum"),
            exclusive_maximum: part.number("exclusiveMaximum"),
            multiple_of: part.number("multipleOf"),
        };
        let format = part.text("format").filter(|_| self.checks_formats);
        if let Some((least, most)) = format.and_then(integer_range) {
            bounds.minimum = bounds.minimum.max(Some(least));
            bounds.maximum = Some(bounds.maximum.map_or(most, |own| own.min(most)));
        }
        bounds
    }

    fn string_rules(&self, part: &Part<'_>) -> Result<StringRules, CompileError> {
        let pattern = part.text("pattern");
        let pattern = pattern.map(|text| pattern_at(text, || part.at("pattern")));
        Ok(StringRules {
            min_length: part.count("minLength"),
            max_length: part.count("maxLength"),
            pattern: pattern.transpose()?,
            format: part
                .text("format")
                .filter(|_| self.checks_formats)
                .and_then(Format::from_name),
        })
    }

    fn array_rules(&mut self, part: &Part<'_>) -> Result<ArrayRules, CompileError> {
        let contains = self.subschema(part, "contains")?;
        Ok(ArrayRules {
            min_items: part.count("minItems"),
            max_items: part.count("maxItems"),
            unique: part.keywords.get("uniqueItems") == Some(&Value::Bool(true)),
            prefix: self.schemas(part, "prefixItems")?,
            rest: self.subschema(part, "items")?,
            contains: contains.map(|schema| Contains {
                schema,
                min: part.count("minContains").unwrap_or(1),
                max: part.count("maxContains"),
            }),
            unevaluated: self.subschema(part, "unevaluatedItems")?,
        })
    }

    fn object_rules(&mut self, part: &Part<'_>) -> Result<ObjectRules, CompileError> {
        let dependent = part.keywords.get("dependentRequired");
        let dependent = dependent.and_then(Value::as_object).into_iter().flatten();
        let mut patterns = Vec::new();
        for (pattern, id) in self.schemas_by_name(part, "patternProperties")? {
            let pointer = || self.output.pointers[id.0].clone();
            patterns.push((pattern_at(&pattern, pointer)?, id));
        }
        Ok(ObjectRules {
            min_properties: part.count("minProperties"),
            max_properties: part.count("maxProperties"),
            required: part.keywords.get("required").map_or_else(Vec::new, names),
            dependent_required: dependent
                .map(|(name, required)| (name.clone(), names(required)))
                .collect(),
            properties: self.schemas_by_name(part, "properties")?,
            patterns,
            additional: self.subschema(part, "additionalProperties")?,
            names: self.subschema(part, "propertyNames")?,
            dependent_schemas: self.schemas_by_name(part, "dependentSchemas")?,
            unevaluated: self.subschema(part, "unevaluatedProperties")?,
        })
    }

    fn subschema(
        &mut self,
        part: &Part<'_>,
        keyword: &str,
    ) -> Result<Option<NodeId>, CompileError> {
        part.keywords
            .get(keyword)
            .map(|schema| self.schema(schema, &part.at(keyword), part.depth + 1))
            .transpose()
    }

    fn schemas(&mut self, part: &Part<'_>, keyword: &str) -> Result<Vec<NodeId>, CompileError> {
        let list = part.keywords.get(keyword).and_then(Value::as_array);
        let pointer = part.at(keyword);
        list.into_iter()
            .flatten()
            .enumerate()
            .map(|(index, schema)| {
                self.schema(schema, &format!("{pointer}/{index}"), part.depth + 1)
            })
            .collect()
    }

    fn schemas_by_name(
        &mut self,
        part: &Part<'_>,
        keyword: &str,
    ) -> Result<BTreeMap<String, NodeId>, CompileError> {
        let map = part.keywords.get(keyword).and_then(Value::as_object);
        map.into_iter()
            .flatten()
            .map(|(name, schema)| {
                let mut pointer = part.at(keyword);
                push_key(&mut pointer, name);
                let id = self.schema(schema, &pointer, part.depth + 1)?;
                Ok((name.clone(), id))
            })
            .collect()
    }

    /// Compiles the target of a reference, if that was not done, and ties the reference to it.
    fn link(&mut self, reference: Reference) -> Result<(), CompileError> {
        let Reference {
            owner,
            text,
            pointer,
            is_dynamic,
        } = reference;
        let place = &self.output.pointers[owner.0];
        let target = if is_dynamic {
            self.identifiers.resolve_dynamic(&text, place)
        } else {
            self.identifiers.resolve(&text, place)
        };
        let target = target.map_err(|kind| kind.at(&pointer))?;
        let document = self.document;
        let Some(schema) = document.pointer(&target) else {
            return Err(CompileErrorKind::UnresolvedReference(text).at(pointer));
        };
        let id = self.schema(schema, &target, 0)?;
        if let Node::Rules(rules) = &mut self.output.nodes[owner.0] {
            rules.references.push(id);
        }
        Ok(())
    }
}

/// The numbers that a format allows: those of OpenAPI, protobuf and schemars.
fn integer_range(format: &str) -> Option<(ExactNumber, ExactNumber)> {
    let (least, most): (i64, u64) = match format {
        "int8" => (i8::MIN.into(), i8::MAX as u64),
        "int16" => (i16::MIN.into(), i16::MAX as u64),
        "int32" => (i32::MIN.into(), i32::MAX as u64),
        "int64" | "int" => (i64::MIN, i64::MAX as u64),
        "uint8" => (0, u8::MAX.into()),
        "uint16" => (0, u16::MAX.into()),
        "uint32" => (0, u32::MAX.into()),
        "uint64" | "uint" => (0, u64::MAX),
        _ => return None,
    };
    Some((least.into(), most.into()))
}

fn types(part: &Part<'_>) -> Option<Vec<Type>> {
    let names = part.keywords.get("type")?;
    let single = std::slice::from_ref(names);
    let list = names.as_array().map_or(single, Vec::as_slice);
    let names = list.iter().filter_map(Value::as_str);
    Some(names.filter_map(Type::from_name).collect())
}

fn choices(part: &Part<'_>) -> Option<Choices> {
    let listed = part.keywords.get("enum").and_then(Value::as_array);
    let values = match (listed, part.keywords.get("const")) {
        (None, None) => return None,
        (Some(listed), None) => listed.clone(),
        (None, Some(constant)) => vec![constant.clone()],
        (Some(listed), Some(constant)) => {
            let both = listed.iter().filter(|value| equal(value, constant));
            both.cloned().collect()
        }
    };
    Some(Choices::new(values))
}

fn names(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn pattern_at(text: &str, pointer: impl FnOnce() -> String) -> Result<Pattern, CompileError> {
    Pattern::new(text).map_err(|error| CompileErrorKind::UnsupportedPattern(error).at(pointer()))
}

/// Refuses schemas that apply themselves to the same value again. Those that do not are removed first: they apply
/// nothing, or only what was removed before. Whatever remains is on a circle, or leads to one.
fn refuse_circles(nodes: &Nodes) -> Result<(), CompileError> {
    let in_place = |id: NodeId| match &nodes.nodes[id.0] {
        Node::Rules(rules) => rules.in_place().collect(),
        Node::Everything | Node::Nothing => Vec::new(),
    };
    let ids = || (0..nodes.nodes.len()).map(NodeId);
    let mut applied_by: Vec<Vec<NodeId>> = vec![Vec::new(); nodes.nodes.len()];
    let mut open: Vec<usize> = ids().map(|id| in_place(id).len()).collect();
    for id in ids() {
        for inner in in_place(id) {
            applied_by[inner.0].push(id);
        }
    }
    let mut closed: Vec<NodeId> = ids().filter(|id| open[id.0] == 0).collect();
    while let Some(id) = closed.pop() {
        for outer in &applied_by[id.0] {
            open[outer.0] -= 1;
            if open[outer.0] == 0 {
                closed.push(*outer);
            }
        }
    }
    match ids().find(|id| open[id.0] > 0) {
        None => Ok(()),
        Some(id) => Err(CompileErrorKind::CircularReference.at(&nodes.pointers[id.0])),
    }
}
