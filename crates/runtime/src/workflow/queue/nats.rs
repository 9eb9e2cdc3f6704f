//! Runs handed out over NATS JetStream: their ids stand in a work queue, which gives each to one process and, unless
//! that says in time that it is still at it, to the next one.

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

use crate::schema::formats::Uuid;
use crate::workflow::queue::queue_url::{CA_SETTING, Login, QueueUrl};
use crate::workflow::queue::{Delivery, Queue, Queued, Settlement};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// For how long the server knows the runs that were handed out, so that none is twice.
const KNOWN: Duration = Duration::from_secs(120);
/// The consumer that all processes pull from.
const WORKERS: &str = "workers";

/// A stream of a NATS server.
pub(crate) struct NatsQueue {
    client: Client,
    jetstream: Context,
    stream: String,
    /// How long a process may be silent about a run that it was given.
    lease: Duration,
    /// What is pulled from; none before the stream was seen to be fit.
    consumer: Mutex<Option<PullConsumer>>,
}

/// Why a stream can't be used.
enum Unfit {
    /// It can't be used now.
    Passing(String),
    /// Somebody has to do something about it.
    Lasting(String),
}

/// Connects, and makes the stream if there is none. A server that can't be reached is looked for from then on: the runs
/// are in the journal, and go on without it.
///
/// # Errors
/// What only an operator can change, in words that hold no password.
pub(crate) async fn open(
    url: QueueUrl,
    authorities: Option<&Path>,
    lease: Duration,
) -> Result<NatsQueue, String> {
    let place = url.told();
    let options = || options(&url.login, authorities);
    let client = match options().connect(&url.server).await {
        Ok(client) => client,
        Err(error) => match error.kind() {
            ConnectErrorKind::Authentication
            | ConnectErrorKind::AuthorizationViolation
            | ConnectErrorKind::ServerParse
            | ConnectErrorKind::Tls => return Err(format!("{place} can't be used: {error}")),
            _ if is_untrusted(&error) => {
                return Err(format!(
                    "{place} can't be used: {error} ({CA_SETTING} names a file with the authority that it is from)"
                ));
            }
            _ => {
                tracing::warn!(%error, "{place} can't be reached; the runs of workflows go on without it");
                let options = options().retry_on_initial_connect();
                let later = options.connect(&url.server).await;
                later.map_err(|error| format!("{place} can't be used: {error}"))?
            }
        },
    };
    let jetstream = ContextBuilder::new().timeout(PATIENCE);
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
            Err(Unfit::Passing(detail)) => tracing::warn!(detail, "{place} can't be used yet"),
            Err(Unfit::Lasting(detail)) => {
                return Err(format!("{place} can't be used: {detail}"));
            }
        }
    }
    Ok(queue)
}

/// Whether a server was there, and its certificate is not one to be trusted.
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
        .connection_timeout(PATIENCE)
        .no_echo()
        .event_callback(|event| async move {
            match event {
                Event::Connected => tracing::info!("the queue of runs can be reached"),
                Event::Disconnected => tracing::warn!("the queue of runs can't be reached"),
                Event::ServerError(error) => tracing::warn!(%error, "the queue of runs fails"),
                _ => {}
            }
        })
}

