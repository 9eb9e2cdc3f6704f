//! Paths of endpoints.

use heck::ToKebabCase;

use crate::diagnostics::Report;
use crate::diagnostics::code::Code;
use crate::text::slug::Slug;
use crate::yaml::node::Node;
use crate::yaml::yaml_settings;

/// Paths that the runtime serves itself; what lies below those that end in `/` too.
const RESERVED: &[&str] = &[
    "/.well-known/",
    "/a2a",
    "/a2a/",
    "/arazzo.json",
    "/auth/",
    "/console",
    "/console/",
    "/docs",
    "/docs/",
    "/healthz",
    "/livez",
    "/metrics",
    "/openapi.json",
    "/readyz",
    "/v1/actions",
    "/v1/agents",
    "/v1/agents/",
    "/v1/route",
    "/v1/runs",
    "/v1/runs/",
    "/v1/sessions",
    "/v1/sessions/",
    "/v1/workflows",
    "/v1/workflows/",
];

/// The longest path of an endpoint, in bytes: servers and clients limit a whole URL to a few thousand.
const MAX_PATH: usize = 500;

/// The path in `node`: segments of letters, digits, `-`, `.`, `_` and `~`, or `{parameters}`.
pub fn read(node: &Node, report: &mut Report) -> Option<String> {
    let path = yaml_settings::text(node, report)?;
    if let Some((message, advice)) = path_error(path) {
        report
            .error(Code::BadEndpoint, node.span, message)
            .advise(advice);
        return None;
    }
    Some(path.to_owned())
}

/// The names of the parameters in `path`, in its order.
pub fn parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

/// `path` with every parameter's name left out: paths that become the same can't be distinguished.
pub fn shape(path: &str) -> String {
    let segments: Vec<&str> = path
        .split('/')
        .map(|segment| {
            if segment.starts_with('{') {
                "{}"
            } else {
                segment
            }
        })
        .collect();
    segments.join("/")
}

/// The segment of a path for the endpoint `name`.
pub fn segment(name: &str) -> String {
    match Slug::new(name) {
        Ok(slug) => slug.to_string(),
        Err(_) => name.to_kebab_case(),
    }
}

/// What is wrong with `path`, and what to do about it.
pub fn path_error(path: &str) -> Option<(String, String)> {
    let Some(rest) = path.strip_prefix('/') else {
        return Some((
            format!("the path `{path}` does not start with `/`"),
            format!("write `/{path}`"),
        ));
    };
    if rest.split('/').any(str::is_empty) {
        return Some((
            format!("the path `{path}` has an empty segment"),
            "write the segments with one `/` in front of each".to_owned(),
        ));
    }
    if path.len() > MAX_PATH {
        return Some((
            format!("the path has {} bytes", path.len()),
            format!("{MAX_PATH} are the most"),
        ));
    }
    if let Some(wrong) = rest.split('/').find_map(segment_error) {
        return Some(wrong);
    }
    let mut seen: Vec<&str> = Vec::new();
    for name in parameters(path) {
        if seen.contains(&name) {
            return Some((
                format!("the parameter `{name}` is twice in the path"),
                "give each a name of its own".to_owned(),
            ));
        }
        seen.push(name);
    }
    let reserved = RESERVED
        .iter()
        .any(|own| path == *own || (own.ends_with('/') && path.starts_with(own)));
    reserved.then(|| {
        (
            format!("the service itself answers `{path}`"),
            "choose another path".to_owned(),
        )
    })
}

/// What is wrong with one segment of a path.
fn segment_error(segment: &str) -> Option<(String, String)> {
    let parameter = segment
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    if let Some(name) = parameter {
        let mut characters = name.chars();
        let first = characters.next();
        let fits = first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        return (!fits).then(|| {
            (
                format!("a parameter of a path can't be named `{name}`"),
                "start with a letter or `_`; letters, digits, `_`, `-` and `.` may follow, as in `/items/{item-id}`"
                    .to_owned(),
            )
        });
    }
    if segment.contains(['{', '}']) {
        return Some((
            format!("the segment `{segment}` is only partly a parameter"),
            "make the parameter a segment of its own, as in `/items/{id}`".to_owned(),
        ));
    }
    let fits = segment != "."
        && segment != ".."
        && segment
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    (!fits).then(|| {
        (
            format!("the segment `{segment}` is not allowed in a path"),
            "use letters, digits, `-`, `.`, `_`, `~`, or a parameter as in `/items/{id}`"
                .to_owned(),
        )
    })
}
