//! Images that tools give, for models that see and for others.

use agentgen_runtime::Settings;
use agentgen_runtime::axum::Router;
use agentgen_runtime::mcp::McpServerSettings;
use agentgen_runtime::model::{Dialect, ProviderKind};
use agentgen_runtime::testing::{MockServer, Script};
use serde_json::{Value, json};

use crate::mcp_fixture::{McpServer, PNG, plain_tool};
use crate::mock_model::{agent, agent_app, conversation, invoke, mock_server};
use crate::provider_log::CapturedLog;

const DESCRIBED: &str = r#"[{"type":"text","text":"look"},{"type":"image","media_type":"image/jpeg","bytes":69},{"type":"audio","media_type":"audio/wav","bytes":3}]"#;

async fn server() -> McpServerSettings {
    McpServer::start(json!([plain_tool("seen")]))
        .await
        .settings()
}

/// A service with a model that sees images if `images` says so, or as its dialect does.
async fn app(
    model: &MockServer,
    kind: ProviderKind,
    dialect: &str,
    images: Option<bool>,
) -> Router {
    let mut settings = Settings {
        mcp_servers: [("eye".to_owned(), server().await)].into(),
        ..model.settings(kind)
    };
    let provider = settings.providers.get_mut("mock").unwrap();
    provider.dialect = Dialect::named(dialect).unwrap();
    provider.requests.images = images;
    agent_app(agent(|_| {}), settings)
}

/// What the model gets after a call that gave an image.
async fn after_call(kind: ProviderKind, dialect: &str, images: Option<bool>) -> Vec<Value> {
    let model = mock_server([
        Script::tool_call("mcp__eye__seen", &json!({})),
        Script::text("ok"),
    ])
    .await;
    let app = app(&model, kind, dialect, images).await;
    assert_eq!(invoke(&app, "go").await.status, 200);
    let requests = model.requests();
    let all = conversation(&requests[1].body);
    all[conversation(&requests[0].body).len() + 1..].to_vec()
}

#[tokio::test]
async fn models_that_see_get_images_and_others_are_told() {
    let url = format!("data:image/png;base64,{PNG}");
    for (images, content) in [
        (
            None,
            json!([
                { "type": "text", "text": DESCRIBED },
                { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": PNG } },
            ]),
        ),
        (Some(false), json!(DESCRIBED)),
    ] {
        let after = after_call(ProviderKind::Anthropic, "anthropic", images).await;
        assert_eq!(after.len(), 1);
        assert_eq!(after[0]["content"][0]["content"], content);
    }
    for (dialect, images, output) in [
        (
            "openai-responses",
            None,
            json!([
                { "type": "input_text", "text": DESCRIBED },
                { "type": "input_image", "detail": "auto", "image_url": url },
            ]),
        ),
        ("openai-responses", Some(false), json!(DESCRIBED)),
    ] {
        let after = after_call(ProviderKind::OpenAiResponses, dialect, images).await;
        assert_eq!(after.last().unwrap()["output"], output);
    }
    for (dialect, images, sees) in [
        ("openai", None, true),
        ("openai", Some(false), false),
        ("openai-compatible", None, false),
        ("openai-compatible", Some(true), true),
    ] {
        let after = after_call(ProviderKind::OpenAi, dialect, images).await;
        assert_eq!(after[0]["content"], DESCRIBED);
        let message = after.get(1).map(|message| {
            assert_eq!(message["role"], "user");
            message["content"][1].clone()
        });
        let image = json!({ "type": "image_url", "image_url": { "url": url } });
        assert_eq!(message, sees.then_some(image), "{dialect} {images:?}");
    }
}

#[tokio::test]
async fn images_that_a_server_refuses_are_described_from_then_on() {
    for (kind, dialect) in [
        (ProviderKind::Anthropic, "anthropic"),
        (ProviderKind::OpenAi, "openai"),
        (ProviderKind::OpenAiResponses, "openai-responses"),
    ] {
        let log = CapturedLog::default();
        let _guard = log.capture(tracing::Level::WARN);
        let call = || Script::tool_call("mcp__eye__seen", &json!({}));
        let refusal = "This model does not support image input.";
        let model = mock_server([
            call(),
            Script::error(400, refusal),
            Script::text("ok"),
            call(),
            Script::text("ok"),
        ])
        .await;
        let app = app(&model, kind, dialect, None).await;
        assert_eq!(invoke(&app, "go").await.status, 200);
        assert_eq!(invoke(&app, "go").await.status, 200);
        let has_image: Vec<bool> = model
            .requests()
            .iter()
            .map(|request| request.body.to_string().contains(PNG))
            .collect();
        assert_eq!(has_image, [false, true, false, false, false], "{dialect}");
        let said =
            "images of tools are only described from now on; `images = false` in [providers.mock]";
        assert_eq!(log.text().matches(said).count(), 1, "{}", log.text());
    }
}

#[tokio::test]
async fn an_image_that_is_broken_says_nothing_of_others() {
    let call = || Script::tool_call("mcp__eye__seen", &json!({}));
    let model = mock_server([
        call(),
        Script::error(400, "messages.2.content.0.image: Could not process image"),
        Script::text("ok"),
        call(),
        Script::text("ok"),
    ])
    .await;
    let app = app(&model, ProviderKind::Anthropic, "anthropic", None).await;
    assert_eq!(invoke(&app, "go").await.status, 200);
    assert_eq!(invoke(&app, "go").await.status, 200);
    let requests = model.requests();
    let last = requests.last().unwrap();
    assert!(last.body.to_string().contains(PNG));
}
