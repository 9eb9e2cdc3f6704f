//! Error responses of providers: statuses, error documents and `Retry-After`.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::client::lenient_json;
use crate::client::server_words::{Outcome, exceeds_context, exceeds_rate, outcome};
use crate::error::provider_error::ProviderErrorKind;

/// A longer `code` is a message in the wrong place, and may quote the prompt.
const MAX_CODE_BYTES: usize = 64;
/// The longest wait that a provider can ask for: adding more to an instant could overflow.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(365 * 86_400);
/// Where error documents have their message.
const MESSAGE_KEYS: [&str; 7] = [
    "message",
    "Message",
    "msg",
    "detail",
    "error_description",
    "error_msg",
    "title",
];

/// The error that a provider reports, in an error response or in an event of a stream.
#[derive(Debug, Default)]
pub(crate) struct ProviderMessage {
    /// The provider's code, as in `insufficient_quota`; empty if there is none.
    pub(crate) code: String,
    /// Its other words for the kind of the error: a type, a status.
    words: Vec<String>,
    /// The status that the document contains.
    status: Option<StatusCode>,
    /// The provider's message; empty if there is none.
    pub(crate) message: String,
    /// The member of the request that the error is about, where the provider names it apart from the message.
    pub(crate) member: String,
}

/// Why a response is not an answer.
#[derive(Debug)]
pub(crate) struct ResponseError {
    pub(crate) failure: Failure,
    pub(crate) message: ProviderMessage,
}

/// What an error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The call failed.
    Call(ProviderErrorKind),
    /// The model, or a filter of its server, declined.
    Refusal,
}

impl ResponseError {
    /// A response that does not follow its protocol. `reason` is logged, and must not quote the response.
    pub(crate) fn malformed(reason: impl Into<String>) -> Self {
        Self::failed(ProviderErrorKind::Broken, reason)
    }

    /// A failure that the provider does not explain. `reason` is logged, and must not quote the response.
    pub(crate) fn failed(kind: ProviderErrorKind, reason: impl Into<String>) -> Self {
        Self {
            failure: Failure::Call(kind),
            message: ProviderMessage {
                code: reason.into(),
                ..ProviderMessage::default()
            },
        }
    }

    /// The error of a response with a status that is no success. The status decides, except for words that say more: OpenAI
    /// answers 429 when the account has no credit, which does not pass with time, Azure 400 when its filter declines, Groq
    /// 400 when the model wrote a broken tool call, AWS 400 when it is asked too often, and a proxy 500 when the prompt is too
    /// long.
    pub(crate) fn of_status(status: StatusCode, message: ProviderMessage) -> Self {
        let failure = match message.outcome() {
            Some(Outcome::Refused) if status.is_client_error() => Failure::Refusal,
            Some(Outcome::Failed(kind)) if status == StatusCode::BAD_REQUEST => Failure::Call(kind),
            Some(Outcome::Failed(kind @ ProviderErrorKind::ContextLengthExceeded))
                if status.is_server_error()
                    || kind_of_status(status) == ProviderErrorKind::Rejected =>
            {
                Failure::Call(kind)
            }
            // One request that takes more than a minute's tokens never passes.
            Some(Outcome::Failed(kind @ ProviderErrorKind::ContextLengthExceeded))
                if exceeds_rate(&message.message) =>
            {
                Failure::Call(kind)
            }
            Some(Outcome::Failed(ProviderErrorKind::Denied)) if status.is_client_error() => {
                Failure::Call(ProviderErrorKind::Denied)
            }
            _ => Failure::Call(kind_of_status(status)),
        };
        Self { failure, message }
    }

    /// The error in an answer whose status was a success. One that explains nothing is taken for a failure of the server,
    /// which may pass.
    pub(crate) fn in_answer(message: ProviderMessage) -> Self {
        let failure = match (message.outcome(), message.status) {
            (Some(Outcome::Refused), _) => Failure::Refusal,
            (
                Some(Outcome::Failed(
                    kind @ (ProviderErrorKind::Denied | ProviderErrorKind::ContextLengthExceeded),
                )),
                _,
            ) => Failure::Call(kind),
            (_, Some(status)) => Failure::Call(kind_of_status(status)),
            (Some(Outcome::Failed(kind)), None) => Failure::Call(kind),
            (_, None) => Failure::Call(ProviderErrorKind::Overloaded),
        };
        Self { failure, message }
    }
}

impl ProviderMessage {
    /// The first of the error's words that is known. Most servers have no word for a request that is too long, and say so in
    /// a sentence.
    fn outcome(&self) -> Option<Outcome> {
        let words = [&self.code].into_iter().chain(&self.words);
        let said = words.filter_map(|word| outcome(word)).next();
        let may_be_context = match said {
            None => true,
            Some(Outcome::Failed(kind)) => kind != ProviderErrorKind::Denied,
            Some(_) => false,
        };
        if may_be_context && exceeds_context(&self.message) {
            return Some(Outcome::Failed(ProviderErrorKind::ContextLengthExceeded));
        }
        said
    }
}

