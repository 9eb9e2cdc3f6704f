//! Reads the steps of a list: their order, and which run at the same time.

use crate::suggest::reading::agent_mentions::Names;
use crate::suggest::reading::one_line;
use crate::suggest::workflow_patterns::assignment::{
    Assignment, is_label, is_parallel, is_parallel_mark, parse_assignment, plain,
};
use crate::suggest::workflow_patterns::list_items::{Item, Mark};
use crate::suggest::workflow_patterns::step_groups::{self as group, Group, chain};

/// The groups of steps in `items`, in their order.
pub fn groups(items: &[Item], names: &Names<'_>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut above: Option<&Item> = None;
    for item in items {
        let own = of_item(item, names);
        let beside = above.is_some_and(|above| is_beside(above, item, groups.last(), names));
        match (groups.last_mut(), own.as_slice()) {
            (Some(last), [group]) if beside => {
                last.parallel = true;
                last.steps.extend(group.steps.iter().cloned());
            }
            _ => groups.extend(own),
        }
        above = Some(item);
    }
    groups
}

/// How many steps of `groups` name an agent.
pub fn agent_steps(groups: &[Group]) -> usize {
    let steps = groups.iter().flat_map(|group| &group.steps);
    steps.filter(|step| step.agent.is_some()).count()
}

fn of_item(item: &Item, names: &Names<'_>) -> Vec<Group> {
    if let Some(mut chain) = chain(&item.text, item.line, names) {
        let last = chain.last_mut().and_then(|group| group.steps.last_mut());
        if let Some(step) = last {
            let below = item.below.iter().filter(|item| item.mark != Mark::Branch);
            step.details = details(below);
        }
        return chain;
    }
    if let Some(group) = group::side_by_side(&item.text, item.line, names) {
        return vec![group];
    }
    let found = parse_assignment(&item.text, names);
    let is_step = found.as_ref().is_some_and(|found| found.is_step);
    if !is_step && let Some((agents, others)) = assigned(item, names) {
        let found = Assignment {
            agents,
            task: plain(&item.text),
            is_step: true,
        };
        return vec![Group::of(
            Some(found),
            &item.text,
            &details(others),
            item.line,
        )];
    }
    let asking = item.below.iter().any(|item| names_agent(item, names));
    let listed = asking || (is_parallel_mark(&item.text) && !item.below.is_empty());
    if !is_step && is_parallel(&item.text) && listed {
        return side_by_side(&item.below, names);
    }
    // A tree: what branches off comes behind, at the same time.
    if is_step
        && item
            .below
            .iter()
            .all(|item| item.mark == Mark::Branch && self::is_step(item, names))
        && asking
    {
        let mut tree = vec![Group::of(found, &item.text, &[], item.line)];
        tree.extend(side_by_side(&item.below, names));
        return tree;
    }
    // A phase: its steps follow one another.
    if found.is_none() && asking {
        return groups(&item.below, names);
    }
    vec![Group::of(
        found,
        &item.text,
        &details(&item.below),
        item.line,
    )]
}

/// What `items` do at the same time. Where an item is a row of steps, its second comes behind the first of all.
fn side_by_side(items: &[Item], names: &Names<'_>) -> Vec<Group> {
    let mut levels: Vec<Group> = Vec::new();
    for item in items {
        for (level, group) in of_item(item, names).into_iter().enumerate() {
            match levels.get_mut(level) {
                Some(same) => same.steps.extend(group.steps),
                None => levels.push(Group {
                    parallel: true,
                    steps: group.steps,
                }),
            }
        }
    }
    levels
}

/// Agents, each with the text in parentheses behind it.
type Agents = Vec<(String, String)>;

/// The agents that an item below `item` says are to do it ("Agent: coder"), and the other items below.
fn assigned<'a>(item: &'a Item, names: &Names<'_>) -> Option<(Agents, Vec<&'a Item>)> {
    let at = item.below.iter().position(|below| {
        let label = plain(&below.text);
        label
            .split_once(':')
            .is_some_and(|(label, _)| is_label(label))
    })?;
    let (_, behind) = item.below[at].text.split_once(':')?;
    let agents = names.list(behind.trim_matches(['*', ' ']))?;
    let others = item
        .below
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != at);
    Some((agents, others.map(|(_, item)| item).collect()))
}

/// Whether `item` or one below it asks an agent.
pub fn names_agent(item: &Item, names: &Names<'_>) -> bool {
    is_step(item, names)
        || parse_assignment(&item.text, names).is_some()
        || item.below.iter().any(|item| names_agent(item, names))
}

/// Whether `item` is written as a step of an agent.
pub fn is_step(item: &Item, names: &Names<'_>) -> bool {
    chain(&item.text, item.line, names).is_some()
        || group::side_by_side(&item.text, item.line, names).is_some()
        || parse_assignment(&item.text, names).is_some_and(|found| found.is_step)
        || assigned(item, names).is_some()
}

/// Whether `item` runs at the same time as the group `last` of the item `above`.
fn is_beside(above: &Item, item: &Item, last: Option<&Group>, names: &Names<'_>) -> bool {
    if let (Mark::Number(one), Mark::Number(other)) = (&above.mark, &item.mark) {
        let letter = |c: char| c.is_ascii_alphabetic();
        let (first, second) = (one.trim_end_matches(letter), other.trim_end_matches(letter));
        if !first.is_empty() && first == second && first != one && second != other {
            return true;
        }
    }
    // Items below them count more than their marks.
    let alone = |item: &Item| !item.below.iter().any(|item| names_agent(item, names));
    if !alone(above) || !alone(item) {
        return false;
    }
    if let Some(rest) = partner(&item.text) {
        let agents = last.into_iter().flat_map(|group| &group.steps);
        let mut agents = agents.filter_map(|step| step.agent.as_deref());
        let number = match &above.mark {
            Mark::Number(number) => rest.starts_with(&format!("step {number}")),
            _ => false,
        };
        return number || agents.any(|agent| rest.starts_with(agent));
    }
    let single = |item: &Item| match parse_assignment(&item.text, names) {
        Some(found) if found.is_step && found.agents.len() == 1 => Some(found.agents[0].0.clone()),
        _ => None,
    };
    let (Some(_), Some(own)) = (single(above), single(item)) else {
        return false;
    };
    match partner(&above.text) {
        Some(rest) => rest.starts_with(&own),
        None => is_parallel(&above.text) && is_parallel(&item.text),
    }
}

/// The text behind "in parallel with".
fn partner(text: &str) -> Option<String> {
    let text = text.to_lowercase();
    let with = [
        "parallel with ",
        "parallel to ",
        "concurrently with ",
        "simultaneously with ",
        "alongside ",
    ];
    let behind = with.iter().find_map(|with| text.split_once(with))?.1;
    let behind = behind.trim_start_matches(['`', '*', '@']);
    Some(behind.strip_prefix("the ").unwrap_or(behind).to_owned())
}

fn details<'a>(items: impl IntoIterator<Item = &'a Item>) -> Vec<String> {
    let mut found = Vec::new();
    for item in items {
        found.push(one_line(&plain(&item.text), 500));
        found.extend(details(&item.below));
    }
    found
}
