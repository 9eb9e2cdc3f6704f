//! Reads the prose of a prompt: routes, rosters, answer formats, retrieval.
//!
//! Invariant: what is found is a proposal to a person; a guess is never written into a file unasked.

pub(crate) mod agent_mentions;
pub(crate) mod answer_format;
pub(crate) mod document_hints;
pub(crate) mod json_sample;
pub(crate) mod markdown;
#[cfg(test)]
mod reading_tests;
pub(crate) mod roster;
pub(crate) mod routes;
pub(crate) mod text_sample;

use agentgen_build::inspect::{is_hidden, shorten};

/// How many findings of a kind are read; a body with more does not describe one service.
pub(crate) const MAX_FINDINGS: usize = 200;

/// `text` on one line of at most `limit` characters, without hidden characters.
pub(crate) fn one_line(text: &str, limit: usize) -> String {
    let visible: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !is_hidden(*c))
        .collect();
    let words = visible.split(' ').filter(|word| !word.is_empty());
    shorten(&words.collect::<Vec<_>>().join(" "), limit)
}
