//! Tool calls that a model writes into its text, because its server does not know the model's format.
//!
//! Example: `<tool_call>{"name": "books", "arguments": {"number": 1}}</tool_call>` calls the tool `books`. What does not parse,
//! names a tool that was not offered, or stands in a block of code, is text.

use serde_json::{Value, json};

use crate::model::openai::thinking_tags::beginning;

/// Marks blocks of code, in which calls are examples.
const FENCE_LENGTH: usize = 3;

/// How a model writes calls.
#[derive(Debug)]
struct Form {
    open: &'static str,
    /// The end; without one, calls go on until the end of the text.
    close: Option<&'static str>,
}

/// Hermes, Qwen and many others; Mistral; Llama.
static FORMS: [Form; 3] = [
    Form {
        open: "<tool_call>",
        close: Some("</tool_call>"),
    },
    Form {
        open: "[TOOL_CALLS]",
        close: None,
    },
    Form {
        open: "<|python_tag|>",
        close: None,
    },
];
/// Marks of an end, which some servers pass on.
const END_MARKS: [&str; 4] = ["<|eom_id|>", "<|eot_id|>", "<|im_end|>", "</s>"];
/// In Mistral's newer form, `[TOOL_CALLS]name[CALL_ID]id[ARGS]{...}`.
const BEFORE_ARGUMENTS: [&str; 3] = ["[CALL_ID]", "[ARGS]", "{"];

/// A part of a text.
#[derive(Debug, PartialEq)]
pub(crate) enum Part {
    Text(String),
    /// A call as it would stand in `tool_calls`.
    Call(Value),
}

/// Splits a text that comes in pieces into text and calls. Text is held back from the beginning of a call on.
#[derive(Debug, Default)]
pub(crate) struct WrittenCalls {
    /// The names of the tools that may be called. Without any, everything is text.
    offered: Vec<String>,
    /// Not yet decided. With `form`, it begins with its `open`.
    held: String,
    form: Option<&'static Form>,
    /// The number of backticks at the end of the text so far, and whether that is within a block of code.
    backticks: usize,
    in_fence: bool,
    /// Whether a call has just ended: the space after it is no text.
    after_call: bool,
}

impl WrittenCalls {
    /// `offered`: the names of the tools that may be called.
    pub(crate) fn new(offered: Vec<String>) -> Self {
        Self {
            offered,
            ..Self::default()
        }
    }

    /// Adds the next piece.
    pub(crate) fn add(&mut self, text: &str) -> Vec<Part> {
        if self.offered.is_empty() {
            return vec![Part::Text(text.to_owned())];
        }
        self.held.push_str(text);
        let mut parts = Vec::new();
        while self.advance(&mut parts) {}
        parts
    }

    /// Takes what is not yet decided, and starts anew.
    pub(crate) fn take_held(&mut self) -> String {
        let offered = std::mem::take(&mut self.offered);
        std::mem::replace(self, Self::new(offered)).held
    }

    /// The text has ended.
    pub(crate) fn end(&mut self) -> Vec<Part> {
        self.skip_space();
        let held = std::mem::take(&mut self.held);
        let mut parts = Vec::new();
        match self.form.take() {
            Some(form) => self.push_calls(form, &held, &held[form.open.len()..], &mut parts),
            None => self.push_text(&held, &mut parts),
        }
        parts
    }

    /// Decides about a part of what is held. Returns whether there may be more to decide.
    fn advance(&mut self, parts: &mut Vec<Part>) -> bool {
        if let Some(form) = self.form {
            let Some(close) = form.close else {
                return false;
            };
            let Some(index) = self.held.find(close) else {
                return false;
            };
            let rest = self.held.split_off(index + close.len());
            let whole = std::mem::replace(&mut self.held, rest);
            self.form = None;
            self.push_calls(form, &whole, &whole[form.open.len()..index], parts);
            return true;
        }
        self.skip_space();
        let found = FORMS
            .iter()
            .filter_map(|form| Some((self.held.find(form.open)?, form)))
            .min_by_key(|(index, _)| *index);
        if let Some((index, form)) = found {
            let rest = self.held.split_off(index);
            let before = std::mem::replace(&mut self.held, rest);
            self.push_text(&before, parts);
            if self.in_fence || self.backticks > 0 {
                let rest = self.held.split_off(form.open.len());
                let mark = std::mem::replace(&mut self.held, rest);
                self.push_text(&mark, parts);
            } else {
                self.form = Some(form);
            }
            return true;
        }
        let undecided = FORMS
            .iter()
            .map(|form| beginning(&self.held, form.open))
            .max()
            .unwrap_or_default();
        let rest = self.held.split_off(self.held.len() - undecided);
        let text = std::mem::replace(&mut self.held, rest);
        self.push_text(&text, parts);
        false
    }

