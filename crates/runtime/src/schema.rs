//! JSON Schema: `agentgen-schema`, under the name by which generated code and handlers use it.

pub(crate) mod bounds;
pub(crate) mod shape;

pub use agentgen_schema::{
    Bounds, Date, DateTime, Format, FormatError, IntegerBounds, JsonValue, NumberBounds, Uuid,
    Validate, Validator, Violation, check,
};

pub(crate) mod formats {
    pub use agentgen_schema::{DateTime, Format, Uuid};
}
pub(crate) mod validate {
    pub use agentgen_schema::{
        IntegerBounds, NumberBounds, Validate, Validator, Violation, check, push_key,
    };
}

/// A new UUID that sorts by the time of its creation.
pub(crate) fn new_uuid_v7() -> Uuid {
    Uuid::from_bytes(uuid::Uuid::now_v7().into_bytes())
}

/// A new random UUID.
pub(crate) fn new_uuid_v4() -> Uuid {
    Uuid::from_bytes(uuid::Uuid::new_v4().into_bytes())
}
