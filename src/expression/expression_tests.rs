//! The parser of expressions: limits, and random texts.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use crate::diagnostics::Report;
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::expression::Expression;
use crate::expression::parser::parse;
use crate::yaml::node::{Node, Value};
use crate::yaml::yaml_scalar::Scalar;
use proptest::prelude::*;

fn expression(text: &str) -> Option<Expression> {
    let source = Arc::new(Source::new("a.yaml", text.to_owned()));
    let node = Node {
        value: Value::String(text.to_owned()),
        span: Span::new(0, text.len()),
    };
    let scalar = Scalar::new(&node, &source)?;
    let mut report = Report::new(&source);
    let read = parse(&scalar, &mut report);
    let diagnostics = report.into_diagnostics();
    assert_eq!(
        diagnostics.len(),
        usize::from(read.is_none()),
        "{text}: {diagnostics:?}"
    );
    for diagnostic in diagnostics {
        let span = diagnostic.span.unwrap();
        assert!(span.end <= text.len() && text.is_char_boundary(span.start));
    }
    read
}

#[test]
fn expressions_are_not_nested_without_end() {
    let nested = |depth: usize| format!("{}true{}", "(".repeat(depth), ")".repeat(depth));
    assert!(expression(&nested(32)).is_some());
    assert!(expression(&nested(33)).is_none());
    assert!(expression(&nested(100_000)).is_none());
    assert!(expression(&format!("{}true", "!".repeat(100_000))).is_none());
    assert!(expression(&format!("{}true", "not ".repeat(100_000))).is_none());
    assert!(expression(&vec!["true"; 10_000].join(" and ")).is_some());
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_an_error(text in "[a-z.'\"(){}<>=!&| 0-9ü\\-]{0,40}") {
        expression(&text);
    }

    #[test]
    fn any_words_are_parsed_or_an_error(
        words in proptest::collection::vec(
            prop_oneof![
                Just("p.output"), Just("input.a"), Just("=="), Just("<"), Just("in"), Just("contains"),
                Just("and"), Just("or"), Just("not"), Just("!"), Just("("), Just(")"), Just("'x'"),
                Just("1"), Just("null"), Just("true"), Just("}}"),
            ],
            0..12,
        )
    ) {
        expression(&words.join(" "));
    }
}