    fn skip_space(&mut self) {
        if self.after_call {
            self.held = self.held.trim_start().to_owned();
            self.after_call = self.held.is_empty();
        }
    }

    /// Adds the calls in `content`, or `whole` as text where there are none.
    fn push_calls(&mut self, form: &Form, whole: &str, content: &str, parts: &mut Vec<Part>) {
        let Some((calls, rest)) = self.read(form, content) else {
            self.push_text(whole, parts);
            return;
        };
        parts.extend(calls.into_iter().map(Part::Call));
        self.after_call = rest.is_empty();
        self.push_text(rest, parts);
    }

    fn push_text(&mut self, text: &str, parts: &mut Vec<Part>) {
        for c in text.chars() {
            if c != '`' {
                self.backticks = 0;
                continue;
            }
            self.backticks += 1;
            self.in_fence ^= self.backticks == FENCE_LENGTH;
        }
        if !text.is_empty() {
            parts.push(Part::Text(text.to_owned()));
        }
    }

    /// The calls that `content` begins with, and the rest; `None` if one of them is none.
    fn read<'a>(&self, form: &Form, content: &'a str) -> Option<(Vec<Value>, &'a str)> {
        let mut calls = Vec::new();
        let mut rest = content;
        loop {
            rest = rest.trim_start_matches([' ', '\n', '\r', '\t', ';', ',']);
            let mark = END_MARKS.iter().chain([&form.open]);
            if let Some(after) = mark.filter_map(|mark| rest.strip_prefix(*mark)).next() {
                rest = after;
                continue;
            }
            let named = rest.find(['{', '[']).map(|index| rest.split_at(index));
            let (name, after) = match named {
                Some(("", _)) => ("", rest),
                Some((name, after)) if form.close.is_none() && self.is_offered(name) => {
                    let json = after.find('{')?;
                    // Nothing but the marks and an id may stand between.
                    if !BEFORE_ARGUMENTS.iter().any(|mark| after.starts_with(mark)) {
                        return None;
                    }
                    (name.trim(), &after[json..])
                }
                _ => break,
            };
            let mut values = serde_json::Deserializer::from_str(after).into_iter::<Value>();
            let Some(Ok(value)) = values.next() else {
                break;
            };
            rest = &after[values.byte_offset()..];
            match value {
                arguments if !name.is_empty() => calls.push(call(name, &arguments)),
                Value::Array(entries) => {
                    for entry in &entries {
                        calls.push(self.named(entry)?);
                    }
                }
                entry => calls.push(self.named(&entry)?),
            }
        }
        let is_whole = form.close.is_none() || rest.is_empty();
        (!calls.is_empty() && is_whole).then_some((calls, rest))
    }

    /// A call with its name in it, as in `{"name": "books", "arguments": {}}`.
    fn named(&self, entry: &Value) -> Option<Value> {
        let function = Some(&entry["function"]).filter(|function| function.is_object());
        let function = function.unwrap_or(entry);
        let name = function["name"]
            .as_str()
            .filter(|name| self.is_offered(name))?;
        let arguments = ["arguments", "parameters"];
        let arguments = arguments.iter().filter_map(|key| function.get(*key)).next();
        Some(call(name, arguments.unwrap_or(&Value::Null)))
    }

    fn is_offered(&self, name: &str) -> bool {
        self.offered.iter().any(|offered| offered == name.trim())
    }
}

