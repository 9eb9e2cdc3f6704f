//! Commands that run agents: a service of them without compiling, conversations and workflow runs in the terminal, and the runs of a
//! service.

pub mod chat_command;
pub mod dev_command;
pub mod run_command;
mod run_questions;
pub mod runs_command;
pub mod serve_command;

use clap::Args;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::serve::call_failure::Failure;
use crate::serve::service_connection::ServiceConnection;
use crate::terminal::{Status, eprint_line};

/// Whom a command talks to.
#[derive(Debug, Args)]
pub struct Target {
    /// Folder, repository, file or glob pattern of agents; may be repeated [default: agents, else .claude/agents]
    #[arg(long, value_name = "PATH", conflicts_with = "service")]
    agents: Vec<String>,
    /// Ask a running service instead; the token for it is in AGENTGEN_TOKEN
    #[arg(long, value_name = "URL")]
    service: Option<String>,
    /// Model that answers for all agents of the folder; `echo` repeats the request
    #[arg(long, conflicts_with = "service")]
    model: Option<String>,
}

impl Target {
    /// A connection to the running service, or to one of this process over the folder.
    ///
    /// # Errors
    ///
    /// The exit status, after the reason was reported.
    async fn connect(&self) -> Result<ServiceConnection, Status> {
        match &self.service {
            Some(address) => ServiceConnection::to(address).map_err(Failure::report),
            None => ServiceConnection::to_folder(&self.agents, self.model.as_deref()).await,
        }
    }
}

/// Ctrl-C, as often as it comes: from now on it does not end the process.
struct Interrupts(UnboundedReceiver<()>);

impl Interrupts {
    fn new() -> Self {
        let (sender, receiver) = unbounded_channel();
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() && sender.send(()).is_ok() {}
        });
        Self(receiver)
    }

    /// Waits for the next one.
    async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            // The system has none.
            std::future::pending().await
        }
    }
}

/// Runs what calls a service to its end.
fn block_on(call: impl Future<Output = Result<Status, Status>>) -> Result<Status, Status> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| {
        eprint_line(&format!("error: {error}"));
        Status::Io
    })?;
    let ended = runtime.block_on(call);
    // A line of stdin that nobody waits for is not read to its end.
    runtime.shutdown_background();
    ended
}
