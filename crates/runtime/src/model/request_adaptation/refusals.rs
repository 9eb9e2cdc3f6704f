//! What a server wants changed, by the words of its refusal.

use serde_json::Value;

use crate::model::openai::openai_reasoning::ECHOED;
use crate::model::request_adaptation::request_change::{Change, FORMATS, has_images};

/// Without these, a request is another one.
const ESSENTIAL: [&str; 7] = [
    "model",
    "messages",
    "stream",
    "tools",
    "system",
    "input",
    "instructions",
];
/// Members whose names are words of any error message: they are meant only in quotes, or where the server names the member
/// apart from the message.
const COMMON_WORDS: [&str; 2] = ["include", "text"];
/// The names of the limit of output tokens. The first two are for the same API.
const LIMITS: [&str; 3] = ["max_tokens", "max_completion_tokens", "max_output_tokens"];
/// Words of servers that can't constrain an answer as they are asked to.
const FORMAT_WORDS: [&str; 9] = [
    "response_format",
    "text.format",
    "response format",
    "response mime type",
    "json_schema",
    "json mode",
    "structured output",
    "grammar",
    "guided",
];
/// Words of servers whose models have no system message.
const SYSTEM_WORDS: [&str; 5] = [
    "system role",
    "system message",
    "developer instruction",
    "'developer'",
    "'system'",
];
/// Words of servers that can't use an image.
const IMAGE_WORDS: [&str; 4] = ["image", "vision", "multimodal", "multi-modal"];
/// Words of servers that can't use this image, but others.
const BROKEN_IMAGE_WORDS: [&str; 7] = [
    "could not process",
    "corrupt",
    "invalid image",
    "too large",
    "exceed",
    "dimension",
    "decode",
];
/// Words of servers that can't use the schema of a tool's input.
const SCHEMA_WORDS: [&str; 11] = [
    "input_schema",
    "function.parameters",
    "function_parameters",
    "function_declarations",
    "invalid schema for function",
    "invalid json schema for tool",
    "schema conversion failed",
    "unrecognized schema",
    "parse grammar",
    "grammar error",
    "tool schema",
];

/// The change that a server asks for with these words, in lower case.
pub(super) fn change_for(body: &Value, words: &str, requires_limit: bool) -> Option<Change> {
    let members = body.as_object()?;
    let names_format = FORMAT_WORDS.iter().any(|word| words.contains(word));
    if let Some(change) = limit_change(body, words, requires_limit) {
        return Some(change);
    }
    let format = FORMATS.iter().find_map(|place| body.pointer(place));
    if let Some(format) = format.filter(|_| names_format) {
        return Some(if format["type"] == "json_schema" {
            Change::JsonObject
        } else {
            Change::OmitFormat
        });
    }
    if has_images(body) && IMAGE_WORDS.iter().any(|word| words.contains(word)) {
        return Some(Change::DescribeImages);
    }
    if members.contains_key("tools") && names_tool_schema(words) {
        return Some(Change::SimplifyTools);
    }
    // Names that are in the input too, so they come before the members.
    let has_thoughts = || {
        let items = body["input"].as_array().into_iter().flatten();
        items.into_iter().any(|item| item["type"] == "reasoning")
    };
    let names_thoughts = ["encrypted_content", "encrypted content"]
        .iter()
        .any(|word| words.contains(word));
    if names_thoughts && !is_quoted(words, "include") && has_thoughts() {
        return Some(Change::OmitItems("reasoning"));
    }
    if names_thoughts && members.contains_key("include") {
        return Some(Change::Omit("include".to_owned()));
    }
    if members.contains_key("stream_options") && has_word(words, "include_usage") {
        return Some(Change::Omit("stream_options".to_owned()));
    }
    let optional = members.keys().filter(|key| !ESSENTIAL.contains(&&***key));
    let optional = optional.filter(|key| !LIMITS.contains(&&***key));
    // Without it, some servers store what they should not.
    let optional = optional.filter(|key| *key != "store" || members["store"] != false);
    let is_named = |key: &&String| {
        if COMMON_WORDS.contains(&&***key) {
            is_quoted(words, key)
        } else {
            has_word(words, key)
        }
    };
    if let Some(member) = optional.into_iter().find(is_named) {
        return Some(Change::Omit(member.clone()));
    }
    let messages = members.get("messages")?.as_array()?;
    let is_sent = |member: &str| {
        let in_calls = |message: &Value| {
            let calls = message["tool_calls"].as_array().into_iter().flatten();
            calls.into_iter().any(|call| call.get(member).is_some())
        };
        let has = |message: &Value| message.get(member).is_some() || in_calls(message);
        messages.iter().any(has)
    };
    // A server that misses a member names it too.
    if !words.contains("must be passed back") && !words.contains("missing") {
        let echoed = ECHOED.into_iter().filter(|member| is_sent(member));
        if let Some(member) = echoed.into_iter().find(|member| has_word(words, member)) {
            return Some(Change::OmitInMessages(member));
        }
    }
    let names_system = SYSTEM_WORDS.iter().any(|word| words.contains(word));
    match messages.first()?["role"].as_str()? {
        "developer" if names_system => Some(Change::SystemRole("system")),
        "system" if names_system => Some(Change::SystemRole("user")),
        _ => None,
    }
}

