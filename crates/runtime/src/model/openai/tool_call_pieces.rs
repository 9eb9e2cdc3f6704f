//! Puts tool calls together from their pieces.
//!
//! The protocol gives each call an index; its first piece has the id and the name, and the others pieces of the arguments.
//! Servers leave out the index or the id, give all calls the same index, change the id from piece to piece, or repeat the
//! name in each. What belongs together follows from all four.

use serde_json::{Value, json};

use crate::client::lenient_json::{self, TextJoiner};
use crate::model::{ProviderMetadata, ToolCall};

/// The members of a call that the protocol knows.
const KNOWN: [&str; 4] = ["index", "id", "type", "function"];
const KNOWN_IN_FUNCTION: [&str; 2] = ["name", "arguments"];

/// The calls of one answer.
#[derive(Debug, Default)]
pub(crate) struct ToolCallPieces(Vec<PartialCall>);

/// A tool call whose pieces are being received.
#[derive(Debug, Default)]
struct PartialCall {
    index: Option<u64>,
    id: String,
    name: String,
    /// JSON text.
    arguments: String,
    joiner: TextJoiner,
    metadata: ProviderMetadata,
}

impl ToolCallPieces {
    /// Adds the `tool_calls` of a chunk. In a whole answer, each entry is a call.
    pub(crate) fn add(&mut self, entries: &Value, is_whole: bool) {
        let entries = match entries {
            Value::Array(entries) => entries.as_slice(),
            Value::Object(_) => std::slice::from_ref(entries),
            _ => &[],
        };
        for (position, entry) in entries.iter().enumerate() {
            let position = (entries.len() > 1).then_some(position as u64);
            self.add_piece(entry, position, is_whole);
        }
    }

    /// Adds the `function_call` of servers that speak the API of 2023, which knows one call.
    pub(crate) fn add_function(&mut self, function: &Value) {
        if function.is_object() {
            self.add_piece(&json!({ "index": 0, "function": function }), None, false);
        }
    }

    /// Whether no call has begun.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add_piece(&mut self, piece: &Value, position: Option<u64>, is_whole: bool) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let index = match &piece["index"] {
            Value::String(index) => index.parse().ok(),
            index => index.as_u64(),
        };
        let index = index.or(position);
        let id = match &piece["id"] {
            Value::Number(id) => id.to_string(),
            id => text(id),
        };
        // Some servers put the function's members beside it.
        let function = match &piece["function"] {
            function @ Value::Object(_) => function,
            _ => piece,
        };
        let name = text(&function["name"]);
        // A model's own marks may end up in the name, as in `find<|channel|>commentary`.
        let name = name.split("<|").next().unwrap_or_default().trim();
        let open = if is_whole {
            None
        } else {
            self.find(index, &id, name, &function["arguments"])
        };
        let call = match open {
            Some(open) => &mut self.0[open],
            None => {
                self.0.push(PartialCall {
                    index,
                    ..PartialCall::default()
                });
                let last = self.0.len() - 1;
                &mut self.0[last]
            }
        };
        if call.id.is_empty() {
            call.id = id;
        }
        call.add_name(name);
        call.add_arguments(&function["arguments"]);
        if piece["function"].is_object() {
            call.metadata.extend(unknown_members(piece, &KNOWN));
            let unknown = unknown_members(function, &KNOWN_IN_FUNCTION);
            if !unknown.is_empty() {
                call.metadata.insert("function".to_owned(), unknown.into());
            }
        }
    }

    /// The call that a piece continues; `None` if it begins one.
    fn find(&self, index: Option<u64>, id: &str, name: &str, arguments: &Value) -> Option<usize> {
        let last = |is_it: &dyn Fn(&PartialCall) -> bool| self.0.iter().rposition(is_it);
        let found = match index {
            Some(_) => last(&|call| call.index == index),
            None if id.is_empty() => self.0.len().checked_sub(1),
            None => last(&|call| call.id == id).or_else(|| self.0.len().checked_sub(1)),
        }?;
        let call = &self.0[found];
        let is_same_id = id.is_empty() || call.id.is_empty() || call.id == id;
        if name.is_empty() || is_same_id && (index.is_some() || !id.is_empty()) {
            return Some(found);
        }
        // Another id, or none: a name begins a call, unless it is the first one or only repeated.
        let has_more = !arguments.is_null() && arguments.as_str() != Some("");
        let is_repeated = call.name == name
            && !call.has_all_arguments()
            && (has_more || !call.arguments.is_empty());
        (call.name.is_empty() || is_repeated).then_some(found)
    }

    /// The calls. `round` makes ids unique that the server does not set.
    ///
    /// # Errors
    /// A call without a name.
    pub(crate) fn finish(&mut self, round: usize) -> Result<Vec<ToolCall>, &'static str> {
        let mut calls: Vec<ToolCall> = Vec::new();
        for (number, mut call) in std::mem::take(&mut self.0).into_iter().enumerate() {
            if call.name.is_empty() {
                return Err("a tool call without a name");
            }
            let rest = call.joiner.end();
            call.arguments.push_str(&rest);
            let arguments = lenient_json::parse(&call.arguments);
            let arguments = arguments.unwrap_or(Value::String(call.arguments));
            let is_taken = calls.iter().any(|other| other.id == call.id);
            let id = match &*call.id {
                "" => format!("call_{round}_{number}"),
                id if is_taken => format!("{id}_{number}"),
                id => id.to_owned(),
            };
            calls.push(ToolCall {
                id,
                name: call.name,
                arguments: lenient_json::arguments(arguments),
                metadata: call.metadata,
            });
        }
        Ok(calls)
    }
}

impl PartialCall {
    /// Names come whole, in pieces, or whole in each piece.
    fn add_name(&mut self, piece: &str) {
        if piece.starts_with(&self.name) {
            piece.clone_into(&mut self.name);
        } else if self.name != piece {
            self.name.push_str(piece);
        }
    }

    fn add_arguments(&mut self, piece: &Value) {
        match piece {
            Value::Null => {}
            Value::String(text) if self.has_all_arguments() && is_object(text) => {
                // Sent again as a whole.
                text.clone_into(&mut self.arguments);
            }
            Value::String(text) => {
                let text = self.joiner.add(text);
                self.arguments.push_str(&text);
            }
            whole => self.arguments = whole.to_string(),
        }
    }

    fn has_all_arguments(&self) -> bool {
        is_object(&self.arguments)
    }
}

fn is_object(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('{')
        && text.ends_with('}')
        && lenient_json::parse(text).is_some_and(|value| value.is_object())
}

fn unknown_members(object: &Value, known: &[&str]) -> ProviderMetadata {
    let mut members = object.as_object().cloned().unwrap_or_default();
    members.retain(|key, value| !known.contains(&&**key) && !value.is_null());
    members
}
