//! The documents of a service: split and embedded when they are put, looked up by what they say.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::documents::chunking::{Section, split};
use crate::documents::document_store::{DocumentStore, Found, PassageQuery};
use crate::documents::passage_filter::Condition;
use crate::documents::{Document, EmbeddedDocument, EmbeddedPassage, Passage};
use crate::embedding::{Embedder, Purpose};
use crate::error::AgentError;
use crate::spec::agent_spec::AgentSpec;
use crate::telemetry::metrics::Metrics;

/// How much of a text is looked for, in characters: a model of embeddings refuses what is longer than it reads.
const LONGEST_QUERY: usize = 4_000;
/// How many passages are embedded for one request at most: headings can make many of a short text.
const MOST_PASSAGES: usize = 8_192;

/// The documents of a service, and what embeds them.
pub(crate) struct Library {
    /// Where the documents are.
    pub(crate) store: Arc<dyn DocumentStore>,
    embedder: Arc<dyn Embedder>,
    /// What a passage scores at least to be found.
    min_score: f64,
    metrics: Arc<Metrics>,
    /// Collections, each with the one model that all in it is embedded by.
    of_one_model: Mutex<BTreeSet<(String, String)>>,
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
    /// Documents in `store`, embedded by `embedder`; `min_score` is said instead of the embedder's own.
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
            of_one_model: Mutex::default(),
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
        let split = documents.iter().map(|document| split(&document.text));
        let split = split.collect::<Vec<_>>();
        let passages = split.iter().map(Vec::len).sum::<usize>();
        if passages > MOST_PASSAGES {
            let why = format!(
                "must come to {MOST_PASSAGES} passages at most, and comes to {passages}: put fewer of them at a time, \
                 with fewer headings"
            );
            return Err(AgentError::invalid("/documents", why));
        }
        let texts = documents
            .iter()
            .zip(&split)
            .flat_map(|(document, sections)| {
                let title = document.head.title.as_deref();
                sections.iter().map(move |section| embedded(title, section))
            });
        let texts = texts.collect::<Vec<_>>();
        let vectors = self.embed(&texts, Purpose::Document).await?;
        let model = self.model_of(&vectors);
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
        self.of_one_model()
            .retain(|(known, other)| known != collection || *other == model);
        Ok(counts)
    }

    /// What is kept as the model of these vectors: where only they tell their size, with it, since the name may come to
    /// stand for another model.
    fn model_of(&self, vectors: &[Vec<f32>]) -> String {
        let model = self.model();
        match (self.embedder.dimensions(), vectors.first()) {
            (None, Some(vector)) => format!("{model}/{}", vector.len()),
            _ => model.to_owned(),
        }
    }

    fn of_one_model(&self) -> MutexGuard<'_, BTreeSet<(String, String)>> {
        let known = self.of_one_model.lock();
        known.unwrap_or_else(PoisonError::into_inner)
    }

    /// The vectors of texts, one for each.
    ///
    /// # Errors
    /// What the embedder says, and 500 if it gives another number of vectors, or some of different sizes.
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
        let is_even = vectors.windows(2).all(|two| two[0].len() == two[1].len());
        match vectors.len() == texts.len() && is_even {
            true => Ok(vectors),
            false => Err(AgentError::Internal(format!(
                "the embedder `{model}` gave {} vectors for {} texts{}",
                vectors.len(),
                texts.len(),
                if is_even { "" } else { ", of different sizes" }
            ))),
        }
    }

    /// The passages that are nearest to a query. One that says nothing finds nothing.
    ///
    /// # Errors
    /// What the store and the embedder say, and 503 while something is in the collection that another model embedded.
    pub(crate) async fn search(&self, lookup: Lookup<'_>) -> Result<Found, AgentError> {
        let Lookup {
            collection,
            query,
            filter,
            limit,
            count,
        } = lookup;
        if query.trim().is_empty() {
            let total = count.then_some(0);
            return Ok(Found {
                total,
                ..Found::default()
            });
        }
        let query = [query.chars().take(LONGEST_QUERY).collect()];
        let mut vectors = self.embed(&query, Purpose::Query).await?;
        let model = self.model_of(&vectors);
        self.refuse_others(collection, &model).await?;
        let query = PassageQuery {
            model,
            vector: vectors.pop().unwrap_or_default(),
            filter,
            min_score: self.min_score,
            limit,
            count,
        };
        self.store.search(collection, &query).await
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

    /// Refuses to search a collection in which something can't be found any more, because another model embedded it:
    /// an answer without it would look like a whole one. A collection where nothing else is left is not looked through
    /// again until something else is put.
    async fn refuse_others(&self, collection: &str, model: &str) -> Result<(), AgentError> {
        let known = (collection.to_owned(), model.to_owned());
        if self.of_one_model().contains(&known) {
            return Ok(());
        }
        if !self.store.has_others(collection, model).await? {
            self.of_one_model().insert(known);
            return Ok(());
        }
        let why = format!(
            "the collection `{collection}` has documents that another model than `{model}` embedded: they have to be \
             put again, or deleted"
        );
        tracing::error!(collection, model, "{why}");
        Err(AgentError::unavailable(why))
    }
}

/// What is embedded of a passage: what it stands under is a part of what it says, a line for each title.
fn embedded(title: Option<&str>, section: &Section) -> String {
    let mut titles = section
        .headings
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>();
    // As a rule, the first heading is the title.
    if let Some(title) = title.filter(|title| titles.first() != Some(title)) {
        titles.insert(0, title);
    }
    match titles.is_empty() {
        true => section.text.clone(),
        false => format!("{}\n\n{}", titles.join("\n"), section.text),
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
