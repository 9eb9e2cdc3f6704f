//! What the service is to a server: a client that tells its folders, takes questions, and takes notice of progress and of other tools.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rmcp::ErrorData;
use rmcp::RoleClient;
use rmcp::model::{
    ClientCapabilities, ClientConfig, ClientResult, ElicitationCapability, ErrorCode,
    FormElicitationCapability, Implementation, ProgressNotificationParam, ServerNotification,
    ServerRequest,
};
#[expect(deprecated, reason = "servers of 2025-11-25 and older ask for roots")]
use rmcp::model::{ListRootsResult, Root, RootsCapabilities};
use rmcp::service::{NotificationContext, RequestContext, Service};

use crate::mcp::mcp_elicitation::Elicitations;
use crate::mcp::mcp_log::Words;
use crate::mcp::mcp_traffic::Traffic;

/// The service as one server sees it.
pub(super) struct Client {
    /// The addresses of folders that the server may work on.
    roots: Vec<String>,
    words: Arc<Words>,
    traffic: Arc<Traffic>,
    elicitations: Arc<Elicitations>,
    /// Whether messages are counted here: over HTTP there is no other place.
    counts_messages: bool,
    tools_changed: AtomicBool,
}

impl Client {
    pub(super) const fn new(
        roots: Vec<String>,
        words: Arc<Words>,
        traffic: Arc<Traffic>,
        elicitations: Arc<Elicitations>,
        counts_messages: bool,
    ) -> Self {
        Self {
            roots,
            words,
            traffic,
            elicitations,
            counts_messages,
            tools_changed: AtomicBool::new(false),
        }
    }

    /// Whether the server has said, since the last time, that it has other tools.
    pub(super) fn take_tools_changed(&self) -> bool {
        self.tools_changed.swap(false, Ordering::Relaxed)
    }

    fn log_progress(&self, progress: &ProgressNotificationParam) {
        if tracing::enabled!(tracing::Level::DEBUG) {
            tracing::debug!(
                server = self.words.server(),
                progress = progress.progress,
                total = progress.total,
                text = self
                    .words
                    .short(progress.message.as_deref().unwrap_or_default()),
                "an MCP server reports progress"
            );
        }
    }
}

impl Service<RoleClient> for Client {
    async fn handle_request(
        &self,
        request: ServerRequest,
        _: RequestContext<RoleClient>,
    ) -> Result<ClientResult, ErrorData> {
        match request {
            ServerRequest::PingRequest(_) => Ok(ClientResult::empty(())),
            #[expect(deprecated)]
            ServerRequest::ListRootsRequest(_) => {
                let roots = self.roots.iter().map(Root::new).collect();
                Ok(ClientResult::ListRootsResult(ListRootsResult::new(roots)))
            }
            ServerRequest::ElicitRequest(asked) => {
                let answer = self.elicitations.answer(asked.params, &self.words).await;
                answer.map(ClientResult::ElicitResult)
            }
            _ => Err(ErrorData::new(
                ErrorCode::METHOD_NOT_FOUND,
                "the service offers no such method",
                None,
            )),
        }
    }

    async fn handle_notification(
        &self,
        notification: ServerNotification,
        _: NotificationContext<RoleClient>,
    ) -> Result<(), ErrorData> {
        if self.counts_messages {
            self.traffic.received();
        }
        match notification {
            ServerNotification::ToolListChangedNotification(_) => {
                self.tools_changed.store(true, Ordering::Relaxed);
            }
            ServerNotification::ProgressNotification(progress) => {
                self.log_progress(&progress.params);
                self.traffic.progressed(progress.params.progress_token);
            }
            _ => {}
        }
        Ok(())
    }

    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        let forms = ElicitationCapability::new().with_form(FormElicitationCapability::default());
        capabilities.elicitation = Some(forms);
        if !self.roots.is_empty() {
            capabilities.roots = Some(RootsCapabilities::default());
        }
        let service = Implementation::new("agentgen", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(capabilities, service)
    }
}
