//! What models took so far, counted as it comes: so it is known also of what failed, ran out of time or was dropped.

use std::sync::{Arc, Mutex, PoisonError};

use crate::event::agent_event::Usage;

/// Counts what models took. Its clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    used: Mutex<Usage>,
    /// What this is a part of.
    whole: Option<Meter>,
}

impl Meter {
    /// A meter from zero for a part of what this one measures: what it counts is counted here too.
    pub(crate) fn part(&self) -> Self {
        Self(Arc::new(Counted {
            used: Mutex::default(),
            whole: Some(self.clone()),
        }))
    }

    /// Counts what one call took.
    pub(crate) fn add(&self, usage: Usage) {
        let mut meter = Some(self);
        while let Some(Self(counted)) = meter {
            let mut used = counted.used.lock().unwrap_or_else(PoisonError::into_inner);
            *used = used.plus(usage);
            meter = counted.whole.as_ref();
        }
    }

    /// What was counted.
    pub(crate) fn usage(&self) -> Usage {
        *self.0.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Meter;
    use crate::event::agent_event::Usage;

    #[test]
    fn a_part_begins_at_zero_and_counts_into_the_whole() {
        let of = |input_tokens, output_tokens| Usage {
            input_tokens,
            output_tokens,
        };
        let whole = Meter::default();
        whole.add(of(10, 1));
        let (first, second) = (whole.part(), whole.part());
        first.part().add(of(3, 2));
        second.clone().add(of(u64::MAX, 4));
        assert_eq!(first.usage(), of(3, 2));
        assert_eq!(second.usage(), of(u64::MAX, 4));
        assert_eq!(whole.usage(), of(u64::MAX, 7));
    }
}
