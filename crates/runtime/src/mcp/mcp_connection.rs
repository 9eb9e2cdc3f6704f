//! One connection to a server: opened, asked, and ended.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use rmcp::RoleClient;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CancelledNotificationParam, ClientRequest,
    ProtocolVersion, RequestId, ServerResult,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, Peer, PeerRequestOptions, RunningService,
    ServiceError, serve_client_with_lifecycle,
};
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransport, StreamableHttpClientTransportConfig,
};
use tokio::time::Instant;

use crate::engine::tool_inputs::{InputRequest, ToolInputs};
use crate::mcp::mcp_client::Client;
use crate::mcp::mcp_elicitation::Elicitations;
use crate::mcp::mcp_list;
use crate::mcp::mcp_log::Words;
use crate::mcp::mcp_program::Program;
use crate::mcp::mcp_settings::{McpServerSettings, McpTransport};
use crate::mcp::mcp_tool::McpTool;
use crate::mcp::mcp_traffic::{LimitedOutput, Traffic};

/// How long a connection may take to end.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(400);

/// A connection.
pub(super) struct Connection {
    running: RunningService<RoleClient, Client>,
    /// The server's program, where it is one of this machine.
    program: Option<Program>,
    pub(super) tools: Arc<[McpTool]>,
    pub(super) line: Line,
}

/// What calls share of a connection, which may end before them.
#[derive(Clone)]
pub(super) struct Line {
    peer: Peer<RoleClient>,
    pub(super) traffic: Arc<Traffic>,
    elicitations: Arc<Elicitations>,
    usage: Arc<Usage>,
}

/// What came of a call.
pub(super) enum Answered {
    /// The server answered with this; the model has to be told the rest besides.
    Result(Box<ServerResult>, Vec<&'static str>),
    /// The call was called off: a person has to answer the last of these first.
    Asked(Vec<InputRequest>),
}

struct Usage {
    calls: AtomicUsize,
    last: Mutex<Instant>,
}

/// A call that runs. Dropping it ends the call.
struct Call<'a> {
    usage: &'a Usage,
    peer: &'a Peer<RoleClient>,
    /// The request, until it is answered.
    request: Option<RequestId>,
}

impl Connection {
    /// Connects to a server and lists its tools.
    ///
    /// # Errors
    /// Why it can't be used, as what is said of it.
    pub(super) async fn open(
        settings: Arc<McpServerSettings>,
        slug: String,
        words: Arc<Words>,
        elicitations: Arc<Elicitations>,
    ) -> Result<Self, String> {
        let traffic = Traffic::new();
        let opened = Self::connect(&settings, &slug, &words, &traffic, elicitations);
        tokio::select! {
            opened = opened => opened.map_err(|error| match traffic.fault() {
                Some(fault) => fault.to_owned(),
                None => error,
            }),
            () = traffic.faulted() => Err(traffic.fault().unwrap_or_default().to_owned()),
            () = tokio::time::sleep(settings.connect_timeout) => Err(format!(
                "did not start within {}",
                humantime::format_duration(settings.connect_timeout)
            )),
        }
    }

    async fn connect(
        settings: &McpServerSettings,
        slug: &str,
        words: &Arc<Words>,
        traffic: &Arc<Traffic>,
        elicitations: Arc<Elicitations>,
    ) -> Result<Self, String> {
        let is_http = matches!(settings.transport, McpTransport::Http { .. });
        let roots = settings.roots.clone();
        let client = Client::new(
            roots,
            Arc::clone(words),
            Arc::clone(traffic),
            Arc::clone(&elicitations),
            is_http,
        );
        let lifecycle = ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: Some(ProtocolVersion::V_2025_11_25),
        };
        let mut program = None;
        let running = match &settings.transport {
            McpTransport::Stdio { command, args, env } => {
                let started = Program::start(words, command, args, env);
                let (started, (output, input)) =
                    started.map_err(|error| format!("can't be started: `{command}`: {error}"))?;
                program = Some(started);
                let output = LimitedOutput::new(output, Arc::clone(traffic));
                serve_client_with_lifecycle(client, (output, input), lifecycle).await
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
                let http = crate::client::client();
                let http = http.map_err(|error| format!("can't be reached: {error}"))?;
                let transport = StreamableHttpClientTransport::with_client(http, config);
                serve_client_with_lifecycle(client, transport, lifecycle).await
            }
        };
        let running = running.map_err(|error| not_opened(&error, words))?;
        let line = Line {
            peer: running.peer().clone(),
            traffic: Arc::clone(traffic),
            elicitations,
            usage: Arc::new(Usage {
                calls: AtomicUsize::new(0),
                last: Mutex::new(Instant::now()),
            }),
        };
        let tools = line.list(slug, words).await?;
        Ok(Self {
            running,
            program,
            tools,
            line,
        })
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&self) -> bool {
        self.running.is_closed() || self.line.has_ended()
    }

    /// Lists the tools again if the server has said that they are others.
    ///
    /// # Errors
    /// The server does not list them in time.
    pub(super) async fn refresh(
        &mut self,
        settings: &McpServerSettings,
        slug: &str,
        words: &Words,
    ) -> Result<(), String> {
        if self.running.service().take_tools_changed() {
            let listed = self.line.list(slug, words);
            let listed = tokio::time::timeout(settings.connect_timeout, listed).await;
            self.tools = listed.map_err(|_| "does not list its tools in time".to_owned())??;
        }
        Ok(())
    }

    /// For how long nobody has used it.
    pub(super) fn idle(&self) -> Duration {
        let usage = &self.line.usage;
        if usage.calls.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        let last = usage.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.elapsed()
    }

    /// Ends it, and with it the program.
    pub(super) async fn close(mut self) {
        let _ = self.running.close_with_timeout(CLOSE_TIMEOUT).await;
        if let Some(program) = self.program {
            program.end().await;
        }
    }
}

