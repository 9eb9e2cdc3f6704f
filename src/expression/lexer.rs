//! The tokens of expressions.

use std::ops::Range;

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::yaml::yaml_scalar::Scalar;

/// A token.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    /// A keyword, or the names of a path with their places.
    Path(Vec<(String, Range<usize>)>),
    /// A number.
    Number(f64),
    /// A text without its quotes.
    Text(String),
    /// One of the symbols.
    Symbol(&'static str),
    /// There is nothing more.
    End,
}

/// Longer symbols come before their prefixes.
const SYMBOLS: &[&str] = &[
    "==", "!=", "<=", ">=", "&&", "||", "}}", "<", ">", "!", "(", ")",
];

/// The largest whole number that no other one is taken for: below 2 to the power of 53.
const LARGEST_EXACT: f64 = 9_007_199_254_740_991.0;

/// What is wrong with an expression, and where.
pub struct Wrong {
    span: Span,
    message: String,
    advice: String,
}

impl Wrong {
    /// What is wrong in `range` of `scalar`, and what to do.
    pub fn new(
        scalar: &Scalar<'_>,
        range: Range<usize>,
        message: String,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            span: scalar.span(range),
            message,
            advice: advice.into(),
        }
    }

    /// Tells it.
    pub fn tell(self, report: &mut Report) {
        report
            .error(Code::BadWorkflow, self.span, self.message)
            .advise(self.advice);
    }
}

/// What is read, or what is wrong with it.
pub type Parsed<T> = Result<T, Wrong>;

/// The token of `scalar` that starts at or behind the byte `at`, and its place; `at` is behind it then.
///
/// # Errors
///
/// What is no token.
pub fn next(scalar: &Scalar<'_>, at: &mut usize) -> Parsed<(Token, Range<usize>)> {
    let text = scalar.text();
    *at += blank(&text[*at..]);
    let start = *at;
    let rest = &text[start..];
    let Some(first) = rest.chars().next() else {
        return Ok((Token::End, start..start));
    };
    let token = if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
        *at += symbol.len();
        Token::Symbol(symbol)
    } else if matches!(first, '"' | '\'') {
        let Some((text, length)) = quoted(rest, first) else {
            let message = "the text has no end".to_owned();
            let advice = format!("close it with {first}");
            return Err(Wrong::new(scalar, start..start + 1, message, advice));
        };
        *at += length;
        Token::Text(text)
    } else if first.is_ascii_digit() || first == '-' {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_');
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        *at += length;
        let number = serde_json::from_str::<f64>(&rest[..length]).ok();
        let wrong = |what: &str, advice: &str| {
            let message = format!("`{}` {what}", &rest[..length]);
            Wrong::new(scalar, start..start + length, message, advice)
        };
        let Some(number) = number.filter(|number| number.is_finite()) else {
            return Err(wrong("is no number", "put text in quotes"));
        };
        let is_whole = !rest[..length].contains(['.', 'e', 'E']);
        if is_whole && number.abs() > LARGEST_EXACT {
            let advice =
                "compare such numbers as texts, or write about how large it is, such as `1e18`";
            return Err(wrong("has more digits than are compared", advice));
        }
        Token::Number(number)
    } else if first.is_alphabetic() || first == '_' {
        Token::Path(names(scalar, at)?)
    } else {
        let range = start..start + first.len_utf8();
        let advice = match first {
            '=' => "write `==`",
            '&' => "write `and`",
            '|' => "write `or`",
            '{' => "write the expression without braces",
            _ => VALUES,
        };
        return Err(Wrong::new(
            scalar,
            range,
            format!("`{first}` has no meaning here"),
            advice,
        ));
    };
    Ok((token, start..*at))
}

/// The text in quotes that `rest` starts with, and how many bytes it takes. A doubled quote is part of it.
fn quoted(rest: &str, quote: char) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut at = 1;
    loop {
        let length = rest[at..].find(quote)?;
        text.push_str(&rest[at..at + length]);
        at += length + 1;
        if !rest[at..].starts_with(quote) {
            return Some((text, at));
        }
        text.push(quote);
        at += 1;
    }
}

fn names(scalar: &Scalar<'_>, at: &mut usize) -> Parsed<Vec<(String, Range<usize>)>> {
    let text = scalar.text();
    let mut names = Vec::new();
    loop {
        let start = *at;
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let rest = &text[start..];
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        if length == 0 {
            let message = "a dot without a name behind it".to_owned();
            let advice = "write `step.output.member`";
            return Err(Wrong::new(scalar, start - 1..start, message, advice));
        }
        *at += length;
        names.push((rest[..length].to_owned(), start..*at));
        if !text[*at..].starts_with('.') {
            return Ok(names);
        }
        *at += 1;
    }
}

/// What values there are, for advice.
pub const VALUES: &str = "values are `input.member`, `step.output`, `step.status`, texts in quotes, numbers, true, false and null";

/// How many bytes of white space `text` starts with.
pub fn blank(text: &str) -> usize {
    text.len() - text.trim_start().len()
}
