//! Types and checks of JSON Schema formats and keywords.

use std::collections::BTreeMap;

use agentgen_runtime::codegen::{nullable, present};
use agentgen_runtime::schema::{
    Date, DateTime, Format, IntegerBounds, NumberBounds, Uuid, Validate, Validator, check,
};
use serde::Deserialize;

#[test]
fn formats_accept_what_their_standards_allow() {
    for (format, good, bad) in [
        (
            Format::DateTime,
            &[
                "2026-11-21T07:55:10Z",
                "2026-11-21t07:55:10.5+05:30",
                "1990-12-31T23:59:60Z",
            ][..],
            &[
                "2026-11-21",
                "2026-11-21 07:55:10Z",
                "2026-11-21T07:55:10",
                "2026-02-30T00:00:00Z",
            ][..],
        ),
        (
            Format::Date,
            &["2024-02-29"],
            &["2023-02-29", "2024-2-29", "+024-02-29", "20240229  "],
        ),
        (
            Format::Time,
            &["07:55:10Z", "07:55:10.123-03:00"],
            &["07:55:10", "7:55:10Z", "25:00:00Z"],
        ),
        (
            Format::Email,
            &["a.b+c@example.org", "a@[127.0.0.1]"],
            &["a", "a@", "@b", "a..b@c", "a b@c"],
        ),
        (
            Format::Hostname,
            &["a", "a-b.example"],
            &["-a", "a-", "a..b", "a_b", ""],
        ),
        (
            Format::Ipv4,
            &["127.0.0.1"],
            &["127.0.0.256", "127.0.0", "01.2.3.4"],
        ),
        (
            Format::Ipv6,
            &["::1", "1:2:3:4:5:6:7:8"],
            &["::1%eth0", ":::", "1"],
        ),
        (
            Format::Uri,
            &["https://a.b/c?d#e", "urn:x:y", "mailto:a@b"],
            &["/a", "a", "http://a b", "1:x", "x:%zz"],
        ),
        (
            Format::UriReference,
            &["/a?b", "../c", "", "a/b:c", "https://a"],
            &["a b", "1:x", "#a#b", "é"],
        ),
        (
            Format::Uuid,
            &["0192f0c1-2d3e-7abc-8def-0123456789ab"],
            &[
                "0192f0c12d3e7abc8def0123456789ab",
                "{0192f0c1-2d3e-7abc-8def-0123456789ab}",
                "x",
            ],
        ),
        (Format::JsonPointer, &["", "/a~0b/~1"], &["a", "/~2", "/~"]),
    ] {
        for text in good {
            assert!(format.is_valid(text), "{format:?} {text:?}");
        }
        for text in bad {
            assert!(!format.is_valid(text), "{format:?} {text:?}");
        }
    }
}

#[test]
fn values_round_trip_unchanged() {
    for text in ["2026-11-21T07:55:10.250+05:30", "2026-11-21T07:55:10Z"] {
        assert_eq!(text.parse::<DateTime>().unwrap().to_string(), text);
    }
    assert_eq!(
        serde_json::to_string(&"2024-02-29".parse::<Date>().unwrap()).unwrap(),
        "\"2024-02-29\""
    );
    let id = Uuid::from_bytes(uuid::Uuid::now_v7().into_bytes());
    let json = serde_json::to_string(&id).unwrap();
    assert_eq!(serde_json::from_str::<Uuid>(&json).unwrap(), id);
    let wrong = serde_json::from_str::<Date>("\"2024-02-30\"")
        .unwrap_err()
        .to_string();
    assert!(wrong.starts_with("not a valid date"), "{wrong}");
    assert!(DateTime::now() > "2020-01-01T00:00:00Z".parse().unwrap());
}

#[derive(Debug, Deserialize)]
struct Fields {
    #[serde(default, deserialize_with = "present")]
    optional: Option<i64>,
    #[serde(deserialize_with = "nullable")]
    nullable: Option<i64>,
}

