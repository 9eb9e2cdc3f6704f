//! Checks steps of many calls: the list for each item of which an agent is called, and plans.

use std::sync::{Arc, LazyLock};

use serde_json::json;

use crate::check::infer::infer;
use crate::check::scope::{Inferred, Scope, bare};
use crate::contract::workflow_step::{ForEach, Plan};
use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::schema::compare::disjoint::disjoint;
use crate::schema::schema_type::{Array, Type};
use crate::schema::typed_schema::SchemaType;
use crate::schema::{self, Role, Schema};
use crate::yaml::node::Node;

/// What a plan is, under `plan`, and what its step gives, under `output`.
static PLAN_SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let source = Arc::new(Source::new("plan", String::new()));
    let mut report = Report::new(&source);
    let subtask = json!({
        "type": "object",
        "required": ["id", "agent", "input"],
        "properties": {
            "id": { "type": "string" },
            "agent": { "type": "string" },
            "input": {},
            "depends_on": { "type": ["array", "null"], "items": { "type": "string" } },
        },
    });
    let output = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["id", "agent", "output"],
        "properties": {
            "id": { "type": "string" },
            "agent": { "type": "string" },
            "output": { "type": ["string", "null"] },
        },
    });
    let both = json!({
        "type": "object",
        "properties": {
            "plan": { "type": "array", "items": subtask },
            "output": { "type": "array", "items": output },
        },
    });
    let node = Node::from_json(&both, Span::default());
    schema::read(&node, &mut report, Role::Output).expect("the built-in schemas are valid")
});

fn part_of_plan(name: &str) -> Option<SchemaType<'static>> {
    let schema = &*PLAN_SCHEMA;
    let Type::Object(object) = schema.resolve(&schema.ty) else {
        return None;
    };
    let field = object.fields.iter().find(|field| field.name == name)?;
    Some(bare(SchemaType {
        schema,
        ty: &field.ty,
    }))
}

/// The type of what a step gives that carries out a plan.
pub fn plan_output() -> Vec<SchemaType<'static>> {
    part_of_plan("output").into_iter().collect()
}

/// Checks that what a step takes for a plan can be one.
pub fn check_plan(plan: &Plan, scope: &Scope<'_>, report: &mut Report) {
    let inferred = infer(&plan.from, scope, report);
    let (Some(types), Some(expected)) = (inferred.types(), part_of_plan("plan")) else {
        return;
    };
    let mut clashes = types.iter().map(|ty| disjoint(bare(*ty), expected));
    if types.is_empty() || clashes.any(|clash| clash.is_none()) {
        return;
    }
    let message = format!("this is no plan but {}", inferred.describe());
    report
        .error(Code::BadWorkflow, plan.from.span, message)
        .advise("a plan is a list of objects with `id`, `agent`, `input` and `depends_on`");
}

/// The types of the items for each of which a step calls its agent; none where they are unknown.
pub fn item_types<'a>(
    each: &ForEach,
    scope: &Scope<'a>,
    report: &mut Report,
) -> Vec<SchemaType<'a>> {
    let inferred = infer(&each.items, scope, report);
    let mut items = Vec::new();
    match &inferred {
        Inferred::Any => return Vec::new(),
        Inferred::Types(types, _) => {
            for typed in types.iter().map(|typed| bare(*typed)) {
                match typed.ty {
                    Type::Array(array) => items.push(typed.with(&array.items)),
                    Type::Tuple(types) => items.extend(types.iter().map(|ty| typed.with(ty))),
                    Type::Any | Type::Ref(_) | Type::Untagged(_) | Type::Refined(_) => {
                        return Vec::new();
                    }
                    _ => {}
                }
            }
        }
        Inferred::Plain(_) => {}
    }
    if items.is_empty() {
        let message = format!(
            "`for_each` takes a list, and this is {}",
            inferred.describe()
        );
        report
            .error(Code::BadWorkflow, each.items.span, message)
            .advise("name a list in the input or in the output of a step before");
    }
    items
}

/// A list of such outputs; `has_gaps` says whether null may be among them.
pub fn list_of(output: SchemaType<'_>, has_gaps: bool) -> Type {
    let item = output.ty.clone();
    let items = match has_gaps {
        true => Type::Nullable(Box::new(item)),
        false => item,
    };
    Type::Array(Box::new(Array {
        items,
        min_items: None,
        max_items: None,
        unique: false,
    }))
}
