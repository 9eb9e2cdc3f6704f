//! The statements for sessions. `$1`, `$2` and `$3` are the key of a session: its subject, agent and id.

/// Takes a lease that is free, the owner's own, or expired and without a question.
pub(super) const LEASE: &str = "INSERT INTO session_leases \
     (subject, agent, id, owner, turn, expires_at, question, began_at, session_ttl) \
     VALUES ($1, $2, $3, $4, $5, {now} + $6, $7, {now}, $8) \
     ON CONFLICT (subject, agent, id) DO UPDATE \
     SET owner = excluded.owner, turn = excluded.turn, expires_at = excluded.expires_at, \
     question = excluded.question, began_at = excluded.began_at, session_ttl = excluded.session_ttl \
     WHERE session_leases.owner = excluded.owner \
     OR (session_leases.expires_at <= {now} AND session_leases.question IS NULL)";
pub(super) const RENEW: &str = "UPDATE session_leases SET expires_at = {now} + $5 \
     WHERE subject = $1 AND agent = $2 AND id = $3 AND turn = $4";
pub(super) const RELEASE: &str = "DELETE FROM session_leases \
     WHERE subject = $1 AND agent = $2 AND id = $3 AND turn = $4 RETURNING began_at";
pub(super) const RELEASE_ALL: &str = "DELETE FROM session_leases WHERE owner = $1";
pub(super) const INTERRUPTED: &str = "SELECT subject, agent, id FROM session_leases \
     WHERE expires_at <= {now} AND question IS NOT NULL LIMIT $1";
/// Those of a session, or if the id is empty, those of a subject with an agent.
pub(super) const INTERRUPTED_OF: &str = "SELECT subject, agent, id FROM session_leases \
     WHERE subject = $1 AND agent = $2 AND (id = $3 OR $3 = '') \
     AND expires_at <= {now} AND question IS NOT NULL LIMIT $4";
pub(super) const TAKE_INTERRUPTED: &str = "DELETE FROM session_leases \
     WHERE subject = $1 AND agent = $2 AND id = $3 AND expires_at <= {now} AND question IS NOT NULL \
     RETURNING question, began_at, session_ttl";
pub(super) const FIND: &str = "SELECT number FROM sessions \
     WHERE subject = $1 AND agent = $2 AND id = $3 AND expires_at > {now}";
/// The latest messages before the one with the number `$4`, newest first.
pub(in crate::store) const LATEST_MESSAGES: &str = "SELECT number, body FROM session_messages WHERE session = \
     (SELECT number FROM sessions WHERE subject = $1 AND agent = $2 AND id = $3 AND expires_at > {now}) \
     AND number < $4 ORDER BY number DESC LIMIT $5";
/// Continues a session that was there when the turn began at `$6`, even if it has expired since.
pub(super) const CONTINUE: &str = "INSERT INTO sessions \
     (subject, agent, id, version, message_count, created_at, updated_at, expires_at) \
     SELECT $1, $2, $3, 1, $4, clock.now, clock.now, clock.now + $5 \
     FROM (SELECT {now} AS now) AS clock WHERE true \
     ON CONFLICT (subject, agent, id) DO UPDATE SET version = sessions.version + 1, \
     message_count = sessions.message_count + excluded.message_count, \
     updated_at = excluded.updated_at, expires_at = excluded.expires_at \
     WHERE sessions.expires_at > $6 RETURNING number, message_count";
pub(super) const DELETE_EXPIRED: &str = "DELETE FROM sessions \
     WHERE subject = $1 AND agent = $2 AND id = $3 AND expires_at <= $4";
pub(super) const ADD_MESSAGE: &str = "INSERT INTO session_messages (session, number, body, tokens, created_at) \
     VALUES ($1, $2, $3, $4, $5)";
pub(super) const ADD_QUESTION_AND_ANSWER: &str = "INSERT INTO session_messages (session, number, body, tokens, created_at) \
     VALUES ($1, $2, $3, $4, {now}), ($1, $2 + 1, $5, $6, {now})";
pub(super) const FACTS: &str = "SELECT id, agent, message_count, created_at, updated_at, expires_at FROM sessions \
     WHERE subject = $1 AND agent = $2 AND id = $3 AND expires_at > {now}";
pub(super) const LIST_AFTER: &str = "SELECT id, agent, message_count, created_at, updated_at, expires_at FROM sessions \
     WHERE subject = $1 AND agent = $2 AND expires_at > {now} AND (created_at, id) < ($3, $4) \
     ORDER BY created_at DESC, id DESC LIMIT $5";
pub(super) const LIST: &str = "SELECT id, agent, message_count, created_at, updated_at, expires_at FROM sessions \
     WHERE subject = $1 AND agent = $2 AND expires_at > {now} \
     ORDER BY created_at DESC, id DESC LIMIT $3";
pub(super) const MESSAGES: &str = "SELECT number, body, created_at FROM session_messages \
     WHERE session = $1 AND number > $2 ORDER BY number LIMIT $3";
pub(super) const DELETE: &str = "DELETE FROM sessions \
     WHERE subject = $1 AND agent = $2 AND id = $3 \
     RETURNING CAST(CASE WHEN expires_at > {now} THEN 1 ELSE 0 END AS BIGINT) AS is_live";
pub(super) const PURGE: &str = "DELETE FROM sessions WHERE number IN (SELECT number FROM sessions \
     WHERE expires_at <= {now} AND NOT EXISTS (SELECT 1 FROM session_leases \
     WHERE session_leases.subject = sessions.subject AND session_leases.agent = sessions.agent \
     AND session_leases.id = sessions.id AND session_leases.expires_at > {now}) LIMIT $1)";
pub(super) const PURGE_LEASES: &str =
    "DELETE FROM session_leases WHERE expires_at <= {now} AND question IS NULL";
/// A session and its first turn: a question and its answer. One query, so that all of it or nothing is stored.
pub(super) const CREATE_IN_POSTGRES: &str = "WITH clock AS MATERIALIZED (SELECT {now} AS now), session AS (INSERT INTO sessions \
     (subject, agent, id, version, message_count, created_at, updated_at, expires_at) \
     SELECT $1, $2, $3, 1, 2, now, now, now + $4 FROM clock RETURNING number) \
     INSERT INTO session_messages (session, number, body, tokens, created_at) \
     SELECT number, 1, $5, $6, now FROM session, clock UNION ALL SELECT number, 2, $7, $8, now FROM session, clock";
/// The same for all rows of `$1`, a JSON array of arrays. Two statements, which need a transaction around them. Numbers of new sessions
/// follow each other, and the messages, whose table has no row ids, leave the last one as it is.
#[cfg(feature = "sqlite")]
pub(super) const CREATE_IN_SQLITE: &str = "INSERT INTO sessions \
     (subject, agent, id, version, message_count, created_at, updated_at, expires_at) \
     SELECT value->>0, value->>1, value->>2, 1, 2, now, now, now + (value->>3) \
     FROM json_each($1), (SELECT {now} AS now) ORDER BY key; \
     INSERT INTO session_messages (session, number, body, tokens, created_at) \
     SELECT last_insert_rowid() - json_array_length($1) + 1 + key, place, \
     CASE place WHEN 1 THEN value->>4 ELSE value->>6 END, CASE place WHEN 1 THEN value->>5 ELSE value->>7 END, now \
     FROM json_each($1), (SELECT 1 AS place UNION ALL SELECT 2), (SELECT {now} AS now)";