#[test]
fn missing_and_null_are_distinct() {
    let read = serde_json::from_str::<Fields>;
    let fine = read(r#"{"nullable":null}"#).unwrap();
    assert_eq!((fine.optional, fine.nullable), (None, None));
    let fine = read(r#"{"optional":1,"nullable":2}"#).unwrap();
    assert_eq!((fine.optional, fine.nullable), (Some(1), Some(2)));
    assert!(read("{}").is_err());
    assert!(read(r#"{"optional":null,"nullable":1}"#).is_err());
}

/// The details of the violations that `checks` reports.
fn violations_of(checks: impl FnOnce(&mut Validator)) -> Vec<String> {
    let mut validator = Validator::default();
    checks(&mut validator);
    validator
        .into_violations()
        .into_iter()
        .map(|v| format!("{} {}", v.pointer, v.detail))
        .collect()
}

#[test]
fn the_validator_checks_every_keyword() {
    let violations = violations_of(|v| {
        v.length("äöü", Some(3), Some(3));
        v.length("äöü", Some(4), Some(2));
        v.items(1, Some(2), None);
        v.properties(3, None, Some(1));
        v.pattern("abc", "b");
        v.pattern("abc", "^b");
        v.format("x", Format::Email);
        v.unique(&[1, 2, 3]);
        v.at("a/b~c", |v| v.index(2, |v| v.unique(&[1, 2, 1, 1])));
    });
    assert_eq!(
        violations,
        [
            " has 3, and must have at least 4 characters",
            " has 3, and must have at most 2 characters",
            " has 1, and must have at least 2 items",
            " has 3, and must have at most 1 property",
            " does not match the pattern ^b",
            " is not a valid email",
            "/a~1b~0c/2/2 is there twice",
            "/a~1b~0c/2/3 is there twice",
        ]
    );
}

#[test]
fn numeric_bounds_are_checked() {
    let bounds = IntegerBounds {
        minimum: Some(2),
        exclusive_maximum: Some(10),
        multiple_of: Some(3),
        ..IntegerBounds::NONE
    };
    assert!(violations_of(|v| v.integer(9, bounds)).is_empty());
    assert_eq!(
        violations_of(|v| v.integer(10, bounds)),
        [" must be less than 10", " is not a multiple of 3"]
    );
    assert_eq!(
        violations_of(|v| v.integer(0, bounds)),
        [" must be at least 2"]
    );
    let bounds = NumberBounds {
        exclusive_minimum: Some(0.0),
        maximum: Some(1.0),
        multiple_of: Some(0.1),
        ..NumberBounds::NONE
    };
    assert!(violations_of(|v| v.number(0.3, bounds)).is_empty());
    assert_eq!(
        violations_of(|v| v.number(0.35, bounds)),
        [" is not a multiple of 0.1"]
    );
    assert_eq!(
        violations_of(|v| v.number(0.0, bounds)),
        [" must be more than 0"]
    );
    assert_eq!(
        violations_of(|v| v.number(1.1, bounds)),
        [" must be at most 1"]
    );
}

struct Never;

impl Validate for Never {
    fn validate(&self, validator: &mut Validator) {
        validator.fail("never");
    }
}

#[test]
fn nested_values_are_validated() {
    let map = BTreeMap::from([(
        "k".to_owned(),
        vec![Some(Box::new(Never)), None, Some(Box::new(Never))],
    )]);
    let violations = check(&map).unwrap_err();
    let pointers = violations
        .iter()
        .map(|v| v.pointer.as_str())
        .collect::<Vec<_>>();
    assert_eq!(pointers, ["/k/0", "/k/2"]);
    let many = (0..1000).map(|_| Never).collect::<Vec<_>>();
    assert_eq!(
        check(&many).unwrap_err().len(),
        100,
        "an answer stays readable"
    );
}
