//! The settings of the workspace: `[workspace]`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::start_error::SettingError;

/// The setting of the folder.
pub(crate) const ROOT: &str = "workspace.root";

/// The folder on whose files agents work, and the limits of the tools that do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceSettings {
    /// The folder; a relative path starts at the working directory of the service.
    pub root: PathBuf,
    /// Whether files may be written and changed.
    pub write: bool,
    /// The most bytes of a result; what is longer is cut off, and the model is told.
    pub result_bytes: usize,
    /// The largest file that is read, searched or written, in bytes.
    pub file_bytes: usize,
    /// The longest time of a search; what it found until then is its result.
    pub search_timeout: Duration,
}

impl WorkspaceSettings {
    /// A folder whose files may be read, with the default limits.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            write: false,
            result_bytes: 128 << 10,
            file_bytes: 8 << 20,
            search_timeout: Duration::from_secs(20),
        }
    }
}

/// Whether `root` is a folder.
pub(crate) fn check_root(root: &Path) -> Result<(), SettingError> {
    let wrong = |detail: String| SettingError::new(ROOT, format!("`{}` {detail}", root.display()));
    match std::fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(wrong("is no folder".to_owned())),
        Err(error) => Err(wrong(format!("can't be opened: {error}"))),
    }
}
