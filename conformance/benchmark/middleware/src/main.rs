//! What somebody writes who wants of a handler what a generated service does, and takes the usual crates: request ids, security
//! headers, CORS, limits of size, time, concurrency and rate, metrics, a log, and input and output checked against JSON Schemas.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::error_handling::HandleErrorLayer;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{BoxError, Json, Router};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use jsonschema::Validator;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{
    MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer,
};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::{DefaultOnResponse, TraceLayer};
use tracing::Level;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The requests that one address may make in [`PERIOD`] seconds.
const REQUESTS: NonZeroU32 = NonZeroU32::new(1_000_000).unwrap();
const PERIOD: u64 = 1;
const HEADERS: [(HeaderName, &str); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (header::CACHE_CONTROL, "no-store"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
];

#[derive(Deserialize, Serialize)]
struct Question {
    question: String,
    limit: Option<i64>,
}

#[derive(Serialize)]
struct Answer {
    answer: String,
    sources: Vec<&'static str>,
}

struct Service {
    input: Validator,
    output: Validator,
    limiter: RateLimiter<
        IpAddr,
        DefaultKeyedStateStore<IpAddr>,
        DefaultClock,
        StateInformationMiddleware,
    >,
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    in_flight: IntGauge,
}

impl Service {
    fn new() -> Self {
        let compile = |schema| jsonschema::validator_for(&schema).expect("a valid schema");
        let input = compile(json!({
            "type": "object",
            "properties": {
                "question": { "type": "string" },
                "limit": { "type": "integer" },
            },
            "required": ["question"],
            "additionalProperties": false,
        }));
        let output = compile(json!({
            "type": "object",
            "properties": {
                "answer": { "type": "string" },
                "sources": { "type": "array", "items": { "type": "string" } },
            },
            "required": ["answer", "sources"],
            "additionalProperties": false,
        }));
        let labels = ["method", "route", "status"];
        let requests = IntCounterVec::new(Opts::new("requests", "Requests."), &labels);
        let seconds = HistogramVec::new(HistogramOpts::new("seconds", "Durations."), &labels[..2]);
        let in_flight = IntGauge::new("in_flight", "Requests under way.");
        let service = Self {
            input,
            output,
            limiter: RateLimiter::keyed(Quota::per_second(REQUESTS)).with_middleware(),
            registry: Registry::new(),
            requests: requests.expect("a valid name"),
            seconds: seconds.expect("a valid name"),
            in_flight: in_flight.expect("a valid name"),
        };
        let registry = &service.registry;
        let registered = registry
            .register(Box::new(service.requests.clone()))
            .and_then(|()| registry.register(Box::new(service.seconds.clone())))
            .and_then(|()| registry.register(Box::new(service.in_flight.clone())));
        registered.expect("three names");
        service
    }
}

async fn ask(State(service): State<Arc<Service>>, body: Bytes) -> Result<Response, Response> {
    let question: Value = serde_json::from_slice(&body)
        .map_err(|error| problem(StatusCode::BAD_REQUEST, &error.to_string(), Vec::new()))?;
    check(&service.input, &question, StatusCode::UNPROCESSABLE_ENTITY)?;
    let question: Question = serde_json::from_value(question)
        .map_err(|error| problem(StatusCode::BAD_REQUEST, &error.to_string(), Vec::new()))?;
    let internal = |error: serde_json::Error| {
        problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            &error.to_string(),
            Vec::new(),
        )
    };
    let said = serde_json::to_string(&question).map_err(internal)?;
    let count = said.chars().count();
    let answer = Answer {
        answer: format!("[echo] desk received {count} characters: {said}"),
        sources: vec!["Some sources"],
    };
    let answer = serde_json::to_value(&answer).map_err(internal)?;
    check(&service.output, &answer, StatusCode::BAD_GATEWAY)?;
    Ok(Json(answer).into_response())
}

/// Refuses a value that its schema does not allow, and says everything that is wrong with it.
fn check(schema: &Validator, value: &Value, status: StatusCode) -> Result<(), Response> {
    if schema.is_valid(value) {
        return Ok(());
    }
    let errors = schema.iter_errors(value).map(
        |error| json!({ "pointer": error.instance_path().as_str(), "detail": error.to_string() }),
    );
    Err(problem(
        status,
        "the value does not fit its schema",
        errors.collect(),
    ))
}

