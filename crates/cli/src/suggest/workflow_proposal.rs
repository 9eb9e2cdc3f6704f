//! Proposes workflows for the patterns of a body.

use crate::suggest::proposal::{Proposal, missing};
use crate::suggest::reading::one_line;
use crate::suggest::yaml_lines::{YamlLine, scalar};
use crate::suggest::{Group, Step, Workflow};
use agentgen_build::Agent;
use agentgen_build::inspect::{Slug, find_slug};

/// Adds `workflow` to the proposal for `agent`, one of `agents`; in comments where an agent is not there.
pub fn add_workflow(workflow: &Workflow, agent: &Agent, agents: &[Agent], proposal: &mut Proposal) {
    let title = workflow.title.split(['(', '[']).next().unwrap_or_default();
    let slug = [title, &workflow.title]
        .iter()
        .find_map(|title| short_slug(title))
        .unwrap_or_else(|| format!("workflow-{}", workflow.line));
    let has = |agent: &Agent| {
        let mut names = agent.service.workflows.iter();
        names.any(|other| Slug::new(&other.name).is_ok_and(|name| name.as_str() == slug))
    };
    if has(agent) {
        return;
    }
    let slug = if agents.iter().any(has) {
        short_slug(&format!("{} {slug}", agent.spec.slug)).unwrap_or(slug)
    } else {
        slug
    };
    let key = format!("{}:", scalar(&slug));
    if proposal.workflows.iter().any(|other| other.text == key) {
        return;
    }
    let mut enabled = true;
    let mut resolved = |name: &str| {
        if let Some(found) = find_slug(agents, name) {
            let target = agents.iter().find(|agent| agent.spec.slug == *found);
            // A step asks for free text, which an agent without `invoke` does not take.
            enabled &= target.is_some_and(|agent| agent.service.invoke);
            return Some(found.to_string());
        }
        enabled = false;
        missing(name, proposal)
    };
    let ids = step_ids(workflow);
    let mut ids = ids.iter();
    let mut branches = Vec::new();
    let mut before: Vec<String> = Vec::new();
    let mut unassigned = 0;
    for Group { parallel, steps } in &workflow.groups {
        let mut group = Vec::new();
        let mut comments = Vec::new();
        let mut these = Vec::new();
        for step in steps {
            let resolved = step.agent.as_deref().and_then(|name| {
                let id = ids.next()?;
                Some((id.clone(), resolved(name)?))
            });
            match resolved {
                Some((id, target)) => {
                    group.push(step_branch(&id, &target, step, &before));
                    these.push(id);
                }
                None => {
                    unassigned += 1;
                    let task = one_line(&step.task, 100);
                    comments.push(YamlLine::leaf(format!("# No agent is named for: {task}")));
                }
            }
        }
        if !these.is_empty() {
            before = these;
        }
        if *parallel && group.len() > 1 {
            branches.push(YamlLine::new("- parallel:", group))
        } else {
            branches.append(&mut group)
        }
        branches.append(&mut comments);
    }
    if before.is_empty() {
        proposal.notes.push(format!(
            "{:?} (line {}) names no agent in its steps: it is not proposed.",
            workflow.title, workflow.line
        ));
        return;
    }
    if unassigned > 0 {
        let steps = match unassigned {
            1 => "one step".to_owned(),
            count => format!("{count} steps"),
        };
        proposal.notes.push(format!(
            "`{slug}` has {steps} without an agent, in comments: give each an agent or take it out."
        ));
    }
    proposal.workflows.push(YamlLine {
        text: key,
        enabled,
        children: branches,
    });
}

/// The slug of `title`, without words at its end that are too many.
fn short_slug(title: &str) -> Option<String> {
    // Capitals inside a word would split it: "OpenAI".
    let title = title.to_lowercase();
    let words: Vec<&str> = title.split_whitespace().collect();
    (1..=words.len())
        .rev()
        .filter_map(|count| Slug::new(&words[..count].join(" ")).ok())
        .map(|slug| slug.to_string())
        .next()
}

