//! Checks workflows against the agents they call: endpoints, references of their steps, and types.
//!
//! A type is an error only where it can never be valid: a number where text is required, a property that a closed
//! object doesn't have, a missing required input. An output is checked as what it is where it is there; that a
//! step may be skipped, or needn't succeed (`when`, `on_failure: skip`, `join`), adds that it may be null, and null is
//! what a place may always be compared with.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::agent::invoke::INVOKE_SCHEMAS;
use crate::agent::{Agent, find_agent, find_slug};
use crate::check::infer::infer;
use crate::check::scope::{Scope, ScopeStep, TEXT, plain};
use crate::check::step_input_check::check_value;
use crate::check::unit_check::{check_plan, item_types, list_of, plan_output};
use crate::contract::endpoint::INVOKE_NAME;
use crate::contract::workflow_contract::{Join, OnFailure, Step, StepKind, Workflow};
use crate::contract::workflow_step::{Call, Plan};
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::diagnostics::{Diagnostic, Report, Severity};
use crate::expression::input_template::TemplateKind;
use crate::schema::Schema;
use crate::schema::compare::disjoint::{Mismatch, disjoint};
use crate::schema::schema_type::{Field, Object, Type};
use crate::schema::typed_schema::{SchemaType, exactly_text};
use crate::spec::tool_access::quoted;
use crate::text::did_you_mean::did_you_mean;
use crate::text::ident::Ident;
use crate::text::slug::Slug;
use crate::yaml::yaml_settings::Name;

/// Checks the workflows of all `agents`; what is wrong with them is added to `diagnostics`.
pub fn check_workflows(agents: &[Agent], diagnostics: &mut Vec<Diagnostic>) {
    let mut names: BTreeMap<String, &Agent> = BTreeMap::new();
    for agent in agents {
        let mut report = Report::new(&agent.service.source);
        for workflow in &agent.service.workflows {
            let twin = names.insert(workflow.operation_id(), agent);
            if let Some(twin) = twin.filter(|twin| twin.spec.slug != agent.spec.slug) {
                let message = format!(
                    "`{}` is the name of a workflow of `{}` too",
                    workflow.name, twin.spec.name
                );
                report
                    .error(Code::BadWorkflow, workflow.span, message)
                    .advise("rename one of them");
            }
            check_workflow(workflow, agents, &mut report);
        }
        diagnostics.extend(report.into_diagnostics());
    }
    diagnostics.extend(left_out_of_arazzo(
        agents,
        Workflow::waits,
        Code::UnsaidWait,
        "that a workflow waits",
    ));
    let only_units = |workflow: &Workflow| workflow.has_units() && !workflow.waits();
    diagnostics.extend(left_out_of_arazzo(
        agents,
        only_units,
        Code::UnsaidUnits,
        "how many calls a step makes where only the run knows",
    ));
}

/// The note that the Arazzo document has none of the workflows `is_left_out`, because it can't say `what`, at the first one.
fn left_out_of_arazzo(
    agents: &[Agent],
    is_left_out: impl Fn(&Workflow) -> bool,
    code: Code,
    what: &str,
) -> Option<Diagnostic> {
    let all = agents.iter().flat_map(|agent| {
        let workflows = agent.service.workflows.iter();
        workflows.map(move |workflow| (agent, workflow))
    });
    let left_out = all.filter(|(_, workflow)| is_left_out(workflow));
    let left_out: Vec<(&Agent, &Workflow)> = left_out.collect();
    let (agent, first) = left_out.first()?;
    let names: Vec<&str> = left_out.iter().map(|(_, one)| one.name.as_str()).collect();
    let message = format!(
        "the Arazzo document leaves out {}: it can't say {what}",
        quoted(&names)
    );
    let mut note = Diagnostic::error(code, "", message)
        .with_severity(Severity::Note)
        .at(&agent.service.source, first.span)
        .help(
            "the service runs it all the same; only other engines that read the document lack it",
        );
    note.about(names);
    Some(note)
}

/// The types of the input and the outputs of a step; none and empty where they are unknown.
struct StepTypes<'a> {
    input: Option<SchemaType<'a>>,
    outputs: Vec<SchemaType<'a>>,
    /// The input of the fallback agent.
    fallback: Option<SchemaType<'a>>,
}

