//! The models in `service.toml`, the settings that a service reads when it starts.

use std::path::Path;

use crate::diagnostics::Report;
use crate::project::{discover, toml_tree};
use crate::yaml::node::Node;

/// The name of the file.
pub const SERVICE_FILE: &str = "service.toml";

/// The aliases under `[models]` in the `service.toml` of `root`. None where there is no such file, where `echo` answers for every
/// model, and where the file can't be read: the service itself says what is wrong with it.
pub fn service_models(root: &Path) -> Vec<String> {
    let Ok(source) = discover::read(&root.join(SERVICE_FILE), SERVICE_FILE) else {
        return Vec::new();
    };
    let mut report = Report::new(&source);
    let settings = toml_tree::parse(&mut report);
    let models = settings
        .get("models")
        .and_then(Node::entries)
        .unwrap_or_default();
    let is_echo = models
        .iter()
        .all(|model| model.value.as_str() == Some("echo"));
    if is_echo || report.has_errors() {
        return Vec::new();
    }
    models.iter().map(|model| model.key.clone()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::service_models;

    #[test]
    fn models_count_once_one_of_them_is_more_than_an_echo() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(service_models(folder.path()), [""; 0]);
        for (text, wanted) in [
            ("[models]\ndefault = \"echo\"\n", &[][..]),
            ("address = \"127.0.0.1:1\"\n", &[]),
            ("[models\n", &[]),
            (
                "[models]\ndefault = \"echo\"\nsonnet = \"anthropic:claude-sonnet-4-5\"\n\"fast one\" = \"sonnet\"\n[limits]\nbody_bytes = 1\n",
                &["default", "sonnet", "fast one"],
            ),
            ("models.opus = \"a:b\"", &["opus"]),
        ] {
            fs::write(folder.path().join("service.toml"), text).unwrap();
            assert_eq!(service_models(folder.path()), wanted, "{text}");
        }
    }
}
