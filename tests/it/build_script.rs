//! The library in a real build script, under a real cargo.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

struct Package {
    folder: TempDir,
    target: PathBuf,
}

impl Package {
    /// A package with one agent and a build script, outside of any workspace.
    ///
    /// All tests build the library once, in one target folder below that of the workspace.
    fn new(name: &str) -> Self {
        let library = Path::new(env!("CARGO_MANIFEST_DIR"));
        let package = Self {
            folder: tempfile::tempdir().unwrap(),
            target: Path::new(env!("CARGO_TARGET_TMPDIR")).join("build_script"),
        };
        for stale in package.script_folders(name) {
            fs::remove_dir_all(stale).unwrap();
        }
        package.write(
            "Cargo.toml",
            &format!(
                "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
                 [build-dependencies]\nagentgen-build = {{ path = {library:?} }}\n\n\
                 [workspace]\n"
            ),
        );
        let lock = fs::read_to_string(library.join("Cargo.lock")).unwrap();
        package.write("Cargo.lock", &lock);
        package.write(
            "build.rs",
            "fn main() { agentgen_build::compile(\"agents\"); }\n",
        );
        package.write("src/main.rs", "fn main() {}\n");
        package.write("agents/first.md", FIRST);
        package
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs `cargo build`; the answer is whether it succeeded, and its output.
    fn build(&self) -> (bool, String) {
        let output = Command::new(env!("CARGO"))
            .args(["build", "--offline", "-v", "--color", "never"])
            .current_dir(self.folder.path())
            .env("CARGO_TARGET_DIR", &self.target)
            .env_remove("RUSTFLAGS")
            .env("RUST_BACKTRACE", "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), text)
    }

    /// The files that the build script generated, by their path below `agentgen`.
    fn generated(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        for folder in self.script_folders(name) {
            collect(&folder.join("out/agentgen"), "", &mut found);
        }
        found.sort();
        found
    }

    /// Where cargo keeps the build script of the package `name`; earlier runs of this test left folders too.
    fn script_folders(&self, name: &str) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.target.join("debug/build")) else {
            return Vec::new();
        };
        entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                let file = path.file_name().unwrap().to_string_lossy();
                file.starts_with(&format!("{name}-"))
            })
            .collect()
    }

    /// Gives a file a time that cargo can't take for the one of the last build.
    fn touch(&self, name: &str, seconds: u64) {
        let file = fs::File::options()
            .append(true)
            .open(self.path(name))
            .unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(seconds))
            .unwrap();
    }
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{name}/"), found);
        } else {
            found.push(name);
        }
    }
}

const FIRST: &str = "---\nname: first\ndescription: Answers first.\n---\nYou answer first.\n";
const SECOND: &str = "---\nname: second\ndescription: Answers second.\n---\nYou answer second.\n";

fn ran_script(log: &str) -> bool {
    log.contains("build-script-build`")
}

#[test]
fn cargo_builds_again_exactly_when_it_has_to() {
    let name = "build-again";
    let package = Package::new(name);
    let (fine, log) = package.build();
    assert!(fine, "{log}");
    assert!(ran_script(&log), "{log}");
    let only_first = package.generated(name);
    assert!(only_first.iter().any(|path| path.contains("first")));

    let (fine, log) = package.build();
    assert!(fine, "{log}");
    assert!(!ran_script(&log), "nothing has changed:\n{log}");
    assert!(log.contains(&format!("Fresh {name} ")), "{log}");
    assert!(!log.contains("Compiling"), "{log}");

    package.touch("agents/first.md", 10);
    let (fine, log) = package.build();
    assert!(fine && ran_script(&log), "a spec was touched:\n{log}");

    package.write("agents/deeper/second.md", SECOND);
    package.touch("agents/deeper/second.md", 20);
    let (fine, log) = package.build();
    assert!(fine && ran_script(&log), "a spec was added:\n{log}");
    let both = package.generated(name);
    assert!(both.iter().any(|path| path.contains("second")), "{both:?}");

    fs::remove_dir_all(package.path("agents/deeper")).unwrap();
    let file = fs::File::open(package.path("agents")).unwrap();
    // Where a folder's time can be set, it is; elsewhere the removal has set it.
    let _ = file.set_modified(SystemTime::now() + Duration::from_secs(30));
    let (fine, log) = package.build();
    assert!(fine && ran_script(&log), "a spec was removed:\n{log}");
    assert_eq!(package.generated(name), only_first);
}

