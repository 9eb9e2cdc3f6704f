//! Which dialect a provider speaks, and the settings of its requests.

use agentgen_runtime::Settings;
use agentgen_runtime::model::{Dialect, Models, ProviderKind, StructuredOutput, SystemRole};
use serde_json::json;

use crate::mock_model::{mock_server, output_text, stream_events};
use crate::wire_cases::{TWICE, app, end, events, text};

const KEYS: [&str; 3] = ["DEEPSEEK_API_KEY", "AZURE_OPENAI_API_KEY", "GATEWAY_KEY"];

fn load(text: &str) -> Result<Settings, String> {
    let get = |name: &str| Ok(KEYS.contains(&name).then(|| format!("value of {name}")));
    Settings::from_text("service.toml", text, get).map_err(|error| error.to_string())
}

#[test]
fn the_dialect_follows_from_name_kind_and_address() {
    for (name, settings, dialect) in [
        ("ollama", "", "ollama"),
        ("ollama", "base_url = \"http://gpu:11434\"", "ollama"),
        ("ollama", "kind = \"openai\"", "ollama"),
        ("ollama", "kind = \"anthropic\"", "anthropic"),
        ("openai-responses", "", "openai-responses"),
        (
            "mine",
            "kind = \"openai-responses\"\nbase_url = \"http://proxy/v1\"",
            "openai-compatible/responses",
        ),
        ("openai", "kind = \"openai-responses\"", "openai/responses"),
        (
            "azure",
            "kind = \"openai-responses\"\nbase_url = \"https://x\"",
            "azure/responses",
        ),
        (
            "mine",
            "dialect = \"vllm\"\nkind = \"openai-responses\"",
            "vllm/responses",
        ),
        ("openai", "", "openai"),
        (
            "openai",
            "base_url = \"https://api.openai.com/v1\"",
            "openai",
        ),
        (
            "openai",
            "base_url = \"http://proxy/v1\"",
            "openai-compatible",
        ),
        (
            "openai",
            "dialect = \"openai\"\nbase_url = \"http://proxy/v1\"",
            "openai",
        ),
        ("anthropic", "base_url = \"http://proxy\"", "anthropic"),
        (
            "mine",
            "kind = \"openai\"\nbase_url = \"http://proxy/v1\"",
            "openai-compatible",
        ),
        (
            "mine",
            "kind = \"openai\"\nbase_url = \"https://api.openai.com\"",
            "openai",
        ),
        ("mine", "dialect = \"vllm\"", "vllm"),
        (
            "mine",
            "dialect = \"azure\"\nkind = \"openai\"\nbase_url = \"https://x\"",
            "azure",
        ),
        (
            "mine",
            "dialect = \"anthropic\"\nbase_url = \"https://x\"",
            "anthropic",
        ),
    ] {
        let text = format!("[providers.{name}]\n{settings}");
        let loaded = load(&text).unwrap();
        let wanted = match dialect.strip_suffix("/responses") {
            Some(server) => Dialect::named(server).unwrap().with_responses(),
            None => Dialect::named(dialect).unwrap(),
        };
        assert_eq!(loaded.providers[name].dialect, wanted, "{text}");
    }
}

#[test]
fn a_dialect_with_an_address_needs_no_settings() {
    let text = "[models]\ndefault = \"ollama:qwen3:8b\"\nsonnet = \"deepseek:deepseek-chat\"";
    let loaded = load(text).unwrap();
    assert_eq!(
        loaded.providers.keys().collect::<Vec<_>>(),
        ["deepseek", "ollama"]
    );
    let key = loaded.providers["deepseek"].api_key.as_ref().unwrap();
    assert_eq!(key.expose(), "value of DEEPSEEK_API_KEY");
    assert!(loaded.providers["ollama"].api_key.is_none());
    assert!(Models::new(&loaded.models, &loaded.providers).is_ok());

    // A vendor of its own, and one whose address the settings must say.
    let text = "[models]\ndefault = \"azure:gpt\"\n[providers.azure]\nbase_url = \"https://x.openai.azure.com/openai/v1\"";
    let loaded = load(text).unwrap();
    let key = loaded.providers["azure"].api_key.as_ref().unwrap();
    assert_eq!(key.expose(), "value of AZURE_OPENAI_API_KEY");
    for text in [
        "[models]\ndefault = \"azure:gpt\"",
        "[models]\ndefault = \"nobody:gpt\"",
    ] {
        let loaded = load(text).unwrap();
        let error = Models::new(&loaded.models, &loaded.providers).unwrap_err();
        assert!(
            error.to_string().contains("there is no provider"),
            "{error}"
        );
    }
    let loaded =
        load("[models]\ndefault = \"mine:x\"\n[providers.mine]\ndialect = \"azure\"").unwrap();
    let error = Models::new(&loaded.models, &loaded.providers).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("providers.mine.base_url: is not set"),
        "{error}"
    );
}

