-- A program from before runs could wait takes one for left behind, and marks it for deletion. A run that waits has no end yet, whoever
-- says so.
CREATE TRIGGER workflow_runs_stay AFTER UPDATE ON workflow_runs FOR EACH ROW
    WHEN NEW.expires_at IS NOT NULL AND NEW.wake_at IS NOT NULL AND NEW.ended_at IS NULL
BEGIN
    UPDATE workflow_runs SET expires_at = NULL WHERE id = NEW.id;
END;

UPDATE workflow_runs SET expires_at = NULL WHERE expires_at IS NOT NULL AND wake_at IS NOT NULL AND ended_at IS NULL;
