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
    /// Demands more of a list than its type says.
    ArrayRest,
    /// Demands more of an object than its type says.
    ObjectRest,
    /// Demands more of any value than its type says.
    Condition,
}

const KEYWORDS: [(&str, Topic); 52] = [
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
    ("allOf", Topic::Condition),
    ("not", Topic::Condition),
    ("if", Topic::Condition),
    ("then", Topic::Condition),
    ("else", Topic::Condition),
    ("$ref", Topic::Reference),
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
    ("prefixItems", Topic::Array),
    ("contains", Topic::ArrayRest),
    ("minContains", Topic::ArrayRest),
    ("maxContains", Topic::ArrayRest),
    ("unevaluatedItems", Topic::ArrayRest),
    ("properties", Topic::Object),
    ("required", Topic::Object),
    ("additionalProperties", Topic::Object),
    ("minProperties", Topic::Object),
    ("maxProperties", Topic::Object),
    ("patternProperties", Topic::Object),
    ("propertyNames", Topic::ObjectRest),
    ("dependentRequired", Topic::ObjectRest),
    ("dependentSchemas", Topic::ObjectRest),
    ("unevaluatedProperties", Topic::ObjectRest),
    // Kept as they are, since they only describe how text is encoded.
    ("contentEncoding", Topic::Text),
    ("contentMediaType", Topic::Text),
];

/// Keywords that no schema is read with, and what to write instead.
const UNSUPPORTED: [(&str, &str); 8] = [
    ("$dynamicRef", "use `$ref: \"#/$defs/NAME\"`"),
    ("$recursiveRef", "use `$ref: \"#\"`"),
    (
        "$dynamicAnchor",
        "leave it out; definitions are referred to as `#/$defs/NAME`",
    ),
    (
        "$recursiveAnchor",
        "leave it out; definitions are referred to as `#/$defs/NAME`",
    ),
    (
        "$id",
        "leave it out, or make it one name without `/`, `.` and `:`; definitions are referred to as `#/$defs/NAME`",
    ),
    ("$vocabulary", "leave it out; it belongs into a meta-schema"),
    (
        "components",
        "move it to the top of the endpoint's schema, where `#/components/schemas/NAME` leads to",
    ),
    ("extends", "use `allOf: [{ $ref: … }]`"),
];

/// What [`check`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Whether nothing is wrong.
    pub good: bool,
    /// Whether a keyword demands more than a type can say.
    pub rest: bool,
}

/// Checks the keywords of one schema: each must be known, be supported, and be about one of
/// `topics`, which are those of a value that is `kind` (in words). What is wrong goes into `report`.
pub fn check(entries: &[Entry], topics: &[Topic], kind: &str, report: &mut Report) -> Checked {
    if let Some((kind, unknown)) = shorthand(entries) {
        let others = match unknown.len() - 1 {
            1 => "another key".to_owned(),
            others => format!("{others} other keys"),
        };
        let message = format!(
            "`type` makes this JSON Schema, and `{}` and {others} are no keywords of it",
            unknown[0].key
        );
        report
            .error(Code::UnsupportedSchema, kind.key_span, message)
            .advise(
                "for a property called `type`, write `type: string, what it is`; in JSON Schema, write the properties \
                 under `properties`",
            );
        return Checked {
            good: false,
            rest: false,
        };
    }
    let (mut good, mut rest) = (true, false);
    for entry in entries {
        let keyword = entry.key.as_str();
        if keyword.starts_with("x-") {
            continue;
        }
        let topic = topic(keyword);
        if topic.is_some_and(|topic| topic == Topic::Annotation || topics.contains(&topic)) {
            good &= check_annotation(entry, report);
            continue;
        }
        match topic {
            Some(Topic::Condition | Topic::Union) => rest = true,
            Some(Topic::ArrayRest) if topics.contains(&Topic::Array) => rest = true,
            Some(Topic::ObjectRest) if topics.contains(&Topic::Object) => rest = true,
            Some(Topic::Top) => {
                let message = format!("`{keyword}` is inside a schema");
                report
                    .error(Code::UnsupportedSchema, entry.key_span, message)
                    .advise("move it to the top of the endpoint's schema");
                good = false;
            }
            Some(_) => {
                let message = format!("`{keyword}` says nothing about {kind}");
                report
                    .note(Code::UnsupportedSchema, entry.key_span, message)
                    .advise("leave it out, or change the type");
            }
            None => {
                unknown(entry, report);
                good = false;
            }
        }
    }
    Checked { good, rest }
}

/// The entry `type` and the others where those read like properties in shorthand: several, and none of them a keyword.
fn shorthand(entries: &[Entry]) -> Option<(&Entry, Vec<&Entry>)> {
    let kind = entries.iter().find(|entry| entry.key == "type")?;
    let unknown: Vec<&Entry> = entries
        .iter()
        .filter(|entry| entry.key != "type" && !is_annotation(&entry.key))
        .collect();
    let foreign = |entry: &&Entry| {
        topic(&entry.key).is_none() && !UNSUPPORTED.iter().any(|(name, _)| *name == entry.key)
    };
    (unknown.len() > 1 && unknown.iter().all(foreign)).then_some((kind, unknown))
}

/// What `keyword` is about; none where it is no keyword that is read.
pub fn topic(keyword: &str) -> Option<Topic> {
    let mut known = KEYWORDS.iter();
    known
        .find(|(name, _)| *name == keyword)
        .map(|(_, topic)| *topic)
}

/// Whether `keyword` says something to people alone.
pub fn is_annotation(keyword: &str) -> bool {
    keyword.starts_with("x-") || topic(keyword) == Some(Topic::Annotation)
}

fn unknown(entry: &Entry, report: &mut Report) {
    let keyword = entry.key.as_str();
    if let Some((_, advice)) = UNSUPPORTED.iter().find(|(name, _)| *name == keyword) {
        let message = format!("no type is made of `{keyword}`");
        report
            .error(Code::UnsupportedSchema, entry.key_span, message)
            .advise(*advice);
        return;
    }
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
