//! Checks a value against a compiled schema.
//!
//! Invariant: a pair of subschema and value is evaluated at most once for its verdict and once for its violations, and the depth is
//! bounded, so the cost of a value is bounded too.

pub(crate) mod branches;
pub(crate) mod equality;
pub(crate) mod numbers;
pub(crate) mod unevaluated;

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use crate::compiler::rules::{
    ArrayRules, Contains, NOT_ALLOWED, Node, NodeId, ObjectRules, Rules, choices_detail,
    types_detail,
};
use crate::evaluator::equality::repeated_items;
use crate::validator::{Validator, Violation};

/// How deeply schemas may be applied within each other. A value that `serde_json` reads by default is nested up to
/// 128 levels deep; for each there is room for several schemas that apply to the same value.
const MAX_DEPTH: usize = 1024;
/// Where a property has no schema but `false`.
const UNKNOWN_PROPERTY: &str = "is not known here";

/// Whether `value` is valid under the schema `root`.
pub(crate) fn is_valid(nodes: &[Node], root: NodeId, value: &Value) -> bool {
    let mut evaluator = Evaluator::new(nodes, 0);
    evaluator.accepts(root, value) && !evaluator.is_too_deep
}

/// Everything that is wrong with `value` under the schema `root`.
pub(crate) fn violations(nodes: &[Node], root: NodeId, value: &Value) -> Vec<Violation> {
    let mut evaluator = Evaluator::new(nodes, 0);
    let mut v = Validator::default();
    if !evaluator.accepts(root, value) {
        evaluator.check(root, value, &mut v);
    }
    if evaluator.is_too_deep {
        v = Validator::default();
        v.fail("is nested too deeply");
    }
    v.into_violations()
}

pub(crate) struct Evaluator<'s> {
    pub(crate) nodes: &'s [Node],
    /// Whether a node accepts the value at an address. Every pair is evaluated once.
    verdicts: HashMap<(NodeId, usize), bool>,
    /// The pairs that were reported, so that none is reported twice.
    reported: HashSet<(NodeId, usize)>,
    depth: usize,
    is_too_deep: bool,
}

impl<'s> Evaluator<'s> {
    fn new(nodes: &'s [Node], depth: usize) -> Self {
        Self {
            nodes,
            verdicts: HashMap::new(),
            reported: HashSet::new(),
            depth,
            is_too_deep: false,
        }
    }

    /// Whether `value`, a part of the checked document, is valid under the schema `id`.
    pub(crate) fn accepts(&mut self, id: NodeId, value: &Value) -> bool {
        let key = (id, address(value));
        if let Some(verdict) = self.verdicts.get(&key) {
            return *verdict;
        }
        let mut v = Validator::quick();
        self.check(id, value, &mut v);
        self.verdicts.insert(key, !v.has_failed());
        !v.has_failed()
    }

    /// Reports what is wrong with `value` under the schema `id`.
    pub(crate) fn check(&mut self, id: NodeId, value: &Value, v: &mut Validator) {
        if v.is_full() || self.is_too_deep {
            return;
        }
        if self.depth == MAX_DEPTH {
            self.is_too_deep = true;
            return;
        }
        self.depth += 1;
        match &self.nodes[id.0] {
            Node::Everything => {}
            Node::Nothing => v.fail(NOT_ALLOWED),
            Node::Rules(rules) => self.check_rules(rules, value, v),
        }
        self.depth -= 1;
    }

    /// As [`Self::check`], for a schema that the same value may meet several times: a valid value is known by its
    /// verdict, and another one is reported once.
    fn check_once(&mut self, id: NodeId, value: &Value, v: &mut Validator) {
        if self.accepts(id, value) {
            return;
        }
        if v.is_quick() {
            v.fail(NOT_ALLOWED);
        } else if self.reported.insert((id, address(value))) {
            self.check(id, value, v);
        }
    }

    fn check_rules(&mut self, rules: &'s Rules, value: &Value, v: &mut Validator) {
        if let Some(types) = &rules.types
            && !types.iter().any(|one| one.accepts(value))
        {
            return v.fail_with(|| types_detail(types));
        }
        if let Some(choices) = &rules.choices
            && !choices.has(value)
        {
            return v.fail_with(|| choices_detail(&choices.values));
        }
        match value {
            Value::Number(number) => v.exact_number(number.into(), &rules.number),
            Value::String(text) => {
                let rules = &rules.string;
                v.length(text, rules.min_length, rules.max_length);
                if let Some(pattern) = &rules.pattern
                    && !pattern.is_match(text)
                {
                    v.fail_pattern(pattern.as_str());
                }
                if let Some(format) = rules.format {
                    v.format(text, format);
                }
            }
            Value::Array(items) => self.check_items(&rules.array, items, v),
            Value::Object(fields) => self.check_fields(&rules.object, value, fields, v),
            Value::Null | Value::Bool(_) => {}
        }
        self.check_combinations(rules, value, v);
        // What was evaluated is known only after everything else.
        match value {
            Value::Array(items) => self.check_unevaluated_items(rules, value, items, v),
            Value::Object(fields) => self.check_unevaluated_fields(rules, value, fields, v),
            _ => {}
        }
    }

