//! The changes of the user's handlers when an agent goes or gets another name.

use std::fs;
use std::path::Path;

use agentgen_build::inspect::{
    STUB_MODULE, USUAL_STUBS, stub_of, with_contract_renamed, with_module_renamed, without_module,
};
use agentgen_build::{Agent, Project};

use crate::scaffold::file_change::FileChange;
use crate::scaffold::project_record::ProjectRecord;

/// The changes of handlers, and the file that stays although nothing names it any more.
#[derive(Debug, Default)]
pub struct HandlerEdit {
    /// What changes.
    pub changes: Vec<FileChange>,
    /// The handler that the user wrote, which is not deleted.
    pub kept: Option<String>,
}

/// The folder of handlers of `project`: the one in its settings, or the usual one.
pub fn handler_folder(project: &Project) -> &str {
    project.config.stubs.as_deref().unwrap_or(USUAL_STUBS)
}

/// Takes the handler in the module `module` out. Its file goes if it is still what agentgen wrote for `agent`, which is
/// none where the agent is gone already.
pub fn remove_handler(
    root: &Path,
    project: &Project,
    module: &str,
    agent: Option<&Agent>,
) -> HandlerEdit {
    let folder = handler_folder(project);
    let mut edit = HandlerEdit::default();
    let modules = format!("{folder}/{STUB_MODULE}");
    if let Some(text) = read(root, &modules) {
        let without = without_module(&text, module);
        if without != text {
            edit.changes.push(FileChange::edit(&modules, text, without));
        }
    }
    let path = format!("{folder}/{module}.rs");
    let record = ProjectRecord::read(root).ok().flatten();
    let as_written = |path: &str, text: &str| {
        let record = record.as_ref();
        record.is_some_and(|record| record.is_as_written(path, text.as_bytes()))
    };
    if let Some(text) = read(root, &path) {
        let stub = agent.and_then(|agent| stub_of(agent, &project.templates).ok());
        if stub.is_some_and(|stub| stub == text) || as_written(&path, &text) {
            edit.changes.push(FileChange::delete(&path, text));
        } else {
            edit.kept = Some(path);
        }
    }
    // The test of a sample agent.
    let test = format!("tests/{module}.rs");
    if let Some(text) = read(root, &test)
        && as_written(&test, &text)
    {
        edit.changes.push(FileChange::delete(&test, text));
    }
    edit
}

/// Moves the handler of the agent `from` to the one it becomes.
pub fn rename_handler(root: &Path, project: &Project, from: &Agent, to: &Agent) -> HandlerEdit {
    let folder = handler_folder(project);
    let mut edit = HandlerEdit::default();
    let (module, type_name) = (from.module.as_str(), from.type_name.as_str());
    let modules = format!("{folder}/{STUB_MODULE}");
    if let Some(text) = read(root, &modules) {
        let renamed = with_module_renamed(&text, module, type_name, to);
        if renamed != text {
            edit.changes.push(FileChange::edit(&modules, text, renamed));
        }
    }
    let path = format!("{folder}/{module}.rs");
    if let Some(text) = read(root, &path) {
        let is_stub = stub_of(from, &project.templates).is_ok_and(|stub| stub == text);
        let fresh = is_stub
            .then(|| stub_of(to, &project.templates).ok())
            .flatten();
        let renamed = fresh.unwrap_or_else(|| with_contract_renamed(&text, module, type_name, to));
        edit.changes.push(FileChange {
            before: Some((path, text.into_bytes())),
            after: Some((
                format!("{folder}/{}.rs", to.module.as_str()),
                renamed.into_bytes(),
            )),
        });
    }
    edit
}

fn read(root: &Path, path: &str) -> Option<String> {
    fs::read_to_string(root.join(path)).ok()
}
