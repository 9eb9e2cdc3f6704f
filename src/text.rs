//! Names and texts that are valid by construction: slugs, Rust identifiers and literals, lines, "did you mean", hashes.
//!
//! Invariant: nothing here knows YAML, diagnostics or agents. It imports no other folder.

pub mod ascii_words;
pub mod did_you_mean;
pub mod escaped_json;
pub mod ident;
pub mod lines;
pub mod measures;
pub mod outline;
pub mod printable;
pub mod rust_literal;
pub mod slug;
