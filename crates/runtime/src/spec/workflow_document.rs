//! Workflows as `agentgen-build` writes them for a service that was not compiled, and the constants that they become.

use serde::{Deserialize, Deserializer, de};

use crate::spec::constant_pool::{Pool, text, texts};
use crate::spec::workflow_spec::{
    Comparison, Expression, Join, Missed, OnFailure, ScheduleSpec, StepKind, StepSpec, Template,
    WorkflowSpec,
};

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct WorkflowDocument {
    name: String,
    operation_id: String,
    agent: String,
    input_schema: String,
    roles: Vec<String>,
    concurrency: Option<u32>,
    timeout_ms: Option<u64>,
    schedule: Option<ScheduleDocument>,
    steps: Vec<StepDocument>,
}

#[derive(Debug, Clone, Deserialize)]
struct ScheduleDocument {
    cron: String,
    zone: String,
    missed: MissedWord,
    input: String,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct MissedWord(Missed);

impl<'de> Deserialize<'de> for MissedWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let missed = Missed::parse(&word).map(Self);
        missed.ok_or_else(|| de::Error::custom(format!("`{word}` says nothing of missed runs")))
    }
}

#[derive(Debug, Clone, Deserialize)]
struct StepDocument {
    id: String,
    kind: KindDocument,
    needs: Vec<String>,
    join: JoinDocument,
    when: Option<ExpressionDocument>,
    with: Option<TemplateDocument>,
    timeout_ms: Option<u64>,
    attempts: u32,
    backoff_ms: u64,
    on_failure: FailureDocument,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindDocument {
    Call {
        agent: String,
        endpoint: String,
    },
    ForEach {
        agent: String,
        endpoint: String,
        items: ExpressionDocument,
        when: Option<ExpressionDocument>,
        concurrency: u32,
    },
    Plan {
        subtasks: ExpressionDocument,
        source: Option<String>,
        agents: Vec<String>,
        max: u32,
        concurrency: u32,
    },
    Workflow {
        workflow: String,
    },
    Ask {
        prompt: TemplateDocument,
        answer_schema: String,
        roles: Vec<String>,
    },
    WaitFor {
        event: String,
        payload_schema: String,
    },
    Wait {
        duration_ms: u64,
    },
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
enum JoinDocument {
    All,
    Any,
    Quorum(u32),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FailureDocument {
    Stop,
    Skip,
    Escalate,
    Join,
    Fallback(String),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ExpressionDocument {
    Null,
    Boolean(bool),
    Number(f64),
    Text(String),
    Path(Vec<String>),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    Compare(Sign, Box<Self>, Box<Self>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Sign(Comparison);

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TemplateDocument {
    Json(String),
    Value(ExpressionDocument),
    Text(Vec<Self>),
    Object(Vec<(String, Self)>),
    List(Vec<Self>),
}

impl<'de> Deserialize<'de> for Sign {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sign = String::deserialize(deserializer)?;
        let comparison = Comparison::parse(&sign).map(Self);
        comparison.ok_or_else(|| de::Error::custom(format!("`{sign}` compares nothing")))
    }
}

impl WorkflowDocument {
    pub(crate) fn constant(&self) -> &'static WorkflowSpec {
        static WORKFLOWS: Pool<WorkflowSpec> = Pool::new();
        static STEPS: Pool<[StepSpec]> = Pool::new();
        let name = text(&self.name);
        let steps = self.steps.iter().map(|step| step.constant(name)).collect();
        let spec = WorkflowSpec {
            name,
            operation_id: text(&self.operation_id),
            agent: text(&self.agent),
            input_schema: text(&self.input_schema),
            roles: texts(&self.roles),
            concurrency: self.concurrency,
            timeout_ms: self.timeout_ms,
            schedule: self.schedule.as_ref().map(|schedule| ScheduleSpec {
                cron: text(&schedule.cron),
                zone: text(&schedule.zone),
                missed: schedule.missed.0,
                input: text(&schedule.input),
            }),
            steps: STEPS.constant(name, steps),
        };
        WORKFLOWS.constant(name, Box::new(spec))
    }
}

impl StepDocument {
    /// `key` is the workflow's name, by which its expressions are kept.
    fn constant(&self, key: &'static str) -> StepSpec {
        StepSpec {
            id: text(&self.id),
            kind: self.kind.constant(key),
            needs: texts(&self.needs),
            join: match self.join {
                JoinDocument::All => Join::All,
                JoinDocument::Any => Join::Any,
                JoinDocument::Quorum(count) => Join::Quorum(count),
            },
            when: self.when.as_ref().map(|when| when.constant(key)),
            with: self.with.as_ref().map(|with| with.constant(key)),
            timeout_ms: self.timeout_ms,
            attempts: self.attempts,
            backoff_ms: self.backoff_ms,
            on_failure: match &self.on_failure {
                FailureDocument::Stop => OnFailure::Stop,
                FailureDocument::Skip => OnFailure::Skip,
                FailureDocument::Escalate => OnFailure::Escalate,
                FailureDocument::Join => OnFailure::Join,
                FailureDocument::Fallback(agent) => OnFailure::Fallback(text(agent)),
            },
        }
    }
}

impl KindDocument {
    fn constant(&self, key: &'static str) -> StepKind {
        match self {
            Self::Call { agent, endpoint } => StepKind::Call {
                agent: text(agent),
                endpoint: text(endpoint),
            },
            Self::ForEach {
                agent,
                endpoint,
                items,
                when,
                concurrency,
            } => StepKind::ForEach {
                agent: text(agent),
                endpoint: text(endpoint),
                items: items.constant(key),
                when: when.as_ref().map(|when| when.constant(key)),
                concurrency: *concurrency,
            },
            Self::Plan {
                subtasks,
                source,
                agents,
                max,
                concurrency,
            } => StepKind::Plan {
                subtasks: subtasks.constant(key),
                source: source.as_deref().map(text),
                agents: texts(agents),
                max: *max,
                concurrency: *concurrency,
            },
            Self::Workflow { workflow } => StepKind::Workflow {
                workflow: text(workflow),
            },
            Self::Ask {
                prompt,
                answer_schema,
                roles,
            } => StepKind::Ask {
                prompt: prompt.constant(key),
                answer_schema: text(answer_schema),
                roles: texts(roles),
            },
            Self::WaitFor {
                event,
                payload_schema,
            } => StepKind::WaitFor {
                event: text(event),
                payload_schema: text(payload_schema),
            },
            Self::Wait { duration_ms } => StepKind::Wait {
                duration_ms: *duration_ms,
            },
        }
    }
}

impl ExpressionDocument {
    fn constant(&self, key: &'static str) -> Expression {
        static SINGLE: Pool<Expression> = Pool::new();
        static LISTS: Pool<[Expression]> = Pool::new();
        let single = |part: &Self| SINGLE.constant(key, Box::new(part.constant(key)));
        let list = |parts: &[Self]| {
            LISTS.constant(key, parts.iter().map(|part| part.constant(key)).collect())
        };
        match self {
            Self::Null => Expression::Null,
            Self::Boolean(boolean) => Expression::Boolean(*boolean),
            Self::Number(number) => Expression::Number(*number),
            Self::Text(own) => Expression::Text(text(own)),
            Self::Path(names) => Expression::Path(texts(names)),
            Self::Not(inner) => Expression::Not(single(inner)),
            Self::All(parts) => Expression::All(list(parts)),
            Self::Any(parts) => Expression::Any(list(parts)),
            Self::Compare(Sign(comparison), left, right) => {
                Expression::Compare(*comparison, single(left), single(right))
            }
        }
    }
}

impl TemplateDocument {
    fn constant(&self, key: &'static str) -> Template {
        static LISTS: Pool<[Template]> = Pool::new();
        static OBJECTS: Pool<[(&'static str, Template)]> = Pool::new();
        let list = |parts: &[Self]| {
            LISTS.constant(key, parts.iter().map(|part| part.constant(key)).collect())
        };
        match self {
            Self::Json(json) => Template::Json(text(json)),
            Self::Value(value) => Template::Value(value.constant(key)),
            Self::Text(parts) => Template::Text(list(parts)),
            Self::List(items) => Template::List(list(items)),
            Self::Object(members) => {
                let members = members.iter();
                let members = members.map(|(name, value)| (text(name), value.constant(key)));
                Template::Object(OBJECTS.constant(key, members.collect()))
            }
        }
    }
}
