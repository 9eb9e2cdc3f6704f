//! `agentgen build --watch`.

use std::fs;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::command_folder::{FIRST, Folder, SECOND};

/// The command, until it is dropped.
struct Watching(Child);

impl Watching {
    fn start(folder: &Folder) -> Self {
        let mut command = folder.command_in("", &["build", "--watch"]);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let watching = Self(child.spawn().unwrap());
        until(|| folder.path("generated/manifest.json").exists());
        watching
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something is so, and says how long that took.
fn until(is_so: impl Fn() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never was");
        sleep(Duration::from_millis(1));
    }
    begun.elapsed()
}

#[test]
fn a_save_is_built_within_100_milliseconds() {
    let folder = Folder::two_agents();
    let _watching = Watching::start(&folder);
    let shows = |text: &str| {
        let prompt = fs::read_to_string(folder.path("generated/prompts/first/prompt.md"));
        prompt.is_ok_and(|prompt| prompt.contains(text))
    };
    let (mut written, mut replaced) = (Vec::new(), Vec::new());
    for round in 0..5 {
        sleep(Duration::from_millis(100));
        let text = format!("Written {round}.");
        fs::write(folder.path("agents/first.md"), format!("{FIRST}{text}\n")).unwrap();
        written.push(until(|| shows(&text)));
        sleep(Duration::from_millis(100));
        // As editors do that never leave half of a file.
        let text = format!("Replaced {round}.");
        let new = folder.path("agents/.first.md.swp");
        fs::write(&new, format!("{FIRST}{text}\n")).unwrap();
        fs::rename(&new, folder.path("agents/first.md")).unwrap();
        replaced.push(until(|| shows(&text)));
    }
    // The machine may be busy with something else now and then.
    for times in [written, replaced] {
        let best = times.iter().min().unwrap();
        assert!(*best <= Duration::from_millis(100), "{times:?}");
    }
}

#[test]
fn new_files_settings_and_mended_errors_are_noticed() {
    let folder = Folder::two_agents();
    let _watching = Watching::start(&folder);
    let third = folder.path("generated/prompts/third/prompt.md");
    folder.write("agents/deep/third.md", &FIRST.replace("first", "third"));
    until(|| third.exists());
    // What is broken changes nothing, and the mended file is built.
    folder.write("agents/second.md", "---\nname: [\n---\n");
    sleep(Duration::from_millis(200));
    assert!(folder.path("generated/prompts/second/prompt.md").exists());
    folder.write("agents/second.md", &format!("{SECOND}Mended.\n"));
    let second = folder.path("generated/prompts/second/prompt.md");
    until(|| fs::read_to_string(&second).is_ok_and(|prompt| prompt.contains("Mended.")));
    folder.write("agentgen.toml", "targets = [\"prompts\"]\n");
    until(|| !folder.path("generated/rust/mod.rs").exists());
    folder.write("templates/prompts/prompt.md.tera", "{{ prompt }}Ours.\n");
    until(|| fs::read_to_string(&third).is_ok_and(|prompt| prompt.contains("Ours.")));
}
