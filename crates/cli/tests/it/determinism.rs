//! The same input gives the same bytes, wherever and however often.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

fn files_below(root: &Path, folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(root, &path, found);
        } else {
            let name = path.strip_prefix(root).unwrap().to_owned();
            found.insert(name, fs::read(&path).unwrap());
        }
    }
}

/// Builds the project's own agents in a folder of their own, in a process of their own.
fn build(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let agents = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../agents");
    fs::create_dir(folder.join("agents")).unwrap();
    // Written in another order, so that the folder lists them in another one.
    let mut entries: Vec<PathBuf> = fs::read_dir(agents)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.reverse();
    for path in entries {
        fs::copy(&path, folder.join("agents").join(path.file_name().unwrap())).unwrap();
    }
    run(folder);
    let mut files = BTreeMap::new();
    files_below(
        &folder.join("generated"),
        &folder.join("generated"),
        &mut files,
    );
    files
}

fn run(folder: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_agentgen"))
        .arg("build")
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn twenty_processes_write_the_same_bytes() {
    let first = tempfile::tempdir().unwrap();
    let expected = build(first.path());
    assert!(expected.len() > 60, "{} files", expected.len());
    let place = first.path().to_str().unwrap();
    for (path, bytes) in &expected {
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains(place), "{} names its folder", path.display());
    }
    for _ in 1..20 {
        let folder = tempfile::tempdir().unwrap();
        assert!(build(folder.path()) == expected);
    }
}

#[test]
fn a_second_run_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let before = build(folder.path());
    let times = |names: &BTreeMap<PathBuf, Vec<u8>>| -> Vec<SystemTime> {
        let modified = |name: &PathBuf| {
            let path = folder.path().join("generated").join(name);
            fs::metadata(path).unwrap().modified().unwrap()
        };
        names.keys().map(modified).collect()
    };
    let written = times(&before);
    run(folder.path());
    assert_eq!(times(&before), written);
}
