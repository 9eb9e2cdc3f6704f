//! Rebuilds the crate when a file is added to what it embeds; `include_dir` sees only changes to files it knows.

#![allow(
    clippy::print_stdout,
    reason = "a build script speaks to cargo on stdout"
)]

use std::fs;
use std::io;

fn main() -> io::Result<()> {
    // Cargo does not look through links, so it is given what they lead to.
    for package in fs::read_dir("embed")? {
        let package = package?.path();
        if package.is_dir() {
            for entry in fs::read_dir(package)? {
                let target = entry?.path().canonicalize()?;
                println!("cargo::rerun-if-changed={}", target.display());
            }
        }
    }
    Ok(())
}
