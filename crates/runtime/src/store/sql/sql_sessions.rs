//! Sessions in a database: the same statements for SQLite and PostgreSQL. All messages are kept until their session
//! expires or is deleted; the latest of them go to the model.

use std::time::SystemTime;

use crate::error::AgentError;
use crate::model::{Message, estimated_tokens};
use crate::session::session_store::{
    Conversation, Lease, PastMessage, SessionFacts, SessionKey, SessionStore, Stored, Turn, busy,
    fitting, overtaken,
};
#[cfg(feature = "postgres")]
use crate::store::sql::postgres::PostgresStore;
#[cfg(feature = "sqlite")]
use crate::store::sql::sqlite::SqliteStore;
use crate::store::sql::{failed, millis, moment, now, plain, purged, unplain};

/// Takes a lease that is free, expired or the holder's own.
const LEASE: &str = "INSERT INTO session_leases (subject, agent, id, holder, turn, expires_at) \
     VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT (subject, agent, id) DO UPDATE \
     SET holder = excluded.holder, turn = excluded.turn, expires_at = excluded.expires_at \
     WHERE session_leases.holder = excluded.holder OR session_leases.expires_at <= $7";
const RENEW: &str = "UPDATE session_leases SET expires_at = $5 \
     WHERE subject = $1 AND agent = $2 AND id = $3 AND turn = $4";
const RELEASE: &str = "DELETE FROM session_leases \
     WHERE subject = $1 AND agent = $2 AND id = $3 AND turn = $4";
const RELEASE_ALL: &str = "DELETE FROM session_leases WHERE holder = $1";
const FIND: &str = "SELECT number, version FROM sessions \
     WHERE subject = $1 AND agent = $2 AND id = $3 AND expires_at > $4";
/// The latest messages that together have at most so many tokens.
const LATEST: &str = "SELECT body FROM (SELECT number, body, \
     SUM(tokens) OVER (ORDER BY number DESC) AS total \
     FROM session_messages WHERE session = $1) AS latest WHERE total <= $2 ORDER BY number";
const CLEAR: &str = "DELETE FROM sessions \
     WHERE subject = $1 AND agent = $2 AND id = $3 AND expires_at <= $4";
const BEGIN: &str = "INSERT INTO sessions \
     (subject, agent, id, version, messages, created_at, updated_at, expires_at) \
     VALUES ($1, $2, $3, 1, $4, $5, $5, $6) \
     ON CONFLICT (subject, agent, id) DO NOTHING RETURNING number, messages";
/// A session that expired while its turn was under way goes on.
const GO_ON: &str = "UPDATE sessions \
     SET version = version + 1, messages = messages + $4, updated_at = $5, expires_at = $6 \
     WHERE subject = $1 AND agent = $2 AND id = $3 AND version = $7 RETURNING number, messages";
const SAY: &str = "INSERT INTO session_messages (session, number, body, tokens, created_at) \
     VALUES ($1, $2, $3, $4, $5)";
const FACTS: &str = "SELECT id, agent, messages, created_at, updated_at, expires_at FROM sessions \
     WHERE subject = $1 AND agent = $2 AND id = $3 AND expires_at > $4";
const LIST: &str = "SELECT id, agent, messages, created_at, updated_at, expires_at FROM sessions \
     WHERE subject = $1 AND agent = $2 AND expires_at > $3 AND (created_at, id) < ($4, $5) \
     ORDER BY created_at DESC, id DESC LIMIT $6";
const NEWEST: &str = "SELECT id, agent, messages, created_at, updated_at, expires_at FROM sessions \
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

type Facts = (String, String, i64, i64, i64, i64);

fn facts((id, agent, messages, created_at, updated_at, expires_at): Facts) -> SessionFacts {
    SessionFacts {
        id: unplain(&id),
        agent: unplain(&agent),
        messages: unsigned(messages),
        created_at: moment(created_at),
        updated_at: moment(updated_at),
        expires_at: moment(expires_at),
    }
}

