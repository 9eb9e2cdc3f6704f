//! The operations of documents, searches and embeddings.

use serde_json::json;

use super::{PORTER, VERSIONS, built};

#[test]
fn documents_searches_and_embeddings_are_described() {
    const READER: &str = "---
name: reader
description: Reads.
service:
  documents: { collection: shelf, roles: [keeper, owner] }
  endpoints:
    find: { path: /find, handler: search, stream: true }
    embed: { path: /embed, handler: embed }
    ask: { path: /ask, retrieve: input, stream: true, output: { answer: string } }
---
Read.
";
    const GUEST: &str = "---
name: guest
description: Asks.
service: { documents: { roles: [] } }
---
Ask.
";
    for (version, _) in VERSIONS {
        let files = [
            ("agents/guest.md", GUEST),
            ("agents/porter.md", PORTER),
            ("agents/reader.md", READER),
        ];
        let file = built(&files, version);
        let document = file("openapi.json");
        let fragment = file("openapi/reader.json");
        let statuses = |path: &str, method: &str| -> Vec<String> {
            let operation = &document["paths"][path][method];
            let of_agent = &fragment["paths"][path][method];
            for key in ["operationId", "description", "parameters", "requestBody"] {
                assert_eq!(operation[key], of_agent[key], "{path}");
            }
            let map = operation["responses"].as_object().unwrap();
            map.keys().cloned().collect()
        };
        let own = "/v1/agents/reader/documents";
        let one = "/v1/agents/reader/documents/{document}";
        assert_eq!(
            statuses(own, "get"),
            [
                "200", "400", "401", "403", "406", "421", "422", "429", "500", "503"
            ]
        );
        assert_eq!(
            statuses(own, "post"),
            [
                "200", "400", "401", "403", "406", "408", "409", "413", "415", "421", "422", "429",
                "500", "502", "503", "504"
            ]
        );
        assert_eq!(
            statuses(one, "get"),
            [
                "200", "400", "401", "403", "404", "406", "421", "429", "500", "503"
            ]
        );
        assert_eq!(
            statuses(one, "delete"),
            [
                "204", "400", "401", "403", "404", "421", "429", "500", "503"
            ]
        );
        let description = |path: &str, method: &str| {
            let operation = &document["paths"][path][method];
            operation["description"].as_str().unwrap().to_owned()
        };
        let roles = "Needs one of the roles keeper, owner.";
        for (path, method) in [(own, "get"), (own, "post"), (one, "get"), (one, "delete")] {
            assert!(
                description(path, method).ends_with(roles),
                "{method} {path}"
            );
        }
        // Everyone may, and who has no documents has no such operation.
        let open = &document["paths"]["/v1/agents/guest/documents"]["get"];
        assert!(!open["description"].as_str().unwrap().contains("roles"));
        assert!(
            document["paths"]
                .get("/v1/agents/porter/documents")
                .is_none()
        );
        assert!(
            file("openapi/porter.json")["components"]["schemas"]
                .get("Document")
                .is_none()
        );

        // Without an `output`, the answers have the default form.
        for (path, name) in [("/find", "Find"), ("/embed", "Embed")] {
            assert!(
                description(path, "post").contains("No language model is asked"),
                "{path}"
            );
            let of = statuses(path, "post");
            assert!(of.contains(&"502".to_owned()) && !of.contains(&"501".to_owned()));
            let schemas = &document["components"]["schemas"];
            let required = match name {
                "Find" => json!(["hits", "total"]),
                _ => json!(["vectors", "model", "dimensions"]),
            };
            assert_eq!(
                schemas[format!("Reader{name}Response")]["required"],
                required
            );
        }
        assert!(!description("/find/stream", "post").contains("output.delta"));
        assert!(description("/ask", "post").contains("up to 5 passages"));
        assert!(
            description("/ask/stream", "post").contains("`run.started`, `passages.retrieved`, ")
        );
        assert!(!description("/v1/agents/porter/invoke/stream", "post").contains("passages"));
        let event = &document["components"]["schemas"]["PassagesRetrievedEvent"];
        assert_eq!(event["required"], json!(["type", "run_id", "passages"]));
    }
}
