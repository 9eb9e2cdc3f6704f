//! Whether a value of one type can be a value of another.

use agentgen_schema::Schema;
use serde_json::{Value as Json, json};

use crate::schema::compare::describe::{bounded, describe};
use crate::schema::compare::range::{counts_meet, numbers_meet};
use crate::schema::schema_type::{Alternative, Array, EnumValue, Map, Object, Type};
use crate::schema::typed_schema::{SchemaType, exactly_value, variants};

/// Why no value is of two types at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The names of the properties that lead there.
    pub path: Vec<String>,
    /// What the value is by the first type, in words.
    pub left: String,
    /// What the value is by the second type, in words.
    pub right: String,
}

/// Why no value can be of both types; none where one may be. The relation is symmetric and errs on the side of "may be":
/// what it refuses is never valid, and what it lets through the runtime still checks.
pub fn disjoint(left: SchemaType<'_>, right: SchemaType<'_>) -> Option<Mismatch> {
    compare(left, right, 0)
}

/// How deep types are looked into; what lies deeper counts as fitting.
const MAX_DEPTH: usize = 24;

fn compare(left: SchemaType<'_>, right: SchemaType<'_>, depth: usize) -> Option<Mismatch> {
    if depth > MAX_DEPTH {
        return None;
    }
    let (left, right) = (left.resolved(), right.resolved());
    let mismatch = |words: fn(SchemaType<'_>) -> String| {
        Some(Mismatch {
            path: Vec::new(),
            left: words(left),
            right: words(right),
        })
    };
    match (left.ty, right.ty) {
        (Type::Any | Type::Ref(_), _) | (_, Type::Any | Type::Ref(_)) => None,
        (Type::Untagged(all), _) => {
            let clashes =
                |one: &Alternative| compare(left.with(&one.ty), right, depth + 1).is_some();
            if all.iter().all(clashes) {
                mismatch(describe)
            } else {
                None
            }
        }
        (_, Type::Untagged(all)) => {
            let clashes =
                |one: &Alternative| compare(left, right.with(&one.ty), depth + 1).is_some();
            if all.iter().all(clashes) {
                mismatch(describe)
            } else {
                None
            }
        }
        (Type::Literals(literals), _) => {
            let clashes = |ty: Type| compare(left.with_own(&ty), right, depth + 1).is_some();
            if literals.iter().filter_map(exactly_value).all(clashes) {
                mismatch(describe)
            } else {
                None
            }
        }
        (_, Type::Literals(literals)) => {
            let clashes = |ty: Type| compare(left, right.with_own(&ty), depth + 1).is_some();
            if literals.iter().filter_map(exactly_value).all(clashes) {
                mismatch(describe)
            } else {
                None
            }
        }
        (Type::Tuple(_), Type::Tuple(_) | Type::Array(_)) | (Type::Array(_), Type::Tuple(_)) => {
            None
        }
        (Type::Null | Type::Nullable(_), Type::Null | Type::Nullable(_))
        | (Type::Boolean, Type::Boolean) => None,
        (Type::Nullable(ty), _) => compare(left.with(ty), right, depth + 1),
        (_, Type::Nullable(ty)) => compare(left, right.with(ty), depth + 1),
        (Type::Integer(_) | Type::Number(_), Type::Integer(_) | Type::Number(_)) => {
            if numbers_meet(left.ty, right.ty) {
                None
            } else {
                mismatch(bounded)
            }
        }
        (Type::Array(one), Type::Array(other)) => {
            if !counts_meet(
                (one.min_items, one.max_items),
                (other.min_items, other.max_items),
            ) {
                return mismatch(bounded);
            }
            // A list that may be empty is of both types, whatever the items are.
            let filled = |array: &Array| array.min_items.unwrap_or(0) > 0;
            if !filled(one) && !filled(other) {
                return None;
            }
            let items = compare(left.with(&one.items), right.with(&other.items), depth + 1)?;
            Some(items.within("items"))
        }
        _ if is_text(left.ty) && is_text(right.ty) => {
            if texts_meet(left.ty, right.ty) {
                None
            } else {
                mismatch(bounded)
            }
        }
        _ => {
            let (ones, others) = (shapes(left), shapes(right));
            let mut clashes = Vec::new();
            for one in &ones {
                for other in &others {
                    clashes.push(objects(*one, left, *other, right, depth + 1)?);
                }
            }
            match <[Mismatch; 1]>::try_from(clashes) {
                Ok([clash]) => Some(clash),
                Err(_) => mismatch(describe),
            }
        }
    }
}

