//! Builds that remember the one before: they do what a build from scratch does, after any edits.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use agentgen_build::inspect::SIDECAR_ENDINGS;
use agentgen_build::{
    Build, Built, ChangeKind, Config, OpenapiFormat, OpenapiVersion, Options, Plan, Target, find,
    generate, load, plan,
};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::FileFailurePersistence;
use tempfile::TempDir;

/// A project on the disk.
struct Workshop {
    folder: TempDir,
    config: Config,
    /// So that each edit is another one.
    edits: usize,
    /// Outputs that a build may leave where they are though it no longer makes them: somebody edited them, or the manifest is lost.
    kept: BTreeSet<String>,
}

/// One thing that somebody does between two builds.
#[derive(Debug, Clone)]
enum Action {
    AddAgent,
    EditPrompt(Index),
    EditDescription(Index),
    NameAnother(Index, Index),
    WriteContract(Index),
    WriteWorkflow(Index, Index),
    RemoveContract(Index),
    RemoveAgent(Index),
    RenameFile(Index),
    RenameAgent(Index),
    Break(Index),
    Mend,
    Touch(Index),
    WriteTemplate,
    RemoveTemplate,
    ChangeSettings(Index),
    EditOutput(Index),
    RemoveOutput(Index),
    RewriteOutput(Index),
    RemoveManifest,
    ForgetEverything,
    DamageMemory,
    Nothing,
}

fn edits() -> impl Strategy<Value = Action> {
    let index = any::<Index>;
    prop_oneof![
        3 => Just(Action::AddAgent),
        3 => index().prop_map(Action::EditPrompt),
        2 => index().prop_map(Action::EditDescription),
        2 => (index(), index()).prop_map(|(a, b)| Action::NameAnother(a, b)),
        2 => index().prop_map(Action::WriteContract),
        2 => (index(), index()).prop_map(|(a, b)| Action::WriteWorkflow(a, b)),
        1 => index().prop_map(Action::RemoveContract),
        1 => index().prop_map(Action::RemoveAgent),
        1 => index().prop_map(Action::RenameFile),
        2 => index().prop_map(Action::RenameAgent),
        1 => index().prop_map(Action::Break),
        1 => Just(Action::Mend),
        2 => index().prop_map(Action::Touch),
        1 => Just(Action::WriteTemplate),
        1 => Just(Action::RemoveTemplate),
        1 => index().prop_map(Action::ChangeSettings),
        2 => index().prop_map(Action::EditOutput),
        2 => index().prop_map(Action::RemoveOutput),
        1 => index().prop_map(Action::RewriteOutput),
        1 => Just(Action::RemoveManifest),
        1 => Just(Action::ForgetEverything),
        1 => Just(Action::DamageMemory),
        2 => Just(Action::Nothing),
    ]
}

