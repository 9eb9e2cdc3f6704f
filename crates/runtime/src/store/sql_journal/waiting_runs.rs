//! Runs that wait, and what is sent to them.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::AssertSqlSafe;

use crate::error::store_error::StoreError;
use crate::event::pending_action::PendingAction;
use crate::schema::Uuid;
use crate::store::sql_database::{Database, Row, Transaction, query};
use crate::store::sql_journal::waiting_statements::{
    ADD_ANSWERER, ADD_EVENT, ADD_OWNER, ADD_QUESTION, ANSWER, ANSWERS, CLOSE_QUESTION,
    EXPIRE_QUESTION, INBOX, OPEN_QUESTIONS, OWNED, QUESTION, REMOVE_ANSWERERS, SEND, SENT_EVENTS,
    SUSPEND, WAKE_DUE,
};
use crate::store::sql_values::{escape_nul, from_json, signed, to_json, unescape_nul, unsigned};
use crate::unix_time::{from_millis, to_millis};
use crate::workflow::waiting::inbox::{
    Answer, AnswerOutcome, Inbox, NewEvent, OpenQuestion, QuestionQuery, SendOutcome, SentEvent,
    StoredAction, SuspendOutcome, Suspension,
};
use crate::workflow::workflow_event::WorkflowEvent;

/// Until when a run waits that waits for no moment.
const NEVER: i64 = i64::MAX;

/// Whether `events` are about questions.
pub(super) fn has_questions(events: &[WorkflowEvent]) -> bool {
    events.iter().any(|event| {
        matches!(
            event,
            WorkflowEvent::ActionRequired { .. } | WorkflowEvent::ActionResolved { .. }
        )
    })
}

/// Opens and closes the questions of `run` that `events` are about.
pub(super) async fn write_questions(
    run: Uuid,
    events: &[WorkflowEvent],
    database: &Database,
    transaction: &mut Transaction,
) -> Result<(), StoreError> {
    for event in events {
        match event {
            WorkflowEvent::ActionRequired { action, .. } if action.kind.is_answered() => {
                add_question(run, action, transaction).await?;
            }
            WorkflowEvent::ActionResolved { action, .. } => {
                let id = action.to_string();
                let close = database.query(CLOSE_QUESTION).bind(&id);
                close.execute(transaction.executor()).await?;
                let remove = query(REMOVE_ANSWERERS).bind(id);
                remove.execute(transaction.executor()).await?;
            }
            _ => {}
        }
    }
    Ok(())
}

async fn add_question(
    run: Uuid,
    action: &PendingAction,
    transaction: &mut Transaction,
) -> Result<(), StoreError> {
    let (id, run) = (action.id.to_string(), run.to_string());
    query(ADD_QUESTION)
        .bind(&id)
        .bind(&run)
        .bind(to_json(action)?)
        .bind(action.expires_at.map(|end| to_millis(end.into())))
        .execute(transaction.executor())
        .await?;
    if action.roles.is_empty() {
        let add = query(ADD_OWNER).bind(&id).bind(&run);
        add.execute(transaction.executor()).await?;
        return Ok(());
    }
    let roles = action.roles.iter().collect::<BTreeSet<_>>().into_iter();
    let answerers = roles.map(|role| answerer_with(role));
    for answerer in answerers.chain([ANY_ROLE.to_owned()]) {
        let add = query(ADD_ANSWERER).bind(&id).bind(answerer);
        add.execute(transaction.executor()).await?;
    }
    Ok(())
}

/// Whom a question with roles has besides these: callers that roles do not restrict.
const ANY_ROLE: &str = "roles";

/// Those with `role`, among whom a question has.
fn answerer_with(role: &str) -> String {
    format!("role:{}", escape_nul(role))
}

/// See [`Journal::open_questions`](crate::workflow::Journal::open_questions).
pub(super) async fn open_questions(
    database: &Database,
    filter: &QuestionQuery<'_>,
    limit: u32,
) -> Result<Vec<OpenQuestion>, StoreError> {
    let mut answerers = Vec::new();
    for subject in filter.subjects {
        answerers.push(format!("subject:{}", escape_nul(subject)));
    }
    match filter.roles {
        Some(roles) => answerers.extend(roles.iter().map(|role| answerer_with(role))),
        None => answerers.push(ANY_ROLE.to_owned()),
    }
    // Behind every id.
    let before = filter.before.map_or("g".to_owned(), |id| id.to_string());
    let mut found = BTreeMap::new();
    for answerer in answerers {
        let rows = database
            .query(OPEN_QUESTIONS)
            .bind(answerer)
            .bind(&before)
            .bind(limit)
            .fetch_all(database.read())
            .await?;
        for row in rows {
            let question = OpenQuestion {
                run: row.text("run")?.parse().map_err(StoreError::internal)?,
                workflow: row.text("workflow")?,
                action: from_json(&row.text("body")?)?,
            };
            found.insert(question.action.id, question);
        }
    }
    // Each query gives its newest ones, so that the newest of all are among them.
    let newest = found.into_values().rev().take(limit as usize);
    Ok(newest.collect())
}

/// See [`Journal::suspend`](crate::workflow::Journal::suspend).
pub(super) async fn suspend(
    database: &Database,
    run: Uuid,
    owner: &str,
    suspension: &Suspension,
) -> Result<SuspendOutcome, StoreError> {
    let suspended = query(SUSPEND)
        .bind(run.to_string())
        .bind(owner)
        .bind(signed(suspension.inbox_count))
        .bind(suspension.until.map_or(NEVER, to_millis))
        .execute(database.write())
        .await?;
    if suspended > 0 {
        return Ok(SuspendOutcome::Suspended);
    }
    let owned = query(OWNED)
        .bind(run.to_string())
        .bind(owner)
        .fetch_optional(database.write())
        .await?;
    Ok(match owned {
        Some(_) => SuspendOutcome::InboxChanged,
        None => SuspendOutcome::LeaseLost,
    })
}

