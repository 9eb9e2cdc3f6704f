//! What the types take that are generated of pasted and of odd schemas.

use agentgen_runtime::schema::{Schema, check};
use generated_crate::agents::pasted::{
    ODD, OddRequest, OddRequestCase, OddRequestLevel, OddRequestSort, PYDANTIC, PYDANTIC_ONE, PatchRequest,
    PydanticOneRequest, PydanticRequest, SCHEMARS, SCHEMARS_EIGHT, SchemarsEightRequest, SchemarsRequest, ZOD,
    ZOD_SEVEN, ZOD_THREE, ZodRequest, ZodSevenRequest, ZodThreeRequest,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, from_value, json, to_value};

/// Reads `value`, and asserts that the type, its checks and the schema agree about it.
fn agree<T: DeserializeOwned + Serialize + agentgen_runtime::schema::Validate>(schema: &str, value: Value) -> Option<T> {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let valid = Schema::compile(&schema).unwrap().is_valid(&value);
    let read: Result<T, _> = from_value(value.clone());
    if !valid {
        assert!(!read.is_ok_and(|read| check(&read).is_ok()), "{value}");
        return None;
    }
    let read = read.unwrap_or_else(|error| panic!("{value}: {error}"));
    assert_eq!(check(&read), Ok(()), "{value}");
    assert_eq!(as_floats(to_value(&read).unwrap()), as_floats(value));
    Some(read)
}

/// `value` with each number as a float: `1` and `1.0` are the same to JSON.
fn as_floats(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.into_iter().map(as_floats).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, as_floats(value))).collect(),
        value => value,
    }
}

fn odd(name: &str, value: Value) -> Option<OddRequest> {
    let mut all = json!({ "level": 1 });
    all[name] = value;
    agree(ODD.input_schema, all)
}

#[test]
fn odd_schemas_are_held_by_type_or_check() {
    let good = [
        ("level", json!(3)),
        ("sure", json!(true)),
        ("mixed", json!("one")),
        ("mixed", json!(1.5)),
        ("mixed", json!(null)),
        ("sort", json!("desc")),
        ("case", json!("ASC")),
        ("either", json!("abc")),
        ("either", json!(5)),
        ("either", json!([true, false])),
        ("shape", json!({ "circle": 1.5 })),
        ("shape", json!({ "square": 1.5 })),
        ("shape", json!("point")),
        ("pair", json!([1, { "n": 1, "next": { "n": 2 } }])),
        ("loose", json!([1, "a", "b"])),
        ("loose", json!([])),
        ("keyed", json!({ "x-a": 1 })),
        ("named", json!({ "abc": 1 })),
        ("unlike", json!("yes")),
        ("depends", json!({ "b": 1 })),
        ("depends", json!({ "a": 1, "b": 1 })),
        ("cases", json!({ "kind": "short" })),
        ("cases", json!({ "kind": "long", "more": "text" })),
        ("loop", json!({ "next": { "next": {} } })),
        ("wrapped", json!(null)),
        ("wrapped", json!({ "n": 0 })),
        ("merged", json!({ "a": "ab", "b": 1 })),
        ("letters", json!("名前é")),
        ("big", json!(u64::MAX)),
        ("small", json!(255)),
        ("open", json!({ "a": 1, "other": [1] })),
        ("untyped", json!("text")),
        ("untyped", json!(4)),
        ("wide", json!(0.5)),
        ("名前", json!("a")),
        ("Привет", json!("a")),
        ("+1", json!(1)),
        ("-1", json!(-1)),
        ("ID", json!("a")),
        ("@type", json!("a")),
        ("renamed", json!("a")),
    ];
    for (name, value) in good {
        assert!(odd(name, value.clone()).is_some(), "{name}: {value}");
    }
    let bad = [
        ("level", json!(4)),
        ("level", json!(true)),
        ("sure", json!(false)),
        ("mixed", json!(2)),
        ("mixed", json!(true)),
        ("sort", json!("up")),
        ("case", json!("Asc")),
        ("either", json!("abcd")),
        ("either", json!(-1)),
        ("either", json!([1])),
        ("either", json!(true)),
        ("shape", json!({ "circle": 1, "square": 1 })),
        ("shape", json!({ "square": -1 })),
        ("pair", json!([1])),
        ("pair", json!([-1, {}])),
        ("pair", json!([1, { "n": -1 }])),
        ("loose", json!(["a"])),
        ("loose", json!([1, 2])),
        ("keyed", json!({ "y": 1 })),
        ("keyed", json!({ "x-a": "1" })),
        ("named", json!({ "abcd": 1 })),
        ("unlike", json!("no")),
        ("depends", json!({ "a": 1 })),
        ("cases", json!({ "kind": "long" })),
        ("cases", json!({})),
        ("loop", json!({ "next": { "n": -1 } })),
        ("merged", json!({ "a": "" })),
        ("merged", json!({ "a": "abc" })),
        ("merged", json!({ "b": 1 })),
        ("letters", json!("a1")),
        ("big", json!(0)),
        ("small", json!(256)),
        ("open", json!({ "a": 1 })),
        ("untyped", json!(2)),
        ("wide", json!(0)),
        ("名前", json!("")),
        ("unknown", json!(1)),
    ];
    for (name, value) in bad {
        assert!(odd(name, value.clone()).is_none(), "{name}: {value}");
    }
}

