//! The types that schemas are read into.

use agentgen_schema::Format;

use crate::diagnostics::span::Span;

/// What a schema says a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// Any JSON value.
    Any,
    /// Null and nothing else.
    Null,
    /// True or false.
    Boolean,
    /// A whole number.
    Integer(Integer),
    /// A number.
    Number(Bounds<f64>),
    /// Text that is not one of the typed formats.
    String(Text),
    /// An RFC 3339 date and time (`format: date-time`).
    DateTime,
    /// An RFC 3339 date (`format: date`).
    Date,
    /// A UUID (`format: uuid`).
    Uuid,
    /// One of some texts, in the order of the source.
    Enum(Vec<EnumValue>),
    /// A list.
    Array(Box<Array>),
    /// An object of any property names.
    Map(Box<Map>),
    /// An object of known property names.
    Object(Object),
    /// One of some objects, which a property tells apart.
    OneOf(OneOf),
    /// The type or null.
    Nullable(Box<Type>),
    /// A definition of the same schema, by its name.
    Ref(String),
}

/// The bounds of a number.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bounds<T> {
    /// The least value.
    pub minimum: Option<T>,
    /// The greatest value.
    pub maximum: Option<T>,
    /// What the value is greater than.
    pub exclusive_minimum: Option<T>,
    /// What the value is less than.
    pub exclusive_maximum: Option<T>,
    /// What divides the value.
    pub multiple_of: Option<T>,
}

/// A whole number.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Integer {
    /// Its bounds.
    pub bounds: Bounds<i64>,
    /// Whether it has 32 bits (`format: int32`) instead of 64.
    pub narrow: bool,
}

/// Text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    /// The least number of characters.
    pub min_length: Option<u64>,
    /// The greatest number of characters.
    pub max_length: Option<u64>,
    /// A regular expression that is found in it; `Pattern::new` has compiled it.
    pub pattern: Option<String>,
    /// A format that the runtime checks.
    pub format: Option<Format>,
}

/// One value of an enum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnumValue {
    /// The text.
    pub value: String,
    /// Its place in the source.
    pub span: Span,
}

/// A list.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// What the items are.
    pub items: Type,
    /// The least number of items.
    pub min_items: Option<u64>,
    /// The greatest number of items.
    pub max_items: Option<u64>,
    /// Whether no two items are equal.
    pub unique: bool,
}

/// An object of any property names.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// What the values are.
    pub values: Type,
    /// The least number of properties.
    pub min_properties: Option<u64>,
    /// The greatest number of properties.
    pub max_properties: Option<u64>,
}

/// An object of known property names.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its title or description.
    pub description: Option<String>,
    /// Its properties, in the order of the source.
    pub fields: Vec<Field>,
    /// Whether other properties are refused.
    pub closed: bool,
    /// What the values of other properties are; none where they are refused or ignored.
    pub extra: Option<Box<Type>>,
}

/// A property of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The name in JSON.
    pub name: String,
    /// Whether it must be there.
    pub required: bool,
    /// Its description, or its title.
    pub description: Option<String>,
    /// What its value is.
    pub ty: Type,
    /// The place of the name in the source.
    pub span: Span,
}

/// One of some objects.
#[derive(Debug, Clone, PartialEq)]
pub struct OneOf {
    /// The property that tells them apart.
    pub tag: String,
    /// The objects, in the order of the source.
    pub variants: Vec<Variant>,
}

/// One of the objects of a [`OneOf`].
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// The value of the tag.
    pub value: String,
    /// The object, with the tag among its properties.
    pub content: VariantContent,
    /// Its place in the source.
    pub span: Span,
}

/// Where the object of a [`Variant`] is described.
#[derive(Debug, Clone, PartialEq)]
pub enum VariantContent {
    /// In its place.
    Object(Object),
    /// In a definition, which is an object.
    Ref(String),
}

impl Type {
    /// The kind of value in words, for messages: "a list", "text".
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Any => "any value",
            Self::Null => "null",
            Self::Boolean => "true or false",
            Self::Integer(_) | Self::Number(_) => "a number",
            Self::String(_) | Self::DateTime | Self::Date | Self::Uuid | Self::Enum(_) => "text",
            Self::Array(_) => "a list",
            Self::Map(_) | Self::Object(_) | Self::OneOf(_) => "an object",
            Self::Nullable(_) => "null or something",
            Self::Ref(_) => "a definition",
        }
    }
}
