//! Merges the parts of `allOf` into one schema that the same values fit.
//!
//! What can't be merged exactly stays under `allOf`, and is checked beside the type.

use std::cmp::Ordering;

use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::schema::parse::definitions::kind_of;
use crate::schema::parse::keywords::{is_annotation, wrong_kind};
use crate::schema::parse::normalize::{Normalizer, entry, map, names, node, take};
use crate::yaml::node::{Entry, Node, Value};

/// Why two schemas don't become one.
enum Clash {
    /// Their keywords can't be written as one.
    Apart,
    /// No value fits both: where, and in words.
    Never(Span, String),
}

/// Keywords that belong together.
const GROUPS: [&[&str]; 2] = [
    &["if", "then", "else"],
    &["contains", "minContains", "maxContains"],
];

impl Normalizer<'_, '_> {
    /// Merges the parts of `allOf` among the keywords `own` into these.
    pub fn merge_all_of(&mut self, own: &mut Vec<Entry>, span: Span) {
        let all_of = own.iter().position(|entry| entry.key == "allOf");
        let parts = all_of.and_then(|index| own[index].value.items().map(<[Node]>::to_vec));
        if let Some(index) = all_of
            && parts.as_ref().is_none_or(Vec::is_empty)
        {
            wrong_kind(
                "allOf",
                &own[index].value,
                "a list of schemas, at least one",
                self.report,
            );
            self.good = false;
        }
        if let (Some(index), Some(parts)) = (all_of, parts.filter(|parts| !parts.is_empty())) {
            let all_of = own.remove(index);
            self.merge_parts(own, &all_of, parts, span);
        }
        settle_unevaluated(own);
    }

    fn merge_parts(&mut self, own: &mut Vec<Entry>, all_of: &Entry, parts: Vec<Node>, span: Span) {
        let says_something = |part: &Node| match &part.value {
            Value::Bool(allows) => !allows,
            Value::Map(entries) => entries.iter().any(|entry| !is_annotation(&entry.key)),
            _ => true,
        };
        let parts: Vec<Node> = parts.into_iter().filter(says_something).collect();
        let alone = own.iter().all(|entry| is_annotation(&entry.key));
        if let (
            [
                Node {
                    value: Value::Map(only),
                    ..
                },
            ],
            true,
        ) = (parts.as_slice(), alone)
        {
            for entry in only {
                if !own.iter().any(|other| other.key == entry.key) {
                    own.push(entry.clone());
                }
            }
            return;
        }
        let unevaluated = take(own, "unevaluatedProperties");
        let mut rest = Vec::new();
        for part in parts {
            match self.expanded(&part) {
                Some(keywords) => match self.merged(own, &keywords) {
                    Ok(merged) => *own = merged,
                    Err(Clash::Apart) => rest.push(part),
                    Err(Clash::Never(place, message)) => {
                        self.report
                            .error(Code::BadSchema, place, message)
                            .advise("no value fits all parts of `allOf`; change one of them");
                        self.good = false;
                    }
                },
                None => rest.push(part),
            }
        }
        own.extend(unevaluated);
        if !rest.is_empty() {
            let value = node(Value::List(rest), span);
            own.push(entry("allOf", value, all_of.key_span));
        }
    }

    /// The keywords of `part`, or of the definition that it names; none where that leads back here.
    fn expanded(&mut self, part: &Node) -> Option<Vec<Entry>> {
        let mut part = part.clone();
        for _ in 0..32 {
            let Value::Map(entries) = &part.value else {
                return None;
            };
            let reference = part.get("$ref").and_then(Node::as_str);
            let Some(name) = reference.and_then(|text| text.strip_prefix("#/$defs/")) else {
                // What an author shows of a part is no example of the whole.
                let shown =
                    |key: &str| is_annotation(key) && !matches!(key, "title" | "description");
                return Some(
                    entries
                        .iter()
                        .filter(|entry| !shown(&entry.key))
                        .cloned()
                        .collect(),
                );
            };
            part = self.definition(name)?;
        }
        None
    }

