//! The JSON Schemas for editors list the same words as the code.

use agentgen_schema::{Handler, Method};
use serde_json::Value as Json;

use crate::contract;
use crate::contract::workflow_step::step_failure::OnFailureKind;
use crate::contract::workflow_step::step_order::JoinKind;
use crate::targets::prompts;

fn assert_enum<const N: usize>(schema: &str, pointer: &str, words: [&str; N]) {
    let schema: Json = serde_json::from_str(schema).expect("the schema is JSON");
    let choices = schema
        .pointer(&format!("{pointer}/enum"))
        .and_then(Json::as_array)
        .unwrap_or_else(|| panic!("{pointer} has no enum"));
    let mut choices: Vec<&str> = choices.iter().filter_map(Json::as_str).collect();
    let mut words = words.to_vec();
    choices.sort_unstable();
    words.sort_unstable();
    assert_eq!(choices, words, "{pointer}");
}

#[test]
fn the_schema_of_bundles_lists_the_same_words() {
    let methods = Method::ALL.map(|method| method.as_str().to_ascii_lowercase());
    let endpoint = "/properties/endpoints/items/properties";
    let step = "/properties/workflows/items/properties/steps/items/properties";
    assert_enum(
        prompts::SCHEMA,
        &format!("{endpoint}/method"),
        methods.each_ref().map(String::as_str),
    );
    assert_enum(
        prompts::SCHEMA,
        &format!("{endpoint}/handler"),
        Handler::ALL.map(Handler::as_str),
    );
    assert_enum(
        prompts::SCHEMA,
        &format!("{step}/join"),
        JoinKind::ALL.map(JoinKind::as_str),
    );
    assert_enum(
        prompts::SCHEMA,
        &format!("{step}/on_failure"),
        OnFailureKind::ALL.map(OnFailureKind::as_str),
    );
}

#[test]
fn the_schema_of_service_blocks_lists_the_same_words() {
    assert_enum(
        contract::SCHEMA,
        "/$defs/endpoint/properties/handler",
        Handler::ALL.map(Handler::as_str),
    );
    let methods = Method::ALL.map(|method| method.as_str().to_ascii_lowercase());
    assert_enum(
        contract::SCHEMA,
        "/$defs/endpoint/properties/method/anyOf/0",
        methods.each_ref().map(String::as_str),
    );
    // What an editor offers: a whole value for each word that a service block has.
    let offered = |place: &str, taken: &dyn Fn(&str) -> bool| {
        let schema: Json = serde_json::from_str(contract::SCHEMA).expect("the schema is JSON");
        let values = schema.pointer(&format!("/$defs/{place}/anyOf/0/enum"));
        let values = values.and_then(Json::as_array).expect("it has an enum");
        values.iter().filter_map(Json::as_str).all(taken)
    };
    assert!(offered("join", &|value| {
        JoinKind::parse(value.split(' ').next().unwrap_or_default()).is_some()
    }));
    assert!(offered("onFailure", &|value| {
        OnFailureKind::parse(value).is_some_and(|kind| kind != OnFailureKind::Join)
    }));
}
