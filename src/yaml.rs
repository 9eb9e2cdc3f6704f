//! YAML text to [`node::Node`]s with their places, and typed readers of scalars such as durations and rates.
//!
//! Invariant: the limits of depth and aliases are here and nowhere else; nothing else names the YAML crates, except
//! the writer of OpenAPI documents. It imports `text` and `diagnostics`.

pub mod json_nodes;
pub mod node;
pub mod surrogate_pairs;
pub mod yaml_fault;
pub mod yaml_line;
pub mod yaml_scalar;
pub mod yaml_settings;
pub mod yaml_value;

#[cfg(test)]
mod json_nodes_tests;
#[cfg(test)]
mod yaml_fault_tests;
#[cfg(test)]
pub(crate) mod yaml_tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use granit_parser::{Event, Parser};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::text::lines::lines;
use crate::text::printable::printable;
use crate::yaml::node::{Entry, Node, Value};

/// How deep lists and mappings may be nested.
pub const MAX_DEPTH: usize = 64;

/// How many brackets may be open at any place, whether they are structure or text.
const MAX_OPEN_BRACKETS: usize = 256;

/// Why a text can't be read as YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum YamlError {
    /// It is not YAML. The parser stopped at this place; [`yaml_fault::find`] says what is wrong.
    Syntax(Span),
    /// It is YAML that is not read: an anchor, an alias, a tag, or too deep. The report says so.
    Refused,
}

/// The value that the YAML text in the bytes `range` of the report's source contains.
///
/// The values are those of YAML's core schema. Of duplicate keys the last one counts, and the report warns of it; those of `once` are
/// errors where their values differ.
///
/// # Errors
///
/// When the text is not YAML, or YAML that is not read.
pub fn parse(range: Range<usize>, once: Once, report: &mut Report) -> Result<Node, YamlError> {
    let source = std::sync::Arc::clone(report.source());
    let mut lines = lines(source.text(), range.clone());
    if lines.all(|line| line.text.trim().is_empty() || line.text.starts_with('#')) {
        return Ok(Node {
            value: Value::Null,
            span: Span::new(range.start, range.end),
        });
    }
    if let Some(place) = hopeless(&source.text()[range.clone()]) {
        let start = range.start + place;
        let message = format!("more than {MAX_OPEN_BRACKETS} brackets are open here");
        report
            .error(Code::TooDeep, Span::new(start, start + 1), message)
            .advise("close them; put the value in quotes if it is text");
        return Err(YamlError::Refused);
    }
    let text = surrogate_pairs::hidden(&source.text()[range.clone()]);
    let places = match places(&text, range.clone()) {
        Ok(places) => Some(places),
        Err(Stop::Refused(code, span, message, advice)) => {
            // What no strict parser reads is no alias or tag, but text that starts like one.
            if let Err(error) = serde_yaml::from_str::<Raw>(&text)
                && code == Code::AnchorOrTag
            {
                return Err(syntax(&source, range.start, &error));
            }
            report.error(code, span, message).advise(advice);
            return Err(YamlError::Refused);
        }
        Err(Stop::Syntax) => None,
    };
    let raw =
        serde_yaml::from_str::<Raw>(&text).map_err(|error| syntax(&source, range.start, &error))?;
    let whole = Span::new(range.start, range.end);
    let raw = match text {
        Cow::Owned(_) => restored(raw),
        Cow::Borrowed(_) => raw,
    };
    Ok(node(raw, places.as_ref(), whole, once, report))
}

/// `raw` with the characters that were [hidden](surrogate_pairs::hidden) from the parser.
fn restored(raw: Raw) -> Raw {
    match raw {
        Raw::Scalar(Value::String(text)) => {
            Raw::Scalar(Value::String(surrogate_pairs::restored(&text)))
        }
        Raw::Scalar(value) => Raw::Scalar(value),
        Raw::List(items) => Raw::List(items.into_iter().map(restored).collect()),
        Raw::Map(entries) => Raw::Map(
            entries
                .into_iter()
                .map(|(key, value)| (surrogate_pairs::restored(&key), restored(value)))
                .collect(),
        ),
    }
}

