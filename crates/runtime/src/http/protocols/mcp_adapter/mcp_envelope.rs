//! Messages of JSON-RPC: which revision of the protocol one speaks, what it must have, and how it is answered.

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{
    ErrorCode, ErrorData, JsonObject, JsonRpcError, MetaObject, ProtocolVersion, RequestId,
    RequestMetaObject,
};
use serde_json::{Value, json};

use crate::http::layers::HasErrorBody;
use crate::http::responses::json_response;

/// The revisions that are spoken, the newest first.
pub(super) const VERSIONS: [ProtocolVersion; 3] = [
    ProtocolVersion::V_2026_07_28,
    ProtocolVersion::V_2025_11_25,
    ProtocolVersion::V_2025_06_18,
];
// The SDK has these, too, beside its transports, which would come along.
const HEADER_MCP_PROTOCOL_VERSION: &str = "MCP-Protocol-Version";
const HEADER_MCP_METHOD: &str = "Mcp-Method";
const HEADER_MCP_NAME: &str = "Mcp-Name";
/// What encloses the value of a header in Base64.
const BASE64_HEADER: (&str, &str) = ("=?base64?", "?=");
const META: &str = "_meta";
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// How a client and a server know each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// Each request says everything, from 2026-07-28 on.
    Stateless,
    /// By `initialize`, up to 2025-11-25.
    Handshake,
}

/// A message of a client.
pub(super) enum Incoming {
    Request(Box<McpRequest>),
    Notification,
}

/// A request.
pub(super) struct McpRequest {
    pub(super) id: RequestId,
    pub(super) method: String,
    /// Its parameters without `_meta`.
    pub(super) params: JsonObject,
    pub(super) meta: RequestMetaObject,
    pub(super) era: Era,
}

/// Why a message is not handled.
pub(super) struct Refusal {
    status: StatusCode,
    id: Option<RequestId>,
    error: ErrorData,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        error_response(self.status, self.id, self.error)
    }
}

impl Incoming {
    /// Reads a message that came with `headers`.
    ///
    /// # Errors
    /// Why it is none, or none that is served.
    pub(super) fn read(headers: &HeaderMap, message: Value) -> Result<Self, Refusal> {
        let invalid = |id: &Option<RequestId>, detail: &'static str| Refusal {
            status: StatusCode::BAD_REQUEST,
            id: id.clone(),
            error: ErrorData::invalid_request(detail, None),
        };
        let Value::Object(mut message) = message else {
            return Err(invalid(
                &None,
                "the body must be one JSON-RPC message, and no batch",
            ));
        };
        let id = match message.remove("id") {
            None => None,
            Some(id) => match serde_json::from_value::<RequestId>(id) {
                Ok(id) => Some(id),
                Err(_) => return Err(invalid(&None, "an id is a text or an integer")),
            },
        };
        if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(invalid(&id, "`jsonrpc` must be \"2.0\""));
        }
        let Some(Value::String(method)) = message.remove("method") else {
            return Err(invalid(
                &id,
                "the message has no `method`, and nothing was asked that it could answer",
            ));
        };
        let mut params = match message.remove("params") {
            None => JsonObject::new(),
            Some(Value::Object(params)) => params,
            Some(_) => return Err(invalid(&id, "`params` must be an object")),
        };
        let Some(id) = id else {
            return Ok(Self::Notification);
        };
        let meta = match params.remove(META) {
            None => JsonObject::new(),
            Some(Value::Object(meta)) => meta,
            Some(_) => return Err(invalid(&Some(id), "`_meta` must be an object")),
        };
        let mut request = McpRequest {
            id,
            method,
            params,
            meta: RequestMetaObject(MetaObject(meta)),
            era: Era::Handshake,
        };
        match request.check(headers) {
            Ok(era) => {
                request.era = era;
                Ok(Self::Request(Box::new(request)))
            }
            Err(error) => Err(Refusal {
                status: StatusCode::BAD_REQUEST,
                id: Some(request.id),
                error,
            }),
        }
    }
}

