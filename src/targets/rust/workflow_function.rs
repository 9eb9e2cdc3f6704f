//! Workflows as the templates of Rust code are given them: their expressions are Rust already.

use serde::Serialize;
use serde_json::Value as Json;

use crate::agent::{Agent, find_agent};
use crate::contract::workflow_contract::{
    Join, OnFailure, Schedule, Step, StepKind, Workflow, is_joined,
};
use crate::contract::workflow_step::format_duration;
use crate::expression::input_template::{InputTemplate, Segment, TemplateKind};
use crate::expression::{Expression, Kind};
use crate::targets::rust::rust_item::{Names, RustType};
use crate::targets::rust::rust_paths::RustPaths;
use crate::targets::rust::rust_types::{types, vec_of};
use crate::targets::rust::step_output::EndpointTypeCache;
use crate::text::ident::Ident;
use crate::text::rust_literal::{code_span, literal};
use crate::text::slug::Slug;

/// A workflow in the context of a template.
#[derive(Debug, Clone, Serialize)]
pub struct RustWorkflow {
    /// The name in its path.
    pub name: String,
    /// The static that describes it, unique in its agent.
    pub constant: Ident,
    /// The name of its operation in the OpenAPI document.
    pub operation_id: String,
    /// The function that runs it.
    pub function: String,
    /// The type of what it is given: the first of `types`.
    pub input: String,
    /// The struct of its steps.
    pub steps_type: String,
    /// The type of its report.
    pub report: String,
    /// The types that its input is made of, and what its steps wait for.
    pub types: Vec<RustType>,
    /// Its name as Markdown.
    pub doc: String,
    /// The slug of the agent whose file defines it.
    pub agent: String,
    /// JSON Schema of what a run is given.
    pub input_schema: String,
    /// The roles of which a caller needs one.
    pub roles: Vec<String>,
    /// How many steps may be under way at once.
    pub concurrency: Option<u32>,
    /// The longest a run may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// The runtime's `ScheduleSpec`, as Rust.
    pub schedule: Option<String>,
    /// The steps, each behind those it needs.
    pub steps: Vec<RustStep>,
}

/// A step in the context of a template.
#[derive(Debug, Clone, Serialize)]
pub struct RustStep {
    /// Its id.
    pub id: String,
    /// The field of its outcome.
    pub field: String,
    /// The type of its output.
    pub output: String,
    /// What it does, as Markdown.
    pub doc: String,
    /// A variant of the runtime's `StepKind`, as Rust.
    pub kind: String,
    /// The ids of the steps that come first.
    pub needs: Vec<String>,
    /// A variant of the runtime's `Join`, as Rust.
    pub join: String,
    /// The runtime's `Expression`, as Rust.
    pub when: Option<String>,
    /// The runtime's `Template`, as Rust.
    pub with: Option<String>,
    /// The longest one attempt may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// How often it is tried at the most.
    pub attempts: u32,
    /// The pause before the second attempt, in milliseconds.
    pub backoff_ms: u64,
    /// A variant of the runtime's `OnFailure`, as Rust.
    pub on_failure: String,
}

/// The workflows of `agent` over `agents`, whose names they use; `paths` are those of the module `workflows`.
pub fn workflows(agent: &Agent, agents: &[Agent], paths: &'static RustPaths) -> Vec<RustWorkflow> {
    let all = &agent.service.workflows;
    let constants = all
        .iter()
        .filter_map(|workflow| Ident::constant(workflow.slug.as_str()));
    let mut scope = Scope {
        endpoint_types: EndpointTypeCache::new(paths),
        paths,
        types: Names::default(),
        values: Names::default(),
    };
    constants.for_each(|constant| scope.values.reserve(constant.as_str()));
    all.iter()
        .filter_map(|workflow| rust(workflow, agent, agents, &mut scope))
        .collect()
}

/// What the workflows of one agent share: the types of endpoints, and the names that are taken in their module.
struct Scope<'a> {
    endpoint_types: EndpointTypeCache<'a>,
    paths: &'static RustPaths,
    types: Names,
    values: Names,
}