fn check_workflow(workflow: &Workflow, agents: &[Agent], report: &mut Report) {
    let types: Vec<StepTypes<'_>> = workflow
        .steps
        .iter()
        .map(|step| step_types(step, agents, report))
        .collect();
    // Of a step for each item of a list, the output is a list.
    let lists = workflow.steps.iter().zip(&types).map(|(step, types)| {
        let outputs = types.outputs.iter().filter(|_| step.for_each().is_some());
        let lists = outputs.map(|output| (*output, list_of(*output, step.has_gaps())));
        lists.collect::<Vec<_>>()
    });
    let lists: Vec<Vec<(SchemaType<'_>, Type)>> = lists.collect();
    for (step, own) in workflow.steps.iter().zip(&types) {
        let before = reached(step, workflow, |_| true);
        // Behind a step that doesn't wait for all of its needs, some may still be under way.
        let over = reached(step, workflow, |step| step.join == Join::All);
        let all = workflow.steps.iter().zip(types.iter().zip(&lists));
        let steps = all.map(|(other, (types, lists))| {
            let mut outputs = types.outputs.clone();
            if other.for_each().is_some() {
                let lists = lists.iter().map(|(output, list)| output.with(list));
                outputs = lists.collect();
            }
            let may_be_missing = other.when.is_some()
                || matches!(other.on_failure, OnFailure::Skip | OnFailure::Escalate)
                || !over.contains(other.id.as_str());
            if may_be_missing && !outputs.is_empty() {
                outputs.push(plain(&NULL));
            }
            ScopeStep {
                id: &other.id,
                before: before.contains(other.id.as_str()),
                outputs,
            }
        });
        if let StepKind::Workflow(name) = &step.kind {
            check_child(name, workflow, agents, report);
        }
        let mut scope = Scope {
            input: &workflow.input,
            step: &step.id,
            condition: step.condition.as_ref(),
            steps: steps.collect(),
            item: None,
        };
        if let Some(each) = step.for_each() {
            scope.item = Some(item_types(each, &scope, report));
        }
        if let StepKind::Plan(plan) = &step.kind {
            check_plan(plan, &scope, report);
            check_planned_agents(plan, agents, report);
        }
        if let Some(condition) = &step.condition {
            infer(condition, &scope, report);
        }
        if let StepKind::Ask(ask) = &step.kind {
            check_value(&ask.prompt, None, "", true, &scope, report);
        }
        match (&step.inputs, own.input) {
            (Some(template), input) => check_value(template, input, "", true, &scope, report),
            (None, Some(input)) if matches!(step.kind, StepKind::Workflow(_)) => {
                if step.with.is_none() && disjoint(typed(&workflow.input), input).is_some() {
                    let message = format!(
                        "the step `{}` has no `with`, and its workflow doesn't take what the run is given",
                        step.id
                    );
                    report
                        .error(Code::BadWorkflow, step.span, message)
                        .advise("say under `with` what it is given");
                }
            }
            (None, Some(input)) if step.with.is_none() => {
                if let Some(call) = step.call() {
                    let given = match &scope.item {
                        Some(items) => items.clone(),
                        None => vec![typed(&workflow.input)],
                    };
                    check_default_input(input, step, call, &given, report);
                }
            }
            (None, _) => {}
        }
        if let (OnFailure::Fallback(name), Some(input), Some(call)) =
            (&step.on_failure, own.fallback, step.call())
        {
            check_fallback(name, input, step, report);
            let asks_invoke = call.endpoint_name() == INVOKE_NAME;
            if asks_invoke && find_slug(agents, &name.text) == find_slug(agents, &call.agent.text) {
                let message = format!(
                    "where the step `{}` fails, the same agent is called again",
                    step.id
                );
                report
                    .warning(Code::BadWorkflow, name.span, message)
                    .advise("name another agent, or write `on_failure: retry`");
            }
        }
    }
}

static NULL: Type = Type::Null;

/// The types of `step`. An endpoint that does not exist is an error.
fn step_types<'a>(step: &'a Step, agents: &'a [Agent], report: &mut Report) -> StepTypes<'a> {
    let Some(call) = step.call() else {
        if matches!(step.kind, StepKind::Plan(_)) {
            return StepTypes {
                input: None,
                outputs: plan_output(),
                fallback: None,
            };
        }
        if let StepKind::Workflow(name) = &step.kind {
            // What its last step gives, which may be anything.
            let child = find_workflow(agents, &name.text);
            return StepTypes {
                input: child.map(|child| typed(&child.input)),
                outputs: Vec::new(),
                fallback: None,
            };
        }
        let awaited = step.awaited().map_or(plain(&NULL), typed);
        return StepTypes {
            input: None,
            outputs: vec![awaited],
            fallback: None,
        };
    };
    let span = call.endpoint.as_ref().unwrap_or(&call.agent).span;
    let name = call.endpoint_name();
    let mut types = endpoint(&call.agent.text, name, span, agents, report);
    if let OnFailure::Fallback(other) = &step.on_failure {
        let fallback = endpoint(&other.text, INVOKE_NAME, other.span, agents, report);
        types.fallback = fallback.input;
        if !types.outputs.is_empty() {
            types.outputs.extend(fallback.outputs);
        }
    }
    types
}

/// The types of the endpoint `name` of `agent`; `span` is where it is named.
fn endpoint<'a>(
    agent: &str,
    name: &str,
    span: Span,
    agents: &'a [Agent],
    report: &mut Report,
) -> StepTypes<'a> {
    let mut types = StepTypes {
        input: None,
        outputs: Vec::new(),
        fallback: None,
    };
    // An agent that does not exist is an error of `agent_checks`.
    let Some(agent) = find_agent(agents, agent) else {
        return types;
    };
    let service = &agent.service;
    let mut declared = service.endpoints.iter();
    let declared = declared.find(|endpoint| endpoint.name == name);
    match declared {
        Some(endpoint) => {
            types.input = Some(typed(&endpoint.input));
            types.outputs.push(typed(&endpoint.output));
        }
        None if name == INVOKE_NAME && service.invoke => {
            types.input = Some(typed(&INVOKE_SCHEMAS.input));
        }
        None => {
            let message = format!("the agent `{}` has no endpoint `{name}`", agent.spec.name);
            let mut names: Vec<&str> = service
                .endpoints
                .iter()
                .map(|endpoint| endpoint.name.as_str())
                .collect();
            names.extend(service.invoke.then_some(INVOKE_NAME));
            let otherwise = format!("it has {}", names.join(", "));
            report
                .error(Code::BadWorkflow, span, message)
                .advise(did_you_mean(name, names, otherwise));
            return types;
        }
    }
    // Of `invoke`, the output of a step is the text alone.
    if name == INVOKE_NAME {
        types.outputs.push(plain(&TEXT));
    }
    types
}

