//! Reads the prose of a prompt: routes, rosters, answer formats, retrieval.
//!
//! Invariant: what is found is a proposal to a person; a guess is never written into a file unasked.

pub(crate) mod agent_mentions;
pub(crate) mod answer_format;
pub(crate) mod document_hints;
pub(crate) mod json_sample;
pub(crate) mod markdown;
pub(crate) mod prompt_limits;
pub(crate) mod roster;
pub(crate) mod routes;
pub(crate) mod text_sample;
