//! The template variables of one operation: its content, parameters and examples.

use agentgen_schema::Method;
use heck::ToUpperCamelCase;
use serde_json::{Map, Value as Json, json};

use crate::agent::Agent;
use crate::agent::operation::Operation;
use crate::contract::endpoint::{Endpoint, NO_CONTENT};
use crate::contract::parameter::Parameter;
use crate::schema::sample::{example, example_named};
use crate::spec::example_blocks::shorten;
use crate::targets::openapi::components::{
    Definitions, extract_component, inline_refs, omit_properties, register_definitions,
};
use crate::targets::openapi::descriptions::{
    description, event_sample, stream_description, summary,
};
use crate::targets::openapi::error_responses::error_responses;

/// The template variables of one operation, and of the operation that answers with its events, each with its path; the
/// schemas that they refer to are added to `components`.
pub fn operation_contexts(
    agent: &Agent,
    operation: &Operation<'_>,
    components: &mut Vec<(String, Json)>,
) -> Vec<(String, Json)> {
    let mut content = match operation.endpoint {
        None => invoke_content(agent),
        Some(endpoint) => endpoint_content(agent, operation, endpoint, components),
    };
    let errors = error_responses(agent, operation, components);
    let may_wait = agent.asks && !operation.is_search();
    let summary = summary(agent, operation);
    let stream = operation.stream_route(agent).map(|route| {
        let mut context = common_context(agent, operation, &content);
        context["operation_id"] = json!(route.id);
        context["summary"] = json!(format!("{summary}, as events"));
        context["description"] = json!(stream_description(operation));
        context["status"] = json!("200");
        context["response"] = json!({
            "description": "The events of the run.",
            "media_type": "text/event-stream",
            "schema": { "$ref": "#/components/schemas/AgentEventStream" },
            "has_body": true,
            "has_example": true,
            "example": event_sample(agent, operation),
        });
        // Keys say nothing to streams, so only a conversation can be busy.
        let can_conflict = |error: &&Json| error["name"] != "Conflict" || operation.has_session();
        context["errors"] = errors.iter().filter(can_conflict).cloned().collect();
        (route.path, context)
    });
    if operation.method == Method::Post {
        content
            .parameters
            .push(json!({ "$ref": "#/components/parameters/IdempotencyKey" }));
    }
    if may_wait {
        content.parameters.push(json!({
            "name": "Prefer",
            "in": "header",
            "description": "`respond-async` answers 202 at once (RFC 7240).",
            "schema": { "type": "string" },
            "example": "respond-async",
        }));
    }
    let mut context = common_context(agent, operation, &content);
    context["operation_id"] = json!(operation.id);
    context["summary"] = json!(summary);
    context["description"] = json!(description(agent, operation));
    context["status"] = json!(operation.status().to_string());
    context["response"] = content.response;
    context["errors"] = match may_wait {
        true => std::iter::once(waiting_response()).chain(errors).collect(),
        false => json!(errors),
    };
    let mut contexts = vec![(operation.path.clone(), context)];
    contexts.extend(stream);
    contexts
}

/// The response where the answer has to wait for a person.
fn waiting_response() -> Json {
    json!({
        "status": "202",
        "inline": {
            "description": "The answer has to wait for a person, or the caller prefers not to wait. The report says what for, and has \
                            the answer in the end.",
            "headers": {
                "Location": { "$ref": "#/components/headers/RunLocation" },
                "X-Request-Id": { "$ref": "#/components/headers/RequestId" },
                "RateLimit": { "$ref": "#/components/headers/RateLimit" },
                "RateLimit-Policy": { "$ref": "#/components/headers/RateLimitPolicy" },
            },
            "content": {
                "application/json": { "schema": { "$ref": "#/components/schemas/WorkflowRunReport" } },
            },
        },
    })
}

/// What an operation and its stream have in common.
fn common_context(agent: &Agent, operation: &Operation<'_>, content: &Content) -> Json {
    json!({
        "method": operation.method.as_str().to_ascii_lowercase(),
        "deprecated": operation.endpoint.is_some_and(|endpoint| endpoint.deprecated),
        "tags": tags(agent, operation),
        "parameters": content.parameters,
        "request": content.request,
    })
}

/// The tags of an operation: the author's, or that of its agent.
pub fn tags<'a>(agent: &'a Agent, operation: &Operation<'a>) -> Vec<&'a str> {
    match operation.endpoint {
        Some(endpoint) if !endpoint.tags.is_empty() => {
            endpoint.tags.iter().map(String::as_str).collect()
        }
        _ => vec![agent.spec.slug.as_str()],
    }
}

const JSON: &str = "application/json";

/// Request, response and parameters of an operation.
struct Content {
    request: Json,
    response: Json,
    parameters: Vec<Json>,
}

/// The content of `invoke`: the same for every agent, except for the examples.
fn invoke_content(agent: &Agent) -> Content {
    let name = &agent.spec.name;
    let examples: Map<String, Json> = named_examples(agent)
        .iter()
        .enumerate()
        .map(|(index, (name, _))| {
            let reference = format!("#/components/examples/{name}");
            (
                format!("example{}", index + 1),
                json!({ "$ref": reference }),
            )
        })
        .collect();
    Content {
        request: json!({
            "description": format!("What {name} is asked."),
            "schema": { "$ref": "#/components/schemas/InvokeRequest" },
            "examples": examples,
        }),
        response: json!({
            "description": format!("What {name} answered."),
            "media_type": JSON,
            "schema": { "$ref": "#/components/schemas/InvokeResponse" },
            "has_body": true,
            "has_example": false,
        }),
        parameters: Vec::new(),
    }
}

