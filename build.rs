//! Rebuilds the crate when a file is added to what it embeds; `include_dir` sees only changes to files it knows.

#![allow(
    clippy::print_stdout,
    reason = "a build script speaks to cargo on stdout"
)]

use std::path::Path;

fn main() {
    for path in ["embed", "runtime", "src", "templates"] {
        // Cargo takes a path that is not there for one that has changed, and a package has no `runtime`.
        if Path::new(path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}
