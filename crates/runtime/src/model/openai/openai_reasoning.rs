//! Thoughts beside the answer, in the members that servers have for them.

use serde_json::{Map, Value};

use crate::client::lenient_json::TextJoiner;
use crate::model::ProviderMetadata;

/// Members with the text of thoughts: DeepSeek and vLLM, OpenRouter and Groq, Ollama.
const TEXTS: [&str; 3] = ["reasoning_content", "reasoning", "thinking"];
/// Thoughts in parts with signatures: OpenRouter.
const DETAILS: &str = "reasoning_details";
/// The texts in these parts that come in pieces.
const DETAIL_TEXTS: [&str; 4] = ["text", "summary", "data", "signature"];
/// Google's own members, such as signatures of thoughts.
const EXTRA: &str = "extra_content";
/// The members that go back with the results of tool calls.
pub(crate) const ECHOED: [&str; 5] = ["reasoning_content", "reasoning", "thinking", DETAILS, EXTRA];

/// The thoughts of one answer.
#[derive(Debug, Default)]
pub(crate) struct Reasoning {
    members: ProviderMetadata,
    joiners: [TextJoiner; TEXTS.len()],
}

impl Reasoning {
    /// Adds the members of a delta or a message. Returns the text that is new.
    pub(crate) fn add(&mut self, message: &Value) -> String {
        let mut new = String::new();
        for (key, joiner) in TEXTS.into_iter().zip(&mut self.joiners) {
            let Some(text) = message[key].as_str().filter(|text| !text.is_empty()) else {
                continue;
            };
            let text = joiner.add(text);
            // A server that has two of the members sends the same text in both.
            if new.is_empty() {
                new.clone_from(&text);
            }
            append(&mut self.members, key, &text);
        }
        if let Some(details) = message[DETAILS].as_array() {
            if new.is_empty() {
                let texts = details.iter().filter_map(|detail| detail["text"].as_str());
                new = texts.collect();
            }
            self.add_details(details);
        }
        if let Value::Object(extra) = &message[EXTRA] {
            let known = self
                .members
                .entry(EXTRA)
                .or_insert_with(|| Map::new().into());
            if let Value::Object(known) = known {
                known.extend(extra.clone());
            }
        }
        new
    }

    /// What goes back with the results of tool calls.
    pub(crate) fn into_metadata(self) -> ProviderMetadata {
        self.members
    }

    /// Pieces of one part have the same index and type.
    fn add_details(&mut self, details: &[Value]) {
        let known = self
            .members
            .entry(DETAILS)
            .or_insert_with(|| Value::Array(Vec::new()));
        let Value::Array(known) = known else {
            return;
        };
        for detail in details {
            let is_same = |part: &&mut Value| {
                part["index"].is_number()
                    && part["index"] == detail["index"]
                    && part["type"] == detail["type"]
            };
            let part = known
                .iter_mut()
                .find(is_same)
                .and_then(Value::as_object_mut);
            let (Some(part), Some(members)) = (part, detail.as_object()) else {
                known.push(detail.clone());
                continue;
            };
            for (key, value) in members {
                match value {
                    Value::Null => {}
                    Value::String(text) if DETAIL_TEXTS.contains(&&**key) => {
                        append(part, key, text)
                    }
                    value => {
                        part.insert(key.clone(), value.clone());
                    }
                }
            }
        }
    }
}

fn append(members: &mut ProviderMetadata, key: &str, text: &str) {
    match members.get_mut(key) {
        Some(Value::String(known)) => known.push_str(text),
        _ => {
            members.insert(key.to_owned(), text.into());
        }
    }
}
