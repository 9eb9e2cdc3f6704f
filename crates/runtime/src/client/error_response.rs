//! Error responses of providers: statuses, error documents and `Retry-After`.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::error::provider_error::ProviderErrorKind;

/// A longer `code` is a message in the wrong place, and may quote the prompt.
const MAX_CODE_BYTES: usize = 64;
/// The longest wait that a provider can ask for: adding more to an instant could overflow.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(365 * 86_400);

/// The error that a provider reports, in an error response or in an event of a stream.
#[derive(Debug, Default)]
pub(crate) struct ProviderMessage {
    /// The provider's code, as in `insufficient_quota`; empty if there is none.
    pub(crate) code: String,
    /// The provider's message; empty if there is none.
    pub(crate) message: String,
}

/// Why a response is not an answer.
#[derive(Debug)]
pub(crate) struct ResponseError {
    pub(crate) kind: ProviderErrorKind,
    pub(crate) message: ProviderMessage,
}

impl ResponseError {
    /// A response that does not follow its protocol. `reason` is logged, and must not quote the response.
    pub(crate) fn malformed(reason: impl Into<String>) -> Self {
        Self {
            kind: ProviderErrorKind::Broken,
            message: ProviderMessage {
                code: reason.into(),
                message: String::new(),
            },
        }
    }
}

/// Reads `{"error": {"code", "type", "message"}}`; several servers send `{"error": "message"}`.
pub(crate) fn parse_error_body(document: &Value) -> ProviderMessage {
    let error = document.get("error").unwrap_or(document);
    let text = |key: &str| error.get(key).and_then(Value::as_str);
    let code = text("code").or_else(|| text("type"));
    ProviderMessage {
        code: code
            .filter(|code| is_code(code))
            .unwrap_or_default()
            .to_owned(),
        message: text("message")
            .or_else(|| error.as_str())
            .unwrap_or_default()
            .to_owned(),
    }
}

fn is_code(text: &str) -> bool {
    let is_code_char = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    text.len() <= MAX_CODE_BYTES && text.chars().all(is_code_char)
}

/// The kind of failure behind a status. OpenAI answers 429 with `insufficient_quota` when the account has no credit:
/// that does not pass with time.
pub(crate) fn kind_of_status(status: StatusCode, code: &str) -> ProviderErrorKind {
    match status.as_u16() {
        _ if code == "insufficient_quota" => ProviderErrorKind::Denied,
        401..=403 => ProviderErrorKind::Denied,
        408 | 504 => ProviderErrorKind::TimedOut,
        429 => ProviderErrorKind::RateLimited,
        500.. => ProviderErrorKind::Overloaded,
        _ => ProviderErrorKind::Rejected,
    }
}

/// `Retry-After` of RFC 9110 (seconds, or a date), or the more exact `retry-after-ms` that some providers add.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let pause = parse_retry_after(headers, now)?;
    Some(pause.min(MAX_RETRY_AFTER))
}

fn parse_retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let milliseconds = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok());
    if let Some(milliseconds) = milliseconds {
        return Duration::try_from_secs_f64(milliseconds / 1000.0).ok();
    }
    let text = text("retry-after")?;
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    let date = Duration::from_secs(u64::try_from(date.timestamp()).ok()?);
    let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(date.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::retry_after;

    #[test]
    fn retry_after_is_read_in_all_its_forms() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        let read = |headers: &[(&'static str, &'static str)]| {
            let header = |&(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            };
            let headers = headers.iter().map(header).collect::<HeaderMap>();
            retry_after(&headers, now).map(|duration| duration.as_millis())
        };
        assert_eq!(read(&[("retry-after", "3")]), Some(3000));
        assert_eq!(read(&[("retry-after", "0.5")]), Some(500));
        let both = [("retry-after", "1"), ("retry-after-ms", "250")];
        assert_eq!(read(&both), Some(250));
        let date = |text| read(&[("retry-after", text)]);
        assert_eq!(date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(7000));
        assert_eq!(date("Sun, 06 Nov 1994 08:49:00 GMT"), Some(0));
        for nonsense in ["soon", "-1", "inf", ""] {
            assert_eq!(date(nonsense), None, "{nonsense}");
        }
        let year = Some(365 * 86_400_000);
        assert_eq!(date("10000000000000000000"), year);
        assert_eq!(read(&[("retry-after-ms", "1e20")]), year);
        assert_eq!(read(&[]), None);
    }
}