impl Mismatch {
    fn within(mut self, name: &str) -> Self {
        self.path.insert(0, name.to_owned());
        self
    }
}

/// One form of an object.
#[derive(Clone, Copy)]
enum Shape<'a> {
    Object(&'a Object),
    Map(&'a Map),
}

/// The forms that an object of the type may have; none where the type is no object.
fn shapes<'a>(typed: SchemaType<'a>) -> Vec<Shape<'a>> {
    match typed.ty {
        Type::Object(object) => vec![Shape::Object(object)],
        Type::Map(map) => vec![Shape::Map(map)],
        Type::OneOf(one_of) => variants(typed, one_of).map(Shape::Object).collect(),
        _ => Vec::new(),
    }
}

/// What the value of a property is.
enum Property<'a> {
    Missing,
    Unknown,
    Typed(&'a Type),
}

impl<'a> Shape<'a> {
    fn property(self, name: &str) -> Property<'a> {
        match self {
            Self::Map(map) => Property::Typed(&map.values),
            Self::Object(object) => match object.fields.iter().find(|field| field.name == name) {
                Some(field) => Property::Typed(&field.ty),
                None if object.closed => Property::Missing,
                None => object
                    .extra
                    .as_deref()
                    .map_or(Property::Unknown, Property::Typed),
            },
        }
    }

    fn required(self) -> impl Iterator<Item = &'a str> {
        let fields = match self {
            Self::Object(object) => object.fields.as_slice(),
            Self::Map(_) => &[],
        };
        fields
            .iter()
            .filter(|field| field.required)
            .map(|field| field.name.as_str())
    }
}

/// Why no object is of both forms. Only properties that one of them requires can keep an object from being both.
fn objects<'a>(
    one: Shape<'a>,
    left: SchemaType<'a>,
    other: Shape<'a>,
    right: SchemaType<'a>,
    depth: usize,
) -> Option<Mismatch> {
    one.required().chain(other.required()).find_map(|name| {
        let (left, right) = match (one.property(name), other.property(name)) {
            (Property::Missing, Property::Typed(ty)) => {
                ("nothing".to_owned(), describe(right.with(ty)))
            }
            (Property::Typed(ty), Property::Missing) => {
                (describe(left.with(ty)), "nothing".to_owned())
            }
            (Property::Typed(one), Property::Typed(other)) => {
                let clash = compare(left.with(one), right.with(other), depth)?;
                return Some(clash.within(name));
            }
            _ => return None,
        };
        let path = vec![name.to_owned()];
        Some(Mismatch { path, left, right })
    })
}

fn is_text(ty: &Type) -> bool {
    matches!(
        ty,
        Type::String(_) | Type::DateTime | Type::Date | Type::Uuid | Type::Enum(_)
    )
}

fn texts_meet(left: &Type, right: &Type) -> bool {
    match (left, right) {
        (Type::Enum(values), other) | (other, Type::Enum(values)) => {
            let schema = Schema::compile(&text_schema(other));
            let valid = |value: &EnumValue| {
                // Undecidable: they may overlap.
                schema
                    .as_ref()
                    .map_or(true, |schema| schema.is_valid(&json!(value.value)))
            };
            values.iter().any(valid)
        }
        (Type::String(one), Type::String(other)) => counts_meet(
            (one.min_length, one.max_length),
            (other.min_length, other.max_length),
        ),
        (Type::String(_), _) | (_, Type::String(_)) => true,
        (left, right) => left == right,
    }
}

/// The JSON Schema of a type of text.
fn text_schema(ty: &Type) -> Json {
    let mut schema = json!({ "type": "string" });
    match ty {
        Type::Enum(values) => {
            schema["enum"] = values.iter().map(|value| json!(value.value)).collect();
        }
        Type::DateTime => schema["format"] = json!("date-time"),
        Type::Date => schema["format"] = json!("date"),
        Type::Uuid => schema["format"] = json!("uuid"),
        Type::String(text) => {
            for (keyword, count) in [
                ("minLength", text.min_length),
                ("maxLength", text.max_length),
            ] {
                if let Some(count) = count {
                    schema[keyword] = json!(count);
                }
            }
            if let Some(pattern) = &text.pattern {
                schema["pattern"] = json!(pattern);
            }
        }
        _ => {}
    }
    schema
}
