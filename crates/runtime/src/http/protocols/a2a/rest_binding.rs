//! The operations of 1.0 over HTTP+JSON.

use std::collections::BTreeMap;

use a2a::{A2AError, CancelTaskRequest, GetTaskRequest, SubscribeToTaskRequest};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::http::layers::HasErrorBody;
use crate::http::protocols::a2a::a2a_error::{Refusal, invalid, rest_error};
use crate::http::protocols::a2a::json_rpc_binding::{
    Form, Operation, check_version, perform, read,
};
use crate::http::protocols::a2a::{EXTENDED_CARD, Exchange, SEND, STREAM, TASK, TASKS};
use crate::http::responses::json_response;
use crate::run::run_input::Input;

/// Answers a request at `path`.
pub(super) async fn respond(
    exchange: Exchange,
    path: &str,
    parameters: &BTreeMap<String, String>,
    mut body: Input,
) -> Response {
    // What is done with a task is in the path and the query.
    let message = match path {
        SEND | STREAM => match body.json().await {
            Ok(json) => json.take(),
            Err(error) => return Form::Rest.refusal(error.into()),
        },
        _ => Value::Null,
    };
    let operation = check_version(&exchange, "1.0", &["1."])
        .and_then(|()| operation(&exchange, path, parameters, message));
    match operation {
        Ok(operation) => perform(exchange, operation, Form::Rest).await,
        Err(refusal) => Form::Rest.refusal(refusal),
    }
}

fn operation(
    exchange: &Exchange,
    path: &str,
    parameters: &BTreeMap<String, String>,
    message: Value,
) -> Result<Operation, Refusal> {
    let is_post = exchange.parts.method == Method::POST;
    let task = parameters.get("task").map_or("", String::as_str);
    let (id, verb) = task.split_once(':').unwrap_or((task, ""));
    let id = id.to_owned();
    let tenant = None;
    Ok(match (path, verb) {
        (SEND, _) => Operation::Send(read(message)?),
        (STREAM, _) => Operation::Stream(read(message)?),
        (TASKS, _) => Operation::List(read(query(exchange)?)?),
        (EXTENDED_CARD, _) => Operation::ExtendedCard,
        (TASK, "") if !is_post => {
            let mut query = query(exchange)?;
            query["id"] = json!(id);
            Operation::Get(read::<GetTaskRequest>(query)?)
        }
        (TASK, "cancel") if is_post => Operation::Cancel(CancelTaskRequest {
            id,
            metadata: None,
            tenant,
        }),
        (TASK, "subscribe") => Operation::Subscribe(SubscribeToTaskRequest { id, tenant }),
        (TASK, _) => return Err(A2AError::method_not_found(verb).into()),
        _ => return Err(A2AError::push_notification_not_supported().into()),
    })
}

/// The parameters of the query as JSON: numbers and truth values are written as such.
fn query(exchange: &Exchange) -> Result<Value, Refusal> {
    let query = exchange.parts.uri.query().unwrap_or_default();
    let mut members = Map::new();
    for (name, text) in form_urlencoded::parse(query.as_bytes()) {
        let value = match &*name {
            "pageSize" | "historyLength" => {
                let number = text.parse::<i32>();
                json!(number.map_err(|_| invalid(format!("{name} must be an integer")))?)
            }
            "includeArtifacts" => {
                let is = text.parse::<bool>();
                json!(is.map_err(|_| invalid(format!("{name} must be true or false")))?)
            }
            _ => json!(text),
        };
        members.insert(name.into_owned(), value);
    }
    Ok(Value::Object(members))
}

/// An error of the protocol as a response.
pub(super) fn error_response(error: &A2AError) -> Response {
    let (status, body) = rest_error(error);
    let mut response = json_response(&body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    response.extensions_mut().insert(HasErrorBody);
    response
}
