//! The endpoint that every agent has: text in, text out.

use std::sync::{Arc, LazyLock};

use crate::agent::operation;
use crate::contract::endpoint::INVOKE_NAME;
use crate::diagnostics::Report;
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::schema::{self, Role, Schema};
use crate::yaml::node::Node;

/// The schemas of the built-in `invoke`: what it takes and what it answers.
pub static INVOKE: LazyLock<(Option<Schema>, Option<Schema>)> = LazyLock::new(|| {
    let source = Arc::new(Source::new(INVOKE_NAME, String::new()));
    let mut report = Report::new(&source);
    let mut read = |json, role| {
        let node = Node::from_json(&json, Span::default());
        schema::read(&node, &mut report, role)
    };
    (
        read(operation::invoke_input(), Role::Input),
        read(operation::invoke_output(), Role::Output),
    )
});
