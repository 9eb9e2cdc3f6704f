//! Documents that agents search: split into passages, embedded, stored, found and cited.
//!
//! Invariant: a collection is searched with the embedding model that its passages were embedded with, or not at all.

pub(crate) mod chunking;
pub(crate) mod citations;
pub(crate) mod document_index;
pub(crate) mod document_store;
pub(crate) mod documents_settings;
pub(crate) mod grounding;
pub(crate) mod memory_documents;
pub(crate) mod passage_search;
#[cfg(feature = "qdrant")]
pub(crate) mod qdrant;
#[cfg(feature = "qdrant")]
pub(crate) mod qdrant_wire;
pub(crate) mod similarity;

pub use self::document_store::{Condition, DocumentStore, PassageQuery, SearchResult};
pub use self::documents_settings::DocumentsSettings;
pub use self::grounding::Grounding;
pub use self::memory_documents::MemoryDocuments;
#[cfg(feature = "qdrant")]
pub use self::qdrant::Qdrant;
pub use crate::embedding::embedding_settings::Embeddings;
pub use crate::embedding::hashing_embedder::HashingEmbedder;
pub use crate::embedding::{EmbedFuture, Embedder, Purpose};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::schema::DateTime;

/// What ids and languages of documents look like, and how many characters they have at most.
pub(crate) const ID_PATTERN: &str = "^[A-Za-z0-9][A-Za-z0-9._:/@~-]*$";
pub(crate) const LONGEST_ID: usize = 200;
pub(crate) const LANGUAGE_PATTERN: &str = "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$";
pub(crate) const LONGEST_LANGUAGE: u64 = 35;

/// A document of a collection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    /// Everything except the text.
    #[serde(flatten)]
    pub head: DocumentHead,
    /// All of it: plain text or Markdown.
    pub text: String,
}

/// A document without its text. Searches can filter by it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DocumentHead {
    /// Identifies the document in its collection.
    #[schemars(length(max = LONGEST_ID), regex(pattern = ID_PATTERN))]
    pub id: String,
    /// The title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The language it is written in: a tag of BCP 47, as in `de-CH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = LONGEST_LANGUAGE), regex(pattern = LANGUAGE_PATTERN))]
    pub language: Option<String>,
    /// When the author last changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<DateTime>,
    /// Other properties: strings, numbers, booleans, and arrays of them.
    #[serde(default)]
    #[schemars(required, schema_with = "metadata_schema")]
    pub metadata: Map<String, Value>,
}

/// Metadata as stores keep it; its values are a component of their own.
fn metadata_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": { "$ref": "#/components/schemas/DocumentValue" },
    })
}

/// A document in a listing.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentSummary {
    /// Everything except the text.
    pub head: DocumentHead,
    /// The number of its passages.
    pub passages: u32,
}

/// A document with its embedded passages, as stores keep it.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedDocument {
    /// The document.
    pub document: Document,
    /// The embedding model. Vectors of different models can't be compared.
    pub model: String,
    /// The passages, in the order of the text.
    pub passages: Vec<EmbeddedPassage>,
}

/// A passage with its vector.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedPassage {
    /// The nearest heading above the passage, or else the document's title.
    pub title: Option<String>,
    /// The text.
    pub text: String,
    /// The embedding, of length 1.
    pub vector: Vec<f32>,
}

/// A passage that a search found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    /// The document that it is from.
    pub document: DocumentHead,
    /// The index among the document's passages, from 0.
    pub number: u32,
    /// The nearest heading above the passage, or else the document's title.
    pub title: Option<String>,
    /// The text.
    pub text: String,
    /// The similarity with the query: the cosine of the angle between their vectors, above 0 and at most 1.
    pub score: f64,
}

impl Passage {
    /// An id that is unique within the collection: the document's id, `#` and the number, as in `handbook#3`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}#{}", self.document.id, self.number)
    }
}
