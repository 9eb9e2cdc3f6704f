//! The words that the generator and the runtime share, each list in one place.
//!
//! Invariant: generated code names the variants, so a variant is never renamed. `Serialize` gives the name of the variant,
//! which is what templates of Rust code print; [`as_str`](Method::as_str) gives the word.

use serde::Serialize;

/// Declares an enum whose variants are words: the enum, all of its values, their words and their titles from one list.
///
/// ```
/// agentgen_schema::vocabulary! {
///     /// A colour of a traffic light.
///     pub enum Light {
///         /// Stop.
///         Red = "red",
///         /// Go.
///         Green = "green",
///     }
/// }
///
/// assert_eq!(Light::ALL.map(Light::as_str), ["red", "green"]);
/// assert_eq!(Light::parse("green"), Some(Light::Green));
/// assert_eq!(Light::Red.title(), "Stop.");
/// assert_eq!(Light::Red.to_string(), "red");
/// ```
#[macro_export]
macro_rules! vocabulary {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident {
            $($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility enum $name {
            $($(#[doc = $doc])+ $variant,)+
        }

        #[allow(dead_code, reason = "not every list uses all of its functions")]
        impl $name {
            /// Every value, in the order of the declaration.
            pub const ALL: [Self; [$(Self::$variant),+].len()] = [$(Self::$variant),+];

            /// The word, as files and messages write it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// The value with this word.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// What the value stands for, in one sentence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

vocabulary! {
    /// An HTTP method that an endpoint can have, written as HTTP writes it.
    #[derive(Serialize)]
    pub enum Method {
        /// `GET`
        Get = "GET",
        /// `POST`
        Post = "POST",
        /// `PUT`
        Put = "PUT",
        /// `PATCH`
        Patch = "PATCH",
        /// `DELETE`
        Delete = "DELETE",
    }
}

impl Method {
    /// Whether requests of this method carry a JSON body.
    #[must_use]
    pub const fn has_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}

vocabulary! {
    /// What answers an endpoint.
    #[derive(Serialize)]
    pub enum Handler {
        /// The agent's prompt on its model, unless code overrides it.
        Model = "model",
        /// Code written by hand.
        Code = "code",
        /// The agent's passages that are nearest to a query, unless code overrides it.
        Search = "search",
        /// The embedding of texts, unless code overrides it.
        Embed = "embed",
    }
}

vocabulary! {
    /// The part of a request that holds a parameter, as OpenAPI's `in` names it.
    #[derive(Serialize)]
    pub enum ParameterLocation {
        /// The path, in braces.
        Path = "path",
        /// The query.
        Query = "query",
        /// A header, whose name is the same in upper and lower case.
        Header = "header",
    }
}

vocabulary! {
    /// How the text of a parameter is read. The plural ones come from a repeated query key.
    #[derive(Serialize)]
    pub enum ParameterKind {
        /// Text.
        String = "string",
        /// A whole number.
        Integer = "integer",
        /// A number.
        Number = "number",
        /// `true` or `false`.
        Boolean = "boolean",
        /// Several texts.
        Strings = "strings",
        /// Several whole numbers.
        Integers = "integers",
        /// Several numbers.
        Numbers = "numbers",
        /// Several of `true` and `false`.
        Booleans = "booleans",
    }
}

impl ParameterKind {
    /// Whether the parameter is a list.
    #[must_use]
    pub const fn is_list(self) -> bool {
        matches!(
            self,
            Self::Strings | Self::Integers | Self::Numbers | Self::Booleans
        )
    }

    /// The list of such values; none for what is a list already.
    #[must_use]
    pub const fn list(self) -> Option<Self> {
        match self {
            Self::String => Some(Self::Strings),
            Self::Integer => Some(Self::Integers),
            Self::Number => Some(Self::Numbers),
            Self::Boolean => Some(Self::Booleans),
            Self::Strings | Self::Integers | Self::Numbers | Self::Booleans => None,
        }
    }
}

vocabulary! {
    /// How an expression of a workflow compares two values.
    #[derive(Serialize)]
    pub enum Comparison {
        /// `==`
        Equal = "==",
        /// `!=`
        NotEqual = "!=",
        /// `<`
        Less = "<",
        /// `<=`
        AtMost = "<=",
        /// `>`
        More = ">",
        /// `>=`
        AtLeast = ">=",
        /// `in`: the right one, a list or a text, contains the left one.
        In = "in",
    }
}

/// The path at which the events of the endpoint at `path` are served.
///
/// ```
/// assert_eq!(agentgen_schema::stream_path("/items/{id}"), "/items/{id}/stream");
/// ```
#[must_use]
pub fn stream_path(path: &str) -> String {
    format!("{path}/stream")
}

vocabulary! {
    /// What becomes of the moments of a schedule at which no process was there to start a run.
    #[derive(Serialize)]
    pub enum Missed {
        /// None of them starts a run.
        Skip = "skip",
        /// One run starts for all of them.
        One = "one",
        /// Each of them starts a run.
        All = "all",
    }
}

/// The most characters of the id of a conversation.
pub const MAX_SESSION_ID_LENGTH: usize = 128;
/// The ids of conversations that a client may choose. They need no escape in the path of a URL, and no id is `.` or `..`.
pub const SESSION_ID_PATTERN: &str = "^[A-Za-z0-9_-][A-Za-z0-9._~:@=+-]*$";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_values_agree() {
        assert_eq!(
            Method::ALL.map(Method::as_str),
            ["GET", "POST", "PUT", "PATCH", "DELETE"]
        );
        for handler in Handler::ALL {
            assert_eq!(Handler::parse(handler.as_str()), Some(handler));
        }
        assert_eq!(Handler::parse("Model"), None);
        assert_eq!(Handler::Code.title(), "Code written by hand.");
        assert!(ParameterKind::ALL.into_iter().all(|kind| {
            kind.list().is_none_or(ParameterKind::is_list)
                && kind.is_list() == kind.list().is_none()
        }));
    }
}
