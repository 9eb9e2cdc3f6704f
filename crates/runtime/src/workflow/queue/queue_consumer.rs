//! Goes on with the runs that the queue hands out to this process, and with those that it does not know of.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::error::store_error::StoreError;
use crate::schema::formats::Uuid;
use crate::workflow::journal::ClaimOutcome;
use crate::workflow::leases::{claim, go_on, renew_one, settle};
use crate::workflow::queue::{Delivery, Queue, Settlement};
use crate::workflow::workflow_service::Runs;

/// The longest time for which one run is asked for.
const LONGEST_PULL: Duration = Duration::from_secs(5);

/// Takes what the queue hands out, a run for each free place, and looks from time to time for what was left behind: at
/// the usual pace while the queue can't be reached, else more slowly. Ends with the service.
pub(crate) async fn work(runs: Weak<Runs>, queue: Arc<dyn Queue>) {
    // What a process finds when it starts is mostly in the queue.
    let mut looked = Instant::now();
    let mut is_down = false;
    loop {
        let Some(runs) = runs.upgrade() else { return };
        let pace = match queue.is_reachable() {
            true => runs.lease.ttl,
            false => runs.lease.ttl / 3,
        };
        if looked.elapsed() >= pace {
            look(&runs).await;
            looked = Instant::now();
        }
        let mut pulled = std::pin::pin!(pull(&runs, &queue, &mut is_down));
        loop {
            tokio::select! {
                () = &mut pulled => break,
                // Somebody knows of a run that the queue does not.
                () = runs.freed.notified() => look(&runs).await,
                () = runs.resources.shutdown.draining() => return,
            }
        }
    }
}

async fn look(runs: &Arc<Runs>) {
    if let Err(error) = claim(runs).await {
        tracing::warn!(%error, "runs that were left behind can't be taken");
    }
}

/// Waits for a free place and then for a run.
async fn pull(runs: &Arc<Runs>, queue: &Arc<dyn Queue>, is_down: &mut bool) {
    let third = runs.lease.ttl / 3;
    let Ok(slot) = Arc::clone(&runs.slots).acquire_owned().await else {
        return;
    };
    match queue.pull(third.min(LONGEST_PULL)).await {
        Ok(pulled) => {
            *is_down = false;
            if let Some(delivery) = pulled {
                tokio::spawn(receive(Arc::clone(runs), delivery, slot));
            }
        }
        Err(detail) => {
            drop(slot);
            if !std::mem::replace(is_down, true) {
                tracing::warn!(detail, "the queue hands out no runs; they go on without it");
            }
            tokio::time::sleep(third).await;
        }
    }
}

/// Goes on with a run that was handed out, if nobody does.
async fn receive(runs: Arc<Runs>, delivery: Arc<dyn Delivery>, slot: OwnedSemaphorePermit) {
    runs.resources.metrics.run_delivered(delivery.is_again());
    let Some(id) = delivery.run() else {
        tracing::warn!(
            "the queue hands out something that is no run; it is not given to anybody else"
        );
        return settle(&*delivery, Settlement::Over).await;
    };
    if let Some(active) = runs.active().get_mut(&id) {
        active.delivery = Some(delivery);
        return;
    }
    let again = Settlement::Again;
    let settlement = match runs.journal.claim(id, &runs.lease).await {
        Ok(ClaimOutcome::Claimed(run)) => match runs.spec(&run.workflow) {
            Some(spec) => return go_on(&runs, *run, spec, Some(slot), Some(delivery)),
            None => {
                let workflow = &run.workflow;
                tracing::warn!(run_id = %id, workflow, "a run is of a workflow that is not here");
                let released = runs.journal.release(id, &runs.lease.owner).await;
                said(id, released);
                again(runs.lease.ttl)
            }
        },
        Ok(ClaimOutcome::LeasedUntil(until)) => {
            let rest = until.duration_since(SystemTime::now()).unwrap_or_default();
            again(rest.max(runs.lease.ttl / 10))
        }
        Ok(ClaimOutcome::Finished) => Settlement::Over,
        Ok(ClaimOutcome::NotFound) => {
            tracing::warn!(run_id = %id, "the queue hands out a run that is not in the store; it is not given to anybody else");
            Settlement::Over
        }
        Err(error) => {
            said(id, Err(error));
            again(runs.lease.ttl)
        }
    };
    settle(&*delivery, settlement).await;
}

fn said(id: Uuid, outcome: Result<(), StoreError>) {
    if let Err(error) = outcome {
        tracing::warn!(run_id = %id, %error, "a run that was handed out can't be gone on with");
    }
}

/// Passes on what other processes say is new about runs. Ends with the service.
pub(crate) async fn listen(runs: Weak<Runs>, queue: Arc<dyn Queue>) {
    let mut told = match queue.told().await {
        Ok(told) => told,
        Err(detail) => {
            tracing::warn!(detail, "what other processes say of runs is not heard");
            return;
        }
    };
    // Else what is waited for would hold it.
    drop(queue);
    while let Some(id) = told.next().await {
        let Some(runs) = runs.upgrade() else { return };
        let is_active = runs.active().contains_key(&id);
        if is_active {
            // The others have nothing to say of it, but that it is to be cancelled.
            said(id, renew_one(&runs, id).await);
        }
        runs.heard(id);
    }
}
