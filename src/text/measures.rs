//! What is measured of a text: its SHA-256 and its tokens.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

/// The SHA-256 of `bytes` (FIPS 180-4) as 64 hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hmac_sha256::Hash::hash(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// The number of tokens in `text` and how it was found: with the encoding `o200k_base` if the feature `tokenizer` is on,
/// else as an `estimate`, one token for every four bytes.
pub fn token_count(text: &str) -> Json {
    #[cfg(feature = "tokenizer")]
    if let Ok(encoding) = tiktoken_rs::o200k_base() {
        return json!({ "count": encoding.encode_ordinary(text).len(), "encoding": "o200k_base" });
    }
    json!({ "count": text.len().div_ceil(4), "encoding": "estimate" })
}
