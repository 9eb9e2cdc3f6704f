//! What the tools of a server are called in the service, and what the model is told of them.

use rmcp::model::Tool;
use serde_json::{Value, json};

use crate::model::{MAX_TOOL_NAME, ToolDefinition};
use crate::schema::Schema;

/// How the names of all MCP tools begin, as in `mcp__files__read`.
pub(super) const PREFIX: &str = "mcp__";
/// What stands between the name of the server and that of the tool.
pub(super) const SEPARATOR: &str = "__";
/// The longest description that the model gets, in bytes. A server can't fill the context with words about itself.
const MAX_DESCRIPTION: usize = 8 << 10;

/// A tool of a server.
pub(super) struct McpTool {
    /// What the model is told.
    pub(super) definition: ToolDefinition,
    /// What the server calls it.
    pub(super) name: String,
    /// Checks the input before it is sent: the schema that the model is told.
    pub(super) input_schema: Schema,
}

/// The part of a name that stands for `name`: letters, digits, `_` and `-`, as all providers accept.
pub(super) fn slug(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    name.chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect()
}

/// The tool `tool` of the server whose slug is `server`.
///
/// # Errors
/// Why the service leaves it out.
pub(super) fn read(server: &str, tool: &Tool) -> Result<McpTool, String> {
    let name = format!("{PREFIX}{server}{SEPARATOR}{}", slug(&tool.name));
    if name.len() > MAX_TOOL_NAME {
        return Err(format!(
            "its name would have more than {MAX_TOOL_NAME} bytes"
        ));
    }
    let (input_schema, compiled) = input_schema(tool)?;
    let mut description = tool.description.as_deref().unwrap_or_default().to_owned();
    if description.is_empty() {
        description = tool.title.clone().unwrap_or_else(|| tool.name.to_string());
    }
    cut(&mut description, MAX_DESCRIPTION);
    Ok(McpTool {
        definition: ToolDefinition {
            name,
            description,
            input_schema,
        },
        name: tool.name.to_string(),
        input_schema: compiled,
    })
}

/// The schema of the input for the model, and to check with. A schema that is not one of an object, or not valid, becomes an object of
/// anything: then the server checks alone.
fn input_schema(tool: &Tool) -> Result<(Value, Schema), String> {
    let mut schema = Value::Object((*tool.input_schema).clone());
    if schema["type"] == "object" {
        // Providers want the member; a model has no use for the dialect.
        if schema
            .get("properties")
            .is_none_or(|properties| !properties.is_object())
        {
            schema["properties"] = json!({});
        }
        if let Some(members) = schema.as_object_mut() {
            members.remove("$schema");
        }
        match Schema::compile(&schema) {
            Ok(compiled) => return Ok((schema, compiled)),
            Err(error) => tracing::warn!(
                tool = &*tool.name,
                %error,
                "the input schema of an MCP tool can't be used: the model is told that it takes an object"
            ),
        }
    } else {
        tracing::warn!(
            tool = &*tool.name,
            "the input schema of an MCP tool is not that of an object: the model is told that it takes an object"
        );
    }
    let any = json!({ "type": "object", "properties": {} });
    let compiled = Schema::compile(&any).map_err(|error| error.to_string())?;
    Ok((any, compiled))
}

/// Cuts `text` off at `max` bytes, between two characters. Whether it was longer.
pub(super) fn cut(text: &mut String, max: usize) -> bool {
    if text.len() <= max {
        return false;
    }
    text.truncate(text.floor_char_boundary(max));
    true
}
