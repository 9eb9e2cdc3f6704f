//! How a tool of the workspace runs: on a thread for blocking work, until it is done or nobody waits for it.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use crate::engine::tools::{Tool, ToolError, tool};
use crate::error::start_error::SettingError;
use crate::workspace::workspace_folder::Folder;
use crate::workspace::workspace_settings::WorkspaceSettings;

/// How many calls of a service work on files at a time. The others wait, so that slow disks don't hold up other blocking work.
const CONCURRENT_CALLS: usize = 8;

/// The folder of a service and its limits, for all tools.
pub(super) struct Workspace {
    pub(super) folder: Folder,
    pub(super) settings: WorkspaceSettings,
    calls: Arc<Semaphore>,
}

/// When a call has to stop.
pub(super) struct Stop {
    is_cancelled: Arc<AtomicBool>,
    deadline: Instant,
}

impl Stop {
    /// Whether nobody waits for the call anymore.
    pub(super) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

    /// Whether a search has used up its time, or nobody waits for it.
    pub(super) fn is_over(&self) -> bool {
        self.is_cancelled() || Instant::now() >= self.deadline
    }

    /// One that is over after `timeout`.
    fn after(timeout: Duration) -> Self {
        Self {
            is_cancelled: Arc::default(),
            deadline: Instant::now() + timeout,
        }
    }
}

/// Cancels a call when it is dropped, with the run.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Workspace {
    /// Opens the folder of the settings.
    ///
    /// # Errors
    /// A folder that can't be opened.
    pub(super) fn open(settings: &WorkspaceSettings) -> Result<Arc<Self>, SettingError> {
        Ok(Arc::new(Self {
            folder: Folder::open(settings)?,
            settings: settings.clone(),
            calls: Arc::new(Semaphore::new(CONCURRENT_CALLS)),
        }))
    }

    /// A tool that calls `run` on a thread for blocking work.
    pub(super) fn tool<I: DeserializeOwned + JsonSchema + Send + 'static>(
        self: &Arc<Self>,
        name: &str,
        description: &str,
        run: fn(&Self, I, &Stop) -> Result<String, ToolError>,
    ) -> Box<dyn Tool> {
        let workspace = Arc::clone(self);
        Box::new(tool(name, description, move |_, input: I| {
            let workspace = Arc::clone(&workspace);
            async move {
                let permit = Arc::clone(&workspace.calls).acquire_owned().await;
                let stop = Stop::after(workspace.settings.search_timeout);
                let _cancel = CancelOnDrop(Arc::clone(&stop.is_cancelled));
                let work = move || {
                    // It is given back when the work ends, and not when nobody waits for it anymore.
                    let _permit = permit;
                    run(&workspace, input, &stop)
                };
                match tokio::task::spawn_blocking(work).await {
                    Ok(result) => result,
                    Err(error) => match error.try_into_panic() {
                        Ok(panic) => resume_unwind(panic),
                        Err(_) => Err(ToolError::new("the service is stopping")),
                    },
                }
            }
        }))
    }
}
