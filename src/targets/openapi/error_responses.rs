//! The problem responses of one operation: those of the service, and those that the endpoint declares.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use agentgen_schema::{Handler, Method, Schema, Violation};
use heck::ToUpperCamelCase;
use serde_json::{Map, Value as Json, json};

use crate::agent::Agent;
use crate::agent::invoke::INVOKE_SCHEMAS;
use crate::agent::operation::Operation;
use crate::contract::endpoint_error::EndpointError;
use crate::schema::sample::example;
use crate::targets::openapi::components::{extract_component, register_definitions};
use crate::targets::openapi::operations::component_base;
use crate::targets::openapi::runtime_contract;

const PROBLEM: &str = "application/problem+json";
/// The component of the response to a request that breaks its schema.
const INVALID: &str = "UnprocessableContent";

/// What the built-in `invoke` of each agent says of a request that breaks its schema.
static INVALID_FOR_INVOKE: LazyLock<Json> =
    LazyLock::new(|| shared_response(INVALID, "422", &INVOKE_SCHEMAS.input.json));

/// The problem responses of the operation by status, each with the `name` of a component or a whole response `inline`; the
/// schemas of declared errors are added to `components`.
pub fn error_responses(
    agent: &Agent,
    operation: &Operation<'_>,
    components: &mut Vec<(String, Json)>,
) -> Vec<Json> {
    let own = service_errors(operation);
    let declared = operation
        .endpoint
        .map_or(&[][..], |endpoint| &endpoint.errors);
    let base = format!(
        "{}{}",
        component_base(agent),
        operation.name.to_upper_camel_case()
    );
    let statuses: BTreeSet<u16> = own
        .keys()
        .copied()
        .chain(declared.iter().map(|error| error.status))
        .collect();
    let mut responses = Vec::new();
    for status in statuses {
        let shared = own.get(&status).copied();
        let declared: Vec<&EndpointError> = declared
            .iter()
            .filter(|error| error.status == status)
            .collect();
        let status = status.to_string();
        responses.push(match shared {
            Some(INVALID) if declared.is_empty() && operation.endpoint.is_none() => {
                INVALID_FOR_INVOKE.clone()
            }
            Some(INVALID) if declared.is_empty() => {
                shared_response(INVALID, &status, &operation.input_schema())
            }
            Some(name) if declared.is_empty() => json!({ "status": status, "name": name }),
            _ => {
                let response = response(&base, operation, &declared, shared, components);
                json!({ "status": status, "inline": response })
            }
        });
    }
    responses
}

/// The problem response of the service in the component `name`: a reference, or a response whose example fits an operation
/// that takes `input`.
pub fn shared_response(name: &str, status: &str, input: &Json) -> Json {
    let response = of_input(name, input);
    if response == runtime_contract::components()["responses"][name] {
        json!({ "status": status, "name": name })
    } else {
        json!({ "status": status, "inline": response })
    }
}

/// The response in the component `name`; if it says what is wrong with a request, its example is about `input`.
fn of_input(name: &str, input: &Json) -> Json {
    let mut response = runtime_contract::components()["responses"][name].clone();
    let example = &mut response["content"][PROBLEM]["example"];
    if name == INVALID
        && let Some(violation) = violation(input)
    {
        example["errors"] = json!([violation]);
    }
    response
}

/// What the service says of a request that breaks the schema `input`: one without a required property, or else with a
/// property of another type or name.
fn violation(input: &Json) -> Option<Violation> {
    let schema = Schema::compile(input).ok()?;
    let names = input["properties"].as_object().into_iter().flatten();
    let wrong = [json!({}), Json::Null, json!("")];
    let wrong = names.flat_map(|(name, _)| wrong.iter().map(move |value| json!({ name: value })));
    let mut requests = [json!({})]
        .into_iter()
        .chain(wrong)
        .chain([json!({ "unknown": "" })]);
    requests.find_map(|request| schema.violations(&request).into_iter().next())
}

