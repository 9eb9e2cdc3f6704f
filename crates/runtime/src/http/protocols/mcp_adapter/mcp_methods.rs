//! The methods of the protocol, but for the calls of tools: what the server is, and its lists.

use std::sync::Arc;

use axum::http::request::Parts;
use axum::response::Response;
use rmcp::model::{
    CacheScope, DiscoverResult, ErrorCode, ErrorData, GetPromptRequestParams, GetPromptResult,
    InitializeRequestParams, InitializeResult, JsonObject, ListPromptsResult, ListToolsResult,
    PaginatedRequestParams, Prompt, PromptArgument, PromptMessage, PromptsCapability,
    ProtocolVersion, Role, ServerCapabilities, TASKS_EXTENSION_ID, ToolsCapability,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::auth::claims::Caller;
use crate::http::calls::mounted_endpoint::MountedAgent;
use crate::http::layers::rate_limits::with_rate_headers;
use crate::http::protocols::mcp_adapter::mcp_envelope::{self, Era, McpRequest, VERSIONS};
use crate::http::protocols::mcp_adapter::{McpService, mcp_tasks, tool_invocation};

/// How long a client may keep a list: it changes where files are served, and with the roles of the caller.
const FRESH_MS: u64 = 60_000;
/// The argument of every prompt.
const INPUT: &str = "input";

/// Answers a request of `caller`.
pub(super) async fn answer(
    service: &Arc<McpService>,
    caller: Caller,
    parts: Parts,
    mut request: McpRequest,
) -> Response {
    if request.method == "tools/call" {
        return tool_invocation::answer(service, caller, parts, request).await;
    }
    let state = &service.served.state;
    let status = state.limits.check(&caller, &parts);
    with_rate_headers(status, &state.resources.metrics, async {
        let runs = &service.served.runs;
        let result = match mcp_tasks::answer(runs, &caller, &mut request).await {
            Some(result) => result,
            None => result(service, &caller, &mut request),
        };
        mcp_envelope::response(request.era, request.id, result)
    })
    .await
}

fn result(
    service: &McpService,
    caller: &Caller,
    request: &mut McpRequest,
) -> Result<Value, ErrorData> {
    let era = request.era;
    match (era, request.method.as_str()) {
        (Era::Stateless, "server/discover") => Ok(json!(discover(service))),
        (Era::Handshake, "initialize") => initialize(service, request),
        (Era::Handshake, "ping") => Ok(json!({})),
        (_, "tools/list") => {
            first_page(request)?;
            let runs = &service.served.runs;
            let tools = service.tools.list(runs, caller, era);
            let list = ListToolsResult::with_all_items(tools).with_ttl_ms(FRESH_MS);
            Ok(of_era(era, &list.with_cache_scope(CacheScope::Private)))
        }
        (_, "prompts/list") => {
            first_page(request)?;
            let prompts = prompts(service, caller).map(prompt).collect();
            let list = ListPromptsResult::with_all_items(prompts).with_ttl_ms(FRESH_MS);
            Ok(of_era(era, &list.with_cache_scope(CacheScope::Private)))
        }
        (_, "prompts/get") => {
            let params = request.params()?;
            Ok(of_era(era, &get_prompt(service, caller, params)?))
        }
        (_, method) => {
            let detail = format!("there is no method `{method}`");
            Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, detail, None))
        }
    }
}

/// A result with the members that its era has.
pub(super) fn of_era(era: Era, result: &impl Serialize) -> Value {
    let mut result = json!(result);
    if let (Era::Handshake, Value::Object(members)) = (era, &mut result) {
        for name in ["resultType", "ttlMs", "cacheScope"] {
            members.shift_remove(name);
        }
    }
    result
}

fn capabilities() -> ServerCapabilities {
    let mut capabilities = ServerCapabilities::default();
    capabilities.tools = Some(ToolsCapability::default());
    capabilities.prompts = Some(PromptsCapability::default());
    capabilities
}

fn discover(service: &McpService) -> DiscoverResult {
    let mut capabilities = capabilities();
    let tasks = (TASKS_EXTENSION_ID.to_owned(), JsonObject::new());
    capabilities.extensions = Some([tasks].into());
    DiscoverResult::new(VERSIONS.to_vec(), capabilities)
        .with_server_info(service.info.clone())
        .with_ttl_ms(FRESH_MS)
        .with_cache_scope(CacheScope::Private)
}

/// The answer to a client of 2025-11-25: the revision that it asks for, or the newest one that begins so.
fn initialize(service: &McpService, request: &mut McpRequest) -> Result<Value, ErrorData> {
    let InitializeRequestParams {
        protocol_version, ..
    } = request.params()?;
    let is_spoken = protocol_version.has_initialize() && VERSIONS.contains(&protocol_version);
    let version = match is_spoken {
        true => protocol_version,
        false => ProtocolVersion::LATEST_WITH_INITIALIZE,
    };
    let result = InitializeResult::new(capabilities())
        .with_server_info(service.info.clone())
        .with_protocol_version(version);
    Ok(json!(result))
}

/// Lists have one page: a cursor is none of theirs.
fn first_page(request: &mut McpRequest) -> Result<(), ErrorData> {
    match request.params::<PaginatedRequestParams>()?.cursor {
        None => Ok(()),
        Some(_) => Err(ErrorData::invalid_params(
            "there is no page at this cursor",
            None,
        )),
    }
}

/// The agents of which `caller` may call something, and which have a prompt.
fn prompts<'a>(
    service: &'a McpService,
    caller: &'a Caller,
) -> impl Iterator<Item = &'a MountedAgent> {
    service.served.agents.iter().filter(|agent| {
        let mut endpoints = agent.endpoints.iter();
        let may_call = endpoints.any(|endpoint| caller.has_one_of(endpoint.handler.spec.roles));
        may_call && agent.agent.prompt.len() > 0
    })
}

fn prompt(MountedAgent { agent, .. }: &MountedAgent) -> Prompt {
    let input = PromptArgument::new(INPUT)
        .with_description("What the agent is asked: a message that follows its instructions.")
        .with_required(false);
    Prompt::new(agent.slug, Some(agent.summary), Some(vec![input])).with_title(agent.name)
}

/// The instructions of an agent, byte for byte, and the question, if there is one.
fn get_prompt(
    service: &McpService,
    caller: &Caller,
    params: GetPromptRequestParams,
) -> Result<GetPromptResult, ErrorData> {
    let invalid = |detail: String| ErrorData::invalid_params(detail, None);
    let found = prompts(service, caller).find(|found| found.agent.slug == params.name);
    let Some(MountedAgent { agent, .. }) = found else {
        return Err(invalid(format!("there is no prompt `{}`", params.name)));
    };
    let mut messages = vec![PromptMessage::new_text(Role::User, agent.prompt.text())];
    for (name, value) in params.arguments.into_iter().flatten() {
        match value {
            Value::String(text) if name == INPUT => {
                messages.push(PromptMessage::new_text(Role::User, text));
            }
            _ => {
                let detail = format!("`{name}` is no argument: there is `{INPUT}`, a text");
                return Err(invalid(detail));
            }
        }
    }
    Ok(GetPromptResult::new(messages).with_description(agent.summary))
}
