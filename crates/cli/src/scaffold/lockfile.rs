//! The lock file of a generated project: the versions that agentgen itself was tested with.
//!
//! `conformance/lock` makes it, with cargo, from the lock file of the workspace.

/// The lock file of a project that is called [`PLACEHOLDER`].
const TEMPLATE: &str = include_str!("../../embed/project.lock");
/// The name of that project.
const PLACEHOLDER: &str = "project-of-agentgen";
const HEAD: &str = "[[package]]\n";

/// The text of the `Cargo.lock` of a project called `name`, which has agentgen's crates by path.
pub fn text_for(name: &str) -> String {
    let mut parts = TEMPLATE.split(HEAD);
    let head = parts.next().unwrap_or_default();
    let mut packages: Vec<String> = parts
        .map(|package| format!("{}\n", package.trim_end()))
        .map(|package| {
            let placeholder = format!("name = \"{PLACEHOLDER}\"\n");
            package.replace(&placeholder, &format!("name = \"{name}\"\n"))
        })
        .collect();
    // Cargo keeps them sorted; versions of one name stay in their order.
    packages.sort_by_key(|package| field(package, "name").unwrap_or_default().to_owned());
    let mut text = head.to_owned();
    for (index, package) in packages.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        text.push_str(HEAD);
        text.push_str(package);
    }
    text
}

/// The version of the crate `name`, if projects are built of it.
pub fn version(name: &str) -> Option<&'static str> {
    let mut packages = TEMPLATE.split(HEAD).filter(|_| name != PLACEHOLDER);
    let package = packages.find(|package| field(package, "name") == Some(name))?;
    field(package, "version")
}

fn field<'a>(package: &'a str, key: &str) -> Option<&'a str> {
    let value = package
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
    value.and_then(|value| value.strip_suffix('"'))
}

#[cfg(test)]
mod tests {
    use super::{text_for, version};

    #[test]
    fn the_project_stands_at_its_place() {
        let text = text_for("support");
        assert!(text.contains("name = \"support\"\nversion = \"0.1.0\"\ndependencies = [\n"));
        assert!(!text.contains("project-of-agentgen"));
        let names: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("name = "))
            .collect();
        assert!(names.is_sorted(), "{names:?}");
        assert!(version("tokio").is_some_and(|version| version.starts_with("1.")));
        assert_eq!(version("no-such-crate"), None);
    }
}
