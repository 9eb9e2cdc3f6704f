//! OpenAI's Chat Completions and Responses: an agent is a model, its name is its slug.
//!
//! Invariant: what a request asks and an agent can't do is refused, with the name of the parameter. What is ignored is in
//! `docs/src/openai.md`.

mod chat_answer;
mod chat_request;
mod openai_errors;
mod openai_models;
mod request_members;
mod responses_answer;
mod responses_input;
mod responses_output;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use crate::auth::claims::Caller;
use crate::http::admission::admit;
use crate::http::api_error::ApiError;
use crate::http::calls::MountedEndpoint;
use crate::http::layers::ErrorForm;
use crate::http::layers::rate_limits::with_rate_headers;
use crate::http::protocols::{Adapter, Protocol, Served};
use crate::http::raw_request::{self, RawRequest};
use crate::http::request_reader::read_body;
use crate::http::responses::other_method;
use crate::spec::workflow_spec::INVOKE;
use openai_errors::{model_not_found, refused};

const MODELS: &str = "/v1/models";
const MODEL: &str = "/v1/models/{model}";
const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";

/// How the protocol is spoken.
pub(super) const ADAPTER: Adapter = Adapter {
    protocol: Protocol::OpenAi,
    paths: &PATHS,
    routes: |served| Ok(routes(served)),
    error_form: |path| has(path).then_some(openai_errors::error_body as ErrorForm),
};

/// The paths of the adapter.
const PATHS: [&str; 4] = [MODELS, MODEL, CHAT, RESPONSES];

/// Whether `path` is one of [`PATHS`].
fn has(path: &str) -> bool {
    let is_model = |rest: &str| {
        rest.strip_prefix('/')
            .is_some_and(|rest| !rest.contains('/'))
    };
    [MODELS, CHAT, RESPONSES].contains(&path) || path.strip_prefix(MODELS).is_some_and(is_model)
}

/// The routes of the protocol.
fn routes(served: &Served) -> Router {
    let served = served.clone();
    raw_request::routes(PATHS, move |request, body| {
        let served = served.clone();
        async move { handle(&served, request, body).await }
    })
}

async fn handle(served: &Served, request: RawRequest, body: Body) -> Response {
    let method = &request.parts.method;
    let answered = match request.path {
        MODELS | MODEL if method == Method::GET || method == Method::HEAD => {
            openai_models::handle(served, &request).await
        }
        MODELS | MODEL => return other_method(method, "GET, HEAD, OPTIONS"),
        _ if method == Method::POST => answer(served, &request, body).await,
        _ => return other_method(method, "POST, OPTIONS"),
    };
    answered.into_response()
}

/// The endpoint that answers for the agent `model`.
fn find<'a>(served: &'a Served, model: &str) -> Option<&'a Arc<MountedEndpoint>> {
    let agent = served
        .agents
        .iter()
        .find(|agent| agent.agent.slug == model)?;
    let mut endpoints = agent.endpoints.iter();
    endpoints.find(|endpoint| endpoint.handler.spec.name == INVOKE)
}

/// A request for an answer. Whom it is for is in its body, and so a caller authenticates before that is read.
async fn answer(served: &Served, request: &RawRequest, body: Body) -> Result<Response, ApiError> {
    let (state, parts) = (&*served.state, &request.parts);
    let caller = admit(state.auth.as_ref(), &parts.headers, &[]).await?;
    let metrics = &state.resources.metrics;
    let (members, endpoint) = match read(served, parts, body).await {
        Ok(read) => read,
        Err(error) => {
            let status = state.limits.check(&caller, parts);
            let refused = async { error.into_response() };
            return Ok(with_rate_headers(status, metrics, refused).await);
        }
    };
    let status = endpoint.admit_caller(state, parts, &caller)?;
    let response = with_rate_headers(status, metrics, async {
        let call = Call {
            served,
            endpoint,
            caller,
            parts,
        };
        let response = match request.path {
            CHAT => chat_answer::respond(call, members).await,
            _ => responses_answer::respond(call, members).await,
        };
        response.into_response()
    });
    let mut response = response.await;
    let metrics = Arc::clone(&endpoint.metrics);
    response.extensions_mut().insert(metrics);
    Ok(response)
}

/// A request that was admitted.
struct Call<'a> {
    served: &'a Served,
    endpoint: &'a Arc<MountedEndpoint>,
    caller: Caller,
    parts: &'a Parts,
}

/// The members of a request, and the endpoint of its model.
async fn read<'a>(
    served: &'a Served,
    parts: &Parts,
    body: Body,
) -> Result<(Map<String, Value>, &'a Arc<MountedEndpoint>), ApiError> {
    let mut input = read_body(&parts.headers, body, served.state.body_limit).await?;
    let Value::Object(members) = std::mem::take(input.json().await?) else {
        let detail = "the body must be a JSON object";
        return Err(ApiError::rejected(StatusCode::BAD_REQUEST, detail));
    };
    let Some(model) = members.get("model").and_then(Value::as_str) else {
        return Err(refused("model", "must be the name of an agent"));
    };
    let endpoint = find(served, model).ok_or_else(|| model_not_found(model))?;
    Ok((members, endpoint))
}
