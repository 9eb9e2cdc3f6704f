//! Which schemas of other people are read: those of the JSON Schema test suite, and those of public OpenAPI documents.
//!
//! Each is accepted, or refused at its place, or wrong: then a value would be taken that the schema refuses, or refused that
//! it takes. `conformance/acceptance` fetches the documents and prints the tables.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agentgen_schema::{CompileOptions, Format, equal};
use serde_json::{Map, Value, json};

use crate::diagnostics::source::Source;
use crate::diagnostics::span::Span;
use crate::diagnostics::{Report, Severity};
use crate::schema::sample::example;
use crate::schema::schema_type::{Object, Type, VariantContent};
use crate::schema::{Role, Schema, read};
use crate::yaml::node::Node;

/// What became of some schemas.
#[derive(Default)]
struct Tally {
    accepted: usize,
    refused: BTreeMap<String, usize>,
    wrong: Vec<String>,
    /// Values that were compared.
    values: usize,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.values += other.values;
        self.wrong.extend(other.wrong);
        for (reason, count) in other.refused {
            *self.refused.entry(reason).or_default() += count;
        }
    }

    fn refused(&self) -> usize {
        self.refused.values().sum()
    }
}

/// Reads `schema` as what `role` says; else the first thing that is wrong with it.
fn read_json(schema: &Value, role: Role) -> Result<Schema, String> {
    let source = Arc::new(Source::new("agents/test.md", String::new()));
    let mut report = Report::new(&source);
    let read = read(&Node::from_json(schema, Span::default()), &mut report, role);
    read.ok_or_else(|| {
        let mut diagnostics = report.into_diagnostics();
        diagnostics.retain(|diagnostic| diagnostic.severity == Severity::Error);
        diagnostics
            .first()
            .map_or_else(String::new, |first| first.message.clone())
    })
}

fn table(title: &str, tallies: &BTreeMap<String, Tally>) -> Vec<String> {
    println!("{title:36} accepted refused wrong  values compared");
    let mut all = Tally::default();
    for (name, tally) in tallies {
        println!(
            "{name:36} {:8} {:7} {:5} {:8}",
            tally.accepted,
            tally.refused(),
            tally.wrong.len(),
            tally.values
        );
        for (reason, count) in &tally.refused {
            println!("    {count:4} {reason}");
        }
    }
    for tally in tallies.values() {
        all.accepted += tally.accepted;
        all.values += tally.values;
        all.wrong.extend(tally.wrong.iter().cloned());
        for (reason, count) in &tally.refused {
            *all.refused.entry(reason.clone()).or_default() += count;
        }
    }
    println!(
        "{:36} {:8} {:7} {:5} {:8}",
        "all",
        all.accepted,
        all.refused(),
        all.wrong.len(),
        all.values
    );
    all.wrong
}

fn folder(variable: &str, beside: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join(beside);
    let given = std::env::var_os(variable).map(PathBuf::from);
    given
        .into_iter()
        .chain([beside])
        .find(|folder| folder.is_dir())
}

#[test]
fn schemas_of_the_test_suite_are_read_right_or_refused() {
    let Some(root) = folder(
        "AGENTGEN_JSON_SCHEMA_SUITE",
        "../shared/json-schema-test-suite",
    ) else {
        println!(
            "skipped: no JSON Schema test suite; set AGENTGEN_JSON_SCHEMA_SUITE to its folder"
        );
        return;
    };
    let mut tallies = BTreeMap::new();
    let root = root.join("tests/draft2020-12");
    for (part, formats) in [("", false), ("optional", false), ("optional/format", true)] {
        for entry in fs::read_dir(root.join(part)).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            let is_checked = !formats || Format::from_name(&stem).is_some();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
                && is_checked
            {
                let cases: Value =
                    serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
                let mut tally = Tally::default();
                for case in cases.as_array().unwrap() {
                    tally.add(suite_case(case, formats));
                }
                tallies.insert(format!("{part}/{stem}"), tally);
            }
        }
    }
    let wrong = table("JSON Schema test suite", &tallies);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn suite_case(case: &Value, formats: bool) -> Tally {
    let mut tally = Tally::default();
    let schema = match read_json(&case["schema"], Role::Output) {
        Ok(schema) => schema,
        Err(reason) => {
            tally.refused.insert(without_names(&reason), 1);
            return tally;
        }
    };
    tally.accepted = 1;
    let options = CompileOptions::default().check_formats(formats);
    let compiled = options.compile(&schema.json).unwrap();
    let narrowed = is_narrowed(&case["schema"])
        .then(|| reference(&with_object_types(&case["schema"])).unwrap());
    let input = input_of(&case["schema"], formats);
    for test in case["tests"].as_array().unwrap() {
        let (value, mut valid) = (&test["data"], test["valid"] == true);
        if is_beyond_64_bits(value) || needs_idna(&case["schema"], test) {
            continue;
        }
        if let Some(narrowed) = &narrowed {
            valid = narrowed.is_valid(value);
        }
        tally.values += 1;
        let taken = compiled.is_valid(value);
        let held = !taken || holds(&schema.ty, value, &schema, formats);
        if taken != valid || !held {
            tally.wrong.push(format!(
                "{}: {}: {value} is {} (taken: {taken}, held by the type: {held})\n  {}\n  {}",
                case["description"],
                test["description"],
                test["valid"],
                case["schema"],
                schema.json
            ));
        }
        if let Some(input) = &input {
            input.compare(value, valid, formats, &mut tally);
        }
    }
    tally
}

