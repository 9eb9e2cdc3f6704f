//! Assembles a service from settings and a registry, and serves it until it is asked to stop.
//!
//! Invariant: assembly only. It refuses to listen beyond loopback without authentication.

pub(crate) mod assembly;
pub(crate) mod command_line;
pub(crate) mod embedder_choice;
pub(crate) mod listener;
pub(crate) mod mount;
pub(crate) mod registry;
pub(crate) mod single_service;

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::error::start_error::StartError;
use crate::http::layers::HostPolicy;
use crate::server::listener::{ConnectionLimits, listen as accept};
use crate::server::registry::{BuiltService, Registry};
use crate::settings::{ADDRESS, AUTH_SETTINGS, Settings};
use crate::store::Store;
use crate::telemetry::log;
use crate::workflow::queue::Queue;
use crate::workflow::queue::queue_url::{NOT_SHARED, QueueUrl, SETTING};
use crate::workflow::run_start::spawn_supervisor;

const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_PORT: u16 = 8080;
/// How many ports after the default one are tried if it is in use.
const PORTS_TRIED: u16 = 100;
/// How long a terminated run may take to send its last event.
const TERMINATION_GRACE: Duration = Duration::from_secs(1);

/// Serves `registry` as `settings` say, until SIGINT or SIGTERM. The exit code is 2 for a wrong setting, and 1 for
/// everything else that keeps the service from running; the reason is printed to standard error.
pub fn serve_with(registry: Registry, settings: Settings) -> ExitCode {
    log::start(settings.log);
    match run(registry, settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// Prints why a service can't start.
pub(crate) fn failed(error: &StartError) -> ExitCode {
    // If standard error is closed, the exit code still tells.
    let _ = writeln!(std::io::stderr(), "error: {error}");
    ExitCode::from(match error {
        StartError::Setting { .. } => 2,
        _ => 1,
    })
}

/// Checks that `registry` can be served with `settings`, without listening and without opening the store.
pub(crate) fn check(registry: Registry, settings: &Settings) -> Result<(), StartError> {
    let runtime = tokio::runtime::Runtime::new().map_err(StartError::Io)?;
    runtime.block_on(async {
        if let Some(address) = &settings.address {
            resolved(address, settings).await?;
        }
        // Opening the real store would create the file, or migrate its tables.
        build(registry, settings, &Store::memory(), None).map(|_| ())
    })
}

/// Serves `registry` at `listener` until `shutdown` is ready; requests under way then have `settings.drain` to end.
/// `settings.address` is ignored.
///
/// # Errors
/// As [`Registry::into_router`]; a store or a queue that can't be opened, an address beyond loopback without
/// authentication, and errors of the operating system.
pub async fn serve_on(
    listener: TcpListener,
    registry: Registry,
    settings: Settings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StartError> {
    let address = listener.local_addr().map_err(StartError::Io)?;
    require_auth_beyond_loopback(&[address], &settings)?;
    let _refresh = refresh_keys(&settings);
    let store = registry.open_store(&settings).await?;
    let queue = open_queue(&settings, &store).await?;
    let built = build(registry, &settings, &store, queue)?;
    serve_router(listener, built, store, &settings, shutdown).await;
    Ok(())
}

async fn serve_router(
    listener: TcpListener,
    built: BuiltService,
    store: Store,
    settings: &Settings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let BuiltService {
        router,
        resources,
        runs,
    } = built;
    let signal = resources.shutdown.clone();
    spawn_supervisor(&runs);
    let (stop, mut stopping) = tokio::sync::watch::channel(false);
    let draining = signal.clone();
    let limits = ConnectionLimits {
        idle: settings.idle,
        write: settings.write,
        max_connections: settings.connections,
    };
    let metrics = Arc::clone(&resources.metrics);
    let shutdown = async move {
        shutdown.await;
        tracing::info!("stopping");
        draining.start_draining();
        stop.send_replace(true);
    };
    // Running steps may finish; the next start continues from there.
    let last = async {
        runs.idle().await;
        runs.flush_queue().await;
    };
    let served = accept(listener, router, limits, metrics, shutdown, last);
    let deadline = async move {
        let _ = stopping.wait_for(|stopping| *stopping).await;
        tokio::time::sleep(settings.drain).await;
        signal.terminate();
        tokio::time::sleep(TERMINATION_GRACE).await;
    };
    tokio::select! {
        () = served => {}
        () = deadline => {}
        never = store.purge_forever() => match never {},
    }
    resources.sessions.end().await;
}

/// Refreshes the keys that tokens are checked with, until it is dropped.
fn refresh_keys(settings: &Settings) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if let Some(auth) = settings.auth.clone() {
        tasks.spawn(auth.refresh_keys());
    }
    tasks
}

fn run(registry: Registry, settings: Settings) -> Result<(), StartError> {
    let runtime = tokio::runtime::Runtime::new().map_err(StartError::Io)?;
    runtime.block_on(async {
        let store = registry.open_store(&settings).await?;
        let queue = open_queue(&settings, &store).await?;
        let built = build(registry, &settings, &store, queue)?;
        let listener = listen(&settings).await?;
        let address = listener.local_addr().map_err(StartError::Io)?;
        if settings.auth.is_none() {
            tracing::warn!("no authentication: every caller on this machine is `anonymous`, roles are not enforced ({AUTH_SETTINGS} sets it up)");
        }
        let _refresh = refresh_keys(&settings);
        let signals = signals()?;
        // Scripts wait for this line. If standard output is closed, the service runs all the same.
        let _ = writeln!(std::io::stdout(), "listening on http://{address}");
        serve_router(listener, built, store, &settings, signals).await;
        Ok(())
    })
}

/// The queue that shares workflow runs between processes, if the settings name one.
async fn open_queue(
    settings: &Settings,
    store: &Store,
) -> Result<Option<Arc<dyn Queue>>, StartError> {
    let Some(url) = &settings.queue else {
        return Ok(None);
    };
    let wrong = |detail: String| StartError::setting(SETTING, detail);
    let url = QueueUrl::parse(url.expose())?;
    if !store.is_shared() {
        return Err(wrong(NOT_SHARED.to_owned()));
    }
    #[cfg(feature = "nats")]
    {
        let authorities = settings.queue_ca.as_deref();
        let queue =
            crate::workflow::queue::nats::open(url, authorities, settings.workflows.lease).await;
        let queue = queue.map_err(|error| wrong(error.to_string()))?;
        Ok(Some(Arc::new(queue)))
    }
    #[cfg(not(feature = "nats"))]
    match url {}
}

fn build(
    registry: Registry,
    settings: &Settings,
    store: &Store,
    queue: Option<Arc<dyn Queue>>,
) -> Result<BuiltService, StartError> {
    let hosts = if settings.auth.is_some() {
        HostPolicy::Any
    } else {
        HostPolicy::Loopback
    };
    registry.build(settings, hosts, store, queue)
}

async fn listen(settings: &Settings) -> Result<TcpListener, StartError> {
    let Some(address) = &settings.address else {
        return listen_at_default_port().await;
    };
    let addresses = resolved(address, settings).await?;
    let listener = TcpListener::bind(&*addresses).await;
    listener.map_err(|error| unusable(address, &error))
}

/// The socket addresses of `address`, if the service may listen there.
async fn resolved(address: &str, settings: &Settings) -> Result<Vec<SocketAddr>, StartError> {
    let addresses = tokio::net::lookup_host(address).await;
    let addresses = addresses.map_err(|error| unusable(address, &error))?;
    let addresses = addresses.collect::<Vec<_>>();
    require_auth_beyond_loopback(&addresses, settings)?;
    Ok(addresses)
}

fn unusable(address: &str, error: &std::io::Error) -> StartError {
    StartError::setting(ADDRESS, format!("`{address}`: {error}"))
}

async fn listen_at_default_port() -> Result<TcpListener, StartError> {
    let mut port = DEFAULT_PORT;
    loop {
        match TcpListener::bind((DEFAULT_HOST, port)).await {
            Err(error)
                if error.kind() == std::io::ErrorKind::AddrInUse
                    && port < DEFAULT_PORT + PORTS_TRIED =>
            {
                port += 1;
            }
            bound => return bound.map_err(StartError::Io),
        }
    }
}

/// An address that other machines can reach needs authentication.
fn require_auth_beyond_loopback(
    addresses: &[SocketAddr],
    settings: &Settings,
) -> Result<(), StartError> {
    let open = addresses
        .iter()
        .find(|address| !address.ip().to_canonical().is_loopback());
    match open {
        Some(address) if settings.auth.is_none() => Err(StartError::setting(
            ADDRESS,
            format!(
                "{address} can be reached from other machines, which needs authentication: set {AUTH_SETTINGS}"
            ),
        )),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn signals() -> Result<impl Future<Output = ()> + Send + 'static, StartError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Io)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Io)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn signals() -> Result<impl Future<Output = ()> + Send + 'static, StartError> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
