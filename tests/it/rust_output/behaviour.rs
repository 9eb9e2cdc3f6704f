//! What the generated types take and refuse.

use agentgen_runtime::schema::check;
use generated_crate::agents::chat_request::RunRequest;
use generated_crate::agents::shop::{
    MaybeResponse, ORDER, OrderRequest, OrderRequestCircle, OrderRequestColour, OrderRequestPayment,
    OrderRequestShape, OrderResponse, PickResponse, PickResponseValue, PromptResponse, WordRequest, WordResponse,
};
use agentgen_runtime::workflow::{Comparison, Expression, Join, Missed, OnFailure, ScheduleSpec, StepKind, Template};
use generated_crate::agents::shop::workflows::{
    _1ST_TRY, HOLD, HoldAsksAnswer, HoldPaidEvent, HoldReport, MANY, MATCH, ManyReport,
};
use serde_json::{Value, from_value, json, to_value};

fn order() -> Value {
    json!({
        "sku": "AB-1", "amount": 3, "price": 0.5, "email": "a@example.com", "tags": ["x"],
        "colour": "dark-green", "at": "2026-11-21T07:45:00+01:00", "on": "2026-11-21",
        "id": "01890a5d-ac96-774b-bcce-b302099a8057", "note": null, "gift": { "to": "me" },
        "payment": { "kind": "card", "number": "1234" }, "attributes": { "a": 9 },
        "tree": { "name": "a", "left": { "name": "b" }, "children": [{ "name": "c" }] },
        "shape": { "shape": "circle", "radius": 1.0, "inside": { "shape": "square", "side": 2.0 } },
        "circle": { "shape": "circle", "radius": 1.0 }, "anything": [1]
    })
}

/// The order with the value at `pointer` replaced.
fn with(pointer: &str, value: Value) -> Value {
    let mut order = order();
    match order.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            order.pointer_mut(parent).unwrap()[key] = value;
        }
    }
    order
}

fn without(key: &str) -> Value {
    let mut order = order();
    order.as_object_mut().unwrap().remove(key);
    order
}

fn pointers(value: Value) -> Vec<String> {
    let order: OrderRequest = from_value(value).unwrap();
    let violations = check(&order).err().unwrap_or_default();
    violations.into_iter().map(|violation| violation.pointer).collect()
}

#[test]
fn values_go_in_and_come_out_the_same() {
    let read: OrderRequest = from_value(order()).unwrap();
    assert_eq!(to_value(&read).unwrap(), order());
    assert_eq!(check(&read), Ok(()));
    assert_eq!(read.colour, Some(OrderRequestColour::DarkGreen));
    assert!(matches!(&read.payment, OrderRequestPayment::Card(card) if card.number == "1234"));
    assert!(matches!(read.shape, Some(OrderRequestShape::Circle(_))));
    let circle: OrderRequestCircle = from_value(order()["circle"].clone()).unwrap();
    assert_eq!(Some(circle), read.circle);
}

#[test]
fn what_the_schema_does_not_name_is_refused() {
    for value in [
        with("/unknown", json!(1)),
        with("/payment/unknown", json!(1)),
        with("/tree/unknown", json!(1)),
        with("/gift/unknown", json!(1)),
    ] {
        assert!(from_value::<OrderRequest>(value.clone()).is_err(), "{value}");
    }
    // An answer may contain more than its schema names.
    assert!(from_value::<OrderResponse>(json!([{ "line": "a", "more": 1 }])).is_ok());
}

#[test]
fn types_are_held() {
    for value in [
        with("/amount", json!(1.5)),
        with("/amount", json!(3_000_000_000_i64)),
        with("/colour", json!("blue")),
        with("/at", json!("2026-11-21")),
        with("/on", json!("2026-02-30")),
        with("/id", json!("x")),
        with("/payment/kind", json!("cheque")),
        with("/circle/shape", json!("square")),
        with("/shape", json!({ "radius": 1 })),
        without("sku"),
        without("payment"),
    ] {
        assert!(from_value::<OrderRequest>(value.clone()).is_err(), "{value}");
    }
}

