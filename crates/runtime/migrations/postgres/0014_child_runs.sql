-- The run whose step started this one.
ALTER TABLE workflow_runs ADD COLUMN parent TEXT;
