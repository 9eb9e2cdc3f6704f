//! Says in words what is wrong with a text that is not YAML, and in which line.
//!
//! Parsers stop where they can't go on, which is often behind the mistake, and speak of tokens. Here the lines are read once
//! more, as a person reads them: keys, their indentation, and how each value starts and ends.

use std::ops::Range;

use crate::diagnostics::code::Code;
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::text::lines::{Line, lines};
use crate::yaml::yaml_line::{self, Item, is_odd_space, named};
use crate::yaml::yaml_value::{self, Open, Start};

/// One mistake: its place, what is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind of mistake it is.
    pub code: Code,
    /// Its place in the source.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl Fault {
    /// A mistake in the writing of a value.
    pub fn of_value(span: Span, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            code: Code::Unreadable,
            span,
            message: message.into(),
            help: help.into(),
        }
    }

    /// A mistake in the layout: spaces, tabs, or a key in the wrong place.
    pub fn of_layout(span: Span, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            code: Code::Layout,
            ..Self::of_value(span, message, help)
        }
    }
}

/// What is wrong with the YAML in the bytes `range` of `source`. A parser stopped at `stop`.
pub fn find(source: &Source, range: Range<usize>, stop: Span) -> Fault {
    let mut reader = Reader {
        source,
        levels: Vec::new(),
        before: Before::Nothing,
        doubt: None,
    };
    let all: Vec<Line<'_>> = lines(source.text(), range).collect();
    let found = all.iter().find_map(|line| reader.line(*line).err());
    found
        .or_else(|| reader.end())
        .or(reader.doubt)
        .unwrap_or_else(|| {
            let line = source.location(stop.start).line;
            if source.line(line).contains(['[', '{']) {
                return Fault::of_value(
                    stop,
                    "what is in these brackets is not a list or a mapping",
                    "put each text in them that holds `: `, `,` or a quote in quotes",
                );
            }
            Fault::of_value(
                stop,
                format!("line {line} does not fit the lines above it"),
                "compare its indentation, quotes and brackets with theirs",
            )
        })
}

/// The fault of a line that starts with `indent`, which holds a tab or a space that YAML does not take for one.
pub fn indentation_fault(source: &Source, line: Line<'_>, indent: &str) -> Option<Fault> {
    let (at, c) = indent
        .char_indices()
        .find(|(_, c)| *c == '\t' || is_odd_space(*c))?;
    let number = source.location(line.start).line;
    let place = line.start + at;
    let span = Span::new(place, place + c.len_utf8());
    Some(if c == '\t' {
        Fault::of_layout(
            span,
            format!("line {number} is indented with a tab; YAML needs spaces"),
            "write two spaces for each tab, and indent the lines of one block alike",
        )
    } else {
        Fault::of_layout(
            span,
            format!(
                "line {number} starts with {}; YAML needs ordinary spaces",
                named(c)
            ),
            "delete it and type a space in its place",
        )
    })
}

/// The fault of the character `c`, which looks like a space or like nothing, beside the key `key`.
pub fn odd_key_fault(at: usize, c: char, side: &str, key: &str) -> Fault {
    let (effect, help) = if key.ends_with([':', '-']) {
        (
            "YAML needs an ordinary space",
            "delete it and type a space in its place",
        )
    } else {
        ("it becomes part of the key", "delete it")
    };
    Fault::of_layout(
        Span::new(at, at + c.len_utf8()),
        format!("{} is {side} `{key}`; {effect}", named(c)),
        help,
    )
}

/// The fault of a key that has `found` spaces in front of it and not `wanted`.
pub fn spaces_fault(span: Span, key: &str, found: usize, wanted: usize, help: String) -> Fault {
    let (by, word) = if found > wanted {
        (found - wanted, "many")
    } else {
        (wanted - found, "few")
    };
    let by = match by {
        1 => "one space".to_owned(),
        2 => "two spaces".to_owned(),
        3 => "three spaces".to_owned(),
        _ => format!("{by} spaces"),
    };
    Fault::of_layout(
        span,
        format!(
            "{} is indented by {by} too {word}: {found} instead of {wanted}",
            in_words(key)
        ),
        help,
    )
}

/// A key, or an item for its dash.
fn in_words(key: &str) -> String {
    match key {
        "-" => "the item".to_owned(),
        _ => format!("`{key}`"),
    }
}

/// The fault of a value with `: ` in it, at `span`.
pub fn colon_fault(span: Span) -> Fault {
    Fault::of_value(
        span,
        "`: ` inside a value needs quotes",
        "put the whole value in quotes",
    )
}

/// A mapping or a list that is open.
struct Level<'a> {
    column: usize,
    list: bool,
    /// The last key in it, and the number of its line.
    last: (&'a str, usize),
    /// Where its first line starts.
    start: Span,
}

