//! The documents of a service: split and embedded when they are put, looked up by what they say.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::document::{Document, EmbeddedDocument, EmbeddedPassage, Passage};
use crate::document_store::{DocumentStore, Found, PassageQuery};
use crate::embedder::{Embedder, Purpose};
use crate::error::AgentError;
use crate::filter::Condition;
use crate::metrics::Metrics;
use crate::passages::split;
use crate::spec::AgentSpec;

/// The documents of a service, and what embeds them.
pub(crate) struct Library {
    /// Where the documents are.
    pub(crate) store: Arc<dyn DocumentStore>,
    embedder: Arc<dyn Embedder>,
    metrics: Arc<Metrics>,
    /// The collections that were looked through for passages of other models.
    looked_at: Mutex<BTreeSet<String>>,
}

/// What is looked for.
pub(crate) struct Lookup<'a> {
    /// The collection.
    pub(crate) collection: &'a str,
    /// What the passages are to be about.
    pub(crate) query: &'a str,
    /// What their documents have to fulfil.
    pub(crate) filter: Vec<Condition>,
    /// How many at most.
    pub(crate) limit: u32,
    /// Whether all that there are have to be counted.
    pub(crate) count: bool,
}

impl Library {
    /// Documents in `store`, embedded by `embedder`.
    pub(crate) fn new(
        store: Arc<dyn DocumentStore>,
        embedder: Arc<dyn Embedder>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            store,
            embedder,
            metrics,
            looked_at: Mutex::default(),
        }
    }

    /// The model that embeds.
    pub(crate) fn model(&self) -> &str {
        self.embedder.model()
    }

    /// Puts documents into a collection, all of them or none, and says how many passages each has.
    pub(crate) async fn put(
        &self,
        collection: &str,
        documents: Vec<Document>,
    ) -> Result<Vec<usize>, AgentError> {
        let split = documents.iter().map(|document| {
            let sections = split(&document.text).into_iter();
            let titled = sections.map(|section| {
                let title = section.heading.or_else(|| document.head.title.clone());
                (title, section.text)
            });
            titled.collect::<Vec<_>>()
        });
        let split = split.collect::<Vec<_>>();
        // What a passage stands under is a part of what it says.
        let texts = split.iter().flatten().map(|(title, text)| match title {
            Some(title) => format!("{title}\n\n{text}"),
            None => text.clone(),
        });
        let texts = texts.collect::<Vec<_>>();
        let mut vectors = self.embed(&texts, Purpose::Document).await?.into_iter();
        let counts = split.iter().map(Vec::len).collect();
        let embedded = documents
            .into_iter()
            .zip(split)
            .map(|(document, sections)| {
                let passages = sections.into_iter().zip(&mut vectors);
                let passages = passages.map(|((title, text), vector)| EmbeddedPassage {
                    title,
                    text,
                    vector,
                });
                EmbeddedDocument {
                    document,
                    model: self.model().to_owned(),
                    passages: passages.collect(),
                }
            });
        self.store.put(collection, embedded.collect()).await?;
        Ok(counts)
    }

    /// The vectors of texts, one for each.
    ///
    /// # Errors
    /// What the embedder says, and 500 if it gives another number of vectors.
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
        match vectors.len() == texts.len() {
            true => Ok(vectors),
            false => Err(AgentError::Internal(format!(
                "the embedder `{model}` gave {} vectors for {} texts",
                vectors.len(),
                texts.len()
            ))),
        }
    }

    /// The passages that are nearest to a query.
    pub(crate) async fn search(&self, lookup: Lookup<'_>) -> Result<Found, AgentError> {
        let Lookup {
            collection,
            query,
            filter,
            limit,
            count,
        } = lookup;
        let query = [query.to_owned()];
        let mut vectors = self.embed(&query, Purpose::Query).await?;
        let query = PassageQuery {
            model: self.model().to_owned(),
            vector: vectors.pop().unwrap_or_default(),
            filter,
            limit,
            count,
        };
        let found = self.store.search(collection, &query).await?;
        self.warn_of_others(collection).await;
        Ok(found)
    }

    /// The passages of an agent's documents that are nearest to a query.
    ///
    /// # Errors
    /// As [`Library::search`], and 500 for an agent without documents.
    pub(crate) async fn passages(
        &self,
        agent: &AgentSpec,
        query: &str,
        limit: u32,
    ) -> Result<Vec<Passage>, AgentError> {
        let lookup = Lookup {
            collection: collection(agent)?,
            query,
            filter: Vec::new(),
            limit,
            count: false,
        };
        Ok(self.search(lookup).await?.passages)
    }

    /// Warns once of passages that no search finds any more.
    async fn warn_of_others(&self, collection: &str) {
        let is_new = self
            .looked_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(collection.to_owned());
        if !is_new {
            return;
        }
        let model = self.model();
        if let Ok(true) = self.store.has_others(collection, model).await {
            tracing::warn!(
                collection,
                model,
                "documents that another model embedded are not found: put them again"
            );
        }
    }
}

/// The collection of an agent's documents.
///
/// # Errors
/// 500 for an agent without: the generator lets no such agent look anything up.
pub(crate) fn collection(agent: &AgentSpec) -> Result<&'static str, AgentError> {
    let documents = agent.documents.ok_or_else(|| {
        let slug = agent.slug;
        AgentError::internal(format!(
            "the agent `{slug}` looks something up, and has no documents"
        ))
    });
    Ok(documents?.collection)
}
