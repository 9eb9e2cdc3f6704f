//! Who is asked in the text of a step, and what.

use crate::suggest::reading::agent_mentions::{Names, cut, without_aside};

/// What a text asks of agents.
#[derive(Debug)]
pub struct Ask {
    /// The agents with what stands in parentheses behind each.
    pub agents: Vec<(String, String)>,
    /// What they are asked.
    pub task: String,
    /// Whether the text is written as a step is: "name: task". A sentence may only speak of an agent.
    pub is_step: bool,
}

/// What separates an agent from its task.
const MARKS: [&str; 8] = [
    ":",
    "\u{2192}",
    "->",
    "=>",
    "\u{27a1}",
    " \u{2013} ",
    " \u{2014} ",
    " - ",
];

/// The longest text that is read as a step, in bytes; what is longer is prose.
const MAX_TEXT: usize = 2000;

/// The agents that `text` asks, and what they are asked.
pub fn ask(text: &str, names: &Names<'_>) -> Option<Ask> {
    match text.len() <= MAX_TEXT {
        true => ask_behind(text, 2, names),
        false => None,
    }
}

/// The same, behind as many as `labels` in front of it: "Design: Plan: architect".
fn ask_behind(text: &str, labels: usize, names: &Names<'_>) -> Option<Ask> {
    let step = |agents, task: &str| {
        let task = plain(task);
        Some(Ask {
            agents,
            task: task.trim().to_owned(),
            is_step: true,
        })
    };
    let text = text.trim().trim_end_matches(':');
    let marked = text
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .filter(|(inner, _)| is_parallel_mark(inner));
    let unmarked = marked.map_or(text, |(_, rest)| rest.trim_start());
    let unaided = unmarked
        .strip_prefix("Task tool:")
        .map_or(unmarked, str::trim_start);
    let (whole, aside) = without_aside(unaided);
    if let Some(agents) = names
        .list(unaided)
        .or_else(|| names.list(without_word(whole)))
    {
        let agents = match (agents.as_slice(), aside) {
            ([(_, own)], aside) if own.is_empty() => vec![(agents[0].0.clone(), aside.to_owned())],
            _ => agents,
        };
        return step(agents, "");
    }
    if let Some(name) = called(unaided, "subagent_type")
        && let Some(agents) = names.list(name)
    {
        return step(agents, called(unaided, "prompt").unwrap_or_default());
    }
    if let Some((head, rest)) = cut(unaided, &MARKS) {
        if let Some(agents) = names.list(without_word(head)) {
            return step(agents, rest);
        }
        // "Plan: architect", "Plan -> Agent: architect", but not "Agents: architect, coder".
        if is_label(head) {
            let (agents, behind) = names.leading(rest)?;
            let agents = agents
                .into_iter()
                .map(|name| (name, String::new()))
                .collect();
            let behind = behind.trim_start_matches([' ', ',', ';']);
            let told = ["task:", "Task:"]
                .iter()
                .find_map(|word| behind.strip_prefix(word));
            return told.and_then(|task| step(agents, task));
        }
        let rest = rest.trim_matches(|c: char| c.is_whitespace() || c == '*');
        let called = ["agent:", "agents:", "Agent:", "Agents:"];
        let named = called.iter().find_map(|word| rest.strip_prefix(word));
        if labels > 0
            && let Some(found) = ask_behind(named.unwrap_or(rest), labels - 1, names)
            && found.is_step
        {
            let task = match found.task.as_str() {
                "" => plain(head),
                task => format!("{}: {task}", plain(head)),
            };
            return step(found.agents, &task);
        }
    }
    // "Plan the release (architect)", "Plan the release [architect]"
    if let Some(agents) = in_brackets(text).and_then(|(_, inner)| names.list(inner)) {
        let task = in_brackets(text).map_or(text, |(before, _)| before);
        return step(agents, task);
    }
    let together = unaided.strip_prefix("Both ").unwrap_or(unaided);
    if let Some((agents, rest)) = names.leading(together)
        && is_predicate(rest)
        && !names.any(rest)
    {
        let agents = agents.into_iter().map(|name| (name, String::new()));
        return step(agents.collect(), rest);
    }
    let mentioned = names.mentioned(text);
    (mentioned.len() == 1 || is_parallel(text)).then_some(())?;
    let agents: Vec<_> = mentioned
        .into_iter()
        .map(|name| (name, String::new()))
        .collect();
    (!agents.is_empty()).then(|| Ask {
        agents,
        task: plain(text),
        is_step: false,
    })
}

