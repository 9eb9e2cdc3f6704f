//! The types of conditions and inputs of steps: what passes, what is a warning, and what is an error.

use crate::check::workflow_check_tests::{diagnostics, step_diagnostics};

#[test]
fn conditions_and_inputs_that_can_be_valid_pass() {
    for step in [
        r#"when: "p.output.risk == 'high'""#,
        r#"when: "steps.p.output.risk != 'low' and not (p.output.score < 0.5)""#,
        r#"when: "p.status == 'succeeded' || !p.output.note""#,
        r#"when: "'b' in p.output.summary or p.output.summary contains input.topic""#,
        r#"when: "input.n > -1.5e3 && input.n <= 3""#,
        r#"when: "p.output == null or p.output.parts == null or input.topic == null""#,
        r#"when: "p.output.parts.0.name == 'x'""#,
        r#"when: "p.output.parts.0.anything.at.all == 3""#,
        r#"when: "p.output.note == 'x' or p.output.note < 'y'""#,
        "when: true",
        r#"when: "p.output.summary == 'it''s' or p.output.summary == '''' or p.output.summary == ''""#,
        r#"when: "p.output.score < 1e30 and input.n > -9007199254740991""#,
        r#"with: { input: "{{ p.output.summary }}" }"#,
        // What the condition speaks of is looked at there.
        r#"when: p.output.note, with: { input: "{{ p.output.note }}" }"#,
        r#"when: "p.output.note != null", with: { input: "{{ p.output.note }}" }"#,
        r#"with: { input: "{{ p.output }} and {{ p.output.score }}, {{ '{{ }}' }}" }"#,
        r#"endpoint: plan, with: { goal: "a", count: "{{ input.n }}", tags: ["{{ input.topic }}"] }"#,
        // A text may be a date.
        r#"endpoint: plan, with: { goal: "a", when: "{{ p.output.summary }}" }"#,
        r#"endpoint: sort, with: { by: { kind: size, n: 3 }, pair: [a, "{{ p.output.risk }}"] }"#,
    ] {
        assert_eq!(step_diagnostics(step), [""; 0], "{step}");
    }
}

#[test]
fn inputs_that_may_not_match_are_warnings() {
    let advice = "the step fails then: change one of the two schemas, or say under `when` what has to be there";
    for (step, expected) in [
        (
            r#"with: { input: "{{ p.output.note }}" }"#,
            "16 `input` takes text, and this may be missing",
        ),
        (
            r#"endpoint: plan, with: { goal: "a", count: "{{ p.output.score }}" }"#,
            "43 `count` takes a whole number, and this may have a fraction",
        ),
        (
            r#"endpoint: sort, with: { by: { kind: size, n: "{{ input.n }}" } }"#,
            "46 `by.n` takes a whole number, and this may be missing",
        ),
        (
            r#"endpoint: plan, when: "input.n > 1", with: { goal: "{{ p.output.note }}" }"#,
            "52 `goal` takes text, and this may be missing",
        ),
    ] {
        assert_eq!(
            step_diagnostics(step),
            [format!("{expected}; {advice}")],
            "{step}"
        );
    }
}

