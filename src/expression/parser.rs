//! Reads expressions.

use std::ops::Range;

use agentgen_schema::Comparison;

use crate::diagnostics::Report;
use crate::diagnostics::span::Span;
use crate::expression::lexer::{Parsed, Token, VALUES, Wrong, blank, next};
use crate::expression::{Expression, Kind};
use crate::yaml::yaml_scalar::Scalar;
use crate::yaml::yaml_settings::Name;

/// How deep parentheses and negations may be nested.
const MAX_DEPTH: usize = 32;

/// The expression that all of `scalar` is. None where it is none; the report then says where and why.
pub fn parse(scalar: &Scalar<'_>, report: &mut Report) -> Option<Expression> {
    let mut parser = Parser::new(scalar, 0);
    let read = parser.any().and_then(|expression| {
        let (token, range) = parser.next()?;
        match token {
            Token::End => Ok(expression),
            _ => Err(parser.unexpected(range, "and", "join two conditions with `and` or `or`")),
        }
    });
    read.map_err(|wrong| wrong.tell(report)).ok()
}

/// The expression of a hole: the text of `scalar` from the byte `start` on until `}}`, and the byte behind that.
/// None where there is none; the report then says where and why.
pub fn parse_hole(
    scalar: &Scalar<'_>,
    start: usize,
    report: &mut Report,
) -> Option<(Expression, usize)> {
    let mut parser = Parser::new(scalar, start);
    let read = parser.any().and_then(|expression| {
        let (token, range) = parser.next()?;
        match token {
            Token::Symbol("}}") => Ok((expression, range.end)),
            _ => Err(parser.unexpected(range, "}}", "close the hole with `}}`")),
        }
    });
    read.map_err(|wrong| wrong.tell(report)).ok()
}

struct Parser<'s> {
    scalar: &'s Scalar<'s>,
    at: usize,
    depth: usize,
}

impl<'s> Parser<'s> {
    fn new(scalar: &'s Scalar<'s>, at: usize) -> Self {
        Self {
            scalar,
            at,
            depth: 0,
        }
    }

    fn any(&mut self) -> Parsed<Expression> {
        self.joined(&["or", "||"], Self::all, Kind::Any)
    }

    fn all(&mut self) -> Parsed<Expression> {
        self.joined(&["and", "&&"], Self::negated, Kind::All)
    }

    fn joined(
        &mut self,
        words: &[&str],
        operand: fn(&mut Self) -> Parsed<Expression>,
        kind: fn(Vec<Expression>) -> Kind,
    ) -> Parsed<Expression> {
        let first = operand(self)?;
        let mut operands = vec![first];
        while self.take(words)?.is_some() {
            operands.push(operand(self)?);
        }
        if operands.len() == 1 {
            return Ok(operands.remove(0));
        }
        let span = Span::new(
            operands[0].span.start,
            operands[operands.len() - 1].span.end,
        );
        let kind = kind(operands);
        Ok(Expression { kind, span })
    }

    fn negated(&mut self) -> Parsed<Expression> {
        match self.take(&["not"])? {
            Some(range) => self.not(range, Self::negated),
            None => self.comparison(),
        }
    }

    fn not(
        &mut self,
        range: Range<usize>,
        operand: fn(&mut Self) -> Parsed<Expression>,
    ) -> Parsed<Expression> {
        let start = self.scalar.span(range.clone()).start;
        let inner = self.deeper(range, operand)?;
        Ok(Expression {
            span: Span::new(start, inner.span.end),
            kind: Kind::Not(Box::new(inner)),
        })
    }

    fn comparison(&mut self) -> Parsed<Expression> {
        let left = self.operand()?;
        let Some((comparison, turned)) = self.operator()? else {
            return Ok(left);
        };
        let right = self.operand()?;
        let before = self.at;
        if self.operator()?.is_some() {
            let start = before + blank(&self.scalar.text()[before..]);
            let message = "two comparisons in a row".to_owned();
            return Err(Wrong::new(
                self.scalar,
                start..self.at,
                message,
                "join them with `and`",
            ));
        }
        let span = Span::new(left.span.start, right.span.end);
        let sides = if turned { [right, left] } else { [left, right] };
        Ok(Expression {
            kind: Kind::Compare(comparison, Box::new(sides)),
            span,
        })
    }

