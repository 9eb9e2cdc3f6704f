//! The JSON of A2A 0.3, made of that of 1.0 and the other way round.
//!
//! 0.3 names kinds by a member `kind`, and states in words such as `input-required`.

use serde_json::{Map, Value, json};

/// The request that the parameters of `message/send` and `message/stream` mean. What is wrong with it is found when it is read.
pub(super) fn read_send(mut params: Value) -> Value {
    if let Some(message) = params.get_mut("message") {
        read_message(message);
    }
    if let Some(configuration) = params
        .get_mut("configuration")
        .and_then(Value::as_object_mut)
        && let Some(blocking) = configuration.remove("blocking").and_then(|is| is.as_bool())
    {
        configuration.insert("returnImmediately".to_owned(), json!(!blocking));
    }
    params
}

fn read_message(message: &mut Value) {
    let role = match message["role"].as_str() {
        Some("user") => "ROLE_USER",
        Some("agent") => "ROLE_AGENT",
        _ => "",
    };
    if !role.is_empty() {
        message["role"] = json!(role);
    }
    let parts = message.get_mut("parts").and_then(Value::as_array_mut);
    for part in parts.into_iter().flatten().filter_map(Value::as_object_mut) {
        part.remove("kind");
        if let Some(Value::Object(mut file)) = part.remove("file") {
            for (name, legacy) in [
                ("raw", "bytes"),
                ("url", "uri"),
                ("filename", "name"),
                ("mediaType", "mimeType"),
            ] {
                if let Some(value) = file.remove(legacy) {
                    part.insert(name.to_owned(), value);
                }
            }
        }
    }
}

/// A result of 1.0 as 0.3 has it.
pub(super) fn write(result: Value) -> Value {
    let Value::Object(mut result) = result else {
        return result;
    };
    for (name, form) in [
        ("task", write_task as fn(Value) -> Value),
        ("message", write_message),
        ("statusUpdate", write_status_update),
        ("artifactUpdate", write_artifact_update),
    ] {
        if result.len() == 1
            && let Some(value) = result.remove(name)
        {
            return form(value);
        }
    }
    let result = Value::Object(result);
    match result.get("contextId").is_some() && result.get("status").is_some() {
        true => write_task(result),
        false => result,
    }
}

fn of_kind(kind: &str, value: Value) -> Value {
    let mut whole = Map::from_iter([("kind".to_owned(), json!(kind))]);
    if let Value::Object(members) = value {
        whole.extend(members);
    }
    Value::Object(whole)
}

fn write_task(mut task: Value) -> Value {
    write_status(&mut task);
    for list in ["artifacts", "history"] {
        for item in task
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            match list {
                "history" => *item = write_message(item.take()),
                _ => write_parts(item),
            }
        }
    }
    of_kind("task", task)
}

fn write_message(mut message: Value) -> Value {
    let role = message["role"].as_str().unwrap_or_default();
    message["role"] = json!(role.trim_start_matches("ROLE_").to_lowercase());
    write_parts(&mut message);
    of_kind("message", message)
}

fn write_status_update(mut update: Value) -> Value {
    write_status(&mut update);
    let state = update["status"]["state"].as_str().unwrap_or_default();
    let is_final = !["submitted", "working"].contains(&state);
    update["final"] = json!(is_final);
    of_kind("status-update", update)
}

fn write_artifact_update(mut update: Value) -> Value {
    write_parts(&mut update["artifact"]);
    of_kind("artifact-update", update)
}

fn write_status(holder: &mut Value) {
    let status = &mut holder["status"];
    let state = status["state"].as_str().unwrap_or_default();
    let state = state.trim_start_matches("TASK_STATE_");
    status["state"] = json!(state.to_lowercase().replace('_', "-"));
    if let Some(message) = status.get_mut("message") {
        *message = write_message(message.take());
    }
}

fn write_parts(holder: &mut Value) {
    let parts = holder.get_mut("parts").and_then(Value::as_array_mut);
    for part in parts.into_iter().flatten() {
        let kind = match part.get("text") {
            Some(_) => "text",
            None => "data",
        };
        if let Some(part) = part.as_object_mut() {
            part.remove("mediaType");
            // 0.3 has objects alone.
            if let Some(data) = part.get_mut("data").filter(|data| !data.is_object()) {
                *data = json!({ "value": data.take() });
            }
        }
        *part = of_kind(kind, part.take());
    }
}