fn rust<'a>(
    workflow: &Workflow,
    agent: &Agent,
    agents: &'a [Agent],
    scope: &mut Scope<'a>,
) -> Option<RustWorkflow> {
    let name = workflow.slug.as_str();
    let doc = code_span(&workflow.name);
    let camel = |suffix: &str| Ident::camel(&format!("{name} {suffix}"));
    let about = format!("What the workflow {doc} is given.");
    let input = camel("input")?;
    let mut types = types(
        &workflow.input,
        input.as_str(),
        &about,
        &mut scope.types,
        scope.paths,
    );
    let steps_type = scope.types.take(camel("steps")?.as_str());
    let report = scope.types.take(camel("report")?.as_str());
    let mut fields = Names::default();
    let idents = workflow.steps.iter().filter_map(Step::field);
    idents.for_each(|ident| fields.reserve(ident.as_str()));
    let mut steps = Vec::new();
    for step in &workflow.steps {
        let field = match step.field() {
            Some(ident) => ident.to_string(),
            None => fields.take("step"),
        };
        let output = match (&step.kind, step.awaited()) {
            (StepKind::Call(_), _) => scope.endpoint_types.output(step, agent, agents)?,
            (StepKind::Plan(_), _) => vec_of(&format!("{}::SubtaskOutput", scope.paths.workflow)),
            (StepKind::Workflow(_), _) => scope.paths.json(),
            (_, None) => "()".to_owned(),
            (_, Some(awaited)) => {
                let suffix = match &step.kind {
                    StepKind::Ask(_) => "answer",
                    _ => "event",
                };
                let name = camel(&format!("{} {suffix}", step.id))?;
                let about = format!(
                    "What the step {} of the workflow {doc} waits for.",
                    code_span(&step.id)
                );
                let (names, paths) = (&mut scope.types, scope.paths);
                let own = self::types(awaited, name.as_str(), &about, names, paths);
                let first = own.first()?.name.clone();
                types.extend(own);
                first
            }
        };
        steps.push(rust_step(step, workflow, agents, field, output)?);
    }
    Some(RustWorkflow {
        name: name.to_owned(),
        constant: Ident::constant(name)?,
        operation_id: workflow.operation_id(),
        function: scope.values.take(Ident::snake(name)?.as_str()),
        input: types.first()?.name.clone(),
        steps_type,
        report,
        types,
        doc,
        agent: agent.spec.slug.to_string(),
        input_schema: workflow.input.json.to_string(),
        roles: workflow.roles.clone(),
        concurrency: workflow.concurrency,
        timeout_ms: workflow.timeout_ms,
        schedule: workflow.schedule.as_ref().map(schedule),
        steps,
    })
}

fn schedule(schedule: &Schedule) -> String {
    format!(
        "::agentgen_runtime::workflow::ScheduleSpec {{ cron: {}, zone: {}, missed: ::agentgen_runtime::workflow::Missed::{:?}, input: {} }}",
        literal(&schedule.cron),
        literal(&schedule.zone),
        schedule.missed,
        literal(&schedule.input.to_string())
    )
}

/// None where an agent is not there, which is an error before anything is generated.
fn rust_step(
    step: &Step,
    workflow: &Workflow,
    agents: &[Agent],
    field: String,
    output: String,
) -> Option<RustStep> {
    let (kind, doc) = match &step.kind {
        StepKind::Call(call) => {
            let agent = find_agent(agents, &call.agent.text)?;
            let endpoint = call.endpoint_name();
            let (slug, name) = (literal(agent.spec.slug.as_str()), literal(endpoint));
            let (endpoint, agent) = (code_span(endpoint), code_span(&agent.spec.name));
            let asks = format!("which asks {endpoint} of {agent}");
            match &call.for_each {
                None => (format!("Call {{ agent: {slug}, endpoint: {name} }}"), asks),
                Some(each) => {
                    let kind = format!(
                        "ForEach {{ agent: {slug}, endpoint: {name}, items: {}, when: {}, concurrency: {} }}",
                        expression(&each.items),
                        option(step.item_condition().map(expression)),
                        each.concurrency
                    );
                    let items = code_span(&each.items_text);
                    (kind, format!("{asks} for each item of {items}"))
                }
            }
        }
        StepKind::Plan(plan) => {
            let slugs = plan.agents.iter().map(|name| {
                let agent = find_agent(agents, &name.text)?;
                Some(literal(agent.spec.slug.as_str()))
            });
            let slugs = slugs.collect::<Option<Vec<_>>>()?;
            let kind = format!(
                "Plan {{ subtasks: {}, source: {}, agents: &[{}], max: {}, concurrency: {} }}",
                expression(&plan.from),
                option(plan.source().map(|name| literal(&name.text))),
                slugs.join(", "),
                plan.max,
                plan.concurrency
            );
            let from = code_span(&plan.from_text);
            (kind, format!("which carries out the plan {from}"))
        }
        StepKind::Ask(ask) => {
            let roles = ask.roles.iter().map(|role| literal(role));
            let kind = format!(
                "Ask {{ prompt: {}, answer_schema: {}, roles: &[{}] }}",
                template(&ask.prompt),
                literal(&ask.answer.json.to_string()),
                roles.collect::<Vec<_>>().join(", ")
            );
            (kind, "which asks a person".to_owned())
        }
        StepKind::WaitFor(wait) => {
            let kind = format!(
                "WaitFor {{ event: {}, payload_schema: {} }}",
                literal(&wait.event),
                literal(&wait.payload.json.to_string())
            );
            let doc = format!("which waits for the event {}", code_span(&wait.event));
            (kind, doc)
        }
        StepKind::Workflow(name) => {
            let slug = literal(Slug::new(&name.text).ok()?.as_str());
            let doc = format!("which runs the workflow {}", code_span(&name.text));
            (format!("Workflow {{ workflow: {slug} }}"), doc)
        }
        StepKind::Wait(ms) => {
            let doc = format!("which waits {}", format_duration(*ms));
            (format!("Wait {{ duration_ms: {ms} }}"), doc)
        }
    };
    let on_failure = match &step.on_failure {
        // Tried in vain, it has failed as any other.
        OnFailure::Retry if is_joined(step, &workflow.steps) => "Join".to_owned(),
        OnFailure::Join => "Join".to_owned(),
        OnFailure::Stop | OnFailure::Retry => "Stop".to_owned(),
        OnFailure::Skip => "Skip".to_owned(),
        OnFailure::Escalate => "Escalate".to_owned(),
        OnFailure::Fallback(name) => {
            let slug = find_agent(agents, &name.text)?.spec.slug.as_str();
            format!("Fallback({})", literal(slug))
        }
    };
    let join = match step.join {
        Join::All => "All".to_owned(),
        Join::Any => "Any".to_owned(),
        Join::Quorum(count) => format!("Quorum({count})"),
    };
    Some(RustStep {
        id: step.id.clone(),
        field,
        output,
        doc: format!("The step {}, {doc}.", code_span(&step.id)),
        kind: format!("{RUNTIME}StepKind::{kind}"),
        needs: step.needs.iter().map(|need| need.text.clone()).collect(),
        join: format!("{RUNTIME}Join::{join}"),
        when: step.own_condition().map(expression),
        with: step.inputs.as_ref().map(template),
        timeout_ms: step.timeout_ms,
        attempts: step.attempts(),
        backoff_ms: step.backoff_ms(),
        on_failure: format!("{RUNTIME}OnFailure::{on_failure}"),
    })
}

