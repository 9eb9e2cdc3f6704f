//! The methods of 1.0 and 0.3 over JSON-RPC.

use a2a::{
    A2AError, JsonRpcId, JsonRpcRequest, JsonRpcResponse, Message, SendMessageRequest,
    SendMessageResponse, StreamResponse, methods,
};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::http::layers::rate_limits::with_rate_headers;
use crate::http::protocols::a2a::a2a_error::Refusal;
use crate::http::protocols::a2a::{Exchange, agent_card, legacy_form, message_input};
use crate::http::protocols::a2a::{task_operations, task_stream};
use crate::http::responses::json_response;
use crate::http::sse_response::stream_response;
use crate::run::run_input::Input;

/// The header that says which version a client speaks. One without it speaks 0.3.
const VERSION: &str = "a2a-version";

/// What a request asks for.
pub(super) enum Operation {
    Send(Box<SendMessageRequest>),
    Stream(Box<SendMessageRequest>),
    Get(a2a::GetTaskRequest),
    List(a2a::ListTasksRequest),
    Cancel(a2a::CancelTaskRequest),
    Subscribe(a2a::SubscribeToTaskRequest),
    ExtendedCard,
}

/// How answers are written.
#[derive(Clone)]
pub(super) enum Form {
    /// As the result of a request of JSON-RPC, which may be of 0.3.
    JsonRpc { id: JsonRpcId, is_legacy: bool },
    /// As they are.
    Rest,
}

/// Answers a request of JSON-RPC.
pub(super) async fn respond(exchange: Exchange, mut body: Input) -> Response {
    let mut form = Form::JsonRpc {
        id: JsonRpcId::Null,
        is_legacy: false,
    };
    let json = match body.json().await {
        Ok(json) => json.take(),
        Err(error) => return form.refusal(A2AError::parse_error(error.to_string()).into()),
    };
    let id = serde_json::from_value::<JsonRpcId>(json["id"].clone());
    let request = match serde_json::from_value::<JsonRpcRequest>(json) {
        Ok(request) if request.jsonrpc == "2.0" => request,
        Ok(_) => return form.refusal(A2AError::invalid_request("`jsonrpc` must be 2.0").into()),
        Err(error) => return form.refusal(A2AError::invalid_request(error.to_string()).into()),
    };
    form = Form::JsonRpc {
        id: id.unwrap_or(JsonRpcId::Null),
        is_legacy: request.method.contains('/'),
    };
    let operation = check_version(&exchange, "1.0 or 0.3", &["1.", "0.3"])
        .and_then(|()| operation(&request.method, request.params.unwrap_or_else(|| json!({}))));
    match operation {
        Ok(operation) => perform(exchange, operation, form).await,
        Err(refusal) => form.refusal(refusal),
    }
}

/// Checks the version that a client says it speaks, if it says one.
pub(super) fn check_version(
    exchange: &Exchange,
    spoken: &str,
    prefixes: &[&str],
) -> Result<(), Refusal> {
    let given = exchange.parts.headers.get(VERSION);
    let given = given.and_then(|value| value.to_str().ok()).unwrap_or("");
    let is_spoken = |prefix: &&str| given.starts_with(*prefix);
    if given.is_empty() || given == "1" || prefixes.iter().any(is_spoken) {
        return Ok(());
    }
    let error = A2AError::version_not_supported(&given.chars().take(20).collect::<String>());
    let message = format!("{}; this is {spoken}", error.message);
    Err(A2AError { message, ..error }.into())
}

fn operation(method: &str, params: Value) -> Result<Operation, Refusal> {
    Ok(match method {
        methods::SEND_MESSAGE => Operation::Send(read(params)?),
        methods::SEND_STREAMING_MESSAGE => Operation::Stream(read(params)?),
        "message/send" => Operation::Send(read(legacy_form::read_send(params))?),
        "message/stream" => Operation::Stream(read(legacy_form::read_send(params))?),
        methods::GET_TASK | "tasks/get" => Operation::Get(read(params)?),
        methods::LIST_TASKS => Operation::List(read(params)?),
        methods::CANCEL_TASK | "tasks/cancel" => Operation::Cancel(read(params)?),
        methods::SUBSCRIBE_TO_TASK | "tasks/resubscribe" => Operation::Subscribe(read(params)?),
        methods::GET_EXTENDED_AGENT_CARD | "agent/getAuthenticatedExtendedCard" => {
            Operation::ExtendedCard
        }
        _ if methods::is_valid(method) || method.starts_with("tasks/pushNotificationConfig/") => {
            return Err(A2AError::push_notification_not_supported().into());
        }
        _ => return Err(A2AError::method_not_found(method).into()),
    })
}

