//! The formats as JSON Schemas, for types that are described with schemars.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::formats::Format;
use crate::formats::date_time::{Date, DateTime};
use crate::formats::uuid::Uuid;

macro_rules! text_of_format {
    ($($type:ident),*) => {
        $(impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": Format::$type.as_str() })
            }
        })*
    };
}

text_of_format!(Date, DateTime, Uuid);
