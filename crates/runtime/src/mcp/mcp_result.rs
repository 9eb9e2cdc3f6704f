//! What the model gets of a tool's result.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use serde_json::{Value, json};

use crate::client::key_redaction::REDACTED;
use crate::engine::tools::{ToolError, ToolOutput};
use crate::error::AgentError;
use crate::mcp::mcp_log::Words;
use crate::mcp::mcp_tool::cut;
use crate::model::Image;
use crate::schema::Schema;

/// The most bytes of Base64 that the images of a result may have together: the limit of Anthropic for one. Further ones are described.
const MAX_IMAGES: usize = 5 << 20;
/// How the files of the images that models see begin.
const SIGNATURES: [(&str, &[u8]); 5] = [
    ("image/png", b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", b"\xff\xd8\xff"),
    ("image/gif", b"GIF87a"),
    ("image/gif", b"GIF89a"),
    ("image/webp", b"RIFF"),
];

/// The output of a tool that answered `result`, with at most `max` bytes: text where all blocks are text, one object for each block
/// where they are not, and the structured content where there are no blocks, which else repeat it. No secret is in it.
///
/// # Errors
/// What the server says of a call that failed, and what does not fit the `schema` that the server promised.
pub(super) fn output(
    result: CallToolResult,
    schema: Option<&Schema>,
    max: usize,
    words: &Words,
) -> Result<ToolOutput, ToolError> {
    let is_error = result.is_error == Some(true);
    let structured = result.structured_content;
    if let Some((schema, structured)) = schema.zip(structured.as_ref()).filter(|_| !is_error) {
        check(schema, structured, words)?;
    }
    let structured = structured.filter(|_| result.content.is_empty());
    let mut value = match structured {
        Some(structured) if structured.to_string().len() <= max => structured,
        Some(structured) => Value::String(limited(structured.to_string(), max)),
        None => blocks(&result.content, max),
    };
    redact(&mut value, words.secrets());
    match (is_error, value) {
        (false, value) => Ok(ToolOutput {
            value,
            images: images(result.content),
        }),
        (true, Value::String(text)) if text.is_empty() => {
            Err(ToolError::new("the tool failed and did not say why"))
        }
        (true, Value::String(text)) => Err(ToolError::new(text)),
        (true, value) => Err(ToolError::new(value.to_string())),
    }
}

/// Checks a structured result as the protocol wants it.
fn check(schema: &Schema, structured: &Value, words: &Words) -> Result<(), ToolError> {
    let violations = schema.violations(structured);
    if violations.is_empty() {
        return Ok(());
    }
    let error = words.short(&AgentError::Invalid(violations).to_string());
    Err(ToolError::new(format!(
        "the result does not fit the schema that its server promises: {error}"
    )))
}

/// The images that a model can see, whatever the server says of their type. A provider refuses a request with any other.
fn images(content: Vec<ContentBlock>) -> Vec<Image> {
    let mut left = MAX_IMAGES;
    let images = content.into_iter().filter_map(|block| match block {
        ContentBlock::Image(image) => image_of(image.data),
        _ => None,
    });
    let fitting = images.take_while(|image| {
        let fits = image.data.len() <= left;
        left = left.saturating_sub(image.data.len());
        fits
    });
    fitting.collect()
}

fn image_of(data: String) -> Option<Image> {
    let bytes = (data.len() <= MAX_IMAGES).then(|| STANDARD.decode(&data).ok())??;
    let signature = SIGNATURES.iter();
    let (media_type, _) = signature
        .copied()
        .find(|(_, start)| bytes.starts_with(start))?;
    // Sounds begin in the same way.
    if media_type == "image/webp" && bytes.get(8..12) != Some(b"WEBP") {
        return None;
    }
    Some(Image {
        media_type: media_type.into(),
        data,
    })
}

/// Takes `secrets` out of every text of `value`.
pub(super) fn redact(value: &mut Value, secrets: &[String]) {
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

#[cfg(test)]
mod tests {
    use super::image_of;

    #[test]
    fn only_images_that_models_see_are_handed_over() {
        for (data, expected) in [
            ("iVBORw0KGgo=", Some("image/png")),
            ("/9j/4AA=", Some("image/jpeg")),
            ("R0lGODlhAQ==", Some("image/gif")),
            ("UklGRgAAAABXRUJQ", Some("image/webp")),
            ("UklGRgAAAABXQVZF", None),
            ("PHN2Zz4=", None),
            ("iVBORw0KGgo", None),
            ("", None),
        ] {
            let image = image_of(data.to_owned());
            assert_eq!(
                image.as_ref().map(|image| &*image.media_type),
                expected,
                "{data}"
            );
        }
    }
}
