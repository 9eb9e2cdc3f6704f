//! What a run knows of the request that started it, without HTTP.

/// The request that a run belongs to. For a step of a workflow it names the workflow run.
#[derive(Debug, Default)]
pub(crate) struct RequestInfo {
    /// The caller's own id, or a new one; unique only if callers keep theirs unique.
    pub(crate) id: String,
    /// The path, without the query.
    pub(crate) path: String,
}
