//! The agents that a caller may call, as models.

use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::http::admission::admit;
use crate::http::api_error::ApiError;
use crate::http::calls::MountedEndpoint;
use crate::http::layers::rate_limits::with_rate_headers;
use crate::http::protocols::Served;
use crate::http::protocols::openai_api::openai_errors::model_not_found;
use crate::http::protocols::openai_api::{MODELS, find};
use crate::http::raw_request::RawRequest;
use crate::http::responses::json_response;

/// A request for the list, or for one of it.
pub(super) async fn handle(served: &Served, request: &RawRequest) -> Result<Response, ApiError> {
    let (state, parts) = (&*served.state, &request.parts);
    let caller = admit(state.auth.as_ref(), &parts.headers, &[]).await?;
    let may_call = |endpoint: &MountedEndpoint| caller.has_one_of(endpoint.handler.spec.roles);
    let status = state.limits.check(&caller, parts);
    let response = with_rate_headers(status, &state.resources.metrics, async {
        if request.path == MODELS {
            let agents = served.agents.iter().map(|agent| agent.agent.slug);
            let own = agents.filter_map(|slug| find(served, slug));
            let own = own.filter(|endpoint| may_call(endpoint));
            let models = own.map(|endpoint| model(endpoint)).collect::<Vec<_>>();
            return json_response(&json!({ "object": "list", "data": models }));
        }
        let name = request.parameter("model");
        match find(served, name).filter(|endpoint| may_call(endpoint)) {
            Some(endpoint) => json_response(&model(endpoint)),
            None => model_not_found(name).into_response(),
        }
    });
    Ok(response.await)
}

/// When an agent was made is not known.
fn model(endpoint: &MountedEndpoint) -> Value {
    json!({
        "id": endpoint.agent.slug,
        "object": "model",
        "created": 0,
        "owned_by": "agentgen",
    })
}