/// The bracket with which too many are open. Parsers take very long over such a text before they refuse it.
fn hopeless(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        if open > MAX_OPEN_BRACKETS {
            return Some(index);
        }
    }
    None
}

/// The character at which the parser stopped, in the source's own bytes; the last one written if it stopped at the end.
fn syntax(source: &Source, start: usize, error: &serde_yaml::Error) -> YamlError {
    let text = source.text();
    let offset = error.location().map_or(start, |place| {
        let first = source.location(start);
        source.offset(first.line + place.line() - 1, place.column())
    });
    let rest = &text[offset..];
    let written = if rest.trim().is_empty() {
        text[..offset].trim_end().char_indices().next_back()
    } else {
        rest.chars().next().map(|c| (offset, c))
    };
    let (place, length) = written.map_or((offset, 0), |(place, c)| (place, c.len_utf8()));
    YamlError::Syntax(Span::new(place, place + length))
}

/// Which keys of a mapping must not be there twice with different values: parsers disagree on which of them counts.
#[derive(Debug, Clone, Copy)]
pub enum Once {
    /// No key: the last value counts.
    Nothing,
    /// The keys of the outermost mapping of which this is true, and all keys in their values.
    Keys(fn(&str) -> bool),
    /// All keys, however deep.
    Everything,
}

impl Once {
    /// Whether `key` must not be there twice with different values.
    pub fn applies(self, key: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Keys(is_one) => is_one(key),
            Self::Everything => true,
        }
    }

    /// The same for the keys in the value of `key`.
    fn inside(self, key: &str) -> Self {
        match self.applies(key) {
            true => Self::Everything,
            false => Self::Nothing,
        }
    }
}

