//! What a build reads of `service.toml`, the settings that a service reads when it starts.

use std::fs;
use std::path::Path;

use crate::diagnostics::Report;
use crate::diagnostics::span::Span;
use crate::project::{discover, toml_tree};
use crate::yaml::node::{Node, Value};

/// The name of the file.
pub const SERVICE_FILE: &str = "service.toml";

/// The tools of a workspace.
pub const READING_TOOLS: [&str; 3] = ["Read", "Glob", "Grep"];
/// The tools of a workspace that may be written.
pub const WRITING_TOOLS: [&str; 3] = ["Write", "Edit", "MultiEdit"];

/// The file. It is empty where there is none, and where it can't be read: the service itself says what is wrong with it.
pub struct ServiceFile(Node);

impl ServiceFile {
    /// The file in `root`.
    pub fn read(root: &Path) -> Self {
        let settings = discover::read(&root.join(SERVICE_FILE), SERVICE_FILE).ok();
        let settings = settings.and_then(|source| {
            let mut report = Report::new(&source);
            let settings = toml_tree::parse(&mut report);
            (!report.has_errors()).then_some(settings)
        });
        Self(settings.unwrap_or(Node {
            value: Value::Null,
            span: Span::default(),
        }))
    }

    /// The aliases under `[models]`. None where `echo` answers for every model.
    pub fn models(&self) -> Vec<String> {
        let models = self.0.get("models").and_then(Node::entries);
        let models = models.unwrap_or_default();
        let is_echo = models
            .iter()
            .all(|model| model.value.as_str() == Some("echo"));
        if is_echo {
            return Vec::new();
        }
        models.iter().map(|model| model.key.clone()).collect()
    }

    /// The names of the MCP servers, sorted: under `[mcp.servers]`, and in the file that `mcp.file` names.
    pub fn mcp_servers(&self, root: &Path) -> Vec<String> {
        let Some(mcp) = self.0.get("mcp") else {
            return Vec::new();
        };
        let own = mcp.get("servers").and_then(Node::entries);
        let own = own.unwrap_or_default().iter();
        let mut servers: Vec<String> = own.map(|server| server.key.clone()).collect();
        let file = mcp.get("file").and_then(Node::as_str);
        let text = file.and_then(|file| fs::read_to_string(root.join(file)).ok());
        let file = text.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
        if let Some(of_file) = file
            .as_ref()
            .and_then(|file| file["mcpServers"].as_object())
        {
            servers.extend(of_file.keys().cloned());
        }
        servers.sort_unstable();
        servers.dedup();
        servers
    }

    /// Whether the service runs the MCP servers that agent files define.
    pub fn mcp_inline(&self) -> bool {
        let mcp = self.0.get("mcp").and_then(|mcp| mcp.get("inline"));
        mcp.is_some_and(|inline| inline.value == Value::Bool(true))
    }

    /// The tools that agents get from `[workspace]`; none where it names no folder.
    pub fn workspace_tools(&self) -> Vec<String> {
        let Some(workspace) = self.0.get("workspace") else {
            return Vec::new();
        };
        if workspace.get("root").and_then(Node::as_str).is_none() {
            return Vec::new();
        }
        let write = workspace.get("write").map(|write| &write.value);
        let writing = match write {
            Some(Value::Bool(true)) => &WRITING_TOOLS[..],
            _ => &[],
        };
        let tools = READING_TOOLS.iter().chain(writing);
        tools.map(|tool| (*tool).to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::ServiceFile;

    #[test]
    fn models_count_once_one_of_them_is_more_than_an_echo() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(ServiceFile::read(folder.path()).models(), [""; 0]);
        for (text, wanted) in [
            ("[models]\ndefault = \"echo\"\n", &[][..]),
            ("address = \"127.0.0.1:1\"\n", &[]),
            ("[models\n", &[]),
            (
                "[models]\ndefault = \"echo\"\nsonnet = \"anthropic:claude-sonnet-4-5\"\n\"fast one\" = \"sonnet\"\n[limits]\nbody_bytes = 1\n",
                &["default", "sonnet", "fast one"],
            ),
            ("models.opus = \"a:b\"", &["opus"]),
        ] {
            fs::write(folder.path().join("service.toml"), text).unwrap();
            assert_eq!(ServiceFile::read(folder.path()).models(), wanted, "{text}");
        }
    }

    #[test]
    fn servers_in_agent_files_are_off_until_the_switch_is_on() {
        let folder = tempfile::tempdir().unwrap();
        for (text, wanted) in [
            ("", false),
            ("[mcp]\ninline = false\n", false),
            ("[mcp]\ninline = \"true\"\n", false),
            ("[mcp]\ninline = true\n", true),
        ] {
            fs::write(folder.path().join("service.toml"), text).unwrap();
            assert_eq!(
                ServiceFile::read(folder.path()).mcp_inline(),
                wanted,
                "{text}"
            );
        }
    }

    #[test]
    fn a_workspace_gives_tools_once_it_has_a_root() {
        let folder = tempfile::tempdir().unwrap();
        for (text, wanted) in [
            ("", 0),
            ("[workspace]\nwrite = true\n", 0),
            ("[workspace]\nroot = \"repo\"\n", 3),
            ("[workspace]\nroot = \"repo\"\nwrite = false\n", 3),
            ("[workspace]\nroot = \"repo\"\nwrite = true\n", 6),
        ] {
            fs::write(folder.path().join("service.toml"), text).unwrap();
            let tools = ServiceFile::read(folder.path()).workspace_tools();
            assert_eq!(tools.len(), wanted, "{text}");
        }
    }

    #[test]
    fn mcp_servers_are_those_of_both_files() {
        let folder = tempfile::tempdir().unwrap();
        let servers = || ServiceFile::read(folder.path()).mcp_servers(folder.path());
        assert_eq!(servers(), [""; 0]);
        let text = "[mcp]\nfile = \".mcp.json\"\n[mcp.servers.db]\ncommand = \"db\"\n";
        fs::write(folder.path().join("service.toml"), text).unwrap();
        assert_eq!(servers(), ["db"]);
        let file = r#"{"mcpServers": {"web": {"url": "https://h"}, "db": {"command": "x"}}}"#;
        fs::write(folder.path().join(".mcp.json"), file).unwrap();
        assert_eq!(servers(), ["db", "web"]);
    }
}
