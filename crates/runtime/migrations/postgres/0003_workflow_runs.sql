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
    event_count BIGINT NOT NULL,
    cancel_requested BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    ended_at BIGINT,
    expires_at BIGINT,
    -- The process that executes the run, and when its lease expires unless renewed.
    owner TEXT,
    lease_expires_at BIGINT
);

CREATE INDEX workflow_runs_open ON workflow_runs (workflow, created_at, id) WHERE ended_at IS NULL;
CREATE INDEX workflow_runs_by_end ON workflow_runs (expires_at);

-- A step's body is its report, as JSON.
CREATE TABLE workflow_steps (
    run TEXT NOT NULL REFERENCES workflow_runs (id) ON DELETE CASCADE,
    step TEXT NOT NULL,
    ended BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run, step)
);

CREATE TABLE workflow_events (
    run TEXT NOT NULL REFERENCES workflow_runs (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run, number)
);