#[test]
fn a_broken_spec_is_told_in_readable_lines() {
    let name = "broken-spec";
    let package = Package::new(name);
    package.write("agents/broken.md", "---\nname: broken\n---\nText \0 here\n");
    package.write(
        "agents/worse.md",
        "---\nname: worse\nservice:\n  endpoints:\n    ask:\n      path: ask\n---\n",
    );
    let (fine, log) = package.build();
    assert!(!fine, "{log}");
    let errors: Vec<&str> = log
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!(errors.len(), 3, "one line each and one of cargo's:\n{log}");
    for path in [
        "agents/broken.md: [AG003] ",
        "agents/worse.md:6:13: [AG042] ",
    ] {
        let start = format!("error: {name}@0.1.0: {path}");
        assert!(errors.iter().any(|line| line.starts_with(&start)), "{log}");
    }
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| !line.trim_start().starts_with("Running `"))
        .collect();
    for unwanted in ["panicked", "backtrace", "stderr"] {
        assert!(!lines.iter().any(|line| line.contains(unwanted)), "{log}");
    }

    package.write(
        "agents/broken.md",
        FIRST.replace("first", "broken").as_str(),
    );
    fs::remove_file(package.path("agents/worse.md")).unwrap();
    let (fine, log) = package.build();
    assert!(fine, "it is mended:\n{log}");
}

#[test]
fn a_missing_folder_is_an_error_too() {
    let package = Package::new("missing-folder");
    package.write(
        "build.rs",
        "fn main() { agentgen_build::configure().agents(\"nowhere\").compile(); }\n",
    );
    let (fine, log) = package.build();
    assert!(!fine);
    assert!(
        log.contains("error: missing-folder@0.1.0: nowhere: [AG091] there is no such folder"),
        "{log}"
    );
}

fn lines(folder: &Path, builder: agentgen_build::Builder) -> Vec<String> {
    let out = folder.join("target/out");
    builder.run(Some(OsString::from(folder)), Some(OsString::from(out)))
}

/// The lines without those that name what is watched because it is missing.
fn present(folder: &Path, builder: agentgen_build::Builder) -> Vec<String> {
    let mut lines = lines(folder, builder);
    lines.retain(|line| !line.ends_with(".missing"));
    lines
}

#[test]
fn many_warnings_of_one_kind_are_one_line_for_cargo() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("agents")).unwrap();
    let agent = |name: &str| {
        let text = format!("---\nname: {name}\ndescription: Helps: a lot.\n---\nPrompt.\n");
        fs::write(folder.path().join(format!("agents/{name}.md")), text).unwrap();
    };
    let warnings = || {
        let mut lines = lines(folder.path(), agentgen_build::configure());
        lines.retain(|line| line.starts_with("cargo::warning="));
        lines
    };
    (0..3).for_each(|index| agent(&format!("a{index}")));
    assert_eq!(warnings().len(), 3);
    (3..13).for_each(|index| agent(&format!("a{index:02}")));
    let [line] = &warnings()[..] else {
        panic!("{:?}", warnings());
    };
    assert!(
        line.starts_with("cargo::warning=[AG005] 13 files have frontmatter that is not valid YAML"),
        "{line}"
    );
    assert!(line.contains("agents/a0.md:3, agents/a03.md:3, "), "{line}");
    assert!(
        line.contains(" and 3 more; `agentgen check` lists them"),
        "{line}"
    );
}

