//! Names and texts that were found, and how much of them is read.

use agentgen_build::text::slug::Slug;

/// How many findings of a kind are read; a body with more is no description of one service.
pub const MAX_FINDINGS: usize = 200;

/// Whether `text` is written as agents are: `code-reviewer`.
pub fn is_name(text: &str) -> bool {
    text.contains('-')
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && Slug::new(text).is_ok_and(|slug| slug.as_str() == text)
}

/// `text` on one line of at most `limit` characters, without what can't be seen.
pub fn one_line(text: &str, limit: usize) -> String {
    let seen: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !agentgen_build::text::printable::is_hidden(*c))
        .collect();
    let line = seen.split(' ').filter(|word| !word.is_empty());
    agentgen_build::spec::example_blocks::shorten(&line.collect::<Vec<_>>().join(" "), limit)
}
