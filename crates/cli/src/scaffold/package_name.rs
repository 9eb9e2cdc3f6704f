//! Names of packages that cargo accepts and that no dependency of a generated project has.

use std::fmt;

use crate::scaffold::lockfile;
use agentgen_build::inspect::Slug;

/// The longest name.
const LONGEST: usize = 64;

/// The name of a package for a folder called `folder`: its words in lower case with hyphens, and `-service` behind
/// them where the words alone can't be a name.
///
/// # Errors
///
/// Why there is none, and what to do.
pub fn package_name_for(folder: &str) -> Result<String, NameError> {
    let slug = Slug::new(folder).map_err(|_| NameError::Folder(folder.to_owned()))?;
    let mut name = slug.as_str().to_owned();
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name = format!("service-{name}");
    }
    if is_reserved(&name) {
        name.push_str("-service");
    }
    check_package_name(&name).map(|()| name)
}

/// Whether a package of a generated project can be called `name`.
///
/// # Errors
///
/// Why not, and what to do.
pub fn check_package_name(name: &str) -> Result<(), NameError> {
    let first = name.chars().next();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let reason = if first.is_none() {
        "it is empty"
    } else if name.len() > LONGEST {
        "it is longer than 64 characters"
    } else if first.is_some_and(|first| !first.is_ascii_alphabetic()) {
        "a name begins with a letter from a to z"
    } else if !name.chars().all(allowed) {
        "a name has letters from a to z, digits, `-` and `_` in it"
    } else if is_reserved(name) {
        "Rust, cargo or a crate that the project needs has this name"
    } else {
        return Ok(());
    };
    let suggestion = package_name_for(name).ok().filter(|near| near != name);
    Err(NameError::Invalid {
        name: name.to_owned(),
        reason,
        suggestion,
    })
}

/// Why a name can't be that of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameError {
    /// No name can be made from that of this folder.
    Folder(String),
    /// Cargo refuses the name, or a generated project would.
    Invalid {
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
        /// A similar name that is valid.
        suggestion: Option<String>,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(
                f,
                "no package can be named after `{folder}`; name it with `--name NAME`"
            ),
            Self::Invalid {
                name,
                reason,
                suggestion,
            } => {
                write!(f, "a package can't be named `{name}`: {reason}")?;
                match suggestion {
                    Some(name) => write!(f, "; `{name}` is possible"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Whether Rust, cargo or Windows keeps the name for itself, or a crate that the project is built of has it.
fn is_reserved(name: &str) -> bool {
    let kebab = name.to_ascii_lowercase().replace('_', "-");
    let snake = kebab.replace('-', "_");
    syn::parse_str::<syn::Ident>(&snake).is_err()
        || RESERVED.contains(&snake.as_str())
        || lockfile::version(&kebab).is_some()
        || lockfile::version(&snake).is_some()
}

/// Names of crates that come with Rust, of cargo's folders, of Windows' devices, and those that would be taken for ours.
/// Keywords are not here: `syn` knows them; `gen` and `union` it lets pass.
const RESERVED: [&str; 21] = [
    "agentgen",
    "agentgen_cli",
    "alloc",
    "aux",
    "build",
    "con",
    "core",
    "deps",
    "examples",
    "gen",
    "incremental",
    "main",
    "nul",
    "package",
    "prn",
    "proc_macro",
    "rustc",
    "std",
    "test",
    "tests",
    "vendor",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{check_package_name, package_name_for};

    #[test]
    fn folders_give_names_that_cargo_takes() {
        for (folder, name) in [
            ("support", "support"),
            ("Support Desk", "support-desk"),
            ("SupportDesk", "support-desk"),
            ("my_app", "my-app"),
            ("v1.2", "v1-2"),
            ("42", "service-42"),
            ("test", "test-service"),
            ("type", "type-service"),
            ("gen", "gen-service"),
            ("agentgen", "agentgen-service"),
            ("agentgen-runtime", "agentgen-runtime-service"),
            ("tokio", "tokio-service"),
            ("caf\u{e9}", "cafe"),
            ("con", "con-agent"),
        ] {
            assert_eq!(package_name_for(folder).as_deref(), Ok(name), "{folder}");
            assert_eq!(check_package_name(name), Ok(()));
        }
        for folder in ["\u{65e5}\u{672c}", "...", "", &"a".repeat(80)] {
            assert!(package_name_for(folder).is_err(), "{folder}");
        }
    }

    #[test]
    fn a_name_that_was_asked_for_is_taken_as_it_is_or_not_at_all() {
        assert_eq!(check_package_name("support_desk2"), Ok(()));
        for (name, words) in [
            ("test", "`test-service` is possible"),
            ("self", "`self-service` is possible"),
            ("2fast", "`service-2fast` is possible"),
            ("a b", "`a-b` is possible"),
            ("", "it is empty"),
        ] {
            let refused = check_package_name(name).unwrap_err().to_string();
            assert!(refused.contains(words), "{name}: {refused}");
        }
    }
}
