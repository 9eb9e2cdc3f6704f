//! The servers of a service, as a source of tools.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::Value;

use crate::engine::tool_inputs::ToolInputs;
use crate::engine::tools::{Called, RemoteTools, ToolError};
use crate::future::BoxFuture;
use crate::mcp::mcp_server::McpServer;
use crate::mcp::mcp_settings::McpServerSettings;
use crate::mcp::mcp_tool::{PREFIX, SEPARATOR};
use crate::model::ToolDefinition;

/// The MCP servers of a service, by name.
pub(super) struct McpServers(BTreeMap<String, Arc<McpServer>>);

impl McpServers {
    /// Those of the settings. Each is started when an agent first needs it.
    pub(super) fn new(settings: &BTreeMap<String, McpServerSettings>) -> Self {
        let servers = settings.iter();
        let servers = servers
            .map(|(name, settings)| (name.clone(), McpServer::new(name.clone(), settings.clone())));
        Self(servers.collect())
    }

    /// The server that has the tool `name`.
    fn server_of(&self, name: &str) -> Option<&Arc<McpServer>> {
        // The name of a server may contain the separator, so the longest one that fits is meant.
        let rest = name.strip_prefix(PREFIX)?;
        let fitting = self.0.values().filter(|server| {
            rest.strip_prefix(server.slug())
                .is_some_and(|rest| rest.starts_with(SEPARATOR))
        });
        fitting.max_by_key(|server| server.slug().len())
    }
}

impl RemoteTools for McpServers {
    fn definitions<'a>(
        &'a self,
        may_use: &'a (dyn Fn(&str) -> bool + Send + Sync),
        named: &'a [&'a str],
    ) -> BoxFuture<'a, Vec<ToolDefinition>> {
        Box::pin(async move {
            let of_servers = self.0.values().map(|server| async move {
                // A server of which the agent may use nothing is not started.
                if !server.may_be_used(may_use, named) {
                    return Vec::new();
                }
                match server.tools().await {
                    Ok(tools) => {
                        let tools = tools.iter().filter(|tool| may_use(&tool.definition.name));
                        tools.map(|tool| tool.definition.clone()).collect()
                    }
                    Err(reason) => server.unreachable_tools(named, may_use, &reason),
                }
            });
            join_all(of_servers).await.concat()
        })
    }

    fn call<'a>(
        &'a self,
        name: &'a str,
        input: Value,
        inputs: Option<&'a ToolInputs>,
    ) -> Option<BoxFuture<'a, Result<Called, ToolError>>> {
        let server = self.server_of(name)?;
        Some(Box::pin(server.call(name, input, inputs)))
    }

    fn is_idempotent<'a>(&'a self, name: &'a str) -> Option<BoxFuture<'a, bool>> {
        let server = self.server_of(name)?;
        Some(Box::pin(async move {
            let tools = server.tools().await;
            tools.is_ok_and(|tools| {
                let mut tools = tools.iter();
                let tool = tools.find(|tool| tool.definition.name == name);
                tool.is_some_and(|tool| tool.is_idempotent)
            })
        }))
    }

    fn health(&self) -> Vec<(String, bool)> {
        let servers = self.0.iter();
        servers
            .map(|(name, server)| (name.clone(), server.problem().is_none()))
            .collect()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            join_all(self.0.values().map(|server| server.close())).await;
        })
    }
}
