//! Settings from `service.toml` and the environment, and the errors of invalid ones.

use std::time::Duration;

use agentgen_runtime::Settings;
use agentgen_runtime::model::ProviderKind;
use agentgen_runtime::settings::LogFormat;
use agentgen_runtime::spec::Rate;

fn settings(variables: &[(&str, &str)]) -> Result<Settings, String> {
    let get = |name: &str| {
        let found = variables.iter().find(|(other, _)| *other == name);
        Ok(found.map(|(_, value)| (*value).to_owned()))
    };
    Settings::from_variables(get).map_err(|error| error.to_string())
}

#[test]
fn invalid_settings_are_named_without_secrets() {
    let secret = "AGENTGEN_AUTH_HS256_SECRET";
    let short = settings(&[(secret, "too-short-and-secret")]).unwrap_err();
    assert_eq!(
        short,
        "AGENTGEN_AUTH_HS256_SECRET: has 20 bytes, and must have at least 32"
    );
    for bad in [
        "8080",
        ":8080",
        "localhost",
        "localhost:http",
        "localhost:70000",
        " ",
    ] {
        let error = settings(&[("AGENTGEN_ADDRESS", bad)]).unwrap_err();
        assert!(error.starts_with("AGENTGEN_ADDRESS: "), "{error}");
    }
    for alone in ["AGENTGEN_AUTH_ISSUER", "AGENTGEN_AUTH_AUDIENCE"] {
        let error = settings(&[(alone, "x")]).unwrap_err();
        assert!(
            error.starts_with(alone) && error.contains(secret),
            "{error}"
        );
    }
    let fine = settings(&[
        (secret, &"x".repeat(32)),
        ("AGENTGEN_ADDRESS", "[::1]:9000"),
    ])
    .unwrap();
    assert_eq!(fine.address.as_deref(), Some("[::1]:9000"));
    assert!(fine.auth.is_some() && settings(&[]).unwrap().auth.is_none());
}

const PATH: &str = "service.toml";

/// Reads settings from the text of a file and from environment variables.
fn read(text: &str, variables: &[(&str, &str)]) -> Result<Settings, String> {
    let get = |name: &str| {
        let found = variables.iter().find(|(other, _)| *other == name);
        Ok(found.map(|(_, value)| (*value).to_owned()))
    };
    Settings::from_text(PATH, text, get).map_err(|error| error.to_string())
}

#[track_caller]
fn file_error(text: &str) -> String {
    read(text, &[]).unwrap_err()
}

#[test]
fn every_key_of_the_file_is_applied() {
    let settings = read(
        r#"
            address = "127.0.0.1:9000"
            [limits]
            body_bytes = 10
            concurrency = 2
            connections = 30
            timeout = "1m 30s"
            drain = "500ms"
            [auth]
            hs256_secret = "0123456789abcdef0123456789abcdef"
            issuer = "issuer"
            audience = "desk"
            leeway = "1m"
            [tokens]
            access_ttl = "5m"
            refresh_ttl = "7d"
            [tokens.clients.web]
            secret = "0123456789abcdef"
            roles = ["user"]
            [cors]
            origins = ["https://app.example"]
            [rate]
            subject = "60/minute"
            address = "1/s"
            agent = "5/day"
            [store]
            url = "memory:"
            [embeddings]
            model = "local:e5"
            dimensions = 384
            min_score = 0.25
            [documents]
            url = "https://vectors.example:6333"
            api_key = "sk-hush"
            [models]
            default = "echo"
            [providers.local]
            kind = "openai"
            base_url = "http://127.0.0.1:11434/v1"
            timeout = "10s"
            [log]
            format = "text"
            level = "debug"
            [docs]
            enabled = false
            [metrics]
            enabled = false
        "#,
        &[],
    )
    .unwrap();
    assert_eq!(settings.address.as_deref(), Some("127.0.0.1:9000"));
    assert_eq!((settings.body_limit, settings.concurrency), (10, 2));
    assert_eq!(settings.connections, 30);
    assert_eq!(settings.timeout, Duration::from_secs(90));
    assert_eq!(settings.drain, Duration::from_millis(500));
    let tokens = settings.tokens.unwrap();
    assert_eq!(tokens.access_ttl, Duration::from_secs(300));
    assert_eq!(tokens.refresh_ttl, Duration::from_secs(7 * 24 * 60 * 60));
    assert_eq!(tokens.clients["web"].roles, ["user"]);
    assert_eq!(tokens.clients["web"].secret.expose(), "0123456789abcdef");
    assert_eq!(settings.cors_origins, ["https://app.example"]);
    let rate = |requests, seconds| Some(Rate { requests, seconds });
    assert_eq!(settings.rates.subject, rate(60, 60));
    assert_eq!(settings.rates.address, rate(1, 1));
    assert_eq!(settings.rates.agent, rate(5, 24 * 60 * 60));
    assert_eq!(settings.store.expose(), "memory:");
    assert_eq!(settings.embeddings.model, "local:e5");
    assert_eq!(settings.embeddings.dimensions, Some(384));
    assert_eq!(settings.embeddings.min_score, Some(0.25));
    assert_eq!(settings.embeddings.provider, None);
    let documents = settings.documents.unwrap();
    assert_eq!(documents.url, "https://vectors.example:6333");
    assert_eq!(documents.api_key.unwrap().expose(), "sk-hush");
    assert_eq!(settings.models["default"], "echo");
    let local = &settings.providers["local"];
    assert_eq!(local.dialect.kind(), ProviderKind::OpenAi);
    assert_eq!(local.base_url.as_deref(), Some("http://127.0.0.1:11434/v1"));
    assert_eq!(local.timeout, Duration::from_secs(10));
    assert_eq!(settings.log.format, LogFormat::Text);
    assert!(!settings.docs && !settings.metrics);
    let auth = format!("{:?}", settings.auth.unwrap());
    assert!(
        auth.contains("\"issuer\"") && auth.contains("60s"),
        "{auth}"
    );
}

