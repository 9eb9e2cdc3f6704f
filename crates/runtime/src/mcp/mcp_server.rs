//! One server: connected to when it is needed, as long as it is used, and again after it failed.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::{CallToolRequestParams, ServerResult};
use rmcp::service::ServiceError;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::engine::tool_inputs::ToolInputs;
use crate::engine::tools::{Called, ToolError, ToolOutput, check_input};
use crate::mcp::mcp_connection::{Answered, Connection, Line};
use crate::mcp::mcp_elicitation::{self, Elicitations, MAX_ROUNDS};
use crate::mcp::mcp_log::Words;
use crate::mcp::mcp_result;
use crate::mcp::mcp_settings::McpServerSettings;
use crate::mcp::mcp_tool::{self, McpTool, PREFIX, SEPARATOR};
use crate::model::ToolDefinition;

/// The pauses after a first and after many failures.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// After how many calls in a row without an answer a server is started again.
const HUNG_CALLS: u32 = 3;

/// A server.
pub(super) struct McpServer {
    slug: String,
    settings: Arc<McpServerSettings>,
    words: Arc<Words>,
    state: tokio::sync::Mutex<State>,
    elicitations: Arc<Elicitations>,
    /// Held by each call: by many at a time, or by one alone.
    turns: tokio::sync::RwLock<()>,
    /// How often it has failed since a call was last answered.
    failures: AtomicU32,
    /// Why it can't be used, for `/readyz`, which doesn't wait for a start.
    problem: Mutex<Option<String>>,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    /// No start before this.
    not_before: Option<Instant>,
}

impl McpServer {
    pub(super) fn new(name: String, settings: McpServerSettings) -> Arc<Self> {
        Arc::new(Self {
            slug: mcp_tool::slug(&name),
            words: Arc::new(Words::new(name, settings.secrets())),
            settings: Arc::new(settings),
            state: tokio::sync::Mutex::default(),
            elicitations: Arc::default(),
            turns: tokio::sync::RwLock::default(),
            failures: AtomicU32::new(0),
            problem: Mutex::default(),
        })
    }

    /// Its name as a part of the names of its tools.
    pub(super) fn slug(&self) -> &str {
        &self.slug
    }

    /// How it is reached and used.
    pub(super) fn settings(&self) -> &McpServerSettings {
        &self.settings
    }

