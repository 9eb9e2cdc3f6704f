//! The execution of one run in this process: which steps start, what they are asked, what comes of them.
//!
//! Invariant: what has happened is in the journal before anything depends on it. Whether a step starts depends on the workflow and on the
//! reports of its steps alone.

pub(crate) mod evaluation;
pub(crate) mod executor;
mod executor_units;
pub(crate) mod executor_waits;
mod policy_events;
pub(crate) mod run_handle;
pub(crate) mod schedule;
pub(crate) mod step_task;
mod step_turns;
mod step_units;
mod subtask_plan;
