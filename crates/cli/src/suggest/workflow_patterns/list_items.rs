//! The lines of a list of steps, nested as they are indented, however they are marked.

use std::ops::Range;

use agentgen_build::inspect::lines;

/// An item with those below it.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its line, from 1.
    pub line: usize,
    /// Its column.
    column: usize,
    /// Its effective indent; a title is left of the items it introduces.
    indent: usize,
    /// What it is marked with.
    pub mark: Mark,
    /// The text behind the mark, with its markup.
    pub text: String,
    /// The items below it.
    pub below: Vec<Item>,
}

/// What a line of a list is marked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// `-`, `*`, or the row of a table.
    Bullet,
    /// A line of a drawn tree.
    Branch,
    /// `1.`, `2a)`, `b.`, or "Step 3:".
    Number(String),
    /// A heading, bold text, or a line that ends in a colon.
    Title,
    /// Nothing: the line is a step by its text alone.
    Bare,
}

impl Mark {
    /// Whether `text` begins with a label such as "Phase 1:".
    pub fn is_label(text: &str) -> bool {
        labelled(text).is_some()
    }
}

/// The items in the `range` of `text`, whose first line has the number `first`. `is_whole_step` says which lines without a
/// mark are items all the same.
pub fn items(
    text: &str,
    range: Range<usize>,
    first: usize,
    left_out: &[Range<usize>],
    is_whole_step: &dyn Fn(&str) -> bool,
) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut columns: Vec<String> = Vec::new();
    for (index, line) in lines(text, range).enumerate() {
        let out = left_out.iter().any(|range| range.contains(&line.start));
        let written = line.text.trim();
        let drawn = written.chars().all(is_drawn) && !written.starts_with("|-");
        if out || written.is_empty() || drawn {
            columns.clear();
            continue;
        }
        let mut item = Item {
            line: first + index,
            column: column(line.text),
            indent: 0,
            mark: Mark::Bare,
            text: written.to_owned(),
            below: Vec::new(),
        };
        if let Some(row) = written.strip_prefix('|') {
            match row_item(row, &mut columns) {
                Some((mark, text)) => (item.mark, item.text) = (mark, text),
                None => continue,
            }
        } else {
            let undrawn = written.trim_start_matches(is_branch);
            if undrawn.len() < written.len() {
                item.column += written.chars().count() - undrawn.chars().count();
                item.mark = Mark::Branch;
                item.text = undrawn.to_owned();
            }
            if let Some((mark, text)) = marked(&item.text) {
                item.column += 2 * depth(&mark);
                (item.mark, item.text) = (mark, text.to_owned());
            } else if item.mark == Mark::Bare
                && let Some(title) = title(written)
            {
                (item.mark, item.text) = (Mark::Title, title.to_owned());
            }
            // "Step 2: coder builds" is numbered, whatever precedes "Step".
            if let Some((number, rest)) = labelled(&item.text) {
                let titled = item.mark == Mark::Title || item.mark == Mark::Bare;
                if !rest.is_empty() {
                    item.text = rest.to_owned();
                }
                item.indent = if titled {
                    7 + item.column
                } else {
                    8 + item.column
                };
                item.mark = Mark::Number(number);
            }
        }
        // An arrow at the start of a line leads on from the step above, if a step follows.
        if let Some(next) = item
            .text
            .strip_prefix(['\u{2192}', '\u{21b3}', '\u{279c}', '\u{25b8}'])
            && item.mark == Mark::Bare
            && is_whole_step(next.trim())
        {
            item.text = next.trim().to_owned();
            item.mark = Mark::Bullet;
            if let Some(above) = last(&mut items, |above| above.mark != Mark::Title) {
                item.indent = above.indent;
            }
        }
        if item.mark == Mark::Bare && !is_whole_step(&item.text) {
            match last(&mut items, |above| above.column < item.column) {
                Some(above) => {
                    above.text.push(' ');
                    above.text.push_str(written);
                    continue;
                }
                None if written.ends_with(':') => item.mark = Mark::Title,
                None => continue,
            }
        }
        if item.indent == 0 {
            let level = written.bytes().take_while(|byte| *byte == b'#').count();
            item.indent = match item.mark {
                Mark::Title if (1..=6).contains(&level) => level,
                Mark::Title => 7 + item.column,
                _ => 8 + item.column,
            };
        }
        match last(&mut items, |above| above.indent < item.indent) {
            Some(parent) => parent.below.push(item),
            None => items.push(item),
        }
    }
    items
}

/// How deep items are read; what is deeper belongs to the last of these.
const MAX_DEPTH: usize = 16;

/// The last item, or the last below it, that `is_above` what comes.
fn last(items: &mut [Item], is_above: impl Fn(&Item) -> bool) -> Option<&mut Item> {
    let mut found = items.last_mut().filter(|item| is_above(item))?;
    for _ in 0..MAX_DEPTH {
        if !found.below.last().is_some_and(&is_above) {
            break;
        }
        found = found.below.last_mut()?;
    }
    Some(found)
}

/// The column of the first character that is not blank; tabs lead to the next multiple of four.
fn column(line: &str) -> usize {
    let blanks = line.chars().take_while(|c| matches!(c, ' ' | '\t'));
    blanks.fold(0, |column, c| match c {
        '\t' => (column / 4 + 1) * 4,
        _ => column + 1,
    })
}

/// Whether a line of such characters alone says nothing: a rule, an arrow downwards.
fn is_drawn(c: char) -> bool {
    is_branch(c) || "\u{2193}\u{2b07}\u{21d3}\u{25bc}\u{fe0f}|v-=*_+~".contains(c)
}