#[test]
fn the_responses_api_of_openai_needs_no_settings_and_has_its_key() {
    let get = |name: &str| Ok((name == "OPENAI_API_KEY").then(|| "sk-one".to_owned()));
    for text in [
        "[models]\ndefault = \"openai-responses:gpt-5\"",
        "[models]\ndefault = \"openai:gpt-5\"\n[providers.openai]\nkind = \"openai-responses\"",
    ] {
        let loaded = Settings::from_text("service.toml", text, get).unwrap();
        let (_, provider) = loaded.providers.first_key_value().unwrap();
        assert_eq!(provider.dialect.kind(), ProviderKind::OpenAiResponses);
        let key = provider.api_key.as_ref().unwrap();
        assert_eq!(key.expose(), "sk-one", "{text}");
        assert!(Models::new(&loaded.models, &loaded.providers).is_ok());
    }
}

#[test]
fn the_settings_of_requests_are_read() {
    let text = r#"
        [providers.mine]
        kind = "openai"
        base_url = "http://models"
        structured = "json_object"
        stream_options = false
        max_tokens_parameter = "max_completion_tokens"
        max_output_tokens = 16384
        system_role = "user"
        tool_calls_in_text = false
        thinking_prefilled = ["QwQ-32B"]
        headers = { x-title = "desk" }
        headers_env = { x-gateway = "GATEWAY_KEY" }
        [providers.mine.extra_body]
        temperature = 0.5
        reasoning = { effort = "low", tags = ["a"] }
    "#;
    let loaded = load(text).unwrap();
    let requests = &loaded.providers["mine"].requests;
    assert_eq!(requests.structured, Some(StructuredOutput::JsonObject));
    assert_eq!(requests.stream_options, Some(false));
    assert_eq!(
        requests.max_tokens_parameter.as_deref(),
        Some("max_completion_tokens")
    );
    assert_eq!(requests.max_output_tokens, Some(16384));
    assert_eq!(requests.system_role, Some(SystemRole::User));
    assert_eq!(requests.tool_calls_in_text, Some(false));
    assert_eq!(requests.thinking_prefilled, ["QwQ-32B"]);
    let headers = requests
        .headers
        .iter()
        .map(|(name, value)| (&**name, value.expose()));
    let wanted = [("x-gateway", "value of GATEWAY_KEY"), ("x-title", "desk")];
    assert_eq!(headers.collect::<Vec<_>>(), wanted);
    let extra = json!({"temperature": 0.5, "reasoning": {"effort": "low", "tags": ["a"]}});
    assert_eq!(json!(requests.extra_body), extra);
    // Headers may be keys.
    let shown = format!("{loaded:?}");
    assert!(
        !shown.contains("value of GATEWAY_KEY") && !shown.contains("\"desk\""),
        "{shown}"
    );

    // Tables in variables.
    let get = |name: &str| {
        let value = match name {
            "AGENTGEN_PROVIDERS_OPENAI_EXTRA_BODY" => "{ temperature = 1 }",
            "AGENTGEN_PROVIDERS_OPENAI_HEADERS" => "{ x-title = \"desk\" }",
            _ => return Ok(None),
        };
        Ok(Some(value.to_owned()))
    };
    let loaded = Settings::from_variables(get).unwrap();
    let requests = &loaded.providers["openai"].requests;
    assert_eq!(json!(requests.extra_body), json!({"temperature": 1}));
    assert_eq!(requests.headers["x-title"].expose(), "desk");
}

