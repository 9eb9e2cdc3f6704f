//! What a turn writes: its lease when it begins, its messages when it ends.

#[cfg(feature = "sqlite")]
use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::error::store_error::StoreError;
use crate::model::{Message, Role, estimated_tokens};
use crate::session::session_store::{MessageStatus, SessionKey, SessionLease, Turn, lost_lease};
use crate::store::sql_database::{Database, Query, Transaction};
use crate::store::sql_sessions::query_by_key;
use crate::store::sql_sessions::session_statements::{
    ADD_QUESTION_AND_ANSWER, CONTINUE, CREATE_IN_POSTGRES, DELETE_EXPIRED, LEASE, RELEASE,
};
use crate::store::sql_values::{signed, to_json};
#[cfg(feature = "sqlite")]
use crate::store::{sql_sessions::session_statements::CREATE_IN_SQLITE, sql_values::escape_nul};
use crate::unix_time::duration_millis;

/// One step of a turn in the store. It has its own copy of everything, since it may be written after its caller has left.
pub(super) struct TurnWrite {
    key: SessionKey,
    step: Step,
}

enum Step {
    /// Takes the lease. The question stays with it.
    Begin {
        lease: SessionLease,
        question: Option<String>,
        ttl: Option<i64>,
    },
    /// Adds a session with its first turn, which has no lease.
    Create { ttl: i64, messages: Messages },
    /// Adds the turn to its session and ends its lease.
    Commit {
        turn: String,
        ttl: i64,
        messages: Messages,
    },
    /// Ends the lease.
    Release { turn: String },
}

/// The columns of a question and of its answer.
struct Messages {
    question: MessageColumns,
    answer: MessageColumns,
}

/// The JSON of a message's column `body`.
#[derive(Serialize, Deserialize)]
pub(super) struct MessageBody {
    #[serde(flatten)]
    pub(super) message: Message,
    /// Programs that don't know it ignore it.
    #[serde(default, skip_serializing_if = "is_completed")]
    pub(super) status: MessageStatus,
}

fn is_completed(status: &MessageStatus) -> bool {
    *status == MessageStatus::Completed
}

/// What is stored of a message.
pub(super) struct MessageColumns {
    pub(super) body: String,
    pub(super) tokens: i64,
}

impl MessageColumns {
    pub(super) fn new(role: Role, text: &str, status: MessageStatus) -> Result<Self, StoreError> {
        let message = Message {
            role,
            text: text.to_owned(),
        };
        Ok(Self {
            body: to_json(&MessageBody { message, status })?,
            tokens: signed(estimated_tokens(text.len())),
        })
    }
}

impl Messages {
    fn new(question: &str, answer: &str) -> Result<Self, StoreError> {
        let status = MessageStatus::Completed;
        Ok(Self {
            question: MessageColumns::new(Role::User, question, status)?,
            answer: MessageColumns::new(Role::Assistant, answer, status)?,
        })
    }

    fn bind_to(&self, query: Query) -> Query {
        query
            .bind(&self.question.body)
            .bind(self.question.tokens)
            .bind(&self.answer.body)
            .bind(self.answer.tokens)
    }
}

impl TurnWrite {
    /// Takes a lease, for a turn or to delete the session; the result says whether it was free.
    pub(super) fn begin(
        key: &SessionKey,
        lease: &SessionLease,
        turn: Option<&Turn>,
    ) -> Result<Self, StoreError> {
        let question = turn.map(|turn| to_json(&turn.question)).transpose()?;
        Ok(Self {
            key: key.clone(),
            step: Step::Begin {
                lease: lease.clone(),
                question,
                ttl: turn.map(|turn| duration_millis(turn.ttl)),
            },
        })
    }

    /// Adds a session with its first turn.
    pub(super) fn create(key: &SessionKey, turn: &Turn, answer: &str) -> Result<Self, StoreError> {
        Ok(Self {
            key: key.clone(),
            step: Step::Create {
                ttl: duration_millis(turn.ttl),
                messages: Messages::new(&turn.question, answer)?,
            },
        })
    }

    /// Ends a turn with its answer; the result says whether it still had its lease.
    pub(super) fn commit(key: &SessionKey, turn: &Turn, answer: &str) -> Result<Self, StoreError> {
        Ok(Self {
            key: key.clone(),
            step: Step::Commit {
                turn: turn.lease.turn.clone(),
                ttl: duration_millis(turn.ttl),
                messages: Messages::new(&turn.question, answer)?,
            },
        })
    }

