//! Lists the templates that the crate embeds.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    #![allow(
        clippy::print_stdout,
        reason = "a build script speaks to cargo on stdout"
    )]
    println!("cargo::rerun-if-changed=templates");
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("templates");
    let mut paths = Vec::new();
    collect(&folder, &mut paths)?;
    paths.sort();
    let mut list = String::from("&[\n");
    for path in paths {
        let below: Vec<_> = path
            .strip_prefix(&folder)?
            .iter()
            .map(|name| name.to_string_lossy())
            .collect();
        list += &format!("    ({:?}, include_str!({path:?})),\n", below.join("/"));
    }
    list += "]\n";
    fs::write(Path::new(&env::var("OUT_DIR")?).join("templates.rs"), list)?;
    Ok(())
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|ending| ending == "tera") {
            paths.push(path);
        }
    }
    Ok(())
}