#[test]
fn names_what_is_there_and_links_to_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Cargo.toml"), "[package]\n").unwrap();
    fs::create_dir_all(folder.path().join("agents/sub")).unwrap();
    fs::write(folder.path().join("agents/sub/a.md"), FIRST).unwrap();
    let builder = || {
        agentgen_build::configure()
            .agents("agents")
            .agents("agents/*/a.md")
    };
    let links = folder.path().join("target/out/agentgen.missing");
    let missing = |number: &str| fs::read_link(links.join(number)).unwrap();
    assert_eq!(
        lines(folder.path(), builder()),
        [
            "cargo::rerun-if-changed=agents".to_owned(),
            format!("cargo::rerun-if-changed={}", links.display())
        ]
    );
    assert_eq!(missing("0"), folder.path().join("agentgen.toml"));
    assert_eq!(missing("1"), folder.path().join("templates"));
    assert_eq!(missing("2"), folder.path().join("service.toml"));
    assert_eq!(missing("3"), folder.path().join("src/agents/mod.rs"));
    fs::create_dir_all(folder.path().join("src/agents")).unwrap();
    fs::write(folder.path().join("src/agents/mod.rs"), "").unwrap();

    fs::create_dir(folder.path().join("templates")).unwrap();
    fs::write(folder.path().join("agentgen.toml"), "").unwrap();
    fs::write(folder.path().join("service.toml"), "").unwrap();
    assert_eq!(
        lines(folder.path(), builder()),
        [
            "cargo::rerun-if-changed=agentgen.toml",
            "cargo::rerun-if-changed=agents",
            "cargo::rerun-if-changed=templates",
            "cargo::rerun-if-changed=service.toml",
            "cargo::rerun-if-changed=src/agents/mod.rs"
        ]
    );
    assert!(!links.exists());
}

#[test]
fn what_is_created_later_starts_the_script_once() {
    let package = Package::new("created-later");
    let title = |text: &str| {
        let folders = package.script_folders("created-later");
        let mut documents = folders
            .iter()
            .map(|folder| folder.join("out/agentgen/rust/openapi.json"))
            .filter_map(|path| fs::read_to_string(path).ok());
        documents.any(|document| document.contains(&format!("\"title\": \"{text}\"")))
    };
    let (fine, log) = package.build();
    assert!(fine && title("agents"), "{log}");
    let (fine, log) = package.build();
    assert!(fine && !ran_script(&log), "nothing has changed:\n{log}");

    package.write("agentgen.toml", "[openapi]\ntitle = \"Desk\"\n");
    let (fine, log) = package.build();
    assert!(fine && ran_script(&log), "settings were created:\n{log}");
    assert!(title("Desk"));
    let (fine, log) = package.build();
    assert!(fine && !ran_script(&log), "nothing has changed:\n{log}");

    // A folder that is moved here keeps its old time.
    package.write("elsewhere/rust/agent.rs.tera", "{% if %}");
    fs::rename(package.path("elsewhere"), package.path("templates")).unwrap();
    for folder in [
        "templates/rust/agent.rs.tera",
        "templates/rust",
        "templates",
    ] {
        let file = fs::File::open(package.path(folder)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(1000))
            .unwrap();
    }
    let (fine, log) = package.build();
    assert!(!fine, "a broken template was created:\n{log}");
    assert!(
        log.contains("templates/rust/agent.rs.tera:1:7: [AG070]"),
        "{log}"
    );
    fs::remove_dir_all(package.path("templates")).unwrap();
    let (fine, log) = package.build();
    assert!(fine && ran_script(&log), "{log}");

    package.write("agentgen.toml", "[lint]\ndeny = [\"AG023\"]\n");
    package.touch("agentgen.toml", 10);
    package.write("agents/second.md", "---\nname: second\n---\nAnswer.\n");
    let (fine, log) = package.build();
    assert!(
        !fine && log.contains("agents/second.md:1:1: [AG023]"),
        "{log}"
    );

    package.write("agentgen.toml", "[opnapi]\n");
    let (fine, log) = package.build();
    let expected = "agentgen.toml:1:2: [AG090] unknown key `opnapi` (did you mean `openapi`?)";
    assert!(!fine && log.contains(expected), "{log}");
}

