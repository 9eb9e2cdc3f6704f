//! Accepts connections and serves HTTP/1.1 on them until shutdown.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_io_timeout::TimeoutStream;
use tower_service::Service;

use crate::http::layers::client_address::rate_key;
use crate::http::layers::places::{Full, Place, Places};
use crate::server::unread_body;
use crate::telemetry::metrics::Metrics;

/// The pause after an error of `accept`, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// How long a connection may send nothing while others wait.
const PATIENCE: Duration = Duration::from_millis(500);
/// The shortest time between two warnings about waiting connections.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// The router that new requests get. One that is under way stays with the router it began with.
pub(crate) type CurrentRouter = Arc<RwLock<Router>>;

/// What a connection may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionLimits {
    /// The longest time until the first complete request header.
    pub(crate) head: Duration,
    /// The longest time between two requests.
    pub(crate) idle: Duration,
    /// The longest time in which the client takes nothing of what is sent.
    pub(crate) write: Duration,
    /// The most open connections.
    pub(crate) max_connections: usize,
    /// The part of them that one address may have.
    pub(crate) share: f64,
}

/// What a connection holds: its place among those of its address, and its permit, which is never `None`: the semaphore is
/// not closed.
type Permit = (Place, Option<OwnedSemaphorePermit>);

/// Whether a connection has sent a request.
struct FirstRequest {
    opened_at: Instant,
    has_come: AtomicBool,
    /// Another connection needs the place of this one.
    give_way: Notify,
}

/// The permits for connections.
struct ConnectionLimit {
    free: Arc<Semaphore>,
    /// The open connections that have sent no request, the oldest first, and some that have.
    silent: VecDeque<Arc<FirstRequest>>,
    /// One that was accepted and has no permit yet.
    waiting: Option<(TcpStream, SocketAddr)>,
    by_address: Arc<Places>,
    max_connections: usize,
    metrics: Arc<Metrics>,
    /// When the last warning was logged.
    warned_at: Option<Instant>,
}

impl ConnectionLimit {
    /// A permit, as soon as one is free. The oldest of the connections that have sent no request gives way: callers that just
    /// send need milliseconds for one.
    async fn permit(&mut self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(permit);
        }
        self.metrics.connections_full();
        if self
            .warned_at
            .is_none_or(|at| at.elapsed() >= WARNING_INTERVAL)
        {
            self.warned_at = Some(Instant::now());
            tracing::warn!(
                max_connections = self.max_connections,
                "there are as many connections as limits.connections allows; the next one waits until one ends"
            );
        }
        let mut permit = pin!(Arc::clone(&self.free).acquire_owned());
        while let Some(oldest) = self.oldest_silent() {
            let patience = PATIENCE.saturating_sub(oldest.opened_at.elapsed());
            if let Ok(permit) = timeout(patience, permit.as_mut()).await {
                return permit.ok();
            }
            self.silent.pop_front();
            oldest.give_way.notify_one();
            if let Ok(permit) = timeout(PATIENCE, permit.as_mut()).await {
                return permit.ok();
            }
        }
        permit.await.ok()
    }

    /// The connection that has sent no request for the longest time.
    fn oldest_silent(&mut self) -> Option<Arc<FirstRequest>> {
        while let Some(oldest) = self.silent.front() {
            if Arc::strong_count(oldest) > 1 && !oldest.has_come.load(Ordering::Relaxed) {
                return Some(Arc::clone(oldest));
            }
            self.silent.pop_front();
        }
        None
    }

    /// A place among the connections of `peer`'s address.
    fn place(&self, peer: SocketAddr) -> Result<Place, Full> {
        let address = rate_key(Some(peer.ip().to_canonical()));
        self.by_address.take(vec![address])
    }

    /// A connection that has sent nothing yet.
    fn opened(&mut self) -> Arc<FirstRequest> {
        // At most `max_connections` are open.
        if self.silent.len() / 2 > self.max_connections {
            self.silent.retain(|request| Arc::strong_count(request) > 1);
        }
        let first_request = Arc::new(FirstRequest {
            opened_at: Instant::now(),
            has_come: AtomicBool::new(false),
            give_way: Notify::new(),
        });
        self.silent.push_back(Arc::clone(&first_request));
        first_request
    }
}

