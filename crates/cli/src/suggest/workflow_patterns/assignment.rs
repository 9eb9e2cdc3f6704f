//! Reads which agents the text of a step assigns, and their task.

use crate::suggest::reading::agent_mentions::{Names, cut, without_aside};

/// The agents that a text assigns a task to.
#[derive(Debug)]
pub struct Assignment {
    /// The agents, each with the text in parentheses behind it.
    pub agents: Vec<(String, String)>,
    /// The task.
    pub task: String,
    /// Whether the text is written as a step: "name: task". A sentence may only mention an agent.
    pub is_step: bool,
}

/// What separates an agent from its task.
const SEPARATORS: [&str; 8] = [
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

/// How many labels may precede an assignment: "Design: Plan: architect" has two.
const MAX_LABELS: usize = 2;

/// What a rule says about a text.
enum Outcome {
    /// The rule does not apply: the next one is tried.
    NoMatch,
    /// The rule applies, and this is the assignment.
    Match(Assignment),
    /// The rule applies, and the text assigns nothing.
    Reject,
}

/// A rule reads the text of a step. Its name is the form it reads.
type Rule = fn(&Text<'_>, &Names<'_>) -> Outcome;

/// The rules, in the order they are tried.
const RULES: [(&str, Rule); 7] = [
    ("coder, tester (unit tests)", agents_only),
    ("Task(subagent_type=\"coder\", prompt=\"Build\")", task_call),
    ("coder: build", agents_then_task),
    ("Agents: coder task: build", agents_label),
    ("Build: coder", label_then_assignment),
    ("Build the service (coder)", agents_in_brackets),
    ("coder builds the service", agents_then_predicate),
];

/// The text of a step, and how many labels may still precede the assignment.
struct Text<'t> {
    /// Without blanks and colons at its end.
    whole: &'t str,
    /// Also without "(parallel)" and "Task tool:" at its start.
    bare: &'t str,
    labels: usize,
}

/// The agents that `text` assigns a task to.
pub fn parse_assignment(text: &str, names: &Names<'_>) -> Option<Assignment> {
    if text.len() > MAX_TEXT {
        return None;
    }
    parse_behind_labels(text, MAX_LABELS, names)
}

fn parse_behind_labels(text: &str, labels: usize, names: &Names<'_>) -> Option<Assignment> {
    let whole = text.trim().trim_end_matches(':');
    let marked = whole
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .filter(|(inner, _)| is_parallel_mark(inner));
    let unmarked = marked.map_or(whole, |(_, rest)| rest.trim_start());
    let bare = unmarked
        .strip_prefix("Task tool:")
        .map_or(unmarked, str::trim_start);
    let text = Text {
        whole,
        bare,
        labels,
    };
    for (_, rule) in RULES {
        match rule(&text, names) {
            Outcome::NoMatch => {}
            Outcome::Match(assignment) => return Some(assignment),
            Outcome::Reject => return None,
        }
    }
    mentioned_agents(whole, names)
}

fn step(agents: Vec<(String, String)>, task: &str) -> Outcome {
    Outcome::Match(Assignment {
        agents,
        task: plain(task).trim().to_owned(),
        is_step: true,
    })
}

fn without_asides(agents: Vec<String>) -> Vec<(String, String)> {
    let agents = agents.into_iter();
    agents.map(|name| (name, String::new())).collect()
}

/// "coder, tester (unit tests)", "Then ask the coder".
fn agents_only(text: &Text<'_>, names: &Names<'_>) -> Outcome {
    let (before, aside) = without_aside(text.bare);
    let agents = names
        .list(text.bare)
        .or_else(|| names.list(without_verb(before)));
    let Some(mut agents) = agents else {
        return Outcome::NoMatch;
    };
    if let [(_, own)] = agents.as_mut_slice()
        && own.is_empty()
    {
        aside.clone_into(own);
    }
    step(agents, "")
}

/// `Task(subagent_type="coder", prompt="Build")`.
fn task_call(text: &Text<'_>, names: &Names<'_>) -> Outcome {
    let agents = call_argument(text.bare, "subagent_type").and_then(|name| names.list(name));
    match agents {
        Some(agents) => step(
            agents,
            call_argument(text.bare, "prompt").unwrap_or_default(),
        ),
        None => Outcome::NoMatch,
    }
}

/// "coder: build", "ask the coder → build".
fn agents_then_task(text: &Text<'_>, names: &Names<'_>) -> Outcome {
    let Some((head, task)) = cut(text.bare, &SEPARATORS) else {
        return Outcome::NoMatch;
    };
    match names.list(without_verb(head)) {
        Some(agents) => step(agents, task),
        None => Outcome::NoMatch,
    }
}

/// "Agents: coder task: build". Without "task:" it only says who takes part: "Agents: coder, tester".
fn agents_label(text: &Text<'_>, names: &Names<'_>) -> Outcome {
    let Some((_, rest)) = cut(text.bare, &SEPARATORS).filter(|(head, _)| is_label(head)) else {
        return Outcome::NoMatch;
    };
    let Some((agents, rest)) = names.leading(rest) else {
        return Outcome::Reject;
    };
    let rest = rest.trim_start_matches([' ', ',', ';']);
    let task = ["task:", "Task:"]
        .iter()
        .find_map(|word| rest.strip_prefix(word));
    match task {
        Some(task) => step(without_asides(agents), task),
        None => Outcome::Reject,
    }
}