    fn merged(&mut self, left: &[Entry], right: &[Entry]) -> Result<Vec<Entry>, Clash> {
        let size = |entries: &[Entry]| {
            let parts = entries.iter().filter_map(|entry| entry.value.entries());
            entries.len() + parts.map(<[Entry]>::len).sum::<usize>()
        };
        let cost = size(left) + size(right);
        self.budget = self.budget.checked_sub(cost).ok_or(Clash::Apart)?;
        let has = |entries: &[Entry], keys: &[&str]| {
            entries
                .iter()
                .any(|entry| keys.contains(&entry.key.as_str()))
        };
        let alone = ["unevaluatedProperties", "unevaluatedItems", "$ref"];
        if has(left, &["unevaluatedItems", "$ref"]) || has(right, &alone) {
            return Err(Clash::Apart);
        }
        if GROUPS
            .iter()
            .any(|group| has(left, group) && has(right, group))
        {
            return Err(Clash::Apart);
        }
        let lists = ["items", "prefixItems"];
        let tuples = has(left, &lists[1..]) || has(right, &lists[1..]);
        if tuples && has(left, &lists) && has(right, &lists) {
            return Err(Clash::Apart);
        }
        let mut merged = self.merged_objects(left, right)?;
        for other in right {
            let key = other.key.as_str();
            if OBJECT.contains(&key) {
                continue;
            }
            let own = merged.iter_mut().find(|entry| entry.key == key);
            match own {
                None => merged.push(other.clone()),
                Some(_) if is_annotation(key) => {}
                Some(own) if own.value.to_json() == other.value.to_json() => {}
                Some(own) if key == "items" => {
                    let both = [own.value.clone(), other.value.clone()];
                    let span = own.value.span;
                    let value = self.both(both, span);
                    if let Some(own) = merged.iter_mut().find(|entry| entry.key == key) {
                        own.value = value;
                    }
                }
                Some(own) => own.value = combined(key, &own.value, &other.value, other.key_span)?,
            }
        }
        choices(merged)
    }

    /// A schema that the values fit which fit both.
    fn both(&mut self, parts: [Node; 2], span: Span) -> Node {
        let list = node(Value::List(parts.to_vec()), span);
        self.schema(&map(vec![entry("allOf", list, span)], span))
    }

