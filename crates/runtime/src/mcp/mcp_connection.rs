//! One server: started when it is needed, kept while it is used, and started again after it failed.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ClientConfig, Implementation, ProtocolVersion,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, NotificationContext, Peer, RunningService,
    ServiceError, serve_client_with_lifecycle,
};
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransport, StreamableHttpClientTransportConfig,
};
use rmcp::{ClientHandler, RoleClient};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::client::key_redaction::redact_keys;
use crate::engine::tools::{ToolError, check_input};
use crate::mcp::mcp_program::Program;
use crate::mcp::mcp_result;
use crate::mcp::mcp_settings::{McpServerSettings, McpTransport};
use crate::mcp::mcp_tool::{self, McpTool, PREFIX, SEPARATOR, cut};
use crate::model::ToolDefinition;

/// The pauses after a first and after many failed starts.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long a connection may take to end.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(400);
/// The most tools of a server. Each one costs tokens in every request.
const MAX_TOOLS: usize = 500;
/// The longest message of a server that is repeated, in bytes.
const MAX_LOGGED: usize = 500;

/// A server.
pub(super) struct McpServer {
    name: String,
    slug: String,
    settings: McpServerSettings,
    /// What no text about it may have.
    secrets: Vec<String>,
    state: tokio::sync::Mutex<State>,
    /// Why it can't be used, for `/readyz`, which doesn't wait for a start.
    problem: Mutex<Option<String>>,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    /// How many starts failed since the last that did not.
    failures: u32,
    /// No start before this.
    not_before: Option<Instant>,
}

struct Connection {
    running: RunningService<RoleClient, Handler>,
    /// The server's program, where it is one of this machine.
    program: Option<Program>,
    tools: Arc<[McpTool]>,
    last_used: Instant,
}

/// Notices that the server has other tools than before.
#[derive(Clone)]
struct Handler {
    config: ClientConfig,
    tools_changed: Arc<AtomicBool>,
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        self.config.clone()
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.tools_changed.store(true, Ordering::Relaxed);
    }
}

impl McpServer {
    pub(super) fn new(name: String, settings: McpServerSettings) -> Arc<Self> {
        Arc::new(Self {
            slug: mcp_tool::slug(&name),
            name,
            secrets: settings.secrets(),
            settings,
            state: tokio::sync::Mutex::default(),
            problem: Mutex::default(),
        })
    }

    /// Its name as a part of the names of its tools.
    pub(super) fn slug(&self) -> &str {
        &self.slug
    }

