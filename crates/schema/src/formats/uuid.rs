//! UUIDs, read and written with hyphens.

use std::fmt;
use std::str::FromStr;

use crate::formats::{Format, FormatError};

/// A UUID (RFC 9562), written with hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; 16]);

/// Where the hyphens are.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

impl Uuid {
    /// The UUID of these bytes, the most significant first. Whoever makes new ones chooses their version.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes, the most significant first.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for Uuid {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        parse(text).map(Self).ok_or(FormatError(Format::Uuid))
    }
}

fn parse(text: &str) -> Option<[u8; 16]> {
    let is_hyphenated = HYPHENS
        .iter()
        .all(|place| text.as_bytes().get(*place) == Some(&b'-'));
    if text.len() != 36 || !is_hyphenated {
        return None;
    }
    let digits: Option<Vec<u32>> = text
        .chars()
        .enumerate()
        .filter(|(place, _)| !HYPHENS.contains(place))
        .map(|(_, digit)| digit.to_digit(16))
        .collect();
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits?.chunks_exact(2)) {
        *byte = u8::try_from(pair[0] * 16 + pair[1]).ok()?;
    }
    Some(bytes)
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let places = (0..text.len()).filter(|place| !HYPHENS.contains(place));
        let halves = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        for (place, half) in places.zip(halves) {
            text[place] = DIGITS[usize::from(half)];
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_agree() {
        let text = "2eb8aa08-aa98-11ea-b4aa-73b441d16380";
        let uuid: Uuid = text.to_uppercase().parse().expect("a UUID");
        assert_eq!(uuid.to_string(), text);
        assert_eq!(Uuid::from_bytes(*uuid.as_bytes()), uuid);
        assert_eq!(uuid.as_bytes()[..2], [0x2e, 0xb8]);
        assert!(text.replace('-', "").parse::<Uuid>().is_err());
    }
}
