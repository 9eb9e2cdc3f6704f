//! What expressions can speak of, and what that can be.

use std::sync::LazyLock;

use crate::expression::Expression;
use crate::schema::Schema;
use crate::schema::compare::describe::describe;
use crate::schema::schema_type::{Text, Type};
use crate::schema::typed_schema::SchemaType;

/// What is known where an expression stands.
#[derive(Debug)]
pub struct Scope<'a> {
    /// What the run is given.
    pub input: &'a Schema,
    /// The id of the step that it stands in.
    pub step: &'a str,
    /// The condition of the step, which holds wherever what the step is given is looked at.
    pub condition: Option<&'a Expression>,
    /// The steps of the workflow.
    pub steps: Vec<Known<'a>>,
}

/// A step, as far as expressions of another one may speak of it.
#[derive(Debug)]
pub struct Known<'a> {
    /// Its id.
    pub id: &'a str,
    /// Whether it certainly comes before.
    pub before: bool,
    /// What its output is one of; empty where that is not known.
    pub outputs: Vec<SchemaType<'a>>,
}

/// The type that is inferred for an expression.
#[derive(Debug, Clone)]
pub enum Inferred<'a> {
    /// Any value: nothing is known.
    Any,
    /// One of the types, which a schema states; true where the value may be absent.
    Types(Vec<SchemaType<'a>>, bool),
    /// A type that no schema states, such as that of a comparison.
    Known(Type),
}

/// A schema without definitions, for types that no schema states.
static PLAIN: LazyLock<Schema> = LazyLock::new(Schema::empty_object);

/// Any text.
pub static TEXT: LazyLock<Type> = LazyLock::new(|| Type::String(Text::default()));

/// The type `ty`, which refers to no definition.
pub fn plain(ty: &Type) -> SchemaType<'_> {
    SchemaType { schema: &PLAIN, ty }
}

impl Inferred<'_> {
    /// The types; none where it may be anything.
    pub fn types(&self) -> Option<Vec<SchemaType<'_>>> {
        match self {
            Self::Any => None,
            Self::Types(types, _) => Some(types.clone()),
            Self::Known(ty) => Some(vec![plain(ty)]),
        }
    }

    /// Whether there may be none.
    pub fn is_optional(&self) -> bool {
        matches!(self, Self::Types(_, true))
    }

    /// What it is, in words.
    pub fn describe(&self) -> String {
        let types = self.types().unwrap_or_default();
        let words: Vec<String> = types.into_iter().map(describe).collect();
        match words.as_slice() {
            [] => "any value".to_owned(),
            words => words.join(" or "),
        }
    }

    /// Whether the value can be one that `fits`.
    pub fn can_be(&self, fits: impl Fn(SchemaType<'_>) -> bool) -> bool {
        self.types().is_none_or(|types| types.into_iter().any(fits))
    }
}

/// The type without the null that it may be.
pub fn bare(typed: SchemaType<'_>) -> SchemaType<'_> {
    let typed = typed.resolved();
    match typed.ty {
        Type::Nullable(ty) => typed.with(ty).resolved(),
        _ => typed,
    }
}
