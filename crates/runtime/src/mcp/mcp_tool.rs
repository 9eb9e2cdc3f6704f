//! What the tools of a server are called in the service, and what the model is told of them.

use rmcp::model::{JsonObject, Tool};
use serde_json::{Value, json};

use crate::model::{MAX_TOOL_NAME, ToolDefinition};
use crate::schema::Schema;

/// How the names of all MCP tools begin, as in `mcp__files__read`.
pub(super) const PREFIX: &str = "mcp__";
/// What stands between the name of the server and that of the tool.
pub(super) const SEPARATOR: &str = "__";
/// The longest description that the model gets, in bytes. A server can't fill the context with words about itself.
const MAX_DESCRIPTION: usize = 8 << 10;
/// The largest schema that is read, in bytes.
const MAX_SCHEMA: usize = 128 << 10;

/// A tool of a server.
pub(super) struct McpTool {
    /// What the model is told.
    pub(super) definition: ToolDefinition,
    /// What the server calls it.
    pub(super) name: String,
    /// Checks the input before it is sent: the schema that the model is told.
    pub(super) input_schema: Schema,
    /// Checks structured results, where the server promises what they look like.
    pub(super) output_schema: Option<Schema>,
    /// Whether the server says that calling it twice does no more than calling it once.
    pub(super) is_idempotent: bool,
}

/// The part of a name that stands for `name`: letters, digits, `_` and `-`, as all providers accept.
pub(super) fn slug(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    name.chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect()
}

/// The tool `tool` of the server whose slug is `server`, and what is wrong with its schemas.
///
/// # Errors
/// Why the service leaves it out.
pub(super) fn read(
    server: &str,
    tool: &Tool,
) -> Result<(McpTool, Option<&'static str>), &'static str> {
    if tool.name.is_empty() {
        return Err("the name is empty");
    }
    let name = format!("{PREFIX}{server}{SEPARATOR}{}", slug(&tool.name));
    if name.len() > MAX_TOOL_NAME {
        return Err("the name would have more than 64 bytes");
    }
    let (input_schema, problem) = match input_schema(tool) {
        Ok(schema) => (schema, None),
        Err(problem) => (json!({ "type": "object", "properties": {} }), Some(problem)),
    };
    let compiled = Schema::compile(&input_schema).map_err(|_| "the input schema is not valid")?;
    let (output_schema, problem) = match tool.output_schema.as_deref().map(output_schema) {
        None => (None, problem),
        Some(Ok(schema)) => (Some(schema), problem),
        Some(Err(other)) => (None, problem.or(Some(other))),
    };
    let mut description = tool.description.as_deref().unwrap_or_default().to_owned();
    if description.is_empty() {
        description = tool.title.clone().unwrap_or_else(|| tool.name.to_string());
    }
    cut(&mut description, MAX_DESCRIPTION);
    let tool = McpTool {
        definition: ToolDefinition {
            name,
            description,
            input_schema,
        },
        name: tool.name.to_string(),
        input_schema: compiled,
        output_schema,
        is_idempotent: is_idempotent(tool),
    };
    Ok((tool, problem))
}

/// Whether a second call of `tool` does no harm: it changes nothing, or nothing more.
fn is_idempotent(tool: &Tool) -> bool {
    let hints = tool.annotations.as_ref();
    hints.is_some_and(|hints| {
        hints.read_only_hint == Some(true) || hints.idempotent_hint == Some(true)
    })
}

/// The schema of the input for the model, and to check with.
///
/// # Errors
/// Why it is replaced by that of an object of anything; then the server checks alone.
fn input_schema(tool: &Tool) -> Result<Value, &'static str> {
    let mut schema = Value::Object((*tool.input_schema).clone());
    if schema["type"] != "object" {
        return Err(
            "the input schema is not that of an object; the model is told that it takes an object",
        );
    }
    // Providers want the member; a model has no use for the dialect.
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    if let Some(members) = schema.as_object_mut() {
        members.shift_remove("$schema");
    }
    if schema.to_string().len() > MAX_SCHEMA {
        return Err(
            "the input schema has more than 128 KiB; the model is told that it takes an object",
        );
    }
    match Schema::compile(&schema) {
        Ok(_) => Ok(schema),
        Err(_) => Err("the input schema is not valid; the model is told that it takes an object"),
    }
}

fn output_schema(schema: &JsonObject) -> Result<Schema, &'static str> {
    const PROBLEM: &str = "the output schema can't be used; structured results are not checked";
    let schema = Value::Object(schema.clone());
    if schema.to_string().len() > MAX_SCHEMA {
        return Err(PROBLEM);
    }
    Schema::compile(&schema).map_err(|_| PROBLEM)
}

/// Cuts `text` off at `max` bytes, between two characters. Whether it was longer.
pub(super) fn cut(text: &mut String, max: usize) -> bool {
    if text.len() <= max {
        return false;
    }
    text.truncate(text.floor_char_boundary(max));
    true
}
