//! The HTTP routes that a body mentions.

use serde::Serialize;

use crate::suggest::reading::MAX_FINDINGS;
use crate::suggest::reading::markdown::{Block, Kind};
use agentgen_build::inspect::Method;

/// A path that is spoken of as a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// The method in capitals, if one is named.
    pub method: Option<&'static str>,
    /// The path, with parameters in braces.
    pub path: String,
    /// Its line, or the first line of its block.
    pub line: usize,
}

/// The routes outside of code: a method and a path anywhere (`POST /chat`), a path alone in backticks where
/// the text around it mentions routes. Code below a title that does may list them, one a line.
pub fn read(blocks: &[Block]) -> Vec<Route> {
    let mut found: Vec<Route> = Vec::new();
    let mut titles: Vec<(usize, String)> = Vec::new();
    let mut columns = String::new();
    for block in blocks {
        if let Some(level) = block.level().filter(|_| block.is_title()) {
            titles.retain(|(above, _)| *above < level);
            titles.push((level, block.text.to_lowercase()));
        }
        if block.kind == Kind::Head {
            columns = block.cells.join(" ").to_lowercase();
        }
        // The title of the whole describes the agent, not the text below it.
        let above = titles
            .iter()
            .filter(|(level, _)| *level > 1 || titles.len() == 1);
        let mut context: String = above.map(|(_, title)| format!("{title} ")).collect();
        context.push_str(&match block.kind {
            Kind::Row => columns.clone(),
            Kind::Fence(_) => String::new(),
            _ => block.text.to_lowercase(),
        });
        let announced = mentions_routes(&context) && !mentions_commands(&context);
        let mut add = |method: Option<Method>, path: &str, line: usize| {
            let method = method.map(Method::as_str);
            let mut same = found.iter().filter(|route| route.path == path);
            let is_duplicate = same.any(|route| route.method == method || method.is_none());
            if is_duplicate || found.len() == MAX_FINDINGS {
                return;
            }
            found.retain(|route| !(route.path == path && route.method.is_none()));
            found.push(Route {
                method,
                path: path.to_owned(),
                line,
            });
        };
        match &block.kind {
            Kind::Head => {}
            Kind::Fence(language) => {
                if announced && matches!(language.as_str(), "" | "text" | "txt") {
                    for (index, method, path) in listed(&block.text).unwrap_or_default() {
                        add(Some(method), &path, block.line + 1 + index);
                    }
                }
            }
            Kind::Row => {
                let own = block
                    .cells
                    .iter()
                    .map(|cell| methods(cell))
                    .find(|own| !own.is_empty());
                let path = block.cells.iter().find_map(|cell| path(cell.trim()));
                match (own, path) {
                    (Some(own), Some(path)) => own
                        .into_iter()
                        .for_each(|method| add(Some(method), &path, block.line)),
                    (None, Some(path)) if announced => add(None, &path, block.line),
                    _ => {
                        for (method, path) in block.cells.iter().flat_map(|cell| with_methods(cell))
                        {
                            add(Some(method), &path, block.line);
                        }
                    }
                }
            }
            _ => {
                for (method, path) in with_methods(&block.text) {
                    add(Some(method), &path, block.line);
                }
                if announced {
                    for path in block.codes.iter().filter_map(|code| path(code.trim())) {
                        add(None, &path, block.line);
                    }
                }
            }
        }
    }
    found
}

/// The routes in `code` that lists nothing else, each with the number of its line from 0.
fn listed(code: &str) -> Option<Vec<(usize, Method, String)>> {
    let mut found = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut words = line.split_whitespace();
        let Some(first) = words.next().filter(|first| !first.starts_with('#')) else {
            continue;
        };
        let path = path(words.next()?)?;
        let own = methods(first);
        (!own.is_empty()).then_some(())?;
        found.extend(own.into_iter().map(|method| (index, method, path.clone())));
    }
    Some(found)
}

fn mentions_routes(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|word| {
        matches!(
            word,
            "route" | "routes" | "endpoint" | "endpoints" | "api" | "apis"
        )
    })
}

fn mentions_commands(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric()).any(|word| {
        matches!(
            word,
            "command" | "commands" | "slash" | "directory" | "folder"
        )
    })
}

/// Each method in `text` with the path it is for: `POST /chat`, "a POST to /chat", "/chat (GET, DELETE)".
fn with_methods(text: &str) -> Vec<(Method, String)> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let plain = word.trim_end_matches([',', '.', ';', ':', ')', '"', '\'']);
        let Some(path) = path(plain.trim_start_matches(['(', '"', '\''])) else {
            continue;
        };
        let mut before = words[..at].iter().rev().copied();
        let close = before.find(|word| !matches!(*word, "to" | "request" | "requests" | "on"));
        let mut own = close.map(methods).unwrap_or_default();
        let mut earlier = before;
        // "GET, POST /items", "GET and POST /items"
        while !own.is_empty()
            && let Some(word) = earlier.next().filter(|word| !word.contains([')', ']']))
            && let more = methods(word)
            && (!more.is_empty() || matches!(word, "and" | "or" | "&"))
        {
            own.splice(0..0, more);
        }
        if own.is_empty() && word.len() == plain.len() {
            let behind = words[at + 1..].iter().copied();
            let mut behind =
                behind.skip_while(|word| matches!(*word, "-" | "\u{2013}" | "\u{2014}"));
            let bracketed = |word: &&str| word.starts_with(['(', '[']) && !methods(word).is_empty();
            if let Some(first) = behind.next().filter(bracketed) {
                own = methods(first);
                let mut open = !first.ends_with([')', ']']);
                while open && let Some(word) = behind.next() {
                    own.extend(methods(word));
                    open = !word.ends_with([')', ']']) && !methods(word).is_empty();
                }
            }
        }
        found.extend(own.into_iter().map(|method| (method, path.clone())));
    }
    found
}

/// The methods that `text` names, if it names nothing else: `POST`, "GET, DELETE", `(GET|PUT)`.
fn methods(text: &str) -> Vec<Method> {
    let parts = text
        .split([',', '/', '|', ' '])
        .map(|part| part.trim_matches(|c: char| !c.is_ascii_alphanumeric()));
    let named = parts.filter(|part| !part.is_empty()).map(Method::parse);
    named.collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// The path that `text` is, with `:name`, `<name>` and `[name]` written as `{name}`.
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
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']'))
        // Flask says `<int:id>`, FastAPI `{id:int}`.
        .or_else(|| {
            text.strip_prefix('<')?
                .strip_suffix('>')?
                .rsplit(':')
                .next()
        })
        .or_else(|| text.strip_prefix('{')?.strip_suffix('}')?.split(':').next());
    match name {
        Some(name) => format!("{{{}}}", name.replace('-', "_")),
        None => text.to_owned(),
    }
}
