//! The types and tests behind the `format` keyword of JSON Schema.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::SystemTime;

use chrono::{FixedOffset, NaiveDate, NaiveTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time as RFC 3339 writes it; it keeps the offset it came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime(chrono::DateTime<FixedOffset>);

/// A day as RFC 3339 writes it: `2026-11-21`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(NaiveDate);

/// A UUID, written with hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(uuid::Uuid);

/// A text is not in the format it should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormatError {
    format: Format,
}

/// A format of JSON Schema that a text can be held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// `date-time`: RFC 3339.
    DateTime,
    /// `date`: the full date of RFC 3339.
    Date,
    /// `time`: the full time of RFC 3339.
    Time,
    /// `email`: an address as RFC 5321 has it, without quoted parts.
    Email,
    /// `hostname`: RFC 1123.
    Hostname,
    /// `ipv4`: four numbers with dots.
    Ipv4,
    /// `ipv6`: RFC 4291, without a zone.
    Ipv6,
    /// `uri`: RFC 3986, with a scheme.
    Uri,
    /// `uri-reference`: RFC 3986, with or without a scheme.
    UriReference,
    /// `uuid`: RFC 9562, with hyphens.
    Uuid,
    /// `json-pointer`: RFC 6901.
    JsonPointer,
}

impl DateTime {
    /// The present moment in UTC.
    #[must_use]
    pub fn now() -> Self {
        SystemTime::now().into()
    }
}

impl From<SystemTime> for DateTime {
    fn from(time: SystemTime) -> Self {
        let since = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        let utc = chrono::DateTime::<Utc>::from_timestamp(seconds, since.subsec_nanos());
        Self(
            utc.unwrap_or(chrono::DateTime::<Utc>::MAX_UTC)
                .fixed_offset(),
        )
    }
}

impl FromStr for DateTime {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let wrong = FormatError {
            format: Format::DateTime,
        };
        if !matches!(text.as_bytes().get(10), Some(b'T' | b't')) {
            return Err(wrong);
        }
        chrono::DateTime::parse_from_rfc3339(text)
            .map(Self)
            .map_err(|_| wrong)
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl FromStr for Date {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let wrong = FormatError {
            format: Format::Date,
        };
        let digits = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-');
        if text.len() != 10 || text.starts_with('-') || !digits {
            return Err(wrong);
        }
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .map(Self)
            .map_err(|_| wrong)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%d"))
    }
}

impl Uuid {
    /// A new one that sorts by the time of its making (version 7).
    #[must_use]
    pub fn new_v7() -> Self {
        Self(uuid::Uuid::now_v7())
    }

    /// A new one that is all chance (version 4).
    #[must_use]
    pub fn new_v4() -> Self {
        Self(uuid::Uuid::new_v4())
    }
}

impl FromStr for Uuid {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        let wrong = FormatError {
            format: Format::Uuid,
        };
        if text.len() != 36 {
            return Err(wrong);
        }
        uuid::Uuid::try_parse(text).map(Self).map_err(|_| wrong)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.hyphenated())
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a valid {}", self.format.as_str())
    }
}

impl std::error::Error for FormatError {}

macro_rules! written_as_text {
    ($($type:ty),*) => {
        $(impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        })*
    };
}

written_as_text!(DateTime, Date, Uuid);

impl Format {
    /// Every format that is checked.
    pub(crate) const ALL: [Self; 11] = [
        Self::DateTime,
        Self::Date,
        Self::Time,
        Self::Email,
        Self::Hostname,
        Self::Ipv4,
        Self::Ipv6,
        Self::Uri,
        Self::UriReference,
        Self::Uuid,
        Self::JsonPointer,
    ];

    /// The value of the keyword.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DateTime => "date-time",
            Self::Date => "date",
            Self::Time => "time",
            Self::Email => "email",
            Self::Hostname => "hostname",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Uri => "uri",
            Self::UriReference => "uri-reference",
            Self::Uuid => "uuid",
            Self::JsonPointer => "json-pointer",
        }
    }

    /// Whether `text` has this format.
    #[must_use]
    pub fn fits(self, text: &str) -> bool {
        match self {
            Self::DateTime => text.parse::<DateTime>().is_ok(),
            Self::Date => text.parse::<Date>().is_ok(),
            Self::Time => is_time(text),
            Self::Email => is_email(text),
            Self::Hostname => is_hostname(text),
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
            Self::Uri => has_scheme(text) && is_uri_reference(text),
            Self::UriReference => is_uri_reference(text),
            Self::Uuid => text.parse::<Uuid>().is_ok(),
            Self::JsonPointer => is_json_pointer(text),
        }
    }
}

/// A time of RFC 3339 is what stands behind the `T` of a point in time.
fn is_time(text: &str) -> bool {
    text.get(..8)
        .is_some_and(|time| NaiveTime::parse_from_str(time, "%H:%M:%S").is_ok())
        && format!("2000-01-01T{text}").parse::<DateTime>().is_ok()
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let atom = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c))
    };
    let literal = domain
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = |text: &str| match text.strip_prefix("IPv6:") {
        Some(six) => Format::Ipv6.fits(six),
        None => Format::Ipv4.fits(text),
    };
    local.len() <= 64
        && local.split('.').all(atom)
        && literal.map_or_else(|| is_hostname(domain), address)
}

fn is_hostname(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn has_scheme(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    })
}

fn is_uri_reference(text: &str) -> bool {
    let before = text.split(['/', '?', '#']).next().unwrap_or_default();
    let bytes = text.as_bytes();
    let escaped = |at: usize| {
        bytes
            .get(at + 1..at + 3)
            .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
    };
    (!before.contains(':') || has_scheme(text))
        && text.matches('#').count() <= 1
        && bytes.iter().enumerate().all(|(at, byte)| match byte {
            b'%' => escaped(at),
            _ => byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(byte),
        })
}

fn is_json_pointer(text: &str) -> bool {
    (text.is_empty() || text.starts_with('/'))
        && text
            .split('~')
            .skip(1)
            .all(|rest| rest.starts_with(['0', '1']))
}
