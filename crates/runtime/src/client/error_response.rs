//! What a provider says when it does not answer: statuses, error documents, and when to come again.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::error::provider_error::ProviderFault;

/// The longest name of an error that is taken for one, in bytes.
const LONGEST_KIND: usize = 64;

/// What a provider says against a request, in an answer of its own or in a stream.
#[derive(Debug, Default)]
pub(crate) struct Complaint {
    /// The name that the provider has for it.
    pub(crate) kind: String,
    /// The provider's own words.
    pub(crate) message: String,
}

/// Why an answer can't be used.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What kind of failure it is.
    pub(crate) fault: ProviderFault,
    /// What the provider says.
    pub(crate) complaint: Complaint,
}

impl Failure {
    /// An answer that does not follow its own format: `why` is for the log.
    pub(crate) fn broken(why: impl ToString) -> Self {
        Self {
            fault: ProviderFault::Broken,
            complaint: Complaint {
                kind: why.to_string(),
                message: String::new(),
            },
        }
    }
}

/// A name that a provider has for an error; anything else under that key is left out.
fn named(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let is_name = text.len() <= LONGEST_KIND && text.chars().all(is_plain);
    if is_name { text } else { "" }.to_owned()
}

/// What a provider says in a document that holds an `error`; several servers have just a text there.
pub(crate) fn complaint(document: Value) -> Complaint {
    let error = document.get("error").unwrap_or(&document);
    let text = |key: &str| error.get(key).and_then(Value::as_str).map(str::to_owned);
    let message = text("message").or_else(|| error.as_str().map(str::to_owned));
    Complaint {
        kind: named(&text("code").or_else(|| text("type")).unwrap_or_default()),
        message: message.unwrap_or_default(),
    }
}

/// What a status means; a spent account looks like a rate limit to some.
pub(crate) fn fault(status: StatusCode, kind: &str) -> ProviderFault {
    match status.as_u16() {
        _ if kind == "insufficient_quota" => ProviderFault::Denied,
        401..=403 => ProviderFault::Denied,
        408 | 504 => ProviderFault::TimedOut,
        429 => ProviderFault::RateLimited,
        500.. => ProviderFault::Overloaded,
        _ => ProviderFault::Rejected,
    }
}

/// More than a year is a year: what is added to a moment must not lead past the end of time.
const LONGEST_PAUSE: Duration = Duration::from_secs(365 * 86_400);

/// `Retry-After` of RFC 9110, in seconds or as a date, and the finer `retry-after-ms` that some send beside it.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    told(headers, now).map(|pause| pause.min(LONGEST_PAUSE))
}

fn told(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let milliseconds = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok());
    if let Some(milliseconds) = milliseconds {
        return Duration::try_from_secs_f64(milliseconds / 1000.0).ok();
    }
    let told = text("retry-after")?;
    if let Ok(seconds) = told.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let then = chrono::DateTime::parse_from_rfc2822(told).ok()?.timestamp();
    let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let then = Duration::from_secs(u64::try_from(then).ok()?);
    Some(then.saturating_sub(now))
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
