//! The program of a server: a process group that ends with the connection, whatever it has started.

use std::collections::BTreeMap;
use std::io;
use std::process::Stdio;
use std::time::Duration;

#[cfg(unix)]
use process_wrap::tokio::ProcessGroup;
use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::key_redaction::redact_keys;
use crate::secret::Secret;

/// What a program gets of the service's own environment.
const INHERITED: [&str; 4] = ["HOME", "LANG", "PATH", "TMPDIR"];
/// How long a program may take to end after its input has ended. Then it is killed.
const END_TIMEOUT: Duration = Duration::from_millis(500);
/// The longest piece of a line that is logged, in bytes.
const MAX_LINE: u64 = 500;

/// A program that runs. Dropping it ends the program.
pub(super) struct Program {
    stop: oneshot::Sender<()>,
    watcher: JoinHandle<()>,
}

/// The program's standard output and input.
pub(super) type Pipes = (ChildStdout, ChildStdin);

impl Program {
    /// Starts `command` with the environment `env`. What it writes to its standard error is logged as of `server`, without `secrets`.
    ///
    /// # Errors
    /// That of the operating system.
    pub(super) fn start(
        server: &str,
        command: &str,
        args: &[String],
        env: &BTreeMap<String, Secret>,
        secrets: &[String],
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
            tokio::spawn(log_lines(server.to_owned(), stderr, secrets.to_vec()));
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

/// Logs what a program writes to its standard error, so that it never waits for a reader.
async fn log_lines(server: String, stderr: ChildStderr, secrets: Vec<String>) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A line without an end is taken in pieces.
        match (&mut stderr)
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)
            .await
        {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let secrets = secrets.iter().map(String::as_str);
                let line = redact_keys(&String::from_utf8_lossy(&line), secrets);
                tracing::debug!(server, line, "an MCP server wrote");
            }
        }
    }
}
