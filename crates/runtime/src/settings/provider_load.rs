//! The settings of model providers, from `[providers.NAME]`.

use std::collections::BTreeMap;
use std::env::VarError;

use serde_json::Value;

use crate::error::start_error::StartError;
use crate::model::dialects::{Dialect, StructuredOutput, SystemRole};
use crate::model::provider_settings::{
    DEFAULT_TIMEOUT, ProviderKind, ProviderSettings, RequestSettings,
};
use crate::secret::Secret;
use crate::settings::settings_file::ProviderFile;
use crate::settings::settings_read::Loaded;

/// The host of OpenAI's own API, which knows the limit of output tokens by its newer name only.
const OPENAI_HOST: &str = "://api.openai.com";
/// The values of `kind`.
const KINDS: &str = "`anthropic`, `openai` or `openai-responses`";
/// What the engine and the protocol write into each request.
const RESERVED: [&str; 5] = ["input", "messages", "model", "stream", "tools"];

/// The providers in the file, and in variables over it.
///
/// # Errors
/// The first setting that is wrong.
pub(crate) fn providers(
    loaded: &Loaded,
    get: &impl Fn(&str) -> Result<Option<String>, VarError>,
) -> Result<BTreeMap<String, ProviderSettings>, StartError> {
    let mut providers = BTreeMap::new();
    for (name, file) in &loaded.file.providers {
        let dialect = dialect(loaded, name, file)?;
        // A named dialect has an address, whatever the provider is called.
        let own_address = dialect.0.base_url.filter(|_| file.dialect.is_some());
        let base_url = file.base_url.clone().or(own_address.map(str::to_owned));
        let settings = ProviderSettings {
            dialect,
            base_url,
            api_key: file.api_key.clone(),
            timeout: file.timeout.unwrap_or(DEFAULT_TIMEOUT),
            requests: requests(loaded, name, file, dialect, get)?,
        };
        providers.insert(name.clone(), settings);
    }
    Ok(providers)
}

/// The dialect that the settings name, or that the provider's name and API imply.
fn dialect(loaded: &Loaded, name: &str, file: &ProviderFile) -> Result<Dialect, StartError> {
    let wrong =
        |key: &str, detail: String| loaded.wrong(&format!("providers.{name}.{key}"), detail);
    let kind = match file.kind.as_deref() {
        None => None,
        Some("anthropic") => Some(ProviderKind::Anthropic),
        Some("openai") => Some(ProviderKind::OpenAi),
        Some("openai-responses") => Some(ProviderKind::OpenAiResponses),
        Some(_) => return Err(wrong("kind", format!("must be {KINDS}"))),
    };
    // A server with OpenAI's API may offer both of its kinds.
    let fits = |dialect: Dialect| {
        let kinds = [dialect.kind(), dialect.with_responses().kind()];
        kind.is_none_or(|kind| kinds.contains(&kind))
    };
    let in_kind = |dialect: Dialect| match kind {
        Some(ProviderKind::OpenAiResponses) => dialect.with_responses(),
        _ => dialect,
    };
    if let Some(named) = &file.dialect {
        let dialect = Dialect::named(named).ok_or_else(|| {
            let names = Dialect::names().map(|name| format!("`{name}`"));
            let names = names.collect::<Vec<_>>().join(", ");
            wrong("dialect", format!("must be one of {names}"))
        })?;
        if !fits(dialect) {
            let detail = format!("is not the API of the dialect `{named}`");
            return Err(wrong("kind", detail));
        }
        return Ok(in_kind(dialect));
    }
    let is_elsewhere = |base: &String| !base.contains(OPENAI_HOST);
    let by_name = Dialect::named(name)
        .filter(|dialect| fits(*dialect))
        .filter(|_| name != "openai" || !file.base_url.as_ref().is_some_and(is_elsewhere));
    let dialect = match (by_name, kind) {
        (Some(dialect), _) => dialect,
        (None, Some(ProviderKind::Anthropic)) => Dialect::ANTHROPIC,
        (None, _)
            if file
                .base_url
                .as_ref()
                .is_some_and(|base| !is_elsewhere(base)) =>
        {
            Dialect::named("openai").unwrap_or(Dialect::OPENAI_COMPATIBLE)
        }
        (None, Some(_)) => Dialect::OPENAI_COMPATIBLE,
        (None, None) if name == "openai" => Dialect::OPENAI_COMPATIBLE,
        (None, None) => {
            let detail = format!("must be {KINDS}, or `dialect` must be set");
            return Err(wrong("kind", detail));
        }
    };
    Ok(in_kind(dialect))
}

