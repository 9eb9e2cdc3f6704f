//! Named Rust types as data for templates.

use std::collections::BTreeSet;

use serde::Serialize;

/// A named Rust type.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RustType {
    /// Its name.
    pub name: String,
    /// One sentence of Markdown.
    pub doc: String,
    /// What it is made of.
    #[serde(flatten)]
    pub shape: Shape,
    /// Statements that check `self` with the validator `v`.
    pub checks: String,
    /// Lints that the type may go against, because it is as its schema says.
    pub allow: Vec<&'static str>,
    /// Lints that the checks may go against.
    pub check_allow: Vec<&'static str>,
}

/// What a named Rust type is made of.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Shape {
    /// A struct with named fields.
    Struct {
        /// Whether unknown fields are refused.
        closed: bool,
        /// The fields.
        fields: Vec<RustField>,
    },
    /// A struct around one value, transparent in JSON.
    Newtype {
        /// The type of the value.
        ty: String,
    },
    /// An enum of texts.
    Enum {
        /// The variants; `value` is the text.
        variants: Vec<RustVariant>,
    },
    /// An enum of values that are not all texts.
    Literals {
        /// The variants; `value` is the JSON of the value.
        variants: Vec<RustVariant>,
    },
    /// An enum of types that the value itself tells apart.
    Untagged {
        /// The variants; `ty` is what they hold.
        variants: Vec<RustVariant>,
    },
    /// An enum of structs that a property tells apart.
    Tagged {
        /// The property, as a Rust string literal.
        tag: String,
        /// The variants; `value` is the tag's value and `ty` the struct.
        variants: Vec<RustVariant>,
    },
}

impl Shape {
    /// Lints that a type of this shape may go against, because it is as its schema says.
    pub fn lints(&self) -> Vec<&'static str> {
        // Paths are long, so that three levels of generics are already too much for the lint.
        let complex = |ty: &str| ty.matches('<').count() > 2;
        match self {
            Self::Enum { .. } | Self::Literals { .. } => vec!["clippy::enum_variant_names"],
            Self::Tagged { .. } | Self::Untagged { .. } => {
                vec!["clippy::enum_variant_names", "clippy::large_enum_variant"]
            }
            Self::Struct { fields, .. } if fields.iter().any(|field| complex(&field.ty)) => {
                vec!["clippy::type_complexity"]
            }
            Self::Newtype { ty } if complex(ty) => vec!["clippy::type_complexity"],
            _ => Vec::new(),
        }
    }
}

/// A field of a struct.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RustField {
    /// Its name.
    pub name: String,
    /// One sentence of Markdown.
    pub doc: String,
    /// Its type.
    pub ty: String,
    /// The content of `#[serde(…)]`; empty where nothing does.
    pub serde: String,
}

/// A variant of an enum.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RustVariant {
    /// Its name.
    pub name: String,
    /// One sentence of Markdown.
    pub doc: String,
    /// The text in JSON, as a Rust string literal.
    pub value: String,
    /// The type of its content; none in an enum of texts.
    pub ty: Option<String>,
}

/// The names of types in one module. A name that is taken gets a number behind it.
#[derive(Debug, Clone, Default)]
pub struct Names(BTreeSet<String>);

impl Names {
    /// Marks `name` as taken.
    pub fn reserve(&mut self, name: &str) {
        self.0.insert(name.to_owned());
    }

    /// A name that was not taken: `name`, or `name` with a number behind it.
    pub fn take(&mut self, name: &str) -> String {
        let numbered = (2..).map(|number| format!("{name}{number}"));
        let free = std::iter::once(name.to_owned())
            .chain(numbered)
            .find(|name| !self.0.contains(name));
        let free = free.unwrap_or_else(|| name.to_owned());
        self.0.insert(free.clone());
        free
    }
}
