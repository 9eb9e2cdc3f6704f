//! The string formats of JSON Schema: one implementation for compiled schemas and generated types.
//!
//! Invariant: the Rust types accept exactly the texts that the format accepts.

pub(crate) mod date_time;
mod duration;
#[cfg(feature = "schemars")]
mod json_schema_impls;
pub(crate) mod uri;
mod uri_template;
pub(crate) mod uuid;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::compiler::pattern::Pattern;
use crate::formats::date_time::{Date, DateTime, is_time};
use crate::formats::duration::is_duration;
use crate::formats::uri::{is_uri, is_uri_reference};
use crate::formats::uri_template::is_uri_template;
use crate::formats::uuid::Uuid;

macro_rules! formats {
    ($($(#[$doc:meta])+ $format:ident $name:literal => $is_valid:expr;)*) => {
        /// A format of JSON Schema that is checked.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Format {
            $($(#[$doc])+ $format,)*
        }

        impl Format {
            /// Every format that is checked.
            pub const ALL: &[Self] = &[$(Self::$format),*];

            /// The value of the keyword.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$format => $name,)*
                }
            }

            /// The format with this name, if it is checked.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$format),)*
                    _ => None,
                }
            }

            /// Whether `text` has this format.
            #[must_use]
            pub fn is_valid(self, text: &str) -> bool {
                let is_valid: fn(&str) -> bool = match self {
                    $(Self::$format => $is_valid,)*
                };
                is_valid(text)
            }
        }
    };
}

formats! {
    /// `date-time`: RFC 3339.
    DateTime "date-time" => |text| text.parse::<DateTime>().is_ok();
    /// `date`: the full date of RFC 3339.
    Date "date" => |text| text.parse::<Date>().is_ok();
    /// `time`: the full time of RFC 3339.
    Time "time" => is_time;
    /// `email`: a mailbox of RFC 5321.
    Email "email" => is_email;
    /// `hostname`: RFC 1123. Labels that start with `xn--` are not decoded.
    Hostname "hostname" => is_hostname;
    /// `ipv4`: four numbers with dots.
    Ipv4 "ipv4" => |text| text.parse::<Ipv4Addr>().is_ok();
    /// `ipv6`: RFC 4291, without a zone.
    Ipv6 "ipv6" => |text| text.parse::<Ipv6Addr>().is_ok();
    /// `uri`: RFC 3986, with a scheme.
    Uri "uri" => is_uri;
    /// `uri-reference`: RFC 3986, with or without a scheme.
    UriReference "uri-reference" => is_uri_reference;
    /// `uuid`: RFC 9562, with hyphens.
    Uuid "uuid" => |text| text.parse::<Uuid>().is_ok();
    /// `json-pointer`: RFC 6901.
    JsonPointer "json-pointer" => is_json_pointer;
    /// `relative-json-pointer`: a number of levels up, then `#` or a pointer.
    RelativeJsonPointer "relative-json-pointer" => is_relative_json_pointer;
    /// `duration`: RFC 3339, appendix A.
    Duration "duration" => is_duration;
    /// `idn-email`: a mailbox of RFC 6531.
    IdnEmail "idn-email" => is_idn_email;
    /// `iri`: RFC 3987, with a scheme.
    Iri "iri" => |text| is_uri(&as_uri(text));
    /// `iri-reference`: RFC 3987, with or without a scheme.
    IriReference "iri-reference" => |text| is_uri_reference(&as_uri(text));
    /// `uri-template`: RFC 6570.
    UriTemplate "uri-template" => is_uri_template;
    /// `regex`: a regular expression of ECMA-262.
    Regex "regex" => is_regex;
    /// `byte`: base64 of RFC 4648, as OpenAPI has it.
    Byte "byte" => is_base64;
}

/// A text does not have the format it should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormatError(pub(crate) Format);

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a valid {}", self.0.as_str())
    }
}

impl std::error::Error for FormatError {}

/// In JSON, these types are strings.
macro_rules! serde_as_string {
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

serde_as_string!(DateTime, Date, Uuid);

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let literal = domain
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    local.len() <= 64
        && (is_dot_string(local) || is_quoted_string(local))
        && literal.map_or_else(|| is_hostname(domain), is_address_literal)
}