/// Whether a JSON document is an error and no answer: `{"error": ...}`, `{"object": "error"}`, or a bare `{"detail": ...}`
/// or `{"message": ...}`, as web frameworks and proxies send them.
pub(crate) fn is_error(document: &Value) -> bool {
    let document = first(document);
    let is_set = |error: &Value| match error {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    };
    let is_bare = || {
        let has = |key: &&str| match document.get(key) {
            None | Some(Value::Null) => false,
            // Ollama's own API has answers in this member.
            Some(value) => *key != "message" || value.is_string(),
        };
        let is_answer = ["choices", "content", "type", "usage", "delta"]
            .iter()
            .any(|key| document.get(key).is_some_and(|value| !value.is_null()));
        !is_answer && (MESSAGE_KEYS.iter().any(has) || document.get("errors").is_some_and(is_set))
    };
    document.get("error").is_some_and(is_set) || document["object"] == "error" || is_bare()
}

/// Reads an error document: `{"error": {"code", "type", "message"}}` and the other forms of [`is_error`].
pub(crate) fn parse_error_body(document: &Value) -> ProviderMessage {
    let document = first(document);
    let error = document.get("error").filter(|error| !error.is_null());
    let nested = document.get("detail").filter(|detail| detail.is_object());
    let error = error.or(document.get("errors")).or(nested);
    let error = first(error.unwrap_or(document));
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    let words = ["code", "type", "status", "reason"].map(|key| text(&error[key]));
    let mut words = words.to_vec();
    words.retain(|word| is_code(word) && word != "error");
    let status = words.iter().find_map(|word| {
        let code = word.parse::<u16>().ok();
        code.filter(|code| (400..600).contains(code))
            .and_then(|code| StatusCode::from_u16(code).ok())
    });
    words.retain(|word| word.parse::<u16>().is_err());
    let message = MESSAGE_KEYS.iter().map(|key| &error[*key]);
    let message = message
        .chain([error, &document["message"]])
        .map(|value| text(first(value)))
        .find(|message| !message.is_empty());
    // FastAPI: `{"detail": [{"loc": ["body", "stream_options"], "msg": "..."}]}`.
    let detail = first(&error["detail"]);
    let location = detail["loc"].as_array().into_iter().flatten().map(text);
    let member = [text(&error["param"])].into_iter().chain(location);
    ProviderMessage {
        code: words.first().cloned().unwrap_or_default(),
        words,
        status,
        message: message.unwrap_or_else(|| text(&detail["msg"])),
        member: member.collect::<Vec<_>>().join(" "),
    }
}

/// Reads an error that may be JSON, or the text of a proxy. A page of HTML says nothing.
pub(crate) fn error_text(body: &str) -> ProviderMessage {
    match lenient_json::parse(body) {
        Some(document) => parse_error_body(&document),
        None if body.trim_start().starts_with('<') => ProviderMessage::default(),
        None => ProviderMessage {
            message: body.trim().to_owned(),
            ..ProviderMessage::default()
        },
    }
}

/// Google sends its errors in a list.
fn first(document: &Value) -> &Value {
    match document {
        Value::Array(entries) => entries.first().unwrap_or(document),
        _ => document,
    }
}

fn is_code(text: &str) -> bool {
    let is_code_char = |c: char| c.is_ascii_alphanumeric() || "_-. ".contains(c);
    !text.is_empty() && text.len() <= MAX_CODE_BYTES && text.chars().all(is_code_char)
}

