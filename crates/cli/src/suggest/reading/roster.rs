//! The agents that a body lists as available.

use serde::Serialize;

use crate::suggest::reading::agent_mentions::{is_name, is_slug, name_key};
use crate::suggest::reading::markdown::{Block, Kind, section};
use crate::suggest::reading::{MAX_FINDINGS, one_line};

/// An agent of a roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Specialist {
    /// Its name, as it is written.
    pub name: String,
    /// Its line, from 1.
    pub line: usize,
    /// Its description in the roster; may be empty.
    pub purpose: String,
}

/// The specialists in the sections that list them, each once.
pub fn read(blocks: &[Block], agents: &[&str]) -> Vec<Specialist> {
    let mut found: Vec<Specialist> = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let Some(is_plain) = roster(&block.text).filter(|_| block.is_title()) else {
            continue;
        };
        let own = section(blocks, index);
        let named = is_named(own);
        let mut columns = Vec::new();
        // Blocks below an agent describe it.
        let mut below = usize::MAX;
        for (at, block) in own.iter().enumerate() {
            let level = block.level();
            let ends = level.map_or(below >= 10, |level| level <= below);
            if ends {
                below = usize::MAX;
            }
            if below < usize::MAX {
                continue;
            }
            if block.kind == Kind::Head {
                columns = block
                    .cells
                    .iter()
                    .map(|cell| cell.trim().to_lowercase())
                    .collect();
            }
            let named = if block.is_title() {
                is_described(section(own, at))
            } else {
                named
            };
            let mut add = |name: String, purpose: &str| {
                let same = |other: &Specialist| name_key(&other.name) == name_key(&name);
                if found.len() < MAX_FINDINGS && !found.iter().any(same) {
                    found.push(Specialist {
                        name,
                        line: block.line,
                        purpose: one_line(purpose, 120),
                    });
                }
            };
            for name in in_a_row(block, agents) {
                add(name, "");
            }
            let Some((name, purpose)) = specialist(block, agents, &columns, named) else {
                continue;
            };
            if is_plain || agent_name(&name, agents).is_some() {
                below = level.unwrap_or(below);
                add(name, &purpose);
            }
        }
    }
    found
}

/// The agents that a paragraph lists: "`planner`, coder and a-b."
fn in_a_row(block: &Block, agents: &[&str]) -> Vec<String> {
    let text = block.text.trim().trim_end_matches('.');
    let (Kind::Paragraph, false) = (&block.kind, block.is_title()) else {
        return Vec::new();
    };
    let behind = text.split_once(':').map_or(text, |(_, behind)| behind);
    let parts = behind.split(',').flat_map(|part| part.split(" and "));
    let parts = parts.map(str::trim).filter(|part| !part.is_empty());
    let names: Option<Vec<String>> = parts.map(|part| agent_name(part, agents)).collect();
    names.filter(|names| names.len() > 1).unwrap_or_default()
}

/// Whether the heading `title` announces agents and nothing else: "Available Specialist Agents", "Your Team". None
/// where it does not at all; a sentence may ("You coordinate these agents"), but not everything below it is a name.
fn roster(title: &str) -> Option<bool> {
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
        "crew",
    ]);
    let all = words.iter().all(|word| {
        let word = word.as_str();
        ["the", "your", "my", "of", "agent", "agents", "subagents"].contains(&word)
            || ["sub-agents", "specialist", "specialists", "experts"].contains(&word)
            || ["team", "crew", "members", "roster"].contains(&word)
    });
    let others = has(&[
        "tools", "skills", "commands", "models", "when", "how", "if", "not", "other",
    ]);
    let plain = all || (words.len() <= 5 && !others && has(&["available", "roster"]));
    let is_sentence = words.len() <= 9
        && !others
        && has(&[
            "available",
            "you",
            "your",
            "disposal",
            "delegate",
            "delegation",
            "following",
        ]);
    (agents && (plain || is_sentence)).then_some(plain)
}

