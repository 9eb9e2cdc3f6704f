//! The name of an agent in paths, file names and routes.

use std::fmt;

use heck::ToKebabCase;

use crate::text::ascii_words::ascii_words;

/// The longest slug, in bytes.
pub const MAX_SLUG_BYTES: usize = 64;

/// The name of an agent in paths: `a` to `z`, `0` to `9` and single hyphens, never empty, never the
/// name of a device.
///
/// ```
/// use agentgen_build::inspect::Slug;
///
/// let slug = Slug::new("C++ Expert").map(|slug| slug.to_string());
/// assert_eq!(slug.as_deref(), Ok("c-plus-plus-expert"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slug(String);

/// Why a name makes no slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlugError {
    /// No letter and no digit is in it.
    Empty,
    /// A letter or digit in it has no form in `a` to `z` and `0` to `9`.
    Lossy,
    /// It is longer than [`MAX_SLUG_BYTES`].
    TooLong,
}

impl Slug {
    /// The slug of `name`. A name that is a slug already stays as it is; other names are split into words. Accents are folded
    /// to their letter and some symbols are spelled out (`C#` is `c-sharp`); other symbols separate words.
    ///
    /// # Errors
    ///
    /// When letters would be lost, nothing is left of the name, or too much.
    pub fn new(name: &str) -> Result<Self, SlugError> {
        let slug = if is_slug(name) {
            name.to_owned()
        } else {
            ascii_words(name).ok_or(SlugError::Lossy)?.to_kebab_case()
        };
        if slug.is_empty() {
            return Err(SlugError::Empty);
        }
        if slug.len() > MAX_SLUG_BYTES {
            return Err(SlugError::TooLong);
        }
        if is_device(&slug) {
            return Ok(Self(format!("{slug}-agent")));
        }
        Ok(Self(slug))
    }

    /// The slug as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl serde::Serialize for Slug {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_slug(name: &str) -> bool {
    !name.is_empty()
        && name.split('-').all(|word| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

/// Whether Windows takes `slug` for a device whatever its ending, so that no file can have the name.
fn is_device(slug: &str) -> bool {
    let numbered = |prefix: &str| {
        slug.strip_prefix(prefix)
            .is_some_and(|rest| rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit())
    };
    matches!(slug, "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt")
}
