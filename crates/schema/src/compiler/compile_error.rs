//! Why a schema does not compile.

use std::fmt;

use crate::compiler::pattern::PatternError;
use crate::compiler::vocabulary::advice;

/// A schema does not compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileError {
    /// The place in the schema: a JSON Pointer (RFC 6901).
    pub pointer: String,
    /// What is wrong there.
    pub kind: CompileErrorKind,
}

/// What is wrong with a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompileErrorKind {
    /// A keyword that is unknown, or that this crate does not implement.
    UnsupportedKeyword(String),
    /// The value of `$schema` is another dialect than JSON Schema 2020-12.
    UnsupportedDialect(String),
    /// A pattern that can't be matched as ECMA-262 defines it.
    UnsupportedPattern(PatternError),
    /// A `$dynamicRef` whose target depends on the path that the evaluation takes.
    UnsupportedDynamicReference(String),
    /// A reference to another document.
    ExternalReference(String),
    /// A reference to a place that is not there.
    UnresolvedReference(String),
    /// A schema that applies itself to the same value again.
    CircularReference,
    /// The value of a keyword is not what it must be.
    InvalidKeyword {
        /// The keyword.
        keyword: String,
        /// What its value must be.
        expected: &'static str,
    },
    /// Two schemas of one document have the same `$id` or `$anchor`.
    DuplicateIdentifier(String),
    /// Neither an object nor true or false.
    NotASchema,
    /// Subschemas are nested too deeply.
    TooDeep,
}

impl CompileErrorKind {
    pub(crate) fn at(self, pointer: impl Into<String>) -> CompileError {
        CompileError {
            pointer: pointer.into(),
            kind: self,
        }
    }
}

impl fmt::Display for CompileErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsupportedKeyword(keyword) => {
                write!(f, "the keyword `{keyword}` is not supported")?;
                advice(keyword).map_or(Ok(()), |advice| write!(f, "; {advice}"))
            }
            Self::UnsupportedDialect(uri) => write!(
                f,
                "the dialect `{uri}` is not supported; schemas are JSON Schema 2020-12"
            ),
            Self::UnsupportedPattern(error) => error.fmt(f),
            Self::UnsupportedDynamicReference(reference) => write!(
                f,
                "the dynamic reference `{reference}` is not supported, since several schemas define its anchor"
            ),
            Self::ExternalReference(reference) => write!(
                f,
                "the reference `{reference}` leads to another document, which is not supported"
            ),
            Self::UnresolvedReference(reference) => {
                write!(f, "the reference `{reference}` leads nowhere")
            }
            Self::CircularReference => {
                f.write_str("the schema applies itself to the same value again, without end")
            }
            Self::InvalidKeyword { keyword, expected } => {
                write!(f, "`{keyword}` must be {expected}")
            }
            Self::DuplicateIdentifier(name) => {
                write!(f, "another schema has the identifier `{name}` too")
            }
            Self::NotASchema => f.write_str("a schema must be an object, true or false"),
            Self::TooDeep => f.write_str("the schemas are nested too deeply"),
        }
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            self.kind.fmt(f)
        } else {
            write!(f, "{}: {}", self.pointer, self.kind)
        }
    }
}

impl std::error::Error for CompileError {}
