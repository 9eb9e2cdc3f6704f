//! JSON Schema: `agentgen-schema`, under the name by which generated code and handlers use it.
//!
//! Invariant: nothing else checks values against a schema. The schemas of a service are compiled before it starts.

pub(crate) use agentgen_schema::push_key;
pub use agentgen_schema::{
    Bounds, CompileError, Date, DateTime, Format, FormatError, IntegerBounds, JsonValue,
    NumberBounds, Schema, UnsignedBounds, Uuid, Validate, Validator, Violation, check,
};

/// A new UUID that sorts by the time of its creation.
pub(crate) fn new_uuid_v7() -> Uuid {
    Uuid::from_bytes(uuid::Uuid::now_v7().into_bytes())
}

/// A new random UUID.
pub(crate) fn new_uuid_v4() -> Uuid {
    Uuid::from_bytes(uuid::Uuid::new_v4().into_bytes())
}

/// Writes `16.0` and `1e3` as `16` and `1000`: they are integers to JSON Schema, but not to serde. Numbers that 64 bits
/// can't hold stay as they are.
pub(crate) fn remove_zero_fractions(value: &mut JsonValue) {
    /// 2 to the power of 63, the smallest number that is too large for an `i64`.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    match value {
        JsonValue::Number(number) if !number.is_i64() && !number.is_u64() => {
            let integer = number
                .as_f64()
                .filter(|number| number.fract() == 0.0 && number.abs() < LIMIT);
            if let Some(integer) = integer {
                *value = JsonValue::from(integer as i64);
            }
        }
        JsonValue::Array(items) => items.iter_mut().for_each(remove_zero_fractions),
        JsonValue::Object(fields) => fields.values_mut().for_each(remove_zero_fractions),
        _ => {}
    }
}
