//! The conditions of steps as criteria of Arazzo actions.
//!
//! A condition becomes alternatives, each a list of criteria that hold together: its disjunctive normal form, since an
//! action has no `or`. Texts are compared with regular expressions, because simple conditions ignore case. Whether a list
//! contains something is a JSONPath for its descendants, as engines disagree about the root: some apply it to a list of the
//! value. The part of an output that a condition reads is an output of the step too, as some engines read no pointers there.

use agentgen_schema::Comparison;
use serde_json::{Value as Json, json};

use crate::contract::workflow_contract::Step;
use crate::expression::{Expression, Kind};
use crate::targets::openapi::arazzo::arazzo_ids::Ids;
use crate::yaml::yaml_settings::Name;

/// Lists of criteria, of which one list has to hold.
pub type Alternatives = Vec<Vec<Json>>;

/// The most alternatives of one condition; more are no longer readable.
pub const MAX_ALTERNATIVES: usize = 8;

/// A part of a step's output that a condition reads.
pub struct MemberOutput {
    /// The id of the step.
    pub step: String,
    /// The names of properties that lead to it.
    pub path: Vec<String>,
    /// Its name among the outputs of the step in Arazzo.
    pub name: String,
}

/// The parts of `outputs`, schemas by id of the step, that the conditions of `steps` read and that are always there: engines
/// stop at an output without a value.
pub fn member_outputs(steps: &[Step], outputs: &[(String, Json)]) -> Vec<MemberOutput> {
    let mut found: Vec<MemberOutput> = Vec::new();
    for condition in steps.iter().filter_map(|step| step.condition.as_ref()) {
        for path in paths(condition) {
            let names: Vec<&str> = path.iter().map(|name| name.text.as_str()).collect();
            let ["steps", step, "output", members @ ..] = names.as_slice() else {
                continue;
            };
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let is_plain = members.iter().all(|name| name.chars().all(is_part));
            let is_there = outputs
                .iter()
                .any(|(id, schema)| id == step && is_always_there(schema, members));
            let own = || found.iter().filter(|known| known.step == **step);
            if members.is_empty()
                || !is_plain
                || !is_there
                || own().any(|known| known.path == members)
            {
                continue;
            }
            let mut name = format!("output_{}", members.join("_"));
            while own().any(|known| known.name == name) {
                name.push('_');
            }
            let path = members.iter().map(|name| (*name).to_owned()).collect();
            found.push(MemberOutput {
                step: (*step).to_owned(),
                path,
                name,
            });
        }
    }
    found
}

/// Whether every value of the schema `root` has something at `path`.
pub fn is_always_there<T: AsRef<str>>(root: &Json, path: &[T]) -> bool {
    let mut schema = resolved(root, root);
    for member in path.iter().map(AsRef::as_ref) {
        let Some(object) = schema.filter(|schema| schema["type"] == "object") else {
            return false;
        };
        let required = object["required"].as_array();
        if !required.is_some_and(|names| names.iter().any(|name| name == member)) {
            return false;
        }
        schema = resolved(root, &object["properties"][member]);
    }
    schema.is_some()
}

/// The paths in `expression`.
fn paths(expression: &Expression) -> Vec<&[Name]> {
    match &expression.kind {
        Kind::Path(path) => vec![path],
        Kind::Not(inner) => paths(inner),
        Kind::All(parts) | Kind::Any(parts) => parts.iter().flat_map(paths).collect(),
        Kind::Compare(_, sides) => sides.iter().flat_map(paths).collect(),
        Kind::Null | Kind::Boolean(_) | Kind::Number(_) | Kind::Text(_) => Vec::new(),
    }
}