    /// Why it can't be used; `None` if it can, or if nobody has tried.
    pub(super) fn problem(&self) -> Option<String> {
        let problem = self.problem.lock();
        problem.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_problem(&self, problem: Option<String>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    /// Its tools. It is started if it is not running.
    ///
    /// # Errors
    /// Why it can't be used now, in words for the model.
    pub(super) async fn tools(self: &Arc<Self>) -> Result<Arc<[McpTool]>, String> {
        Ok(self.connected().await?.1)
    }

    /// Calls the tool that the service knows as `name`. `inputs` is what people said to what it asked; `None` if nobody can be asked. If the
    /// future is dropped, the server is told to stop.
    pub(super) async fn call(
        self: &Arc<Self>,
        name: &str,
        mut input: Value,
        inputs: Option<&ToolInputs>,
    ) -> Result<Called, ToolError> {
        let (line, tools) = self.connected().await.map_err(ToolError::new)?;
        let Some(tool) = tools.iter().find(|tool| tool.definition.name == name) else {
            return Err(ToolError::new(self.sentence("has no such tool")));
        };
        check_input(&tool.input_schema, &mut input)?;
        let Value::Object(arguments) = input else {
            return Err(ToolError::new(
                "the input does not fit: it is not an object",
            ));
        };
        let mut notes = Vec::new();
        let rounds = inputs.map_or(0, |inputs| inputs.rounds);
        // What the server wants back with the call.
        let mut wanted = inputs.filter(|inputs| inputs.is_retry).cloned();
        for _ in 0..MAX_ROUNDS {
            let mut params =
                CallToolRequestParams::new(tool.name.clone()).with_arguments(arguments.clone());
            if let Some(wanted) = &wanted {
                params.input_responses = Some(mcp_elicitation::responses(wanted));
                params.request_state.clone_from(&wanted.state);
            }
            let mut asks = match self.call_once(&line, params, inputs).await? {
                Answered::Asked(requests) => ToolInputs {
                    requests,
                    ..ToolInputs::default()
                },
                Answered::Result(result, others) => match *result {
                    ServerResult::InputRequiredResult(required) => {
                        let (roots, can_ask) = (&self.roots(), inputs.is_some());
                        let words = &self.words;
                        mcp_elicitation::required(required, roots, can_ask, words, &mut notes)
                            .map_err(ToolError::new)?
                    }
                    result => {
                        notes.extend(others);
                        return self.output(tool, result, &notes);
                    }
                },
            };
            if asks.open().is_some() {
                asks.rounds = rounds + 1;
                return match asks.rounds > MAX_ROUNDS {
                    true => break,
                    false => Ok(Called::Asks(asks)),
                };
            }
            wanted = Some(asks);
        }
        Err(ToolError::new("the tool asks too often"))
    }

    /// Sends a call. Those of a server that asks without saying in which call take turns.
    async fn call_once(
        self: &Arc<Self>,
        line: &Line,
        params: CallToolRequestParams,
        inputs: Option<&ToolInputs>,
    ) -> Result<Answered, ToolError> {
        let total = self.settings.max_total_timeout;
        let turn = async {
            match self.elicitations.has_asked() {
                true => (Some(self.turns.write().await), None),
                false => (None, Some(self.turns.read().await)),
            }
        };
        let busy = |_| ToolError::new(self.sentence("is busy with other calls"));
        let turn = tokio::time::timeout(total, turn).await.map_err(busy)?;
        let mut line = line.clone();
        if turn.0.is_some() && self.elicitations.take_left() {
            self.close().await;
            line = self.connected().await.map_err(ToolError::new)?.0;
        }
        let called = line.call(params, inputs, self.settings.call_timeout, total);
        let called = called.await;
        if matches!(&called, Ok(_) | Err(ServiceError::McpError(_))) {
            self.failures.store(0, Ordering::Relaxed);
            self.set_problem(None);
        }
        match called {
            Ok(answered) => Ok(answered),
            Err(error) => Err(self.failed(&line, &error).await),
        }
    }

    /// What the model gets of `result`, with `notes` behind it.
    fn output(
        &self,
        tool: &McpTool,
        result: ServerResult,
        notes: &[&str],
    ) -> Result<Called, ToolError> {
        let output = match result {
            ServerResult::CallToolResult(result) => {
                let max = self.settings.result_bytes;
                mcp_result::output(result, tool.output_schema.as_ref(), max, &self.words)
            }
            ServerResult::EmptyResult(_) => Ok(ToolOutput::default()),
            _ => Err(ToolError::new(
                "the tool answered in a form that is not supported",
            )),
        };
        let Some(note) = notes.first() else {
            return output.map(Called::Output);
        };
        let output = output.map_err(|error| ToolError::new(format!("{error}\n\n({note}.)")))?;
        let text = match output.value {
            Value::String(text) => text,
            value => value.to_string(),
        };
        Ok(Called::Output(ToolOutput {
            value: Value::String(format!("{text}\n\n({note}.)")),
            ..output
        }))
    }

    /// The folders that the server may work on, as the protocol has them.
    fn roots(&self) -> Value {
        let roots = self.settings.roots.iter();
        let roots = roots.map(|root| json!({ "uri": root }));
        json!({ "roots": roots.collect::<Vec<_>>() })
    }

    /// The definitions of the tools in `named`, exact names of an agent's list, that would be those of this server if it could be used. Their calls
    /// tell the model why it can't.
    pub(super) fn unreachable_tools(
        &self,
        named: &[&str],
        may_use: &(dyn Fn(&str) -> bool + Send + Sync),
        reason: &str,
    ) -> Vec<ToolDefinition> {
        let own = named.iter().filter(|name| self.has(name) && may_use(name));
        let definitions = own.map(|name| ToolDefinition {
            name: (*name).to_owned(),
            description: format!("Not available now: {reason}."),
            input_schema: json!({ "type": "object", "properties": {} }),
        });
        definitions.collect()
    }

    /// Whether an agent may use any tool of the server, as far as names tell: it names one, or may use tools whose names nobody knows yet.
    pub(super) fn may_be_used(
        &self,
        may_use: &(dyn Fn(&str) -> bool + Send + Sync),
        named: &[&str],
    ) -> bool {
        let any = format!("{PREFIX}{}{SEPARATOR}", self.slug);
        may_use(&any) || named.iter().any(|name| self.has(name))
    }

    /// Whether `name`, without `*`, is a name that a tool of the server may have.
    fn has(&self, name: &str) -> bool {
        let rest = name.strip_prefix(PREFIX);
        let rest = rest.and_then(|rest| rest.strip_prefix(self.slug.as_str()));
        let tool = rest.and_then(|rest| rest.strip_prefix(SEPARATOR));
        tool.is_some_and(|tool| !tool.is_empty() && !tool.contains('*'))
    }

    /// Ends the connection, and with it the process.
    pub(super) async fn close(&self) {
        let connection = self.state.lock().await.connection.take();
        if let Some(connection) = connection {
            connection.close().await;
        }
    }

    /// The connection, opened if there is none.
    async fn connected(self: &Arc<Self>) -> Result<(Line, Arc<[McpTool]>), String> {
        let mut state = self.state.lock().await;
        if state.connection.as_ref().is_some_and(Connection::has_ended) {
            self.end(&mut state, "ended by itself");
        }
        if let Some(connection) = &mut state.connection {
            let refreshed = connection.refresh(&self.settings, &self.slug, &self.words);
            match refreshed.await {
                Ok(()) => return Ok((connection.line.clone(), Arc::clone(&connection.tools))),
                Err(problem) => self.end(&mut state, &problem),
            }
        }
        if state.not_before.is_some_and(|time| Instant::now() < time) {
            return Err(self.problem().unwrap_or_default());
        }
        match self.open().await {
            Ok(connection) => {
                let opened = (connection.line.clone(), Arc::clone(&connection.tools));
                tracing::info!(
                    server = self.words.server(),
                    tools = connection.tools.len(),
                    "an MCP server is connected"
                );
                self.set_problem(None);
                self.watch(connection.line.clone());
                state.connection = Some(connection);
                Ok(opened)
            }
            Err(problem) => {
                let problem = self.sentence(&problem);
                tracing::warn!(
                    server = self.words.server(),
                    problem,
                    "an MCP server can't be used"
                );
                self.set_problem(Some(problem.clone()));
                let failures = self.failures.fetch_add(1, Ordering::Relaxed);
                state.not_before = Some(Instant::now() + pause(failures));
                Err(problem)
            }
        }
    }

    /// Opens a connection in a task of its own: it outlives the run that needs it first, and does not belong into what is logged of that run.
    /// The task ends with this future.
    async fn open(&self) -> Result<Connection, String> {
        let settings = Arc::clone(&self.settings);
        let mut task = JoinSet::new();
        task.spawn(Connection::open(
            settings,
            self.slug.clone(),
            Arc::clone(&self.words),
            Arc::clone(&self.elicitations),
        ));
        match task.join_next().await {
            Some(Ok(opened)) => opened,
            _ => Err("can't be used: its connection broke off".to_owned()),
        }
    }

    /// Ends the connection of a server that failed. It may be started again at once after a first failure, and after a pause if it failed again
    /// before it answered a call.
    fn end(&self, state: &mut State, problem: &str) {
        let Some(connection) = state.connection.take() else {
            return;
        };
        let problem = connection.line.traffic.fault().unwrap_or(problem);
        tracing::warn!(
            server = self.words.server(),
            problem,
            "an MCP server failed; the next use starts it again"
        );
        self.set_problem(Some(self.sentence(problem)));
        if let Some(failures) = self.failures.fetch_add(1, Ordering::Relaxed).checked_sub(1) {
            state.not_before = Some(Instant::now() + pause(failures));
        }
        tokio::spawn(connection.close());
    }

    /// Ends the connection once nobody has used it for `idle_timeout`, or once the server is at fault.
    fn watch(self: &Arc<Self>, line: Line) {
        let limit = self.settings.idle_timeout;
        let server = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut pause = limit;
            loop {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = line.traffic.faulted() => {}
                }
                let Some(server) = server.upgrade() else {
                    return;
                };
                let mut state = server.state.lock().await;
                let current = state.connection.as_ref();
                let Some(connection) = current.filter(|current| current.line.is(&line)) else {
                    return;
                };
                let idle = connection.idle();
                if connection.has_ended() {
                    server.end(&mut state, "ended by itself");
                    return;
                }
                if idle >= limit {
                    let connection = state.connection.take();
                    drop(state);
                    if let Some(connection) = connection {
                        tracing::info!(
                            server = server.words.server(),
                            "an MCP server was not used and is ended"
                        );
                        connection.close().await;
                    }
                    return;
                }
                pause = limit - idle;
            }
        });
    }

    /// `what` the server does, as a sentence about it.
    fn sentence(&self, what: &str) -> String {
        format!("the MCP server `{}` {what}", self.words.server())
    }

    /// Why a call failed, in words for the model. What the server says of a call is its answer; other failures are logged.
    async fn failed(&self, line: &Line, error: &ServiceError) -> ToolError {
        if let ServiceError::McpError(error) = error {
            return ToolError::new(self.words.short(&error.message));
        }
        if let ServiceError::Timeout { timeout } = error {
            let limit = humantime::format_duration(*timeout);
            let problem = format!("did not answer a call within {limit}");
            self.set_problem(Some(self.sentence(&problem)));
            if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= HUNG_CALLS {
                self.end_if_current(line, &problem).await;
            }
            return ToolError::new(format!("the tool did not answer within {limit}"));
        }
        let problem = line.traffic.fault().unwrap_or("can't be used now");
        tracing::warn!(
            server = self.words.server(),
            error = self.words.short(&error.to_string()),
            "a call of an MCP tool failed"
        );
        self.set_problem(Some(self.sentence(problem)));
        if line.has_ended() {
            self.end_if_current(line, "ended in a call").await;
        }
        ToolError::new(self.sentence(problem))
    }

    /// Ends the connection of `line`, unless another has taken its place.
    async fn end_if_current(&self, line: &Line, problem: &str) {
        let mut state = self.state.lock().await;
        let current = state.connection.as_ref();
        if current.is_some_and(|current| current.line.is(line)) {
            self.end(&mut state, problem);
        }
    }
}

/// The pause after a failure that comes after `failures` others.
fn pause(failures: u32) -> Duration {
    let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(6));
    pause.min(LONGEST_PAUSE)
}
