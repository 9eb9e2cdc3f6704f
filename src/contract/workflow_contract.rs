//! Named steps over agents.

use std::fmt;
use std::sync::Arc;

use agentgen_schema::{Cron, Missed, Schema as CompiledSchema};
use heck::ToUpperCamelCase;
use serde_json::{Value as Json, json};

use crate::contract::workflow_order::{check_ids, in_order};
use crate::contract::workflow_step::read_step;
use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::schema::{self, Role, Schema};
use crate::text::did_you_mean::did_you_mean;
use crate::text::slug::Slug;
use crate::yaml::node::{Entry, Node, Value};
use crate::yaml::yaml_settings;

pub use crate::contract::workflow_step::{Join, OnFailure, Step, StepKind};

/// Named steps over agents, as a graph without cycles.
#[derive(Debug, Clone)]
pub struct Workflow {
    /// The key in the service block.
    pub name: String,
    /// The name in its path.
    pub slug: Slug,
    /// What a run is given.
    pub input: Schema,
    /// The roles of which a caller needs one; empty admits every caller.
    pub roles: Vec<String>,
    /// How many steps may be under way at once.
    pub concurrency: Option<u32>,
    /// How long a run may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// When it starts by itself.
    pub schedule: Option<Schedule>,
    /// The steps, each behind those it needs.
    pub steps: Vec<Step>,
    /// The place of the name in the source.
    pub span: Span,
}

/// When a workflow starts by itself.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// When runs are due: `minute hour day-of-month month day-of-week`.
    pub cron: String,
    /// The time zone whose clock that is. Only the service knows which ones there are.
    pub zone: String,
    /// What becomes of the moments at which no process was there.
    pub missed: Missed,
    /// What its runs are given.
    pub input: Json,
}

impl fmt::Display for Schedule {
    /// When it is due: `0 7 * * mon-fri Europe/Berlin`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.cron, self.zone)
    }
}

impl Workflow {
    /// The name of the operation that starts it, such as `startFullStackFeature`.
    pub fn operation_id(&self) -> String {
        format!("start{}", self.slug.as_str().to_upper_camel_case())
    }

    /// Whether one of its steps waits for something instead of calling an agent.
    pub fn waits(&self) -> bool {
        self.steps
            .iter()
            .any(|step| step.waits_for_what().is_some())
    }

    /// Whether only the run knows how many calls one of its steps makes.
    pub fn has_units(&self) -> bool {
        self.steps.iter().any(Step::has_units)
    }
}

const KEYS: &[&str] = &[
    "input",
    "roles",
    "concurrency",
    "timeout",
    "schedule",
    "steps",
];
const SCHEDULE_KEYS: &[&str] = &["cron", "zone", "missed", "input"];
/// The longest name of a time zone, in bytes.
const LONGEST_ZONE: usize = 64;

/// Reads the workflows in the mapping in `node`.
pub fn read_all(node: &Node, report: &mut Report) -> Vec<Workflow> {
    let Some(entries) = node.entries() else {
        report
            .error(
                Code::BadSetting,
                node.span,
                format!("`workflows` is {}", node.kind()),
            )
            .advise("it takes a mapping of names to lists of steps");
        return Vec::new();
    };
    let mut workflows: Vec<Workflow> = Vec::new();
    for entry in entries {
        let Some(workflow) = read(entry, report) else {
            continue;
        };
        let same = |other: &&Workflow| other.operation_id() == workflow.operation_id();
        if let Some(twin) = workflows.iter().find(same) {
            let what = if twin.slug == workflow.slug {
                "share one route".to_owned()
            } else {
                format!("are both started by `{}`", workflow.operation_id())
            };
            let message = format!("`{}` and `{}` {what}", twin.name, workflow.name);
            let source = Arc::clone(report.source());
            report
                .error(Code::BadWorkflow, workflow.span, message)
                .relate(&source, twin.span, "the other is here")
                .advise("rename one of them");
        }
        workflows.push(workflow);
    }
    workflows
}

