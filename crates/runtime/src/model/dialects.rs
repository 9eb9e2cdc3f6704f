//! How the model servers differ that offer the API of OpenAI or Anthropic: one row for each.
//!
//! A setting of the provider goes before its dialect. What a server refuses all the same is learned from its errors
//! (`request_adaptation`), so a dialect saves the first refusal, and tells address and key.

use std::fmt;

use serde_json::{Value, json};

use crate::model::ProviderMetadata;
use crate::model::provider_settings::{ProviderKind, RequestSettings};

/// How a model server is asked for JSON that fits a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StructuredOutput {
    /// `response_format` with the schema.
    JsonSchema,
    /// `response_format` without the schema.
    JsonObject,
    /// The input of a tool that the model must call.
    Tool,
    /// The prompt alone, which contains the schema in any case.
    Prompt,
}

/// The role of the system message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemRole {
    /// `system`.
    System,
    /// `developer`.
    Developer,
    /// It begins the first message of the user.
    User,
}

/// The header with the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyHeader {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// This header, with nothing but the key.
    Named(&'static str),
}

/// A kind of model server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DialectRow {
    pub(crate) name: &'static str,
    pub(crate) kind: ProviderKind,
    /// Where the server is if the settings don't say.
    pub(crate) base_url: Option<&'static str>,
    /// The vendor's variable for the key, which a server at `base_url` needs.
    pub(crate) key_variable: Option<&'static str>,
    pub(crate) key_header: KeyHeader,
    pub(crate) structured: StructuredOutput,
    /// In place of it where the request has tools.
    pub(crate) structured_with_tools: StructuredOutput,
    pub(crate) stream_options: bool,
    /// The name of the limit of output tokens.
    pub(crate) max_tokens_parameter: &'static str,
    /// Whether the server may pass on tool calls as the text that the model writes.
    pub(crate) tool_calls_in_text: bool,
    /// Whether its models see the images that tools give.
    pub(crate) images: bool,
}

/// A dialect by its name, as in [`Dialect::named`], and the API that is spoken with its server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Dialect(pub(crate) &'static DialectRow, ProviderKind);

const fn row(
    name: &'static str,
    base_url: Option<&'static str>,
    key_variable: Option<&'static str>,
) -> DialectRow {
    DialectRow {
        name,
        kind: ProviderKind::OpenAi,
        base_url,
        key_variable,
        key_header: KeyHeader::Bearer,
        structured: StructuredOutput::JsonSchema,
        structured_with_tools: StructuredOutput::JsonSchema,
        stream_options: true,
        max_tokens_parameter: "max_tokens",
        tool_calls_in_text: false,
        images: false,
    }
}

/// A server that runs any model, also one whose format of tool calls it does not know.
const fn any_model(name: &'static str, base_url: Option<&'static str>) -> DialectRow {
    DialectRow {
        tool_calls_in_text: true,
        ..row(name, base_url, None)
    }
}

/// A server with OpenAI's API that no other row describes.
pub(crate) static COMPATIBLE: DialectRow = any_model("openai-compatible", None);

