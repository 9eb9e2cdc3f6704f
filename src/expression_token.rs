//! The tokens of expressions.

use std::ops::Range;

use crate::code::Code;
use crate::diagnostic::Report;
use crate::scalar::Scalar;
use crate::span::Span;

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

/// Longer symbols stand before those they start with.
const SYMBOLS: &[&str] = &[
    "==", "!=", "<=", ">=", "&&", "||", "}}", "<", ">", "!", "(", ")",
];

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

/// The token of `scalar` that starts at or behind the byte `at`, and where it stands; `at` is behind it then.
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
        let Some(length) = rest[1..].find(first) else {
            let message = "the text has no end".to_owned();
            let advice = format!("close it with {first}");
            return Err(Wrong::new(scalar, start..start + 1, message, advice));
        };
        *at += length + 2;
        Token::Text(rest[1..=length].to_owned())
    } else if first.is_ascii_digit() || first == '-' {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_');
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        *at += length;
        let number = serde_json::from_str::<f64>(&rest[..length]).ok();
        let Some(number) = number.filter(|number| number.is_finite()) else {
            let message = format!("`{}` is no number", &rest[..length]);
            return Err(Wrong::new(
                scalar,
                start..*at,
                message,
                "put text in quotes",
            ));
        };
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