/// "Build: coder", "Build -> Agent: coder". The label becomes the task, or precedes it.
fn label_then_assignment(text: &Text<'_>, names: &Names<'_>) -> Outcome {
    let Some((head, rest)) = cut(text.bare, &SEPARATORS).filter(|_| text.labels > 0) else {
        return Outcome::NoMatch;
    };
    let rest = rest.trim_matches(|c: char| c.is_whitespace() || c == '*');
    let rest = ["agent:", "agents:", "Agent:", "Agents:"]
        .iter()
        .find_map(|word| rest.strip_prefix(word))
        .unwrap_or(rest);
    let inner = parse_behind_labels(rest, text.labels - 1, names);
    match inner.filter(|inner| inner.is_step) {
        Some(inner) if inner.task.is_empty() => step(inner.agents, &plain(head)),
        Some(inner) => step(inner.agents, &format!("{}: {}", plain(head), inner.task)),
        None => Outcome::NoMatch,
    }
}

/// `Build the service (coder)`, `Build the service [coder]`.
fn agents_in_brackets(text: &Text<'_>, names: &Names<'_>) -> Outcome {
    let found = in_brackets(text.whole);
    let agents = found.and_then(|(task, inner)| Some((task, names.list(inner)?)));
    match agents {
        Some((task, agents)) => step(agents, task),
        None => Outcome::NoMatch,
    }
}

/// "coder builds the service", "Both coder and tester look at it".
fn agents_then_predicate(text: &Text<'_>, names: &Names<'_>) -> Outcome {
    let text = text.bare.strip_prefix("Both ").unwrap_or(text.bare);
    match names.leading(text) {
        Some((agents, rest)) if is_predicate(rest) && !names.any(rest) => {
            step(without_asides(agents), rest)
        }
        _ => Outcome::NoMatch,
    }
}

/// A sentence that mentions one agent, or several at the same time: "Have the `coder` build it".
fn mentioned_agents(text: &str, names: &Names<'_>) -> Option<Assignment> {
    let agents = names.mentioned(text);
    let counts = agents.len() == 1 || (!agents.is_empty() && is_parallel(text));
    counts.then(|| Assignment {
        agents: without_asides(agents),
        task: plain(text),
        is_step: false,
    })
}

/// The argument `name` of a call such as `Task(subagent_type="coder", prompt="Build it")`.
fn call_argument<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(name)?;
    let rest = rest
        .trim_start_matches(['"', '\''])
        .trim_start()
        .strip_prefix(['=', ':'])?;
    let rest = rest.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    rest[1..].split(quote).next()
}

/// Whether `text` announces the agents that take part, not a task.
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

/// Whether `text` describes tasks that run at the same time.
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

/// The text before the brackets at the end of `text`, and the text in them.
fn in_brackets(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_end().trim_end_matches(['*', ':', '.']);
    let (open, rest) = match text.strip_suffix(')') {
        Some(rest) => ('(', rest),
        None => ('[', text.strip_suffix(']')?),
    };
    rest.rsplit_once(open)
}

/// `text` without leading words such as those in "Then ask the coder".
fn without_verb(text: &str) -> &str {
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

#[cfg(test)]
mod tests {
    use super::{Assignment, Outcome, RULES, Text, parse_assignment};
    use crate::suggest::reading::agent_mentions::Names;

    fn names() -> Names<'static> {
        Names::new(&["coder", "tester"], &[])
    }

    #[test]
    fn every_rule_reads_its_own_example() {
        let names = names();
        for (example, rule) in RULES {
            let text = Text {
                whole: example,
                bare: example,
                labels: 2,
            };
            let is_match = matches!(rule(&text, &names), Outcome::Match(_));
            assert!(is_match, "{example}");
        }
    }

    #[test]
    fn agents_and_tasks_are_told_apart() {
        let rows = [
            (
                "coder, tester (unit tests)",
                "coder, tester (unit tests)",
                "",
                true,
            ),
            ("Then ask the coder", "coder", "", true),
            (
                "Task(subagent_type=\"coder\", prompt=\"Build\")",
                "coder",
                "Build",
                true,
            ),
            ("coder: build", "coder", "build", true),
            ("Agents: coder task: build", "coder", "build", true),
            ("Build: coder", "coder", "Build", true),
            ("Design: Plan: coder", "coder", "Design: Plan", true),
            ("Build -> Agent: coder", "coder", "Build", true),
            (
                "Build the service (coder)",
                "coder",
                "Build the service",
                true,
            ),
            (
                "coder builds the service",
                "coder",
                "builds the service",
                true,
            ),
            ("(parallel) coder: build", "coder", "build", true),
            (
                "Have the `coder` build it",
                "coder",
                "Have the coder build it",
                false,
            ),
        ];
        for (text, agents, task, is_step) in rows {
            let found = parse_assignment(text, &names());
            let shown = found.as_ref().map(|found: &Assignment| {
                let agents = found
                    .agents
                    .iter()
                    .map(|(name, aside)| match aside.as_str() {
                        "" => name.clone(),
                        aside => format!("{name} ({aside})"),
                    });
                (
                    agents.collect::<Vec<_>>().join(", "),
                    found.task.as_str(),
                    found.is_step,
                )
            });
            assert_eq!(shown, Some((agents.to_owned(), task, is_step)), "{text}");
        }
        for none in [
            "Agents: coder, tester",
            "Rest",
            "coder is slow",
            &"a".repeat(3000),
        ] {
            assert!(parse_assignment(none, &names()).is_none(), "{none}");
        }
    }
}