/// Whether a change that a server asks for with these words is one for this request alone.
pub(super) fn is_of_one_request(change: &Change, words: &str) -> bool {
    *change == Change::DescribeImages && BROKEN_IMAGE_WORDS.iter().any(|word| words.contains(word))
}

/// Whether a server names the schema of a tool: in words, or by a place such as `tools[3].parameters`.
fn names_tool_schema(words: &str) -> bool {
    let is_place = |mark: &str| {
        let mut after = words.match_indices(mark);
        after.any(|(index, mark)| {
            let place =
                words[index + mark.len()..].trim_start_matches(|c: char| c.is_ascii_digit());
            let place = place.split_whitespace().next().unwrap_or_default();
            ["schema", "parameters", "function.parameters"]
                .iter()
                .any(|member| place.contains(member))
        })
    };
    SCHEMA_WORDS.iter().any(|word| words.contains(word)) || is_place("tools[") || is_place("tools.")
}

/// A limit of tokens that has another name at this server, or is above what its model can do.
fn limit_change(body: &Value, words: &str, is_required: bool) -> Option<Change> {
    let member = LIMITS
        .into_iter()
        .find(|member| body.get(*member).is_some())?;
    let other = LIMITS[..2].iter().find(|other| **other != member);
    let other = other.filter(|_| LIMITS[..2].contains(&member)).copied();
    let sent = body[member].as_u64()?;
    if !LIMITS.iter().any(|name| has_word(words, name)) {
        return None;
    }
    let is_too_large = [
        "too large",
        "maximum",
        "at most",
        "less than",
        "exceed",
        "<=",
        ">",
        "range",
    ]
    .iter()
    .any(|word| words.contains(word));
    if let Some(to) = other.filter(|other| has_word(words, other) && !is_too_large) {
        return Some(Change::Rename { from: member, to });
    }
    let numbers = words.split(|c: char| !c.is_ascii_digit());
    let numbers = numbers.filter_map(|number| number.parse::<u64>().ok());
    let most = numbers.filter(|number| (16..sent).contains(number)).max();
    // Where the limit depends on the prompt, the next request has another one.
    let is_of_prompt = words.contains("context");
    match most {
        Some(most) if is_too_large && !is_of_prompt => Some(Change::Limit { member, most }),
        _ if is_required => None,
        _ => Some(Change::Omit(member.to_owned())),
    }
}

/// Whether `words` contains `word`, and not as a part of another name.
fn has_word(words: &str, word: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    words.match_indices(word).any(|(index, _)| {
        let before = words[..index].chars().next_back();
        let after = words[index + word.len()..].chars().next();
        !before.is_some_and(is_name) && !after.is_some_and(is_name)
    })
}