/// All dialects, by name.
#[rustfmt::skip]
pub(crate) static DIALECTS: [DialectRow; 15] = [
    // https://docs.anthropic.com/en/api/messages
    DialectRow {
        kind: ProviderKind::Anthropic,
        key_header: KeyHeader::Named("x-api-key"),
        structured: StructuredOutput::Tool,
        structured_with_tools: StructuredOutput::Tool,
        images: true,
        ..row("anthropic", Some("https://api.anthropic.com"), Some("ANTHROPIC_API_KEY"))
    },
    // The v1 API, or the address of a deployment: https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
    DialectRow {
        key_header: KeyHeader::Named("api-key"),
        max_tokens_parameter: "max_completion_tokens",
        ..row("azure", None, Some("AZURE_OPENAI_API_KEY"))
    },
    // JSON mode knows no schema: https://api-docs.deepseek.com/guides/json_mode
    DialectRow {
        structured: StructuredOutput::JsonObject,
        structured_with_tools: StructuredOutput::Prompt,
        ..row("deepseek", Some("https://api.deepseek.com"), Some("DEEPSEEK_API_KEY"))
    },
    // Schemas together with tools are for the newest models alone: https://ai.google.dev/gemini-api/docs/openai
    DialectRow {
        structured_with_tools: StructuredOutput::Prompt,
        images: true,
        ..row("gemini", Some("https://generativelanguage.googleapis.com/v1beta/openai"), Some("GEMINI_API_KEY"))
    },
    // Schemas are for some models, and neither with tools: https://console.groq.com/docs/structured-outputs
    DialectRow {
        structured: StructuredOutput::JsonObject,
        structured_with_tools: StructuredOutput::Prompt,
        max_tokens_parameter: "max_completion_tokens",
        ..row("groq", Some("https://api.groq.com/openai/v1"), Some("GROQ_API_KEY"))
    },
    // https://docs.litellm.ai/docs/simple_proxy
    any_model("litellm", Some("http://localhost:4000/v1")),
    // "Cannot use custom grammar constraints with tools.": https://github.com/ggml-org/llama.cpp/tree/master/tools/server
    DialectRow {
        structured_with_tools: StructuredOutput::Prompt,
        ..any_model("llama.cpp", Some("http://localhost:8080/v1"))
    },
    // https://lmstudio.ai/docs/app/api/structured-output
    any_model("lmstudio", Some("http://localhost:1234/v1")),
    // "Extra inputs are not permitted": https://docs.mistral.ai/api
    DialectRow {
        stream_options: false,
        ..row("mistral", Some("https://api.mistral.ai/v1"), Some("MISTRAL_API_KEY"))
    },
    // https://docs.ollama.com/api/openai-compatibility
    any_model("ollama", Some("http://localhost:11434/v1")),
    // https://platform.openai.com/docs/api-reference/chat/create
    DialectRow {
        max_tokens_parameter: "max_completion_tokens",
        images: true,
        ..row("openai", Some("https://api.openai.com/v1"), Some("OPENAI_API_KEY"))
    },
    // https://platform.openai.com/docs/api-reference/responses/create
    DialectRow {
        kind: ProviderKind::OpenAiResponses,
        images: true,
        ..row("openai-responses", Some("https://api.openai.com/v1"), Some("OPENAI_API_KEY"))
    },
    // https://openrouter.ai/docs/api-reference/overview
    row("openrouter", Some("https://openrouter.ai/api/v1"), Some("OPENROUTER_API_KEY")),
    // https://docs.together.ai/docs/json-mode
    row("together", Some("https://api.together.xyz/v1"), Some("TOGETHER_API_KEY")),
    // https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
    any_model("vllm", Some("http://localhost:8000/v1")),
];

impl Dialect {
    /// Anthropic's own API.
    pub const ANTHROPIC: Self = Self::of(&DIALECTS[0]);
    /// A server with OpenAI's API that no other dialect describes.
    pub const OPENAI_COMPATIBLE: Self = Self::of(&COMPATIBLE);

    pub(crate) const fn of(row: &'static DialectRow) -> Self {
        Self(row, row.kind)
    }

    /// The dialect with this name, as in `ollama`; `None` if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = DIALECTS.iter().chain([&COMPATIBLE]);
        all.into_iter().find(|row| row.name == name).map(Self::of)
    }

    /// The names of all dialects.
    pub fn names() -> impl Iterator<Item = &'static str> {
        DIALECTS.iter().chain([&COMPATIBLE]).map(|row| row.name)
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// The API that is spoken with its server.
    #[must_use]
    pub const fn kind(self) -> ProviderKind {
        self.1
    }

    /// The same server by the Responses API, which servers with OpenAI's API offer at the same address. Anthropic's has none.
    #[must_use]
    pub const fn with_responses(self) -> Self {
        match self.1 {
            ProviderKind::Anthropic => self,
            ProviderKind::OpenAi | ProviderKind::OpenAiResponses => {
                Self(self.0, ProviderKind::OpenAiResponses)
            }
        }
    }
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

/// The form of a provider's requests: its dialect, with the settings applied.
#[derive(Debug, Clone)]
pub(crate) struct RequestShape {
    pub(crate) structured: StructuredOutput,
    structured_with_tools: StructuredOutput,
    pub(crate) stream_options: bool,
    pub(crate) max_tokens_parameter: String,
    pub(crate) max_output_tokens: Option<u64>,
    pub(crate) system_role: SystemRole,
    pub(crate) tool_calls_in_text: bool,
    /// Whether its models see the images that tools give.
    pub(crate) images: bool,
    /// Members that every request gets.
    extra_body: ProviderMetadata,
}

