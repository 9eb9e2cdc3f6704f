//! Checks workflows against the agents they ask: endpoints, what their steps speak of, and types.
//!
//! Of types only that is refused which can never be valid: a number where text is asked for, a member that a closed
//! object doesn't have, a required input that is not there. An output is checked as what it is where it is there; that a
//! step may be skipped, or needn't succeed (`when`, `on_failure: skip`, `join`), adds that it may be null, and null is
//! what a place may always be compared with.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use crate::agent::invoke::INVOKE_SCHEMAS;
use crate::agent::{Agent, find_agent, find_slug};
use crate::check::infer::infer;
use crate::check::scope::{Known, Scope, TEXT, plain};
use crate::check::step_input_check::check_value;
use crate::contract::endpoint::INVOKE_NAME;
use crate::contract::workflow_contract::{Join, OnFailure, Step, Workflow};
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::diagnostics::{Diagnostic, Report};
use crate::expression::input_template::TemplateKind;
use crate::schema::Schema;
use crate::schema::compare::disjoint::{Mismatch, disjoint};
use crate::schema::schema_type::{Field, Object, Type};
use crate::schema::typed_schema::{SchemaType, exactly_text};
use crate::text::did_you_mean::did_you_mean;
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
}

/// What a step asks: the types of what it takes and of what comes out; none and empty where that is not known.
struct Asked<'a> {
    input: Option<SchemaType<'a>>,
    outputs: Vec<SchemaType<'a>>,
    /// What is taken by the agent that stands in for the step's own one.
    fallback: Option<SchemaType<'a>>,
}

