//! Mistakes in JSON Schema.

use crate::schema::Role;
use crate::schema::schema_tests::{assert_diagnostics, read_text};

#[test]
fn mistakes_in_json_schema_are_found_all_at_once() {
    assert_diagnostics(
        Role::Output,
        &[
            (
                "type: object\nproperties:\n  a: { type: string, minLength: 3, maxLength: 2, pattern: '(x' }\n  b: { allOf: [] }\n  c: { tipe: string }\n  d: { type: integer, minimum: 4, exclusiveMaximum: 4.0 }\n  e: { type: integer, minimum: 1, maximum: 4, multipleOf: 5 }\n  f: { type: number, multipleOf: 0 }\nrequired: [x, a, a, 1]\nadditionalproperties: false",
                &[
                    "4:15: error[AG050]: `allOf` is a list (it must be a list of schemas, at least one)",
                    "10:1: error[AG051]: `additionalproperties` is no keyword of JSON Schema (did you mean `additionalProperties`?)",
                    "3:36: error[AG050]: `minLength` is 3 and `maxLength` is 2 (no value is like that; change one of them)",
                    "3:59: error[AG050]: the pattern is no regular expression: a `(` has no `)` (write a regular expression of ECMA-262; a sign itself is written with `\\` before it)",
                    "4:8: note[AG052]: `allOf` stands without a `type`, so that other kinds of values are allowed too; it becomes a JSON value that is checked (add `type: TYPE`)",
                    "5:8: error[AG051]: `tipe` is no keyword of JSON Schema (did you mean `type`?)",
                    "6:35: error[AG050]: no number is within the bounds (change one of the bounds)",
                    "7:35: error[AG050]: no number is within the bounds (change one of the bounds)",
                    "8:34: error[AG050]: `multipleOf` is not greater than 0 (write a number greater than 0)",
                    "9:12: note[AG052]: `required` names \"x\", which `properties` does not describe; it becomes a JSON value (describe it under `properties`)",
                    "9:18: error[AG050]: the property \"a\" is listed twice (remove one of them)",
                    "9:21: error[AG050]: `required` is a number (it must be a list of property names)",
                ],
            ),
            (
                "type: string\nname: string",
                &[
                    "2:1: error[AG051]: `name` is no keyword of JSON Schema (a mapping with a `type` or `properties` is JSON Schema; to describe a property called `type` in the shorthand, write `type: string, what it is`)",
                ],
            ),
            (
                "type: string\nitem-id: integer\nitemId: integer\ndescription: x",
                &[
                    "1:1: error[AG051]: `type` makes this JSON Schema, and `item-id` and another key are no keywords of it (for a property called `type`, write `type: string, what it is`; in JSON Schema, write the properties under `properties`)",
                ],
            ),
            (
                "type: string\nminLenght: 1\nmaxLenght: 2\npattern: x",
                &[
                    "2:1: error[AG051]: `minLenght` is no keyword of JSON Schema (did you mean `minLength`?)",
                    "3:1: error[AG051]: `maxLenght` is no keyword of JSON Schema (did you mean `maxLength`?)",
                ],
            ),
            (
                "type: any",
                &[
                    "1:7: error[AG050]: there is no type \"any\" (leave `type` out to allow any value)",
                ],
            ),
            (
                "type: [string, ~]",
                &["1:16: error[AG050]: `type` is nothing (put the type null in quotes: \"null\")"],
            ),
            ("type: [string, integer]", &[]),
            (
                "type: integer\nminLength: 1",
                &[
                    "2:1: note[AG051]: `minLength` says nothing about a whole number (leave it out, or change the type)",
                ],
            ),
            (
                "type: integer\nminimum: 1.5\nmaximum: x",
                &[
                    "2:10: error[AG050]: `minimum` is not a whole number of 64 bits (write a whole number, or make the type `number`)",
                    "3:10: error[AG050]: `maximum` is not a whole number of 64 bits (write a whole number, or make the type `number`)",
                ],
            ),
            (
                "type: array\nminItems: -1",
                &[
                    "2:11: error[AG050]: `minItems` is not a whole number from 0 (write a number such as 1)",
                    "1:1: note[AG052]: the list doesn't say what is in it; JSON values are (say what it is with `type`)",
                ],
            ),
            (
                "enum: [1, a, true, a]",
                &["1:20: error[AG050]: the value \"a\" is listed twice (remove one of them)"],
            ),
            (
                "enum: [a, b]\nx-rust-names: [A]",
                &[
                    "2:15: error[AG050]: `x-rust-names` has 1 names, and `enum` 2 values (list one name for each value, in the same order)",
                ],
            ),
            (
                "enum: [a, b]\nx-rust-names: A",
                &["2:15: error[AG050]: `x-rust-names` is text (it must be a list of names)"],
            ),
            (
                "enum: [a, b]\nx-rust-names: [A, 'b c']",
                &[
                    "2:19: error[AG050]: \"b c\" is no identifier of Rust (write letters, digits and `_`, and no keyword, as in `home_address`)",
                ],
            ),
            // What other tools call the values is a wish.
            (
                "enum: [a, b, c, d]\nx-enum-varnames: [Same, Same, self, 'd e']",
                &[],
            ),
            (
                "enum: []",
                &["1:7: error[AG050]: the enum has no values (list at least one)"],
            ),
            (
                "enum: [ab, a_b, \"a b\"]",
                &[
                    "1:17: note[AG053]: the value \"a b\" meets another one in the name `AB`; in Rust it is called `AB2` (choose a name with `x-rust-name`)",
                ],
            ),
            (
                "enum: [self, Self]",
                &[
                    "1:14: note[AG053]: the value \"Self\" meets another one in the name `Self_`; in Rust it is called `Self2` (choose a name with `x-rust-name`)",
                ],
            ),
            (
                "type: object\nproperties: { type: { type: string }, type_: { type: string } }\nadditionalProperties: false",
                &[
                    "2:39: note[AG053]: the property \"type_\" meets another one in the name `type_`; in Rust it is called `type_2` (choose a name with `x-rust-name`)",
                ],
            ),
            (
                "type: [string, \"null\"]\nenum: [a]",
                &[
                    "1:7: note[AG051]: the `type` allows null, and the listed values don't (add null to the values to allow it)",
                ],
            ),
            (
                "type: object\nproperties: { p: { type: string, components: { schemas: { A: { type: string } } } } }",
                &[
                    "2:34: error[AG051]: no type is made of `components` (move it to the top of the endpoint's schema, where `#/components/schemas/NAME` leads to)",
                ],
            ),
            (
                "type: string\nenum: [a, null]",
                &[
                    "2:11: note[AG051]: the `type` does not allow the listed value null (it is never valid: leave it out, or change the type)",
                ],
            ),
            ("oneOf: [{ type: string }, { type: integer }]", &[]),
            ("anyOf: [{ type: string }, { type: integer }]", &[]),
            (
                "oneOf:\n- { type: object, properties: { k: { const: a } }, required: [k] }\n- { type: object, properties: { k: { const: a } } }\n- { type: object, properties: { l: { const: b } }, required: [l] }\ndiscriminator: { propertyName: k }",
                &[
                    "1:1: note[AG052]: \"a\" is the \"k\" of two objects; the type is an object, which is checked (give each object a required property with a `const` of its own, such as `kind: { const: text }`, to get an enum)",
                ],
            ),
            (
                "$ref: '#/$defs/A'\n$defs: { B: { type: string } }",
                &["1:7: error[AG050]: there is no definition \"A\" (the definitions are B)"],
            ),
            (
                "type: array\nitems: { $ref: 'other.yaml#/A' }",
                &[
                    "2:16: error[AG051]: \"other.yaml#/A\" refers to something outside of this schema (copy what is meant to `$defs` at the top of this schema, and write `#/$defs/NAME`)",
                ],
            ),
            (
                "$ref: '#/$defs/A'\n$defs: { A: { $ref: '#/$defs/B' }, B: { $ref: '#/$defs/A' } }",
                &[
                    "2:10: error[AG050]: a value of the definition \"A\" never ends (make the property that leads back to it optional, or a list)",
                    "2:36: error[AG050]: a value of the definition \"B\" never ends (make the property that leads back to it optional, or a list)",
                ],
            ),
            (
                "type: object\nproperties: { a: { type: object, properties: {}, $defs: {} } }",
                &[],
            ),
            (
                "$schema: http://json-schema.org/draft-03/schema#\ntype: string",
                &[
                    "1:10: error[AG051]: the schema is in another dialect (leave `$schema` out, or name JSON Schema 2020-12, 2019-09, draft-07, draft-06, draft-04 or OpenAPI 3)",
                ],
            ),
            (
                "type: integer\nminimum: 3\nexamples: [3, 3.0, 2, 1e30]\ndefault: x",
                &[
                    "3:20: error[AG050]: `examples`[2]: must be at least 3 (change the value or the schema)",
                    "3:23: error[AG050]: `examples`[3]: must be at most 9223372036854775807 (change the value or the schema)",
                    "4:10: error[AG050]: `default`: must be an integer (change the value or the schema)",
                ],
            ),
            (
                "type: object\nproperties: { name: { type: string }, tags: { type: array, items: { enum: [a] } } }\nrequired: [name]\nexamples: [{ name: 5 }, { tags: [a, b] }]",
                &[
                    "4:20: error[AG050]: `examples`[0]: /name must be a string (change the value or the schema)",
                    "4:25: error[AG050]: `examples`[1]: /name is required (change the value or the schema)",
                    "4:37: error[AG050]: `examples`[1]: /tags/1 must be \"a\" (change the value or the schema)",
                ],
            ),
            ("type: string\nnullable: true", &[]),
            ("type: string\nformat: date\nmaxLength: 3", &[]),
            (
                "type: object\nproperties: { '\u{1f680}': { type: string } }",
                &[],
            ),
            (
                "properties: { a: false, b: 1 }",
                &["1:28: error[AG050]: a schema is a mapping, not a number (write `{ type: … }`)"],
            ),
            (
                "type: object\nproperties: { a: { maximum: 1 } }",
                &[
                    "2:20: note[AG052]: `maximum` stands without a `type`, so that other kinds of values are allowed too; it becomes a JSON value that is checked (add `type: number`)",
                ],
            ),
            (
                "type: object\nproperties: { a: { $ref: '#/components/schemas/Pet' } }",
                &[
                    "2:26: error[AG050]: \"#/components/schemas/Pet\" refers to an OpenAPI document, and this is a schema alone (copy \"Pet\" to `$defs` at the top of this schema, and write `#/$defs/Pet`)",
                ],
            ),
            (
                "allOf: [{ type: string }, { type: integer }]",
                &[
                    "1:29: error[AG050]: no value is string and integer at once (no value fits all parts of `allOf`; change one of them)",
                ],
            ),
            (
                "allOf:\n- { type: object, properties: { a: { type: string } }, additionalProperties: false }\n- { type: object, properties: { b: { type: string } }, required: [b] }",
                &[
                    "2:78: error[AG050]: `additionalProperties: false` in a part of `allOf` refuses the property \"b\" of another (no value fits all parts of `allOf`; change one of them)",
                ],
            ),
            (
                "type: integer\nexclusiveMinimum: true",
                &[
                    "2:1: error[AG050]: `exclusiveMinimum` is true, and there is no `minimum` (write the bound itself: `exclusiveMinimum: 1`)",
                ],
            ),
            (
                "type: string\npattern: '(a)\\1'",
                &[
                    "2:10: error[AG051]: the pattern can't be checked: back-references can't be matched (write it without that)",
                ],
            ),
            (
                "type: object\nproperties: { a: { type: string, x-rust-name: type }, b: { type: string, x-rust-name: c }, d: { type: string, x-rust-name: c } }",
                &[
                    "2:47: error[AG050]: \"type\" is no identifier of Rust (write letters, digits and `_`, and no keyword, as in `home_address`)",
                    "2:124: error[AG053]: the name `c` is given twice (give each its own `x-rust-name`)",
                ],
            ),
            (
                "$dynamicRef: '#a'\ntype: string",
                &[
                    "1:1: error[AG051]: no type is made of `$dynamicRef` (use `$ref: \"#/$defs/NAME\"`)",
                ],
            ),
        ],
    );
}

