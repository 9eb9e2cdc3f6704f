//! Generated files before they are written.

/// One generated file, in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The path below the output folder, with `/` between its parts.
    pub path: String,
    /// The content.
    pub bytes: Vec<u8>,
}
