//! The service of a project under development: built by cargo, and run on one port.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::terminal::{eprint_line, print};

/// How long a service may take to end its requests before the next one starts.
const DRAIN: Duration = Duration::from_secs(11);
/// The line with which a service says where it listens.
const LISTENING: &str = "listening on http://";

/// The service of the project, of which one process at a time runs.
#[derive(Clone)]
pub struct DevProcess(Arc<Shared>);

struct Shared {
    arguments: Vec<String>,
    prompts: PathBuf,
    process: Mutex<Option<Child>>,
    /// The process of cargo, while it builds.
    cargo: Mutex<Option<u32>>,
    /// Where the first process listened: the next ones do too.
    address: Mutex<Option<String>>,
}

impl DevProcess {
    /// A service that is built with `arguments`, and reads its prompts from the file `prompts`.
    pub fn new(arguments: Vec<String>, prompts: PathBuf) -> Self {
        Self(Arc::new(Shared {
            arguments,
            prompts,
            process: Mutex::new(None),
            cargo: Mutex::new(None),
            address: Mutex::new(None),
        }))
    }

    /// Builds the project; errors of the compiler go to stderr. Returns the program.
    ///
    /// # Errors
    ///
    /// Why there is none, in words.
    pub fn build(&self) -> Result<PathBuf, String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut building = Command::new(cargo)
            .args(["build", "--message-format", "json-render-diagnostics"])
            .args(&self.0.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("error: cargo can't be started: {error}"))?;
        *locked(&self.0.cargo) = Some(building.id());
        let mut programs = Vec::new();
        if let Some(stdout) = building.stdout.take() {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let message = serde_json::from_str::<Value>(&line).unwrap_or_default();
                if let Some(program) = message["executable"].as_str() {
                    programs.push(PathBuf::from(program));
                }
            }
        }
        let ended = building.wait();
        *locked(&self.0.cargo) = None;
        let ended = ended.map_err(|error| format!("error: {error}"))?;
        match (ended.success(), programs.as_slice()) {
            (false, _) => Err("the project does not build; what ran before stays".to_owned()),
            (true, [program]) => Ok(program.clone()),
            (true, []) => Err("error: the project has no program".to_owned()),
            (true, _) => Err("error: the project has several programs: name one, as in `agentgen dev -- --bin NAME`".to_owned()),
        }
    }

    /// Stops what runs, and starts `program` at the same address.
    pub fn restart(&self, program: &Path) {
        self.stop();
        let mut command = Command::new(program);
        command
            .env("AGENTGEN_DEV_PROMPTS", &self.0.prompts)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        if let Some(address) = &*locked(&self.0.address) {
            command.env("AGENTGEN_ADDRESS", address);
        }
        let mut process = match command.spawn() {
            Ok(process) => process,
            Err(error) => {
                return eprint_line(&format!("error: {}: {error}", program.display()));
            }
        };
        if let Some(stdout) = process.stdout.take() {
            let own = self.clone();
            thread::spawn(move || own.forward(BufReader::new(stdout)));
        }
        *locked(&self.0.process) = Some(process);
    }

    /// Prints what the service prints, and remembers where it listens.
    fn forward(&self, stdout: impl BufRead) {
        for line in stdout.lines().map_while(Result::ok) {
            if let Some(address) = line.trim().strip_prefix(LISTENING) {
                *locked(&self.0.address) = Some(address.to_owned());
            }
            let _ = print(&format!("{line}\n"));
        }
    }

    /// Asks the service to end, and waits for that.
    fn stop(&self) {
        let Some(mut process) = locked(&self.0.process).take() else {
            return;
        };
        let is_sent = terminate(process.id());
        let deadline = Instant::now() + DRAIN;
        while is_sent && Instant::now() < deadline {
            if !matches!(process.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = process.kill();
        let _ = process.wait();
    }

    /// Has cargo and the service end when this process is asked to.
    ///
    /// # Errors
    ///
    /// The system has no more threads or signals.
    pub fn end_with_this_one(&self) -> std::io::Result<()> {
        let own = self.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                runtime.block_on(termination_signal());
                if let Some(cargo) = *locked(&own.0.cargo) {
                    terminate(cargo);
                }
                own.stop();
                std::process::exit(0);
            })?;
        Ok(())
    }
}

#[cfg(unix)]
async fn termination_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = terminated.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(not(unix))]
async fn termination_signal() {
    let _ = tokio::signal::ctrl_c().await;
}

/// Asks a process to end. Returns whether that could be done.
fn terminate(process: u32) -> bool {
    let mut kill = Command::new("kill");
    let sent = kill.args(["-TERM", &process.to_string()]).status();
    sent.is_ok_and(|status| status.success())
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
