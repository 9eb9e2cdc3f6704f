//! Restrictions in frontmatter: what becomes of tools, models, limits and other keys of a harness.

use agentgen_build::{Code, Config, Generation, Project, Severity, Source, generate};
use serde_json::{Value as Json, json};

/// What is generated from agents of these names and these lines of frontmatter.
pub fn of(agents: &[(&str, &str)], config: Config) -> Generation {
    let source = |(name, yaml): &(&str, &str)| {
        let text = format!("---\nname: {name}\ndescription: Does it.\n{yaml}\n---\nPrompt.\n");
        Source::from_bytes(&format!("agents/{name}.md"), text.into_bytes()).unwrap()
    };
    generate(&Project {
        sources: agents.iter().map(source).collect(),
        config,
        ..Project::default()
    })
}

pub fn desk(yaml: &str) -> Generation {
    of(&[("desk", yaml)], Config::default())
}

fn messages(generation: &Generation) -> Vec<String> {
    let diagnostics = generation.diagnostics.iter();
    diagnostics.map(ToString::to_string).collect()
}

pub fn text(generation: &Generation, path: &str) -> String {
    let found = generation.artifacts.iter().find(|file| file.path == path);
    let found = found.unwrap_or_else(|| panic!("no {path}: {:?}", messages(generation)));
    String::from_utf8(found.bytes.clone()).unwrap()
}

fn bundle(generation: &Generation) -> Json {
    serde_json::from_str(&text(generation, "prompts/desk/bundle.json")).unwrap()
}

/// What is said about `yaml` in a project whose workspace gives these tools, with the code AG028.
fn missing_tools(yaml: &str, workspace_tools: &[&str]) -> Vec<(String, String)> {
    let config = Config {
        workspace_tools: workspace_tools
            .iter()
            .map(|tool| (*tool).to_owned())
            .collect(),
        ..Config::default()
    };
    let generation = of(&[("desk", yaml)], config);
    let notes = generation.diagnostics.into_iter();
    let notes = notes.filter(|note| note.code == Code::ToolNotExecutable);
    notes
        .map(|note| {
            assert_eq!(note.severity, Severity::Note);
            let names = note.message.strip_prefix("a service can't run ").unwrap();
            (names.to_owned(), note.help.unwrap())
        })
        .collect()
}

#[test]
fn tools_that_a_service_has_only_if_it_registers_them_are_noted() {
    for (yaml, wanted) in [
        (
            "tools: Read, books, mcp__shop__buy, Bash(ls), Bash(cat)",
            "`Read`, `Bash`",
        ),
        (
            "tools: ['search/usages', 'github/*', books]",
            "`search/usages`",
        ),
        ("tools: Diff Engine", "`Diff Engine`"),
        ("tools: {\"*\": false, Bash: true}", "`Bash`"),
    ] {
        let notes = missing_tools(yaml, &[]);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert_eq!(notes[0].0, wanted);
    }
    for yaml in [
        "tools: books, maps",
        "tools: search, read",
        "tools: TodoWrite",
        "disallowedTools: Bash",
        "tools: '*'",
    ] {
        assert_eq!(missing_tools(yaml, &[]), [], "{yaml}");
    }
}

#[test]
fn tools_of_the_workspace_are_there_once_it_is_set_up() {
    let reading = ["Read", "Glob", "Grep"];
    let all = ["Read", "Glob", "Grep", "Write", "Edit", "MultiEdit"];
    let yaml = "tools: Read, Grep, Edit, TodoWrite";
    let notes = missing_tools(yaml, &[]);
    assert_eq!(notes[0].0, "`Read`, `Grep`, `Edit`");
    assert!(notes[0].1.contains("`[workspace] root`"), "{notes:?}");
    let notes = missing_tools(yaml, &reading);
    assert_eq!(notes[0].0, "`Edit`");
    assert!(notes[0].1.contains("`write = true`"), "{notes:?}");
    assert_eq!(missing_tools(yaml, &all), []);
    // An entry for some calls allows none, whatever the service has.
    assert_eq!(missing_tools("tools: Read(src/**)", &all)[0].0, "`Read`");
}

