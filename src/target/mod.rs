//! The kinds of output: agents in, artifacts out.

pub mod openapi;
pub mod prompts;
pub mod rust;