/// `joe.bloggs`
fn is_dot_string(local: &str) -> bool {
    let is_atom_character =
        |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c);
    let is_atom = |atom: &str| !atom.is_empty() && atom.chars().all(is_atom_character);
    local.split('.').all(is_atom)
}

/// `"joe bloggs"`
fn is_quoted_string(local: &str) -> bool {
    let Some(content) = local
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return false;
    };
    let mut characters = content.chars();
    while let Some(character) = characters.next() {
        let is_valid = match character {
            '\\' => characters.next().is_some_and(|c| matches!(c, ' '..='~')),
            '"' => false,
            other => matches!(other, ' '..='~'),
        };
        if !is_valid {
            return false;
        }
    }
    true
}

fn is_address_literal(text: &str) -> bool {
    match text.strip_prefix("IPv6:") {
        Some(address) => Format::Ipv6.is_valid(address),
        None => Format::Ipv4.is_valid(text),
    }
}

fn is_hostname(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// A mailbox whose letters may be of any script. Of the domain, the length and the ASCII characters are checked alone: IDNA
/// has no table here.
fn is_idn_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    is_email(&format!("{}@{}", in_ascii(local), in_ascii(domain)))
}

/// `text` with an `x` in the place of each run of characters that are not of ASCII.
fn in_ascii(text: &str) -> String {
    let mut ascii = String::new();
    let mut was_other = false;
    for character in text.chars() {
        if character.is_ascii() {
            ascii.push(character);
        } else if !was_other {
            ascii.push('x');
        }
        was_other = !character.is_ascii();
    }
    ascii
}

/// The URI that an IRI stands for: what is allowed in an IRI alone, escaped.
fn as_uri(text: &str) -> String {
    let mut uri = String::new();
    for character in text.chars() {
        // The characters of `ucschar` and `iprivate`.
        let is_other = matches!(u32::from(character),
            0xA0..=0xD7FF | 0xE000..=0xFDCF | 0xFDF0..=0xFFEF | 0x1_0000..=0x10_FFFD)
            && u32::from(character) & 0xFFFE != 0xFFFE;
        if is_other {
            uri.push_str("%C3%A9");
        } else {
            uri.push(character);
        }
    }
    uri
}

fn is_relative_json_pointer(text: &str) -> bool {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (levels, rest) = text.split_at(end);
    let is_number = levels == "0" || (!levels.is_empty() && !levels.starts_with('0'));
    is_number && (rest == "#" || is_json_pointer(rest))
}

fn is_regex(text: &str) -> bool {
    // What can't be matched here is a regular expression all the same.
    Pattern::new(text).map_or_else(|error| error.is_unsupported(), |_| true)
}

fn is_base64(text: &str) -> bool {
    let content = text.trim_end_matches('=');
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    text.len().is_multiple_of(4) && text.len() - content.len() <= 2 && content.bytes().all(is_digit)
}

fn is_json_pointer(text: &str) -> bool {
    (text.is_empty() || text.starts_with('/'))
        && text
            .split('~')
            .skip(1)
            .all(|rest| rest.starts_with(['0', '1']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_formats() {
        for format in Format::ALL {
            assert_eq!(Format::from_name(format.as_str()), Some(*format));
        }
        assert_eq!(Format::from_name("color"), None);
    }

    #[test]
    fn typed_formats_are_strings_in_json() {
        let date: Date = serde_json::from_str("\"2026-11-21\"").expect("a date");
        assert_eq!(
            serde_json::to_string(&date).ok().as_deref(),
            Some("\"2026-11-21\"")
        );
        let error = serde_json::from_str::<Date>("\"2026-13-01\"").expect_err("no such month");
        assert_eq!(error.to_string(), "not a valid date");
    }

    #[test]
    fn a_quote_in_a_quoted_local_part_is_escaped() {
        assert!(Format::Email.is_valid(r#""joe \"the\" bloggs"@example.com"#));
        assert!(!Format::Email.is_valid(r#""joe "the" bloggs"@example.com"#));
        assert!(!Format::Email.is_valid(r#""joe\"@example.com"#));
    }
}
