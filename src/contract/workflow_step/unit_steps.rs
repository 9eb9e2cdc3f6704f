//! Steps of many calls, of which only the run knows how many: for each item of a list, for each subtask of a plan.

use std::sync::Arc;

use crate::contract::workflow_step::step_failure::on_failure;
use crate::contract::workflow_step::step_order::{check_join, read_order};
use crate::contract::workflow_step::{OnFailure, Step, StepKind, read_retry};
use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::expression::input_template::{InputTemplate, Segment, TemplateKind};
use crate::expression::parser::parse;
use crate::expression::{Expression, Kind};
use crate::yaml::node::{Entry, Node};
use crate::yaml::yaml_scalar::Scalar;
use crate::yaml::yaml_settings::{self, Name};

/// The list for each item of which a step calls its agent.
#[derive(Debug, Clone)]
pub struct ForEach {
    /// The list, as it is written.
    pub items_text: String,
    /// The list, understood.
    pub items: Expression,
    /// How many items are worked on at once.
    pub concurrency: u32,
    /// Whether the condition of the step is about an item: it leaves out items, and not the step.
    pub filters: bool,
}

/// A plan that a step before made, and what it may ask for.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The list of subtasks, as it is written.
    pub from_text: String,
    /// The list of subtasks, understood.
    pub from: Expression,
    /// The agents for which subtasks may be.
    pub agents: Vec<Name>,
    /// How many subtasks it may have.
    pub max: u32,
    /// How many subtasks are worked on at once.
    pub concurrency: u32,
}

impl Plan {
    /// The step that made it; none where it is part of the run's input.
    pub fn source(&self) -> Option<&Name> {
        match &self.from.kind {
            Kind::Path(path) if path[0].text == "steps" => path.get(1),
            _ => None,
        }
    }
}

/// How many items or subtasks are worked on at once where the step doesn't say.
const CONCURRENCY: u32 = 4;
/// The most that are worked on at once.
const MOST_CONCURRENCY: u32 = 100;
/// How many subtasks a plan may have that doesn't say how many.
const MAX_SUBTASKS: u32 = 40;
/// The most subtasks of a plan.
const MOST_SUBTASKS: u32 = 200;

/// The names of an item and its place in expressions.
const ITEM_NAMES: [&str; 2] = ["item", "index"];

/// The key of a step that carries out a plan.
pub(super) const PLAN: &str = "plan";
const PLAN_STEP_KEYS: &[&str] = &[
    PLAN,
    "needs",
    "join",
    "when",
    "timeout",
    "retry",
    "on_failure",
];
const PLAN_KEYS: &[&str] = &["from", "agents", "max", "concurrency"];

/// Makes a call one for each item of the list in `node`.
pub(super) fn read_for_each(
    step: &mut Step,
    node: &Node,
    concurrency: Option<u32>,
    report: &mut Report,
) -> Option<ForEach> {
    let (items_text, items) = expression(node, report)?;
    let is_item = |expression: &Expression| expression.speaks_of_any(&ITEM_NAMES);
    for expression in expressions_of(step.inputs.as_mut()) {
        name_item(expression);
    }
    if let Some(condition) = &mut step.condition {
        name_item(condition);
    }
    Some(ForEach {
        items_text,
        items,
        concurrency: concurrency.unwrap_or(CONCURRENCY),
        filters: step.condition.as_ref().is_some_and(is_item),
    })
}

/// Reads how many are worked on at once.
pub(super) fn read_concurrency(node: &Node, report: &mut Report) -> Option<u32> {
    at_most(node, MOST_CONCURRENCY, report)
}

