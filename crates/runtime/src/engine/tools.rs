//! Tools: functions that a model may call, each with a name, a description and a JSON Schema of its input.
//!
//! Invariant: a tool runs only if the agent may use it ([`Answerer::may_use`]); any other call is answered with an error.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::engine::fallbacks::Answerer;
use crate::engine::handoff::{HandoffTargets, TOOL_PREFIX};
use crate::engine::todo_list::{self, TODO_WRITE, TodoList};
use crate::engine::tool_inputs::ToolInputs;
use crate::engine::tool_questions;
use crate::error::AgentError;
use crate::error::start_error::StartError;
use crate::future::BoxFuture;
use crate::model::{ANSWER_TOOL, Image, MAX_TOOL_NAME, ToolDefinition};
use crate::schema::{Schema, Uuid, remove_zero_fractions};
use crate::spec::agent_spec::AgentSpec;

/// A function that a model can call.
pub trait Tool: Send + Sync + 'static {
    /// Its name, as in an agent's `tools`: 1 to 64 letters, digits, `_` and `-`.
    fn name(&self) -> &str;

    /// Tells the model what the tool does, and when to use it.
    fn description(&self) -> &str;

    /// JSON Schema of its input, of type `object`.
    fn input_schema(&self) -> Value;

    /// Whether calling it twice with the same input does no more than calling it once. A call that was under way when the service was
    /// killed is made again without asking the person who approved it.
    fn is_idempotent(&self) -> bool {
        false
    }

    /// Runs the tool. `input` is what the model wrote, and valid under the schema. The future is dropped if
    /// the run ends first.
    fn call(&self, cx: ToolContext, input: Value) -> ToolFuture<'_>;
}

/// The future of a tool call.
pub type ToolFuture<'a> = Pin<Box<dyn Future<Output = Result<Value, ToolError>> + Send + 'a>>;

/// Who a tool is called for.
#[derive(Debug, Clone)]
pub struct ToolContext {
    /// The run's id, as in its events.
    pub run_id: Uuid,
    /// The request's id, as in `X-Request-Id`.
    pub request_id: String,
    /// The slug of the agent whose model calls the tool.
    pub agent: &'static str,
    /// The caller: the token's subject, or `anonymous`.
    pub subject: String,
    /// The caller's roles.
    pub roles: Vec<String>,
}

/// Why a tool failed. The text is the result that the model gets; it may repeat it to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolError(String);

impl ToolError {
    /// An error with this text for the model.
    pub fn new(detail: impl Into<String>) -> Self {
        Self(detail.into())
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ToolError {}

/// What a tool gave.
#[derive(Debug, Default)]
pub(crate) struct ToolOutput {
    pub(crate) value: Value,
    /// Pictures that `value` only describes.
    pub(crate) images: Vec<Image>,
}

/// What came of a call.
#[derive(Debug)]
pub(crate) enum Called {
    /// The tool gave this.
    Output(ToolOutput),
    /// It asks a person, and has to be called again with the answers.
    #[cfg_attr(
        not(feature = "mcp"),
        allow(dead_code, reason = "only tools of MCP servers ask")
    )]
    Asks(ToolInputs),
}

/// A tool from an async function. The input schema is derived from the function's second parameter.
///
/// ```
/// use agentgen_runtime::schemars;
/// use agentgen_runtime::tools::{ToolContext, ToolError, tool};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Shelf {
///     /// The number on the shelf.
///     number: u32,
/// }
///
/// let books = tool("books", "Lists the books of a shelf.", |_: ToolContext, shelf: Shelf| async move {
///     match shelf.number {
///         1 => Ok(vec!["Maps", "Tides"]),
///         _ => Err(ToolError::new("there is no such shelf")),
///     }
/// });
/// # let _ = agentgen_runtime::Registry::new("{}").tool(books);
/// ```
pub fn tool<I, O, F, C>(name: &str, description: &str, call: F) -> impl Tool + use<I, O, F, C>
where
    I: DeserializeOwned + JsonSchema + Send + 'static,
    O: Serialize,
    F: Fn(ToolContext, I) -> C + Send + Sync + 'static,
    C: Future<Output = Result<O, ToolError>> + Send + 'static,
{
    Function {
        name: name.to_owned(),
        description: description.to_owned(),
        call,
        input: PhantomData::<fn(I)>,
    }
}

