//! Finds definitions that lead back to themselves.
//!
//! Both questions are answered for all definitions at once, in a time that grows with the length of the schema: a dump of a
//! large API has thousands of definitions.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::schema::schema_type::{Object, Type, VariantContent};

/// Whether every definition, and `ty` itself, has a finite value. Those that don't are reported at
/// their `place`.
pub fn check(
    ty: &Type,
    defs: &[(String, Type)],
    place: impl Fn(&str) -> Span,
    report: &mut Report,
) -> bool {
    // Who has to be looked at again once a definition turns out to be finite.
    let mut dependents: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, (_, ty)) in defs.iter().enumerate() {
        let mut names = Vec::new();
        held(ty, true, &mut names);
        for name in names {
            dependents.entry(name).or_default().push(index);
        }
    }
    let mut finite: BTreeSet<&str> = BTreeSet::new();
    let mut pending: Vec<usize> = (0..defs.len()).rev().collect();
    while let Some((name, ty)) = pending.pop().and_then(|index| defs.get(index)) {
        if !finite.contains(name.as_str()) && is_finite(ty, &finite) {
            finite.insert(name);
            pending.extend(dependents.get(name.as_str()).into_iter().flatten());
        }
    }
    let endless = defs
        .iter()
        .filter(|(name, _)| !finite.contains(name.as_str()));
    let mut good = true;
    for (name, _) in endless {
        let message = format!("a value of the definition {name:?} never ends");
        report
            .error(Code::BadSchema, place(name), message)
            .advise("make the property that leads back to it optional, or a list");
        good = false;
    }
    good && is_finite(ty, &finite)
}

/// The groups of definitions that contain each other, directly or through others.
pub struct Cycles {
    /// The number of its group, for each definition.
    groups: BTreeMap<String, usize>,
}

impl Cycles {
    /// The groups of `defs`: the strongly connected components of what contains what (Tarjan).
    pub fn of(defs: &[(String, Type)]) -> Self {
        let indices: BTreeMap<&str, usize> = defs
            .iter()
            .enumerate()
            .map(|(index, (name, _))| (name.as_str(), index))
            .collect();
        let successors: Vec<Vec<usize>> = defs
            .iter()
            .map(|(_, ty)| {
                let mut names = Vec::new();
                held(ty, false, &mut names);
                let found = names.iter().filter_map(|name| indices.get(name));
                found.copied().collect()
            })
            .collect();
        let components = components(&successors);
        let names = defs.iter().map(|(name, _)| name.clone());
        Self {
            groups: names.zip(components).collect(),
        }
    }

    /// Whether the definition `one` contains `other`, given that `other` contains `one`.
    pub fn closes(&self, one: &str, other: &str) -> bool {
        self.groups.contains_key(one) && self.groups.get(one) == self.groups.get(other)
    }
}

/// The component of each node, by number. Keeps its own stack: a chain of definitions may be long.
fn components(successors: &[Vec<usize>]) -> Vec<usize> {
    const UNSEEN: usize = usize::MAX;
    let count = successors.len();
    let (mut order, mut low) = (vec![UNSEEN; count], vec![0; count]);
    let mut component = vec![UNSEEN; count];
    let (mut seen, mut found) = (0, 0);
    let mut open: Vec<usize> = Vec::new();
    for root in 0..count {
        if order[root] != UNSEEN {
            continue;
        }
        // The nodes on the way down, each with the number of successors that were followed.
        let mut path = vec![(root, 0)];
        while let Some((node, next)) = path.pop() {
            if next == 0 {
                order[node] = seen;
                low[node] = seen;
                seen += 1;
                open.push(node);
            } else {
                low[node] = low[node].min(low[successors[node][next - 1]]);
            }
            let unseen = successors[node][next..].iter().position(|&successor| {
                if component[successor] == UNSEEN && order[successor] != UNSEEN {
                    low[node] = low[node].min(order[successor]);
                }
                order[successor] == UNSEEN
            });
            if let Some(offset) = unseen {
                path.push((node, next + offset + 1));
                path.push((successors[node][next + offset], 0));
            } else if low[node] == order[node] {
                while let Some(member) = open.pop() {
                    component[member] = found;
                    if member == node {
                        break;
                    }
                }
                found += 1;
            }
        }
    }
    component
}

/// The names of the definitions that a value of `ty` contains directly; with `behind`, also those behind a list or a map.
/// The enum of a [`Type::OneOf`] contains the fields of its objects.
fn held<'t>(ty: &'t Type, behind: bool, names: &mut Vec<&'t str>) {
    match ty {
        Type::Ref(name) => names.push(name),
        Type::Nullable(inner) => held(inner, behind, names),
        Type::Refined(refined) => held(&refined.ty, behind, names),
        Type::Tuple(items) => items.iter().for_each(|item| held(item, behind, names)),
        Type::Untagged(all) => all.iter().for_each(|one| held(&one.ty, behind, names)),
        Type::Object(object) => held_by_object(object, behind, names),
        Type::OneOf(one_of) => {
            for variant in &one_of.variants {
                match &variant.content {
                    VariantContent::Object(object) => held_by_object(object, behind, names),
                    VariantContent::Ref(name) => names.push(name),
                }
            }
        }
        Type::Array(array) if behind => held(&array.items, behind, names),
        Type::Map(map) if behind => held(&map.values, behind, names),
        _ => {}
    }
}

fn held_by_object<'t>(object: &'t Object, behind: bool, names: &mut Vec<&'t str>) {
    for field in &object.fields {
        held(&field.ty, behind, names);
    }
}

fn is_finite(ty: &Type, finite: &BTreeSet<&str>) -> bool {
    match ty {
        Type::Ref(name) => finite.contains(name.as_str()),
        Type::Array(array) => array.min_items.unwrap_or(0) == 0 || is_finite(&array.items, finite),
        Type::Map(map) => map.min_properties.unwrap_or(0) == 0 || is_finite(&map.values, finite),
        Type::Object(object) => object_is_finite(object, finite),
        Type::Refined(refined) => is_finite(&refined.ty, finite),
        Type::Tuple(items) => items.iter().all(|item| is_finite(item, finite)),
        Type::Untagged(all) => all.iter().any(|one| is_finite(&one.ty, finite)),
        Type::OneOf(one_of) => one_of
            .variants
            .iter()
            .any(|variant| match &variant.content {
                VariantContent::Object(object) => object_is_finite(object, finite),
                VariantContent::Ref(name) => finite.contains(name.as_str()),
            }),
        _ => true,
    }
}

fn object_is_finite(object: &Object, finite: &BTreeSet<&str>) -> bool {
    let mut required = object.fields.iter().filter(|field| field.required);
    required.all(|field| is_finite(&field.ty, finite))
}
