//! Checks a value against what its JSON Schema demands beyond its type.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use regex_lite::Regex;
use serde::{Deserialize, Serialize};

use crate::schema::formats::{Date, DateTime, Format, Uuid};

/// Untyped JSON.
pub type JsonValue = serde_json::Value;

/// The most violations that one answer lists.
const MOST_VIOLATIONS: usize = 100;
/// The longest list whose items are compared with each other.
const MOST_COMPARED: usize = 10_000;

/// A value that knows its own constraints.
pub trait Validate {
    /// Tells `validator` everything that is wrong.
    fn validate(&self, validator: &mut Validator);
}

/// One thing that is wrong with a JSON document, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// What is wrong.
    pub detail: String,
    /// Where: a JSON Pointer (RFC 6901).
    pub pointer: String,
}

/// Checks `value`.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(value: &impl Validate) -> Result<(), Vec<Violation>> {
    let mut validator = Validator::default();
    value.validate(&mut validator);
    let violations = validator.into_violations();
    if violations.is_empty() {
        Ok(())
    } else {
        Err(violations)
    }
}

/// Gathers violations while a value is walked through.
#[derive(Debug, Default)]
pub struct Validator {
    pointer: String,
    violations: Vec<Violation>,
}

/// Limits of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds<T> {
    /// The least it may be.
    pub minimum: Option<T>,
    /// The most it may be.
    pub maximum: Option<T>,
    /// What it must be more than.
    pub exclusive_minimum: Option<T>,
    /// What it must be less than.
    pub exclusive_maximum: Option<T>,
    /// What it must be a multiple of.
    pub multiple_of: Option<T>,
}

/// Limits of a whole number.
pub type IntegerBounds = Bounds<i64>;
/// Limits of a number that may have a fraction.
pub type NumberBounds = Bounds<f64>;

impl<T> Bounds<T> {
    /// No limits.
    pub const NONE: Self = Self {
        minimum: None,
        maximum: None,
        exclusive_minimum: None,
        exclusive_maximum: None,
        multiple_of: None,
    };
}

impl Validator {
    /// What was found, in the order in which it was found.
    #[must_use]
    pub fn into_violations(self) -> Vec<Violation> {
        self.violations
    }

    /// Checks what is under `key` of an object.
    pub fn at(&mut self, key: &str, check: impl FnOnce(&mut Self)) {
        let length = self.pointer.len();
        push_key(&mut self.pointer, key);
        check(self);
        self.pointer.truncate(length);
    }

    /// Checks what is at `index` of an array.
    pub fn index(&mut self, index: usize, check: impl FnOnce(&mut Self)) {
        self.at(&index.to_string(), check);
    }

    /// Says that something is wrong here: a constraint that has no method of its own.
    pub fn fail(&mut self, detail: impl Into<String>) {
        if self.violations.len() < MOST_VIOLATIONS {
            self.violations.push(Violation {
                detail: detail.into(),
                pointer: self.pointer.clone(),
            });
        }
    }

    /// Checks how many characters a text has.
    pub fn length(&mut self, text: &str, min: Option<u64>, max: Option<u64>) {
        self.count(text.chars().count(), min, max, "character");
    }

    /// Checks how many items a list has.
    pub fn items(&mut self, len: usize, min: Option<u64>, max: Option<u64>) {
        self.count(len, min, max, "item");
    }

    /// Checks how many properties an object has.
    pub fn properties(&mut self, len: usize, min: Option<u64>, max: Option<u64>) {
        self.count(len, min, max, "property");
    }

    /// Checks that a text holds a match of `pattern` (a pattern that can't be compiled matches nothing).
    pub fn pattern(&mut self, text: &str, pattern: &'static str) {
        if !compiled(pattern).is_some_and(|regex| regex.is_match(text)) {
            self.fail(format!("does not match the pattern {pattern}"));
        }
    }

    /// Checks that a text has a format.
    pub fn format(&mut self, text: &str, format: Format) {
        if !format.fits(text) {
            self.fail(format!("is not a valid {}", format.as_str()));
        }
    }

    /// Checks the limits of a whole number.
    pub fn integer(&mut self, value: i64, bounds: IntegerBounds) {
        self.bounds(
            value,
            [
                bounds.minimum,
                bounds.maximum,
                bounds.exclusive_minimum,
                bounds.exclusive_maximum,
            ],
        );
        if let Some(step) = bounds.multiple_of
            && value.checked_rem(step).is_some_and(|rest| rest != 0)
        {
            self.fail(format!("is not a multiple of {step}"));
        }
    }

