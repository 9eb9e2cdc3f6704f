//! Plans that a model makes: subtasks, whom each is for, and on which others it depends.
//!
//! Invariant: a plan that was read can be carried out: its agents are allowed, and its subtasks can be put in an order.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The longest id of a subtask, in characters.
const LONGEST_ID: usize = 64;
/// How many faults of a plan are reported.
const MAX_FAULTS: usize = 10;

/// One subtask of a plan.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Subtask {
    pub(crate) id: String,
    /// The slug of its agent.
    pub(crate) agent: &'static str,
    pub(crate) input: Value,
    /// The ids of those that come first.
    pub(crate) depends_on: Vec<String>,
}

/// Reads the list of subtasks `value`.
///
/// # Errors
/// What is wrong with it, in words for whoever made it.
pub(crate) fn read_plan(
    value: &Value,
    agents: &'static [&'static str],
    max: u32,
) -> Result<Vec<Subtask>, String> {
    let Value::Array(items) = value else {
        return Err("the plan is no list of subtasks".to_owned());
    };
    if items.len() > max as usize {
        let count = items.len();
        return Err(format!(
            "the plan has {count} subtasks, and {max} are allowed"
        ));
    }
    let (mut plan, mut faults, mut ids) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (index, item) in items.iter().enumerate() {
        let number = index + 1;
        let id = match item["id"].as_str() {
            Some(id) if is_id(id) => id,
            Some(_) => {
                faults.push(format!("the id of subtask {number} is not made of up to {LONGEST_ID} letters, digits, `.`, `_` and `-`"));
                continue;
            }
            None => {
                faults.push(format!("subtask {number} has no `id`"));
                continue;
            }
        };
        if !ids.insert(id) {
            faults.push(format!("there are two subtasks `{id}`"));
        }
        let agent = match item["agent"].as_str() {
            None => {
                faults.push(format!("the subtask `{id}` has no `agent`"));
                None
            }
            Some(agent) => {
                let found = agents.iter().find(|allowed| **allowed == agent);
                if found.is_none() {
                    let shown = agent.escape_debug().take(LONGEST_ID).collect::<String>();
                    let allowed = agents.join(", ");
                    faults.push(format!("the subtask `{id}` is for the agent `{shown}`, which is not one of {allowed}"));
                }
                found
            }
        };
        if item["input"].is_null() {
            faults.push(format!("the subtask `{id}` has no `input`"));
        }
        let depends_on = match &item["depends_on"] {
            Value::Null => Some(Vec::new()),
            Value::Array(others) => {
                let others = others.iter().map(|other| other.as_str().map(str::to_owned));
                others.collect::<Option<Vec<_>>>()
            }
            _ => None,
        };
        if depends_on.is_none() {
            faults.push(format!(
                "`depends_on` of the subtask `{id}` is no list of ids"
            ));
        }
        if let (Some(agent), Some(depends_on)) = (agent, depends_on) {
            plan.push(Subtask {
                id: id.to_owned(),
                agent,
                input: item["input"].clone(),
                depends_on,
            });
        }
    }
    for subtask in &plan {
        for other in &subtask.depends_on {
            if !ids.contains(other.as_str()) {
                let shown = other.escape_debug().take(LONGEST_ID).collect::<String>();
                let id = &subtask.id;
                faults.push(format!(
                    "the subtask `{id}` depends on `{shown}`, which is no subtask"
                ));
            }
        }
    }
    if faults.is_empty() {
        let stuck = in_cycles(&plan);
        if !stuck.is_empty() {
            let stuck = stuck.iter().map(|id| format!("`{id}`"));
            let stuck = stuck.collect::<Vec<_>>().join(", ");
            faults.push(format!("these subtasks wait for each other: {stuck}"));
        }
    }
    if faults.is_empty() {
        return Ok(plan);
    }
    let more = faults.len().saturating_sub(MAX_FAULTS);
    faults.truncate(MAX_FAULTS);
    if more > 0 {
        faults.push(format!("and {more} more"));
    }
    Err(faults.join("; "))
}