/// Reads the parameters of an operation.
pub(super) fn read<T: DeserializeOwned>(params: Value) -> Result<T, Refusal> {
    let read = serde_path_to_error::deserialize(params);
    read.map_err(|error| A2AError::invalid_params(error.to_string()).into())
}

/// Performs an operation within the rates of its caller.
pub(super) async fn perform(exchange: Exchange, operation: Operation, form: Form) -> Response {
    let sent = match &operation {
        Operation::Send(request) | Operation::Stream(request) => Some(request),
        _ => None,
    };
    // A message to a task is for whom the task is for.
    let is_new = |message: &Message| message.task_id.as_deref().is_none_or(str::is_empty);
    let endpoint = match sent.filter(|request| is_new(&request.message)) {
        Some(request) => match message_input::endpoint(&exchange, request) {
            Ok(endpoint) => Some(std::sync::Arc::clone(endpoint)),
            Err(refusal) => return form.refusal(refusal),
        },
        None => None,
    };
    let state = std::sync::Arc::clone(&exchange.served.state);
    let status = match &endpoint {
        Some(endpoint) => match endpoint.admit(&state, &exchange.parts).await {
            Ok((_, status)) => status,
            Err(denied) => return form.refusal(denied.into()),
        },
        None => state.limits.check(&exchange.caller, &exchange.parts),
    };
    let metrics = endpoint
        .as_ref()
        .map(|endpoint| std::sync::Arc::clone(&endpoint.metrics));
    let response = with_rate_headers(status, &state.resources.metrics, async {
        let refused = form.clone();
        let response = answer(&exchange, endpoint.as_ref(), operation, form).await;
        response.unwrap_or_else(|refusal| refused.refusal(refusal))
    });
    let mut response = response.await;
    if let Some(metrics) = metrics {
        response.extensions_mut().insert(metrics);
    }
    response
}

async fn answer(
    exchange: &Exchange,
    endpoint: Option<&std::sync::Arc<crate::http::calls::MountedEndpoint>>,
    operation: Operation,
    form: Form,
) -> Result<Response, Refusal> {
    let result = match operation {
        Operation::Send(request) => {
            let configuration = request.configuration.as_ref();
            refuse_push(&request)?;
            let is_awaited = configuration.and_then(|of| of.return_immediately) != Some(true);
            let history_length = configuration.and_then(|of| of.history_length);
            let sent = task_operations::begin(exchange, endpoint, *request).await?;
            let task = task_operations::settled(exchange, sent, (is_awaited, history_length));
            json!(SendMessageResponse::Task(task.await?))
        }
        Operation::Stream(request) => {
            refuse_push(&request)?;
            let sent = task_operations::begin(exchange, endpoint, *request).await?;
            return Ok(form.events(task_stream::of_message(exchange, sent).await?));
        }
        Operation::Subscribe(request) => {
            return Ok(form.events(task_stream::of_task(exchange, &request.id).await?));
        }
        Operation::Get(request) => json!(task_operations::get(exchange, &request).await?),
        Operation::List(request) => json!(task_operations::list(exchange, &request).await?),
        Operation::Cancel(request) => json!(task_operations::cancel(exchange, &request).await?),
        Operation::ExtendedCard => agent_card::extended(exchange),
    };
    Ok(json_response(&form.result(result)))
}

/// Notifications that are asked for with a message would never come.
fn refuse_push(request: &SendMessageRequest) -> Result<(), Refusal> {
    let configuration = request.configuration.as_ref();
    match configuration.and_then(|of| of.task_push_notification_config.as_ref()) {
        Some(_) => Err(A2AError::push_notification_not_supported().into()),
        None => Ok(()),
    }
}

impl Form {
    fn result(&self, result: Value) -> Value {
        match self {
            Self::JsonRpc { id, is_legacy } => {
                let result = match is_legacy {
                    true => legacy_form::write(result),
                    false => result,
                };
                json!(JsonRpcResponse::success(id.clone(), result))
            }
            Self::Rest => result,
        }
    }

    fn events(self, events: impl Stream<Item = StreamResponse> + Send + 'static) -> Response {
        stream_response(events.map(move |event| {
            let data = serde_json::to_string(&self.result(json!(event)))?;
            Ok(Event::default().data(data))
        }))
    }

    /// The response to a request that is refused.
    pub(super) fn refusal(&self, refusal: Refusal) -> Response {
        match (refusal, self) {
            (Refusal::Http(error), _) => error.into_response(),
            (Refusal::Protocol(error), Self::JsonRpc { id, .. }) => json_response(
                &JsonRpcResponse::error(id.clone(), error.to_jsonrpc_error()),
            ),
            (Refusal::Protocol(error), Self::Rest) => super::rest_binding::error_response(&error),
        }
    }
}
