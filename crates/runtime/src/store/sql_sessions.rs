//! Sessions in a database. All messages stay until their session expires or is deleted; the model gets the latest. What turns write
//! to a file, they write together (`write_group.rs`).
//!
//! While a turn runs, its question is in the lease. The lease is deleted in the transaction that adds the turn; what is left in an
//! expired one was interrupted, and is added by whoever comes next.

pub(super) mod session_statements;
mod turn_write;
#[cfg(feature = "sqlite")]
pub(super) mod write_group;

use std::time::SystemTime;

use crate::error::store_error::StoreError;
use crate::future::BoxFuture;
use crate::model::{Message, Role};
use crate::session::session_store::{
    History, MessageStatus, PastMessage, SessionFacts, SessionKey, SessionLease, SessionStore,
    Turn, lease_conflict, lost_lease,
};
use crate::store::sql_database::{Database, Query, Row, query};
use crate::store::sql_sessions::session_statements::{
    ADD_MESSAGE, DELETE, FACTS, FIND, INTERRUPTED, INTERRUPTED_OF, LATEST_MESSAGES, LIST,
    LIST_AFTER, MESSAGES, PURGE, PURGE_LEASES, RELEASE_ALL, RENEW, TAKE_INTERRUPTED,
};
use crate::store::sql_sessions::turn_write::{
    MessageBody, MessageColumns, TurnWrite, extend_session,
};
use crate::store::sql_store::SqlStore;
use crate::store::sql_values::{escape_nul, from_json, signed, unescape_nul, unsigned};
use crate::unix_time::{duration_millis, from_millis, to_millis};

/// How many messages the first query for a history reads, and the most that one reads. The number grows, so that neither a short nor a
/// long history takes many queries, and little is read in vain.
const FIRST_MESSAGES: u32 = 32;
const MOST_MESSAGES: u32 = 1_024;
/// How many interrupted turns are looked for at a time. There are as many as processes died with.
const INTERRUPTED_LIMIT: u32 = 500;

/// A query whose first three parameters are the parts of `key`.
pub(super) fn query_by_key(database: &Database, sql: &str, key: &SessionKey) -> Query {
    database
        .query(sql)
        .bind(escape_nul(&key.subject))
        .bind(escape_nul(&key.agent))
        .bind(escape_nul(&key.id))
}

impl SqlStore {
    /// Writes a step of a turn, and commits it. Returns whether it found the lease as it had to be.
    async fn write_turn(&self, write: TurnWrite) -> Result<bool, StoreError> {
        match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite { turns, .. } => turns.write(&self.database, write).await,
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => {
                if let Some(query) = write.query(&self.database) {
                    return Ok(query.execute(self.database.write()).await? > 0);
                }
                let mut transaction = self.database.begin().await?;
                let is_written = write.run(&self.database, &mut transaction).await?;
                transaction.commit().await?;
                Ok(is_written)
            }
        }
    }

    /// Adds the question of an interrupted turn to its session. Returns whether there was one.
    async fn settle(&self, key: &SessionKey) -> Result<bool, StoreError> {
        let mut transaction = self.database.begin().await?;
        let row = query_by_key(&self.database, TAKE_INTERRUPTED, key)
            .fetch_optional(transaction.executor())
            .await?;
        let Some(row) = row else {
            return Ok(false);
        };
        let began_at = row.integer("began_at")?;
        let ttl = row.integer("session_ttl")?;
        let question: String = from_json(&row.text("question")?)?;
        let (session, number) =
            extend_session(&self.database, key, 1, ttl, began_at, &mut transaction).await?;
        let message = MessageColumns::new(Role::User, &question, MessageStatus::Interrupted)?;
        query(ADD_MESSAGE)
            .bind(session)
            .bind(number)
            .bind(message.body)
            .bind(message.tokens)
            .bind(began_at)
            .execute(transaction.executor())
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Settles the interrupted turns that `found` finds.
    async fn settle_all(&self, found: Query) -> Result<(), StoreError> {
        for row in found.fetch_all(self.database.read()).await? {
            let key = SessionKey {
                subject: unescape_nul(&row.text("subject")?),
                agent: unescape_nul(&row.text("agent")?),
                id: unescape_nul(&row.text("id")?),
            };
            self.settle(&key).await?;
        }
        Ok(())
    }

    /// Settles the interrupted turn of a session; if the id of `key` is empty, those of all sessions of its subject and agent.
    async fn settle_for_reader(&self, key: &SessionKey) -> Result<(), StoreError> {
        let found = query_by_key(&self.database, INTERRUPTED_OF, key).bind(INTERRUPTED_LIMIT);
        self.settle_all(found).await
    }
}

fn read_facts(row: &Row) -> Result<SessionFacts, StoreError> {
    Ok(SessionFacts {
        id: unescape_nul(&row.text("id")?),
        agent: unescape_nul(&row.text("agent")?),
        messages: unsigned(row.integer("message_count")?),
        created_at: from_millis(row.integer("created_at")?),
        updated_at: from_millis(row.integer("updated_at")?),
        expires_at: from_millis(row.integer("expires_at")?),
    })
}

