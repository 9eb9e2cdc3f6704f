//! The queue in NATS JetStream: run ids are messages of a work-queue stream. A message goes to one process, and to the
//! next one unless the first acknowledges it in time.

use std::error::Error as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::context::{ContextBuilder, CreateStreamErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, ConsumerErrorKind, RetentionPolicy, StorageType};
use async_nats::jetstream::{AckKind, Context, Message};
use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event, rustls};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use crate::schema::Uuid;
use crate::workflow::queue::queue_url::{CA_SETTING, Login, QueueUrl};
use crate::workflow::queue::{Ack, Delivery, Queue, QueueError, QueueResult};

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long the server drops a second message with the id of the same run.
const DEDUPLICATION_WINDOW: Duration = Duration::from_secs(120);
/// The durable consumer that all processes share.
const WORKERS: &str = "workers";

/// A stream of a NATS server.
pub(crate) struct NatsQueue {
    client: Client,
    jetstream: Context,
    stream: String,
    /// How long a delivery may stay unacknowledged.
    lease: Duration,
    /// `None` until the stream is known to be usable.
    consumer: Mutex<Option<PullConsumer>>,
}

/// Why the stream can't be set up.
enum SetupError {
    /// It may work later.
    Temporary(String),
    /// An operator has to change something.
    Permanent(String),
}

/// Connects, and creates the stream if there is none. If the server can't be reached, the client keeps trying: runs are
/// in the journal, and are executed without the queue.
///
/// # Errors
/// What only an operator can change. The text never shows a password.
pub(crate) async fn open(
    url: QueueUrl,
    authorities: Option<&Path>,
    lease: Duration,
) -> Result<NatsQueue, QueueError> {
    let place = url.describe();
    let options = || options(&url.login, authorities);
    let client = match options().connect(&url.server).await {
        Ok(client) => client,
        Err(error) => match error.kind() {
            ConnectErrorKind::Authentication
            | ConnectErrorKind::AuthorizationViolation
            | ConnectErrorKind::ServerParse
            | ConnectErrorKind::Tls => return Err(unusable(&place, &error)),
            _ if is_untrusted(&error) => {
                let detail = format!(
                    "{error} ({CA_SETTING} names a file with the authority that it is from)"
                );
                return Err(unusable(&place, &detail));
            }
            _ => {
                tracing::warn!(%error, "{place} can't be reached; runs are claimed from the journal");
                let options = options().retry_on_initial_connect();
                let later = options.connect(&url.server).await;
                later.map_err(|error| unusable(&place, &error))?
            }
        },
    };
    let jetstream = ContextBuilder::new().timeout(TIMEOUT);
    let queue = NatsQueue {
        jetstream: jetstream.build(client.clone()),
        client,
        stream: url.stream,
        lease,
        consumer: Mutex::default(),
    };
    if queue.is_connected() {
        match queue.consumer().await {
            Ok(_) => {}
            Err(SetupError::Temporary(detail)) => {
                tracing::warn!(detail, "{place} can't be used yet")
            }
            Err(SetupError::Permanent(detail)) => {
                return Err(unusable(&place, &detail));
            }
        }
    }
    Ok(queue)
}