#[test]
fn what_can_never_be_valid_is_an_error_at_its_place() {
    let (mut found, mut meant) = (Vec::new(), Vec::new());
    for (step, expected) in [
        // Conditions.
        (
            r#"when: "p.output.risk == 'hihg'""#,
            r#"8 one of "low", "high" is never the text "hihg"; did you mean "high"?"#,
        ),
        (
            r#"when: "p.output.score == 'a'""#,
            r#"8 a number is never the text "a"; compare it with a value that it can have"#,
        ),
        (
            r#"when: "input.n == 9007199254740992""#,
            "19 `9007199254740992` has more digits than are compared; compare such numbers as texts, or write about how large it is, such as `1e18`",
        ),
        (
            r#"when: "p.output.risk == 'it''s'""#,
            r#"8 one of "low", "high" is never the text "it's"; compare it with a value that it can have"#,
        ),
        (
            r#"when: "p.output.score == 2""#,
            "8 a number of at least 0 and of at most 1 is never the number 2; compare it with a value that it can have",
        ),
        (
            r#"when: "p.output.summary > 3""#,
            "8 text is never less or more than the number 3; numbers are compared with numbers, and texts with texts",
        ),
        (
            r#"when: "true and 3 in p.output.summary""#,
            "17 the number 3 is never in text; the right side of `in` is a list of such values, or a text that contains a text",
        ),
        (
            r#"when: "p.output.parts contains 'x'""#,
            r#"8 the text "x" is never in a list; the right side of `in` is a list of such values, or a text that contains a text"#,
        ),
        (
            r#"when: "p.status == 'done'""#,
            r#"8 one of "pending", "running", "succeeded", "failed", "skipped", "cancelled" is never the text "done"; compare it with a value that it can have"#,
        ),
        // Places.
        (
            r#"when: "p.output.rsk == 'low'""#,
            "17 there is no `rsk` in what is an object; did you mean `risk`?",
        ),
        (
            r#"when: "p.output.risk.level == 'low'""#,
            r#"22 there is no `level` in what is one of "low", "high"; take the value itself"#,
        ),
        (
            r#"when: "input.topics == 'low'""#,
            "14 there is no `topics` in what is an object; did you mean `topic`?",
        ),
        (
            r#"when: "p.result""#,
            "10 a step has no `result`; write `p.output` or `p.status`",
        ),
        (
            r#"when: "p.status.code""#,
            "17 a status has no members; write `p.output` or `p.status`",
        ),
        (
            r#"when: "p""#,
            "8 `p` is a step, not a value; write `p.output` or `p.status`",
        ),
        (
            r#"when: "steps""#,
            "8 `steps` alone is no value; write `steps.NAME.output` or `steps.NAME.status`",
        ),
        (
            r#"when: "p.output.risk == high""#,
            "25 there is no step `high` in this workflow; put it in quotes if it is text",
        ),
        (
            r#"when: "q.output == 'a'""#,
            "8 the step `q` speaks of itself; add `needs: [q]` to a step before it or to `q`",
        ),
        (
            r#"needs: [], when: "p.output""#,
            "19 the step `p` may not be over yet; add `needs: [p]` to a step before it or to `q`",
        ),
        // Inputs.
        (
            r#"with: { input: "{{ p.output.score }}" }"#,
            "16 `input` takes text, and this is a number; change the value, or the schema of one of the two",
        ),
        (
            r#"with: { input: 3 }"#,
            "16 `input` takes text, and this is the number 3; change the value, or the schema of one of the two",
        ),
        (
            r#"with: { input: "" }"#,
            r#"16 `input` takes text of at least 1 characters and of at most 100000 characters, and this is the text ""; change the value, or the schema of one of the two"#,
        ),
        (
            r#"with: { inptu: "x", input: "y" }"#,
            "9 there is no input `inptu`; did you mean `input`?",
        ),
        (
            r#"with: { session_id: "x" }"#,
            "7 `input` is missing; it takes text",
        ),
        (
            r#"endpoint: plan, with: { goal: x, count: "{{ input.topic }}" }"#,
            "41 `count` takes a whole number, and this is text; change the value, or the schema of one of the two",
        ),
        (
            r#"endpoint: plan, with: { goal: x, count: 1.5 }"#,
            "41 `count` takes a whole number, and this is the number 1.5; change the value, or the schema of one of the two",
        ),
        (
            r#"endpoint: plan, with: { goal: x, when: "2026-02-30" }"#,
            r#"40 `when` takes a date, and this is the text "2026-02-30"; change the value, or the schema of one of the two"#,
        ),
        (
            r#"endpoint: plan, with: { goal: x, tags: ["a", "{{ input.n }}"] }"#,
            "46 `tags.1` takes text, and this is a whole number; change the value, or the schema of one of the two",
        ),
        (
            r#"endpoint: plan, with: { goal: [x] }"#,
            "31 `goal` takes text, and this is a list of 1 item; change the value, or the schema of one of the two",
        ),
        (
            r#"endpoint: plan, with: { goal: { x: y } }"#,
            "31 `goal` takes text, and this is an object; change the value, or the schema of one of the two",
        ),
        (
            r#"endpoint: sort, with: { by: { kind: size, n: "{{ input.topic }}" } }"#,
            "46 `by.n` takes a whole number, and this is text; change the value, or the schema of one of the two",
        ),
        (
            r#"endpoint: sort, with: { by: { kind: size } }"#,
            "29 `by.n` is missing; it takes a whole number",
        ),
        (
            r#"endpoint: sort, with: { by: { kind: name }, top: "{{ p.output.score }}" }"#,
            "50 `top` takes a whole number of at least 2, and this is a number of at least 0 and of at most 1; change the value, or the schema of one of the two",
        ),
        (
            r#"endpoint: sort, with: { by: { kind: name }, pair: [a] }"#,
            "51 `pair` takes a list of at least 2 items and of at most 2 items, and this is a list of 1 item; change the value, or the schema of one of the two",
        ),
        // No form of `by` is a plan, which is closed and has no `kind`.
        (
            r#"endpoint: sort, with: { by: "{{ p.output }}" }"#,
            "29 `by` takes an object with a `kind`, and this is an object; change the value, or the schema of one of the two",
        ),
        // What is no expression.
        (
            r#"when: "p.output.risk = 'low'""#,
            "22 `=` has no meaning here; write `==`",
        ),
        (
            r#"when: "{{ p.output }}""#,
            "8 `{` has no meaning here; write the expression without braces",
        ),
        (
            r#"when: "p.output and""#,
            "20 the end where a value is expected; values are `input.member`, `step.output`, `step.status`, texts in quotes, numbers, true, false and null",
        ),
        (
            r#"when: "p.output p.status""#,
            "17 `p.status` where `and` is expected; join two conditions with `and` or `or`",
        ),
        (
            r#"when: "(p.output""#,
            "17 the end where `)` is expected; close the parenthesis",
        ),
        (
            r#"when: "1 < input.n < 3""#,
            "20 two comparisons in a row; join them with `and`",
        ),
        (
            r#"when: "p.output.risk == 'low""#,
            "25 the text has no end; close it with '",
        ),
        (
            r#"when: "p..risk""#,
            "9 a dot without a name behind it; write `step.output.member`",
        ),
        (
            r#"when: "input.n == 01""#,
            "19 `01` is no number; put text in quotes",
        ),
        (
            r#"with: { input: "Say {{ p.output.risk" }"#,
            "37 the end where `}}` is expected; close the hole with `}}`",
        ),
    ] {
        found.push((step, step_diagnostics(step).join("\n")));
        meant.push((step, expected.to_owned()));
    }
    let wrong: Vec<_> = found.iter().filter(|case| !meant.contains(case)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn places_inside_of_texts_are_exact_in_every_style_of_yaml() {
    for (text, place) in [
        ("p.output.zap", "5:32"),
        ("\"p.output.zap\"", "5:33"),
        ("'p.output.zap'", "5:33"),
        ("'''its'' == p.output.zap'", "5:44"),
        ("\"\\\"it\\\" == p.output.zap\"", "5:43"),
        ("\"\\u0022it\\x22 == p.output.zap\"", "5:49"),
        ("'\"ü\" == p.output.zap'", "5:40"),
        (">-\n      true and\n      p.output.zap", "7:16"),
        ("|\n      true and\n\n        p.output.zap", "8:18"),
        ("\"true and  \n      p.output.zap\"", "6:16"),
        ("true and\n      p.output.zap", "6:16"),
    ] {
        let workflow = format!(
            "w:\n- p: {{ agent: keys, endpoint: plan, with: {{ goal: x }} }}\n- q:\n    agent: keys\n    when:             {text}"
        );
        let found = diagnostics(&workflow);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(
            found[0].starts_with(&format!("{place} there is no `zap`")),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn an_output_that_may_be_missing_may_be_null() {
    let check = |step: &str| {
        diagnostics(&format!(
            "w:\n- p: {{ agent: keys, endpoint: plan, with: {{ goal: x }}, {step} }}\n- q: {{ agent: keys, when: \"p.output.risk == 'low' and p.output.score == 'a'\" }}"
        ))
    };
    // That it may be null as well makes a text no number.
    for step in [
        "when: input.input == 'x'",
        "on_failure: skip",
        "on_failure: stop",
    ] {
        assert_eq!(check(step).len(), 1, "{step}");
    }
    // Only of what may be missing itself.
    let check = |first: &str, last: &str| {
        diagnostics(&format!(
            "w:\n- p: {{ agent: keys, {first} }}\n- o: {{ agent: keys, when: input.input }}\n- q: {{ agent: keys, endpoint: plan, {last}, with: {{ goal: x, maybe: \"{{{{ p.output }}}}\" }} }}"
        ))
    };
    assert_eq!(check("on_failure: stop", "needs: [o]").len(), 1);
    assert_eq!(check("on_failure: skip", "needs: [o]"), [""; 0]);
    assert_eq!(check("when: input.input", "needs: [o]"), [""; 0]);
    assert_eq!(
        check("on_failure: stop", "needs: [o, p], join: any"),
        [""; 0]
    );
    // The output of a fallback is text.
    let found = diagnostics(
        "w:\n- p: { agent: keys, endpoint: plan, with: { goal: x }, on_failure: fallback keys }\n- q: { agent: keys, with: { input: \"{{ p.output }}\" } }",
    );
    assert_eq!(found, [""; 0]);
}