fn read(body: &str) -> Result<Message, AgentError> {
    serde_json::from_str(body).map_err(AgentError::internal)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn signed(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// A statement about the session under a key, whose parts are its first three parameters.
macro_rules! of {
    ($query:expr, $key:expr) => {
        $query
            .bind(plain(&$key.subject))
            .bind(plain(&$key.agent))
            .bind(plain(&$key.id))
    };
}

/// Takes a lease, or ends with what the second one is told.
macro_rules! take {
    ($key:expr, $lease:expr, $database:expr) => {
        let taken = of!(sqlx::query(LEASE), $key)
            .bind(&$lease.holder)
            .bind(&$lease.turn)
            .bind(now().saturating_add(signed($lease.lasts.as_millis())))
            .bind(now())
            .execute($database)
            .await
            .map_err(failed)?;
        if taken.rows_affected() == 0 {
            return Err(busy());
        }
    };
}

macro_rules! sessions {
    ($store:ty) => {
        impl SessionStore for $store {
            fn begin<'a>(
                &'a self,
                key: &'a SessionKey,
                lease: &'a Lease,
                history_tokens: u64,
            ) -> Stored<'a, Option<Conversation>> {
                Box::pin(async move {
                    take!(key, lease, &self.write);
                    let found = of!(sqlx::query_as::<_, (i64, i64)>(FIND), key)
                        .bind(now())
                        .fetch_optional(&self.read)
                        .await
                        .map_err(failed)?;
                    let Some((session, version)) = found else {
                        return Ok(None);
                    };
                    let bodies = sqlx::query_scalar::<_, String>(LATEST)
                        .bind(session)
                        .bind(signed(history_tokens))
                        .fetch_all(&self.read)
                        .await
                        .map_err(failed)?;
                    let messages = bodies.iter().map(|body| read(body));
                    let mut messages = messages.collect::<Result<Vec<_>, _>>()?;
                    let half_a_turn = messages.len() - fitting(messages.iter(), history_tokens);
                    messages.drain(..half_a_turn);
                    let version = unsigned(version);
                    Ok(Some(Conversation { version, messages }))
                })
            }

            fn renew<'a>(&'a self, key: &'a SessionKey, lease: &'a Lease) -> Stored<'a, ()> {
                Box::pin(async move {
                    of!(sqlx::query(RENEW), key)
                        .bind(&lease.turn)
                        .bind(now().saturating_add(signed(lease.lasts.as_millis())))
                        .execute(&self.write)
                        .await
                        .map_err(failed)?;
                    Ok(())
                })
            }

            fn release<'a>(&'a self, key: &'a SessionKey, lease: &'a Lease) -> Stored<'a, ()> {
                Box::pin(async move {
                    of!(sqlx::query(RELEASE), key)
                        .bind(&lease.turn)
                        .execute(&self.write)
                        .await
                        .map_err(failed)?;
                    Ok(())
                })
            }

            fn release_all<'a>(&'a self, holder: &'a str) -> Stored<'a, ()> {
                Box::pin(async move {
                    sqlx::query(RELEASE_ALL)
                        .bind(holder)
                        .execute(&self.write)
                        .await
                        .map_err(failed)?;
                    Ok(())
                })
            }

            fn commit<'a>(&'a self, key: &'a SessionKey, turn: Turn) -> Stored<'a, ()> {
                Box::pin(async move {
                    let now = now();
                    let end = now.saturating_add(signed(turn.ttl.as_millis()));
                    let count = signed(turn.messages.len());
                    let mut change = self.begin().await.map_err(failed)?;
                    if turn.version == 0 {
                        of!(sqlx::query(CLEAR), key)
                            .bind(now)
                            .execute(&mut *change)
                            .await
                            .map_err(failed)?;
                    }
                    let statement = if turn.version == 0 { BEGIN } else { GO_ON };
                    let mut going = of!(sqlx::query_as::<_, (i64, i64)>(statement), key)
                        .bind(count)
                        .bind(now)
                        .bind(end);
                    if turn.version > 0 {
                        going = going.bind(signed(turn.version));
                    }
                    let going = going.fetch_optional(&mut *change).await.map_err(failed)?;
                    let (session, messages) = going.ok_or_else(overtaken)?;
                    for (number, message) in (messages - count + 1..).zip(&turn.messages) {
                        let body = serde_json::to_string(message).map_err(AgentError::internal)?;
                        sqlx::query(SAY)
                            .bind(session)
                            .bind(number)
                            .bind(body)
                            .bind(signed(estimated_tokens(message.text.len())))
                            .bind(now)
                            .execute(&mut *change)
                            .await
                            .map_err(failed)?;
                    }
                    if let Some(lease) = &turn.lease {
                        of!(sqlx::query(RELEASE), key)
                            .bind(&lease.turn)
                            .execute(&mut *change)
                            .await
                            .map_err(failed)?;
                    }
                    change.commit().await.map_err(failed)
                })
            }

            fn facts<'a>(&'a self, key: &'a SessionKey) -> Stored<'a, Option<SessionFacts>> {
                Box::pin(async move {
                    let found = of!(sqlx::query_as::<_, Facts>(FACTS), key)
                        .bind(now())
                        .fetch_optional(&self.read)
                        .await
                        .map_err(failed)?;
                    Ok(found.map(facts))
                })
            }

            fn list<'a>(
                &'a self,
                subject: &'a str,
                agent: &'a str,
                after: Option<(SystemTime, &'a str)>,
                limit: u32,
            ) -> Stored<'a, Vec<SessionFacts>> {
                Box::pin(async move {
                    let statement = if after.is_some() { LIST } else { NEWEST };
                    let mut query = sqlx::query_as::<_, Facts>(statement)
                        .bind(plain(subject))
                        .bind(plain(agent))
                        .bind(now());
                    if let Some((created_at, id)) = after {
                        query = query.bind(millis(created_at)).bind(plain(id));
                    }
                    let found = query
                        .bind(i64::from(limit))
                        .fetch_all(&self.read)
                        .await
                        .map_err(failed)?;
                    Ok(found.into_iter().map(facts).collect())
                })
            }

            fn messages<'a>(
                &'a self,
                key: &'a SessionKey,
                after: u64,
                limit: u32,
            ) -> Stored<'a, Option<Vec<PastMessage>>> {
                Box::pin(async move {
                    let found = of!(sqlx::query_as::<_, (i64, i64)>(FIND), key)
                        .bind(now())
                        .fetch_optional(&self.read)
                        .await
                        .map_err(failed)?;
                    let Some((session, _)) = found else {
                        return Ok(None);
                    };
                    let found = sqlx::query_as::<_, (i64, String, i64)>(MESSAGES)
                        .bind(session)
                        .bind(signed(after))
                        .bind(i64::from(limit))
                        .fetch_all(&self.read)
                        .await
                        .map_err(failed)?;
                    let past = found.iter().map(|(number, body, created_at)| {
                        Ok(PastMessage {
                            number: unsigned(*number),
                            message: read(body)?,
                            created_at: moment(*created_at),
                        })
                    });
                    past.collect::<Result<_, _>>().map(Some)
                })
            }

            fn delete<'a>(&'a self, key: &'a SessionKey, lease: &'a Lease) -> Stored<'a, bool> {
                Box::pin(async move {
                    let mut change = self.begin().await.map_err(failed)?;
                    take!(key, lease, &mut *change);
                    let end = of!(sqlx::query_scalar::<_, i64>(DELETE), key)
                        .fetch_optional(&mut *change)
                        .await
                        .map_err(failed)?;
                    of!(sqlx::query(RELEASE), key)
                        .bind(&lease.turn)
                        .execute(&mut *change)
                        .await
                        .map_err(failed)?;
                    change.commit().await.map_err(failed)?;
                    Ok(end.is_some_and(|end| end > now()))
                })
            }

            fn purge(&self, most: u32) -> Stored<'_, u64> {
                Box::pin(async move {
                    let gone = purged!(self, PURGE, most)?;
                    sqlx::query(PURGE_LEASES)
                        .bind(now())
                        .execute(&self.write)
                        .await
                        .map_err(failed)?;
                    Ok(gone)
                })
            }

            fn check(&self) -> Stored<'_, ()> {
                Box::pin(async move {
                    sqlx::query("SELECT 1 FROM sessions LIMIT 1")
                        .fetch_optional(&self.read)
                        .await
                        .map_err(failed)?;
                    Ok(())
                })
            }
        }
    };
}

#[cfg(feature = "sqlite")]
sessions!(SqliteStore);
#[cfg(feature = "postgres")]
sessions!(PostgresStore);