impl Workshop {
    fn new() -> Self {
        let mut workshop = Self {
            folder: tempfile::tempdir().unwrap(),
            config: Config {
                agents: vec!["agents".to_owned()],
                targets: Target::ALL.to_vec(),
                ..Config::default()
            },
            edits: 0,
            kept: BTreeSet::new(),
        };
        // Agent cards name it.
        workshop.config.openapi.servers = vec!["https://api.example.com".to_owned()];
        for _ in 0..3 {
            workshop.apply(&Action::AddAgent);
        }
        workshop
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn memory(&self) -> PathBuf {
        self.root().join("target/agentgen")
    }

    fn build<'a>(&'a self, options: &'a Options) -> Built<'a> {
        let files = find(self.root(), self.config.clone());
        let memory = self.memory();
        match Build::new(self.root(), files, options, Some(&memory)).up_to_date() {
            Ok(built) => built,
            Err(build) => build.run(&|_, _| {}),
        }
    }

    /// The files in a folder of the project, sorted.
    fn files(&self, folder: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![self.root().join(folder)];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.path() {
                    path if path.is_dir() => open.push(path),
                    path => found.push(path),
                }
            }
        }
        found.sort();
        found
    }

    fn agents(&self) -> Vec<PathBuf> {
        let mut agents = self.files("agents");
        agents.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
        agents
    }

    fn outputs(&self) -> Vec<PathBuf> {
        let mut outputs = self.files("generated");
        outputs.retain(|path| !path.ends_with("manifest.json"));
        outputs
    }

    fn apply(&mut self, edit: &Action) {
        self.edits += 1;
        let number = self.edits;
        let write = |path: &Path, text: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let replace = |path: &Path, from: &str, to: &str| {
            let text = fs::read_to_string(path).unwrap();
            fs::write(path, text.replacen(from, to, 1)).unwrap();
        };
        let (agents, outputs) = (self.agents(), self.outputs());
        let agent = |index: &Index| (!agents.is_empty()).then(|| index.get(&agents).as_path());
        let output = |index: &Index| (!outputs.is_empty()).then(|| index.get(&outputs).as_path());
        let sidecar = |agent: &Path| agent.with_extension(&SIDECAR_ENDINGS[0][1..]);
        let template = self.root().join("templates/prompts/prompt.md.tera");
        match edit {
            Action::AddAgent => write(
                &self.root().join(format!("agents/agent-{number}.md")),
                &format!("---\nname: agent-{number}\ndescription: Does {number}.\n---\nWork.\n"),
            ),
            Action::EditPrompt(index) => {
                if let Some(path) = agent(index) {
                    // Some prompts are empty then, and some have a character that there is a warning about.
                    let text = fs::read_to_string(path).unwrap();
                    let text = match number % 4 {
                        0 => text.replace("\u{200b}", "") + &format!("Line {number}.\n"),
                        1 => text + &format!("Line {number}\u{200b}.\n"),
                        2 => text[..text.rfind("---\n").unwrap() + 4].to_owned(),
                        _ => text + &format!("Line {number}.\n"),
                    };
                    fs::write(path, text).unwrap();
                }
            }
            Action::EditDescription(index) => {
                if let Some(path) = agent(index) {
                    replace(path, "description: ", &format!("description: {number} "));
                }
            }
            Action::NameAnother(index, other) => {
                if let (Some(path), Some(other)) = (agent(index), agent(other)) {
                    let name = other.file_stem().unwrap().to_str().unwrap();
                    write(&sidecar(path), &format!("agents: [{name}]\n"));
                }
            }
            Action::WriteContract(index) => {
                if let Some(path) = agent(index) {
                    write(
                        &sidecar(path),
                        &format!(
                            "endpoints:\n  ask:\n    input: {{ n{number}: string }}\n    output: {{ done: boolean }}\n"
                        ),
                    );
                }
            }
            Action::WriteWorkflow(index, other) => {
                if let (Some(path), Some(other)) = (agent(index), agent(other)) {
                    let name = other.file_stem().unwrap().to_str().unwrap();
                    write(
                        &sidecar(path),
                        &format!("workflows:\n  flow-{number}: [one: {name}, two: {name}]\n"),
                    );
                }
            }
            Action::RemoveContract(index) => {
                if let Some(path) = agent(index) {
                    let _ = fs::remove_file(sidecar(path));
                }
            }
            Action::RemoveAgent(index) => {
                if let Some(path) = agent(index).filter(|_| agents.len() > 1) {
                    fs::remove_file(path).unwrap();
                    let _ = fs::remove_file(sidecar(path));
                }
            }
            Action::RenameFile(index) => {
                if let Some(path) = agent(index) {
                    fs::rename(path, path.with_file_name(format!("file-{number}.md"))).unwrap();
                }
            }
            Action::RenameAgent(index) => {
                if let Some(path) = agent(index) {
                    replace(path, "name: agent", "name: Agent");
                }
            }
            Action::Break(index) => {
                if let Some(path) = agent(index) {
                    write(&sidecar(path), "endpoints: 5\n");
                }
            }
            Action::Mend => {
                for path in self.files("agents") {
                    if fs::read_to_string(&path).unwrap() == "endpoints: 5\n" {
                        fs::remove_file(path).unwrap();
                    }
                }
            }
            Action::Touch(index) => {
                if let Some(path) = agent(index) {
                    let file = fs::File::options().write(true).open(path).unwrap();
                    file.set_modified(SystemTime::now()).unwrap();
                }
            }
            Action::WriteTemplate => write(&template, &format!("{{{{ prompt }}}}{number}\n")),
            Action::RemoveTemplate => {
                let _ = fs::remove_file(template);
            }
            Action::ChangeSettings(index) => {
                let openapi = &mut self.config.openapi;
                openapi.version = *index.get(&OpenapiVersion::ALL);
                openapi.format = *index.get(&OpenapiFormat::ALL);
                openapi.title = format!("agents {number}");
            }
            Action::EditOutput(index) => {
                if let Some(path) = output(index) {
                    // As long as before.
                    let mut bytes = fs::read(path).unwrap();
                    if let Some(byte) = bytes.last_mut() {
                        *byte = b'!';
                    }
                    fs::write(path, bytes).unwrap();
                }
            }
            Action::RemoveOutput(index) => {
                if let Some(path) = output(index) {
                    fs::remove_file(path).unwrap();
                }
            }
            Action::RewriteOutput(index) => {
                if let Some(path) = output(index) {
                    fs::write(path, fs::read(path).unwrap()).unwrap();
                }
            }
            Action::RemoveManifest => {
                let folder = self.root().join("generated");
                let names = outputs.iter().map(|path| slashed(path, &folder));
                let names: Vec<String> = names.collect();
                self.kept.extend(names);
                let _ = fs::remove_file(self.root().join("generated/manifest.json"));
            }
            Action::ForgetEverything => {
                let _ = fs::remove_dir_all(self.root().join("target"));
            }
            Action::DamageMemory => {
                for path in self.files("target/agentgen") {
                    let bytes = fs::read(&path).unwrap();
                    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
                }
            }
            Action::Nothing => {}
        }
    }
}

