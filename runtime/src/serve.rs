//! Serves a registry over HTTP until it is told to stop.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

use crate::listen::listen as accept;
use crate::log;
use crate::registry::Registry;
use crate::respond::Hosts;
use crate::run::Drain;
use crate::settings::{ADDRESS, Log, LogFormat, SECRET, Settings};
use crate::start::StartError;

const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_PORT: u16 = 8080;
/// How many ports after the default one are tried.
const PORTS_TRIED: u16 = 100;
/// How long a run that was told to end may take to say so.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves `registry` as the environment says, until SIGINT or SIGTERM: a whole program. The exit code is 2 for a
/// wrong setting, and 1 for everything else that keeps the service from running.
pub fn serve(registry: Registry) -> ExitCode {
    let settings = Settings::load();
    // What is wrong with the settings is for people to read.
    log::start(settings.as_ref().map_or(
        Log {
            format: LogFormat::Text,
            level: tracing::Level::INFO,
        },
        |settings| settings.log,
    ));
    match settings.and_then(|settings| run(registry, settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::from(if matches!(error, StartError::Setting { .. }) {
                2
            } else {
                1
            })
        }
    }
}

/// Serves `registry` at `listener` until `shutdown` is ready; what is running then has `settings.drain` to end.
/// What `settings` say about the address is not looked at.
///
/// # Errors
/// What [`Registry::into_router`] says, a listener that is not at a loopback address while there is no
/// authentication, and what the operating system says.
pub async fn serve_on(
    listener: TcpListener,
    registry: Registry,
    settings: Settings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StartError> {
    let address = listener.local_addr().map_err(StartError::Io)?;
    refuse_strangers(&[address], &settings)?;
    let (router, drain) = build(registry, settings.clone())?;
    serve_router(listener, router, drain, &settings, shutdown).await;
    Ok(())
}

async fn serve_router(
    listener: TcpListener,
    router: Router,
    drain: Drain,
    settings: &Settings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let (stop, mut stopping) = tokio::sync::watch::channel(false);
    let draining = drain.clone();
    let server = accept(listener, router, settings.idle, async move {
        shutdown.await;
        tracing::info!("stopping");
        draining.begin();
        stop.send_replace(true);
    });
    let deadline = async move {
        let _ = stopping.wait_for(|stopping| *stopping).await;
        tokio::time::sleep(settings.drain).await;
        drain.end();
        tokio::time::sleep(LAST_WORDS).await;
    };
    tokio::select! {
        () = server => {}
        () = deadline => {}
    }
}

fn run(registry: Registry, settings: Settings) -> Result<(), StartError> {
    let (router, drain) = build(registry, settings.clone())?;
    let runtime = tokio::runtime::Runtime::new().map_err(StartError::Io)?;
    runtime.block_on(async {
        let listener = listen(&settings).await?;
        let address = listener.local_addr().map_err(StartError::Io)?;
        if settings.auth.is_none() {
            tracing::warn!("no authentication: every caller on this machine is `anonymous`, roles are not enforced ({SECRET} sets it up)");
        }
        let signals = signals()?;
        // Whoever started the program may be waiting for this line; if nobody reads it, that is no reason to stop.
        let _ = writeln!(std::io::stdout(), "listening on http://{address}");
        serve_router(listener, router, drain, &settings, signals).await;
        Ok(())
    })
}

fn build(registry: Registry, settings: Settings) -> Result<(Router, Drain), StartError> {
    let hosts = if settings.auth.is_some() {
        Hosts::Any
    } else {
        Hosts::Loopback
    };
    registry.build(settings, hosts)
}

async fn listen(settings: &Settings) -> Result<TcpListener, StartError> {
    let Some(address) = &settings.address else {
        return listen_nearby().await;
    };
    let wrong =
        |error: std::io::Error| StartError::setting(ADDRESS, format!("`{address}`: {error}"));
    let addresses = tokio::net::lookup_host(address)
        .await
        .map_err(wrong)?
        .collect::<Vec<_>>();
    refuse_strangers(&addresses, settings)?;
    TcpListener::bind(&*addresses).await.map_err(wrong)
}

async fn listen_nearby() -> Result<TcpListener, StartError> {
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

/// Whoever can reach an address that is not of this machine has to say who they are.
fn refuse_strangers(addresses: &[SocketAddr], settings: &Settings) -> Result<(), StartError> {
    let open = addresses
        .iter()
        .find(|address| !address.ip().to_canonical().is_loopback());
    match open {
        Some(address) if settings.auth.is_none() => Err(StartError::setting(
            ADDRESS,
            format!(
                "{address} can be reached from other machines, which needs authentication: set {SECRET}"
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
