//! Reads requests: path, query, headers and body become the input of an endpoint.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use futures_util::{FutureExt, StreamExt};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

use crate::error::AgentError;
use crate::http::api_error::ApiError;
use crate::run::run_input::Input;
use crate::schema::{Schema, Violation, push_key, remove_zero_fractions};
use crate::spec::endpoint_spec::{EndpointSpec, Parameter, ParameterKind, ParameterLocation};

/// How long a caller may take to send a small body.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// How many bytes of a larger one give it a second more.
const BYTES_PER_SECOND: usize = 40 * 1024;

/// Reads the input of `endpoint`, which has the schema `schema`.
pub(crate) async fn read(
    endpoint: &EndpointSpec,
    schema: &Schema,
    parts: &Parts,
    path: &[(String, String)],
    body: Body,
    limit: usize,
) -> Result<Input, ApiError> {
    let mut input = if endpoint.method.has_body() {
        read_body(&parts.headers, body, limit).await?
    } else {
        Input::empty()
    };
    let query = query(&parts.uri)?;
    let unknown = unknown_names(endpoint.parameters, &query);
    if endpoint.parameters.is_empty() && unknown.is_empty() {
        return Ok(input);
    }
    let mut violations = Vec::new();
    if !endpoint.parameters.is_empty() {
        let Value::Object(fields) = input.json().await? else {
            return Err(AgentError::invalid("", "must be an object").into());
        };
        let sources = Sources {
            path,
            query: &query,
            headers: &parts.headers,
        };
        violations = read_parameters(endpoint.parameters, &sources, fields);
    }
    if !is_open(schema) {
        violations.extend(unknown.into_iter().map(unknown_parameter));
    } else if !endpoint.method.has_body()
        && let Value::Object(fields) = input.json().await?
    {
        violations.extend(read_additional(schema, &unknown, &query, fields));
    }
    if violations.is_empty() {
        Ok(input)
    } else {
        Err(AgentError::Invalid(violations).into())
    }
}

/// Reads `parameters` that stand in the query of `uri`, which may hold no others.
pub(crate) fn read_query(
    parameters: &[Parameter],
    uri: &Uri,
) -> Result<Map<String, Value>, ApiError> {
    let mut fields = Map::new();
    let query = query(uri)?;
    let sources = Sources {
        path: &[],
        query: &query,
        headers: &HeaderMap::new(),
    };
    let mut violations = read_parameters(parameters, &sources, &mut fields);
    let unknown = unknown_names(parameters, &query);
    violations.extend(unknown.into_iter().map(unknown_parameter));
    if violations.is_empty() {
        Ok(fields)
    } else {
        Err(AgentError::Invalid(violations).into())
    }
}

/// The names in a query that are none of `parameters`, each once.
fn unknown_names<'a>(parameters: &[Parameter], query: &'a [(String, String)]) -> Vec<&'a str> {
    let mut unknown = Vec::new();
    for (name, _) in query {
        let is_known = parameters.iter().any(|parameter| {
            parameter.location == ParameterLocation::Query && parameter.name == name
        });
        if !is_known && !unknown.contains(&name.as_str()) {
            unknown.push(name.as_str());
        }
    }
    unknown
}

/// What is said of a query parameter as of a member of a body that the schema does not name.
fn unknown_parameter(name: &str) -> Violation {
    let mut pointer = String::new();
    push_key(&mut pointer, name);
    Violation {
        detail: "is not known here".to_owned(),
        pointer,
    }
}

/// Whether an object may have properties that `schema` does not name.
fn is_open(schema: &Schema) -> bool {
    let schema = schema.resolved();
    let mut branches = ["oneOf", "anyOf"].into_iter().flat_map(|keyword| {
        let schema = &schema;
        (0..).map_while(move |index| schema.at(&format!("/{keyword}/{index}")))
    });
    match branches.next() {
        Some(first) => is_open(&first) || branches.any(|branch| is_open(&branch)),
        None => schema.source()["additionalProperties"] != false,
    }
}