/// The ids of the steps that `step` waits for, and those that they wait for, as far as `follow` from each to its needs.
fn reached<'a>(
    step: &'a Step,
    workflow: &'a Workflow,
    follow: impl Fn(&Step) -> bool,
) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![step];
    while let Some(step) = waiting.pop() {
        for need in step.needs.iter().filter(|_| follow(step)) {
            let found = workflow.steps.iter().find(|other| other.id == need.text);
            waiting.extend(found.filter(|_| reached.insert(need.text.as_str())));
        }
    }
    reached
}

fn typed(schema: &Schema) -> SchemaType<'_> {
    SchemaType {
        schema,
        ty: &schema.ty,
    }
}

/// The type of a request of `invoke`: `text` under `input`, and nothing else.
fn invoke_request(text: Type) -> Type {
    Type::Object(Object {
        description: None,
        fields: vec![Field {
            name: "input".to_owned(),
            ident: Ident::field("input"),
            required: true,
            null_is_nothing: false,
            description: None,
            ty: text,
            span: Span::default(),
        }],
        closed: true,
        extra: None,
    })
}

/// Checks what a step without `with` is given: as `invoke` one text, as any other endpoint `given`, which is the input of the run or an
/// item of a list. It has one of those types, or is unknown where there are none.
fn check_default_input(
    input: SchemaType<'_>,
    step: &Step,
    call: &Call,
    given: &[SchemaType<'_>],
    report: &mut Report,
) {
    let endpoint = call.endpoint_name();
    let mut fits = given.iter().map(|given| disjoint(*given, input).is_none());
    let (fits, given) = match endpoint {
        INVOKE_NAME => (
            disjoint(plain(&invoke_request(TEXT.clone())), input).is_none(),
            "one text as its `input`",
        ),
        _ if step.for_each().is_some() => (given.is_empty() || fits.any(|fits| fits), "such items"),
        _ => (fits.any(|fits| fits), "what the run is given"),
    };
    if fits {
        return;
    }
    let message = format!(
        "the step `{}` has no `with`, and `{endpoint}` of `{}` doesn't take {given}",
        step.id, call.agent.text,
    );
    report
        .error(Code::BadWorkflow, step.span, message)
        .advise("say under `with` what it is given");
}

/// The workflow `name` of one of the agents.
fn find_workflow<'a>(agents: &'a [Agent], name: &str) -> Option<&'a Workflow> {
    let slug = Slug::new(name).ok()?;
    let mut all = agents.iter().flat_map(|agent| &agent.service.workflows);
    all.find(|workflow| workflow.slug == slug)
}

