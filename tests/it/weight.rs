//! What the library costs as a build-dependency.

use std::collections::BTreeSet;
use std::process::Command;

/// The crates of prost-build 0.14.4, counted in the same way.
const PROST_BUILD: usize = 32;

/// Counts the distinct third-party crates in
///
/// ```text
/// cargo tree -p agentgen-build -e normal,build --prefix none
/// ```
#[test]
fn is_lighter_than_prost_build() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "-p", "agentgen-build"])
        .args(["-e", "normal,build"])
        .args(["--prefix", "none"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout).unwrap();
    let crates: BTreeSet<&str> = tree
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty() && !line.starts_with("agentgen-"))
        .collect();
    assert!(
        crates.contains("heck v0.5.0"),
        "this is not a tree:\n{tree}"
    );
    assert!(
        !crates.iter().any(|name| name.starts_with("clap")),
        "the command line has no place in a build script"
    );
    assert!(
        crates.len() < PROST_BUILD,
        "{} crates:\n{tree}",
        crates.len()
    );
}
