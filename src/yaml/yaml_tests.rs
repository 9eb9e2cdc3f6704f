//! YAML text to nodes, as plainly as tests need it.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::yaml::node::{Entry, Node, Value};
use granit_parser::{Event, Parser, ScalarStyle, Span as Place};

/// The source of `text` and its YAML value.
pub fn parse(text: &str) -> (Arc<Source>, Node) {
    let mut events = Parser::new_from_str(text)
        .map(|event| event.expect("valid YAML"))
        .filter(|(event, _)| {
            !matches!(
                event,
                Event::StreamStart
                    | Event::StreamEnd
                    | Event::DocumentStart(..)
                    | Event::DocumentEnd
            )
        })
        .collect::<Vec<_>>()
        .into_iter();
    let first = events.next().expect("a value");
    let node = node(first, &mut events);
    (
        Arc::new(Source::new("agents/test.md", text.to_owned())),
        node,
    )
}

fn node<'a>(
    (event, place): (Event<'a>, Place),
    events: &mut impl Iterator<Item = (Event<'a>, Place)>,
) -> Node {
    let range = place.byte_range().unwrap_or_default();
    let mut span = Span::new(range.start, range.end);
    let value = match event {
        Event::Scalar(text, style, ..) => scalar(&text, style),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match events.next().expect("the end of the sequence") {
                    (Event::SequenceEnd, _) => break,
                    event => items.push(node(event, events)),
                }
            }
            Value::List(items)
        }
        Event::MappingStart(..) => {
            let mut entries = Vec::new();
            loop {
                match events.next().expect("the end of the mapping") {
                    (Event::MappingEnd, _) => break,
                    (Event::Scalar(key, ..), place) => {
                        let range = place.byte_range().unwrap_or_default();
                        let next = events.next().expect("a value");
                        entries.push(Entry {
                            key: key.into_owned(),
                            key_span: Span::new(range.start, range.end),
                            value: node(next, events),
                        });
                    }
                    (other, _) => panic!("a key that is {other:?}"),
                }
            }
            if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
                span = Span::new(first.key_span.start.min(span.start), last.value.span.end);
            }
            Value::Map(entries)
        }
        other => panic!("{other:?}"),
    };
    Node { value, span }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::String(text.to_owned());
    }
    match text {
        "" | "~" | "null" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match serde_json::from_str::<serde_json::Number>(text) {
            Ok(number) => Value::Number(number),
            Err(_) => Value::String(text.to_owned()),
        },
    }
}
