//! Changing a file of the user's: what stays, and what is refused.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use crate::diagnostics::code::Code;
use crate::output::replace_file::replace_file;

/// A new folder; it is deleted with the guard.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let guard = tempfile::tempdir().unwrap();
    let root = guard.path().join("project");
    fs::create_dir(&root).unwrap();
    (guard, root)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn replaces_what_was_read_and_nothing_else() {
    let (_guard, root) = folder();
    let path = root.join("a.md");
    fs::write(&path, "one").unwrap();
    replace_file(&root, &path, Some(b"one"), b"two").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    // Another run did the same.
    replace_file(&root, &path, Some(b"one"), b"two").unwrap();

    fs::write(&path, "saved by an editor").unwrap();
    let failure = replace_file(&root, &path, Some(b"two"), b"three").unwrap_err();
    assert_eq!(failure.message, "the file has changed since it was read");
    assert_eq!(failure.path, "a.md");
    assert_eq!(fs::read(&path).unwrap(), b"saved by an editor");
    fs::remove_file(&path).unwrap();
    let failure = replace_file(&root, &path, Some(b"two"), b"three").unwrap_err();
    assert_eq!(failure.code, Code::Io);
    assert_eq!(names(&root), [""; 0]);
}

#[test]
fn creates_only_what_is_not_there() {
    let (_guard, root) = folder();
    let path = root.join("a.service.yaml");
    replace_file(&root, &path, None, b"one").unwrap();
    assert!(replace_file(&root, &path, None, b"two").is_err());
    assert_eq!(fs::read(&path).unwrap(), b"one");
    assert_eq!(names(&root), ["a.service.yaml"]);
}

#[test]
fn a_file_beside_the_project_changes_where_it_is() {
    let (guard, root) = folder();
    let path = guard.path().join("b.md");
    fs::write(&path, "one").unwrap();
    replace_file(&root, &root.join("../b.md"), Some(b"one"), b"two").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
}

#[cfg(unix)]
#[test]
fn links_lead_to_files_of_the_project_only() {
    use std::os::unix::fs::symlink;
    let (guard, root) = folder();
    fs::create_dir(root.join("agents")).unwrap();
    fs::write(root.join("inner.md"), "one").unwrap();
    fs::write(guard.path().join("outer.md"), "one").unwrap();
    let link = root.join("agents/x.md");
    symlink("../inner.md", &link).unwrap();
    replace_file(&root, &link, Some(b"one"), b"two").unwrap();
    assert_eq!(fs::read(root.join("inner.md")).unwrap(), b"two");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());

    fs::remove_file(&link).unwrap();
    symlink("../../outer.md", &link).unwrap();
    symlink("../..", root.join("up")).unwrap();
    for path in ["agents/x.md", "up/outer.md", "up/new.md"] {
        let old = (!path.ends_with("new.md")).then_some(b"one".as_slice());
        let failure = replace_file(&root, &root.join(path), old, b"two").unwrap_err();
        assert_eq!(failure.code, Code::OutsideProject, "{path}");
        assert_eq!(failure.path, path);
        assert!(
            failure.message.contains("outer.md") || failure.message.contains("new.md"),
            "{failure}"
        );
    }
    assert_eq!(fs::read(guard.path().join("outer.md")).unwrap(), b"one");
    assert!(!guard.path().join("new.md").exists());
}

#[cfg(unix)]
#[test]
fn mode_and_hard_links_stay() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let (_guard, root) = folder();
    let path = root.join("a.md");
    fs::write(&path, "one, and longer").unwrap();
    for mode in [0o600, 0o664, 0o755] {
        fs::write(&path, "one, and longer").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        replace_file(&root, &path, Some(b"one, and longer"), b"two").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, mode);
    }
    let other = root.join("b.md");
    fs::hard_link(&path, &other).unwrap();
    replace_file(&root, &path, Some(b"two"), b"1").unwrap();
    assert_eq!(fs::read(&other).unwrap(), b"1");
    assert_eq!(fs::metadata(&other).unwrap().nlink(), 2);
    assert_eq!(names(&root), ["a.md", "b.md"]);
}

#[test]
fn many_at_a_time_lose_nothing() {
    let (_guard, root) = folder();
    let path = |index: usize| root.join(format!("{index}.md"));
    for index in 0..40 {
        fs::write(path(index), format!("old {index}")).unwrap();
    }
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let path = &path;
            let root = &root;
            scope.spawn(move || {
                for step in 0..40 {
                    let index = (step * 7 + thread * 11) % 40;
                    let (old, new) = (format!("old {index}"), format!("new {index}"));
                    replace_file(root, &path(index), Some(old.as_bytes()), new.as_bytes()).unwrap();
                }
            });
        }
    });
    for index in 0..40 {
        assert_eq!(
            fs::read_to_string(path(index)).unwrap(),
            format!("new {index}")
        );
    }
    assert_eq!(names(&root).len(), 40);
}

/// Each of four writers puts in its own word, on what it has read; whoever is too late reads again. No word is lost.
#[test]
fn writers_with_different_texts_never_lose_an_update() {
    let (_guard, root) = folder();
    let path = root.join("a.md");
    fs::write(&path, "").unwrap();
    std::thread::scope(|scope| {
        for word in ["a", "b", "c", "d"] {
            let (path, root) = (&path, &root);
            scope.spawn(move || {
                for _ in 0..10 {
                    loop {
                        let old = fs::read(path).unwrap();
                        let new = [&old, word.as_bytes()].concat();
                        if replace_file(root, path, Some(&old), &new).is_ok() {
                            break;
                        }
                    }
                }
            });
        }
    });
    let text = fs::read_to_string(&path).unwrap();
    for word in ["a", "b", "c", "d"] {
        assert_eq!(text.matches(word).count(), 10, "{text}");
    }
}
