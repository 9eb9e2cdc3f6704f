-- The events of a run are all that is stored about its steps. One row holds those that were written at once.

-- The old name is gone so that programs from before this migration can't claim runs: they would not find the steps that
-- have finished, and would run them again.
ALTER TABLE workflow_runs RENAME COLUMN owner TO lease_owner;
ALTER TABLE workflow_runs DROP COLUMN event_count;
-- The digest of the workflow's definition; empty for runs from before.
ALTER TABLE workflow_runs ADD COLUMN definition TEXT NOT NULL DEFAULT '';
-- How often a process resumed the run after its owner died, since a step last finished.
ALTER TABLE workflow_runs ADD COLUMN resumptions INTEGER NOT NULL DEFAULT 0;

DROP INDEX workflow_runs_open;
CREATE INDEX workflow_runs_open ON workflow_runs (workflow, definition, resumptions, created_at, id)
    WHERE ended_at IS NULL;

CREATE TABLE workflow_changes (
    run TEXT NOT NULL REFERENCES workflow_runs (id) ON DELETE CASCADE,
    -- The number of the first event.
    number INTEGER NOT NULL,
    -- The id of the change, by which a repeated write is recognised.
    change BLOB NOT NULL,
    written_at INTEGER NOT NULL,
    -- JSON: a list of events.
    events TEXT NOT NULL,
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;

INSERT INTO workflow_changes (run, number, change, written_at, events)
    SELECT workflow_events.run, workflow_events.number, X'', workflow_runs.created_at, '[' || workflow_events.body || ']'
    FROM workflow_events JOIN workflow_runs ON workflow_runs.id = workflow_events.run;

DROP TABLE workflow_events;
DROP TABLE workflow_steps;