/// An `Option`, as Rust.
fn option(value: Option<String>) -> String {
    match value {
        Some(value) => format!("::core::option::Option::Some({value})"),
        None => "::core::option::Option::None".to_owned(),
    }
}

const RUNTIME: &str = "::agentgen_runtime::workflow::";

fn expression(expression: &Expression) -> String {
    let many = |parts: &[Expression]| {
        let parts: Vec<String> = parts.iter().map(self::expression).collect();
        parts.join(", ")
    };
    let text = match &expression.kind {
        Kind::Null => "Null".to_owned(),
        Kind::Boolean(boolean) => format!("Boolean({boolean})"),
        // The shortest digits that mean this number, always with a point or an exponent.
        Kind::Number(number) => format!("Number({number:?})"),
        Kind::Text(text) => format!("Text({})", literal(text)),
        Kind::Path(path) => {
            let names: Vec<String> = path.iter().map(|name| literal(&name.text)).collect();
            format!("Path(&[{}])", names.join(", "))
        }
        Kind::Not(inner) => format!("Not(&{})", self::expression(inner)),
        Kind::All(parts) => format!("All(&[{}])", many(parts)),
        Kind::Any(parts) => format!("Any(&[{}])", many(parts)),
        Kind::Compare(comparison, sides) => {
            let [left, right] = &**sides;
            format!(
                "Compare({RUNTIME}Comparison::{comparison:?}, &{}, &{})",
                self::expression(left),
                self::expression(right)
            )
        }
    };
    format!("{RUNTIME}Expression::{text}")
}

fn template(template: &InputTemplate) -> String {
    if let Some(json) = template.to_json() {
        return json_template(&json);
    }
    let text = match &template.kind {
        TemplateKind::Json(json) => return json_template(json),
        TemplateKind::Value(value) => return value_template(value),
        TemplateKind::Text(pieces) => {
            let pieces: Vec<String> = pieces
                .iter()
                .map(|piece| match piece {
                    Segment::Text(text) => json_template(&Json::from(text.as_str())),
                    Segment::Value(value) => value_template(value),
                })
                .collect();
            format!("Text(&[{}])", pieces.join(", "))
        }
        TemplateKind::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| {
                    format!("({}, {})", literal(&name.text), self::template(value))
                })
                .collect();
            format!("Object(&[{}])", members.join(", "))
        }
        TemplateKind::List(items) => {
            let items: Vec<String> = items.iter().map(self::template).collect();
            format!("List(&[{}])", items.join(", "))
        }
    };
    format!("{RUNTIME}Template::{text}")
}

fn json_template(json: &Json) -> String {
    format!("{RUNTIME}Template::Json({})", literal(&json.to_string()))
}

fn value_template(value: &Expression) -> String {
    format!("{RUNTIME}Template::Value({})", expression(value))
}
