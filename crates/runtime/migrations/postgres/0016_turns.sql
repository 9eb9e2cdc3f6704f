-- How far the turns of a step are that wait for a person, or have.
CREATE TABLE workflow_turns (
    run TEXT NOT NULL REFERENCES workflow_runs (id) ON DELETE CASCADE,
    step TEXT NOT NULL,
    -- Which turn of the step.
    turn TEXT NOT NULL,
    -- JSON.
    record TEXT NOT NULL,
    PRIMARY KEY (run, step, turn)
);
