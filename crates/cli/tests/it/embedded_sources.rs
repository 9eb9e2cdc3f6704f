//! `crates/cli/embed/` holds everything that `agentgen new --vendor` copies.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command_folder::collect;

/// The files that cargo publishes have everything in them that the binary embeds.
#[test]
fn the_package_holds_what_is_embedded() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(env!("CARGO"))
        .args(["package", "--list", "--offline", "--allow-dirty"])
        .args(["-p", "cargo-agentgen"])
        .current_dir(here)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let listed = String::from_utf8(output.stdout).unwrap();
    let listed: Vec<&str> = listed.lines().collect();
    let mut files = Vec::new();
    collect(&here.join("embed"), "embed/", &mut files);
    assert!(files.len() > 300, "links are followed");
    for (name, _) in files.iter().filter(|(name, _)| !name.ends_with('/')) {
        assert!(listed.contains(&name.as_str()), "{name} is not published");
    }
}

/// A build of a crate needs everything in its folder but its tests: all of it is linked.
#[test]
fn everything_that_a_crate_is_built_of_is_embedded() {
    let embed = Path::new(env!("CARGO_MANIFEST_DIR")).join("embed");
    // `openapi` is embedded with agentgen-build, which reads it.
    let unused = [
        "Cargo.toml",
        "README.md",
        "benches",
        "examples",
        "openapi",
        "tests",
    ];
    for name in ["ranking", "runtime", "schema"] {
        for entry in fs::read_dir(root_of_workspace().join("crates").join(name)).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            let link = embed.join(format!("agentgen-{name}")).join(&file);
            assert!(
                unused.contains(&file.as_str()) || link.exists(),
                "{} needs a link to it",
                link.display()
            );
        }
    }
}

pub fn root_of_workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}
