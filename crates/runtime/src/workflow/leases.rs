//! Holds the runs that are under way in this process, and takes those that nobody holds.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::auth::claims::Caller;
use crate::error::store_error::StoreError;
use crate::schema::formats::Uuid;
use crate::spec::workflow_spec::WorkflowSpec;
use crate::workflow::executor::{Left, deadline, drive};
use crate::workflow::journal::{ClaimOutcome, JournaledRun};
use crate::workflow::queue::{Delivery, Settlement};
use crate::workflow::run_handle::Going;
use crate::workflow::workflow_service::{Active, Runs};

/// Holds the runs under way for longer.
pub(crate) async fn renew(runs: &Runs) -> Result<(), StoreError> {
    let ids = runs.active().keys().copied().collect::<Vec<_>>();
    for id in ids {
        renew_one(runs, id).await?;
    }
    Ok(())
}

/// Holds a run for longer if it is under way here, and has it be cancelled if it is to be.
pub(crate) async fn renew_one(runs: &Runs, id: Uuid) -> Result<(), StoreError> {
    // Where it is not held any more, its driver finds out with its next change.
    let Some(is_cancelled) = runs.journal.renew(id, &runs.lease).await? else {
        return Ok(());
    };
    let delivery = runs.active().get(&id).and_then(|active| {
        if is_cancelled {
            active.cancel.send_replace(true);
        }
        active.delivery.clone()
    });
    // The queue hands a run out again after the hold on it would have ended, and not before.
    if let Some(delivery) = delivery {
        settle(&*delivery, Settlement::UnderWay).await;
    }
    Ok(())
}

/// Takes runs that nobody holds, as many as may be under way: of each workflow in turn, the oldest first.
pub(crate) async fn claim(runs: &Arc<Runs>) -> Result<(), StoreError> {
    // What comes from now on has this be asked again.
    runs.queued.store(false, Ordering::Release);
    let mut specs = runs.specs.values().collect::<VecDeque<_>>();
    let turn = runs.turn.fetch_add(1, Ordering::Relaxed) % specs.len().max(1);
    specs.rotate_left(turn);
    while let Some(spec) = specs.pop_front() {
        let Ok(slot) = Arc::clone(&runs.slots).try_acquire_owned() else {
            // A queue that can be reached hands out what waits.
            let waits = !runs.has_queue();
            runs.queued.store(waits, Ordering::Release);
            return Ok(());
        };
        let claimed = runs
            .journal
            .claim_unowned(spec.name, &runs.lease, 1)
            .await?;
        if let Some(run) = claimed.into_iter().next() {
            go_on(runs, run, spec, Some(slot), None);
            specs.push_back(spec);
        }
    }
    Ok(())
}

/// Has a run be cancelled; says whether it was not over. One that nobody is at work on ends without waiting for its turn.
pub(crate) async fn call_off(runs: &Arc<Runs>, id: Uuid) -> Result<bool, StoreError> {
    let was_open = runs.cancel(id).await?;
    if was_open && let ClaimOutcome::Claimed(run) = runs.journal.claim(id, &runs.lease).await? {
        match runs.spec(&run.workflow) {
            Some(spec) => go_on(runs, *run, spec, None, None),
            None => runs.journal.release(id, &runs.lease.owner).await?,
        }
    }
    Ok(was_open)
}

/// Has `run`, which this process holds, be driven in a task of its own. `delivery` is how it came here from the queue,
/// if it did. A run that has only to be ended needs no `slot`.
pub(crate) fn go_on(
    runs: &Arc<Runs>,
    run: JournaledRun,
    spec: &'static WorkflowSpec,
    slot: Option<OwnedSemaphorePermit>,
    delivery: Option<Arc<dyn Delivery>>,
) {
    let (cancel, cancelled) = watch::channel(false);
    let (tell, told) = watch::channel(());
    let id = run.id;
    {
        let mut active = runs.active();
        // A driver that was too slow to hold its run still has it.
        if let Some(active) = active.get_mut(&id) {
            active.delivery = delivery.or(active.delivery.take());
            return;
        }
        let begun = Active {
            cancel,
            told,
            delivery,
        };
        active.insert(id, begun);
    }
    let going = Going {
        runs: Arc::clone(runs),
        id,
        spec,
        caller: Caller {
            subject: run.subject.clone(),
            roles: run.roles.clone(),
        },
        input: run.input.clone(),
        deadline: deadline(run.created_at, spec.timeout_ms),
        told: tell,
        untold: Mutex::default(),
        tried: Mutex::default(),
    };
    let runs = Arc::clone(runs);
    tokio::spawn(async move {
        let left = drive(Arc::new(going), run, cancelled).await;
        let active = runs.active().remove(&id);
        if let Some(delivery) = active.and_then(|active| active.delivery) {
            match left {
                Left::Over => settle(&*delivery, Settlement::Over).await,
                Left::GivenBack => settle(&*delivery, Settlement::Again(Default::default())).await,
                // Whoever goes on with it was given it, or is when the queue has heard nothing of it for long enough.
                Left::Lost => {}
            }
        }
        drop(slot);
        if runs.queued.load(Ordering::Acquire) {
            runs.freed.notify_one();
        }
    });
}

/// Says to the queue what becomes of a run. What it does not hear it finds out by asking again.
pub(crate) async fn settle(delivery: &dyn Delivery, settlement: Settlement) {
    if let Err(detail) = delivery.settle(settlement).await {
        tracing::debug!(detail, "the queue was not told of a run");
    }
}
