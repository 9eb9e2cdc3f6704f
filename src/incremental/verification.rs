//! Whether files are as a build left them: by their stamps, and by their content only where a stamp leaves doubt.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::diagnostics::source::Source;
use crate::incremental::build_state::{BuildState, KnownFile};
use crate::output::atomic_file::leftovers;
use crate::output::manifest;
use crate::output::plan::Plan;
use crate::output::planner::Seen;
use crate::parallel::in_parallel;
use crate::project::discover::read;
use crate::project::file_stamp::FileStamp;
use crate::text::measures::sha256_hex;

/// A stamp, and whether every later change shows in it.
pub type Stamp = (FileStamp, bool);

fn taken(stamp: FileStamp) -> Stamp {
    (stamp, stamp.is_settled(SystemTime::now()))
}

/// How the files of a remembered build are now.
pub struct Verification {
    /// Of each input, its stamp if its content is as it was; none where other files are read than before.
    pub inputs: Option<Vec<Option<Stamp>>>,
    /// Of each output, in the order of [`BuildState::outputs`], its stamp if its content is as it was.
    pub outputs: Vec<Option<Stamp>>,
    /// The stamp of the manifest, if it and all folders are as they were and nothing is left of a run that was cut off.
    pub manifest: Option<Stamp>,
}

impl Verification {
    /// How the agents' files `specs` and the folder `out` are, which the build of `state` left.
    pub fn new(state: &BuildState, specs: &[(String, PathBuf)], out: &Path) -> Self {
        let names = state.inputs.iter().map(|file| &file.name);
        let is_same = names.eq(specs.iter().map(|(name, _)| name));
        let inputs = is_same.then(|| {
            let paths = specs.iter().map(|(_, path)| path);
            let inputs: Vec<_> = state.inputs.iter().zip(paths).collect();
            in_parallel(&inputs, |(file, path)| input(file, path))
        });
        let is_there = |(path, stamp): &(String, FileStamp)| {
            FileStamp::of_folder(&out.join(path)) == Some(*stamp)
        };
        let folders = state
            .folders
            .iter()
            .zip(in_parallel(&state.folders, is_there));
        let gone = folders.filter(|(_, is_there)| !is_there);
        let gone: BTreeSet<&str> = gone.map(|((path, _), _)| path.as_str()).collect();
        let is_gone = |name: &str| {
            let mut ends = name.match_indices('/').map(|(end, _)| end);
            !gone.is_empty() && (gone.contains("") || ends.any(|end| gone.contains(&name[..end])))
        };
        let outputs: Vec<&KnownFile> = state.outputs().chain(&state.manifest).collect();
        let mut outputs = in_parallel(&outputs, |file| {
            let found = (!is_gone(&file.name)).then(|| output(file, out));
            found.flatten()
        });
        let manifest = state
            .manifest
            .as_ref()
            .and_then(|_| outputs.pop().flatten());
        let is_interrupted =
            || out.join(manifest::PENDING_NAME).exists() || !leftovers(out).is_empty();
        Self {
            inputs,
            outputs,
            manifest: manifest.filter(|_| gone.is_empty() && !is_interrupted()),
        }
    }

    /// Whether everything is as it was, but for inputs.
    pub fn is_output_as_it_was(&self) -> bool {
        self.manifest.is_some() && self.outputs.iter().all(Option::is_some)
    }

    /// Whether everything is as it was.
    pub fn is_all_as_it_was(&self) -> bool {
        let mut inputs = self.inputs.iter().flatten();
        self.inputs.is_some() && inputs.all(Option::is_some) && self.is_output_as_it_was()
    }

    /// Renews the stamps in `state` that left doubt; the answer is whether there were any.
    pub fn renew(&self, state: &mut BuildState) -> bool {
        let mut renewed = false;
        let mut renew = |file: &mut KnownFile, stamp: &Option<Stamp>| {
            if let Some((stamp, settled)) = *stamp {
                renewed |= (file.stamp, file.settled) != (stamp, settled);
                (file.stamp, file.settled) = (stamp, settled);
            }
        };
        let inputs = self.inputs.iter().flatten();
        for (file, stamp) in state.inputs.iter_mut().zip(inputs) {
            renew(file, stamp);
        }
        for (file, stamp) in state.outputs_mut().zip(&self.outputs) {
            renew(file, stamp);
        }
        if let Some(file) = &mut state.manifest {
            renew(file, &self.manifest);
        }
        renewed
    }
}

