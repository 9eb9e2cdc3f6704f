-- Waiting runs begin round by round: each round has one run of each caller, so that callers take turns.
ALTER TABLE workflow_runs ADD COLUMN round INTEGER NOT NULL DEFAULT 0;

DROP INDEX workflow_runs_open;
CREATE INDEX workflow_runs_open ON workflow_runs (workflow, definition, resumptions, round, created_at, id)
    WHERE ended_at IS NULL;
-- Its condition is not that of the other index, so that a statement about a subject can't be given that one. A run that never
-- waits is not in it.
CREATE INDEX workflow_runs_waiting ON workflow_runs (subject, workflow, round)
    WHERE lease_owner IS NULL AND COALESCE(ended_at, 0) = 0;

DROP INDEX workflow_runs_by_end;
CREATE INDEX workflow_runs_by_end ON workflow_runs (expires_at) WHERE expires_at IS NOT NULL;
