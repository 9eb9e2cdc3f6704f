//! What an expression can refer to, and the types of those values.

use std::sync::LazyLock;

use crate::expression::Expression;
use crate::schema::Schema;
use crate::schema::compare::describe::describe;
use crate::schema::schema_type::{Text, Type};
use crate::schema::typed_schema::SchemaType;

/// What an expression can refer to.
#[derive(Debug)]
pub struct Scope<'a> {
    /// What the run is given.
    pub input: &'a Schema,
    /// The id of the step that the expression belongs to.
    pub step: &'a str,
    /// The condition of the step. It is true whenever the inputs of the step are evaluated.
    pub condition: Option<&'a Expression>,
    /// The steps of the workflow.
    pub steps: Vec<ScopeStep<'a>>,
    /// In a step for each item of a list: the types of the items; empty where they are unknown.
    pub item: Option<Vec<SchemaType<'a>>>,
}

/// A step that expressions of another step may refer to.
#[derive(Debug)]
pub struct ScopeStep<'a> {
    /// Its id.
    pub id: &'a str,
    /// Whether it certainly comes before.
    pub before: bool,
    /// The types that its output can have; empty where the type is unknown.
    pub outputs: Vec<SchemaType<'a>>,
}

/// The type that is inferred for an expression.
#[derive(Debug, Clone)]
pub enum Inferred<'a> {
    /// Any value: the type is unknown.
    Any,
    /// One of the types, which a schema states; true where the value may be absent.
    Types(Vec<SchemaType<'a>>, bool),
    /// A type that no schema states, such as that of a comparison.
    Plain(Type),
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
            Self::Plain(ty) => Some(vec![plain(ty)]),
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
