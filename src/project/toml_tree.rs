//! TOML text to a [`Node`] with the place of every key and value.

use std::borrow::Cow;

use toml_parser::decoder::{Encoding, ScalarKind};
use toml_parser::parser::{EventReceiver, RecursionGuard, parse_document};
use toml_parser::{ErrorSink, Expected, ParseError, Source as Text, Span as Place};

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::yaml::node::{Entry, Node, Value};

/// How deep lists and inline tables may be nested.
const MAX_DEPTH: u32 = 32;

/// The longest text of settings.
const MAX_BYTES: usize = 100 * 1024;

/// The root table of the report's source. A date, which no setting takes, is [`Value::Null`]: TOML has no other null.
///
/// What is wrong with the text is added to the report; the node then holds what could be read.
pub fn parse(report: &mut Report) -> Node {
    let source = std::sync::Arc::clone(report.source());
    let whole = Span::new(0, source.text().len());
    if whole.end > MAX_BYTES {
        let message = format!("the settings have {} bytes", whole.end);
        report
            .error(Code::BadConfig, Span::default(), message)
            .advise(format!("keep them under {MAX_BYTES} bytes"));
        return Node {
            value: Value::Map(Vec::new()),
            span: whole,
        };
    }
    let text = Text::new(source.text());
    let tokens = text.lex().into_vec();
    let mut errors: Vec<ParseError> = Vec::new();
    let mut builder = Builder {
        text,
        root: Vec::new(),
        headers: Vec::new(),
        header: Vec::new(),
        key: Vec::new(),
        open: Vec::new(),
    };
    let mut guard = RecursionGuard::new(&mut builder, MAX_DEPTH);
    parse_document(&tokens, &mut guard, &mut errors);
    for error in errors {
        let place = error.unexpected().or(error.context());
        let span = place.map(span).unwrap_or_default();
        report.error(Code::BadConfig, span, message(&error));
    }
    Node {
        value: Value::Map(builder.root),
        span: whole,
    }
}

/// `invalid key, expected a letter, nothing`
fn message(error: &ParseError) -> String {
    let mut message = error.description().to_lowercase();
    let expected = error.expected().unwrap_or_default().iter();
    let words: Vec<String> = expected
        .filter_map(|expected| match expected {
            Expected::Literal("\n") => Some("the end of the line".to_owned()),
            Expected::Literal(literal) => Some(format!("`{literal}`")),
            Expected::Description(words) => Some((*words).to_owned()),
            _ => None,
        })
        .collect();
    if !words.is_empty() {
        message.push_str(", expected ");
        message.push_str(&words.join(" or "));
    }
    message
}

fn span(place: Place) -> Span {
    Span::new(place.start(), place.end())
}

/// One part of a dotted key.
type Part = (String, Span);

/// Makes the tree of the parser's events.
struct Builder<'t> {
    text: Text<'t>,
    root: Vec<Entry>,
    /// The headers that were there.
    headers: Vec<Vec<String>>,
    /// The header that the lines are below.
    header: Vec<Part>,
    /// The key whose value comes next.
    key: Vec<Part>,
    /// The lists and inline tables that are not closed.
    open: Vec<Open>,
}

enum Open {
    List(usize, Vec<Node>),
    /// With the key that the table is the value of.
    Table(usize, Vec<Entry>, Vec<Part>),
}

impl Builder<'_> {
    fn value(&mut self, node: Node, errors: &mut dyn ErrorSink) {
        let key = match self.open.last_mut() {
            Some(Open::List(_, items)) => {
                items.push(node);
                return;
            }
            _ => std::mem::take(&mut self.key),
        };
        let (entries, path) = match self.open.last_mut() {
            Some(Open::Table(_, entries, _)) => (entries, key),
            _ => (
                &mut self.root,
                self.header.iter().cloned().chain(key).collect(),
            ),
        };
        insert(entries, &path, node, errors);
    }

    fn close(&mut self, end: Place, errors: &mut dyn ErrorSink) {
        let (start, value) = match self.open.pop() {
            Some(Open::List(start, items)) => (start, Value::List(items)),
            Some(Open::Table(start, entries, key)) => {
                self.key = key;
                (start, Value::Map(entries))
            }
            None => return,
        };
        let span = Span::new(start, end.end());
        self.value(Node { value, span }, errors);
    }
}

