//! What generated types make of a value, as data: which members there are, in which order, and what is a number.
//!
//! Invariant: a value that a generated type reads becomes the same JSON as that type writes, so that a model is sent the same text
//! and a caller gets the same bytes, with or without generated types.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use agentgen_schema::{Date, DateTime, Uuid, push_key};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The shape of the values of one schema.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct ValueShape {
    root: Shape,
    definitions: BTreeMap<String, Shape>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    Any,
    Null,
    Boolean,
    Number,
    /// From the first to the second.
    Integer(i64, u64),
    Text,
    DateTime,
    Date,
    Uuid,
    Literals(Vec<Value>),
    List(Box<Self>),
    Tuple(Vec<Self>),
    Map(Box<Self>),
    Object(ObjectShape),
    OneOf {
        tag: String,
        variants: BTreeMap<String, ObjectShape>,
    },
    Untagged(Vec<Self>),
    Nullable(Box<Self>),
    Definition(String),
}

#[derive(Debug, PartialEq, Deserialize)]
struct ObjectShape {
    fields: Vec<FieldShape>,
    /// Whether other members are refused.
    closed: bool,
    /// The other members; without it they are left out.
    extra: Option<Box<Shape>>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct FieldShape {
    name: String,
    required: bool,
    /// Whether null says the same as nothing.
    null_is_nothing: bool,
    shape: Shape,
}

/// A value that does not have the shape, although it is valid under the schema: a number beyond 64 bits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) pointer: String,
    pub(crate) detail: String,
}

impl ValueShape {
    /// `value`, which is valid under the schema, in its shape.
    ///
    /// # Errors
    /// A number that 64 bits can't hold.
    pub(crate) fn apply(&self, value: &Value) -> Result<Value, Misfit> {
        let mut pointer = String::new();
        let shaped = self.shaped(&self.root, value, &mut pointer);
        shaped.map_err(|detail| Misfit { pointer, detail })
    }

    /// Where there is an error, `pointer` says where it is; else it is as it was.
    fn shaped(&self, shape: &Shape, value: &Value, pointer: &mut String) -> Result<Value, String> {
        match (shape, value) {
            (Shape::Any, _)
            | (Shape::Null, Value::Null)
            | (Shape::Boolean, Value::Bool(_))
            | (Shape::Text, Value::String(_)) => Ok(value.clone()),
            (Shape::Number, Value::Number(number)) => {
                let number = number.as_f64().map(Value::from);
                number.ok_or_else(|| mismatch(value))
            }
            (Shape::Integer(min, max), Value::Number(number)) => {
                let fits = match (number.as_u64(), number.as_i64()) {
                    (Some(number), _) => number <= *max,
                    (None, Some(negative)) => negative >= *min,
                    (None, None) => false,
                };
                if fits {
                    return Ok(value.clone());
                }
                Err(match number.as_f64() {
                    Some(number) if number < 0.0 => format!("must be at least {min}"),
                    _ => format!("must be at most {max}"),
                })
            }
            (Shape::DateTime, Value::String(text)) => written::<DateTime>(text),
            (Shape::Date, Value::String(text)) => written::<Date>(text),
            (Shape::Uuid, Value::String(text)) => written::<Uuid>(text),
            (Shape::Literals(literals), value) => {
                let mut literals = literals.iter();
                let literal = literals.find(|literal| agentgen_schema::equal(literal, value));
                literal.cloned().ok_or_else(|| mismatch(value))
            }
            (Shape::List(item), Value::Array(items)) => {
                let items = items.iter().enumerate();
                let items = items
                    .map(|(index, value)| self.member(item, &index.to_string(), value, pointer));
                items.collect::<Result<_, _>>().map(Value::Array)
            }
            (Shape::Tuple(shapes), Value::Array(items)) if shapes.len() == items.len() => {
                let items = shapes.iter().zip(items).enumerate();
                let items = items.map(|(index, (shape, value))| {
                    self.member(shape, &index.to_string(), value, pointer)
                });
                items.collect::<Result<_, _>>().map(Value::Array)
            }
            (Shape::Map(shape), Value::Object(members)) => {
                let mut shaped = Map::new();
                self.add_sorted(shape, members.iter().collect(), &mut shaped, pointer)?;
                Ok(Value::Object(shaped))
            }
            (Shape::Object(object), Value::Object(members)) => {
                let mut shaped = Map::new();
                self.add_members(object, None, members, &mut shaped, pointer)?;
                Ok(Value::Object(shaped))
            }
            (Shape::OneOf { tag, variants }, Value::Object(members)) => {
                let name = members.get(tag).and_then(Value::as_str);
                let variant = name.and_then(|name| variants.get(name));
                let object = variant.ok_or_else(|| mismatch(value))?;
                let mut shaped = Map::new();
                shaped.insert(tag.clone(), members[tag].clone());
                self.add_members(object, Some(tag), members, &mut shaped, pointer)?;
                Ok(Value::Object(shaped))
            }
            (Shape::Untagged(shapes), value) => {
                let mut error = None;
                for shape in shapes {
                    let length = pointer.len();
                    match self.shaped(shape, value, pointer) {
                        Ok(value) => return Ok(value),
                        Err(detail) => error = Some(detail),
                    }
                    pointer.truncate(length);
                }
                Err(error.unwrap_or_else(|| mismatch(value)))
            }
            (Shape::Nullable(_), Value::Null) => Ok(Value::Null),
            (Shape::Nullable(shape), value) => self.shaped(shape, value, pointer),
            (Shape::Definition(name), value) => match self.definitions.get(name) {
                Some(shape) => self.shaped(shape, value, pointer),
                None => Ok(value.clone()),
            },
            (_, value) => Err(mismatch(value)),
        }
    }

