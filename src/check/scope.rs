//! What expressions can speak of, and what that can be.

use std::sync::LazyLock;

use crate::expression::Expression;
use crate::schema::Schema;
use crate::schema::compare::describe::describe;
use crate::schema::schema_type::{Text, Type};
use crate::schema::typed_schema::Typed;

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
    pub outputs: Vec<Typed<'a>>,
}

/// What a value is one of.
#[derive(Debug, Clone)]
pub enum Given<'a> {
    /// Anything.
    Unknown,
    /// A value of one of the types, which are a schema's; and whether it stands under an optional name.
    Of(Vec<Typed<'a>>, bool),
    /// A value of this type, which no schema states.
    Own(Type),
}

/// A schema without definitions, for types that no schema states.
static PLAIN: LazyLock<Schema> = LazyLock::new(Schema::empty_object);

/// Any text.
pub static TEXT: LazyLock<Type> = LazyLock::new(|| Type::String(Text::default()));

/// The type `ty`, which refers to no definition.
pub fn plain(ty: &Type) -> Typed<'_> {
    Typed { schema: &PLAIN, ty }
}

impl Given<'_> {
    /// The types; none where it may be anything.
    pub fn types(&self) -> Option<Vec<Typed<'_>>> {
        match self {
            Self::Unknown => None,
            Self::Of(types, _) => Some(types.clone()),
            Self::Own(ty) => Some(vec![plain(ty)]),
        }
    }

    /// Whether there may be none.
    pub fn is_optional(&self) -> bool {
        matches!(self, Self::Of(_, true))
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
    pub fn can_be(&self, fits: impl Fn(Typed<'_>) -> bool) -> bool {
        self.types().is_none_or(|types| types.into_iter().any(fits))
    }
}

/// The type without the null that it may be.
pub fn bare(typed: Typed<'_>) -> Typed<'_> {
    let typed = typed.resolved();
    match typed.ty {
        Type::Nullable(ty) => typed.with(ty).resolved(),
        _ => typed,
    }
}
