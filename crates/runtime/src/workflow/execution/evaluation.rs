//! Evaluates the expressions of conditions and fills the templates of requests.
//!
//! Invariant: both are total. A path that leads nowhere is null, and there are no errors.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::spec::workflow_spec::{Comparison, Expression, Template};
use crate::workflow::run_report::StepReport;

/// Up to 2 to the power of 53, every whole number is an `f64` of its own.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// What an expression can refer to.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// The run's input.
    pub(crate) input: &'a Value,
    /// The reports of the run's steps.
    pub(crate) steps: &'a [StepReport],
    /// In a step for each item of a list: which one.
    pub(crate) item: Option<&'a Item>,
}

/// An item of a list, and its place, from 0.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) value: Value,
    index: Value,
}

impl Item {
    pub(crate) fn new(value: Value, index: usize) -> Self {
        let index = Value::from(index);
        Self { value, index }
    }
}

impl<'a> Scope<'a> {
    /// That of a run with this input and these reports of its steps.
    pub(crate) fn of(input: &'a Value, steps: &'a [StepReport]) -> Self {
        Self {
            input,
            steps,
            item: None,
        }
    }
}

/// The value of `expression`.
pub(crate) fn evaluate<'a>(expression: &Expression, scope: Scope<'a>) -> Cow<'a, Value> {
    let owned = match expression {
        Expression::Null => Value::Null,
        Expression::Boolean(boolean) => Value::from(*boolean),
        Expression::Number(number) => to_json_number(*number),
        Expression::Text(text) => Value::from(*text),
        Expression::Path(path) => return resolve(path, scope),
        Expression::Not(inner) => Value::from(!is_truthy(inner, scope)),
        Expression::All(parts) => Value::from(parts.iter().all(|part| is_truthy(part, scope))),
        Expression::Any(parts) => Value::from(parts.iter().any(|part| is_truthy(part, scope))),
        Expression::Compare(comparison, left, right) => {
            let (left, right) = (evaluate(left, scope), evaluate(right, scope));
            Value::from(compare(*comparison, &left, &right))
        }
    };
    Cow::Owned(owned)
}

/// Whether the value of `expression` is neither false nor null nor empty. Every number is truthy.
pub(crate) fn is_truthy(expression: &Expression, scope: Scope<'_>) -> bool {
    match &*evaluate(expression, scope) {
        Value::Null => false,
        Value::Bool(boolean) => *boolean,
        Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// The request that `template` describes.
pub(crate) fn fill(template: &Template, scope: Scope<'_>) -> Value {
    match template {
        // Always JSON: `check_literals` refuses the workflow at start otherwise.
        Template::Json(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        Template::Value(expression) => evaluate(expression, scope).into_owned(),
        Template::Text(pieces) => {
            let pieces = pieces.iter().map(|piece| to_text(&fill(piece, scope)));
            Value::String(pieces.collect())
        }
        Template::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, field)| ((*key).to_owned(), fill(field, scope)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Template::List(items) => items.iter().map(|item| fill(item, scope)).collect(),
    }
}

/// Checks that every literal of `template` is JSON.
pub(crate) fn check_literals(template: &Template) -> serde_json::Result<()> {
    match template {
        Template::Json(text) => serde_json::from_str::<Value>(text).map(|_| ()),
        Template::Value(_) => Ok(()),
        Template::Text(parts) | Template::List(parts) => parts.iter().try_for_each(check_literals),
        Template::Object(fields) => fields
            .iter()
            .try_for_each(|(_, field)| check_literals(field)),
    }
}

/// A string as it is, every other value as JSON.
pub(crate) fn to_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn resolve<'a>(path: &[&str], scope: Scope<'a>) -> Cow<'a, Value> {
    let step = |id: &str| scope.steps.iter().find(|step| step.step == id);
    let found = match path {
        ["input", members @ ..] => descend(scope.input, members),
        ["item", members @ ..] => scope.item.and_then(|item| descend(&item.value, members)),
        ["index"] => scope.item.map(|item| &item.index),
        ["steps", id, "output", members @ ..] => {
            step(id).and_then(|step| descend(&step.output, members))
        }
        ["steps", id, "status"] => {
            return match step(id) {
                Some(step) => Cow::Owned(Value::from(step.status.as_str())),
                None => Cow::Owned(Value::Null),
            };
        }
        _ => None,
    };
    found.map_or(Cow::Owned(Value::Null), Cow::Borrowed)
}

fn descend<'a>(value: &'a Value, members: &[&str]) -> Option<&'a Value> {
    members.iter().try_fold(value, |value, member| match value {
        Value::Object(fields) => fields.get(*member),
        Value::Array(items) => member
            .parse()
            .ok()
            .and_then(|index: usize| items.get(index)),
        _ => None,
    })
}

/// A whole number becomes an integer, so that it is valid where a schema wants one.
fn to_json_number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() <= LARGEST_EXACT {
        Value::from(number as i64)
    } else {
        Value::from(number)
    }
}

