//! Takes connections and answers what comes over them in HTTP/1.1, until it is told to stop.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tower_service::Service;

use crate::telemetry::metrics::Metrics;

/// How long to wait when the machine has no more connections to give.
const PAUSE: Duration = Duration::from_secs(1);
/// How long nothing more is said of connections that wait, once it was said.
const SILENCE: Duration = Duration::from_secs(10);

/// The place of a connection among those there may be. There is always one: nobody closes the semaphore.
type Slot = Option<OwnedSemaphorePermit>;

/// The places that there are for connections.
struct Slots {
    free: Arc<Semaphore>,
    most: usize,
    metrics: Arc<Metrics>,
    /// When it was last said that there is none.
    told: Option<Instant>,
}

impl Slots {
    /// A place, as soon as there is one.
    async fn next(&mut self) -> Slot {
        if let Ok(slot) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(slot);
        }
        self.metrics.connections_full();
        if self.told.is_none_or(|told| told.elapsed() >= SILENCE) {
            self.told = Some(Instant::now());
            tracing::warn!(
                most = self.most,
                "there are as many connections as limits.connections allows; the next one waits until one ends"
            );
        }
        Arc::clone(&self.free).acquire_owned().await.ok()
    }
}

/// Answers with `router` what comes in at `listener`, until `stop` is ready; then ends when the last request that was
/// there has its answer, and `last` is over. Who comes in the meantime is still heard, so that the router can say that it is over.
/// A connection on which no whole head of a request comes within `idle` is closed. While there are `most` connections,
/// the next one waits in the queue of the operating system until one ends, and `metrics` count that.
pub(crate) async fn listen(
    listener: TcpListener,
    router: Router,
    idle: Duration,
    most: usize,
    metrics: Arc<Metrics>,
    stop: impl Future<Output = ()>,
    last: impl Future<Output = ()>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(idle);
    let connections = GracefulShutdown::new();
    let mut slots = Slots {
        free: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
        most,
        metrics,
        told: None,
    };
    let mut stop = pin!(stop);
    loop {
        let (stream, peer, slot) = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &mut slots) => accepted,
        };
        let connection = http.serve_connection(TokioIo::new(stream), answers(&router, peer));
        tokio::spawn(ended(connections.watch(connection), slot));
    }
    http.keep_alive(false);
    let mut last = pin!(async {
        connections.shutdown().await;
        last.await;
    });
    // Whoever is not through by the end is cut off.
    let mut late = JoinSet::new();
    loop {
        let (stream, peer, slot) = tokio::select! {
            () = &mut last => break,
            Some(_) = late.join_next() => continue,
            accepted = accept(&listener, &mut slots) => accepted,
        };
        let connection = http.serve_connection(TokioIo::new(stream), answers(&router, peer));
        late.spawn(ended(connection, slot));
    }
}

async fn ended(connection: impl Future<Output = hyper::Result<()>>, slot: Slot) {
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection broke off");
    }
    drop(slot);
}

/// What answers the requests of one connection.
fn answers(
    router: &Router,
    peer: SocketAddr,
) -> impl HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send> + use<> {
    let router = router.clone();
    service_fn(move |request| answer(router.clone(), peer, request))
}

async fn answer(
    mut router: Router,
    peer: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    request.extensions_mut().insert(ConnectInfo(peer));
    router.call(request).await
}

/// The next connection, when there is a place for it. One that broke before it was taken is nobody's loss; when the
/// machine has too many, others must end first.
async fn accept(listener: &TcpListener, slots: &mut Slots) -> (TcpStream, SocketAddr, Slot) {
    let slot = slots.next().await;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // The pieces of an answer are small, and somebody reads along.
                let _ = stream.set_nodelay(true);
                return (stream, peer, slot);
            }
            Err(error) => {
                let is_theirs = matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted
                        | ErrorKind::ConnectionRefused
                        | ErrorKind::ConnectionReset
                );
                if !is_theirs {
                    tracing::error!(%error, "no connection can be taken");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}