/// A response of one of the `declared` errors, or of the service's own in the component `shared`.
fn response(
    base: &str,
    operation: &Operation<'_>,
    declared: &[&EndpointError],
    shared: Option<&str>,
    components: &mut Vec<(String, Json)>,
) -> Json {
    let mut descriptions = Vec::new();
    let mut schemas = Vec::new();
    let mut examples = Map::new();
    for error in declared {
        descriptions.push(error.description.as_str());
        schemas.push(problem_schema(base, error, components));
        let value = sample(error, &operation.path);
        examples.insert(
            error.code.clone(),
            json!({ "summary": error.title, "value": value }),
        );
    }
    let mut headers = json!({ "X-Request-Id": { "$ref": "#/components/headers/RequestId" } });
    if let Some(name) = shared {
        let response = of_input(name, &operation.input_schema());
        let shared = &runtime_contract::components()["responses"][name];
        descriptions.extend(shared["description"].as_str());
        headers = response["headers"].clone();
        let content = &response["content"][PROBLEM];
        schemas.push(content["schema"].clone());
        let example =
            json!({ "summary": content["example"]["title"], "value": content["example"] });
        examples.insert("service".to_owned(), example);
    }
    let schema = match <[Json; 1]>::try_from(schemas) {
        Ok([schema]) => schema,
        // A problem of the service may have the members of a declared one too.
        Err(schemas) => json!({ "anyOf": schemas }),
    };
    json!({
        "description": descriptions.join(" "),
        "headers": headers,
        "content": { PROBLEM: { "schema": schema, "examples": examples } },
    })
}

/// A problem document whose type and code are those of `error`.
fn problem_schema(base: &str, error: &EndpointError, components: &mut Vec<(String, Json)>) -> Json {
    let name = format!("{base}{}Problem", error.code.to_upper_camel_case());
    let of_error = json!({
        "type": "object",
        "required": ["type", "title", "status", "code"],
        "properties": {
            "type": { "type": "string", "description": "Identifies the kind of problem.", "const": error.problem_type },
            "title": { "type": "string", "description": "The kind of problem in words.", "const": error.title },
            "status": { "type": "integer", "description": "The HTTP status code.", "const": error.status },
            "code": { "type": "string", "description": "Identifies the kind of problem among those of the operation.", "const": error.code },
        },
    });
    let mut parts = vec![json!({ "$ref": "#/components/schemas/Problem" }), of_error];
    if let Some(schema) = &error.members {
        let members = format!("{base}{}", error.code.to_upper_camel_case());
        let definitions = register_definitions(&members, &schema.json, components);
        parts.push(extract_component(
            &members,
            &schema.json,
            &definitions,
            components,
        ));
    }
    let schema = json!({ "description": error.description, "allOf": parts });
    extract_component(&name, &schema, &Vec::new(), components)
}

/// The problem document of `error` as the service sends it for the path `path`.
fn sample(error: &EndpointError, path: &str) -> Json {
    let mut document = json!({
        "type": error.problem_type,
        "title": error.title,
        "status": error.status,
        "detail": error.description,
        "instance": path.replace(['{', '}'], ""),
        "requestId": "01936f2e-7b1c-7000-8000-000000000003",
        "code": error.code,
    });
    let members = error
        .members
        .as_ref()
        .and_then(|schema| example(&schema.json));
    if let (Json::Object(document), Some(Json::Object(members))) = (&mut document, members) {
        document.extend(members);
    }
    document
}

/// The problem responses of the service itself: names of components, by status.
fn service_errors(operation: &Operation<'_>) -> BTreeMap<u16, &'static str> {
    let mut errors = BTreeMap::new();
    errors.insert(401, "Unauthorized");
    // Also without roles: a service without authentication refuses pages of other sites.
    errors.insert(403, "Forbidden");
    errors.insert(406, "NotAcceptable");
    errors.insert(421, "MisdirectedRequest");
    // Where neither the endpoint nor the agent has a rate, the operator may have set one.
    errors.insert(429, "TooManyRequests");
    errors.insert(500, "InternalServerError");
    errors.insert(503, "ServiceUnavailable");
    errors.insert(504, "GatewayTimeout");
    let has_body = operation.method.has_body();
    if has_body {
        errors.insert(408, "RequestTimeout");
        errors.insert(413, "ContentTooLarge");
        errors.insert(415, "UnsupportedMediaType");
    }
    // A request whose query holds what the operation does not know is refused too.
    errors.insert(400, "BadRequest");
    errors.insert(422, INVALID);
    // Another turn of the conversation, or a request with the same Idempotency-Key, may be running.
    if operation.has_session() || operation.method == Method::Post {
        errors.insert(409, "Conflict");
    }
    let handler = operation
        .endpoint
        .map_or(Handler::Model, |endpoint| endpoint.handler);
    match handler {
        Handler::Code => errors.insert(501, "NotImplemented"),
        // They call the provider of a model or of embeddings.
        Handler::Model | Handler::Search | Handler::Embed => {
            errors.insert(413, "ContentTooLarge");
            errors.insert(502, "BadGateway")
        }
    };
    errors
}
