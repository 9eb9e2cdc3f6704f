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

/// The representations that a path offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// JSON only.
    Json,
    /// JSON, or events to a caller who prefers them.
    JsonOrEvents,
    /// Events only.
    Events,
}

/// The representation of those in `offer` that the caller prefers; JSON where both are welcome.
///
/// # Errors
/// 406 if the caller accepts none that is offered.
pub(crate) fn negotiate(headers: &HeaderMap, offer: Offer) -> Result<Representation, ApiError> {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let ranges = accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(range)
        .collect::<Vec<_>>();
    // Without the header, every type is accepted.
    let accepts_all = !headers.contains_key(header::ACCEPT);
    let quality = |kind, subtype| match accepts_all {
        true => 1,
        false => quality(&ranges, kind, subtype),
    };
    let json = match offer {
        Offer::Json | Offer::JsonOrEvents => quality("application", "json"),
        Offer::Events => 0,
    };
    let events = match offer {
        Offer::Json => 0,
        Offer::JsonOrEvents | Offer::Events => quality("text", "event-stream"),
    };
    match (json, events) {
        (0, 0) => {
            let offered = match offer {
                Offer::Json => "this can be answered as application/json only",
                Offer::JsonOrEvents => {
                    "this can be answered as application/json and text/event-stream only"
                }
                Offer::Events => "this can be answered as text/event-stream only",
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
    negotiate(headers, Offer::Json).map(|_| ())
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
