//! What the model gets of a tool's result.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use serde_json::{Value, json};

use crate::client::key_redaction::REDACTED;
use crate::engine::tools::ToolError;
use crate::mcp::mcp_tool::cut;

/// The output of a tool that answered `result`, with at most `max` bytes: text where all blocks are text, one object for each block
/// where they are not, and the structured content where there are no blocks, which else repeat it. None of `secrets` is in it.
///
/// # Errors
/// What the server says of a call that failed.
pub(super) fn output(
    result: CallToolResult,
    max: usize,
    secrets: &[String],
) -> Result<Value, ToolError> {
    let is_error = result.is_error == Some(true);
    let structured = result.structured_content;
    let structured = structured.filter(|_| result.content.is_empty());
    let mut value = match structured {
        Some(structured) if structured.to_string().len() <= max => structured,
        Some(structured) => Value::String(limited(structured.to_string(), max)),
        None => blocks(&result.content, max),
    };
    redact(&mut value, secrets);
    match (is_error, value) {
        (false, value) => Ok(value),
        (true, Value::String(text)) if text.is_empty() => {
            Err(ToolError::new("the tool failed and did not say why"))
        }
        (true, Value::String(text)) => Err(ToolError::new(text)),
        (true, value) => Err(ToolError::new(value.to_string())),
    }
}

/// Takes `secrets` out of every text of `value`.
fn redact(value: &mut Value, secrets: &[String]) {
    match value {
        Value::String(text) => {
            for secret in secrets {
                if text.contains(secret.as_str()) {
                    *text = text.replace(secret.as_str(), REDACTED);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, secrets)),
        Value::Object(members) => members.values_mut().for_each(|item| redact(item, secrets)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn blocks(content: &[ContentBlock], max: usize) -> Value {
    let texts: Option<Vec<&str>> = content
        .iter()
        .map(|block| match block {
            ContentBlock::Text(text) => Some(text.text.as_str()),
            _ => None,
        })
        .collect();
    if let Some(texts) = texts {
        return Value::String(limited(texts.join("\n"), max));
    }
    let described = Value::Array(content.iter().map(describe).collect());
    match described.to_string() {
        text if text.len() > max => Value::String(limited(text, max)),
        _ => described,
    }
}

/// A block as the model can read it. The bytes of images, sounds and files are no text: it is told what they are.
fn describe(block: &ContentBlock) -> Value {
    match block {
        ContentBlock::Text(text) => json!({ "type": "text", "text": text.text }),
        ContentBlock::Image(image) => media("image", &image.mime_type, &image.data),
        ContentBlock::Audio(audio) => media("audio", &audio.mime_type, &audio.data),
        ContentBlock::Resource(resource) => match &resource.resource {
            ResourceContents::TextResourceContents { uri, text, .. } => {
                json!({ "type": "resource", "uri": uri, "text": text })
            }
            ResourceContents::BlobResourceContents {
                uri,
                mime_type,
                blob,
                ..
            } => {
                let media_type = mime_type.as_deref().unwrap_or("application/octet-stream");
                let mut resource = media("resource", media_type, blob);
                resource["uri"] = json!(uri);
                resource
            }
            _ => json!({ "type": "resource" }),
        },
        ContentBlock::ResourceLink(link) => {
            json!({ "type": "resource_link", "uri": link.uri, "name": link.name, "description": link.description })
        }
        _ => json!({ "type": "unknown" }),
    }
}

/// `data` is in Base64.
fn media(kind: &str, media_type: &str, data: &str) -> Value {
    json!({ "type": kind, "media_type": media_type, "bytes": data.len() / 4 * 3 })
}

fn limited(mut text: String, max: usize) -> String {
    let bytes = text.len();
    if cut(&mut text, max) {
        text.push_str(&format!("\n[cut off: the result has {bytes} bytes]"));
    }
    text
}