#[test]
fn what_other_programs_print_is_read() {
    assert_diagnostics(
        Role::Output,
        &[
            // pydantic: `x: int = None`, and a time without an offset.
            (
                "type: object\nproperties:\n  a: { type: integer, default: null }\n  b: { type: string, format: date-time, default: '2020-01-01T00:00:00' }\n  c: { type: integer, default: x }",
                &[
                    "3:32: note[AG051]: `default` is null, which the schema doesn't allow; it is left out (leave it out, or allow null too)",
                    "4:50: note[AG051]: `default` is not of the format that the schema names; it is left out (change the value or the format)",
                    "5:32: error[AG050]: `default`: must be an integer (change the value or the schema)",
                ],
            ),
            // schemars for OpenAPI 3.0.
            (
                "$schema: https://spec.openapis.org/oas/3.0/schema/2024-10-18#/definitions/Schema\ntype: string",
                &[],
            ),
            // TypeBox: a recursive type, and a module.
            (
                "type: object\nproperties:\n  t: { $id: Node, type: object, properties: { n: { $ref: Node } } }",
                &[],
            ),
            (
                "$defs:\n  A: { $id: A, type: object, properties: { b: { $ref: B } } }\n  B: { $id: B, type: string }\n$ref: A",
                &[],
            ),
            (
                "$defs:\n  A: { $id: A, type: object, properties: { b: { $ref: '#/$defs/B' } } }\n  B: { type: string }\n$ref: A",
                &[
                    "2:55: error[AG051]: \"#/$defs/B\" is inside of a schema with an `$id`, which it starts at (leave that `$id` out, and write `#/$defs/NAME`)",
                ],
            ),
        ],
    );
}

