//! The tools that a server lists, within bounds: a server can't fill the memory of the service or the context of a model.

use std::collections::BTreeMap;
use std::sync::Arc;

use rmcp::RoleClient;
use rmcp::model::{PaginatedRequestParams, Tool};
use rmcp::service::{Peer, ServiceError};

use crate::mcp::mcp_log::Words;
use crate::mcp::mcp_tool::{self, McpTool};

/// The most tools of a server. Each one costs tokens in every request.
const MAX_TOOLS: usize = 500;
/// The most pages of a list.
const MAX_PAGES: usize = 100;
/// The most bytes of the definitions of a server's tools.
const MAX_DEFINITIONS: usize = 1 << 20;
/// How many tools a line of the log names.
const MAX_NAMES: usize = 5;

/// The tools of a server, by their names in the service. Those that the service can't offer are logged, in one line for each reason.
///
/// # Errors
/// The server does not list them.
pub(super) async fn list(
    peer: &Peer<RoleClient>,
    slug: &str,
    words: &Words,
) -> Result<Arc<[McpTool]>, ServiceError> {
    let listed = pages(peer).await?;
    let mut tools: BTreeMap<String, McpTool> = BTreeMap::new();
    let mut remarks = Remarks::default();
    let mut bytes = 0;
    for (index, tool) in listed.iter().enumerate() {
        if index >= MAX_TOOLS {
            remarks.add("there are more than 500", tool);
            continue;
        }
        let (read, schema_problem) = match mcp_tool::read(slug, tool) {
            Ok(read) => read,
            Err(reason) => {
                remarks.add(reason, tool);
                continue;
            }
        };
        let definition = &read.definition;
        let size = definition.description.len() + definition.input_schema.to_string().len();
        if bytes + size > MAX_DEFINITIONS {
            remarks.add("the definitions have more than 1 MiB", tool);
        } else if tools.contains_key(&definition.name) {
            remarks.add("another tool has the same name", tool);
        } else {
            bytes += size;
            if let Some(problem) = schema_problem {
                remarks.add(problem, tool);
            }
            tools.insert(definition.name.clone(), read);
        }
    }
    remarks.log(words);
    Ok(tools.into_values().collect())
}

/// The first pages, up to one tool more than can be offered.
async fn pages(peer: &Peer<RoleClient>) -> Result<Vec<Tool>, ServiceError> {
    let mut tools = Vec::new();
    let mut params = None;
    for _ in 0..MAX_PAGES {
        let page = peer.list_tools(params).await?;
        tools.extend(page.tools);
        if page.next_cursor.is_none() || tools.len() > MAX_TOOLS {
            break;
        }
        params = Some(PaginatedRequestParams::default().with_cursor(page.next_cursor));
    }
    Ok(tools)
}

/// What there is to say of tools: the reason, how many they are, and the first names.
#[derive(Default)]
struct Remarks(BTreeMap<&'static str, (usize, Vec<String>)>);

impl Remarks {
    fn add(&mut self, reason: &'static str, tool: &Tool) {
        let (count, names) = self.0.entry(reason).or_default();
        *count += 1;
        if names.len() < MAX_NAMES {
            names.push(tool.name.to_string());
        }
    }

    fn log(&self, words: &Words) {
        for (reason, (count, names)) in &self.0 {
            tracing::warn!(
                server = words.server(),
                tools = count,
                names = words.short(&names.join(", ")),
                reason,
                "an MCP server lists tools that can't be used as they are"
            );
        }
    }
}
