//! Expressions over the input of a workflow and the outputs of its steps.
//!
//! The language is total: every expression has a value, and finding it takes no more steps than the expression has
//! parts. From the loosest to the tightest:
//!
//! ```text
//! a or b, a || b          not a
//! a and b, a && b         a == b, !=, <, <=, >, >=, a in b, b contains a
//! !a, (a)                 input.goal, plan.output.risk, steps.plan.status
//! "text", 'text', 1.5, true, false, null
//! ```
//!
//! In a text, its quote is doubled: `'it''s'`.

pub mod input_template;
pub mod lexer;
pub mod parser;

#[cfg(test)]
mod expression_tests;

use agentgen_schema::Comparison;

use crate::diagnostics::span::Span;
use crate::yaml::yaml_settings::Name;

/// An expression that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    /// What it says.
    pub kind: Kind,
    /// Its place in the source.
    pub span: Span,
}

/// What an expression says.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean(bool),
    /// A finite number.
    Number(f64),
    /// A text.
    Text(String),
    /// A place: `input` or `steps`, and the names of members from there; in a step for each item of a list also `item` and
    /// `index`. What is written `plan.output` is `steps.plan.output` here.
    Path(Vec<Name>),
    /// Is false or null or empty.
    Not(Box<Expression>),
    /// All are true.
    All(Vec<Expression>),
    /// One is true.
    Any(Vec<Expression>),
    /// Two values compared.
    Compare(Comparison, Box<[Expression; 2]>),
}

impl Expression {
    /// Whether it speaks of the place `path`.
    pub fn speaks_of(&self, path: &[Name]) -> bool {
        match &self.kind {
            Kind::Null | Kind::Boolean(_) | Kind::Number(_) | Kind::Text(_) => false,
            Kind::Path(own) => {
                let same = |(own, name): (&Name, &Name)| own.text == name.text;
                own.len() == path.len() && own.iter().zip(path).all(same)
            }
            Kind::Not(inner) => inner.speaks_of(path),
            Kind::All(parts) | Kind::Any(parts) => parts.iter().any(|part| part.speaks_of(path)),
            Kind::Compare(_, sides) => sides.iter().any(|side| side.speaks_of(path)),
        }
    }

    /// Whether a path in it begins with one of `roots`.
    pub fn speaks_of_any(&self, roots: &[&str]) -> bool {
        match &self.kind {
            Kind::Null | Kind::Boolean(_) | Kind::Number(_) | Kind::Text(_) => false,
            Kind::Path(path) => roots.contains(&path[0].text.as_str()),
            Kind::Not(inner) => inner.speaks_of_any(roots),
            Kind::All(parts) | Kind::Any(parts) => {
                parts.iter().any(|part| part.speaks_of_any(roots))
            }
            Kind::Compare(_, sides) => sides.iter().any(|side| side.speaks_of_any(roots)),
        }
    }
}