/// Whether `c` belongs to the branches of a drawn tree.
fn is_branch(c: char) -> bool {
    ('\u{2500}'..='\u{257f}').contains(&c) || matches!(c, '\u{25ba}' | '\u{25b6}' | ' ' | '\t')
}

/// What `line` is marked with (`1.`, `2a)`, `2.1`, `b.`, `-`, `*`, `+`, `•`), and the text behind it.
fn marked(line: &str) -> Option<(Mark, &str)> {
    let bullets = ['-', '*', '+', '\u{2022}', '\u{2023}', '\u{25e6}'];
    let (mark, rest) = match line
        .strip_prefix(bullets)
        .filter(|rest| rest.starts_with([' ', '\t']))
    {
        Some(rest) => (Mark::Bullet, rest),
        // "**1.** planner", "1\u{fe0f}\u{20e3} planner"
        None => {
            let bare = line.trim_start_matches("**");
            let end = bare.find(|c: char| !c.is_ascii_alphanumeric() && c != '.')?;
            let (mark, rest) = bare.split_at(end);
            let closed = rest.trim_start_matches(|c: char| "):*.\u{fe0f}\u{20e3}".contains(c));
            let number = mark.trim_end_matches('.');
            let ends = mark.contains('.')
                || rest.starts_with([')', ':', '\u{fe0f}', '\u{20e3}'])
                || rest.starts_with("**.")
                || rest.starts_with("**)");
            (ends && is_number(number)).then_some(())?;
            (Mark::Number(number.to_ascii_lowercase()), closed)
        }
    };
    let rest = rest.strip_prefix([' ', '\t'])?.trim();
    let boxes = ["[ ] ", "[x] ", "[X] "];
    let unboxed = boxes.iter().find_map(|mark| rest.strip_prefix(mark));
    Some((mark, unboxed.unwrap_or(rest)))
}

/// Whether `text` numbers an item: `12`, `2a`, `2.1`, `b`, `iv`.
fn is_number(text: &str) -> bool {
    let digits = text.split('.').all(|part| {
        let letter = part.trim_start_matches(|c: char| c.is_ascii_digit());
        letter.len() < part.len() && letter.len() <= 1 && part.len() <= 4
    });
    let roman =
        text.len() <= 4 && !text.is_empty() && text.bytes().all(|byte| b"ivx".contains(&byte));
    digits || roman || (text.len() == 1 && text.bytes().all(|byte| byte.is_ascii_alphabetic()))
}

/// How many numbers of higher items a number holds: `2.1` holds one.
fn depth(mark: &Mark) -> usize {
    match mark {
        Mark::Number(number) => number.matches('.').count(),
        _ => 0,
    }
}

/// What a line says that introduces others: a heading, bold text.
fn title(line: &str) -> Option<&str> {
    let hashes = line.trim_start_matches('#');
    if hashes.len() < line.len() && hashes.starts_with([' ', '\t']) {
        return Some(hashes.trim());
    }
    let inner = line
        .trim_end_matches(':')
        .strip_prefix("**")?
        .strip_suffix("**")?;
    (!inner.contains("**")).then_some(inner)
}

/// The number in a label such as "Step 2:", "**Phase 1** -" or "Stage B)", and the text behind it.
fn labelled(text: &str) -> Option<(String, &str)> {
    let bare = text.trim_start_matches('*');
    let word = bare.split([' ', '\u{a0}']).next()?;
    let words = ["phase", "stage", "step", "round", "wave", "part", "task"];
    words
        .contains(&word.to_ascii_lowercase().as_str())
        .then_some(())?;
    let rest = bare[word.len()..].trim_start();
    let rest = rest.strip_prefix('#').unwrap_or(rest);
    let end = rest
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '.')
        .unwrap_or(rest.len());
    let number = rest[..end].trim_end_matches('.');
    is_number(&number.to_ascii_lowercase()).then_some(())?;
    let behind = rest[number.len()..].trim_start_matches(|c: char| {
        c.is_whitespace() || ".:*->)\u{2013}\u{2014}\u{2192}".contains(c)
    });
    Some((number.to_ascii_lowercase(), behind.trim_end()))
}

/// What a row of a table says, with its first cell as its number where it is one; none of its first row and of the
/// line below it.
fn row_item(row: &str, columns: &mut Vec<String>) -> Option<(Mark, String)> {
    let cells: Vec<&str> = row
        .trim_end()
        .trim_end_matches('|')
        .split('|')
        .map(str::trim)
        .collect();
    if columns.is_empty() {
        columns.extend(cells.iter().map(|cell| cell.to_lowercase()));
        return None;
    }
    let is_rule = |cell: &&str| !cell.is_empty() && cell.chars().all(|c| matches!(c, '-' | ':'));
    if cells.iter().all(is_rule) {
        return None;
    }
    let (mark, cells) = match cells.split_first() {
        Some((first, rest)) if is_number(first) => (Mark::Number(first.to_ascii_lowercase()), rest),
        _ => (Mark::Bullet, &cells[..]),
    };
    let skip = columns.len() - cells.len().min(columns.len());
    let who = columns.iter().skip(skip).position(|column| {
        ["agent", "agents", "specialist", "owner", "who"].contains(&column.as_str())
    });
    let at = who.filter(|at| *at < cells.len())?;
    let others = cells.iter().enumerate().filter(|(index, _)| *index != at);
    let others: Vec<&str> = others
        .map(|(_, cell)| *cell)
        .filter(|cell| !cell.is_empty())
        .collect();
    Some((mark, format!("{}: {}", cells[at], others.join(", "))))
}
