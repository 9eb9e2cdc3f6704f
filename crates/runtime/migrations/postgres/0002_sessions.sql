-- Moments are milliseconds since 1970-01-01T00:00:00Z.
CREATE TABLE sessions (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject TEXT NOT NULL,
    agent TEXT NOT NULL,
    id TEXT NOT NULL,
    version BIGINT NOT NULL,
    message_count BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    UNIQUE (subject, agent, id)
);

CREATE INDEX sessions_by_age ON sessions (subject, agent, created_at, id);
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- A message's body is JSON: {"role": "user", "text": "..."}. JSON can write every character, a column of text can't.
CREATE TABLE session_messages (
    session BIGINT NOT NULL REFERENCES sessions (number) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    body TEXT NOT NULL,
    tokens BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (session, number)
);

-- The turn that runs now. A lease may be older than its session.
CREATE TABLE session_leases (
    subject TEXT NOT NULL,
    agent TEXT NOT NULL,
    id TEXT NOT NULL,
    owner TEXT NOT NULL,
    turn TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (subject, agent, id)
);
