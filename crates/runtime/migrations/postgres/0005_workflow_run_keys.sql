-- The idempotency key of the request that started a run, so that the same request starts it once.
ALTER TABLE workflow_runs ADD COLUMN idempotency_key TEXT;

CREATE UNIQUE INDEX workflow_runs_by_key ON workflow_runs (subject, workflow, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