/// What a condition can refer to.
pub struct Scope<'a> {
    /// The ids of the steps.
    pub ids: &'a Ids<'a>,
    /// The schema of the run's input.
    pub input: &'a Json,
    /// The steps that may have an output, by id, with the schema of it.
    pub outputs: &'a [(String, Json)],
    /// The parts of outputs that are outputs.
    pub members: &'a [MemberOutput],
    /// The step that has just answered, and the id of what answered for it in Arazzo: the step or its fallback.
    pub current: Option<(&'a str, &'a str)>,
    /// The ids of steps that were left out: their outputs are null.
    pub absent: &'a [&'a str],
}

/// When `condition` is true, or false, as `expected` says; none if Arazzo can't say it.
pub fn criteria(condition: &Expression, expected: bool, scope: &Scope<'_>) -> Option<Alternatives> {
    scope.alternatives(condition, expected)
}

impl Scope<'_> {
    /// When `expression` is true, or false, as `expected` says.
    fn alternatives(&self, expression: &Expression, expected: bool) -> Option<Alternatives> {
        let alternatives = match (&expression.kind, expected) {
            (Kind::Not(inner), _) => self.alternatives(inner, !expected)?,
            (Kind::All(parts), true) | (Kind::Any(parts), false) => {
                let parts = parts.iter().map(|part| self.alternatives(part, expected));
                let parts: Vec<Alternatives> = parts.collect::<Option<_>>()?;
                parts.into_iter().fold(vec![Vec::new()], |left, right| {
                    let pairs = left.iter().flat_map(|own| {
                        right
                            .iter()
                            .map(move |other| [&own[..], &other[..]].concat())
                    });
                    pairs.take(MAX_ALTERNATIVES + 1).collect()
                })
            }
            (Kind::Any(parts), true) | (Kind::All(parts), false) => {
                let parts = parts.iter().map(|part| self.alternatives(part, expected));
                parts.collect::<Option<Vec<_>>>()?.concat()
            }
            (Kind::Null, _) => constant(!expected),
            (Kind::Boolean(value), _) => constant(*value == expected),
            (Kind::Number(_), _) => constant(expected),
            (Kind::Text(text), _) => constant(text.is_empty() != expected),
            (Kind::Path(path), _) if self.is_absent(path) => constant(!expected),
            (Kind::Path(path), _) => self.is_truthy(path, expected)?,
            (Kind::Compare(comparison, sides), _) => {
                let known = |side: &Expression| match &side.kind {
                    Kind::Path(path) if self.is_absent(path) => Expression {
                        kind: Kind::Null,
                        span: side.span,
                    },
                    _ => side.clone(),
                };
                let [left, right] = &**sides;
                self.compared(*comparison, &known(left), &known(right), expected)?
            }
        };
        // Where one alternative holds always, the others say nothing.
        if alternatives.iter().any(Vec::is_empty) {
            return Some(constant(true));
        }
        (alternatives.len() <= MAX_ALTERNATIVES).then_some(alternatives)
    }

    /// Whether `path` leads to the output of a step that was left out.
    fn is_absent(&self, path: &[Name]) -> bool {
        match path {
            [steps, id, output, ..] => {
                let is_output = steps.text == "steps" && output.text == "output";
                is_output && self.absent.contains(&id.text.as_str())
            }
            _ => false,
        }
    }

    /// When the value at `path` is neither false nor null nor empty.
    fn is_truthy(&self, path: &[Name], expected: bool) -> Option<Alternatives> {
        let place = self.place(path)?;
        match (self.kind(path)?, expected) {
            ("boolean", true) => Some(one(simple(format!("{place} == true")))),
            ("boolean", false) => Some(one(simple(format!("{place} != true")))),
            ("string", true) => Some(one(regex(&place, "[\\s\\S]"))),
            ("string", false) => Some(vec![
                vec![simple(format!("{place} == ''"))],
                vec![simple(format!("{place} == null"))],
            ]),
            ("integer" | "number", true) => Some(one(simple(format!("{place} != null")))),
            ("integer" | "number", false) => Some(one(simple(format!("{place} == null")))),
            _ => None,
        }
    }

    fn compared(
        &self,
        comparison: Comparison,
        left: &Expression,
        right: &Expression,
        expected: bool,
    ) -> Option<Alternatives> {
        if let (Comparison::In, Kind::Path(path), true) = (comparison, &right.kind, expected)
            && self.is_list_of_scalars(path)
        {
            let item = match &left.kind {
                Kind::Text(text) if !text.contains(['\'', '"', '\\', '{']) => format!("'{text}'"),
                Kind::Number(number) => number.to_string(),
                Kind::Boolean(value) => value.to_string(),
                _ => return None,
            };
            let condition = format!("$..[?(@ == {item})]");
            let context = self.place(path)?;
            return Some(one(
                json!({ "context": context, "condition": condition, "type": "jsonpath" }),
            ));
        }
        if let (Comparison::In, Kind::Text(text), Kind::Path(path)) =
            (comparison, &left.kind, &right.kind)
        {
            let place = self.place(path)?;
            let text_pattern = escaped(text);
            return match (self.kind(path)?, expected) {
                ("string", true) => Some(one(regex(&place, &text_pattern))),
                ("string", false) => {
                    Some(one(regex(&place, &format!("^(?![\\s\\S]*{text_pattern})"))))
                }
                _ => None,
            };
        }
        if let (Comparison::In, Kind::Null) = (comparison, &right.kind) {
            return Some(constant(!expected));
        }
        if let Some(holds) = with_null(comparison, left, right) {
            return Some(constant(holds == expected));
        }
        let operator = match (comparison, expected) {
            (Comparison::In, _) => return None,
            (Comparison::Equal, true) | (Comparison::NotEqual, false) => "==",
            (Comparison::Equal, false) | (Comparison::NotEqual, true) => "!=",
            (Comparison::Less, true) | (Comparison::AtLeast, false) => "<",
            (Comparison::AtMost, true) | (Comparison::More, false) => "<=",
            (Comparison::More, true) | (Comparison::AtMost, false) => ">",
            (Comparison::AtLeast, true) | (Comparison::Less, false) => ">=",
        };
        let sides = [left, right];
        if operator == "=="
            && let [Kind::Path(path), Kind::Text(text)] | [Kind::Text(text), Kind::Path(path)] =
                sides.map(|side| &side.kind)
            && !text.is_empty()
        {
            return Some(one(regex(
                &self.place(path)?,
                &format!("^{}$", escaped(text)),
            )));
        }
        // Two literals are no condition of a run.
        if !sides.iter().any(|side| matches!(side.kind, Kind::Path(_))) {
            return None;
        }
        let [left, right] = [self.operand(left)?, self.operand(right)?];
        Some(one(simple(format!("{left} {operator} {right}"))))
    }

    /// A literal or a place, in a simple condition.
    fn operand(&self, expression: &Expression) -> Option<String> {
        match &expression.kind {
            Kind::Null => Some("null".to_owned()),
            Kind::Boolean(value) => Some(value.to_string()),
            Kind::Number(value) => Some(value.to_string()),
            Kind::Text(text) => Some(quoted(text)),
            Kind::Path(path) => self.place(path),
            Kind::Not(_) | Kind::All(_) | Kind::Any(_) | Kind::Compare(..) => None,
        }
    }

    /// `input.goal` or `steps.plan.output.risk` as a runtime expression. How a step ended has none.
    fn place(&self, path: &[Name]) -> Option<String> {
        let names: Vec<&str> = path.iter().map(|name| name.text.as_str()).collect();
        let (base, members) = match names.as_slice() {
            ["input", name, members @ ..] => (format!("$inputs.{name}"), members),
            ["steps", id, "output", members @ ..] => {
                let step = match self.current {
                    Some((current, step)) if current == *id => step,
                    _ => self.ids.get(id),
                };
                let is_it = |known: &&MemberOutput| known.step == *id && known.path == members;
                match self.members.iter().find(is_it) {
                    Some(member) => (format!("$steps.{step}.outputs.{}", member.name), &[][..]),
                    None => (format!("$steps.{step}.outputs.output"), members),
                }
            }
            _ => return None,
        };
        let is_plain = |name: &&str| {
            let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
            name.chars().all(is_part)
        };
        if !names.iter().all(is_plain) {
            return None;
        }
        let pointer = members.join("/");
        Some(match (members, base.contains('#')) {
            ([], _) => base,
            (_, true) => format!("{base}/{pointer}"),
            (_, false) => format!("{base}#/{pointer}"),
        })
    }

    /// Whether the value at `path` is a list whose items hold no others.
    fn is_list_of_scalars(&self, path: &[Name]) -> bool {
        let Some((root, schema)) = self.schema(path) else {
            return false;
        };
        let item = resolved(root, &schema["items"]).and_then(|item| item["type"].as_str());
        let is_scalar = |kind| matches!(kind, "string" | "integer" | "number" | "boolean");
        schema["type"] == "array" && item.is_some_and(is_scalar)
    }

    /// The type of the value at `path`, if its schema says one.
    fn kind(&self, path: &[Name]) -> Option<&str> {
        self.schema(path)?.1["type"].as_str()
    }

    /// The schema of the value at `path`, behind the root of the schema that it is in.
    fn schema(&self, path: &[Name]) -> Option<(&Json, &Json)> {
        let names: Vec<&str> = path.iter().map(|name| name.text.as_str()).collect();
        let (root, members) = match names.as_slice() {
            ["input", members @ ..] => (self.input, members),
            ["steps", id, "output", members @ ..] => {
                let (_, schema) = self.outputs.iter().find(|(step, _)| step == id)?;
                (schema, members)
            }
            _ => return None,
        };
        let mut schema = resolved(root, root)?;
        for member in members {
            schema = resolved(root, &schema["properties"][member])?;
        }
        Some((root, schema))
    }
}