fn read(entry: &Entry, report: &mut Report) -> Option<Workflow> {
    let Ok(slug) = Slug::new(&entry.key) else {
        report
            .error(
                Code::BadWorkflow,
                entry.key_span,
                "a workflow can't be named like that",
            )
            .advise("use the letters a to z, digits and hyphens, 64 at most");
        return None;
    };
    let mut workflow = Workflow {
        name: entry.key.clone(),
        slug,
        input: schema::read(&default_input(entry.key_span), report, Role::Input)?,
        roles: Vec::new(),
        concurrency: None,
        timeout_ms: None,
        schedule: None,
        steps: Vec::new(),
        span: entry.key_span,
    };
    let mut schedule = None;
    let mut steps = &entry.value;
    let mut broken = false;
    if entry.value.entries().is_some() {
        for Entry { key, value, .. } in yaml_settings::allowed_entries(&entry.value, KEYS, report) {
            match key.as_str() {
                "input" => match schema::read(value, report, Role::Input) {
                    Some(input) => workflow.input = input,
                    None => broken = true,
                },
                "roles" => {
                    workflow.roles = yaml_settings::names(value, report)
                        .into_iter()
                        .map(|name| name.text)
                        .collect();
                }
                "concurrency" => workflow.concurrency = yaml_settings::small_count(value, report),
                "timeout" => workflow.timeout_ms = yaml_settings::duration_ms(value, report),
                "schedule" => schedule = Some(value),
                _ => steps = value,
            }
        }
    }
    let Some(items) = steps.items().filter(|items| !items.is_empty()) else {
        let message = match steps.value {
            Value::List(_) | Value::Map(_) | Value::Null => {
                format!("the workflow `{}` has no steps", entry.key)
            }
            _ => format!("the workflow `{}` is {}", entry.key, steps.kind()),
        };
        report
            .error(Code::BadWorkflow, steps.span, message)
            .advise("it takes a list of steps: `- plan: architect`");
        return None;
    };
    workflow.steps = read_steps(items, report);
    if let Some(schedule) = schedule {
        workflow.schedule = read_schedule(schedule, &workflow.input, report);
        broken |= workflow.schedule.is_none();
    }
    (!broken).then_some(workflow)
}

/// Reads the schedule of a workflow that is given `input`.
fn read_schedule(node: &Node, input: &Schema, report: &mut Report) -> Option<Schedule> {
    let mut schedule = Schedule {
        cron: String::new(),
        zone: "UTC".to_owned(),
        missed: Missed::One,
        input: json!({}),
    };
    let mut given = node;
    for Entry { key, value, .. } in yaml_settings::allowed_entries(node, SCHEDULE_KEYS, report) {
        match key.as_str() {
            "cron" => schedule.cron = yaml_settings::text(value, report)?.to_owned(),
            "zone" => schedule.zone = read_zone(value, report)?,
            "missed" => schedule.missed = read_missed(value, report)?,
            _ => {
                given = value;
                schedule.input = value.to_json();
            }
        }
    }
    let cron = node.get("cron");
    if let Err(error) = schedule.cron.parse::<Cron>() {
        let message = match cron {
            Some(_) => format!("the schedule can't be followed: {error}"),
            None => "the schedule has no `cron`".to_owned(),
        };
        let span = cron.map_or(node.span, |cron| cron.span);
        report
            .error(Code::BadSchedule, span, message)
            .advise("an example is `cron: 0 7 * * mon-fri`, for 7:00 on workdays");
        return None;
    }
    let compiled = CompiledSchema::compile(&input.json).ok()?;
    let violations = compiled.violations(&schedule.input);
    for violation in &violations {
        let span = given.nearest(&violation.pointer).span;
        let message = format!("the input of the schedule: {violation}");
        report
            .error(Code::ScheduledInput, span, message)
            .advise("write what a run is given under `input` of `schedule`");
    }
    violations.is_empty().then_some(schedule)
}

