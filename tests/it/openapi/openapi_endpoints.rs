//! What endpoints say of themselves: statuses, headers, declared errors, tags, ids, and the samples of their streams.

use agentgen_build::{Config, OpenapiVersion, Project, Source, Target, generate};
use serde_json::{Value, json};

use super::{VERSIONS, built};

const SHOP: &str = r#"---
name: shop
description: Sells lamps.
service:
  invoke: false
  endpoints:
    buy:
      path: /lamps/{lamp-id}/sales
      summary: Buy a lamp
      description: Buys one. The price may change.
      deprecated: true
      tags: [sales, shop]
      operation_id: buyLamp
      headers: { X-Tenant: string, "X-Colour?(array)": string }
      input:
        type: object
        required: [lamp-id, buyer]
        properties:
          lamp-id: { type: integer }
          buyer: { type: string, description: who pays for it and takes it home }
          year: { type: integer }
      output: { number: integer }
      status: 201
      errors:
        sold_out: { status: 409, description: No lamp is left., members: { left: integer } }
        on_hold: { status: 409, title: Held back }
        unknown_lamp: { status: 404, type: /problems/lamp }
      handler: code
    drop: { path: "/lamps/{lamp-id}/sales", method: delete, tags: [sales], input: { lamp-id: integer }, status: 204, handler: code }
    ask: { input: { text: string }, output: { reply: string, year: integer }, stream: true, status: 202 }
---
Sell lamps.
"#;

const CLERK: &str = "---\nname: sales\ndescription: Counts what was sold.\n---\nCount.\n";

fn document(version: OpenapiVersion) -> Value {
    built(
        &[("agents/shop.md", SHOP), ("agents/sales.md", CLERK)],
        version,
    )("openapi.json")
}