fn problem(status: StatusCode, detail: &str, errors: Vec<Value>) -> Response {
    let body = json!({ "status": status.as_u16(), "detail": detail, "errors": errors });
    let media_type = HeaderValue::from_static("application/problem+json");
    (status, [(header::CONTENT_TYPE, media_type)], Json(body)).into_response()
}

/// Counts and times a request.
async fn measure(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    service.in_flight.inc();
    let response = next.run(request).await;
    service.in_flight.dec();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let status = response.status();
    let labels = [method.as_str(), route, status.as_str()];
    service.requests.with_label_values(&labels).inc();
    service
        .seconds
        .with_label_values(&labels[..2])
        .observe(began.elapsed().as_secs_f64());
    response
}

/// Holds a caller to the rate, and tells how much of it is left.
async fn limit_rate(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let address = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let address = address.map_or(IpAddr::from([0; 4]), |address| address.ip());
    let (mut response, remaining, reset) = match service.limiter.check_key(&address) {
        Ok(state) => {
            let remaining = state.remaining_burst_capacity();
            let used = u64::from(REQUESTS.get() - remaining);
            let reset = (used * PERIOD).div_ceil(u64::from(REQUESTS.get()));
            (next.run(request).await, remaining, reset)
        }
        Err(until) => {
            let wait = until.wait_time_from(DefaultClock::default().now());
            let refused = problem(
                StatusCode::TOO_MANY_REQUESTS,
                "too many requests",
                Vec::new(),
            );
            (refused, 0, wait.as_secs() + 1)
        }
    };
    let policy = format!("\"address\";q={REQUESTS};w={PERIOD}");
    let state = format!("\"address\";r={remaining};t={reset}");
    for (name, value) in [("ratelimit-policy", policy), ("ratelimit", state)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn metrics(State(service): State<Arc<Service>>) -> Result<Vec<u8>, StatusCode> {
    let mut text = Vec::new();
    TextEncoder::new()
        .encode(&service.registry.gather(), &mut text)
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(text)
}

#[derive(Clone, Copy)]
struct NewRequestId;

impl MakeRequestId for NewRequestId {
    fn make_request_id<B>(&mut self, _: &axum::http::Request<B>) -> Option<RequestId> {
        let id = uuid::Uuid::now_v7().to_string();
        HeaderValue::from_str(&id).ok().map(RequestId::new)
    }
}

fn app() -> Router {
    let service = Arc::new(Service::new());
    let name = HeaderName::from_static("x-request-id");
    let router = Router::new()
        .route("/ask", post(ask))
        .route("/metrics", get(metrics))
        .layer(
            ServiceBuilder::new()
                .layer(HandleErrorLayer::new(async |error: BoxError| {
                    problem(
                        StatusCode::SERVICE_UNAVAILABLE,
                        &error.to_string(),
                        Vec::new(),
                    )
                }))
                .load_shed()
                .concurrency_limit(256)
                .layer(RequestBodyLimitLayer::new(1 << 20))
                .layer(TimeoutLayer::with_status_code(
                    StatusCode::GATEWAY_TIMEOUT,
                    Duration::from_secs(300),
                )),
        )
        .layer(from_fn_with_state(Arc::clone(&service), limit_rate))
        .layer(from_fn_with_state(Arc::clone(&service), measure))
        .layer(CorsLayer::new())
        .layer(CatchPanicLayer::new());
    let router = HEADERS.into_iter().fold(router, |router, (name, value)| {
        let value = HeaderValue::from_static(value);
        router.layer(SetResponseHeaderLayer::if_not_present(name, value))
    });
    router
        .layer(
            ServiceBuilder::new()
                .layer(SetRequestIdLayer::new(name.clone(), NewRequestId))
                .layer(
                    TraceLayer::new_for_http()
                        .on_response(DefaultOnResponse::new().level(Level::INFO)),
                )
                .layer(PropagateRequestIdLayer::new(name)),
        )
        .with_state(service)
}

fn main() -> io::Result<()> {
    tracing_subscriber::fmt()
        .json()
        .with_max_level(Level::WARN)
        .with_writer(io::stderr)
        .init();
    tokio::runtime::Runtime::new()?.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on http://{}", listener.local_addr()?);
        let app = app().into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, app).await
    })
}
