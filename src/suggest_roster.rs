//! The agents that a body lists as those it can ask.

use serde::Serialize;

use crate::markdown::{Block, Kind, section};
use crate::slug::Slug;
use crate::suggest::{MAX_FINDINGS, is_name, one_line};

/// An agent of a roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Specialist {
    /// Its name, as it is written.
    pub name: String,
    /// The line it stands on.
    pub line: usize,
    /// What is said of it; may be empty.
    pub purpose: String,
}

/// The specialists in the sections that list them, each once.
pub fn read(blocks: &[Block], agents: &[&str]) -> Vec<Specialist> {
    let mut found: Vec<Specialist> = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        if !block.is_title() || !is_roster(&block.text) {
            continue;
        }
        for block in section(blocks, index) {
            let Some((name, purpose)) = specialist(block, agents) else {
                continue;
            };
            let same = |other: &Specialist| Slug::new(&other.name) == Slug::new(&name);
            if found.len() < MAX_FINDINGS && !found.iter().any(same) {
                found.push(Specialist {
                    name,
                    line: block.line,
                    purpose: one_line(&purpose, 120),
                });
            }
        }
    }
    found
}

/// Whether the heading `title` announces agents: "Available Specialist Agents", "Your Team".
fn is_roster(title: &str) -> bool {
    let words: Vec<String> = title
        .split(|c: char| !c.is_alphanumeric() && c != '-')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let has = |some: &[&str]| words.iter().any(|word| some.contains(&word.as_str()));
    let agents = has(&[
        "agents",
        "subagents",
        "sub-agents",
        "specialists",
        "experts",
        "team",
    ]);
    let all = words.iter().all(|word| {
        let word = word.as_str();
        ["the", "your", "my", "of", "agent", "agents", "subagents"].contains(&word)
            || ["sub-agents", "specialist", "specialists", "experts"].contains(&word)
            || ["team", "members", "roster"].contains(&word)
    });
    agents && (all || (words.len() <= 5 && has(&["available", "roster"])))
}

/// The name and the purpose of the agent that `block` introduces.
fn specialist(block: &Block, agents: &[&str]) -> Option<(String, String)> {
    let known = |name: &str| agents.contains(&name) || is_name(name);
    let text = block.text.trim();
    match &block.kind {
        Kind::Heading(_) | Kind::Paragraph if block.is_title() => {
            let name = text.trim_end_matches(':').trim();
            known(name).then(|| (name.to_owned(), String::new()))
        }
        Kind::Row => {
            let name = block.cells.first()?.trim();
            let purpose = block.cells.get(1).cloned().unwrap_or_default();
            known(name).then(|| (name.to_owned(), purpose))
        }
        Kind::Item(depth) => {
            let lead = block.lead.as_deref();
            let (name, rest) = match lead {
                Some(lead) => (lead, &block.text[lead.len()..]),
                None => match text.split_once([':', ' ']) {
                    Some((name, rest)) => (name, rest),
                    None => (text, ""),
                },
            };
            let announced = lead.is_some_and(|lead| lead.trim_end().ends_with(':'))
                || rest
                    .trim_start()
                    .starts_with([':', '\u{2013}', '\u{2014}', '-', '(']);
            let name = name.trim().trim_end_matches(':').trim();
            let purpose = rest.trim_start_matches(|c: char| {
                c.is_whitespace() || ":-\u{2013}\u{2014}".contains(c)
            });
            // In a roster, bold text at the start of an item is a name, even where it is no slug.
            let bold = *depth == 0
                && lead.is_some()
                && announced
                && name.split_whitespace().count() <= 4
                && Slug::new(name).is_ok();
            (known(name) || bold).then(|| (name.to_owned(), purpose.to_owned()))
        }
        _ => None,
    }
}
