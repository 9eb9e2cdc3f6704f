//! Reads requests: path, query and body become the input of an endpoint.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Query;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use futures_util::FutureExt;
use serde_json::{Map, Value};

use crate::error::AgentError;
use crate::http::api_error::ApiError;
use crate::run::run_input::Input;
use crate::schema::{Violation, push_key};
use crate::spec::endpoint_spec::{EndpointSpec, Parameter, ParameterKind, ParameterLocation};

/// How long a caller may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Reads the input of `endpoint`.
pub(crate) async fn read(
    endpoint: &EndpointSpec,
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
    if endpoint.parameters.is_empty() {
        return Ok(input);
    }
    let Value::Object(fields) = input.json()? else {
        return Err(AgentError::invalid("", "must be an object").into());
    };
    let violations = read_parameters(endpoint.parameters, path, &query(&parts.uri)?, fields);
    if violations.is_empty() {
        Ok(input)
    } else {
        Err(AgentError::Invalid(violations).into())
    }
}

/// Reads parameters that stand in the query of `uri`.
pub(crate) fn read_query(
    parameters: &[Parameter],
    uri: &Uri,
) -> Result<Map<String, Value>, ApiError> {
    let mut fields = Map::new();
    let violations = read_parameters(parameters, &[], &query(uri)?, &mut fields);
    if violations.is_empty() {
        Ok(fields)
    } else {
        Err(AgentError::Invalid(violations).into())
    }
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

/// A body of `limit` bytes at most.
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
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    if length
        .and_then(|length| length.parse::<usize>().ok())
        .is_some_and(|length| length > limit)
    {
        return Err(too_large());
    }
    let mut reading = pin!(to_bytes(body, limit));
    // Most bodies come with the head, and need no clock.
    let read = match reading.as_mut().now_or_never() {
        Some(read) => read,
        None => tokio::time::timeout(BODY_TIMEOUT, reading)
            .await
            .map_err(|_| {
                ApiError::rejected(
                    StatusCode::REQUEST_TIMEOUT,
                    "the body took too long to arrive",
                )
            })?,
    };
    read.map_err(|error| {
        if is_over_limit(&error) {
            too_large()
        } else {
            ApiError::rejected(StatusCode::BAD_REQUEST, "the body broke off")
        }
    })
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

fn is_over_limit(error: &axum::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.to_string().contains("length limit exceeded") {
            return true;
        }
        cause = error.source();
    }
    false
}

fn query(uri: &Uri) -> Result<Vec<(String, String)>, ApiError> {
    Query::try_from_uri(uri)
        .map(|Query(pairs)| pairs)
        .map_err(|_| ApiError::rejected(StatusCode::BAD_REQUEST, "the query is not valid"))
}

fn read_parameters(
    parameters: &[Parameter],
    path: &[(String, String)],
    query: &[(String, String)],
    fields: &mut Map<String, Value>,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    for parameter in parameters {
        let pairs = match parameter.location {
            ParameterLocation::Path => path,
            ParameterLocation::Query => query,
        };
        let named = pairs.iter().filter(|(name, _)| name == parameter.name);
        let texts = named.map(|(_, text)| text.as_str()).collect::<Vec<_>>();
        let value = if fields.contains_key(parameter.name) {
            Err(ParameterError::InBody)
        } else {
            read_parameter(parameter.kind, &texts)
        };
        match value {
            Ok(Some(value)) => {
                fields.insert(parameter.name.to_owned(), value);
            }
            Ok(None) => {}
            Err(error) => {
                let mut pointer = String::new();
                push_key(&mut pointer, parameter.name);
                let detail = error.to_string();
                violations.push(Violation { detail, pointer });
            }
        }
    }
    violations
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
        ParameterKind::Integer | ParameterKind::Integers => {
            text.parse::<i64>().ok().map(Value::from)
        }
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

/// Why a parameter can't be read.
enum ParameterError {
    /// The body has a member of its name.
    InBody,
    /// A parameter that is no list is repeated.
    Repeated,
    /// Its text is not of its type.
    NotA(&'static str),
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InBody => f.write_str("belongs into the address, not into the body"),
            Self::Repeated => f.write_str("is there more than once"),
            Self::NotA(what) => write!(f, "must be {what}"),
        }
    }
}