/// Whether the server's certificate is not trusted.
fn is_untrusted(error: &ConnectError) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.downcast_ref::<std::io::Error>();
        let inner = inner.and_then(|error| error.get_ref()?.downcast_ref());
        if matches!(inner, Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn options(login: &Login, authorities: Option<&Path>) -> ConnectOptions {
    let options = match login {
        Login::Anonymous => ConnectOptions::new(),
        Login::Token(token) => ConnectOptions::with_token(token.expose().to_owned()),
        Login::User(user, password) => {
            ConnectOptions::with_user_and_password(user.clone(), password.expose().to_owned())
        }
    };
    let options = match authorities {
        Some(path) => options
            .add_root_certificates(path.to_owned())
            .require_tls(true),
        None => options,
    };
    options
        .name("agentgen")
        .connection_timeout(TIMEOUT)
        .no_echo()
        .event_callback(|event| async move {
            match event {
                Event::Connected => tracing::info!("the queue is connected"),
                Event::Disconnected => tracing::warn!("the queue is disconnected"),
                Event::ServerError(error) => tracing::warn!(%error, "the queue reports an error"),
                _ => {}
            }
        })
}

impl NatsQueue {
    fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    fn cached_consumer(&self) -> Option<PullConsumer> {
        let consumer = self.consumer.lock();
        consumer.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn cache_consumer(&self, consumer: Option<PullConsumer>) {
        *self.consumer.lock().unwrap_or_else(PoisonError::into_inner) = consumer;
    }

    /// The subject of run ids.
    fn runs_subject(&self) -> String {
        format!("{}.runs", self.stream)
    }

    /// The subject of changes. It is not part of the stream: a change that nobody receives is lost.
    fn changes_subject(&self) -> String {
        format!("{}.changes", self.stream)
    }

    /// The consumer, cached until it fails.
    async fn consumer(&self) -> Result<PullConsumer, SetupError> {
        if let Some(consumer) = self.cached_consumer() {
            return Ok(consumer);
        }
        let config = Config {
            name: self.stream.clone(),
            subjects: vec![self.runs_subject()],
            retention: RetentionPolicy::WorkQueue,
            storage: StorageType::File,
            duplicate_window: DEDUPLICATION_WINDOW,
            ..Config::default()
        };
        let stream = self.jetstream.get_or_create_stream(config).await;
        let stream = stream.map_err(|error| match error.kind() {
            CreateStreamErrorKind::JetStreamUnavailable => SetupError::Permanent(
                "the server has no JetStream (nats-server -js has it)".to_owned(),
            ),
            CreateStreamErrorKind::JetStream(cause) => setup_error(cause.code(), &error),
            _ => SetupError::Temporary(error.to_string()),
        })?;
        let found = &stream.cached_info().config;
        if found.retention != RetentionPolicy::WorkQueue
            || !found.subjects.contains(&self.runs_subject())
        {
            let runs = self.runs_subject();
            return Err(SetupError::Permanent(format!(
                "there is a stream of that name that is no work queue of `{runs}`; name another one"
            )));
        }
        let config = pull::Config {
            durable_name: Some(WORKERS.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.lease,
            // The processes limit themselves.
            max_ack_pending: -1,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await;
        let consumer = consumer.map_err(|error| match error.kind() {
            ConsumerErrorKind::JetStream(cause) => setup_error(cause.code(), &error),
            _ => SetupError::Temporary(error.to_string()),
        })?;
        self.cache_consumer(Some(consumer.clone()));
        Ok(consumer)
    }

    async fn next(&self, timeout: Duration) -> Result<Option<Message>, QueueError> {
        let consumer = self.consumer().await.map_err(|error| match error {
            SetupError::Temporary(detail) | SetupError::Permanent(detail) => {
                QueueError::Failed(detail)
            }
        })?;
        let batch = consumer.batch().max_messages(1).expires(timeout);
        let mut batch = batch.messages().await.map_err(failed)?;
        let next = batch.next().await.transpose();
        next.map_err(failed)
    }
}

/// An error of JetStream, whose codes are those of HTTP.
fn setup_error(code: usize, error: &impl ToString) -> SetupError {
    match code {
        503 => SetupError::Temporary(error.to_string()),
        _ => SetupError::Permanent(error.to_string()),
    }
}

/// Does `work` if there is a connection. Without one the client would buffer it, and its caller would wait.
async fn while_connected<T>(
    client: &Client,
    timeout: Duration,
    work: impl Future<Output = Result<T, QueueError>>,
) -> Result<T, QueueError> {
    if client.connection_state() != State::Connected {
        return Err(QueueError::Disconnected);
    }
    tokio::time::timeout(timeout, work)
        .await
        .unwrap_or(Err(QueueError::TimedOut))
}

impl NatsQueue {
    /// Adds a message to the stream.
    async fn send(&self, message: PublishMessage) -> Result<(), QueueError> {
        let sent = self.jetstream.send_publish(self.runs_subject(), message);
        let acknowledged = sent.await.map_err(failed)?.await;
        acknowledged.map(|_| ()).map_err(failed)
    }
}

impl Queue for NatsQueue {
    fn enqueue(&self, run: Uuid) -> QueueResult<'_, ()> {
        let id = run.to_string();
        let message = PublishMessage::build().message_id(&id).payload(id.into());
        Box::pin(while_connected(&self.client, TIMEOUT, self.send(message)))
    }

    fn enqueue_again(&self, run: Uuid) -> QueueResult<'_, ()> {
        // With the id of the first message, the server would take it for that one, sent twice.
        let message = PublishMessage::build().payload(run.to_string().into());
        Box::pin(while_connected(&self.client, TIMEOUT, self.send(message)))
    }

    fn pull(&self, timeout: Duration) -> QueueResult<'_, Option<Arc<dyn Delivery>>> {
        Box::pin(async move {
            let total = timeout + TIMEOUT;
            let next = while_connected(&self.client, total, self.next(timeout)).await;
            if next.is_err() {
                // The consumer may be gone, for example if the server lost its files.
                self.cache_consumer(None);
            }
            let delivery = |message| Arc::new(NatsDelivery(message)) as Arc<dyn Delivery>;
            Ok(next?.map(delivery))
        })
    }

    fn publish_change(&self, run: Uuid) -> QueueResult<'_, ()> {
        Box::pin(while_connected(&self.client, TIMEOUT, async move {
            let published = self
                .client
                .publish(self.changes_subject(), run.to_string().into())
                .await;
            published.map_err(failed)
        }))
    }

    fn subscribe_changes(&self) -> QueueResult<'_, BoxStream<'static, Uuid>> {
        Box::pin(async move {
            let messages = self.client.subscribe(self.changes_subject()).await;
            let messages = messages.map_err(failed)?;
            let run = |message: async_nats::Message| async move { id(&message.payload) };
            Ok(messages.filter_map(run).boxed())
        })
    }

    fn flush(&self) -> QueueResult<'_, ()> {
        Box::pin(while_connected(&self.client, TIMEOUT, async move {
            self.client.flush().await.map_err(failed)
        }))
    }

    fn is_reachable(&self) -> bool {
        self.is_connected() && self.cached_consumer().is_some()
    }
}

