//! SHA-256 as hexadecimal text.

use std::fmt::Write as _;

/// The SHA-256 of `bytes` (FIPS 180-4) as 64 hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    hmac_sha256::Hash::hash(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}
