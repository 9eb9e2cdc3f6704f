//! Whether a value of one type can be a value of another.

use serde_json::{Value as Json, json};

use crate::schema::Schema;
use crate::schema_type::{
    Array, Bounds, EnumValue, Integer, Map, Object, OneOf, Type, VariantContent,
};
use crate::schema_valid::is_valid;
use crate::span::Span;

/// A type, and the schema whose definitions it may refer to.
#[derive(Debug, Clone, Copy)]
pub struct Typed<'a> {
    /// The schema.
    pub schema: &'a Schema,
    /// The type, which is the schema's or a part of it.
    pub ty: &'a Type,
}

/// Why no value is of two types at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// The names of the properties that lead there.
    pub path: Vec<String>,
    /// What the value is by the first type, in words.
    pub left: String,
    /// What the value is by the second type, in words.
    pub right: String,
}

/// Why no value can be of both types; none where one may be. The relation is symmetric and errs on the side of "may be":
/// what it refuses is never valid, and what it lets through the runtime still checks.
pub fn clash(left: Typed<'_>, right: Typed<'_>) -> Option<Clash> {
    compare(left, right, 0)
}

/// The type in words: "text", "a whole number", "one of \"low\", \"high\"".
pub fn describe(typed: Typed<'_>) -> String {
    let inner = |ty| describe(typed.with(ty));
    match typed.ty {
        Type::Enum(values) => match values.as_slice() {
            [EnumValue { value, .. }] => format!("the text {value:?}"),
            values => {
                let values: Vec<String> = values
                    .iter()
                    .map(|EnumValue { value, .. }| format!("{value:?}"))
                    .collect();
                format!("one of {}", values.join(", "))
            }
        },
        Type::DateTime => "a date and time".to_owned(),
        Type::Date => "a date".to_owned(),
        Type::Uuid => "a UUID".to_owned(),
        Type::Integer(integer) if integer.bounds.minimum == integer.bounds.maximum => {
            integer.bounds.minimum.map_or_else(
                || "a whole number".to_owned(),
                |number| format!("the number {number}"),
            )
        }
        Type::Integer(_) => "a whole number".to_owned(),
        Type::OneOf(one_of) => format!("an object with a `{}`", one_of.tag),
        Type::Nullable(ty) => format!("{} or null", inner(ty)),
        Type::Ref(_) => match typed.schema.resolve(typed.ty) {
            Type::Ref(_) => "any value".to_owned(),
            ty => inner(ty),
        },
        ty => ty.kind().to_owned(),
    }
}

/// The type in words, with its bounds: "a number of at least 1".
fn bounded(typed: Typed<'_>) -> String {
    match typed.ty {
        Type::Integer(integer) => ranged("a whole number", range(integer)),
        Type::Number(bounds) => ranged("a number", bounds_range(bounds)),
        Type::String(text) => counted("text", text.min_length, text.max_length, "characters"),
        Type::Array(array) => counted("a list", array.min_items, array.max_items, "items"),
        _ => describe(typed),
    }
}

/// The type of one number and no other; none for what is no number of 64 bits.
pub fn exactly(number: &serde_json::Number) -> Option<Type> {
    if let Some(value) = number.as_i64() {
        let bounds = Bounds {
            minimum: Some(value),
            maximum: Some(value),
            ..Bounds::default()
        };
        let narrow = false;
        return Some(Type::Integer(Integer { bounds, narrow }));
    }
    let value = number.as_f64()?;
    Some(Type::Number(Bounds {
        minimum: Some(value),
        maximum: Some(value),
        ..Bounds::default()
    }))
}

/// The type of one text and no other.
pub fn exactly_text(text: &str) -> Type {
    Type::Enum(vec![EnumValue {
        value: text.to_owned(),
        span: Span::default(),
    }])
}

impl<'a> Typed<'a> {
    /// Another type of the same schema.
    pub fn with(self, ty: &'a Type) -> Self {
        Self { ty, ..self }
    }

    /// The type behind a definition.
    pub fn resolved(self) -> Self {
        self.with(self.schema.resolve(self.ty))
    }
}

/// How deep types are looked into; what lies deeper counts as fitting.
const MAX_DEPTH: usize = 24;

fn compare(left: Typed<'_>, right: Typed<'_>, depth: usize) -> Option<Clash> {
    if depth > MAX_DEPTH {
        return None;
    }
    let (left, right) = (left.resolved(), right.resolved());
    let clash = |words: fn(Typed<'_>) -> String| {
        Some(Clash {
            path: Vec::new(),
            left: words(left),
            right: words(right),
        })
    };
    match (left.ty, right.ty) {
        (Type::Any | Type::Ref(_), _) | (_, Type::Any | Type::Ref(_)) => None,
        (Type::Null | Type::Nullable(_), Type::Null | Type::Nullable(_))
        | (Type::Boolean, Type::Boolean) => None,
        (Type::Nullable(ty), _) => compare(left.with(ty), right, depth + 1),
        (_, Type::Nullable(ty)) => compare(left, right.with(ty), depth + 1),
        (Type::Integer(_) | Type::Number(_), Type::Integer(_) | Type::Number(_)) => {
            if numbers_meet(left.ty, right.ty) {
                None
            } else {
                clash(bounded)
            }
        }
        (Type::Array(one), Type::Array(other)) => {
            if !counts_meet(
                (one.min_items, one.max_items),
                (other.min_items, other.max_items),
            ) {
                return clash(bounded);
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
                clash(bounded)
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
            match <[Clash; 1]>::try_from(clashes) {
                Ok([clash]) => Some(clash),
                Err(_) => clash(describe),
            }
        }
    }
}

impl Clash {
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
fn shapes<'a>(typed: Typed<'a>) -> Vec<Shape<'a>> {
    match typed.ty {
        Type::Object(object) => vec![Shape::Object(object)],
        Type::Map(map) => vec![Shape::Map(map)],
        Type::OneOf(one_of) => variants(typed, one_of).map(Shape::Object).collect(),
        _ => Vec::new(),
    }
}

