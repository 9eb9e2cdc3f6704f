//! What a value of one type may be that a value of another can't be.

use crate::schema::compare::describe::describe;
use crate::schema::schema_type::{EnumValue, Type};
use crate::schema::typed_schema::SchemaType;

/// Why a value of the first type may not be of the second one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignIssue {
    /// The names of the properties that lead there.
    pub path: Vec<String>,
    /// What is taken there, in words.
    pub taken: String,
    /// What may be there instead, in words.
    pub may: String,
}

/// Why a value of `left` may not be one of `right`, as far as that is plain from what both say. Bounds, and what is left
/// open, are no reason to doubt.
pub fn not_assignable(left: SchemaType<'_>, right: SchemaType<'_>) -> Option<AssignIssue> {
    look(left, right, 0)
}

/// How deep types are looked into.
const MAX_DEPTH: usize = 24;

fn look(left: SchemaType<'_>, right: SchemaType<'_>, depth: usize) -> Option<AssignIssue> {
    if depth > MAX_DEPTH {
        return None;
    }
    let (left, right) = (left.resolved(), right.resolved());
    let may = |may: &str| Some(AssignIssue::new(right, may));
    match (left.ty, right.ty) {
        (_, Type::Any | Type::Ref(_)) => None,
        (Type::Nullable(one), Type::Nullable(other)) => {
            look(left.with(one), right.with(other), depth + 1)
        }
        (_, Type::Nullable(ty)) => look(left, right.with(ty), depth + 1),
        (Type::Nullable(_), _) => may("may be null"),
        (Type::Number(_), Type::Integer(_)) => may("may have a fraction"),
        (Type::Enum(one), Type::Enum(other)) => {
            let is_other = |value: &&EnumValue| {
                other
                    .iter()
                    .all(|other_value| other_value.value != value.value)
            };
            let value = &one.iter().find(is_other)?.value;
            may(&format!("may be {value:?}"))
        }
        (Type::Array(one), Type::Array(other)) => {
            let items = look(left.with(&one.items), right.with(&other.items), depth + 1)?;
            Some(items.within("items"))
        }
        (Type::Object(one), Type::Object(other)) => other.fields.iter().find_map(|field| {
            let own = one.fields.iter().find(|own| own.name == field.name)?;
            let inner = match field.required && !own.required {
                true => Some(AssignIssue::missing(right.with(&field.ty))),
                false => look(left.with(&own.ty), right.with(&field.ty), depth + 1),
            };
            Some(inner?.within(&field.name))
        }),
        _ => None,
    }
}

impl AssignIssue {
    /// Where there may be no value for `taken`.
    pub fn missing(taken: SchemaType<'_>) -> Self {
        Self::new(taken, "may be missing")
    }

    fn new(taken: SchemaType<'_>, may: &str) -> Self {
        Self {
            path: Vec::new(),
            taken: describe(taken),
            may: may.to_owned(),
        }
    }

    fn within(mut self, name: &str) -> Self {
        self.path.insert(0, name.to_owned());
        self
    }
}
