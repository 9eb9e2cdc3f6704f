//! The statements about runs that callers pause, resume, retry and delete. Each is whole, as those about runs.
//!
//! Invariant: a run that is paused has no owner, and wakes at no moment.

use crate::store::sql_journal::journal_statements::next_round;

/// Whether nobody has leased the run.
macro_rules! is_free {
    () => {
        "lease_owner IS NULL OR lease_expires_at <= {now}"
    };
}

pub(super) const REQUEST_PAUSE: &str = concat!(
    "UPDATE workflow_runs SET pause_requested = 1, \
     status = CASE WHEN ",
    is_free!(),
    " THEN '\"paused\"' ELSE status END, wake_at = CASE WHEN ",
    is_free!(),
    " THEN 9223372036854775807 ELSE wake_at END, lease_owner = CASE WHEN ",
    is_free!(),
    " THEN NULL ELSE lease_owner END, lease_expires_at = CASE WHEN ",
    is_free!(),
    " THEN NULL ELSE lease_expires_at END WHERE id = $1 AND COALESCE(ended_at, -1) < 0 RETURNING status"
);
pub(super) const PAUSE: &str = "UPDATE workflow_runs SET status = '\"paused\"', lease_owner = NULL, lease_expires_at = NULL, \
     wake_at = 9223372036854775807 WHERE id = $1 AND lease_owner = $2 AND pause_requested = 1";
/// One that has never begun waits to begin again.
pub(super) const RESUME: &str = "UPDATE workflow_runs SET pause_requested = 0, wake_at = NULL, \
     status = CASE WHEN status <> '\"paused\"' THEN status \
     WHEN EXISTS (SELECT 1 FROM workflow_changes WHERE run = $1) THEN '\"running\"' ELSE '\"queued\"' END \
     WHERE id = $1 AND COALESCE(ended_at, -1) < 0 AND pause_requested = 1";
/// `$5` is when the run ended that is retried.
pub(super) const RETRY: &str = concat!(
    "UPDATE workflow_runs SET status = '\"queued\"', error = 'null', resumptions = 0, cancel_requested = 0, \
     pause_requested = 0, ended_at = NULL, expires_at = NULL, wake_at = NULL, round = ",
    next_round!(),
    " WHERE id = $1 AND ended_at = $5"
);
pub(super) const ADD_RETRY: &str = "INSERT INTO workflow_changes (run, number, change, written_at, events) \
     VALUES ($1, $2, $3, {now}, $4) ON CONFLICT (run, number) DO NOTHING";
/// `{limit}` is how many at most: a planner that does not know it expects a tenth of the table. A run that is retried at the same
/// moment stays.
pub(super) const DELETE_FINISHED: &str = "DELETE FROM workflow_runs WHERE id IN (SELECT id FROM workflow_runs \
     WHERE subject = $1 AND status = $2 AND created_at >= $3 AND created_at < $4 AND ($5 IS NULL OR workflow = $5) \
     ORDER BY created_at, id LIMIT {limit}) AND COALESCE(ended_at, -1) >= 0";
