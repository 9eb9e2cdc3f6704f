//! Where a path leads once its links are followed, and whether that is inside a project.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::diagnostics::Diagnostic;
use crate::diagnostics::code::Code;
use crate::project::discover::{reason, relative};
use crate::text::printable::printable;

/// How many links a path may lead through.
const MAX_LINKS: usize = 40;

/// Where `path` really is, which must be `root` or something below it. Nothing has to be there yet: the part of the path
/// that exists decides.
///
/// # Errors
///
/// A diagnostic that names both ends where the path leads out of `root`, and one with the reason where its links can't be
/// followed.
pub fn path_inside(root: &Path, path: &Path) -> Result<PathBuf, Diagnostic> {
    let name = relative(root, path);
    let failed = |error: io::Error| {
        let message = format!("the path can't be followed: {}", reason(&error));
        Diagnostic::error(Code::Io, &name, message)
    };
    let real_root = real_path(root).map_err(failed)?;
    let real = real_path(path).map_err(failed)?;
    if real.starts_with(&real_root) {
        return Ok(real);
    }
    let shown = |path: &Path| printable(&path.to_string_lossy());
    let message = format!(
        "this leads to `{}`, which is outside the project `{}`",
        shown(&real),
        shown(&real_root)
    );
    Err(Diagnostic::error(Code::OutsideProject, &name, message).help(
        "keep it inside the project, or allow this with `--allow-outside` or `allow_outside = true` in agentgen.toml",
    ))
}

/// The absolute path without links, `.` and `..`, as the system follows it; what is not there is taken as it is written.
fn real_path(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    let mut rest: VecDeque<OsString> = components(&absolute);
    let mut real = PathBuf::new();
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            real.pop();
            continue;
        }
        real.push(&name);
        let Ok(target) = fs::read_link(&real) else {
            continue;
        };
        links += 1;
        if links > MAX_LINKS {
            return Err(io::Error::other("too many links follow each other"));
        }
        real.pop();
        for name in components(&target).into_iter().rev() {
            rest.push_front(name);
        }
    }
    Ok(real)
}

/// The names in `path`, its root and `..` among them.
fn components(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter(|component| *component != Component::CurDir)
        .map(|component| component.as_os_str().to_owned())
        .collect()
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::path_inside;
    use crate::diagnostics::code::Code;

    #[test]
    fn what_is_below_the_root_is_inside() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("project");
        fs::create_dir_all(root.join("real")).unwrap();
        symlink("real", root.join("linked")).unwrap();
        symlink(&root, folder.path().join("entry")).unwrap();
        let base = fs::canonicalize(&root).unwrap();
        for (path, expected) in [
            ("", ""),
            ("real/a.md", "real/a.md"),
            ("linked/deep/a.md", "real/deep/a.md"),
            ("linked/../a.md", "a.md"),
            ("../project/a.md", "a.md"),
            ("../entry/real", "real"),
        ] {
            let found = path_inside(&root, &root.join(path)).unwrap();
            assert_eq!(found, base.join(expected), "{path}");
        }
        let through = folder.path().join("entry");
        assert!(path_inside(&through, &root.join("real")).is_ok());
    }

    #[test]
    fn what_leads_out_names_both_ends() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("project");
        fs::create_dir_all(root.join("agents")).unwrap();
        fs::create_dir_all(folder.path().join("project-2/agents")).unwrap();
        symlink("../project-2", root.join("out")).unwrap();
        symlink("..", root.join("up")).unwrap();
        symlink("../../project-2/gone.md", root.join("agents/gone.md")).unwrap();
        symlink("/", root.join("agents/root")).unwrap();
        for (path, end) in [
            ("out/agents", "project-2/agents"),
            ("../project-2", "project-2"),
            ("out/../x", "x"),
            ("up/new/file.md", "new/file.md"),
            ("agents/gone.md", "project-2/gone.md"),
        ] {
            let error = path_inside(&root, &root.join(path)).unwrap_err();
            let end = fs::canonicalize(folder.path()).unwrap().join(end);
            assert_eq!(error.code, Code::OutsideProject);
            let ends = [end.as_path(), &fs::canonicalize(&root).unwrap()];
            for end in ends {
                let quoted = format!("`{}`", end.display());
                assert!(error.message.contains(&quoted), "{path}: {error}");
            }
        }
        let error = path_inside(&root, &root.join("agents/root")).unwrap_err();
        assert!(error.message.starts_with("this leads to `/`"), "{error}");
        assert_eq!(error.path, "agents/root");
        assert!(path_inside(&root, Path::new("/")).is_err());
    }

    #[test]
    fn links_in_a_circle_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        symlink("b", folder.path().join("a")).unwrap();
        symlink("a", folder.path().join("b")).unwrap();
        let error = path_inside(folder.path(), &folder.path().join("a")).unwrap_err();
        assert_eq!(error.code, Code::Io);
    }
}
