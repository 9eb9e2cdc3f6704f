//! The workflows that a body lists: "Pattern 1: Release" and the steps below it.

use serde::Serialize;

use crate::markdown::{Block, Kind};
use crate::suggest::{MAX_FINDINGS, one_line};
use crate::suggest_ask::ask;
use crate::suggest_flow::{asked, asks, groups, is_step};
use crate::suggest_graph::of_mermaid;
use crate::suggest_group::{Group, chain};
use crate::suggest_item::{Item, Mark, items};
use crate::suggest_names::{Names, cut};

/// A list of steps under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Workflow {
    /// What stands behind the number.
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
        let above = match block.is_title() {
            true => &titles[..titles.len() - 1],
            false => &titles[..],
        };
        let listed = above
            .last()
            .is_some_and(|(_, title)| lists_workflows(title));
        let Some((title, row)) = title(block, listed, names) else {
            continue;
        };
        let mut groups = steps(body, below(blocks, index, names), names);
        if asked(&groups) == 0
            && let Some(row) = chain(&row, block.line, names)
        {
            groups = row;
        }
        // What is not called a pattern is one if agents take its steps.
        let counts = is_pattern(&block.text) || asked(&groups) > 1;
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

/// Whether the blocks below the heading `title` are workflows, whatever they are called.
fn lists_workflows(title: &str) -> bool {
    let title = title.to_lowercase();
    let mut words = title.split(|c: char| !c.is_alphanumeric());
    words.any(|word| {
        matches!(
            word,
            "patterns" | "workflows" | "playbooks" | "pipelines" | "flows" | "sequences"
        )
    })
}

/// What stands behind the number of a title such as "Pattern 1: Release", "Workflow 2 - Review".
fn numbered<'t>(text: &'t str, words: &[&str]) -> Option<&'t str> {
    let text = text.trim().trim_start_matches(|c: char| !c.is_alphabetic());
    let lower = text.to_ascii_lowercase();
    let start = words.iter().find_map(|word| {
        let at = lower.find(word)?;
        let before = lower[..at].split_whitespace().count();
        (before < 2 && (at == 0 || lower[..at].ends_with(' '))).then_some(at + word.len())
    })?;
    let rest = text[start..].trim_start().trim_start_matches('#');
    let end = rest
        .find(|c: char| !c.is_alphanumeric())
        .unwrap_or(rest.len());
    let (number, name) = rest.split_at(end);
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let letters = number.len() == 1 && number.bytes().all(|byte| byte.is_ascii_uppercase())
        || number.bytes().all(|byte| b"IVX".contains(&byte));
    let named = name.trim_start().starts_with(|c| is_around(c) || c == ')');
    let blank = text[start..].starts_with([' ', '#']);
    (blank && (digits || (!number.is_empty() && letters && named))).then_some(name)
}

/// Whether `text` is called a pattern or a workflow, with a number.
fn is_pattern(text: &str) -> bool {
    numbered(text, &["pattern", "workflow"]).is_some()
}

/// Whether what stands below `title` is said about workflows rather than one of them.
fn is_remark(title: &str) -> bool {
    let title = title.to_lowercase();
    let mut words = title.split(|c: char| !c.is_alphanumeric());
    words.any(|word| {
        matches!(
            word,
            "example"
                | "examples"
                | "guidelines"
                | "note"
                | "notes"
                | "principles"
                | "rules"
                | "selection"
                | "tips"
                | "when"
        )
    })
}

/// The name of the workflow that `block` introduces, and what stands behind the name in the same block. Where
/// workflows are `listed`, a block needs no number.
fn title(block: &Block, listed: bool, names: &Names<'_>) -> Option<(String, String)> {
    let words = [
        "pattern", "workflow", "playbook", "pipeline", "scenario", "flow",
    ];
    let text = block.text.trim();
    if block.kind == Kind::Row {
        let row = block
            .cells
            .iter()
            .find(|cell| chain(cell, block.line, names).is_some())?;
        let name = block
            .cells
            .iter()
            .find(|cell| cell.chars().any(char::is_alphabetic))?;
        return (listed && name != row).then(|| (name.clone(), row.clone()));
    }
    let numbered = numbered(text, &words);
    let may = block.level().is_some() || block.lead.is_some();
    let name = match numbered {
        Some(name) if may => name,
        None if listed && !is_remark(text) => text,
        _ => return None,
    };
    let name = name.trim_start_matches(|c| is_around(c) || c == ')');
    if let Some((own, row)) = with_row(name, block.line, names) {
        return Some((own.trim_end_matches(is_around).to_owned(), row.to_owned()));
    }
    // Where nothing stands behind, a title introduces what is below it; a step does not.
    let introduces = match numbered {
        Some(_) => block.level().is_some(),
        None => block.is_title() && ask(text, names).is_none_or(|found| !found.is_step),
    };
    let title = match name.trim_end_matches(is_around) {
        "" => text.trim_end_matches(is_around),
        title => title,
    };
    introduces.then(|| (title.to_owned(), String::new()))
}

/// Whether `c` may stand around the name of a workflow.
fn is_around(c: char) -> bool {
    c.is_whitespace() || ":.-#\u{2013}\u{2014}".contains(c)
}

/// A name and the row of steps behind it: "Hotfix: coder → tester", "Hotfix (coder → tester)".
fn with_row<'t>(text: &'t str, line: usize, names: &Names<'_>) -> Option<(&'t str, &'t str)> {
    let marks = [": ", "\n", " \u{2013} ", " \u{2014} ", " - ", " ("];
    marks.iter().find_map(|mark| {
        let (name, row) = cut(text, &[mark])?;
        let row = if *mark == " (" {
            row.trim_end().strip_suffix(')')?
        } else {
            row
        };
        let found = chain(row, line, names).is_some() && names.list(name).is_none();
        found.then_some((name, row))
    })
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
        let phase =
            level == own && (Mark::is_label(&block.text) || (own >= 7 && is_asked(block, names)));
        (level <= own && !phase) || is_pattern(&block.text)
    });
    &rest[..end.unwrap_or(rest.len())]
}

fn is_asked(block: &Block, names: &Names<'_>) -> bool {
    block.is_title() && ask(&block.text, names).is_some_and(|found| found.is_step)
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
    let speaks = |text: &str| {
        ask(text, names).is_some_and(|found| found.is_step) || chain(text, 0, names).is_some()
    };
    let mut found = Vec::new();
    for code in section.iter().filter(is_code) {
        let fenced = body[code.range.clone()].starts_with(['`', '~']);
        let line = code.line + usize::from(fenced);
        if code.kind == Kind::Fence("mermaid".to_owned()) {
            match of_mermaid(&code.text, line, names) {
                Some(graph) => return graph,
                None => continue,
            }
        }
        found.push(items(&code.text, 0..code.text.len(), line, &[], &speaks));
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
        names.list(text).is_some() || (text.contains([':', '\u{2192}', '>']) && speaks(text))
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
        .filter(|items| listed(items) || items.iter().any(|item| asks(item, names)))
    {
        let groups = groups(&chosen(items, names), names);
        if best.is_empty() || asked(&groups) > asked(&best) {
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
        let of = |item: &Item| asked(&groups(std::slice::from_ref(item), names));
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
    if items.iter().any(|item| steps(item) && asks(item, names)) {
        items.retain(steps);
    }
    items
}