/// Puts the query parameters called `names` into `fields`, as the schema wants additional properties to be.
fn read_additional(
    schema: &Schema,
    names: &[&str],
    query: &[(String, String)],
    fields: &mut Map<String, Value>,
) -> Vec<Violation> {
    // Where the schema says nothing of them, they are let through and not read.
    let Some(additional) = schema.resolved().at("/additionalProperties") else {
        return Vec::new();
    };
    let kind = match additional.resolved().source()["type"].as_str() {
        Some("integer") => ParameterKind::Integer,
        Some("number") => ParameterKind::Number,
        Some("boolean") => ParameterKind::Boolean,
        _ => ParameterKind::String,
    };
    let mut violations = Vec::new();
    for name in names {
        let named = query.iter().filter(|(other, _)| other == name);
        let texts: Vec<&str> = named.map(|(_, text)| text.as_str()).collect();
        // One that comes again is a list.
        let kind = match texts.len() {
            1 => kind,
            _ => kind.list().unwrap_or(kind),
        };
        insert_parameter(name, read_parameter(kind, &texts), fields, &mut violations);
    }
    violations
}

/// Reads a body of JSON; without a body it is an object without members.
pub(crate) async fn read_body(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Input, ApiError> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(ApiError::rejected(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must not be encoded",
        ));
    }
    let content_type = headers.get(header::CONTENT_TYPE);
    let is_json = content_type.is_some_and(|value| value.to_str().is_ok_and(is_json));
    if content_type.is_some() && !is_json {
        return Err(ApiError::rejected(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body must be application/json",
        ));
    }
    let bytes = read_bytes(headers, body, limit).await?;
    if !is_json {
        if bytes.is_empty() {
            return Ok(Input::empty());
        }
        let detail = "the body must be application/json";
        return Err(ApiError::rejected(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            detail,
        ));
    }
    Ok(Input::text(bytes))
}

/// A body of `limit` bytes at most. The time that it may take follows from its length: the one that is announced, or else
/// what has arrived.
pub(crate) async fn read_bytes(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Bytes, ApiError> {
    let too_large = || {
        ApiError::rejected(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is larger than {limit} bytes"),
        )
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|length| length.parse::<usize>().ok())
        .unwrap_or(0);
    if announced > limit {
        return Err(too_large());
    }
    let began = Instant::now();
    let mut pieces = body.into_data_stream();
    let mut bytes = Vec::new();
    loop {
        // Most bodies come with the head, and need no clock.
        let piece = match pieces.next().now_or_never() {
            Some(piece) => piece,
            None => {
                let seconds = announced.max(bytes.len()) / BYTES_PER_SECOND;
                let deadline = began + BODY_TIMEOUT + Duration::from_secs(seconds as u64);
                let piece = timeout_at(deadline, pieces.next()).await;
                piece.map_err(|_| {
                    ApiError::rejected(
                        StatusCode::REQUEST_TIMEOUT,
                        "the body took too long to arrive",
                    )
                })?
            }
        };
        let Some(piece) = piece else {
            return Ok(bytes.into());
        };
        let piece = piece.map_err(broken_body)?;
        if piece.len() > limit - bytes.len() {
            return Err(too_large());
        }
        bytes.extend_from_slice(&piece);
    }
}

/// Why a body did not arrive: the service refused the request meanwhile, or the caller broke off.
fn broken_body(error: axum::Error) -> ApiError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref::<AgentError>() {
            return refusal.clone().into();
        }
        cause = error.source();
    }
    ApiError::rejected(StatusCode::BAD_REQUEST, "the body broke off")
}

/// Whether this is JSON's type, in the one encoding that JSON has.
pub(crate) fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    essence.eq_ignore_ascii_case("application/json")
        && parts.all(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            !name.trim().eq_ignore_ascii_case("charset")
                || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

/// The names and values in the query of `uri`, in its order.
fn query(uri: &Uri) -> Result<Vec<(String, String)>, ApiError> {
    let text = |encoded: &str| {
        let encoded = encoded.replace('+', " ");
        let decoded = percent_decode_str(&encoded).decode_utf8();
        decoded.map(Cow::into_owned).map_err(|_| {
            ApiError::rejected(StatusCode::BAD_REQUEST, "the query is not valid UTF-8")
        })
    };
    let pairs = uri.query().unwrap_or_default().split('&');
    pairs
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((text(name)?, text(value)?))
        })
        .collect()
}

/// The parts of a request that hold parameters.
struct Sources<'a> {
    path: &'a [(String, String)],
    query: &'a [(String, String)],
    headers: &'a HeaderMap,
}

