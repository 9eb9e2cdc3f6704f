//! Group commit: what turns write to a file while a transaction runs, waits for the next one and shares it. A write is answered when
//! the transaction is committed.
//!
//! Writes keep their order. There is no task while nothing is written.

use std::fmt;
use std::mem::replace;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::error::store_error::StoreError;
use crate::store::sql_database::Database;
use crate::store::sql_sessions::turn_write::{TurnWrite, create_all};

/// How many writes share a transaction at most. A longer one would make others wait that write to the file.
const GROUP_LIMIT: usize = 256;

/// Writes of turns to one file.
#[derive(Clone, Default)]
pub(in crate::store) struct WriteGroup {
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// Whether a task takes from the queue.
    is_served: bool,
}

/// A write and where its result goes.
struct Waiting {
    write: TurnWrite,
    result: oneshot::Sender<Result<bool, StoreError>>,
}

/// Why a group was not written.
enum Failure {
    /// There was no transaction, or it was not committed: no write is the cause.
    Transaction(StoreError),
    /// One of the writes failed.
    Write(StoreError),
}

impl WriteGroup {
    /// Writes `write` with others, and commits it. Returns whether it found the lease as it had to be.
    pub(super) async fn write(
        &self,
        database: &Database,
        write: TurnWrite,
    ) -> Result<bool, StoreError> {
        let (result, written) = oneshot::channel();
        let is_served = {
            let mut queue = self.lock();
            queue.waiting.push(Waiting { write, result });
            replace(&mut queue.is_served, true)
        };
        if !is_served {
            let service = Service {
                writes: self.clone(),
                is_done: false,
            };
            tokio::spawn(service.run(database.clone()));
        }
        let no_result = |_| Err(StoreError::unavailable("the store can't be used now"));
        written.await.unwrap_or_else(no_result)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for WriteGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteGroup").finish_non_exhaustive()
    }
}

/// The task that takes from the queue until it is empty. If it ends earlier, as with its runtime, what waits fails, and the next write
/// starts another.
struct Service {
    writes: WriteGroup,
    is_done: bool,
}

impl Service {
    async fn run(mut self, database: Database) {
        while let Some(group) = self.next_group() {
            write_group(&database, group).await;
        }
    }

    /// The writes that have waited longest; `None` when there are none, which ends the service.
    fn next_group(&mut self) -> Option<Vec<Waiting>> {
        let mut queue = self.writes.lock();
        if queue.waiting.is_empty() {
            queue.is_served = false;
            self.is_done = true;
            return None;
        }
        let size = queue.waiting.len().min(GROUP_LIMIT);
        let rest = queue.waiting.split_off(size);
        Some(replace(&mut queue.waiting, rest))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if !self.is_done {
            *self.writes.lock() = Queue::default();
        }
    }
}

/// Writes a group in one transaction. If one of its writes fails, each has a transaction of its own, so that it fails alone.
async fn write_group(database: &Database, mut group: Vec<Waiting>) {
    // Nobody waits for the others any more: their turns have ended without an answer.
    group.retain(|waiting| !waiting.result.is_closed());
    if group.is_empty() {
        return;
    }
    let mut failure = match write_together(database, &group).await {
        Ok(found) => {
            for (Waiting { result, .. }, found) in group.into_iter().zip(found) {
                let _ = result.send(Ok(found));
            }
            return;
        }
        Err(failure) => failure,
    };
    let is_alone = group.len() == 1;
    for waiting in group {
        if let (Failure::Write(_), false) = (&failure, is_alone) {
            match write_together(database, std::slice::from_ref(&waiting)).await {
                Ok(found) => {
                    let _ = waiting.result.send(Ok(found.first() == Some(&true)));
                    continue;
                }
                Err(Failure::Write(error)) => {
                    let _ = waiting.result.send(Err(error));
                    continue;
                }
                Err(transaction) => failure = transaction,
            }
        }
        let (Failure::Write(error) | Failure::Transaction(error)) = &failure;
        let _ = waiting.result.send(Err(copy(error)));
    }
}

/// Writes all of `group` or nothing.
async fn write_together(database: &Database, group: &[Waiting]) -> Result<Vec<bool>, Failure> {
    let begun = database.begin().await;
    let mut transaction = begun.map_err(Failure::Transaction)?;
    let new_sessions = group
        .iter()
        .filter_map(|waiting| waiting.write.new_session());
    let new_sessions: Vec<_> = new_sessions.collect();
    if !new_sessions.is_empty() {
        let created = create_all(&new_sessions, database, &mut transaction).await;
        created.map_err(Failure::Write)?;
    }
    let mut found = Vec::with_capacity(group.len());
    for Waiting { write, .. } in group {
        found.push(if write.new_session().is_some() {
            true
        } else {
            let written = write.run(database, &mut transaction).await;
            written.map_err(Failure::Write)?
        });
    }
    let committed = transaction.commit().await;
    committed.map_err(Failure::Transaction)?;
    Ok(found)
}

/// The same error for another caller.
fn copy(error: &StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(detail) => StoreError::Unavailable(detail.clone()),
        StoreError::Conflict(detail) => StoreError::Conflict(detail.clone()),
        StoreError::Internal(cause) => StoreError::internal(cause.to_string()),
    }
}
