//! The agent that a source describes.

use std::ops::Range;
use std::sync::Arc;

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::frontmatter::known_keys;
use crate::frontmatter::{self, Document, Reading};
use crate::spec::example_blocks::{self, Example};
use crate::spec::model_choice::{self, ModelChoice};
use crate::spec::run_limits::{self, RunLimits};
use crate::spec::tool_access::ToolAccess;
use crate::spec::tool_keys;
use crate::text::printable::is_hidden;
use crate::text::slug::{MAX_SLUG_BYTES, Slug, SlugError};
use crate::yaml::node::{Node, Value};
use crate::yaml::yaml_line::UNUSUAL_LINE_BREAKS;

/// One agent, as its file describes it.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The file.
    pub source: Arc<Source>,
    /// The name as the author wrote it, or the file's without its ending.
    pub name: String,
    /// The place of the name; the start of the file if it does not.
    pub name_span: Span,
    /// The name in paths.
    pub slug: Slug,
    /// The whole description.
    pub description: String,
    /// The description on one line, without its examples; never empty.
    pub summary: String,
    /// The examples in the description.
    pub examples: Vec<Example>,
    /// The models or model aliases that are named.
    pub models: ModelChoice,
    /// The tools the agent may use.
    pub tools: ToolAccess,
    /// The MCP servers that the file defines itself.
    pub mcp_servers: Option<McpServers>,
    /// The limits of its runs.
    pub limits: RunLimits,
    /// Every key as it was read.
    pub frontmatter: Node,
    /// Whether the frontmatter is not valid YAML and was read as it was plainly meant.
    pub repaired: bool,
    prompt: Prompt,
}

/// The MCP servers that an agent file defines.
#[derive(Debug, Clone)]
pub struct McpServers {
    /// Their names.
    pub names: Vec<String>,
    /// Their definitions by name, as JSON.
    pub json: String,
    /// Where they are.
    pub span: Span,
}

#[derive(Debug, Clone)]
enum Prompt {
    /// The bytes of the source in this range.
    Body(Range<usize>),
    /// The value of the key `prompt`.
    Key(String),
}

impl Spec {
    /// The prompt, byte for byte.
    pub fn prompt(&self) -> &str {
        match &self.prompt {
            Prompt::Body(range) => &self.source.text()[range.clone()],
            Prompt::Key(text) => text,
        }
    }

    /// The text of the file without the prompt below the frontmatter.
    pub fn head(&self) -> &str {
        match &self.prompt {
            Prompt::Body(range) => &self.source.text()[..range.start],
            Prompt::Key(_) => self.source.text(),
        }
    }

    /// Gives back the prompt, the frontmatter, and the text of the file but for the line of the name.
    pub(crate) fn forget_texts(&mut self) {
        let (line, before) = self.source.lines_of(self.name_span);
        let source = Source::excerpt(self.source.path(), line.to_owned(), before);
        self.source = Arc::new(source);
        self.frontmatter = Node {
            value: Value::Null,
            span: self.frontmatter.span,
        };
        self.prompt = Prompt::Key(String::new());
    }

    /// The line of the file the body starts on, from 1; `None` where the prompt is a key.
    pub fn body_line(&self) -> Option<usize> {
        match &self.prompt {
            Prompt::Body(range) => Some(self.source.location(range.start).line),
            Prompt::Key(_) => None,
        }
    }
}

/// Reads the agent in the report's source: a Markdown file with frontmatter, or a YAML file with a key
/// `prompt`. `None` where there is no agent in it; the report says why.
pub fn read(report: &mut Report, strict: bool) -> Option<Spec> {
    let source = Arc::clone(report.source());
    let (frontmatter, prompt, repaired) = if is_yaml(source.path()) {
        let frontmatter = frontmatter::read_yaml_agent(report)?;
        let prompt = prompt_key(&frontmatter, report)?;
        (frontmatter, prompt, false)
    } else {
        match frontmatter::read(report, strict) {
            Reading::Agent(Document {
                frontmatter,
                body,
                repaired,
                ..
            }) => (frontmatter, Prompt::Body(body), repaired),
            Reading::NoFrontmatter => {
                report
                    .note(
                        Code::NoFrontmatter,
                        Span::default(),
                        "the file has no frontmatter",
                    )
                    .advise("it is left out; an agent's file starts with a line `---`");
                return None;
            }
            Reading::Unreadable => return None,
        }
    };
    known_keys::check(&frontmatter, report);
    if matches!(prompt, Prompt::Body(_)) {
        note_prompt_key(&frontmatter, report);
    }
    check_hidden(report);
    let (name, name_span, slug) = name(&frontmatter, report)?;
    let description = description(&frontmatter, report);
    let example_blocks::Description { summary, examples } = example_blocks::parse(&description);
    let summary = if summary.is_empty() {
        format!("The agent {name}.")
    } else {
        summary
    };
    let spec = Spec {
        name_span,
        slug,
        summary,
        examples,
        models: model_choice::read(&frontmatter, report),
        tools: tool_keys::read(&frontmatter, report),
        mcp_servers: mcp_servers(&frontmatter),
        limits: run_limits::read(&frontmatter, report),
        name,
        description,
        frontmatter,
        repaired,
        prompt,
        source,
    };
    if spec.prompt().trim().is_empty() {
        let end = spec.source.text().len();
        report
            .warning(Code::BodyEmpty, Span::new(end, end), "the prompt is empty")
            .advise("write below the frontmatter what the agent is to do");
    }
    Some(spec)
}