/// The objects of `one_of`, a type of the schema of `typed`.
pub fn variants<'a>(typed: Typed<'a>, one_of: &'a OneOf) -> impl Iterator<Item = &'a Object> {
    one_of.variants.iter().filter_map(move |variant| {
        let ty = match &variant.content {
            VariantContent::Object(object) => return Some(object),
            VariantContent::Ref(name) => typed.schema.def(name)?,
        };
        match typed.schema.resolve(ty) {
            Type::Object(object) => Some(object),
            _ => None,
        }
    })
}

/// What the value of a property is.
enum Property<'a> {
    Missing,
    Unknown,
    Known(&'a Type),
}

impl<'a> Shape<'a> {
    fn property(self, name: &str) -> Property<'a> {
        match self {
            Self::Map(map) => Property::Known(&map.values),
            Self::Object(object) => match object.fields.iter().find(|field| field.name == name) {
                Some(field) => Property::Known(&field.ty),
                None if object.closed => Property::Missing,
                None => object
                    .extra
                    .as_deref()
                    .map_or(Property::Unknown, Property::Known),
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
    left: Typed<'a>,
    other: Shape<'a>,
    right: Typed<'a>,
    depth: usize,
) -> Option<Clash> {
    one.required().chain(other.required()).find_map(|name| {
        let (left, right) = match (one.property(name), other.property(name)) {
            (Property::Missing, Property::Known(ty)) => {
                ("nothing".to_owned(), describe(right.with(ty)))
            }
            (Property::Known(ty), Property::Missing) => {
                (describe(left.with(ty)), "nothing".to_owned())
            }
            (Property::Known(one), Property::Known(other)) => {
                let clash = compare(left.with(one), right.with(other), depth)?;
                return Some(clash.within(name));
            }
            _ => return None,
        };
        let path = vec![name.to_owned()];
        Some(Clash { path, left, right })
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
            let schema = text_schema(other);
            let valid = |value: &EnumValue| is_valid(&json!(value.value), &schema, &Json::Null);
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

fn counts_meet(one: (Option<u64>, Option<u64>), other: (Option<u64>, Option<u64>)) -> bool {
    let least = one.0.max(other.0).unwrap_or(0);
    let below = |most: Option<u64>| most.is_none_or(|most| least <= most);
    below(one.1) && below(other.1)
}

/// The numbers from the first to the second, each without itself where its flag is set.
type Range = ((f64, bool), (f64, bool));

fn numbers_meet(left: &Type, right: &Type) -> bool {
    let of = |ty: &Type| match ty {
        Type::Integer(integer) => range(integer),
        Type::Number(bounds) => bounds_range(bounds),
        _ => bounds_range(&Bounds::default()),
    };
    let (one, other) = (of(left), of(right));
    let least = if one.0.0 > other.0.0 { one.0 } else { other.0 };
    let most = if one.1.0 < other.1.0 { one.1 } else { other.1 };
    if least.0 != most.0 {
        return least.0 < most.0;
    }
    // One number is left: it must not be left out, and must be whole where a whole number is asked for.
    let left_out = [one.0, other.0, one.1, other.1]
        .iter()
        .any(|(bound, without)| *without && *bound == least.0);
    let whole = matches!(left, Type::Integer(_)) || matches!(right, Type::Integer(_));
    !left_out && (!whole || least.0.fract() == 0.0)
}

fn range(integer: &Integer) -> Range {
    let Bounds {
        minimum,
        maximum,
        exclusive_minimum,
        exclusive_maximum,
        ..
    } = integer.bounds;
    let above = exclusive_minimum.map(|bound| bound.saturating_add(1));
    let below = exclusive_maximum.map(|bound| bound.saturating_sub(1));
    let most = [maximum, below].into_iter().flatten().min();
    let least = minimum.max(above);
    (
        (least.map_or(f64::NEG_INFINITY, |bound| bound as f64), false),
        (most.map_or(f64::INFINITY, |bound| bound as f64), false),
    )
}

fn bounds_range(bounds: &Bounds<f64>) -> Range {
    let mut least = (bounds.minimum.unwrap_or(f64::NEG_INFINITY), false);
    if let Some(bound) = bounds.exclusive_minimum
        && bound >= least.0
    {
        least = (bound, true);
    }
    let mut most = (bounds.maximum.unwrap_or(f64::INFINITY), false);
    if let Some(bound) = bounds.exclusive_maximum
        && bound <= most.0
    {
        most = (bound, true);
    }
    (least, most)
}

fn ranged(noun: &str, ((least, above), (most, below)): Range) -> String {
    if least == most {
        return format!("the number {least}");
    }
    let mut words = Vec::new();
    if least.is_finite() {
        let word = if above { "above" } else { "of at least" };
        words.push(format!("{word} {least}"));
    }
    if most.is_finite() {
        let word = if below { "below" } else { "of at most" };
        words.push(format!("{word} {most}"));
    }
    described(noun, &words)
}

fn counted(noun: &str, least: Option<u64>, most: Option<u64>, unit: &str) -> String {
    let mut words = Vec::new();
    let least = least.filter(|least| *least > 0);
    words.extend(least.map(|least| format!("of at least {least} {unit}")));
    words.extend(most.map(|most| format!("of at most {most} {unit}")));
    described(noun, &words)
}

fn described(noun: &str, words: &[String]) -> String {
    if words.is_empty() {
        noun.to_owned()
    } else {
        format!("{noun} {}", words.join(" and "))
    }
}
