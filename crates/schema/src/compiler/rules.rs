//! The compiled form of a schema: a table of nodes that refer to each other by their index.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::compiler::pattern::Pattern;
use crate::evaluator::equality::equal;
use crate::evaluator::numbers::ExactNumber;
use crate::formats::Format;
use crate::validator::Bounds;

/// The index of a [`Node`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(pub(crate) usize);

/// One schema.
#[derive(Debug)]
pub(crate) enum Node {
    /// `true`
    Everything,
    /// `false`
    Nothing,
    Rules(Box<Rules>),
}

/// What the keywords of one schema demand.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) types: Option<Vec<Type>>,
    /// The values of `enum` and `const`.
    pub(crate) choices: Option<Choices>,
    pub(crate) number: Bounds<ExactNumber>,
    pub(crate) string: StringRules,
    pub(crate) array: ArrayRules,
    pub(crate) object: ObjectRules,
    /// The targets of `$ref` and `$dynamicRef`.
    pub(crate) references: Vec<NodeId>,
    pub(crate) all_of: Vec<NodeId>,
    pub(crate) any_of: Vec<NodeId>,
    pub(crate) one_of: Vec<NodeId>,
    pub(crate) not: Option<NodeId>,
    pub(crate) condition: Option<Condition>,
}

/// The values of `enum` and `const`.
#[derive(Debug)]
pub(crate) struct Choices {
    /// In the order of the schema.
    pub(crate) values: Vec<Value>,
    /// The texts among them: a long list consists of texts, and each value of a list may be looked up in it.
    texts: BTreeSet<String>,
}

impl Choices {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        let texts = values.iter().filter_map(Value::as_str);
        Self {
            texts: texts.map(str::to_owned).collect(),
            values,
        }
    }

    /// Whether `value` is one of them.
    pub(crate) fn has(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.texts.contains(text),
            _ => self.values.iter().any(|choice| equal(choice, value)),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct StringRules {
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) format: Option<Format>,
}

#[derive(Debug, Default)]
pub(crate) struct ArrayRules {
    pub(crate) min_items: Option<u64>,
    pub(crate) max_items: Option<u64>,
    pub(crate) unique: bool,
    pub(crate) prefix: Vec<NodeId>,
    /// `items`: what follows the prefix.
    pub(crate) rest: Option<NodeId>,
    pub(crate) contains: Option<Contains>,
    pub(crate) unevaluated: Option<NodeId>,
}

/// How many items must match a schema.
#[derive(Debug)]
pub(crate) struct Contains {
    pub(crate) schema: NodeId,
    pub(crate) min: u64,
    pub(crate) max: Option<u64>,
}

#[derive(Debug, Default)]
pub(crate) struct ObjectRules {
    pub(crate) min_properties: Option<u64>,
    pub(crate) max_properties: Option<u64>,
    pub(crate) required: Vec<String>,
    pub(crate) dependent_required: BTreeMap<String, Vec<String>>,
    pub(crate) properties: BTreeMap<String, NodeId>,
    pub(crate) patterns: Vec<(Pattern, NodeId)>,
    pub(crate) additional: Option<NodeId>,
    pub(crate) names: Option<NodeId>,
    pub(crate) dependent_schemas: BTreeMap<String, NodeId>,
    pub(crate) unevaluated: Option<NodeId>,
}

/// `if`, `then` and `else`.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) test: NodeId,
    pub(crate) then: Option<NodeId>,
    pub(crate) otherwise: Option<NodeId>,
}

impl Rules {
    /// Every schema that may be applied to the value that this one is applied to.
    pub(crate) fn in_place(&self) -> impl Iterator<Item = NodeId> {
        let condition = self.condition.as_ref();
        let condition = condition
            .into_iter()
            .flat_map(|c| [Some(c.test), c.then, c.otherwise]);
        let lists = [&self.references, &self.all_of, &self.any_of, &self.one_of];
        lists
            .into_iter()
            .flatten()
            .chain(self.object.dependent_schemas.values())
            .copied()
            .chain(self.not)
            .chain(condition.flatten())
    }
}

/// A value of the keyword `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

impl Type {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "string" => Self::String,
            "array" => Self::Array,
            "object" => Self::Object,
            _ => return None,
        })
    }

    pub(crate) fn accepts(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Null)
            | (Self::Boolean, Value::Bool(_))
            | (Self::Number, Value::Number(_))
            | (Self::String, Value::String(_))
            | (Self::Array, Value::Array(_))
            | (Self::Object, Value::Object(_)) => true,
            (Self::Integer, Value::Number(number)) => ExactNumber::from(number).is_integer(),
            _ => false,
        }
    }

    const fn described(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "true or false",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

/// `must be an integer or null`
pub(crate) fn types_detail(types: &[Type]) -> String {
    let names: Vec<&str> = types.iter().map(|one| one.described()).collect();
    format!("must be {}", names.join(" or "))
}

/// `must be "a" or "b"`
pub(crate) fn choices_detail<'v>(choices: impl IntoIterator<Item = &'v Value>) -> String {
    let choices: Vec<String> = choices.into_iter().map(Value::to_string).collect();
    if choices.is_empty() {
        NOT_ALLOWED.to_owned()
    } else {
        format!("must be {}", choices.join(" or "))
    }
}

/// Where no value is valid.
pub(crate) const NOT_ALLOWED: &str = "is not allowed";