impl NatsQueue {
    fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    fn prepared(&self) -> Option<PullConsumer> {
        let consumer = self.consumer.lock();
        consumer.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn prepare(&self, consumer: Option<PullConsumer>) {
        *self.consumer.lock().unwrap_or_else(PoisonError::into_inner) = consumer;
    }

    /// The subject on which runs are handed out.
    fn runs(&self) -> String {
        format!("{}.runs", self.stream)
    }

    /// The subject on which processes tell each other what is new; it is in no stream.
    fn news(&self) -> String {
        format!("{}.news", self.stream)
    }

    /// What is pulled from. What was made or found is not asked for again until it fails.
    async fn consumer(&self) -> Result<PullConsumer, Unfit> {
        if let Some(consumer) = self.prepared() {
            return Ok(consumer);
        }
        let config = Config {
            name: self.stream.clone(),
            subjects: vec![self.runs()],
            retention: RetentionPolicy::WorkQueue,
            storage: StorageType::File,
            duplicate_window: KNOWN,
            ..Config::default()
        };
        let stream = self.jetstream.get_or_create_stream(config).await;
        let stream = stream.map_err(|error| match error.kind() {
            CreateStreamErrorKind::JetStreamUnavailable => {
                Unfit::Lasting("the server has no JetStream (nats-server -js has it)".to_owned())
            }
            CreateStreamErrorKind::JetStream(cause) => unfit(cause.code(), &error),
            _ => Unfit::Passing(error.to_string()),
        })?;
        let found = &stream.cached_info().config;
        if found.retention != RetentionPolicy::WorkQueue || !found.subjects.contains(&self.runs()) {
            let runs = self.runs();
            return Err(Unfit::Lasting(format!(
                "there is a stream of that name that is no work queue of `{runs}`; name another one"
            )));
        }
        let config = pull::Config {
            durable_name: Some(WORKERS.to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.lease,
            // How many runs are under way is up to the processes.
            max_ack_pending: -1,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await;
        let consumer = consumer.map_err(|error| match error.kind() {
            ConsumerErrorKind::JetStream(cause) => unfit(cause.code(), &error),
            _ => Unfit::Passing(error.to_string()),
        })?;
        self.prepare(Some(consumer.clone()));
        Ok(consumer)
    }

    async fn next(&self, patience: Duration) -> Result<Option<Message>, String> {
        let consumer = self.consumer().await.map_err(|unfit| match unfit {
            Unfit::Passing(detail) | Unfit::Lasting(detail) => detail,
        })?;
        let batch = consumer.batch().max_messages(1).expires(patience);
        let mut batch = batch.messages().await.map_err(|error| error.to_string())?;
        let next = batch.next().await.transpose();
        next.map_err(|error| error.to_string())
    }
}

/// What JetStream refuses; its codes are those of HTTP.
fn unfit(code: usize, error: &impl ToString) -> Unfit {
    match code {
        503 => Unfit::Passing(error.to_string()),
        _ => Unfit::Lasting(error.to_string()),
    }
}

/// Does `work` if there is a connection: without one the client would keep it for later, and its caller too.
async fn while_connected<T>(
    client: &Client,
    patience: Duration,
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    if client.connection_state() != State::Connected {
        return Err("there is no connection".to_owned());
    }
    let late = |_| Err("there is no answer in time".to_owned());
    tokio::time::timeout(patience, work)
        .await
        .unwrap_or_else(late)
}

impl Queue for NatsQueue {
    fn hand_out(&self, run: Uuid) -> Queued<'_, ()> {
        Box::pin(while_connected(&self.client, PATIENCE, async move {
            let id = run.to_string();
            let message = PublishMessage::build().message_id(&id).payload(id.into());
            let sent = self.jetstream.send_publish(self.runs(), message).await;
            let acknowledged = sent.map_err(|error| error.to_string())?.await;
            acknowledged.map(|_| ()).map_err(|error| error.to_string())
        }))
    }

    fn pull(&self, patience: Duration) -> Queued<'_, Option<Arc<dyn Delivery>>> {
        Box::pin(async move {
            let longest = patience + PATIENCE;
            let next = while_connected(&self.client, longest, self.next(patience)).await;
            if next.is_err() {
                // It may be gone, as after the loss of the server's files.
                self.prepare(None);
            }
            let delivery = |message| Arc::new(Handed(message)) as Arc<dyn Delivery>;
            Ok(next?.map(delivery))
        })
    }

    fn tell(&self, run: Uuid) -> Queued<'_, ()> {
        Box::pin(while_connected(&self.client, PATIENCE, async move {
            let told = self
                .client
                .publish(self.news(), run.to_string().into())
                .await;
            told.map_err(|error| error.to_string())
        }))
    }

    fn told(&self) -> Queued<'_, BoxStream<'static, Uuid>> {
        Box::pin(async move {
            let told = self.client.subscribe(self.news()).await;
            let told = told.map_err(|error| error.to_string())?;
            let run = |message: async_nats::Message| async move { id(&message.payload) };
            Ok(told.filter_map(run).boxed())
        })
    }

    fn flush(&self) -> Queued<'_, ()> {
        Box::pin(while_connected(&self.client, PATIENCE, async move {
            self.client.flush().await.map_err(|error| error.to_string())
        }))
    }

    fn is_reachable(&self) -> bool {
        self.is_connected() && self.prepared().is_some()
    }
}

/// A message of the stream.
struct Handed(Message);

impl Delivery for Handed {
    fn run(&self) -> Option<Uuid> {
        id(&self.0.payload)
    }

    fn is_again(&self) -> bool {
        self.0.info().is_ok_and(|info| info.delivered > 1)
    }

    fn settle(&self, settlement: Settlement) -> Queued<'_, ()> {
        let kind = match settlement {
            Settlement::UnderWay => AckKind::Progress,
            Settlement::Over => AckKind::Ack,
            Settlement::Again(delay) if delay.is_zero() => AckKind::Nak(None),
            Settlement::Again(delay) => AckKind::Nak(Some(delay)),
        };
        let client = self.0.context.client();
        Box::pin(async move {
            let said = async {
                let said = self.0.ack_with(kind).await;
                said.map_err(|error| error.to_string())
            };
            while_connected(&client, PATIENCE, said).await
        })
    }
}

fn id(payload: &[u8]) -> Option<Uuid> {
    std::str::from_utf8(payload).ok()?.parse().ok()
}
