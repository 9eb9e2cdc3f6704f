//! Where servers report usage, and under which names.

use serde_json::Value;

use crate::event::agent_event::Usage;

/// Paths to the object with the counts, as JSON Pointers.
const PLACES: [&str; 7] = [
    "/usage",
    "/choices/0/usage",
    // Groq.
    "/x_groq/usage",
    // Gemini.
    "/usage_metadata",
    "/usageMetadata",
    // llama.cpp.
    "/timings",
    // Ollama.
    "",
];
const INPUT_KEYS: [&str; 5] = [
    "prompt_tokens",
    "input_tokens",
    "promptTokenCount",
    "prompt_eval_count",
    "prompt_n",
];
const OUTPUT_KEYS: [&str; 5] = [
    "completion_tokens",
    "output_tokens",
    "candidatesTokenCount",
    "eval_count",
    "predicted_n",
];

/// The usage in a chunk or an answer; zeros where it has none.
pub(crate) fn reported_usage(document: &Value) -> Usage {
    let read = |keys: &[&str]| {
        let places = PLACES.iter().filter_map(|place| document.pointer(place));
        let counts = places.flat_map(|place| keys.iter().map(|key| count(&place[*key])));
        counts.max().unwrap_or_default()
    };
    Usage {
        input_tokens: read(&INPUT_KEYS),
        output_tokens: read(&OUTPUT_KEYS),
        ..Usage::default()
    }
}

/// A count as a number, as `7.0` or as a text.
pub(crate) fn count(value: &Value) -> u64 {
    let from_float = |number: f64| {
        // Counts are far below 2^53, and what is not is nonsense.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let count = number.round() as u64;
        if (0.0..9e15).contains(&number) {
            count
        } else {
            0
        }
    };
    match value {
        Value::Number(number) => number
            .as_u64()
            .or_else(|| number.as_f64().map(from_float))
            .unwrap_or_default(),
        Value::String(text) => text.trim().parse().unwrap_or_default(),
        _ => 0,
    }
}
