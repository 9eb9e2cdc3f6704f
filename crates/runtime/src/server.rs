//! Assembles a service from settings and a registry, and serves it until it is asked to stop.
//!
//! Invariant: assembly only. It refuses to listen beyond loopback without authentication.

pub(crate) mod agent_loader;
pub(crate) mod assembly;
pub(crate) mod command_line;
mod dev_prompts;
pub(crate) mod embedder_choice;
pub(crate) mod listener;
pub(crate) mod live_service;
#[cfg(feature = "mcp-server")]
mod mcp_stdio;
mod metrics_listener;
pub(crate) mod mount;
pub(crate) mod registry;
mod signals;
pub(crate) mod single_service;
mod unread_body;

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::auth::Auth;
use crate::error::start_error::StartError;
use crate::http::layers::HostPolicy;
use crate::server::listener::{ConnectionLimits, listen as accept};
use crate::server::live_service::LiveService;
use crate::server::registry::{Exposure, Registry};
use crate::server::signals::first_signal;
use crate::settings::settings_load::unknown_variables;
use crate::settings::{ADDRESS, AUTH_SETTINGS, Settings};
use crate::store::Store;
use crate::telemetry::log;
use crate::workflow::queue::Queue;
use crate::workflow::queue::queue_url::{NOT_SHARED, QueueUrl, SETTING};

const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_PORT: u16 = 8080;
/// How many ports after the default one are tried if it is in use.
const PORTS_TRIED: u16 = 100;
/// How long a terminated run may take to send its last event.
const TERMINATION_GRACE: Duration = Duration::from_millis(800);
/// How long after its drain the process may still run.
const LAST_SECOND: Duration = Duration::from_millis(950);
/// How long the last lines of the log may take.
const LAST_LINES: Duration = Duration::from_millis(100);

/// Serves `registry` as `settings` say, until SIGINT or SIGTERM. The exit code is 2 for a wrong setting, and 1 for
/// everything else that keeps the service from running; the reason is printed to standard error.
pub fn serve_with(registry: Registry, settings: Settings) -> ExitCode {
    serve_live(registry, settings, |_| {})
}

