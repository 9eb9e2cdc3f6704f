//! A bar on stderr for what takes long.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// What ends earlier shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar that appears after a second, if stderr is a terminal, and goes away when this is dropped.
pub struct Progress {
    begun: Instant,
    bar: OnceLock<ProgressBar>,
}

impl Progress {
    /// Begins to wait.
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            bar: OnceLock::new(),
        }
    }

    /// Shows that `done` of `all` agents are done; from any thread.
    pub fn show(&self, done: usize, all: usize) {
        if self.begun.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_init(|| {
            let bar = ProgressBar::new(all as u64);
            let style = ProgressStyle::with_template("{bar:40} {pos} of {len} agents, {eta} left");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        bar.set_position(done as u64);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;
    use std::time::{Duration, Instant};

    use super::{PATIENCE, Progress};

    #[test]
    fn a_bar_appears_after_a_second() {
        let after = |time: Duration| Progress {
            begun: Instant::now().checked_sub(time).expect("a moment ago"),
            bar: OnceLock::new(),
        };
        let new = Progress::new();
        new.show(1, 10);
        assert!(new.bar.get().is_none());
        let long = after(PATIENCE);
        long.show(3, 10);
        long.show(4, 10);
        let bar = long.bar.get().expect("a bar");
        assert_eq!((bar.position(), bar.length()), (4, Some(10)));
        let bar = bar.clone();
        drop(long);
        assert!(bar.is_finished());
    }
}
