//! Turns that can wait for a person: what is stored of each, so that it continues where it was, in any process.
//!
//! Invariant: a question is stored before anybody is asked it, a call that was approved is stored before it begins and when it has ended,
//! and a turn that is continued repeats no call of a tool whose end is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use crate::documents::Passage;
use crate::engine::tool_inputs::ToolInputs;
use crate::engine::tool_questions::ToolQuestion;
use crate::event::agent_event::{StopReason, Usage};
use crate::future::BoxFuture;
use crate::model::{Message, ProviderMetadata, Step, ToolCall, ToolResult};
use crate::schema::Uuid;

/// Stores the turns of one call of an endpoint.
pub(crate) trait TurnStore: Send + Sync {
    /// Stores a turn in place of the one under `key`. Returns once it is stored, however long the store is away.
    fn save<'a>(&'a self, key: &'a str, turn: Value) -> BoxFuture<'a, ()>;

    /// The time on the store's clock.
    fn now(&self) -> SystemTime;
}

/// The turns of one call of an endpoint. They are numbered in the order in which they begin: a handler that is called again begins the
/// same ones.
pub(crate) struct DurableTurns {
    store: Box<dyn TurnStore>,
    stored: StoredTurns,
    begun: AtomicUsize,
    /// The turns that ended and are not stored yet.
    ended: Mutex<BTreeMap<String, TurnRecord>>,
    /// What people are asked before the call can continue.
    questions: Mutex<Vec<ToolQuestion>>,
    waits: watch::Sender<bool>,
}

/// What is stored of the turns of a call, and what people said.
#[derive(Debug, Default)]
pub(crate) struct StoredTurns {
    pub(crate) records: BTreeMap<String, TurnRecord>,
    /// The answers, by question.
    pub(crate) answers: BTreeMap<Uuid, Value>,
}

/// How far a turn is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct TurnRecord {
    /// The slug of the agent that was asked.
    pub(crate) agent: String,
    /// How many of its fallbacks were passed over or have failed, counting the one that answers.
    pub(crate) fallbacks: usize,
    /// The conversation that the turn began with.
    pub(crate) messages: Vec<Message>,
    /// The question without its passages, and those passages.
    pub(crate) grounding: Option<(String, Vec<Passage>)>,
    /// What the model has done.
    pub(crate) steps: Vec<Step>,
    /// The answer so far.
    pub(crate) text: String,
    /// The tool calls that are under way.
    pub(crate) calls: Option<OpenCalls>,
    /// What the turn used, handoffs included.
    pub(crate) usage: Usage,
    /// The end, if it has ended. The conversation is not stored then.
    pub(crate) end: Option<TurnEnd>,
}

/// The tool calls of one answer, until all of them have ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OpenCalls {
    /// The model that called them, as `provider:model`.
    pub(crate) model: String,
    /// The text before the calls.
    pub(crate) text: String,
    pub(crate) calls: Vec<ToolCall>,
    /// Calls of the caller's own tools, which the turn ends with once the others have ended.
    #[serde(default)]
    pub(crate) of_caller: Vec<ToolCall>,
    pub(crate) metadata: ProviderMetadata,
    /// How far each of them is.
    pub(crate) states: Vec<CallState>,
    /// What their tools asked, by the number of the call.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) inputs: BTreeMap<usize, ToolInputs>,
}

/// How far a tool call is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallState {
    /// It has not begun, or repeating it does no harm.
    New,
    /// It waits for a person.
    Asked(Box<ToolQuestion>),
    /// It was approved, and has begun.
    Started,
    /// It has ended.
    Ended(ToolResult),
}

/// How a turn ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TurnEnd {
    pub(crate) text: String,
    pub(crate) model: String,
    pub(crate) stop_reason: StopReason,
    /// Calls of the caller's own tools.
    #[serde(default)]
    pub(crate) calls: Vec<ToolCall>,
}

