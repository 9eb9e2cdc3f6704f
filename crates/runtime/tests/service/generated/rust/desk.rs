//! An agent written by hand in exactly the shape in which agents are generated.

/// What `desk` is: its prompt, its model, its limits.
pub static SPEC: ::agentgen_runtime::spec::AgentSpec = ::agentgen_runtime::spec::AgentSpec {
    name: "desk",
    slug: "desk",
    summary: "Answers the questions of a library's readers.",
    examples: &["A reader looks for a novel about tides. Where is it?"],
    prompt: ::agentgen_runtime::spec::Prompt::new("You work at the desk of a library.\n"),
    prompt_sha256: "8e0c3f5a5a0f6b1b0d7b7f1f6c0f4d5d3f1c9f8b7a6e5d4c3b2a190807060504",
    model: ::core::option::Option::Some("sonnet"),
    tools: ::core::option::Option::Some(&["Read", "Bash(git diff:*)"]),
    denied_tools: &[],
    agents: &["architect"],
    roles: &[],
    documents: ::core::option::Option::None,
    policy: ::agentgen_runtime::spec::Policy {
        retry_attempts: 1,
        fallbacks: &["haiku"],
        timeout_ms: ::core::option::Option::Some(30000),
        history_tokens: ::core::option::Option::Some(60),
        ..::agentgen_runtime::spec::Policy::DEFAULT
    },
};

/// `POST /chat`
pub static CHAT: ::agentgen_runtime::spec::EndpointSpec = ::agentgen_runtime::spec::EndpointSpec {
    name: "chat",
    operation_id: "chatDesk",
    method: ::agentgen_runtime::spec::Method::Post,
    path: "/chat",
    status: 200,
    errors: &[],
    stream: true,
    handler: ::agentgen_runtime::spec::Handler::Model,
    retrieve: ::core::option::Option::None,
    session: ::agentgen_runtime::spec::SessionUse::Input,
    hits: ::core::option::Option::None,
    roles: &["user"],
    parameters: &[],
    input_schema: r##"{"type":"object","properties":{"message":{"type":"string","minLength":1},"labels":{"type":"array","items":{"$ref":"#/$defs/Label"},"uniqueItems":true},"session_id":{"type":"string"}},"required":["message"],"additionalProperties":false,"$defs":{"Label":{"type":"string","pattern":"^[a-z]+$"}}}"##,
    output_schema: r#"{"type":"object","properties":{"mood":{"type":"string","enum":["calm","busy"]},"reply":{"type":"string","maxLength":60},"sure":{"type":"number"}},"required":["mood","reply"],"additionalProperties":false}"#,
    output_example: r#"{"mood":"busy","reply":"a text","sure":0.5}"#,
    rate: ::core::option::Option::None,
    timeout_ms: ::core::option::Option::None,
};

/// `GET /shelves/{shelf}/search`
pub static SEARCH: ::agentgen_runtime::spec::EndpointSpec = ::agentgen_runtime::spec::EndpointSpec {
    name: "search",
    operation_id: "searchDesk",
    method: ::agentgen_runtime::spec::Method::Get,
    path: "/shelves/{shelf}/search",
    status: 200,
    errors: &[],
    stream: false,
    handler: ::agentgen_runtime::spec::Handler::Code,
    retrieve: ::core::option::Option::None,
    session: ::agentgen_runtime::spec::SessionUse::None,
    hits: ::core::option::Option::None,
    roles: &[],
    parameters: &[
        ::agentgen_runtime::spec::Parameter {
            name: "shelf",
            location: ::agentgen_runtime::spec::ParameterLocation::Path,
            kind: ::agentgen_runtime::spec::ParameterKind::Integer,
        },
        ::agentgen_runtime::spec::Parameter {
            name: "query",
            location: ::agentgen_runtime::spec::ParameterLocation::Query,
            kind: ::agentgen_runtime::spec::ParameterKind::String,
        },
        ::agentgen_runtime::spec::Parameter {
            name: "tags",
            location: ::agentgen_runtime::spec::ParameterLocation::Query,
            kind: ::agentgen_runtime::spec::ParameterKind::Strings,
        },
        ::agentgen_runtime::spec::Parameter {
            name: "all",
            location: ::agentgen_runtime::spec::ParameterLocation::Query,
            kind: ::agentgen_runtime::spec::ParameterKind::Boolean,
        },
    ],
    input_schema: r#"{"type":"object"}"#,
    output_schema: r#"{"type":"object"}"#,
    output_example: r#"{"hits":[]}"#,
    rate: ::core::option::Option::Some(::agentgen_runtime::spec::Rate {
        requests: 3,
        seconds: 60,
    }),
    timeout_ms: ::core::option::Option::Some(200),
};

