//! Reads the properties of an answer from a skeleton of its text or from a list.

use serde::Serialize;

use crate::suggest::reading::markdown::{self, Block, Kind, section};
use crate::suggest::reading::one_line;
use agentgen_build::inspect::Ident;

/// A property of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// Its description in the body; may be empty.
    pub description: String,
    /// What it holds.
    pub shape: Shape,
    /// Whether there may be several.
    pub many: bool,
}

/// What a property holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// A value of a type of Picoschema.
    Scalar(&'static str),
    /// One of these texts.
    Enum(Vec<String>),
    /// Properties.
    Object(Vec<Property>),
}

/// How many properties are read side by side.
const MAX_WIDTH: usize = 40;

/// The properties of the Markdown skeleton in `text`: a section each, and each label above them.
pub fn of_markdown(text: &str) -> Option<Vec<Property>> {
    of_blocks(&markdown::blocks(text))
}

/// The same for headings of the body itself, where each names a part of one answer.
pub fn of_headings(section: &[Block]) -> Option<Vec<Property>> {
    let mut headings = section
        .iter()
        .filter(|block| matches!(block.kind, Kind::Heading(_)));
    let cases = |block: &Block| {
        let first = block
            .text
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_lowercase();
        matches!(
            first.as_str(),
            "for" | "if" | "when" | "example" | "examples" | "option" | "mode"
        )
    };
    let level = headings.clone().next()?.level();
    let parts = headings.all(|block| block.level() == level && !cases(block));
    parts.then(|| of_blocks(section))?
}

fn of_blocks(blocks: &[Block]) -> Option<Vec<Property>> {
    let level = |block: &Block| match block.kind {
        Kind::Heading(level) => Some(level),
        _ => None,
    };
    let mut levels: Vec<u8> = blocks.iter().filter_map(level).collect();
    // A single heading above the others is the title of the whole.
    if let [first, rest @ ..] = levels.as_slice()
        && !rest.is_empty()
        && rest.iter().all(|level| level > first)
    {
        levels.remove(0);
    }
    let top = levels.iter().min().copied().unwrap_or(u8::MAX);
    let mut properties = Vec::new();
    let above = blocks.iter().take_while(|block| level(block) != Some(top));
    let above: Vec<Block> = above.cloned().collect();
    properties.extend(labels(&above));
    for (index, block) in blocks.iter().enumerate() {
        if level(block) == Some(top) {
            properties.extend(of_section(&block.text, section(blocks, index)));
        }
    }
    let properties = unique(properties);
    (properties.len() > 1).then_some(properties)
}

/// The properties that the items of a list name, where it names at least two.
pub fn of_list(section: &[Block]) -> Option<Vec<Property>> {
    let items: Vec<&Block> = section
        .iter()
        .filter(|block| block.kind == Kind::Item(0))
        .collect();
    let properties = unique(items.iter().filter_map(|block| item(block)).collect());
    if properties.len() < 2 {
        return None;
    }
    let intro = section
        .first()
        .filter(|block| !matches!(block.kind, Kind::Item(_)))?;
    // "For each finding, provide:" makes a list of what follows.
    let words: Vec<String> = intro
        .text
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let each = words
        .iter()
        .position(|word| word == "each" || word == "every");
    match each.and_then(|at| words.get(at + 1)) {
        Some(word) => Some(vec![Property {
            name: name(&format!("{word}s"))?,
            description: one_line(&intro.text, 120),
            shape: Shape::Object(properties),
            many: true,
        }]),
        None => Some(properties),
    }
}

/// The name of a property for `text`; none where Rust has no name for it or it is a sentence.
fn name(text: &str) -> Option<String> {
    let text = text.split(['(', ':', '[', '<', '{']).next()?;
    if text.split_whitespace().count() > 6 {
        return None;
    }
    let name = Ident::snake(text)?;
    let name = name.as_str().trim_end_matches('_').to_owned();
    (name.len() <= 48 && name.starts_with(|c: char| c.is_ascii_lowercase())).then_some(name)
}

/// The properties with each name once.
pub fn unique(properties: Vec<Property>) -> Vec<Property> {
    let mut unique: Vec<Property> = Vec::new();
    for property in properties {
        let same = |other: &Property| Ident::snake(&other.name) == Ident::snake(&property.name);
        if unique.len() < MAX_WIDTH && !unique.iter().any(same) {
            unique.push(property);
        }
    }
    unique
}

