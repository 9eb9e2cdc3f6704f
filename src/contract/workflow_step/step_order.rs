//! When a step begins: the steps it needs, how many of them have to succeed, and its condition.

use std::sync::Arc;

use agentgen_schema::vocabulary;

use crate::contract::workflow_step::Step;
use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::expression::parser::parse;
use crate::expression::{Expression, Kind};
use crate::yaml::node::{Node, Value};
use crate::yaml::yaml_scalar::Scalar;
use crate::yaml::yaml_settings;

/// How many of the needed steps have to succeed before a step begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// All of them.
    All,
    /// One of them.
    Any,
    /// So many of them.
    Quorum(u32),
}

vocabulary! {
    /// The words of [`Join`].
    pub enum JoinKind {
        /// All needed steps have to succeed.
        All = "all",
        /// One needed step has to succeed.
        Any = "any",
        /// A number of needed steps has to succeed.
        Quorum = "quorum",
    }
}

impl Join {
    /// The word for it.
    pub fn kind(self) -> JoinKind {
        match self {
            Self::All => JoinKind::All,
            Self::Any => JoinKind::Any,
            Self::Quorum(_) => JoinKind::Quorum,
        }
    }

    /// How many steps have to succeed, where it is a quorum.
    pub fn quorum(self) -> Option<u32> {
        match self {
            Self::Quorum(count) => Some(count),
            Self::All | Self::Any => None,
        }
    }
}

/// Reads what decides when a step begins: `needs`, `join` or `when`.
pub(super) fn read_order(step: &mut Step, key: &str, value: &Node, report: &mut Report) {
    match key {
        "needs" => step.needs = yaml_settings::names(value, report),
        "join" => step.join = join(value, report).unwrap_or(Join::All),
        _ => {
            if let Value::Bool(boolean) = value.value {
                step.when = Some(boolean.to_string());
                step.condition = Some(Expression {
                    kind: Kind::Boolean(boolean),
                    span: value.span,
                });
                return;
            }
            step.when = yaml_settings::text(value, report).map(str::to_owned);
            let source = Arc::clone(report.source());
            if step.when.is_some()
                && let Some(scalar) = Scalar::new(value, &source)
            {
                step.condition = parse(&scalar, report);
            }
        }
    }
}

/// Reads `all`, `any`, `quorum N` or `{quorum: N}`.
fn join(node: &Node, report: &mut Report) -> Option<Join> {
    let read = match node.entries() {
        Some([entry]) if entry.key == JoinKind::Quorum.as_str() => {
            return yaml_settings::small_count(&entry.value, report).map(Join::Quorum);
        }
        Some(_) => None,
        None => {
            let text = yaml_settings::text(node, report)?;
            let (word, count) = match text.split_once(char::is_whitespace) {
                Some((word, count)) => (word, Some(count.trim())),
                None => (text, None),
            };
            match (JoinKind::parse(word), count) {
                (Some(JoinKind::All), None) => Some(Join::All),
                (Some(JoinKind::Any), None) => Some(Join::Any),
                (Some(JoinKind::Quorum), Some(count)) => {
                    let count = count.parse().ok().filter(|count| *count > 0);
                    count.map(Join::Quorum)
                }
                _ => None,
            }
        }
    };
    if read.is_none() {
        report
            .error(Code::BadSetting, node.span, "this is not a value of `join`")
            .advise("write `all`, `any` or `quorum N`, where N is a whole number above zero");
    }
    read
}

/// Checks that so many steps as have to succeed are needed at all. `node` is what the step was read from.
pub(super) fn check_join(step: &Step, node: &Node, report: &mut Report) {
    let least = match step.join {
        Join::All => 0,
        Join::Any => 1,
        Join::Quorum(count) => count as usize,
    };
    let needed = step.needs.len();
    if least > needed {
        let message = format!(
            "the step `{}` waits for {least} of the steps it needs, which are {needed}",
            step.id
        );
        let span = node.get("join").unwrap_or(node).span;
        report
            .error(Code::BadWorkflow, span, message)
            .advise("name more of them under `needs`, or wait for fewer");
    }
}
