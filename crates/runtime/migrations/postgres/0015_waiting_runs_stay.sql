-- A program from before runs could wait takes one for left behind, and marks it for deletion. A run that waits has no end yet, whoever
-- says so.
CREATE FUNCTION workflow_runs_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.expires_at := NULL;
    RETURN NEW;
END
$$;

CREATE TRIGGER workflow_runs_stay BEFORE UPDATE ON workflow_runs FOR EACH ROW
    WHEN (NEW.expires_at IS NOT NULL AND NEW.wake_at IS NOT NULL AND NEW.ended_at IS NULL)
    EXECUTE FUNCTION workflow_runs_stay();

UPDATE workflow_runs SET expires_at = NULL WHERE expires_at IS NOT NULL AND wake_at IS NOT NULL AND ended_at IS NULL;