fn check_workflow(workflow: &Workflow, agents: &[Agent], report: &mut Report) {
    let asked: Vec<Asked<'_>> = workflow
        .steps
        .iter()
        .map(|step| asked(step, agents, report))
        .collect();
    for (step, own) in workflow.steps.iter().zip(&asked) {
        let before = reached(step, workflow, |_| true);
        // Behind a step that doesn't wait for all of its needs, some may still be under way.
        let over = reached(step, workflow, |step| step.join == Join::All);
        let steps = workflow.steps.iter().zip(&asked).map(|(other, asked)| {
            let mut outputs = asked.outputs.clone();
            let may_be_missing = other.when.is_some()
                || other.on_failure == OnFailure::Skip
                || !over.contains(other.id.as_str());
            if may_be_missing && !outputs.is_empty() {
                outputs.push(plain(&NULL));
            }
            Known {
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
        match (&step.inputs, own.input) {
            (Some(template), input) => check_value(template, input, "", true, &scope, report),
            (None, Some(input)) if step.with.is_none() => {
                check_unsaid(input, step, &workflow.input, report);
            }
            (None, _) => {}
        }
        if let (OnFailure::Fallback(name), Some(input)) = (&step.on_failure, own.fallback) {
            check_fallback(name, input, step, report);
            let asks_invoke = step.endpoint_name() == INVOKE_NAME;
            if asks_invoke && find_slug(agents, &name.text) == find_slug(agents, &step.agent.text) {
                let message = format!(
                    "where the step `{}` fails, the same agent is asked again",
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

/// What `step` asks. An endpoint that is not there is told.
fn asked<'a>(step: &Step, agents: &'a [Agent], report: &mut Report) -> Asked<'a> {
    let name = step.endpoint.as_ref();
    let span = name.unwrap_or(&step.agent).span;
    let mut asked = endpoint(&step.agent.text, step.endpoint_name(), span, agents, report);
    if let OnFailure::Fallback(other) = &step.on_failure {
        let fallback = endpoint(&other.text, INVOKE_NAME, other.span, agents, report);
        asked.fallback = fallback.input;
        if !asked.outputs.is_empty() {
            asked.outputs.extend(fallback.outputs);
        }
    }
    asked
}

/// The types of the endpoint `name` of `agent`; `span` is where it is asked for.
fn endpoint<'a>(
    agent: &str,
    name: &str,
    span: Span,
    agents: &'a [Agent],
    report: &mut Report,
) -> Asked<'a> {
    let mut asked = Asked {
        input: None,
        outputs: Vec::new(),
        fallback: None,
    };
    // An agent that is not there was told already.
    let Some(agent) = find_agent(agents, agent) else {
        return asked;
    };
    let service = &agent.service;
    let mut declared = service.endpoints.iter();
    let declared = declared.find(|endpoint| endpoint.name == name);
    match declared {
        Some(endpoint) => {
            asked.input = Some(typed(&endpoint.input));
            asked.outputs.push(typed(&endpoint.output));
        }
        None if name == INVOKE_NAME && service.invoke => {
            asked.input = Some(typed(&INVOKE_SCHEMAS.input));
        }
        None => {
            let message = format!("the agent `{}` has no endpoint `{name}`", agent.spec.name);
            let mut known: Vec<&str> = service
                .endpoints
                .iter()
                .map(|endpoint| endpoint.name.as_str())
                .collect();
            known.extend(service.invoke.then_some(INVOKE_NAME));
            let otherwise = format!("it has {}", known.join(", "));
            report
                .error(Code::BadWorkflow, span, message)
                .advise(did_you_mean(name, known, otherwise));
            return asked;
        }
    }
    // Of `invoke`, the output of a step is the text alone.
    if name == INVOKE_NAME {
        asked.outputs.push(plain(&TEXT));
    }
    asked
}

/// The ids of the steps that `step` waits for, and those that they wait for, as far as `goes_on` from each to its needs.
fn reached<'a>(
    step: &'a Step,
    workflow: &'a Workflow,
    goes_on: impl Fn(&Step) -> bool,
) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![step];
    while let Some(step) = waiting.pop() {
        for need in step.needs.iter().filter(|_| goes_on(step)) {
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

/// What an `invoke` is given that is told `text`: that under `input`, and nothing else.
fn told(text: Type) -> Type {
    Type::Object(Object {
        description: None,
        fields: vec![Field {
            name: "input".to_owned(),
            required: true,
            description: None,
            ty: text,
            span: Span::default(),
        }],
        closed: true,
        extra: None,
    })
}

/// Checks what a step without `with` is given: as `invoke` one text, as any other endpoint what the run is given.
fn check_unsaid(input: SchemaType<'_>, step: &Step, run: &Schema, report: &mut Report) {
    let endpoint = step.endpoint.as_ref().map(|name| name.text.as_str());
    let endpoint = endpoint.unwrap_or(INVOKE_NAME);
    let (mismatch, given) = match endpoint {
        INVOKE_NAME => (
            disjoint(plain(&told(TEXT.clone())), input),
            "one text as its `input`",
        ),
        _ => (disjoint(typed(run), input), "what the run is given"),
    };
    if mismatch.is_none() {
        return;
    }
    let message = format!(
        "the step `{}` has no `with`, and `{endpoint}` of `{}` doesn't take {given}",
        step.id, step.agent.text,
    );
    report
        .error(Code::BadWorkflow, step.span, message)
        .advise("say under `with` what it is given");
}

/// Checks that the agent called `name` can be told what `step` was told: the text under `input`, or else all of it as text.
fn check_fallback(name: &Name, input: SchemaType<'_>, step: &Step, report: &mut Report) {
    let members = match step.inputs.as_ref().map(|template| &template.kind) {
        Some(TemplateKind::Object(members)) => members.as_slice(),
        _ => &[],
    };
    let said = members.iter().find(|(name, _)| name.text == "input");
    let text = match said.map(|(_, value)| &value.kind) {
        Some(TemplateKind::Json(Json::String(text))) => exactly_text(text),
        _ => TEXT.clone(),
    };
    let Some(mismatch) = disjoint(plain(&told(text)), input) else {
        return;
    };
    let Mismatch { path, left, right } = mismatch;
    let what = match path.join(".").as_str() {
        "" => format!("takes {right}"),
        "input" if right == "nothing" => "takes none".to_owned(),
        "input" => format!("takes {right}"),
        other => format!("takes `{other}` too: {right}"),
    };
    let said = match path.as_slice() {
        [input] if input == "input" => left,
        _ => "one text".to_owned(),
    };
    let message = format!(
        "where the step `{}` fails, `{}` is asked with {said} as its `input`, and its `invoke` {what}",
        step.id, name.text,
    );
    report
        .error(Code::BadWorkflow, name.span, message)
        .advise("name an agent whose `invoke` takes one text as its `input` and nothing else that is required");
}
