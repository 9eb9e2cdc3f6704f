//! Mistakes in JSON Schema.

use crate::schema::Role;
use crate::schema::schema_tests::assert_diagnostics;

#[test]
fn mistakes_in_json_schema_are_found_all_at_once() {
    assert_diagnostics(
        Role::Output,
        &[
            (
                "type: object\nproperties:\n  a: { type: string, minLength: 3, maxLength: 2, pattern: '(?=x)' }\n  b: { allOf: [] }\n  c: { tipe: string }\n  d: { type: integer, minimum: 4, exclusiveMaximum: 4.0 }\n  e: { type: integer, minimum: 1, maximum: 4, multipleOf: 5 }\n  f: { type: number, multipleOf: 0 }\nrequired: [x, a, a, 1]\nadditionalproperties: false",
                &[
                    "10:1: error[AG051]: `additionalproperties` is no keyword of JSON Schema (did you mean `additionalProperties`?)",
                    "3:36: error[AG050]: `minLength` is 3 and `maxLength` is 2 (no value is like that; change one of them)",
                    "3:59: error[AG050]: the pattern can't be checked: look-around can't be matched (use a regular expression without look-around and back-references)",
                    "4:8: error[AG051]: no type is made of `allOf` (write the properties of all its parts into one object)",
                    "5:8: error[AG051]: `tipe` is no keyword of JSON Schema (did you mean `type`?)",
                    "6:35: error[AG050]: no number is within the bounds (change one of the bounds)",
                    "7:35: error[AG050]: no number is within the bounds (change one of the bounds)",
                    "8:34: error[AG050]: `multipleOf` is not greater than 0 (write a number greater than 0)",
                    "9:12: error[AG050]: `required` names \"x\", and there is no such property (describe it under `properties`, or remove it here)",
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
                "type: any",
                &[
                    "1:7: error[AG050]: there is no type \"any\" (leave `type` out to allow any value)",
                ],
            ),
            (
                "type: [string, ~]",
                &["1:16: error[AG050]: `type` is nothing (put the type null in quotes: \"null\")"],
            ),
            (
                "type: [string, integer]",
                &[
                    "1:7: error[AG051]: a value of several types: string, integer (choose one (and \"null\"), or use `oneOf` over objects)",
                ],
            ),
            (
                "type: integer\nminLength: 1",
                &[
                    "2:1: error[AG050]: `minLength` says nothing about a whole number (leave it out, or change the type)",
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
                &[
                    "1:8: error[AG051]: `enum` contains a number (only texts and null can be listed; use `minimum` and `maximum`, or put the numbers in quotes)",
                    "1:14: error[AG051]: `enum` contains true or false (only texts and null can be listed; put words such as `no` in quotes, or use `type: boolean`)",
                    "1:20: error[AG050]: the value \"a\" is listed twice (remove one of them)",
                ],
            ),
            (
                "enum: []",
                &["1:7: error[AG050]: the enum has no values (list at least one)"],
            ),
            (
                "enum: [ab, a_b, \"a b\"]",
                &[
                    "1:17: error[AG053]: the value \"a b\" meets another one in its name (rename one of them)",
                ],
            ),
            (
                "type: [string, \"null\"]\nenum: [a]",
                &[
                    "1:7: error[AG050]: the `type` allows null, and `enum` doesn't (add null to the values)",
                ],
            ),
            (
                "type: string\nenum: [a, null]",
                &[
                    "2:11: error[AG050]: `enum` contains null, and the `type` doesn't allow it (write `type: [string, \"null\"]`)",
                ],
            ),
            (
                "oneOf: [{ type: string }, { type: integer }]",
                &[
                    "1:1: error[AG051]: nothing tells the schemas apart (make them objects that require a property with a `const` of its own in each, such as `kind: { const: text }`)",
                ],
            ),
            (
                "anyOf: [{ type: string }, { type: integer }]",
                &[
                    "1:1: error[AG051]: no type is made of `anyOf`, except for a schema or null (use `oneOf` over objects with a property that tells them apart)",
                ],
            ),
            (
                "oneOf:\n- { type: object, properties: { k: { const: a } }, required: [k] }\n- { type: object, properties: { k: { const: a } } }\n- { type: object, properties: { l: { const: b } }, required: [l] }\ndiscriminator: { propertyName: k }",
                &[
                    "3:3: error[AG050]: the object does not require \"k\" (add `k` to its `required`)",
                    "4:3: error[AG050]: the object has no constant \"k\" (give it the property `k: { const: NAME }`)",
                    "3:3: error[AG053]: \"a\" names two objects (give each its own value of `k`)",
                ],
            ),
            (
                "$ref: '#/$defs/A'\n$defs: { B: { type: string } }",
                &["1:7: error[AG050]: there is no definition \"A\" (the definitions are B)"],
            ),
            (
                "type: array\nitems: { $ref: 'other.yaml#/A' }",
                &[
                    "2:16: error[AG051]: \"other.yaml#/A\" refers to something outside of `$defs` (move what is meant to `$defs` at the top of this schema)",
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
                &[
                    "2:50: error[AG051]: `$defs` is inside a schema (move it to the top of the endpoint's schema)",
                ],
            ),
            (
                "$schema: http://json-schema.org/draft-07/schema#\ntype: string",
                &[
                    "1:10: error[AG051]: the schema is in another dialect (leave `$schema` out; schemas are JSON Schema 2020-12)",
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
            (
                "type: string\nnullable: true",
                &[
                    "2:1: error[AG051]: no type is made of `nullable` (write `type: [TYPE, \"null\"]`)",
                ],
            ),
            (
                "type: string\nformat: date\nmaxLength: 3",
                &[
                    "3:1: error[AG051]: `maxLength` is beside a format that has a type of its own (leave out `maxLength` or `format`)",
                ],
            ),
            (
                "type: object\nproperties: { '\u{1f680}': { type: string } }",
                &[
                    "2:15: error[AG053]: no field can be called like the property \"\u{1f680}\" (use a name with a letter or digit of ASCII)",
                ],
            ),
            (
                "properties: { a: false, b: 1 }",
                &[
                    "1:18: error[AG051]: the schema allows no value (leave the property out)",
                    "1:28: error[AG050]: a schema is a mapping, not a number (write `{ type: … }`)",
                ],
            ),
            (
                "type: object\nproperties: { a: { maximum: 1 } }",
                &["2:18: error[AG050]: the schema has no `type` (add `type: number`)"],
            ),
        ],
    );
}