impl EventReceiver for Builder<'_> {
    fn std_table_open(&mut self, _place: Place, _errors: &mut dyn ErrorSink) {
        self.key.clear();
    }

    fn std_table_close(&mut self, _place: Place, errors: &mut dyn ErrorSink) {
        self.header = std::mem::take(&mut self.key);
        let names: Vec<String> = self.header.iter().map(|(name, _)| name.clone()).collect();
        let last = self
            .header
            .last()
            .map_or(Span::default(), |(_, span)| *span);
        if self.headers.contains(&names) {
            errors.report_error(twice(&self.header));
        }
        self.headers.push(names);
        let empty = Node {
            value: Value::Map(Vec::new()),
            span: last,
        };
        if !self.header.is_empty() && !is_table(&self.root, &self.header) {
            insert(&mut self.root, &self.header, empty, errors);
        }
    }

    fn array_table_close(&mut self, place: Place, errors: &mut dyn ErrorSink) {
        let error = ParseError::new("a list of sections is not a setting");
        errors.report_error(error.with_unexpected(place));
        self.header = std::mem::take(&mut self.key);
    }

    fn array_table_open(&mut self, _place: Place, _errors: &mut dyn ErrorSink) {
        self.key.clear();
    }

    fn inline_table_open(&mut self, place: Place, _errors: &mut dyn ErrorSink) -> bool {
        let key = std::mem::take(&mut self.key);
        self.open.push(Open::Table(place.start(), Vec::new(), key));
        true
    }

    fn inline_table_close(&mut self, place: Place, errors: &mut dyn ErrorSink) {
        self.close(place, errors);
    }

    fn array_open(&mut self, place: Place, _errors: &mut dyn ErrorSink) -> bool {
        self.open.push(Open::List(place.start(), Vec::new()));
        true
    }

    fn array_close(&mut self, place: Place, errors: &mut dyn ErrorSink) {
        self.close(place, errors);
    }

    fn simple_key(&mut self, place: Place, encoding: Option<Encoding>, errors: &mut dyn ErrorSink) {
        let mut key = Cow::Borrowed("");
        if let Some(raw) = self.text.get(place) {
            let raw = toml_parser::Raw::new_unchecked(raw.as_str(), encoding, place);
            raw.decode_key(&mut key, errors);
        }
        if self.key.len() == MAX_DEPTH as usize {
            let message = format!("a key has more than {MAX_DEPTH} parts");
            errors.report_error(ParseError::new(message).with_unexpected(place));
        }
        if self.key.len() < MAX_DEPTH as usize {
            self.key.push((key.into_owned(), span(place)));
        }
    }

    fn scalar(&mut self, place: Place, encoding: Option<Encoding>, errors: &mut dyn ErrorSink) {
        let mut text = Cow::Borrowed("");
        let Some(raw) = self.text.get(place) else {
            return;
        };
        let raw = toml_parser::Raw::new_unchecked(raw.as_str(), encoding, place);
        let value = match raw.decode_scalar(&mut text, errors) {
            ScalarKind::String => Value::String(text.into_owned()),
            ScalarKind::Boolean(value) => Value::Bool(value),
            ScalarKind::DateTime => Value::Null,
            // No setting is a number: that it is one is enough to say so.
            ScalarKind::Float | ScalarKind::Integer(_) => Value::Number(0.into()),
        };
        let span = span(place);
        self.value(Node { value, span }, errors);
    }
}

/// Puts `node` at the path into `entries`.
fn insert(entries: &mut Vec<Entry>, path: &[Part], node: Node, errors: &mut dyn ErrorSink) {
    let Some(((key, key_span), rest)) = path.split_first() else {
        return;
    };
    let found = entries.iter().position(|entry| entry.key == *key);
    let index = match found {
        Some(index) => index,
        None => {
            let value = match rest {
                [] => node.value.clone(),
                _ => Value::Map(Vec::new()),
            };
            entries.push(Entry {
                key: key.clone(),
                key_span: *key_span,
                value: Node {
                    value,
                    span: node.span,
                },
            });
            entries.len() - 1
        }
    };
    match &mut entries[index].value.value {
        _ if rest.is_empty() && found.is_none() => {}
        Value::Map(inner) if !rest.is_empty() => insert(inner, rest, node, errors),
        _ => errors.report_error(twice(&path[..1])),
    }
}

fn is_table(entries: &[Entry], path: &[Part]) -> bool {
    let Some(((key, _), rest)) = path.split_first() else {
        return true;
    };
    let entry = entries.iter().find(|entry| entry.key == *key);
    match entry.map(|entry| &entry.value.value) {
        Some(Value::Map(inner)) => is_table(inner, rest),
        _ => false,
    }
}

fn twice(path: &[Part]) -> ParseError {
    let names: Vec<&str> = path.iter().map(|(name, _)| name.as_str()).collect();
    let last = path.last().map_or(Span::default(), |(_, span)| *span);
    ParseError::new(format!("`{}` is here twice", names.join(".")))
        .with_unexpected(Place::new_unchecked(last.start, last.end))
}
