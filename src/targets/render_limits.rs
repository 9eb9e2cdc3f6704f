//! Renders the user's templates within limits: a template is a program, and a loop in a loop can run for hours.
//!
//! **Invariant:** the clock and the memory only decide whether there is an output, never what it is.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use tera::{Context, Tera};

/// The longest that one template may take; the built-in ones take milliseconds.
const MAX_TIME: Duration = Duration::from_secs(3);
/// The most that one template may write, in bytes.
const MAX_OUTPUT: usize = 32 << 20;
/// The most memory that the process may take on while one template is rendered, in bytes.
const MAX_MEMORY: u64 = 150 << 20;
/// How often the limits are looked at.
const INTERVAL: Duration = Duration::from_millis(5);

/// What the template `name` makes of `context`.
///
/// # Errors
///
/// The template can't be rendered, or it exceeds a limit. In the latter case its thread runs on until the process ends: nothing
/// can stop it.
pub fn render(tera: &Arc<Tera>, name: &str, context: Context) -> Result<String, RenderError> {
    let (sender, receiver) = mpsc::channel();
    let (tera, template) = (Arc::clone(tera), name.to_owned());
    let begun = Instant::now();
    let memory = resident_memory();
    let worker = thread::Builder::new().name("template".to_owned());
    let spawned = worker.spawn(move || {
        let mut output = Output::default();
        let result = tera.render_to(&template, &context, &mut output);
        // Nobody listens once a limit is exceeded.
        let _ = sender.send((result, output));
    });
    if let Err(error) = spawned {
        return Err(RenderError::Limit(format!(
            "no thread could be started for the template: {error}"
        )));
    }
    loop {
        match receiver.recv_timeout(INTERVAL) {
            Ok((_, output)) if output.is_full => {
                let message = format!("the template writes more than {} MiB", MAX_OUTPUT >> 20);
                return Err(RenderError::Limit(message));
            }
            Ok((result, output)) => {
                result.map_err(RenderError::Template)?;
                return String::from_utf8(output.bytes)
                    .map_err(|error| RenderError::Limit(error.to_string()));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(RenderError::Limit(
                    "the template made the renderer fail".to_owned(),
                ));
            }
            Err(RecvTimeoutError::Timeout) if begun.elapsed() > MAX_TIME => {
                let message = format!("the template takes longer than {} s", MAX_TIME.as_secs());
                return Err(RenderError::Limit(message));
            }
            Err(RecvTimeoutError::Timeout) => {
                let grown = resident_memory()
                    .zip(memory)
                    .map(|(now, before)| now.saturating_sub(before));
                if grown > Some(MAX_MEMORY) {
                    let message = format!(
                        "the template takes more than {} MiB of memory",
                        MAX_MEMORY >> 20
                    );
                    return Err(RenderError::Limit(message));
                }
            }
        }
    }
}

/// Why a template gave no output.
pub enum RenderError {
    /// What the template engine says.
    Template(tera::Error),
    /// The limit that was exceeded, as a sentence.
    Limit(String),
}

/// What a template wrote, up to the limit.
#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    is_full: bool,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_OUTPUT {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The memory of this process that is in use, in bytes; none where the system does not say (only Linux does).
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes << 10)
}