    /// Why it can't be used; `None` if it can, or if nobody has tried.
    pub(super) fn problem(&self) -> Option<String> {
        let problem = self.problem.lock();
        problem.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its tools. It is started if it is not running.
    ///
    /// # Errors
    /// Why it can't be used now, in words for the model.
    pub(super) async fn tools(self: &Arc<Self>) -> Result<Arc<[McpTool]>, String> {
        Ok(self.connected().await?.1)
    }

    /// Calls the tool that the service knows as `name`. If the future is dropped, the server is told to stop.
    pub(super) async fn call(
        self: &Arc<Self>,
        name: &str,
        mut input: Value,
    ) -> Result<Value, ToolError> {
        let (peer, tools) = self.connected().await.map_err(ToolError::new)?;
        let Some(tool) = tools.iter().find(|tool| tool.definition.name == name) else {
            let detail = format!("the MCP server `{}` has no such tool", self.name);
            return Err(ToolError::new(detail));
        };
        check_input(&tool.input_schema, &mut input)?;
        let Value::Object(arguments) = input else {
            return Err(ToolError::new(
                "the input does not fit: it is not an object",
            ));
        };
        let params = CallToolRequestParams::new(tool.name.clone()).with_arguments(arguments);
        let limit = self.settings.call_timeout;
        let called = tokio::time::timeout(limit, peer.call_tool_once(params)).await;
        self.touch().await;
        match called {
            Err(_) => Err(ToolError::new(format!(
                "the tool did not answer within {}",
                humantime::format_duration(limit)
            ))),
            Ok(Ok(CallToolResponse::Complete(result))) => {
                mcp_result::output(result, self.settings.result_bytes, &self.secrets)
            }
            Ok(Ok(CallToolResponse::InputRequired(_))) => Err(ToolError::new(
                "the tool asks for more input, which this service can't give",
            )),
            Ok(Ok(_)) => Err(ToolError::new(
                "the tool answered in a form that is not supported",
            )),
            Ok(Err(error)) => Err(self.failed(&error)),
        }
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
    async fn connected(self: &Arc<Self>) -> Result<(Peer<RoleClient>, Arc<[McpTool]>), String> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &mut state.connection {
            let peer = connection.running.peer().clone();
            if !connection.running.is_closed() && !peer.is_transport_closed() {
                connection.last_used = Instant::now();
                if connection.has_other_tools()
                    && let Ok(Ok(tools)) = self.limited(self.list(&peer)).await
                {
                    connection.tools = tools;
                }
                return Ok((peer, Arc::clone(&connection.tools)));
            }
            tracing::warn!(
                server = self.name,
                "an MCP server ended; it is started again"
            );
            state.connection = None;
        }
        if state.not_before.is_some_and(|time| Instant::now() < time) {
            return Err(self.problem().unwrap_or_default());
        }
        let opened = match self.limited(self.open()).await {
            Ok(opened) => opened,
            Err(_) => Err(format!(
                "the MCP server `{}` did not start within {}",
                self.name,
                humantime::format_duration(self.settings.connect_timeout)
            )),
        };
        let problem = opened.as_ref().err().cloned();
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
        match opened {
            Ok(connection) => {
                let opened = (
                    connection.running.peer().clone(),
                    Arc::clone(&connection.tools),
                );
                tracing::info!(
                    server = self.name,
                    tools = connection.tools.len(),
                    "an MCP server is connected"
                );
                *state = State {
                    connection: Some(connection),
                    ..State::default()
                };
                drop(state);
                self.close_when_idle();
                Ok(opened)
            }
            Err(problem) => {
                tracing::warn!(server = self.name, problem, "an MCP server can't be used");
                let pause = FIRST_PAUSE.saturating_mul(1 << state.failures.min(6));
                state.not_before = Some(Instant::now() + pause.min(LONGEST_PAUSE));
                state.failures += 1;
                Err(problem)
            }
        }
    }

    async fn limited<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, tokio::time::error::Elapsed> {
        tokio::time::timeout(self.settings.connect_timeout, work).await
    }

    async fn open(&self) -> Result<Connection, String> {
        let tools_changed = Arc::new(AtomicBool::new(false));
        let handler = Handler {
            config: ClientConfig::new(
                Default::default(),
                Implementation::new("agentgen", env!("CARGO_PKG_VERSION")),
            ),
            tools_changed,
        };
        let lifecycle = ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: Some(ProtocolVersion::V_2025_11_25),
        };
        let mut program = None;
        let running = match &self.settings.transport {
            McpTransport::Stdio { command, args, env } => {
                let started = Program::start(&self.name, command, args, env, &self.secrets);
                let (started, pipes) = started.map_err(|error| {
                    format!(
                        "`{command}`, the MCP server `{}`, can't be started: {error}",
                        self.name
                    )
                })?;
                program = Some(started);
                serve_client_with_lifecycle(handler, pipes, lifecycle).await
            }
            McpTransport::Http { url, headers } => {
                let headers = headers.iter().filter_map(|(name, value)| {
                    let name = HeaderName::try_from(name).ok()?;
                    let mut value = HeaderValue::try_from(value.expose()).ok()?;
                    value.set_sensitive(true);
                    Some((name, value))
                });
                let headers: HashMap<_, _> = headers.collect();
                let config = StreamableHttpClientTransportConfig::with_uri(url.as_str())
                    .custom_headers(headers)
                    .reinit_on_expired_session(true);
                let client = crate::client::client()
                    .map_err(|error| format!("the HTTP client can't be created: {error}"))?;
                let transport = StreamableHttpClientTransport::with_client(client, config);
                serve_client_with_lifecycle(handler, transport, lifecycle).await
            }
        };
        let running = running.map_err(|error| self.not_opened(&error))?;
        let tools = self.list(running.peer()).await?;
        Ok(Connection {
            running,
            program,
            tools,
            last_used: Instant::now(),
        })
    }

