//! Sends every operation of a compiled service to a service of the same agents that were loaded without compiling, and compares
//! the constants, the OpenAPI documents, statuses, headers and bodies on `echo`.

use agentgen_runtime::testing::{SampleRequest, TestClient, TestResponse};
use agentgen_runtime::{AgentLoader, Registry, Settings};
use serde_json::{Value, json};

/// The documents of the agents of `project`.
pub fn documents(project: &agentgen_build::Project) -> agentgen_build::ServedDocuments {
    let served = agentgen_build::serve(project, &mut agentgen_build::ServedMemory::default());
    let documents = served.documents;
    documents.unwrap_or_else(|| panic!("{:#?}", served.diagnostics))
}

/// The agents of `documents`, loaded.
pub fn loaded(documents: &agentgen_build::ServedDocuments) -> Registry {
    let arazzo = documents.arazzo.as_deref();
    AgentLoader::default()
        .load(&documents.openapi, arazzo, &documents.agents)
        .expect("a registry")
}

/// Compares both services; returns the number of answers that were compared.
///
/// # Panics
///
/// Where they differ.
pub async fn compare(compiled: impl Fn() -> Registry, loaded: impl Fn() -> Registry) -> usize {
    let constants = |registry: &Registry| registry.endpoints().collect::<Vec<_>>();
    // Loaded prompts are given back with their registry.
    let registries = (compiled(), loaded());
    let (own, other) = (constants(&registries.0), constants(&registries.1));
    assert_eq!(own.len(), other.len());
    for (own, other) in own.into_iter().zip(other) {
        assert_eq!(own, other);
    }
    // Of each, a new service: what is left of a rate must not decide.
    let both = || {
        let client = |registry| TestClient::new(registry, Settings::default()).expect("a service");
        (client(compiled()), client(loaded()))
    };
    let (compiled, loaded) = both();
    for path in ["/openapi.json", "/arazzo.json", "/v1/agents"] {
        same(path, &compiled.get(path).await, &loaded.get(path).await);
    }
    let mut compared = 0;
    for sample in compiled.samples() {
        let (compiled, loaded) = both();
        let both = (compiled.call(&sample).await, loaded.call(&sample).await);
        same(&sample.to_string(), &both.0, &both.1);
        assert_eq!(sample.check(&both.1), Ok(()));
        if sample.endpoint.stream {
            let both = (compiled.stream(&sample).await, loaded.stream(&sample).await);
            same(&format!("events of {sample}"), &both.0, &both.1);
        }
        compared += 1;
        for variant in variants(&sample) {
            let both = (compiled.call(&variant).await, loaded.call(&variant).await);
            let what = format!("{variant} with {:?}", variant.body);
            same(&what, &both.0, &both.1);
            compared += 1;
        }
    }
    for (name, input) in workflows(&compiled).await {
        let path = format!("/v1/workflows/{name}/runs");
        let both = (
            report(&compiled, &path, &input).await,
            report(&loaded, &path, &input).await,
        );
        assert_eq!(both.0, both.1, "{path}");
        compared += 1;
    }
    compared
}

/// Requests that say the same in other words, and requests that are to be refused.
fn variants(sample: &SampleRequest) -> Vec<SampleRequest> {
    let with = |body: Value| SampleRequest {
        body: Some(body),
        ..sample.clone()
    };
    let Some(body) = &sample.body else {
        return vec![with(json!({ "unknown": 1 }))];
    };
    let mut variants = vec![
        with(json!({})),
        with(json!([])),
        with(json!("text")),
        with(backwards(body)),
        with(fractions(body)),
    ];
    let Value::Object(members) = body else {
        return variants;
    };
    let mut more = members.clone();
    more.insert("unknown".to_owned(), json!([null, { "z": 1, "a": 2.0 }]));
    variants.push(with(Value::Object(more)));
    for name in members.keys() {
        let mut less = members.clone();
        less.shift_remove(name);
        variants.push(with(Value::Object(less)));
        for wrong in [
            json!(null),
            json!(9.5e18),
            json!(-9.5e18),
            json!(1.5),
            json!(""),
            json!([]),
            json!({}),
        ] {
            let mut other = members.clone();
            other[name] = wrong;
            variants.push(with(Value::Object(other)));
        }
    }
    variants
}

/// The same value, the members of each object in another order.
fn backwards(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().rev();
            Value::Object(
                members
                    .map(|(name, value)| (name.clone(), backwards(value)))
                    .collect(),
            )
        }
        Value::Array(items) => items.iter().map(backwards).collect(),
        other => other.clone(),
    }
}

/// The same value with `16.0` for `16`.
fn fractions(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter();
            Value::Object(
                members
                    .map(|(name, value)| (name.clone(), fractions(value)))
                    .collect(),
            )
        }
        Value::Array(items) => items.iter().map(fractions).collect(),
        Value::Number(number) => number.as_f64().map_or_else(|| value.clone(), Value::from),
        other => other.clone(),
    }
}

fn same(what: &str, compiled: &TestResponse, loaded: &TestResponse) {
    let seen = |response: &TestResponse| {
        let mut headers: Vec<_> = response.headers.iter().collect();
        headers.retain(|(name, _)| !["x-request-id", "content-length"].contains(&name.as_str()));
        let headers = headers
            .into_iter()
            .map(|(name, value)| format!("{name}: {value:?}"));
        (
            response.status,
            headers.collect::<Vec<_>>(),
            masked(&response.body),
        )
    };
    assert_eq!(seen(compiled), seen(loaded), "{what}");
}

/// The text without ids, which are other ones each time.
fn masked(text: &str) -> String {
    let is_id = |part: &[u8]| {
        part.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    };
    let mut bytes = text.as_bytes().to_vec();
    for start in 0..bytes.len().saturating_sub(35) {
        if is_id(&bytes[start..start + 36]) {
            bytes[start..start + 36].fill(b'x');
        }
    }
    String::from_utf8(bytes).expect("only ids were replaced")
}

/// The workflows and the first example of each one's input.
async fn workflows(client: &TestClient) -> Vec<(String, Value)> {
    let document = client.get("/openapi.json").await.json();
    let paths = document["paths"].as_object().cloned().unwrap_or_default();
    let names = paths.keys().filter_map(|path| {
        let name = path.strip_prefix("/v1/workflows/")?.strip_suffix("/runs")?;
        let media = &paths[path]["post"]["requestBody"]["content"]["application/json"];
        let example = media["examples"]
            .as_object()
            .and_then(|all| all.values().next());
        let input = match example {
            Some(example) => example["value"].clone(),
            None => json!({ "input": "A list that several people can edit." }),
        };
        Some((name.to_owned(), input))
    });
    names.collect()
}

/// The report of a run, without what is another thing each time. An input that is refused has a problem instead.
async fn report(client: &TestClient, path: &str, input: &Value) -> Value {
    let started = client.post(path, input).await;
    let run = started.json();
    let Some(id) = run["run_id"].as_str() else {
        return json!([started.status, masked(&started.body)]);
    };
    loop {
        let mut report = client.get(&format!("/v1/runs/{id}")).await.json();
        if matches!(report["status"].as_str(), Some("queued" | "running")) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            continue;
        }
        without_times(&mut report);
        return serde_json::from_str(&masked(&report.to_string())).expect("it is JSON");
    }
}

fn without_times(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !name.ends_with("_at") && !name.ends_with("_ms"));
            members.values_mut().for_each(without_times);
        }
        Value::Array(items) => items.iter_mut().for_each(without_times),
        _ => {}
    }
}