/// `POST /v1/agents/desk/invoke`
pub static INVOKE: ::agentgen_runtime::spec::EndpointSpec = ::agentgen_runtime::spec::EndpointSpec {
    name: "invoke",
    operation_id: "invokeDesk",
    method: ::agentgen_runtime::spec::Method::Post,
    path: "/v1/agents/desk/invoke",
    status: 200,
    errors: &[],
    stream: true,
    handler: ::agentgen_runtime::spec::Handler::Model,
    retrieve: ::core::option::Option::None,
    session: ::agentgen_runtime::spec::SessionUse::None,
    hits: ::core::option::Option::None,
    roles: &[],
    parameters: &[],
    input_schema: r#"{"type":"object"}"#,
    output_schema: r#"{"type":"object"}"#,
    output_example: r#"{}"#,
    rate: ::core::option::Option::None,
    timeout_ms: ::core::option::Option::None,
};

/// What `desk` does.
pub trait Desk: ::core::marker::Send + ::core::marker::Sync + 'static {
    /// Answers in free text.
    fn invoke(
        &self,
        cx: &::agentgen_runtime::RunContext,
        request: ::agentgen_runtime::InvokeRequest,
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<
            ::agentgen_runtime::Reply<::agentgen_runtime::InvokeResponse>,
            ::agentgen_runtime::AgentError,
        >,
    > + ::core::marker::Send {
        cx.invoke(&SPEC, request)
    }
    /// Talks.
    fn chat(
        &self,
        cx: &::agentgen_runtime::RunContext,
        request: ChatRequest,
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<
            ::agentgen_runtime::Reply<ChatResponse>,
            ::agentgen_runtime::AgentError,
        >,
    > + ::core::marker::Send {
        cx.run(&SPEC, &CHAT, request)
    }
    /// Searches.
    fn search(
        &self,
        cx: &::agentgen_runtime::RunContext,
        request: SearchRequest,
    ) -> impl ::core::future::Future<
        Output = ::core::result::Result<SearchResponse, ::agentgen_runtime::AgentError>,
    > + ::core::marker::Send;
}

/// The agent's endpoints, answered by `handler`.
pub fn service<H: Desk>(handler: H) -> ::agentgen_runtime::Service {
    let handler = ::std::sync::Arc::new(handler);
    ::agentgen_runtime::Service::new(&SPEC)
        .endpoint(&INVOKE, {
            let handler = ::std::sync::Arc::clone(&handler);
            move |cx: ::agentgen_runtime::RunContext, request: ::agentgen_runtime::InvokeRequest| {
                let handler = ::std::sync::Arc::clone(&handler);
                async move { handler.invoke(&cx, request).await }
            }
        })
        .endpoint(&CHAT, {
            let handler = ::std::sync::Arc::clone(&handler);
            move |cx: ::agentgen_runtime::RunContext, request: ChatRequest| {
                let handler = ::std::sync::Arc::clone(&handler);
                async move { handler.chat(&cx, request).await }
            }
        })
        .endpoint(&SEARCH, {
            let handler = ::std::sync::Arc::clone(&handler);
            move |cx: ::agentgen_runtime::RunContext, request: SearchRequest| {
                let handler = ::std::sync::Arc::clone(&handler);
                async move {
                    handler
                        .search(&cx, request)
                        .await
                        .map(::agentgen_runtime::Reply::from)
                }
            }
        })
}

/// The agent's endpoints as an axum router.
pub fn router<H: Desk>(handler: H) -> ::agentgen_runtime::axum::Router {
    service(handler).into_router()
}

/// A message.
#[derive(
    ::core::fmt::Debug,
    ::core::clone::Clone,
    ::core::cmp::PartialEq,
    ::agentgen_runtime::codegen::serde::Serialize,
    ::agentgen_runtime::codegen::serde::Deserialize,
)]
#[serde(crate = "::agentgen_runtime::codegen::serde", deny_unknown_fields)]
pub struct ChatRequest {
    /// What is said.
    pub message: ::std::string::String,
    /// Labels.
    #[serde(
        default,
        skip_serializing_if = "::core::option::Option::is_none",
        deserialize_with = "::agentgen_runtime::codegen::present"
    )]
    pub labels: ::core::option::Option<::std::vec::Vec<::std::string::String>>,
    /// The conversation.
    #[serde(
        default,
        skip_serializing_if = "::core::option::Option::is_none",
        deserialize_with = "::agentgen_runtime::codegen::present"
    )]
    pub session_id: ::core::option::Option<::std::string::String>,
}