    /// `left` with the properties of both: each has to fit what every side says about it.
    fn merged_objects(&mut self, left: &[Entry], right: &[Entry]) -> Result<Vec<Entry>, Clash> {
        let of =
            |entries: &[Entry], key: &str| entries.iter().find(|entry| entry.key == key).cloned();
        let patterns = (
            of(left, "patternProperties"),
            of(right, "patternProperties"),
        );
        let extra = [
            of(left, "additionalProperties"),
            of(right, "additionalProperties"),
        ];
        let restricts = |entry: &Option<Entry>| {
            entry
                .as_ref()
                .is_some_and(|entry| entry.value.value != Value::Bool(true))
        };
        match &patterns {
            (None, None) => {}
            (Some(_), Some(_)) => return Err(Clash::Apart),
            _ if extra.iter().any(restricts) => return Err(Clash::Apart),
            _ => {}
        }
        let properties = [of(left, "properties"), of(right, "properties")];
        let lists = properties.each_ref().map(|entry| {
            let entries = entry.as_ref().and_then(|entry| entry.value.entries());
            entries.map(<[Entry]>::to_vec).unwrap_or_default()
        });
        let required: Vec<String> = [left, right]
            .iter()
            .filter_map(|side| of(side, "required"))
            .flat_map(|entry| names(&entry.value))
            .collect();
        let mut fields: Vec<Entry> = Vec::new();
        for (side, list) in lists.iter().enumerate() {
            for field in list {
                if fields.iter().any(|other| other.key == field.key) {
                    continue;
                }
                let other = lists[1 - side].iter().find(|other| other.key == field.key);
                let stranger = extra[1 - side]
                    .as_ref()
                    .filter(|entry| restricts(&Some((*entry).clone())));
                let constraint = match (other, stranger) {
                    (Some(other), _) => Some(&other.value),
                    (None, Some(extra)) => Some(&extra.value),
                    (None, None) => None,
                };
                match constraint {
                    Some(Node {
                        value: Value::Bool(false),
                        span,
                    }) => {
                        let message = format!(
                            "`additionalProperties: false` in a part of `allOf` refuses the property {:?} of another",
                            field.key
                        );
                        if required.contains(&field.key) {
                            return Err(Clash::Never(*span, message));
                        }
                        self.report
                            .note(Code::OpenSchema, *span, message)
                            .advise("leave it out there, and write `unevaluatedProperties: false` beside `allOf`");
                    }
                    Some(constraint) => {
                        let both = [field.value.clone(), constraint.clone()];
                        let value = self.both(both, field.value.span);
                        fields.push(entry(&field.key, value, field.key_span));
                    }
                    None => fields.push(field.clone()),
                }
            }
        }
        let mut merged: Vec<Entry> = left
            .iter()
            .filter(|entry| !OBJECT.contains(&entry.key.as_str()))
            .cloned()
            .collect();
        if let Some(first) = properties.iter().flatten().next() {
            merged.push(entry(
                "properties",
                map(fields, first.value.span),
                first.key_span,
            ));
        }
        merged.extend(patterns.0.or(patterns.1));
        let [one, other] = extra;
        match (
            one.filter(|e| restricts(&Some(e.clone()))),
            other.filter(|e| restricts(&Some(e.clone()))),
        ) {
            (Some(one), Some(other))
                if one.value.value == Value::Bool(false)
                    || other.value.value == Value::Bool(false) =>
            {
                let value = node(Value::Bool(false), one.value.span);
                merged.push(entry("additionalProperties", value, one.key_span));
            }
            (Some(one), Some(other)) => {
                let span = one.value.span;
                let value = self.both([one.value, other.value], span);
                merged.push(entry("additionalProperties", value, one.key_span));
            }
            (Some(one), None) | (None, Some(one)) => merged.push(one),
            (None, None) => {
                let open = [left, right]
                    .iter()
                    .find_map(|side| of(side, "additionalProperties"));
                merged.extend(open);
            }
        }
        Ok(merged)
    }
}

/// The keywords that say which properties an object has.
const OBJECT: [&str; 3] = ["properties", "patternProperties", "additionalProperties"];

/// The value of `key` that says what both values say.
fn combined(key: &str, left: &Node, right: &Node, span: Span) -> Result<Node, Clash> {
    let pick = |wanted: Ordering| {
        let (Value::Number(one), Value::Number(other)) = (&left.value, &right.value) else {
            return Err(Clash::Apart);
        };
        let order = match (one.as_i64(), other.as_i64()) {
            (Some(one), Some(other)) => Some(one.cmp(&other)),
            _ => one
                .as_f64()
                .and_then(|one| one.partial_cmp(&other.as_f64()?)),
        };
        match order {
            Some(order) if order == wanted || order == Ordering::Equal => Ok(left.clone()),
            Some(_) => Ok(right.clone()),
            None => Err(Clash::Apart),
        }
    };
    match key {
        "type" => types(left, right, span),
        "required" => {
            let mut all = left.items().ok_or(Clash::Apart)?.to_vec();
            for name in right.items().ok_or(Clash::Apart)? {
                if !all.iter().any(|other| other.value == name.value) {
                    all.push(name.clone());
                }
            }
            Ok(node(Value::List(all), left.span))
        }
        "uniqueItems" => Ok(node(Value::Bool(true), left.span)),
        "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties" => {
            pick(Ordering::Greater)
        }
        "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties" => {
            pick(Ordering::Less)
        }
        "multipleOf" => {
            let of = |node: &Node| match &node.value {
                Value::Number(number) => number.as_u64().filter(|number| *number > 0),
                _ => None,
            };
            match (of(left), of(right)) {
                (Some(one), Some(other)) if one.is_multiple_of(other) => Ok(left.clone()),
                (Some(one), Some(other)) if other.is_multiple_of(one) => Ok(right.clone()),
                _ => Err(Clash::Apart),
            }
        }
        // Together with `const`, in `choices`.
        "enum" | "const" => shared(&listed(key, left), &listed(key, right), span).map(|values| {
            match (key, values.as_slice()) {
                ("const", [value]) => value.clone(),
                _ => node(Value::List(values), left.span),
            }
        }),
        _ => Err(Clash::Apart),
    }
}