/// Reads a step that carries out a plan.
pub(super) fn read_plan_step(mut step: Step, node: &Node, report: &mut Report) -> Option<Step> {
    let mut plan = None;
    for Entry { key, value, .. } in yaml_settings::allowed_entries(node, PLAN_STEP_KEYS, report) {
        match key.as_str() {
            "needs" | "join" | "when" => read_order(&mut step, key, value, report),
            "timeout" => step.timeout_ms = yaml_settings::duration_ms(value, report),
            "retry" => read_retry(&mut step, value, report),
            "on_failure" => step.on_failure = on_failure(value, report).unwrap_or(OnFailure::Stop),
            _ => plan = read_plan(value, report),
        }
    }
    check_join(&step, node, report);
    step.kind = StepKind::Plan(plan?);
    Some(step)
}

fn read_plan(node: &Node, report: &mut Report) -> Option<Plan> {
    let (mut from, mut agents) = (None, Vec::new());
    let (mut max, mut concurrency) = (MAX_SUBTASKS, CONCURRENCY);
    let entries = yaml_settings::allowed_entries(node, PLAN_KEYS, report);
    for Entry { key, value, .. } in entries {
        match key.as_str() {
            "from" => from = Some(expression(value, report)?),
            "agents" => agents = yaml_settings::names(value, report),
            "max" => max = at_most(value, MOST_SUBTASKS, report).unwrap_or(max),
            _ => concurrency = read_concurrency(value, report).unwrap_or(concurrency),
        }
    }
    if node.entries().is_some() && (from.is_none() || agents.is_empty()) {
        let missing = if from.is_none() { "from" } else { "agents" };
        let message = format!("the plan has no `{missing}`");
        report
            .error(Code::BadWorkflow, node.span, message)
            .advise("write `plan: { from: split.output.subtasks, agents: [architect] }`");
        return None;
    }
    let (from_text, from) = from?;
    Some(Plan {
        from_text,
        from,
        agents,
        max,
        concurrency,
    })
}

fn at_most(node: &Node, most: u32, report: &mut Report) -> Option<u32> {
    let count = yaml_settings::small_count(node, report)?;
    if count <= most {
        return Some(count);
    }
    let message = format!("{count} is too large");
    report
        .error(Code::BadSetting, node.span, message)
        .advise(format!("it can be {most} at most"));
    None
}

fn expression(node: &Node, report: &mut Report) -> Option<(String, Expression)> {
    let text = yaml_settings::text(node, report)?.to_owned();
    let source = Arc::clone(report.source());
    let scalar = Scalar::new(node, &source)?;
    let expression = parse(&scalar, report)?;
    Some((text, expression))
}

/// The expressions in the holes of `template`.
fn expressions_of(template: Option<&mut InputTemplate>) -> Vec<&mut Expression> {
    let Some(template) = template else {
        return Vec::new();
    };
    match &mut template.kind {
        TemplateKind::Json(_) => Vec::new(),
        TemplateKind::Value(value) => vec![value],
        TemplateKind::Text(pieces) => {
            let pieces = pieces.iter_mut();
            let values = pieces.filter_map(|piece| match piece {
                Segment::Value(value) => Some(value),
                Segment::Text(_) => None,
            });
            values.collect()
        }
        TemplateKind::Object(members) => {
            let members = members.iter_mut();
            members
                .flat_map(|(_, value)| expressions_of(Some(value)))
                .collect()
        }
        TemplateKind::List(items) => {
            let items = items.iter_mut();
            items.flat_map(|item| expressions_of(Some(item))).collect()
        }
    }
}

/// Lets `item` and `index` name the item and its place, and no step.
fn name_item(expression: &mut Expression) {
    match &mut expression.kind {
        Kind::Null | Kind::Boolean(_) | Kind::Number(_) | Kind::Text(_) => {}
        Kind::Path(path) => {
            // `steps` is not written there, but understood.
            let is_short = path.len() > 1 && path[0].span == path[1].span;
            if is_short && ITEM_NAMES.contains(&path[1].text.as_str()) {
                path.remove(0);
            }
        }
        Kind::Not(inner) => name_item(inner),
        Kind::All(parts) | Kind::Any(parts) => parts.iter_mut().for_each(name_item),
        Kind::Compare(_, sides) => sides.iter_mut().for_each(name_item),
    }
}