/// A schema as that of the property `v` of an input, whose objects are closed.
struct Input {
    schema: Schema,
    compiled: agentgen_schema::Schema,
}

/// None where the schema is refused, or a part of it refers to its root.
fn input_of(schema: &Value, formats: bool) -> Option<Input> {
    let text = schema.to_string();
    let is_placed = ["$ref", "$dynamicRef", "$id"]
        .iter()
        .any(|keyword| text.contains(&format!("\"{keyword}\"")));
    let components = schema.get("components");
    if is_placed && components.is_none() {
        return None;
    }
    let mut part = schema.clone();
    let mut whole = json!({ "type": "object", "required": ["v"], "properties": {} });
    if let (Some(components), Value::Object(part)) = (components, &mut part) {
        part.shift_remove("components");
        whole["components"] = components.clone();
    }
    whole["properties"]["v"] = part;
    let schema = read_json(&whole, Role::Input).ok()?;
    let options = CompileOptions::default().check_formats(formats);
    let compiled = options.compile(&schema.json).unwrap();
    Some(Input { schema, compiled })
}

impl Input {
    /// A closed input takes less than its schema, and nothing else.
    fn compare(&self, value: &Value, valid: bool, formats: bool, tally: &mut Tally) {
        let whole = json!({ "v": value });
        tally.values += 1;
        if self.compiled.is_valid(&whole)
            && !(valid && holds(&self.schema.ty, &whole, &self.schema, formats))
        {
            let json = &self.schema.json;
            tally.wrong.push(format!(
                "input: {value} is valid: {valid}, and taken\n  {json}"
            ));
        }
    }
}

/// Another implementation of JSON Schema.
fn reference(schema: &Value) -> Option<jsonschema::Validator> {
    let options = jsonschema::options().with_draft(jsonschema::Draft::Draft202012);
    options.should_validate_formats(false).build(schema).ok()
}

/// A documented rule by which agentgen takes less than JSON Schema: `properties` without a `type` describe an object.
fn is_narrowed(schema: &Value) -> bool {
    with_object_types(schema) != *schema
}

fn with_object_types(schema: &Value) -> Value {
    match schema {
        Value::Array(items) => items.iter().map(with_object_types).collect(),
        Value::Object(map) => {
            let mut map: Map<String, Value> = map
                .iter()
                .map(|(key, value)| (key.clone(), with_object_types(value)))
                .collect();
            if map.get("properties").is_some_and(Value::is_object) && !map.contains_key("type") {
                map.insert("type".to_owned(), json!("object"));
            }
            map.into()
        }
        value => value.clone(),
    }
}

/// Another one: a whole number has 64 bits.
fn is_beyond_64_bits(value: &Value) -> bool {
    matches!(value, Value::Number(number) if !number.is_i64() && number.as_f64().is_some_and(|n| n.abs() >= 9.2e18))
}

/// Labels that start with `xn--` are not decoded.
fn needs_idna(schema: &Value, test: &Value) -> bool {
    let label = test["data"]
        .as_str()
        .unwrap_or_default()
        .to_ascii_lowercase();
    schema["format"] == "hostname" && label.starts_with("xn--") && test["valid"] == false
}

/// A message without what is quoted in it, so that the same reasons are counted together.
fn without_names(message: &str) -> String {
    let mut text = String::new();
    for (index, part) in message.split('"').enumerate() {
        text.push_str(if index % 2 == 0 { part } else { "…" });
    }
    text.chars().take(90).collect()
}