impl RequestShape {
    pub(crate) fn new(dialect: &DialectRow, settings: &RequestSettings) -> Self {
        let structured = settings.structured;
        Self {
            structured: structured.unwrap_or(dialect.structured),
            structured_with_tools: structured.unwrap_or(dialect.structured_with_tools),
            stream_options: settings.stream_options.unwrap_or(dialect.stream_options),
            max_tokens_parameter: settings
                .max_tokens_parameter
                .clone()
                .unwrap_or_else(|| dialect.max_tokens_parameter.to_owned()),
            max_output_tokens: settings.max_output_tokens,
            system_role: settings.system_role.unwrap_or(SystemRole::System),
            tool_calls_in_text: settings
                .tool_calls_in_text
                .unwrap_or(dialect.tool_calls_in_text),
            images: settings.images.unwrap_or(dialect.images),
            extra_body: settings.extra_body.clone(),
        }
    }

    /// How a request with or without tools asks for structured output.
    pub(crate) const fn structured(&self, has_tools: bool) -> StructuredOutput {
        if has_tools {
            self.structured_with_tools
        } else {
            self.structured
        }
    }

    /// Adds the members that every request gets.
    pub(crate) fn add_extra_members(&self, body: &mut Value) {
        if let Value::Object(members) = body {
            members.extend(self.extra_body.clone());
        }
    }
}

/// The `response_format` that asks for `schema`; `None` where the format has no part in it. With `is_flat`, as `text.format`
/// has it, whose members are not in another object.
pub(crate) fn response_format(
    structured: StructuredOutput,
    name: &str,
    schema: &Value,
    is_flat: bool,
) -> Option<Value> {
    match structured {
        StructuredOutput::JsonSchema => {
            let mut format = json!({ "name": name, "schema": schema, "strict": false });
            if is_flat {
                format["type"] = "json_schema".into();
                return Some(format);
            }
            Some(json!({ "type": "json_schema", "json_schema": format }))
        }
        StructuredOutput::JsonObject => Some(json!({ "type": "json_object" })),
        StructuredOutput::Tool | StructuredOutput::Prompt => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::{COMPATIBLE, DIALECTS, Dialect, StructuredOutput};

    #[test]
    fn dialects_are_sorted_and_found_by_name() {
        assert!(DIALECTS.is_sorted_by_key(|row| row.name));
        for name in Dialect::names() {
            assert_eq!(Dialect::named(name).map(Dialect::name), Some(name));
        }
        assert_eq!(Dialect::named("gpt"), None);
        assert_eq!(Dialect::ANTHROPIC.name(), "anthropic");
    }

    /// The table of dialects as Markdown.
    fn table() -> String {
        let structured = |structured| match structured {
            StructuredOutput::JsonSchema => "`json_schema`",
            StructuredOutput::JsonObject => "`json_object`",
            StructuredOutput::Tool => "a tool",
            StructuredOutput::Prompt => "prompt",
        };
        let mut table =
            "| dialect | address | key | structured output | with tools |\n|---|---|---|---|---|\n"
                .to_owned();
        for row in DIALECTS.iter().chain([&COMPATIBLE]) {
            let key = row.key_variable.map(|variable| format!(" `{variable}`"));
            let _ = writeln!(
                table,
                "| `{}` | `{}` |{} | {} | {} |",
                row.name,
                row.base_url.unwrap_or("base_url"),
                key.unwrap_or_default(),
                structured(row.structured),
                structured(row.structured_with_tools),
            );
        }
        table
    }

    #[test]
    fn the_page_about_model_servers_has_every_dialect() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/src/model-servers.md"
        );
        let page = std::fs::read_to_string(path).unwrap();
        let start = page.find("| dialect |").unwrap();
        let end = start + page[start..].find("\n\n").unwrap() + 1;
        if std::env::var_os("AGENTGEN_UPDATE_SNAPSHOTS").is_some() {
            let page = [&page[..start], &table(), &page[end..]].concat();
            std::fs::write(path, page).unwrap();
            return;
        }
        assert_eq!(page[start..end], table());
    }
}
