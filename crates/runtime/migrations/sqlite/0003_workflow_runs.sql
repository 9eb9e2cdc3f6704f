-- Moments are milliseconds since 1970-01-01T00:00:00Z.
CREATE TABLE workflow_runs (
    id TEXT NOT NULL PRIMARY KEY,
    workflow TEXT NOT NULL,
    subject TEXT NOT NULL,
    -- JSON: the run's input, and the subject's roles.
    input TEXT NOT NULL,
    roles TEXT NOT NULL,
    status TEXT NOT NULL,
    -- JSON: why the run did not complete, or null.
    error TEXT NOT NULL,
    event_count INTEGER NOT NULL,
    cancel_requested INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    expires_at INTEGER,
    -- The process that executes the run, and when its lease expires unless renewed.
    owner TEXT,
    lease_expires_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX workflow_runs_open ON workflow_runs (workflow, created_at, id) WHERE ended_at IS NULL;
CREATE INDEX workflow_runs_by_end ON workflow_runs (expires_at);

-- A step's body is its report, as JSON.
CREATE TABLE workflow_steps (
    run TEXT NOT NULL REFERENCES workflow_runs (id) ON DELETE CASCADE,
    step TEXT NOT NULL,
    ended INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE workflow_events (
    run TEXT NOT NULL REFERENCES workflow_runs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;