    /// The tools that the server lists.
    async fn list(&self, peer: &Peer<RoleClient>) -> Result<Arc<[McpTool]>, String> {
        let listed = peer.list_all_tools().await;
        let listed = listed.map_err(|error| {
            format!(
                "the MCP server `{}` does not list its tools: {}",
                self.name,
                self.short(&error)
            )
        })?;
        if listed.len() > MAX_TOOLS {
            tracing::warn!(
                server = self.name,
                tools = listed.len(),
                "an MCP server has too many tools: those after the first {MAX_TOOLS} are left out"
            );
        }
        let mut tools: Vec<McpTool> = Vec::new();
        for tool in listed.iter().take(MAX_TOOLS) {
            let read = mcp_tool::read(&self.slug, tool).and_then(|read| {
                let name = &read.definition.name;
                match tools.iter().any(|other| other.definition.name == *name) {
                    true => Err("another tool of the server has the same name".to_owned()),
                    false => Ok(read),
                }
            });
            match read {
                Ok(tool) => tools.push(tool),
                Err(reason) => tracing::warn!(
                    server = self.name,
                    tool = &*tool.name,
                    reason,
                    "a tool of an MCP server is left out"
                ),
            }
        }
        tools.sort_by(|a, b| a.definition.name.cmp(&b.definition.name));
        Ok(tools.into())
    }

    /// Ends the connection once nobody has used it for `idle_timeout`.
    fn close_when_idle(self: &Arc<Self>) {
        let limit = self.settings.idle_timeout.max(self.settings.call_timeout);
        let server = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut pause = limit;
            loop {
                tokio::time::sleep(pause).await;
                let Some(server) = server.upgrade() else {
                    return;
                };
                let mut state = server.state.lock().await;
                let Some(connection) = &state.connection else {
                    return;
                };
                let idle = connection.last_used.elapsed();
                if idle >= limit {
                    let connection = state.connection.take();
                    drop(state);
                    if let Some(connection) = connection {
                        tracing::info!(
                            server = server.name,
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

    async fn touch(&self) {
        if let Some(connection) = &mut self.state.lock().await.connection {
            connection.last_used = Instant::now();
        }
    }

    /// Why the server could not be connected to.
    fn not_opened(&self, error: &ClientInitializeError) -> String {
        if error.is_authorization_required() {
            return format!(
                "the MCP server `{0}` asks for a login, and no person is here to log in: the operator has to set a token in \
                 mcp.servers.{0}.headers, as in `authorization = \"Bearer ...\"`",
                self.name
            );
        }
        format!(
            "the MCP server `{}` can't be used: {}",
            self.name,
            self.short(error)
        )
    }

    /// What `message` says, on one line, not too long and without secrets.
    fn short(&self, message: &impl ToString) -> String {
        let secrets = self.secrets.iter().map(String::as_str);
        let mut text = redact_keys(&message.to_string(), secrets).replace(char::is_control, " ");
        if cut(&mut text, MAX_LOGGED) {
            text.push('…');
        }
        text
    }

    /// Why a call failed, in words for the model. What the server says of a call is its answer; other failures are logged.
    fn failed(&self, error: &ServiceError) -> ToolError {
        if let ServiceError::McpError(error) = error {
            return ToolError::new(self.short(&error.message));
        }
        tracing::warn!(
            server = self.name,
            error = self.short(error),
            "a call of an MCP tool failed"
        );
        ToolError::new(format!("the MCP server `{}` can't be used now", self.name))
    }
}

impl Connection {
    fn has_other_tools(&self) -> bool {
        let changed = &self.running.service().tools_changed;
        changed.swap(false, Ordering::Relaxed)
    }

    async fn close(mut self) {
        let _ = self.running.close_with_timeout(CLOSE_TIMEOUT).await;
        if let Some(program) = self.program {
            program.end().await;
        }
    }
}