/// A message of the stream.
struct NatsDelivery(Message);

impl Delivery for NatsDelivery {
    fn run(&self) -> Option<Uuid> {
        id(&self.0.payload)
    }

    fn is_redelivery(&self) -> bool {
        self.0.info().is_ok_and(|info| info.delivered > 1)
    }

    fn ack(&self, ack: Ack) -> QueueResult<'_, ()> {
        let kind = match ack {
            Ack::InProgress => AckKind::Progress,
            Ack::Done => AckKind::Ack,
            Ack::RetryAfter(delay) if delay.is_zero() => AckKind::Nak(None),
            Ack::RetryAfter(delay) => AckKind::Nak(Some(delay)),
        };
        let client = self.0.context.client();
        Box::pin(async move {
            let acked = async { self.0.ack_with(kind).await.map_err(failed) };
            while_connected(&client, TIMEOUT, acked).await
        })
    }
}

fn id(payload: &[u8]) -> Option<Uuid> {
    std::str::from_utf8(payload).ok()?.parse().ok()
}

fn failed(error: impl ToString) -> QueueError {
    QueueError::Failed(error.to_string())
}

fn unusable(place: &str, why: &dyn std::fmt::Display) -> QueueError {
    QueueError::Failed(format!("{place} can't be used: {why}"))
}
