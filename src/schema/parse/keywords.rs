//! The keywords of JSON Schema, and what is done with each.

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::yaml::node::{Entry, Node, Value};

/// What a keyword is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Says something to people; fits everywhere.
    Annotation,
    /// Names the kind of value.
    Kind,
    /// Lists values.
    Choice,
    /// Combines schemas.
    Union,
    /// Refers to a definition.
    Reference,
    /// Allowed at the top of a schema only.
    Top,
    /// Bounds text.
    Text,
    /// Bounds a number.
    Number,
    /// Bounds text or a number.
    Format,
    /// Describes a list.
    Array,
    /// Describes an object.
    Object,
}

const KEYWORDS: [(&str, Topic); 38] = [
    ("$comment", Topic::Annotation),
    ("title", Topic::Annotation),
    ("description", Topic::Annotation),
    ("default", Topic::Annotation),
    ("example", Topic::Annotation),
    ("examples", Topic::Annotation),
    ("deprecated", Topic::Annotation),
    ("readOnly", Topic::Annotation),
    ("writeOnly", Topic::Annotation),
    ("type", Topic::Kind),
    ("enum", Topic::Choice),
    ("const", Topic::Choice),
    ("oneOf", Topic::Union),
    ("anyOf", Topic::Union),
    ("discriminator", Topic::Union),
    ("$ref", Topic::Reference),
    ("$schema", Topic::Top),
    ("$defs", Topic::Top),
    ("minLength", Topic::Text),
    ("maxLength", Topic::Text),
    ("pattern", Topic::Text),
    ("format", Topic::Format),
    ("minimum", Topic::Number),
    ("maximum", Topic::Number),
    ("exclusiveMinimum", Topic::Number),
    ("exclusiveMaximum", Topic::Number),
    ("multipleOf", Topic::Number),
    ("items", Topic::Array),
    ("minItems", Topic::Array),
    ("maxItems", Topic::Array),
    ("uniqueItems", Topic::Array),
    ("properties", Topic::Object),
    ("required", Topic::Object),
    ("additionalProperties", Topic::Object),
    ("minProperties", Topic::Object),
    ("maxProperties", Topic::Object),
    // Kept as they are, since they only describe how text is encoded.
    ("contentEncoding", Topic::Text),
    ("contentMediaType", Topic::Text),
];

const UNSUPPORTED: [(&str, &str); 24] = [
    (
        "allOf",
        "write the properties of all its parts into one object",
    ),
    ("not", "say what the value is instead"),
    (
        "if",
        "use `oneOf` with a property that tells the cases apart",
    ),
    (
        "then",
        "use `oneOf` with a property that tells the cases apart",
    ),
    (
        "else",
        "use `oneOf` with a property that tells the cases apart",
    ),
    (
        "patternProperties",
        "use `additionalProperties` with a schema",
    ),
    ("propertyNames", "use `additionalProperties` with a schema"),
    ("unevaluatedProperties", "use `additionalProperties`"),
    ("unevaluatedItems", "use `items`"),
    (
        "prefixItems",
        "use an object with a property for each position",
    ),
    (
        "additionalItems",
        "use `items` with one schema for all items",
    ),
    ("contains", "use `items` with one schema for all items"),
    ("minContains", "use `minItems`"),
    ("maxContains", "use `maxItems`"),
    (
        "dependentRequired",
        "use `oneOf` with a property that tells the cases apart",
    ),
    (
        "dependentSchemas",
        "use `oneOf` with a property that tells the cases apart",
    ),
    (
        "dependencies",
        "use `oneOf` with a property that tells the cases apart",
    ),
    (
        "contentSchema",
        "describe the value as an object of its own",
    ),
    ("$dynamicRef", "use `$ref: \"#/$defs/NAME\"`"),
    ("$dynamicAnchor", "use `$ref: \"#/$defs/NAME\"`"),
    (
        "$id",
        "leave it out; definitions are referred to as `#/$defs/NAME`",
    ),
    (
        "$anchor",
        "leave it out; definitions are referred to as `#/$defs/NAME`",
    ),
    ("definitions", "call it `$defs`"),
    ("nullable", "write `type: [TYPE, \"null\"]`"),
];

/// Checks the keywords of one schema: each must be known, be supported, and be about one of
/// `topics`, which are those of a value that is `kind` (in words). What is wrong goes into `report`.
pub fn check(entries: &[Entry], topics: &[Topic], kind: &str, report: &mut Report) -> bool {
    let mut good = true;
    for entry in entries {
        let keyword = entry.key.as_str();
        if keyword.starts_with("x-") {
            continue;
        }
        let topic = KEYWORDS
            .iter()
            .find(|(name, _)| *name == keyword)
            .map(|(_, topic)| *topic);
        if topic.is_some_and(|topic| topic == Topic::Annotation || topics.contains(&topic)) {
            good &= check_annotation(entry, report);
            continue;
        }
        good = false;
        let unsupported = UNSUPPORTED.iter().find(|(name, _)| *name == keyword);
        if let Some((_, advice)) = unsupported {
            let message = format!("no type is made of `{keyword}`");
            report
                .error(Code::UnsupportedSchema, entry.key_span, message)
                .advise(*advice);
        } else if topic == Some(Topic::Top) {
            let message = format!("`{keyword}` is inside a schema");
            report
                .error(Code::UnsupportedSchema, entry.key_span, message)
                .advise("move it to the top of the endpoint's schema");
        } else if topic.is_some() {
            let message = format!("`{keyword}` says nothing about {kind}");
            report
                .error(Code::BadSchema, entry.key_span, message)
                .advise("leave it out, or change the type");
        } else {
            unknown(entry, report);
        }
    }
    good
}

fn unknown(entry: &Entry, report: &mut Report) {
    let keyword = entry.key.as_str();
    let near = KEYWORDS
        .iter()
        .map(|(name, _)| (distance(keyword, name), *name))
        .filter(|(distance, name)| *distance <= 2 && *distance * 2 < name.len())
        .min();
    let advice = match near {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => "a mapping with a `type` or `properties` is JSON Schema; to describe a property \
                 called `type` in the shorthand, write `type: string, what it is`"
            .to_owned(),
    };
    let message = format!("`{keyword}` is no keyword of JSON Schema");
    report
        .error(Code::UnsupportedSchema, entry.key_span, message)
        .advise(advice);
}

fn check_annotation(entry: &Entry, report: &mut Report) -> bool {
    let expected = match (entry.key.as_str(), &entry.value.value) {
        ("title" | "description" | "$comment", value) if !matches!(value, Value::String(_)) => {
            "text"
        }
        ("deprecated" | "readOnly" | "writeOnly", value) if !matches!(value, Value::Bool(_)) => {
            "true or false"
        }
        ("examples", value) if !matches!(value, Value::List(_)) => "a list",
        _ => return true,
    };
    wrong_kind(&entry.key, &entry.value, expected, report);
    false
}

/// Reports that the value of `keyword` is not what it must be.
pub fn wrong_kind(keyword: &str, value: &Node, expected: &str, report: &mut Report) {
    let message = format!("`{keyword}` is {}", value.kind());
    report
        .error(Code::BadSchema, value.span, message)
        .advise(format!("it must be {expected}"));
}

/// The least number of letters to insert, remove or replace to get from `left` to `right`.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.to_lowercase().chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}
