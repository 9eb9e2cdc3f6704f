//! Collects violations. Compiled schemas and generated types report here, so both use the same words.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::JsonValue;
use crate::compiler::pattern::Pattern;
use crate::evaluator::equality::repeated_items;
use crate::evaluator::numbers::ExactNumber;
use crate::formats::Format;
use crate::formats::date_time::{Date, DateTime};
use crate::formats::uuid::Uuid;

/// The most violations that one check reports.
const MAX_VIOLATIONS: usize = 100;
/// When they have so many bytes, no further one is stored: each quotes where it is, and a name of a property may be as long as the value.
const MAX_BYTES: usize = 64 * 1024;

/// A value that checks its own constraints.
pub trait Validate {
    /// Reports everything that is wrong to `validator`.
    fn validate(&self, validator: &mut Validator);
}

/// One thing that is wrong with a JSON document, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schemars",
    derive(schemars::JsonSchema),
    schemars(
        rename = "ProblemError",
        example = serde_json::json!({ "detail": "must not be empty", "pointer": "/input" })
    )
)]
pub struct Violation {
    /// What is wrong.
    pub detail: String,
    /// Where: a JSON Pointer (RFC 6901).
    #[cfg_attr(feature = "schemars", schemars(extend("format" = "json-pointer")))]
    pub pointer: String,
}

impl fmt::Display for Violation {
    /// `/age: must be at least 0`; without a pointer where the whole document is wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            f.write_str(&self.detail)
        } else {
            write!(f, "{}: {}", self.pointer, self.detail)
        }
    }
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

/// Collects violations while a value is visited; it keeps the JSON Pointer of the current place.
#[derive(Debug)]
pub struct Validator {
    pointer: String,
    violations: Vec<Violation>,
    /// How many violations are stored; the others are only counted as a failure.
    limit: usize,
    /// How long the stored ones are.
    bytes: usize,
    has_failed: bool,
}

impl Default for Validator {
    fn default() -> Self {
        Self {
            pointer: String::new(),
            violations: Vec::new(),
            limit: MAX_VIOLATIONS,
            bytes: 0,
            has_failed: false,
        }
    }
}

/// Limits of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// Limits of an integer.
pub type IntegerBounds = Bounds<i64>;
/// Limits of an integer without a sign.
pub type UnsignedBounds = Bounds<u64>;
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

    fn map<U>(self, convert: impl Fn(T) -> U) -> Bounds<U> {
        Bounds {
            minimum: self.minimum.map(&convert),
            maximum: self.maximum.map(&convert),
            exclusive_minimum: self.exclusive_minimum.map(&convert),
            exclusive_maximum: self.exclusive_maximum.map(&convert),
            multiple_of: self.multiple_of.map(&convert),
        }
    }
}

impl<T> Default for Bounds<T> {
    fn default() -> Self {
        Self::NONE
    }
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
        if self.limit > 0 {
            push_key(&mut self.pointer, key);
        }
        check(self);
        self.pointer.truncate(length);
    }

    /// Checks what is at `index` of an array.
    pub fn index(&mut self, index: usize, check: impl FnOnce(&mut Self)) {
        if self.limit > 0 {
            self.at(&index.to_string(), check);
        } else {
            check(self);
        }
    }

    /// Reports that something is wrong here: a constraint that has no method of its own.
    pub fn fail(&mut self, detail: impl Into<String>) {
        self.fail_with(|| detail.into());
    }

    /// Checks how many characters a text has.
    pub fn length(&mut self, text: &str, min: Option<u64>, max: Option<u64>) {
        if min.is_some() || max.is_some() {
            self.count(text.chars().count(), min, max, "character");
        }
    }

    /// Checks how many items a list has.
    pub fn items(&mut self, len: usize, min: Option<u64>, max: Option<u64>) {
        self.count(len, min, max, "item");
    }

    /// Checks how many properties an object has.
    pub fn properties(&mut self, len: usize, min: Option<u64>, max: Option<u64>) {
        self.count(len, min, max, "property");
    }

    /// Checks that a text has a match of `pattern`; a pattern that does not compile matches nothing.
    pub fn pattern(&mut self, text: &str, pattern: &'static str) {
        if !compiled(pattern).is_some_and(|regex| regex.is_match(text)) {
            self.fail_pattern(pattern);
        }
    }

    /// Checks that a text has a format.
    pub fn format(&mut self, text: &str, format: Format) {
        if !format.is_valid(text) {
            self.fail_with(|| format!("is not a valid {}", format.as_str()));
        }
    }

    /// Checks the limits of an integer.
    pub fn integer(&mut self, value: i64, bounds: IntegerBounds) {
        self.exact_number(value.into(), &bounds.map(ExactNumber::from));
    }

    /// Checks the limits of an integer without a sign.
    pub fn unsigned(&mut self, value: u64, bounds: UnsignedBounds) {
        self.exact_number(value.into(), &bounds.map(ExactNumber::from));
    }

    /// Checks the limits of a number.
    pub fn number(&mut self, value: f64, bounds: NumberBounds) {
        self.exact_number(value.into(), &bounds.map(ExactNumber::from));
    }

    /// Checks that no two items are equal as JSON.
    pub fn unique<T: Serialize>(&mut self, items: &[T]) {
        let items: Vec<_> = items.iter().map(serde_json::to_value).collect();
        // What can't be written as JSON was not read from JSON either, and equals nothing.
        let indexed = items.iter().enumerate();
        let written: Vec<_> = indexed
            .filter_map(|(index, item)| Some((index, item.as_ref().ok()?)))
            .collect();
        for repeated in repeated_items(written.iter().map(|(_, item)| *item)) {
            self.index(written[repeated].0, Self::fail_repeated);
        }
    }
}

