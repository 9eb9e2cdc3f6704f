//! The one list of keywords: what each accepted one holds, and what to write instead of a refused one.

use serde_json::Value;

use crate::compiler::rules::Type;
use crate::evaluator::equality::repeated_items;

macro_rules! vocabulary {
    (
        accepted { $($accepted:literal: $shape:ident,)* }
        refused { $($refused:literal: $advice:literal,)* }
    ) => {
        /// Every keyword that [`Schema::compile`](crate::Schema::compile) accepts. Names that start with `x-` are
        /// accepted besides, and mean nothing.
        pub const ACCEPTED: &[&str] = &[$($accepted),*];

        /// The keywords of other dialects that are refused with advice. Any other unknown name is refused without.
        pub const REFUSED: &[&str] = &[$($refused),*];

        /// What the value of an accepted keyword is.
        pub(crate) fn shape(keyword: &str) -> Option<Shape> {
            match keyword {
                $($accepted => Some(Shape::$shape),)*
                _ => None,
            }
        }

        /// What to write instead of a refused keyword.
        #[must_use]
        pub fn advice(keyword: &str) -> Option<&'static str> {
            match keyword {
                $($refused => Some($advice),)*
                _ => None,
            }
        }
    };
}

vocabulary! {
    accepted {
        // Core.
        "$schema": Text,
        "$id": Text,
        "$ref": Text,
        "$anchor": Anchor,
        "$dynamicRef": Text,
        "$dynamicAnchor": Anchor,
        "$defs": SchemasByName,
        "$comment": Text,
        // Any value.
        "type": Types,
        "enum": List,
        "const": Any,
        // Numbers.
        "minimum": Number,
        "maximum": Number,
        "exclusiveMinimum": Number,
        "exclusiveMaximum": Number,
        "multipleOf": PositiveNumber,
        // Strings.
        "minLength": Count,
        "maxLength": Count,
        "pattern": Text,
        "format": Text,
        "contentEncoding": Text,
        "contentMediaType": Text,
        "contentSchema": Schema,
        // Arrays.
        "prefixItems": Schemas,
        "items": Schema,
        "contains": Schema,
        "minContains": Count,
        "maxContains": Count,
        "minItems": Count,
        "maxItems": Count,
        "uniqueItems": Boolean,
        "unevaluatedItems": Schema,
        // Objects.
        "properties": SchemasByName,
        "patternProperties": SchemasByName,
        "additionalProperties": Schema,
        "propertyNames": Schema,
        "required": Names,
        "dependentRequired": NamesByName,
        "dependentSchemas": SchemasByName,
        "minProperties": Count,
        "maxProperties": Count,
        "unevaluatedProperties": Schema,
        // Combinations.
        "allOf": Schemas,
        "anyOf": Schemas,
        "oneOf": Schemas,
        "not": Schema,
        "if": Schema,
        "then": Schema,
        "else": Schema,
        // Annotations, and those of OpenAPI.
        "title": Text,
        "description": Text,
        "default": Any,
        "examples": List,
        "deprecated": Boolean,
        "readOnly": Boolean,
        "writeOnly": Boolean,
        "example": Any,
        "discriminator": Object,
    }
    refused {
        "definitions": "call it `$defs`",
        "dependencies": "use `dependentRequired` or `dependentSchemas`",
        "additionalItems": "use `items` beside `prefixItems`",
        "nullable": "write `type: [TYPE, \"null\"]`",
        "id": "call it `$id`",
        "$recursiveRef": "use `$ref`",
        "$recursiveAnchor": "use `$ref`",
        "$vocabulary": "leave it out; it belongs into a meta-schema",
    }
}

/// What the value of a keyword is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Any,
    Text,
    /// A name that a reference can end with: `#node`.
    Anchor,
    Boolean,
    List,
    Object,
    Number,
    PositiveNumber,
    /// A whole number from 0, also written as `2.0`.
    Count,
    /// The name of a [`Type`], or several.
    Types,
    Names,
    NamesByName,
    Schema,
    Schemas,
    SchemasByName,
}

impl Shape {
    /// What `value` must be, where it is something else. Subschemas are not looked into.
    pub(crate) fn mismatch(self, value: &Value) -> Option<&'static str> {
        let (matches, expected) = match self {
            Self::Any | Self::Schema => (true, ""),
            Self::Text => (value.is_string(), "a string"),
            Self::Anchor => (
                value.as_str().is_some_and(is_anchor),
                "a name: a letter or `_`, then letters, digits, `-`, `_` and `.`",
            ),
            Self::Boolean => (value.is_boolean(), "true or false"),
            Self::List => (value.is_array(), "an array"),
            Self::Object => (value.is_object(), "an object"),
            Self::Number => (value.is_number(), "a number"),
            Self::PositiveNumber => (
                value.as_f64().is_some_and(|number| number > 0.0),
                "a number greater than 0",
            ),
            Self::Count => (count(value).is_some(), "a whole number from 0"),
            Self::Types => (
                is_types(value),
                "`array`, `boolean`, `integer`, `null`, `number`, `object`, `string` or an array of different ones",
            ),
            Self::Names => (is_names(value), "an array of different strings"),
            Self::NamesByName => (
                value
                    .as_object()
                    .is_some_and(|map| map.values().all(is_names)),
                "an object of arrays of different strings",
            ),
            Self::Schemas => (
                value.as_array().is_some_and(|list| !list.is_empty()),
                "an array of schemas, at least one",
            ),
            Self::SchemasByName => (value.is_object(), "an object of schemas"),
        };
        (!matches).then_some(expected)
    }
}

/// The value of a keyword that counts; one that is too large for 64 bits is as good as the largest.
pub(crate) fn count(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let float = value.as_f64()?;
        (float >= 0.0 && float.fract() == 0.0).then_some(float as u64)
    })
}

fn is_anchor(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn is_types(value: &Value) -> bool {
    let is_type = |value: &Value| value.as_str().and_then(Type::from_name).is_some();
    match value {
        Value::Array(types) => {
            !types.is_empty() && types.iter().all(is_type) && are_different(types)
        }
        single => is_type(single),
    }
}

fn is_names(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|names| names.iter().all(Value::is_string) && are_different(names))
}

fn are_different(values: &[Value]) -> bool {
    repeated_items(values).is_empty()
}
