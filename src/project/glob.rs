//! Glob patterns over paths: `?` for a character, `*` for any within a name, `**` for any folders.

/// Whether `entry` contains a wildcard.
pub fn is_pattern(entry: &str) -> bool {
    entry.contains(['*', '?'])
}

/// Splits a pattern into the folder before the first wildcard and the names to match below it.
pub fn split(pattern: &str) -> (String, Vec<&str>) {
    let names: Vec<&str> = pattern.split('/').collect();
    let first = names
        .iter()
        .position(|name| is_pattern(name))
        .unwrap_or(names.len());
    let mut folder = names[..first].join("/");
    if folder.is_empty() {
        folder = if pattern.starts_with('/') { "/" } else { "." }.to_owned();
    }
    let rest = names[first..]
        .iter()
        .copied()
        .filter(|name| !name.is_empty() && *name != ".")
        .collect();
    (folder, rest)
}

/// Whether the names of a path match the names of a pattern.
pub fn matches(pattern: &[&str], path: &[&str]) -> bool {
    backtrack(
        pattern,
        path,
        |name| *name == "**",
        |pattern, name| matches_name(pattern, name),
    )
}

fn matches_name(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    backtrack(
        &pattern,
        &name,
        |character| *character == '*',
        |pattern, character| *pattern == '?' || pattern == character,
    )
}

/// Matches with one point to go back to: the last star, which may always take one item more.
fn backtrack<T>(
    pattern: &[T],
    items: &[T],
    is_star: impl Fn(&T) -> bool,
    matches_one: impl Fn(&T, &T) -> bool,
) -> bool {
    let (mut at, mut item) = (0, 0);
    let mut last_star = None;
    while item < items.len() {
        if pattern.get(at).is_some_and(&is_star) {
            last_star = Some((at, item));
            at += 1;
        } else if pattern
            .get(at)
            .is_some_and(|one| matches_one(one, &items[item]))
        {
            at += 1;
            item += 1;
        } else if let Some((star, taken)) = last_star {
            last_star = Some((star, taken + 1));
            at = star + 1;
            item = taken + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(is_star)
}

#[cfg(test)]
mod tests {
    use super::{matches, split};

    fn glob(pattern: &str, path: &str) -> bool {
        let pattern: Vec<&str> = pattern.split('/').collect();
        let path: Vec<&str> = path.split('/').collect();
        matches(&pattern, &path)
    }

    #[test]
    fn stars_and_question_marks() {
        assert!(glob("*.md", "a.md"));
        assert!(glob("a*b*c.m?", "a--b-b--c.md"));
        assert!(!glob("*.md", "a/b.md"));
        assert!(!glob("?.md", "ab.md"));
        assert!(glob("**/*.md", "a.md"));
        assert!(glob("**/agents/*.md", "x/y/agents/a.md"));
        assert!(!glob("**/agents/*.md", "x/agents/y/a.md"));
        assert!(glob("a/**", "a/b/c"));
        assert!(glob("?.md", "é.md"));
    }

    #[test]
    fn splits_before_the_first_wildcard() {
        assert_eq!(
            split("../x/.claude/*/a.md"),
            ("../x/.claude".to_owned(), vec!["*", "a.md"])
        );
        assert_eq!(split("*.md"), (".".to_owned(), vec!["*.md"]));
        assert_eq!(split("/*.md"), ("/".to_owned(), vec!["*.md"]));
    }
}