/// What became of a question.
pub(crate) enum Asked<'a> {
    /// A person answered.
    Answered(&'a Value),
    /// Nobody answered in time.
    Expired,
    /// It is open.
    Open,
}

impl StoredTurns {
    /// What the turns used.
    pub(crate) fn usage(&self) -> Usage {
        let records = self.records.iter();
        // Those of handoffs count in the turn that handed over.
        let own = records.filter(|(key, _)| !is_handoff(key));
        own.fold(Usage::default(), |usage, (_, record)| {
            usage.plus(record.usage)
        })
    }
}

impl DurableTurns {
    /// The turns of a call, as far as they are `stored`.
    pub(crate) fn new(store: Box<dyn TurnStore>, stored: StoredTurns) -> Self {
        Self {
            store,
            stored,
            begun: AtomicUsize::new(0),
            ended: Mutex::default(),
            questions: Mutex::default(),
            waits: watch::Sender::new(false),
        }
    }

    /// Whether no turn has begun.
    pub(crate) fn is_new(&self) -> bool {
        self.begun.load(Ordering::Relaxed) == 0
    }

    /// The key of the next turn.
    pub(crate) fn next_key(&self) -> String {
        self.begun.fetch_add(1, Ordering::Relaxed).to_string()
    }

    /// What is stored under `key`, if it is a turn of `agent`.
    pub(crate) fn record(&self, key: &str, agent: &str) -> Option<TurnRecord> {
        let record = self.stored.records.get(key)?;
        (record.agent == agent).then(|| record.clone())
    }

    /// Stores how far a turn is.
    pub(crate) async fn save(&self, key: &str, record: &TurnRecord) {
        match serde_json::to_value(record) {
            Ok(record) => self.store.save(key, record).await,
            Err(error) => tracing::error!(%error, "a turn can't be written as JSON"),
        }
    }

    /// Keeps the end of a turn, which is stored if the call has to wait later.
    pub(crate) fn ended(&self, key: &str, record: TurnRecord) {
        let stored = self.stored.records.get(key);
        if stored.is_none_or(|stored| stored.end.is_none()) {
            lock(&self.ended).insert(key.to_owned(), record);
        }
    }

    /// The time on the store's clock.
    pub(crate) fn now(&self) -> SystemTime {
        self.store.now()
    }

    /// What became of `question`, which is stored.
    pub(crate) fn state_of(&self, question: &ToolQuestion) -> Asked<'_> {
        match self.stored.answers.get(&question.id) {
            Some(answer) => Asked::Answered(answer),
            None => match question.expires_at {
                Some(end) if SystemTime::from(end) <= self.now() => Asked::Expired,
                _ => Asked::Open,
            },
        }
    }

    /// Adds a question that the call has to wait for.
    pub(crate) fn ask(&self, question: ToolQuestion) {
        lock(&self.questions).push(question);
    }

    /// Ends a call that can't continue before somebody answers: it is dropped while it waits here.
    pub(crate) async fn suspend(&self) -> std::convert::Infallible {
        let ended = std::mem::take(&mut *lock(&self.ended));
        for (key, record) in ended {
            self.save(&key, &record).await;
        }
        self.waits.send_replace(true);
        std::future::pending().await
    }

    /// Whether the call waits.
    pub(crate) fn is_suspended(&self) -> bool {
        *self.waits.borrow()
    }

    /// Waits until the call has to wait; returns what for.
    pub(crate) async fn suspended(&self) -> Vec<ToolQuestion> {
        let mut waits = self.waits.subscribe();
        // The sender is in `self`.
        let _ = waits.wait_for(|waits| *waits).await;
        let mut seen = BTreeSet::new();
        let mut questions = std::mem::take(&mut *lock(&self.questions));
        questions.retain(|question| seen.insert(question.id));
        questions
    }
}

/// Whether the turn under `key` belongs to another turn, which handed a task over.
pub(crate) fn is_handoff(key: &str) -> bool {
    key.contains('/')
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
