//! Access of handlers to the agent's documents: search, embed, and passages.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::documents::Passage;
use crate::documents::document_index::{PassageSearch, collection};
use crate::documents::passage_search::{EmbedRequest, SearchRequest, hit, search_answer};
use crate::error::AgentError;
use crate::run::reply::Reply;
use crate::run::run_context::RunContext;
use crate::schema::{Schema, Validate, check};
use crate::spec::agent_spec::AgentSpec;
use crate::spec::endpoint_spec::{EndpointSpec, HitShape};

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
            self.search_as(agent, endpoint, request?, parse_output)
                .await
        }
    }

    /// As [`search`](Self::search); `parse` makes the answer of its JSON, if it fits the output schema.
    pub(crate) async fn search_as<Res: Send>(
        &self,
        agent: &'static AgentSpec,
        endpoint: &'static EndpointSpec,
        request: Value,
        parse: impl Fn(Value) -> Result<Res, AgentError> + Send,
    ) -> Result<Reply<Res>, AgentError> {
        let (shape, hit_schema) = self.hit_shape(endpoint)?;
        let SearchRequest {
            query,
            limit,
            filter,
        } = SearchRequest::read(&shape, request)?;
        let documents = &self.0.resources.documents;
        let lookup = PassageSearch {
            collection: collection(agent)?,
            query: &query,
            filter,
            limit,
            count: shape.total,
        };
        self.0.resources.metrics.searched(agent.slug);
        let found = documents.search(lookup).await?;
        let model = documents.model();
        let mut hits = Vec::new();
        for passage in &found.passages {
            let hit = hit(&shape, &hit_schema, passage);
            // A hit that is invalid under the output schema must not fail the others.
            let alone = search_answer(&shape, vec![hit.clone()], found.total, model);
            if parse(alone).is_ok() {
                hits.push(hit);
            } else {
                log_dropped_hit_once(endpoint, passage);
            }
        }
        let value = parse(search_answer(&shape, hits, found.total, model))?;
        Ok(reply_by(model, value))
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
        async move { self.embed_as(endpoint, &request?, parse_output).await }
    }

    /// As [`embed`](Self::embed); `parse` makes the answer of its JSON, if it fits the output schema.
    pub(crate) async fn embed_as<Res: Send>(
        &self,
        endpoint: &'static EndpointSpec,
        request: &Value,
        parse: impl Fn(Value) -> Result<Res, AgentError> + Send,
    ) -> Result<Reply<Res>, AgentError> {
        let embed = EmbedRequest::read(request)?;
        let documents = &self.0.resources.documents;
        let vectors = documents.embed(&embed.texts, embed.purpose).await?;
        let model = documents.model();
        let schemas = &self.0.resources.schemas;
        let output_schema = schemas.output(endpoint).map_err(AgentError::internal)?;
        let value = parse(embed.answer(&output_schema, &vectors, model))?;
        Ok(reply_by(model, value))
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

    /// The shape of a search endpoint's hits, and their schema.
    fn hit_shape(&self, endpoint: &EndpointSpec) -> Result<(HitShape, Schema), AgentError> {
        let output_schema = self.0.resources.schemas.output(endpoint);
        let hits = output_schema
            .map_err(AgentError::internal)?
            .property("hits");
        let hit_schema = hits.and_then(|hits| hits.items());
        endpoint.hits.zip(hit_schema).ok_or_else(|| {
            let id = endpoint.operation_id;
            AgentError::internal(format!("the endpoint `{id}` is no search"))
        })
    }
}

/// Parses an output as the type that was generated from its schema.
fn parse_output<Res: DeserializeOwned + Validate>(answer: Value) -> Result<Res, AgentError> {
    let value = serde_path_to_error::deserialize::<_, Res>(answer).map_err(schema_mismatch)?;
    check(&value).map_err(|violations| schema_mismatch(AgentError::Invalid(violations)))?;
    Ok(value)
}

pub(crate) fn schema_mismatch(why: impl std::fmt::Display) -> AgentError {
    AgentError::internal(format!("the answer does not fit its output schema: {why}"))
}

/// Warns once per process that passages are dropped from search results.
fn log_dropped_hit_once(endpoint: &EndpointSpec, passage: &Passage) {
    static LOGGED: AtomicBool = AtomicBool::new(false);
    if !LOGGED.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            endpoint = endpoint.operation_id,
            passage = passage.id(),
            "a passage is left out: it lacks what the output schema requires of a hit (this is logged once)"
        );
    }
}

fn reply_by<T>(model: &str, value: T) -> Reply<T> {
    Reply {
        model: Some(model.to_owned()),
        ..Reply::from(value)
    }
}
