//! The Embeddings API of OpenAI, and of the many servers that speak it:
//! <https://platform.openai.com/docs/api-reference/embeddings>.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::client::Upstream;
use crate::client::error_response::Failure;
use crate::documents::similarity::normalize;
use crate::embedding::{Embedder, Embedding, Purpose};
use crate::error::AgentError;
use crate::error::provider_error::ProviderError;

/// How many texts are sent at a time. The API takes 2,048, of 300,000 tokens together; other servers take fewer.
const BATCH: usize = 64;
/// How often a call is tried again that may succeed later, and the pauses between.
const RETRIES: usize = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Asks a server for embeddings.
pub(crate) struct OpenAiEmbedder {
    upstream: Upstream,
    /// What the server calls the model.
    asked: String,
    dimensions: Option<u32>,
    /// What the service calls it: with the provider, and the dimensions if they are asked for.
    model: String,
}

impl OpenAiEmbedder {
    /// An embedder that asks `model` at `upstream`, for vectors of so many numbers if that is said.
    pub(crate) fn new(upstream: Upstream, model: &str, dimensions: Option<u32>) -> Self {
        let provider = &upstream.provider;
        let name = match dimensions {
            Some(dimensions) => format!("{provider}:{model}/{dimensions}"),
            None => format!("{provider}:{model}"),
        };
        Self {
            asked: model.to_owned(),
            model: name,
            dimensions,
            upstream,
        }
    }

    /// The vectors of a batch; tried again while the server says that it may work later.
    async fn batch(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ProviderError> {
        let mut body = json!({ "model": self.asked, "input": texts, "encoding_format": "float" });
        if let Some(dimensions) = self.dimensions {
            body["dimensions"] = dimensions.into();
        }
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(RETRIES)
            .with_jitter()
            .build();
        loop {
            let answer = self.upstream.post(&body).await;
            let error = match answer {
                Ok(answer) => return self.read(&answer, texts.len()),
                Err(error) => error,
            };
            let pause = pauses.next().filter(|_| error.fault.is_transient());
            let Some(pause) = pause.map(|pause| error.retry_after.unwrap_or(pause)) else {
                return Err(error);
            };
            if pause > LONGEST_PAUSE {
                return Err(error);
            }
            tracing::info!(
                model = self.model,
                pause_ms = crate::telemetry::log::millis(pause),
                "the embedding is tried again"
            );
            tokio::time::sleep(pause).await;
        }
    }

    fn read(&self, answer: &Value, count: usize) -> Result<Vec<Vec<f32>>, ProviderError> {
        let read = vectors(answer, count, self.dimensions);
        read.map_err(|why| {
            let failure = Failure::broken(why);
            self.upstream.failed(&failure, None, &HeaderMap::new())
        })
    }
}

impl Embedder for OpenAiEmbedder {
    fn model(&self) -> &str {
        &self.model
    }

    fn dimensions(&self) -> Option<u32> {
        self.dimensions
    }

    fn embed<'a>(&'a self, texts: &'a [String], _: Purpose) -> Embedding<'a> {
        Box::pin(async move {
            let mut vectors = Vec::with_capacity(texts.len());
            for batch in texts.chunks(BATCH) {
                vectors.extend(self.batch(batch).await.map_err(AgentError::from)?);
            }
            Ok(vectors)
        })
    }
}

/// The vectors in an answer, in the order of their texts: one for each, all of one size.
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
    for (place, entry) in data.iter().enumerate() {
        let index = match &entry["index"] {
            Value::Null => Some(place),
            index => index.as_u64().and_then(|index| usize::try_from(index).ok()),
        };
        let index = index.filter(|index| *index < count);
        let slot = &mut vectors[index.ok_or("an index of no text")?];
        let numbers = entry["embedding"].as_array();
        let numbers = numbers.into_iter().flatten();
        // What is too large for a number of this size would be near everything or nothing.
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
    match vectors
        .iter()
        .all(|vector| vector.len() == size && size > 0)
    {
        true => Ok(vectors),
        false => Err("embeddings of another size than they should have"),
    }
}
