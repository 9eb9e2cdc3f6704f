//! Equality of JSON values: numbers by their value, objects whatever the order of their members.

use std::cmp::Ordering;

use serde_json::Value;

use crate::evaluator::numbers::ExactNumber;

/// Whether JSON Schema takes both for the same value: `1` equals `1.0`, and the order of members does not matter.
#[must_use]
pub fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            ExactNumber::from(left) == ExactNumber::from(right)
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, left)| right.get(key).is_some_and(|right| equal(left, right)))
        }
        _ => left == right,
    }
}

/// The index of every item that equals an earlier one, in ascending order. The items are sorted, so a long list
/// takes `n log n` comparisons.
pub(crate) fn repeated_items<'v>(items: impl IntoIterator<Item = &'v Value>) -> Vec<usize> {
    let mut sorted: Vec<(Canonical<'v>, usize)> = items
        .into_iter()
        .enumerate()
        .map(|(index, item)| (Canonical::from(item), index))
        .collect();
    sorted.sort_unstable();
    let mut repeated: Vec<usize> = sorted
        .windows(2)
        .filter(|pair| pair[0].0.cmp(&pair[1].0) == Ordering::Equal)
        .map(|pair| pair[1].1)
        .collect();
    repeated.sort_unstable();
    repeated
}

/// A value in the one form in which equal values look the same, so that it can be sorted.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Canonical<'v> {
    Null,
    Boolean(bool),
    Number(ExactNumber),
    String(&'v str),
    Array(Vec<Canonical<'v>>),
    /// The members, sorted by their names.
    Object(Vec<(&'v str, Canonical<'v>)>),
}

impl<'v> From<&'v Value> for Canonical<'v> {
    fn from(value: &'v Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(boolean) => Self::Boolean(*boolean),
            Value::Number(number) => Self::Number(number.into()),
            Value::String(text) => Self::String(text),
            Value::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            Value::Object(fields) => {
                let mut members: Vec<_> = fields
                    .iter()
                    .map(|(key, value)| (key.as_str(), Self::from(value)))
                    .collect();
                members.sort_unstable_by_key(|(key, _)| *key);
                Self::Object(members)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equality_is_by_value() {
        let same = [
            (json!(1), json!(1.0)),
            (json!({ "a": 1, "b": [2] }), json!({ "b": [2.0], "a": 1 })),
        ];
        for (left, right) in &same {
            assert!(equal(left, right));
            assert_eq!(repeated_items([left, right]), [1]);
        }
        let different = [
            (json!(1), json!(true)),
            (json!(0), json!(false)),
            (json!("1"), json!(1)),
            (json!([1]), json!([1, 1])),
            (json!({ "a": null }), json!({})),
            (json!(u64::MAX), json!(u64::MAX - 1)),
        ];
        for (left, right) in &different {
            assert!(!equal(left, right));
            assert_eq!(repeated_items([left, right]), [0_usize; 0]);
        }
    }

    #[test]
    fn every_repeated_item_is_found() {
        let items = [json!("b"), json!("a"), json!("b"), json!("a"), json!("b")];
        assert_eq!(repeated_items(&items), [2, 3, 4]);
    }
}
