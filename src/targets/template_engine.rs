//! The templates that outputs are made with: embedded ones, and the user's in front of them.

use std::sync::{Arc, OnceLock};

use serde::Serialize;
use tera::{Context, ErrorKind, Kwargs, Map, State, Tera, TeraResult, Value};

use crate::diagnostics::Diagnostic;
use crate::diagnostics::code::Code;
use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::project::UserTemplate;
use crate::targets::openapi::document_shape::Shapes;
use crate::targets::render_limits::{self, RenderError};
use crate::text::{escaped_json, rust_literal};

/// The embedded templates, sorted by their path below `templates/`, and their texts.
pub static BUILTIN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// The prefix of the name of an embedded template, so that a user's can extend it.
const PREFIX: &str = "builtin/";

/// All templates of a project, parsed.
pub struct Templates {
    tera: Arc<Tera>,
    /// What was said of the first template that exceeded its limits. No other one is rendered then: each could take as long.
    exceeded: OnceLock<Diagnostic>,
    own: Vec<UserTemplate>,
    /// The documents that the built-in templates made.
    pub(crate) shapes: Shapes,
}

impl Templates {
    /// The embedded templates, with the user's in front: a template named like an embedded one
    /// takes its place, and can extend or include that one as `builtin/<name>`.
    ///
    /// # Errors
    ///
    /// A diagnostic with the place in the template that can't be parsed.
    pub fn new(own: &[UserTemplate]) -> Result<Self, Diagnostic> {
        let mut tera = Tera::new();
        tera.autoescape_on(Vec::<&str>::new());
        register_filters(&mut tera);
        let mut templates = Self {
            tera: Arc::default(),
            exceeded: OnceLock::new(),
            own: own.to_vec(),
            shapes: Shapes::default(),
        };
        tera.set_fallback_prefixes([PREFIX])
            .map_err(|error| templates.diagnostic(&error, PREFIX))?;
        let files = BUILTIN.iter();
        let files = files.map(|(name, text)| (format!("{PREFIX}{name}"), (*text).to_owned()));
        let own = own
            .iter()
            .map(|template| (template.name.clone(), template.source.text().to_owned()));
        let all: Vec<(String, String)> = files.chain(own).collect();
        tera.add_raw_templates(all)
            .map_err(|error| templates.diagnostic(&error, PREFIX))?;
        templates.tera = Arc::new(tera);
        Ok(templates)
    }

    /// The text that the template `name` makes of `context`.
    ///
    /// # Errors
    ///
    /// A diagnostic with the place in the template where rendering failed.
    pub fn render(&self, name: &str, context: &impl Serialize) -> Result<String, Diagnostic> {
        if let Some(diagnostic) = self.exceeded.get() {
            return Err(diagnostic.clone());
        }
        let values =
            Context::from_serialize(context).map_err(|error| self.diagnostic(&error, name))?;
        let rendered = match self.own.is_empty() {
            true => self
                .tera
                .render(name, &values)
                .map_err(RenderError::Template),
            false => render_limits::render(&self.tera, name, values),
        };
        rendered.map_err(|error| match error {
            RenderError::Template(error) => {
                let diagnostic = self.diagnostic(&error, name);
                match diagnostic.message == UNDEFINED {
                    true => name_undefined(diagnostic, context),
                    false => diagnostic,
                }
            }
            RenderError::Limit(message) => {
                let diagnostic = self.at(name, Span::default(), message);
                self.exceeded.get_or_init(|| diagnostic).clone()
            }
        })
    }

    /// Whether the user has no templates.
    pub(crate) fn are_built_in(&self) -> bool {
        self.own.is_empty()
    }

    /// The user's own template of that name, if there is one.
    pub fn own(&self, name: &str) -> Option<&Arc<Source>> {
        let own = self.own.iter().find(|template| template.name == name);
        own.map(|template| &template.source)
    }

    /// What to say when the template `name` made something that can't be used.
    pub fn bad_output(&self, name: &str, message: impl Into<String>) -> Diagnostic {
        let diagnostic = Diagnostic::error(Code::BadOutput, name, message);
        match self.own(name) {
            Some(source) => diagnostic.at(source, Span::default()),
            None => diagnostic,
        }
    }

    fn diagnostic(&self, error: &tera::Error, name: &str) -> Diagnostic {
        let (ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report)) = error.kind()
        else {
            return self.diagnostic_of_text(&error.to_string(), name);
        };
        let span = Span::new(report.span().range.start, report.span().range.end);
        self.at(report.filename(), span, lower(report.message()))
    }

    /// Some errors of Tera are text only: the message, and below it `--> template:line:column`.
    fn diagnostic_of_text(&self, text: &str, name: &str) -> Diagnostic {
        let message = text.lines().next().unwrap_or(text);
        let message = lower(message.strip_prefix("error: ").unwrap_or(message));
        let place = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("--> "));
        let mut parts = place.unwrap_or("").rsplitn(3, ':');
        let column = parts.next().and_then(|column| column.parse().ok());
        let line = parts.next().and_then(|line| line.parse().ok());
        let (Some(column), Some(line), Some(file)) = (column, line, parts.next()) else {
            let name = self
                .own
                .iter()
                .map(|own| own.name.as_str())
                .find(|own| message.contains(own))
                .unwrap_or(name);
            return self.at(name, Span::default(), message);
        };
        let offset = self
            .own(file)
            .map_or(0, |source| source.offset(line, column));
        self.at(file, Span::new(offset, offset + 1), message)
    }

    fn at(&self, name: &str, span: Span, message: String) -> Diagnostic {
        let diagnostic = Diagnostic::error(Code::BadTemplate, name, message);
        match self.own(name) {
            Some(source) => diagnostic
                .at(source, span)
                .help("`agentgen templates export` writes the built-in templates to compare with"),
            None => diagnostic,
        }
    }
}

