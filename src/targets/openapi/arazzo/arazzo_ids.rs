//! The ids of steps in Arazzo.

use crate::contract::workflow_contract::Step;

/// The ids of a workflow's steps in Arazzo, where they are made of ASCII letters, digits, `_` and `-`.
pub struct Ids<'a>(Vec<(&'a str, String)>);

impl<'a> Ids<'a> {
    /// The ids of `steps`.
    pub fn new(steps: &'a [Step]) -> Self {
        let is_plain = |id: &str| {
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            !id.is_empty() && id.chars().all(is_part)
        };
        let mut ids: Vec<(&str, String)> = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let mut id = step.id.clone();
            if !is_plain(&id) {
                id = format!("step-{}", index + 1);
                while steps.iter().any(|other| other.id == id) {
                    id.push('_');
                }
            }
            ids.push((&step.id, id));
        }
        Self(ids)
    }

    /// Whether there is a step `id`.
    pub fn has(&self, id: &str) -> bool {
        self.0.iter().any(|(own, _)| *own == id)
    }

    /// The id of the step `id` in Arazzo.
    pub fn get<'b>(&'b self, id: &'b str) -> &'b str {
        let found = self.0.iter().find(|(own, _)| *own == id);
        found.map_or(id, |(_, plain)| plain)
    }

    /// The runtime expression for the output of the step `id`.
    pub fn output(&self, id: &str) -> String {
        format!("$steps.{}.outputs.output", self.get(id))
    }

    /// The id of the fallback step of `id`.
    pub fn fallback(&self, id: &str) -> String {
        let mut fallback = format!("{}-fallback", self.get(id));
        while self.0.iter().any(|(_, plain)| *plain == fallback) {
            fallback.push('_');
        }
        fallback
    }
}
