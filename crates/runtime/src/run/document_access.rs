//! What a handler has of the agent's documents: search, embed, and passages as they are.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::documents::Passage;
use crate::documents::document_index::{PassageSearch, collection};
use crate::documents::passage_search::{EmbedRequest, HitForm, SearchRequest};
use crate::error::AgentError;
use crate::run::reply::Reply;
use crate::run::run_context::RunContext;
use crate::schema::validate::{Validate, check};
use crate::spec::agent_spec::AgentSpec;
use crate::spec::endpoint_spec::EndpointSpec;

impl RunContext {
    /// Answers a search: the passages of the agent's documents that are nearest to the `query` of `request`, in the form
    /// of the endpoint's output schema. A passage that lacks what the schema requires of a hit is left out.
    ///
    /// # Errors
    /// 422 for a filter that makes no sense, what the store and the embedder say, and 500 for an endpoint that is no
    /// search.
    pub fn search<Req, Res>(
        &self,
        agent: &'static AgentSpec,
        endpoint: &'static EndpointSpec,
        request: Req,
    ) -> impl Future<Output = Result<Reply<Res>, AgentError>> + Send + use<'_, Req, Res>
    where
        Req: Serialize,
        Res: DeserializeOwned + Validate + Send,
    {
        let request = serde_json::to_value(&request).map_err(AgentError::internal);
        async move {
            let SearchRequest {
                query,
                limit,
                filter,
            } = SearchRequest::read(endpoint.input_schema, request?)?;
            let form = HitForm::new(endpoint.output_schema);
            let library = &self.0.resources.documents;
            let lookup = PassageSearch {
                collection: collection(agent)?,
                query: &query,
                filter,
                limit,
                count: form.has("total"),
            };
            self.0.resources.metrics.searched(agent.slug);
            let found = library.search(lookup).await?;
            let model = library.model();
            let hits = found.passages.iter().filter_map(|passage| {
                let hit = form.hit(passage);
                // One hit of another form must not cost the others.
                let alone = form.answer(vec![hit.clone()], found.total, model);
                let is_fit = typed::<Res>(alone).is_ok();
                is_fit
                    .then_some(hit)
                    .or_else(|| left_out(endpoint, passage))
            });
            let hits = hits.collect::<Vec<_>>();
            let value = typed(form.answer(hits, found.total, model))?;
            Ok(by(model, value))
        }
    }

    /// Embeds the `texts` of `request`, or its one `text`, and answers in the form of the endpoint's output schema.
    ///
    /// # Errors
    /// What the embedder says, and 500 for an endpoint that is no embedding.
    pub fn embed<Req, Res>(
        &self,
        _: &'static AgentSpec,
        endpoint: &'static EndpointSpec,
        request: Req,
    ) -> impl Future<Output = Result<Reply<Res>, AgentError>> + Send + use<'_, Req, Res>
    where
        Req: Serialize,
        Res: DeserializeOwned + Validate + Send,
    {
        let request = serde_json::to_value(&request).map_err(AgentError::internal);
        async move {
            let asked = EmbedRequest::read(&request?)?;
            let library = &self.0.resources.documents;
            let vectors = library.embed(&asked.texts, asked.purpose).await?;
            let model = library.model();
            let value = typed(asked.answer(endpoint.output_schema, &vectors, model))?;
            Ok(by(model, value))
        }
    }

    /// The passages of the agent's documents that are nearest to `query`, at most `limit`.
    ///
    /// # Errors
    /// What the store and the embedder say, and 500 for an agent without documents.
    pub async fn passages(
        &self,
        agent: &'static AgentSpec,
        query: &str,
        limit: u32,
    ) -> Result<Vec<Passage>, AgentError> {
        self.0.resources.metrics.searched(agent.slug);
        self.0
            .resources
            .documents
            .passages(agent, query, limit)
            .await
    }
}

/// An answer as the type that the generator made of its schema.
fn typed<Res: DeserializeOwned + Validate>(answer: Value) -> Result<Res, AgentError> {
    let value = serde_path_to_error::deserialize::<_, Res>(answer).map_err(misfit)?;
    check(&value).map_err(|violations| misfit(AgentError::Invalid(violations)))?;
    Ok(value)
}

fn misfit(why: impl std::fmt::Display) -> AgentError {
    AgentError::internal(format!("the answer does not fit its output schema: {why}"))
}

/// Tells once that there are passages which are no hits.
fn left_out(endpoint: &EndpointSpec, passage: &Passage) -> Option<Value> {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !TOLD.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            endpoint = endpoint.operation_id,
            passage = passage.id(),
            "a passage is left out: it lacks what the output schema requires of a hit (this is told once)"
        );
    }
    None
}

fn by<T>(model: &str, value: T) -> Reply<T> {
    Reply {
        model: Some(model.to_owned()),
        ..Reply::from(value)
    }
}
