//! What models took so far, counted as it comes: so it is known also of what failed, ran out of time or was dropped.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::event::agent_event::Usage;

/// Counts what models took. Its clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Arc<Measured>);

#[derive(Debug, Default)]
struct Measured {
    counted: Mutex<Counted>,
    /// The most tokens; `None` sets no limit.
    budget: Option<u64>,
    /// What this is a part of.
    whole: Option<Meter>,
    /// Whether this measures the work of another agent.
    is_handoff: bool,
}

#[derive(Debug, Default)]
struct Counted {
    used: Usage,
    /// The model that was called last.
    model: Option<String>,
}

/// What is left of the budget that ends first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BudgetLeft {
    pub(crate) tokens: u64,
    /// All tokens of that budget.
    pub(crate) budget: u64,
}

impl Meter {
    /// A meter from zero for a part of what this one measures: what it counts is counted here too. Both budgets hold.
    pub(crate) fn part(&self, budget: Option<u64>) -> Self {
        self.part_of(budget, false)
    }

    /// As [`part`](Self::part), for an agent that was handed a task: its model is not the one that answers here.
    pub(crate) fn handoff(&self, budget: Option<u64>) -> Self {
        self.part_of(budget, true)
    }

    fn part_of(&self, budget: Option<u64>, is_handoff: bool) -> Self {
        Self(Arc::new(Measured {
            counted: Mutex::default(),
            budget,
            whole: Some(self.clone()),
            is_handoff,
        }))
    }

    /// Counts what one call took.
    pub(crate) fn add(&self, usage: Usage) {
        for meter in self.up() {
            let mut counted = meter.counted();
            counted.used = counted.used.plus(usage);
        }
    }

    /// Counts what is counted already in what this is a part of.
    pub(crate) fn restore(&self, usage: Usage) {
        let mut counted = self.counted();
        counted.used = counted.used.plus(usage);
    }

    /// Records that `model` is called.
    pub(crate) fn called(&self, model: &str) {
        for meter in self.up() {
            meter.counted().model = Some(model.to_owned());
            if meter.0.is_handoff {
                return;
            }
        }
    }

    /// What was counted.
    pub(crate) fn usage(&self) -> Usage {
        self.counted().used
    }

    /// The model that was called last, as `provider:model`; `None` if none was.
    pub(crate) fn model(&self) -> Option<String> {
        self.counted().model.clone()
    }

    /// What is left of the budget that ends first, this one's or that of a whole; `None` without budgets.
    pub(crate) fn left(&self) -> Option<BudgetLeft> {
        let left = self.up().filter_map(|meter| {
            let budget = meter.0.budget?;
            let tokens = budget.saturating_sub(meter.usage().total());
            Some(BudgetLeft { tokens, budget })
        });
        left.min_by_key(|left| left.tokens)
    }

    /// This meter, what it is a part of, and so on.
    fn up(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |meter| meter.0.whole.as_ref())
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        let counted = &self.0.counted;
        counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{BudgetLeft, Meter};
    use crate::event::agent_event::Usage;

    fn usage(input_tokens: u64, output_tokens: u64) -> Usage {
        Usage {
            input_tokens,
            output_tokens,
            estimated: false,
        }
    }

    #[test]
    fn a_part_begins_at_zero_and_counts_into_the_whole() {
        let whole = Meter::default();
        whole.add(usage(10, 1));
        let (first, second) = (whole.part(None), whole.part(None));
        first.part(None).add(usage(3, 2));
        second.clone().add(usage(u64::MAX, 4));
        assert_eq!(first.usage(), usage(3, 2));
        assert_eq!(second.usage(), usage(u64::MAX, 4));
        assert_eq!(whole.usage(), usage(u64::MAX, 7));
    }

    #[test]
    fn the_budget_that_ends_first_limits_a_part() {
        let left = |tokens, budget| Some(BudgetLeft { tokens, budget });
        let whole = Meter::default().part(Some(100));
        let part = whole.handoff(Some(60));
        whole.add(usage(30, 0));
        assert_eq!(part.left(), left(60, 60));
        part.add(usage(40, 5));
        assert_eq!(part.left(), left(15, 60));
        whole.add(usage(20, 0));
        assert_eq!(part.left(), left(5, 100));
        assert_eq!(whole.part(None).left(), left(5, 100));
        assert_eq!(Meter::default().part(None).left(), None);
    }

    #[test]
    fn the_model_of_a_handoff_is_not_that_of_the_run() {
        let run = Meter::default();
        let turn = run.part(None);
        assert_eq!(run.model(), None);
        turn.called("a:large");
        turn.handoff(None).called("b:small");
        assert_eq!(run.model().as_deref(), Some("a:large"));
        assert_eq!(turn.model().as_deref(), Some("a:large"));
    }
}