fn call(name: &str, arguments: &Value) -> Value {
    json!({ "function": { "name": name, "arguments": arguments } })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Part, WrittenCalls};

    /// The text and the calls of an answer that comes in pieces of `size` characters.
    fn split(text: &str, size: usize) -> (String, Vec<Value>) {
        let mut written = WrittenCalls::new(vec!["books".to_owned(), "clerk".to_owned()]);
        let characters = text.chars().collect::<Vec<_>>();
        let mut parts = Vec::new();
        for piece in characters.chunks(size) {
            parts.extend(written.add(&piece.iter().collect::<String>()));
        }
        parts.extend(written.end());
        let (mut text, mut calls) = (String::new(), Vec::new());
        for part in parts {
            match part {
                Part::Text(part) => text += &part,
                Part::Call(call) => calls.push(call["function"].clone()),
            }
        }
        (text, calls)
    }

    #[test]
    fn calls_are_read_in_each_form() {
        let one = json!({"name": "books", "arguments": {"number": 1}});
        let two = json!({"name": "clerk", "arguments": {"number": 2}});
        for (text, rest, calls) in [
            (
                "<tool_call>\n{\"name\": \"books\", \"arguments\": {\"number\": 1}}\n</tool_call>",
                "",
                vec![&one],
            ),
            (
                "I look.\n<tool_call>{\"name\": \"books\", \"arguments\": {\"number\": 1}}</tool_call>\n<tool_call>{\"name\": \"clerk\", \"arguments\": {\"number\": 2}}</tool_call>\nDone.",
                "I look.\nDone.",
                vec![&one, &two],
            ),
            // The end is missing, or comes once.
            (
                "<tool_call>{\"name\": \"books\", \"arguments\": {\"number\": 1}}",
                "",
                vec![&one],
            ),
            (
                "<tool_call>{\"name\": \"books\", \"arguments\": {\"number\": 1}}<tool_call>{\"name\": \"clerk\", \"arguments\": {\"number\": 2}}</tool_call>",
                "",
                vec![&one, &two],
            ),
            (
                "[TOOL_CALLS][{\"name\": \"books\", \"arguments\": {\"number\": 1}}, {\"name\": \"clerk\", \"arguments\": {\"number\": 2}}]</s>",
                "",
                vec![&one, &two],
            ),
            (
                "[TOOL_CALLS]books[ARGS]{\"number\": 1}[TOOL_CALLS]clerk[CALL_ID]x1[ARGS]{\"number\": 2}",
                "",
                vec![&one, &two],
            ),
            ("[TOOL_CALLS]books{\"number\": 1}", "", vec![&one]),
            (
                "<|python_tag|>{\"type\": \"function\", \"name\": \"books\", \"parameters\": {\"number\": 1}}; {\"name\": \"clerk\", \"parameters\": {\"number\": 2}}<|eom_id|>",
                "",
                vec![&one, &two],
            ),
            (
                "<|python_tag|>{\"name\": \"books\", \"parameters\": {\"number\": 1}}\nThen I wait.",
                "Then I wait.",
                vec![&one],
            ),
            (
                "<tool_call>{\"function\": {\"name\": \"books\", \"arguments\": {\"number\": 1}}}</tool_call>",
                "",
                vec![&one],
            ),
        ] {
            for size in [1, 2, 3, 7, 1000] {
                let (found_rest, found) = split(text, size);
                assert_eq!(found_rest, rest, "{text} in pieces of {size}");
                assert_eq!(found.iter().collect::<Vec<_>>(), calls, "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_call_stays_text() {
        for text in [
            "Hello, a < b and [TOOL",
            "<tool_call>{\"name\": \"bombs\", \"arguments\": {}}</tool_call>",
            "<tool_call>{\"name\": \"books\", \"arguments\": {</tool_call> and more",
            "<tool_call>books</tool_call>",
            "<tool_call>{\"name\": \"books\"} or so</tool_call>",
            "<tool_call>",
            "Write `<tool_call>{\"name\": \"books\"}</tool_call>`.",
            "As in:\n```xml\n<tool_call>{\"name\": \"books\"}</tool_call>\n```\nSo.",
            "```\n[TOOL_CALLS][{\"name\": \"books\"}]\n```",
            "[TOOL_CALLS] is how Mistral does it",
            "[TOOL_CALLS][{\"name\": \"bombs\"}, {\"name\": \"books\"}]",
            "<|python_tag|>print(1)",
            "<tool_call><tool_call></tool_call>",
        ] {
            for size in [1, 3, 1000] {
                assert_eq!(split(text, size), (text.to_owned(), vec![]), "{text}");
            }
        }
    }

    #[test]
    fn text_is_held_back_from_the_mark_on() {
        let mut written = WrittenCalls::new(vec!["books".to_owned()]);
        let text = |text: &str| vec![Part::Text(text.to_owned())];
        assert_eq!(written.add("I look <tool"), text("I look "));
        assert_eq!(written.add("box>."), text("<toolbox>."));
        assert_eq!(written.add("<tool_call>{\"na"), []);
        let mut none = WrittenCalls::default();
        assert_eq!(none.add("<tool_call>"), text("<tool_call>"));
    }
}