#[test]
fn null_and_nothing_are_told_apart() {
    // Required and nullable: null, yet not nothing.
    assert!(from_value::<OrderRequest>(without("note")).is_err());
    assert_eq!(to_value(from_value::<OrderRequest>(order()).unwrap()).unwrap()["note"], Value::Null);
    // Optional and not nullable: nothing, yet not null.
    assert!(from_value::<OrderRequest>(without("email")).is_ok());
    assert!(from_value::<OrderRequest>(with("/email", Value::Null)).is_err());
    // Optional and nullable: both.
    assert!(from_value::<OrderRequest>(without("gift")).is_ok());
    assert!(from_value::<OrderRequest>(with("/gift", Value::Null)).is_ok());
    // Anything, null included.
    let read: OrderRequest = from_value(with("/anything", Value::Null)).unwrap();
    assert_eq!(read.anything, Some(Value::Null));
}

#[test]
fn bounds_are_held_and_say_where() {
    let cases = [
        ("/sku", json!("ab-1"), "/sku"),
        ("/amount", json!(0), "/amount"),
        ("/amount", json!(102), "/amount"),
        ("/amount", json!(4), "/amount"),
        ("/price", json!(0.3), "/price"),
        ("/price", json!(-1), "/price"),
        ("/email", json!("a b"), "/email"),
        ("/tags", json!([]), "/tags"),
        ("/tags", json!(["a", "b", "c", "d"]), "/tags"),
        ("/tags", json!(["a", "a"]), "/tags/1"),
        ("/tags", json!(["a", "bcdefg"]), "/tags/1"),
        ("/note", json!("too long"), "/note"),
        ("/gift", json!({ "to": "" }), "/gift/to"),
        ("/payment/number", json!("1"), "/payment/number"),
        ("/attributes", json!({ "x/y": 10 }), "/attributes/x~1y"),
        ("/attributes", json!({ "a": 1, "b": 1, "c": 1 }), "/attributes"),
        ("/tree/left/name", json!(""), "/tree/left/name"),
        ("/tree/children/0/name", json!(""), "/tree/children/0/name"),
        ("/shape/inside/side", json!(0), "/shape/inside/side"),
        ("/circle/radius", json!(0), "/circle/radius"),
    ];
    for (pointer, value, expected) in cases {
        let found = pointers(with(pointer, value.clone()));
        assert!(!found.is_empty(), "{pointer} {value}");
        assert!(found.iter().all(|found| found == expected), "{pointer} {value}: {found:?}");
    }
    assert_eq!(pointers(order()), Vec::<String>::new());
}

#[test]
fn answers_need_not_be_objects() {
    let word: WordResponse = from_value(json!("hello")).unwrap();
    assert_eq!(word.0, "hello");
    let request: WordRequest = from_value(json!({ "a": "b" })).unwrap();
    assert_eq!(request.0["a"], "b");
    assert_eq!(from_value::<MaybeResponse>(Value::Null).unwrap(), MaybeResponse(None));
    assert!(check(&MaybeResponse(Some(6))).is_err());
    assert!(check(&OrderResponse(Vec::new())).is_err());
    assert_eq!(to_value(PickResponse(None)).unwrap(), Value::Null);
    let yes = PickResponse(Some(PickResponseValue::Yes));
    assert_eq!(to_value(yes).unwrap(), "yes");
}

#[test]
fn awkward_names_keep_their_meaning() {
    let value = json!({
        "type": "t", "self": "c++", "crate": 1, "async": 3.0, "@id": "i", "a b": ["x"], "1st": null,
        "value": "\"x\"#", "item": { "k": 0 }, "index": { "key": "k" }, "additionalProperties": true,
        "only": "only", "other": 1.5
    });
    let read: RunRequest = from_value(value.clone()).unwrap();
    assert_eq!(to_value(&read).unwrap(), value);
    assert_eq!(check(&read), Ok(()));
    let mut bad = value;
    bad["other"] = json!(-1);
    bad["item"]["k"] = json!(-1);
    bad["a b"] = json!([""]);
    let violations = check(&from_value::<RunRequest>(bad).unwrap()).unwrap_err();
    let found: Vec<&str> = violations.iter().map(|violation| violation.pointer.as_str()).collect();
    assert_eq!(found, ["/a b/0", "/item/k", "/other"]);
}