/// What a section of a skeleton holds: a list, the rows of a table, or text.
fn of_section(title: &str, blocks: &[Block]) -> Option<Property> {
    let name = name(title)?;
    let title = one_line(title, 80);
    let property = |shape, many| Property {
        name: name.clone(),
        description: format!("What stands under {title:?}."),
        shape,
        many,
    };
    if let Some(head) = blocks.iter().find(|block| block.kind == Kind::Head) {
        let cells = head.cells.iter().filter_map(|cell| text(cell, cell));
        let cells = unique(cells.collect());
        if !cells.is_empty() {
            return Some(property(Shape::Object(cells), true));
        }
    }
    let Some(first) = blocks.iter().position(|block| block.kind == Kind::Item(0)) else {
        return match labels(blocks) {
            found if found.len() > 1 => Some(property(Shape::Object(found), false)),
            _ => Some(property(Shape::Scalar("string"), false)),
        };
    };
    let below = section(blocks, first);
    let labelled = below.iter().filter_map(label).collect::<Vec<_>>();
    if !labelled.is_empty() {
        let mut members = placeholders(&blocks[first].text);
        members.extend(labelled);
        return Some(property(Shape::Object(unique(members)), true));
    }
    let items = || blocks.iter().filter(|block| block.kind == Kind::Item(0));
    let labelled = unique(items().filter_map(label).collect());
    // Items with labels of their own are the parts of one thing; items alike are a list of things.
    if labelled.len() > 1 && labelled.len() == items().count() {
        return Some(property(Shape::Object(labelled), false));
    }
    Some(property(Shape::Scalar("string"), true))
}

/// The labels of `blocks`, such as `**Status**: [Open / Closed]`, each a text.
fn labels(blocks: &[Block]) -> Vec<Property> {
    let mut found = Vec::new();
    for block in blocks {
        match block.kind {
            Kind::Item(_) | Kind::Task(_) => found.extend(label(block)),
            Kind::Paragraph if block.lead.is_some() => {
                let lines = block.text.lines().filter_map(|line| line.split_once(':'));
                found.extend(lines.filter_map(|(label, rest)| text(label, rest)));
            }
            _ => {}
        }
    }
    unique(found)
}

fn label(block: &Block) -> Option<Property> {
    if !matches!(block.kind, Kind::Item(_) | Kind::Task(_)) {
        return None;
    }
    let (label, rest) = block.text.split_once(':')?;
    (!label.contains(['[', '<', '{'])).then(|| text(label, rest.trim()))?
}

/// The property that a list item under "Output Format" names: its bold text, the text before the colon, or all of it.
fn item(block: &Block) -> Option<Property> {
    let whole = block.text.trim();
    // A colon in parentheses is part of what they say.
    let colon = whole
        .split_once(':')
        .filter(|(label, _)| label.matches('(').count() == label.matches(')').count());
    let label = match (&block.lead, colon) {
        (Some(lead), _) => lead.as_str(),
        (None, Some((label, _))) => label,
        (None, None) => whole,
    };
    let rest = whole.get(label.len()..).unwrap_or_default();
    let rest = rest.trim_start_matches([':', '-', '\u{2013}', '\u{2014}', ' ']);
    let label = label.trim_matches([':', ' ']);
    text(label, rest).or_else(|| {
        // A sentence is called by its first words.
        let words: Vec<&str> = label.split_whitespace().take(4).collect();
        text(&words.join(" "), label)
    })
}

/// A text called `label`.
fn text(label: &str, description: &str) -> Option<Property> {
    let name = name(label)?;
    let description = match one_line(description, 120) {
        none if none.is_empty() => one_line(label, 120),
        text => text,
    };
    // A description that repeats the name is left out.
    let same = Ident::snake(&description).is_some_and(|name_of_text| name_of_text.as_str() == name);
    Some(Property {
        description: if same { String::new() } else { description },
        name,
        shape: Shape::Scalar("string"),
        many: false,
    })
}

/// Placeholders in brackets: `[agent-name]`, `<file>`.
fn placeholders(line: &str) -> Vec<Property> {
    let mut found = Vec::new();
    for (open, close) in [('[', ']'), ('<', '>')] {
        let parts = line.split(open).skip(1);
        let inner = parts.filter_map(|part| part.split_once(close));
        found.extend(inner.filter_map(|(inner, _)| text(inner, inner)));
    }
    found
}
