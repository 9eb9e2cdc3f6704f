//! What is measured of a text: its SHA-256 and its tokens.

use serde_json::{Value as Json, json};

/// The SHA-256 of `bytes` (FIPS 180-4) as 64 hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&hmac_sha256::Hash::hash(bytes))
}

/// `bytes` as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
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