/// See [`Journal::wake_due`](crate::workflow::Journal::wake_due).
pub(super) async fn wake_due(database: &Database, limit: u32) -> Result<Vec<Uuid>, StoreError> {
    let woken = query(AssertSqlSafe(database.limited_sql(WAKE_DUE, limit)));
    let woken = woken.fetch_all(database.write()).await?;
    let id = |row: &Row| row.text("id")?.parse().map_err(StoreError::internal);
    woken.iter().map(id).collect()
}

/// See [`Journal::inbox`](crate::workflow::Journal::inbox).
pub(super) async fn inbox(database: &Database, run: Uuid) -> Result<Inbox, StoreError> {
    let row = database
        .query(INBOX)
        .bind(run.to_string())
        .fetch_optional(database.write())
        .await?;
    let row = row.ok_or_else(|| StoreError::internal("a run is gone from the journal"))?;
    let count = unsigned(row.integer("inbox")?);
    let mut inbox = Inbox {
        count,
        now: from_millis(row.integer("now")?),
        answers: Vec::new(),
        events: Vec::new(),
    };
    if count == 0 {
        return Ok(inbox);
    }
    let rows = query(ANSWERS).bind(run.to_string());
    for row in rows.fetch_all(database.write()).await? {
        inbox.answers.push(Answer {
            action: row.text("id")?.parse().map_err(StoreError::internal)?,
            value: from_json(&row.text("answer")?)?,
            by: unescape_nul(&row.text("answered_by")?),
        });
    }
    let rows = query(SENT_EVENTS).bind(run.to_string());
    for row in rows.fetch_all(database.write()).await? {
        inbox.events.push(SentEvent {
            number: unsigned(row.integer("number")?),
            event: NewEvent {
                name: row.text("name")?,
                payload: from_json(&row.text("payload")?)?,
                by: unescape_nul(&row.text("sent_by")?),
            },
        });
    }
    Ok(inbox)
}

/// See [`Journal::action`](crate::workflow::Journal::action).
pub(super) async fn action(
    database: &Database,
    run: Uuid,
    action: Uuid,
) -> Result<Option<StoredAction>, StoreError> {
    let row = database
        .query(QUESTION)
        .bind(action.to_string())
        .bind(run.to_string())
        .fetch_optional(database.write())
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let expires_at = row.optional_integer("expires_at")?;
    let now = row.integer("now")?;
    let is_late = expires_at.is_some_and(|end| end <= now);
    let is_answered = row.optional_text("answered_by")?.is_some();
    let is_closed = row.optional_integer("closed_at")?.is_some();
    Ok(Some(StoredAction {
        action: from_json(&row.text("body")?)?,
        workflow: row.text("workflow")?,
        subject: unescape_nul(&row.text("subject")?),
        state: match is_closed {
            _ if is_late && !is_answered => AnswerOutcome::Expired,
            true => AnswerOutcome::Closed,
            false => AnswerOutcome::Stored,
        },
    }))
}

/// See [`Journal::answer`](crate::workflow::Journal::answer).
pub(super) async fn answer(
    database: &Database,
    run: Uuid,
    answer: &Answer,
) -> Result<AnswerOutcome, StoreError> {
    let mut transaction = database.begin().await?;
    let send = query(SEND).bind(run.to_string());
    if send.execute(transaction.executor()).await? > 0 {
        let answered = database
            .query(ANSWER)
            .bind(answer.action.to_string())
            .bind(run.to_string())
            .bind(to_json(&answer.value)?)
            .bind(escape_nul(&answer.by))
            .execute(transaction.executor())
            .await?;
        if answered > 0 {
            transaction.commit().await?;
            return Ok(AnswerOutcome::Stored);
        }
    }
    drop(transaction);
    let stored = action(database, run, answer.action).await?;
    Ok(match stored.map(|stored| stored.state) {
        None => AnswerOutcome::NotFound,
        Some(AnswerOutcome::Expired) => AnswerOutcome::Expired,
        // A run that has ended waits for nothing.
        Some(_) => AnswerOutcome::Closed,
    })
}

/// See [`Journal::expire_action`](crate::workflow::Journal::expire_action).
pub(super) async fn expire_action(
    database: &Database,
    run: Uuid,
    action: Uuid,
) -> Result<bool, StoreError> {
    let expired = database
        .query(EXPIRE_QUESTION)
        .bind(action.to_string())
        .bind(run.to_string())
        .execute(database.write())
        .await?;
    if expired > 0 {
        return Ok(true);
    }
    // It was closed by this process or an earlier one that did not come to write what follows.
    let stored = self::action(database, run, action).await?;
    Ok(stored.is_some_and(|stored| stored.state == AnswerOutcome::Expired))
}

/// See [`Journal::send_event`](crate::workflow::Journal::send_event).
pub(super) async fn send_event(
    database: &Database,
    run: Uuid,
    event: &NewEvent,
    limit: u32,
) -> Result<SendOutcome, StoreError> {
    let mut transaction = database.begin().await?;
    let send = query(SEND).bind(run.to_string());
    if send.execute(transaction.executor()).await? == 0 {
        return Ok(SendOutcome::Finished);
    }
    let added = query(ADD_EVENT)
        .bind(run.to_string())
        .bind(&event.name)
        .bind(to_json(&event.payload)?)
        .bind(escape_nul(&event.by))
        .bind(limit)
        .execute(transaction.executor())
        .await?;
    if added == 0 {
        return Ok(SendOutcome::TooMany);
    }
    transaction.commit().await?;
    Ok(SendOutcome::Stored)
}
