//! Lists in pages: which one is asked for, and where the next one begins.

use axum::http::Uri;
use serde_json::{Map, Value};

use crate::error::AgentError;
use crate::error::problem::Problem;
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
/// How many entries a page has if nobody says, and at most.
const USUAL_LIMIT: u32 = 20;
const HIGHEST_LIMIT: u32 = 100;

/// Which part of a list is asked for.
pub(crate) struct Page {
    /// Where it begins: what an earlier answer gave; `None` is the beginning.
    pub(crate) cursor: Option<String>,
    /// How many entries it has at most.
    pub(crate) limit: u32,
}

impl Page {
    /// The page that the query of `uri` asks for.
    pub(crate) fn read(uri: &Uri) -> Result<Self, Box<Problem>> {
        let asked: Map<String, Value> = read_query(PAGE, uri)?;
        let limit = match asked.get("limit").and_then(Value::as_i64) {
            None => USUAL_LIMIT,
            Some(limit) => u32::try_from(limit)
                .ok()
                .filter(|limit| (1..=HIGHEST_LIMIT).contains(limit))
                .ok_or_else(|| {
                    let detail = format!("must be between 1 and {HIGHEST_LIMIT}");
                    invalid("/limit", detail)
                })?,
        };
        let cursor = asked.get("cursor").and_then(Value::as_str);
        let cursor = cursor.map(str::to_owned);
        Ok(Self { cursor, limit })
    }

    /// The page, and the cursor of the next one. One entry more was asked for than fits.
    pub(crate) fn cut<T>(
        &self,
        mut entries: Vec<T>,
        cursor: impl Fn(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        let limit = self.limit as usize;
        let is_more = entries.len() > limit;
        entries.truncate(limit);
        let next = entries.last().filter(|_| is_more).map(cursor);
        (entries, next)
    }
}

/// A text as it stands in a cursor: its bytes in hexadecimal digits.
pub(crate) fn spelled(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The text that stands in a cursor.
pub(crate) fn text_of(digits: &str) -> Result<String, Box<Problem>> {
    let bytes = digits.as_bytes().chunks(2).map(|digits| match digits {
        [_, _] => std::str::from_utf8(digits)
            .map_err(|_| wrong())
            .and_then(hexadecimal)
            .map(|byte| byte as u8),
        _ => Err(wrong()),
    });
    let bytes = bytes.collect::<Result<Vec<_>, _>>()?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The number that stands in a cursor.
pub(crate) fn hexadecimal(digits: &str) -> Result<u64, Box<Problem>> {
    if !digits
        .bytes()
        .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
    {
        return Err(wrong());
    }
    u64::from_str_radix(digits, 16).map_err(|_| wrong())
}

/// What is said of a cursor that is none.
pub(crate) fn wrong() -> Box<Problem> {
    invalid("/cursor", "must be the next_cursor of an earlier answer")
}

fn invalid(pointer: &str, detail: impl Into<String>) -> Box<Problem> {
    Box::new(AgentError::invalid(pointer, detail).to_problem())
}
