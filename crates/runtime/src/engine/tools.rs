//! What a model may have done for it: functions with a name, a description and a schema of their input.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::engine::handoff::{PREFIX, Team};
use crate::error::start_error::StartError;
use crate::model::{ANSWER, LONGEST_NAME, ToolDefinition};
use crate::schema::formats::Uuid;

/// A function that a model can have called.
pub trait Tool: Send + Sync + 'static {
    /// Its name: letters, digits, `_` and `-`, 64 at most. An agent's list of tools names it so.
    fn name(&self) -> &str;

    /// What it does and when to use it, for the model.
    fn description(&self) -> &str;

    /// JSON Schema of its input: an object.
    fn input_schema(&self) -> Value;

    /// Runs it. The input is what the model wrote, checked by nobody. The future is dropped when the run ends before.
    fn call(&self, cx: ToolContext, input: Value) -> Calling<'_>;
}

/// A tool at work.
pub type Calling<'a> = Pin<Box<dyn Future<Output = Result<Value, ToolError>> + Send + 'a>>;

/// For whom a tool works.
#[derive(Debug, Clone)]
pub struct ToolContext {
    /// The run.
    pub run_id: Uuid,
    /// The request's id, as in `X-Request-Id`.
    pub request_id: String,
    /// The slug of the agent whose model wants it.
    pub agent: &'static str,
    /// Who called the agent: the token's subject, or `anonymous`.
    pub subject: String,
    /// The roles of who called.
    pub roles: Vec<String>,
}

/// Why a tool has no result. The model is told so and goes on; it may tell the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolError(String);

impl ToolError {
    /// An error that says `detail` to the model.
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

/// A tool made of an async function; the schema comes from the type of its input.
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
        let mut schema = schemars::schema_for!(I);
        // Both say nothing to a model.
        schema.remove("$schema");
        schema.remove("title");
        schema.into()
    }

    fn call(&self, cx: ToolContext, input: Value) -> Calling<'_> {
        let input = serde_path_to_error::deserialize::<_, I>(input);
        let calling = input.map(|input| (self.call)(cx, input));
        Box::pin(async move {
            let calling = calling
                .map_err(|error| ToolError::new(format!("the input does not fit: {error}")))?;
            let output = calling.await?;
            serde_json::to_value(output).map_err(|error| ToolError::new(error.to_string()))
        })
    }
}

/// The tools of a service, by name.
#[derive(Clone, Default)]
pub(crate) struct Tools {
    known: Arc<BTreeMap<String, Box<dyn Tool>>>,
    /// Whom a task may be handed over to.
    pub(crate) team: Team,
}

impl Tools {
    /// These tools.
    ///
    /// # Errors
    /// A name that a provider does not take, one that stands twice, and a schema that is not of an object.
    pub(crate) fn new(tools: Vec<Box<dyn Tool>>) -> Result<Self, StartError> {
        let mut known = BTreeMap::new();
        for tool in tools {
            let name = tool.name().to_owned();
            let wrong = |detail: &str| StartError::Tool {
                name: name.clone(),
                detail: detail.to_owned(),
            };
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
            if !name.chars().all(is_plain) || !(1..=LONGEST_NAME).contains(&name.len()) {
                return Err(wrong("a name has 1 to 64 letters, digits, _ and -"));
            }
            if name == ANSWER || name.starts_with(PREFIX) {
                return Err(wrong("the name is taken by the runtime"));
            }
            if tool.input_schema().get("type").and_then(Value::as_str) != Some("object") {
                return Err(wrong("its input is not an object"));
            }
            if known.contains_key(&name) {
                return Err(wrong("is registered twice"));
            }
            known.insert(name, tool);
        }
        Ok(Self {
            known: Arc::new(known),
            team: Team::default(),
        })
    }

    /// The same tools, with others to hand tasks over to.
    pub(crate) fn with_team(self, team: Team) -> Self {
        Self { team, ..self }
    }

    /// What a model is told of the tools that `allowed` lists; `None` allows all.
    pub(crate) fn definitions(&self, allowed: Option<&[&str]>) -> Vec<ToolDefinition> {
        let allowed = self
            .known
            .values()
            .filter(|tool| is_allowed(tool.name(), allowed));
        allowed
            .map(|tool| ToolDefinition {
                name: tool.name().to_owned(),
                description: tool.description().to_owned(),
                input_schema: tool.input_schema(),
            })
            .collect()
    }

    /// Has the tool `name` called, if it is there and `allowed` lists it.
    pub(crate) async fn call(
        &self,
        name: &str,
        allowed: Option<&[&str]>,
        cx: ToolContext,
        input: Value,
    ) -> Result<Value, ToolError> {
        match self.known.get(name).filter(|_| is_allowed(name, allowed)) {
            Some(tool) => tool.call(cx, input).await,
            None => Err(ToolError::new("denied: this agent has no such tool")),
        }
    }
}

/// `*` allows every tool. An entry may narrow a tool down, as in `Bash(git diff:*)`: nothing here can heed that, so that
/// such an entry allows nothing.
fn is_allowed(name: &str, allowed: Option<&[&str]>) -> bool {
    allowed.is_none_or(|allowed| allowed.iter().any(|entry| *entry == name || *entry == "*"))
}