#[test]
fn names_and_values_are_what_the_file_says() {
    let read = odd("case", json!("ASC")).unwrap();
    assert_eq!(read.case, Some(OddRequestCase::Asc2));
    assert_eq!(read.level, OddRequestLevel::_1);
    assert_eq!(odd("sort", json!("asc")).unwrap().sort, Some(OddRequestSort::Asc));
    assert_eq!(odd("+1", json!(1)).unwrap().plus_1, Some(1));
    assert_eq!(odd("-1", json!(1)).unwrap().minus_1, Some(1));
    assert_eq!(odd("ID", json!("a")).unwrap().id_2.as_deref(), Some("a"));
    assert_eq!(odd("@type", json!("a")).unwrap().at_type.as_deref(), Some("a"));
    assert_eq!(odd("名前", json!("a")).unwrap().名前.as_deref(), Some("a"));
    assert_eq!(odd("Привет", json!("a")).unwrap().привет.as_deref(), Some("a"));
    assert_eq!(odd("renamed", json!("a")).unwrap().other_name.as_deref(), Some("a"));
}

#[test]
fn nothing_null_and_a_value_are_three_things() {
    for (value, nick) in [
        (json!({ "id": "1" }), None),
        (json!({ "id": "1", "nick": null }), Some(None)),
        (json!({ "id": "1", "nick": "Al" }), Some(Some("Al".to_owned()))),
    ] {
        let read: PatchRequest = from_value(value.clone()).unwrap();
        assert_eq!(read.nick, nick);
        assert_eq!(to_value(&read).unwrap(), value);
    }
    let short: PatchRequest = from_value(json!({ "id": "1", "nick": "A", "home": { "city": "" } })).unwrap();
    let pointers: Vec<String> = check(&short).unwrap_err().into_iter().map(|violation| violation.pointer).collect();
    assert_eq!(pointers, ["/nick", "/home/city"]);
}

#[test]
fn what_pydantic_describes_is_read() {
    let order = json!({
        "id": "01890a5d-ac96-774b-bcce-b302099a8057", "at": "2026-11-21T07:45:00Z", "price": 1.5, "level": 2,
        "pet": { "kind": "dog", "name": "Rex" }, "pair": [1, "a"], "scores": { "a": 0.5 }, "page": "https://example.com/",
        "root": { "value": "a", "children": [{ "value": 1, "children": [] }] }, "anything": null, "on": null, "sure": true,
    });
    agree::<PydanticOneRequest>(PYDANTIC_ONE.input_schema, {
        let mut order = order.clone();
        order.as_object_mut().unwrap().remove("on");
        order
    })
    .unwrap();
    let mut order = order;
    order["other"] = json!({ "kind": "cat", "lives": 3 });
    order["size"] = json!(1);
    assert!(agree::<PydanticRequest>(PYDANTIC.input_schema, order.clone()).is_some());
    order["wait"] = json!("PT1H");
    assert!(agree::<PydanticRequest>(PYDANTIC.input_schema, order.clone()).is_some());
    order["pet"]["name"] = json!("rex");
    assert!(agree::<PydanticRequest>(PYDANTIC.input_schema, order).is_none());
}

#[test]
fn what_schemars_describes_is_read() {
    let order = json!({
        "id": 1, "small": 255, "count": 7, "ratio": 0.5, "letter": "a", "level": "High",
        "payment": { "kind": "card", "number": "1" }, "shape": { "Circle": { "radius": 1.5 } },
        "event": { "type": "Ended", "data": { "code": 1 } }, "either": [true], "pair": [1, "a"], "fixed": [1, 2, 3],
        "tags": ["a"], "scores": { "a": 0.5 }, "root": { "value": 1, "children": [] }, "anything": [1], "unit": null,
        "wrapped": 1,
    });
    assert!(agree::<SchemarsRequest>(SCHEMARS.input_schema, order.clone()).is_some());
    assert!(agree::<SchemarsEightRequest>(SCHEMARS_EIGHT.input_schema, order.clone()).is_some());
    for (name, value) in [("small", json!(256)), ("shape", json!("Circle")), ("either", json!({})), ("fixed", json!([1, 2]))] {
        let mut order = order.clone();
        order[name] = value;
        assert!(agree::<SchemarsRequest>(SCHEMARS.input_schema, order.clone()).is_none(), "{order}");
        assert!(agree::<SchemarsEightRequest>(SCHEMARS_EIGHT.input_schema, order).is_none());
    }
}

#[test]
fn what_zod_describes_is_read() {
    let order = json!({
        "id": "01890a5d-ac96-774b-bcce-b302099a8057", "email": "a@example.com", "at": "2026-11-21T07:45:00Z", "wait": "P1DT2H",
        "level": 2, "pet": { "kind": "dog", "name": "Rex" }, "pair": [1.5, "a"], "anything": 1, "sure": true,
        "both": { "a": "x", "b": 1.5 }, "keyed": { "x-a": true }, "mixed": false, "size": null, "名前": "n", "page": null,
        "root": { "value": 1, "children": [{ "value": "a", "children": [] }] },
    });
    assert!(agree::<ZodRequest>(ZOD.input_schema, order.clone()).is_some());
    assert!(agree::<ZodSevenRequest>(ZOD_SEVEN.input_schema, order.clone()).is_some());
    for (name, value) in [("level", json!(3)), ("wait", json!("P")), ("keyed", json!({ "a": true })), ("both", json!({ "a": "x" }))] {
        let mut order = order.clone();
        order[name] = value;
        assert!(agree::<ZodRequest>(ZOD.input_schema, order.clone()).is_none(), "{order}");
        assert!(agree::<ZodSevenRequest>(ZOD_SEVEN.input_schema, order).is_none());
    }
    let order = json!({
        "id": "01890a5d-ac96-774b-bcce-b302099a8057", "email": "a@example.com", "at": "2026-11-21T07:45:00Z", "level": 1,
        "pet": { "kind": "cat" }, "pair": [1, "a"], "positive": 0.5, "note": null, "set": ["a"], "map": [["a", 1]],
    });
    assert!(agree::<ZodThreeRequest>(ZOD_THREE.input_schema, order).is_some());
}
