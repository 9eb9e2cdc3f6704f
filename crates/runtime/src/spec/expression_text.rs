//! Expressions as agent files write them.

use std::fmt;

use crate::spec::workflow_spec::Expression;

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(boolean) => write!(f, "{boolean}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::Path(path) => {
                let path = path.strip_prefix(&["steps"]).unwrap_or(path);
                f.write_str(&path.join("."))
            }
            Self::Not(inner) => {
                f.write_str("not ")?;
                write_part(f, inner)
            }
            Self::All(parts) => write_joined(f, parts, " and "),
            Self::Any(parts) => write_joined(f, parts, " or "),
            Self::Compare(comparison, left, right) => {
                write_part(f, left)?;
                write!(f, " {comparison} ")?;
                write_part(f, right)
            }
        }
    }
}

fn write_joined(f: &mut fmt::Formatter<'_>, parts: &[Expression], word: &str) -> fmt::Result {
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            f.write_str(word)?;
        }
        write_part(f, part)?;
    }
    Ok(())
}

/// A part of an expression, in parentheses if it has parts itself.
fn write_part(f: &mut fmt::Formatter<'_>, part: &Expression) -> fmt::Result {
    match part {
        Expression::Not(_) | Expression::All(_) | Expression::Any(_) | Expression::Compare(..) => {
            write!(f, "({part})")
        }
        _ => write!(f, "{part}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::spec::workflow_spec::{Comparison, Expression};

    #[test]
    fn an_expression_is_written_as_its_author_did() {
        const TITLE: Expression = Expression::Path(&["steps", "advice", "output", "title"]);
        const TOPIC: Expression = Expression::Path(&["input", "topic"]);
        const PARTS: &[Expression] = &[
            Expression::Compare(Comparison::NotEqual, &TITLE, &Expression::Text("it's")),
            Expression::Not(&Expression::Any(&[TOPIC, Expression::Null])),
            Expression::Compare(Comparison::Less, &Expression::Number(1.5), &TOPIC),
        ];
        assert_eq!(
            Expression::All(PARTS).to_string(),
            "(advice.output.title != 'it''s') and (not (input.topic or null)) and (1.5 < input.topic)"
        );
    }
}
