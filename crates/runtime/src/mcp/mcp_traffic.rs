//! How much a server sends: a server that floods the service, or whose message is too long, loses its connection.
//!
//! Invariant: of a message that is too long, nothing after the limit is read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use rmcp::model::ProgressToken;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{broadcast, watch};

/// The longest message over standard output, in bytes. `rmcp` has the same limit for messages over HTTP.
const MAX_MESSAGE: usize = 16 << 20;
/// The most messages after a request of the service.
const MAX_MESSAGES: usize = 100_000;
/// How many reports of progress a call may be behind.
const PROGRESS_AHEAD: usize = 16;

/// What a connection received, and what is wrong with it.
pub(super) struct Traffic {
    /// Messages since the last request of the service.
    messages: AtomicUsize,
    fault: watch::Sender<Option<&'static str>>,
    /// The tokens of requests whose progress is reported.
    progress: broadcast::Sender<ProgressToken>,
}

impl Traffic {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            messages: AtomicUsize::new(0),
            fault: watch::Sender::new(None),
            progress: broadcast::Sender::new(PROGRESS_AHEAD),
        })
    }

    /// Notes a request of the service: the server may say more.
    pub(super) fn requested(&self) {
        self.messages.store(0, Ordering::Relaxed);
    }

    /// Notes a message of the server.
    pub(super) fn received(&self) {
        if self.messages.fetch_add(1, Ordering::Relaxed) == MAX_MESSAGES {
            self.set_fault("sends too many messages that nobody asked for");
        }
    }

    /// Notes a report of progress.
    pub(super) fn progressed(&self, token: ProgressToken) {
        // Fails where nobody waits.
        let _ = self.progress.send(token);
    }

    /// The reports from now on. Whoever misses some may take them for its own.
    pub(super) fn progress(&self) -> broadcast::Receiver<ProgressToken> {
        self.progress.subscribe()
    }

    /// Why the connection has to end, as what the server does.
    pub(super) fn fault(&self) -> Option<&'static str> {
        *self.fault.borrow()
    }

    /// Waits until the connection has to end.
    pub(super) async fn faulted(&self) {
        // The sender is this value's, so the receiver does not outlive it.
        let _ = self.fault.subscribe().wait_for(Option::is_some).await;
    }

    fn set_fault(&self, fault: &'static str) {
        self.fault.send_if_modified(|current| {
            let is_first = current.is_none();
            current.get_or_insert(fault);
            is_first
        });
    }
}

/// A server's standard output, which ends when it is at fault.
pub(super) struct LimitedOutput<R> {
    output: R,
    traffic: Arc<Traffic>,
    /// The bytes of the current message so far.
    message: usize,
}

impl<R> LimitedOutput<R> {
    pub(super) const fn new(output: R, traffic: Arc<Traffic>) -> Self {
        Self {
            output,
            traffic,
            message: 0,
        }
    }

    /// Notes what was read. A message is a line.
    fn add(&mut self, read: &[u8]) {
        let mut lines = read.split(|byte| *byte == b'\n');
        self.message += lines.next().map_or(0, <[u8]>::len);
        for line in lines {
            self.traffic.received();
            self.message = line.len();
        }
        // The end of the line counts too.
        if self.message >= MAX_MESSAGE {
            self.traffic.set_fault("sent a message of more than 16 MiB");
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for LimitedOutput<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.traffic.fault().is_none() {
            ready!(Pin::new(&mut self.output).poll_read(cx, buf))?;
            self.add(&buf.filled()[before..]);
        }
        match self.traffic.fault() {
            Some(fault) => Poll::Ready(Err(io::Error::other(fault))),
            None => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::{LimitedOutput, MAX_MESSAGE, MAX_MESSAGES, Traffic};

    /// What is read of `text`, repeated for ever, before the connection is at fault.
    async fn read(text: &'static [u8]) -> (usize, &'static str) {
        let traffic = Traffic::new();
        let (mut server, client) = tokio::io::duplex(1 << 16);
        tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            while server.write_all(text).await.is_ok() {}
        });
        let mut output = LimitedOutput::new(client, traffic.clone());
        let mut buffer = vec![0; 1 << 16];
        let mut bytes = 0;
        while let Ok(read) = output.read(&mut buffer).await {
            bytes += read;
        }
        traffic.faulted().await;
        (bytes, traffic.fault().unwrap())
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_read_up_to_the_limit() {
        let (bytes, fault) = read(&[b'x'; 1 << 12]).await;
        assert!(bytes <= MAX_MESSAGE, "{bytes}");
        assert_eq!(fault, "sent a message of more than 16 MiB");
    }

    #[tokio::test]
    async fn messages_without_an_end_are_read_up_to_the_limit() {
        let (bytes, fault) = read(b"{}\n").await;
        assert!(bytes <= 3 * MAX_MESSAGES, "{bytes}");
        assert_eq!(fault, "sends too many messages that nobody asked for");
    }

    #[tokio::test]
    async fn a_request_of_the_service_allows_further_messages() {
        let traffic = Traffic::new();
        for _ in 0..3 {
            (0..MAX_MESSAGES).for_each(|_| traffic.received());
            traffic.requested();
        }
        assert_eq!(traffic.fault(), None);
    }
}