impl SessionStore for SqlStore {
    fn begin<'a>(
        &'a self,
        key: &'a SessionKey,
        turn: &'a Turn,
    ) -> BoxFuture<'a, Result<Vec<Message>, StoreError>> {
        Box::pin(async move {
            let take = async || {
                let begin = TurnWrite::begin(key, &turn.lease, Some(turn))?;
                self.write_turn(begin).await
            };
            let is_taken = take().await? || (self.settle(key).await? && take().await?);
            if !is_taken {
                return Err(lease_conflict());
            }
            let mut history = History::new(turn.history_tokens);
            let (mut before, mut limit) = (i64::MAX, FIRST_MESSAGES);
            loop {
                let rows = query_by_key(&self.database, LATEST_MESSAGES, key)
                    .bind(before)
                    .bind(limit)
                    .fetch_all(self.database.read())
                    .await?;
                for row in &rows {
                    before = row.integer("number")?;
                    if !history.push(from_json(&row.text("body")?)?) {
                        return Ok(history.into_messages());
                    }
                }
                if rows.len() < limit as usize {
                    return Ok(history.into_messages());
                }
                limit = (limit * 4).min(MOST_MESSAGES);
            }
        })
    }

    fn renew<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a SessionLease,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            query_by_key(&self.database, RENEW, key)
                .bind(&lease.turn)
                .bind(duration_millis(lease.ttl))
                .execute(self.database.write())
                .await?;
            Ok(())
        })
    }

    fn release<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a SessionLease,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.write_turn(TurnWrite::release(key, lease)).await?;
            Ok(())
        })
    }

    fn release_all<'a>(&'a self, owner: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            query(RELEASE_ALL)
                .bind(owner)
                .execute(self.database.write())
                .await?;
            Ok(())
        })
    }

    fn commit<'a>(
        &'a self,
        key: &'a SessionKey,
        turn: &'a Turn,
        answer: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let commit = TurnWrite::commit(key, turn, answer)?;
            if self.write_turn(commit).await? {
                Ok(())
            } else {
                Err(lost_lease())
            }
        })
    }

    fn create<'a>(
        &'a self,
        key: &'a SessionKey,
        turn: &'a Turn,
        answer: &'a str,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.write_turn(TurnWrite::create(key, turn, answer)?)
                .await?;
            Ok(())
        })
    }

    fn facts<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> BoxFuture<'a, Result<Option<SessionFacts>, StoreError>> {
        Box::pin(async move {
            self.settle_for_reader(key).await?;
            let row = query_by_key(&self.database, FACTS, key)
                .fetch_optional(self.database.read())
                .await?;
            row.as_ref().map(read_facts).transpose()
        })
    }

    fn list<'a>(
        &'a self,
        subject: &'a str,
        agent: &'a str,
        after: Option<(SystemTime, &'a str)>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<SessionFacts>, StoreError>> {
        Box::pin(async move {
            let all = SessionKey {
                subject: subject.to_owned(),
                agent: agent.to_owned(),
                id: String::new(),
            };
            self.settle_for_reader(&all).await?;
            let sql = if after.is_some() { LIST_AFTER } else { LIST };
            let mut statement = self
                .database
                .query(sql)
                .bind(escape_nul(subject))
                .bind(escape_nul(agent));
            if let Some((created_at, id)) = after {
                statement = statement.bind(to_millis(created_at)).bind(escape_nul(id));
            }
            let rows = statement
                .bind(limit)
                .fetch_all(self.database.read())
                .await?;
            rows.iter().map(read_facts).collect()
        })
    }

    fn messages<'a>(
        &'a self,
        key: &'a SessionKey,
        after: u64,
        limit: u32,
    ) -> BoxFuture<'a, Result<Option<Vec<PastMessage>>, StoreError>> {
        Box::pin(async move {
            self.settle_for_reader(key).await?;
            let row = query_by_key(&self.database, FIND, key)
                .fetch_optional(self.database.read())
                .await?;
            let Some(row) = row else {
                return Ok(None);
            };
            let rows = query(MESSAGES)
                .bind(row.integer("number")?)
                .bind(signed(after))
                .bind(limit)
                .fetch_all(self.database.read())
                .await?;
            let messages = rows.iter().map(|row| {
                let MessageBody { message, status } = from_json(&row.text("body")?)?;
                Ok(PastMessage {
                    number: unsigned(row.integer("number")?),
                    message,
                    status,
                    created_at: from_millis(row.integer("created_at")?),
                })
            });
            messages.collect::<Result<_, _>>().map(Some)
        })
    }

    fn delete<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a SessionLease,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            self.settle_for_reader(key).await?;
            let mut transaction = self.database.begin().await?;
            let begin = TurnWrite::begin(key, lease, None)?;
            if !begin.run(&self.database, &mut transaction).await? {
                return Err(lease_conflict());
            }
            let row = query_by_key(&self.database, DELETE, key)
                .fetch_optional(transaction.executor())
                .await?;
            let release = TurnWrite::release(key, lease);
            release.run(&self.database, &mut transaction).await?;
            transaction.commit().await?;
            match row {
                Some(row) => Ok(row.integer("is_live")? != 0),
                None => Ok(false),
            }
        })
    }

    fn purge(&self, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let interrupted = self.database.query(INTERRUPTED).bind(INTERRUPTED_LIMIT);
            self.settle_all(interrupted).await?;
            let purged = self.database.purge(PURGE, limit).await?;
            self.database
                .query(PURGE_LEASES)
                .execute(self.database.write())
                .await?;
            Ok(purged)
        })
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            query("SELECT 1 FROM sessions LIMIT 1")
                .fetch_optional(self.database.read())
                .await?;
            Ok(())
        })
    }
}