/// The path in `folder`, with slashes.
fn slashed(path: &Path, folder: &Path) -> String {
    let path = path.strip_prefix(folder).unwrap();
    path.to_string_lossy().replace('\\', "/")
}

fn kinds(plan: &Plan<'_>) -> Vec<(String, ChangeKind)> {
    let changes = plan.changes.iter();
    changes
        .map(|change| (change.path.clone(), change.kind))
        .collect()
}

/// Builds with what is remembered, and compares with what a build in memory would do.
fn build_and_compare(workshop: &mut Workshop) {
    let generation = generate(&load(workshop.root(), workshop.config.clone()));
    let words = |diagnostics: &[agentgen_build::Diagnostic]| -> Vec<String> {
        diagnostics.iter().map(ToString::to_string).collect()
    };
    for force in [false, true] {
        let options = Options {
            force,
            ..Options::default()
        };
        let expected = (!generation.artifacts.is_empty()).then(|| {
            plan(
                workshop.root(),
                "generated",
                &generation.artifacts,
                &options,
            )
            .unwrap()
        });
        let mut built = workshop.build(&options);
        assert_eq!(words(&built.diagnostics), words(&generation.diagnostics));
        let Some(expected) = expected else {
            assert!(built.plan.is_none());
            return;
        };
        assert_eq!(kinds(built.plan.as_ref().unwrap()), kinds(&expected));
        if built.apply().is_ok() {
            let changes = expected.changes.into_iter();
            let kept = changes.filter(|change| change.kind == ChangeKind::Keep);
            workshop.kept.extend(kept.map(|change| change.path));
            break;
        }
        assert!(!force, "nothing is in the way that has to stay");
    }
    for artifact in &generation.artifacts {
        let path = workshop.root().join("generated").join(&artifact.path);
        assert!(
            fs::read(&path).unwrap() == artifact.bytes,
            "{}",
            artifact.path
        );
    }
    let folder = workshop.root().join("generated");
    for path in workshop.outputs() {
        let path = slashed(&path, &folder);
        let is_made = generation.artifacts.iter().any(|made| made.path == path);
        assert!(is_made || workshop.kept.contains(&path), "{path}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 10,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_remembered_changes_nothing(
        steps in prop::collection::vec((prop::collection::vec(edits(), 1..3), any::<bool>()), 1..10)
    ) {
        let mut workshop = Workshop::new();
        build_and_compare(&mut workshop);
        for (edits, is_settled) in steps {
            for edit in &edits {
                workshop.apply(edit);
            }
            if is_settled {
                sleep(Duration::from_millis(60));
            }
            build_and_compare(&mut workshop);
        }
    }
}

/// Each file of the output with the time of its last change.
fn times(workshop: &Workshop) -> Vec<(PathBuf, SystemTime)> {
    let files = workshop.files("generated").into_iter();
    let times = files.map(|path| {
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        (path, modified)
    });
    times.collect()
}

/// How many agents a build renders.
fn rendered(workshop: &Workshop) -> usize {
    let options = Options::default();
    let files = find(workshop.root(), workshop.config.clone());
    let memory = workshop.memory();
    match Build::new(workshop.root(), files, &options, Some(&memory)).up_to_date() {
        Ok(_) => 0,
        Err(build) => {
            let mut built = build.run(&|_, _| {});
            let plan = built.plan.as_ref().unwrap();
            let written = plan
                .files()
                .filter(|change| change.kind != ChangeKind::Unchanged);
            let prompts = written
                .filter(|change| change.path.ends_with("prompt.md"))
                .count();
            built.apply().unwrap();
            prompts
        }
    }
}

#[test]
fn where_nothing_changed_nothing_is_read_or_written() {
    let mut workshop = Workshop::new();
    build_and_compare(&mut workshop);
    sleep(Duration::from_millis(60));
    build_and_compare(&mut workshop);
    let before = times(&workshop);
    let state = fs::read(workshop.files("target/agentgen").last().unwrap()).unwrap();
    let options = Options::default();
    let files = find(workshop.root(), workshop.config.clone());
    let memory = workshop.memory();
    let build = Build::new(workshop.root(), files, &options, Some(&memory));
    let Ok(built) = build.up_to_date() else {
        panic!("there is nothing to do");
    };
    assert!(built.plan.unwrap().is_noop());
    assert_eq!(built.reading.agents, 3);
    assert_eq!(times(&workshop), before);
    let ignored = fs::read_to_string(workshop.memory().join(".gitignore")).unwrap();
    assert_eq!(ignored, "*\n");
    assert_eq!(
        fs::read(workshop.files("target/agentgen").last().unwrap()).unwrap(),
        state
    );
}

#[test]
fn one_changed_agent_changes_its_own_files_alone() {
    let mut workshop = Workshop::new();
    build_and_compare(&mut workshop);
    sleep(Duration::from_millis(60));
    let before = times(&workshop);
    let path = workshop.agents().remove(1);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}More.\n")).unwrap();
    let options = Options::default();
    assert!(
        workshop.build(&options).agents.is_empty(),
        "no other agent is read"
    );
    assert_eq!(rendered(&workshop), 1);
    let after = times(&workshop);
    let changed = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before != after);
    let changed: Vec<String> = changed
        .map(|((path, _), _)| slashed(path, workshop.root()))
        .collect();
    let expected = [
        "generated/manifest.json",
        "generated/prompts/agent-2/bundle.json",
        "generated/prompts/agent-2/prompt.md",
        "generated/rust/agent_2.rs",
    ];
    assert_eq!(changed, expected);

    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(SystemTime::now()).unwrap();
    assert_eq!(rendered(&workshop), 0);
}
