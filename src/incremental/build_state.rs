//! What a build remembers of itself, and where.
//!
//! Two files: the state, which the next build reads first, and the parts of the merged document, which only a build that has
//! something to do reads. A file that is missing, damaged or of another build is as good as none.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::incremental::saved_diagnostic::SavedDiagnostics;
use crate::output::atomic_file::write_generated;
use crate::project::file_stamp::FileStamp;
use crate::targets::openapi::merged_document::Part;
use crate::text::measures::sha256_hex;

/// Raised when the files change their form.
const FORMAT: u32 = 2;

/// What is remembered of a build that came to its end.
#[derive(Debug, Serialize, Deserialize)]
pub struct BuildState {
    format: u32,
    /// Names the build; its parts have the same.
    id: String,
    /// The hash of what every file depends on: the settings, the templates, agentgen itself.
    pub settings: String,
    /// The hash of what only diagnostics depend on: handlers, folders that were looked at.
    pub surroundings: String,
    /// The agents' files and contracts, sorted by name.
    pub inputs: Vec<KnownFile>,
    /// The agents, sorted by slug.
    pub agents: Vec<KnownAgent>,
    /// The hash of what the files over all agents depend on.
    pub shared: String,
    /// The files over all agents.
    pub shared_files: Vec<KnownFile>,
    /// The manifest.
    pub manifest: Option<KnownFile>,
    /// The folders that the generated files are in, relative to the output folder.
    pub folders: Vec<(String, FileStamp)>,
    /// What was said of single agents.
    pub own: SavedDiagnostics,
    /// What else was said, except `note`.
    pub others: SavedDiagnostics,
    /// What the files over all agents gave to say.
    pub note: SavedDiagnostics,
    /// How many of the agents had frontmatter that is not valid YAML.
    pub repaired: usize,
    /// The files that are no agents, and why.
    pub skipped: Vec<(String, String)>,
}

/// A file, as it was. There are many of them: their keys are short.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct KnownFile {
    /// Its name: relative to the project, or to the output folder.
    #[serde(rename = "n")]
    pub name: String,
    /// Its stamp.
    #[serde(rename = "s")]
    pub stamp: FileStamp,
    /// Whether every later change shows in the stamp.
    #[serde(rename = "c")]
    pub settled: bool,
    /// The SHA-256 of its content.
    #[serde(rename = "h")]
    pub hash: String,
}

/// An agent, as it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KnownAgent {
    /// Its slug.
    #[serde(rename = "n")]
    pub slug: String,
    /// The hash of what other agents may depend on.
    #[serde(rename = "e")]
    pub head: String,
    /// The hash of what its own files depend on.
    #[serde(rename = "k")]
    pub key: String,
    /// The hash of its part.
    #[serde(rename = "p")]
    pub part: String,
    /// The places of its file, and of its contract where that is another one, among the inputs.
    #[serde(rename = "i")]
    pub inputs: Vec<usize>,
    /// The places of the agents that it names.
    #[serde(rename = "a")]
    pub named: Vec<usize>,
    /// Its own files.
    #[serde(rename = "f")]
    pub files: Vec<KnownFile>,
}

impl KnownFile {
    /// The file `name`, of which nothing else is known yet.
    pub fn named(name: String) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }
}

impl BuildState {
    /// A state with nothing in it.
    pub fn new(settings: String) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_nanos());
        Self {
            format: FORMAT,
            id: format!("{}-{now}", process::id()),
            settings,
            surroundings: String::new(),
            inputs: Vec::new(),
            agents: Vec::new(),
            shared: String::new(),
            shared_files: Vec::new(),
            manifest: None,
            folders: Vec::new(),
            own: SavedDiagnostics::default(),
            others: SavedDiagnostics::default(),
            note: SavedDiagnostics::default(),
            repaired: 0,
            skipped: Vec::new(),
        }
    }

    /// Whether there is something at all places that agents have.
    fn has_places(&self) -> bool {
        let (inputs, agents) = (self.inputs.len(), self.agents.len());
        self.agents.iter().all(|agent| {
            let mut named = agent.named.iter();
            agent.inputs.iter().all(|place| *place < inputs) && named.all(|place| *place < agents)
        })
    }

    /// All generated files but the manifest.
    pub fn outputs(&self) -> impl Iterator<Item = &KnownFile> {
        let own = self.agents.iter().flat_map(|agent| &agent.files);
        own.chain(&self.shared_files)
    }

    /// Like [`outputs`](Self::outputs), to be changed.
    pub fn outputs_mut(&mut self) -> impl Iterator<Item = &mut KnownFile> {
        let own = self.agents.iter_mut().flat_map(|agent| &mut agent.files);
        own.chain(&mut self.shared_files)
    }

    /// Names this build like `other`, whose parts are its own.
    pub fn with_parts_of(mut self, other: &Self) -> Self {
        self.id.clone_from(&other.id);
        self
    }
}

