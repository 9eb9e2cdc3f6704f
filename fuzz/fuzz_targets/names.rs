//! Names: slugs and identifiers are valid by construction, and a slug is its own slug.
#![no_main]

use agentgen_build::Target;
use agentgen_build::inspect::{Ident, Slug};
use agentgen_fuzz::generate;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(slug) = Slug::new(text) {
        let slug = slug.to_string();
        assert!(slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'), "{slug}");
        assert!(!slug.starts_with('-') && !slug.ends_with('-') && !slug.contains("--"), "{slug}");
        assert_eq!(Slug::new(&slug).map(|again| again.to_string()), Ok(slug.clone()));
    }
    for ident in [Ident::snake(text), Ident::camel(text), Ident::constant(text)].into_iter().flatten() {
        syn::parse_str::<syn::Ident>(ident.as_str()).unwrap_or_else(|error| panic!("{ident:?}: {error}"));
    }
    let names: Vec<&str> = text.lines().take(4).collect();
    let files: Vec<(String, String)> = names
        .iter()
        .enumerate()
        .filter_map(|(index, name)| {
            let name = serde_json::to_string(name).ok()?;
            Some((format!("agents/agent{index}.md"), format!("---\nname: {name}\ndescription: Helps.\n---\nHelp.\n")))
        })
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    generate(&files, &[Target::Rust, Target::Openapi]);
});
