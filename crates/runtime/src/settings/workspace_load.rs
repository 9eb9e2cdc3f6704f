//! The settings of the workspace, from `[workspace]`.

use crate::error::start_error::SettingError;
use crate::settings::settings_file::WorkspaceFile;
use crate::workspace::WorkspaceSettings;
use crate::workspace::workspace_settings::{ROOT, check_root};

/// The least bytes of a result: a line and what is said of the rest fit in there.
const LEAST_RESULT: usize = 4096;

/// The workspace; `None` where no root is set.
///
/// # Errors
/// A root that is no folder, a limit that lets nothing through, and a limit or permission without a root.
pub(crate) fn workspace(file: &WorkspaceFile) -> Result<Option<WorkspaceSettings>, SettingError> {
    let Some(root) = &file.root else {
        return match without_root(file) {
            Some(key) => Err(SettingError::new(
                key,
                "is of no use without workspace.root",
            )),
            None => Ok(None),
        };
    };
    if cfg!(not(feature = "workspace")) {
        return Err(SettingError::missing_feature(ROOT, "workspace"));
    }
    check_root(root)?;
    let defaults = WorkspaceSettings::new(root);
    let settings = WorkspaceSettings {
        write: file.write.unwrap_or(defaults.write),
        result_bytes: file.result_bytes.unwrap_or(defaults.result_bytes),
        file_bytes: file.file_bytes.unwrap_or(defaults.file_bytes),
        search_timeout: file.search_timeout.unwrap_or(defaults.search_timeout),
        ..defaults
    };
    if settings.result_bytes < LEAST_RESULT {
        let detail = format!("must be {LEAST_RESULT} at least");
        return Err(SettingError::new("workspace.result_bytes", detail));
    }
    if settings.file_bytes == 0 {
        return Err(SettingError::new(
            "workspace.file_bytes",
            "must be 1 at least",
        ));
    }
    if settings.search_timeout.is_zero() {
        let detail = "must be longer than nothing";
        return Err(SettingError::new("workspace.search_timeout", detail));
    }
    Ok(Some(settings))
}

/// The first key that is set.
fn without_root(file: &WorkspaceFile) -> Option<&'static str> {
    let set = [
        ("workspace.write", file.write == Some(true)),
        ("workspace.result_bytes", file.result_bytes.is_some()),
        ("workspace.file_bytes", file.file_bytes.is_some()),
        ("workspace.search_timeout", file.search_timeout.is_some()),
    ];
    let mut set = set.into_iter();
    set.find(|(_, is_set)| *is_set).map(|(key, _)| key)
}
