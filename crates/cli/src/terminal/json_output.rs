//! The document that `--format json` prints, the same for every command that reports diagnostics.
//!
//! ```json
//! {
//!   "diagnostics": [{"severity": "error", "code": "AG006", "path": "agents/x.md",
//!                    "line": 3, "column": 14, "end_line": 3, "end_column": 20, "message": "...", "help": "...",
//!                    "subjects": [], "related": []}],
//!   "changes": [{"path": "generated/prompts/x/prompt.md", "kind": "create"}],
//!   "left_alone": [],
//!   "summary": {"status": "written", "errors": 0, "warnings": 0, "notes": 0,
//!               "create": 1, "update": 0, "unchanged": 0, "delete": 0, "keep": 0, "conflict": 0}
//! }
//! ```
//!
//! `line` and `column` count from 1, columns in characters, and the end is behind the last character; they and `help` may be
//! null. `subjects` are the names that a diagnostic is about, such as tools; `related` are other places that belong to it.
//! Where agents were read, the summary has `agents`, `repaired` (how many of them) and `skipped` (paths and reasons). `status` is `written`, `unchanged`, `planned` (a dry run or drift check), `refused` (nothing was written),
//! `failed` (writing broke off) or, for a command that generates nothing, `checked`. The changes of `check --fix`
//! are the agent files it rewrote, those of `new` and `add` what they wrote. `left_alone` are the generated files outside of what
//! `build --only` or `--target` writes.

use agentgen_build::inspect::json_text;
use agentgen_build::{Diagnostic, Plan};
use serde_json::{Map, Value, json};

use crate::terminal::plural::Counts;
use crate::terminal::read_summary::ReadSummary;

const KINDS: [&str; 6] = [
    "create",
    "update",
    "unchanged",
    "delete",
    "keep",
    "conflict",
];

/// The document.
pub struct Document {
    diagnostics: Vec<Value>,
    changes: Vec<Value>,
    left_alone: Vec<String>,
    summary: Map<String, Value>,
}

impl Document {
    /// The document without changes.
    pub fn new(diagnostics: &[Diagnostic], status: &str) -> Self {
        let counts = Counts::of(diagnostics);
        let mut summary = Map::new();
        summary.insert("status".to_owned(), json!(status));
        summary.insert("errors".to_owned(), json!(counts.errors));
        summary.insert("warnings".to_owned(), json!(counts.warnings));
        summary.insert("notes".to_owned(), json!(counts.notes));
        for kind in KINDS {
            summary.insert(kind.to_owned(), json!(0));
        }
        Self {
            diagnostics: diagnostics.iter().map(diagnostic_value).collect(),
            changes: Vec::new(),
            left_alone: Vec::new(),
            summary,
        }
    }

    /// The same document with what was read.
    pub fn with_reading(mut self, reading: &ReadSummary) -> Self {
        let skipped = reading.skipped().iter();
        let skipped = skipped.map(|(path, reason)| json!({ "path": path, "reason": reason }));
        self.summary
            .insert("agents".to_owned(), json!(reading.agents()));
        self.summary
            .insert("repaired".to_owned(), json!(reading.repaired()));
        self.summary
            .insert("skipped".to_owned(), skipped.collect::<Vec<_>>().into());
        self
    }

    /// The same document with the changes of `plan`.
    pub fn with_plan(mut self, plan: &Plan<'_>) -> Self {
        for kind in KINDS {
            let count = plan.count(|found| found.as_str() == kind);
            self.summary.insert(kind.to_owned(), json!(count));
        }
        let left_alone = plan.left_alone.iter();
        self.left_alone = left_alone
            .map(|path| format!("{}/{path}", plan.name))
            .collect();
        self.changes = plan
            .changes
            .iter()
            .map(|change| {
                let path = format!("{}/{}", plan.name, change.path);
                json!({ "path": path, "kind": change.kind.as_str() })
            })
            .collect();
        self
    }

    /// The same document with files that were rewritten in place.
    pub fn with_rewritten(mut self, paths: &[String]) -> Self {
        self.summary.insert("update".to_owned(), json!(paths.len()));
        self.changes = paths
            .iter()
            .map(|path| json!({ "path": path, "kind": "update" }))
            .collect();
        self
    }

    /// The same document with files that were created.
    pub fn with_created<'a>(mut self, paths: impl IntoIterator<Item = &'a str>) -> Self {
        let before = self.summary["create"].as_u64().unwrap_or_default();
        let changes = self.changes.len();
        let created = paths.into_iter();
        self.changes
            .extend(created.map(|path| json!({ "path": path, "kind": "create" })));
        let count = before + (self.changes.len() - changes) as u64;
        self.summary.insert("create".to_owned(), json!(count));
        self
    }

    /// The same document with changes of all kinds: paths and kinds.
    pub fn with_changes<'a>(
        mut self,
        changes: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        for (path, kind) in changes {
            let count = self.summary.get(kind).and_then(Value::as_u64);
            self.summary
                .insert(kind.to_owned(), json!(count.unwrap_or(0) + 1));
            self.changes.push(json!({ "path": path, "kind": kind }));
        }
        self
    }

    /// The JSON text.
    pub fn text(&self) -> String {
        let document = json!({
            "diagnostics": self.diagnostics,
            "changes": self.changes,
            "left_alone": self.left_alone,
            "summary": self.summary,
        });
        format!("{}\n", json_text(&document))
    }
}

fn diagnostic_value(diagnostic: &Diagnostic) -> Value {
    let location = diagnostic.location();
    let end = diagnostic.end_location();
    let related = diagnostic.related.iter().map(|related| {
        let (start, end) = (related.location(), related.end_location());
        json!({
            "path": related.source.path(),
            "line": start.line,
            "column": start.column,
            "end_line": end.line,
            "end_column": end.column,
            "message": related.message,
        })
    });
    json!({
        "severity": diagnostic.severity.as_str(),
        "code": diagnostic.code.as_str(),
        "path": diagnostic.path,
        "line": location.map(|location| location.line),
        "column": location.map(|location| location.column),
        "end_line": end.map(|end| end.line),
        "end_column": end.map(|end| end.column),
        "message": diagnostic.message,
        "help": diagnostic.help,
        "subjects": diagnostic.subjects,
        "related": related.collect::<Vec<_>>(),
    })
}