#[test]
fn denied_tools_are_in_the_bundle_and_in_the_constants() {
    let generation = desk(
        "tools: books, Bash(ls), mcp__shop\ndisallowedTools: lend, Bash(rm:*), mcp__shop__buy, mcp__x",
    );
    let rust = text(&generation, "rust/desk.rs");
    assert!(
        rust.contains(
            r#"tools: ::core::option::Option::Some(&["books", "Bash(ls)", "mcp__shop__*"]),"#
        ),
        "{rust}"
    );
    assert!(
        rust.contains(r#"denied_tools: &["lend", "Bash", "mcp__shop__buy", "mcp__x__*"],"#),
        "{rust}"
    );
    let bundle = bundle(&generation);
    assert_eq!(bundle["tools"].as_array().unwrap().len(), 3);
    assert_eq!(
        bundle["denied_tools"][1],
        json!({"entry": "Bash(rm:*)", "name": "Bash", "arguments": ["rm:*"]})
    );
    assert_eq!(
        bundle["metadata"]["disallowedTools"],
        "lend, Bash(rm:*), mcp__shop__buy, mcp__x"
    );
    assert_eq!(desk("").artifacts.len(), generation.artifacts.len());
    assert!(text(&desk(""), "rust/desk.rs").contains("denied_tools: &[],"));
}

#[test]
fn rules_on_agents_take_handoffs_away() {
    for (rule, left) in [
        ("tools: books", json!(["cook", "baker"])),
        ("tools: Agent(cook)", json!(["cook"])),
        ("disallowedTools: Task(cook)", json!(["baker"])),
        ("disallowedTools: Task", json!([])),
    ] {
        let yaml = format!("{rule}\nservice: {{ agents: [cook, baker] }}");
        let agents = [("desk", yaml.as_str()), ("cook", ""), ("baker", "")];
        let generation = of(&agents, Config::default());
        assert_eq!(bundle(&generation)["agents"], left, "{rule}");
        let rust = text(&generation, "rust/desk.rs");
        let list = left.to_string().replace(',', ", ");
        assert!(
            rust.contains(&format!("agents: &{list},")),
            "{rule}: {rust}"
        );
        let warned = generation
            .diagnostics
            .iter()
            .filter(|one| one.code == Code::ToolReach && one.severity == Severity::Warning);
        assert_eq!(warned.count(), 2 - left.as_array().unwrap().len(), "{rule}");
    }
}

#[test]
fn turns_and_minutes_become_limits_of_the_policy() {
    let policy = |yaml: &str| bundle(&desk(yaml))["policy"].clone();
    for yaml in [
        "maxTurns: 5",
        "max_turns: 5",
        "max-turns: 5",
        "maxSteps: 5",
        "steps: 5",
        "maxTurns: '5'",
        "maxTurns: 5\nservice: { budget: { tokens: 100 } }",
        "maxTurns: 9\nservice: { budget: { turns: 5 } }",
    ] {
        assert_eq!(policy(yaml)["budget_turns"], 5, "{yaml}");
    }
    assert_eq!(policy("timeout_mins: 2")["timeout_ms"], 120_000);
    assert_eq!(policy("timeout_mins: 0.5")["timeout_ms"], 30_000);
    assert_eq!(
        policy("timeout_mins: 2\nservice: { timeout: 1s }")["timeout_ms"],
        1000
    );
    let rust = text(&desk("maxTurns: 5"), "rust/desk.rs");
    assert!(
        rust.contains("budget_turns: ::core::option::Option::Some(5)"),
        "{rust}"
    );

    // Steps may be something else to somebody else.
    let generation = desk("steps: [one, two]");
    assert_eq!(bundle(&generation)["policy"]["budget_turns"], Json::Null);
    assert_eq!(messages(&generation), [""; 0]);
    assert_eq!(
        messages(&desk("maxTurns: 5\nservice: { budget: { turns: 5 } }")),
        [""; 0]
    );
    assert_eq!(
        messages(&desk("maxTurns: 9\nservice: { budget: { turns: 5 } }")),
        [
            "agents/desk.md:4:11: note[AG045]: `maxTurns` and `service.budget.turns` differ (the service block goes first; remove one of them)"
        ]
    );
    assert_eq!(policy("maxTurns: 5.0")["budget_turns"], 5);
    for (value, found) in [
        ("0", "`0`"),
        ("-3", "`-3`"),
        ("2.5", "`2.5`"),
        ("5 turns", "`5 turns`"),
        ("''", "text"),
        ("[3]", "a list"),
    ] {
        let generation = desk(&format!("maxTurns: {value}"));
        assert_eq!(bundle(&generation)["policy"]["budget_turns"], Json::Null);
        assert_eq!(
            messages(&generation),
            [format!(
                "agents/desk.md:4:11: warning[AG025]: `maxTurns` is {found} (it takes a whole number from 1; without one, the limit of the service holds)"
            )],
            "{value}"
        );
    }
}

#[test]
fn a_list_of_models_is_a_model_and_its_fallbacks() {
    let models = |yaml: &str| {
        let bundle = bundle(&desk(yaml));
        (
            bundle["model"].clone(),
            bundle["policy"]["fallbacks"].clone(),
        )
    };
    for (yaml, first, fallbacks) in [
        (
            "model: [gpt-5.4, claude-sonnet-4.6]",
            json!("gpt-5.4"),
            json!(["claude-sonnet-4.6"]),
        ),
        (
            "model: [opus, sonnet, opus, haiku]",
            json!("opus"),
            json!(["sonnet", "haiku"]),
        ),
        ("models: [opus, sonnet]", json!("opus"), json!(["sonnet"])),
        (
            "model: opus\nfallbackModels: [haiku]",
            json!("opus"),
            json!(["haiku"]),
        ),
        (
            "model: opus\nfallback_models: haiku",
            json!("opus"),
            json!(["haiku"]),
        ),
        ("model: inherit", json!(null), json!([])),
        ("model: default", json!(null), json!([])),
        ("model:", json!(null), json!([])),
        ("model: [inherit, haiku]", json!(null), json!(["haiku"])),
        // The service block goes first.
        (
            "model: [opus, sonnet]\nservice: { model: haiku }",
            json!("haiku"),
            json!([]),
        ),
        (
            "model: [opus, sonnet]\nservice: { fallbacks: [haiku] }",
            json!("opus"),
            json!(["haiku"]),
        ),
    ] {
        assert_eq!(models(yaml), (first, fallbacks), "{yaml}");
    }
    let rust = text(&desk("model: [opus, sonnet]"), "rust/desk.rs");
    assert!(rust.contains(r#"fallbacks: &["sonnet"],"#), "{rust}");
    for (yaml, wanted) in [
        (
            "model: {name: opus}",
            "agents/desk.md:4:8: error[AG025]: `model` is a mapping",
        ),
        (
            "model: [opus, [haiku]]",
            "agents/desk.md:4:15: error[AG025]: `model` has an item that is a list",
        ),
    ] {
        assert!(
            messages(&desk(yaml))[0].starts_with(wanted),
            "{:?}",
            messages(&desk(yaml))
        );
    }
}

#[test]
fn the_suffix_for_a_long_context_window_is_no_part_of_a_name() {
    for (yaml, model) in [
        ("model: sonnet[1m]", "sonnet"),
        ("model: [Opus[1M], haiku]", "Opus"),
        ("model: claude-sonnet-4-5[1m]", "claude-sonnet-4-5"),
    ] {
        let generation = desk(yaml);
        assert_eq!(bundle(&generation)["model"], model, "{yaml}");
        let notes = messages(&generation);
        assert!(
            notes
                .iter()
                .any(|note| note.contains("`[1m]` has no effect in a service (the model is `")),
            "{notes:?}"
        );
    }
    let odd = messages(&desk("model: sonnet[2m]"));
    assert!(odd[0].contains("is not the name of a model"), "{odd:?}");
}

#[test]
fn of_two_lists_of_tools_the_first_that_restricts_counts() {
    for (yaml, tools) in [
        ("tools: books\nallowed-tools: books, lend", json!(["books"])),
        ("allowed-tools: books, lend\ntools: books", json!(["books"])),
        ("tools: \"*\"\nallowedTools: books", json!(["books"])),
        (
            "tools: {lend: false}\nallowedTools: books",
            json!(["books"]),
        ),
    ] {
        let bundle = bundle(&desk(yaml));
        let entries = bundle["tools"].as_array().unwrap().iter();
        let entries: Vec<&Json> = entries.map(|tool| &tool["entry"]).collect();
        assert_eq!(json!(entries), tools, "{yaml}");
    }
    assert_eq!(
        messages(&desk("tools: books\nallowed-tools: lend")),
        [
            "agents/desk.md:5:1: warning[AG009]: `allowed-tools` has no effect beside `tools` (keep one list: both keys mean the same)"
        ]
    );
}

#[test]
fn models_between_commas_are_a_list() {
    let generation = desk("model: sonnet, opus, sonet");
    let agent = &bundle(&generation);
    assert_eq!(agent["model"], "sonnet");
    assert_eq!(agent["policy"]["fallbacks"][0], "opus");
    assert_eq!(
        messages(&generation),
        [
            "agents/desk.md:4:8: warning[AG027]: `sonet` is not the name of a model (did you mean `sonnet`?)"
        ]
    );
}

#[test]
fn a_model_that_nothing_knows_is_a_warning() {
    for yaml in [
        "model: sonnet",
        "model: fable",
        "model: best",
        "model: opusplan",
        "model: claude-opus-4-1",
        "model: gpt-5.4",
        "model: anthropic/claude-sonnet-4",
        "model: 'local:qwen'",
        "model: echo",
        "service: { model: haiku, fallbacks: [opus, inherit] }",
    ] {
        assert_eq!(messages(&desk(yaml)), [""; 0], "{yaml}");
    }
    for (yaml, wanted) in [
        (
            "model: sonet",
            "agents/desk.md:4:8: warning[AG027]: `sonet` is not the name of a model (did you mean `sonnet`?)",
        ),
        (
            "model: Sonnet",
            "agents/desk.md:4:8: warning[AG027]: `Sonnet` is not the name of a model (did you mean `sonnet`?)",
        ),
        (
            "model: [opus, hiaku]",
            "agents/desk.md:4:15: warning[AG027]: `hiaku` is not the name of a model (did you mean `haiku`?)",
        ),
        (
            "service: { model: sonet }",
            "agents/desk.md:4:19: warning[AG027]: `sonet` is not the name of a model (did you mean `sonnet`?)",
        ),
        (
            "model: GPT-5.4 (copilot)",
            "agents/desk.md:4:8: warning[AG027]: `GPT-5.4 (copilot)` is not the name of a model (it takes `sonnet`, `opus`, `haiku`, `fable`, `best` or `opusplan`, an alias under [models], or an id such as `claude-sonnet-4-5` or `provider:model`)",
        ),
    ] {
        assert_eq!(messages(&desk(yaml)), [wanted], "{yaml}");
    }
    let found = messages(&desk("service: { fallbacks: [haiko] }"));
    assert_eq!(
        found,
        [
            "agents/desk.md:4:24: error[AG044]: `haiko` is neither an agent of this project nor a model (did you mean `haiku`?)"
        ]
    );
    let config = Config {
        models: vec![("house".to_owned(), "local:qwen".to_owned())],
        ..Config::default()
    };
    assert_eq!(
        messages(&of(&[("desk", "model: house")], config.clone())),
        [""; 0]
    );
    let found = messages(&of(&[("desk", "model: huose")], config));
    assert!(found[0].ends_with("(did you mean `house`?)"), "{found:?}");
}

#[test]
fn the_models_of_service_toml_are_those_that_count() {
    let of = |yaml: &str| {
        let config = Config {
            service_models: vec![
                "default".to_owned(),
                "sonnet".to_owned(),
                "fast one".to_owned(),
            ],
            ..Config::default()
        };
        messages(&of(&[("desk", yaml)], config))
    };
    for yaml in [
        "model: sonnet",
        "model: fast one",
        "model: inherit",
        "model: claude-opus-4-1",
    ] {
        assert_eq!(of(yaml), [""; 0], "{yaml}");
    }
    assert_eq!(
        of("model: sonet"),
        [
            "agents/desk.md:4:8: warning[AG027]: service.toml does not say which model `sonet` is (did you mean `sonnet`?)"
        ]
    );
    assert_eq!(
        of("model: opus\nservice: { fallbacks: [haiku] }"),
        [
            "agents/desk.md:4:8: warning[AG027]: service.toml does not say which model `opus` is (add `opus = \"provider:model\"` under [models] there)",
            "agents/desk.md:5:24: warning[AG027]: service.toml does not say which model `haiku` is (add `haiku = \"provider:model\"` under [models] there)",
        ]
    );
}

#[test]
fn keys_without_an_effect_are_named_in_one_note() {
    let yaml = "color: red\npermissionMode: plan\nmcpServers: [github]\nhooks: {Stop: []}\nskills: [a]\ninitialPrompt: Go\n\
        memory: user\nbackground: true\nomitClaudeMd: true\nisolation: worktree\nobserver: a, b\nobserverMessage: Hi\n\
        observeSubagents: true\nobserveToolResults: false\neffort: high\nautoCompactWindow: 90000\nexperimental: {cacheTtl: 5m}\n\
        version: 1\nmaxTurns: 3";
    let generation = desk(yaml);
    assert_eq!(
        messages(&generation).len(),
        1,
        "{:?}",
        messages(&generation)
    );
    let note = &generation.diagnostics[0];
    assert_eq!(
        (note.code, note.severity),
        (Code::KeyWithoutEffect, Severity::Note)
    );
    assert_eq!(note.subjects.len(), 17, "{:?}", note.subjects);
    assert!(
        note.message.starts_with("`color`, `permissionMode`, "),
        "{}",
        note.message
    );
    assert!(
        note.message
            .ends_with("`experimental` have no effect in a service"),
        "{}",
        note.message
    );
    assert_eq!(messages(&desk("color:")), [""; 0]);
}

#[test]
fn values_of_known_keys_are_checked() {
    for (yaml, wanted) in [
        ("effort: 3", None),
        ("background: 'true'", None),
        ("mcpServers: {github: {command: x}}", None),
        (
            "effort: hgih",
            Some(
                "4:9: warning[AG027]: `effort` is none of low, medium, high, xhigh, max (did you mean `high`?)",
            ),
        ),
        (
            "experimental: {cacheTtl: 5min}",
            Some("4:26: warning[AG027]: `cacheTtl` is none of 5m, 1h"),
        ),
        (
            "experimental: fast",
            Some("4:15: warning[AG025]: `experimental` is text (it takes a mapping"),
        ),
        (
            "memory: everything",
            Some("4:9: warning[AG027]: `memory` is none of user, project, local"),
        ),
        (
            "hooks: none",
            Some("4:8: warning[AG025]: `hooks` is text (it takes a mapping"),
        ),
        (
            "mcpServers: github",
            Some("4:13: warning[AG025]: `mcpServers` is text (it takes a list or a mapping"),
        ),
        (
            "omitClaudeMd: maybe",
            Some("4:15: warning[AG025]: `omitClaudeMd` is text (it takes `true` or `false`"),
        ),
        (
            "autoCompactWindow: much",
            Some("4:20: warning[AG025]: `autoCompactWindow` is text (it takes a number"),
        ),
    ] {
        let found = messages(&desk(yaml));
        let found: Vec<&String> = found
            .iter()
            .filter(|one| !one.contains("[AG036]") && !one.contains("[AG033]"))
            .collect();
        match wanted {
            None => assert!(found.is_empty(), "{found:?}"),
            Some(wanted) => {
                assert_eq!(found.len(), 1, "{found:?}");
                let wanted = format!("agents/desk.md:{wanted}");
                assert!(found[0].starts_with(&wanted), "{found:?}");
            }
        }
    }
}

#[test]
fn a_rule_on_tools_under_an_unknown_key_is_a_warning() {
    for (key, told) in [
        ("denyTools", "it denies nothing (write `disallowedTools`)"),
        ("deny-tools", "it denies nothing (write `disallowedTools`)"),
        (
            "excludeTools",
            "it denies nothing (write `disallowedTools`)",
        ),
        (
            "blocked_tools",
            "it denies nothing (write `disallowedTools`)",
        ),
        ("disallowed", "it denies nothing (write `disallowedTools`)"),
        ("tool-allowlist", "it restricts nothing (write `tools`)"),
        ("enabled_tools", "it restricts nothing (write `tools`)"),
    ] {
        assert_eq!(
            messages(&desk(&format!("{key}: Bash"))),
            [format!(
                "agents/desk.md:4:1: warning[AG026]: there is no key `{key}`: {told}"
            )]
        );
    }
    assert!(messages(&desk("denyTools: 3"))[0].contains("note[AG026]"));
}

#[test]
fn a_suggestion_fits_in_name_and_kind() {
    let suggestion = |yaml: &str| {
        let found = desk(yaml).diagnostics;
        let unknown = found
            .iter()
            .find(|one| one.code == Code::UnknownKey)
            .unwrap();
        let help = unknown.help.clone().unwrap();
        let name = help.strip_prefix("did you mean `");
        name.and_then(|name| Some(name.split_once('`')?.0.to_owned()))
    };
    for yaml in [
        "max_tokens: 4000",
        "maxTokens: 4000",
        "services: [one, two]",
        "modes: [plan, build]",
        "modes: {plan: true}",
        "skipped: true",
        "toolset: 3",
        "hook: yes please",
        "coordination: none",
        "tag: a",
    ] {
        assert_eq!(suggestion(yaml), None, "{yaml}");
    }
    for (yaml, wanted) in [
        ("dissallowedTools: Bash", "disallowedTools"),
        ("disallowTools: [Bash]", "disallowedTools"),
        ("maxTurn: 3", "maxTurns"),
        ("modle: sonnet", "model"),
        ("tool: Read", "tools"),
        ("servcie: {invoke: false}", "service"),
        ("permisionMode: plan", "permissionMode"),
        ("colour: red", "color"),
    ] {
        assert_eq!(suggestion(yaml).as_deref(), Some(wanted), "{yaml}");
    }
}