    /// Checks the limits of a number.
    pub fn number(&mut self, value: f64, bounds: NumberBounds) {
        self.bounds(
            value,
            [
                bounds.minimum,
                bounds.maximum,
                bounds.exclusive_minimum,
                bounds.exclusive_maximum,
            ],
        );
        if let Some(step) = bounds.multiple_of
            && !is_multiple(value, step)
        {
            self.fail(format!("is not a multiple of {step}"));
        }
    }

    /// Checks that no two items are equal. Of more than 10,000 items this is not tried, and is a violation:
    /// every item is compared with every other.
    pub fn unique<T: PartialEq>(&mut self, items: &[T]) {
        if items.len() > MOST_COMPARED {
            self.fail(format!(
                "has more than {MOST_COMPARED} items that would have to differ"
            ));
            return;
        }
        let twin = items
            .iter()
            .enumerate()
            .find(|(index, item)| items[..*index].contains(item));
        if let Some((index, _)) = twin {
            self.index(index, |v| v.fail("is there twice"));
        }
    }

    fn count(&mut self, count: usize, min: Option<u64>, max: Option<u64>, what: &str) {
        let count = count as u64;
        if let Some(min) = min.filter(|min| count < *min) {
            self.fail(format!(
                "has {count}, and must have at least {}",
                amount(min, what)
            ));
        }
        if let Some(max) = max.filter(|max| count > *max) {
            self.fail(format!(
                "has {count}, and must have at most {}",
                amount(max, what)
            ));
        }
    }

    fn bounds<T: PartialOrd + std::fmt::Display>(&mut self, value: T, bounds: [Option<T>; 4]) {
        let [minimum, maximum, above, below] = bounds;
        if let Some(minimum) = minimum.filter(|minimum| value < *minimum) {
            self.fail(format!("must be at least {minimum}"));
        }
        if let Some(maximum) = maximum.filter(|maximum| value > *maximum) {
            self.fail(format!("must be at most {maximum}"));
        }
        if let Some(above) = above.filter(|above| value <= *above) {
            self.fail(format!("must be more than {above}"));
        }
        if let Some(below) = below.filter(|below| value >= *below) {
            self.fail(format!("must be less than {below}"));
        }
    }
}

/// Appends `key` to a JSON Pointer, escaped.
pub(crate) fn push_key(pointer: &mut String, key: &str) {
    pointer.push('/');
    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
}

fn amount(count: u64, what: &str) -> String {
    match (count, what) {
        (1, _) => format!("1 {what}"),
        (_, "property") => format!("{count} properties"),
        _ => format!("{count} {what}s"),
    }
}

/// A quotient of floats is seldom whole to the last bit, so a few of these bits are forgiven.
fn is_multiple(value: f64, step: f64) -> bool {
    let quotient = value / step;
    let distance = (quotient - quotient.round()).abs();
    step == 0.0 || distance <= quotient.abs() * f64::EPSILON * 4.0
}

fn compiled(pattern: &'static str) -> Option<Arc<Regex>> {
    static CACHE: Mutex<BTreeMap<&'static str, Option<Arc<Regex>>>> = Mutex::new(BTreeMap::new());
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    cache
        .entry(pattern)
        .or_insert_with(|| {
            let regex = Regex::new(pattern);
            if let Err(error) = &regex {
                tracing::error!(pattern, %error, "a pattern of a schema can't be compiled");
            }
            regex.ok().map(Arc::new)
        })
        .clone()
}

macro_rules! nothing_to_check {
    ($($type:ty),*) => {
        $(impl Validate for $type {
            fn validate(&self, _: &mut Validator) {}
        })*
    };
}

nothing_to_check!(
    (),
    String,
    bool,
    i32,
    i64,
    u32,
    u64,
    f32,
    f64,
    JsonValue,
    DateTime,
    Date,
    Uuid
);

impl<T: Validate> Validate for Option<T> {
    fn validate(&self, validator: &mut Validator) {
        if let Some(value) = self {
            value.validate(validator);
        }
    }
}

impl<T: Validate> Validate for Vec<T> {
    fn validate(&self, validator: &mut Validator) {
        for (index, value) in self.iter().enumerate() {
            validator.index(index, |v| value.validate(v));
        }
    }
}

impl<T: Validate + ?Sized> Validate for Box<T> {
    fn validate(&self, validator: &mut Validator) {
        (**self).validate(validator);
    }
}

impl<T: Validate> Validate for BTreeMap<String, T> {
    fn validate(&self, validator: &mut Validator) {
        for (key, value) in self {
            validator.at(key, |v| value.validate(v));
        }
    }
}
