//! Indexes and searches documents: splits and embeds them when they are stored, embeds each query.

use std::sync::Arc;

use crate::documents::chunking::{Section, split};
use crate::documents::document_store::Condition;
use crate::documents::document_store::{DocumentStore, PassageQuery, SearchResult};
use crate::documents::{Document, EmbeddedDocument, EmbeddedPassage, Passage};
use crate::embedding::{Embedder, Purpose};
use crate::error::AgentError;
use crate::future::off_worker;
use crate::spec::agent_spec::AgentSpec;
use crate::telemetry::metrics::Metrics;

/// In characters; the rest of a query is ignored. Embedding models refuse texts that are longer than their context.
const MAX_QUERY: usize = 4_000;
/// Passages in one `put`: a short text can have many headings.
const MAX_PASSAGES: usize = 8_192;

/// The document store of a service with its embedder.
pub(crate) struct DocumentIndex {
    pub(crate) store: Arc<dyn DocumentStore>,
    embedder: Arc<dyn Embedder>,
    /// Passages with a lower score are not found.
    min_score: f64,
    metrics: Arc<Metrics>,
}

/// A search in one collection.
pub(crate) struct PassageSearch<'a> {
    pub(crate) collection: &'a str,
    pub(crate) query: &'a str,
    /// Conditions on the documents, all of which must hold.
    pub(crate) filter: Vec<Condition>,
    pub(crate) limit: u32,
    /// Whether to count all matches, beyond the limit too.
    pub(crate) count: bool,
}

impl DocumentIndex {
    /// An index over `store`. `min_score` overrides the embedder's own.
    pub(crate) fn new(
        store: Arc<dyn DocumentStore>,
        embedder: Arc<dyn Embedder>,
        min_score: Option<f64>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            store,
            min_score: min_score.unwrap_or_else(|| embedder.min_score()),
            embedder,
            metrics,
        }
    }

    /// The embedding model.
    pub(crate) fn model(&self) -> &str {
        self.embedder.model()
    }

    /// Splits, embeds and stores documents, all of them or none. Returns the number of passages of each.
    pub(crate) async fn put(
        &self,
        collection: &str,
        documents: Vec<Document>,
    ) -> Result<Vec<usize>, AgentError> {
        let bytes = documents.iter().map(|document| document.text.len());
        let (documents, split, texts) = off_worker(bytes.sum(), move || split_all(documents)).await;
        let passages = split.iter().map(Vec::len).sum::<usize>();
        if passages > MAX_PASSAGES {
            let detail = format!(
                "must come to {MAX_PASSAGES} passages at most, and comes to {passages}: put fewer of them at a time, \
                 with fewer headings"
            );
            return Err(AgentError::invalid("/documents", detail));
        }
        let vectors = self.embed(&texts, Purpose::Document).await?;
        let model = self.stored_model(&vectors);
        let mut vectors = vectors.into_iter();
        let counts = split.iter().map(Vec::len).collect();
        let embedded = documents
            .into_iter()
            .zip(split)
            .map(|(document, sections)| {
                let passages = sections.into_iter().zip(&mut vectors);
                let passages = passages.map(|(mut section, vector)| EmbeddedPassage {
                    title: section
                        .headings
                        .pop()
                        .or_else(|| document.head.title.clone()),
                    text: section.text,
                    vector,
                });
                let passages = passages.collect();
                EmbeddedDocument {
                    document,
                    model: model.clone(),
                    passages,
                }
            });
        self.store.put(collection, embedded.collect()).await?;
        Ok(counts)
    }

    /// The model name that is stored with vectors. If the settings don't give the size of vectors, the name includes it: a
    /// provider may put another model behind the same name.
    fn stored_model(&self, vectors: &[Vec<f32>]) -> String {
        let model = self.model();
        match (self.embedder.dimensions(), vectors.first()) {
            (None, Some(vector)) => format!("{model}/{}", vector.len()),
            _ => model.to_owned(),
        }
    }

    /// One vector for each text.
    ///
    /// # Errors
    /// Those of the embedder, and an internal error if the number of vectors is wrong or their sizes differ.
    pub(crate) async fn embed(
        &self,
        texts: &[String],
        purpose: Purpose,
    ) -> Result<Vec<Vec<f32>>, AgentError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        let model = self.model();
        let embedded = self.embedder.embed(texts, purpose).await;
        match &embedded {
            Ok(_) => self.metrics.embedded(model, texts.len()),
            Err(error) => self.metrics.embedding_failed(model, error.kind()),
        }
        let vectors = embedded?;
        let is_uniform = vectors.windows(2).all(|two| two[0].len() == two[1].len());
        if vectors.len() == texts.len() && is_uniform {
            return Ok(vectors);
        }
        Err(AgentError::internal(format!(
            "the embedder `{model}` gave {} vectors for {} texts{}",
            vectors.len(),
            texts.len(),
            if is_uniform {
                ""
            } else {
                ", of different sizes"
            }
        )))
    }

    /// The passages that are most similar to a query. A blank query finds nothing.
    ///
    /// # Errors
    /// Those of the store and the embedder, and [`AgentError::Unavailable`] while the collection has documents of another
    /// embedding model.
    pub(crate) async fn search(
        &self,
        search: PassageSearch<'_>,
    ) -> Result<SearchResult, AgentError> {
        let PassageSearch {
            collection,
            query,
            filter,
            limit,
            count,
        } = search;
        if query.trim().is_empty() {
            let total = count.then_some(0);
            return Ok(SearchResult {
                total,
                ..SearchResult::default()
            });
        }
        let query = [query.chars().take(MAX_QUERY).collect()];
        let mut vectors = self.embed(&query, Purpose::Query).await?;
        let model = self.stored_model(&vectors);
        let Some(vector) = vectors.pop() else {
            return Err(AgentError::internal("the embedder gave no vector"));
        };
        let query = PassageQuery {
            model: model.clone(),
            vector,
            filter,
            min_score: self.min_score,
            limit,
            count,
        };
        let found = self.store.search(collection, &query).await?;
        if !found.has_other_models {
            return Ok(found);
        }
        // Its documents can't be found, and an answer without them would look complete.
        let detail = format!(
            "the collection `{collection}` has documents that another model than `{model}` embedded: they have to be \
             put again, or deleted"
        );
        tracing::error!(collection, model, "{detail}");
        Err(AgentError::unavailable(detail))
    }

    /// The passages of an agent's documents that are most similar to a query.
    ///
    /// # Errors
    /// As [`DocumentIndex::search`], and an internal error for an agent without documents.
    pub(crate) async fn passages(
        &self,
        agent: &AgentSpec,
        query: &str,
        limit: u32,
    ) -> Result<Vec<Passage>, AgentError> {
        let search = PassageSearch {
            collection: collection(agent)?,
            query,
            filter: Vec::new(),
            limit,
            count: false,
        };
        Ok(self.search(search).await?.passages)
    }
}

