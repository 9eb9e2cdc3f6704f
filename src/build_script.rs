//! The face towards build scripts.

#![allow(
    clippy::needless_doctest_main,
    reason = "a build script consists of its main function"
)]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::diagnostics::code::Code;
use crate::diagnostics::diagnostic_group::{Group, Grouped, grouped};
use crate::diagnostics::{Diagnostic, Severity};
use crate::incremental::Build;
use crate::output::output_lock::OutputLock;
use crate::output::plan::{Options, Scope};
use crate::project::agent_entries::{self, Boundary};
use crate::project::config::{Config, OpenapiFormat, OpenapiVersion, Target};
use crate::project::config_file::{ProjectSettings, read_nearest};
use crate::project::discover::{find_files, relative};
use crate::project::glob;
use crate::project::handler_stubs::{MODULE_FILE, USUAL_FOLDER};
use crate::project::service_file::SERVICE_FILE;
use crate::text::printable::printable;

/// Compiles the agents in a folder of the package, from its build script.
///
/// ```no_run
/// fn main() {
///     agentgen_build::compile("agents");
/// }
/// ```
///
/// The generated files are below `OUT_DIR`, where `agentgen_runtime::include_agents!()` finds them. Whatever is
/// wrong with the agents is reported to cargo, file, line and column first, and cargo then ends the build.
pub fn compile(agents: impl Into<String>) {
    configure().agents(agents).compile();
}

/// Starts from the settings of the project; [`Builder::compile`] ends the chain.
///
/// The settings are those of `agentgen.toml`, the same file that the command `agentgen` reads: in the package's folder, else in
/// the nearest one above it, up to the root of the Cargo workspace. Its paths are relative to its folder. What is said here
/// counts for more. `out`, `targets` and `stubs` of the file are only for `agentgen build`: here everything goes to `OUT_DIR`.
///
/// ```no_run
/// fn main() {
///     agentgen_build::configure()
///         .agents("agents")
///         .templates("templates")
///         .strict(true)
///         .compile();
/// }
/// ```
pub fn configure() -> Builder {
    Builder {
        agents: Vec::new(),
        templates: None,
        settings: Vec::new(),
        out_dir: PathBuf::from("agentgen"),
    }
}

/// One thing that is said in a build script.
type Setting = Box<dyn FnOnce(&mut Config)>;

/// The settings of a compilation in a build script.
#[must_use = "nothing is compiled before `compile()` is called"]
pub struct Builder {
    agents: Vec<String>,
    templates: Option<String>,
    /// What is said here, to be set after the file is read.
    settings: Vec<Setting>,
    out_dir: PathBuf,
}

impl Builder {
    /// Adds a folder of agents, a file or a glob pattern, relative to the package; with `!` in front, what is left out. Without
    /// any, the settings of the project count; without them, it is `agents`, else `.claude/agents`.
    pub fn agents(mut self, agents: impl Into<String>) -> Self {
        self.agents.push(agents.into());
        self
    }

    /// The folder of templates that replace the built-in ones, relative to the package. Default: `templates`.
    pub fn templates(mut self, templates: impl Into<String>) -> Self {
        self.templates = Some(templates.into());
        self
    }

