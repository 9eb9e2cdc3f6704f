//! Rebuilds the crate when a file is added to what it embeds; `include_dir` sees only changes to files it knows.

#![allow(
    clippy::print_stdout,
    reason = "a build script speaks to cargo on stdout"
)]

fn main() {
    println!("cargo::rerun-if-changed=templates");
}
