//! The types that schemas are read into.

use agentgen_schema::{Format, vocabulary};

use crate::diagnostics::span::Span;
use crate::text::ident::Ident;

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
    /// One of some values that are not all texts, in the order of the source.
    Literals(Vec<Literal>),
    /// A list.
    Array(Box<Array>),
    /// A list of so many items, each of its own type.
    Tuple(Vec<Type>),
    /// An object of any property names.
    Map(Box<Map>),
    /// An object of known property names.
    Object(Object),
    /// One of some objects, which a property tells apart.
    OneOf(OneOf),
    /// One of some types, which the value itself tells apart.
    Untagged(Vec<Alternative>),
    /// The type or null.
    Nullable(Box<Type>),
    /// A definition of the same schema, by its name.
    Ref(String),
    /// A type that lets through more than its schema does, and the schema, which is checked besides.
    Refined(Box<Refined>),
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
    pub bounds: Bounds<i128>,
    /// Its size, as its format says.
    pub width: Width,
}

vocabulary! {
    /// The size of a whole number, as the formats of OpenAPI, schemars and protobuf name it.
    pub enum Width {
        /// 64 bits with a sign.
        I64 = "int64",
        /// 8 bits with a sign.
        I8 = "int8",
        /// 16 bits with a sign.
        I16 = "int16",
        /// 32 bits with a sign.
        I32 = "int32",
        /// 8 bits without a sign.
        U8 = "uint8",
        /// 16 bits without a sign.
        U16 = "uint16",
        /// 32 bits without a sign.
        U32 = "uint32",
        /// 64 bits without a sign.
        U64 = "uint64",
    }
}

#[allow(
    clippy::derivable_impls,
    reason = "`vocabulary!` takes no attribute on a variant"
)]
impl Default for Width {
    fn default() -> Self {
        Self::I64
    }
}

impl Width {
    /// The size that the format `name` asks for.
    pub fn of_format(name: &str) -> Option<Self> {
        match name {
            "int" => Some(Self::I64),
            "uint" => Some(Self::U64),
            name => Self::parse(name),
        }
    }

    /// The least and the greatest number of this size.
    pub fn range(self) -> (i128, i128) {
        match self {
            Self::I8 => (i8::MIN.into(), i8::MAX.into()),
            Self::I16 => (i16::MIN.into(), i16::MAX.into()),
            Self::I32 => (i32::MIN.into(), i32::MAX.into()),
            Self::I64 => (i64::MIN.into(), i64::MAX.into()),
            Self::U8 => (0, u8::MAX.into()),
            Self::U16 => (0, u16::MAX.into()),
            Self::U32 => (0, u32::MAX.into()),
            Self::U64 => (0, u64::MAX.into()),
        }
    }

    /// The Rust type.
    pub const fn rust(self) -> &'static str {
        match self {
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
        }
    }
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
    /// Its variant in Rust.
    pub ident: Ident,
    /// What the source says about it.
    pub description: Option<String>,
    /// Its place in the source.
    pub span: Span,
}

impl EnumValue {
    /// The value `text`, of which no source says anything.
    pub fn of(text: &str) -> Self {
        Self {
            value: text.to_owned(),
            ident: Ident::variant(text),
            description: None,
            span: Span::default(),
        }
    }
}

/// One value of an enum that holds other values than texts too.
#[derive(Debug, Clone, PartialEq)]
pub struct Literal {
    /// A text, a number, true or false.
    pub value: serde_json::Value,
    /// Its variant in Rust.
    pub ident: Ident,
    /// What the source says about it.
    pub description: Option<String>,
}

/// One of the types of a [`Type::Untagged`].
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    /// Its variant in Rust.
    pub ident: Ident,
    /// What the source says about it.
    pub description: Option<String>,
    /// What the value is.
    pub ty: Type,
}

/// A type together with the schema that a value of it must fit too.
#[derive(Debug, Clone, PartialEq)]
pub struct Refined {
    /// The type, which every value of the schema has.
    pub ty: Type,
    /// The schema in canonical form, without the definitions.
    pub json: serde_json::Value,
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
    /// The name of the field in Rust.
    pub ident: Ident,
    /// Whether it must be there.
    pub required: bool,
    /// Whether null says the same as nothing, as it does in the shorthand: then both are one value in Rust.
    pub null_is_nothing: bool,
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
    /// Its variant in Rust.
    pub ident: Ident,
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
            Self::Array(_) | Self::Tuple(_) => "a list",
            Self::Map(_) | Self::Object(_) | Self::OneOf(_) => "an object",
            Self::Nullable(_) => "null or something",
            Self::Ref(_) => "a definition",
            Self::Literals(_) => "one of some values",
            Self::Untagged(_) => "a value of several types",
            Self::Refined(refined) => refined.ty.kind(),
        }
    }
}
