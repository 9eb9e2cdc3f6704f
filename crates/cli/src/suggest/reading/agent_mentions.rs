//! Recognises names of agents in a text.

use agentgen_build::inspect::Slug;

/// The names that are known as those of agents.
pub struct Names<'a> {
    known: Vec<(&'a str, String)>,
    has_roster: bool,
}

impl<'a> Names<'a> {
    /// The names of the `agents` there are, and of those that a body lists in a `roster`.
    pub fn new(agents: &[&'a str], roster: &[&'a str]) -> Self {
        let all = agents.iter().chain(roster);
        let known = all.filter_map(|name| Some((*name, name_key(name)?)));
        Self {
            known: known.collect(),
            has_roster: !roster.is_empty(),
        }
    }

    /// The agent that `text` is the name of: one that is known, in whatever letters, or one that is written as
    /// agents are.
    pub fn whole(&self, text: &str) -> Option<String> {
        let marked = text.trim().starts_with(['*', '`', '@', '_']);
        let name = bare(text);
        let key = name_key(name)?;
        if name.split_whitespace().count() > 6 {
            return None;
        }
        let known = || self.known.iter();
        let exact = known().find(|(known, _)| *known == name);
        if let Some((known, _)) = exact.or_else(|| known().find(|(_, other)| *other == key)) {
            return Some((*known).to_owned());
        }
        let mention = text.trim().starts_with('@') && is_slug(name);
        // Where a roster says who there is, "follow-up: ..." names nobody.
        let new = is_name(name) && (marked || !self.has_roster || is_role(name));
        (new || mention).then(|| name.to_owned())
    }

    /// The agents of a list such as "`coder`, tester (unit tests) and @writer", each with the text in parentheses
    /// behind it; `None` if there is anything else.
    pub fn list(&self, text: &str) -> Option<Vec<(String, String)>> {
        let parts = split(
            unbracketed(text),
            &[",", "+", "&", "||", "\u{2225}", " and "],
        );
        let parts = parts.iter().map(|part| part.trim());
        parts
            .filter(|part| !part.is_empty())
            .map(|part| {
                let (name, aside) = without_aside(part.strip_prefix("and ").unwrap_or(part));
                Some((self.whole(name)?, aside.to_owned()))
            })
            .collect::<Option<Vec<_>>>()
            .filter(|found| !found.is_empty())
    }

    /// The known agents that `text` begins with, as in "writer drafts" or "coder and tester work", and the rest.
    pub fn leading<'t>(&self, text: &'t str) -> Option<(Vec<String>, &'t str)> {
        let mut found = Vec::new();
        let mut rest = text.trim_start();
        loop {
            let (name, behind) = self.first(rest)?;
            found.push(name);
            let next = behind.trim_start();
            let joined = ["and ", "& ", "+ ", ", and ", ", "];
            let Some(next) = joined.iter().find_map(|mark| next.strip_prefix(mark)) else {
                rest = behind;
                break;
            };
            if self.first(next).is_none() {
                rest = behind;
                break;
            }
            rest = next;
        }
        Some((found, rest))
    }

    /// The known name that `text` begins with, as it is written, and the text behind it.
    fn first<'t>(&self, text: &'t str) -> Option<(String, &'t str)> {
        let marks = |c: char| matches!(c, '@' | '`' | '*' | '[');
        let bare = text.trim_start_matches(marks);
        let names = self.known.iter().filter(|(name, _)| {
            let behind = bare.strip_prefix(*name);
            behind.is_some_and(|rest| !rest.starts_with(|c: char| is_inner(c) || is_quote(c)))
        });
        let (name, _) = names.max_by_key(|(name, _)| name.len())?;
        Some((
            (*name).to_owned(),
            bare[name.len()..].trim_start_matches(['`', '*', ']']),
        ))
    }

    /// The known agents that a sentence names, each once: a name with a hyphen anywhere, any other where it is marked
    /// as one or follows a verb such as "ask".
    pub fn mentioned(&self, text: &str) -> Vec<String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let plain = |word: &str| word.trim_matches(|c: char| !is_inner(c)).to_owned();
        let mut found: Vec<String> = Vec::new();
        for (at, word) in words.iter().enumerate() {
            let name = plain(word);
            let Some((known, _)) = self.known.iter().find(|(known, _)| *known == name) else {
                continue;
            };
            let marked = word.trim_start_matches(['(', '[']).starts_with(['@', '`']);
            let bold = word.contains("**");
            let before = words[..at]
                .iter()
                .rev()
                .map(|word| plain(word).to_lowercase());
            let after_verb = before
                .skip_while(|word| matches!(word.as_str(), "the" | "to" | "over" | "off"))
                .take(1)
                .any(|word| VERBS.contains(&word.as_str()));
            let called = words.get(at + 1).is_some_and(|next| {
                matches!(plain(next).as_str(), "agent" | "agents" | "subagent")
            });
            // "support and order-processor" are two, "support the order-processor" is one.
            let known_at = |at: usize| {
                let name = words.get(at).map(|word| plain(word)).unwrap_or_default();
                self.known.iter().any(|(known, _)| *known == name)
            };
            let joins = |at: usize| {
                words
                    .get(at)
                    .is_some_and(|word| matches!(*word, "and" | "or" | "&" | "+"))
            };
            let joined = (joins(at + 1) && known_at(at + 2))
                || (at > 1 && joins(at - 1) && known_at(at - 2))
                || (word.ends_with(',') && known_at(at + 1));
            let is_agent = joined || name.contains('-') || marked || bold || after_verb || called;
            if is_agent && !found.iter().any(|other| other == known) {
                found.push((*known).to_owned());
            }
        }
        found
    }

    /// Whether `text` contains a known name as a word of its own.
    pub fn any(&self, text: &str) -> bool {
        let mut words = text.split(|c: char| !is_inner(c));
        words.any(|word| self.known.iter().any(|(name, _)| *name == word))
    }
}