/// What a filter says of a value that is not there; it does not see which.
const UNDEFINED: &str = "the value is not defined";

/// Names the value that a filter found missing: it is in front of the filter. Where it is a field of
/// what the template is given, says which fields there are.
fn name_undefined(diagnostic: Diagnostic, context: &impl Serialize) -> Diagnostic {
    let (Some(source), Some(span)) = (diagnostic.source.clone(), diagnostic.span) else {
        return diagnostic;
    };
    let before = source.text()[..span.start].trim_end();
    let before = before.strip_suffix('|').unwrap_or(before).trim_end();
    let is_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let path = &before[before.trim_end_matches(is_path).len()..];
    if path.is_empty() {
        return diagnostic;
    }
    let start = before.len() - path.len();
    let mut diagnostic = diagnostic.at(&source, Span::new(start, before.len()));
    diagnostic.message = format!("`{path}` is not defined");
    let context = serde_json::to_value(context).unwrap_or_default();
    let mut parent = &context;
    for part in path.split('.') {
        match parent.get(part) {
            Some(inner) => parent = inner,
            None => {
                let fields = parent.as_object().into_iter().flat_map(|map| map.keys());
                let fields: Vec<&str> = fields.map(String::as_str).collect();
                // A loop's variable is not among what the template is given.
                if parent != &context || !path.contains('.') {
                    diagnostic
                        .message
                        .push_str(&format!("; there are {}", fields.join(", ")));
                }
                break;
            }
        }
    }
    diagnostic
}

/// Tera's sentences as fragments: a small first letter, and no line breaks.
fn lower(message: &str) -> String {
    let message = message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let mut chars = message.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => message,
    }
}

fn register_filters(tera: &mut Tera) {
    tera.register_filter("json", |value: &Value, _: Kwargs, _: &State| {
        to_json(value).map(|json| escaped_json::compact(&json))
    });
    tera.register_filter("json_pretty", |value: &Value, _: Kwargs, _: &State| {
        to_json(value).map(|json| escaped_json::pretty(&json))
    });
    tera.register_filter("rust_str", |text: &str, _: Kwargs, _: &State| {
        rust_literal::literal(text)
    });
    tera.register_filter("rust_doc", |text: &str, _: Kwargs, _: &State| {
        rust_literal::doc(text)
    });
    tera.register_filter("rust_opt", rust_opt);
    tera.register_filter("rust_list", |texts: Vec<String>, _: Kwargs, _: &State| {
        rust_literal::str_slice(&texts)
    });
    // Tera's own `group_by` goes through a hash map: its order changes from run to run.
    tera.register_filter("group_by", group_by);
}

fn to_json(value: &Value) -> TeraResult<serde_json::Value> {
    if value.is_undefined() {
        return Err(tera::Error::message(UNDEFINED));
    }
    serde_json::to_value(value).map_err(tera::Error::message)
}

/// A value that may be none as an `Option` in Rust: `5` becomes `Some(5)`, `"a"` becomes `Some("a")`, a list of texts
/// `Some(&["a"])`. With `code=true`, a text is Rust code already.
fn rust_opt(value: &Value, kwargs: Kwargs, _: &State) -> TeraResult<String> {
    let is_code = kwargs.get::<bool>("code")?.unwrap_or(false);
    let value = match to_json(value)? {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) if is_code => Some(text),
        serde_json::Value::String(text) => Some(rust_literal::literal(&text)),
        serde_json::Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(serde_json::Value::as_str).collect();
            let texts = texts.ok_or_else(|| {
                tera::Error::message("the list contains values that are not texts")
            })?;
            Some(rust_literal::str_slice(&texts))
        }
        other => Some(other.to_string()),
    };
    Ok(rust_literal::option(value))
}

fn group_by(values: &[Value], kwargs: Kwargs, _: &State) -> TeraResult<Map> {
    let attribute = kwargs.must_get::<&str>("attribute")?;
    let mut groups: Vec<(String, Vec<Value>)> = Vec::new();
    for value in values {
        let Some(key) = value.get_from_path(attribute) else {
            return Err(tera::Error::message(format!(
                "a value has no attribute `{attribute}` to group by"
            )));
        };
        if key.is_none() {
            continue;
        }
        let key = key.to_string();
        match groups.iter_mut().find(|(other, _)| *other == key) {
            Some((_, group)) => group.push(value.clone()),
            None => groups.push((key, vec![value.clone()])),
        }
    }
    Ok(groups
        .into_iter()
        .map(|(key, group)| (key.into(), group.into()))
        .collect())
}
