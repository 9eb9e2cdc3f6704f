//! Pages of lists: the query parameters `cursor` and `limit`, and the cursor of the next page.

use axum::http::Uri;
use serde_json::{Map, Value};

use crate::error::AgentError;
use crate::http::api_error::ApiError;
use crate::http::request_reader::read_query;
use crate::spec::endpoint_spec::{Parameter, ParameterKind, ParameterLocation};

const PAGE: &[Parameter] = &[
    Parameter {
        name: "cursor",
        location: ParameterLocation::Query,
        kind: ParameterKind::String,
    },
    Parameter {
        name: "limit",
        location: ParameterLocation::Query,
        kind: ParameterKind::Integer,
    },
];
/// The default and the maximum number of entries of a page.
const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;

/// The part of a list that a request wants.
pub(crate) struct Page {
    /// The `next_cursor` of an earlier page; `None` is the first page.
    pub(crate) cursor: Option<String>,
    /// The most entries it has.
    pub(crate) limit: u32,
}

impl Page {
    /// Reads the query of `uri`.
    pub(crate) fn read(uri: &Uri) -> Result<Self, ApiError> {
        Ok(Self::read_with(&[], uri)?.0)
    }

    /// Reads the query of `uri`, which may also have the parameters `filters`; their values are returned.
    pub(crate) fn read_with(
        filters: &[Parameter],
        uri: &Uri,
    ) -> Result<(Self, Map<String, Value>), ApiError> {
        let query = read_query(&[PAGE, filters].concat(), uri)?;
        let limit = match query.get("limit").and_then(Value::as_i64) {
            None => DEFAULT_LIMIT,
            Some(limit) => u32::try_from(limit)
                .ok()
                .filter(|limit| (1..=MAX_LIMIT).contains(limit))
                .ok_or_else(|| {
                    let detail = format!("must be between 1 and {MAX_LIMIT}");
                    invalid("/limit", detail)
                })?,
        };
        let cursor = query.get("cursor").and_then(Value::as_str);
        let cursor = cursor.map(str::to_owned);
        Ok((Self { cursor, limit }, query))
    }

    /// The page and the cursor of the next one. `entries` has one entry more than fits, if there is a next page.
    pub(crate) fn cut<T>(
        &self,
        mut entries: Vec<T>,
        cursor: impl Fn(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        let limit = self.limit as usize;
        let has_next = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| has_next).map(cursor);
        (entries, next)
    }
}

/// A text in a cursor: its bytes in decode_number digits.
pub(crate) fn encode_text(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The text in a cursor.
pub(crate) fn decode_text(digits: &str) -> Result<String, ApiError> {
    let bytes = digits.as_bytes().chunks(2).map(|digits| match digits {
        [_, _] => std::str::from_utf8(digits)
            .map_err(|_| invalid_cursor())
            .and_then(decode_number)
            .map(|byte| byte as u8),
        _ => Err(invalid_cursor()),
    });
    let bytes = bytes.collect::<Result<Vec<_>, _>>()?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The number in a cursor.
pub(crate) fn decode_number(digits: &str) -> Result<u64, ApiError> {
    if !digits
        .bytes()
        .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    {
        return Err(invalid_cursor());
    }
    u64::from_str_radix(digits, 16).map_err(|_| invalid_cursor())
}

/// 422 for a cursor that no page gave.
pub(crate) fn invalid_cursor() -> ApiError {
    invalid("/cursor", "must be the next_cursor of an earlier answer")
}

fn invalid(pointer: &str, detail: impl Into<String>) -> ApiError {
    AgentError::invalid(pointer, detail).into()
}