#[test]
fn a_long_chain_of_merged_definitions_is_read() {
    let links: String = (0..600)
        .map(|number| {
            let next = number + 1;
            format!("  D{number}: {{ allOf: [{{ $ref: '#/$defs/D{next}' }}, {{ type: object, properties: {{ p{number}: {{ type: integer }} }} }}] }}\n")
        })
        .collect();
    let text = format!(
        "$defs:\n{links}  D600: {{ type: object, properties: {{ last: {{ type: string }} }} }}\n$ref: '#/$defs/D0'"
    );
    assert_diagnostics(Role::Output, &[(&text, &[])]);
}

#[test]
fn large_schemas_are_read_in_linear_time_or_refused() {
    let objects = |count: usize| {
        let all = (0..count).map(|i| {
            format!("{{ type: object, required: [k], properties: {{ k: {{ const: {i} }} }} }}")
        });
        format!(
            "type: object\nproperties: {{ v: {{ oneOf: [{}] }} }}",
            all.collect::<Vec<_>>().join(", ")
        )
    };
    // 6 million pairs.
    let (schema, _) = read_text(&objects(3500), Role::Output);
    assert!(schema.is_some());
    let (schema, said) = read_text(&objects(4001), Role::Output);
    assert!(schema.is_none());
    let expected = "1:1: error[AG051]: the schema has 4003 objects and choices that become Rust types, and 4000 are the most (leave out what the endpoint does not use, or write `type: object` for a part that needs no type)";
    assert!(said.iter().any(|one| one == expected), "{:?}", said.last());
}
