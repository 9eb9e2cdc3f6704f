//! Tools on the files below one folder, which the operator named: `Read`, `Glob`, `Grep`, and with permission `Write`, `Edit` and
//! `MultiEdit`, with the arguments that they have in Claude Code.
//!
//! Invariant: nothing outside of the folder is read or changed, whatever a path says and whatever happens to the folder meanwhile: files
//! are opened through a capability ([`cap_std::fs::Dir`](https://docs.rs/cap-std)), never by a path of the machine. A call reads and
//! answers no more than the settings allow, and waits for no device or pipe.

#[cfg(feature = "workspace")]
mod edit_tools;
#[cfg(feature = "workspace")]
mod file_filter;
#[cfg(feature = "workspace")]
mod file_write;
#[cfg(feature = "workspace")]
mod glob_tool;
#[cfg(feature = "workspace")]
mod grep_tool;
#[cfg(feature = "workspace")]
mod limited_text;
#[cfg(feature = "workspace")]
mod line_search;
#[cfg(feature = "workspace")]
mod read_tool;
#[cfg(feature = "workspace")]
mod tree_walk;
#[cfg(feature = "workspace")]
mod workspace_call;
#[cfg(feature = "workspace")]
mod workspace_folder;
#[cfg(feature = "workspace")]
mod workspace_path;
pub(crate) mod workspace_settings;

pub use self::workspace_settings::WorkspaceSettings;

use crate::engine::tools::Tool;
use crate::error::start_error::SettingError;

/// The tools of the workspace in the settings; none where there is no workspace.
///
/// # Errors
/// A folder that can't be opened, and a program without the feature `workspace`.
pub(crate) fn open(
    settings: Option<&WorkspaceSettings>,
) -> Result<Vec<Box<dyn Tool>>, SettingError> {
    let Some(settings) = settings else {
        return Ok(Vec::new());
    };
    #[cfg(feature = "workspace")]
    {
        let workspace = workspace_call::Workspace::open(settings)?;
        let mut tools = vec![
            read_tool::read(&workspace),
            glob_tool::glob(&workspace),
            grep_tool::grep(&workspace),
        ];
        if settings.write {
            tools.extend(edit_tools::all(&workspace));
        }
        Ok(tools)
    }
    #[cfg(not(feature = "workspace"))]
    {
        let _ = settings;
        let root = workspace_settings::ROOT;
        Err(SettingError::missing_feature(root, "workspace"))
    }
}