/// As [`serve_with`]; once the service listens, `listening` is given what can replace its agents while it runs.
pub fn serve_live(
    registry: Registry,
    settings: Settings,
    listening: impl FnOnce(&LiveService),
) -> ExitCode {
    log::start(settings.log);
    // Other programs may use such variables: the service starts all the same.
    for unknown in unknown_variables() {
        tracing::warn!("{unknown}");
    }
    let ended = run(registry, settings, listening);
    log::flush(LAST_LINES);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// Serves `registry` as an MCP server over standard input and output, until the input ends, SIGINT or SIGTERM. Standard output has nothing
/// but the protocol. The caller is who started the program: `settings.auth` and the address are ignored. `started` is given what can replace
/// the agents meanwhile. The exit code is that of [`serve_with`].
#[cfg(feature = "mcp-server")]
pub fn serve_mcp(
    registry: Registry,
    settings: Settings,
    started: impl FnOnce(&LiveService),
) -> ExitCode {
    log::start(settings.log);
    for unknown in unknown_variables() {
        tracing::warn!("{unknown}");
    }
    let ended = run_mcp(registry, settings, started);
    log::flush(LAST_LINES);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

#[cfg(feature = "mcp-server")]
fn run_mcp(
    registry: Registry,
    mut settings: Settings,
    started: impl FnOnce(&LiveService),
) -> Result<(), StartError> {
    settings.auth = None;
    settings.tokens = None;
    settings.expose = vec![crate::settings::Protocol::Mcp];
    settings.console = Some(false);
    settings.metrics_address = None;
    let runtime = tokio::runtime::Runtime::new().map_err(StartError::Io)?;
    let ended = runtime.block_on(async {
        let store = registry.open_store(&settings).await?;
        let queue = open_queue(&settings, &store).await?;
        // It listens nowhere.
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let live = LiveService::start(registry, settings.clone(), store, queue, address)?;
        let signals = first_signal(settings.drain + LAST_SECOND).map_err(StartError::Io)?;
        started(&live);
        let input = tokio::io::BufReader::new(tokio::io::stdin());
        let talk = mcp_stdio::talk(
            live.router(),
            input,
            tokio::io::stdout(),
            settings.body_limit,
        );
        tokio::select! {
            () = talk => {}
            () = signals => {}
            never = live.store().purge_forever() => match never {},
        }
        let resources = live.resources();
        resources.shutdown.start_draining();
        let idle = async {
            resources.shutdown.idle().await;
            live.runs_idle().await;
        };
        let _ = tokio::time::timeout(settings.drain, idle).await;
        resources.shutdown.terminate();
        if let Some(remote) = resources.tools.remote() {
            remote.close().await;
        }
        resources.sessions.end().await;
        Ok(())
    });
    // Standard input is read by a thread that can't be waited for.
    runtime.shutdown_background();
    ended
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
        let store = Store::memory();
        let built = registry.build(settings, exposure(settings, false), &store, None, None);
        built.map(|_| ())
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
    let metrics = metrics_listener::bind(&settings).await?;
    let live = LiveService::start(registry, settings, store, queue, address)?;
    let _metrics = metrics_listener::serve(metrics, &live.resources().metrics);
    serve_router(listener, live, shutdown).await;
    Ok(())
}

async fn serve_router(
    listener: TcpListener,
    live: LiveService,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let settings = live.settings();
    // Those of the first agents are not kept: they hold their prompts.
    let (signal, metrics, sessions, remote_tools) = {
        let resources = live.resources();
        let metrics = Arc::clone(&resources.metrics);
        (
            resources.shutdown.clone(),
            metrics,
            Arc::clone(&resources.sessions),
            resources.tools.remote().cloned(),
        )
    };
    let (stop, mut stopping) = tokio::sync::watch::channel(false);
    let (draining, idle) = (signal.clone(), signal.clone());
    let limits = ConnectionLimits {
        head: settings.head,
        idle: settings.idle,
        write: settings.write,
        max_connections: settings.connections,
        // Behind a proxy, all of them come from its address.
        share: if settings.trusted_proxies == 0 {
            settings.share
        } else {
            1.0
        },
    };
    let shutdown = async move {
        shutdown.await;
        tracing::info!("stopping");
        draining.start_draining();
        stop.send_replace(true);
    };
    // Running steps may finish; the next start continues from there.
    let last = async {
        idle.idle().await;
        live.runs_idle().await;
    };
    let served = accept(listener, live.router(), limits, metrics, shutdown, last);
    let drain = settings.drain;
    let deadline = async move {
        let _ = stopping.wait_for(|stopping| *stopping).await;
        tokio::time::sleep(drain).await;
        signal.terminate();
        tokio::time::sleep(TERMINATION_GRACE).await;
    };
    tokio::select! {
        () = served => {}
        () = deadline => {}
        never = live.store().purge_forever() => match never {},
    }
    if let Some(remote) = remote_tools {
        remote.close().await;
    }
    sessions.end().await;
}

/// Refreshes the keys that tokens are checked with, until it is dropped.
fn refresh_keys(settings: &Settings) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    if let Some(auth) = settings.auth.clone() {
        tasks.spawn(auth.refresh_keys());
    }
    tasks
}

fn run(
    registry: Registry,
    settings: Settings,
    listening: impl FnOnce(&LiveService),
) -> Result<(), StartError> {
    let runtime = tokio::runtime::Runtime::new().map_err(StartError::Io)?;
    let ended = runtime.block_on(async {
        let store = registry.open_store(&settings).await?;
        let queue = open_queue(&settings, &store).await?;
        let listener = listen(&settings).await?;
        let address = listener.local_addr().map_err(StartError::Io)?;
        let metrics = metrics_listener::bind(&settings).await?;
        let live = LiveService::start(registry, settings.clone(), store, queue, address)?;
        let _metrics = metrics_listener::serve(metrics, &live.resources().metrics);
        if settings.auth.is_none() {
            tracing::warn!("no authentication: every caller on this machine is `anonymous`, roles are not enforced ({AUTH_SETTINGS} sets it up)");
        }
        if settings.auth.as_ref().is_some_and(Auth::is_weak) {
            tracing::warn!("auth.hs256_secret has few different characters and may be guessed: take random ones, as from `openssl rand -base64 48`");
        }
        let _refresh = refresh_keys(&settings);
        let signals = first_signal(settings.drain + LAST_SECOND).map_err(StartError::Io)?;
        // Scripts wait for this line. If standard output is closed, the service runs all the same.
        let _ = writeln!(std::io::stdout(), "listening on http://{address}");
        listening(&live);
        serve_router(listener, live, signals).await;
        Ok(())
    });
    // Tasks that block are not waited for.
    runtime.shutdown_background();
    ended
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

/// To whom the service shows itself. Without authentication, only requests that name this machine are answered. `is_local` says
/// whether only this machine can reach it: then it has a console unless the settings say otherwise. Behind a proxy, others can.
fn exposure(settings: &Settings, is_local: bool) -> Exposure {
    let hosts = if settings.auth.is_some() {
        HostPolicy::Any
    } else {
        HostPolicy::Loopback
    };
    let console = settings.console;
    let console = console.unwrap_or(is_local && settings.trusted_proxies == 0);
    Exposure { hosts, console }
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

/// Whether only this machine can reach `address`.
fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// An address that other machines can reach needs authentication.
fn require_auth_beyond_loopback(
    addresses: &[SocketAddr],
    settings: &Settings,
) -> Result<(), StartError> {
    let open = addresses.iter().find(|address| !is_loopback(**address));
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
