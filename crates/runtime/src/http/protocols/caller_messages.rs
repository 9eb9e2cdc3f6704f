//! The messages of a request whose client sends the whole conversation: which one is to be answered, what came before it, and what the
//! model has done about it.
//!
//! Invariant: no message takes the place of the agent's prompt. What a client calls a system or developer message is said by the caller,
//! as everything else that it sends.

use crate::model::{Message, Role, Step, ToolCall, ToolResult};
use crate::session::caller_conversation::CallerConversation;

/// One entry of such a conversation.
#[derive(Debug)]
pub(super) enum Entry {
    /// A message of the user.
    User(String),
    /// An instruction of the client.
    System(String),
    /// A message of the agent, with the calls of the client's tools that follow it.
    Assistant { text: String, calls: Vec<ToolCall> },
    /// The result of a call.
    Result {
        call_id: String,
        text: String,
        is_error: bool,
    },
}

/// What a conversation asks: the last message of the user, and the rest.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) input: String,
    /// Its messages and steps.
    pub(super) conversation: CallerConversation,
}

/// Reads a conversation. Tool calls before the last message of the user are left out, as in the sessions of the service.
///
/// # Errors
/// The index of an entry that is in the wrong place, and why.
pub(super) fn read(entries: Vec<Entry>) -> Result<Asked, (usize, String)> {
    let is_of_user = |entry: &Entry| matches!(entry, Entry::User(_));
    let Some(last) = entries.iter().rposition(is_of_user) else {
        return Err((0, "there is no message of the user".to_owned()));
    };
    let mut messages = Vec::<Message>::new();
    let mut later = Vec::new();
    let mut steps = Steps::default();
    for (index, entry) in entries.into_iter().enumerate() {
        match entry {
            Entry::User(text) => push(&mut messages, Role::User, text),
            // What a client adds at the end is said before the model goes on.
            Entry::System(text) if index > last => later.push(text),
            Entry::System(text) => push(&mut messages, Role::User, text),
            Entry::Assistant { text, calls } if index > last => steps
                .call(index, text, calls)
                .map_err(|detail| (index, detail))?,
            Entry::Assistant { text, .. } if text.is_empty() => {}
            Entry::Assistant { text, .. } => push(&mut messages, Role::Assistant, text),
            Entry::Result {
                call_id,
                text,
                is_error,
            } if index > last => steps
                .end(&call_id, ToolResult::text(text, is_error))
                .map_err(|detail| (index, detail))?,
            Entry::Result { .. } => {}
        }
    }
    for text in later {
        push(&mut messages, Role::User, text);
    }
    let steps = steps.finish()?;
    let input = messages.pop().map_or_else(String::new, |last| last.text);
    Ok(Asked {
        input,
        conversation: CallerConversation {
            messages,
            steps,
            ..CallerConversation::default()
        },
    })
}

/// Adds a message. Two of one author are one: some models answer only to messages that alternate.
fn push(messages: &mut Vec<Message>, role: Role, text: String) {
    match messages.last_mut() {
        Some(last) if last.role == role => {
            last.text.push_str("\n\n");
            last.text.push_str(&text);
        }
        _ => messages.push(Message { role, text }),
    }
}

/// The steps after the last message of the user.
#[derive(Default)]
struct Steps {
    steps: Vec<Step>,
    /// The calls that have no result yet, or not all of them.
    open: Option<OpenStep>,
}

struct OpenStep {
    /// Where it is in the conversation.
    index: usize,
    text: String,
    calls: Vec<ToolCall>,
    results: Vec<Option<ToolResult>>,
}

impl Steps {
    fn call(&mut self, index: usize, text: String, calls: Vec<ToolCall>) -> Result<(), String> {
        let open = match &mut self.open {
            Some(open) if open.results.iter().all(Option::is_none) => open,
            Some(open) => return Err(open.missing()),
            None => self.open.insert(OpenStep {
                index,
                text: String::new(),
                calls: Vec::new(),
                results: Vec::new(),
            }),
        };
        open.text.push_str(&text);
        for call in calls {
            if open.calls.iter().any(|other| other.id == call.id) {
                return Err(format!("two tool calls have the id `{}`", call.id));
            }
            open.calls.push(call);
            open.results.push(None);
        }
        Ok(())
    }

