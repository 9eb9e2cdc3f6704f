//! Sets up the log.
//!
//! Invariant: requests, prompts and answers are never logged, and whoever logs does not wait: a thread writes the lines, and
//! those that it can't keep up with are counted and dropped.

use std::io::{self, IsTerminal, Write};
use std::sync::LazyLock;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use prometheus::IntCounter;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How many lines may wait to be written.
const LINES_AHEAD: usize = 4096;
/// The pause between two tries to reach the end of the waiting lines.
const FLUSH_PAUSE: Duration = Duration::from_millis(5);

/// Settings of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// The format of a line.
    pub format: LogFormat,
    /// The least severe level that is logged.
    pub level: tracing::Level,
}

/// The format of a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// A JSON object, for log collectors.
    Json,
    /// Plain text, for people.
    Text,
}

impl LogFormat {
    /// Text if a person reads standard error on a terminal, and JSON otherwise.
    pub(crate) fn of_stderr() -> Self {
        if io::stderr().is_terminal() {
            Self::Text
        } else {
            Self::Json
        }
    }
}

/// What the writing thread receives.
enum Message {
    Line(Vec<u8>),
    /// All lines before it are written: whoever waits learns it.
    Flush(SyncSender<()>),
}

/// Where lines go, once the log has started.
static WRITER: OnceLock<SyncSender<Message>> = OnceLock::new();
/// The lines that were dropped.
static DROPPED: LazyLock<IntCounter> = LazyLock::new(|| {
    let help = "Lines of the log that were dropped, because standard error took none.";
    IntCounter::new("agentgen_log_lines_dropped_total", help).expect("the name is valid")
});

/// Sends the log to stderr. A subscriber that the program has set up already stays.
pub(crate) fn start(log: Log) {
    let lines = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(|| LineWriter)
        .with_max_level(log.level);
    // What `rmcp` logs has the messages of MCP servers, whole.
    let targets = Targets::new()
        .with_default(log.level)
        .with_target("rmcp", LevelFilter::OFF);
    let started = match log.format {
        LogFormat::Text => lines.finish().with(targets).try_init(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .finish()
            .with(targets)
            .try_init(),
    };
    if started.is_ok() {
        let (sender, receiver) = sync_channel(LINES_AHEAD);
        let writer = thread::Builder::new().name("log".to_owned());
        // Without the thread, lines are written at once.
        if writer.spawn(move || write_lines(&receiver)).is_ok() {
            let _ = WRITER.set(sender);
        }
    }
}

/// Waits until the lines so far are written, for `time` at most.
pub(crate) fn flush(time: Duration) {
    let deadline = Instant::now() + time;
    let Some(writer) = WRITER.get() else {
        return;
    };
    let (done, written) = sync_channel(1);
    while let Err(TrySendError::Full(_)) = writer.try_send(Message::Flush(done.clone())) {
        if Instant::now() >= deadline {
            return;
        }
        thread::sleep(FLUSH_PAUSE);
    }
    let _ = written.recv_timeout(deadline.saturating_duration_since(Instant::now()));
}

/// The metric of dropped lines. The log is that of the process, as this is.
pub(crate) fn dropped_lines() -> IntCounter {
    DROPPED.clone()
}

fn write_lines(messages: &Receiver<Message>) {
    for message in messages {
        match message {
            // If standard error is closed, there is nobody to tell.
            Message::Line(line) => {
                let _ = io::stderr().write_all(&line);
            }
            Message::Flush(done) => {
                let _ = done.try_send(());
            }
        }
    }
}

/// Takes one line at a time: the subscriber writes each with a single call.
struct LineWriter;

impl Write for LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match WRITER.get() {
            None => return io::stderr().write(line),
            Some(writer) => {
                if writer.try_send(Message::Line(line.to_vec())).is_err() {
                    DROPPED.inc();
                }
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A duration as a log field: the `u128` of `as_millis` would become a string in JSON.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