#[test]
fn the_example_is_an_answer() {
    let example: OrderResponse = serde_json::from_str(ORDER.output_example).unwrap();
    assert_eq!(check(&example), Ok(()));
    assert!(serde_json::from_str::<Value>(ORDER.input_schema).unwrap()["$defs"]["Node"].is_object());
}

#[test]
fn workflows_say_what_the_file_says() {
    assert_eq!((MATCH.name, MATCH.operation_id, MATCH.agent), ("match", "startMatch", "shop"));
    assert_eq!(MATCH.roles, [""; 0]);
    assert_eq!((MATCH.concurrency, MATCH.timeout_ms, MATCH.schedule), (None, None, None));
    let [step, next] = MATCH.steps else { panic!("two steps") };
    assert_eq!((step.id, step.call(), step.needs), ("self", Some(("shop", "invoke")), &[][..]));
    assert_eq!((step.join, step.when, step.with), (Join::All, None, None));
    assert_eq!((step.attempts, step.backoff_ms, step.on_failure), (1, 500, OnFailure::Join));
    assert_eq!((next.id, next.join, next.on_failure), ("next", Join::Any, OnFailure::Stop));

    assert_eq!((_1ST_TRY.name, _1ST_TRY.roles), ("1st-try", &["a\"b"][..]));
    assert_eq!((_1ST_TRY.concurrency, _1ST_TRY.timeout_ms), (Some(2), Some(60_000)));
    let schedule = ScheduleSpec {
        cron: "*/5 0 * * 7",
        zone: "Etc/GMT+1",
        missed: Missed::Skip,
        input: r##"{"kind":"\"#"}"##,
    };
    assert_eq!(_1ST_TRY.schedule, Some(schedule));
    let input: Value = serde_json::from_str(_1ST_TRY.input_schema).unwrap();
    assert_eq!(input["required"], json!(["kind"]));
    let [first, x, y] = _1ST_TRY.steps else { panic!("three steps") };
    assert_eq!((first.id, first.timeout_ms), ("in \"##\n", Some(1_000)));
    assert_eq!(x.needs, ["in \"##\n"]);
    let Some(Expression::Any([Expression::All([more, unlike]), Expression::Not(within)])) = x.when else {
        panic!("{:?}", x.when);
    };
    const N: Expression = Expression::Path(&["input", "n"]);
    const KIND: Expression = Expression::Path(&["input", "kind"]);
    assert_eq!(*more, Expression::Compare(Comparison::More, &N, &Expression::Number(314.0 / 100.0)));
    assert_eq!(*unlike, Expression::Compare(Comparison::NotEqual, &N, &Expression::Number(-1e300)));
    assert_eq!(**within, Expression::Compare(Comparison::In, &Expression::Text("\"\\"), &KIND));
    assert_eq!((x.on_failure, y.on_failure), (OnFailure::Skip, OnFailure::Fallback("shop")));
    assert_eq!((y.join, y.attempts, y.backoff_ms), (Join::Quorum(1), 2, 1_000));
    assert_eq!(y.call(), Some(("shop", "prompt")));
    let Some(Template::Object([("text", Template::Text(pieces)), ("more", Template::List(more))])) = y.with else {
        panic!("{:?}", y.with);
    };
    let output = Template::Value(Expression::Path(&["steps", "x", "output"]));
    assert_eq!(*pieces, [Template::Json("\"a \\\"\""), output, Template::Json("\"\\\" {% raw %}\"")]);
    assert_eq!(more[0], Template::Json("1"));
    assert_eq!(more[1], Template::Object(&[("b", Template::Value(N))]));
    let missing = Expression::Compare(Comparison::Equal, &KIND, &Expression::Null);
    assert!(matches!(more[2], Template::Text([Template::Value(found), Template::Json("\"!\"")]) if *found == missing));
}