    /// The folder of the generated files, below `OUT_DIR`. Default: `agentgen`, which `include_agents!()` expects.
    pub fn out_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.out_dir = folder.into();
        self
    }

    /// What to generate. Default: [`Target::DEFAULT`].
    pub fn targets(self, targets: impl IntoIterator<Item = Target>) -> Self {
        let targets = targets.into_iter().collect();
        self.set(|config| config.targets = targets)
    }

    /// The version of the OpenAPI documents. Default: 3.1.
    pub fn openapi_version(self, version: OpenapiVersion) -> Self {
        self.set(move |config| config.openapi.version = version)
    }

    /// The syntax of the OpenAPI documents. Default: YAML.
    pub fn openapi_format(self, format: OpenapiFormat) -> Self {
        self.set(move |config| config.openapi.format = format)
    }

    /// The title of the merged OpenAPI document.
    pub fn title(self, title: impl Into<String>) -> Self {
        let title = title.into();
        self.set(|config| config.openapi.title = title)
    }

    /// Adds a model alias and the model it names.
    pub fn model(self, alias: impl Into<String>, model: impl Into<String>) -> Self {
        let (alias, model) = (alias.into(), model.into());
        self.set(|config| {
            config.models.retain(|(other, _)| *other != alias);
            config.models.push((alias, model));
        })
    }

    /// Makes diagnostics with this code errors.
    pub fn deny(self, code: Code) -> Self {
        self.set(move |config| config.deny.push(code))
    }

    /// Whether a file whose frontmatter needs repair is an error. Default: a warning.
    pub fn strict(self, strict: bool) -> Self {
        self.set(move |config| config.strict = strict)
    }

    fn set(mut self, setting: impl FnOnce(&mut Config) + 'static) -> Self {
        self.settings.push(Box::new(setting));
        self
    }

    /// Whether agents, templates and links may be outside the package. Default: that is an error.
    pub fn allow_outside(self, allow: bool) -> Self {
        self.set(move |config| config.allow_outside = allow)
    }

    /// Compiles, and prints the result for cargo. Returns normally in every case: cargo ends the build when
    /// an error is printed.
    pub fn compile(self) {
        let environment = |name| std::env::var_os(name);
        // Set by the build script of agentgen-runtime.
        let runtime = environment("DEP_AGENTGEN_RUNTIME_VERSION");
        let mut text = match runtime_mismatch(runtime) {
            Some(error) => error,
            None => self
                .run(environment("CARGO_MANIFEST_DIR"), environment("OUT_DIR"))
                .join("\n"),
        };
        text.push('\n');
        // Without a cargo that listens there is nobody to tell.
        let _ = std::io::stdout().write_all(text.as_bytes());
    }

    /// Compiles; the answer is the lines for cargo.
    ///
    /// The arguments are the values of `CARGO_MANIFEST_DIR` and `OUT_DIR`.
    pub fn run(self, package: Option<OsString>, out_dir: Option<OsString>) -> Vec<String> {
        let (Some(package), Some(out_dir)) = (package, out_dir) else {
            let message = "CARGO_MANIFEST_DIR or OUT_DIR is not set: call this from a build script";
            return vec![format!("cargo::error={message}")];
        };
        let (package, out_dir) = (PathBuf::from(package), PathBuf::from(out_dir));
        let out = out_dir.join(&self.out_dir);
        if relative(&out_dir, &out).starts_with("..") || self.out_dir.is_absolute() {
            let shown = printable(&self.out_dir.to_string_lossy());
            return vec![format!(
                "cargo::error=the output folder `{shown}` is not below OUT_DIR"
            )];
        }
        let mut links = out.clone().into_os_string();
        links.push(".missing");
        let below = self.out_dir.to_string_lossy().into_owned();
        let settings = match read_nearest(&package) {
            Ok(settings) => settings,
            // Cargo runs a script that failed again.
            Err(diagnostics) => return messages(&diagnostics),
        };
        let ProjectSettings {
            root,
            config,
            candidates,
        } = settings;
        let config = self.overrule(config, &package, &root, &out);
        let watched = candidates.into_iter().chain(inputs(&root, &config));
        let mut lines = watch(&package, watched, Path::new(&links));
        lines.extend(messages(&write(&root, &out_dir, &below, config)));
        lines
    }

    /// The settings of the file, and what is said in the build script, which counts for more.
    fn overrule(self, mut config: Config, package: &Path, root: &Path, out: &Path) -> Config {
        let from_root = |path: &String| relative(root, &package.join(path));
        if !self.agents.is_empty() {
            let entries = self.agents.iter();
            let entries = entries.map(|entry| match entry.strip_prefix('!') {
                Some(left_out) => format!("!{}", from_root(&left_out.to_owned())),
                None => from_root(entry),
            });
            config.agents = entries.collect();
        }
        if let Some(templates) = &self.templates {
            config.templates = from_root(templates);
        }
        config.targets = Target::DEFAULT.to_vec();
        for set in self.settings {
            set(&mut config);
        }
        // A path relative to the root would lead elsewhere where that is a link.
        config.out = out.to_string_lossy().into_owned();
        config
    }
}

/// What there is to say where the package depends on a runtime of another version: the generated code would not compile.
fn runtime_mismatch(runtime: Option<OsString>) -> Option<String> {
    let (runtime, own) = (runtime?, env!("CARGO_PKG_VERSION"));
    let runtime = printable(&runtime.to_string_lossy());
    (runtime != own).then(|| {
        format!(
            "cargo::error=this package generates code with agentgen-build {own} for agentgen-runtime {runtime}: \
             the versions must be the same; run `agentgen update`, or change one of them in Cargo.toml"
        )
    })
}

/// The files and folders that the project consists of.
fn inputs(root: &Path, config: &Config) -> Vec<PathBuf> {
    let agents =
        agent_entries::entries(root, config)
            .into_iter()
            .map(|entry| match glob::is_pattern(&entry) {
                true => glob::split(&entry).0,
                false => entry,
            });
    let handlers = config.stubs.as_deref().unwrap_or(USUAL_FOLDER);
    let others = [
        config.templates.clone(),
        SERVICE_FILE.to_owned(),
        format!("{handlers}/{MODULE_FILE}"),
    ];
    agents.chain(others).map(|path| root.join(path)).collect()
}

/// The lines that tell cargo to run the build script again when one of `paths` changes, appears or goes.
///
/// Cargo takes a path that is not there for one that has changed, and would run the script at every build. In place of each missing
/// path there is a link to it in the folder `links`, which cargo watches instead: it passes over a link that leads nowhere, and as
/// soon as there is something behind it, the link itself is newer than the last run of the script.
fn watch(package: &Path, paths: impl Iterator<Item = PathBuf>, links: &Path) -> Vec<String> {
    let (present, missing): (Vec<PathBuf>, Vec<PathBuf>) = paths.partition(|path| path.exists());
    let mut watched: Vec<String> = Vec::new();
    for path in &present {
        let path = relative(package, path);
        if !watched.contains(&path) {
            watched.push(path);
        }
    }
    if link_missing(&missing, links).is_ok_and(|any| any) {
        watched.push(links.to_string_lossy().into_owned());
    }
    watched
        .iter()
        .map(|path| format!("cargo::rerun-if-changed={path}"))
        .collect()
}