impl McpRequest {
    /// The era of the request, which has what its revision demands.
    fn check(&self, headers: &HeaderMap) -> Result<Era, ErrorData> {
        let header = single(headers, HEADER_MCP_PROTOCOL_VERSION)?;
        let names_version = self.meta.contains_key(META_VERSION);
        let is_stateless_header =
            header.is_some_and(|version| version >= ProtocolVersion::NO_INITIALIZE.as_str());
        if !names_version && !is_stateless_header && self.method != "server/discover" {
            return match header {
                // What a client that says nothing speaks, nobody knows before it has sent `initialize`.
                None => Ok(Era::Handshake),
                Some(version) => era(&version_of(version)),
            };
        }
        let missing = self
            .meta
            .missing_required_keys(&ProtocolVersion::V_2026_07_28);
        let named = self.meta.protocol_version();
        let named = match named {
            Some(named) if missing.is_empty() => named,
            _ => {
                let detail = format!("`_meta` lacks {}", missing.join(" and "));
                return Err(ErrorData::invalid_params(detail, None));
            }
        };
        if header != Some(named.as_str()) {
            let detail =
                format!("the header {HEADER_MCP_PROTOCOL_VERSION} must be {named}, as in `_meta`");
            return Err(ErrorData::header_mismatch(detail, None));
        }
        let era = era(&named)?;
        if era == Era::Stateless {
            self.check_headers(headers)?;
        }
        Ok(era)
    }

    /// Checks the headers by which proxies route requests: they must say what the body says.
    fn check_headers(&self, headers: &HeaderMap) -> Result<(), ErrorData> {
        let mismatch = |name: &str, expected: &str| {
            let detail = format!("the header {name} must be `{expected}`, as in the body");
            ErrorData::header_mismatch(detail, None)
        };
        if single(headers, HEADER_MCP_METHOD)? != Some(self.method.as_str()) {
            return Err(mismatch(HEADER_MCP_METHOD, &self.method));
        }
        let key = match self.method.as_str() {
            "tools/call" | "prompts/get" => "name",
            "resources/read" => "uri",
            "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
            _ => return Ok(()),
        };
        let Some(name) = self.params.get(key).and_then(Value::as_str) else {
            // Said by those who read the parameters.
            return Ok(());
        };
        let header = single(headers, HEADER_MCP_NAME)?.and_then(decoded);
        match header.as_deref() == Some(name) {
            true => Ok(()),
            false => Err(mismatch(HEADER_MCP_NAME, name)),
        }
    }

    /// The parameters as a `T`.
    ///
    /// # Errors
    /// -32602 with what is wrong.
    pub(super) fn params<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, ErrorData> {
        let params = Value::Object(std::mem::take(&mut self.params));
        serde_json::from_value(params)
            .map_err(|error| ErrorData::invalid_params(error.to_string(), None))
    }
}

/// A revision by its name.
fn version_of(text: &str) -> ProtocolVersion {
    // It takes every text.
    serde_json::from_value(Value::from(text)).unwrap_or_default()
}

/// The era of a revision.
///
/// # Errors
/// -32022 for one that is not spoken.
fn era(version: &ProtocolVersion) -> Result<Era, ErrorData> {
    match version.has_initialize() {
        _ if !VERSIONS.contains(version) => Err(ErrorData::unsupported_protocol_version(
            version.clone(),
            &VERSIONS,
        )),
        true => Ok(Era::Handshake),
        false => Ok(Era::Stateless),
    }
}

/// The one value of a header. With two of them, a proxy might have read the other one.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ErrorData> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str());
    match (value, values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value.trim())),
        _ => {
            let detail = format!("the header {name} must be there once, in ASCII");
            Err(ErrorData::header_mismatch(detail, None))
        }
    }
}

/// The text of a header, which is in Base64 where it is not plain.
fn decoded(value: &str) -> Option<String> {
    let (before, after) = BASE64_HEADER;
    let encoded = value.strip_prefix(before);
    match encoded.and_then(|rest| rest.strip_suffix(after)) {
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).ok()?).ok(),
        None => Some(value.to_owned()),
    }
}

/// The message of a result.
pub(super) fn result_message(id: &RequestId, result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

/// The message of an error.
pub(super) fn error_message(id: Option<RequestId>, error: ErrorData) -> Value {
    json!(JsonRpcError::new(id, error))
}

/// The response to a request that was handled.
pub(super) fn response(era: Era, id: RequestId, result: Result<Value, ErrorData>) -> Response {
    match result {
        Ok(result) => json_response(&result_message(&id, result)),
        Err(error) => {
            let status = match (era, error.code) {
                (Era::Stateless, ErrorCode::METHOD_NOT_FOUND) => StatusCode::NOT_FOUND,
                (Era::Stateless, ErrorCode::MISSING_REQUIRED_CLIENT_CAPABILITY) => {
                    StatusCode::BAD_REQUEST
                }
                _ => StatusCode::OK,
            };
            error_response(status, Some(id), error)
        }
    }
}

/// A response that is an error.
pub(super) fn error_response(
    status: StatusCode,
    id: Option<RequestId>,
    error: ErrorData,
) -> Response {
    let mut response = json_response(&error_message(id, error));
    *response.status_mut() = status;
    response.extensions_mut().insert(HasErrorBody);
    response
}