    /// Ends a turn that has no answer.
    pub(super) fn release(key: &SessionKey, lease: &SessionLease) -> Self {
        Self {
            key: key.clone(),
            step: Step::Release {
                turn: lease.turn.clone(),
            },
        }
    }

    /// It as one query, where one is enough.
    pub(super) fn query(&self, database: &Database) -> Option<Query> {
        match &self.step {
            Step::Begin {
                lease,
                question,
                ttl,
            } => Some(
                query_by_key(database, LEASE, &self.key)
                    .bind(&lease.owner)
                    .bind(&lease.turn)
                    .bind(duration_millis(lease.ttl))
                    .bind(question.as_deref())
                    .bind(*ttl),
            ),
            Step::Create { ttl, messages } if database.writes_in_queries() => {
                let create = query_by_key(database, CREATE_IN_POSTGRES, &self.key);
                Some(messages.bind_to(create.bind(*ttl)))
            }
            Step::Release { turn } => Some(query_by_key(database, RELEASE, &self.key).bind(turn)),
            Step::Create { .. } | Step::Commit { .. } => None,
        }
    }

    /// The row of a new session, for [`create_all`].
    #[cfg(feature = "sqlite")]
    pub(super) fn new_session(&self) -> Option<NewSession<'_>> {
        let Step::Create { ttl, messages } = &self.step else {
            return None;
        };
        let SessionKey { subject, agent, id } = &self.key;
        let Messages { question, answer } = messages;
        Some(NewSession(
            escape_nul(subject),
            escape_nul(agent),
            escape_nul(id),
            *ttl,
            &question.body,
            question.tokens,
            &answer.body,
            answer.tokens,
        ))
    }

    /// Writes it; new sessions in a file are for [`create_all`]. Returns whether it found the lease as it had to be; if not, it has changed nothing.
    ///
    /// # Errors
    /// The transaction must not be committed.
    pub(super) async fn run(
        &self,
        database: &Database,
        transaction: &mut Transaction,
    ) -> Result<bool, StoreError> {
        if let Some(query) = self.query(database) {
            return Ok(query.execute(transaction.executor()).await? > 0);
        }
        let Step::Commit {
            turn,
            ttl,
            messages,
        } = &self.step
        else {
            return Ok(false);
        };
        let lease = query_by_key(database, RELEASE, &self.key)
            .bind(turn)
            .fetch_optional(transaction.executor())
            .await?;
        let Some(lease) = lease else {
            return Ok(false);
        };
        let began_at = lease.integer("began_at")?;
        let (session, number) =
            extend_session(database, &self.key, 2, *ttl, began_at, transaction).await?;
        let add = database.query(ADD_QUESTION_AND_ANSWER);
        messages
            .bind_to(add.bind(session).bind(number))
            .execute(transaction.executor())
            .await?;
        Ok(true)
    }
}

/// What [`CREATE_IN_SQLITE`] makes a session and its messages of: its key, its time to live, and the columns of question and answer.
#[cfg(feature = "sqlite")]
#[derive(Serialize)]
pub(super) struct NewSession<'a>(
    Cow<'a, str>,
    Cow<'a, str>,
    Cow<'a, str>,
    i64,
    &'a str,
    i64,
    &'a str,
    i64,
);

/// Adds sessions to a file, in one transaction.
#[cfg(feature = "sqlite")]
pub(super) async fn create_all(
    sessions: &[NewSession<'_>],
    database: &Database,
    transaction: &mut Transaction,
) -> Result<(), StoreError> {
    let create = database.query(CREATE_IN_SQLITE).bind(to_json(&sessions)?);
    create.execute(transaction.executor()).await?;
    Ok(())
}

/// Makes room in a session for messages of a turn that began at `began_at`. Gives the number of the session, and of the first
/// message.
pub(super) async fn extend_session(
    database: &Database,
    key: &SessionKey,
    messages: i64,
    ttl: i64,
    began_at: i64,
    transaction: &mut Transaction,
) -> Result<(i64, i64), StoreError> {
    let mut is_first_try = true;
    loop {
        let row = query_by_key(database, CONTINUE, key)
            .bind(messages)
            .bind(ttl)
            .bind(began_at)
            .fetch_optional(transaction.executor())
            .await?;
        match row {
            Some(row) => {
                let first = row.integer("message_count")? - messages + 1;
                return Ok((row.integer("number")?, first));
            }
            None if is_first_try => is_first_try = false,
            None => return Err(lost_lease()),
        }
        query_by_key(database, DELETE_EXPIRED, key)
            .bind(began_at)
            .execute(transaction.executor())
            .await?;
    }
}