/// What the line before left open.
#[derive(Clone, Copy)]
enum Before {
    /// There was none.
    Nothing,
    /// A key in this column without a value, or the dash of an item.
    Opener { column: usize, dash: bool },
    /// A value without quotes; its key is in this column.
    Plain { column: usize },
    /// A value that is complete.
    Complete,
    /// The header of a block of text; its key is in this column, its text in another one.
    Block {
        column: usize,
        indent: Option<usize>,
    },
    /// A value in quotes or brackets; its key is in this column.
    Open { column: usize, open: Open },
}

struct Reader<'a> {
    source: &'a Source,
    levels: Vec<Level<'a>>,
    before: Before,
    /// What is odd and may be the mistake, if nothing else is.
    doubt: Option<Fault>,
}

impl<'a> Reader<'a> {
    /// What is wrong when all lines are read.
    fn end(&self) -> Option<Fault> {
        match &self.before {
            Before::Open { open, .. } => Some(open.unclosed()),
            _ => None,
        }
    }

    fn line(&mut self, line: Line<'a>) -> Result<(), Fault> {
        yaml_line::control_character(line)?;
        if self.doubt.is_none() {
            self.doubt = yaml_line::unusual_break(line);
        }
        let indent = yaml_line::indent(line.text);
        let filled = &line.text[indent.len()..];
        if filled.is_empty() {
            if let Some(c) = indent.chars().find(|c| *c == '\t' || is_odd_space(*c)) {
                let number = self.source.location(line.start).line;
                let what = match c {
                    '\t' => "a tab".to_owned(),
                    _ => named(c),
                };
                let message = format!("line {number} holds {what} and nothing else");
                let span = Span::new(line.start, line.start + line.text.len());
                self.doubt
                    .get_or_insert(Fault::of_layout(span, message, "empty the line"));
            }
            return Ok(());
        }
        let spaces = indent.len() - indent.trim_start_matches(' ').len();
        match &mut self.before {
            Before::Block { column, indent } if spaces > *column => {
                let first = *indent.get_or_insert(spaces);
                if spaces < first {
                    let number = self.source.location(line.start).line;
                    return Err(Fault::of_layout(
                        Span::new(line.start + spaces, line.start + line.text.len()),
                        format!(
                            "line {number} is indented less than the text it belongs to: {spaces} instead of {first}"
                        ),
                        "indent all lines of the text at least as far as its first one",
                    ));
                }
                return Ok(());
            }
            Before::Open { column, open } => {
                let column = *column;
                if spaces <= column && yaml_line::is_key(filled) {
                    return Err(open.unclosed());
                }
                return match open.go_on(line, indent.len())? {
                    true => {
                        self.before = Before::Complete;
                        Ok(())
                    }
                    false => Ok(()),
                };
            }
            _ => {}
        }
        if filled.starts_with('#') {
            if let Some(fault) = indentation_fault(self.source, line, indent) {
                self.doubt.get_or_insert(fault);
            }
            return Ok(());
        }
        let content = yaml_line::is_key(filled) || filled.starts_with('-');
        if let Some(fault) = indentation_fault(self.source, line, indent) {
            if content || !matches!(self.before, Before::Plain { .. }) {
                return Err(fault);
            }
            self.doubt.get_or_insert(fault);
        }
        if indent.is_empty() && (filled == "---" || filled.starts_with("--- ")) {
            return match self.before {
                Before::Nothing => Ok(()),
                _ => Err(Fault::of_value(
                    Span::new(line.start, line.start + 3),
                    "a second document starts here",
                    "keep one in the file",
                )),
            };
        }
        self.content(line, indent.len(), spaces)
    }

    /// Reads `line` from the byte `at` on, which is in this column.
    fn content(&mut self, line: Line<'a>, mut at: usize, mut column: usize) -> Result<(), Fault> {
        let number = self.source.location(line.start).line;
        loop {
            let rest = &line.text[at..];
            let start = line.start + at;
            match yaml_line::item(rest) {
                Item::Dash(width) => {
                    let dash = Span::new(start, start + 1);
                    self.place(column, true, "-", dash, number)?;
                    self.before = Before::Opener { column, dash: true };
                    if at + width >= line.text.len() {
                        return Ok(());
                    }
                    at += width;
                    column += width;
                }
                Item::OddKey { at, c, key, side } => {
                    return Err(odd_key_fault(start + at, c, side, key));
                }
                Item::Key { key, value } => {
                    let span = Span::new(start, start + key.len());
                    self.place(column, false, key, span, number)?;
                    return self.value(line, at + value, column);
                }
                Item::Text => return self.text(line, at, column, number),
            }
        }
    }