impl ::agentgen_runtime::schema::Validate for ChatRequest {
    fn validate(&self, v: &mut ::agentgen_runtime::schema::Validator) {
        v.at("message", |v| {
            v.length(
                &self.message,
                ::core::option::Option::Some(1),
                ::core::option::Option::None,
            )
        });
        if let ::core::option::Option::Some(labels) = &self.labels {
            v.at("labels", |v| {
                v.unique(labels);
                for (index, label) in labels.iter().enumerate() {
                    v.index(index, |v| v.pattern(label, "^[a-z]+$"));
                }
            });
        }
    }
}

/// A reply.
#[derive(
    ::core::fmt::Debug,
    ::core::clone::Clone,
    ::core::cmp::PartialEq,
    ::agentgen_runtime::codegen::serde::Serialize,
    ::agentgen_runtime::codegen::serde::Deserialize,
)]
#[serde(crate = "::agentgen_runtime::codegen::serde", deny_unknown_fields)]
pub struct ChatResponse {
    /// The mood.
    pub mood: Mood,
    /// The text.
    pub reply: ::std::string::String,
    /// How sure it is.
    #[serde(
        default,
        skip_serializing_if = "::core::option::Option::is_none",
        deserialize_with = "::agentgen_runtime::codegen::present"
    )]
    pub sure: ::core::option::Option<f64>,
}

impl ::agentgen_runtime::schema::Validate for ChatResponse {
    fn validate(&self, v: &mut ::agentgen_runtime::schema::Validator) {
        v.at("reply", |v| {
            v.length(
                &self.reply,
                ::core::option::Option::None,
                ::core::option::Option::Some(60),
            )
        });
    }
}

/// A mood.
#[derive(
    ::core::fmt::Debug,
    ::core::clone::Clone,
    ::core::marker::Copy,
    ::core::cmp::PartialEq,
    ::agentgen_runtime::codegen::serde::Serialize,
    ::agentgen_runtime::codegen::serde::Deserialize,
)]
#[serde(crate = "::agentgen_runtime::codegen::serde", rename_all = "lowercase")]
pub enum Mood {
    /// Calm.
    Calm,
    /// Busy.
    Busy,
}

/// A search.
#[derive(
    ::core::fmt::Debug,
    ::core::clone::Clone,
    ::core::cmp::PartialEq,
    ::agentgen_runtime::codegen::serde::Serialize,
    ::agentgen_runtime::codegen::serde::Deserialize,
)]
#[serde(crate = "::agentgen_runtime::codegen::serde", deny_unknown_fields)]
pub struct SearchRequest {
    /// The shelf.
    pub shelf: i64,
    /// The query.
    pub query: ::std::string::String,
    /// Tags.
    #[serde(default)]
    pub tags: ::std::vec::Vec<::std::string::String>,
    /// Whether all are wanted.
    #[serde(default)]
    pub all: bool,
}

impl ::agentgen_runtime::schema::Validate for SearchRequest {
    fn validate(&self, v: &mut ::agentgen_runtime::schema::Validator) {
        v.at("shelf", |v| {
            v.integer(
                self.shelf,
                ::agentgen_runtime::schema::IntegerBounds {
                    minimum: ::core::option::Option::Some(1),
                    ..::agentgen_runtime::schema::IntegerBounds::NONE
                },
            );
        });
    }
}

/// What was found.
#[derive(
    ::core::fmt::Debug,
    ::core::clone::Clone,
    ::core::cmp::PartialEq,
    ::agentgen_runtime::codegen::serde::Serialize,
    ::agentgen_runtime::codegen::serde::Deserialize,
)]
#[serde(crate = "::agentgen_runtime::codegen::serde")]
pub struct SearchResponse {
    /// The hits.
    pub hits: ::std::vec::Vec<::std::string::String>,
}

impl ::agentgen_runtime::schema::Validate for SearchResponse {
    fn validate(&self, _: &mut ::agentgen_runtime::schema::Validator) {}
}