/// The name and the purpose of the agent that `block` introduces; `columns` are those of its table, and
/// `named` says that it names an agent in any case, as far as it names anything.
fn specialist(
    block: &Block,
    agents: &[&str],
    columns: &[String],
    named: bool,
) -> Option<(String, String)> {
    let is_picture = |c: char| !c.is_ascii() && !c.is_alphanumeric() || c == ' ';
    let text = block.text.trim().trim_start_matches(is_picture);
    let found = |name: &str, purpose: &str| {
        let purpose = purpose
            .trim_start_matches(|c: char| c.is_whitespace() || ":-\u{2013}\u{2014}".contains(c));
        Some((name.to_owned(), purpose.to_owned()))
    };
    match &block.kind {
        Kind::Heading(_) | Kind::Paragraph if block.is_title() => {
            let text = text.trim_start_matches(|c: char| c.is_ascii_digit() || ".) ".contains(c));
            let (name, purpose) = parted(text);
            let name = agent_name(name, agents)
                .or_else(|| (named && is_short(name)).then(|| name.trim().to_owned()))?;
            found(&name, purpose)
        }
        Kind::Paragraph => {
            let lead = block.lead.as_deref()?;
            let name = agent_name(lead.trim().trim_end_matches(':'), agents)?;
            found(&name, &block.text[lead.len()..])
        }
        Kind::Row => {
            let who = [
                "agent",
                "agents",
                "specialist",
                "subagent",
                "sub-agent",
                "expert",
                "member",
                "teammate",
            ];
            let column = columns.iter().position(|column| {
                who.iter()
                    .any(|who| column == who || column.strip_suffix(" name") == Some(who))
            });
            let cell = block.cells.get(column.unwrap_or(0))?.trim();
            let name = agent_name(cell, agents)
                .or_else(|| (column.is_some() && is_short(cell)).then(|| cell.to_owned()))?;
            let others = block.cells.iter().zip(columns).enumerate();
            let mut others = others.filter(|(at, (cell, _))| {
                *at != column.unwrap_or(0) && cell.chars().any(char::is_alphabetic)
            });
            found(&name, others.next().map_or("", |(_, (cell, _))| cell))
        }
        Kind::Item(depth) => {
            let lead = block.lead.as_deref();
            let (name, rest) = match lead {
                Some(lead) => (lead, &block.text[lead.len()..]),
                None => parted(text),
            };
            let announced = lead.is_some_and(|lead| lead.trim_end().ends_with(':'))
                || rest
                    .trim_start()
                    .starts_with([':', '\u{2013}', '\u{2014}', '-', '(', '\u{2192}']);
            let name = name.trim().trim_end_matches(':').trim();
            // "Backend Developer (`backend-dev`)"
            let inner = rest
                .trim_start()
                .strip_prefix('(')
                .and_then(|rest| rest.split_once(')'));
            if let Some((inner, behind)) = inner
                && block.codes.iter().any(|code| code == inner)
                && let Some(name) = agent_name(inner, agents)
            {
                return found(&name, behind);
            }
            // In a roster, bold text at the start of an item is a name, even where it is no slug.
            let bold =
                *depth == 0 && lead.is_some() && announced && is_short(name) && !is_attribute(name);
            match agent_name(name, agents) {
                Some(name) => found(&name, rest),
                None => (bold || (named && *depth == 0)).then(|| found(name, rest))?,
            }
        }
        _ => None,
    }
}

/// The agent that `name` is the name of: one of `agents`, in whatever letters, or one that is written as agents are.
fn agent_name(name: &str, agents: &[&str]) -> Option<String> {
    let mention = name.trim().strip_prefix('@');
    let name = mention.unwrap_or(name).trim();
    let key = name_key(name)?;
    let exact = agents.iter().find(|other| **other == name);
    let mut same = agents.iter();
    if let Some(agent) = exact.or_else(|| same.find(|other| name_key(other).as_ref() == Some(&key)))
    {
        return Some((*agent).to_owned());
    }
    (is_name(name) || (mention.is_some() && is_slug(name))).then(|| name.to_owned())
}

/// The first word of `text`, or a short text before its colon or dash, and the rest.
fn parted(text: &str) -> (&str, &str) {
    let marks = [":", " - ", " \u{2013} ", " \u{2014} ", " (", " \u{2192} "];
    let ends = marks.iter().filter_map(|mark| text.find(mark));
    let end = ends.min().filter(|end| is_short(&text[..*end]));
    text.split_at(end.or_else(|| text.find(' ')).unwrap_or(text.len()))
}

fn is_short(name: &str) -> bool {
    name.split_whitespace().count() <= 4 && name_key(name).is_some()
}

/// Whether `section` describes one agent with attributes such as "**Tools**: Read".
fn is_described(section: &[Block]) -> bool {
    let mut purposes = section
        .iter()
        .take_while(|block| !block.is_title())
        .filter(|block| block.lead.is_some() || matches!(block.kind, Kind::Item(_)));
    let attribute = |block: &Block| {
        let lead = block.lead.as_deref();
        is_attribute(lead.unwrap_or_else(|| parted(block.text.trim()).0))
    };
    purposes.next().is_some_and(attribute)
}

/// Whether `name` is an attribute of an agent rather than its name.
fn is_attribute(name: &str) -> bool {
    let name = name.trim().trim_end_matches(':').to_lowercase();
    [
        "capabilities",
        "description",
        "domain",
        "example",
        "examples",
        "expertise",
        "focus",
        "input",
        "inputs",
        "model",
        "note",
        "notes",
        "output",
        "outputs",
        "purpose",
        "responsibilities",
        "responsibility",
        "role",
        "skills",
        "specialty",
        "strengths",
        "tools",
        "triggers",
        "use for",
        "use when",
        "when",
        "when to use",
    ]
    .contains(&name.as_str())
}

/// Whether the items at the top of `section` are all single words with a description: "coder: writes code".
fn is_named(section: &[Block]) -> bool {
    let mut items = section
        .iter()
        .filter(|block| block.kind == Kind::Item(0))
        .peekable();
    items.peek().is_some()
        && items.all(|block| {
            let text = block.text.trim();
            let (name, rest) = parted(text.strip_prefix('@').unwrap_or(text));
            let marked = rest.starts_with(':')
                || rest.starts_with(" - ")
                || rest.starts_with(" \u{2013}")
                || rest.starts_with(" \u{2014}");
            marked && !is_attribute(name) && is_slug(name)
        })
}