#[test]
fn schemas_of_public_documents_are_read_right_or_refused() {
    let Some(root) = folder("AGENTGEN_OPENAPI_DOCUMENTS", "target/openapi-documents") else {
        println!("skipped: no OpenAPI documents; run conformance/acceptance");
        return;
    };
    let mut documents: Vec<PathBuf> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    documents.sort();
    let tallies = std::thread::scope(|scope| {
        let threads: Vec<_> = documents
            .iter()
            .map(|path| {
                let work = move || {
                    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                    let text = fs::read_to_string(path).unwrap();
                    (name, document(&serde_json::from_str(&text).unwrap()))
                };
                let builder = std::thread::Builder::new().stack_size(64 << 20);
                builder.spawn_scoped(scope, work).unwrap()
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let wrong = table("OpenAPI documents", &tallies);
    assert!(
        wrong.is_empty(),
        "{} wrong: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(20)]
    );
}

const SCHEMAS: &str = "#/components/schemas/";

fn document(document: &Value) -> Tally {
    let mut tally = Tally::default();
    let all = document["components"]["schemas"].as_object().unwrap();
    // All of them take minutes without optimization.
    let step = std::env::var("AGENTGEN_OPENAPI_STEP").ok();
    let step = step.and_then(|step| step.parse().ok()).unwrap_or(1);
    for name in all.keys().step_by(step) {
        let mut used = BTreeSet::new();
        let mut open = vec![name.as_str()];
        while let Some(name) = open.pop() {
            if let Some((name, schema)) = all.get_key_value(name)
                && used.insert(name.as_str())
            {
                references(schema, &mut open);
            }
        }
        let schemas: Map<String, Value> = used
            .iter()
            .map(|name| ((*name).to_owned(), all[*name].clone()))
            .collect();
        let reference = format!("{SCHEMAS}{}", name.replace('~', "~0").replace('/', "~1"));
        let root = json!({ "$ref": reference, "components": { "schemas": schemas } });
        tally.add(component(name, &root));
    }
    tally
}

fn references<'v>(schema: &'v Value, found: &mut Vec<&'v str>) {
    match schema {
        Value::Object(map) => {
            let target = map.get("$ref").and_then(Value::as_str);
            let name = target.and_then(|target| target.strip_prefix(SCHEMAS)?.split('/').next());
            found.extend(name);
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

fn component(name: &str, root: &Value) -> Tally {
    let mut tally = Tally::default();
    let schema = match read_json(root, Role::Output) {
        Ok(schema) => schema,
        Err(reason) => {
            tally.refused.insert(without_names(&reason), 1);
            return tally;
        }
    };
    tally.accepted = 1;
    let ours = CompileOptions::default()
        .check_formats(false)
        .compile(&schema.json)
        .unwrap();
    let Some(theirs) = reference(&with_object_types(&as_2020_12(root))) else {
        return tally;
    };
    let input = input_of(root, false);
    for value in values(&schema) {
        tally.values += 1;
        let (taken, valid) = (ours.is_valid(&value), theirs.is_valid(&value));
        let held = !taken || holds(&schema.ty, &value, &schema, false);
        if taken != valid || !held {
            let text = value.to_string();
            let text: String = text.chars().take(400).collect();
            tally.wrong.push(format!(
                "{name}: {text} is valid: {valid} (taken: {taken}, held by the type: {held})"
            ));
        }
        if let Some(input) = &input {
            input.compare(&value, valid, false, &mut tally);
        }
    }
    tally
}

/// `schema`, written for OpenAPI 3.0, in JSON Schema 2020-12, without agentgen's own reader.
fn as_2020_12(schema: &Value) -> Value {
    match schema {
        Value::Array(items) => items.iter().map(as_2020_12).collect(),
        Value::Object(map) => {
            let mut map: Map<String, Value> = map
                .iter()
                .map(|(key, value)| (key.clone(), as_2020_12(value)))
                .collect();
            for (flag, bound) in [
                ("exclusiveMinimum", "minimum"),
                ("exclusiveMaximum", "maximum"),
            ] {
                if let Some(Value::Bool(excludes)) = map.get(flag) {
                    let excludes = *excludes;
                    map.shift_remove(flag);
                    if excludes && let Some(value) = map.shift_remove(bound) {
                        map.insert(flag.to_owned(), value);
                    }
                }
            }
            if map.get("nullable") == Some(&Value::Bool(true)) {
                map.shift_remove("nullable");
                return json!({ "anyOf": [map, { "type": "null" }] });
            }
            map.into()
        }
        value => value.clone(),
    }
}

/// Values to compare with: an example, and what comes of changing it in one place.
fn values(schema: &Schema) -> Vec<Value> {
    let everyday = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(""),
        json!("text"),
        json!([]),
        json!([1, "a"]),
        json!({}),
        json!({ "a": 1 }),
    ];
    let mut values: Vec<Value> = everyday.to_vec();
    let Some(sample) = example(&schema.json) else {
        return values;
    };
    let mut pointers = Vec::new();
    places(&sample, String::new(), &mut pointers);
    for pointer in pointers.iter().take(12) {
        for other in &everyday[..6] {
            let mut value = sample.clone();
            if let Some(place) = value.pointer_mut(pointer) {
                *place = other.clone();
                values.push(value);
            }
        }
        let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
        let key = key.replace("~1", "/").replace("~0", "~");
        let mut value = sample.clone();
        if let Some(Value::Object(map)) = value.pointer_mut(parent) {
            map.shift_remove(&key);
            values.push(value);
        }
        let mut value = sample.clone();
        if let Some(Value::Object(map)) = value.pointer_mut(pointer) {
            map.insert("unknown member".to_owned(), json!(1));
            values.push(value);
        }
    }
    values.push(sample);
    values
}

fn places(value: &Value, pointer: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let mut pointer = pointer.clone();
                agentgen_schema::push_key(&mut pointer, key);
                places(value, pointer, found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                places(value, format!("{pointer}/{index}"), found);
            }
        }
        _ => {}
    }
    found.push(pointer);
}

/// Whether serde reads `value` as the Rust type of `ty`.
fn holds(ty: &Type, value: &Value, schema: &Schema, formats: bool) -> bool {
    let inner = |ty: &Type, value: &Value| holds(ty, value, schema, formats);
    match ty {
        Type::Any => true,
        Type::Null => value.is_null(),
        Type::Boolean => value.is_boolean(),
        Type::Integer(integer) => {
            let whole = value
                .as_i64()
                .map(i128::from)
                .or(value.as_u64().map(i128::from));
            // The runtime writes `1.0` as `1` first.
            let whole = whole.or_else(|| {
                value
                    .as_f64()
                    .filter(|n| n.fract() == 0.0)
                    .map(|n| n as i128)
            });
            let (least, most) = integer.width.range();
            whole.is_some_and(|whole| (least..=most).contains(&whole))
                || (!formats && whole.is_some())
        }
        Type::Number(_) => value.is_number(),
        Type::String(_) => value.is_string(),
        Type::DateTime | Type::Date | Type::Uuid => value.as_str().is_some_and(|text| {
            let format = match ty {
                Type::DateTime => Format::DateTime,
                Type::Date => Format::Date,
                _ => Format::Uuid,
            };
            !formats || format.is_valid(text)
        }),
        Type::Enum(values) => values.iter().any(|one| value == one.value.as_str()),
        Type::Literals(values) => values.iter().any(|one| equal(&one.value, value)),
        Type::Array(array) => value
            .as_array()
            .is_some_and(|items| items.iter().all(|item| inner(&array.items, item))),
        Type::Tuple(types) => value.as_array().is_some_and(|items| {
            items.len() == types.len() && types.iter().zip(items).all(|(ty, item)| inner(ty, item))
        }),
        Type::Map(map) => value
            .as_object()
            .is_some_and(|fields| fields.values().all(|field| inner(&map.values, field))),
        Type::Object(object) => holds_object(object, value, schema, formats),
        Type::OneOf(one_of) => {
            let tag = value.get(&one_of.tag).and_then(Value::as_str);
            let variant = one_of
                .variants
                .iter()
                .find(|variant| Some(variant.value.as_str()) == tag);
            variant.is_some_and(|variant| match &variant.content {
                VariantContent::Object(object) => holds_object(object, value, schema, formats),
                VariantContent::Ref(name) => {
                    matches!(schema.def(name), Some(ty @ Type::Object(_)) if inner(ty, value))
                }
            })
        }
        // One of them alone takes the value, besides those that take any: these are tried last.
        Type::Untagged(all) => {
            let is_any = |ty: &Type| matches!(schema.resolve(ty), Type::Any);
            let holding = all.iter().filter(|one| inner(&one.ty, value));
            let strict = holding.clone().filter(|one| !is_any(&one.ty)).count();
            strict == 1 || (strict == 0 && holding.count() > 0)
        }
        Type::Nullable(ty) => value.is_null() || inner(ty, value),
        Type::Ref(name) => schema.def(name).is_some_and(|ty| inner(ty, value)),
        Type::Refined(refined) => inner(&refined.ty, value),
    }
}

fn holds_object(object: &Object, value: &Value, schema: &Schema, formats: bool) -> bool {
    let Some(fields) = value.as_object() else {
        return false;
    };
    let known = object
        .fields
        .iter()
        .all(|field| match fields.get(&field.name) {
            Some(value) => holds(&field.ty, value, schema, formats),
            None => !field.required,
        });
    let mut others = fields
        .iter()
        .filter(|(name, _)| !object.fields.iter().any(|field| field.name == **name));
    known
        && others.all(|(_, value)| match &object.extra {
            Some(extra) => holds(extra, value, schema, formats),
            None => !object.closed,
        })
}