#[test]
fn settings_that_make_no_sense_are_refused_with_their_place() {
    for (settings, error) in [
        (
            "kind = \"gemini\"",
            "kind: must be `anthropic`, `openai` or `openai-responses`",
        ),
        (
            "base_url = \"http://x\"",
            "kind: must be `anthropic`, `openai` or `openai-responses`, or `dialect` must be set",
        ),
        (
            "dialect = \"anthropic\"\nkind = \"openai-responses\"",
            "kind: is not the API of the dialect `anthropic`",
        ),
        (
            "dialect = \"openai-responses\"\nkind = \"openai\"",
            "kind: is not the API of the dialect `openai-responses`",
        ),
        (
            "kind = \"openai-responses\"\nsystem_role = \"developer\"",
            "system_role: is a setting of providers with OpenAI's Chat Completions API",
        ),
        (
            "dialect = \"vllm\"\nextra_body = { input = [] }",
            "extra_body.input: is written by the service itself",
        ),
        (
            "dialect = \"llama\"",
            "dialect: must be one of `anthropic`, `azure`",
        ),
        (
            "dialect = \"vllm\"\nkind = \"anthropic\"",
            "kind: is not the API of the dialect `vllm`",
        ),
        (
            "dialect = \"vllm\"\nstructured = \"json\"",
            "structured: must be `json_schema`",
        ),
        (
            "dialect = \"anthropic\"\nstructured = \"json_schema\"",
            "structured: must be `tool` or `prompt`",
        ),
        (
            "dialect = \"anthropic\"\nstream_options = true",
            "stream_options: is a setting of providers with OpenAI's Chat Completions API",
        ),
        (
            "dialect = \"vllm\"\nsystem_role = \"boss\"",
            "system_role: must be",
        ),
        (
            "dialect = \"vllm\"\nmax_output_tokens = 0",
            "max_output_tokens: must be 1 at least",
        ),
        (
            "dialect = \"vllm\"\nmax_output_tokens = \"many\"",
            "max_output_tokens: must be a whole number",
        ),
        (
            "dialect = \"vllm\"\nheaders_env = { x = \"NOT_SET\" }",
            "headers_env.x: the variable `NOT_SET` is not set",
        ),
        (
            "dialect = \"vllm\"\nheaders = { x = 1 }",
            "must be a text in quotes",
        ),
        (
            "dialect = \"vllm\"\nextra_body = { model = \"x\" }",
            "extra_body.model: is written by the service itself",
        ),
        (
            "dialect = \"vllm\"\nextra_body = 1",
            "extra_body: must be a table of keys and values",
        ),
    ] {
        let text = format!("[providers.mine]\n{settings}");
        let shown = load(&text).unwrap_err();
        assert!(shown.contains(error), "{text}: {shown}");
        assert!(shown.contains("providers.mine."), "{shown}");
    }
    let text = "[models]\ndefault = \"mine:x\"\n[providers.mine]\ndialect = \"vllm\"\nheaders = { \"a b\" = \"x\" }";
    let loaded = load(text).unwrap();
    let error = Models::new(&loaded.models, &loaded.providers)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("providers.mine.headers.a b: has characters"),
        "{error}"
    );
    assert_eq!(
        loaded.providers["mine"].dialect.kind(),
        ProviderKind::OpenAi
    );
}

#[tokio::test]
async fn a_model_that_is_known_to_begin_with_thoughts_streams_none() {
    let answer = [text("I reason.\n"), text("</think>\n\nHello."), end()];
    for (known, streamed) in [
        (&[][..], "I reason.\nHello."),
        (&["other", "model"], "Hello."),
    ] {
        let server = mock_server([events(&answer)]).await;
        let app = app(&server, ProviderKind::OpenAi, TWICE, |settings| {
            let provider = settings.providers.get_mut("mock").unwrap();
            provider.requests.thinking_prefilled =
                known.iter().map(|name| (*name).to_owned()).collect();
        });
        let received = stream_events(&app, "/v1/agents/desk/invoke", r#"{"input":"hi"}"#).await;
        assert_eq!(output_text(&received), streamed);
        let (_, completed) = received.last().unwrap();
        assert_eq!(completed["output"]["output"], "Hello.");
    }
}