impl Line {
    /// Whether `other` is of the same connection.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.traffic, &other.traffic)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.traffic.fault().is_some() || self.peer.is_transport_closed()
    }

    async fn list(&self, slug: &str, words: &Words) -> Result<Arc<[McpTool]>, String> {
        self.traffic.requested();
        let listed = mcp_list::list(&self.peer, slug, words).await;
        listed.map_err(|error| {
            let error = words.short(&error.to_string());
            format!("does not list its tools: {error}")
        })
    }

    /// Calls a tool. The call may take `idle` without a report of its progress, and `total` in all. If the future is dropped, the server
    /// is told to stop. `inputs` is what people said to what the call asked; `None` if nobody can be asked.
    ///
    /// # Errors
    /// As `rmcp`; also that the server is at fault, as [`ServiceError::TransportClosed`].
    pub(super) async fn call(
        &self,
        params: CallToolRequestParams,
        inputs: Option<&ToolInputs>,
        idle: Duration,
        total: Duration,
    ) -> Result<Answered, ServiceError> {
        self.traffic.requested();
        let mut asking = self.elicitations.begin(inputs);
        let mut call = Call::new(self);
        tokio::select! {
            answered = self.request(&mut call, params, idle, total) => {
                asking.is_answered = matches!(&answered, Ok(_) | Err(ServiceError::McpError(_)));
                Ok(Answered::Result(Box::new(answered?), asking.notes()))
            }
            asked = asking.asked() => {
                call.call_off().await;
                Ok(Answered::Asked(asked))
            }
            () = self.traffic.faulted() => Err(ServiceError::TransportClosed),
        }
    }

    /// As [`Self::call`]. `rmcp` has such limits too, but with them it waits for the server to read that it may stop.
    async fn request(
        &self,
        call: &mut Call<'_>,
        params: CallToolRequestParams,
        idle: Duration,
        total: Duration,
    ) -> Result<ServerResult, ServiceError> {
        let mut progress = self.traffic.progress();
        let mut deadline = Instant::now() + idle;
        let end = Instant::now() + total;
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let options = PeerRequestOptions::no_options();
        let sent = self.peer.send_request_with_option(request, options);
        let sent = tokio::time::timeout_at(deadline.min(end), sent).await;
        let sent = sent.map_err(|_| ServiceError::Timeout { timeout: idle })??;
        call.request = Some(sent.id.clone());
        let token = sent.progress_token.clone();
        let mut answered = pin!(sent.await_response());
        loop {
            tokio::select! {
                biased;
                answered = &mut answered => {
                    call.request = None;
                    return answered;
                }
                () = tokio::time::sleep_until(deadline.min(end)) => {
                    let timeout = if deadline < end { idle } else { total };
                    return Err(ServiceError::Timeout { timeout });
                }
                reported = progress.recv() => {
                    if reported.is_ok_and(|reported| reported != token) {
                        continue;
                    }
                    deadline = Instant::now() + idle;
                }
            }
        }
    }
}

impl<'a> Call<'a> {
    fn new(line: &'a Line) -> Self {
        line.usage.calls.fetch_add(1, Ordering::Relaxed);
        Self {
            usage: &line.usage,
            peer: &line.peer,
            request: None,
        }
    }

    /// Tells the server to stop.
    async fn call_off(&mut self) {
        if let Some(params) = self.cancellation() {
            let told = self.peer.notify_cancelled(params);
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, told).await;
        }
    }

    /// What tells the server to stop, if it has not answered.
    fn cancellation(&mut self) -> Option<CancelledNotificationParam> {
        let request = self.request.take()?;
        let reason = Some("nobody waits for the result any more".to_owned());
        Some(CancelledNotificationParam::new(Some(request), reason))
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut last = self
            .usage
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last = Instant::now();
        self.usage.calls.fetch_sub(1, Ordering::Relaxed);
        let Some(params) = self.cancellation() else {
            return;
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let peer = self.peer.clone();
            runtime.spawn(async move { peer.notify_cancelled(params).await });
        }
    }
}

/// Why a server could not be connected to.
fn not_opened(error: &ClientInitializeError, words: &Words) -> String {
    if error.is_authorization_required() {
        return format!(
            "asks for a login, and no person is here to log in: the operator has to set a token in mcp.servers.{}.headers, \
             as in `authorization = \"Bearer ...\"`",
            words.server()
        );
    }
    format!("can't be used: {}", words.short(&error.to_string()))
}
