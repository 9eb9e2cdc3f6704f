//! The workflows that a body lists: "Pattern 1: Release" and numbered steps below it.

use serde::Serialize;

use crate::markdown::{Block, Kind, section};
use crate::split;
use crate::suggest::{MAX_FINDINGS, is_name, one_line};

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

/// Steps that run at the same time; a step that runs alone is a group of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Whether the body says that they run at the same time.
    pub parallel: bool,
    /// The steps.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The agent; `None` where the body names none.
    pub agent: Option<String>,
    /// What is to be done.
    pub task: String,
    /// What is listed below it.
    pub details: Vec<String>,
    /// The line it stands on.
    pub line: usize,
}

/// The workflows of `body`, whose blocks are `blocks`; `names` are the agents that are known as such.
pub fn read(body: &str, blocks: &[Block], names: &[&str]) -> Vec<Workflow> {
    let mut found = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let Some(title) = block.level().and_then(|_| title(&block.text)) else {
            continue;
        };
        if found.len() == MAX_FINDINGS {
            break;
        }
        let lines = written(body, section(blocks, index));
        let groups = groups(&items(&lines), names);
        if !groups.is_empty() {
            found.push(Workflow {
                title,
                line: block.line,
                groups,
            });
        }
    }
    found
}

/// The name in a title such as "Pattern 1: Release" or "Workflow 2 - Review".
fn title(text: &str) -> Option<String> {
    let text = text.trim();
    let rest = ["pattern ", "workflow "].iter().find_map(|word| {
        let head = text.get(..word.len())?;
        head.eq_ignore_ascii_case(word).then(|| &text[word.len()..])
    })?;
    let name = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let title = name.trim_matches(|c: char| c.is_whitespace() || ":.-\u{2013}\u{2014}".contains(c));
    (name.len() < rest.len() && !title.is_empty()).then(|| one_line(title, 80))
}

/// A line of a list.
struct Line<'a> {
    number: usize,
    indent: usize,
    text: &'a str,
}

/// The lines of the first code in `blocks` that lists something, else those of the blocks themselves.
fn written<'a>(body: &'a str, blocks: &'a [Block]) -> Vec<Line<'a>> {
    let code = blocks.iter().find(|block| {
        let lists = |line: split::Line<'_>| marked(line.text.trim_start()).is_some();
        matches!(block.kind, Kind::Fence(_))
            && split::lines(&block.text, 0..block.text.len()).any(lists)
    });
    let end = blocks.iter().map(|block| block.range.end).max();
    let (text, range, first) = match (code, blocks.first(), end) {
        (Some(code), _, _) => {
            let fenced = body[code.range.clone()].starts_with(['`', '~']);
            (
                code.text.as_str(),
                0..code.text.len(),
                code.line + usize::from(fenced),
            )
        }
        (None, Some(first), Some(end)) => {
            let start = body[..first.range.start]
                .rfind(['\n', '\r'])
                .map_or(0, |at| at + 1);
            (body, start..end, first.line)
        }
        _ => return Vec::new(),
    };
    split::lines(text, range)
        .enumerate()
        .filter(|(_, line)| !line.text.trim().is_empty())
        .map(|(index, line)| Line {
            number: first + index,
            indent: indent(line.text),
            text: line.text.trim(),
        })
        .collect()
}

/// The column of the first character that is not blank; tabs lead to the next multiple of four.
fn indent(line: &str) -> usize {
    let blanks = line.chars().take_while(|c| matches!(c, ' ' | '\t'));
    blanks.fold(0, |column, c| match c {
        '\t' => (column / 4 + 1) * 4,
        _ => column + 1,
    })
}

/// What stands behind the mark of a list item (`1.`, `2)`, `-`, `*`, `+`, `•`), if `line` is one.
fn marked(line: &str) -> Option<&str> {
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = match number.len() < line.len() {
        true => number.strip_prefix(['.', ')'])?,
        false => line.strip_prefix(['-', '*', '+', '\u{2022}'])?,
    };
    rest.starts_with([' ', '\t']).then(|| rest.trim())
}

/// An item with those below it.
struct Item {
    line: usize,
    indent: usize,
    text: String,
    below: Vec<Item>,
}

/// How deep items are read; what is deeper belongs to the last of these.
const MAX_DEPTH: usize = 16;

