//! What the generated types make of a value, as data: which members there are, in which order, and what is a number.
//!
//! A service without generated types brings requests and answers into the same form with it, so that a model is sent the same
//! text and a caller gets the same bytes.

use serde_json::{Map, Value as Json, json};

use crate::schema::Schema;
use crate::schema::schema_type::{Object, Type, VariantContent};

/// The shape of the values of `schema`, in the form of the runtime's `ValueShape`.
pub(crate) fn value_shape(schema: &Schema) -> Json {
    let definitions = schema.defs.iter();
    let definitions: Map<String, Json> = definitions
        .map(|(name, ty)| (name.clone(), shape(ty, schema)))
        .collect();
    json!({ "root": shape(&schema.ty, schema), "definitions": definitions })
}

fn shape(ty: &Type, schema: &Schema) -> Json {
    match ty {
        Type::Any => json!("any"),
        Type::Null => json!("null"),
        Type::Boolean => json!("boolean"),
        Type::Integer(integer) => {
            let (min, max) = integer.width.range();
            // Both are within 64 bits, as the type is.
            json!({ "integer": [min as i64, max as u64] })
        }
        Type::Number(_) => json!("number"),
        Type::String(_) => json!("text"),
        Type::DateTime => json!("date_time"),
        Type::Date => json!("date"),
        Type::Uuid => json!("uuid"),
        Type::Enum(values) => {
            let values: Vec<&str> = values.iter().map(|value| value.value.as_str()).collect();
            json!({ "literals": values })
        }
        Type::Literals(literals) => {
            let values: Vec<&Json> = literals.iter().map(|literal| &literal.value).collect();
            json!({ "literals": values })
        }
        Type::Array(array) => json!({ "list": shape(&array.items, schema) }),
        Type::Tuple(items) => {
            let items: Vec<Json> = items.iter().map(|item| shape(item, schema)).collect();
            json!({ "tuple": items })
        }
        Type::Map(map) => json!({ "map": shape(&map.values, schema) }),
        Type::Object(object) => json!({ "object": object_shape(object, None, schema) }),
        Type::OneOf(one_of) => {
            let variants = one_of.variants.iter().filter_map(|variant| {
                let object = match &variant.content {
                    VariantContent::Object(object) => object,
                    VariantContent::Ref(name) => match schema.def(name)? {
                        Type::Object(object) => object,
                        _ => return None,
                    },
                };
                let shape = object_shape(object, Some(&one_of.tag), schema);
                Some((variant.value.clone(), shape))
            });
            let variants: Map<String, Json> = variants.collect();
            json!({ "one_of": { "tag": one_of.tag, "variants": variants } })
        }
        Type::Untagged(alternatives) => {
            let shapes = alternatives.iter().map(|one| shape(&one.ty, schema));
            let shapes: Vec<Json> = shapes.collect();
            json!({ "untagged": shapes })
        }
        Type::Nullable(inner) => json!({ "nullable": shape(inner, schema) }),
        Type::Ref(name) => json!({ "definition": name }),
        Type::Refined(refined) => shape(&refined.ty, schema),
    }
}

/// The shape of an object, without the property `tag`.
fn object_shape(object: &Object, tag: Option<&str>, schema: &Schema) -> Json {
    let fields = object.fields.iter();
    let fields = fields.filter(|field| Some(field.name.as_str()) != tag);
    let fields = fields.map(|field| {
        json!({
            "name": field.name,
            "required": field.required,
            "null_is_nothing": field.null_is_nothing,
            "shape": shape(&field.ty, schema),
        })
    });
    let fields: Vec<Json> = fields.collect();
    json!({
        "fields": fields,
        "closed": object.closed,
        "extra": object.extra.as_deref().map(|extra| shape(extra, schema)),
    })
}