#[test]
fn what_the_script_says_counts_for_more_than_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let package = folder.path().join("member");
    write("Cargo.toml", "[workspace]\nmembers = [\"member\"]\n");
    write("member/Cargo.toml", "[package]\n");
    write("member/agents/a.md", FIRST);
    write("shared/b.md", SECOND);
    write(
        "agentgen.toml",
        "agents = [\"shared\"]\nout = \"elsewhere\"\ntargets = [\"openapi\"]\n[openapi]\ntitle = \"Desk\"\nversion = \"3.0\"\nlicense = \"MIT\"\n",
    );
    let document = || {
        let path = package.join("target/out/agentgen/rust/openapi.json");
        fs::read_to_string(path).unwrap()
    };
    let found = present(&package, agentgen_build::configure());
    assert_eq!(
        found,
        [
            "cargo::rerun-if-changed=../agentgen.toml",
            "cargo::rerun-if-changed=../shared"
        ]
    );
    let of_file = document();
    for text in ["\"openapi\": \"3.0.3\"", "\"Desk\"", "\"MIT\"", "/second/"] {
        assert!(of_file.contains(text), "{text}");
    }

    let builder = agentgen_build::configure().agents("agents").title("Own");
    present(&package, builder);
    let of_script = document();
    for text in ["\"openapi\": \"3.0.3\"", "\"Own\"", "\"MIT\"", "/first/"] {
        assert!(of_script.contains(text), "{text}");
    }
    assert!(!of_script.contains("/second/"));
    assert!(!folder.path().join("elsewhere").exists());

    // A file above the workspace is somebody else's.
    fs::remove_file(folder.path().join("agentgen.toml")).unwrap();
    fs::create_dir(package.join("own")).unwrap();
    write("member/Cargo.toml", "[package]\n[workspace]\n");
    write("agentgen.toml", "agents = [\"nowhere\"]\n");
    assert_eq!(
        present(&package, agentgen_build::configure()),
        ["cargo::rerun-if-changed=agents"]
    );
}

#[test]
fn writes_below_out_dir_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("agents")).unwrap();
    fs::write(folder.path().join("agents/a.md"), FIRST).unwrap();
    for outside in ["../x", "/x", "a/../../x"] {
        let builder = agentgen_build::configure().out_dir(outside);
        assert_eq!(
            lines(folder.path(), builder),
            [format!(
                "cargo::error=the output folder `{outside}` is not below OUT_DIR"
            )]
        );
    }
    let mut found = Vec::new();
    collect(folder.path(), "", &mut found);
    assert_eq!(found, ["agents/a.md"]);
    lines(folder.path(), agentgen_build::configure().out_dir("other"));
    assert!(
        folder
            .path()
            .join("target/out/other/manifest.json")
            .exists()
    );
}

#[test]
fn a_hand_edit_in_out_dir_does_not_last() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("agents")).unwrap();
    fs::write(folder.path().join("agents/a.md"), FIRST).unwrap();
    lines(folder.path(), agentgen_build::configure());
    let out = folder.path().join("target/out/agentgen");
    let mut before = Vec::new();
    collect(&out, "", &mut before);
    for path in &before {
        fs::write(out.join(path), "edited").unwrap();
    }
    assert_eq!(
        present(folder.path(), agentgen_build::configure()),
        ["cargo::rerun-if-changed=agents"]
    );
    for path in &before {
        assert_ne!(fs::read(out.join(path)).unwrap(), b"edited");
    }
}

#[test]
fn without_cargo_it_says_so() {
    let lines = agentgen_build::configure().run(None, None);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("cargo::error="));
}

/// The service serves what the build script generates; `agentgen build` writes what `generate` makes of the same settings.
#[test]
fn the_served_documents_are_those_that_a_build_writes() {
    let chain = FIRST.replacen(
        "\n---",
        "\nservice: { workflows: { chain: [one: first] } }\n---",
        1,
    );
    for version in ["3.0", "3.1", "3.2"] {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("agents")).unwrap();
        fs::write(folder.path().join("agents/a.md"), &chain).unwrap();
        let settings = format!(
            "[openapi]\nversion = \"{version}\"\nformat = \"json\"\ntitle = \"Desk\"\napi_version = \"2.3.4\"\n"
        );
        fs::write(folder.path().join("agentgen.toml"), settings).unwrap();
        lines(folder.path(), agentgen_build::configure());

        let settings = agentgen_build::inspect::read_settings(folder.path()).unwrap();
        let project = agentgen_build::load(&settings.root, settings.config);
        let artifacts = agentgen_build::generate(&project).artifacts;
        for name in ["openapi.json", "arazzo.json"] {
            let served = folder.path().join("target/out/agentgen/rust").join(name);
            let served = fs::read(served).unwrap();
            for path in [name.to_owned(), format!("rust/{name}")] {
                let written = artifacts.iter().find(|file| file.path == path).unwrap();
                assert!(written.bytes == served, "{version}: {path}");
            }
        }
    }
}
