//! Which representation of a response a caller accepts (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, StatusCode, header};

use crate::http::api_error::ApiError;

/// A representation that an endpoint offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Representation {
    /// `application/json`
    Json,
    /// `text/event-stream`
    EventStream,
}

/// The representation to answer with: JSON, unless the endpoint can `stream` and the caller prefers events.
///
/// # Errors
/// 406 if the caller accepts none that is offered.
pub(crate) fn negotiate(headers: &HeaderMap, stream: bool) -> Result<Representation, ApiError> {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return Ok(Representation::Json);
    }
    let ranges = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(range)
        .collect::<Vec<_>>();
    let json = quality(&ranges, "application", "json");
    let events = if stream {
        quality(&ranges, "text", "event-stream")
    } else {
        0
    };
    match (json, events) {
        (0, 0) => {
            let offered = if stream {
                "this can be answered as application/json and text/event-stream only"
            } else {
                "this can be answered as application/json only"
            };
            Err(ApiError::rejected(StatusCode::NOT_ACCEPTABLE, offered))
        }
        (json, events) if events > json => Ok(Representation::EventStream),
        _ => Ok(Representation::Json),
    }
}

/// Checks that the caller accepts JSON, the only representation there is.
///
/// # Errors
/// 406 if not.
pub(crate) fn accept_json(headers: &HeaderMap) -> Result<(), ApiError> {
    negotiate(headers, false).map(|_| ())
}

/// A media range: type, subtype, and quality in thousandths.
type Range = (String, String, u16);

fn range(text: &str) -> Option<Range> {
    let mut parts = text.split(';').map(str::trim);
    let (kind, subtype) = parts.next()?.split_once('/')?;
    let weight = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("q")
            .then(|| value.trim().parse::<f32>().unwrap_or(0.0))
    });
    let thousandths = (weight.unwrap_or(1.0).clamp(0.0, 1.0) * 1000.0).round() as u16;
    Some((
        kind.to_ascii_lowercase(),
        subtype.to_ascii_lowercase(),
        thousandths,
    ))
}

/// The quality of the most specific range that covers a type.
fn quality(ranges: &[Range], kind: &str, subtype: &str) -> u16 {
    let exact = |(k, s, _): &&Range| k == kind && s == subtype;
    let family = |(k, s, _): &&Range| k == kind && s == "*";
    let any = |(k, s, _): &&Range| k == "*" && s == "*";
    let found = ranges
        .iter()
        .find(exact)
        .or_else(|| ranges.iter().find(family));
    found
        .or_else(|| ranges.iter().find(any))
        .map_or(0, |(_, _, thousandths)| *thousandths)
}
