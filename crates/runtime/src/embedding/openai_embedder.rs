//! The Embeddings API of OpenAI, which many other servers offer too:
//! <https://platform.openai.com/docs/api-reference/embeddings>.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use serde_json::{Value, json};

use crate::client::HttpEndpoint;
use crate::documents::similarity::normalize;
use crate::embedding::{EmbedFuture, Embedder, Purpose};
use crate::error::AgentError;
use crate::error::provider_error::ProviderError;

/// Texts in one request. OpenAI accepts 2,048 with 300,000 tokens in total; other servers accept fewer.
const BATCH_SIZE: usize = 64;
const MAX_RETRIES: usize = 3;
const MIN_PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// An [`Embedder`] that calls an embedding model over HTTP.
pub(crate) struct OpenAiEmbedder {
    endpoint: HttpEndpoint,
    /// The model's name in requests.
    server_model: String,
    dimensions: Option<u32>,
    /// `provider:model`, or `provider:model/dimensions`.
    model: String,
}

impl OpenAiEmbedder {
    /// An embedder for `model`. `dimensions` asks the model for vectors of this size.
    pub(crate) fn new(endpoint: HttpEndpoint, model: &str, dimensions: Option<u32>) -> Self {
        let provider = &endpoint.provider;
        let name = match dimensions {
            Some(dimensions) => format!("{provider}:{model}/{dimensions}"),
            None => format!("{provider}:{model}"),
        };
        Self {
            server_model: model.to_owned(),
            model: name,
            dimensions,
            endpoint,
        }
    }

    /// The vectors of one batch, with retries after transient errors.
    async fn embed_batch(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ProviderError> {
        let mut body =
            json!({ "model": self.server_model, "input": texts, "encoding_format": "float" });
        if let Some(dimensions) = self.dimensions {
            body["dimensions"] = dimensions.into();
        }
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(MIN_PAUSE)
            .with_max_delay(MAX_PAUSE)
            .with_max_times(MAX_RETRIES)
            .with_jitter()
            .build();
        loop {
            let answer = self.endpoint.post(&body).await;
            let error = match answer {
                Ok(answer) => return self.parse(&answer, texts.len()),
                Err(error) => error,
            };
            let pause = pauses.next().filter(|_| error.kind.is_transient());
            let Some(pause) = pause.map(|pause| error.retry_after.unwrap_or(pause)) else {
                return Err(error);
            };
            if pause > MAX_PAUSE {
                return Err(error);
            }
            tracing::info!(
                model = self.model,
                pause_ms = crate::telemetry::log::millis(pause),
                "retrying the embedding request"
            );
            tokio::time::sleep(pause).await;
        }
    }

    fn parse(&self, answer: &Value, count: usize) -> Result<Vec<Vec<f32>>, ProviderError> {
        vectors(answer, count, self.dimensions).map_err(|reason| self.endpoint.malformed(reason))
    }
}

impl Embedder for OpenAiEmbedder {
    fn model(&self) -> &str {
        &self.model
    }

    fn dimensions(&self) -> Option<u32> {
        self.dimensions
    }

    fn embed<'a>(&'a self, texts: &'a [String], _: Purpose) -> EmbedFuture<'a> {
        Box::pin(async move {
            let mut vectors = Vec::with_capacity(texts.len());
            for batch in texts.chunks(BATCH_SIZE) {
                vectors.extend(self.embed_batch(batch).await.map_err(AgentError::from)?);
            }
            Ok(vectors)
        })
    }
}

/// The vectors of an answer, in the order of their texts.
fn vectors(
    answer: &Value,
    count: usize,
    dimensions: Option<u32>,
) -> Result<Vec<Vec<f32>>, &'static str> {
    let data = answer["data"].as_array().ok_or("an answer without data")?;
    if data.len() != count {
        return Err("another count of embeddings than of texts");
    }
    let mut vectors = vec![Vec::new(); count];
    for (position, entry) in data.iter().enumerate() {
        let index = match &entry["index"] {
            Value::Null => Some(position),
            index => index.as_u64().and_then(|index| usize::try_from(index).ok()),
        };
        let index = index.filter(|index| *index < count);
        let slot = &mut vectors[index.ok_or("an index out of range")?];
        let numbers = entry["embedding"].as_array();
        let numbers = numbers.into_iter().flatten();
        // A number beyond the range of `f32` becomes infinite, which would match everything or nothing.
        let numbers = numbers.map(|number| {
            let number = number.as_f64().map(|number| number as f32);
            number.filter(|number| number.is_finite())
        });
        let mut vector = numbers
            .collect::<Option<Vec<_>>>()
            .ok_or("an embedding that is not numbers")?;
        normalize(&mut vector);
        if !std::mem::replace(slot, vector).is_empty() {
            return Err("two embeddings for one text");
        }
    }
    let size = dimensions.map_or_else(
        || vectors.first().map_or(0, Vec::len),
        |dimensions| dimensions as usize,
    );
    if size == 0 || vectors.iter().any(|vector| vector.len() != size) {
        return Err("embeddings of the wrong size");
    }
    Ok(vectors)
}
