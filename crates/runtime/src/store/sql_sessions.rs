//! Sessions in a database. All messages stay until their session expires or is deleted; the model gets the latest.

use std::time::SystemTime;

use crate::error::store_error::StoreError;
use crate::future::BoxFuture;
use crate::model::{Message, estimated_tokens};
use crate::session::session_store::{
    Conversation, PastMessage, SessionFacts, SessionKey, SessionLease, SessionStore, Turn, fitting,
    lease_conflict, version_conflict,
};
use crate::store::sql_database::{Executor, Query, Row, query};
use crate::store::sql_store::SqlStore;
use crate::store::sql_values::{
    escape_nul, expires_after, from_json, now, signed, to_json, unescape_nul, unsigned,
};
use crate::unix_time::{from_millis, to_millis};

/// Takes a lease that is free, expired or the owner's own.
const LEASE: &str = "INSERT INTO session_leases (subject, agent, id, owner, turn, expires_at) \
     VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT (subject, agent, id) DO UPDATE \
     SET owner = excluded.owner, turn = excluded.turn, expires_at = excluded.expires_at \
     WHERE session_leases.owner = excluded.owner OR session_leases.expires_at <= $7";
const RENEW: &str = "UPDATE session_leases SET expires_at = $5 \
     WHERE subject = $1 AND agent = $2 AND id = $3 AND turn = $4";
const RELEASE: &str = "DELETE FROM session_leases \
     WHERE subject = $1 AND agent = $2 AND id = $3 AND turn = $4";
const RELEASE_ALL: &str = "DELETE FROM session_leases WHERE owner = $1";
const FIND: &str = "SELECT number, version FROM sessions \
     WHERE subject = $1 AND agent = $2 AND id = $3 AND expires_at > $4";
/// The latest messages whose tokens add up to at most `$2`.
const LATEST_MESSAGES: &str = "SELECT body FROM (SELECT number, body, \
     SUM(tokens) OVER (ORDER BY number DESC) AS total \
     FROM session_messages WHERE session = $1) AS latest WHERE total <= $2 ORDER BY number";
const DELETE_EXPIRED: &str = "DELETE FROM sessions \
     WHERE subject = $1 AND agent = $2 AND id = $3 AND expires_at <= $4";
const CREATE: &str = "INSERT INTO sessions \
     (subject, agent, id, version, message_count, created_at, updated_at, expires_at) \
     VALUES ($1, $2, $3, 1, $4, $5, $5, $6) \
     ON CONFLICT (subject, agent, id) DO NOTHING RETURNING number, message_count";
/// Also continues a session that expired while its turn ran.
const CONTINUE: &str = "UPDATE sessions \
     SET version = version + 1, message_count = message_count + $4, updated_at = $5, expires_at = $6 \
     WHERE subject = $1 AND agent = $2 AND id = $3 AND version = $7 RETURNING number, message_count";
const ADD_MESSAGE: &str = "INSERT INTO session_messages (session, number, body, tokens, created_at) \
     VALUES ($1, $2, $3, $4, $5)";
const FACTS: &str = "SELECT id, agent, message_count, created_at, updated_at, expires_at FROM sessions \
     WHERE subject = $1 AND agent = $2 AND id = $3 AND expires_at > $4";
const LIST_AFTER: &str = "SELECT id, agent, message_count, created_at, updated_at, expires_at FROM sessions \
     WHERE subject = $1 AND agent = $2 AND expires_at > $3 AND (created_at, id) < ($4, $5) \
     ORDER BY created_at DESC, id DESC LIMIT $6";
const LIST: &str = "SELECT id, agent, message_count, created_at, updated_at, expires_at FROM sessions \
     WHERE subject = $1 AND agent = $2 AND expires_at > $3 \
     ORDER BY created_at DESC, id DESC LIMIT $4";
const MESSAGES: &str = "SELECT number, body, created_at FROM session_messages \
     WHERE session = $1 AND number > $2 ORDER BY number LIMIT $3";
const DELETE: &str = "DELETE FROM sessions \
     WHERE subject = $1 AND agent = $2 AND id = $3 RETURNING expires_at";
const PURGE: &str = "DELETE FROM sessions WHERE number IN (SELECT number FROM sessions \
     WHERE expires_at <= $1 AND NOT EXISTS (SELECT 1 FROM session_leases \
     WHERE session_leases.subject = sessions.subject AND session_leases.agent = sessions.agent \
     AND session_leases.id = sessions.id AND session_leases.expires_at > $1) LIMIT $2)";
const PURGE_LEASES: &str = "DELETE FROM session_leases WHERE expires_at <= $1";

/// A query whose first three parameters are the parts of `key`.
fn query_by_key(sql: &'static str, key: &SessionKey) -> Query {
    query(sql)
        .bind(escape_nul(&key.subject))
        .bind(escape_nul(&key.agent))
        .bind(escape_nul(&key.id))
}

