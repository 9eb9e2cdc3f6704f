//! Types together with the schema that they are of.

use crate::schema::Schema;
use crate::schema::schema_type::{
    Bounds, EnumValue, Integer, Literal, Object, OneOf, Type, VariantContent, Width,
};

/// A type, and the schema whose definitions it may refer to.
#[derive(Debug, Clone, Copy)]
pub struct SchemaType<'a> {
    /// The schema.
    pub schema: &'a Schema,
    /// The type, which is the schema's or a part of it.
    pub ty: &'a Type,
}

impl<'a> SchemaType<'a> {
    /// A type that no schema holds, beside the same schema.
    pub fn with_own<'b>(self, ty: &'b Type) -> SchemaType<'b>
    where
        'a: 'b,
    {
        SchemaType {
            schema: self.schema,
            ty,
        }
    }

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
            minimum: Some(i128::from(value)),
            maximum: Some(i128::from(value)),
            ..Bounds::default()
        };
        let width = Width::default();
        return Some(Type::Integer(Integer { bounds, width }));
    }
    let value = number.as_f64()?;
    Some(Type::Number(Bounds {
        minimum: Some(value),
        maximum: Some(value),
        ..Bounds::default()
    }))
}

/// The type of the value of `literal` and no other.
pub fn exactly_value(literal: &Literal) -> Option<Type> {
    match &literal.value {
        serde_json::Value::Bool(_) => Some(Type::Boolean),
        serde_json::Value::Number(number) => exactly(number),
        serde_json::Value::String(text) => Some(exactly_text(text)),
        _ => None,
    }
}

/// The type of one text and no other.
pub fn exactly_text(text: &str) -> Type {
    Type::Enum(vec![EnumValue::of(text)])
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