/// The tool `tool`, which does no more when it is called twice with the same input than when it is called once. A call that was under
/// way when the service was killed is made again without asking the person who approved it.
pub fn idempotent<T: Tool>(tool: T) -> impl Tool {
    Idempotent(tool)
}

struct Idempotent<T>(T);

impl<T: Tool> Tool for Idempotent<T> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn description(&self) -> &str {
        self.0.description()
    }

    fn input_schema(&self) -> Value {
        self.0.input_schema()
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    fn call(&self, cx: ToolContext, input: Value) -> ToolFuture<'_> {
        self.0.call(cx, input)
    }
}

struct Function<I, F> {
    name: String,
    description: String,
    call: F,
    input: PhantomData<fn(I)>,
}

impl<I, O, F, C> Tool for Function<I, F>
where
    I: DeserializeOwned + JsonSchema + Send + 'static,
    O: Serialize,
    F: Fn(ToolContext, I) -> C + Send + Sync + 'static,
    C: Future<Output = Result<O, ToolError>> + Send + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn description(&self) -> &str {
        &self.description
    }

    fn input_schema(&self) -> Value {
        input_schema::<I>()
    }

    fn call(&self, cx: ToolContext, input: Value) -> ToolFuture<'_> {
        let input = serde_path_to_error::deserialize::<_, I>(input);
        let call = input.map(|input| (self.call)(cx, input));
        Box::pin(async move {
            let call =
                call.map_err(|error| ToolError::new(format!("the input does not fit: {error}")))?;
            let output = call.await?;
            serde_json::to_value(output).map_err(|error| ToolError::new(error.to_string()))
        })
    }
}

/// The JSON Schema of `I`, for a model.
pub(crate) fn input_schema<I: JsonSchema>() -> Value {
    let mut schema = schemars::schema_for!(I);
    // A model has no use for these two.
    schema.remove("$schema");
    schema.remove("title");
    schema.into()
}

/// Tools that other programs have, and that may come and go while the service runs.
pub(crate) trait RemoteTools: Send + Sync {
    /// Those of `agent` that can be used now and that `may_use` admits. `named` are the names in the agent's list: of one whose program can't be used,
    /// the definition says so.
    fn definitions<'a>(
        &'a self,
        agent: &'a str,
        may_use: &'a (dyn Fn(&str) -> bool + Send + Sync),
        named: &'a [&'a str],
    ) -> BoxFuture<'a, Vec<ToolDefinition>>;

    /// Calls the tool `name` of `agent`, with what people said to what it asked; `None` there if nobody can be asked. `None` if the name is not that of
    /// such a tool.
    fn call<'a>(
        &'a self,
        agent: &'a str,
        name: &'a str,
        input: Value,
        inputs: Option<&'a ToolInputs>,
    ) -> Option<BoxFuture<'a, Result<Called, ToolError>>>;

    /// Whether calling the tool `name` of `agent` twice does no more than calling it once, as far as its program says; `None` if the name is
    /// not that of such a tool.
    fn is_idempotent<'a>(&'a self, agent: &'a str, name: &'a str) -> Option<BoxFuture<'a, bool>>;

    /// Gives agents programs of their own: `own` has what each agent's file says of them, by slug. Those that stay as they are go on.
    ///
    /// # Errors
    /// What is wrong, in words that have no secrets.
    fn replace_own(&self, own: &BTreeMap<&str, &str>) -> Result<(), String>;

    /// The programs, each with whether it can be used as far as anybody knows.
    fn health(&self) -> Vec<(String, bool)>;

    /// Ends the programs.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// The tools of a service.
#[derive(Clone, Default)]
pub(crate) struct Tools {
    by_name: Arc<BTreeMap<String, RegisteredTool>>,
    /// Those of MCP servers.
    remote: Option<Arc<dyn RemoteTools>>,
    /// The handoff tools, which come from the agents and are not registered.
    pub(crate) handoff_targets: HandoffTargets,
}

/// A tool, and what it said of itself when it was registered.
struct RegisteredTool {
    implementation: Implementation,
    definition: ToolDefinition,
    input_schema: Schema,
}

/// What answers a call.
enum Implementation {
    Tool(Box<dyn Tool>),
    /// The list of the run.
    TodoList,
    /// The person who is asked before the turn continues.
    User,
}