/// The kind of failure behind a status.
fn kind_of_status(status: StatusCode) -> ProviderErrorKind {
    match status.as_u16() {
        401..=403 => ProviderErrorKind::Denied,
        413 => ProviderErrorKind::ContextLengthExceeded,
        408 | 504 => ProviderErrorKind::TimedOut,
        425 | 429 => ProviderErrorKind::RateLimited,
        // A lock at OpenAI, a failed worker at TGI and Bedrock, no capacity and a cancelled call at Groq.
        409 | 424 | 498 | 499 | 500.. => ProviderErrorKind::Overloaded,
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

    use reqwest::StatusCode;
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
    use serde_json::json;

    use super::{Failure, ResponseError, is_error, parse_error_body, retry_after};
    use crate::error::provider_error::ProviderErrorKind;

    #[test]
    fn errors_are_read_in_all_their_forms() {
        use ProviderErrorKind::{Denied, Overloaded, RateLimited, Rejected, TimedOut};
        let call = |kind| Failure::Call(kind);
        for (document, failure, code, message) in [
            (
                json!({"error": {"message": "m", "type": "t", "code": "c"}}),
                call(Overloaded),
                "c",
                "m",
            ),
            (
                json!({"error": {"message": "m", "type": "overloaded_error", "code": null}}),
                call(Overloaded),
                "overloaded_error",
                "m",
            ),
            (
                json!({"error": {"message": "m", "code": "503"}}),
                call(Overloaded),
                "",
                "m",
            ),
            (
                json!({"error": {"message": "m", "code": 404}}),
                call(Rejected),
                "",
                "m",
            ),
            (
                json!({"error": {"message": "m", "type": "None", "param": "None", "code": "500"}}),
                call(Overloaded),
                "None",
                "m",
            ),
            (
                json!({"error": {"message": "m", "code": "rate_limit_exceeded"}}),
                call(RateLimited),
                "rate_limit_exceeded",
                "m",
            ),
            (
                json!({"error": {"message": "m", "code": 429, "type": "insufficient_quota"}}),
                call(Denied),
                "insufficient_quota",
                "m",
            ),
            (
                json!({"error": {"message": "m", "code": "content_filter"}}),
                Failure::Refusal,
                "content_filter",
                "m",
            ),
            (
                json!([{"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}]),
                call(Rejected),
                "INVALID_ARGUMENT",
                "m",
            ),
            (
                json!([{"error": {"message": "m", "status": "DEADLINE_EXCEEDED"}}]),
                call(TimedOut),
                "DEADLINE_EXCEEDED",
                "m",
            ),
            (
                json!({"error": "the runner stopped"}),
                call(Overloaded),
                "",
                "the runner stopped",
            ),
            (
                json!({"object": "error", "message": "m", "type": "InternalServerError", "code": 500}),
                call(Overloaded),
                "InternalServerError",
                "m",
            ),
            (
                json!({"object": "error", "message": "m", "type": "BadRequestError", "code": null}),
                call(Rejected),
                "BadRequestError",
                "m",
            ),
            (
                json!({"detail": "Internal Server Error"}),
                call(Overloaded),
                "",
                "Internal Server Error",
            ),
            (
                json!({"detail": [{"loc": ["body", "x"], "msg": "no x"}]}),
                call(Overloaded),
                "",
                "no x",
            ),
            (
                json!({"detail": {"message": "m", "code": 429}}),
                call(RateLimited),
                "",
                "m",
            ),
            (
                json!({"message": "no route", "code": 503}),
                call(Overloaded),
                "",
                "no route",
            ),
            (
                json!({"errors": [{"message": "m", "code": 7003}]}),
                call(Overloaded),
                "",
                "m",
            ),
            (
                json!({"error": true, "message": "m"}),
                call(Overloaded),
                "",
                "m",
            ),
        ] {
            assert!(is_error(&document), "{document}");
            let error = ResponseError::in_answer(parse_error_body(&document));
            assert_eq!(error.failure, failure, "{document}");
            let found = (&*error.message.code, &*error.message.message);
            assert_eq!(found, (code, message), "{document}");
        }
        for answer in [
            json!({"choices": [], "error": null}),
            json!({"choices": [], "error": "", "message": "x"}),
            json!({"type": "message_start", "message": {"id": "x"}}),
            json!({"choices": null, "usage": {"prompt_tokens": 1}}),
            json!({"error": {}, "choices": []}),
            json!({}),
            json!(7),
        ] {
            assert!(!is_error(&answer), "{answer}");
        }
    }

    #[test]
    fn statuses_decide_unless_words_say_more() {
        let read = |status, document| {
            let status = StatusCode::from_u16(status).unwrap();
            ResponseError::of_status(status, parse_error_body(&document)).failure
        };
        let call = |kind| Failure::Call(kind);
        let quota = json!({"error": {"code": "insufficient_quota"}});
        assert_eq!(read(429, quota), call(ProviderErrorKind::Denied));
        let filter = json!({"error": {"code": "content_filter", "message": "filtered"}});
        assert_eq!(read(400, filter.clone()), Failure::Refusal);
        assert_eq!(read(500, filter), call(ProviderErrorKind::Overloaded));
        let busy = json!({"error": {"type": "overloaded_error"}});
        assert_eq!(read(400, busy), call(ProviderErrorKind::Overloaded));
        let broken = json!({"error": {"code": "tool_use_failed", "type": "invalid_request_error"}});
        assert_eq!(read(400, broken), call(ProviderErrorKind::Broken));
        let rejected = json!({"error": {"message": "no", "type": "invalid_request_error"}});
        assert_eq!(read(400, rejected), call(ProviderErrorKind::Rejected));
        let unknown = json!({"error": {"message": "no", "code": "error_of_next_year"}});
        assert_eq!(read(400, unknown), call(ProviderErrorKind::Rejected));
    }

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
