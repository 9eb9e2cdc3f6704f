//! Texts of a server in the log and in errors.

use crate::client::key_redaction::redact_keys;
use crate::mcp::mcp_tool::cut;

/// The longest message of a server that is repeated, in bytes.
const MAX_LOGGED: usize = 500;

/// What may be said of one server.
pub(super) struct Words {
    server: String,
    /// What no text about it may have.
    secrets: Vec<String>,
}

impl Words {
    pub(super) const fn new(server: String, secrets: Vec<String>) -> Self {
        Self { server, secrets }
    }

    /// The name of the server.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    pub(super) fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// What `message` says, with at most `max` bytes and without secrets.
    pub(super) fn long(&self, message: &str, max: usize) -> String {
        let secrets = self.secrets.iter().map(String::as_str);
        let is_other = |c: char| c.is_control() && c != '\n';
        let mut text = redact_keys(message, secrets).replace(is_other, " ");
        if cut(&mut text, max) {
            text.push('…');
        }
        text
    }

    /// What `message` says, on one line, not too long and without secrets.
    pub(super) fn short(&self, message: &str) -> String {
        let secrets = self.secrets.iter().map(String::as_str);
        let mut text = redact_keys(message, secrets).replace(char::is_control, " ");
        if cut(&mut text, MAX_LOGGED) {
            text.push('…');
        }
        text
    }
}
