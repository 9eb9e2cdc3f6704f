//! What CI and generated projects run of other people's is pinned: actions by a commit, images by an exact version or a digest.

use std::path::{Path, PathBuf};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Whether a tag is an exact version, as in `debian:12.12-slim`, or the value that makes it one.
fn is_exact(image: &str) -> bool {
    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
    let version = tag.split('-').next().unwrap_or("");
    let numbers: Vec<&str> = version.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    image.contains("@sha256:")
        || tag.starts_with("{{ rust_image }}-")
        || (numbers.len() >= 2 && numbers.iter().all(is_number))
}

#[test]
fn actions_and_images_are_pinned() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut actions, mut images) = (0, 0);
    let mut found = Vec::new();
    for folder in [
        ".github",
        "templates/project",
        "conformance/deployment",
        "conformance/image",
    ] {
        let folder = root.join(folder);
        if folder.is_dir() {
            files(&folder, &mut found);
        } else {
            found.push(folder);
        }
    }
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text
            .lines()
            .map(|line| line.trim().trim_start_matches("- "))
        {
            let place = || format!("{}: {line}", path.display());
            if let Some(action) = line.strip_prefix("uses: ") {
                let commit = action.split(['@', ' ']).nth(1).unwrap_or("");
                let is_commit = commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit());
                assert!(is_commit && action.contains(" # v"), "{}", place());
                actions += 1;
            }
            let image = ["FROM ", "image: ", "container: "]
                .iter()
                .find_map(|word| line.strip_prefix(word));
            if let Some(image) = image {
                // A build of several stages names its own stages; the project's own image has the project's version.
                let image = image.split(" AS ").next().unwrap_or(image);
                assert!(is_exact(image), "{}", place());
                images += 1;
            }
        }
    }
    assert!(
        actions >= 10 && images >= 5,
        "{actions} actions, {images} images"
    );
    for loose in [
        "debian",
        "debian:latest",
        "debian:12-slim",
        "rust:1",
        "a/b:stable",
    ] {
        assert!(!is_exact(loose), "{loose}");
    }
    let scaffold = std::fs::read_to_string(root.join("crates/cli/src/scaffold.rs")).unwrap();
    let version = scaffold.split("RUST_IMAGE: &str = \"").nth(1).unwrap();
    assert!(is_exact(&format!(
        "rust:{}",
        version.split('"').next().unwrap()
    )));
}
