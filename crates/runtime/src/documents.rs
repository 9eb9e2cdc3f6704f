//! The documents that agents search, cut into passages; the stores for them; search and citations.
//!
//! Invariant: a collection is searched with the embedding model that its passages were embedded with, or not at all.

pub(crate) mod chunking;
pub(crate) mod citations;
pub(crate) mod document_index;
pub(crate) mod document_store;
pub(crate) mod grounding;
pub(crate) mod memory_documents;
pub(crate) mod passage_filter;
pub(crate) mod passage_search;
pub(crate) mod qdrant;
pub(crate) mod qdrant_wire;
pub(crate) mod similarity;

pub use self::document_store::{DocumentStore, Found, PassageQuery};
pub use self::grounding::Retrieved;
pub use self::memory_documents::MemoryDocuments;
pub use self::passage_filter::Condition;
pub use self::qdrant::{DocumentsSettings, Qdrant};
pub use crate::embedding::embedding_settings::Embeddings;
pub use crate::embedding::hashing_embedder::HashingEmbedder;
pub use crate::embedding::{Embedder, Embedding, Purpose};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::schema::formats::DateTime;

/// A document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// All but its text.
    #[serde(flatten)]
    pub head: DocumentHead,
    /// Plain text or Markdown.
    pub text: String,
}

/// What is known of a document besides its text; a search can be narrowed by it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentHead {
    /// Its id, unique within its collection.
    pub id: String,
    /// Its title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its language, as BCP 47 names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// When its author changed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<DateTime>,
    /// Whatever else is known of it: texts, numbers, true or false, and lists of such.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// A document in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentFacts {
    /// All but its text.
    pub head: DocumentHead,
    /// How many passages it has.
    pub passages: u32,
}

/// A document with its passages embedded, ready to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedDocument {
    /// The document.
    pub document: Document,
    /// What embedded it: passages of different models can't be compared.
    pub model: String,
    /// Its passages in their order.
    pub passages: Vec<EmbeddedPassage>,
}

/// A passage of a document, and what a search compares.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedPassage {
    /// The heading it stands under, or else the title of the document.
    pub title: Option<String>,
    /// Its text.
    pub text: String,
    /// Its embedding, of length 1.
    pub vector: Vec<f32>,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// The document it is from.
    pub document: DocumentHead,
    /// The how manieth of the document's passages it is, from 0 on.
    pub number: u32,
    /// The heading it stands under, or else the title of the document.
    pub title: Option<String>,
    /// Its text.
    pub text: String,
    /// How near it is to what was looked for: the cosine of the angle between the two, above 0 and at most 1.
    pub score: f64,
}

impl Passage {
    /// Its id, unique within its collection: the document's, `#` and the number.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}#{}", self.document.id, self.number)
    }
}