/// Makes the folder `links` of links to `missing`; the answer is whether it has any.
fn link_missing(missing: &[PathBuf], links: &Path) -> io::Result<bool> {
    if links.exists() {
        fs::remove_dir_all(links)?;
    }
    if missing.is_empty() || cfg!(not(unix)) {
        return Ok(false);
    }
    fs::create_dir_all(links)?;
    for (number, path) in missing.iter().enumerate() {
        link(path, &links.join(number.to_string()))?;
    }
    // The folder itself has to look older than this run.
    File::open(links)?.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1))?;
    Ok(true)
}

#[cfg(unix)]
fn link(to: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(std::path::absolute(to)?, at)
}

/// Links are a privilege elsewhere: a path that is created later is noticed with the next change of another one.
#[cfg(not(unix))]
fn link(_to: &Path, _at: &Path) -> io::Result<()> {
    Ok(())
}

/// Builds the folder `below` of `out_dir`, which is what `config.out` names. What is remembered of it is beside it.
fn write(root: &Path, out_dir: &Path, below: &str, config: Config) -> Vec<Diagnostic> {
    let _lock = match OutputLock::acquire(out_dir, below, || {}) {
        Ok(lock) => lock,
        Err(problem) => return vec![problem],
    };
    let files = find_files(root, config, Boundary::Project);
    // OUT_DIR is cargo's and nobody edits it, so whatever is in the way goes.
    let options = Options {
        force: true,
        scope: Scope::All,
    };
    let memory = out_dir.join(format!("{below}.state"));
    let mut built = match Build::new(root, files, &options, Some(&memory)).up_to_date() {
        Ok(built) => built,
        Err(build) => build.run(&|_, _| {}),
    };
    let mut diagnostics = std::mem::take(&mut built.diagnostics);
    if let Err(problems) = built.apply() {
        diagnostics.extend(problems);
    }
    diagnostics
}

/// The errors and warnings for cargo, each once, many of one kind as one. Cargo shows no notes.
fn messages(diagnostics: &[Diagnostic]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let lines = grouped(diagnostics).into_iter().filter_map(|shown| {
        let (severity, text) = match shown {
            Grouped::One(diagnostic) => (diagnostic.severity, without_severity(diagnostic)),
            Grouped::Group(group) => (group.severity, group_line(&group)),
        };
        let key = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => return None,
        };
        Some(format!("cargo::{key}={text}"))
    });
    lines.filter(|line| seen.insert(line.clone())).collect()
}

/// `[AG000] 12 files ...: path:line, path:line and 4 more (help)`.
fn group_line(group: &Group<'_>) -> String {
    let mut places = group.places();
    let more = places.len().saturating_sub(GROUP_PLACES);
    places.truncate(GROUP_PLACES);
    let mut line = format!(
        "[{}] {}: {}",
        group.code,
        group.message(),
        places.join(", ")
    );
    if more > 0 {
        line.push_str(&format!(" and {more} more; `agentgen check` lists them"));
    }
    if let Some(help) = group.help() {
        line.push_str(&format!(" ({help})"));
    }
    printable(&line)
}

/// So many places of a group are told to cargo.
const GROUP_PLACES: usize = 10;

/// `path:line:column: [AG000] message (help)`: cargo itself says whether it is an error.
fn without_severity(diagnostic: &Diagnostic) -> String {
    let severity = diagnostic.severity.as_str();
    let (code, line) = (diagnostic.code, diagnostic.to_string());
    printable(&line.replacen(
        &format!(": {severity}[{code}]: "),
        &format!(": [{code}] "),
        1,
    ))
}

#[cfg(test)]
mod tests {
    use super::{runtime_mismatch, without_severity};
    use crate::diagnostics::Diagnostic;
    use crate::diagnostics::code::Code;
    use crate::diagnostics::source::Source;
    use crate::diagnostics::span::Span;
    use std::sync::Arc;

    #[test]
    fn a_runtime_of_another_version_is_refused_in_one_line() {
        let own = env!("CARGO_PKG_VERSION");
        assert_eq!(runtime_mismatch(None), None);
        assert_eq!(runtime_mismatch(Some(own.into())), None);
        let line = runtime_mismatch(Some("99.1.0-rc.1".into())).unwrap_or_default();
        assert!(line.starts_with("cargo::error="), "{line}");
        for part in [own, "99.1.0-rc.1", "`agentgen update`"] {
            assert!(line.contains(part), "{line}");
        }
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn a_line_starts_with_the_place() {
        let source = Arc::new(Source::new("agents/a.md", "---\nname: x\n".to_owned()));
        let diagnostic = Diagnostic::error(Code::NameUnusable, "", "no\ncargo::error=forged")
            .at(&source, Span::new(10, 11))
            .help("choose another");
        assert_eq!(
            without_severity(&diagnostic),
            r"agents/a.md:2:7: [AG021] no\ncargo::error=forged (choose another)"
        );
    }
}
