//! A folder that agents work on, beside another one that they must not reach.

use std::fs;
use std::path::{Path, PathBuf};

use agentgen_runtime::Settings;
use agentgen_runtime::axum::Router;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::spec::AgentSpec;
use agentgen_runtime::testing::{MockServer, Script};
use agentgen_runtime::workspace::WorkspaceSettings;
use serde_json::Value;

use crate::mock_model::{agent, agent_app, conversation, invoke, mock_server};

/// `repo`, the workspace, and `outside` beside it, in a folder that is removed in the end.
pub struct Folders(PathBuf);

impl Drop for Folders {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Folders {
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("agentgen-{}", uuid::Uuid::new_v4()));
        let folders = Self(folder);
        fs::create_dir_all(folders.outside()).unwrap();
        fs::create_dir_all(folders.repo()).unwrap();
        fs::write(folders.outside().join("secret.txt"), "OUTSIDE\n").unwrap();
        folders
    }

    pub fn repo(&self) -> PathBuf {
        self.0.join("repo")
    }

    pub fn outside(&self) -> PathBuf {
        self.0.join("outside")
    }

    /// Writes a file of the workspace.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.repo().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The text of a file of the workspace.
    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.repo().join(path)).unwrap()
    }

    pub fn settings(&self, write: bool) -> WorkspaceSettings {
        WorkspaceSettings {
            write,
            ..WorkspaceSettings::new(self.repo())
        }
    }

    /// Fails if anything in `outside` is not as it was.
    #[track_caller]
    pub fn assert_outside_is_as_it_was(&self) {
        assert_eq!(names(&self.outside()), ["secret.txt"]);
        let secret = fs::read_to_string(self.outside().join("secret.txt"));
        assert_eq!(secret.unwrap(), "OUTSIDE\n");
        assert_eq!(names(&self.0), ["outside", "repo"]);
    }
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// A service whose model does what the test says.
pub struct Desk {
    pub model: MockServer,
    pub app: Router,
}

impl Desk {
    /// One whose agent may use every tool.
    pub async fn new(workspace: WorkspaceSettings) -> Self {
        Self::of(agent(|_| {}), Some(workspace)).await
    }

    pub async fn of(agent: &'static AgentSpec, workspace: Option<WorkspaceSettings>) -> Self {
        let model = mock_server([]).await;
        let settings = Settings {
            workspace,
            ..model.settings(ProviderKind::Anthropic)
        };
        let app = agent_app(agent, settings);
        Self { model, app }
    }

    /// Has the model call `tool`. Returns what the model got, and whether that was an error.
    pub async fn call(&self, tool: &str, input: Value) -> (String, bool) {
        self.model
            .push(Script::text("").then_tool_call(tool, &input));
        self.model.push(Script::text("ok"));
        let answer = invoke(&self.app, "go").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let requests = self.model.requests();
        last_result(&requests.last().unwrap().body)
    }

    /// What the model got of a call that must not fail.
    pub async fn ok(&self, tool: &str, input: Value) -> String {
        let (text, is_error) = self.call(tool, input).await;
        assert!(!is_error, "{tool}: {text}");
        text
    }

    /// What the model got of a call that must fail.
    pub async fn refused(&self, tool: &str, input: Value) -> String {
        let (text, is_error) = self.call(tool, input).await;
        assert!(is_error, "{tool}: {text}");
        text
    }
}

/// The last result of a tool in a request.
pub fn last_result(body: &Value) -> (String, bool) {
    let answered = &conversation(body).last().unwrap()["content"][0];
    let text = answered["content"].as_str().unwrap().to_owned();
    (text, answered["is_error"] == true)
}
