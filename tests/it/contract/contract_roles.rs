//! The roles of `invoke`: its own, or those that all endpoints share.

use agentgen_build::{Config, Project, Source, Target, generate};
use serde_json::Value;

use super::{assert_diagnostics, diagnostics, spec};

const OPEN: &str = "say who may call it: `invoke: { roles: [clerk, admin] }`, or `invoke: { roles: [] }` for every caller";

#[test]
fn an_agent_whose_endpoints_need_roles_and_itself_none_is_warned_about() {
    assert_diagnostics(&[
        (
            "endpoints:\n  read: { roles: [clerk] }\n  close: { roles: [admin] }",
            &[&format!(
                "warning keys.md:6:5 AG047 `invoke` admits every caller, but `read` needs one of the roles clerk; {OPEN}"
            )],
        ),
        (
            "endpoints:\n  read: {}\n  close: { roles: [clerk, admin] }",
            &[&format!(
                "warning keys.md:7:5 AG047 `invoke` admits every caller, but `close` needs one of the roles clerk, admin; {OPEN}"
            )],
        ),
        // Shared, stated, or out of reach.
        (
            "endpoints:\n  read: { roles: [clerk, admin] }\n  close: { roles: [admin] }",
            &[],
        ),
        (
            "invoke: { roles: [] }\nendpoints:\n  close: { roles: [admin] }\n  read: {}",
            &[],
        ),
        (
            "invoke: false\nendpoints:\n  close: { roles: [admin] }\n  read: {}",
            &[],
        ),
        ("endpoints:\n  invoke: {}\n  close: { roles: [admin] }", &[]),
        ("endpoints:\n  read: {}", &[]),
    ]);
    let ledger = "invoke: false\nendpoints:\n  close: { roles: [admin] }\n  read: {}";
    for names in ["agents: [ledger]", "fallbacks: [haiku, ledger]"] {
        let files = [
            ("agents/desk.md", &*spec("desk", names)),
            ("agents/ledger.md", &*spec("ledger", ledger)),
        ];
        assert_eq!(
            diagnostics(&files),
            [
                "warning ledger.md:7:5 AG047 `ledger` answers every caller of the agents that name it, but `close` needs one of the roles admin; give its endpoints a role in common, or say who may call it: `invoke: { roles: [admin] }`"
            ],
            "{names}"
        );
    }
}

#[test]
fn the_roles_of_invoke_are_a_list() {
    assert_diagnostics(&[
        (
            "invoke: { roles: clerk }",
            &["5:20 AG045 `roles` is text; it takes a list of names: `[one, two]`"],
        ),
        (
            "invoke: { rolls: [clerk] }",
            &["5:13 AG026 there is no setting `rolls`; did you mean `roles`?"],
        ),
        (
            "invoke: {}",
            &[
                "5:11 AG045 `invoke` is an empty mapping; it takes `true`, `false` or `{ roles: [clerk] }`",
            ],
        ),
    ]);
}

#[test]
fn invoke_has_the_roles_that_all_endpoints_share() {
    for (block, roles) in [
        ("endpoints:\n  read: {}", ""),
        ("endpoints:\n  read: { roles: [a, b] }", "a, b"),
        (
            "endpoints:\n  read: { roles: [a, b, c] }\n  write: { roles: [c, b] }",
            "b, c",
        ),
        (
            "invoke: { roles: [d] }\nendpoints:\n  read: { roles: [a] }",
            "d",
        ),
        (
            "invoke: { roles: [] }\nendpoints:\n  read: { roles: [a] }",
            "",
        ),
        (
            "endpoints:\n  invoke: { roles: [e] }\n  read: { roles: [a] }",
            "e",
        ),
    ] {
        let text = spec("keys", block).into_bytes();
        let project = Project {
            sources: vec![Source::from_bytes("agents/keys.md", text).unwrap()],
            config: Config {
                targets: vec![Target::Prompts, Target::Rust, Target::Openapi],
                ..Config::default()
            },
            ..Project::default()
        };
        let generation = generate(&project);
        let file = |path: &str| {
            let files = &generation.artifacts;
            let file = files.iter().find(|file| file.path == path);
            String::from_utf8(file.unwrap().bytes.clone()).unwrap()
        };
        let bundle: Value = serde_json::from_str(&file("prompts/keys/bundle.json")).unwrap();
        let endpoints = bundle["endpoints"].as_array().unwrap();
        let invoke = endpoints
            .iter()
            .find(|endpoint| endpoint["name"] == "invoke");
        let list: Vec<&str> = roles.split(", ").filter(|role| !role.is_empty()).collect();
        assert_eq!(
            invoke.unwrap()["roles"],
            Value::from(list.clone()),
            "{block}"
        );
        // Of the agent itself and of `invoke`.
        let constant = format!("roles: &{list:?},");
        let module = file("rust/keys.rs");
        assert!(module.matches(&constant).count() >= 2, "{block}\n{module}");
        let openapi = file("openapi/keys.yaml");
        let needs = format!("Needs one of the roles {roles}.");
        assert_eq!(openapi.contains(&needs), !roles.is_empty(), "{block}");
    }
}