#[test]
fn steps_that_wait_have_types() {
    let [asks, paid, rest, why, anything] = HOLD.steps else { panic!("five steps") };
    let StepKind::Ask { prompt, answer_schema, roles } = asks.kind else { panic!("{:?}", asks.kind) };
    let input = Template::Value(Expression::Path(&["input", "input"]));
    let Template::Text(pieces) = prompt else { panic!("{prompt:?}") };
    assert_eq!(*pieces, [Template::Json("\"Go \\\"\""), input, Template::Json("\"\\\"?\"")]);
    assert_eq!(serde_json::from_str::<Value>(answer_schema).unwrap()["required"], json!(["go"]));
    assert_eq!((roles, asks.timeout_ms, asks.on_failure), (&["b\"oss"][..], Some(172_800_000), OnFailure::Stop));
    assert!(matches!(paid.kind, StepKind::WaitFor { event: "a.b-c_1", .. }));
    assert_eq!((paid.needs, paid.on_failure), (&["asks"][..], OnFailure::Skip));
    assert_eq!(rest.kind, StepKind::Wait { duration_ms: 90_000 });
    assert_eq!((why.call(), anything.call()), (None, None));

    let answer = HoldAsksAnswer { go: true, note: None };
    assert_eq!(to_value(&answer).unwrap(), json!({ "go": true }));
    assert!(from_value::<HoldAsksAnswer>(json!({ "go": true, "more": 1 })).is_err());
    let steps = |report: &HoldReport| {
        let asks: &Option<HoldAsksAnswer> = &report.steps.asks.output;
        let paid: &Option<HoldPaidEvent> = &report.steps.paid.output;
        let rest: &Option<()> = &report.steps.rest.output;
        (asks.is_some(), paid.is_some(), rest.is_some())
    };
    let _ = steps;
}

#[test]
fn steps_of_many_calls_give_lists() {
    let [each, typed, helped, planned, inner] = MANY.steps else { panic!("five steps") };
    let StepKind::ForEach { agent, endpoint, items, when, concurrency } = each.kind else { panic!("{:?}", each.kind) };
    assert_eq!((agent, endpoint, concurrency, each.when), ("shop", "invoke", 2, None));
    assert_eq!(items, Expression::Path(&["input", "names"]));
    const FIRST: Expression = Expression::Path(&["item", "first"]);
    let filled = Expression::Compare(Comparison::NotEqual, &FIRST, &Expression::Text(""));
    assert_eq!(when, Some(filled));
    let Some(Template::Object([("input", Template::Text([index, _, name]))])) = each.with else { panic!("{:?}", each.with) };
    assert_eq!((*index, *name), (Template::Value(Expression::Path(&["index"])), Template::Value(FIRST)));
    assert!(matches!(typed.kind, StepKind::ForEach { when: None, concurrency: 4, .. }));
    assert_eq!(helped.on_failure, OnFailure::Fallback("arc"));
    let subtasks = Expression::Path(&["input", "plan"]);
    let plan = StepKind::Plan { subtasks, source: None, agents: &["arc", "shop"], max: 7, concurrency: 4 };
    assert_eq!(planned.kind, plan);
    assert_eq!((inner.kind, inner.timeout_ms), (StepKind::Workflow { workflow: "1st-try" }, Some(7_200_000)));
    let outputs = |report: &ManyReport| {
        let each: &Option<Vec<Option<String>>> = &report.steps.each.output;
        let typed: &Option<Vec<PromptResponse>> = &report.steps.typed.output;
        let helped: &Option<Vec<Value>> = &report.steps.helped.output;
        let planned: &Option<Vec<agentgen_runtime::workflow::SubtaskOutput>> = &report.steps.planned.output;
        let _: &Option<Value> = &report.steps.inner.output;
        (each.is_some(), typed.is_some(), helped.is_some(), planned.is_some())
    };
    let _ = outputs;
}

#[test]
fn what_is_looked_up_is_told_the_runtime() {
    use agentgen_runtime::spec::{DocumentsSpec, Handler, Retrieve};
    use generated_crate::agents::shop;
    let documents = DocumentsSpec { collection: "hand-book", roles: shop::SPEC.tools.unwrap() };
    assert_eq!(shop::SPEC.documents, Some(documents));
    assert_eq!((shop::SEARCH.handler, shop::SEARCH.retrieve), (Handler::Search, None));
    assert_eq!((shop::EMBED.handler, shop::EMBED.retrieve), (Handler::Embed, None));
    let retrieve = Retrieve { query: "text", limit: 3 };
    assert_eq!((shop::PROMPT.handler, shop::PROMPT.retrieve), (Handler::Model, Some(retrieve)));
    assert_eq!((shop::ORDER.handler, shop::ORDER.retrieve), (Handler::Code, None));
}