    fn end(&mut self, call_id: &str, result: ToolResult) -> Result<(), String> {
        let unknown = || format!("no tool call without a result has the id `{call_id}`");
        let mut open = self.open.take().ok_or_else(unknown)?;
        let mut calls = open.calls.iter().zip(&mut open.results);
        let slot = calls.find(|(call, result)| call.id == call_id && result.is_none());
        let (_, slot) = slot.ok_or_else(unknown)?;
        *slot = Some(result);
        if open.results.iter().any(Option::is_none) {
            self.open = Some(open);
            return Ok(());
        }
        self.steps.push(Step::ToolCalls {
            model: String::new(),
            text: open.text,
            calls: open.calls,
            results: open.results.into_iter().flatten().collect(),
            metadata: Default::default(),
        });
        Ok(())
    }

    fn finish(self) -> Result<Vec<Step>, (usize, String)> {
        match self.open {
            None => Ok(self.steps),
            Some(open) => Err((open.index, open.missing())),
        }
    }
}

impl OpenStep {
    /// What is missing before something else can follow.
    fn missing(&self) -> String {
        let mut calls = self.calls.iter().zip(&self.results);
        match calls.find(|(_, result)| result.is_none()) {
            Some((call, _)) => format!("the tool call `{}` has no result", call.id),
            None => "the last message must be the user's, or the result of a tool call".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(id: &str) -> ToolCall {
        ToolCall {
            id: id.to_owned(),
            name: "look".to_owned(),
            arguments: json!({}),
            metadata: Default::default(),
        }
    }

    fn said(text: &str, ids: &[&str]) -> Entry {
        Entry::Assistant {
            text: text.to_owned(),
            calls: ids.iter().map(|id| call(id)).collect(),
        }
    }

    fn result(id: &str) -> Entry {
        Entry::Result {
            call_id: id.to_owned(),
            text: format!("of {id}"),
            is_error: false,
        }
    }

    fn user(text: &str) -> Entry {
        Entry::User(text.to_owned())
    }

    fn system(text: &str) -> Entry {
        Entry::System(text.to_owned())
    }

    #[test]
    fn the_last_message_of_the_user_is_the_input_and_calls_after_it_are_steps() {
        let asked = read(vec![
            system("Be brief."),
            user("Hi"),
            said("", &["old"]),
            result("old"),
            said("Hello", &[]),
            user("Look"),
            said("I look.", &[]),
            said("", &["a", "b"]),
            result("b"),
            result("a"),
            system("Hurry."),
            said("", &["c"]),
            result("c"),
        ]);
        let Asked {
            input,
            conversation,
        } = asked.unwrap();
        assert_eq!(input, "Look\n\nHurry.");
        let texts: Vec<_> = conversation.messages.iter().map(|m| &*m.text).collect();
        assert_eq!(texts, ["Be brief.\n\nHi", "Hello"]);
        let [
            Step::ToolCalls {
                text,
                calls,
                results,
                ..
            },
            Step::ToolCalls { .. },
        ] = &*conversation.steps
        else {
            panic!("{:?}", conversation.steps)
        };
        assert_eq!(text, "I look.");
        assert_eq!(calls[0].id, "a");
        assert_eq!(results[0].text, "of a");
    }

    #[test]
    fn a_conversation_that_does_not_fit_together_is_refused() {
        for (entries, index, words) in [
            (vec![said("Hi", &[])], 0, "no message of the user"),
            (vec![user("Hi"), said("Hello", &[])], 1, "the last message"),
            (vec![user("Hi"), said("", &["a"])], 1, "`a` has no result"),
            (vec![user("Hi"), result("a")], 1, "has the id `a`"),
            (
                vec![user("Hi"), said("", &["a"]), result("a"), result("a")],
                3,
                "has the id `a`",
            ),
            (vec![user("Hi"), said("", &["a", "a"])], 1, "two tool calls"),
            (
                vec![
                    user("Hi"),
                    said("", &["a", "b"]),
                    result("a"),
                    said("", &["c"]),
                ],
                3,
                "`b` has no result",
            ),
        ] {
            let (at, detail) = read(entries).unwrap_err();
            assert_eq!(at, index, "{detail}");
            assert!(detail.contains(words), "{detail}");
        }
    }
}
