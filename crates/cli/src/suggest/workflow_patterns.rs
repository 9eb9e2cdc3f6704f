//! The workflows that a body lists: "Pattern 1: Release" and the steps below it.

pub(crate) mod assignment;
pub(crate) mod headings;
pub(crate) mod list_items;
pub(crate) mod list_steps;
pub(crate) mod mermaid_steps;
pub(crate) mod step_groups;
#[cfg(test)]
mod workflow_tests;

use serde::Serialize;

use crate::suggest::reading::agent_mentions::Names;
use crate::suggest::reading::markdown::{Block, Kind};
use crate::suggest::reading::{MAX_FINDINGS, one_line};
use crate::suggest::workflow_patterns::assignment::parse_assignment;
use crate::suggest::workflow_patterns::headings::{is_pattern, lists_workflows, pattern, title};
use crate::suggest::workflow_patterns::list_items::{Item, Mark, items};
use crate::suggest::workflow_patterns::list_steps::{agent_steps, groups, is_step, names_agent};
use crate::suggest::workflow_patterns::mermaid_steps::of_mermaid;
use crate::suggest::workflow_patterns::step_groups::{Group, chain};
use agentgen_build::inspect::lines;

/// A list of steps under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Workflow {
    /// The text behind the number.
    pub title: String,
    /// The line of the title.
    pub line: usize,
    /// The steps, in groups that follow one another.
    pub groups: Vec<Group>,
}

/// The workflows of `body`, whose blocks are `blocks`.
pub fn read(body: &str, blocks: &[Block], names: &Names<'_>) -> Vec<Workflow> {
    let mut found: Vec<Workflow> = Vec::new();
    let mut titles: Vec<(usize, &str)> = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        if let Some(level) = block.level().filter(|_| block.is_title()) {
            titles.retain(|(above, _)| *above < level);
            titles.push((level, &block.text));
        }
        if found.len() == MAX_FINDINGS {
            break;
        }
        let above = if block.is_title() {
            &titles[..titles.len() - 1]
        } else {
            &titles[..]
        };
        let listed = above
            .last()
            .is_some_and(|(_, title)| lists_workflows(title));
        if matches!(block.kind, Kind::Fence(_)) {
            found.extend(in_code(body, block, names));
        }
        let Some((title, row)) = title(block, listed, names) else {
            continue;
        };
        let mut groups = steps(body, below(blocks, index, names), names);
        if agent_steps(&groups) == 0
            && let Some(row) = chain(&row, block.line, names)
        {
            groups = row;
        }
        // What is not called a pattern is one if agents take its steps, the first of them at least.
        let first = groups.first().and_then(|group| group.steps.first());
        let is_taken = first.is_some_and(|step| step.agent.is_some());
        let is_heading = matches!(block.kind, Kind::Heading(_));
        let counts =
            is_pattern(&block.text) || agent_steps(&groups) > 1 || (is_heading && is_taken);
        let count: usize = groups.iter().map(|group| group.steps.len()).sum();
        if counts && (1..=MAX_FINDINGS).contains(&count) {
            found.push(Workflow {
                title: one_line(&title, 80),
                line: block.line,
                groups,
            });
        }
    }
    found
}

/// The workflows that the code `block` holds with their titles, where there are several.
fn in_code(body: &str, block: &Block, names: &Names<'_>) -> Vec<Workflow> {
    let text = &block.text;
    let first = block.line + usize::from(is_fenced(body, block));
    let lines = lines(text, 0..text.len()).enumerate();
    let titles =
        lines.filter_map(|(index, line)| Some((index, line.next, line.start, pattern(line.text)?)));
    let titles: Vec<_> = titles.take(MAX_FINDINGS).collect();
    if titles.len() < 2 {
        return Vec::new();
    }
    let ends = titles
        .iter()
        .skip(1)
        .map(|(_, _, start, _)| *start)
        .chain([text.len()]);
    let is_whole_step = |text: &str| is_whole_step(text, names);
    let found = titles
        .iter()
        .zip(ends)
        .filter_map(|((index, start, _, title), end)| {
            let items = items(text, *start..end, first + index + 1, &[], &is_whole_step);
            let groups = groups(&chosen(items, names), names);
            (agent_steps(&groups) > 0).then(|| Workflow {
                title: one_line(title, 80),
                line: first + index,
                groups,
            })
        });
    found.collect()
}

fn is_fenced(body: &str, code: &Block) -> bool {
    body[code.range.clone()].starts_with(['`', '~'])
}

/// Whether `text` is a step by itself.
fn is_whole_step(text: &str, names: &Names<'_>) -> bool {
    parse_assignment(text, names).is_some_and(|found| found.is_step)
        || chain(text, 0, names).is_some()
}

