//! JSON Schema 2020-12 as agents use it: compiled once, then checked against as many values as you like.
//!
//! ```
//! use agentgen_schema::Schema;
//! use serde_json::json;
//!
//! let schema = Schema::compile(&json!({
//!     "type": "object",
//!     "required": ["name", "age"],
//!     "properties": {
//!         "name": { "type": "string", "minLength": 1 },
//!         "age": { "type": "integer", "minimum": 0 },
//!     },
//! }))?;
//!
//! assert!(schema.is_valid(&json!({ "name": "Ada", "age": 36.0 })));
//!
//! let violations = schema.violations(&json!({ "age": -1, "name": "" }));
//! let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
//! assert_eq!(lines, [
//!     "/age: must be at least 0",
//!     "/name: has 0, and must have at least 1 character",
//! ]);
//! # Ok::<(), agentgen_schema::CompileError>(())
//! ```
//!
//! # Nothing is ignored in silence
//! A keyword that this crate does not implement is an error of [`Schema::compile`] that names the keyword: a
//! typo must not switch a check off. [`mod@vocabulary`] lists what is accepted and what is refused. Names that start
//! with `x-` are annotations. `format` is an assertion for every [`Format`]; other formats are annotations, and
//! [`CompileOptions`] makes all of them annotations.
//!
//! # What a value can cost
//! The value comes from a caller, so its cost is bounded:
//! * Each pair of a subschema and a place in the value is checked once: verdicts are remembered, so nested
//!   `anyOf` and `$ref` can't make the work grow exponentially.
//! * `uniqueItems` sorts, `pattern` runs in linear time, and at most 100 violations are reported.
//! * A value that is nested too deeply is invalid. A `$ref` that leads back to itself does not compile.
//!
//! # Typed values
//! Generated types implement [`Validate`] instead. It reports to the same [`Validator`], so that both ways of
//! checking say the same words. The string formats that have Rust types are [`Date`], [`DateTime`] and [`Uuid`].

#![warn(unreachable_pub)]

mod compiled_schema;
mod compiler;
mod contract_vocabulary;
mod cron;
mod evaluator;
mod formats;
mod validator;

pub use compiled_schema::{CompileOptions, Schema};
pub use compiler::compile_error::{CompileError, CompileErrorKind};
pub use compiler::pattern::{Pattern, PatternError};
pub use compiler::vocabulary;
pub use contract_vocabulary::{
    Comparison, Handler, MAX_SESSION_ID_LENGTH, Method, Missed, ParameterKind, ParameterLocation,
    SESSION_ID_PATTERN, stream_path,
};
pub use cron::{Cron, CronError};
pub use evaluator::equality::equal;
pub use formats::date_time::{Date, DateTime};
pub use formats::uuid::Uuid;
pub use formats::{Format, FormatError};
pub use validator::{
    Bounds, IntegerBounds, NumberBounds, UnsignedBounds, Validate, Validator, Violation, check,
    push_key,
};

/// Untyped JSON.
pub type JsonValue = serde_json::Value;