/// The files of one output folder.
#[derive(Debug, Clone)]
pub struct StateFiles {
    folder: PathBuf,
    stem: String,
}

impl StateFiles {
    /// Those of the output folder `out`, in `folder`, which several projects may share.
    pub fn new(folder: &Path, out: &Path) -> Self {
        let out = std::path::absolute(out).unwrap_or_else(|_| out.to_path_buf());
        let hash = sha256_hex(out.as_os_str().as_encoded_bytes());
        Self {
            folder: folder.to_path_buf(),
            stem: hash[..16].to_owned(),
        }
    }

    fn path(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", self.stem))
    }

    /// What the last build remembered, if it can be read.
    pub fn read(&self) -> Option<BuildState> {
        let bytes = fs::read(self.path("state")).ok()?;
        let state: BuildState = serde_json::from_slice(&bytes).ok()?;
        (state.format == FORMAT && state.has_places()).then_some(state)
    }

    /// The parts that the build of `state` remembered, as lines of JSON in the order of its agents.
    pub fn read_parts(&self, state: &BuildState) -> Option<Parts> {
        let text = fs::read_to_string(self.path("parts")).ok()?;
        let (id, _) = text.split_once('\n')?;
        if id != state.id {
            return None;
        }
        let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
        (ends.len() == state.agents.len() + 1).then_some(Parts { text, ends })
    }

    /// Remembers `state`, and where they are given its parts, one of each agent.
    ///
    /// # Errors
    ///
    /// What the system says. Nothing depends on it: the next build takes longer.
    pub fn write(&self, state: &BuildState, parts: Option<Vec<Part>>) -> io::Result<()> {
        let ignored = self.folder.join(".gitignore");
        if !ignored.exists() {
            write_generated(&ignored, |file| file.write_all(b"*\n"))?;
        }
        if let Some(parts) = parts {
            write_generated(&self.path("parts"), |file| {
                let mut file = BufWriter::new(file);
                writeln!(file, "{}", state.id)?;
                for part in parts {
                    writeln!(file, "{}", part.to_line())?;
                }
                file.flush()
            })?;
        }
        write_generated(&self.path("state"), |file| {
            let mut file = BufWriter::with_capacity(BUFFER, file);
            serde_json::to_writer(&mut file, state)?;
            file.flush()
        })
    }
}

/// In bytes.
const BUFFER: usize = 256 * 1024;

/// The parts of a build, each a line.
pub struct Parts {
    text: String,
    /// Where the lines end; the first one is no part.
    ends: Vec<usize>,
}

impl Parts {
    /// The part of the agent at `index`.
    pub fn part(&self, index: usize) -> Option<Part> {
        Part::from_line(&self.text[self.ends[index] + 1..self.ends[index + 1]])
    }
}

/// Where builds of the project at `root` remember what they did, unless `CARGO_TARGET_DIR` (`target`) says otherwise: beside what
/// cargo remembers.
pub fn state_folder(root: &Path, target: Option<PathBuf>) -> PathBuf {
    let target = target.filter(|target| !target.as_os_str().is_empty());
    let target = target.map(|target| root.join(target));
    let workspace = || {
        let mut above = root.ancestors();
        above.find(|folder| folder.join("Cargo.lock").is_file())
    };
    let target = target.unwrap_or_else(|| workspace().unwrap_or(root).join("target"));
    target.join("agentgen")
}