fn items(lines: &[Line<'_>]) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for line in lines {
        let Some(text) = marked(line.text) else {
            // A line without a mark goes on with the item above it.
            if let Some(last) = last(&mut items, line.indent) {
                last.text.push(' ');
                last.text.push_str(line.text);
            }
            continue;
        };
        let item = Item {
            line: line.number,
            indent: line.indent,
            text: text.to_owned(),
            below: Vec::new(),
        };
        match last(&mut items, line.indent) {
            Some(parent) => parent.below.push(item),
            None => items.push(item),
        }
    }
    items
}

/// The last item, or the last below it, that is indented less than `indent`.
fn last(items: &mut [Item], indent: usize) -> Option<&mut Item> {
    let mut found = items.last_mut().filter(|item| item.indent < indent)?;
    for _ in 0..MAX_DEPTH {
        let deeper = found.below.last().is_some_and(|item| item.indent < indent);
        if !deeper {
            break;
        }
        found = found.below.last_mut()?;
    }
    Some(found)
}

fn groups(items: &[Item], names: &[&str]) -> Vec<Group> {
    let mut groups = Vec::new();
    for item in items {
        let step = step(item, names);
        if is_parallel(&item.text) && !item.below.is_empty() {
            let members = self::groups(&item.below, names).into_iter();
            groups.push(Group {
                parallel: true,
                steps: members.flat_map(|group| group.steps).collect(),
            });
        } else if step.agent.is_none() && item.below.iter().any(|item| asks(item, names)) {
            // A phase: its steps follow one another.
            groups.extend(self::groups(&item.below, names));
        } else {
            groups.push(Group {
                parallel: false,
                steps: vec![step],
            });
        }
    }
    groups
}

fn asks(item: &Item, names: &[&str]) -> bool {
    agent(&item.text, names).is_some() || item.below.iter().any(|item| asks(item, names))
}

fn is_parallel(text: &str) -> bool {
    let text = text.trim_start_matches(['*', '_']).to_lowercase();
    [
        "parallel",
        "in parallel",
        "run in parallel",
        "concurrently",
        "simultaneously",
    ]
    .iter()
    .any(|start| text.starts_with(start))
}

fn step(item: &Item, names: &[&str]) -> Step {
    let (agent, task) = match agent(&item.text, names) {
        Some((name, task)) => (Some(name), task),
        None => (None, plain(&item.text)),
    };
    let mut details = Vec::new();
    add_details(&item.below, &mut details);
    Step {
        agent,
        task: one_line(task.trim().trim_end_matches(':'), 500),
        details,
        line: item.line,
    }
}

fn add_details(items: &[Item], details: &mut Vec<String>) {
    for item in items {
        details.push(one_line(&plain(&item.text), 500));
        add_details(&item.below, details);
    }
}

/// The agent that the item `text` asks, and what it is asked: `name: task`, `name (condition) → task`, or a
/// sentence that names one agent.
fn agent(text: &str, names: &[&str]) -> Option<(String, String)> {
    let text = plain(text);
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_')))
        .unwrap_or(text.len());
    // The name of an agent that is there may have blanks in it.
    let known = names
        .iter()
        .filter(|name| {
            let rest = text.strip_prefix(**name);
            rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-'))
        })
        .max_by_key(|name| name.len());
    let name = known.copied().unwrap_or(&text[..end]);
    let rest = text[name.len()..].trim_start();
    let (aside, rest) = match rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((aside, rest)) => (Some(aside), rest.trim_start()),
        None => (None, rest),
    };
    let task = [":", "\u{2192}", "->", "=>", "\u{2013}", "\u{2014}", "- "]
        .iter()
        .find_map(|mark| rest.strip_prefix(mark))
        .or_else(|| rest.is_empty().then_some(""));
    if let Some(task) = task.filter(|_| known.is_some() || is_name(name)) {
        let task = match aside {
            Some(aside) => format!("({aside}) {}", task.trim()),
            None => task.trim().to_owned(),
        };
        return Some((name.to_owned(), task));
    }
    let mut named = names
        .iter()
        .filter(|name| is_name(name) && names_agent(&text, name));
    let first = named.next()?;
    named
        .all(|other| other == first)
        .then(|| ((*first).to_owned(), text.clone()))
}

/// Whether `name` stands in `text` as a word of its own.
fn names_agent(text: &str, name: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_')))
        .any(|word| word == name)
}

/// `text` without bold marks, backticks, and a box to tick.
fn plain(text: &str) -> String {
    let text = ["[ ] ", "[x] ", "[X] "]
        .iter()
        .find_map(|mark| text.strip_prefix(mark))
        .unwrap_or(text);
    text.replace("**", "").replace("__", "").replace('`', "")
}