impl Sources<'_> {
    /// The texts of a parameter.
    fn texts(&self, parameter: &Parameter) -> Result<Vec<&str>, ParameterError> {
        let pairs = match parameter.location {
            ParameterLocation::Path => self.path,
            ParameterLocation::Query => self.query,
            ParameterLocation::Header => return self.header_texts(parameter),
        };
        let named = pairs.iter().filter(|(name, _)| name == parameter.name);
        Ok(named.map(|(_, text)| text.as_str()).collect())
    }

    /// The values of a header. A list may have several values in one line, between commas (RFC 9110, section 5.6.1).
    fn header_texts(&self, parameter: &Parameter) -> Result<Vec<&str>, ParameterError> {
        let mut texts = Vec::new();
        for value in self.headers.get_all(parameter.name) {
            let text = std::str::from_utf8(value.as_bytes());
            let text = text.map_err(|_| ParameterError::NotA("text in UTF-8"))?;
            if parameter.kind.is_list() {
                let parts = text.split(',').map(str::trim);
                texts.extend(parts.filter(|part| !part.is_empty()));
            } else {
                texts.push(text);
            }
        }
        Ok(texts)
    }
}

fn read_parameters(
    parameters: &[Parameter],
    sources: &Sources<'_>,
    fields: &mut Map<String, Value>,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    for parameter in parameters {
        let value = if fields.contains_key(parameter.name) {
            Err(match parameter.location {
                ParameterLocation::Header => ParameterError::HeaderInBody,
                ParameterLocation::Path | ParameterLocation::Query => ParameterError::InBody,
            })
        } else {
            let texts = sources.texts(parameter);
            texts.and_then(|texts| read_parameter(parameter.kind, &texts))
        };
        insert_parameter(parameter.name, value, fields, &mut violations);
    }
    violations
}

/// Puts the value of the parameter `name` into `fields`, or what is wrong with it into `violations`.
fn insert_parameter(
    name: &str,
    value: Result<Option<Value>, ParameterError>,
    fields: &mut Map<String, Value>,
    violations: &mut Vec<Violation>,
) {
    match value {
        Ok(Some(value)) => {
            fields.insert(name.to_owned(), value);
        }
        Ok(None) => {}
        Err(error) => {
            let mut pointer = String::new();
            push_key(&mut pointer, name);
            let detail = error.to_string();
            violations.push(Violation { detail, pointer });
        }
    }
}

/// The value of a parameter, `None` if it is absent. The schema says whether it is required.
fn read_parameter(kind: ParameterKind, texts: &[&str]) -> Result<Option<Value>, ParameterError> {
    match texts {
        [] => Ok(None),
        texts if kind.is_list() => {
            let values = texts
                .iter()
                .map(|text| read_text(kind, text))
                .collect::<Result<_, _>>()?;
            Ok(Some(Value::Array(values)))
        }
        [text] => read_text(kind, text).map(Some),
        _ => Err(ParameterError::Repeated),
    }
}

fn read_text(kind: ParameterKind, text: &str) -> Result<Value, ParameterError> {
    let value = match kind {
        ParameterKind::String | ParameterKind::Strings => Some(Value::from(text)),
        ParameterKind::Integer | ParameterKind::Integers => integer(text),
        ParameterKind::Number | ParameterKind::Numbers => text
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .map(Value::from),
        ParameterKind::Boolean | ParameterKind::Booleans => {
            text.parse::<bool>().ok().map(Value::from)
        }
    };
    let what = match kind {
        ParameterKind::Integer | ParameterKind::Integers => "an integer",
        ParameterKind::Number | ParameterKind::Numbers => "a number",
        _ => "true or false",
    };
    value.ok_or(ParameterError::NotA(what))
}

/// The integer of 64 bits in `text`, which may be written as in a body: `16.0`, `1e3`.
fn integer(text: &str) -> Option<Value> {
    let signed = text.parse::<i64>().map(Value::from);
    let plain = signed.or_else(|_| text.parse::<u64>().map(Value::from));
    plain.ok().or_else(|| {
        let mut value = serde_json::from_str(text).ok()?;
        remove_zero_fractions(&mut value);
        (value.is_i64() || value.is_u64()).then_some(value)
    })
}

/// Why a parameter can't be read.
enum ParameterError {
    /// The body has a member of its name.
    InBody,
    /// The body has a member that is named like a header.
    HeaderInBody,
    /// A parameter that is no list is repeated.
    Repeated,
    /// Its text is not of its type.
    NotA(&'static str),
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InBody => f.write_str("belongs into the address, not into the body"),
            Self::HeaderInBody => {
                f.write_str("belongs into the header of its name, not into the body")
            }
            Self::Repeated => f.write_str("is there more than once"),
            Self::NotA(what) => write!(f, "must be {what}"),
        }
    }
}
