//! `anyOf` and `oneOf`: which branch a value was meant for, so that only its violations are reported.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::compiler::rules::{Node, NodeId, Rules, Type, choices_detail, types_detail};
use crate::evaluator::Evaluator;
use crate::evaluator::equality::equal;
use crate::validator::Validator;

impl<'s> Evaluator<'s> {
    pub(crate) fn check_any_of(
        &mut self,
        branches: &'s [NodeId],
        value: &Value,
        v: &mut Validator,
    ) {
        if v.is_full() || branches.iter().any(|id| self.accepts(*id, value)) {
            return;
        }
        self.explain(branches, value, v, || {
            format!(
                "must match at least one of the {} schemas under `anyOf`, and matches none",
                branches.len()
            )
        });
    }

    pub(crate) fn check_one_of(
        &mut self,
        branches: &'s [NodeId],
        value: &Value,
        v: &mut Validator,
    ) {
        if v.is_full() {
            return;
        }
        let numbers: Vec<usize> = (1..)
            .zip(branches)
            .filter(|(_, id)| self.accepts(**id, value))
            .map(|(number, _)| number)
            .take(if v.is_quick() { 2 } else { usize::MAX })
            .collect();
        let total = branches.len();
        match numbers[..] {
            [_] => {}
            [] => self.explain(branches, value, v, || {
                format!("must match exactly one of the {total} schemas under `oneOf`, and matches none")
            }),
            _ => v.fail_with(|| {
                let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
                let numbers = numbers.join(" and ");
                format!(
                    "must match exactly one of the {total} schemas under `oneOf`, and matches numbers {numbers}"
                )
            }),
        }
    }

    /// Reports why no branch accepts `value`: what the branch says that `value` was meant for, if that is clear, or
    /// else `summary`.
    fn explain(
        &mut self,
        branches: &[NodeId],
        value: &Value,
        v: &mut Validator,
        summary: impl FnOnce() -> String,
    ) {
        if v.is_quick() {
            return v.fail_with(summary);
        }
        let fitting: Vec<NodeId> = branches
            .iter()
            .copied()
            .filter(|id| self.accepts_type(*id, value))
            .collect();
        if let [only] = fitting[..] {
            return self.check(only, value, v);
        }
        if fitting.is_empty() {
            return v.fail_with(|| self.types_detail(branches).unwrap_or_else(summary));
        }
        if self.choices_only(&fitting) {
            let choices = fitting.iter().filter_map(|id| self.choices(*id));
            return v.fail_with(|| choices_detail(choices.flatten()));
        }
        let Some(tag) = self.tag(&fitting) else {
            return v.fail_with(summary);
        };
        let Some(given) = value.get(tag) else {
            return v.at(tag, |v| v.fail("is required"));
        };
        let selected = fitting.iter().find(|id| {
            let mut choices = self.tag_choices(**id, tag).into_iter().flatten();
            choices.any(|choice| equal(choice, given))
        });
        match selected {
            Some(id) => self.check(*id, value, v),
            None => {
                let choices = fitting.iter().filter_map(|id| self.tag_choices(*id, tag));
                v.at(tag, |v| v.fail_with(|| choices_detail(choices.flatten())));
            }
        }
    }

    /// The keywords of a branch: its own, and those of what it refers to.
    fn branch_rules(&self, id: NodeId) -> Vec<&'s Rules> {
        let mut found = Vec::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            if let Node::Rules(rules) = &self.nodes[id.0] {
                open.extend(&rules.references);
                found.push(&**rules);
            }
        }
        found
    }

    fn accepts_type(&self, id: NodeId, value: &Value) -> bool {
        !matches!(self.nodes[id.0], Node::Nothing)
            && self.branch_rules(id).iter().all(|rules| {
                let types = rules.types.as_ref();
                types.is_none_or(|types| types.iter().any(|one| one.accepts(value)))
            })
    }

    /// `must be a string or null`, where every branch names its types.
    fn types_detail(&self, branches: &[NodeId]) -> Option<String> {
        let mut all: Vec<Type> = Vec::new();
        for id in branches {
            let rules = self.branch_rules(*id);
            for one in rules.iter().find_map(|rules| rules.types.as_ref())? {
                if !all.contains(one) {
                    all.push(*one);
                }
            }
        }
        Some(types_detail(&all))
    }

    fn choices(&self, id: NodeId) -> Option<&'s [Value]> {
        self.branch_rules(id)
            .into_iter()
            .find_map(|rules| rules.choices.as_ref())
            .map(|choices| choices.values.as_slice())
    }

    fn choices_only(&self, branches: &[NodeId]) -> bool {
        branches.iter().all(|id| self.choices(*id).is_some())
    }

    /// The property whose `const` or `enum` tells the branches apart: every branch has one, and no value is in two.
    fn tag(&self, branches: &[NodeId]) -> Option<&'s str> {
        let [first, ..] = branches else {
            return None;
        };
        let names = self
            .branch_rules(*first)
            .into_iter()
            .flat_map(|rules| rules.object.properties.keys());
        names
            .map(String::as_str)
            .find(|name| self.is_tag(branches, name))
    }

    fn is_tag(&self, branches: &[NodeId], name: &str) -> bool {
        let mut all = BTreeSet::new();
        branches.iter().all(|id| {
            let choices = self.tag_choices(*id, name);
            choices.is_some_and(|mut choices| choices.all(|choice| all.insert(choice.to_string())))
        })
    }

    /// The values that a branch allows for its property `name`, if it lists them.
    fn tag_choices(&self, id: NodeId, name: &str) -> Option<std::slice::Iter<'s, Value>> {
        let property = self
            .branch_rules(id)
            .into_iter()
            .find_map(|rules| rules.object.properties.get(name))?;
        self.choices(*property).map(<[Value]>::iter)
    }
}