/// Splits documents into sections, and gives the texts to embed, those of the first document first.
fn split_all(documents: Vec<Document>) -> (Vec<Document>, Vec<Vec<Section>>, Vec<String>) {
    let split = documents.iter().map(|document| split(&document.text));
    let split = split.collect::<Vec<_>>();
    let texts = documents
        .iter()
        .zip(&split)
        .flat_map(|(document, sections)| {
            let title = document.head.title.as_deref();
            sections
                .iter()
                .map(move |section| text_to_embed(title, section))
        });
    let texts = texts.collect();
    (documents, split, texts)
}

/// The text that is embedded for a passage: the document's title and the headings, one a line, then the passage.
fn text_to_embed(title: Option<&str>, section: &Section) -> String {
    let mut titles = section
        .headings
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>();
    // The first heading of a document is often its title.
    if let Some(title) = title.filter(|title| titles.first() != Some(title)) {
        titles.insert(0, title);
    }
    if titles.is_empty() {
        return section.text.clone();
    }
    format!("{}\n\n{}", titles.join("\n"), section.text)
}

/// The collection of an agent's documents.
///
/// # Errors
/// An internal error for an agent without documents, which the generator never lets search.
pub(crate) fn collection(agent: &AgentSpec) -> Result<&'static str, AgentError> {
    let documents = agent.documents.ok_or_else(|| {
        let slug = agent.slug;
        AgentError::internal(format!("the agent `{slug}` has no documents to search"))
    });
    Ok(documents?.collection)
}
