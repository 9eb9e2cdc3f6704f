//! `unevaluatedProperties` and `unevaluatedItems`: what no other schema that accepts the value has looked at.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::compiler::rules::{Node, NodeId, Rules};
use crate::evaluator::Evaluator;
use crate::validator::Validator;

impl<'s> Evaluator<'s> {
    pub(crate) fn check_unevaluated_fields(
        &mut self,
        rules: &'s Rules,
        value: &Value,
        fields: &Map<String, Value>,
        v: &mut Validator,
    ) {
        let Some(id) = rules.object.unevaluated.filter(|_| !v.is_full()) else {
            return;
        };
        let mut rest: BTreeSet<&str> = fields.keys().map(String::as_str).collect();
        self.remove_evaluated_fields(rules, value, &mut rest);
        for (name, field) in fields
            .iter()
            .filter(|(name, _)| rest.contains(name.as_str()))
        {
            v.at(name, |v| self.check_extra(id, field, v));
        }
    }

    /// Removes from `rest` the names that `rules` look at, without their `unevaluatedProperties`.
    fn remove_evaluated_fields(
        &mut self,
        rules: &'s Rules,
        value: &Value,
        rest: &mut BTreeSet<&str>,
    ) {
        let object = &rules.object;
        if object.additional.is_some() {
            rest.clear();
        }
        rest.retain(|name| {
            let is_matched = || {
                object
                    .patterns
                    .iter()
                    .any(|(pattern, _)| pattern.is_match(name))
            };
            !object.properties.contains_key(*name) && !is_matched()
        });
        for inner in self.applied(rules, value) {
            if rest.is_empty() {
                return;
            }
            if inner.object.unevaluated.is_some() {
                rest.clear();
            }
            self.remove_evaluated_fields(inner, value, rest);
        }
    }

    pub(crate) fn check_unevaluated_items(
        &mut self,
        rules: &'s Rules,
        value: &Value,
        items: &[Value],
        v: &mut Validator,
    ) {
        let Some(id) = rules.array.unevaluated.filter(|_| !v.is_full()) else {
            return;
        };
        let mut rest: BTreeSet<usize> = (0..items.len()).collect();
        self.remove_evaluated_items(rules, value, items, &mut rest);
        for index in rest {
            v.index(index, |v| self.check(id, &items[index], v));
        }
    }

    /// Removes from `rest` the indexes that `rules` look at, without their `unevaluatedItems`.
    fn remove_evaluated_items(
        &mut self,
        rules: &'s Rules,
        value: &Value,
        items: &[Value],
        rest: &mut BTreeSet<usize>,
    ) {
        let array = &rules.array;
        if array.rest.is_some() {
            rest.clear();
        }
        rest.retain(|index| *index >= array.prefix.len());
        if let Some(contains) = &array.contains {
            rest.retain(|index| !self.accepts(contains.schema, &items[*index]));
        }
        for inner in self.applied(rules, value) {
            if rest.is_empty() {
                return;
            }
            if inner.array.unevaluated.is_some() {
                rest.clear();
            }
            self.remove_evaluated_items(inner, value, items, rest);
        }
    }

    /// The schemas that `rules` apply to the same value, and whose verdict counts. What must accept the value anyway
    /// is taken as accepting it: if it does not, the value is invalid, and one violation less is a consequence.
    fn applied(&mut self, rules: &'s Rules, value: &Value) -> Vec<&'s Rules> {
        let mut applied: Vec<NodeId> = Vec::new();
        applied.extend(rules.references.iter().chain(&rules.all_of));
        let branches = rules.any_of.iter().chain(&rules.one_of);
        applied.extend(branches.filter(|id| self.accepts(**id, value)));
        if let Some(condition) = &rules.condition {
            if self.accepts(condition.test, value) {
                applied.push(condition.test);
                applied.extend(condition.then);
            } else {
                applied.extend(condition.otherwise);
            }
        }
        let dependent = rules.object.dependent_schemas.iter();
        let dependent = dependent.filter(|(name, _)| value.get(name.as_str()).is_some());
        applied.extend(dependent.map(|(_, id)| *id));
        let nodes = self.nodes;
        applied
            .into_iter()
            .filter_map(|id| match &nodes[id.0] {
                Node::Rules(rules) => Some(&**rules),
                Node::Everything | Node::Nothing => None,
            })
            .collect()
    }
}