    fn check_items(&mut self, rules: &'s ArrayRules, items: &[Value], v: &mut Validator) {
        v.items(items.len(), rules.min_items, rules.max_items);
        if rules.unique && !v.is_full() {
            for index in repeated_items(items) {
                v.index(index, Validator::fail_repeated);
            }
        }
        for (index, item) in items.iter().enumerate() {
            let Some(id) = rules.prefix.get(index).copied().or(rules.rest) else {
                break;
            };
            if v.is_full() {
                return;
            }
            v.index(index, |v| self.check(id, item, v));
        }
        if let Some(contains) = &rules.contains {
            self.check_contains(contains, items, v);
        }
    }

    fn check_contains(&mut self, contains: &Contains, items: &[Value], v: &mut Validator) {
        let mut count = 0;
        for item in items {
            if v.is_full() || (v.is_quick() && contains.max.is_none() && count >= contains.min) {
                break;
            }
            count += u64::from(self.accepts(contains.schema, item));
        }
        v.count(
            usize::try_from(count).unwrap_or(usize::MAX),
            Some(contains.min),
            contains.max,
            "item that `contains` describes",
        );
    }

    fn check_fields(
        &mut self,
        rules: &'s ObjectRules,
        value: &Value,
        fields: &Map<String, Value>,
        v: &mut Validator,
    ) {
        let dependent = rules.dependent_required.iter();
        let dependent = dependent.filter(|(name, _)| fields.contains_key(*name));
        let dependent = dependent.flat_map(|(_, required)| required);
        for name in rules.required.iter().chain(dependent) {
            if v.is_full() {
                return;
            }
            if !fields.contains_key(name) {
                v.at(name, |v| v.fail("is required"));
            }
        }
        v.properties(fields.len(), rules.min_properties, rules.max_properties);
        for (name, field) in fields {
            if v.is_full() {
                return;
            }
            v.at(name, |v| self.check_field(rules, name, field, v));
        }
        for (name, id) in &rules.dependent_schemas {
            if fields.contains_key(name) {
                self.check(*id, value, v);
            }
        }
    }

    fn check_field(
        &mut self,
        rules: &'s ObjectRules,
        name: &str,
        field: &Value,
        v: &mut Validator,
    ) {
        if let Some(id) = rules.names {
            self.check_name(id, name, v);
        }
        let own = rules.properties.get(name);
        if let Some(id) = own {
            self.check(*id, field, v);
        }
        let mut is_matched = own.is_some();
        for (pattern, id) in &rules.patterns {
            if pattern.is_match(name) {
                is_matched = true;
                self.check(*id, field, v);
            }
        }
        if let Some(id) = rules.additional.filter(|_| !is_matched) {
            self.check_extra(id, field, v);
        }
    }

    /// Checks a property that the schema names nowhere.
    pub(crate) fn check_extra(&mut self, id: NodeId, field: &Value, v: &mut Validator) {
        match self.nodes[id.0] {
            Node::Nothing => v.fail(UNKNOWN_PROPERTY),
            _ => self.check(id, field, v),
        }
    }

    /// Checks the name of a property. It is no part of the document, so that its address means nothing once it is
    /// checked: it has an evaluator of its own.
    fn check_name(&mut self, id: NodeId, name: &str, v: &mut Validator) {
        let name = Value::from(name);
        let mut evaluator = Evaluator::new(self.nodes, self.depth);
        if !evaluator.accepts(id, &name) {
            let mut found = Validator::default();
            evaluator.check(id, &name, &mut found);
            for violation in found.into_violations() {
                v.fail_with(|| format!("the name of this property {}", violation.detail));
            }
        }
        self.is_too_deep |= evaluator.is_too_deep;
    }

    fn check_combinations(&mut self, rules: &'s Rules, value: &Value, v: &mut Validator) {
        for id in &rules.references {
            self.check_once(*id, value, v);
        }
        for id in &rules.all_of {
            self.check(*id, value, v);
        }
        if !rules.any_of.is_empty() {
            self.check_any_of(&rules.any_of, value, v);
        }
        if !rules.one_of.is_empty() {
            self.check_one_of(&rules.one_of, value, v);
        }
        if let Some(id) = rules.not
            && !v.is_full()
            && self.accepts(id, value)
        {
            v.fail("must not match the schema under `not`");
        }
        if let Some(condition) = &rules.condition
            && !v.is_full()
        {
            let branch = if self.accepts(condition.test, value) {
                condition.then
            } else {
                condition.otherwise
            };
            if let Some(id) = branch {
                self.check(id, value, v);
            }
        }
    }
}

/// What tells apart the values of one document: it is borrowed as long as the evaluator works, so that no value moves.
fn address(value: &Value) -> usize {
    std::ptr::from_ref(value).addr()
}