fn mcp_servers(frontmatter: &Node) -> Option<McpServers> {
    let mut entries = frontmatter.entries().unwrap_or_default().iter();
    entries.find_map(|entry| {
        let servers = known_keys::mcp_definitions(entry);
        (!servers.is_empty()).then(|| McpServers {
            names: servers.keys().cloned().collect(),
            json: serde_json::Value::Object(servers).to_string(),
            span: entry.key_span,
        })
    })
}

/// Whether the file at `path` is written in YAML, by its ending.
pub fn is_yaml(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml")
}

/// The name of the file at `path` without its folder and its ending, which may be `.agent.md` or `.chatmode.md`.
pub fn stem(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    without_suffix(file.rsplit_once('.').map_or(file, |(stem, _)| stem))
}

/// `path`, which has no ending any more, without what GitHub Copilot adds to the names of agents.
pub fn without_suffix(path: &str) -> &str {
    let suffixes = [".agent", ".chatmode"].into_iter();
    let mut stems = suffixes.filter_map(|suffix| path.strip_suffix(suffix));
    let stem = stems.find(|stem| !stem.is_empty() && !stem.ends_with('/'));
    stem.unwrap_or(path)
}

fn prompt_key(frontmatter: &Node, report: &mut Report) -> Option<Prompt> {
    match frontmatter.get("prompt") {
        Some(prompt) => match prompt.scalar_text() {
            Some(text) => Some(Prompt::Key(text.into_owned())),
            None => {
                let message = format!("`prompt` is {}", prompt.kind());
                report
                    .error(Code::WrongType, prompt.span, message)
                    .advise("it takes the text of the prompt");
                None
            }
        },
        None => {
            report
                .error(
                    Code::BodyEmpty,
                    Span::default(),
                    "the agent has no `prompt`",
                )
                .advise(
                    "a YAML file in this folder is an agent; write its prompt under `prompt: |`",
                );
            None
        }
    }
}

/// Says what becomes of the key `prompt` in a Markdown file.
fn note_prompt_key(frontmatter: &Node, report: &mut Report) {
    let entry = frontmatter.entry("prompt");
    if let Some(entry) = entry.filter(|entry| entry.value.value != Value::Null) {
        report
            .note(
                Code::KeyWithoutEffect,
                entry.key_span,
                "`prompt` has no effect in a Markdown file: the prompt is the text below the frontmatter",
            )
            .about([&entry.key])
            .advise("move its text there, or remove the key; it is kept in the bundle");
    }
}

fn name(frontmatter: &Node, report: &mut Report) -> Option<(String, Span, Slug)> {
    let stem = stem(report.source().path()).to_owned();
    let written = frontmatter.get("name").and_then(|node| {
        let text = node.scalar_text()?.trim().to_owned();
        (!text.is_empty()).then_some((text, node.span))
    });
    let (name, span) = match written {
        Some(written) => written,
        None => {
            let span = frontmatter
                .get("name")
                .map_or(Span::default(), |node| node.span);
            report
                .warning(Code::NameMissing, span, "the agent has no name")
                .advise(format!(
                    "it is called `{stem}`, as its file is; write `name: {stem}`"
                ));
            (stem.clone(), span)
        }
    };
    let why = match Slug::new(&name) {
        Ok(slug) => return Some((name, span, slug)),
        Err(SlugError::Lossy) => "the name has letters that no file or route can have".to_owned(),
        Err(SlugError::Empty) => "the name has no letter and no digit".to_owned(),
        Err(SlugError::TooLong) => {
            let length = name.chars().count();
            format!(
                "the name has {length} characters, and files and routes have {MAX_SLUG_BYTES} at most"
            )
        }
    };
    let Ok(slug) = Slug::new(&stem) else {
        report.error(Code::NameUnusable, span, why).advise(format!(
            "use the letters a to z, digits and hyphens in `name` or in the file's name, {MAX_SLUG_BYTES} at most"
        ));
        return None;
    };
    report.note(Code::NameUnusable, span, why).advise(format!(
        "files and routes of this agent are named `{slug}`, as its file is"
    ));
    Some((name, span, slug))
}

fn description(frontmatter: &Node, report: &mut Report) -> String {
    let text = frontmatter.get("description").and_then(Node::scalar_text);
    match text {
        Some(text) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => {
            let span = frontmatter
                .entry("description")
                .map_or(Span::default(), |entry| entry.key_span);
            report
                .warning(
                    Code::DescriptionMissing,
                    span,
                    "the agent has no description",
                )
                .advise("say under `description` when it is the one to ask");
            String::new()
        }
    }
}

fn check_hidden(report: &mut Report) {
    let source = Arc::clone(report.source());
    let hidden = source
        .text()
        .char_indices()
        .find(|(_, c)| is_hidden(*c) && !matches!(c, '\u{200d}' | '\u{feff}'));
    if let Some((offset, c)) = hidden {
        let span = Span::new(offset, offset + c.len_utf8());
        let message = format!(
            "the text contains the invisible character U+{:04X}",
            u32::from(c)
        );
        report
            .warning(Code::HiddenCharacters, span, message)
            .about([format!("U+{:04X}", u32::from(c))])
            .advise(match UNUSUAL_LINE_BREAKS.contains(&c) {
                true => "delete it: some readers take it for the end of a line, and YAML may read it as a space",
                false => "readers don't see what it does to the text; it is kept as it is",
            });
    }
}
