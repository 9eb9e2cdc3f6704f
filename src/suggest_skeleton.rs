//! What an answer holds, read from an example of it.

use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::ident::Ident;
use crate::markdown::{self, Block, Kind, section};
use crate::suggest::one_line;

/// A property of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Property {
    /// Its name.
    pub name: String,
    /// What the body says of it; never empty.
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
    /// Properties.
    Object(Vec<Property>),
}

/// How deep properties stand in each other; what is deeper may be anything.
const MAX_DEPTH: usize = 6;

/// How many properties are read side by side.
const MAX_WIDTH: usize = 40;

/// The properties of the JSON object in `text`, or of those in the list that it is.
pub fn of_json(text: &str) -> Option<Vec<Property>> {
    match serde_json::from_str(text).ok()? {
        Json::Object(map) => filled(object(&map, 0)),
        Json::Array(items) => {
            let first = items.iter().find_map(Json::as_object)?;
            let items = filled(object(first, 1))?;
            Some(vec![Property {
                name: "items".to_owned(),
                description: "The answers.".to_owned(),
                shape: Shape::Object(items),
                many: true,
            }])
        }
        _ => None,
    }
}

/// The properties of the Markdown skeleton in `text`: a section each, and each label above them.
pub fn of_markdown(text: &str) -> Option<Vec<Property>> {
    let blocks = markdown::blocks(text);
    let level = |block: &Block| match block.kind {
        Kind::Heading(level) => Some(level),
        _ => None,
    };
    let mut levels: Vec<u8> = blocks.iter().filter_map(level).collect();
    // A heading that stands alone above the others is the title of the whole.
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
            properties.extend(of_section(&block.text, section(&blocks, index)));
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

fn filled(properties: Vec<Property>) -> Option<Vec<Property>> {
    (!properties.is_empty()).then_some(properties)
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
fn unique(properties: Vec<Property>) -> Vec<Property> {
    let mut kept: Vec<Property> = Vec::new();
    for property in properties {
        let same = |other: &Property| Ident::snake(&other.name) == Ident::snake(&property.name);
        if kept.len() < MAX_WIDTH && !kept.iter().any(same) {
            kept.push(property);
        }
    }
    kept
}

fn object(map: &Map<String, Json>, depth: usize) -> Vec<Property> {
    let members = map.iter().filter_map(|(key, value)| {
        // These mean something in the keys of Picoschema, or have no name in Rust.
        let odd = key.contains(['(', ')', '?', '$']) || one_line(key, 64) != *key;
        if odd || Ident::snake(key).is_none() {
            return None;
        }
        let (shape, many) = shape(value, depth);
        let sample = match value {
            Json::String(text) => one_line(text, 80),
            Json::Array(items) => match items.first() {
                Some(Json::String(text)) => one_line(text, 80),
                _ => String::new(),
            },
            _ => String::new(),
        };
        let described = sample.contains(' ') || sample.contains('|');
        Some(Property {
            name: key.clone(),
            description: match described {
                true => sample,
                false => format!("The {}.", key.replace(['_', '-'], " ")),
            },
            shape,
            many,
        })
    });
    unique(members.collect())
}

fn shape(value: &Json, depth: usize) -> (Shape, bool) {
    match value {
        Json::Bool(_) => (Shape::Scalar("boolean"), false),
        Json::Number(number) if number.is_f64() => (Shape::Scalar("number"), false),
        Json::Number(_) => (Shape::Scalar("integer"), false),
        Json::String(_) => (Shape::Scalar("string"), false),
        Json::Array(items) => match items.first() {
            Some(first @ (Json::Object(_) | Json::String(_) | Json::Bool(_) | Json::Number(_))) => {
                (shape(first, depth).0, true)
            }
            _ => (Shape::Scalar("any"), true),
        },
        Json::Object(map) if depth < MAX_DEPTH => match object(map, depth + 1) {
            members if members.is_empty() => (Shape::Scalar("any"), false),
            members => (Shape::Object(members), false),
        },
        Json::Object(_) | Json::Null => (Shape::Scalar("any"), false),
    }
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

/// The property that a list item under "Output Format" names: its bold text, what stands before the colon, or all.
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
    let description = one_line(description, 120);
    Some(Property {
        name: name(label)?,
        description: match description.is_empty() {
            true => format!("{}.", one_line(label, 60)),
            false => description,
        },
        shape: Shape::Scalar("string"),
        many: false,
    })
}

/// What stands in brackets to be filled in: `[agent-name]`, `<file>`.
fn placeholders(line: &str) -> Vec<Property> {
    let mut found = Vec::new();
    for (open, close) in [('[', ']'), ('<', '>')] {
        let parts = line.split(open).skip(1);
        let inner = parts.filter_map(|part| part.split_once(close));
        found.extend(inner.filter_map(|(inner, _)| text(inner, inner)));
    }
    found
}
