//! How large the service block of one agent may be.
//!
//! Invariant: it is counted before anything of the block is analysed, in time that grows with the file alone.

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::schema::picoschema::is_json_schema;
use crate::yaml::node::{Entry, Node, Value};

/// What is counted.
#[derive(Clone, Copy)]
enum Counted {
    Endpoints,
    Workflows,
    Steps,
    Tags,
    Types,
    Properties,
    Values,
    Patterns,
}

impl Counted {
    const ALL: [Self; 8] = [
        Self::Endpoints,
        Self::Workflows,
        Self::Steps,
        Self::Tags,
        Self::Types,
        Self::Properties,
        Self::Values,
        Self::Patterns,
    ];

    /// How much of it is the most.
    const fn most(self) -> usize {
        match self {
            Self::Workflows | Self::Patterns => 200,
            Self::Endpoints => 500,
            Self::Steps | Self::Tags => 1_000,
            Self::Types => 1_500,
            Self::Properties => 8_000,
            Self::Values => 20_000,
        }
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Endpoints => "endpoints",
            Self::Workflows => "workflows",
            Self::Steps => "steps in its workflows",
            Self::Tags => "tags",
            Self::Types => "objects and choices that become Rust types",
            Self::Properties => "properties and alternatives",
            Self::Values => "listed values",
            Self::Patterns => "patterns of property names",
        }
    }

    /// What to do about more.
    const fn advice(self) -> &'static str {
        match self {
            Self::Endpoints | Self::Workflows | Self::Steps => {
                "leave out what is not used, or make several agents"
            }
            Self::Tags => "tag an endpoint with the one or two groups it belongs to",
            Self::Types | Self::Properties => {
                "leave out what the endpoints do not use, or write `type: object` for a part that needs no type"
            }
            Self::Values => {
                "write `type: string` or `type: integer`, and check the value in a handler"
            }
            Self::Patterns => "write one pattern with alternatives, such as `^(a|b)_`",
        }
    }
}

/// Whether the service block in `node` is small enough; where it is not, an error says what there is too much of.
pub fn check(node: &Node, report: &mut Report) -> bool {
    let mut size = Size::default();
    size.count_service(node);
    let mut good = true;
    for counted in Counted::ALL {
        let (count, place) = size.counts[counted as usize];
        let (noun, most) = (counted.noun(), counted.most());
        if count > most {
            let message = format!("the service block has {count} {noun}, and {most} are the most");
            let place = place.unwrap_or(node.span);
            report
                .error(Code::BadSetting, place, message)
                .advise(counted.advice());
            good = false;
        }
    }
    good
}

/// How much there is of each [`Counted`], and the place where it became too much.
#[derive(Default)]
struct Size {
    counts: [(usize, Option<Span>); Counted::ALL.len()],
}

impl Size {
    fn add(&mut self, counted: Counted, more: usize, place: Span) {
        let (count, first) = &mut self.counts[counted as usize];
        *count += more;
        if *count > counted.most() {
            first.get_or_insert(place);
        }
    }

    fn count_service(&mut self, service: &Node) {
        for part in service.entries().unwrap_or_default() {
            let counted = match part.key.as_str() {
                "endpoints" => Counted::Endpoints,
                "workflows" => Counted::Workflows,
                _ => continue,
            };
            let entries = part.value.entries().unwrap_or_default();
            self.add(counted, entries.len(), part.key_span);
            for entry in entries {
                if matches!(counted, Counted::Workflows) {
                    self.count_steps(&entry.value);
                }
                for setting in entry.value.entries().unwrap_or_default() {
                    self.count_setting(setting);
                }
            }
        }
    }

    fn count_steps(&mut self, workflow: &Node) {
        let steps = workflow.items().or_else(|| workflow.get("steps")?.items());
        for step in steps.unwrap_or_default() {
            let parallel = step.get("parallel").and_then(Node::items);
            self.add(Counted::Steps, parallel.map_or(1, <[Node]>::len), step.span);
        }
    }

    fn count_setting(&mut self, setting: &Entry) {
        let Entry {
            key,
            key_span,
            value,
        } = setting;
        match key.as_str() {
            "tags" => self.add(
                Counted::Tags,
                value.items().map_or(0, <[Node]>::len),
                *key_span,
            ),
            "input" | "output" if is_json_schema(value) => self.count_schema(value),
            "input" | "output" => self.count_shorthand(value),
            _ => {}
        }
    }

    fn count_schema(&mut self, node: &Node) {
        let below = match &node.value {
            Value::Map(entries) => entries,
            Value::List(items) => return items.iter().for_each(|item| self.count_schema(item)),
            _ => return,
        };
        for Entry {
            key,
            key_span,
            value,
        } in below
        {
            let entries = value.entries().map_or(0, <[Entry]>::len);
            let items = value.items().map_or(0, <[Node]>::len);
            match key.as_str() {
                "properties" => {
                    self.add(Counted::Types, usize::from(entries > 0), *key_span);
                    self.add(Counted::Properties, entries, *key_span);
                }
                "patternProperties" => self.add(Counted::Patterns, entries, *key_span),
                "dependentSchemas" | "$defs" | "definitions" => {
                    self.add(Counted::Properties, entries, *key_span)
                }
                "oneOf" | "anyOf" => {
                    // A value or null is no type of its own.
                    self.add(Counted::Types, usize::from(items > 2), *key_span);
                    self.add(Counted::Properties, items, *key_span);
                }
                "allOf" | "prefixItems" => self.add(Counted::Properties, items, *key_span),
                "enum" => {
                    self.add(Counted::Types, usize::from(items > 1), *key_span);
                    self.add(Counted::Values, items, *key_span);
                }
                "examples" => self.add(Counted::Values, items, *key_span),
                _ => {}
            }
            self.count_schema(value);
        }
    }

    fn count_shorthand(&mut self, node: &Node) {
        let entries = node.entries().unwrap_or_default();
        self.add(Counted::Types, usize::from(!entries.is_empty()), node.span);
        self.add(Counted::Properties, entries.len(), node.span);
        for Entry {
            key_span, value, ..
        } in entries
        {
            let items = value.items().map_or(0, <[Node]>::len);
            self.add(Counted::Values, items, *key_span);
            self.count_shorthand(value);
        }
    }
}
