//! The servers of a service, as a source of tools.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::future::join_all;
use serde_json::Value;

use crate::engine::tool_inputs::ToolInputs;
use crate::engine::tools::{Called, RemoteTools, ToolError};
use crate::future::BoxFuture;
use crate::mcp::mcp_file;
use crate::mcp::mcp_server::McpServer;
use crate::mcp::mcp_settings::McpServerSettings;
use crate::mcp::mcp_tool::{PREFIX, SEPARATOR};
use crate::model::ToolDefinition;

/// The MCP servers of a service.
pub(super) struct McpServers {
    /// Those of the settings, by name.
    shared: Named,
    /// Those that agents define for themselves, by slug.
    own: RwLock<BTreeMap<String, Named>>,
}

/// Servers by name.
type Named = BTreeMap<String, Arc<McpServer>>;

impl McpServers {
    /// Those of the settings. Each is started when an agent first needs it.
    pub(super) fn new(settings: &BTreeMap<String, McpServerSettings>) -> Self {
        let servers = settings.iter();
        let servers = servers
            .map(|(name, settings)| (name.clone(), McpServer::new(name.clone(), settings.clone())));
        Self {
            shared: servers.collect(),
            own: RwLock::default(),
        }
    }

    /// The servers of `agent`: its own, and those of the settings that have other names.
    fn servers_of(&self, agent: &str) -> Named {
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
        let mut servers = self.shared.clone();
        if let Some(own) = own.get(agent) {
            // Two names may stand for the same tools.
            let slugs: Vec<_> = own.values().map(|server| server.slug()).collect();
            servers.retain(|_, server| !slugs.contains(&server.slug()));
            servers.extend(own.clone());
        }
        servers
    }

    /// The server of `agent` that has the tool `name`.
    fn server_of(&self, agent: &str, name: &str) -> Option<Arc<McpServer>> {
        // The name of a server may contain the separator, so the longest one that fits is meant.
        let rest = name.strip_prefix(PREFIX)?;
        let servers = self.servers_of(agent);
        let fitting = servers.into_values().filter(|server| {
            rest.strip_prefix(server.slug())
                .is_some_and(|rest| rest.starts_with(SEPARATOR))
        });
        fitting.max_by_key(|server| server.slug().len())
    }

    /// All of them, with what they are called.
    fn all(&self) -> Vec<(String, Arc<McpServer>)> {
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
        let own = own.iter().flat_map(|(agent, servers)| {
            let servers = servers.iter();
            servers.map(move |(name, server)| (format!("{agent}/{name}"), Arc::clone(server)))
        });
        let shared = self.shared.iter();
        let shared = shared.map(|(name, server)| (name.clone(), Arc::clone(server)));
        shared.chain(own).collect()
    }
}

impl RemoteTools for McpServers {
    fn definitions<'a>(
        &'a self,
        agent: &'a str,
        may_use: &'a (dyn Fn(&str) -> bool + Send + Sync),
        named: &'a [&'a str],
    ) -> BoxFuture<'a, Vec<ToolDefinition>> {
        Box::pin(async move {
            let servers = self.servers_of(agent);
            let of_servers = servers.values().map(|server| async move {
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
        agent: &'a str,
        name: &'a str,
        input: Value,
        inputs: Option<&'a ToolInputs>,
    ) -> Option<BoxFuture<'a, Result<Called, ToolError>>> {
        let server = self.server_of(agent, name)?;
        Some(Box::pin(
            async move { server.call(name, input, inputs).await },
        ))
    }

    fn is_idempotent<'a>(&'a self, agent: &'a str, name: &'a str) -> Option<BoxFuture<'a, bool>> {
        let server = self.server_of(agent, name)?;
        Some(Box::pin(async move {
            let tools = server.tools().await;
            tools.is_ok_and(|tools| {
                let mut tools = tools.iter();
                let tool = tools.find(|tool| tool.definition.name == name);
                tool.is_some_and(|tool| tool.is_idempotent)
            })
        }))
    }

    fn replace_own(&self, own: &BTreeMap<&str, &str>) -> Result<(), String> {
        let get = |name: &str| std::env::var(name).ok();
        let mut wanted = BTreeMap::new();
        for (agent, text) in own {
            let servers = mcp_file::read_own(text, get);
            let servers = servers.map_err(|detail| format!("the agent `{agent}`: {detail}"))?;
            wanted.insert((*agent).to_owned(), servers);
        }
        let mut current = self.own.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *current);
        for (agent, servers) in wanted {
            let before = before.get(&agent);
            let servers = servers.into_iter().map(|(name, settings)| {
                let same = before.and_then(|before| before.get(&name));
                let same = same
                    .filter(|server| *server.settings() == settings)
                    .cloned();
                let server = same.unwrap_or_else(|| McpServer::new(name.clone(), settings));
                (name, server)
            });
            current.insert(agent, servers.collect());
        }
        // Those that nobody has any more.
        let kept: Vec<_> = current.values().flat_map(BTreeMap::values).collect();
        let is_kept = |server: &Arc<McpServer>| kept.iter().any(|kept| Arc::ptr_eq(kept, server));
        let servers = before.into_values().flat_map(BTreeMap::into_values);
        for server in servers.filter(|server| !is_kept(server)) {
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move { server.close().await });
            }
        }
        Ok(())
    }

    fn health(&self) -> Vec<(String, bool)> {
        let servers = self.all().into_iter();
        servers
            .map(|(name, server)| (name, server.problem().is_none()))
            .collect()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let servers = self.all();
            join_all(servers.iter().map(|(_, server)| server.close())).await;
        })
    }
}
