//! Documents, searches, embeddings and passages for a model: how a service block speaks of them, and what is refused.

use std::sync::Arc;

use agentgen_build::inspect::{Handler, bundle};
use agentgen_build::{Diagnostic, Generation, Project, Severity, Source, check};
use serde_json::json;

/// The project of one agent with this service block, which starts in line 5, column 3.
fn read(block: &str) -> Generation {
    let mut text = "---\nname: Desk Help\ndescription: Helps.\nservice:\n".to_owned();
    for line in block.lines() {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str("---\nHelp.\n");
    let source: Arc<Source> = Source::from_bytes("agents/desk.md", text.into_bytes()).unwrap();
    check(&Project {
        sources: vec![source],
        ..Project::default()
    })
}

fn diagnostics(block: &str) -> Vec<String> {
    let line = |diagnostic: &Diagnostic| {
        let place = diagnostic.location().unwrap();
        let severity = match diagnostic.severity {
            Severity::Error => "",
            other => &format!("{} ", other.as_str()),
        };
        let help = diagnostic.help.as_deref().unwrap_or_default();
        let (line, column) = (place.line, place.column);
        let (code, message) = (diagnostic.code, &diagnostic.message);
        format!("{severity}{line}:{column} {code} {message}; {help}")
    };
    read(block).diagnostics.iter().map(line).collect()
}

fn assert_said(cases: &[(&str, &[&str])]) {
    for (block, expected) in cases {
        assert_eq!(diagnostics(block), *expected, "\n{block}");
    }
}

/// An endpoint `find` that searches, with this input and this output on lines 8 and 9.
fn search(input: &str, output: &str) -> String {
    format!(
        "endpoints:\n  find:\n    handler: search\n    input: {{ {input} }}\n    output: {{ {output} }}"
    )
}

fn embed(input: &str, output: &str) -> String {
    search(input, output).replace("search", "embed")
}

/// Properties of a JSON Schema object, of which `required` are required.
fn object(required: &str, properties: &str) -> String {
    format!("type: object, required: [{required}], properties: {{ {properties} }}")
}

#[test]
fn a_collection_has_a_name_and_keepers() {
    for (block, collection, roles) in [
        ("documents: handbook", "handbook", vec!["admin"]),
        (
            "documents: { collection: hand-book }",
            "hand-book",
            vec!["admin"],
        ),
        ("documents: { roles: [a, b] }", "desk-help", vec!["a", "b"]),
        ("documents: { collection: x, roles: [] }", "x", vec![]),
        ("documents: {}", "desk-help", vec!["admin"]),
        // What looks something up without naming a collection has one of its own.
        (
            "endpoints: { find: { handler: search } }",
            "desk-help",
            vec!["admin"],
        ),
        (
            "endpoints: { ask: { retrieve: input } }",
            "desk-help",
            vec!["admin"],
        ),
    ] {
        let generation = read(block);
        assert!(
            generation.diagnostics.is_empty(),
            "{:?}",
            diagnostics(block)
        );
        let shown = bundle(&generation.agents[0], &generation.agents);
        let expected = json!({ "collection": collection, "roles": roles });
        assert_eq!(shown["documents"], expected, "{block}");
    }
    for block in ["{}", "endpoints: { vectors: { handler: embed } }"] {
        let generation = read(block);
        assert!(generation.agents[0].service.documents.is_none(), "{block}");
    }
}

#[test]
fn documents_that_cannot_be() {
    assert_said(&[
        (
            "documents: Hand Book",
            &[
                "5:14 AG045 `Hand Book` can't be the name of a collection; did you mean `hand-book`?",
            ],
        ),
        (
            "documents: { collection: '🚀' }",
            &[
                "5:28 AG045 `🚀` can't be the name of a collection; use up to 64 of a to z, 0 to 9 and single hyphens",
            ],
        ),
        (
            "documents: true",
            &[
                "5:14 AG045 `documents` is `true`; it takes the name of a collection, or `{ collection: handbook, roles: [admin] }`",
            ],
        ),
        (
            "documents: { collections: a }",
            &["5:16 AG026 there is no setting `collections`; did you mean `collection`?"],
        ),
        (
            "documents: { roles: admin }",
            &["5:23 AG045 `roles` is text; it takes a list of names: `[one, two]`"],
        ),
        (
            "documents: handbook\nendpoints: { documents: {}, get-document: { path: /d } }",
            &[
                "6:16 AG043 the agent's documents are served at `/v1/agents/desk-help/documents`; give the endpoint a `path`, or rename it",
                "6:31 AG043 `get-document` is an operation on the agent's documents; rename the endpoint",
            ],
        ),
    ]);
    // Where there are no documents, the names are free.
    assert!(diagnostics("endpoints: { documents: {}, get-document: { path: /d } }").is_empty());
}

#[test]
fn a_model_is_given_passages() {
    for (retrieve, query, limit) in [
        ("message", "message", 5),
        ("{ query: hint }", "hint", 5),
        ("{ query: message, limit: 50 }", "message", 50),
    ] {
        let block = format!(
            "endpoints:\n  chat: {{ retrieve: {retrieve}, input: {{ message: string, hint?: string }} }}"
        );
        let generation = read(&block);
        assert!(
            generation.diagnostics.is_empty(),
            "{:?}",
            diagnostics(&block)
        );
        let endpoint = &generation.agents[0].service.endpoints[0];
        let found = endpoint.retrieve.as_ref().unwrap();
        assert_eq!((found.query.as_str(), found.limit), (query, limit));
        let shown = bundle(&generation.agents[0], &generation.agents);
        let expected = json!({ "query": query, "limit": limit });
        assert_eq!(shown["endpoints"][1]["retrieve"], expected);
    }
}

#[test]
fn passages_that_cannot_be_given() {
    assert_said(&[
        (
            "endpoints:\n  chat: { retrieve: mesage, input: { message: string } }",
            &["6:23 AG042 the input has no property `mesage`; did you mean `message`?"],
        ),
        (
            "endpoints:\n  chat: { retrieve: topic, input: { message: string, n: number } }",
            &["6:23 AG042 the input has no property `topic`; its properties are message, n"],
        ),
        (
            "endpoints:\n  chat: { retrieve: q, input: { (*): string } }",
            &[
                "6:23 AG042 the input has no property `q`; give the input a property that is a string",
            ],
        ),
        (
            "endpoints:\n  chat: { retrieve: n, input: { n: integer } }",
            &[
                "6:23 AG042 `n` is a whole number, and passages are looked for by any text; name a property that is a string",
            ],
        ),
        (
            "endpoints:\n  chat: { retrieve: { query: e }, input: { e(enum): [a, b] } }",
            &[
                "6:32 AG042 `e` is one of \"a\", \"b\", and passages are looked for by any text; name a property that is a string",
            ],
        ),
        (
            "endpoints:\n  chat: { retrieve: 5 }",
            &[
                "6:23 AG045 `retrieve` is the number 5; it takes the property of the input that is looked for: `message`, or `{ query: message, limit: 5 }`",
            ],
        ),
        (
            "endpoints:\n  chat: { retrieve: { limit: 5 } }",
            &[
                "6:23 AG042 `query` is missing; it takes the property of the input that is looked for: `message`, or `{ query: message, limit: 5 }`",
            ],
        ),
        (
            "endpoints:\n  chat: { retrieve: { query: input, limit: 51 } }",
            &["6:46 AG045 51 passages can't be given; it takes a whole number from 1 to 50"],
        ),
        (
            "endpoints:\n  chat: { retrieve: { query: input, limit: 0 } }",
            &["6:46 AG045 0 passages can't be given; it takes a whole number from 1 to 50"],
        ),
        (
            "endpoints:\n  chat: { retrieve: { query: input, limit: few } }",
            &["6:46 AG045 `limit` is text; it takes a whole number from 1 to 50"],
        ),
        (
            "endpoints:\n  chat: { retrieve: { qery: input } }",
            &["6:25 AG026 there is no setting `qery`; did you mean `query`?"],
        ),
        (
            "endpoints:\n  chat: { retrieve: input, handler: code }",
            &[
                "6:23 AG042 `retrieve` is for endpoints that the model answers, and `code` answers this one; take one of the two out",
            ],
        ),
        (
            "endpoints:\n  chat: { retrieve: query, handler: search }",
            &[
                "6:23 AG042 `retrieve` is for endpoints that the model answers, and `search` answers this one; take one of the two out",
            ],
        ),
    ]);
}

#[test]
fn citations_can_be_checked_or_not() {
    let with = |citations: &str| {
        diagnostics(&format!(
            "endpoints:\n  chat:\n    retrieve: input\n    output: {{ {citations} }}"
        ))
    };
    for good in [
        "reply: string",
        "citations(array): string",
        "citations?(array): { id: string, quote?: string }",
        &object(
            "",
            "citations: { type: array, items: { type: string }, minItems: 0 }",
        ),
    ] {
        assert!(with(good).is_empty(), "{good}: {:?}", with(good));
    }
    for bad in [
        "citations: string",
        "citations(array): { id?: string }",
        "citations(array): { id: integer }",
        "citations(array): { quote: string }",
    ] {
        assert_eq!(
            with(bad),
            [
                "warning 8:17 AG042 whether `citations` are among the passages can't be checked; make it a list of texts, or of objects with a required text `id`"
            ],
            "{bad}"
        );
    }
    let least = "citations: { type: array, items: { type: string }, minItems: 1 }";
    assert_eq!(
        with(&object("", least)),
        [
            "8:59 AG042 `citations` can't be empty, and where no passage is found there is nothing to cite; take `minItems` out"
        ]
    );
}

#[test]
fn searches_that_can_be() {
    let all = object(
        "query, shelf",
        "query: { type: string }, limit: { type: [integer, 'null'] }, updated_after: { type: string, format: date-time }, \
         updated_before: { type: [string, 'null'], format: date-time }, language: { enum: [en, de] }, \
         title: { type: array, items: { type: string } }, document: { type: string, format: uuid }, shelf: { type: integer }, \
         price: { type: number }, loan: { type: boolean }, tags: { type: array, items: { enum: [a, b] } }, \
         day: { type: string, format: date }",
    );
    let hit = object(
        "id, score, text, document",
        "id: { type: string }, score: { type: number }, text: { type: string }, title: { type: string }, \
         document: { type: string }, language: { type: [string, 'null'] }, updated_at: { type: string, format: date-time }, \
         shelf: { type: integer }, loan: { type: boolean }, heading: { type: string }, \
         tags: { type: array, items: { type: string } }",
    );
    let output = object(
        "hits, total, model",
        &format!(
            "hits: {{ type: array, items: {{ {hit} }} }}, total: {{ type: integer }}, model: {{ type: string }}"
        ),
    );
    for block in [
        search(&all, &output),
        search("query: string", "hits(array): { text: string }"),
        search("query: string, (*): string", "hits(array): {}"),
        search(
            "query: string, updated_after?: string, years?(array): integer, drafts?(array): boolean",
            "hits(array): { text: string }",
        ),
        "endpoints:\n  find: { handler: search, path: '/{language}/find', method: get, input: { language: string, query: string } }".to_owned(),
        "endpoints:\n  find: { handler: search, stream: true }".to_owned(),
    ] {
        assert!(diagnostics(&block).is_empty(), "{block}: {:?}", diagnostics(&block));
        let generation = read(&block);
        let endpoint = &generation.agents[0].service.endpoints[0];
        assert_eq!(endpoint.handler, Handler::Search);
    }
}

#[test]
fn searches_that_cannot_take_this() {
    let of = |input: &str| diagnostics(&search(input, "hits(array): { text: string }"));
    let cases: &[(&str, &[&str])] = &[
        (
            "q: string",
            &["8:14 AG042 the input of a search has no `query`; add `query`: any text"],
        ),
        (
            "querry: string",
            &[
                "8:14 AG042 the input of a search has no `query`; rename `querry`, or add `query`: any text",
                "warning 8:16 AG042 `querry` is compared with what documents carry under that name; did you mean `query`?",
            ],
        ),
        (
            "query?: string",
            &[
                "8:16 AG042 `query` in the input of a search is always there; make it required, and not null",
            ],
        ),
        (
            "query: integer",
            &[
                "8:16 AG042 `query` in the input of a search can't be a whole number; make it any text",
            ],
        ),
        (
            "query(enum): [a]",
            &[
                "8:16 AG042 `query` in the input of a search can't be the text \"a\"; make it any text",
            ],
        ),
        (
            "query: string, limit: string",
            &["8:31 AG042 `limit` in the input of a search can't be text; make it a whole number"],
        ),
        (
            "query: string, updated_after?: integer",
            &[
                "8:31 AG042 `updated_after` in the input of a search can't be a whole number; make it a text with `format: date-time`",
            ],
        ),
        (
            "query: string, language: integer",
            &[
                "8:31 AG042 `language` in the input of a search can't be a whole number; make it a text or a list of texts",
            ],
        ),
        (
            "query: string, tags(array): any",
            &[
                "8:31 AG042 `tags` in the input of a search can't be a list, each item any value; make it a text, a number, true or false, or a list of such, as filters are",
            ],
        ),
        (
            "query: string, about(object): { a: string }",
            &[
                "8:31 AG042 `about` in the input of a search can't be an object; make it a text, a number, true or false, or a list of such, as filters are",
            ],
        ),
        (
            "query: string, limits?: integer",
            &[
                "warning 8:31 AG042 `limits` is compared with what documents carry under that name; did you mean `limit`?",
            ],
        ),
        (
            "(*): string",
            &[
                "8:14 AG042 a search takes an object with `query`, and this is an object; name its properties",
            ],
        ),
    ];
    for (input, expected) in cases {
        assert_eq!(of(input), *expected, "{input}");
    }
}

#[test]
fn searches_that_cannot_answer_this() {
    let of = |output: &str| diagnostics(&search("query: string", output));
    let hit = |hit: &str| of(&format!("hits(array): {{ {hit} }}"));
    assert_eq!(
        of("hit(array): { text: string }"),
        [
            "9:15 AG042 the answer of a search has no `hits`; rename `hit`, or add `hits`: a list of objects"
        ]
    );
    assert_eq!(
        of("hits?(array): { text: string }"),
        [
            "9:17 AG042 `hits` in the answer of a search is always there; make it required, and not null"
        ]
    );
    assert_eq!(
        of("hits(array): string"),
        [
            "9:17 AG042 `hits` in the answer of a search can't be a list, each item text; make it a list of objects"
        ]
    );
    assert_eq!(
        of("hits(array): { text: string }, total: string"),
        ["9:48 AG042 `total` in the answer of a search can't be text; make it a whole number"]
    );
    assert_eq!(
        of("hits(array): { text: string }, facets: string"),
        [
            "9:48 AG042 nothing fills `facets` in the answer of a search; the properties are hits, total, model"
        ]
    );
    assert_eq!(
        of("hits(array): { text: string }, totals?: integer"),
        ["note 9:48 AG042 nothing fills `totals` in the answer of a search; did you mean `total`?"]
    );
    for name in ["title", "language", "updated_at", "shelf"] {
        let message = format!(
            "9:32 AG042 `{name}` is required, and a document may have none; make it optional"
        );
        assert_eq!(hit(&format!("{name}: string")), [message]);
    }
    assert_eq!(
        hit("score: integer"),
        ["9:32 AG042 `score` in a hit can't be a whole number; make it a number"]
    );
    assert_eq!(
        hit("tags?(array): any"),
        [
            "9:32 AG042 `tags` in a hit can't be a list, each item any value; make it a text, a number, true or false, or a list of such"
        ]
    );
    assert_eq!(
        hit("scor: number"),
        ["9:32 AG042 nothing fills `scor` in a hit; did you mean `score`?"]
    );
    assert_eq!(
        diagnostics("endpoints:\n  find:\n    handler: search\n    output: string"),
        [
            "8:15 AG042 a search answers an object with `hits`, and this is text; name its properties"
        ]
    );
}

#[test]
fn embeddings_that_can_be() {
    for block in [
        embed("texts(array): string", "vectors(array): { }").replace(
            "output: { vectors(array): { } }",
            "output: { type: object, required: [vectors], properties: { vectors: { type: array, items: { type: array, items: { type: number } } } } }",
        ),
        embed(
            "text: string, purpose?(enum): [query]",
            "vector(array): number, model: string, dimensions?: integer",
        ),
        "endpoints:\n  e: { handler: embed }".to_owned(),
    ] {
        assert!(diagnostics(&block).is_empty(), "{block}: {:?}", diagnostics(&block));
        let generation = read(&block);
        let endpoint = &generation.agents[0].service.endpoints[0];
        assert_eq!(endpoint.handler, Handler::Embed);
    }
}

#[test]
fn embeddings_that_cannot_be() {
    let vector = "vector(array): number";
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "words(array): string",
            vector,
            &["8:14 AG042 the input of an embedding has no `texts`; add `texts`: a list of texts"],
        ),
        (
            "text: string, texts(array): string",
            vector,
            &["8:16 AG042 an embedding takes either `texts` or `text`; take one of them out"],
        ),
        (
            "text?: string",
            vector,
            &[
                "8:16 AG042 `text` in the input of an embedding is always there; make it required, and not null",
            ],
        ),
        (
            "text: string, tone: string",
            vector,
            &[
                "8:30 AG042 nothing reads `tone` in the input of an embedding; the properties are text, purpose",
            ],
        ),
        (
            "text: string, tone?: string",
            vector,
            &[
                "note 8:30 AG042 nothing reads `tone` in the input of an embedding; the properties are text, purpose",
            ],
        ),
        (
            "text: string, purpose(enum): [query, chat]",
            vector,
            &[
                "8:30 AG042 `purpose` in the input of an embedding can't be one of \"query\", \"chat\"; make it one of document and query",
            ],
        ),
        (
            "texts(array): string",
            vector,
            &["9:17 AG042 what takes `texts` answers `vectors`; rename `vector`"],
        ),
        (
            "texts(array): string",
            "vectors(array): number",
            &[
                "9:17 AG042 `vectors` in the answer of an embedding can't be a list, each item a number; make it a list of lists of numbers",
            ],
        ),
        (
            "text: string",
            "vectr(array): number",
            &[
                "9:15 AG042 the answer of an embedding has no `vector`; rename `vectr`, or add `vector`: a list of numbers",
            ],
        ),
        (
            "text: string",
            "vector(array): number, dimensions: number",
            &[
                "9:40 AG042 `dimensions` in the answer of an embedding can't be a number; make it a whole number",
            ],
        ),
        (
            "text: string",
            "vector(array): number, cost: number",
            &[
                "9:40 AG042 nothing fills `cost` in the answer of an embedding; the properties are vector, model, dimensions",
            ],
        ),
    ];
    for (input, output, expected) in cases {
        assert_eq!(
            diagnostics(&embed(input, output)),
            *expected,
            "{input} / {output}"
        );
    }
    assert_eq!(
        diagnostics("endpoints:\n  e: { handler: embd }"),
        ["6:19 AG042 there is no handler `embd`; did you mean `embed`?"]
    );
}