/// Ids that mean something of their own where steps are spoken of.
const RESERVED_IDS: [&str; 14] = [
    "all", "and", "any", "false", "in", "input", "not", "null", "or", "parallel", "quorum",
    "steps", "true", "contains",
];

/// An id for each step that names an agent: the first word of its task, the second too where steps share it, or the
/// name of the agent.
fn step_ids(workflow: &Workflow) -> Vec<String> {
    let steps = workflow.groups.iter().flat_map(|group| &group.steps);
    let steps: Vec<&Step> = steps.filter(|step| step.agent.is_some()).collect();
    let words: Vec<Vec<String>> = steps.iter().map(|step| id_words(step)).collect();
    let mut ids: Vec<String> = Vec::new();
    for (step, own) in steps.iter().zip(&words) {
        let sharing = |count: usize| {
            let same = words
                .iter()
                .filter(|other| other.iter().take(count).eq(own.iter().take(count)));
            same.count() > 1
        };
        let agent = step.agent.as_deref().map(|name| words_of(name).join("_"));
        let agent = agent.filter(|name| is_id(name));
        let plain = match own.len() {
            0 => agent.unwrap_or_else(|| "step".to_owned()),
            _ if !sharing(1) => own[0].clone(),
            2 if !sharing(2) => own.join("_"),
            _ => agent.unwrap_or_else(|| own.join("_")),
        };
        let mut id = plain.clone();
        let mut number = 2;
        while RESERVED_IDS.contains(&id.as_str()) || ids.contains(&id) {
            id = format!("{plain}_{number}");
            number += 1;
        }
        ids.push(id);
    }
    ids
}

/// Words that tell no step from another.
const FILLERS: [&str; 12] = [
    "a", "agent", "all", "an", "and", "any", "for", "once", "the", "then", "to", "with",
];

/// The first words of what a step is about, two at most; none where only its agent is named.
fn id_words(step: &Step) -> Vec<String> {
    let task = if step.task.starts_with('(') {
        step.task.split_once(')').map_or("", |(_, task)| task)
    } else {
        &step.task
    };
    // In "Use the coder to build it" the task is the text behind the agent.
    let agent = step.agent.as_deref().unwrap_or_default();
    let behind = task.split_once(agent).map(|(_, behind)| behind);
    let behind = behind.filter(|rest| rest.starts_with(|c: char| !c.is_alphanumeric()));
    let sources = [behind, Some(task), step.details.first().map(String::as_str)];
    for text in sources.into_iter().flatten() {
        let mut words = words_of(text);
        words.retain(|word| !FILLERS.contains(&word.as_str()) && word.len() <= 30);
        words.truncate(2);
        if words.first().is_some_and(|word| is_id(word)) {
            return words;
        }
    }
    Vec::new()
}

fn words_of(text: &str) -> Vec<String> {
    let text = text.replace(['\'', '\u{2019}'], "").to_lowercase();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// A step that asks `agent` for its task, with the run's input and what the steps `before` it answered.
fn step_branch(id: &str, agent: &str, step: &Step, before: &[String]) -> YamlLine {
    let mut text: Vec<String> = Vec::new();
    if !step.task.is_empty() {
        text.push(unheld(&step.task));
    }
    text.extend(
        step.details
            .iter()
            .map(|detail| format!("- {}", unheld(detail))),
    );
    text.push("The request: {{ input.input }}".to_owned());
    for id in before {
        text.push(format!("The result of {id}: {{{{ steps.{id}.output }}}}"));
    }
    let text = text.into_iter().map(YamlLine::leaf).collect();
    let input = YamlLine::new("with:", vec![YamlLine::new("input: |-", text)]);
    let agent = YamlLine::leaf(format!("agent: {}", scalar(agent)));
    YamlLine::new(format!("- {}:", scalar(id)), vec![agent, input])
}

/// `text` without what would be a hole for a value.
fn unheld(text: &str) -> String {
    text.replace("{{", "{ {").replace("}}", "} }")
}
