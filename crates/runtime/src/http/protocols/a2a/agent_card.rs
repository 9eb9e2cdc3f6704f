//! Cards: what agents are, what they are good for, and where they are asked. Whoever reaches the service may read them.
//!
//! Invariant: a card says nothing of a prompt.

use std::collections::{BTreeMap, HashMap};

use a2a::{
    AgentCapabilities, AgentCard, AgentInterface, AgentSkill, HttpAuthSecurityScheme,
    SecurityScheme, TRANSPORT_PROTOCOL_HTTP_JSON, TRANSPORT_PROTOCOL_JSONRPC,
};
use aws_lc_rs::digest::{SHA256, digest};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::http::calls::MountedEndpoint;
use crate::http::protocols::Served;
use crate::http::protocols::a2a::message_input::skill_id;
use crate::http::protocols::a2a::{AGENT, Exchange, SERVICE};
use crate::http::responses::json_response;
use crate::spec::workflow_spec::INVOKE;

const TEXT: &str = "text/plain";
const JSON: &str = "application/json";
/// The name of the security scheme.
const BEARER: &str = "bearer";

/// The card of an agent, or of the service. A client that has it already gets 304.
pub(super) fn respond(served: &Served, agent: Option<&'static str>, parts: &Parts) -> Response {
    let agents = &*served.agents;
    let agent = match agents {
        [only] => Some(only.agent.slug),
        _ => agent,
    };
    let card = card(served, agent, parts, |_| true);
    let hash = digest(&SHA256, card.to_string().as_bytes());
    let digits: String = hash.as_ref()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let etag = format!("\"{digits}\"");
    let given = parts.headers.get_all(header::IF_NONE_MATCH).iter();
    let mut given = given
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let is_known = given.any(|given| {
        let given = given.trim();
        given == "*" || given.trim_start_matches("W/") == etag
    });
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => json_response(&card),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(
        header::VARY,
        HeaderValue::from_static("host, x-forwarded-proto"),
    );
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}

/// The card with the skills that the caller may use.
pub(super) fn extended(exchange: &Exchange) -> Value {
    let caller = &exchange.caller;
    card(
        &exchange.served,
        exchange.agent,
        &exchange.parts,
        |endpoint| caller.has_one_of(endpoint.handler.spec.roles),
    )
}

fn card(
    served: &Served,
    agent: Option<&str>,
    parts: &Parts,
    is_shown: impl Fn(&MountedEndpoint) -> bool,
) -> Value {
    let agents = served.agents.iter();
    let meant = agents.filter(|mounted| agent.is_none_or(|slug| slug == mounted.agent.slug));
    let endpoints = meant.clone().flat_map(|mounted| &mounted.endpoints);
    let skills = endpoints.filter(|endpoint| is_shown(endpoint));
    let skills = skills.map(|endpoint| skill(endpoint)).collect();
    let of_agent = agent
        .and_then(|_| meant.clone().next())
        .map(|mounted| mounted.agent);
    let (name, description, path) = match of_agent {
        Some(agent) => (
            agent.name.to_owned(),
            agent.summary.to_owned(),
            AGENT.replace("{agent}", agent.slug),
        ),
        None => (
            served.title().to_owned(),
            "Several agents; each is a skill, which `metadata.skill` of a message names."
                .to_owned(),
            SERVICE.to_owned(),
        ),
    };
    let url = format!("{}{path}", base(served, parts));
    let mut interfaces = vec![AgentInterface::new(&url, TRANSPORT_PROTOCOL_JSONRPC)];
    if of_agent.is_some() {
        interfaces.push(AgentInterface::new(&url, TRANSPORT_PROTOCOL_HTTP_JSON));
    }
    interfaces.push(AgentInterface {
        protocol_version: "0.3".to_owned(),
        ..AgentInterface::new(&url, TRANSPORT_PROTOCOL_JSONRPC)
    });
    let is_secured = served.state.auth.is_some();
    let scheme = || {
        let scheme = HttpAuthSecurityScheme {
            scheme: BEARER.to_owned(),
            description: None,
            bearer_format: None,
        };
        HashMap::from([(BEARER.to_owned(), SecurityScheme::HttpAuth(scheme))])
    };
    let requirement = || vec![HashMap::from([(BEARER.to_owned(), Vec::new())])];
    let mut card = json!(AgentCard {
        name,
        description,
        version: served.version().to_owned(),
        supported_interfaces: interfaces,
        capabilities: AgentCapabilities {
            streaming: Some(true),
            push_notifications: Some(false),
            extensions: None,
            extended_agent_card: Some(true),
        },
        default_input_modes: vec![TEXT.to_owned(), JSON.to_owned()],
        default_output_modes: vec![TEXT.to_owned(), JSON.to_owned()],
        skills,
        provider: None,
        documentation_url: None,
        icon_url: None,
        security_schemes: is_secured.then(scheme),
        security_requirements: is_secured.then(requirement),
        signatures: None,
    });
    // What clients of 0.3 read.
    card["url"] = json!(url);
    card["protocolVersion"] = json!("0.3.0");
    card["preferredTransport"] = json!(TRANSPORT_PROTOCOL_JSONRPC);
    card["supportsAuthenticatedExtendedCard"] = json!(true);
    if is_secured {
        card["securitySchemes"][BEARER]["type"] = json!("http");
        card["securitySchemes"][BEARER]["scheme"] = json!(BEARER);
        card["security"] = json!([BTreeMap::from([(BEARER, [""; 0])])]);
    }
    card
}

/// An endpoint as a skill.
fn skill(endpoint: &MountedEndpoint) -> AgentSkill {
    let (agent, spec) = (endpoint.agent, endpoint.handler.spec);
    let is_invoke = spec.name == INVOKE;
    let mut tags: Vec<_> = agent.slug.split('-').map(str::to_owned).collect();
    if !is_invoke {
        tags.push(spec.name.to_owned());
    }
    let mode = match is_invoke {
        true => TEXT,
        false => JSON,
    };
    let examples = agent.examples.iter().map(|example| (*example).to_owned());
    AgentSkill {
        id: skill_id(endpoint).to_owned(),
        name: match is_invoke {
            true => agent.name.to_owned(),
            false => format!("{}: {}", agent.name, spec.name),
        },
        description: match is_invoke {
            true => agent.summary.to_owned(),
            false => format!("{} It takes and gives data.", agent.summary),
        },
        tags,
        examples: (is_invoke && !agent.examples.is_empty()).then(|| examples.collect()),
        input_modes: Some(vec![mode.to_owned()]),
        output_modes: Some(vec![mode.to_owned()]),
        security_requirements: None,
    }
}

/// The address of the service as its client wrote it. A proxy that is trusted says whether that was with TLS.
fn base(served: &Served, parts: &Parts) -> String {
    let header = |name| {
        parts
            .headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let scheme = match header("x-forwarded-proto").filter(|_| served.state.limits.has_proxies()) {
        Some("https") => "https",
        _ => "http",
    };
    let host = header("host").or(parts.uri.authority().map(|of| of.as_str()));
    format!("{scheme}://{}", host.unwrap_or("localhost"))
}
