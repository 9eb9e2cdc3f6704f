//! The constraints of JSON Schema, checked at run time.

pub(crate) mod bounds;
pub(crate) mod formats;
pub(crate) mod shape;
pub(crate) mod validate;
