//! Types together with the schema that they are of.

use crate::diagnostics::span::Span;
use crate::schema::Schema;
use crate::schema::schema_type::{Bounds, EnumValue, Integer, Object, OneOf, Type, VariantContent};

/// A type, and the schema whose definitions it may refer to.
#[derive(Debug, Clone, Copy)]
pub struct SchemaType<'a> {
    /// The schema.
    pub schema: &'a Schema,
    /// The type, which is the schema's or a part of it.
    pub ty: &'a Type,
}

impl<'a> SchemaType<'a> {
    /// Another type of the same schema.
    pub fn with(self, ty: &'a Type) -> Self {
        Self { ty, ..self }
    }

    /// The type behind a definition.
    pub fn resolved(self) -> Self {
        self.with(self.schema.resolve(self.ty))
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

/// The objects of `one_of`, a type of the schema of `typed`.
pub fn variants<'a>(typed: SchemaType<'a>, one_of: &'a OneOf) -> impl Iterator<Item = &'a Object> {
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
