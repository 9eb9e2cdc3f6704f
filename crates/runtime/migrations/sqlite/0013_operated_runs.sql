-- Whether the run is to be paused. One that is paused has no owner and wakes at no moment.
ALTER TABLE workflow_runs ADD COLUMN pause_requested INTEGER NOT NULL DEFAULT 0;
-- The run whose input this one repeats.
ALTER TABLE workflow_runs ADD COLUMN restarted_from TEXT;

-- A caller lists its runs that stand so, and removes them.
CREATE INDEX workflow_runs_by_status ON workflow_runs (subject, status, created_at);

-- When the next run of a workflow with a schedule is due.
CREATE TABLE workflow_schedules (
    workflow TEXT NOT NULL PRIMARY KEY,
    -- Changes with the schedule.
    definition TEXT NOT NULL,
    due_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX workflow_schedules_by_due ON workflow_schedules (due_at);
