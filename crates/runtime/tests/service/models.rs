//! How settings resolve model names to providers and models.

use agentgen_runtime::axum::Router;
use agentgen_runtime::model::{Models, Provider, ProviderKind};
use agentgen_runtime::spec::AgentSpec;
use agentgen_runtime::testing::Script;
use agentgen_runtime::{Settings, StartError};

use crate::desk_service::registry;
use crate::mock_model::{agent, agent_app, invoke, mock_server, registry_of};

fn settings(toml: &str, variables: &'static [(&str, &str)]) -> Result<Settings, StartError> {
    Settings::from_text("service.toml", toml, |name| {
        let found = variables.iter().find(|(other, _)| *other == name);
        Ok(found.map(|(_, value)| (*value).to_owned()))
    })
}

fn models(toml: &str, variables: &'static [(&str, &str)]) -> Result<Models, StartError> {
    let Settings {
        models, providers, ..
    } = settings(toml, variables)?;
    Models::new(&models, &providers)
}

fn desk_with_model(model: Option<&'static str>) -> &'static AgentSpec {
    agent(|agent| agent.model = model)
}

fn router(model: Option<&'static str>, settings: Settings) -> Result<Router, String> {
    let built = registry_of(desk_with_model(model)).into_router(settings);
    built.map_err(|error| error.to_string())
}

const THREE: &str = r#"
[models]
default = "sonnet"
sonnet = "anthropic:claude-sonnet-4-5"
haiku = "local:llama3:8b"
quiet = "echo"
[providers.local]
kind = "openai"
base_url = "http://127.0.0.1:11434"
"#;
const KEY: &[(&str, &str)] = &[("ANTHROPIC_API_KEY", "sk-ant")];

#[test]
fn model_names_resolve_to_providers_by_the_settings() {
    let models = models(THREE, KEY).unwrap();
    for (name, model) in [
        (Some("sonnet"), "anthropic:claude-sonnet-4-5"),
        (Some("haiku"), "local:llama3:8b"),
        (Some("inherit"), "anthropic:claude-sonnet-4-5"),
        (None, "anthropic:claude-sonnet-4-5"),
        (Some("quiet"), "echo"),
        (Some("echo"), "echo"),
        (Some("local:qwen3"), "local:qwen3"),
        (Some("claude-opus-4-5"), "anthropic:claude-opus-4-5"),
    ] {
        assert_eq!(models.model(name), model, "{name:?}");
    }
    assert!(!models.is_echo());
    assert!(!format!("{models:?}").contains("sk-ant"));
}

#[tokio::test]
async fn without_providers_all_models_are_echo() {
    for toml in ["", "[models]\ndefault = \"echo\""] {
        for model in [
            None,
            Some("sonnet"),
            Some("inherit"),
            Some("claude-opus-4-5"),
        ] {
            let loaded = settings(toml, &[("ANTHROPIC_API_KEY", "sk-ant")]).unwrap();
            let app = router(model, loaded).unwrap();
            assert_eq!(invoke(&app, "hi").await.json()["model"], "echo");
        }
    }
}

#[test]
fn an_unresolved_model_is_an_error_that_names_the_agent_and_the_setting() {
    let loaded = || settings(THREE, KEY).unwrap();
    let error = router(Some("opus"), loaded()).unwrap_err();
    assert!(error.starts_with("models.opus: is not set"), "{error}");
    assert!(error.contains("agent `desk`"), "{error}");
    assert!(router(Some("haiku"), loaded()).is_ok());
    let only = "[models]\nsonnet = \"anthropic:claude-sonnet-4-5\"";
    let error = router(None, settings(only, KEY).unwrap()).unwrap_err();
    assert!(error.starts_with("models.default: is not set"), "{error}");
    let error = router(Some("sonnet"), settings(only, &[]).unwrap()).unwrap_err();
    assert!(
        error.starts_with("providers.anthropic.api_key: is not set, nor is ANTHROPIC_API_KEY"),
        "{error}"
    );
    assert!(error.contains("agent `desk`"), "{error}");
}

#[test]
fn invalid_provider_settings_are_reported() {
    for (toml, wanted) in [
        (
            "[models]\nsonnet = \"nowhere:x\"",
            "models.sonnet: there is no provider `nowhere`",
        ),
        ("[models]\na = \"b\"\nb = \"a\"", "models.a: must be"),
        ("[models]\na = \"b\"", "models.a: must be"),
        ("[models]\na = \"openai:\"", "models.a: "),
        (
            "[providers.mine]\nkind = \"openai\"",
            "providers.mine.base_url: is not set",
        ),
        (
            "[providers.openai]\nbase_url = \"models.example\"",
            "providers.openai.base_url: is not an address",
        ),
        (
            "[providers.openai]\nbase_url = \"file:///etc\"",
            "providers.openai.base_url: is not an address",
        ),
        (
            "[providers.openai]\napi_key = \"a\\nb\"",
            "providers.openai.api_key: has characters",
        ),
    ] {
        let error = models(toml, &[]).unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{error}");
    }
}

#[test]
fn api_keys_are_read_from_the_vendors_variable() {
    let key = |toml: &str, variables| {
        let loaded = settings(toml, variables).unwrap();
        let provider = loaded.providers.get("anthropic").cloned();
        provider
            .and_then(|provider| provider.api_key)
            .map(|key| key.expose().to_owned())
    };
    let referred = "[models]\nsonnet = \"anthropic:claude-sonnet-4-5\"";
    assert_eq!(key(referred, KEY).unwrap(), "sk-ant");
    assert_eq!(key(referred, &[("ANTHROPIC_API_KEY", " ")]), None);
    assert_eq!(key("", KEY), None);
    const BOTH: &[(&str, &str)] = &[
        ("ANTHROPIC_API_KEY", "sk-ant"),
        ("AGENTGEN_PROVIDERS_ANTHROPIC_API_KEY", "sk-own"),
    ];
    assert_eq!(key(referred, BOTH).unwrap(), "sk-own");
}

#[tokio::test]
async fn requests_name_the_resolved_model() {
    let server = mock_server([Script::text("one"), Script::text("two")]).await;
    let mut settings = server.settings(ProviderKind::OpenAi);
    settings
        .models
        .insert("sonnet".to_owned(), "mock:meta/llama3:8b".to_owned());
    for model in [Some("sonnet"), Some("inherit")] {
        let app = agent_app(desk_with_model(model), settings.clone());
        assert_eq!(invoke(&app, "hi").await.status, 200);
    }
    let requests = server.requests();
    assert_eq!(requests[0].body["model"], "meta/llama3:8b");
    assert_eq!(requests[1].body["model"], "model");
}

#[test]
fn a_key_is_not_sent_unencrypted_to_another_machine() {
    let serve = |url: &str, key: &str| {
        let text = format!(
            "[models]\ndefault = \"mine:m\"\nsonnet = \"mine:m\"\nhaiku = \"mine:m\"\nopus = \"mine:m\"\n[providers.mine]\nkind = \"openai\"\nbase_url = \"{url}\"\n{key}"
        );
        let settings = Settings::from_text("service.toml", &text, |_| Ok(None));
        let served = settings.and_then(|settings| registry().into_router(settings));
        served.map(|_| ()).map_err(|error| error.to_string())
    };
    const KEY: &str = "api_key = \"s3cret\"";
    const HEADER: &str = "headers = { authorization = \"s3cret\" }";
    const NAMED: &str = "headers = { x-api-key = \"s3cret\" }";
    for (url, key) in [
        ("http://models.example/v1", KEY),
        ("http://models.example/v1", HEADER),
        ("http://models.example/v1", NAMED),
        ("https://user:s3cret@models.example/v1", ""),
    ] {
        let error = serve(url, key).unwrap_err();
        assert!(error.contains("providers.mine.base_url: must "), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
    for (url, key) in [
        ("https://models.example/v1", KEY),
        ("http://models.example/v1", ""),
        ("http://localhost:8000/v1", KEY),
        ("http://localhost:8000/v1", NAMED),
    ] {
        assert_eq!(serve(url, key), Ok(()), "{url}");
    }
}