/// A value without places; mappings keep their order and their duplicates.
#[derive(Debug)]
enum Raw {
    Scalar(Value),
    List(Vec<Raw>),
    Map(Vec<(String, Raw)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Number(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Number(value.into())))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::String(value.to_string())))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::String(value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        let text = if value.is_nan() {
            ".nan"
        } else if value > 0.0 {
            ".inf"
        } else {
            "-.inf"
        };
        Ok(Raw::Scalar(match serde_json::Number::from_f64(value) {
            Some(number) => Value::Number(number),
            None => Value::String(text.to_owned()),
        }))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::String(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::String(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Raw>()? {
            let key = match key {
                Raw::Scalar(Value::String(text)) => text,
                Raw::Scalar(Value::Number(number)) => number.to_string(),
                Raw::Scalar(Value::Bool(truth)) => truth.to_string(),
                Raw::Scalar(Value::Null) => "null".to_owned(),
                _ => {
                    return Err(de::Error::custom("a list or mapping is used as a key"));
                }
            };
            map.push((key, entries.next_value()?));
        }
        Ok(Raw::Map(map))
    }
}

/// The place of a value, and of the values in it.
#[derive(Debug)]
struct Place {
    span: Span,
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Scalar,
    List(Vec<Place>),
    Map(Vec<(Span, Place)>),
}

enum Stop {
    Refused(Code, Span, String, &'static str),
    Syntax,
}

/// The places of all values, found by a parser that keeps them; it also refuses what is not read.
fn places(text: &str, range: Range<usize>) -> Result<Place, Stop> {
    let mut open: Vec<(Place, Option<Span>)> = Vec::new();
    let mut root = None;
    for next in Parser::new_from_str(text) {
        let (event, mark) = next.map_err(|_| Stop::Syntax)?;
        let bytes = mark.byte_range().unwrap_or(0..0);
        let span = Span::new(range.start + bytes.start, range.start + bytes.end);
        refuse(&event, span)?;
        let finished = match event {
            Event::Scalar(..) => Place {
                span,
                inner: Inner::Scalar,
            },
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                if open.len() >= MAX_DEPTH {
                    let message = format!("values are nested more than {MAX_DEPTH} deep");
                    return Err(Stop::Refused(
                        Code::TooDeep,
                        span,
                        message,
                        "flatten them, or move inner schemas to `$defs`",
                    ));
                }
                let inner = match event {
                    Event::SequenceStart(..) => Inner::List(Vec::new()),
                    _ => Inner::Map(Vec::new()),
                };
                open.push((Place { span, inner }, None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some((mut place, _)) => {
                    place.span.end = last_end(&place).max(place.span.start);
                    place
                }
                None => return Err(Stop::Syntax),
            },
            _ => continue,
        };
        match open.last_mut() {
            None => root = Some(finished),
            Some((parent, key)) => match &mut parent.inner {
                Inner::List(items) => items.push(finished),
                Inner::Map(entries) => match key.take() {
                    None => *key = Some(finished.span),
                    Some(key) => entries.push((key, finished)),
                },
                Inner::Scalar => return Err(Stop::Syntax),
            },
        }
    }
    root.ok_or(Stop::Syntax)
}

fn last_end(place: &Place) -> usize {
    match &place.inner {
        Inner::List(items) => items.last().map_or(place.span.end, |item| item.span.end),
        Inner::Map(entries) => entries
            .last()
            .map_or(place.span.end, |(_, value)| value.span.end),
        Inner::Scalar => place.span.end,
    }
}

fn refuse(event: &Event<'_>, span: Span) -> Result<(), Stop> {
    let (anchor, tag) = match event {
        Event::Scalar(_, _, anchor, tag)
        | Event::SequenceStart(_, anchor, tag)
        | Event::MappingStart(_, anchor, tag) => (*anchor != 0, tag.is_some()),
        Event::Alias(_) => (true, false),
        _ => (false, false),
    };
    let what = match (anchor, tag) {
        (false, false) => return Ok(()),
        (true, _) => "anchors and aliases (`&`, `*`) are not read",
        (_, true) => "tags (`!`) are not read",
    };
    let advice = "write the value out; put it in quotes if it is text";
    Err(Stop::Refused(
        Code::AnchorOrTag,
        span,
        what.to_owned(),
        advice,
    ))
}

/// `raw` with its places; where they are unknown, those of what is around it.
fn node(raw: Raw, place: Option<&Place>, around: Span, once: Once, report: &mut Report) -> Node {
    let span = place.map_or(around, |place| place.span);
    let value = match raw {
        Raw::Scalar(value) => value,
        Raw::List(items) => {
            let places = match place.map(|place| &place.inner) {
                Some(Inner::List(places)) if places.len() == items.len() => Some(places),
                _ => None,
            };
            Value::List(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| {
                        node(
                            item,
                            places.map(|places| &places[index]),
                            span,
                            once,
                            report,
                        )
                    })
                    .collect(),
            )
        }
        Raw::Map(entries) => {
            let places = match place.map(|place| &place.inner) {
                Some(Inner::Map(places)) if places.len() == entries.len() => Some(places),
                _ => None,
            };
            let mut map: Vec<Entry> = Vec::new();
            let mut positions = BTreeMap::new();
            for (index, (key, value)) in entries.into_iter().enumerate() {
                let place = places.map(|places| &places[index]);
                let key_span = place.map_or(span, |(key, _)| *key);
                let inner = once.inside(&key);
                let value = node(value, place.map(|(_, value)| value), span, inner, report);
                let entry = Entry {
                    key,
                    key_span,
                    value,
                };
                if let Some(index) = positions.get(&entry.key) {
                    let earlier: &mut Entry = &mut map[*index];
                    report_duplicate(earlier, &entry, once, report);
                    *earlier = entry;
                    continue;
                }
                positions.insert(entry.key.clone(), map.len());
                map.push(entry);
            }
            Value::Map(map)
        }
    };
    Node { value, span }
}

/// Reports `entry`, whose key the `earlier` one has too.
pub fn report_duplicate(earlier: &Entry, entry: &Entry, once: Once, report: &mut Report) {
    let message = format!("the key `{}` is defined twice", printable(&entry.key));
    let source = std::sync::Arc::clone(report.source());
    let (diagnostic, help) = if once.applies(&entry.key) && !earlier.value.is_same(&entry.value) {
        let diagnostic = report.error(Code::DuplicateKey, entry.key_span, message);
        let help = "put what both say under one of them: nothing tells which of them counts";
        (diagnostic, help)
    } else {
        let diagnostic = report.warning(Code::DuplicateKey, entry.key_span, message);
        (diagnostic, "the last one counts; remove the other")
    };
    diagnostic.relate(&source, earlier.key_span, "it is here too");
    diagnostic.advise(help);
}
