//! Looks up and compares the events of a stream.

use agentgen_runtime::schema::DateTime;
use serde_json::Value;

/// The types of `events`, in order.
pub fn event_types<N>(events: &[(N, Value)]) -> Vec<&str> {
    let kinds = events.iter().map(|(_, event)| event["type"].as_str());
    kinds.map(Option::unwrap).collect()
}

/// The first event of a type.
#[track_caller]
pub fn find_event<'a, N>(events: &'a [(N, Value)], kind: &str) -> &'a Value {
    let found = find_events(events, kind).into_iter().next();
    found.unwrap_or_else(|| panic!("no {kind} among {:?}", event_types(events)))
}

/// All events of a type, in order.
pub fn find_events<'a, N>(events: &'a [(N, Value)], kind: &str) -> Vec<&'a Value> {
    let events = events.iter().map(|(_, event)| event);
    events.filter(|event| event["type"] == kind).collect()
}

/// Compares `lines`, each of which begins with an event type, with `expected`. Ignores types that `expected` does not
/// contain, so that a new event type does not break other tests.
#[track_caller]
pub fn assert_lines_of_types(lines: &[impl AsRef<str>], expected: &[impl AsRef<str>]) {
    let expected: Vec<&str> = expected.iter().map(AsRef::as_ref).collect();
    let named: Vec<&str> = expected.iter().map(|line| line_type(line)).collect();
    assert_eq!(lines_of_types(lines, &named), expected);
}

/// The lines that begin with one of the types.
pub fn lines_of_types<'a>(lines: &'a [impl AsRef<str>], kinds: &[&str]) -> Vec<&'a str> {
    let lines = lines.iter().map(AsRef::as_ref);
    lines
        .filter(|line| kinds.contains(&line_type(line)))
        .collect()
}

fn line_type(line: &str) -> &str {
    line.split(' ').next().unwrap_or(line)
}

/// Parses a timestamp. Timestamps can't be compared as text, because a zero fraction is omitted.
pub fn parse_timestamp(value: &Value) -> DateTime {
    value.as_str().unwrap().parse().unwrap()
}