/// The content of a declared endpoint.
fn endpoint_content(
    agent: &Agent,
    operation: &Operation<'_>,
    endpoint: &Endpoint,
    components: &mut Vec<(String, Json)>,
) -> Content {
    let name = &agent.spec.name;
    let base = format!(
        "{}{}",
        component_base(agent),
        endpoint.name.to_upper_camel_case()
    );
    let names: Vec<&str> = endpoint
        .parameters
        .iter()
        .map(|parameter| parameter.name.as_str())
        .collect();
    let input = &endpoint.input.json;
    let input_name = format!("{base}Request");
    let definitions = register_definitions(&input_name, input, components);
    let request = if endpoint.method.has_body() {
        let body = omit_properties(input, &names);
        let schema = extract_component(
            &input_name,
            &described(&body, &format!("What {name} takes at {}.", operation.path)),
            &definitions,
            components,
        );
        let mut request = json!({
            "description": format!("What {name} takes."),
            "schema": schema,
        });
        if let Some(value) = example(&body) {
            request["examples"] = json!({ "sample": { "summary": "A sample", "value": value } });
        }
        request
    } else {
        Json::Null
    };
    if endpoint.status == NO_CONTENT {
        return Content {
            request,
            response: json!({
                "description": format!("{name} has done it."),
                "has_body": false,
                "has_example": false,
            }),
            parameters: parameters(endpoint, &input_name, &definitions, components),
        };
    }
    let output = &endpoint.output.json;
    let output_name = format!("{base}Response");
    let output_definitions = register_definitions(&output_name, output, components);
    let schema = extract_component(
        &output_name,
        &described(
            output,
            &format!("What {name} answers at {}.", operation.path),
        ),
        &output_definitions,
        components,
    );
    let sample = example(output);
    let response = json!({
        "description": format!("What {name} answers."),
        "media_type": JSON,
        "schema": schema,
        "has_body": true,
        "has_example": sample.is_some(),
        "example": sample,
    });
    Content {
        request,
        response,
        parameters: parameters(endpoint, &input_name, &definitions, components),
    }
}

/// The Parameter Objects of an endpoint; the names of the parts of its input begin with `input_name`.
fn parameters(
    endpoint: &Endpoint,
    input_name: &str,
    definitions: &Definitions,
    components: &mut Vec<(String, Json)>,
) -> Vec<Json> {
    let input = &endpoint.input.json;
    let parameters = endpoint.parameters.iter().map(|parameter| {
        let property = &input["properties"][&parameter.name];
        let part = format!("{input_name}{}", parameter.name.to_upper_camel_case());
        let schema = inline_refs(&part, property, definitions, components);
        parameter_context(parameter, property, schema, input)
    });
    parameters.collect()
}

/// A Parameter Object for the property `property` of `input`, whose schema became `schema`.
fn parameter_context(
    parameter: &Parameter,
    property: &Json,
    mut schema: Json,
    input: &Json,
) -> Json {
    let own = property["description"].as_str();
    let description = own.map_or_else(
        || format!("The property {}.", parameter.name),
        str::to_owned,
    );
    // It moves to the parameter.
    if let Some(map) = schema.as_object_mut() {
        map.shift_remove("description");
    }
    let mut sampled = property.clone();
    if let (Some(defs), Some(map)) = (input.get("$defs"), sampled.as_object_mut()) {
        map.insert("$defs".to_owned(), defs.clone());
    }
    let mut context = json!({
        "name": parameter.name,
        "in": parameter.location.as_str(),
        "required": parameter.required,
        "description": description,
        "schema": schema,
    });
    if let Some(value) = example_named(&sampled, &parameter.name).filter(|value| !value.is_null()) {
        context["example"] = value;
    }
    context
}

fn described(schema: &Json, description: &str) -> Json {
    let mut schema = schema.clone();
    if let Some(map) = schema.as_object_mut()
        && !map.contains_key("description")
        && !map.contains_key("$ref")
    {
        map.insert("description".to_owned(), json!(description));
    }
    schema
}

/// How the names of an agent's components begin.
pub fn component_base(agent: &Agent) -> String {
    agent.spec.slug.as_str().to_upper_camel_case()
}

/// The agent's `<example>` blocks as requests of `invoke`.
pub fn named_examples(agent: &Agent) -> Vec<(String, Json)> {
    let type_name = component_base(agent);
    let requests = agent
        .spec
        .examples
        .iter()
        .filter_map(|example| Some((example, example.user.as_ref()?)));
    let mut examples: Vec<(String, Json)> = requests
        .enumerate()
        .map(|(index, (example, user))| {
            let mut value = Map::new();
            let summary = example.context.as_deref().unwrap_or(user);
            value.insert("summary".to_owned(), json!(shorten(summary, 120)));
            if let Some(commentary) = &example.commentary {
                value.insert("description".to_owned(), json!(commentary));
            }
            value.insert("value".to_owned(), json!({ "input": user }));
            (
                format!("{type_name}Example{}", index + 1),
                Json::Object(value),
            )
        })
        .collect();
    if examples.is_empty() {
        let input = format!("Say what {} is to do.", agent.spec.name);
        let value = json!({ "summary": "A task for the agent.", "value": { "input": input } });
        examples.push((format!("{type_name}Example1"), value));
    }
    examples
}
