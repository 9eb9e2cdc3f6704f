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
    ) -> impl Tool + use<I> {
        let workspace = Arc::clone(self);
        tool(name, description, move |_, input: I| {
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
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde_json::json;

    use super::Workspace;
    use crate::engine::tools::{Tool, ToolContext};
    use crate::schema::new_uuid_v7;
    use crate::workspace::workspace_settings::WorkspaceSettings;

    #[derive(Deserialize, JsonSchema)]
    struct Nothing {}

    static IS_RUNNING: AtomicBool = AtomicBool::new(false);

    #[tokio::test]
    async fn work_ends_when_nobody_waits_for_it() {
        let settings = WorkspaceSettings::new(env!("CARGO_MANIFEST_DIR"));
        let workspace = Workspace::open(&settings).unwrap();
        let tool = workspace.tool(
            "endless",
            "Works until it is stopped.",
            |_, _: Nothing, stop| {
                IS_RUNNING.store(true, Ordering::SeqCst);
                while !stop.is_cancelled() {
                    std::thread::yield_now();
                }
                Ok(String::new())
            },
        );
        let cx = ToolContext {
            run_id: new_uuid_v7(),
            request_id: String::new(),
            agent: "desk",
            subject: String::new(),
            roles: Vec::new(),
        };
        let call = tokio::spawn(async move { tool.call(cx, json!({})).await });
        while !IS_RUNNING.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        call.abort();
        // All calls together have the permits: it is over once they can be had.
        let calls = Arc::clone(&workspace.calls);
        let all = u32::try_from(super::CONCURRENT_CALLS).unwrap();
        drop(calls.acquire_many(all).await.unwrap());
    }
}