#[test]
fn unknown_keys_are_reported_with_position_and_suggestion() {
    for (text, place, expected) in [
        (
            "adress = \"x\"",
            "service.toml:1:1",
            "did you mean `address`?",
        ),
        (
            "\n[auth]\nisuer = \"x\"",
            "service.toml:3:1",
            "no key `isuer`; did you mean `issuer`?",
        ),
        (
            "hs256_secret = \"x\"",
            "service.toml:1:1",
            "did you mean `auth.hs256_secret`?",
        ),
        (
            "[tokens.clients.web]\nsecrets = \"x\"",
            "service.toml:2:1",
            "did you mean `secret`?",
        ),
        (
            "[docs]\ncolour = 1",
            "service.toml:2:1",
            "no key `colour`; there are `enabled`",
        ),
    ] {
        let error = file_error(text);
        assert!(error.starts_with(place), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn values_of_the_wrong_type_are_reported_with_position_but_not_shown() {
    for (text, place, expected) in [
        (
            "[limits]\nconcurrency = \"s3cret\"",
            ":2:15: limits.concurrency",
            "a whole number",
        ),
        (
            "[limits]\nconcurrency = -1",
            ":2:15: limits.concurrency",
            "a whole number",
        ),
        (
            "[limits]\nconcurrency = 0",
            ": limits.concurrency",
            "1 at least",
        ),
        (
            "[limits]\nconnections = 0",
            ": limits.connections",
            "1 at least",
        ),
        (
            "[limits]\nbody_bytes = 0",
            ": limits.body_bytes",
            "1 at least",
        ),
        ("[limits]\ntimeout = \"0s\"", ": limits.timeout", "longer"),
        (
            "[limits]\ntimeout = \"s3cret\"",
            ":2:11: limits.timeout",
            "500ms, 30s",
        ),
        (
            "[limits]\ntimeout = 30",
            ":2:11: limits.timeout",
            "a text in quotes",
        ),
        (
            "[rate]\nsubject = \"s3cret/minute\"",
            ":2:11: rate.subject",
            "60/minute",
        ),
        (
            "[rate]\nsubject = \"0/minute\"",
            ":2:11: rate.subject",
            "60/minute",
        ),
        (
            "[docs]\nenabled = \"s3cret\"",
            ":2:11: docs.enabled",
            "true or false",
        ),
        (
            "[cors]\norigins = \"s3cret\"",
            ":2:11: cors.origins",
            "a list",
        ),
        ("auth = \"s3cret\"", ":1:8: auth", "a table"),
        (
            "[tokens.clients]\nweb = \"s3cret\"",
            ":2:7: tokens.clients.web",
            "a table",
        ),
        (
            "[auth]\nhs256_secret = 5353535353",
            ":2:16: auth.hs256_secret",
            "a text",
        ),
        (
            "[auth]\nhs256_secret = [\"s3cret\"]",
            ":2:16: auth.hs256_secret",
            "a text",
        ),
        (
            "[providers.openai]\napi_key = 5353535353",
            "providers.openai.api_key",
            "a text",
        ),
        ("[log]\nlevel = \"s3cret\"", ": log.level", "`warn`"),
        ("[log]\nformat = \"s3cret\"", ": log.format", "`json`"),
        (
            "[providers.mine]\nkind = \"s3cret\"",
            ": providers.mine.kind",
            "`openai`",
        ),
        (
            "[store]\nurl = \"s3cret\"",
            ": store.url",
            "must be sqlite:PATH",
        ),
        // Invalid TOML.
        ("[auth]\nhs256_secret = s3cret", ":2:16: ", ""),
        ("[auth]\nhs256_secret = \"s3cret", ":2:", ""),
        ("[auth]\nhs256_secret \"s3cret\"", ":2:", ""),
        ("[auth]\nhs256_secret = \"s3\\cret\"", ":2:", ""),
        ("[auth]\nhs256_secret = \"s3cret\" s3cret", ":2:", ""),
        (
            "[auth]\nissuer = \"s3cret\"\nissuer = \"s3cret\"",
            ":3:",
            "",
        ),
    ] {
        let error = file_error(text);
        assert!(error.starts_with("service.toml:"), "{error}");
        assert!(
            error.contains(place) && error.contains(expected),
            "{text}: {error}"
        );
        for secret in ["s3cret", "s3\\cret", "5353535353"] {
            assert!(!error.contains(secret), "{error}");
        }
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn environment_variables_override_the_file() {
    let text = "address = \"127.0.0.1:1\"\n[limits]\nconcurrency = 1\n[cors]\norigins = [\"a\"]\n[docs]\nenabled = true";
    let settings = read(
        text,
        &[
            ("AGENTGEN_ADDRESS", "127.0.0.1:2"),
            ("AGENTGEN_LIMITS_CONCURRENCY", "3"),
            ("AGENTGEN_LIMITS_CONNECTIONS", "4"),
            (
                "AGENTGEN_CORS_ORIGINS",
                "https://a.example, https://b.example",
            ),
            ("AGENTGEN_DOCS_ENABLED", "false"),
            ("AGENTGEN_RATE_AGENT", "7/hour"),
            ("AGENTGEN_STORE_URL", "sqlite:x.db"),
        ],
    )
    .unwrap();
    assert_eq!(settings.address.as_deref(), Some("127.0.0.1:2"));
    assert_eq!((settings.concurrency, settings.connections), (3, 4));
    assert_eq!(
        settings.cors_origins,
        ["https://a.example", "https://b.example"]
    );
    assert!(!settings.docs);
    let rate = settings.rates.agent.unwrap();
    assert_eq!((rate.requests, rate.seconds), (7, 3600));
    assert_eq!(settings.store.expose(), "sqlite:x.db");
}

#[test]
fn invalid_variables_are_reported_by_name() {
    for (name, value) in [
        ("AGENTGEN_LIMITS_CONCURRENCY", "s3cret"),
        ("AGENTGEN_LIMITS_TIMEOUT", "s3cret"),
        ("AGENTGEN_RATE_ADDRESS", "s3cret"),
        ("AGENTGEN_METRICS_ENABLED", "s3cret"),
        ("AGENTGEN_LOG_LEVEL", "s3cret"),
        ("AGENTGEN_AUTH_LEEWAY", "6m"),
        ("AGENTGEN_AUTH_ALGORITHMS", "RS256"),
        ("AGENTGEN_ADDRESS", ""),
        ("AGENTGEN_STORE_URL", "  "),
    ] {
        let secret = (
            "AGENTGEN_AUTH_HS256_SECRET",
            "0123456789abcdef0123456789abcdef",
        );
        let error = read("", &[(name, value), secret]).unwrap_err();
        assert!(error.starts_with(&format!("{name}: ")), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn named_entries_of_the_file_can_be_set_by_variables() {
    let text = "[models]\nfast = \"echo\"\n[providers.my-server]\nkind = \"openai\"\n[tokens.clients.web]\nroles = [\"user\"]";
    let variables = [
        ("AGENTGEN_MODELS_FAST", "openai:small"),
        ("AGENTGEN_MODELS_SONNET", "anthropic:claude"),
        ("AGENTGEN_PROVIDERS_MY_SERVER_API_KEY", "one"),
        ("AGENTGEN_PROVIDERS_ANTHROPIC_API_KEY", "two"),
        ("AGENTGEN_TOKENS_CLIENTS_WEB_SECRET", "0123456789abcdef"),
        (
            "AGENTGEN_AUTH_HS256_SECRET",
            "0123456789abcdef0123456789abcdef",
        ),
    ];
    let settings = read(text, &variables).unwrap();
    assert_eq!(settings.models["fast"], "openai:small");
    assert_eq!(settings.models["sonnet"], "anthropic:claude");
    let key = |name: &str| settings.providers[name].api_key.clone().unwrap();
    assert_eq!(key("my-server").expose(), "one");
    assert_eq!(key("anthropic").expose(), "two");
    let tokens = settings.tokens.as_ref().unwrap();
    assert_eq!(tokens.clients["web"].secret.expose(), "0123456789abcdef");
    let expected = format!("{settings:?}");
    for secret in ["one", "two", "0123456789abcdef"] {
        assert!(!expected.contains(&format!("\"{secret}")), "{expected}");
    }
}

#[test]
fn invalid_authentication_settings_are_one_error() {
    let secret = "hs256_secret = \"0123456789abcdef0123456789abcdef\"";
    let client = |secret: &str| format!("[tokens.clients.web]\nsecret = \"{secret}\"\n");
    let long = client("0123456789abcdef");
    for (text, expected) in [
        (
            format!("[auth]\n{secret}\njwks_url = \"https://a.example\""),
            "auth.jwks_url: can't stand beside auth.hs256_secret",
        ),
        (
            "[auth]\njwks_file = \"a\"\njwks_url = \"https://a.example\"".to_owned(),
            "auth.jwks_url: can't stand beside auth.jwks_file",
        ),
        (
            "[auth]\njwks_url = \"http://a.example/keys\"".to_owned(),
            "auth.jwks_url: must begin with https://",
        ),
        (
            "[documents]\nurl = \"http://q.example\"\napi_key = \"s3cret\"".to_owned(),
            "documents.url: must be https",
        ),
        (
            "[auth]\njwks_url = \"https://user:s3cret@a.example/\"".to_owned(),
            "auth.jwks_url: must hold neither",
        ),
        (
            "[auth]\njwks_url = \"keys\"".to_owned(),
            "auth.jwks_url: is no address",
        ),
        (
            "[auth]\njwks_file = \"/nowhere/keys.json\"".to_owned(),
            "auth.jwks_file: `/nowhere/keys.json` can't be read",
        ),
        (
            "[auth]\njwks_file = \"Cargo.toml\"".to_owned(),
            "auth.jwks_file: `Cargo.toml` is no JWK Set",
        ),
        (
            format!("[auth]\n{secret}\nalgorithms = [\"RS256\"]"),
            "auth.algorithms: `RS256` can't be used",
        ),
        (
            format!("[auth]\n{secret}\nalgorithms = []"),
            "auth.algorithms: no algorithm",
        ),
        (
            "[auth]\njwks_url = \"https://a.example\"\nalgorithms = [\"HS256\"]".to_owned(),
            "auth.algorithms: `HS256` can't be used",
        ),
        (
            "[auth]\njwks_url = \"https://a.example\"\nalgorithms = [\"none\"]".to_owned(),
            "auth.algorithms: `none` can't be used",
        ),
        (
            format!("[auth]\n{secret}\nleeway = \"5m 1s\""),
            "auth.leeway: must be 5m at most",
        ),
        (
            "[auth]\nalgorithms = [\"RS256\"]".to_owned(),
            "auth.algorithms: is set, but no token can be checked",
        ),
        (
            "[auth]\nleeway = \"1s\"".to_owned(),
            "auth.leeway: is set, but no token can be checked",
        ),
        (
            long.clone(),
            "tokens: issues tokens, which needs auth.hs256_secret",
        ),
        (
            format!("[auth]\njwks_url = \"https://a.example\"\n{long}"),
            "tokens: issues tokens, which needs auth.hs256_secret",
        ),
        (
            format!("[auth]\n{secret}\n{}", client("0123456789abcde")),
            "tokens.clients.web.secret: has 15 bytes, and must have at least 16",
        ),
        (
            format!("[auth]\n{secret}\n[tokens.clients.web]\nroles = []"),
            "tokens.clients.web.secret: is not set",
        ),
        (
            format!("[auth]\n{secret}\n[tokens]"),
            "tokens.clients: names nobody",
        ),
        (
            format!("[auth]\n{secret}\n[tokens]\naccess_ttl = \"10ms\"\n{long}"),
            "tokens.access_ttl: must be a second",
        ),
        (
            format!("[auth]\n{secret}\n[tokens]\nrefresh_ttl = \"1m\"\n{long}"),
            "tokens.refresh_ttl: must not be shorter",
        ),
    ] {
        let error = file_error(&text);
        assert!(error.starts_with("service.toml: "), "{error}");
        assert!(error.contains(expected), "{text}: {error}");
        assert!(
            !error.contains("0123") && !error.contains("s3cret"),
            "{error}"
        );
    }
    for fine in [
        "[auth]\njwks_url = \"https://a.example/keys\"\nleeway = \"5m\"\nalgorithms = [\"PS512\", \"ES384\"]",
        "[auth]\njwks_url = \"http://127.0.0.1:9/keys\"",
        "[auth]\njwks_url = \"http://[::1]:9/keys\"",
        "[auth]\njwks_url = \"http://localhost/keys\"",
    ] {
        read(fine, &[]).unwrap();
    }
}

#[test]
fn embeddings_and_the_document_store_can_be_configured() {
    let usual = settings(&[]).unwrap();
    assert_eq!(usual.embeddings.model, "hashing");
    assert_eq!((usual.embeddings.dimensions, usual.documents), (None, None));
    let set = settings(&[
        ("AGENTGEN_EMBEDDINGS_MODEL", "openai:text-embedding-3-small"),
        ("AGENTGEN_EMBEDDINGS_DIMENSIONS", "256"),
        ("AGENTGEN_EMBEDDINGS_MIN_SCORE", "0"),
        ("OPENAI_API_KEY", "sk-hush"),
        ("AGENTGEN_DOCUMENTS_URL", "http://127.0.0.1:6333"),
        ("AGENTGEN_DOCUMENTS_API_KEY", "sk-hush"),
    ]);
    let set = set.unwrap();
    let provider = set.embeddings.provider.clone().unwrap();
    assert_eq!(provider.api_key.unwrap().expose(), "sk-hush");
    assert!(
        set.providers.is_empty(),
        "agents' models are answered for as before"
    );
    assert_eq!(set.embeddings.dimensions, Some(256));
    assert_eq!(set.embeddings.min_score, Some(0.0));
    assert!(!format!("{set:?}").contains("sk-hush"));
    for (variables, expected) in [
        (
            &[("AGENTGEN_EMBEDDINGS_MODEL", "e5")][..],
            "AGENTGEN_EMBEDDINGS_MODEL: must be `hashing` or `provider:model`",
        ),
        (
            &[("AGENTGEN_EMBEDDINGS_DIMENSIONS", "0")],
            "AGENTGEN_EMBEDDINGS_DIMENSIONS: must be 1 at least",
        ),
        (
            &[("AGENTGEN_EMBEDDINGS_MIN_SCORE", "1.01")],
            "AGENTGEN_EMBEDDINGS_MIN_SCORE: must be between 0 and 1",
        ),
        (
            &[("AGENTGEN_EMBEDDINGS_DIMENSIONS", "many")],
            "AGENTGEN_EMBEDDINGS_DIMENSIONS: ",
        ),
        (
            &[("AGENTGEN_DOCUMENTS_URL", "127.0.0.1:6333")],
            "AGENTGEN_DOCUMENTS_URL: is not an address like",
        ),
        (
            &[("AGENTGEN_DOCUMENTS_API_KEY", "sk-hush")],
            "AGENTGEN_DOCUMENTS_API_KEY: is set, but documents.url is not",
        ),
    ] {
        let error = settings(variables).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
        assert!(!error.contains("sk-hush"), "{error}");
    }
    let misspelt = file_error("[embeddings]\nmodell = \"hashing\"\n");
    assert!(misspelt.contains("did you mean `model`"), "{misspelt}");
}
