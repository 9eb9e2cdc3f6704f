//! Settings of a contract: unknown keys, values of the wrong type, agents that do not exist.

use super::assert_diagnostics;

#[test]
fn unknown_keys_are_errors() {
    assert_diagnostics(&[
        (
            "endpoint: {}",
            &["5:3 AG026 there is no setting `endpoint`; did you mean `endpoints`?"],
        ),
        (
            "color: red",
            &[
                "5:3 AG026 there is no setting `color`; the settings are endpoints, invoke, model, fallbacks, retry, breaker, timeout, budget, rate, session, agents, workflows, documents, tools",
            ],
        ),
        (
            r#"endpoints:
  chat: { pth: /a }"#,
            &["6:13 AG026 there is no setting `pth`; did you mean `path`?"],
        ),
        (
            r#"endpoints:
  chat: { inputs: { a: string }, respnse: 1 }"#,
            &[
                "6:13 AG026 there is no setting `inputs`; did you mean `input`?",
                "6:36 AG026 there is no setting `respnse`; the settings are path, method, summary, description, deprecated, tags, operation_id, headers, input, output, status, errors, stream, roles, rate, timeout, handler, retrieve",
            ],
        ),
        (
            "retry: { atempts: 2 }",
            &["5:12 AG026 there is no setting `atempts`; did you mean `attempts`?"],
        ),
        (
            "breaker: { cooldwn: 5s }",
            &["5:14 AG026 there is no setting `cooldwn`; did you mean `cooldown`?"],
        ),
        (
            "budget: { token: 5 }",
            &["5:13 AG026 there is no setting `token`; did you mean `tokens`?"],
        ),
        (
            "session: { tll: 7d }",
            &["5:14 AG026 there is no setting `tll`; did you mean `ttl`?"],
        ),
        (
            r#"workflows:
  w:
  - a: { agnt: keys }"#,
            &["7:12 AG026 there is no setting `agnt`; did you mean `agent`?"],
        ),
    ]);
}

#[test]
fn settings() {
    assert_diagnostics(&[
        (
            "rate: 5",
            &[
                "5:9 AG045 `rate` is not a rate; write requests per `second`, `minute`, `hour` or `day`, such as `60/minute`",
            ],
        ),
        (
            "rate: 0/minute",
            &[
                "5:9 AG045 `rate` is not a rate; write requests per `second`, `minute`, `hour` or `day`, such as `60/minute`",
            ],
        ),
        (
            "rate: 5/week",
            &[
                "5:9 AG045 `rate` is not a rate; write requests per `second`, `minute`, `hour` or `day`, such as `60/minute`",
            ],
        ),
        (
            "timeout: 30",
            &[
                "5:12 AG045 `timeout` is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`",
            ],
        ),
        (
            "timeout: soon",
            &[
                "5:12 AG045 `timeout` is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`",
            ],
        ),
        (
            "timeout: 0s",
            &["5:12 AG045 `timeout` is zero; write a number above zero"],
        ),
        (
            "timeout: 36526d",
            &["5:12 AG045 `timeout` is too long; it can be a hundred years at most: `36525d`"],
        ),
        (
            "timeout: 99999999999999999999s",
            &["5:12 AG045 `timeout` is too long; it can be a hundred years at most: `36525d`"],
        ),
        (
            "timeout: 1.5s",
            &[
                "5:12 AG045 `timeout` is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`",
            ],
        ),
        (
            "retry: { attempts: 0, backoff: 500 }",
            &[
                "5:22 AG045 `attempts` is the number 0; it takes a whole number above zero",
                "5:34 AG045 `backoff` is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`",
            ],
        ),
        (
            "retry: -1",
            &["5:10 AG045 `retry` is the number -1; it takes a whole number above zero"],
        ),
        (
            "retry: none",
            &[
                "5:10 AG045 `retry` is text; it takes the number of attempts, or a mapping with attempts, backoff",
            ],
        ),
        (
            "breaker: { failures: -1, cooldown: later }",
            &[
                "5:24 AG045 `failures` is the number -1; it takes a whole number above zero",
                "5:38 AG045 `cooldown` is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`",
            ],
        ),
        (
            "budget: { tokens: 1.5, turns: 4294967296 }",
            &[
                "5:21 AG045 `tokens` is the number 1.5; it takes a whole number above zero",
                "5:33 AG045 `turns` is too large; it can be 4294967295 at most",
            ],
        ),
        (
            "session: { history_tokens: many, ttl: 7 days }",
            &[
                "5:30 AG045 `history_tokens` is text; it takes a whole number above zero",
                "5:41 AG045 `ttl` is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`",
            ],
        ),
        (
            "invoke: perhaps",
            &["5:11 AG045 `invoke` is text; it takes `true` or `false`"],
        ),
        (
            "model: 5",
            &["5:10 AG045 `model` is the number 5; it takes text"],
        ),
        (
            "agents: keys",
            &["5:11 AG045 `agents` is text; it takes a list of names: `[one, two]`"],
        ),
        (
            "agents: [keys, keys]",
            &[
                "warning keys.md:5:12 AG045 `keys` is the agent itself; remove the name",
                "warning keys.md:5:18 AG045 `keys` is listed twice; once is enough",
            ],
        ),
        (
            "fallbacks: haiku",
            &["5:14 AG045 `fallbacks` is text; it takes a list of names: `[one, two]`"],
        ),
        (
            r#"endpoints:
  a: { stream: maybe, roles: admin, rate: 5/fortnight, timeout: 5, description: [a] }"#,
            &[
                "6:18 AG045 `stream` is text; it takes `true` or `false`",
                "6:32 AG045 `roles` is text; it takes a list of names: `[one, two]`",
                "6:45 AG045 `rate` is not a rate; write requests per `second`, `minute`, `hour` or `day`, such as `60/minute`",
                "6:67 AG045 `timeout` is not a duration; write a whole number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`",
                "6:83 AG045 `description` is a list; it takes text",
            ],
        ),
    ]);
}

