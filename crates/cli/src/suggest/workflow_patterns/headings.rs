//! The titles of workflows: "Pattern 1: Release", and any title where workflows are listed.

use crate::suggest::reading::agent_mentions::{Names, cut};
use crate::suggest::reading::markdown::{Block, Kind};
use crate::suggest::workflow_patterns::assignment::parse_assignment;
use crate::suggest::workflow_patterns::step_groups::chain;

/// Whether the blocks below the heading `title` are workflows, whatever they are called.
pub fn lists_workflows(title: &str) -> bool {
    let title = title.to_lowercase();
    let mut words = title.split(|c: char| !c.is_alphanumeric());
    words.any(|word| {
        matches!(
            word,
            "patterns" | "workflows" | "playbooks" | "pipelines" | "flows" | "sequences"
        )
    })
}

/// The text behind the number of a title such as "Pattern 1: Release", "Workflow 2 - Review".
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
pub fn is_pattern(text: &str) -> bool {
    numbered(text, &["pattern", "workflow"]).is_some()
}

/// The name in `text`, if it is called a pattern or a workflow, with a number and a name.
pub fn pattern(text: &str) -> Option<&str> {
    let name = numbered(text, &["pattern", "workflow"])?;
    let name = name.trim_matches(|c| is_around(c) || matches!(c, ')' | '*'));
    (!name.is_empty()).then_some(name)
}

/// Whether `title` introduces remarks about workflows rather than one of them.
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

/// The name of the workflow that `block` introduces, and the text behind the name in the same block. Where
/// workflows are `listed`, a block needs no number.
pub fn title(block: &Block, listed: bool, names: &Names<'_>) -> Option<(String, String)> {
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
    // Without text behind it, a title introduces the blocks below it; a step does not.
    let introduces = match numbered {
        Some(_) => block.level().is_some(),
        None => {
            block.is_title() && parse_assignment(text, names).is_none_or(|found| !found.is_step)
        }
    };
    let title = match name.trim_end_matches(is_around) {
        "" => text.trim_end_matches(is_around),
        title => title,
    };
    introduces.then(|| (title.to_owned(), String::new()))
}

/// Whether `c` may surround the name of a workflow.
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
