//! What is read out of a description and a body: examples, summary, outline.

#![allow(clippy::unwrap_used)]

use crate::spec::example_blocks::{Example, parse, shorten};
use crate::text::outline::headings;

fn example(context: &str, user: &str, assistant: &str, commentary: &str) -> Example {
    let part = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Example {
        context: part(context),
        user: part(user),
        assistant: part(assistant),
        commentary: part(commentary),
    }
}

#[test]
fn examples_on_lines_of_their_own() {
    let read = parse(
        "Use it to sail. Examples:\n\n<example>\nContext: A storm comes.\nuser: \"Which sail?\"\n\
         assistant: \"The small one.\"\n<commentary>\nWind matters.\n</commentary>\n</example>\n\n\
         <example>\nuser: \"And now?\"\nassistant: \"Wait.\"\nassistant: \"Now go.\"\n</example>",
    );
    assert_eq!(read.summary, "Use it to sail.");
    assert_eq!(
        read.examples,
        [
            example(
                "A storm comes.",
                "Which sail?",
                "The small one.",
                "Wind matters."
            ),
            example("", "And now?", "Wait.\nNow go.", ""),
        ]
    );
}

#[test]
fn examples_on_one_line_escaped_and_unclosed() {
    let one = "Sails. Examples: <example>Context: A storm. user: 'Which sail?' assistant: 'The small one' \
               <commentary>Wind.</commentary></example>";
    let escaped = one.replace('<', "&lt;").replace('>', "&gt;");
    let unclosed = one.replace("</example>", "");
    for text in [one, &escaped, &unclosed] {
        let read = parse(text);
        assert_eq!(read.summary, "Sails.", "{text}");
        assert_eq!(
            read.examples,
            [example("A storm.", "Which sail?", "The small one", "Wind.")],
            "{text}"
        );
    }
}

#[test]
fn a_description_that_is_only_examples_has_no_summary() {
    let read = parse("Examples:\n<example>\nuser: hello\n</example>");
    assert_eq!(read.summary, "");
    assert_eq!(read.examples, [example("", "hello", "", "")]);
}

#[test]
fn words_around_examples_stay() {
    let read = parse("Before.\n- <example>user: a</example>\nAfter: all of it.");
    assert_eq!(read.summary, "Before. After: all of it.");
    let bare = parse("No examples: none at all.");
    assert_eq!(bare.summary, "No examples: none at all.");
    assert!(bare.examples.is_empty());
}

#[test]
fn texts_are_cut_between_words() {
    assert_eq!(shorten("one two three", 13), "one two three");
    assert_eq!(shorten("one two three", 12), "one two…");
    assert_eq!(shorten("one, two three", 6), "one…");
    assert_eq!(shorten("äöü äöü", 5), "äöü…");
}

#[test]
fn headings_have_levels_and_lines() {
    let body = "# One `code`\r\n\r\ntext\r\n\r\n```\n# none\n```\n\nTwo\n===\n\n### Three *em*\n    # code\n";
    let found: Vec<(u8, usize, String)> = headings(body)
        .into_iter()
        .map(|heading| (heading.level, heading.line, heading.text))
        .collect();
    assert_eq!(
        found,
        [
            (1, 1, "One code".to_owned()),
            (1, 9, "Two".to_owned()),
            (3, 12, "Three em".to_owned()),
        ]
    );
}
