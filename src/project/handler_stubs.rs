//! The user's handlers on disk: the module over them and the file of each, as far as a check of the agents needs them.

use std::path::Path;
use std::sync::Arc;

use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::project::discover::read;

/// The file that declares the modules of the handlers.
pub const MODULE_FILE: &str = "mod.rs";
/// The folder of handlers in a project whose settings name none: the one that `agentgen new` makes.
pub const USUAL_FOLDER: &str = "src/agents";

/// The module over the handlers, and the files of the modules that it declares.
#[derive(Debug, Clone)]
pub struct HandlerStubs {
    /// `mod.rs`.
    pub module: Arc<Source>,
    /// The files beside it, each with the name of its module.
    pub handlers: Vec<(String, Arc<Source>)>,
}

/// Reads the handlers in `folder` of the project at `root`; none where there is no readable `mod.rs`.
pub fn read_handlers(root: &Path, folder: &str) -> Option<HandlerStubs> {
    let open = |file: &str| {
        let path = root.join(folder).join(file);
        read(&path, &format!("{folder}/{file}")).ok()
    };
    let module = open(MODULE_FILE)?;
    let declared = declarations(module.text());
    let handlers = declared
        .filter_map(|(name, _)| Some((name.to_owned(), open(&format!("{name}.rs"))?)))
        .collect();
    Some(HandlerStubs { module, handlers })
}

/// The handlers in the usual folder of the project at `root`, if what is there are handlers.
pub fn usual_handlers(root: &Path) -> Option<HandlerStubs> {
    let found = read_handlers(root, USUAL_FOLDER)?;
    let is_ours = generated_names(found.module.text()).any(|(name, _)| name == "Handlers");
    is_ours.then_some(found)
}

/// The modules that the text of a `mod.rs` declares, with the places of their names.
pub fn declarations(text: &str) -> impl Iterator<Item = (&str, Span)> {
    let mut start = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let line_start = start;
        start += line.len();
        let code = line.trim();
        let name = code.strip_suffix(';')?;
        let name = match name.split_once("mod ")? {
            ("", name) => name,
            (head, name) if head.starts_with("pub") && !head.contains("//") => name,
            _ => return None,
        };
        let at = line_start + line.find(name)?;
        Some((name, Span::new(at, at + name.len())))
    })
}

/// The words behind `generated::` in `text`, outside of comments, with their places.
pub fn generated_names(text: &str) -> impl Iterator<Item = (&str, Span)> {
    const PREFIX: &str = "generated::";
    text.match_indices(PREFIX).filter_map(|(at, _)| {
        let line = text[..at].rsplit('\n').next().unwrap_or_default();
        if line.trim_start().starts_with("//") {
            return None;
        }
        let start = at + PREFIX.len();
        let rest = &text[start..];
        let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        let name = &rest[..length.unwrap_or(rest.len())];
        Some((name, Span::new(start, start + name.len())))
    })
}