/// The stamp of the agent's file at `path`, if its content is that of `known`.
fn input(known: &KnownFile, path: &Path) -> Option<Stamp> {
    let now = taken(FileStamp::of_target(path).ok()?);
    if known.settled && now.0 == known.stamp {
        return Some((known.stamp, true));
    }
    let source = read(path, &known.name).ok()?;
    (sha256_hex(source.text().as_bytes()) == known.hash).then_some(now)
}

/// The stamp of the generated file, if its content is that of `known`.
fn output(known: &KnownFile, out: &Path) -> Option<Stamp> {
    let path = out.join(&known.name);
    let now = taken(FileStamp::of_file(&path)?);
    if known.settled && now.0 == known.stamp {
        return Some((known.stamp, true));
    }
    let bytes = fs::read(&path).ok()?;
    (sha256_hex(&bytes) == known.hash).then_some(now)
}

/// The stamp of the agent's file at `path` before it is read; none where it can't be read.
pub fn stamp(path: &Path) -> Option<Stamp> {
    FileStamp::of_target(path).ok().map(taken)
}

/// The agent's file `source`, with the stamp that it had before it was read.
pub fn known_input(source: &Source, stamp: Option<Stamp>) -> KnownFile {
    let (stamp, settled) = stamp.unwrap_or_default();
    KnownFile {
        name: source.path().to_owned(),
        stamp,
        settled,
        hash: sha256_hex(source.text().as_bytes()),
    }
}

/// What is on the disk of a remembered build.
pub struct Remembered<'a> {
    state: &'a BuildState,
    verification: &'a Verification,
    /// The places of the agents, and of the first file of each among the outputs.
    by_slug: BTreeMap<&'a str, (usize, usize)>,
    /// The place of the first file over all agents.
    shared_at: usize,
}

impl<'a> Remembered<'a> {
    /// What `verification` says of `state`.
    pub fn new(state: &'a BuildState, verification: &'a Verification) -> Self {
        let mut by_slug = BTreeMap::new();
        let mut first = 0;
        for (agent, at) in state.agents.iter().zip(0..) {
            by_slug.insert(agent.slug.as_str(), (at, first));
            first += agent.files.len();
        }
        Self {
            state,
            verification,
            by_slug,
            shared_at: first,
        }
    }

    /// The agent `slug`, as a place among all, and its files, if these depend on `key` and are as the build left them.
    pub fn agent(&self, slug: &str, key: &str) -> Option<(usize, Vec<(&'a KnownFile, Seen)>)> {
        let (at, first) = *self.by_slug.get(slug)?;
        let agent = &self.state.agents[at];
        let files = (agent.key == key).then(|| self.verified(&agent.files, first))??;
        Some((at, files))
    }

    /// The files over all agents, if these depend on what has the hash `shared` and are as the build left them.
    pub fn shared(&self, shared: &str) -> Option<Vec<(&'a KnownFile, Seen)>> {
        let files = &self.state.shared_files;
        (self.state.shared == shared).then(|| self.verified(files, self.shared_at))?
    }

    fn verified(&self, files: &'a [KnownFile], first: usize) -> Option<Vec<(&'a KnownFile, Seen)>> {
        let stamps = &self.verification.outputs[first..first + files.len()];
        let files = files.iter().zip(stamps).map(|(file, stamp)| {
            let (stamp, settled) = (*stamp)?;
            Some((file, Seen::OnDisk(stamp, settled)))
        });
        files.collect()
    }
}

/// The file at `path` of the output folder, which `plan` has made what it is.
pub fn known_output(plan: &Plan<'_>, path: &str, hash: &str) -> KnownFile {
    let (stamp, settled) = match plan.seen.get(path) {
        Some(Seen::OnDisk(stamp, settled)) => (*stamp, *settled),
        Some(Seen::Staged(written)) => {
            let now = FileStamp::of_file(&plan.out.join(path)).map(taken);
            // Else somebody has written to it since.
            now.filter(|(now, _)| now.is_moved(*written))
                .unwrap_or_default()
        }
        // What is not known for certain is looked at the next time.
        None => Stamp::default(),
    };
    KnownFile {
        name: path.to_owned(),
        stamp,
        settled,
        hash: hash.to_owned(),
    }
}

/// The folders of the files at `paths`, relative to `out`, that one included.
pub fn known_folders<'a>(
    out: &Path,
    paths: impl Iterator<Item = &'a str>,
) -> Vec<(String, FileStamp)> {
    let mut folders = BTreeSet::from([""]);
    for path in paths {
        folders.extend(path.match_indices('/').map(|(end, _)| &path[..end]));
    }
    let stamps = folders.into_iter();
    let stamps = stamps.map(|path| {
        let stamp = FileStamp::of_folder(&out.join(path));
        (path.to_owned(), stamp.unwrap_or_default())
    });
    stamps.collect()
}
