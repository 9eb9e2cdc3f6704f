//! What the fuzz targets share: a project in memory, and what must hold for whatever comes of it.

use std::sync::Arc;

use agentgen_build::{Code, Config, Generation, Project, Severity, Source, Target};

/// An agent file around `frontmatter`, which may be anything.
#[must_use]
pub fn agent(frontmatter: &str, body: &str) -> String {
    format!("---\nname: agent\ndescription: Helps.\n{frontmatter}\n---\n{body}")
}

/// `text` as a block of YAML that stands `depth` spaces deep.
#[must_use]
pub fn indented(text: &str, depth: usize) -> String {
    let indent = " ".repeat(depth);
    text.lines().map(|line| format!("{indent}{line}\n")).collect()
}

/// Generates everything for `files`, which are paths and texts, and checks what must always hold. Files that are not UTF-8 or
/// too large are left out.
pub fn generate(files: &[(&str, &str)], targets: &[Target]) -> Generation {
    let sources: Vec<Arc<Source>> = files
        .iter()
        .filter_map(|(path, text)| Source::from_bytes(path, text.as_bytes().to_vec()).ok())
        .collect();
    let project = Project {
        config: Config { targets: targets.to_vec(), ..Config::default() },
        sources,
        ..Project::default()
    };
    let generation = agentgen_build::generate(&project);
    check(&generation);
    generation
}

/// Fails if a diagnostic points outside its file, if the built-in templates made something invalid, if an error has artifacts,
/// or if an artifact does not parse in its own language.
pub fn check(generation: &Generation) {
    for diagnostic in &generation.diagnostics {
        assert!(
            !matches!(diagnostic.code, Code::BadTemplate | Code::BadOutput),
            "the built-in templates failed: {diagnostic:?}"
        );
        if let (Some(source), Some(span)) = (&diagnostic.source, diagnostic.span) {
            assert!(span.start <= span.end && span.end <= source.text().len(), "{diagnostic:?}");
            assert!(source.text().is_char_boundary(span.start), "{diagnostic:?}");
            assert!(source.text().is_char_boundary(span.end), "{diagnostic:?}");
        }
    }
    let failed = generation.diagnostics.iter().any(|d| d.severity == Severity::Error);
    assert_eq!(failed, generation.artifacts.is_empty(), "{:?}", generation.diagnostics);
    for artifact in &generation.artifacts {
        let path = artifact.path.as_str();
        assert!(!path.split('/').any(|part| part.is_empty() || part == ".."), "{path}");
        let Ok(text) = std::str::from_utf8(&artifact.bytes) else { panic!("{path} is not UTF-8") };
        match path.rsplit_once('.').map(|(_, extension)| extension) {
            Some("rs") => {
                syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}\n{text}"));
            }
            Some("json") => {
                serde_json::from_str::<serde_json::Value>(text).unwrap_or_else(|error| panic!("{path}: {error}\n{text}"));
            }
            Some("yaml") => {
                serde_yaml::from_str::<serde_json::Value>(text).unwrap_or_else(|error| panic!("{path}: {error}\n{text}"));
            }
            _ => {}
        }
    }
}