/// Whether a comparison of null with a literal holds; none for other sides.
fn with_null(comparison: Comparison, left: &Expression, right: &Expression) -> Option<bool> {
    let is_literal = |side: &Expression| {
        matches!(
            side.kind,
            Kind::Null | Kind::Boolean(_) | Kind::Number(_) | Kind::Text(_)
        )
    };
    let nulls = [left, right].map(|side| side.kind == Kind::Null);
    if !nulls.contains(&true) || ![left, right].into_iter().all(is_literal) {
        return None;
    }
    let equal = nulls == [true, true];
    match comparison {
        Comparison::Equal | Comparison::AtMost | Comparison::AtLeast => Some(equal),
        Comparison::NotEqual => Some(!equal),
        Comparison::Less | Comparison::More => Some(false),
        Comparison::In => None,
    }
}

/// `schema`, or the definition of `root` that it refers to.
fn resolved<'a>(root: &'a Json, mut schema: &'a Json) -> Option<&'a Json> {
    // More references than that lead in a circle.
    for _ in 0..16 {
        let Some(target) = schema["$ref"].as_str() else {
            return Some(schema);
        };
        schema = root.pointer(target.strip_prefix('#')?)?;
    }
    None
}

/// What holds always or never.
fn constant(holds: bool) -> Alternatives {
    if holds { vec![Vec::new()] } else { Vec::new() }
}

fn one(criterion: Json) -> Alternatives {
    vec![vec![criterion]]
}

fn simple(condition: String) -> Json {
    json!({ "condition": condition })
}

fn regex(context: &str, pattern: &str) -> Json {
    json!({ "context": context, "condition": pattern, "type": "regex" })
}

/// A text in a simple condition.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A regular expression that matches `text` alone.
fn escaped(text: &str) -> String {
    let mut pattern = String::new();
    for character in text.chars() {
        if "\\^$.|?*+()[]{}/".contains(character) {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}
