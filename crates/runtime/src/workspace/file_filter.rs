//! Which files a search looks at, besides those that `.gitignore` leaves out: globs and types of files, as ripgrep has them.

use ignore::overrides::{Override, OverrideBuilder};
use ignore::types::{Types, TypesBuilder};

use crate::engine::tools::ToolError;
use crate::workspace::file_write::is_version_control_name;

/// Globs and a type.
pub(super) struct FileFilter {
    globs: Override,
    types: Types,
    /// Whether a glob has a name in it that begins with a dot.
    names_hidden: bool,
    /// What paths begin with that the globs don't have.
    base: String,
}

impl FileFilter {
    /// Files that fit one of `globs` below `base`, a path that ends with `/` if it is not empty. A glob with `!` leaves files out.
    ///
    /// # Errors
    /// What is no glob, and a type that is not known.
    pub(super) fn new(
        base: String,
        globs: &[&str],
        file_type: Option<&str>,
    ) -> Result<Self, ToolError> {
        let wrong = |error: ignore::Error| ToolError::new(error.to_string());
        let mut overrides = OverrideBuilder::new(".");
        for glob in globs {
            overrides.add(glob).map_err(wrong)?;
        }
        let mut types = TypesBuilder::new();
        if let Some(file_type) = file_type {
            types.add_defaults().select(file_type);
        }
        let mut names = globs.iter().flat_map(|glob| glob.split('/'));
        Ok(Self {
            globs: overrides.build().map_err(wrong)?,
            types: types.build().map_err(wrong)?,
            names_hidden: names.any(|name| name.starts_with('.') && name != "."),
            base,
        })
    }

    /// Whether the file or folder at `path` with this name is left alone.
    pub(super) fn skips(&self, path: &str, name: &str, is_folder: bool) -> bool {
        let is_hidden = name.starts_with('.') && !self.names_hidden;
        let path = path.strip_prefix(&self.base).unwrap_or(path);
        is_hidden
            || is_version_control_name(name)
            || self.globs.matched(path, is_folder).is_ignore()
            || self.types.matched(path, is_folder).is_ignore()
    }
}
