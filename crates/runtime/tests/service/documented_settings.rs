//! The examples of `service.toml` in README and the book. The tests of the command line check the other examples.

use std::fs;
use std::path::Path;

use agentgen_runtime::Settings;

#[test]
fn examples_of_service_toml_are_accepted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let pages = fs::read_dir(root.join("docs/src")).unwrap();
    let pages = pages.map(|entry| entry.unwrap().path());
    let mut examples = 0;
    for page in pages.chain([root.join("README.md")]) {
        let text = fs::read_to_string(&page).unwrap();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("```toml\n") {
            let (example, after) = after.split_once("```").unwrap();
            rest = after;
            let lead = before.trim_end().lines().next_back().unwrap_or_default();
            if !lead.contains("`service.toml`") {
                continue;
            }
            examples += 1;
            // Secrets come from the environment. One for tokens would exclude the public keys of other examples.
            let has_tokens = example.contains("[tokens");
            let get = |name: &str| {
                let is_set = match name {
                    "AGENTGEN_AUTH_HS256_SECRET" | "AGENTGEN_TOKENS_CLIENTS_WEB_SECRET" => {
                        has_tokens
                    }
                    _ => ["DATABASE_URI", "OPENAI_API_KEY"].contains(&name),
                };
                Ok(is_set.then(|| "a secret of thirty-two bytes or more".to_owned()))
            };
            // The operator's folder has to be there.
            let root = format!("root = {:?}", env!("CARGO_MANIFEST_DIR"));
            let example = example.replace("root = \"repo\"", &root);
            let settings = Settings::from_text("service.toml", &example, get);
            assert!(settings.is_ok(), "{}: {settings:?}", page.display());
        }
    }
    assert!(examples > 3, "{examples} examples");
}