/// The name of a time zone, as far as it can be one.
fn read_zone(node: &Node, report: &mut Report) -> Option<String> {
    let zone = yaml_settings::text(node, report)?;
    let is_part = |part: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte);
        !part.is_empty() && part.bytes().all(is_allowed)
    };
    if zone.len() <= LONGEST_ZONE && zone.split('/').all(is_part) {
        return Some(zone.to_owned());
    }
    report
        .error(Code::BadSchedule, node.span, "this is no time zone")
        .advise("name one as the IANA database does, such as `zone: Europe/Berlin`");
    None
}

fn read_missed(node: &Node, report: &mut Report) -> Option<Missed> {
    let word = yaml_settings::text(node, report)?;
    if let Some(missed) = Missed::parse(word) {
        return Some(missed);
    }
    let words = Missed::ALL.map(Missed::as_str);
    let otherwise = format!("it is one of {}", words.join(", "));
    report
        .error(
            Code::BadSchedule,
            node.span,
            format!("missed runs can't be `{word}`"),
        )
        .advise(did_you_mean(word, words, otherwise));
    None
}

/// Reads a list of steps and groups of steps.
fn read_steps(items: &[Node], report: &mut Report) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut before: Vec<String> = Vec::new();
    for item in items {
        let read: Vec<Step> = match item.get(PARALLEL) {
            Some(parallel) => group(item, parallel, report)
                .iter()
                .filter_map(|step| read_step(step, &before, report))
                .collect(),
            None => read_step(item, &before, report).into_iter().collect(),
        };
        if !read.is_empty() {
            before = read.iter().map(|step| step.id.clone()).collect();
        }
        steps.extend(read);
    }
    // With the same id on two steps, there is no saying which one others wait for.
    if check_ids(&steps, report) {
        steps = in_order(steps, report);
    }
    for index in 0..steps.len() {
        if steps[index].on_failure == OnFailure::Join && !is_joined(&steps[index], &steps) {
            steps[index].on_failure = OnFailure::Stop;
        }
    }
    steps
}

/// Whether other steps need this one, and none of them needs all that it names.
pub fn is_joined(step: &Step, steps: &[Step]) -> bool {
    let mut needing = steps.iter().filter(|other| other.waits_for(&step.id));
    let joins = |other: &Step| other.join != Join::All;
    needing.next().is_some_and(joins) && needing.all(joins)
}

/// The key of steps that run in parallel.
const PARALLEL: &str = "parallel";

/// The steps in the list `parallel` of `item`. Other keys of it are errors.
fn group<'a>(item: &Node, parallel: &'a Node, report: &mut Report) -> &'a [Node] {
    let others = item.entries().unwrap_or_default().iter();
    for other in others.filter(|entry| entry.key != PARALLEL) {
        let message = format!("`{}` can't be used with `{PARALLEL}`", other.key);
        report
            .error(Code::BadWorkflow, other.key_span, message)
            .advise("say of each step in the group what it does, and how they `join` at the step behind");
    }
    let Some(group) = parallel.items().filter(|group| !group.is_empty()) else {
        let message = format!("`{PARALLEL}` has no steps");
        report
            .error(Code::BadWorkflow, parallel.span, message)
            .advise("it takes a list of steps");
        return &[];
    };
    if let Some(inner) = group.iter().find(|step| step.get(PARALLEL).is_some()) {
        let message = format!("`{PARALLEL}` is nested in `{PARALLEL}`");
        report
            .error(Code::BadWorkflow, inner.span, message)
            .advise("put its steps into the outer one, and say under `needs` what waits for what");
        return &[];
    }
    group
}

/// What a run is given where the workflow doesn't say: what a person wants done.
fn default_input(span: Span) -> Node {
    let input = json!({
        "type": "object",
        "description": "What a workflow works on.",
        "additionalProperties": false,
        "required": ["input"],
        "properties": {
            "input": {
                "type": "string",
                "description": "The task, in the user's words.",
                "minLength": 1,
                "maxLength": 100_000,
            },
        },
    });
    Node::from_json(&input, span)
}
