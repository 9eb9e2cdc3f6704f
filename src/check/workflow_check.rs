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
use crate::contract::endpoint::INVOKE_NAME;
use crate::contract::workflow_contract::{Join, OnFailure, Step, StepKind, Workflow};
use crate::contract::workflow_step::Call;
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
    diagnostics.extend(left_out_of_arazzo(agents));
}

/// The note that the Arazzo document has no workflow that waits for somebody, at the first one.
fn left_out_of_arazzo(agents: &[Agent]) -> Option<Diagnostic> {
    let waiting = agents.iter().flat_map(|agent| {
        let workflows = agent.service.workflows.iter();
        let waiting = workflows.filter(|workflow| workflow.waits());
        waiting.map(move |workflow| (agent, workflow))
    });
    let waiting: Vec<(&Agent, &Workflow)> = waiting.collect();
    let (agent, first) = waiting.first()?;
    let names: Vec<&str> = waiting.iter().map(|(_, one)| one.name.as_str()).collect();
    let message = format!(
        "the Arazzo document leaves out {}: it can't say that a workflow waits",
        quoted(&names)
    );
    let mut note = Diagnostic::error(Code::UnsaidWait, "", message)
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
    for (step, own) in workflow.steps.iter().zip(&types) {
        let before = reached(step, workflow, |_| true);
        // Behind a step that doesn't wait for all of its needs, some may still be under way.
        let over = reached(step, workflow, |step| step.join == Join::All);
        let steps = workflow.steps.iter().zip(&types).map(|(other, types)| {
            let mut outputs = types.outputs.clone();
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
        let scope = Scope {
            input: &workflow.input,
            step: &step.id,
            condition: step.condition.as_ref(),
            steps: steps.collect(),
        };
        if let Some(condition) = &step.condition {
            infer(condition, &scope, report);
        }
        if let StepKind::Ask(ask) = &step.kind {
            check_value(&ask.prompt, None, "", true, &scope, report);
        }
        match (&step.inputs, own.input) {
            (Some(template), input) => check_value(template, input, "", true, &scope, report),
            (None, Some(input)) if step.with.is_none() => {
                if let Some(call) = step.call() {
                    check_default_input(input, step, call, &workflow.input, report);
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

/// Checks what a step without `with` is given: as `invoke` one text, as any other endpoint what the run is given.
fn check_default_input(
    input: SchemaType<'_>,
    step: &Step,
    call: &Call,
    run: &Schema,
    report: &mut Report,
) {
    let endpoint = call.endpoint_name();
    let (mismatch, given) = match endpoint {
        INVOKE_NAME => (
            disjoint(plain(&invoke_request(TEXT.clone())), input),
            "one text as its `input`",
        ),
        _ => (disjoint(typed(run), input), "what the run is given"),
    };
    if mismatch.is_none() {
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