fn types(left: &Node, right: &Node, span: Span) -> Result<Node, Clash> {
    let (one, other) = (names(left), names(right));
    let mut both: Vec<&str> = Vec::new();
    for name in &one {
        let name = name.as_str();
        let has = |wanted: &str| other.iter().any(|other| other == wanted);
        if has(name) || (name == "integer" && has("number")) {
            both.push(name);
        } else if name == "number" && has("integer") {
            both.push("integer");
        }
    }
    let text = |name: &&str| node(Value::String((*name).to_owned()), left.span);
    match both.as_slice() {
        [] => {
            let message = format!(
                "no value is {} and {} at once",
                one.join(" or "),
                other.join(" or ")
            );
            Err(Clash::Never(span, message))
        }
        [single] => Ok(text(single)),
        several => Ok(node(
            Value::List(several.iter().map(text).collect()),
            left.span,
        )),
    }
}

fn listed(key: &str, value: &Node) -> Vec<Node> {
    match (key, value.items()) {
        ("enum", Some(items)) => items.to_vec(),
        _ => vec![value.clone()],
    }
}

fn shared(left: &[Node], right: &[Node], span: Span) -> Result<Vec<Node>, Clash> {
    let equal = |one: &Node, other: &Node| match (&one.value, &other.value) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64() == other.as_f64()
        }
        _ => one.to_json() == other.to_json(),
    };
    let values: Vec<Node> = left
        .iter()
        .filter(|one| right.iter().any(|other| equal(one, other)))
        .cloned()
        .collect();
    match values.is_empty() {
        false => Ok(values),
        true => Err(Clash::Never(
            span,
            "no listed value is in both lists".to_owned(),
        )),
    }
}

/// `entries` with `const` and `enum` as one list.
fn choices(mut entries: Vec<Entry>) -> Result<Vec<Entry>, Clash> {
    let both = ["const", "enum"].map(|key| entries.iter().position(|entry| entry.key == key));
    if let [Some(constant), Some(list)] = both {
        let values = listed("enum", &entries[list].value);
        let place = entries[list].key_span;
        shared(
            std::slice::from_ref(&entries[constant].value),
            &values,
            place,
        )?;
        entries.remove(list);
    }
    Ok(entries)
}

/// `unevaluatedProperties` and `unevaluatedItems` are the same as `additionalProperties` and `items` where no other schema
/// speaks of the value.
fn settle_unevaluated(own: &mut Vec<Entry>) {
    let has =
        |own: &[Entry], keys: &[&str]| own.iter().any(|entry| keys.contains(&entry.key.as_str()));
    let others = [
        "$ref",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
        "dependentSchemas",
        "contains",
    ];
    if has(own, &others) {
        return;
    }
    for (wide, plain) in [
        ("unevaluatedProperties", "additionalProperties"),
        ("unevaluatedItems", "items"),
    ] {
        if let Some(mut taken) = take(own, wide)
            && !has(own, &[plain])
        {
            taken.key = plain.to_owned();
            own.push(taken);
        }
    }
}

/// Whether `value` may be of one of the types `allowed`.
pub fn is_of_type(value: &Node, allowed: &[String]) -> bool {
    let kind = kind_of(value);
    allowed
        .iter()
        .any(|name| name == kind || (name == "number" && kind == "integer"))
}