    /// The comparison that comes next, and whether its sides are to be turned.
    fn operator(&mut self) -> Parsed<Option<(Comparison, bool)>> {
        for comparison in Comparison::ALL {
            if self.take(&[comparison.as_str()])?.is_some() {
                return Ok(Some((comparison, false)));
            }
        }
        // `b contains a` is `a in b`.
        let contains = self.take(&["contains"])?;
        Ok(contains.map(|_| (Comparison::In, true)))
    }

    fn operand(&mut self) -> Parsed<Expression> {
        if let Some(range) = self.take(&["!"])? {
            return self.not(range, Self::operand);
        }
        let (token, range) = self.next()?;
        let span = self.scalar.span(range.clone());
        let kind = match token {
            Token::Number(number) => Kind::Number(number),
            Token::Text(text) => Kind::Text(text),
            Token::Symbol("(") => {
                let inner = self.deeper(range, Self::any)?;
                let (token, range) = self.next()?;
                if token != Token::Symbol(")") {
                    return Err(self.unexpected(range, ")", "close the parenthesis"));
                }
                return Ok(inner);
            }
            Token::Path(names) => match names.as_slice() {
                [(word, _)] if word == "null" => Kind::Null,
                [(word, _)] if word == "true" => Kind::Boolean(true),
                [(word, _)] if word == "false" => Kind::Boolean(false),
                [(word, _)] if KEYWORDS.contains(&word.as_str()) => {
                    return Err(self.unexpected(range, "a value", VALUES));
                }
                names => Kind::Path(self.path(names)),
            },
            _ => return Err(self.unexpected(range, "a value", VALUES)),
        };
        Ok(Expression { kind, span })
    }

    fn path(&self, names: &[(String, Range<usize>)]) -> Vec<Name> {
        let mut path: Vec<Name> = names
            .iter()
            .map(|(text, range)| Name {
                text: text.clone(),
                span: self.scalar.span(range.clone()),
            })
            .collect();
        if !matches!(path[0].text.as_str(), "input" | "steps") {
            let span = path[0].span;
            let text = "steps".to_owned();
            path.insert(0, Name { text, span });
        }
        path
    }

    fn deeper(
        &mut self,
        range: Range<usize>,
        read: fn(&mut Self) -> Parsed<Expression>,
    ) -> Parsed<Expression> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = "the expression is nested too deeply".to_owned();
            let advice = format!("{MAX_DEPTH} levels are allowed; decide a part of it in a step");
            return Err(Wrong::new(self.scalar, range, message, advice));
        }
        let inner = read(self)?;
        self.depth -= 1;
        Ok(inner)
    }

    /// Takes the next token if it is one of `words`.
    fn take(&mut self, words: &[&str]) -> Parsed<Option<Range<usize>>> {
        let before = self.at;
        let (token, range) = self.next()?;
        let taken = match &token {
            Token::Symbol(symbol) => words.contains(symbol),
            Token::Path(names) => names.len() == 1 && words.contains(&names[0].0.as_str()),
            _ => false,
        };
        if !taken {
            self.at = before;
        }
        Ok(taken.then_some(range))
    }

    fn next(&mut self) -> Parsed<(Token, Range<usize>)> {
        next(self.scalar, &mut self.at)
    }

    fn unexpected(&self, range: Range<usize>, expected: &str, advice: &str) -> Wrong {
        let found = match &self.scalar.text()[range.clone()] {
            "" => "the end".to_owned(),
            found => format!("`{found}`"),
        };
        let expected = match expected {
            "a value" => expected.to_owned(),
            expected => format!("`{expected}`"),
        };
        Wrong::new(
            self.scalar,
            range,
            format!("{found} where {expected} is expected"),
            advice,
        )
    }
}

const KEYWORDS: &[&str] = &["and", "or", "not", "in", "contains"];
