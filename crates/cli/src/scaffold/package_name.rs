//! Names of packages that cargo takes, and that no dependency of a generated project has.

use crate::scaffold::lockfile;
use agentgen_build::text::slug::Slug;

/// The longest name.
const LONGEST: usize = 64;

/// The name of a package for a folder called `folder`: its words in lower case with hyphens, and `-service` behind
/// them where the words alone can't be a name.
///
/// # Errors
///
/// Why there is none, and what to do.
pub fn for_folder(folder: &str) -> Result<String, String> {
    let slug = Slug::new(folder).map_err(|_| {
        format!("no package can be named after `{folder}`; name it with `--name NAME`")
    })?;
    let mut name = slug.as_str().to_owned();
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name = format!("service-{name}");
    }
    if is_reserved(&name) {
        name.push_str("-service");
    }
    check(&name).map(|()| name)
}

/// Whether a package of a generated project can be called `name`.
///
/// # Errors
///
/// Why not, and what to do.
pub fn check(name: &str) -> Result<(), String> {
    let first = name.chars().next();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let why = if first.is_none() {
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
    Err(match for_folder(name) {
        Ok(near) if near != name => {
            format!("a package can't be named `{name}`: {why}; `{near}` is possible")
        }
        _ => format!("a package can't be named `{name}`: {why}"),
    })
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
    use super::{check, for_folder};

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
            ("caf\u{e9}", "caf"),
            ("con", "con-agent"),
        ] {
            assert_eq!(for_folder(folder).as_deref(), Ok(name), "{folder}");
            assert_eq!(check(name), Ok(()));
        }
        for folder in ["\u{65e5}\u{672c}", "...", "", &"a".repeat(80)] {
            assert!(for_folder(folder).is_err(), "{folder}");
        }
    }

    #[test]
    fn a_name_that_was_asked_for_is_taken_as_it_is_or_not_at_all() {
        assert_eq!(check("support_desk2"), Ok(()));
        for (name, words) in [
            ("test", "`test-service` is possible"),
            ("self", "`self-service` is possible"),
            ("2fast", "`service-2fast` is possible"),
            ("a b", "`a-b` is possible"),
            ("", "it is empty"),
        ] {
            let refused = check(name).err().unwrap_or_default();
            assert!(refused.contains(words), "{name}: {refused}");
        }
    }
}
