//! `TodoWrite`: the list in which a model keeps what is to be done in a run.
//!
//! Invariant: a list belongs to one agent in one run, and a call replaces all of it. It ends with the run; those who follow the run see
//! each list in the arguments of the call.

use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::engine::tools::{ToolError, input_schema};
use crate::model::ToolDefinition;

/// The name of the tool.
pub(crate) const TODO_WRITE: &str = "TodoWrite";

#[derive(Deserialize, JsonSchema)]
struct TodoWriteInput {
    /// The whole list, as it is from now on.
    #[schemars(length(max = 200))]
    todos: Vec<Todo>,
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(inline)]
struct Todo {
    /// What is to be done: `Run the tests`.
    #[schemars(length(min = 1, max = 2000))]
    content: String,
    status: Status,
    /// The same while it is being done: `Running the tests`.
    #[serde(rename = "activeForm")]
    #[schemars(length(min = 1, max = 2000))]
    active_form: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Status {
    Pending,
    InProgress,
    Completed,
}

/// The list of an agent in a run.
#[derive(Clone, Default)]
pub(crate) struct TodoList(Arc<Mutex<Vec<Todo>>>);

/// What a model is told of the tool.
pub(crate) fn definition() -> ToolDefinition {
    let description = "Replaces the list of what is to be done in this run. Use it for work of several steps: mark an item `in_progress` \
                       before you begin it and `completed` as soon as it is done, and have one item in progress at a time.";
    ToolDefinition {
        name: TODO_WRITE.to_owned(),
        description: description.to_owned(),
        input_schema: input_schema::<TodoWriteInput>(),
    }
}

impl TodoList {
    /// Puts the list in `input`, which fits the schema, in the place of this one. The result says how far it is, and which items of the
    /// list before are gone without being completed.
    ///
    /// # Errors
    /// An input that does not fit.
    pub(crate) fn replace(&self, input: Value) -> Result<Value, ToolError> {
        let input: TodoWriteInput = serde_json::from_value(input)
            .map_err(|error| ToolError::new(format!("the input does not fit: {error}")))?;
        let todos = input.todos;
        let count = |status| todos.iter().filter(|todo| todo.status == status).count();
        let mut said = format!(
            "The list has {} items: {} completed, {} in progress, {} pending.",
            todos.len(),
            count(Status::Completed),
            count(Status::InProgress),
            count(Status::Pending)
        );
        let current = todos.iter().find(|todo| todo.status == Status::InProgress);
        if let Some(current) = current {
            said.push_str(&format!(" Now: {}.", current.active_form));
        }
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_gone = |before: &&Todo| {
            let is_same = |todo: &Todo| todo.content == before.content;
            before.status != Status::Completed && !todos.iter().any(is_same)
        };
        for gone in list.iter().filter(is_gone) {
            let content = &gone.content;
            said.push_str(&format!(" No longer there, and not completed: {content}."));
        }
        *list = todos;
        Ok(Value::String(said))
    }
}