/// What compiled schemas need besides.
impl Validator {
    /// One that stores nothing and builds no texts: it only knows whether anything failed.
    pub(crate) fn quick() -> Self {
        Self {
            limit: 0,
            ..Self::default()
        }
    }

    /// Reports `violation`, which was found in the value of the current place.
    pub(crate) fn fail_within(&mut self, violation: Violation) {
        let length = self.pointer.len();
        self.pointer.push_str(&violation.pointer);
        self.fail(violation.detail);
        self.pointer.truncate(length);
    }

    /// Whether only the first failure matters.
    pub(crate) fn is_quick(&self) -> bool {
        self.limit == 0
    }

    /// Whether anything was reported.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Whether further violations would change nothing.
    pub(crate) fn is_full(&self) -> bool {
        self.has_failed && self.violations.len() >= self.limit
    }

    /// Reports a violation whose text is built only where it is stored.
    pub(crate) fn fail_with(&mut self, detail: impl FnOnce() -> String) {
        self.has_failed = true;
        if self.violations.len() < self.limit {
            let violation = Violation {
                detail: detail(),
                pointer: self.pointer.clone(),
            };
            self.bytes += violation.detail.len() + violation.pointer.len();
            self.violations.push(violation);
            if self.bytes > MAX_BYTES {
                self.limit = self.violations.len();
            }
        }
    }

    pub(crate) fn fail_pattern(&mut self, pattern: &str) {
        self.fail_with(|| format!("does not match the pattern {pattern}"));
    }

    pub(crate) fn fail_repeated(&mut self) {
        self.fail("is there twice");
    }

    pub(crate) fn exact_number(&mut self, value: ExactNumber, bounds: &Bounds<ExactNumber>) {
        if let Some(minimum) = bounds.minimum.filter(|minimum| value < *minimum) {
            self.fail_with(|| format!("must be at least {minimum}"));
        }
        if let Some(maximum) = bounds.maximum.filter(|maximum| value > *maximum) {
            self.fail_with(|| format!("must be at most {maximum}"));
        }
        if let Some(above) = bounds.exclusive_minimum.filter(|above| value <= *above) {
            self.fail_with(|| format!("must be more than {above}"));
        }
        if let Some(below) = bounds.exclusive_maximum.filter(|below| value >= *below) {
            self.fail_with(|| format!("must be less than {below}"));
        }
        if let Some(step) = bounds
            .multiple_of
            .filter(|step| !value.is_multiple_of(*step))
        {
            self.fail_with(|| format!("is not a multiple of {step}"));
        }
    }

    /// Checks how many `noun` there are: a character, an item, a property.
    pub(crate) fn count(&mut self, count: usize, min: Option<u64>, max: Option<u64>, noun: &str) {
        let count = count as u64;
        if let Some(min) = min.filter(|min| count < *min) {
            self.fail_with(|| format!("has {count}, and must have at least {}", amount(min, noun)));
        }
        if let Some(max) = max.filter(|max| count > *max) {
            self.fail_with(|| format!("has {count}, and must have at most {}", amount(max, noun)));
        }
    }
}

/// Appends `key` to a JSON Pointer, escaped.
///
/// ```
/// let mut pointer = "/paths".to_owned();
/// agentgen_schema::push_key(&mut pointer, "/users");
/// assert_eq!(pointer, "/paths/~1users");
/// ```
pub fn push_key(pointer: &mut String, key: &str) {
    pointer.push('/');
    for character in key.chars() {
        match character {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            other => pointer.push(other),
        }
    }
}

fn amount(count: u64, noun: &str) -> String {
    match (count, noun) {
        (1, _) => format!("1 {noun}"),
        (_, "property") => format!("{count} properties"),
        _ => format!("{count} {noun}s"),
    }
}

/// The patterns of generated types, compiled when they are used for the first time.
fn compiled(pattern: &'static str) -> Option<Pattern> {
    static CACHE: Mutex<BTreeMap<&'static str, Option<Pattern>>> = Mutex::new(BTreeMap::new());
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    let entry = cache.entry(pattern);
    entry.or_insert_with(|| Pattern::new(pattern).ok()).clone()
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
    i8,
    i16,
    i32,
    i64,
    u8,
    u16,
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
