//! The program of a server: a process group that ends with the connection, whatever it has started.

use std::collections::BTreeMap;
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

#[cfg(unix)]
use process_wrap::tokio::ProcessGroup;
use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::mcp::mcp_log::Words;
use crate::secret::Secret;

/// What a program gets of the service's own environment.
const INHERITED: [&str; 4] = ["HOME", "LANG", "PATH", "TMPDIR"];
/// How long a program may take to end after its input has ended. Then it is killed.
const END_TIMEOUT: Duration = Duration::from_millis(500);
/// The longest piece of a line that is logged, in bytes.
const MAX_LINE: u64 = 500;
/// How much a program may write to its standard error in a second, in bytes.
const MAX_PER_SECOND: usize = 1 << 20;

/// A program that runs. Dropping it ends the program.
pub(super) struct Program {
    stop: oneshot::Sender<()>,
    watcher: JoinHandle<()>,
}

/// The program's standard output and input.
pub(super) type Pipes = (ChildStdout, ChildStdin);

impl Program {
    /// Starts `command` with the environment `env`. What it writes to its standard error is logged in `words`.
    ///
    /// # Errors
    /// That of the operating system.
    pub(super) fn start(
        words: &Arc<Words>,
        command: &str,
        args: &[String],
        env: &BTreeMap<String, Secret>,
    ) -> io::Result<(Self, Pipes)> {
        let mut program = Command::new(command);
        program.args(args).env_clear();
        for name in INHERITED {
            if let Some(value) = std::env::var_os(name) {
                program.env(name, value);
            }
        }
        program
            .envs(env.iter().map(|(name, value)| (name, value.expose())))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut program = CommandWrap::from(program);
        program.wrap(KillOnDrop);
        #[cfg(unix)]
        program.wrap(ProcessGroup::leader());
        let mut child = program.spawn()?;
        let pipes = child.stdout().take().zip(child.stdin().take());
        let pipes = pipes.ok_or_else(|| io::Error::other("it has no standard input and output"))?;
        if let Some(stderr) = child.stderr().take() {
            tokio::spawn(log_lines(Arc::clone(words), stderr));
        }
        let (stop, stopped) = oneshot::channel();
        let watcher = tokio::spawn(watch(child, stopped));
        Ok((Self { stop, watcher }, pipes))
    }

    /// Ends the program and waits for its end. Its input has ended before.
    pub(super) async fn end(self) {
        drop(self.stop);
        let _ = self.watcher.await;
    }
}

/// Waits until the program ends or has to, and then kills what is left of its group: that also ends the pipes that others of the group have
/// inherited.
async fn watch(mut child: Box<dyn ChildWrapper>, stopped: oneshot::Receiver<()>) {
    tokio::select! {
        // The program alone, and not what it has started.
        _ = child.inner_mut().wait() => {}
        _ = stopped => {
            let _ = tokio::time::timeout(END_TIMEOUT, child.inner_mut().wait()).await;
        }
    }
    // Fails where nothing is left.
    let _ = child.start_kill();
    let _ = child.inner_mut().wait().await;
}

/// Logs what a program writes to its standard error. A program that writes more than [`MAX_PER_SECOND`] waits.
async fn log_lines(words: Arc<Words>, stderr: ChildStderr) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    let mut second = Instant::now();
    let mut bytes = 0;
    loop {
        line.clear();
        // A line without an end is taken in pieces.
        let mut piece = (&mut stderr).take(MAX_LINE);
        match piece.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(read) => bytes += read,
        }
        if tracing::enabled!(tracing::Level::DEBUG) {
            let line = words.short(&String::from_utf8_lossy(&line));
            tracing::debug!(server = words.server(), line, "an MCP server wrote");
        }
        if bytes > MAX_PER_SECOND {
            tokio::time::sleep_until(second + Duration::from_secs(1)).await;
            (second, bytes) = (Instant::now(), 0);
        }
    }
}
