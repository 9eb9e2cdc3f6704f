//! One schema that is being read, and the way to its parts.

use std::collections::BTreeMap;

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::schema::closing::Closing;
use crate::schema::parse::keywords::{Topic, check};
use crate::schema::schema_type::Type;
use crate::yaml::node::{Entry, Node};

/// One schema that is being read.
pub struct Cursor<'r, 'a> {
    /// The way to its parts.
    pub reader: &'r mut Reader<'a>,
    /// The schema.
    pub node: &'r Node,
    /// Its keywords.
    pub entries: &'r [Entry],
    /// Whether the type that is read lets through more than the schema.
    pub rest: bool,
}

impl Cursor<'_, '_> {
    /// Checks that the keywords are about `topics`, those of a value that is `kind` in words.
    pub fn check(&mut self, topics: &[Topic], kind: &str) -> bool {
        let checked = check(self.entries, topics, kind, self.reader.report);
        self.rest |= checked.rest;
        checked.good
    }

    /// Notes that no type says what the schema says, so that a wider one is taken and the value is checked besides.
    pub fn widen(&mut self, span: Span, message: impl Into<String>, advice: impl Into<String>) {
        self.rest = true;
        self.reader
            .report
            .note(Code::OpenSchema, span, message)
            .advise(advice);
    }

    /// Reports an error about the schema as a whole.
    pub fn error(&mut self, code: Code, message: impl Into<String>, advice: impl Into<String>) {
        self.reader
            .report
            .error(code, self.node.span, message)
            .advise(advice);
    }
}

/// What is needed to read any part of a schema.
pub struct Reader<'a> {
    /// The definitions.
    pub defs: BTreeMap<&'a str, &'a Node>,
    /// Where everything that is wrong goes.
    pub report: &'a mut Report,
    /// How objects are closed; none where they let through what they do not name.
    pub closing: Option<&'a Closing<'a>>,
    /// How many types were read that have a name in Rust.
    pub named: usize,
    /// Whether the schema was written in shorthand, where `any` needs no note.
    pub shorthand: bool,
    /// The way down to the schema in a part. It is handed down, so that the kinds of schemas need not know the file
    /// that knows all of them.
    pub descend: Descend,
}

/// Reads one schema with all its parts.
pub type Descend = fn(&mut Reader<'_>, &Node) -> Option<Type>;

impl Reader<'_> {
    /// The type of the schema in `node`. None where something is wrong with it.
    pub fn read(&mut self, node: &Node) -> Option<Type> {
        (self.descend)(self, node)
    }

    /// The definition called `name`.
    pub fn def(&self, name: &str) -> Option<&Node> {
        self.defs.get(name).copied()
    }

    /// The name of the definition that `node` refers to, if it does nothing else.
    pub fn reference<'n>(&self, node: &'n Node) -> Option<&'n str> {
        let name = node.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?;
        self.def(name).map(|_| name)
    }

    /// The schema in `node`, or the one that its references lead to.
    pub fn target<'n>(&'n self, mut node: &'n Node) -> &'n Node {
        for _ in 0..=self.defs.len() {
            match self.reference(node).and_then(|name| self.def(name)) {
                Some(target) => node = target,
                None => break,
            }
        }
        node
    }

    /// Notes that the schema at `node` leaves open what the value is.
    pub fn open(&mut self, node: &Node, message: &str) {
        if !self.shorthand {
            self.report
                .note(Code::OpenSchema, node.span, message)
                .advise("say what it is with `type`");
        }
    }
}
