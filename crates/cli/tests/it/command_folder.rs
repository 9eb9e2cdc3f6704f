//! A temporary folder to run the command in, and what the command printed there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

pub const FIRST: &str = "---\nname: first\ndescription: Answers first.\n---\nYou answer first.\n";
pub const SECOND: &str =
    "---\nname: second\ndescription: Answers second.\n---\nYou answer second.\n";

/// A folder that is deleted when it is dropped.
pub struct Folder {
    root: TempDir,
}

/// The exit status and the output of a command.
pub struct Run {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Stdout as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap()
    }

    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        let (stdout, stderr) = (&self.stdout, &self.stderr);
        assert_eq!(
            self.status, status,
            "\nstdout:\n{stdout}\nstderr:\n{stderr}"
        );
        self
    }
}

impl Folder {
    /// A folder with the agents `first` and `second`.
    pub fn two_agents() -> Self {
        Self::new(&[("agents/first.md", FIRST), ("agents/second.md", SECOND)])
    }

    pub fn new(files: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = Self { root };
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The command, to run in the folder `name`, without the environment's colour settings.
    pub fn command_in(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agentgen"));
        command
            .args(arguments)
            .current_dir(self.path(name))
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR_FORCE")
            .stdin(Stdio::null());
        command
    }

    pub fn run_in(&self, name: &str, arguments: &[&str]) -> Run {
        finish(self.command_in(name, arguments))
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        self.run_in("", arguments)
    }

    /// Every file and folder below `name`, sorted: a file with its content, a folder with a `/` at the end.
    pub fn tree(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        collect(&self.path(name), "", &mut found);
        found.sort();
        found
    }

    /// Every file below `name` with its content, sorted.
    pub fn files(&self, name: &str) -> Vec<(String, Vec<u8>)> {
        let mut files = self.tree(name);
        files.retain(|(name, _)| !name.ends_with('/'));
        files
    }

    pub fn names(&self, name: &str) -> Vec<String> {
        self.files(name).into_iter().map(|(name, _)| name).collect()
    }
}

pub fn finish(mut command: Command) -> Run {
    let output = command.output().unwrap();
    Run {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

pub fn collect(folder: &Path, prefix: &str, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.push((format!("{name}/"), Vec::new()));
            collect(&entry.path(), &format!("{name}/"), found);
        } else {
            found.push((name, fs::read(entry.path()).unwrap()));
        }
    }
}

/// Compares the part of `page`, a file of the repository, that follows the line `<!-- name: generated below -->`. With
/// `AGENTGEN_UPDATE_SNAPSHOTS` in the environment the file is written instead.
#[track_caller]
pub fn assert_generated_section(page: &str, name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(page);
    let text = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
    let marker = format!("<!-- {name}: generated below -->\n");
    let (head, generated) = text.split_once(&marker).expect("the page has the marker");
    if std::env::var_os("AGENTGEN_UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, format!("{head}{marker}{expected}")).unwrap();
        return;
    }
    assert!(
        generated == expected,
        "{page} is out of date; run the test with AGENTGEN_UPDATE_SNAPSHOTS=1"
    );
}