/// What a call such as `Task(subagent_type="coder", prompt="Build it")` says for `name`.
fn called<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(name)?;
    let rest = rest
        .trim_start_matches(['"', '\''])
        .trim_start()
        .strip_prefix(['=', ':'])?;
    let rest = rest.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    rest[1..].split(quote).next()
}

/// Whether `text` announces who takes part, not what somebody does.
pub fn is_label(text: &str) -> bool {
    let text = text.trim().trim_matches('*').to_lowercase();
    [
        "agent",
        "agents",
        "agents involved",
        "agents used",
        "assigned to",
        "involved",
        "involves",
        "lead",
        "owner",
        "participants",
        "primary agent",
        "responsible",
        "specialist",
        "specialists",
        "team",
        "who",
    ]
    .contains(&text.trim())
}

/// Whether `text` says that what it speaks of runs at the same time.
pub fn is_parallel(text: &str) -> bool {
    let text = text.to_lowercase();
    let words: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let at = words.iter().position(|word| {
        let starts = ["parallel", "concurrent", "simultaneous"];
        starts.iter().any(|start| word.starts_with(start))
    });
    match at {
        Some(at) => !words[at.saturating_sub(2)..at]
            .iter()
            .any(|word| matches!(*word, "not" | "no" | "non" | "never")),
        None => text.contains("at the same time") || text.contains("side by side"),
    }
}

/// Whether `text` says so and nothing else: "in parallel".
pub fn is_parallel_mark(text: &str) -> bool {
    let text = text.to_lowercase();
    let mut words = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    is_parallel(&text)
        && words.all(|word| ["in", "run", "execution"].contains(&word) || is_parallel(word))
}

/// `text` without bold marks and backticks, and without a remark that something runs in parallel.
pub fn plain(text: &str) -> String {
    let text = text.replace("**", "").replace("__", "").replace('`', "");
    let mut text = text.trim();
    while let Some((before, _)) = in_brackets(text).filter(|(_, inner)| is_parallel_mark(inner)) {
        text = before.trim_end();
    }
    if is_parallel_mark(text) {
        return String::new();
    }
    if let Some((inner, behind)) = text.strip_prefix('(').and_then(|rest| rest.split_once(')'))
        && is_parallel_mark(inner)
    {
        text = behind.trim_start_matches([':', ' ']);
    }
    let end = text
        .rsplit_once(" in ")
        .filter(|(_, end)| is_parallel_mark(end));
    end.map_or(text, |(before, _)| before.trim_end_matches([',', ' ']))
        .to_owned()
}

/// Whether `rest`, behind the name of an agent, says what that agent does.
fn is_predicate(rest: &str) -> bool {
    let others = [
        "agent", "always", "and", "approval", "are", "can", "feedback", "has", "is", "may", "must",
        "never", "only", "or", "output", "outputs", "result", "results", "should", "vs", "was",
        "will",
    ];
    rest.starts_with(char::is_whitespace)
        && rest.split_whitespace().next().is_some_and(|word| {
            word.starts_with(|c: char| c.is_alphabetic() || c == '(') && !others.contains(&word)
        })
}

/// What stands before the brackets at the end of `text`, and in them.
fn in_brackets(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_end().trim_end_matches(['*', ':', '.']);
    let (open, rest) = match text.strip_suffix(')') {
        Some(rest) => ('(', rest),
        None => ('[', text.strip_suffix(']')?),
    };
    rest.rsplit_once(open)
}

/// `text` without words that only say that somebody is asked: "Then ask the coder".
fn without_word(text: &str) -> &str {
    let mut text = text.trim();
    for word in [
        "then",
        "next",
        "first",
        "finally",
        "use",
        "invoke",
        "ask",
        "call",
        "launch",
        "run",
        "delegate to",
        "hand off to",
        "hand over to",
        "send to",
        "assign to",
        "engage",
        "spawn",
        "both",
    ] {
        let start = text
            .get(..word.len())
            .filter(|start| start.eq_ignore_ascii_case(word));
        if let Some(start) = start {
            let rest = &text[start.len()..];
            if rest.starts_with([' ', ',']) {
                text = rest.trim_start_matches([' ', ',']);
            }
        }
    }
    text
}
