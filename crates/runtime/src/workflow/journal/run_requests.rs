//! What callers ask of runs while processes execute them.

/// What is asked of the owner of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunRequests {
    /// To cancel it.
    pub cancel: bool,
    /// To pause it.
    pub pause: bool,
}

/// The result of [`Journal::request_pause`](crate::workflow::Journal::request_pause).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseOutcome {
    /// The run is paused.
    Paused,
    /// Its owner pauses it as soon as no step runs.
    Requested,
    /// The run is finished, or there is no such run.
    Finished,
}

/// The result of [`Journal::resume`](crate::workflow::Journal::resume).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeOutcome {
    /// Any process can claim the run.
    Resumed,
    /// The run is neither paused nor to be paused.
    NotPaused,
    /// The run is finished, or there is no such run.
    Finished,
}