/// The blocks that belong to the workflow at `index`: never those of another.
fn below<'b>(blocks: &'b [Block], index: usize, names: &Names<'_>) -> &'b [Block] {
    let rest = &blocks[index + 1..];
    let Some(own) = blocks[index].level() else {
        return &[];
    };
    let end = rest.iter().position(|block| {
        let Some(level) = block.level() else {
            return false;
        };
        // Phases belong to the pattern above them, and so do agents in bold.
        let phase = level == own
            && (Mark::is_label(&block.text) || (own >= 7 && is_assigned(block, names)));
        (level <= own && !phase) || is_pattern(&block.text)
    });
    &rest[..end.unwrap_or(rest.len())]
}

fn is_assigned(block: &Block, names: &Names<'_>) -> bool {
    block.is_title() && parse_assignment(&block.text, names).is_some_and(|found| found.is_step)
}

/// The steps in `section`: those of the code or of the text around it, whichever names more agents.
fn steps(body: &str, section: &[Block], names: &Names<'_>) -> Vec<Group> {
    let (Some(first), Some(end)) = (
        section.first(),
        section.iter().map(|block| block.range.end).max(),
    ) else {
        return Vec::new();
    };
    let is_code = |block: &&Block| matches!(block.kind, Kind::Fence(_));
    let is_whole_step = |text: &str| is_whole_step(text, names);
    let mut found = Vec::new();
    for code in section.iter().filter(is_code) {
        let line = code.line + usize::from(is_fenced(body, code));
        if code.kind == Kind::Fence("mermaid".to_owned()) {
            match of_mermaid(&code.text, line, names) {
                Some(graph) => return graph,
                None => continue,
            }
        }
        found.push(items(
            &code.text,
            0..code.text.len(),
            line,
            &[],
            &is_whole_step,
        ));
    }
    let start = body[..first.range.start]
        .rfind(['\n', '\r'])
        .map_or(0, |at| at + 1);
    let codes: Vec<_> = section
        .iter()
        .filter(is_code)
        .map(|block| whole_lines(body, block))
        .collect();
    // Text between the lists may begin with the name of an agent, too.
    let parted = |text: &str| {
        names.list(text).is_some() || (text.contains([':', '\u{2192}', '>']) && is_whole_step(text))
    };
    found.push(items(body, start..end, first.line, &codes, &parted));
    let listed = |items: &[Item]| {
        items
            .iter()
            .any(|item| !matches!(item.mark, Mark::Bare | Mark::Title))
    };
    let mut best = Vec::new();
    for items in found
        .into_iter()
        .filter(|items| listed(items) || items.iter().any(|item| names_agent(item, names)))
    {
        let groups = groups(&chosen(items, names), names);
        if best.is_empty() || agent_steps(&groups) > agent_steps(&best) {
            best = groups;
        }
    }
    best
}

fn whole_lines(body: &str, block: &Block) -> std::ops::Range<usize> {
    let start = body[..block.range.start]
        .rfind(['\n', '\r'])
        .map_or(0, |at| at + 1);
    start..block.range.end
}

/// The items without those that are no steps: lists under titles of their own, such as "Notes", and rows of arrows
/// that say the same as the list.
fn chosen(mut items: Vec<Item>, names: &Names<'_>) -> Vec<Item> {
    let is_row = |item: &Item| item.mark == Mark::Bare && chain(&item.text, 0, names).is_some();
    let count = |items: &[Item], row: bool| {
        let of = |item: &Item| agent_steps(&groups(std::slice::from_ref(item), names));
        items
            .iter()
            .filter(|item| is_row(item) == row)
            .map(of)
            .collect::<Vec<_>>()
    };
    let (rows, others) = (count(&items, true), count(&items, false));
    if let Some(first) = rows.first() {
        let mut seen = false;
        let keep_rows = others.iter().sum::<usize>() < *first;
        items.retain(|item| {
            let row = is_row(item);
            let again = row && seen;
            seen |= row;
            row == keep_rows && !again
        });
    }
    let steps = |item: &Item| {
        let named = [
            "steps",
            "step",
            "workflow",
            "sequence",
            "flow",
            "execution",
            "process",
            "pipeline",
        ];
        let words = item.text.to_lowercase();
        let mut words = words.split(|c: char| !c.is_alphanumeric());
        item.mark != Mark::Title
            || is_step(item, names)
            || words.any(|word| named.contains(&word))
            || 2 * item
                .below
                .iter()
                .filter(|item| is_step(item, names))
                .count()
                > item.below.len()
    };
    if items
        .iter()
        .any(|item| steps(item) && names_agent(item, names))
    {
        items.retain(steps);
    }
    items
}
