//! Agent cards of A2A 1.0 and 0.3, for registries: what an agent is for, and where it is asked.
//!
//! Each is the card that the service of the agent has at `/a2a/{agent}/.well-known/agent-card.json`.
//!
//! Invariant: a card says nothing of a prompt.

use serde_json::{Value as Json, json};

use crate::agent::Agent;
use crate::agent::operation::{self, Operation};
use crate::diagnostics::Diagnostic;
use crate::diagnostics::code::Code;
use crate::output::artifact::Artifact;
use crate::project::config::Openapi;
use crate::spec::example_blocks::Example;
use crate::text::escaped_json;

/// The name of the security scheme.
const BEARER: &str = "bearer";
const TEXT: &str = "text/plain";
const JSON: &str = "application/json";

/// Where the service is that `openapi` describes.
///
/// # Errors
///
/// No server with an address: a card without one is of no use.
pub fn base_url(openapi: &Openapi) -> Result<String, Diagnostic> {
    let mut servers = openapi.servers.iter();
    let server = servers.find(|url| url.starts_with("https://") || url.starts_with("http://"));
    match server {
        Some(url) => Ok(url.trim_end_matches('/').to_owned()),
        None => {
            let message =
                "the target `a2a` needs the address of the service, which agent cards name";
            let diagnostic = Diagnostic::error(Code::BadConfig, "agentgen.toml", message);
            Err(diagnostic.help("add it as in `[openapi] servers = [\"https://api.example.com\"]`"))
        }
    }
}

/// The card of `agent`, whose service is at `base_url` and has the version `openapi` says.
pub fn card(agent: &Agent, openapi: &Openapi, base_url: &str) -> Artifact {
    let spec = &agent.spec;
    let url = format!("{base_url}/a2a/{}", spec.slug);
    let interface = |binding: &str, version: &str| json!({ "url": url, "protocolBinding": binding, "protocolVersion": version });
    let operations = operation::all(agent);
    let skills: Vec<Json> = operations
        .iter()
        .map(|operation| skill(agent, operation))
        .collect();
    let card = json!({
        "name": spec.name,
        "description": spec.summary,
        "version": openapi.api_version,
        "supportedInterfaces": [
            interface("JSONRPC", "1.0"),
            interface("HTTP+JSON", "1.0"),
            interface("JSONRPC", "0.3"),
        ],
        "capabilities": { "streaming": true, "pushNotifications": false, "extendedAgentCard": true },
        "defaultInputModes": [TEXT, JSON],
        "defaultOutputModes": [TEXT, JSON],
        "skills": skills,
        // A service that other machines reach asks for a token.
        "securitySchemes": { BEARER: { "httpAuthSecurityScheme": { "scheme": BEARER }, "type": "http", "scheme": BEARER } },
        "securityRequirements": [{ "schemes": { BEARER: { "list": [] } } }],
        // What clients of 0.3 read.
        "url": url,
        "protocolVersion": "0.3.0",
        "preferredTransport": "JSONRPC",
        "supportsAuthenticatedExtendedCard": true,
        "security": [{ BEARER: [] }],
    });
    Artifact {
        path: format!("a2a/{}.json", spec.slug),
        bytes: (escaped_json::pretty(&card) + "\n").into_bytes(),
    }
}

/// An operation as a skill.
fn skill(agent: &Agent, operation: &Operation<'_>) -> Json {
    let spec = &agent.spec;
    let is_invoke = operation.endpoint.is_none();
    let mut tags: Vec<&str> = spec.slug.as_str().split('-').collect();
    if !is_invoke {
        tags.push(operation.name);
    }
    let mode = if is_invoke { TEXT } else { JSON };
    let mut skill = json!({
        "id": if is_invoke { spec.slug.as_str() } else { operation.id.as_str() },
        "name": match is_invoke {
            true => spec.name.clone(),
            false => format!("{}: {}", spec.name, operation.name),
        },
        "description": match is_invoke {
            true => spec.summary.clone(),
            false => format!("{} It takes and gives data.", spec.summary),
        },
        "tags": tags,
        "inputModes": [mode],
        "outputModes": [mode],
    });
    let examples: Vec<_> = spec.examples.iter().map(Example::situation).collect();
    let examples: Vec<_> = examples
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    if is_invoke && !examples.is_empty() {
        skill["examples"] = json!(examples);
    }
    skill
}
