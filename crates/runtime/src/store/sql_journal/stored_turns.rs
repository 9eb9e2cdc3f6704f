//! The turns of steps that wait for a person.

use serde_json::Value;

use crate::error::store_error::StoreError;
use crate::schema::Uuid;
use crate::store::sql_database::{Database, query};
use crate::store::sql_values::{from_json, to_json};
use crate::workflow::journal::StoredTurn;

/// Stores nothing for a process that has lost the lease.
const SAVE: &str = "INSERT INTO workflow_turns (run, step, turn, record) SELECT id, $3, $4, $5 FROM workflow_runs \
     WHERE id = $1 AND lease_owner = $2 ON CONFLICT (run, step, turn) DO UPDATE SET record = excluded.record";
const TURNS: &str = "SELECT turn, record FROM workflow_turns WHERE run = $1 AND step = $2";
const FORGET: &str = "DELETE FROM workflow_turns WHERE run = $1 AND step = $2";

/// See [`Journal::save_turn`](crate::workflow::Journal::save_turn).
pub(super) async fn save_turn(
    database: &Database,
    run: Uuid,
    owner: &str,
    turn: &StoredTurn,
) -> Result<bool, StoreError> {
    let saved = query(SAVE)
        .bind(run.to_string())
        .bind(owner)
        .bind(&turn.step)
        .bind(&turn.key)
        .bind(to_json(&turn.record)?)
        .execute(database.write())
        .await?;
    Ok(saved > 0)
}

/// See [`Journal::turns`](crate::workflow::Journal::turns).
pub(super) async fn turns(
    database: &Database,
    run: Uuid,
    step: &str,
) -> Result<Vec<StoredTurn>, StoreError> {
    let rows = query(TURNS).bind(run.to_string()).bind(step);
    let rows = rows.fetch_all(database.write()).await?.into_iter();
    let turns = rows.map(|row| {
        Ok(StoredTurn {
            step: step.to_owned(),
            key: row.text("turn")?,
            record: from_json::<Value>(&row.text("record")?)?,
        })
    });
    turns.collect()
}

/// See [`Journal::forget_turns`](crate::workflow::Journal::forget_turns).
pub(super) async fn forget_turns(
    database: &Database,
    run: Uuid,
    step: &str,
) -> Result<(), StoreError> {
    let forgotten = query(FORGET).bind(run.to_string()).bind(step);
    forgotten.execute(database.write()).await?;
    Ok(())
}
