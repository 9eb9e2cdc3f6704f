-- A caller lists its own runs, the newest first.
CREATE INDEX workflow_runs_by_subject ON workflow_runs (subject, created_at, id);