/// Takes a lease.
///
/// # Errors
/// [`StoreError::Conflict`] while another owner has it.
async fn take_lease(
    key: &SessionKey,
    lease: &SessionLease,
    executor: Executor<'_>,
) -> Result<(), StoreError> {
    let taken = query_by_key(LEASE, key)
        .bind(&lease.owner)
        .bind(&lease.turn)
        .bind(expires_after(lease.ttl))
        .bind(now())
        .execute(executor)
        .await?;
    if taken == 0 {
        return Err(lease_conflict());
    }
    Ok(())
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
        lease: &'a SessionLease,
        history_tokens: u64,
    ) -> BoxFuture<'a, Result<Option<Conversation>, StoreError>> {
        Box::pin(async move {
            take_lease(key, lease, self.database.write()).await?;
            let row = query_by_key(FIND, key)
                .bind(now())
                .fetch_optional(self.database.read())
                .await?;
            let Some(row) = row else {
                return Ok(None);
            };
            let version = unsigned(row.integer("version")?);
            let rows = query(LATEST_MESSAGES)
                .bind(row.integer("number")?)
                .bind(signed(history_tokens))
                .fetch_all(self.database.read())
                .await?;
            let messages = rows.iter().map(|row| from_json(&row.text("body")?));
            let mut messages = messages.collect::<Result<Vec<Message>, StoreError>>()?;
            let half_turn = messages.len() - fitting(messages.iter(), history_tokens);
            messages.drain(..half_turn);
            Ok(Some(Conversation { version, messages }))
        })
    }

    fn renew<'a>(
        &'a self,
        key: &'a SessionKey,
        lease: &'a SessionLease,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            query_by_key(RENEW, key)
                .bind(&lease.turn)
                .bind(expires_after(lease.ttl))
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
            query_by_key(RELEASE, key)
                .bind(&lease.turn)
                .execute(self.database.write())
                .await?;
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
        turn: Turn,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let (now, expires_at) = (now(), expires_after(turn.ttl));
            let added = signed(turn.messages.len());
            let mut transaction = self.database.begin().await?;
            let statement = if turn.version == 0 {
                query_by_key(DELETE_EXPIRED, key)
                    .bind(now)
                    .execute(transaction.executor())
                    .await?;
                query_by_key(CREATE, key)
                    .bind(added)
                    .bind(now)
                    .bind(expires_at)
            } else {
                query_by_key(CONTINUE, key)
                    .bind(added)
                    .bind(now)
                    .bind(expires_at)
                    .bind(signed(turn.version))
            };
            let row = statement.fetch_optional(transaction.executor()).await?;
            let row = row.ok_or_else(version_conflict)?;
            let session = row.integer("number")?;
            let first = row.integer("message_count")? - added + 1;
            for (number, message) in (first..).zip(&turn.messages) {
                query(ADD_MESSAGE)
                    .bind(session)
                    .bind(number)
                    .bind(to_json(message)?)
                    .bind(signed(estimated_tokens(message.text.len())))
                    .bind(now)
                    .execute(transaction.executor())
                    .await?;
            }
            if let Some(lease) = &turn.lease {
                query_by_key(RELEASE, key)
                    .bind(&lease.turn)
                    .execute(transaction.executor())
                    .await?;
            }
            transaction.commit().await
        })
    }

    fn facts<'a>(
        &'a self,
        key: &'a SessionKey,
    ) -> BoxFuture<'a, Result<Option<SessionFacts>, StoreError>> {
        Box::pin(async move {
            let row = query_by_key(FACTS, key)
                .bind(now())
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
            let sql = if after.is_some() { LIST_AFTER } else { LIST };
            let mut statement = query(sql)
                .bind(escape_nul(subject))
                .bind(escape_nul(agent))
                .bind(now());
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
            let row = query_by_key(FIND, key)
                .bind(now())
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
                Ok(PastMessage {
                    number: unsigned(row.integer("number")?),
                    message: from_json(&row.text("body")?)?,
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
            let mut transaction = self.database.begin().await?;
            take_lease(key, lease, transaction.executor()).await?;
            let row = query_by_key(DELETE, key)
                .fetch_optional(transaction.executor())
                .await?;
            query_by_key(RELEASE, key)
                .bind(&lease.turn)
                .execute(transaction.executor())
                .await?;
            transaction.commit().await?;
            match row {
                Some(row) => Ok(row.integer("expires_at")? > now()),
                None => Ok(false),
            }
        })
    }

    fn purge(&self, limit: u32) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let purged = self.database.purge(PURGE, limit).await?;
            query(PURGE_LEASES)
                .bind(now())
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
