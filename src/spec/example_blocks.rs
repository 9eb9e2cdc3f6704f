//! The `<example>` blocks of a description, and what the description says without them.

use serde::Serialize;

/// One `<example>` block: a conversation that shows when the agent is the right one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Example {
    /// What the situation is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// What the user says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What the assistant answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assistant: Option<String>,
    /// Why the agent is the right one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commentary: Option<String>,
}

impl Example {
    /// What the agent is the right one for: the situation and what the user says in it; empty without both.
    pub fn situation(&self) -> String {
        let texts = [&self.context, &self.user].into_iter().flatten();
        texts.map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// The parts of a description.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// The description without its examples and the words that lead to them, on one line.
    pub summary: String,
    /// Its examples, in order.
    pub examples: Vec<Example>,
}

/// Takes `description` apart. Blocks may span lines or be on one, be HTML-escaped, and lack an end.
pub fn parse(description: &str) -> Description {
    let text = unescape_tags(description);
    let mut prose = String::new();
    let mut examples = Vec::new();
    let mut rest = text.as_str();
    while let Some(start) = find_tag(rest, "<example>") {
        prose.push_str(lead_in_removed(&rest[..start]));
        prose.push(' ');
        let inner = &rest[start + "<example>".len()..];
        let next = find_tag(inner, "<example>").unwrap_or(inner.len());
        let (end, after) = match find_tag(&inner[..next], "</example>") {
            Some(end) => (end, end + "</example>".len()),
            None => (next, next),
        };
        let example = block(&inner[..end]);
        if example != Example::default() {
            examples.push(example);
        }
        rest = &inner[after..];
    }
    prose.push_str(rest);
    let summary = prose.split_whitespace().collect::<Vec<_>>().join(" ");
    Description { summary, examples }
}

/// The first `limit` characters of `text`, cut between words, with an ellipsis where some are missing.
pub fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(limit.saturating_sub(1)).collect();
    if let Some(space) = short.rfind(' ') {
        short.truncate(space);
    }
    let end = short.trim_end_matches([',', ';', ':', '.', ' ']).len();
    short.truncate(end);
    short.push('…');
    short
}

/// The text in front of an example without the sentence that only introduces it ("Examples:").
fn lead_in_removed(prose: &str) -> &str {
    let trimmed =
        prose.trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '-' | '*' | '•'));
    let Some(lead) = trimmed.strip_suffix(':') else {
        return trimmed;
    };
    let sentence = [". ", ".\n", "! ", "? ", "\n"]
        .iter()
        .filter_map(|end| lead.rfind(end).map(|at| at + end.len()))
        .max();
    match sentence {
        Some(start) => trimmed[..start].trim_end(),
        // The whole text leads to the examples: it is all there is to say.
        None if is_bare_lead(lead) => "",
        None => lead,
    }
}

fn is_bare_lead(lead: &str) -> bool {
    let lead = lead.trim().to_ascii_lowercase();
    matches!(
        lead.as_str(),
        "example" | "examples" | "examples include" | "usage" | "for example"
    )
}

fn block(inner: &str) -> Example {
    let (rest, commentary) = take_commentary(inner);
    // A block may be on one line: then it has more markers than its lines start with.
    let at_lines = markers(&rest, true);
    let anywhere = markers(&rest, false);
    let one_line = kinds(&anywhere) > kinds(&at_lines);
    let markers = if one_line { anywhere } else { at_lines };
    let mut example = Example {
        commentary,
        ..Example::default()
    };
    let mut ends = markers.iter().skip(1).map(|marker| marker.start);
    for marker in &markers {
        let end = ends.next().unwrap_or(rest.len());
        let text = clean(&rest[marker.value..end]);
        let slot = match marker.who {
            Who::Context => &mut example.context,
            Who::User => &mut example.user,
            Who::Assistant => &mut example.assistant,
        };
        match slot {
            _ if text.is_empty() => {}
            Some(earlier) => {
                earlier.push('\n');
                earlier.push_str(&text);
            }
            None => *slot = Some(text),
        }
    }
    if markers.is_empty() {
        example.context = Some(clean(&rest)).filter(|text| !text.is_empty());
    }
    example
}

fn take_commentary(inner: &str) -> (String, Option<String>) {
    let Some(start) = find_tag(inner, "<commentary>") else {
        return (inner.to_owned(), None);
    };
    let behind = &inner[start + "<commentary>".len()..];
    let (end, after) = match find_tag(behind, "</commentary>") {
        Some(end) => (end, end + "</commentary>".len()),
        None => (behind.len(), behind.len()),
    };
    let commentary = Some(clean(&behind[..end])).filter(|text| !text.is_empty());
    (
        format!("{}\n{}", &inner[..start], &behind[after..]),
        commentary,
    )
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Context,
    User,
    Assistant,
}

/// How many kinds of markers there are.
fn kinds(markers: &[Marker]) -> usize {
    let all = [Who::Context, Who::User, Who::Assistant];
    all.iter()
        .filter(|who| markers.iter().any(|marker| marker.who == **who))
        .count()
}

struct Marker {
    who: Who,
    start: usize,
    value: usize,
}

/// Where `Context:`, `user:` and `assistant:` are: at the starts of lines, or behind any blank.
fn markers(text: &str, at_line_starts: bool) -> Vec<Marker> {
    let mut markers = Vec::new();
    let mut fresh = true;
    for (index, c) in text.char_indices() {
        if fresh {
            for (word, who) in [
                ("context:", Who::Context),
                ("user:", Who::User),
                ("assistant:", Who::Assistant),
            ] {
                let found = text
                    .get(index..index + word.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(word));
                if found {
                    markers.push(Marker {
                        who,
                        start: index,
                        value: index + word.len(),
                    });
                }
            }
        }
        fresh = match c {
            '\n' => true,
            ' ' | '\t' | '-' | '*' if at_line_starts => fresh,
            c => !at_line_starts && (c.is_whitespace() || matches!(c, '*' | '-')),
        };
    }
    markers
}

/// `text` on one line, without the quotes around it.
fn clean(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.trim_matches(|c: char| c == '*' || c.is_whitespace());
    let line = line.trim_end_matches(" -").trim_end();
    for (open, close) in [('"', '"'), ('\'', '\''), ('\u{201c}', '\u{201d}')] {
        let inner = line
            .strip_prefix(open)
            .and_then(|rest| rest.strip_suffix(close));
        if let Some(inner) = inner {
            return inner.trim().to_owned();
        }
    }
    line.to_owned()
}

fn find_tag(text: &str, tag: &str) -> Option<usize> {
    text.char_indices().map(|(index, _)| index).find(|index| {
        text.get(*index..index + tag.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(tag))
    })
}

fn unescape_tags(text: &str) -> String {
    let mut text = text.to_owned();
    for name in ["example", "/example", "commentary", "/commentary"] {
        text = text.replace(&format!("&lt;{name}&gt;"), &format!("<{name}>"));
    }
    text
}
