//! One schema that is being read, and the way to its parts.

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::schema::parse::keywords::{Topic, check, wrong_kind};
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
    /// Whether it is the one at the top.
    pub top: bool,
}

impl Cursor<'_, '_> {
    /// Checks that the keywords are about `topics`, those of a value that is `kind` in words.
    pub fn check(&mut self, topics: &[Topic], kind: &str) -> bool {
        let mut topics = topics.to_vec();
        if self.top {
            topics.push(Topic::Top);
        }
        check(self.entries, &topics, kind, self.reader.report)
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
    pub defs: &'a [Entry],
    /// Where everything that is wrong goes.
    pub report: &'a mut Report,
    /// Whether an object that names properties refuses others when it doesn't speak of them.
    pub closed: bool,
    /// Whether the schema was written in shorthand, where `any` needs no note.
    pub shorthand: bool,
    /// The way down to the schema in a part; `true` for the one at the top. It is handed down, so that
    /// the kinds of schemas need not know the file that knows all of them.
    pub descend: Descend,
}

/// Reads one schema with all its parts.
pub type Descend = fn(&mut Reader<'_>, &Node, bool) -> Option<Type>;

impl Reader<'_> {
    /// The type of the schema in `node`. None where something is wrong with it.
    pub fn read(&mut self, node: &Node) -> Option<Type> {
        (self.descend)(self, node, false)
    }

    /// The definition called `name`.
    pub fn def(&self, name: &str) -> Option<&Node> {
        self.defs
            .iter()
            .find(|entry| entry.key == name)
            .map(|entry| &entry.value)
    }

    /// The name of the definition that `reference` (the value of `$ref`) names.
    pub fn reference(&mut self, reference: &Node) -> Option<String> {
        let Some(text) = reference.as_str() else {
            wrong_kind(
                "$ref",
                reference,
                "text such as `#/$defs/NAME`",
                self.report,
            );
            return None;
        };
        let Some(name) = text.strip_prefix("#/$defs/") else {
            let message = format!("{text:?} refers to something outside of `$defs`");
            self.report
                .error(Code::UnsupportedSchema, reference.span, message)
                .advise("move what is meant to `$defs` at the top of this schema");
            return None;
        };
        if self.def(name).is_none() {
            let names: Vec<&str> = self.defs.iter().map(|entry| entry.key.as_str()).collect();
            let advice = match names.as_slice() {
                [] => "this schema has no `$defs`".to_owned(),
                names => format!("the definitions are {}", names.join(", ")),
            };
            let message = format!("there is no definition {name:?}");
            self.report
                .error(Code::BadSchema, reference.span, message)
                .advise(advice);
            return None;
        }
        Some(name.to_owned())
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
