//! Whether each file in the user's templates folder takes the place of a template.

use std::collections::BTreeSet;

use crate::diagnostics::Diagnostic;
use crate::diagnostics::code::Code;
use crate::diagnostics::span::Span;
use crate::project::{Project, UserTemplate};
use crate::targets::template_engine::BUILTIN;
use crate::text::did_you_mean::nearest;

/// The folder of the templates of `new` and `add`, which a project can't replace.
const PROJECT: &str = "project/";

/// Names that were templates once: the runtime's own operations and components. They are kept in
/// `crates/runtime/openapi`, beside the code they describe, and no template can change them.
const RUNTIME_CONTRACT: [&str; 6] = [
    "openapi/components.yaml.tera",
    "openapi/documents.yaml.tera",
    "openapi/passages.yaml.tera",
    "openapi/runs.yaml.tera",
    "openapi/schemas.yaml.tera",
    "openapi/shared.yaml.tera",
];

/// An error for every template of the user's that would have no effect: it is named like no built-in one, and no template that has
/// an effect names it or calls a component of it. A copy of a built-in one is no error: it promises nothing.
pub fn check(project: &Project) -> Vec<Diagnostic> {
    let used = used(&project.templates);
    let unused = project
        .templates
        .iter()
        .filter(|template| !used.contains(template.name.as_str()) && !is_copy(template));
    let mut diagnostics: Vec<Diagnostic> = unused.map(no_effect).collect();
    // A file that is no template at all may be anything, unless it is named like one.
    for name in &project.other_template_files {
        if let Some(near) = meant(name) {
            let path = format!("{}/{name}", project.config.templates);
            let message = "this file is no template: templates end in `.tera`";
            let help = format!("did you mean `{near}`?");
            diagnostics.push(Diagnostic::error(Code::BadTemplate, path, message).help(help));
        }
    }
    diagnostics
}

/// Whether the template is a built-in one, as it is.
fn is_copy(template: &UserTemplate) -> bool {
    BUILTIN.contains(&(template.name.as_str(), template.source.text()))
}

/// The names of the templates that a project can replace.
fn replaceable() -> impl Iterator<Item = &'static str> {
    let names = BUILTIN.iter().map(|(name, _)| *name);
    names.filter(|name| !name.starts_with(PROJECT))
}

/// The names of those that have an effect.
fn used(own: &[UserTemplate]) -> BTreeSet<&str> {
    let mut used = BTreeSet::new();
    let is_override = |template: &&UserTemplate| replaceable().any(|name| name == template.name);
    let mut open: Vec<&UserTemplate> = own.iter().filter(is_override).collect();
    while let Some(template) = open.pop() {
        if used.insert(template.name.as_str()) {
            let text = template.source.text();
            open.extend(own.iter().filter(|other| names(text, other)));
        }
    }
    used
}

/// Whether `text` names the template, as `include` and `extends` do, or calls one of its components.
fn names(text: &str, template: &UserTemplate) -> bool {
    let name = &template.name;
    let quoted = [
        format!("\"{name}\""),
        format!("'{name}'"),
        format!("`{name}`"),
    ];
    let definitions = template.source.text().split("{%").skip(1);
    let mut components = definitions.filter_map(|tag| {
        let tag = tag.trim_start_matches('-').trim_start();
        let rest = tag.strip_prefix("component")?;
        let rest = rest.strip_prefix(char::is_whitespace)?.trim_start();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.')?;
        Some(format!("<{}", &rest[..end]))
    });
    quoted.iter().any(|name| text.contains(name)) || components.any(|call| text.contains(&call))
}

fn no_effect(template: &UserTemplate) -> Diagnostic {
    let name = template.name.as_str();
    let (message, help) = if RUNTIME_CONTRACT.contains(&name) {
        (
            format!("`{name}` is not a template any more"),
            "the runtime describes its own operations and components in agentgen-runtime's folder `openapi`; to describe an \
             operation in other words, write its path into `openapi/service.yaml.tera`"
                .to_owned(),
        )
    } else if name.starts_with(PROJECT) {
        (
            format!(
                "`{name}` has no effect: a project can't replace the templates of `agentgen new`"
            ),
            "delete it".to_owned(),
        )
    } else {
        let help = match meant(name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "name it like a built-in one, which `agentgen templates export` writes, or include it in one that has an effect"
                .to_owned(),
        };
        (
            format!("`{name}` has no effect: there is no built-in template of that name"),
            help,
        )
    };
    Diagnostic::error(Code::BadTemplate, name, message)
        .at(&template.source, Span::default())
        .help(help)
}

/// The template that a file of that name was probably meant to replace.
fn meant(name: &str) -> Option<&'static str> {
    let file = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let with_ending = match name.ends_with(".tera") {
        true => name.to_owned(),
        false => format!("{name}.tera"),
    };
    // The right name in a wrong folder, or a name that is a little wrong.
    replaceable()
        .find(|known| *known == with_ending || file(known) == file(&with_ending))
        .or_else(|| nearest(&with_ending, replaceable()))
}
