//! What a step is given: values with holes that earlier outputs fill.

use serde_json::Value as Json;

use crate::diagnostics::Report;
use crate::diagnostics::span::Span;
use crate::expression::Expression;
use crate::expression::parser::parse_hole;
use crate::yaml::node::{Node, Value};
use crate::yaml::yaml_scalar::Scalar;
use crate::yaml::yaml_settings::Name;

/// A value with holes.
#[derive(Debug, Clone, PartialEq)]
pub struct InputTemplate {
    /// What it is made of.
    pub kind: TemplateKind,
    /// Its place in the source.
    pub span: Span,
}

/// What a [`Template`] is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum TemplateKind {
    /// A scalar, unchanged.
    Json(Json),
    /// The value of an expression, with its type: a text that is one hole and nothing else.
    Value(Expression),
    /// A text with holes.
    Text(Vec<Segment>),
    /// An object.
    Object(Vec<(Name, InputTemplate)>),
    /// A list.
    List(Vec<InputTemplate>),
}

/// A piece of a text with holes.
#[derive(Debug, Clone, PartialEq)]
pub enum Segment {
    /// Text, unchanged.
    Text(String),
    /// The value of an expression; values other than text are written as JSON.
    Value(Expression),
}

impl InputTemplate {
    /// The value as JSON, if it has no holes.
    pub fn to_json(&self) -> Option<Json> {
        match &self.kind {
            TemplateKind::Json(json) => Some(json.clone()),
            TemplateKind::Value(_) | TemplateKind::Text(_) => None,
            TemplateKind::Object(members) => members
                .iter()
                .map(|(name, value)| Some((name.text.clone(), value.to_json()?)))
                .collect::<Option<serde_json::Map<_, _>>>()
                .map(Json::Object),
            TemplateKind::List(items) => items.iter().map(Self::to_json).collect(),
        }
    }
}

/// Reads the value in `node`: its texts may have holes, `{{ expression }}`. None where an expression is wrong; the
/// report then says so.
pub fn read(node: &Node, report: &mut Report) -> Option<InputTemplate> {
    let kind = match &node.value {
        Value::String(_) => text(node, report)?,
        Value::List(items) => {
            // All of them are read, so that all errors are reported.
            let items: Vec<Option<InputTemplate>> =
                items.iter().map(|item| read(item, report)).collect();
            TemplateKind::List(items.into_iter().collect::<Option<_>>()?)
        }
        Value::Map(entries) => {
            let members: Vec<Option<(Name, InputTemplate)>> = entries
                .iter()
                .map(|entry| {
                    let name = Name {
                        text: entry.key.clone(),
                        span: entry.key_span,
                    };
                    read(&entry.value, report).map(|value| (name, value))
                })
                .collect();
            TemplateKind::Object(members.into_iter().collect::<Option<_>>()?)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => TemplateKind::Json(node.to_json()),
    };
    Some(InputTemplate {
        kind,
        span: node.span,
    })
}

fn text(node: &Node, report: &mut Report) -> Option<TemplateKind> {
    let source = std::sync::Arc::clone(report.source());
    let scalar = Scalar::new(node, &source)?;
    let text = scalar.text();
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(hole) = text[at..].find("{{") {
        if hole > 0 {
            pieces.push(Segment::Text(text[at..at + hole].to_owned()));
        }
        let (expression, end) = parse_hole(&scalar, at + hole + 2, report)?;
        pieces.push(Segment::Value(expression));
        at = end;
    }
    if pieces.is_empty() {
        return Some(TemplateKind::Json(node.to_json()));
    }
    if at < text.len() {
        pieces.push(Segment::Text(text[at..].to_owned()));
    }
    let blank = |piece: &Segment| matches!(piece, Segment::Text(text) if text.trim().is_empty());
    let mut filled = pieces.iter().filter(|piece| !blank(piece));
    if let (Some(Segment::Value(expression)), None) = (filled.next(), filled.next()) {
        return Some(TemplateKind::Value(expression.clone()));
    }
    Some(TemplateKind::Text(pieces))
}