/// Serves `router` at `listener` until `stop` is ready. Then it ends when all requests under way have their response and
/// `last` is ready. Connections that arrive meanwhile are still accepted, so that the router can answer 503.
///
/// A connection is closed without its first request header within `limits.head`, without a further one within
/// `limits.idle`, and if its client takes nothing of its response for `limits.write`. With `max_connections` open, the next
/// one waits in the operating system's queue until one ends or gives way, which `metrics` count; one of an address that has its
/// share is closed at once.
pub(crate) async fn listen(
    listener: TcpListener,
    router: CurrentRouter,
    limits: ConnectionLimits,
    metrics: Arc<Metrics>,
    stop: impl Future<Output = ()>,
    last: impl Future<Output = ()>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.idle);
    let connections = GracefulShutdown::new();
    let mut limit = ConnectionLimit {
        free: Arc::new(Semaphore::new(
            limits.max_connections.min(Semaphore::MAX_PERMITS),
        )),
        silent: VecDeque::new(),
        waiting: None,
        by_address: Places::new(limits.max_connections, limits.share),
        max_connections: limits.max_connections,
        metrics,
        warned_at: None,
    };
    let mut stop = pin!(stop);
    loop {
        let (stream, peer, permit) = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &mut limit) => accepted,
        };
        let first_request = limit.opened();
        let service = service(&router, peer, &first_request);
        let connection = http.serve_connection(io(stream, limits.write), service);
        let connection = Box::pin(connections.watch(connection));
        tokio::spawn(finish(connection, first_request, limits.head, permit));
    }
    http.keep_alive(false);
    let mut last = pin!(async {
        connections.shutdown().await;
        last.await;
    });
    // Dropping the set closes the connections that are left.
    let mut late = JoinSet::new();
    loop {
        let (stream, peer, permit) = tokio::select! {
            () = &mut last => break,
            Some(_) = late.join_next() => continue,
            accepted = accept(&listener, &mut limit) => accepted,
        };
        let first_request = limit.opened();
        let service = service(&router, peer, &first_request);
        let connection = Box::pin(http.serve_connection(io(stream, limits.write), service));
        late.spawn(finish(connection, first_request, limits.head, permit));
    }
}

/// A connection that fails once its client has taken nothing for `write`. Without this, a client that never reads would
/// hold its connection and its place among the concurrent requests for ever.
fn io(stream: TcpStream, write: Duration) -> TokioIo<Pin<Box<TimeoutStream<TcpStream>>>> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(write));
    TokioIo::new(Box::pin(stream))
}

/// Serves a connection to its end, or until it has sent no request within `head` or gives way before that.
/// The connection comes in a box: a future has two places for what it is given and then moves.
async fn finish(
    mut connection: Pin<Box<impl Future<Output = hyper::Result<()>>>>,
    first_request: Arc<FirstRequest>,
    head: Duration,
    permit: Permit,
) {
    let waiting = timeout(head, first_request.give_way.notified());
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = waiting => match first_request.has_come.load(Ordering::Relaxed) {
            true => connection.await,
            false => return,
        },
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
    drop(permit);
}

/// The service of one connection.
fn service(
    router: &CurrentRouter,
    peer: SocketAddr,
    first_request: &Arc<FirstRequest>,
) -> impl HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send> + use<> {
    let (router, first_request) = (Arc::clone(router), Arc::clone(first_request));
    service_fn(move |request| {
        first_request.has_come.store(true, Ordering::Relaxed);
        let current = router
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        // Boxed, so that a connection holds it no longer than until the response begins: an event stream may last for hours.
        Box::pin(call(current, peer, request))
    })
}

async fn call(
    mut router: Router,
    peer: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    request.extensions_mut().insert(ConnectInfo(peer));
    unread_body::answer(request, async |request| router.call(request).await).await
}

/// The next connection, once a permit is free. A connection that its client closed before is skipped, and so is one of an
/// address that has its share; after any other error `accept` pauses. Nothing is lost if this is dropped.
async fn accept(
    listener: &TcpListener,
    limit: &mut ConnectionLimit,
) -> (TcpStream, SocketAddr, Permit) {
    loop {
        while limit.waiting.is_none() {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    // Server-sent events are small, and should not wait for each other.
                    let _ = stream.set_nodelay(true);
                    match limit.place(peer) {
                        Err(Full::Caller) => limit.metrics.rejected("connections"),
                        _ => limit.waiting = Some((stream, peer)),
                    }
                }
                Err(error) => {
                    let is_clients = matches!(
                        error.kind(),
                        ErrorKind::ConnectionAborted
                            | ErrorKind::ConnectionRefused
                            | ErrorKind::ConnectionReset
                    );
                    if !is_clients {
                        tracing::error!(%error, "no connection can be taken");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
        let permit = limit.permit().await;
        if let Some((stream, peer)) = limit.waiting.take() {
            match limit.place(peer) {
                Ok(place) => return (stream, peer, (place, permit)),
                Err(_) => limit.metrics.rejected("connections"),
            }
        }
    }
}
