//! A run as it stands in a table.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::AgentError;
use crate::store::sql::{moment, now, unplain};
use crate::workflow::journal::{Hold, JournaledRun};

/// What a run is read from.
pub(crate) const COLUMNS: &str =
    "id, workflow, subject, input, roles, status, error, created_at, ended_at, cancelled";

/// The values of [`COLUMNS`].
pub(crate) type Row = (
    String,
    String,
    String,
    String,
    String,
    String,
    String,
    i64,
    Option<i64>,
    i64,
);

/// The run in a row, without its steps.
pub(crate) fn run_of(row: Row) -> Result<JournaledRun, AgentError> {
    let (id, workflow, subject, input, roles, status, error, created_at, ended_at, cancelled) = row;
    Ok(JournaledRun {
        id: id.parse().map_err(AgentError::internal)?,
        workflow,
        subject: unplain(&subject),
        roles: read(&roles)?,
        input: read(&input)?,
        status: read(&status)?,
        error: read(&error)?,
        created_at: moment(created_at),
        ended_at: ended_at.map(moment),
        cancelled: cancelled != 0,
        steps: Vec::new(),
    })
}

/// What a column of JSON says.
pub(crate) fn read<T: DeserializeOwned>(json: &str) -> Result<T, AgentError> {
    serde_json::from_str(json).map_err(AgentError::internal)
}

/// A value as a column of JSON.
pub(crate) fn written(value: &impl Serialize) -> Result<String, AgentError> {
    serde_json::to_string(value).map_err(AgentError::internal)
}

/// Until when a hold lasts that begins now, as it stands in a table.
pub(crate) fn until(hold: &Hold) -> i64 {
    let lasts = i64::try_from(hold.lasts.as_millis()).unwrap_or(i64::MAX);
    now().saturating_add(lasts)
}

/// A number as SQL knows it.
pub(crate) fn signed(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