    /// Puts a key or a dash in this column into the level that it belongs to.
    fn place(
        &mut self,
        column: usize,
        list: bool,
        key: &'a str,
        span: Span,
        number: usize,
    ) -> Result<(), Fault> {
        let last = (key, number);
        let deeper = match self.before {
            Before::Nothing => true,
            Before::Opener {
                column: above,
                dash,
            } => column > above || (list && !dash && column == above),
            _ => false,
        };
        if deeper {
            self.levels.push(Level {
                column,
                list,
                last,
                start: span,
            });
            return Ok(());
        }
        let fits = |level: &Level<'_>| level.column == column && level.list == list;
        if let Some(index) = self.levels.iter().rposition(fits) {
            self.levels.truncate(index + 1);
            self.levels[index].last = last;
            return Ok(());
        }
        let Some(first) = self.levels.first() else {
            return Ok(());
        };
        if column < first.column && self.levels.iter().all(|level| level.last.1 == first.last.1) {
            let help = format!("indent it like {} in line {number}", in_words(key));
            return Err(spaces_fault(
                first.start,
                first.last.0,
                first.column,
                column,
                help,
            ));
        }
        if let (Before::Plain { .. }, Some(doubt)) = (self.before, &self.doubt) {
            return Err(doubt.clone());
        }
        let near = self
            .levels
            .iter()
            .rev()
            .filter(|level| level.list == list)
            .min_by_key(|level| level.column.abs_diff(column));
        Err(match near {
            Some(level) if level.column != column => {
                let (sibling, line) = level.last;
                let help = format!("indent it like {} in line {line}", in_words(sibling));
                spaces_fault(span, key, column, level.column, help)
            }
            _ => Fault::of_layout(
                span,
                format!("line {number} can't be a part of what is above it"),
                "don't mix `key: value` lines and `- ` items in one block",
            ),
        })
    }

    /// Reads the value that starts at the byte `at` of the line.
    fn value(&mut self, line: Line<'a>, at: usize, column: usize) -> Result<(), Fault> {
        self.before = match yaml_value::start(line, at)? {
            Start::Nothing => Before::Opener {
                column,
                dash: false,
            },
            Start::Block => Before::Block {
                column,
                indent: None,
            },
            Start::Plain => Before::Plain { column },
            Start::Complete => Before::Complete,
            Start::Open(open) => Before::Open { column, open },
        };
        Ok(())
    }

    /// Reads a line that has neither a key nor a dash.
    fn text(
        &mut self,
        line: Line<'a>,
        at: usize,
        column: usize,
        number: usize,
    ) -> Result<(), Fault> {
        match self.before {
            Before::Opener {
                column: above,
                dash,
            } if column > above => {
                if let Some(fault) = missing_space(line, at) {
                    self.doubt.get_or_insert(fault);
                }
                let key = if dash { above } else { column.min(above) };
                return self.value(line, at, key);
            }
            Before::Plain { column: above } if column > above => {
                return match yaml_value::colon(&line.text[at..]) {
                    Some(colon) => {
                        let place = line.start + at + colon;
                        Err(colon_fault(Span::new(place, place + 2)))
                    }
                    None => Ok(()),
                };
            }
            Before::Nothing if line.text[at..].starts_with(['{', '[', '"', '\'']) => {
                return self.value(line, at, 0);
            }
            _ => {}
        }
        let filled = line.text[at..].trim_end();
        let span = Span::new(line.start + at, line.start + at + filled.len());
        let lookalike = || yaml_line::lookalike_colon(line, at).map(|(_, fault)| fault);
        let cause = missing_space(line, at)
            .or_else(|| quoted_key(line, at))
            .or_else(lookalike);
        if let Some(fault) = cause.or_else(|| yaml_line::unusual_break(line)) {
            return Err(fault);
        }
        Err(Fault::of_value(
            span,
            format!("line {number} is neither `key: value` nor a part of the text above it"),
            "indent it if it continues that text; else start it with a key and a colon",
        ))
    }
}

/// The fault of a line like `"name"?: string`, from the byte `at` on.
fn quoted_key(line: Line<'_>, at: usize) -> Option<Fault> {
    let filled = &line.text[at..];
    let quote = filled.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let end = 1 + filled[1..].find(quote)?;
    yaml_value::colon(&filled[end..])?;
    yaml_value::behind_quote(quote, line, at + end + 1)
}

/// The fault of a line like `path:/x`, from the byte `at` on.
fn missing_space(line: Line<'_>, at: usize) -> Option<Fault> {
    let filled = line.text[at..].trim_end();
    let (key, _) = filled.split_once(':')?;
    let is_key = key
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '?'));
    (is_key && !key.is_empty()).then(|| {
        Fault::of_layout(
            Span::new(line.start + at, line.start + at + filled.len()),
            format!("a space is missing behind `{key}:`"),
            format!("write `{key}: ...`"),
        )
    })
}