/// Verbs that are followed by the agent that gets the task.
const VERBS: [&str; 17] = [
    "ask", "assign", "call", "consult", "delegate", "deploy", "dispatch", "engage", "hand", "have",
    "invoke", "launch", "let", "run", "send", "spawn", "use",
];

fn is_inner(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_')
}

fn is_quote(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}')
}

/// Whether the last word of `name` says what somebody is: `api-designer`, `team-lead`.
fn is_role(name: &str) -> bool {
    let last = name.rsplit('-').next().unwrap_or(name);
    let ends = [
        "er", "or", "ist", "ect", "ant", "ert", "yst", "ian", "agent", "lead", "dev",
    ];
    ends.iter().any(|end| last.ends_with(end))
}

/// `text` without the marks around a name, and without "agent" behind it.
fn bare(text: &str) -> &str {
    let marks = |c: char| c.is_whitespace() || matches!(c, '*' | '_' | '`' | '@' | '"');
    let text = text.trim_matches(marks);
    let articles = ["the ", "The "];
    let text = articles
        .iter()
        .find_map(|word| text.strip_prefix(word))
        .unwrap_or(text);
    let ends = [" agent", " Agent", " subagent", " sub-agent"];
    let text = ends
        .iter()
        .find_map(|end| text.strip_suffix(end))
        .unwrap_or(text);
    text.trim_matches(marks)
}

/// `text` without brackets around all of it.
fn unbracketed(text: &str) -> &str {
    let text = text.trim();
    let pairs = [('(', ')'), ('[', ']'), ('{', '}')];
    let inner = pairs.iter().find_map(|(open, close)| {
        let inner = text.strip_prefix(*open)?.strip_suffix(*close)?;
        (!inner.contains([*open, *close])).then_some(inner)
    });
    inner.unwrap_or(text)
}

/// `text` without the parentheses at its end, and the text in them.
pub fn without_aside(text: &str) -> (&str, &str) {
    let text = text.trim_end();
    match text
        .strip_suffix(')')
        .and_then(|rest| rest.rsplit_once('('))
    {
        Some((before, aside)) if !before.trim().is_empty() => (before.trim_end(), aside),
        _ => (text, ""),
    }
}

/// The parts of `text` between those `marks` that are outside of brackets.
pub fn split<'t>(text: &'t str, marks: &[&str]) -> Vec<&'t str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((part, behind)) = cut(rest, marks) {
        parts.push(part);
        rest = behind;
    }
    parts.push(rest);
    parts
}

/// The text before and behind the first of `marks` that is outside of brackets.
pub fn cut<'t>(text: &'t str, marks: &[&str]) -> Option<(&'t str, &'t str)> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 => {
                if let Some(rest) = marks.iter().find_map(|mark| text[at..].strip_prefix(*mark)) {
                    return Some((&text[..at], rest));
                }
            }
            _ => {}
        }
    }
    None
}

/// What all ways to write the name of one agent have in common; none without a letter or digit. A name that makes no slug, such
/// as one in Japanese, is the same in whatever case: its agent is called after its file in paths, not in prose.
pub fn name_key(name: &str) -> Option<String> {
    match Slug::new(name) {
        Ok(slug) => Some(slug.to_string()),
        Err(_) => {
            let text = name.trim().to_lowercase();
            text.contains(char::is_alphanumeric).then_some(text)
        }
    }
}

/// Whether `text` is written as the agents of paths are: `reviewer`, `code-reviewer`.
pub fn is_slug(text: &str) -> bool {
    Slug::new(text).is_ok_and(|slug| slug.as_str() == text)
}

/// Whether `text` is written as agents are, and not as other words: `code-reviewer`.
pub fn is_name(text: &str) -> bool {
    text.contains('-')
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && is_slug(text)
}