fn requests(
    loaded: &Loaded,
    name: &str,
    file: &ProviderFile,
    dialect: Dialect,
    get: &impl Fn(&str) -> Result<Option<String>, VarError>,
) -> Result<RequestSettings, StartError> {
    let wrong = |key: &str, detail: &str| loaded.wrong(&format!("providers.{name}.{key}"), detail);
    let is_anthropic = dialect.kind() == ProviderKind::Anthropic;
    let structured = match file.structured.as_deref() {
        None => None,
        Some("tool") => Some(StructuredOutput::Tool),
        Some("prompt") => Some(StructuredOutput::Prompt),
        Some("json_schema" | "json_object") if is_anthropic => {
            return Err(wrong(
                "structured",
                "must be `tool` or `prompt` with this API",
            ));
        }
        Some("json_schema") => Some(StructuredOutput::JsonSchema),
        Some("json_object") => Some(StructuredOutput::JsonObject),
        Some(_) => {
            let detail = "must be `json_schema`, `json_object`, `tool` or `prompt`";
            return Err(wrong("structured", detail));
        }
    };
    let system_role = match file.system_role.as_deref() {
        None | Some("system") => None,
        Some("developer") => Some(SystemRole::Developer),
        Some("user") => Some(SystemRole::User),
        Some(_) => {
            return Err(wrong(
                "system_role",
                "must be `system`, `developer` or `user`",
            ));
        }
    };
    for (key, is_set) in [
        ("tool_calls_in_text", file.tool_calls_in_text.is_some()),
        ("thinking_prefilled", !file.thinking_prefilled.is_empty()),
    ] {
        if is_anthropic && is_set {
            return Err(wrong(key, "is a setting of providers with OpenAI's API"));
        }
    }
    for (key, is_set) in [
        ("stream_options", file.stream_options.is_some()),
        ("max_tokens_parameter", file.max_tokens_parameter.is_some()),
        ("system_role", system_role.is_some()),
    ] {
        if dialect.kind() != ProviderKind::OpenAi && is_set {
            let detail = "is a setting of providers with OpenAI's Chat Completions API";
            return Err(wrong(key, detail));
        }
    }
    if file.max_output_tokens == Some(0) {
        return Err(wrong("max_output_tokens", "must be 1 at least"));
    }
    let mut headers = file.headers.clone();
    for (header, variable) in &file.headers_env {
        let key = format!("headers_env.{header}");
        match get(variable) {
            Ok(Some(value)) => {
                headers.insert(header.clone(), Secret::new(value.trim()));
            }
            Ok(None) => {
                return Err(wrong(
                    &key,
                    &format!("the variable `{variable}` is not set"),
                ));
            }
            Err(_) => return Err(wrong(&key, "the variable is not valid UTF-8")),
        }
    }
    let mut extra_body = serde_json::Map::new();
    for (member, value) in &file.extra_body {
        let key = format!("extra_body.{member}");
        if RESERVED.contains(&&**member) {
            return Err(wrong(&key, "is written by the service itself"));
        }
        let value = serde_json::to_value(value);
        let value: Value = value.map_err(|_| wrong(&key, "can't be written as JSON"))?;
        extra_body.insert(member.clone(), value);
    }
    Ok(RequestSettings {
        structured,
        stream_options: file.stream_options,
        max_tokens_parameter: file.max_tokens_parameter.clone(),
        max_output_tokens: file.max_output_tokens.map(u64::from),
        system_role,
        tool_calls_in_text: file.tool_calls_in_text,
        images: file.images,
        thinking_prefilled: file.thinking_prefilled.clone(),
        headers,
        extra_body,
    })
}