/// Checks that the workflow `name`, which a step of `workflow` runs, is there and doesn't lead back to it.
fn check_child(name: &Name, workflow: &Workflow, agents: &[Agent], report: &mut Report) {
    if find_workflow(agents, &name.text).is_none() {
        let message = format!("there is no workflow `{}` in this project", name.text);
        let all = agents.iter().flat_map(|agent| &agent.service.workflows);
        let candidates = all.map(|workflow| workflow.name.as_str());
        let otherwise = "name a workflow of one of the agents";
        report
            .error(Code::BadWorkflow, name.span, message)
            .advise(did_you_mean(&name.text, candidates, otherwise));
        return;
    }
    let (mut seen, mut open) = (BTreeSet::new(), vec![name.text.as_str()]);
    while let Some(child) = open.pop().and_then(|name| find_workflow(agents, name)) {
        if child.slug == workflow.slug {
            let message = format!("the workflow `{}` runs itself", workflow.name);
            report
                .error(Code::BadWorkflow, name.span, message)
                .advise("a run would start runs without end: take the step out");
            return;
        }
        if seen.insert(child.slug.as_str()) {
            open.extend(child.steps.iter().filter_map(|step| match &step.kind {
                StepKind::Workflow(name) => Some(name.text.as_str()),
                _ => None,
            }));
        }
    }
}

/// Checks that the agents of a plan take one text, which is what a subtask is.
fn check_planned_agents(plan: &Plan, agents: &[Agent], report: &mut Report) {
    for name in &plan.agents {
        let types = endpoint(&name.text, INVOKE_NAME, name.span, agents, report);
        let request = invoke_request(TEXT.clone());
        if types
            .input
            .is_some_and(|input| disjoint(plain(&request), input).is_some())
        {
            let message = format!(
                "`{}` can't be given a subtask: its `invoke` doesn't take one text as its `input`",
                name.text
            );
            report
                .error(Code::BadWorkflow, name.span, message)
                .advise("name agents whose `invoke` takes one text as its `input` and nothing else that is required");
        }
    }
}

/// Checks that the fallback `name` takes the input of `step`: the text under `input`, or else all of it as text.
fn check_fallback(name: &Name, input: SchemaType<'_>, step: &Step, report: &mut Report) {
    let members = match step.inputs.as_ref().map(|template| &template.kind) {
        Some(TemplateKind::Object(members)) => members.as_slice(),
        _ => &[],
    };
    let input_member = members.iter().find(|(name, _)| name.text == "input");
    let text = match input_member.map(|(_, value)| &value.kind) {
        Some(TemplateKind::Json(Json::String(text))) => exactly_text(text),
        _ => TEXT.clone(),
    };
    let Some(mismatch) = disjoint(plain(&invoke_request(text)), input) else {
        return;
    };
    let Mismatch { path, left, right } = mismatch;
    let what = match path.join(".").as_str() {
        "" => format!("takes {right}"),
        "input" if right == "nothing" => "takes none".to_owned(),
        "input" => format!("takes {right}"),
        other => format!("takes `{other}` too: {right}"),
    };
    let given = match path.as_slice() {
        [input] if input == "input" => left,
        _ => "one text".to_owned(),
    };
    let message = format!(
        "where the step `{}` fails, `{}` is called with {given} as its `input`, and its `invoke` {what}",
        step.id, name.text,
    );
    report
        .error(Code::BadWorkflow, name.span, message)
        .advise("name an agent whose `invoke` takes one text as its `input` and nothing else that is required");
}
