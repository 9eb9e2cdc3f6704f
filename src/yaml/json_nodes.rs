//! JSON text (RFC 8259) to a [`Node`] with its places.

use std::ops::Range;

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::yaml::node::{Entry, Node, Value};
use crate::yaml::{MAX_DEPTH, Once, report_duplicate};

/// The object that the report's source contains. `None` where it is something else or no JSON; the report says what and where.
pub fn read(report: &mut Report) -> Option<Node> {
    let source = std::sync::Arc::clone(report.source());
    let mut reader = Reader {
        text: source.text(),
        at: 0,
        depth: 0,
    };
    let read = reader.document(report);
    match read {
        Ok(Node { value, span }) if !matches!(value, Value::Map(_)) => {
            let node = Node { value, span };
            let message = format!("the file is {}", node.kind());
            let advice = "a contract is an object: `{ ... }`";
            report.error(Code::Unreadable, span, message).advise(advice);
            None
        }
        Ok(node) => Some(node),
        Err(Problem { code, range, what }) => {
            let span = Span::new(range.start, range.end);
            let (message, advice) = match code {
                Code::TooDeep => (what, "flatten it"),
                _ => (
                    format!("this is not JSON: {what}"),
                    "JSON has no comments, no trailing commas and only double quotes; a file that ends in .yaml may have them",
                ),
            };
            report.error(code, span, message).advise(advice);
            None
        }
    }
}

struct Problem {
    code: Code,
    range: Range<usize>,
    what: String,
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn document(&mut self, report: &mut Report) -> Result<Node, Problem> {
        let node = self.value(report)?;
        match self.peek() {
            None => Ok(node),
            Some(_) => Err(self.expected("the end of the file")),
        }
    }

    fn value(&mut self, report: &mut Report) -> Result<Node, Problem> {
        let next = self.peek();
        let start = self.at;
        let value = match next {
            Some('{' | '[') if self.depth == MAX_DEPTH => {
                return Err(Problem {
                    code: Code::TooDeep,
                    range: start..start + 1,
                    what: format!("this is nested more than {MAX_DEPTH} deep"),
                });
            }
            Some('{') => self.object(report)?,
            Some('[') => self.list(report)?,
            Some('"') => Value::String(self.string()?),
            Some('-' | '0'..='9') => self.number()?,
            _ => self.word()?,
        };
        let span = Span::new(start, self.at);
        Ok(Node { value, span })
    }

    fn object(&mut self, report: &mut Report) -> Result<Value, Problem> {
        let mut entries: Vec<Entry> = Vec::new();
        self.items('}', |reader| {
            if reader.peek() != Some('"') {
                return Err(reader.expected("a key in double quotes"));
            }
            let start = reader.at;
            let key = reader.string()?;
            let key_span = Span::new(start, reader.at);
            if reader.peek() != Some(':') {
                return Err(reader.expected("`:`"));
            }
            reader.at += 1;
            let value = reader.value(report)?;
            let entry = Entry {
                key,
                key_span,
                value,
            };
            if let Some(index) = entries.iter().position(|other| other.key == entry.key) {
                report_duplicate(&entries.remove(index), &entry, Once::Everything, report);
            }
            entries.push(entry);
            Ok(())
        })?;
        Ok(Value::Map(entries))
    }

    fn list(&mut self, report: &mut Report) -> Result<Value, Problem> {
        let mut items = Vec::new();
        self.items(']', |reader| {
            items.push(reader.value(report)?);
            Ok(())
        })?;
        Ok(Value::List(items))
    }

    /// Reads what is between brackets: items with commas between them.
    fn items(
        &mut self,
        end: char,
        mut item: impl FnMut(&mut Self) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.at += 1;
        self.depth += 1;
        if self.peek() != Some(end) {
            loop {
                item(self)?;
                match self.peek() {
                    Some(',') => self.at += 1,
                    Some(next) if next == end => break,
                    _ => return Err(self.expected(&format!("`,` or `{end}`"))),
                }
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    /// Reads a string; serde_json knows its escapes.
    fn string(&mut self) -> Result<String, Problem> {
        let rest = &self.text[self.at..];
        let mut escaped = false;
        let end = rest[1..].find(|next: char| {
            let ends = next == '"' && !escaped;
            escaped = next == '\\' && !escaped;
            ends || next == '\n'
        });
        let end = match end {
            Some(end) if rest[1 + end..].starts_with('"') => end + 2,
            _ => return Err(self.problem(1, "the string has no end")),
        };
        let text = serde_json::from_str(&rest[..end]).map_err(|error| {
            let column = error.column().saturating_sub(1);
            let start = (0..=column.min(end))
                .rev()
                .find(|at| rest.is_char_boundary(*at));
            let what = words(&error);
            self.at += start.unwrap_or_default();
            self.problem(1, &what)
        })?;
        self.at += end;
        Ok(text)
    }

    fn number(&mut self) -> Result<Value, Problem> {
        let digits = self.run(|next| next.is_ascii_alphanumeric() || "+-.".contains(next));
        match serde_json::from_str(digits) {
            Ok(number) => {
                self.at += digits.len();
                Ok(Value::Number(number))
            }
            Err(error) => Err(self.problem(digits.len(), &words(&error))),
        }
    }

    fn word(&mut self) -> Result<Value, Problem> {
        let word = self.run(|next| next.is_alphanumeric() || next == '_');
        let value = match word {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => return Err(self.expected("a value")),
        };
        self.at += word.len();
        Ok(value)
    }

    /// The text from here on as far as `is_part`.
    fn run(&self, is_part: impl Fn(char) -> bool) -> &'t str {
        let rest = &self.text[self.at..];
        let end = rest.find(|next| !is_part(next)).unwrap_or(rest.len());
        &rest[..end]
    }

    /// The next character that is not white space.
    fn peek(&mut self) -> Option<char> {
        let blank = self.run(|next| matches!(next, ' ' | '\t' | '\r' | '\n'));
        self.at += blank.len();
        self.text[self.at..].chars().next()
    }

    fn expected(&self, what: &str) -> Problem {
        let found = match self.text[self.at..].chars().next() {
            None => "the file ends".to_owned(),
            Some(next) => format!("there is `{}`", next.escape_debug()),
        };
        self.problem(1, &format!("expected {what}, but here {found}"))
    }

    fn problem(&self, length: usize, what: &str) -> Problem {
        let length = match self.text[self.at..].chars().next() {
            Some(next) => length.max(next.len_utf8()),
            None => 0,
        };
        Problem {
            code: Code::Unreadable,
            range: self.at..self.at + length,
            what: what.to_owned(),
        }
    }
}

/// What serde_json says, without the place.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}
