//! What a step is told of the run so far: conditions, and requests with holes. Both are total: there is always a value.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::spec::workflow_spec::{Comparison, Expression, Template};
use crate::workflow::run_report::StepReport;

/// The numbers up to here are whole, and have no other numbers beside them: 2 to the power of 53.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// What is known when a step is about to begin.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    /// What the run was given.
    pub(crate) input: &'a Value,
    /// Its steps.
    pub(crate) steps: &'a [StepReport],
}

/// What `expression` comes to.
pub(crate) fn value<'a>(expression: &Expression, known: Known<'a>) -> Cow<'a, Value> {
    let owned = match expression {
        Expression::Null => Value::Null,
        Expression::Boolean(boolean) => Value::from(*boolean),
        Expression::Number(number) => written(*number),
        Expression::Text(text) => Value::from(*text),
        Expression::Path(path) => return at(path, known),
        Expression::Not(inner) => Value::from(!holds(inner, known)),
        Expression::All(parts) => Value::from(parts.iter().all(|part| holds(part, known))),
        Expression::Any(parts) => Value::from(parts.iter().any(|part| holds(part, known))),
        Expression::Compare(comparison, left, right) => {
            let (left, right) = (value(left, known), value(right, known));
            Value::from(compare(*comparison, &left, &right))
        }
    };
    Cow::Owned(owned)
}

/// Whether `expression` comes to something: neither false nor null nor empty.
pub(crate) fn holds(expression: &Expression, known: Known<'_>) -> bool {
    match &*value(expression, known) {
        Value::Null => false,
        Value::Bool(boolean) => *boolean,
        Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

/// `template` with its holes filled.
pub(crate) fn filled(template: &Template, known: Known<'_>) -> Value {
    match template {
        Template::Json(text) => serde_json::from_str(text).unwrap_or_default(),
        Template::Value(expression) => value(expression, known).into_owned(),
        Template::Text(pieces) => {
            let pieces = pieces.iter().map(|piece| spoken(&filled(piece, known)));
            Value::String(pieces.collect())
        }
        Template::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, field)| ((*key).to_owned(), filled(field, known)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Template::List(items) => items.iter().map(|item| filled(item, known)).collect(),
    }
}

/// A value as a text: itself if it is one, its JSON if not.
pub(crate) fn spoken(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

fn at<'a>(path: &[&str], known: Known<'a>) -> Cow<'a, Value> {
    let step = |id: &str| known.steps.iter().find(|step| step.step == id);
    let found = match path {
        ["input", members @ ..] => inside(known.input, members),
        ["steps", id, "output", members @ ..] => {
            step(id).and_then(|step| inside(&step.output, members))
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

fn inside<'a>(value: &'a Value, members: &[&str]) -> Option<&'a Value> {
    members.iter().try_fold(value, |value, member| match value {
        Value::Object(fields) => fields.get(*member),
        Value::Array(items) => member
            .parse()
            .ok()
            .and_then(|index: usize| items.get(index)),
        _ => None,
    })
}

/// Whole numbers have no fraction, so that they fit where an integer is asked for.
fn written(number: f64) -> Value {
    match number.fract() == 0.0 && number.abs() <= LARGEST_EXACT {
        true => Value::from(number as i64),
        false => Value::from(number),
    }
}

fn compare(comparison: Comparison, left: &Value, right: &Value) -> bool {
    let order = || order(left, right);
    match comparison {
        Comparison::Equal => same(left, right),
        Comparison::NotEqual => !same(left, right),
        Comparison::Less => order() == Some(Ordering::Less),
        Comparison::AtMost => order() == Some(Ordering::Less) || same(left, right),
        Comparison::More => order() == Some(Ordering::Greater),
        Comparison::AtLeast => order() == Some(Ordering::Greater) || same(left, right),
        Comparison::In => match (left, right) {
            (left, Value::Array(items)) => items.iter().any(|item| same(left, item)),
            (Value::String(part), Value::String(text)) => text.contains(part.as_str()),
            _ => false,
        },
    }
}

/// To serde_json 1 and 1.0 are two numbers; to JSON they are one.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(_), Value::Number(_)) => {
            left == right || order(left, right) == Some(Ordering::Equal)
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let member = |(key, value): (&String, &Value)| {
                right.get(key).is_some_and(|other| same(value, other))
            };
            left.len() == right.len() && left.iter().all(member)
        }
        _ => left == right,
    }
}

/// Numbers and texts have an order, each among themselves.
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

    use super::{Known, filled, holds, value};
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
        let known = Known {
            input: &input,
            steps: &steps,
        };
        let compared =
            |comparison, left, right| holds(&Expression::Compare(comparison, left, right), known);
        assert_eq!(*value(&SCORE, known), 7);
        assert_eq!(*value(&STATUS, known), "pending");
        for path in [
            &["steps", "plan", "output", "scores", "9"] as &[&str],
            &["steps", "plan", "output", "scores", "1", "x"],
            &["steps", "plan", "nothing"],
            &["steps"],
            &["weather"],
            &[],
        ] {
            let path = Expression::Path(Box::leak(path.to_vec().into_boxed_slice()));
            assert_eq!(*value(&path, known), json!(null));
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
        assert!(holds(&Expression::Not(&NOWHERE), known));
        assert!(!holds(&Expression::All(&[STATUS, NOWHERE]), known));
        assert!(holds(&Expression::Any(&[NOWHERE, STATUS]), known));
    }

    #[test]
    fn a_template_keeps_what_stands_in_it_and_fills_its_holes() {
        let input = json!({"title": "A \"b\""});
        let steps = [StepReport::pending(&PLAN)];
        let known = Known {
            input: &input,
            steps: &steps,
        };
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
        assert_eq!(filled(&title, known), "A \"b\"");
        let expected = json!({
            "count": 3,
            "fixed": {"a": [1.5]},
            "list": [null, "pending"],
            "text": "On A \"b\": {\"title\":\"A \\\"b\\\"\"}",
        });
        assert_eq!(filled(&template, known), expected);
    }
}