impl RegisteredTool {
    fn new(implementation: Implementation, definition: ToolDefinition) -> Result<Self, StartError> {
        let name = &definition.name;
        let wrong = |detail: &str| StartError::Tool {
            name: name.clone(),
            detail: detail.to_owned(),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        if !name.chars().all(is_plain) || !(1..=MAX_TOOL_NAME).contains(&name.len()) {
            return Err(wrong("a name has 1 to 64 letters, digits, _ and -"));
        }
        if name == ANSWER_TOOL || name.starts_with(TOOL_PREFIX) {
            return Err(wrong("the name is reserved by the runtime"));
        }
        if definition.input_schema["type"] != "object" {
            return Err(wrong("its input is not an object"));
        }
        let input_schema = Schema::compile(&definition.input_schema)
            .map_err(|error| wrong(&format!("its input schema does not compile: {error}")))?;
        Ok(Self {
            implementation,
            definition,
            input_schema,
        })
    }

    /// Whether `answerer` may use it. The list of a run is only for agents that name it: it is of no use to others.
    fn is_for(&self, answerer: Answerer) -> bool {
        let name = &*self.definition.name;
        match self.implementation {
            Implementation::Tool(_) => answerer.may_use(name),
            Implementation::TodoList => {
                let listed = answerer.agent.tools.unwrap_or_default();
                listed.contains(&TODO_WRITE) && answerer.may_use(name)
            }
            // The contract gives it, whatever the agent lists.
            Implementation::User => answerer.agent.policy.tools.ask_user && !answerer.denies(name),
        }
    }
}

impl Tools {
    /// Checks and registers the tools of a program, and those that a service has itself. Of two with one name, that of the program goes
    /// first.
    ///
    /// # Errors
    /// A name that providers refuse, that is reserved or registered twice, and an input that is not an object.
    pub(crate) fn new(
        tools: Vec<Box<dyn Tool>>,
        built_in: Vec<Box<dyn Tool>>,
    ) -> Result<Self, StartError> {
        let mut by_name = BTreeMap::new();
        let tools = tools.into_iter().map(|tool| (tool, false));
        let built_in = built_in.into_iter().map(|tool| (tool, true));
        for (tool, is_built_in) in tools.chain(built_in) {
            let definition = ToolDefinition {
                name: tool.name().to_owned(),
                description: tool.description().to_owned(),
                input_schema: tool.input_schema(),
            };
            let name = definition.name.clone();
            if !is_built_in || !by_name.contains_key(&name) {
                let tool = RegisteredTool::new(Implementation::Tool(tool), definition)?;
                if by_name.insert(name.clone(), tool).is_some() {
                    let detail = "is registered twice".to_owned();
                    return Err(StartError::Tool { name, detail });
                }
            }
        }
        let own = [
            (Implementation::TodoList, todo_list::definition()),
            (Implementation::User, tool_questions::ask_user()),
        ];
        for (implementation, definition) in own {
            let name = definition.name.clone();
            if let Entry::Vacant(free) = by_name.entry(name) {
                free.insert(RegisteredTool::new(implementation, definition)?);
            }
        }
        Ok(Self {
            by_name: Arc::new(by_name),
            remote: None,
            handoff_targets: HandoffTargets::default(),
        })
    }

    /// The same tools with other handoff targets.
    pub(crate) fn with_handoff_targets(self, handoff_targets: HandoffTargets) -> Self {
        Self {
            handoff_targets,
            ..self
        }
    }

    /// The same tools, and those of other programs.
    pub(crate) fn with_remote(self, remote: Option<Arc<dyn RemoteTools>>) -> Self {
        Self { remote, ..self }
    }

    /// Those of other programs.
    pub(crate) fn remote(&self) -> Option<&Arc<dyn RemoteTools>> {
        self.remote.as_ref()
    }

    /// The definitions of the tools that `answerer` may use, in a turn in which somebody can be asked or not. A registered tool goes before
    /// a remote one of the same name.
    pub(crate) async fn definitions(
        &self,
        answerer: Answerer,
        can_ask: bool,
    ) -> Vec<ToolDefinition> {
        let registered = self.by_name.values();
        let is_offered = |tool: &&RegisteredTool| {
            let asks = matches!(tool.implementation, Implementation::User);
            tool.is_for(answerer) && (can_ask || !asks)
        };
        let mut definitions: Vec<ToolDefinition> = registered
            .filter(is_offered)
            .map(|tool| tool.definition.clone())
            .collect();
        if let Some(remote) = &self.remote {
            let named = answerer.agent.tools.unwrap_or_default();
            let may_use = |name: &str| answerer.may_use(name);
            let of_others = remote
                .definitions(answerer.agent.slug, &may_use, named)
                .await
                .into_iter();
            definitions.extend(of_others.filter(|other| !self.by_name.contains_key(&other.name)));
        }
        definitions
    }