    fn member(
        &self,
        shape: &Shape,
        key: &str,
        value: &Value,
        pointer: &mut String,
    ) -> Result<Value, String> {
        let length = pointer.len();
        push_key(pointer, key);
        let shaped = self.shaped(shape, value, pointer)?;
        pointer.truncate(length);
        Ok(shaped)
    }

    fn add_members(
        &self,
        object: &ObjectShape,
        tag: Option<&str>,
        members: &Map<String, Value>,
        shaped: &mut Map<String, Value>,
        pointer: &mut String,
    ) -> Result<(), String> {
        for field in &object.fields {
            let Some(value) = members.get(&field.name) else {
                if field.required {
                    return Err(format!("lacks `{}`", field.name));
                }
                continue;
            };
            let is_nullable = matches!(field.shape, Shape::Nullable(_));
            if value.is_null() && is_nullable && !field.required && field.null_is_nothing {
                continue;
            }
            let value = self.member(&field.shape, &field.name, value, pointer)?;
            shaped.insert(field.name.clone(), value);
        }
        let is_known = |name: &str| {
            let mut fields = object.fields.iter();
            Some(name) == tag || fields.any(|field| field.name == name)
        };
        let others = members.iter().filter(|(name, _)| !is_known(name));
        let others: Vec<_> = others.collect();
        match &object.extra {
            Some(extra) => self.add_sorted(extra, others, shaped, pointer),
            None if object.closed && !others.is_empty() => {
                Err(format!("has `{}`, which is unknown", others[0].0))
            }
            None => Ok(()),
        }
    }

    /// Adds members in the order of their names, as maps have them.
    fn add_sorted(
        &self,
        shape: &Shape,
        mut members: Vec<(&String, &Value)>,
        shaped: &mut Map<String, Value>,
        pointer: &mut String,
    ) -> Result<(), String> {
        members.sort_by_key(|(name, _)| *name);
        for (name, value) in members {
            let value = self.member(shape, name, value, pointer)?;
            shaped.insert(name.clone(), value);
        }
        Ok(())
    }
}

/// A text as its type writes it.
fn written<T: FromStr<Err: Display> + Display>(text: &str) -> Result<Value, String> {
    let value = T::from_str(text).map_err(|error| error.to_string())?;
    Ok(Value::String(value.to_string()))
}

fn mismatch(value: &Value) -> String {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    format!("{kind} is not expected")
}