#[test]
fn agents_that_do_not_exist() {
    assert_diagnostics(&[
        (
            "agents: [keyz, nobody-at-all, keys]",
            &[
                "5:12 AG044 there is no agent `keyz` in this project; did you mean `keys`?",
                "5:18 AG044 there is no agent `nobody-at-all` in this project; add its file, or take the name out",
                "warning keys.md:5:33 AG045 `keys` is the agent itself; remove the name",
            ],
        ),
        (
            "fallbacks: [haiku, 'openai:gpt', kyes, unknown-model]",
            &[
                "5:36 AG044 `kyes` is neither an agent of this project nor a model; did you mean `keys`?",
                "5:42 AG044 `unknown-model` is neither an agent of this project nor a model; models are sonnet, opus, haiku, fable, best, opusplan, inherit, `provider:model`, full ids, and the aliases under [models]",
            ],
        ),
        (
            r#"workflows:
  w:
  - a: kees
  - b: { agent: nobody }
  - c: { agent: keys, on_failure: fallback kes }
  - d: { agent: keys, on_failure: { fallback: nobody } }"#,
            &[
                "7:10 AG044 there is no agent `kees` in this project; did you mean `keys`?",
                "8:19 AG044 there is no agent `nobody` in this project; add its file, or take the name out",
                "9:46 AG044 there is no agent `kes` in this project; did you mean `keys`?",
                "10:49 AG044 there is no agent `nobody` in this project; add its file, or take the name out",
            ],
        ),
    ]);
}

#[test]
fn what_tools_may_not_do_without_a_person() {
    assert_diagnostics(&[
        (
            "tools: { approve: [Write, mcp__files__*], roles: [editor], timeout: 1d }",
            &[],
        ),
        ("tools: { approve: all, ask_user: true }", &[]),
        ("tools: { approve: none }", &[]),
        (
            "tools: { aprove: all }",
            &["5:12 AG026 there is no setting `aprove`; did you mean `approve`?"],
        ),
        (
            "tools: { approve: all except Read }",
            &[
                "5:21 AG045 `approve` is no list of tools; it takes `all`, `none` or a list: `[Write, mcp__postgres__execute_sql]`",
            ],
        ),
        (
            "tools: { approve: true }",
            &[
                "5:21 AG045 `approve` is no list of tools; it takes `all`, `none` or a list: `[Write, mcp__postgres__execute_sql]`",
            ],
        ),
        (
            "tools: { roles: [editor] }",
            &[
                "5:12 AG045 nobody is asked; add `approve: [Write]`, `approve: all` or `ask_user: true`",
            ],
        ),
    ]);
}
