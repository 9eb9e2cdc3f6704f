//! What the settings mean, for `--check-config`; no secret is printed.

use std::fmt::Write;
use std::time::Duration;

use crate::embedding::embedding_settings::Embeddings;
use crate::error::start_error::StartError;
use crate::settings::Settings;
use crate::settings::settings_load::file;
use crate::workflow::queue::queue_url::QueueUrl;

/// The settings, a line each.
///
/// # Errors
/// A name of the file that can't be read.
pub(crate) fn report(settings: &Settings) -> Result<String, StartError> {
    let mut text = "the settings are fine\n".to_owned();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<15}{value}");
    };
    let file = file()?.unwrap_or_else(|| "none".to_owned());
    line("file", file);
    let default_address = "127.0.0.1:8080, or the next free port".to_owned();
    line(
        "address",
        settings.address.clone().unwrap_or(default_address),
    );
    let no_auth = "none: everybody on this machine is `anonymous`".to_owned();
    let auth = settings.auth.as_ref();
    line(
        "authentication",
        auth.map_or(no_auth, |auth| auth.description()),
    );
    line(
        "tokens",
        match &settings.tokens {
            Some(tokens) => {
                let clients = tokens.clients.keys().cloned().collect::<Vec<_>>();
                let (access, refresh) = (in_words(tokens.access_ttl), in_words(tokens.refresh_ttl));
                let clients = clients.join(", ");
                format!("for {clients}: access for {access}, refresh within {refresh}")
            }
            None => "none are issued".to_owned(),
        },
    );
    let store = settings.store.expose();
    let store = match store.split_once(':') {
        Some(("sqlite", _)) => store,
        // The rest of it may hold a password.
        Some((kind, _)) => kind,
        None => "unknown",
    };
    line("store", store.to_owned());
    let documents = settings.documents.as_ref();
    let documents = documents.map_or("in the store", |documents| &*documents.url);
    line("documents", documents.to_owned());
    let Embeddings {
        model, dimensions, ..
    } = &settings.embeddings;
    let dimensions = dimensions.map(|dimensions| format!(" ({dimensions} dimensions)"));
    let dimensions = dimensions.unwrap_or_default();
    line("embeddings", format!("{model}{dimensions}"));
    if let Some(url) = &settings.queue {
        let queue = QueueUrl::parse(url.expose());
        line(
            "queue",
            queue.map_or_else(|_| "unknown".to_owned(), |queue| queue.describe()),
        );
    }
    let models = settings.models.iter();
    let models = models.map(|(name, model)| format!("{name} = {model}"));
    line("models", listed(models));
    let providers = settings.providers.iter().map(|(name, provider)| {
        let key = match provider.api_key {
            Some(_) => "with a key",
            None => "without a key",
        };
        let dialect = provider.dialect.name();
        if dialect == name {
            format!("{name} ({key})")
        } else {
            format!("{name} ({dialect}, {key})")
        }
    });
    line("providers", listed(providers));
    if let Some(workspace) = &settings.workspace {
        let access = if workspace.write {
            "may be written"
        } else {
            "is only read"
        };
        line(
            "workspace",
            format!("{} {access}", workspace.root.display()),
        );
    }
    Ok(text)
}

fn listed(entries: impl Iterator<Item = String>) -> String {
    let entries = entries.collect::<Vec<_>>();
    if entries.is_empty() {
        return "none".to_owned();
    }
    entries.join(", ")
}

fn in_words(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}