    /// Whether a tool of the service has the name `name` for the agent `agent`, or may have it.
    #[cfg_attr(
        not(feature = "openai"),
        allow(dead_code, reason = "for protocols whose clients bring tools")
    )]
    pub(crate) fn is_taken(&self, agent: &str, name: &str) -> bool {
        let is_remote = |remote: &Arc<dyn RemoteTools>| remote.is_idempotent(agent, name).is_some();
        name == ANSWER_TOOL
            || name.starts_with(TOOL_PREFIX)
            || self.by_name.contains_key(name)
            || self.remote.as_ref().is_some_and(is_remote)
    }

    /// Whether the model of `answerer` asks its user with the tool `name`.
    pub(crate) fn asks_user(&self, name: &str, answerer: Answerer) -> bool {
        let registered = self.by_name.get(name);
        registered.is_some_and(|tool| {
            matches!(tool.implementation, Implementation::User) && tool.is_for(answerer)
        })
    }

    /// Whether [`call`](Self::call) would call the tool `name`, as far as this program can tell.
    ///
    /// # Errors
    /// Why not, for the model.
    pub(crate) fn check(
        &self,
        name: &str,
        answerer: Answerer,
        input: &Value,
    ) -> Result<(), ToolError> {
        let registered = self.by_name.get(name);
        let may_use = match registered {
            Some(registered) => registered.is_for(answerer),
            None => {
                let remote = self.remote.as_deref();
                let exists = remote.is_some_and(|remote| {
                    remote.is_idempotent(answerer.agent.slug, name).is_some()
                });
                exists && answerer.may_use(name)
            }
        };
        if !may_use {
            return Err(denied());
        }
        registered.map_or(Ok(()), |registered| {
            check_input(&registered.input_schema, &mut input.clone())
        })
    }

    /// Whether `agent` calling the tool `name` twice with the same input does no more than calling it once.
    pub(crate) async fn is_idempotent(&self, agent: &AgentSpec, name: &str) -> bool {
        match self.by_name.get(name).map(|tool| &tool.implementation) {
            Some(Implementation::Tool(tool)) => tool.is_idempotent(),
            Some(Implementation::TodoList | Implementation::User) => true,
            None => {
                let remote = self.remote.as_deref();
                match remote.and_then(|remote| remote.is_idempotent(agent.slug, name)) {
                    Some(is_idempotent) => is_idempotent.await,
                    None => false,
                }
            }
        }
    }

    /// Calls the tool `name`, if it exists, `answerer` may use it and `input` is valid under its schema. `inputs` is what people said to what
    /// it asked; `None` if nobody can be asked.
    pub(crate) async fn call(
        &self,
        (name, answerer): (&str, Answerer),
        cx: ToolContext,
        todo_list: &TodoList,
        mut input: Value,
        inputs: Option<&ToolInputs>,
    ) -> Result<Called, ToolError> {
        if !answerer.may_use(name) {
            return Err(denied());
        }
        let Some(registered) = self.by_name.get(name) else {
            let remote = self.remote.as_deref();
            let call =
                remote.and_then(|remote| remote.call(answerer.agent.slug, name, input, inputs));
            return call.ok_or_else(denied)?.await;
        };
        if !registered.is_for(answerer) {
            return Err(denied());
        }
        check_input(&registered.input_schema, &mut input)?;
        let value = match &registered.implementation {
            Implementation::Tool(tool) => tool.call(cx, input).await?,
            Implementation::TodoList => todo_list.replace(input)?,
            // Whoever makes calls asks before that.
            Implementation::User => return Err(denied()),
        };
        Ok(Called::Output(ToolOutput {
            value,
            images: Vec::new(),
        }))
    }
}

fn denied() -> ToolError {
    ToolError::new("denied: this agent has no such tool")
}

/// Checks what a model wrote as the input of a tool, and writes whole numbers as integers.
///
/// # Errors
/// What does not fit, for the model.
pub(crate) fn check_input(schema: &Schema, input: &mut Value) -> Result<(), ToolError> {
    remove_zero_fractions(input);
    let violations = schema.violations(input);
    if violations.is_empty() {
        return Ok(());
    }
    let error = AgentError::Invalid(violations);
    Err(ToolError::new(format!("the input does not fit: {error}")))
}