fn compare(comparison: Comparison, left: &Value, right: &Value) -> bool {
    let order = || order(left, right);
    match comparison {
        Comparison::Equal => is_equal(left, right),
        Comparison::NotEqual => !is_equal(left, right),
        Comparison::Less => order() == Some(Ordering::Less),
        Comparison::AtMost => order() == Some(Ordering::Less) || is_equal(left, right),
        Comparison::More => order() == Some(Ordering::Greater),
        Comparison::AtLeast => order() == Some(Ordering::Greater) || is_equal(left, right),
        Comparison::In => match (left, right) {
            (left, Value::Array(items)) => items.iter().any(|item| is_equal(left, item)),
            (Value::String(part), Value::String(text)) => text.contains(part.as_str()),
            _ => false,
        },
    }
}

/// Equality as in JSON, where 1 and 1.0 are the same number. To serde_json they differ.
fn is_equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(_), Value::Number(_)) => {
            left == right || order(left, right) == Some(Ordering::Equal)
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| is_equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let member = |(key, value): (&String, &Value)| {
                right.get(key).is_some_and(|other| is_equal(value, other))
            };
            left.len() == right.len() && left.iter().all(member)
        }
        _ => left == right,
    }
}

/// Numbers are ordered among numbers, strings among strings; everything else is unordered.
fn order(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
        },
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Scope, evaluate, fill, is_truthy};
    use crate::spec::workflow_spec::tests::STEP;
    use crate::spec::workflow_spec::{Comparison, Expression, StepSpec, Template};
    use crate::workflow::run_report::StepReport;

    const PLAN: StepSpec = StepSpec { id: "plan", ..STEP };
    const SCORE: Expression = Expression::Path(&["steps", "plan", "output", "scores", "1"]);
    const STATUS: Expression = Expression::Path(&["steps", "plan", "status"]);
    const NOWHERE: Expression = Expression::Path(&["steps", "other", "output", "x"]);

    #[test]
    fn every_expression_has_a_value() {
        let input = json!({"tags": ["a", 2.0], "text": "some words"});
        let mut step = StepReport::pending(&PLAN);
        step.output = json!({"scores": [3, 7]});
        let steps = [step];
        let scope = Scope::of(&input, &steps);
        let compared = |comparison, left, right| {
            is_truthy(&Expression::Compare(comparison, left, right), scope)
        };
        assert_eq!(*evaluate(&SCORE, scope), 7);
        assert_eq!(*evaluate(&STATUS, scope), "pending");
        for path in [
            &["steps", "plan", "output", "scores", "9"] as &[&str],
            &["steps", "plan", "output", "scores", "1", "x"],
            &["steps", "plan", "nothing"],
            &["steps"],
            &["weather"],
            &[],
        ] {
            let path = Expression::Path(Box::leak(path.to_vec().into_boxed_slice()));
            assert_eq!(*evaluate(&path, scope), json!(null));
        }
        assert!(compared(
            Comparison::Equal,
            &SCORE,
            &Expression::Number(7.0)
        ));
        assert!(compared(
            Comparison::AtLeast,
            &SCORE,
            &Expression::Number(7.0)
        ));
        assert!(compared(Comparison::More, &SCORE, &Expression::Number(6.5)));
        assert!(!compared(Comparison::Less, &SCORE, &Expression::Text("8")));
        assert!(!compared(Comparison::More, &SCORE, &Expression::Text("6")));
        assert!(compared(
            Comparison::NotEqual,
            &SCORE,
            &Expression::Text("7")
        ));
        assert!(!compared(
            Comparison::Less,
            &NOWHERE,
            &Expression::Number(1.0)
        ));
        let tags = Expression::Path(&["input", "tags"]);
        let text = Expression::Path(&["input", "text"]);
        assert!(compared(
            Comparison::In,
            &Expression::Number(2.0),
            Box::leak(Box::new(tags))
        ));
        assert!(compared(
            Comparison::In,
            &Expression::Text("word"),
            Box::leak(Box::new(text))
        ));
        assert!(!compared(Comparison::In, &Expression::Text("7"), &SCORE));
        assert!(is_truthy(&Expression::Not(&NOWHERE), scope));
        assert!(!is_truthy(&Expression::All(&[STATUS, NOWHERE]), scope));
        assert!(is_truthy(&Expression::Any(&[NOWHERE, STATUS]), scope));
    }

    #[test]
    fn a_template_keeps_what_stands_in_it_and_fills_its_holes() {
        let input = json!({"title": "A \"b\""});
        let steps = [StepReport::pending(&PLAN)];
        let scope = Scope::of(&input, &steps);
        let title = Template::Value(Expression::Path(&["input", "title"]));
        let template = Template::Object(&[
            ("count", Template::Value(Expression::Number(3.0))),
            ("fixed", Template::Json(r#"{"a":[1.5]}"#)),
            (
                "list",
                Template::List(&[Template::Value(NOWHERE), Template::Value(STATUS)]),
            ),
            (
                "text",
                Template::Text(&[
                    Template::Json("\"On \""),
                    Template::Value(Expression::Path(&["input", "title"])),
                    Template::Json("\": \""),
                    Template::Value(Expression::Path(&["input"])),
                ]),
            ),
        ]);
        assert_eq!(fill(&title, scope), "A \"b\"");
        let expected = json!({
            "count": 3,
            "fixed": {"a": [1.5]},
            "list": [null, "pending"],
            "text": "On A \"b\": {\"title\":\"A \\\"b\\\"\"}",
        });
        assert_eq!(fill(&template, scope), expected);
    }
}