#[test]
fn operations_say_what_their_endpoints_say() {
    for (version, _) in VERSIONS {
        let document = document(version);
        let buy = &document["paths"]["/lamps/{lamp-id}/sales"]["post"];
        assert_eq!(buy["operationId"], "buyLamp");
        assert_eq!(buy["summary"], "Buy a lamp");
        assert_eq!(buy["deprecated"], true);
        assert_eq!(buy["tags"], json!(["sales", "shop"]));
        let parameters: Vec<(&Value, &Value)> = buy["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|own| own["name"].is_string())
            .map(|own| (&own["name"], &own["in"]))
            .collect();
        let expected = json!([
            ["lamp-id", "path"],
            ["X-Tenant", "header"],
            ["X-Colour", "header"]
        ]);
        assert_eq!(json!(parameters), expected);
        let drop = &document["paths"]["/lamps/{lamp-id}/sales"]["delete"];
        assert_eq!(drop["deprecated"], Value::Null);
        assert_eq!(drop["operationId"], "dropShop");
        // A tag that an agent has keeps the agent's words, and each is there once.
        let tags: Vec<(&Value, &Value)> = document["tags"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tag| (&tag["name"], &tag["description"]))
            .skip(1)
            .collect();
        assert_eq!(
            json!(tags),
            json!([["sales", "Counts what was sold."], ["shop", "Sells lamps."]])
        );
    }
}

#[test]
fn answers_stand_under_their_status() {
    for (version, _) in VERSIONS {
        let paths = &document(version)["paths"];
        let buy = &paths["/lamps/{lamp-id}/sales"]["post"]["responses"];
        assert_eq!(buy["200"], Value::Null);
        assert_eq!(
            buy["201"]["content"]["application/json"]["example"],
            json!({ "number": 1 })
        );
        let drop = &paths["/lamps/{lamp-id}/sales"]["delete"]["responses"];
        assert!(
            drop["204"].is_object() && drop["204"]["content"].is_null(),
            "{drop}"
        );
        let types = |path: &str, status: &str| {
            let response = &paths[path]["post"]["responses"][status];
            let content = response["content"].as_object().into_iter().flatten();
            content.map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        let ask = "/v1/agents/shop/ask";
        assert_eq!(types(ask, "202"), ["application/json"]);
        assert!(types(ask, "200").is_empty());
        let events = "/v1/agents/shop/ask/stream";
        assert_eq!(types(events, "200"), ["text/event-stream"]);
        assert!(types(events, "202").is_empty());
    }
}

#[test]
fn events_are_an_operation_of_their_own() {
    for (version, number) in VERSIONS {
        let document = document(version);
        let operation = |path: &str| &document["paths"][path]["post"];
        let names = [
            ("/v1/agents/sales/invoke", "invokeSales", "streamSales"),
            ("/v1/agents/shop/ask", "askShop", "streamAskShop"),
        ];
        for (path, id, events) in names {
            let stream_path = format!("{path}/stream");
            let (json, stream) = (operation(path), operation(&stream_path));
            assert_eq!(json["operationId"], id);
            assert_eq!(stream["operationId"], events);
            for same in ["tags", "requestBody"] {
                assert_eq!(json[same], stream[same], "{same}");
            }
            let description = json["description"].as_str().unwrap();
            assert!(
                description.ends_with(&format!("see `POST {stream_path}`.")),
                "{description}"
            );
            let of_stream = &stream["responses"]["200"]["content"]["text/event-stream"];
            match number {
                "3.2.0" => assert_eq!(
                    of_stream["itemSchema"]["$ref"],
                    "#/components/schemas/AgentStreamItem"
                ),
                _ => {
                    assert_eq!(
                        of_stream["schema"]["$ref"],
                        "#/components/schemas/AgentEventStream"
                    );
                    let example = of_stream["example"].as_str().unwrap();
                    assert!(example.starts_with("id: 1\nevent: run.started\ndata: {"));
                    assert!(example.ends_with("}\n\n"));
                }
            }
        }
        // The answer to a key is a whole one, so streams take none. The sale has no events.
        let keys = |path: &str| {
            operation(path)["parameters"]
                .to_string()
                .contains("IdempotencyKey")
        };
        assert!(keys("/v1/agents/shop/ask") && !keys("/v1/agents/shop/ask/stream"));
        assert!(operation("/lamps/{lamp-id}/sales/stream").is_null());
        let schemas = document["components"]["schemas"].as_object().unwrap();
        assert_eq!(schemas.contains_key("AgentEventStream"), number != "3.2.0");
        assert!(schemas.contains_key("AgentEvent") && schemas.contains_key("OutputDeltaEvent"));
    }
}

#[test]
fn declared_errors_are_problem_documents_beside_those_of_the_service() {
    for (version, number) in VERSIONS {
        let document = document(version);
        let responses = &document["paths"]["/lamps/{lamp-id}/sales"]["post"]["responses"];
        let problem = |status: &str| &responses[status]["content"]["application/problem+json"];
        let conflict = problem("409");
        let names: Vec<&str> = conflict["schema"]["anyOf"]
            .as_array()
            .unwrap()
            .iter()
            .map(|schema| schema["$ref"].as_str().unwrap().rsplit('/').next().unwrap())
            .collect();
        assert_eq!(
            names,
            ["ShopBuySoldOutProblem", "ShopBuyOnHoldProblem", "Problem"]
        );
        let description = responses["409"]["description"].as_str().unwrap();
        assert!(
            description.starts_with("No lamp is left. Held back. Another turn"),
            "{description}"
        );
        let keys: Vec<&String> = conflict["examples"].as_object().unwrap().keys().collect();
        assert_eq!(keys, ["sold_out", "on_hold", "service"]);
        let sample = &conflict["examples"]["sold_out"]["value"];
        assert_eq!(sample["code"], "sold_out");
        assert_eq!(sample["left"], 1);
        let unknown = problem("404");
        assert_eq!(
            unknown["schema"]["$ref"],
            "#/components/schemas/ShopBuyUnknownLampProblem"
        );
        assert_eq!(
            unknown["examples"]["unknown_lamp"]["value"]["type"],
            "/problems/lamp"
        );
        let parts = &document["components"]["schemas"]["ShopBuySoldOutProblem"]["allOf"];
        let code = &parts[1]["properties"]["code"];
        match number {
            "3.0.3" => assert_eq!(code["enum"], json!(["sold_out"])),
            _ => assert_eq!(code["const"], "sold_out"),
        }
        assert_eq!(parts[2]["$ref"], "#/components/schemas/ShopBuySoldOut");
    }
}

#[test]
fn samples_are_values_and_not_descriptions() {
    let document = document(OpenapiVersion::V3_1);
    let buy = &document["paths"]["/lamps/{lamp-id}/sales"]["post"];
    let body = &buy["requestBody"]["content"]["application/json"]["examples"]["sample"]["value"];
    assert_eq!(*body, json!({ "buyer": "Some buyer", "year": 2026 }));
}

#[test]
fn the_sample_of_a_stream_ends_with_the_answer() {
    let document = document(OpenapiVersion::V3_1);
    let last_event = |path: &str| {
        let operation = &document["paths"][format!("{path}/stream")]["post"];
        let answer = &operation["responses"]["200"]["content"]["text/event-stream"];
        let (_, line) = answer["example"]
            .as_str()
            .unwrap()
            .rsplit_once("data: ")
            .unwrap();
        serde_json::from_str::<Value>(line.trim_end()).unwrap()
    };
    let ask = last_event("/v1/agents/shop/ask");
    assert_eq!(ask["type"], "run.completed");
    assert_eq!(
        ask["output"],
        json!({ "reply": "Yes, we are open until six.", "year": 2026 })
    );
    let invoke = last_event("/v1/agents/sales/invoke");
    let names: Vec<&String> = invoke["output"].as_object().unwrap().keys().collect();
    let expected = [
        "output",
        "run_id",
        "agent",
        "model",
        "session_id",
        "stop_reason",
        "usage",
    ];
    assert_eq!(names, expected);
    assert_eq!(invoke["output"]["run_id"], invoke["run_id"]);
}

#[test]
fn an_id_of_a_conversation_has_the_bounds_that_the_service_has() {
    const DESK: &str = r#"---
name: desk
description: Answers.
service:
  endpoints:
    talk: { input: { text: string, session_id?: string } }
    own: { input: { type: object, properties: { session_id: { type: string, maxLength: 40, pattern: "^T" } } } }
    one: { input: { type: object, properties: { session_id: { type: string, enum: ["the only one"] } } } }
    code: { input: { session_id: string }, handler: code }
---
Answer.
"#;
    let document = built(&[("agents/desk.md", DESK)], OpenapiVersion::V3_1)("openapi.json");
    let id = |endpoint: &str| {
        let path = format!("/v1/agents/desk/{endpoint}");
        let body = &document["paths"][path]["post"]["requestBody"]["content"]["application/json"];
        let name = body["schema"]["$ref"].as_str().unwrap();
        document.pointer(&name[1..]).unwrap()["properties"]["session_id"].clone()
    };
    let bounds = |id: &Value| json!([id["minLength"], id["maxLength"], id["pattern"]]);
    let service = bounds(&id("invoke"));
    assert_eq!(service[1], 128);
    assert_eq!(bounds(&id("talk")), service);
    assert_eq!(bounds(&id("own")), json!([1, 40, "^T"]));
    for untouched in ["one", "code"] {
        assert_eq!(bounds(&id(untouched)), json!([null, null, null]));
    }
}

#[test]
fn a_document_names_only_the_licence_that_the_project_states() {
    let info = |license: Option<&str>, version| {
        let mut config = Config {
            targets: vec![Target::Openapi],
            ..Config::default()
        };
        config.openapi.version = version;
        config.openapi.license = license.map(str::to_owned);
        let source = Source::from_bytes("agents/sales.md", CLERK.as_bytes().to_vec());
        let generation = generate(&Project {
            config,
            sources: vec![source.unwrap()],
            ..Project::default()
        });
        let file = generation
            .artifacts
            .iter()
            .find(|file| file.path == "openapi.yaml");
        let document: Value = serde_yaml::from_slice(&file.unwrap().bytes).unwrap();
        document["info"].clone()
    };
    for (version, number) in VERSIONS {
        let unknown = info(None, version);
        assert!(
            unknown["license"].is_null() && unknown["contact"].is_null(),
            "{unknown}"
        );
        let license = match number {
            "3.0.3" => json!({ "name": "MIT", "url": "https://spdx.org/licenses/MIT.html" }),
            _ => json!({ "name": "MIT", "identifier": "MIT" }),
        };
        assert_eq!(info(Some("MIT"), version)["license"], license);
    }
}
