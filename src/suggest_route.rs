//! The routes that a body speaks of.

use serde::Serialize;

use crate::markdown::{Block, Kind};
use crate::method::Method;
use crate::suggest::MAX_FINDINGS;

/// A path that is spoken of as a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// The method in capitals, if one is named.
    pub method: Option<&'static str>,
    /// The path, with parameters in braces.
    pub path: String,
    /// The line it stands on, or the first line of the block it stands in.
    pub line: usize,
}

/// The routes outside of code: a method and a path anywhere (`POST /chat`), a path alone in backticks where
/// the text around it speaks of routes.
pub fn read(blocks: &[Block]) -> Vec<Route> {
    let mut found: Vec<Route> = Vec::new();
    let mut title = String::new();
    let mut columns = String::new();
    for block in blocks {
        if block.is_title() {
            title = block.text.to_lowercase();
        }
        if block.kind == Kind::Head {
            columns = block.cells.join(" ").to_lowercase();
        }
        let text = block.text.to_lowercase();
        let context = match block.kind {
            Kind::Fence(_) | Kind::Head => continue,
            Kind::Row => format!("{title} {columns}"),
            _ => format!("{title} {text}"),
        };
        let announced = speaks_of_routes(&context) && !speaks_of_commands(&context);
        let mut add = |method: Option<Method>, path: &str| {
            let method = method.map(Method::name);
            let mut same = found.iter().filter(|route| route.path == path);
            let known = same.any(|route| route.method == method || method.is_none());
            if known || found.len() == MAX_FINDINGS {
                return;
            }
            found.retain(|route| !(route.path == path && route.method.is_none()));
            found.push(Route {
                method,
                path: path.to_owned(),
                line: block.line,
            });
        };
        if block.kind == Kind::Row {
            let method = block.cells.iter().find_map(|cell| method(cell.trim()));
            let path = block.cells.iter().find_map(|cell| path(cell.trim()));
            if let Some(path) = path.filter(|_| method.is_some() || announced) {
                add(method, &path);
                continue;
            }
        }
        for (method, path) in with_methods(&block.text) {
            add(Some(method), &path);
        }
        if announced {
            for path in block.codes.iter().filter_map(|code| path(code.trim())) {
                add(None, &path);
            }
        }
    }
    found
}

fn speaks_of_routes(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|word| {
        matches!(
            word,
            "route" | "routes" | "endpoint" | "endpoints" | "api" | "apis"
        )
    })
}

fn speaks_of_commands(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|word| {
        matches!(
            word,
            "command" | "commands" | "slash" | "directory" | "folder"
        )
    })
}

/// Each method in `text` with the path right behind it.
fn with_methods(text: &str) -> Vec<(Method, String)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    words
        .windows(2)
        .filter_map(|pair| {
            let method = method(pair[0].trim_start_matches(['(', '"', '\'']))?;
            let plain = pair[1].trim_end_matches([',', '.', ';', ':', ')', '"', '\'']);
            Some((method, path(plain)?))
        })
        .collect()
}

fn method(text: &str) -> Option<Method> {
    Method::ALL
        .into_iter()
        .find(|method| method.name() == text.trim_end_matches(':'))
}

/// The path that `text` is, with `:name` and `<name>` written as `{name}`.
fn path(text: &str) -> Option<String> {
    let rest = text.strip_prefix('/')?;
    let rest = rest.split('?').next()?;
    let segments: Vec<String> = rest.trim_end_matches('/').split('/').map(segment).collect();
    let path = format!("/{}", segments.join("/"));
    let plain = |segment: &String| {
        !segment.is_empty()
            && segment
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~{}".contains(&byte))
    };
    // A path of the file system is no route.
    let system = [
        "usr",
        "etc",
        "var",
        "tmp",
        "home",
        "opt",
        "bin",
        "dev",
        "node_modules",
    ];
    let files =
        system.contains(&segments[0].as_str()) || path.rsplit('.').next().is_some_and(is_ending);
    (segments.iter().all(plain) && !files).then_some(path)
}

fn is_ending(text: &str) -> bool {
    matches!(
        text,
        "md" | "txt"
            | "py"
            | "rs"
            | "js"
            | "ts"
            | "tsx"
            | "yaml"
            | "yml"
            | "toml"
            | "html"
            | "css"
            | "sh"
    )
}

fn segment(text: &str) -> String {
    let name = text
        .strip_prefix(':')
        .or_else(|| text.strip_prefix('<')?.strip_suffix('>'))
        .or_else(|| text.strip_prefix('{')?.strip_suffix('}'));
    match name {
        Some(name) => format!("{{{}}}", name.replace('-', "_")),
        None => text.to_owned(),
    }
}