/// Whether `words` contains `word` in quotes, alone or as the beginning of a path.
fn is_quoted(words: &str, word: &str) -> bool {
    words.match_indices(word).any(|(index, _)| {
        let before = words[..index].chars().next_back();
        let after = words[index + word.len()..].chars().next();
        before.is_some_and(|c| "'`\"".contains(c)) && after.is_some_and(|c| "'`\".[".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::change_for;
    use crate::model::request_adaptation::request_change::set_system_role;

    /// The request after the change that `words` ask for; `null` if they ask for none.
    fn changed(body: &Value, words: &str) -> Value {
        let mut body = body.clone();
        let requires_limit = body.get("system").is_some();
        match change_for(&body, &words.to_lowercase(), requires_limit) {
            Some(change) if change.apply(&mut body) => body,
            _ => Value::Null,
        }
    }

    #[test]
    fn refused_members_are_left_out_or_replaced() {
        let format = json!({"type": "json_schema", "json_schema": {}});
        let json = json!({"type": "json_object"});
        let system = json!([{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]);
        for (body, words, wanted) in [
            (
                json!({"response_format": format}),
                "This response_format type is unavailable now",
                json!({"response_format": json}),
            ),
            (
                json!({"response_format": json}),
                "'response_format.type' must be 'json_schema' or 'text'",
                json!({}),
            ),
            (
                json!({"response_format": format}),
                "Cannot use custom grammar constraints with tools.",
                json!({"response_format": json}),
            ),
            (
                json!({"stream_options": {}}),
                "body stream_options Extra inputs are not permitted",
                json!({}),
            ),
            (
                json!({"tool_choice": {}}),
                "Thinking may not be enabled when tool_choice forces tool use.",
                json!({}),
            ),
            (
                json!({"top_k": 4}),
                "Unsupported parameter: 'top_k'",
                json!({}),
            ),
            (json!({"top_k": 4}), "top_kk is unknown", Value::Null),
            (
                json!({"text": {"format": {"type": "json_schema", "name": "n"}, "verbosity": "low"}}),
                "'text.format' of type 'json_schema' is not supported with this model",
                json!({"text": {"format": json, "verbosity": "low"}}),
            ),
            (
                json!({"text": {"format": json, "verbosity": "low"}}),
                "input must contain the word 'json' to use 'text.format' of type 'json_object'",
                json!({"text": {"verbosity": "low"}}),
            ),
            (
                json!({"text": {"verbosity": "low"}, "input": []}),
                "`text.verbosity` unsupported_value unsupported value: 'low'",
                json!({"input": []}),
            ),
            (
                json!({"text": {"verbosity": "low"}, "include": []}),
                "messages must include a text",
                Value::Null,
            ),
            (
                json!({"include": ["reasoning.encrypted_content"], "input": []}),
                "Encrypted content is not supported with this model.",
                json!({"input": []}),
            ),
            (
                json!({"include": [], "input": [{"type": "reasoning"}, {"role": "user"}]}),
                "`input[0].encrypted_content` The encrypted content could not be verified.",
                json!({"include": [], "input": [{"role": "user"}]}),
            ),
            (
                json!({"store": false, "input": []}),
                "Items are not persisted when `store` is set to false.",
                Value::Null,
            ),
            (
                json!({"max_output_tokens": 20000, "input": []}),
                "`max_output_tokens` is too large: this model supports at most 16384 tokens, not 20000 as max_tokens.",
                json!({"max_output_tokens": 16384, "input": []}),
            ),
            (
                json!({"max_output_tokens": 100, "input": []}),
                "unknown parameter: 'max_output_tokens', did you mean max_tokens?",
                json!({"input": []}),
            ),
            (
                json!({"model": "m"}),
                "the model m does not exist",
                Value::Null,
            ),
            (
                json!({"messages": [], "tools": []}),
                "messages and tools are wrong",
                Value::Null,
            ),
            (
                json!({"max_tokens": 9, "stream_options": {}}),
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                json!({"stream_options": {}, "max_completion_tokens": 9}),
            ),
            (
                json!({"max_completion_tokens": 9, "stream_options": {}}),
                "max_completion_tokens is not permitted",
                json!({"stream_options": {}}),
            ),
            (
                json!({"max_tokens": 20000, "stream_options": {}}),
                "max_tokens is too large: 20000. This model supports at most 16384 completion tokens, whereas you provided 20000.",
                json!({"max_tokens": 16384, "stream_options": {}}),
            ),
            (
                json!({"max_tokens": 20000, "stream_options": {}}),
                "'max_tokens' or 'max_completion_tokens' is too large: 20000. This model's maximum context length is 8192 tokens (20000 > 8192 - 40)",
                json!({"stream_options": {}}),
            ),
            (
                json!({"max_tokens": 8192, "system": "S"}),
                "max_tokens: 8192 > 4096, which is the maximum allowed number of output tokens",
                json!({"max_tokens": 4096, "system": "S"}),
            ),
            (
                json!({"max_tokens": 8192, "system": "S"}),
                "max_tokens: field is invalid",
                Value::Null,
            ),
            (
                json!({"messages": system}),
                "Developer instruction is not enabled",
                json!({"messages": [{"role": "user", "content": "S\n\nU"}]}),
            ),
            (
                json!({"messages": system}),
                "System role not supported",
                json!({"messages": [{"role": "user", "content": "S\n\nU"}]}),
            ),
            (
                json!({"messages": system}),
                "the user is unknown",
                Value::Null,
            ),
            (
                json!({"messages": [{"role": "assistant", "reasoning_content": "x", "tool_calls": [{"id": "1", "extra_content": {}}]}]}),
                "property 'reasoning_content' is unsupported",
                json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "extra_content": {}}]}]}),
            ),
            (
                json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "1", "extra_content": {}}]}]}),
                "messages.0.tool_calls.0.extra_content: extra inputs are not permitted",
                json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]}),
            ),
            (
                json!({"messages": [{"role": "assistant", "reasoning_content": "x"}]}),
                "The `reasoning_content` in the thinking mode must be passed back to the API.",
                Value::Null,
            ),
        ] {
            assert_eq!(changed(&body, words), wanted, "{words}");
        }
    }

    #[test]
    fn schemas_of_tools_are_simplified_where_they_are_refused() {
        let tool = |schema: Value| json!({"tools": [{"function": {"name": "t", "parameters": schema}}], "messages": []});
        let body = tool(
            json!({"type": "object", "properties": {"a": {"type": "string", "format": "uri"}}}),
        );
        let simple = tool(json!({"type": "object", "properties": {"a": {"type": "string"}}}));
        for (words, is_meant) in [
            (
                "Invalid schema for function 't': In context=('properties', 'a'), 'uri' is not a valid format.",
                true,
            ),
            (
                "`tools[0].function.parameters` invalid_function_parameters",
                true,
            ),
            (
                "Invalid value at 'tools[0].function_declarations[0].parameters.properties[0].value': Cannot find field.",
                true,
            ),
            ("tools.0.custom.input_schema: JSON schema is invalid", true),
            ("JSON schema conversion failed: Unrecognized schema", true),
            ("Failed to parse grammar", true),
            ("tools[0].function.name is not valid", false),
            ("tools are not supported", false),
            ("the messages are wrong", false),
        ] {
            let expected = if is_meant { &simple } else { &Value::Null };
            assert_eq!(changed(&body, words), *expected, "{words}");
        }
        // Once it is simple, another refusal is an error.
        assert_eq!(
            changed(&simple, "tools.0.custom.input_schema: no"),
            Value::Null
        );
    }

    #[test]
    fn a_system_message_alone_becomes_a_message_of_the_user() {
        let mut messages = vec![json!({"role": "system", "content": "S"})];
        set_system_role(&mut messages, "user");
        assert_eq!(messages, [json!({"role": "user", "content": "S"})]);
        set_system_role(&mut messages, "developer");
        assert_eq!(messages, [json!({"role": "user", "content": "S"})]);
    }
}
