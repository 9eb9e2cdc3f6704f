//! The statements about runs that wait. Each is whole, as those about runs.
//!
//! Invariant: a transaction that changes a run and a question changes the run first, so that two never wait for each other.

pub(super) const ADD_QUESTION: &str =
    "INSERT INTO workflow_questions (id, run, body, expires_at) VALUES ($1, $2, $3, $4)";
pub(super) const CLOSE_QUESTION: &str =
    "UPDATE workflow_questions SET closed_at = {now} WHERE id = $1 AND closed_at IS NULL";
/// `$2` is whom a question names that may answer it, as the migration that makes the table says.
pub(super) const ADD_ANSWERER: &str =
    "INSERT INTO workflow_question_answerers (question, answerer) VALUES ($1, $2)";
/// A question that names nobody is answered by whom its run belongs to.
pub(super) const ADD_OWNER: &str = "INSERT INTO workflow_question_answerers (question, answerer) \
     SELECT $1, 'subject:' || subject FROM workflow_runs WHERE id = $2";
pub(super) const REMOVE_ANSWERERS: &str =
    "DELETE FROM workflow_question_answerers WHERE question = $1";
/// A question of a run that has ended is open until the event is written that closes it.
pub(super) const OPEN_QUESTIONS: &str = "SELECT workflow_questions.id AS id, run, workflow, body FROM workflow_question_answerers \
     JOIN workflow_questions ON workflow_questions.id = question JOIN workflow_runs ON workflow_runs.id = run \
     WHERE answerer = $1 AND question < $2 AND closed_at IS NULL \
     AND (workflow_questions.expires_at IS NULL OR workflow_questions.expires_at > {now}) \
     AND COALESCE(ended_at, -1) < 0 ORDER BY question DESC LIMIT $3";
pub(super) const EXPIRE_QUESTION: &str = "UPDATE workflow_questions SET closed_at = {now} \
     WHERE id = $1 AND run = $2 AND closed_at IS NULL AND expires_at <= {now}";
pub(super) const QUESTION: &str = "SELECT body, workflow, subject, workflow_questions.expires_at AS expires_at, closed_at, answered_by, {now} AS now \
     FROM workflow_questions JOIN workflow_runs ON workflow_runs.id = workflow_questions.run \
     WHERE workflow_questions.id = $1 AND workflow_questions.run = $2";
pub(super) const ANSWER: &str = "UPDATE workflow_questions SET answer = $3, answered_by = $4, closed_at = {now} \
     WHERE id = $1 AND run = $2 AND closed_at IS NULL AND (expires_at IS NULL OR expires_at > {now})";
pub(super) const ANSWERS: &str = "SELECT id, answer, answered_by FROM workflow_questions WHERE run = $1 AND answer IS NOT NULL ORDER BY id";
/// Something is sent to a run that has not ended.
pub(super) const SEND: &str = "UPDATE workflow_runs SET inbox = inbox + 1, \
     wake_at = CASE WHEN status = '\"paused\"' THEN wake_at END WHERE id = $1 AND COALESCE(ended_at, -1) < 0";
/// Adds nothing if `$5` events were sent.
pub(super) const ADD_EVENT: &str = "INSERT INTO workflow_sent_events (run, number, name, payload, sent_by) \
     SELECT $1, last + 1, $2, $3, $4 FROM \
     (SELECT COALESCE(MAX(number), 0) AS last FROM workflow_sent_events WHERE run = $1) AS sent WHERE last < $5";
pub(super) const SENT_EVENTS: &str = "SELECT number, name, payload, sent_by FROM workflow_sent_events WHERE run = $1 ORDER BY number";
pub(super) const INBOX: &str = "SELECT inbox, {now} AS now FROM workflow_runs WHERE id = $1";
/// A run that is to be paused is paused.
pub(super) const SUSPEND: &str = "UPDATE workflow_runs SET lease_owner = NULL, lease_expires_at = NULL, \
     status = CASE pause_requested WHEN 1 THEN '\"paused\"' ELSE '\"waiting\"' END, \
     wake_at = CASE pause_requested WHEN 1 THEN 9223372036854775807 ELSE $4 END \
     WHERE id = $1 AND lease_owner = $2 AND inbox = $3";
pub(super) const OWNED: &str = "SELECT inbox FROM workflow_runs WHERE id = $1 AND lease_owner = $2";
pub(super) const WAKE_DUE: &str = "UPDATE workflow_runs SET wake_at = NULL WHERE id IN \
     (SELECT id FROM workflow_runs WHERE wake_at <= {now} ORDER BY wake_at LIMIT $1 {skip_locked}) RETURNING id";