fn is_id(id: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=LONGEST_ID).contains(&id.len()) && id.chars().all(is_plain)
}

/// The ids of the subtasks that can never begin, because each depends on another one.
fn in_cycles(plan: &[Subtask]) -> BTreeSet<&str> {
    let mut missing = BTreeMap::new();
    let mut dependents = BTreeMap::<&str, Vec<&str>>::new();
    for subtask in plan {
        let needs = subtask.depends_on.iter().map(String::as_str);
        let needs = needs.collect::<BTreeSet<_>>();
        for need in &needs {
            dependents.entry(need).or_default().push(&subtask.id);
        }
        missing.insert(subtask.id.as_str(), needs.len());
    }
    let free = missing.iter().filter(|(_, count)| **count == 0);
    let mut free = free.map(|(id, _)| *id).collect::<Vec<_>>();
    while let Some(id) = free.pop() {
        missing.remove(id);
        for dependent in dependents.get(id).into_iter().flatten() {
            if let Some(count) = missing.get_mut(dependent) {
                *count -= 1;
                if *count == 0 {
                    free.push(dependent);
                }
            }
        }
    }
    missing.into_keys().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::read_plan;

    const AGENTS: &[&str] = &["cook", "waiter"];

    fn reason(plan: Value) -> String {
        read_plan(&plan, AGENTS, 3).expect_err("a plan that is refused")
    }

    #[test]
    fn a_plan_is_read_with_and_without_dependencies() {
        let plan = json!([
            { "id": "a", "agent": "cook", "input": "Soup." },
            { "id": "b", "agent": "waiter", "input": { "table": 4 }, "depends_on": ["a"] },
        ]);
        let plan = read_plan(&plan, AGENTS, 3).expect("a plan");
        assert_eq!(plan[0].depends_on, [""; 0]);
        assert_eq!(plan[1].agent, "waiter");
        assert_eq!(plan[1].depends_on, ["a"]);
        assert_eq!(read_plan(&json!([]), AGENTS, 3), Ok(Vec::new()));
    }

    #[test]
    fn whoever_made_a_plan_is_told_everything_that_is_wrong_with_it() {
        assert_eq!(reason(json!("soup")), "the plan is no list of subtasks");
        let many = vec![json!({}); 4];
        assert_eq!(
            reason(Value::from(many)),
            "the plan has 4 subtasks, and 3 are allowed"
        );
        let reason_of_many = reason(json!([
            { "agent": "cook", "input": "" },
            { "id": "a b", "agent": "cook", "input": "" },
            { "id": "a", "agent": "thief", "depends_on": "b" },
        ]));
        assert_eq!(
            reason_of_many,
            "subtask 1 has no `id`; the id of subtask 2 is not made of up to 64 letters, digits, `.`, `_` and `-`; \
             the subtask `a` is for the agent `thief`, which is not one of cook, waiter; the subtask `a` has no `input`; \
             `depends_on` of the subtask `a` is no list of ids"
        );
        let twice = json!([
            { "id": "a", "agent": "cook", "input": "", "depends_on": ["c"] },
            { "id": "a", "agent": "cook", "input": "" },
        ]);
        assert_eq!(
            reason(twice),
            "there are two subtasks `a`; the subtask `a` depends on `c`, which is no subtask"
        );
    }

    #[test]
    fn a_plan_whose_subtasks_wait_for_each_other_is_refused() {
        let subtask = |id, depends_on: &[&str]| json!({ "id": id, "agent": "cook", "input": "", "depends_on": depends_on });
        let plan = json!([
            subtask("a", &["b"]),
            subtask("b", &["a"]),
            subtask("c", &[])
        ]);
        assert_eq!(reason(plan), "these subtasks wait for each other: `a`, `b`");
        let own = json!([subtask("a", &["a"])]);
        assert_eq!(reason(own), "these subtasks wait for each other: `a`");
    }
}
