-- A run that only waits has no owner. It can be claimed from `wake_at` on; NULL for a run that is not suspended.
ALTER TABLE workflow_runs ADD COLUMN wake_at INTEGER;
-- How many answers and events were sent to the run.
ALTER TABLE workflow_runs ADD COLUMN inbox INTEGER NOT NULL DEFAULT 0;

DROP INDEX workflow_runs_open;
CREATE INDEX workflow_runs_open ON workflow_runs (workflow, definition, resumptions, round, created_at, id)
    WHERE ended_at IS NULL AND wake_at IS NULL;
DROP INDEX workflow_runs_waiting;
CREATE INDEX workflow_runs_waiting ON workflow_runs (subject, workflow, round)
    WHERE lease_owner IS NULL AND COALESCE(ended_at, 0) = 0 AND wake_at IS NULL;
CREATE INDEX workflow_runs_by_wake ON workflow_runs (wake_at) WHERE wake_at IS NOT NULL;

CREATE TABLE workflow_questions (
    id TEXT NOT NULL PRIMARY KEY,
    run TEXT NOT NULL REFERENCES workflow_runs (id) ON DELETE CASCADE,
    -- JSON: the pending action.
    body TEXT NOT NULL,
    expires_at INTEGER,
    -- When it was answered, expired or was cancelled.
    closed_at INTEGER,
    -- JSON: the answer.
    answer TEXT,
    answered_by TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX workflow_questions_by_run ON workflow_questions (run);

CREATE TABLE workflow_sent_events (
    run TEXT NOT NULL REFERENCES workflow_runs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    -- JSON.
    payload TEXT NOT NULL,
    sent_by TEXT NOT NULL,
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;
