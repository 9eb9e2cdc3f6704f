//! How many tokens a prompt has.

use serde_json::{Value as Json, json};

/// The number of tokens in `text`, with the way it was found: the encoding `o200k_base` where the
/// feature `tokenizer` is on, else `estimate`, one token for every four bytes.
pub fn count(text: &str) -> Json {
    #[cfg(feature = "tokenizer")]
    if let Ok(encoding) = tiktoken_rs::o200k_base() {
        return json!({ "count": encoding.encode_ordinary(text).len(), "encoding": "o200k_base" });
    }
    json!({ "count": text.len().div_ceil(4), "encoding": "estimate" })
}
