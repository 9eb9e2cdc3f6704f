//! SIGINT and SIGTERM: the first one stops the service, the second one ends the process.
//!
//! Invariant: the process ends in time, whatever is running. So that busy workers can't delay it, the signals have a thread
//! and a runtime of their own.

use std::io;
use std::process;
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::oneshot;

use crate::telemetry::log;

/// How long the last lines of the log may take.
const LAST_LINES: Duration = Duration::from_millis(100);

/// Is ready with the first signal. The process ends `time` later at the latest, with status 1, and with the second signal at
/// once, with the status of programs that a signal has ended.
pub(super) fn first_signal(
    time: Duration,
) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let (first, received) = oneshot::channel();
    let (ready, is_ready) = std::sync::mpsc::sync_channel(1);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let watch = async move {
        let mut signals = match Signals::new() {
            Ok(signals) => signals,
            Err(error) => return ready.send(Err(error)).unwrap_or(()),
        };
        let _ = ready.send(Ok(()));
        signals.next().await;
        let _ = first.send(());
        let status = tokio::select! {
            status = signals.next() => status,
            () = tokio::time::sleep(time) => 1,
        };
        log::flush(LAST_LINES);
        process::exit(status);
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || runtime.block_on(watch))?;
    is_ready
        .recv()
        .unwrap_or_else(|_| Err(io::Error::other("no signal can be received")))?;
    Ok(async move {
        let _ = received.await;
    })
}

/// The signals that stop a service.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The status of a program that the next signal ends: 128 and its number.
    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => 128 + 15,
            _ = self.interrupt.recv() => 128 + 2,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> i32 {
        let _ = tokio::signal::ctrl_c().await;
        128 + 2
    }
}
