-- Moments are milliseconds since 1970-01-01T00:00:00Z.
CREATE TABLE sessions (
    number INTEGER PRIMARY KEY,
    subject TEXT NOT NULL,
    agent TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    message_count INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    UNIQUE (subject, agent, id)
) STRICT;

CREATE INDEX sessions_by_age ON sessions (subject, agent, created_at, id);
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- A message's body is JSON: {"role": "user", "text": "..."}. JSON can write every character, a column of text can't.
CREATE TABLE session_messages (
    session INTEGER NOT NULL REFERENCES sessions (number) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (session, number)
) STRICT, WITHOUT ROWID;

-- The turn that runs now. A lease may be older than its session.
CREATE TABLE session_leases (
    subject TEXT NOT NULL,
    agent TEXT NOT NULL,
    id TEXT NOT NULL,
    owner TEXT NOT NULL,
    turn TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (subject, agent, id)
) STRICT, WITHOUT ROWID;
